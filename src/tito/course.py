"""Where a learner stands, read from the files themselves: nothing here is ever stored."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from tito import stubs
from tito.manifest import ROOT, Kata, Manifest

UPSTREAM = {"__init__.py", "py.typed", "__pycache__"}  # of the package, not the learner's


class Refusal(RuntimeError):
    """tito does not do it; the message says why, and what to do instead."""


def implementation() -> Path:
    """The folder under test: IMPL, seen from here or from the repository; src if unset."""
    name = os.environ.get("IMPL")
    if not name:
        return ROOT / "src"
    for folder in (Path.cwd() / Path(name).expanduser(), ROOT / name):
        if folder.is_dir():
            return folder.resolve()
    raise Refusal(f"IMPL is {name!r}, which is no folder: name one that holds a tinytorch package")


def short(path: Path) -> str:
    """A path as the learner knows it: from the repository on, if it is in it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def unlocked(kata: Kata, impl: Path) -> bool:
    return kata.file(impl).is_file()


def demand_unlocked(manifest: Manifest, kata: Kata, impl: Path) -> None:
    """Refuse a kata that has no file; the command that is named is not refused in its turn."""
    for each in manifest.up_to(kata):
        demand_file(each, impl)
    if not unlocked(kata, impl):
        first = next(k for k in manifest.up_to(kata) if not unlocked(k, impl))
        before = "" if first == kata else f", and so is kata {first.id}, which comes first"
        raise Refusal(f"kata {kata.id} is locked{before}: make module-{first.id}")


def demand_file(kata: Kata, impl: Path) -> None:
    """Refuse what stands in the place of a kata's file and is none: reading it may never end."""
    path = kata.file(impl)
    if path.is_file() or not os.path.lexists(path):
        return
    there = "a pipe or a device" if path.exists() else "a link to nowhere"
    kind = "a folder" if path.is_dir() else there
    kept = "it stays as it is; move it away, then"
    raise Refusal(f"{short(path)} is {kind}, not a file: {kept}: make module-{kata.id}")


def strays(manifest: Manifest, impl: Path) -> list[str]:
    """What stands in the package and is no kata's: a copy, a typo, a helper file."""
    expected = UPSTREAM | {f"{kata.module}.py" for kata in manifest.katas}
    folder = impl / "tinytorch"
    return (
        sorted(p.name for p in folder.iterdir() if p.name not in expected)
        if folder.is_dir()
        else []
    )


def unreadable(path: Path) -> str:
    """Why Python cannot read a file, where, and what to do; nothing if it can."""
    content = path.read_bytes()
    for number, line in enumerate(content.splitlines(), 1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            byte = line[error.start]
            return f"{short(path)}:{number}  byte {byte:#x} is not UTF-8: save the file as UTF-8"
    try:
        ast.parse(content, str(path))
    except SyntaxError as error:
        text = f"\n    {error.text.strip()}" if error.text else ""
        return f"{short(path)}:{error.lineno}  Python cannot read this line: {error.msg}{text}"
    except ValueError as error:
        return f"{short(path)}  Python cannot read this file: {error}"
    return ""


def blanks(kata: Kata, impl: Path) -> list[str]:
    """What is still to write, each with its line, in the order in which it is best written."""
    left = dict(stubs.blanks_left(kata.file(impl)))
    order = [name for name in kata.blanks if name in left] + sorted(set(left) - set(kata.blanks))
    tables = [f"the table at line {n}" for n in stubs.tables_left(kata.file(impl))]
    return [f"{name} (line {left[name]})" for name in order] + tables


def task_of(kata: Kata, impl: Path, places: list[tuple[str, int]]) -> str:
    """The task to which the first of these lines of code (file, line) belongs, or nothing."""
    functions = list(stubs.functions(ast.parse(kata.file(impl).read_bytes())))
    for path, line in places:
        for name, node in functions if Path(path).name == kata.file(impl).name else []:
            inside = node.lineno <= line <= (node.end_lineno or 0)
            found = [task for task, names in kata.tasks.items() if inside and name in names]
            if found:
                return found[0]
    return ""


def readme(kata: Kata) -> str:
    path = kata.folder / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def clauses(kata: Kata) -> dict[str, str]:
    """The numbered clauses of the kata's README: `- **05.4** A tensor used twice ...`."""
    return dict(re.findall(r"^- \*\*(\d\d\.\d+)\*\* (.+)$", readme(kata), re.MULTILINE))


def section(text: str, title: str) -> str:
    """What stands under a heading of Markdown, up to the next heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""
