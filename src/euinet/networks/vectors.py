"""The report's networks with an embedding in the place of an image: F numbers a row, whatever made them.

A network of its own, frozen, or a table: embeddings come in their own units. The networks here bring each
number to mean 0 of the known training rows, and all by one factor to a mean variance of 1; the generator
brings what it makes back. A factor for each number would blow up those that hardly vary: on photographs that
costs a hundredth of the accuracy (docs/embeddings.md).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from euinet.answers import StoredArray
from euinet.networks import as_tensor
from euinet.networks.discriminators import LEAK, GanDiscriminatorOutputs
from euinet.networks.trunk import Trunk

SMALLEST = 1e-12  # of a variance, for rows that are all the same
_ROWS = 8192  # read at a time


class Standardise(nn.Module):
    """x ↦ (x − mean)·scale, with a mean for each number and one scale, measured once; `back` undoes it."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows (B, F), standardised."""
        return (rows - self.mean) * self.scale

    def back(self, standardised: Tensor) -> Tensor:
        """Return what `forward` maps to `standardised`, (B, F)."""
        return standardised / self.scale + self.mean

    @torch.no_grad()
    def measure(self, rows: StoredArray) -> None:
        """Take means and variance of rows (N, F) of known training images, read a part at a time."""
        mean, variance = torch.zeros(2, len(self.mean), dtype=torch.float64)
        for part in _parts(rows, len(mean)):
            mean += part.sum(dim=0) / len(rows)
        for part in _parts(rows, len(mean)):
            variance += (part - mean).square().sum(dim=0) / len(rows)
        self.mean.copy_(mean)
        self.scale.copy_(variance.mean().clamp(min=SMALLEST).rsqrt())


class VectorTrunk(Trunk):
    """What stands before the classifier where embeddings (B, W ≥ F) are read: the first F, standardised.

    With `embedding`, a hidden layer of so many units follows, which the classifier reads instead.
    """

    stem: Standardise

    def __init__(self, width: int, embedding: int = 0) -> None:
        super().__init__(Standardise(width), [], [width], 1, embedding)
        self.width = width

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return the standardised embeddings (B, F), and the hidden layer's output if there is one."""
        found = [self.stem(vectors[:, : self.width])]
        if self.embed is not None:
            found.append(self.embed(found[0]))
        return found


class VectorGenerator(nn.Module):
    """A multi-layer perceptron that makes fake embeddings; without `bias` as the image generators' (§2.2)."""

    def __init__(self, standardise: Standardise, latent_size: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.standardise = standardise
        self.layers = nn.Sequential(
            nn.Linear(latent_size, hidden, bias=bias),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, hidden, bias=bias),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, len(standardise.mean), bias=bias),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Map (B, latent_size) standard normal vectors to embeddings (B, F) in their own units."""
        return self.standardise.back(self.layers(latents))


class VectorGanDiscriminator(nn.Module):
    """D of eq. 3 for embeddings."""

    def __init__(self, standardise: Standardise, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            standardise,
            nn.Linear(len(standardise.mean), hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(LEAK),
        )
        self.real = nn.Linear(hidden, 1)
        self.width = len(standardise.mean)

    def forward(self, vectors: Tensor) -> GanDiscriminatorOutputs:
        """Score embeddings (B, W ≥ F) in their own units, by the first F numbers."""
        features = self.layers(vectors[:, : self.width])
        return GanDiscriminatorOutputs(self.real(features).squeeze(1), features)


@torch.no_grad()
def fit_linear(rows: StoredArray, standardise: Standardise, layer: nn.Linear) -> None:
    """Give `layer` the weights that map standardised features to the logits beside them, by least squares.

    `rows` (N, F+K) are features and logits, or (N, K = F) logits alone. The last layer of a classifier is
    found so exactly, but for rounding, whatever form it has in its own network.
    """
    width, classes = layer.in_features, layer.out_features
    gram = torch.zeros(width + 1, width + 1, dtype=torch.float64)
    moment = torch.zeros(width + 1, classes, dtype=torch.float64)
    for part in _parts(rows):
        features = standardise(part[:, :width].float().to(standardise.mean.device)).double().cpu()
        ones = torch.ones(len(part), 1, dtype=torch.float64)
        inputs = torch.cat([features, ones], dim=1)
        gram += inputs.T @ inputs
        moment += inputs.T @ part[:, -classes:]
    ridge = 1e-9 * gram.diagonal().mean()
    solved = torch.linalg.solve(gram + ridge * torch.eye(width + 1, dtype=torch.float64), moment)
    layer.weight.copy_(solved[:-1].T)
    layer.bias.copy_(solved[-1])


def _parts(rows: StoredArray, width: int | None = None) -> Iterator[Tensor]:
    """Yield rows (N, F) as float64, some thousand at a time, their first `width` numbers."""
    for start in range(0, len(rows), _ROWS):
        yield as_tensor(rows[start : start + _ROWS])[:, :width].double()
