"""The command line: one function a command; its docstring is its help.

Nothing heavy is imported before a command runs, so that `euinet --help` is instant.
stdout holds the result alone (with --json one JSON document); progress and remarks go to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from euinet.experiment import Experiment

app = typer.Typer(
    name="euinet",
    help='An image classifier that gives a class or says "none of these".',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Get data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")


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
    str,
    typer.Argument(help="A model's folder, as train and reproduce write it, or a name that models lists."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Decides everything that is drawn at random.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="auto takes a GPU where there is one.")]
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
    typer.Option("--set", metavar="SETTING=VALUE", help="Change one setting of the preset; may be repeated."),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")]


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """An image classifier that gives a class or says "none of these"."""
    if version:
        from euinet import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def reproduce(
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that is written.")] = Path(
        "runs/reproduce"
    ),
    resume: ResumeOption = False,
    set_: SetOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Repeat the report's experiment: MNIST, digit 0 held out.

    Writes metrics.json, the figures, report.html and the model to --out.
    """
    from euinet.experiment import Experiment
    from euinet.presets import get_preset

    experiment = Experiment("mnist", ("0",), get_preset("report", _overrides(set_)), seed)
    _run(experiment, out, resume, device, precision, data_root, json_, report=True)


@app.command()
def train(
    data: Annotated[
        str, typer.Option("--data", help="A data set's name, or a folder with one subfolder a class.")
    ],
    hold_out: Annotated[
        str, typer.Option("--hold-out", help="Classes to treat as unknown, separated by commas.")
    ] = "",
    preset: Annotated[str, typer.Option("--preset", help="Settings to start from.")] = "default",
    out: Annotated[Path, typer.Option("--out", help="Folder for model, metrics and log.")] = Path(
        "runs/train"
    ),
    resume: ResumeOption = False,
    set_: SetOption = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Draw the figures and report.html too.")
    ] = False,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Train one model on known classes and judge it on known and unknown ones."""
    from euinet.experiment import Experiment
    from euinet.presets import get_preset

    held_out = tuple(name.strip() for name in hold_out.split(",") if name.strip())
    experiment = Experiment(data, held_out, get_preset(preset, _overrides(set_)), seed)
    _run(experiment, out, resume, device, precision, data_root, json_, report=report)


@app.command()
def evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Option("--data", help="The data set whose test images are judged.")],
    ood: Annotated[
        list[str] | None,
        typer.Option(
            "--ood",
            help="A far set, whose images are all unknown: a data set's name, noise-uniform, noise-gaussian, "
            "letters, or a path to an idx file, a .npy array, an image or a folder of images "
            "(PATH:transpose turns rows into columns); may be repeated.",
        ),
    ] = None,
    device: DeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Judge a trained model on the test images of a data set, and on far sets."""
    from euinet.evaluation.saved import evaluate_saved
    from euinet.pretrained import resolve_model

    metrics = evaluate_saved(resolve_model(model), data, tuple(ood or ()), device.value, data_root, _say)
    _print(metrics, json_, _metrics_table)


@app.command()
def benchmark(
    data: Annotated[
        str, typer.Option("--data", help="A data set's name, or a folder with one subfolder a class.")
    ],
    hold_out: Annotated[
        str,
        typer.Option(
            "--hold-out",
            help="Which classes are unknown in turn: each; six-four (the literature's five MNIST splits); or "
            'splits of your own, "4;9" one class each, "4,9;0" 4 and 9 together and then 0.',
        ),
    ] = "each",
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="How many: 0, 1, … One gives no interval.")
    ] = 3,
    preset: Annotated[str, typer.Option("--preset", help="Settings to start from.")] = "default",
    set_: SetOption = None,
    detectors: Annotated[
        str, typer.Option("--detectors", help="all, own, posthoc, or names separated by commas.")
    ] = "all",
    far: Annotated[
        list[str] | None, typer.Option("--far", help="A far set, as evaluate's --ood; may be repeated.")
    ] = None,
    pseudo_unknowns: Annotated[
        bool,
        typer.Option(
            "--pseudo-unknowns",
            help="To choose settings: the next known class plays the unknown one; no test image is used, and "
            "none of the class held out.",
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for models, results and tables; what is done there is kept.")
    ] = Path("runs/benchmark"),
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes that share the cores.")] = 1,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Train and judge a model for every class held out and every seed, beside other detectors.

    The same command again goes on where it was interrupted.
    """
    from euinet.benchmark.run import Asked, run_benchmark
    from euinet.benchmark.summary import as_text
    from euinet.presets import get_preset

    asked = Asked(
        data=data,
        hold_out=hold_out,
        seeds=seeds,
        preset=get_preset(preset, _overrides(set_)),
        detectors=detectors,
        far=tuple(far or ()),
        pseudo=pseudo_unknowns,
        out=out,
        jobs=jobs,
        device=device.value,
        precision=precision.value,
        data_root=data_root,
    )
    ended = run_benchmark(asked, _say)
    if summary := ended.summary:
        _print(summary.plain, json_, lambda _: as_text(summary))
        _say(f"Wrote results.csv, results.json, summary.md, summary.json and most_wrong.png to {out}.")
    ended.raise_failures()


@app.command()
def models(json_: JsonOption = False) -> None:
    """List the models that come with euinet; evaluate takes their names."""
    from dataclasses import asdict

    from euinet.pretrained.listing import models_table, summarize_models

    found = summarize_models()
    _print({"models": [asdict(model) for model in found]}, json_, lambda _: models_table(found))


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="A data set's name.")],
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Get a data set and check it."""
    from euinet.data import fetch_dataset

    folder = fetch_dataset(name, data_root, notify=_say)
    _print(
        {"data": name, "folder": str(folder)}, json_, lambda found: f"{found['data']} is in {found['folder']}"
    )


def _run(
    experiment: Experiment,
    out: Path,
    resume: bool,
    device: Device,
    precision: Precision,
    data_root: Path | None,
    json_: bool,
    *,
    report: bool,
) -> None:
    from euinet.devices import make_fabric
    from euinet.experiment import run_experiment

    fabric = make_fabric(device.value, precision.value)
    result = run_experiment(
        experiment, out, fabric, data_root=data_root, resume=resume, report=report, notify=_say
    )
    _print(result.metrics, json_, _metrics_table)
    wrote = (
        "report.html, the figures, metrics.json and the model"
        if report and result.record
        else "metrics.json and the model"
    )
    _say(f"Wrote {wrote} to {out}.")


def _overrides(pairs: list[str] | None) -> dict[str, str]:
    from euinet.errors import UsageError

    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set takes SETTING=VALUE, such as scoring.epsilon=0, not '{pair}'.")
        found[name.strip()] = value.strip()
    return found


def _metrics_table(metrics: dict[str, Any]) -> str:
    """Return what a person wants first: figure 21's table, then the detectors."""
    from euinet.report.console import console_table

    return console_table(metrics)


def _print(result: dict[str, Any], as_json: bool, as_text: Callable[[dict[str, Any]], str]) -> None:
    typer.echo(json.dumps(result, indent=2) if as_json else as_text(result))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
