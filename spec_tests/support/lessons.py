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
DIGITS = {"float64": 6, "float32": 4}  # behind the point, of what is at most pi


def fingerprint(failure: ClauseFailure) -> str:
    """What came back, to a few digits, as a short digest; problems without values go by their text.

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
    """A value with its shape and dtype, insensitive to rounding: also where zero or a tie is meant.

    Scaled so that the largest is pi: then no short decimal lies between two roundings.
    """
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        return repr(answer).encode()
    finite = np.abs(answer[np.isfinite(answer)])
    largest = float(finite.max(initial=0.0)) or 1.0
    values = answer.astype(np.float64) * (np.pi / largest)
    rounded = np.round(values, DIGITS.get(str(answer.dtype), 2)) + 0.0  # no minus zero
    return f"{answer.shape}{answer.dtype}{largest * np.pi:.4g}{rounded.tolist()}".encode()
