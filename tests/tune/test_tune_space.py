"""What --search takes, and the one sentence for what it does not."""

from __future__ import annotations

import pytest

from euinet.errors import UsageError
from euinet.presets import get_preset, preset_names
from euinet.tune.space import DEFAULT_SPACES, Searched, choose_space, own_text, parse_spec

RATE = "training.optimizer.learning_rate"


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        (f"{RATE}=1e-4..1e-2:log", Searched(RATE, low=1e-4, high=1e-2, log=True)),
        ("scoring.distance_scale=0..3", Searched("scoring.distance_scale", low=0, high=3)),
        ("scoring.disc_shift=-1..0.5", Searched("scoring.disc_shift", low=-1, high=0.5)),
        ("disc.reals=16|32|64", Searched("disc.reals", ("16", "32", "64"))),
        ("model.disc_hidden=32..256:int", Searched("model.disc_hidden", low=32, high=256, whole=True)),
        (
            "training.poses=0..128",
            Searched("training.poses", low=0, high=128, whole=True),
        ),  # its field is int
        (
            "model.disc_hidden=4..256:int:log",
            Searched("model.disc_hidden", low=4, high=256, whole=True, log=True),
        ),
        ("training.half_weights=true|false", Searched("training.half_weights", ("true", "false"))),
        ("model.trunk_widths=[4, 8]|[8, 16]", Searched("model.trunk_widths", ("[4, 8]", "[8, 16]"))),
        ("scoring.logit_range = shared|fixed", Searched("scoring.logit_range", ("shared", "fixed"))),
    ],
)
def test_specs(spec: str, meant: Searched) -> None:
    assert parse_spec(spec) == meant


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("training.poses", "takes SETTING=LOW..HIGH"),
        ("training.poses=", "takes SETTING=LOW..HIGH"),
        ("training.poses=64", "to fix a value use --set training.poses=64"),
        ("training.pose=0|128", "no setting 'training.pose' to search. Did you mean 'training.poses'?"),
        ("training=0|1", "no setting 'training' to search"),
        (f"{RATE}=1e-2..1e-4", "is empty; the first number must be the smaller"),
        (f"{RATE}=a..1", "needs two numbers"),
        (f"{RATE}=0.1..inf", "needs two numbers"),
        (f"{RATE}=0..1e-2:log", "is :log, so it must start above 0"),
        (f"{RATE}=0..1e-2", "the value 0.0, which is not allowed: Input should be greater than 0"),
        (f"{RATE}=1e-4..1e-2:lin", "ends in ':lin'; only :log and :int"),
        ("training.epochs=1.5..3", "is of whole numbers"),
        ("training.class_loss=0..1", "is no number, so it has no range"),
        ("training.class_loss=cross_entropy|sigmoid", "the value 'sigmoid', which is not allowed"),
        ("disc.reals=16|32|16", "the choice '16' twice"),
        ("disc.reals=16|0x", "the value '0x', which is not allowed"),
        ("data.validation_fraction=0.1..0.3", "decides which images judge a trial"),
        ("scoring.alpha=0.01|0.05", "moves the threshold, not the scores"),
    ],
)
def test_a_wrong_spec_is_one_sentence(spec: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_spec(spec)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_stands_in_one_place() -> None:
    preset = get_preset("default")
    with pytest.raises(UsageError, match=r"'disc\.reals' twice"):
        choose_space(preset, ["disc.reals=16|32", "disc.reals=8|16"], ())
    with pytest.raises(UsageError, match=r"'disc\.reals' is given to --set and to --search"):
        choose_space(preset, ["disc.reals=16|32"], {"disc.reals"})


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_has_a_default_space_around_its_own_values(name: str) -> None:
    preset = get_preset(name)
    space = choose_space(preset, None, ())
    assert len(space) == len(DEFAULT_SPACES[name])
    for searched in space:
        assert searched.contains(own_text(preset, searched.setting)), searched
    first, *others = space
    assert choose_space(preset, None, {first.setting}) == tuple(others)
    with pytest.raises(UsageError, match="Every setting of the default search is fixed"):
        choose_space(preset, None, {searched.setting for searched in space})


def test_sampled_numbers_are_short_and_stay_inside() -> None:
    searched = Searched("scoring.disc_scale", low=0.1234567, high=0.7654321)
    assert searched.rounded(0.345678901) == 0.3457
    assert searched.rounded(0.12341) == 0.1234567  # 0.1234 lies below
    assert searched.rounded(0.7654321) == 0.7654
    assert Searched("disc.reals", ("16", "32")).rounded("32") == "32"


def test_values_are_compared_as_values() -> None:
    reals = Searched("disc.reals", ("16", "32"))
    assert (reals.contains("16"), reals.contains("64")) == (True, False)
    widths = Searched("model.trunk_widths", ("[4,8]", "[8,16]"))
    assert widths.contains("[4, 8]")
    assert widths.sampled("[4, 8]") == "[4,8]"
    rate = Searched(RATE, low=1e-3, high=1e-2)
    assert (rate.contains("0.001"), rate.contains("0.02"), rate.contains("true")) == (True, False, False)
