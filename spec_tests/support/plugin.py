"""The pytest side: which folder is under test, which katas are locked, how a failure reads.

Every test stays listed at all times; nothing here imports PyTorch or a learner's file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, core, settings
from hypothesis.internal.conjecture import providers

from support import diagnose, lessons, screen
from support.observe import ClauseFailure, failures, implementation
from support.strategies import BASE_SEED

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
    implementation.folder = (
        folder
        if folder.is_absolute()
        else config.invocation_params.dir / folder
        if (config.invocation_params.dir / folder).is_dir()
        else ROOT / folder
    ).resolve()
    sys.path.insert(0, str(implementation.folder))
    config.addinivalue_line(
        "markers", "slow: measures time or trains; not part of the first verdict"
    )
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


OUTCOMES = pytest.StashKey[dict[str, dict[str, Any]]]()


def pytest_report_header(config: pytest.Config) -> str:
    folder = implementation.folder
    return f"under test: {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}"


def kata_of(path: Path) -> str:
    """The two digits of test_05_autograd.py, or nothing."""
    match = re.match(r"test_(\d\d)_", path.name)
    return match.group(1) if match else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Locked katas are skipped with the command that unlocks them, and stay listed."""
    katas = {
        f"{k['number']:02}": k
        for k in tomllib.loads((ROOT / "katas" / "katas.toml").read_text(encoding="utf-8"))["kata"]
    }
    for item in items:
        number = kata_of(item.path)
        if (
            number in katas
            and not (
                implementation.folder / "tinytorch" / f"{katas[number]['module']}.py"
            ).is_file()
        ):
            item.add_marker(
                pytest.mark.skip(reason=f"kata {number} is locked: make module-{number}")
            )


def pytest_collection_finish() -> None:
    """A learner's files are compiled afresh: two saves within a second share one time stamp."""
    sys.dont_write_bytecode = True


def pytest_runtest_setup(item: pytest.Item) -> None:
    failures.clear()
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
        message = str(report.longrepr) if report.failed else ""
        item.config.stash[OUTCOMES][item.nodeid] = {
            "clause": screen.clause_number(docstring),
            "outcome": report.outcome,
            "message": message,
            "places": _places(error, number, item.name.partition("[")[2].rstrip("]")),
        }
        if report.failed and isinstance(error, ClauseFailure):
            item.config.stash[OUTCOMES][item.nodeid] |= {
                "fingerprint": lessons.fingerprint(error),
                "looks_like": error.looks_like,
                "xray": error.xray,
            }
    return report


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
        unfinished = Path(f"{target}.part")
        unfinished.write_text(
            json.dumps(
                {
                    "impl": str(implementation.folder),
                    "collected": session.testscollected,
                    "tests": session.config.stash[OUTCOMES],
                }
            )
        )
        unfinished.replace(target)
