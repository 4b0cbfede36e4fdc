"""The command as it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from searching import arguments

from commands import Ended


def test_words_or_one_json_document_to_stdout(
    run: Callable[..., Ended], images: Path, tmp_path: Path
) -> None:
    options = [*arguments(images, tmp_path / "out"), "--trials", 2, "--splits", 1]
    ended = run(*options)
    assert ended.code == 0, ended.err
    assert "closed set  learning_rate  disc_scale  disc_hidden" in ended.out
    assert "the preset's own" in ended.out
    assert "2/2 trials done. Trial 1: auroc" in ended.err

    again = run(*options, "--json")
    assert again.code == 0
    found = json.loads(again.out)
    kept = json.loads((tmp_path / "out/best.json").read_text())
    assert {key: value for key, value in found.items() if key != "all"} == kept
    assert [one["trial"] for one in found["all"]] == [0, 1]
    assert found["command"].startswith(f"euinet train --data {images} --hold-out a --preset report --set ")
    assert "2 trials are done already" in again.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--search", "scoring.disc_scal=0..1"), "Did you mean 'scoring.disc_scale'?"),
        (("--search", "model.disc_hidden=4..8"), "'model.disc_hidden' twice"),
        (("--preset", "reprot"), "There is no preset 'reprot'"),
        (("--hold-out", "z"), "There is no class 'z' to hold out"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(
    run: Callable[..., Ended], images: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    ended = run(*arguments(images, tmp_path / "out"), *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
