"""Two processes train as one does. torchrun starts them; what they do is in spread_cases.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from euinet.errors import TrainingError, UsageError
from euinet.networks.euinet import EuiNet
from euinet.system.interrupts import Terminated
from euinet.system.processes import one_voice
from euinet.training import distributed
from euinet.training.distributed import check_shares, share, weigh
from euinet.training.run import TrainingRun
from euinet.training.synced_norm import sync_norms, unsync_norms

sys.path.insert(0, str(Path(__file__).parent))

import spread_cases as cases

SLOW = 100  # seconds until two processes that hang are ended
SMALL = [
    *("--set", "training.epochs=2", "--set", "training.min_steps=1", "--set", "training.batch_size=64"),
    *("--set", "model.trunk_widths=[4, 8]", "--set", "gan.generator=dense", "--set", "training.poses=9"),
    *("--device", "cpu", "--precision", "32-true"),
]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def by_two(*arguments: object) -> Ended:
    """Have torchrun start two processes; if they hang, it ends them, and the test fails."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error", "COLUMNS": "200"},
    )
    try:
        output, errors = process.communicate(timeout=SLOW)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun then ends its processes, and kills them after 30 seconds
        process.communicate(timeout=40)
        raise
    return Ended(process.returncode, output, errors)


class Found(NamedTuple):
    one: dict[str, Any]  # of one process, by case
    two: tuple[dict[str, Any], dict[str, Any]]  # of each of two processes
    folder: Path  # where the two wrote


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As many as each of the two processes has.

    A bias before BatchNorm has no gradient but rounding, of which Adam makes whole steps; and rounding
    differs with the number of threads.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, fabric: Fabric, one_thread: None) -> Found:
    folder = tmp_path_factory.mktemp("spread")
    cases.stopped(folder / "stopped by one", fabric, by=0)
    one = {case: cases.trained(folder / "one" / case, fabric, case) for case in cases.CASES}
    ended = by_two(cases.__file__, "everything", folder)
    assert ended.code == 0, ended.err
    two = [torch.load(folder / f"found{rank}.pt", weights_only=True) for rank in range(2)]
    return Found(one, (two[0], two[1]), folder)


def assert_same_training(mine: dict[str, Any], other: dict[str, Any]) -> None:
    """Every loss of every step, and every tensor, BatchNorm's statistics among them."""
    assert len(mine["rows"]) == len(other["rows"]) == 16
    for row, expected in zip(mine["rows"], other["rows"], strict=True):
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for network, expected in zip(mine["weights"], other["weights"], strict=True):
        assert network.keys() == expected.keys()
        for name, tensor in network.items():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=2e-5, msg=name)


# --- the same training ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases.CASES)
def test_two_processes_train_as_one(found: Found, case: str) -> None:
    assert_same_training(found.two[0][case], found.one[case])
    rows = found.one[case]["rows"]
    assert rows[-1]["class_loss"] < 0.7 * rows[0]["class_loss"]  # what was learned could differ


@pytest.mark.parametrize("case", cases.CASES)
def test_the_processes_end_with_the_very_same_networks(found: Found, case: str) -> None:
    for mine, other in zip(*(two[case]["weights"] for two in found.two), strict=True):
        assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_without_synced_statistics_it_would_be_another_training(found: Found) -> None:
    """The planted fault: what test_two_processes_train_as_one guards against is seen by it."""
    with pytest.raises(AssertionError):
        assert_same_training(found.two[0]["unsynced"], found.one["only fakes"])
    apart = [
        abs(row["class_loss"] - expected["class_loss"])
        for row, expected in zip(
            found.two[0]["unsynced"]["rows"], found.one["only fakes"]["rows"], strict=True
        )
    ]
    assert max(apart) > 0.01


def test_each_validation_image_is_looked_at_once(found: Found, fabric: Fabric, tmp_path: Path) -> None:
    split = cases.small_split()
    shares = [two["seen"] for two in found.two]
    assert [len(positions) for positions in shares] == [5, 4]
    assert sorted(shares[0] + shares[1]) == list(range(9))
    run = TrainingRun(split, cases.preset_of("uneven"), 0, tmp_path, fabric)
    expected = cases.validation_accuracy(run)
    assert [two["accuracy"] for two in found.two] == [expected, expected]
    assert 0 < expected < 1


# --- checkpoints ------------------------------------------------------------------------------------


def test_all_stop_at_the_step_at_which_one_is_told_to(found: Found) -> None:
    assert [two["steps"] for two in found.two] == [cases.STOPPED_AT] * 2


def test_what_two_processes_began_one_goes_on_with(found: Found, fabric: Fabric) -> None:
    resumed = cases.trained(found.folder / "stopped by two", fabric, "outliers")
    assert_same_training(resumed, found.one["outliers"])


def test_what_one_process_began_two_go_on_with(found: Found) -> None:
    assert_same_training(found.two[0]["resumed"], found.one["outliers"])


# --- BatchNorm ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "shape"), [(0, (3,)), (1, (3, 2, 5))])
def test_a_synced_norm_is_batchnorm_of_the_joined_batch(
    found: Found, number: int, shape: tuple[int, ...]
) -> None:
    network, (x, gradient) = cases.norm_network(shape), cases.norm_input(shape)
    x.requires_grad_()
    y = network(x)
    y.backward(gradient)
    norm, (first, second) = network[0], (two["norms"][number] for two in found.two)
    assert [len(first["y"]), len(second["y"])] == [4, 3]

    def close(mine: Tensor, expected: Tensor | None) -> None:
        assert expected is not None
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)

    close(torch.cat([first["y"], second["y"]]), y.detach())
    close(torch.cat([first["x"], second["x"]]), x.grad)
    close(first["weight"] + second["weight"], norm.weight.grad)
    close(first["bias"] + second["bias"], norm.bias.grad)
    for mine in (first, second):
        close(mine["mean"], norm.running_mean)
        close(mine["variance"], norm.running_var)
    with torch.no_grad():
        close(torch.cat([first["eval"], second["eval"]]), network.eval()(x))


def test_syncing_changes_no_tensor_and_can_be_undone(make_preset: Any) -> None:
    model = EuiNet(make_preset({"model.embedding": 6}).model, (1, 8, 8), 3)
    tensors = model.state_dict(keep_vars=True)
    kinds = [type(module) for module in model.modules()]
    sync_norms(model)
    synced = model.state_dict(keep_vars=True)
    assert not {nn.BatchNorm1d, nn.BatchNorm2d} & {type(module) for module in model.modules()}
    assert synced.keys() == tensors.keys()
    assert all(synced[name] is tensors[name] for name in tensors)
    unsync_norms(model)
    assert [type(module) for module in model.modules()] == kinds
    assert all(part is tensors[name] for name, part in model.state_dict(keep_vars=True).items())


# --- the command ----------------------------------------------------------------------------------


def test_train_under_torchrun_speaks_and_writes_once(tmp_path: Path) -> None:
    ended = by_two(
        *("-m", "euinet", "train", "--data", "digits", "--hold-out", "0", "--out", tmp_path, "--json"), *SMALL
    )
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == json.loads((tmp_path / "metrics.json").read_text())
    assert ended.err.count("images to train on") == 1
    assert ended.err.count("epoch 2/2: validation accuracy") == 1
    assert ended.err.count("Wrote metrics.json and the model") == 1
    rows = [json.loads(line) for line in (tmp_path / "training" / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]


@pytest.fixture
def as_two(monkeypatch: pytest.MonkeyPatch) -> TCPStore:
    """Let this process be the second of two on one machine, and hold the store that torchrun holds."""
    store: TCPStore = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    places = {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": store.port}
    for name, value in (places | {"TORCHELASTIC_RUN_ID": "a", "MASTER_ADDR": "127.0.0.1"}).items():
        monkeypatch.setenv(name, str(value))
    return store


def test_an_error_of_all_is_told_once(as_two: TCPStore) -> None:
    def fail(error: BaseException) -> None:
        with one_voice():
            raise error

    with pytest.raises(UsageError, match="the first"):
        fail(UsageError("the first"))
    for error, code in (
        (UsageError("another"), 2),
        (TrainingError("another"), 1),
        (RuntimeError("another"), 1),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
    ):
        with pytest.raises(SystemExit) as ended:
            fail(error)
        assert ended.value.code == code


def test_alone_every_error_is_told() -> None:
    for _ in range(2):
        with pytest.raises(UsageError, match="mine"), one_voice():
            raise UsageError("mine")


def test_lost_processes_are_one_sentence(
    as_two: TCPStore, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "make_fabric", lambda *_, spread: fabric)
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    sentence = r"lost one another \(.*Connection closed by peer.*goes on"
    with pytest.raises(TrainingError, match=sentence), distributed.spread_fabric("cpu", "32-true"):
        raise lost
    with pytest.raises(RuntimeError, match="a fault"), distributed.spread_fabric("cpu", "32-true"):
        raise RuntimeError("a fault of our own")


def test_an_error_of_one_ends_the_other_and_is_told(tmp_path: Path) -> None:
    ended = by_two(cases.__file__, "other-data", tmp_path)
    assert ended.code != 0
    said = "Process 1 of this training has another image_content than process 0"
    assert ended.err.count(said) == 1


# --- shares, by hand ------------------------------------------------------------------------------


class Part(NamedTuple):
    """As much of a Fabric as shares need."""

    world_size: int
    global_rank: int


@pytest.mark.parametrize(("rows", "processes"), [(9, 2), (7, 3), (2, 3)])
def test_shares_weighted_average_to_the_mean_of_the_whole(rows: int, processes: int) -> None:
    whole = torch.arange(float(rows)).square()
    parts: list[Any] = [Part(processes, rank) for rank in range(processes)]
    shares = [share(part, whole) for part in parts]
    assert torch.equal(torch.cat(shares), whole)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    weighted = [
        float(weigh(part, own.mean(), own, whole))
        for part, own in zip(parts, shares, strict=True)
        if len(own)
    ]
    assert sum(weighted) / processes == pytest.approx(float(whole.mean()))


def test_a_batch_too_small_to_share_is_refused(make_preset: Any) -> None:
    read_only = {"training.disc_shapes_trunk": False}
    check_shares(make_preset(), 8, 8)
    with pytest.raises(UsageError, match=r"9 processes cannot share a batch of 8, .*batch_size .* at most 8"):
        check_shares(make_preset(), 8, 9)
    with pytest.raises(UsageError, match=r"batch of 3, which is training\.poses"):
        check_shares(make_preset(read_only | {"training.poses": 3}), 8, 4)
    with pytest.raises(UsageError, match=r"batch of 2, which is gan\.batch_size"):
        check_shares(make_preset({"gan.batch_size": 2}), 8, 4)
    alone = {"disc.outliers": 3, "disc.outlier_share": 0.5, "gan.batch_size": 2}
    check_shares(make_preset(read_only | alone), 8, 4)  # there every process has all fakes


def test_one_process_is_asked_nothing(fabric: Fabric) -> None:
    assert distributed.agreed(fabric, 3, True, False) == [True, False]
    assert distributed.total(fabric, 5) == 5
    assert distributed.from_first(fabric, lambda: "made") == "made"
    distributed.leave_others(fabric)
