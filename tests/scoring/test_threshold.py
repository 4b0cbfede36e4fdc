from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from euinet.errors import TrainingError
from euinet.model.card import LogitRange
from euinet.presets import ScoringSettings
from euinet.scoring.baselines import threshold_accepting
from euinet.scoring.comparison import check_finite
from euinet.scoring.inference import decide_from_scores
from euinet.scoring.threshold import (
    EDGE,
    RawScores,
    apply_logit_range,
    fit_logit_range,
    join_raw_scores,
    low_quantile,
    raw_threshold,
)

MakeSettings = Callable[..., ScoringSettings]
BEST = (9.0, 5.0, 7.0, 6.0, 8.0)


@pytest.fixture
def settings() -> MakeSettings:
    values = {
        "temperature": 1e-3,
        "disc_scale": 0.004,
        "disc_shift": 0.008,
        "epsilon": 0,
        "logit_range": "shared",
        "known_lead": 0.022,
    }
    return lambda **changes: ScoringSettings.model_validate(values | changes)


def raw_of(best: tuple[float, ...], disc_score: tuple[float, ...] | None = None) -> RawScores:
    """Scores whose best class logit is the given one, of class 1."""
    top = torch.tensor(best)
    return RawScores(
        torch.stack([top - 5, top], dim=1), torch.tensor(disc_score or [0.0] * len(best)).logit()
    )


def made_up(count: int, seed: int = 0) -> RawScores:
    generator = torch.Generator().manual_seed(seed)
    return RawScores(
        torch.randn(count, 3, generator=generator) - 1, torch.rand(count, generator=generator).logit()
    )


def rejected(raw: RawScores, settings: ScoringSettings, logit_range: LogitRange) -> list[int]:
    return (decide_from_scores(raw, settings, logit_range).labels < 0).nonzero()[0].tolist()


def test_a_range_by_hand(settings: MakeSettings) -> None:
    # ⌊0.2·6⌋ = 1 of 5 is to be rejected: the border is halfway between 5 and 6. The median, 7, is to
    # score 0.022 above it: g·10⁻³·(7 − 5.5) = 0.022; and 5.5 is to score 0.008: 10⁻³·(g·5.5 + c) = 0.008.
    chosen = settings(known_rejected=0.2)
    logit_range = fit_logit_range(raw_of(BEST), chosen)
    assert logit_range.gain == pytest.approx((22 / 1.5,) * 2)
    assert logit_range.shift == pytest.approx((8 - 5.5 * 22 / 1.5,) * 2)
    assert rejected(raw_of(BEST), chosen, logit_range) == [1]
    scores = decide_from_scores(raw_of(BEST), chosen, logit_range).scores
    assert scores[2].max() == pytest.approx(0.008 + 0.022, abs=1e-6)


def test_the_discriminator_takes_part(settings: MakeSettings) -> None:
    # Image 3 scores g·10⁻³ ≈ 0.015 more than image 1, but α·h = 0.03 lifts its threshold by more.
    chosen = settings(known_rejected=0.2, disc_scale=0.03)
    raw = raw_of(BEST, (0.0, 0.0, 0.0, 1.0, 0.0))
    assert rejected(raw, chosen, fit_logit_range(raw, chosen)) == [3]


def test_h_is_measured_from_what_known_images_show(settings: MakeSettings) -> None:
    """By hand: the logits of h are 0 … 100; 90 of 100 steps lie below 90, which is then taken from each."""
    raw = RawScores(made_up(101).class_logits, torch.arange(101.0))
    chosen = settings(disc_known=0.9, disc_link="surprise", disc_scale=2, disc_shift=1)
    fitted = fit_logit_range(raw, chosen)
    assert fitted.disc_offset == pytest.approx(90)
    seen = RawScores(raw.class_logits[:3], torch.tensor([0.0, 90.0, 290.0]))
    threshold = raw_threshold(fitted, seen, chosen)
    assert threshold.tolist() == pytest.approx([1, 1 + 2 * math.log(2), 1 + 2 * 200], rel=1e-5)
    shown = decide_from_scores(seen, chosen, fitted)
    assert shown.disc_score.tolist() == seen.disc_score.tolist()  # h itself is shown as it is
    assert shown.scores[:, 0].tolist() == pytest.approx(threshold.tolist())
    assert fit_logit_range(raw, settings(disc_known=0)).disc_offset == 0


@pytest.mark.parametrize("logit_range", ["shared", "per_class"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("count", [9, 99, 640])
@pytest.mark.parametrize(("rule", "temperature"), [("multiply", 1e-3), ("divide", 1000)])
def test_exactly_the_promised_share_is_rejected(
    settings: MakeSettings, share: float, count: int, rule: str, temperature: float, logit_range: str
) -> None:
    raw = made_up(count)
    chosen = settings(
        known_rejected=share, temperature_rule=rule, temperature=temperature, logit_range=logit_range
    )
    assert len(rejected(raw, chosen, fit_logit_range(raw, chosen))) == int(share * (count + 1))


def test_the_promised_share_is_rejected_with_h_as_it_is_measured(settings: MakeSettings) -> None:
    """The border is set among thresholds that h has raised, after its offset: where h matters most."""
    raw = made_up(640)
    raw = RawScores(raw.class_logits, 3 * raw.disc_logits + 4)
    chosen = settings(known_rejected=0.1, disc_known=0.5, disc_link="surprise", disc_scale=0.05)
    assert len(rejected(raw, chosen, fit_logit_range(raw, chosen))) == 64


def test_none_is_rejected_where_there_are_too_few_images_for_the_share(settings: MakeSettings) -> None:
    chosen = settings(known_rejected=0.002, temperature=1)
    for seed in range(50):
        raw = made_up(99, seed)
        assert rejected(raw, chosen, fit_logit_range(raw, chosen)) == []


def test_a_larger_share_rejects_the_same_images_and_more(settings: MakeSettings) -> None:
    raw = RawScores(made_up(100).class_logits, torch.zeros(100).logit())
    before: set[int] = set()
    for share in (0.02, 0.1, 0.2, 0.4):
        chosen = settings(known_rejected=share)
        now = set(rejected(raw, chosen, fit_logit_range(raw, chosen)))
        assert before < now
        before = now


def test_the_map_says_the_same_as_another_alpha_and_gamma(settings: MakeSettings) -> None:
    raw, chosen = made_up(200), settings(known_rejected=0.2)
    fitted = fit_logit_range(raw, chosen)
    gain, shift = fitted.gain[0], fitted.shift[0]
    other = settings(disc_scale=0.004 / gain, disc_shift=(0.008 - 1e-3 * shift) / gain)
    assert rejected(raw, chosen, fitted) == rejected(raw, other, LogitRange((1.0,) * 3, (0.0,) * 3))


def test_logits_in_another_unit_make_no_difference(settings: MakeSettings) -> None:
    raw, chosen = made_up(200), settings(known_rejected=0.1)
    other = RawScores(3 * raw.class_logits + 20, raw.disc_logits)
    first, second = fit_logit_range(raw, chosen), fit_logit_range(other, chosen)
    assert second.gain[0] == pytest.approx(first.gain[0] / 3, rel=1e-4)
    assert rejected(raw, chosen, first) == rejected(other, chosen, second)


def test_fixed_leaves_the_logits_as_they_come(settings: MakeSettings) -> None:
    fixed = fit_logit_range(raw_of(BEST), settings(logit_range="fixed"))
    assert (fixed.gain, fixed.shift) == ((1, 1), (0, 0))


def test_an_image_s_logits_are_all_mapped_by_its_best_class(settings: MakeSettings) -> None:
    raw = RawScores(torch.tensor([[3.0, 0.0], [1.0, 4.0]]), torch.zeros(2))
    mapped = apply_logit_range(LogitRange((2.0, 10.0), (-1.0, 0.5)), raw, settings())
    assert mapped.tolist() == [[5, -1], [10.5, 40.5]]


def test_distances_lower_all_logits_of_an_image(settings: MakeSettings) -> None:
    logits = torch.tensor([[3.0, 0.0], [1.0, 4.0]])
    raw = RawScores(logits, torch.zeros(2), torch.tensor([[0.5, 1.0], [2.0, 0.0]]))
    mapped = apply_logit_range(
        LogitRange((2.0, 10.0), (-1.0, 0.5), (3.0, 1.0), (0.0, 0.0), (9.0, 9.0)), raw, settings()
    )
    # 3·0.5 + 1 = 2.5 and 3·2 + 0 = 6
    assert mapped.tolist() == [[5 - 2.5, -1 - 2.5], [10.5 - 6, 40.5 - 6]]


def test_what_lies_beyond_the_edge_counts_on_top_and_below_the_floor_as_the_floor(
    settings: MakeSettings,
) -> None:
    raw = RawScores(torch.tensor([[3.0, 0.0]] * 3), torch.zeros(3), torch.tensor([[1.0], [3.0], [-9.0]]))
    chosen = settings(distance_scale=1, distance_tail=2)
    mapped = apply_logit_range(LogitRange((1.0, 1.0), (0.0, 0.0), (0.5,), (-1.0,), (2.0,)), raw, chosen)
    # 1 is below the edge: 0.5·1; 3 is 1 beyond it: 0.5·(3 + 2·1); −9 counts as −1
    assert mapped[:, 0].tolist() == [3 - 0.5, 3 - 2.5, 3 + 0.5]


def test_what_lies_far_off_is_rejected_first(settings: MakeSettings) -> None:
    """By hand: equal best logits but for two; a deviation of distance counts twice one of the logits."""
    raw = RawScores(
        torch.tensor([[5.0, 0.0], [5.5, 0.0], [6.0, 0.0], [6.5, 0.0], [7.0, 0.0]]),
        torch.full((5,), -100.0),
        torch.tensor([[0.0], [0.0], [0.0], [0.0], [4.0]]),
    )
    fitted = fit_logit_range(raw, settings(known_rejected=0.2, distance_scale=2))
    assert rejected(raw, settings(), fitted) == [4]
    deviation, spread = raw.class_logits[:, 0].std().item(), raw.distance.std().item()  # type: ignore[union-attr]
    assert fitted.distance_gain == pytest.approx((fitted.gain[0] * deviation * 2 / spread,), rel=1e-5)
    assert fitted.distance_edge == pytest.approx((0.8 + EDGE * spread,), rel=1e-5)
    assert fitted.distance_floor == pytest.approx((0.8 - EDGE * spread,), rel=1e-5)
    assert rejected(raw, settings(), fit_logit_range(raw, settings(known_rejected=0.2))) == [0]


def test_each_distance_counts_by_its_weight(settings: MakeSettings) -> None:
    """Of two distances in units of their own, one that counts for nothing and one for half a logit."""
    raw = made_up(200)
    draw = torch.Generator().manual_seed(5)
    distances = torch.randn(200, 2, generator=draw) * torch.tensor([10.0, 0.1])
    fitted = fit_logit_range(replace(raw, distance=distances), settings(distance_scale=1), [0.0, 0.5])
    alike = fit_logit_range(replace(raw, distance=distances), settings(distance_scale=1))
    assert fitted.distance_gain[0] == 0
    deviation = raw.class_logits.amax(dim=1).double().std().item()
    spread = distances.double().std(dim=0)
    assert fitted.distance_gain[1] == pytest.approx(0.5 * fitted.gain[0] * deviation / spread[1].item())
    assert alike.distance_gain[0] / alike.distance_gain[1] == pytest.approx((spread[1] / spread[0]).item())


def test_a_distance_that_never_varies_counts_for_nothing(settings: MakeSettings) -> None:
    raw = replace(made_up(50), distance=torch.full((50, 1), 3.0))
    assert fit_logit_range(raw, settings(distance_scale=1)).distance_gain == (0,)


def test_parts_are_joined_with_their_distances_if_they_have_any() -> None:
    one, two = made_up(2), made_up(3, seed=1)
    joined = join_raw_scores([one, two])
    assert torch.equal(joined.class_logits, torch.cat([one.class_logits, two.class_logits]))
    assert torch.equal(joined.disc_logits, torch.cat([one.disc_logits, two.disc_logits]))
    assert joined.distance is None
    far = [replace(part, distance=part.disc_logits.unsqueeze(1) + 1) for part in (one, two)]
    distance = join_raw_scores(far).distance
    assert distance is not None
    assert torch.equal(distance, joined.disc_logits.unsqueeze(1) + 1)


def test_each_class_is_measured_by_its_own_images(settings: MakeSettings) -> None:
    # Class 1 scores ten times as high and as widely as class 0: by one range for both, the lowest of class
    # 0 would go first; by a range each, the outlier of either class does.
    low, high = torch.linspace(1, 2, 40), torch.linspace(10, 20, 40)
    low[0], high[0] = 0.5, 2.5
    nothing = torch.full((40,), -1.0)
    logits = torch.cat([torch.stack([low, nothing], 1), torch.stack([nothing, high], 1)])
    raw = RawScores(logits, torch.zeros(80).logit())
    shared, own = settings(known_rejected=0.025), settings(known_rejected=0.025, logit_range="per_class")
    assert rejected(raw, shared, fit_logit_range(raw, shared)) == [0, 1]
    assert rejected(raw, own, fit_logit_range(raw, own)) == [0, 40]
    fitted = fit_logit_range(raw, own)
    assert fitted.gain[0] == pytest.approx(fitted.gain[1] * float(high.std() / low.std()), rel=1e-5)


def test_a_class_with_few_images_takes_the_range_of_all(settings: MakeSettings) -> None:
    raw = made_up(90)
    few = RawScores(torch.cat([raw.class_logits[:, :2], torch.full((90, 1), -9.0)], 1), raw.disc_logits)
    few.class_logits[0, 2] = 9.0
    fitted = fit_logit_range(few, settings(known_rejected=0.2, logit_range="per_class"))
    best = few.class_logits.amax(dim=1)
    own = best[few.class_logits.argmax(dim=1) == 0]
    assert fitted.gain[0] / fitted.gain[2] == pytest.approx(float(best.std() / own.std()), rel=1e-4)


@pytest.mark.parametrize(
    ("gain", "shift"), [((1.0,), (0.0, 0.0)), ((0.0,), (0.0,)), ((float("nan"),), (0.0,)), ((-1.0,), (0.0,))]
)
def test_a_range_that_is_none_is_refused(gain: tuple[float, ...], shift: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="finite gains above 0"):
        LogitRange(gain, shift)


def test_images_that_all_score_alike_leave_no_room_for_a_threshold(settings: MakeSettings) -> None:
    with pytest.raises(TrainingError, match="all the same best logit"):
        fit_logit_range(raw_of((4.0, 4.0, 4.0, 4.0, 9.0)), settings(known_rejected=0.2))
    with pytest.raises(TrainingError, match="all the same best logit"):
        fit_logit_range(raw_of((float("nan"),) * 4), settings(known_rejected=0.2))


def test_low_quantile() -> None:
    values = torch.tensor([3.0, 1.0, 2.0, 4.0])  # n + 1 = 5
    assert low_quantile(values, 0.2) == 1.5
    assert low_quantile(values, 0.59) == 2.5
    assert low_quantile(values, 0.6) == 3.5
    assert 0.999 < low_quantile(values, 0.19) < 1
    assert -4.001 < low_quantile(-values, 0.19) < -4
    assert low_quantile(torch.tensor([2010.0, 10.0, 30_010.0]), 0.1) == pytest.approx(10 - 3)


def test_threshold_accepting_is_the_smallest_that_accepts_the_share() -> None:
    scores = torch.tensor([0.4, 0.1, 0.3, 0.2])
    for share, threshold in ((0.01, 0.1), (0.25, 0.1), (0.26, 0.2), (0.75, 0.3), (0.95, 0.4), (1.0, 0.4)):
        assert threshold_accepting(scores, share) == pytest.approx(threshold)
    hundred = torch.arange(100.0)
    for percent in range(1, 101):
        accepted = int((hundred <= threshold_accepting(hundred, percent / 100)).sum())
        assert percent <= accepted <= percent + 1  # percent/100·100 may round up to the next
    assert threshold_accepting(hundred) == 94


@pytest.mark.parametrize("of_one", [math.nan, math.inf])
def test_scores_of_a_network_that_diverged_give_no_range(settings: MakeSettings, of_one: float) -> None:
    """One image of 90 is enough: a gain or shift that is no number would pass every image for a known one."""
    raw = made_up(90)
    raw.class_logits[3, 1] = of_one
    for rule in ("shared", "per_class"):
        with pytest.raises(TrainingError, match=r"no finite range|all the same best logit"):
            fit_logit_range(raw, settings(known_rejected=0.2, logit_range=rule))


def test_a_gain_beyond_float32_is_no_range(settings: MakeSettings) -> None:
    tiny = RawScores(made_up(90).class_logits * 1e-41, torch.zeros(90))
    with pytest.raises(TrainingError, match="give no finite range"):
        fit_logit_range(tiny, settings(known_rejected=0.2))


def test_a_detector_whose_score_is_no_number_is_named() -> None:
    check_finite("KNN", np.zeros(3, np.float32), "the test part")
    with pytest.raises(
        TrainingError, match="'KNN' gives 1 of the 3 images of the test part a score that is no"
    ):
        check_finite("KNN", np.array([0, np.inf, 1], np.float32), "the test part")
