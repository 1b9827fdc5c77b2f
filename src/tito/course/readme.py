"""A kata's README: its clauses, its sections, its goal."""

from __future__ import annotations

import re

from tito.course.manifest import Kata


def readme(kata: Kata) -> str:
    path = kata.folder / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def clauses(kata: Kata) -> dict[str, str]:
    """The numbered clauses of the kata's README: `- **05.4** A tensor used twice ...`."""
    return dict(re.findall(r"^- \*\*(\d\d\.\d+)\*\* (.+)$", readme(kata), re.MULTILINE))


def section(text: str, title: str) -> str:
    """What stands under a heading of Markdown, up to the next heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def goal(kata: Kata) -> str:
    """What is to be built: the first sentence of the README's goal."""
    text = " ".join(section(readme(kata), "Goal").split())
    return re.sub("^You (build|write) ", "", text.split(". ")[0].rstrip("."))
