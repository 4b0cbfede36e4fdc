"""What commands share: their options, and how they speak.

stdout holds the result alone (with --json one JSON document); progress and remarks go to stderr.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from euinet.system.streams import print_text, tell
from euinet.system.words import printable


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Precision(StrEnum):
    """In what numbers to train."""

    auto = "auto"
    bf16 = "bf16-mixed"
    float32 = "32-true"


ModelArgument = Annotated[
    str, typer.Argument(help="A model's folder, a name that models lists, or an exported .onnx file.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Decides everything that is drawn at random.")]
DeviceOption = Annotated[
    Device,
    typer.Option(
        "--device",
        help="Where to train and judge; auto is a GPU where there is one, else the processor.",
    ),
]
AnswerDeviceOption = Annotated[
    Device,
    typer.Option("--device", help="auto and cpu answer by onnxruntime on the processor, others by PyTorch."),
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="Of training; auto is bfloat16 where the processor has it.")
]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root", help="Folder of data sets, in torchvision's layout. [default: EUINET_DATA, or a cache]"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="Change one setting of the preset; may be repeated, the last one counts.",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Fail unless --out holds a checkpoint to go on from; without it, go on if there is one.",
    ),
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Start anew and replace the run that --out holds, whichever it is.")
]
DataOption = Annotated[
    str, typer.Option("--data", help="A data set's name, or a folder with one subfolder a class.")
]
DataOrFeaturesOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="A data set's name, a folder with one subfolder a class, or a table of embeddings (.parquet, "
        ".npz, .npy, .csv); with a backbone, a Parquet file or shards of images, too.",
    ),
]
FeaturesOption = Annotated[
    Path | None, typer.Option("--features", help="A table of embeddings, in the place of --data.")
]
LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", help="Labels of a table that has none: .csv, .txt or .npy, one for each row."),
]
FarOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ood",
        help="A far set, whose images are all unknown: a data set's name, noise-uniform, noise-gaussian, "
        "letters, or a path to an idx file, a .npy array, an image or a folder of images "
        "(PATH:transpose turns rows into columns), or, for a model of embeddings, a table of them; may be "
        "repeated.",
    ),
]


def one_source(data: str, features: Path | None) -> str:
    """Return what --data or --features names. Raises UsageError for both and for none."""
    from euinet.errors import UsageError

    if bool(data) == (features is not None):
        raise UsageError(
            "Give --data DATA, or --features TABLE for embeddings"
            + (", and not both." if data else ": one of them is needed.")
        )
    return data or str(features)


def overrides(pairs: list[str] | None) -> dict[str, str]:
    """Return the settings that --set changes. Raises UsageError for what is not SETTING=VALUE."""
    from euinet.errors import UsageError

    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set takes SETTING=VALUE, such as scoring.epsilon=0, not '{pair}'.")
        found[name.strip()] = value.strip()
    return found


def print_result(result: dict[str, Any], as_json: bool, as_text: Callable[[dict[str, Any]], str]) -> None:
    """Print a command's result on stdout, as text without what steers a terminal."""
    print_text(json.dumps(result, indent=2) if as_json else printable(as_text(result), keep="\n"))


def notify(text: str) -> None:
    """Say something about the work on stderr."""
    tell(printable(text))


def metrics_table(metrics: dict[str, Any]) -> str:
    """Return what a person wants first: figure 21's table, then the detectors."""
    from euinet.report.console import console_table

    return console_table(metrics)
