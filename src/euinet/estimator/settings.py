"""The estimator's parameters, checked: a preset with settings put in, and a seed. No torch in this file."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from euinet.errors import DataError, UsageError
from euinet.images.given import as_array
from euinet.model.conformal import check_alpha
from euinet.presets import Preset, get_preset, setting_text
from euinet.system.numbers import as_written

OWN_SETTINGS = {"alpha": "scoring.alpha", "epsilon": "scoring.epsilon", "disc_scale": "scoring.disc_scale"}
"""Settings that are parameters of the estimator, so that a grid can name them: parameter → dotted path."""

_SEEDS = 2**31


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Turn our errors about what the caller gave into ValueError, which scikit-learn's callers expect."""
    try:
        yield
    except (UsageError, DataError) as error:
        raise ValueError(str(error)) from error


def plain_array(found: Any) -> Any:
    """Return a tensor as an array, and anything else as it is. Raises ValueError where values are masked."""
    if not hasattr(found, "detach") and not np.ma.isMaskedArray(found):
        return found  # such as a table, whose columns have names
    with as_value_errors():
        return as_array(found)


def chosen_preset(
    name: str,
    settings: Mapping[str, Any] | None,
    *,
    alpha: float | None,
    epsilon: float | None,
    disc_scale: float | None,
) -> Preset:
    """Return the preset `name` with `settings` and own parameters put in; None leaves ε and eq. 4's α alone.

    Raises ValueError for `settings` that are no mapping of dotted paths or name `alpha` or what is given as a
    parameter too, UsageError for a preset, setting or value that there is not.
    """
    if settings is not None and not (
        isinstance(settings, Mapping) and all(isinstance(p, str) for p in settings)
    ):
        raise ValueError(
            f"settings is {settings!r}, but must be a dict of the preset's settings, such as "
            '{"training.epochs": 3}, or None.'
        )
    if alpha is not None and math.isnan(as_written(alpha)):  # else the setting's own limits tell
        check_alpha(alpha)
    own = {"alpha": alpha, "epsilon": epsilon, "disc_scale": disc_scale}
    # alpha's None is a value: the threshold then stays where the preset puts it
    own = {parameter: value for parameter, value in own.items() if value is not None or parameter == "alpha"}
    overrides = {path: setting_text(path, value) for path, value in (settings or {}).items()}
    for parameter, value in own.items():
        path = OWN_SETTINGS[parameter]
        if path in overrides:
            raise ValueError(
                f"settings names {path}, which is the estimator's parameter {parameter}: give it there alone."
            )
        overrides[path] = setting_text(parameter, value)
    return get_preset(name, overrides)


def chosen_seed(random_state: Any) -> int:
    """Return `random_state` as a seed: a whole number from 0 as it is, else a draw from what it is.

    None draws afresh, from no global state. Raises ValueError for what is no random state.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(_SEEDS))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(_SEEDS))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(_SEEDS))
    whole = isinstance(random_state, int | np.integer) and not isinstance(random_state, bool)
    if whole and 0 <= random_state < 2**32:
        return int(random_state)
    raise ValueError(
        f"random_state is {random_state!r}, but must be a whole number from 0 to 2³² − 1, a NumPy random "
        "state or generator, or None."
    )
