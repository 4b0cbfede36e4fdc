"""A cache of each test's own, and what computes its features."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedders import MeanEmbedder


@pytest.fixture
def embedder() -> MeanEmbedder:
    return MeanEmbedder()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where features are kept."""
    monkeypatch.setenv("EUINET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"
