"""The manifest, katas/katas.toml, as objects. It is the only list of katas anywhere."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tito.course.errors import Refusal

ROOT = next(p for p in Path(__file__).resolve().parents if (p / "pyproject.toml").is_file())
REFERENCE = ROOT / "reference"


@dataclass(frozen=True)
class Kata:
    """One kata.

    Attributes:
        number: 1 to 20.
        slug: its folder in katas/, such as 05_autograd.
        module: its file in the package, without .py.
        title, tier, minutes: for people.
        tests: how many tests its spec collects.
        tasks: blanks by task, in the order in which they are best written.
        given: code that the stub keeps, by name; `Note.*` is everything in a class.
        exports: what `from tinytorch import ...` offers.
        milestone: the milestone that its completion opens, such as m03, or "".
    """

    number: int
    slug: str
    module: str
    title: str
    tier: str
    minutes: int
    tests: int
    tasks: dict[str, list[str]] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    milestone: str = ""

    @property
    def id(self) -> str:
        """Two digits, as in `make test-05`."""
        return f"{self.number:02}"

    @property
    def folder(self) -> Path:
        return ROOT / "katas" / self.slug

    @property
    def stub(self) -> Path:
        return self.folder / f"{self.module}.py"

    @property
    def spec(self) -> Path:
        return ROOT / "spec_tests" / f"test_{self.slug}.py"

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
        raise Refusal(
            f"there is no kata {number}: the katas are {self.katas[0].id} to {self.katas[-1].id}, see make status"
        )

    def some(self, number: str) -> tuple[Kata, ...]:
        """One kata by its number, or all of them."""
        return (self.kata(number),) if number else self.katas

    def up_to(self, kata: Kata) -> tuple[Kata, ...]:
        """The kata and all before it."""
        return tuple(k for k in self.katas if k.number <= kata.number)


def load(path: Path = ROOT / "katas" / "katas.toml") -> Manifest:
    """Read the manifest; a wrong field is named with the file."""
    try:
        return Manifest(
            tuple(
                Kata(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["kata"]
            )
        )
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise Refusal(f"{path}: {error}") from None
