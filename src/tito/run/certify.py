"""Certificates: the same specs, with every observation made in a worker process.

The process that judges never imports a learner's file. It sends an observation's source and its
arguments to a worker that has NumPy, a copy of the learner's files and nothing else, and judges the
plain data that comes back. Only a complete report, every test of katas 1..N passed on inputs drawn
from a fresh secret seed, is a certificate.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tito.course import stubs
from tito.course.doors import GIVEN, second_door
from tito.course.errors import Refusal
from tito.course.files import reminder
from tito.course.manifest import ROOT, Kata, load
from tito.run.engine import UNRAISED, Job
from tito.run.outcome import Verdict
from tito.run.runner import run, spec_paths

LAYERS = ("Landlock", "bubblewrap")  # around a process with limits, where the system has them
ALONE = "nothing of the system's: a determined cheat can leave it"
SOURCE_BYTES = 1 << 20  # the most that one file of a learner may hold
SPECS = ROOT / "spec_tests"
OPTIONS = ("-c", "pyproject.toml", "-o", "pythonpath=spec_tests", "-p", "support.remote")
SUITE = (
    "*.py",
    "*.toml",
    "katas/**/*.toml",
    "src/tito/**/*.py",
    "spec_tests/*.py",
    *(f"src/tinytorch/{name}" for name in GIVEN),
)
TABLES = (
    "spec_tests/support/**/*.py",
    "spec_tests/oracle_tables/**/*.*",
    "spec_tests/lessons/**/*.*",
)


@dataclass
class Certificate:
    """What a run proved, or why it proved nothing.

    Attributes:
        kata: two digits; the certificate is for this kata and all before it.
        seed: of the numbers that filled the inputs.
        fresh: whether the seed was drawn for this run; a replay certifies nothing.
        problem: why there is no certificate, or "".
        confinement: what held the learner's code, such as "process + Landlock + bubblewrap".
        tests, seconds: by kata.
        files: SHA-256 of each of the learner's files.
        suite: SHA-256 of all that judged: specs, tables, manifest, tools.
    """

    kata: str
    seed: int
    fresh: bool
    problem: str = ""
    confinement: str = "nothing, for nothing was run"
    tests: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    suite: str = ""

    @property
    def granted(self) -> bool:
        return self.fresh and not self.problem

    def __str__(self) -> str:
        title = "Certificate" if self.granted else "No certificate"
        rows = [
            f"kata {k}: {n} tests passed in {self.seconds[k]:.2f} s" for k, n in self.tests.items()
        ]
        rows = [self.problem] if self.problem else rows
        rows += [f"confined by {self.confinement}", f"suite {self.suite[:16]}"]
        seed = f"inputs from seed {self.seed}, {'drawn for this run' if self.fresh else 'replayed'}"
        return "\n  ".join([f"{title} for kata {self.kata} and all before it", *rows, seed])


def certify(
    number: int | str,
    implementation: Path = ROOT / "src",
    *,
    seed: int | None = None,
    layers: Sequence[str] = LAYERS,
) -> Certificate:
    """Run the specs of katas 1..N on a folder's tinytorch, its code confined to a worker process.

    Args:
        number: N, as 5 or "05".
        implementation: the folder that holds the tinytorch package.
        seed: replays a run; the result is then no certificate.
        layers: what may confine the worker; each is used where the system has it.
    """
    katas = load().up_to(load().kata(number))
    drawn = secrets.randbits(48) if seed is None else seed
    result = Certificate(katas[-1].id, drawn, seed is None, suite=_digest())
    with tempfile.TemporaryDirectory(prefix="tito-box-") as scratch:
        try:
            if os.name != "posix":
                raise Refusal("a certificate needs Linux or macOS: run it in CI or under WSL")
            if "support.strategies" in sys.modules:
                raise Refusal("the suite was imported before its seed was drawn: certify first")
            box = Path(scratch).resolve()
            result.files = _fill(box, implementation, katas)
            command, result.confinement = _confined(box, layers)
            jobs = [_job(kata, box, command, drawn) for kata in katas]
            several = (os.cpu_count() or 1) + 1  # a verdict waits while its worker computes
            for kata, verdict in zip(katas, run(jobs, several), strict=True):
                result.tests[kata.id] = len(verdict.passed)
                result.seconds[kata.id] = round(verdict.seconds, 3)
                problem = _judged(kata, verdict).replace(f"{box}/learner", str(implementation))
                result.problem = result.problem or _printable(problem)
        except (Refusal, OSError) as error:
            result.problem = _printable(str(error))
    if _digest() != result.suite:
        result.problem = (
            result.problem or "the specs changed while they ran: restore them and run again"
        )
    return result


def _job(kata: Kata, box: Path, command: Sequence[str], seed: int) -> Job:
    """One kata's spec in a process of its own, with a worker of its own."""
    if str(SPECS) not in sys.path:
        sys.path.append(str(SPECS))  # the fork finds its plugin there
    files = f"--basetemp={box}/files/{kata.id}"
    options = (*OPTIONS, *UNRAISED, files, "--worker", json.dumps([str(box), *command]))
    environment = {"TINYTORCH_SEED": str(seed), "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
    specs = spec_paths(kata.specs)
    return Job(box / "learner", specs, options=options, environment=environment)


def _judged(kata: Kata, verdict: Verdict) -> str:
    """What keeps a kata from being certified: anything but every test of the manifest, passed."""
    files = {str(spec.relative_to(SPECS)) for spec in kata.specs}
    for test in verdict.tests:
        if test.status != "passed" or test.id.partition("::")[0] not in files:
            return f"{test.id} {test.status}\n{test.message}"
    if verdict.problem:
        return f"kata {kata.id}: {verdict.problem}\n{verdict.output[-2000:]}"
    if len(verdict.tests) != kata.tests:
        return f"kata {kata.id}: {len(verdict.tests)} tests ran, the manifest says {kata.tests}"
    return ""


def _printable(text: str) -> str:
    """Text from elsewhere, without what would act on a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _digest() -> str:
    """SHA-256 over the names and the bytes of all that judges."""
    total = hashlib.sha256()
    for path in sorted(
        {p for pattern in SUITE + TABLES for p in ROOT.glob(pattern) if p.is_file()}
    ):
        total.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


# ---- the box: all that the worker may see --------------------------------------------------------


def _fill(box: Path, implementation: Path, katas: Sequence[Kata]) -> dict[str, str]:
    """Lay out the learner's files of these katas, NumPy, and an empty folder."""
    if said := second_door(implementation):
        raise Refusal(said)
    package, found = box / "learner" / "tinytorch", {}
    for folder in (package, box / "packages", box / "files"):
        folder.mkdir(parents=True)
    for kata in katas:
        path = kata.file(implementation)
        if not path.exists():
            raise Refusal(f"{path} is missing: make module-{kata.id}")
        if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
            raise Refusal(f"{path} is refused: it must be a plain file in a plain folder")
        if path.stat().st_size > SOURCE_BYTES:
            raise Refusal(f"{path} is refused: it is larger than {SOURCE_BYTES:,} bytes")
        if said := reminder(kata, implementation):
            raise Refusal(f"a certificate is for your own work: {said}")
        shutil.copy(path, package)
        found[path.name] = hashlib.sha256((package / path.name).read_bytes()).hexdigest()
    for name, text in stubs.package_files(load()).items():
        (package / name).write_text(text, encoding="utf-8")
    shutil.copy(SPECS / "support" / "worker.py", box)
    for part in _numpy():
        (box / "packages" / part.name).symlink_to(part)
    return found


def _numpy() -> list[Path]:
    """The folders that NumPy consists of."""
    home = Path(np.__file__).resolve().parent
    return [p for p in (home, home.with_name("numpy.libs")) if p.is_dir()]


def _confined(box: Path, layers: Sequence[str]) -> tuple[list[str], str]:
    """The command that starts a worker, confined as far as this system allows, and by what."""
    empty = ["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "OPENBLAS_NUM_THREADS=1"]
    python = [os.path.realpath(sys.executable), "-I", "-S", "-B", f"{box}/worker.py", str(box)]
    found = shutil.which("bwrap") if "bubblewrap" in layers else None
    for wrap in ([found, *_mounts(box)], []) if found else ([],):
        command = [*empty, f"TMPDIR={box}/files", *wrap, *python, " ".join(layers)]
        begun = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if begun.returncode == 0:  # it has said what it could do, found nothing to do, and left
            kernel = json.loads(begun.stdout[4:])["dict"][0][1]
            layers = [*["Landlock"] * bool(kernel), *["bubblewrap"] * bool(wrap)]
            return command, " + ".join(["process", *(layers or [ALONE])])
    raise Refusal(f"the worker does not start: {begun.stderr.decode(errors='replace')}")


def _mounts(box: Path) -> list[str]:
    """A read-only system without network, other processes, packages, or this repository."""
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.base_prefix]
    mounts: list[tuple[str, ...]] = [("--ro-bind-try", top, top) for top in system]
    for top in ("/", "/usr", "/usr/local", sys.base_prefix):
        mounts += [("--tmpfs", str(p)) for p in Path(top).glob("lib*/python3*/*-packages")]
    if any(ROOT.is_relative_to(top) for top in system):
        mounts += [("--tmpfs", str(ROOT))]
    mounts += [("--ro-bind", str(p), f"{box}/packages/{p.name}") for p in _numpy()]
    mounts += [("--ro-bind", f"{box}/{name}", f"{box}/{name}") for name in ("worker.py", "learner")]
    mounts += [("--bind", f"{box}/files", f"{box}/files"), ("--chdir", f"{box}/files")]
    bare = "--unshare-all --die-with-parent --new-session --cap-drop ALL --dev /dev --proc /proc"
    return [*bare.split(), *[word for mount in mounts for word in mount]]


def main() -> None:
    """`python -m tito.certify 05`: print the certificate, or why there is none."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("kata")
    parser.add_argument("--impl", type=Path, default=ROOT / "src", help="holds a tinytorch package")
    parser.add_argument("--seed", type=int, help="replay another run's inputs")
    given = parser.parse_args()
    result = certify(given.kata, given.impl, seed=given.seed)
    print(result)
    sys.exit(not result.granted)


if __name__ == "__main__":
    main()
