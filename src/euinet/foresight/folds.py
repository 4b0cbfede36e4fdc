"""Each known class as an unknown one in turn: the heads that read embeddings, found anew without it.

Only heads are: the network that made the embeddings has its own past, which no fold undoes. A fold's heads
learn from four fifths of the other classes' training rows; the last fifth are its known images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from euinet.answers import FloatArray
from euinet.data.split.stratify import turn_by_turn
from euinet.networks import as_tensor
from euinet.networks.memory import KnownDistances, Moments
from euinet.networks.vectors import Standardise, fit_softmax_rows
from euinet.records import LabelledImages
from euinet.scoring.threshold import EDGE, with_tail

MOST_FOLDS = 20  # classes that are taken for unknown
MOST_ROWS, MOST_NUMBERS = 20_000, 2**24  # of the training part, which are read
ITERATIONS = 25  # of a fold's classifier, which starts from that of all classes
LEARNED = 0.8  # share of a known class's rows that the heads of a fold learn from
FEWEST_CLASSES, FEWEST_ROWS = 3, 5  # below these, classes and rows of one, there is nothing to learn from
_LEAST = 1e-9  # deviation that counts as one


@dataclass(frozen=True)
class Fold:
    """One class taken for unknown: standardised parts of what a model without it says; higher = stranger."""

    label: int
    known: FloatArray  # (N, P): minus the best logit, then the memory's distances
    unknown: FloatArray  # (M, P)


def folds(
    known: LabelledImages,
    standardise: Standardise,
    memory: KnownDistances,
    *,
    penalty: float,
    tail: float,
    seed: int,
) -> list[Fold]:
    """Return a fold for each class of `known`, training rows (N, ≥ F) of labels 0 … K−1; at most MOST_FOLDS.

    `standardise`, `memory`, `penalty` and `tail` (presets.py) are the model's. Returns [] where there are too
    few classes or rows.
    """
    width = len(standardise.mean)
    chosen = turn_by_turn(known.labels)[: min(MOST_ROWS, MOST_NUMBERS // width)]
    labels = as_tensor(known.labels[chosen])
    counts = torch.bincount(labels)
    taken = [label for label, count in enumerate(counts.tolist()) if count >= FEWEST_ROWS]
    if len(taken) < FEWEST_CLASSES:
        return []
    draw = np.random.default_rng(seed)
    taken = sorted(draw.permutation(taken)[:MOST_FOLDS].tolist())
    rows = standardise(as_tensor(known.images[chosen])[:, :width].float())
    learned = torch.from_numpy(draw.random(len(rows)) < LEARNED)
    parts = _Parts(rows, labels, learned, memory, penalty, tail)
    return [parts.fold(label) for label in taken]


class _Parts:
    """What all folds share: the rows, their moments, and the classifier of all classes."""

    def __init__(
        self,
        rows: Tensor,
        labels: Tensor,
        learned: Tensor,
        memory: KnownDistances,
        penalty: float,
        tail: float,
    ) -> None:
        self.rows, self.labels, self.learned = rows, labels, learned
        self.origin, self.neighbours = memory.origin, memory.neighbours
        self.penalty, self.tail = penalty, tail
        self.classes = int(labels.max()) + 1
        self.per_class = len(memory.rows) // self.classes
        self.moments = Moments.of(rows[learned], labels[learned], self.classes)
        self.classifier = nn.Linear(rows.shape[1], self.classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)
        fit_softmax_rows(rows[learned], labels[learned], self.classifier, penalty, 2 * ITERATIONS)

    def fold(self, label: int) -> Fold:
        """Return what a model without the class `label` says of it, and of the others' last fifth."""
        other = self.labels != label
        learns, seen = self.learned & other, ~self.learned & other
        fewer = self.labels - (self.labels > label).long()
        heads = nn.Linear(self.rows.shape[1], self.classes - 1)
        kept = torch.arange(self.classes) != label
        with torch.no_grad():
            heads.weight.copy_(self.classifier.weight[kept])
            heads.bias.copy_(self.classifier.bias[kept])
        fit_softmax_rows(self.rows[learns], fewer[learns], heads, self.penalty, ITERATIONS)
        own = self.rows[self.learned & ~other]
        memory = KnownDistances(self.classes - 1, self.per_class, self.rows.shape[1], self.neighbours)
        memory.remember(
            self.rows[learns],
            fewer[learns],
            self.origin,
            self.moments.without(label, own) if len(own) else None,
        )
        said = [_said(self.rows[of], heads, memory) for of in (seen, ~other)]
        middle, spread = said[0].mean(dim=0), said[0].std(dim=0).clamp(min=_LEAST)
        known, unknown = (self._with_tails((part - middle) / spread).numpy() for part in said)
        return Fold(label, known, unknown)

    def _with_tails(self, parts: Tensor) -> Tensor:
        """Return parts with the distances' tails, as the decision counts them."""
        distances = with_tail(parts[:, 1:], torch.tensor(-EDGE), torch.tensor(EDGE), self.tail)
        return torch.cat([parts[:, :1], distances], dim=1)


@torch.no_grad()
def _said(rows: Tensor, heads: nn.Linear, memory: KnownDistances) -> Tensor:
    """Return the parts (N, P) in float64."""
    return torch.cat([-heads(rows).amax(dim=1, keepdim=True), memory(rows)], dim=1).double()
