"""What a gate found wrong."""

from __future__ import annotations

from dataclasses import dataclass

from tito.course.manifest import Kata
from tito.run.outcome import Verdict


@dataclass(frozen=True)
class Finding:
    """One thing a gate found wrong, with the command that shows or fixes it."""

    kata: Kata
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"kata {self.kata.id}: {self.problem}\n    fix: {self.fix}"


def first(verdict: Verdict) -> str:
    """The first test that did not pass, and why."""
    for test in verdict.tests:
        if test.status != "passed":
            return f"{test.id} ({test.status})\n{test.message[:1500]}"
    return "nothing that ran"
