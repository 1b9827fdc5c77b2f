"""docs/failures/: mistakes that people make, each with the screen that it gets, held to what is printed.

make records          writes the pages anew, and make verify compares
"""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

from test_screens import KATAS, normalised, planted

from tito.course.manifest import ROOT
from tito.run.runner import run
from tito.strength.records import job as variant_job

SOURCE, PAGES = Path(__file__).with_name("failures.toml"), ROOT / "docs" / "failures"
COMMAND = "make records"
MARK = f"<!-- generated from spec_tests/meta/failures.toml by: {COMMAND} -->"
INDEX = f"""{MARK}
# Failures, as they print

Mistakes that people make, not the registered wrong answers that test the tests: what was written, what
`make test-NN` shows first, and how that leads to the fix. Where the screen knows what it looks like, it says
so; where it does not, it is silent, and the call, both answers and the line are what there is.

| kata | mistakes |
|---|---|
"""
ENTRY = """
## {title}

```python
{new}
```

```
{screen}
```

{told}
"""


def mistakes() -> list[dict[str, str]]:
    """The mistakes, in the order of the page."""
    found: list[dict[str, str]] = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["mistake"]
    return found


def generated() -> dict[Path, str]:
    """The index and a page for each kata, from fresh runs of its spec up to the first failure."""
    pages = {kata: f"{MARK}\n# Kata {kata}: failures, as they print\n" for kata in of_katas()}
    for mistake, shown in zip(mistakes(), shown_screens(), strict=True):
        new = mistake["new"].strip("\n")
        pages[mistake["kata"]] += ENTRY.format(**mistake | {"screen": shown, "new": new})
    files = {PAGES / f"{KATAS[kata].slug}.md": text for kata, text in pages.items()}
    return {PAGES / "README.md": index()} | files


def index() -> str:
    """Which mistakes are on which page."""
    titles = {kata: [m["title"] for m in mistakes() if m["kata"] == kata] for kata in of_katas()}
    rows = [
        f"| [{kata} {KATAS[kata].title}]({KATAS[kata].slug}.md) | {'<br>'.join(said)} |\n"
        for kata, said in titles.items()
    ]
    return INDEX + "".join(rows)


def of_katas() -> list[str]:
    """The katas that mistakes are from, in order."""
    return sorted({mistake["kata"] for mistake in mistakes()})


def shown_screens() -> list[str]:
    """What each mistake's learner would read."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        varied = [
            planted(m["kata"], str(i), "", m["old"], m["new"]) for i, m in enumerate(mistakes())
        ]
        jobs = [variant_job(v, Path(scratch).resolve() / f"{v.kata.id}-{v.id}") for v in varied]
        return [screen(v, job.impl) for v, job in zip(run(jobs), jobs, strict=True)]


def screen(verdict: Any, folder: Path) -> str:
    """What the first failing test of a run shows."""
    assert verdict.failed, f"nothing fails in {folder}: {verdict.problem}"
    return normalised(verdict.failed[0].message, folder)


def test_every_page_has_its_mistakes() -> None:
    """No page is left over, none is missing."""
    assert {path.name for path in PAGES.iterdir()} == {
        "README.md",
        *(f"{KATAS[kata].slug}.md" for kata in of_katas()),
    }


def test_mistakes_are_of_every_kata() -> None:
    """At least three from each kata that has a spec, and each is told in a sentence."""
    katas = [kata for kata, found in KATAS.items() if all(spec.is_file() for spec in found.specs)]
    assert of_katas() == katas
    assert all(sum(m["kata"] == kata for m in mistakes()) >= 3 for kata in katas)
    assert all(len(m["told"].split()) > 5 for m in mistakes())


def test_mistakes_are_seen() -> None:
    """Where something is only left out, the lines around it are shown, too."""
    assert not [m["title"] for m in mistakes() if m["new"].strip("\n") in m["old"].split("\n")]
