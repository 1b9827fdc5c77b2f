"""`tito verify`: what the maintainers run. One list of steps; each failure names what fixes it."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tito.course.manifest import ROOT

PYTHON = "src/tito reference spec_tests milestones benchmarks conftest.py bootstrap.py"
TESTS = "pytest -q --no-header -p no:cacheprovider --impl=reference"
WORKFLOWS = ".github/workflows/katas.yml .github/workflows/maintainers.yml"
PROGRAMS = ("zizmor",)  # in .venv, and no modules of Python
SHOWN = 40  # lines of a failed step's output
STEPS = f"""
ruff check     | ruff check {PYTHON}                                      | ruff check --fix
ruff format    | ruff format --check -q --output-format concise {PYTHON}                 | ruff format
mypy tool      | mypy src/tito bootstrap.py spec_tests/support/worker.py  | mypy src/tito
mypy reference | mypy reference/tinytorch                                 | mypy reference/tinytorch
workflows      | zizmor --offline --persona auditor --no-progress .github/workflows | see docs/results.md
workflow files | check_jsonschema --builtin-schema vendor.github-workflows {WORKFLOWS} | see docs/results.md
budget         | tito budget                                              | make budget
records        | tito records --check                                     | make records
oracle         | tito oracle --check                                      | make oracle-NN
gate stub      | tito gates --only stub                                   | make gates-NN
gate solution  | tito gates --only solution                               | make gates-NN
gate variants  | tito gates --only variants                               | make gates-NN
gate prefix    | tito gates --only prefix                                 | make gates-NN
gate fresh     | tito gates --only fresh                                  | make gates-NN
gate sample    | tito gates --only sample                                 | make gates-NN
meta tests     | {TESTS} -n 2 spec_tests/meta                             | {TESTS} spec_tests/meta
doctests       | {TESTS} --doctest-modules reference/tinytorch src/tito   | fix the example
milestones     | {TESTS} milestones/test_milestones.py                    | {TESTS} milestones
benchmarks     | tito bench --rounds 2 --only inference                   | make bench
demo           | tito demo                                                | make demo
gate everything | tito gates --only everything                            | make records
gate archive   | tito gates --only archive                                | make gates-NN
gate company   | tito gates --only company                                | make gates-NN
gate seeds     | tito gates --only seeds                                  | make gates-NN
"""
# Too long for every change.
NIGHTLY = {"gate everything", "gate archive", "gate company", "gate seeds"}
SAMPLED = {"gate variants", "gate sample"}  # parts of *everything* and of *seeds*
CHECK = {"gate stub", "gate solution", "gate prefix", "meta tests", "demo", "milestones"}


def verify(every: bool) -> int:
    """Run every step.

    Args:
        every: run every variant, where else a tenth is held against the records, and right answers
            of several katas together and under many seeds.
    """
    left_out = {"demo"} | (SAMPLED if every else NIGHTLY)
    return _prove([step for step in _steps() if step[0] not in left_out])


def check() -> int:
    """Run the steps that need no pinned package, with the versions that are here."""
    print(f"Python {platform.python_version()}, NumPy {version('numpy')}, {platform.system()}")
    os.environ.pop("TINYTORCH_DATA", None)  # the milestones' bundled digits
    os.environ["PYTEST_ADDOPTS"] = "-m 'not pins'"
    return _prove([step for step in _steps() if step[0] in CHECK])


def _steps() -> list[list[str]]:
    """The rows of the table: name, command, what fixes it."""
    return [[part.strip() for part in line.split("|")] for line in STEPS.strip().splitlines()]


def _prove(steps: list[list[str]]) -> int:
    """Run steps, one line each as it ends; the last line counts them."""
    started, failed = time.monotonic(), list[str]()
    for name, command, fix in steps:
        print(f"{name:<16}", end="", flush=True)
        began = time.monotonic()
        code, lines = _run(shlex.split(command))
        print(f"{'FAILED' if code else 'ok':<8}{time.monotonic() - began:6.1f} s", flush=True)
        shown = (
            lines[-SHOWN:] if code else [line for line in lines if line.startswith("|")]
        )  # tables
        print(*[f"    {line}\n" for line in shown], sep="", end="", flush=True)
        if code:
            failed.append(name)
            print(f"    fix: {fix}", *_kept(name, lines), sep="\n    ", end="\n\n", flush=True)
    print(
        f"in {time.monotonic() - started:.0f} s" + f"; failed: {', '.join(failed)}" * bool(failed)
    )
    print(f"{len(steps) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _kept(name: str, lines: list[str]) -> list[str]:
    """Where all lines of a failed step stand, if more than those that were shown."""
    if len(lines) <= SHOWN:
        return []
    path = ROOT / "runs" / f"verify-{name.replace(' ', '-')}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"all {len(lines):,} lines: {path.relative_to(ROOT)}"]


def _run(command: list[str]) -> tuple[int, list[str]]:
    """How a step ended, and the lines that it printed."""
    start = [sys.executable, "-P", "-m"]
    if command[0] in PROGRAMS:
        start, command = [str(Path(sys.executable).with_name(command[0]))], command[1:]
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [*start, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout.strip().splitlines()
