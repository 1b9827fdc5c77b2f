"""`make module-08 LEND=1`: start anywhere; the reference's files stand in for katas that were skipped.

A lent file says so on its first line, and the map shows it: it is there to be replaced.
"""

from __future__ import annotations

import os

from tito.course.errors import Refusal
from tito.course.files import MARK, implementation, short, write_atomically
from tito.course.manifest import REFERENCE, Manifest


def report(manifest: Manifest, number: str) -> int:
    """Copy the reference's file of every kata below `number` that has none, and say which.

    A file that exists, whatever it holds, is never touched; nor is a link to nowhere.
    """
    impl, kata = implementation(), manifest.kata(number)
    before = manifest.up_to(kata)[:-1]
    missing = [k for k in before if not os.path.lexists(k.file(impl))]
    if absent := [k for k in missing if not k.file(REFERENCE).is_file()]:
        first = f"the first kata without a file is {absent[0].id}: make module-{absent[0].id}"
        raise Refusal(f"LEND=1 is not part of this edition: it has no reference/\n  {first}")
    for other in missing:
        text = other.file(REFERENCE).read_text(encoding="utf-8")
        mark = f"{MARK} (make module-{other.id} after deleting this file)"
        write_atomically(other.file(impl), f"{mark}\n{text}")
        print(f"kata {other.id} is lent by the reference: {short(other.file(impl))}")
    if not missing:
        print(f"nothing to lend: every kata before {kata.id} has a file")
    return 0
