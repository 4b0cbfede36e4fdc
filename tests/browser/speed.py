"""How fast the page answers in Chromium, served and without a server: a measurement, no test.

    python tests/browser/speed.py [--visits 5]

First answer: from the start of loading the page to the first answer shown, where the drawing is there as soon
as the page takes one; in a fresh browser context, nothing cached. A stroke: from a pointer's move to its
answer and all its reasons shown; three drawings of hand.py, moved through by the mouse.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from browser_pages import browser, euinet_server, plain_server, visit, write_static_page
from hand import THREE, ZERO, scribble

WAIT_FOR_ANSWER = "() => performance.getEntriesByName('euinet-answer').length > 0"
SHOWN = "() => performance.getEntriesByName('euinet-answer').map((one) => [one.startTime, one.duration])"


def measure(opened: Any, address: str, visits: int) -> dict[str, Any]:
    """Return milliseconds: medians and extremes of the first answers, median and 95 % of strokes."""
    firsts, ready, strokes = [], [], []
    for _ in range(visits):
        with visit(opened, address, reduced_motion="reduce") as found:
            page = found.page
            page.add_init_script(
                "new MutationObserver((_, seen) => { const b = document.querySelector('[data-kind=known]');"
                "if (b) { seen.disconnect(); queueMicrotask(() => b.click()); } })"
                ".observe(document, { childList: true, subtree: true });"
            )
            page.goto(address)
            page.wait_for_function(WAIT_FOR_ANSWER, timeout=60_000)
            start, duration = page.evaluate(SHOWN)[0]
            firsts.append(start + duration)
            ready.append(page.evaluate("performance.getEntriesByName('euinet-ready')[0].startTime"))
            page.wait_for_timeout(500)
            for drawing in (ZERO, THREE, scribble(1)):
                page.click("[data-part=clear]")
                page.evaluate("performance.clearMeasures()")
                found.draw(drawing)
                page.wait_for_timeout(300)
                strokes += [duration for _, duration in page.evaluate(SHOWN)]
    ordered = sorted(strokes)
    return {
        "page_ready_ms": round(statistics.median(ready)),
        "first_answer_ms": [round(value) for value in (min(firsts), statistics.median(firsts), max(firsts))],
        "answers": len(strokes),
        "stroke_median_ms": round(statistics.median(strokes), 1),
        "stroke_p95_ms": round(ordered[int(0.95 * len(ordered))], 1),
        "stroke_most_ms": round(ordered[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--visits", type=int, default=5)
    visits = parser.parse_args().visits
    with tempfile.TemporaryDirectory() as folder, browser() as opened:
        found = {}
        with euinet_server() as address:
            measure(opened, address, 1)  # the server's own first request is not the page's
            found["served"] = measure(opened, address, visits)
        for model in ("mnist-without-0", "mnist-report"):
            with plain_server(write_static_page(Path(folder) / model, model)) as address:
                found[f"static, {model}"] = measure(opened, address, visits)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
