"""`tito hint` and `tito reveal`: three hints for each task, and the reference once it is earned."""

from __future__ import annotations

import ast
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table

from tito import course, gate, stubs
from tito.course import Refusal, implementation, section, short
from tito.lend import demand_own
from tito.manifest import ROOT, Kata, Manifest
from tito.reflect import measure, predicted, questions, shown

LEVELS = ROOT / ".tito" / "hints.json"  # how many hints of each task were shown
WIDE = 160  # columns from which two files fit beside each other
console = Console(highlight=False)


def hint(manifest: Manifest, number: str) -> int:
    """The next hint for the task of the first failure."""
    impl, kata = implementation(), manifest.kata(number)
    course.demand_unlocked(manifest, kata, impl)
    if trouble := course.unreadable(kata.file(impl)):
        raise Refusal(f"{trouble}\n  next: mend that line, then: make test-{kata.id}")
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
    """The task of the first failing test, else of the first blank."""
    _, result = next(gate.results(manifest, [kata], impl))
    if result.green:
        demand_own(kata, impl)
        raise Refusal(f"kata {kata.id} is green, nothing to hint at: make reveal-{kata.id}")
    left = {name for name, _ in stubs.blanks_left(kata.file(impl))}
    blank = [task for task, names in kata.tasks.items() if left.intersection(names)]
    return next(filter(None, [course.task_of(kata, impl, result.places), *blank, *kata.tasks]))


def levels(kata: Kata, task: str) -> list[str]:
    """The hints of one task: the numbered paragraphs under its heading in hints.md."""
    path = kata.folder / "hints.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.split(r"^[1-9]\. ", section(text, task), flags=re.MULTILINE)[1:]
    if not found:
        raise Refusal(f"{short(path)} has no hints for the task {task}: see the kata's README.md")
    return [re.sub(r"^   ", "", hint, flags=re.MULTILINE).strip() for hint in found]


def _shown() -> dict[str, int]:
    try:
        found = json.loads(LEVELS.read_text(encoding="utf-8"))
        return {str(k): int(v) for k, v in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(shown: dict[str, int]) -> None:
    try:
        stubs.write_atomically(LEVELS, json.dumps(shown))
    except OSError as error:
        console.print(
            f"({short(LEVELS)} cannot be written: {error.strerror}; this hint comes again)"
        )


def reveal(manifest: Manifest, number: str, force: bool) -> int:
    """The reference beside the learner's file: each function, PyTorch's names, what both cost."""
    impl, kata = implementation(), manifest.kata(number)
    reference = kata.file(ROOT / "reference")
    if not reference.is_file():
        raise Refusal("this edition has no reference/, so there is nothing to reveal")
    if not force:
        course.demand_unlocked(manifest, kata, impl)
        demand_own(kata, impl)
        _, result = next(gate.results(manifest, [kata], impl))
        if not result.green:
            reason = f"kata {kata.id} is not green yet: make test-{kata.id}"
            raise Refusal(f"{reason}\n  FORCE=1 make reveal-{kata.id} shows it anyway")
    _beside(kata, kata.file(impl), reference)
    console.print(Markdown("## In PyTorch\n" + section(course.readme(kata), "In PyTorch")))
    _costs(kata, impl)
    return 0


def _beside(kata: Kata, mine: Path, reference: Path) -> None:
    """Each piece of both files: what was to write, rules, helpers. One above the other if narrow."""
    yours, theirs = _pieces(mine), _pieces(reference)
    heads = [f"yours: {short(mine)}", f"the reference: {short(reference)}"]
    wide = console.width >= WIDE
    table = Table(*(heads if wide else [" · ".join(heads)]), show_lines=True)
    written = [n for n in kata.blanks if n in theirs]
    others = [n for n in theirs | yours if n not in kata.blanks and not _kept(n, kata)]
    for name in written + others:
        a, b = [piece.get(name, f"# no {name}") for piece in (yours, theirs)]
        cells = [_code(a), _code("# the same" if a == b else b)]
        table.add_row(*(cells if wide else [Group(cells[0], "[bold]the reference[/]", cells[1])]))
    console.print(table)


def _kept(name: str, kata: Kata) -> bool:
    """Whether a piece is the stub's own."""
    return any(fnmatchcase(name, pattern) for pattern in kata.given)


def _costs(kata: Kata, impl: Path) -> None:
    """What both cost, as far as it was predicted: the number is the answer to reflect's question."""
    costs = Table("what it costs", "yours", "the reference")
    asked, known = questions(kata), predicted(kata)
    for q in [q for q in asked if q.id in known]:
        found = [measure(q, folder) for folder in (impl, ROOT / "reference")]
        costs.add_row(q.text, *[n if isinstance(n, str) else f"{shown(n)} {q.unit}" for n in found])
    if costs.row_count:
        console.print(costs)
    if left := len(asked) - costs.row_count:
        console.print(f"what both cost: predict it first ({left} left): make reflect-{kata.id}")


def _pieces(path: Path) -> dict[str, str]:
    """The source of each function, without its docstring, and of each rule: `defvjp(exp, ...)`."""
    if not path.is_file() or course.unreadable(path):
        return {}
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    calls = [n for n in tree.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    rules = {ast.unparse(n).partition(",")[0]: n for n in calls}
    nodes: dict[str, stubs.Function | ast.Expr] = dict(stubs.functions(tree)) | rules
    return {name: _bare(text, node) for name, node in nodes.items()}


def _bare(text: str, node: stubs.Function | ast.Expr) -> str:
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    if not isinstance(node, ast.Expr) and ast.get_docstring(node) is not None:
        first, last = node.body[0].lineno - node.lineno, node.body[0].end_lineno or 0
        del lines[first : last - node.lineno + 1]
    return "\n".join(line[node.col_offset :] for line in lines)


def _code(text: str) -> Syntax:
    return Syntax(text, "python", theme="ansi_light", word_wrap=True, background_color="default")
