"""The lines to paste after green: they run, and print what their comments say."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tito.course.manifest import REFERENCE, ROOT, Kata, load
from tito.course.readme import readme, section

KATAS = load().katas
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^(?!#).*\S.*$", re.MULTILINE)


def blocks(text: str) -> list[str]:
    """The blocks of Python in a text."""
    return BLOCK.findall(text)


def promised(block: str) -> str:
    """What the block prints, as its comment lines say."""
    return "".join(f"{line[2:]}\n" for line in block.splitlines() if line.startswith("# "))


def pasted(block: str, package: Path) -> tuple[str, str]:
    """What Python prints, and where it complains, if somebody pastes the block at its prompt."""
    environment = os.environ | {"PYTHONPATH": str(package), "PYTHONSTARTUP": ""}
    command = [sys.executable, "-i", "-q"]
    ran = subprocess.run(command, input=block, capture_output=True, text=True, env=environment)
    return ran.stdout, ran.stderr.replace(">>> ", "").replace("... ", "").strip()


def so_far(kata: Kata, folder: Path) -> Path:
    """A folder with the package as somebody has it who is green up to this kata."""
    later = [f"{k.module}.py" for k in KATAS[kata.number :]]
    package = REFERENCE / "tinytorch"
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns(*later))
    return folder


@pytest.mark.parametrize("kata", KATAS, ids=lambda kata: kata.id)
def test_try_it_prints_what_it_says(kata: Kata, tmp_path: Path) -> None:
    """One short block a kata, pasted at the prompt with nothing that a later kata builds."""
    (block,) = blocks(section(readme(kata), "Try it"))
    assert promised(block), "a block says what it prints"
    assert len(CODE.findall(block)) <= 8
    assert pasted(block, so_far(kata, tmp_path)) == (promised(block), "")


@pytest.mark.parametrize("kata", KATAS, ids=lambda kata: kata.id)
def test_try_it_uses_what_was_just_built(kata: Kata) -> None:
    """It imports a name of its kata; what kata 05 builds, `backward`, is a method."""
    (block,) = blocks(section(readme(kata), "Try it"))
    imports = [node for node in ast.parse(block).body if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    assert names & set(kata.exports) or (kata.id == "05" and ".backward()" in block)


def test_a_broken_block_is_found(tmp_path: Path) -> None:
    """A loop that the next line runs into, and a name of a later kata, are complaints."""
    package = so_far(KATAS[0], tmp_path)
    assert "SyntaxError" in pasted("for i in range(2):\n    pass\nprint(i)\n", package)[1]
    assert "kata 02" in pasted("from tinytorch import relu\n", package)[1]


README = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Begin")[0]


def test_the_readme_begins_with_code_that_runs(tmp_path: Path) -> None:
    """Six lines, pasted with the whole reference, print nothing and complain of nothing."""
    (block,) = blocks(README)
    assert len(CODE.findall(block)) == 6
    assert pasted(block, so_far(KATAS[-1], tmp_path)) == ("", "")


def test_the_readme_shows_a_screen_as_it_is() -> None:
    """The red screen is a snapshot, word for word."""
    name, shown = re.findall(r"<!-- (spec_tests/\S+) -->\n```\n(.*?)\n```", README, re.DOTALL)[0]
    assert shown == (ROOT / name).read_text(encoding="utf-8").partition("\n")[2].rstrip()
