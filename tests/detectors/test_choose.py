from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytorch_ood import detector as library
from pytorch_ood.api import Detector

from euinet.detectors import (
    DETECTORS,
    FEATURES,
    OWN,
    POSTHOC,
    UNSUITABLE,
    FittedOn,
    choose_detectors,
    register_detector,
)
from euinet.errors import UsageError
from plugins import install


def test_every_detector_of_the_library_is_in_the_catalogue_or_said_to_be_unsuitable() -> None:
    theirs = set(library.__all__) - {"odin_preprocessing"}
    ours = {entry.kind.__name__.removeprefix("Batched") for entry in POSTHOC}
    assert ours | set(UNSUITABLE) == theirs
    assert not ours & set(UNSUITABLE)


def test_names_are_unique_and_euinets_own_come_first() -> None:
    names = DETECTORS.names()
    assert len(set(names)) == len(names) == len(OWN) + len(POSTHOC)
    assert names[0] == "EuiNet"
    assert not any("," in name for name in names)


def test_every_paper_is_named_but_those_of_baselines_without_one() -> None:
    assert {entry.name for entry in POSTHOC if entry.paper is None} == {"GMM"}
    assert all(entry.settings for entry in (*OWN, *POSTHOC))


def test_groups_and_names() -> None:
    own, posthoc = choose_detectors("own"), choose_detectors("posthoc")
    assert choose_detectors("all") == own + posthoc == DETECTORS.names()
    assert choose_detectors("knn, maximum-logit ,ASH_S,KNN") == ("KNN", "maximum logit", "ASH-S")
    assert choose_detectors("KNN,own") == ("KNN", *own)


def test_groups_leave_out_what_needs_the_gan() -> None:
    left = choose_detectors("all", gan_discriminator=False)
    assert set(DETECTORS.names()) - set(left) == {"GAN discriminator", "one discriminator"}
    # asked for by name, it stays: scoring then says what is missing
    assert choose_detectors("GAN discriminator", gan_discriminator=False) == ("GAN discriminator",)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("MaxLogits", "MaxLogit"),
        ("mahalanobs", "Mahalanobis"),
        ("KNN,post-hok", "posthoc"),
        ("eui net", "EuiNet"),
    ],
)
def test_a_wrong_name_gets_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean '{hint}'"):
        choose_detectors(text)


@pytest.mark.parametrize("text", ["", "KNN,", "xyzzy"])
def test_no_name_at_all_gets_the_list(text: str) -> None:
    with pytest.raises(UsageError, match=r"There is no detector.*Choose all, own, posthoc"):
        choose_detectors(text)


def test_the_command_line_starts_without_the_detectors() -> None:
    check = (
        "import euinet.cli, sys; sys.exit('euinet.detectors' in sys.modules or 'pytorch_ood' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


# --- another package's ---------------------------------------------------------------------------


@pytest.fixture
def _margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector "my-margin", and one whose package is broken."""
    for kept in ("_entries", "_modules"):
        monkeypatch.setattr(DETECTORS, kept, dict(getattr(DETECTORS, kept)))
    register_detector("my-margin", FEATURES, FittedOn.TRAIN)(type("Margin", (Detector,), {}))
    points = {"euinet.detectors": {"broken": "broken_detector"}}
    source = {"broken_detector": "raise RuntimeError"}
    monkeypatch.syspath_prepend(install(tmp_path, "broken-package", source, points))


@pytest.mark.usefixtures("_margin")
def test_another_package_s_detector_is_in_all_and_in_no_other_group(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert choose_detectors("My margin") == ("my-margin",)
    assert choose_detectors("all") == (*choose_detectors("own,posthoc"), "my-margin")
    assert ["'broken' of the package broken-package" in record.message for record in caplog.records] == [True]
    entry = DETECTORS["my-margin"]
    assert (entry.reads, entry.fitted_on, entry.settings) == (FEATURES, FittedOn.TRAIN, "none")
    assert entry.paper is None
    with pytest.raises(UsageError, match="'broken' of the package broken-package cannot be used"):
        choose_detectors("KNN,broken")


def test_a_name_of_ours_cannot_be_taken() -> None:
    with pytest.raises(UsageError, match=r"a detector 'KNN' already, in euinet\.detectors\.catalogue"):
        register_detector("KNN", FEATURES)(type("Mine", (Detector,), {}))
