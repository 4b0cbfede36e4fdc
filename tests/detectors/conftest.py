"""A tiny EuiNet that knows three bright quadrants, and images of each kind to fit on and to score."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from euinet.answers import PixelArray
from euinet.detectors import Subject
from euinet.networks import to_network_range
from euinet.networks.discriminators import GanDiscriminator
from euinet.networks.euinet import EuiNet
from euinet.presets import ModelSettings, ScoringSettings
from euinet.records import LabelledImages
from euinet.scoring.inference import raw_scores, remember
from euinet.scoring.threshold import fit_logit_range

SETTINGS = ScoringSettings(
    temperature=1e-3,
    disc_scale=0.004,
    disc_shift=0.008,
    epsilon=3,
    pixel_range=255,
    known_rejected=0.02,
    distance_scale=0.5,
)


def known_images(images_a_class: int, seed: int) -> LabelledImages:
    """8 × 8 noise with one bright quadrant of three, whose place is the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = np.arange(3 * images_a_class) % 3
    images = torch.randint(0, 60, (len(labels), 1, 8, 8), generator=generator, dtype=torch.uint8).numpy()
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 150
    return LabelledImages(images, labels)


@pytest.fixture(scope="session")
def unknown_images() -> PixelArray:
    """Noise of every brightness, and no bright quadrant: nothing like a known class."""
    generator = torch.Generator().manual_seed(5)
    noise = torch.rand(150, 1, 8, 8, generator=generator)
    return (noise * torch.linspace(60, 250, 150).view(-1, 1, 1, 1)).to(torch.uint8).numpy()


@pytest.fixture(scope="session", params=[0, 12], ids=["averaged", "embedded"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """90 images a class to train on, 40 to calibrate with; both discriminators take noise for fake.

    Once with features that are averages of the last stage, once with an embedding of it.
    """
    torch.manual_seed(0)
    train, validation = known_images(90, seed=1), known_images(40, seed=2)
    settings = ModelSettings(
        trunk_widths=(8, 16),
        disc_input="stages",
        disc_hidden=8,
        memory_per_class=20,
        memory_neighbours=3,
        embedding=request.param,
    )
    model, gan_discriminator = EuiNet(settings, (1, 8, 8), classes=3), GanDiscriminator(1, 8, width=8)
    optimizer = torch.optim.Adam([*model.parameters(), *gan_discriminator.parameters()], lr=3e-3)
    for _ in range(80):
        chosen = torch.randint(0, len(train), (48,)).numpy()
        real = to_network_range(train.images[chosen])
        both = torch.cat([real, 2 * torch.rand_like(real) * torch.rand(48, 1, 1, 1) - 1])
        is_fake = torch.cat([torch.zeros(48), torch.ones(48)])
        outputs = model(real, both)
        loss = F.cross_entropy(
            outputs.class_logits, torch.from_numpy(train.labels[chosen]), label_smoothing=0.05
        )
        loss = loss + F.binary_cross_entropy_with_logits(outputs.disc_logits, is_fake)
        gan_logits = gan_discriminator(both).real_logits
        loss = loss + F.binary_cross_entropy_with_logits(gan_logits, 1 - is_fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval().zero_grad()
    gan_discriminator.eval().zero_grad()
    remember(model, train)
    logit_range = fit_logit_range(raw_scores(model, validation.images, SETTINGS), SETTINGS)
    return Subject(model, gan_discriminator, SETTINGS, logit_range, train, validation)


@pytest.fixture(scope="session")
def sets(unknown_images: PixelArray) -> dict[str, PixelArray]:
    """Fresh known images and unknown ones."""
    return {"known": known_images(50, seed=3).images, "unknown": unknown_images}
