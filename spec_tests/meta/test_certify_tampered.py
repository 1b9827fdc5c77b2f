"""A tampered checkout: what was changed is seen, refused, or without effect on a certificate."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_course import DOUBLING, Course, Ran

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a certificate needs Linux or macOS")

LAX = "\n".join(f"{name} = lambda *a, **k: None" for name in ("assert_close", "assert_raises"))
PASSING = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        reports = sys.modules.get("_pytest.reports")
        if reports and not getattr(reports, "patched", False):
            reports.patched, genuine = True, reports.TestReport.from_item_and_call
            def passed(item, call):
                report = genuine(item, call)
                report.outcome, report.longrepr = "passed", None
                return report
            reports.TestReport.from_item_and_call = staticmethod(passed)

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def wrong(course: Course) -> Course:
    """A course whose learner has double wrong."""
    course.write("doubling", DOUBLING.replace("return 2 * np.asarray(x)", "return np.asarray(x)"))
    return course


def git(course: Course, *words: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *identity, *words], cwd=course.root, check=True, capture_output=True)


def shadow(course: Course) -> None:
    folder = course.root / "spec_tests" / "support" / "asserts"
    folder.mkdir()
    (folder / "__init__.py").write_text(LAX)


def binary(course: Course) -> None:
    (course.root / "spec_tests" / "support" / "asserts.cpython-311.so").write_bytes(b"x")


def link(course: Course) -> None:
    path = course.root / "spec_tests" / "support" / "more.py"
    path.symlink_to(course.root / "conftest.py")


@pytest.mark.parametrize("plant", [shadow, binary, link])
def test_unknown_files_are_refused(wrong: Course, plant: Callable[[Course], None]) -> None:
    """A package beside a module of its name, a library, a link: named, and nothing is run."""
    plant(wrong)
    ran = wrong.tito("certify", "01")
    assert ran.code == 1
    assert "git status" in ran.text
    assert "asserts" in ran.text or "more.py" in ran.text
    assert "confined by nothing" in ran.text


def test_a_file_that_git_does_not_know_is_refused(course: Course) -> None:
    course.solve("doubling")
    git(course, "init", "-q")
    git(course, "add", "-A")
    git(course, "commit", "-qm", "The course")
    assert "Certificate for kata 01" in course.tito("certify", "01").text
    (course.root / "spec_tests" / "support" / "helper.py").write_text("x = 1\n")
    ran = course.tito("certify", "01")
    assert ran.code == 1
    assert "spec_tests/support/helper.py is not known to the suite" in ran.text


def test_what_differs_from_the_commit_is_said(course: Course) -> None:
    """The commit, how many files differ, and which; without git, that there is none."""
    course.solve("doubling")
    assert "compared with no commit" in course.tito("certify", "01").text
    git(course, "init", "-q")
    git(course, "add", "-A")
    git(course, "commit", "-qm", "The course")
    before = course.tito("certify", "01").text
    assert "as in commit" in before
    course.edit("spec_tests/support/asserts.py", "1e5", "1e30")
    (course.root / "spec_tests" / "test_03_layers.py").unlink()
    after = course.tito("certify", "01").text
    assert "in 2 files: spec_tests/support/asserts.py, spec_tests/test_03_layers.py" in after
    assert digest(before) != digest(after)


def digest(text: str) -> str:
    return text.partition("suite ")[2][:64]


def test_cached_bytecode_is_not_run(wrong: Course) -> None:
    """Bytecode that accepts everything, in the place of the module that compares."""
    source, path = wrong.root / "lax.py", wrong.root / "spec_tests" / "support" / "asserts.py"
    source.write_text(f"{path.read_text(encoding='utf-8')}\n{LAX}\n")
    cached = importlib.util.cache_from_source(str(path))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), cached, invalidation_mode=mode)
    source.unlink()
    assert "kata 01 is green" in wrong.tito("test", "01").text  # the trick is real
    ran = wrong.tito("certify", "01")
    assert ran.code == 1
    assert "test_double_values failed" in ran.text


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py"])
def test_python_path_has_no_effect(wrong: Course, tmp_path: Path, name: str) -> None:
    """Code that Python runs when it starts lets every report pass."""
    (tmp_path / name).write_text(PASSING)
    path = f"{tmp_path}{os.pathsep}{wrong.root / 'src'}"
    ran = wrong.tito("certify", "01", PYTHONPATH=path)
    assert ran.code == 1
    assert "test_double_values failed" in ran.text


def test_first_bwrap_on_the_path_is_not_run(course: Course, tmp_path: Path) -> None:
    course.solve("doubling")
    for name in ("bwrap", "git", "env"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/run-{name}\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    ran = course.tito("certify", "01", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert ran.code == 0, ran.text
    assert not list(tmp_path.glob("run-*"))


def while_it_judges(course: Course, scratch: Path, edit: Callable[[Path], None]) -> Ran:
    """Certify kata 01; another process edits when all is hashed and the judge runs."""
    ended, edited = threading.Event(), threading.Event()

    def wait() -> None:
        while not ended.is_set():
            for box in scratch.glob("tito-box-*"):
                if list((box / "bytecode").glob("*")):
                    edit(box)
                    return edited.set()
            time.sleep(0.01)
        return None

    editor = threading.Thread(target=wait)
    editor.start()
    ran = course.tito("certify", "01", TMPDIR=str(scratch))
    ended.set()
    editor.join()
    assert edited.is_set()
    return ran


def test_a_box_that_is_edited_proves_nothing(course: Course, tmp_path: Path) -> None:
    """Another process puts the right answer into the box, after the wrong one was hashed."""
    course.solve("doubling")

    def edit(box: Path) -> None:
        (box / "learner" / "tinytorch" / "doubling.py").write_text(f"{DOUBLING}\n# another\n")

    ran = while_it_judges(course, tmp_path, edit)
    assert ran.code == 1
    assert "the copied files changed while they ran" in ran.text
    assert list(tmp_path.glob("tito-box-*")) == []


def test_a_spec_that_is_edited_meanwhile_is_not_run(wrong: Course, tmp_path: Path) -> None:
    """Another process empties the spec and its comparisons while they run, and puts them back."""
    honest = wrong.tito("certify", "01")
    spec = wrong.root / "spec_tests" / "test_01_doubling.py"
    asserts = wrong.root / "spec_tests" / "support" / "asserts.py"
    kept = {path: path.read_text(encoding="utf-8") for path in (spec, asserts)}

    def edit(box: Path) -> None:
        spec.write_text("")
        asserts.write_text(f"{kept[asserts]}\n{LAX}\n")

    ran = while_it_judges(wrong, tmp_path, edit)
    for path, text in kept.items():
        path.write_text(text, encoding="utf-8")
    assert ran.code == honest.code == 1
    assert "test_double_values failed" in ran.text
    assert digest(ran.text) == digest(honest.text)


def test_the_reference_is_said_to_be_the_reference(course: Course) -> None:
    """`IMPL=reference` prints whose files they are; a learner's own prints none of it."""
    said = course.tito("certify", "01", IMPL="reference").text
    assert f"files in {course.root}/reference/tinytorch" in said
    assert "this is the reference: nobody's own work is certified" in said
    course.write("doubling", f"{DOUBLING}\n\nMINE = 1\n")
    assert "this is the reference" not in course.tito("certify", "01").text


def test_python_of_another_folder_is_not_read(course: Course, tmp_path: Path) -> None:
    """Modules of the working folder's are no part of what runs."""
    course.solve("doubling")
    for name in ("json", "numpy", "tito"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('read')\n")
    assert course.tito("certify", "01", cwd=tmp_path).code == 0
