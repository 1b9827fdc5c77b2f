"""The commands. Each is a line or two: what it does stands in the module that it calls.

What imports NumPy or PyTorch is imported inside its command, so that the others stay quick.
"""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tito.course.ending import told
from tito.course.errors import Refusal
from tito.course.files import implementation
from tito.course.manifest import REFERENCE, ROOT, load
from tito.course.terminal import paint
from tito.learner import doctor as checking
from tito.learner import hint as hinting
from tito.learner import lend as lending
from tito.learner import reveal as revealing
from tito.learner import status as mapping
from tito.learner import test as testing
from tito.learner import unlock as unlocking
from tito.maintainer import budget as counting
from tito.maintainer import commands as maintaining
from tito.maintainer import demo as playing
from tito.maintainer import verify as proving

HELP = "tito, the TinyTorch tools: unlock a kata, write it, test it, unlock the next."
DAILY, NOW_AND_THEN, MAINTAINERS = "Every day", "Now and then", "For maintainers"
SETTINGS = """
Settings
  FORCE=1 make module-NN     unlock although an earlier kata is not green; reveal-NN likewise
  LEND=1 make module-NN      fill the katas before it with the reference, marked as lent
  ALL=1 make test-NN         go on after the first failure
  IMPL=FOLDER make test-NN   test another folder that holds a tinytorch package
  make test-NN ARGS="..."    options of pytest, such as -k exp, or --raw for tracebacks

Commands are typed in the repository's folder; .venv/bin/tito test 05 works in every folder.
For maintainers: .venv/bin/tito --help and CONTRIBUTING.md"""
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
_number = typer.Argument(help="A number, such as 05.", show_default=False)
_some = typer.Argument(help="One kata's number; all if left out.", show_default=False)
_check = typer.Option("--check", help="Change nothing; 1 if something would change.")
Number = Annotated[str, _number]
Some = Annotated[str, _some]
Check = Annotated[bool, _check]
Force = Annotated[bool, typer.Option("--force", envvar="FORCE", help="Do it anyway.")]
Lend = Annotated[bool, typer.Option("--lend", envvar="LEND", help="Lend what comes before.")]
Every = Annotated[bool, typer.Option("--all", envvar="ALL", help="Go on after a failure.")]
Against = Annotated[str, typer.Option(envvar="AGAINST", help="A commit to compare with.")]
Impl = Annotated[str, typer.Option(envvar="IMPL", help="The folder under test; src if unset.")]


def command(panel: str, **settings: Any) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """A command: what the function returns is the exit code, every known end is one message."""

    def register(function: Callable[..., int]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*arguments: Any, **keywords: Any) -> None:
            action = functools.partial(function, *arguments, **keywords)
            raise typer.Exit(told(action if has_solutions or not needs else refused))

        settings.setdefault("name", function.__name__)
        needs, has_solutions = panel == MAINTAINERS and settings["name"] != "ci", REFERENCE.is_dir()

        def refused() -> int:
            raise Refusal(f"tito {settings['name']} is not part of this edition: no reference/")

        app.command(rich_help_panel=panel, **settings)(run)
        return run

    return register


@app.callback()
def settings(impl: Impl = "") -> None:
    """Settings of every command."""
    if impl:
        os.environ["IMPL"] = impl


@command(DAILY)
def module(number: Number, force: Force = False, lend: Lend = False) -> int:
    """Unlock a kata, if all before it are green."""
    if lend and (refused := lending.report(load(), number)):
        return refused
    return unlocking.module(load(), number, force)


@command(DAILY, name="test", context_settings=PASSED_ON)
def run_tests(context: typer.Context, number: Some = "", every: Every = False) -> int:
    """Test one kata up to its first failure, or all.

    Other options go to pytest.
    """
    if not number:
        return testing.test_all(load())
    return testing.test(load(), number, every, context.args)


@command(DAILY)
def watch(number: Number) -> int:
    """Test one kata at every save."""
    from tito.learner import watch as watching

    return watching.watch(load(), number)


@command(DAILY)
def hint(number: Number) -> int:
    """The next of three hints for what fails first."""
    return hinting.hint(load(), number)


@command(DAILY)
def status() -> int:
    """The map: locked, open, green, milestones, what is next."""
    return mapping.status(load())


@command(DAILY)
def milestone(number: Number, *, long: bool = False, seed: int | None = None) -> int:
    """Train on your own framework, to a target; ARGS="--long --seed=7"."""
    from tito.milestone import run as running

    seeds = [] if seed is None else [f"--seed={seed}"]
    return running.run(number, implementation(), ["--long"] * long + seeds)


@command(NOW_AND_THEN)
def reveal(number: Number, force: Force = False) -> int:
    """The reference beside your file, once the kata is green."""
    return revealing.reveal(load(), number, force)


@command(NOW_AND_THEN)
def why(number: Number) -> int:
    """Which kata is to blame: one after the other is replaced."""
    from tito.learner import why as asking

    return asking.why(load(), number)


@command(NOW_AND_THEN)
def reflect(number: Number) -> int:
    """Predict a number, then see it measured on your code."""
    from tito.learner import reflect as measuring

    return measuring.reflect(load(), number)


@command(NOW_AND_THEN)
def certify(number: Number) -> int:
    """Prove katas 01 to NN on fresh inputs, your files confined."""
    from tito.certificate import certify as confined

    return confined.isolated(number, implementation())


@command(NOW_AND_THEN)
def door() -> int:
    """After an update: move given code out of your tensor.py."""
    from tito.learner import door as moving

    return moving.door(load())


@command(NOW_AND_THEN)
def data() -> int:
    """Fetch the data sets; what is there and good is kept."""
    from tito.milestone import data as fetching

    return fetching.data()


@command(NOW_AND_THEN)
def doctor() -> int:
    """What is wrong around the course, and what fixes it."""
    return checking.doctor(load())


@command(NOW_AND_THEN)
def setup() -> int:
    """Make .venv, or repair it."""  # bootstrap.py has done it before this line is reached
    print(f"ready: Python {sys.version.split()[0]} in {sys.prefix}\n  next: make module-01")
    return 0


@command(NOW_AND_THEN, name="help")
def keyboard() -> int:
    """This list."""
    print("Unlock a kata, write it, test it, unlock the next. NN is a kata's number, such as 05.")
    for panel in (DAILY, NOW_AND_THEN):
        print(f"\n{paint(panel, 'bold')}")
        for each in [c for c in app.registered_commands if c.rich_help_panel == panel]:
            said = str(getattr(each.callback, "__doc__", "")).splitlines()[0]
            print(f"  {_typed(each):<26} {said}")
    print(SETTINGS)
    return 0


def _typed(command: typer.models.CommandInfo) -> str:
    """A command as a learner types it."""
    function = command.callback
    name = f"{'py bootstrap.py ' if os.name == 'nt' else 'make '}{command.name}"
    number = inspect.signature(function).parameters.get("number") if function else None
    if not number:
        return name
    one = f"{name}{' ' if os.name == 'nt' else '-'}NN"
    return one if number.default is number.empty else f"{one}, {name}"


@command(MAINTAINERS)
def ci() -> int:
    """What a fork's workflow runs: tests, certificate, milestones, runs/results.json."""
    from tito.teacher import fork as forking

    return forking.ci(load())


@command(MAINTAINERS)
def release(
    destination: Path, student: bool = False, spec_only: bool = False, stubs_only: bool = False
) -> int:
    """An edition in a new folder: the course without solutions, or specs and stubs without tests."""
    from tito.teacher import release as releasing

    if student == spec_only or (stubs_only and not spec_only):
        raise Refusal("say which edition: --student, --spec-only, or --spec-only --stubs-only")
    if student:
        return releasing.student(load(), destination)
    return releasing.spec_only(load(), destination, stubs_only)


@command(MAINTAINERS)
def demo() -> int:
    """Play the whole course in a scratch copy: unlock, red, reference, green, milestones."""
    return playing.demo(load())


@command(MAINTAINERS)
def verify() -> int:
    """Every check, a tenth of the variants among them."""
    return proving.verify(every=False)


@command(MAINTAINERS, name="verify-all")
def verify_all() -> int:
    """Every check, on every variant, and right answers of several katas together."""
    return proving.verify(every=True)


@command(MAINTAINERS)
def check() -> int:
    """A shorter verify for other systems and versions: what needs a learner's packages only."""
    return proving.check()


@command(MAINTAINERS)
def gates(number: Some = "", only: str = "") -> int:
    """The four gates (stub, solution, variants, prefix): what proves that a kata's spec is right."""
    return maintaining.gates(load(), number, only)


@command(MAINTAINERS)
def variant(name: str) -> int:
    """The run of one registered variant, such as 05/wrong/ID: the screen a learner would see."""
    return maintaining.variant(load(), name)


@command(MAINTAINERS)
def stubs(check: Check = False) -> int:
    """Generate the stubs and the package's __init__ from the reference."""
    return maintaining.stubs(load(), check)


@command(MAINTAINERS)
def records(number: Some = "", check: Check = False) -> int:
    """Regenerate all that follows from something else: counts, stubs, verdicts, lessons, tables."""
    return maintaining.records(load(), number, check)


@command(MAINTAINERS)
def oracle(number: Some = "", check: Check = False) -> int:
    """Record the expected values from PyTorch."""
    from tito.maintainer import oracle as recorder

    return recorder.oracle(load().some(number), check)


@command(MAINTAINERS)
def budget() -> int:
    """How much code there is, against how much there may be."""
    return counting.budget()


@command(MAINTAINERS)
def strangers(number: Number, file: Path, screens: bool = False, publish: str = "") -> int:
    """Answers of somebody who has seen no test: which wrong ones pass, which right ones do not?"""
    from tito.strength import strangers as trying

    return trying.strangers(load().kata(number), file, screens, publish)


@command(MAINTAINERS)
def mutants(number: Some = "") -> int:
    """Change every expression of the reference, one at a time: does its spec notice?"""
    from tito.strength import mutants as mutating

    return mutating.report(load().some(number))


@command(MAINTAINERS, context_settings=PASSED_ON)
def bench(context: typer.Context, against: Against = "") -> int:
    """The reference beside PyTorch, or beside an older commit of itself."""
    older = ["--against", against] if against else []
    return _script("benchmarks/run.py", *older, *context.args)


def _script(name: str, *arguments: str) -> int:
    """A script of this repository that is no part of the tool, because of what it imports.

    It takes this process's place, so that Ctrl-C and SIGTERM reach it and it can tidy up.
    """
    if not (ROOT / name).is_file():
        raise Refusal(f"{name} is missing: git checkout -- {name}")
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, str(ROOT / name), *arguments]
    environment = os.environ | {"PYTHONPATH": path}
    if os.name == "nt":
        return subprocess.run(command, env=environment, check=False).returncode
    os.execve(command[0], command, environment)
