"""One table beside PyTorch: each row in two processes that take turns, medians, their ratio and its spread."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import setting
import torch
from cases import CASES
from sides import Process, paired
from theirs import LAST, ROWS

HERE = Path(__file__).resolve().parent
FORMS = "eager, of modules; cross_entropy, attention, layer_norm and GELU (tanh) in one function each; optimizers' default forms"
HEAD = """| row | threads | tinytorch | PyTorch | ratio | middle half | MiB at most | PyTorch's |
|---|---:|---:|---:|---:|---:|---:|---:|"""


def compare(row: str, rounds: int) -> str:
    """A line of the table; the peak of memory is what a row adds to a process that has its imports."""
    ours = row.removesuffix(LAST)
    environment = setting.environment(CASES[ours].threads)
    mine = Process(HERE / "cases.py", [ours, "perf_counter"], environment)
    other = Process(HERE / "theirs.py", [row, "perf_counter"], environment)
    with closing(mine), closing(other):
        pairs = paired(mine, other, rounds)
    first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
    low, _, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    times = f"{first * 1e6:,.0f} µs | {second * 1e6:,.0f} µs | {first / second:.2f}"
    memory = " | ".join("-" if p is None else f"{p:,.0f}" for p in (mine.peak, other.peak))
    threads = environment["OPENBLAS_NUM_THREADS"]
    return f"| {row} | {threads} | {times} | {low:.2f} to {high:.2f} | {memory} |"


def torch_kernels() -> str:
    """PyTorch's BLAS and its kernels, in the words of MKL; those of element-by-element loops."""
    script = "import torch; torch.ones(2, 2) @ torch.ones(2, 2)"
    command, verbose = [sys.executable, "-c", script], os.environ | {"MKL_VERBOSE": "1"}
    said = subprocess.run(command, env=verbose, capture_output=True, text=True, check=False).stdout
    found = re.search(r"(oneMKL \S+).*? architecture (.+?) processors", said)
    blas = f"{found[1]}, kernels for {found[2]!r}" if found else "its BLAS does not say its kernels"
    amd = " (so it calls AMD's, and runs AVX2)" if found and "AMD" in setting.processor() else ""
    return f"{blas}{amd}; loops {torch.backends.cpu.get_cpu_capability()}"


def rows() -> Iterator[str]:
    """The names of all rows, one in PyTorch's other layout behind the one in its default."""
    for row in CASES:
        yield from (form for form in (row, row + LAST) if form in ROWS)


def main() -> None:
    """Print the table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    print(f"- NumPy: {setting.numpy_kernels()}\n- PyTorch {torch.__version__}: {torch_kernels()}")
    print(f"- malloc: {setting.malloc()}\n- PyTorch's forms: {FORMS}\n\n{HEAD}", flush=True)
    for row in rows():
        if arguments.only in row:
            print(compare(row, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
