"""Run specs on implementations, many of them, from one warm process.

NumPy, pytest and Hypothesis are imported once; each run is a fork that imports the implementation,
runs the specs and writes every test's outcome to a file. A verdict is read from that file only: a
run that ends early, however it ends, has no verdict.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tito.manifest import ROOT

WARM = ("numpy", "pytest", "hypothesis", "hypothesis.strategies", "hypothesis.internal.conjecture.engine", "hypothesis.internal.conjecture.shrinker", "_hypothesis_pytestplugin", "pytest_timeout")
QUIET = ("-q", "-p", "no:cacheprovider", "--no-header")


@dataclass(frozen=True)
class Job:
    """One run: an implementation and what to run on it.

    Attributes:
        impl: the folder that holds the tinytorch package.
        specs: spec files (or test ids).
        options: further options of pytest, such as "-x".
        environment: variables set for this run.
        seconds: after this long the run is ended without a verdict.
    """

    impl: Path
    specs: tuple[str, ...]
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float = 300.0


@dataclass(frozen=True)
class Verdict:
    """What a run found.

    Attributes:
        tests: outcome, clause and message by test id, such as "test_05_autograd.py::test_x[add]",
            in the order in which they ran.
        problem: why there is no verdict at all, or "".
        output: what pytest printed.
        seconds: how long it took.
    """

    tests: dict[str, dict[str, str]]
    problem: str
    output: str
    seconds: float

    @property
    def failed(self) -> list[str]:
        return [name for name, test in self.tests.items() if test["outcome"] == "failed"]

    @property
    def passed(self) -> list[str]:
        return [name for name, test in self.tests.items() if test["outcome"] == "passed"]

    @property
    def green(self) -> bool:
        """Everything ran and passed; nothing was skipped."""
        return not self.problem and bool(self.tests) and len(self.passed) == len(self.tests)


def run(jobs: Sequence[Job], workers: int = 0) -> Iterator[Verdict]:
    """Run jobs, as many at once as there are processors, and give their verdicts in order."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        waiting = list(enumerate(jobs))[::-1]
        running: dict[int, tuple[int, Path, float]] = {}
        done: dict[int, Verdict] = {}
        for turn in range(len(jobs)):
            while turn not in done:
                while waiting and len(running) < (workers or os.cpu_count() or 1):
                    index, job = waiting.pop()
                    folder = Path(scratch) / str(index)
                    folder.mkdir()
                    running[_start(job, folder)] = (index, folder, time.monotonic())
                done |= _collect(running, jobs)
            yield done.pop(turn)


def _collect(running: dict[int, tuple[int, Path, float]], jobs: Sequence[Job]) -> Iterator[tuple[int, Verdict]]:
    """The verdicts of the runs that have ended since the last look."""
    found = []
    for pid, (index, folder, started) in list(running.items()):
        late = time.monotonic() - started > jobs[index].seconds
        if late:
            os.killpg(pid, signal.SIGKILL)
        if os.waitpid(pid, 0 if late else os.WNOHANG)[0]:
            del running[pid]
            found.append((index, _verdict(folder, time.monotonic() - started, "ended by the time limit" if late else "")))
    if not found:
        time.sleep(0.005)
    return iter(found)


def _start(job: Job, folder: Path) -> int:
    """Start one run in a fork of this process."""
    for name in WARM:
        importlib.import_module(name)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        with (folder / "output").open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ.update(job.environment)
        os.chdir(ROOT)
        sys.dont_write_bytecode = True
        import pytest

        code = int(pytest.main([*QUIET, f"--impl={job.impl}", f"--results={folder / 'results'}", *job.options, *job.specs]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def run_once(job: Job) -> Verdict:
    """One run in a process of its own: works on every system, and shows nothing until it ends."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        folder, started = Path(scratch), time.monotonic()
        command = [sys.executable, "-m", "pytest", *QUIET, f"--impl={job.impl}", f"--results={folder / 'results'}", *job.options, *job.specs]
        try:
            done = subprocess.run(command, cwd=ROOT, env=os.environ | job.environment, capture_output=True, timeout=job.seconds, check=False)
            problem = ""
            (folder / "output").write_bytes(done.stdout + done.stderr)
        except subprocess.TimeoutExpired:
            problem = "ended by the time limit"
        return _verdict(folder, time.monotonic() - started, problem)


def _verdict(folder: Path, seconds: float, problem: str) -> Verdict:
    """Read what a run left behind."""
    output = (folder / "output").read_text(errors="replace") if (folder / "output").is_file() else ""
    try:
        report = json.loads((folder / "results").read_text())
    except (OSError, ValueError):
        return Verdict({}, problem or "the run ended without a report", output, seconds)
    tests = {name.removeprefix("spec_tests/"): test for name, test in report["tests"].items()}
    if report["collected"] == 0:
        problem = problem or "no test was collected"
    return Verdict(tests, problem, output, seconds)


def spec_paths(specs: Iterable[Path]) -> tuple[str, ...]:
    """Spec files as pytest arguments, relative to the repository."""
    return tuple(str(s.relative_to(ROOT)) for s in specs)
