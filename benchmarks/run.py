"""The reference beside PyTorch, or beside an older commit of itself.

    make bench                    two tables: as shipped, and with kernels of the same width
    make bench AGAINST=COMMIT     is it slower than it was? 1 if a row is

Both sides compute in processes of their own, which take turns, with equal, stated thread counts (those of
the row, unless OPENBLAS_NUM_THREADS is set), equal inputs, shapes and dtypes, and keep the memory that they
free. A ratio below 1 means that tinytorch, or today's commit, took less time. Beside PyTorch, times are
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
    """Both tables beside PyTorch; variables that choose kernels are those of the table alone."""
    print(setting.machine(), flush=True)
    package = os.environ.get("IMPL", HERE.parent / "reference")
    for title, kernels in FOOTINGS.items():
        chosen = " ".join(f"{name}={value}" for name, value in kernels.items())
        print(f"\n### {title}\n\n- kernels: {chosen or 'what each library chooses'}", flush=True)
        environment = {k: v for k, v in os.environ.items() if k not in FOOTINGS["Even AVX2"]}
        environment |= kernels | {"PYTHONPATH": str(Path(package).resolve())}
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
