"""All that changes while training: networks, optimizers, random streams; saved and restored whole."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from euinet.data.split.fingerprint import fingerprint
from euinet.networks import as_tensor
from euinet.networks.euinet import EuiNet
from euinet.networks.vectors import VectorTrunk
from euinet.presets import Preset, TrainingSettings
from euinet.records import Split
from euinet.training.average import running_average
from euinet.training.checkpoint import FILE_NAME, save_checkpoint
from euinet.training.distributed import check_same, check_shares
from euinet.training.plan import epochs_and_steps
from euinet.training.players import Players, build_players
from euinet.training.synced_norm import unsync_norms


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves: networks in eval mode and the log's rows."""

    model: nn.Module  # EuiNet; the running average of its weights where the preset asks for one
    generator: nn.Module
    gan_discriminator: nn.Module
    history: tuple[dict[str, float], ...]
    seconds: float  # of training, over all sittings


class TrainingRun:
    """All that changes while training, and can be saved and restored."""

    def __init__(self, split: Split, preset: Preset, seed: int, folder: Path, fabric: Fabric) -> None:
        self.preset, self.seed, self.folder, self.fabric = preset, seed, folder, fabric
        device = fabric.device
        stored = split.train.images
        # embeddings that lie in a file stay there: a batch of them is read when it is asked for
        self.images: Any = as_tensor(stored).to(device) if isinstance(stored, np.ndarray) else stored
        self.labels = as_tensor(split.train.labels).to(device)
        self.validation = split.validation
        self.classes = len(split.known_classes)
        self.epochs, self.steps_per_epoch, self.batch_size = epochs_and_steps(preset, len(self.labels))
        self.total_steps = self.epochs * self.steps_per_epoch
        check_shares(preset, self.batch_size, fabric.world_size)
        self.players = build_players(split, preset, seed, fabric)
        self.schedule = _schedule(self.players, preset.training, self.total_steps)
        decay = preset.training.average_decay
        self.average = running_average(self.players.plain_model(), decay) if decay > 0 else None
        self.noise = torch.Generator(device).manual_seed(seed)
        self.step = 0  # steps done, over all epochs
        self.seconds_before = 0.0  # in earlier sittings
        self.started = time.monotonic()
        self.collapse_reported = False
        self.sums: dict[str, Tensor] = {}  # of the losses since the last row of the log
        self.summed = 0  # steps in them
        self.history: list[dict[str, float]] = []  # the log's rows
        self.saved_at = time.monotonic()
        self.identity: dict[str, Any] = {
            "data": split.dataset,
            "held_out": list(split.unknown_classes),
            "preset": preset.model_dump(mode="json"),
            "seed": seed,
            "images": len(self.labels),
            "image_content": fingerprint(split.train.images, split.train.labels),
            "device": device.type,  # another kind has another random stream
            "precision": str(fabric.strategy.precision.precision),
        }
        check_same(fabric, self.identity)

    def batch(self, chosen: Tensor) -> Tensor:
        """Return the training images at `chosen` (B,), as they are stored, on the run's device.

        Of embeddings that end with logits given by another classifier what stands before these: fakes have
        no such, and the classifier that `measure` fitted gives all the same.
        """
        if isinstance(self.images, Tensor):
            found = self.images[chosen]
        else:
            found = as_tensor(self.images[chosen.cpu().numpy()]).to(self.fabric.device)
        trunk = self.players.plain_model().trunk
        return found[:, : trunk.width] if isinstance(trunk, VectorTrunk) else found

    def epoch_order(self, epoch: int) -> Tensor:
        """Return the order of the training images in `epoch`, from the seed and the epoch alone."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.labels), generator=generator).to(self.labels.device)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on, as tensors and plain values."""
        return {
            "run": self.identity,
            "step": self.step,
            "seconds": self.seconds(),
            "players": self.players.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "schedule": self.schedule.state_dict(),
            "noise": self.noise.get_state(),
            "collapse_reported": self.collapse_reported,
            "sums": self.sums,
            "summed": self.summed,
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that `state()` returned."""
        self.step, self.seconds_before = state["step"], state["seconds"]
        self.players.load_state_dict(state["players"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.schedule.load_state_dict(state["schedule"])
        self.noise.set_state(state["noise"])
        self.collapse_reported = state["collapse_reported"]
        self.sums = {name: value.to(self.labels.device) for name, value in state["sums"].items()}
        self.summed = state["summed"]
        self.history = state["history"]
        self.started = self.saved_at = time.monotonic()

    def save(self) -> Path:
        """Write the checkpoint, in the first process; all must call this, and go on when it is written."""
        path = self.folder / FILE_NAME
        if self.fabric.is_global_zero:
            path = save_checkpoint(self.folder, self.state())
        self.fabric.barrier()
        self.saved_at = time.monotonic()
        return path

    def seconds(self) -> float:
        """Return the time spent training so far, over all sittings."""
        return self.seconds_before + time.monotonic() - self.started

    def evaluated_model(self) -> nn.Module:
        """Return the network to be judged, in eval mode: the average if there is one."""
        model = self.average.module if self.average is not None else self.players.plain_model()
        return model.eval()

    def finish(self) -> Trained:
        """Return the trained networks in eval mode."""
        model = cast(EuiNet, self.evaluated_model())
        model.drop_pose_head()
        unsync_norms(model)
        return Trained(
            model,
            self.players.generator.module.eval(),
            self.players.gan_discriminator.module.eval(),
            tuple(self.history),
            self.seconds(),
        )


def _schedule(players: Players, settings: TrainingSettings, total_steps: int) -> LRScheduler:
    """A constant factor, or one cycle: up to it over the first 15 % of the steps, then a cosine to 0."""

    def factor(step: int) -> float:
        if settings.schedule == "constant":
            return settings.rate_factor
        warm = max(1, round(0.15 * total_steps))
        if step < warm:
            return settings.rate_factor * (0.04 + 0.96 * step / warm)
        done = min(1.0, (step - warm) / max(1, total_steps - warm))
        return settings.rate_factor * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(players.model_optimizer.optimizer, factor)
