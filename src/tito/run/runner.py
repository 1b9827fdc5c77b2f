"""Run many jobs: a few processes, each of which collects a spec once and forks its runs.

Jobs with the same spec and settings share a collection. The verdicts come in the order of the jobs.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.files import write_atomically
from tito.course.manifest import ROOT
from tito.run.engine import Begin, Job, Process, collect, fresh, warm
from tito.run.outcome import Outcome, Verdict

OUTPUT_BYTES = 1 << 18  # read of what a run printed: a flood is cut
SHARE = 25  # jobs that one collection serves at the most: the others can go on beside it
PAUSE = 0.003  # seconds between two looks
Numbered = tuple[int, Job]


def run(jobs: Sequence[Job], workers: int = 0) -> Iterator[Verdict]:
    """Run jobs, as many at once as there are processors; their verdicts in order."""
    if not hasattr(os, "fork"):
        yield from map(run_once, jobs)
        return
    warm()
    workers = workers or os.cpu_count() or 1
    waiting, running = _shares(jobs, workers)[::-1], list[_Share]()
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        try:
            for number in range(len(jobs)):
                folder = Path(scratch) / str(number)
                while not (folder / "ended").is_file():
                    running = [share for share in running if not share.ended()]
                    while waiting and len(running) < workers:
                        running.append(_Share(waiting.pop(), Path(scratch)))
                    time.sleep(PAUSE)
                seconds, code = json.loads((folder / "ended").read_text(encoding="utf-8"))
                yield read(folder, seconds, code)
        finally:
            for share in running:
                share.end()


def _shares(jobs: Sequence[Job], workers: int) -> list[list[Numbered]]:
    """Jobs by the session that they share, in portions, in the order of their first jobs."""
    groups: dict[Any, list[Numbered]] = {}
    for number, job in enumerate(jobs):
        groups.setdefault(job.session, []).append((number, job))
    found = []
    for group in groups.values():
        size = min(SHARE, math.ceil(len(group) / workers))
        found += [group[i : i + size] for i in range(0, len(group), size)]
    return sorted(found, key=lambda share: share[0][0])


class _Share:
    """A process that collects once and then forks the runs of some jobs, one after the other."""

    def __init__(self, jobs: list[Numbered], scratch: Path) -> None:
        self.folders = [scratch / str(number) for number, _ in jobs]
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
                _serve(jobs, scratch)
            finally:
                os._exit(0)

    def ended(self) -> bool:
        """Whether it is gone; a job without a verdict then gets the one that there is none."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        for folder in self.folders if pid else ():
            if not (folder / "ended").exists():
                _settle(folder, 0.0, os.waitstatus_to_exitcode(status))
        return bool(pid)

    def end(self) -> None:
        """End it, and with it the run that is under way."""
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


def _serve(jobs: list[Numbered], scratch: Path) -> None:
    """In the process of a share: run each job, or say why nothing could be collected."""
    _, job = jobs[0]
    os.environ.update(job.environment)
    suite = str(ROOT / "spec_tests")
    for name, module in list(sys.modules.items()):
        place = str(getattr(module, "__file__", ""))
        if name.partition(".")[0] == "tinytorch" or place.startswith(suite):
            del sys.modules[name]  # a run imports its own, whatever this process has seen
    try:
        collect(job, functools.partial(_each, jobs, scratch))
    except Refusal as refusal:
        for number, _ in jobs:
            _settle(scratch / str(number), 0.0, 1, str(refusal))


def _each(jobs: list[Numbered], scratch: Path, begin: Begin) -> None:
    for number, job in jobs:
        folder = scratch / str(number)
        folder.mkdir()
        started, process = time.monotonic(), begin(job, folder)
        signal.signal(signal.SIGTERM, functools.partial(_leave, process))
        while (code := process.poll()) is None and time.monotonic() - started < job.seconds:
            time.sleep(PAUSE)
        process.kill()
        process.wait()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _settle(folder, time.monotonic() - started, code)


def _leave(process: Process, *_: object) -> None:
    """End the run that is under way, and this process."""
    process.kill()
    os._exit(1)


def _settle(folder: Path, seconds: float, code: int | None, said: str = "") -> None:
    """Leave how a run ended beside what it reported."""
    folder.mkdir(exist_ok=True)
    if said:
        (folder / "output").write_text(said, encoding="utf-8")
    write_atomically(folder / "ended", json.dumps([seconds, code]))


def run_once(job: Job) -> Verdict:
    """One run in a process of its own: works on every system."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        started, code = time.monotonic(), None
        with fresh(job, Path(scratch)) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(job.seconds)
            process.kill()
        return read(Path(scratch), time.monotonic() - started, code)


def read(folder: Path, seconds: float, code: int | None) -> Verdict:
    """Read what a run left behind; `code` is how its process ended, None by the time limit."""
    output = ""
    if (folder / "output").is_file():
        with (folder / "output").open("rb") as stream:
            output = stream.read(OUTPUT_BYTES).decode(errors="replace")
    try:
        report = json.loads((folder / "results").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Verdict((), _untimely(folder, seconds, code), output, seconds)
    tests = tuple(_outcome(entry) for entry in report["tests"])
    last = "".join(output.strip().splitlines()[-1:])  # pytest's own reason
    problem = "" if report["collected"] else f"no test was collected: {last}"
    return Verdict(tests, problem, output, seconds, report["collected"], report["selected"])


def _outcome(entry: dict[str, Any]) -> Outcome:
    places = tuple((str(path), int(line)) for path, line in entry.pop("places"))
    return Outcome(places=places, **entry | {"kinds": tuple(entry["kinds"])})


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
