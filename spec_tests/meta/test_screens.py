"""Failure screens exactly as a learner reads them, held to committed snapshots.

    make records          writes spec_tests/meta/screens anew, and make verify compares

Each is the run of a wrong answer: a registered variant, or one that is planted here because no
variant is of that kind. Wrong answers that do not disturb one another share a run. What differs
between machines and runs, such as measured bytes, is masked, and so are line numbers, which every
edit of the reference moves: a test of its own says that they are right. After a rewrite read the
diff, as a learner who is stuck would.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tito.course.manifest import load
from tito.run.engine import Job
from tito.run.outcome import Verdict
from tito.run.runner import run as run_all
from tito.run.runner import run_once, spec_paths
from tito.strength import variants
from tito.strength.variants import Edit, Variant

pytestmark = pytest.mark.pins  # words of Python and NumPy

SCREENS = Path(__file__).parent / "screens"
COMMAND = "make records"
KATAS = {kata.id: kata for kata in load().katas}


def planted(kata: str, name: str, test: str, old: str, new: str, file: str = "") -> Variant:
    """A wrong answer of a kind that no registered variant is of."""
    edit = Edit(file or f"{KATAS[kata].module}.py", new, old)
    return Variant(KATAS[kata], name, False, (edit,), test, "")


RELU = "    return np.maximum(x, 0)\n"
PLANTED = [
    planted(
        "01",
        "sum-ignores-large-ranks",
        "test_sum_and_mean_of_any_shape",
        "out: Array = x.sum(axis, keepdims=keepdims)",
        "out: Array = x.sum(axis, keepdims=keepdims) * (x.ndim < 3)",
    ),
    planted("02", "endless-loop", "test_tanh_example", "return np.tanh(x)", "while True: pass"),
    planted(
        "02",
        "printed",
        "test_relu_example",
        RELU,
        '    print("relu of shape", x.shape)\n    print("largest", x.max())\n    return np.minimum(x, 0)\n',
    ),
    planted("02", "missing-name", "test_silu_example", "def silu(", "def swish("),
    planted("02", "returns-nothing", "test_relu_example", RELU, "    np.maximum(x, 0)\n"),
    planted("02", "syntax-error", "test_relu_example", RELU, "    return np.maximum(x, 0\n"),
    planted(
        "02",
        "imports-torch",
        "test_relu_example",
        RELU,
        "    import torch\n    return torch.relu(x)\n",
    ),
    planted(
        "05",
        "no-gradient-written",
        "test_worked_example",
        "            node.grad = (",
        "            node.grad = node.grad and (",
    ),
    planted(
        "05",
        "tanh-doubled",
        "test_activation_gradients[tanh]",
        "g * (1 - out * out)",
        "2 * g * (1 - out * out)",
    ),
    planted(
        "05",
        "negative-ignores-g",
        "test_arithmetic_gradients[negative]",
        "defvjp(negative, lambda g, out, x: -g)",
        "defvjp(negative, lambda g, out, x: -np.ones_like(g))",
    ),
    planted(  # kata 05 refuses it, kata 09 is to be looked at
        "09",
        "kernel-gradient-of-another-shape",
        "test_conv2d_example_walked_back",
        "slopes[1] = kernels.transpose(0, 3, 1, 2)",
        "slopes[1] = kernels",
    ),
]


@dataclass(frozen=True)
class Run:
    """Wrong answers that are tested in one process, each by its own test."""

    names: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


RUNS = [
    Run(
        (
            "01/wrong/divide-rounds-down",
            "01/wrong/matmul-element-by-element",
            "01/wrong/mean-always-float32",
            "01/wrong/item-takes-the-first",
            "01/wrong/repr-hides-the-dtype",
            "01/wrong/constructor-copies",
            "01/wrong/var-mean-without-keepdims",
        )
    ),
    Run(("01/wrong/add-in-place", "01/wrong/sum-ignores-large-ranks")),
    Run(
        (
            "02/wrong/printed",
            "02/wrong/missing-name",
            "02/wrong/sigmoid-overflows",
            "02/wrong/softmax-without-the-shift",
            "02/wrong/leaky-slope-on-the-right",
        )
    ),
    Run(("02/wrong/softmax-of-all-differences",)),
    Run(("02/wrong/returns-nothing",)),
    Run(("02/wrong/syntax-error",)),
    Run(("02/wrong/imports-torch",)),
    Run(("02/wrong/endless-loop",), environment={"TINYTORCH_SECONDS": "0.5"}),
    Run(("02/wrong/bare-stub",)),
    Run(
        (
            "03/wrong/zero-grad-writes-zeros",
            "03/wrong/parameter-forgets-its-gradient",
            "03/wrong/linear-leaves-the-complaint-to-matmul",
            "03/wrong/start-by-fan-out",
            "03/wrong/sequential-takes-anything",
            "03/wrong/load-ignores-missing",
        )
    ),
    Run(("04/wrong/shapes-broadcast", "04/wrong/class-axis-last", "04/wrong/l1-without-abs")),
    Run(("05/wrong/uses-overwrite", "05/wrong/matmul-transposes-all-axes")),
    Run(("05/wrong/no-unbroadcast",)),
    Run(("05/wrong/no-gradient-written",)),
    Run(
        (
            "05/wrong/subtract-sign",
            "05/wrong/sum-gives-ones",
            "05/wrong/tanh-doubled",
            "05/wrong/negative-ignores-g",
        )
    ),
    Run(("06/wrong/zero-grad-fills-zeros", "06/wrong/temporaries", "06/wrong/uphill")),
    Run(
        (
            "07/wrong/batches-drop-the-last",
            "07/wrong/progress-at-every-step",
            "07/wrong/load-lets-errors-through",
        )
    ),
    Run(("09/wrong/kernel-gradient-of-another-shape",)),
]


@dataclass(frozen=True)
class Shown:
    """One wrong answer's screen: as it is committed, and where it came from."""

    variant: Variant
    text: str

    @property
    def path(self) -> Path:
        return SCREENS / f"{self.variant.kata.id}-{self.variant.id}.txt"

    @property
    def file(self) -> str:
        return f"# generated from {self.variant} by: {COMMAND}\n{self.text}\n"


@cache
def known() -> dict[str, Variant]:
    """Registered and planted wrong answers by their full names."""
    registered = [v for kata in KATAS.values() for v in variants.load(kata, right=False)]
    stub = Variant(KATAS["02"], "bare-stub", False, (), "test_relu_example", "")
    return {str(v): v for v in [*registered, *PLANTED, stub]}


def job_of(run: Run, folder: Path) -> Job:
    """One run: an implementation with all of its slips, and the test of each."""
    varied = [known()[name] for name in run.names]
    variants.build(folder, *varied)
    if "bare-stub" in run.names[0]:
        shutil.copy(varied[0].kata.stub, varied[0].kata.file(folder))
    tests = tuple(v.killed_by for v in varied)
    specs = spec_paths(varied[0].kata.specs)
    return Job(folder, specs, tests, first=False, environment=run.environment)


def screens(runs: Sequence[Run] = RUNS) -> list[Shown]:
    """The screen of every wrong answer, paths and measured numbers normalised."""
    with tempfile.TemporaryDirectory(prefix="tito-") as scratch:
        folders = [Path(scratch).resolve() / f"{i}" for i in range(len(runs))]
        jobs = [job_of(run, folder) for run, folder in zip(runs, folders, strict=True)]
        found = list(run_all(jobs))
        names = [
            (name, job, v) for r, job, v in zip(runs, jobs, found, strict=True) for name in r.names
        ]
        return [shown(known()[name], job, verdict) for name, job, verdict in names]


def shown(variant: Variant, job: Job, verdict: Verdict) -> Shown:
    """The screen of one wrong answer in a run."""
    found = [test for test in verdict.tests if test.name == variant.killed_by]
    ended = found[0].status if found else f"not run: {verdict.problem or verdict.output[-500:]}"
    assert ended == "failed", f"{variant}: {variant.killed_by} {ended}"
    return Shown(variant, normalised(found[0].message, job.impl))


def normalised(text: str, folder: Path) -> str:
    """The learner's folder is src, a line's number NN; a quantity that was measured is <measured>."""
    text = re.sub(r"^( .*/tinytorch/\w+\.py):\d+", r"\1:NN", text, flags=re.MULTILINE)
    text = text.replace(str(folder), "src")
    if re.search(r"^  \[.*\]   too (much|little): ", text, re.MULTILINE):
        text = re.sub(r"^(  got +)[\d.,e+-]+$", r"\1<measured>", text, flags=re.MULTILINE)
    return text


def generated() -> dict[Path, str]:
    """Every snapshot and what it should hold, from fresh runs."""
    return {screen.path: screen.file for screen in screens()}


# ---- the snapshots -------------------------------------------------------------------------------

FILES = sorted(SCREENS.glob("*.txt"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
ROWS = [
    "this test",
    "call",
    "got",
    "expected",
    "where",
    "looks like",
    "printed",
    "your code",
    "what ran",
    "stops at",
    "next",
]


def test_every_snapshot_has_its_wrong_answer() -> None:
    """No file is left over, none is missing; each kata has two and there are two dozen."""
    varied = [known()[name] for run in RUNS for name in run.names]
    names = [f"{v.kata.id}-{v.id}" for v in varied]
    assert sorted(names) == [path.stem for path in FILES]
    assert len(names) >= 24
    assert all(sum(name.startswith(f"{n:02}-") for name in names) >= 2 for n in range(1, 8))


def test_what_is_measured_is_masked() -> None:
    """Only a measured number is masked, and every mention of the learner's folder is src."""
    text = "05.1 x\n  [katas/x]   {}: bytes\n  got         1,024.5\n  your code   /a b/tinytorch/t.py:3  f"
    masked = normalised(text.format("too much"), Path("/a b"))
    place = "  your code   src/tinytorch/t.py:NN  f"
    assert masked.splitlines()[2:] == ["  got         <measured>", place]
    assert "1,024.5" in normalised(text.format("the values differ"), Path("/a b"))


PLACE = "  (?:your code   |what ran    )"
PLACES = {  # wrong answers by what their line is: a function, a statement that raised, a table's entry
    "01/wrong/divide-rounds-down": "def divide(",
    "01/wrong/var-mean-without-keepdims": "deviation = x - x.mean(axis)",  # not subtract's own
    "05/wrong/tanh-doubled": "defvjp(tanh, ",
    "06/wrong/uphill": "def update(",
}


@pytest.mark.parametrize("name", PLACES)
def test_the_line_of_your_code_is_right(name: str, tmp_path: Path) -> None:
    """The number that snapshots mask: that line of the file is what the screen says it is."""
    message = outcome((name,), tmp_path)[1][0]
    found = re.search(rf"^{PLACE}(.+):(\d+)  (\S+)", message, re.MULTILINE)
    assert found, message
    line = Path(found[1]).read_text(encoding="utf-8").splitlines()[int(found[2]) - 1]
    assert line.strip().startswith(PLACES[name])


# ---- what every screen has in common -------------------------------------------------------------


def rows(path: Path) -> list[str]:
    """The labels of a snapshot's rows, in order."""
    lines = path.read_text(encoding="utf-8").partition("/README.md]")[2].splitlines()[1:]
    return [line[2:14].strip() for line in lines if re.match(r"  \S", line)]


@every_file
def test_rows_stand_in_order(path: Path) -> None:
    """First where it is from, then clause and sentence, README, the rows in order, the next step."""
    source, clause, *rest = path.read_text(encoding="utf-8").splitlines()
    while rest[0].startswith("   "):  # a long sentence goes on
        rest.pop(0)
    readme = rest.pop(0)
    number = path.stem[:2]
    assert re.fullmatch(rf"# generated from {number}/wrong/\S+ by: {re.escape(COMMAND)}", source)
    assert re.match(rf"{number}\.\d+ \S", clause)
    assert re.match(rf"  \[katas/{KATAS[number].slug}/README\.md\]   \S", readme)
    labels = rows(path)
    assert labels == [row for row in ROWS if row in labels], "known rows, in order, none twice"
    assert labels[:2] == ["this test", "call"]
    steps = f"  next        make hint-{number}   ·   again: make test-{number}"
    why = f"   ·   an earlier kata's fault? make why-{number}"
    assert rest[-1] in (steps, steps + why)


@every_file
def test_screens_show_no_machinery(path: Path) -> None:
    """No traceback, library, temporary folder or address: what a learner wrote and what came back."""
    text = path.read_text(encoding="utf-8")
    for strange in (
        "Traceback",
        "site-packages",
        "support/",
        "/tmp",
        "tito-",
        " at 0x",
        "<locals>",
    ):
        assert strange not in text.partition("\n")[2]
    assert all(line == line.rstrip() for line in text.splitlines())
    assert re.search(rf"^{PLACE}src/tinytorch/\w+\.py:NN", text, re.M) or path.stem in NO_LINE


NO_LINE = ("02-missing-name",)  # no line of theirs is in the call


@every_file
def test_screens_fit(path: Path) -> None:
    """A screen has at most forty lines, and no text stands in two rows of it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    [head] = [line for line in lines if line.startswith("  [katas/")]
    problem = head.partition("]   ")[2]
    assert not any(line.endswith(f"  {problem}") for line in lines if line != head), "said twice"


# ---- one text in three places --------------------------------------------------------------------

SHOWN = ("05/wrong/subtract-sign", "05/wrong/tanh-doubled")


def outcome(names: tuple[str, ...], folder: Path, *options: str) -> tuple[Verdict, list[str]]:
    """One run of wrong answers, and their tests' messages in the results file."""
    job = job_of(Run(names), folder)
    verdict = run_once(replace(job, options=(*job.options, *options)))
    return verdict, [test.message for test in verdict.failed]


def test_one_text_in_three_places(tmp_path: Path) -> None:
    """The terminal, the JUnit report and the results file carry the same screen, and nothing else."""
    report = tmp_path / "junit.xml"
    verdict, messages = outcome(SHOWN, tmp_path / "impl", f"--junitxml={report}")
    failures = [f.text for f in ElementTree.parse(report).iter("failure")]
    assert len(messages) == 2
    assert failures == messages
    sections = re.split(r"^_{3,} .* _{3,}\n|^={3,} .*\n", verdict.output, flags=re.MULTILINE)
    assert sections[2:4] == [f"{message}\n" for message in messages]


def test_raw_shows_the_traceback(tmp_path: Path) -> None:
    """--raw puts the traceback in place of the screen; -v keeps the screen, which names no library."""
    name = ("01/wrong/var-mean-without-keepdims",)
    quiet, _ = outcome(name, tmp_path / "quiet")
    loud, messages = outcome(name, tmp_path / "loud", "--raw")
    verbose, _ = outcome(name, tmp_path / "verbose", "-vvv")
    assert "looks like" in quiet.output
    assert "looks like" in verbose.output
    assert not re.search("Traceback|site-packages|support/", quiet.output)
    assert "looks like" not in loud.output
    assert "Traceback (most recent call last)" in messages[0]
    assert "test_01_tensor.py" in messages[0]
