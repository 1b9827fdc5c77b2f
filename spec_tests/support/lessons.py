"""Lessons: if an answer equals that of a registered wrong answer, its misconception has a name.

Every wrong variant's answer on the clause's inputs is recorded as a fingerprint, with its lesson.
At run time this is a look-up; nothing wrong is ever run.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from support.observe import ClauseFailure

FOLDER = Path(__file__).resolve().parent.parent / "lessons"
DIGITS = 6


def fingerprint(failure: ClauseFailure) -> str:
    """What came back, to six digits, as a short digest; problems without values go by their text.

    Measured quantities (bytes, counts of allocations) vary from run to run and have none.
    """
    if failure.problem.startswith(("too much", "too little", "no answer within")):
        return ""
    digest = hashlib.sha256(failure.problem.encode())
    for answer in failure.answers or [failure.got]:
        digest.update(_rounded(answer))
    return digest.hexdigest()[:16]


def lesson(kata: str, test: str, failure: ClauseFailure) -> str:
    """The lesson of the one wrong answer that was recorded for this test and this answer, or nothing."""
    found = {
        entry["lesson"]
        for entry in _recorded(kata).get(test, [])
        if entry["fingerprint"] and entry["fingerprint"] == fingerprint(failure)
    }
    return found.pop() if len(found) == 1 else ""


@cache
def _recorded(kata: str) -> dict[str, list[dict[str, str]]]:
    path = FOLDER / f"{kata}.json"
    lessons: dict[str, list[dict[str, str]]] = (
        json.loads(path.read_text(encoding="utf-8"))["lessons"] if path.is_file() else {}
    )
    return lessons


def _rounded(answer: Any) -> bytes:
    """A value with its shape and dtype, insensitive to rounding."""
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        return repr(answer).encode()
    texts = [f"{value:.{DIGITS - 1}e}" for value in (answer.ravel() + 0.0).tolist()]
    return f"{answer.shape}{answer.dtype}{texts}".encode()
