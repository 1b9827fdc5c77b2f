"""The questions of a kata that have a number for an answer, from its reflect.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from tito.course.errors import Refusal
from tito.course.files import short
from tito.course.manifest import Kata


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
        raise Refusal(f"{short(path)}: {error}") from None
