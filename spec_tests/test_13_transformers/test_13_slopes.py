"""Kata 13, Transformers: the gradients of layer norm (katas/13_transformers/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asserts import assert_close, assert_equal, assert_unchanged, assert_zeros
from support.expressions import gradients
from support.observe import observe
from support.oracle import Case, check_gradients
from support.strategies import LAYOUTS, fill, integer, normal, real, seeds
from test_13_transformers.by_hand import FEW, NORMS, SHAPES, normed, slopes

NORM = "tt.layer_norm(a, {}, b, c)"
every_shape = pytest.mark.parametrize("name", SHAPES)


def operands(shape: Any, last: Any, seed: int = 0) -> list[Any]:
    """x, weight, bias and a cotangent."""
    sizes = tuple(np.atleast_1d(last))
    return [fill(s, seed + i, "normal") for i, s in enumerate((shape, sizes, sizes, shape))]


# ---- 13.2 ----------------------------------------------------------------------------------------


def test_layer_norm_example_walked_back() -> None:
    """13.2 The worked example: the cotangent 1 0 0 of the row 1 3 6."""
    got = gradients("tt.layer_norm(a, 3, eps=0.0)", np.array([1.0, 0, 0]), np.array([1.0, 3, 6]))
    assert_close(got[0], want=np.array([0.115262591, -0.192104318, 0.076841727]), depth=1e3)


@pytest.mark.parametrize("each", NORMS, ids=str)
def test_layer_norm_gradients_are_pytorchs(each: Case) -> None:
    """13.2 Gradients under a random cotangent, as PyTorch gives them."""
    check_gradients("13", each)


@every_shape
def test_layer_norm_gradients(name: str) -> None:
    """13.2 Fresh numbers against one row at a time; one weight is 0."""
    shape, last = SHAPES[name]
    x, w, b, c = operands(shape, last, seed=20)
    w.flat[integer(1, 0, 2)] = 0.0
    want = slopes(x, last, w, c)
    got = gradients(NORM.format(last), c, x, w, b)
    assert_close(got, want=want, terms=10 * np.abs(want[0]).max() + 10 * np.abs(c).max())


PARTS = {
    "bare": ("tt.layer_norm(a, 4)", 1),
    "weight-alone": ("tt.layer_norm(a, 4, b)", 2),
    "bias-alone": ("tt.layer_norm(a, 4, None, b)", 3),
}


@pytest.mark.parametrize("name", PARTS)
def test_layer_norm_gradients_of_some_operands(name: str) -> None:
    """13.2 Without weight, without bias, and without either."""
    call, which = PARTS[name]
    x, w, b, c = operands((3, 2, 4), 4)
    d = dict(zip("xwb", slopes(x, 4, w if which == 2 else 1 + 0 * w, c), strict=True))
    arrays, want = {1: ([x], "x"), 2: ([x, w], "xw"), 3: ([x, b], "xb")}[which]
    assert_close(gradients(call, c, *arrays), want=[d[k] for k in want], depth=100)


@FEW
@given(st.lists(st.integers(1, 4), max_size=3), st.integers(3, 9), seeds)
def test_layer_norm_gradients_of_drawn_sizes(shape: list[int], size: int, seed: int) -> None:
    """13.2 Drawn shapes of x."""
    x, w, b, c = operands((*shape, size), size, seed)
    want = slopes(x, size, w, c)
    terms = 100 * (1 + np.abs(want[0]).max() + np.abs(c).max() * len(c.ravel()))
    assert_close(gradients(NORM.format(size), c, x, w, b), want=want, terms=terms)


@pytest.mark.parametrize("eps", [0.0, 0.5, 10.0])
def test_layer_norm_gradients_know_eps(eps: float) -> None:
    """13.2 With eps from nothing to large."""
    x, w, b, c = operands((3, 5), 5)
    got = gradients(f"tt.layer_norm(a, 5, b, c, eps={eps})", c, x, w, b)
    assert_close(got, want=slopes(x, 5, w, c, eps), depth=100)


def test_layer_norm_gradient_of_one_operand_at_a_time() -> None:
    """13.2 Only one of the three requires a gradient: it is what it is beside the others."""
    arrays, c = operands((3, 4), 4)[:3], normal(3, 4, seed=9)
    want = slopes(arrays[0], 4, arrays[1], c)
    assert_close(some_slopes(arrays, c), want=want, depth=100)


@observe(
    shown="layer_norm(x, D, weight, bias), where x, then weight, then bias alone learns: its grad"
)
def some_slopes(tt: Any, arrays: Any, cotangent: Any) -> Any:
    found = []
    for k in range(3):
        leaves = [tt.Tensor(a, requires_grad=i == k) for i, a in enumerate(arrays)]
        tt.layer_norm(leaves[0], len(arrays[1]), *leaves[1:]).backward(cotangent)
        found.append(leaves[k].grad)
    return found


def test_layer_norm_gradients_of_equal_numbers() -> None:
    """13.2 A row whose numbers are all alike, beside one of others: divided by the root of eps alone."""
    x, c, w = normal(3, 4), normal(3, 4, seed=3), normal(4, seed=4)
    x[1] = real(2.5, 2.0, 4.0)
    got = gradients("tt.layer_norm(a, 4, b)", c, x, w)
    assert_close(got[0], want=slopes(x, 4, w, c)[0], depth=1000)


def test_a_row_pulls_neither_sum_nor_length() -> None:
    """13.2 With eps=0 the gradient of x sums to 0 in each row and is at right angles to the row."""
    x, c = normal(4, 6), normal(4, 6, seed=3)
    slope = gradients("tt.layer_norm(a, 6, eps=0.0)", c, x)[0]
    sums = np.stack([slope.sum(-1), (slope * x).sum(-1)]) + 1.0
    assert_close(sums, want=np.ones((2, 4)), terms=10.0)
    assert_close(slope, want=slopes(x, 6, np.ones(6), c, 0.0)[0], depth=100)


@pytest.mark.parametrize("texts", [1, 100], ids=["rows", "texts"])
def test_layer_norm_gradients_of_many_rows(texts: int) -> None:
    """13.2 In float32, 100,000 rows whose cotangents are alike: each digit of the sums counts."""
    n, one = integer(1000, 990, 1010) * 100, np.ones(4, np.float32)
    x = np.repeat(normal(1, 4, seed=4), n, axis=0).astype(np.float32)
    alike = [real(u, 1.1, 1.9, seed=s) for s, u in enumerate((1.2, 1.3, 1.7, 1.8))]
    c = np.repeat(np.array([alike]), n, axis=0).astype(np.float32)
    want = [np.float32(v) for v in slopes(np.float64(x), 4, 1.0, np.float64(c))[1:]]
    got = gradients(NORM.format(4), *(a.reshape(texts, -1, 4) for a in (c, x)), one, one)[1:]
    names = ("of the weight, b", "of the bias, c")
    assert_close(dict(zip(names, got, strict=True)), want=dict(zip(names, want, strict=True)))


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_layer_norm_gradients_keep_odd_cotangents_apart(odd: float) -> None:
    """13.2 One number of the cotangent is nan or infinite."""
    x, w, b, c = operands((5, 4), 4)
    row, column = integer(2, 0, 4), integer(1, 0, 3, seed=1)
    want = slopes(x, 4, w, c)
    c[row, column] = np.nan if np.isnan(odd) else odd
    got = gradients(NORM.format(4), c, x, w, b)
    others = np.arange(5) != row, np.arange(4) != column
    assert_close(got[0][others[0]], want=want[0][others[0]], depth=100)
    assert_close(
        [got[1][others[1]], got[2][others[1]]], want=[v[others[1]] for v in want[1:]], depth=100
    )


def test_layer_norm_gradients_show_odd_cotangents() -> None:
    """13.2 A nan in the cotangent: it is in its row of x's gradient, and at its place in the others."""
    x, w, b, c = operands((3, 4), 4)
    c[1, 2] = np.nan
    got = gradients(NORM.format(4), c, x, w, b)
    assert_equal(bool(np.isnan(got[0][1]).all()), want=True)
    assert_equal([bool(np.isnan(g[2])) for g in got[1:]], want=[True, True])


# ---- 13.4 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_norm_gradients_have_their_dtypes(dtype: str) -> None:
    """13.4 Dtype and values of all three gradients in both precisions."""
    x, w, b, c = (a.astype(dtype) for a in operands((3, 2, 4), 4))
    want = slopes(*(np.float64(x), 4, np.float64(w), np.float64(c)))
    got = gradients(NORM.format(4), c, x, w, b)
    assert_close(got, want=[v.astype(dtype) for v in want], depth=100)


@observe(shown="layer_norm(x, D, weight, bias).backward(cotangent)  # all are {layout}")
def slopes_laid_out(tt: Any, layout: str, last: Any, cotangent: Any, *arrays: Any) -> Any:
    laid = [eval(layout, {"np": np, "x": array}) for array in (*arrays, cotangent)]
    leaves = [tt.Tensor(array, requires_grad=True) for array in laid[:-1]]
    tt.layer_norm(leaves[0], last, *leaves[1:]).backward(laid[-1])
    return [t.grad for t in leaves]


@pytest.mark.parametrize("name", ["text", "two-axes", "square"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layer_norm_gradients_in_any_memory_order(layout: str, name: str) -> None:
    """13.4 Operands and cotangent that lie in memory in another way, or are read-only."""
    shape, last = SHAPES[name]
    x, w, b, c = operands(shape, last)
    got = slopes_laid_out(LAYOUTS[layout], last, c, x, w, b)
    assert_close(got, want=slopes(x, last, w, c), depth=100)


@observe(
    shown="out = layer_norm(x, D, weight, bias); others called, walked; out.backward(cotangent), once and twice"
)
def walked_twice(tt: Any, arrays: Any, others: Any, cotangent: Any) -> Any:
    leaves, strangers = (
        [tt.Tensor(a, requires_grad=True) for a in group] for group in (arrays, others)
    )
    size = arrays[1].size
    out = tt.layer_norm(leaves[0], size, *leaves[1:])
    tt.layer_norm(strangers[0], size, *strangers[1:]).backward(cotangent)
    tt.layer_norm(strangers[0], size, leaves[1], strangers[2])
    out.backward(cotangent)
    once = [t.grad.copy() for t in leaves]
    out.backward(cotangent)
    return {
        "once": once,
        "twice, halved": [t.grad / 2 for t in leaves],
        "others": [t.grad for t in strangers],
    }


def test_layer_norm_walked_back_twice() -> None:
    """13.4 Gradients after one walk and after two, beside calls with other operands of the same shape."""
    *arrays, c = operands((3, 4), 4)
    others = operands((3, 4), 4, seed=60)[:3]
    got, want = walked_twice(arrays, others, c), slopes(arrays[0], 4, arrays[1], c)
    for name in ("once", "twice, halved"):
        assert_close(got[name], want=want, depth=100)
    assert_close(got["others"], want=slopes(others[0], 4, others[1], c), depth=100)


@observe
def after_walking_back(tt: Any, call: str, arrays: Any, cotangent: Any) -> Any:
    leaves = [tt.Tensor(array, requires_grad=True) for array in arrays]
    out = eval(call, {"tt": tt, **dict(zip("abc", leaves, strict=False))})
    before = out.data.copy()
    out.backward(cotangent)
    kept = {"result": out.data, "cotangent": cotangent, **dict(zip("abc", arrays, strict=False))}
    shared = [np.shares_memory(t.grad, array) for t in leaves for array in kept.values()]
    return {"kept": kept, "before": before, "gradients share memory": any(shared)}


@pytest.mark.parametrize(
    "call", [NORM.format(4), "tt.layer_norm(a, 4)", "tt.layer_norm(a, 4, None, b)"]
)
@pytest.mark.parametrize("shape", [(3, 4), (4,), (1, 4)], ids=str)
def test_layer_norm_walks_back_and_writes_to_nothing(call: str, shape: Any) -> None:
    """13.4 Operands, result and cotangent after a walk back, also of a single row."""
    x, w, b, c = operands(shape, 4)
    arrays = [x, w, b][: 1 + ("b" in call[20:]) + ("c" in call[20:])]
    got = after_walking_back(call, arrays, c)
    was = {"result": got["before"], "cotangent": c, **dict(zip("abc", arrays, strict=False))}
    assert_unchanged(got["kept"], was=was)
    assert_equal(got["gradients share memory"], want=False)


@observe(
    shown="(layer_norm(x, D, weight, bias) + other).backward(cotangent): other.grad, bias.grad"
)
def beside(tt: Any, x: Any, w: Any, b: Any, cotangent: Any) -> Any:
    found = []
    for first in (True, False):
        leaves = [None if a is None else tt.Tensor(a, requires_grad=True) for a in (x, w, b)]
        out = tt.layer_norm(leaves[0], x.shape[-1], *leaves[1:])
        other = tt.Tensor(np.zeros(out.shape), requires_grad=True)
        (out + other if first else other + out).backward(cotangent)
        found += [other.grad] + [leaf.grad for leaf in leaves[2:] if leaf is not None]
    return found


@pytest.mark.parametrize("without", ["", "weight", "bias", "both"])
def test_the_cotangent_of_a_layer_norm_is_only_read(without: str) -> None:
    """13.4 What is added to the result gets the same cotangent, before it or after it."""
    x, w, b, c = operands((3, 4), 4)
    w, b = (None if without in (name, "both") else a for name, a in (("weight", w), ("bias", b)))
    assert_close(beside(x, w, b, c), want=[c, *[c.sum(0)] * (b is not None)] * 2, depth=10)


@observe(
    shown="layer_norm(x, D, weight, bias).backward(zeros): the gradients, and those of {cotangent}"
)
def slopes_of_zeros(tt: Any, x: Any, w: Any, cotangent: Any) -> Any:
    found = []
    for c in (np.zeros_like(cotangent), cotangent):
        leaves = [tt.Tensor(a, requires_grad=True) for a in (x, w, w)]
        tt.layer_norm(leaves[0], w.size, *leaves[1:]).backward(c)
        found.append(np.concatenate([t.grad.ravel() for t in leaves]))
    return found


def test_nothing_comes_of_nothing() -> None:
    """13.2 A cotangent of zeros."""
    x, w, _, c = operands((3, 4), 4)
    zeros, others = slopes_of_zeros(x, w, c)
    assert_zeros(zeros, beside=others)


@observe(shown="y = layer_norm(x, D); layer_norm(y * y + x, D).backward(cotangent); x.grad")
def reused(tt: Any, x: Any, cotangent: Any) -> Any:
    t = tt.Tensor(x, requires_grad=True)
    y = tt.layer_norm(t, x.shape[-1])
    tt.layer_norm(y * y + t, x.shape[-1]).backward(cotangent)
    return t.grad


def test_layer_norm_in_a_larger_graph() -> None:
    """13.2 A result that is used twice, under another layer norm."""
    x, c = normal(3, 5), normal(3, 5, seed=1)
    y, one = normed(x, 5), np.ones(5)
    inner = slopes(y * y + x, 5, one, c)[0]
    want = inner + slopes(x, 5, one, 2 * y * inner)[0]
    assert_close(reused(x, c), want=want, depth=1000)
