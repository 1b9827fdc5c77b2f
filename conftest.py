"""Makes the suite's hooks pytest's own; everything they do stands in spec_tests/support/plugin.py."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small arrays: threads only cost
sys.path.insert(0, str(ROOT / "spec_tests"))

try:
    import hypothesis  # noqa: F401
    import numpy  # noqa: F401
    import pytest
    import pytest_timeout  # noqa: F401

    lacks = "" if pytest.version_tuple >= (9,) else f"pytest 9: it has {pytest.__version__}"
except ImportError as error:
    lacks = str(error.name)
if lacks:  # an exit, for an exception would be a page of pytest's own
    sys.exit(
        f"\n{sys.executable} has no {lacks}"
        "\n  this course has a Python of its own, .venv, which is made by: make setup"
        " (on Windows: py bootstrap.py setup)"
        f"\n  next: make setup, then choose {ROOT / '.venv'} as the interpreter of your editor"
    )

if sys.flags.optimize:
    sys.exit(
        "\nPython is told to drop asserts and docstrings, which say the clauses: unset PYTHONOPTIMIZE"
    )

from support.plugin import *  # noqa: E402, F403 (not pytest_plugins: a workspace above may have its own)
