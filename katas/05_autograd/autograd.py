# Stub of kata 05, generated from reference/tinytorch/autograd.py by: make stubs
# Write in this order; make test-05 says what comes next:
#   engine        defvjp, backward, defvjp_fused
#   broadcasting  unbroadcast
#   arithmetic    the table of rules under this name
#   elementwise   the table of rules under this name
#   product       the table of rules under this name
#   reductions    the table of rules under this name
#   movement      the table of rules under this name
#   selecting     the table of rules under this name
#   activations   the table of rules under this name
#   modes         no_grad
#   checking      gradcheck
"""Kata 05. Reverse-mode differentiation: walk the notes backwards, one rule per operation.

A rule turns g, the gradient of the result with respect to an operation's output (its *cotangent*),
into the gradient with respect to an operand. The engine does every chore once: the order, adding up,
un-broadcasting, dtypes. So a rule is one line of calculus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.activations import (
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from tinytorch.door import Array, Axis, Note, grad_mode
from tinytorch.tensor import (
    Tensor,
    absolute,
    add,
    amax,
    amin,
    argmax,
    clip,
    concatenate,
    divide,
    exp,
    expand,
    getitem,
    log,
    matmul,
    maximum,
    mean,
    multiply,
    negative,
    pad,
    permute,
    power,
    reshape,
    sqrt,
    subtract,
    sum_,
    where,
)

Rule = Callable[..., Any]

RULES: dict[Callable[..., Tensor], Rule] = {}


# ---- the engine ----------------------------------------------------------------------------------


def defvjp(primitive: Callable[..., Tensor], *rules: Rule | None) -> None:
    """Give an operation its gradient rules (vector-Jacobian products), one per operand.

    A rule is called as `rule(g, saved, *arrays, **static)` and returns the operand's gradient, in
    the shape of the operand or of the output. It is called only if the operand needs a gradient.

        g        the cotangent: the gradient with respect to the output, an array of its shape
        saved    what the operation saved: its output, unless it returned `(out, saved)`
        arrays   the operands, as arrays or numbers
        static   the other arguments by name, defaults filled in

    Args:
        primitive: the operation.
        rules: one function per operand; None where no gradient flows.

    Example:
        >>> from tinytorch.door import primitive
        >>> @primitive
        ... def shrink(x, /, by):
        ...     return x / by
        >>> defvjp(shrink, lambda g, out, x, by: g / by)
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> shrink(x, by=4).backward([1.0, 1.0])
        >>> x.grad.tolist()
        [0.25, 0.25]

    Source: HIPS autograd, defvjp; torch.autograd.Function
    """
    raise NotImplementedError("kata 05: defvjp")


def defvjp_fused(primitive: Callable[..., Tensor], rule: Rule) -> None:
    """Give an operation one rule for all operands at once, for gradients that share work.

    The rule is called as `rule(needed, g, saved, *arrays, **static)`, where `needed` has one bool
    per operand, and returns one gradient per operand, None where none is needed or none flows.

    Args:
        primitive: the operation.
        rule: the function that returns all gradients.

    Source: torch.autograd.Function, its `needs_input_grad`
    """
    raise NotImplementedError("kata 05: defvjp_fused")


def backward(tensor: Tensor, gradient: Any = None) -> None:
    """Add the gradient of a tensor to `.grad` of every leaf it was made from.

    A leaf is a tensor with requires_grad=True that no operation made (its `note` is None). Tensors
    on the way keep `.grad` None. The notes stay, so a second call adds the same gradients again.

    Args:
        tensor: where to start, usually a loss.
        gradient: the cotangent to start with, shaped like the tensor; None means 1, for a tensor of
            one element.

    Raises:
        RuntimeError: the tensor requires no gradient; or it has several elements and no gradient is
            given; or an operation on the way has no rule for an operand that needs a gradient.
        ValueError: the gradient has another shape than the tensor.

    Example:
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).backward([1.0, 10.0])
        >>> x.grad.tolist()
        [2.0, 40.0]

    Source: torch.Tensor.backward
    """
    raise NotImplementedError("kata 05: backward")


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over every axis that broadcasting stretched: the adjoint of a copy is a sum.

    Args:
        gradient: shaped like the result of broadcasting.
        shape: of the operand, before it was stretched.

    Returns:
        An array of that shape.

    Raises:
        ValueError: an operand of `shape` cannot be stretched to the shape of the gradient.

    Example:
        >>> unbroadcast(np.ones((2, 3)), (3,)).tolist()
        [2.0, 2.0, 2.0]
        >>> unbroadcast(np.ones((2, 3)), (2, 1)).tolist()
        [[3.0], [3.0]]

    Source: torch.Tensor.sum_to_size
    """
    raise NotImplementedError("kata 05: unbroadcast")


# ---- modes and checks ----------------------------------------------------------------------------


@contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations leave no notes, so nothing made here requires a gradient.

    Also a decorator: `@no_grad()`. The flag, `grad_mode.enabled`, is as it was before when the block
    ends, however it ends; it belongs to the thread. In a generator function put the block inside:
    its body runs later than the call that a decorator surrounds.

    Example:
        >>> x = Tensor([1.0], requires_grad=True)
        >>> with no_grad():
        ...     (x * 2).requires_grad
        False

    Source: torch.no_grad
    """
    raise NotImplementedError("kata 05: no_grad")


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    tolerance: float = 1e-5,
) -> bool:
    """Compare the gradients that `backward` finds with central differences, over every element.

    With a fixed random cotangent c and L(x) = sum of c * f(x), each dL/dx is compared with
    (L(x + eps) - L(x - eps)) / (2 eps). The inputs stay as they are, and so does every `.grad`.

    Args:
        function: takes the inputs, returns a tensor; smooth at the inputs. It may use an input, or
            other tensors, by name as well.
        inputs: float64 tensors, or one; those that require a gradient are checked.
        eps: half the distance of the two evaluations.
        tolerance: the largest difference, relative to the input's largest difference quotient (or 1).

    Returns:
        True if all agree.

    Raises:
        TypeError: an input that requires a gradient is not float64.
        ValueError: a gradient disagrees; the message names the input, the index and both values.
            Or no input requires a gradient, so that there is nothing to compare.

    Example:
        >>> gradcheck(lambda x: x * x, Tensor(np.array([1.0, 2.0]), requires_grad=True))
        True

    Source: torch.autograd.gradcheck
    """
    raise NotImplementedError("kata 05: gradcheck")


# ---- the rules -----------------------------------------------------------------------------------
# One entry for every operation of katas 01 and 02, one rule for every operand. With g the cotangent
# and `out` what the operation saved, an entry for an operation `shift(a, b, /, by)` would read
#     defvjp(shift, lambda g, out, a, b, by: ..., lambda g, out, a, b, by: ...)
# A rule may answer in the shape of the output: the engine un-broadcasts. An operand may be a Python
# number (x ** 2), though never the one whose rule is called. A long rule is a function of its own.


# Arithmetic: add(a, b), multiply(a, b), subtract(a, b), divide(a, b), power(a, b), negative(x)
# your code here


# Elementwise: exp(x), log(x), sqrt(x), absolute(x), clip(x, /, min, max), maximum(a, b),
# where(condition, a, b)
# your code here


# Product: matmul(a, b), where an operand has one axis, two, or more
# your code here


# Reductions: sum_, mean, amax, amin, argmax, each (x, /, axis, keepdims)
# your code here


# Movement: reshape(x, /, shape), permute(x, /, axes), expand(x, /, shape), pad(x, /, padding, value)
# your code here


# Selecting: getitem(x, /, index), concatenate(*arrays, axis)
# your code here


# Activations: relu(x), leaky_relu(x, /, negative_slope), sigmoid(x), tanh(x), softplus(x), silu(x),
# gelu(x), softmax(x, /, axis), log_softmax(x, /, axis)
# your code here
