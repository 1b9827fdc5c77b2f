"""LEND=1: the reference's files for katas that were skipped, marked, and nothing overwritten."""

from __future__ import annotations

import json
import shutil

import pytest
from small_course import DOUBLING, MILESTONE, TRIPLING, Course

from tito.course.files import MARK, is_lent

BEGIN = "to write it yourself, delete src/tinytorch/doubling.py, then: make module-01"


@pytest.fixture
def lent(course: Course) -> Course:
    """A course that was begun at kata 03."""
    ran = course.tito("module", "03", LEND="1")
    assert ran.code == 0, ran.text
    assert "kata 01 is lent by the reference: src/tinytorch/doubling.py" in ran.text
    return course


def test_lend_fills_what_is_missing(lent: Course) -> None:
    """Every kata below the number gets the reference's file, marked on its first line."""
    mark, _, text = (lent.package / "doubling.py").read_text().partition("\n")
    assert mark == f"{MARK} (make module-01 after deleting this file)"
    assert text == DOUBLING
    assert is_lent(lent.package / "tripling.py")


def test_lend_opens_the_kata_itself(lent: Course) -> None:
    """The kata that was asked for is its stub, and nobody's but the learner's."""
    assert "NotImplementedError" in (lent.package / "layers.py").read_text()
    assert not is_lent(lent.package / "layers.py")
    assert "lent" not in lent.tito("test", "03").text


def test_lend_never_overwrites(course: Course) -> None:
    """A file that is there stays, whatever it holds, a link to nowhere too."""
    mine = course.write("doubling", "mine = 1\n")
    link = course.package / "tripling.py"
    link.symlink_to(course.root / "nowhere.py")
    assert "nothing to lend" in course.tito("module", "3", LEND="1").text
    assert mine.read_text() == "mine = 1\n"
    assert link.is_symlink()
    assert not is_lent(mine)
    assert not is_lent(link)


def test_lend_in_a_student_edition(course: Course) -> None:
    """Without a reference nothing is written, and the way that is left is named."""
    shutil.rmtree(course.root / "reference")
    course.write("doubling", DOUBLING)
    ran = course.tito("module", "03", LEND="1")
    assert ran.code == 1
    assert ran.text.startswith("LEND=1 is not part of this edition: it has no reference/")
    assert "make module-02" in ran.text
    assert not (course.package / "tripling.py").exists()
    assert not (course.package / "layers.py").exists()


def test_lent_is_only_what_is_marked(course: Course) -> None:
    """A learner's own copy of the reference is not lent."""
    assert not is_lent(course.write("tripling", TRIPLING))
    assert not is_lent(course.write("layers", b"\xff\xfe"))


def test_status_shows_what_is_lent(lent: Course) -> None:
    """The map says lent beside green or open, for lent katas only."""
    path = lent.package / "tripling.py"
    path.write_text(path.read_text().replace("double(x) + x", "double(x)"))
    rows = {line.split()[0]: line for line in lent.tito("status").text.splitlines()[1:] if line}
    assert "lent by the reference, green, 3 tests" in rows["01"]
    assert "lent by the reference, open, 0 of 2 tests" in rows["02"]
    assert "lent" not in rows["03"]


def test_all_katas_show_what_is_lent(lent: Course) -> None:
    """So does `make test`, and a course of lent katas and one's own can be green."""
    lent.solve("layers")
    ran = lent.tito("test")
    assert ran.code == 0
    assert "01 Doubling       lent by the reference, green, 3 tests" in ran.text
    assert "03 Layers         green, 1 tests" in ran.text


def test_a_lent_kata_is_not_what_you_built(lent: Course) -> None:
    """Testing it says that it is lent and how to begin it; of one's own it says what was built."""
    ran = lent.tito("test", "01")
    assert ran.code == 0
    assert f"kata 01 is lent by the reference; {BEGIN}" in ran.text
    assert "  built " not in ran.text
    assert "make module-03: Layers" in ran.text, "the next that is not lent"
    lent.solve("doubling")
    ran = lent.tito("test", "01")
    assert "lent" not in ran.text
    assert "  built    Doubling" in ran.text


@pytest.mark.parametrize("command", ["module", "hint", "reveal"])
def test_what_a_lent_kata_refuses(lent: Course, command: str) -> None:
    """There is nothing to unlock, to hint at or to compare: the one way on is to begin it."""
    ran = lent.tito(command, "01")
    assert ran.code == 1
    assert ran.text == f"kata 01 is lent by the reference; {BEGIN}\n"
    assert is_lent(lent.package / "doubling.py")


def test_a_lent_kata_that_is_red_has_hints(lent: Course) -> None:
    """A lent file that was worked on and fails is hinted at like any other."""
    path = lent.package / "doubling.py"
    path.write_text(path.read_text().replace("return 2 *", "return 3 *"))
    assert "kata 01 · twice · hint 1 of 3" in lent.tito("hint", "01").text


def test_a_lent_kata_can_be_begun(lent: Course) -> None:
    """Delete, unlock: the stub, without a mark, while the katas after it stay."""
    (lent.package / "doubling.py").unlink()
    assert lent.tito("module", "01").code == 0
    assert not is_lent(lent.package / "doubling.py")
    assert "2 of 2 blanks are still to write" in lent.tito("test", "01").text
    assert is_lent(lent.package / "tripling.py")


def test_no_certificate_for_what_is_lent(lent: Course) -> None:
    """A certificate is for one's own work."""
    ran = lent.tito("certify", "02")
    assert ran.code == 1
    assert (
        f"a certificate is for your own work: kata 01 is lent by the reference; {BEGIN}" in ran.text
    )


def test_a_milestone_on_lent_code_says_so(lent: Course) -> None:
    """The map tells what of an earned milestone was not one's own."""
    lent.edit("katas/02_tripling/kata.toml", "[tasks]", f"{MILESTONE}[tasks]")
    report = lent.root / "runs" / "m01-src" / "metrics.json"
    report.parent.mkdir(parents=True)
    found = {"passed": True, "number": 0.97, "dataset": "digits", "lent": ["01", "02"]}
    report.write_text(json.dumps(found))
    assert "earned: 97.00% on digits, with lent 01, 02" in lent.tito("status").text
    report.write_text(json.dumps(found | {"number": 0.9056, "unit": "nats"}))
    assert "earned: 0.906 nats on digits, with lent 01, 02" in lent.tito("status").text
