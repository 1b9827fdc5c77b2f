"""Loads the suite's own plugin; everything it does stands in spec_tests/support/plugin.py."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small arrays: threads only cost
sys.path.insert(0, str(Path(__file__).parent / "spec_tests"))

pytest_plugins = ["support.plugin"]
