"""The results file: what one run of specs found, as docs/results.schema.json describes it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tito.course.files import is_lent, write_atomically
from tito.course.manifest import ROOT, Kata, Manifest, Milestone
from tito.run.outcome import Verdict
from tito.run.standing import judge

SCHEMA = 1
LONGEST = 10_000  # characters of one message
SPECS = ("spec_tests/**/*.*", "katas/*/kata.toml", "conftest.py")
TOOL = ("src/tito/**/*.py", "pyproject.toml", "requirements/*.txt")
Ran = Sequence[tuple[Kata, Verdict]]  # katas that a run was asked for


def place(impl: Path) -> Path:
    """Where the results of an implementation are written."""
    name = "results" if impl == ROOT / "src" else f"results-{impl.name}"
    return ROOT / "runs" / f"{name}.json"


def write(manifest: Manifest, impl: Path, ran: Ran, **further: Any) -> dict[str, Any]:
    """Write the file; a folder that cannot be written costs the file, never the run."""
    found = results(manifest, impl, ran) | further
    with contextlib.suppress(OSError):
        write_atomically(place(impl), json.dumps(found, indent=1) + "\n")
    return found


def results(manifest: Manifest, impl: Path, ran: Ran) -> dict[str, Any]:
    """What a run found, and what it follows from, as plain data."""
    katas = [_kata(kata, impl, verdict) for kata, verdict in ran]
    opened = [kata.milestone for kata in manifest.katas if kata.milestone]
    return {
        "schema": SCHEMA,
        "status": _status({kata["status"] for kata in katas}),
        "partial": any(kata["status"] == "partial" for kata in katas),
        "commit": _commit(),
        "hashes": {
            "learner": {p.name: _hash([p]) for p in sorted((impl / "tinytorch").glob("*.py"))},
            "specs": _hash(p for pattern in SPECS for p in ROOT.glob(pattern)),
            "tool": _hash(p for pattern in TOOL for p in ROOT.glob(pattern)),
        },
        "environment": _environment(),
        "katas": katas,
        "tests": [_test(test) for _, verdict in ran for test in map(asdict, verdict.tests)],
        "milestones": [m for m in (report(each, impl) for each in opened) if m],
    }


def _status(found: set[str]) -> str:
    """Of the whole run: partial before red before green; empty if no kata was there to run."""
    return next((s for s in ("partial", "red", "green") if s in found), "empty")


def _kata(kata: Kata, impl: Path, verdict: Verdict) -> dict[str, Any]:
    found = judge(kata, verdict)
    status = "green" if found.green else "red"
    return {
        "id": kata.id,
        "title": kata.title,
        "status": "partial" if verdict.selected and not found.green else status,
        "lent": is_lent(kata.file(impl)),
        "tests": kata.tests,
        "reported": len(verdict.tests),
        "passed": found.passed,
        "problem": found.problem,
        "seconds": round(verdict.seconds, 3),
    }


def _test(test: dict[str, Any]) -> dict[str, str]:
    fields = {name: test[name] for name in ("id", "clause", "status", "message")}
    return fields | {"message": test["message"][:LONGEST]}


def report(milestone: Milestone, impl: Path) -> dict[str, Any] | None:
    """What the last run of a milestone on this implementation left, if it can be read."""
    path = ROOT / "runs" / f"{milestone.id}-{impl.name}" / "metrics.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            "id": milestone.id,
            "passed": bool(found["passed"]),
            "number": float(found["number"]),
            "unit": str(found.get("unit", "%")),
            "dataset": str(found["dataset"]),
            "lent": [str(name) for name in found.get("lent", [])],
        }
    return None


def _commit() -> str | None:
    """The commit of this repository, if it is one."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return None


def _hash(paths: Iterable[Path]) -> str:
    """SHA-256 over names and bytes; of one file, over its bytes, as sha256sum prints it."""
    files = sorted({p for p in paths if p.is_file() and "__pycache__" not in p.parts})
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        total.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return total.hexdigest()


def _blas() -> str:
    """The library behind NumPy's products, as NumPy was built with it."""
    import numpy as np  # not before it is needed: a run of specs begins sooner

    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[word]) for word in ("name", "version") if word in blas) or "unknown"


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "blas": _blas(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count() or 1,
        "ci": os.environ.get("CI", "") == "true",
    }
