"""docs/failures.md: mistakes that people make, each with the screen that it gets, held to what is printed.

python spec_tests/meta/test_failures.py          writes the page anew
"""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

from test_screens import KATAS, difference, normalised, planted

from tito.course.manifest import ROOT
from tito.maintainer.gates import variant_job
from tito.run.runner import run

SOURCE, PAGE = Path(__file__).with_name("failures.toml"), ROOT / "docs" / "failures.md"
COMMAND = "python spec_tests/meta/test_failures.py"
HEAD = f"""<!-- generated from spec_tests/meta/failures.toml by: {COMMAND} -->
# Failures, as they print

Mistakes that people make, not the registered wrong answers that test the tests: what was written, what
`make test-NN` shows first, and how that leads to the fix. Where the screen knows what it looks like, it says
so; where it does not, it is silent, and the call, both answers and the line are what there is.
"""
ENTRY = """
## {kata} · {title}

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


def page() -> str:
    """The whole page, from fresh runs of each kata's spec up to the first failure."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        varied = [
            planted(m["kata"], str(i), "", m["old"], m["new"]) for i, m in enumerate(mistakes())
        ]
        jobs = [variant_job(v, Path(scratch).resolve() / f"{v.kata.id}-{v.id}") for v in varied]
        screens = [screen(v, job.impl) for v, job in zip(run(jobs), jobs, strict=True)]
    entries = [
        ENTRY.format(**m | {"screen": s, "new": m["new"].strip("\n")})
        for m, s in zip(mistakes(), screens, strict=True)
    ]
    return HEAD + "".join(entries)


def screen(verdict: Any, folder: Path) -> str:
    """What the first failing test of a run shows."""
    assert verdict.failed, f"nothing fails in {folder}: {verdict.problem}"
    return normalised(verdict.failed[0].message, folder)


def test_page_is_what_is_printed() -> None:
    """Every mistake's screen on the page is the one that it gets now."""
    said = difference(PAGE, page(), COMMAND)
    assert not said, said


def test_mistakes_are_of_the_four_katas() -> None:
    """At least ten, from katas 01, 03, 05 and 06, each told in a sentence."""
    assert len(mistakes()) >= 10
    assert {m["kata"] for m in mistakes()} == {"01", "03", "05", "06"} <= set(KATAS)
    assert all(len(m["told"].split()) > 5 for m in mistakes())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{len(mistakes())} mistakes in {PAGE.relative_to(ROOT)}")
