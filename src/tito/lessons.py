"""Record the lessons: run every wrong variant, keep what its killing test saw, and the lesson.

The fingerprints in spec_tests/lessons are what a learner's answer is compared with (by
support/lessons.py); the wrong answers themselves are not needed there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tito import variants
from tito.manifest import ROOT, Kata
from tito.runner import Job, Verdict, run, spec_paths
from tito.stubs import write_atomically

FOLDER = ROOT / "spec_tests" / "lessons"


def record(katas: Sequence[Kata]) -> dict[Path, str]:
    """The text of every kata's lessons file, from a fresh run of its wrong variants."""
    every = [v for kata in katas for v in variants.load(kata, right=False)]
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        jobs = [
            Job(variants.build(Path(scratch) / str(i), v), spec_paths([v.kata.spec]), ("-x",))
            for i, v in enumerate(every)
        ]
        return texts(katas, every, list(run(jobs)))


def texts(
    katas: Sequence[Kata], every: Sequence[variants.Variant], verdicts: Sequence[Verdict]
) -> dict[Path, str]:
    """The lessons files that the runs of the wrong variants amount to."""
    lessons: dict[str, dict[str, list[dict[str, str]]]] = {kata.id: {} for kata in katas}
    for variant, verdict in zip(every, verdicts, strict=True):
        for name in verdict.failed[:1]:
            entry = {
                "fingerprint": verdict.tests[name].get("fingerprint", ""),
                "variant": variant.id,
                "lesson": variant.lesson,
            }
            lessons[variant.kata.id].setdefault(name.partition("::")[2], []).append(entry)
    return {FOLDER / f"{kata.id}.json": _text(kata, lessons[kata.id]) for kata in katas}


def write(katas: Sequence[Kata]) -> list[Path]:
    """Write the lessons files that are not as they should be; returns those."""
    changed = []
    for path, text in record(katas).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)
            changed.append(path)
    return changed


def _text(kata: Kata, lessons: dict[str, list[dict[str, str]]]) -> str:
    source = f"generated from reference/variants/wrong/{kata.slug}.toml by: make lessons"
    return (
        json.dumps(
            {"generated": source, "lessons": dict(sorted(lessons.items()))},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )
