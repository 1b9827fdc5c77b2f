"""Kata 08: pairs of rows, held by data sets of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.strategies import integer, normal


def data(rows: int, seed: int = 1) -> tuple[Any, Any]:
    """Inputs (rows, 3) and a label (rows,) for each, no two alike."""
    return normal(rows, 3, seed=seed), 10 * np.arange(rows) + integer(7, 3, 9, seed)


def holding(tt: Any, kind: str, x: Any, y: Any) -> Any:
    """The pairs of rows of x and y as a data set of one kind."""
    pairs = [(a, b) for a, b in zip(x, y, strict=True)]

    class Own(tt.Dataset):
        def __len__(self):
            return len(pairs)

        def __getitem__(self, index):
            return pairs[index]

    class Stream(tt.IterableDataset):
        def __len__(self):
            return len(pairs)

        def __iter__(self):
            return iter(pairs)

    class Changed(tt.TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)

    class Turned(tt.Subset):
        def __getitem__(self, index):
            return super().__getitem__(range(len(self))[::-1][index])

    if kind == "Subset of one's own":
        return Turned(tt.TensorDataset(np.flip(x, 0), np.flip(y)), range(len(x)))
    if kind == "Subset":
        return tt.Subset(tt.TensorDataset(np.flip(x, 0), np.flip(y)), range(len(x))[::-1])
    made = {"TensorDataset": tt.TensorDataset, "Changed": Changed}
    return made[kind](x, y) if kind in made else {"own": Own, "stream": Stream}[kind]()


KINDS = ["TensorDataset", "Subset", "own", "Changed", "Subset of one's own"]
EVERY_KIND = [*KINDS, "stream"]
