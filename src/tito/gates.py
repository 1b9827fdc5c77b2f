"""The four gates: what `make verify` demands of every kata before a learner meets it.

Stub: the bare stub passes nothing. Solution: the reference passes everything, under three seeds.
Variants: every registered wrong answer is killed by the test it names, every right one accepted.
Prefix: with reference files 1..k and stubs after, specs 1..k are green and k+1 is red.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tito import variants
from tito.manifest import ROOT, Kata, Manifest
from tito.runner import Job, Verdict, run, spec_paths

REFERENCE = ROOT / "reference"
SEEDS = ("0", "1", "2")
WRONG_AT_LEAST = {1: 12, 5: 30, 6: 12, 9: 30, 12: 30, 13: 30}
RIGHT_AT_LEAST = {5: 10}


@dataclass(frozen=True)
class Finding:
    """One thing a gate found wrong, with the command that shows or mends it."""

    kata: Kata
    gate: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"kata {self.kata.id}, gate {self.gate}: {self.problem}\n    mend: {self.mend}"


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
            yield Finding(
                kata,
                "stub",
                verdict.problem,
                f"IMPL=katas-stub: pytest {kata.spec.name}\n{verdict.output[-2000:]}",
            )
        for name in sorted(set(verdict.tests) - set(verdict.failed)):
            yield Finding(
                kata,
                "stub",
                f"{name} {verdict.tests[name]['outcome']} on the bare stub",
                "make the test call what the learner writes",
            )
        if len(verdict.tests) != kata.tests:
            yield Finding(
                kata,
                "stub",
                f"{len(verdict.tests)} tests were collected, the manifest says {kata.tests}",
                f"set tests = {len(verdict.tests)} for kata {kata.id} in katas/katas.toml",
            )


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
            yield Finding(
                kata,
                "solution",
                f"seed {seed}: {verdict.problem or _first(verdict)}",
                f"TINYTORCH_SEED={seed} IMPL=reference make test-{kata.id}",
            )


def variants_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """Every wrong variant dies by the test it names; every right one passes, and all katas after it."""
    for kata in katas:
        for right, least in (
            (False, WRONG_AT_LEAST.get(kata.number, 8)),
            (True, RIGHT_AT_LEAST.get(kata.number, 3)),
        ):
            found = variants.load(kata, right)
            if len(found) < least:
                yield Finding(
                    kata,
                    "variants",
                    f"{len(found)} {'right' if right else 'wrong'} variants, {least} are asked for",
                    f"add to {found[0].path.relative_to(ROOT)}",
                )
    every = [v for kata in katas for right in (False, True) for v in variants.load(kata, right)]
    jobs = [_variant_job(manifest, v, scratch / str(v).replace("/", "-")) for v in every]
    for variant, verdict in zip(every, run(jobs), strict=True):
        problem = _judge(variant, verdict)
        if problem:
            yield Finding(
                variant.kata,
                "variants",
                f"{variant} {problem}",
                f"tito variant {variant} shows its run; mend {variant.path.relative_to(ROOT)} or {variant.kata.spec.name}",
            )


def prefix_gate(manifest: Manifest, katas: Sequence[Kata], scratch: Path) -> Iterator[Finding]:
    """No test needs a later kata: reference 1..k with stubs after is green up to k and red at k+1."""
    jobs, asked = [], []
    for kata in katas:
        folder = _mixture(manifest, kata.number, scratch / f"prefix{kata.id}")
        after = [k for k in manifest.katas if k.number == kata.number + 1]
        jobs.append(Job(folder, spec_paths([k.spec for k in (*manifest.up_to(kata), *after)])))
        asked.append((kata, after))
    for (kata, after), verdict in zip(asked, run(jobs), strict=True):
        late = {name for k in after for name in verdict.tests if name.startswith(k.spec.name)}
        early = [name for name in verdict.tests if name not in late and name not in verdict.passed]
        if verdict.problem or early:
            yield Finding(
                kata,
                "prefix",
                verdict.problem
                or f"{early[0]} is not green with the reference up to kata {kata.id} alone",
                "move what it needs to the later kata's spec",
            )
        if after and late & set(verdict.passed):
            yield Finding(
                kata,
                "prefix",
                f"{sorted(late & set(verdict.passed))[0]} passes on a stub",
                "see gate stub",
            )


GATES: dict[str, Gate] = {
    "stub": stub_gate,
    "solution": solution_gate,
    "variants": variants_gate,
    "prefix": prefix_gate,
}


def check(
    manifest: Manifest, katas: Sequence[Kata], gates: Sequence[str] = tuple(GATES)
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


def _variant_job(manifest: Manifest, variant: variants.Variant, folder: Path) -> Job:
    """A wrong variant runs until its first failure; a right one runs its kata and all later ones."""
    impl = variants.build(variant, folder)
    if variant.right:
        return Job(
            impl, spec_paths([k.spec for k in manifest.katas if k.number >= variant.kata.number])
        )
    return Job(impl, spec_paths([variant.kata.spec]), ("-x",))


def _judge(variant: variants.Variant, verdict: Verdict) -> str:
    """What is wrong with the verdict on a variant, or nothing."""
    if verdict.problem:
        return verdict.problem
    if variant.right:
        return "" if verdict.green else f"is right, and refused by {_first(verdict)}"
    if not verdict.failed:
        return "survives every test"
    killer = verdict.failed[0].partition("::")[2]
    return (
        ""
        if killer == variant.killed_by
        else f"is killed by {killer}, not by {variant.killed_by or 'a test it names'}"
    )


def _first(verdict: Verdict) -> str:
    """The first test that did not pass, and why."""
    for name, test in verdict.tests.items():
        if test["outcome"] != "passed":
            return f"{name} ({test['outcome']})\n{test['message'][:1500]}"
    return "nothing that ran"
