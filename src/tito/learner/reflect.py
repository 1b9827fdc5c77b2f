"""`tito reflect`: predict a number, then measure it on your own code.

The questions of a kata that have a number for an answer stand in its reflect.toml, each with the
code that measures it. Predictions stand in reflections/NN.toml, which is the learner's: it is
written once, empty. A question is measured only when there is a prediction to hold against it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.files import demand_unlocked, implementation, short, write_atomically
from tito.course.manifest import Kata, Manifest
from tito.course.questions import Question, questions
from tito.course.terminal import paint, wrapped
from tito.run.measure import measure, number, predicted_in, predictions, shown


def reflect(manifest: Manifest, number: str) -> int:
    """Ask, or hold what was predicted against what is measured."""
    impl, kata = implementation(), manifest.kata(number)
    asked, path = questions(kata), predicted_in(kata)
    if not asked:
        where = short(kata.folder / "reflect.md")
        raise Refusal(f"kata {kata.id} has no question with a number; {where} has others")
    demand_unlocked(manifest, kata, impl)
    if not path.exists():
        write_atomically(path, _blank(kata, asked))
        print(f"{short(path)} has {len(asked)} questions for you, each with a number for an answer")
        print(f"  next: write what you expect behind each =, then: make reflect-{kata.id}")
        return 0
    said = predictions(kata)
    right = [_compare(q, said.get(q.id, ""), impl, path) for q in asked]
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


def _compare(question: Question, answer: Any, impl: Path, path: Path) -> bool:
    """Print one question with what was predicted and what is; whether the prediction is right."""
    print("\n".join([paint(question.id, "bold"), *wrapped(question.text, "  ")]))
    predicted = number(answer)
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
        return False, "it is 0" if measured == 0 else "it is not 0"
    ratio = predicted / measured
    far = "far " if not 0.1 < ratio < 10 else ""
    if ratio < 1:
        return False, f"{far}too low: it is {shown(1 / ratio)} times as much"
    return False, f"{far}too high: {shown(ratio)} times what it is"
