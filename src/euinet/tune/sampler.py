"""The next trial's values: they follow from the seed, the trial's number and the trials before it alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from euinet.presets import Preset
from euinet.tune.plan import Way
from euinet.tune.space import Searched, own_text

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

SETTINGS = "settings"  # a trial's attribute: every searched setting, as --set takes it


def propose(
    number: int,
    history: Sequence[FrozenTrial],
    space: Sequence[Searched],
    preset: Preset,
    seed: int,
    way: Way,
) -> FrozenTrial:
    """Return trial `number`, running, with its values. Trial 0 has the preset's own, to compare with.

    The others are TPE's (Bergstra et al. 2011), ten at random first, from a sampler made for this one trial:
    so a search that was killed goes on with the very values that it would have had. `history` are trials
    0 … `number` − 1, running ones included; `way` is "maximize" or "minimize".
    """
    from optuna.trial import TrialState, create_trial

    if number == 0:
        texts = {searched.setting: own_text(preset, searched.setting) for searched in space}
        # a value outside the range is run, but is nothing that the sampler could learn from
        inside = [searched for searched in space if searched.contains(texts[searched.setting])]
        values = {searched.setting: searched.sampled(texts[searched.setting]) for searched in inside}
    else:
        inside = list(space)
        values = _sample(number, history, space, seed, way)
        texts = {name: v if isinstance(v, str) else json.dumps(v) for name, v in values.items()}
    return create_trial(
        state=TrialState.RUNNING,
        params=values,
        distributions={searched.setting: _distribution(searched) for searched in inside},
        user_attrs={SETTINGS: texts},
    )


def _sample(
    number: int, history: Sequence[FrozenTrial], space: Sequence[Searched], seed: int, way: Way
) -> dict[str, Any]:
    import optuna

    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    sampler = optuna.samplers.TPESampler(seed=int.from_bytes(digest[:4], "big"))
    study = optuna.create_study(direction=way, sampler=sampler)  # in memory, for this question alone
    study.add_trials([trial for trial in history if len(trial.params) == len(space)])
    asked = study.ask({searched.setting: _distribution(searched) for searched in space})
    return {searched.setting: searched.rounded(asked.params[searched.setting]) for searched in space}


def _distribution(searched: Searched) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if searched.choices:
        return CategoricalDistribution(searched.choices)
    if searched.whole:
        return IntDistribution(int(searched.low), int(searched.high), log=searched.log)
    return FloatDistribution(searched.low, searched.high, log=searched.log)
