"""Variants of the reference: wrong answers that the specs must kill, right ones they must accept.

A variant is one or more edits of reference files. Each must apply, so that a variant cannot silently
stop meaning anything when the reference changes.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.files import short
from tito.course.manifest import REFERENCE, ROOT, Kata
from tito.strength.edits import Edit

FOLDER = ROOT / "reference" / "variants"


@dataclass(frozen=True)
class Variant:
    """A wrong or a right variant of one kata.

    Attributes:
        kata: the kata whose answer it varies.
        id: short, unique within the kata.
        right: whether the specs must accept it.
        edits: what is different from the reference.
        killed_by: for a wrong one the first test that fails: the screen a learner would see.
        lesson: for a wrong one the misconception in a sentence or two; for a right one why it is right.
        xray: for a wrong one how the explanation begins that its numbers alone get, if they get one:
            written by the run, read by a person, and so known to be true.
        certain: for a wrong one, that its answer, though it holds few numbers, can come from no
            other mistake than its lesson's: a person has judged that.
        path: the file that registers it.
    """

    kata: Kata
    id: str
    right: bool
    edits: tuple[Edit, ...]
    killed_by: str
    lesson: str
    xray: str = ""
    certain: bool = False
    path: Path = FOLDER

    def __str__(self) -> str:
        return f"{self.kata.id}/{'right' if self.right else 'wrong'}/{self.id}"


def load(kata: Kata, right: bool) -> list[Variant]:
    """The registered variants of one kata.

    Raises:
        Refusal: the file is missing or is not what it should be; the message says where.
    """
    path = FOLDER / ("right" if right else "wrong") / f"{kata.slug}.toml"
    if not path.is_file():
        raise Refusal(f"kata {kata.id} has no {short(path)}: write one, see CONTRIBUTING.md")
    found: dict[str, Variant] = {}
    for entry in entries(path, "variant"):
        variant = parsed(kata, right, path, entry, found.get(entry.get("same_as", "")))
        found[variant.id] = variant
    return list(found.values())


def entries(path: Path, kind: str) -> list[dict[str, Any]]:
    """The entries of a file of variants or answers; each has an id of its own."""
    try:
        found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))[kind]
        ids = [entry["id"] for entry in found]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{short(path)}: {error}") from None
    except (KeyError, TypeError):
        raise Refusal(f"{short(path)}: expected entries [[{kind}]], each with an id") from None
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise Refusal(f"{short(path)}: two have the id {twice[0]}")
    return found


def parsed(
    kata: Kata, right: bool, path: Path, entry: dict[str, Any], same: Variant | None = None
) -> Variant:
    """The variant that an entry describes; `same` is the one whose lesson it shares."""
    try:
        if "same_as" in entry and (same is None or "lesson" in entry):
            raise ValueError(
                f"same_as = {entry['same_as']!r} names an earlier entry, for its lesson"
            )
        edits = [Edit(**({"file": f"{kata.module}.py"} | edit)) for edit in entry["edits"]]
        return Variant(
            kata,
            entry["id"],
            right,
            (*_basis(kata, entry.get("on", "")), *edits),
            entry.get("killed_by", ""),
            same.lesson if same else entry["lesson"],
            entry.get("xray", ""),
            entry.get("certain", False),
            path,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(f"{short(path)}: {entry['id']}: {error}") from None


def _basis(kata: Kata, name: str) -> tuple[Edit, ...]:
    """The edits of the right variant that a variant builds on, or none."""
    found = [v.edits for v in (load(kata, right=True) if name else []) if v.id == name]
    if name and not found:
        raise ValueError(f"on = {name!r} is no right variant of kata {kata.id}")
    return found[0] if found else ()


def build(destination: Path, *varied: Variant) -> Path:
    """Write the implementation that variants describe; returns the folder that holds it.

    Raises:
        Refusal: an edit does not apply.
    """
    package = destination / "tinytorch"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REFERENCE / "tinytorch", package, ignore=ignore)
    for file, text in texts(*varied).items():
        (package / file).write_text(text, encoding="utf-8")
    return destination


def texts(*varied: Variant) -> dict[str, str]:
    """The files that variants change, as they make them, one after the other.

    Raises:
        Refusal: an edit does not apply.
    """
    found: dict[str, str] = {}
    for variant in varied:
        for edit in variant.edits:
            path = REFERENCE / "tinytorch" / edit.file
            if edit.file not in found:
                found[edit.file] = path.read_text(encoding="utf-8") if path.is_file() else ""
            try:
                found[edit.file] = edit.applied(found[edit.file])
            except (ValueError, SyntaxError) as error:
                raise Refusal(f"{variant}: {error}: fix {short(variant.path)}") from None
    return found


def broken(*varied: Variant) -> str:
    """Why variants mean nothing, alone or together, since the reference was edited; or nothing."""
    try:
        texts(*varied)
    except Refusal as refusal:
        return str(refusal)
    return ""
