"""Side by side with PyTorch, in one process: each pair interleaved, medians and their ratio.

    make bench

Both sides compute with equal, stated thread counts (one, unless OPENBLAS_NUM_THREADS says otherwise: in
one process the threads of two libraries wait for each other), and equal inputs, shapes and dtypes.
A ratio below 1 means that tinytorch took less time. Nothing here is asserted: times are recorded.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

THREADS = os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", THREADS)

import numpy as np  # noqa: E402 - the thread count must be set before NumPy is imported
import torch  # noqa: E402

sys.path.insert(
    0,
    str(Path(os.environ.get("IMPL", Path(__file__).resolve().parents[1] / "reference")).resolve()),
)
import tinytorch as tt  # noqa: E402

torch.set_num_threads(int(THREADS))

Step = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One comparison: median seconds a call, ours and PyTorch's."""

    name: str
    ours: float
    torch: float

    @property
    def ratio(self) -> float:
        return self.ours / self.torch


def measure(step: Step, calls: int) -> float:
    """Seconds a call, over a batch of calls."""
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return (time.perf_counter() - start) / calls


def compare(name: str, ours: Step, theirs: Step, calls: int, rounds: int) -> Row:
    """Interleave the two, so that a busy moment of the machine meets both."""
    measure(ours, calls), measure(theirs, calls)
    pairs = [(measure(ours, calls), measure(theirs, calls)) for _ in range(rounds)]
    return Row(name, statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs))


def small_operation() -> tuple[Step, Step]:
    """(x * y + x).sum() of 2 x 3 elements, forward and backward: all of it is Python overhead."""
    data = np.ones((2, 3), np.float32)
    x, y = tt.Tensor(data, requires_grad=True), tt.Tensor(data.copy(), requires_grad=True)
    p, q = torch.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)

    def ours() -> None:
        x.grad = y.grad = None
        (x * y + x).sum().backward()

    def theirs() -> None:
        p.grad = q.grad = None
        (p * q + p).sum().backward()

    return ours, theirs


def chain() -> tuple[Step, Step]:
    """Backward through a chain of 2,000 additions and multiplications."""
    x, p = tt.Tensor(np.ones(4, np.float32), requires_grad=True), torch.ones(4, requires_grad=True)

    def walk(start: object) -> None:
        value = start
        for _ in range(1000):
            value = value * 0.999 + start  # type: ignore[operator]
        value.sum().backward()  # type: ignore[attr-defined]

    def ours() -> None:
        x.grad = None
        walk(x)

    def theirs() -> None:
        p.grad = None
        walk(p)

    return ours, theirs


def sizes_to_models(sizes: tuple[int, ...]) -> tuple[object, torch.nn.Module]:
    """The same multilayer perceptron on both sides, with the same weights."""
    ours, theirs = [], []
    for i, (n, m) in enumerate(pairwise(sizes)):
        ours.append(tt.Linear(n, m))
        theirs.append(torch.nn.Linear(n, m))
        if i < len(sizes) - 2:
            ours.append(tt.ReLU())
            theirs.append(torch.nn.ReLU())
    model, other = tt.Sequential(*ours), torch.nn.Sequential(*theirs)
    other.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    return model, other


def training_step(sizes: tuple[int, ...], batch: int) -> tuple[Step, Step]:
    """Forward, cross-entropy, backward and one step of Adam."""
    model, other = sizes_to_models(sizes)
    rng = np.random.default_rng(0)
    x, labels = (
        rng.standard_normal((batch, sizes[0]), np.float32),
        rng.integers(0, sizes[-1], batch),
    )
    optimizer, adam = (
        tt.Adam(model.parameters(), lr=1e-3),
        torch.optim.Adam(other.parameters(), lr=1e-3),
    )
    inputs, tx, ty = tt.Tensor(x), torch.tensor(x), torch.tensor(labels)

    def ours() -> None:
        optimizer.zero_grad()
        tt.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    def theirs() -> None:
        adam.zero_grad()
        torch.nn.functional.cross_entropy(other(tx), ty).backward()
        adam.step()

    return ours, theirs


def inference(sizes: tuple[int, ...]) -> tuple[Step, Step]:
    """One sample through the network, no gradients."""
    model, other = sizes_to_models(sizes)
    x = np.random.default_rng(0).standard_normal((1, sizes[0]), np.float32)
    inputs, tx = tt.Tensor(x), torch.tensor(x)

    def ours() -> None:
        with tt.no_grad():
            model(inputs)

    def theirs() -> None:
        with torch.no_grad():
            other(tx)

    return ours, theirs


CASES: dict[str, tuple[Callable[[], tuple[Step, Step]], int]] = {
    "small op, forward + backward": (small_operation, 500),
    "chain of 2,000 ops, forward + backward": (chain, 2),
    "MLP 784-128-10, batch 64, Adam step": (lambda: training_step((784, 128, 10), 64), 30),
    "MLP 784-512-512-10, batch 256, Adam step": (
        lambda: training_step((784, 512, 512, 10), 256),
        4,
    ),
    "MLP 784-128-10, inference, batch 1": (lambda: inference((784, 128, 10)), 500),
}


def main() -> None:
    """Print the table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="interleaved rounds a case")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    arguments = parser.parse_args()
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, threads on each side: {THREADS},",
        end=" ",
    )
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}\n"
    )
    print("| case | tinytorch | PyTorch | ratio |\n|---|---:|---:|---:|")
    for name, (make, calls) in CASES.items():
        if arguments.only in name:
            ours, theirs = make()
            row = compare(name, ours, theirs, calls, arguments.rounds)
            print(
                f"| {row.name} | {row.ours * 1e6:,.0f} µs | {row.torch * 1e6:,.0f} µs | {row.ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
