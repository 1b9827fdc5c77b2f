"""What a run of a spec found: one outcome for each test, and the verdict on all of them."""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[str, int]  # a file and a line of it


@dataclass(frozen=True)
class Outcome:
    """One test's outcome.

    Attributes:
        id: such as "test_05_autograd.py::test_x[add]".
        clause: the number that the test's docstring starts with, such as "05.4".
        status: "passed", "failed" or "skipped".
        message: the whole failure screen, or "".
        places: lines of the learner's code that the failure is about, the likeliest first.
        kinds: what it checked with: "properties", "refusals", "PyTorch", "measures".
        fingerprint: of the wrong answer, or ""; telling: whether it holds numbers enough.
        looks_like: what the screen says of the answer, a lesson or what the numbers say, or "".
        xray: what the numbers alone say, or "".
    """

    id: str
    clause: str
    status: str
    message: str = ""
    places: tuple[Place, ...] = ()
    kinds: tuple[str, ...] = ()
    fingerprint: str = ""
    telling: bool = False
    looks_like: str = ""
    xray: str = ""

    @property
    def name(self) -> str:
        """The test without its file, such as "test_x[add]"."""
        return self.id.partition("::")[2]


@dataclass(frozen=True)
class Verdict:
    """What a run found.

    Attributes:
        tests: outcomes, in the order in which the tests ran.
        problem: why there is no verdict at all, or "".
        output: what pytest printed.
        seconds: how long it took.
        collected: how many tests there are, also those after a first failure.
        selected: whether somebody asked for some of the tests only.
    """

    tests: tuple[Outcome, ...]
    problem: str
    output: str
    seconds: float
    collected: int = 0
    selected: bool = False

    def having(self, status: str) -> list[Outcome]:
        """The tests of one status."""
        return [test for test in self.tests if test.status == status]

    @property
    def failed(self) -> list[Outcome]:
        return self.having("failed")

    @property
    def passed(self) -> list[Outcome]:
        return self.having("passed")

    @property
    def green(self) -> bool:
        """Everything ran and passed; nothing was skipped."""
        return not self.problem and bool(self.tests) and len(self.passed) == len(self.tests)
