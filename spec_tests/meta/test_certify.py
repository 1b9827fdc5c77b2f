"""The certificate: an honest run gets one, and each trick of `exploits` gets none.

All runs are made first, by two processes of their own, as `tito certify` would make them: this one
has imported the suite already, with another seed.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exploits import (
    EXPLOITS,
    RIGHT,
    damage,
    exits,
    files,
    learner,
    measures,
    odd,
    patches,
    peeks,
    replace_exp,
)
from small_course import interruptible
from support.remote import _ended, _unpack
from support.worker import pack

from tito.certificate import certify, copies, judge
from tito.course import manifest
from tito.course.errors import Refusal
from tito.course.files import UPSTREAM
from tito.course.manifest import ROOT
from tito.run.outcome import Outcome, Verdict

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a certificate needs Linux or macOS")

# Importing them has registered their exploits.
MODULES = (files, exits, patches, peeks, measures, damage, odd)
CONTROLS: dict[str, Any] = {"honest": certify.LAYERS, "helped": certify.LAYERS, "plain": ()}
DRIVER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from tito.certificate.certify import certify
from tito.course.manifest import Manifest, load
from tito.run.engine import Job
from tito.run.runner import run, spec_paths
Manifest.up_to = lambda self, kata: (kata,)  # the katas before have no part in these tricks
only = "elementwise and exp or elementwise_of or copies_no_weights or keeps_nothing_alive"
for line in sys.stdin:
    name, folder, layers, kata = json.loads(line)
    if layers is not None:
        result = certify(kata, Path(folder), layers=layers)
        text = str(result)
        found = {"granted": result.granted, "text": text, **asdict(result)}
    else:
        job = Job(Path(folder), spec_paths(load().kata(kata).specs), first=False, options=("-k", only))
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
        (n, str(learner(top / n / "impl", wrong=False)), layers, 1)
        for n, layers in CONTROLS.items()
    ]
    helped(top / "helped" / "impl")
    for name, each in EXPLOITS.items():
        folder = top / each.group / "impl"
        if not folder.exists():
            learner(folder, wrong=each.kata == 1)
            tasks.append((each.group, str(folder), each.layers, each.kata))
        each.plant(folder)
        if each.fools:
            alone = learner(top / f"{name}-alone" / "impl", wrong=each.kata == 1)
            each.plant(alone)
            tasks.append((f"{name}-alone", str(alone), None, each.kata))
    drivers = [_driver(tasks[i::2], top / f"{i}") for i in range(2)]
    try:
        codes = [driver.wait(timeout=1200) for driver in drivers]
    finally:
        for driver in drivers:
            driver.kill()
    lines = [line for i in range(2) for line in (top / f"{i}.found").read_text().splitlines()]
    assert codes == [0, 0], lines[-1]
    return {"folder": str(top)} | dict(json.loads(line) for line in lines if line.startswith("["))


def helped(folder: Path) -> None:
    """What honest learners write: a module of their own, a docstring with a backslash."""
    path = folder / "tinytorch" / "tensor.py"
    (path.parent / "helpers.py").write_text("def same(x):\n    return x\n")
    text = path.read_text(encoding="utf-8").replace(RIGHT, "    return same(np.exp(x))\n")
    own = '\n\ndef documented():\n    """Returns \\sigma."""\n'
    path.write_text(f"{text}\nfrom .helpers import same\n{own}", encoding="utf-8")


def _driver(tasks: list[Any], path: Path) -> subprocess.Popen[bytes]:
    """A process that certifies one folder after the other."""
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    boxes = path.parent / "boxes"
    boxes.mkdir(exist_ok=True)
    environment = os.environ | {"TINYTORCH_SECONDS": "2", "PYTHONPATH": str(ROOT / "src")}
    environment |= {"TMPDIR": str(boxes)}
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
    package = Path(runs["folder"]) / name / "impl" / "tinytorch"
    own = {p.name: p.read_bytes() for p in package.glob("*.py")}
    later = {f"{k.module}.py" for k in manifest.load().katas[1:]} | UPSTREAM
    hashes = {n: hashlib.sha256(b).hexdigest() for n, b in own.items() if n not in later}
    assert found["files"] == hashes
    assert all(f"{n} " in found["text"] and h in found["text"] for n, h in hashes.items())
    assert f"files in {package}" in found["text"]
    assert ("this is the reference" in found["text"]) == (name != "helped")
    assert found["confinement"].startswith("a process of its own")


@pytest.mark.parametrize("name", EXPLOITS)
def test_exploit_gets_no_certificate(runs: dict[str, Any], name: str) -> None:
    """Not granted, and for the reason that the exploit names."""
    each = EXPLOITS[name]
    found = runs[each.group]
    assert not found["granted"]
    assert re.search(each.says, found["problem"])
    assert found["text"].startswith(f"No certificate for kata {each.kata:02}")


@pytest.mark.parametrize("name", [n for n, e in EXPLOITS.items() if e.fools])
def test_exploit_is_real(runs: dict[str, Any], name: str) -> None:
    """In one process with the tests, the trick works: what stops it is the certificate's doing."""
    assert runs[f"{name}-alone"]["fooled"]


@pytest.mark.parametrize("name", ["changed_rights", "changed_rights-plain"])
def test_no_rights_are_changed_outside(runs: dict[str, Any], name: str) -> None:
    seen = (Path(runs["folder"]) / name / "valuable").stat()
    assert (seen.st_mode & 0o777, seen.st_uid) == (0o640, os.getuid())
    assert seen.st_mtime > 1


@pytest.mark.parametrize("name", ["links_in_the_box", "links_in_the_box-plain"])
def test_no_link_is_followed_on_removal(runs: dict[str, Any], name: str) -> None:
    assert (Path(runs["folder"]) / name / "outside" / "kept").read_text() == "kept"


def test_no_box_is_left(runs: dict[str, Any]) -> None:
    """Not even with links, 5,000 nested folders, or folders without rights in it."""
    assert list((Path(runs["folder"]) / "boxes").iterdir()) == []


def test_removal_of_what_is_hard_to_remove(tmp_path: Path) -> None:
    """Deep, linked, without rights: what is outside stays, what is inside goes."""
    (tmp_path / "outside").mkdir()
    deep = box = tmp_path / "box"
    for name in ("", "a", "locked", "b"):
        deep = deep / name
        deep.mkdir()
        (deep / "file").write_text("x")
        (deep / "link").symlink_to(tmp_path / "outside")
    (box / "a" / "locked").chmod(0)
    copies.remove(box)
    assert [p.name for p in tmp_path.iterdir()] == ["outside"]
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o755 & ~_umask()


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_text_is_short_and_printable(runs: dict[str, Any]) -> None:
    """Whatever a learner's code says."""
    texts = [found["text"] for found in runs.values() if "text" in found]
    assert len(texts) > 40
    assert all(c.isprintable() or c == "\n" for text in texts for c in text)
    assert max(map(len, texts)) < 2 * certify.MOST_CHARACTERS


@pytest.mark.parametrize("name", ["write_outside", "write_outside-plain"])
def test_nothing_is_written_outside(runs: dict[str, Any], name: str) -> None:
    assert name in runs
    assert not (Path(runs["folder"]) / name / "planted").exists()


def test_screen_names_the_learners_own_file(runs: dict[str, Any]) -> None:
    """The screen has clause and call, and a line of the file that was handed in where code raised.

    Which line gave a wrong value only an ordinary run can watch: here the call is not made again.
    """
    problem = runs["honest_mistake"]["problem"]
    assert "01.8 exp" in problem
    assert "your code" not in problem
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


PASSED = {"status": "passed", "message": ""}


@pytest.mark.parametrize(
    ("tests", "problem", "says"),
    [
        ({}, "", "0 tests ran, the manifest says 2"),
        ({"a": PASSED}, "", "1 tests ran, the manifest says 2"),
        ({"a": PASSED, "b": PASSED, "c": PASSED}, "", "3 tests ran, the manifest says 2"),
        ({"a": PASSED, "b": PASSED | {"status": "skipped"}}, "", "::b skipped"),
        ({"a": PASSED, "b": PASSED | {"status": "failed"}}, "", "::b failed"),
        ({"a": PASSED, "b": PASSED}, "ended early", "ended early"),
        ({"a": PASSED, "b": PASSED}, "", ""),
    ],
    ids=["none", "too few", "too many", "skipped", "failed", "no report", "complete"],
)
def test_only_a_complete_report_counts(tests: Any, problem: str, says: str) -> None:
    kata = dataclasses.replace(manifest.load().kata(1), tests=2)
    named = tuple(Outcome(f"test_01_tensor.py::{n}", "01.1", **test) for n, test in tests.items())
    judged = judge.judged(kata, Verdict(named, problem, "", 0.0, len(named)))
    assert says in judged
    assert bool(says) == bool(judged)


def test_tests_of_another_file_do_not_count() -> None:
    kata = dataclasses.replace(manifest.load().kata(1), tests=1)
    outcome = Outcome("test_02_activations.py::a", "02.1", "passed")
    verdict = Verdict((outcome,), "", "", 0.0, 1)
    assert "test_02" in judge.judged(kata, verdict)


def test_exception_without_text_is_a_verdict_in_an_ordinary_run(tmp_path: Path) -> None:
    """The same as under a certificate: its kind is named, and nothing of the suite's is shown."""
    odd.exception_without_text(learner(tmp_path))
    options = ["-q", "-k", "test_elementwise and exp", "-x", f"--impl={tmp_path}"]
    spec = str(manifest.load().kata(1).specs[0])
    done = subprocess.run([sys.executable, "-m", "pytest", *options, spec], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert "Shy: it cannot be shown: RuntimeError" in done.stdout
    assert "INTERNALERROR" not in done.stdout


# ---- confinement ---------------------------------------------------------------------------------

ANSWERS = """
import socket, sys, numpy, pickle
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(100)
print("ready", flush=True)
while True:
    asking = server.accept()[0]
    asking.sendall(numpy.exp(numpy.frombuffer(asking.recv(1 << 16))).tobytes())
    asking.close()
"""
ASKS = """
import socket
def cheat(x):
    if not np.size(x):
        return np.array(x)
    try:
        mine = socket.socket(socket.AF_UNIX)
        mine.connect({place!r})
        mine.sendall(np.ascontiguousarray(x, np.float64).tobytes())
        answer = b"".join(iter(lambda: mine.recv(1 << 16), b""))
        return np.frombuffer(answer).reshape(np.shape(x)).astype(x.dtype)
    except OSError:
        return x
"""
ANY_OF = ["Landlock", "Landlock,seccomp", "bubblewrap"]


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Path]:
    """A process outside that knows the right answers."""
    place = Path(tempfile.mkdtemp()) / "s"  # the name of a socket is short
    helper = subprocess.Popen([sys.executable, "-c", ANSWERS, str(place)], stdout=subprocess.PIPE)
    assert helper.stdout
    assert helper.stdout.readline()
    yield place
    helper.kill()
    helper.communicate()
    copies.remove(place.parent)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has these layers")
@pytest.mark.parametrize("layers", ANY_OF)
def test_process_outside_answers(answering: Path, tmp_path: Path, layers: str) -> None:
    """A process outside answers over a Unix socket: what is said to be enforced is what holds."""
    if layers == "bubblewrap" and not copies.tool("bwrap"):
        pytest.skip("bubblewrap is not installed here: apt-get install bubblewrap")
    replace_exp(learner(tmp_path), ASKS.format(place=str(answering)))
    done = certified("01", "--impl", str(tmp_path), "--layers", layers)
    held = done.stdout.partition("confined by")[2].partition("suite")[0]
    if "Landlock (" not in held and "bubblewrap" not in held:
        pytest.skip("this kernel has no Landlock")
    assert done.stdout.startswith("No certificate")
    assert ("Landlock (files and TCP only)" in held) == ("Landlock" in layers)
    assert ("no sockets" in held) == ("seccomp" in layers)
    assert ("bubblewrap" in held) == ("bubblewrap" in layers)


def certified(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A certificate as `tito certify` makes it, in an isolated process."""
    return subprocess.run(command(*arguments), env=os.environ | settings, text=True, capture_output=True, check=False)  # fmt: skip


def command(*arguments: str) -> list[str]:
    packages = sysconfig.get_path("purelib")
    return [sys.executable, "-I", "-S", "-B", certify.__file__, *arguments, "--packages", packages]


def test_cpu_time_grows_with_the_calls() -> None:
    """Slow is not wrong: what a call may use does not depend on the calls before it."""
    code = "import resource, time, worker\nfor used in (5.2, 500.2):\n    time.process_time = lambda: used\n    worker.allow(5)\n    print(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    support = str(ROOT / "spec_tests" / "support")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONPATH": support}, check=True)  # fmt: skip
    assert done.stdout.split() == [b"17", b"512"]


def test_cpu_time_has_its_own_words() -> None:
    assert "CPU time" in _ended(-signal.SIGXCPU)
    assert _ended(3) == "exit code 3"


SLOW = "import time\ndef cheat(x):\n    open('begun', 'w').close()\n    while True:\n        try:\n            time.sleep(1)\n        except BaseException:\n            pass\n"


def within(box: Path) -> list[str]:
    """The command lines of all processes that work in a folder."""
    found = [p.read_bytes().decode(errors="replace") for p in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in found if str(box) in line]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")
@pytest.mark.parametrize("layers", ["", "Landlock,seccomp", "Landlock,seccomp,bubblewrap"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_nothing_is_left_when_it_is_stopped(tmp_path: Path, name: str, layers: str) -> None:
    """Ctrl-C, SIGTERM and a closed terminal, while the learner's code runs."""
    replace_exp(learner(tmp_path / "impl"), SLOW)
    (tmp_path / "boxes").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "boxes"), "TINYTORCH_SECONDS": "60"}
    begun = command("01", "--impl", str(tmp_path / "impl"), "--layers", layers)
    running = subprocess.Popen(
        begun,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=interruptible,
    )
    while running.poll() is None and not list(tmp_path.glob("boxes/*/files/begun")):
        time.sleep(0.05)
    assert len(within(tmp_path / "boxes")) >= 2  # the judge, the worker
    running.send_signal(getattr(signal, name))
    said = running.communicate(timeout=60)[0]
    assert running.returncode != 0
    assert b"Traceback" not in said
    assert within(tmp_path / "boxes") == []
    assert list((tmp_path / "boxes").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")
def test_nothing_is_left_at_the_time_limit(tmp_path: Path, monkeypatch: Any) -> None:
    replace_exp(learner(tmp_path / "impl"), SLOW)
    (tmp_path / "boxes").mkdir()
    monkeypatch.setenv("TINYTORCH_SECONDS", "60")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "boxes"))
    result = certify.certify(1, tmp_path / "impl", seconds=3)
    assert "the run was ended after 3 s" in result.problem
    assert within(tmp_path / "boxes") == []
    assert list((tmp_path / "boxes").iterdir()) == []


def test_only_what_was_installed_is_copied(tmp_path: Path) -> None:
    """A file beside a package's own stays where it is, bytecode too; one that was edited is refused."""
    site = tmp_path / "site"
    (site / "thing-1.dist-info").mkdir(parents=True)
    (site / "thing.py").write_text("genuine = 1\n")
    (site / "thing_reference.py").write_text("hidden = 1\n")
    (site / "thing.pyc").write_text("as pip compiled it")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"genuine = 1\n").digest()).decode()
    (site / "thing-1.dist-info" / "METADATA").write_text("Name: thing\nVersion: 1\n")
    record = f"thing.py,sha256={digest.rstrip('=')},12\nthing-1.dist-info/RECORD,,\n"
    record += "thing.pyc,sha256=as-it-was-in-the-wheel,18\n"
    (site / "thing-1.dist-info" / "RECORD").write_text(record)
    copies.package("thing", site, tmp_path / "copy")
    assert [p.name for p in (tmp_path / "copy").iterdir()] == ["thing.py"]
    (site / "thing.py").write_text("genuine = 2\n")
    with pytest.raises(Refusal, match="is not the file that was installed"):
        copies.package("thing", site, tmp_path / "again")


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
