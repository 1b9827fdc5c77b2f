"""`tito demo`: the course played in a scratch copy, with the commands a learner types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tito.course.errors import Refusal
from tito.course.files import is_left_out
from tito.course.manifest import ROOT, Kata, Manifest

SETTINGS = ("IMPL", "FORCE", "ALL", "TINYTORCH_DATA", "TINYTORCH_SEED")


def demo(manifest: Manifest) -> int:
    """Every kata: unlock, red, drop the reference in, green; then every milestone."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tito demo ") as scratch:
        print(f"playing the course in {scratch}; your own files are not touched", flush=True)
        course = Path(scratch) / "course"
        shutil.copytree(ROOT, course, ignore=_left_out)
        for kata in manifest.katas:
            _play(course, kata)
        for milestone in [k.milestone for k in manifest.katas if k.milestone]:
            _expect(course, 0, "milestone", f"{milestone.number:02}")
    print(f"demo finished: every step ended as expected, in {time.monotonic() - started:.0f} s")
    return 0


def _left_out(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if is_left_out(Path(folder), name)}


def _play(course: Path, kata: Kata) -> None:
    """One kata as a learner meets it."""
    _expect(course, 0, "module", kata.id)
    red = _expect(course, 1, "test", kata.id)
    screen = [line for line in red.splitlines() if line.startswith(f"{kata.id}.")]
    if not screen:
        raise Refusal(f"kata {kata.id} fails on its stub without naming a clause:\n{red}")
    reference = kata.file(ROOT / "reference")
    shutil.copy(reference, course / "src" / "tinytorch")
    print(f"{'':<18}{screen[0][:80]}\n{'':<18}({reference.name} of the reference dropped in)")
    _expect(course, 0, "test", kata.id)


def _expect(course: Path, code: int, *arguments: str) -> str:
    """Run one command in the copy, show the line that tells how it went, hold it to its code."""
    started, name = time.monotonic(), f"make {'-'.join(arguments)}"
    print(f"{name:<18}", end="", flush=True)
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tito", *arguments],
        cwd=course,
        env=environment | {"PYTHONPATH": str(course / "src"), "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    told = [line for line in lines if any(sign in line for sign in ("is green", "hold;", "✓"))]
    print(f"{(told or ['unlocked'])[-1][:100]}  {time.monotonic() - started:.1f} s", flush=True)
    if done.returncode != code:
        said = "\n".join(lines[-40:])
        raise Refusal(f"{name} ended with {done.returncode}, not {code}:\n{said}")
    return done.stdout
