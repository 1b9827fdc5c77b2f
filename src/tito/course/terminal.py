"""Text on a terminal: colour where it is shown, lines that fit."""

from __future__ import annotations

import os
import sys
import textwrap

COLOURS = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
WIDTH = 96


def paint(text: str, colour: str) -> str:
    """Text in a colour where a terminal shows it."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\033[{COLOURS[colour]}m{text}\033[0m"


def wrapped(text: str, first: str, most: int | None = None) -> list[str]:
    """Lines that fit a screen, `most` at most."""
    later = first if first.startswith("#") else " " * len(first)
    fill = textwrap.TextWrapper(WIDTH, first, later, max_lines=most, placeholder=" ...")
    return fill.wrap(text)
