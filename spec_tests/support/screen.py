"""The failure screen: clause, call, got, expected, the learner's own line, the next step.

One text for the terminal, the JUnit report and an editor's test panel.
"""

from __future__ import annotations

import ast
import re
import textwrap
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from support.asserts import show
from support.observe import ClauseFailure, Frame, LearnerError, implementation
from tito.course.parsing import parsed

ROOT = Path(__file__).resolve().parents[2]
LINE_LIMIT = 12
VALUE_LIMIT = 6
OPERATORS = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.USub: "negative",
}
METHODS = {"sum": "sum_", "max": "amax", "min": "amin", "abs": "absolute"}


def render(failure: ClauseFailure, docstring: str, kata: str, test_id: str) -> str:
    """The whole screen.

    Args:
        failure: what went wrong.
        docstring: the test's, which is the clause with its number.
        kata: two digits.
        test_id: the parameter in the test's name, such as the operation, or nothing.
    """
    frame, about = _own(failure.frame), culprit(failure, kata, test_id)
    problem = _problem(failure)
    rows = [
        ("call", _call(failure)),
        ("got", failure.got if failure.got != problem else ""),
        ("expected", failure.expected),
        ("where", failure.note),
        ("looks like", failure.looks_like),
        ("printed", failure.call.printed),
        ("your code", _place(frame or about)),
        ("", _place(about) if frame and about and not _told(frame, about) else ""),
        ("next", f"make hint-{kata}   ·   again: make test-{kata}"),
    ]
    head = f"{clause_line(docstring)}\n  [katas/{_folder(kata)}/README.md]   {problem}"
    return "\n".join([head, *[_row(name, text) for name, text in rows if text]])


def _problem(failure: ClauseFailure) -> str:
    """What is wrong, in a few words; an error of the learner's code stands in full under `got`."""
    blank = failure.problem.startswith("not written yet")
    if isinstance(failure, LearnerError) and not blank:
        return "your code raised an error"
    part = re.match(r"(\d): ", failure.problem)  # of several gradients, or of several answers
    if not part:
        return failure.problem
    several = "abcd"[int(part[1]) :][:1] if _walks_back(failure) else ""
    name = f"{several}.grad" if several else f"answer [{part[1]}]"
    return f"{name}: {failure.problem[part.end() :]}"


def _told(frame: Frame, about: Frame) -> bool:
    """Whether a line leads to what the test is about: only a table's entry may be far from it."""
    return frame.line == about.line or not about.text or frame.function in about.text


def _own(frame: Frame | None) -> Frame | None:
    """A line that the learner wrote: the package's `__init__` is none."""
    return None if frame and Path(frame.path).name == "__init__.py" else frame


def _walks_back(failure: ClauseFailure) -> bool:
    """Whether the observation is the gradients of an expression in a, b, c, d."""
    call = failure.call
    return "expression" in call.arguments and "[t.grad for t in tensors.values()]" in call.source


def clause_line(docstring: str) -> str:
    """The clause as one line."""
    return " ".join(docstring.strip().split("\n\n")[0].split())


def culprit(failure: ClauseFailure, kata: str, test_id: str) -> Frame | None:
    """The function, or the entry in a table, that the call is about, by the names in the call."""
    path = implementation.folder / "tinytorch" / f"{_folder(kata)[3:]}.py"
    try:
        tree = parsed(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = [
        n.value for n in tree.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)
    ]
    entries = {
        c.args[0].id: c for c in calls if c.args and isinstance(c.args[0], ast.Name)
    }  # defvjp(exp, ...)
    functions = {
        n.name: n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))
    }
    defined: dict[str, Any] = entries | functions
    engine = ["backward"] if _walks_back(failure) else []
    for name in [test_id.split("-")[0], *engine, *_names(failure)]:
        name = METHODS.get(name, name) if METHODS.get(name, name) in defined else name
        if name in defined:
            node, entry = _moving(defined[name]), entries.get(name)
            called = name if node is defined[name] else f"{name}.{node.name}"
            return Frame(str(path), node.lineno, called, ast.unparse(entry) if entry else "")
    return None


def _moving(node: ast.AST) -> Any:
    """Of an optimizer the update: what a test of it looks at is a parameter that moved."""
    body = getattr(node, "body", ())
    methods = {n.name: n for n in body if isinstance(n, ast.FunctionDef)}
    return node if "step" in methods else methods.get("update", node)


def _names(failure: ClauseFailure) -> list[str]:
    """Names used by the call, outermost first."""
    expression = failure.call.arguments.get("expression")
    text = expression or failure.call.source
    try:
        tree = ast.parse(textwrap.dedent(str(text)))
    except SyntaxError:
        return []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
        elif isinstance(node, ast.Name):
            names.append(node.id)
        elif isinstance(node, (ast.BinOp, ast.UnaryOp)) and type(node.op) in OPERATORS:
            names.append(OPERATORS[type(node.op)])
    return names if expression else sorted(names, key="backward".__ne__)


def _call(failure: ClauseFailure) -> str:
    """What was called, and with what: the operands first."""
    arguments = dict(failure.call.arguments)
    expression = arguments.pop("expression", None)
    source = failure.call.source if expression is None else _typed(failure, str(expression))
    lines = source.removeprefix("return ").splitlines() if "\n" not in source else _end_of(source)
    arrays = dict(zip("abcd", arguments.pop("arrays", ()), strict=False))
    lines += [_argument(name, value) for name, value in (arrays | arguments).items()]
    return "\n".join(lines)


def _typed(failure: ClauseFailure, expression: str) -> str:
    """The observation with the expression in its place; alone where it is all that is asked."""
    source, expression = failure.call.source, expression.replace("tt.", "")
    operation = isinstance(ast.parse(expression, mode="eval").body, (ast.BinOp, ast.UnaryOp))
    whole = f"({expression})" if operation else expression
    if _walks_back(failure):
        return f"{whole}.backward(cotangent)"
    evaluated = r"eval\(expression, (\{[^{}]*\}|\w+)\)"
    if "arrays" in failure.call.arguments or re.search(rf"return {evaluated}$", source):
        return expression
    source = re.sub(rf"{evaluated}(?=\.)", lambda _: whole, source)
    return re.sub(evaluated, lambda _: expression, source)


def _end_of(source: str) -> list[str]:
    """The last lines of a long observation: what is made and asked; preparations stand above."""
    lines = source.splitlines()
    above = len(lines) - LINE_LIMIT
    return lines if above <= 0 else [f"... {above} lines that prepare it", *lines[above:]]


def _spelled(value: Any) -> str:
    """A value as it is typed; a text that is a call, such as the making of a net, as that call."""
    is_call = isinstance(value, str) and re.fullmatch(r"[\w.]+\(.*\)", value)
    return str(value).replace("tt.", "") if is_call else repr(value)


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


def _place(frame: Frame | None) -> str:
    if frame is None:
        return ""
    path = Path(frame.path)
    short = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{short}:{frame.line}  {frame.function}" + (f"\n{frame.text}" if frame.text else "")


def _folder(kata: str) -> str:
    """The kata's folder, `05_autograd`."""
    found = sorted((ROOT / "katas").glob(f"{kata}_*"))
    return found[0].name if found else kata


def clause_number(docstring: Any) -> str:
    """The number a test's docstring starts with, such as 05.4, or nothing."""
    match = re.match(r"\d\d\.\d+", str(docstring or "").strip())
    return match.group() if match else ""
