"""Certificates: the same specs, with every observation made in a worker process.

What runs is hashed and copied into a box first (`copies`), and runs from there, isolated. The process
that judges (`judge`) never imports a learner's file. It sends an observation's source and its
arguments to a confined worker (`confine`), and judges the plain data that comes back. Only a complete
report, every test of katas 1..N passed on inputs drawn from a fresh secret seed, is a certificate.
docs/certificates.md says what one proves.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from tito.certificate import copies
from tito.certificate.confine import LAYERS
from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Kata, load

MOST_CHARACTERS = 6_000  # of what kept a run from being certified
PATIENCE = 10.0  # seconds that a judge has to end what it started


@dataclass
class Certificate:
    """What a run proved, or why it proved nothing.

    Attributes:
        kata: two digits; the certificate is for this kata and all before it.
        seed: of the numbers that filled the inputs.
        fresh: whether the seed was drawn for this run; a replay certifies nothing.
        problem: why there is no certificate, or "".
        confinement: what held the learner's code, exactly as far as it was enforced.
        tests, seconds: by kata.
        folder: where the learner's files stand.
        files: SHA-256 of each of the learner's files.
        suite: SHA-256 of all that judged (specs, tables, manifest, tool), and its commit.
    """

    kata: str
    seed: int
    fresh: bool
    problem: str = ""
    confinement: str = "nothing, for nothing was run"
    tests: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    folder: str = ""
    files: dict[str, str] = field(default_factory=dict)
    suite: copies.Suite = field(default_factory=copies.Suite)

    @property
    def granted(self) -> bool:
        return self.fresh and not self.problem

    def __str__(self) -> str:
        title = "Certificate" if self.granted else "No certificate"
        rows = [
            f"kata {k}: {n} tests passed in {self.seconds[k]:.2f} s" for k, n in self.tests.items()
        ]
        rows = [self.problem] if self.problem else rows
        rows += [f"files in {self.folder}", *self._files()]
        rows += [f"confined by {self.confinement}", str(self.suite)]
        seed = f"inputs from seed {self.seed}, {'drawn for this run' if self.fresh else 'replayed'}"
        rows = [f"{title} for kata {self.kata} and all before it", *rows, seed]
        return printable("\n  ".join(rows))

    def _files(self) -> Iterator[str]:
        """Each file with its hash; whose they are, where it is not the learner."""
        lent, width = copies.of_the_reference(self.files), max(map(len, self.files), default=0)
        for name, digest in self.files.items():
            whose = "  this is the reference" * (name in lent)
            yield f"  {name:<{width}}  {digest}{whose}"
        if self.files and len(lent) == len(self.files):
            yield "this is the reference: nobody's own work is certified"


def certify(
    number: int | str,
    implementation: Path = ROOT / "src",
    *,
    seed: int | None = None,
    layers: Sequence[str] = LAYERS,
    packages: Path | None = None,
    seconds: float | None = None,
) -> Certificate:
    """Run the specs of katas 1..N on a folder's tinytorch, its code confined to a worker process.

    Args:
        number: N, as 5 or "05".
        implementation: the folder that holds the tinytorch package.
        seed: replays a run; the result is then no certificate.
        layers: what may confine the worker; each is used where the system has it.
        packages: where pytest and NumPy are installed; this Python's own place if None.
        seconds: the most that one kata may take; grows with its tests if None.
    """
    katas = load().up_to(load().kata(number))
    drawn = secrets.randbits(48) + 1 if seed is None else seed
    result = Certificate(katas[-1].id, drawn, seed is None, folder=f"{implementation}/tinytorch")
    packages = packages or Path(sysconfig.get_path("purelib"))
    task = {"katas": [k.id for k in katas], "layers": layers, "seed": drawn, "seconds": seconds}
    try:
        if os.name != "posix":
            raise Refusal("a certificate needs Linux or macOS: run it in CI or under WSL")
        with _box() as box:
            before = _fill(box, implementation, katas, packages, result)
            found = _judge(box, task)
            vars(result).update(found)
            places = f"{box}/learner", f"{box}/suite"
            result.problem = result.problem.replace(places[0], str(implementation))
            result.problem = result.problem.replace(places[1], str(ROOT))
            if not result.problem and before != _contents(box):
                result.problem = "the copied files changed while they ran: run it again"
    except (Refusal, OSError) as error:
        result.problem = str(error)
    result.problem = shortened(printable(result.problem))
    return result


def _fill(
    box: Path, implementation: Path, katas: Sequence[Kata], packages: Path, result: Certificate
) -> str:
    """Copy and hash all that runs; returns what `_contents` must still be afterwards."""
    result.files = copies.learners(implementation, katas, box / "learner" / "tinytorch")
    result.suite = copies.suite(box / "suite")
    for name in ("numpy", *copies.JUDGES):
        copies.package(name, packages, box / ("packages" if name == "numpy" else "judge"))
    for name in ("files", "bytecode", "judged"):
        (box / name).mkdir()
    worker = box / "suite" / "spec_tests" / "support" / "worker.py"
    (box / "worker.py").write_bytes(worker.read_bytes())
    return _contents(box)


def _contents(box: Path) -> str:
    return copies.contents(*(box / name for name in ("suite", "learner", "judge", "packages")))


def _judge(box: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Run the judge, isolated; it ends all that it started, also when it is stopped."""
    names = ("TINYTORCH_SECONDS", "HOME")
    environment = {n: os.environ[n] for n in names if n in os.environ}
    environment |= {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
    python = [sys.executable, "-I", "-S", "-X", f"pycache_prefix={box}/bytecode"]
    judge = subprocess.Popen(
        [*python, str(box / "suite" / "src" / "tito" / "certificate" / "judge.py")],
        cwd=box,
        env=environment | {"TMPDIR": str(box / "judged")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process, which then ends the judge
    )
    try:
        answer, said = judge.communicate(json.dumps(task).encode())
        return dict(json.loads(answer))
    except ValueError:
        raise Refusal(f"the judge gave no verdict: {said.decode(errors='replace')}") from None
    finally:
        _end(judge)


def _end(judge: subprocess.Popen[bytes]) -> None:
    """Let the judge end what it started, then end it."""
    judge.terminate()
    try:
        judge.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        judge.kill()
        judge.wait()


@contextlib.contextmanager
def _box() -> Iterator[Path]:
    """A folder of its own, gone afterwards, however this process is asked to end."""
    signals = [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
    ours = threading.current_thread() is threading.main_thread()
    before = {s: signal.signal(s, _stopped) for s in signals} if ours else {}
    box = Path(tempfile.mkdtemp(prefix="tito-box-")).resolve()
    try:
        yield box
    finally:
        if ours:
            before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
            for number in before:
                signal.signal(number, signal.SIG_IGN)  # this much is finished in any case
        copies.remove(box)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopped(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def printable(text: str) -> str:
    """Text from elsewhere, without what would act on a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def shortened(text: str) -> str:
    """Text of a bounded length."""
    more = len(text) - MOST_CHARACTERS
    return text if more <= 0 else f"{text[:MOST_CHARACTERS]}\n... and {more:,} more characters"


def isolated(number: str, implementation: Path) -> int:
    """Become `python -I certify.py`: no PYTHONPATH, no sitecustomize, no bytecode from here on."""
    load().kata(number)
    if os.name != "posix":
        raise Refusal("a certificate needs Linux or macOS: run it in CI or under WSL")
    flags, packages = ["-I", "-S", "-B"], sysconfig.get_path("purelib")
    where = ["--impl", str(implementation), "--packages", packages]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *flags, __file__, number, *where])


def main() -> None:
    """`certify.py 05`: print the certificate, or why there is none."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("kata")
    parser.add_argument("--impl", type=Path, default=ROOT / "src", help="holds a tinytorch package")
    parser.add_argument("--packages", type=Path, help="where NumPy and pytest are installed")
    parser.add_argument("--seed", type=int, help="replay another run's inputs")
    parser.add_argument("--layers", default=",".join(LAYERS), help="what may confine the worker")
    given = parser.parse_args()
    layers = [layer for layer in given.layers.split(",") if layer]
    try:
        result = certify(
            given.kata, given.impl, seed=given.seed, layers=layers, packages=given.packages
        )
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing is lost, the same command starts again")
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    print(result)
    sys.exit(not result.granted)


if __name__ == "__main__":
    main()
