"""Kata 01, Tensor: the clauses of katas/01_tensor/README.md, in the order in which they turn green.

The sections follow the tasks; no section needs a blank of a later one. The last ones, conventions,
hold for every operation.
"""

from __future__ import annotations

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
    assert_raises,
    assert_unchanged,
    assert_zeros,
)
from support.expressions import evaluate
from support.observe import observe
from support.oracle import Case, check_values, own, unary
from support.strategies import (
    CURATED,
    MATRICES,
    PAIRS,
    PRODUCTS,
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
    return {"shape": x.shape, "ndim": x.ndim, "size": x.size, "dtype": str(x.dtype)}


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (2.5, "float32"),
        (list(range(1, integer(2, 2, 400) + 1)), "float32"),
        ([[1, 2, 3], [4.5, 5, 6]], "float32"),
        ([True], "bool"),
    ],
    ids=["__init__-number", "__init__-integers", "__init__-rows", "__init__-bools"],
)
def test_construct_from_python(data: Any, dtype: str) -> None:
    """01.1 Numbers, lists, nested lists and bools, each with its values and its dtype."""
    a = np.array(data)
    want = {"shape": a.shape, "ndim": a.ndim, "size": a.size, "dtype": dtype}
    assert_equal(described(data), want=want)


@observe
def dtype(tt: Any, expression: str) -> Any:
    return str(eval(expression, {"tt": tt, "np": np}).dtype)


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


@observe
def attributes(tt: Any, data: Any) -> Any:
    x, y = tt.Tensor(data), tt.Tensor(data, requires_grad=True)
    return {"x": [x.requires_grad, x.grad, x.note], "y": [y.requires_grad, y.grad, y.note]}


def test_construct_attributes() -> None:
    """01.2 A tensor made with and one made without requires_grad=True."""
    want = {"x": [False, None, None], "y": [True, None, None]}
    assert_equal(attributes([1.5, 2.0]), want=want)


@by_name(
    "expression, want",
    {
        "item": ("tt.Tensor(2.5).item()", 2.5),
        "item-nested": ("tt.Tensor(np.array([[2.5]])).item()", 2.5),
        "item-integer": ("tt.Tensor(np.array([3])).item()", 3),
    },
)
def test_item_is_a_python_number(expression: str, want: Any) -> None:
    """01.3 One element in zero axes and in two, and an integer: value and type."""
    assert_equal(evaluate(expression), want=want)


@by_name("shape", {"item-two": (2,), "item-none": (0,), "item-six": (2, 3)})
def test_item_refuses_other_sizes(shape: tuple[int, ...]) -> None:
    """01.3 item() of two elements, of six and of none."""
    assert_raises(evaluate, "a.item()", np.ones(shape), error="ValueError", says=(str(shape),))


@observe
def handed_out(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data)
    return {"tolist()": x.tolist(), "numpy() is x.data": x.numpy() is x.data}


def test_numpy_and_tolist() -> None:
    """01.3 numpy() and tolist() of one matrix."""
    a = X * real(1.0, 0.5, 2)
    assert_equal(handed_out(a), want={"tolist()": a.tolist(), "numpy() is x.data": True})


@observe
def detached(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data, requires_grad=True)
    y = x.detach()
    return {
        "y.requires_grad": y.requires_grad,
        "y.note": y.note,
        "memory is shared": np.shares_memory(x.data, y.data),
        "x.requires_grad": x.requires_grad,
    }


def test_detach_forgets_the_history() -> None:
    """01.3 The detached tensor, and x itself afterwards."""
    want = {
        "y.requires_grad": False,
        "y.note": None,
        "memory is shared": True,
        "x.requires_grad": True,
    }
    assert_equal(detached(dyadic(3)), want=want)


@by_name(
    "expression, want",
    {
        "__repr__": ("tt.Tensor([1.5, 2.0])", "Tensor([1.5, 2. ])"),
        "__repr__-rows": ("tt.Tensor([[1], [3]])", "Tensor([[1.],\n        [3.]])"),
        "__repr__-bools": ("tt.Tensor([True, False])", "Tensor([ True, False])"),
        "__repr__-dtype": ("tt.Tensor(np.array([1.5]))", "Tensor([1.5], dtype=float64)"),
        "__repr__-grad": ("tt.Tensor(2.5, requires_grad=True)", "Tensor(2.5, requires_grad=True)"),
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
    },
)
def test_construct_refuses(expression: str, error: str, says: str) -> None:
    """01.4 Text, None, complex numbers, objects and ragged lists."""
    assert_raises(evaluate, expression, error=error, says=(says,))


@pytest.mark.parametrize("kind", ["int64", "bool"])
def test_construct_refuses_integer_gradient(kind: str) -> None:
    """01.4 Integers and bools with requires_grad=True."""
    expression = f"tt.Tensor(np.ones(3, np.{kind}), requires_grad=True)"
    assert_raises(evaluate, expression, error="TypeError", says=(kind,))


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
    },
)
def test_operand_on_either_side(expression: str, want: Any) -> None:
    """01.7 A number, a list or an array, left and right of each operator."""
    a = dyadic(2, 3)
    assert_close(either_side(expression, a), want=want(a))


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


@by_name("expression", {"maximum": "tt.maximum(a, b)", "where": "tt.where(a > 0, a, b)"})
def test_elementwise_refuses_shapes(expression: str) -> None:
    """01.8 maximum and where of shapes that do not broadcast."""
    a, b = dyadic(2, 3), dyadic(5)
    assert_raises(evaluate, expression, a, b, error="ValueError", says=("(2, 3)", "(5,)"))


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


@given(seed=seeds)
def test_matmul_of_any_numbers(seed: int) -> None:
    """01.9 A stack of matrices and one matrix, drawn numbers."""
    a, b = fill((2, 3, 5), seed), fill((5, 7), seed + 1)
    want, terms = np.einsum("nij,jk->nik", a, b), np.abs(a) @ np.abs(b)
    assert_close(evaluate("a @ b", a, b), want=want, terms=terms)


def test_matmul_of_an_array_and_a_tensor() -> None:
    """01.9 An array on the left of @."""
    a = dyadic(2, 3)
    assert_close(either_side("np.array([[1.0, 2.0]]) @ a", a), want=np.array([[1.0, 2.0]]) @ a)


@by_name(
    "shapes",
    {
        "matmul": ((2, 3), (2, 3)),
        "matmul-vectors": ((3,), (5,)),
        "matmul-stacks": ((5, 2, 3), (5, 7, 2)),
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


@by_name("expression", {"sum_": "a.sum(axis=2)", "mean": "a.mean(axis=2)"})
def test_sum_and_mean_refuse_axes(expression: str) -> None:
    """01.10 axis=2 of two axes."""
    assert_raises(evaluate, expression, dyadic(2, 3), error="IndexError", says=("2", "(2, 3)"))


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
    """01.10 A tensor without axes has no axis 1: an IndexError that names it."""
    assert_raises(evaluate, f"a.{name}(1)", np.array(2.5), error="IndexError", says=("1",))


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


def test_argmax_keepdims() -> None:
    """01.11 argmax with keepdims=True."""
    a = np.array([[0.5, 1.5, 1.5], [1.5, -0.5, 0.5]])
    assert_equal(evaluate("a.argmax(axis=1, keepdims=True)", a), want=np.array([[1], [0]]))


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
    """01.11 max, min and argmax of an empty tensor."""
    assert_raises(evaluate, expression, np.zeros((0, 3)), error="ValueError", says=("(0, 3)",))


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


@by_name("dims", {"flatten": (1, 0), "flatten-far": (2, 0), "flatten-negative": (-1, -2)})
def test_flatten_refuses_an_end_before_its_start(dims: tuple[int, int]) -> None:
    """01.13 Ends before their start, also counted from the end."""
    call, says = f"a.flatten({dims[0]}, {dims[1]})", tuple(map(str, dims))
    assert_raises(evaluate, call, dyadic(2, 3, 5), error="ValueError", says=says)


def test_reshape_refuses_other_sizes() -> None:
    """01.13 Sizes whose product is not the number of elements."""
    says = ("(2, 3)", "4")
    assert_raises(evaluate, "a.reshape(4, 2)", dyadic(2, 3), error="ValueError", says=says)


@by_name(
    "expression",
    {
        "permute": "a.permute(0, 5)",
        "transpose": "a.transpose(0, 5)",
        "flatten": "a.flatten(5)",
        "squeeze": "a.squeeze(5)",
        "unsqueeze": "a.unsqueeze(5)",
    },
)
def test_movement_refuses_axes(expression: str) -> None:
    """01.13 Axis 5 of two axes, for each function."""
    assert_raises(evaluate, expression, dyadic(2, 3), error="IndexError", says=("5",))


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


@by_name(
    "expression",
    {
        "expand-size": "a.expand(4, 3)",
        "expand-axes": "a.expand(3)",
        "expand-new": "a.expand(-1, 2, 3)",
        "pad-odd": "a.pad((1, 2, 3))",
        "pad-axes": "a.pad((1, 1, 1, 1, 1, 1))",
    },
)
def test_expand_and_pad_refuse(expression: str) -> None:
    """01.14 An axis of size 2 stretched, more padding than axes, and their kin."""
    assert_raises(evaluate, expression, dyadic(2, 3), error="ValueError", says=("(2, 3)",))


def test_pad_refuses_half_a_pair() -> None:
    """01.14 One width where an axis needs two."""
    assert_raises(evaluate, "a.pad((1,))", dyadic(3), error="ValueError", says=("(3,)",))


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


def test_index_out_of_range() -> None:
    """01.15 x[5] of two rows."""
    assert_raises(evaluate, "a[5]", dyadic(2, 3), error="IndexError", says=("5", "(2, 3)"))


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
    },
)
def test_making(expression: str, want: Any) -> None:
    """01.17 ones, full and arange: values and dtype."""
    assert_close(evaluate(expression), want=want.astype(np.float32))


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


@by_name("call", {"zeros": "tt.zeros(2", "ones": "tt.ones((2,)", "full": "tt.full((2,), 0.5"})
def test_making_leaves(call: str) -> None:
    """01.17 zeros, ones and full, with requires_grad=True and without."""
    got = evaluate(f"[{call}, requires_grad=True).requires_grad, {call}).requires_grad]")
    assert_equal(got, want=[True, False])


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
    """01.18 Mean and spread of 10,000 numbers, within 5 sigma."""
    x = drawn(name, (100, 100))["first"].astype(np.float64)
    distance, spread = abs(x.mean() - mean), abs(x.std() / std - 1)
    assert_below(distance, limit=5 * std / x.size**0.5, what="distance of the mean from its place")
    assert_below(spread, limit=5 / x.size**0.5, what="relative distance of the spread from its")


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_leaves(name: str) -> None:
    """01.18 Drawn with requires_grad=True and without."""
    got = evaluate(f"[tt.{name}(2, requires_grad=True).requires_grad, tt.{name}(2).requires_grad]")
    assert_equal(got, want=[True, False])


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
    pairs = [(positive(2, 3).astype(kind), (positive(2, 3) + 1).astype(kind)) for kind in kinds]
    assert_equal(dtypes_of(expression, *pairs), want=kinds)


@observe
def operands_after(tt: Any, expression: str, a: Any, b: Any) -> Any:
    eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a), "b": tt.Tensor(b)})
    return {"a": a, "b": b}


@by_name("expression", EVERY)
def test_operands_are_not_modified(expression: str) -> None:
    """01.20 The operands' arrays before and after each operation."""
    a, b = positive(2, 3), positive(2, 3, seed=1)
    assert_unchanged(operands_after(expression, a, b), was={"a": a, "b": b})


@observe
def shares(tt: Any, expression: str, a: Any) -> Any:
    out = eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a)})
    return "shares memory" if np.shares_memory(out.data, a) else "is a copy"


@by_name(
    "expression",
    {
        "reshape": "a.reshape(3, 2)",
        "permute": "a.permute(1, 0)",
        "transpose": "a.transpose(0, 1)",
        "flatten": "a.flatten()",
        "squeeze": "a.squeeze()",
        "unsqueeze": "a.unsqueeze(0)",
        "expand": "a.expand(5, 2, 3)",
        "getitem": "a[1:]",
    },
)
def test_movement_is_free(expression: str) -> None:
    """01.21 Whether the result lies in the memory of a."""
    assert_equal(shares(expression, dyadic(2, 3)), want="shares memory")


@by_name(
    "expression",
    {"add": "a + 0", "maximum": "tt.maximum(a, a)", "pad": "a.pad((0, 1))", "getitem": "a[[0, 1]]"},
)
def test_results_are_new_memory(expression: str) -> None:
    """01.21 Arithmetic, pad and selection by arrays: whether the result lies in the memory of a."""
    assert_equal(shares(expression, dyadic(2, 3)), want="is a copy")


@by_name("expression", {"exp": "a.exp()", "multiply": "a * a", "sum_": "a.sum(axis=0)"})
def test_strided_and_empty_inputs(expression: str) -> None:
    """01.21 exp, a product and a sum: of a strided view and of its copy, and without rows."""
    a, columns = dyadic(6, 5)[::2, ::-1], integer(5, 5, 50)
    assert_close(evaluate(expression, a), want=evaluate(expression, a.copy()))
    assert_equal(evaluate(expression, np.zeros((0, columns))).shape[-1], want=columns)


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


@observe
def history(tt: Any, expression: str, a: Any, b: Any) -> Any:
    a, b = tt.Tensor(a, requires_grad=True), tt.Tensor(b)
    out = eval(expression, {"tt": tt, "np": np, "a": a, "b": b})
    reached, waiting = [], [out]
    while waiting:
        tensor = waiting.pop()
        reached.append(tensor)
        waiting += [p for p in (tensor.note.parents if tensor.note else ()) if p is not None]
    leads_to_a = any(tensor is a for tensor in reached)
    return {"requires a gradient": out.requires_grad, "notes lead back to a": leads_to_a}


@by_name("expression", EVERY)
def test_history_is_kept(expression: str) -> None:
    """01.22 The notes of each operation, walked back to a."""
    want = {"requires a gradient": True, "notes lead back to a": True}
    assert_equal(history(expression, positive(2, 3), positive(2, 3, seed=1)), want=want)


@by_name("expression", {"argmax": "a.argmax()", "greater": "a > 0.5", "add": "tt.ones(2) + 1"})
def test_history_ends(expression: str) -> None:
    """01.22 Results of integers, of bools, and of operands without a gradient have no note."""
    assert_equal(history_of(expression, positive(2, 3)), want=[False, None])


@observe
def history_of(tt: Any, expression: str, a: Any) -> Any:
    out = eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a, requires_grad=True)})
    return [out.requires_grad, out.note]


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
    except (TypeError, ValueError, IndexError):
        return "refused"


@observe
def dtypes_or_refusals(tt: Any, expressions: Any) -> Any:
    found = []
    for expression in expressions:
        try:
            found.append(str(eval(expression, {"tt": tt, "np": np}).dtype))
        except (TypeError, ValueError, IndexError):
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
        "divide-bytes": (f"{SMALL} / 255", np.float32([200, 12]) / np.float32(255)),
        "divide-integers": (f"{LARGE} / 2", np.float32([8388608.5, 1.5])),
        "multiply-mask": ("(tt.Tensor([0.5, -1.0]) > 0) * 0.1", np.float32([0.1, 0])),
        "__rsub__-mask": ("1.0 - (tt.Tensor([0.5, -1.0]) > 0)", np.float32([0, 1])),
        "where-numbers": ("tt.where(tt.Tensor([True, False]), 0.1, 2)", np.float32([0.1, 2])),
        "exp-number": ("tt.exp(1.0)", np.exp(np.float32(1))),
        "sum_-bytes": (f"{SMALL}.sum()", np.int64(212)),
        "sum_-bools": ("tt.Tensor([True, True]).sum()", np.int64(2)),
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
