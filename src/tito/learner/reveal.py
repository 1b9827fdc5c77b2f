"""`tito reveal`: the reference beside your file, once it is earned."""

from __future__ import annotations

import ast
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table

from tito.course.errors import Refusal
from tito.course.files import demand_own, demand_unlocked, implementation, short
from tito.course.manifest import ROOT, Manifest
from tito.course.parsing import parsed
from tito.course.questions import questions
from tito.course.readme import readme, section
from tito.course.source import Function, functions, unreadable
from tito.run import results
from tito.run.measure import measure, shown

console = Console(highlight=False)


def reveal(manifest: Manifest, number: str, force: bool) -> int:
    """The reference beside the learner's file: each function, PyTorch's names, what both cost."""
    impl, kata = implementation(), manifest.kata(number)
    reference = kata.file(ROOT / "reference")
    if not reference.is_file():
        raise Refusal("this edition has no reference/, so there is nothing to reveal")
    if not force:
        demand_unlocked(kata, impl)
        demand_own(kata, impl)
        _, result = next(results.results(manifest, [kata], impl))
        if not result.green:
            reason = f"kata {kata.id} is not green yet: make test-{kata.id}"
            raise Refusal(f"{reason}\n  FORCE=1 make reveal-{kata.id} shows it anyway")
    mine = kata.file(impl)
    yours, theirs = _functions(mine), _functions(reference)
    table = Table(f"yours: {short(mine)}", f"reference: {short(reference)}", show_lines=True)
    for name in [n for n in kata.blanks if n in theirs]:
        table.add_row(_code(yours.get(name, f"# no {name}")), _code(theirs[name]))
    console.print(table)
    console.print(Markdown("## In PyTorch\n" + section(readme(kata), "In PyTorch")))
    costs = Table("what it costs", "yours", "the reference")
    for q in questions(kata):
        found = [measure(q, folder) for folder in (impl, ROOT / "reference")]
        costs.add_row(q.text, *[n if isinstance(n, str) else f"{shown(n)} {q.unit}" for n in found])
    if costs.row_count:
        console.print(costs)
    return 0


def _functions(path: Path) -> dict[str, str]:
    """The source of each function, without its docstring."""
    if not path.is_file() or unreadable(path):
        return {}
    text = path.read_text(encoding="utf-8")
    return {name: _bare(text, node) for name, node in functions(parsed(text))}


def _bare(text: str, node: Function) -> str:
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    if ast.get_docstring(node) is not None:
        first, last = node.body[0].lineno - node.lineno, node.body[0].end_lineno or 0
        del lines[first : last - node.lineno + 1]
    return "\n".join(line[node.col_offset :] for line in lines)


def _code(text: str) -> Syntax:
    return Syntax(text, "python", theme="ansi_light", word_wrap=True, background_color="default")
