"""The reference beside PyTorch, or beside an older commit of itself.

    make bench                    two tables: as shipped, and with kernels of the same width
    make bench AGAINST=COMMIT     is it slower than it was? 1 if a row is

Both sides compute with equal, stated thread counts (one, unless OPENBLAS_NUM_THREADS says otherwise: in
one process the threads of two libraries wait for each other), and equal inputs, shapes and dtypes.
A ratio below 1 means that tinytorch, or today's commit, took less time. Beside PyTorch, times are
recorded and not judged.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import setting
from against import against

HERE = Path(__file__).resolve().parent
FOOTINGS = {  # OpenBLAS obeys the first, MKL (on Intel's processors) the second
    "As shipped": {},
    "Even AVX2": {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


def beside(rounds: int, only: str) -> int:
    """Both tables beside PyTorch, each in a process of its own."""
    print(setting.machine(), flush=True)
    package = os.environ.get("IMPL", HERE.parent / "reference")
    for title, kernels in FOOTINGS.items():
        chosen = " ".join(f"{name}={value}" for name, value in kernels.items())
        print(f"\n### {title}\n\n- kernels: {chosen or 'what each library chooses'}", flush=True)
        environment = setting.environment(PYTHONPATH=str(Path(package).resolve()), **kernels)
        options = ["--rounds", str(rounds), "--only", only]
        command = [sys.executable, str(HERE / "beside.py"), *options]
        if code := subprocess.run(command, env=environment, check=False).returncode:
            return code
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", default="", help="a commit to compare with")
    parser.add_argument("--rounds", type=int, default=21, help="beside PyTorch: rounds a row")
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    asked = parser.parse_args()
    try:
        return (
            against(asked.against, asked.only)
            if asked.against
            else beside(asked.rounds, asked.only)
        )
    except KeyboardInterrupt:
        print("\nstopped; the same command starts again")
        return 130


if __name__ == "__main__":
    sys.exit(main())
