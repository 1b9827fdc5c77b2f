"""How strong the spec of a kata is: what becomes of its registered wrong answers, by the records."""

from __future__ import annotations

from dataclasses import dataclass, field

from tito.course.manifest import Kata
from tito.strength import records, variants
from tito.strength.records import Record
from tito.strength.variants import Variant

TAUGHT_AT_LEAST = 0.7  # of the wrong answers
HEAD = (
    "kata",
    "wrong answers",
    "killed",
    "own lesson shown",
    "true explanation",
    "neither",
    "misled",
    "explained by the numbers alone",
)


@dataclass
class Strength:
    """What becomes of the wrong answers of one kata.

    Attributes:
        wrong: how many there are; killed: how many fail a test.
        taught: how many are shown their own lesson; explained: how many a true explanation instead.
        misled: those that are shown another's lesson, or an explanation that nobody has found true.
        xray: how many the numbers alone would explain.
    """

    kata: Kata
    wrong: int = 0
    killed: int = 0
    taught: int = 0
    explained: int = 0
    xray: int = 0
    misled: list[str] = field(default_factory=list)

    def count(self, variant: Variant, record: Record, shown: str) -> None:
        """Count one wrong variant: its record, and what the screen says of it."""
        self.wrong += 1
        if not record.test:
            return
        self.killed += 1
        xray = record.xray
        self.xray += bool(xray)
        if not xray.startswith(variant.xray) or bool(xray) != bool(variant.xray):
            self.misled.append(f"{variant} gets the explanation {xray!r}, not {variant.xray!r}")
        elif shown == variant.lesson:
            self.taught += 1
        elif shown != xray:
            self.misled.append(f"{variant} is shown another's lesson: {shown}")
        elif shown:
            self.explained += 1

    @property
    def title(self) -> str:
        return f"{self.kata.id} {self.kata.title}"

    @property
    def told(self) -> int:
        """How many are told what they did."""
        return self.taught + self.explained

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of the table, in the order of its head."""
        silent = self.killed - self.told - len(self.misled)
        told = (self.taught, self.explained, silent, len(self.misled))
        return (self.wrong, self.killed, *told, self.xray)


def strength(kata: Kata) -> Strength:
    """The strength of one kata's spec."""
    known, shown, found = records.known(kata), records.shown(kata), Strength(kata)
    for variant in variants.load(kata, right=False):
        name = records.name(variant)
        if name in known:
            found.count(variant, known[name], shown.get(name, ""))
    return found
