"""A reject option for somebody's classifier: its answers stay, whatever form it and the known images have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import euinet
from classifiers import answers, normalised, onnx_file
from euinet.attached.attach import attach, classifier_rows
from euinet.data.embedded.dataset import list_images
from euinet.errors import DataError, UsageError
from euinet.model.model import Model

SIDE, NAMES = 8, ("bright", "dark", "middle")  # by name, as class folders are
LEVELS = {"dark": 60, "middle": 128, "bright": 196}
FAST = {
    "training.min_steps": 5,
    "training.epochs": 1,
    "model.memory_per_class": 10,
    "model.disc_hidden": 8,
}


class Brightness(nn.Module):
    """Tells dark, middle and bright images apart: values from −1 to 1, the nearest of three levels."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.norm, self.head = nn.Dropout(0.5), nn.BatchNorm2d(3), nn.Linear(3, 3)
        centres = torch.tensor([[LEVELS[name] / 127.5 - 1] * 3 for name in NAMES])
        with torch.no_grad():
            self.head.weight.copy_(2 * 9 * centres)
            self.head.bias.copy_(-9 * centres.square().sum(dim=1))

    def forward(self, images: Tensor) -> Any:
        return self.head(self.drop(self.norm(images).mean(dim=(2, 3))))


def drawn(each: int = 60, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Images (N, 3, 8, 8) of the three levels, and their classes."""
    draw = np.random.default_rng(seed)
    names = list(NAMES) * each
    levels = np.array([LEVELS[name] for name in names]).reshape(-1, 1, 1, 1)
    noise = draw.integers(-40, 41, (len(names), 3, SIDE, SIDE))
    noise += draw.integers(-15, 16, (len(names), 3, 1, 1))
    return np.clip(levels + noise, 0, 255).astype(np.uint8), names


def as_read(images: np.ndarray) -> Tensor:
    return torch.from_numpy(normalised(images, (0.5,) * 3, (0.5,) * 3))


def own_answers(images: np.ndarray, module: nn.Module | None = None) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = (module or Brightness()).eval()(as_read(images)).numpy()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("known")
    for number, (image, name) in enumerate(zip(*drawn(), strict=True)):
        (root / name).mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(root / name / f"{number:03}.png")
    return root


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("theirs") / "brightness.onnx"
    path.write_bytes(onnx_file(Brightness().eval(), dynamo=False, shape=(3, SIDE, SIDE)))
    return path


def attached(classifier: Any, known: Any, labels: Any = None, **options: Any) -> tuple[Model, list[str]]:
    """The model, and what was told."""
    told: list[str] = []
    options = {"alpha": 0.1, "image_size": SIDE, "settings": FAST, "notify": told.append} | options
    return attach(classifier, known, labels, **options), told


def check_answers_stay(model: Model) -> None:
    """Of new images the logits are the classifier's, and so is every answer that is not rejected."""
    images, names = drawn(40, seed=5)
    own = own_answers(images)
    found = model.run(images, ("embedding", "best_class", "label"))
    np.testing.assert_allclose(found["embedding"][:, -3:], own, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found["best_class"], found["embedding"][:, -3:].argmax(axis=1))
    np.testing.assert_array_equal(found["best_class"], own.argmax(axis=1))
    kept = found["label"] >= 0
    np.testing.assert_array_equal(found["label"][kept], own.argmax(axis=1)[kept])
    assert kept.mean() > 0.6  # α is 0.1
    assert (own.argmax(axis=1) == [NAMES.index(name) for name in names]).mean() > 0.9


class TestModule:
    def test_with_a_folder_its_answers_stay_and_it_is_left_as_it_was(
        self, folder: Path, tmp_path: Path
    ) -> None:
        module = Brightness().train()
        module.norm.eval()
        module.head.weight.requires_grad_(False)
        before = {name: value.clone() for name, value in module.state_dict().items()}
        modes = {name: part.training for name, part in module.named_modules()}
        model, told = attached(module, folder, normalise="-1..1", data_root=tmp_path, out=tmp_path / "out")
        assert model.class_names == NAMES
        check_answers_stay(model)
        assert {name: part.training for name, part in module.named_modules()} == modes
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
        assert not module.head.weight.requires_grad
        assert module.head.bias.requires_grad
        assert not module.head._forward_pre_hooks
        assert all(parameter.grad is None for parameter in module.parameters())
        assert any("The classifier is right on" in one and "180 labelled" in one for one in told)
        parts = "72 known images to learn from, 36 to set ranges by, 72 to promise."
        assert any(one.startswith(parts) for one in told)
        assert model.calibration_images == 72

        images, _ = drawn(10, seed=6)
        loaded = euinet.load(tmp_path / "out" / "model")
        np.testing.assert_array_equal(loaded.decide(images).scores, model.decide(images).scores)
        assert loaded.card.backbone is not None
        assert loaded.card.backbone.name == "Brightness"

    def test_with_arrays_and_names_the_normalising_is_found(self) -> None:
        model, told = attached(Brightness(), *drawn())
        check_answers_stay(model)
        assert any(one.endswith("Taken: -1..1.") for one in told)

    def test_numbers_are_places_among_the_given_names(self) -> None:
        images, names = drawn()
        numbers = [NAMES.index(name) for name in names]
        model, _ = attached(Brightness(), images, numbers, class_names=("hell", "dunkel", "mittel"))
        assert model.class_names == ("hell", "dunkel", "mittel")
        check_answers_stay(model)

    def test_without_labels_its_own_answers_stand_for_them(self, tmp_path: Path) -> None:
        for number, image in enumerate(drawn()[0]):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{number:03}.png")
        model, told = attached(Brightness(), tmp_path, normalise="-1..1", data_root=tmp_path / "cache")
        assert model.class_names == ("class 0", "class 1", "class 2")
        check_answers_stay(model)
        assert not any("is right on" in one for one in told)

    def test_what_it_says_of_itself_is_taken(self) -> None:
        module = Brightness()
        module.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "input_size": (3, SIDE, SIDE)}
        module.config = type("Config", (), {"id2label": {0: "hell", 1: "dunkel", 2: "mittel"}})()
        images, _ = drawn()
        model, told = attached(module, images, image_size=None)
        assert model.class_names == ("hell", "dunkel", "mittel")
        assert model.preprocessing.image_size == SIDE
        check_answers_stay(model)
        assert not any("Taken" in one for one in told)

    def test_logits_inside_an_output_are_found(self) -> None:
        class Wrapped(Brightness):
            def forward(self, images: Tensor) -> Any:
                return {"logits": super().forward(images)}

        check_answers_stay(attached(Wrapped(), *drawn(), normalise="-1..1")[0])

    def test_the_same_seed_gives_the_same_model(self) -> None:
        first, second = (attached(Brightness(), *drawn(), normalise="-1..1")[0] for _ in range(2))
        assert first.fingerprint == second.fingerprint
        other, _ = attached(Brightness(), *drawn(), normalise="-1..1", seed=1)
        assert other.fingerprint != first.fingerprint


class TestFile:
    def test_the_normalising_is_found_and_logits_are_the_file_s_bit_for_bit(
        self, file: Path, folder: Path, tmp_path: Path
    ) -> None:
        before = file.read_bytes()
        broken = folder / "dark" / "000-broken.png"  # is left out, wherever images are read
        broken.write_bytes(b"no image")
        model, told = attached(file, folder, data_root=tmp_path, image_size=None)
        broken.unlink()
        assert any(one.endswith("Taken: -1..1.") for one in told)
        check_answers_stay(model)
        images, _ = drawn(40, seed=5)
        theirs = answers(before, normalised(images, (0.5,) * 3, (0.5,) * 3))
        np.testing.assert_array_equal(model.run(images, ("embedding",))["embedding"][:, -3:], theirs)
        assert file.read_bytes() == before
        assert model.card.backbone is not None
        assert model.card.backbone.name == "brightness.onnx"

    def test_classes_in_another_order_than_the_folders_are_named(
        self, file: Path, folder: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError, match=r"hardly right on the known images .*: name its classes"):
            attached(file, folder, class_names=("middle", "dark", "bright"), data_root=tmp_path)

    def test_it_can_be_calibrated_and_exported_like_any_other(
        self, file: Path, folder: Path, tmp_path: Path
    ) -> None:
        model, _ = attached(file, folder, normalise="-1..1", data_root=tmp_path)
        new, _names = drawn(40, seed=8)
        model.calibrate(new, 0.05).save_onnx(tmp_path / "one.onnx")
        loaded = euinet.load(tmp_path / "one.onnx")
        assert (loaded.alpha, loaded.calibration_images) == (0.05, 120)
        np.testing.assert_array_equal(loaded.decide(new).ood_score, model.decide(new).ood_score)

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"image_size": 16}, r"reads images of 8 pixels a side, not 16: leave that out"),
            ({"logits": "scores"}, "has no tensor 'scores'"),
            ({"features": "rows"}, "has no tensor 'rows'"),
            ({"normalise": "imagenet!"}, "'imagenet!' does not say how to normalise 3 colours"),
            ({"normalise": "0.5/0.5"}, "does not say how"),
            ({"normalise": "0.5,0.5,0.5/0,1,1"}, "does not say how"),
            ({"normalise": "nan,0,0/1,1,1"}, "does not say how"),
            ({"settings": {"model.disc_input": "pixels"}}, "embeddings have none"),
            ({"settings": {"data.augmentation": 1}}, "embeddings are no images"),
            ({"alpha": 0.9}, "alpha is 0.9, but must lie between 0 and 0.5"),
        ],
    )
    def test_wrong_options_are_one_sentence(
        self, file: Path, folder: Path, tmp_path: Path, options: dict[str, Any], why: str
    ) -> None:
        plain = {"normalise": "-1..1", "image_size": None, "data_root": tmp_path}
        with pytest.raises(UsageError, match=why) as told:
            attached(file, folder, **plain | options)
        assert "\n" not in str(told.value)

    def test_a_file_that_is_not_there(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"^There is no file .*no\.onnx: give a classifier's ONNX file"):
            attached(tmp_path / "no.onnx", folder)
        with pytest.raises(euinet.EuiNetError):
            attached(tmp_path, folder)


class TestLoader:
    def loader(self, labels: bool = True, count: int = 180) -> Iterable[Any]:
        images, names = drawn()
        numbers = torch.tensor([NAMES.index(name) for name in names])
        parts = (as_read(images)[:count], numbers[:count]) if labels else (as_read(images)[:count],)
        return DataLoader(TensorDataset(*parts), batch_size=50)

    def test_without_a_way_from_pixels_the_model_reads_rows(self) -> None:
        module = Brightness()
        model, told = attached(module, self.loader(), class_names=NAMES)
        assert not model.card.reads_images
        assert any("reads rows of classifier_rows. With normalise it would" in one for one in told)
        images, _ = drawn(40, seed=5)
        rows = classifier_rows(module, as_read(images))
        own = own_answers(images)
        np.testing.assert_array_equal(rows[:, -3:], own)
        np.testing.assert_allclose(rows[:, :3], as_read(images).mean(dim=(2, 3)), rtol=1e-4, atol=1e-4)
        found = model.decide(rows)
        np.testing.assert_array_equal(found.classifier_labels, own.argmax(axis=1))
        assert (found.labels >= 0).mean() > 0.6

    def test_with_normalise_the_model_reads_images(self) -> None:
        model, _ = attached(Brightness(), self.loader(), class_names=NAMES, normalise="-1..1")
        assert model.card.reads_images
        check_answers_stay(model)

    def test_both_ways_learn_the_same(self) -> None:
        _images, _names = drawn()
        rows, _ = attached(Brightness(), self.loader(), class_names=NAMES)
        whole, _ = attached(Brightness(), self.loader(), class_names=NAMES, normalise="-1..1")
        new = drawn(10, seed=5)[0]
        found = rows.decide(classifier_rows(Brightness(), as_read(new))).ood_score
        np.testing.assert_allclose(whole.decide(new).ood_score, found, rtol=1e-3, atol=1e-3)

    def test_inputs_alone_have_its_own_answers(self) -> None:
        images, _ = drawn()
        loader = DataLoader(list(as_read(images)), batch_size=64)  # type: ignore[arg-type]
        model, told = attached(Brightness(), loader, class_names=NAMES, normalise="-1..1")
        check_answers_stay(model)
        assert not any("is right on" in one for one in told)

    def test_a_loader_of_nothing_and_of_no_tensors(self) -> None:
        empty = DataLoader(TensorDataset(torch.zeros(0, 3, 8, 8)), batch_size=4)
        with pytest.raises(UsageError, match="The loader gives no batch"):
            attached(Brightness(), empty)
        texts = DataLoader([{"text": "a"}, {"text": "b"}], batch_size=2)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="The loader gives dict, but must give tensors"):
            attached(Brightness(), texts)

    def test_a_module_that_cannot_be_written_as_onnx_gives_a_model_of_rows(self) -> None:
        class Decides(Brightness):
            def forward(self, images: Tensor) -> Any:
                found = super().forward(images)
                return found if images.sum() > -1e9 else -found

        model, told = attached(Decides(), self.loader(), class_names=NAMES, normalise="-1..1")
        assert not model.card.reads_images
        assert any("cannot be written as ONNX" in one and "rows of classifier_rows" in one for one in told)


class TestHostile:
    def test_a_module_without_a_last_layer(self) -> None:
        class Averages(nn.Module):
            def forward(self, images: Tensor) -> Tensor:
                return images.mean(dim=(2, 3))

        with pytest.raises(
            UsageError, match=r"^The classifier Averages does not end in a linear layer"
        ) as told:
            attached(Averages(), *drawn(), normalise="-1..1")
        assert "\n" not in str(told.value)

    def test_a_folder_that_is_not_there(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"nowhere does not exist: give image files, folders"):
            attached(file, tmp_path / "nowhere")

    def test_a_layer_that_is_not_there(self) -> None:
        with pytest.raises(UsageError, match=r"has no linear layer 'tail': it has head\."):
            attached(Brightness(), *drawn(), normalise="-1..1", layer="tail")

    def test_a_module_that_answers_no_logits(self) -> None:
        class Maps(Brightness):
            def forward(self, images: Tensor) -> Any:
                super().forward(images)
                return images

        with pytest.raises(UsageError, match=r"must answer with logits, a tensor of shape \(images, cla"):
            attached(Maps(), *drawn(), normalise="-1..1")

    def test_a_module_of_another_size(self) -> None:
        module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))
        with pytest.raises(UsageError, match=r"does not read images of 3 × 12 × 12 \(.*\): say their size"):
            attached(module, *drawn(), normalise="-1..1", image_size=12)

    @pytest.mark.parametrize("count", [2, 4])
    def test_another_number_of_names_than_logits(self, count: int) -> None:
        names = ("bright", "dark", "middle", "night")[:count]
        images, labels = drawn()
        kept = [at for at, label in enumerate(labels) if label in names]
        with pytest.raises(
            UsageError, match=rf"gives 3 logits, and there are {count} classes .*: name all 3"
        ):
            attached(
                Brightness(), images[kept], [labels[at] for at in kept], class_names=names, normalise="-1..1"
            )

    def test_names_that_are_twice_there(self) -> None:
        images, _ = drawn()
        with pytest.raises((UsageError, DataError)):
            attached(Brightness(), images, class_names=("a", "a", "b"), normalise="-1..1")

    @pytest.mark.parametrize(
        ("labels", "why"),
        [
            ([0, 1, 3] * 60, "A label is 3, but the classifier has 3 classes, from 0"),
            ([0, 1, -2] * 60, "A label is -2, but"),
            (["bright", "dark", "noon"] * 60, r"Label 2 is 'noon', which is none of the classifier's"),
            ([0.5] * 180, r"Label 0 is '?0\.5'?, which is none"),
            ([0, 1] * 60, "There are 180 images and 120 labels: give one for each"),
        ],
    )
    def test_wrong_labels_are_one_sentence(self, labels: list[Any], why: str) -> None:
        with pytest.raises(UsageError, match=why):
            attached(Brightness(), drawn()[0], labels, class_names=NAMES, normalise="-1..1")

    def test_wrong_labels_of_a_loader(self) -> None:
        numbers = torch.tensor([0, 1, 7] * 60)
        loader = DataLoader(TensorDataset(as_read(drawn()[0]), numbers), batch_size=50)
        with pytest.raises(UsageError, match="A label is 7, but the classifier has 3 classes"):
            attached(Brightness(), loader, class_names=NAMES)

    def test_class_folders_that_it_does_not_know(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"has the class 'bright' and 2 more, which is none of"):
            attached(Brightness(), folder, class_names=("a", "b", "c"), data_root=tmp_path)
        with pytest.raises(UsageError, match=r"has the class 'bright' and 2 more"):
            attached(Brightness(), folder, class_names=("a", "b", "c"), normalise="-1..1", data_root=tmp_path)

    def test_too_few_images_and_copies(self) -> None:
        images, names = drawn(9)
        with pytest.raises(UsageError, match=r"There are 27 different known images, but at least 30 are"):
            attached(Brightness(), images, names, normalise="-1..1")
        twice = np.concatenate([images] * 2)
        with pytest.raises(UsageError, match="There are 27 different known images"):
            attached(Brightness(), twice, names * 2, normalise="-1..1")
        with pytest.raises(UsageError, match="There are no known images"):
            attached(Brightness(), images[:0], normalise="-1..1")

    def test_of_few_images_the_least_that_they_can_promise(self) -> None:
        """Of 60 images 24 promise, at least 1/25 = 0.04."""
        model, told = attached(Brightness(), *drawn(20), normalise="-1..1", alpha=0.01)
        assert (model.calibration_images, model.alpha) == (24, 0.04)
        assert any("needs 99 calibration images, but there are 24: it is 0.04" in one for one in told)

    def test_normalising_without_labels_must_be_told(self) -> None:
        with pytest.raises(UsageError, match=r"without labels it cannot be found out: say it \(--normalise"):
            attached(Brightness(), drawn()[0])

    def test_no_part_learns_what_another_promises(self, folder: Path, tmp_path: Path) -> None:
        """All known images but those that promise are among what the model has seen."""
        model, _ = attached(Brightness(), folder, normalise="-1..1", data_root=tmp_path)
        contents = [Image.open(one.name) for one in list_images(folder).contents]
        with pytest.raises(UsageError, match="was trained on 108 of these 180 images"):
            model.calibrate(contents, 0.1)
