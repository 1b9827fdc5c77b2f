"""What VS Code and PyCharm get to see: every test, at all times, whatever a learner's file holds.

The editors' own plugins cannot be installed from a package index, so their command lines are run,
with a plugin that notes what VS Code's would send to its test panel. No environment is active: the
interpreter is named by its path, as the editors do. The learner has kata 01 with a syntax error, 02
from the reference, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tito.course.errors import Refusal
from tito.course.manifest import load
from tito.learner.which import which

ROOT = Path(__file__).resolve().parents[2]
KATAS = [kata for kata in load().katas if kata.specs[0].is_file()]
PARTS = ("conftest.py", "pyproject.toml", "katas", "spec_tests", "src", "reference", ".vscode")
PANEL = """
import json, os
seen = {"listed": [], "errors": [], "outcomes": {}, "messages": {}}
def pytest_internalerror(excrepr, excinfo):
    seen["errors"].append(excinfo.exconly())
def pytest_exception_interact(node, call, report):
    if report.when == "collect":
        seen["errors"].append(call.excinfo.exconly())
def pytest_report_teststatus(report, config):
    if report.when == "call" or report.skipped or report.failed:
        seen["outcomes"][report.nodeid] = report.outcome
        seen["messages"][report.nodeid] = report.longreprtext
def pytest_sessionfinish(session, exitstatus):
    seen["listed"] = [item.nodeid for item in session.items]
    seen["exit"] = int(exitstatus)
    with open(os.environ["TEST_RUN_PIPE"], "w") as pipe:
        json.dump(seen, pipe)
"""


@dataclass(frozen=True)
class Workspace:
    """A fork of the course, opened in an editor."""

    root: Path

    def pytest(self, cwd: Path, *arguments: str, **settings: str) -> dict[str, Any]:
        """What the panel gets from `python -m pytest` with these arguments."""
        panel, pipe = self.root.parent / "panel", self.root.parent / "pipe"
        plain = {"HOME": str(self.root.parent), "PATH": "/usr/bin:/bin", "TEST_RUN_PIPE": str(pipe)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "vscode_panel", *arguments],
            cwd=cwd,
            env=plain | {"PYTHONPATH": str(panel)} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert pipe.is_file(), done.stdout
        found: dict[str, Any] = json.loads(pipe.read_text(encoding="utf-8"))
        pipe.unlink()
        return found


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("editor") / "my fork"
    ignored = shutil.ignore_patterns("__pycache__", "meta")
    root.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, root / part)
    package = root / "src" / "tinytorch"
    for path in package.glob("*.py"):
        if path.name != "__init__.py":
            path.unlink()
    (package / "tensor.py").write_text("import numpy as np\n\n\nclass Tensor(:\n")
    shutil.copy(root / "reference" / "tinytorch" / "activations.py", package)
    (root.parent / "panel").mkdir()
    (root.parent / "panel" / "vscode_panel.py").write_text(PANEL)
    return Workspace(root)


@pytest.fixture(scope="module")
def every_test(workspace: Workspace) -> list[str]:
    """All tests, as they are listed where nothing is wrong with any file."""
    listed = workspace.pytest(workspace.root, "--collect-only", "--impl=reference")["listed"]
    assert {name.partition("::")[0] for name in listed} == {
        str(s.relative_to(ROOT)) for kata in KATAS for s in kata.specs
    }
    return list(listed)


def settings() -> dict[str, Any]:
    """.vscode/settings.json, which may have comments."""
    text = (ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return found


@pytest.mark.parametrize("cwd", [".", "katas/01_tensor", ".."], ids=["root", "kata", "above"])
def test_vscode_lists_every_test(workspace: Workspace, every_test: list[str], cwd: str) -> None:
    """Discovery as VS Code runs it: all tests, no error, from any folder that is `testing.cwd`."""
    [folder] = settings()["python.testing.pytestArgs"]
    target = folder if cwd == "." else str(workspace.root / folder)
    rootdir = f"--rootdir={workspace.root}"
    seen = workspace.pytest(workspace.root / cwd, rootdir, "--collect-only", target)
    assert seen["errors"] == []
    assert seen["listed"] == every_test
    assert seen["exit"] == 0


def test_vscode_runs_what_is_picked(workspace: Workspace, every_test: list[str]) -> None:
    """By absolute id, as VS Code passes it: a screen for a broken file, a skip for a locked kata."""
    first = {kata.id: next(n for n in every_test if kata.specs[0].name in n) for kata in KATAS}
    picked = [str(workspace.root / name) for name in first.values()]
    rootdir = f"--rootdir={workspace.root}"
    seen = workspace.pytest(workspace.root, rootdir, *picked)  # without the folders of the settings
    outcomes, messages = seen["outcomes"], seen["messages"]
    assert set(first.values()) <= set(seen["listed"])
    broken = messages[first["01"]]
    assert outcomes[first["01"]] == "failed"
    assert broken.startswith("01.1 ")
    assert "Python cannot read this file: SyntaxError" in broken
    assert "src/tinytorch/tensor.py:4" in broken
    for kata in KATAS[2:]:
        assert outcomes[first[kata.id]] == "skipped"
        assert f"kata {kata.id} is locked: make module-{kata.id}" in messages[first[kata.id]]


def test_pycharm_runs_one_test(workspace: Workspace, every_test: list[str]) -> None:
    """By node id, from the spec's own folder, with the sources on the path, as PyCharm does."""
    name = next(n for n in every_test if "02_activations" in n).removeprefix("spec_tests/")
    paths = [str(workspace.root), str(workspace.root / "src")]
    seen = workspace.pytest(
        workspace.root / "spec_tests",
        *("--no-header", "--no-summary", "-q", "--impl=../reference", name),
        PYTHONPATH=os.pathsep.join([str(workspace.root.parent / "panel"), *paths]),
    )
    assert seen["outcomes"] == {f"spec_tests/{name}": "passed"}
    assert seen["errors"] == []


def test_settings_hide_nothing_that_is_needed() -> None:
    """pytest is on, for the interpreter that bootstrap.py makes; no option that loses tests."""
    found = settings()
    assert found["python.testing.pytestEnabled"] is True
    assert found["python.defaultInterpreterPath"].endswith(".venv/bin/python")
    assert found["python.testing.pytestArgs"] == ["spec_tests"]


def test_codespace_is_ready_to_type_in() -> None:
    """The container has the Python that is required, and sets the course up once."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["image"].endswith("python:3.11")
    assert container["postCreateCommand"] == "python3 bootstrap.py setup"
    assert (ROOT / "bootstrap.py").is_file()
    wanted = json.loads((ROOT / ".vscode" / "extensions.json").read_text())["recommendations"]
    assert container["customizations"]["vscode"]["extensions"] == wanted


def test_tasks_call_make() -> None:
    """Every task is a target of the Makefile, for the kata of the file that is open."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    for task in tasks:
        [(target, number)] = re.findall(r"make ([a-z]+)(-\$n)?", task["command"])
        assert re.search(rf"^{target}{'-%' if number else ''}:", makefile, re.MULTILINE), target
        assert f"bootstrap.py {target}" in task["windows"]["command"]
        assert (".which '${file}'" in task["command"]) == bool(number)


def test_problem_matcher_finds_the_learners_line() -> None:
    """The line of a failure screen that names the learner's code becomes a click."""
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    pattern = tasks[0]["problemMatcher"]["pattern"]
    found = re.search(pattern["regexp"], "  your code   src/tinytorch/tensor.py:48  backward")
    assert found
    assert found.group(pattern["file"]) == "src/tinytorch/tensor.py"
    assert found.group(pattern["line"]) == "48"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("src/tinytorch/activations.py", "02"),
        ("katas/05_autograd/README.md", "05"),
        ("spec_tests/test_01_tensor.py", "01"),
        ("reflections/05.toml", "05"),
        ("README.md", ""),
        ("src/tito/tensor.py", ""),
    ],
    ids=["own", "readme", "spec", "reflections", "none", "tool"],
)
def test_which_kata_a_file_belongs_to(path: str, number: str) -> None:
    """The kata of an open file, or a sentence."""
    if number:
        assert which(load(), ROOT / path) == number
    else:
        with pytest.raises(Refusal, match="belongs to no kata"):
            which(load(), ROOT / path)
