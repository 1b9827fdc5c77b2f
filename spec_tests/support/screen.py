"""The failure screen: clause, call, got, expected, the learner's own line, the next step.

One text for the terminal, the JUnit report and an editor's test panel.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import textwrap
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from support import course
from support.asserts import show
from support.course import ROOT
from support.culprit import culprits, is_own
from support.observe import USES, Call, ClauseFailure, Frame, LearnerError, operands

LINE_LIMIT = 12
VALUE_LIMIT = 6
FURTHER = 16  # functions that ran and are named
WIDTH = 100


def render(failure: ClauseFailure, docstring: str, test_id: str) -> str:
    """The whole screen.

    Args:
        failure: what went wrong.
        docstring: the test's: the clause's number, and what this test adds to the clause.
        test_id: the parameter in the test's name, such as the operation, or nothing.
    """
    clause = clause_number(docstring)
    frame, likely, sure = places(failure, clause, test_id)
    problem = _problem(failure)
    rows = [
        ("this test", added(docstring) if course.sentence(clause) else ""),
        ("call", _call(failure)),
        ("got", failure.got if failure.got != problem else ""),
        ("expected", failure.expected),
        ("where", failure.note),
        ("looks like", failure.looks_like),
        ("printed", failure.call.printed),
        ("your code" if frame or sure else "what ran", _lines(frame, likely, sure)),
        ("stops at", _place(failure.frame) if failure.frame and not frame else ""),
        ("next", failure.next.format(kata=clause[:2]) or _next(clause, failure.frame)),
    ]
    readme = f"  [{course.folder(clause[:2]).relative_to(ROOT)}/README.md]   {problem}"
    lines = [clause_lines(docstring), readme, *[_row(*row) for row in rows if row[1]]]
    return _visible("\n".join(lines))


def _visible(text: str) -> str:
    """Text of the learner's code, where what would act on a terminal is shown instead: \\x1b."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def places(
    failure: ClauseFailure, clause: str, test_id: str
) -> tuple[Frame | None, list[Frame], bool]:
    """Where the learner's code raised; what ran, the likeliest first, and whether it is this one.

    A line of an earlier kata's file is left out where code of this kata ran: that led there.
    """
    text = "\n".join(_typed(failure.call)[0])
    likely, sure = culprits(failure, clause, test_id, text)
    frame = failure.frame
    return frame if frame and (is_own(frame, clause[:2]) or not likely) else None, likely, sure


def clause_lines(docstring: str) -> str:
    """The number and the README's sentence of a clause; the test's own words if it has none."""
    clause = clause_number(docstring)
    words = f"{clause} {course.sentence(clause) or added(docstring)}"
    return "\n".join(textwrap.wrap(words, WIDTH, subsequent_indent=" " * (len(clause) + 1)))


def added(docstring: str) -> str:
    """What a test's docstring adds to the number of its clause."""
    return " ".join(docstring.split()).removeprefix(clause_number(docstring)).strip()


def _next(clause: str, frame: Frame | None) -> str:
    """The commands that help; `why` where an earlier file may be at fault."""
    kata = clause[:2]
    steps = [f"make hint-{kata}", f"again: make test-{kata}"]
    elsewhere = frame is not None and not is_own(frame, kata)  # what only ran is of this kata
    if kata != "01" and (elsewhere or course.is_end_to_end(clause)):
        steps.append(f"an earlier kata's fault? make why-{kata}")
    return "   ·   ".join(steps)


def _problem(failure: ClauseFailure) -> str:
    """What is wrong, in a few words; an error of the learner's code is shown in full under `got`."""
    blank = failure.problem.startswith("not written yet")
    if isinstance(failure, LearnerError) and not blank:
        return "your code raised an error" if failure.frame else "the call ends in an error"
    part = re.match(r"(\d): ", failure.problem)  # of several answers
    if not part:
        return failure.problem
    names = dict(enumerate(failure.call.parts))
    name = names.get(int(part[1]), f"part {int(part[1]) + 1} of the answer")
    return f"{name}: {failure.problem[part.end() :]}"


def _leads_to(frame: Frame, about: Frame) -> bool:
    """Whether a line leads to what the test is about: only a table's entry may be far from it."""
    return frame.line == about.line or not about.text or frame.function in about.text


def _call(failure: ClauseFailure) -> str:
    """What was called, and with what: the operands first."""
    call = failure.call
    lines, used = _typed(call)
    arguments = {name: value for name, value in operands(call).items() if name not in used}
    lines = [lines[0].removeprefix("return ")] if len(lines) == 1 else _end_of(lines)
    lines += [_argument(name, value) for name, value in arguments.items()]
    return "\n".join(lines)


def _typed(call: Call) -> tuple[list[str], set[str]]:
    """The call as a learner would type it, and the arguments that are part of that text."""
    texts = {n: v.replace("tt.", "") for n, v in call.arguments.items() if isinstance(v, str)}
    source = call.shown or (_body(call.function) if call.function else "")
    for name in call.arguments.keys() - texts if call.shown else ():
        source = source.replace(f"{{{name}}}", name)  # several: they stand below
    places = {f"{{{name}}}": name for name in texts} if call.shown else _evaluated(source)
    used = {name for piece, name in places.items() if name in texts and piece in source}
    for piece, name in places.items():
        if name in used and _is_operation(texts[name]):
            source = source.replace(f"{piece}.", f"({texts[name]}).")
        if name in used:
            source = source.replace(piece, texts[name])
    return source.splitlines(), used


def _evaluated(source: str) -> dict[str, str]:
    """The pieces `eval(name, ...)` of an observation, by the name of the text that they run."""
    return {
        ast.get_source_segment(source, node) or "": node.args[0].id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "eval"
        and isinstance(node.args[0], ast.Name)
    }


def _is_operation(expression: str) -> bool:
    """Whether an expression needs brackets before a method of its value can be called."""
    with contextlib.suppress(SyntaxError):  # a text that is no expression
        return isinstance(ast.parse(expression, mode="eval").body, ast.BinOp | ast.UnaryOp)
    return False


@cache
def _body(function: Any) -> str:
    """An observation's own lines, behind its helpers, without docstrings and the package's name."""
    source = textwrap.dedent(inspect.getsource(function))
    first = ast.parse(source).body[0].body[0].lineno  # type: ignore[attr-defined]
    lines = textwrap.dedent("\n".join(source.splitlines()[first - 1 :]))
    lines = re.sub(r"  # noqa.*", "", lines)
    helpers = "".join(f"{_bare(helper)}\n" for helper in USES.get(function, ()))
    return f"{helpers}{lines}".replace("(tt, ", "(").replace("tt.", "")


def _bare(helper: Any) -> str:
    """A helper without its docstring and its annotations."""
    node = ast.parse(textwrap.dedent(inspect.getsource(helper))).body[0]
    assert isinstance(node, ast.FunctionDef)
    if ast.get_docstring(node) is not None:
        del node.body[0]
    node.returns = None
    for argument in node.args.args:
        argument.annotation = None
    return ast.unparse(node)


def _end_of(lines: list[str]) -> list[str]:
    """The last lines of a long observation: what is made and asked, without the preparations."""
    above = len(lines) - LINE_LIMIT
    return (
        lines if above <= 0 else [f"... {above} line{'s' * (above > 1)} before it", *lines[above:]]
    )


def _spelled(value: Any) -> str:
    """A value as it is typed; a text that is a call, such as the making of a net, as that call."""
    if isinstance(value, dict) and any(isinstance(v, np.ndarray) for v in value.values()):
        return "{" + ",\n ".join(f"{k!r}: {_brief(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return "[" + ",\n ".join(map(_brief, value)) + "]"
    is_call = isinstance(value, str) and re.fullmatch(r"[\w.]+\(.*\)", value)
    return str(value).replace("tt.", "") if is_call else repr(value)


def _brief(value: Any) -> str:
    """An array among others on one line, a long one by its ends."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return str(value) if isinstance(value, np.ndarray) else repr(value)
    text = np.array2string(value.ravel(), threshold=4, edgeitems=2, separator=", ", precision=4)
    return text if value.ndim == 1 and value.size <= 4 else f"{text}  shape {value.shape}"


def _argument(name: str, value: Any) -> str:
    """A value with its name, a few lines at most."""
    lines = (show(value) if isinstance(value, np.ndarray) else _spelled(value)).splitlines()
    if len(lines) > VALUE_LIMIT:
        rest = f"shape {value.shape}" if isinstance(value, np.ndarray) else f"{len(lines)} lines"
        lines = [*lines[: VALUE_LIMIT - 1], f"...  {rest}"]
    return f"{name} = " + ("\n" + " " * (len(name) + 3)).join(lines)


def _row(name: str, text: str) -> str:
    """One labelled row; further lines line up under the first."""
    lines = text.splitlines()
    if len(lines) > LINE_LIMIT and name != "call":
        lines = [*lines[:LINE_LIMIT], f"... {len(lines) - LINE_LIMIT} more lines"]
    return "\n".join(
        f"{label:<14}{line}".rstrip()
        for label, line in zip_longest([f"  {name}"], lines, fillvalue="")
    )


def _lines(frame: Frame | None, likely: list[Frame], sure: bool) -> str:
    """The line that raised, and the entry that led to it; else what ran, further ones by name."""
    first, others = likely[:1], dict.fromkeys(other.function for other in likely[1:])
    if frame:
        return "\n".join(map(_place, [frame, *(f for f in first if not _leads_to(frame, f))]))
    usual = {"Tensor.__init__", *(frame.function for frame in first)}  # it makes every operand
    names = [name for name in others if not (sure and name in usual)][:FURTHER]
    more = f"\n{'also ran: ' if sure else ''}{', '.join(names)}" if names else ""
    return "".join(map(_place, first)) + more


def _place(frame: Frame) -> str:
    path = Path(frame.path)
    short = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{short}:{frame.line}  {frame.function}" + (f"\n{frame.text}" if frame.text else "")


def clause_number(docstring: Any) -> str:
    """The number a test's docstring starts with, such as 05.4, or nothing."""
    match = re.match(r"\d\d\.\d+", str(docstring or "").strip())
    return match.group() if match else ""
