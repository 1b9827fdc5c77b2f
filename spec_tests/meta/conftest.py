"""Fixtures of the tests of the tool."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from small_course import Course, build

from tito.course.manifest import REFERENCE


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    """The reference, which stays importable as `tinytorch` for the tests of a module."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(REFERENCE))
        yield importlib.import_module("tinytorch")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course as it is before a learner comes, with its bytecode."""
    course = build(tmp_path_factory.mktemp("small") / "a small course")
    course.tito("test", "01", IMPL="reference")  # compiles the suite once for all copies
    for left in (".tito", "runs"):
        shutil.rmtree(course.root / left, ignore_errors=True)
    return course.root


@pytest.fixture
def course(template: Path, tmp_path: Path) -> Course:
    """A small course of this test's own."""
    return Course(Path(shutil.copytree(template, tmp_path / "a small course")))
