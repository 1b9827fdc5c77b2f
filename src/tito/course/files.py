"""Where a learner stands, read from the files themselves: nothing here is ever stored."""

from __future__ import annotations

import os
from pathlib import Path

from tito.course.doors import GIVEN, KEPT, second_door
from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Kata, Manifest

MARK = "# lent by the reference: replace it with your own"
UPSTREAM = {"__init__.py", *GIVEN, "py.typed", "__pycache__"}  # of the package, not the learner's

LEFT_OUT = {".venv", ".git", ".tito", ".hypothesis", "runs", "data", "build"}  # at the top


def is_left_out(folder: Path, name: str) -> bool:
    """Whether a fresh clone has no such file: environment, history, data, caches, a learner's."""
    if folder == ROOT / "src" / "tinytorch" and name not in UPSTREAM:
        return True
    cache = name == "__pycache__" or name.endswith("_cache")
    return cache or (folder == ROOT and name in LEFT_OUT)


def implementation() -> Path:
    """The folder under test, whose code is about to run: refused where it has a second door."""
    folder = chosen()
    if said := second_door(folder):
        raise Refusal(said)
    return folder


def chosen() -> Path:
    """The folder under test: IMPL, seen from here or from the repository; src if unset."""
    name = os.environ.get("IMPL")
    if not name:
        return ROOT / "src"
    for folder in (Path.cwd() / Path(name).expanduser(), ROOT / name):
        if folder.is_dir():
            return folder.resolve()
    raise Refusal(f"IMPL is {name!r}, which is no folder: name one that holds a tinytorch package")


def short(path: Path) -> str:
    """A path as the learner knows it: from the repository on, if it is in it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def unlocked(kata: Kata, impl: Path) -> bool:
    return kata.file(impl).is_file()


def demand_unlocked(manifest: Manifest, kata: Kata, impl: Path) -> None:
    """Refuse a kata that has no file; the command that is named is not refused in its turn."""
    for each in manifest.up_to(kata):
        demand_file(each, impl)
    if not unlocked(kata, impl):
        first = next(k for k in manifest.up_to(kata) if not unlocked(k, impl))
        before = "" if first == kata else f", and so is kata {first.id}, which comes first"
        raise Refusal(f"kata {kata.id} is locked{before}: make module-{first.id}")


def demand_file(kata: Kata, impl: Path) -> None:
    """Refuse what is in the place of a kata's file and is no file: reading it may never end."""
    path = kata.file(impl)
    if path.is_file() or not os.path.lexists(path):
        return
    there = "a pipe or a device" if path.exists() else "a link to nowhere"
    kind = "a folder" if path.is_dir() else there
    kept = "it stays as it is; move it away, then"
    raise Refusal(f"{short(path)} is {kind}, not a file: {kept}: make module-{kata.id}")


def strays(manifest: Manifest, impl: Path) -> list[str]:
    """What stands in the package and is no kata's: a copy, a typo, a helper file."""
    expected = UPSTREAM | {f"{kata.module}.py" for kata in manifest.katas}
    folder = impl / "tinytorch"
    return (
        sorted(p.name for p in folder.iterdir() if p.name not in expected and KEPT not in p.name)
        if folder.is_dir()
        else []
    )


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def is_lent(path: Path) -> bool:
    """Whether a file is the reference's, lent."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(MARK)


def reminder(kata: Kata, impl: Path) -> str:
    """That a kata is lent, and how to begin it oneself; nothing if it is not lent."""
    path = kata.file(impl)
    begin = f"to write it yourself, delete {short(path)}, then: make module-{kata.id}"
    return f"kata {kata.id} is lent by the reference; {begin}" if is_lent(path) else ""


def demand_own(kata: Kata, impl: Path) -> None:
    """Refuse what makes sense only for a file of the learner's own."""
    if said := reminder(kata, impl):
        raise Refusal(said)
