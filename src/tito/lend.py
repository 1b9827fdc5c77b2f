"""`make module-08 LEND=1`: start anywhere; the reference's files stand in for katas that were skipped.

A lent file says so on its first line, and the map shows it: it is there to be replaced.
"""

from __future__ import annotations

import os
from pathlib import Path

from tito import stubs
from tito.course import Refusal, implementation, short
from tito.manifest import ROOT, Kata, Manifest

REFERENCE = ROOT / "reference"
MARK = "# lent by the reference: replace it with your own"


def report(manifest: Manifest, number: str) -> int:
    """Copy the reference's file of every kata below `number` that has none, and say which.

    A file that exists, whatever it holds, is never touched; nor is a link to nowhere.
    """
    impl, kata = implementation(), manifest.kata(number)
    before = manifest.up_to(kata)[:-1]
    missing = [k for k in before if not os.path.lexists(k.file(impl))]
    if absent := [k for k in missing if not k.file(REFERENCE).is_file()]:
        first = f"the first kata without a file is {absent[0].id}: make module-{absent[0].id}"
        raise Refusal(f"this edition has no reference/ to lend from\n  {first}")
    for other in missing:
        text = other.file(REFERENCE).read_text(encoding="utf-8")
        mark = f"{MARK} (make module-{other.id} after deleting this file)"
        stubs.write_atomically(other.file(impl), f"{mark}\n{text}")
        print(f"kata {other.id} is lent by the reference: {short(other.file(impl))}")
    if not missing:
        print(f"nothing to lend: every kata before {kata.id} has a file")
    return 0


def is_lent(path: Path) -> bool:
    """Whether a file is the reference's, lent."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(MARK)


def reminder(kata: Kata, impl: Path) -> str:
    """That a kata is lent, and how to begin it oneself; nothing if it is not lent."""
    path = kata.file(impl)
    begin = f"to write it yourself, delete {short(path)}, then: make module-{kata.id}"
    return f"kata {kata.id} is lent by the reference; {begin}" if is_lent(path) else ""


def demand_own(kata: Kata, impl: Path) -> None:
    """Refuse what makes sense only for a file of the learner's own."""
    if said := reminder(kata, impl):
        raise Refusal(said)
