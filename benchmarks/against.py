"""Is the reference slower than at an older commit? Two processes alternate, round by round.

A round times one batch on each side; its ratio is now / before, in processor time. A row is slower when
the lower end of the 99 % bootstrap interval of the median ratio is above the row's limit; it is then
measured once more with twice the rounds, and that counts.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import setting
from sides import DoesNotRun, Process, paired

ROOT = Path(__file__).resolve().parents[1]
CASES = Path(__file__).with_name("cases.py")
ROUNDS, AGAIN = 40, 80
FRESH = (
    10  # rounds of one pair of processes: where a process happens to lie in memory costs time too
)
RESAMPLES = 10_000
ENDS = (0.005, 0.995)
HEAD = "| row | now / before | 99 % interval | limit | rounds | verdict |\n|---|---:|---:|---:|---:|---|"


@dataclass(frozen=True)
class Result:
    """The paired ratios of a row, and what they say."""

    row: str
    limit: float
    ratios: list[float]

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 99 % bootstrap interval of the median ratio; the same ratios give the same interval."""
        drawn = np.random.default_rng(0).choice(self.ratios, (RESAMPLES, len(self.ratios)))
        low, high = np.quantile(np.median(drawn, axis=1), ENDS)
        return float(low), float(high)

    @property
    def slower(self) -> bool:
        return self.interval[0] > self.limit

    def __str__(self) -> str:
        (low, high), verdict = self.interval, "SLOWER" if self.slower else "ok"
        ratio, count = np.median(self.ratios), len(self.ratios)
        return f"| {self.row} | {ratio:.3f} | {low:.3f} to {high:.3f} | {self.limit} | {count} | {verdict} |"


def judged(row: str, limit: float, ratios: Callable[[int], list[float]]) -> Result:
    """A row's result; one that is slower is measured once more, and that counts."""
    result = Result(row, limit, ratios(ROUNDS))
    return Result(row, limit, ratios(AGAIN)) if result.slower else result


def runs(row: str, reference: Path) -> bool:
    """Whether a row runs on a reference; an older one may lack what it measures."""
    with closing(Process(CASES, [row, "process_time"], _env(reference))) as side:
        try:
            side.seconds()
        except DoesNotRun:
            return False
    return True


def measured(row: str, now: Path, before: Path, rounds: int) -> list[float]:
    """The ratios of a row, with fresh processes every few rounds."""
    ratios: list[float] = []
    while len(ratios) < rounds:
        new, old = (Process(CASES, [row, "process_time"], _env(side)) for side in (now, before))
        with closing(new), closing(old):
            pairs = paired(new, old, min(FRESH, rounds - len(ratios)))
        ratios += [mine / other for mine, other in pairs]
    return ratios


@contextmanager
def reference_of(commit: str) -> Iterator[Path]:
    """The reference at a commit in a temporary folder, which is removed whatever happens."""
    command = ["git", "archive", "--format=tar", f"{commit}^{{commit}}", "reference"]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        said = packed.stderr.decode(errors="replace").strip()
        sys.exit(
            f"AGAINST={commit} is no commit with a reference ({said})\n  see: git log --oneline"
        )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder) / "reference"


def against(commit: str, only: str) -> int:
    """Print the table; 1 if a row is slower than at the commit, or none could be measured."""
    _tidy_when_stopped()
    now, results = ROOT / "reference", []
    rows = {row: limit for row, limit in _rows(now).items() if only in row}
    if not rows:
        sys.exit(f"no row's name contains {only!r}\n  see the rows: make bench ARGS='--rounds 2'")
    with reference_of(commit) as before:
        print(f"The reference now beside {commit}, in processor time: {setting.machine()}")
        print(
            f"Threads: {setting.environment()['OPENBLAS_NUM_THREADS']}; malloc: {setting.malloc()}"
        )
        print(f"NumPy's BLAS: {setting.numpy_kernels()}\n\n{HEAD}", flush=True)
        for row, limit in rows.items():
            if not runs(row, before):
                print(f"| {row} | | | {limit} | | does not run at {commit} |", flush=True)
                continue
            results.append(judged(row, limit, partial(measured, row, now, before)))
            print(results[-1], flush=True)
    return int(not results or any(result.slower for result in results))


def _tidy_when_stopped() -> None:
    """SIGTERM, and SIGHUP of a closed terminal, leave through every `with`, as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores it
            signal.signal(number, lambda stop, _: sys.exit(128 + stop))


def _rows(reference: Path) -> dict[str, float]:
    """The rows and their limits."""
    command = [sys.executable, str(CASES)]
    listed = subprocess.run(command, env=_env(reference), stdout=subprocess.PIPE, check=True).stdout
    rows: dict[str, float] = json.loads(listed)
    return rows


def _env(reference: Path) -> dict[str, str]:
    return setting.environment(PYTHONPATH=str(reference), PYTHONDONTWRITEBYTECODE="1")
