"""Observation: run the learner's code and bring back plain arrays. No verdict is reached here.

An observation is a module-level function `def name(tt, ...)` under `@observe`; its free names are
`np`, `tt` and builtins, so that its source alone can be run elsewhere. The test that calls it judges
what comes back.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import importlib
import inspect
import io
import os
import signal
import sys
import textwrap
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from tito.course.parsing import parsed

CALL_SECONDS = float(os.environ.get("TINYTORCH_SECONDS", "5"))
PRINTED_CHARACTERS = 2_000
GIVEN = ("__init__.py", "door.py", "dtypes.py", "names.py")  # of the package, not the learner's
FOREIGN = {
    "torch",
    "jax",
    "jaxlib",
    "tensorflow",
    "scipy",
    "tinygrad",
    "autograd",
    "cupy",
    "numba",
    "reference",
    "support",
    "spec_tests",
    "pytest",
}


@dataclass(frozen=True)
class Frame:
    """A line of the learner's own code."""

    path: str
    line: int
    function: str
    text: str = ""


@dataclass
class Call:
    """One observation as it was made: what a failure screen shows."""

    source: str
    arguments: dict[str, Any]
    printed: str = ""


@dataclass
class Implementation:
    """The folder under test: any folder that holds a `tinytorch` package."""

    folder: Path = Path("src")
    checked: bool = field(default=False)


implementation = Implementation()
last_call = Call("", {})
remote: Callable[..., Any] | None = (
    None  # where `tito certify` runs observations: in another process
)
kinds: set[str] = set()  # of the checks that the running test has made
failures: list[
    ClauseFailure
] = []  # of the running test: a search fails on many inputs before it ends


class ClauseFailure(AssertionError):
    """A clause does not hold: what was asked, what came back, what was expected."""

    def __init__(
        self,
        problem: str,
        *,
        got: str = "",
        expected: str = "",
        note: str = "",
        frame: Frame | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem, self.got, self.expected, self.note = problem, got, expected, note
        self.frame = frame
        self.call = last_call
        self.pair: tuple[Any, Any] | None = None  # what was compared, where it was arrays
        self.answers: list[
            Any
        ] = []  # everything that came back for the clause, not only the first wrong part
        self.looks_like = self.xray = ""  # what is shown; what the numbers alone say
        failures.append(self)


class LearnerError(ClauseFailure):
    """The learner's code raised instead of answering."""

    def __init__(self, kinds: list[str], message: str, frame: Frame | None) -> None:
        blank = "NotImplementedError" in kinds and "kata " in message
        problem = f"not written yet: {message}" if blank else f"{kinds[0]}: {message}"
        super().__init__(problem, got=problem, frame=frame)
        self.kinds, self.message = kinds, message


class OutOfTime(BaseException):
    """An observation ran past its limit. Not an Exception, so that nothing on the way swallows it."""


class _Package:
    """`tt`: the learner's package, where a name that cannot be had is an ordinary failure."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(_imported(), name)
        except AttributeError:
            raise ClauseFailure(
                f"tinytorch.{name} does not exist: define it in your kata's file"
            ) from None


def observe(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an observation of a function `f(tt, ...)`; call it without `tt`."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def observation(*args: Any, **keywords: Any) -> Any:
        global last_call
        bound = signature.bind(None, *args, **keywords)
        last_call = Call(_body(function), dict(list(bound.arguments.items())[1:]))
        run = remote or run_here
        return run(function, copy.deepcopy(args), copy.deepcopy(keywords), last_call)

    return observation


def plain(value: Any) -> Any:
    """Arrays, numbers, strings, None, and lists, tuples and dicts of these: nothing that can act."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return (
            type(value)(plain(v) for v in value)
            if type(value) in (list, tuple)
            else [plain(v) for v in value]
        )
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    array = np.array(
        np.asarray(getattr(value, "data", value) if not isinstance(value, np.ndarray) else value),
        copy=True,
        subok=False,
    )
    if array.dtype.kind not in "fiub":
        raise ClauseFailure(
            f"a numeric array was expected, got {type(value).__name__} of dtype {array.dtype}"
        )
    return array


def learner_frame(trace: TracebackType | None) -> Frame | None:
    """The innermost line of the traceback that stands in the folder under test."""
    folder = str(implementation.folder)
    own = [
        f
        for f in traceback.extract_tb(trace)
        if f.filename.startswith(folder) and Path(f.filename).name not in GIVEN
    ]
    return (
        Frame(own[-1].filename, own[-1].lineno or 0, own[-1].name, (own[-1].line or "").strip())
        if own
        else None
    )


@functools.cache
def _body(function: Callable[..., Any]) -> str:
    """The observation's own lines, as a learner would type them."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    start = next(
        i
        for i, line in enumerate(lines)
        if line.rstrip().endswith(":") and "def " in "".join(lines[: i + 1])
    )
    return textwrap.dedent("\n".join(lines[start + 1 :])).replace("tt.", "")


def run_here(function: Callable[..., Any], args: Any, keywords: Any, call: Call) -> Any:
    """Run one observation: limited in time, quiet, with every way out turned into a failure."""
    with (
        _limit(CALL_SECONDS),
        _listening(call),
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            return plain(function(_Package(), *args, **keywords))
        except (ClauseFailure, KeyboardInterrupt, OutOfTime) as error:
            if isinstance(error, OutOfTime):
                raise ClauseFailure(
                    f"no answer within {CALL_SECONDS:g} s: an endless loop, or far too slow",
                    frame=learner_frame(error.__traceback__),
                ) from None
            raise
        except SyntaxError as error:
            raise _unreadable(error) from None
        except (
            BaseException
        ) as error:  # SystemExit and pytest's own outcomes from learner code are failures too
            kinds = [k.__name__ for k in type(error).__mro__]
            raise LearnerError(kinds, str(error), learner_frame(error.__traceback__)) from None


def _imported() -> Any:
    """The package under test, from the folder under test and from nowhere else."""
    package = importlib.import_module("tinytorch")
    if not implementation.checked:
        origin = Path(package.__file__ or "").resolve()
        if implementation.folder.resolve() not in origin.parents:
            raise ClauseFailure(
                f"tinytorch was imported from {origin}, not from {implementation.folder}: remove the other copy from your Python path"
            )
        only_numpy(origin.parent)
        implementation.checked = True
    return package


def only_numpy(folder: Path) -> None:
    """The framework stands on NumPy and the standard library: anything else is not its own work."""
    for path in sorted(folder.glob("*.py")):
        try:
            tree = parsed(path.read_bytes(), str(path))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise _unreadable(error, path) from None
        for node in ast.walk(tree):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in names:
                if name.split(".")[0] in FOREIGN:
                    raise ClauseFailure(
                        f"{path.name} imports {name}: the framework is built on NumPy and the standard library alone",
                        frame=Frame(str(path), getattr(node, "lineno", 0), "import"),
                    )


def _unreadable(error: Exception, path: Path | None = None) -> ClauseFailure:
    """A file that Python cannot read, with its line."""
    where = Frame(
        str(getattr(error, "filename", None) or path),
        getattr(error, "lineno", None) or 0,
        "",
        (getattr(error, "text", None) or "").strip(),
    )
    return ClauseFailure(
        f"Python cannot read this file: {type(error).__name__}: {getattr(error, 'msg', error)}",
        frame=where,
    )


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Interrupt an endless loop (where the system has interval timers)."""
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def expired(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Ear(io.TextIOBase):
    """Keeps the beginning of what is printed and counts the rest, so that a flood costs nothing."""

    def __init__(self) -> None:
        self.kept, self.total = "", 0

    def write(self, text: str) -> int:
        self.total += len(text)
        if len(self.kept) < PRINTED_CHARACTERS:
            self.kept += text[: PRINTED_CHARACTERS - len(self.kept)]
        return len(text)


@contextlib.contextmanager
def _listening(call: Call) -> Iterator[None]:
    """Catch what the learner's code prints, for the failure screen."""
    ear = Ear()
    before, sys.stdout = sys.stdout, ear
    try:
        yield
    finally:
        sys.stdout = before
        more = ear.total - len(ear.kept)
        call.printed = ear.kept + (f"\n... and {more:,} more characters" if more else "")
