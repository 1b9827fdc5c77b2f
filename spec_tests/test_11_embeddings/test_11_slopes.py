"""Kata 11, Embeddings: the gradient of a table (katas/11_embeddings/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asserts import (
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_unchanged,
    assert_zeros,
)
from support.expressions import evaluate
from support.observe import observe
from support.oracle import Case, check_gradients
from support.strategies import BASE_SEED, LAYOUTS, fill, integer, normal, real, seeds

TABLE = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])  # the README's worked example
BACK = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])


def row_numbers(shape: Any, rows: int, seed: int = 0) -> Any:
    """Row numbers from 0 to rows - 1."""
    return np.random.default_rng([BASE_SEED, seed, rows]).integers(0, rows, shape)


def summed(ids: Any, c: Any, rows: int, padding: int | None = None) -> Any:
    """The gradient of a table, one use after the other."""
    found, ids = np.zeros((rows, c.shape[-1])), np.asarray(ids)
    for index in np.ndindex(ids.shape):
        if ids[index] != padding:
            found[ids[index]] += c[index]
    return found


def case(name: str, ids: str, more: str = "", shape: Any = (4, 3)) -> Case:
    """A call that PyTorch answers under the same name, its gradient included."""
    torch = f"F.embedding(torch.tensor({ids}), a{more})"
    call = f"tt.embedding({ids}, a{more})"
    return Case(f"slopes-{name}", call, ((shape,),), "normal", torch, gradient=True)


SLOPES = [
    case("vector", "[2, 0, 3]"),
    case("matrix", "[[3, 1], [3, 2]]"),
    case("three-axes", "[[[1], [2]], [[1], [3]], [[3], [1]]]"),
    case("one-number", "2"),
    case("again-and-again", "[1, 1, 2, 1, 1]"),
    case("one-column", "[4, 0, 4]", shape=(5, 1)),
    case("one-row", "[[0, 0]]", shape=(1, 3)),
]

PADDED = [
    case("padding-0", "[0, 1, 0, 1, 3]", ", padding_idx=0"),
    case("padding-from-the-end", "[3, 1, 3, 2]", ", padding_idx=-1"),
    case("padding-not-read", "[3, 1, 3]", ", padding_idx=2"),
]


@observe(shown="{call}.backward(cotangent); weight.grad")
def walked(tt: Any, call: str, weight: Any, ids: Any, cotangent: Any) -> Any:
    table = tt.Tensor(weight, requires_grad=True)
    eval(call, {"tt": tt, "np": np, "ids": ids, "weight": table}).backward(cotangent)
    return table.grad


def slope(weight: Any, ids: Any, cotangent: Any, more: str = "") -> Any:
    """The gradient of a table; `more` are further arguments."""
    return walked(f"tt.embedding(ids, weight{more})", weight, ids, cotangent)


# ---- 11.6 ----------------------------------------------------------------------------------------


def test_embedding_example_walked_back() -> None:
    """11.6 The worked example: row 2 is read twice, row 1 never."""
    want = np.array([[2.0, 20.0], [0.0, 0.0], [4.0, 40.0]])
    assert_close(slope(TABLE, [2, 0, 2], BACK), want=want)


@pytest.mark.parametrize("each", SLOPES, ids=str)
def test_embedding_gradients_are_pytorchs(each: Case) -> None:
    """11.6 Gradients under a random cotangent, as PyTorch gives them."""
    check_gradients("11", each)


@pytest.mark.parametrize("shape", [(), (1,), (9,), (3, 4), (1, 5), (2, 2, 3)], ids=str)
def test_embedding_gradient_adds_up(shape: Any) -> None:
    """11.6 Fresh numbers, most rows being read several times; V and D are drawn."""
    rows, size = integer(3, 2, 4), integer(5, 2, 6, seed=1)
    ids, c = row_numbers(shape, rows), normal(*shape, size)
    assert_close(slope(normal(rows, size), ids, c), want=summed(ids, c, rows), depth=10)


@given(st.integers(1, 9), st.integers(1, 4), st.lists(st.integers(1, 4), max_size=3), seeds)
def test_embedding_gradient_of_drawn_sizes(
    rows: int, size: int, shape: list[int], seed: int
) -> None:
    """11.6 Drawn sizes of table and input."""
    ids, c = row_numbers(shape, rows, seed), fill((*shape, size), seed, "normal")
    terms = np.abs(c).max() * 10
    got = slope(fill((rows, size), seed + 1, "normal"), ids, c)
    assert_close(got, want=summed(ids, c, rows), terms=terms)


def test_embedding_gradient_of_rows_in_any_order() -> None:
    """11.6 Each row once, in a drawn order: the cotangent is only put in order."""
    rows = integer(7, 5, 9)
    ids, c = np.random.default_rng([BASE_SEED, 4]).permutation(rows), normal(rows, 3)
    assert_close(slope(normal(rows, 3, seed=1), ids, c), want=c[np.argsort(ids)])


@observe(shown="embedding(ids, weight).backward(cotangent), where nothing is read: weight.grad")
def slope_of_nothing(tt: Any, rows: int, size: int, shape: Any) -> Any:
    table = tt.Tensor(np.ones((rows, size)), requires_grad=True)
    out = tt.embedding(np.zeros(shape, np.int64), table)
    out.backward(np.zeros(out.shape))
    return {"shape": table.grad.shape, "sum": float(abs(table.grad).sum())}


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)], ids=str)
def test_embedding_gradient_of_nothing(shape: Any) -> None:
    """11.6 An input of size 0: the gradient is zeros; then a table with D = 0."""
    rows, size = integer(4, 2, 9), integer(3, 2, 9, seed=1)
    assert_equal(slope_of_nothing(rows, size, shape), want={"shape": (rows, size), "sum": 0.0})
    assert_equal(slope_of_nothing(rows, 0, (2, 3)), want={"shape": (rows, 0), "sum": 0.0})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embedding_gradient_has_the_dtype_of_the_table(dtype: str) -> None:
    """11.6 Dtype and values in both precisions."""
    ids, c = row_numbers((2, 5), 4), normal(2, 5, 3)
    got = slope(normal(4, 3).astype(dtype), ids, c)
    assert_close(got, want=summed(ids, c.astype(dtype), 4).astype(dtype), depth=3)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "uint64"])
def test_embedding_gradient_of_small_integers(dtype: str) -> None:
    """11.6 Row numbers of other dtypes, in a table with more numbers than the dtype can count."""
    ids, c = row_numbers((4, 5), 120).astype(dtype), normal(4, 5, 30)
    got = slope(normal(integer(120, 120, 140), 30), ids, c)
    assert_close(got[:120], want=summed(ids.astype(np.int64), c, 120), depth=10)
    assert_zeros(np.append(got[120:], 0.0), beside=got)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
def test_embedding_gradient_of_an_odd_cotangent(odd: float) -> None:
    """11.6 One number of the cotangent is nan or infinite: where it goes, and where it does not."""
    ids, c = np.array([2, 0, 1, 2, 3, 0]), normal(6, 3)
    c[integer(3, 0, 5), integer(1, 0, 2)] = odd
    got, want = slope(normal(5, 3), ids, c), summed(ids, c, 5)
    assert_exact(np.where(np.isfinite(want), 1.0, got), want=np.where(np.isfinite(want), 1.0, want))
    assert_close(np.where(np.isfinite(want), got, 0), want=np.where(np.isfinite(want), want, 0))


@observe(shown="embedding(ids, weight).backward(cotangent), each array {layout}; weight.grad")
def slope_laid_out(tt: Any, layout: str, weight: Any, ids: Any, cotangent: Any) -> Any:
    weight, ids, cotangent = (
        eval(layout, {"np": np, "x": array}) for array in (weight, ids, cotangent)
    )
    table = tt.Tensor(weight, requires_grad=True)
    tt.embedding(ids, table).backward(cotangent)
    return table.grad


@pytest.mark.parametrize("layout", LAYOUTS)
def test_embedding_gradient_in_any_memory_order(layout: str) -> None:
    """11.6 Row numbers, table and cotangent that lie in memory in another way, or are read-only."""
    weight, ids, c = normal(4, 3), row_numbers((5, 2), 4), normal(5, 2, 3, seed=2)
    got = slope_laid_out(LAYOUTS[layout], weight, ids, c)
    assert_close(got, want=summed(ids, c, 4), depth=10)


@observe(shown="{expression}.backward(); weight.grad")
def slope_of_an_expression(tt: Any, expression: str, weight: Any, *ids: Any) -> Any:
    table = tt.Tensor(weight, requires_grad=True)
    names = {"tt": tt, "np": np, "weight": table, **dict(zip("abc", ids, strict=False))}
    eval(expression, names).backward()
    return table.grad


def test_embedding_gradient_of_a_sum() -> None:
    """11.6 A cotangent that is one number, stretched: how often was each row read?"""
    ids = row_numbers((4, 3), 5)
    got = slope_of_an_expression("tt.embedding(a, weight).sum()", normal(5, 2), ids)
    counts = np.bincount(ids.ravel(), minlength=5).astype(float)
    assert_close(got, want=np.stack([counts, counts], axis=1))


def test_embedding_gradient_through_a_transpose() -> None:
    """11.6 A cotangent that comes back through permute and a product."""
    ids, weight = row_numbers((4, 3), 5), normal(5, 4)
    call = "(tt.embedding(a, weight).permute(2, 0, 1) * tt.Tensor(b)).sum()"
    c = normal(4, 4, 3, seed=3)
    got = slope_of_an_expression(call, weight, ids, c)
    assert_close(got, want=summed(ids, c.transpose(1, 2, 0), 5), depth=10)


def test_embedding_of_one_table_twice() -> None:
    """11.6 Two inputs read the same table, which is used by itself as well: all uses add up."""
    a, b, weight = row_numbers((4,), 3), row_numbers((2, 2), 3, seed=1), normal(3, 2)
    call = (
        "(tt.embedding(a, weight).sum() + tt.embedding(b, weight).sum() * 10 + weight.sum() * 100)"
    )
    ones = np.ones((4, 2))
    want = summed(a, ones, 3) + 10 * summed(b.ravel(), ones, 3) + 100
    assert_close(slope_of_an_expression(call, weight, a, b), want=want)


# ---- 11.2 once more, and 11.7 --------------------------------------------------------------------


@observe(shown="out = embedding({asked}, weight); ids[...] = other; out.backward(c); weight.grad")
def slope_after_a_change(tt: Any, asked: str, weight: Any, ids: Any, other: Any, c: Any) -> Any:
    table = tt.Tensor(weight, requires_grad=True)
    out = tt.embedding(eval(asked, {"tt": tt, "ids": ids}), table)
    ids[...] = other
    out.backward(c)
    return table.grad


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint64"])
@pytest.mark.parametrize("asked", ["ids", "tt.Tensor(ids)"])
def test_embedding_remembers_what_it_read(asked: str, dtype: str) -> None:
    """11.2 The row numbers change between the call and the walk back."""
    ids, c = row_numbers((2, 4), 5).astype(dtype), normal(2, 4, 3)
    got = slope_after_a_change(asked, normal(5, 3), ids.copy(), (3 * ids + 1) % 5, c)
    assert_close(got, want=summed(ids, c, 5), depth=10)


PADDINGS = {"1": 1, "0": 0, "-1": 3, "-4": 0, "np.int64(0)": 0, "np.int8(-2)": 2, "None": None}


@pytest.mark.parametrize("padding", PADDINGS)
def test_padding_learns_nothing(padding: str) -> None:
    """11.7 The gradient with a padding_idx at either end, within, as a NumPy number, and with None."""
    ids, c = np.array([[0, 3, 1], [2, 2, 0], [3, 1, 0]]), normal(3, 3, 2)
    for more in (f", padding_idx={padding}", f", {padding}"):
        got = slope(normal(4, 2), ids, c, more)
        assert_close(got, want=summed(ids, c, 4, PADDINGS[padding]), depth=10)


@pytest.mark.parametrize("each", PADDED, ids=str)
def test_padding_gradients_are_pytorchs(each: Case) -> None:
    """11.7 Gradients with a padding_idx, as PyTorch gives them."""
    check_gradients("11", each)


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_padding_learns_nothing_of_odd_numbers(odd: float) -> None:
    """11.7 Every cotangent at a padding is nan or infinite."""
    padding, ids, c = integer(1, 0, 2), np.array([1, 0, 2, 1, 0, 2, 1]), normal(7, 3)
    c[ids == padding] = odd
    got = slope(normal(3, 3), ids, c, f", padding_idx={padding}")
    assert_close(got, want=summed(ids, c, 3, padding), depth=10)


@pytest.mark.parametrize("ids", [[1, 1, 1], 1, [[1]]], ids=["rows", "number", "matrix"])
def test_nothing_but_padding(ids: Any) -> None:
    """11.7 Only the padding is read: no row learns, while without padding_idx it does."""
    c = normal(*np.shape(ids), 2)
    other = slope(normal(3, 2), ids, c)
    got = slope(normal(3, 2), ids, c, ", padding_idx=1")
    assert_equal(got.shape, want=(3, 2))
    assert_zeros(got, beside=other)


# ---- 11.8, 11.9 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_embedding_gradient_of_a_row_read_often(where: str) -> None:
    """11.8 In float32 one large number and thousands of small ones; other rows are read in between."""
    many, c = integer(9000, 8000, 10_000), fill((10_000, 2), 5, "normal").astype(np.float32)
    ids = np.where(np.arange(10_000) % 3 == 1, np.arange(10_000) % 5, 5)[:many]
    c = np.where(ids[:, None] == 5, np.float32(real(1.0, 0.7, 1.4)), c[:many])
    there = np.flatnonzero(ids == 5)
    c[there[{"first": 0, "middle": len(there) // 2, "last": -1}[where]]] = 2**24
    want = summed(ids, c.astype(np.float64), 6)
    got = slope(np.zeros((6, 2), np.float32), ids, c)
    assert_exact(got[5], want=want[5].astype(np.float32), ulps=1)
    assert_close(got, want=want.astype(np.float32))


@pytest.mark.parametrize("uses", [4, 40, 400])
def test_embedding_gradient_of_uses_that_cancel(uses: int) -> None:
    """11.8 Large numbers that cancel, and small ones between them, in a row that is read a few times."""
    small = fill((uses, 2), 3, "positive").astype(np.float32)
    large = np.float32([[2e7, -1e7]])  # too large for float32 sums, and far from what float64 loses
    c = np.concatenate([large, small, -large])
    want = small.sum(0, dtype=np.float64).astype(np.float32)
    got = slope(np.zeros((2, 2), np.float32), np.ones(uses + 2, int), c)
    assert_exact(got[1], want=want, ulps=1)


def test_embedding_gradient_is_rounded_once() -> None:
    """11.8 A table in float16: the sum lies a little above the middle between two of its numbers."""
    scale = np.float16(2.0 ** integer(0, 0, 3))
    c = np.float16([[1.0], [2**-11], [2**-24]]) * scale
    got = slope(np.zeros((1, 1), np.float16), [0, 0, 0], c)
    assert_exact(got[0], want=np.float16([(1 + 2**-10) * scale]))


@observe(shown="the note of embedding(ids, weight, padding_idx)")
def notes(tt: Any, weight: Any, ids: Any, padding: Any) -> Any:
    table, fixed = tt.Tensor(weight, requires_grad=True), tt.Tensor(weight)
    out = tt.embedding(ids, table, padding)
    with tt.no_grad():
        without = tt.embedding(ids, table)
    parents = [p for p in out.note.parents if p is not None]
    others = {"fixed": tt.embedding(ids, fixed), "no_grad": without}
    return {
        "parents": [p is table for p in parents],
        "requires_grad": out.requires_grad,
        "none": {k: [t.note is None, t.requires_grad] for k, t in others.items()},
        "shape": out.shape,
    }


@pytest.mark.parametrize("padding", [None, 0])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_embedding_leaves_one_note(shape: Any, padding: int | None) -> None:
    """11.9 The parents of the result's note, and no note where there is nothing to learn."""
    rows = integer(4, 2, 9)
    want = {"parents": [True], "requires_grad": True, "shape": (*shape, rows)}
    want["none"] = {"fixed": [True, False], "no_grad": [True, False]}
    assert_equal(notes(normal(rows, rows), row_numbers(shape, rows), padding), want=want)


@observe(
    shown="out = embedding(ids, weight, padding_idx=0); out.backward(cotangent)  # once, then again (sums halved); between: backward of other calls"
)
def walked_twice(tt: Any, weight: Any, ids: Any, others: Any, cotangent: Any) -> Any:
    table, stranger = tt.Tensor(weight, requires_grad=True), tt.Tensor(weight, requires_grad=True)
    out = tt.embedding(ids, table, padding_idx=0)
    tt.embedding(others, stranger, padding_idx=1).backward(cotangent)
    tt.embedding(others, table)
    out.backward(cotangent)
    once = table.grad.copy()
    out.backward(cotangent)
    return {"once": once, "twice, halved": table.grad / 2, "the other": stranger.grad}


def test_walking_back_twice() -> None:
    """11.9 Gradients after one walk and after two, beside calls with other row numbers and tables."""
    ids, others, c = row_numbers((6,), 4), row_numbers((6,), 4, seed=3), normal(6, 3)
    got, want = walked_twice(normal(4, 3), ids, others, c), summed(ids, c, 4, 0)
    other = summed(others, c, 4, 1)
    assert_close(got, want={"once": want, "twice, halved": want, "the other": other}, depth=10)


@observe
def after_walking_back(tt: Any, weight: Any, ids: Any, cotangent: Any) -> Any:
    table = tt.Tensor(weight, requires_grad=True)
    out = tt.embedding(ids, table, padding_idx=1)
    before = out.data.copy()
    out.backward(cotangent)
    kept = {"result": out.data, "cotangent": cotangent, "weight": weight, "ids": ids}
    shared = [np.shares_memory(table.grad, array) for array in kept.values()]
    return {"kept": kept, "before": before, "gradient shares memory": any(shared)}


@pytest.mark.parametrize("shape", [(3,), (), (2, 3)], ids=str)
def test_walking_back_writes_to_nothing(shape: Any) -> None:
    """11.9 Table, row numbers, result and cotangent after a walk back, padding among the rows."""
    weight, ids, c = normal(3, 2), np.resize([1, 0, 2], shape), normal(*shape, 2)
    got = after_walking_back(weight.copy(), ids.copy(), c.copy())
    was = {"result": got["before"], "cotangent": c, "weight": weight, "ids": ids}
    assert_unchanged(got["kept"], was=was)
    assert_equal(got["gradient shares memory"], want=False)


@observe(
    shown="(embedding(ids, weight, padding_idx=1) + other).backward(cotangent)  # then other + embedding: other.grad"
)
def beside(tt: Any, weight: Any, ids: Any, cotangent: Any) -> Any:
    found = []
    for first in (True, False):
        table = tt.Tensor(weight, requires_grad=True)
        out = tt.embedding(ids, table, padding_idx=1)
        other = tt.Tensor(np.zeros(out.shape), requires_grad=True)
        (out + other if first else other + out).backward(cotangent)
        found.append(other.grad)
    return found


def test_the_cotangent_is_only_read() -> None:
    """11.9 What is added to the result gets the same cotangent, before it or after it."""
    ids, c = np.array([2, 1, 0, 1]), normal(4, 3)
    assert_close(beside(normal(3, 3), ids, c), want=[c, c])


@observe(
    shown="same(embedding(ids, weight)).sum().backward(), where the rule of `same` keeps what it gives"
)
def handed_on(tt: Any, weight: Any, ids: Any) -> Any:
    kept = []

    def rule(g, out, x):
        kept.append(np.ones_like(x))
        return kept[-1]

    same = tt.primitive(lambda x, /: x * 1)
    tt.defvjp(same, rule)
    table = tt.Tensor(weight, requires_grad=True)
    same(tt.embedding(ids, table)).sum().backward()
    return {"shares memory": np.shares_memory(table.grad, kept[0]), "gradient": table.grad}


@pytest.mark.parametrize("ids", ["in order", "some in order", "one", "matrix"])
def test_embedding_gradient_is_new_memory(ids: str) -> None:
    """11.9 Each row is read once, in order: the gradient holds the cotangent's numbers, not its memory."""
    rows = 2 * integer(3, 2, 5)
    some = {"in order": np.arange(rows), "some in order": np.arange(rows - 1), "one": np.array(0)}
    read = some.get(ids, np.arange(rows).reshape(2, -1))
    rows = 1 if ids == "one" else rows
    got = handed_on(normal(rows, 3).astype(np.float32), read)
    assert_close(got["gradient"], want=summed(read, np.ones((*read.shape, 3)), rows).astype("f4"))
    assert_equal(got["shares memory"], want=False)


# ---- systems: 11.21, 11.22 -----------------------------------------------------------------------


@observe(shown="embedding(ids, weight), forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for rows, size, shape in sizes:
        table = tt.Tensor(np.ones((rows, size)), requires_grad=True)
        ids = np.arange(int(np.prod(shape))).reshape(shape) * 7 % rows
        before, listed, count[0] = sys.gettrace(), ids.tolist(), 0
        sys.settrace(traced)
        try:
            out = tt.embedding(ids, table, padding_idx=1)
            out.backward(out.data)
            tt.embedding(listed, table)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "read": float(table.grad.sum())}


@pytest.mark.parametrize(
    "large", [(3, 2, (400,)), (700, 2, (8,)), (3, 300, (8,)), (90, 9, (9, 10, 4))], ids=str
)
def test_steps_do_not_grow(large: Any) -> None:
    """11.21 Steps for a few rows, and for many row numbers, rows or columns; one axis is drawn."""
    rows, size, (*axes, last) = large
    large = (rows, size, (*axes, last + integer(0, 0, 5)))
    small = (3, 2, (8,))
    got = counted_steps([small, small, large])
    ids = np.arange(int(np.prod(large[2]))) * 7 % rows
    assert_equal(got["read"], want=float((ids != 1).sum() * size))
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )


@observe(shown="bytes that embedding(ids, weight) keeps beside its operands and its result")
def kept_memory(tt: Any, weight: Any, ids: Any, learns: bool) -> Any:
    import tracemalloc

    table = tt.Tensor(weight, requires_grad=learns)
    tt.embedding(ids[1:], table)  # imports
    tracemalloc.start()
    try:
        out = tt.embedding(ids, table)
        return {"kept": tracemalloc.get_traced_memory()[0] - out.data.nbytes, "size": out.size}
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
@pytest.mark.parametrize("learns", [True, False], ids=["with-history", "without"])
def test_what_a_graph_keeps(learns: bool, dtype: str) -> None:
    """11.22 Bytes that are there after a call, while the table learns and while it does not."""
    many = integer(2000, 1900, 2200)
    ids = row_numbers((many,), 250).astype(dtype)
    got = kept_memory(normal(250, 60).astype(np.float32), ids, learns)
    assert_equal(got["size"], want=60 * many)
    limit = 8 * many * learns + 10_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")


@observe(
    shown="the most bytes that embedding(ids, weight) and its walk back take, beside result and operands"
)
def most_memory(tt: Any, weight: Any, ids: Any, cotangent: Any) -> Any:
    import tracemalloc

    table = tt.Tensor(weight, requires_grad=True)
    tt.embedding(ids[:2], table).backward(cotangent[:2])
    table.grad = None
    tracemalloc.start()
    try:
        out = tt.embedding(ids, table)
        out.backward(cotangent)
        return {"peak": tracemalloc.get_traced_memory()[1], "read": float(table.grad.sum())}
    finally:
        tracemalloc.stop()


def test_no_matrix_of_zeros_and_ones() -> None:
    """11.22 A long table of few columns: the peak of a call and its walk back."""
    rows, c = integer(6000, 5000, 7000), np.ones((300, 2), np.float32)
    got = most_memory(np.zeros((rows, 2), np.float32), row_numbers((300,), rows), c)
    assert_equal(got["read"], want=600.0)
    limit = 4 * rows * 2 * 4 + 20 * c.nbytes + 50_000
    assert_below(got["peak"], limit=limit, what="bytes at the peak")


def test_no_box_as_wide_as_the_longest_run() -> None:
    """11.22 Each row is read once, and one of them hundreds of times more: the peak."""
    rows = integer(600, 500, 700)
    ids, c = np.append(np.arange(rows), np.full(600, 3)), np.ones((rows + 600, 4), np.float32)
    got = most_memory(np.zeros((rows, 4), np.float32), ids, c)
    assert_equal(got["read"], want=4.0 * (rows + 600))
    limit = 4 * rows * 4 * 4 + 20 * c.nbytes + 50_000
    assert_below(got["peak"], limit=limit, what="bytes at the peak")


# ---- 11.1, 11.6 once more, at the end: they are slow for a matrix of zeros and ones -----------------


@pytest.mark.parametrize("rows", [40_003, 70_003])
def test_embedding_reads_far_rows(rows: int) -> None:
    """11.1 Rows whose numbers need more than 15 bits, and more than 16, are read, and learn."""
    ids = np.array([7, 32_768, 0, 65_535, 65_536, rows - 4]) % (rows - 3) + integer(0, 0, 3)
    weight = np.arange(float(rows))[:, None]
    assert_exact(evaluate("tt.embedding(b, a)", weight, ids), want=weight[ids])
    got = slope(weight, ids, c := normal(6, 1))
    assert_close(got, want=summed(ids, c, rows))
