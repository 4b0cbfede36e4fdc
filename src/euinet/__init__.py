"""EuiNet: an image classifier that gives a class or says "none of these"."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from euinet.system import version

__version__ = version.VERSION

_HOME = {
    "Answer": "answers",
    "Answers": "answers",
    "Calibration": "model.conformal",
    "DataError": "errors",
    "EuiNetClassifier": "estimator",
    "EuiNetError": "errors",
    "EuiNetOutlierDetector": "estimator",
    "ExportError": "errors",
    "Model": "model.model",
    "ServeError": "errors",
    "SplitLeakError": "errors",
    "StorageError": "errors",
    "TrainingError": "errors",
    "UsageError": "errors",
    "attach": "attached.attach",
    "classifier_rows": "attached.attach",
    "fit": "fitting",
    "load": "model.opening",
}
"""Where each public name stands. None is imported before it is asked for: torch costs seconds."""

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from euinet.answers import Answer as Answer
    from euinet.answers import Answers as Answers
    from euinet.attached.attach import attach as attach
    from euinet.attached.attach import classifier_rows as classifier_rows
    from euinet.errors import DataError as DataError
    from euinet.errors import EuiNetError as EuiNetError
    from euinet.errors import ExportError as ExportError
    from euinet.errors import ServeError as ServeError
    from euinet.errors import SplitLeakError as SplitLeakError
    from euinet.errors import StorageError as StorageError
    from euinet.errors import TrainingError as TrainingError
    from euinet.errors import UsageError as UsageError
    from euinet.estimator import EuiNetClassifier as EuiNetClassifier
    from euinet.estimator import EuiNetOutlierDetector as EuiNetOutlierDetector
    from euinet.fitting import fit as fit
    from euinet.model.conformal import Calibration as Calibration
    from euinet.model.model import Model as Model
    from euinet.model.opening import load as load


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'euinet' has no attribute '{name}'")
    from euinet.system.extras import needed_for

    with needed_for(f"euinet.{name}"):
        return getattr(import_module(f"euinet.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
