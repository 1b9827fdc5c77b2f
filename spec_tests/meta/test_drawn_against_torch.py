"""Kata 09 beside live PyTorch on drawn shapes and options: results and all gradients, in float64.

The table of PyTorch's answers is of chosen cases, and the kata's own drawn tests compare with loops
in NumPy. Here Hypothesis draws and PyTorch answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.strategies import fill, seeds

pytestmark = [
    pytest.mark.pins,  # torch
    pytest.mark.filterwarnings("ignore:Using padding='same'"),  # that it copies the image
]

MANY = settings(max_examples=80)
drawn = given(data=st.data(), seed=seeds)
images = st.sampled_from([2, 1, 3, 0])  # how many


class Side(NamedTuple):
    """Where functions are, and what makes a tensor of an array."""

    functions: Any
    tensor: Any


@pytest.fixture(scope="module")
def sides(reference: Any) -> Any:
    """The reference and PyTorch, on one thread."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # PyTorch's tensors lie as usual: with some transposed ones its batch_norm has wrong gradients.
    theirs = Side(torch.nn.functional, lambda array: torch.tensor(array).contiguous())
    yield Side(reference, reference.Tensor), theirs
    torch.set_num_threads(threads)


def option(least: int, most: int) -> st.SearchStrategy[Any]:
    """A number for rows and columns, or a pair."""
    number = st.integers(least, most)
    return number | st.tuples(number, number)


@st.composite
def windows(draw: st.DrawFn, pool: bool = False, dilated: bool = True) -> Any:
    """A kernel, its stride, padding and dilation, and sizes of an image into which it fits."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 4)))
    half = st.tuples(*(st.integers(0, k // 2) for k in kernel))
    padding = draw(half if pool else option(0, 3) | st.sampled_from(["same", "valid"]))
    stride = 1 if padding == "same" else draw(option(1, 4))
    dilation = draw(option(1, 3)) if dilated else 1
    steps = np.broadcast_to(dilation, 2)
    spans = steps * np.subtract(kernel, 1) + 1
    edges = 0 if padding == "valid" else spans if padding == "same" else np.multiply(padding, 2)
    least = np.maximum(spans - edges, steps if pool else 1)  # every window of a pool sees a pixel
    return kernel, stride, padding, dilation, [draw(st.integers(n, n + 4)) for n in least.tolist()]


def array(data: Any, seed: int, *shape: int, kind: str = "normal") -> Any:
    """Numbers of some shape, whose axes lie in memory in a drawn order."""
    order = data.draw(st.permutations(range(len(shape))))
    return fill(tuple(shape[axis] for axis in order), seed, kind).transpose(np.argsort(order))


def walked(side: Side, call: Callable[..., Any], *arrays: Any) -> list[Any]:
    """What a call gives, and the gradients of its operands under a random cotangent."""
    leaves = [side.tensor(array) for array in arrays]
    for leaf in leaves:
        leaf.requires_grad = True
    out = call(side, *leaves)
    out.backward(side.tensor(fill(tuple(out.shape), 9, "normal")))
    return [np.asarray(value) for value in (out.detach(), *(leaf.grad for leaf in leaves))]


def check(sides: Sequence[Side], call: Callable[..., Any], *arrays: Any) -> None:
    """The call has the same result and gradients on both sides."""
    for got, want in zip(*(walked(side, call, *arrays) for side in sides), strict=True):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11)


@MANY
@drawn
def test_conv2d(sides: Any, data: Any, seed: int) -> None:
    """Every option, a number or a pair; groups, of one channel too; transposed arrays; no images."""
    kernel, *options, sizes = data.draw(windows())
    groups, ins, outs = (data.draw(st.integers(1, 3)) for _ in range(3))
    x = array(data, seed, data.draw(images), groups * ins, *sizes)
    weight = array(data, seed + 1, groups * outs, ins, *kernel)
    bias = array(data, seed + 2, groups * outs)
    check(sides, lambda side, *v: side.functions.conv2d(*v, *options, groups), x, weight, bias)


@MANY
@drawn
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_max_pool2d(sides: Any, data: Any, seed: int, kind: str) -> None:
    """Overlapping and dilated windows, padding; distinct numbers, and many equal ones."""
    *options, sizes = data.draw(windows(pool=True))
    x = array(data, seed, data.draw(images), data.draw(st.integers(1, 2)), *sizes, kind=kind)
    check(sides, lambda side, x: side.functions.max_pool2d(x, *options), x)


@MANY
@drawn
def test_avg_pool2d(sides: Any, data: Any, seed: int) -> None:
    """Overlapping windows, padding."""
    *options, _, sizes = data.draw(windows(pool=True, dilated=False))
    x = array(data, seed, data.draw(images), data.draw(st.integers(1, 2)), *sizes)
    check(sides, lambda side, x: side.functions.avg_pool2d(x, *options), x)


@MANY
@drawn
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(sides: Any, data: Any, seed: int, training: bool) -> None:
    """Of two to four axes; the running statistics too."""
    shape = [data.draw(images), *data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))]
    assume(not training or math.prod(shape) != shape[1])  # one number a channel is refused
    running: list[Any] = []

    def call(side: Side, x: Any, weight: Any, bias: Any) -> Any:
        running.append([side.tensor(fill((shape[1],), i, "positive")) for i in (3, 4)])
        return side.functions.batch_norm(x, *running[-1], weight, bias, training, 0.3, 1e-3)

    check(sides, call, array(data, seed, *shape), *(array(data, i, shape[1]) for i in (1, 2)))
    np.testing.assert_allclose(running[0], running[1], rtol=1e-10)
