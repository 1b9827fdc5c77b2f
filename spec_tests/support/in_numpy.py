"""The value of an expression on tensors, by NumPy alone: what a sweep without a table compares with."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np


def sizes_of(sizes: Any) -> Any:
    """Sizes given one by one or as one tuple."""
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple) else sizes


class InNumpy(np.ndarray):
    """An array with the methods of a tensor, to evaluate the same expressions with NumPy."""

    def __new__(cls, array: Any) -> Any:
        return np.asarray(array).view(cls)

    def exp(self) -> Any:
        return np.exp(self)

    def log(self) -> Any:
        return np.log(self)

    def sqrt(self) -> Any:
        return np.sqrt(self)

    def abs(self) -> Any:
        return np.abs(self)

    def var(self, axis: Any = None, correction: int = 1, keepdims: bool = False) -> Any:
        return np.var(np.asarray(self), axis, ddof=correction, keepdims=keepdims)

    def permute(self, *axes: Any) -> Any:
        return np.transpose(np.asarray(self), sizes_of(axes))

    def transpose(self, i: int, j: int) -> Any:
        return np.swapaxes(self, i, j)

    def flatten(self, start: int = 0, end: int = -1) -> Any:
        start, end = start % self.ndim, end % self.ndim + 1
        return self.reshape(
            *self.shape[:start], math.prod(self.shape[start:end]), *self.shape[end:]
        )

    def squeeze(self, axis: int | None = None) -> Any:
        axes = [i for i, n in enumerate(self.shape) if n == 1 and axis in (None, i, i - self.ndim)]
        return np.squeeze(np.asarray(self), tuple(axes))

    def unsqueeze(self, axis: int) -> Any:
        return np.expand_dims(self, axis)

    def expand(self, *sizes: Any) -> Any:
        sizes = sizes_of(sizes)
        old = (1,) * (len(sizes) - self.ndim) + self.shape
        return np.broadcast_to(
            self, [o if n == -1 else n for o, n in zip(old, sizes, strict=True)], subok=True
        )

    def pad(self, padding: Any, value: float = 0.0) -> Any:
        pairs = [padding[i : i + 2] for i in range(0, len(padding), 2)]
        pairs += [(0, 0)] * (self.ndim - len(pairs))
        return np.pad(np.asarray(self), pairs[::-1], constant_values=value)


def in_numpy(expression: str, *values: Any) -> Any:
    """The value of an expression on tensors, by NumPy alone."""
    tt = SimpleNamespace(maximum=np.maximum, where=np.where, cat=np.concatenate, stack=np.stack)
    tt.concatenate = lambda *parts, axis=0: np.concatenate(parts, axis)
    tt.Tensor = np.asarray
    spelled = expression.replace("keepdim=", "keepdims=").replace("dim=", "axis=")
    known = dict(zip("abcd", map(InNumpy, values), strict=False))
    with np.errstate(all="ignore"):
        return np.asarray(eval(spelled, {"np": np, "tt": tt, **known}))
