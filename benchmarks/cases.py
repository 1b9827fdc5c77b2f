"""What is timed: the rows of tinytorch. Public names alone, so that older commits run the same file.

As a script it is one side of a comparison of commits: `python cases.py ROW` builds the row, and answers
each line of its input with the seconds of one batch of calls. Without ROW it lists rows and limits.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import tinytorch.autograd

import tinytorch as tt

Step = Callable[[], object]
SMALL, WIDE = (784, 128, 10), (784, 512, 512, 10)


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        make: builds the inputs, returns what is timed.
        calls: how many calls are one batch; a batch takes some 40 ms on a quiet machine.
        limit: how much slower than an older commit it may be, as a ratio.
    """

    make: Callable[[], Step]
    calls: int
    limit: float = 1.03


def measure(step: Step, calls: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds a call, over a batch of calls."""
    start = clock()
    for _ in range(calls):
        step()
    return (clock() - start) / calls


def small_operation() -> Step:
    """(x * y + x).sum() of 2 x 3 elements, forward and backward: all of it is Python overhead."""
    x, y = (tt.Tensor(np.ones((2, 3), np.float32), requires_grad=True) for _ in range(2))

    def step() -> None:
        x.grad = y.grad = None
        (x * y + x).sum().backward()

    return step


def chain() -> Step:
    """Backward through a chain of 2,000 additions and multiplications."""
    x = tt.Tensor(np.ones(4, np.float32), requires_grad=True)

    def step() -> None:
        x.grad = None
        walk(x)

    return step


def walk(start: Any) -> None:
    """The chain itself, of a tensor of either library."""
    value = start
    for _ in range(1000):
        value = value * 0.999 + start
    value.sum().backward()


def network(sizes: tuple[int, ...]) -> Any:
    """A multilayer perceptron, always with the same weights."""
    tt.manual_seed(0)
    layers = [layer for n, m in pairwise(sizes) for layer in (tt.Linear(n, m), tt.ReLU())]
    return tt.Sequential(*layers[:-1])


def examples(sizes: tuple[int, ...], batch: int) -> tuple[Any, Any]:
    """Inputs and class numbers."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, sizes[0]), np.float32)
    return x, rng.integers(0, sizes[-1], batch)


def training_step(sizes: tuple[int, ...], batch: int) -> Step:
    """Forward, cross-entropy, backward and one step of Adam."""
    model, (x, labels) = network(sizes), examples(sizes, batch)
    optimizer, inputs = tt.Adam(model.parameters(), lr=1e-3), tt.Tensor(x)

    def step() -> None:
        optimizer.zero_grad()
        tt.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return step


def inference(sizes: tuple[int, ...]) -> Step:
    """One sample through the network, no gradients."""
    model, inputs = network(sizes), tt.Tensor(examples(sizes, 1)[0])

    def step() -> None:
        with tt.no_grad():
            model(inputs)

    return step


CASES = {
    "small op, forward + backward": Case(small_operation, 1500, limit=1.05),
    "chain of 2,000 ops, forward + backward": Case(chain, 3),
    "MLP 784-128-10, batch 64, Adam step": Case(lambda: training_step(SMALL, 64), 50),
    "MLP 784-512-512-10, batch 256, Adam step": Case(lambda: training_step(WIDE, 256), 4),
    "MLP 784-128-10, inference, batch 1": Case(lambda: inference(SMALL), 1500),
}


def main() -> None:
    """List the rows, or be one side of a comparison: processor time, which a busy machine shifts less."""
    if len(sys.argv) < 2:
        print(json.dumps({name: case.limit for name, case in CASES.items()}))
        return
    case = CASES[sys.argv[1]]
    step = case.make()
    measure(step, case.calls)  # caches and pages are warm
    for _ in sys.stdin:
        print(measure(step, case.calls, time.process_time), flush=True)


if __name__ == "__main__":
    main()
