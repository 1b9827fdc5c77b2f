"""The gates: what `make verify` demands of every kata before a learner meets it.

Stub: the bare stub passes nothing. Solution: the reference passes everything, under three seeds.
Variants: every registered wrong answer is killed by the test it names, every right one accepted.
Prefix: with reference files 1..k and nothing but stubs after, spec k is green.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from tito.course.doors import GIVEN
from tito.course.files import short
from tito.course.manifest import REFERENCE, Kata, Manifest
from tito.maintainer.findings import Finding, first
from tito.maintainer.freshness import fresh_gate, sample_gate, seeds_gate
from tito.run.engine import Job
from tito.run.runner import run, spec_paths
from tito.strength import batches, records, strangers, variants
from tito.strength.counting import TAUGHT_AT_LEAST, Strength, strength
from tito.strength.records import Record
from tito.strength.variants import Variant

SEEDS = ("0", "1", "2")
COMPANIES = 6  # of right answers, that are tried at each commit


Gate = Callable[[Manifest, Sequence[Kata], Path], Iterator[Finding]]


def stub_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """On its stub, with the reference before it, a kata fails every test, and fails it cleanly."""
    jobs = [
        Job(
            _mixture(manifest, kata.number - 1, scratch / f"stub{kata.id}"),
            spec_paths(kata.specs),
            first=False,
        )
        for kata in katas
    ]
    for kata, verdict in zip(katas, run(jobs), strict=True):
        if verdict.problem:
            yield Finding(kata, verdict.problem, f"make stubs; it said\n{verdict.output[-2000:]}")
        for test in [test for test in verdict.tests if test.status != "failed"]:
            problem = f"{test.id} {test.status} on the bare stub"
            yield Finding(kata, problem, "make the test call what the learner writes")
        if len(verdict.tests) != kata.tests:
            problem = f"{len(verdict.tests)} tests were collected, {short(kata.manifest)} says {kata.tests}"
            yield Finding(kata, problem, "make records")


def solution_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """The reference passes everything, under three seeds."""
    jobs = [(kata, seed) for kata in katas for seed in SEEDS]
    verdicts = run(
        [
            Job(
                REFERENCE,
                spec_paths(kata.specs),
                options=(),
                environment={"TINYTORCH_SEED": seed},
            )
            for kata, seed in jobs
        ]
    )
    for (kata, seed), verdict in zip(jobs, verdicts, strict=True):
        if not verdict.green:
            problem = f"seed {seed}: {verdict.problem or first(verdict)}"
            yield Finding(
                kata, problem, f"TINYTORCH_SEED={seed} IMPL=reference make test-{kata.id}"
            )


def variants_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Every wrong variant dies by the test it names, every right one is accepted: by the records.

    A tenth of them is run to see that the records are true.
    """
    yield from _recorded(katas)
    yield from _run([v for kata in katas for v in records.sample(kata)])


def everything_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """The same, with every variant run."""
    yield from _recorded(katas)
    yield from _run([v for kata in katas for v in records.everything(kata)])


def _recorded(katas: Sequence[Kata]) -> Iterator[Finding]:
    """What the records say, and whether any is missing."""
    for kata in katas:
        if absent := records.missing(kata):
            text = f"{len(absent)} variants have no record, such as {absent[0]}"
            yield Finding(kata, text, "make records")
        known = records.known(kata)
        for variant in records.everything(kata):
            if record := known.get(records.name(variant)):
                yield from _judge(variant, record)
        yield from _told(strength(kata))


def _told(found: Strength) -> Iterator[Finding]:
    """Nobody is told something wrong, and most are told something."""
    for text in found.misled:
        yield Finding(found.kata, text, "register it as xray, if it is true; or make records")
    if found.told < TAUGHT_AT_LEAST * found.wrong:
        text = f"only {found.told} of {found.wrong} wrong answers are told what they did"
        yield Finding(found.kata, text, "give those that are told nothing a test of their own")


def _run(varied: Sequence[Variant]) -> Iterator[Finding]:
    """Run variants once and hold them against their records, which are of two runs."""
    known = {kata.id: records.known(kata) for kata in {v.kata.id: v.kata for v in varied}.values()}
    for variant, record, verdict in records.judged(varied, runs=1):
        then = known[variant.kata.id].get(records.name(variant))
        if then and not then.fingerprint:  # two runs differed: chance may make these two alike
            record = replace(record, fingerprint="", telling=then.telling)
        if then and then != record:
            text = f"is now {_said(record)}; the records say {_said(then)}"
            yield _finding(variant, f"{text}\n{verdict.output[-1500:]}")


def _said(record: Record) -> str:
    return " ".join(filter(None, [record.verdict, record.test, record.fingerprint, record.xray]))


def company_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Right variants of different katas together pass all specs, so that one does not break another.

    Some are slow on purpose (loops), so only a few companies run, others at each commit.
    """
    every = companies([variants.load(kata, right=True) for kata in katas])
    some = records.drawn(every, COMPANIES, "company")
    specs = spec_paths(s for k in manifest.katas if k.number >= katas[0].number for s in k.specs)
    jobs = [
        Job(variants.build(scratch / str(i), *c), specs, seconds=1800) for i, c in enumerate(some)
    ]
    for company, verdict in zip(some, run(jobs), strict=True):
        if not verdict.green:
            names = ", ".join(str(v) for v in company)
            problem = verdict.problem or first(verdict)
            yield _finding(company[-1], f"is refused in company ({names}): {problem}")


def archive_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """What strangers wrote in earlier batches: the wrong answers die, the right ones are accepted."""
    for kata in katas:
        for fate in strangers.misfits(kata, batches.archived(kata)):
            variant, record = fate.answer.variant, fate.record
            fix = f"tito strangers {kata.id} {short(variant.path)} --screens"
            yield Finding(kata, f"{variant} {record.verdict} {record.test}", fix)


def companies(by_kata: Sequence[Sequence[Variant]]) -> list[list[Variant]]:
    """Right variants in companies of at most one of each kata, all of whose edits apply together."""
    found: list[list[Variant]] = []
    for row in zip_longest(*by_kata):
        company: list[Variant] = []
        for variant in (v for v in row if v is not None):
            if variants.broken(*company, variant):
                found.append([variant])
            else:
                company.append(variant)
        found += [company] * bool(company)
    return found


def _finding(variant: Variant, problem: str) -> Finding:
    fix = f"tito variant {variant} shows its run; fix {short(variant.path)} or {short(variant.kata.specs[0])}"
    return Finding(variant.kata, f"{variant} {problem}", fix)


def prefix_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """No test needs a later kata: spec k is green with reference 1..k and nothing but stubs after.

    That spec k + 1 is red there is what the stub gate of kata k + 1 shows.
    """
    jobs = [
        Job(_mixture(manifest, kata.number, scratch / f"prefix{kata.id}"), spec_paths(kata.specs))
        for kata in katas
    ]
    for kata, verdict in zip(katas, run(jobs), strict=True):
        if not verdict.green:
            problem = (
                f"not green with the reference up to here: {verdict.problem or first(verdict)}"
            )
            yield Finding(kata, problem, "move what it needs to the later kata's spec")


GATES: dict[str, Gate] = {
    "stub": stub_gate,
    "solution": solution_gate,
    "variants": variants_gate,
    "prefix": prefix_gate,
    "everything": everything_gate,
    "archive": archive_gate,
    "company": company_gate,
    "fresh": fresh_gate,
    "seeds": seeds_gate,
    "sample": sample_gate,
}
FOUR = ("stub", "solution", "variants", "prefix")


def check(
    manifest: Manifest, katas: Sequence[Kata], gates: Sequence[str] = FOUR
) -> Iterator[tuple[str, list[Finding]]]:
    """Run gates on katas; gives each gate's findings as it ends."""
    for name in gates:
        with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
            yield name, list(GATES[name](manifest, katas, Path(scratch)))


def _mixture(manifest: Manifest, solved: int, folder: Path) -> Path:
    """An implementation of reference files up to a kata and stubs from there on."""
    package = folder / "tinytorch"
    package.mkdir(parents=True)
    for name in ("__init__.py", *GIVEN):
        shutil.copy(REFERENCE / "tinytorch" / name, package)
    for kata in manifest.katas:
        shutil.copy(kata.file(REFERENCE) if kata.number <= solved else kata.stub, kata.file(folder))
    return folder


def _judge(variant: Variant, record: Record) -> Iterator[Finding]:
    """What is wrong with the record of a variant, if something is."""
    if variant.right and record.verdict != "accepted":
        yield _finding(variant, f"is right, and {record.verdict} {record.test}")
    if not variant.right and record.verdict != "killed":
        yield _finding(variant, record.verdict)
    elif not variant.right and record.test != variant.killed_by:
        meant = variant.killed_by or "a test it names"
        yield _finding(variant, f"is killed by {record.test}, not by {meant}")
