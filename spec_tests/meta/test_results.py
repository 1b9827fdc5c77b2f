"""The results file, and runs that report less than a kata has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from small_course import Course, in_a_folder

from tito.course.manifest import ROOT, load
from tito.run.outcome import Outcome, Verdict
from tito.run.standing import judge

SCHEMA = json.loads((ROOT / "docs" / "results.schema.json").read_text(encoding="utf-8"))


def _reported(count: int, collected: int) -> Verdict:
    tests = tuple(Outcome(f"test_x.py::test_{n}", "01.1", "passed") for n in range(count))
    return Verdict(tests, "", "", 1.0, collected)


def _results(course: Course) -> dict[str, Any]:
    """The results file of a course, held against the published schema."""
    found: dict[str, Any] = json.loads((course.root / "runs" / "results.json").read_text())
    assert list(schema_faults(found, SCHEMA)) == []
    return found


def schema_faults(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """What of the schema a value does not keep, for the words of JSON Schema that ours uses."""
    schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kinds |= {"integer": int, "number": (int, float)}  # type: ignore[dict-item]
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(isinstance(value, kinds[name]) for name in types):
        return [f"{where} is {value!r}, not {types}"]
    found = [f"{where} is {value!r}"] * (value not in schema.get("enum", [value]))
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{where} lacks {name}" for name in set(schema.get("required", [])) - set(value)]
        other = schema.get("additionalProperties", True)
        for name, part in value.items():
            if name not in known and other is False:
                found.append(f"{where} has an unknown {name}")
            found += schema_faults(part, known.get(name, other or {}), f"{where}/{name}")
    for part in value if isinstance(value, list) else []:
        found += schema_faults(part, schema["items"], f"{where}[]")
    return found


def test_fewer_reported_than_the_kata_has_is_no_verdict() -> None:
    """All collected, all reported passed, but not all reported: red, and it says how many."""
    kata = replace(load().kata("01"), tests=3)
    assert judge(kata, _reported(3, 3)).green
    found = judge(kata, _reported(2, 3))
    assert not found.green
    assert "2 of the 3 tests of kata 01 were reported" in found.problem
    assert not judge(kata, _reported(2, 2)).green


def test_a_run_writes_what_it_found(course: Course) -> None:
    """Empty, then red with the screen, then green; each as the schema says, one file a run."""
    assert course.tito("test").code == 1
    found = _results(course)
    assert (found["status"], found["katas"], found["tests"]) == ("empty", [], [])
    course.tito("module", "01")
    assert course.tito("test", "01").code == 1
    found = _results(course)
    assert (found["status"], found["partial"]) == ("red", False)
    [test] = found["tests"]
    assert (test["clause"], test["status"]) == ("01.1", "failed")
    assert "double" in test["message"]
    course.solve("doubling")
    assert course.tito("test", "01").code == 0
    found = _results(course)
    assert found["status"] == "green"
    assert [t["status"] for t in found["tests"]] == ["passed"] * 3
    [kata] = found["katas"]
    assert (kata["tests"], kata["reported"], kata["passed"]) == (3, 3, 3)
    red = course.write("tripling", "def triple(x): return x\n")
    assert course.tito("test").code == 1
    assert {k["id"]: k["status"] for k in _results(course)["katas"]} == {"01": "green", "02": "red"}
    assert red.read_text() == "def triple(x): return x\n"


def test_what_a_result_follows_from_is_hashed(course: Course) -> None:
    """A changed line of the learner, of a spec, of the tool changes its hash, and no other."""
    course.solve("doubling")
    seen = []
    for path in ("src/tinytorch/doubling.py", "spec_tests/test_01_doubling.py", "src/tito/cli.py"):
        course.tito("test", "01")
        seen.append(_results(course)["hashes"])
        with (course.root / path).open("a") as file:
            file.write("# changed\n")
    course.tito("test", "01")
    seen.append(_results(course)["hashes"])
    changed = [{n for n in a if a[n] != b[n]} for a, b in pairwise(seen)]
    assert changed == [{"learner"}, {"specs"}, {"tool"}]


def test_a_selection_has_no_verdict(course: Course) -> None:
    """-k keeps pytest's exit code, says n of m, and is recorded as partial."""
    course.solve("doubling")
    course.edit("src/tinytorch/doubling.py", "/ 2", "/ 3")
    for name, code in (("double", 0), ("half", 1)):
        ran = course.tito("test", "01", "-k", name)
        assert ran.code == code, ran.text
        assert f"{1 + code} of 3 tests of kata 01, no verdict" in ran.text
        found = _results(course)
        assert (found["status"], found["partial"]) == ("partial", True)
    course.edit("src/tinytorch/doubling.py", "/ 3", "/ 2")
    ran = course.tito("test", "01", "-v")
    assert (ran.code, _results(course)["status"]) == (0, "green")
    assert "no verdict" not in ran.text


def test_one_test_in_an_editor_has_no_verdict(course: Course) -> None:
    """pytest itself, asked for one test, says how many there are and keeps its exit code."""
    course.solve("doubling")
    ran = _pytest(course, "spec_tests/test_01_doubling.py::test_double_values")
    assert ran.returncode == 0
    assert "1 of 3 tests of kata 01, no verdict" in ran.stdout


def test_one_file_of_several_has_no_verdict(course: Course) -> None:
    """A spec in one file for each task: one of them is a selection, the folder is the whole kata."""
    course.solve("doubling")
    folder = in_a_folder(course)
    one, whole = _pytest(course, str(folder / "test_01_halves.py")), _pytest(course, str(folder))
    assert (one.returncode, "2 of 3 tests of kata 01, no verdict" in one.stdout) == (0, True)
    assert (whole.returncode, "tests of kata" in whole.stdout) == (0, False)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_whole_kata_with_fewer_tests_is_red(course: Course, options: tuple[str, ...]) -> None:
    """A spec that lost a test: pytest's own verdict would be 0."""
    course.solve("doubling")
    spec = "spec_tests/test_01_doubling.py"
    whole = _pytest(course, spec, *options)
    assert whole.returncode == 0, whole.stdout
    assert "tests of kata" not in whole.stdout
    course.edit(spec, "def test_half_values", "def no_test_half_values")
    ran = _pytest(course, spec, *options)
    assert ran.returncode == 1, ran.stdout
    assert "2 of 3 tests of kata 01 were reported, so this run is red" in ran.stdout
    assert course.tito("test", "01", "-q").code == 1
    assert _results(course)["status"] == "red"


def test_an_early_end_is_red(course: Course) -> None:
    """Code that leaves with exit code 0 in the middle has not passed, with options or without."""
    course.solve("doubling")
    course.edit(
        "src/tinytorch/doubling.py", "return 2 * np", "import os; os._exit(0); return 2 * np"
    )
    for options in ((), ("-v",)):
        ran = course.tito("test", "01", *options)
        assert ran.code == 1
        assert "ended with code 0 before the last test" in ran.text
        found = _results(course)
        assert (found["status"], found["tests"]) == ("red", [])


def test_help_of_pytest_is_no_run(course: Course) -> None:
    """Nothing is recorded where no test was asked for."""
    course.solve("doubling")
    assert course.tito("test", "01", "--markers").code == 0
    assert not (course.root / "runs").exists()


def _pytest(course: Course, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}
    return subprocess.run(
        command, cwd=course.root, env=environment, capture_output=True, text=True, check=False
    )
