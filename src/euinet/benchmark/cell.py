"""One cell: part the data, train (or go on, or take the saved model), score, measure, keep.

OUT/cells/ID/training/            the training's log; its checkpoints until the cell is done
             model/               EuiNet, as `euinet train` writes it
             gan.safetensors      the GAN's discriminator, which a detector reads
             scores.npz           EuiNet's `ood_score` (N,) float32 and `label` (N,) of the test images
             result.json          what was measured
"""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric

from euinet.answers import FloatArray, IntArray, PixelArray
from euinet.benchmark.measures import VALIDATION, CellScores, measure
from euinet.benchmark.networks import CellNetworks, cell_networks, drop_checkpoint
from euinet.benchmark.plan import Cell
from euinet.benchmark.results import OWN, TEST, CellResult, Row
from euinet.benchmark.store import cell_folder, read_result, write_result
from euinet.benchmark.work import Materials, Work
from euinet.data.far.sets import FarSet
from euinet.data.split.holdout import pseudo_dataset, split_dataset
from euinet.data.split.leaks import verify_split
from euinet.detectors import Subject, score_detectors
from euinet.errors import TrainingError
from euinet.judging.metrics import closed_set_accuracy
from euinet.records import Dataset, Decision, Split
from euinet.scoring.comparison import euinet_decision
from euinet.system.files import write_bytes
from euinet.system.lock import PATIENCE, sole_user

SCORES_FILE = "scores.npz"


def run_cell(cell: Cell, work: Work, materials: Materials, fabric: Fabric, *, quiet: bool) -> CellResult:
    """Return the cell's result, with all that `work` asks for, and write it to the cell's folder.

    What an earlier sitting has done is not done again. Raises SplitLeakError when the parts of the data
    are not disjoint, and as `train` does.
    """
    split, source = split_of(cell, materials.dataset)
    verify_split(split, source)
    folder = cell_folder(work.out, cell.id)
    # A worker of a benchmark that was killed may still be writing its last checkpoint here.
    with sole_user(folder, patience=PATIENCE):
        return _finish_cell(cell, work, materials, fabric, split, folder, quiet=quiet)


def _finish_cell(
    cell: Cell, work: Work, materials: Materials, fabric: Fabric, split: Split, folder: Path, *, quiet: bool
) -> CellResult:
    networks = cell_networks(cell, split, folder, fabric, quiet=quiet)

    earlier = read_result(work.out, cell.id)
    names, sets = _missing(work, earlier)
    far_sets = {name: materials.far_for(cell, name) for name in sets}
    far_images = {name: far.images for name, far in far_sets.items()}
    decision, scored = score_cell(networks, split, names, far_images)
    labels = split.test.labels
    rows = measure(scored, labels, names, 1 - cell.preset.scoring.known_rejected)

    _write_scores(folder / SCORES_FILE, decision, labels)
    result = _merged(earlier, _result(cell, work, split, networks, decision, rows, far_sets))
    write_result(work.out, result)
    drop_checkpoint(folder)
    return result


def split_of(cell: Cell, dataset: Dataset) -> tuple[Split, Dataset]:
    """Return the cell's split and the data set it is of: for a pseudo-unknown that of known images alone."""
    split = split_dataset(dataset, cell.held_out, cell.preset.data, cell.seed)
    if cell.pseudo is None:
        return split, dataset
    label = split.known_classes.index(cell.pseudo)
    known_only = pseudo_dataset(split, label)
    return split_dataset(known_only, [label], cell.preset.data, cell.seed), known_only


def score_cell(
    networks: CellNetworks, split: Split, detectors: tuple[str, ...], far_images: Mapping[str, PixelArray]
) -> tuple[Decision, CellScores]:
    """Score the validation, test and far images with every detector; EuiNet's decision comes with it.

    Raises TrainingError when EuiNet's score among the detectors is not the one that it decides by.
    """
    card, network = networks.model.card, networks.model.network
    settings, images = card.preset.scoring, split.test.images
    decision = euinet_decision(network, images, settings, card.logit_range)
    plain = settings.model_copy(update={"epsilon": 0.0})  # the classifier of others sees the image as it is
    subject = Subject(
        model=network,
        gan_discriminator=networks.gan_discriminator,
        settings=settings,
        logit_range=card.logit_range,
        train=split.train,
        validation=split.validation,
    )
    judged = {VALIDATION: split.validation.images, TEST: images, **far_images}
    scored = score_detectors(subject, judged, detectors)
    rounding = 1e-3 * float(decision.ood_score.std()) + 1e-6
    if np.abs(scored.scores[TEST][OWN] - decision.ood_score).max() > rounding:
        raise TrainingError(
            f"The detector {OWN} does not score the test images as EuiNet decides on them: nothing that is "
            "said of either can be believed. This is a fault of the program; report it."
        )
    return decision, CellScores(
        scores=scored.scores,
        seconds=scored.seconds,
        answers=euinet_decision(network, images, plain, card.logit_range).classifier_labels,
        own_answers=decision.classifier_labels,
    )


def _missing(work: Work, earlier: CellResult | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the detectors and far sets still to score, EuiNet always: its scores go to scores.npz."""
    missing = work.wanted - ({row.key for row in earlier.rows} if earlier else set())
    detectors = tuple(d for d in work.detectors if d == OWN or any(d == key[0] for key in missing))
    far = tuple(s for s in work.unknown_sets if s != TEST and any(s == key[1] for key in missing))
    return detectors, far


def _merged(earlier: CellResult | None, new: CellResult) -> CellResult:
    """Return the new result with the earlier rows of other detectors and sets."""
    if earlier is None:
        return new
    rows = {row.key: row for row in (*earlier.rows, *new.rows)}
    return replace(
        new,
        rows=tuple(rows.values()),
        far_fingerprints=earlier.far_fingerprints | new.far_fingerprints,
        far_remarks=earlier.far_remarks | new.far_remarks,
    )


def _result(
    cell: Cell,
    work: Work,
    split: Split,
    networks: CellNetworks,
    decision: Decision,
    rows: tuple[Row, ...],
    far_sets: Mapping[str, FarSet],
) -> CellResult:
    labels = split.test.labels
    facts = networks.model.card.metrics
    names = work.class_names
    return CellResult(
        cell=cell.id,
        identity=work.identity,
        held_out=tuple(names[number] for number in cell.held_out),
        pseudo_unknown=None if cell.pseudo is None else names[cell.pseudo],
        seed=cell.seed,
        known_images=int((labels >= 0).sum()),
        unknown_images=int((labels < 0).sum()),
        closed_set_accuracy=closed_set_accuracy(decision.classifier_labels, labels),
        train_seconds=facts["train_seconds"],
        device=facts["device"],
        versions=facts["versions"],
        far_fingerprints=work.far_fingerprints,
        far_remarks={name: far.remark or "as it came" for name, far in far_sets.items()},
        rows=rows,
    )


def read_scores(folder: Path) -> tuple[FloatArray, IntArray]:
    """Return EuiNet's `ood_score` and the labels (N,) of a finished cell's test images."""
    with np.load(folder / SCORES_FILE) as arrays:
        return arrays["ood_score"], arrays["label"]


def _write_scores(path: Path, decision: Decision, labels: IntArray) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, ood_score=decision.ood_score, label=labels)
    write_bytes(path, content.getvalue())
