"""What a learner's file can do to the tool: each ends red, in one message with the next step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_course import Course

HONEST = "import numpy as np\n\n\ndef half(x):\n    return np.asarray(x) / 2\n\n\n"


def broken(course: Course, text: str | bytes, **settings: str) -> str:
    """The screen of a kata whose file holds this text; it must be red."""
    course.write("doubling", text)
    ran = course.tito("test", "01", **settings)
    assert ran.code == 1, ran.text
    assert "Traceback" not in ran.text, ran.text
    return ran.text


def test_syntax_error(course: Course) -> None:
    """A syntax error is named with file, line and text, before anything runs."""
    text = broken(course, "x = 1\ndef double(x:\n    return 2\n")
    assert "src/tinytorch/doubling.py:2  Python cannot read this line" in text
    assert "def double(x:" in text
    assert "next: fix that line, then: make test-01" in text
    assert "clauses" not in text
    assert "doubling.py:2" in course.tito("hint", "01").text


def test_syntax_error_in_an_earlier_file(course: Course) -> None:
    """Kata 02 stops at kata 01's broken line, and says which file it is."""
    course.write("doubling", "def double(x:\n")
    course.solve("tripling")
    ran = course.tito("test", "02")
    assert ran.code == 1
    assert "Python cannot read this file" in ran.text
    assert "src/tinytorch/doubling.py:1" in ran.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = 1\nname = 'caf\xe9'\n", "doubling.py:2  byte 0xe9 is not UTF-8: save the file as"),
        (b"x = 1\n\x00\n", "src/tinytorch/doubling.py"),
    ],
    ids=["latin-1", "null-byte"],
)
def test_not_utf8(course: Course, content: bytes, said: str) -> None:
    """Another encoding is named with its line and what to do."""
    text = broken(course, content)
    assert said in text
    assert "next: " in text


def test_not_utf8_has_one_answer(course: Course) -> None:
    """A byte of another encoding, in a comment of an earlier file, is refused by every command."""
    course.write("doubling", HONEST.encode() + b"# caf\xe9\ndef double(x):\n    return 2 * x\n")
    course.solve("tripling")
    said = "byte 0xe9 is not UTF-8: save the file as UTF-8"
    for command in (("test", "01"), ("test", "02"), ("test", "02", "-q"), ("hint", "01")):
        ran = course.tito(*command)
        assert ran.code == 1
        assert said in ran.text, command
        assert "src/tinytorch/doubling.py:8" in ran.text
    assert "make test-01" in course.tito("status").text


def test_control_characters(course: Course) -> None:
    """What would clear the screen or forge a line is shown, not done."""
    code = (
        "def double(x):\n    print('\\x1b[2J', '\\r')\n    raise ValueError('\\x1b]0;title\\x07')\n"
    )
    text = broken(course, HONEST + code)
    assert "\\x1b[2J" in text
    assert "\\x1b]0;title\\x07" in text
    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_empty_file(course: Course) -> None:
    """A file without the function says which name is missing."""
    text = broken(course, "")
    assert "defines no double" in text
    assert "0 of 3 clauses hold; work on 01.1" in text


def test_missing_name_of_an_import(course: Course) -> None:
    """An import inside the package that fails is told as it is."""
    text = broken(course, "from numpy import nothing\n")
    assert "cannot import name 'nothing' from 'numpy'" in text


def test_endless_loop(course: Course) -> None:
    """An endless loop is ended, and the message names clause, limit and line."""
    text = broken(
        course,
        HONEST + "def double(x):\n    while True:\n        x = x\n",
        TINYTORCH_SECONDS="0.3",
    )
    assert "01.1" in text
    assert "no answer within 0.3 s: an endless loop, or far too slow" in text
    assert "src/tinytorch/doubling.py:" in text


def test_endless_loop_that_cannot_be_interrupted(course: Course) -> None:
    """Code that swallows the limit is ended from outside, and the test it was in is named."""
    loop = "def double(x):\n    import signal\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    text = broken(course, HONEST + loop + "    while True: pass\n", TINYTORCH_SECONDS="0.25")
    assert "kata 01 has no verdict: the run was ended after 6 s: code that never returns" in text
    busy = "in collection"  # as far as a very busy machine gets in this time
    assert "test_double_values: 01.1 double(x) is twice x." in text or busy in text


@pytest.mark.parametrize("stream", ["sys.stdout", "sys.stderr"])
def test_print_flood(course: Course, stream: str) -> None:
    """A flood of prints is cut; what is wrong still stands on one screen."""
    flood = f"def double(x):\n    import sys\n    print('y' * 10_000_000, file={stream})\n"
    text = broken(course, HONEST + flood + "    return x\n")
    assert len(text) < 8_000
    assert "01.1" in text
    if stream == "sys.stdout":
        assert "more characters" in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\n    os._exit(0)", "Python ended with code 0 before the last test"),
        ("import os\n    os.kill(os.getpid(), 11)", "Python was ended by SIGSEGV"),
    ],
    ids=["os._exit", "crash"],
)
def test_python_ends(course: Course, code: str, said: str) -> None:
    """A run that ends early has no verdict, is never green, and says where it was."""
    text = broken(course, HONEST + f"def double(x):\n    {code}\n")
    assert said in text
    assert "test_double_values: 01.1" in text
    assert "is green" not in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(0)", "SystemExit"),
        ("raise __import__('unittest').SkipTest('later')", "SkipTest"),
        ("raise KeyError('x')", "KeyError"),
    ],
    ids=["SystemExit", "SkipTest", "KeyError"],
)
def test_ways_out(course: Course, code: str, said: str) -> None:
    """No way out of a call counts as an answer."""
    text = broken(course, HONEST + f"def double(x):\n    {code}\n")
    assert said in text
    assert "0 of 3 clauses hold; work on 01.1" in text


@pytest.mark.parametrize("name", ["torch", "reference", "pytest"])
def test_foreign_imports(course: Course, name: str) -> None:
    """Borrowed frameworks, the reference and the suite itself are refused by name."""
    import_it = f"def double(x):\n    import {name}\n    return 2 * x\n"
    text = broken(course, HONEST + import_it)
    assert f"doubling.py imports {name}: the framework is built on NumPy" in text


def test_pytest_skip_by_hand(course: Course) -> None:
    """A skip raised by the learner's code, however it was reached, is red."""
    code = "def double(x):\n    import sys\n    sys.modules['pytest'].skip('later')\n"
    text = broken(course, HONEST + code)
    assert "0 of 3 clauses hold" in text


def test_tinytorch_from_elsewhere(course: Course) -> None:
    """A package that gets in front of the folder under test is found out."""
    other = course.root / "other"
    other.mkdir()
    (other / "tinytorch.py").write_text("def double(x): return 2 * x\n")
    course.write("doubling", "")
    (course.package / "__init__.py").write_text(
        f"import sys, importlib.util as u\ns = u.spec_from_file_location('tinytorch', {str(other / 'tinytorch.py')!r})\nm = u.module_from_spec(s)\ns.loader.exec_module(m)\nsys.modules['tinytorch'] = m\n"
    )
    ran = course.tito("test", "01")
    assert ran.code == 1
    assert "tinytorch was imported from" in ran.text
    assert "remove the other copy" in ran.text


def test_planted_raise(course: Course) -> None:
    """A raise at the top of the learner's file turns the run red: it is that file that is tested."""
    course.solve("doubling")
    text = (course.package / "doubling.py").read_text()
    said = broken(course, text + "\nraise RuntimeError('planted')\n")
    assert "planted" in said


def test_spec_with_too_few_tests(course: Course) -> None:
    """A spec that lost tests is no proof, even if all that is left passes."""
    course.solve("doubling")
    spec = course.root / "spec_tests" / "test_01_doubling.py"
    text = spec.read_text()
    spec.write_text(text[: text.index("def test_half_refuses")])
    ran = course.tito("test", "01")
    assert ran.code == 1
    assert "2 tests were collected, kata 01 has 3" in ran.text
    spec.write_text('"""Nothing."""\n')
    ran = course.tito("test", "01")
    assert ran.code == 1
    assert "no verdict" in ran.text
    spec.unlink()
    assert "test_01_doubling.py is missing" in course.tito("test", "01").text


ODD = {
    "folder": (Path.mkdir, "a folder"),
    "pipe": (os.mkfifo, "a pipe or a device"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
    "dangling": (lambda path: path.symlink_to("nowhere.py"), "a link to nowhere"),
}


@pytest.mark.parametrize(
    ("command", "odd"),
    [*((command, "pipe") for command in ("hint", "watch", "why")), *(("module", o) for o in ODD)],
)
def test_what_is_no_file(course: Course, odd: str, command: str) -> None:
    """A folder, a pipe, a device or a dangling link in a file's place is named, and not read."""
    make, kind = ODD[odd]
    make(course.package / "doubling.py")
    ran = course.tito(command, "01")
    assert ran.code == 1
    said = f"src/tinytorch/doubling.py is {kind}, not a file: it stays as it is; move it away, then"
    assert f"{said}: make module-01" in ran.text
    assert os.path.lexists(course.package / "doubling.py")


def test_what_is_no_file_beside_the_katas(course: Course) -> None:
    """Beside the katas it is named by the map, and stops no command."""
    course.solve("doubling")
    course.write("tripling", "")
    for name, (make, _) in ODD.items():
        make(course.package / f"{name}.py")
    assert course.tito("test", "01").code == 0
    assert "pipe.py belongs to no kata" in course.tito("status").text
    assert "the fault is in kata 02 itself" in course.tito("why", "02").text


def test_doctor_has_no_traceback(course: Course) -> None:
    """What is wrong is what the doctor is for: no NumPy, a data folder that is none, an odd file."""
    (course.package / "doubling.py").mkdir()
    hidden = course.root / "hidden"
    hidden.mkdir()
    (hidden / "numpy.py").write_text("raise ModuleNotFoundError('no numpy', name='numpy')")
    path = os.pathsep.join([str(course.root / "src"), str(hidden)])
    ran = course.tito("doctor", PYTHONPATH=path, TINYTORCH_DATA="/nowhere")
    assert ran.code == 1
    assert "Traceback" not in ran.text
    assert "no look at the data: no numpy" in ran.text
    assert "doubling.py is a folder, not a file" in ran.text
    ran = course.tito("doctor", TINYTORCH_DATA="/nowhere")
    assert "Traceback" not in ran.text
    assert "TINYTORCH_DATA is '/nowhere', which is missing" in ran.text
    assert "fix: create it, correct TINYTORCH_DATA" in ran.text


def test_a_missing_package_is_named(course: Course) -> None:
    """A command that needs what is not there names it and what repairs .venv."""
    course.solve("doubling")
    (course.root / "hidden").mkdir()
    (course.root / "hidden" / "hypothesis.py").write_text(
        "raise ModuleNotFoundError('none', name='hypothesis')"
    )
    path = os.pathsep.join([str(course.root / "src"), str(course.root / "hidden")])
    ran = course.tito("test", "01", PYTHONPATH=path)
    assert ran.code == 1
    assert "hypothesis is missing in" in ran.text
    assert "next: make setup" in ran.text
    assert "Traceback" not in ran.text


def test_stray_file(course: Course) -> None:
    """A copy beside the katas is named by the map and by the doctor."""
    course.solve("doubling")
    course.write("doubling (copy)", "")
    assert "doubling (copy).py belongs to no kata" in course.tito("status").text
    assert "doubling (copy).py" in course.tito("doctor").text


def test_edited_given_file_is_named(course: Course) -> None:
    """A door.py that is not the course's is named by the doctor, with the command that restores it."""
    door = course.package / "door.py"
    assert "door.py is not" not in course.tito("doctor").text
    door.write_text(door.read_text("utf-8") + "x = 1\n", encoding="utf-8")
    said = course.tito("doctor").text
    assert "src/tinytorch/door.py is not the course's" in said
    assert "cp reference/tinytorch/door.py src/tinytorch/door.py" in said
