"""Variants of the reference: wrong answers that the specs must kill, right ones they must accept.

A variant is one or more edits of reference files. An edit must apply exactly once, so that a variant
cannot silently stop meaning anything when the reference changes.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tito.course.errors import Refusal
from tito.course.manifest import REFERENCE, ROOT, Kata

FOLDER = ROOT / "reference" / "variants"


@dataclass(frozen=True)
class Edit:
    """Replace one piece of one reference file; `old` stands there exactly once."""

    file: str
    old: str
    new: str


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
    """

    kata: Kata
    id: str
    right: bool
    edits: tuple[Edit, ...]
    killed_by: str
    lesson: str
    xray: str = ""
    certain: bool = False

    def __str__(self) -> str:
        return f"{self.kata.id}/{'right' if self.right else 'wrong'}/{self.id}"

    @property
    def path(self) -> Path:
        return _path(self.kata, self.right)


def _path(kata: Kata, right: bool) -> Path:
    return FOLDER / ("right" if right else "wrong") / f"{kata.slug}.toml"


def load(kata: Kata, right: bool) -> list[Variant]:
    """The registered variants of one kata."""
    path = _path(kata, right)
    if not path.is_file():
        raise Refusal(
            f"kata {kata.id} has no {path.relative_to(ROOT)}: write one, see CONTRIBUTING.md"
        )
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["variant"]
        found = [
            Variant(
                kata,
                e["id"],
                right,
                tuple(
                    Edit(x.get("file", f"{kata.module}.py"), x["old"], x["new"]) for x in e["edits"]
                ),
                e.get("killed_by", ""),
                e["lesson"],
                e.get("xray", ""),
                e.get("certain", False),
            )
            for e in entries
        ]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise Refusal(f"{path.relative_to(ROOT)}: {error}") from None
    if len({v.id for v in found}) != len(found):
        raise Refusal(f"{path.relative_to(ROOT)}: two variants have one id")
    return found


def build(destination: Path, *varied: Variant) -> Path:
    """Write the implementation that variants describe; returns the folder that holds it.

    Raises:
        Refusal: an edit does not apply exactly once.
    """
    reference = ROOT / "reference" / "tinytorch"
    shutil.copytree(
        reference, destination / "tinytorch", ignore=shutil.ignore_patterns("__pycache__")
    )
    for variant in varied:
        for edit in variant.edits:
            path = destination / "tinytorch" / edit.file
            path.write_text(
                _applied(variant, edit, path.read_text(encoding="utf-8")), encoding="utf-8"
            )
    return destination


def broken(variant: Variant) -> str:
    """Why a variant means nothing any more since the reference was edited, or nothing."""
    texts: dict[str, str] = {}
    try:
        for edit in variant.edits:
            path = REFERENCE / "tinytorch" / edit.file
            before = texts.get(edit.file) or path.read_text(encoding="utf-8")
            texts[edit.file] = _applied(variant, edit, before)
    except Refusal as refusal:
        return str(refusal)
    return ""


def companies(by_kata: Sequence[Sequence[Variant]]) -> list[list[Variant]]:
    """Right variants in companies of at most one of each kata, all of whose edits apply together."""
    found: list[list[Variant]] = []
    for row in zip_longest(*by_kata):
        company: list[Variant] = []
        for variant in (v for v in row if v is not None):
            if _fit([*company, variant]):
                company.append(variant)
            else:
                found.append([variant])
        found.append(company)
    return found


def _fit(varied: Sequence[Variant]) -> bool:
    """Whether all edits apply, one after the other."""
    texts: dict[str, str] = {}
    for variant in varied:
        for edit in variant.edits:
            text = texts.setdefault(
                edit.file,
                (ROOT / "reference" / "tinytorch" / edit.file).read_text(encoding="utf-8"),
            )
            if text.count(edit.old) != 1:
                return len(varied) == 1  # alone it is left to `build`, which says what is wrong
            texts[edit.file] = text.replace(edit.old, edit.new)
    return True


def _applied(variant: Variant, edit: Edit, text: str) -> str:
    if text.count(edit.old) != 1:
        raise Refusal(
            f"{variant}: its piece {edit.old.strip()[:60]!r} stands {text.count(edit.old)} times in reference/tinytorch/{edit.file}, not once: fix {variant.path.relative_to(ROOT)}"
        )
    return text.replace(edit.old, edit.new)
