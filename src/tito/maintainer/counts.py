"""How many tests each kata's spec collects, written into its kata.toml."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tito.course.errors import Refusal
from tito.course.manifest import ROOT, Kata
from tito.run.runner import spec_paths


def generated(katas: Sequence[Kata]) -> dict[Path, str]:
    """Every kata.toml with its number of tests as it is now."""
    specs = spec_paths(spec for kata in katas for spec in kata.specs)
    pytest = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "--collect-only"]
    environment = os.environ | {"PYTEST_ADDOPTS": ""}
    command = [*pytest, "-qq", "--impl=reference", *specs]  # -qq prints FILE: NUMBER
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refusal(f"the specs cannot be collected:\n{done.stdout}{done.stderr}")
    counts = dict(re.findall(r"^(\S+\.py): (\d+)$", done.stdout, re.MULTILINE))
    return {kata.manifest: _counted(kata, counts) for kata in katas}


def _counted(kata: Kata, counts: dict[str, str]) -> str:
    number = sum(int(counts.get(spec, 0)) for spec in spec_paths(kata.specs))
    text = kata.manifest.read_text(encoding="utf-8")
    return re.sub(r"^tests = \d+$", f"tests = {number}", text, count=1, flags=re.MULTILINE)
