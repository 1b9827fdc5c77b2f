"""General mutation of the reference: is there a slip nobody thought of that a spec lets through?

    make mutants-deep          (make mutants-05 for one kata)

The registered wrong variants are bugs that people make; here mutmut's operators change every
expression a learner writes, one at a time, and the kata's own spec runs on each. mutmut itself leaves
decorated functions alone, which here are most, so only its operators are used. The same is done to a
sample of what registered right answers write in another way than the reference, where other slips are
possible. What became of a mutant is kept in .tito/mutants, under a key that hashes all it follows
from: an interrupted run goes on where it was, and a second one runs what has changed. A survivor is either
killed, by a new test, or explained in reference/variants/equivalent; nothing else ends green. There,
in one file per kata, each reason names the mutants it holds for, exactly as they are printed here:

    [[mutant]]
    names = [
        '''mse_loss: return a + b -> return b + a''',
    ]
    why = "a sum does not depend on the order"
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.mutators import mutation_operators

from tito.course.files import write_atomically
from tito.course.manifest import REFERENCE, ROOT, Kata
from tito.course.stubs import given
from tito.run.engine import UNRAISED, Job
from tito.run.runner import run, spec_paths
from tito.strength import figures, records, variants
from tito.strength.variants import Variant

EQUIVALENT = REFERENCE / "variants" / "equivalent"
OF_RIGHT = 43  # mutants of right answers, a kata: 300 of seven katas
KEPT = 20  # after so many runs what is known is written
QUICK = {"TINYTORCH_PROFILE": "mutants", "TINYTORCH_SECONDS": "2"}  # searches, but does not shrink


@dataclass(frozen=True)
class Mutant:
    """One changed expression.

    Attributes:
        name: the function it stands in, the line as it was and as it is; what a list knows it by.
        code: the whole file.
        on: the right answer that is changed, if it is not the reference.
    """

    name: str
    code: str
    on: Variant | None = None

    @property
    def base(self) -> tuple[Variant, ...]:
        return (self.on,) if self.on else ()


class _Collector(cst.CSTVisitor):
    """Every mutation of what a learner writes: no given code, constants, annotations, texts for people.

    What stands outside a function, in a class too, is a part of the stub.
    """

    def __init__(self, given: Collection[str]) -> None:
        self.given, self.inside, self.functions = given, [""], [False]
        self.found: list[tuple[str, cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            self.inside.append(f"{self.inside[-1]}.{node.name.value}".lstrip("."))
            self.functions.append(isinstance(node, cst.FunctionDef))
        if self._left_alone(node):
            return False
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(self.inside[-1], node, new) for new in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, (cst.FunctionDef, cst.ClassDef)):
            self.inside.pop()
            self.functions.pop()

    def _left_alone(self, node: cst.CSTNode) -> bool:
        words = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.Raise)
        constant = isinstance(node, (cst.Assign, cst.AnnAssign)) and not self.functions[-1]
        docstring = isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString)
        given = any(f"{self.inside[-1]}.".startswith(f"{name}.") for name in self.given)
        return isinstance(node, words) or constant or docstring or given


def mutants(kata: Kata) -> Iterator[Mutant]:
    """Every mutant of a kata's reference file that Python reads as another program."""
    yield from _mutated(kata, kata.file(REFERENCE).read_text(encoding="utf-8"))


def of_right_answers(kata: Kata) -> list[Mutant]:
    """A sample of the mutants of what right answers write in another way than the reference.

    Drawn by the hash of their names: a further right answer changes a few of them only.
    """
    ours = {line.strip() for line in kata.file(REFERENCE).read_text(encoding="utf-8").splitlines()}
    found: dict[str, Mutant] = {}
    for variant in variants.load(kata, right=True):
        text = variants.texts(variant).get(f"{kata.module}.py", "")
        for mutant in _mutated(kata, text):
            before = mutant.name.partition(": ")[2].partition(" -> ")[0]
            if before not in ours:
                named = f"right/{variant.id} {mutant.name}"
                found.setdefault(mutant.name, Mutant(named, mutant.code, variant))
    return sorted(found.values(), key=lambda m: hashlib.sha256(m.name.encode()).digest())[:OF_RIGHT]


def _mutated(kata: Kata, text: str) -> Iterator[Mutant]:
    """Every mutant of a text of a kata's file, statement by statement: each of these is read alone."""
    module, blanks = cst.parse_module(text), given(kata.file(REFERENCE))
    codes = [module.code_for_node(statement) for statement in module.body]
    start = text.index("".join(codes))
    for statement, code in zip(module.body, codes, strict=True):
        collector, seen = _Collector(blanks), {ast.dump(ast.parse(code))}
        alone = MetadataWrapper(cst.Module([statement])).module.body[0]
        alone.visit(collector)
        for place, old, new in collector.found:
            changed: Any = alone.deep_replace(old, new)
            other = module.code_for_node(changed)
            try:
                program = ast.dump(ast.parse(other))
            except SyntaxError:
                continue
            if program not in seen:
                seen.add(program)
                whole = text[:start] + other + text[start + len(code) :]
                yield Mutant(f"{place}: {_difference(code, other)}", whole)
        start += len(code)


def _difference(before: str, after: str) -> str:
    """The lines that differ, as one: `a + b -> a - b`."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return " -> ".join(" ".join(line.strip() for line in lines) for lines in (old, new))


def explained(kata: Kata) -> dict[str, str]:
    """The mutants that are no mistake, and why."""
    path = EQUIVALENT / f"{kata.slug}.toml"
    text = path.read_text(encoding="utf-8") if path.is_file() else "mutant = []"
    entries = tomllib.loads(text)["mutant"]
    return {name: entry["why"] for entry in entries for name in entry["names"]}


def survivors(kata: Kata, every: Sequence[Mutant], scratch: Path) -> list[str]:
    """The names of the mutants that a kata's spec lets through."""
    path = ROOT / ".tito" / "mutants" / f"{kata.id}.json"
    known: dict[str, bool] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    keys = {m.name: records.hashed(kata, m.code, variants.texts(*m.base), QUICK) for m in every}
    absent = [m for m in every if keys[m.name] not in known]
    jobs = [_job(kata, mutant, scratch / f"{kata.id}-{i}") for i, mutant in enumerate(absent)]
    for count, (mutant, verdict) in enumerate(zip(absent, run(jobs), strict=True), 1):
        known[keys[mutant.name]] = verdict.green
        if count % KEPT == 0 or count == len(absent):
            write_atomically(path, json.dumps(known))
        if sys.stderr.isatty():
            print(f"\r{count} of {len(jobs)}", end="", file=sys.stderr)
    return [m.name for m in every if known[keys[m.name]]]


def _job(kata: Kata, mutant: Mutant, folder: Path) -> Job:
    variants.build(folder, *mutant.base)
    kata.file(folder).write_text(mutant.code, encoding="utf-8")
    return Job(
        folder,
        spec_paths(kata.specs),
        options=("--raw", *UNRAISED),  # no screen: nobody reads it
        environment=QUICK,
        seconds=120,
    )


def report(katas: Sequence[Kata]) -> int:
    """Print the survivors without an explanation and the explanations that no longer match a survivor; keep the figures; 1 if any."""
    open_ones = 0
    for kata in katas:
        known, ours, others = explained(kata), list(mutants(kata)), of_right_answers(kata)
        with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
            alive = survivors(kata, [*ours, *others], Path(scratch))
        new = [name for name in alive if name not in known]
        stale = [name for name in known if name not in alive]
        for name in new:
            print(f"{kata.id} survives: {name}", flush=True)
        for name in stale:
            print(f"{kata.id} is explained, but no survivor any more: {name}", flush=True)
        counts = _counts(ours, alive, known) | {
            f"right {what}": n for what, n in _counts(others, alive, known).items()
        }
        print(f"kata {kata.id}: {counts}", flush=True)
        open_ones += len(new) + len(stale)
        if not new:
            figures.keep("mutants", kata.id, counts)
    return 1 if open_ones else 0


def _counts(
    every: Sequence[Mutant], alive: Sequence[str], known: Collection[str]
) -> dict[str, int]:
    """How many there are, die, and live with an explanation."""
    living = {m.name for m in every} & set(alive)
    killed = len(every) - len(living)
    return {"mutants": len(every), "killed": killed, "explained": len(living & set(known))}
