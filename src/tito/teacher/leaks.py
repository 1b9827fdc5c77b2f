"""What of the reference's solutions stands in a folder: searched by meaning, not by letters.

A solution is a body that the stub leaves blank, a helper or a statement that the stub does not have.
It is compared as a syntax tree without positions and docstring, whatever its function is called,
in every Python file and in every text that Python can read: a block of Markdown, a string of data.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tito.course.manifest import REFERENCE, Kata, Manifest

SMALLEST = 12  # nodes of a syntax tree; a smaller body tells only under its function's name
TOLD = {"kata 01: exp in katas/01_tensor/README.md"}  # the spec's example of a primitive
TEXTS = {".py", ".md", ".toml", ".json", ".ipynb", ".txt", ".patch", ".diff", ".yml"}
READERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".ipynb": json.loads,
    ".toml": tomllib.loads,
}


def leaks(manifest: Manifest, folder: Path) -> list[str]:
    """Each solution that is left in a folder, as "kata 05: backward in docs/x.md"."""
    known = {meaning: name for kata in manifest.katas for meaning, name in solutions(kata)}
    found = set()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in TEXTS):
        for text in _texts(path):
            found |= {
                f"{known[meaning]} in {path.relative_to(folder)}"
                for meaning, _ in _meanings(text)
                if meaning in known
            }
    return sorted(found - TOLD)


def solutions(kata: Kata) -> Iterator[tuple[str, str]]:
    """The meaning and the name of all that the reference has and the stub does not."""
    given = {meaning for meaning, _ in _meanings(kata.stub.read_text(encoding="utf-8"))}
    for meaning, name in _meanings(kata.file(REFERENCE).read_text(encoding="utf-8")):
        if meaning not in given:
            yield meaning, f"kata {kata.id}: {name}"


def _meanings(text: str) -> Iterator[tuple[str, str]]:
    """Every body of a function, and every call that a module makes: `defvjp(exp, ...)`."""
    try:
        tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _told(_without_docstring(node), node.name)
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield from _told([node], ast.unparse(node).partition(",")[0])


def _told(body: list[ast.stmt], name: str) -> Iterator[tuple[str, str]]:
    small = sum(1 for statement in body for _ in ast.walk(statement)) < SMALLEST
    yield "\n".join([name if small else "", *map(ast.dump, body)]), name


def _without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _texts(path: Path) -> Iterator[str]:
    """What of a file may be Python: the whole, blocks of Markdown, strings of data."""
    text = path.read_text(encoding="utf-8", errors="replace")
    yield text
    yield from re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    with contextlib.suppress(ValueError):  # no data, or JSON with comments
        yield from _strings(READERS.get(path.suffix, str)(text))


def _strings(value: Any) -> Iterator[str]:
    """Every string of plain data; a list of lines, as notebooks have it, also as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for part in value.values() for text in _strings(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in _strings(part))
        if all(isinstance(part, str) for part in value):
            yield "".join(value)
