"""One way from images to a calibrated model, for `euinet.fit`, experiment, estimator and benchmark alike."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import nn

from euinet.data.sets.datasets import load_dataset
from euinet.data.sets.given import labelled_dataset
from euinet.data.split.classes import check_numbers
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.holdout import split_dataset
from euinet.data.tables.dataset import load_table
from euinet.data.tables.logits import with_logits
from euinet.data.tables.reading import is_table
from euinet.errors import UsageError
from euinet.export.save import runtime_model, save_model
from euinet.foresight.foresee import foresee
from euinet.images.given import Images
from euinet.images.preprocessing import Preprocessing, check_geometry
from euinet.model.card import ModelCard
from euinet.model.conformal import check_alpha, fewest_images, smallest_alpha
from euinet.model.frozen import FrozenBackbone
from euinet.model.model import Model
from euinet.model.seen import SeenImages
from euinet.networks.trunks import trunk_maker
from euinet.presets import Preset, ScoringSettings, get_preset, setting_text
from euinet.records import Split
from euinet.scoring.inference import distance_weights, raw_scores
from euinet.scoring.threshold import fit_logit_range
from euinet.system.notify import Notify, silent
from euinet.system.words import printable
from euinet.trained.model import TrainedModel
from euinet.training.devices import DeviceName, make_fabric, one_thread
from euinet.training.distributed import leave_others
from euinet.training.loop import train
from euinet.training.plan import check_for_vectors, plan
from euinet.training.run import Trained


def fit(
    images: Images,
    labels: Sequence[Any] | Path | None = None,
    *,
    alpha: float | None = 0.01,
    hold_out: Sequence[int | str] = (),
    preset: str = "",
    settings: Mapping[str, Any] | None = None,
    image_size: int | None = None,
    seed: int = 0,
    device: DeviceName = "auto",
    data_root: Path | None = None,
    out: str | Path | None = None,
    notify: Notify = silent,
) -> Model:
    """Train a model on images and return it: a class or "none of these", with α promised.

    `images`: a folder with one subfolder a class, or a data set's name; a table of embeddings (.parquet,
    .npz, .npy, .csv), whose `labels` may be a file; or, with `labels` (one for each, names or numbers), what
    `Model.predict` takes, or rows of fractions (N, F), which are embeddings. `alpha`: the promised share of
    false alarms; where there are too few images the least that they can promise is taken, and `notify` told.
    `hold_out`: classes to leave out, as unknown. `settings`: of the preset, such as {"training.epochs": 3}.
    `image_size`: pixels a side, a multiple of 4, to which images are brought; left out, arrays of equal
    squares keep theirs and others become 32. `out`: a folder for the model, its training log and checkpoints,
    from which the same call goes on; without it nothing is written. Raises UsageError and DataError for what
    cannot be used, TrainingError when training diverges.
    """
    wanted = {"scoring.alpha": None if alpha is None else check_alpha(alpha), **(settings or {})}
    texts = {path: setting_text(path, value) for path, value in wanted.items()}
    # a wrong name must not cost the time that data take
    trunk_maker(get_preset(preset or "default", texts).model)
    table = isinstance(images, str | Path) and is_table(images)
    if image_size is not None and table:
        raise UsageError(f"{images} holds embeddings, which have no image_size: leave it out.")
    if isinstance(labels, str | Path) or (labels is None and table):
        dataset = load_table(images, labels, notify)
    elif labels is None:
        dataset = load_dataset(str(images), data_root, image_size=image_size, notify=notify)
    else:
        dataset = labelled_dataset(images, labels, image_size)
    name = preset or ("embeddings" if dataset.train.are_vectors else "default")
    chosen = get_preset(name, texts)
    if table:
        chosen = with_logits(chosen, images, dataset, held_out=bool(hold_out))
    check_numbers(hold_out, dataset.class_names)
    split = split_dataset(dataset, hold_out, chosen.data, seed)
    for told in (split.left_out.sentence(), *plan(split, chosen)):
        if told:
            notify(told)
    fabric = make_fabric(device)
    with own_randomness(fabric), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary if out is None else out)
        _, model = fit_split(split, chosen, seed, folder / "training", fabric, quiet=True, notify=notify)
    named = [repr(str(one)) for one in (images, labels) if isinstance(one, str | Path)]
    given = "images, labels" if labels is not None and len(named) < 2 else ", ".join(named)
    asked = {"alpha": alpha, "hold_out": list(hold_out), "preset": name, "settings": dict(settings or {})}
    asked |= {"image_size": image_size, "seed": seed}
    command = f"euinet.fit({given}, {', '.join(f'{name}={value!r}' for name, value in asked.items())})"
    card = replace(model.card, data_fingerprint=dataset_fingerprint(dataset), command=printable(command))
    model = replace(model, card=card)
    return runtime_model(model, dataset.name) if out is None else save_model(model, Path(out) / "model")


@contextmanager
def own_randomness(fabric: Fabric) -> Iterator[None]:
    """Leave torch's global random state, which training seeds, as it was."""
    # torch.manual_seed seeds all the GPUs there are
    used = torch.cuda.is_available() and (fabric.device.type == "cuda" or torch.cuda.is_initialized())
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count())) if used else []):
        yield


class Fitted(NamedTuple):
    """What training leaves behind."""

    trained: Trained  # all networks, the GAN's too
    model: TrainedModel  # EuiNet alone, calibrated


def fit_split(
    split: Split,
    preset: Preset,
    seed: int,
    folder: Path,
    fabric: Fabric,
    *,
    resume: bool = False,
    fresh: bool = False,
    quiet: bool = False,
    notify: Notify = silent,
    backbone: FrozenBackbone | None = None,
) -> Fitted:
    """Train on `split.train`, set ranges by `split.validation`, promise by `split.calibration`.

    Checkpoints and the log go to `folder`; see `train` for `resume` and `fresh`. The promise is the preset's
    alpha, or the least that the calibration images can promise, which `notify` is told. With a Fabric over
    several processes all but the first end (SystemExit 0) once training is over. `backbone` made embeddings
    where the split has such of images. Raises as `train` does, UsageError for settings that embeddings lack.
    """
    if split.train.are_vectors:
        check_for_vectors(preset)
        preset = with_filled_memory(preset, split)
    else:
        check_geometry(split.train.images)
    alpha = achievable_alpha(preset.scoring, split, notify)
    with one_thread() if split.train.are_vectors else nullcontext():
        trained = train(split, preset, seed, folder, fabric, resume=resume, fresh=fresh, quiet=quiet)
        expected = foresee(trained.model, split.train, preset, seed)
        if backbone is not None and backbone.card.finetuned_epochs:
            expected = None  # it has learned the classes that were left out
    leave_others(fabric)
    model = calibrated_model(trained.model, split, preset, seed, alpha, backbone)
    return Fitted(trained, replace(model, card=replace(model.card, expected=expected)))


def with_filled_memory(preset: Preset, split: Split) -> Preset:
    """Return the preset with a memory that the training images fill: an empty row would look like a near one.

    (After a ReLU it would not: networks/memory.py.)
    """
    each = len(split.train) // len(split.known_classes)
    if preset.model.memory_per_class <= each:
        return preset
    model = {"memory_per_class": each, "memory_neighbours": min(preset.model.memory_neighbours, max(each, 1))}
    return preset.model_copy(update={"model": preset.model.model_copy(update=model)})


def calibrated_model(
    network: nn.Module,
    split: Split,
    preset: Preset,
    seed: int,
    alpha: float | None,
    backbone: FrozenBackbone | None = None,
) -> TrainedModel:
    """Return a trained network as a model: validation images set ranges, calibration images the threshold."""
    validation = raw_scores(network, split.validation.images, preset.scoring)
    shape = split.train.images.shape[1:]
    reads = backbone.preprocessing if backbone else None
    if len(shape) == 3:
        reads = Preprocessing(shape[0], shape[1])
    card = ModelCard(
        data=split.dataset,
        class_names=split.class_names,
        known_classes=split.known_classes,
        unknown_classes=split.unknown_classes,
        channels=reads.channels if reads else 0,
        image_size=reads.image_size if reads else 0,
        width=shape[0] if len(shape) == 1 else 0,
        backbone=backbone.card if backbone else None,
        resize=reads.resize if reads else 0,
        interpolation=reads.interpolation if reads else "bilinear",
        draft=reads.draft if reads else False,
        seed=seed,
        logit_range=fit_logit_range(validation, preset.scoring, distance_weights(network)),
        preset=preset,
        metrics={},
    )
    content = backbone.content if backbone else None
    model = TrainedModel(network, card, seen=SeenImages.of(split), backbone_graph=content)
    return model.calibrate(split.calibration, alpha)


def achievable_alpha(settings: ScoringSettings, split: Split, notify: Notify) -> float | None:
    """Return the preset's alpha, or the least that few calibration images can promise, and tell."""
    alpha, images = settings.alpha, len(split.calibration)
    if alpha is None or images >= fewest_images(alpha):
        return alpha
    least = smallest_alpha(images)
    notify(
        f"alpha {alpha} needs {fewest_images(alpha)} calibration images, but there are {images}: it is "
        f"{least:g} here. More images, or scoring.alpha, change that."
    )
    return least
