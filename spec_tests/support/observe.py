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
import linecache
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from support import course
from tito.course.parsing import parsed

CALL_SECONDS = float(os.environ.get("TINYTORCH_SECONDS", "5"))
PRINTED_CHARACTERS = 2_000
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
    """One observation as it was made: what a failure screen shows.

    Attributes:
        function: the observation, which can be made again.
        arguments: what it was called with, by name.
        shown: how it reads on a screen, if not by its own lines; `{name}` is an argument's text.
        parts: what the parts of the list that comes back are called.
        printed: what the learner's code printed.
        answer: what came back.
        again: makes it once more, whatever that ends in, and gives its arguments as it left them.
    """

    function: Callable[..., Any] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    shown: str = ""
    parts: tuple[str, ...] = ()
    printed: str = ""
    answer: Any = None
    again: Callable[[], dict[str, Any]] = dict


@dataclass
class Implementation:
    """The folder under test: any folder that holds a `tinytorch` package."""

    folder: Path = Path("src")
    checked: bool = field(default=False)


tested = Implementation()


@dataclass
class Debugger:
    """pdb, as far as it concerns an observation: whether it was opened, and where it can be seen."""

    opened: bool = False
    stdout: Any = None

    def open(self, keyboard: bool) -> None:
        """Called where `breakpoint()` stands: show what is printed from here on, or refuse."""
        if not keyboard:
            problem = "breakpoint() opens no debugger here: nobody can type"
            raise Paused(problem, frame=_asked(reversed(list(traceback.walk_stack(None)))))
        self.opened = True
        if isinstance(sys.stdout, Ear):
            sys.stdout = self.stdout


debugger = Debugger()
last_call = Call()
remote: Callable[..., Any] | None = (
    None  # where `tito certify` runs observations: in another process
)
USES: dict[Callable[..., Any], tuple[Callable[..., Any], ...]] = {}  # helpers by observation
kinds: set[str] = set()  # of the checks that the running test has made
failures: list[
    ClauseFailure
] = []  # of the running test: a search fails on many inputs before it ends


class ClauseFailure(AssertionError):
    """A clause does not hold: what was asked, what came back, what was expected."""

    next = ""  # the last row of the screen, where it is not the usual one

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
        self.answers: list[Any] = []  # all that came back for the clause, not only what is wrong
        self.limits: list[Any] = []  # of each answer the tolerance it was compared with
        self.looks_like = self.xray = ""  # what is shown; what the numbers alone say
        failures.append(self)


class LearnerError(ClauseFailure):
    """The learner's code raised instead of answering."""

    def __init__(self, kinds: list[str], message: str, frame: Frame | None, line: str = "") -> None:
        blank = "NotImplementedError" in kinds and "kata " in message
        problem = f"not written yet: {message}" if blank else f"{kinds[0]}: {message}"
        note = f"the call stops at  {line}" if line and not frame else ""
        super().__init__(problem, got=problem, note=note, frame=frame)
        self.kinds, self.message = kinds, message


class Paused(ClauseFailure):
    """The learner's code asks for a debugger where nobody can type."""

    next = "make test-{kata} ARGS=-x opens the debugger   ·   in an editor: debug this test"


def _said(error: BaseException) -> str:
    """What an exception says; one of a learner's own may raise when it is asked."""
    try:
        return str(error)
    except Exception as odd:
        return f"it cannot be shown: {type(odd).__name__}"


class OutOfTime(BaseException):
    """An observation ran past its limit. Not an Exception, so that nothing on the way swallows it."""


class _Package:
    """`tt`: the learner's package, where a name that cannot be had is an ordinary failure."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(_imported(), name)
        except AttributeError as error:
            if error.name != name:  # of a line in the learner's file
                raise
            absent = f"tinytorch.{name} does not exist: define it in your kata's file"
            raise ClauseFailure(str(error) if "kata" in str(error) else absent) from None


def observe(
    function: Callable[..., Any] | None = None,
    *,
    shown: str = "",
    parts: tuple[str, ...] = (),
    uses: tuple[Callable[..., Any], ...] = (),
) -> Any:
    """Make an observation of a function `f(tt, ...)`; call it without `tt`.

    Args:
        function: what is decorated.
        shown: how its call reads on a failure screen, such as "{expression}.backward(cotangent)",
            where its own lines would say less.
        parts: what the parts of the list that comes back are called, such as ("a.grad", "b.grad").
        uses: plain functions that it calls, of its module or of support; their sources travel along.
    """
    if function is None:
        return functools.partial(observe, shown=shown, parts=parts, uses=uses)
    USES[function] = uses
    signature = inspect.signature(function)

    @functools.wraps(function)
    def observation(*args: Any, **keywords: Any) -> Any:
        global last_call
        bound = signature.bind(None, *args, **keywords)
        given = set(bound.arguments)
        bound.apply_defaults()  # one that is part of the text has to be there
        arguments = {
            name: value
            for name, value in list(bound.arguments.items())[1:]
            if name in given or f"{{{name}}}" in shown
        }
        last_call = call = Call(function, arguments, shown, parts)

        def again() -> dict[str, Any]:
            given, named = copy.deepcopy((args, keywords))
            with contextlib.suppress(ClauseFailure):
                run_here(function, given, named, Call())
            return signature.bind(None, *given, **named).arguments

        call.again = again
        run = remote or run_here
        call.answer = run(function, copy.deepcopy(args), copy.deepcopy(keywords), call)
        return call.answer

    return observation


def operands(call: Call) -> dict[str, Any]:
    """The arguments by the names on a screen: `arrays` are q, k, v where its text says so, else a, b, c."""
    texts = [call.shown, *(value for value in call.arguments.values() if isinstance(value, str))]
    letters = "qkvd" if any("q, k, v" in text for text in texts) else "abcd"
    arrays = dict(zip(letters, call.arguments.get("arrays", ()), strict=False))
    return arrays | {name: value for name, value in call.arguments.items() if name != "arrays"}


def entered(call: Call) -> list[tuple[str, str, int]]:
    """The functions of the package that a call enters, in order: it is made once more, watched.

    Returns:
        of each the file, the qualified name and the first line.
    """
    if remote:
        return []
    found: dict[tuple[str, str, int], None] = {}
    folder, kept, before = str(tested.folder), len(failures), sys.getprofile()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(folder):
            found[code.co_filename, code.co_qualname, code.co_firstlineno] = None

    sys.setprofile(watch)
    try:
        with contextlib.suppress(ClauseFailure):
            call.again()
    finally:
        sys.setprofile(before)
        del failures[kept:]  # they are the same once more
    return list(found)


def written(call: Call) -> list[str]:
    """The arrays that a call writes to, by their names on a screen: it is made once more."""
    if remote:
        return []
    kept, before = len(failures), operands(call)
    after = operands(replace(call, arguments=call.again()))
    del failures[kept:]  # they are the same once more
    return [
        name
        for name, array in before.items()
        if isinstance(array, np.ndarray) and not same_bits(after[name], array)
    ]


def same_bits(array: Any, before: Any) -> bool:
    """Whether an array is what it was: shape, dtype and every bit, so that nan is nan."""
    return (
        isinstance(array, np.ndarray)
        and (array.shape, array.dtype) == (before.shape, before.dtype)
        and array.tobytes() == before.tobytes()
    )


def plain(value: Any) -> Any:
    """Arrays, numbers, strings, None, and lists, tuples and dicts of these: nothing that can act.

    Anything else, such as a note or complex numbers, becomes a text that says what it was.
    """
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
    if array.dtype.kind not in "fiub":  # nothing is equal to it, and every screen can show it
        foreign = array.dtype == object and not isinstance(value, np.ndarray)  # a Note, a Net
        dtype = "" if foreign else f" of dtype {array.dtype}"
        return f"<{type(value).__name__}{dtype}>"
    return array


def learner_frame(trace: TracebackType | None) -> Frame | None:
    """The line of the folder under test that a traceback is about."""
    return _asked(traceback.walk_tb(trace))


def _stop(trace: TracebackType | None, function: Callable[..., Any]) -> str:
    """The line of an observation that an error ended, if it has several."""
    code = function.__code__
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code is code]
    several = len({line for *_, line in code.co_lines()} - {None}) > 2
    return linecache.getline(code.co_filename, lines[-1]).strip() if lines and several else ""


def _asked(frames: Iterable[tuple[FrameType, int]]) -> Frame | None:
    """Of frames, the outermost first, the line of the learner's that they are about."""
    codes = [(frame.f_code.co_filename, line, frame.f_code.co_qualname) for frame, line in frames]
    own = [
        traceback.FrameSummary(path, line, name, lookup_line=False)
        for path, line, name in codes
        if Path(path).name in course.UPSTREAM or not course.is_given(path, name)
    ]
    found = asked_line(own, str(tested.folder))
    if not found:
        return None
    linecache.checkcache(found.filename)
    text = linecache.getline(found.filename, found.lineno).strip()
    return Frame(found.filename, found.lineno, found.name.replace(".<locals>", ""), text)


def asked_line(frames: Any, folder: str) -> Any:
    """The innermost line of a folder; but the one that asked, where another operation refused.

    `rows @ self.weight` in a layer is the line to fix, not matmul's own `return a @ b`.
    """
    own, through_the_door = None, False
    for frame in frames:
        name = frame.filename.replace("\\", "/").rpartition("/")[2]
        if not frame.filename.startswith(folder):
            continue
        if name in ("__init__.py", "door.py", "dtypes.py", "names.py"):  # given
            through_the_door = through_the_door or frame.name.endswith("operation")
            continue
        if own and through_the_door and (frame.filename, frame.name) != (own.filename, own.name):
            return own
        own, through_the_door = frame, False
    return own


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
            if debugger.opened and type(error).__name__ == "Exit":  # q at its prompt
                raise
            kinds = [k.__name__ for k in type(error).__mro__]
            frame, line = learner_frame(error.__traceback__), _stop(error.__traceback__, function)
            raise LearnerError(kinds, _said(error), frame, line) from None


def _imported() -> Any:
    """The package under test, from the folder under test and from nowhere else."""
    package = importlib.import_module("tinytorch")
    if not tested.checked:
        origin = Path(package.__file__ or "").resolve()
        if tested.folder.resolve() not in origin.parents:
            raise ClauseFailure(
                f"tinytorch was imported from {origin}, not from {tested.folder}: remove the other copy from your Python path"
            )
        only_numpy(origin.parent)
        tested.checked = True
    return package


def only_numpy(folder: Path) -> None:
    """The framework stands on NumPy and the standard library: anything else is not its own work."""
    for path in filter(Path.is_file, sorted(folder.glob("*.py"))):  # a pipe would never end
        try:
            content = path.read_bytes()
            content.decode()  # Python itself takes any byte in a comment; no editor knows which it is
            tree = parsed(content, str(path))
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
    if isinstance(error, UnicodeDecodeError):
        line = error.object[: error.start].count(b"\n")
        text = error.object.splitlines()[line].decode(errors="replace").strip()
        problem = f"byte {error.object[error.start]:#x} is not UTF-8: save the file as UTF-8"
        return ClauseFailure(problem, frame=Frame(str(path), line + 1, "", text))
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
        if not _debugging():
            raise OutOfTime
        signal.setitimer(signal.ITIMER_REAL, seconds)  # thinking takes as long as it takes

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _debugging() -> bool:
    """Whether an editor's debugger is attached, or pdb was opened: then no limit holds."""
    from pytest_timeout import is_debugging

    return debugger.opened or is_debugging()


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
    ear, debugger.stdout = Ear(), sys.stdout
    sys.stdout = ear
    try:
        yield
        debugger.stdout.write(ear.kept)  # of what is right: for whoever runs pytest -s
    finally:
        sys.stdout = debugger.stdout
        more = ear.total - len(ear.kept)
        call.printed = ear.kept + (f"\n... and {more:,} more characters" if more else "")
