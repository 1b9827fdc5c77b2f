"""Kata 13, Transformers: layer normalization (katas/13_transformers/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asserts import (
    assert_above,
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
)
from support.expressions import (
    assert_followed,
    assert_operands_stay,
    evaluate,
    evaluate_laid_out,
    shares_memory,
    two_results,
)
from support.observe import observe
from support.oracle import Case, check_values
from support.strategies import LAYOUTS, fill, integer, normal, positive, real, seeds
from test_13_transformers.by_hand import FEW, NORMS, SHAPES, normed

NORM = "tt.layer_norm(a, {}, b, c)"
every_shape = pytest.mark.parametrize("name", SHAPES)


def operands(shape: Any, last: Any, seed: int = 0) -> list[Any]:
    """x, weight and bias."""
    sizes = tuple(np.atleast_1d(last))
    return [fill(s, seed + i, "normal") for i, s in enumerate((shape, sizes, sizes))]


# ---- 13.1 ----------------------------------------------------------------------------------------


def test_layer_norm_example() -> None:
    """13.1 The worked example: two rows, without a weight and with one."""
    x, two = np.array([[1.0, 3.0], [10.0, 50.0]]), np.array([2.0, 1.0])
    got = evaluate("tt.layer_norm(a, 2, eps=0.0)", x)
    assert_close(got, want=np.array([[-1.0, 1.0], [-1.0, 1.0]]))
    got = evaluate("tt.layer_norm(a, 2, b, c, 0.0)", x, two, np.array([0.0, 10.0]))
    assert_close(got, want=np.array([[-2.0, 11.0], [-2.0, 11.0]]))


@pytest.mark.parametrize("each", NORMS, ids=str)
def test_layer_norm_is_pytorchs(each: Case) -> None:
    """13.1 Values that PyTorch gives."""
    check_values("13", each)


@every_shape
def test_layer_norm_values(name: str) -> None:
    """13.1 Fresh numbers against one row at a time: with weight and bias, with one of them, with neither."""
    shape, last = SHAPES[name]
    x, w, b = operands(shape, last)
    assert_close(evaluate(NORM.format(last), x, w, b), want=normed(x, last, w, b), depth=10)
    got = evaluate(f"tt.layer_norm(a, {last}, b)", x, w)
    assert_close(got, want=normed(x, last, w), depth=10)
    got = evaluate(f"tt.layer_norm(a, {last}, None, b)", x, b)
    assert_close(got, want=normed(x, last, None, b), depth=10)
    assert_close(evaluate(f"tt.layer_norm(a, {last})", x), want=normed(x, last), depth=10)


@FEW
@given(st.lists(st.integers(1, 4), max_size=3), st.integers(2, 9), seeds)
def test_layer_norm_of_drawn_sizes(shape: list[int], size: int, seed: int) -> None:
    """13.1 Drawn shapes of x."""
    x, w, b = operands((*shape, size), size, seed)
    got = evaluate(NORM.format(size), x, w, b)
    assert_close(got, want=normed(x, size, w, b), terms=30.0, depth=10)


@pytest.mark.parametrize(
    "sizes", ["np.int64({n})", "[{n}]", "({n},)", "np.int32({n})", "(np.int64({n}),)"]
)
def test_layer_norm_takes_sizes_of_many_kinds(sizes: str) -> None:
    """13.1 One size as a number of NumPy's, in a list and in a tuple."""
    n = integer(4, 2, 7)
    x, w, b = operands((2, n), n)
    got = evaluate(NORM.format(sizes.replace("{n}", str(n))), x, w, b)
    assert_close(got, want=normed(x, n, w, b), depth=10)


@pytest.mark.parametrize("eps", [0.0, 1e-12, 0.5, 10.0])
def test_layer_norm_eps_stands_under_the_root(eps: float) -> None:
    """13.1 Values with a small and with a large eps, by name and in its place; also in front of small numbers."""
    x, w, b = operands((3, 5), 5)
    for scale in (1.0, 1e-3):
        for more in (f", eps={eps}", f", {eps}"):
            got = evaluate(f"tt.layer_norm(a, 5, b, c{more})", scale * x, w, b)
            assert_close(got, want=normed(scale * x, 5, w, b, eps), depth=1e3)


def test_layer_norm_of_equal_numbers() -> None:
    """13.1 A row whose numbers are all the same is 0 before weight and bias, so the bias is what comes out."""
    x, w, b = operands((3, 4), 4)
    x[1] = real(2.5, 1.0, 4.0)
    assert_close(evaluate(NORM.format(4), x, w, b)[1], want=b, depth=10)


def test_layer_norm_does_not_know_where_zero_is() -> None:
    """13.1 The same numbers, moved and made larger: nearly the same result."""
    x, w, b = operands((3, 6), 6)
    far, large = real(7.0, 3.0, 9.0), real(1000.0, 500.0, 2000.0)
    got = evaluate("tt.layer_norm(a, 6, b, c, 0.0)", large * (x + far), w, b)
    assert_close(got, want=normed(x, 6, w, b, 0.0), depth=1000)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_norm_far_from_zero(dtype: str) -> None:
    """13.1 Numbers near 100 in float32 and near 100,000 in float64: mean(x²) - mean(x)² loses its digits."""
    far = real(128.0, 100.0, 150.0) * (1.0 if dtype == "float32" else 1e3)
    x = (normal(4, 50) + far).astype(dtype)
    got = evaluate("tt.layer_norm(a, 50)", x)
    assert_close(got, want=normed(x.astype(np.float64), 50).astype(dtype), depth=5)


def test_layer_norm_of_rows_at_different_places() -> None:
    """13.1 Rows near 0, near 128 and near -128, in float32: what is taken away is each row's own."""
    far = real(128.0, 100.0, 150.0)
    x = (normal(4, 50) + np.array([[0.0], [far], [-far], [far / 7]])).astype(np.float32)
    got = evaluate("tt.layer_norm(a, 50)", x)
    want = normed(x.astype(np.float64), 50).astype(np.float32)
    rows = [f"the row near {x[i].mean():.0f}" for i in range(4)]
    assert_close(
        dict(zip(rows, got, strict=True)), want=dict(zip(rows, want, strict=True)), depth=5
    )


@pytest.mark.parametrize("place", [0, -1, 70])
def test_layer_norm_of_a_row_with_one_large_number(place: int) -> None:
    """13.1 In float32, one number of a long row is far from all others, which lie near 0."""
    x = normal(2, 4000).astype(np.float32)
    x[:, place] = real(500.0, 400.0, 600.0)
    want = normed(x.astype(np.float64), 4000).astype(np.float32)
    got = np.delete(evaluate("tt.layer_norm(a, 4000)", x), place, axis=1)
    assert_close(got, want=np.delete(want, place, axis=1), depth=5)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("last", [5, (3, 5)], ids=str)
def test_layer_norm_keeps_odd_numbers_in_their_row(odd: float, last: Any) -> None:
    """13.1 One number of one row is nan or infinite."""
    x, w, b = operands((4, 3, 5), last)
    at, axes = (integer(2, 0, 3), integer(1, 0, 2, seed=1)), 3 - len(np.atleast_1d(last))
    want = normed(x, last, w, b)
    x[*at, integer(3, 0, 4, seed=2)] = odd
    want[at[:axes]] = np.nan
    assert_exact(evaluate(NORM.format(last), x, w, b), want=want, ulps=1e6)


def test_layer_norm_sees_one_row_at_a_time() -> None:
    """13.1 Each row alone gives what it gives among the others."""
    x, w, b = operands((5, 4), 4)
    among = evaluate(NORM.format(4), x, w, b)
    alone = [evaluate(NORM.format(4), row, w, b) for row in x]
    assert_close(np.stack(alone), want=among, depth=10)


def test_layer_norm_forgets() -> None:
    """13.1 A second call with other numbers of the same shape is answered for itself."""
    x, w, b = operands((3, 4), 4)
    other = operands((3, 4), 4, seed=50)
    got = two_results(NORM.format(4), [x, w, b], other)
    want = [normed(x, 4, w, b), normed(other[0], 4, *other[1:])]
    assert_close([got["first"], got["second"]], want=want, depth=10)


# ---- 13.3 ----------------------------------------------------------------------------------------

ONES = "tt.Tensor(np.ones({}))"
REFUSED = {  # the arguments of layer_norm, and what the message names
    "bias-alone": (
        f"{ONES.format('(2, {n})')}, {{n}}, None, {ONES.format('(1, {n})')}",
        ("(1, {n})", "({n},)"),
    ),
    "last-axis": (f"{ONES.format('(2, {n})')}, 3", ("(2, {n})", "(3,)")),
    "last-axis-of-1": (f"{ONES.format('({n}, 1)')}, {{n}}", ("({n}, 1)", "({n},)")),
    "first-axis-instead": (f"{ONES.format('({n}, 3)')}, {{n}}", ("({n}, 3)", "({n},)")),
    "two-axes-exchanged": (
        f"{ONES.format('(2, 3, {n})')}, ({{n}}, 3)",
        ("(2, 3, {n})", "({n}, 3)"),
    ),
    "same-count": (f"{ONES.format('(2, 2, {n})')}, (1, {{n}})", ("(2, 2, {n})", "(1, {n})")),
    "too-few-axes": (f"{ONES.format('{n}')}, (1, {{n}})", ("({n},)", "(1, {n})")),
    "no-axes": ("tt.Tensor({n}.0), 1", ("()", "(1,)")),
    "weight": (f"{ONES.format('(2, 3)')}, 3, {ONES.format('{n}')}", ("({n},)",)),
    "weight-of-1": (f"{ONES.format('(2, {n})')}, {{n}}, {ONES.format('1')}", ("(1,)",)),
    "weight-of-x": (f"{ONES.format('(2, {n})')}, {{n}}, {ONES.format('(2, {n})')}", ("(2, {n})",)),
    "weight-flat": (f"{ONES.format('(2, {n})')}, (2, {{n}}), {ONES.format('2 * {n}')}", ()),
    "bias": (f"{ONES.format('(2, 3)')}, 3, None, {ONES.format('{n}')}", ("({n},)",)),
    "bias-of-1": (f"{ONES.format('(2, {n})')}, {{n}}, None, {ONES.format('1')}", ("(1,)",)),
    "bias-beside-a-weight": (
        f"{ONES.format('(2, 3)')}, 3, {ONES.format('3')}, {ONES.format('(1, {n})')}",
        ("(1, {n})",),
    ),
    "size-0": (f"{ONES.format('({n}, 0)')}, 0", ("0",)),
    "size-negative": (f"{ONES.format('({n}, 3)')}, -{{n}}", ("-{n}",)),
    "size-float": (f"{ONES.format('(2, {n})')}, {{n}}.0", ("{n}.0",)),
    "size-none": (f"{ONES.format('(2, {n})')}, None", ("None",)),
    "size-text": (f"{ONES.format('(2, {n})')}, '{{n}}'", ("{n}",)),
    "no-sizes": (f"{ONES.format('(2, {n})')}, ()", ("()",)),
    "a-size-of-0": (f"{ONES.format('({n}, 0)')}, ({{n}}, 0)", ("0",)),
    "a-size-that-is-a-float": (f"{ONES.format('(2, {n})')}, (2, {{n}}.0)", ("{n}.0",)),
}


@pytest.mark.parametrize(
    "sizes", ["np.array([{n}])", "range({n}, {n} + 1)", "{{{n}: 3}}", "{{{n}}}"]
)
def test_layer_norm_takes_no_other_sizes(sizes: str) -> None:
    """13.3 What can be walked, and is neither a tuple nor a list: an array, a range, a dict, a set."""
    n = integer(4, 2, 9)
    text = sizes.replace("{{", "{").replace("}}", "}").replace("{n}", str(n))
    call = f"tt.layer_norm(tt.Tensor(np.ones((2, {n}))), {text})"
    assert_raises(evaluate, call, error="ValueError", says=(str(n),))


@pytest.mark.parametrize("zeros", ["weight", "bias", "both"])
def test_layer_norm_with_zeros(zeros: str) -> None:
    """13.1 A weight of zeros is a weight, a bias of zeros a bias."""
    x, w, b = operands((3, 4), 4)
    w, b = (0 * w if zeros != "bias" else w), (0 * b if zeros != "weight" else b)
    assert_close(evaluate(f"{NORM.format(4)} + 1", x, w, b), want=normed(x, 4, w, b) + 1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 4)], ids=str)
@pytest.mark.parametrize("more", [", b, c", ", None, c", ", b", ""])
def test_layer_norm_of_few_numbers_is_new_memory(more: str, shape: Any) -> None:
    """13.4 Rows of one number and a single row, with and without weight and bias."""
    arrays = operands(shape, shape[-1])
    assert_equal(shares_memory(f"tt.layer_norm(a, {shape[-1]}{more})", *arrays), want="is a copy")


@pytest.mark.parametrize("name", REFUSED)
def test_layer_norm_refuses(name: str) -> None:
    """13.3 Arguments that do not fit; the message names them."""
    n, (arguments, says) = str(integer(4, 4, 9)), REFUSED[name]
    call = f"tt.layer_norm({arguments})".replace("{n}", n)
    assert_raises(evaluate, call, error="ValueError", says=tuple(s.replace("{n}", n) for s in says))


# ---- 13.4 ----------------------------------------------------------------------------------------

CALLS = {  # and the shapes of their operands
    "all": (NORM.format(4), ((2, 3, 4), (4,), (4,))),
    "two-axes": (NORM.format((3, 4)), ((2, 3, 4), (3, 4), (3, 4))),
    "bare": ("tt.layer_norm(a, 4)", ((3, 4),)),
    "weight": ("tt.layer_norm(a, 4, b)", ((3, 4), (4,))),
    "bias": ("tt.layer_norm(a, 4, None, b)", ((3, 4), (4,))),
}
every_call = pytest.mark.parametrize("name", CALLS)


def filled(name: str, seed: int = 0) -> tuple[str, list[Any]]:
    """A call, and numbers for its operands."""
    call, shapes = CALLS[name]
    return call, [fill(shape, seed + i, "normal") for i, shape in enumerate(shapes)]


@every_call
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_norm_keeps_the_dtype(name: str, dtype: str) -> None:
    """13.4 Dtype and values in both precisions."""
    call, arrays = filled(name)
    got = evaluate(call, *(a.astype(dtype) for a in arrays))
    want = evaluate(call, *(a.astype(dtype).astype(np.float64) for a in arrays))
    assert_close(got, want=want.astype(dtype), depth=10)


@every_call
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layer_norm_in_any_memory_order(name: str, layout: str) -> None:
    """13.4 Operands whose numbers lie in memory in another way, or are read-only."""
    call, arrays = filled(name)
    got = evaluate_laid_out(call, LAYOUTS[layout], *arrays)
    assert_close(got, want=evaluate(call, *arrays), depth=10)


@every_call
def test_layer_norm_writes_to_nothing(name: str) -> None:
    """13.4 The operands after calls with and without a history, and whether the result lies in one of them."""
    call, arrays = filled(name)
    assert_operands_stay(call, *arrays)
    assert_operands_stay(f"tt.no_grad()(lambda: {call})()", *arrays)
    assert_equal(shares_memory(call, *arrays), want="is a copy")


@pytest.mark.parametrize("size", [1, 3])
def test_layer_norm_of_one_row_is_new_memory(size: int) -> None:
    """13.4 A result with nothing to multiply or add, of a single row and of rows of one number."""
    assert_equal(shares_memory(f"tt.layer_norm(a, {size})", normal(1, size)), want="is a copy")


@observe(shown="layer_norm of no rows, {shape}, walked back")
def of_no_rows(tt: Any, shape: Any, last: Any) -> Any:
    leaves = [tt.Tensor(np.ones(s), requires_grad=True) for s in (shape, last, last)]
    out = tt.layer_norm(leaves[0], last, *leaves[1:])
    out.backward(np.ones(out.shape))
    return {
        "shapes": [out.shape, *(t.grad.shape for t in leaves)],
        "sums": [float(t.grad.sum()) for t in leaves],
    }


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 2, 3)], ids=str)
def test_layer_norm_of_no_rows(shape: Any) -> None:
    """13.4 Shapes of result and gradients of an x of size 0; then with more sizes."""
    n = integer(3, 2, 9)
    shape, last = (*shape[:-1], n), (n,)
    want = {"shapes": [shape, shape, last, last], "sums": [0.0, 0.0, 0.0]}
    assert_equal(of_no_rows(shape, last), want=want)


@observe(shown="the notes of layer_norm(x, ...), some operands requiring a gradient")
def notes(tt: Any, x: Any, w: Any, b: Any, needs: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=n) for a, n in zip((x, w, b), needs, strict=True)]
    out = tt.layer_norm(leaves[0], x.shape[-1], *leaves[1:])
    with tt.no_grad():
        without = tt.layer_norm(leaves[0], x.shape[-1], *leaves[1:])
    parents = [p for p in out.note.parents if p is not None] if out.note else []
    return {
        "parents": [
            ["x", "weight", "bias"][k] for p in parents for k in range(3) if leaves[k] is p
        ],
        "requires_grad": out.requires_grad,
        "under no_grad": [without.note is None, without.requires_grad],
        "shape": out.shape,
    }


@pytest.mark.parametrize("needs", ["111", "100", "010", "001", "110", "011", "000"])
def test_layer_norm_leaves_one_note(needs: str) -> None:
    """13.4 The parents of the result's note, and no note where nothing is to learn."""
    flags, n = [flag == "1" for flag in needs], integer(4, 2, 9)
    names = [name for name, flag in zip(("x", "weight", "bias"), flags, strict=True) if flag]
    want = {"parents": names, "requires_grad": any(flags), "shape": (3, n)}
    want["under no_grad"] = [True, False]
    assert_equal(notes(*operands((3, n), n), flags), want=want)


@observe(
    shown="layer_norm of x, whose requires_grad is {learns}, without weight and bias: the note"
)
def note_without_weights(tt: Any, x: Any, learns: bool) -> Any:
    leaf = tt.Tensor(x, requires_grad=learns)
    out = tt.layer_norm(leaf, x.shape[-1])
    parents = [p is leaf for p in out.note.parents if p is not None] if out.note else []
    return {"parents": parents, "requires_grad": out.requires_grad}


@pytest.mark.parametrize("learns", [True, False])
def test_layer_norm_without_weights_leaves_one_note(learns: bool) -> None:
    """13.4 Neither weight nor bias: the note leads to x alone, or there is none."""
    got = note_without_weights(normal(3, integer(4, 2, 9)), learns)
    assert_equal(got, want={"parents": [True] * learns, "requires_grad": learns})


def test_layer_norm_is_followed() -> None:
    """13.4 No part of the result is cut off from its operands."""
    assert_followed(
        NORM.format(4), 3 * normal(3, 4), normal(4, seed=1), normal(4, seed=2), learns="abc"
    )


# ---- 13.25 ---------------------------------------------------------------------------------------


@observe(shown="layer_norm, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for shape in sizes:
        leaves = [
            tt.Tensor(np.arange(float(np.prod(s))).reshape(s), True) for s in (shape, shape[-1:])
        ]
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = tt.layer_norm(leaves[0], shape[-1], leaves[1])
            out.backward(np.ones(out.shape))
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "shape": leaves[0].grad.shape}


@pytest.mark.parametrize("large", [(900, 3), (3, 900), (40, 30, 3)], ids=str)
def test_layer_norm_has_no_loop(large: Any) -> None:
    """13.25 Steps for few and for many rows or columns; one axis is drawn."""
    large = (*large[:-1], large[-1] + integer(0, 0, 5))
    small = (2,) * len(large)
    got = counted_steps([small, small, large])
    assert_equal(got["shape"], want=large)
    assert_above(got["small"], limit=20, what="steps of a small call")
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )


@observe(shown="bytes that layer_norm(x, D, weight, bias) keeps beside its operands and its result")
def kept_memory(tt: Any, x: Any, w: Any, learns: bool) -> Any:
    import tracemalloc

    leaves = [tt.Tensor(a, requires_grad=learns) for a in (x, w, w)]
    tt.layer_norm(leaves[0], x.shape[-1], *leaves[1:])  # imports
    tracemalloc.start()
    try:
        out = tt.layer_norm(leaves[0], x.shape[-1], *leaves[1:])
        return {"kept": tracemalloc.get_traced_memory()[0] - out.data.nbytes, "size": out.size}
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("learns", [True, False], ids=["with-history", "without"])
def test_what_a_layer_norm_keeps(learns: bool, dtype: str) -> None:
    """13.25 Bytes that are there after a call, while there is something to learn and while there is not."""
    rows = integer(300, 250, 400)
    x = fill((rows, 200), 1, "normal").astype(dtype)
    got = kept_memory(x, positive(200).astype(dtype), learns)
    assert_equal(got["size"], want=200 * rows)
    limit = (x.nbytes + 32 * rows) * learns + 10_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")
