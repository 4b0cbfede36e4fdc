"""Commands that use a model: calibrate, predict, export, card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from euinet.cli.options import (
    DataOption,
    DataRootOption,
    Device,
    DeviceOption,
    FarOption,
    JsonOption,
    ModelArgument,
    print_result,
    say,
)
from euinet.cli.program import app


@app.command()
def calibrate(
    model: ModelArgument,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Share of known images that may be rejected by mistake.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Known images: the data that the model was trained on (its calibration part is used), "
            "others that it never saw, or a plain folder of such. [default: the scores that the model keeps]",
            show_default=False,
        ),
    ] = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="A threshold for each class that the classifier may give.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the calibrated model. [default: the model's own]", show_default=False
        ),
    ] = None,
    device: DeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Set the operating point from known images alone: at most --alpha of them are rejected by mistake.

    Nothing is trained anew. It promises nothing about how many unknown images are caught.
    """
    from euinet.calibrate import calibrate_saved

    result = calibrate_saved(model, data, alpha, per_class, out, device.value, data_root, say)
    print_result(result, json_, lambda found: found["sentence"])


@app.command()
def predict(
    model: Annotated[
        str, typer.Argument(help="A model's folder, a name that models lists, or an exported .onnx file.")
    ],
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Image files, folders, patterns, .npy or idx arrays, or - for standard input (an image, an "
            "array, or paths, one a line).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write the rows to this .csv, .json or .parquet file.", show_default=False
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    fail_on_ood: Annotated[
        bool,
        typer.Option("--fail-on-ood", help="End with 1 if an image is rejected, or cannot be read."),
    ] = False,
    device: DeviceOption = Device.auto,
    json_: JsonOption = False,
) -> None:
    """Say for each image which class it is, or that it is none of these."""
    from contextlib import nullcontext

    from euinet.errors import DataError, UsageError
    from euinet.predict.engine import open_predictor
    from euinet.predict.inputs import find_inputs
    from euinet.predict.rows import as_csv, as_table
    from euinet.predict.run import predict_all
    from euinet.predict.sinks import RowList, check_format, file_sink

    if csv and json_:
        raise UsageError("--csv and --json cannot both be printed: choose one, or write one with --out.")
    if out is not None:
        check_format(out)
    found = find_inputs(paths)
    if found.passed_over:
        say(f"{found.passed_over} files without an image's name were passed over.")
    predictor = open_predictor(model, device.value)
    class_names = predictor.facts.class_names
    printed = RowList() if csv or json_ or out is None else None
    with nullcontext() if out is None else file_sink(out, class_names) as written:
        sinks = [sink for sink in (printed, written) if sink is not None]
        predicted = predict_all(predictor, found, sinks, say)
    if out is not None:
        say(f"Wrote {predicted.images} rows to {out}.")
    if printed is not None and csv:
        typer.echo(as_csv(printed.rows, class_names), nl=False)
    elif printed is not None and json_:
        print_result({"model": model, "predictions": printed.rows, **predicted.to_plain()}, True, str)
    elif printed is not None:
        typer.echo(as_table(printed.rows))
    if predicted.drift is not None:
        say(predicted.drift.sentence())
    if predicted.broken:
        say(f"{predicted.broken} of {predicted.images} images could not be read.")
    if predicted.broken == predicted.images:
        raise DataError("No image could be read: see their rows.")
    if fail_on_ood and (predicted.rejected or predicted.broken):
        raise typer.Exit(1)


@app.command()
def export(
    model: ModelArgument,
    onnx: Annotated[Path, typer.Option("--onnx", help="The file to write.")],
    json_: JsonOption = False,
) -> None:
    """Write the whole decision, from pixels to p-value, as one ONNX file; predict takes it without torch."""
    from euinet.artifact import load_model
    from euinet.errors import UsageError
    from euinet.export import export_onnx
    from euinet.pretrained import resolve_model

    if onnx.suffix.lower() != ".onnx":
        raise UsageError(f"{onnx} must end in .onnx, so that predict knows what it is.")
    export_onnx(load_model(resolve_model(model)), onnx)
    result: dict[str, Any] = {"model": model, "onnx": str(onnx), "bytes": onnx.stat().st_size}
    print_result(result, json_, lambda found: f"Wrote {found['onnx']} ({found['bytes'] / 1e6:.2f} MB).")


@app.command()
def card(
    model: ModelArgument,
    data: DataOption,
    ood: FarOption = None,
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("card.html"),
    device: DeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Write the stress card: a page for those who must decide whether to use the model.

    What it promises and keeps, its weak spots, unknowns near and far, harmless changes, its worst errors.
    """
    from euinet.artifact import load_model
    from euinet.card import make_card
    from euinet.devices import make_fabric
    from euinet.pretrained import resolve_model

    loaded = load_model(resolve_model(model), make_fabric(device.value, "32-true").device)
    result = make_card(loaded, data, tuple(ood or ()), out, data_root, say)
    print_result(result, json_, lambda _: f"Wrote {out}.")
