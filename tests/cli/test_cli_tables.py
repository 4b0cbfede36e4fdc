"""Tables of embeddings on the command line: every command that takes images takes them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import euinet
from commands import Ended
from euinet.export.save import save_model
from vectors import NAMES, WIDTH, vector_dataset, vector_trained

SMALL = [
    *("--set", "training.epochs=1", "--set", "training.min_steps=20", "--set", "model.memory_per_class=10"),
    *("--set", "model.disc_hidden=8", "--device", "cpu"),
]
FRESH = vector_dataset(each=40, seed=5).train  # unlike vector_trained's own; socks are unknown to it
TEXTS = np.array(NAMES)[FRESH.labels]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clouds") / "model"
    save_model(vector_trained(), place)
    return place


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fresh rows as files, in the folder where the program runs."""
    np.save(tmp_path / "X.npy", FRESH.images)
    (tmp_path / "y.csv").write_text("\n".join(["label", *TEXTS]))
    np.savez(tmp_path / "t.npz", features=FRESH.images, labels=TEXTS)
    names = [f"photo {row}" for row in range(len(TEXTS))]
    pq.write_table(
        pa.table({"features": list(FRESH.images), "label": TEXTS, "id": names}), tmp_path / "t.parquet"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_trained_on_features_and_labels_and_the_same_again(
    run: Callable[..., Ended], tables: Path
) -> None:
    source = ("--features", "X.npy", "--labels", "y.csv")
    ended = run("train", *source, "--hold-out", "sock", "--out", "run", "--json", *SMALL)
    assert ended.code == 0, ended.err
    metrics = json.loads(ended.out)
    assert metrics["preset"] == "embeddings"
    assert metrics["command"].startswith("euinet train --data X.npy --labels y.csv --hold-out sock --preset")
    model = euinet.load(tables / "run" / "model")
    assert (model.class_names, model.card.width) == (("coat", "hat", "shoe"), WIDTH)
    again = run("evaluate", "run/model", *source, "--json")
    assert again.code == 0, again.err
    # the test part, found again by what the model has seen
    for measure in ("id_accuracy", "known_rejected", "near"):
        assert json.loads(again.out)[measure] == metrics[measure]
    calibrated = run("calibrate", "run/model", "--alpha", "0.2", *source, "--json")
    assert calibrated.code == 0, calibrated.err
    assert json.loads(calibrated.out)["source"] == "the calibration part of X.npy"


def rows_of(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["predictions"]


def test_rows_are_predicted_under_their_names(
    run: Callable[..., Ended], tables: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = vector_trained().answer(FRESH.images)
    content = (tables / "X.npy").read_bytes()
    for source, name in (
        ("t.parquet", "photo 3"),
        ("t.npz", "t.npz[3]"),
        ("X.npy", "X.npy[3]"),
        ("-", "-[3]"),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        rows = rows_of(run("predict", folder, source, "--json"))
        assert rows[3]["path"] == name
        assert [row["label"] for row in rows] == wanted.names
        assert [row["ood_score"] for row in rows] == pytest.approx(wanted.ood_score.tolist(), abs=1e-4)


def test_a_broken_row_has_an_error_and_the_rest_an_answer(
    run: Callable[..., Ended], tables: Path, folder: Path
) -> None:
    rows = FRESH.images.copy()
    rows[2, 1] = np.nan
    np.save("broken.npy", rows)
    found = rows_of(run("predict", folder, "broken.npy", "--json"))
    assert [at for at, row in enumerate(found) if "error" in row] == [2]
    assert (
        found[2]["error"] == "broken.npy[2] has NaN or infinite numbers: correct them, or take the row out."
    )
    ended = run("predict", folder, "broken.npy", "--out", "rows.parquet")
    assert ended.code == 0, ended.err
    assert pq.read_table("rows.parquet").num_rows == len(rows)


def test_calibrate_evaluate_export_and_card_take_tables(
    run: Callable[..., Ended], tables: Path, folder: Path
) -> None:
    known = int((FRESH.labels < 3).sum())
    for source in (("--data", "t.parquet"), ("--features", "X.npy", "--labels", "y.csv")):
        ended = run("calibrate", folder, "--alpha", "0.1", *source, "--out", "new", "--json")
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)["calibration_images"] == known
    np.save("known.npy", FRESH.images[FRESH.labels < 3])  # without labels: all are known
    ended = run("calibrate", folder, "--alpha", "0.1", "--features", "known.npy", "--out", "new", "--json")
    assert json.loads(ended.out)["calibration_images"] == known, ended.err
    ended = run("evaluate", folder, "--data", "t.npz", "--ood", "known.npy", "--json")
    assert ended.code == 2  # copies of the known test rows alone
    assert "Nothing is left of the far set known.npy" in ended.err
    ended = run("evaluate", folder, "--data", "t.npz", "--json")
    assert ended.code == 0, ended.err
    answers = vector_trained().answer(FRESH.images)
    right = (answers.labels == FRESH.labels)[FRESH.labels < 3]
    assert json.loads(ended.out)["id_accuracy"] == pytest.approx(right.mean())
    assert run("export", folder, "--onnx", "clouds.onnx").code == 0
    assert [
        row["label"] for row in rows_of(run("predict", "clouds.onnx", "t.npz", "--json"))
    ] == answers.names
    assert run("card", folder, "--features", "X.npy", "--labels", "y.csv").code == 0
    assert "<title>Stress card" in Path("card.html").read_text(encoding="utf-8")


DATA = ("X.npy has no labels", "y.csv has the columns")  # faults of the data, and not of the command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train"], "Give --data DATA, or --features TABLE for embeddings: one of them is needed."),
        (["train", "--data", "t.npz", "--features", "X.npy"], "for embeddings, and not both."),
        (
            ["train", "--features", "X.npy"],
            "X.npy has no labels: give it a column label, or a file of one label",
        ),
        (["train", "--features", "none.npy", "--labels", "y.csv"], "none.npy"),
        (
            ["train", "--data", "digits", "--labels", "y.csv"],
            "--labels is for a table of embeddings (.parquet,",
        ),
        (["train", "--data", "t.npz", "--image-size", "32"], "--image-size is 32, but embeddings have none"),
        (["train", "--data", "t.npz", "--hold-out", "scarf"], "scarf"),
        (
            ["train", "--data", "t.npz", "--report"],
            "The report's figures show images, and here are embeddings",
        ),
        (["train", "--data", "t.npz", "--preset", "default"], "embeddings"),
        (
            ["evaluate", "MODEL"],
            "Give --data DATA, or --features TABLE for embeddings: one of them is needed.",
        ),
        (["evaluate", "MODEL", "--data", "narrow.npz"], "have 4 numbers, but the model reads 6: give emb"),
        (["evaluate", "MODEL", "--data", "digits"], "digits"),
        (
            ["evaluate", "MODEL", "--data", "t.npz", "--ood", "letters"],
            "The far set letters is no table of embe",
        ),
        (
            ["calibrate", "MODEL", "--alpha", "0.1", "--labels", "y.csv"],
            "--labels are of a table's rows: give",
        ),
        (
            ["calibrate", "MODEL", "--alpha", "0.1", "--data", "narrow.npz"],
            "have 4 numbers, but the model reads 6: give emb",
        ),
        (["predict", "MODEL", "narrow.npz"], "have 4 numbers, but the model reads 6: give embeddings of the"),
        (["predict", "MODEL", "y.csv"], "y.csv has the columns 'label' (text or number), but no embeddings"),
        (
            ["predict", "MODEL", "cat.png"],
            "reads embeddings, rows of 6 numbers, and no images: cat.png is no",
        ),
        (["card", "MODEL"], "Give --data DATA, or --features TABLE for embeddings: one of them is needed."),
        (["serve", "MODEL", "--inbox", "inbox"], "The inbox keeps images, and this model reads embeddings"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    arguments: list[str], sentence: str, run: Callable[..., Ended], tables: Path, folder: Path
) -> None:
    np.savez("narrow.npz", features=FRESH.images[:, :4], labels=TEXTS)
    ended = run(*(str(folder) if word == "MODEL" else word for word in arguments))
    assert ended.code == (1 if sentence.startswith(DATA) else 2), ended.err
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert not Path("runs").exists() or not list(Path("runs").rglob("decision.onnx"))
