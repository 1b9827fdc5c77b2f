"""How soon after a save `tito watch` shows its verdict: python benchmarks/watch.py 01 05

A learner who has done the first half of a kata's tasks (taken from the reference) saves twenty
times in a scratch copy of the course. Printed: the median and the longest time from the write to
the last line of the screen, and the load of the machine meanwhile.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tito.course import stubs
from tito.course.manifest import REFERENCE, ROOT, Kata, load
from tito.course.source import functions

SAVES = 20
PARTS = ("conftest.py", "pyproject.toml", "katas", "spec_tests", "src")


def half_done(kata: Kata) -> str:
    """The kata's file with the first half of its tasks done."""
    done = [name for names in list(kata.tasks.values())[: len(kata.tasks) // 2] for name in names]
    tree = ast.parse(kata.file(REFERENCE).read_text(encoding="utf-8"))
    helpers = [n for n, node in functions(tree) if re.match("_[^_]", node.name)]
    return stubs.stub(kata, keep=[*done, *helpers])


def screen(process: subprocess.Popen[str]) -> str:
    """What is shown next."""
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if line.startswith("watching"):
            return "".join(lines)
    raise SystemExit("".join(lines))


def times(kata: Kata, course: Path) -> list[float]:
    """Seconds from each save to its verdict."""
    for earlier in load().up_to(kata):
        solved = earlier.file(ROOT / "reference").read_text(encoding="utf-8")
        earlier.file(course / "src").write_text(solved, encoding="utf-8")
    file, text = kata.file(course / "src"), half_done(kata)
    file.write_text(text, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(course / "src")}
    command = [sys.executable, "-P", "-m", "tito.learner.watch", kata.id]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=course, env=environment, stdout=pipe, encoding="utf-8"
    ) as process:
        shown, found = screen(process), []
        for n in range(SAVES):
            time.sleep(0.1 + 0.0071 * n)  # at any point between two looks
            began = time.perf_counter()
            file.write_text(f"{text}\n# {n}\n", encoding="utf-8")
            shown = screen(process)
            found.append(time.perf_counter() - began)
        process.terminate()
    print(shown if "-v" in sys.argv else shown.splitlines()[2])
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, course / part)
        for number in [a for a in sys.argv[1:] if a != "-v"] or ["01", "05"]:
            found = times(load().kata(number), course)
            median, most = statistics.median(found), max(found)
            load_now = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
            print(f"kata {number}: median {median:.3f} s, longest {most:.3f} s; {load_now}")


if __name__ == "__main__":
    main()
