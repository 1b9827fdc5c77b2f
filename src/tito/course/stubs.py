"""Reference to stub: the reference is the only source, so that stub and solution cannot drift apart.

Imports, constants, classes, signatures and docstrings stay; every body that the manifest lists as a
blank becomes one `raise NotImplementedError`; private helpers go, unless they are given; tables
fenced by `# kata: begin` and `# kata: end` are emptied.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from tito.course.manifest import ROOT, Kata, Manifest
from tito.course.source import YOURS, Function, functions

INIT = '''# Generated from katas/katas.toml by: make stubs
"""tinytorch: your framework. `from tinytorch import Linear` imports YOUR Linear.

A name is looked up when it is first asked for, so the package can be imported at any stage of the
course; a name that a later kata builds says which.
"""

import importlib
from typing import Any

EXPORTS = {{
{exports}
}}
KATAS = {{
{katas}
}}


def __getattr__(name: str) -> Any:
    module = EXPORTS.get(name, name)
    if module not in KATAS:
        raise AttributeError(f"module 'tinytorch' has no attribute {{name!r}}")
    number = KATAS[module]
    try:
        found = importlib.import_module(f"tinytorch.{{module}}")
    except ModuleNotFoundError as error:
        if error.name != f"tinytorch.{{module}}":
            raise
        raise ImportError(f"{{name}} is built in kata {{number}}: make module-{{number}}", name=name) from None
    if name == module:
        return found
    if not hasattr(found, name):
        raise ImportError(f"{{name}} belongs to kata {{number}}, but src/tinytorch/{{module}}.py defines no {{name}}: see katas/{{number}}_*/README.md", name=name)
    globals()[name] = getattr(found, name)  # from now on Python finds it without asking here
    return globals()[name]


def __dir__() -> list[str]:
    return sorted([*EXPORTS, *KATAS])
'''


def package_init(manifest: Manifest) -> str:
    """The text of tinytorch/__init__.py: the same in every implementation."""
    exports = "\n".join(
        f'    "{name}": "{kata.module}",' for name, kata in manifest.exports.items()
    )
    katas = "\n".join(f'    "{kata.module}": "{kata.id}",' for kata in manifest.katas)
    return INIT.format(exports=exports, katas=katas)


def stub(kata: Kata, reference: Path = ROOT / "reference") -> str:
    """The text of a kata's stub."""
    path = kata.file(reference)
    lines = path.read_text(encoding="utf-8").splitlines()
    edits = sorted(_edits(ast.parse("\n".join(lines)), kata), reverse=True)
    for first, last, replacement in edits:
        above = 0 if replacement else _comments(lines[: first - 1][::-1], 0)
        behind = _comments(lines[last:], len(lines[last - 1]) - len(lines[last - 1].lstrip()))
        lines[first - 1 - above : last + behind] = replacement
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
            first = node.body[0].lineno
            if ast.get_docstring(node) is not None:  # comments below it speak of the solution
                first = (node.body[0].end_lineno or 0) + 1
            indent = " " * (node.col_offset + 4)
            yield (
                first,
                node.end_lineno or 0,
                [f'{indent}raise NotImplementedError("kata {kata.id}: {name}")'],
            )


def _comments(lines: list[str], depth: int) -> int:
    """How many lines are comments, up to the first that is not, indented at least so deep."""
    found = 0
    for line in lines:
        text = line.lstrip()
        if not text.startswith("#") or text.startswith("# kata:") or len(line) - len(text) < depth:
            break
        found += 1
    return found


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
