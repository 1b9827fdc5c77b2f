"""Batches of answers by people who have seen no test: what is refused, what is counted, what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_course import Course

from tito.course.manifest import load
from tito.maintainer.gates import companies
from tito.strength import variants
from tito.strength.edits import Edit
from tito.strength.strangers import wilson

WRONG = """
[[answer]]
id = "{id}"
kind = "wrong"
clause = "02.1"
why = "Thinks so."
witness = '''
import numpy as np
from tinytorch.tripling import triple
print(triple(np.array([1.0, 2.0])).tolist())
'''
[[answer.edits]]
replace = "triple"
new = '''
def triple(x):
    return {value}
'''
"""
RIGHT = """
[[answer]]
id = "{id}"
kind = "right"
clause = "02.1"
why = "A sum."
[[answer.edits]]
replace = "triple"
new = '''
def triple(x):
    return {value}
'''
"""


def batch(course: Course, *entries: str) -> str:
    """The path of a batch with these entries."""
    path = course.root / "batch.toml"
    path.write_text("".join(entries), encoding="utf-8")
    return str(path)


def test_rates(course: Course) -> None:
    """Each answer's fate, the rates with their intervals, and 1 for what survives or is refused."""
    assert course.tito("records", "02").code == 0
    late = WRONG.format(id="late", value="x * 3 + (np.size(x) == 2)").replace(
        "def", "import numpy as np\ndef"
    )
    file = batch(
        course,
        WRONG.format(id="fifth", value="5 * x"),
        WRONG.format(id="negative", value="-2.5 * x"),
        late,
        RIGHT.format(id="sum", value="x + x + x"),
        RIGHT.format(id="not-right", value="x + x"),
    )
    ran = course.tito("strangers", "02", file)
    assert ran.code == 1, ran.text
    for line in (
        "fifth [02.1] killed test_triple_values",
        "late [02.1] survives",
        "sum [02.1] accepted",
        "not-right [02.1] refused test_triple_values",
    ):
        assert line in ran.text
    assert "2 of 3: 66.7 %, 95 % interval 20.8 to 93.9 %" in ran.text
    assert "1 of 2: 50.0 %" in ran.text  # fifth has the numbers of a registered answer
    assert "(registered)" in ran.text


def test_disputed_answers_leave_the_counts(course: Course) -> None:
    """A second reader's word is printed beside the answer, and the answer counts nowhere."""
    survivor = WRONG.format(id="late", value="x * 3 + (len(x) == 2)")
    file = batch(
        course, survivor.replace("[[answer.edits]]", 'disputed = "not said"\n[[answer.edits]]')
    )
    ran = course.tito("strangers", "02", file, "--publish", "first")
    assert ran.code == 0, ran.text
    assert "(disputed: not said)" in ran.text
    kept = json.loads((course.root / "docs" / "figures.json").read_text())["strangers"]["first 02"]
    assert (kept["wrong"], kept["disputed"]) == (0, 1)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "wrong"', 'kind = "odd"', "kind is 'odd'"),
        ('clause = "02.1"', 'clause = "02.9"', "clause '02.9' is none of the README's: 02.1, 02.2"),
        ('why = "Thinks so."', "", "a: why is missing"),
        ("witness = ", "program = ", "a: witness is missing"),
        ('replace = "triple"', 'replace = "treble"', "'treble' stands 0 times"),
        ("5 * x", "3 * x", "for the reference too"),
        ("import numpy as np", "import numpy as np, time; print(time.time_ns())", "seed it"),
        ("import numpy as np", "while True: pass", "no end within 5 s"),
        ("[[answer]]", "[[answers]]", "expected entries [[answer]], each with an id"),
        ("[[answer]]", "[answer", "batch.toml"),
    ],
    ids=["kind", "clause", "why", "witness", "place", "same", "seed", "endless", "table", "toml"],
)
def test_what_is_refused(course: Course, old: str, new: str, says: str) -> None:
    """An answer that does not apply, or that its witness does not tell from the reference."""
    ran = course.tito(
        "strangers", "02", batch(course, WRONG.format(id="a", value="5 * x").replace(old, new))
    )
    assert ran.code == 1
    assert says in ran.text
    assert "Traceback" not in ran.text


def test_all_that_is_refused_is_listed(course: Course) -> None:
    """A fault in one answer hides none in a later one."""
    odd = WRONG.format(id="odd", value="5 * x").replace('kind = "wrong"', 'kind = "odd"')
    lost = WRONG.format(id="lost", value="6 * x").replace('replace = "triple"', 'replace = "t"')
    ran = course.tito("strangers", "02", batch(course, odd, lost))
    assert "kind is 'odd'" in ran.text
    assert "lost: its piece 't' stands 0 times" in ran.text


def test_no_file(course: Course, tmp_path: Path) -> None:
    """A file that is not there is answered with what to name."""
    assert "is no file" in course.tito("strangers", "02", str(tmp_path / "none.toml")).text


def test_archive(course: Course) -> None:
    """What an earlier batch held is run as a gate: a survivor is a finding."""
    folder = course.root / "reference" / "variants" / "strangers"
    folder.mkdir()
    survivor = WRONG.format(id="late", value="x * 3 + (len(x) == 2)")
    (folder / "02-first.toml").write_text(survivor, encoding="utf-8")
    ran = course.tito("gates", "02", "--only", "archive")
    assert ran.code == 1
    assert "02/wrong/late survives" in ran.text
    assert "tito strangers 02 reference/variants/strangers/02-first.toml --screens" in ran.text


def test_an_archive_that_no_longer_applies(course: Course) -> None:
    """The reference was edited: the records step lists it, long before the archive is run."""
    folder = course.root / "reference" / "variants" / "strangers"
    folder.mkdir()
    lost = WRONG.format(id="lost", value="6 * x").replace('replace = "triple"', 'replace = "t"')
    (folder / "02-first.toml").write_text(lost, encoding="utf-8")
    ran = course.tito("records", "02")
    assert ran.code == 1
    assert "lost: its piece 't' stands 0 times" in ran.text


def test_a_mistake_on_another_design(course: Course) -> None:
    """A wrong answer may build on a right one, and share the lesson of another."""
    path = course.root / "reference" / "variants" / "wrong" / "02_tripling.toml"
    text = path.read_text()
    more = """
[[variant]]
id = "sum-of-two"
killed_by = "test_triple_values"
on = "r2"
same_as = "times-4"
edits = [{ old = "x + x + x", new = "x + x + x + x" }]
"""
    path.write_text(text + more)
    assert course.tito("records", "02").code == 0
    assert course.tito("gates", "02", "--only", "variants").code == 0
    assert '"sum-of-two"' in (course.root / "spec_tests" / "lessons" / "02.json").read_text()
    for old, new, says in (
        ('on = "r2"', 'on = "r9"', "on = 'r9' is no right variant of kata 02"),
        ('same_as = "times-4"', 'same_as = "nobody"', "same_as = 'nobody' names an earlier entry"),
        ('same_as = "times-4"', "", "lesson"),
        ("edits = [{ old", "edits = [{ odd", "odd"),
    ):
        path.write_text(text + more.replace(old, new))
        ran = course.tito("gates", "02", "--only", "variants")
        assert says in ran.text
        assert ran.code == 1


def test_wilson_at_the_ends() -> None:
    """All or none of a few says little; of nothing it says nothing."""
    assert [round(x) for x in wilson(0, 10)] == [0, 28]
    assert [round(x) for x in wilson(10, 10)] == [72, 100]
    assert wilson(0, 0) == (0.0, 100.0)


def test_companies_are_never_empty() -> None:
    """A right answer whose edits do not apply is a company of its own, which the gate names."""
    kata = load().kata("02")
    lost = variants.Variant(
        kata, "lost", True, (Edit(f"{kata.module}.py", "", replace="t"),), "", ""
    )
    assert companies([[lost]]) == [[lost]]
