"""The pytest side: which folder is under test, which katas are locked, how a failure reads.

Every test stays listed at all times; nothing here imports PyTorch or a learner's file.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, core, settings
from hypothesis.internal.conjecture import providers

from support import diagnose, lessons, screen
from support.observe import ClauseFailure, failures, implementation, kinds
from support.strategies import BASE_SEED
from tito.course.doors import second_door
from tito.course.manifest import load
from tito.run.outcome import Outcome

ROOT = Path(__file__).resolve().parents[2]
QUIET = [
    Phase.explicit,
    Phase.generate,
    Phase.shrink,
]  # no explain phase: it is slow, and not about the learner's code


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tinytorch")
    group.addoption(
        "--impl",
        default=os.environ.get("IMPL", "src"),
        help="the folder that holds the tinytorch package under test (default: src)",
    )
    group.addoption("--results", default=None, help="write every test's outcome to this JSON file")


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(config.getoption("--impl"))
    here = config.invocation_params.dir / folder  # absolute, if the folder is
    put_under_test((here if here.is_dir() else ROOT / folder).resolve())
    if said := second_door(implementation.folder):
        raise pytest.UsageError(said)
    config.stash[OUTCOMES] = {}
    # Constants in local files, a learner's among them, would steer what Hypothesis draws.
    providers._get_local_constants = lambda: providers._local_constants
    everywhere: dict[str, Any] = {
        "deadline": None,
        "database": None,
        "print_blob": False,
        "suppress_health_check": list(HealthCheck),
    }
    settings.register_profile(
        "learn", max_examples=60, derandomize=not BASE_SEED, phases=QUIET, **everywhere
    )
    settings.register_profile(
        "gate", max_examples=200, derandomize=not BASE_SEED, phases=QUIET, **everywhere
    )
    settings.register_profile(
        "mutants", max_examples=60, derandomize=not BASE_SEED, phases=QUIET[:2], **everywhere
    )  # nobody reads what would be shrunk
    settings.register_profile(
        "replay", max_examples=10, derandomize=not BASE_SEED, phases=QUIET[:2], **everywhere
    )  # a few calls of each test tell whether answers seen elsewhere meet it
    settings.register_profile("explore", max_examples=500, phases=QUIET, **everywhere)
    if BASE_SEED:  # shapes and orders are the secret seed's too
        core.global_force_seed = BASE_SEED
    settings.load_profile(os.environ.get("TINYTORCH_PROFILE", "learn"))


OUTCOMES = pytest.StashKey[dict[str, Outcome]]()


def put_under_test(folder: Path) -> None:
    """Make a folder the one that `tinytorch` is imported from."""
    implementation.folder, implementation.checked = folder, False
    sys.path.insert(0, str(folder))


def pytest_report_header(config: pytest.Config) -> str:
    folder = implementation.folder
    return f"under test: {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}"


def kata_of(path: Path) -> str:
    """The two digits of test_05_autograd.py, or nothing."""
    match = re.match(r"test_(\d\d)_", path.name)
    return match.group(1) if match else ""


@functools.cache
def modules() -> dict[str, str]:
    """The file of each kata, by its two digits."""
    return {kata.id: f"{kata.module}.py" for kata in load().katas}


def pytest_collection_finish() -> None:
    """A learner's files are compiled afresh: two saves within a second share one time stamp."""
    sys.dont_write_bytecode = True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Locked katas are skipped with the command that unlocks them, and stay listed."""
    failures.clear()
    kinds.clear()
    number = kata_of(item.path)
    module = modules().get(number)
    if module and not (implementation.folder / "tinytorch" / module).is_file():
        pytest.skip(f"kata {number} is locked: make module-{number}")
    target = item.config.getoption("--results")
    if target:  # where the run was, if it ends without a report
        docstring = str(getattr(getattr(item, "function", None), "__doc__", "") or "")
        Path(f"{target}.running").write_text(f"{item.name}: {docstring.strip()}", encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """The failure screen is the whole representation of a failed clause."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    number = kata_of(item.path)
    docstring = str(getattr(getattr(item, "function", None), "__doc__", "") or item.name)
    if (
        report.failed
        and isinstance(error, ClauseFailure)
        and number
        and item.config.getoption("verbose") < 1
    ):
        parameter = item.name.partition("[")[2].rstrip("]")
        error.xray = error.looks_like or diagnose.explain_pairs(
            [f.pair for f in failures if f.pair]
        )
        error.looks_like = lessons.lesson(number, item.name, error) or error.xray
        report.longrepr = screen.render(error, docstring, number, parameter)
    if number and (report.when == "call" or report.failed or report.skipped):
        item.config.stash[OUTCOMES][item.nodeid] = _outcome(item, report, docstring, error, number)
    return report


def _outcome(
    item: pytest.Item, report: Any, docstring: str, error: BaseException | None, number: str
) -> Outcome:
    drawn = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    told = isinstance(error, ClauseFailure) and report.failed
    return Outcome(
        id=item.nodeid.removeprefix("spec_tests/"),
        clause=screen.clause_number(docstring),
        status=report.outcome,
        message=str(report.longrepr) if report.failed else "",
        places=tuple(_places(error, number, item.name.partition("[")[2].rstrip("]"))),
        kinds=tuple(sorted(kinds | ({"properties"} if drawn else set()))),
        fingerprint=lessons.fingerprint(error) if told else "",
        looks_like=error.looks_like if told else "",
        xray=error.xray if told else "",
    )


def _places(error: BaseException | None, number: str, parameter: str) -> list[tuple[str, int]]:
    """Lines of the learner's code that a failure is about, the likeliest first: what a hint is for."""
    frames = (
        [error.frame, screen.culprit(error, number, parameter)]
        if isinstance(error, ClauseFailure)
        else []
    )
    return [(frame.path, frame.line) for frame in frames if frame]


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption("--results")
    if target:
        tests = [asdict(outcome) for outcome in session.config.stash[OUTCOMES].values()]
        unfinished = Path(f"{target}.part")
        unfinished.write_text(json.dumps({"collected": session.testscollected, "tests": tests}))
        unfinished.replace(target)
