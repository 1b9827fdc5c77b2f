"""`make module-08 LEND=1`: start anywhere; the reference's files stand in for katas that were skipped.

A lent file says so on its first line, and the map shows it: it is there to be replaced.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tito import stubs
from tito.course import Refusal, implementation, short
from tito.endings import told
from tito.manifest import ROOT, Kata, Manifest, load

REFERENCE = ROOT / "reference"
MARK = "# lent by the reference: replace it with your own"


def lend(manifest: Manifest, number: str) -> list[Kata]:
    """Copy the reference's file of every kata below `number` that has none; returns those katas.

    A file that exists, whatever it holds, is never touched.
    """
    impl, kata = implementation(), manifest.kata(number)
    before = manifest.up_to(kata)[:-1]
    missing = [k for k in before if not _stands(k.file(impl))]
    if absent := [k for k in missing if not k.file(REFERENCE).is_file()]:
        first = f"the first kata without a file is {absent[0].id}: make module-{absent[0].id}"
        raise Refusal(f"this edition has no reference/ to lend from\n  {first}")
    for other in missing:
        text = other.file(REFERENCE).read_text(encoding="utf-8")
        mark = f"{MARK} (make module-{other.id} after deleting this file)"
        stubs.write_atomically(other.file(impl), f"{mark}\n{text}")
    return missing


def is_lent(path: Path) -> bool:
    """Whether a file is the reference's, lent."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(MARK)


def report(manifest: Manifest, number: str) -> int:
    """Lend, and say what."""
    impl, katas = implementation(), lend(manifest, number)
    for kata in katas:
        print(f"kata {kata.id} is lent by the reference: {short(kata.file(impl))}")
    if not katas:
        print(f"nothing to lend: every kata before {manifest.kata(number).id} has a file")
    return 0


def _stands(path: Path) -> bool:
    return path.exists() or path.is_symlink()  # a link to nowhere is the learner's as well


if __name__ == "__main__":
    sys.exit(told(lambda: report(load(), sys.argv[1])))
