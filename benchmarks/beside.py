"""One table beside PyTorch, of one process: each pair interleaved, medians, their ratio and its spread."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import setting
import torch
from cases import CASES, SMALL, WIDE, Step, examples, measure, network, walk

THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])  # run.py sets it
FORMS = "eager, cross_entropy in one function, Adam's default form, contiguous layout; no row has a GELU, attention or convolution"
KERNELS = "kernels alone: (768, 128) @ (128, 512)"
HEAD = "| row | tinytorch | PyTorch | ratio | middle half |\n|---|---:|---:|---:|---:|"


def small_operation() -> Step:
    p, q = (torch.ones(2, 3, requires_grad=True) for _ in range(2))

    def step() -> None:
        p.grad = q.grad = None
        (p * q + p).sum().backward()

    return step


def chain() -> Step:
    p = torch.ones(4, requires_grad=True)

    def step() -> None:
        p.grad = None
        walk(p)

    return step


def same_network(sizes: tuple[int, ...]) -> torch.nn.Module:
    """PyTorch's network, with the weights of ours."""
    layers: list[torch.nn.Module] = []
    for n, m in pairwise(sizes):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    weights = network(sizes).state_dict()
    model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return model


def training_step(sizes: tuple[int, ...], batch: int) -> Step:
    model, (x, labels) = same_network(sizes), map(torch.tensor, examples(sizes, batch))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        adam.zero_grad()
        torch.nn.functional.cross_entropy(model(x), labels).backward()
        adam.step()

    return step


def inference(sizes: tuple[int, ...]) -> Step:
    model, x = same_network(sizes), torch.tensor(examples(sizes, 1)[0])

    def step() -> None:
        with torch.no_grad():
            model(x)

    return step


THEIRS: dict[str, Callable[[], Step]] = {
    "small op, forward + backward": small_operation,
    "chain of 2,000 ops, forward + backward": chain,
    "MLP 784-128-10, batch 64, Adam step": lambda: training_step(SMALL, 64),
    "MLP 784-512-512-10, batch 256, Adam step": lambda: training_step(WIDE, 256),
    "MLP 784-128-10, inference, batch 1": lambda: inference(SMALL),
}


def kernels() -> tuple[Step, Step]:
    """One product of plain arrays: it shows whether both sides run kernels of the same width."""
    a, b = np.ones((768, 128), np.float32), np.ones((128, 512), np.float32)
    p, q = torch.tensor(a), torch.tensor(b)
    return lambda: a @ b, lambda: p @ q


def compare(name: str, ours: Step, theirs: Step, calls: int, rounds: int) -> str:
    """A row; the two are interleaved, so that a busy moment of the machine meets both."""
    measure(ours, calls), measure(theirs, calls)
    pairs = [(measure(ours, calls), measure(theirs, calls)) for _ in range(rounds)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    low, _, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    times = f"{mine * 1e6:,.0f} µs | {other * 1e6:,.0f} µs | {mine / other:.2f}"
    return f"| {name} | {times} | {low:.2f} to {high:.2f} |"


def torch_kernels() -> str:
    """PyTorch's BLAS and its kernels, in the words of MKL; those of element-by-element loops."""
    script = "import torch; torch.ones(2, 2) @ torch.ones(2, 2)"
    command, verbose = [sys.executable, "-c", script], os.environ | {"MKL_VERBOSE": "1"}
    said = subprocess.run(command, env=verbose, capture_output=True, text=True, check=False).stdout
    found = re.search(r"(oneMKL \S+).*? architecture (.+?) processors", said)
    blas = f"{found[1]}, kernels for {found[2]!r}" if found else "its BLAS does not say its kernels"
    amd = " (so it calls AMD's, and runs AVX2)" if found and "AMD" in setting.processor() else ""
    return f"{blas}{amd}; loops {torch.backends.cpu.get_cpu_capability()}"


def main() -> None:
    """Print the table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"- NumPy: {setting.numpy_kernels()}\n- PyTorch {torch.__version__}: {torch_kernels()}")
    print(f"- threads on each side: {THREADS}; malloc: {setting.malloc()}")
    print(f"- PyTorch's forms: {FORMS}\n\n{HEAD}", flush=True)
    rows = {KERNELS: (kernels, 100)} | {
        name: (lambda c=case, n=name: (c.make(), THEIRS[n]()), case.calls)
        for name, case in CASES.items()
    }
    for name, (make, calls) in rows.items():
        if arguments.only in name:
            print(compare(name, *make(), calls, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
