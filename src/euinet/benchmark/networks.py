"""A cell's networks: trained, gone on with, or read back; what is scored is what is kept."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from euinet.benchmark.plan import Cell
from euinet.errors import StorageError
from euinet.experiment import versions
from euinet.export.save import save_model
from euinet.fitting import Fitted, fit_split
from euinet.model.names import DECISION_FILE
from euinet.model.opening import load
from euinet.networks.discriminators import GanDiscriminator
from euinet.records import Split
from euinet.system.files import write_bytes
from euinet.trained.model import TrainedModel
from euinet.training.checkpoint import drop_checkpoints

MODEL_FOLDER, GAN_FILE, TRAINING_FOLDER = "model", "gan.safetensors", "training"


@dataclass(frozen=True)
class CellNetworks:
    """What is judged, in eval mode."""

    model: TrainedModel
    gan_discriminator: nn.Module


def cell_networks(cell: Cell, split: Split, folder: Path, fabric: Fabric, *, quiet: bool) -> CellNetworks:
    """Return the networks of a cell from `folder`, trained first where they are not there yet.

    An interrupted training goes on from its checkpoint. The networks are always read back from their
    files, so that a later sitting scores bit for bit the same ones.
    """
    if not (folder / MODEL_FOLDER / DECISION_FILE).is_file():
        fitted = fit_split(split, cell.preset, cell.seed, folder / TRAINING_FOLDER, fabric, quiet=quiet)
        _keep(fitted, folder, fabric)
    model = load(folder / MODEL_FOLDER).torch(fabric.device)
    return CellNetworks(model, _load_gan(folder / GAN_FILE, split, cell.preset.gan.width, fabric))


def drop_checkpoint(folder: Path) -> None:
    """Remove what only an interrupted training needs; the log stays."""
    drop_checkpoints(folder / TRAINING_FOLDER)
    shutil.rmtree(folder / TRAINING_FOLDER / "tensorboard", ignore_errors=True)


def _keep(fitted: Fitted, folder: Path, fabric: Fabric) -> None:
    """Write both networks, the model last: once it is there, the training is over."""
    from safetensors.torch import save

    trained, model = fitted
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in trained.gan_discriminator.state_dict().items()
    }
    write_bytes(folder / GAN_FILE, save(weights))
    facts = {"train_seconds": round(trained.seconds, 1), "device": str(fabric.device), "versions": versions()}
    save_model(replace(model, card=replace(model.card, metrics=facts)), folder / MODEL_FOLDER)


def _load_gan(path: Path, split: Split, width: int, fabric: Fabric) -> nn.Module:
    from safetensors.torch import load_file

    _, channels, image_size, _ = split.train.images.shape
    discriminator = GanDiscriminator(channels, image_size, width)
    try:
        discriminator.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch each have their own kinds
        raise StorageError(
            f"The GAN discriminator {path} is missing or damaged ({type(error).__name__}); delete the folder "
            f"{path.parent} and run again."
        ) from error
    return discriminator.to(fabric.device).eval()
