"""What a certificate runs: hashed, copied, and run from the copy.

Every file is read once: what is hashed is what is copied. Only what is known is taken: files of the
suite under its patterns, files of a package that its RECORD lists, modules of the learner's package.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import itertools
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path

from tito.course import stubs
from tito.course.doors import second_door
from tito.course.errors import Refusal
from tito.course.files import UPSTREAM, reminder
from tito.course.manifest import REFERENCE, ROOT, Kata, load

SOURCE_BYTES = 1 << 20  # the most that one file of a learner may hold
SUITE = (
    "pyproject.toml",
    "conftest.py",
    "katas/**/*.toml",
    "katas/*/README.md",
    "katas/*/*.py",
    "src/tito/*.py",
    "src/tito/course/**/*.*",
    "src/tito/run/**/*.*",
    "src/tito/certificate/**/*.*",
    "spec_tests/**/*.*",
)
OTHERS = "spec_tests/meta/"  # tests of the tool: they judge no learner
KINDS = {".py", ".toml", ".json", ".npy", ".md"}
OWN = [f"src/tinytorch/{name}" for name in sorted(UPSTREAM - {"__init__.py", "__pycache__"})]
JUDGES = [
    *("pytest", "hypothesis", "pytest-timeout"),
    *("iniconfig", "packaging", "pluggy", "Pygments", "sortedcontainers"),
]
TOOLS = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin")  # never what PATH names first


_PATTERNS = re.compile(
    "|".join(
        re.escape(p).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*") for p in (*SUITE, *OWN)
    )
)


@dataclass
class Suite:
    """All that judges.

    Attributes:
        digest: SHA-256 over the names and the bytes of its files.
        commit: which commit of the course it is compared with, or "".
        changed: its files that differ from that commit.
    """

    digest: str = ""
    commit: str = ""
    changed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.commit:
            return f"suite {self.digest}, compared with no commit (git knows none here)"
        many = f"{len(self.changed)} file{'s' * (len(self.changed) != 1)}"
        names = ", ".join(self.changed[:3]) + ", ..." * (len(self.changed) > 3)
        differs = f"differs from commit {self.commit[:12]} in {many}: {names}"
        return f"suite {self.digest}, {differs if self.changed else f'as in commit {self.commit}'}"


def tool(name: str) -> str | None:
    """A program of the system's, wherever PATH may lead."""
    return shutil.which(name, path=os.pathsep.join(TOOLS))


# ---- the suite -----------------------------------------------------------------------------------


def suite(target: Path) -> Suite:
    """Copy all that judges; refuse what is not known."""
    commit, recorded, listed = _git()
    total, changed = hashlib.sha256(), []
    for name in _names():
        _demand_known(name, listed)
        content = (ROOT / name).read_bytes()
        total.update(f"{name} {len(content)}\n".encode() + content)
        if name in recorded and recorded.pop(name) == _blob(content):
            pass
        elif commit:
            changed.append(name)
        _write(target / name, content)
    gone = [name for name in recorded if _PATTERNS.fullmatch(name) and _judges(name)]
    return Suite(total.hexdigest(), commit, sorted(changed + gone))


def _names() -> list[str]:
    """The names of all that judges, relative to the course."""
    found = {p for pattern in (*SUITE, *OWN) for p in ROOT.glob(pattern)}
    names = {p.relative_to(ROOT).as_posix() for p in found if "__pycache__" not in p.parts}
    return sorted(filter(_judges, names))


def _judges(name: str) -> bool:
    """Whether a file of the suite is about learners' code, and not about the tool."""
    return not name.startswith(OTHERS)


def _demand_known(name: str, listed: set[str]) -> None:
    """A plain file of a known kind, that hides no module and that git knows, where it knows any."""
    path, restore = ROOT / name, "remove it, or restore the course: git status"
    if path.is_symlink() or not path.is_file() or path.suffix not in {*KINDS, ".typed"}:
        raise Refusal(f"{name} is not known to the suite: {restore}")
    for folder in path.relative_to(ROOT).parents:
        if (ROOT / folder).with_suffix(".py").is_file() and str(folder) != ".":
            raise Refusal(f"{folder}/ hides {folder}.py: {restore}")
        if (ROOT / folder).is_symlink():
            raise Refusal(f"{folder} is a link, not a folder of the suite: {restore}")
    if listed and name not in listed:
        raise Refusal(f"{name} is not known to the suite: {restore}")


def _git() -> tuple[str, dict[str, str], set[str]]:
    """The commit, the blob of each of its files, and all names that git knows; empty without git."""
    git, clean = tool("git"), {"PATH": os.pathsep.join(TOOLS), "HOME": os.environ.get("HOME", "/")}

    def ask(*words: str) -> str:
        command = [git or "", "-c", "core.fsmonitor=false", *words]
        done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, check=True)
        return done.stdout.decode(errors="surrogateescape")

    try:
        if Path(ask("rev-parse", "--show-toplevel").strip()) != ROOT:
            return "", {}, set()
        rows = [row.partition("\t") for row in ask("ls-tree", "-rz", "HEAD").split("\0") if row]
        known = set(ask("ls-files", "-z").split("\0"))
        blobs = {name: entry.split()[2] for entry, _, name in rows}
        return ask("rev-parse", "HEAD").strip(), blobs, known
    except (OSError, subprocess.CalledProcessError):
        return "", {}, set()


def _blob(content: bytes) -> str:
    """Git's name for a file's content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


# ---- packages ------------------------------------------------------------------------------------


def package(name: str, folder: Path, target: Path) -> None:
    """Copy an installed package: the files of its RECORD, each as the RECORD says, no others."""
    again = "delete .venv, then: make setup"
    found = next(iter(Distribution.discover(name=name, path=[str(folder)])), None)
    record = found.read_text("RECORD") if found else None
    if record is None:
        raise Refusal(f"{name} is not installed in {folder}, or has no RECORD: {again}")
    for place, digest, _ in csv.reader(record.splitlines()):
        outside = ".." in place or "/tests/" in place or place.startswith("/")
        if not digest or outside or place.endswith(".pyc"):  # pip compiles anew what a wheel ships
            continue  # bytecode, commands, what no certificate runs
        content = (folder / place).read_bytes()
        kind, _, text = digest.partition("=")
        if base64.urlsafe_b64encode(hashlib.new(kind, content).digest()).decode()[:-1] != text:
            raise Refusal(f"{folder / place} is not the file that was installed: {again}")
        _write(target / place, content)


# ---- the learner's files -------------------------------------------------------------------------


def learners(implementation: Path, katas: Sequence[Kata], target: Path) -> dict[str, str]:
    """Copy the modules of a package up to the last of these katas; upstream's own are restored.

    Returns:
        SHA-256 by name, upstream's own excepted.
    """
    found, folder = {}, implementation / "tinytorch"
    if said := second_door(implementation):
        raise Refusal(said)
    for kata in katas:
        if not kata.file(implementation).exists():
            raise Refusal(f"{kata.file(implementation)} is missing: make module-{kata.id}")
        if said := reminder(kata, implementation):
            raise Refusal(f"a certificate is for your own work: {said}")
    later = {f"{k.module}.py" for k in load().katas if k.number > katas[-1].number}
    for path in sorted(folder.glob("*.py")):
        if path.name not in later | UPSTREAM and path.stem.isidentifier():
            _demand_plain(path)
            content = path.read_bytes()
            _write(target / path.name, content)
            found[path.name] = hashlib.sha256(content).hexdigest()
    for name, text in stubs.package_files(load()).items():
        _write(target / name, text.encode())
    return found


def _demand_plain(path: Path) -> None:
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        raise Refusal(f"{path} is refused: it must be a plain file in a plain folder")
    if path.stat().st_size > SOURCE_BYTES:
        raise Refusal(f"{path} is refused: it is larger than {SOURCE_BYTES:,} bytes")


def of_the_reference(files: dict[str, str]) -> list[str]:
    """The files that are the reference's, byte for byte."""
    known = {p.name: hashlib.sha256(p.read_bytes()) for p in (REFERENCE / "tinytorch").glob("*.py")}
    return [n for n, digest in files.items() if n in known and known[n].hexdigest() == digest]


# ---- folders -------------------------------------------------------------------------------------


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def contents(*folders: Path) -> str:
    """SHA-256 over what stands in folders, to see whether it is still the same."""
    total = hashlib.sha256()
    for path in sorted(p for folder in folders for p in folder.rglob("*")):
        total.update(f"{path} {path.is_symlink()}\n".encode(errors="surrogateescape"))
        total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()


def remove(folder: Path) -> None:
    """Remove a folder that hostile code wrote into: no link is followed, no depth is too deep."""
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    numbers = itertools.count()
    try:
        while names := os.listdir(top):
            for name in names:
                for deeper in _taken(name, top):
                    _unlink_or_lift(deeper, name, top, f"lifted-{next(numbers)}")
                if _is_folder(name, top):
                    os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    folder.rmdir()


def _is_folder(name: str, within: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _taken(name: str, within: int) -> Iterator[str]:
    """The names in a folder, which is made writable first; anything else is removed."""
    if not _is_folder(name, within):
        os.unlink(name, dir_fd=within)
        return iter(())
    os.chmod(name, 0o700, dir_fd=within)
    opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        return iter(os.listdir(opened))
    finally:
        os.close(opened)


def _unlink_or_lift(name: str, folder: str, top: int, free: str) -> None:
    """Remove a file; a folder is lifted to the top, so that no path grows long."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        if _is_folder(name, opened):
            os.chmod(name, 0o700, dir_fd=opened)
            os.rename(name, free, src_dir_fd=opened, dst_dir_fd=top)
        else:
            os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)
