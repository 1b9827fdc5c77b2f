"""`tito reflect`: predict a number, then measure it on your own code.

The questions of a kata that have a number for an answer stand in its reflect.toml, each with the
code that measures it. Predictions stand in reflections/NN.toml, which is the learner's: it is
written once, empty. A question is measured only when there is a prediction to hold against it.
"""

from __future__ import annotations

import ast
import math
import operator
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito import course, stubs
from tito.course import Refusal, implementation, short
from tito.endings import paint
from tito.manifest import ROOT, Kata, Manifest, ManifestError

FOLDER = ROOT / "reflections"
SECONDS = 60.0
WIDTH = 96
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


@dataclass(frozen=True)
class Question:
    """One question with a number for an answer.

    Attributes:
        id: its name in reflections/NN.toml.
        text, unit: what is asked, and in what the answer counts.
        tolerance: how far off, relative to what is measured, still counts as right.
        measure: Python that prints the number, run with the learner's tinytorch.
        because: what the number says; shown with the measurement.
    """

    id: str
    text: str
    unit: str
    tolerance: float
    measure: str
    because: str = ""


def questions(kata: Kata) -> list[Question]:
    """The questions of a kata; none if it has no reflect.toml."""
    path = kata.folder / "reflect.toml"
    if not path.is_file():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["question"]
        return [Question(**entry) for entry in entries]
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise ManifestError(f"{short(path)}: {error}") from None


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
    number = _number(said[-1])
    return f"{said[-1]} is no number to compare with" if number is None else number


def reflect(manifest: Manifest, number: str) -> int:
    """Ask, or hold what was predicted against what is measured."""
    impl, kata = implementation(), manifest.kata(number)
    asked, path = questions(kata), FOLDER / f"{kata.id}.toml"
    if not asked:
        where = short(kata.folder / "reflect.md")
        raise Refusal(f"kata {kata.id} has no question with a number; {where} has others")
    course.demand_unlocked(manifest, kata, impl)
    if not path.exists():
        stubs.write_atomically(path, _blank(kata, asked))
        print(f"{short(path)} has {len(asked)} questions for you, each with a number for an answer")
        print(f"  next: write what you expect behind each =, then: make reflect-{kata.id}")
        return 0
    predictions = _predictions(path)
    right = [_compare(q, predictions.get(q.id, ""), impl, path) for q in asked]
    print(f"{right.count(True)} of {len(asked)} predictions are right")
    return 0


def _blank(kata: Kata, asked: list[Question]) -> str:
    """The file of predictions, as the learner finds it."""
    head = f"What do you expect of your own code? Write a number, or 784 * 512, behind each =, then: make reflect-{kata.id}"
    lines = [f"# Kata {kata.id} · {kata.title}.", *wrapped(head, "# ")]
    for question in asked:
        lines += ["", *wrapped(f"{question.text} (unit: {question.unit})", "# ")]
        lines.append(f'{question.id} = ""')
    return "\n".join(lines) + "\n"


def wrapped(text: str, first: str, most: int | None = None) -> list[str]:
    """Lines that fit a screen, `most` at most."""
    later = first if first.startswith("#") else " " * len(first)
    fill = textwrap.TextWrapper(WIDTH, first, later, max_lines=most, placeholder=" ...")
    return fill.wrap(text)


def _number(answer: Any) -> float | None:
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


def _predictions(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        quoted = re.sub(BARE, r"\1'\2'\3", text, flags=re.MULTILINE)
        return tomllib.loads(quoted)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        example = "a line is NAME = NUMBER, such as kept = 4_000_000 or kept = 784 * 512"
        raise Refusal(f"{short(path)} cannot be read: {error}\n  {example}") from None


def predicted(kata: Kata) -> set[str]:
    """The questions of a kata to which the learner has written a number."""
    path = FOLDER / f"{kata.id}.toml"
    answers = _predictions(path) if path.is_file() else {}
    return {name for name, answer in answers.items() if _number(answer) is not None}


def _compare(question: Question, answer: Any, impl: Path, path: Path) -> bool:
    """Print one question with what was predicted and what is; whether the prediction is right."""
    print("\n".join([paint(question.id, "bold"), *wrapped(question.text, "  ")]))
    predicted = _number(answer)
    if predicted is None:
        said = "not predicted yet" if answer == "" else f"{answer!r} is not a number"
        print(
            f"  {said}: write {question.id} = NUMBER in {short(path)}, as 0.5, 4_000 or 784 * 512\n"
        )
        return False
    print(f"  you predicted  {shown(predicted)} {question.unit}")
    measured = measure(question, impl)
    if isinstance(measured, str):
        print(f"  measured       nothing yet: {measured}\n")
        return False
    right, words = verdict(predicted, measured, question.tolerance)
    print(f"  measured       {shown(measured)} {question.unit}")
    if measured:
        print(f"  ratio          {shown(predicted / measured)}")
    print(f"  {paint(words, 'green' if right else 'yellow')}")
    print("\n".join([*wrapped(question.because, "  "), ""]))
    return right


def verdict(predicted: float, measured: float, tolerance: float) -> tuple[bool, str]:
    """Whether a prediction is right, and in words how it compares.

    Example:
        >>> verdict(4e6, 8e6, 0.1)
        (False, 'too low: it is 2 times as much')
    """
    if abs(predicted - measured) <= tolerance * abs(measured):
        return True, f"right, within {tolerance:.0%}" if tolerance else "right"
    if predicted * measured <= 0:
        return False, "it is none at all" if measured == 0 else "it is not nothing"
    ratio = predicted / measured
    far = "far " if not 0.1 < ratio < 10 else ""
    if ratio < 1:
        return False, f"{far}too low: it is {shown(1 / ratio)} times as much"
    return False, f"{far}too high: {shown(ratio)} times what it is"


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
