"""Gates of the secret seed: answers that were seen elsewhere prove nothing, right ones always pass.

Fresh: the reference's answers under two seeds are recorded, and replayed under a third. Every clause
must fail, those of `spec_tests/fixed.toml` excepted, where each has its reason. Seeds: every
registered right answer passes under twenty seeds (sample: under one).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tito.course.manifest import REFERENCE, ROOT, Kata, Manifest
from tito.maintainer.findings import Finding, first
from tito.run.engine import Job
from tito.run.outcome import Verdict
from tito.run.runner import run, spec_paths
from tito.strength import variants

FIXED = ROOT / "spec_tests" / "fixed.toml"
RECORDED, REPLAYED = ("1001", "1002"), "1003"
TAPED = ("-p", "support.replay")
MANY = tuple(str(seed) for seed in range(101, 121))
SLOW = 1800.0  # seconds: some right answers are slow on purpose


def fresh_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """No clause but the listed ones is met by answers that were recorded under other seeds."""
    recording = [
        _job(kata, s, *TAPED, f"--record={_tape(scratch, kata, s)}", profile="replay")
        for kata in katas
        for s in RECORDED
    ]
    list(run(recording))
    orders = (RECORDED, RECORDED[::-1])
    jobs = [_replay(kata, scratch, order) for kata in katas for order in orders]
    verdicts = run(jobs)
    for kata in katas:
        stale = {c for _ in orders for c in _met(next(verdicts))}
        fixed = set(_fixed().get(kata.id, {}))
        for clause in sorted(stale - fixed, key=_by_number):
            problem = f"clause {clause} is met by answers recorded under other seeds"
            yield Finding(kata, problem, "let something drawn decide an answer (strategies.one_of)")
        for clause in sorted(fixed - stale, key=_by_number):
            problem = f"clause {clause} is listed as fixed, and is not"
            yield Finding(kata, problem, f"delete it from {FIXED.relative_to(ROOT)}")


def seeds_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Every right answer, the reference first, passes under twenty seeds."""
    yield from _under(MANY, katas, scratch)


def sample_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """The same under one seed, which changes with the kata."""
    for kata in katas:
        yield from _under((MANY[kata.number % len(MANY)],), (kata,), scratch)


def _under(seeds: Sequence[str], katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Ten examples of a property a seed: what differs between seeds is the numbers."""
    rows: list[tuple[Kata, str, Path, str]] = []
    for kata in katas:
        built = {str(v): variants.build(scratch / str(v), v) for v in variants.load(kata, True)}
        named = {"the reference": REFERENCE, **built}
        rows += [(kata, name, impl, seed) for seed in seeds for name, impl in named.items()]
    jobs = [_job(kata, seed, impl=impl, profile="replay") for kata, _, impl, seed in rows]
    for (kata, name, _, seed), verdict in zip(rows, run(jobs), strict=True):
        if not verdict.green:
            problem = f"{name} is refused under seed {seed}: {verdict.problem or first(verdict)}"
            yield Finding(kata, problem, f"TINYTORCH_SEED={seed}: make the test right for it")


def _job(kata: Kata, seed: str, *options: str, impl: Path = REFERENCE, profile: str = "") -> Job:
    environment = {"TINYTORCH_SEED": seed} | ({"TINYTORCH_PROFILE": profile} if profile else {})
    specs = spec_paths(kata.specs)
    return Job(impl, specs, (), False, options, environment, SLOW)


def _replay(kata: Kata, scratch: Path, order: Sequence[str]) -> Job:
    """A run in which only recorded answers are given."""
    tapes = ",".join(str(_tape(scratch, kata, seed)) for seed in order)
    return _job(kata, REPLAYED, *TAPED, f"--replay={tapes}", profile="replay")


def _tape(scratch: Path, kata: Kata, seed: str) -> Path:
    return scratch / f"{kata.id}-{seed}"


def _met(verdict: Verdict) -> set[str]:
    """The clauses of which every test passed."""
    return {test.clause for test in verdict.tests} - {test.clause for test in verdict.failed}


def _fixed() -> dict[str, dict[str, str]]:
    """Clauses for which no drawn thing can decide, with the reason, by kata."""
    if not FIXED.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    for clause, reason in tomllib.loads(FIXED.read_text(encoding="utf-8")).items():
        found.setdefault(clause.partition(".")[0], {})[clause] = reason
    return found


def _by_number(clause: str) -> tuple[int, ...]:
    return tuple(int(part) for part in clause.split("."))
