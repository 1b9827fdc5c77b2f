"""Kata 13: layer norm and a block in NumPy, one row or one position at a time."""

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
    call, torch = (f"{name}(a, {s}{given}{more})" for name, s in (("tt.layer_norm", last), ("F.layer_norm", sizes)))
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
    """layer_norm, one row after the other."""
    sizes = tuple(np.atleast_1d(last))
    rows = np.reshape(x, (-1, math.prod(sizes)))
    found = np.array([(row - row.mean()) / np.sqrt(row.var() + eps) for row in rows])
    out = found.reshape(x.shape) * (1.0 if w is None else w)
    return out if b is None else out + b


def slopes(x: Any, last: Any, w: Any, c: Any, eps: float = 1e-5) -> list[Any]:
    """The gradients of layer_norm with respect to x, weight and bias, one row after the other."""
    sizes = tuple(np.atleast_1d(last))
    size, found = math.prod(sizes), []
    inner = (c * w).reshape(-1, size)
    for row, g in zip(x.reshape(-1, size), inner, strict=True):
        centered = row - row.mean()
        var = (centered**2).mean() + eps
        slope = g - g.mean() - centered * (g * centered).mean() / var
        found.append(slope / np.sqrt(var))
    along = (normed(x, last, eps=eps) * c).reshape(-1, *sizes).sum(0)
    return [np.array(found).reshape(x.shape), along, c.reshape(-1, *sizes).sum(0)]
