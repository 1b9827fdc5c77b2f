"""`tito budget`: how much code there is, against how much there may be."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from statistics import median

from tito.endings import paint
from tito.manifest import ROOT

KINDS = ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER")
SILENT = {getattr(tokenize, kind) for kind in KINDS}
REFERENCE, TOOL = ROOT / "reference" / "tinytorch", ROOT / "src" / "tito"
Row = tuple[str, float, float]  # what, how much, how much at most


def code_lines(text: str) -> set[int]:
    """The lines that hold code: no blank ones, no comments, no docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            lines -= _span(node.body[0])
    return lines


def function_lengths(text: str) -> list[int]:
    """Code lines of every function and method, its signature and nested functions included."""
    lines, nodes = code_lines(text), ast.walk(ast.parse(text))
    return [len(lines & _span(node)) for node in nodes if isinstance(node, ast.FunctionDef)]


def _span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or 0) + 1))


def rows() -> Iterator[Row]:
    """Every budget of style.md: folders, files, the reference's functions."""
    for folder, most in ((REFERENCE, 4000), (TOOL, 3000)):
        texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
        sizes = {path: len(code_lines(text)) for path, text in texts.items()}
        yield f"{folder.relative_to(ROOT)}, code lines", sum(sizes.values()), most
        yield from ((f"  {path.name}", size, 400) for path, size in sizes.items())
        if folder == REFERENCE:
            lengths = sorted(n for text in texts.values() for n in function_lengths(text))
            yield "  functions: median", median(lengths), 5
            yield "  functions: nine of ten", lengths[len(lengths) * 9 // 10], 15
            yield "  functions: longest", lengths[-1], 40


def budget() -> int:
    """Print the budgets; 1 if one is overdrawn."""
    over = []
    for what, value, limit in rows():
        over += [what.strip()] if value > limit else []
        line = f"{what:<34}{value:>6g} of {limit:g}"
        print(paint(line, "red") if value > limit else line)
    print(f"over budget: {'; '.join(over)}: shorten it" if over else "within budget")
    return 1 if over else 0
