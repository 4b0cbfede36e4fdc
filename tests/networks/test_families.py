"""Networks of three families as the trunk, learned end to end: trained, saved, read back, exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lightning_fabric import Fabric

from euinet.data.split.holdout import hold_out_classes
from euinet.export.save import save_model
from euinet.model.card import LogitRange, ModelCard
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.trained.model import TrainedModel, load_trained
from euinet.training.loop import train

SIDE = 32
TWO_STEPS = {
    **{"training.epochs": "1", "training.min_steps": "1", "training.batch_size": "8", "training.poses": "8"},
    **{"disc.reals": "4", "disc.outliers": "3", "disc.mixtures": "4"},
    **{"gan.batch_size": "4", "gan.generator": "dense", "gan.width": "4"},
}


@pytest.fixture(scope="module")
def coloured(dataset: Dataset) -> Split:
    """The four quadrants in 32 × 32 pixels and three colours; class 0 unknown."""

    def enlarged(part: LabelledImages) -> LabelledImages:
        large = part.images.repeat(4, axis=2).repeat(4, axis=3)
        return LabelledImages(np.concatenate([large, large // 2, 255 - large], axis=1), part.labels)

    whole = Dataset("quadrants", dataset.class_names, enlarged(dataset.train), enlarged(dataset.test))
    return hold_out_classes(whole, [0], validation_fraction=0.3, calibration_fraction=0.1)


def trained(split: Split, preset: Preset, folder: Path, fabric: Fabric) -> TrainedModel:
    run = train(split, preset, 0, folder, fabric, quiet=True)
    card = ModelCard(
        data=split.dataset,
        class_names=split.class_names,
        known_classes=split.known_classes,
        unknown_classes=split.unknown_classes,
        channels=3,
        image_size=SIDE,
        seed=0,
        logit_range=LogitRange((1.0,) * 3, (0.0,) * 3),
        preset=preset,
        metrics={},
    )
    return TrainedModel(run.model, card)


def check(name: str, epsilon: str, split: Split, folder: Path, fabric: Fabric) -> None:
    preset = get_preset("default", TWO_STEPS | {"model.backbone": name, "scoring.epsilon": epsilon})
    model = trained(split, preset, folder / "run", fabric)
    saved = save_model(model, folder / "model")
    images = split.test.images
    scores = model.decide(images).ood_score
    assert scores.std() > 0
    np.testing.assert_array_equal(load_trained(folder / "model").decide(images).ood_score, scores)
    np.testing.assert_allclose(saved.predict(images).ood_score, scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/test_convnext", "timm/test_efficientnet"])
def test_a_network_of_timm_s_is_trained_saved_read_and_exported(
    name: str, coloured: Split, tmp_path: Path, fabric: Fabric
) -> None:
    check(name, "0", coloured, tmp_path, fabric)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", ["timm/test_vit", "timm/convnext_atto", "efficientnet-lite0", "torchvision/mobilenet_v3_small"]
)
def test_its_gradient_is_exported_too(name: str, coloured: Split, tmp_path: Path, fabric: Fabric) -> None:
    check(name, "0.002", coloured, tmp_path, fabric)
