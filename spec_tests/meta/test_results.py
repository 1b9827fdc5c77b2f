"""The results file, and runs that report less than a kata has."""

from __future__ import annotations

from dataclasses import replace

from tito.course.manifest import load
from tito.run.outcome import Outcome, Verdict
from tito.run.standing import judge


def _reported(count: int, collected: int) -> Verdict:
    tests = tuple(Outcome(f"test_x.py::test_{n}", "01.1", "passed") for n in range(count))
    return Verdict(tests, "", "", 1.0, collected)


def test_fewer_reported_than_the_kata_has_is_no_verdict() -> None:
    """All collected, all reported passed, but not all reported: red, and it says how many."""
    kata = replace(load().kata("01"), tests=3)
    assert judge(kata, _reported(3, 3)).green
    found = judge(kata, _reported(2, 3))
    assert not found.green
    assert "2 of the 3 tests of kata 01 were reported" in found.problem
    assert not judge(kata, _reported(2, 2)).green
