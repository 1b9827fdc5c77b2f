"""Kata 13: layer norm and a block in NumPy; what PyTorch is asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from support.oracle import Case

SHAPES: dict[str, tuple[Any, Any]] = {  # of x, and the sizes that are normalized
    "vector": ((5,), 5),
    "matrix": ((3, 4), 4),
    "text": ((2, 3, 5), 5),
    "two-axes": ((2, 3, 5), (3, 5)),
    "three-axes": ((3, 2, 4), (3, 2, 4)),
    "list": ((4, 2, 3), [2, 3]),
    "one-axis-in-a-tuple": ((2, 3, 3), (3,)),
    "square": ((4, 4), 4),
    "size-1-axes": ((3, 1, 5), (1, 5)),
}


def case(name: str, shape: Any, last: Any, more: str = "", operands: str = "abc") -> Case:
    """A layer norm that PyTorch answers under the same name, gradients included."""
    sizes = tuple(last) if isinstance(last, (tuple, list)) else (last,)
    given = f", {', '.join(operands[1:])}" if len(operands) > 1 else ""
    call, torch = (
        f"{name}(a, {s}{given}{more})"
        for name, s in (("tt.layer_norm", last), ("F.layer_norm", sizes))
    )
    shapes = (tuple(shape), *[sizes] * (len(operands) - 1))
    return Case(f"norm-{name}", call, (shapes,), "normal", torch, gradient=True)


NORMS = [case(name, *shapes) for name, shapes in SHAPES.items()]
NORMS += [
    case("bare", (2, 3, 5), 5, operands="a"),
    case("without-a-bias", (3, 4), 4, operands="ab"),
    case("eps-by-name", (2, 3, 4), 4, ", eps=0.5"),
    case("eps-in-place", (2, 3, 4), (3, 4), ", 0.125"),
    case("eps-0", (3, 5), 5, ", eps=0.0"),
]


def normed(x: Any, last: Any, w: Any = None, b: Any = None, eps: float = 1e-5) -> Any:
    """layer_norm in NumPy."""
    rows = np.reshape(x, (-1, math.prod(np.atleast_1d(last))))
    found = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + eps)
    out = found.reshape(x.shape) * (1.0 if w is None else w)
    return out if b is None else out + b


def slopes(x: Any, last: Any, w: Any, c: Any, eps: float = 1e-5) -> list[Any]:
    """The gradients of layer_norm with respect to x, weight and bias."""
    sizes = tuple(np.atleast_1d(last))
    rows, g = (np.reshape(a, (-1, math.prod(sizes))) for a in (x, c * w))
    n = rows.shape[1]
    root = np.sqrt(rows.var(1) + eps)
    found = np.empty_like(rows)
    for j in range(
        n
    ):  # by each number of the row: d out_k / d x_j = (1[j=k] - 1/n - n_j n_k / n) / root
        centered = rows - rows.mean(1, keepdims=True)
        along = (g * centered).sum(1) * centered[:, j] / root**2
        found[:, j] = (g[:, j] - g.mean(1) - along / n) / root
    along = (normed(x, last, eps=eps) * c).reshape(-1, *sizes).sum(0)
    return [found.reshape(x.shape), along, c.reshape(-1, *sizes).sum(0)]
