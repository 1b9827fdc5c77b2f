"""The line that a screen calls `your code`: of what really ran, and written by the learner.

Each is a wrong answer that was once led astray: to a wrapper that is given, to code that the call
never ran, to an operation in place of the engine.
"""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import course, culprit, observe, plugin, screen
from support.observe import Call, ClauseFailure, Frame, LearnerError, entered, tested
from test_screens import PLACE, Run, job_of

from tito.course.manifest import ROOT
from tito.run.runner import run

NAMED = {
    "03/wrong/linear-leaves-the-complaint-to-matmul": "Linear.forward",  # not the given reshape
    "03/wrong/sequential-takes-anything": "Sequential.__init__",  # once no line at all
    "03/wrong/dropout-without-the-factor": "Dropout.forward",  # not the class
    "05/wrong/no-grad-turns-on-at-the-end": "no_grad",  # not the rule of a product
    "05/wrong/no-unbroadcast": "backward",  # nobody called unbroadcast
    "05/wrong/negative-ignores-g": "negative",  # the rule, not the engine
    "06/wrong/gradient-broadcast": "Optimizer.step",  # where a shape is checked
    "07/wrong/step-updates-before-backward": "Trainer.train_step",  # not the class
}


def test_your_code_is_what_ran(tmp_path: Path) -> None:
    """The function that each of these is led to."""
    jobs = [job_of(Run((name,)), tmp_path / str(i)) for i, name in enumerate(NAMED)]
    found = {}
    for name, verdict in zip(NAMED, run(jobs), strict=True):
        message = verdict.failed[0].message
        row = re.search(rf"^{PLACE}\S+  (\S+)", message, re.MULTILINE)
        found[name] = row[1] if row else message
    assert found == NAMED


def test_what_ran_beside_your_code_is_named() -> None:
    """The mistake may be in __radd__, which called add; __init__ runs in every call."""
    names = ("add", "Tensor.__radd__", "Tensor.__init__")
    ran = [Frame("t.py", line, name) for line, name in enumerate(names, 1)]
    assert screen._lines(None, ran, True) == "t.py:1  add\nalso ran: Tensor.__radd__"
    assert screen._lines(None, ran, False) == "t.py:1  add\nTensor.__radd__, Tensor.__init__"
    assert screen._lines(None, ran[::2], True) == "t.py:1  add"


def test_an_answer_that_a_test_cannot_read_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen with the answer, where once a traceback ended in the suite's own line."""
    monkeypatch.setattr(observe, "last_call", observe.last_call)
    config = SimpleNamespace(getoption=lambda name, default: default)
    for error in (KeyError("b"), ExceptionGroup("two", [KeyError("b"), KeyError("c")])):
        test = plugin.pytest_pyfunc_call(SimpleNamespace(config=config))  # type: ignore[arg-type]
        next(test)
        observe.last_call = Call(plugin.pytest_pyfunc_call, answer={"a": 1})
        with pytest.raises(ClauseFailure, match=r"cannot read .* \(KeyError: 'b'\)") as told:
            test.throw(error)
        assert told.value.got == "{'a': 1}"


def test_given_code_is_known_from_the_stub() -> None:
    """A wrapper, the door and the package's own file are given; a blank and a helper are not."""
    tensor, door = "src/tinytorch/tensor.py", "src/tinytorch/door.py"
    given = ["TensorBase.reshape", "primitive.<locals>.operation", "TensorBase.__eq__"]
    assert all(course.is_given(door, name) for name in given)
    assert course.is_given("src/tinytorch/layers.py", "Sigmoid.forward")
    assert course.is_given("src/tinytorch/__init__.py", "__getattr__")
    assert not any(course.is_given(tensor, n) for n in ("reshape", "Tensor.item", "_my_helper"))
    assert not course.is_given("src/tinytorch/my_helpers.py", "helper")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder under test."""
    (tmp_path / "tinytorch").mkdir()
    monkeypatch.setattr(tested, "folder", tmp_path)
    return tmp_path / "tinytorch"


FILE = '''
"""A text with \\sigma, as learners write it."""

def softmax(x):
    return _shifted(x)

def _shifted(x):
    return x

def relu(x):
    return x
'''


def failure_of(package: Path, source: str, calls: str) -> ClauseFailure:
    """A failure whose call runs a piece of code of the learner's file."""
    path = package / "activations.py"
    path.write_text(source)
    names: dict[str, object] = {}
    exec(compile(source.replace("\\s", "s"), str(path), "exec"), names)
    failure = ClauseFailure("the values differ")
    failure.call = Call(again=lambda: eval(calls, names))
    return failure


def test_a_backslash_in_a_docstring_does_no_harm(package: Path) -> None:
    """Python warns of \\s in a text; the line is named all the same."""
    failure = failure_of(package, FILE, "softmax(1)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, sure = culprit.culprits(failure, "02.9", "softmax", "softmax(a)")
    assert sure
    assert [(each.function, each.line) for each in found] == [("softmax", 4), ("_shifted", 7)]


def test_only_what_ran_is_named(package: Path) -> None:
    """The text names relu, the call ran softmax."""
    failure = failure_of(package, FILE, "softmax(1)")
    found, sure = culprit.culprits(failure, "02.9", "", "relu(a)")
    assert not sure
    assert [each.function for each in found] == ["softmax", "_shifted"]


def test_nothing_ran(package: Path) -> None:
    """No line is better than one that has nothing to do with it; nor is an endless call repeated."""
    failure = failure_of(package, FILE, "1")
    assert culprit.culprits(failure, "02.9", "softmax", "softmax(a)") == ([], False)
    late = failure_of(package, FILE, "softmax(1)")
    late.problem = "no answer within 5 s: an endless loop, or far too slow"
    assert culprit.culprits(late, "02.9", "softmax", "softmax(a)") == ([], False)


def test_watching_leaves_no_trace(package: Path) -> None:
    """The call is made once more, and neither its failures nor its profile are left behind."""

    def again() -> None:
        raise LearnerError(["ValueError"], "once more", None)

    before = len(observe.failures)
    assert entered(Call(again=again)) == []
    assert len(observe.failures) == before
    assert sys.getprofile() is None


# ---- the next command ----------------------------------------------------------------------------


def last_row(package: Path, docstring: str, file: str) -> str:
    """The last row of a screen whose line is in a file."""
    error = LearnerError(["ValueError"], "wrong", None)
    error.call = Call()
    error.frame = culprit.Frame(str(package / file), 3, "f", "x")
    return screen.render(error, docstring, "").splitlines()[-1]


def test_why_is_offered_where_an_earlier_file_may_be_at_fault(package: Path) -> None:
    """For a clause that uses everything, for a line of another file, and never in the first kata."""
    why = "an earlier kata's fault? make why-05"
    assert why in last_row(package, "05.18 Any.", "autograd.py")
    assert why in last_row(package, "05.11 Any.", "tensor.py")
    assert "why" not in last_row(package, "05.11 Any.", "autograd.py")
    assert "why" not in last_row(package, "01.9 Any.", "autograd.py")


def test_a_screen_has_the_sentence_of_the_readme(package: Path) -> None:
    """The clause's words are the README's, the test's own stand in a row of their own."""
    text = screen.render(ClauseFailure("the values differ"), "05.4 a + a.", "")
    lines = text.splitlines()
    assert lines[0] == f"05.4 {course.sentence('05.4')}"
    assert "  this test   a + a." in lines
    readme = (ROOT / "katas" / "05_autograd" / "README.md").read_text(encoding="utf-8")
    assert f"**05.4** {course.sentence('05.4')}" in readme
