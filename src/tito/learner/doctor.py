"""`tito doctor`: what may be wrong around the course, each with the command that fixes it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tito.course.doors import GIVEN
from tito.course.errors import Refusal
from tito.course.files import demand_file, implementation, short, strays, unlocked
from tito.course.manifest import REFERENCE, ROOT, Manifest
from tito.course.source import unreadable
from tito.course.terminal import paint

Check = tuple[bool, str, str]  # whether it is well, what was found, what fixes it
SETUP = "make setup (or: python3 bootstrap.py setup)"


def doctor(manifest: Manifest) -> int:
    """Print every check; 1 if tito itself does not stand on what it should."""
    checks = [*_environment(), *_package(manifest), _data(), _editor(), _remote()]
    for good, found, fix in checks:
        print(paint("ok  ", "green") if good else paint("warn", "yellow"), found)
        if not good:
            print(f"     fix: {fix}")
    return 0 if all(good or fix != SETUP for good, _, fix in checks) else 1


def _environment() -> Iterator[Check]:
    """Python, .venv, and the installed packages against the pins."""
    inside = Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()
    yield inside, f"Python {sys.version.split()[0]} in {sys.prefix}", SETUP
    text = (ROOT / "requirements" / "learner.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.MULTILINE)  # those of every system
    wrong = [
        f"{name} is {_version(name)}, not {pin}" for name, pin in pins if _version(name) != pin
    ]
    yield not wrong, "; ".join(wrong) or f"{len(pins)} packages as pinned", SETUP


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _package(manifest: Manifest) -> Iterator[Check]:
    """The learner's package: katas and nothing else, readable."""
    impl = implementation()
    names = strays(manifest, impl)
    found = f"{short(impl / 'tinytorch')} holds {', '.join(names) or 'katas and nothing else'}"
    yield not names, found, "rename or remove what belongs to no kata"
    for name in GIVEN:
        own, given = impl / "tinytorch" / name, REFERENCE / "tinytorch" / name
        if given.is_file() and not (own.is_file() and own.read_bytes() == given.read_bytes()):
            back = f"cp {short(given)} {short(own)}"
            yield False, f"{short(own)} is not the course's: a certificate uses its own", back
    for kata in manifest.katas:
        try:
            demand_file(kata, impl)
        except Refusal as refusal:
            found, _, fix = str(refusal).partition(": ")
            yield False, found, fix
        trouble = unlocked(kata, impl) and unreadable(kata.file(impl))
        if trouble:
            yield False, str(trouble), f"fix that line, then: make test-{kata.id}"


def _data() -> Check:
    try:
        from tito.milestone import datasets  # imports NumPy
    except ImportError as error:
        return False, f"no look at the data: {error}", SETUP
    try:
        folder = datasets.data_folder()
    except datasets.DataError as error:
        problem, _, remedy = error.args
        return False, problem, remedy
    missing = [file.name for file in datasets.MNIST if datasets.find(file, folder) is None]
    found = (
        f"no MNIST in {folder}: the milestones use the digits" if missing else f"MNIST in {folder}"
    )
    return not missing, found, "make data"


def _editor() -> Check:
    """The shipped settings keep reference/ out of sight."""
    path = ROOT / ".vscode" / "settings.json"
    hidden = path.is_file() and "reference/" in path.read_text(encoding="utf-8")
    found = f"{short(path)} {'hides' if hidden else 'does not hide'} reference/"
    return hidden, found, "git checkout -- .vscode"


def _remote() -> Check:
    """Where this clone pushes to; a copy without git is as good."""
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        url = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return True, "no git remote: nothing to push", ""
    return (
        True,
        f"git pushes to {url}; in a fork, Actions start after a click on its Actions tab",
        "",
    )
