"""Kata 01, Tensor: the clauses of katas/01_tensor/README.md, in the order in which they turn green.

The sections follow the tasks; no section needs a blank of a later one. The last ones, conventions,
hold for every operation.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import dtypes
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
    assert_zeros,
)
from support.expressions import (
    assert_followed,
    assert_operands_stay,
    evaluate,
    evaluate_laid_out,
    origins,
    shares_memory,
    two_results,
)
from support.in_numpy import in_numpy
from support.observe import observe
from support.oracle import Case, check_values, own, unary
from support.strategies import (
    AWKWARD,
    CURATED,
    LAYOUTS,
    MATRICES,
    PAIRS,
    PRODUCTS,
    STRETCHED,
    WITH_AXES,
    arrays,
    broadcast_pairs,
    dyadic,
    fill,
    integer,
    one_of,
    positive,
    real,
    seeds,
    stretchable,
)

X = np.array([[1.0, 2.0, 3.0], [3.0, 6.0, 3.0]])  # the README's worked example
THREE_AXES = [(2, 1, 3), (2, 3, 5), (3, 3, 3)]


def by_name(argument: str, cases: dict[str, Any]) -> pytest.MarkDecorator:
    """Parametrize over a dict; its keys begin with the function that a failure is about."""
    return pytest.mark.parametrize(argument, list(cases.values()), ids=list(cases))


# ---- construct: 01.1 to 01.5 ---------------------------------------------------------------------


@observe
def described(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data)
    known = {"shape": x.shape, "ndim": x.ndim, "size": x.size, "dtype": str(x.dtype)}
    return known | {"x.data": x.data}


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (2.5, "float32"),
        (list(range(1, integer(2, 2, 400) + 1)), "float32"),
        ([[1, 2, 3], [4.5, 5, 6]], "float32"),
        ([True], "bool"),
        (True, "bool"),
        ([[True, False], [False, True]], "bool"),
        ((-1, 2.5), "float32"),
        ([[[True, -2]], [[3.5, 4]]], "float32"),
        ([np.float64(1.5), 2], "float32"),
        ([[], []], "float32"),
    ],
    ids=[
        "__init__-number",
        "__init__-integers",
        "__init__-rows",
        "__init__-bools",
        "__init__-bool",
        "__init__-rows-of-bools",
        "__init__-tuple",
        "__init__-mixed",
        "__init__-scalars",
        "__init__-empty",
    ],
)
def test_construct_from_python(data: Any, dtype: str) -> None:
    """01.1 Numbers, lists, nested lists and bools, each with its values and its dtype."""
    a = np.array(data, dtype)
    want = {"shape": a.shape, "ndim": a.ndim, "size": a.size, "dtype": dtype}
    assert_equal(described(data), want=want | {"x.data": a})


@observe
def dtype(tt: Any, expression: str) -> Any:
    return str(eval(expression, {"tt": tt, "np": np}).dtype)


def test_construct_from_numpy_numbers_in_a_list() -> None:
    """01.1 A list is float32, whatever its numbers are: NumPy's own, or too large for int64."""
    for data in ("[np.uint8(3), np.uint8(4)]", "[[np.float16(0.5)]]", "[2**63]"):
        assert_equal(dtype(f"tt.Tensor({data})"), want="float32")


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_construct_keeps_the_dtype_of_arrays(kind: str) -> None:
    """01.2 Arrays of every kind of number."""
    assert_equal(dtype(f"tt.Tensor(np.ones((1, 3), np.{kind}))"), want=kind)


@pytest.mark.parametrize("kind", ["float64", "int32"])
def test_construct_keeps_the_dtype_of_scalars(kind: str) -> None:
    """01.2 np.float64(3) and np.int32(3)."""
    assert_equal(dtype(f"tt.Tensor(np.{kind}(3))"), want=kind)


@observe
def sharing(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data)
    again = tt.Tensor(x)
    shared = [np.shares_memory(x.data, data), np.shares_memory(again.data, data)]
    data += 1
    names = "x.data and data share", "Tensor(x).data and data share"
    return dict(zip(names, shared, strict=True)) | {"x.data afterwards": again.data[0].tolist()}


def test_construct_shares_memory() -> None:
    """01.2 Whether x.data and data are one memory, also through Tensor(x)."""
    want = {"x.data and data share": True, "Tensor(x).data and data share": True}
    a = dyadic(2, 3)
    assert_equal(sharing(a), want=want | {"x.data afterwards": (a[0] + 1).tolist()})


@observe(
    shown="Tensor(array); Tensor(array, True); Tensor(Tensor(array))  # array = {layout}, where x = {data}"
)
def shared_in_any_order(tt: Any, data: Any, layout: str) -> Any:
    array = eval(layout, {"np": np, "x": data})
    x, y = tt.Tensor(array), tt.Tensor(array, requires_grad=array.dtype.kind == "f")
    made = {"Tensor(array)": x, "with a gradient": y, "Tensor(Tensor(array))": tt.Tensor(x)}
    shared = [name for name, t in made.items() if np.shares_memory(t.data, array)]
    return {"memory is shared by": shared, "values": x.data}


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "bool"])
def test_construct_shares_memory_of_any_order(kind: str) -> None:
    """01.2 Arrays in columns, backwards, with gaps, in foreign byte order, of a class of their own."""
    want = {"memory is shared by": ["Tensor(array)", "with a gradient", "Tensor(Tensor(array))"]}
    x = (dyadic(2, 3) * 8).astype(kind)
    more = ["x.astype(x.dtype.newbyteorder())", "x.view(type('Mapped', (np.ndarray,), {}))"]
    for layout in (*LAYOUTS.values(), *more):
        assert_equal(shared_in_any_order(x, layout), want=want | {"values": x})


@observe
def attributes(tt: Any, data: Any) -> Any:
    x, y = tt.Tensor(data), tt.Tensor(data, requires_grad=True)
    return {"x": [x.requires_grad, x.grad, x.note], "y": [y.requires_grad, y.grad, y.note]}


def test_construct_attributes() -> None:
    """01.2 A tensor made with and one made without requires_grad=True."""
    want = {"x": [False, None, None], "y": [True, None, None]}
    for data in ([1.5, 2.0], np.ones(2), np.ones((1, 2), np.float16), np.float32(2.5)):
        assert_equal(attributes(data), want=want)


@observe
def attributes_of_copies(tt: Any, data: Any) -> Any:
    y = tt.Tensor(data, requires_grad=True)
    y.grad, y.note = data, "how it was made"
    found = {"Tensor(y)": tt.Tensor(y), "Tensor(y, True)": tt.Tensor(y, True), "y": y}
    return {name: [t.requires_grad, t.grad, t.note] for name, t in found.items()}


def test_construct_from_a_tensor() -> None:
    """01.2 Tensor(y) of a y with a gradient and a note: only the array is taken over."""
    a, new = dyadic(3), [False, None, None]
    want = {"Tensor(y)": new, "Tensor(y, True)": [True, None, None]}
    want |= {"y": [True, a, "how it was made"]}
    assert_equal(attributes_of_copies(a), want=want)


@by_name(
    "expression, want",
    {
        "item": ("tt.Tensor(2.5).item()", 2.5),
        "item-nested": ("tt.Tensor(np.array([[2.5]])).item()", 2.5),
        "item-integer": ("tt.Tensor(np.array([3])).item()", 3),
        "item-bool": ("tt.Tensor(True).item()", True),
        "item-half": ("tt.Tensor(np.float16(0.5)).item()", 0.5),
        "item-double": ("tt.Tensor(np.array([[1 / 3]])).item()", 1 / 3),
        "item-byte": ("tt.Tensor(np.array([[7]], np.uint8)).item()", 7),
        "item-large": ("tt.Tensor(np.array(2**62 + 1)).item()", 2**62 + 1),
        "item-three-axes": ("tt.Tensor([[[-0.5]]]).item()", -0.5),
    },
)
def test_item_is_a_python_number(expression: str, want: Any) -> None:
    """01.3 One element in zero axes, two and three, an integer and a bool: value and type."""
    assert_equal(evaluate(expression), want=want)


@by_name("shape", {"item-two": (2,), "item-none": (0,), "item-six": (2, 3)})
def test_item_refuses_other_sizes(shape: tuple[int, ...]) -> None:
    """01.3 item() of two elements, of six and of none."""
    assert_raises(evaluate, "a.item()", np.ones(shape), error="ValueError", says=(str(shape),))


@observe
def handed_out(tt: Any, data: Any) -> Any:
    x, y = tt.Tensor(data), tt.Tensor(data.T, requires_grad=True)
    same = x.numpy() is x.data and y.numpy() is y.data
    return {"tolist()": x.tolist(), "numpy() is x.data": same}


def test_numpy_and_tolist() -> None:
    """01.3 numpy() and tolist() of one matrix, numpy() of its transpose with a gradient."""
    a = X * real(1.0, 0.5, 2)
    assert_equal(handed_out(a), want={"tolist()": a.tolist(), "numpy() is x.data": True})


SMALLEST = np.array([[1e-7], [np.inf], [np.nan]], np.float16)


@pytest.mark.parametrize(
    "a",
    [
        np.array(1 / 3),
        np.array([[2**62 + 1, -2]]),
        np.array([True, False]),
        np.zeros((2, 0)),
        X[None, :, :2],
        SMALLEST,
    ],
    ids=[
        "tolist-number",
        "tolist-integers",
        "tolist-bools",
        "tolist-empty",
        "tolist-three-axes",
        "tolist-half",
    ],
)
def test_tolist_gives_python_numbers(a: Any) -> None:
    """01.3 tolist() of a number, of integers and bools, of no elements, and of three axes."""
    assert_equal(evaluate("repr(a.tolist())", a), want=repr(a.tolist()))


@observe
def detached(tt: Any, data: Any) -> Any:
    x, plain = tt.Tensor(data, requires_grad=True), tt.Tensor(data)
    x.grad = data
    y = x.detach()
    return {
        "y.grad": y.grad,
        "x.detach() is x": y is x or plain.detach() is plain,
        "y.requires_grad": y.requires_grad,
        "y.note": y.note,
        "memory is shared": np.shares_memory(x.data, y.data),
        "x.requires_grad": x.requires_grad,
    }


def test_detach_forgets_the_history() -> None:
    """01.3 The detached tensor, and x itself afterwards."""
    want = {
        "y.grad": None,
        "x.detach() is x": False,
        "y.requires_grad": False,
        "y.note": None,
        "memory is shared": True,
        "x.requires_grad": True,
    }
    assert_equal(detached(dyadic(3)), want=want)


NEXT = "\n        "  # a row below the first: as far to the right as the first bracket


@observe(
    shown="x = Tensor(data.T, requires_grad=True); x.note = 'how it was made'; y = x.detach(); y, repr(x)"
)
def made_by_an_operation(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data.T, requires_grad=True)
    x.note = "how it was made"
    y = x.detach()
    found = {"requires_grad, grad, note": [y.requires_grad, y.grad, y.note], "x.note": x.note}
    return found | {"shared": np.shares_memory(x.data, y.data), "repr(x)": repr(x)}


def test_detach_and_repr_of_a_result() -> None:
    """01.3 A tensor in columns with a note: detached, on the same memory; its text, as of any other."""
    want = {"requires_grad, grad, note": [False, None, None], "x.note": "how it was made"}
    want |= {"shared": True, "repr(x)": f"Tensor([[1., 3.],{NEXT}[2., 4.]], requires_grad=True)"}
    assert_equal(made_by_an_operation(np.float32([[1, 2], [3, 4]])), want=want)


@by_name(
    "expression, want",
    {
        "__repr__": ("tt.Tensor([1.5, 2.0])", "Tensor([1.5, 2. ])"),
        "__repr__-rows": ("tt.Tensor([[1], [3]])", "Tensor([[1.],\n        [3.]])"),
        "__repr__-bools": ("tt.Tensor([True, False])", "Tensor([ True, False])"),
        "__repr__-dtype": ("tt.Tensor(np.array([1.5]))", "Tensor([1.5], dtype=float64)"),
        "__repr__-grad": ("tt.Tensor(2.5, requires_grad=True)", "Tensor(2.5, requires_grad=True)"),
        "__repr__-integers": (
            "tt.Tensor(np.array([[1], [20]]))",
            "Tensor([[ 1],\n        [20]], dtype=int64)",
        ),
        "__repr__-both": (
            "tt.Tensor(np.array([1.5]), requires_grad=True)",
            "Tensor([1.5], dtype=float64, requires_grad=True)",
        ),
        "__repr__-half": ("tt.Tensor(np.float16([[0.5]]))", "Tensor([[0.5]], dtype=float16)"),
        "__repr__-bytes": ("tt.Tensor(np.array(7, np.uint8))", "Tensor(7, dtype=uint8)"),
        "__repr__-special": ("tt.Tensor([np.nan, -np.inf])", "Tensor([ nan, -inf])"),
        "__repr__-three-axes": (
            "tt.Tensor([[[0], [1]], [[2], [3]]])",
            f"Tensor([[[0.],{NEXT} [1.]],\n{NEXT}[[2.],{NEXT} [3.]]])",
        ),
        "__repr__-no-rows": ("tt.Tensor([])", "Tensor([])"),
        "__repr__-many": (
            "tt.Tensor(list(range(1001)))",
            "Tensor([   0.,    1.,    2., ...,  998.,  999., 1000.])",
        ),
    },
)
def test_repr_shows_values(expression: str, want: str) -> None:
    """01.3 repr of values, of a dtype other than float32 and bool, and of requires_grad."""
    assert_equal(evaluate(f"repr({expression})"), want=want)


@by_name(
    "expression, error, says",
    {
        "__init__-text": ("tt.Tensor('abc')", "TypeError", "abc"),
        "__init__-none": ("tt.Tensor([None, 1])", "TypeError", "None"),
        "__init__-complex": (
            f"tt.Tensor({integer(1, 1, 999)}j)",
            "TypeError",
            f"{integer(1, 1, 999)}j",
        ),
        "__init__-objects": ("tt.Tensor(np.array([None]))", "TypeError", "None"),
        "__init__-ragged": ("tt.Tensor([[1, 2], [3]])", "ValueError", "[3]"),
        "__init__-ragged-inside": (
            "tt.Tensor([[[1], [2]], [[3], [4, 5]]])",
            "ValueError",
            "[4, 5]",
        ),
        "__init__-ragged-number": ("tt.Tensor([7, [8]])", "ValueError", "[8]"),
        "__init__-only-none": ("tt.Tensor(None)", "TypeError", "None"),
        "__init__-texts": ("tt.Tensor([['abc', 1]])", "TypeError", "abc"),
        "__init__-array-of-text": ("tt.Tensor(np.array(['abc']))", "TypeError", "abc"),
        "__init__-array-of-complex": ("tt.Tensor(np.array([7j]))", "TypeError", "7"),
        "__init__-scalar-complex": ("tt.Tensor(np.complex64(7j))", "TypeError", "7"),
        "__init__-durations": ("tt.Tensor(np.array([3, 4], 'm8[D]'))", "TypeError", "3"),
        "__init__-dates": (
            "tt.Tensor(np.array(['2001-02-03'], 'M8[D]'))",
            "TypeError",
            "2001-02-03",
        ),
        "__init__-objects-of-numbers": ("tt.Tensor(np.array([7, 2], object))", "TypeError", "7"),
        "__init__-number-as-text": ("tt.Tensor(['7.5'])", "TypeError", "7.5"),
        "__init__-none-in-rows": ("tt.Tensor([[None, 7.0]])", "TypeError", "None"),
        "__init__-dict": ("tt.Tensor({'abc': 1})", "TypeError", "abc"),
    },
)
def test_construct_refuses(expression: str, error: str, says: str) -> None:
    """01.4 Text, None, complex numbers, objects and ragged lists."""
    assert_raises(evaluate, expression, error=error, says=(says,))


@pytest.mark.parametrize("kind", ["int64", "bool", "uint8"])
def test_construct_refuses_integer_gradient(kind: str) -> None:
    """01.4 Integers and bools with requires_grad=True, as an array, a scalar and a tensor."""
    array, scalar = f"np.ones(3, np.{kind})", f"np.{kind}(1)"
    for data in (array, scalar, f"tt.Tensor({array})", *["[True]", "True"] * (kind == "bool")):
        made = f"tt.Tensor({data}, requires_grad=True)"
        assert_raises(evaluate, made, error="TypeError", says=(kind,))


@by_name(
    "expression",
    {"equal": "a == b", "not-equal": "a != b", "less": "a < b", "greater-number": "a >= 0.5"},
)
def test_comparisons_give_bools(expression: str) -> None:
    """01.5 Four comparisons of matrices that have equal elements."""
    a, b = fill((2, 3), 1, "ties"), fill((2, 3), 2, "ties")
    assert_equal(evaluate(expression, a, b), want=eval(expression, {"a": a, "b": b}))


@observe
def hashed(tt: Any, data: Any) -> Any:
    x, y = tt.Tensor(data), tt.Tensor(data)
    return {"len({x, y, x})": len({x, y, x}), "x == y": (x == y).tolist()}


def test_hash_goes_by_identity() -> None:
    """01.5 Two equal tensors in a set."""
    assert_equal(hashed([1.5, 2.0]), want={"len({x, y, x})": 2, "x == y": [True, True]})


@observe
def assigned(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data)
    x[0] = 5.0
    return x


def test_assignment_is_refused() -> None:
    """01.5 x[0] = 1, and what the error advises."""
    assert_raises(assigned, [1.5, 2.0], error="TypeError", says=("where", "x.data"))


@observe
def rows_of(tt: Any, data: Any) -> Any:
    return [row.tolist() for row in tt.Tensor(data)]


def test_iteration_goes_through_rows() -> None:
    """01.5 A loop over a matrix."""
    assert_equal(rows_of(X), want=X.tolist())


@by_name(
    "expression",
    {"iter": "list(tt.Tensor(5.0))", "sum": "sum(tt.Tensor(5.0))", "len": "len(tt.Tensor(5.0))"},
)
def test_no_axes_no_elements(expression: str) -> None:
    """01.5 A tensor without axes has no length and no elements: a TypeError says so."""
    assert_raises(evaluate, expression, error="TypeError", says=("without axes", "item()"))


# ---- arithmetic: 01.6 and 01.7 -------------------------------------------------------------------


@observe
def biased(tt: Any, rows: Any, bias: Any) -> Any:
    out = tt.Tensor(rows) + tt.Tensor(bias)
    return {"out": out, "rows": rows, "bias": bias}


@by_name(
    "bias, sums",
    {
        "add-row": ([10, 20, 30], [[11, 22, 33], [13, 26, 33]]),
        "add-column": ([[10], [20]], [[11, 12, 13], [23, 26, 23]]),
    },
)
def test_example_bias(bias: Any, sums: Any) -> None:
    """01.6 The worked example: a bias is added to every row or column, and the operands stay."""
    bias, sums = np.array(bias, float), np.array(sums, float)
    assert_close(biased(X, bias), want={"out": sums, "rows": X, "bias": bias})


PAIRED = tuple(PAIRS)
ARITHMETIC = [
    Case("add", "a + b", PAIRED),
    Case("subtract", "a - b", PAIRED),
    Case("multiply", "a * b", PAIRED),
    Case("divide", "a / b", PAIRED),
    Case("power", "a ** b", PAIRED, kind=("positive", "dyadic")),
    Case("power-number", "a ** 3", unary(CURATED)),
    Case("power-half", "a ** 0.5", unary(CURATED), kind="positive"),
    Case("negative", "-a", unary(CURATED)),
]


@pytest.mark.parametrize("case", ARITHMETIC, ids=str)
def test_arithmetic(case: Case) -> None:
    """01.6 Values that PyTorch gives, for pairs of shapes that broadcast."""
    check_values("01", case)


ANY_ARITHMETIC = st.sampled_from(["a + b", "b - a * 20", "-a", "a * b", "a / b", "a ** (b / 10)"])


@given(expression=ANY_ARITHMETIC, shapes=broadcast_pairs(), seed=seeds)
def test_arithmetic_of_any_shapes(expression: str, shapes: Any, seed: int) -> None:
    """01.6 Drawn shapes that broadcast, drawn numbers."""
    a, b = fill(shapes[0], seed, "positive"), fill(shapes[1], seed + 1) / 8 + 9  # neither is 0
    assert_close(evaluate(expression, a, b), want=eval(expression, {"a": a, "b": b}))


LOOSE = 512  # steps of the dtype: for formulas that round more than NumPy's


def check_special_values(expression: str, pairs: bool = False) -> None:
    """An expression at 0, infinities, nan, and numbers far from 1, each by itself and in float32."""
    for kind in (np.float64, np.float32):
        b = AWKWARD.astype(kind)
        a = b[:, None] if pairs else b.reshape(2, -1)
        want = in_numpy(expression, a, b).astype(kind)
        assert_exact(evaluate(expression, a, b), want=want, ulps=LOOSE)


@by_name(
    "expression",
    {
        "add": "a + b",
        "subtract": "a - b",
        "multiply": "a * b",
        "divide": "a / b",
        "power": "a ** b",
        "power-square": "b ** 2",
        "power-inverse": "b ** -1",
        "power-zero": "b ** 0",
        "power-fraction": "b ** 1.5",
        "negative": "-b",
    },
)
def test_arithmetic_of_infinities_and_nan(expression: str) -> None:
    """01.6 0, infinities and nan on both sides, beside tiny and large numbers."""
    check_special_values(expression, pairs=True)


@by_name("expression", {"power": "a ** 3", "power-zero": "a ** 0", "power-tensors": "a ** b"})
def test_power_of_either_sign(expression: str) -> None:
    """01.6 Negative bases and whole exponents."""
    a, b = dyadic(3, 5) * 2, fill((5,), 1, "ties")
    assert_exact(evaluate(expression, a, b), want=in_numpy(expression, a, b), ulps=LOOSE)


@by_name(
    "expression",
    {
        "add": "a + b",
        "subtract": "a - b",
        "multiply": "a * b",
        "divide": "a / b",
        "power": "a ** b",
    },
)
def test_arithmetic_refuses_shapes(expression: str) -> None:
    """01.6 Two shapes that do not line up, for each operator."""
    a, b = dyadic(2, 3), dyadic(5)
    assert_raises(evaluate, expression, a, b, error="ValueError", says=("(2, 3)", "(5,)"))


@observe
def either_side(tt: Any, expression: str, a: Any) -> Any:
    out = eval(expression, {"np": np, "a": tt.Tensor(a)})
    if not isinstance(out, tt.Tensor):
        raise TypeError(f"{expression} gives {type(out).__name__}, not a Tensor")
    return out


@by_name(
    "expression, want",
    {
        "subtract-number": ("a - 2", lambda a: a - 2),
        "divide-number": ("a / 4", lambda a: a / 4),
        "__radd__": ("2 + a", lambda a: 2 + a),
        "__rsub__": ("2 - a", lambda a: 2 - a),
        "__rsub__-tenth": ("0.1 - a", lambda a: 0.1 - a),
        "__rmul__": ("2 * a", lambda a: 2 * a),
        "__rtruediv__": ("3 / a", lambda a: 3 / a),
        "__rpow__": ("2 ** a", lambda a: 2**a),
        "__rsub__-array": ("np.array([10.0, 20.0, 30.0]) - a", lambda a: [10.0, 20.0, 30.0] - a),
        "__rtruediv__-list": ("[10.0, 20.0, 30.0] / a", lambda a: [10.0, 20.0, 30.0] / a),
        "__rsub__-scalar": ("np.float64(3.0) - a", lambda a: 3 - a),
        "__rsub__-list": ("[10.0, 20.0, 30.0] - a", lambda a: [10.0, 20.0, 30.0] - a),
        "__radd__-array": ("np.array([[10.0], [20.0]]) + a", lambda a: np.add([[10.0], [20.0]], a)),
        "__radd__-list": ("[[10.0], [20.0]] + a", lambda a: np.add([[10.0], [20.0]], a)),
        "__rmul__-array": ("np.array([10.0, 20.0, 30.0]) * a", lambda a: [10.0, 20.0, 30.0] * a),
        "__rmul__-list": ("[10.0, 20.0, 30.0] * a", lambda a: [10.0, 20.0, 30.0] * a),
        "__rmul__-scalar": ("np.int64(3) * a", lambda a: 3 * a),
        "__rtruediv__-array": ("np.array([[10.0], [20.0]]) / a", lambda a: [[10.0], [20.0]] / a),
        "__rtruediv__-scalar": ("np.float32(3.0) / a", lambda a: 3 / a),
        "__rpow__-array": ("np.array([2.0, 3.0, 5.0]) ** a", lambda a: [2.0, 3.0, 5.0] ** a),
        "__rpow__-list": ("[2.0, 3.0, 5.0] ** a", lambda a: [2.0, 3.0, 5.0] ** a),
        "__rpow__-scalar": ("np.float64(3.0) ** a", lambda a: 3**a),
        "__radd__-bool": ("True + a", lambda a: True + a),
        "__rmul__-one": ("1 * a", lambda a: a),
        "__rpow__-one": ("1.0 ** a", lambda a: 1.0**a),
        "__rpow__-fraction": ("2.5 ** a", lambda a: 2.5**a),
        "add-array": ("a + np.array([10.0, 20.0, 30.0])", lambda a: np.add(a, [10.0, 20.0, 30.0])),
        "subtract-list": ("a - [[10.0], [20.0]]", lambda a: a - [[10.0], [20.0]]),
        "divide-array": ("a / np.array([[10.0], [20.0]])", lambda a: a / [[10.0], [20.0]]),
        "power-list": ("a ** [2.0, 3.0, 0.0]", lambda a: a ** [2.0, 3.0, 0.0]),
    },
)
def test_operand_on_either_side(expression: str, want: Any) -> None:
    """01.7 A number, a list or an array, left and right of each operator."""
    a = dyadic(2, 3)
    assert_close(either_side(expression, a), want=want(a))


@by_name(
    "expression",
    {"__rsub__": "3 - a", "subtract": "a - 3", "__rsub__-array": "np.array([3.0, 3.0, 3.0]) - a"},
)
def test_a_difference_of_equals_is_no_negative_zero(expression: str) -> None:
    """01.7 One divided by it is inf, not -inf."""
    a = np.array([3.0, 1.5, 4.0])
    want = a - 3 if expression.startswith("a") else 3 - a
    assert_exact(evaluate(expression, a), want=want, signed=True)


@pytest.mark.parametrize("zero", ["0", "0.0", "np.float64(0)", "tt.Tensor(0.0)"])
def test_division_by_zero(zero: str) -> None:
    """01.6 Positive, negative and zero, divided by 0: no error."""
    want = np.array([np.inf, -np.inf, np.nan])
    assert_exact(evaluate(f"a / {zero}", np.array([2.0, -3.0, 0.0])), want=want)


# ---- elementwise: 01.8 ---------------------------------------------------------------------------

ELEMENTWISE = [
    Case("exp", "a.exp()", unary(CURATED), kind="normal"),
    Case("log", "a.log()", unary(CURATED), kind="positive"),
    Case("sqrt", "a.sqrt()", unary(CURATED), kind="positive"),
    Case("absolute", "a.abs()", unary(CURATED)),
    Case("maximum", "tt.maximum(a, b)", PAIRED),
    Case("where", "tt.where(a > 0, a, b)", PAIRED),
    Case("where-mask", "tt.where(a < b, b * 2, a)", PAIRED),
    Case("clip", "a.clip(-0.5, 0.75)", unary(CURATED)),
    Case("clip-min", "a.clip(min=0.25)", unary(CURATED)),
    Case("clip-max", "a.clip(max=0.25)", unary(CURATED)),
    Case("clip-zero", "a.clip(0, 1)", unary(CURATED)),
    Case("clip-max-zero", "a.clip(max=0)", unary(CURATED)),
]


@pytest.mark.parametrize("case", ELEMENTWISE, ids=str)
def test_elementwise(case: Case) -> None:
    """01.8 Values that PyTorch gives, for each function."""
    check_values("01", case)


ELEMENTWISE_IN_NUMPY = {
    "a.exp()": np.exp,
    "(a * a).log() + 20": lambda a: np.log(a * a) + 20,
    "(a * a).sqrt()": np.abs,
    "abs(a)": np.abs,
    "tt.maximum(a, -0.5)": lambda a: np.maximum(a, -0.5),
    "tt.where(a > 0.3, a, 3.0)": lambda a: np.where(a > 0.3, a, 3.0),
    "a.clip(-2, -0.1)": lambda a: np.clip(a, -2, -0.1),
}


@given(expression=st.sampled_from(list(ELEMENTWISE_IN_NUMPY)), a=arrays())
def test_elementwise_of_any_shape(expression: str, a: Any) -> None:
    """01.8 Drawn shapes and numbers."""
    want = ELEMENTWISE_IN_NUMPY[expression](a)
    assert_close(evaluate(expression, a), want=np.asarray(want))


def test_where_drops_what_is_not_chosen() -> None:
    """01.8 nan in the branch that is not chosen."""
    a, b = np.array([-4.0, 9.0]), np.array([0.5, np.nan])
    assert_close(evaluate("tt.where(a > 0, a.sqrt(), b)", a, b), want=np.array([0.5, 3.0]))


@by_name(
    "expression",
    {
        "exp": "b.exp()",
        "log": "b.log()",
        "sqrt": "b.sqrt()",
        "absolute": "b.abs()",
        "maximum": "tt.maximum(a, b)",
        "maximum-number": "tt.maximum(b, 0.25)",
        "where": "tt.where(a > 0, a, b)",
        "where-numbers": "tt.where(b < 0.25, 2.5, b)",
        "clip": "b.clip(-0.75, 1.5)",
        "clip-min": "b.clip(0.0, None)",
        "clip-max": "b.clip(None, -0.0)",
        "clip-far": "b.clip(max=1e20)",
    },
)
def test_elementwise_of_infinities_and_nan(expression: str) -> None:
    """01.8 0, infinities and nan, beside tiny and large numbers."""
    check_special_values(expression, pairs=True)


@by_name(
    "condition",
    {"where-row": [True, False, True], "where-column": [[True], [False]], "where-number": True},
)
def test_where_stretches_its_condition(condition: Any) -> None:
    """01.8 A condition of fewer axes than the branches; as a tensor, an array, a list or a bool."""
    a, b = dyadic(2, 3), dyadic(3, seed=1)
    want = np.where(condition, a, b)
    for given_as in ("tt.Tensor({})", "np.array({})", "{}"):
        expression = f"tt.where({given_as.format(condition)}, a, b)"
        assert_close(evaluate(expression, a, b), want=want)


@by_name("expression", {"maximum": "tt.maximum(a, b)", "where": "tt.where(a > 0, a, b)"})
def test_elementwise_refuses_shapes(expression: str) -> None:
    """01.8 maximum and where of shapes that do not broadcast."""
    a, b = dyadic(2, 3), dyadic(5)
    assert_raises(evaluate, expression, a, b, error="ValueError", says=("(2, 3)", "(5,)"))


def test_clip_between_limits_in_the_wrong_order() -> None:
    """01.8 min above max: everything is max."""
    assert_close(evaluate("a.clip(2, -0.25)", dyadic(2, 5)), want=np.full((2, 5), -0.25))


def test_clip_needs_a_limit() -> None:
    """01.8 clip() without min and without max."""
    assert_raises(evaluate, "a.clip()", dyadic(3), error="ValueError", says=("min", "max"))


# ---- matmul: 01.9 --------------------------------------------------------------------------------

SINGLE = tuple(p for p in PRODUCTS if all(len(s) == 2 for s in p))
VECTORS = tuple(p for p in PRODUCTS if min(map(len, p)) == 1)
STACKS = tuple(p for p in PRODUCTS if p not in SINGLE + VECTORS)
MATMUL = [
    Case("matmul", "a @ b", SINGLE),
    Case("matmul-stacks", "a @ b", STACKS),
    Case("matmul-vectors", "a @ b", VECTORS),
]


def test_example_product() -> None:
    """01.9 The worked example: each row of X times w."""
    assert_close(evaluate("a @ [1.0, 0.0, 2.0]", X), want=np.array([7.0, 9.0]))


@pytest.mark.parametrize("case", MATMUL, ids=str)
def test_matmul(case: Case) -> None:
    """01.9 Values that PyTorch gives, for vectors, matrices and stacks."""
    check_values("01", case)


SIZES_OF_ONE = [((1, 3), (3,)), ((3,), (3, 1)), ((3,), (1, 3, 5)), ((1, 2, 3), (3,)), ((1,), (1,))]
SIZES_OF_ONE += [((1, 1), (1,)), ((2, 1), (1, 3)), ((1, 2, 3), (1, 3, 1)), ((1, 1, 2, 3), (3, 2))]


def test_matmul_of_size_one() -> None:
    """01.9 Axes of size 1 stay; only the axis of a vector disappears."""
    for shapes in SIZES_OF_ONE:
        a, b = dyadic(*shapes[0]), dyadic(*shapes[1], seed=1)
        assert_close(evaluate("a @ b", a, b), want=np.asarray(a @ b))


@given(seed=seeds)
def test_matmul_of_any_numbers(seed: int) -> None:
    """01.9 A stack of matrices and one matrix, drawn numbers."""
    a, b = fill((2, 3, 5), seed), fill((5, 7), seed + 1)
    want, terms = np.einsum("nij,jk->nik", a, b), np.abs(a) @ np.abs(b)
    assert_close(evaluate("a @ b", a, b), want=want, terms=terms)


@by_name(
    "left",
    {
        "__rmatmul__": "[[1.0, 4.0]]",
        "__rmatmul__-vector": "[4.0, 2.0]",
        "__rmatmul__-stack": "[[[1.0, 2.0], [3.0, -1.0]], [[0.5, 1.0], [2.0, 4.0]]]",
    },
)
def test_matmul_of_an_array_and_a_tensor(left: str) -> None:
    """01.9 A matrix, a vector and a stack on the left of a matrix, and a vector: array or list."""
    for a in (dyadic(2, 3), dyadic(2), dyadic(2, 2, 3)):
        want = np.asarray(np.array(eval(left)) @ a)
        for expression in (f"np.array({left}) @ a", f"{left} @ a"):
            assert_close(either_side(expression, a), want=want)


@by_name(
    "shapes",
    {
        "matmul": ((2, 3), (2, 3)),
        "matmul-vectors": ((3,), (5,)),
        "matmul-stacks": ((5, 2, 3), (5, 7, 2)),
        "matmul-one": ((2, 1), (3, 5)),
        "matmul-one-right": ((2, 3), (1, 5)),
        "matmul-one-vector": ((1,), (3,)),
        "matmul-vector-one": ((2, 3), (1,)),
        "matmul-one-stacks": ((5, 2, 1), (5, 3, 2)),
        "matmul-batch": ((2, 3, 5), (3, 5, 2)),
        "matmul-none": ((2, 0), (3, 2)),
    },
)
def test_matmul_refuses_inner_sizes(shapes: Any) -> None:
    """01.9 Shapes such as (2, 3) @ (2, 3)."""
    a, b = (dyadic(*s) for s in shapes)
    says = (str(shapes[0]), str(shapes[1]))
    assert_raises(evaluate, "a @ b", a, b, error="ValueError", says=says)


@by_name("expression", {"matmul-number": "a @ 2", "__rmatmul__-number": "2 @ a"})
def test_matmul_refuses_numbers(expression: str) -> None:
    """01.9 A number on one side; the error shows the other side's shape."""
    assert_raises(evaluate, expression, dyadic(3), error="ValueError", says=("(3,)",))


# ---- reductions: 01.10 to 01.12 ------------------------------------------------------------------


@by_name(
    "expression, want",
    {
        "sum_": ("a.sum()", 18.0),
        "sum_-axis0": ("a.sum(axis=0)", [4.0, 8.0, 6.0]),
        "mean": ("a.mean()", 3.0),
        "mean-axis0": ("a.mean(axis=0)", [2.0, 4.0, 3.0]),
        "mean-keepdims": ("a.mean(axis=1, keepdims=True)", [[2.0], [4.0]]),
    },
)
def test_example_sum_and_mean(expression: str, want: Any) -> None:
    """01.10 The worked example: sums and means of X over all, over rows, over columns."""
    assert_close(evaluate(expression, X), want=np.array(want))


SUMS = [
    Case("sum_", "a.sum()", unary(CURATED)),
    Case("sum_-axis0", "a.sum(axis=0)", unary(WITH_AXES)),
    Case("sum_-last-keepdims", "a.sum(axis=-1, keepdims=True)", unary(WITH_AXES)),
    Case("sum_-two-axes", "a.sum(axis=(0, -1))", unary(THREE_AXES)),
    Case("sum_-all-keepdims", "a.sum(axis=None, keepdims=True)", unary(WITH_AXES)),
    Case("sum_-dim", "a.sum(dim=0, keepdim=True)", unary(WITH_AXES)),
    Case("mean", "a.mean()", unary(CURATED)),
    Case("mean-axis0", "a.mean(axis=0)", unary(WITH_AXES)),
    Case("mean-last-keepdims", "a.mean(axis=-1, keepdims=True)", unary(WITH_AXES)),
    Case("mean-two-axes", "a.mean(axis=(0, 2), keepdims=True)", unary(THREE_AXES)),
    Case("mean-all-keepdims", "a.mean(axis=None, keepdims=True)", unary(WITH_AXES)),
]


@pytest.mark.parametrize("case", SUMS, ids=str)
def test_sum_and_mean(case: Case) -> None:
    """01.10 Values that PyTorch gives, for each choice of axes."""
    check_values("01", case)


ANY_SUM = st.sampled_from(
    ["a.sum()", "a.sum(axis=0)", "a.sum((0, 1), keepdims=True)", "a.mean()", "a.mean(-1)"]
)


@given(expression=ANY_SUM, a=arrays(min_dims=2))
def test_sum_and_mean_of_any_shape(expression: str, a: Any) -> None:
    """01.10 Drawn shapes and numbers."""
    a = a + 20  # no sum is 0
    assert_close(evaluate(expression, a), want=np.asarray(eval(expression, {"a": a})))


def test_sum_of_bools_counts() -> None:
    """01.10 Four bools, three of them True."""
    a = np.array([1.0, -1.0, 2.0, 3.0])
    assert_equal(evaluate("(a > 0).sum().item()", a), want=3)


@by_name("a", {"mean-bools": np.array([True, False, True, True]), "mean-integers": np.arange(4)})
def test_mean_of_integers_is_float32(a: Any) -> None:
    """01.10 The mean of bools, and of integers."""
    assert_close(evaluate("a.mean()", a), want=np.float32(a.mean()))


def check_refused_axes(method: str, several: bool = True) -> None:
    """Axes that a matrix does not have, also from the end and among others."""
    for axis in (2, -3, *[(0, 2), (-3, 1)] * several):
        call, says = f"a.{method}(axis={axis})", ("-3" if "-3" in str(axis) else "2", "(2, 3)")
        assert_raises(evaluate, call, dyadic(2, 3), error="IndexError", says=says)


@by_name("name", {"sum_": "sum", "mean": "mean"})
def test_sum_and_mean_refuse_axes(name: str) -> None:
    """01.10 Axes that are not there, of either sign: an IndexError that names axis and shape."""
    check_refused_axes(name)


SEVERAL = [
    (0,),
    (1, 0),
    (2, 0),
    (-2, 2),
    (0, -1),
    (-1, 0),
    (1, -3),
    (2, 1),
    (0, 1, 2),
    (-1, -3, -2),
]
AXES = [None, 0, 1, 2, -1, -2, -3, *SEVERAL]


def listed(array: Any) -> list[Any]:
    """An array of integers or bools as plain data, where zeros may be the right answer."""
    array = np.asarray(array)
    return [array.dtype.kind, array.shape, array.tolist()]


def check_axes(method: str, axes: Any, a: Any, **options: Any) -> None:
    """A reduction over one axis, several and all, with keepdims and without, in either spelling."""
    more = "".join(f", {name}={value}" for name, value in options.items())
    for i, axis in enumerate(axes):
        kept = f"dim={axis}, keepdim=True" if i % 2 else f"{axis}, keepdims=True"
        for spelled, keepdims in ((f"axis={axis}", False), (kept, True)):
            want = in_numpy(f"a.{method}(axis={axis}, keepdims={keepdims}{more})", a)
            got = evaluate(f"a.{method}({spelled}{more})", a)
            if want.dtype.kind == "f":
                assert_close(got, want=want)
            else:
                assert_equal(listed(got), want=listed(want))


@by_name("name", {"sum_": "sum", "mean": "mean"})
def test_sum_and_mean_over_axes(name: str) -> None:
    """01.10 Each axis and several, in any order and from either end, with keepdims and without."""
    check_axes(name, AXES, positive(2, 3, 5))
    check_axes(name, [(1, -1), (-4, 2), (3, 0, 1)], positive(2, 3, 1, 2))


@by_name("name", {"sum_": "sum", "mean": "mean"})
def test_sum_and_mean_of_infinities_and_nan(name: str) -> None:
    """01.10 Rows with an infinity, with both, and with nan; large numbers beside small."""
    a = np.array([[np.inf, 1, 2], [np.inf, -np.inf, 0], [1, np.nan, 2], [-1e30, 0, 1], [1, 2, 6]])
    assert_exact(evaluate(f"a.{name}(1)", a), want=in_numpy(f"a.{name}(1)", a), ulps=4)


@by_name(
    "expression, want",
    {
        "sum_": ("a.sum() + 1", np.ones(())),
        "sum_-columns": ("a.sum(0) + 1", np.ones(3)),
        "sum_-keepdims": ("a.sum(0, keepdims=True) + 1", np.ones((1, 3))),
        "sum_-rows": ("a.sum(1)", np.ones(0)),
        "mean": ("a.mean()", np.full((), np.nan)),
        "mean-columns": ("a.mean(0)", np.full(3, np.nan)),
        "mean-rows": ("a.mean(-1, keepdims=True)", np.ones((0, 1))),
    },
)
def test_sum_and_mean_of_nothing(expression: str, want: Any) -> None:
    """01.10 No rows: sums of nothing are 0, means nan."""
    assert_exact(evaluate(expression, np.zeros((0, 3))), want=want)


@by_name(
    "expression",
    {
        "sum_": "a.sum(0)",
        "sum_-last": "a.sum(-1, keepdims=True)",
        "mean": "a.mean(0)",
        "mean-last": "a.mean(-1, keepdims=True)",
    },
)
def test_sum_and_mean_of_a_number(expression: str) -> None:
    """01.10 One number, axis 0 and -1."""
    assert_close(evaluate(expression, np.array(2.5)), want=np.array(2.5))


@by_name("name", {"sum_": "sum", "mean": "mean"})
def test_sum_and_mean_of_a_number_refuse_axes(name: str) -> None:
    """01.10 A tensor without axes has no axis 1, nor -2: an IndexError that names it."""
    for axis in ("1", "-2"):
        call = f"a.{name}({axis})"
        assert_raises(evaluate, call, np.array(2.5), error="IndexError", says=(axis, "()"))


EXTREMA = [
    Case("amax", "a.max()", unary(CURATED)),
    Case("amax-axis0", "a.max(axis=0)", unary(WITH_AXES), torch="a.amax(0)"),
    Case(
        "amax-last-keepdims",
        "a.max(axis=-1, keepdims=True)",
        unary(WITH_AXES),
        torch="a.amax(-1, keepdim=True)",
    ),
    Case("amin", "a.min()", unary(CURATED)),
    Case("amin-axis0", "a.min(axis=0)", unary(WITH_AXES), torch="a.amin(0)"),
    Case(
        "amin-two-axes",
        "a.min(axis=(0, 1), keepdims=True)",
        unary([(2, 3), (2, 3, 5), (3, 3, 3)]),
        torch="a.amin((0, 1), keepdim=True)",
    ),
]


@pytest.mark.parametrize("case", EXTREMA, ids=str)
def test_max_and_min(case: Case) -> None:
    """01.11 Values that PyTorch gives, for each choice of axes."""
    check_values("01", case)


@by_name("name", {"amax": "max", "amin": "min"})
def test_max_and_min_over_axes(name: str) -> None:
    """01.11 Each axis and several, in any order and from either end, with keepdims and without."""
    check_axes(name, AXES, dyadic(2, 3, 5))
    check_axes(name, [(1, -1), (-4, 2), (3, 0, 1)], dyadic(2, 3, 1, 2))


@by_name("name", {"amax": "max", "amin": "min"})
def test_max_and_min_of_infinities_and_nan(name: str) -> None:
    """01.11 Rows with infinities, with nan, and of large numbers of one sign."""
    rows = [[np.inf, 1], [-np.inf, 1], [np.inf, -np.inf], [-np.inf, -np.inf], [1, np.nan]]
    a = np.array([*rows, [np.nan, -np.inf], [np.inf, np.inf], [1e30, 2e30], [-2e30, -1e30]])
    assert_exact(evaluate(f"a.{name}(1)", a), want=in_numpy(f"a.{name}(axis=1)", a))


ANY_EXTREMUM = st.sampled_from(
    ["a.max()", "a.max(axis=1)", "a.min(axis=(0, 1))", "a.min(axis=0, keepdims=True)"]
)


@given(expression=ANY_EXTREMUM, a=arrays(min_dims=2))
def test_max_and_min_of_any_shape(expression: str, a: Any) -> None:
    """01.11 Drawn shapes and numbers."""
    assert_close(evaluate(expression, a), want=np.asarray(eval(expression, {"a": a})))


@by_name("axis", {"argmax": None, "argmax-axis0": 0, "argmax-axis1": 1, "argmax-last": -1})
def test_argmax(axis: int | None) -> None:
    """01.11 A matrix with ties, for each axis."""
    a = np.array([[0.5, 1.5, 1.5], [1.5, -0.5, 0.5]])
    assert_equal(evaluate(f"a.argmax(axis={axis})", a), want=np.asarray(np.argmax(a, axis)))


@pytest.mark.parametrize("name", ["max", "min", "argmax"])
def test_extremes_of_integers_and_bools(name: str) -> None:
    """01.11 Bytes, the smallest integer there is, bools: what has no negative of its own."""
    rows = ["np.uint8([[0, 5], [255, 7]])", "np.int8([[-128, 5], [0, 127]])", "[[False, True]]"]
    for data in rows:
        want = getattr(eval(f"np.array({data})"), name)(axis=1)
        assert_equal(evaluate(f"tt.Tensor({data}).{name}(axis=1)"), want=want)


def test_argmax_keepdims() -> None:
    """01.11 argmax with keepdims=True."""
    a = np.array([[0.5, 1.5, 1.5], [1.5, -0.5, 0.5]])
    assert_equal(evaluate("a.argmax(axis=1, keepdims=True)", a), want=np.array([[1], [0]]))


def test_argmax_over_axes() -> None:
    """01.11 Each axis of three, from either end, and all, with keepdims and without."""
    check_axes("argmax", [None, 0, 1, 2, -1, -2, -3], dyadic(2, 3, 5))


def test_argmax_of_infinities_and_nan() -> None:
    """01.11 Rows of infinities, of large numbers, of numbers that float32 cannot tell apart, of nan."""
    rows = [[1, np.inf, np.inf], [-np.inf, -1, 2], [-np.inf] * 3, [-2e30, -1e30, -3e30]]
    a = np.array([*rows, [1, 1 + 2**-50, 1], [np.inf, np.nan, np.nan]])
    assert_equal(evaluate("a.argmax(1)", a), want=np.argmax(a, 1))


@given(a=arrays("ties", min_dims=2))
def test_argmax_of_any_shape(a: Any) -> None:
    """01.11 Drawn shapes and numbers, with ties."""
    got = evaluate("[a.argmax().tolist(), a.argmax(0).tolist()]", a)
    assert_equal(got, want=[np.argmax(a), np.argmax(a, 0).tolist()])


@by_name(
    "expression",
    {
        "amax": "a.max(0)",
        "amin": "a.min(-1, keepdims=True)",
        "argmax": "a.argmax(0) + 2.5",
        "argmax-last": "a.argmax(-1, keepdims=True) + 2.5",
    },
)
def test_max_of_a_number(expression: str) -> None:
    """01.11 max, min and argmax of a tensor without axes take axis 0 and -1, as if it had one."""
    assert_close(evaluate(expression, np.array(2.5)), want=2.5)


@by_name("expression", {"amax": "a.max()", "amin": "a.min()", "argmax": "a.argmax()"})
def test_max_of_nothing(expression: str) -> None:
    """01.11 max, min and argmax of an empty tensor, and of each column of no rows."""
    for call in (expression, expression.replace("()", "(0)")):
        assert_raises(evaluate, call, np.zeros((0, 3)), error="ValueError", says=("(0, 3)",))


@by_name("name", {"amax": "max", "amin": "min", "argmax": "argmax"})
def test_max_and_min_refuse_axes(name: str) -> None:
    """01.11 Axes that are not there, of either sign, also of a number: an IndexError as for sum."""
    check_refused_axes(name, several=name != "argmax")
    for axis in ("1", "-2"):
        call = f"a.{name}({axis})"
        assert_raises(evaluate, call, np.array(2.5), error="IndexError", says=(axis, "()"))


@by_name(
    "expression, want",
    {
        "var-axis1": ("a.var(axis=1)", [1.0, 3.0]),
        "var-axis0": ("a.var(axis=0)", [2.0, 8.0, 0.0]),
        "var-population": ("a.var(axis=0, correction=0)", [1.0, 4.0, 0.0]),
    },
)
def test_example_var(expression: str, want: Any) -> None:
    """01.12 The worked example: the variance of X's rows and columns."""
    assert_close(evaluate(expression, X), want=np.array(want))


AT_LEAST_TWO = [(3,), (2, 3), (3, 3), (2, 3, 5)]
SPREAD = [
    Case("var", "a.var()", unary([*AT_LEAST_TWO, (1, 3), (2, 1, 3)])),
    Case("var-axis0", "a.var(axis=0)", unary([*AT_LEAST_TWO, (3, 1)]), torch="a.var(0)"),
    Case(
        "var-population",
        "a.var(axis=-1, correction=0, keepdims=True)",
        unary([*AT_LEAST_TWO]),
        torch="a.var(-1, correction=0, keepdim=True)",
    ),
    Case("var-two-axes", "a.var(axis=(0, 2))", unary(THREE_AXES), torch="a.var((0, 2))"),
    Case("var-dim", "a.var(dim=-1, keepdim=True)", unary(AT_LEAST_TWO)),
]


@pytest.mark.parametrize("case", SPREAD, ids=str)
def test_var(case: Case) -> None:
    """01.12 Values that PyTorch gives, for each choice of axes and of the correction."""
    check_values("01", case)


@given(seed=seeds)
def test_var_of_any_numbers(seed: int) -> None:
    """01.12 The same with drawn numbers."""
    a = fill((3, 5, 2), seed, "normal")
    assert_close(evaluate("a.var(axis=1)", a), want=np.var(a, axis=1, ddof=1))
    assert_close(evaluate("a.var(correction=0)", a), want=np.var(a))


@by_name("correction", {"var": 1, "var-population": 0, "var-correction": 2})
def test_var_over_axes(correction: int) -> None:
    """01.12 Each axis and several, in any order and from either end, with keepdims and without."""
    axes = AXES if correction == 1 else [None, 0, -1, (2, 0), (-2, 2)]
    options = {} if correction == 1 else {"correction": correction}
    check_axes("var", axes, dyadic(4, 3, 5), **options)


ONES = np.ones(2, np.float32)


@by_name(
    "expression, want",
    {
        "var-far-from-0": ("tt.Tensor([10000, 10001, 10002]).var()", np.float32(1)),
        "var-rows": ("tt.Tensor([[8000, 8001], [-4, 4]]).var(1)", np.float32([0.5, 32])),
        "var-by-position": (
            "tt.Tensor([[1, 2, 3], [3, 6, 3]]).var(0, 0, True)",
            np.float32([[1, 4, 0]]),
        ),
        "var-columns-apart": ("tt.Tensor([[0, 9000], [1, 9001], [2, 9002]]).var(0)", ONES),
        "var-correction": ("tt.Tensor([1, 2, 3, 6]).var(correction=2)", np.float32(7)),
        "var-below-0": ("tt.Tensor([1, 2, 3]).var(correction=-1)", np.float32(0.5)),
        "var-infinity": ("(tt.Tensor([[1, 2], [1, np.inf]])).var(1)", np.float32([0.5, np.nan])),
    },
)
def test_var_of_other_numbers(expression: str, want: Any) -> None:
    """01.12 Numbers whose squares are far larger than their spread, a correction of 2, infinity."""
    assert_exact(evaluate(expression), want=want, ulps=4)


def test_var_refuses_axes() -> None:
    """01.12 Axes that are not there, of either sign: an IndexError as for sum."""
    check_refused_axes("var")


@by_name("expression", {"var": "a.var(0, correction=0)", "var-last": "a.var(-1, 0, keepdims=True)"})
def test_var_of_a_number(expression: str) -> None:
    """01.12 The variance of a tensor without axes takes axis 0 and -1, as if it had one."""
    assert_close(evaluate(f"{expression} + 2.5", np.array(2.5)), want=np.array(2.5))


@by_name(
    "expression, want",
    {
        "var-equal": ("a.var(correction=3)", np.inf),
        "var-beyond": ("a.var(correction=4)", np.inf),
        "var-one": ("a[:1].var()", np.nan),
        "var-nothing": ("a[:0].var()", np.nan),
        "var-nothing-population": ("a[:0].var(correction=0)", np.nan),
    },
)
def test_var_of_too_few(expression: str, want: float) -> None:
    """01.12 Three, one and no elements, with corrections that leave no divisor."""
    assert_equal(str(evaluate(f"{expression}.item()", np.array([1.0, 2.0, 4.0]))), want=str(want))


# ---- movement: 01.13 and 01.14 -------------------------------------------------------------------


@by_name(
    "expression, want",
    {
        "reshape": ("a.reshape(3, 2)", [[1.0, 2.0], [3.0, 3.0], [6.0, 3.0]]),
        "permute-T": ("a.T", [[1.0, 3.0], [2.0, 6.0], [3.0, 3.0]]),
    },
)
def test_example_movement(expression: str, want: Any) -> None:
    """01.13 The worked example: reshape keeps the order in memory, T turns rows into columns."""
    assert_close(evaluate(expression, X), want=np.array(want))


MOVEMENT = [
    Case("reshape", "a.reshape(-1)", unary(CURATED)),
    Case("reshape-rows", "a.reshape(3, -1)", unary([(3,), (2, 3), (2, 3, 5)])),
    Case("reshape-tuple", "a.reshape((1, -1))", unary(CURATED)),
    Case("permute", "a.permute(2, 0, 1)", unary(THREE_AXES)),
    Case("permute-negative", "a.permute(0, -1, 1)", unary(THREE_AXES)),
    Case("permute-T", "a.T", unary(MATRICES), torch="a.permute(*reversed(range(a.ndim)))"),
    Case("transpose", "a.transpose(0, 1)", unary(MATRICES)),
    Case("transpose-last", "a.transpose(0, -1)", unary([(3,), *MATRICES, (2, 3, 5, 7)])),
    Case("transpose-inner", "a.transpose(-2, -1)", unary(THREE_AXES)),
    Case("flatten", "a.flatten()", unary(CURATED)),
    Case("flatten-1", "a.flatten(1)", unary([(2, 3), (2, 3, 5), (2, 1, 3, 5)])),
    Case("flatten-0-1", "a.flatten(0, 1)", unary([(2, 3), (2, 3, 5), (2, 1, 3, 5)])),
    Case("flatten-negative", "a.flatten(-3, -2)", unary([(2, 3, 5), (2, 1, 3, 5)])),
    Case("squeeze", "a.squeeze()", unary([(3,), (1, 3), (2, 1, 3, 1), (1, 1)])),
    Case("squeeze-last", "a.squeeze(-1)", unary([(3, 1), (2, 3), (1, 3, 1)])),
    Case("squeeze-dim", "a.squeeze(dim=0)", unary([(1, 3), (2, 3), (1, 3, 1)])),
    Case("unsqueeze", "a.unsqueeze(0)", unary(CURATED)),
    Case("unsqueeze-1", "a.unsqueeze(1)", unary(WITH_AXES)),
    Case("unsqueeze-last", "a.unsqueeze(-1)", unary(CURATED)),
    Case("unsqueeze-negative", "a.unsqueeze(-2)", unary(WITH_AXES)),
]


@pytest.mark.parametrize("case", MOVEMENT, ids=str)
def test_movement(case: Case) -> None:
    """01.13 Values that PyTorch gives, for each function."""
    check_values("01", case)


MOVED_IN_NUMPY = {
    "a.reshape(-1, 2)": lambda a: a.reshape(-1, 2),
    "a.permute(1, 2, 0)": lambda a: np.moveaxis(a, 0, 2),
    "a.transpose(0, 1)": lambda a: np.swapaxes(a, 0, 1),
    "a.flatten(1)": lambda a: a.reshape(2, 15),
    "a.unsqueeze(1)": lambda a: a[:, None],
    "a.reshape(1, 2, 15).squeeze(0)": lambda a: a.reshape(2, 15),
}


@given(expression=st.sampled_from(list(MOVED_IN_NUMPY)), seed=seeds)
def test_movement_of_any_numbers(expression: str, seed: int) -> None:
    """01.13 The same with drawn numbers."""
    a = fill((2, 3, 5), seed)
    assert_close(evaluate(expression, a), want=MOVED_IN_NUMPY[expression](a))


@given(a=arrays(min_dims=2))
def test_movement_round_trip(a: Any) -> None:
    """01.13 a.T.T, flattened and reshaped back."""
    assert_close(evaluate(f"a.T.T.flatten().reshape({a.shape})", a), want=a)


@by_name(
    "expression, shape",
    {
        "transpose": ("a.transpose(0, -1)", ()),
        "transpose-same": ("a.transpose(-1, -1)", ()),
        "flatten": ("a.flatten(0, -1)", (1,)),
        "squeeze": ("a.squeeze(0)", ()),
        "squeeze-last": ("a.squeeze(-1)", ()),
        "unsqueeze": ("a.unsqueeze(0)", (1,)),
        "unsqueeze-last": ("a.unsqueeze(-1)", (1,)),
        "permute-T": ("a.T", ()),
    },
)
def test_movement_of_a_number(expression: str, shape: tuple[int, ...]) -> None:
    """01.13 Every movement of one number, axis 0 and -1."""
    assert_close(evaluate(expression, np.array(2.5)), want=np.full(shape, 2.5))


@by_name(
    "expression",
    {
        "transpose": "a.transpose(0, 1)",
        "flatten": "a.flatten(1)",
        "flatten-end": "a.flatten(0, 1)",
        "squeeze": "a.squeeze(1)",
        "unsqueeze": "a.unsqueeze(1)",
    },
)
def test_movement_of_a_number_refuses_axes(expression: str) -> None:
    """01.13 A tensor without axes has no axis 1, nor -2."""
    for axis in ("1", "-2"):
        call = expression.replace("1", axis)
        assert_raises(evaluate, call, np.array(2.5), error="IndexError", says=(axis,))


@by_name("dims", {"flatten": (1, 0), "flatten-far": (2, 0), "flatten-negative": (-1, -2)})
def test_flatten_refuses_an_end_before_its_start(dims: tuple[int, int]) -> None:
    """01.13 Ends before their start, also counted from the end."""
    call, says = f"a.flatten({dims[0]}, {dims[1]})", tuple(map(str, dims))
    assert_raises(evaluate, call, dyadic(2, 3, 5), error="ValueError", says=says)


FOUR = (2, 1, 3, 5)
MOVED = {  # of which shape, and what
    "reshape": {
        FOUR: ["a.reshape(30)", "a.reshape(5, -1, 2)", "a.reshape((3, 10))", "a.reshape(1, 30, 1)"],
        (2, 0, 3): ["a.reshape(0, 4)", "a.reshape(-1)"],
        (1, 1): ["a.reshape(())", "a.reshape(1)"],
    },
    "permute": {
        FOUR: [
            *("a.permute(3, 1, 0, 2)", "a.permute(-1, 0, -2, 1)", "a.permute(-3, -1, -4, -2)"),
            *("a.permute((1, 2, 3, 0))", "a.T"),
        ],
        (2, 3, 5): ["a.permute(-1, -2, -3)", "a.permute(-2, 2, 0)", "a.T"],
        (2, 3): ["a.permute(-1, -2)", "a.permute(0, 1)", "a.T"],
        (3,): ["a.permute(0)", "a.permute(-1)", "a.T"],
    },
    "transpose": {
        FOUR: [f"a.transpose({i}, {j})" for i in (0, 2, -1, -3, -4) for j in (1, 2, 3, -2, -4)],
        (2, 3): [f"a.transpose({i}, {j})" for i, j in ((0, 0), (1, -1), (1, 0), (-2, -1))],
        (2, 3, 5): [f"a.transpose({i}, {j})" for i, j in ((1, 0), (-3, 2), (-1, 1), (2, 2))],
    },
    "flatten": {
        FOUR: [
            *("a.flatten()", "a.flatten(1)", "a.flatten(-1)", "a.flatten(0, 0)", "a.flatten(1, 2)"),
            *("a.flatten(-3, -2)", "a.flatten(0, -2)", "a.flatten(-2, 3)", "a.flatten(2, 2)"),
        ],
        (2, 0, 3): ["a.flatten(1)", "a.flatten(0, 1)"],
        (2, 3): ["a.flatten()", "a.flatten(1)", "a.flatten(0, -2)", "a.flatten(-2)"],
        (3,): ["a.flatten()"],
    },
    "squeeze": {
        FOUR: [
            *("a.squeeze()", "a.squeeze(1)", "a.squeeze(-3)", "a.squeeze(0)", "a.squeeze(-1)"),
            "a.squeeze(-2)",
        ],
        (1, 3, 1, 1): [f"a.squeeze({axis})" for axis in ("", 0, 1, 3, -1, -2, -4)],
        (1, 0): ["a.squeeze()", "a.squeeze(1)"],
        (1, 1): ["a.squeeze()", "a.squeeze(0)", "a.squeeze(-1)"],
    },
    "unsqueeze": {
        FOUR: [f"a.unsqueeze({axis})" for axis in range(-5, 5)],
        (3,): ["a.unsqueeze(-2)"],
    },
}


def check_moved(expressions: Any) -> None:
    """Expressions by the shape of their operand, which lies in memory in columns and backwards."""
    for shape, several in expressions.items():
        a = dyadic(*shape)
        for expression in several:
            want = in_numpy(expression, a)
            for layout in (LAYOUTS["in columns"], LAYOUTS["backwards"]):
                assert_exact(evaluate_laid_out(expression, layout, a), want=want)


@by_name("expressions", MOVED)
def test_movement_of_any_order(expressions: Any) -> None:
    """01.13 Four axes, every choice of theirs from either end, in any order of memory."""
    check_moved(expressions)


def test_reshape_refuses_other_sizes() -> None:
    """01.13 Sizes whose product is not the number of elements."""
    says = ("(2, 3)", "4")
    assert_raises(evaluate, "a.reshape(4, 2)", dyadic(2, 3), error="ValueError", says=says)


@by_name(
    "expression",
    {
        "reshape-fewer": "a.reshape(2, 2)",
        "reshape-rest": "a.reshape(4, -1)",
        "reshape-two-rests": "a.reshape(-1, -1)",
        "permute-fewer": "a.permute(0)",
        "permute-twice": "a.permute(1, 1)",
        "permute-twice-negative": "a.permute(1, -1)",
    },
)
def test_movement_refuses_sizes(expression: str) -> None:
    """01.13 Sizes that leave a rest, two that are left open; an axis left out or named twice."""
    assert_raises(evaluate, expression, dyadic(2, 3), error="ValueError", says=("(2, 3)",))


@by_name(
    "expression",
    {
        "permute": "a.permute(0, 5)",
        "transpose": "a.transpose(0, 5)",
        "flatten": "a.flatten(5)",
        "squeeze": "a.squeeze(5)",
        "unsqueeze": "a.unsqueeze(5)",
        "transpose-first": "a.transpose(5, 0)",
        "flatten-end": "a.flatten(0, 5)",
    },
)
def test_movement_refuses_axes(expression: str) -> None:
    """01.13 Axis 5 and -5 of two axes, for each function."""
    for call in (expression, expression.replace("5", "-5")):
        says = ("-5" if "-5" in call else "5",)
        assert_raises(evaluate, call, dyadic(2, 3), error="IndexError", says=says)


@by_name("axis", {"unsqueeze": 3, "unsqueeze-negative": -4})
def test_unsqueeze_refuses_axes(axis: int) -> None:
    """01.13 The first axis that the result does not have, at either end."""
    call = f"a.unsqueeze({axis})"
    assert_raises(evaluate, call, dyadic(2, 3), error="IndexError", says=(str(axis),))


STRETCH = [
    Case("expand", "a.expand(2, 3, 5)", unary([(1,), (5,), (3, 1), (1, 5), (2, 1, 5)])),
    Case("expand-keep", "a.expand(2, -1, -1)", unary([(3, 1), (3, 5), (1, 3, 5)])),
    Case("pad", "a.pad((1, 2))", unary(WITH_AXES), torch="F.pad(a, (1, 2))"),
    Case(
        "pad-two-axes",
        "a.pad((1, 0, 2, 3), value=0.5)",
        unary(MATRICES),
        torch="F.pad(a, (1, 0, 2, 3), value=0.5)",
    ),
]


@pytest.mark.parametrize("case", STRETCH, ids=str)
def test_expand_and_pad(case: Case) -> None:
    """01.14 Values that PyTorch gives."""
    check_values("01", case)


STRETCHED_IN_NUMPY = {
    "a.expand(3, -1, -1)": lambda a: np.stack([a, a, a]),
    "a.pad((2, 0, 0, 1), value=-1.5)": lambda a: np.pad(a, ((0, 1), (2, 0)), constant_values=-1.5),
}


@given(expression=st.sampled_from(list(STRETCHED_IN_NUMPY)), a=arrays(min_dims=2, max_dims=2))
def test_expand_and_pad_of_any_shape(expression: str, a: Any) -> None:
    """01.14 Drawn shapes and numbers."""
    assert_close(evaluate(expression, a), want=STRETCHED_IN_NUMPY[expression](a))


STRETCHED_OR_PADDED = {  # of which shape, and what
    "expand": {
        (2, 1, 3): [
            *("a.expand(2, 5, 3)", "a.expand(-1, 5, -1)", "a.expand(4, 2, 5, 3)"),
            *("a.expand(1, -1, 2, 3)", "a.expand(2, 1, 3)", "a.expand(-1, -1, -1)"),
            *("a.expand(2, 0, 3)", "a.expand((2, 7, 3))"),
        ],
        (1,): ["a.expand(4)", "a.expand(2, -1)"],
        (3,): ["a.expand(2, 5, -1)"],
        (1, 1, 3): ["a.expand(5, 4, 3)"],
    },
    "pad": {
        (2, 1, 3): [
            *("a.pad((0, 1))", "a.pad((2, 0))", "a.pad((0, 0, 0, 1))", "a.pad((0, 0, 2, 1))"),
            *("a.pad((1, 2, 0, 3, 2, 1), 0.5)", "a.pad((0, 0, 0, 0, 0, 2), value=-1.5)"),
            *(
                "a.pad((1, 1), value=np.inf)",
                "a.pad((1, 1), -np.inf)",
                "a.pad((0, 2), value=np.nan)",
            ),
            *("a.pad((1, 0), value=1e-30)", "a.pad((0, 0))"),
        ],
        (0, 2): ["a.pad((0, 0, 1, 1), 0.5)"],
    },
}


@by_name("expressions", STRETCHED_OR_PADDED)
def test_expand_and_pad_of_any_order(expressions: Any) -> None:
    """01.14 Each axis of three, several at once, and borders of infinity and nan."""
    check_moved(expressions)


@by_name("shape", {"expand": (), "expand-one": (1,), "expand-two": (2, 3)})
def test_expand_of_a_number(shape: Any) -> None:
    """01.14 A tensor without axes gets new ones."""
    assert_close(evaluate(f"a.expand({shape})", np.array(2.5)), want=np.full(shape, 2.5))


def test_pad_of_a_number() -> None:
    """01.14 A number with no widths is itself, and with a pair an error."""
    assert_close(evaluate("a.pad(())", np.array(2.5)), want=np.array(2.5))
    assert_raises(evaluate, "a.pad((1, 1))", np.array(2.5), error="ValueError", says=("()",))


@by_name("shape", {"expand": (2, 1), "expand-other": (2, 6), "expand-first": (1, 3)})
def test_expand_refuses_sizes(shape: Any) -> None:
    """01.14 An axis that is to shrink, or to be repeated."""
    call = f"a.expand({shape})"
    assert_raises(evaluate, call, dyadic(2, 3), error="ValueError", says=("(2, 3)",))


@by_name(
    "expression",
    {
        "expand-size": "a.expand(4, 3)",
        "expand-axes": "a.expand(3)",
        "expand-new": "a.expand(-1, 2, 3)",
        "expand-below": "a.expand(-2, 3)",
        "pad-negative": "a.pad((-1, 0))",
        "pad-negative-after": "a.pad((0, 0, 1, -1))",
        "pad-odd": "a.pad((1, 2, 3))",
        "pad-axes": "a.pad((1, 1, 1, 1, 1, 1))",
    },
)
def test_expand_and_pad_refuse(expression: str) -> None:
    """01.14 An axis of size 2 stretched, more padding than axes, and their kin."""
    assert_raises(evaluate, expression, dyadic(2, 3), error="ValueError", says=("(2, 3)",))


@by_name("padding", {"pad": (1,), "pad-negative": (-1, 0), "pad-axes": (0, 0, 0, 0)})
def test_pad_refuses_widths(padding: Any) -> None:
    """01.14 One axis, of size 3 and 1: half a pair, a width below 0, a pair too many."""
    for size in (3, 1):
        call = f"a.pad({padding})"
        assert_raises(evaluate, call, dyadic(size), error="ValueError", says=(f"({size},)",))


# ---- selecting: 01.15 and 01.16 ------------------------------------------------------------------

INDEXING = [
    Case("getitem", "a[1]", unary([(3,), (2, 3), (2, 3, 5)])),
    Case("getitem-slices", "a[::2, 1:]", unary([(2, 3), (5, 7), (2, 3, 5)])),
    Case("getitem-ellipsis", "a[..., -1]", unary(WITH_AXES)),
    Case("getitem-none", "a[:, None]", unary(WITH_AXES)),
    Case("getitem-array", "a[np.array([0, 2, 2, 0])]", unary([(3,), (3, 1), (3, 5)])),
    Case(
        "getitem-pairs",
        "a[np.array([0, 1, 1]), np.array([2, 0, 2])]",
        unary([(2, 3), (3, 3), (2, 3, 5)]),
    ),
    Case("getitem-mask", "a[a > 0.25]", unary([(2, 3), (3, 3), (2, 3, 5)])),
    Case("getitem-tensor", "a[:, a.argmax()]", unary([(1, 3), (1, 7)])),
]


@pytest.mark.parametrize("case", INDEXING, ids=str)
def test_indexing(case: Case) -> None:
    """01.15 Values that PyTorch gives, for each kind of index."""
    check_values("01", case)


ANY_INDEX = st.sampled_from(
    ["a[-1]", "a[:, 0]", "a[::-1]", "a[[0, -1, 0]]", "a[None, ..., 0]", "a[a != 0]"]
)


@given(expression=ANY_INDEX, a=arrays(min_dims=2))
def test_indexing_of_any_shape(expression: str, a: Any) -> None:
    """01.15 Drawn shapes and numbers."""
    assert_close(evaluate(expression, a), want=np.asarray(eval(expression, {"a": a})))


INDICES = {  # of (3, 2, 5)
    "getitem-slices": [
        *("[::-1]", "[::2, ::-1]", "[:, :, ::-2]", "[2:0:-1, 1:]", "[5:]", "[-2:, :-1]", "[1:1]"),
        *("[...]", "[..., 1:]", "[:, None, ..., ::2]", "[None]", "[..., None]", "[()]"),
    ],
    "getitem-integers": [
        "[0]",
        "[-3]",
        "[1, -1]",
        "[2, 0, -5]",
        "[:, 1]",
        "[..., -2]",
        "[np.int64(1)]",
        *("[..., 4]", "[..., 1, 4]", "[None, 2, 1, 4]", "[:, None, 1]", "[2, ..., None, 4]"),
    ],
    "getitem-arrays": [
        *(
            "[[2, 0, -1]]",
            "[[[0, 1], [2, -3]]]",
            "[:, [1, 0, 1]]",
            "[..., [4, -1]]",
            "[[0], :, [1]]",
        ),
        *(
            "[[0, 2], [1, 0]]",
            "[[[0], [2]], [1, 0]]",
            "[[2, 0], 1]",
            "[[1, 2], :, 3]",
            "[np.array([], int)]",
            "[[]]",
        ),
        *("[np.array([2, 0], np.uint8)]", "[np.array([1, -1], np.int32), None]", "[[1], ..., [0]]"),
    ],
    "getitem-masks": [
        *(
            "[a > 0]",
            "[~(a > 0)]",
            "[[True, False, True]]",
            "[:, [False, True]]",
            "[a[:, 0, 0] > 0]",
        ),
        *("[a[:, :, 0] > 0, 1:]", "[np.array([False, True, True]), 0]", "[a < -1e9]"),
        *("[[True, False, True], [1, 0]]", "[[False, False, False]]"),
        *("[True]", "[np.array(True)]"),
    ],
    "getitem-tensors": [
        *("[tt.Tensor(np.array([2, 0, -1]))]", "[:, tt.Tensor(np.array([1, 0]))]"),
        *("[tt.Tensor(np.array([0, 2])), tt.Tensor(np.array([1, 0]))]", "[tt.Tensor(np.array(1))]"),
        *("[1:, tt.Tensor(np.array([True, False]))]", "[a.argmax(axis=0)[0], 1]"),
    ],
}


@by_name("indices", INDICES)
def test_indexing_of_any_order(indices: Any) -> None:
    """01.15 Three axes, every kind of index and several kinds together, in any order of memory."""
    a = dyadic(3, 2, 5)
    for index in indices:
        want = in_numpy(f"a{index}", a)
        for layout in (LAYOUTS["in columns"], LAYOUTS["backwards"]):
            assert_exact(evaluate_laid_out(f"a{index}", layout, a), want=want)


@by_name(
    "index, says",
    {
        "getitem": ("5", "5"),
        "getitem-negative": ("-3", "-3"),
        "getitem-second": ("1, 3", "3"),
        "getitem-too-many": ("0, 0, 0", "(2, 3)"),
        "getitem-mask": ("[True, False, True]", "3"),
        "getitem-mask-short": ("np.array([True])", "1"),
        "getitem-ellipsis": ("..., -4", "-4"),
        "getitem-list": ("[0, 2]", "2"),
        "getitem-array": ("np.array([1, -3])", "-3"),
        "getitem-tensor": (":, tt.Tensor(np.array([7, 0]))", "7"),
    },
)
def test_index_out_of_range(index: str, says: str) -> None:
    """01.15 An integer, a list, an array and a tensor, on either axis and at either end."""
    assert_raises(evaluate, f"a[{index}]", dyadic(2, 3), error="IndexError", says=(says, "(2, 3)"))


JOINING = [
    Case("cat", "tt.cat([a, b])", (((2, 3), (1, 3)), ((3,), (5,)))),
    Case("cat-last", "tt.cat([a, b, a], axis=-1)", (((2, 3), (2, 5)), ((2, 3, 1), (2, 3, 2)))),
    Case("cat-dim", "tt.cat([a, b], dim=1)", (((2, 3), (2, 5)), ((2, 3, 5), (2, 1, 5)))),
    Case("stack", "tt.stack([a, b])", (((2, 3), (2, 3)), ((), ()))),
    Case("stack-1", "tt.stack([a, b], dim=1)", (((2, 3), (2, 3)), ((3,), (3,)))),
    Case("stack-last", "tt.stack([a, b, a], axis=-1)", (((2, 3), (2, 3)), ((3,), (3,)))),
    Case("concatenate", "tt.concatenate(a, b)", (((2, 3), (2, 3)),), torch="torch.cat([a, b])"),
]


@pytest.mark.parametrize("case", JOINING, ids=str)
def test_joining(case: Case) -> None:
    """01.16 Values that PyTorch gives, for several axes."""
    check_values("01", case)


JOINED = {  # of (2, 3, 1) twice
    "cat": [
        *("tt.cat([a])", "tt.cat((a, b))", "tt.cat([a, b, a], 2)", "tt.cat([b, a], axis=-2)"),
        *("tt.cat([a, b], axis=-3)", "tt.cat([a[:0], b])", "tt.cat([a, b[:, :0], a], dim=1)"),
        *("tt.cat([a, a], axis=1)", "tt.cat([a[0, :, 0], b[1, :2, 0]])"),
    ],
    "stack": [
        *(
            "tt.stack([a])",
            "tt.stack((a, b))",
            "tt.stack([a, b, a], 3)",
            "tt.stack([a, b], axis=-2)",
        ),
        *(
            "tt.stack([a, b], axis=-4)",
            "tt.stack([a, b], dim=2)",
            "tt.stack([b[0], a[1]], axis=-1)",
        ),
        *("tt.stack([a, a], axis=1)", "tt.stack([a[0, 0, 0], b[0, 0, 0]], axis=-1)"),
    ],
    "concatenate": [
        *("tt.concatenate(a)", "tt.concatenate(a, b, a, axis=-1)", "tt.concatenate(b, a, axis=1)"),
    ],
}


@by_name("expressions", JOINED)
def test_joining_of_any_order(expressions: Any) -> None:
    """01.16 One, two and three tensors along each axis, from either end, in any order of memory."""
    a, b = dyadic(2, 3, 1), dyadic(2, 3, 1, seed=1)
    for expression in expressions:
        want = in_numpy(expression, a, b)
        for layout in (LAYOUTS["in columns"], LAYOUTS["backwards"]):
            assert_exact(evaluate_laid_out(expression, layout, a, b), want=want)


@by_name(
    "expression, error, says",
    {
        "cat-ranks": ("tt.cat([a, a[0]])", "ValueError", ()),
        "cat-one": ("tt.cat([a, a[:, :1]])", "ValueError", ("3", "1")),
        "cat-numbers": ("tt.cat([a[0, 0], a[0, 0]])", "ValueError|IndexError", ()),
        "cat-axis": ("tt.cat([a, a], axis=2)", "IndexError", ("2",)),
        "cat-nothing": ("tt.cat([a, tt.Tensor(np.zeros((0, 5)))])", "ValueError", ("3", "5")),
        "stack-one": ("tt.stack([a, a[:1]])", "ValueError", ("2, 3", "1, 3")),
        "stack-ranks": ("tt.stack([a, a[0]])", "ValueError", ("2, 3", "3")),
        "stack-columns": ("tt.stack([a, a[:, :1]], axis=1)", "ValueError", ("3", "1")),
        "stack-number": ("tt.stack([a[0, 0], a[0, :1]])", "ValueError", ()),
        "stack-axis": ("tt.stack([a, a], axis=3)", "IndexError", ("3",)),
    },
)
def test_joining_refuses_sizes(expression: str, error: str, says: Any) -> None:
    """01.16 Sizes that would have to be stretched, other numbers of axes, an axis that is not there."""
    assert_raises(evaluate, expression, dyadic(2, 3), error=error, says=says)


def test_joining_of_nothing() -> None:
    """01.16 Tensors of size 0 are joined like others."""
    got = evaluate("[tt.cat([a[:0], a[:0]]).shape, tt.cat([a[:0], a]).shape]", dyadic(2, 3))
    assert_equal(got, want=[(0, 3), (2, 3)])


ANY_JOIN = st.sampled_from(
    [("tt.cat([a, b], axis=1)", np.concatenate), ("tt.stack([a, b], axis=1)", np.stack)]
)


@given(join=ANY_JOIN, seed=seeds)
def test_joining_of_any_numbers(join: Any, seed: int) -> None:
    """01.16 The same with drawn numbers."""
    a, b = fill((2, 3), seed), fill((2, 3), seed + 1)
    assert_close(evaluate(join[0], a, b), want=join[1]([a, b], axis=1))


@by_name("expression", {"cat": "tt.cat([a, b])", "stack": "tt.stack([a, b])"})
def test_joining_refuses(expression: str) -> None:
    """01.16 Tensors whose other sizes differ."""
    a, b = dyadic(2, 3), dyadic(2, 5)
    assert_raises(evaluate, expression, a, b, error="ValueError", says=("3", "5"))


@by_name("expression", {"cat": "tt.cat([])", "stack": "tt.stack([])"})
def test_joining_refuses_nothing(expression: str) -> None:
    """01.16 cat([]) and stack([])."""
    assert_raises(evaluate, expression, error="ValueError")


# ---- making: 01.17 and 01.18 ---------------------------------------------------------------------


@observe
def blank(tt: Any) -> Any:
    return {"zeros": tt.zeros(2, 3), "beside": tt.Tensor([1.0])}


def test_making_zeros() -> None:
    """01.17 zeros(2, 3): values and dtype."""
    got = blank()
    assert_equal([str(got["zeros"].dtype), got["zeros"].shape], want=["float32", (2, 3)])
    assert_zeros(got["zeros"], beside=got["beside"])


@by_name("name", {name: name for name in ("zeros", "ones", "rand", "randn")})
def test_making_any_shape(name: str) -> None:
    """01.17 Sizes one by one, as a tuple, none at all, and a size of 0."""
    shapes = {"()": (), "(4)": (4,), "((2, 3))": (2, 3), "(())": (), "(2, 0, 3)": (2, 0, 3)}
    got = evaluate(f"[{', '.join(f'tt.{name}{sizes}.shape' for sizes in shapes)}]")
    assert_equal(got, want=list(shapes.values()))


@by_name(
    "expression, want",
    {
        "ones": ("tt.ones(2, 3)", np.ones((2, 3))),
        "ones-tuple": ("tt.ones((2, 3))", np.ones((2, 3))),
        "full": (f"tt.full((3,), {real(0.5, 0.25, 4)})", np.full(3, real(0.5, 0.25, 4))),
        "full-integer": ("tt.full((2, 1), 3)", np.full((2, 1), 3.0)),
        "arange": (f"tt.arange({integer(4, 3, 40)})", np.arange(float(integer(4, 3, 40)))),
        "arange-stop": ("tt.arange(2, 5)", np.arange(2.0, 5.0)),
        "arange-step": ("tt.arange(1, 2, 0.25)", np.arange(1, 2, 0.25)),
        "arange-to-zero": ("tt.arange(-3, 0)", np.array([-3.0, -2.0, -1.0])),
        "arange-from-zero": ("tt.arange(0, 3)", np.array([0.0, 1.0, 2.0])),
        "arange-not-reached": ("tt.arange(0, 1, 0.3)", np.arange(4) * 0.3),
        "arange-tenths": ("tt.arange(1, 1.55, 0.1)", 1 + np.arange(6) * 0.1),
        "arange-fraction": ("tt.arange(2.5)", np.array([0.0, 1.0, 2.0])),
        "arange-from-a-fraction": ("tt.arange(0.5, 3)", np.array([0.5, 1.5, 2.5])),
        "arange-down": ("tt.arange(3, -2, -2)", np.array([3.0, 1.0, -1.0])),
        "arange-named": ("tt.arange(1, step=2, stop=6)", np.array([1.0, 3.0, 5.0])),
        "arange-step-of-one": ("tt.arange(4, step=2)", np.array([0.0, 2.0])),
        "arange-nothing": ("tt.arange(0)", np.array([])),
        "arange-below": ("tt.arange(-2)", np.array([])),
        "arange-same": ("tt.arange(3, 3)", np.array([])),
        "arange-other-way": ("tt.arange(0, 3, -1)", np.array([])),
        "arange-large": ("tt.arange(16777212, 16777216)", np.arange(16777212.0, 16777216.0)),
        "full-number": ("tt.full((), 2.5)", np.array(2.5)),
        "full-bool": ("tt.full((2,), True)", np.ones(2)),
        "full-scalar": ("tt.full((1, 2), np.float64(0.1))", np.full((1, 2), 0.1)),
        "full-infinity": ("tt.full((2, 2), -np.inf)", np.full((2, 2), -np.inf)),
        "full-nothing": ("tt.full((0, 2), 7.0)", np.ones((0, 2))),
    },
)
def test_making(expression: str, want: Any) -> None:
    """01.17 ones, full and arange: values and dtype."""
    assert_exact(evaluate(expression), want=want.astype(np.float32), ulps=1)


@by_name(
    "call",
    {"arange": (1000, 1001, 0.001), "arange-many": (0, 4096, 0.1), "arange-down": (3000, 0, -0.7)},
)
def test_arange_does_not_drift(call: tuple[float, float, float]) -> None:
    """01.17 Long rows far from 0, upwards and down."""
    start, stop, step = call
    count = int(np.ceil((stop - start) / step))
    want = (start + np.arange(count) * step).astype(np.float32)
    got = evaluate(f"tt.arange({start}, {stop}, {step})")
    assert_equal(got.shape, want=want.shape)
    distance = float(np.max(np.abs(got - want) / np.spacing(np.abs(want).clip(1))))
    assert_below(distance, limit=1.0, what="float32 steps between a number and its place")


@observe(shown="{call}  # requires_grad, grad and note")
def leaf(tt: Any, call: str) -> Any:
    x = eval(call, {"tt": tt, "np": np})
    return [x.requires_grad, x.grad, x.note]


@by_name(
    "calls",
    {
        "zeros": ["tt.zeros(2", "tt.zeros((2, 3)"],
        "ones": ["tt.ones(2", "tt.ones((2,)"],
        "full": ["tt.full((2,), 0.5", "tt.full((2,), 3"],
    },
)
def test_making_leaves(calls: Any) -> None:
    """01.17 zeros, ones and full, with requires_grad=True and without: no history either."""
    for call in calls:
        assert_equal(leaf(f"{call}, requires_grad=True)"), want=[True, None, None])
        assert_equal(leaf(f"{call})"), want=[False, None, None])


@observe(shown="x, y = {call}, {call}; x.data += 1; x, y, {call}")
def made_twice(tt: Any, call: str) -> Any:
    x, y = (eval(call, {"tt": tt}) for _ in range(2))
    x.data += 1
    return {"x": x, "y": y, "once more": eval(call, {"tt": tt})}


@by_name(
    "call, value",
    {
        "zeros": ("tt.zeros(2, 3)", [[0, 0, 0]] * 2),
        "ones": ("tt.ones(2, 3)", [[1, 1, 1]] * 2),
        "full": ("tt.full((2, 3), 0.0)", [[0, 0, 0]] * 2),
        "arange": ("tt.arange(3)", [0, 1, 2]),
    },
)
def test_making_new_memory(call: str, value: Any) -> None:
    """01.17 Two calls give two arrays: what is written to one is not in the other, nor in a third."""
    got, value = made_twice(call), np.float32(value)
    was = {"y": value, "once more": value}
    assert_unchanged({name: got[name] for name in was}, was=was)
    assert_close(got["x"], want=value + 1)


@observe
def drawn(tt: Any, name: str, shape: Any) -> Any:
    tt.manual_seed(1)
    first, second = getattr(tt, name)(*shape), getattr(tt, name)(*shape)
    tt.manual_seed(1)
    return {"first": first, "second": second, "again": getattr(tt, name)(*shape)}


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_repeats_after_manual_seed(name: str) -> None:
    """01.18 Two draws, then manual_seed and a third, which must equal the first."""
    got = drawn(name, (2, 3))
    assert_equal([str(got["first"].dtype), got["first"].shape], want=["float32", (2, 3)])
    assert_alike(got, "first", "again")
    assert_equal(bool((got["first"] == got["second"]).any()), want=False)


@observe
def seeded(tt: Any, name: str, seeds: Any) -> Any:
    drawn = {}
    for seed in seeds:
        tt.manual_seed(seed)
        drawn[str(seed)] = getattr(tt, name)(3)
    return drawn


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_depends_on_the_seed(name: str) -> None:
    """01.18 Other seeds, other numbers."""
    seeds = [0, 1, 7 + integer(1, 1, 999), 2**40]
    got = seeded(name, seeds)
    assert_alike({"0": got["0"], "0 again": seeded(name, [0])["0"]}, "0", "0 again")
    numbers = np.concatenate([got[str(seed)] for seed in seeds])
    assert_equal(len(np.unique(numbers)), want=3 * len(seeds))


@observe
def drawn_by(tt: Any, name: str, count: int) -> Any:
    draw = getattr(tt, name)
    return {
        "3": draw(count, generator=np.random.default_rng(3)),
        "3 again": draw(count, generator=np.random.default_rng(3)),
        "4": draw(count, generator=np.random.default_rng(4)),
    }


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_draws_from_a_generator(name: str) -> None:
    """01.18 Equal generators give equal numbers, others give others."""
    got = drawn_by(name, integer(5, 5, 50))
    assert_equal(got["4"].shape, want=(integer(5, 5, 50),))
    assert_alike(got, "3", "3 again")
    assert_equal(bool((got["3"] == got["4"]).any()), want=False)


@observe
def drawn_in_turn(tt: Any, name: str) -> Any:
    generator, draw = np.random.default_rng(3), getattr(tt, name)
    tt.manual_seed(1)
    first, second = draw(4, generator=generator), draw(4, generator=generator)
    passed = draw(3)
    tt.manual_seed(1)
    return {"in turn": np.stack([first, second]), "default": draw(3), "default after": passed}


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_moves_only_the_generator_passed(name: str) -> None:
    """01.18 Two draws of one generator differ, and default_generator stays where it was."""
    got = drawn_in_turn(name)
    assert_equal(len(np.unique(got["in turn"])), want=8)
    assert_alike(got, "default", "default after")


@observe
def reseeded(tt: Any) -> Any:
    known_elsewhere = tt.default_generator
    tt.manual_seed(1)
    first = known_elsewhere.random(3)
    tt.manual_seed(1)
    return {"first": first, "again": known_elsewhere.random(3)}


def test_manual_seed_restarts_the_generator_in_place() -> None:
    """01.18 default_generator, kept before manual_seed, draws the same twice."""
    assert_alike(reseeded(), "first", "again")


@by_name("name, mean, std", {"rand": ("rand", 0.5, 12**-0.5), "randn": ("randn", 0.0, 1.0)})
def test_random_distribution(name: str, mean: float, std: float) -> None:
    """01.18 Mean and spread of 100,000 numbers, within 5 sigma."""
    x = drawn(name, (1000, 100))["first"].astype(np.float64)
    distance, spread = abs(x.mean() - mean), abs(x.std() / std - 1)
    assert_below(distance, limit=5 * std / x.size**0.5, what="distance of the mean from its place")
    assert_below(spread, limit=5 / x.size**0.5, what="relative distance of the spread from its")


@by_name(
    "name, places, shares",
    {
        "rand": ("rand", (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0), (0, 0.01, 0.1, 0.5, 0.9, 0.99, 1)),
        "randn": (
            "randn",
            (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
            (0.00135, 0.02275, 0.15866, 0.5, 0.84134, 0.97725, 0.99865),
        ),
    },
)
def test_random_shares(name: str, places: Any, shares: Any) -> None:
    """01.18 The share of 10,000 numbers below each of several places, within 5 sigma; none repeats."""
    x, n = drawn(name, (100, 100))["first"], 10_000
    for place, share in zip(places, shares, strict=True):
        off, sigma = abs((x < place).mean() - share), (share * (1 - share) / n) ** 0.5
        assert_below(float(off), limit=5 * sigma, what=f"distance of the share below {place}")
    assert_below(1 - len(np.unique(x)) / n, limit=0.01, what="share of numbers drawn before")


@observe
def nearly_one(tt: Any, seed: int, advance: int) -> Any:
    generator = np.random.default_rng(seed)
    generator.bit_generator.advance(advance)
    return tt.rand(1, generator=generator)


def test_random_stays_below_one() -> None:
    """01.18 A draw so close to 1 that rounding it to float32 would reach it."""
    number = float(nearly_one(0, 14_817_372)[0])
    assert_equal({f"{number:.9g} is below 1": number < 1}, want={f"{number:.9g} is below 1": True})


def test_random_tails() -> None:
    """01.18 The mean of the fourth powers of 400,000 normal numbers is 3, within 5 sigma."""
    x = drawn("randn", (400, 1000))["first"].astype(np.float64)
    distance = abs((x**4).mean() / (x**2).mean() ** 2 - 3)
    assert_below(distance, limit=5 * (24 / x.size) ** 0.5, what="distance of the kurtosis from 3")


@observe
def draws_of_one(tt: Any, name: str) -> Any:
    draw, found = getattr(tt, name), {}
    for what, seed in (("first", 1), ("again", 1)):
        tt.manual_seed(seed)
        found[what] = [draw(), draw(()), draw(1)]
    return {what: np.array([float(x.reshape(-1)[0]) for x in xs]) for what, xs in found.items()}


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_numbers_without_axes(name: str) -> None:
    """01.18 A draw without axes comes from default_generator too."""
    got = draws_of_one(name)
    assert_alike(got, "first", "again")
    assert_equal(len(np.unique(got["first"])), want=3)


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_leaves(name: str) -> None:
    """01.18 Drawn with requires_grad=True and without."""
    for call in (f"tt.{name}(2", f"tt.{name}((2, 3)"):
        assert_equal(leaf(f"{call}, requires_grad=True)"), want=[True, None, None])
        assert_equal(leaf(f"{call})"), want=[False, None, None])


# ---- conventions, for every operation: 01.19 to 01.22 --------------------------------------------

EVERY = {
    "add": "a + b",
    "add-scalar": "a + np.float64(0.5)",
    "subtract": "a - 2",
    "multiply-list": "a * [1, 2, 3]",
    "multiply-integers": "a * tt.Tensor(np.arange(3))",
    "divide": "a / b",
    "power": "a ** 2",
    "negative": "-a",
    "__radd__": "2 + a",
    "__rsub__": "2 - a",
    "__rmul__": "2 * a",
    "__rtruediv__": "3 / a",
    "__rpow__": "2 ** a",
    "__rmatmul__": "[[1, 2]] @ a",
    "exp": "a.exp()",
    "log": "a.log()",
    "sqrt": "a.sqrt()",
    "absolute": "a.abs()",
    "maximum": "tt.maximum(a, 0)",
    "where": "tt.where(a > 1, a, 0.0)",
    "clip": "a.clip(0, 1)",
    "matmul": "a @ b.T",
    "sum_": "a.sum()",
    "sum_-axis0": "a.sum(axis=0)",
    "mean": "a.mean(axis=0)",
    "amax": "a.max()",
    "amin": "a.min(axis=1)",
    "var": "a.var()",
    "reshape": "a.reshape(-1)",
    "permute": "a.T",
    "transpose": "a.transpose(0, 1)",
    "flatten": "a.flatten()",
    "squeeze": "a.squeeze()",
    "unsqueeze": "a.unsqueeze(0)",
    "expand": "a.expand(2, 2, 3)",
    "pad": "a.pad((1, 1))",
    "getitem": "a[0]",
    "getitem-mask": "a[a > 0.5]",
    "cat": "tt.cat([b, a])",
    "stack": "tt.stack([b, a])",
    "subtract-tensors": "a - b",
    "multiply": "a * b",
    "divide-number": "a / 2",
    "power-tensors": "a ** b",
    "__radd__-array": "np.asarray(b) + a",
    "__rsub__-array": "np.asarray(b) - a",
    "__rmul__-array": "np.asarray(b) * a",
    "__rtruediv__-array": "np.asarray(b) / a",
    "__rpow__-array": "np.asarray(b) ** a",
    "__rmatmul__-array": "np.asarray(b).T @ a",
    "maximum-tensors": "tt.maximum(a, b)",
    "where-tensors": "tt.where(b > a, b, a)",
    "clip-far": "a.clip(-0.25, 50.0)",
    "clip-min": "a.clip(min=0.25)",
    "sum_-keepdims": "a.sum(1, keepdims=True)",
    "mean-all": "a.mean()",
    "amax-axis0": "a.max(axis=0)",
    "amin-all": "a.min(keepdims=True)",
    "var-axis0": "a.var(axis=0)",
    "var-population": "a.var(axis=1, correction=0, keepdims=True)",
    "transpose-three": "a.expand(2, 2, 3).transpose(-1, 1)",
    "flatten-inner": "a.unsqueeze(0).flatten(1)",
    "squeeze-axis": "a.unsqueeze(1).squeeze(1)",
    "unsqueeze-last": "a.unsqueeze(-1)",
    "pad-value": "a.pad((0, 0, 1, 0), value=2.5)",
    "getitem-slice": "a[:, 1:]",
    "getitem-array": "a[[0, 1, 0]]",
    "getitem-iterated": "list(a)[1]",
    "concatenate": "tt.concatenate(a, b, a)",
    "cat-last": "tt.cat((a, b, a), axis=-1)",
    "stack-last": "tt.stack((b, a, b), dim=-1)",
}


@observe
def dtypes_of(tt: Any, expression: str, *pairs: Any) -> Any:
    names = [{"tt": tt, "np": np, "a": tt.Tensor(a), "b": tt.Tensor(b)} for a, b in pairs]
    return [str(eval(expression, known).dtype) for known in names]


@by_name("expression", EVERY)
def test_float32_stays_float32(expression: str) -> None:
    """01.19 The dtype of each operation on float32 and a number, list, integer or scalar."""
    kinds = [
        one_of("float32", "float64", seed=i) if i else "float32" for i in range(integer(1, 8, 8))
    ]
    kinds += ["float64", "float16"]
    pairs = [(positive(2, 3).astype(kind), (positive(2, 3) + 1).astype(kind)) for kind in kinds]
    assert_equal(dtypes_of(expression, *pairs), want=kinds)


WITHOUT_HISTORY = {
    "argmax": "a.argmax(axis=1)",
    "argmax-all": "a.argmax(keepdims=True)",
    "greater": "a > b",
    "getitem-mask-number": "a[a > 0.5, None]",
}


@by_name("expression", EVERY | WITHOUT_HISTORY)
def test_operands_are_not_modified(expression: str) -> None:
    """01.20 The operands' arrays before and after: positive, of either sign, infinite and nan."""
    pairs = [(positive(2, 3), positive(2, 3, seed=1)), (dyadic(2, 3) * 3, dyadic(2, 3, seed=1))]
    pairs += [(AWKWARD[:6].reshape(2, 3), AWKWARD[6:12].reshape(2, 3)[::-1].copy())]
    for a, b in pairs:
        assert_operands_stay(expression, a, b)


VECTORS = ["a @ b", "b @ a", "a @ c", "c.T @ a", "a + b", "a.sum(0)", "a.var()", "a.max()"]
VECTORS += ["a.reshape(3, 1)", "a.flatten()", "a.squeeze()", "a.unsqueeze(0)", "a.expand(2, 3)"]
VECTORS += ["a.T", "a.pad((1, 1))", "a[1:]", "tt.cat([a, b])", "tt.stack([a, b])", "a.clip(0, 1)"]


@pytest.mark.parametrize("expression", VECTORS)
def test_vectors_are_not_modified(expression: str) -> None:
    """01.20 Vectors, beside vectors and a matrix: the numbers, and the shape."""
    assert_operands_stay(expression, dyadic(3), dyadic(3, seed=1), dyadic(3, 2))


@observe(
    shown="parts, several = [a, b], np.array(index); cat(parts); stack(parts, axis=1); a[several], a[:, index]"
)
def lists_after(tt: Any, a: Any, b: Any, index: Any) -> Any:
    parts, several = [tt.Tensor(a), tt.Tensor(b)], np.array(index)
    tt.cat(parts)
    tt.stack(parts, axis=1)
    parts[0][several], parts[0][several, 0], parts[0][:, index]
    return {"parts": [part.data for part in parts], "index": index, "array": several}


def test_lists_are_not_modified() -> None:
    """01.20 The list that is joined, and a list and an array that select."""
    a, b, index = dyadic(3, 3), dyadic(3, 3, seed=1), [0, -1, 1]
    want = {"parts": [a, b], "index": index, "array": np.array(index)}
    assert_equal(lists_after(a, b, index), want=want)


BY_FUNCTION: dict[str, list[str]] = {}
for name, expression in (EVERY | WITHOUT_HISTORY).items():
    BY_FUNCTION.setdefault(name.split("-")[0], []).append(expression)


def check_layout(expression: str, layout: str, operands: Any) -> None:
    """An expression on operands that lie in memory in one way."""
    got, want = evaluate_laid_out(expression, layout, *operands), in_numpy(expression, *operands)
    if want.dtype.kind == "f":
        assert_close(got, want=want)
    else:
        assert_equal(listed(got), want=listed(want))


@by_name("expressions", BY_FUNCTION)
def test_any_order_of_memory(expressions: Any) -> None:
    """01.21 Operands in columns, backwards, with gaps, read-only, and one row read again and again."""
    operands = positive(2, 3) * 4, positive(2, 3, seed=1)
    rows = [stretchable((2, 3), seed, "positive") * 4 for seed in (0, 1)]
    for expression in expressions:
        for layout in LAYOUTS.values():
            check_layout(expression, layout, operands)
        if expression != "a.var(axis=0)":  # of equal rows: zeros, which prove nothing
            check_layout(expression, STRETCHED, rows)


@by_name("expressions", BY_FUNCTION)
def test_results_are_independent(expressions: Any) -> None:
    """01.21 A result stays as it was when the operation is called again with other numbers."""
    first, second = ((positive(2, 3, seed=i), positive(2, 3, seed=i + 1)) for i in (0, 2))
    for expression in expressions:
        got = two_results(expression, first, second)
        alone = evaluate(expression, *first)
        assert_unchanged(got, was={"first": alone})


@by_name(
    "expressions",
    {
        "reshape": ["a.reshape(3, 2)", "a.reshape(-1)", "a.reshape(2, 1, 3)"],
        "permute": ["a.permute(1, 0)", "a.T", "a.unsqueeze(0).permute(2, 0, 1)"],
        "transpose": ["a.transpose(0, 1)", "a.reshape(1, 2, 3).transpose(-1, 0)"],
        "flatten": ["a.flatten()", "a.reshape(1, 2, 3).flatten(1)", "a.flatten(1)"],
        "squeeze": ["a.squeeze()", "a.reshape(2, 1, 3).squeeze(1)", "a.squeeze(0)"],
        "unsqueeze": ["a.unsqueeze(0)", "a.unsqueeze(-1)", "a.T.unsqueeze(1)"],
        "expand": ["a.expand(5, 2, 3)", "a.reshape(2, 3, 1).expand(2, 3, 4)", "a.expand(-1, 3)"],
        "getitem": ["a[1:]", "a[::-1]", "a[:, ::2]", "a[..., None]", "a[1]", "a[-1, 1:]", "a[...]"],
    },
)
def test_movement_is_free(expressions: Any) -> None:
    """01.21 Whether the result lies in the memory of a."""
    for expression in expressions:
        assert_equal(shares_memory(expression, dyadic(2, 3)), want="shares memory")


@by_name(
    "expressions",
    {
        "add": ["a + 0", "0 + a", "a + tt.Tensor(np.zeros(3))"],
        "subtract": ["a - 0"],
        "multiply": ["a * 1", "1 * a"],
        "divide": ["a / 1"],
        "power": ["a ** 1"],
        "absolute": ["a.abs()"],
        "maximum": ["tt.maximum(a, a)", "tt.maximum(a, -1)", "tt.maximum(0.0, a)"],
        "where": ["tt.where(a > 0, a, 0.0)", "tt.where(a < 0, 0.0, a)", "tt.where(True, a, a)"],
        "clip": ["a.clip(0, 100)", "a.clip(min=-1)", "a.clip(max=100.0)"],
        "matmul": ["a[:, :1] @ tt.ones(1, 1)"],
        "sum_": ["a[:1].sum(0)", "a[:1].sum(0, keepdims=True)"],
        "mean": ["a[:1].mean(0)", "a[:1].mean(0, keepdims=True)"],
        "amax": ["a[:, :1].max(1)", "a[:1].max(0, keepdims=True)"],
        "amin": ["a[:, :1].min(-1)", "a[:1].min(0, keepdims=True)"],
        "pad": ["a.pad((0, 1))", "a.pad((0, 0))", "a.pad((0, 0, 0, 0), 1.5)"],
        "getitem": ["a[[0, 1]]", "a[a > 0]", "a[:, [0, 1, 2]]", "a[np.array([True, True])]"],
        "getitem-number": ["a[0, 1]", "a[-1, -1]", "a[0][0]", "a[:, 0][1]"],
        "cat": ["tt.cat([a])", "tt.cat([a, a[:0]])"],
        "stack": ["tt.stack([a])", "tt.stack([a], axis=-1)"],
    },
)
def test_results_are_new_memory(expressions: Any) -> None:
    """01.21 All else, also where nothing changes: whether the result lies in the memory of a."""
    for a in (positive(2, 3), np.arange(1, 7, dtype=np.int16).reshape(2, 3)):
        for expression in expressions:
            assert_equal(shares_memory(expression, a), want="is a copy")


def check_integers(expressions: Any) -> None:
    """Integers that float32, and even float64, would round."""
    a = 2**53 + 2 * np.arange(-4, 4).reshape(2, 4)[:, [2, 0, 3, 1]] + 1
    a[0] *= -1
    b = np.array([[3, 5, 2**27 + 1, 7], [1, 2**26 + 3, -4, 2]])
    for expression in expressions:
        want = in_numpy(expression, a, b)
        got = evaluate(expression, a, b)
        assert_equal(listed(got), want=listed(want))


@by_name(
    "expressions",
    {
        "add": ["a + b", "a + 1", "2 + a"],
        "subtract": ["a - b", "a - 1", "1 - a"],
        "multiply": ["a * 3", "b * b"],
        "power": ["b ** 2"],
        "negative": ["-a"],
        "absolute": ["a.abs()", "abs(a)"],
        "maximum": ["tt.maximum(a, b)", "tt.maximum(a, 3)"],
        "where": ["tt.where(a > 0, a, b)", "tt.where(a > 0, a, 0)"],
        "clip": ["a.clip(min=0)", "a.clip(-(2**53) - 1, 2**53 + 1)", "b.clip(2, 4)"],
        "matmul": ["b @ b.T", "b @ b[0]", "b[:1] @ b.T"],
        "sum_": ["a.sum()", "a.sum(0)", "a.sum(1, keepdims=True)"],
        "amax": ["a.max()", "a.max(1)"],
        "amin": ["a.min()", "a.min(1)", "b.min(0)"],
        "argmax": ["a.argmax()", "a.argmax(1)"],
        "reshape": ["a.reshape(-1)", "a.T", "a.flatten()", "a.unsqueeze(0)", "a.squeeze()"],
        "expand": ["a.expand(2, 2, 4)"],
        "pad": ["a.pad((1, 0))", "a.pad((0, 1), value=7)"],
        "getitem": ["a[1:]", "a[a > 0]", "a[[0, 1, 0]]"],
        "cat": ["tt.cat([a, b])", "tt.cat([a, b], axis=1)"],
        "stack": ["tt.stack([a, b])"],
    },
)
def test_integers_stay_exact(expressions: Any) -> None:
    """01.19 Each operation of integers, beyond 2**53, where floats lose the last digit; int64 stays."""
    check_integers(expressions)


@by_name(
    "expression",
    {
        "maximum": "tt.maximum(a, b)",
        "where": "tt.where(a, b, a)",
        "amax": "a.max(0)",
        "permute": "a.T",
        "reshape": "a.flatten()",
        "expand": "a.expand(2, 2, 3)",
        "pad": "a.pad((0, 1), value=True)",
        "getitem": "a[1]",
        "cat": "tt.cat([a, b])",
        "stack": "tt.stack([a, b], axis=1)",
    },
)
def test_bools_stay_bools(expression: str) -> None:
    """01.19 Masks that are moved, joined and chosen from."""
    a, b = fill((2, 3), 3, "ties") > 0, fill((2, 3), 4, "ties") > -1
    assert_equal(listed(evaluate(expression, a, b)), want=listed(in_numpy(expression, a, b)))


@by_name(
    "expression",
    {
        "amax": "a.max(0)",
        "amin": "a.min()",
        "maximum": "tt.maximum(a, a)",
        "where": "tt.where(True, a, a)",
        "clip": "a.clip(1, 2)",
        "pad": "a.pad((1, 0))",
        "getitem": "a[1]",
        "cat": "tt.cat([a, a])",
    },
)
def test_narrow_integers_keep_their_dtype(expression: str) -> None:
    """01.19 int32 and uint8 that are chosen from, moved and joined."""
    pairs = [(positive(2, 3).astype(kind),) * 2 for kind in ("int32", "uint8")]
    assert_equal(dtypes_of(expression, *pairs), want=["int32", "uint8"])


@by_name("expression", {"exp": "a.exp()", "multiply": "a * a", "sum_": "a.sum(axis=0)"})
def test_strided_and_empty_inputs(expression: str) -> None:
    """01.21 exp, a product and a sum: of a strided view and of its copy, and without rows."""
    a, columns = dyadic(6, 5)[::2, ::-1], integer(5, 5, 50)
    assert_close(evaluate(expression, a), want=evaluate(expression, a.copy()))
    assert_equal(evaluate(expression, np.zeros((0, columns))).shape[-1], want=columns)


EMPTY = {  # of (0, 3), and of (2, 0)
    "add": ["a + 1", "a + a[:, :1]", "2 + a"],
    "subtract": ["a - a", "1 - a"],
    "multiply": ["a * a[:1]", "2 * a"],
    "divide": ["a / 2", "1 / a"],
    "power": ["a ** 2", "2 ** a"],
    "negative": ["-a"],
    "exp": ["a.exp()"],
    "log": ["a.log()"],
    "sqrt": ["a.sqrt()"],
    "absolute": ["abs(a)"],
    "maximum": ["tt.maximum(a, 0)", "tt.maximum(a, a)"],
    "where": ["tt.where(a > 0, a, 1.0)", "tt.where(True, a, a)"],
    "clip": ["a.clip(0, 1)", "a.clip(max=1)"],
    "matmul": ["a @ a.T + 1", "a.T @ a + 1", "a[:, :0] @ a[:0] + 1", "a @ a[:0].sum(0) + 1"],
    "sum_": ["a.sum((0, 1))", "a.sum(1, keepdims=True)", "a.sum(-2)"],
    "mean": ["a.mean((0, 1))", "a.mean(1, keepdims=True)", "a.mean(-2)"],
    "amax": ["a.unsqueeze(-1).max(-1)", "a[:0, None].max(1, keepdims=True)"],
    "amin": ["a.unsqueeze(-1).min(-1)", "a[:0, None].min(1, keepdims=True)"],
    "argmax": ["a[:0, None].argmax(1)", "a[:0, None].argmax(-2, keepdims=True)"],
    "reshape": ["a.reshape(0)", "a.reshape(-1)", "a.reshape(4, 0, 2)", "a.reshape(-1, 5)"],
    "permute": ["a.T", "a.permute(1, 0)", "a[None].permute(2, 0, 1)"],
    "transpose": ["a.transpose(0, 1)", "a[None].transpose(0, -1)"],
    "flatten": ["a.flatten()", "a[None].flatten(1)", "a[None].flatten(0, 1)"],
    "squeeze": ["a.squeeze()", "a.squeeze(0)", "a[None].squeeze(0)"],
    "unsqueeze": ["a.unsqueeze(0)", "a.unsqueeze(-1)"],
    "expand": ["a.expand(2, -1, -1)", "a[:, :, None].expand(-1, -1, 4)"],
    "pad": ["a.pad((1, 1))", "a.pad((0, 1, 2, 0), value=1.5)"],
    "getitem": ["a[:, ::2]", "a[a > 0]", "a[1:]", "a[np.array([], int)]", "a[..., None]"],
    "cat": ["tt.cat([a, a])", "tt.cat([a, a], axis=1)"],
    "stack": ["tt.stack([a, a])", "tt.stack([a], axis=-1)"],
}


@observe(shown="{expressions}  # their shapes and dtypes")
def shapes_of(tt: Any, expressions: Any, a: Any) -> Any:
    found = [eval(e, {"tt": tt, "np": np, "a": tt.Tensor(a)}) for e in expressions]
    return [[x.shape, str(x.dtype)] for x in found]


@by_name("expressions", EMPTY)
def test_operations_on_nothing(expressions: Any) -> None:
    """01.21 No rows, and no columns, in every operation: the shape and the dtype."""
    for a in (np.zeros((0, 3), np.float32), np.zeros((2, 0), np.float32)):
        want = [in_numpy(expression.replace("mean", "sum"), a) for expression in expressions]
        got = shapes_of(expressions, a)
        assert_equal(got, want=[[w.shape, str(w.dtype)] for w in want])


@by_name("expression", {"flatten": "a.flatten(1)", "var": "a.unsqueeze(1).var(axis=1)"})
def test_empty_batches(expression: str) -> None:
    """01.21 flatten and var of a tensor without rows: the shape."""
    shape = (0, 15) if "flatten" in expression else (0, 3, 5)
    assert_equal(evaluate(expression, np.zeros((0, 3, 5))).shape, want=shape)


@observe
def noted(tt: Any, data: Any) -> Any:
    a, b = tt.Tensor(data, requires_grad=True), tt.Tensor(data)
    note, reduced = (a * b).note, a.sum(dim=1).note
    return {
        "primitive": note.primitive is tt.multiply,
        "parents": [note.parents[0] is a, note.parents[1]],
        "arrays": list(note.arrays),
        "saved": note.saved,
        "static": reduced.static,
        "without a gradient": (b * b).note,
    }


def test_note_of_a_product() -> None:
    """01.22 The notes of a product and of a sum: operation, parents, arrays, static arguments and output."""
    got = noted(X)
    assert_close([*got.pop("arrays"), got.pop("saved")], want=[X, X, X * X])
    static = {"axis": 1, "keepdims": False}
    want = {"primitive": True, "parents": [True, None], "static": static}
    assert_equal(got, want=want | {"without a gradient": None})


@observe(uses=(origins,))
def history(tt: Any, expression: str, a: Any, b: Any, requires: Any) -> Any:
    x = {"a": tt.Tensor(a, "a" in requires), "b": tt.Tensor(b, "b" in requires)}
    out = eval(expression, {"tt": tt, "np": np, **x})
    reached = origins(out)
    found = {"requires a gradient": out.requires_grad}
    for name in requires:
        found[f"notes lead back to {name}"] = any(tensor is x[name] for tensor in reached)
    kept = [x[n].requires_grad == (n in requires) and x[n].note is None for n in "ab"]
    return found | {"operands require what they did": all(kept), "enabled": tt.grad_mode.enabled}


@by_name("expression", EVERY)
def test_history_is_kept(expression: str) -> None:
    """01.22 The notes of each operation, walked back to each operand that requires a gradient."""
    operands = [name for name in "ab" if re.search(rf"\b{name}\b(?<!asarray\({name})", expression)]
    want = {"requires a gradient": True}
    after = {"operands require what they did": True, "enabled": True}
    for requires in [operands[:1], operands, operands[1:]][: 2 * len(operands) - 1]:
        leads = {f"notes lead back to {name}": True for name in requires}
        got = history(expression, positive(2, 3), positive(2, 3, seed=1), requires)
        assert_equal(got, want=want | leads | after)


WHOLE = {
    "var": ["a.var()", "a.var(0)", "a.var(1, correction=0, keepdims=True)"],
    "transpose": ["a.transpose(0, 1)"],
    "flatten": ["a.flatten()", "a.unsqueeze(1).flatten(1)"],
    "squeeze": ["a.unsqueeze(1).squeeze()", "a.squeeze(0)"],
    "unsqueeze": ["a.unsqueeze(-1)"],
    "cat": ["tt.cat([a, b, a])", "tt.cat([b, a], axis=1)", "tt.cat([a, a])"],
    "stack": ["tt.stack([a, b, a])", "tt.stack([b, a], axis=-1)", "tt.stack([a, a], axis=1)"],
}


@by_name("expressions", WHOLE)
def test_history_is_whole(expressions: Any) -> None:
    """01.22 What is made of other operations: its notes, followed with other numbers."""
    a, b = positive(2, 3), positive(2, 3, seed=1)
    for expression in expressions:
        for learns in ("a", "ab", "b") if "b" in expression else ("a",):
            assert_followed(expression, a, b, learns=learns)


@by_name("expression", {"argmax": "a.argmax()", "greater": "a > 0.5", "add": "tt.ones(2) + 1"})
def test_history_ends(expression: str) -> None:
    """01.22 Results of integers, of bools, and of operands without a gradient have no note."""
    assert_equal(history_of(expression, positive(2, 3)), want=[False, None])


@observe
def history_of(tt: Any, expression: str, a: Any) -> Any:
    out = eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a, requires_grad=True)})
    return [out.requires_grad, out.note]


FEW_AXES = {  # what gives new memory, and what lies in the memory of a; of a number, and of one axis
    "add": (["a + 0", "0 + a"], []),
    "negative": (["-a"], []),
    "exp": (["a.exp()"], []),
    "log": (["a.log()"], []),
    "sqrt": (["a.sqrt()"], []),
    "absolute": (["a.abs()"], []),
    "maximum": (["tt.maximum(a, 0)", "tt.maximum(a, a)"], []),
    "where": (["tt.where(True, a, a)"], []),
    "clip": (["a.clip(0, 100)", "a.clip(0.5, 1)"], []),
    "sum_": (["a.sum()", "a.sum(0)", "a.sum(-1, keepdims=True)"], []),
    "mean": (["a.mean()", "a.mean(0)", "a.mean(-1, keepdims=True)"], []),
    "amax": (["a.max()", "a.max(0)", "a.max(-1, keepdims=True)"], []),
    "amin": (["a.min()", "a.min(0)", "a.min(-1, keepdims=True)"], []),
    "var": (["a.var(correction=0)", "a.var(0, 0)", "a.var(-1, 0, keepdims=True)"], []),
    "pad": (["a.pad(())"], []),
    "reshape": ([], ["a.reshape(-1)", "a.reshape(a.shape)"]),
    "permute": ([], ["a.T", "a.permute(tuple(range(a.ndim)))"]),
    "transpose": ([], ["a.transpose(0, 0)", "a.transpose(-1, 0)"]),
    "flatten": ([], ["a.flatten()", "a.flatten(0, 0)", "a.flatten(-1)"]),
    "squeeze": ([], ["a.reshape(1, -1).squeeze(0)", "a.reshape(-1, 1).squeeze(-1)"]),
    "unsqueeze": ([], ["a.unsqueeze(0)", "a.unsqueeze(-1)"]),
    "expand": ([], ["a.expand(a.shape)", "a.expand((2, *a.shape))"]),
    "getitem": ([], ["a[...]", "a[None]", "a[..., None]"]),
    "cat": (["tt.cat([a.unsqueeze(0)])", "tt.cat([a.reshape(-1)] * 2, -1)"], []),
    "stack": (["tt.stack([a])", "tt.stack([a, a], axis=-1)"], []),
}


@observe(
    shown="{expression}  # its dtype, its memory, its history; and a afterwards", uses=(origins,)
)
def of_few_axes(tt: Any, expression: str, a: Any) -> Any:
    x = tt.Tensor(a.copy(), requires_grad=True)
    out = eval(expression, {"tt": tt, "np": np, "a": x})
    return {
        "dtype": str(out.dtype),
        "lies in the memory of a": np.shares_memory(out.data, x.data),
        "notes lead back to a": any(tensor is x for tensor in origins(out)),
        "a is what it was": (x.data == a).all() and x.note is None and x.shape == a.shape,
    }


@by_name("expressions", FEW_AXES)
def test_operations_on_few_axes(expressions: Any) -> None:
    """01.21 A number, one element and one axis: dtype, memory, history, and a afterwards."""
    for a in (np.array(2.5), np.array([0.5], np.float32), np.array([3.0, 0.5, 2.0], np.float32)):
        for free, several in enumerate(expressions):
            want = {"dtype": str(a.dtype), "lies in the memory of a": bool(free)}
            want |= {"notes lead back to a": True, "a is what it was": True}
            for expression in several:
                assert_equal(of_few_axes(expression, a), want=want)


@observe
def switched_off(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data, requires_grad=True)
    tt.grad_mode.enabled = False
    try:
        off = (x * 2).requires_grad
    finally:
        tt.grad_mode.enabled = True
    return {"off": off, "on": (x * 2).requires_grad}


def test_grad_mode_switches_notes_off() -> None:
    """01.22 An operation while grad_mode.enabled is False."""
    assert_equal(switched_off([1.5]), want={"off": False, "on": True})


# ---- every dtype beside every other: 01.19 -------------------------------------------------------


def record(torch: Any) -> dict[str, Any]:
    """PyTorch's dtypes, for the table."""
    return dtypes.record(torch)


@observe
def dtype_or_refusal(tt: Any, expression: str) -> Any:
    try:
        return str(eval(expression, {"tt": tt, "np": np}).dtype)
    except (TypeError, ValueError, IndexError, AttributeError):
        return "refused"


@observe
def dtypes_or_refusals(tt: Any, expressions: Any) -> Any:
    found = []
    for expression in expressions:
        try:
            found.append(str(eval(expression, {"tt": tt, "np": np}).dtype))
        except (TypeError, ValueError, IndexError, AttributeError):
            found.append("refused")
        except Exception as error:  # asked again by itself, it shows
            found.append(type(error).__name__)
    return found


@by_name("name", {name: name for name in dtypes.EXPRESSIONS})
def test_dtypes_meet(name: str) -> None:
    """01.19 Tensors meet in the wider dtype of the higher kind; numbers only lift a lower kind."""
    want = dtypes.wanted(name, own("01", f"dtypes/{name}"))
    got = dtypes_or_refusals(list(want))
    wrong = [e for e, answer in zip(want, got, strict=True) if answer != want[e]]
    for expression in wrong[:1] or list(want)[:1]:
        assert_equal(dtype_or_refusal(expression), want=want[expression])
    assert_equal(got, want=list(want.values()))


SMALL, LARGE = "tt.Tensor(np.array([200, 12], np.uint8))", "tt.Tensor(np.array([16777217, 3]))"


@by_name(
    "expression, want",
    {
        "exp-bytes": (f"{SMALL}[1:].exp()", np.exp(np.float32([12]))),
        "sqrt-integers": ("tt.Tensor(np.array([2, 9])).sqrt()", np.sqrt(np.float32([2, 9]))),
        "sqrt-bytes": (f"{SMALL}.sqrt()", np.sqrt(np.float32([200, 12]))),
        "log-integers": ("tt.Tensor(np.array([[2], [9]])).log()", np.log(np.float32([[2], [9]]))),
        "log-bytes": (f"{SMALL}.log()", np.log(np.float32([200, 12]))),
        "exp-integers": ("tt.Tensor(np.array([-1, 2])).exp()", np.exp(np.float32([-1, 2]))),
        "divide-tensors": ("tt.Tensor(np.array([7, -7])) / [2]", np.float32([3.5, -3.5])),
        "__rtruediv__-bytes": (f"1 / {SMALL}", np.float32(1) / np.float32([200, 12])),
        "mean-rows": ("tt.Tensor(np.array([[1, 2], [-3, 0]])).mean(1)", np.float32([1.5, -1.5])),
        "power-root": (f"{SMALL} ** 0.5", np.sqrt(np.float32([200, 12]))),
        "__rpow__-fraction": (f"0.5 ** {SMALL}[1:]", np.float32([0.5**12])),
        "absolute-bytes": (f"abs({SMALL})", np.uint8([200, 12])),
        "absolute-narrow": ("tt.Tensor(np.int8([-7, 127])).abs()", np.int8([7, 127])),
        "maximum-bytes": (f"tt.maximum({SMALL}, 100)", np.uint8([200, 100])),
        "maximum-fraction": (f"tt.maximum({SMALL}, 12.5)", np.float32([200, 12.5])),
        "clip-bytes": (f"{SMALL}.clip(20, 199)", np.uint8([199, 20])),
        "clip-fractions": (f"{SMALL}.clip(12.5, 199.5)", np.float32([199.5, 12.5])),
        "clip-fraction": ("tt.Tensor(np.array([-3, 5])).clip(-0.5)", np.float32([-0.5, 5])),
        "where-fraction": (f"tt.where({SMALL} > 20, {SMALL}, 0.5)", np.float32([200, 0.5])),
        "var-bytes": (f"{SMALL}.var(0)", np.float32(17672)),
        "divide-bytes": (f"{SMALL} / 255", np.float32([200, 12]) / np.float32(255)),
        "divide-integers": (f"{LARGE} / 2", np.float32([8388608.5, 1.5])),
        "multiply-mask": ("(tt.Tensor([0.5, -1.0]) > 0) * 0.1", np.float32([0.1, 0])),
        "__rsub__-mask": ("1.0 - (tt.Tensor([0.5, -1.0]) > 0)", np.float32([0, 1])),
        "where-numbers": ("tt.where(tt.Tensor([True, False]), 0.1, 2)", np.float32([0.1, 2])),
        "exp-number": ("tt.exp(1.0)", np.exp(np.float32(1))),
        "sum_-bytes": (f"{SMALL}.sum()", np.int64(212)),
        "sum_-bool": ("tt.Tensor(True).sum(0)", np.int64(1)),
        "sum_-byte": ("tt.Tensor(np.uint8(200)).sum(-1)", np.int64(200)),
        "sum_-rows": (f"tt.cat([{SMALL}, {SMALL}]).reshape(2, 2).sum(0)", np.array([400, 24])),
        "sum_-narrow": ("tt.Tensor(np.full((1, 4), 2**30, np.int32)).sum(1)", np.array([2**32])),
        "mean-integer": ("tt.Tensor(np.array(3)).mean(0)", np.float32(3)),
        "mean-bool": ("tt.Tensor(True).mean(-1, keepdims=True)", np.float32(1)),
        "amax-byte": ("tt.Tensor(np.uint8(200)).max(0)", np.uint8(200)),
        "negative-bytes": (f"-{SMALL}", np.uint8([56, 244])),
        "sum_-bools": ("tt.Tensor([True, True]).sum()", np.int64(2)),
        "var-integers": ("tt.Tensor(np.array([10000, 10001, 10002])).var()", np.float32(1)),
        "var-bools": ("tt.Tensor([True, False, False, True]).var(correction=0)", np.float32(0.25)),
        "mean-bytes": (f"{SMALL}.mean()", np.float32(106)),
        "not_equal-exactly": (f"({LARGE} != np.int64(16777216)) * 1", np.array([1, 1])),
        "not_equal-too-large": (f"({SMALL} != 300) * 1", np.array([1, 1])),
        "add-scalar": (f"{LARGE} + np.int64(1)", np.array([16777218, 4])),
        "add-unsigned": (f"{LARGE} + np.array([1, 2], np.uint64)", np.array([16777218, 5])),
        "clip-scalar": ("tt.Tensor([0.5, -1.0]).clip(np.float64(0), None)", np.float32([0.5, 0])),
        "getitem-list": ("tt.Tensor([0.5, 2.0, 3.0])[tt.Tensor([2, 0])]", np.float32([3, 0.5])),
        "getitem-shifted": (
            f"tt.Tensor([0.5, 2.0])[{SMALL} * 0 + np.int64(1)]",
            np.float32([2, 2]),
        ),
    },
)
def test_values_of_unlike_dtypes(expression: str, want: Any) -> None:
    """01.19 Integers meet as integers; where a fraction comes of integers, it is computed in float32."""
    assert_close(evaluate(expression), want=want)


@by_name(
    "expression, error, says",
    {
        "add-too-large": (f"{SMALL} + 300", "ValueError", ("300", "uint8")),
        "where-too-large": (f"tt.where({SMALL} > 1, {SMALL}, 300)", "ValueError", ("300", "uint8")),
        "maximum-too-large": (f"tt.maximum({SMALL}, 300)", "ValueError", ("300", "uint8")),
        "masked_fill-too-large": (f"{SMALL}.masked_fill({SMALL} > 1, -1)", "ValueError", ("-1",)),
        "pad-too-large": (f"{SMALL}.pad((1, 0), value=300)", "ValueError", ("300", "uint8")),
        "pad-negative": (f"{SMALL}.pad((0, 1), -1)", "ValueError", ("-1", "uint8")),
        "pad-fraction-too-large": (f"{SMALL}.pad((1, 0), value=300.5)", "ValueError", ("300",)),
        "pad-fraction-negative": (f"{SMALL}.pad((0, 1), -1.5)", "ValueError", ("-1",)),
        "clip-too-large": (f"{SMALL}.clip(300, None)", "ValueError", ("300", "uint8")),
        "add-negative": (f"{SMALL} + tt.Tensor(np.array(-1))", "ValueError", ("-1", "uint8")),
        "subtract-bools": ("tt.Tensor([True]) - True", "TypeError", ("bool", "!=")),
        "negative-bools": ("-tt.Tensor([True])", "TypeError", ("bool", "~")),
        "add-text": ("tt.Tensor([0.5]) + 'abc'", "TypeError", ("abc",)),
        "getitem-fraction": ("tt.Tensor([0.5, 2.0])[tt.Tensor([0.5])]", "IndexError", ("0.5",)),
    },
)
def test_dtypes_that_do_not_meet(expression: str, error: str, says: Any) -> None:
    """01.19 Numbers that do not fit, signs of bools, text, a fraction as an index."""
    assert_raises(evaluate, expression, error=error, says=says)
