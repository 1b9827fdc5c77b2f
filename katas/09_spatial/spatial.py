# Stub of kata 09, generated from reference/tinytorch/spatial.py by: make stubs
# Write in this order; make test-09 says what comes next:
#   convolving   conv2d, convolution
#   slopes       convolution_gradients
#   maxima       max_pool2d, max_pooling, max_pooling_gradient
#   means        avg_pool2d, avg_pooling, avg_pooling_gradient
#   normalizing  batch_norm, normalization, normalization_gradients
#   layers       Conv2d.__init__, Conv2d.forward, MaxPool2d.__init__, MaxPool2d.forward,
#                AvgPool2d.__init__, AvgPool2d.forward, AdaptiveAvgPool2d.__init__,
#                AdaptiveAvgPool2d.forward
#   norms        BatchNorm.__init__, BatchNorm.forward
"""Kata 09. Images: convolution, pooling and batch normalization, each with a gradient rule of its own.

A window slides over the image, and every output number is made of the few that its window sees. No
loop goes over pixels. A convolution copies all windows side by side, as the rows of a matrix, and is
one matrix product (`im2col`). Pooling, and the way back of both, loop over the places of the kernel
instead: what one place sees from all windows at once is a strided slice of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinytorch.autograd import defvjp, defvjp_fused
from tinytorch.dataloader import Pair, Size, pair, whole
from tinytorch.door import Array, composite, primitive
from tinytorch.layers import Module, Parameter
from tinytorch.tensor import Tensor, rand

Index = tuple[Any, ...]
Flags = Sequence[bool]


class Window(NamedTuple):
    """How a kernel moves over images, everything in pairs: (rows, columns).

    Attributes:
        kernel: its size.
        stride: from one window to the next.
        dilation: from one place of the kernel to the next.
        before, after: the padding above and on the left, below and on the right.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair


# ---- where windows lie ---------------------------------------------------------------------------


# ---- convolution ---------------------------------------------------------------------------------


@composite
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Slide kernels over images: out[n, o] = bias[o] + the sum of weight[o, c, i, j] * pixel over c, i, j.

    The pixel of the window at (y, x) is x[n, c, y * stride + i * dilation, x * stride + j * dilation] of
    the padded image. Channels fall into `groups` of equal size; a kernel sees those of its own group.

    Args:
        x: (N, C, H, W).
        weight: (O, C / groups, KH, KW): O kernels.
        bias: (O,), or None.
        stride: from one window to the next, in pixels.
        padding: zeros on each side, in pixels; "valid" is none, "same" as many as keep H and W (where
            that number is odd, the one more is below and on the right).
        dilation: from one place of the kernel to the next, in pixels.
        groups: divides C and O.

    Returns:
        (N, O, OH, OW); OH = (H + padding on both sides - dilation * (KH - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes do not fit together, an option is out of range, or the kernel is larger than
            the padded image; the message names the values.

    Example:
        >>> x = Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
        >>> conv2d(x, Tensor([[[[10.0, 1.0]]]])).tolist()
        [[[[12.0, 23.0], [45.0, 56.0]]]]

    Source: torch.nn.functional.conv2d
    """
    raise NotImplementedError("kata 09: conv2d")


@primitive
def convolution(
    x: Array, weight: Array, bias: Array | None, /, window: Window, groups: int
) -> tuple[Array, Array]:
    """`conv2d` once its arguments are checked.

    Args:
        x, weight, bias: as for conv2d.
        window: kernel, stride, dilation and padding, in pairs.
        groups: as for conv2d.

    Returns:
        the output, and what `convolution_gradients` gets as `saved`.
    """
    raise NotImplementedError("kata 09: convolution")


def convolution_gradients(
    needed: Flags,
    g: Array,
    saved: Any,
    x: Array,
    weight: Array,
    bias: Any,
    window: Window,
    groups: int,
) -> list[Array | None]:
    """The fused rule of `convolution`: the gradients of x, weight and bias, None where none is needed.

    Args:
        needed: whether x, weight and bias need a gradient.
        g: (N, O, OH, OW), the cotangent.
        saved: what `convolution` returned beside its output.
        x, weight, bias, window, groups: what `convolution` was given.

    Source: torch.nn.grad
    """
    raise NotImplementedError("kata 09: convolution_gradients")


defvjp_fused(convolution, convolution_gradients)


# ---- pooling -------------------------------------------------------------------------------------


@composite
def max_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest number in each window: out[n, c, y, x] = max over i, j of what place (i, j) sees.

    Padding is never the largest. The gradient of a window goes to its largest number, and of equal ones
    to the first in reading order.

    Args:
        x: (N, C, H, W).
        kernel_size: of the window, in pixels.
        stride: from one window to the next; None is kernel_size, so that they do not overlap.
        padding: on each side, at most half of kernel_size.
        dilation: from one place of the kernel to the next.
        ceil_mode: False; True is refused.

    Returns:
        (N, C, OH, OW), sizes as for conv2d.

    Raises:
        ValueError: as for conv2d; ceil_mode is True, or the padding is too large.

    Example:
        >>> max_pool2d(Tensor([[[[1.0, 5.0, 2.0], [3.0, 4.0, 6.0]]]]), 2, stride=1).tolist()
        [[[[5.0, 6.0]]]]

    Source: torch.nn.functional.max_pool2d
    """
    raise NotImplementedError("kata 09: max_pool2d")


@primitive
def max_pooling(x: Array, /, window: Window) -> Array:
    """`max_pool2d` once its arguments are checked."""
    raise NotImplementedError("kata 09: max_pooling")


def max_pooling_gradient(g: Array, out: Array, x: Array, window: Window) -> Array:
    """The rule of `max_pooling`: each window's gradient goes to the first place that holds its maximum."""
    raise NotImplementedError("kata 09: max_pooling_gradient")


defvjp(max_pooling, max_pooling_gradient)


@composite
def avg_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
) -> Tensor:
    """The mean of each window: out[n, c, y, x] = the sum of what it sees / (KH * KW).

    Args:
        x: (N, C, H, W).
        kernel_size: of the window, in pixels.
        stride: from one window to the next; None is kernel_size.
        padding: zeros on each side, at most half of kernel_size; they count.
        ceil_mode: False; True is refused.

    Returns:
        (N, C, OH, OW), sizes as for conv2d.

    Raises:
        ValueError: as for max_pool2d.

    Example:
        >>> avg_pool2d(Tensor([[[[1.0, 5.0], [2.0, 4.0]]]]), 2).tolist()
        [[[[3.0]]]]

    Source: torch.nn.functional.avg_pool2d
    """
    raise NotImplementedError("kata 09: avg_pool2d")


@primitive
def avg_pooling(x: Array, /, window: Window) -> Array:
    """`avg_pool2d` once its arguments are checked."""
    raise NotImplementedError("kata 09: avg_pooling")


def avg_pooling_gradient(g: Array, out: Array, x: Array, window: Window) -> Array:
    """The rule of `avg_pooling`: every pixel receives an equal share from every window that sees it."""
    raise NotImplementedError("kata 09: avg_pooling_gradient")


defvjp(avg_pooling, avg_pooling_gradient)


# ---- batch normalization -------------------------------------------------------------------------


@composite
def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each channel to mean 0 and variance 1: out = (x - mean) / sqrt(var + eps) * weight + bias.

    While training, mean and variance (that with divisor n) are those of the channel in this batch, over
    all n = x.size / C numbers, and the running ones move towards them:
    running = (1 - momentum) * running + momentum * batch, the variance here being that with divisor
    n - 1. Else mean and variance are the running ones, which stay.

    Args:
        x: (N, C) or (N, C, ...).
        running_mean, running_var: (C,), written to while training; None (while training) keeps none.
        weight, bias: (C,) or None, which are 1 and 0.
        training: whether the statistics are those of this batch.
        momentum: how far the running statistics move.
        eps: keeps the root away from 0.

    Returns:
        the shape and dtype of x.

    Raises:
        ValueError: x has fewer than two axes, a (C,) is of another size, there is one number a channel
            while training, or there are no running statistics while not; the message names it.

    Example:
        >>> x = Tensor([[1.0, 10.0], [3.0, 50.0]])
        >>> batch_norm(x, None, None, training=True, eps=0.0).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]

    Source: torch.nn.functional.batch_norm; Ioffe and Szegedy 2015
    """
    raise NotImplementedError("kata 09: batch_norm")


@primitive
def normalization(
    x: Array, weight: Any, bias: Any, /, mean: Array, var: Array, eps: float, training: bool
) -> tuple[Array, Any]:
    """`batch_norm` with the statistics to use, arrays (C,).

    Returns:
        the output, and what `normalization_gradients` gets as `saved`.
    """
    raise NotImplementedError("kata 09: normalization")


def normalization_gradients(
    needed: Flags, g: Array, saved: Any, x: Array, weight: Any, bias: Any, training: bool, **_: Any
) -> list[Array | None]:
    """The fused rule of `normalization`: the gradients of x, weight and bias.

    While training, mean and variance depend on every number of the channel, and its gradient loses its
    mean and its part along the normalized numbers.

    Args:
        needed: whether x, weight and bias need a gradient.
        g: the cotangent, of the shape of x.
        saved: what `normalization` returned beside its output.
        x, weight, bias, training: what `normalization` was given; the other options are not needed.
    """
    raise NotImplementedError("kata 09: normalization_gradients")


defvjp_fused(normalization, normalization_gradients)


# ---- layers --------------------------------------------------------------------------------------


class Conv2d(Module):
    """A convolutional layer: `conv2d` with a weight and a bias of its own.

    Both start uniform in [-b, b) with b = 1 / sqrt(fan_in), where fan_in = in_channels / groups * KH * KW
    is how many numbers a kernel sees. The weight is drawn first.

    Args:
        in_channels, out_channels: C and O.
        kernel_size: (KH, KW), or one number for both.
        stride, padding, dilation, groups: as for conv2d.
        bias: whether there is a bias; without one, `bias` is None.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        weight: Parameter (O, C / groups, KH, KW), float32.
        bias: Parameter (O,), float32, or None.

    Raises:
        ValueError: a size below 1, groups that do not divide the channels, or an option out of range.

    Example:
        >>> layer = Conv2d(3, 16, 3, padding=1)
        >>> layer(Tensor(np.zeros((2, 3, 8, 8), np.float32))).shape
        (2, 16, 8, 8)

    Source: torch.nn.Conv2d
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        raise NotImplementedError("kata 09: Conv2d.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, O, OH, OW).
        """
        raise NotImplementedError("kata 09: Conv2d.forward")


class MaxPool2d(Module):
    """`max_pool2d` as a module, with the same options.

    Source: torch.nn.MaxPool2d
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        raise NotImplementedError("kata 09: MaxPool2d.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply max_pool2d."""
        raise NotImplementedError("kata 09: MaxPool2d.forward")


class AvgPool2d(Module):
    """`avg_pool2d` as a module, with the same options.

    Source: torch.nn.AvgPool2d
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
    ) -> None:
        raise NotImplementedError("kata 09: AvgPool2d.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply avg_pool2d."""
        raise NotImplementedError("kata 09: AvgPool2d.forward")


class AdaptiveAvgPool2d(Module):
    """The mean of each channel of each image: (N, C, H, W) becomes (N, C, 1, 1).

    Args:
        output_size: 1 or (1, 1); other sizes are refused.

    Raises:
        ValueError: another output_size; the message names it.

    Example:
        >>> AdaptiveAvgPool2d(1)(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).tolist()
        [[[[3.0]]]]

    Source: torch.nn.AdaptiveAvgPool2d
    """

    def __init__(self, output_size: Size) -> None:
        raise NotImplementedError("kata 09: AdaptiveAvgPool2d.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Average over rows and columns."""
        raise NotImplementedError("kata 09: AdaptiveAvgPool2d.forward")


class BatchNorm(Module):
    """`batch_norm` with weights and running statistics of its own; BatchNorm1d and BatchNorm2d derive from it.

    Args:
        num_features: C.
        eps: as for batch_norm.
        momentum: as for batch_norm; None weighs all batches so far alike: 1 / num_batches_tracked.
        affine: whether there are weight and bias; without them, both are None.

    Attributes:
        weight, bias: Parameters (C,), float32, ones and zeros at the start; or None.
        running_mean, running_var: Tensors (C,), float32, zeros and ones at the start.
        num_batches_tracked: a Tensor without axes, int64: how many batches it was trained on.

    Raises:
        ValueError: num_features below 1.

    Source: torch.nn.BatchNorm1d, torch.nn.BatchNorm2d
    """

    axes: tuple[int, ...] = ()  # how many axes an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
    ) -> None:
        raise NotImplementedError("kata 09: BatchNorm.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Normalize, in training mode by the batch's statistics, in eval mode by the running ones.

        Args:
            x: (N, C) or (N, C, L) for BatchNorm1d, (N, C, H, W) for BatchNorm2d.

        Returns:
            the shape and dtype of x.

        Raises:
            ValueError: another number of axes or of channels; the message names the shape.
        """
        raise NotImplementedError("kata 09: BatchNorm.forward")


class BatchNorm1d(BatchNorm):
    """Batch normalization of (N, C) or (N, C, L)."""

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalization of images, (N, C, H, W)."""

    axes = (4,)
