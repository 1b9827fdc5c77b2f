"""Kata 09: convolution, pooling and batch norm in NumPy, one window or one number at a time; tables."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from hypothesis import settings
from support.oracle import Case
from support.strategies import fill

IMAGE = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)  # the README's worked example
FEW = settings(max_examples=25)  # each example is computed window by window
Shape = tuple[int, ...]


def case(name: str, call: str, *shapes: tuple[Shape, ...], kind: Any = "normal") -> Case:
    """A call that PyTorch answers under the same name in torch.nn.functional, gradients included."""
    torch = re.sub(r"np\.int64\((\d+)\)", r"\1", call.replace("tt.", "F."))
    torch = re.sub(r"F\.Tensor\(np\.array\(([^)]*)\)\)", r"torch.tensor(\1).double()", torch)
    return Case(name, call, shapes, kind, torch, gradient=True)


def pairs(value: Any, kernel: Any = None, dilation: Any = (1, 1)) -> Any:
    """An option as a pair; padding as two pairs, before and after, if a kernel is passed."""
    if kernel is None:
        return tuple(value) if isinstance(value, (tuple, list)) else (int(value),) * 2
    if isinstance(value, str):
        gaps = zip(kernel, dilation, strict=True)
        whole = [d * (k - 1) * (value == "same") for k, d in gaps]
        return [n // 2 for n in whole], [n - n // 2 for n in whole]
    return [pairs(value)] * 2


def windows(x: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """Of every window its number in rows and columns, and where it lies in the padded image."""
    stride, dilation = pairs(stride), pairs(dilation)
    before, after = pairs(padding, kernel, dilation)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    edges = zip(x.shape[2:], before, after, reach, stride, strict=True)
    counts = [(n + b + a - r) // s + 1 for n, b, a, r, s in edges]
    parts = zip(stride, reach, dilation, strict=True)
    cuts = [lambda k, s=s, r=r, d=d: slice(k * s, k * s + r, d) for s, r, d in parts]
    padded = [(0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])]
    found = [(y, z, (..., cuts[0](y), cuts[1](z))) for y, z in np.ndindex(*counts)]
    return counts, padded, found


def convolved(x: Any, w: Any, b: Any = None, c: Any = None, groups: int = 1, **where: Any) -> Any:
    """conv2d one window at a time, in NumPy: the result, or with a cotangent c the gradients."""
    (high, wide), edges, found = windows(x, w.shape[2:], **where)
    padded, out = np.pad(x, edges), np.zeros((len(x), len(w), high, wide))
    slopes = [np.zeros_like(padded), np.zeros_like(w), None if c is None else c.sum((0, 2, 3))]
    for y, z, at in found:
        for k in range(groups):
            ins, outs = (
                slice(k * n // groups, (k + 1) * n // groups) for n in (x.shape[1], len(w))
            )
            seen, mine = padded[at][:, ins], w[outs]
            out[:, outs, y, z] = np.einsum("nchw,ochw->no", seen, mine)
            if c is not None:
                slopes[0][at][:, ins] += np.einsum("no,ochw->nchw", c[:, outs, y, z], mine)
                slopes[1][outs] += np.einsum("no,nchw->ochw", c[:, outs, y, z], seen)
    if c is None:
        return out if b is None else out + b[:, None, None]
    slopes[0] = slopes[0][:, :, edges[2][0] :, edges[3][0] :][:, :, : x.shape[2], : x.shape[3]]
    return slopes if b is not None else slopes[:2]


def filled(*shapes: Shape, seed: int = 0, kind: str = "normal") -> list[Any]:
    """Arrays of these shapes, each with numbers of its own."""
    return [fill(shape, seed + 10 * i, kind) for i, shape in enumerate(shapes)]


IN = "tt.Tensor(np.ones({}))"  # an operand of this shape


def pooled(x: Any, kernel: Any, take: Any, fill_in: float, c: Any = None, **where: Any) -> Any:
    """A pool one window at a time: take(window) is its result and how its gradient is shared out."""
    (high, wide), edges, found = windows(x, pairs(kernel), **where)
    padded = np.pad(x, edges, constant_values=fill_in)
    out, slope = np.zeros((*x.shape[:2], high, wide)), np.zeros_like(padded)
    for y, z, at in found:
        for n, k in np.ndindex(*x.shape[:2]):
            out[n, k, y, z], shares = take(padded[n, k][at])
            if c is not None:
                slope[n, k][at] += c[n, k, y, z] * shares
    slope = slope[:, :, edges[2][0] :, edges[3][0] :][:, :, : x.shape[2], : x.shape[3]]
    return out if c is None else slope


def first_maximum(seen: Any) -> Any:
    """The largest number of the image, and 1 where it stands first in reading order; padding is nan."""
    inside, shares = np.flatnonzero(~np.isnan(seen)), np.zeros(seen.shape)
    best = max(inside, key=lambda i: seen.flat[i])
    shares.flat[best] = 1
    return seen.flat[best], shares


def average(seen: Any) -> Any:
    """The mean, and equal shares."""
    return seen.mean(), np.full(seen.shape, 1 / seen.size)


POOL_REFUSED = {  # the options of both pools, and what the message names
    "ceil_mode": (", 2, ceil_mode=True", "(1, 1, {n}, 5)", ("ceil_mode",)),
    "ceil_mode-without-a-rest": (", 1, ceil_mode=True", "(1, 1, {n}, 5)", ("ceil_mode",)),
    "padding-over-half": (", 3, padding=2", "(1, 1, {n}, 5)", ("padding", "2")),
    "padding-over-half-in-one-axis": (
        ", (4, 2), padding=(2, {n})",
        "(1, 1, 9, 9)",
        ("padding", "(2, {n})"),
    ),
    "padding-over-half-in-rows": (
        ", (2, 4), padding=({n}, 2)",
        "(1, 1, 9, 9)",
        ("padding", "({n}, 2)"),
    ),
    "padding-over-half-in-columns": (
        ", 2, padding=(0, {n})",
        "(1, 1, 9, 9)",
        ("padding", "(0, {n})"),
    ),
    "padding-over-half-of-the-shorter-side": (
        ", (2, {n}), padding=(2, 0)",
        "(1, 1, 9, 9)",
        ("padding", "(2, 0)"),
    ),
    "padding-over-half-of-the-narrower-side": (
        ", ({n}, 2), padding=(0, 2)",
        "(1, 1, 9, 9)",
        ("padding", "(0, 2)"),
    ),
    "padding-below-0": (", 3, padding=-{n}", "(1, 1, 5, 5)", ("padding", "-{n}")),
    "padding-text": (", 3, padding='same'", "(1, 1, {n}, 5)", ("padding", "same")),
    "kernel_size-0": (", (2, 0)", "(1, 1, {n}, 5)", ("kernel_size", "(2, 0)")),
    "kernel_size-a-fraction": (", {n}.0", "(1, 1, 9, 9)", ("kernel_size", "{n}.0")),
    "kernel_size-of-three": (", (1, 1, {n})", "(1, 1, 9, 9)", ("kernel_size", "(1, 1, {n})")),
    "stride-0": (", 2, 0", "(1, 1, {n}, 5)", ("stride", "0")),
    "stride-below-0": (", 2, (1, -{n})", "(1, 1, 9, 9)", ("stride", "(1, -{n})")),
    "too-high": (", (8, {n})", "(1, 1, 7, 9)", ("7", "8")),
    "too-wide-without-images": (", ({n}, 8)", "(0, 1, 9, 7)", ("7", "8")),
    "no-batch-axis": (", 2", "(3, {n}, 5)", ("(3, {n}, 5)",)),
    "two-axes": (", 2", "(8, {n})", ("(8, {n})",)),
}


NORM = "tt.batch_norm(a, None, None, b, c, training=True{})"


def per_channel(v: Any, x: Any) -> Any:
    """A number for each channel, shaped to broadcast."""
    return np.reshape(v, (-1, *[1] * (x.ndim - 2)))


def batch(x: Any) -> Any:
    """Mean and both variances of each channel, number by number: divisor n, then n - 1."""
    rows = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    means = np.array([math.fsum(r) / len(r) for r in rows])
    squares = np.array([math.fsum((r - m) ** 2) for r, m in zip(rows, means, strict=True)])
    return means, squares / len(rows[0]), squares / max(1, len(rows[0]) - 1)


def normed(x: Any, mean: Any, var: Any, w: Any = 1.0, b: Any = 0.0, eps: float = 1e-5) -> Any:
    """The formula of batch norm."""
    scale = np.sqrt(np.asarray(var) + eps)
    return (x - per_channel(mean, x)) / per_channel(scale, x) * per_channel(w, x) + per_channel(
        b, x
    )
