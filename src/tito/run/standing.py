"""Where a kata stands: a verdict in numbers, and the cache of these.

A verdict is what one run of a kata's spec found. What it says of the kata is kept in
.tito/cache.json under the hash of all it follows from (the learner's files up to the kata, the
spec, the suite, the versions of Python and NumPy), so that losing the cache loses nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from tito.course.errors import Refusal
from tito.course.files import short, write_atomically
from tito.course.manifest import ROOT, Kata, Manifest
from tito.run.engine import Job
from tito.run.outcome import Verdict
from tito.run.runner import run, spec_paths

CACHE = ROOT / ".tito" / "cache.json"
KEPT = 200  # verdicts, the latest; a course has twenty katas
FENCE = 24  # times the limit of one call: after this long a run is ended from outside


@dataclass(frozen=True)
class Standing:
    """What is known of one kata on one implementation.

    Attributes:
        green: every test of the manifest ran and passed.
        passed, collected: tests.
        held: clauses of which every test that ran has passed.
        clause, test: of the first failure.
        places: lines of the learner's code that the first failure is about, as (file, line).
        problem: why it is not green where no test says so.
    """

    green: bool
    passed: int
    collected: int
    held: int
    clause: str = ""
    test: str = ""
    places: list[tuple[str, int]] = field(default_factory=list)
    problem: str = ""


def judge(kata: Kata, verdict: Verdict) -> Standing:
    """A verdict in numbers. Nothing but every test of the manifest, passed, is green."""
    problem = verdict.problem
    if not problem and verdict.collected < max(kata.tests, 1):
        restore = f"restore it: git checkout -- {' '.join(map(short, kata.specs))}"
        problem = (
            f"{verdict.collected} tests were collected, kata {kata.id} has {kata.tests}: {restore}"
        )
    idle = verdict.having("skipped")
    problem = problem or (f"{idle[0].id} was skipped: a test must run to count" if idle else "")
    if not verdict.failed and len(verdict.tests) < kata.tests:
        few = f"{len(verdict.tests)} of the {kata.tests} tests of kata {kata.id} were reported"
        problem = problem or f"{few}: a run counts if it reports them all"
    failed = {test.clause for test in verdict.failed}
    held = {test.clause for test in verdict.passed} - failed
    first = verdict.failed[0] if verdict.failed else None
    return Standing(
        green=not problem and len(verdict.passed) == verdict.collected,
        passed=len(verdict.passed),
        collected=verdict.collected,
        held=len(held),
        clause=first.clause if first else "",
        test=first.id if first else "",
        places=list(first.places) if first else [],
        problem=problem,
    )


def job(kata: Kata, impl: Path, *, first: bool = True) -> Job:
    """One run of a kata's spec."""
    for spec in kata.specs:
        if not spec.is_file():
            raise Refusal(f"{short(spec)} is missing: git checkout -- {short(spec)}")
    seconds = FENCE * float(os.environ.get("TINYTORCH_SECONDS", "5"))
    return Job(impl, spec_paths(kata.specs), first=first, seconds=seconds)


def standings(
    manifest: Manifest, katas: Iterable[Kata], impl: Path
) -> Iterator[tuple[Kata, Standing]]:
    """Where unlocked katas stand: from the cache, or from runs, several at once."""
    katas, known = list(katas), _load()
    keys = {kata.id: key(manifest, kata, impl) for kata in katas}
    runs = run([job(kata, impl) for kata in katas if keys[kata.id] not in known])
    for kata in katas:
        if keys[kata.id] in known:
            yield kata, known[keys[kata.id]]
        else:
            result = judge(kata, next(runs))
            keep(keys[kata.id], result)
            yield kata, result


def keep(key: str, result: Standing) -> None:
    """Remember a result; one with a problem may be a passing trouble, and is asked for again."""
    if result.problem:
        return
    entries = {k: asdict(r) for k, r in _load().items()} | {key: asdict(result)}
    text = json.dumps(dict(list(entries.items())[-KEPT:]))
    with contextlib.suppress(OSError):  # a folder that cannot be written costs time, nothing else
        write_atomically(CACHE, text)


def key(manifest: Manifest, kata: Kata, impl: Path) -> str:
    """The hash of all that a result follows from."""
    later = {f"{k.module}.py" for k in manifest.katas if k.number > kata.number}
    learners = sorted(p for p in (impl / "tinytorch").glob("*.py") if p.name not in later)
    suite = [*(ROOT / "spec_tests" / "support").rglob("*.py"), *kata.suite, ROOT / "conftest.py"]
    tables = (ROOT / "spec_tests" / "oracle_tables").glob(f"{kata.id}.*")
    rooms = [p for room in ("course", "run") for p in (ROOT / "src" / "tito" / room).rglob("*.py")]
    tool = [ROOT / "pyproject.toml", *sorted(rooms)]
    settings = [os.environ.get(f"TINYTORCH_{name}", "") for name in ("SEED", "PROFILE", "SECONDS")]
    versions = [platform.python_version(), version("numpy"), str(kata.tests), *settings]
    digest = hashlib.sha256(" ".join(versions).encode())
    for path in [*learners, *sorted([*suite, *tables]), *tool]:
        content = path.read_bytes() if path.is_file() else b""
        place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        digest.update(f"\0{place} {len(content)}\0".encode() + content)
    return digest.hexdigest()


def _load() -> dict[str, Standing]:
    """What is remembered; a cache that cannot be read is no cache."""
    try:
        entries = json.loads(CACHE.read_text(encoding="utf-8"))
        return {name: Standing(**entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
