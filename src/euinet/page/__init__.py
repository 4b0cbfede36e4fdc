"""The page: a model and a browser go in; drawings, answers and the reasons for them come out.

`front/` is the page itself, plain files without a build step; `front_files` hands them to the server.
`write_page` writes them with an exported model as a folder that needs no server program of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from euinet.page.facts import held_out_names, model_facts
    from euinet.page.files import FrontFile, front_files
    from euinet.page.write import write_page

__all__ = ["FrontFile", "front_files", "held_out_names", "model_facts", "write_page"]

# Not imported above: torch costs seconds, and handing out files does without.
_HOME = {
    "FrontFile": "files",
    "front_files": "files",
    "held_out_names": "facts",
    "model_facts": "facts",
    "write_page": "write",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
