"""`euinet` and `python -m euinet`: one sentence for each known error, and its exit code."""

import sys


def run() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated."""
    from euinet.system.interrupts import sigterm_as_interrupt
    from euinet.system.streams import harden_streams

    harden_streams()
    with sigterm_as_interrupt():
        code = _exit_code()
    sys.exit(code)


def _exit_code() -> int | str | None:
    from euinet.cli import app
    from euinet.errors import EuiNetError
    from euinet.system.extras import needed_for
    from euinet.system.interrupts import INTERRUPTED, TERMINATED, is_of_sigterm
    from euinet.system.streams import tell
    from euinet.system.words import printable

    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "this command")
    try:
        with needed_for(command):
            app()
    except SystemExit as ended:  # the usual way out: typer makes it of wrong options and of Ctrl-C, too
        return TERMINATED if is_of_sigterm(ended) else ended.code
    except EuiNetError as error:
        tell(printable(f"euinet: {error}"))
        return error.exit_code
    except KeyboardInterrupt as error:
        tell("euinet: interrupted.")
        return TERMINATED if is_of_sigterm(error) else INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        return 1
    return 0


if __name__ == "__main__":
    run()
