"""A learner's tensor.py from before door.py: no code of it runs on two doors, `make door` moves it.

The old file is built from the reference and from what was given then, which `make door` keeps a list
of. It is played with the real katas 01, 05 and 07.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tito.course.doors import KEPT, ONCE, definitions, second_door
from tito.course.manifest import ROOT, load
from tito.course.source import functions
from tito.learner import door

REFERENCE = ROOT / "reference" / "tinytorch"
GIVEN = {name: texts[0] for name, texts in json.loads(door.GIVEN.read_text("utf-8")).items()}
IMPORTS = """from __future__ import annotations

import functools
import inspect
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray
"""
COMMANDS = ["module-02", "test-01", "watch-01", "why-01", "certify-01", "milestone-01", "doctor"]
COMMANDS += ["reflect-01", "hint-01", "status"]


def old_file() -> str:
    """The reference's tensor.py as it was laid out: given code first, the class behind its functions."""
    text = (REFERENCE / "tensor.py").read_text("utf-8")
    text = text.replace("axis_of(", "_axis(").replace("sizes_of(", "_sizes(")
    nodes = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    sources = {n.name: source(text, n) for n in nodes}
    own = sources.pop("Tensor").replace("class Tensor(TensorBase):", "class Tensor:")
    given = [textwrap.indent(t, "    ") for n, t in GIVEN.items() if n.startswith("Tensor.")]
    shared = [t for n, t in GIVEN.items() if "." not in n]
    return "\n\n\n".join(
        [
            IMPORTS,
            door.HEADING + " ----",
            *shared,
            *sources.values(),
            "\n\n".join([own, *given]),
            "",
        ]
    )


def source(text: str, node: ast.stmt) -> str:
    first, last = door._span(node)
    return "\n".join(text.split("\n")[first - 1 : last])


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A learner's folder from before: the reference's other files, an old tensor.py, no door.py."""
    shutil.copytree(REFERENCE, tmp_path / "tinytorch", ignore=shutil.ignore_patterns("__pyc*"))
    (tmp_path / "tinytorch" / "door.py").unlink()
    (tmp_path / "tinytorch" / "tensor.py").write_text(old_file(), encoding="utf-8")
    later = tmp_path / "tinytorch" / "autograd.py"  # asked tensor.py for all of these then
    text = later.read_text("utf-8").replace(
        "from tinytorch.door import", "from tinytorch.tensor import"
    )
    later.write_text(text, encoding="utf-8")
    return tmp_path


def tito(package: Path, *arguments: str) -> tuple[int, str]:
    """A command as it is typed; code and everything it prints."""
    command = [sys.executable, "-P", "-m", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"IMPL": str(package), "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def tensor(package: Path) -> str:
    return (package / "tinytorch" / "tensor.py").read_text("utf-8")


def edit(package: Path, *changes: tuple[str, str]) -> None:
    text = tensor(package)
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (package / "tinytorch" / "tensor.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_runs_on_two_doors(package: Path, name: str) -> None:
    """One refusal: the file, every line, the command that helps; nothing of the learner's runs."""
    edit(package, ("import math\n", "import math\nprint('this ran')\n"))
    code, said = tito(package, "tito", *name.split("-"))
    assert code == 1
    assert f"{package}/tinytorch/tensor.py defines" in said
    lines = tensor(package).splitlines()
    assert f"Note (line {lines.index('class Note:') + 1})" in said
    assert f"grad_mode (line {lines.index('grad_mode = GradMode()') + 1})" in said
    assert "make door" in said
    assert "this ran" not in said
    assert len(said.strip().splitlines()) == 2


def test_plain_pytest_stops_too(package: Path) -> None:
    """pytest without tito, and an editor's: the same two lines, no test runs."""
    code, said = tito(package, "pytest", "-q", "spec_tests/test_01_tensor.py")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "make door" in said
    assert "passed" not in said


def test_after_make_door_all_is_green(package: Path) -> None:
    """Katas 01, 05 and 07 are green on the moved file, which is one refusal before."""
    before = tensor(package)
    code, said = tito(package, "tito", "door")
    assert (code, "make test-01" in said) == (0, True), said
    assert second_door(package) == ""
    assert (package / "tinytorch" / f"tensor.py{KEPT}").read_text("utf-8") == before
    specs = [str(spec) for n in ("01", "05", "07") for spec in load().kata(n).specs]
    code, said = tito(package, "pytest", "-q", *specs)
    assert code == 0, said


def test_a_second_time_changes_nothing(package: Path) -> None:
    """make door can be run again: the file, its copy and the time stamps stay."""
    tito(package, "tito", "door")
    files = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in package.glob("*/*.*")}
    code, said = tito(package, "tito", "door")
    assert (code, "there is one door" in said) == (0, True)
    assert files == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in package.glob("*/*.*")}


def test_no_line_of_the_learners_is_lost(package: Path) -> None:
    """Reordered, annotated, with helpers of one's own: every such line is there afterwards."""
    own = "def my_helper(x: Any) -> Any:\n    return _explained(ValueError('no'), 'mine', [x])\n"
    lines = tensor(package).split("\n\n\n")
    note = next(part for part in lines if part.startswith("class Note"))
    lines.remove(note)
    text = "\n\n\n".join([*lines[:-1], note, own, lines[-1]])
    text = text.replace(
        "        self.saved = saved", "        self.saved = saved  # why not the output?"
    )
    (package / "tinytorch" / "tensor.py").write_text(text, encoding="utf-8")
    tito(package, "tito", "door")
    after = tensor(package)
    assert second_door(package) == ""
    assert "# why not the output?" in after
    assert own in after
    assert "def _explained(" in after  # what a helper calls stays with it
    assert tito(package, "pytest", "-q", "spec_tests/test_01_tensor.py")[0] == 0
    blanks = set(load().kata("01").blanks)
    defined = {name for name, _ in functions(ast.parse(after))}
    assert blanks - defined == set()


def test_changed_given_code_is_shown_and_stays(package: Path) -> None:
    """A changed `primitive` is shown as a diff and stays until the learner deletes it."""
    edit(
        package,
        ('    name = function.__name__.rstrip("_")\n', '    name = function.__name__.strip("_")\n'),
        ("        return bool(self.item())\n", "        return self.item() != 0\n"),
    )
    code, said = tito(package, "tito", "door")
    assert code == 1
    assert '-    name = function.__name__.rstrip("_")' in said
    assert '+    name = function.__name__.strip("_")' in said
    assert "you changed Tensor.__bool__" in said
    assert "delete it" in said
    after = tensor(package)
    assert '.strip("_")' in after
    assert "return self.item() != 0" in after
    assert "primitive (line" in second_door(package)
    node = next(
        n for _, n in definitions(ast.parse(after)) if getattr(n, "name", "") == "primitive"
    )
    (package / "tinytorch" / "tensor.py").write_text(
        after.replace(source(after, node), ""), "utf-8"
    )
    assert tito(package, "pytest", "-q", "spec_tests/test_01_tensor.py")[0] == 0


def test_windows_line_ends_stay(package: Path) -> None:
    """A file with CR LF has CR LF in every line afterwards."""
    path = package / "tinytorch" / "tensor.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    tito(package, "tito", "door")
    content = path.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n")
    assert second_door(package) == ""


def test_an_earlier_copy_is_kept(package: Path) -> None:
    """A copy that is there already is never overwritten."""
    path = package / "tinytorch" / f"tensor.py{KEPT}"
    path.write_text("precious")
    tito(package, "tito", "door")
    assert path.read_text() == "precious"
    assert path.with_name(f"{path.name}-2").is_file()


@pytest.mark.parametrize("text", ["def primitive(:\n", "Note = 1; grad_mode = 2\n"])
def test_what_cannot_be_moved_is_left_alone(package: Path, text: str) -> None:
    """Code that Python cannot read, or statements that share a line: nothing is changed."""
    path = package / "tinytorch" / "tensor.py"
    path.write_text(text)
    code, said = tito(package, "tito", "door")
    assert (code, "Traceback" in said) == (1, False)
    assert text in path.read_text()


def test_every_version_that_was_given_is_known() -> None:
    """The list of given code reads as Python, and what may exist once is on it."""
    for name, texts in json.loads(door.GIVEN.read_text("utf-8")).items():
        assert [len(ast.parse(text).body) for text in texts] == [1] * len(texts), name
    assert set(GIVEN) >= ONCE
