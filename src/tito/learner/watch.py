"""`tito watch`: a verdict on every save.

The tests are collected once and the watching process never imports a learner's file: each save is a
run of its own, and a save during a run ends that run. While a test is red a save runs that test
alone; once it passes, the whole kata. Files are polled: that works where no file events arrive.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from tito.course.ending import told
from tito.course.files import demand_unlocked, implementation, short
from tito.course.manifest import ROOT, Kata, Manifest, load
from tito.course.source import unreadable
from tito.course.terminal import paint
from tito.learner.summary import closing, cut
from tito.run import standing
from tito.run.engine import Begin, Process, collect
from tito.run.outcome import Verdict
from tito.run.runner import read

POLL, POLL_RUNNING = 0.03, 0.005  # seconds between two looks
LIMIT = 120.0  # seconds for a run; an endless loop fails its test long before
CLEAR = "\x1b[2J\x1b[H"  # what was there stays, above
SPECS = ROOT / "spec_tests"


class Watch:
    """One kata, what was last seen of its files, and the run that this asked for."""

    def __init__(self, manifest: Manifest, kata: Kata, scratch: Path) -> None:
        self.manifest, self.kata, self.impl = manifest, kata, implementation()
        self.scratch = self.folder = scratch
        self.process: Process | None = None
        self.red = self.asked = self.key = ""  # tests: the first that failed, the one asked for
        self.saved = 0.0

    def loop(self, begin: Begin) -> None:
        """Look, again and again, until the suite itself has changed."""
        suite, seen = (SPECS / "support", *self.kata.suite), {"": 0}
        collected = stamps(*suite)
        try:
            while stamps(*suite) == collected:
                now = stamps(self.impl / "tinytorch")
                if now != seen:
                    seen, self.saved = now, time.monotonic()
                    self.start(begin, self.red)
                elif self.process and (verdict := self.verdict(self.process.poll())):
                    if self.asked and not verdict.failed:
                        self.start(begin, "")  # it passes: on to all tests
                    else:
                        self.tell(verdict)
                time.sleep(POLL_RUNNING if self.process else POLL)
        finally:
            self.drop()

    def start(self, begin: Begin, test: str) -> None:
        """A new run, of one test or of all, in place of the one that is under way."""
        self.drop()
        file = self.kata.file(self.impl)
        try:
            trouble = unreadable(file)
            self.asked, self.key = test, standing.key(self.manifest, self.kata, self.impl)
        except OSError:  # perhaps only in the middle of a save
            trouble = f"{short(file)} is gone: make module-{self.kata.id}"
        if trouble:
            self.show(trouble)
        else:
            self.folder = Path(mkdtemp(dir=self.scratch))
            job = standing.job(self.kata, self.impl)
            self.process = begin(replace(job, tests=(test,) * bool(test)), self.folder)

    def verdict(self, code: int | None) -> Verdict | None:
        """What the run found, once it has ended; too long a run is ended here."""
        seconds = time.monotonic() - self.saved
        if code is None and seconds < LIMIT:
            return None
        self.drop()
        return read(self.folder, seconds, code)

    def drop(self) -> None:
        """End the run, if there is one."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def tell(self, verdict: Verdict) -> None:
        """The first failure, or what is proved."""
        result = standing.judge(self.kata, verdict)
        self.red, last = result.test.partition("::")[2], f"work on {result.clause}"
        if not self.asked:
            standing.keep(self.key, result)
            last = closing(self.manifest, self.kata, result, verdict).strip("\n")
        screens = [cut(test.message) + "\n" for test in verdict.failed]
        self.show("\n".join([*screens, last]))

    def show(self, text: str) -> None:
        taken = f"{time.strftime('%H:%M:%S')} · {time.monotonic() - self.saved:.2f} s after a save"
        head = paint(f"kata {self.kata.id} · {self.kata.title} · {taken}", "bold")
        top = CLEAR if sys.stdout.isatty() else ""
        print(f"{top}{head}\n\n{text}\n\nwatching; Ctrl-C ends", flush=True)


def stamps(*places: Path) -> dict[str, int]:
    """When some files, and the Python files of some folders, were last written, in nanoseconds."""
    with contextlib.suppress(OSError):  # one is gone in the middle of a save: soon there is more
        files = [p for place in places for p in (place, *place.rglob("*.py")) if p.is_file()]
        return {str(p): p.stat().st_mtime_ns for p in files}
    return {}


def watch(manifest: Manifest, number: str) -> int:
    """Watch one kata until Ctrl-C; 130, as for every program that a signal ends."""
    kata = manifest.kata(number)
    demand_unlocked(manifest, kata, implementation())
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        with TemporaryDirectory(prefix="tito-") as scratch:
            seen = Watch(manifest, kata, Path(scratch))
            collect(standing.job(kata, seen.impl), seen.loop)
    except KeyboardInterrupt:
        print("\r" * sys.stdout.isatty() + f"the watch has ended; again: make watch-{kata.id}")
        return 130
    os.environ["PYTHONPATH"] = str(ROOT / "src")  # the suite has changed: collect it anew
    os.execv(sys.executable, [sys.executable, "-P", "-m", "tito.learner.watch", kata.id])


if __name__ == "__main__":
    sys.exit(told(lambda: watch(load(), sys.argv[1])))
