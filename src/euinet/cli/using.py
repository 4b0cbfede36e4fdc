"""Commands that use a model: calibrate, predict, export, card."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euinet.cli.options import (
    AnswerDeviceOption,
    DataOrFeaturesOption,
    DataRootOption,
    Device,
    DeviceOption,
    FarOption,
    FeaturesOption,
    JsonOption,
    LabelsOption,
    ModelArgument,
    notify,
    one_source,
    print_result,
)
from euinet.cli.program import app
from euinet.system.streams import print_text

if TYPE_CHECKING:
    from euinet.model.model import Model
    from euinet.predict.rows import Row
    from euinet.predict.run import Predicted


@app.command()
def calibrate(
    model: ModelArgument,
    alpha: Annotated[float, typer.Option(help="Share of known images that may be rejected by mistake.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Known images: the data that the model was trained on (its calibration part is used), "
            "others that it never saw, or a plain folder of such. [default: the scores that the model keeps]"
        ),
    ] = None,
    features: FeaturesOption = None,
    labels: LabelsOption = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="A threshold for each class that the classifier may give.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the calibrated model. [default: the model's own]")
    ] = None,
    device: AnswerDeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Set the operating point from known images alone: at most --alpha of them are rejected by mistake.

    Nothing is trained anew. It promises nothing about how many unknown images are caught.
    """
    from euinet.errors import UsageError
    from euinet.judging.calibrate import calibrate_saved

    if labels is not None and not (data or features):
        raise UsageError("--labels are of a table's rows: give --features TABLE or --data TABLE, too.")
    source = one_source(data or "", features) if data or features else None
    result = calibrate_saved(model, source, alpha, per_class, out, device.value, data_root, notify, labels)
    print_result(result, json_, lambda found: found["sentence"])


class Engine(StrEnum):
    """Who scores."""

    local = "local"
    ray = "ray"


@app.command()
def predict(
    model: ModelArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Image files, folders, patterns, .npy or idx arrays, .parquet files with the columns path "
            "and bytes, or - for standard input (an image, an array, or paths, one a line); of a model of "
            "embeddings tables (.parquet, .npz, .npy, .csv) or - for an array.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows to this .csv, .json or .parquet file. Run again after a break, it goes on."
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    fail_on_ood: Annotated[
        bool, typer.Option("--fail-on-ood", help="End with 1 if an image is rejected, or cannot be read.")
    ] = False,
    part_images: Annotated[
        int, typer.Option(min=1, help="Images that are finished and kept together, with --out.")
    ] = 10_240,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw away what an unfinished run with the same --out left.")
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="ray: score with --out on a cluster (RAY_ADDRESS) or this machine.")
    ] = Engine.local,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of --engine ray. [default: one for each processor; for each GPU with --device cuda]"
        ),
    ] = None,
    device: AnswerDeviceOption = Device.auto,
    json_: JsonOption = False,
) -> None:
    """Say for each image which class it is, or that it is none of these."""
    from euinet.data.tables.inputs import find_rows
    from euinet.errors import DataError
    from euinet.images.inputs import find_inputs
    from euinet.model.opening import load
    from euinet.predict.run import predict_all
    from euinet.predict.sinks import RowList
    from euinet.predict.to_file import Order, check_order, predict_to_file

    printing = csv or json_ or out is None
    order = Order(device.value, part_images, fresh, engine is Engine.ray, workers)
    check_order(order, out, csv, json_)
    opened = load(model, order.own_device)
    if opened.card.reads_images:
        found = find_inputs(paths)
    else:
        found = find_rows(paths, opened.card.width, sys.stdin.buffer)
    if found.passed_over:
        notify(found.passed.sentence())
    printed = RowList()
    sinks = [printed] if printing else []
    if out is None:
        predicted = predict_all(opened, found, sinks, notify, part_images)
    else:
        predicted = predict_to_file(opened, found, out, order, sinks, notify)
        notify(f"Wrote {predicted.images} rows to {out}.")
    if printing:
        _print_rows(printed.rows, opened, predicted, csv, json_)
    if predicted.drift is not None:
        notify(predicted.drift.sentence())
    if predicted.broken:
        notify(f"{predicted.broken} of {predicted.images} images could not be answered.")
    if predicted.broken == predicted.images:
        raise DataError(
            "No image could be answered: see their rows."
            if predicted.images
            else "What was named has no image."
        )
    if fail_on_ood and (predicted.rejected or predicted.broken):
        raise typer.Exit(1)


def _print_rows(rows: list[Row], model: Model, predicted: Predicted, csv: bool, json_: bool) -> None:
    from euinet.predict.rows import as_csv, as_table

    if csv:
        print_text(as_csv(rows, model.class_names).removesuffix("\n"))
        return
    found = {"model": model.name, "predictions": rows, **predicted.to_plain()}
    print_result(found, json_, lambda _: as_table(rows))


@app.command()
def export(
    model: ModelArgument,
    onnx: Annotated[Path, typer.Option(help="The file to write.")],
    json_: JsonOption = False,
) -> None:
    """Write the whole decision, from pixels to p-value, as one ONNX file, which every command takes."""
    from euinet.errors import UsageError
    from euinet.model.opening import load

    if onnx.suffix.lower() != ".onnx":
        raise UsageError(f"{onnx} must end in .onnx, so that predict knows what it is.")
    load(model).save_onnx(onnx)
    result: dict[str, Any] = {"model": model, "onnx": str(onnx), "bytes": onnx.stat().st_size}
    print_result(result, json_, lambda found: f"Wrote {found['onnx']} ({found['bytes'] / 1e6:.2f} MB).")


@app.command()
def card(
    model: ModelArgument,
    data: DataOrFeaturesOption = "",
    features: FeaturesOption = None,
    labels: LabelsOption = None,
    ood: FarOption = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("card.html"),
    device: DeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Write the stress card: a page for those who must decide whether to use the model.

    What it promises and keeps, its weak spots, unknowns near and far, harmless changes, its worst errors.
    """
    from euinet.card.make import make_card
    from euinet.model.opening import load
    from euinet.training.devices import make_fabric

    source = one_source(data, features)
    loaded = load(model).torch(make_fabric(device.value, "32-true").device)
    result = make_card(loaded, source, tuple(ood or ()), out, data_root, notify, labels=labels)
    print_result(result, json_, lambda _: f"Wrote {out}.")
