"""The program itself; the commands put themselves into it."""

from typing import Annotated

import typer

app = typer.Typer(
    name="euinet",
    help='An image classifier that gives a class or says "none of these".',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich costs a fifth of a second at each start
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
data_app = typer.Typer(help="Get data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """An image classifier that gives a class or says "none of these"."""
    if version:
        from euinet.system.streams import print_text
        from euinet.system.version import VERSION

        print_text(VERSION)
        raise typer.Exit
