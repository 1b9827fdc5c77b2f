"""Kata 01, Tensor: the clauses of katas/01_tensor/README.md, in the order in which they turn green."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from support.asserts import assert_below, assert_close, assert_equal, assert_raises, assert_zeros
from support.observe import observe
from support.oracle import Case, check_values, unary
from support.scenes import evaluate
from support.strategies import CURATED, MATRICES, PAIRS, PRODUCTS, WITH_AXES, arrays, broadcast_pairs, dyadic, fill, positive, seeds

# ---- 01.1 to 01.4: a tensor and what it holds ----------------------------------------------------


@observe
def described(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data)
    return {"shape": x.shape, "ndim": x.ndim, "size": x.size, "dtype": str(x.dtype), "values": x.tolist()}


@pytest.mark.parametrize(
    ("data", "dtype"),
    [(2, "float32"), ([1.5, -2.0], "float32"), ([[1, 2, 3], [4, 5, 6]], "float32"), ([True, False], "bool")],
    ids=["number", "floats", "integers", "bools"],
)
def test_construct_from_python(data: Any, dtype: str) -> None:
    """01.1 Numbers and nested lists become float32, bools stay bool."""
    array = np.array(data)
    assert_equal(described(data), want={"shape": array.shape, "ndim": array.ndim, "size": array.size, "dtype": dtype, "values": data})


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "bool"])
def test_construct_keeps_array_dtype(dtype: str) -> None:
    """01.2 A NumPy array keeps its dtype."""
    assert_equal(described(np.array([[1, 0, 1]], dtype))["dtype"], want=dtype)


@observe
def fresh(tt: Any, data: Any) -> Any:
    x, y = tt.Tensor(data), tt.Tensor(data, requires_grad=True)
    shares = x.numpy() is x.data and bool(np.shares_memory(x.data, data))
    return [x.requires_grad, y.requires_grad, x.grad is None, x.note is None, shares, tt.Tensor(y).tolist() == x.tolist()]


def test_construct_attributes() -> None:
    """01.2 An array shares its memory with the tensor; grad and note start as None."""
    assert_equal(fresh(dyadic(2, 3)), want=[False, True, True, True, True, True])


@observe
def item(tt: Any, data: Any) -> Any:
    return tt.Tensor(data).item()


def test_item_is_a_python_number() -> None:
    """01.3 item() gives the value of a tensor of one element as a Python number."""
    assert_equal(item(np.full((1, 1), 2.5, np.float32)), want=2.5)


@pytest.mark.parametrize("shape", [(2,), (0,), (2, 3)], ids=str)
def test_item_refuses_other_sizes(shape: tuple[int, ...]) -> None:
    """01.3 item() of none or several elements is a ValueError that names the shape."""
    assert_raises(item, np.zeros(shape), error="ValueError", says=(str(shape),))


@observe
def detached(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data, requires_grad=True)
    y = x.detach()
    return [y.requires_grad, y.note is None, bool(np.shares_memory(x.data, y.data)), y is x, y.tolist() == x.tolist()]


def test_detach_shares_memory() -> None:
    """01.3 detach() is another tensor on the same memory that requires no gradient."""
    assert_equal(detached(dyadic(3)), want=[False, True, True, False, True])


@observe
def printed(tt: Any, data: Any, requires_grad: bool = False) -> Any:
    return repr(tt.Tensor(data, requires_grad=requires_grad))


def test_repr_shows_values() -> None:
    """01.3 repr shows `Tensor(`, the values, a dtype other than float32, and requires_grad."""
    assert_equal(printed([1.5, 2.0], True), want="Tensor([1.5, 2. ], requires_grad=True)")
    assert_equal(printed(np.array([1.5])), want="Tensor([1.5], dtype=float64)")
    assert_equal(printed([[1, 2], [3, 4]]), want="Tensor([[1., 2.],\n        [3., 4.]])")


@observe
def construct(tt: Any, data: Any, requires_grad: bool = False) -> Any:
    return tt.Tensor(data, requires_grad=requires_grad)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [("abc", "TypeError", "abc"), ([[1, 2], [3]], "ValueError", "[3]"), ([None, 1], "TypeError", "None"), (1j, "TypeError", "1j")],
    ids=["text", "ragged", "none", "complex"],
)
def test_construct_refuses(data: Any, error: str, says: str) -> None:
    """01.4 What is not numeric is a TypeError, a ragged list a ValueError; both show the value."""
    assert_raises(construct, data, error=error, says=(says,))


def test_construct_refuses_integer_gradient() -> None:
    """01.4 Only float tensors can require a gradient: otherwise a TypeError names the dtype."""
    assert_raises(construct, np.arange(3), True, error="TypeError", says=("int64",))


# ---- 01.5 to 01.7: arithmetic --------------------------------------------------------------------

PAIRED = tuple(PAIRS)
ARITHMETIC = [
    Case("add", "a + b", PAIRED),
    Case("subtract", "a - b", PAIRED),
    Case("multiply", "a * b", PAIRED),
    Case("divide", "a / b", PAIRED),
    Case("power", "a ** b", PAIRED, kind=("positive", "dyadic")),
    Case("negative", "-a", unary(CURATED)),
    Case("power-number", "a ** 3", unary(CURATED)),
    Case("power-half", "a ** 0.5", unary(CURATED), kind="positive"),
]


@pytest.mark.parametrize("case", ARITHMETIC, ids=str)
def test_arithmetic(case: Case) -> None:
    """01.5 + - * / ** and negation act element by element, with broadcasting."""
    check_values("01", case)


@given(shapes=broadcast_pairs(), seed=seeds)
def test_arithmetic_of_any_shapes(shapes: Any, seed: int) -> None:
    """01.5 + - * / ** and negation act element by element, with broadcasting."""
    a, b = fill(shapes[0], seed), fill(shapes[1], seed + 1)
    assert_close(evaluate("a * b - b / a", a, b), want=a * b - b / a, terms=np.abs(a * b) + np.abs(b / a))


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("a - 2", lambda a: a - 2),
        ("2 - a", lambda a: 2 - a),
        ("3 / a", lambda a: 3 / a),
        ("a / 3", lambda a: a / 3),
        ("2 ** a", lambda a: 2**a),
        ("2 + a * 3 + 3 * a", lambda a: 2 + 6 * a),
        ("np.array([10.0, 20.0, 30.0]) - a", lambda a: np.array([10.0, 20.0, 30.0]) - a),
        ("[10.0, 20.0, 30.0] / a", lambda a: np.array([10.0, 20.0, 30.0]) / a),
        ("np.float64(3.0) - a", lambda a: 3 - a),
        ("np.array([[1.0, 2.0]]) @ a", lambda a: np.array([[1.0, 2.0]]) @ a),
    ],
    ids=["subtract-2", "rsub-2", "rdiv-3", "divide-3", "rpow-2", "radd-rmul", "rsub-array", "rdiv-list", "rsub-scalar", "rmatmul"],
)
def test_operand_on_either_side(expression: str, want: Any) -> None:
    """01.6 Numbers, lists and arrays may stand on either side of an operator."""
    a = dyadic(2, 3)
    assert_close(evaluate(expression, a), want=want(a))


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a * b", "a / b", "a ** b", "tt.maximum(a, b)"])
def test_shapes_must_broadcast(expression: str) -> None:
    """01.7 Shapes that do not broadcast are a ValueError that names both."""
    assert_raises(evaluate, expression, dyadic(2, 3), dyadic(5), error="ValueError", says=("(2, 3)", "(5,)"))


# ---- 01.8: element by element --------------------------------------------------------------------

ELEMENTWISE = [
    Case("exp", "a.exp()", unary(CURATED), kind="normal"),
    Case("log", "a.log()", unary(CURATED), kind="positive"),
    Case("sqrt", "a.sqrt()", unary(CURATED), kind="positive"),
    Case("absolute", "a.abs() + abs(a)", unary(CURATED)),
    Case("maximum", "tt.maximum(a, b)", PAIRED),
    Case("where", "tt.where(a > 0, a, b)", PAIRED),
    Case("where-mask", "tt.where(a < b, b * 2, a)", PAIRED),
    Case("clip", "a.clip(-0.5, 0.75)", unary(CURATED), torch="a.clip(-0.5, 0.75)"),
    Case("clip-min", "a.clip(min=0.25)", unary(CURATED), torch="a.clip(min=0.25)"),
    Case("clip-max", "a.clip(max=0.25)", unary(CURATED), torch="a.clip(max=0.25)"),
]


@pytest.mark.parametrize("case", ELEMENTWISE, ids=str)
def test_elementwise(case: Case) -> None:
    """01.8 exp, log, sqrt, abs, maximum, where and clip act element by element."""
    check_values("01", case)


def test_maximum_takes_numbers() -> None:
    """01.8 exp, log, sqrt, abs, maximum, where and clip act element by element."""
    x = dyadic(2, 3)
    assert_close(evaluate("tt.maximum(a, 0) + tt.where(a > 0, 1.0, a)", x), want=np.maximum(x, 0) + np.where(x > 0, 1.0, x))


def test_clip_needs_a_limit() -> None:
    """01.8 clip without any limit is a ValueError."""
    assert_raises(evaluate, "a.clip()", dyadic(3), error="ValueError", says=("min", "max"))


# ---- 01.9 and 01.10: matrix products -------------------------------------------------------------

MATMUL = [Case("matmul", "a @ b", tuple(PRODUCTS))]


@pytest.mark.parametrize("case", MATMUL, ids=str)
def test_matmul(case: Case) -> None:
    """01.9 @ multiplies matrices, stacks of matrices and vectors."""
    check_values("01", case)


@given(seed=seeds)
def test_matmul_transposes(seed: int) -> None:
    """01.9 @ multiplies matrices, stacks of matrices and vectors."""
    a, b = fill((3, 5), seed), fill((5, 2), seed + 1)
    assert_close(evaluate("(a @ b).T", a, b), want=b.T @ a.T, terms=np.abs(b.T) @ np.abs(a.T))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((3,), (5,)), ((5, 2, 3), (5, 7, 2))], ids=str)
def test_matmul_inner_sizes(shapes: Any) -> None:
    """01.10 Inner sizes that differ are a ValueError that names both shapes."""
    a, b = (dyadic(*s) for s in shapes)
    assert_raises(evaluate, "a @ b", a, b, error="ValueError", says=(str(shapes[0]), str(shapes[1])))


def test_matmul_refuses_numbers() -> None:
    """01.10 An operand without axes is a ValueError."""
    assert_raises(evaluate, "a @ 2", dyadic(3), error="ValueError")


# ---- 01.11 to 01.13: reductions ------------------------------------------------------------------

REDUCTIONS = [
    Case("sum_", "a.sum()", unary(CURATED)),
    Case("sum_-axis0", "a.sum(axis=0)", unary(WITH_AXES)),
    Case("sum_-last-keepdims", "a.sum(axis=-1, keepdims=True)", unary(WITH_AXES)),
    Case("sum_-two-axes", "a.sum(axis=(0, -1))", unary([(2, 1, 3), (2, 3, 5), (3, 3, 3)])),
    Case("mean", "a.mean()", unary(CURATED)),
    Case("mean-axis0", "a.mean(axis=0)", unary(WITH_AXES)),
    Case("mean-last-keepdims", "a.mean(axis=-1, keepdims=True)", unary(WITH_AXES)),
    Case("mean-two-axes", "a.mean(axis=(0, 2), keepdims=True)", unary([(2, 1, 3), (2, 3, 5), (3, 3, 3)])),
    Case("sum_-dim", "a.sum(dim=0, keepdim=True)", unary(WITH_AXES)),
]


@pytest.mark.parametrize("case", REDUCTIONS, ids=str)
def test_sum_and_mean(case: Case) -> None:
    """01.11 sum and mean reduce one axis, several or all; keepdims leaves size 1."""
    check_values("01", case)


def test_mean_of_bools_is_float32() -> None:
    """01.11 The mean of bools or integers is float32."""
    got = evaluate("(a > 0).mean()", np.array([1.0, -1.0, 2.0, 3.0]))
    assert_close(got, want=np.float32(0.75))


EXTREMA = [
    Case("amax", "a.max()", unary(CURATED)),
    Case("amax-axis0", "a.max(axis=0)", unary(WITH_AXES), torch="a.amax(0)"),
    Case("amax-last-keepdims", "a.max(axis=-1, keepdims=True)", unary(WITH_AXES), torch="a.amax(-1, keepdim=True)"),
    Case("amin", "a.min()", unary(CURATED)),
    Case("amin-two-axes", "a.min(axis=(0, 1), keepdims=True)", unary([(2, 3), (2, 3, 5), (3, 3, 3)]), torch="a.amin((0, 1), keepdim=True)"),
]


@pytest.mark.parametrize("case", EXTREMA, ids=str)
def test_max_and_min(case: Case) -> None:
    """01.12 max and min return values along an axis, several axes or all."""
    check_values("01", case)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, 2], ids=str)
def test_argmax(axis: int | None) -> None:
    """01.12 argmax returns the integer index of the first largest element."""
    x = fill((3, 5, 7), 4, "ties")
    assert_equal(evaluate(f"a.argmax(axis={axis})", x).tolist(), want=np.argmax(x, axis=axis).tolist())


def test_max_of_nothing() -> None:
    """01.12 The maximum of no elements is a ValueError that names the shape."""
    assert_raises(evaluate, "a.max()", np.zeros((0, 3)), error="ValueError", says=("(0, 3)",))


SPREAD = [
    Case("var", "a.var()", unary([(3,), (2, 3), (2, 3, 5)])),
    Case("var-axis0", "a.var(axis=0)", unary([(3, 1), (2, 3), (2, 3, 5)]), torch="a.var(0)"),
    Case("var-population", "a.var(axis=-1, correction=0, keepdims=True)", unary([(3,), (2, 3), (2, 3, 5)]), torch="a.var(-1, correction=0, keepdim=True)"),
    Case("var-two-axes", "a.var(axis=(0, 2))", unary([(2, 3, 5), (3, 3, 3)]), torch="a.var((0, 2))"),
]


@pytest.mark.parametrize("case", SPREAD, ids=str)
def test_var(case: Case) -> None:
    """01.13 var divides by n - correction, and correction is 1 unless given."""
    check_values("01", case)


# ---- 01.14 to 01.16: movement --------------------------------------------------------------------

MOVEMENT = [
    Case("reshape", "a.reshape(-1)", unary(CURATED)),
    Case("reshape-2d", "a.reshape(3, -1)", unary([(3,), (2, 3), (2, 3, 5)])),
    Case("reshape-tuple", "a.reshape((1, -1))", unary(CURATED)),
    Case("flatten", "a.flatten()", unary(CURATED)),
    Case("flatten-1", "a.flatten(1)", unary([(2, 3), (2, 3, 5), (2, 1, 3, 5)])),
    Case("flatten-0-1", "a.flatten(0, 1)", unary([(2, 3), (2, 3, 5), (2, 1, 3, 5)])),
    Case("squeeze", "a.squeeze()", unary([(3,), (1, 3), (2, 1, 3, 1), (1, 1)])),
    Case("squeeze-axis", "a.squeeze(-1)", unary([(3, 1), (2, 3), (1, 3, 1)])),
    Case("squeeze-dim", "a.squeeze(dim=0)", unary([(1, 3), (2, 3), (1, 3, 1)])),
    Case("unsqueeze", "a.unsqueeze(0) + a.unsqueeze(-1)", unary([(3,), (3, 3)])),
    Case("unsqueeze-1", "a.unsqueeze(1)", unary(WITH_AXES)),
    Case("unsqueeze-negative", "a.unsqueeze(-2)", unary(WITH_AXES)),
    Case("permute", "a.permute(2, 0, 1)", unary([(2, 1, 3), (2, 3, 5), (3, 3, 3)])),
    Case("transpose", "a.transpose(0, -1)", unary([(3,), *MATRICES])),
    Case("transpose-1-2", "a.transpose(1, 2)", unary([(2, 1, 3), (2, 3, 5), (3, 3, 3)])),
    Case("T", "a.T", unary(MATRICES), torch="a.permute(*reversed(range(a.ndim)))"),
]


@pytest.mark.parametrize("case", MOVEMENT, ids=str)
def test_movement(case: Case) -> None:
    """01.14 reshape, flatten, squeeze, unsqueeze, permute and transpose move elements, row-major."""
    check_values("01", case)


@given(x=arrays(min_dims=2))
def test_movement_round_trip(x: Any) -> None:
    """01.14 reshape, flatten, squeeze, unsqueeze, permute and transpose move elements, row-major."""
    assert_close(evaluate(f"a.T.T.flatten().reshape({x.shape})", x), want=x)


def test_reshape_refuses_other_sizes() -> None:
    """01.14 Sizes that do not multiply to the number of elements are a ValueError."""
    assert_raises(evaluate, "a.reshape(4, 2)", dyadic(2, 3), error="ValueError", says=("(2, 3)", "4"))


STRETCH = [
    Case("expand", "a.expand(2, 3, -1)", unary([(1,), (3, 1), (3, 5), (1, 3, 1)])),
    Case("pad", "a.pad((1, 2))", unary(WITH_AXES), torch="F.pad(a, (1, 2))"),
    Case("pad-two-axes", "a.pad((1, 0, 2, 3), value=0.5)", unary(MATRICES), torch="F.pad(a, (1, 0, 2, 3), value=0.5)"),
]


@pytest.mark.parametrize("case", STRETCH, ids=str)
def test_expand_and_pad(case: Case) -> None:
    """01.15 expand stretches axes of size 1; pad adds a border, the last axis first."""
    check_values("01", case)


@pytest.mark.parametrize("expression", ["a.expand(4, 3)", "a.expand(3)", "a.pad((1, 2, 3))", "a.pad((1, 1, 1, 1, 1, 1))"])
def test_expand_and_pad_refuse(expression: str) -> None:
    """01.15 What cannot be stretched or padded is a ValueError that names the shape."""
    assert_raises(evaluate, expression, dyadic(2, 3), error="ValueError", says=("(2, 3)",))


# ---- 01.16 and 01.17: selecting and joining ------------------------------------------------------

INDEXING = [
    Case("getitem", "a[1]", unary([(3,), (2, 3), (2, 3, 5)])),
    Case("getitem-slices", "a[::2, 1:]", unary([(2, 3), (5, 7), (2, 3, 5)])),
    Case("getitem-ellipsis", "a[..., -1]", unary(WITH_AXES)),
    Case("getitem-none", "a[:, None]", unary(WITH_AXES)),
    Case("getitem-array", "a[np.array([0, 2, 2, 0])]", unary([(3,), (3, 1), (3, 5)])),
    Case("getitem-pairs", "a[np.array([0, 1, 1]), np.array([2, 0, 2])]", unary([(2, 3), (3, 3), (2, 3, 5)])),
    Case("getitem-mask", "a[a > 0.25]", unary([(2, 3), (3, 3), (2, 3, 5)])),
    Case("getitem-tensor", "a[:, a.argmax()]", unary([(1, 3), (1, 7)])),
]


@pytest.mark.parametrize("case", INDEXING, ids=str)
def test_indexing(case: Case) -> None:
    """01.16 x[...] selects with slices, integers, ..., None, arrays, masks and tensors."""
    check_values("01", case)


def test_index_out_of_range() -> None:
    """01.16 An index out of range is an IndexError that names the index and the shape."""
    assert_raises(evaluate, "a[5]", dyadic(2, 3), error="IndexError", says=("5", "(2, 3)"))


JOINING = [
    Case("cat", "tt.cat([a, b])", (((2, 3), (1, 3)), ((3,), (5,)))),
    Case("cat-last", "tt.cat([a, b, a], axis=-1)", (((2, 3), (2, 5)), ((2, 3, 1), (2, 3, 2)))),
    Case("cat-dim", "tt.cat([a, b], dim=1)", (((2, 3), (2, 5)), ((2, 3, 5), (2, 1, 5)))),
    Case("stack", "tt.stack([a, b])", (((2, 3), (2, 3)), ((), ()))),
    Case("stack-last", "tt.stack([a, b, a], axis=-1)", (((2, 3), (2, 3)), ((3,), (3,)))),
]


@pytest.mark.parametrize("case", JOINING, ids=str)
def test_joining(case: Case) -> None:
    """01.17 cat joins along an axis that is there, stack along a new one."""
    check_values("01", case)


@pytest.mark.parametrize("expression", ["tt.cat([a, b])", "tt.stack([a, b])", "tt.cat([])"])
def test_joining_refuses(expression: str) -> None:
    """01.17 An empty list or sizes that do not fit are a ValueError."""
    assert_raises(evaluate, expression, dyadic(2, 3), dyadic(2, 5), error="ValueError")


# ---- 01.18: making -------------------------------------------------------------------------------


@observe
def made(tt: Any, expression: str) -> Any:
    return eval(expression, {"tt": tt})


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("tt.ones(2, 3)", np.ones((2, 3), np.float32)),
        ("tt.full((3,), 0.5)", np.full(3, 0.5, np.float32)),
        ("tt.arange(4)", np.arange(4, dtype=np.float32)),
        ("tt.arange(1, 2, 0.25)", np.arange(1, 2, 0.25, dtype=np.float32)),
    ],
    ids=["ones", "full", "arange", "arange-step"],
)
def test_making(expression: str, want: Any) -> None:
    """01.18 zeros, ones, full and arange are float32."""
    assert_close(made(expression), want=want)


def test_making_zeros() -> None:
    """01.18 zeros, ones, full and arange are float32."""
    got = made("tt.cat([tt.zeros(2, 3), tt.ones(1, 3)])")
    assert_equal([str(got.dtype), got.shape], want=["float32", (3, 3)])
    assert_zeros(got[:2], beside=got[2])


@observe
def drawn(tt: Any, name: str) -> Any:
    draw = getattr(tt, name)
    tt.manual_seed(1)
    first = draw(100, 50)
    second = draw(100, 50)
    tt.manual_seed(1)
    again = draw(100, 50)
    own = draw(5, generator=np.random.default_rng(3))
    return {"first": first, "second": second, "again": again, "own": own, "own again": draw(5, generator=np.random.default_rng(3))}


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random_is_reproducible(name: str) -> None:
    """01.19 rand and randn repeat after manual_seed or with an equal generator, and vary otherwise."""
    got = drawn(name)
    assert_close([got["again"], got["own again"]], want=[got["first"], got["own"]])
    assert_equal([str(got["first"].dtype), got["first"].shape, bool((got["first"] == got["second"]).any())], want=["float32", (100, 50), False])


@pytest.mark.parametrize(("name", "mean", "std"), [("rand", 0.5, 12**-0.5), ("randn", 0.0, 1.0)], ids=["rand", "randn"])
def test_random_distribution(name: str, mean: float, std: float) -> None:
    """01.19 rand is uniform on [0, 1), randn standard normal: mean and spread within 5 sigma."""
    x = drawn(name)["first"].astype(np.float64)
    assert_below(abs(x.mean() - mean), limit=5 * std / x.size**0.5, what="distance of the mean from its expectation")
    assert_below(abs(x.std() / std - 1), limit=5 / x.size**0.5, what="relative distance of the spread from its expectation")


# ---- 01.20 to 01.22: dtypes, purity, memory ------------------------------------------------------


@observe
def dtype_of(tt: Any, expression: str, a: Any, b: Any) -> Any:
    out = eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a), "b": tt.Tensor(b)})
    return str(out.dtype)


EVERY = [
    *["a + b", "a - 2", "3 / a", "a ** 2", "-a", "a @ b.T", "a * [1, 2, 3]", "a + np.float64(0.5)", "a * tt.Tensor(np.arange(3))"],
    *["a.exp()", "a.log()", "a.sqrt()", "a.abs()", "tt.maximum(a, 0)", "tt.where(a > 1, a, 0.0)", "a.clip(0, 1)"],
    *["a.sum()", "a.mean(axis=0)", "a.max()", "a.min(axis=1)", "a.var()", "a.reshape(-1)", "a.T", "a.expand(2, 2, 3)"],
    *["a.pad((1, 1))", "a[0]", "tt.cat([a, b])", "tt.stack([a, b])", "a.flatten().unsqueeze(0).squeeze()"],
]


@pytest.mark.parametrize("expression", EVERY)
def test_float32_stays_float32(expression: str) -> None:
    """01.20 float32 in, float32 out: numbers, lists, integers and NumPy scalars promote nothing."""
    x = positive(2, 3).astype(np.float32)
    assert_equal(dtype_of(expression, x, x), want="float32")


@observe
def after(tt: Any, expression: str, a: Any, b: Any) -> Any:
    eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a), "b": tt.Tensor(b)})
    return [a, b]


@pytest.mark.parametrize("expression", EVERY)
def test_inputs_are_not_modified(expression: str) -> None:
    """01.21 No operation writes to its inputs."""
    x, y = positive(2, 3), positive(2, 3, seed=1)
    assert_close(after(expression, x, y), want=[x, y])


@observe
def shares(tt: Any, expression: str, a: Any) -> Any:
    out = eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(a)})
    return bool(np.shares_memory(out.data, a))


@pytest.mark.parametrize(
    ("expression", "free"),
    [("a.reshape(3, 2)", True), ("a.T", True), ("a.expand(5, 2, 3)", True), ("a[1:]", True), ("a.unsqueeze(0)", True), ("a + 0", False), ("a[[0, 1]]", False), ("a.T.reshape(-1)", False)],
)
def test_movement_is_free(expression: str, free: bool) -> None:
    """01.22 reshape, permute, expand and slices copy nothing; arithmetic and array indices do."""
    assert_equal(shares(expression, dyadic(2, 3)), want=free)


@pytest.mark.parametrize("expression", ["a.exp()", "a + a", "a.sum(axis=0)", "a[1:]", "a.T", "tt.cat([a, a])"])
def test_strided_and_empty_inputs(expression: str) -> None:
    """01.22 Inputs that are strided views or empty work like any other."""
    x = dyadic(6, 5)[::2, ::-1]
    assert_close(evaluate(expression, x), want=evaluate(expression, x.copy()))
    empty = evaluate(expression, np.zeros((0, 5)))
    assert_equal(empty.size, want=5 if "sum" in expression else 0)
