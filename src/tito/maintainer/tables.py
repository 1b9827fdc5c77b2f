"""The tables of README.md and docs/results.md, rendered from the records and from docs/figures.json.

A table is what is between two comments, `<!-- NAME: written by make records -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Manifest
from tito.strength import figures
from tito.strength.batches import TOLD
from tito.strength.counting import HEAD, Strength, strength
from tito.strength.strangers import wilson

PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
BY = "written by make records"
UNITS = {"percent": "{:.2f} %", "nats": "{:.3f} nats a character"}
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
        "strength": _strength(strengths, found["mutants"], found.get("strangers", {})),
        "strangers": _strangers(found.get("strangers", {})),
        "wrong-answers": _wrong(strengths),
        "mutants": _mutants(found["mutants"], manifest),
        "trainings": _trainings(found["trainings"]),
        "means": _means(found["trainings"]),
        "speed": _speed(found["speed"]),
    }


def _rows(head: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1) -> list[str]:
    """A table of Markdown; the first columns are texts, the others numbers."""
    under = ["---"] * texts + ["---:"] * (len(head) - texts)
    top, *lines = [f"| {' | '.join(map(str, row))} |" for row in (head, *rows)]
    return [top, f"|{'|'.join(under)}|", *lines]


def _strength(
    strengths: Sequence[Strength], mutants: dict[str, Any], tried: dict[str, Any]
) -> list[str]:
    head = (
        "kata",
        "strangers' wrong answers killed",
        "95 % interval",
        "registered ones killed",
        "screen names the mistake",
        "mutants killed",
    )
    rows, latest = [], [_latest(tried, s.kata.id) for s in strengths]
    for s, batch in zip(strengths, latest, strict=True):
        m = mutants.get(s.kata.id)
        killed = f"{m['killed']} of {m['mutants']}, {m['explained']} explained" if m else "not run"
        rows.append((s.title, *_rate(batch), f"{s.killed} of {s.wrong}", s.told, killed))
    pooled = _sum([batch for batch in latest if batch])
    registered = f"{sum(s.killed for s in strengths)} of {sum(s.wrong for s in strengths)}"
    rows.append(("all", *_rate(pooled), registered, sum(s.told for s in strengths), ""))
    return _rows(head, rows)


def _latest(tried: dict[str, Any], kata: str) -> dict[str, int]:
    """The figures of the latest batch of a kata, or nothing."""
    return next((f for name, f in reversed(tried.items()) if name.split()[-1] == kata), {})


def _sum(batches: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The figures of several batches together."""
    keys = [key for key in (batches[0] if batches else {}) if key != "date"]
    return {key: sum(batch[key] for batch in batches) for key in keys}


def _rate(batch: dict[str, int], of: str = "wrong", hits: str = "killed") -> tuple[str, str]:
    """How many of how many, and between which percentages the rate lies."""
    if not batch:
        return "not tried", ""
    low, high = wilson(batch[hits], batch[of])
    share = f", {100 * batch[hits] / batch[of]:.1f} %" if batch[of] else ""
    return f"{batch[hits]} of {batch[of]}{share}", f"{low:.1f} to {high:.1f} %"


def _strangers(tried: dict[str, Any]) -> list[str]:
    head = (
        "round",
        "kata",
        "date",
        "wrong answers killed",
        "95 % interval",
        "without repeats",
        "right ones accepted",
        "told the truth, a wrong thing, nothing",
        "disputed",
    )
    rounds: dict[str, dict[str, dict[str, Any]]] = {}
    for name, batch in tried.items():
        rounds.setdefault(name.split()[0], {})[name.split()[1]] = batch
    rows: list[tuple[object, ...]] = []
    for name, katas in rounds.items():
        pooled = {"all": {"date": ""} | _sum([*katas.values()])} if len(katas) > 1 else {}
        for kata, batch in (dict(sorted(katas.items())) | pooled).items():
            marks = [batch[f"told {word}"] for word in TOLD]
            judged = sum(marks) == batch["killed"]
            told = ", ".join(map(str, marks)) if judged else "not judged"
            right = f"{batch['accepted']} of {batch['right']}"
            new = _rate(batch, "new", "new killed")[0]
            rows.append(
                (name, kata, batch["date"], *_rate(batch), new, right, told, batch["disputed"])
            )
    return _rows(head, rows, texts=3)


def _wrong(strengths: Sequence[Strength]) -> list[str]:
    columns = [s.counts for s in strengths]
    total = [sum(column) for column in zip(*columns, strict=True)]
    rows = [(s.title, *s.counts) for s in strengths]
    return _rows(HEAD, [*rows, ("all", *total)])


def _mutants(katas: dict[str, Any], manifest: Manifest) -> list[str]:
    what, rows = ("mutants", "killed", "explained"), list[tuple[Any, ...]]()
    for kata in [k for k in manifest.katas if k.id in katas]:
        m = katas[kata.id]
        ours, others = ([m.get(kind + key, 0) for key in what] for kind in ("", "right "))
        rest = ours[0] - sum(ours[1:]) + others[0] - sum(others[1:])
        rows.append((f"{kata.id} {kata.title}", m["date"], *ours, *others, rest))
    total = [sum(column) for column in list(zip(*rows, strict=True))[2:]]
    head = ("mutants", "killed", "no mistake, explained")
    both = (*head, *[f"of right answers: {h}" for h in head])
    return _rows(("kata", "date", *both, "open"), [*rows, ("all", "", *total)], texts=2)


def _trainings(trainings: Sequence[dict[str, Any]]) -> list[str]:
    head = ("milestone", "data", "command", "date", "test accuracy or loss", "whole command")
    texts = ("milestone", "data", "command", "date")
    numbers = [f"{t['percent']} %" if "percent" in t else f"{t['nats']} nats" for t in trainings]
    rows = [
        (*[t[key] for key in texts], number, f"{t['seconds']} s")
        for t, number in zip(trainings, numbers, strict=True)
    ]
    return _rows(head, rows, texts=4)


def _means(trainings: Sequence[dict[str, Any]]) -> list[str]:
    """What each milestone reached with the reference, the mean of its recorded seeds."""
    rows = []
    for name, runs in groupby(trainings, key=lambda t: (t["milestone"], t["data"])):
        found = list(runs)
        unit = "percent" if "percent" in found[0] else "nats"
        number = UNITS[unit].format(fmean(t[unit] for t in found))
        command = found[0]["command"].partition(" ARGS")[0]
        rows.append((*name, f"`{command}`", number, len(found)))
    return _rows(("milestone", "data", "command", "reached", "seeds"), rows, texts=3)


def _speed(rows: dict[str, Any]) -> list[str]:
    """The reference's time for a row of `make bench`, as a share of PyTorch's, on both footings."""
    kernels = ("as shipped", "even AVX2")
    found = [(row, f["date"], *(f"{f[k]:.2f}" for k in kernels)) for row, f in rows.items()]
    return _rows(("time, PyTorch's being 1", "date", *kernels), found, texts=2)
