"""`tito strangers`: does a spec hold against answers of people who have seen no test?

Prints for each answer what became of it and what its screen says, then the rates with their 95 %
interval of Wilson (E. B. Wilson, "Probable inference, the law of succession, and statistical
inference", Journal of the American Statistical Association 22, 1927).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tito.course.errors import Refusal
from tito.course.manifest import REFERENCE, Kata
from tito.run.engine import Job
from tito.run.outcome import Verdict
from tito.run.runner import run, spec_paths
from tito.strength import batches, figures, records
from tito.strength.batches import Answer
from tito.strength.records import Record

Z = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True)
class Fate:
    """What became of an answer.

    Attributes:
        record: of its one run.
        screen: what a learner sees; says: what it says that the answer looks like, or "".
        repeats: whether its first failure is that of a registered answer, number for number.
    """

    answer: Answer
    record: Record
    screen: str
    says: str
    repeats: bool

    @property
    def good(self) -> bool:
        return self.record.verdict in ("killed", "accepted")


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a rate, in percent.

    >>> [round(x, 1) for x in wilson(97, 100)]
    [91.5, 99.0]
    """
    if not of:
        return 0.0, 100.0
    rate, z = hits / of, Z * Z / of
    middle, half = rate + z / 2, Z * math.sqrt(rate * (1 - rate) / of + z / (4 * of))
    return 100 * (middle - half) / (1 + z), 100 * (middle + half) / (1 + z)


def fates(kata: Kata, answers: Sequence[Answer]) -> Iterator[Fate]:
    """Run answers on their kata's spec."""
    known = {(r.test, r.fingerprint) for r in records.read(kata).values() if r.fingerprint}
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        jobs = [records.job(a.variant, Path(scratch) / str(i)) for i, a in enumerate(answers)]
        for answer, verdict in zip(answers, run(jobs), strict=True):
            yield _fate(answer, verdict, known)


def misfits(kata: Kata, answers: Sequence[Answer]) -> Iterator[Fate]:
    """The wrong answers that survive and the right ones that are refused.

    A wrong one meets the tests of its clause first, which are few: most die there.
    """
    (reference,) = run([Job(REFERENCE, spec_paths(kata.specs))])
    about: dict[str, tuple[str, ...]] = {}
    for test in reference.tests:
        about[test.clause] = (*about.get(test.clause, ()), test.name)
    wrong = [answer for answer in answers if not answer.variant.right]
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        jobs = [
            replace(records.job(a.variant, Path(scratch) / str(i)), tests=about.get(a.clause, ()))
            for i, a in enumerate(wrong)
        ]
        alive = [a for a, verdict in zip(wrong, run(jobs), strict=True) if not verdict.failed]
    right = [answer for answer in answers if answer.variant.right]
    yield from (fate for fate in fates(kata, alive + right) if not fate.good)


def _fate(answer: Answer, verdict: Verdict, known: set[tuple[str, str]]) -> Fate:
    record = records.recorded(answer.variant, verdict)
    seen = verdict.failed[0] if verdict.failed else None
    screen, says = (seen.message, seen.looks_like) if seen else ("", "")
    repeats = (record.test, record.fingerprint) in known
    return Fate(answer, record, screen, says, repeats)


def strangers(kata: Kata, path: Path, screens: bool, publish: str) -> int:
    """Run a batch and print what became of it; 1 if an answer survives or is refused.

    Args:
        screens: print whole screens, for the reader who judges them.
        publish: the name of the round whose figures these are, to write them to docs/figures.json.
    """
    answers = batches.load(kata, path)
    if faults := list(batches.unwitnessed(answers)):
        raise Refusal("\n".join(faults))
    found = []
    for fate in fates(kata, answers):
        found.append(fate)
        print(*_lines(fate), *[fate.screen, ""] * screens, sep="\n", flush=True)
    counted = [fate for fate in found if not fate.answer.disputed]
    counts = _counts(counted) | {"disputed": len(found) - len(counted)}
    print(*_summary(counts), sep="\n")
    if publish:
        figures.keep("strangers", f"{publish} {kata.id}", counts)
    return 0 if all(fate.good for fate in counted) else 1


def _lines(fate: Fate) -> Iterator[str]:
    """What became of one answer."""
    answer, record = fate.answer, fate.record
    disputed = f" (disputed: {answer.disputed})" if answer.disputed else ""
    yield f"{answer.variant.id} [{answer.clause}] {record.verdict} {record.test}{disputed}".rstrip()
    if fate.says:
        yield f"    {fate.says}{' (registered)' if fate.repeats else ''}"
    if not fate.good:
        yield f"    {answer.variant.lesson}"


def _counts(fates: Sequence[Fate]) -> dict[str, int]:
    """The figures of a batch."""
    wrong = [fate for fate in fates if not fate.answer.variant.right]
    right = [fate for fate in fates if fate.answer.variant.right]
    killed = [fate for fate in wrong if fate.good]
    new = [fate for fate in wrong if not fate.repeats]
    told = {f"told {word}": sum(f.answer.told == word for f in killed) for word in batches.TOLD}
    return {
        "wrong": len(wrong),
        "killed": len(killed),
        "new": len(new),
        "new killed": sum(fate.good for fate in new),
        "right": len(right),
        "accepted": sum(fate.good for fate in right),
        "explained": sum(bool(fate.says) for fate in killed),
        **told,
    }


def _summary(counts: dict[str, int]) -> Iterator[str]:
    """The rates of a batch."""
    for what, hits, of in (
        ("wrong answers killed", counts["killed"], counts["wrong"]),
        ("without repeats of registered ones", counts["new killed"], counts["new"]),
        ("right answers accepted", counts["accepted"], counts["right"]),
        ("screens that say what it looks like", counts["explained"], counts["killed"]),
    ):
        low, high = wilson(hits, of)
        rate = f"{100 * hits / of:.1f} %, 95 % interval {low:.1f} to {high:.1f} %" if of else "none"
        yield f"{what:<36}{hits} of {of}: {rate}"
    marks = [f"{counts[f'told {word}']} {word}" for word in batches.TOLD]
    yield f"{'explanations as a reader judged them':<36} {', '.join(marks)}"
    yield f"{'disputed, in no count':<36}{counts['disputed']}"
