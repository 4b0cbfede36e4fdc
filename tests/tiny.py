"""Images and settings small enough for tests: four classes of 8 × 8 images, each bright in one quadrant."""

from __future__ import annotations

import numpy as np
import torch

from euinet.records import LabelledImages

TINY = {
    "data.validation_fraction": "0.3",
    "data.calibration_fraction": "0.1",
    "data.fewest_validation": "1",
    "data.fewest_calibration": "1",
    "data.augmentation": "0",
    "data.stitched": "0",
    "model.trunk_widths": "[4, 8]",
    "model.blocks_per_stage": "1",
    "model.disc_input": "features",
    "model.disc_hidden": "8",
    "training.epochs": "2",
    "training.min_steps": "1",
    "training.batch_size": "8",
    "training.schedule": "constant",
    "training.average_decay": "0",
    "training.class_loss": "cross_entropy",
    "training.temperature": "1",
    "training.disc_shapes_trunk": "true",
    "gan.generator": "dense",
    "gan.generator_bias": "true",
    "gan.latent_size": "4",
    "gan.batch_size": "8",
    "gan.adversarial_weight": "1",
    "gan.feature_matching_weight": "0",
}


def quadrants(images_a_class: int, generator: torch.Generator) -> LabelledImages:
    labels = np.arange(4 * images_a_class) % 4
    images = torch.randint(0, 90, (len(labels), 1, 8, 8), generator=generator, dtype=torch.uint8).numpy()
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 150
    return LabelledImages(images, labels)
