"""The failure screen: clause, call, got, expected, the learner's own line, the next step.

One text for the terminal, the JUnit report and an editor's test panel.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

from support.asserts import show
from support.observe import ClauseFailure, Frame, implementation

ROOT = Path(__file__).resolve().parents[2]
LINE_LIMIT = 12
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
    frame = failure.frame or culprit(failure, kata, test_id)
    rows = [
        ("call", _call(failure)),
        ("got", failure.got or failure.problem),
        ("expected", failure.expected),
        ("where", failure.note),
        ("looks like", failure.looks_like),
        ("printed", failure.call.printed),
        ("your code", _place(frame)),
        ("next", f"make hint-{kata}   ·   again: make test-{kata}"),
    ]
    head = f"{clause_line(docstring)}\n  [katas/{_folder(kata)}/README.md]   {failure.problem}"
    return "\n".join([head, *[_row(name, text) for name, text in rows if text]])


def clause_line(docstring: str) -> str:
    """The clause as one line."""
    return " ".join(docstring.strip().split("\n\n")[0].split())


def culprit(failure: ClauseFailure, kata: str, test_id: str) -> Frame | None:
    """The function, or the entry in a table, that the call is about, by the names in the call."""
    path = implementation.folder / "tinytorch" / f"{_folder(kata)[3:]}.py"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
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
    for name in [test_id.split("-")[0], *_names(failure)]:
        name = METHODS.get(name, name) if METHODS.get(name, name) in defined else name
        if name in defined:
            return Frame(str(path), defined[name].lineno, name)
    return None


def _names(failure: ClauseFailure) -> list[str]:
    """Names used by the call, outermost first."""
    text = failure.call.arguments.get("expression") or failure.call.source
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
    return names


def _call(failure: ClauseFailure) -> str:
    """What was called, and with what."""
    arguments = dict(failure.call.arguments)
    text = arguments.pop("expression", None)
    lines = [str(text).replace("tt.", "") if text else failure.call.source]
    if text and "arrays" in arguments:
        arguments |= dict(zip("abcd", arguments.pop("arrays"), strict=False))
    lines += [
        f"{name} = {textwrap.indent(show(value), ' ' * (len(name) + 3)).lstrip()}"
        for name, value in arguments.items()
    ]
    return "\n".join(line for line in lines if line)


def _row(name: str, text: str) -> str:
    """One labelled row; further lines line up under the first."""
    lines = text.splitlines()
    if len(lines) > LINE_LIMIT:
        lines = [*lines[:LINE_LIMIT], f"... {len(lines) - LINE_LIMIT} more lines"]
    return f"  {name:<12}" + ("\n" + " " * 14).join(lines)


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
