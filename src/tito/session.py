"""`tito test`: what a learner reads, one screen for one kata, one line each for all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tito import course, gate, runner, stubs
from tito.course import Refusal, implementation, short
from tito.endings import paint
from tito.lend import is_lent, reminder
from tito.manifest import ROOT, Kata, Manifest, load
from tito.reflect import questions, wrapped

SCREEN = 60  # lines of a failure that is no clause's, such as a traceback
CHECKS = {  # how each kind stands in a spec, or in its table of what PyTorch answers
    "cases from PyTorch": r'^"((?:own/)?(?!own/)[^/"]+)/',
    "properties on drawn inputs": r"^@given\((?:.|\n)*?^def (\w+)",
    "refusals": r"^.*\bassert_raises\(.*$",
    "memory": r"^.*(?:get_traced_memory|weakref\.ref\(|np\.shares_memory).*$",
}


def quickly(number: str) -> int:
    """`tito test NN` with nothing more to it."""
    return test(load(), number, os.environ.get("ALL", "") not in ("", "0"), ())


def test(manifest: Manifest, number: str, every: bool, options: Sequence[str]) -> int:
    """Run one kata's spec: what is still to write, the first failure, what is next."""
    impl, kata = implementation(), manifest.kata(number)
    print(paint(f"kata {kata.id} · {kata.title} · under test: {short(impl)}", "bold"))
    course.demand_unlocked(manifest, kata, impl)
    trouble = course.unreadable(kata.file(impl))
    if trouble:
        print(f"{trouble}\n  next: mend that line, then: make test-{kata.id}")
        return 1
    if lent := reminder(kata, impl):
        print(lent)
    _say_blanks(kata, impl)
    if options:
        return _plain(kata, impl, options)
    key = gate.key(manifest, kata, impl)
    verdict = next(runner.verdicts([gate.job(kata, impl, () if every else ("-x",))]))
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
        whole = len(stubs.blanks_left(kata.stub)) + len(stubs.tables_left(kata.stub))
        total = max(whole, len(left))
        print(f"{len(left)} of {total} blanks are still to write: {shown}")


def _plain(kata: Kata, impl: Path, options: Sequence[str]) -> int:
    """pytest itself, for whoever passes options of it."""
    spec = str(kata.spec.relative_to(ROOT))
    command = [sys.executable, "-P", "-m", "pytest", f"--impl={impl}", spec, *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _cut(message: str) -> str:
    lines = message.splitlines()
    more = [f"... {len(lines) - SCREEN} more lines: ARGS=--raw"] if len(lines) > SCREEN else []
    return "\n".join(lines[:SCREEN] + more)


def _summary(manifest: Manifest, kata: Kata, result: gate.Result, seconds: float) -> str:
    """The last lines: what is proved and what is next, or what to work on."""
    clauses = len(course.clauses(kata)) or result.held
    if result.green:
        proved = f"{clauses} clauses, {result.passed} tests, {seconds:.1f} s"
        green = paint(f"kata {kata.id} is green", "green")
        return "\n".join([f"{green}: {proved}", *_after(manifest, kata)])
    if result.problem:
        mend = f"\n  next: mend that, then: make test-{kata.id}"
        return paint(f"\nkata {kata.id} has no verdict: {result.problem}", "red") + mend
    held = f"\n{result.held} of {clauses} clauses hold; work on {result.clause or result.test}"
    return f"{paint(held, 'yellow')} ({seconds:.1f} s)"


def _after(manifest: Manifest, kata: Kata) -> Iterator[str]:
    """What was built, how it was proved, what to think about now, and what is next."""
    question = next((q.text for q in questions(kata)), "")
    steps = [f"make reflect-{kata.id}" if question else short(kata.folder / "reflect.md")]
    steps += [f"make milestone-{kata.milestone[1:]}"] * bool(kata.milestone)
    lent = {k.id for k in manifest.katas if is_lent(k.file(implementation()))}
    for k in [k for k in manifest.katas[kata.number :] if k.id not in lent][:1]:
        steps.append(f"make module-{k.id}: {k.title}, {k.minutes} minutes")
    if kata.id not in lent:
        yield from wrapped(goal(kata), "  built    ", most=1)
    yield from wrapped(_checks(kata), "  proved   ", most=1)
    yield from wrapped(question, "  reflect  ", most=2)
    yield from wrapped(", ".join(steps), "  next     ", most=1)


def goal(kata: Kata) -> str:
    """What is to be built: the first sentence of the README's goal."""
    text = " ".join(course.section(course.readme(kata), "Goal").split())
    return re.sub("^You (build|write) ", "", text.split(". ")[0].rstrip("."))


def _checks(kata: Kata) -> str:
    """The kinds of checks that a spec is made of, and how many of each."""
    table = ROOT / "spec_tests" / "oracle_tables" / f"{kata.id}.json"
    text = "\n".join(p.read_text(encoding="utf-8") for p in (kata.spec, table) if p.is_file())
    counts = {kind: len(set(re.findall(sign, text, re.M))) for kind, sign in CHECKS.items()}
    return ", ".join(f"{kind} ({count})" for kind, count in counts.items() if count)


def test_all(manifest: Manifest) -> int:
    """Run every unlocked kata's spec, several at once; one line each."""
    impl = implementation()
    for kata in manifest.katas:
        course.demand_file(kata, impl)
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
        text, colour = line(kata, impl, result)
        print(f"{kata.id} {kata.title:<14} {paint(text, colour)}  ({verdict.seconds:.1f} s)")
    return 0 if all(green) else 1


def line(kata: Kata, impl: Path, result: gate.Result) -> tuple[str, str]:
    """A kata's result in a few words, and their colour."""
    lent = "lent by the reference, " if is_lent(kata.file(impl)) else ""
    if result.green:
        return f"{lent}green, {result.passed} tests", "dim" if lent else "green"
    if result.problem:
        return f"{lent}no verdict: {' '.join(result.problem.split())}", "red"
    work = f"work on {result.clause or result.test}: make test-{kata.id}"
    return f"{lent}open, {result.passed} of {result.collected} tests, {work}", "yellow"
