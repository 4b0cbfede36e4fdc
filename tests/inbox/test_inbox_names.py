"""Names from strangers: what may be a class's folder, and how a file's name is kept."""

from __future__ import annotations

import pytest

from euinet.errors import UsageError
from euinet.inbox.names import class_name, shown_name


@pytest.mark.parametrize(
    "name", ["0", "zero", "T-shirt or top", "Größe 7", "数", "a.b", "-rf", "$(id)", "x" * 60]
)
def test_what_can_be_a_folder_is_kept(name: str) -> None:
    assert class_name(f"  {name} ") == name


def test_unicode_is_composed_so_that_one_name_is_one_folder() -> None:
    assert class_name("e\u0301te\u0301") == "été"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("x" * 61, "longer than 60"),
        ("../up", "has the sign /"),
        ("a/b", "has the sign /"),
        ("a\\b", r"has the sign \\"),
        ("C:", "has the sign :"),
        ("what?", r"has the sign \?"),
        ("..", "begins or ends with a dot"),
        (".hidden", "begins or ends with a dot"),
        ("end.", "begins or ends with a dot"),
        ("a\nb", "cannot be printed"),
        ("a\x00b", "cannot be printed"),
        ("\x1b[2J", "cannot be printed"),
        ("a\u202eb", "cannot be printed"),
        ("con", "Windows"),
        ("LPT1.png", "Windows"),
        ("train", "a part of the data"),
        ("Test", "a part of the data"),
    ],
)
def test_what_cannot_be_a_folder_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        class_name(name)
    assert "\x1b" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_that_differ_in_case_alone_are_one_folder_on_some_systems() -> None:
    assert class_name("zero", ["zero", "one"]) == "zero"
    with pytest.raises(UsageError, match="There is a class 'zero', and 'Zero' would be the same folder"):
        class_name("Zero", ["zero", "one"])


def test_a_files_name_is_shown_without_its_folders_and_without_what_steers_a_terminal() -> None:
    assert shown_name("/home/me/secret/plan.png") == "plan.png"
    assert shown_name("C:\\Users\\me\\plan.png") == "plan.png"
    assert shown_name("a\x1b[2J\n.png") == "a�[2J�.png"
    assert len(shown_name("x" * 10**6)) == 120
