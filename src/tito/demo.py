"""`tito demo`: the course played in a scratch copy, with the commands a learner types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tito.course import UPSTREAM, Refusal
from tito.manifest import ROOT, Kata, Manifest

LEFT_OUT = {".venv", ".git", ".tito", "runs", "data", "build", ".hypothesis", "__pycache__"}
SETTINGS = ("IMPL", "FORCE", "ALL", "TINYTORCH_DATA", "TINYTORCH_SEED")


def copy_course(destination: Path) -> Path:
    """The repository as it is shipped: no environment, no history, no data, no learner's files."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == ROOT / "src" / "tinytorch":
            return set(names) - UPSTREAM
        caches = {n for n in names if n in ("__pycache__",) or n.endswith("_cache")}
        return caches | (LEFT_OUT & set(names) if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, destination, ignore=ignored)
    return destination


def tito(course: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of tito in a copy of the course, as a learner would in a fresh clone."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-P", "-m", "tito", *arguments],
        cwd=course,
        env=environment | {"PYTHONPATH": str(course / "src")} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def demo(manifest: Manifest) -> int:
    """Every kata: unlock, red, drop the reference in, green; then every milestone."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tito demo ") as scratch:
        print(f"playing the course in {scratch}; your own files are not touched", flush=True)
        course = copy_course(Path(scratch) / "course")
        for kata in manifest.katas:
            _play(course, kata)
        for kata in [k for k in manifest.katas if k.milestone]:
            _expect(course, 0, "milestone", kata.milestone.removeprefix("m"))
    print(f"the demo went as told, in {time.monotonic() - started:.0f} s")
    return 0


def _play(course: Path, kata: Kata) -> None:
    """One kata as a learner meets it."""
    mine = course / kata.file(ROOT / "src").relative_to(ROOT)
    _expect(course, 0, "module", kata.id)
    red = _expect(course, 1, "test", kata.id)
    screen = next((line for line in red.splitlines() if line.startswith(f"{kata.id}.")), "")
    if not screen:
        raise Refusal(f"kata {kata.id} on its stub fails without naming a clause:\n{red}")
    print(f"{'':<18}{screen[:90]}", flush=True)
    shutil.copy(kata.file(ROOT / "reference"), mine)
    print(f"{'':<18}(the reference's {mine.name} dropped in)", flush=True)
    _expect(course, 0, "test", kata.id)


def _expect(course: Path, code: int, *arguments: str) -> str:
    """Run one command, show it with its last line that says something, and hold it to its code."""
    started = time.monotonic()
    print(f"make {'-'.join(arguments):<13}", end="", flush=True)
    done = tito(course, *arguments)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    told = [line for line in lines if "green" in line or "hold" in line or "✓" in line] or lines or [""]
    shown = "unlocked" if arguments[0] == "module" else told[-1].strip()
    print(f"{shown[:96]}  {time.monotonic() - started:.1f} s", flush=True)
    if done.returncode != code:
        what = f"make {'-'.join(arguments)} ended with {done.returncode}, not {code}"
        raise Refusal(f"{what}:\n" + "\n".join(lines[-40:]))
    return done.stdout
