"""From a model and names of data to a written page: every step in order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from euinet.card.facts import Facts, all_facts
from euinet.card.gather import Gathered, gather
from euinet.card.groups import AnsweredGroup, Group
from euinet.card.measured import Measured, measure
from euinet.card.plain import to_plain
from euinet.card.stress import measure_stress
from euinet.card.verdict import plain_verdict, to_heed, verdict
from euinet.card.wording import template
from euinet.card.wrong import SHOWN
from euinet.data.split.stratify import stratified_choice
from euinet.errors import UsageError
from euinet.model.card import ModelCard
from euinet.system.files import write_text
from euinet.system.notify import Notify
from euinet.trained.model import TrainedModel

MOST_ROWS = 30  # of a table of classes


def make_card(
    model: TrainedModel,
    data: str,
    far: tuple[str, ...],
    out: Path,
    data_root: Path | None,
    notify: Notify,
    *,
    labels: Path | None = None,
    limit: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge `model` on the test images of `data`, on far sets and on noise; write the page to `out`.

    Returns every number on it as plain values, shares as fractions. Of each kind of unknown images and for
    each benign change at most `limit` images are judged, of known ones five times as many, drawn by `seed`.
    Of a table of embeddings, whose `labels` may be a file, nothing is shown or changed.
    Raises UsageError for a limit below 1, a folder as `out`, data that do not fit the model or a far set
    that is nothing; DataError for data that cannot be had; StorageError when the page cannot be written,
    and then leaves `out` as it was.
    """
    if limit < 1:
        raise UsageError(f"limit is {limit}, but must be at least 1: it is how many images are judged.")
    if out.is_dir():  # before minutes are spent
        raise UsageError(f"{out} is a folder: give the name of a file, such as {out / 'card.html'}.")
    gathered = gather(model, data, far, data_root, notify, limit, seed, labels)

    known = _judged(model, gathered.known, notify)
    unknown = [_judged(model, group, notify) for group in gathered.unknown]
    changed = gathered.known.where(stratified_choice(gathered.known.labels, limit, seed))
    stress = measure_stress(model.answer, changed, seed, notify) if model.card.reads_images else None

    measured = measure(model.calibration, known, unknown, stress)
    facts = all_facts(model, gathered, measured, limit, seed)
    notify("Drawing the card …")
    write_text(out, render_page(model.card, gathered.dataset, measured, facts))
    return _plain(model, gathered, measured, facts)


def _judged(model: TrainedModel, group: Group, notify: Notify) -> AnsweredGroup:
    notify(f"Scoring {len(group):,} images: {group.name} …")
    return AnsweredGroup(group, model.answer(group.images))


def render_page(card: ModelCard, dataset: str, measured: Measured, facts: Sequence[Facts]) -> str:
    """Return the card as one HTML page: pictures inside, nothing fetched, no script."""
    from euinet.card.figures import draw_all  # matplotlib takes a second: not before the numbers are there

    return template("page.html").render(
        card=card,
        dataset=dataset,
        measured=measured,
        plainly=plain_verdict(measured)[0],
        verdict=verdict(measured, dataset),
        heed=to_heed(measured),
        facts=facts,
        graphics=draw_all(measured),
        most_rows=MOST_ROWS,
        most_shown=SHOWN,
    )


def _plain(
    model: TrainedModel, gathered: Gathered, measured: Measured, facts: Sequence[Facts]
) -> dict[str, Any]:
    sentence, found = plain_verdict(measured)
    plain: dict[str, Any] = {
        "data": gathered.dataset,
        "classes": list(model.card.class_names),
        "verdict": f"{sentence} {verdict(measured, gathered.dataset)}",
        "shortcomings": list(found),
        "heed": list(to_heed(measured)),
        **to_plain(measured),
        "facts": {table.title: dict(table.rows) for table in facts},
    }
    return plain
