"""Commands that look: evaluate, models, data fetch."""

from typing import Annotated

import typer

from euinet.cli.options import (
    AnswerDeviceOption,
    DataRootOption,
    Device,
    FarOption,
    FeaturesOption,
    JsonOption,
    LabelsOption,
    ModelArgument,
    metrics_table,
    notify,
    one_source,
    print_result,
)
from euinet.cli.program import app, data_app


@app.command()
def evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Option(help="The data set whose test images are judged, or a table.")] = "",
    features: FeaturesOption = None,
    labels: LabelsOption = None,
    ood: FarOption = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Keep the scores beside the model, as record.safetensors: the page then shows what another "
            "alpha would do.",
        ),
    ] = False,
    device: AnswerDeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Judge a trained model on the test images of a data set, and on far sets."""
    from euinet.judging.saved import evaluate_saved, own_record
    from euinet.model.opening import find_model, load

    kept = own_record(model, find_model(model)) if record else None
    opened, far = load(model, device.value), tuple(ood or ())
    source = one_source(data, features)
    metrics = evaluate_saved(opened, source, far, data_root, notify, record=kept, labels_file=labels)
    print_result(metrics, json_, metrics_table)


@app.command()
def models(json_: JsonOption = False) -> None:
    """List the models that come with euinet; every command takes their names."""
    from dataclasses import asdict

    from euinet.model.listing import models_table, summarize_models

    found = summarize_models()
    print_result({"models": [asdict(model) for model in found]}, json_, lambda _: models_table(found))


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="A data set's name.")],
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Get a data set and check it."""
    from euinet.data.sets.datasets import fetch_dataset

    folder = fetch_dataset(name, data_root, notify=notify)
    print_result(
        {"data": name, "folder": str(folder)}, json_, lambda found: f"{found['data']} is in {found['folder']}"
    )
