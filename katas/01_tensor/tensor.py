# Stub of kata 01, generated from reference/tinytorch/tensor.py by: make stubs
# Write in this order; make test-01 says what comes next:
#   construct    Tensor.__init__, Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.detach,
#                Tensor.__repr__
#   arithmetic   add, subtract, multiply, divide, power, negative, Tensor.__radd__,
#                Tensor.__rsub__, Tensor.__rmul__, Tensor.__rtruediv__, Tensor.__rpow__
#   elementwise  exp, log, sqrt, absolute, maximum, where, clip
#   matmul       matmul, Tensor.__rmatmul__
#   reductions   sum_, mean, amax, amin, argmax, var
#   movement     reshape, permute, transpose, flatten, squeeze, unsqueeze, expand, pad
#   selecting    getitem, concatenate, cat, stack
#   making       zeros, ones, full, arange, manual_seed, rand, randn
"""Kata 01. A Tensor: an array that can remember how it was made.

Every operation is a plain function on NumPy arrays behind one door, `@primitive`: it unwraps
tensors, computes, wraps the result and, when an operand requires a gradient, leaves a note of how
the result was made. Nothing here differentiates; kata 05 reads the notes, and no file is reopened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.door import (  # noqa: F401  (other files ask this one for Note and grad_mode)
    Array,
    Axis,
    Note,
    TensorBase,
    axis_of,
    composite,
    default_generator,
    grad_mode,
    primitive,
    sizes_of,
)

# ---- the tensor ----------------------------------------------------------------------------------


class Tensor(TensorBase):
    """An n-dimensional array that can require a gradient.

    Python numbers and nested lists of numbers become float32, Python bools stay bool. NumPy arrays
    and NumPy scalars keep their dtype, and the tensor shares the array's memory: nothing is copied.

    Args:
        data: a number, a nested list, an array or another tensor (whose array is then shared).
        requires_grad: whether `backward` leaves a gradient in `.grad`; floats only.

    Attributes:
        data: the NumPy array itself.
        grad: None, or an array shaped like `data`.
        note: how the tensor was made; None for one that you made yourself.

    Raises:
        TypeError: `data` is not numeric (the message shows it), or requires_grad=True is given with
            integers or bools (the message names the dtype).
        ValueError: the rows of a nested list differ in length (the message shows it).

    Example:
        >>> Tensor([[1, 2], [3, 4]]).shape
        (2, 2)

    Source: torch.Tensor
    """

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        raise NotImplementedError("kata 01: Tensor.__init__")

    def __repr__(self) -> str:
        """The values, the dtype unless it is float32 or bool, and requires_grad if it is True.

        The values are as np.array2string(data, separator=", ", prefix="Tensor(") prints them; a
        lower threshold, such as 100, is as good. A result shows what a tensor that you made would.

        Example:
            >>> Tensor([1.5, 2.0], requires_grad=True)
            Tensor([1.5, 2. ], requires_grad=True)
            >>> Tensor(np.array([1.5]))
            Tensor([1.5], dtype=float64)
        """
        raise NotImplementedError("kata 01: Tensor.__repr__")

    def item(self) -> float | int | bool:
        """The value of a tensor of one element, as a Python number.

        Raises:
            ValueError: the tensor has no or several elements; the message names its shape.

        Example:
            >>> Tensor([[2.5]]).item()
            2.5
        """
        raise NotImplementedError("kata 01: Tensor.item")

    def tolist(self) -> Any:
        """The values as nested Python lists (a number for a 0-d tensor).

        Example:
            >>> Tensor([[1.0, 2.0]]).tolist()
            [[1.0, 2.0]]
        """
        raise NotImplementedError("kata 01: Tensor.tolist")

    def numpy(self) -> Array:
        """The array itself: no copy, so writing to it changes the tensor."""
        raise NotImplementedError("kata 01: Tensor.numpy")

    def detach(self) -> Tensor:
        """A new tensor on the same memory, with no history, that requires no gradient.

        Example:
            >>> x = Tensor([1.5], requires_grad=True)
            >>> x.detach().requires_grad, x.requires_grad
            (False, True)
        """
        raise NotImplementedError("kata 01: Tensor.detach")

    # `a - b` asks a.__sub__(b), which is given; where a is no tensor, Python asks the reflected
    # b.__rsub__(a), so the operands arrive in the other order.

    def __radd__(self, other: Any) -> Tensor:
        raise NotImplementedError("kata 01: Tensor.__radd__")

    def __rsub__(self, other: Any) -> Tensor:
        raise NotImplementedError("kata 01: Tensor.__rsub__")

    def __rmul__(self, other: Any) -> Tensor:
        raise NotImplementedError("kata 01: Tensor.__rmul__")

    def __rtruediv__(self, other: Any) -> Tensor:
        raise NotImplementedError("kata 01: Tensor.__rtruediv__")

    def __rpow__(self, other: Any) -> Tensor:
        raise NotImplementedError("kata 01: Tensor.__rpow__")

    def __rmatmul__(self, other: Any) -> Tensor:
        raise NotImplementedError("kata 01: Tensor.__rmatmul__")


# ---- arithmetic ----------------------------------------------------------------------------------


@primitive
def add(a: Array, b: Array, /) -> Array:
    """Add, element by element, with broadcasting: out = a + b.

    Args:
        a, b: operands whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.

    Example:
        >>> Tensor([[1.0], [2.0]]) + Tensor([10.0, 20.0])
        Tensor([[11., 21.],
                [12., 22.]])

    Source: torch.add
    """
    raise NotImplementedError("kata 01: add")


@primitive
def subtract(a: Array, b: Array, /) -> Array:
    """Subtract, element by element, with broadcasting: out = a - b.

    Example:
        >>> 1 - Tensor([0.25, 0.5])
        Tensor([0.75, 0.5 ])

    Source: torch.subtract
    """
    raise NotImplementedError("kata 01: subtract")


@primitive
def multiply(a: Array, b: Array, /) -> Array:
    """Multiply, element by element, with broadcasting: out = a * b.

    Example:
        >>> 3 * Tensor([1.0, 2.0])
        Tensor([3., 6.])

    Source: torch.multiply
    """
    raise NotImplementedError("kata 01: multiply")


@primitive
def divide(a: Array, b: Array, /) -> Array:
    """Divide, element by element, with broadcasting: out = a / b.

    Example:
        >>> 1 / Tensor([2.0, 4.0])
        Tensor([0.5 , 0.25])

    Source: torch.divide
    """
    raise NotImplementedError("kata 01: divide")


@primitive
def power(a: Array, b: Array, /) -> Array:
    """Raise to a power, element by element, with broadcasting: out = a ** b.

    A negative base with a fractional exponent gives nan.

    Example:
        >>> Tensor([2.0, 3.0]) ** 2
        Tensor([4., 9.])

    Source: torch.pow
    """
    raise NotImplementedError("kata 01: power")


@primitive
def negative(x: Array, /) -> Array:
    """Change the sign of every element: out = -x.

    Example:
        >>> -Tensor([1.0, -2.0])
        Tensor([-1.,  2.])

    Source: torch.negative
    """
    raise NotImplementedError("kata 01: negative")


@primitive
def matmul(a: Array, b: Array, /) -> Array:
    """Multiply matrices: out[..., i, j] = sum over k of a[..., i, k] * b[..., k, j].

    Args:
        a: (..., n, k), or a vector (k,), which counts as a row.
        b: (..., k, m), or a vector (k,), which counts as a column.

    Returns:
        (..., n, m), where leading axes broadcast; the axis of a vector disappears.

    Raises:
        ValueError: an operand has no axes, or the inner sizes differ.

    Example:
        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]) @ Tensor([1.0, 10.0])
        Tensor([21., 43.])

    Source: torch.matmul
    """
    raise NotImplementedError("kata 01: matmul")


# ---- element by element --------------------------------------------------------------------------


@primitive
def exp(x: Array, /) -> Array:
    """The exponential: out = e ** x.

    Example:
        >>> [round(value, 4) for value in Tensor([0.0, 1.0]).exp().tolist()]
        [1.0, 2.7183]

    Source: torch.exp
    """
    raise NotImplementedError("kata 01: exp")


@primitive
def log(x: Array, /) -> Array:
    """The natural logarithm, for x > 0 (minus infinity at 0, nan below).

    Example:
        >>> [round(value, 4) for value in Tensor([1.0, 2.0]).log().tolist()]
        [0.0, 0.6931]

    Source: torch.log
    """
    raise NotImplementedError("kata 01: log")


@primitive
def sqrt(x: Array, /) -> Array:
    """The square root, for x >= 0 (nan below).

    Example:
        >>> Tensor([4.0, 9.0]).sqrt()
        Tensor([2., 3.])

    Source: torch.sqrt
    """
    raise NotImplementedError("kata 01: sqrt")


@primitive
def absolute(x: Array, /) -> Array:
    """The absolute value: out = |x|; also `x.abs()`.

    Example:
        >>> abs(Tensor([-1.5, 2.0]))
        Tensor([1.5, 2. ])

    Source: torch.abs
    """
    raise NotImplementedError("kata 01: absolute")


@primitive
def maximum(a: Array, b: Array, /) -> Array:
    """The larger of two elements, element by element, with broadcasting: out = max(a, b).

    Args:
        a, b: operands whose shapes broadcast; `amax` is the largest within one tensor.

    Example:
        >>> maximum(Tensor([-1.0, 2.0]), 0)
        Tensor([0., 2.])

    Source: torch.maximum
    """
    raise NotImplementedError("kata 01: maximum")


@primitive
def where(condition: Array, a: Array, b: Array, /) -> Array:
    """Choose, element by element: out = a where the condition holds, else b; all three broadcast.

    Args:
        condition: bools, usually the result of a comparison.
        a, b: what to choose from.

    Example:
        >>> x = Tensor([-1.0, 2.0])
        >>> where(x > 0, x, 0.5)
        Tensor([0.5, 2. ])

    Source: torch.where
    """
    raise NotImplementedError("kata 01: where")


@primitive
def clip(x: Array, /, min: float | None = None, max: float | None = None) -> Array:
    """Limit every element to [min, max]; None leaves that side open.

    Args:
        x: any shape.
        min, max: numbers; 0 is a limit like any other. Where min is above max, the result is max.

    Raises:
        ValueError: both limits are None.

    Example:
        >>> Tensor([-2.0, 0.5, 3.0]).clip(0, 1)
        Tensor([0. , 0.5, 1. ])

    Source: torch.clip
    """
    raise NotImplementedError("kata 01: clip")


# ---- reductions ----------------------------------------------------------------------------------


@primitive
def sum_(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Add up along an axis, several axes (a tuple) or all of them (None); also `x.sum()`.

    Args:
        x: any shape; bools are counted.
        axis: the axes that disappear; negative ones count from the end. A tensor without axes takes
            0 and -1, as if it had one.
        keepdims: leave each of them in place with size 1 instead.

    Raises:
        IndexError: x has no such axis.

    Example:
        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
        Tensor([4., 6.])

    Source: torch.sum
    """
    raise NotImplementedError("kata 01: sum_")


@primitive
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """The average along an axis, several axes or all: sum divided by the number of summed elements.

    The mean of bools or integers is float32 (the door sees to it): `(prediction == target).mean()`
    is an accuracy. The mean of nothing is nan.

    Args:
        x, axis, keepdims: as in `sum_`.

    Example:
        >>> Tensor([[1.0, 2.0], [3.0, 5.0]]).mean(axis=1, keepdims=True)
        Tensor([[1.5],
                [4. ]])

    Source: torch.mean
    """
    raise NotImplementedError("kata 01: mean")


@primitive
def amax(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element along an axis, several axes or all; also `x.max()`. `argmax` says where.

    Args:
        x, axis, keepdims: as in `sum_`.

    Raises:
        ValueError: there is no element to choose from.

    Example:
        >>> Tensor([[1.0, 5.0], [3.0, 2.0]]).max(axis=1)
        Tensor([5., 3.])

    Source: torch.amax
    """
    raise NotImplementedError("kata 01: amax")


@primitive
def amin(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element along an axis, several axes or all; also `x.min()`.

    Args:
        x, axis, keepdims: as in `sum_`.

    Raises:
        ValueError: there is no element to choose from.

    Example:
        >>> Tensor([[1.0, 5.0], [3.0, 2.0]]).min()
        Tensor(1.)

    Source: torch.amin
    """
    raise NotImplementedError("kata 01: amin")


@primitive
def argmax(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first largest element along an axis, or in the flattened tensor (None).

    Returns:
        Integers; no gradient flows through them.

    Example:
        >>> Tensor([[1.0, 5.0], [3.0, 2.0]]).argmax(axis=1).tolist()
        [1, 0]

    Source: torch.argmax
    """
    raise NotImplementedError("kata 01: argmax")


@composite
def var(x: Tensor, axis: Axis = None, correction: int = 1, keepdims: bool = False) -> Tensor:
    """The variance along an axis, several axes or all: sum of (x - mean)**2, over n - correction.

    A composite: written with operations on tensors, so that the result keeps its history.

    Args:
        x: any shape.
        axis: what to average over; n is the number of elements along it.
        correction: 1 for the unbiased estimate from a sample, 0 for a whole population. Where n is
            not larger, the divisor is 0: the result is nan or inf, and no error.
        keepdims: leave each reduced axis in place with size 1.

    Example:
        >>> Tensor([1.0, 2.0, 3.0]).var()
        Tensor(1.)

    Source: torch.var
    """
    raise NotImplementedError("kata 01: var")


# ---- movement ------------------------------------------------------------------------------------


@primitive
def reshape(x: Array, /, shape: tuple[int, ...]) -> Array:
    """The same elements in the same (row-major) order under another shape; also `x.reshape(2, 3)`.

    Args:
        x: any shape.
        shape: the sizes; one of them may be -1, which means whatever is left.

    Raises:
        ValueError: the sizes do not multiply to the number of elements.

    Example:
        >>> arange(6).reshape(2, -1)
        Tensor([[0., 1., 2.],
                [3., 4., 5.]])

    Source: torch.reshape
    """
    raise NotImplementedError("kata 01: reshape")


@primitive
def permute(x: Array, /, axes: tuple[int, ...]) -> Array:
    """Reorder the axes: axis i of the result is axis axes[i] of x. Nothing is copied.

    Also `x.permute(2, 0, 1)`; `x.T` reverses all axes.

    Raises:
        IndexError: x has no such axis.
        ValueError: not every axis is named once.

    Example:
        >>> zeros(2, 3, 5).permute(2, 0, 1).shape
        (5, 2, 3)

    Source: torch.permute
    """
    raise NotImplementedError("kata 01: permute")


@composite
def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes; the others stay.

    Raises:
        IndexError: x has no such axis.

    Example:
        >>> zeros(2, 3, 5).transpose(0, -1).shape
        (5, 3, 2)

    Source: torch.transpose
    """
    raise NotImplementedError("kata 01: transpose")


@composite
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from start_dim to end_dim, both included, into one.

    Args:
        x: any shape; a number becomes shape (1,).
        start_dim, end_dim: negative ones count from the end.

    Raises:
        IndexError: x has no such axis.
        ValueError: end_dim stands before start_dim.

    Example:
        >>> zeros(2, 3, 5).flatten(1).shape
        (2, 15)

    Source: torch.flatten
    """
    raise NotImplementedError("kata 01: flatten")


@composite
def squeeze(x: Tensor, axis: int | None = None) -> Tensor:
    """Drop the axis if its size is 1, or every axis of size 1 (None); other axes stay.

    Raises:
        IndexError: x has no such axis.

    Example:
        >>> zeros(1, 3, 1).squeeze(0).shape
        (3, 1)

    Source: torch.squeeze
    """
    raise NotImplementedError("kata 01: squeeze")


@composite
def unsqueeze(x: Tensor, axis: int) -> Tensor:
    """Insert an axis of size 1, so that it is axis `axis` of the result; -1 puts it last.

    Raises:
        IndexError: the result has no such axis.

    Example:
        >>> zeros(2, 3).unsqueeze(-1).shape
        (2, 3, 1)

    Source: torch.unsqueeze
    """
    raise NotImplementedError("kata 01: unsqueeze")


@primitive
def expand(x: Array, /, shape: tuple[int, ...]) -> Array:
    """Stretch axes of size 1 to any size, 0 included, without a copy; also `x.expand(2, 3)`.

    Args:
        x: any shape.
        shape: the new sizes; -1 keeps a size; sizes for new axes stand in front.

    Raises:
        ValueError: an axis to be stretched has another size than 1, or a new axis is given no size.

    Example:
        >>> Tensor([[1.0], [2.0]]).expand(-1, 3)
        Tensor([[1., 1., 1.],
                [2., 2., 2.]])

    Source: torch.Tensor.expand
    """
    raise NotImplementedError("kata 01: expand")


@primitive
def pad(x: Array, /, padding: tuple[int, ...], value: float = 0.0) -> Array:
    """Add a border of one value.

    Args:
        x: any shape.
        padding: (before, after) for the last axis, then (before, after) for the one before it, ...
        value: what the border is filled with; in integers, only its whole part.

    Raises:
        ValueError: an odd number of widths, one below 0, more pairs than axes, or a value that does
            not fit in the dtype of x.

    Example:
        >>> Tensor([[1.0, 2.0]]).pad((1, 0, 0, 1), value=9.0)
        Tensor([[9., 1., 2.],
                [9., 9., 9.]])

    Source: torch.nn.functional.pad
    """
    raise NotImplementedError("kata 01: pad")


@primitive
def getitem(x: Array, /, index: Any) -> Array:
    """Select elements: `x[index]` with slices, integers, `...`, `None`, integer arrays and masks.

    Args:
        x: any shape.
        index: as in NumPy; tensors within it are arrays already.

    Raises:
        IndexError: an index is out of range.

    Example:
        >>> Tensor([[1.0, 2.0], [3.0, 4.0]])[:, 1]
        Tensor([2., 4.])

    Source: torch.Tensor.__getitem__
    """
    raise NotImplementedError("kata 01: getitem")


@primitive
def concatenate(*arrays: Array, axis: int = 0) -> Array:
    """Join tensors along an axis; given several operands, not a list. `cat` takes the list.

    Example:
        >>> concatenate(zeros(2, 1), ones(2, 2), axis=1).shape
        (2, 3)

    Source: numpy.concatenate
    """
    raise NotImplementedError("kata 01: concatenate")


@composite
def cat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join a list of tensors along an axis they already have; all other sizes agree.

    Raises:
        ValueError: the list is empty, or another size differs.

    Example:
        >>> cat([Tensor([1.0]), Tensor([2.0, 3.0])])
        Tensor([1., 2., 3.])

    Source: torch.cat
    """
    raise NotImplementedError("kata 01: cat")


@composite
def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join a list of tensors of one shape along a new axis.

    Raises:
        ValueError: the list is empty, or the shapes differ.

    Example:
        >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1)
        Tensor([[1., 3.],
                [2., 4.]])

    Source: torch.stack
    """
    raise NotImplementedError("kata 01: stack")


# ---- making tensors ------------------------------------------------------------------------------


def zeros(*shape: int, requires_grad: bool = False) -> Tensor:
    """A float32 tensor of zeros; the sizes one by one, or as one tuple (`sizes_of` is given).

    Example:
        >>> zeros(2)
        Tensor([0., 0.])

    Source: torch.zeros
    """
    raise NotImplementedError("kata 01: zeros")


def ones(*shape: int, requires_grad: bool = False) -> Tensor:
    """A float32 tensor of ones.

    Example:
        >>> ones(1, 2)
        Tensor([[1., 1.]])

    Source: torch.ones
    """
    raise NotImplementedError("kata 01: ones")


def full(shape: tuple[int, ...], value: float, requires_grad: bool = False) -> Tensor:
    """A float32 tensor of one value everywhere, also where the value is an integer.

    Example:
        >>> full((2,), 0.5)
        Tensor([0.5, 0.5])

    Source: torch.full
    """
    raise NotImplementedError("kata 01: full")


def arange(start: float, stop: float | None = None, step: float = 1) -> Tensor:
    """Evenly spaced float32 values from start (0 when only one is given) up to but without stop.

    Example:
        >>> arange(1, 4)
        Tensor([1., 2., 3.])

    Source: torch.arange
    """
    raise NotImplementedError("kata 01: arange")


def manual_seed(seed: int) -> None:
    """Restart `default_generator`, which everything random draws from unless told otherwise.

    In place: other files have imported this very object, so another one in its place would not
    reach them. A generator's position is `generator.bit_generator.state`, which can be assigned.

    Example:
        >>> manual_seed(0); a = rand(3)
        >>> manual_seed(0); bool((a == rand(3)).sum() == 3)
        True

    Source: torch.manual_seed
    """
    raise NotImplementedError("kata 01: manual_seed")


def rand(
    *shape: int, generator: np.random.Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Float32 numbers drawn uniformly from [0, 1).

    Args:
        shape: the sizes.
        generator: what to draw from; None is the generator `manual_seed` restarts.
        requires_grad: as in `Tensor`.

    Source: torch.rand
    """
    raise NotImplementedError("kata 01: rand")


def randn(
    *shape: int, generator: np.random.Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Float32 numbers drawn from the normal distribution with mean 0 and variance 1.

    Args:
        shape: the sizes.
        generator: what to draw from; None is the generator `manual_seed` restarts.
        requires_grad: as in `Tensor`.

    Source: torch.randn
    """
    raise NotImplementedError("kata 01: randn")
