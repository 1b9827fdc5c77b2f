"""The general mutation run: what it changes, what it leaves alone, and that nothing ends green unexplained."""

from __future__ import annotations

import ast
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tito.course.manifest import REFERENCE, Kata, load

pytestmark = pytest.mark.pins  # libcst, mutmut

mutants: Any = pytest.importorskip("tito.strength.mutants")

KATAS = load().katas
ACTIVATIONS = KATAS[1]


@pytest.fixture(scope="module")
def made() -> list[mutants.Mutant]:
    return list(mutants.mutants(ACTIVATIONS))


def test_mutants_change_decorated_functions(made: list[mutants.Mutant]) -> None:
    """Primitives are decorated, and their bodies are what a learner writes."""
    names = [mutant.name for mutant in made]
    assert "relu: return np.maximum(x, 0) -> return np.maximum(x, 1)" in names
    assert len(names) == len(set(names)) > 100


def test_mutants_are_programs_that_differ(made: list[mutants.Mutant]) -> None:
    """Every mutant parses, and none reads like the reference or like another."""
    text = ACTIVATIONS.file(REFERENCE).read_text(encoding="utf-8")
    programs = {ast.dump(ast.parse(code)) for code in [text, *(m.code for m in made)]}
    assert len(programs) == len(made) + 1


def test_mutants_leave_alone_what_is_given(made: list[mutants.Mutant]) -> None:
    """Imports, constants, decorators, annotations, docstrings and error messages are not changed."""
    lines = " ".join(mutant.name.partition(": ")[2] for mutant in made)
    for word in ("import ", "GELU_SCALE =", "@primitive", '"""', "raise "):
        assert word not in lines
    first = [mutant.name for mutant in islice(mutants.mutants(KATAS[0]), 20)]
    assert not any(name.startswith(("primitive", "_", "Note", "composite")) for name in first)


def test_explanations_explain(made: list[mutants.Mutant]) -> None:
    """Each explained name is a mutant that there is, with a reason; elsewhere names are not given twice."""
    known = mutants.explained(ACTIVATIONS)
    assert known
    of_the_reference = {name for name in known if not name.startswith("right/")}
    assert of_the_reference <= {mutant.name for mutant in made}
    for kata in KATAS:
        assert all(len(why.split()) > 3 for why in mutants.explained(kata).values())


@pytest.mark.parametrize(
    ("alive", "says"),
    [
        (["a: 1 -> 2"], "02 survives: a: 1 -> 2"),
        ([], "02 is explained, but no survivor any more: softmax"),
    ],
    ids=["survivor", "stale"],
)
def test_nothing_ends_green_unexplained(
    alive: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A survivor that nobody explained is red, and so is an explanation of what is killed."""

    def found(kata: Kata, every: list[mutants.Mutant], scratch: Path) -> list[str]:
        return alive

    monkeypatch.setattr(mutants, "survivors", found)
    monkeypatch.setattr(mutants.figures, "keep", lambda *_: None)  # no figure of this test's
    assert mutants.report([ACTIVATIONS]) == 1
    assert says in capsys.readouterr().out
    monkeypatch.setattr(mutants, "survivors", lambda *_: list(mutants.explained(ACTIVATIONS)))
    assert mutants.report([ACTIVATIONS]) == 0


def test_a_survivor_is_a_run_that_passes_everything(
    made: list[mutants.Mutant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one mutant that is no mistake and one that is, the first survives; both are run once only."""
    known = next(m for m in made if m.name in mutants.explained(ACTIVATIONS))
    wrong = next(m for m in made if m.name.startswith("relu: "))
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    assert mutants.survivors(ACTIVATIONS, [wrong, known], tmp_path) == [known.name]
    monkeypatch.setattr(mutants, "run", lambda jobs: iter(["nothing is left to run"] * len(jobs)))
    assert mutants.survivors(ACTIVATIONS, [wrong, known], tmp_path) == [known.name]


def test_right_answers_are_mutated_where_they_are_their_own() -> None:
    """A sample that stays, of what a right answer writes in another way."""
    found = mutants.of_right_answers(ACTIVATIONS)
    assert 20 < len(found) <= mutants.OF_RIGHT
    assert [m.name for m in found] == [m.name for m in mutants.of_right_answers(ACTIVATIONS)]
    reference = ACTIVATIONS.file(REFERENCE).read_text(encoding="utf-8")
    for mutant in found:
        assert mutant.name.startswith("right/")
        assert mutant.name.partition(": ")[2].partition(" -> ")[0] not in reference.splitlines()
