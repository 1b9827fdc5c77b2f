"""The answer to a question, measured on an implementation."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tito.course.questions import Question

SECONDS = 60.0


def measure(question: Question, impl: Path) -> float | str:
    """The number as it is on this implementation, or why there is none."""
    command = [sys.executable, "-P", "-B", "-c", question.measure]
    environment = os.environ | {"PYTHONPATH": str(impl), "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS:g} s"
    said = done.stdout.decode(errors="replace").split()
    why = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode or not said:
        return why[-1] if why else f"Python ended with code {done.returncode}"
    found = number(said[-1])
    return f"{said[-1]} is no number to compare with" if found is None else found


def number(answer: Any) -> float | None:
    """4000, 4_000, "4,000" or 4e3 as a number; None for all else, such as "0,5", "4 MB" or nan."""
    try:
        value = float(re.sub(r",(?=\d{3}\b)", "", str(answer)))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
