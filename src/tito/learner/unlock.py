"""`tito module` and `tito status`: unlocking is a file that appears, the map is what is there."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from tito.course import stubs
from tito.course.errors import Refusal
from tito.course.files import (
    demand_file,
    demand_own,
    implementation,
    short,
    unlocked,
    write_atomically,
)
from tito.course.manifest import Kata, Manifest
from tito.course.readme import clauses, goal
from tito.course.source import blanks, unreadable
from tito.run import standing

console = Console(highlight=False)


def module(manifest: Manifest, number: str, force: bool) -> int:
    """Put a kata's stub where the learner works, once all katas before it are green."""
    impl, kata = implementation(), manifest.kata(number)
    target = kata.file(impl)
    demand_own(kata, impl)
    demand_file(kata, impl)
    if target.exists():
        console.print(f"{short(target)} is there already and stays as it is")
    else:
        if not force:
            _demand_green(manifest, kata, impl)
        _copy(manifest, kata, impl)
    _brief(kata, impl)
    return 0


def _demand_green(manifest: Manifest, kata: Kata, impl: Path) -> None:
    anyway = f"FORCE=1 make module-{kata.id} unlocks {kata.id} anyway"
    before = manifest.up_to(kata)[:-1]
    for earlier in before:
        if not unlocked(earlier, impl):
            reason = f"kata {kata.id} stays locked: kata {earlier.id} comes first"
            raise Refusal(f"{reason}: make module-{earlier.id}\n  {anyway}")
    if before:
        console.print(f"checking katas {before[0].id} to {before[-1].id} ...")
    for earlier, result in standing.standings(manifest, before, impl):
        if not result.green:
            reason = f"kata {kata.id} stays locked: kata {earlier.id} is not green"
            found = result.problem or f"{result.test} fails"
            raise Refusal(f"{reason} ({found})\n  next: make test-{earlier.id}\n  {anyway}")


def _copy(manifest: Manifest, kata: Kata, impl: Path) -> None:
    """The stub without its first line, which says that it was generated."""
    for name, own in stubs.package_files(manifest).items():
        if not (impl / "tinytorch" / name).exists():
            write_atomically(impl / "tinytorch" / name, own)
    if not kata.stub.is_file():
        raise Refusal(f"kata {kata.id} has no stub {short(kata.stub)}: git checkout -- katas")
    text = kata.stub.read_text(encoding="utf-8")
    write_atomically(kata.file(impl), text.partition("\n")[2])


def _brief(kata: Kata, impl: Path) -> None:
    """What to build, where, how long, and what comes first."""
    target = kata.file(impl)
    left = [] if unreadable(target) else blanks(kata, impl)
    line_of = re.findall(r"line (\d+)", left[0]) if left else []
    first = next(iter(clauses(kata).items()), ("", ""))
    rows = [
        ("you build", goal(kata)),
        ("the spec", short(kata.folder / "README.md")),
        ("your file", f"{short(target)}:{line_of[0]}" if line_of else short(target)),
        ("blanks", f"{len(left)} to write, the first is {left[0]}" if left else "none left"),
        ("clause", " ".join(first)),
        ("next", f"read the spec, write the first blank, then: make test-{kata.id}"),
    ]
    console.print(f"\n[bold]kata {kata.id} · {kata.title}[/] · about {kata.minutes} minutes")
    for name, text in rows:
        console.print(f"  [bold]{name:<10}[/]", end="")
        console.print(text, markup=False, soft_wrap=True)
