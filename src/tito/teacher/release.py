"""`tito release`: editions of the course, for people who are to see a part of it only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tito.course.doors import GIVEN
from tito.course.errors import Refusal
from tito.course.files import UPSTREAM, is_left_out
from tito.course.manifest import ROOT, Manifest
from tito.teacher.leaks import leaks

MAINTAINERS = (  # not in a student's edition: solutions, and what works on solutions only
    "reference",
    "spec_tests/meta",
    "benchmarks",
    ".ci",
    ".github/workflows/maintainers.yml",
)
PACKAGE = tuple(f"src/tinytorch/{name}" for name in ("__init__.py", *GIVEN, "py.typed"))
Belongs = Callable[[str], bool]  # whether a file, named from the repository on, is in an edition


def student(manifest: Manifest, destination: Path) -> int:
    """The whole course without solutions."""
    return _write(manifest, destination, _is_students, secret=True)


def spec_only(manifest: Manifest, destination: Path, stubs_only: bool) -> int:
    """Specs, stubs and, unless stubs only, the reference; no test, lesson or registered answer."""
    specs = {"LICENSE", *PACKAGE}
    for kata in manifest.katas:
        specs |= {_name(kata.folder / "README.md"), _name(kata.stub)}
        specs |= set() if stubs_only else {f"reference/tinytorch/{kata.module}.py"}
    if not stubs_only:
        specs |= {name.replace("src", "reference", 1) for name in PACKAGE}
    return _write(manifest, destination, specs.__contains__, secret=stubs_only)


def _is_students(name: str) -> bool:
    parents = [name, *map(str, Path(name).parents)]
    own = name.startswith("src/tinytorch/") and Path(name).name not in UPSTREAM
    return not own and not set(MAINTAINERS) & {part.replace(os.sep, "/") for part in parents}


def _write(manifest: Manifest, destination: Path, belongs: Belongs, secret: bool) -> int:
    """Write an edition beside its place, look for solutions in it, then move it there."""
    destination = destination.absolute()
    _demand_free(destination)
    names = [name for name in files() if belongs(name)]
    part = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        for name in names:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, part / name)
        if secret and (found := leaks(manifest, part)):
            left = "\n  ".join(found)
            raise Refusal(f"this edition would hold solutions, so it is not written:\n  {left}")
        _demand_free(destination)
        if destination.is_dir():
            destination.rmdir()
        part.replace(destination)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(f"{len(names)} files in {destination}")
    return 0


def _demand_free(destination: Path) -> None:
    """Nothing that exists is written over."""
    if destination.is_dir() and not any(destination.iterdir()):
        return
    if os.path.lexists(destination):
        raise Refusal(f"{destination} exists and is not an empty folder: name another one")


def files() -> list[str]:
    """What belongs to the course: what git tracks, or, in a copy without git, a clone's files."""
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "ls-files", "-z"]
        tracked = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        names = [name for name in tracked.split("\0") if name]
    else:
        names = list(_walked())
    return sorted(name for name in names if (ROOT / name).is_file())


def _walked() -> Iterator[str]:
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not is_left_out(Path(folder), name)]
        yield from (_name(Path(folder, n)) for n in names if not is_left_out(Path(folder), n))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
