"""The gates find what is wrong with a kata: each fault is planted and must be named."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_course import Course

from tito.course.manifest import ROOT
from tito.maintainer import verify
from tito.strength import records

WRONG = "reference/variants/wrong/02_tripling.toml"
RIGHT = "reference/variants/right/02_tripling.toml"
SPEC = "spec_tests/test_02_tripling.py"


def test_all_is_well(course: Course) -> None:
    """The small course's kata 02 passes all four gates, once its variants are recorded."""
    assert "spec_tests/lessons/02.json written" in course.tito("records", "02").text
    ran = course.tito("gates", "02")
    assert ran.code == 0, ran.text
    assert [ran.text.count(name) for name in ("stub", "solution", "variants", "prefix")] == [1] * 4


def recorded(course: Course) -> str:
    """What the gate of the variants says, once all are recorded."""
    ran = course.tito("records", "02")
    assert ran.code == 0, ran.text
    return gate(course, "variants")


def gate(course: Course, name: str) -> str:
    ran = course.tito("gates", "02", "--only", name)
    assert ran.code == 1, ran.text
    assert "Traceback" not in ran.text, ran.text
    return ran.text


def test_wrong_variant_survives(course: Course) -> None:
    """A wrong answer that the spec accepts is a missing test."""
    course.edit(WRONG, '"4 * x"', '"3 * x"')
    assert "02/wrong/times-4 survives" in recorded(course)


def test_wrong_variant_killed_by_another(course: Course) -> None:
    """A wrong answer must die by the test it names, the first that fails."""
    course.edit(WRONG, '"5 * x"', '"3 * x.ravel()"')
    said = "02/wrong/times-5 is killed by test_triple_fresh, not by test_triple_values"
    assert said in recorded(course)


def test_wrong_answers_are_taught(course: Course) -> None:
    """Most wrong answers are told what they did: here three share an answer, so none is certain."""
    for n in (5, 6, 7):
        course.edit(WRONG, f'"{n} * x"', '"4 * x"')
    assert "only 4 of 8 wrong answers are told what they did" in recorded(course)


def test_explanations_are_read_by_a_person(course: Course) -> None:
    """What the numbers alone are said to look like must be registered with the wrong answer."""
    course.edit(WRONG, '"5 * x"', '"-3 * x"')
    assert "times-5 gets the explanation 'exactly the opposite sign" in recorded(course)


def test_right_variant_refused(course: Course) -> None:
    """A right answer that the spec refuses is a test too narrow."""
    course.edit(RIGHT, '"x + x + x"', '"x + x"')
    assert "02/right/r2 is right, and refused test_triple_values" in recorded(course)


def test_a_variant_without_a_record(course: Course) -> None:
    """A verdict that nobody has seen is red, and so is one under another key; both name the command."""
    assert "11 variants have no record, such as 02/wrong/times-4" in gate(course, "variants")
    assert course.tito("records", "02").code == 0
    course.edit(WRONG, '"5 * x"', '"-5 * x"')
    said = gate(course, "variants")
    assert "1 variants have no record, such as 02/wrong/times-5" in said
    assert "fix: make records" in said


def test_a_record_that_is_not_true(course: Course) -> None:
    """The sample that is run is held against the records."""
    assert course.tito("records", "02").code == 0
    path = course.root / "reference" / "variants" / "records" / "02.json"
    path.write_text(path.read_text().replace('"accepted"', '"refused"'))
    assert "is now accepted; the records say refused" in gate(course, "variants")


def test_records_go_on_where_they_were(course: Course) -> None:
    """What has a record under its key is not run again."""
    assert "11 of 11" in course.tito("records", "02").text
    course.edit(WRONG, '"5 * x"', '"-5 * x"')
    said = course.tito("records", "02").text
    assert "1 of 1  02/wrong/times-5 killed test_triple_values" in said
    assert "written" not in course.tito("records", "02").text


def test_exports_of_later_katas_play_no_part() -> None:
    """The package lists the names of all katas; a verdict follows from those up to its own."""
    exports = (ROOT / "reference" / "tinytorch" / "__init__.py").read_bytes()
    known = records.without(exports, ["training"])
    assert b"training" not in known
    assert b"optimizers" in known


def test_edit_that_does_not_apply(course: Course) -> None:
    """An edit whose old text stands nowhere, or twice, means nothing any more."""
    course.edit("reference/tinytorch/tripling.py", "double(x) + x", "x + double(x)")
    said = gate(course, "variants")
    assert "stands 0 times in reference/tinytorch/tripling.py, not once" in said
    twice = "double(x) + x + 0 * (double(x) + x)"
    course.edit("reference/tinytorch/tripling.py", "return x + double(x)", f"return {twice}")
    assert "stands 2 times" in gate(course, "variants")


def test_a_file_without_variants(course: Course) -> None:
    """Where the author of a new kata starts: nothing is registered yet."""
    (course.root / WRONG).write_text("variant = []\n")
    assert course.tito("records", "02").code == 0
    assert course.tito("gates", "02", "--only", "variants").code == 0


def test_stub_test_that_passes(course: Course) -> None:
    """A test that passes on the bare stub proves nothing."""
    course.edit(SPEC, "    assert_close(tripled(X), want=3 * X)", "    assert_close(X, want=1 * X)")
    said = gate(course, "stub")
    assert "test_02_tripling.py::test_triple_values passed on the bare stub" in said


def test_number_of_tests(course: Course) -> None:
    """The manifest's count is held to what is collected."""
    course.edit("katas/02_tripling/kata.toml", "tests = 2", "tests = 5")
    said = "2 tests were collected, katas/02_tripling/kata.toml says 5"
    assert said in gate(course, "stub")


def test_solution_that_fails(course: Course) -> None:
    """The reference must pass its own spec, under every seed."""
    course.edit("reference/tinytorch/tripling.py", "double(x) + x", "double(x)")
    said = gate(course, "solution")
    assert "seed 0: test_02_tripling.py::test_triple_values (failed)" in said
    assert "TINYTORCH_SEED=0 IMPL=reference make test-02" in said


def test_prefix_that_needs_a_later_kata(course: Course) -> None:
    """A spec that uses what a later kata builds is not green on the katas up to its own."""
    course.edit(SPEC, "return tt.triple(x)", "return tt.Linear(3)(x)")
    said = gate(course, "prefix")
    assert "kata 02: not green with the reference up to here" in said
    assert "test_triple_values" in said


def test_variant_shows_the_screen(course: Course) -> None:
    """`tito variant` prints the run of one variant; an unknown one is answered with the known."""
    ran = course.tito("variant", "02/wrong/times-4")
    assert "02.1" in ran.text
    assert "Three is not 4." in ran.text
    ran = course.tito("variant", "02/wrong/nothing")
    assert ran.code == 1
    assert "02/wrong/times-4" in ran.text


def test_stubs_check(course: Course) -> None:
    """A stub that drifted from the reference is named, and regenerated by its command."""
    course.edit("katas/02_tripling/tripling.py", "Three times x.", "Thrice x.")
    ran = course.tito("stubs", "--check")
    assert ran.code == 1
    assert "katas/02_tripling/tripling.py is not what is generated: make stubs" in ran.text
    assert course.tito("stubs").code == 0
    assert course.tito("stubs", "--check").code == 0


def test_unknown_gate(course: Course) -> None:
    """A gate that is none is answered with those that are."""
    assert "the gates are stub, solution, variants, prefix" in gate(course, "nothing")


def test_a_failed_step_keeps_all_its_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A gate of forty-five minutes tells its first finding, too, not only the last lines."""
    monkeypatch.setattr(verify, "ROOT", tmp_path)
    lines = [f"finding {i}" for i in range(1_500)]
    assert verify._kept("gate seeds", lines) == ["all 1,500 lines: runs/verify-gate-seeds.txt"]
    assert (tmp_path / "runs/verify-gate-seeds.txt").read_text().splitlines() == lines
    assert verify._kept("gate seeds", lines[: verify.SHOWN]) == []
