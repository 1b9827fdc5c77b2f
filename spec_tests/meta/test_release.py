"""Editions: what is in them, what is not, and that a student's edition works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_course import SETTINGS, Course

from tito.course.errors import Refusal
from tito.course.manifest import ROOT, load
from tito.teacher import release
from tito.teacher.leaks import leaks, solutions

MANIFEST = load()


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student's edition of this course."""
    destination = tmp_path_factory.mktemp("editions") / "for students"
    assert release.student(MANIFEST, destination) == 0
    return destination


def _run(edition: Path, *command: str, **settings: str) -> tuple[int, str]:
    """How a command ends in an edition, and what it prints: never a traceback."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=edition,
        env=environment | {"PYTHONPATH": str(edition / "src"), "COLUMNS": "120"} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
    )
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, done.stdout


def test_no_solution_is_left(edition: Path) -> None:
    """No folder that holds solutions, no history, and no blank's body under any name."""
    for name in ("reference", "spec_tests/meta", ".git", ".github/workflows/maintainers.yml"):
        assert not (edition / name).exists(), name
    package = {path.name for path in (edition / "src" / "tinytorch").iterdir()}
    assert not package & {f"{kata.module}.py" for kata in MANIFEST.katas}
    assert leaks(MANIFEST, edition) == []
    for kata in MANIFEST.katas:
        found = {name.rpartition(" ")[2] for _, name in solutions(kata)}
        assert {blank.rpartition(".")[2] for blank in kata.blanks} <= found, kata.id


PLANTED = {
    "docs/x.md": "Look:\n\n```python\n{code}```\n",
    "docs/x.json": None,
    "spec_tests/helper.py": "{code}",
    "katas/x.toml": "old = '''\n{code}'''\n",
}


@pytest.mark.parametrize("place", PLANTED)
def test_a_planted_solution_is_found(place: str, tmp_path: Path) -> None:
    """Under another name, with another docstring and other spaces, in code or in a text."""
    text = (ROOT / "reference" / "tinytorch" / "activations.py").read_text(encoding="utf-8")
    start = text.index("def softmax")
    body = text[start:].partition('"""')[2].partition('"""')[2].partition("\n\n\n")[0]
    code = f'def other(x, axis):\n    """Nothing to see."""\n    # really\n{body}\n'
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text((PLANTED[place] or json.dumps({"a": [code]})).replace("{code}", code))
    assert leaks(MANIFEST, tmp_path) == [f"kata 02: softmax in {place}"]


def test_what_is_not_part_of_it_says_so(edition: Path) -> None:
    """reveal, LEND, why, and what maintainers run: one line each."""
    for command in (
        ("reveal", "01"),
        ("reveal", "01", "--force"),
        ("module", "03", "--lend"),
        ("why", "01"),
        *((name,) for name in ("demo", "verify", "gates", "records", "bench", "check")),
        ("release", "--student", "elsewhere"),
    ):
        if command[0] == "why":
            assert _run(edition, "tito", "module", "01")[0] == 0
        code, said = _run(edition, "tito", *command)
        assert code == 1, said
        assert "is not part of this edition" in said.splitlines()[0], said


def test_everything_else_works(edition: Path, tmp_path: Path) -> None:
    """A learner's commands, red on the stub and green on what a learner then writes."""
    course = Path(shutil.copytree(edition, tmp_path / "course"))
    (course / "src" / "tinytorch" / "tensor.py").unlink(missing_ok=True)  # of another test
    for command, code, says in (
        (("help",), 0, "make test-NN"),
        (("ci",), 0, "nothing written yet"),
        (("module", "01"), 0, "you build"),
        (("test", "01"), 1, "clauses hold; work on 01."),
        (("hint", "01"), 0, "01"),
        (("status",), 0, "next: make test-01"),
        (("door",), 0, "there is one door"),
        (("milestone", "01"), 1, "is not unlocked yet"),
        (("certify", "01"), 1, "No certificate"),
    ):
        ended, said = _run(course, "tito", *command)
        assert ended == code, said
        assert says in said, said
    assert "katas and nothing else" in _run(course, "tito", "doctor")[1]
    for kata in MANIFEST.katas[:3]:
        shutil.copy(
            ROOT / "reference" / "tinytorch" / f"{kata.module}.py", course / "src/tinytorch"
        )
    for command, says in (
        (("tito", "test", "01"), "kata 01 is green"),
        (("tito", "module", "02"), "activations.py"),
        (("tito", "certify", "01"), "Certificate for kata 01"),
        (("tito", "milestone", "01"), "✓"),
        (("tito", "reflect", "01"), "01"),
        (("pytest", "-q", "-p", "no:cacheprovider", "spec_tests/test_02_activations.py"), "passed"),
    ):
        ended, said = _run(course, *command)
        assert ended == 0, said
        assert says in said, said


@pytest.mark.parametrize("stubs_only", [False, True], ids=["spec", "stubs"])
def test_specs_without_tests(stubs_only: bool, tmp_path: Path) -> None:
    """README and stubs; the reference for whoever writes wrong answers; no test, lesson or answer."""
    destination = tmp_path / "specs"
    destination.mkdir()  # an empty folder may be there
    release.spec_only(MANIFEST, destination, stubs_only)
    names = {str(p.relative_to(destination)) for p in destination.rglob("*") if p.is_file()}
    for kata in MANIFEST.katas:
        assert {f"katas/{kata.slug}/README.md", f"katas/{kata.slug}/{kata.module}.py"} <= names
        assert (f"reference/tinytorch/{kata.module}.py" in names) != stubs_only
    words = ("test", "lesson", "variant", "hint", "reflect", "oracle", "kata.toml")
    assert [name for name in names if any(word in name for word in words)] == []
    if stubs_only:
        assert leaks(MANIFEST, destination) == []
    package = "src" if stubs_only else "reference"
    code = "import tinytorch.door"
    environment = os.environ | {"PYTHONPATH": str(destination / package)}
    subprocess.run([sys.executable, "-P", "-B", "-c", code], env=environment, check=True)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder that holds something, a file, a link to nowhere: refused, and as they were."""
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for place in (full, file, link):
        with pytest.raises(Refusal, match="exists and is not an empty folder"):
            release.student(MANIFEST, place)
    assert (full / "mine.txt").read_text() == file.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full", "link"]


def test_an_edition_with_solutions_is_not_written(course: Course) -> None:
    """A solution in a page: refused with its place, and nothing is left behind."""
    code = (course.root / "reference" / "tinytorch" / "doubling.py").read_text()
    (course.root / "docs").mkdir()
    (course.root / "docs" / "notes.md").write_text(f"```python\n{code}```\n")
    place = course.root.parent / "edition"
    ran = course.tito("release", "--student", str(place))
    assert ran.code == 1
    assert "kata 01: half in docs/notes.md" in ran.text
    assert sorted(p.name for p in course.root.parent.iterdir()) == [course.root.name]
    (course.root / "docs" / "notes.md").unlink()
    course.solve("doubling")
    assert course.tito("release", "--student", str(place)).code == 0
    assert not (place / "src" / "tinytorch" / "doubling.py").exists()


def test_what_is_nobodys_business_is_not_handed_out(course: Course) -> None:
    """A learner's own file, although git tracks it, and a file that git does not know."""
    course.write("doubling", "mine = 1\n")
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", str(course.root), *command], check=True)
    (course.root / "notes.txt").write_text("mine")
    place = course.root.parent / "edition"
    assert course.tito("release", "--student", str(place)).code == 0
    assert (place / "src" / "tinytorch" / "door.py").exists()
    assert not (place / "src" / "tinytorch" / "doubling.py").exists()
    assert not (place / "notes.txt").exists()


def test_one_edition_is_named(course: Course) -> None:
    """No kind, or two: the command says what to choose from."""
    for options in ((), ("--student", "--spec-only"), ("--student", "--stubs-only")):
        ran = course.tito("release", *options, "elsewhere")
        assert ran.code == 1
        assert "say which edition" in ran.text
