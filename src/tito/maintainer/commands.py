"""`tito gates, variant, stubs, records`: the maintainers' side of a kata, as commands."""

from __future__ import annotations

import difflib
import importlib
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tito.course import stubs as generating
from tito.course.errors import Refusal
from tito.course.files import short, write_atomically
from tito.course.manifest import ROOT, Manifest
from tito.course.terminal import paint
from tito.maintainer import counts as counting
from tito.maintainer import gates as gating
from tito.maintainer import tables
from tito.run.runner import run
from tito.strength import records as recording


def gates(manifest: Manifest, number: str, only: str) -> int:
    """Run gates, print each one's findings as it ends; 1 if there are any."""
    names = only.split(",") if only else list(gating.FOUR)
    if unknown := set(names) - set(gating.GATES):
        raise Refusal(
            f"there is no gate {sorted(unknown)[0]!r}: the gates are {', '.join(gating.GATES)}"
        )
    count = 0
    for name, found in gating.check(manifest, manifest.some(number), names):
        state = paint(f"{len(found)} findings", "red") if found else paint("ok", "green")
        print(f"{name:<10}{state}", *found, sep="\n  ", flush=True)
        count += len(found)
    return 1 if count else 0


def variant(manifest: Manifest, name: str) -> int:
    """Run one variant on its own kata's spec and show all that it prints."""
    kata = manifest.kata(name.partition("/")[0])
    known = {recording.name(v): v for v in recording.everything(kata)}
    found = known.get(name.partition("/")[2])
    if found is None:
        names = "\n  ".join(map(str, recording.everything(kata)))
        raise Refusal(f"there is no variant {name}; kata {kata.id} has:\n  {names}")
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        [verdict] = run([recording.job(found, Path(scratch) / "variant")])
    print(verdict.output, *[test.message for test in verdict.failed], verdict.problem, sep="\n")
    first = verdict.failed[0].name if verdict.failed else "no test"
    named = f"; it names {found.killed_by}" * (found.killed_by not in ("", first))
    print(f"{found}: {found.lesson}", f"  the first that fails: {first}{named}", sep="\n")
    return 0


def stubs(manifest: Manifest, check: bool) -> int:
    """Write the generated files, or say which are not what they should be."""
    return _written(generating.generated(manifest).items(), check, "make stubs")


def records(manifest: Manifest, number: str, check: bool) -> int:
    """Regenerate all that can be; or say what is out of date, the verdicts on variants aside."""
    katas = manifest.some(number)
    stale = _written(counting.generated(katas).items(), check, "make records")
    stale += stubs(manifest, check)
    for kata in katas if not check else ():
        absent = recording.missing(kata)
        for done, (variant, record) in enumerate(recording.fill(kata), 1):
            line = f"{done} of {len(absent)}  {variant} {record.verdict} {record.test}"
            print(line, flush=True)
    pages = {recording.LESSONS / f"{kata.id}.json": recording.lessons(kata) for kata in katas}
    stale += _written((pages | tables.generated(manifest)).items(), check, "make records")
    if not number:
        stale += _written(_shown().items(), check, "make records")
    return 1 if stale else 0


def _shown() -> dict[Path, str]:
    """The snapshots of failure screens and the pages of failures, from fresh runs."""
    meta = ROOT / "spec_tests" / "meta"
    sys.path.append(str(meta))
    names = [name for name in ("test_screens", "test_failures") if (meta / f"{name}.py").is_file()]
    found = [importlib.import_module(name).generated() for name in names]
    return {path: text for files in found for path, text in files.items()}


def _written(files: Iterable[tuple[Path, str]], check: bool, fix: str) -> int:
    """Write files that are not as they should be; or, to check, only show what differs."""
    stale = 0
    for path, text in files:
        then = path.read_text(encoding="utf-8") if path.is_file() else ""
        if then != text and check:
            lines = difflib.unified_diff(then.splitlines(), text.splitlines(), lineterm="", n=0)
            print(f"{short(path)} is not what is generated: {fix}", *lines, sep="\n")
            stale = 1
        elif then != text:
            write_atomically(path, text)
            print(f"{short(path)} written")
    return stale
