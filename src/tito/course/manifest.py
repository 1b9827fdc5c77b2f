"""The manifest: katas/NN_slug/kata.toml, one file a kata, as objects. There is no other list of katas."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal

ROOT = next(p for p in Path(__file__).resolve().parents if (p / "pyproject.toml").is_file())
REFERENCE = ROOT / "reference"
KATAS = ROOT / "katas"


@dataclass(frozen=True)
class Milestone:
    """What a learner's own framework then does on data.

    Attributes:
        number: 1, 2, ...; year: of the idea; title: for people.
        target: what is asserted, in words.
        script: its file in milestones/.
    """

    number: int
    title: str
    year: int
    target: str
    script: str

    @property
    def id(self) -> str:
        return f"m{self.number:02}"

    @property
    def command(self) -> str:
        return f"make milestone-{self.number:02}"

    @property
    def path(self) -> Path:
        return ROOT / "milestones" / self.script


@dataclass(frozen=True)
class Kata:
    """One kata.

    Attributes:
        number: 1 to 20.
        slug: its folder in katas/, such as 05_autograd.
        module: its file in the package, without .py.
        title, minutes: for people.
        tests: how many tests its spec collects.
        tasks: blanks by task, in the order in which they are best written.
        exports: what `from tinytorch import ...` offers.
        milestone: what opens when the kata is green, if something does.
    """

    number: int
    slug: str
    module: str
    title: str
    minutes: int
    tests: int
    tasks: dict[str, list[str]] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)
    milestone: Milestone | None = None

    @property
    def id(self) -> str:
        """Two digits, as in `make test-05`."""
        return f"{self.number:02}"

    @property
    def folder(self) -> Path:
        return KATAS / self.slug

    @property
    def manifest(self) -> Path:
        return self.folder / "kata.toml"

    @property
    def stub(self) -> Path:
        return self.folder / f"{self.module}.py"

    @property
    def spec(self) -> Path:
        """The file of its spec; of one in several files, without the ending, their folder."""
        return ROOT / "spec_tests" / f"test_{self.slug}.py"

    @property
    def specs(self) -> tuple[Path, ...]:
        """The files of its spec: one, or a folder with one for each task, in the order of the tasks."""
        parts = [self.spec.with_suffix("") / f"test_{self.id}_{task}.py" for task in self.tasks]
        return tuple(part for part in parts if part.is_file()) or (self.spec,)

    @property
    def suite(self) -> tuple[Path, ...]:
        """The files of its spec, and what they share: the other files of the spec's folder."""
        shared = {*self.spec.with_suffix("").glob("*.py")} - {*self.specs}
        return (*self.specs, *sorted(shared))

    @property
    def blanks(self) -> list[str]:
        return [name for names in self.tasks.values() for name in names]

    def file(self, implementation: Path) -> Path:
        """The kata's file in an implementation: any folder that holds a tinytorch package."""
        return implementation / "tinytorch" / f"{self.module}.py"


@dataclass(frozen=True)
class Manifest:
    """All katas, in order."""

    katas: tuple[Kata, ...]

    @cached_property
    def exports(self) -> dict[str, Kata]:
        """The kata that builds each exported name; a later kata takes a name over."""
        return {name: kata for kata in self.katas for name in kata.exports}

    def kata(self, number: int | str) -> Kata:
        """One kata by its number, as 5, "5" or "05"."""
        for kata in self.katas:
            if str(number).lstrip("0") == str(kata.number):
                return kata
        known = f"the katas are {self.katas[0].id} to {self.katas[-1].id}, see make status"
        raise Refusal(f"there is no kata {number}: {known}")

    def some(self, number: str) -> tuple[Kata, ...]:
        """One kata by its number, or all of them."""
        return (self.kata(number),) if number else self.katas

    def up_to(self, kata: Kata) -> tuple[Kata, ...]:
        """The kata and all before it."""
        return tuple(k for k in self.katas if k.number <= kata.number)


def load(folder: Path = KATAS) -> Manifest:
    """Read every kata.toml; a wrong field is named with its file."""
    paths = sorted(folder.glob("*/kata.toml"))
    if not paths:
        raise Refusal(f"{folder} holds no kata: git checkout -- katas")
    return Manifest(tuple(sorted(map(_kata, paths), key=lambda kata: kata.number)))


def _kata(path: Path) -> Kata:
    try:
        entry: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        if "milestone" in entry:
            entry["milestone"] = Milestone(**entry["milestone"])
        return Kata(slug=path.parent.name, **entry)
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise Refusal(f"{path}: {error}") from None
