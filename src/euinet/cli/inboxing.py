"""Commands about an inbox of rejected images: inbox list, summary, limits, drift, export."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from euinet.cli.options import JsonOption, print_result
from euinet.cli.program import app

inbox_app = typer.Typer(
    help="Rejected images that `euinet serve --inbox FOLDER` kept.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(inbox_app, name="inbox")

FolderArgument = Annotated[Path, typer.Argument(help="The inbox's folder.")]


class Status(StrEnum):
    """What people said of an image."""

    new = "new"
    labelled = "labelled"
    nuisance = "nuisance"


@inbox_app.command("list")
def list_images(
    folder: FolderArgument,
    status: Annotated[Status | None, typer.Option(help="Only images of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    json_: JsonOption = False,
) -> None:
    """List the images of an inbox, the newest first."""
    from euinet.inbox.database import reading
    from euinet.inbox.store import find_items
    from euinet.inbox.words import items_table

    with reading(folder) as db:
        items, total = find_items(db, status=None if status is None else status.value, limit=limit)
    result = {"items": [item.to_plain() for item in items], "total": total}
    print_result(result, json_, lambda _: items_table(items, total))


@inbox_app.command()
def summary(folder: FolderArgument, json_: JsonOption = False) -> None:
    """Say how many images an inbox holds, and which labels they have."""
    from euinet.inbox.database import reading
    from euinet.inbox.inbox import summary_of
    from euinet.inbox.words import summary_text

    with reading(folder) as db:
        result = summary_of(db)
    print_result(result, json_, summary_text)


@inbox_app.command()
def limits(
    folder: FolderArgument,
    images: Annotated[int | None, typer.Option(min=1, help="Most images.")] = None,
    megabytes: Annotated[float | None, typer.Option(help="Most space of image files.")] = None,
    days: Annotated[float | None, typer.Option(help="How long images are kept.")] = None,
    labelled_days: Annotated[float | None, typer.Option(help="How long labelled ones are.")] = None,
    per_second: Annotated[float | None, typer.Option(help="Most new images a second, on average.")] = None,
    json_: JsonOption = False,
) -> None:
    """Say how much an inbox keeps and for how long, or set it; a server takes note at its next start."""
    from contextlib import closing
    from dataclasses import asdict, replace

    from euinet.inbox.database import open_database
    from euinet.inbox.retention import store_limits, stored_limits
    from euinet.inbox.words import limits_text

    asked = {
        **{"images": images, "megabytes": megabytes, "days": days},
        **{"labelled_days": labelled_days, "per_second": per_second},
    }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    with closing(open_database(folder)) as db:
        found = replace(stored_limits(db), **given)
        if given:
            store_limits(db, found)
    print_result(asdict(found), json_, limits_text)


@inbox_app.command()
def drift(folder: FolderArgument, json_: JsonOption = False) -> None:
    """Say whether images have come to look different, and how p-values went by the hour and the day."""
    import time

    from euinet.inbox.database import reading
    from euinet.inbox.drift import report
    from euinet.inbox.words import drift_text

    with reading(folder) as db:
        result = report(db, time.time(), None, True)
    print_result(result, json_, drift_text)


@inbox_app.command()
def export(
    folder: FolderArgument,
    out: Annotated[
        Path, typer.Option(help="Folder with one subfolder a class; may hold other images already.")
    ],
    json_: JsonOption = False,
) -> None:
    """Write the labelled images as `euinet train --data` takes them, to a new folder or one with others."""
    from euinet.inbox.database import reading
    from euinet.inbox.export import export_folder
    from euinet.inbox.words import exported_text

    with reading(folder) as db:
        exported = export_folder(db, folder, out)
    result: dict[str, Any] = {"out": str(out), **exported.to_plain()}
    print_result(result, json_, exported_text)
