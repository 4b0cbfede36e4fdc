"""What a model has learned from can neither calibrate nor judge it, whatever the files are called."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import euinet
from commands import Ended
from decision_files import bright, content
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import split_dataset
from euinet.errors import StorageError, UsageError
from euinet.estimator import EuiNetClassifier, SmallPromiseWarning
from euinet.model.model import Model
from euinet.model.seen import SEEN_FILE, SeenImages, from_text, load_seen, save_seen
from euinet.presets import get_preset
from euinet.records import Split


@pytest.fixture(scope="module")
def parted() -> Split:
    """As `digits_folder` was parted."""
    return split_dataset(load_dataset("digits"), ["0"], get_preset("default").data, 0)


def as_files(images: np.ndarray, folder: Path) -> Path:
    """Write images under names that tell nothing, in formats that keep pixels."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image[0]).save(folder / f"IMG_{9000 - number}.{'bmp' if number % 2 else 'png'}")
    return folder


def test_the_images_that_made_a_model_and_no_others(parted: Split) -> None:
    seen = SeenImages.of(parted)
    assert len(seen) == len(parted.train) + len(parted.validation)
    assert seen.among(parted.train.images).all()
    assert seen.among(parted.validation.images).all()
    assert not seen.among(parted.calibration.images).any()
    assert not seen.among(parted.test.images).any()
    everything = np.concatenate([parted.train.images, parted.validation.images, parted.test.images])
    assert seen.all_among(everything)
    assert not seen.all_among(everything[1:])


def test_they_come_with_the_folder_and_with_the_exported_file(
    digits_folder: Path, parted: Split, tmp_path: Path
) -> None:
    wanted = SeenImages.of(parted).digests
    model = euinet.load(digits_folder)
    assert (digits_folder / SEEN_FILE).stat().st_size < 6 * len(wanted) + 200, (
        "more than a few bytes an image"
    )
    model.save_onnx(tmp_path / "alone" / "exported.onnx")
    model.with_alpha(0.1).save_pretrained(tmp_path / "copy")
    euinet.load(tmp_path / "alone" / "exported.onnx").with_alpha(0.1).save_onnx(tmp_path / "again.onnx")
    for place in (
        digits_folder,
        tmp_path / "alone" / "exported.onnx",
        tmp_path / "copy",
        tmp_path / "again.onnx",
    ):
        found = euinet.load(place).seen
        assert found is not None
        assert np.array_equal(found.digests, wanted)
    assert np.array_equal(euinet.load(tmp_path / "copy").torch().seen.digests, wanted)  # type: ignore[union-attr]
    images = parted.test.images[:5]
    exported = euinet.load(tmp_path / "alone" / "exported.onnx")
    assert np.array_equal(exported.answer(images).ood_score, model.answer(images).ood_score)


def test_calibrating_with_them_is_refused_with_their_number(digits_folder: Path, parted: Split) -> None:
    model = euinet.load(digits_folder)
    mixed = np.concatenate([parted.calibration.images, parted.train.images[:7], parted.validation.images[:5]])
    for one in (model, model.torch()):
        with pytest.raises(
            UsageError, match=rf"trained on 12 of these {len(mixed):,} images, by their pixels"
        ):
            one.calibrate(mixed, 0.1)
        assert one.calibrate(parted.calibration.images, 0.1).calibration is not None


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("below", ["", "3"])
def test_under_other_names_they_are_the_same_images(
    run: Callable[..., Ended], digits_folder: Path, parted: Split, tmp_path: Path, exported: bool, below: str
) -> None:
    """A flat copy, and one class's subfolder: calibrating and evaluating alike."""
    model = str(digits_folder)
    if exported:
        model = str(tmp_path / "model.onnx")
        euinet.load(digits_folder).save_onnx(model)
    threes = parted.train.where(parted.train.labels == 2).images[:40]
    as_files(threes, tmp_path / "photos" / below)
    out = tmp_path / ("new.onnx" if exported else "new")
    ended = run("calibrate", model, "--data", tmp_path / "photos", "--alpha", "0.1", "--out", out)
    assert ended.code == 2
    assert "was trained on 40 of these 40 images" in ended.err
    assert not out.exists()


def test_what_was_trained_on_cannot_judge(
    run: Callable[..., Ended], digits_folder: Path, parted: Split, tmp_path: Path
) -> None:
    for label, name in enumerate(parted.class_names):
        test = parted.test.where(parted.test.labels == label).images[:3]
        as_files(test, tmp_path / "photos" / name)
    ended = run("evaluate", digits_folder, "--data", tmp_path / "photos", "--json")
    assert ended.code == 0, ended.err
    as_files(parted.train.images[:2], tmp_path / "photos" / "3" / "more")
    ended = run("evaluate", digits_folder, "--data", tmp_path / "photos", "--json")
    assert ended.code == 2
    assert "was trained on 2 of these 29 images" in ended.err
    as_files(parted.train.images[:4], tmp_path / "far")
    ended = run("evaluate", digits_folder, "--data", "digits", "--ood", tmp_path / "far", "--json")
    assert ended.code != 0


def test_copies_count_once_for_the_promise() -> None:
    """By hand: brightness 0 … 19, each three times: 20 images, and α = 0.05 takes the 20th of them, 19."""
    meter = Model(content(), "meter")
    calibrated = meter.calibrate(bright(*range(20), *range(20), *range(20)), 0.05)
    assert calibrated.calibration_images == 20
    assert calibrated.calibration is not None
    assert calibrated.calibration.thresholds(2).tolist() == [19, 19]
    with pytest.raises(UsageError, match="cannot be promised by 20 calibration images"):
        meter.calibrate(bright(*range(20), *range(20), *range(20)), 0.04)


def test_digests_survive_text_and_file(tmp_path: Path) -> None:
    seen = SeenImages(np.array([0, 1, 255, 2**40, 2**48 - 1], np.uint64))
    assert from_text(seen.to_text()).digests.tolist() == seen.digests.tolist()
    save_seen(seen, tmp_path)
    found = load_seen(tmp_path / SEEN_FILE)
    assert found is not None
    assert found.digests.tolist() == seen.digests.tolist()
    save_seen(None, tmp_path)
    assert load_seen(tmp_path / SEEN_FILE) is None


@pytest.mark.parametrize(
    "tensors",
    [
        {"digests": np.zeros((2, 6), np.uint8)},  # twice the same
        {"digests": np.zeros((2, 7), np.uint8)},
        {"digests": np.zeros((2, 6), np.int64)},
        {"digests": np.zeros(6, np.uint8)},
        {"others": np.zeros((1, 6), np.uint8)},
        {"digests": np.zeros((1, 6), np.uint8), "more": np.zeros(1, np.uint8)},
    ],
)
def test_damaged_digests_are_one_sentence(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    save_file(tensors, tmp_path / SEEN_FILE)
    with pytest.raises(StorageError, match=r"digests of training images in .* are damaged"):
        load_seen(tmp_path / SEEN_FILE)
    (tmp_path / SEEN_FILE).write_bytes(b"\xff" * 20)
    with pytest.raises(StorageError, match="are damaged"):
        load_seen(tmp_path / SEEN_FILE)


@pytest.mark.parametrize("text", ["", "AAAA", "é", "AAAAAAAAAAAAAAAA"])
def test_damaged_text_is_no_digest(text: str) -> None:
    if text == "":
        assert len(from_text(text)) == 0
        return
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


def test_an_estimators_images_are_known_again_in_the_users_own_size() -> None:
    """27 × 27 pixels: trained on in the middle of 28 × 28, read by the model resized to them."""
    digits = load_dataset("digits").train.where(np.arange(200))
    images = np.ascontiguousarray(digits.images[:, 0, :27, :27])
    settings = {"training.min_steps": 1, "training.epochs": 1, "model.trunk_widths": [4, 8]}
    with pytest.warns(SmallPromiseWarning):
        fitted = EuiNetClassifier(random_state=0, settings=settings).fit(images / 255.0, digits.labels)
    with pytest.raises(UsageError, match=r"trained on \d+ of these 200 images"):
        fitted.model_.calibrate(images, 0.1)


def test_far_images_of_another_size_are_known_again(
    run: Callable[..., Ended], digits_folder: Path, parted: Split, tmp_path: Path
) -> None:
    """What a file of 56 × 56 pixels was trained as, an array of 56 × 56 is."""
    large = parted.train.images[:4].repeat(2, axis=2).repeat(2, axis=3)
    model = euinet.load(digits_folder)
    read = np.stack([model.preprocessing.fit(image).pixels for image in large])
    seen = SeenImages(np.zeros(0, np.uint64)).also(read, model.preprocessing)
    save_seen(seen, digits_folder_copy(digits_folder, tmp_path))
    np.save(tmp_path / "far.npy", large[:, 0])
    ended = run("evaluate", tmp_path / "model", "--data", "digits", "--ood", tmp_path / "far.npy")
    assert ended.code == 2
    assert "was trained on 4 of these 4 images" in ended.err


def digits_folder_copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "model"))


def test_who_cannot_tell_what_is_new_says_so(
    run: Callable[..., Ended], digits_folder: Path, parted: Split, tmp_path: Path
) -> None:
    (digits_folder_copy(digits_folder, tmp_path) / SEEN_FILE).unlink()
    as_files(parted.test.images[:40], tmp_path / "photos")
    ended = run(
        *("calibrate", tmp_path / "model", "--data", tmp_path / "photos"),
        *("--alpha", "0.1", "--out", tmp_path / "new"),
    )
    assert ended.code == 0
    assert "keeps no digests of its training images" in ended.err


def test_copies_are_counted_and_what_calibrated_does_not_judge(
    run: Callable[..., Ended], digits_folder: Path, parted: Split, tmp_path: Path
) -> None:
    known = parted.test.where(parted.test.labels >= 0)
    for label, name in enumerate(parted.class_names):
        of_class = known.where(known.labels == label).images[:5]
        as_files(np.concatenate([of_class, of_class]), tmp_path / "photos" / name)
    new = tmp_path / "new"
    ended = run("calibrate", digits_folder, "--data", tmp_path / "photos", "--alpha", "0.1", "--out", new)
    assert "45 images promise it: all images of photos, 45 copies not counted" in ended.out
    ended = run("evaluate", new, "--data", tmp_path / "photos")
    assert ended.code == 0, ended.err
    assert "45 of 45 known images have the very scores of calibration images" in ended.err
    assert "45 copies of other images" in ended.err
    zero = parted.train.images[:0]
    as_files(np.concatenate([known.images[:2], zero]), tmp_path / "photos" / "unheard of")
    ended = run("evaluate", new, "--data", tmp_path / "photos")
    assert ended.code == 1
    assert "no image can be known and unknown" in ended.err
