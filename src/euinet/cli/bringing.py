"""Commands for what somebody brings: attach (a classifier that runs), extend (new classes for a model)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from euinet.cli.options import (
    DataRootOption,
    JsonOption,
    SeedOption,
    SetOption,
    notify,
    overrides,
    print_result,
)
from euinet.cli.program import app


@app.command()
def attach(
    classifier: Annotated[Path, typer.Argument(metavar="CLASSIFIER.onnx", help="A classifier's ONNX file.")],
    data: Annotated[
        str,
        typer.Option(
            help="Images of its classes that it was not trained on: a folder with one subfolder a class, or "
            "without subfolders, for images without labels."
        ),
    ],
    classes: Annotated[
        str,
        typer.Option(
            help="Its classes in the order of its logits, separated by commas, or a text file with one a "
            "line. [default: the class folders by name]"
        ),
    ] = "",
    normalise: Annotated[
        str,
        typer.Option(
            help="How it wants pixels: imagenet, 0..1, -1..1, 0..255, or means/deviations of values from 0 "
            "to 1. [default: as it is most often right]"
        ),
    ] = "",
    image_size: Annotated[
        int | None, typer.Option(min=8, help="Pixels a side, where the file takes any. [default: 224]")
    ] = None,
    logits: Annotated[
        str, typer.Option(help="The tensor of its class logits. [default: its output, before a softmax]")
    ] = "",
    features: Annotated[
        str, typer.Option(help="The tensor that its last layer reads. [default: found by itself]")
    ] = "",
    alpha: Annotated[
        float, typer.Option(help="Share of known images that may be rejected by mistake.")
    ] = 0.01,
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = Path("runs/attached"),
    set_: SetOption = None,
    seed: SeedOption = 0,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Add "none of these" to a classifier that runs: its answers stay, what it cannot know is rejected.

    It is neither changed nor trained. The model in --out is like any other: calibrate, export, serve it.
    """
    from euinet.attached.attach import attach as attach_classifier
    from euinet.attached.naming import named_classes

    model = attach_classifier(
        classifier,
        Path(data),
        class_names=named_classes(classes),
        alpha=alpha,
        image_size=image_size,
        normalise=normalise,
        logits=logits,
        features=features,
        settings=overrides(set_),
        seed=seed,
        data_root=data_root,
        out=out,
        notify=notify,
        progress=notify,
    )
    result = {
        "model": str(out / "model"),
        "classes": list(model.class_names),
        "alpha": model.alpha,
        "calibration_images": model.calibration_images,
        "expected": model.card.expects(model.alpha),
    }
    print_result(result, json_, _attached)


@app.command()
def extend(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The folder of a model with a backbone.")],
    data: Annotated[
        str, typer.Option(help="A folder with one subfolder of images a class; a few images are enough.")
    ],
    alpha: Annotated[
        float | None,
        typer.Option(help="Share of known images that may be rejected by mistake. [default: as before]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the new model. [default: the model's own]")
    ] = None,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Teach a model new classes in seconds: its backbone stays, its heads are learned and calibrated anew."""
    from euinet.extending.extend import extend as extend_model
    from euinet.model.opening import find_model, load

    found = load(model)
    target = out or find_model(model)
    done = extend_model(found, data, target, alpha=alpha, data_root=data_root, notify=notify)
    result = {
        "model": str(target),
        "new_classes": list(done.new_classes),
        "added": done.added,
        "classes": list(done.model.class_names),
        "alpha": done.model.alpha,
        "calibration_images": done.model.calibration_images,
        "expected": done.model.card.expects(done.model.alpha),
    }
    print_result(result, json_, _extended)


def _attached(result: dict[str, Any]) -> str:
    promise = (
        "No share of false alarms is promised."
        if result["alpha"] is None
        else f"At most {100 * result['alpha']:g} % of known images are rejected by mistake: "
        f"{result['calibration_images']} images promise it."
    )
    if result["expected"]:
        promise += f" {result['expected']['sentence']}"
    return f"{promise} Wrote {result['model']}, with {len(result['classes'])} classes."


def _extended(result: dict[str, Any]) -> str:
    added = ", ".join(f"{name} ({count})" for name, count in result["added"].items())
    new = ", ".join(result["new_classes"]) or "none"
    return f"New classes: {new}. Images added: {added}. {_attached(result)}"
