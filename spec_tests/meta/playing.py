"""Runs one module of tito in a small course, as `python -m tito.learner.why 02` does."""

from __future__ import annotations

import os
import subprocess
import sys

from small_course import SETTINGS, Course, Ran


def play(course: Course, module: str, *arguments: str, **settings: str) -> Ran:
    """Run it; settings are environment variables. No end of it may be a traceback."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-P", "-m", f"tito.learner.{module}", *arguments],
        cwd=course.root,
        env=environment | {"PYTHONPATH": str(course.root / "src")} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout, done.stdout
    return Ran(done.returncode, done.stdout)
