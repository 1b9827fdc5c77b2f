"""`tito hint` and `tito reveal`: three hints for each task, and the reference once it is earned."""

from __future__ import annotations

import json
import re
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from tito.course.errors import Refusal
from tito.course.files import demand_own, demand_unlocked, implementation, short, write_atomically
from tito.course.manifest import ROOT, Kata, Manifest
from tito.course.readme import section
from tito.course.source import blanks_left, task_of, unreadable
from tito.run import standing

LEVELS = ROOT / ".tito" / "hints.json"  # how many hints of each task were shown
console = Console(highlight=False)


def hint(manifest: Manifest, number: str) -> int:
    """The next hint for the task of the first failure."""
    impl, kata = implementation(), manifest.kata(number)
    demand_unlocked(manifest, kata, impl)
    if trouble := unreadable(kata.file(impl)):
        raise Refusal(f"{trouble}\n  next: fix that line, then: make test-{kata.id}")
    task = _task(manifest, kata, impl)
    hints = levels(kata, task)
    shown = _shown()
    level = min(shown.get(f"{kata.id}/{task}", 0) + 1, len(hints))
    console.print(f"[bold]kata {kata.id} · {task} · hint {level} of {len(hints)}[/]\n")
    console.print(Markdown(hints[level - 1]))
    _remember(shown | {f"{kata.id}/{task}": level})
    last = f"the last hint. Next: the worked example in {short(kata.folder)}/README.md, on paper"
    more = f"more: make hint-{kata.id}   ·   again: make test-{kata.id}"
    console.print(f"\n{more if level < len(hints) else last}")
    return 0


def _task(manifest: Manifest, kata: Kata, impl: Path) -> str:
    """The task of the blank that the first failing test needs, else of its clause."""
    _, result = next(standing.standings(manifest, [kata], impl))
    if result.green:
        demand_own(kata, impl)
        raise Refusal(f"kata {kata.id} is green, nothing to hint at: make reveal-{kata.id}")
    left = {name for name, _ in blanks_left(kata.file(impl))}
    blank = [task for task, names in kata.tasks.items() if left.intersection(names)]
    place, about = task_of(kata, impl, result.places), tasks_of(kata, result.clause)
    if place in blank or place in about:
        return place
    return next(filter(None, [*about, place, *blank, *kata.tasks]))


def tasks_of(kata: Kata, clause: str) -> list[str]:
    """The tasks that a clause is about: hints.md lists each task's clauses under its heading."""
    listed = re.findall(r"^## (\w+)\n+Clauses: (.+)$", _hints(kata), re.MULTILINE)
    return [task for task, named in listed if clause in named.split()]


def _hints(kata: Kata) -> str:
    path = kata.folder / "hints.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def levels(kata: Kata, task: str) -> list[str]:
    """The hints of one task: the numbered paragraphs under its heading in hints.md."""
    found = re.split(r"^[1-9]\. ", section(_hints(kata), task), flags=re.MULTILINE)[1:]
    if not found:
        raise Refusal(
            f"{short(kata.folder)}/hints.md has no hints for the task {task}: see the kata's README.md"
        )
    return [re.sub(r"^   ", "", hint, flags=re.MULTILINE).strip() for hint in found]


def _shown() -> dict[str, int]:
    try:
        found = json.loads(LEVELS.read_text(encoding="utf-8"))
        return {str(k): int(v) for k, v in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(shown: dict[str, int]) -> None:
    try:
        write_atomically(LEVELS, json.dumps(shown))
    except OSError as error:
        console.print(
            f"({short(LEVELS)} cannot be written: {error.strerror}; the same hint will be shown next time)"
        )
