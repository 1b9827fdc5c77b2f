"""What the suite knows of a kata from its folder: the clauses' words, the tasks, what is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tito.course.doors import GIVEN
from tito.course.manifest import ROOT, Kata, load

UPSTREAM = ("__init__.py", *GIVEN)  # files of the package that no learner writes


@cache
def katas() -> dict[str, Kata]:
    """The manifest's entries by number, such as "05"."""
    return {kata.id: kata for kata in load().katas}


def folder(kata: str) -> Path:
    """The kata's folder, such as katas/05_autograd."""
    found = sorted((ROOT / "katas").glob(f"{kata}_*"))
    return found[0] if found else ROOT / "katas" / kata


def module(kata: str) -> str:
    """The file that the kata's learner writes, such as autograd.py."""
    return f"{folder(kata).name[3:]}.py"


@cache
def sentence(clause: str) -> str:
    """The README's sentence of a clause, without Markdown's marks; nothing if there is none."""
    text = _read(folder(clause[:2]) / "README.md")
    found = re.search(rf"^- \*\*{re.escape(clause)}\*\* (.+)$", text, re.MULTILINE)
    return found.group(1).replace("`", "") if found else ""


@cache
def tasks(clause: str) -> dict[str, list[str]]:
    """The tasks that a clause is about, with their blanks: `Clauses:` lines of hints.md say which."""
    every = katas()[clause[:2]].tasks if clause[:2] in katas() else {}
    text = _read(folder(clause[:2]) / "hints.md")
    listed = re.findall(r"^## (\w+)\n+Clauses: (.+)$", text, re.MULTILINE)
    return {task: every.get(task, []) for task, named in listed if clause in named.split()}


@cache
def is_end_to_end(clause: str) -> bool:
    """Whether a clause uses all that was built before, so that an earlier file may be at fault."""
    found = re.search(r"^End to end: (.+)$", _read(folder(clause[:2]) / "hints.md"), re.MULTILINE)
    return bool(found and clause in found.group(1).split())


def is_given(path: str, qualname: str) -> bool:
    """Whether code of the package is given: no learner wrote it, so no learner can fix it."""
    file = Path(path).name
    outermost = qualname.partition(".<locals>")[0]
    return file in UPSTREAM or outermost in _given(Path(path).stem)


@cache
def _given(module: str) -> frozenset[str]:
    """What a module's stub defines and does not leave blank, and everything inside given classes."""
    stubs = sorted((ROOT / "katas").glob(f"*/{module}.py"))
    defined = functions(ast.parse(_read(stubs[0]))) if stubs else ()
    return frozenset(name for name, node in defined if "NotImplementedError" not in _last(node))


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function and method of a file, as `exp` or `Tensor.item`."""
    for node in tree.body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                yield f"{owner}{inner.name}", inner


def _last(node: ast.FunctionDef) -> str:
    return ast.unparse(node.body[-1])


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
