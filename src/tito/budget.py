"""`tito budget`: how much code there is, against how much there may be."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tito.manifest import ROOT

SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
FILE_LINES, MEDIAN, MOST, LONGEST = 400, 5, 15, 40
Row = tuple[str, float, float]  # what, how much, how much at most


def code_lines(text: str) -> set[int]:
    """The lines that hold code: no blank ones, no comments, no docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            lines.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def function_lengths(text: str) -> list[int]:
    """Code lines of every function and method, its signature and nested functions included."""
    lines, nodes = code_lines(text), ast.walk(ast.parse(text))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return [len(lines.intersection(range(f.lineno, (f.end_lineno or 0) + 1))) for f in functions]


def rows(folder: Path, total: int) -> list[Row]:
    """The budget of one folder of Python files."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    sizes = {path: len(code_lines(text)) for path, text in texts.items()}
    files = [(f"{p.parent.name}/{p.name}", float(size), float(FILE_LINES)) for p, size in sizes.items()]
    return [(f"{folder.relative_to(ROOT)}, code lines", sum(sizes.values()), total), *files]


def function_rows(folder: Path) -> list[Row]:
    """How long the functions of the reference are."""
    paths = sorted(folder.glob("*.py"))
    lengths = sorted(n for p in paths for n in function_lengths(p.read_text(encoding="utf-8")))
    name = f"{folder.relative_to(ROOT)}, functions"
    most = lengths[min(len(lengths) * 9 // 10, len(lengths) - 1)]
    found = [("median", median(lengths), MEDIAN), ("90 %", most, MOST), ("longest", lengths[-1], LONGEST)]
    return [(f"{name}: {what}", float(value), float(limit)) for what, value, limit in found]


def show(table: Iterable[Row]) -> int:
    """Print the budgets; 1 if one is overdrawn."""
    shown, over = Table("", "is", "at most", box=None), []
    for what, value, limit in table:
        red = value > limit
        over += [what] if red else []
        shown.add_row(f"[red]{what}[/]" if red else what, f"{value:g}", f"{limit:g}")
    Console().print(shown)
    print(f"over budget: {', '.join(over)}; shorten what is long" if over else "within budget")
    return 1 if over else 0


def budget() -> int:
    reference, tool = ROOT / "reference" / "tinytorch", ROOT / "src" / "tito"
    return show([*rows(reference, 4000), *function_rows(reference), *rows(tool, 2500)])
