"""Record the lessons: run every wrong variant, keep what its killing test saw, and the lesson.

The fingerprints in spec_tests/lessons are what a learner's answer is compared with (by
support/lessons.py); the wrong answers themselves are not needed there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tito.course.manifest import ROOT, Kata
from tito.run import variants
from tito.run.runner import Job, run, spec_paths

FOLDER = ROOT / "spec_tests" / "lessons"
Outcome = dict[str, Any]


def record(katas: Sequence[Kata]) -> dict[Path, str]:
    """The text of every kata's lessons file: of each wrong variant its killing test, run twice.

    An answer that is another one the second time (unseeded numbers, addresses) has no fingerprint,
    nor has one of too few numbers, unless the variant is registered as certain.
    That this test is the first to fail is the variants gate's business.
    """
    every = [v for kata in katas for v in variants.load(kata, right=False)]
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        jobs = [_job(v, Path(scratch) / str(i)) for i, v in enumerate(every)]
        first, second = list(run(jobs)), list(run(jobs))
    lessons: dict[str, dict[str, list[dict[str, str]]]] = {kata.id: {} for kata in katas}
    for variant, once, again in zip(every, first, second, strict=True):
        for name in once.failed[:1]:
            shown = fingerprint(variant, *(v.tests.get(name, {}) for v in (once, again)))
            entry = {"fingerprint": shown, "variant": variant.id, "lesson": variant.lesson}
            lessons[variant.kata.id].setdefault(name.partition("::")[2], []).append(entry)
    return {FOLDER / f"{kata.id}.json": _text(kata, lessons[kata.id]) for kata in katas}


def fingerprint(variant: variants.Variant, once: Outcome, again: Outcome) -> str:
    """The fingerprint that two runs of a variant agree on, if its lesson may be told by it."""
    seen = str(once.get("fingerprint", ""))
    tells = bool(once.get("telling")) or variant.certain
    return seen if tells and seen == again.get("fingerprint") else ""


def _job(variant: variants.Variant, folder: Path) -> Job:
    """The run of one wrong variant's killing test, and of no other."""
    [spec] = spec_paths([variant.kata.spec])
    return Job(variants.build(folder, variant), (f"{spec}::{variant.killed_by}",))


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
