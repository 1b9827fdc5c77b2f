"""The certificate: an honest run gets one, and each trick of `exploits` gets none.

All runs are made first, by two processes of their own, as `tito certify` would make them: this one
has imported the suite already, with another seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exploits import EXPLOITS, exits, files, learner, patches, peeks
from support.remote import _unpack
from support.worker import pack

from tito.course import manifest
from tito.course.manifest import ROOT
from tito.run import certify, confine, copies, judge
from tito.run.runner import Verdict

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a certificate needs Linux or macOS")

MODULES = (files, exits, patches, peeks)  # importing them has registered their exploits
CONTROLS: dict[str, Any] = {"honest": certify.LAYERS, "landlock": ("Landlock",), "plain": ()}
DRIVER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from tito.run.certify import certify
from tito.course.manifest import load
from tito.run.runner import Job, run, spec_paths
for line in sys.stdin:
    name, folder, layers = json.loads(line)
    if layers is not None:
        result = certify(1, Path(folder), layers=layers)
        text = str(result)
        found = {"granted": result.granted, "text": text, **asdict(result)}
    else:
        job = Job(Path(folder), spec_paths([load().kata(1).spec]), ("-k", "elementwise and exp or elementwise_of"))
        found = {"fooled": next(run([job])).green}
    print(json.dumps([name, found]), flush=True)
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every run's certificate, by the name of the control or exploit; made once, also under xdist."""
    base = tmp_path_factory.getbasetemp()
    top = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "certify"
    results, unfinished = top / "results.json", top / "results.part"
    try:
        top.mkdir()
    except FileExistsError:
        while not results.exists():
            time.sleep(0.1)
    else:
        try:
            unfinished.write_text(json.dumps(_certify_all(top)))
        finally:
            unfinished.touch()
            unfinished.replace(results)
    return dict(json.loads(results.read_text()))


def _certify_all(top: Path) -> dict[str, Any]:
    """Plant everything, and let two processes certify it."""
    tasks = [
        (n, str(learner(top / n / "impl", wrong=False)), layers) for n, layers in CONTROLS.items()
    ]
    for name, each in EXPLOITS.items():
        folder = top / each.group / "impl"
        if not folder.exists():
            tasks.append((each.group, str(learner(folder)), each.layers))
        each.plant(folder)
        if each.fools:
            alone = learner(top / f"{name}-alone" / "impl")
            each.plant(alone)
            tasks.append((f"{name}-alone", str(alone), None))
    drivers = [_driver(tasks[i::2], top / f"{i}") for i in range(2)]
    try:
        codes = [driver.wait(timeout=1200) for driver in drivers]
    finally:
        for driver in drivers:
            driver.kill()
    lines = [line for i in range(2) for line in (top / f"{i}.found").read_text().splitlines()]
    assert codes == [0, 0], lines[-1]
    return {"folder": str(top)} | dict(json.loads(line) for line in lines if line.startswith("["))


def _driver(tasks: list[Any], path: Path) -> subprocess.Popen[bytes]:
    """A process that certifies one folder after the other."""
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    environment = os.environ | {"TINYTORCH_SECONDS": "2", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-P", "-c", DRIVER]
    with path.open() as lines, path.with_suffix(".found").open("w") as found:
        return subprocess.Popen(command, stdin=lines, stdout=found, stderr=found, env=environment)


@pytest.mark.parametrize("name", CONTROLS)
def test_honest_run_is_certified(runs: dict[str, Any], name: str) -> None:
    """Every test of the manifest passed; the certificate says so, and what it rests on."""
    found, kata = runs[name], manifest.load().kata(1)
    assert found["granted"], found["text"]
    assert found["tests"] == {"01": kata.tests}
    assert found["text"].startswith("Certificate for kata 01")
    own = kata.file(ROOT / "reference").read_bytes()
    assert found["files"] == {"tensor.py": hashlib.sha256(own).hexdigest()}
    assert found["confinement"].startswith("a process of its own")


@pytest.mark.parametrize("name", EXPLOITS)
def test_exploit_gets_no_certificate(runs: dict[str, Any], name: str) -> None:
    """Not granted, and for the reason that the exploit names."""
    found = runs[EXPLOITS[name].group]
    assert not found["granted"]
    assert re.search(EXPLOITS[name].says, found["problem"])
    assert found["text"].startswith("No certificate for kata 01")


@pytest.mark.parametrize("name", [n for n, e in EXPLOITS.items() if e.fools])
def test_exploit_is_real(runs: dict[str, Any], name: str) -> None:
    """In one process with the tests, the trick works: what stops it is the certificate's doing."""
    assert runs[f"{name}-alone"]["fooled"]


@pytest.mark.parametrize("name", ["write_outside", "write_outside-plain"])
def test_nothing_is_written_outside(runs: dict[str, Any], name: str) -> None:
    assert name in runs
    assert not (Path(runs["folder"]) / name / "planted").exists()


def test_screen_names_the_learners_own_file(runs: dict[str, Any]) -> None:
    """The screen is the one of the ordinary run: clause, call, and the file that was handed in."""
    own = f"{runs['folder']}/honest_mistake/impl/tinytorch/tensor.py"
    problem = runs["honest_mistake"]["problem"]
    assert "01.8 exp" in problem
    assert f"your code   {own}:" in problem
    loop = f"{runs['folder']}/endless_loop/impl/tinytorch/tensor.py"
    assert re.search(rf"{loop}:\d+  cheat\n +(while True|pass)", runs["endless_loop"]["problem"])


def test_seeds_are_fresh(runs: dict[str, Any]) -> None:
    seeds = [runs[name]["seed"] for name in {*CONTROLS, *(e.group for e in EXPLOITS.values())}]
    assert len(set(seeds)) == len(seeds)


def test_replay_is_no_certificate() -> None:
    assert certify.Certificate("01", 7, fresh=True).granted
    assert not certify.Certificate("01", 7, fresh=False).granted


def test_missing_kata_is_named(tmp_path: Path) -> None:
    learner(tmp_path)
    (tmp_path / "tinytorch" / "tensor.py").unlink()
    result = certify.certify(1, tmp_path)
    assert not result.granted
    assert "make module-01" in result.problem
    assert result.confinement == "nothing, for nothing was run"


PASSED = {"outcome": "passed", "message": ""}


@pytest.mark.parametrize(
    ("tests", "problem", "says"),
    [
        ({}, "", "0 tests ran, the manifest says 2"),
        ({"a": PASSED}, "", "1 tests ran, the manifest says 2"),
        ({"a": PASSED, "b": PASSED, "c": PASSED}, "", "3 tests ran, the manifest says 2"),
        ({"a": PASSED, "b": PASSED | {"outcome": "skipped"}}, "", "::b skipped"),
        ({"a": PASSED, "b": PASSED | {"outcome": "failed"}}, "", "::b failed"),
        ({"a": PASSED, "b": PASSED}, "ended early", "ended early"),
        ({"a": PASSED, "b": PASSED}, "", ""),
    ],
    ids=["none", "too few", "too many", "skipped", "failed", "no report", "complete"],
)
def test_only_a_complete_report_counts(tests: Any, problem: str, says: str) -> None:
    kata = dataclasses.replace(manifest.load().kata(1), tests=2)
    named = {f"test_01_tensor.py::{name}": test for name, test in tests.items()}
    judged = judge.judged(kata, Verdict(named, problem, "", 0.0, len(named)))
    assert says in judged
    assert bool(says) == bool(judged)


def test_tests_of_another_file_do_not_count() -> None:
    kata = dataclasses.replace(manifest.load().kata(1), tests=1)
    verdict = Verdict({"test_02_activations.py::a": PASSED}, "", "", 0.0, 1)
    assert "test_02" in judge.judged(kata, verdict)


def frame(text: Any, raw: bytes = b"", size: int | None = None) -> bytes:
    """A frame as a hostile worker may write it."""
    header = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<I", len(header) if size is None else size) + header + raw


MALFORMED = {
    "huge header": frame([], size=0xFFFFFFFF),
    "not JSON": frame(b"\x80\x04."),
    "deep": frame(b"[" * 100_000),
    "objects": frame({"array": ["|O8", [1]]}, b"x" * 8),
    "records": frame({"array": ["f8,O", [1]]}, b"x" * 16),
    "huge array": frame({"array": ["<f8", [1 << 60]]}),
    "many arrays": frame([{"array": ["<f8", [1 << 20]]}] * 9, b"x" * (9 << 23)),
    "negative": frame({"array": ["<f8", [-1, -8]]}, b"x" * 64),
    "fractional": frame({"array": ["<f8", [1.5]]}, b"x" * 16),
    "many axes": frame({"array": ["<f8", [1] * 100]}, b"x" * 8),
    "another kind": frame({"call": ["os.system", "true"]}),
    "two kinds": frame({"tuple": [], "array": ["<f8", [0]]}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_answers_are_refused(name: str) -> None:
    stream = BytesIO(MALFORMED[name])
    with pytest.raises((ValueError, TypeError, KeyError, RecursionError)):
        _unpack(stream.read)


def test_answers_survive_the_way() -> None:
    """Plain values arrive as they were: kinds, dtypes, shapes, order."""
    x = np.arange(6.0).reshape(2, 3)
    kinds = [x.astype(k) for k in ("float64", "float32", "float16", "int64", "uint8", "bool")]
    value = {"a": [*kinds, x.T, x[:, :0], np.float64(0.5)], "b": (1, 2.5, None, True, "text")}
    got = _unpack(BytesIO(pack(value)).read)
    assert got["b"] == value["b"]
    for here, there in zip(value["a"], got["a"], strict=True):
        assert type(here) is type(there)
        np.testing.assert_array_equal(here, there, strict=True)
