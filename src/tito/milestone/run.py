"""Milestones: what their scripts share, and how one is run.

A milestone is a flat script in `milestones/`: data, model, training, one number. Everything around
it stands here: the progress bar, the verdict and its report, and the message when the code that was
built in the katas stops.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tito.course.errors import Refusal
from tito.course.files import is_lent, short
from tito.course.manifest import ROOT, Kata, Milestone, load
from tito.course.source import unreadable
from tito.milestone import cifar10, datasets, drawing

console = Console(highlight=False, soft_wrap=True)

TWO_THREADS = {4}  # a CNN's products are large enough to be shared by two cores

# glibc gives freed memory back to the system after each step, and the next step pays for every page
# once more: half of a small network's time. Above these limits it keeps what it has.
KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_MMAP_THRESHOLD_": "1073741824"}


@dataclass(frozen=True)
class Claim:
    """One number and the target it must reach (with `at_most`: stay under); shares, or in a unit."""

    what: str
    value: float
    target: float
    at_most: bool = False
    unit: str = "%"

    @property
    def holds(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        target = f"{100 * self.target:g} %" if self.unit == "%" else f"{self.target:g} {self.unit}"
        return f"{self.what}: {self.shown} (target {sign} {target})"

    @property
    def shown(self) -> str:
        """The number as a text."""
        return f"{100 * self.value:.2f} %" if self.unit == "%" else f"{self.value:.3f} {self.unit}"


@dataclass(frozen=True)
class Result:
    """What a milestone found on which data; the first claim is its number."""

    milestone: Milestone
    dataset: str
    claims: tuple[Claim, ...]

    @property
    def passed(self) -> bool:
        return all(claim.holds for claim in self.claims)


# ---- running a script ----------------------------------------------------------------------------


def opened(number: int | str) -> tuple[Kata, Milestone]:
    """A milestone by its number, as 3, "3", "03" or "m03", and the kata that opens it."""
    katas = [(kata, kata.milestone) for kata in load().katas if kata.milestone]
    for kata, found in katas:
        if str(number).lower().lstrip("m0") == str(found.number):
            return kata, found
    known = ", ".join(f"{found.number:02}" for _, found in katas)
    raise Refusal(f"there is no milestone {number}: the milestones are {known}")


def milestone(number: int | str) -> Milestone:
    """A milestone by its number."""
    return opened(number)[1]


def run(number: int | str, implementation: Path, options: Sequence[str] = ()) -> int:
    """Run one milestone's script on an implementation, in a process of its own; its exit code.

    Ctrl-C is the script's to answer: this process waits until it has.

    Args:
        number: see `opened`.
        implementation: the folder that holds a tinytorch package.
        options: of the script, such as --long or --seed=7.
    """
    last, found = opened(number)
    for kata in load().up_to(last):
        if not kata.file(implementation).is_file():
            order = f"{found.id} comes after kata {last.id}"
            raise Refusal(f"{order}, and kata {kata.id} is not unlocked yet: make module-{kata.id}")
        if trouble := unreadable(kata.file(implementation)):
            raise Refusal(f"{trouble}\n  next: fix that line, then: make test-{kata.id}")
    path = os.pathsep.join([str(implementation.resolve()), str(ROOT / "src")])
    threads = {"OPENBLAS_NUM_THREADS": "2" if found.number in TWO_THREADS else "1"}
    environment = threads | KEEPS_MEMORY | os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-m", "tito.milestone.run", str(found.path), *options]
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def play(main: Callable[[], int]) -> int:
    """Call a script's main; what goes wrong ends in one message that says what to do next."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ≥ shows ?
    try:
        return main()
    except datasets.DataError as error:
        print(f"\n{error}")
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'stopped before the end'}")
        return 130
    except Exception as error:
        print(f"\n{_stopped(error)}")
    return 1


def _stopped(error: Exception) -> str:
    """An error of the framework under test: where, and the command that tests that kata."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.name != "operation"]
    places = [(Path(f.filename).resolve(), f.lineno, f.name) for f in frames]
    if isinstance(error, SyntaxError):
        places.append((Path(error.filename or "").resolve(), error.lineno, "cannot be read"))
    katas = {kata.file(under_test()): kata.id for kata in load().katas}
    own = [place for place in places if place[0] in katas]
    if own:
        path, line, function = own[-1]
        head = f"Your code stopped the run: {type(error).__name__}: {error}"
        return (
            f"{head}\n  {short(path)}:{line}  {function}\n  next: {command(f'test-{katas[path]}')}"
        )
    if isinstance(error, (ImportError, OSError)):  # these say themselves what to do
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(error))


# ---- where things are ----------------------------------------------------------------------------


def under_test() -> Path:
    """The folder that the `tinytorch` of this process comes from."""
    spec = importlib.util.find_spec("tinytorch")
    return Path(spec.origin).resolve().parents[1] if spec and spec.origin else ROOT / "src"


def command(target: str) -> str:
    """A make command for the implementation of this process."""
    folder = under_test()
    return f"make {target}" if folder == ROOT / "src" else f"IMPL={short(folder)} make {target}"


def again(of: Milestone) -> str:
    """The command that runs a milestone again, with the options of this process."""
    options = _options()
    return command(f"milestone-{of.number:02}") + (f' ARGS="{options}"' if options else "")


def _options() -> str:
    """What this process was asked for beside its script."""
    return " ".join(sys.argv[2:])


def seed(usual: int) -> int:
    """The seed that `--seed=N` asks for, or the usual one."""
    asked = [option.removeprefix("--seed=") for option in sys.argv if option.startswith("--seed=")]
    return int(asked[-1]) if asked else usual


def folder(of: Milestone) -> Path:
    """Where a run of this implementation leaves its report; made if it is missing."""
    path = ROOT / "runs" / f"{of.id}-{under_test().name}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def checkpoint(of: Milestone, dataset: str) -> Path:
    """Where an interrupted run is kept: another file for other data, code or options."""
    files = [*sorted((under_test() / "tinytorch").glob("*.py")), of.path]
    run = [*(file.read_bytes() for file in files), _options().encode()]
    code = hashlib.sha256(b"\0".join(run)).hexdigest()
    return folder(of) / f"{dataset}-{code[:8]}.npz"


def mnist_or_digits() -> tuple[datasets.Dataset, str]:
    """MNIST where it is, else the bundled digits; says which, and how MNIST is had.

    Raises:
        datasets.DataError: MNIST is there, and damaged or incomplete: that is not passed over.
    """
    place = datasets.data_folder()
    if any(datasets.find(file, place) for file in datasets.MNIST):
        return datasets.load_mnist(), "MNIST"
    console.print(
        f"MNIST is not in {short(place)}: this run asserts the bundled digits instead. To get MNIST: make data"
    )
    return datasets.load_digits(), "the bundled digits (8×8)"


def cifar10_or_digits() -> tuple[list[Path], datasets.Dataset | None, str]:
    """The six files of CIFAR-10 where they are, the last one to test on; else the bundled digits.

    Returns:
        files, digits, and what the data is called: files is empty where there are digits.

    Raises:
        datasets.DataError: CIFAR-10 is there, and damaged or incomplete: that is not passed over.
    """
    place = datasets.data_folder()
    files = [path for file in cifar10.CIFAR10 if (path := datasets.find(file, place))]
    if files:
        _, edition = cifar10.load_cifar10(place)
        return files, None, f"CIFAR-10 ({edition})"
    console.print(
        f"CIFAR-10 is not in {short(place)}: this run asserts the bundled digits instead. To get CIFAR-10: make data"
    )
    return [], datasets.load_digits(), "the bundled digits (8×8)"


def shakespeare_or_alice() -> tuple[str, str, str]:
    """Tiny Shakespeare where it is, else the bundled chapters of "Alice's Adventures in Wonderland".

    Returns:
        the text, "shakespeare" or "alice", and what the data is called.

    Raises:
        datasets.DataError: Shakespeare is there, and damaged: that is not passed over.
    """
    place = datasets.data_folder()
    if datasets.find(cifar10.SHAKESPEARE, place):
        return datasets.load_text(cifar10.SHAKESPEARE, place), "shakespeare", "tiny Shakespeare"
    console.print(
        f"Tiny Shakespeare is not in {short(place)}: this run asserts the bundled text instead. To get Shakespeare: make data"
    )
    return datasets.load_alice(), "alice", "five chapters of Alice in Wonderland"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within this block Ctrl-C is passed over: whoever presses it twice shall not lose the save."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# ---- showing a run -------------------------------------------------------------------------------


@contextmanager
def progress(total: int, done: int = 0) -> Iterator[Callable[[str], None]]:
    """A progress bar; call what it gives after every step, with a few words on how it goes."""
    text = TextColumn("{task.description}", markup=False)
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    columns = (BarColumn(24), MofNCompleteColumn(), *times, text)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda words: bar.update(task, advance=1, description=words)


def finish(result: Result, sections: Sequence[tuple[str, str]], metrics: dict[str, Any]) -> int:
    """Say the verdict, write report.html and metrics.json; the exit code of the script.

    Args:
        result: what was found.
        sections: the report's parts: titles, each with HTML made by `tito.milestone.drawing`.
        metrics: further plain values to keep.
    """
    of, place, first = result.milestone, folder(result.milestone), result.claims[0]
    verdict = f"Data: {result.dataset}. The target is {'reached' if result.passed else 'missed'}."
    lines = [*map(str, result.claims), verdict]
    foot = f"Computed with the tinytorch in {under_test().name}/. Again: {again(of)}"
    title = f"{of.id} · {of.title} · {of.year}"
    html = drawing.page(title, first.shown, result.passed, lines, sections, foot)
    (place / "report.html").write_text(html, encoding="utf-8")
    record = {
        "milestone": of.id,
        "number": first.value,
        "unit": first.unit,
        "dataset": result.dataset,
        "lent": [k.id for k in load().katas if is_lent(k.file(under_test()))],
        "passed": result.passed,
        "claims": [asdict(claim) for claim in result.claims],
    } | metrics
    (place / "metrics.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for claim in result.claims:
        mark = "[green]✓" if claim.holds else "[red]✗"
        console.print(f"{mark} {claim}[/]  on {result.dataset}")
    console.print(f"report: {short(place / 'report.html')}", markup=False)
    if not result.passed:
        console.print(f"below the target; are all katas green? {command('test')}", markup=False)
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(play(lambda: runpy.run_path(sys.argv[1])["main"]()))
