"""`tito module` and `tito status`: unlocking is a file that appears, the map is what is there."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tito import course, gate, stubs
from tito.course import Refusal, implementation, short
from tito.lend import demand_own
from tito.manifest import ROOT, Kata, Manifest
from tito.session import goal, line

console = Console(highlight=False)


def module(manifest: Manifest, number: str, force: bool) -> int:
    """Put a kata's stub where the learner works, once all katas before it are green."""
    impl, kata = implementation(), manifest.kata(number)
    target = kata.file(impl)
    demand_own(kata, impl)
    course.demand_file(kata, impl)
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
        if not course.unlocked(earlier, impl):
            reason = f"kata {kata.id} stays locked: kata {earlier.id} comes first"
            raise Refusal(f"{reason}: make module-{earlier.id}\n  {anyway}")
    if before:
        console.print(f"checking katas {before[0].id} to {before[-1].id} ...")
    for earlier, result in gate.results(manifest, before, impl):
        if not result.green:
            reason = f"kata {kata.id} stays locked: kata {earlier.id} is not green"
            found = result.problem or f"{result.test} fails"
            raise Refusal(f"{reason} ({found})\n  next: make test-{earlier.id}\n  {anyway}")


def _copy(manifest: Manifest, kata: Kata, impl: Path) -> None:
    """The stub without its first line, which says that it was generated."""
    package = impl / "tinytorch" / "__init__.py"
    if not package.exists():
        stubs.write_atomically(package, stubs.package_init(manifest))
    if not kata.stub.is_file():
        raise Refusal(f"kata {kata.id} has no stub {short(kata.stub)}: git checkout -- katas")
    text = kata.stub.read_text(encoding="utf-8")
    stubs.write_atomically(kata.file(impl), text.partition("\n")[2])


def _brief(kata: Kata, impl: Path) -> None:
    """What to build, where, how long, and what comes first."""
    target = kata.file(impl)
    left = [] if course.unreadable(target) else course.blanks(kata, impl)
    line_of = re.findall(r"line (\d+)", left[0]) if left else []
    first = next(iter(course.clauses(kata).items()), ("", ""))
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


def status(manifest: Manifest) -> int:
    """The map: every kata and milestone, as the files say."""
    impl = implementation()
    for kata in manifest.katas:
        course.demand_file(kata, impl)
    there = [kata for kata in manifest.katas if course.unlocked(kata, impl)]
    found = {kata.id: result for kata, result in gate.results(manifest, there, impl)}
    title = f"the map of {short(impl)}"
    table = Table("kata", "", "state", title=title, title_justify="left", box=None)
    red = ""  # the first kata that is not green: what stands behind it stands ahead
    for kata in manifest.katas:
        result = found.get(kata.id)
        text, colour = line(kata, impl, result) if result else ("locked", "dim")
        ahead = f", ahead of {red}" if red and result else ""
        table.add_row(kata.id, kata.title, Text(text + ahead, style=colour))
        red = red or ("" if result and result.green else kata.id)
        if kata.milestone:
            table.add_row("", f"  {kata.milestone}", _milestone(kata, impl, red))
    console.print(table)
    for name in course.strays(manifest, impl):
        console.print(f"{short(impl / 'tinytorch' / name)} belongs to no kata: a typo or a copy?")
    console.print(f"\nnext: {_next(manifest, found)}")
    return 0


def _next(manifest: Manifest, found: dict[str, gate.Result]) -> str:
    """The one command to go on with: the first kata that is not green."""
    for kata in manifest.katas:
        result = found.get(kata.id)
        if not result or not result.green:
            return f"make {'test' if result else 'module'}-{kata.id}   ({kata.title})"
    return "every kata is green: the milestones, with make milestone-NN"


def _milestone(kata: Kata, impl: Path, red: str) -> str:
    """Earned where its last run on this implementation left a report that says so."""
    report = ROOT / "runs" / f"{kata.milestone}-{impl.name}" / "metrics.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # no report to read
        found = json.loads(report.read_text(encoding="utf-8"))
        if found["passed"]:
            lent = f", with lent {', '.join(found['lent'])}" if found.get("lent") else ""
            return f"[green]earned: {found['number']:.2%} on {found['dataset']}{lent}[/]"
    command = f"make milestone-{kata.milestone.removeprefix('m')}"
    return f"opens after kata {kata.id}" if red else f"open: {command}"
