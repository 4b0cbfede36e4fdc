"""An inbox that is closed when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from inbox_cases import make_inbox

from euinet.inbox import Inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    opened = make_inbox(tmp_path / "inbox")
    yield opened
    opened.close()
