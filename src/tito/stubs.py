"""Reference to stub: the reference is the only source, so that stub and solution cannot drift apart.

Imports, constants, classes, signatures and docstrings stay; every body that the manifest lists as a
blank becomes one `raise NotImplementedError`; private helpers go, unless they are given; tables
fenced by `# kata: begin` and `# kata: end` are emptied.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from tito.manifest import ROOT, Kata, Manifest

Function = ast.FunctionDef | ast.AsyncFunctionDef
YOURS = "# your code here"  # what is left of a fenced table

INIT = '''# Generated from katas/katas.toml by: make stubs
"""tinytorch: your framework. `from tinytorch import Linear` imports YOUR Linear.

A name is looked up when it is first asked for, so the package can be imported at any stage of the
course; a name that a later kata builds says which.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors; a kata that has no file yet is Any to them
{imports}

EXPORTS = {{
{exports}
}}
KATAS = {{
{katas}
}}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # of `from tinytorch import *`
        return __dir__()
    module = EXPORTS.get(name, name)
    if module not in KATAS:
        raise AttributeError(f"module 'tinytorch' has no attribute {{name!r}}", name=name)
    number = KATAS[module]
    try:
        found = importlib.import_module(f"tinytorch.{{module}}")
    except ModuleNotFoundError as error:
        if error.name != f"tinytorch.{{module}}":
            raise
        raise _missing(f"{{name}} is built in kata {{number}}: make module-{{number}}", name) from None
    if name == module:
        return found
    if not hasattr(found, name):
        raise _missing(f"{{name}} belongs to kata {{number}}, but src/tinytorch/{{module}}.py defines no {{name}}: see katas/{{number}}_*/README.md", name)
    globals()[name] = getattr(found, name)  # from now on Python finds it without asking here
    return globals()[name]


def _missing(message: str, name: str) -> Exception:
    """An ImportError for `from tinytorch import NAME`, which hides an AttributeError's message; else that."""
    importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    return ImportError(message, name=name) if importing else AttributeError(message, name=name)


def __dir__() -> list[str]:
    """What can be had now: the katas that have a file Python can read, and what they define."""
    found = {{}}
    for module in KATAS:
        try:
            found[module] = vars(importlib.import_module(f"tinytorch.{{module}}"))
        except Exception:  # no file yet, or one that does not run
            continue
    return sorted([*found, *(name for name, module in EXPORTS.items() if name in found.get(module, ()))])
'''


def package_init(manifest: Manifest) -> str:
    """The text of tinytorch/__init__.py: the same in every implementation."""
    exports = "\n".join(
        f'    "{name}": "{kata.module}",' for name, kata in manifest.exports.items()
    )
    katas = "\n".join(f'    "{kata.module}": "{kata.id}",' for kata in manifest.katas)
    imports = "\n".join(
        f"    from tinytorch.{kata.module} import {name} as {name}"
        for name, kata in manifest.exports.items()
    )
    return INIT.format(exports=exports, katas=katas, imports=imports)


def stub(kata: Kata, reference: Path = ROOT / "reference") -> str:
    """The text of a kata's stub."""
    path = kata.file(reference)
    lines = path.read_text(encoding="utf-8").splitlines()
    edits = sorted(_edits(ast.parse("\n".join(lines)), kata), reverse=True)
    for first, last, replacement in edits:
        lines[first - 1 : last] = replacement
    for first, last, replacement in _fences(lines):
        lines[first - 1 : last] = replacement
    head = (
        f"# Stub of kata {kata.id}, generated from reference/tinytorch/{path.name} by: make stubs"
    )
    return _tidy("\n".join([head, *lines]))


def generated(manifest: Manifest) -> dict[Path, str]:
    """Every generated file and what it should hold."""
    init = package_init(manifest)
    packages = {
        ROOT / folder / "tinytorch" / "__init__.py": init for folder in ("src", "reference")
    }
    return packages | {kata.stub: stub(kata) for kata in manifest.katas}


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def blanks_left(path: Path) -> list[tuple[str, int]]:
    """The functions of a file that still raise the stub's NotImplementedError, with their lines."""
    tree = ast.parse(path.read_bytes(), str(path))
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


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function and method, as `exp` or `Tensor.item`."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{n.name}", n) for n in node.body if isinstance(n, Function))


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


def _edits(tree: ast.Module, kata: Kata) -> Iterator[tuple[int, int, list[str]]]:
    """What to replace: (first line, last line, new lines)."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and _private(node.name) and not _given(node.name, kata):
            yield _start(node), node.end_lineno or 0, []
    for name, node in functions(tree):
        if _given(name, kata):
            continue
        if _private(node.name):
            yield _start(node), node.end_lineno or 0, []
        else:
            documented = ast.get_docstring(node) is not None
            first = (
                node.body[1].lineno if documented and len(node.body) > 1 else node.body[0].lineno
            )
            if documented and len(node.body) == 1:
                first = (node.body[0].end_lineno or 0) + 1
            indent = " " * (node.col_offset + 4)
            yield (
                first,
                node.end_lineno or 0,
                [f'{indent}raise NotImplementedError("kata {kata.id}: {name}")'],
            )


def _fences(lines: list[str]) -> list[tuple[int, int, list[str]]]:
    """The insides of the fenced tables, last first."""
    begins = [i for i, line in enumerate(lines, 1) if line.strip() == "# kata: begin"]
    ends = [i for i, line in enumerate(lines, 1) if line.strip() == "# kata: end"]
    return [(b, e, [YOURS]) for b, e in zip(begins, ends, strict=True)][::-1]


def _start(node: Function | ast.ClassDef) -> int:
    return min([node.lineno, *[d.lineno for d in node.decorator_list]])


def _private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _given(name: str, kata: Kata) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in kata.given)


def _tidy(text: str) -> str:
    """No more than two empty lines in a row, one newline at the end."""
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return text.rstrip() + "\n"
