"""Kata 11, Embeddings: reading rows of a table (katas/11_embeddings/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asserts import (
    assert_alike,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.expressions import evaluate, evaluate_laid_out, shares_memory, two_results
from support.observe import observe
from support.oracle import Case, check_values
from support.strategies import AWKWARD, BASE_SEED, LAYOUTS, fill, integer, normal, seeds

TABLE = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])  # the README's worked example


def row_numbers(shape: Any, rows: int, seed: int = 0) -> Any:
    """Row numbers from 0 to rows - 1."""
    return np.random.default_rng([BASE_SEED, seed, rows]).integers(0, rows, shape)


def case(name: str, ids: str, more: str = "", shape: Any = (4, 3)) -> Case:
    """A call that PyTorch answers under the same name."""
    torch = f"F.embedding(torch.tensor({ids}), a{more})"
    return Case(f"rows-{name}", f"tt.embedding({ids}, a{more})", ((shape,),), "normal", torch)


ROWS = [
    case("vector", "[2, 0, 3]"),
    case("matrix", "[[3, 1], [0, 2]]"),
    case("three-axes", "[[[1], [2]], [[0], [3]], [[3], [0]]]"),
    case("one-number", "2"),
    case("again-and-again", "[1, 1, 2, 1, 1]"),
    case("one-column", "[4, 0, 2]", shape=(5, 1)),
    case("one-row", "[[0, 0]]", shape=(1, 3)),
    case("padding-0", "[1, 0, 0, 2]", ", padding_idx=0"),
    case("padding-from-the-end", "[3, 1, 3]", ", padding_idx=-1"),
    case("padding-by-position", "[2, 1]", ", 2"),
    case("padding-None", "[3, 1, 0]", ", None"),
]


# ---- 11.1 ----------------------------------------------------------------------------------------


def test_embedding_example() -> None:
    """11.1 The worked example."""
    got = evaluate("tt.embedding([2, 0, 2], a)", TABLE)
    assert_close(got, want=np.array([[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]))


@pytest.mark.parametrize("each", ROWS, ids=str)
def test_embedding_is_pytorchs(each: Case) -> None:
    """11.1 Values that PyTorch gives."""
    check_values("11", each)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (3, 1), (1, 1, 1), (2, 2, 3)], ids=str)
def test_embedding_reads_rows(shape: Any) -> None:
    """11.1 Fresh numbers and rows, for inputs of none to three axes; V and D are drawn."""
    rows, size = integer(5, 4, 9), integer(3, 2, 6, seed=1)
    weight, ids = normal(rows, size), row_numbers(shape, rows)
    assert_exact(evaluate("tt.embedding(b, a)", weight, ids), want=weight[ids])


@given(st.integers(1, 9), st.integers(1, 4), st.lists(st.integers(0, 4), max_size=3), seeds)
def test_embedding_of_drawn_sizes(rows: int, size: int, shape: list[int], seed: int) -> None:
    """11.1 Drawn sizes of table and input, some of them 0."""
    weight, ids = fill((rows, size), seed, "normal"), row_numbers(shape, rows, seed)
    got = evaluate("tt.embedding(b, a)", weight, ids)
    assert_equal(got.shape, want=(*shape, size))
    if got.size:
        assert_exact(got, want=weight[ids])


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (2, 0, 3)], ids=str)
def test_embedding_of_no_rows(shape: Any) -> None:
    """11.1 Shape and dtype of what an input of size 0 reads; D is drawn."""
    weight = normal(3, integer(4, 1, 9)).astype(np.float32)
    got = evaluate("tt.embedding(b, a)", weight, np.zeros(shape, np.int64))
    assert_equal([got.shape, str(got.dtype)], want=[(*shape, weight.shape[1]), "float32"])


@pytest.mark.parametrize("shape", [(2, 3), (), (0,)], ids=str)
def test_embedding_of_no_columns(shape: Any) -> None:
    """11.1 Shape of what is read from a table with D = 0, and from one without rows."""
    rows = integer(4, 2, 9)
    got = evaluate("tt.embedding(b, a)", np.zeros((rows, 0)), row_numbers(shape, rows))
    assert_equal(got.shape, want=(*shape, 0))
    got = evaluate("tt.embedding(b, a)", np.zeros((0, rows)), np.zeros((2, 0), np.int64))
    assert_equal(got.shape, want=(2, 0, rows))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_embedding_copies_every_number(dtype: str) -> None:
    """11.1 A table with nan, infinities, zeros of either sign, huge and tiny numbers."""
    with np.errstate(over="ignore"):
        weight = np.append(AWKWARD, normal(4) * 100).reshape(6, 3).astype(dtype)
    ids = np.random.default_rng([BASE_SEED, 3]).permutation(6)
    got = evaluate("tt.embedding(b, a)", weight, ids)
    assert_exact(got, want=weight[ids], signed=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_embedding_of_a_table_in_any_memory_order(layout: str) -> None:
    """11.1 A table whose numbers lie in memory in another way, or is read-only."""
    weight = normal(4, 3)
    for ids in ("[[3, 0], [1, 3]]", "2", "np.arange(4)"):
        got = evaluate_laid_out(f"tt.embedding({ids}, a)", LAYOUTS[layout], weight)
        assert_exact(got, want=weight[eval(ids, {"np": np})])


@pytest.mark.parametrize("ids", ["1", "np.int64(1)", "[1]", "[0, 1, 2]", "np.arange(3)", "[[0]]"])
def test_embedding_is_new_memory(ids: str) -> None:
    """11.1 One row, all rows in order: does the result lie in the memory of the table?"""
    assert_equal(shares_memory(f"tt.embedding({ids}, a)", normal(3, 2)), want="is a copy")


@observe(
    shown="embedding(first, weight), then with other row numbers, then after weight.data changed"
)
def read_again(tt: Any, weight: Any, other: Any, first: Any, second: Any) -> Any:
    table = tt.Tensor(weight)
    results = [tt.embedding(first, table), tt.embedding(second, table)]
    table.data[...] = other
    results += [tt.embedding(first, table), tt.embedding(first, tt.Tensor(other * 2))]
    return results


def test_embedding_knows_nothing_of_other_calls() -> None:
    """11.1 Other row numbers of the same shape, another table of the same shape, numbers that changed."""
    weight, other = normal(5, 3), normal(5, 3, seed=1)
    first, second = row_numbers((2, 3), 5), row_numbers((2, 3), 5, seed=2)
    want = [weight[first], weight[second], other[first], 2 * other[first]]
    assert_close(read_again(weight, other, first, second), want=want)
    got = two_results("tt.embedding([[2, 0]], a)", [weight], [other])
    assert_close(got, want={"first": weight[[[2, 0]]], "second": other[[[2, 0]]]})


# ---- 11.2 ----------------------------------------------------------------------------------------


DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
KINDS = {  # an input, and the rows that it means
    "2": 2,
    "np.int64(2)": 2,
    "np.uint8(2)": 2,
    "[2, 0]": [2, 0],
    "(2, 0)": [2, 0],
    "[[2, 0], [1, 1]]": [[2, 0], [1, 1]],
    "[np.int64(2), np.uint8(0)]": [2, 0],
    "np.array(2)": 2,
    "tt.Tensor(np.array(2))": 2,
    "tt.Tensor(np.array([2, 0], np.int32))": [2, 0],
    **{f"np.array([[2, 0, 1]], np.{dtype})": [[2, 0, 1]] for dtype in DTYPES},
}


@pytest.mark.parametrize("asked", KINDS)
def test_embedding_takes_integers(asked: str) -> None:
    """11.2 Numbers, lists, arrays and Tensors, of every dtype of integers."""
    weight = normal(3, 2)
    assert_close(evaluate(f"tt.embedding({asked}, a)", weight), want=weight[KINDS[asked]])
    got = evaluate(f"tt.embedding(input={asked}, weight=a)", weight)
    assert_close(got, want=weight[KINDS[asked]])


@pytest.mark.parametrize(("asked", "shape"), [("[]", (0,)), ("[[], []]", (2, 0))], ids=str)
def test_embedding_takes_an_empty_list(asked: str, shape: Any) -> None:
    """11.2 A list without numbers reads nothing; D is drawn."""
    size = integer(2, 1, 9)
    assert_equal(evaluate(f"tt.embedding({asked}, a)", normal(3, size)).shape, want=(*shape, size))


@pytest.mark.parametrize(
    ("dtype", "high"), [("int8", 127), ("uint8", 255), ("int16", 400)], ids=str
)
def test_embedding_of_small_integers_and_a_long_table(dtype: str, high: int) -> None:
    """11.2 Rows at the end of what the dtype holds, in a table that is longer."""
    weight, low = normal(600, 2), integer(3, 0, 99)
    got = evaluate("tt.embedding(b, a)", weight, np.array([high, low], dtype))
    assert_close(got, want=weight[[high, low]])


@observe(shown="embedding(ids, a), where the array ids is {layout}, and embedding(Tensor(ids), a)")
def read_laid_out(tt: Any, layout: str, weight: Any, ids: Any) -> Any:
    laid, table = eval(layout, {"np": np, "x": ids}), tt.Tensor(weight)
    found = {"array": tt.embedding(laid, table), "Tensor": tt.embedding(tt.Tensor(laid), table)}
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_embedding_of_row_numbers_in_any_memory_order(layout: str) -> None:
    """11.2 Row numbers that lie in memory in another way, or are read-only."""
    weight, ids = normal(7, 2), np.arange(12).reshape(3, 4) % integer(7, 5, 7)
    got = read_laid_out(LAYOUTS[layout], weight, ids)
    assert_close(got, want={"array": weight[ids], "Tensor": weight[ids]})


@observe(
    shown="embedding(ids, weight, padding_idx=1); embedding(Tensor(ids), weight, padding_idx=1); ids"
)
def ids_after(tt: Any, weight: Any, ids: Any) -> Any:
    tt.embedding(ids, tt.Tensor(weight), padding_idx=1)
    tt.embedding(tt.Tensor(ids), tt.Tensor(weight), padding_idx=1)
    return {"ids": ids}


def test_embedding_does_not_write_to_its_input() -> None:
    """11.2 The row numbers after a call, one of them being the padding's."""
    ids = row_numbers((2, 3), 4)
    ids[0, 1] = 1
    assert_unchanged(ids_after(normal(4, 2), ids.copy()), was={"ids": ids})


@observe(shown="out = embedding(ids, weight); ids[...] = other; out")
def read_before_a_change(tt: Any, weight: Any, ids: Any, other: Any) -> Any:
    out = tt.embedding(ids, tt.Tensor(weight))
    before = out.data.copy()
    ids[...] = other
    return {"before": before, "after the row numbers changed": out.data}


def test_embedding_is_done_when_it_returns() -> None:
    """11.2 The result after the row numbers have changed."""
    weight, ids = normal(4, 2), row_numbers((5,), 4)
    got = read_before_a_change(weight, ids.copy(), (ids + 1) % 4)
    assert_exact(got["before"], want=weight[ids])
    assert_alike(got, "before", "after the row numbers changed", exactly=True)


# ---- 11.3 to 11.5 --------------------------------------------------------------------------------


NO_INTEGERS = {  # an input, and what the message names
    "{n}.5": ("float64", "{n}.5"),
    "{n}.0": ("float64", "{n}."),
    "[[{n}.0]]": ("float64", "{n}."),
    "np.float32({n})": ("float32", "{n}."),
    "np.array([{n}, {n}], np.float16)": ("float16", "{n}."),
    "tt.Tensor([{n}])": ("float32", "{n}."),
    "tt.Tensor([[{n}, {n}], [{n}, {n}]])": ("float32", "{n}."),
    "tt.Tensor({n})": ("float32", "{n}."),
    "float('nan')": ("float64", "nan"),
    "True": ("bool", "True"),
    "[False, False]": ("bool", "False"),
    "np.array([True])": ("bool", "True"),
    "tt.Tensor(np.array([{n}]) > 0)": ("bool", "True"),
    "None": ("object", "None"),
    "[None]": ("object", "None"),
    "'row{n}'": ("row{n}",),
    "{n}j": ("complex128", "{n}j"),
    "np.zeros(0)": ("float64",),
    "np.zeros((2, 0), bool)": ("bool",),
    "tt.Tensor([])": ("float32",),
}


@pytest.mark.parametrize("asked", NO_INTEGERS)
def test_embedding_refuses_what_is_no_integer(asked: str) -> None:
    """11.3 Floats, bools, text and others; the table has rows enough."""
    n = str(integer(4, 2, 9))
    call, says = asked.replace("{n}", n), NO_INTEGERS[asked]
    says = tuple(s.replace("{n}", n) for s in says)
    assert_raises(evaluate, f"tt.embedding({call}, a)", normal(10, 2), error="TypeError", says=says)


OUTSIDE = {  # an input, and the row number that the message names
    "[0, 33]": "33",
    "33": "33",
    "[[0, 1], [33, 2]]": "33",
    "np.int8(33)": "33",
    "np.array([2, 33], np.uint8)": "33",
    "np.array([[2**64 - 1]], np.uint64)": "18446744073709551615",
    "np.array([-128, 0], np.int8)": "-128",
    "-1": "-1",
    "[0, -1, 2]": "-1",
    "tt.Tensor(np.array([1, -1]))": "-1",
    "[[-2**60]]": str(-(2**60)),
}


@pytest.mark.parametrize("more", ["", ", padding_idx=-1"], ids=["plain", "padding"])
@pytest.mark.parametrize("asked", OUTSIDE)
def test_embedding_refuses_other_rows(asked: str, more: str) -> None:
    """11.4 Row numbers that the table does not have, with a padding_idx and without; V is drawn."""
    rows = integer(5, 4, 9)
    call, says = f"tt.embedding({asked}, a{more})", (OUTSIDE[asked], str(rows))
    assert_raises(evaluate, call, normal(rows, 2), error="IndexError", says=says)


@pytest.mark.parametrize("rows", [0, 1])
def test_embedding_refuses_the_first_row_that_is_not_there(rows: int) -> None:
    """11.4 Row V of a table with V = 0, 1 and a drawn number of rows."""
    for number in (rows, integer(6, 4, 9)):
        weight, says = np.ones((number, 2)), (str(number),)
        assert_raises(evaluate, f"tt.embedding({number}, a)", weight, error="IndexError", says=says)


@pytest.mark.parametrize("shape", ["()", "({n},)", "(3, {n}, 2)", "(1, 1, 2, {n})"])
def test_embedding_refuses_a_weight(shape: str) -> None:
    """11.4 Weights of no axis, one, three and four."""
    shape = shape.replace("{n}", str(integer(4, 3, 9)))
    weight = np.ones(eval(shape))
    for rows in ("0", "[]"):
        call = f"tt.embedding({rows}, a)"
        assert_raises(evaluate, call, weight, error="ValueError", says=(shape,))


@pytest.mark.parametrize("padding", ["0", "2", "-1", "-3", "np.int64(1)", "None"])
def test_padding_changes_no_result(padding: str) -> None:
    """11.5 Rows that are read are what they are, that of the padding as well."""
    weight = normal(3, integer(2, 1, 5))
    for call in ("tt.embedding([2, 0, 1], a, {})", "tt.embedding([2, 0, 1], a, padding_idx={})"):
        assert_close(evaluate(call.format(padding), weight), want=weight[[2, 0, 1]])


@pytest.mark.parametrize("asked", ["[0, 1]", "[]"])
@pytest.mark.parametrize(
    "padding", ["{v}", "-{v}1", "1{v}", "1.0", "0.5", "np.float64(1.0)", "'{v}'", "[{v}]", "(0,)"]
)
def test_embedding_refuses_a_padding(padding: str, asked: str) -> None:
    """11.5 Rows outside the table, fractions, text, lists; also with an input of size 0."""
    rows = integer(4, 2, 9)
    padding = padding.replace("{v}", str(rows))
    call = f"tt.embedding({asked}, a, padding_idx={padding})"
    says = (padding.removeprefix("np.float64").strip("'(),"),)
    assert_raises(evaluate, call, normal(rows, 2), error="ValueError", says=says)


def test_embedding_refuses_the_padding_before_the_first_row() -> None:
    """11.5 padding_idx = -V - 1; and -V, which is the first row."""
    rows = integer(4, 2, 9)
    weight, call = normal(rows, 2), "tt.embedding([0], a, padding_idx={})"
    assert_close(evaluate(call.format(-rows), weight), want=weight[[0]])
    says = (str(-rows - 1),)
    assert_raises(evaluate, call.format(-rows - 1), weight, error="ValueError", says=says)
