"""What every backbone gives: a trunk, which finds in images what the classifier and discriminator read."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from euinet.errors import UsageError
from euinet.presets import ModelSettings


class Trunk(nn.Module):
    """A stem, then stages one after the other, each giving maps (B, widths[i], H_i, W_i).

    Images come as (B, C, H, W) in −1 … 1, all of one size, C and size as the data set has them. What else the
    first weights want, such as another mean or size, is the stem's work. Every image's result must be its own
    in eval mode, whatever else is in the batch. Numbers that were learned or read from a file are parameters
    or buffers: a model's file holds nothing else.

    `feature_sizes` are the widths of what `forward` returns: of every stage, then of the embedding if one is
    asked for, `embedding` units that read the last stage's map place by place. Without, the classifier reads
    the map's average, which forgets where a stroke lies, and that is what tells a 4 from a 9.

    For scoring, `folded.py` makes one operation of a convolution and the BatchNorm after it, in a Sequential
    and in a block that says it may; a norm elsewhere stays, as right and a little slower.
    """

    embed: nn.Sequential | None

    def __init__(
        self, stem: nn.Module, stages: Sequence[nn.Module], widths: Sequence[int], side: int, embedding: int
    ) -> None:
        """`side` is that of the last stage's map, in pixels."""
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.embed = None
        self.feature_sizes = tuple(widths)
        if embedding:
            self.embed = nn.Sequential(
                nn.Flatten(),
                nn.Linear(widths[-1] * side * side, embedding, bias=False),
                nn.BatchNorm1d(embedding),
                nn.ReLU(),
            )
            self.feature_sizes += (embedding,)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, C, H, W) images in −1 … 1 to (B, feature_sizes[i]); the last is what the classifier reads.

        That is the average-pooled output of every stage, first to last, then the embedding if there is one.
        """
        x = self.stem(images)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x.mean(dim=(2, 3)))
        if self.embed is not None:
            found.append(self.embed(x))
        return found

    def load_weights(self, path: Path) -> list[nn.Parameter]:
        """Start from the weights in a file, and return the parameters that came from it.

        They learn at training.backbone_rate of the others' rate. Raises UsageError where the file is another
        network's, as here: a trunk reads none unless it says how.
        """
        raise UsageError("This backbone reads no file of weights: leave training.backbone_weights out.")


MakeTrunk = Callable[[ModelSettings, int, int], Trunk]
"""Settings, channels and image size (pixels a side) → a trunk, its weights drawn by torch's generator.

It is called on torch's "meta" device too, where tensors have shapes alone, to learn what a model's file must
hold: so it reads no file and no number. `settings.backbone` is the name as it was asked for; of a family,
"timm/resnet18" of "timm/", the rest of it is for the function to read. Raises UsageError for channels or a
size that the backbone cannot take, and for a name that its family does not have.
"""
