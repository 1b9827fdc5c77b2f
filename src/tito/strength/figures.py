"""docs/figures.json: the figures of long runs, which the tables are rendered from."""

from __future__ import annotations

import json
import time
from typing import Any

from tito.course.files import write_atomically
from tito.course.manifest import ROOT

FIGURES = ROOT / "docs" / "figures.json"


def read() -> Any:
    """All figures, by the kind of run."""
    return json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}


def keep(kind: str, name: str, counts: dict[str, Any]) -> None:
    """Write the figures of one long run, with the date, over those that have its name."""
    figures = read()
    figures.setdefault(kind, {})[name] = {"date": time.strftime("%Y-%m-%d")} | counts
    write_atomically(FIGURES, json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
