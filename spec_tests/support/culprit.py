"""Which line of the learner's code a failure is about.

Only code that the failing call really entered is named, and only what a learner wrote: the call is
made once more and watched. Among what it entered of the kata's own file the test's parameter, the
clause's task, the clause's words and the names in the call decide, in this order. The others are
kept: the mistake may be in any function that ran.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import course
from support.observe import ClauseFailure, Frame, entered, tested
from tito.course.parsing import parsed

OPERATORS = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.USub: "negative",
}
FUNCTION_OF = {"sum": "sum_", "max": "amax", "min": "amin", "abs": "absolute"}  # of a method


@dataclass(frozen=True)
class Candidate:
    """Something the call entered: a function, or a table's entry whose rule was called.

    Attributes:
        line: where it is.
        name: the function's, such as SGD.update; of an entry the operation's.
        entry: the source of the entry, or "".
    """

    line: int
    name: str
    entry: str = ""

    @property
    def words(self) -> set[str]:
        """What a call may name it by: itself, or its class."""
        *owner, name = self.name.split(".")
        return {name, *owner} - {"Tensor"}


def culprits(
    failure: ClauseFailure, clause: str, parameter: str, text: str
) -> tuple[list[Frame], bool]:
    """The functions, and entries in a table, that a failure may be about, the likeliest first.

    Args:
        failure: what went wrong.
        clause: its number, such as 05.4.
        parameter: of the test, such as the operation, or nothing.
        text: the call as it is shown.

    Returns:
        them, and whether the test is about the first, since its parameter names it.
    """
    late = failure.problem.startswith("no answer within")  # once is enough
    own = tested.folder / "tinytorch" / course.module(clause[:2])
    calls = [] if late else [call for call in entered(failure.call) if Path(call[0]) == own]
    found = list(_candidates(own, calls))
    if not found:
        return [], False
    blanks = {name for names in course.tasks(clause).values() for name in names}
    subject = _known(parameter.split("-")[0])
    named = [*re.findall(r"\w+", course.sentence(clause)), *_names(text)]

    def order(candidate: Candidate) -> tuple[int, bool, int]:
        at = [i for i, name in enumerate(named) if name in candidate.words]
        levels = [
            subject == candidate.name.rpartition(".")[2],
            candidate.name in blanks,
            bool(candidate.entry),
            bool(at),
        ]
        level = levels.index(True) if True in levels else len(levels)
        makes = candidate.name.endswith("__")  # __init__ and its kin run in every call
        return level, makes, min(at, default=len(named))

    best = min(found, key=order)
    others = sorted((c for c in found if c.name != best.name), key=_is_helper)
    frames = [Frame(str(own), c.line, c.name, c.entry) for c in (best, *others)]
    return frames, order(best)[0] == 0


def _is_helper(candidate: Candidate) -> bool:
    name = candidate.name.rpartition(".")[2]
    return name.startswith("_") and not name.endswith("__")


def _candidates(path: Path, calls: Sequence[tuple[str, str, int]]) -> Iterator[Candidate]:
    """What was entered of a file, without what is given; entries of tables first, then in order."""
    tree = _parsed(path)
    names = [name.partition(".<locals>")[0] for _, name, _ in calls]
    lines = {line for _, name, line in calls if name == "<lambda>"}
    yield from (Candidate(*entry) for entry in _entries(tree, set(names), lines))
    defined = dict(course.functions(tree))
    for name in dict.fromkeys(names):
        if name in defined and not course.is_given(str(path), name):
            yield Candidate(defined[name].lineno, name)


def _entries(tree: ast.Module, names: set[str], lines: set[int]) -> Iterator[tuple[int, str, str]]:
    """The entries `defvjp(exp, rule)` of which a rule was called: line, operation, source."""
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Name):
            rules = call.args[1:]
            called = any(isinstance(r, ast.Name) and r.id in names for r in rules)
            if called or any(isinstance(r, ast.Lambda) and r.lineno in lines for r in rules):
                yield call.lineno, call.args[0].id, ast.unparse(call)


def _parsed(path: Path) -> ast.Module:
    """A learner's file, or nothing where Python cannot read it."""
    try:
        return parsed(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _names(text: str) -> list[str]:
    """Names used by the call, outermost first."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.append(_known(node.attr))
        elif isinstance(node, ast.Name):
            names.append(node.id)
        elif isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) in OPERATORS:
            names.append(OPERATORS[type(node.op)])
    return names


def _known(name: str) -> str:
    """The function behind a method of another name."""
    return FUNCTION_OF.get(name, name)


def is_own(frame: Frame, kata: str) -> bool:
    """Whether a line is in the kata's own file, not in an earlier one."""
    return Path(frame.path) == tested.folder / "tinytorch" / course.module(kata)
