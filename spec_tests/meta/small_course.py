"""A course of three tiny katas around the real tool and the real suite, for tests of the loop.

It stands in a folder of its own, with a space in its path and without git, and is played with the
commands a learner types, each in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

Process = subprocess.Popen[str]
ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "src/tito",
    *(
        f"{top}/tinytorch/{name}.py"
        for top in ("src", "reference")
        for name in ("door", "dtypes", "names")
    ),
    "spec_tests/support",
    "conftest.py",
    "pyproject.toml",
    "requirements",
)
SETTINGS = ("IMPL", "FORCE", "ALL", "TINYTORCH_SECONDS", "TINYTORCH_SEED", "PYTHONPATH")

MANIFESTS = {
    "01_doubling": """number = 1
module = "doubling"
title = "Doubling"
minutes = 5
tests = 3
exports = ["double", "half"]
[tasks]
twice = ["double"]
halves = ["half"]
""",
    "02_tripling": """number = 2
module = "tripling"
title = "Tripling"
minutes = 7
tests = 2
exports = ["triple"]
[tasks]
thrice = ["triple"]
""",
    "03_layers": """number = 3
module = "layers"
title = "Layers"
minutes = 9
tests = 1
exports = ["Linear"]
[tasks]
linear = ["Linear.__init__", "Linear.__call__"]
""",
}
MILESTONE = """[milestone]
number = 1
title = "One"
year = 1957
target = "one is one"
script = "m01_one.py"
"""

DOUBLING = '''"""Kata 01. Twice as much, and half."""

from __future__ import annotations

from typing import Any

import numpy as np


def double(x: Any) -> Any:
    """Twice x."""
    return 2 * np.asarray(x)


def half(x: Any) -> Any:
    """Half of x, which is not empty."""
    if np.size(x) == 0:
        raise ValueError(f"half needs numbers, got shape {np.shape(x)}")
    return np.asarray(x) / 2
'''

TRIPLING = '''"""Kata 02. Three times as much."""

from __future__ import annotations

from typing import Any

from tinytorch.doubling import double


def triple(x: Any) -> Any:
    """Three times x."""
    return double(x) + x
'''

LAYERS = '''"""Kata 03. A layer of one number."""

from __future__ import annotations

from typing import Any


class Linear:
    """Multiplies by a weight."""

    def __init__(self, weight: float) -> None:
        """Keep the weight."""
        self.weight = weight

    def __call__(self, x: Any) -> Any:
        """x times the weight."""
        return self.weight * x
'''

HEAD = """from __future__ import annotations

from typing import Any

import numpy as np
from support.asserts import assert_close, assert_raises
from support.observe import observe

X = np.array([1.0, -3.0, 0.5])


"""

SPECS = {
    "01_doubling": '''@observe
def doubled(tt: Any, x: Any) -> Any:
    return tt.double(x)


@observe
def halved(tt: Any, x: Any) -> Any:
    return tt.half(x)


def test_double_values() -> None:
    """01.1 double(x) is twice x."""
    assert_close(doubled(X), want=2 * X)


def test_half_values() -> None:
    """01.2 half(x) is half of x."""
    assert_close(halved(X), want=X / 2)


def test_half_refuses_nothing() -> None:
    """01.3 half of an empty array is a ValueError that names the shape."""
    assert_raises(halved, np.zeros((0,)), error="ValueError", says=("(0,)",))
''',
    "02_tripling": '''@observe
def tripled(tt: Any, x: Any) -> Any:
    return tt.triple(x)


def test_triple_values() -> None:
    """02.1 triple(x) is three times x."""
    assert_close(tripled(X), want=3 * X)


def test_triple_fresh() -> None:
    """02.2 triple works on any shape."""
    assert_close(tripled(X.reshape(3, 1)), want=3 * X.reshape(3, 1))
''',
    "03_layers": '''@observe
def linear(tt: Any, weight: float, x: Any) -> Any:
    return tt.Linear(weight)(x)


def test_linear_multiplies() -> None:
    """03.1 Linear(w)(x) is w times x."""
    assert_close(linear(2.5, X), want=2.5 * X)
''',
}

README = """# Kata {id}: {title}

## Goal
You write {title}. It is small.

## Why
Speed.

## Contract
Numbers in, numbers out.

## Clauses
{clauses}

## Worked example
Twice 2 is 4.

## Done when
`make test-{id}` is green.

## In PyTorch
The same, only larger.
"""

HINTS = """## {task}

1. What is asked of {task}?
2. Look at NumPy.
3. Write it down.
"""

VARIANTS = """[[variant]]
id = "times-{n}"
killed_by = "test_triple_values"
lesson = "Three is not {n}."
edits = [{{ old = "double(x) + x", new = "{n} * x" }}]

"""

RIGHT = """[[variant]]
id = "{id}"
lesson = "The same number."
edits = [{{ old = "double(x) + x", new = "{new}" }}]

"""


def interruptible() -> None:
    """Signals work in a child even where this process was started to ignore them, as by nohup."""
    for name in ("SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@dataclass(frozen=True)
class Course:
    """A copy of the small course."""

    root: Path

    @property
    def package(self) -> Path:
        return self.root / "src" / "tinytorch"

    def start(self, *arguments: str, cwd: Path | None = None, **settings: str) -> Process:
        """Start a command as a learner does; settings are environment variables."""
        environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        fixed = {"PYTHONPATH": str(self.root / "src"), "COLUMNS": "120", "TERM": "dumb"}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tito", *arguments],
            cwd=cwd or self.root,
            env=environment | fixed | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            preexec_fn=interruptible if os.name == "posix" else None,
        )

    def tito(self, *arguments: str, cwd: Path | None = None, **settings: str) -> Ran:
        """Run a command to its end."""
        with self.start(*arguments, cwd=cwd, **settings) as process:
            said, _ = process.communicate(timeout=120)
        return Ran(process.returncode, said)

    def write(self, module: str, text: str | bytes) -> Path:
        """Put a file into the learner's package."""
        path = self.package / f"{module}.py"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def solve(self, *modules: str) -> None:
        """Put reference files into the learner's package."""
        for module in modules:
            shutil.copy(self.root / "reference" / "tinytorch" / f"{module}.py", self.package)

    def edit(self, path: str, old: str, new: str) -> None:
        """Change one place of a file of the course."""
        text = (self.root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and all it printed."""

    code: int
    text: str


def build(root: Path) -> Course:
    """The small course, stubs generated, nothing unlocked."""
    for part in PARTS:
        source, target = ROOT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    texts = {"doubling": DOUBLING, "tripling": TRIPLING, "layers": LAYERS}
    for module, text in texts.items():
        _put(root / "reference" / "tinytorch" / f"{module}.py", text)
    for slug, spec in SPECS.items():
        _kata(root, slug, spec)
    wrong = "".join(VARIANTS.format(n=n) for n in (4, 5, 6, 7, 8, 9, 10, 11))
    right = "".join(
        RIGHT.format(id=f"r{i}", new=new)
        for i, new in enumerate(("x + double(x)", "double(x) * 1.5", "x + x + x"))
    )
    _put(root / "reference" / "variants" / "wrong" / "02_tripling.toml", wrong)
    _put(root / "reference" / "variants" / "right" / "02_tripling.toml", right)
    course = Course(root)
    made = course.tito("stubs")
    assert made.code == 0, made.text
    return course


def _kata(root: Path, slug: str, spec: str) -> None:
    """A kata's spec, README and hints, from the docstrings of its tests."""
    number, _, title = slug.partition("_")
    _put(root / "spec_tests" / f"test_{slug}.py", f'"""Kata {number}."""\n\n{HEAD}{spec}')
    said = [line.strip().strip('"') for line in spec.splitlines() if f'"""{number}.' in line]
    clauses = "\n".join(f"- **{line.split()[0]}** {' '.join(line.split()[1:])}" for line in said)
    readme = README.format(id=number, title=title.title(), clauses=clauses)
    _put(root / "katas" / slug / "kata.toml", MANIFESTS[slug])
    _put(root / "katas" / slug / "README.md", readme)
    tasks = {"01": ("twice", "halves"), "02": ("thrice",), "03": ("linear",)}[number]
    _put(root / "katas" / slug / "hints.md", "\n".join(HINTS.format(task=t) for t in tasks))


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def in_a_folder(course: Course) -> Path:
    """Cut the spec of kata 01 into a file for each task, with numbers that they share."""
    spec = course.root / "spec_tests" / "test_01_doubling.py"
    folder, (head, numbers) = spec.with_suffix(""), HEAD.split("\n\nX = ")
    observed, *tests = SPECS["01_doubling"].split("\n\n\ndef ")
    folder.mkdir()
    (folder / "numbers.py").write_text(f"import numpy as np\n\nX = {numbers}")
    head += "\nfrom test_01_doubling.numbers import X\n\n\n"
    for task, chosen in (("twice", tests[:1]), ("halves", tests[1:])):
        text = "\n\n\ndef ".join([head + observed, *chosen])
        (folder / f"test_01_{task}.py").write_text(text)
    spec.unlink()
    return folder
