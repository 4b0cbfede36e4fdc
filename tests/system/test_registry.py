"""What is registered is found; what another package does wrong harms its own names alone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from euinet.errors import UnknownNameError, UsageError
from euinet.system import registry as registry_module
from euinet.system.registry import Registry
from plugins import install

GROUP = "euinet.shapes"
OWN = "euinet.shapes"  # the module of EuiNet's own entries

Plugin = Callable[[str, dict[str, str], str], None]
"""Install a package that offers these names (name → module), its module's source given."""


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Registry[str]:
    """A registry with two entries of its own; a package's module finds it as registry.SHAPES."""
    made: Registry[str] = Registry("shape", GROUP)
    made.add("square", "four sides", OWN)
    made.add("circle", "round", OWN)
    monkeypatch.setattr(registry_module, "SHAPES", made, raising=False)
    return made


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    before = set(sys.modules)

    def make(package: str, offers: dict[str, str], source: str) -> None:
        modules = dict.fromkeys(offers.values(), "from euinet.system.registry import SHAPES\n" + source)
        monkeypatch.syspath_prepend(install(tmp_path / package, package, modules, {GROUP: offers}))

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("plugged_"):
            del sys.modules[name]


def star(name: str = "star") -> str:
    return f"SHAPES.add('{name}', 'pointed', __name__)"


def test_own_entries_are_found_without_looking_at_packages(
    shapes: Registry[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "entry_points", lambda **_: pytest.fail("packages were looked at"))
    assert shapes["circle"] == "round"
    assert "square" in shapes


def test_a_wrong_name_gets_the_nearest_all_names_and_what_to_do(shapes: Registry[str]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        shapes["Squere"]
    assert str(caught.value) == (
        "There is no shape 'Squere'. Did you mean 'square'? Choose one of square, circle; what another "
        "package adds is there once it is installed."
    )
    assert "Squere" not in shapes
    with pytest.raises(UnknownNameError, match=r"no shape 'xyzzy'\. Choose one of"):
        shapes["xyzzy"]


def test_a_package_s_entry_is_imported_when_asked_for_and_not_when_listed(
    shapes: Registry[str], plugin: Plugin
) -> None:
    plugin("zebra", {"stripe": "plugged_zebra"}, star("stripe"))
    plugin("more-shapes", {"star": "plugged_stars", "comet": "plugged_stars"}, f"{star()}; {star('comet')}")
    for _ in range(2):  # the order does not depend on what was asked for
        assert shapes.names() == ("square", "circle", "comet", "star", "stripe")
        assert "stripe" in shapes
        assert "plugged_zebra" not in sys.modules
        assert shapes["star"] == "pointed"
    assert shapes.all()["comet"] == "pointed"
    assert tuple(shapes.all()) == shapes.names()


def test_a_package_that_raises_breaks_its_own_name_alone(
    shapes: Registry[str], plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    plugin("more-shapes", {"star": "plugged_stars"}, "import no_such_thing")
    plugin("good-shapes", {"comet": "plugged_comet"}, star("comet"))
    with pytest.raises(UnknownNameError) as caught:
        shapes["star"]
    sentence = (
        "The shape 'star' of the package more-shapes cannot be used (ModuleNotFoundError: No module named "
        "'no_such_thing'): update or uninstall that package, or choose another shape."
    )
    assert str(caught.value) == sentence
    assert shapes["circle"] == "round"
    assert shapes["comet"] == "pointed"
    with caplog.at_level(logging.WARNING):
        assert tuple(shapes.all()) == ("square", "circle", "comet")
    assert [record.message for record in caplog.records] == [sentence]


def test_a_package_that_registers_another_name_than_it_offers(shapes: Registry[str], plugin: Plugin) -> None:
    plugin("more-shapes", {"star": "plugged_stars"}, star("start"))
    with pytest.raises(
        UnknownNameError, match=r"'star' of the package more-shapes .*: plugged_stars registers no shape"
    ):
        shapes["star"]


def test_two_packages_of_one_name_are_both_refused(shapes: Registry[str], plugin: Plugin) -> None:
    plugin("more-shapes", {"star": "plugged_one"}, star())
    plugin("even-more", {"star": "plugged_two"}, star())
    with pytest.raises(
        UnknownNameError,
        match=r"'star' of the packages even-more and more-shapes cannot be used: two packages .* uninstall",
    ):
        shapes["star"]
    assert not {"plugged_one", "plugged_two"} & set(sys.modules)
    assert tuple(shapes.all()) == ("square", "circle")


def test_a_package_cannot_take_a_name_of_euinet_s_own(
    shapes: Registry[str], plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    plugin("more-shapes", {"circle": "plugged_circle", "star": "plugged_star"}, f"{star()}; {star('circle')}")
    with caplog.at_level(logging.WARNING):
        assert shapes.names() == shapes.names() == ("square", "circle", "star")
    assert [record.message for record in caplog.records] == [
        "The shape 'circle' of the package more-shapes is left out: it is a name of EuiNet's own."
    ]
    for _ in range(2):
        with pytest.raises(
            UnknownNameError, match=r"a shape 'circle' already, in euinet\.shapes: give that of plugged"
        ):
            shapes["star"]
    assert shapes["circle"] == "round"


def test_a_module_may_replace_its_own_entry_and_no_other(shapes: Registry[str]) -> None:
    shapes.add("star", "pointed", "__main__")
    shapes.add("star", "five points", "__main__")  # a notebook's cell, run again
    assert shapes["star"] == "five points"
    with pytest.raises(UsageError, match=r"a shape 'star' already, in __main__: give that of mine another"):
        shapes.add("star", "six points", "mine")
    assert shapes["star"] == "five points"


@pytest.mark.parametrize("name", ["", " star", "star,comet"])
def test_a_name_that_could_not_be_asked_for_is_refused(shapes: Registry[str], name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a shape"):
        shapes.add(name, "pointed", "mine")


def test_a_family_answers_for_every_name_that_begins_with_it(shapes: Registry[str], plugin: Plugin) -> None:
    shapes.add("gon/", "n sides", OWN)
    plugin("more-shapes", {"star/": "plugged_stars"}, star("star/"))
    assert shapes["gon/7"] == shapes["gon/7/8"] == "n sides"
    assert "star/5" in shapes
    assert shapes["star/5"] == "pointed"
    for name in ("gon", "hexagon/7", "/gon/7"):
        assert name not in shapes
        with pytest.raises(UnknownNameError):
            shapes[name]
