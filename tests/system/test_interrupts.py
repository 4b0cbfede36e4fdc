"""Ctrl-C and SIGTERM, as the training and as the program take them."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from euinet import __main__ as program
from euinet.system.interrupts import Terminated, sigterm_as_interrupt, stop_between_steps


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_the_first_signal_is_a_flag(number: signal.Signals, error: type[BaseException]) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    with stop_between_steps() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        assert stop.error is error
        # so that a second signal of either kind is what it was before
        assert {one: signal.getsignal(one) for one in before} == before
    assert {one: signal.getsignal(one) for one in before} == before


def test_sigterm_raises_outside_a_training() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_as_interrupt():
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        with stop_between_steps() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert stop.is_set()
            with pytest.raises(Terminated):
                signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_leaves_the_handlers_alone() -> None:
    flags = []

    def body() -> None:
        with stop_between_steps() as stop, sigterm_as_interrupt():
            flags.append(stop.is_set())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert flags == [False]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_program_s_exit_code(monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(
        "euinet.data.sets.datasets.fetch_dataset", lambda *_, **__: signal.raise_signal(number)
    )
    monkeypatch.setattr(sys, "argv", ["euinet", "data", "fetch", "digits"])
    try:
        with pytest.raises(SystemExit) as ended:
            program.run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == code
