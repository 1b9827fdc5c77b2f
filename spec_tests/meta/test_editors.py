"""What VS Code, PyCharm and CI get to see: every test, at all times, whatever a learner's file holds.

VS Code's own plugin is in no package index, so its command lines are run, with a plugin that notes
what it would send to its test panel; the others are the real ones. No environment is active: the
interpreter is named by its path, as the editors do. The learner has kata 01 with a syntax error, 02
from the reference, and nothing else.
"""

from __future__ import annotations

import importlib.util
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

pytestmark = pytest.mark.pins  # the real clients

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
        seen = {"PYTHONPATH": str(panel), "TEST_RUN_PIPE": str(pipe)} | settings
        said = self.python("-m", "pytest", "-p", "vscode_panel", *arguments, cwd=cwd, **seen)
        assert pipe.is_file(), said
        found: dict[str, Any] = json.loads(pipe.read_text(encoding="utf-8"))
        pipe.unlink()
        return found

    def python(self, *arguments: str, cwd: Path | None = None, **settings: str) -> str:
        """What the interpreter prints when it is started by its path."""
        plain = {"HOME": str(self.root.parent), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.root,
            env=plain | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return done.stdout


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
        assert f"kata {kata.id} is locked" in messages[first[kata.id]]
        assert ": make module-03" in messages[first[kata.id]]  # the one that is not refused


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


def test_pycharm_shows_the_screen(workspace: Workspace) -> None:
    """PyCharm's plugin raises the verbosity: clause, line and next step stand in its tree all the same."""
    said = workspace.python(
        "-m", "pytest", "--teamcity", "-vv", "spec_tests/test_01_tensor.py", "-x"
    )
    [failed] = [line for line in said.splitlines() if "##teamcity[testFailed" in line]
    for piece in ("01.1 ", "your code", "src/tinytorch/tensor.py:4", "make hint-01"):
        assert piece in failed


def test_github_annotates_the_learners_line(workspace: Workspace) -> None:
    """The annotation of a failure stands beside the learner's code."""
    said = workspace.python(
        *("-m", "pytest", "-q", "-x", "spec_tests/test_01_tensor.py"), GITHUB_ACTIONS="true"
    )
    assert "::error file=src/tinytorch/tensor.py,line=4::" in said


def test_other_plugins_load(workspace: Workspace) -> None:
    """Coverage and several processes work as in any project; the order of the clauses stays."""
    spec = "spec_tests/test_02_activations.py"
    said = workspace.python("-m", "pytest", spec, "--impl=reference", "-n", "2", "--cov=tinytorch")
    assert re.search(r"reference/tinytorch/activations.py +\d+ +0 +100%", said), said
    assert re.search(r"\d+ passed", said)
    assert "failed" not in said
    kept = workspace.pytest(workspace.root, "--collect-only", "--disable-plugin-autoload")
    assert workspace.pytest(workspace.root, "--collect-only")["listed"] == kept["listed"]


def test_a_folder_above_is_opened(workspace: Workspace, every_test: list[str]) -> None:
    """Where the fork is a part of what is open, its specs are listed and judged as ever."""
    above, fork = workspace.root.parent, workspace.root.name
    options = ("-p", "no:randomly", f"--rootdir={above}", ".")  # our own options are not read there
    seen = workspace.pytest(above, *options, "-k", "test_construct_from_python or test_03")
    listed = workspace.pytest(above, *options, "--collect-only")["listed"]
    assert listed == [f"{fork}/{name}" for name in every_test]
    assert seen["errors"] == []
    first, *_, last = seen["messages"].values()
    assert first.startswith("01.1 ")
    assert "kata 03 is locked" in last


def test_an_interpreter_without_the_packages(workspace: Workspace, tmp_path: Path) -> None:
    """An editor that has picked another Python, or a fork before `make setup`, is told the command."""
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"):
        found = importlib.util.find_spec(name)
        assert found
        path = Path(str(found.origin))
        path = path.parent if path.name == "__init__.py" else path
        (tmp_path / path.name).symlink_to(path)
    said = workspace.python("-S", "-m", "pytest", "spec_tests", PYTHONPATH=str(tmp_path))
    assert "has no hypothesis" in said
    assert "next: make setup, then choose" in said
    assert f"{workspace.root / '.venv'} as the interpreter of your editor" in said
    assert "Traceback" not in said


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


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  your code   src/tinytorch/tensor.py:48  backward", "48"),
        ("  your code   src/tinytorch/tensor.py:4", "4"),  # of an earlier file, unreadable
        ("  what ran    src/tinytorch/tensor.py:48  backward", "48"),
        ("src/tinytorch/tensor.py:4  Python cannot read this line: invalid syntax", "4"),
        ("src/tinytorch/tensor.py:4  byte 0xe9 is not UTF-8: save the file as UTF-8", "4"),
        ("spec_tests/test_01_tensor.py:48: in test_exp", ""),
        ("  next        make hint-01   ·   again: make test-01", ""),
    ],
)
def test_problem_matcher_finds_the_learners_line(line: str, found: str) -> None:
    """A line that names the learner's code becomes a click, a syntax error's too."""
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    patterns = [t["problemMatcher"]["pattern"] for t in tasks if t["problemMatcher"]]
    assert len(patterns) == 2
    for pattern in patterns:
        match = re.search(pattern["regexp"], line)
        assert (match[pattern["line"]] if match else "") == found
        assert not match or match[pattern["file"]] == "src/tinytorch/tensor.py"


def test_the_screens_lines_are_matched(workspace: Workspace) -> None:
    """What `make test-01` prints for a syntax error is one click."""
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    regexp = tasks[0]["problemMatcher"]["pattern"]["regexp"]
    said = workspace.python(
        "-P", "-m", "tito", "test", "01", PYTHONPATH=str(workspace.root / "src")
    )
    assert len(re.findall(regexp, said, re.MULTILINE)) == 1, said


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
