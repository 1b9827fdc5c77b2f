"""bootstrap.py: what it runs and says, with a stand-in for .venv's Python that takes notes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")

STAND_IN = """#!/bin/sh
echo "$@" >> '{log}'
case "$*" in *"pip install"*) env | grep ^PIP_ >> '{log}' ;; esac
case "$*" in
*sysconfig*) echo '{packages}' ;;
*extra-index-url*) exit 0 ;;
*"{fails}"*) echo "ERROR: no network today"; exit 1 ;;
esac
exit 0
"""


class Clone:
    """A folder with bootstrap.py, the pins and a stand-in for the Python of .venv."""

    def __init__(self, root: Path, fails: str = "nothing fails") -> None:
        self.root, self.log = root, root / "log"
        self.packages = root / ".venv" / "lib" / "packages"
        self.packages.mkdir(parents=True)
        shutil.copy(ROOT / "bootstrap.py", root)
        shutil.copytree(ROOT / "requirements", root / "requirements")
        self.python = root / ".venv" / "bin" / "python"
        self.python.parent.mkdir()
        self.stand_in(fails)

    def stand_in(self, fails: str) -> None:
        text = STAND_IN.format(log=self.log, packages=self.packages, fails=fails)
        self.python.write_text(text)
        self.python.chmod(0o755)

    def run(
        self, *arguments: str, before: str = "", path: str = "/nowhere", **settings: str
    ) -> tuple[int, str]:
        """Run bootstrap.py (after a line of Python); the exit code and all it printed."""
        start = f"import sys, runpy; sys.argv = ['bootstrap.py', *{list(arguments)!r}]; {before}"
        code = f"{start}\nrunpy.run_path({str(self.root / 'bootstrap.py')!r}, run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": path} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def ran(self) -> list[str]:
        """What the stand-in was asked to do since the last look."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "a clone")


def test_first_run_then_straight_through(clone: Clone) -> None:
    """The first run installs and links; the second only runs tito, arguments as they were."""
    assert clone.run("test", "05")[0] == 0
    asked = clone.ran()
    assert "learner.txt" in asked[0]
    assert asked[-1] == "-P -m tito test 05"
    assert (clone.packages / "tinytorch-katas.pth").read_text().strip() == "../../../src"
    assert "-P -m tito" in (clone.root / ".venv" / "bin" / "tito").read_text()
    assert json.loads((clone.root / ".venv" / "tinytorch.json").read_text())["place"]
    assert clone.run("test", "-k", "a b")[0] == 0
    assert clone.ran() == ["-P -m tito test -k a b"]


def test_changed_pins_are_installed(clone: Clone) -> None:
    """New pins after an update of the course are installed by the next command."""
    clone.run("status")
    with (clone.root / "requirements" / "learner.txt").open("a") as pins:
        pins.write("six==1.17.0\n")
    clone.ran()
    clone.run("status")
    assert "learner.txt" in clone.ran()[0]


def test_torch_only_where_it_is_needed(clone: Clone) -> None:
    """verify brings the maintainers' packages; a learner's commands never do."""
    clone.run("test", "05")
    assert not any("maintainer" in line for line in clone.ran())
    clone.run("verify")
    assert any("maintainer.txt" in line for line in clone.ran())
    clone.run("--with", "maintainer")
    assert [line for line in clone.ran() if "import" not in line] == ["-P -m tito setup"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="where PyPI has CUDA builds")
def test_cpu_builds_of_torch(clone: Clone) -> None:
    """Where pip's own sources lack the CPU build, PyTorch's index is asked; never for CUDA."""
    clone.run("status")
    clone.ran()
    clone.stand_in(fails="maintainer.txt")
    assert clone.run("oracle", "05")[0] == 0
    first, second, *_ = clone.ran()
    assert "extra-index-url" not in first
    assert second.endswith("--extra-index-url https://download.pytorch.org/whl/cpu")
    assert "torch==2.13.0+cpu; sys_platform" in (ROOT / "requirements/maintainer.txt").read_text()


def test_offline(tmp_path: Path) -> None:
    """What cannot be installed is named with pip's reason and the retry; nothing counts as done."""
    clone = Clone(tmp_path / "clone", fails="learner.txt")
    code, said = clone.run("test")
    assert code == 1
    assert "requirements/learner.txt" in said
    assert "ERROR: no network today" in said
    assert "check the network and the disk, then run the same command again" in said
    assert not (clone.root / ".venv" / "tinytorch.json").exists()
    assert "Traceback" not in said


def test_no_ensurepip(clone: Clone) -> None:
    """A Python without ensurepip names the package that brings it, and makes nothing."""
    shutil.rmtree(clone.root / ".venv")
    code, said = clone.run("setup", before="sys.modules['ensurepip'] = None")
    assert code == 1
    assert "sudo apt install python3-venv" in said
    assert not (clone.root / ".venv").exists()


def test_old_python(clone: Clone) -> None:
    """An old Python, with no newer one in sight, is told in one line."""
    code, said = clone.run("setup", before="sys.version_info = (3, 9)")
    assert code == 1
    assert said == (
        "tinytorch: Python 3.11 or newer is needed, this is 3.9: see https://www.python.org\n"
    )


def test_old_python_hands_over(clone: Clone, tmp_path: Path) -> None:
    """A newer Python on the path takes over."""
    newer = tmp_path / "bin" / "python3.12"
    newer.parent.mkdir()
    newer.symlink_to(clone.python)
    before = "sys.version_info = (3, 9)"
    code, _ = clone.run("setup", before=before, path=f"{newer.parent}:/bin:/usr/bin")
    assert code == 0
    assert clone.ran()[-1].endswith("bootstrap.py setup")


def test_half_made_is_made_again(clone: Clone) -> None:
    """A .venv of ours without its stamp is remade; one that somebody else made is not."""
    clone.run("setup")
    (clone.root / ".venv" / "tinytorch.json").unlink()
    clone.ran()
    stop = "sys.modules['ensurepip'] = None"  # so that making would say so
    assert clone.run("setup", before=stop)[0] == 0
    (clone.root / ".venv" / "tinytorch.json").unlink()
    (clone.root / ".venv" / "pyvenv.cfg").write_text("prompt = 'tinytorch'\n")
    code, said = clone.run("setup", before=stop)
    assert code == 1
    assert "python3-venv" in said


def test_moved_is_made_again(clone: Clone) -> None:
    """A .venv of ours that was made in another place is remade."""
    clone.run("setup")
    (clone.root / ".venv" / "pyvenv.cfg").write_text("prompt = 'tinytorch'\n")
    assert clone.run("setup", before="sys.modules['ensurepip'] = None")[0] == 0
    moved = clone.root.rename(clone.root.with_name("moved"))
    clone.root = moved
    code, said = clone.run("setup", before="sys.modules['ensurepip'] = None")
    assert code == 1
    assert "making .venv" in said


def test_a_link_to_another_courses_venv(clone: Clone) -> None:
    """The link gives way to a .venv of this place; what it led to is as it was."""
    clone.run("setup")
    other = clone.root.with_name("other")
    (clone.root / ".venv").rename(other)
    (other / "pyvenv.cfg").write_text("prompt = 'tinytorch'\n")
    (clone.root / ".venv").symlink_to(other)
    stamp = other / "tinytorch.json"
    stamp.write_text(stamp.read_text().replace(str(clone.root), "elsewhere"))
    before = sorted(path.name for path in other.rglob("*"))
    (clone.root / "requirements" / "learner.txt").write_text("")  # nothing to fetch
    clone.run("setup")
    assert not (clone.root / ".venv").is_symlink()
    assert sorted(path.name for path in other.rglob("*")) == before


def test_settings_of_pip(clone: Clone) -> None:
    """What would send the packages elsewhere is taken out; where pip finds them stays."""
    elsewhere = {f"PIP_{name}": "1" for name in ("TARGET", "PREFIX", "USER", "DRY_RUN")}
    path = "/usr/bin:/bin"
    assert clone.run("setup", path=path, PIP_INDEX_URL="mine", **elsewhere)[0] == 0
    asked = clone.ran()
    assert "PIP_INDEX_URL=mine" in asked
    assert not any(line.startswith(tuple(elsewhere)) for line in asked)


def test_packages_that_went_elsewhere(tmp_path: Path) -> None:
    """Nothing counts as done before it can be imported; the message leads to pip's own settings."""
    clone = Clone(tmp_path / "clone", fails="import hypothesis")
    code, said = clone.run("test", "01")
    assert code == 1
    assert ".venv does not have them" in said
    assert "python3 -m pip config list" in said
    assert not (clone.root / ".venv" / "tinytorch.json").exists()
    clone.stand_in(fails="nothing fails")
    assert clone.run("test", "01")[0] == 0


def test_setup_mends(clone: Clone) -> None:
    """`make setup` looks whether the packages are there, whatever the stamp says."""
    clone.run("test", "01")
    clone.ran()
    clone.run("test", "01")
    assert clone.ran() == ["-P -m tito test 01"]
    clone.stand_in(fails="import hypothesis")
    assert clone.run("setup")[0] == 1
    assert any("learner.txt" in line for line in clone.ran())


def test_ctrl_c(clone: Clone) -> None:
    """Ctrl-C during the set-up is one line and code 130."""
    before = "import subprocess; subprocess.run = lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt)"
    code, said = clone.run("setup", before=before)
    assert code == 130
    assert "to finish, run the same command again" in said
    assert "Traceback" not in said


def test_another_numpy(tmp_path: Path) -> None:
    """--numpy installs that one in place of the pin, is no other, and the stamp knows of it."""
    clone = Clone(tmp_path)
    clone.python.write_text(
        clone.python.read_text().replace(
            "*sysconfig*)", "*__version__*) echo 2.0.2 ;;\n*sysconfig*)"
        )
    )
    code, said = clone.run("--numpy", "2.0.2", "check")
    assert code == 0, said
    pins = (clone.root / ".venv" / "learner.txt").read_text()
    assert "numpy==2.0.2\n" in pins
    assert pins.count("numpy==") == 1
    assert any(line.endswith(".venv/learner.txt") for line in clone.log.read_text().splitlines())
    assert clone.log.read_text().splitlines()[-1] == "-P -m tito check"
    assert "numpy==2.0.2" in (clone.root / ".venv" / "tinytorch.json").read_text()
    code, said = clone.run("--numpy", "2.0.1", "check")
    assert code == 1
    assert "NumPy is '2.0.2', not 2.0.1" in said
    assert "needs a version" in clone.run("--numpy")[1]


@pytest.mark.pins
def test_pins_are_installed_here() -> None:
    """What verify runs on is what the pins say."""
    from importlib.metadata import version

    lines = (ROOT / "requirements" / "learner.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and ";" not in line)
    assert {name: version(name) for name in pins} == pins
