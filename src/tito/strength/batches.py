"""A batch: answers to one kata that somebody wrote who has seen no test.

A file of entries: `id`, `kind` ("wrong" or "right"), the `clause` it breaks or is about, `why`, its
`edits` (and `on`), as those of a registered variant, and for a wrong answer a `witness`: a program of
a few lines whose printed output shows the mistake, for it differs from the reference's. Later a
second reader adds `disputed`, with the reason, where the clause does not say that the answer is wrong
(or right), and `told`, once the screens are there: whether what they said was "true", "false" or
"silent".
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.files import short
from tito.course.manifest import REFERENCE, Kata
from tito.course.readme import clauses
from tito.strength import variants
from tito.strength.variants import FOLDER, Variant

ARCHIVE = FOLDER / "strangers"
SECONDS = 5  # that a witness may take
TOLD = ("true", "false", "silent")


@dataclass(frozen=True)
class Answer:
    """One answer of a batch: the variant that it is, and what was written beside it."""

    variant: Variant
    clause: str
    witness: str
    disputed: str
    told: str


def load(kata: Kata, path: Path) -> list[Answer]:
    """The answers of a batch.

    Raises:
        Refusal: an entry is not what it should be, or an edit does not apply; all are listed.
    """
    if not path.is_file():
        raise Refusal(f"{path} is no file: name a batch of answers, see CONTRIBUTING.md")
    known, found, faults = clauses(kata), list[Answer](), list[str]()
    for entry in variants.entries(path, "answer"):
        if own := [f"{short(path)}: {entry['id']}: {fault}" for fault in _faults(entry, known)]:
            faults += own
            continue
        right = entry["kind"] == "right"
        variant = variants.parsed(kata, right, path, {"lesson": entry["why"]} | entry)
        faults += filter(None, [variants.broken(variant)])
        more = [entry.get(key, "") for key in ("witness", "disputed", "told")]
        found.append(Answer(variant, entry["clause"], *more))
    if faults:
        raise Refusal("\n".join(faults))
    return found


def archived(kata: Kata) -> list[Answer]:
    """The answers of all earlier batches of a kata, the disputed ones left out."""
    paths = sorted(ARCHIVE.glob(f"{kata.id}-*.toml"))
    return [a for path in paths for a in load(kata, path) if not a.disputed]


def _faults(entry: dict[str, Any], known: dict[str, str]) -> Iterator[str]:
    """What is wrong with an entry."""
    kind = entry.get("kind")
    if kind not in ("wrong", "right"):
        yield f'kind is {kind!r}, expected "wrong" or "right"'
    needed = ("why", "edits", *["witness"] * (kind == "wrong"))
    yield from (f"{key} is missing" for key in needed if not entry.get(key))
    if entry.get("clause") not in known:
        yield f"clause {entry.get('clause')!r} is none of the README's: {', '.join(known)}"
    if entry.get("told", "true") not in TOLD:
        yield f"told is {entry['told']!r}, expected one of {', '.join(TOLD)}"


def unwitnessed(answers: Sequence[Answer]) -> Iterator[str]:
    """The wrong answers whose witness does not tell them from the reference, and how it fails."""
    for answer in answers:
        if not (answer.variant.right or answer.disputed):
            with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
                built = variants.build(Path(scratch) / "answer", answer.variant)
                want, again, got = (_said(answer, impl) for impl in (REFERENCE, REFERENCE, built))
            if want != again:
                yield f"{answer.variant}: its witness prints {want!r}, then {again!r}: seed it"
            if want == got:
                yield f"{answer.variant}: its witness prints {want!r} for the reference too"


def _said(answer: Answer, impl: Path) -> str:
    """What a witness prints on an implementation, and the error that ends it, if one does."""
    environment = os.environ | {"PYTHONPATH": str(impl), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-c", answer.witness]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end within {SECONDS} s"
    return done.stdout + done.stderr.strip().rpartition("\n")[2] * bool(done.returncode)
