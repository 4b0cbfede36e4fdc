"""Commands that serve: serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from euinet.cli.options import (
    AnswerDeviceOption,
    DataRootOption,
    Device,
    JsonOption,
    ModelArgument,
    notify,
    print_result,
)
from euinet.cli.program import app

DEFAULT_MODEL = "mnist-without-0"
TOKEN_VARIABLE = "EUINET_TOKEN"
FEWEST_CHARACTERS = 16  # of a token


@app.command()
def serve(
    model: ModelArgument = DEFAULT_MODEL,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all that reach this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    inbox: Annotated[
        Path | None, typer.Option(help="Keep rejected images in this folder. [default: none is kept]")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"File with the token that clients must send. [default: {TOKEN_VARIABLE}, or none]"
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name by which a proxy or browser reaches this server, besides its own; no other is "
            "answered then. May be repeated."
        ),
    ] = None,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Images that wait at most; more are refused with 503.")
    ] = 1024,
    max_upload_mb: Annotated[
        int,
        typer.Option(
            min=1,
            max=1024,
            help="Of one request, in megabytes; of a file 16, or all where this is above 32; of JSON 4.",
        ),
    ] = 32,
    time_limit: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds in which a request is answered or refused, once all of it is there."
        ),
    ] = 30.0,
    device: AnswerDeviceOption = Device.auto,
    data_root: DataRootOption = None,
    json_: JsonOption = False,
) -> None:
    """Serve a model: the page for people, and an HTTP API for programs (POST /v1/predict).

    Ctrl-C or SIGTERM ends it when all that it took is answered. With --json it prints its address once
    requests are answered.
    """

    from euinet.serve.http.limits import MEGABYTE, Limits
    from euinet.serve.run import ServerSettings, serve

    upload = max_upload_mb * MEGABYTE
    limits = Limits(
        queue_images=max_queue,
        body_bytes=upload,
        file_bytes=min(upload, Limits.file_bytes) if upload <= Limits.body_bytes else upload,
        bodies_bytes=max(Limits.bodies_bytes, 2 * upload),
        answer_seconds=time_limit,
    )
    asked = ServerSettings(
        model=model,
        host=host,
        port=port,
        token=read_token(token_file),
        allow_hosts=tuple(allow_host or ()),
        inbox=inbox,
        device=device.value,
        data_root=data_root,
        limits=limits,
    )

    def ready(address: str) -> None:
        if json_:
            print_result({"model": model, "address": address, "token": asked.token is not None}, True, str)
        notify(f"Serving {model} at {address} (the API: {address}/docs); Ctrl-C ends it.")

    serve(asked, ready, notify)
    notify("Stopped: all that was taken is answered.")


def read_token(file: Path | None) -> str | None:
    """Return the token in `file`, else that of the environment, None where there is neither.

    Raises UsageError for a file that cannot be read and for what is no token.
    """
    from euinet.errors import UsageError
    from euinet.system.files import expanded

    if file is None:
        token, where = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
        if token is None:
            return None
    else:
        where = str(file)
        try:
            token = expanded(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise UsageError(
                f"The token file {file} cannot be read ({reason}): write a long random text into a file that "
                "you alone can read, and name that."
            ) from error
    printable = token.isascii() and token.isprintable() and " " not in token
    if len(token) < FEWEST_CHARACTERS or not printable:
        raise UsageError(
            f"The token in {where} is too short or has spaces: it takes at least {FEWEST_CHARACTERS} "
            "printable ASCII characters, such as python -c 'import secrets; print(secrets.token_urlsafe())' "
            "prints."
        )
    return token
