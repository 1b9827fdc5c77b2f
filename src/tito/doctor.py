"""`tito doctor`: what may be wrong around the course, each with the command that mends it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from tito import course, datasets
from tito.course import implementation, short
from tito.manifest import ROOT, Manifest

Check = tuple[bool, str, str]  # whether it is well, what was found, what mends it
SETUP = "make setup (or: python3 bootstrap.py setup)"


def doctor(manifest: Manifest) -> int:
    """Print every check; 1 if one that the course depends on fails."""
    console, well = Console(highlight=False), True
    for checks in (_python(), _packages(), _package(manifest), _data(), _editor(), _fork()):
        for good, found, mend in checks:
            console.print("[green]ok  [/]" if good else "[yellow]warn[/]", end=" ")
            console.print(found + ("" if good else f"\n     mend: {mend}"), markup=False)
            well = well and (good or not mend.startswith(SETUP))
    return 0 if well else 1


def _python() -> Iterator[Check]:
    yield sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer"
    inside = Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()
    yield inside, f"tito runs in {sys.prefix}", SETUP


def _packages() -> Iterator[Check]:
    """The installed packages against the pins."""
    text = (ROOT / "requirements" / "learner.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.MULTILINE)  # those of every system
    wrong = [f"{name} {_version(name)}, pinned {pin}" for name, pin in pins if _version(name) != pin]
    yield not wrong, f"{len(pins) - len(wrong)} of {len(pins)} packages as pinned" + "".join(
        f"\n     {line}" for line in wrong
    ), SETUP


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _package(manifest: Manifest) -> Iterator[Check]:
    """The learner's package: only katas in it, readable, from one place."""
    impl = implementation()
    names = course.strays(manifest, impl)
    where = short(impl / "tinytorch")
    yield not names, f"{where} holds katas" + f" and {', '.join(names)}" * bool(names), "rename or remove"
    for kata in manifest.katas:
        trouble = course.unlocked(kata, impl) and course.unreadable(kata.file(impl))
        if trouble:
            yield False, str(trouble), f"mend that line, then: make test-{kata.id}"


def _data() -> Iterator[Check]:
    folder = datasets.data_folder()
    missing = [file.name for file in datasets.MNIST if datasets.find(file, folder) is None]
    found = f"MNIST in {folder}" if not missing else f"no MNIST in {folder}: milestones use the digits"
    yield not missing, found, "make data"


def _editor() -> Iterator[Check]:
    """The shipped settings hide the reference and find the tests."""
    path = ROOT / ".vscode" / "settings.json"
    mend = "git checkout -- .vscode"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        hidden = any("reference" in key for key in settings.get("files.exclude", {}))
        yield hidden, "the editor hides reference/" if hidden else "the editor shows reference/", mend
    except (OSError, ValueError) as error:
        yield False, f"{short(path)} cannot be read: {error}", mend


def _fork() -> Iterator[Check]:
    """Where this clone comes from, if it is one; a copy without git is as good."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        yield True, "a copy without git: nothing to push", ""
        return
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    remote = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    yield bool(remote), f"git remote origin: {remote or 'none'}", "fork the course, then: git remote add"
    if remote and (ROOT / ".github" / "workflows").is_dir():
        yield True, "in a fork, Actions start only after a click on its Actions tab", ""
