"""Fill the card's templates: one file, pictures inside, nothing fetched, no script.

Class names, far sets and settings are others' text: the templates escape everything but our own SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jinja2

from euinet.card.facts import Facts
from euinet.card.measured import Measured
from euinet.card.pictures import picture
from euinet.card.svg import Graphic
from euinet.card.verdict import to_heed, verdict
from euinet.card.wording import interval_text, level_text, p_text, share_text, short
from euinet.card.wrong import SHOWN
from euinet.model.card import ModelCard
from euinet.report.wording import listing

MOST_ROWS = 30  # of a table of classes


def render_page(
    card: ModelCard,
    dataset: str,
    measured: Measured,
    facts: Sequence[Facts],
    graphics: Mapping[str, Graphic],
) -> str:
    """Return the card as one HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("euinet.card"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(level=level_text, p=p_text, short=short, listing=listing)
    environment.filters.update(picture=picture, signed=_signed, share=share_text, interval=interval_text)
    return environment.get_template("page.html").render(
        card=card,
        dataset=dataset,
        measured=measured,
        verdict=verdict(measured, dataset),
        heed=to_heed(measured),
        facts=facts,
        graphics=graphics,
        most_rows=MOST_ROWS,
        most_shown=SHOWN,
        tested_on_changes=measured.stress.unchanged.rejected.total,
    )


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")
