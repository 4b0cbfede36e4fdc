"""Write the figures and the page: everything is drawn before the first file is touched."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from euinet.system.files import write_atomically

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues

PAGE = "report.html"


def write_report(record: EvaluationRecord, out_dir: Path, *, reported: ReportedValues | None) -> list[Path]:
    """Draw every figure and write it with `report.html` into `out_dir`; return the files, the page first.

    `reported` is set beside the run only where it applies (same data set, same classes held out);
    otherwise, and with None, figures and page leave the comparison out.
    Raises StorageError when a file cannot be written, and ValueError when a test label is no class of
    the record; either way no file is left half-written.
    """
    # matplotlib and jinja2 take a second to import: only those who draw wait for them
    from euinet.report.figures import draw_all
    from euinet.report.html import render_page
    from euinet.report.style import house_style, to_png

    if reported is not None and not reported.applies_to(record):
        reported = None
    with house_style():
        drawings = draw_all(record, reported)
        pictures = {drawing.file_name: to_png(drawing.figure) for drawing in drawings}
    page = render_page(record, reported, drawings, pictures)
    return write_together({PAGE: page.encode(), **pictures}, out_dir)


def write_together(contents: Mapping[str, bytes], out_dir: Path) -> list[Path]:
    """Write the named contents so that none takes its place before all are on the disk.

    Raises StorageError; then the folder's files are as they were.
    """
    paths = {name: out_dir / name for name in contents}
    with ExitStack() as stack:
        for name, content in contents.items():
            stack.enter_context(write_atomically(paths[name])).write_bytes(content)
    return list(paths.values())
