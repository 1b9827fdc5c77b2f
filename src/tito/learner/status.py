"""`tito status`: the map of what is there."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tito.course.files import demand_file, implementation, short, strays, unlocked
from tito.course.manifest import Kata, Manifest, Milestone
from tito.learner.summary import line
from tito.run import standing
from tito.run.results_file import report

console = Console(highlight=False)


def status(manifest: Manifest) -> int:
    """The map: every kata and milestone, as the files say."""
    impl = implementation()
    for kata in manifest.katas:
        demand_file(kata, impl)
    there = [kata for kata in manifest.katas if unlocked(kata, impl)]
    found = {kata.id: result for kata, result in standing.standings(manifest, there, impl)}
    title = f"the map of {short(impl)}"
    table = Table("kata", "", "state", title=title, title_justify="left", box=None)
    red = ""  # the first kata that is not green; later unlocked katas are ahead of it
    for kata in manifest.katas:
        result = found.get(kata.id)
        text, colour = line(kata, impl, result) if result else ("locked", "dim")
        ahead = f", ahead of {red}" if red and result else ""
        table.add_row(kata.id, kata.title, Text(text + ahead, style=colour))
        red = red or ("" if result and result.green else kata.id)
        if kata.milestone:
            table.add_row("", f"  {kata.milestone.id}", _earned(kata, kata.milestone, impl, red))
    console.print(table)
    for name in strays(manifest, impl):
        console.print(f"{short(impl / 'tinytorch' / name)} belongs to no kata: a typo or a copy?")
    console.print(f"\nnext: {_next(manifest, found)}")
    return 0


def _next(manifest: Manifest, found: dict[str, standing.Standing]) -> str:
    """The one command to go on with: the first kata that is not green."""
    for kata in manifest.katas:
        result = found.get(kata.id)
        if not result or not result.green:
            return f"make {'test' if result else 'module'}-{kata.id}   ({kata.title})"
    return "every kata is green: the milestones, with make milestone-NN"


def _earned(kata: Kata, milestone: Milestone, impl: Path, red: str) -> str:
    """Earned where its last run on this implementation left a report that says so."""
    found = report(milestone, impl)
    if found and found["passed"]:
        lent = f", with lent {', '.join(found['lent'])}" if found["lent"] else ""
        share = found["unit"] == "%"
        shown = f"{found['number']:.2%}" if share else f"{found['number']:.3f} {found['unit']}"
        return f"[green]earned: {shown} on {escape(found['dataset'])}{lent}[/]"
    return f"opens after kata {kata.id}" if red else f"open: {milestone.command}"
