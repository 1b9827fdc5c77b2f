"""The engine: a spec is collected once, and each run is a fork of that session.

A session of pytest collects the spec, which imports no learner's file, and stops before the first
test. A fork of it imports an implementation, runs the tests and writes every outcome to a file. A
verdict is read from that file only: a run that ends early, however it ends, has none. Where the
system has no fork (Windows) a run is a process of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.manifest import ROOT

WARM = (
    "numpy",
    "numpy.random",
    "pytest",
    "hypothesis",
    "hypothesis.strategies",
    "hypothesis.internal.conjecture.engine",
    "hypothesis.internal.conjecture.shrinker",
    "_hypothesis_pytestplugin",
    "pytest_timeout",
)
ALONE = ("--disable-plugin-autoload", "-p", "hypothesispytest", "-p", "timeout")  # no other plugin
QUIET = (
    *ALONE,
    "-q",
    "-p",
    "no:cacheprovider",
    "--no-header",
    "--tb=native",  # the cheapest traceback
)
FORKED = ("--capture=no", "-p", "no:faulthandler")  # a run has its own file for what is printed
UNRAISED = ("-p", "no:unraisableexception")  # left out of runs in a hurry: it collects garbage


@dataclass(frozen=True)
class Job:
    """One run: an implementation and what to run on it.

    Attributes:
        impl: the folder that holds the tinytorch package.
        specs: spec files, from the repository on.
        tests: names of tests, such as "test_x[add]", if not all are to run.
        first: stop at the first failure.
        options: further options of pytest.
        environment: variables set before the spec is collected.
        seconds: after this long the run is ended without a verdict.
    """

    impl: Path
    specs: tuple[str, ...]
    tests: tuple[str, ...] = ()
    first: bool = True
    options: tuple[str, ...] = UNRAISED
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float = 300.0

    @property
    def session(self) -> tuple[Any, ...]:
        """What one collection serves: jobs that differ in nothing but this share it."""
        return (self.specs, self.options, tuple(sorted(self.environment.items())))


class Fork:
    """A run in a fork; its methods are those of Popen."""

    def __init__(self, session: Any, job: Job, folder: Path) -> None:
        self.code: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.setsid()
                _run(session, job, folder)
            finally:
                os._exit(1)

    def poll(self, flags: int = getattr(os, "WNOHANG", 0)) -> int | None:
        """How it ended, or None."""
        if self.code is None and (ended := os.waitpid(self.pid, flags))[0]:
            self.code = os.waitstatus_to_exitcode(ended[1])
        return self.code

    def wait(self) -> int | None:
        return self.poll(0)

    def kill(self) -> None:
        """End it and whatever it has started; a very young fork has no group of its own yet."""
        for end in (os.killpg, os.kill) if self.code is None else (os.killpg,):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(self.pid, signal.SIGKILL)


Process = Fork | subprocess.Popen[bytes]
Begin = Callable[[Job, Path], Process]  # starts a run that leaves its results in a folder


def _run(session: Any, job: Job, folder: Path) -> None:
    """In the fork: what pytest does from the first test to the report."""
    output = os.open(folder / "output", os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.modules["support.plugin"].put_under_test(job.impl)
    session.config.option.results = str(folder / "results")
    session.config.option.maxfail = int(job.first)
    items = [item for item in session.items if not job.tests or item.name in job.tests]
    session.testscollected = len(items)
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            break
    session.config.hook.pytest_sessionfinish(session=session, exitstatus=0)
    sys.stdout.flush()
    os._exit(0)


def fresh(job: Job, folder: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own."""
    names = [f"{spec}::{test}" for spec in job.specs for test in job.tests] or [*job.specs]
    where = [f"--impl={job.impl}", f"--results={folder / 'results'}"]
    options = [*QUIET, *["-x"] * job.first, *job.options, *where, *names]
    with (folder / "output").open("wb") as output:
        command = [sys.executable, "-P", "-m", "pytest", *options]
        environment = os.environ | job.environment
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)


class _Holder:
    """The plugin that hands over where pytest would run the tests."""

    def __init__(self, then: Callable[[Begin], None]) -> None:
        self.then, self.reached, self.stdout = then, False, sys.stdout

    def pytest_runtestloop(self, session: Any) -> bool:
        self.reached = True
        gc.collect()
        gc.freeze()  # forks then share these pages
        with contextlib.redirect_stdout(self.stdout):
            self.then(functools.partial(Fork, session))
        return True


def warm() -> None:
    """Import what every run needs, once, before the first fork."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported
    for name in WARM:
        importlib.import_module(name)


def collect(job: Job, then: Callable[[Begin], None]) -> None:
    """Collect a job's spec, then call `then` with what starts runs of it; both end together.

    Raises:
        Refusal: pytest cannot collect the spec; the message shows what it said.
    """
    if not hasattr(os, "fork"):
        return then(fresh)
    warm()
    import pytest

    os.chdir(ROOT)
    arguments = [*QUIET, *FORKED, *job.options, f"--impl={job.impl}", *job.specs]
    holder = _Holder(then)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(arguments, plugins=[holder])
    if code == pytest.ExitCode.INTERRUPTED:  # pytest has kept Ctrl-C to itself
        raise KeyboardInterrupt
    if not holder.reached:
        raise Refusal(f"pytest could not collect {', '.join(job.specs)}:\n{said.getvalue()}")
    return None
