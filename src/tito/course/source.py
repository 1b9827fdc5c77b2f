"""What stands in a learner's file, read without running it: whether Python can read it, what is still to write."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tito.course.files import short
from tito.course.manifest import Kata
from tito.course.parsing import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef
YOURS = "# your code here"  # what is left of a fenced table


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
        parsed(content, str(path))
    except SyntaxError as error:
        text = f"\n    {error.text.strip()}" if error.text else ""
        return f"{short(path)}:{error.lineno}  Python cannot read this line: {error.msg}{text}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{short(path)}  Python cannot read this file: {error}"
    return ""


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function and method, as `exp` or `Tensor.item`."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{n.name}", n) for n in node.body if isinstance(n, Function))


def blanks_left(path: Path) -> list[tuple[str, int]]:
    """The functions of a file that still raise the stub's NotImplementedError, with their lines."""
    tree = parsed(path.read_bytes(), str(path))
    return [(name, node.lineno) for name, node in functions(tree) if _is_blank(node)]


def tables_left(path: Path) -> list[int]:
    """The lines where a fenced table stood in the stub and nothing stands yet."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = []
    for number, line in enumerate(lines, 1):
        after = next((x for x in lines[number:] if x and not x.startswith("#")), "class")
        if line == YOURS and after.startswith(("def ", "class", "@")):
            found.append(number)
    return found


def blanks(kata: Kata, impl: Path) -> list[str]:
    """What is still to write, each with its line, in the order in which it is best written."""
    left = dict(blanks_left(kata.file(impl)))
    order = [name for name in kata.blanks if name in left] + sorted(set(left) - set(kata.blanks))
    tables = [f"the table at line {n}" for n in tables_left(kata.file(impl))]
    return [f"{name} (line {left[name]})" for name in order] + tables


def task_of(kata: Kata, impl: Path, places: list[tuple[str, int]]) -> str:
    """The task to which the first of these lines of code (file, line) belongs, or nothing."""
    found = list(functions(parsed(kata.file(impl).read_bytes())))
    for path, line in places:
        for name, node in found if Path(path).name == kata.file(impl).name else []:
            inside = node.lineno <= line <= (node.end_lineno or 0)
            tasks = [task for task, names in kata.tasks.items() if inside and name in names]
            if tasks:
                return tasks[0]
    return ""


def _is_blank(node: Function) -> bool:
    last = node.body[-1]
    return (
        isinstance(last, ast.Raise)
        and isinstance(last.exc, ast.Call)
        and getattr(last.exc.func, "id", "") == "NotImplementedError"
        and any(
            isinstance(a, ast.Constant) and str(a.value).startswith("kata ") for a in last.exc.args
        )
    )
