"""Tests that are collected once and run many times.

A session of pytest collects a spec, which imports no learner's file, and stops before the first test.
Each run is a fork of it: it imports the learner's code, runs, reports and is gone, however it ends.
Where there is no fork (Windows) a run is a fresh process.
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
from pathlib import Path
from typing import Any

from tito.course.errors import Refusal
from tito.course.manifest import ROOT
from tito.run import runner

OPTIONS = ("-x", "--tb=native")  # a traceback as pytest prints it takes long, and no screen has it
QUIET = ("--capture=no", "-p", "no:faulthandler")  # a run has its own file for what is printed


class Fork:
    """A run in a fork; its methods are those of Popen."""

    def __init__(self, session: Any, test: str, folder: Path) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            try:
                os.setsid()
                _run(session, [i for i in session.items if not test or i.name == test], folder)
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
Begin = Callable[[str, Path], Process]  # starts a run of one test, or of all, in a folder


def _run(session: Any, items: list[Any], folder: Path) -> None:
    """In the fork: what pytest does from the first test to the report."""
    output = os.open(folder / "output", os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    session.config.option.results = str(folder / "results")
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            break
    session.config.hook.pytest_sessionfinish(session=session, exitstatus=0)


def fresh(impl: Path, spec: Path, test: str, folder: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own."""
    name = f"spec_tests/{spec.name}" + (f"::{test}" if test else "")
    arguments = runner.arguments(runner.Job(impl, (name,), OPTIONS), folder)
    with (folder / "output").open("wb") as output:
        command = [sys.executable, "-P", "-m", "pytest", *arguments]
        return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)


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


def collect(impl: Path, spec: Path, then: Callable[[Begin], None]) -> None:
    """Collect a spec, then call `then` with what starts a run of it; both end together."""
    if not hasattr(os, "fork"):
        return then(functools.partial(fresh, impl, spec))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported
    pytest, *_ = [importlib.import_module(n) for n in ("pytest", *runner.WARM, "numpy.random")]
    os.chdir(ROOT)
    arguments = [*runner.QUIET, *OPTIONS, *QUIET, f"--impl={impl}", f"spec_tests/{spec.name}"]
    holder = _Holder(then)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(arguments, plugins=[holder])
    if code == pytest.ExitCode.INTERRUPTED:  # pytest has kept Ctrl-C to itself
        raise KeyboardInterrupt
    if not holder.reached:
        raise Refusal(f"pytest could not collect {spec.name}:\n{said.getvalue()}")
    return None
