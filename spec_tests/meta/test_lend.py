"""LEND=1: the reference's files for katas that were skipped, marked, and nothing overwritten."""

from __future__ import annotations

import shutil

from playing import play
from small_course import DOUBLING, TRIPLING, Course

from tito.lend import MARK, is_lent


def test_lend_fills_what_is_missing(course: Course) -> None:
    """Every kata below the number gets the reference's file, marked on its first line; no other."""
    ran = play(course, "lend", "03")
    assert ran.code == 0
    assert "kata 01 is lent by the reference: src/tinytorch/doubling.py" in ran.text
    mark, _, text = (course.package / "doubling.py").read_text().partition("\n")
    assert mark == f"{MARK} (make module-01 after deleting this file)"
    assert text == DOUBLING
    assert is_lent(course.package / "tripling.py")
    assert not (course.package / "layers.py").exists()
    assert not is_lent(course.package / "layers.py")
    assert course.tito("test", "02").code == 0


def test_lend_never_overwrites(course: Course) -> None:
    """A file that is there stays, whatever it holds, a link to nowhere too."""
    mine = course.write("doubling", "mine = 1\n")
    link = course.package / "tripling.py"
    link.symlink_to(course.root / "nowhere.py")
    assert "nothing to lend" in play(course, "lend", "3").text
    assert mine.read_text() == "mine = 1\n"
    assert link.is_symlink()
    assert not is_lent(mine)
    assert not is_lent(link)


def test_lend_in_a_student_edition(course: Course) -> None:
    """Without a reference nothing is written, and the way that is left is named."""
    shutil.rmtree(course.root / "reference")
    course.write("doubling", DOUBLING)
    ran = play(course, "lend", "03")
    assert ran.code == 1
    assert ran.text.startswith("this edition has no reference/ to lend from")
    assert "make module-02" in ran.text
    assert not (course.package / "tripling.py").exists()


def test_lent_is_only_what_is_marked(course: Course) -> None:
    """A learner's own copy of the reference is not lent."""
    assert not is_lent(course.write("tripling", TRIPLING))
    assert not is_lent(course.write("layers", b"\xff\xfe"))
