"""EuiNet: an image classifier that gives a class or says "none of these"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from euinet.estimator import EuiNetClassifier, EuiNetOutlierDetector
    from euinet.trained.model import Model

__version__ = "0.1.0"
__all__ = ["EuiNetClassifier", "EuiNetOutlierDetector", "__version__", "load"]


def load(name_or_folder: str | Path, device: torch.device | str = "cpu") -> Model:
    """Return a model in eval mode: a bundled one by its name, or one from a folder that `euinet train` wrote.

    Raises UsageError when there is no such model, StorageError when its files are damaged.
    """
    # not above: torch costs seconds, and `import euinet` must not
    from euinet.pretrained import resolve_model
    from euinet.trained.model import load_model

    return load_model(resolve_model(name_or_folder), device)


def __getattr__(name: str) -> Any:
    """Return the scikit-learn estimators, imported when they are asked for: scikit-learn costs a second."""
    if name in ("EuiNetClassifier", "EuiNetOutlierDetector"):
        import euinet.estimator

        return getattr(euinet.estimator, name)
    raise AttributeError(f"module 'euinet' has no attribute '{name}'")
