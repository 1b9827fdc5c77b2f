"""The learner's loop: unlock, red, hint, green, next. Each test reads what a learner would read."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from small_course import MILESTONE, Course

from tito.course.manifest import ROOT, Kata, load
from tito.learner.summary import after
from tito.run.outcome import Outcome, Verdict


def test_module_says_what_to_build(course: Course) -> None:
    """Unlocking copies the stub and names goal, file with line, minutes, first clause, command."""
    ran = course.tito("module", "1")
    assert ran.code == 0, ran.text
    mine = (course.package / "doubling.py").read_text()
    assert "generated" not in mine
    assert "NotImplementedError" in mine
    line = mine.splitlines().index("def double(x: Any) -> Any:") + 1
    for piece in (
        "about 5 minutes",
        "you build Doubling",
        f"src/tinytorch/doubling.py:{line}",
        "2 to write, the first is double",
        "01.1 double(x) is twice x.",
        "make test-01",
    ):
        assert piece in ran.text


def test_module_never_overwrites(course: Course) -> None:
    """A file that exists stays as it is, whatever it holds, and with FORCE too."""
    path = course.write("doubling", "mine = 1\n")
    for settings in ({}, {"FORCE": "1"}):
        ran = course.tito("module", "01", **settings)
        assert ran.code == 0
        assert "src/tinytorch/doubling.py is there already and stays as it is" in ran.text
    assert path.read_text() == "mine = 1\n"


def test_module_never_overwrites_a_broken_link(course: Course) -> None:
    """A link to nowhere is the learner's as well."""
    (course.package / "doubling.py").symlink_to(course.root / "nowhere.py")
    assert "stays as it is" in course.tito("module", "01").text
    assert (course.package / "doubling.py").is_symlink()


def test_module_refuses_before_its_turn(course: Course) -> None:
    """Kata 02 needs 01 unlocked, then green; the refusal names the command."""
    ran = course.tito("module", "02")
    assert ran.code == 1
    assert "kata 02 stays locked: kata 01 comes first: make module-01" in ran.text
    course.tito("module", "01")
    ran = course.tito("module", "02")
    assert ran.code == 1
    assert "kata 01 is not green" in ran.text
    assert "next: make test-01" in ran.text
    assert "FORCE=1 make module-02" in ran.text
    assert not (course.package / "tripling.py").exists()


def test_force_unlocks_and_status_says_ahead(course: Course) -> None:
    """FORCE=1 unlocks anyway; the map shows the kata ahead of the red one, from the files alone."""
    course.tito("module", "01")
    ran = course.tito("module", "02", FORCE="1")
    assert ran.code == 0
    assert (course.package / "tripling.py").is_file()
    (course.package / "helper.py").write_text("")
    ran = course.tito("status")
    assert "open, 0 of 3 tests, work on 01.1" in ran.text
    assert "ahead of 01" in next(line for line in ran.text.splitlines() if "Tripling" in line)
    assert next(line for line in ran.text.splitlines() if "Layers" in line).split()[-1] == "locked"
    assert "next: make test-01" in ran.text
    assert "src/tinytorch/helper.py belongs to no kata" in ran.text
    course.solve("doubling")
    ran = course.tito("status")
    assert "ahead" not in ran.text
    assert "next: make test-02" in ran.text


def test_red_green_next(course: Course) -> None:
    """From the stub to the next kata, with the summary of each stage."""
    course.tito("module", "01")
    ran = course.tito("test", "01")
    assert ran.code == 1
    assert "kata 01 · Doubling · under test: src" in ran.text
    assert "2 of 2 blanks are still to write: double (line" in ran.text
    assert "01.1" in ran.text
    assert "0 of 3 clauses hold; work on 01.1" in ran.text
    text = (course.package / "doubling.py").read_text()
    body = 'raise NotImplementedError("kata 01: double")'
    course.write("doubling", text.replace(body, "return 2 * np.asarray(x)"))
    ran = course.tito("test", "1")
    assert "1 of 2 blanks are still to write: half (line" in ran.text
    assert "1 of 3 clauses hold; work on 01.2" in ran.text
    assert len(ran.text.splitlines()) <= 24, "the red screen is one screen"
    course.solve("doubling")
    ran = course.tito("test", "01")
    assert ran.code == 0
    assert "kata 01 is green: 3 clauses, 3 tests" in ran.text
    assert "make module-02" in ran.text
    assert course.tito("module", "02").code == 0


def test_green_says_what_was_built_and_proved(course: Course) -> None:
    """Green is one short screen: built, proved, to think about, next, with the minutes."""
    course.edit("katas/01_doubling/kata.toml", "[tasks]", f"{MILESTONE}[tasks]")
    course.solve("doubling")
    assert course.tito("test", "01").text.splitlines()[-3:] == [
        "  built    Doubling",
        "  proved   refusals (1)",
        "  next     katas/01_doubling/reflect.md, make milestone-01, make module-02: Tripling, 7 minutes",
    ]
    course.solve("tripling", "layers")
    assert "module" not in course.tito("test", "03").text, "nothing comes after the last kata"


@pytest.mark.parametrize("kata", load().katas, ids=lambda kata: kata.id)
def test_green_is_one_short_screen(kata: Kata) -> None:
    """Seven lines with the verdict, none too long, and no command cut off."""
    checks = (Outcome("a", "1", "passed", kinds=("PyTorch", "properties", "refusals", "measures")),)
    said = list(after(load(), kata, Verdict(checks * 1000, "", "", 0.0)))
    assert len(said) <= 6
    assert max(map(len, said)) <= 96
    assert [line[2:9].strip() for line in said if line[2] != " "] == [
        "built",
        "proved",
        "try it",
        "reflect",
        "next",
    ]
    assert not said[-1].endswith("...")


def test_all_shows_every_failure(course: Course) -> None:
    """ALL=1 goes on after the first failure."""
    course.tito("module", "01")
    ran = course.tito("test", "01", ALL="1")
    assert ran.code == 1
    assert [n in ran.text for n in ("01.1", "01.2", "01.3")] == [True] * 3


def test_impl_picks_the_folder(course: Course) -> None:
    """IMPL tests another folder, and the header says so; a folder that is none is named."""
    ran = course.tito("test", "03", IMPL="reference")
    assert ran.code == 0
    assert "under test: reference" in ran.text
    ran = course.tito("test", "03", IMPL="nowhere")
    assert ran.code == 1
    assert "IMPL is 'nowhere', which is no folder" in ran.text


def test_works_from_any_folder(course: Course) -> None:
    """The tool finds the course by its own file."""
    course.solve("doubling")
    assert course.tito("test", "01", cwd=course.root / "katas" / "01_doubling").code == 0


def test_all_katas_one_line_each(course: Course) -> None:
    """`make test` runs what is unlocked; with nothing unlocked it is not green."""
    ran = course.tito("test")
    assert ran.code == 1
    assert "make module-01" in ran.text
    course.solve("doubling", "layers")
    ran = course.tito("test")
    assert ran.code == 0
    assert "01 Doubling       green, 3 tests" in ran.text
    assert "03 Layers         green, 1 tests" in ran.text
    course.write("layers", "")
    ran = course.tito("test")
    assert ran.code == 1
    assert "open, 0 of 1 tests, work on 03.1: make test-03" in ran.text


@pytest.mark.parametrize("number", ["4", "x"])
def test_no_such_kata(course: Course, number: str) -> None:
    """A number that is no kata's is answered with those that are."""
    ran = course.tito("module", number)
    assert ran.code == 1
    assert f"there is no kata {number}: the katas are 01 to 03" in ran.text


def test_locked_kata_is_red(course: Course) -> None:
    """Testing a locked kata is an error with its command, for tito and for pytest options."""
    for more in ((), ("-v",)):
        ran = course.tito("test", "02", *more)
        assert ran.code == 1
        assert "kata 02 is locked" in ran.text


@pytest.mark.parametrize("command", ["test", "hint", "reflect"])
def test_a_command_that_is_named_is_not_refused(course: Course, command: str) -> None:
    """A kata behind a locked one names the first that is locked, for that is what comes next."""
    (course.root / "katas" / "03_layers" / "reflect.toml").write_text(
        "[[question]]\nid = 'a'\ntext = 'b'\nunit = 'c'\ntolerance = 0\nmeasure = ''\n"
    )
    course.solve("doubling")
    ran = course.tito(command, "03")
    assert ran.code == 1
    said = "kata 03 is locked, and so is kata 02, which comes first: make module-02\n"
    assert ran.text.endswith(said)
    assert course.tito("module", "02").code == 0
    assert course.tito(command, "03").text.endswith("kata 03 is locked: make module-03\n")


def test_options_go_to_pytest(course: Course) -> None:
    """ARGS="-k half -v" is pytest's own business."""
    course.solve("doubling")
    ran = course.tito("test", "01", "-k", "half", "-v")
    assert ran.code == 0
    assert "test_half_values PASSED" in ran.text
    assert course.tito("test", "01", "-k", "zebra").code != 0, "no test run is never green"


@pytest.mark.parametrize(
    "settings",
    [{"PYTHONOPTIMIZE": "2"}, {"PYTEST_ADDOPTS": "-k zebra"}, {"PYTEST_PLUGINS": "nowhere"}],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_of_another_project(course: Course, settings: dict[str, str]) -> None:
    """What is set for Python and pytest elsewhere neither hides a clause nor loses a test."""
    course.solve("doubling")
    ran = course.tito("test", "01", **settings)
    assert "kata 01 is green: 3 clauses, 3 tests" in ran.text
    assert course.tito("test", "01", "-v", **settings).code == 0
    course.write("doubling", "")
    assert "0 of 3 clauses hold; work on 01.1" in course.tito("test", "01", **settings).text


def test_hints_go_on_and_follow_the_failure(course: Course) -> None:
    """Three levels for the task that fails first, remembered; then the hints of the next task."""
    course.tito("module", "01")
    for said in ("hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"):
        ran = course.tito("hint", "01")
        assert f"kata 01 · twice · {said}" in ran.text
    assert "the last hint. Next: the worked example" in ran.text
    text = (course.package / "doubling.py").read_text()
    body = 'raise NotImplementedError("kata 01: double")'
    course.write("doubling", text.replace(body, "return 2 * np.asarray(x)"))
    assert "kata 01 · halves · hint 1 of 3" in course.tito("hint", "01").text
    course.solve("doubling")
    ran = course.tito("hint", "01")
    assert ran.code == 1
    assert "green, nothing to hint at: make reveal-01" in ran.text


def test_a_wrong_answer_gets_its_own_tasks_hint(course: Course) -> None:
    """What is written and wrong comes before what is not written."""
    course.tito("module", "01")
    text = (course.package / "doubling.py").read_text()
    body = 'raise NotImplementedError("kata 01: double")'
    course.write("doubling", text.replace(body, "return 3 * np.asarray(x)"))
    assert "kata 01 · twice · hint 1 of 3" in course.tito("hint", "01").text


def test_reveal_is_earned(course: Course) -> None:
    """The reference is shown beside a green file, or by FORCE; without reference/ it says so."""
    course.tito("module", "01")
    ran = course.tito("reveal", "01")
    assert ran.code == 1
    assert "not green yet: make test-01" in ran.text
    assert "2 * np.asarray" in course.tito("reveal", "01", FORCE="1").text
    course.solve("doubling")
    ran = course.tito("reveal", "01")
    assert ran.code == 0
    assert "reference/tinytorch/doubling.py" in ran.text
    assert "only larger" in ran.text
    (course.root / "reference" / "tinytorch" / "doubling.py").unlink()
    assert "has no reference/" in course.tito("reveal", "01").text


def test_reveal_shows_rules_and_helpers(course: Course) -> None:
    """Tables and helpers of both files are shown; at 80 columns no line of 100 wraps twice."""
    long = "xx " * 27
    rules = f"\n\ndef _helped(x: Any) -> Any:\n    return '{long}'\n\n\nprint(double, 1)\n"
    with (course.root / "reference" / "tinytorch" / "doubling.py").open("a") as file:
        file.write(rules)
    course.solve("doubling")
    mine = course.package / "doubling.py"
    mine.write_text(
        mine.read_text().replace("_helped", "_mine").replace("(double, 1)", "(double, 2)")
    )
    narrow = course.tito("reveal", "01", FORCE="1", COLUMNS="80").text
    for piece in ("print(double, 1)", "print(double, 2)", "def _helped", "def _mine", "# the same"):
        assert piece in narrow
    assert len(re.findall("xx xx.*", narrow)) == 4  # yours and the reference's, two lines each
    wide = course.tito("reveal", "01", FORCE="1", COLUMNS="200").text
    assert (
        next(line for line in wide.splitlines() if "print(double, 1)" in line).count("print") == 2
    )


def test_a_name_of_a_later_kata(course: Course) -> None:
    """`from tinytorch import Linear` before its kata names the kata and its command."""
    course.write("doubling", "from tinytorch import Linear\n")
    ran = course.tito("test", "01")
    assert ran.code == 1
    assert "Linear is built in kata 03: make module-03" in ran.text


def test_cache_is_by_content(course: Course) -> None:
    """A second look costs no run; an edit, also of an earlier kata, is a new question."""
    course.solve("doubling", "tripling")
    course.tito("status")
    cache = course.root / ".tito" / "cache.json"
    known = json.loads(cache.read_text())
    assert len(known) == 2
    course.tito("status")
    assert json.loads(cache.read_text()) == known
    course.write("doubling", (course.package / "doubling.py").read_text() + "\n")
    course.tito("status")
    assert len(json.loads(cache.read_text())) == 4


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": {"green": true}}'])
def test_corrupt_cache_is_no_cache(course: Course, text: str) -> None:
    """What cannot be read is asked for again; nobody is told green by a broken file."""
    course.tito("module", "01")
    cache = course.root / ".tito" / "cache.json"
    cache.parent.mkdir(exist_ok=True)
    cache.write_text(text)
    ran = course.tito("module", "02")
    assert ran.code == 1
    assert "kata 01 is not green" in ran.text


def test_cache_that_cannot_be_written(course: Course) -> None:
    """A read-only course still gives verdicts and hints; it says what it cannot remember."""
    course.solve("doubling")
    (course.root / ".tito").write_text("in the way")  # a file: not writable for root either
    assert course.tito("test", "01").code == 0
    assert "green, 3 tests" in course.tito("status").text
    course.write("doubling", "")
    ran = course.tito("hint", "01")
    assert ran.code == 0
    assert "hint 1 of 3" in ran.text
    assert "cannot be written" in ran.text


def test_package_that_cannot_be_written(course: Course) -> None:
    """Unlocking where nothing can be written is one message with the next step."""
    shutil.rmtree(course.root / "src" / "tinytorch")
    Path(course.root / "src" / "tinytorch").write_text("in the way")
    ran = course.tito("module", "01")
    assert ran.code == 1
    assert "cannot write" in ran.text
    assert "next: make it writable" in ran.text
    assert "Traceback" not in ran.text


def test_ctrl_c(course: Course) -> None:
    """Ctrl-C in the middle of a run is one line and code 130, and leaves no process behind."""
    loop = "def double(x):\n    import time\n    time.sleep(30)\n"
    course.write("doubling", loop)
    process = course.start("test", "01", TINYTORCH_SECONDS="60")
    process.stdout.readline()  # type: ignore[union-attr]  # the header: it is under way
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT)  # to a shell both are 130
    assert "stopped; nothing is lost" in said
    assert "Traceback" not in said


def test_make_help_speaks_make(course: Course) -> None:
    """`make help` lists what a learner types; each is a target, and no maintainers' command is there."""
    ran = course.tito("help")
    assert ran.code == 0
    typed = set(re.findall(r"\bmake ([a-z]+)(-NN)?", ran.text))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target, number in typed:
        assert re.search(rf"^{target}{'-%' * bool(number)}:", makefile, re.MULTILINE), target
    assert {("test", "-NN"), ("test", ""), ("module", "-NN"), ("status", "")} <= typed
    assert not {name for name, _ in typed} & {"verify", "gates", "mutants", "bench", "demo"}
    assert max(map(len, ran.text.splitlines())) <= 96


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_a_file_named_like_a_target(tmp_path: Path) -> None:
    """`make test-01 > test-01` or a folder certify-01 keep no command from running."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"))
    patterns = re.findall(r"^([a-z]+)-%:", (tmp_path / "Makefile").read_text(), re.MULTILINE)
    for name in patterns:
        (tmp_path / f"{name}-01").write_text("in the way")
    command = ["make", "-n", *[f"{name}-01" for name in patterns]]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"bootstrap\.py (\w+) 01", said) == patterns


def test_help_names_every_command(course: Course) -> None:
    """`tito --help` lists what there is."""
    ran = course.tito("--help")
    assert ran.code == 0
    for name in ("module", "test", "status", "hint", "reveal", "milestone", "data", "doctor"):
        assert name in ran.text
    for name in (
        "verify",
        "demo",
        "stubs",
        "bench",
        "mutants",
        "budget",
        "oracle",
        "gates",
        "variant",
        "setup",
    ):
        assert name in ran.text
