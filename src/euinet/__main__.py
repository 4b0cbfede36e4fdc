"""`euinet` and `python -m euinet`: one sentence for each known error, and its exit code."""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    from euinet.cli import app
    from euinet.errors import EuiNetError

    code = 1
    try:
        app()
    except EuiNetError as error:
        sys.stderr.write(f"euinet: {error}\n")
        code = error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("euinet: interrupted.\n")
        code = 130
    except BrokenPipeError:
        # the reader of our output went away, as `| head` does; keep Python from flushing into it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    run()
