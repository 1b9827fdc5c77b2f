"""The four gates: what `make verify` demands of every kata before a learner meets it.

Stub: the bare stub passes nothing. Solution: the reference passes everything, under three seeds.
Variants: every registered wrong answer is killed by the test it names, every right one accepted.
Prefix: with reference files 1..k and nothing but stubs after, spec k is green.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tito.course.manifest import REFERENCE, ROOT, Kata, Manifest
from tito.maintainer.findings import Finding, first
from tito.maintainer.freshness import fresh_gate, seeds_gate
from tito.run import variants
from tito.run.runner import Job, Verdict, run, spec_paths

SEEDS = ("0", "1", "2")
WRONG_AT_LEAST = {1: 12, 5: 30, 6: 12, 9: 30, 12: 30, 13: 30}
RIGHT_AT_LEAST = {5: 10}
TAUGHT_AT_LEAST = 0.7  # of the wrong answers


@dataclass
class Strength:
    """How strong the spec of one kata is: what becomes of its registered wrong answers.

    Attributes:
        wrong: how many there are; killed: how many fail a test.
        taught: how many are shown their own lesson; explained: how many a true explanation instead.
        misled: those that are shown another's lesson, or an explanation that nobody has found true.
        xray: how many the numbers alone would explain.
    """

    kata: Kata
    wrong: int = 0
    killed: int = 0
    taught: int = 0
    explained: int = 0
    xray: int = 0
    misled: list[str] = field(default_factory=list)

    def count(self, variant: variants.Variant, verdict: Verdict) -> None:
        """Count one wrong variant's run."""
        self.wrong += 1
        if not verdict.failed:
            return
        self.killed += 1
        test = verdict.tests[verdict.failed[0]]
        shown, xray = test.get("looks_like", ""), test.get("xray", "")
        self.xray += bool(xray)
        if not xray.startswith(variant.xray) or bool(xray) != bool(variant.xray):
            self.misled.append(f"{variant} gets the explanation {xray!r}, not {variant.xray!r}")
        elif shown == variant.lesson:
            self.taught += 1
        elif shown != xray:
            self.misled.append(f"{variant} is shown another's lesson: {shown}")
        elif shown:
            self.explained += 1

    def row(self) -> str:
        """One line of the table."""
        silent = self.killed - self.taught - self.explained - len(self.misled)
        counts = (self.wrong, self.killed, self.taught, self.explained, silent, len(self.misled))
        return (
            f"| {self.kata.id} {self.kata.title} | {' | '.join(map(str, counts))} | {self.xray} |"
        )

    def findings(self) -> Iterator[Finding]:
        """Nobody is told something wrong, and most are told something."""
        for text in self.misled:
            yield Finding(self.kata, text, "register it as xray, if it is true; or make lessons")
        right = self.taught + self.explained
        if right < TAUGHT_AT_LEAST * self.wrong:
            text = f"only {right} of {self.wrong} wrong answers are told what they did"
            yield Finding(self.kata, text, f"make lessons-{self.kata.id}")


STRENGTH: dict[int, Strength] = {}
HEAD = "| kata | wrong answers | killed | own lesson shown | true explanation | neither | misled | explained by the numbers alone |\n|---|---:|---:|---:|---:|---:|---:|---:|"


Gate = Callable[[Manifest, Sequence[Kata], Path], Iterator[Finding]]


def stub_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """On its stub, with the reference before it, a kata fails every test, and fails it cleanly."""
    jobs = [
        Job(
            _mixture(manifest, kata.number - 1, scratch / f"stub{kata.id}"), spec_paths([kata.spec])
        )
        for kata in katas
    ]
    for kata, verdict in zip(katas, run(jobs), strict=True):
        if verdict.problem:
            yield Finding(kata, verdict.problem, f"make stubs; it said\n{verdict.output[-2000:]}")
        for name in sorted(set(verdict.tests) - set(verdict.failed)):
            problem = f"{name} {verdict.tests[name]['outcome']} on the bare stub"
            yield Finding(kata, problem, "make the test call what the learner writes")
        if len(verdict.tests) != kata.tests:
            problem = f"{len(verdict.tests)} tests were collected, katas.toml says {kata.tests}"
            yield Finding(kata, problem, f"set tests = {len(verdict.tests)} in katas/katas.toml")


def solution_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """The reference passes everything, under three seeds."""
    jobs = [(kata, seed) for kata in katas for seed in SEEDS]
    verdicts = run(
        [
            Job(REFERENCE, spec_paths([kata.spec]), environment={"TINYTORCH_SEED": seed})
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
    """Every wrong variant dies by the test it names; every right one accepted."""
    for kata in katas:
        for right, least in (
            (False, WRONG_AT_LEAST.get(kata.number, 8)),
            (True, RIGHT_AT_LEAST.get(kata.number, 3)),
        ):
            found = variants.load(kata, right)
            if len(found) < least:
                side = "right" if right else "wrong"
                problem = f"{len(found)} {side} variants, {least} are asked for"
                yield Finding(kata, problem, f"add to {found[0].path.relative_to(ROOT)}")
    yield from _wrong(katas, scratch)
    yield from _right(katas, scratch)


def _wrong(katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Every wrong variant runs until its first failure, and no failure may teach another's lesson."""
    every = [v for kata in katas for v in variants.load(kata, right=False)]
    jobs = [variant_job(v, scratch / str(v).replace("/", "-")) for v in every]
    lines = {kata.id: Strength(kata) for kata in katas}
    for variant, verdict in zip(every, run(jobs), strict=True):
        problem = _judge(variant, verdict)
        lines[variant.kata.id].count(variant, verdict)
        if problem:
            yield _finding(variant, problem)
    for line in lines.values():
        STRENGTH[line.kata.number] = line
        yield from line.findings()


def _right(katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Every right variant passes its kata's whole spec."""
    every = [v for kata in katas for v in variants.load(kata, right=True)]
    jobs = [variant_job(v, scratch / str(v).replace("/", "-")) for v in every]
    for variant, verdict in zip(every, run(jobs), strict=True):
        if problem := _judge(variant, verdict):
            yield _finding(variant, problem)


def company_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Right variants of different katas together pass all specs: each stands among any neighbours.

    Some are slow on purpose (loops), so this takes half an hour and is not a part of `make verify`.
    """
    companies = variants.companies([variants.load(kata, right=True) for kata in katas])
    specs = spec_paths([k.spec for k in manifest.katas if k.number >= katas[0].number])
    jobs = [
        Job(variants.build(scratch / str(i), *c), specs, seconds=1800)
        for i, c in enumerate(companies)
    ]
    for company, verdict in zip(companies, run(jobs), strict=True):
        if not verdict.green:
            names = ", ".join(str(v) for v in company)
            yield _finding(
                company[-1],
                f"is refused in company ({names}): {verdict.problem or first(verdict)}",
            )


def _finding(variant: variants.Variant, problem: str) -> Finding:
    mend = f"tito variant {variant} shows its run; mend {variant.path.relative_to(ROOT)} or {variant.kata.spec.name}"
    return Finding(variant.kata, f"{variant} {problem}", mend)


def prefix_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """No test needs a later kata: spec k is green with reference 1..k and nothing but stubs after.

    That spec k + 1 is red there is what the stub gate of kata k + 1 shows.
    """
    jobs = [
        Job(_mixture(manifest, kata.number, scratch / f"prefix{kata.id}"), spec_paths([kata.spec]))
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
    "company": company_gate,
    "fresh": fresh_gate,
    "seeds": seeds_gate,
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
    shutil.copy(REFERENCE / "tinytorch" / "__init__.py", package)
    for kata in manifest.katas:
        shutil.copy(kata.file(REFERENCE) if kata.number <= solved else kata.stub, kata.file(folder))
    return folder


def variant_job(variant: variants.Variant, folder: Path) -> Job:
    """The run of one variant: a wrong one until its first failure, a right one to the end."""
    return Job(
        variants.build(folder, variant),
        spec_paths([variant.kata.spec]),
        () if variant.right else ("-x",),
    )


def _judge(variant: variants.Variant, verdict: Verdict) -> str:
    """What is wrong with the verdict on a variant, or nothing."""
    if verdict.problem:
        return verdict.problem
    if variant.right:
        return "" if verdict.green else f"is right, and refused by {first(verdict)}"
    if not verdict.failed:
        return "survives every test"
    killer = verdict.failed[0].partition("::")[2]
    return (
        ""
        if killer == variant.killed_by
        else f"is killed by {killer}, not by {variant.killed_by or 'a test it names'}"
    )
