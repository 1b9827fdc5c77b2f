"""`make bench`: what its tables state, and how a commit that is slower is told from noise.

The clocks are fake: a side says how long a batch took, noise included.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from small_course import interruptible

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import against  # noqa: E402
import run  # noqa: E402
import setting  # noqa: E402
import sides  # noqa: E402


class Fake:
    """A side whose batches take `seconds`, give or take some noise of its own."""

    def __init__(self, seconds: float, noise: float = 0.05, seed: int = 0) -> None:
        self.mean, self.noise = seconds, noise
        self.rng = np.random.default_rng(seed)
        self.asked: list[float] = []

    def seconds(self) -> float:
        self.asked.append(time.perf_counter())
        return self.mean * float(np.exp(self.noise * self.rng.standard_normal()))


def fakes(factor: float, counts: list[int]) -> Callable[[int], list[float]]:
    """Ratios of a commit that takes `factor` times as long; every measurement is new."""

    def ratios(rounds: int) -> list[float]:
        counts.append(rounds)
        now, before = Fake(factor, seed=2 * len(counts)), Fake(1.0, seed=2 * len(counts) + 1)
        return [a / b for a, b in sides.paired(now, before, rounds)]

    return ratios


@pytest.mark.parametrize(("factor", "slower"), [(1.15, True), (1.0, False), (0.8, False)])
def test_a_slow_commit_misses(factor: float, slower: bool) -> None:
    """15 % slower is found in noise of 5 %; equal and faster commits pass."""
    counts: list[int] = []
    result = against.judged("a row", 1.03, fakes(factor, counts))
    assert result.slower is slower
    assert counts == ([40, 80] if slower else [40])
    assert len(result.ratios) == counts[-1]
    low, high = result.interval
    assert low < factor < high
    assert ("SLOWER" if slower else "ok") in str(result)


def test_the_second_measurement_counts() -> None:
    """A row that misses by bad luck, and does not when measured again, passes."""
    answers = {40: [1.2] * 40, 80: [1.0] * 80}
    result = against.judged("a row", 1.03, lambda n: answers[n])
    assert not result.slower
    assert len(result.ratios) == 80


def test_the_limit_is_the_rows_own() -> None:
    """The lower end decides, and the small op may be 5 % slower."""
    ratios = [1.04] * 40
    assert against.Result("a row", 1.03, ratios).slower
    assert not against.Result("the small op", 1.05, ratios).slower
    wide = [0.9, 1.3] * 20  # the median may be anything between
    assert not against.Result("a row", 1.03, wide).slower


def test_the_interval_is_seeded() -> None:
    """The same ratios give the same interval."""
    ratios = fakes(1.0, [])(40)
    first, again = (against.Result("a row", 1.03, ratios).interval for _ in range(2))
    assert first == again
    assert first[0] < first[1]


def test_rounds_are_interleaved() -> None:
    """Each round asks both sides, and the one that goes first alternates."""
    now, before = Fake(1.0), Fake(1.0)
    sides.paired(now, before, 6)
    first = [new < old for new, old in zip(now.asked, before.asked, strict=True)]
    assert first == [True, False] * 3


@pytest.mark.parametrize(("ratio", "code"), [(1.2, 1), (1.0, 0)])
def test_the_exit_code(
    ratio: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 if a row is still slower; the table states threads, malloc and kernels."""
    monkeypatch.setattr(against, "reference_of", lambda _: nullcontext(ROOT))
    monkeypatch.setattr(against, "_rows", lambda _: {"small op": 1.05, "MLP": 1.03})
    monkeypatch.setattr(against, "runs", lambda *_: True)
    monkeypatch.setattr(against, "_tidy_when_stopped", lambda: None)
    slow = {"MLP": ratio, "small op": 1.0}
    monkeypatch.setattr(against, "measured", lambda row, *others: [slow[row]] * others[-1])
    assert against.against("a-commit", "") == code
    shown = capsys.readouterr().out
    assert "Threads: 1; malloc: MALLOC_TRIM_THRESHOLD_ " in shown
    assert setting.numpy_kernels() in shown
    assert shown.count("| ok |") == 2 - code


def test_a_row_that_the_older_commit_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named and passed over; where that leaves none, nothing has been shown."""
    monkeypatch.setattr(against, "reference_of", lambda _: nullcontext(ROOT / "spec_tests"))
    monkeypatch.setattr(against, "_tidy_when_stopped", lambda: None)
    assert against.against("a-commit", "MLP 784-128-10, inference") == 1
    assert (
        "| MLP 784-128-10, inference, batch 1 | | | 1.03 | | does not run at a-commit |"
        in capsys.readouterr().out
    )


def test_stopped_while_a_row_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal ends the command; it does not say that the row is lacking."""

    def stopped(_: sides.Process) -> float:
        sys.exit(128 + signal.SIGTERM)

    monkeypatch.setattr(sides.Process, "seconds", stopped)
    with pytest.raises(SystemExit, match="143"):
        against.runs("small op", ROOT / "reference")


def test_both_footings_run_in_a_process_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One as shipped, one with OpenBLAS held to AVX2, whatever the shell says."""
    seen: list[dict[str, str]] = []

    def ran(
        command: list[str], env: dict[str, str], check: bool
    ) -> subprocess.CompletedProcess[str]:
        seen.append(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    monkeypatch.setattr(run.subprocess, "run", ran)
    assert run.beside(3, "") == 0
    assert [env.get("OPENBLAS_CORETYPE") for env in seen] == [None, "Haswell"]


@pytest.mark.parametrize(("asked", "count"), [(None, "2"), ("3", "3")])
def test_a_rows_threads(asked: str | None, count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row's number for every library, unless the shell asks for another."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked)
    environment = setting.environment(2)
    assert {environment[name] for name in setting.THREADS} == {count}


def test_malloc_settings_are_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the milestones, or the shell's."""
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "123456")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    said = "MALLOC_TRIM_THRESHOLD_ 123456, MALLOC_MMAP_THRESHOLD_ 1073741824"
    assert setting.malloc() == said
    assert setting.environment()["MALLOC_TRIM_THRESHOLD_"] == "123456"


class Told:
    """A process that says its answers one after the other."""

    def __init__(self, *answers: str) -> None:
        self.stdin, self.stdout = io.StringIO(), io.StringIO("\n".join(answers))


@pytest.mark.parametrize(("said", "peak"), [("0.25 12.5", 12.5), ("0.25 ", None)])
def test_a_side_tells_its_seconds_and_its_memory(said: str, peak: float | None) -> None:
    """Where the system does not say how much memory there was, there is none in the table."""
    side = sides.Process.__new__(sides.Process)
    side.process = Told(said)  # type: ignore[assignment]
    assert (side.seconds(), side.peak) == (0.25, peak)


@pytest.mark.pins  # torch, tokenizers
def test_every_row_has_a_side_in_both() -> None:
    """The rows of PyTorch's side are those of ours; its second layout has the name of a row in front."""
    listed = [
        subprocess.run(
            [sys.executable, "-c", f"import {module} as m; print(*m.{table}, sep='\\n')"],
            cwd=ROOT / "benchmarks",
            env=os.environ | {"PYTHONPATH": str(ROOT / "reference")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for module, table in (("cases", "CASES"), ("theirs", "ROWS"))
    ]
    ours, theirs = listed
    assert set(ours) == {row.removesuffix(", PyTorch channels last") for row in theirs}


def _bench(folder: Path, *options: str) -> subprocess.Popen[str]:
    """`make bench` in a copy of the course that is a repository of its own."""
    command = [sys.executable, "benchmarks/run.py", *options]
    environment = os.environ | {"TMPDIR": str(folder / "temporary")}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=interruptible if os.name == "posix" else None,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the benchmarks, the reference and one commit."""
    for part in ("benchmarks", "reference"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    (tmp_path / "temporary").mkdir()
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "The course"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_a_commit_that_does_not_exist(repository: Path) -> None:
    """The value, what was expected, the next step."""
    process = _bench(repository, "--against", "nonsense")
    _, error = process.communicate()
    assert process.returncode == 1
    assert "AGAINST=nonsense is no commit" in error
    assert "git log --oneline" in error
    assert "Traceback" not in error


def test_no_row_is_no_pass(repository: Path) -> None:
    """A selection without a row is refused, and does not end with 0."""
    process = _bench(repository, "--against", "HEAD", "--only", "no such row")
    _, error = process.communicate()
    assert process.returncode == 1
    assert "no row's name contains 'no such row'" in error


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_stopped_it_leaves_no_copy(repository: Path, sent: str, code: int) -> None:
    """Ctrl-C, SIGTERM or a closed terminal in the middle of a measurement: no folder is left."""
    process = _bench(repository, "--against", "HEAD", "--only", "small op")
    assert process.stdout
    assert any(line.startswith("|---") for line in process.stdout)  # it measures from here
    assert list((repository / "temporary").iterdir())
    os.killpg(process.pid, getattr(signal, sent))  # as a terminal does
    _, error = process.communicate(timeout=60)
    assert not error
    assert process.returncode == code
    assert not list((repository / "temporary").iterdir())
