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
from hypothesis.errors import HypothesisException
from hypothesis.internal.conjecture import providers

from support import lessons, observe, screen, tally, xray
from support.asserts import TestDefect, show
from support.observe import Call, ClauseFailure, debugger, failures, kinds, tested
from support.strategies import BASE_SEED
from tito.course.doors import second_door
from tito.course.manifest import load
from tito.run.outcome import Outcome

ROOT = Path(__file__).resolve().parents[2]
TOLD = 500  # characters of an error of the suite's own
# No explain phase: it is slow, and not about the learner's code.
QUIET = [Phase.explicit, Phase.generate, Phase.shrink]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tinytorch")
    group.addoption(
        "--impl",
        default=os.environ.get("IMPL", "src"),
        help="the folder that holds the tinytorch package under test (default: src)",
    )
    group.addoption("--results", default=None, help="write every test's outcome to this JSON file")
    group.addoption("--attended", action="store_true", help="somebody looks on at --results")
    group.addoption("--raw", action="store_true", help="show tracebacks instead of screens")


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(_option(config, "--impl") or os.environ.get("IMPL", "src"))
    here = config.invocation_params.dir / folder  # absolute, if the folder is
    put_under_test((here if here.is_dir() else ROOT / folder).resolve())
    if said := second_door(tested.folder):
        raise pytest.UsageError(said)
    reported.clear()
    # Constants in local files, a learner's among them, would steer what Hypothesis draws.
    providers._get_local_constants = lambda: providers._local_constants
    everywhere: dict[str, Any] = {
        "deadline": None,
        "database": None,
        "print_blob": False,
        "report_multiple_bugs": False,  # one screen, not a group of tracebacks
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


reported: dict[str, dict[str, Any]] = {}  # an outcome for each test, by pytest's name of it


def put_under_test(folder: Path) -> None:
    """Make a folder the one that `tinytorch` is imported from."""
    tested.folder, tested.checked = folder, False
    sys.path.insert(0, str(folder))


def _option(config: pytest.Config, name: str) -> Any:
    """An option of ours; None where pytest was started above the fork and has never heard of it."""
    return config.getoption(name, default=None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Started above the fork, pytest does not read our pyproject.toml: only specs are for learners."""
    rooms = ("spec_tests/meta", "milestones", "benchmarks", "reference", "src")
    if config.inipath and config.inipath.resolve() == ROOT / "pyproject.toml":
        return None
    return True if collection_path.resolve() in [ROOT / room for room in rooms] else None


def pytest_report_header(config: pytest.Config) -> str:
    folder = tested.folder
    return f"under test: {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}"


def kata_of(path: Path) -> str:
    """The two digits of spec_tests/test_05_autograd.py, or of a part of a spec in a folder, or nothing."""
    match = re.search(r"spec_tests/(?:test_\d\d_\w+/)?test_(\d\d)_\w+\.py$", path.as_posix())
    return match.group(1) if match else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of our tests are errors; those of what other plugins do are their own."""
    for item in items:
        if item.path.is_relative_to(ROOT):
            item.add_marker(pytest.mark.filterwarnings("error"), append=False)


@functools.cache
def modules() -> dict[str, str]:
    """The file of each kata, by its two digits."""
    return {kata.id: f"{kata.module}.py" for kata in load().katas}


def locked(number: str) -> str:
    """Why a kata's tests are skipped, and the command that is next; nothing if it is unlocked."""
    package = tested.folder / "tinytorch"
    absent = [n for n, module in modules().items() if not (package / module).is_file()]
    if number not in absent:
        return ""
    comes_first = "" if number == absent[0] else f", and so is kata {absent[0]}"
    return f"kata {number} is locked{comes_first}: make module-{absent[0]}"


def pytest_collection_finish() -> None:
    """A learner's files are compiled afresh: two saves within a second share one time stamp."""
    sys.dont_write_bytecode = True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Locked katas are skipped with the command that unlocks them, and stay listed."""
    failures.clear()
    kinds.clear()
    if reason := locked(kata_of(item.path)):
        pytest.skip(reason)
    target = _option(item.config, "--results")
    if target:  # where the run was, if it ends without a report
        docstring = str(getattr(getattr(item, "function", None), "__doc__", "") or "")
        Path(f"{target}.running").write_text(f"{item.name}: {docstring.strip()}", encoding="utf-8")


def pytest_enter_pdb(config: pytest.Config, pdb: Any) -> None:
    """`breakpoint()`: in a run of the tool, and where no terminal is, nobody can type."""
    debugger.open(_attended(config) and bool(sys.stdin and sys.stdin.isatty()))
    pdb.stdout = sys.stdout


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Item) -> Iterator[Any]:
    """If a test breaks on the answer that it got, that is a verdict, and its screen says so."""
    observe.last_call = Call()
    try:
        return (yield)
    except (ClauseFailure, TestDefect, HypothesisException, Warning, pytest.exit.Exception):
        raise  # the last one ends the run: q in pdb
    except Exception as error:
        several = error.exceptions if isinstance(error, ExceptionGroup) else [error]
        for verdict in several:
            if isinstance(verdict, (ClauseFailure, TestDefect)):
                raise verdict from None
        call = observe.last_call
        if not call.function or _option(pyfuncitem.config, "--raw"):
            raise
        odd = f"the test cannot read what came back ({type(several[0]).__name__}: {several[0]})"
        raise ClauseFailure(odd[:TOLD], got=show(call.answer)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """The failure screen is the whole representation of a failed clause."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    number, parameter = kata_of(item.path), item.name.partition("[")[2].rstrip("]")
    docstring = str(getattr(getattr(item, "function", None), "__doc__", "") or item.name)
    if (
        report.failed
        and isinstance(error, ClauseFailure)
        and number
        and not _option(item.config, "--raw")
    ):
        pairs = [f.pair for f in failures if f.pair]
        odd = any(xray.is_odd(f.call.arguments) for f in failures if f.pair)
        error.xray = error.xray or xray.wrote(error)
        error.xray = error.xray or xray.read_pairs(pairs, odd) or xray.where(failures)
        error.looks_like = lessons.lesson(number, item.name, error) or error.xray
        report.longrepr = screen.render(error, docstring, parameter)
    places = _places(error, docstring, parameter)
    if report.failed and places and os.environ.get("GITHUB_ACTIONS") == "true":
        path, line = places[0]  # where annotations stand: beside the learner's code, not the spec
        report.location = (os.path.relpath(path, item.config.rootpath), line - 1, item.name)
    if number and (report.when == "call" or report.failed or report.skipped):
        outcome = _outcome(item, report, docstring, error, places)
        report.tinytorch = asdict(outcome)  # so that it also comes back from a worker of xdist
    return report


def pytest_runtest_logreport(report: Any) -> None:
    if outcome := getattr(report, "tinytorch", None):
        reported[report.nodeid] = outcome


def _outcome(
    item: pytest.Item,
    report: Any,
    docstring: str,
    error: BaseException | None,
    places: list[tuple[str, int]],
) -> Outcome:
    drawn = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    told = isinstance(error, ClauseFailure) and report.failed
    return Outcome(
        id=item.nodeid.removeprefix("spec_tests/"),
        clause=screen.clause_number(docstring),
        status=report.outcome,
        message=str(report.longrepr) if report.failed else "",
        places=tuple(places),
        kinds=tuple(sorted(kinds | ({"properties"} if drawn else set()))),
        fingerprint=lessons.fingerprint(error) if told else "",
        telling=lessons.is_telling(error) if told else False,
        looks_like=error.looks_like if told else "",
        xray=error.xray if told else "",
    )


def _places(error: BaseException | None, docstring: str, parameter: str) -> list[tuple[str, int]]:
    """Lines of the learner's code that a failure is about, the likeliest first: what a hint is for."""
    if not isinstance(error, ClauseFailure):
        return []
    frame, likely, _ = screen.places(error, screen.clause_number(docstring), parameter)
    return [(place.path, place.line) for place in [frame, *likely[:1]] if place]


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput"):
        return  # a worker of xdist: the process that started it tells
    selected = tally.is_selection(config)
    if target := _option(config, "--results"):
        tests = list(reported.values())
        found = {"collected": max(session.testscollected, len(tests)), "tests": tests}
        unfinished = Path(f"{target}.part")
        unfinished.write_text(json.dumps(found | {"selected": selected}))
        unfinished.replace(target)
    if not selected and _too_few(config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    if exitstatus == pytest.ExitCode.OK or tally.is_selection(config):
        for line in _too_few(config):  # a run stopped by a failure has said why it is red
            terminalreporter.write_line(line)


def _too_few(config: pytest.Config) -> list[str]:
    """What is said where a person looks on and not all tests of a kata were reported."""
    if not _attended(config) or config.getoption("collectonly", False):
        return []
    names = [outcome["id"] for outcome in reported.values()]
    return list(tally.lines(config, names, tally.is_selection(config)))


def _attended(config: pytest.Config) -> bool:
    """Whether a person looks on: not in a run of the tool."""
    return not _option(config, "--results") or bool(_option(config, "--attended"))
