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

    def rule(
        needed: Sequence[bool], g: Array, saved: Any, *arrays: Any, **static: Any
    ) -> list[Any]:
        if True in needed[len(rules) :]:
            _missing(primitive, needed.index(True, len(rules)))
        gradients = [
            r(g, saved, *arrays, **static) if r and n else None
            for r, n in zip(rules, needed)  # noqa: B905 - a keyword costs a microsecond
        ]
        return gradients + [None] * (len(needed) - len(rules))

    RULES[primitive] = rule


def defvjp_fused(primitive: Callable[..., Tensor], rule: Rule) -> None:
    """Give an operation one rule for all operands at once, for gradients that share work.

    The rule is called as `rule(needed, g, saved, *arrays, **static)`, where `needed` has one bool
    per operand, and returns one gradient per operand, None where none is needed or none flows.

    Args:
        primitive: the operation.
        rule: the function that returns all gradients.

    Source: torch.autograd.Function, its `needs_input_grad`
    """
    RULES[primitive] = rule


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
    pending = {id(tensor): _seed(tensor, gradient)}
    adopted: dict[int, Array] = {}
    for node in _users_first(tensor):
        cotangent = pending.pop(id(node), None)
        if cotangent is None:
            continue  # every rule on the way said that nothing flows here
        if node.note is None:
            node.grad = (
                _own(cotangent, adopted) if node.grad is None else np.asarray(node.grad + cotangent)
            )
            continue
        for parent, contribution in _contributions(node.note, cotangent):
            key = id(parent)
            pending[key] = pending[key] + contribution if key in pending else contribution


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
    new = gradient.ndim - len(shape)
    if new < 0 or any(n not in (1, m) for n, m in zip(shape, gradient.shape[new:], strict=True)):
        raise ValueError(
            f"a gradient of shape {gradient.shape} cannot belong to an operand of shape {shape}: a rule returns the operand's shape, or the output's"
        )
    stretched = [new + i for i, n in enumerate(shape) if n != gradient.shape[new + i]]
    return np.asarray(gradient.sum((*range(new), *stretched))).reshape(shape)


def _users_first(tensor: Tensor) -> Iterator[Tensor]:
    """The tensor and all it was made from that requires a gradient, each after all that use it.

    That is a topological order, from the end. Iterative: a graph may be deeper than Python's stack.
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
            if node.note is not None:
                stack.extend([(p, False) for p in node.note.parents if p is not None])
    return reversed(order)


def _seed(tensor: Tensor, gradient: Any) -> Array:
    """The first cotangent, checked; a copy, so that nothing of the caller's is shared."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "backward() from a tensor that requires no gradient: give an input requires_grad=True, and compute outside no_grad()"
        )
    if gradient is None:
        if tensor.size != 1:
            raise RuntimeError(
                f"backward() without a gradient starts from one number, this tensor has shape {tensor.shape}: reduce it (.sum(), .mean()) or pass backward(gradient)"
            )
        return np.ones(tensor.shape, tensor.dtype)
    seed = np.array(gradient.data if isinstance(gradient, Tensor) else gradient, tensor.dtype)
    if seed.shape != tensor.shape:
        raise ValueError(
            f"the gradient passed to backward() has shape {seed.shape}, the tensor {tensor.shape}: they must be equal"
        )
    return seed


def _own(cotangent: Array, adopted: dict[int, Array]) -> Array:
    """A gradient whose memory no other leaf has: the array itself if it may be kept, else a copy."""
    memory = cotangent if cotangent.base is None else cotangent.base
    whole = (
        isinstance(memory, np.ndarray)
        and memory.nbytes == cotangent.nbytes
        and cotangent.flags.c_contiguous
        and cotangent.flags.writeable
    )
    if not whole or id(memory) in adopted:
        return np.array(cotangent)
    adopted[id(memory)] = memory
    return np.asarray(cotangent)


def _contributions(note: Note, cotangent: Array) -> Iterator[tuple[Tensor, Array]]:
    """What each parent receives through one operation, in its own shape and dtype."""
    needed = tuple([p is not None for p in note.parents])
    rule = RULES.get(note.primitive) or _missing(note.primitive, needed.index(True))
    gradients = rule(needed, cotangent, note.saved, *note.arrays, **note.static)
    if len(gradients) != len(needed):
        name = note.primitive.__name__
        raise ValueError(
            f"the rule of {name} returned {len(gradients)} gradients for {len(needed)} operands"
        )
    for parent, gradient in zip(note.parents, gradients):  # noqa: B905 - a keyword costs a microsecond
        if parent is not None and gradient is not None:
            data = parent.data
            gradient = np.asarray(gradient, data.dtype)
            if gradient.shape != data.shape:
                gradient = unbroadcast(gradient, data.shape)
            yield parent, gradient


def _missing(primitive: Callable[..., Tensor], position: int) -> Rule:
    """Refuse to guess: a gradient is needed and no rule is given."""
    name = primitive.__name__
    raise RuntimeError(
        f"no gradient rule for operand {position} of {name}: give one with defvjp({name}, ...)"
    )


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
    before = grad_mode.enabled
    grad_mode.enabled = False
    try:
        yield
    finally:
        grad_mode.enabled = before


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
    inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
    if not any(t.requires_grad for t in inputs):
        raise ValueError(
            f"gradcheck got {len(inputs)} inputs and none with requires_grad=True: there is no gradient to check"
        )
    for position, tensor in enumerate(inputs):
        if tensor.requires_grad and tensor.dtype != np.float64:
            raise TypeError(
                f"gradcheck needs float64, input {position} is {tensor.dtype}: differences of float32 values drown in rounding"
            )
    with _borrowed(inputs):
        out = function(*inputs)
        cotangent = np.random.default_rng(0).standard_normal(out.shape)
        gradients = _gradients(out, cotangent, inputs)
        for position, tensor in enumerate(inputs):
            if tensor.requires_grad:
                expected = _central_differences(
                    lambda: float((function(*inputs).data * cotangent).sum()), tensor.data, eps
                )
                _compare(position, gradients[position], expected, tolerance)
    return True


@contextmanager
def _borrowed(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Within this block the tensors are leaves on copies of their data; then they are as before.

    The tensors themselves, not other ones: a function may know them by name.
    """
    before = [(t, t.data, t.grad, t.note) for t in tensors]
    try:
        for tensor in tensors:
            tensor.data, tensor.grad, tensor.note = tensor.data.copy(), None, None
        yield
    finally:
        for tensor, data, grad, note in before:
            tensor.data, tensor.grad, tensor.note = data, grad, note


def _gradients(out: Tensor, cotangent: Array, inputs: Sequence[Tensor]) -> list[Array]:
    """What `backward` leaves in the inputs, zeros for nothing; every `.grad` is put back."""
    before = [(t, t.grad) for t in _users_first(out) if t.note is None]
    try:
        for leaf, _ in before:
            leaf.grad = None  # an engine may add to what is there in place
        if out.requires_grad:
            out.backward(cotangent)
        return [np.zeros_like(t.data) if t.grad is None else t.grad for t in inputs]
    finally:
        for leaf, gradient in before:
            leaf.grad = gradient


@no_grad()
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


def _compare(position: int, found: Array, expected: Array, tolerance: float) -> None:
    """Raise at the first index where the gradient and the central difference disagree."""
    limit = tolerance * max(1.0, float(np.abs(expected).max(initial=0.0)))
    wrong = np.argwhere(~(np.abs(found - expected) <= limit))
    if len(wrong):
        index = tuple(wrong[0].tolist())
        raise ValueError(
            f"input {position}, index {index}: backward gives {found[index]:.8g}, a central difference {expected[index]:.8g}"
        )


# ---- the rules -----------------------------------------------------------------------------------
# One entry for every operation of katas 01 and 02, one rule for every operand. With g the cotangent
# and `out` what the operation saved, an entry for an operation `shift(a, b, /, by)` would read
#     defvjp(shift, lambda g, out, a, b, by: ..., lambda g, out, a, b, by: ...)
# A rule may answer in the shape of the output: the engine un-broadcasts. An operand may be a Python
# number (x ** 2), though never the one whose rule is called. A long rule is a function of its own.


# Arithmetic: add(a, b), multiply(a, b), subtract(a, b), divide(a, b), power(a, b), negative(x)
# kata: begin
defvjp(add, lambda g, out, a, b: g, lambda g, out, a, b: g)
defvjp(multiply, lambda g, out, a, b: g * b, lambda g, out, a, b: g * a)
defvjp(subtract, lambda g, out, a, b: g, lambda g, out, a, b: -g)
defvjp(divide, lambda g, out, a, b: g / b, lambda g, out, a, b: -g * out / b)
defvjp(
    power,
    lambda g, out, a, b: g * b * a ** (b - (b != 0)),  # a**0 is constant, also at 0 and infinity
    lambda g, out, a, b: g * out * np.log(np.where((a == 0) & (b >= 0), 1, a)),
)
defvjp(negative, lambda g, out, x: -g)
# kata: end


def _within(x: Array, min: float | None, max: float | None) -> Any:
    """Where min <= x <= max; None is no limit."""
    return (x >= (-math.inf if min is None else min)) & (x <= (math.inf if max is None else max))


# Elementwise: exp(x), log(x), sqrt(x), absolute(x), clip(x, /, min, max), maximum(a, b),
# where(condition, a, b)
# kata: begin
defvjp(exp, lambda g, out, x: g * out)
defvjp(log, lambda g, out, x: g / x)
defvjp(sqrt, lambda g, out, x: g / (2 * out))
defvjp(absolute, lambda g, out, x: g * np.sign(x))
defvjp(clip, lambda g, out, x, min, max: g * _within(x, min, max))
defvjp(maximum, lambda g, out, a, b: g * (a >= b), lambda g, out, a, b: g * (a < b))
defvjp(
    where,
    None,
    lambda g, out, condition, a, b: np.where(condition, g, 0),
    lambda g, out, condition, a, b: np.where(condition, 0, g),
)
# kata: end


def _matmul_left(g: Array, out: Array, a: Array, b: Array) -> Any:
    """g b^T; where b is one matrix, the leading axes of g are rows of a single product."""
    if b.ndim == 1:
        return g[..., None] * b
    if b.ndim == 2:
        rows = math.prod(g.shape[:-1])  # -1 would not do: it cannot be told where another size is 0
        return (np.ascontiguousarray(g).reshape(rows, b.shape[1]) @ b.T).reshape(a.shape)
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


def _matmul_right(g: Array, out: Array, a: Array, b: Array) -> Any:
    """a^T g; where b is one matrix (or vector), the leading axes of a are rows of a single product."""
    if b.ndim <= 2:
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])  # (N, k)
        g = np.ascontiguousarray(g).reshape(len(rows), *b.shape[1:])  # (N, m) or (N,)
        return (g.T @ rows).T  # laid out like the transposed weight of a Linear layer: saves a copy
    if a.ndim == 1:
        return a[:, None] * g[..., None, :]
    return a.swapaxes(-1, -2) @ g


# Product: matmul(a, b), where an operand has one axis, two, or more
# kata: begin
defvjp(matmul, _matmul_left, _matmul_right)
# kata: end


def _kept(reduced: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """A reduced array with the reduced axes of x in place again, as size 1."""
    return reduced if axis is None or keepdims or not x.ndim else np.expand_dims(reduced, axis)


def _spread(g: Array, out: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Every summed element receives the gradient of its sum."""
    return np.broadcast_to(_kept(g, x, axis, keepdims), x.shape)


def _share(g: Array, out: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """The same, divided by the number of elements that are averaged."""
    return _spread(g * (out.size / max(x.size, 1)), out, x, axis, keepdims)


def _to_extremum(g: Array, out: Array, x: Array, axis: Axis, keepdims: bool) -> Any:
    """The gradient goes to the elements that are the maximum (or minimum), in equal shares."""
    chosen = np.asarray(x == _kept(out, x, axis, keepdims), x.dtype)
    return chosen * (_kept(g, x, axis, keepdims) / chosen.sum(axis, keepdims=True))


# Reductions: sum_, mean, amax, amin, argmax, each (x, /, axis, keepdims)
# kata: begin
defvjp(sum_, _spread)
defvjp(mean, _share)
defvjp(amax, _to_extremum)
defvjp(amin, _to_extremum)
defvjp(argmax, None)
# kata: end


def _inverse(axes: Sequence[int]) -> list[int]:
    """The permutation that undoes a permutation."""
    inverse = [0] * len(axes)
    for position, axis in enumerate(axes):
        inverse[axis] = position
    return inverse


def _inside(shape: tuple[int, ...], padding: Sequence[int]) -> tuple[Any, ...]:
    """Where the original stands in the padded array; padding begins with the last axis."""
    before = padding[::2][::-1]
    sizes = shape[len(shape) - len(before) :]
    return (..., *[slice(b, b + n) for b, n in zip(before, sizes, strict=True)])


# Movement: reshape(x, /, shape), permute(x, /, axes), expand(x, /, shape), pad(x, /, padding, value)
# kata: begin
defvjp(reshape, lambda g, out, x, shape: g.reshape(x.shape))
defvjp(permute, lambda g, out, x, axes: g.transpose(_inverse(axes)))
defvjp(expand, lambda g, out, x, shape: g)
defvjp(pad, lambda g, out, x, padding, value: g[_inside(x.shape, padding)])
# kata: end


def _put_back(g: Array, out: Array, x: Array, index: Any) -> Array:
    """Zeros, and the gradient where it was taken from; an array of integers may name a place twice."""
    full = np.zeros_like(x)
    parts = index if isinstance(index, tuple) else (index,)
    if any(np.ndim(p) and np.asarray(p).dtype != bool for p in parts):
        np.add.at(full, index, g)
    else:
        full[index] = g
    return full


def _split(needed: Sequence[bool], g: Array, out: Array, *arrays: Array, axis: int) -> list[Array]:
    """Cut the gradient at the seams."""
    return np.split(g, np.cumsum([a.shape[axis] for a in arrays])[:-1], axis)


# Selecting: getitem(x, /, index), concatenate(*arrays, axis)
# kata: begin
defvjp(getitem, _put_back)
defvjp_fused(concatenate, _split)
# kata: end


def _silu_slope(x: Array) -> Any:
    """d(x s)/dx with s = logistic(x), whose own slope is s (1 - s)."""
    s = 0.5 * (1 + np.tanh(0.5 * x))
    return s * (1 + x * (1 - s))


def _gelu_slope(x: Array) -> Any:
    """d(x (1 + t) / 2)/dx with t = tanh(scale (x + 0.044715 x**3)), whose own slope is 1 - t**2."""
    scale, square = math.sqrt(2 / math.pi), x * x
    t = np.tanh(scale * x * (1 + 0.044715 * square))
    return 0.5 * (1 + t + x * (1 - t * t) * scale * (1 + 0.134145 * square))


# Activations: relu(x), leaky_relu(x, /, negative_slope), sigmoid(x), tanh(x), softplus(x), silu(x),
# gelu(x), softmax(x, /, axis), log_softmax(x, /, axis)
# kata: begin
defvjp(relu, lambda g, out, x: g * (x > 0))
defvjp(leaky_relu, lambda g, out, x, negative_slope: np.where(x > 0, g, g * negative_slope))
defvjp(sigmoid, lambda g, out, x: g * out * (1 - out))
defvjp(tanh, lambda g, out, x: g * (1 - out * out))
defvjp(softplus, lambda g, out, x: -g * np.expm1(-out))
defvjp(silu, lambda g, out, x: g * _silu_slope(x))
defvjp(gelu, lambda g, out, x: g * _gelu_slope(x))
defvjp(softmax, lambda g, out, x, axis: out * (g - (g * out).sum(axis, keepdims=True)))
defvjp(log_softmax, lambda g, out, x, axis: g - np.exp(out) * g.sum(axis, keepdims=True))
# kata: end
