"""For `make docs`: our docstrings are prose; here they become what reads well as a page.

A sentence that begins with a parameter's name becomes an item of a list, "Raises …" a paragraph with links,
and the comment behind a record's field the field's description.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import Any

from griffe import Attribute, Docstring, Extension, Object

_NAMES = r"`\w+`(?:(?:,| and) `\w+`)*"
_ITEM = re.compile(rf"(?<=[.;:] )(?={_NAMES}[ :,(])")  # where a sentence or part of one begins with names
_FIRST = re.compile(rf"{_NAMES}: ")  # "`alpha`: …"
_RAISES = re.compile(r"(?<=[.;] )(?=Raises )")
_FEWEST = 4  # items that make a list of what else might be prose
_ERRORS_FILE = Path(__file__).parents[2] / "src/euinet/errors.py"
_ERRORS = [node.name for node in ast.parse(_ERRORS_FILE.read_text()).body if isinstance(node, ast.ClassDef)]
_ERROR = re.compile(rf"(?<![`\w])({'|'.join(_ERRORS)})\b")


class Prose(Extension):
    """Gives every object a docstring in Markdown."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change an object's docstring, or give a field the comment in its own lines."""
        if obj.docstring is not None:
            obj.docstring.value = "\n\n".join(map(_readable, re.split(r"\n\s*\n", obj.docstring.value)))
        elif isinstance(obj, Attribute) and (text := _comment(obj.source)):
            obj.docstring = Docstring(f"{text[0].upper()}{text[1:]}.", parent=obj)


def _readable(paragraph: str) -> str:
    text = " ".join(paragraph.split())
    text, *raised = _RAISES.split(text)
    pieces = _ITEM.split(text)
    if len(pieces) >= (2 if _FIRST.match(text) else _FEWEST):
        before = [] if pieces[0].startswith("`") else [pieces.pop(0) + "\n"]
        text = "\n".join([*before, *(f"- {piece.rstrip(' ;')}" for piece in pieces)])
    return _ERROR.sub(r"[\1][euinet.errors.\1]", "\n\n".join([text, *raised]))


def _comment(source: str) -> str:
    """Return the comments of a statement in one."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, IndentationError):
        return ""
    return " ".join(token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT)
