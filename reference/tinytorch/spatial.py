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


# kata: given
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


# kata: end


# ---- where windows lie ---------------------------------------------------------------------------


def _sizes(x: Tensor) -> Pair:
    """Rows and columns of a batch of images."""
    if x.ndim != 4:
        raise ValueError(f"images have the shape (N, C, H, W); got {x.shape}")
    return x.shape[2], x.shape[3]


def _spans(window: Window) -> Pair:
    """How many pixels a kernel reaches over, in rows and in columns."""
    rows, columns = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    return rows, columns


def _counts(sizes: Sequence[int], window: Window) -> Pair:
    """How many windows there are, in rows and in columns; a kernel that fits nowhere is refused."""
    spans, edges = _spans(window), zip(sizes, window.before, window.after, strict=True)
    room = [sum(edge) - span for edge, span in zip(edges, spans, strict=True)]
    if min(room) < 0:
        padded = (room[0] + spans[0], room[1] + spans[1])
        raise ValueError(
            f"a kernel that reaches over {spans} is larger than the padded image, {padded}: "
            "pad more, or take a smaller kernel"
        )
    return room[0] // window.stride[0] + 1, room[1] // window.stride[1] + 1


def _places(sizes: Sequence[int], window: Window) -> Iterator[tuple[Pair, Index, Index]]:
    """For each place of the kernel, in reading order: the windows and the pixels that they see there.

    Both are indices of the last two axes. Where a window looks out of the image, it is left out.
    """
    counts = _counts(sizes, window)
    for place in np.ndindex(window.kernel):
        offsets = [i * d - b for i, d, b in zip(place, window.dilation, window.before, strict=True)]
        windows, pixels = zip(*map(_visits, sizes, counts, window.stride, offsets), strict=True)
        yield (place[0], place[1]), (..., *windows), (..., *pixels)


def _visits(size: int, count: int, stride: int, offset: int) -> tuple[slice, slice]:
    """Along one axis: the windows w of `count` with a pixel at w * stride + offset, and these pixels."""
    first = max(0, -(offset // stride))
    past = max(first, min(count, -((offset - size) // stride)))
    return slice(first, past), slice(first * stride + offset, past * stride + offset, stride)


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
    sizes = _sizes(x)
    groups = whole("groups", groups, 1)
    _demand_kernels(x.shape, weight.shape, bias, groups)
    window = _window(weight.shape[2:], stride, padding, dilation)
    _counts(sizes, window)  # refuses a kernel that fits nowhere
    return convolution(x, weight, bias, window, groups)


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
    columns = _columns(x, window, groups)
    images, *counts = columns.shape[1:4]
    out = _matrices(columns) @ _kernels(weight, groups)  # (G, N * OH * OW, O / G)
    if bias is not None:
        out += bias.reshape(groups, 1, len(bias) // groups)
    out = out.reshape(groups, images, *counts, len(weight) // groups).transpose(1, 0, 4, 2, 3)
    return out.reshape(images, len(weight), *counts), columns  # of one group: a view, channels last


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
    apart = g.reshape(len(g), groups, len(weight) // groups, *g.shape[2:])
    rows = _matrices(apart.transpose(1, 0, 3, 4, 2))  # (G, N * OH * OW, O / G)
    slopes: list[Array | None] = [None, None, None]
    if needed[0]:
        seen = rows @ _kernels(weight, groups).swapaxes(1, 2)
        slopes[0] = _added_up(seen.reshape(saved.shape), x.shape, window)
    if needed[1]:
        kernels = rows.swapaxes(1, 2) @ _matrices(saved)  # (G, O / G, KH * KW * C / G)
        kernels = kernels.reshape(len(weight), *saved.shape[4:])
        slopes[1] = kernels.transpose(0, 3, 1, 2)
    if needed[2]:
        slopes[2] = rows.sum(axis=1).reshape(len(weight))
    return slopes


defvjp_fused(convolution, convolution_gradients)


def _demand_kernels(
    shape: tuple[int, ...], weight: tuple[int, ...], bias: Tensor | None, groups: int
) -> None:
    """Refuse kernels and a bias that do not fit the images' channels."""
    fits = len(weight) == 4 and weight[1] * groups == shape[1] and weight[0] % groups == 0
    if not fits or 0 in weight[2:]:
        raise ValueError(
            f"with groups={groups} and images of shape {shape}, the weight of conv2d has the shape "
            f"(O, {shape[1]} / {groups}, KH, KW), {groups} divides O, and no kernel is empty; got {weight}: change the weight or groups, with groups=1 every kernel sees all channels"
        )
    if bias is not None and bias.shape != weight[:1]:
        raise ValueError(f"conv2d takes a bias of shape {weight[:1]}; got {bias.shape}")


def _window(kernel: tuple[int, ...], stride: Size, padding: Size | str, dilation: Size) -> Window:
    """The options of a convolution as pairs."""
    size, steps, gaps = (kernel[0], kernel[1]), pair("stride", stride), pair("dilation", dilation)
    if not isinstance(padding, str):
        around = pair("padding", padding, least=0)
        return Window(size, steps, gaps, around, around)
    if padding not in ("same", "valid"):
        raise ValueError(f'padding is a number, two, "same" or "valid"; got {padding!r}')
    if padding == "same" and steps != (1, 1):
        raise ValueError(f'padding="same" goes with stride=1 alone; got stride={stride!r}')
    whole = [d * (k - 1) * (padding == "same") for k, d in zip(kernel, gaps, strict=True)]
    before, after = (whole[0] // 2, whole[1] // 2), (-(-whole[0] // 2), -(-whole[1] // 2))
    return Window(size, steps, gaps, before, after)


def _columns(x: Array, window: Window, groups: int) -> Array:
    """What every window sees, copied side by side (im2col): (G, N, OH, OW, KH, KW, C / G)."""
    (high, wide), (down, right) = window.stride, window.dilation
    padded = _padded(x.transpose(0, 2, 3, 1), window)  # channels last: what is seen lies together
    seen = sliding_window_view(padded, _spans(window), (1, 2))  # (N, rows, columns, C, KH, KW)
    seen = seen[:, ::high, ::wide, :, ::down, ::right]
    images, rows, columns, channels, *kernel = seen.shape
    apart = seen.reshape(images, rows, columns, groups, channels // groups, *kernel)
    return apart.transpose(3, 0, 1, 2, 5, 6, 4).copy()  # a view would keep the whole image


def _padded(x: Array, window: Window) -> Array:
    """Images (N, H, W, C) with zeros around them."""
    if window.before == window.after == (0, 0):
        return x
    (top, left), (bottom, right) = window.before, window.after
    images, high, wide, channels = x.shape
    padded = np.zeros((images, top + high + bottom, left + wide + right, channels), x.dtype)
    padded[:, top : top + high, left : left + wide] = x
    return padded


def _added_up(columns: Array, shape: tuple[int, ...], window: Window) -> Array:
    """For each pixel the sum of what all windows have of it (col2im): the adjoint of `_columns`."""
    images, channels, high, wide = shape
    groups = len(columns)
    pixels = np.zeros((images, high, wide, groups, channels // groups), columns.dtype)
    sums = pixels.transpose(3, 0, 4, 1, 2)  # (G, N, C / G, H, W)
    seen = columns.transpose(4, 5, 0, 1, 6, 2, 3)  # (KH, KW, G, N, C / G, OH, OW)
    for place, windows, there in _places((high, wide), window):
        sums[there] += seen[place][windows]
    return pixels.reshape(images, high, wide, channels).transpose(0, 3, 1, 2)


def _kernels(weight: Array, groups: int) -> Array:
    """The kernels as the columns of one matrix a group: (G, KH * KW * C / G, O / G)."""
    count, *inner = weight.shape
    apart = weight.reshape(groups, count // groups, *inner).transpose(0, 3, 4, 2, 1)
    return apart.reshape(groups, math.prod(inner), count // groups)


def _matrices(array: Array) -> Array:
    """A matrix for each group: axes 1 to 3 are its rows, the axes behind them its columns."""
    shape = array.shape
    return array.reshape(shape[0], math.prod(shape[1:4]), math.prod(shape[4:]))


def _laid_out(g: Array, like: Array) -> Array:
    """A cotangent in the memory order of its array: mixed orders are slow, and Flatten brings another one."""
    return g if g.strides == like.strides else np.positive(g, out=np.empty_like(like))


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
    _demand_floor(ceil_mode)
    return max_pooling(x, _pool(_sizes(x), kernel_size, stride, padding, dilation))


@primitive
def max_pooling(x: Array, /, window: Window) -> Array:
    """`max_pool2d` once its arguments are checked."""
    sizes = x.shape[2:]
    lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    out = np.full_like(x, lowest, shape=(*x.shape[:2], *_counts(sizes, window)))
    for _, windows, there in _places(sizes, window):
        np.maximum(out[windows], x[there], out=out[windows])
    return out


def max_pooling_gradient(g: Array, out: Array, x: Array, window: Window) -> Array:
    """The rule of `max_pooling`: each window's gradient goes to the first place that holds its maximum."""
    g = _laid_out(g, out)
    slope, free = np.zeros_like(x), np.ones_like(out, bool)  # free: windows without a place so far
    finite = np.isfinite(g).all()  # then a product chooses too, and faster; 0 * inf is nan
    apart = all(n <= step for n, step in zip(_spans(window), window.stride, strict=True))
    for _, windows, there in _places(x.shape[2:], window):
        found = free[windows] & (x[there] == out[windows])
        free[windows] ^= found
        share = g[windows] * found if finite else np.where(found, g[windows], 0)
        slope[there] = share if apart else slope[there] + share
    return slope


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
    _demand_floor(ceil_mode)
    return avg_pooling(x, _pool(_sizes(x), kernel_size, stride, padding, 1))


@primitive
def avg_pooling(x: Array, /, window: Window) -> Array:
    """`avg_pool2d` once its arguments are checked."""
    sizes = x.shape[2:]
    out = np.zeros_like(x, shape=(*x.shape[:2], *_counts(sizes, window)))
    for _, windows, there in _places(sizes, window):
        out[windows] += x[there]
    out /= math.prod(window.kernel)
    return out


def avg_pooling_gradient(g: Array, out: Array, x: Array, window: Window) -> Array:
    """The rule of `avg_pooling`: every pixel receives an equal share from every window that sees it."""
    slope, share = np.zeros_like(x), g / math.prod(window.kernel)
    for _, windows, there in _places(x.shape[2:], window):
        slope[there] += share[windows]
    return slope


defvjp(avg_pooling, avg_pooling_gradient)


def _demand_floor(ceil_mode: bool) -> None:
    """Refuse ceil_mode."""
    if ceil_mode:
        raise ValueError(f"ceil_mode must be False; got {ceil_mode!r}: pad x until all windows fit")


def _pool(
    sizes: Pair, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size
) -> Window:
    """The options of a pool as pairs, if they fit the images."""
    kernel, around = pair("kernel_size", kernel_size), pair("padding", padding, least=0)
    steps = kernel if stride is None else pair("stride", stride)
    window = Window(kernel, steps, pair("dilation", dilation), around, around)
    if any(2 * p > k for p, k in zip(around, kernel, strict=True)):
        raise ValueError(
            f"padding={padding!r} is more than half of kernel_size={kernel_size!r}: "
            "a window could see nothing but padding"
        )
    _counts(sizes, window)  # refuses a kernel that fits nowhere
    return window


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
    _demand_channels(x.shape, (running_mean, running_var, weight, bias))
    if training:
        mean, var = _statistics(x.data)
        n = _count(x.shape)
        for running, found in ((running_mean, mean), (running_var, var * n / max(1, n - 1))):
            if running is not None and n:
                running.data[...] = (1 - momentum) * running.data + momentum * found
    elif running_mean is None or running_var is None:
        raise ValueError("without training=True batch_norm needs running_mean and running_var")
    else:
        mean, var = running_mean.data, running_var.data
    return normalization(x, weight, bias, mean, var, eps, training)


@primitive
def normalization(
    x: Array, weight: Any, bias: Any, /, mean: Array, var: Array, eps: float, training: bool
) -> tuple[Array, Any]:
    """`batch_norm` with the statistics to use, arrays (C,).

    Returns:
        the output, and what `normalization_gradients` gets as `saved`.
    """
    scale = (1 / np.sqrt(var + eps)).astype(x.dtype)
    normal = _centered(x, mean)
    normal *= _along(scale, x)
    out = normal if weight is None else normal * _along(weight, x)
    return (out if bias is None else out + _along(bias, x)), (normal, scale)


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
    normal, scale = saved
    g = _laid_out(g, x)
    axes, count = _others(x), max(1, _count(x.shape))
    # the gradients of bias and weight
    total, along = (v.sum(axes, dtype=np.float64).astype(g.dtype) for v in (g, g * normal))
    slope = None
    if needed[0]:
        slope = g
        if training:
            slope = g - _along(total / count, x) - normal * _along(along / count, x)
        slope = slope * _along(scale if weight is None else scale * weight, x)
    return [slope, along, total]


defvjp_fused(normalization, normalization_gradients)


def _demand_channels(shape: tuple[int, ...], vectors: Sequence[Tensor | None]) -> None:
    """Refuse statistics and weights that do not have one number for each channel."""
    if len(shape) < 2:
        raise ValueError(f"batch_norm takes x of shape (N, C) or (N, C, ...); got {shape}")
    for vector in vectors:
        if vector is not None and vector.shape != shape[1:2]:
            raise ValueError(
                f"batch_norm takes one number for each of the {shape[1]} channels of {shape}; "
                f"got an operand of shape {vector.shape}"
            )


def _others(x: Array) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return (0, *range(2, x.ndim))


def _count(shape: tuple[int, ...]) -> int:
    """How many numbers a channel has."""
    return shape[0] * math.prod(shape[2:])


def _along(vector: Array, x: Array) -> Array:
    """A number for each channel, shaped to broadcast with x."""
    return vector.reshape(-1, *[1] * (x.ndim - 2))


def _statistics(x: Array) -> tuple[Array, Array]:
    """Mean and variance (with divisor n) of each channel, in float64."""
    axes = _others(x)
    if _count(x.shape) == 1:
        raise ValueError(f"while training a channel needs more than one number; x has {x.shape}")
    count = max(1, _count(x.shape))
    mean = x.sum(axes, dtype=np.float64) / count
    centered = _centered(x, mean)
    return mean, np.square(centered).sum(axes, dtype=np.float64) / count


def _centered(x: Array, mean: Array) -> Array:
    """x without its mean, which is taken away in two parts: rounded to the dtype of x, and the rest."""
    rounded = mean.astype(x.dtype)
    return x - _along(rounded, x) - _along((mean - rounded).astype(x.dtype), x)


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
        kernel = pair("kernel_size", kernel_size)
        channels, groups = (in_channels, out_channels), whole("groups", groups, 1)
        if any(n < 1 or n % groups for n in channels):
            raise ValueError(
                "Conv2d takes at least one channel on each side, and groups that divide both; "
                f"got in_channels={in_channels}, out_channels={out_channels}, groups={groups}: make both at least 1 and multiples of groups"
            )
        _window(kernel, stride, padding, dilation)  # refuses now what would be refused later
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.groups = dilation, groups
        shape = (out_channels, in_channels // groups, *kernel)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter((rand(*shape, generator=generator).data * 2 - 1) * bound)
        drawn = rand(out_channels, generator=generator).data if bias else None
        self.bias = None if drawn is None else Parameter((drawn * 2 - 1) * bound)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, O, OH, OW).
        """
        options = (self.stride, self.padding, self.dilation, self.groups)
        return conv2d(x, self.weight, self.bias, *options)


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
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Apply max_pool2d."""
        options = (self.stride, self.padding, self.dilation, self.ceil_mode)
        return max_pool2d(x, self.kernel_size, *options)


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
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Apply avg_pool2d."""
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode)


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
        if pair("output_size", output_size) != (1, 1):
            raise ValueError(f"AdaptiveAvgPool2d has output_size=1 alone; got {output_size!r}")
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Average over rows and columns."""
        _sizes(x)
        return x.mean(axis=(2, 3), keepdims=True)


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
        if num_features < 1:
            raise ValueError(f"batch norm takes at least one feature; got {num_features}")
        self.num_features, self.eps = num_features, eps
        self.momentum, self.affine = momentum, affine
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.running_mean = Tensor(np.zeros(num_features, np.float32))
        self.running_var = Tensor(np.ones(num_features, np.float32))
        self.num_batches_tracked = Tensor(np.zeros((), np.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize, in training mode by the batch's statistics, in eval mode by the running ones.

        Args:
            x: (N, C) or (N, C, L) for BatchNorm1d, (N, C, H, W) for BatchNorm2d.

        Returns:
            the shape and dtype of x.

        Raises:
            ValueError: another number of axes or of channels; the message names the shape.
        """
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) takes {self.num_features} channels in axis 1 "
                f"of {' or '.join(map(str, self.axes))}; got {x.shape}"
            )
        batches = self.num_batches_tracked.data
        momentum = 1 / (batches.item() + 1) if self.momentum is None else self.momentum
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        out = batch_norm(x, *state, self.training, momentum, self.eps)
        batches += self.training
        return out


# kata: given
class BatchNorm1d(BatchNorm):
    """Batch normalization of (N, C) or (N, C, L)."""

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalization of images, (N, C, H, W)."""

    axes = (4,)


# kata: end
