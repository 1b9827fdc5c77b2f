"""What is given of the package, and that nobody has it twice: read from files, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tito.course.manifest import ROOT
from tito.course.parsing import parsed

# Of the package: written in reference/, and copied to src/.
GIVEN = ("door.py", "dtypes.py", "names.py")
KEPT = ".before-door"  # ends the name of a copy that `make door` kept
ONCE = {"GradMode", "grad_mode", "Note", "primitive", "composite", "default_generator"}


def second_door(impl: Path) -> str:
    """Why no code of a package may run: its tensor.py defines what door.py does. Else nothing.

    Two flags would both be `grad_mode`, and `no_grad` would switch the one that nothing reads.
    """
    path = impl / "tinytorch" / "tensor.py"
    try:
        found = defined_again(parsed(path.read_bytes(), str(path)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # whoever reads it next says so
    if not found:
        return ""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    said = f"{name} defines what tinytorch/door.py defines now: {', '.join(found)}"
    return (
        f"{said}\n  next: make door (it takes given code out of your file and keeps a copy of it)"
    )


def defined_again(tree: ast.Module) -> list[str]:
    """What a file defines that may exist once, each with its line."""
    return [
        f"{name} (line {node.lineno})"
        for names, node in definitions(tree)
        for name in sorted(names & ONCE)
    ]


def definitions(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[set[str], ast.stmt]]:
    """What a module or class defines in its body, as names and statement."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield {node.name}, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            yield names, node
