"""Reference to stub: the reference is the only source, so that stub and solution cannot drift apart.

Imports, constants, classes, signatures and docstrings stay; every body becomes one `raise
NotImplementedError`; private helpers go. What is between `# kata: given` and `# kata: end` stays as
it is; a table between `# kata: begin` and `# kata: end` is emptied.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Collection, Iterator
from pathlib import Path

from tito.course.doors import GIVEN, ONCE
from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Kata, Manifest
from tito.course.source import YOURS, Function, functions

TABLE_FROM, GIVEN_FROM, FENCE_END = "# kata: begin", "# kata: given", "# kata: end"
FENCES = (TABLE_FROM, GIVEN_FROM, FENCE_END)

INIT = '''# Generated from the kata.toml files by: make stubs
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
        if name.startswith("__"):
            raise AttributeError(f"module 'tinytorch' has no attribute {{name!r}}", name=name)
        return importlib.import_module("tinytorch.names").found(name)
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
    own = importlib.import_module("tinytorch.names").spelled(name, getattr(found, name))
    globals()[name] = own  # from now on Python finds it without asking here
    return own


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
        f"    from tinytorch.{'door' if name in ONCE else kata.module} import {name} as {name}"
        for name, kata in manifest.exports.items()
    )
    return INIT.format(exports=exports, katas=katas, imports=imports)


def package_files(manifest: Manifest) -> dict[str, str]:
    """What is the course's own in every package: names and texts; updates and grading restore it."""
    return {"__init__.py": package_init(manifest)} | {name: _given_file(name) for name in GIVEN}


def _given_file(name: str) -> str:
    """A given file, as this repository has it; an edition without reference/ has it in src/."""
    for folder in ("src", "reference"):
        path = ROOT / folder / "tinytorch" / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    own = f"src/tinytorch/{name}"
    raise Refusal(f"{own} is missing: git checkout -- {own}")


def stub(kata: Kata, reference: Path = ROOT / "reference", keep: Collection[str] = ()) -> str:
    """The text of a kata's stub, which keeps what is given, and some other functions if told."""
    path = kata.file(reference)
    lines = path.read_text(encoding="utf-8").splitlines()
    edits = sorted(_edits(ast.parse("\n".join(lines)), kata, given(path) | set(keep)), reverse=True)
    for first, last, replacement in edits:
        above = 0 if replacement else _comments(lines[: first - 1][::-1], 0)
        behind = _comments(lines[last:], len(lines[last - 1]) - len(lines[last - 1].lstrip()))
        lines[first - 1 - above : last + behind] = replacement
    for first, last in _fences(lines, TABLE_FROM)[::-1]:
        lines[first - 1 : last] = [YOURS]
    ends = {i - 1 for i, line in enumerate(lines) if line.strip() == FENCE_END}  # blank lines
    lines = [x for i, x in enumerate(lines) if x.strip() not in FENCES and i not in ends]
    head = (
        f"# Stub of kata {kata.id}, generated from reference/tinytorch/{path.name} by: make stubs"
    )
    return _tidy("\n".join([head, *_writing_order(kata), *lines]))


def _writing_order(kata: Kata) -> list[str]:
    """The tasks and their blanks, as a comment: where to begin, and how to go on."""
    said = [f"# Write in this order; make test-{kata.id} says what comes next:"]
    width = max(len(task) for task in kata.tasks)
    for task, names in kata.tasks.items():
        text = ", ".join(names) or "the table of rules under this name"
        indent = f"#   {'':<{width}}  "
        said += textwrap.wrap(
            text, 98, initial_indent=f"#   {task:<{width}}  ", subsequent_indent=indent
        )
    return said


def generated(manifest: Manifest) -> dict[Path, str]:
    """Every generated file and what it should hold."""
    init, reference = package_init(manifest), ROOT / "reference" / "tinytorch"
    packages = {
        ROOT / folder / "tinytorch" / "__init__.py": init for folder in ("src", "reference")
    }
    given = {
        ROOT / "src" / "tinytorch" / name: (reference / name).read_text(encoding="utf-8")
        for name in GIVEN
    }
    return packages | given | {kata.stub: stub(kata) for kata in manifest.katas}


def given(path: Path) -> set[str]:
    """The functions of a reference file that its stub keeps: those between two fences."""
    text = path.read_text(encoding="utf-8")
    kept = _fences(text.splitlines(), GIVEN_FROM)
    found = functions(ast.parse(text))
    return {name for name, node in found if any(a < node.lineno < b for a, b in kept)}


def _edits(tree: ast.Module, kata: Kata, kept: set[str]) -> Iterator[tuple[int, int, list[str]]]:
    """What to replace: (first line, last line, new lines)."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and _private(node.name):
            yield _start(node), node.end_lineno or 0, []
    for name, node in functions(tree):
        if name in kept:
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


def _fences(lines: list[str], begin: str) -> list[tuple[int, int]]:
    """The fences of one kind, each as its first and last line."""
    marks = [(i, line.strip()) for i, line in enumerate(lines, 1) if line.strip() in FENCES]
    pairs = zip(marks[::2], marks[1::2], strict=True)
    return [(first, last) for (first, mark), (last, _) in pairs if mark == begin]


def _start(node: Function | ast.ClassDef) -> int:
    return min([node.lineno, *[d.lineno for d in node.decorator_list]])


def _private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _tidy(text: str) -> str:
    """No more than two empty lines in a row, one newline at the end."""
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return text.rstrip() + "\n"
