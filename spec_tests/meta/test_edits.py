"""Edits: what is named by text, by definition or as a statement is replaced; what is not there is refused."""

from __future__ import annotations

import pytest

from tito.strength.edits import Edit

TEXT = '''"""A module."""

TABLE = {"a": 1}


@decorated
def twice(x):
    return 2 * x


class Box:
    """A box."""

    @property
    def size(self):
        return 1

    @size.setter
    def size(self, value):
        pass

    def open(self):
        return twice(1)


register(
    twice,
    lambda g: g,
)
register(twice_more, lambda g: g)
'''


def edited(new: str, **place: str) -> list[str]:
    """The lines that an edit puts in, and those that it takes out with a minus before each."""
    after, before = Edit("module.py", new, **place).applied(TEXT).splitlines(), TEXT.splitlines()
    compile("\n".join(after), "module.py", "exec")
    out = [f"-{line}" for line in before if line not in after]
    return [*out, *(line for line in after if line not in before)]


def test_a_function_with_its_decorator() -> None:
    """A definition is given anew from its first decorator to its last line."""
    new = "\ndef helper(x):\n    return x + x\n\ndef twice(x):\n    return helper(x)\n"
    assert edited(new, replace="twice") == [
        "-@decorated",
        "-    return 2 * x",
        "def helper(x):",
        "    return x + x",
        "    return helper(x)",
    ]


def test_a_method_takes_the_indentation_of_its_place() -> None:
    """A method may be written from the margin on; a text that starts with its indent is taken as well."""
    for new in ("def open(self):\n    return 3\n", "    def open(self):\n        return 3\n"):
        assert edited(new, replace="Box.open") == ["-        return twice(1)", "        return 3"]


def test_a_property_and_its_setter_are_one_name() -> None:
    """Both definitions go, and the new one stands where the first stood."""
    took_out = [line for line in edited("size = 5", replace="Box.size") if line[0] == "-"]
    assert "-    @size.setter" in took_out
    assert "-        return 1" in took_out


def test_a_statement_is_known_by_how_it_begins() -> None:
    """How its lines break does not matter; nothing in its place deletes it."""
    assert (
        edited("register(twice, None)", statement="register(twice,")[-1] == "register(twice, None)"
    )
    assert "-register(twice_more, lambda g: g)" in edited("", statement="register(twice_more")
    assert edited("TABLE = {}", statement="TABLE =") == ['-TABLE = {"a": 1}', "TABLE = {}"]


def test_a_whole_file() -> None:
    """Where nothing is named the file is given anew."""
    assert Edit("module.py", "x = 1\n").applied(TEXT) == "x = 1\n"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"old": "lambda g: g"}, "'lambda g: g' stands 2 times"),
        ({"old": "no such text"}, "stands 0 times"),
        ({"replace": "thrice"}, "'thrice' stands 0 times"),
        ({"replace": "Box.close"}, "'Box.close' stands 0 times"),
        ({"replace": "open"}, "'open' stands 0 times"),
        ({"statement": "register("}, "'register(' stands 2 times"),
        ({"old": "return 2 * x"}, "changes nothing"),
    ],
    ids=[
        "text-twice",
        "no-text",
        "no-function",
        "no-method",
        "a-method-alone",
        "statements",
        "same",
    ],
)
def test_what_does_not_apply(place: dict[str, str], says: str) -> None:
    """An edit must mean one place and change it."""
    with pytest.raises(ValueError, match=r"reference/tinytorch/module\.py") as refused:
        Edit("module.py", "return 2 * x", **place).applied(TEXT)
    assert says in str(refused.value)
