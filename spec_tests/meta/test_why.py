"""`tito why 02`: kata 02 is red, and the fault is planted where each test says."""

from __future__ import annotations

import shutil

import pytest
from playing import play
from small_course import DOUBLING, TRIPLING, Course

WRONG_DOUBLE = DOUBLING.replace("2 * np", "2.5 * np")
WRONG_TRIPLE = TRIPLING.replace("+ x", "+ 2 * x")


def why(course: Course, doubling: str, tripling: str, code: int = 0) -> str:
    """What is said of kata 02 on these two files."""
    course.write("doubling", doubling)
    course.write("tripling", tripling)
    ran = play(course, "why", "2")
    assert ran.code == code, ran.text
    return ran.text


def test_why_names_an_earlier_kata_in_its_own_words(course: Course) -> None:
    """An earlier file that hurts is named, with its own first failing clause and its command."""
    text = why(course, WRONG_DOUBLE, TRIPLING)
    assert "kata 02 fails: 02.1 triple(x) is three times x." in text
    assert "green if your kata 01 is replaced\n  01.1 double(x) is twice x." in text
    assert "next: make test-01" in text
    assert "02 is replaced" not in text


def test_why_names_the_kata_itself(course: Course) -> None:
    """A fault in the kata's own file is not blamed on another."""
    text = why(course, DOUBLING, WRONG_TRIPLE)
    assert "the fault is in kata 02 itself" in text
    assert "make hint-02, for src/tinytorch/tripling.py" in text
    assert "kata 01 is replaced" not in text


def test_why_is_honest_about_a_spec_with_a_gap(course: Course) -> None:
    """An earlier file that hurts, and whose own spec is green, is said to be just that."""
    flat = DOUBLING.replace("return 2 *", "return (2 if np.ndim(x) < 2 else 3) *")
    text = why(course, flat, TRIPLING)
    assert "green if your kata 01 is replaced" in text
    assert "kata 01's own spec is green, so its spec has a gap or your file uses something" in text


def test_why_says_that_two_files_disagree(course: Course) -> None:
    """Where replacing either file fixes it, both are named: one uses what the other need not do."""
    strict = DOUBLING.replace("2 * np.asarray(x)", "2 * x")
    lax = TRIPLING.replace("double(x) + x", "double(x.tolist()) + x")
    text = why(course, strict, lax)
    assert "green if your kata 01 is replaced" in text
    assert "green too if only kata 02 is replaced: the two disagree" in text


def test_why_tries_pairs(course: Course) -> None:
    """Two faults at once are found together, each with its words."""
    text = why(course, WRONG_DOUBLE, WRONG_TRIPLE)
    assert "no single file fixes it, two do\ngreen if your katas 01 and 02 are replaced" in text
    assert "01.1 double(x) is twice x." in text
    assert text.count("02.1 triple(x) is three times x.") == 2


def test_why_knows_when_it_is_not_the_learner(course: Course) -> None:
    """If the reference fails as well, no file of the learner's is blamed."""
    course.edit(
        "spec_tests/test_02_tripling.py",
        "assert_close(tripled(X), want=3 * X)",
        "assert_close(tripled(X), want=4 * X)",
    )
    text = why(course, DOUBLING, TRIPLING, code=1)
    assert "it is not your code; next: make doctor" in text


@pytest.mark.parametrize("edition", ["full", "student"])
def test_why_of_nothing(course: Course, edition: str) -> None:
    """Locked, green, or without a reference: said in one sentence."""
    if edition == "student":
        shutil.rmtree(course.root / "reference")
        text = why(course, WRONG_DOUBLE, TRIPLING, code=1)
        assert text == "make why-NN is not part of this edition: it has no reference/\n"
        return
    assert "kata 02 is locked" in play(course, "why", "02").text
    assert "kata 02 is green: there is nothing to explain" in why(course, DOUBLING, TRIPLING)
