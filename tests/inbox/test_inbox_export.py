"""From labels to an ImageFolder, beside other images or on its own; and the commands."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from inbox_cases import SUBJECT, fill, quadrant

from commands import Ended
from euinet.data.sets.folders import load_folder
from euinet.errors import StorageError, UsageError
from euinet.inbox import Inbox
from euinet.inbox.database import DATABASE, IMAGES, reading
from euinet.inbox.export import WRITTEN, Exported, export_folder
from euinet.inbox.pictures import from_png, image_key


def keys(which: int, *seeds: int) -> list[str]:
    return [image_key(quadrant(which, seed)) for seed in seeds]


def exported(inbox: Inbox, out: Path) -> Exported:
    with reading(inbox.folder) as db:
        return export_folder(db, inbox.folder, out)


def found(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*.png")}


def test_each_label_is_a_folder_of_its_images(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 3, 2, 1)
    inbox.label(keys(0, 0, 1, 2), "north-west")
    inbox.label(keys(1, 0, 1), "Größe 7")
    inbox.mark_nuisance(keys(2, 0))
    out = tmp_path / "out"
    result = exported(inbox, out)
    assert result.classes == {"Größe 7": 2, "north-west": 3}
    assert found(out) == {
        *(f"north-west/{key}.png" for key in keys(0, 0, 1, 2)),
        *(f"Größe 7/{key}.png" for key in keys(1, 0, 1)),
    }
    np.testing.assert_array_equal(
        from_png((out / "north-west" / f"{keys(0, 1)[0]}.png").read_bytes()), quadrant(0, 1)
    )


def test_a_key_that_leads_elsewhere_is_refused(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 1)
    inbox.label(keys(0, 0), "zero")
    with sqlite3.connect(inbox.folder / DATABASE) as db:
        db.execute("UPDATE items SET key = '../../elsewhere'")
    db.close()
    with pytest.raises(StorageError, match="no valid key"):
        exported(inbox, tmp_path / "out")
    assert not found(tmp_path / "out")


def test_again_after_labels_changed_moves_what_it_wrote_and_touches_nothing_else(
    inbox: Inbox, tmp_path: Path
) -> None:
    fill(inbox, 3)
    out = tmp_path / "data"
    (out / "zero").mkdir(parents=True)
    theirs = out / "zero" / f"{'a' * 20}.png"  # looks like one of the inbox's, but is not
    theirs.write_bytes(b"theirs")
    a, b, c = keys(0, 0, 1, 2)
    inbox.label([a, b, c], "zero")
    exported(inbox, out)
    inbox.label([b], "one")
    inbox.mark_nuisance([c])
    result = exported(inbox, out)
    assert result.removed == 2
    assert found(out) == {f"zero/{a}.png", f"one/{b}.png", f"zero/{theirs.name}"}
    inbox.label([a, b], "two")
    exported(inbox, out)
    assert found(out) == {f"two/{a}.png", f"two/{b}.png", f"zero/{theirs.name}"}
    assert not (out / "one").exists()  # empty, and `euinet train` wants no empty class
    assert theirs.read_bytes() == b"theirs"


def test_a_list_of_written_files_that_lies_removes_nothing_outside(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 1)
    inbox.label(keys(0, 0), "zero")
    out = tmp_path / "out"
    out.mkdir()
    outside = tmp_path / f"{'b' * 20}.png"
    outside.write_bytes(b"outside")
    lies = [f"../{outside.name}", "..", "", 7, f"../x/../{outside.name}", "zero/../../x.png"]
    (out / WRITTEN).write_text(json.dumps(lies))
    assert exported(inbox, out).removed == 0
    assert outside.exists()


def test_a_data_set_with_parts_gets_them_in_its_training_part(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 1)
    inbox.label(keys(0, 0), "zero")
    for part in ("train", "test"):
        (tmp_path / "data" / part / "one").mkdir(parents=True)
    exported(inbox, tmp_path / "data")
    assert found(tmp_path / "data") == {f"train/zero/{keys(0, 0)[0]}.png"}


def test_a_class_that_differs_in_case_alone_is_refused(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 1)
    inbox.label(keys(0, 0), "zero")
    (tmp_path / "data" / "Zero").mkdir(parents=True)
    with pytest.raises(UsageError, match="has a class 'Zero', and the inbox one 'zero'"):
        exported(inbox, tmp_path / "data")


def test_lost_images_are_counted_and_labels_from_elsewhere_are_checked(inbox: Inbox, tmp_path: Path) -> None:
    import sqlite3

    fill(inbox, 2)
    inbox.label(keys(0, 0, 1), "zero")
    (inbox.folder / IMAGES / f"{keys(0, 0)[0]}.png").unlink()
    result = exported(inbox, tmp_path / "out")
    assert (result.images, result.lost) == (1, 1)
    with sqlite3.connect(inbox.folder / "inbox.sqlite3") as db:
        db.execute("UPDATE items SET label = '../../../evil'")
    with pytest.raises(UsageError, match="cannot be a class's name"):
        exported(inbox, tmp_path / "out")
    with pytest.raises(UsageError, match="cannot be a class's name"):
        inbox.export_zip(io.BytesIO())
    assert not list(tmp_path.rglob("*evil*"))


def test_the_zip_holds_the_same_and_is_the_same_again(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 2, 2)
    inbox.label(keys(0, 0, 1), "zero")
    inbox.label(keys(1, 0), "数")
    first, second = io.BytesIO(), io.BytesIO()
    assert inbox.export_zip(first).classes == {"zero": 2, "数": 1}
    inbox.export_zip(second)
    assert first.getvalue() == second.getvalue()
    zipfile.ZipFile(first).extractall(tmp_path / "zip")
    exported(inbox, tmp_path / "folder")
    assert found(tmp_path / "zip") == found(tmp_path / "folder")


def test_nothing_labelled_is_said(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 1)
    for export in (lambda: inbox.export_zip(io.BytesIO()), lambda: exported(inbox, tmp_path / "out")):
        with pytest.raises(UsageError, match="No image of the inbox is labelled"):
            export()


def test_what_is_exported_can_be_read_as_a_data_set(inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 5, 5)
    inbox.label(keys(0, *range(5)), "north-west")
    inbox.label(keys(1, *range(5)), "north-east")
    exported(inbox, tmp_path / "out")
    dataset = load_folder(tmp_path / "out", 16)
    assert dataset.class_names == ("north-east", "north-west")
    assert len(dataset.train) + len(dataset.test) == 10


def test_the_commands(run: Callable[..., Ended], inbox: Inbox, tmp_path: Path) -> None:
    fill(inbox, 3, 2)
    inbox.label(keys(0, 0, 1), "zero")
    folder, out = inbox.folder, tmp_path / "out"
    listed = json.loads(run("inbox", "list", folder, "--json", "--limit", 2).out)
    assert (len(listed["items"]), listed["total"]) == (2, 5)
    assert json.loads(run("inbox", "list", folder, "--json", "--status", "labelled").out)["total"] == 2
    assert "1-1.png" in run("inbox", "list", folder).out
    assert json.loads(run("inbox", "summary", folder, "--json").out)["labels"] == {"zero": 2}
    assert run("inbox", "summary", folder).out.startswith("5 images (")
    drift = json.loads(run("inbox", "drift", folder, "--json").out)
    assert sum(hour["images"] for hour in drift["hours"]) == 5
    assert "a false alarm" in run("inbox", "drift", folder).out
    ended = run("inbox", "export", folder, "--out", out, "--json")
    assert json.loads(ended.out) == {
        **{"out": str(out), "images": 2, "classes": {"zero": 2}, "lost": 0, "removed": 0},
    }
    assert run("inbox", "export", folder, "--out", out).out.startswith(f"Wrote 2 images to {out}: zero (2).")
    limits = json.loads(run("inbox", "limits", folder, "--days", 7, "--images", 3, "--json").out)
    assert (limits["days"], limits["images"], limits["labelled_days"]) == (7, 3, 365)
    assert run("inbox", "limits", folder).out.startswith(
        "Keeps at most 3 images and 200 MB; an image for 7 days"
    )
    again = Inbox.open(folder, SUBJECT)
    again.flush()
    assert again.items()[1] == 3
    again.close()
    ended = run("inbox", "limits", folder, "--days", 0)
    assert (ended.code, "limit days is 0" in ended.err) == (2, True)
    ended = run("inbox", "list", tmp_path / "nowhere")
    assert (ended.code, ended.out) == (2, "")
    assert "There is no inbox in" in ended.err
