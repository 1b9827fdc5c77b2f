"""`tito watch` as a learner lives with it: saves, blunders, Ctrl-C. Bounded in time, not measured."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from small_course import SETTINGS, Course

PATIENCE = 30  # seconds for one screen, on a machine that does much else
LAST = "watching; Ctrl-C ends"
NO_FORK = "import os; del os.fork; "
GOOD = """import os
from pathlib import Path
import numpy as np

with open({log!r}, "a") as log:
    print(os.getpid(), file=log)


def double(x):
    return 2 * x


def half(x):
    if np.size(x) == 0:
        raise ValueError(f"half needs numbers, got shape {{np.shape(x)}}")
    return x / 2
"""


class Watched:
    """A learner in front of `tito watch 01`; each import of the learner's file notes its process."""

    def __init__(self, course: Course, before: str = "") -> None:
        self.course, self.log = course, course.root / "imported by"
        self.temporary = course.root / "tmp"
        self.temporary.mkdir()
        self.good = GOOD.format(log=str(self.log))
        code = f"{before}from tito.learner import watch; from tito.course.manifest import load; import sys; sys.exit(watch.watch(load(), '1'))"
        environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        paths = {"PYTHONPATH": str(course.root / "src"), "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            cwd=course.root,
            env=environment | paths | {"TINYTORCH_SECONDS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def save(self, text: str) -> None:
        self.course.write("doubling", text)

    def screen(self) -> str:
        """What is shown next."""
        lines, fence = [], Timer(PATIENCE, self.process.kill)
        fence.start()
        assert self.process.stdout
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith(LAST):
                break
        fence.cancel()
        assert lines, "nothing was shown"
        assert lines[-1].startswith(LAST), "".join(lines)
        return "".join(lines)

    def saved(self, text: str) -> str:
        """The screen after a save."""
        self.save(text)
        return self.screen()

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """How it ends on a signal, and what it says then."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said

    def imported_by(self) -> list[int]:
        return [int(n) for n in self.log.read_text().split()] if self.log.is_file() else []


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        with contextlib.suppress(FileNotFoundError):  # another system
            return state.read_text().rpartition(") ")[2][0] != "Z"
        return not state.parent.parent.is_dir()
    return False


def until_imported(watched: Watched) -> int:
    """Wait for a run to be in the middle of the learner's file; returns its process."""
    before, end = len(watched.imported_by()), time.monotonic() + PATIENCE
    while len(watched.imported_by()) == before:
        assert time.monotonic() < end, "no run has begun"
        time.sleep(0.01)
    return watched.imported_by()[-1]


@pytest.fixture
def watched(course: Course) -> Iterator[Watched]:
    course.tito("module", "01")
    learner = Watched(course)
    yield learner
    learner.process.kill()
    learner.process.communicate()


def test_watch_follows_from_red_to_green(watched: Watched) -> None:
    """Each save shows the first clause that fails, with its screen, until all is proved."""
    assert "01.1 double(x) is twice x." in (first := watched.screen())
    assert "not written yet" in first
    wrong = watched.saved(watched.good.replace("2 * x", "3 * x"))
    assert "expected" in wrong
    assert "work on 01.1" in wrong
    half = watched.saved(watched.good.replace("x / 2", "x / 3"))
    assert "01.2 half(x) is half of x." in half
    assert "1 of 3 clauses hold; work on 01.2" in half
    assert "kata 01 is green: 3 clauses, 3 tests" in watched.saved(watched.good)
    assert watched.process.pid not in watched.imported_by()


def test_watch_survives_what_a_file_can_do(watched: Watched) -> None:
    """A syntax error, an endless loop, the end of Python, a vanished file: a message, and on."""
    watched.screen()
    text = watched.saved("def double(x:\n")
    assert "src/tinytorch/doubling.py:1  Python cannot read this line" in text
    endless = "def double(x):\n    while True:\n        pass\n"
    assert "no answer within 1 s" in watched.saved(endless)
    text = watched.saved("import os\n\n\ndef double(x):\n    os._exit(0)\n")
    assert "kata 01 has no verdict" in text
    assert "test_double_values: 01.1" in text
    (watched.course.package / "doubling.py").unlink()
    assert "src/tinytorch/doubling.py is gone: make module-01" in watched.screen()
    assert "kata 01 is green" in watched.saved(watched.good)


def test_watch_ends_a_run_when_a_save_arrives(watched: Watched) -> None:
    """A save during a run ends that run, and with it what it has started."""
    watched.screen()
    child = "\nimport subprocess\nprocess = subprocess.Popen(['sleep', '60'])\n"
    child += f"with open({str(watched.log)!r}, 'a') as log:\n    print(process.pid, file=log)\n"
    loop = "try:\n    while True:\n        pass\nexcept BaseException:\n    while True:\n        pass\n"
    watched.save(watched.good + child + loop)
    until_imported(watched)
    assert "kata 01 is green" in watched.saved(watched.good)
    assert not any(map(is_alive, watched.imported_by()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_watch_ends_clean(watched: Watched, number: signal.Signals) -> None:
    """Ctrl-C, also during a run: one line, code 130, no process and no file left."""
    watched.screen()
    watched.save(watched.good + "\nwhile True:\n    pass\n")
    running = until_imported(watched)
    code, said = watched.stop(number)  # a slow machine may have told the run's end before
    assert (code, said.splitlines()[-1]) == (130, "the watch has ended; again: make watch-01")
    assert not is_alive(running)
    assert list(watched.temporary.iterdir()) == []


def test_watch_notices_the_suite(watched: Watched) -> None:
    """An edit of a spec or of the suite's helpers is seen without a restart by hand."""
    watched.screen()
    assert "is green" in watched.saved(watched.good)
    watched.course.edit("spec_tests/test_01_doubling.py", "want=2 * X", "want=5 * X")
    assert "work on 01.1" in watched.screen()
    assert watched.stop()[0] == 130


def test_watch_without_fork(course: Course) -> None:
    """Where the system has no fork each run is a process of its own."""
    course.tito("module", "01")
    watched = Watched(course, NO_FORK)
    assert "not written yet" in watched.screen()
    watched.save(watched.good + "\nwhile True:\n    pass\n")
    running = until_imported(watched)
    assert "kata 01 is green" in watched.saved(watched.good)
    assert not is_alive(running)
    assert watched.stop()[0] == 130


def test_watch_demands_a_kata_that_is_there(course: Course) -> None:
    """A locked kata is named with the command that unlocks it."""
    command = [sys.executable, "-P", "-m", "tito.learner.watch", "01"]
    path = os.environ | {"PYTHONPATH": str(course.root / "src")}
    ran = subprocess.run(
        command, cwd=course.root, env=path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "kata 01 is locked: make module-01\n")
