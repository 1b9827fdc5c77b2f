"""The last lines of a test: what is proved and what is next, or what to work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tito.course.files import implementation, is_lent, short
from tito.course.manifest import Kata, Manifest
from tito.course.questions import questions
from tito.course.readme import clauses, goal, readme, section
from tito.course.terminal import paint, wrapped
from tito.run import standing
from tito.run.outcome import Verdict

SCREEN = 60  # lines of a failure that is no clause's, such as a traceback
CHECKS = {  # what the tests checked with, in words
    "PyTorch": "answers of PyTorch",
    "properties": "drawn inputs",
    "refusals": "refusals",
    "measures": "measurements",
}


def cut(message: str) -> str:
    lines = message.splitlines()
    more = [f"... {len(lines) - SCREEN} more lines: ARGS=--raw"] if len(lines) > SCREEN else []
    return "\n".join(lines[:SCREEN] + more)


def closing(manifest: Manifest, kata: Kata, result: standing.Standing, verdict: Verdict) -> str:
    """The last lines: what is proved and what is next, or what to work on."""
    count = len(clauses(kata)) or result.held
    if result.green:
        proved = f"{count} clauses, {result.passed} tests, {verdict.seconds:.1f} s"
        green = paint(f"kata {kata.id} is green", "green")
        return "\n".join([f"{green}: {proved}", *after(manifest, kata, verdict)])
    if result.problem:
        fix = f"\n  next: fix that, then: make test-{kata.id}"
        return paint(f"\nkata {kata.id} has no verdict: {result.problem}", "red") + fix
    held = f"\n{result.held} of {count} clauses hold; work on {result.clause or result.test}"
    return f"{paint(held, 'yellow')} ({verdict.seconds:.1f} s)"


def after(manifest: Manifest, kata: Kata, verdict: Verdict) -> Iterator[str]:
    """What was built, how it was proved, what to try and to think about now, and what is next."""
    question = next((q.text for q in questions(kata)), "")
    steps = [f"make reflect-{kata.id}" if question else short(kata.folder / "reflect.md")]
    steps += [kata.milestone.command] if kata.milestone else []
    lent = {k.id for k in manifest.katas if is_lent(k.file(implementation()))}
    for k in [k for k in manifest.katas[kata.number :] if k.id not in lent][:1]:
        steps.append(f"make module-{k.id}: {k.title}, {k.minutes} minutes")
    if kata.id not in lent:
        yield from wrapped(goal(kata), "  built    ", most=1)
    yield from wrapped(_checks(verdict), "  proved   ", most=1)
    if section(readme(kata), "Try it"):
        place = short(kata.folder / "README.md")
        yield f'  try it   paste the lines of "Try it" in {place} into Python'
    yield from wrapped(question, "  reflect  ", most=2)
    yield from wrapped(", ".join(steps), "  next     ", most=1)


def _checks(verdict: Verdict) -> str:
    """The kinds of checks that the tests made, and how many tests made each."""
    counts = Counter(kind for test in verdict.passed for kind in test.kinds)
    return ", ".join(f"{text} ({counts[kind]})" for kind, text in CHECKS.items() if counts[kind])


def line(kata: Kata, impl: Path, result: standing.Standing) -> tuple[str, str]:
    """A kata's result in a few words, and their colour."""
    lent = "lent by the reference, " if is_lent(kata.file(impl)) else ""
    if result.green:
        return f"{lent}green, {result.passed} tests", "dim" if lent else "green"
    if result.problem:
        return f"{lent}no verdict: {' '.join(result.problem.split())}", "red"
    work = f"work on {result.clause or result.test}: make test-{kata.id}"
    return f"{lent}open, {result.passed} of {result.collected} tests, {work}", "yellow"
