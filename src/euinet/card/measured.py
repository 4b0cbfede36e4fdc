"""Every number of the card in one record: pure functions of answers, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

from euinet.card.classes import Detection, KnownRow, UnknownRow, detections, known_rows, unknown_rows
from euinet.card.curve import Curve, operating_curve
from euinet.card.groups import AnsweredGroup
from euinet.card.promise import CalibrationCheck, check_calibration, false_rejects
from euinet.card.stress import Stress
from euinet.card.wrong import WrongImages, known_misnamed, known_rejected, unknown_accepted
from euinet.judging.promise import FalseRejects
from euinet.judging.share import Share
from euinet.model.conformal import Calibration


@dataclass(frozen=True, eq=False)
class Measured:
    """All that the card says in numbers."""

    alpha: float | None  # the promise; None: none was set, or there is no calibration
    calibrated: bool
    classes: int  # that the model knows
    known_available: int  # known test images there were
    rejected: Share  # known test images, at the model's own threshold
    own_class: Share  # known test images whose best class is their own
    accepted_right: Share  # accepted known test images in their own class
    promise: FalseRejects | None  # at `alpha`
    check: CalibrationCheck | None
    curve: Curve
    known: tuple[KnownRow, ...]
    unknown: tuple[UnknownRow, ...]
    detections: tuple[Detection, ...]
    stress: Stress | None  # None: embeddings, of which no change is known to be benign
    known_rejected: WrongImages
    known_misnamed: WrongImages
    near_accepted: WrongImages
    far_accepted: WrongImages  # noise included


def measure(
    calibration: Calibration | None,
    known: AnsweredGroup,
    unknown: Sequence[AnsweredGroup],
    stress: Stress | None,
) -> Measured:
    """Return all measures of a model with this calibration from its answers."""
    check, promise = None, None
    alpha = None if calibration is None else calibration.alpha
    p_value, rejected = known.answers.p_value, known.rejected
    if calibration is not None and len(calibration) and p_value is not None:
        check = check_calibration(calibration, p_value, known.answers.ood_score)
        promise = None if alpha is None else false_rejects(calibration, p_value, alpha)
    usable = calibration if check else None
    return Measured(
        alpha=alpha,
        calibrated=check is not None,
        classes=len(known.answers.class_names),
        known_available=known.group.available,
        rejected=Share.of(rejected),
        own_class=Share.of(known.own_class),
        accepted_right=Share.of(known.own_class[~rejected]),
        promise=promise,
        check=check,
        curve=operating_curve(usable, known, unknown),
        known=known_rows(known),
        unknown=unknown_rows(unknown),
        detections=detections(known, unknown),
        stress=stress,
        known_rejected=known_rejected(known),
        known_misnamed=known_misnamed(known),
        near_accepted=unknown_accepted([one for one in unknown if one.group.kind == "near"]),
        far_accepted=unknown_accepted([one for one in unknown if one.group.kind != "near"]),
    )
