"""What `import euinet` gives, and at what cost."""

import subprocess
import sys

import pytest

import euinet
from euinet import estimator


def test_the_estimators_are_there_by_name() -> None:
    assert euinet.EuiNetClassifier is estimator.EuiNetClassifier
    assert euinet.EuiNetOutlierDetector is estimator.EuiNetOutlierDetector
    with pytest.raises(AttributeError, match="no attribute 'EuiNetClasifier'"):
        euinet.EuiNetClasifier  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_itself_brings_in_nothing_heavy() -> None:
    code = "import sys, euinet; print(sorted({'torch', 'sklearn', 'numpy', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).strip() == "[]"
