"""General mutation of the reference: is there a slip nobody thought of that a spec lets through?

    make mutants-deep          (make mutants-05 for one kata)

The registered wrong variants are bugs that people make; here mutmut's operators change every
expression a learner writes, one at a time, and the kata's own spec runs on each. mutmut itself leaves
decorated functions alone, which here are most, so only its operators are used. A survivor is either
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
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.mutators import mutation_operators

from tito.course.manifest import REFERENCE, Kata
from tito.course.stubs import given
from tito.run.engine import UNRAISED, Job
from tito.run.outcome import Verdict
from tito.run.runner import run, spec_paths
from tito.strength import figures, variants

EQUIVALENT = REFERENCE / "variants" / "equivalent"
QUICK = {"TINYTORCH_PROFILE": "mutants", "TINYTORCH_SECONDS": "2"}  # searches, but does not shrink


@dataclass(frozen=True)
class Mutant:
    """One changed expression.

    Attributes:
        name: the function it stands in, the line as it was and as it is; what a list knows it by.
        code: the whole file.
    """

    name: str
    code: str


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
    text = kata.file(REFERENCE).read_text(encoding="utf-8")
    module = MetadataWrapper(cst.parse_module(text)).module
    collector = _Collector(given(kata.file(REFERENCE)))
    module.visit(collector)
    seen = {ast.dump(ast.parse(text))}
    for place, old, new in collector.found:
        changed = module.deep_replace(old, new)
        code = changed.code if isinstance(changed, cst.Module) else text
        try:
            program = ast.dump(ast.parse(code))
        except SyntaxError:
            continue
        if program not in seen:
            seen.add(program)
            yield Mutant(f"{place}: {_difference(text, code)}", code)


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


def survivors(kata: Kata, scratch: Path) -> tuple[int, list[str]]:
    """How many mutants of a kata there are, and the names of those that its spec lets through."""
    every = list(mutants(kata))
    jobs = [
        Job(
            _planted(kata, mutant, scratch / f"{kata.id}-{i}"),
            spec_paths(kata.specs),
            options=("--raw", *UNRAISED),  # no screen: nobody reads it
            environment=QUICK,
            seconds=120,
        )
        for i, mutant in enumerate(every)
    ]
    return len(every), [m.name for m, v in zip(every, _told(jobs), strict=True) if v.green]


def _planted(kata: Kata, mutant: Mutant, folder: Path) -> Path:
    variants.build(folder)
    kata.file(folder).write_text(mutant.code, encoding="utf-8")
    return folder


def _told(jobs: Sequence[Job]) -> Iterator[Verdict]:
    """The verdicts, with a line that counts them as they come."""
    for count, verdict in enumerate(run(jobs), 1):
        if sys.stderr.isatty():
            print(f"\r{count} of {len(jobs)}", end="", file=sys.stderr)
        yield verdict


def report(katas: Sequence[Kata]) -> int:
    """Print the survivors without an explanation and the explanations that no longer match a survivor; keep the figures; 1 if any."""
    open_ones = 0
    for kata in katas:
        known = explained(kata)
        with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
            total, alive = survivors(kata, Path(scratch))
        new = [name for name in alive if name not in known]
        stale = [name for name in known if name not in alive]
        for name in new:
            print(f"{kata.id} survives: {name}", flush=True)
        for name in stale:
            print(f"{kata.id} is explained, but no survivor any more: {name}", flush=True)
        counts = {
            "mutants": total,
            "killed": total - len(alive),
            "explained": len(alive) - len(new),
        }
        print(f"kata {kata.id}: {counts}", flush=True)
        open_ones += len(new) + len(stale)
        if not new:
            figures.keep("mutants", kata.id, counts)
    return 1 if open_ones else 0
