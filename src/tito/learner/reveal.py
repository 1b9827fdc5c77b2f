"""`tito reveal`: the reference beside your file, once it is earned."""

from __future__ import annotations

import ast
from pathlib import Path

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table

from tito.course.errors import Refusal
from tito.course.files import demand_own, demand_unlocked, implementation, short
from tito.course.manifest import REFERENCE, Kata, Manifest
from tito.course.parsing import parsed
from tito.course.questions import questions
from tito.course.readme import readme, section
from tito.course.source import Function, functions, unreadable
from tito.course.stubs import given
from tito.run import standing
from tito.run.measure import measure, number, predictions, shown

WIDE = 160  # columns from which two files fit beside each other
console = Console(highlight=False)


def reveal(manifest: Manifest, number: str, force: bool) -> int:
    """The reference beside the learner's file: each function, PyTorch's names, what both cost."""
    impl, kata = implementation(), manifest.kata(number)
    reference = kata.file(REFERENCE)
    if not reference.is_file():
        raise Refusal("make reveal-NN is not part of this edition: it has no reference/")
    if not force:
        demand_unlocked(manifest, kata, impl)
        demand_own(kata, impl)
        _, result = next(standing.standings(manifest, [kata], impl))
        if not result.green:
            reason = f"kata {kata.id} is not green yet: make test-{kata.id}"
            raise Refusal(f"{reason}\n  FORCE=1 make reveal-{kata.id} shows it anyway")
    _beside(kata, kata.file(impl), reference)
    console.print(Markdown("## In PyTorch\n" + section(readme(kata), "In PyTorch")))
    _costs(kata, impl)
    return 0


def _beside(kata: Kata, mine: Path, reference: Path) -> None:
    """Each piece of both files: what was to write, rules, helpers. One above the other if narrow."""
    yours, theirs = _pieces(mine), _pieces(reference)
    heads = [f"yours: {short(mine)}", f"the reference: {short(reference)}"]
    wide = console.width >= WIDE
    table = Table(*(heads if wide else [" · ".join(heads)]), show_lines=True)
    kept = given(reference)
    written = [n for n in kata.blanks if n in theirs]
    others = [n for n in theirs | yours if n not in kata.blanks and n not in kept]
    for name in written + others:
        a, b = [piece.get(name, f"# no {name}") for piece in (yours, theirs)]
        cells = [_code(a), _code("# the same" if a == b else b)]
        table.add_row(*(cells if wide else [Group(cells[0], "[bold]the reference[/]", cells[1])]))
    console.print(table)


def _costs(kata: Kata, impl: Path) -> None:
    """What both cost, as far as it was predicted: the number is the answer to reflect's question."""
    costs = Table("what it costs", "yours", "the reference")
    known = {name for name, said in predictions(kata).items() if number(said) is not None}
    asked = questions(kata)
    for q in [q for q in asked if q.id in known]:
        found = [measure(q, folder) for folder in (impl, REFERENCE)]
        costs.add_row(q.text, *[n if isinstance(n, str) else f"{shown(n)} {q.unit}" for n in found])
    if costs.row_count:
        console.print(costs)
    if left := len(asked) - costs.row_count:
        console.print(f"what both cost: predict it first ({left} left): make reflect-{kata.id}")


def _pieces(path: Path) -> dict[str, str]:
    """The source of each function, without its docstring, and of each rule: `defvjp(exp, ...)`."""
    if not path.is_file() or unreadable(path):
        return {}
    text = path.read_text(encoding="utf-8")
    tree = parsed(text)
    calls = [n for n in tree.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    rules = {ast.unparse(n).partition(",")[0]: n for n in calls}
    nodes: dict[str, Function | ast.Expr] = dict(functions(tree)) | rules
    return {name: _bare(text, node) for name, node in nodes.items()}


def _bare(text: str, node: Function | ast.Expr) -> str:
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    if not isinstance(node, ast.Expr) and ast.get_docstring(node) is not None:
        first, last = node.body[0].lineno - node.lineno, node.body[0].end_lineno or 0
        del lines[first : last - node.lineno + 1]
    return "\n".join(line[node.col_offset :] for line in lines)


def _code(text: str) -> Syntax:
    return Syntax(text, "python", theme="ansi_light", word_wrap=True, background_color="default")
