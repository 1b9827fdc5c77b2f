"""What a learner's editor and prompt know of `tinytorch`: pyright, jedi, pylint, help, completion.

The learner has kata 01 from the reference, kata 02's stub, a file of kata 03 that Python cannot read,
and nothing else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tito.course.doors import GIVEN

pytestmark = pytest.mark.pins  # pyright, jedi, pylint

ROOT = Path(__file__).resolve().parents[2]
PROBE = """import tinytorch as tt
from tinytorch import Adam, Tensor, cat

tensor: Tensor = cat([Tensor([1.0])])
"""


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("names") / "fork"
    shutil.copytree(ROOT / "src" / "tinytorch", root / "src" / "tinytorch")
    package = root / "src" / "tinytorch"
    for path in package.glob("*.py"):
        if path.name not in ("__init__.py", *GIVEN):
            path.unlink()
    shutil.copytree(ROOT / "reference" / "tinytorch", root / "reference" / "tinytorch")
    shutil.copy(ROOT / "reference" / "tinytorch" / "tensor.py", package)
    shutil.copy(ROOT / "katas" / "02_activations" / "activations.py", package)
    (package / "layers.py").write_text("def (")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / ".venv").symlink_to(sys.prefix)
    (package / "probe.py").write_text(PROBE)
    return root


def run(fork: Path, *command: str, path: str = "src") -> str:
    """What a module of Python prints in the fork, with a folder of it on the path."""
    done = subprocess.run(
        [sys.executable, "-P", *command],
        cwd=fork,
        env={"PATH": "/usr/bin:/bin", "HOME": str(fork), "PYTHONPATH": str(fork / path)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def pyright(fork: Path, *arguments: str) -> tuple[list[str], int]:
    """Its messages, and how many files it looked at."""
    found = json.loads(run(fork, "-m", "basedpyright", "--outputjson", *arguments))
    return [m["message"] for m in found["generalDiagnostics"]], found["summary"]["filesAnalyzed"]


def test_pyright_resolves_what_is_unlocked(fork: Path) -> None:
    """A name is what its file says, by package and by module; a locked one is Any, and no error."""
    probe = fork / "src" / "tinytorch" / "probe.py"
    probe.write_text(PROBE + "".join(f"reveal_type({n})\n" for n in ("Tensor", "tt.cat", "Adam")))
    said, _ = pyright(fork, str(probe))
    probe.write_text(PROBE)
    assert 'Type of "Tensor" is "type[Tensor]"' in said
    assert any(m.startswith('Type of "tt.cat" is "(') for m in said)
    assert 'Type of "Adam" is "Any"' in said
    assert len(said) == 3


def test_pyright_finds_no_fault_in_what_is_given(fork: Path) -> None:
    """As the fork is opened: stubs and package are clean, and the answers are not looked at."""
    (fork / "src" / "tinytorch" / "layers.py").rename(fork / "layers.py")
    said, files = pyright(fork)
    (fork / "layers.py").rename(fork / "src" / "tinytorch" / "layers.py")
    assert said == []
    assert files == 4 + len(GIVEN)  # __init__, tensor, activations, probe


def test_pyright_finds_no_fault_in_the_reference(fork: Path) -> None:
    """The reference passes a second type checker."""
    settings = {
        "include": ["reference"],
        "extraPaths": ["reference"],
        "venvPath": ".",
        "venv": ".venv",
    }
    path = fork / "reference.json"
    path.write_text(json.dumps(settings | {"typeCheckingMode": "basic"}))
    said, files = pyright(fork, "--project", str(path))
    assert said == []
    assert files > 7


def test_pylint_knows_the_names(fork: Path) -> None:
    """`from tinytorch import Tensor` is no E0611, whatever is locked."""
    said = run(fork, "-m", "pylint", "--disable=all", "--enable=E", "src/tinytorch/probe.py")
    assert "E0611" not in said
    assert "rated at 10.00/10" in said


def test_jedi_completes_and_finds(fork: Path) -> None:
    """Completion after `tt.`, and the definition in the learner's own file."""
    import jedi

    path = [str(fork / "src"), *(p for p in sys.path if p.endswith("-packages"))]
    project = jedi.Project(fork, sys_path=path, smart_sys_path=False)
    script = jedi.Script("import tinytorch as tt\ntt.Tens", project=project)
    assert "Tensor" in [c.name for c in script.complete(2, 7)]
    script = jedi.Script("from tinytorch import Tensor\nTensor", project=project)
    [found] = script.goto(2, 3, follow_imports=True)
    assert found.module_path == fork / "src" / "tinytorch" / "tensor.py"


LIVE = """
import inspect, pydoc, rlcompleter
import tinytorch as tt

def message(text):
    try:
        exec(text, {"tt": tt})
    except Exception as error:
        return f"{type(error).__name__}: {error}"

names = {}
exec("from tinytorch import *", names)
complete = rlcompleter.Completer({"tt": tt}).complete
print(repr({
    "has": [hasattr(tt, name) for name in ("Tensor", "relu", "Adam", "optimizers", "Linear")
            if name != "Linear"],
    "dir": dir(tt),
    "members": [name for name, _ in inspect.getmembers(tt)],
    "help": pydoc.plain(pydoc.render_doc(tt)),
    "star": sorted(set(names) - {"__builtins__"}),
    "complete": complete("tt.lo", 0),
    "import": message("from tinytorch import Adam"),
    "module": message("from tinytorch import optimizers"),
    "attribute": message("tt.Adam"),
    "unknown": message("tt.Adamm"),
}))
"""


def test_what_python_itself_lists(fork: Path) -> None:
    """dir, help, completion and import * hold what can be had; a locked name says which kata it is."""
    seen = eval(run(fork, "-c", LIVE))
    assert seen["has"] == [True, True, False, False]
    assert {"Tensor", "cat", "relu", "tensor", "activations"} <= set(seen["dir"])
    assert not {"Adam", "Linear", "layers", "optimizers"} & set(seen["dir"])
    assert set(seen["dir"]) <= set(seen["members"])
    assert seen["star"] == seen["dir"]
    assert "class Tensor" in seen["help"]
    assert seen["complete"].startswith("tt.log")
    assert seen["import"] == "ImportError: Adam is built in kata 06: make module-06"
    assert seen["module"] == "ImportError: optimizers is built in kata 06: make module-06"
    assert seen["attribute"] == "AttributeError: Adam is built in kata 06: make module-06"
    assert seen["unknown"] == "AttributeError: module 'tinytorch' has no attribute 'Adamm'"
