"""`tito gates, variant, stubs, lessons`: the maintainers' side of a kata, as commands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from tito.course import stubs as generating
from tito.course.errors import Refusal
from tito.course.files import short, write_atomically
from tito.course.manifest import Manifest
from tito.course.terminal import paint
from tito.maintainer import gates as gating
from tito.maintainer import lessons as recording
from tito.run import runner, variants


def gates(manifest: Manifest, number: str, only: str) -> int:
    """Run gates, print each one's findings as it ends; 1 if there are any."""
    names = only.split(",") if only else list(gating.FOUR)
    if unknown := set(names) - set(gating.GATES):
        raise Refusal(
            f"there is no gate {sorted(unknown)[0]!r}: the gates are {', '.join(gating.GATES)}"
        )
    count = 0
    for name, found in gating.check(manifest, manifest.some(number), names):
        state = paint(f"{len(found)} findings", "red") if found else paint("ok", "green")
        print(f"{name:<10}{state}", *found, sep="\n  ", flush=True)
        count += len(found)
    if gating.STRENGTH:
        print("", gating.HEAD, *[line.row() for line in gating.STRENGTH.values()], sep="\n")
    return 1 if count else 0


def variant(manifest: Manifest, name: str) -> int:
    """Run one variant on its own kata's spec and show all that it prints."""
    number, _, rest = name.partition("/")
    side, _, identifier = rest.partition("/")
    kata = manifest.kata(number)
    known = {str(v): v for right in (False, True) for v in variants.load(kata, right)}
    found = known.get(f"{kata.id}/{side}/{identifier}")
    if found is None:
        raise Refusal(f"there is no variant {name}; kata {kata.id} has:\n  " + "\n  ".join(known))
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        job = gating.variant_job(found, Path(scratch) / "variant")
        print(next(runner.verdicts([job])).output)
    print(
        f"{found}: {found.lesson}\n  killed by {found.killed_by}" if not found.right else str(found)
    )
    return 0


def stubs(manifest: Manifest, check: bool) -> int:
    """Write the generated files, or say which are not what they should be."""
    return _written(generating.generated(manifest).items(), check, "make stubs")


def lessons(manifest: Manifest, number: str, check: bool) -> int:
    """Record the lessons, or say which would change."""
    return _written(recording.record(manifest.some(number)).items(), check, "make lessons")


def _written(files: Iterable[tuple[Path, str]], check: bool, mend: str) -> int:
    """Write files that are not as they should be; or, to check, only name them."""
    changed = []
    for path, text in files:
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            changed.append(path)
            if not check:
                write_atomically(path, text)
    for path in changed:
        print(f"{short(path)} {'is not what is generated: ' + mend if check else 'written'}")
    return 1 if check and changed else 0
