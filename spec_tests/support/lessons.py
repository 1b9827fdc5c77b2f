"""Lessons: if an answer equals that of a registered wrong answer, its misconception has a name.

Every wrong variant's answer on the clause's inputs is recorded as a fingerprint, with its lesson.
At run time this is a look-up; nothing wrong is ever run.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from support.asserts import LATE, tolerance
from support.observe import ClauseFailure

FOLDER = Path(__file__).resolve().parent.parent / "lessons"


def fingerprint(failure: ClauseFailure) -> str:
    """What came back, as finely as its clause compares, as a short digest.

    Measured quantities (bytes, counts of allocations) vary from run to run, and late digits from
    processor to processor: both have none.
    """
    measured = failure.problem.startswith(("too much", "too little", "no answer within"))
    if measured or failure.problem.endswith(LATE):
        return ""
    digest = hashlib.sha256(_rounded(failure.problem))
    for answer, limit in zip_longest(failure.answers or [failure.got], failure.limits):
        digest.update(_rounded(answer, limit))
    return digest.hexdigest()[:16]


def is_telling(failure: ClauseFailure) -> bool:
    """Whether an answer holds numbers enough: None, False, 0.2 or zeros come from many mistakes."""
    numbers = [n for answer in failure.answers or [failure.got] for n in _numbers(answer)]
    return len(set(numbers)) > 1


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


def _numbers(answer: Any) -> Iterator[float]:
    """The finite numbers in an answer, also those in its texts."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, (list, tuple)):
        for part in answer:
            yield from _numbers(part)
    elif isinstance(answer, str):
        yield from map(float, re.findall(r"\d+\.?\d*", answer))
    elif not isinstance(answer, bool) and np.asarray(answer).dtype.kind in "fiub":
        yield from filter(math.isfinite, np.ravel(np.asarray(answer, np.float64)).tolist())


@np.errstate(all="ignore")  # an answer may be as large as floats go
def _rounded(answer: Any, limit: Any = None) -> bytes:
    """A value with its shape and dtype, insensitive to rounding and to nothing else.

    Counted in steps of the tolerance over pi: no short decimal lies between two of them. In which words
    Python gives up a recursion depends on how deep it stood already, and where an object lies on chance:
    both are left out.
    """
    if isinstance(answer, float):
        answer = np.asarray(answer)
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        varying = r"(?<=RecursionError).*|(?<= at )0x[0-9a-f]+"
        return re.sub(varying, "", repr(answer)).encode()
    values = answer.astype(np.float64)
    if np.shape(limit) not in ((), answer.shape):
        limit = np.min(limit)
    if limit is None:
        limit = tolerance(answer, answer)
    steps = np.round(values * np.pi / np.where(np.asarray(limit) > 0, limit, 1e-11)) + 0.0
    return f"{answer.shape}{answer.dtype}{steps.tolist()}".encode()
