"""The tables of README.md and docs/results.md, rendered from the records and from docs/figures.json.

A table is what is between two comments, `<!-- NAME: written by make records -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Manifest
from tito.strength import figures
from tito.strength.counting import HEAD, Strength, strength

PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
BY = "written by make records"
PLACE = re.compile(rf"( *)<!-- ([\w-]+): {BY} -->\n(.*?)<!-- end -->\n", re.DOTALL)


def generated(manifest: Manifest) -> dict[Path, str]:
    """The pages with their tables as they should be."""
    pages = [page for page in PAGES if page.is_file()]
    tables = _tables(manifest) if pages else {}

    def table(found: re.Match[str]) -> str:
        indent, name = found[1], found[2]
        if name not in tables:
            raise Refusal(f"there is no table {name}: the tables are {', '.join(tables)}")
        lines = [f"<!-- {name}: {BY} -->", *tables[name], "<!-- end -->"]
        return "".join(f"{indent}{line}\n" for line in lines)

    return {page: PLACE.sub(table, page.read_text(encoding="utf-8")) for page in pages}


def _tables(manifest: Manifest) -> dict[str, list[str]]:
    strengths, found = [strength(kata) for kata in manifest.katas], figures.read()
    return {
        "strength": _strength(strengths, found["mutants"]),
        "wrong-answers": _wrong(strengths),
        "mutants": _mutants(found["mutants"], manifest),
        "trainings": _trainings(found["trainings"]),
    }


def _rows(head: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1) -> list[str]:
    """A table of Markdown; the first columns are texts, the others numbers."""
    under = ["---"] * texts + ["---:"] * (len(head) - texts)
    top, *lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
    return [top, f"|{'|'.join(under)}|", *lines]


def _strength(strengths: Sequence[Strength], mutants: dict[str, Any]) -> list[str]:
    head = ("kata", "wrong answers killed", "screen names the mistake", "mutants killed")
    rows = []
    for s in strengths:
        m = mutants.get(s.kata.id)
        killed = f"{m['killed']} of {m['mutants']}, {m['explained']} explained" if m else "not run"
        rows.append((s.title, f"{s.killed} of {s.wrong}", s.told, killed))
    return _rows(head, rows)


def _wrong(strengths: Sequence[Strength]) -> list[str]:
    columns = [s.counts for s in strengths]
    total = [sum(column) for column in zip(*columns, strict=True)]
    rows = [(s.title, *s.counts) for s in strengths]
    return _rows(HEAD, [*rows, ("all", *total)])


def _mutants(katas: dict[str, Any], manifest: Manifest) -> list[str]:
    rows = []
    for kata in [k for k in manifest.katas if k.id in katas]:
        m = katas[kata.id]
        rest = m["mutants"] - m["killed"] - m["explained"]
        rows.append((f"{kata.id} {kata.title}", m["mutants"], m["killed"], m["explained"], rest))
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    head = ("kata", "mutants", "killed", "no mistake, explained", "open")
    return _rows(head, [*rows, ("all", *[f"{n:,}" for n in total])])


def _trainings(trainings: Sequence[dict[str, Any]]) -> list[str]:
    head = ("milestone", "data", "command", "date", "test accuracy", "whole command")
    texts = ("milestone", "data", "command", "date")
    rows = [
        (*[t[key] for key in texts], f"{t['percent']} %", f"{t['seconds']} s") for t in trainings
    ]
    return _rows(head, rows, texts=4)
