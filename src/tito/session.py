"""`tito test`: what a learner reads, one screen for one kata, one line each for all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tito import course, gate, runner
from tito.course import Refusal, implementation, short
from tito.endings import paint
from tito.manifest import ROOT, Kata, Manifest, load

SCREEN = 60  # lines of a failure that is no clause's, such as a traceback


def quickly(number: str) -> int:
    """`tito test NN` with nothing more to it."""
    return test(load(), number, os.environ.get("ALL", "") not in ("", "0"), ())


def test(manifest: Manifest, number: str, every: bool, options: Sequence[str]) -> int:
    """Run one kata's spec: what is still to write, the first failure, what is next."""
    impl, kata = implementation(), manifest.kata(number)
    print(paint(f"kata {kata.id} · {kata.title} · under test: {short(impl)}", "bold"))
    course.demand_unlocked(kata, impl)
    trouble = course.unreadable(kata.file(impl))
    if trouble:
        print(f"{trouble}\n  next: mend that line, then: make test-{kata.id}")
        return 1
    _say_blanks(kata, impl)
    if options:
        return _plain(kata, impl, options)
    job = gate.job(kata, impl, () if every else ("-x",))
    key = gate.key(manifest, kata, impl)
    verdict = next(runner.verdicts([job]))
    result = gate.judge(kata, verdict)
    if result.green or not every:
        gate.keep(key, result)
    for name in verdict.failed:
        print("\n" + _cut(verdict.tests[name]["message"]))
    print(_summary(manifest, kata, result, verdict.seconds))
    return 0 if result.green else 1


def _say_blanks(kata: Kata, impl: Path) -> None:
    """Stage 0: the blanks that still raise, found without running anything."""
    left = course.blanks(kata, impl)
    if left:
        shown = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        total = max(len(kata.blanks), len(left))
        print(f"{len(left)} of {total} blanks are still to write: {shown}")


def _plain(kata: Kata, impl: Path, options: Sequence[str]) -> int:
    """pytest itself, for whoever passes options of it."""
    spec = str(kata.spec.relative_to(ROOT))
    command = [sys.executable, "-P", "-m", "pytest", f"--impl={impl}", spec, *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _cut(message: str) -> str:
    lines = message.splitlines()
    more = [f"... {len(lines) - SCREEN} more lines: ARGS=-v"] if len(lines) > SCREEN else []
    return "\n".join(lines[:SCREEN] + more)


def _summary(manifest: Manifest, kata: Kata, result: gate.Result, seconds: float) -> str:
    """The last line: what is proved, or what to work on."""
    clauses = len(course.clauses(kata)) or result.held
    if result.green:
        proved = f"{clauses} clauses, {result.passed} tests, {seconds:.1f} s"
        green = paint(f"kata {kata.id} is green", "green")
        return f"{green}: {proved}\n  next: {after(manifest, kata)}"
    if result.problem:
        mend = f"\n  next: mend that, then: make test-{kata.id}"
        return paint(f"\nkata {kata.id} has no verdict: {result.problem}", "red") + mend
    work = f"work on {result.clause or result.test}"
    return (
        paint(f"\n{result.held} of {clauses} clauses hold; {work}", "yellow")
        + f" ({seconds:.1f} s)"
    )


def after(manifest: Manifest, kata: Kata) -> str:
    """What follows on a green kata."""
    steps = [f"katas/{kata.slug}/reflect.md"]
    if kata.milestone:
        steps.append(f"make milestone-{kata.milestone.removeprefix('m')}")
    if kata.number < manifest.katas[-1].number:
        steps.append(f"make module-{kata.number + 1:02}")
    return ", then ".join(steps)


def test_all(manifest: Manifest) -> int:
    """Run every unlocked kata's spec, several at once; one line each."""
    impl = implementation()
    katas = [kata for kata in manifest.katas if course.unlocked(kata, impl)]
    if not katas:
        raise Refusal(f"no kata is unlocked in {short(impl)} yet: make module-01")
    print(paint(f"under test: {short(impl)}", "bold"))
    green = []
    keys = {kata.id: gate.key(manifest, kata, impl) for kata in katas}
    verdicts = runner.verdicts([gate.job(kata, impl) for kata in katas])
    for kata, verdict in zip(katas, verdicts, strict=True):
        result = gate.judge(kata, verdict)
        gate.keep(keys[kata.id], result)
        green.append(result.green)
        text, colour = line(kata, result)
        print(f"{kata.id} {kata.title:<14} {paint(text, colour)}  ({verdict.seconds:.1f} s)")
    return 0 if all(green) else 1


def line(kata: Kata, result: gate.Result) -> tuple[str, str]:
    """A kata's result in a few words, and their colour."""
    if result.green:
        return f"green, {result.passed} tests", "green"
    if result.problem:
        return "no verdict: " + " ".join(result.problem.split()), "red"
    work = f"work on {result.clause or result.test}: make test-{kata.id}"
    return f"open, {result.passed} of {result.collected} tests, {work}", "yellow"
