"""READ FIRST: one experiment, every stage in order.

load_dataset → hold_out_classes → fit_split: train (gan_step, joint_step) → fit_logit_range → calibrate
→ decide → evaluate → save_model → write_report
"""

import json
import shlex
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from euinet.data.embedded.dataset import load_embedded
from euinet.data.far.overlap import get_far_set
from euinet.data.far.sets import FarSet, far_reader
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.holdout import split_dataset
from euinet.data.tables.dataset import load_table
from euinet.data.tables.logits import with_logits
from euinet.data.tables.reading import is_table
from euinet.errors import UsageError
from euinet.export.finetuned import finetuned
from euinet.export.published import open_backbone
from euinet.export.save import save_model
from euinet.fitting import fit_split
from euinet.judging.evaluate import decision_metrics, detector_table, far_decision_metrics, near_metrics
from euinet.judging.near_copies import NEAR_COPIES_FILE, tell_near_copies
from euinet.judging.verdict import verdict
from euinet.model.backbone import OnnxEmbedder
from euinet.model.frozen import FrozenBackbone
from euinet.model.known import save_known
from euinet.model.names import CONFIG_FILE, DECISION_FILE
from euinet.networks.pretrained import AUTO
from euinet.networks.trunks import trunk_maker
from euinet.presets import Preset, changed_settings
from euinet.records import Dataset, EvaluationRecord, Split
from euinet.report.reported import EUINET_REPORT
from euinet.report.write import PAGE, write_report
from euinet.scoring.comparison import compare_detectors
from euinet.system.files import remove_file, write_text
from euinet.system.lock import sole_user
from euinet.system.notify import Notify
from euinet.system.words import printable
from euinet.trained.model import TrainedModel
from euinet.training.plan import plan
from euinet.training.run import Trained

FAKES_SHOWN = 64
METRICS_FILE, MODEL_FOLDER, TRAINING_FOLDER = "metrics.json", "model", "training"
FINETUNING_FOLDER = "finetuning"


@dataclass(frozen=True)
class Experiment:
    """What decides the result of a run, bit for bit on one machine."""

    data: str  # a data set's name or a folder of images
    held_out: tuple[int | str, ...]
    preset: Preset
    seed: int
    image_size: int | None = None  # of a folder's images
    far: tuple[str, ...] = ()  # sets of unknown images, for the final test alone
    backbone: str = ""  # a published network, frozen; EuiNet then learns on what it makes of the images
    weights: str = AUTO  # of the backbone: those it was published with, or a file
    labels: str = ""  # a file of labels, one for each row of a table that has none
    finetune: int = 0  # epochs in which the backbone's last stages learn on the known training images

    @property
    def command(self) -> str:
        """The command that repeats it, as a shell takes it; device and precision stand in metrics.json."""
        name, seed = self.preset.name, ["--seed", str(self.seed)]
        changed = [
            part for item in changed_settings(self.preset).items() for part in ("--set", "=".join(item))
        ]
        report = ("mnist", ("0",), None, (), "report")
        if (self.data, tuple(map(str, self.held_out)), self.image_size, self.far, name) == report:
            return shlex.join(["euinet", "reproduce", *changed, *seed])
        held_out = ["--hold-out", ",".join(map(str, self.held_out))] if self.held_out else []
        size = [] if self.image_size is None else ["--image-size", str(self.image_size)]
        far = [part for one in self.far for part in ("--ood", one)]
        frozen = ["--backbone", self.backbone, "--weights", self.weights] if self.backbone else []
        frozen += ["--labels", self.labels] if self.labels else []
        frozen += ["--finetune", str(self.finetune)] if self.finetune else []
        start = ["euinet", "train", "--data", self.data, *frozen, *held_out, *size, *far, "--preset", name]
        return printable(shlex.join([*start, *changed, *seed]))


@dataclass(frozen=True)
class Result:
    """What a run leaves behind, besides the files."""

    model: TrainedModel
    split: Split
    metrics: dict[str, Any]
    record: EvaluationRecord | None  # None where no class was held out: there is no unknown to show


def run_experiment(
    experiment: Experiment,
    out: Path,
    fabric: Fabric,
    *,
    data_root: Path | None = None,
    resume: bool = False,
    fresh: bool = False,
    quiet: bool = False,
    report: bool = True,
    notify: Notify | None = None,
) -> Result:
    """Run one experiment and write model, metrics.json and, if asked for, the report to `out`.

    A run that was interrupted goes on; see `train` for `resume`, `fresh` and what is refused. What follows
    the training is done again each time: it costs little, and so none of it can be half done.
    With a Fabric over several processes all call this and share the training; then all but the first end
    (SystemExit 0), and it alone writes, speaks and goes on.
    """
    first = fabric.is_global_zero
    notify = notify if notify and first else (lambda _: None)
    preset, seed = experiment.preset, experiment.seed
    trunk_maker(preset.model)  # a wrong name must not cost the time that data take
    with fabric.rank_zero_first(local=True):  # one process a machine fetches what is not there
        dataset, backbone, embedder = load(experiment, data_root, notify)
    if report and dataset.train.are_vectors:
        raise UsageError("The report's figures show images, and here are embeddings: leave out --report.")
    if backbone is None and dataset.train.are_vectors:
        preset = with_logits(preset, experiment.data, dataset, held_out=bool(experiment.held_out))
    split = split_dataset(dataset, experiment.held_out, preset.data, seed)
    if experiment.finetune and embedder is not None:
        backbone = finetuned(
            experiment.data,
            split,
            embedder,
            experiment.backbone,
            experiment.weights,
            epochs=experiment.finetune,
            seed=seed,
            folder=out / FINETUNING_FOLDER,
            fabric=fabric,
            data_root=data_root,
            notify=notify,
        )
        embedder = OnnxEmbedder(backbone.content, backbone.preprocessing, name=experiment.backbone)
        dataset = load_embedded(experiment.data, embedder, data_root, notify)
        split = split_dataset(dataset, experiment.held_out, preset.data, seed)  # the same images in each part
    # before anything is trained: a wrong path must not cost minutes
    reads = far_reader(split.test.images.shape, embedder, data_root)
    far = [get_far_set(name, dataset, split.class_names, reads, notify) for name in experiment.far if first]
    for sentence in (describe_split(split), *plan(split, preset)):
        notify(sentence)

    with sole_user(out) if first else nullcontext():
        if fresh and first:
            remove_results(out)
        trained, model = fit_split(
            split,
            preset,
            seed,
            out / TRAINING_FOLDER,
            fabric,
            resume=resume,
            fresh=fresh,
            quiet=quiet,
            notify=notify,
            backbone=backbone,
        )
        # All is decided: the test images are counted.
        notify(f"Scoring {len(split.test)} test images with EuiNet and what it is compared with …")
        record, metrics = evaluate(trained, model, split, far, fabric)

        if not split.train.are_vectors:  # which have no pixels to compare
            metrics["near_copies"] = tell_near_copies(model.features, split, out, notify)
        metrics["command"] = experiment.command
        card = replace(
            model.card,
            metrics=metrics,
            data_fingerprint=dataset_fingerprint(dataset),
            command=experiment.command,
        )
        model = replace(model, card=card)
        notify("Writing the model and its decision file …")
        save_model(model, out / MODEL_FOLDER)
        if split.train.are_vectors:
            save_known(split, out / MODEL_FOLDER)
        write_text(out / METRICS_FILE, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
        if report and record is not None:
            notify("Drawing the figures and report.html …")
            write_report(record, out, reported=EUINET_REPORT)
    return Result(model, split, metrics, record)


def load(
    experiment: Experiment, data_root: Path | None, notify: Notify
) -> tuple[Dataset, FrozenBackbone | None, OnnxEmbedder | None]:
    """Return the data set, images or embeddings; with a backbone what it makes of them, and the backbone."""
    if experiment.image_size is not None and (experiment.backbone or is_table(experiment.data)):
        which = "the backbone has its own" if experiment.backbone else "embeddings have none"
        raise UsageError(f"--image-size is {experiment.image_size}, but {which}: leave it out.")
    if not experiment.backbone and is_table(experiment.data):
        return load_table(experiment.data, experiment.labels or None, notify), None, None
    if experiment.labels:
        raise UsageError(
            "--labels is for a table of embeddings (.parquet, .npz, .npy, .csv), and "
            f"{experiment.data} is none."
        )
    if not experiment.backbone:
        dataset = load_dataset(experiment.data, data_root, image_size=experiment.image_size, notify=notify)
        return dataset, None, None
    backbone = open_backbone(experiment.backbone, experiment.weights, data_root, notify)
    embedder = OnnxEmbedder(backbone.content, backbone.preprocessing, name=experiment.backbone)
    return load_embedded(experiment.data, embedder, data_root, notify), backbone, embedder


def remove_results(out: Path) -> None:
    """Remove what tells of an earlier run, so that nothing of it is taken for the new one's.

    Raises StorageError.
    """
    model = out / MODEL_FOLDER
    for path in (
        out / METRICS_FILE,
        out / NEAR_COPIES_FILE,
        model / DECISION_FILE,
        model / CONFIG_FILE,
        out / PAGE,
    ):
        remove_file(path)


def evaluate(
    trained: Trained, model: TrainedModel, split: Split, far: Sequence[FarSet], fabric: Fabric
) -> tuple[EvaluationRecord | None, dict[str, Any]]:
    """Judge the trained networks on `split.test`; return what the report draws, and metrics.json."""
    started = time.monotonic()
    preset, logit_range = model.card.preset, model.card.logit_range
    decision = model.decide(split.test.images)
    labels = split.test.labels
    known_scores = decision.ood_score[labels >= 0]
    metrics: dict[str, Any] = {
        "data": split.dataset,
        "held_out": list(split.unknown_classes),
        "preset": preset.name,
        "seed": model.card.seed,
        "alpha": model.calibration.alpha if model.calibration else None,
        **decision_metrics(decision, labels),
        "near": near_metrics(
            decision, labels, dict(zip(split.unknown_classes, split.unknown_names, strict=True))
        ),
        "train_seconds": round(trained.seconds, 1),
        "device": str(fabric.device),
        "precision": str(fabric.strategy.precision.precision),
        "logit_range": {
            "gain": list(logit_range.gain),
            "shift": list(logit_range.shift),
            "distance_gain": list(logit_range.distance_gain),
            "distance_floor": list(logit_range.distance_floor),
            "distance_edge": list(logit_range.distance_edge),
            "disc_offset": logit_range.disc_offset,
        },
        "versions": versions(),
        "far": {one.name: far_decision_metrics(model.decide(one.images), known_scores, one) for one in far},
    }
    metrics["expected"] = model.card.expects(metrics["alpha"])
    metrics["verdict"] = verdict(metrics, len(split.class_names), model.calibration)
    if not split.unknown_classes:
        return None, metrics
    detectors = compare_detectors(
        trained.model, trained.gan_discriminator, split, preset.scoring, logit_range, decision
    )
    metrics["detectors"] = detector_table(detectors)
    metrics["evaluate_seconds"] = round(time.monotonic() - started, 1)
    if split.test.are_vectors:
        return None, metrics
    record = EvaluationRecord(
        dataset=split.dataset,
        class_names=split.class_names,
        known_classes=split.known_classes,
        unknown_classes=split.unknown_classes,
        unknown_names=split.unknown_names,
        images=split.test.images,
        labels=labels,
        decision=decision,
        detectors=detectors,
        fakes=sample_fakes(trained, preset, model.card.seed),
        metrics=metrics,
        history=trained.history,
        settings=preset.model_dump(mode="json"),
    )
    return record, metrics


@torch.no_grad()
def sample_fakes(trained: Trained, preset: Preset, seed: int) -> Any:
    """Return FAKES_SHOWN fresh fakes, (M, C, H, W) float32 in −1 … 1."""
    device = next(trained.generator.parameters()).device
    noise = torch.Generator(device).manual_seed(seed)
    latents = torch.randn(FAKES_SHOWN, preset.gan.latent_size, generator=noise, device=device)
    return trained.generator(latents).float().cpu().numpy()


def describe_split(split: Split) -> str:
    """Return one line on who is known, who is not, and how the images were parted."""
    known = ", ".join(split.class_names)
    unknown = ", ".join(split.unknown_names) or "none"
    unknowns = int((split.test.labels < 0).sum())
    return (
        f"{split.dataset}: known {known}; unknown {unknown}. {len(split.train)} images to train on, "
        f"{len(split.validation)} to set ranges by, {len(split.calibration)} to calibrate the threshold, and "
        "for the test "
        f"{len(split.test) - unknowns} known + {unknowns} unknown. {split.left_out.sentence()}"
    ).rstrip()


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    packages: Sequence[str] = ("euinet", "torch", "torchvision", "lightning-fabric", "pytorch-ood", "numpy")
    return {package: version(package) for package in packages}
