"""`tito test`: what a learner reads, one screen for one kata, one line each for all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tito.course.errors import Refusal
from tito.course.files import (
    demand_file,
    demand_unlocked,
    implementation,
    reminder,
    short,
    unlocked,
)
from tito.course.manifest import ROOT, Kata, Manifest, load
from tito.course.source import blanks, blanks_left, tables_left, unreadable
from tito.course.terminal import paint
from tito.learner.summary import closing, cut, line
from tito.run import results_file, standing
from tito.run.outcome import Verdict
from tito.run.runner import read, run, spec_paths


def quickly(number: str) -> int:
    """`tito test NN` with nothing more to it."""
    return test(load(), number, os.environ.get("ALL", "") not in ("", "0"), ())


def test(manifest: Manifest, number: str, every: bool, options: Sequence[str]) -> int:
    """Run one kata's spec: what is still to write, the first failure, what is next."""
    impl, kata = implementation(), manifest.kata(number)
    print(paint(f"kata {kata.id} · {kata.title} · under test: {short(impl)}", "bold"))
    demand_unlocked(manifest, kata, impl)
    trouble = unreadable(kata.file(impl))
    if trouble:
        print(f"{trouble}\n  next: fix that line, then: make test-{kata.id}")
        return 1
    if lent := reminder(kata, impl):
        print(lent)
    _say_blanks(kata, impl)
    if options:
        return _plain(manifest, kata, impl, options)
    key = standing.key(manifest, kata, impl)
    [verdict] = run([standing.job(kata, impl, first=not every)])
    result = standing.judge(kata, verdict)
    results_file.write(manifest, impl, [(kata, verdict)])
    if result.green or not every:
        standing.keep(key, result)
    for test in verdict.failed:
        print("\n" + cut(test.message))
    print(closing(manifest, kata, result, verdict))
    return 0 if result.green else 1


def _say_blanks(kata: Kata, impl: Path) -> None:
    """Print the functions that are not written yet (found without running anything)."""
    left = blanks(kata, impl)
    if left:
        shown = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        whole = len(blanks_left(kata.stub)) + len(tables_left(kata.stub))
        total = max(whole, len(left))
        print(f"{len(left)} of {total} blanks are still to write: {shown}")


def _plain(manifest: Manifest, kata: Kata, impl: Path, options: Sequence[str]) -> int:
    """pytest itself, for whoever passes options of it; red if less came back than was asked for."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        where = [f"--impl={impl}", f"--results={scratch}/results", "--attended"]
        pytest = [sys.executable, "-P", "-m", "pytest", *where]
        command = [*pytest, *spec_paths(kata.specs), *options]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if not any(Path(scratch).iterdir()):
            return code  # no test was asked for: --help
        verdict = read(Path(scratch), 0.0, code)
    results_file.write(manifest, impl, [(kata, verdict)])
    if verdict.problem and not verdict.selected:
        print(f"kata {kata.id} has no verdict: {verdict.problem}")
        return code or 1
    return code


def test_all(manifest: Manifest) -> int:
    """Run every unlocked kata's spec, several at once; one line each."""
    impl = implementation()
    for kata in manifest.katas:
        demand_file(kata, impl)
    katas = [kata for kata in manifest.katas if unlocked(kata, impl)]
    if not katas:
        results_file.write(manifest, impl, [])
        raise Refusal(f"no kata is unlocked in {short(impl)} yet: make module-01")
    print(paint(f"under test: {short(impl)}", "bold"))
    green, ran = [], list[tuple[Kata, Verdict]]()
    keys = {kata.id: standing.key(manifest, kata, impl) for kata in katas}
    verdicts = run([standing.job(kata, impl) for kata in katas])
    for kata, verdict in zip(katas, verdicts, strict=True):
        result = standing.judge(kata, verdict)
        standing.keep(keys[kata.id], result)
        green.append(result.green)
        ran.append((kata, verdict))
        text, colour = line(kata, impl, result)
        print(f"{kata.id} {kata.title:<14} {paint(text, colour)}  ({verdict.seconds:.1f} s)")
    results_file.write(manifest, impl, ran)
    return 0 if all(green) else 1
