"""The answer to a question, measured on an implementation."""

from __future__ import annotations

import ast
import math
import operator
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.files import short
from tito.course.manifest import ROOT, Kata
from tito.course.questions import Question

SECONDS = 60.0
BARE = (
    r"""^([\w-]+[ \t]*=[ \t]*)([^\s"'#\[{][^"'#\n]*?)([ \t]*(?:#.*)?)$"""  # a value without quotes
)
OPERATORS: dict[type[ast.operator], Callable[[float, float], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def measure(question: Question, impl: Path) -> float | str:
    """The number as it is on this implementation, or why there is none."""
    command = [sys.executable, "-P", "-B", "-c", question.measure]
    environment = os.environ | {"PYTHONPATH": str(impl), "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS:g} s"
    said = done.stdout.decode(errors="replace").split()
    why = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode or not said:
        return why[-1] if why else f"Python ended with code {done.returncode}"
    found = number(said[-1])
    return f"{said[-1]} is no number to compare with" if found is None else found


def number(answer: Any) -> float | None:
    """4000, 4_000, "4,000", 4e3 or 784 * 512 as a number; None for all else, as "0,5" or "4 MB"."""
    text = re.sub(r",(?=\d{3}\b)", "", str(answer)).strip()
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return None
    return value if math.isfinite(value) else None


def _value(node: ast.AST) -> float:
    """An expression of numbers; in floats, so that 9**9**9 overflows instead of taking for ever."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _value(node.operand) * (-1 if isinstance(node.op, ast.USub) else 1)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        value = OPERATORS[type(node.op)](_value(node.left), _value(node.right))
        if isinstance(value, float):  # (-1) ** 0.5 is complex
            return value
    raise ValueError("no arithmetic of numbers")


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def predicted_in(kata: Kata) -> Path:
    """The file with the learner's predictions."""
    return ROOT / "reflections" / f"{kata.id}.toml"


def predictions(kata: Kata) -> dict[str, Any]:
    """What the learner has written, by question; nothing where there is no file yet."""
    path = predicted_in(kata)
    if not path.is_file():
        return {}
    try:
        quoted = re.sub(BARE, r"\1'\2'\3", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return tomllib.loads(quoted)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        example = "a line is NAME = NUMBER, such as kept = 4_000_000 or kept = 784 * 512"
        raise Refusal(f"{short(path)} cannot be read: {error}\n  {example}") from None
