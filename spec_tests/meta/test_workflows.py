"""The workflows, and the job of a fork: what it runs, says and writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from small_course import MILESTONE, Course

from tito.cli import app
from tito.course.manifest import ROOT
from tito.maintainer.verify import CHECK, STEPS

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
COMMAND = re.compile(r"(?:python bootstrap\.py (?:--numpy [\d.]+ )?|make )([a-z-]+)")
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def faults(text: str) -> list[str]:
    """Actions that are not pinned, permissions beyond reading, logic that is in no command."""
    commands = {command.name for command in app.registered_commands}
    found = []
    for line in map(str.strip, text.splitlines()):
        key, _, value = line.removeprefix("- ").partition(": ")
        command = COMMAND.fullmatch(value)
        if key == "uses" and not PINNED.fullmatch(value):
            found.append(f"not pinned by SHA, with its version: {value}")
        if key == "run" and not (command and command[1] in commands):
            found.append(f"no command of the tool: {value}")
        if value.split(" #")[0] == "write" or value == "write-all" or "secrets." in value:
            found.append(f"more than reading: {line}")
    if not re.search(r"^permissions: \{\}$", text, re.MULTILINE):
        found.append("the workflow's own permissions are not empty")
    if text.count("actions/checkout@") != text.count("persist-credentials: false"):
        found.append("a checkout keeps its credentials")
    return found


@every_workflow
def test_thin_pinned_and_read_only(path: Path) -> None:
    """Actions by SHA, the least permissions, and every step is one command of the tool."""
    assert faults(path.read_text(encoding="utf-8")) == []


def test_faults_are_found() -> None:
    """Each kind of fault, planted."""
    text = (ROOT / ".github" / "workflows" / "katas.yml").read_text(encoding="utf-8")
    for old, new in (
        ("contents: read # to check out", "contents: write"),
        ("permissions: {}", "permissions: read-all"),
        ("persist-credentials: false", "persist-credentials: true"),
        ("python bootstrap.py ci", "python bootstrap.py ci && curl example.org"),
        ("python bootstrap.py ci", "python bootstrap.py nonsense"),
    ):
        assert text.count(old) == 1
        assert len(faults(text.replace(old, new))) == 1, new
    assert len(faults(re.sub("@[0-9a-f]{40}", "@v4", text))) == 3


def test_a_fork_skips_what_is_the_maintainers() -> None:
    """Each of their jobs asks whether this is a fork."""
    text = (ROOT / ".github" / "workflows" / "maintainers.yml").read_text(encoding="utf-8")
    assert text.count("!github.event.repository.fork") == text.count("runs-on:") > 0


def test_workflows_are_linted() -> None:
    """make verify lints every workflow, and tito check asks for no pinned package."""
    assert "zizmor --offline" in STEPS
    for path in WORKFLOWS:
        assert f".github/workflows/{path.name}" in STEPS
    assert {"gate stub", "gate solution", "gate prefix", "meta tests", "milestones"} < CHECK


# ---- the job of a fork ---------------------------------------------------------------------------


def _ci(course: Course, code: int, **settings: str) -> tuple[str, str, dict[str, Any]]:
    """What the log shows, what the summary shows, and results.json."""
    page = course.root / "summary.md"
    page.unlink(missing_ok=True)
    ran = course.tito("ci", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page), **settings)
    assert ran.code == code, ran.text
    found = json.loads((course.root / "runs" / "results.json").read_text())
    return ran.text, page.read_text(), found


def test_nothing_written_yet(course: Course) -> None:
    """A fresh fork: the job is green, the summary says so, the file never says green."""
    log, page, found = _ci(course, 0)
    assert "nothing written yet" in log
    assert page.startswith("nothing written yet")
    assert (found["status"], found["katas"], found["certificate"]) == ("empty", [], None)


def test_green_katas_get_a_certificate_and_their_milestones(course: Course) -> None:
    """The first katas that are green are certified; a red one after them turns the job red."""
    with (course.root / "katas" / "01_doubling" / "kata.toml").open("a") as file:
        file.write(MILESTONE)
    script = "def main():\n    print('one is one')\n    return 0\n"
    (course.root / "milestones").mkdir()
    (course.root / "milestones" / "m01_one.py").write_text(script)
    course.solve("doubling")
    log, page, found = _ci(course, 0)
    assert found["status"] == "green"
    assert (found["certificate"]["kata"], found["certificate"]["granted"]) == ("01", True)
    assert "one is one" in log
    assert "| 01 | Doubling | green, 3 of 3 tests |" in page
    course.write("tripling", "def triple(x): return x\n")
    _, page, found = _ci(course, 1)
    assert (found["status"], found["certificate"]["kata"]) == ("red", "01")
    assert len(found["tests"]) == 5  # every test, also those after a first failure
    assert "| 02 | Tripling | red, 0 of 2 tests |" in page


FORGED = """import os, sys
def double(x):
    seen = [name for name in os.environ if name.startswith(("GITHUB", "RUNNER", "ACTIONS"))]
    print("::error::printed", file=sys.stderr)
    raise ValueError(f"x {seen}\\n::error::forged\\n##[error]forged\\n</pre>\\n\\n# forged <b>")
def half(x): return x / 2
"""


def test_code_cannot_speak_to_the_runner(course: Course) -> None:
    """Its text is heeded by no runner, tags and headings stay text, and it sees no variable."""
    course.write("doubling", FORGED)
    log, page, _ = _ci(course, 1, RUNNER_TEMP="/nowhere")
    lines = log.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert lines[-1] == f"::{token}::"
    assert sum(token in line for line in lines) == 2
    assert "forged" in log
    assert "x []" in log
    assert "forged" in page
    assert not re.search(r"</pre>(?!\n</details>)|<b>|^# forged", page, re.MULTILINE)
    assert _ci(course, 1)[0].splitlines()[0] != lines[0]
