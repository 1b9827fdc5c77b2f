"""The door of kata 01 carries the operations of later katas: each prototype here is a fused one.

A prototype is a factory `name(tt)` that makes the operation on the package under test, with
`@primitive` and `defvjp_fused`, the way katas 09 to 13 will. What is tested is the shape of the
door: optional operands, static arrays, saved intermediates, gradients only where they are needed.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from support.observe import asked_line

Operation = Callable[..., Any]


@pytest.fixture(scope="module")
def tt() -> ModuleType:
    import tinytorch

    return tinytorch


def fused(tt: ModuleType, forward: Callable[..., Any], rule: Callable[..., Any]) -> Operation:
    """An operation from its forward function and its one rule."""
    operation: Operation = tt.primitive(forward)
    tt.defvjp_fused(operation, rule)
    return operation


# ---- the prototypes ------------------------------------------------------------------------------


def conv2d(tt: ModuleType) -> Operation:
    """Cross-correlation by windows: x (N, C, H, W), weight (O, C, h, w), bias (O,) or None."""

    def forward(x: Any, weight: Any, bias: Any, /, stride: int = 1, padding: int = 0) -> Any:
        x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
        windows = sliding_window_view(x, weight.shape[2:], (2, 3))[:, :, ::stride, ::stride]
        out = np.einsum("nchwij,ocij->nohw", windows, weight)
        return (out if bias is None else out + bias[:, None, None]), windows

    def rule(
        needed: Any, g: Any, windows: Any, x: Any, weight: Any, bias: Any, stride: int, padding: int
    ) -> Any:
        dx = scatter(g, x, weight, stride, padding) if needed[0] else None
        dweight = np.einsum("nohw,nchwij->ocij", g, windows) if needed[1] else None
        return dx, dweight, g.sum((0, 2, 3)) if needed[2] else None

    return fused(tt, forward, rule)


def scatter(g: Any, x: Any, weight: Any, stride: int, padding: int) -> Any:
    """The adjoint of cutting windows: each goes back to where it was cut out, overlaps add up."""
    (n, c, height, width), (h, w) = x.shape, weight.shape[2:]
    dx = np.zeros((n, c, height + 2 * padding, width + 2 * padding), x.dtype)
    rows, columns = g.shape[2] * stride, g.shape[3] * stride
    for i in range(h):
        for j in range(w):
            part = np.einsum("nohw,oc->nchw", g, weight[:, :, i, j])
            dx[:, :, i : i + rows : stride, j : j + columns : stride] += part
    return dx[:, :, padding : padding + height, padding : padding + width]


def batch_norm(tt: ModuleType) -> Operation:
    """Normalise each channel of x (N, C, H, W); the running statistics are static and updated."""
    axes, channel = (0, 2, 3), (slice(None), None, None)

    def forward(x: Any, weight: Any, bias: Any, /, running: Any, training: bool = True) -> Any:
        mean, var = (x.mean(axes), x.var(axes)) if training else running
        if training:
            for kept, fresh in zip(running, (mean, var), strict=True):
                kept += 0.1 * (fresh - kept)
        scale = 1 / np.sqrt(var + 1e-5)
        normal = (x - mean[channel]) * scale[channel]
        return normal * weight[channel] + bias[channel], (normal, scale)

    def rule(
        needed: Any,
        g: Any,
        saved: Any,
        x: Any,
        weight: Any,
        bias: Any,
        running: Any,
        training: bool,
    ) -> Any:
        normal, scale = saved
        dbias, dweight = g.sum(axes), (g * normal).sum(axes)
        if training:
            n = x.size // x.shape[1]
            g = g - (dbias[channel] + normal * dweight[channel]) / n
        return g * (weight * scale)[channel], dweight, dbias

    return fused(tt, forward, rule)


def layer_norm(tt: ModuleType) -> Operation:
    """Normalise the last axis of x (..., D), with weight (D,) and bias (D,)."""

    def forward(x: Any, weight: Any, bias: Any, /, eps: float = 1e-5) -> Any:
        scale = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
        normal = (x - x.mean(-1, keepdims=True)) * scale
        return normal * weight + bias, (normal, scale)

    def rule(needed: Any, g: Any, saved: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
        normal, scale = saved
        d = g * weight
        d = d - d.mean(-1, keepdims=True) - normal * (d * normal).mean(-1, keepdims=True)
        return d * scale, g * normal, g  # the engine sums over the leading axes

    return fused(tt, forward, rule)


def embedding(tt: ModuleType) -> Operation:
    """Rows of a table (V, D) by integers of any shape, which are static."""

    def forward(table: Any, /, ids: Any) -> Any:
        return table[ids]

    def rule(needed: Any, g: Any, out: Any, table: Any, ids: Any) -> Any:
        full = np.zeros_like(table)
        np.add.at(full, ids, g)
        return (full,)

    return fused(tt, forward, rule)


def attention(tt: ModuleType) -> Operation:
    """softmax(q k^T / sqrt(d)) v over the last two axes; a static mask is False where not to look."""

    def forward(q: Any, k: Any, v: Any, /, mask: Any = None) -> Any:
        scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
        scores = scores if mask is None else np.where(mask, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return weights @ v, weights

    def rule(needed: Any, g: Any, weights: Any, q: Any, k: Any, v: Any, mask: Any) -> Any:
        dv = weights.swapaxes(-1, -2) @ g if needed[2] else None
        if not (needed[0] or needed[1]):
            return None, None, dv
        d = g @ v.swapaxes(-1, -2)
        d = weights * (d - (d * weights).sum(-1, keepdims=True)) / q.shape[-1] ** 0.5
        return d @ k, d.swapaxes(-1, -2) @ q, dv

    return fused(tt, forward, rule)


# ---- every prototype in every use ----------------------------------------------------------------

Shape = tuple[int, ...]
IMAGE, KERNEL, CHANNELS = (2, 3, 5, 6), (4, 3, 3, 2), ((2, 3, 4, 5), (3,), (3,))
CAUSAL = np.tril(np.ones((4, 4), bool))
HEADS = ((2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 2))

USES: dict[
    str, tuple[Callable[[ModuleType], Operation], tuple[Shape | None, ...], dict[str, Any]]
] = {
    "conv2d": (conv2d, (IMAGE, KERNEL, (4,)), {}),
    "conv2d-no-bias": (conv2d, (IMAGE, KERNEL, None), {"padding": 1}),
    "conv2d-stride": (conv2d, (IMAGE, KERNEL, (4,)), {"stride": 2, "padding": 2}),
    "batch_norm": (batch_norm, CHANNELS, {"running": [np.zeros(3), np.ones(3)]}),
    "batch_norm-eval": (
        batch_norm,
        CHANNELS,
        {"running": [np.arange(3.0), np.arange(1.0, 4)], "training": False},
    ),
    "layer_norm": (layer_norm, ((2, 3, 5), (5,), (5,)), {}),
    "embedding": (embedding, ((5, 3),), {"ids": np.array([[0, 4, 4], [4, 0, 1]])}),
    "attention": (attention, ((4, 5), (3, 5), (3, 2)), {}),
    "attention-causal": (attention, HEADS, {"mask": CAUSAL}),
}


def made(tt: ModuleType, name: str, dtype: str = "float64", seed: int = 0) -> tuple[Any, Any, Any]:
    """The operation, its operands as arrays (or None), its static arguments."""
    factory, shapes, static = USES[name]
    rng = np.random.default_rng(seed)
    arrays = [None if s is None else rng.normal(size=s).astype(dtype) for s in shapes]
    return factory(tt), arrays, static


@pytest.mark.parametrize("name", USES)
def test_gradients_agree_with_differences(tt: ModuleType, name: str) -> None:
    """gradcheck accepts the prototype: the door brings everything to the rule and back."""
    operation, arrays, static = made(tt, name)
    tensors = [tt.Tensor(a, requires_grad=True) for a in arrays if a is not None]
    rest = [None] * (len(arrays) - len(tensors))
    assert tt.gradcheck(lambda *t: operation(*t, *rest, **static), tensors)


@pytest.mark.parametrize("name", USES)
def test_only_what_is_needed(tt: ModuleType, name: str) -> None:
    """With one operand alone to differentiate, that one has its gradient, and no other has any."""
    operation, arrays, static = made(tt, name)
    for position in [i for i, a in enumerate(arrays) if a is not None]:
        tensors = [a if a is None else tt.Tensor(a, i == position) for i, a in enumerate(arrays)]
        out = operation(*tensors, **static)
        out.backward(np.ones(out.shape))
        got = [t is not None and t.grad is not None for t in tensors]
        assert got == [i == position for i in range(len(arrays))]


@pytest.mark.parametrize("name", USES)
def test_float32_stays_float32(tt: ModuleType, name: str) -> None:
    """float32 operands give a float32 output and float32 gradients in the operands' shapes."""
    operation, arrays, static = made(tt, name, "float32")
    if "running" in static:
        static = static | {"running": [np.float32(s) for s in static["running"]]}
    tensors = [a if a is None else tt.Tensor(a, requires_grad=True) for a in arrays]
    out = operation(*tensors, **static)
    out.backward(np.ones(out.shape))
    gradients = [(t.grad.shape, t.grad.dtype) for t in tensors if t is not None]
    assert out.dtype == np.float32
    assert gradients == [(a.shape, np.float32) for a in arrays if a is not None]


@pytest.mark.parametrize("name", USES)
def test_no_grad_leaves_no_note(tt: ModuleType, name: str) -> None:
    """Under no_grad the same call gives the same values and no note, so nothing saved is kept."""
    operation, arrays, static = made(tt, name)
    tensors = [a if a is None else tt.Tensor(a, requires_grad=True) for a in arrays]
    with tt.no_grad():
        silent = operation(*tensors, **static)
    noted = operation(*tensors, **static)
    assert silent.note is None
    assert noted.note is not None
    np.testing.assert_allclose(silent.data, noted.data)


def test_static_tensors_arrive_as_arrays(tt: ModuleType) -> None:
    """Ids and masks may be given as tensors: static arguments are unwrapped as operands are."""
    table = tt.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    rows = embedding(tt)(table, tt.Tensor(np.array([2, 2, 0])))
    rows.backward(np.ones((3, 2)))
    assert rows.tolist() == [[4.0, 5.0], [4.0, 5.0], [0.0, 1.0]]
    assert table.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]


def test_running_statistics_are_updated(tt: ModuleType) -> None:
    """A static array is the caller's own: what the operation writes to it stays."""
    operation, (x, weight, bias), _ = made(tt, "batch_norm")
    running = [np.zeros(3), np.ones(3)]
    operation(x, weight, bias, running=running)
    np.testing.assert_allclose(running[0], 0.1 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(running[1], 0.9 + 0.1 * x.var((0, 2, 3)))


def test_dropout_is_a_constant_mask(tt: ModuleType) -> None:
    """Dropout needs no operation of its own: a product with an array that requires no gradient."""
    keep = (np.random.default_rng(0).random((4, 5)) < 0.75) / np.float32(0.75)
    x = tt.Tensor(np.ones((4, 5), np.float32), requires_grad=True)
    (x * keep).backward(np.full((4, 5), 3.0))
    np.testing.assert_array_equal(x.grad, 3 * keep)
    assert x.grad.dtype == np.float32


def test_bad_shapes_name_the_operation(tt: ModuleType) -> None:
    """What NumPy refuses inside a prototype is explained with its name and the shapes."""
    with pytest.raises(ValueError, match=r"layer_norm of \(2, 3\) and \(4,\) and \(3,\)"):
        named(tt, layer_norm)(np.ones((2, 3)), np.ones(4), np.ones(3))


def test_numpy_takes_the_array_itself(tt: ModuleType) -> None:
    """np.asarray(tensor) is the tensor's array, not a number at a time; asked for a copy, a copy."""
    x = tt.Tensor(np.ones((2, 3)))
    assert np.asarray(x) is x.data
    assert np.asarray(x, np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x, copy=True), x.data)


def test_forgotten_return_is_named(tt: ModuleType) -> None:
    """A primitive that returns nothing is told so by its name, not by what a Tensor makes of None."""
    with pytest.raises(TypeError, match=r"half computed nothing.*return"):
        tt.primitive(half)(1.0)


def half(x: Any, /) -> Any:
    x / 2


def test_a_returned_tensor_is_named(tt: ModuleType) -> None:
    """A primitive that computes with tensors is told so: its result would have a history of its own."""
    with pytest.raises(TypeError, match=r"wrapped returned a Tensor.*array"):
        tt.primitive(wrapped)(1.0)


def wrapped(x: Any, /) -> Any:
    return importlib.import_module("tinytorch").Tensor(x)


def test_an_error_leads_to_the_line_that_failed(tt: ModuleType) -> None:
    """What the door says of NumPy's complaint ends where it came up: in the primitive's own line."""
    with pytest.raises(ValueError, match=r"crossed of \(2,\) and \(3,\)") as caught:
        tt.primitive(crossed)(np.ones(2), np.ones(3))
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.name, last.line) == ("crossed", "return a + b")


def crossed(a: Any, b: Any, /) -> Any:
    return a + b


def test_an_error_about_other_arrays_keeps_its_words(tt: ModuleType) -> None:
    """Operands that fit are not accused of an addition within the function."""
    with pytest.raises(ValueError, match=r"together with shapes \(2,\) \(3,\)"):
        tt.primitive(crossed_within)(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"aligned from the right"):
        tt.primitive(crossed)(np.ones((2, 4)), np.ones(3))


def crossed_within(x: Any, /) -> Any:
    return x[0] + np.ones(3)


def test_an_error_of_its_own_stays(tt: ModuleType) -> None:
    """A TypeError that is no matter of dtypes is the primitive's own, and is not rewritten."""
    with pytest.raises(TypeError, match=r"^can only concatenate tuple"):
        tt.primitive(mistaken)(np.ones(2))


def mistaken(x: Any, /) -> Any:
    return x.shape + 1


def named(tt: ModuleType, factory: Callable[[ModuleType], Operation]) -> Operation:
    """The prototype under its own name, as a module-level function would have it."""
    forward = inspect.unwrap(factory(tt))
    forward.__name__ = factory.__name__
    operation: Operation = tt.primitive(forward)
    return operation


# ---- the table of rules --------------------------------------------------------------------------


def primitives(module: ModuleType) -> dict[str, Operation]:
    """Every operation that a module puts behind the door (composites have another wrapper)."""
    functions = {n: f for n, f in vars(module).items() if inspect.isfunction(f)}
    own = {n: f for n, f in functions.items() if f.__module__ == module.__name__}
    return {n: f for n, f in own.items() if f.__code__.co_qualname.startswith("primitive.")}


def test_every_primitive_has_an_entry(tt: ModuleType) -> None:
    """Every primitive of the reference has rules, or is declared to have none."""
    modules = [importlib.import_module(f"tinytorch.{name}") for name in tt.KATAS]
    found = [f for module in modules for f in primitives(module).values()]
    assert len(found) >= 34
    assert [f.__qualname__ for f in found if f not in tt.autograd.RULES] == []


# ---- the line that an error is about --------------------------------------------------------------

LINES = {  # files through which an error came, the innermost last: the file whose line is shown
    "test tensor/operation tensor/matmul": "tensor/matmul",
    "test layers/forward door/operation tensor/matmul": "layers/forward",
    "test layers/forward door/operation tensor/var door/operation tensor/sum_": "layers/forward",
    "test door/operation tensor/var door/operation tensor/sum_": "tensor/var",
    "test training/step optimizers/step": "optimizers/step",
    "test training/step door/backward autograd/backward": "autograd/backward",
    "test door/operation": "",
}


@pytest.mark.parametrize("trace", LINES)
def test_the_line_that_asked_is_shown(trace: str) -> None:
    """Where another operation refused, the line that asked for it; else the innermost."""
    frames = [
        traceback.FrameSummary(f"/own/{part.split('/')[0]}.py", 1, part.split("/")[-1])
        for part in trace.split()
    ]
    frames[0] = traceback.FrameSummary("/spec/test.py", 1, "test")
    found = asked_line(frames, "/own")
    shown = f"{found.filename[5:-3]}/{found.name}" if found else ""
    assert shown == LINES[trace]
