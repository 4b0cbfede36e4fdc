"""A whole search in this process: what is searched, what is kept, and what it never sees."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from searching import CLASSES, FIXED, SEARCH, Search, bars, write_images

from euinet.benchmark.cell import split_of
from euinet.data.sets.datasets import load_dataset
from euinet.errors import UsageError
from euinet.presets import get_preset
from euinet.tune import journal
from euinet.tune.picture import write_history
from euinet.tune.plan import blinded, choose_judges


def objectives(trials: Any) -> list[float | None]:
    return [one.objective for one in trials]


def test_a_search_from_start_to_end(search: Search) -> None:
    trials = search.run(trials=5)
    assert [one.number for one in trials] == [0, 1, 2, 3, 4]
    own = get_preset("report", FIXED)
    assert trials[0].settings == {
        "training.optimizer.learning_rate": json.dumps(own.training.optimizer.learning_rate),
        "scoring.disc_scale": json.dumps(own.scoring.disc_scale),
        "model.disc_hidden": "128",  # outside what is searched, and run all the same
    }
    for one in trials[1:]:
        assert 1e-4 <= float(one.settings["training.optimizer.learning_rate"]) <= 1e-2
        assert one.settings["model.disc_hidden"] in ("4", "8")
        assert set(one.cells) == {"without-0_pseudo-1_seed-0", "without-0_pseudo-3_seed-0"}
        assert one.objective == pytest.approx(sum(c["auroc"] for c in one.cells.values()) / 2)

    rows = list(csv.DictReader((search.out / "trials.csv").read_text().splitlines()))
    assert [float(row["objective"]) for row in rows] == objectives(trials)
    best = json.loads((search.out / "best.json").read_text())
    assert best["best"]["objective"] == max(float(row["objective"]) for row in rows)
    assert best["preset"]["objective"] == trials[0].objective
    chosen = dict(part.split("=", 1) for part in best["set_arguments"] if part != "--set")
    assert get_preset("report", chosen) == get_preset("report", FIXED | best["best"]["settings"])
    models = {path.parts[-5] for path in search.out.glob("trials/*/cells/*/model/config.json")}
    assert models == {f"{best['best']['trial']:04}"}
    assert len(list(search.out.glob("trials/*/cells/*/result.json"))) == 10  # the numbers of all stay
    write_history(search.asked(trials=5), trials)
    assert (search.out / "history.png").read_bytes().startswith(b"\x89PNG")

    said = len(search.said)
    assert search.run(trials=5) == trials  # all done: nothing is run
    assert "5 trials are done already" in search.said[said]
    more = search.run(trials=6)
    assert (more[:5], len(more)) == (trials, 6)


def test_the_same_seed_gives_the_same_search_and_another_another(search: Search, tmp_path: Path) -> None:
    first = search.run(trials=3, splits=1)
    again = Search(search.data, tmp_path / "again").run(trials=3, splits=1)
    assert objectives(again) == objectives(first)
    assert [one.settings for one in again] == [one.settings for one in first]
    other = Search(search.data, tmp_path / "other").run(trials=2, splits=1, seed=1)
    assert other[0].settings == first[0].settings
    assert other[1].settings != first[1].settings
    assert set(other[0].cells) == {"without-0_pseudo-1_seed-1"}


def poisoned(folder: Path, source: Path) -> Path:
    """The same images, but others in the test part and of the held-out class."""
    shutil.copytree(source, folder)
    shutil.rmtree(folder / "test")
    write_images(folder / "test", bars(4, 99))
    for at, path in enumerate(sorted((folder / "train" / CLASSES[0]).iterdir())):
        noise = torch.randint(0, 256, (16, 16), generator=torch.Generator().manual_seed(at))
        Image.fromarray(noise.to(torch.uint8).numpy()).save(path)
    return folder


def test_neither_test_images_nor_the_held_out_class_matter(search: Search, tmp_path: Path) -> None:
    first = search.run(trials=2)
    folder = poisoned(tmp_path / "bars", search.data)
    second = Search(folder, tmp_path / "poisoned").run(trials=2)
    assert objectives(second) == objectives(first)


def test_what_no_choice_may_see_is_not_there_and_no_cell_misses_it(search: Search) -> None:
    dataset = load_dataset(str(search.data))
    hidden = blinded(dataset, (0,))
    assert len(hidden.test) == 0
    others = dataset.train.labels != 0
    assert 0 < others.sum() < len(dataset.train)
    assert np.array_equal(hidden.train.images, dataset.train.images[others])
    assert np.array_equal(hidden.train.labels, dataset.train.labels[others])

    asked = search.asked()
    for one in choose_judges(asked, dataset).cells(asked.preset):
        seen, blind = split_of(one, dataset)[0], split_of(one, hidden)[0]
        for part in ("train", "validation", "calibration", "test"):
            assert np.array_equal(getattr(seen, part).images, getattr(blind, part).images)
            assert getattr(blind, part).images.any(axis=(1, 2, 3)).all()


def test_a_folder_is_of_one_search(search: Search) -> None:
    search.run(trials=1)
    for change, named in [
        ({"seed": 1}, "another seed, seeds:"),
        ({"hold_out": "b"}, "another held_out, pseudo_unknowns:"),
        ({"fixed": {"training.epochs": "2"}}, "another preset.training.epochs:"),
        ({"search": SEARCH[:2]}, "another search.model.disc_hidden:"),
        ({"search": (*SEARCH[:2], "model.disc_hidden=4|16")}, "another search.model.disc_hidden.choices:"),
        ({"objective": "oscr"}, "another objective:"),
    ]:
        with pytest.raises(UsageError, match=f"belongs to a search with {named}"):
            search.run(trials=2, **change)
    assert len(search.run(trials=2)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trials": 0}, "--trials is 0, but must be at least 1"),
        ({"jobs": 0}, "--jobs is 0"),
        ({"objective": "accuracy"}, "no objective 'accuracy'; choose one of auroc, oscr, fpr95"),
        ({"splits": 5}, "--splits is 5, but only 4 classes are known"),
        ({"hold_out": "a,b,c"}, "Only 2 classes are known: a pseudo-unknown needs at least 3"),
        ({"hold_out": "a;b"}, "names 2 splits, but a search has one"),
        ({"hold_out": "z"}, "no class 'z' to hold out"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(
    search: Search, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        search.run(**change)
    assert not search.out.exists()


def test_no_class_need_be_held_out(search: Search) -> None:
    asked = search.asked(hold_out="", splits=3)
    judges = choose_judges(asked, load_dataset(str(search.data)))
    assert (judges.held_out, judges.pseudo) == ((), (0, 1, 3))
    trials = search.run(hold_out="", trials=1, splits=1)
    assert set(trials[0].cells) == {"without-_pseudo-0_seed-0"}
    assert any("hold it out here too" in said for said in search.said)


def test_without_optuna_one_sentence_says_what_to_install(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "find_spec", lambda name: None if name == "optuna" else name)
    with pytest.raises(UsageError, match=r"install it with pip install 'euinet\[tune\]'"):
        search.run()
