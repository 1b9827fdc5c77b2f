"""Two processes that take turns: each builds a row, and times a batch of it whenever it is asked to."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

PAUSE = 0.25  # seconds before a batch: an idle thread of OpenBLAS spins for some 0.1 s on the other side's core
MEBI = 1 << 20


class Side(Protocol):
    """One side of a row."""

    def seconds(self) -> float: ...


class DoesNotRun(SystemExit):
    """A side ended before it answered; its message ends the measurement."""


class Process:
    """A side in a process of its own.

    Attributes:
        peak: how many MiB more than before the row was built it has held at most; None where the
            system does not say.
    """

    def __init__(self, script: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.what = " ".join([script.name, *words])
        self.peak: float | None = None
        self.process = subprocess.Popen(
            [sys.executable, str(script), *words],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # who has nobody to read it any more says nothing
            text=True,
            start_new_session=True,  # Ctrl-C is for the process that asks
        )

    def seconds(self) -> float:
        """Seconds a call, over one batch."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            print(file=self.process.stdin, flush=True)
            seconds, *peak = map(float, self.process.stdout.readline().split())
        except (BrokenPipeError, ValueError):
            said = self.process.communicate()[1]
            raise DoesNotRun(f"{self.what!r} does not run:\n{said}") from None
        self.peak = peak[0] if peak else None
        return seconds

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def paired(mine: Side, other: Side, rounds: int) -> list[tuple[float, float]]:
    """The seconds of both sides in each round; who goes first alternates."""
    pairs = []
    for i in range(rounds):
        if i % 2:
            second, first = other.seconds(), mine.seconds()
        else:
            first, second = mine.seconds(), other.seconds()
        pairs.append((first, second))
    return pairs


def measure(
    step: Callable[[], object], calls: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds a call, over a batch of calls."""
    start = clock()
    for _ in range(calls):
        step()
    return (clock() - start) / calls


def serve(make: Callable[[], Callable[[], object]], calls: int, clock: Callable[[], float]) -> None:
    """Be a side: answer each line of the input with the seconds of a batch, and the peak of memory."""
    before = _held("VmRSS")
    step = make()
    measure(step, calls)  # caches and pages are warm
    for _ in sys.stdin:
        time.sleep(PAUSE)
        seconds, peak = measure(step, calls, clock), _held("VmHWM")
        print(seconds, "" if before is None or peak is None else peak - before, flush=True)


def _held(what: str) -> float | None:
    """MiB of memory in this process, now (VmRSS) or at most so far (VmHWM), where Linux tells it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 / MEBI for line in lines if line.startswith(what))
