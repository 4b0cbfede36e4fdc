"""The command line: one function a command; its docstring is its help.

Nothing heavy is imported before a command runs, so that `euinet --help` is instant.
"""

from euinet.cli import bringing, inboxing, judging, paging, serving, training, tuning, using
from euinet.cli.program import app

__all__ = ["app", "bringing", "inboxing", "judging", "paging", "serving", "training", "tuning", "using"]
