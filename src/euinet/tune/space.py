"""What is searched: `SETTING=LOW..HIGH` with `:log` or `:int`, or `SETTING=A|B|C`."""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from euinet.errors import UsageError
from euinet.presets import Preset, setting_paths
from euinet.system.close import did_you_mean

FORMS = "SETTING=LOW..HIGH, SETTING=LOW..HIGH:log, SETTING=LOW..HIGH:int or SETTING=A|B|C"

DEFAULT_SPACES = {
    "default": (
        "training.optimizer.learning_rate=5e-4..8e-3:log",
        "data.augmentation=0.25..1.75",
        "training.poses=0|64|128",
        "scoring.distance_scale=0..3",
        "scoring.disc_scale=0..1.5",
    ),
    "embeddings": (
        "training.optimizer.learning_rate=2e-4..5e-3:log",
        "training.min_steps=100..1000:log",
        "scoring.distance_scale=0..3",
        "scoring.disc_scale=0..1.5",
    ),
    "report": (
        "training.optimizer.learning_rate=5e-5..1e-3:log",
        "data.augmentation=0..1.5",
        "scoring.disc_scale=0..0.02",
        "scoring.epsilon=0..1",
    ),
}
"""What is searched of each preset without --search; its own values lie inside."""

_JUDGES = "decides which images judge a trial, so that trials could not be compared"
NOT_SEARCHED = {
    "data.validation_fraction": _JUDGES,
    "data.fewest_validation": _JUDGES,
    "data.calibration_fraction": _JUDGES,
    "data.fewest_calibration": _JUDGES,
    "scoring.alpha": "moves the threshold, not the scores that judge a trial",
}
"""Settings whose search would mean nothing, and why."""


@dataclass(frozen=True)
class Searched:
    """One setting and the values it may take: `choices`, or if there are none the range `low` … `high`."""

    setting: str
    choices: tuple[str, ...] = ()  # as --set takes them
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False

    def to_plain(self) -> dict[str, Any]:
        """Return what decides a search, as values that JSON knows."""
        if self.choices:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "whole": self.whole, "log": self.log}

    def rounded(self, value: Any) -> Any:
        """Return a sampled value as it is used: four digits are enough, and can be typed."""
        if self.choices or self.whole:
            return value
        return min(max(float(f"{value:.4g}"), self.low), self.high)

    def contains(self, text: str) -> bool:
        """Return whether a value, as --set takes it, is among those searched."""
        value = read_value(text)
        if self.choices:
            return any(read_value(choice) == value for choice in self.choices)
        return type(value) in (int, float) and self.low <= value <= self.high

    def sampled(self, text: str) -> Any:
        """Return the value that the sampler knows for one that `contains` holds true of."""
        value = read_value(text)
        if self.choices:
            return next(choice for choice in self.choices if read_value(choice) == value)
        return value


def read_value(text: str) -> Any:
    """Return a setting's value as --set reads it: JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def own_text(preset: Preset, setting: str) -> str:
    """Return the preset's own value of a setting, as --set takes it."""
    value: Any = preset.model_dump(mode="json")
    for name in setting.split("."):
        value = value[name]
    return value if isinstance(value, str) else json.dumps(value)


def choose_space(preset: Preset, specs: Sequence[str] | None, fixed: Collection[str]) -> tuple[Searched, ...]:
    """Return the settings to search: those of `specs`, or without any the preset's DEFAULT_SPACES.

    `fixed` are the settings that --set gives: they are left out of the default ones.
    Raises UsageError for a wrong spec, one setting twice, or one that is fixed too.
    """
    if specs:
        space = [parse_spec(spec) for spec in specs]
    else:
        space = [parse_spec(spec) for spec in DEFAULT_SPACES[preset.name]]
        space = [searched for searched in space if searched.setting not in fixed]
        if not space:
            raise UsageError("Every setting of the default search is fixed by --set; give one to --search.")
    names = [searched.setting for searched in space]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--search gives '{name}' twice; give each setting once.")
        if name in fixed:
            raise UsageError(f"'{name}' is given to --set and to --search; give it to one of them.")
    return tuple(space)


def parse_spec(spec: str) -> Searched:
    """Return what one --search says. Raises UsageError for one that is not as FORMS, or not allowed."""
    setting, equals, text = (part.strip() for part in spec.partition("="))
    if not equals or not text:
        raise UsageError(f"--search takes {FORMS}, not '{spec}'.")
    field = _field(setting)
    if setting in NOT_SEARCHED:
        raise UsageError(f"'{setting}' cannot be searched: it {NOT_SEARCHED[setting]}. Fix it with --set.")
    if "|" in text:
        return _choices(setting, field, tuple(choice.strip() for choice in text.split("|")))
    if ".." in text:
        return _range(setting, field, text)
    raise UsageError(f"--search takes {FORMS}, not '{spec}'; to fix a value use --set {setting}={text}.")


def _field(setting: str) -> FieldInfo:
    if setting not in setting_paths():
        hint = did_you_mean(setting, setting_paths())
        raise UsageError(
            f"There is no setting '{setting}' to search.{hint} Known settings: {', '.join(setting_paths())}."
        )
    *parents, last = setting.split(".")
    model: Any = Preset
    for name in parents:
        model = model.model_fields[name].annotation
    field: FieldInfo = model.model_fields[last]
    return field


def _choices(setting: str, field: FieldInfo, choices: tuple[str, ...]) -> Searched:
    for at, choice in enumerate(choices):
        value = read_value(choice)
        _check_value(setting, field, value)
        if value in [read_value(other) for other in choices[:at]]:
            raise UsageError(f"--search gives '{setting}' the choice '{choice}' twice; give each one once.")
    return Searched(setting, choices)


def _range(setting: str, field: FieldInfo, text: str) -> Searched:
    if field.annotation not in (int, float):
        raise UsageError(
            f"'{setting}' is no number, so it has no range '{text}'; give choices: {setting}=A|B."
        )
    bounds, *flags = text.split(":")
    for flag in flags:
        if flag not in ("log", "int"):
            raise UsageError(
                f"The range '{text}' of '{setting}' ends in ':{flag}'; only :log and :int can stand there."
            )
    low, high = (_number(setting, text, bound) for bound in bounds.split("..", 1))
    whole = field.annotation is int or "int" in flags
    if low >= high:
        raise UsageError(f"The range '{text}' of '{setting}' is empty; the first number must be the smaller.")
    if "log" in flags and low <= 0:
        raise UsageError(f"The range '{text}' of '{setting}' is :log, so it must start above 0.")
    if whole and not (low.is_integer() and high.is_integer()):
        raise UsageError(f"The range '{text}' of '{setting}' is of whole numbers; give it whole ends.")
    for end in (low, high):
        _check_value(setting, field, int(end) if whole else end)
    return Searched(setting, low=low, high=high, whole=whole, log="log" in flags)


def _number(setting: str, text: str, bound: str) -> float:
    try:
        value = float(bound)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"The range '{text}' of '{setting}' needs two numbers, such as 0.5..2.")
    return value


def _check_value(setting: str, field: FieldInfo, value: Any) -> None:
    allowed: Any = Annotated[field.annotation, field]  # with the limits that stand in presets.py
    adapter: TypeAdapter[Any] = TypeAdapter(allowed, config=ConfigDict(allow_inf_nan=False))
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise UsageError(
            f"--search gives '{setting}' the value {value!r}, which is not allowed: "
            f"{error.errors()[0]['msg']}."
        ) from error
