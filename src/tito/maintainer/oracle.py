"""`tito oracle`: record a kata's expected values from PyTorch, or compare what is recorded."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tito.course.errors import Refusal
from tito.course.files import short
from tito.course.manifest import ROOT, Kata

RELATIVE = 1e-12  # of the largest number of an array
CANCELLED = (
    1e-3  # what is smaller is what rounding left of terms near 1, such as softmax under ones
)


def oracle(katas: Sequence[Kata], check: bool) -> int:
    """Record the tables of some katas; or compare them with PyTorch's answers now."""
    found = [_check(kata) if check else _record(kata) for kata in katas]
    return 0 if all(found) else 1


def _record(kata: Kata) -> bool:
    support = _support()
    arrays, version = support.record(kata.id, _specs(kata), support.load(kata.id))
    support.save(kata.id, arrays, version)
    print(f"kata {kata.id}: {len(arrays)} arrays recorded from torch {version}")
    return True


def _check(kata: Kata) -> bool:
    """Whether PyTorch says today what the table says."""
    support = _support()
    table = support.load(kata.id)
    fresh, version = support.record(kata.id, _specs(kata), table)
    wrong = sorted(set(table) ^ set(fresh)) + [
        k for k in fresh if not _same(table.get(k), fresh[k])
    ]
    if wrong:
        said = f"{len(wrong)} of {len(fresh)} arrays differ from torch {version}, first {wrong[0]}"
        print(f"kata {kata.id}: {said}\n  fix: make oracle-{kata.id}, and read the difference")
    return not wrong


def _same(table: Any, fresh: Any) -> bool:
    if table is None or table.shape != fresh.shape:
        return False
    scale = float(np.max(np.abs(fresh[np.isfinite(fresh)]), initial=CANCELLED))
    return np.allclose(table, fresh, rtol=0, atol=RELATIVE * scale, equal_nan=True)


def _support() -> Any:
    """The suite's own recorder; PyTorch is imported by it, here and nowhere else."""
    if importlib.util.find_spec("torch") is None:
        again = "python3 bootstrap.py --with maintainer"
        raise Refusal(f"PyTorch is needed for this and is not in .venv: {again}")
    sys.path[:0] = [str(ROOT / "spec_tests"), str(ROOT / "src")]
    return importlib.import_module("support.oracle")


def _specs(kata: Kata) -> list[ModuleType]:
    """A kata's test files as modules: its cases stand in their lists."""
    return [_module(kata, path) for path in kata.specs]


def _module(kata: Kata, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"spec_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Refusal(f"{short(path)} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
