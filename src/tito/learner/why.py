"""`tito why`: whose fault is it that a kata fails, its own file's or an earlier one's?

The kata's spec is run on copies of the learner's files in which one file, or two, are the
reference's. A copy that is green names the file that hurts. That file's own spec then says, in its
own words, what is wrong with it, or, honestly, that it has noticed nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from tito.course.ending import told
from tito.course.errors import Refusal
from tito.course.files import demand_unlocked, implementation, short, unlocked
from tito.course.manifest import REFERENCE, Kata, Manifest, load
from tito.course.readme import clauses
from tito.run import standing
from tito.run.outcome import Verdict
from tito.run.runner import run

Swap = tuple[Kata, ...]  # katas whose files are the reference's


def why(manifest: Manifest, number: str) -> int:
    """Say which single file, or which two, a red kata owes its failure to."""
    impl, kata = implementation(), manifest.kata(number)
    demand_unlocked(manifest, kata, impl)
    if not kata.file(REFERENCE).is_file():
        raise Refusal("make why-NN is not part of this edition: it has no reference/")
    before = manifest.up_to(kata)
    print(f"testing kata {kata.id} with each of {len(before)} files replaced ...", flush=True)
    own, right, *found = _runs(kata, impl, [(), before, *((k,) for k in before)])
    if own.green:
        print(f"kata {kata.id} is green: there is nothing to explain")
        return 0
    print(f"kata {kata.id} fails: {_words(kata, own)}\n")
    if not right.green:
        print(f"with all files from the reference it fails too: {_words(kata, right)}")
        print("so it is not your code; next: make doctor")
        return 1
    fixed = [k for k, verdict in zip(before, found, strict=True) if verdict.green]
    print("\n".join(_singles(kata, fixed, impl) if fixed else _pairs(kata, before, impl)))
    return 0


def _singles(kata: Kata, fixed: Sequence[Kata], impl: Path) -> list[str]:
    """One file is enough: the kata's own, an earlier one, or any one of several."""
    if fixed == [kata]:
        own = f"the fault is in kata {kata.id} itself: no other single file fixes it"
        return [own, f"  next: make hint-{kata.id}, for {short(kata.file(impl))}"]
    said = []
    for other in [k for k in fixed if k != kata]:
        said += [f"green if your kata {other.id} is replaced", *_verdict_on(other, impl)]
    if kata in fixed:
        said.append(f"green too if only kata {kata.id} is replaced: the two disagree. Which of")
        said.append(f"them keeps to the contract? See {short(fixed[0].folder / 'README.md')}")
    return said


def _pairs(kata: Kata, before: Sequence[Kata], impl: Path) -> list[str]:
    """No single file is enough: two at a time."""
    swaps = list(combinations(before, 2))
    found = [s for s, v in zip(swaps, _runs(kata, impl, swaps), strict=True) if v.green]
    if not found:
        count = f"{len(before)} single files and {len(swaps)} pairs were tried"
        first = f"  next: make test-{before[0].id}, and on from there"
        return [f"no one file fixes it, and no two: {count}", first]
    said = ["no single file fixes it, two do"]
    for pair in found:
        names = " and ".join(k.id for k in pair)
        said.append(f"green if your katas {names} are replaced")
    hurt = [k for k in before if any(k in pair for pair in found)]
    return said + [line for k in hurt for line in _verdict_on(k, impl)]


def _verdict_on(kata: Kata, impl: Path) -> list[str]:
    """What a file's own spec says of it, on the learner's files."""
    if not unlocked(kata, impl):
        return [f"  kata {kata.id} has no file here: make module-{kata.id}"]
    [verdict] = _runs(kata, impl, [()])
    if not verdict.green:
        return [f"  {_words(kata, verdict)}", f"  next: make test-{kata.id}"]
    gap = f"  kata {kata.id}'s own spec is green, so its spec has a gap or your file uses something"
    return [
        gap,
        f"  else: compare {short(kata.file(impl))} with {short(kata.folder / 'README.md')}",
    ]


def _words(kata: Kata, verdict: Verdict) -> str:
    """What the first failure is about: its clause, in the README's words."""
    if not verdict.failed:
        return verdict.problem.partition("\n")[0] or "something was skipped"
    first = verdict.failed[0]
    return f"{first.clause} {clauses(kata).get(first.clause, first.name)}".strip()


def _runs(kata: Kata, impl: Path, swaps: Sequence[Swap]) -> list[Verdict]:
    """The kata's spec on the learner's files, once for each choice of files to replace."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        jobs = []
        for number, swap in enumerate(swaps):
            folder = Path(scratch) / str(number)
            shutil.copytree(impl / "tinytorch", folder / "tinytorch", ignore=_not_copied)
            for other in swap:
                shutil.copy(other.file(REFERENCE), other.file(folder))
            jobs.append(standing.job(kata, folder))
        return list(run(jobs))


def _not_copied(folder: str, names: list[str]) -> set[str]:
    """Bytecode, and what is neither a file nor a folder: a copy of /dev/zero has no end."""
    paths = {name: Path(folder, name) for name in names}
    plain = {n for n, p in paths.items() if p.is_file() or (p.is_dir() and not p.is_symlink())}
    return set(names) - plain | {"__pycache__"}


if __name__ == "__main__":
    sys.exit(told(lambda: why(load(), sys.argv[1])))
