"""`make door`: a tensor.py from before door.py gives its given code back.

What is given of kata 01 was once a part of the learner's file. Definitions that are as they were
given leave it; those that the learner changed stay, and are shown. All else stays as it is, every
comment too, and the file as it was is kept beside it.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tito.course import stubs
from tito.course.doors import KEPT, ONCE, defined_again, definitions
from tito.course.errors import Refusal
from tito.course.files import chosen, short, write_atomically
from tito.course.manifest import Manifest
from tito.course.parsing import parsed
from tito.course.source import unreadable

GIVEN = Path(__file__).parent / "given_before_the_door.json"  # name: texts, newest first
IMPORTED = (  # in every tensor.py, for other files too
    *("Array", "Axis", "Note", "TensorBase", "composite", "default_generator", "grad_mode"),
    "primitive",
)
RENAMED = {"_axis": "axis_of", "_sizes": "sizes_of"}  # helpers that learners call
HEADING = "# ---- the door: given, read it once"


@dataclass(frozen=True)
class Part:
    """A definition in the learner's file that was once given.

    Attributes:
        name: as it was given, such as `Note` or `Tensor.__len__`.
        node: its statement; first, last: its lines.
        texts: what was given under this name, the newest first.
    """

    name: str
    node: ast.stmt
    first: int
    last: int
    texts: list[str]

    @property
    def unchanged(self) -> bool:
        return _meaning(self.node) in [_meaning(ast.parse(text).body[0]) for text in self.texts]


def door(manifest: Manifest) -> int:
    """Move to the one door, if the file is older; say what was taken out and what was changed."""
    impl = chosen()
    path = (impl / "tinytorch" / "tensor.py").resolve()
    if not path.is_file():
        raise Refusal("there is no tensor.py yet: make module-01")
    if trouble := unreadable(path):
        raise Refusal(trouble)
    for name, text in stubs.package_files(manifest).items():
        if not (impl / "tinytorch" / name).exists():
            write_atomically(impl / "tinytorch" / name, text)
    before = path.read_bytes().decode()
    after, gone, changed = moved(before.replace("\r\n", "\n"))
    after = after.replace("\n", "\r\n") if "\r\n" in before else after
    if after == before and not changed:
        print(f"{short(path)} holds no given code: there is one door")
        return 0
    if after != before:
        kept = _keep(path, before)
        write_atomically(path, after)
        print(f"{len(gone)} given definitions have left {short(path)}: door.py has them")
        print(f"the file as it was: {short(kept)}")
    for part in changed:
        print(f"\n{short(path)}:{part.first}  you changed {part.name}, so it stays for now")
        print(_difference(part, before))
    return _closing(path, after)


def _closing(path: Path, after: str) -> int:
    """What comes next: tests, or the lines that only the learner can decide on."""
    again = defined_again(parsed(after))
    if not again:
        print("\n  next: make test-01")
        return 0
    print(
        f"\n{', '.join(again)}: there can be one, and door.py has it. The copy keeps your version"
    )
    print(f"  next: delete it from {short(path)}, then: make test-01")
    return 1


def _keep(path: Path, text: str) -> Path:
    """Keep the file as it was; an earlier copy is never overwritten."""
    kept, number = path.with_name(path.name + KEPT), 2
    while kept.exists() and kept.read_bytes().decode() != text:
        kept, number = path.with_name(f"{path.name}{KEPT}-{number}"), number + 1
    write_atomically(kept, text)
    return kept


def moved(text: str) -> tuple[str, list[Part], list[Part]]:
    """A file without its given code, what has gone, and what was changed and stays."""
    tree = parsed(text)
    parts = list(_parts(tree))
    gone = _needless(tree, [part for part in parts if part.unchanged])
    changed = [part for part in parts if not part.unchanged]
    if not defined_again(tree) and not gone:
        return text, [], []
    lines = text.split("\n")
    for part in sorted(gone, key=lambda part: -part.first):
        _take_out(lines, part)
    lines = [line for line in lines if not line.startswith(HEADING)]
    return _introduced(_based("\n".join(lines))), gone, changed


def _parts(tree: ast.Module) -> Iterator[Part]:
    """The definitions of a file that have the name of one that was given."""
    given = json.loads(GIVEN.read_text(encoding="utf-8"))
    tensors = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Tensor"]
    owners: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    for prefix, owner in owners + [("Tensor.", node) for node in tensors]:
        spans = [_span(node) for node in owner.body]
        for _, node in definitions(owner):
            name, (first, last) = prefix + _name(node), _span(node)
            alone = sum(a <= last and b >= first for a, b in spans) == 1  # no `a = 1; b = 2`
            if name in given and alone:
                yield Part(name, node, first, last, given[name])


def _needless(tree: ast.Module, parts: list[Part]) -> list[Part]:
    """Of the parts those that nothing left in the file asks for, but for what can be imported."""
    gone = {part.name: part for part in parts}
    while True:
        nodes = {id(part.node) for part in gone.values()}
        used = {n.id for n in _walk(tree, nodes) if isinstance(n, ast.Name)}
        needed = (used & set(gone)) - set(IMPORTED) - set(RENAMED) - ONCE
        if not needed:
            return list(gone.values())
        gone = {name: part for name, part in gone.items() if name not in needed}


def _walk(tree: ast.AST, without: set[int]) -> Iterator[ast.AST]:
    """Every node but those inside the statements that are to go."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if id(node) not in without:
            yield from _walk(node, without)


def _name(node: ast.stmt) -> str:
    """As the list of given code names it: `Note`, or `exp, log` for a row of methods."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        return ast.unparse(target).strip("()")
    return str(getattr(node, "name", ""))


def _span(node: ast.stmt) -> tuple[int, int]:
    """First and last line of a statement, decorators included."""
    first = min([node.lineno, *[d.lineno for d in getattr(node, "decorator_list", [])]])
    return first, node.end_lineno or node.lineno


def _meaning(node: ast.AST) -> str:
    """A definition without its layout, comments and docstrings."""
    node = ast.parse(ast.unparse(node))
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) is not None:
            part.body = part.body[1:] or [ast.Pass()]
    return ast.dump(node)


def _take_out(lines: list[str], part: Part) -> None:
    """Remove a definition and the empty lines behind it; comments that were not given stay."""
    given = {comment for text in part.texts for comment in _comments(text.split("\n"))}
    own = [c for c in _comments(lines[part.first - 1 : part.last]) if c not in given]
    end = part.last
    while end < len(lines) and not lines[end].strip():
        end += 1
    lines[part.first - 1 : end] = own


def _comments(lines: list[str]) -> list[str]:
    """The comments of a piece of code, without their indentation."""
    readline = iter([f"{line}\n" for line in textwrap.dedent("\n".join(lines)).split("\n")])
    tokens = tokenize.generate_tokens(lambda: next(readline, ""))
    return [t.string for t in tokens if t.type == tokenize.COMMENT]


def _based(text: str) -> str:
    """`class Tensor:` becomes `class Tensor(TensorBase):`."""
    return re.sub(r"^class Tensor\s*(\(\s*\))?\s*:", "class Tensor(TensorBase):", text, flags=re.M)


def _introduced(text: str) -> str:
    """With an import of what is in the door now, after the last import at the top."""
    tree = parsed(text)
    defined = {n for names, _ in definitions(tree) for n in names if n not in ONCE}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    names = [n for n in IMPORTED if n not in defined] + ["GradMode"] * ("GradMode" in used)
    names += [f"{new} as {old}" for old, new in RENAMED.items() if old in used - defined]
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    if any(getattr(n, "module", "") == "tinytorch.door" for n in imports):
        return text
    last = max([_span(n)[1] for n in imports], default=_span(tree.body[0])[1] if tree.body else 0)
    lines = text.split("\n")
    added = ["", "from tinytorch.door import (  # noqa: F401", *[f"    {n}," for n in names], ")"]
    lines[last:last] = added
    return "\n".join(lines)


def _difference(part: Part, text: str) -> str:
    """What was given under a name against what the file has now."""
    own = textwrap.dedent("\n".join(text.split("\n")[part.first - 1 : part.last]))
    diff = difflib.unified_diff(
        part.texts[0].splitlines(), own.splitlines(), "given", "yours", lineterm="", n=1
    )
    return "\n".join(f"    {line}" for line in diff)
