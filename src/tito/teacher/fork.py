"""`tito ci`: what a fork's workflow runs. Tests, certificate, milestones; results.json and a summary.

What a learner's code says may look like a command to GitHub's runner. So its processes get none of
the runner's variables, its text goes to files, and it is printed where the runner heeds no command:
between `::stop-commands::TOKEN` and `::TOKEN::`, with a token that is drawn for this run.
"""

from __future__ import annotations

import html
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tito.course.ending import told
from tito.course.files import implementation, is_lent, short, unlocked
from tito.course.manifest import ROOT, Kata, Manifest
from tito.run import results_file, standing
from tito.run.outcome import Verdict
from tito.run.runner import run

RUNNERS = ("GITHUB_", "ACTIONS_", "RUNNER_")  # variables that learner's code has no business with
SECONDS = 900  # of a certificate or a milestone
SHOWN = 4000  # characters of one text in the summary
EMPTY = "nothing written yet: make module-01 in a clone of this fork, then commit src/tinytorch"
Said = tuple[int, str]  # a command's exit code and what it printed


def ci(manifest: Manifest) -> int:
    """Run a fork's job; 0 if nothing is written yet, or if all that is unlocked is green."""
    runner = {name: value for name, value in os.environ.items() if name.startswith(RUNNERS)}
    for name in runner:
        del os.environ[name]
    with unheeded("GITHUB_ACTIONS" in runner):
        return told(lambda: _job(manifest, implementation(), runner.get("GITHUB_STEP_SUMMARY", "")))


def _job(manifest: Manifest, impl: Path, summary: str) -> int:
    """Tests, certificate, milestones; then the file, the log and the summary."""
    ran = _tested(manifest, impl)
    green = _green(manifest, impl, ran)
    said = {f"certify {kata.id}": _tito("certify", kata.id) for kata in green[-1:]}
    certificate = [
        {"kata": green[-1].id, "granted": not code, "text": text} for code, text in said.values()
    ]
    for of in [kata.milestone for kata in green if kata.milestone]:
        said[f"milestone {of.number:02}"] = _tito("milestone", f"{of.number:02}")
    further = {"certificate": certificate[0] if certificate else None}
    found = results_file.write(manifest, impl, ran, **further)
    print(*_lines(found, ran, said), sep="\n")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(_summary(found, ran, said))
    print(f"\nstatus {found['status']}: {short(results_file.place(impl))}", flush=True)
    return 1 if found["status"] == "red" or any(code for code, _ in said.values()) else 0


def _tested(manifest: Manifest, impl: Path) -> list[tuple[Kata, Verdict]]:
    """Every test of every unlocked kata."""
    katas = [kata for kata in manifest.katas if unlocked(kata, impl)]
    jobs = [replace(standing.job(kata, impl, first=False), seconds=SECONDS) for kata in katas]
    return list(zip(katas, run(jobs), strict=True)) if jobs else []


def _green(manifest: Manifest, impl: Path, ran: Sequence[tuple[Kata, Verdict]]) -> list[Kata]:
    """Katas from the first on that are green and the learner's own."""
    own = {k.id for k, v in ran if standing.judge(k, v).green and not is_lent(k.file(impl))}
    red = next((k.number for k in manifest.katas if k.id not in own), len(manifest.katas) + 1)
    return [kata for kata in manifest.katas if kata.number < red]


def _tito(*arguments: str) -> Said:
    """Run a command in a process of its own; a terminal's colours stay away."""
    command = [sys.executable, "-P", "-m", "tito", *arguments]
    environment = os.environ | {"NO_COLOR": "1", "PYTHONPATH": str(ROOT / "src")}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, f"ended after {SECONDS} s: tito {' '.join(arguments)} did not return"
    return done.returncode, done.stdout.decode(errors="replace").strip()


@contextmanager
def unheeded(by_runner: bool) -> Iterator[None]:
    """Within this block the runner takes nothing that is printed for a command."""
    token = secrets.token_hex(16)
    if by_runner:
        print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        if by_runner:
            print(f"\n::{token}::", flush=True)


def _lines(
    found: dict[str, Any], ran: Sequence[tuple[Kata, Verdict]], said: dict[str, Said]
) -> Iterator[str]:
    """What the job's log shows."""
    yield from [EMPTY] * (not found["katas"])
    for kata in found["katas"]:
        yield f"{kata['id']} {kata['title']}: {_state(kata)}"
    for title, text in _texts(ran, said):
        yield from ("", title, text)


def _state(kata: dict[str, Any]) -> str:
    lent = "lent by the reference, " if kata["lent"] else ""
    return f"{lent}{kata['status']}, {kata['passed']} of {kata['tests']} tests"


def _texts(ran: Sequence[tuple[Kata, Verdict]], said: dict[str, Said]) -> Iterator[tuple[str, str]]:
    """The first failure of each kata, then what certificate and milestones printed."""
    for kata, verdict in ran:
        first = (
            verdict.failed[0].message if verdict.failed else standing.judge(kata, verdict).problem
        )
        if first:
            yield f"kata {kata.id}, the first failure", first[:SHOWN]
    for name, (_, text) in said.items():
        yield f"tito {name}", text[-SHOWN:]


def _summary(
    found: dict[str, Any], ran: Sequence[tuple[Kata, Verdict]], said: dict[str, Said]
) -> str:
    """The page of the run, in Markdown; text of the learner's code is escaped."""
    if not found["katas"]:
        return f"{EMPTY}\n"
    rows = [f"| {k['id']} | {html.escape(k['title'])} | {_state(k)} |" for k in found["katas"]]
    parts = [
        f"<details><summary>{title}</summary>\n<pre>{_escaped(text)}</pre>\n</details>\n"
        for title, text in _texts(ran, said)
    ]
    head = [f"**{found['status']}**", "", "| kata | | state |", "|---|---|---|"]
    return "\n".join([*head, *rows, "", *parts])


def _escaped(text: str) -> str:
    """Text that stays text on a page: no tag, and no empty line, which would end the block."""
    return "&#10;".join(html.escape(line) or " " for line in text.splitlines())
