"""What judges a kata is hashed and copied, whatever folder it lies in."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_course import Course, in_a_folder

from tito.certificate import copies
from tito.course.manifest import ROOT, Kata, load

ENDINGS = (".py", "/__init__.py")  # a module is a file or a package


def needed(kata: Kata) -> Iterator[str]:
    """The files of a kata's spec and the modules of the course that they import."""
    for path in kata.suite:
        yield path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
                yield from filter(None, map(file_of, modules))


def file_of(module: str | None) -> str:
    """The file of a module of the suite or of the tool, or nothing: it is another's."""
    places = [Path(top, *f"{module}".split(".")) for top in ("spec_tests", "src")]
    files = [Path(f"{place}{ending}") for place in places for ending in ENDINGS]
    return next((file.as_posix() for file in files if (ROOT / file).is_file()), "")


@pytest.mark.parametrize("kata", load().katas, ids=lambda kata: kata.id)
def test_all_that_judges_a_kata_is_copied(kata: Kata) -> None:
    names = set(needed(kata))
    assert {"spec_tests/support/asserts.py", kata.specs[0].relative_to(ROOT).as_posix()} < names
    assert names <= set(copies._names())


def test_tests_of_the_tool_judge_nobody() -> None:
    assert not [name for name in copies._names() if name.startswith("spec_tests/meta")]


@pytest.mark.skipif(os.name != "posix", reason="a certificate needs Linux or macOS")
def test_a_spec_in_a_folder_is_certified(course: Course) -> None:
    """Every test of its files is counted; what they share is a part of what is hashed."""
    folder = in_a_folder(course)
    before = course.tito("certify", "01", IMPL="reference").text
    assert before.startswith("Certificate for kata 01 and all before it\n  kata 01: 3 tests passed")
    (folder / "numbers.py").write_text("import numpy as np\n\nX = np.array([2.0, -1.0, 0.25])\n")
    after = course.tito("certify", "01", IMPL="reference").text
    assert after.startswith("Certificate")
    assert after.partition("suite ")[2][:64] != before.partition("suite ")[2][:64]


@pytest.mark.skipif(os.name != "posix", reason="a certificate needs Linux or macOS")
def test_a_folder_that_is_no_spec_hides_none(course: Course) -> None:
    """A folder beside the spec of its name, with a test that always passes."""
    folder = course.root / "spec_tests" / "test_01_doubling"
    folder.mkdir()
    (folder / "test_01_twice.py").write_text("def test_ok():\n    pass\n")
    said = course.tito("certify", "01", IMPL="reference").text
    assert "spec_tests/test_01_doubling/ hides spec_tests/test_01_doubling.py" in said
