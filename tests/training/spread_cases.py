"""What test_distributed.py has done by one process and by two; imported, or run by torchrun.

torchrun --nproc-per-node 2 spread_cases.py everything|other-data OUT
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from euinet.answers import IntArray
from euinet.data.split.holdout import hold_out_classes
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.system.processes import one_voice
from euinet.training import loop, players
from euinet.training.distributed import share, spread_fabric
from euinet.training.loop import train, validation_accuracy
from euinet.training.run import TrainingRun
from euinet.training.synced_norm import sync_norms
from tiny import TINY, quadrants

CASES: dict[str, dict[str, str]] = {
    # the fakes shape the trunk, and every pass is shared
    "only fakes": {"data.augmentation": "1", "data.stitched": "0.25", "gan.generator": "convolutional"},
    # as in the preset `default`
    "outliers": {
        "data.augmentation": "1",
        "model.disc_input": "evidence",
        "model.embedding": "6",
        "training.disc_shapes_trunk": "false",
        "training.poses": "8",
        "training.schedule": "one_cycle",
        "training.average_decay": "0.9",
        "disc.reals": "4",
        "disc.outliers": "5",
        "disc.outlier_share": "0.5",
        "disc.mixtures": "3",
        "disc.mixture_share": "0.25",
    },
    # shares of 5 and 4 reals, 4 and 3 fakes, 3 and 2 posed
    "uneven": {
        "training.batch_size": "9",
        "training.poses": "5",
        "training.disc_shapes_trunk": "false",
        "gan.batch_size": "7",
    },
}
STOPPED_AT = 7  # step of 16, where one process is told to stop


def preset_of(case: str) -> Preset:
    """Eight epochs of two steps, at a rate that makes each step tell."""
    common = {"training.epochs": "8", "training.optimizer.learning_rate": "0.003"}
    return get_preset("report", TINY | common | CASES[case])


def small_split(seed: int = 7) -> Split:
    """Three known classes of 8 × 8 images: 18 to train on, 9 to validate with, 3 to calibrate with."""
    generator = torch.Generator().manual_seed(seed)
    parts = quadrants(10, generator), quadrants(6, generator)
    dataset = Dataset("quadrants", ("nw", "ne", "sw", "se"), *parts)
    return hold_out_classes(dataset, [0], validation_fraction=0.3, calibration_fraction=0.1)


def trained(folder: Path, fabric: Fabric, case: str) -> dict[str, Any]:
    """Train a case, or go on with it; return one row a step, and the networks' tensors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "LOG_EVERY", 1)
        done = train(small_split(), preset_of(case), 0, folder, fabric, quiet=True)
    networks = (done.model, done.generator, done.gan_discriminator)
    return {"rows": list(done.history), "weights": [network.state_dict() for network in networks]}


def stopped(folder: Path, fabric: Fabric, *, by: int) -> int:
    """Train the case "outliers" until process `by` gets a Ctrl-C; return the steps done here."""
    original, done = loop.train_step, 0

    def step(run: TrainingRun, chosen: Tensor) -> dict[str, Tensor]:
        nonlocal done
        done += 1
        if done == STOPPED_AT and fabric.global_rank == by:
            signal.raise_signal(signal.SIGINT)
        return original(run, chosen)

    loop.train_step = step  # type: ignore[assignment]
    try:
        trained(folder, fabric, "outliers")
    except KeyboardInterrupt:
        return done
    finally:
        loop.train_step = original
    raise AssertionError("not stopped")


NORM_ROWS = 7  # an odd number: shares of 4 and 3


def norm_input(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows whose mean is large beside their deviation, and a gradient for what is made of them."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(NORM_ROWS, *shape, generator=generator) * torch.arange(1, shape[0] + 1).view(
        -1, *[1] * (len(shape) - 1)
    )
    return x + 20, torch.randn(NORM_ROWS, *shape, generator=generator)


def norm_network(shape: tuple[int, ...]) -> nn.Sequential:
    norm = nn.BatchNorm1d(3) if len(shape) == 1 else nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    return nn.Sequential(norm)


def normed(fabric: Fabric, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """This process's share of SyncedBatchNorm's results; the gradients of weight and bias are its own."""
    network = norm_network(shape)
    sync_norms(network)
    x, gradient = (share(fabric, rows) for rows in norm_input(shape))
    x.requires_grad_()
    y = network(x)
    y.backward(gradient)
    norm = network[0]
    with torch.no_grad():
        apart = network.eval()(x)  # no other process is asked here, so one alone may do it
    return {
        "y": y.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad,
        "mean": norm.running_mean, "variance": norm.running_var, "eval": apart,
    }  # fmt: skip


class Watched(LabelledImages):
    """Images that remember which of them were asked for."""

    def where(self, mask: IntArray) -> LabelledImages:
        seen.extend(mask.tolist())
        return super().where(mask)


seen: list[int] = []


def everything(out: Path, fabric: Fabric) -> None:
    found: dict[str, Any] = {case: trained(out / case, fabric, case) for case in CASES}
    players.sync_norms = lambda network: None  # type: ignore[attr-defined]  # the planted fault
    found["unsynced"] = trained(out / "unsynced", fabric, "only fakes")
    players.sync_norms = sync_norms  # type: ignore[attr-defined]

    found["steps"] = stopped(out / "stopped by two", fabric, by=1)
    found["resumed"] = trained(out / "stopped by one", fabric, "outliers")
    found["norms"] = [normed(fabric, shape) for shape in ((3,), (3, 2, 5))]
    run = TrainingRun(small_split(), preset_of("uneven"), 0, out, fabric)
    run.validation = Watched(run.validation.images, run.validation.labels)
    found["accuracy"], found["seen"] = validation_accuracy(run), seen
    torch.save(found, out / f"found{fabric.global_rank}.pt")


def main() -> None:
    what, out = sys.argv[1], Path(sys.argv[2])
    with one_voice(), spread_fabric("cpu", "32-true") as fabric:
        if what == "everything":
            everything(out, fabric)
        else:  # the second process has other images
            train(small_split(7 + fabric.global_rank), preset_of("uneven"), 0, out, fabric, quiet=True)


if __name__ == "__main__":
    main()
