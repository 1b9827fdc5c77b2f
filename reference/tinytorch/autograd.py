"""Kata 05. Reverse-mode differentiation: walk the notes backwards, one rule per operation.

A rule says how a change of the output changes the result through one operand: given the cotangent g
(the gradient of the result with respect to the output) it returns the gradient with respect to the
operand. The engine does every chore once: order, accumulation, un-broadcasting, dtypes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.activations import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus, tanh
from tinytorch.tensor import (
    Array,
    Axis,
    Note,
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
    grad_mode,
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

RULES: dict[Callable[..., Tensor], tuple[Rule | None, ...]] = {}
FUSED_RULES: dict[Callable[..., Tensor], Rule] = {}


# ---- the engine ----------------------------------------------------------------------------------


def backward(tensor: Tensor, gradient: Any = None) -> None:
    """Add the gradient of a tensor to `.grad` of every leaf it was made from.

    Args:
        tensor: where to start, usually a loss.
        gradient: the cotangent to start with, shaped like the tensor; None means 1, for a scalar.

    Raises:
        RuntimeError: the tensor requires no gradient, or it is no scalar and no gradient is given.
        ValueError: the gradient has another shape than the tensor.

    Example:
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad.tolist()
        [2.0, 4.0]

    Source: torch.Tensor.backward
    """
    pending = {id(tensor): _seed(tensor, gradient)}
    for node in reversed(topological_order(tensor)):
        cotangent = pending.pop(id(node), None)
        if cotangent is None:
            continue  # every rule on the way declared that nothing flows here
        if node.note is None:
            node.grad = cotangent.copy() if node.grad is None else node.grad + cotangent
            continue
        for parent, contribution in _contributions(node.note, cotangent):
            key = id(parent)
            pending[key] = pending[key] + contribution if key in pending else contribution


def topological_order(tensor: Tensor) -> list[Tensor]:
    """Every tensor the given one was made from that requires a gradient, parents before children.

    Iterative, because a graph may be deeper than Python's stack.
    """
    order: list[Tensor] = []
    seen: set[int] = set()
    stack = [(tensor, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((p, False) for p in (node.note.parents if node.note else ()) if p is not None)
    return order


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over every axis that broadcasting stretched: the adjoint of a copy is a sum.

    Example:
        >>> unbroadcast(np.ones((2, 3)), (3,)).tolist()
        [2.0, 2.0, 2.0]
    """
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient


def _seed(tensor: Tensor, gradient: Any) -> Array:
    """The first cotangent, checked."""
    if not tensor.requires_grad:
        raise RuntimeError("backward() from a tensor that requires no gradient: make an input with requires_grad=True, and compute outside no_grad()")
    if gradient is None:
        if tensor.size != 1:
            raise RuntimeError(f"backward() without a gradient needs a scalar, this tensor has shape {tensor.shape}: reduce it (.sum(), .mean()) or pass backward(gradient)")
        gradient = np.ones(tensor.shape)
    seed = np.asarray(gradient.data if isinstance(gradient, Tensor) else gradient, tensor.dtype)
    if seed.shape != tensor.shape:
        raise ValueError(f"the gradient passed to backward() has shape {seed.shape}, the tensor {tensor.shape}: they must be equal")
    return seed


def _contributions(note: Note, cotangent: Array) -> Iterator[tuple[Tensor, Array]]:
    """What each parent receives through one operation, in its own shape and dtype."""
    for parent, gradient in zip(note.parents, _gradients(note, cotangent), strict=True):
        if parent is not None and gradient is not None:
            data = parent.data
            if gradient.shape != data.shape:
                gradient = unbroadcast(gradient, data.shape)
            yield parent, gradient if gradient.dtype == data.dtype else gradient.astype(data.dtype)


def _gradients(note: Note, cotangent: Array) -> Sequence[Any]:
    """Apply the rules of one operation; a rule is skipped where its operand needs no gradient."""
    if note.primitive in FUSED_RULES:
        needed = tuple([p is not None for p in note.parents])
        gradients: Sequence[Any] = FUSED_RULES[note.primitive](needed, cotangent, note.saved, *note.arrays, **note.static)
        return gradients
    rules = RULES.get(note.primitive, ())
    return [
        None if p is None else _rule(note, rules, i)(cotangent, note.saved, *note.arrays, **note.static)
        for i, p in enumerate(note.parents)
    ]


def _rule(note: Note, rules: tuple[Rule | None, ...], position: int) -> Rule:
    """The rule for one operand, or an error that names what is missing."""
    rule = rules[position] if position < len(rules) else None
    if rule is None:
        raise NotImplementedError(f"no gradient rule for operand {position} of {note.primitive.__name__}: add one with defvjp({note.primitive.__name__}, ...) in autograd.py")
    return rule


def defvjp(primitive: Callable[..., Tensor], *rules: Rule | None) -> None:
    """Give an operation its gradient rules (vector-Jacobian products), one per operand.

    A rule is called as `rule(g, saved, *arrays, **static)`: the cotangent of the output, what the
    operation saved (its output, unless it chose otherwise), the operands as arrays and the static
    arguments by name. It returns the operand's gradient, in the shape of the output or the operand.

    Args:
        primitive: the operation.
        rules: one function per operand; None where an operand has no gradient.

    Source: the table follows the idea of defvjp in HIPS autograd
    """
    RULES[primitive] = rules


def defvjp_fused(primitive: Callable[..., Tensor], rule: Rule) -> None:
    """Give an operation one rule for all operands at once, for gradients that share work.

    The rule is called as `rule(needed, g, saved, *arrays, **static)`, where `needed` has one bool
    per operand, and returns one gradient per operand (None where none is needed).

    Args:
        primitive: the operation.
        rule: the function that returns all gradients.
    """
    FUSED_RULES[primitive] = rule


@contextmanager
def no_grad() -> Iterator[None]:
    """Within this block operations leave no notes, so nothing made here requires a gradient.

    Also a decorator: `@no_grad()`.

    Example:
        >>> x = Tensor([1.0], requires_grad=True)
        >>> with no_grad():
        ...     (x * 2).requires_grad
        False

    Source: torch.no_grad
    """
    before = grad_mode.enabled
    grad_mode.enabled = False
    try:
        yield
    finally:
        grad_mode.enabled = before


def gradcheck(function: Callable[..., Tensor], inputs: Sequence[Tensor], eps: float = 1e-6, tolerance: float = 1e-5) -> bool:
    """Compare the gradients `backward` finds with central differences, over every element.

    The output is contracted with a fixed random cotangent c, so that with L = sum of c * f(x)
    each dL/dx is compared with (L(x + eps) - L(x - eps)) / (2 eps).

    Args:
        function: takes the inputs, returns a tensor; smooth at the inputs.
        inputs: float64 tensors; those that require a gradient are checked.
        eps: half the distance of the two evaluations.
        tolerance: largest allowed difference, relative to the largest entry of the gradient (or 1).

    Returns:
        True if all agree.

    Raises:
        TypeError: an input that requires a gradient is not float64.
        ValueError: a gradient disagrees; the message names the input, the index and both values.

    Source: torch.autograd.gradcheck
    """
    leaves = [Tensor(t.data.copy(), requires_grad=t.requires_grad) for t in inputs]
    out = function(*leaves)
    cotangent = np.random.default_rng(0).standard_normal(out.shape)
    out.backward(cotangent)
    for position, leaf in enumerate(leaves):
        if leaf.requires_grad:
            if leaf.dtype != np.float64:
                raise TypeError(f"gradcheck needs float64, input {position} is {leaf.dtype}: differences of float32 values drown in rounding")
            expected = _central_differences(lambda: float((function(*leaves).data * cotangent).sum()), leaf.data, eps)
            _check_gradient(position, leaf, expected, tolerance)
    return True


def _central_differences(value: Callable[[], float], array: Array, eps: float) -> Array:
    """d value / d array, each element moved by eps in turn and put back."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        original = array[index]
        array[index] = original + eps
        above = value()
        array[index] = original - eps
        gradient[index] = (above - value()) / (2 * eps)
        array[index] = original
    return gradient


def _check_gradient(position: int, leaf: Tensor, expected: Array, tolerance: float) -> None:
    """Raise at the first index where the gradient and the central difference disagree."""
    found = np.zeros_like(leaf.data) if leaf.grad is None else leaf.grad
    wrong = np.argwhere(~(np.abs(found - expected) <= tolerance * max(1.0, float(np.abs(expected).max(initial=0.0)))))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        raise ValueError(f"input {position}, index {index}: backward gives {found[index]:.8g}, a central difference {expected[index]:.8g}")


# ---- the rules -----------------------------------------------------------------------------------
# g is the cotangent of the output, `out` what the operation saved. One derivative, one line. A rule
# may answer in the shape of the output: the engine un-broadcasts.

# kata: begin
defvjp(add, lambda g, out, a, b: g, lambda g, out, a, b: g)
defvjp(subtract, lambda g, out, a, b: g, lambda g, out, a, b: -g)
defvjp(multiply, lambda g, out, a, b: g * b, lambda g, out, a, b: g * a)
defvjp(divide, lambda g, out, a, b: g / b, lambda g, out, a, b: -g * out / b)
defvjp(power, lambda g, out, a, b: g * _power_slope(a, b), lambda g, out, a, b: g * _exponent_slope(out, a))
defvjp(negative, lambda g, out, x: -g)
defvjp(matmul, lambda g, out, a, b: _matmul_left(g, a, b), lambda g, out, a, b: _matmul_right(g, a, b))

defvjp(exp, lambda g, out, x: g * out)
defvjp(log, lambda g, out, x: g / x)
defvjp(sqrt, lambda g, out, x: g / (2 * out))
defvjp(absolute, lambda g, out, x: g * np.sign(x))
defvjp(maximum, lambda g, out, a, b: g * (a >= b), lambda g, out, a, b: g * (a < b))
defvjp(where, None, lambda g, out, c, a, b: np.where(c, g, 0), lambda g, out, c, a, b: np.where(c, 0, g))
defvjp(clip, lambda g, out, x, min, max: g * (out == x))

defvjp(sum_, lambda g, out, x, axis, keepdims: np.broadcast_to(_kept(g, axis, keepdims), x.shape))
defvjp(mean, lambda g, out, x, axis, keepdims: np.broadcast_to(_kept(g, axis, keepdims) * (out.size / x.size), x.shape))
defvjp(amax, lambda g, out, x, axis, keepdims: _to_extremum(g, out, x, axis, keepdims))
defvjp(amin, lambda g, out, x, axis, keepdims: _to_extremum(g, out, x, axis, keepdims))
defvjp(argmax, None)

defvjp(reshape, lambda g, out, x, shape: g.reshape(x.shape))
defvjp(permute, lambda g, out, x, axes: g.transpose(_inverse(axes)))
defvjp(expand, lambda g, out, x, shape: g)
defvjp(pad, lambda g, out, x, padding, value: g[_inside(x.shape, padding)])
defvjp(getitem, lambda g, out, x, index: _put_back(g, x, index))
defvjp_fused(concatenate, lambda needed, g, out, *arrays, axis: _split(g, arrays, axis))

defvjp(relu, lambda g, out, x: g * (x > 0))
defvjp(leaky_relu, lambda g, out, x, negative_slope: np.where(x > 0, g, g * negative_slope))
defvjp(sigmoid, lambda g, out, x: g * out * (1 - out))
defvjp(tanh, lambda g, out, x: g * (1 - out * out))
defvjp(softplus, lambda g, out, x: g * -np.expm1(-out))
defvjp(silu, lambda g, out, x: g * _silu_slope(x))
defvjp(gelu, lambda g, out, x: g * _gelu_slope(x))
defvjp(softmax, lambda g, out, x, axis: out * (g - (g * out).sum(axis, keepdims=True)))
defvjp(log_softmax, lambda g, out, x, axis: g - np.exp(out) * g.sum(axis, keepdims=True))
# kata: end


def _power_slope(a: Any, b: Any) -> Any:
    """b a**(b - 1), which is 0 for b = 0, also at a = 0."""
    lowered = (b - 1 if b else 1) if isinstance(b, (int, float)) else np.where(b == 0, 1, b - 1)
    return b * a**lowered


def _exponent_slope(out: Array, a: Any) -> Any:
    """a**b log(a), which is 0 where a**b is."""
    return out * np.log(np.where(out == 0, 1, a))


def _matmul_left(g: Array, a: Array, b: Array) -> Array:
    """g b^T; for one matrix b the leading axes of g are rows of a single product."""
    if b.ndim == 1:
        return g[..., None] * b
    if b.ndim == 2:
        return (np.ascontiguousarray(g).reshape(-1, b.shape[1]) @ b.T).reshape(a.shape)
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


def _matmul_right(g: Array, a: Array, b: Array) -> Array:
    """a^T g; for one matrix (or vector) b the leading axes of a and g are rows of a single product."""
    if b.ndim <= 2:
        rows = a.reshape(-1, a.shape[-1])
        return rows.T @ np.ascontiguousarray(g).reshape(len(rows), *b.shape[1:])
    if a.ndim == 1:
        return a[:, None] * g[..., None, :]
    return a.swapaxes(-1, -2) @ g


def _kept(reduced: Array, axis: Axis, keepdims: bool) -> Array:
    """A reduced array with the reduced axes in place again, as size 1."""
    return reduced if axis is None or keepdims else np.expand_dims(reduced, axis)


def _to_extremum(g: Array, out: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """The gradient goes to the elements that are the maximum (or minimum), in equal shares."""
    chosen = (x == _kept(out, axis, keepdims)).astype(x.dtype)
    return chosen * (_kept(g, axis, keepdims) / chosen.sum(axis, keepdims=True))


def _inverse(axes: Sequence[int]) -> list[int]:
    """The permutation that undoes a permutation."""
    inverse = [0] * len(axes)
    for position, axis in enumerate(axes):
        inverse[axis] = position
    return inverse


def _inside(shape: tuple[int, ...], padding: Sequence[int]) -> tuple[Any, ...]:
    """The index of what was padded, within the padded array; padding begins with the last axis."""
    before = [*padding[::2][::-1]]
    return (..., *[slice(b, b + n) for b, n in zip(before, shape[len(shape) - len(before) :], strict=True)])


def _put_back(g: Array, x: Array, index: Any) -> Array:
    """Zeros, with the gradient added where it was taken from: an index may repeat."""
    full = np.zeros_like(x)
    parts = index if isinstance(index, tuple) else (index,)
    if all(p is None or p is ... or isinstance(p, (slice, int)) for p in parts):
        full[index] = g
    else:
        np.add.at(full, index, g)
    return full


def _split(g: Array, arrays: Sequence[Array], axis: int) -> list[Array]:
    """Cut a gradient at the seams."""
    return np.split(g, np.cumsum([a.shape[axis] for a in arrays])[:-1], axis)


def _logistic(x: Array) -> Array:
    """1 / (1 + e**-x) without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def _silu_slope(x: Array) -> Array:
    """d (x s) / dx = s + x s (1 - s), with s the logistic function of x."""
    s = _logistic(x)
    return s * (1 + x * (1 - s))


def _gelu_slope(x: Array) -> Array:
    """d (x (1 + t) / 2) / dx, with t = tanh(scale (x + 0.044715 x**3))."""
    scale, square = math.sqrt(2 / math.pi), x * x
    t = np.tanh(scale * x * (1 + 0.044715 * square))
    return 0.5 * (1 + t + x * (1 - t * t) * scale * (1 + 0.134145 * square))
