"""Run specs on implementations, many of them, from one warm process.

NumPy, pytest and Hypothesis are imported once; each run is a fork that imports the implementation,
runs the specs and writes every test's outcome to a file. A verdict is read from that file only: a
run that ends early, however it ends, has no verdict.
"""

from __future__ import annotations

import contextlib
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
from typing import Any

from tito.manifest import ROOT

WARM = (
    "numpy",
    "pytest",
    "hypothesis",
    "hypothesis.strategies",
    "hypothesis.internal.conjecture.engine",
    "hypothesis.internal.conjecture.shrinker",
    "_hypothesis_pytestplugin",
    "pytest_timeout",
)
OUTPUT_BYTES = 1 << 18  # read of what a run printed: a flood is cut
ALONE = ("--disable-plugin-autoload", "-p", "hypothesispytest", "-p", "timeout")  # no other plugin
QUIET = (*ALONE, "-q", "-p", "no:cacheprovider", "--no-header", "--tb=native")  # the cheapest one
UNRAISED = ("-p", "no:unraisableexception")  # left out of runs in a hurry: it collects garbage


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
        collected: how many tests there are, also those after a first failure.
    """

    tests: dict[str, dict[str, Any]]
    problem: str
    output: str
    seconds: float
    collected: int = 0

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


def verdicts(jobs: Sequence[Job]) -> Iterator[Verdict]:
    """Run jobs the fastest way there is on this system, and give their verdicts in order."""
    return run(jobs) if hasattr(os, "fork") else map(run_once, jobs)


def run(jobs: Sequence[Job], workers: int = 0) -> Iterator[Verdict]:
    """Run jobs, as many at once as there are processors, and give their verdicts in order."""
    waiting = list(enumerate(jobs))[::-1]
    running: dict[int, tuple[int, Path, float]] = {}
    done: dict[int, Verdict] = {}
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch, _ending(running):
        for turn in range(len(jobs)):
            while turn not in done:
                while waiting and len(running) < (workers or os.cpu_count() or 1):
                    index, job = waiting.pop()
                    folder = Path(scratch) / str(index)
                    folder.mkdir()
                    running[_start(job, folder)] = (index, folder, time.monotonic())
                done |= _collect(running, jobs)
            yield done.pop(turn)


@contextlib.contextmanager
def _ending(running: dict[int, tuple[int, Path, float]]) -> Iterator[None]:
    """No run outlives this process's interest in it, such as after Ctrl-C."""
    try:
        yield
    finally:
        for pid in running:
            _kill(pid)
            os.waitpid(pid, 0)


def _kill(pid: int) -> None:
    """End a run and what it started; a very young one has no group of its own yet."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            end(pid, signal.SIGKILL)


def _collect(
    running: dict[int, tuple[int, Path, float]], jobs: Sequence[Job]
) -> Iterator[tuple[int, Verdict]]:
    """The verdicts of the runs that have ended since the last look."""
    found = []
    for pid, (index, folder, started) in list(running.items()):
        late = time.monotonic() - started > jobs[index].seconds
        if late:
            _kill(pid)
        ended, status = os.waitpid(pid, 0 if late else os.WNOHANG)
        if ended:
            del running[pid]
            code = None if late else os.waitstatus_to_exitcode(status)
            found.append((index, _verdict(folder, time.monotonic() - started, code)))
    if not found:
        time.sleep(0.005)
    return iter(found)


def _start(job: Job, folder: Path) -> int:
    """Start one run in a fork of this process."""
    for name in WARM:
        importlib.import_module(name)
    sys.stdout.flush()
    (folder / "output").touch()
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
        for name in [n for n in sys.modules if n.partition(".")[0] in ("tinytorch", "support")]:
            del sys.modules[name]  # a run imports its own, whatever this process has seen
        import pytest

        code = int(pytest.main(_arguments(job, folder)))
        sys.stdout.flush()
    finally:
        os._exit(code)


def run_once(job: Job) -> Verdict:
    """One run in a process of its own: works on every system, and shows nothing until it ends."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        folder, started = Path(scratch), time.monotonic()
        command = [sys.executable, "-P", "-m", "pytest", *_arguments(job, folder)]
        environment, code = os.environ | job.environment, None
        with (
            (folder / "output").open("wb") as output,
            contextlib.suppress(subprocess.TimeoutExpired),
        ):
            code = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                timeout=job.seconds,
                check=False,
            ).returncode
        return _verdict(folder, time.monotonic() - started, code)


def _arguments(job: Job, folder: Path) -> list[str]:
    where = [f"--impl={job.impl}", f"--results={folder / 'results'}"]
    return [*QUIET, *where, *job.options, *job.specs]


def _verdict(folder: Path, seconds: float, code: int | None) -> Verdict:
    """Read what a run left behind; `code` is how its process ended, None by the time limit."""
    with (folder / "output").open("rb") as stream:
        output = stream.read(OUTPUT_BYTES).decode(errors="replace")
    try:
        report = json.loads((folder / "results").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Verdict({}, _untimely(folder, seconds, code), output, seconds)
    tests = {name.removeprefix("spec_tests/"): test for name, test in report["tests"].items()}
    last = "".join(output.strip().splitlines()[-1:])  # pytest's own reason
    problem = "" if report["collected"] else f"no test was collected: {last}"
    return Verdict(tests, problem, output, seconds, report["collected"])


def _untimely(folder: Path, seconds: float, code: int | None) -> str:
    """How and where a run ended that left no report."""
    how = f"Python ended with code {code} before the last test (os._exit?)"
    if code is None:
        how = f"the run was ended after {seconds:.0f} s: code that never returns"
    elif code < 0:
        how = f"Python was ended by {signal.Signals(-code).name}"
    running = folder / "results.running"
    where = running.read_text(encoding="utf-8") if running.is_file() else "collection"
    return f"{how}\n  in {where}"


def spec_paths(specs: Iterable[Path]) -> tuple[str, ...]:
    """Spec files as pytest arguments, relative to the repository."""
    return tuple(str(s.relative_to(ROOT)) for s in specs)
