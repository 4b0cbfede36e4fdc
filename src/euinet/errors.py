"""Every error that EuiNet raises on purpose.

Each message is one sentence or two that say what was found, what is allowed and what to do.
The command line prints the message alone and exits with `exit_code`.
"""


class EuiNetError(Exception):
    """Base of all errors whose message is meant for the user."""

    exit_code = 1


class UsageError(EuiNetError):
    """A value the caller gave is not allowed (unknown name, out of range, contradiction)."""

    exit_code = 2


class UnknownNameError(UsageError):
    """Nothing has this name: it is misspelt, or the package that adds it is missing or broken."""


class DataError(EuiNetError):
    """A data set cannot be found, fetched or trusted."""


class SplitLeakError(EuiNetError):
    """An unknown class or a shared image was found where only disjoint known images may be."""


class TrainingError(EuiNetError):
    """Training cannot go on: a loss is not finite, or a checkpoint does not fit the run."""


class StorageError(EuiNetError):
    """A file cannot be written or read: no space, no permission, damaged."""


class ExportError(EuiNetError):
    """A model cannot be written in another format, or what was written does not answer as the model does."""


class ServeError(EuiNetError):
    """The server cannot be started: its address is taken, or not to be had."""
