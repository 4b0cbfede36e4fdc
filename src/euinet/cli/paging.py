"""The command that writes a page: page."""

from pathlib import Path
from typing import Annotated

import typer

from euinet.cli.options import DataRootOption, JsonOption, ModelArgument, notify, print_result
from euinet.cli.program import app


@app.command()
def page(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Folder for the page.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="The training data, for the nearest training images. [default: what the model's card names]"
        ),
    ] = None,
    neighbours: Annotated[
        int,
        typer.Option(
            min=0,
            max=20_000,
            help="Training images that go with the page, if the data are at hand; 0: none does.",
        ),
    ] = 2000,
    force: Annotated[
        bool, typer.Option("--force", help="Put the page into a folder that holds other things, too.")
    ] = False,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a page that runs the model in any browser, without a server of ours and offline.

    Draw something and see the answer and why. Any web server can give the folder out:
    python -m http.server --directory DIR
    """
    from euinet.judging.record_store import record_path
    from euinet.model.opening import find_model, load
    from euinet.page.write import write_page

    path = find_model(model)
    own = path.stem if path.is_file() else path.name
    result = write_page(
        load(model),
        path.resolve().parent.name if path.name == "model" else own,
        out,
        record_file=record_path(path),
        data=data,
        data_root=data_root,
        most_neighbours=neighbours,
        force=force,
        notify=notify,
    )
    print_result(
        result,
        json_,
        lambda found: (
            f"Wrote {found['out']} ({found['bytes'] / 1e6:.1f} MB). "
            f"Look at it: python -m http.server --directory {found['out']}"
        ),
    )
