"""The report's networks with an embedding in the place of an image: F numbers a row, whatever made them.

A network of its own, frozen, or a table: embeddings come in their own units. The networks here bring each
number to mean 0 of the known training rows, and all by one factor to a mean variance of 1; the generator
brings what it makes back. A factor for each number would blow up those that hardly vary: on photographs that
costs a hundredth of the accuracy (docs/embeddings.md).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from euinet.answers import StoredArray
from euinet.networks import as_tensor
from euinet.networks.discriminators import LEAK, GanDiscriminatorOutputs
from euinet.networks.trunk import Trunk
from euinet.records import LabelledImages

SMALLEST = 1e-12  # of a variance, for rows that are all the same
_ROWS = 8192  # read at a time
_ITERATIONS = 100  # of L-BFGS, at most


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

    @property
    def origin(self) -> Tensor | None:
        """Where what the classifier reads has the embeddings' own origin, negated, (F,); None: nowhere."""
        return self.stem.mean * self.stem.scale if self.embed is None else None

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


def fit_softmax(known: LabelledImages, standardise: Standardise, layer: nn.Linear, penalty: float) -> None:
    """Give `layer` the weights W of the softmax regression with the least cross-entropy + penalty·‖W‖².

    `known`: rows (N, ≥ F) with labels; what is read of them are the first F, standardised. By L-BFGS (Liu and
    Nocedal 1989) from 0; the bias is free.
    """
    rows = torch.cat([standardise(part.float()) for part in _parts(known.images, layer.in_features)])
    fit_softmax_rows(rows, as_tensor(known.labels), layer, penalty)


def fit_softmax_rows(
    rows: Tensor, labels: Tensor, layer: nn.Linear, penalty: float, iterations: int = _ITERATIONS
) -> None:
    """Do so for rows (N, F) that are standardised already, from the weights that `layer` has."""
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=iterations, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(layer(rows), labels) + penalty * layer.weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    layer.zero_grad()


def _parts(rows: StoredArray, width: int | None = None) -> Iterator[Tensor]:
    """Yield rows (N, F) as float64, some thousand at a time, their first `width` numbers."""
    for start in range(0, len(rows), _ROWS):
        yield as_tensor(rows[start : start + _ROWS])[:, :width].double()
