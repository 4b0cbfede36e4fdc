"""Commands that train: reproduce, train, benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euinet.cli.options import (
    DataOption,
    DataOrFeaturesOption,
    DataRootOption,
    Device,
    DeviceOption,
    FarOption,
    FeaturesOption,
    FreshOption,
    JsonOption,
    LabelsOption,
    Precision,
    PrecisionOption,
    ResumeOption,
    SeedOption,
    SetOption,
    metrics_table,
    notify,
    one_source,
    overrides,
    print_result,
)
from euinet.cli.program import app
from euinet.system.processes import one_voice

if TYPE_CHECKING:
    from euinet.experiment import Experiment


@app.command()
@one_voice()
def reproduce(
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="Folder for everything that is written.")] = Path(
        "runs/reproduce"
    ),
    resume: ResumeOption = False,
    fresh: FreshOption = False,
    set_: SetOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Repeat the report's experiment: MNIST, digit 0 held out.

    Writes metrics.json, the figures, report.html and the model to --out. The same command again goes on
    where it was interrupted.
    """
    from euinet.experiment import Experiment
    from euinet.presets import get_preset

    experiment = Experiment("mnist", ("0",), get_preset("report", overrides(set_)), seed)
    _run(experiment, out, resume, fresh, device, precision, data_root, json_, report=True)


@app.command()
@one_voice()
def train(
    data: DataOrFeaturesOption = "",
    hold_out: Annotated[str, typer.Option(help="Classes to treat as unknown, separated by commas.")] = "",
    ood: FarOption = None,
    image_size: Annotated[
        int | None,
        typer.Option(min=16, help="Of a folder's images, in pixels a side; a multiple of 4. [default: 32]"),
    ] = None,
    features: FeaturesOption = None,
    labels: LabelsOption = None,
    backbone: Annotated[
        str,
        typer.Option(
            help="A published network, kept as it is: efficientnet-lite0, timm/NAME or torchvision/NAME. "
            "EuiNet learns on what it makes of the images, in minutes."
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option(
            help="Of the backbone: auto (as published), a .safetensors or .pth file, or none: then the whole "
            "network is trained, from random numbers."
        ),
    ] = "auto",
    finetune: Annotated[
        int,
        typer.Option(
            min=0, help="Epochs in which the backbone's last stages learn on the known images, too."
        ),
    ] = 0,
    preset: Annotated[
        str,
        typer.Option(help="Settings to start from. [default: default; embeddings with a backbone]"),
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for model, metrics and log.")] = Path("runs/train"),
    resume: ResumeOption = False,
    fresh: FreshOption = False,
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
    """Train one model on known classes and judge it on known and unknown ones.

    The same command again goes on where it was interrupted; what is trained already is not trained again.
    """
    from euinet.data.tables.reading import is_table
    from euinet.errors import UsageError
    from euinet.experiment import Experiment
    from euinet.presets import get_preset

    data = one_source(data, features)
    table = not backbone and is_table(data)
    held_out, changed = (hold_out,) if hold_out else (), overrides(set_)
    if finetune and (not backbone or weights == "none"):
        raise UsageError("--finetune opens the last stages of a --backbone with weights: give that, too.")
    if weights != "auto" and not backbone:
        raise UsageError("--weights are of a --backbone: name the network that they belong to, too.")
    if weights == "none" and backbone:
        changed["model.backbone"], backbone = backbone, ""
    chosen = get_preset(preset or ("embeddings" if backbone or table else "default"), changed)
    experiment = Experiment(
        data,
        held_out,
        chosen,
        seed,
        image_size,
        tuple(ood or ()),
        backbone,
        weights,
        str(labels or ""),
        finetune,
    )
    _run(experiment, out, resume, fresh, device, precision, data_root, json_, report=report)


@app.command()
def benchmark(
    data: DataOption,
    hold_out: Annotated[
        str,
        typer.Option(
            help="Which classes are unknown in turn: each; six-four (the literature's five MNIST splits); or "
            'splits of your own, "4;9" one class each, "4,9;0" 4 and 9 together and then 0.'
        ),
    ] = "each",
    seeds: Annotated[int, typer.Option(min=1, help="How many: 0, 1, … One gives no interval.")] = 3,
    preset: Annotated[str, typer.Option(help="Settings to start from.")] = "default",
    set_: SetOption = None,
    detectors: Annotated[str, typer.Option(help="all, own, posthoc, or names separated by commas.")] = "all",
    far: Annotated[
        list[str] | None, typer.Option(help="A far set, as evaluate's --ood; may be repeated.")
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
        Path, typer.Option(help="Folder for models, results and tables; what is done there is kept.")
    ] = Path("runs/benchmark"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the cores.")] = 1,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Train and judge a model for every class held out and every seed, beside other detectors.

    The same command again goes on where it was interrupted.
    """
    from euinet.benchmark.run import BenchmarkRequest, run_benchmark
    from euinet.benchmark.summary import as_text
    from euinet.presets import get_preset
    from euinet.training.plan import without_effect

    asked = BenchmarkRequest(
        data=data,
        hold_out=hold_out,
        seeds=seeds,
        preset=get_preset(preset, overrides(set_)),
        detectors=detectors,
        far=tuple(far or ()),
        pseudo=pseudo_unknowns,
        out=out,
        jobs=jobs,
        device=device.value,
        precision=precision.value,
        data_root=data_root,
    )
    for sentence in without_effect(asked.preset):
        notify(sentence)
    ended = run_benchmark(asked, notify)
    if summary := ended.summary:
        print_result(summary.plain, json_, lambda _: as_text(summary))
        notify(f"Wrote results.csv, results.json, summary.md, summary.json and most_wrong.png to {out}.")
    ended.raise_failures()


def _run(
    experiment: Experiment,
    out: Path,
    resume: bool,
    fresh: bool,
    device: Device,
    precision: Precision,
    data_root: Path | None,
    json_: bool,
    *,
    report: bool,
) -> None:
    from euinet.experiment import run_experiment
    from euinet.training.distributed import spread_fabric

    with spread_fabric(device.value, precision.value) as fabric:
        result = run_experiment(
            experiment,
            out,
            fabric,
            data_root=data_root,
            resume=resume,
            fresh=fresh,
            report=report,
            notify=notify,
        )
    print_result(result.metrics, json_, metrics_table)
    wrote = (
        "report.html, the figures, metrics.json and the model"
        if report and result.record
        else "metrics.json and the model"
    )
    notify(f"Wrote {wrote} to {out}.")
