"""The judge of a certificate: `python -I -S judge.py`, run from the hashed copy in a box.

It reads what to do as JSON from its input and writes what it found as JSON to its output. The specs
run in forks of it; each asks a worker of its own. It ends all that it started.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":  # the copy alone: no site-packages, no PYTHONPATH
    BOX = Path(__file__).resolve().parents[4]
    sys.path[:0] = [f"{BOX}/suite/src", f"{BOX}/suite/spec_tests"]
    sys.path += [f"{BOX}/packages", f"{BOX}/judge"]

from tito.certificate.confine import confined
from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Kata, load
from tito.run import runner
from tito.run.engine import UNRAISED, Job
from tito.run.outcome import Verdict

OPTIONS = ("-c", "pyproject.toml", "-o", "pythonpath=spec_tests", "-p", "support.remote")
WORKERS = ("numpy.random", "numpy.linalg", "numpy.fft", "ctypes", "pickle", "resource", "tempfile")
KATA_SECONDS = 5.0  # for each test; a call has a limit of its own
DEATH_SIGNAL, SUBREAPER = 1, 36  # of Linux's prctl


def judge(box: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Run the specs of some katas; returns tests and seconds by kata, the problem, the layers."""
    for name in WORKERS:
        importlib.import_module(name)  # compiled once, for every worker; the suite is not
    sys.dont_write_bytecode = True
    katas = [load().kata(number) for number in task["katas"]]
    found: dict[str, Any] = {"tests": {}, "seconds": {}, "problem": "", "confinement": ""}
    command, found["confinement"] = confined(box, task["layers"])
    jobs = [_job(kata, box, command, task) for kata in katas]
    several = (os.cpu_count() or 1) + 1  # a verdict waits while its worker computes
    for kata, verdict in zip(katas, runner.run(jobs, several), strict=True):
        found["tests"][kata.id] = len(verdict.passed)
        found["seconds"][kata.id] = round(verdict.seconds, 3)
        found["problem"] = found["problem"] or judged(kata, verdict)
    return found


def _job(kata: Kata, box: Path, command: list[str], task: dict[str, Any]) -> Job:
    """One kata's spec in a process of its own, with a worker of its own."""
    files = f"--basetemp={box}/judged/{kata.id}"
    worker = ("--worker", json.dumps([str(box), *command]))
    options = (*OPTIONS, *UNRAISED, files, *worker)
    environment = {"TINYTORCH_SEED": str(task["seed"])}
    seconds = task["seconds"] or KATA_SECONDS * kata.tests
    specs = runner.spec_paths(kata.specs)
    return Job(box / "learner", specs, (), True, options, environment, seconds)


def judged(kata: Kata, verdict: Verdict) -> str:
    """What keeps a kata from being certified: anything but every test of the manifest, passed."""
    files = {str(spec.relative_to(ROOT / "spec_tests")) for spec in kata.specs}
    for test in verdict.tests:
        if test.status != "passed" or test.id.partition("::")[0] not in files:
            return f"{test.id} {test.status}\n{test.message}"
    if verdict.problem:
        return f"kata {kata.id}: {verdict.problem}\n{verdict.output[-2000:]}"
    if len(verdict.tests) != kata.tests:
        return f"kata {kata.id}: {len(verdict.tests)} tests ran, the manifest says {kata.tests}"
    return ""


def _own() -> None:
    """End with the process that asked, and own whatever is started from here (on Linux)."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(SUBREAPER, 1, 0, 0, 0)
        libc.prctl(DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, _stopped)


def _stopped(number: int, frame: Any) -> NoReturn:
    end_children()
    os._exit(128 + number)


def end_children() -> None:
    """End all that was started here, directly or not: the orphans of children are ours (on Linux)."""
    while pids := [pid for pid in _processes() if _parent(pid) == os.getpid()]:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _processes() -> list[int]:
    return [int(n) for n in os.listdir("/proc") if n.isdigit()] if os.path.isdir("/proc") else []


def _parent(pid: int) -> int:
    """The parent of a process; 0 if it is gone."""
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1]
        )
    except (OSError, IndexError):
        return 0


def main() -> None:
    _own()
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed on the way is no answer
    try:
        found = judge(BOX, json.load(sys.stdin))
    except (Refusal, OSError) as error:
        found = {"problem": str(error)}
    finally:
        end_children()
    json.dump(found, output)
    output.flush()


if __name__ == "__main__":
    main()
