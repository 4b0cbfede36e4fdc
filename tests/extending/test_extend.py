"""More classes for a model with a backbone, or of embeddings: what stays, what is new, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import euinet
from backbones import draw_images, image_folder, save_backed, write_images
from euinet.errors import UsageError
from euinet.export.save import save_model
from euinet.extending.extend import Extended, extend
from euinet.model.known import load_known, save_known
from euinet.model.model import Model
from vectors import WIDTH, nearest_means, vector_preset, vector_split

PINK = (230, 60, 200)
KNOWN = ("bird", "cat", "dog")
ENOUGH = {"training.min_steps": "150", "training.batch_size": "32", "disc.reals": "16"}


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model on a toy backbone that knows birds, cats and dogs."""
    folder = tmp_path_factory.mktemp("extend")
    return save_backed(
        image_folder(folder / "data", 60, seed=0), folder / "cache", folder / "model", **ENOUGH
    )


def more(folder: Path, count: int = 12, name: str = "emu", seed: int = 7) -> Path:
    write_images(folder / name, draw_images(count, PINK, seed))
    return folder


@pytest.fixture(scope="module")
def extended(backed: Model, tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """That model with emus, which are pink, of twelve images."""
    folder = tmp_path_factory.mktemp("extended")
    return extend(backed, more(folder / "more"), folder / "model", data_root=folder / "cache")


class TestExtended:
    def test_the_new_class_comes_last_and_old_ones_keep_their_order(self, extended: Extended) -> None:
        assert extended.model.class_names == (*KNOWN, "emu")
        assert extended.new_classes == ("emu",)
        assert extended.added == {"emu": 12}

    def test_new_images_of_the_class_are_answered_by_it(self, backed: Model, extended: Extended) -> None:
        emus = draw_images(40, PINK, seed=99)
        assert backed.predict(emus).names.count("emu") == 0
        answers = extended.model.predict(emus)
        assert set(answers.names) == {"emu", None}  # never another class; of so few images some are rejected
        assert [answer.best_class for answer in answers].count("emu") >= 38

    def test_old_classes_are_still_known(self, extended: Extended) -> None:
        birds = draw_images(40, (200, 40, 40), seed=98)
        assert extended.model.predict(birds).names.count("bird") > 28

    def test_the_backbone_is_byte_for_byte_the_same(self, backed: Model, extended: Extended) -> None:
        before, after = backed.backbone, extended.model.backbone
        assert before is not None
        assert after is not None
        assert after.content == before.content
        assert after.card == before.card

    def test_what_is_old_stays_in_its_part_and_a_fifth_of_the_new_calibrates(
        self, backed: Model, extended: Extended
    ) -> None:
        assert backed.folder is not None
        assert extended.model.folder is not None
        old, new = load_known(backed.folder, WIDTH, 3), load_known(extended.model.folder, WIDTH, 4)
        added = {part: len(getattr(new, part)) - len(getattr(old, part)) for part in new._fields}
        assert added == {"train": 9, "validation": 1, "calibration": 2}  # of 12: round(0.1·12), round(0.2·12)
        np.testing.assert_array_equal(np.asarray(new.calibration.images)[:-2], old.calibration.images)
        assert new.calibration.labels[-2:].tolist() == [3, 3]

    def test_the_promise_is_made_anew_by_both(self, backed: Model, extended: Extended) -> None:
        assert extended.model.alpha == backed.alpha == 0.1
        assert extended.model.calibration_images == backed.calibration_images + 2

    def test_it_can_be_extended_again(self, extended: Extended, tmp_path: Path) -> None:
        folder = more(tmp_path / "more", 5, "gnu", seed=3)
        again = extend(extended.model, folder, tmp_path / "model", alpha=0.2, data_root=tmp_path / "cache")
        assert again.model.class_names == (*KNOWN, "emu", "gnu")
        assert again.model.alpha == 0.2

    def test_more_images_of_a_known_class_add_no_class(self, backed: Model, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "more" / "cat", draw_images(10, (40, 200, 40), seed=77)).parent
        found = extend(backed, folder, tmp_path / "model", data_root=tmp_path / "cache")
        assert (found.model.class_names, found.new_classes, found.added) == (KNOWN, (), {"cat": 10})


def test_rows_of_a_table_are_a_new_class_too(tmp_path: Path) -> None:
    split = vector_split()
    model = save_model(nearest_means(split, vector_preset(**ENOUGH)), tmp_path / "model")
    save_known(split, tmp_path / "model")
    rows = 50 + np.random.default_rng(5).normal(size=(20, WIDTH)).astype(np.float32) + 80
    table = "\n".join(f"{','.join(map(str, row))},mitten" for row in rows.tolist())
    header = ",".join([*(f"f{number}" for number in range(WIDTH)), "label"])
    (tmp_path / "more.csv").write_text(f"{header}\n{table}\n")
    found = extend(euinet.load(tmp_path / "model"), tmp_path / "more.csv", tmp_path / "new")
    assert found.model.class_names == (*model.class_names, "mitten")
    assert found.model.answer(rows[:8]).names.count("mitten") >= 6


class TestRefused:
    def test_images_that_the_model_has_are_left_out(self, extended: Extended, tmp_path: Path) -> None:
        told: list[str] = []
        data = more(tmp_path / "more")
        with pytest.raises(
            UsageError, match=r"^There is no image that the model has not seen: give new ones\.$"
        ):
            extend(extended.model, data, tmp_path / "model", data_root=tmp_path / "cache", notify=told.append)
        assert told[-1] == "12 images the model has already: left out."
        assert not (tmp_path / "model").exists()

    def test_two_images_are_no_class(self, backed: Model, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"needs 3 images, .* fewer of emu \(2\): give more\.$"):
            extend(backed, more(tmp_path / "more", 2), tmp_path / "model", data_root=tmp_path / "cache")
        assert not (tmp_path / "model").exists()

    def test_a_model_of_images_must_be_trained_anew(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"^mnist-without-0 cannot be given classes: only the folder"):
            extend(euinet.load("mnist-without-0"), more(tmp_path / "more"), tmp_path / "model")

    def test_a_file_has_no_known_embeddings(self, backed: Model, tmp_path: Path) -> None:
        backed.save_onnx(tmp_path / "model.onnx")
        with pytest.raises(UsageError, match="only the folder of a model with a backbone"):
            extend(euinet.load(tmp_path / "model.onnx"), more(tmp_path / "more"), tmp_path / "model")
