"""An edit of a file: what it names, by text or by definition, is replaced."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

Span = tuple[int, int]


@dataclass(frozen=True)
class Edit:
    """One edit of one file.

    Attributes:
        file: its name within the package.
        new: what is put in the place; for a definition or a statement any number of them, or none.
        old: what is replaced: a piece of text that stands there exactly once;
        replace: or a function, method or class by its name, such as "Tensor.item";
        statement: or one top-level statement by how it begins, such as "defvjp(multiply";
            or, where none of the three is given, the whole file.
    """

    file: str
    new: str
    old: str = ""
    replace: str = ""
    statement: str = ""

    def applied(self, text: str) -> str:
        """The text of the file after the edit.

        Raises:
            ValueError: what it names does not stand there exactly once, or nothing is changed.
        """
        named = self.old.strip()[:60] or self.replace or self.statement or "whole file"
        places = list(self._places(text))
        if not places or (len(places) > 1 and not self.replace):
            raise ValueError(
                f"its piece {named!r} stands {len(places)} times in reference/tinytorch/{self.file}, not once"
            )
        [first, *_], after = places, text
        for place in reversed(places):  # a property and its setter have one name
            after = (
                after[: place[0]] + self._new(text, first) * (place == first) + after[place[1] :]
            )
        if after == text:
            raise ValueError(
                f"its piece {named!r} changes nothing in reference/tinytorch/{self.file}"
            )
        return after

    def _places(self, text: str) -> Iterator[Span]:
        """From where to where what is replaced stands."""
        if self.old:
            yield from (found.span() for found in re.finditer(re.escape(self.old), text))
        elif self.replace or self.statement:
            lines = text.splitlines(keepends=True)
            ends = [0, *accumulate(map(len, lines))]
            for first, last in self._nodes(_tree(text), lines):
                yield ends[first - 1], ends[last]
        else:
            yield 0, len(text)

    def _nodes(self, tree: ast.Module, lines: list[str]) -> Iterator[Span]:
        """The first and the last line of each statement that is replaced."""
        *outer, name = self.replace.split(".")
        nodes: list[Any] = tree.body
        for each in outer:
            nodes = [inner for n in nodes if getattr(n, "name", "") == each for inner in n.body]
        for node in nodes:
            first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ())))
            if self.replace:
                meant = getattr(node, "name", "") == name
            else:
                code = _squeezed("".join(lines[first - 1 : node.end_lineno]))
                meant = code.startswith(_squeezed(self.statement))
            if meant:
                yield first, node.end_lineno

    def _new(self, text: str, place: Span) -> str:
        """What is put there, indented as what stands there is."""
        if not (self.replace or self.statement):
            return self.new
        there = text[slice(*place)]
        code = textwrap.dedent(self.new).strip("\n") + "\n" if self.new.strip() else ""
        return textwrap.indent(code, there[: len(there) - len(there.lstrip(" "))])


@functools.lru_cache(maxsize=32)
def _tree(text: str) -> ast.Module:
    """The parsed text: most edits begin at the same one, the reference's."""
    return ast.parse(text)


def _squeezed(code: str) -> str:
    """Code without white space: how a statement begins does not depend on where its lines break."""
    return "".join(code.split())
