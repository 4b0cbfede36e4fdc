"""Training on embeddings: what each network is given, settings for images, one thread, a whole run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from scipy.stats import betabinom

from euinet.data.embedded.rows import FeatureRows
from euinet.data.split.holdout import split_dataset
from euinet.errors import UsageError
from euinet.fitting import fit_split, with_filled_memory
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset, get_preset
from euinet.records import LabelledImages, Split
from euinet.training.batch import augment_alike, classifier_batch, discriminator_batch, gan_batch
from euinet.training.devices import one_thread
from euinet.training.plan import check_for_vectors
from euinet.training.run import TrainingRun
from vectors import WIDTH, vector_dataset, vector_preset, vector_split


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def with_logits(split: Split, alone: bool = False) -> tuple[Split, np.ndarray]:
    """The split with three logits at the end of each row, or alone, of a linear layer (3, WIDTH), and it."""
    weight = np.random.default_rng(5).normal(size=(3, WIDTH)).astype(np.float32) / 10

    def beside(part: LabelledImages) -> LabelledImages:
        rows = np.asarray(part.images)
        logits = rows @ weight.T
        return replace(part, images=logits if alone else np.concatenate([rows, logits], axis=1))

    parts = {name: beside(getattr(split, name)) for name in ("train", "validation", "calibration", "test")}
    return replace(split, **parts), weight


class TestBatch:
    def test_rows_are_given_as_they_are(self) -> None:
        rows, fakes = torch.randn(8, 4), torch.randn(3, 4)
        same = augment_alike(rows, fakes, 0.0, stream())
        assert torch.equal(same[0], rows)
        assert torch.equal(same[1], fakes)
        batch = classifier_batch(rows, torch.arange(8) % 2, 2, get_preset("embeddings"), stream())
        assert torch.equal(batch.images, rows)
        assert batch.posed is None
        reals, latents = gan_batch(rows, get_preset("embeddings", {"gan.batch_size": "5"}).gan, stream())
        assert torch.equal(reals, rows[:5])
        assert len(latents) == 5

    def test_the_discriminator_s_outliers_are_made_of_the_last_rows(self) -> None:
        """These are 0, and so is all that is made of them alone."""
        settings = get_preset("embeddings").disc.model_copy(update={"reals": 4, "outliers": 6, "mixtures": 2})
        rows = torch.cat([torch.randn(10, 4), torch.zeros(6, 4)])
        found = discriminator_batch(rows, torch.arange(16) % 2, rows[:3], settings, stream())
        assert torch.equal(found.reals, rows[:4])
        assert torch.equal(found.fakes, rows[:3])
        assert torch.equal(found.outliers, torch.zeros(6, 4))
        assert len(found.mixing.first) == 2


class TestRun:
    def test_rows_that_lie_in_a_file_stay_there(self, fabric: Fabric, tmp_path: Path) -> None:
        split = vector_split()
        rows = np.asarray(split.train.images, np.float16)
        path = tmp_path / "rows"
        rows.tofile(path)
        mapped = np.memmap(path, np.float16, "r", shape=rows.shape)
        order = np.random.default_rng(0).permutation(len(rows))
        lazy = FeatureRows(mapped, order)
        moved = LabelledImages(lazy, split.train.labels[order])  # type: ignore[arg-type]
        run = TrainingRun(replace(split, train=moved), vector_preset(), 0, tmp_path / "run", fabric)
        assert run.images is lazy
        chosen = torch.tensor([3, 0, 3, 7])
        found = run.batch(chosen)
        assert torch.equal(found, torch.from_numpy(rows[order][chosen]))
        held = TrainingRun(split, vector_preset(), 0, tmp_path / "held", fabric)
        assert isinstance(held.images, torch.Tensor)
        assert torch.equal(held.batch(chosen), torch.from_numpy(split.train.images[chosen]))

    @pytest.mark.parametrize("alone", [False, True])
    def test_of_rows_with_logits_the_networks_learn_on_what_stands_before(
        self, alone: bool, fabric: Fabric, tmp_path: Path
    ) -> None:
        split, weight = with_logits(vector_split(), alone)
        preset = vector_preset(model__logits_given="true")
        run = TrainingRun(split, preset, 0, tmp_path, fabric)
        found = run.batch(torch.arange(5))
        wanted = split.train.images[:5, : 3 if alone else WIDTH]
        assert torch.equal(found, torch.from_numpy(wanted))
        network = run.players.plain_model()
        assert isinstance(network, EuiNet)
        assert not any(parameter.requires_grad for parameter in network.classifier.parameters())
        # the layer that was fitted gives of features alone what stood beside them
        logits = network(found).class_logits.detach().numpy()
        np.testing.assert_allclose(logits, split.train.images[:5, -3:], rtol=1e-3, atol=1e-3)
        if not alone:
            np.testing.assert_allclose(logits, wanted @ weight.T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data.augmentation", "0.5"),
        ("data.stitched", "0.2"),
        ("training.poses", "16"),
        ("model.backbone", "resnet18"),
    ],
)
def test_a_setting_for_images_is_one_sentence(setting: str, value: str) -> None:
    check_for_vectors(get_preset("embeddings"))
    with pytest.raises(UsageError, match=rf"^The setting {setting} is {value}, but embeddings are no images"):
        check_for_vectors(get_preset("embeddings", {setting: value}))
    with pytest.raises(UsageError, match=r"start from the preset embeddings"):
        check_for_vectors(get_preset("default"))


def test_one_thread_is_for_the_time_being() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="broken"), one_thread():
            raise ValueError("broken")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("rows", "asked", "neighbours", "memory"),
    [(10, 100, 5, (3, 3)), (10, 3, 2, (3, 2)), (2, 100, 5, (0, 1)), (31, 4, 3, (4, 3))],
)
def test_the_memory_has_no_more_rows_than_there_are(
    rows: int, asked: int, neighbours: int, memory: tuple[int, int]
) -> None:
    """Of three classes 10 rows fill a memory of 3 a class."""
    split = vector_split()
    split = replace(split, train=split.train.where(np.arange(rows)))
    settings = {"model__memory_per_class": str(asked), "model__memory_neighbours": str(neighbours)}
    found = with_filled_memory(vector_preset(**settings), split).model
    assert (found.memory_per_class, found.memory_neighbours) == memory
    assert memory[0] * 3 <= rows


def training_preset(**settings: str) -> Preset:
    """Forty epochs of few large steps; 10 % of known rows may be rejected."""
    small = {"training__epochs": "40", "training__batch_size": "64", "scoring__alpha": "0.1"}
    small["training__optimizer__learning_rate"] = "0.01"
    return vector_preset(**small | settings)


@pytest.mark.parametrize("given", [False, True], ids=["learned", "logits given"])
def test_a_whole_run_tells_classes_apart_and_keeps_its_promise(
    given: bool, fabric: Fabric, tmp_path: Path
) -> None:
    """On rows of the same classes that no part of the run has seen, on a held-out class, and far rows."""
    preset = training_preset(model__logits_given=str(given).lower())
    split = split_dataset(vector_dataset(each=150), ["sock"], preset.data, 0)
    fresh = vector_dataset(each=600, seed=9).train
    known, unknown = fresh.where(fresh.labels < 3), fresh.where(fresh.labels == 3)
    # each number as any row has it, but of another row each
    far = np.random.default_rng(0).permuted(np.asarray(fresh.images), axis=0)
    if given:
        split, beside = _with_good_logits(split)
    else:

        def beside(rows: np.ndarray) -> np.ndarray:
            return rows

    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        model = fit_split(split, preset, 0, tmp_path, fabric, quiet=True).model
    assert torch.get_num_threads() == threads
    rows = beside(np.asarray(known.images))
    found = model.decide(rows)
    assert (found.classifier_labels == known.labels).mean() > 0.97
    if given:
        assert np.array_equal(found.classifier_labels, rows[:, -3:].argmax(axis=1))
    assert (model.decide(beside(np.asarray(unknown.images))).labels < 0).mean() > 0.9
    assert (model.decide(beside(far)).labels < 0).mean() > 0.6

    # The promise holds on average over draws of the n calibration rows, for each of which the share of all
    # known rows that is rejected is Beta(r, n + 1 − r)-distributed, r = ⌊α(n + 1)⌋: among M new rows the
    # number of rejected ones is beta-binomial.
    assert model.calibration is not None
    count = len(model.calibration)
    assert (model.calibration.alpha, count) == (0.1, 90)
    rejected, r = int((found.labels < 0).sum()), 9
    assert betabinom.cdf(rejected, len(rows), r, count + 1 - r) < 0.999
    assert betabinom.cdf(rejected, len(rows), r, count + 1 - r) > 0.001


Beside = Callable[[np.ndarray], np.ndarray]


def _with_good_logits(split: Split) -> tuple[Split, Beside]:
    """The split with logits of a layer that tells its classes apart, and what puts them beside rows."""
    rows, labels = np.asarray(split.train.images, np.float64), split.train.labels
    means = np.stack([rows[labels == k].mean(axis=0) for k in range(3)])

    def beside(images: np.ndarray) -> np.ndarray:
        logits = (images @ means.T - 0.5 * np.square(means).sum(axis=1)) / 100
        return np.concatenate([images, logits.astype(np.float32)], axis=1)

    names = ("train", "validation", "calibration", "test")
    parts = {name: getattr(split, name) for name in names}
    moved = {name: replace(part, images=beside(np.asarray(part.images))) for name, part in parts.items()}
    return replace(split, **moved), beside


def test_settings_for_images_are_refused_before_anything_is_trained(fabric: Fabric, tmp_path: Path) -> None:
    preset = training_preset(data__augmentation="1")
    with pytest.raises(UsageError, match=r"^The setting data\.augmentation is 1"):
        fit_split(vector_split(), preset, 0, tmp_path / "run", fabric, quiet=True)
    assert not (tmp_path / "run").exists()
