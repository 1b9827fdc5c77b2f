"""`tito budget`: how much code there is, against how much there may be."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tito.course.manifest import REFERENCE, ROOT
from tito.course.terminal import paint

KINDS = ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER")
SILENT = {getattr(tokenize, kind) for kind in KINDS}
FRAMEWORK, TOOL = REFERENCE / "tinytorch", ROOT / "src" / "tito"
ROOMS = {  # of the tool, and how many code lines they may have together; any other room may have 1,000
    ("course", "run", "learner"): 2200,
    ("teacher",): 2000,
}
OTHER = 1000
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
    """Every budget: the reference and its functions, the rooms of the tool, each file."""
    yield from _sizes("reference/tinytorch", [FRAMEWORK], 5500)
    texts = [path.read_text(encoding="utf-8") for path in FRAMEWORK.rglob("*.py")]
    lengths = sorted(n for text in texts for n in function_lengths(text))
    yield "  functions: median", median(lengths), 5
    yield "  functions: nine of ten", lengths[len(lengths) * 9 // 10], 15
    yield "  functions: longest", lengths[-1], 40
    rooms = {p.parent.relative_to(TOOL).parts[:1] for p in TOOL.rglob("*.py")} - {()}
    named = {(room,) for together in ROOMS for room in together}
    together = ROOMS | dict.fromkeys(sorted(rooms - named), OTHER)
    for names, most in together.items():
        places = [TOOL / name for name in names if (TOOL / name).is_dir()]
        yield from _sizes(f"tito: {' + '.join(names)}", places, most)
    yield from _sizes("tito: the commands", [*TOOL.glob("*.py")], OTHER)


def _sizes(what: str, places: Sequence[Path], most: int) -> Iterator[Row]:
    """The code lines of some files and folders: all together, then each file."""
    files = sorted(p for place in places for p in (place, *place.rglob("*.py")) if p.is_file())
    sizes = {path: len(code_lines(path.read_text(encoding="utf-8"))) for path in files}
    yield f"{what}, code lines", sum(sizes.values()), most
    yield from ((f"  {p.parent.name}/{p.name}", size, 400) for p, size in sizes.items() if size)


def budget() -> int:
    """Print the budgets; 1 if one is overdrawn."""
    over = []
    for what, value, limit in rows():
        over += [what.strip()] if value > limit else []
        line = f"{what:<34}{value:>6g} of {limit:g}"
        print(paint(line, "red") if value > limit else line)
    print(f"over budget: {'; '.join(over)}: shorten it" if over else "within budget")
    return 1 if over else 0
