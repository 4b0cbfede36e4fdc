"""Pseudo-outliers among embeddings: rows made of known ones that belong to no class (see outliers.py).

Near: beyond another class, on the line through both. Further: numbers of different rows put together, which
keeps how each spreads and loses how they go together. Far: faint or strong rows, and noise.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from euinet.augmentations.outliers import partners

Maker = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Rows (B, F), partners of the same shape, random stream → pseudo-outliers (B, F)."""


def vector_outliers(rows: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return one pseudo-outlier for each of (B, F) embeddings, an equal share of each kind.

    `labels` (B,): where a kind needs a second row, it is one of another class as far as the batch has one.
    """
    order = torch.randperm(len(rows), generator=generator, device=rows.device)
    others = partners(labels, generator)
    made = torch.empty_like(rows)
    for maker, chosen in zip(MAKERS, order.chunk(len(MAKERS)), strict=False):
        made[chosen] = maker(rows[chosen], rows[others[chosen]], generator)
    return made


def beyond(rows: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """On the line from a row of another class through this one, half as far to twice as far behind it."""
    return rows + (0.5 + 1.5 * _uniform(rows, generator)) * (rows - others)


def crossed(rows: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Each number from one of two rows, drawn anew for each: half of them from the other class."""
    return torch.where(_uniform(rows, generator, each=True) < 0.5, rows, others)


def scattered(rows: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Each number from a row of its own among those given."""
    places = torch.randint(len(rows), rows.shape, generator=generator, device=rows.device)
    return rows.gather(0, places)


def rescaled(rows: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Half of them three to ten times as faint, the others two to four times as strong."""
    draw = _uniform(rows, generator)
    faint = _uniform(rows, generator) < 0.5
    return rows * torch.where(faint, 0.1 + 0.23 * draw, 2 + 2 * draw)


def noise(rows: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise with the mean and deviation of each number among the rows given."""
    deviation, mean = torch.std_mean(rows, dim=0, correction=0)
    return mean + deviation * torch.randn(rows.shape, generator=generator, device=rows.device)


MAKERS: tuple[Maker, ...] = (beyond, crossed, scattered, rescaled, noise)


def _uniform(rows: Tensor, generator: torch.Generator, *, each: bool = False) -> Tensor:
    """A number from 0 to 1 for each row, (B, 1), or for each number, (B, F)."""
    shape = rows.shape if each else (len(rows), 1)
    return torch.rand(shape, generator=generator, device=rows.device)
