"""`tito verify`: what the maintainers run. One list of steps; each failure names what mends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

from tito.gates import GATES
from tito.manifest import ROOT

PYTHON = ("src/tito", "reference", "spec_tests", "milestones", "benchmarks", "conftest.py", "bootstrap.py")
SHOWN = 40  # lines of a failed step's output
MODULE = (sys.executable, "-P", "-m")
TESTS = (*MODULE, "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--impl=reference")


@dataclass(frozen=True)
class Step:
    """One check: a command that ends with 0, what mends a failure, and files it is about."""

    name: str
    command: tuple[str, ...]
    mend: str
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def steps() -> list[Step]:
    """Every check, quick ones first."""
    tito = (*MODULE, "tito")
    gates = [
        Step(f"gate {name}", (*tito, "gates", "--only", name), f"tito gates NN --only {name}")
        for name in GATES
    ]
    paths = {"MYPYPATH": "reference"}
    return [
        Step("ruff check", (*MODULE, "ruff", "check", *PYTHON), "ruff check --fix", PYTHON),
        Step("ruff format", (*MODULE, "ruff", "format", "--check", "-q", *PYTHON), "ruff format"),
        Step("mypy src/tito", (*MODULE, "mypy", "src/tito", "bootstrap.py"), "mypy src/tito"),
        Step("mypy reference", (*MODULE, "mypy", "reference/tinytorch"), "see above", (), paths),
        Step("budget", (*tito, "budget"), "make budget"),
        Step("stubs", (*tito, "stubs", "--check"), "make stubs"),
        Step("oracle", (*tito, "oracle", "--check"), "make oracle-NN"),
        Step("lessons", (*tito, "lessons", "--check"), "tito lessons NN"),
        *gates,
        Step("meta tests", (*TESTS, "spec_tests/meta"), "pytest spec_tests/meta --impl=reference"),
        Step(
            "doctests",
            (*TESTS, "--doctest-modules", "reference/tinytorch", "src/tito"),
            "pytest --doctest-modules reference/tinytorch src/tito --impl=reference",
        ),
        Step(
            "milestones",
            (*TESTS, "milestones"),
            "pytest milestones --impl=reference",
            ("milestones/test_milestones.py",),
        ),
        Step("benchmarks", (*MODULE, "compileall", "-q", "benchmarks"), "", ("benchmarks/run.py",)),
    ]


def verify() -> int:
    """Run every step, one line each as it ends; the last line counts them."""
    started, failed = time.monotonic(), []
    every = steps()
    for step in every:
        print(f"{step.name:<16}", end="", flush=True)
        began = time.monotonic()
        output = _run(step)
        print(f"{'FAILED' if output else 'ok':<8}{time.monotonic() - began:6.1f} s", flush=True)
        if output:
            failed.append(step.name)
            print("\n".join(f"    {line}" for line in output.splitlines()[-SHOWN:]))
            print(f"    mend: {step.mend}\n", flush=True)
    print(f"in {time.monotonic() - started:.0f} s" + f"; failed: {', '.join(failed)}" * bool(failed))
    print(f"{len(every) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _run(step: Step) -> str:
    """What a failed step printed; nothing if it passed. A step without its files fails."""
    missing = [path for path in step.needs if not (ROOT / path).exists()]
    if missing:
        return f"missing: {', '.join(missing)}"
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        step.command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path} | step.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout.strip() or f"exit code {done.returncode}"
