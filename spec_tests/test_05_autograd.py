"""Kata 05, Autograd: the clauses of katas/05_autograd/README.md, in the order in which they turn green.

The engine comes first and needs no rules but those of add and multiply; then the rules, one group
after the other; then what uses both. No section needs a blank of a later one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
    assert_zeros,
)
from support.expressions import gradients, origins
from support.observe import observe
from support.oracle import Case, check_gradients, unary
from support.strategies import (
    CURATED,
    MATRICES,
    PAIRS,
    WITH_AXES,
    broadcast_pairs,
    dyadic,
    fill,
    integer,
    named,
    normal,
    positive,
    real,
    seeds,
    shapes,
)

PAIRED = tuple(PAIRS)
THREE = [(2, 1, 3), (2, 3, 5), (3, 3, 3)]
FEW = settings(max_examples=25)  # each example looks at every element
DIFFERENCES = 45_000.0  # roundings: a central difference is good to 1e-6 of the largest slope


def case(name: str, expression: str, shapes: Any, kind: Any = "dyadic", torch: str = "") -> Case:
    """A case whose gradients are recorded."""
    return Case(name, expression, shapes, kind, torch, gradient=True)


@observe(shown="{expression}")
def differences(tt: Any, expression: str, cotangent: Any, *arrays: Any) -> Any:
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", arrays, strict=False)}
    slopes = []
    for t in tensors.values():
        slope = np.zeros_like(t.data)
        for index in np.ndindex(slope.shape):
            x, ends = t.data[index], []
            for moved in (x + 1e-5, x - 1e-5):
                t.data[index] = moved
                ends.append(
                    float(
                        (eval(expression, {"tt": tt, "np": np, **tensors}).data * cotangent).sum()
                    )
                )
            t.data[index] = x
            slope[index] = (ends[0] - ends[1]) / 2e-5
        slopes.append(slope)
    return slopes


@observe(shown="{expression}.shape")
def shape_of(tt: Any, expression: str, *arrays: Any) -> Any:
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", arrays, strict=False)}
    return eval(expression, {"tt": tt, "np": np, **tensors}).shape


def check_differences(expression: str, seed: int, *inputs: Any) -> None:
    """The gradient under a random cotangent against central differences of the learner's forward."""
    cotangent = fill(shape_of(expression, *inputs), seed + 9, "normal")
    want = differences(expression, cotangent, *inputs)
    got = gradients(expression, cotangent, *inputs)
    names = [f"d/d{name}" for name in "ab"[: len(inputs)]]
    pairs = [dict(zip(names, values, strict=True)) for values in (got, want)]
    assert_close(pairs[0], want=pairs[1], depth=DIFFERENCES)


# ---- the engine: 05.1 to 05.10, with the rules of add and multiply -------------------------------


PRODUCTS_AND_SUMS = {
    "product": ("a * b", lambda a, b: [b, a]),
    "sum": ("a + b", lambda a, b: [np.ones_like(a), np.ones_like(b)]),
    "chain": ("(a + 2) * 3 * b", lambda a, b: [3 * b, 3 * (a + 2)]),
}


@pytest.mark.parametrize("name", PRODUCTS_AND_SUMS)
def test_backward_applies_the_chain_rule(name: str) -> None:
    """05.1 Sums and products of two leaves."""
    expression, slopes = PRODUCTS_AND_SUMS[name]
    a, b, c = dyadic(3, 5), dyadic(3, 5, seed=1), dyadic(3, 5, seed=2)
    assert_close(gradients(expression, c, a, b), want=[c * s for s in slopes(a, b)])


@observe
def which_have_gradients(tt: Any, a: Any, b: Any) -> Any:
    x, constant = tt.Tensor(a, requires_grad=True), tt.Tensor(b)
    on_the_way = x * constant
    result = on_the_way * 3
    result.backward(np.ones_like(a))
    tensors = {"leaf": x, "constant": constant, "on the way": on_the_way, "result": result}
    return {name: t.grad is not None for name, t in tensors.items()} | {"x.grad": x.grad}


def test_leaves_only() -> None:
    """05.2 .grad of two leaves, of a constant, and of a result on the way."""
    got = which_have_gradients(dyadic(3, 5), dyadic(3, 5, seed=1))
    assert_close(got.pop("x.grad"), want=3 * dyadic(3, 5, seed=1))
    assert_equal(got, want={"leaf": True, "constant": False, "on the way": False, "result": False})


@pytest.mark.parametrize(
    ("expression", "wants"),
    [
        ("a * b", "b"),
        ("b * a", "b"),
        ("a + b", "1"),
        ("a * 3", "3"),
        ("3 + a * [1, 2, 3, 4, 5]", "[1, 2, 3, 4, 5]"),
    ],
)
def test_one_operand_requires_a_gradient(expression: str, wants: str) -> None:
    """05.2 Sums and products in which only a needs a gradient."""
    a, b, c = dyadic(3, 5), dyadic(3, 5, seed=1), dyadic(3, 5, seed=2)
    got = partial(expression, c, a, b)
    assert_close(got["a.grad"], want=c * np.asarray(eval(wants, {"b": b})))
    assert_equal(got["b.grad"], want=None)


@observe
def partial(tt: Any, expression: str, cotangent: Any, a: Any, b: Any) -> Any:
    a, b = tt.Tensor(a, requires_grad=True), tt.Tensor(b)
    eval(expression, {"tt": tt, "np": np, "a": a, "b": b}).backward(cotangent)
    return {"a.grad": a.grad, "b.grad": b.grad}


@observe
def kind_of_gradient(tt: Any, a: Any, other: Any, cotangent: Any) -> Any:
    x, kinds = tt.Tensor(a, requires_grad=True), []
    for _ in range(2):
        (x * other + x).backward(cotangent)
        kinds.append([type(x.grad).__name__, x.grad.shape, str(x.grad.dtype)])
    return {"first call": kinds[0], "second call": kinds[1]}


@pytest.mark.parametrize(
    ("shape", "dtype", "other", "cotangent"),
    [
        ((2, 3), "float32", "float32", "float32"),
        ((2, 3), "float64", "float64", "float32"),
        ((2, 3), "float32", "float32", "float64"),
        ((2, 3), "float32", "float64", "float64"),
        ((), "float32", "float32", "float32"),
        ((0, 3), "float64", "float64", "float64"),
        ((2, 3), "float16", "float16", "float64"),
    ],
    ids=["float32", "float64", "cotangent-64", "mixed", "one-number", "empty", "float16"],
)
def test_gradient_is_like_the_data(shape: Any, dtype: str, other: str, cotangent: str) -> None:
    """05.2 Type, shape and dtype of .grad, for float32 and float64, after one call and after two."""
    got = kind_of_gradient(
        np.full(shape, 1.5, dtype), np.full(shape, 2.5, other), np.full(shape, 0.5, cotangent)
    )
    want = ["ndarray", shape, dtype]
    assert_equal(got, want={"first call": want, "second call": want})


@observe
def from_cotangent(tt: Any, a: Any, expression: str) -> Any:
    x = tt.Tensor(a, requires_grad=True)
    (x * 4).backward(eval(expression, {"tt": tt, "np": np}))
    return x.grad


@pytest.mark.parametrize(
    "expression",
    [
        "[1.0, -2.0, 4.0]",
        "np.array([1.0, -2.0, 4.0])",
        "tt.Tensor([1, -2, 4])",
        "np.array([1, -2, 4])",
    ],
    ids=["list", "array", "tensor", "integers"],
)
def test_backward_starts_from_the_gradient(expression: str) -> None:
    """05.3 Cotangents of each kind, for (x * 4)."""
    assert_close(from_cotangent(dyadic(3), expression), want=np.array([4.0, -8.0, 16.0]))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)], ids=str)
def test_backward_starts_from_one(shape: Any) -> None:
    """05.3 backward() of one element, in zero axes and in two."""
    assert_close(gradients("a * 6", None, np.full(shape, 1.5))[0], want=np.full(shape, 6.0))


def test_backward_from_a_leaf() -> None:
    """05.3 x.backward(cotangent)."""
    c = dyadic(3, 5, seed=1)
    assert_close(gradients("a", c, dyadic(3, 5))[0], want=c)


@observe
def first_cotangents(tt: Any, arrays: Any, cotangent: Any) -> Any:
    seen, leaves = [], []
    probe = tt.primitive(lambda x, /: x * 1)
    tt.defvjp(probe, lambda g, out, x: seen.append(str(g.dtype)) or g)
    for a in arrays:
        x, leaf = tt.Tensor(a, requires_grad=True), tt.Tensor(a, requires_grad=True)
        probe(x).backward(cotangent)
        leaf.backward(cotangent)
        leaves.append(str(leaf.grad.dtype))
    return {"of the result": seen, "of a leaf itself": leaves}


@pytest.mark.parametrize(
    "cotangent", [None, [2], np.array([2.0])], ids=["one", "integer", "float64"]
)
def test_first_cotangent_is_like_the_result(cotangent: Any) -> None:
    """05.19 The dtype of the first cotangent, for float32 results and cotangents of other kinds."""
    kinds = ["float32", *(["float64"] * integer(0, 0, 99))]
    got = first_cotangents([np.array([1.5], kind) for kind in kinds], cotangent)
    assert_equal(got, want={"of the result": kinds, "of a leaf itself": kinds})


def test_uses_add_up() -> None:
    """05.4 a + a."""
    c = dyadic(3, 5, seed=1)
    assert_close(gradients("a + a", c, dyadic(3, 5))[0], want=2 * c)


def test_both_factors_add_up() -> None:
    """05.4 a * a."""
    a, c = dyadic(3, 5), dyadic(3, 5, seed=1)
    assert_close(gradients("a * a", c, a)[0], want=2 * a * c)


@observe
def worked_example(tt: Any) -> Any:
    x, y = tt.Tensor(2.0, requires_grad=True), tt.Tensor(3.0, requires_grad=True)
    z = x * y + x
    z.backward()
    return {"z": z.item(), "x.grad": x.grad, "y.grad": y.grad}


def test_worked_example() -> None:
    """05.4 The worked example: z = x * y + x."""
    assert_close(
        worked_example(), want={"z": 8.0, "x.grad": np.float32(4.0), "y.grad": np.float32(2.0)}
    )


@observe
def several_backwards(tt: Any, a: Any, c: Any) -> Any:
    x = tt.Tensor(a, requires_grad=True)
    found = []
    for _ in range(3):
        (x * x).backward(c)
        found.append(np.array(x.grad))
    x.grad = None
    (x * x).backward(c)
    return [*found, np.array(x.grad)]


def test_gradients_add_up_over_calls() -> None:
    """05.5 Two graphs over one leaf, then .grad = None and a third."""
    a, c = dyadic(3, 5), dyadic(3, 5, seed=1)
    assert_close(several_backwards(a, c), want=[2 * a * c, 4 * a * c, 6 * a * c, 2 * a * c])


@observe
def same_graph_twice(tt: Any, a: Any, b: Any, c: Any) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    h = x * y
    z = h * 3
    z.backward(c)
    first = [np.array(x.grad), np.array(y.grad)]
    z.backward(c)
    h.backward(c)
    return [*first, x.grad, y.grad]


def test_the_same_graph_again() -> None:
    """05.5 The same result, walked back twice."""
    a, b, c = dyadic(3, 5), dyadic(3, 5, seed=1), dyadic(3, 5, seed=2)
    assert_close(same_graph_twice(a, b, c), want=[3 * c * b, 3 * c * a, 7 * c * b, 7 * c * a])


@observe
def from_a_leaf_again(tt: Any, a: Any, c: Any) -> Any:
    x = tt.Tensor(a, requires_grad=True)
    (x * 3).backward(c)
    x.backward(c)
    x.backward(c)
    return x.grad


def test_leaf_adds_up_as_well() -> None:
    """05.5 (x * 3).backward(c), then x.backward(c) twice: 5 c."""
    c = dyadic(3, 5, seed=1)
    assert_close(from_a_leaf_again(dyadic(3, 5), c), want=5 * c)


@observe
def from_zero(tt: Any, cotangents: Any) -> Any:
    found = []
    for cotangent in cotangents:
        x = tt.Tensor(np.full(np.shape(cotangent), 1.5), requires_grad=True)
        (x * x).backward(cotangent)
        found.append(x.grad)
    return found


def test_zeros_are_a_cotangent_too() -> None:
    """05.3 The number 0.0, and an array of zeros, beside a number: zeros are left in .grad, not None."""
    number, *zeros = from_zero([real(2.0, 1.0, 3.0), 0.0, 0, np.zeros((2, 3))])
    for got, shape in zip(zeros, [(), (), (2, 3)], strict=True):
        assert_equal(np.shape(got), want=shape)
        assert_zeros(got, beside=number)


@observe
def leaves_of_one_array(tt: Any, a: Any, c: Any) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(a, requires_grad=True)
    (x * 3 + y * 5).backward(c)
    return {"x.grad": x.grad, "y.grad": y.grad}


def test_two_tensors_of_one_array_are_two() -> None:
    """05.2 Two leaves that were made of the same array: each has a gradient of its own."""
    c = dyadic(3, 5, seed=1)
    assert_close(leaves_of_one_array(dyadic(3, 5), c), want={"x.grad": 3 * c, "y.grad": 5 * c})


DIAMONDS = {
    "late-left": (
        "u = x * 2; v = u * y; w = v * u; z = u * w",
        lambda x, y: [24 * x**2 * y, 8 * x**3],
    ),
    "late-right": (
        "u = x * 2; v = u * y; w = v * u; z = w * u",
        lambda x, y: [24 * x**2 * y, 8 * x**3],
    ),
    "leaf-left": ("u = x * y; v = u * 3; z = x + v", lambda x, y: [1 + 3 * y, 3 * x]),
    "leaf-right": ("u = x * y; v = u * 3; z = v + x", lambda x, y: [1 + 3 * y, 3 * x]),
    "wide": (
        "u = x * y; v = u * 3; w = u * 5; z = v * w + u",
        lambda x, y: [30 * x * y**2 + y, 30 * x**2 * y + x],
    ),
    "sum-of-sums": ("u = x + y; z = u + x", lambda x, y: [2 + 0 * x, 1 + 0 * y]),
}


@observe
def program(tt: Any, lines: Any, cotangent: Any, x: Any, y: Any) -> Any:
    names = {"tt": tt, "x": tt.Tensor(x, requires_grad=True), "y": tt.Tensor(y, requires_grad=True)}
    exec(lines, names)
    names["z"].backward(cotangent)
    return {"x.grad": names["x"].grad, "y.grad": names["y"].grad}


@pytest.mark.parametrize("name", DIAMONDS)
def test_every_use_before_a_tensor_passes_on(name: str) -> None:
    """05.6 u is used early and late; u must wait for both."""
    lines, slopes = DIAMONDS[name]
    x, y, c = dyadic(3, 5), dyadic(3, 5, seed=1), dyadic(3, 5, seed=2)
    dx, dy = slopes(x, y)
    assert_close(program(lines, c, x, y), want={"x.grad": c * dx, "y.grad": c * dy})


@observe
def ladder(tt: Any, length: int) -> Any:
    calls = []
    join = tt.primitive(lambda a, b, /: a + b)
    tt.defvjp(
        join,
        lambda g, out, a, b: calls.append("a") or g,
        lambda g, out, a, b: calls.append("b") or g,
    )
    x = tt.Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(length):
        y = join(y, y)
    y.backward()
    return {"rule calls": len(calls), "x.grad": float(x.grad)}


def test_ladder_of_diamonds_is_linear() -> None:
    """05.6 The number of calls of a rule."""
    got = ladder(11)
    assert_close(got["x.grad"], want=2.0**11)
    assert_equal(got["rule calls"], want=22)


def test_tall_ladder_of_diamonds() -> None:
    """05.6 60 diamonds: also the way through the graph may visit a tensor once only."""
    got = ladder(60)  # 2**60 paths, 61 tensors
    assert_close(got["x.grad"], want=2.0**60)
    assert_equal(got["rule calls"], want=120)


def summed_to(gradient: Any, shape: Any) -> Any:
    """Sum one axis after the other until the shape fits."""
    while gradient.ndim > len(shape):
        gradient = gradient.sum(0)
    for axis, size in enumerate(shape):
        gradient = gradient.sum(axis, keepdims=True) if size == 1 else gradient
    return gradient


@observe
def unbroadcast(tt: Any, gradient: Any, shape: Any) -> Any:
    return tt.autograd.unbroadcast(gradient, shape)


@pytest.mark.parametrize(
    "shape",
    [(2, 3, 5), (3, 5), (5,), (), (1, 3, 5), (2, 1, 5), (1, 1, 5), (3, 1), (1, 1), (1, 1, 1)],
    ids=str,
)
def test_unbroadcast_sums(shape: Any) -> None:
    """05.7 Gradients whose axes were added, stretched, or both."""
    g = normal(2, 3, 5)
    assert_close(unbroadcast(g, shape), want=summed_to(g, shape), terms=np.abs(g).sum())


def test_unbroadcast_of_nothing() -> None:
    """05.7 A gradient of size 0: its sums are 0, one more axis or not."""
    beside = unbroadcast(normal(2, 3), (3,))
    for gradient, shape in [((0, 3), (1, 3)), ((0, 3), (3,)), ((2, 0), (2, 1)), ((0,), ())]:
        got = unbroadcast(np.zeros(gradient), shape)
        assert_equal(np.shape(got), want=shape)
        assert_zeros(got, beside=beside)


@pytest.mark.parametrize(
    ("gradient", "shape"),
    [
        *[
            ((2, 3), (2,)),
            ((3,), (2, 3)),
            ((3,), (5,)),
            ((1, 3), (2, 3)),
            ((5,), (3,)),
            ((3,), (0,)),
        ],
        *[((6,), (3,)), ((4, 3), (2, 3)), ((0, 3), (2, 3)), ((2, 0), (2, 3)), ((0,), (5,))],
    ],
    ids=str,
)
def test_unbroadcast_refuses(gradient: Any, shape: Any) -> None:
    """05.7 Shapes such as (5,) for a gradient of shape (3,)."""
    assert_raises(
        unbroadcast, dyadic(*gradient), shape, error="ValueError", says=(str(gradient), str(shape))
    )


def test_broadcast_example() -> None:
    """05.7 The worked example: b of shape (3,) in a + b."""
    g = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # the README's second example
    got = gradients("a + b", g, dyadic(2, 3), dyadic(3))
    assert_close(got, want=[g, np.array([5.0, 7.0, 9.0])])


BROADCAST = [
    case("add", "a + b", PAIRED),
    case("multiply", "a * b", PAIRED),
    case("add-three", "a + b * c", (((2, 3), (1, 3), ()), ((3, 1), (1, 5), (2, 1, 1)))),
]


@pytest.mark.parametrize("case", BROADCAST, ids=str)
def test_broadcast_gradients(case: Case) -> None:
    """05.7 Values that PyTorch gives, for pairs of shapes."""
    check_gradients("05", case)


@given(shapes=broadcast_pairs(), seed=seeds)
def test_broadcast_gradients_of_any_shapes(shapes: Any, seed: int) -> None:
    """05.7 a * b + a, for drawn shapes that broadcast."""
    a, b = fill(shapes[0], seed), fill(shapes[1], seed + 1)
    c = fill(np.broadcast_shapes(*shapes), seed + 2, "normal")
    want = [summed_to(c * (b + 1), a.shape), summed_to(c * a, b.shape)]
    assert_close(gradients("a * b + a", c, a, b), want=want, terms=np.abs(c).sum() * 64)


def test_gradient_of_a_stretched_number_is_an_array() -> None:
    """05.7 A number beside a matrix: type, shape and dtype of its gradient, after one call and after two."""
    for dtype in ("float32", "float64"):
        got = kind_of_gradient(np.array(1.5, dtype), dyadic(2, 3).astype(dtype), np.ones((2, 3)))
        want = ["ndarray", (), dtype]
        assert_equal(got, want={"first call": want, "second call": want})


@observe
def what_a_rule_receives(tt: Any, a: Any, b: Any, c: Any) -> Any:
    seen = {}

    def mix(a, b, /, scale, shift=1.5):
        return a * b * scale + shift, a + b

    def rule(g, saved, *arrays, **static):
        seen.update(g=g, saved=saved, arrays=list(arrays), static=static)
        return g * arrays[1] * static["scale"]

    operation = tt.primitive(mix)
    tt.defvjp(operation, rule, lambda g, saved, a, b, scale, shift: g * (saved - b) * scale)
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    operation(x, y, scale=4.0).backward(c)
    return seen | {"x.grad": x.grad, "y.grad": y.grad}


def test_rule_receives_what_the_operation_noted() -> None:
    """05.8 The arguments that a rule of an operation of the test's own gets."""
    a, b, c = dyadic(2, 3), dyadic(2, 3, seed=1), normal(2, 3, seed=2)
    got = what_a_rule_receives(a, b, c)
    assert_equal(got.pop("static"), want={"scale": 4.0, "shift": 1.5})
    assert_close(
        got,
        want={"g": c, "saved": a + b, "arrays": [a, b], "x.grad": 4 * b * c, "y.grad": 4 * a * c},
    )


@observe
def saved_twice(tt: Any, a: Any, b: Any, c: Any) -> Any:
    product = tt.primitive(lambda a, b, /: (a * b, [b, a]))
    tt.defvjp(product, lambda g, saved, a, b: g * saved[0], lambda g, saved, a, b: g * saved[1])
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    z = product(x, y)
    z.backward(c)
    z.backward(c)
    return [x.grad, y.grad]


def test_what_was_saved_is_there_again() -> None:
    """05.5 Two walks through an operation whose rules use what it saved."""
    a, b, c = dyadic(2, 3), dyadic(2, 3, seed=1), normal(2, 3, seed=2)
    assert_close(saved_twice(a, b, c), want=[2 * b * c, 2 * a * c])


PULL = [float(integer(1, 1, 999)), float(integer(10, 10, 9999))]


@observe
def rules_called(tt: Any, needed: Any, fused: bool, cotangent: Any) -> Any:
    calls, masks = [], []
    operation = tt.primitive(lambda a, b, c, /: a * b * c)
    one_by_one = [lambda g, out, a, b, c, i=i: calls.append(i) or g for i in range(3)]

    def together(needed, g, out, a, b, c):
        calls.append("all")
        masks.append([bool(n) for n in needed])
        return [g * (i + 1) if n else None for i, n in enumerate(needed)]

    tt.defvjp_fused(operation, together) if fused else tt.defvjp(operation, *one_by_one)
    tensors = [tt.Tensor([2.0, 3.0], requires_grad=n) for n in needed]
    operation(*tensors).backward(cotangent)
    return {
        "calls": calls,
        "masks": masks,
        "gradients": [None if t.grad is None else t.grad.tolist() for t in tensors],
    }


@pytest.mark.parametrize(
    "needed",
    [(True, True, True), (True, False, False), (False, True, False), (False, True, True)],
    ids=["all", "first", "second", "last-two"],
)
def test_rule_is_skipped_where_no_gradient_is_needed(needed: Any) -> None:
    """05.8 How often each rule is called."""
    got = rules_called(needed, False, PULL)
    assert_equal(sorted(got["calls"]), want=[i for i, n in enumerate(needed) if n])
    assert_equal(got["gradients"], want=[PULL if n else None for n in needed])


@observe
def declared_without_gradient(tt: Any) -> Any:
    operation = tt.primitive(lambda a, b, /: a * b)
    tt.defvjp(operation, None, lambda g, out, a, b: g * a)
    x, y = tt.Tensor([2.0, 3.0], requires_grad=True), tt.Tensor([5.0, 7.0], requires_grad=True)
    operation(x * 2, y).backward([1.0, 10.0])
    return [x.grad, y.grad.tolist()]


def test_none_in_place_of_a_rule() -> None:
    """05.8 An operation whose first operand has None."""
    assert_equal(declared_without_gradient(), want=[None, [4.0, 60.0]])


BLOCKED = {
    "both": ("u = x * 2; z = gate(u, u)", lambda x, y: [4 * x, None]),
    "leaf": ("z = gate(x, x)", lambda x, y: [x, None]),
    "first": ("u = x * 2; z = gate(u, y) + u", lambda x, y: [2 + 0 * x, 2 * x]),
    "last": ("u = x * 2; z = u + gate(u, y)", lambda x, y: [2 + 0 * x, 2 * x]),
    "far-first": (
        "u = x * 2; v = u * 3; z = gate(v * y, y) + u",
        lambda x, y: [2 + 0 * x, 6 * x * y],
    ),
    "far-last": (
        "u = x * 2; v = u * 3; z = u + gate(v * y, y)",
        lambda x, y: [2 + 0 * x, 6 * x * y],
    ),
}


@observe
def gated(tt: Any, lines: Any, cotangent: Any, x: Any, y: Any) -> Any:
    gate = tt.primitive(lambda a, b, /: a * b)
    tt.defvjp(gate, None, lambda g, out, a, b: g * a)
    x, y = tt.Tensor(x, requires_grad=True), tt.Tensor(y, requires_grad=True)
    names = {"gate": gate, "x": x, "y": y}
    exec(lines, names)
    names["z"].backward(cotangent)
    return {"x.grad": x.grad, "y.grad": y.grad}


@pytest.mark.parametrize("name", BLOCKED)
def test_no_use_waits_for_one_that_passes_nothing(name: str) -> None:
    """05.8 gate(a, b) passes nothing to a; the other uses of a do, whatever their order."""
    lines, slopes = BLOCKED[name]
    x, y, c = dyadic(3, 5), dyadic(3, 5, seed=1), dyadic(3, 5, seed=2)
    got = gated(lines, c, x, y)
    want = dict(zip(got, slopes(x, y), strict=True))
    nothing = [leaf for leaf, slope in want.items() if slope is None]
    assert_equal([got.pop(leaf) for leaf in nothing], want=[None for _ in nothing])
    assert_close(got, want={leaf: c * want[leaf] for leaf in got})


@observe
def two_of_one_name(tt: Any, fused: Any, a: Any, c: Any) -> Any:
    def made(factor):
        def scale(x, /):
            return x * factor

        return tt.primitive(scale)

    twice, thrice = made(2.0), made(3.0)
    for operation, factor in [(twice, 2.0), (thrice, 3.0)]:

        def rule(needed, g, out, x, f=factor):
            return [g * f]

        def one(g, out, x, f=factor):
            return g * f

        tt.defvjp_fused(operation, rule) if fused else tt.defvjp(operation, one)
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(a, requires_grad=True)
    (twice(x) + thrice(y)).backward(c)
    return [x.grad, y.grad]


@pytest.mark.parametrize("fused", [False, True], ids=["one-by-one", "fused"])
def test_rules_belong_to_the_operation_not_to_its_name(fused: bool) -> None:
    """05.8 Two operations of one name, with a rule each."""
    c = dyadic(2, 3, seed=1)
    assert_close(two_of_one_name(fused, dyadic(2, 3), c), want=[2 * c, 3 * c])


@observe
def rule_in_the_outputs_shape(tt: Any, a: Any, b: Any, c: Any) -> Any:
    operation = tt.primitive(lambda a, b, /: a - 2 * b)
    tt.defvjp(operation, lambda g, out, a, b: g, lambda g, out, a, b: -2 * g)
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    operation(x, y).backward(c)
    return [x.grad, y.grad]


def test_rule_may_answer_in_the_outputs_shape() -> None:
    """05.8 A rule that answers g where the operand was stretched: backward sums it back."""
    c = normal(2, 3)
    want = [c.sum(0), -2 * c.sum(1, keepdims=True)]
    assert_close(
        rule_in_the_outputs_shape(dyadic(3), dyadic(2, 1), c), want=want, terms=np.abs(c).sum()
    )


@pytest.mark.parametrize(
    "needed",
    [(True, True, True), (True, False, False), (False, True, False), (False, True, True)],
    ids=["all", "first", "second", "last-two"],
)
def test_fused_rule_serves_all_operands(needed: Any) -> None:
    """05.9 The mask and the arguments that a fused rule gets."""
    got = rules_called(needed, True, PULL)
    assert_equal([got["calls"], got["masks"]], want=[["all"], [list(needed)]])
    assert_equal(
        got["gradients"],
        want=[[(i + 1) * pull for pull in PULL] if n else None for i, n in enumerate(needed)],
    )


@observe
def fused_in_the_outputs_shape(tt: Any, kind: Any, a: Any, b: Any, c: Any) -> Any:
    operation = tt.primitive(lambda a, b, /: a - 2 * b)
    container = {"list": list, "tuple": tuple}[kind]
    tt.defvjp_fused(operation, lambda needed, g, out, a, b: container([g, -2.0 * g.astype(float)]))
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    operation(x, y).backward(c)
    return [x.grad, y.grad]


def test_fused_rule_may_answer_in_the_outputs_shape() -> None:
    """05.9 A list or a tuple of answers in the output's shape, one of them float64: backward sums, and casts."""
    c = dyadic(2, 3)
    want = [np.float32(c.sum(0)), np.float32(-2 * c.sum(1, keepdims=True))]
    for kind in ("list", "tuple"):
        got = fused_in_the_outputs_shape(kind, np.float32([1, 2, 3]), np.float32([[1], [2]]), c)
        assert_close(got, want=want)


@observe
def without_a_rule(tt: Any, rules: int, needed: Any, name: str = "exotic") -> Any:
    def exotic(a, b, /):
        return a * b

    exotic.__name__ = exotic.__qualname__ = name
    operation = tt.primitive(exotic)
    if rules:
        tt.defvjp(operation, *[lambda g, out, a, b: g * b][:rules])
    a, b = [tt.Tensor([2.0, 3.0], requires_grad=n) for n in needed]
    operation(a, b).backward([1.0, 10.0])
    return a.grad


@pytest.mark.parametrize(
    ("rules", "needed", "position"),
    [
        (0, (True, True), "operand 0"),
        (0, (False, True), "operand 1"),
        (1, (True, True), "operand 1"),
    ],
    ids=["none", "none-second", "one-of-two"],
)
def test_missing_rule_is_named(rules: int, needed: Any, position: str) -> None:
    """05.10 An operation without any rule, and one with too few."""
    says = (named("exotic"), position)
    assert_raises(without_a_rule, rules, needed, says[0], error="RuntimeError", says=says)


def test_missing_rule_is_not_needed() -> None:
    """05.10 An operation with one rule, whose second operand is a constant."""
    assert_close(without_a_rule(1, (True, False)), want=np.array([2.0, 30.0], np.float32))


@observe
def after_a_refusal(tt: Any, a: Any, c: Any, first: Any) -> Any:
    broken = tt.primitive(lambda x, /: x * 1)
    x = tt.Tensor(a, requires_grad=True)
    h = x * 2
    z = h * 3
    refused = broken(h) + z if first else z + broken(h)
    try:
        refused.backward(c)
    except RuntimeError:
        x.grad = None
    (z * 5 + h).backward(c)
    return x.grad


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_nothing_is_left_of_a_refused_walk(first: bool) -> None:
    """05.22 A rule is missing halfway; then .grad = None, and another result of the same tensors."""
    c = dyadic(3, 5, seed=1)
    assert_close(after_a_refusal(dyadic(3, 5), c, first), want=32 * c)


# ---- the rules: 05.11 to 05.17, one group after the other ----------------------------------------

NUMBERS = unary([(), (3,), (2, 3), (2, 3, 5)])
ARITHMETIC = [
    case("subtract", "a - b", PAIRED),
    case("subtract-number", "2 - a", NUMBERS),
    case("negative", "-a", NUMBERS),
    case("divide", "a / b", PAIRED),
    case("divide-number", "2 / a + a / 4", NUMBERS),
    case("power-square", "a ** 2", NUMBERS),
    case("power-cube", "a ** 3", NUMBERS),
    case("power-inverse", "a ** -1", NUMBERS),
    case("power-root", "a ** 0.5", NUMBERS, "positive"),
    case("power", "a ** b", PAIRED, ("positive", "dyadic")),
    case("power-of-number", "2 ** a", NUMBERS),
    case(
        "power-whole",
        "a ** np.array([3.0, 2.0, 1.0])",
        unary([(3,), (2, 3)]),
        torch="a ** torch.tensor([3.0, 2.0, 1.0])",
    ),
]


@pytest.mark.parametrize("case", ARITHMETIC, ids=str)
def test_arithmetic_gradients(case: Case) -> None:
    """05.11 Values that PyTorch gives, for pairs of shapes."""
    check_gradients("05", case)


@FEW
@given(
    shapes=broadcast_pairs(),
    seed=seeds,
    expression=st.sampled_from(["a - b", "a / b", "a ** b", "b / a - a", "(-a) * b"]),
)
def test_arithmetic_gradients_of_any_shapes(shapes: Any, seed: int, expression: str) -> None:
    """05.11 Drawn shapes, against difference quotients."""
    check_differences(
        expression,
        seed,
        1 + fill(shapes[0], seed, "positive") / 8,
        0.5 + fill(shapes[1], seed + 1, "positive") / 8,
    )


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("a ** 2 + a", [1.0, 5.0]),
        ("a ** 0 + a", [1.0, 1.0]),
        ("a ** np.array([0.0, 0.0]) + a", [1.0, 1.0]),
        ("a ** 1 + a", [2.0, 2.0]),
    ],
    ids=["square", "zero", "zeros", "one"],
)
def test_power_at_zero(expression: str, want: Any) -> None:
    """05.11 Several exponents, 0 among them, with a zero in a."""
    pull = real(1.0, 0.5, 2.0)
    got = gradients(expression, np.full(2, pull), np.array([0.0, 2.0]))[0]
    assert_close(got, want=pull * np.array(want))


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("a ** 0 + a", [1.0, 1.0]),
        ("a ** np.array([0.0, 0.0]) + a", [1.0, 1.0]),
        ("a ** 0.0 * 2 + a", [1.0, 1.0]),
    ],
    ids=["zero", "zeros", "float"],
)
def test_power_zero_is_constant(expression: str, want: Any) -> None:
    """05.11 Exponent 0 as an int, a float and an array."""
    got = gradients(expression, np.ones(2), np.array([0.0, np.inf]))[0]
    assert_close(got, want=np.array(want))


@pytest.mark.parametrize("exponent", [0.5, -1.0], ids=["root", "inverse"])
def test_power_at_a_pole(exponent: float) -> None:
    """05.11 Exponents 0.5 and -1."""
    want = exponent * np.array([np.inf, 4.0 ** (exponent - 1)])
    assert_close(gradients(f"a ** {exponent}", np.ones(2), np.array([0.0, 4.0]))[0], want=want)


def test_power_of_zero() -> None:
    """05.11 0 ** 2 and 2 ** 3: the gradients of both operands."""
    got = gradients("a ** b", np.ones(2), np.array([0.0, 2.0]), np.array([2.0, 3.0]))
    assert_close(got, want=[np.array([0.0, 12.0]), np.array([0.0, 8 * np.log(2)])])


@pytest.mark.parametrize("base", ["a ** b", "0.0 ** b + a"], ids=["tensor", "number"])
def test_power_of_zero_by_the_exponent(base: str) -> None:
    """05.11 Exponents above, at and below 0."""
    b = np.array([-1.0, 0.0, 0.5, 2.0])
    got = gradients(base, np.ones(4), np.zeros(4), b)[1]
    assert_close(got, want=np.array([-np.inf, 0.0, 0.0, 0.0]))


INF = np.inf


def check_slopes(expression: str, slopes: Any, *inputs: Any) -> None:
    """Each input's gradient at special values: a positive cotangent times its slope there."""
    arrays = [np.array(x, np.float64) for x in inputs]
    c = positive(*np.broadcast_shapes(*[x.shape for x in arrays]), seed=1)
    wants = {f"d/d{n}": c * np.array(s) for n, s in zip("ab", slopes, strict=False)}
    got = dict(zip(wants, gradients(expression, c, *arrays), strict=True))
    for name, want in wants.items():
        magnitudes = np.abs(np.where(np.isfinite(want), want, 0))  # each by its own
        assert_close({name: got[name]}, want={name: want}, terms=magnitudes)


def test_quotients_of_tiny_and_huge_numbers() -> None:
    """05.11 a / b where b is 1e-20, 1e20 or infinite."""
    slopes = [1e20, -1e20, 1e-20, 0], [-1e40, -2e40, -3e-40, 0]
    check_slopes("a / b", slopes, [1.0, 2.0, 3.0, 4.0], [1e-20, -1e-20, 1e20, INF])
    check_slopes("1 / a", [[-1e40, -1e-40, 0]], [1e-20, -1e20, -INF])


@pytest.mark.parametrize(
    ("expression", "a", "slopes"),
    [
        ("a ** 2", [-3.0, -1e-20, 1e20], [-6.0, -2e-20, 2e20]),
        ("a ** -2", [-2.0, 1e-5], [0.25, -2e15]),
        ("a ** 2.5", [4.0, 1.0], [20.0, 2.5]),
        ("1 ** a", [-2.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        ("1e-20 ** a", [0.0, 1.0], [np.log(1e-20), 1e-20 * np.log(1e-20)]),
    ],
    ids=["square", "inverse-square", "between", "of-one", "of-a-tiny-number"],
)
def test_power_of_tiny_and_negative_numbers(expression: str, a: Any, slopes: Any) -> None:
    """05.11 Bases below 0, tiny and huge; exponents of 1."""
    check_slopes(f"{expression} + a", [np.array(slopes) + 1], a)
    check_slopes(f"({expression}) * 1e3 + a", [np.array(slopes) * 1e3 + 1], a)


ELEMENTWISE = [
    case("exp", "a.exp()", NUMBERS, "normal"),
    case("log", "a.log()", NUMBERS, "positive"),
    case("sqrt", "a.sqrt()", NUMBERS, "positive"),
    case("absolute", "a.abs()", NUMBERS),
    case("clip", "a.clip(-0.3, 0.4)", NUMBERS),
    case("clip-min", "a.clip(min=-0.2)", NUMBERS),
    case("clip-max", "a.clip(max=0.2)", NUMBERS),
    case(
        "maximum",
        "tt.maximum(a, b)",
        (((2, 3), (2, 3)), ((2, 3, 5), (3, 5)), ((3, 5), (3, 1)), ((2, 1, 5), (3, 1))),
        "normal",
    ),
    case(
        "maximum-number",
        "tt.maximum(a, 0.2) + tt.maximum(-0.2, a)",
        unary([(3, 3), (2, 3, 5)]),
        torch="a.clip(min=0.2) + a.clip(min=-0.2)",
    ),
    case(
        "where",
        "tt.where(a > 0, a, b)",
        (((2, 3), (2, 3)), ((2, 3, 5), (3, 5)), ((3, 5), (3, 1)), ((2, 1, 5), (3, 1))),
        "normal",
    ),
    case("where-number", "tt.where(a > 0, 2.0, a)", unary([(2, 3), (2, 3, 5)]), "normal"),
]


@pytest.mark.parametrize("case", ELEMENTWISE, ids=str)
def test_elementwise_gradients(case: Case) -> None:
    """05.12 Values that PyTorch gives, for several shapes."""
    check_gradients("05", case)


SMOOTH = [
    "a.exp() * a",
    "a.log() - a",
    "a.sqrt() * 3",
    "(a - 1).abs()",
    "a.clip(0.31, 0.93) + a * 0.25",
    "tt.maximum(a, 0.7) + a",
    "tt.where(a > 0.7, a * a, 1 / a)",
]


@FEW
@given(shape=shapes(max_side=3), seed=seeds, expression=st.sampled_from(SMOOTH))
def test_elementwise_gradients_of_any_shape(shape: Any, seed: int, expression: str) -> None:
    """05.12 Drawn shapes, against difference quotients."""
    check_differences(expression, seed, fill(shape, seed, "positive") / 4 + 0.05)


def together(left: Any, right: Any) -> Any:
    """Two shares added up; one that is None counts as nan."""
    return np.add(*[np.nan if share is None else share for share in (left, right)])


def test_maximum_of_equals_shares() -> None:
    """05.12 Both operands are equal: their shares are not negative and sum to the whole."""
    a, b, c = np.array([1.0, 2.0, 2.0, -3.0]), np.array([0.0, 2.0, 2.0, 5.0]), positive(4)
    left, right = gradients("tt.maximum(a, b)", c, a, b)
    assert_close(together(left, right), want=c)
    assert_close([left[[0, 3]], right[[0, 3]]], want=[np.array([c[0], 0.0]), np.array([0.0, c[3]])])
    assert_above(min(left.min(), right.min()), limit=0.0, what="the smallest share")


def test_clip_includes_its_limits() -> None:
    """05.12 clip passes the gradient at its limits; absolute has slope 0 at 0."""
    c, x = positive(5), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert_close(gradients("a.clip(-1, 1)", c, x)[0], want=c * [0, 1, 1, 1, 0])
    assert_close(gradients("a.abs()", c, x)[0], want=c * [-1, -1, 0, 1, 1])


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ("0, 1", [1, 1, 0, 0]),
        ("-1, 0", [1, 0, 0, 0]),
        ("0.0, None", [1, 1, 1, 1]),
        ("max=0", [1, 0, 0, 0]),
        ("3, 1", [0, 0, 0, 0]),
        ("1, 1", [0, 1, 0, 0]),
        ("1, None", [0, 1, 1, 1]),
        ("None, 1", [1, 1, 0, 0]),
    ],
    ids=["zero-one", "one-zero", "min-zero", "max-zero", "exchanged", "equal", "min", "max"],
)
def test_clip_goes_by_both_limits(limits: str, kept: Any) -> None:
    """05.12 Limits in order, equal, exchanged, and None."""
    x, c = np.array([0.0, 1.0, 3.0, np.inf]), positive(4)
    assert_close(gradients(f"a.clip({limits}) + a * 2", c, x)[0], want=c * (2 + np.array(kept)))
    below = gradients(f"a.clip({limits}) + a * 2", c, np.full(4, -INF))[0]
    assert_close(below, want=c * (3 if limits in ("None, 1", "max=0") else 2))


@pytest.mark.parametrize(
    ("expression", "slopes", "inputs"),
    [
        ("a.sqrt()", [[INF, 5e9, 5e-11]], [[0.0, 1e-20, 1e20]]),
        ("a.log()", [[INF, 1e20, 1e-20]], [[0.0, 1e-20, 1e20]]),
        ("a.exp()", [[0.0, 1.0, np.exp(-100.0)]], [[-INF, 0.0, -100.0]]),
        ("a.abs()", [[-1, 1, 1, -1, 0]], [[-INF, INF, 1e-20, -1e-20, -0.0]]),
        (
            "tt.maximum(a, b)",
            [[1, 0, 1, 0], [0, 1, 0, 1]],
            [[INF, 2, 1, 1], [1, INF, -INF, 1 + 1e-9]],
        ),
        ("tt.maximum(a, 0.0)", [[0, 1, 1]], [[-1e-20, 1e-20, INF]]),
        ("tt.where(a > 0, a, b)", [[0, 1, 1], [1, 0, 0]], [[-INF, 1, INF], [1, INF, INF]]),
        ("tt.where(a, a, b)", [[1, 0, 1], [0, 1, 0]], [[1, 0, -2], [4, 5, 6]]),
        ("tt.where([2.0, 0.0, -3.0], a, b)", [[1, 0, 1], [0, 1, 0]], [[1, 2, 3], [4, 5, 6]]),
    ],
    ids=[
        "sqrt",
        "log",
        "exp",
        "absolute",
        "maximum",
        "maximum-number",
        "where",
        "where-of-itself",
        "where-of-numbers",
    ],
)
def test_elementwise_slopes_at_the_edge(expression: str, slopes: Any, inputs: Any) -> None:
    """05.12 Slopes at 0, at tiny and huge numbers, at infinities, and close to a tie."""
    check_slopes(expression, slopes, *inputs)


def test_maximum_of_two_infinities_shares() -> None:
    """05.12 Both operands are inf, or -inf: their shares sum to the whole."""
    x, c = np.array([INF, -INF]), positive(2)
    left, right = gradients("tt.maximum(a, b)", c, x, x)
    assert_close(together(left, right), want=c)


MATMUL = [
    case("matmul", "a @ b", (((2, 3), (3, 5)), ((1, 3), (3, 1)), ((3, 3), (3, 3)))),
    case("matmul-vectors", "a @ b", (((2, 3), (3,)), ((3,), (3, 5)), ((3,), (3,)))),
    case(
        "matmul-stack-matrix",
        "a @ b",
        (((2, 2, 3), (3, 5)), ((2, 2, 5, 3), (3, 2)), ((2, 3), (5, 3, 2)), ((2, 3), (2, 1, 3, 5))),
    ),
    case(
        "matmul-stacks",
        "a @ b",
        (((2, 2, 3), (2, 3, 5)), ((1, 2, 3), (5, 3, 2)), ((2, 1, 2, 3), (5, 3, 2))),
    ),
    case(
        "matmul-stack-vector",
        "a @ b",
        (((2, 5, 3), (3,)), ((3,), (2, 3, 5)), ((3,), (2, 2, 3, 5)), ((2, 2, 5, 3), (3,))),
    ),
]


@pytest.mark.parametrize("case", MATMUL, ids=str)
def test_matmul_gradients(case: Case) -> None:
    """05.13 Values that PyTorch gives, for each pair of shapes."""
    check_gradients("05", case)


@given(
    n=st.integers(1, 4),
    k=st.integers(1, 4),
    m=st.integers(1, 4),
    stacks=broadcast_pairs(),
    seed=seeds,
)
def test_matmul_gradients_of_any_shapes(n: int, k: int, m: int, stacks: Any, seed: int) -> None:
    """05.13 Drawn sizes, stacks and numbers."""
    a, b = (
        fill((*stacks[0][-2:], n, k), seed, "normal"),
        fill((*stacks[1][-2:], k, m), seed + 1, "normal"),
    )
    c = fill((a @ b).shape, seed + 2, "normal")
    want = [
        summed_to(np.einsum("...ij,...kj->...ik", c, b), a.shape),
        summed_to(np.einsum("...ji,...jk->...ik", a, c), b.shape),
    ]
    assert_close(gradients("a @ b", c, a, b), want=want, terms=100.0)


EMPTY_PRODUCTS = [
    ((2, 0), (0, 3)),
    ((2, 3), (3, 0)),
    ((0, 3), (3, 2)),
    ((5, 2, 0), (0, 3)),
    ((5, 2, 3), (3, 0)),
    ((0, 2, 3), (3, 5)),
    ((5, 2, 0), (5, 0, 3)),
    ((5, 2, 3), (5, 3, 0)),
    ((0,), (0,)),
    ((0,), (0, 3)),
    ((3,), (3, 0)),
    ((2, 0), (0,)),
    ((0, 3), (3,)),
    ((5, 2, 0), (0,)),
    ((0,), (5, 0, 3)),
    ((3,), (5, 3, 0)),
]


@pytest.mark.parametrize("shapes", EMPTY_PRODUCTS, ids=str)
def test_matmul_of_sizes_that_are_0(shapes: Any) -> None:
    """05.13 The rules of matmul, also where a size is 0: gradients of zeros, in the operands' shapes."""
    a, b = normal(*shapes[0]), normal(*shapes[1], seed=1)
    c = normal(*(a @ b).shape, seed=2)
    got = gradients("a @ b", c, a, b)
    assert_equal([g.shape for g in got], want=[a.shape, b.shape])
    assert_equal(bool(any(g.any() for g in got)), want=False)


@pytest.mark.parametrize("only", ["left", "right"])
def test_matmul_with_one_gradient(only: str) -> None:
    """05.13 Only one operand needs a gradient."""
    x, other, c = normal(3, 3), normal(3, 3, seed=1), normal(3, 3, seed=2)
    got = partial("a @ b" if only == "left" else "b @ a", c, x, other)
    assert_close(got["a.grad"], want=c @ other.T if only == "left" else other.T @ c)
    assert_equal(got["b.grad"], want=None)


REDUCTIONS = [
    case("sum_", "a.sum()", unary(CURATED)),
    case("sum_-axis0", "a.sum(axis=0)", unary(WITH_AXES)),
    case("sum_-last-keepdims", "a.sum(axis=-1, keepdims=True)", unary(WITH_AXES)),
    case("sum_-middle", "a.sum(axis=1)", unary(THREE)),
    case("sum_-two-axes", "a.sum(axis=(0, -1))", unary(THREE)),
    case("sum_-two-axes-keepdims", "a.sum(axis=(2, 0), keepdims=True)", unary(THREE)),
    case("mean", "a.mean()", unary(CURATED)),
    case("mean-axis0", "a.mean(axis=0)", unary(WITH_AXES)),
    case("mean-last-keepdims", "a.mean(axis=-1, keepdims=True)", unary(WITH_AXES)),
    case("mean-middle", "a.mean(axis=1)", unary(THREE)),
    case("mean-two-axes", "a.mean(axis=(0, 2))", unary(THREE)),
    case("var", "a.var()", unary([(3,), (2, 3), (2, 3, 5)])),
    case("var-axis0", "a.var(axis=0, correction=0)", unary([(2, 3), (2, 3, 5)])),
    case("amax", "a.max()", unary(CURATED)),
    case("amax-axis0", "a.max(axis=0)", unary(WITH_AXES), torch="a.amax(0)"),
    case(
        "amax-last-keepdims",
        "a.max(axis=-1, keepdims=True)",
        unary(WITH_AXES),
        torch="a.amax(-1, keepdim=True)",
    ),
    case("amax-two-axes", "a.max(axis=(0, 2))", unary(THREE), torch="a.amax((0, 2))"),
    case("amin", "a.min()", unary(CURATED)),
    case("amin-middle", "a.min(axis=1)", unary(THREE), torch="a.amin(1)"),
]


@pytest.mark.parametrize("case", REDUCTIONS, ids=str)
def test_reduction_gradients(case: Case) -> None:
    """05.14 Values that PyTorch gives, for each choice of axes."""
    check_gradients("05", case)


@FEW
@given(
    shape=shapes(min_dims=2, max_side=3),
    seed=seeds,
    axis=st.sampled_from(["0", "1", "-1", "-2", "(0, 1)", "None"]),
    keep=st.booleans(),
    name=st.sampled_from(["sum", "mean", "max", "min"]),
)
def test_reduction_gradients_of_any_shape(
    shape: Any, seed: int, axis: str, keep: bool, name: str
) -> None:
    """05.14 Drawn shapes, against difference quotients."""
    check_differences(f"a.{name}(axis={axis}, keepdims={keep})", seed, fill(shape, seed))


AXES = [
    None,
    0,
    1,
    -1,
    -2,
    -3,
    (1,),
    (0, 2),
    (2, 0),
    (-1, -2),
    (-2, 2),
    (2, -3),
    (0, -1),
    (0, 1, 2),
]
AXES += [(-1, 0, 1), (-1, -3), (1, 0)]


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reduction_gradients_over_every_choice_of_axes(name: str) -> None:
    """05.14 Axes from the front, from the back, in any order, mixed; with and without keepdims."""
    x = dyadic(2, 3, 5)
    for number, axis in enumerate(AXES):
        kept = getattr(np, name)(x, axis, keepdims=True)
        c = normal(*kept.shape, seed=number)
        share = {"sum": 1.0, "mean": kept.size / x.size}.get(name, x == kept)
        for keep in (False, True):
            out = c if keep else c.reshape(getattr(np, name)(x, axis).shape)
            got = gradients(f"a.{name}(axis={axis}, keepdims={keep})", out, x)[0]
            assert_close(got, want=np.broadcast_to(c * share, x.shape))


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema_close_to_others(name: str) -> None:
    """05.14 Infinities, and numbers that differ by little: what is not the extremum receives nothing."""
    sign, c = {"max": 1, "min": -1}[name], positive(2)
    x = sign * np.array([[1.0, INF, -INF, 0.0], [1.0, 1 + 1e-9, 1 + 2e-9, 1 - 1e-9]])
    want = np.zeros((2, 4))
    want[0, 1], want[1, 2] = c
    assert_close(gradients(f"a.{name}(axis=1)", c, x)[0], want=want)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reduction_gradients_of_a_number(name: str, keep: bool, axis: int) -> None:
    """05.14 One number, axis 0 and -1."""
    got = gradients(f"a.{name}(axis={axis}, keepdims={keep})", np.array(1.5), np.array(2.5))[0]
    assert_close(got, want=np.array(1.5))


@given(
    seed=seeds, axis=st.sampled_from([None, 0, 1, -1, (0, 1)]), name=st.sampled_from(["max", "min"])
)
def test_extrema_share_among_equals(seed: int, axis: Any, name: str) -> None:
    """05.14 Several elements are the extremum: any shares that are not negative and sum to the whole will do."""
    x = fill((4, 5), seed, "ties")
    best = getattr(np, name)(x, axis, keepdims=True)
    c = fill(best.shape, seed + 1, "positive")
    got = gradients(f"a.{name}(axis={axis}, keepdims=True)", c, x)[0]
    assert_close(got.sum(axis, keepdims=True), want=c)
    assert_zeros(np.append(got[x != best], 0.0), beside=got)
    assert_above(float(got.min()), limit=0.0, what="the smallest share")


@observe
def through_argmax(tt: Any, a: Any) -> Any:
    x = tt.Tensor(a, requires_grad=True)
    index = x.argmax(axis=1)
    (x * 3 + index.reshape(2, 1)).backward(np.ones(a.shape))
    return [index.requires_grad, x.grad.tolist()]


def test_argmax_passes_nothing() -> None:
    """05.14 A product with the result of argmax."""
    assert_equal(through_argmax(dyadic(2, 3)), want=[False, [[3.0] * 3] * 2])


MOVEMENT = [
    case("reshape", "a.reshape(-1)", unary([(), (3,), (2, 3), (2, 3, 5)])),
    case("reshape-2d", "a.reshape(3, -1)", unary([(3,), (2, 3), (2, 3, 5)])),
    case("flatten", "a.flatten(1)", unary([(2, 3), (2, 3, 5), (2, 1, 3, 5)])),
    case("squeeze", "a.squeeze() + a.unsqueeze(0)", unary([(3, 1), (2, 1, 3)])),
    case("permute", "a.permute(2, 0, 1)", unary([(2, 1, 3), (2, 3, 5), (3, 3, 3)])),
    case("permute-negative", "a.permute(-1, 0, 1)", unary([(2, 1, 3), (2, 3, 5), (3, 3, 3)])),
    case("permute-4d", "a.permute(1, 3, 0, 2)", unary([(2, 1, 3, 5)])),
    case("transpose", "a.transpose(0, -1)", unary([(3,), *MATRICES])),
    case("T", "a.T @ a", unary([(2, 3), (3, 3)])),
    case("expand", "a.expand(2, 3, -1)", unary([(1,), (3, 1), (3, 5), (1, 3, 1)])),
    case("pad", "a.pad((1, 2))", unary(WITH_AXES), torch="F.pad(a, (1, 2))"),
    case(
        "pad-two-axes",
        "a.pad((1, 0, 2, 3), value=0.5)",
        unary(MATRICES),
        torch="F.pad(a, (1, 0, 2, 3), value=0.5)",
    ),
]


@pytest.mark.parametrize("case", MOVEMENT, ids=str)
def test_movement_gradients(case: Case) -> None:
    """05.15 Values that PyTorch gives, for each function."""
    check_gradients("05", case)
    pull = normal(3, 2)
    assert_close(gradients("a.T", pull, dyadic(2, 3)), want=[pull.T])


@pytest.mark.parametrize(
    "move",
    ["transpose(0, -1)", "flatten(0, -1)", "squeeze(0)", "squeeze(-1)", "unsqueeze(-1)", "T"],
)
def test_movement_gradients_of_a_number(move: str) -> None:
    """05.15 The rules of reshape, permute, expand and pad, for a tensor without axes too."""
    got = gradients(f"a.{move} * 2", None, np.array(2.5))[0]
    assert_close(got, want=np.array(2.0))


MOVES = [
    "a.reshape(-1) * 2",
    "a.permute(1, 2, 0) ** 2",
    "a.T * 3",
    "a.unsqueeze(1).expand(-1, 2, -1, -1)",
    "a.pad((1, 0, 0, 2), value=3.0) ** 2",
    "a.pad((0, 0, 1, 0)) ** 2",
    "a.pad((0, 2, 0, 0, 1, 0)) ** 2",
    "a.transpose(0, 1).flatten(1)",
]


@FEW
@given(shape=shapes(min_dims=3, max_side=3), seed=seeds, expression=st.sampled_from(MOVES))
def test_movement_gradients_of_any_shape(shape: Any, seed: int, expression: str) -> None:
    """05.15 Drawn shapes, against difference quotients."""
    check_differences(expression, seed, fill(shape, seed))


SELECTING = [
    case("getitem", "a[1]", unary([(3,), (2, 3), (2, 3, 5)])),
    case("getitem-slices", "a[::2, 1:]", unary([(2, 3), (5, 7), (2, 3, 5)])),
    case("getitem-backwards", "a[::-1]", unary([(3,), (2, 3)]), torch="a.flip(0)"),
    case("getitem-ellipsis", "a[..., -1]", unary(WITH_AXES)),
    case("getitem-none", "a[:, None] * a[None]", unary([(3,), (3, 3)])),
    case("getitem-array", "a[np.array([0, 2, 1])]", unary([(3,), (3, 5)])),
    case("getitem-repeated", "a[np.array([0, 2, 2, 0])]", unary([(3,), (3, 1), (3, 5)])),
    case("getitem-list", "a[[2, 0, 2]]", unary([(3,), (3, 5)])),
    case(
        "getitem-pairs",
        "a[np.array([0, 1, 1]), np.array([2, 0, 0])]",
        unary([(2, 3), (3, 3), (2, 3, 5)]),
    ),
    case("getitem-slice-array", "a[1:, np.array([2, 2, 0])]", unary([(2, 3), (3, 5), (2, 3, 5)])),
    case("getitem-mask", "a[a > -0.25]", unary([(2, 3), (3, 3), (2, 3, 5)])),
    case("concatenate", "tt.cat([a, b])", (((2, 3), (1, 3)), ((3,), (5,)))),
    case(
        "concatenate-again",
        "tt.cat([a, b, a], axis=-1)",
        (((2, 3), (2, 5)), ((2, 3, 1), (2, 3, 2))),
    ),
    case("concatenate-middle", "tt.cat([a, b], axis=1)", (((2, 3, 5), (2, 1, 5)),)),
    case("concatenate-stack", "tt.stack([a, b], axis=1)", (((2, 3), (2, 3)), ((3,), (3,)))),
]


@pytest.mark.parametrize("case", SELECTING, ids=str)
def test_selecting_gradients(case: Case) -> None:
    """05.16 Values that PyTorch gives, for each kind of index."""
    check_gradients("05", case)


INDICES = [
    *["-1", "1, 0", "...", "()", "1:1", "[]", "None, ..., None", "np.int64(1)", "True", "a > 0"],
    *[
        "[0, 0], 1",
        "[0, 0], 1:",
        ":, [1, 1], None",
        "..., [2, -1]",
        "[0, -2]",
        "[1, 1], ..., [0, 0]",
    ],
    *[
        "[[0, 1], [1, 0]]",
        "np.array([[0, 0], [0, 1]])",
        "np.array([1, 1], np.uint8)",
        "[0, 0, 0], ::2",
    ],
    *["[True, False]", "np.array([True, False])", "[True, False], [2]", ":, [True, False, True]"],
    *[
        "tt.Tensor([1, 1])",
        "tt.Tensor([1, 1]), None",
        "::-1, [0, 0]",
        "range(2), range(2)",
        "-2:, -1",
    ],
]


def copies(places: Any, pulls: Any, size: int) -> Any:
    """For each of `size` places, the sum of what is pulled at it."""
    return np.bincount(np.ravel(places), np.ravel(pulls), size)


def test_indices_of_every_kind() -> None:
    """05.16 Each element receives the cotangents of the places it was copied to, and no others."""
    x, where = dyadic(2, 3), np.arange(6).reshape(2, 3)
    plain = {"np": np, "tt": type("tt", (), {"Tensor": staticmethod(np.array)}), "a": x}
    for index in INDICES:
        places = eval(f"where[{index}]", {**plain, "where": where})
        c = normal(*np.shape(places), seed=2)
        want = 2 * x + copies(places, c, 6).reshape(2, 3) * real(3.0, 2.0, 4.0)
        got = index_and_square(index, c, x, real(3.0, 2.0, 4.0))
        assert_close(got, want=want)


@observe(shown="(a * a).sum() + (a[{index}] * factor * cotangent).sum(), walked back")
def index_and_square(tt: Any, index: str, cotangent: Any, a: Any, factor: Any) -> Any:
    a = tt.Tensor(a, requires_grad=True)
    taken = eval(f"a[{index}]", {"tt": tt, "np": np, "a": a})
    ((a * a).sum() + (taken * factor * cotangent).sum()).backward()
    return a.grad


@given(picks=st.lists(st.integers(-4, 3), min_size=1, max_size=9), seed=seeds)
def test_repeated_indices_add_up(picks: Any, seed: int) -> None:
    """05.16 Drawn lists of rows, in which some repeat."""
    x, c = fill((4, 3), seed), fill((len(picks), 3), seed + 1, "normal")
    want = np.eye(4)[picks].T @ c  # a row is chosen by a product with a one-hot matrix
    assert_close(gradients(f"a[np.array({picks})]", c, x)[0], want=want, terms=np.abs(c).sum())


def test_concatenate_with_constants() -> None:
    """05.16 One of the joined tensors needs no gradient."""
    c = normal(2, 13)
    got = partial("tt.cat([b, a, b], axis=1)", c, dyadic(2, 3), dyadic(2, 5, seed=1))
    assert_close(got["a.grad"], want=c[:, 5:8])
    assert_equal(got["b.grad"], want=None)


ROWS = unary([(3,), (2, 3), (3, 3), (2, 3, 5)])
ACTIVATIONS = [
    case("relu", "tt.relu(a)", unary([(3,), (2, 3), (3, 3), (2, 3, 5)])),
    case("leaky_relu", "tt.leaky_relu(a)", NUMBERS, torch="F.leaky_relu(a)"),
    case("leaky_relu-steep", "tt.leaky_relu(a, 2.5)", NUMBERS, torch="F.leaky_relu(a, 2.5)"),
    case("sigmoid", "tt.sigmoid(a)", NUMBERS),
    case("tanh", "tt.tanh(a)", NUMBERS),
    case("softplus", "tt.softplus(a)", NUMBERS, torch="F.softplus(a)"),
    case("silu", "tt.silu(a)", NUMBERS, torch="F.silu(a)"),
    case("gelu", "tt.gelu(a)", NUMBERS, torch="F.gelu(a, approximate='tanh')"),
    case("softmax", "tt.softmax(a)", ROWS, torch="torch.softmax(a, -1)"),
    case("softmax-axis0", "tt.softmax(a, axis=0)", ROWS, torch="torch.softmax(a, 0)"),
    case(
        "softmax-middle", "tt.softmax(a, axis=1)", unary([(2, 3, 5)]), torch="torch.softmax(a, 1)"
    ),
    case("log_softmax", "tt.log_softmax(a)", ROWS, torch="torch.log_softmax(a, -1)"),
    case("log_softmax-axis0", "tt.log_softmax(a, axis=0)", ROWS, torch="torch.log_softmax(a, 0)"),
    case(
        "log_softmax-middle",
        "tt.log_softmax(a, axis=1)",
        unary([(2, 3, 5)]),
        torch="torch.log_softmax(a, 1)",
    ),
    case("softplus-large", "tt.softplus(a)", ROWS, "large", torch="F.softplus(a)"),
    case("silu-large", "tt.silu(a)", ROWS, "large", torch="F.silu(a)"),
    case("gelu-large", "tt.gelu(a)", ROWS, "large", torch="F.gelu(a, approximate='tanh')"),
    case("sigmoid-large", "tt.sigmoid(a) + tt.tanh(a) + a", ROWS, "large"),
    case("log_softmax-large", "tt.log_softmax(a)", ROWS, "large", torch="torch.log_softmax(a, -1)"),
]


@pytest.mark.parametrize("case", ACTIVATIONS, ids=str)
def test_activation_gradients(case: Case) -> None:
    """05.17 PyTorch's values for several shapes; gelu is that with approximate='tanh'."""
    check_gradients("05", case)


NAMES = [
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "softplus",
    "silu",
    "gelu",
    "softmax",
    "log_softmax",
]


@FEW
@given(shape=shapes(min_dims=1, max_side=3), seed=seeds, name=st.sampled_from(NAMES))
def test_activation_gradients_of_any_shape(shape: Any, seed: int, name: str) -> None:
    """05.17 Drawn shapes, against difference quotients."""
    check_differences(f"tt.cat([tt.{name}(a), a * 0.25])", seed, fill(shape, seed))


def test_slopes_at_the_kink() -> None:
    """05.17 relu and leaky_relu at 0."""
    c, x = positive(3), np.array([-1.0, 0.0, 1.0])
    assert_close(gradients("tt.relu(a)", c, x)[0], want=c * [0, 0, 1])
    assert_close(gradients("tt.leaky_relu(a, 0.25)", c, x)[0], want=c * [0.25, 0.25, 1])
    check_slopes("tt.relu(a)", [[0, 0, 0, 1, 1]], [-INF, -1e-20, -0.0, 1e-20, INF])


@pytest.mark.parametrize("slope", [-0.5, 0, 0.0, 1.0, 2.5])
def test_leaky_relu_of_any_slope(slope: float) -> None:
    """05.17 negative_slope below 0, 0 and above 1; the side is that of the input."""
    x = np.array([-2.0, -1e-20, 0.0, 1e-20, 3.0])
    check_slopes(f"tt.leaky_relu(a, {slope}) + a", [np.array([slope, slope, slope, 1, 1]) + 1], x)
    check_slopes(f"tt.leaky_relu(a, negative_slope={slope}) + a", [[slope + 1, 2]], [-INF, INF])


@pytest.mark.parametrize(
    ("name", "slopes"),
    [
        ("relu", [0, 0, 0, 0, 1, 1, 1]),
        ("sigmoid", [0, 0, 0.25, 0.25, 0, 0, 0]),
        ("tanh", [0, 0, 1, 1, 0, 0, 0]),
        ("softplus", [0, 0, 0.5, 0.5, 1, 1, 1]),
        ("silu", [0, 0, 0.5, 0.5, 1, 1, 1]),
        ("gelu", [0, 0, 0.5, 0.5, 1, 1, 1]),
    ],
    ids=["relu", "sigmoid", "tanh", "softplus", "silu", "gelu"],
)
def test_slopes_at_zero_and_far_out(name: str, slopes: Any) -> None:
    """05.17 Slopes at -10000, -1000, -0.0, 0, 1000, 10000 and 100000."""
    x = np.array([-1e4, -1000.0, -0.0, 0.0, 1000.0, 1e4, 1e5])
    c = positive(7)
    got = gradients(f"tt.{name}(a)", c, x)[0]
    assert_close(got, want=c * np.array(slopes))


@pytest.mark.parametrize("axis", [-1, -2, 0])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_gradients_of_far_and_masked_scores(name: str, axis: int) -> None:
    """05.17 Scores of 1000, -1000 and -inf; a masked one (-inf) receives what it should and disturbs none."""
    scores = np.array([[1000.0, 1000.0 + np.log(3), -1000.0, -INF], [0.0, np.log(3), -INF, -INF]])
    p, c = np.array([[0.25, 0.75, 0, 0]] * 2), normal(2, 4)
    c[np.isinf(scores)] = 0 if name == "log_softmax" else 1
    row = (c * p if name == "softmax" else c).sum(1, keepdims=True)
    want = p * (c - row) if name == "softmax" else c - p * row
    if axis != -1:
        scores, c, want = scores.T, c.T, want.T
    got = gradients(f"tt.{name}(a, axis={axis})", c, scores)[0]
    assert_close(got, want=want, terms=8.0, depth=10)


# ---- everything together: 05.18 and 05.19 --------------------------------------------------------

COMPOSED = [
    case("mse", "((a - b) ** 2).mean()", (((2, 3), (2, 3)), ((5, 3), (5, 3)))),
    case(
        "cross-entropy",
        "-tt.log_softmax(a)[np.arange(3), np.array([1, 0, 1])].mean()",
        unary([(3, 5), (3, 2)]),
        torch="-torch.log_softmax(a, -1)[np.arange(3), np.array([1, 0, 1])].mean()",
    ),
    case(
        "binary-cross-entropy",
        "(tt.softplus(a) - a * b).mean()",
        (((2, 3), (2, 3)), ((5,), (5,))),
        torch="(F.softplus(a) - a * b).mean()",
    ),
    case(
        "standardised",
        "(a - a.mean(axis=-1, keepdims=True)) / (a.var(axis=-1, correction=0, keepdims=True) + 1e-5).sqrt() * b",
        (((2, 3), (3,)), ((2, 3, 5), (5,))),
    ),
    case(
        "two-layers",
        "tt.tanh(a @ b.T + 0.5) @ c.T",
        (((2, 3), (5, 3), (2, 5)), ((3, 3), (3, 3), (3, 3))),
    ),
    case(
        "attention",
        "tt.softmax(a @ b.transpose(-2, -1) / 3 ** 0.5, axis=-1) @ c",
        (((2, 3), (5, 3), (5, 2)), ((2, 2, 3), (2, 5, 3), (2, 5, 2))),
    ),
    case(
        "power-of-sum",
        "((a * a).sum(axis=1, keepdims=True) ** 0.5 + a.exp().mean(axis=0)).log()",
        unary([(2, 3), (3, 3)]),
    ),
    case(
        "heads",
        "(a.reshape(2, 3, 2, 2).permute(0, 2, 1, 3) ** 2).max(axis=2).sum(axis=(0, 1))",
        unary([(2, 3, 4)]),
        torch="(a.reshape(2, 3, 2, 2).permute(0, 2, 1, 3) ** 2).amax(2).sum((0, 1))",
    ),
]


@pytest.mark.parametrize("case", COMPOSED, ids=str)
def test_composed_gradients(case: Case) -> None:
    """05.18 Losses and layers: values that PyTorch gives."""
    check_gradients("05", case)


class Dual:
    """A value with its slopes in several directions: forward-mode differentiation, to compare with."""

    def __init__(self, value: Any, slopes: Any) -> None:
        self.value, self.slopes = value, slopes  # (3, 3) and (K, 3, 3)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.slopes + other.slopes)

    def __sub__(self, other: Dual) -> Dual:
        return Dual(self.value - other.value, self.slopes - other.slopes)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.value * other.value, self.slopes * other.value + self.value * other.slopes)

    def __matmul__(self, other: Dual) -> Dual:
        return Dual(self.value @ other.value, self.slopes @ other.value + self.value @ other.slopes)

    def sum(self, axis: int, keepdims: bool) -> Dual:
        return Dual(
            self.value.sum(axis, keepdims=keepdims), self.slopes.sum(axis + 1, keepdims=keepdims)
        )

    @property
    def T(self) -> Dual:
        return Dual(self.value.T, self.slopes.transpose(0, 2, 1))

    @staticmethod
    def tanh(x: Dual) -> Dual:
        value = np.tanh(x.value)
        return Dual(value, x.slopes / np.cosh(x.value) ** 2)


def dual_gradients(lines: str, cotangent: Any, x: Any, y: Any) -> Any:
    """The gradients of a program of 3 x 3 tensors, and the largest number on the way to them."""
    directions = np.eye(18).reshape(18, 2, 3, 3)
    names: dict[str, Any] = {"x": Dual(x, directions[:, 0]), "y": Dual(y, directions[:, 1])}
    exec(lines, {"tt": Dual}, names)
    largest = max(np.abs(part).max() for n in names.values() for part in (n.value, n.slopes))
    dx, dy = (names["z"].slopes * cotangent).sum((1, 2)).reshape(2, 3, 3)
    return {"x.grad": dx, "y.grad": dy}, float(largest)


FORMS = [
    *["{} + {}", "{} - {}", "{} * {}", "{} @ {}", "{}.T @ {}", "{0} * {0} - {1}"],
    *["{}.sum(axis=0, keepdims=True) * {}", "{} - {}.sum(axis=1, keepdims=True)"],
]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Up to eight steps, each of which may use any tensor before it, once more or again."""
    names, lines = ["x", "y"], []
    for name in "abcdefg"[: draw(st.integers(1, 7))]:
        i, j = draw(st.integers(0, len(names) - 1)), draw(st.integers(0, len(names) - 1))
        lines.append(f"{name} = tt.tanh({draw(st.sampled_from(FORMS)).format(names[i], names[j])})")
        names.append(name)
    return "\n".join([*lines, f"z = {names[-1]} + x * y + x"])


@given(lines=programs(), seed=seeds)
def test_any_graph(lines: str, seed: int) -> None:
    """05.18 Drawn programs, differentiated forwards with dual numbers."""
    x, y, c = (
        fill((3, 3), seed, "normal"),
        fill((3, 3), seed + 1, "normal"),
        fill((3, 3), seed + 2, "normal"),
    )
    want, largest = dual_gradients(lines, c, x, y)
    assert_close(program(lines, c, x, y), want=want, terms=100 * largest)


EVERY = [
    *[
        "a + b",
        "a - 2",
        "3 / a",
        "a / b",
        "a ** 2",
        "a ** b",
        "2 ** a",
        "-a",
        "a @ b.T",
        "a * [1, 2, 3]",
        "a * np.float64(0.5)",
        "a * np.arange(3)",
    ],
    *[
        "a.exp()",
        "a.log()",
        "a.sqrt()",
        "a.abs()",
        "tt.maximum(a, 0)",
        "tt.where(a > 0.5, a, 0.0)",
        "a.clip(0, 1)",
    ],
    *[
        "a.sum()",
        "a.mean(axis=0)",
        "a.max()",
        "a.min(axis=1)",
        "a.var()",
        "a.reshape(-1)",
        "a.T",
        "a.expand(2, 2, 3)",
    ],
    *["a.pad((1, 1))", "a[0]", "a[[0, 0]]", "tt.cat([a, b])", "tt.stack([a, b])"],
    *[f"tt.{name}(a - 0.3)" for name in NAMES],
]


PAIRS_OF_OPERANDS = [
    *["a + b", "a - b", "a * b", "a / b", "a ** b", "a @ b.T", "b @ a.T", "a[0] @ b.T", "a @ b[1]"],
    *["tt.maximum(a, b)", "tt.where(a > 0.5, a, b)", "tt.cat([a, b])", "tt.stack([a, b], axis=-1)"],
    *["tt.cat([b, a, b], axis=1)", "a + b[0]", "a / b[:, :1]", "a.sum(axis=0) * b"],
]


@observe
def of_one_operand(tt: Any, expression: str, others: Any, cotangent: Any, a: Any, b: Any) -> Any:
    found = {}
    for name in "ab":
        names = {"a": a, "b": b}
        if others == "tensor":
            names = {n: tt.Tensor(x) for n, x in names.items()}
        names[name] = tt.Tensor({"a": a, "b": b}[name], requires_grad=True)
        eval(expression, {"tt": tt, "np": np, **names}).backward(cotangent)
        found[name] = [getattr(names[n], "grad", None) for n in "ab"]
    return found


def test_gradient_does_not_depend_on_who_else_needs_one() -> None:
    """05.18 Of two operands, only one requires a gradient; the other is a tensor, or a plain array."""
    a, b = positive(2, 3), positive(2, 3, seed=1)
    for expression in PAIRS_OF_OPERANDS:
        c = normal(*shape_of(expression, a, b), seed=2)
        both = gradients(expression, c, a, b)
        for others in ("tensor", "array"):
            got = of_one_operand(expression, others, c, a, b)
            assert_equal([got["a"][1], got["b"][0]], want=[None, None])
            assert_close([got["a"][0], got["b"][1]], want=both)


@observe
def in_any_order(tt: Any, expression: str, a: Any, b: Any) -> Any:
    orders = {
        "row by row": np.ascontiguousarray,
        "column by column": np.asfortranarray,
        "backwards": lambda x: x[::-1].copy()[::-1],
        "every other": lambda x: np.repeat(x, 2, -1)[..., ::2] if x.ndim else x,
    }
    found = {}
    for order, laid_out in orders.items():
        x, y = (tt.Tensor(laid_out(v), requires_grad=True) for v in (a, b))
        out = eval(expression, {"tt": tt, "np": np, "a": x, "b": y})
        pull = np.sin(np.arange(1.0, out.size + 1)).reshape(out.shape)
        out.backward(laid_out(pull) if pull.ndim else pull)
        found[order] = {n: t.grad for n, t in (("a.grad", x), ("b.grad", y)) if t.grad is not None}
    return found


LAID_OUT = [
    *EVERY,
    "a.permute(1, 0).reshape(-1)",
    "a.flatten() * 2",
    "a.T.max()",
    "a.reshape(3, 2)",
]


def test_gradients_of_any_order_of_memory() -> None:
    """05.18 Operands and cotangents laid out column by column, backwards, with gaps."""
    a, b = positive(2, 3), positive(2, 3, seed=1)
    for expression in LAID_OUT:
        runs = in_any_order(expression, a, b)
        for order in ("column by column", "backwards", "every other"):
            assert_alike(runs, "row by row", order)


NOTHING = [
    *["a + 1", "a * a", "a / 2", "2 ** a", "a.exp()", "a.clip(0, 1)", "tt.maximum(a, 0.0)"],
    *["tt.where(a > 0, a, 1.0)", "a.sum()", "a.sum(axis=0)", "a.sum(axis=1)", "a.mean(axis=1)"],
    *[
        "a.mean()",
        "a.mean(axis=0, keepdims=True)",
        "a.max(axis=1)",
        "a.min(axis=-1, keepdims=True)",
    ],
    *["a.T", "a.reshape(-1)", "a.reshape(3, 0)", "a.expand(2, -1, -1)", "a.pad((1, 1))", "a[:0]"],
    *["a[[]]", "a[a > 0]", "a[:, [1, 1]]", "tt.cat([a, a], axis=1)", "tt.softmax(a)", "tt.relu(a)"],
    *["tt.log_softmax(a)", "tt.gelu(a)", "a + np.ones(3)"],
]


def test_gradients_of_nothing() -> None:
    """05.18 Tensors of size 0: the gradient has their shape, and beside it a stretched operand's is 0."""
    for expression in NOTHING:
        cotangent = np.ones(shape_of(expression, np.zeros((0, 3))))
        got = gradients(expression, cotangent, np.zeros((0, 3)))[0]
        assert_equal(got, want=np.zeros((0, 3)))


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1), ()], ids=str)
def test_gradients_of_what_was_stretched_to_nothing(shape: Any) -> None:
    """05.18 An operand beside one of shape (0, 3), and one expanded to it: sums of nothing are 0."""
    for expression in ["a + b", "b * a", "tt.where(b > 0, b, a)", "a.expand(0, 3)"]:
        other = gradients("a", np.ones(3), np.ones(3))[0]
        got = gradients(expression, np.ones((0, 3)), np.ones(shape), np.zeros((0, 3)))[0]
        assert_equal(np.shape(got), want=shape)
        assert_zeros(got, beside=other)


@observe
def twice_over(tt: Any, expression: str, a: Any, b: Any) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    out = eval(expression, {"tt": tt, "np": np, "a": x, "b": y})
    cotangent = np.arange(1.0, out.size + 1).reshape(out.shape)
    found = {}
    for times in ("the first call", "the second, without the first"):
        x.grad = y.grad = None
        out.backward(cotangent)
        found[times] = {n: t.grad for n, t in (("a.grad", x), ("b.grad", y)) if t.grad is not None}
    return found


def test_every_operation_twice() -> None:
    """05.5 Each operation, walked back twice with .grad = None in between: the two answers agree."""
    for expression in EVERY:
        runs = twice_over(expression, positive(2, 3), positive(2, 3, seed=1))
        assert_alike(runs, "the first call", "the second, without the first")


@observe
def new_numbers(tt: Any, expression: str, a: Any, b: Any, after: Any) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    fresh, found = (tt.Tensor(after, requires_grad=True), y), {}
    for what, operands in (("before", (x, y)), ("after", (x, y)), ("of a new tensor", fresh)):
        if what == "after":
            x.data[...] = after
        operands[0].grad = y.grad = None
        out = eval(expression, {"tt": tt, "np": np, "a": operands[0], "b": operands[1]})
        out.backward(np.arange(1.0, out.size + 1).reshape(out.shape))
        found[what] = operands[0].grad
    return found


def test_every_operation_on_new_numbers() -> None:
    """05.18 Each operation again, once the operand holds other numbers, as an optimizer leaves it."""
    for expression in [*EVERY, *(f"tt.{name}(a)" for name in NAMES)]:
        a, b, after = (positive(2, 3, seed=seed) for seed in range(3))
        runs = new_numbers(expression, a, b, after)
        assert_alike(runs, "of a new tensor", "after")


@observe
def dtypes_on_the_way(tt: Any, expression: str, a: Any, b: Any) -> Any:
    seen = []
    probe = tt.primitive(lambda x, /: x * 1)
    tt.defvjp(probe, lambda g, out, x: seen.append([str(g.dtype), g.shape]) or g)
    x = tt.Tensor(a, requires_grad=True)
    out = eval(expression, {"tt": tt, "np": np, "a": probe(x), "b": tt.Tensor(b)})
    out.backward(np.arange(1.0, out.size + 1).reshape(out.shape))
    return [*seen[0], str(x.grad.dtype), bool(np.asarray(x.grad).any())]


WIDER = ["a * np.full(3, 0.5)", "tt.maximum(a, np.full(3, 0.5))", "a / np.full((2, 1), 0.5)"]


@pytest.mark.parametrize("expression", [*EVERY, *WIDER])
def test_float32_stays_float32_on_the_way(expression: str) -> None:
    """05.19 The dtype of each cotangent that a rule receives."""
    x, y = positive(2, 3).astype(np.float32), positive(2, 3, seed=1).astype(np.float32)
    got = dtypes_on_the_way(expression, x, y)
    assert_equal(got, want=["float32", (2, 3), "float32", True])


@FEW
@given(lines=programs(), seed=seeds)
def test_linear_in_the_cotangent(lines: str, seed: int) -> None:
    """05.18 The gradients for c, for d and for 2 c - 3 d."""
    x, y, c, d = [fill((3, 3), seed + i, "normal") for i in range(4)]
    first, second = program(lines, c, x, y), program(lines, d, x, y)
    want = {name: 2 * first[name] - 3 * second[name] for name in first}
    assert_close(program(lines, 2 * c - 3 * d, x, y), want=want, terms=1e4)


# ---- no_grad: 05.20 ------------------------------------------------------------------------------


@observe
def nested_blocks(tt: Any) -> Any:
    x = tt.Tensor([1.0, 2.0], requires_grad=True)
    noted = {"before": (x * x).note is not None}
    with tt.no_grad():
        with tt.no_grad():
            noted["in the inner block"] = (x * x).note is not None
        noted["in the outer block"] = (x * x).note is not None
    noted["after"] = (x * x).note is not None
    return noted


def test_no_grad_blocks_nest() -> None:
    """05.20 requires_grad inside and after a block in a block."""
    want = {"before": True, "in the inner block": False, "in the outer block": False, "after": True}
    assert_equal(nested_blocks(), want=want)


@observe
def block_with_an_error(tt: Any) -> Any:
    x = tt.Tensor([1.0, 2.0], requires_grad=True)
    noted = {}
    try:
        with tt.no_grad():
            noted["in the block"] = (x * x).note is not None
            raise KeyError("on purpose")
    except KeyError as error:
        noted["the error"] = str(error)
    noted["after"] = (x * x).note is not None
    return noted


def test_no_grad_passes_errors_on() -> None:
    """05.20 An exception leaves the block; operations afterwards."""
    want = {"in the block": False, "the error": "'on purpose'", "after": True}
    assert_equal(block_with_an_error(), want=want)


@observe
def decorated_function(tt: Any) -> Any:
    x = tt.Tensor([1.0, 2.0], requires_grad=True)

    @tt.no_grad()
    def noted(answer):
        return [answer, (x * x).note is not None]

    return {"first call": noted("a"), "second call": noted("b"), "after": (x * x).note is not None}


def test_no_grad_decorates() -> None:
    """05.20 A decorated function, called twice."""
    want = {"first call": ["a", False], "second call": ["b", False], "after": True}
    assert_equal(decorated_function(), want=want)


@observe
def decorated_in_all_ways(tt: Any) -> Any:
    x, noted = tt.Tensor([1.0, 2.0], requires_grad=True), {}

    def records():
        return (x * x).note is not None

    @tt.no_grad()
    def down(n, *, step=1):
        inside = down(n - step, step=step) if n > 0 else []
        return [*inside, records()]

    @tt.no_grad()
    def fails():
        raise KeyError("on purpose")

    class Model:
        @tt.no_grad()
        def evaluate(self, answer):
            return [answer, type(self).__name__, records()]

    noted["a method"] = Model().evaluate("a")
    noted["in a recursion"] = down(4, step=2)
    noted["after the recursion"] = records()
    try:
        fails()
    except KeyError as error:
        noted["the error"] = str(error)
    noted["after the error"] = records()
    with tt.no_grad():
        noted["called in a block"] = down(0)
        noted["in the block, afterwards"] = records()
        decorated_here = tt.no_grad()(records)
    noted["after the block"] = records()
    noted["decorated in the block"] = decorated_here()
    noted["after its call"] = records()
    return noted


DECORATED: dict[str, Any] = {
    "a method": ["a", "Model", False],
    "in a recursion": [False] * 3,
    "after the recursion": True,
    "the error": "'on purpose'",
    "after the error": True,
    "called in a block": [False],
    "in the block, afterwards": False,
    "after the block": True,
    "decorated in the block": False,
    "after its call": True,
}


def test_no_grad_decorates_recursions_and_within_blocks() -> None:
    """05.20 A method, and functions that call themselves, fail, are called or decorated inside a block."""
    assert_equal(decorated_in_all_ways(), want=DECORATED)


@observe
def ways_out(tt: Any) -> Any:
    x, noted = tt.Tensor([1.0, 2.0], requires_grad=True), {}

    def records():
        return (x * x).note is not None

    def returns():
        with tt.no_grad():
            return records()

    def yields():
        with tt.no_grad():
            yield records()
            yield records()

    noted["return"] = [returns(), records()]
    for _ in range(3):
        with tt.no_grad():
            inside = records()
            break
    noted["break"] = [inside, records()]
    noted["to the end of a generator"] = [*yields(), records()]
    generator = yields()
    inside = next(generator)
    generator.close()
    noted["a generator that is closed"] = [inside, records()]
    for error in (KeyboardInterrupt, SystemExit, StopIteration, ZeroDivisionError):
        try:
            with tt.no_grad():
                inside = records()
                raise error
        except BaseException as raised:
            noted[error.__name__] = [inside, type(raised).__name__ == error.__name__, records()]
    return noted


ERRORS = ["KeyboardInterrupt", "SystemExit", "StopIteration", "ZeroDivisionError"]
WAYS_OUT: dict[str, Any] = {
    "return": [False, True],
    "break": [False, True],
    "to the end of a generator": [False, False, True],
    "a generator that is closed": [False, True],
} | {error: [False, True, True] for error in ERRORS}


def test_no_grad_ends_however_it_ends() -> None:
    """05.20 return, break, a generator, and exceptions that are no errors, such as Ctrl-C."""
    assert_equal(ways_out(), want=WAYS_OUT)


@observe
def within_a_flag_that_is_off(tt: Any) -> Any:
    x, noted, grad_mode = tt.Tensor([1.0, 2.0], requires_grad=True), {}, tt.door.grad_mode
    grad_mode.enabled = False
    try:
        with tt.no_grad():
            noted["in the block"] = (x * x).note is not None
        noted["after it"] = (x * x).note is not None
    finally:
        grad_mode.enabled = True
    return noted


def test_no_grad_where_recording_is_off_already() -> None:
    """05.20 grad_mode.enabled was set to False by hand, and is so after a block."""
    assert_equal(within_a_flag_that_is_off(), want={"in the block": False, "after it": False})


@observe
def beside_another_thread(tt: Any) -> Any:
    import threading

    x = tt.Tensor([1.0, 2.0], requires_grad=True)
    noted = {}

    def work():
        noted["in the other thread"] = (x * x).note is not None

    with tt.no_grad():
        other = threading.Thread(target=work)
        other.start()
        other.join()
        noted["in the block"] = (x * x).note is not None
    return noted


def test_no_grad_belongs_to_a_thread() -> None:
    """05.20 An operation in another thread, while this one is in a block."""
    want = {"in the other thread": True, "in the block": False}
    assert_equal(beside_another_thread(), want=want)


@observe
def two_threads_in_turn(tt: Any) -> Any:
    import threading

    x, noted = tt.Tensor([1.0, 2.0], requires_grad=True), {}

    def records():
        return (x * x).note is not None

    inside, leave = threading.Event(), threading.Event()

    def work():
        with tt.no_grad():
            noted["other thread, in its block"] = records()
            inside.set()
            leave.wait(2)
        noted["other thread, after its block"] = records()

    other = threading.Thread(target=work)
    with tt.no_grad():
        with tt.no_grad():
            other.start()
            inside.wait(2)
        noted["in the outer block"] = records()
    noted["after both"] = records()
    leave.set()
    other.join()
    noted["at the end"] = records()
    return noted


IN_TURN: dict[str, Any] = {
    "other thread, in its block": False,
    "in the outer block": False,
    "after both": True,
    "other thread, after its block": True,
    "at the end": True,
}


def test_no_grad_in_two_threads_at_once() -> None:
    """05.20 Blocks of two threads that begin and end in turn: each thread finds what it had."""
    assert_equal(two_threads_in_turn(), want=IN_TURN)


@observe
def update_without_notes(tt: Any, a: Any) -> Any:
    x = tt.Tensor(a, requires_grad=True)
    loss = (x * x).sum()
    with tt.no_grad():
        y = x * 2
        loss.backward()
        late = x * 2
    (x + y + late - late).backward(np.ones(a.shape))
    return [x.requires_grad, y.requires_grad, late.requires_grad, x.grad]


def test_no_grad_makes_constants() -> None:
    """05.20 Results made in a block, before and after a backward in it; the leaves stay leaves."""
    *flags, gradient = update_without_notes(dyadic(3))
    needed = {f"{n}.requires_grad": f for n, f in zip(("x", "y", "late"), flags, strict=True)}
    want = {"x.requires_grad": True, "y.requires_grad": False, "late.requires_grad": False}
    assert_equal(needed, want=want)
    assert_close(gradient, want=2 * dyadic(3) + 1)


# ---- gradcheck: 05.21 ----------------------------------------------------------------------------


@observe(shown="gradcheck(lambda a, b, ...: {expression}, [a, b, ...])")
def checked(tt: Any, expression: str, *arrays: Any) -> Any:
    tensors = [tt.Tensor(a, requires_grad=True) for a in arrays]
    return tt.gradcheck(
        eval(f"lambda a, b=None, c=None: {expression}", {"tt": tt, "np": np}), tensors
    )


@pytest.mark.parametrize(
    "expression",
    [
        "a * a",
        "(a @ b).exp().sum()",
        "tt.softmax(a @ b) * c",
        "a.var(axis=0) / b.T[0].abs()",
        "tt.log_softmax(a)[[0, 0, 1]]",
        "tt.gelu(a).max(axis=1, keepdims=True) + tt.relu(c)",
        "a * a * 1e6",
        "a * a * np.array([1e8, 1.0, 0.0])",
        "a * 1e-9 + 1",
        "tt.softmax(a).sum()",
        "a",
        "(a[:0] * a[:0]).sum() + 1",
        "a.reshape(-1)[2] * a.sum()",
    ],
)
def test_gradcheck_of_your_rules(expression: str) -> None:
    """05.21 Expressions of your operations: True is expected."""
    inputs = dyadic(2, 3), normal(3, 3), dyadic(2, 3, seed=1)
    assert_equal(checked(expression, *inputs), want=True)


@observe
def checked_alone(tt: Any, a: Any) -> Any:
    return tt.gradcheck(lambda x: (x * x).sum(), tt.Tensor(a, requires_grad=True))


def test_gradcheck_of_one_tensor() -> None:
    """05.21 A single tensor in place of a list of one."""
    assert_equal(checked_alone(dyadic(2, 3)), want=True)


@observe
def checked_inputs(tt: Any, expression: str, arrays: Any, needs: Any, *options: Any) -> Any:
    inputs = [tt.Tensor(a, requires_grad=n) for a, n in zip(arrays, needs, strict=True)]
    return tt.gradcheck(eval(f"lambda a, b=None: {expression}", {"tt": tt}), inputs, *options)


def test_gradcheck_of_inputs_of_every_kind() -> None:
    """05.21 One number, nothing, columns in memory, the same numbers by rows; constants of other dtypes."""
    column = np.asfortranarray(dyadic(2, 3))
    for array in (np.array(1.5), np.zeros((0, 3)), column, dyadic(2, 3)[::-1], dyadic(3, 2).T):
        assert_equal(checked_inputs("a * a", [array], [True]), want=True)
    for constant in (np.float32([1, 2, 3]), np.array([1, 2, 3]), np.array([True, False, True])):
        pair = [dyadic(2, 3), constant]
        assert_equal(checked_inputs("a * a * b", pair, [True, False]), want=True)
        assert_equal(checked_inputs("b * b * a", pair[::-1], [False, True]), want=True)


def test_gradcheck_takes_central_differences_of_eps() -> None:
    """05.21 eps is half the distance: central differences are exact for squares at any eps, off for cubes."""
    a, eps, cube = 1 + positive(3), real(0.5, 0.3, 0.7), "a * a * a"
    assert_equal(checked_inputs("a * a", [a], [True], eps), want=True)
    assert_equal(checked_inputs(cube, [a], [True]), want=True)
    says = ("input 0", "index (")
    assert_raises(checked_inputs, cube, [a], [True], eps, error="ValueError", says=says)


@observe
def zero_for_ones(tt: Any, axis: int, a: Any) -> Any:
    softmax = tt.primitive(lambda x, /: np.exp(x) / np.exp(x).sum(axis, keepdims=True))
    tt.defvjp(softmax, lambda g, out, x: 0 * g)
    return tt.gradcheck(lambda x: softmax(x), [tt.Tensor(a, requires_grad=True)])


def test_gradcheck_takes_a_random_cotangent() -> None:
    """05.21 A softmax of rows or columns whose rule gives zeros: right for a cotangent of ones, and for no other."""
    for axis in (0, 1):
        assert_raises(zero_for_ones, axis, dyadic(2, 3), error="ValueError", says=("input 0",))


@observe
def checked_with_rule(tt: Any, rule: str, a: Any, b: Any, **options: Any) -> Any:
    product = tt.primitive(lambda a, b, /: a * b)
    tt.defvjp(product, lambda g, out, a, b: g * b, eval(f"lambda g, out, a, b: {rule}", {"np": np}))
    return tt.gradcheck(
        lambda x, y: product(x, y),
        [tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)],
        **options,
    )


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        ("2 * g * a", "index ("),
        ("-g * a", "index ("),
        ("g * b", "index ("),
        ("0 * g", "index ("),
        ("a + 0 * g", "index ("),
        ("np.where(np.arange(6).reshape(2, 3) == 5, 0, g * a)", "(1, 2)"),
        ("g * a * (1 + 1e-3)", ""),
        ("np.nan * g", "index ("),
        ("np.inf * g", "index ("),
        ("np.where(np.arange(6).reshape(2, 3) == 4, np.nan, g * a)", "(1, 1)"),
        ("np.where(np.arange(6).reshape(2, 3) == 2, -np.inf, g * a)", "(0, 2)"),
        ("np.where(np.arange(6).reshape(2, 3) == 3, 1e9, g * a)", "(1, 0)"),
    ],
    ids=[
        *["doubled", "sign", "other", "zero", "cotangent-ignored", "last-element", "slightly"],
        *["nan", "inf", "one-nan", "one-inf", "one-huge"],
    ],
)
def test_gradcheck_finds_a_wrong_rule(rule: str, index: str) -> None:
    """05.21 Rules of a product that are wrong, everywhere or at one element."""
    a, b = 1 + positive(2, 3), 3 + positive(2, 3, seed=1)
    assert_raises(checked_with_rule, rule, a, b, error="ValueError", says=("input 1", index))


@observe
def checked_beside(tt: Any, factor: Any, needs: Any, a: Any, b: Any) -> Any:
    square = tt.primitive(lambda x, /: x * x)
    tt.defvjp(square, lambda g, out, x: g * x)
    inputs = [tt.Tensor(x, requires_grad=n) for x, n in zip((a, b), needs, strict=True)]
    return tt.gradcheck(lambda x, y: (x * x * factor).sum() + square(y).sum(), inputs)


@pytest.mark.parametrize(
    ("factor", "needs", "shape"),
    [
        (1.0, (False, True), (2, 3)),
        (1e7, (True, True), (2, 3)),
        (1.0, (True, True), ()),
        (1.0, (False, True), ()),
    ],
    ids=["constant-first", "steep-first", "one-number", "one-number-second"],
)
def test_gradcheck_counts_and_measures_each_input(factor: float, needs: Any, shape: Any) -> None:
    """05.21 The second input's rule is wrong; the first is a constant, or a million times as steep."""
    a, b = 1 + positive(2, 3), 3 + positive(*shape, seed=1)
    says = ("input 1", "index ()" if shape == () else "index (")
    assert_raises(checked_beside, factor, needs, a, b, error="ValueError", says=says)


@observe
def checked_without_rule(tt: Any, a: Any, b: Any) -> Any:
    product = tt.primitive(lambda a, b, /: a * b)
    tt.defvjp(product, lambda g, out, a, b: g * b, None)
    inputs = [tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)]
    return tt.gradcheck(lambda x, y: product(x, y), inputs)


def test_gradcheck_finds_a_gradient_that_is_missing() -> None:
    """05.21 An operand whose rule is None: its gradient counts as zeros."""
    a, b = 1 + positive(2, 3), 3 + positive(2, 3, seed=1)
    says = ("input 1", "index (")
    assert_raises(checked_without_rule, a, b, error="ValueError", says=says)


@observe
def checked_by_name(tt: Any, rule: str, a: Any) -> Any:
    square = tt.primitive(lambda x, /: x * x)
    tt.defvjp(square, eval(f"lambda g, out, x: {rule}"))
    x = tt.Tensor(a, requires_grad=True)
    return tt.gradcheck(lambda _: square(x), x)


def test_gradcheck_of_a_function_that_knows_its_input() -> None:
    """05.21 The function uses the tensor x itself, not its argument; a right rule, then a wrong one."""
    assert_equal(checked_by_name("2 * g * x", dyadic(3)), want=True)
    assert_raises(checked_by_name, "g * x", dyadic(3), error="ValueError", says=("input 0",))


@observe
def checked_detached(tt: Any, expression: str, a: Any, needs: bool) -> Any:
    x = tt.Tensor(a, requires_grad=needs)
    return tt.gradcheck(eval(f"lambda x: {expression}", {"tt": tt}), x)


def test_gradcheck_of_a_result_without_a_gradient() -> None:
    """05.21 A constant, and a function that cuts its history."""
    assert_equal(checked_detached("tt.ones(3)", dyadic(3), True), want=True)
    says = ("input 0", "index (")
    assert_raises(
        checked_detached, "x.detach() * 2", dyadic(3), True, error="ValueError", says=says
    )


def test_gradcheck_needs_a_gradient() -> None:
    """05.21 Where no input requires a gradient, a ValueError mentions requires_grad."""
    assert_raises(
        checked_detached, "x * 2", dyadic(3), False, error="ValueError", says=("requires_grad",)
    )


def test_gradcheck_tolerance() -> None:
    """05.21 A rule that is off by a thousandth: tolerance is above that, below, far below."""
    rule, a, b = "g * a * (1 + 1e-3)", 1 + positive(2, 3), 1 + positive(2, 3, seed=1)
    assert_equal(checked_with_rule(rule, a, b, eps=1e-5, tolerance=2e-3), want=True)
    for tolerance in (5e-4, 1e-4):
        limits = {"eps": 1e-5, "tolerance": tolerance}
        assert_raises(checked_with_rule, rule, a, b, **limits, error="ValueError")


@observe
def check_leaves_inputs(tt: Any, a: Any, b: Any) -> Any:
    x, constant = tt.Tensor(a, requires_grad=True), tt.Tensor(b)
    x.grad = np.full(a.shape, 7.0)
    tt.gradcheck(lambda x, y: x * y * y.exp(), [x, constant])
    return {
        "x": x,
        "x.grad": x.grad,
        "b": b,
        "requires": [x.requires_grad, constant.requires_grad],
        "grad": constant.grad,
    }


def test_gradcheck_changes_nothing() -> None:
    """05.21 Data and .grad before and after; an input that requires no gradient is a constant."""
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    got = check_leaves_inputs(a.copy(), b.copy())
    assert_equal([got.pop("requires"), got.pop("grad")], want=[[True, False], None])
    assert_unchanged(got, was={"x": a, "x.grad": np.full((2, 3), 7.0), "b": b})


@observe
def check_leaves_other_tensors(tt: Any, a: Any) -> Any:
    x, weight = tt.Tensor(a, requires_grad=True), tt.Tensor(a + 1, requires_grad=True)
    fresh = tt.Tensor(a + 2, requires_grad=True)
    weight.grad = np.full(a.shape, 7.0)
    kept, array = weight.grad, x.data
    tt.gradcheck(lambda _: x * weight * fresh, x)
    return {
        "x.grad": x.grad,
        "fresh.grad": fresh.grad,
        "x.data is the same": x.data is array,
        "weight.grad is the same": weight.grad is kept,
        "weight.grad": weight.grad.tolist(),
        "x": x.data.tolist(),
    }


def test_gradcheck_leaves_other_tensors_alone() -> None:
    """05.21 A second tensor with a gradient of its own, and a third without."""
    a = dyadic(3)
    flags = {"x.grad": None, "fresh.grad": None}
    flags |= {"x.data is the same": True, "weight.grad is the same": True}
    want = flags | {"weight.grad": [7.0] * 3, "x": a.tolist()}
    assert_equal(check_leaves_other_tensors(a), want=want)


@observe
def check_that_fails(tt: Any, how: Any, a: Any) -> Any:
    square = tt.primitive(lambda x, /: x * x)
    tt.defvjp(square, lambda g, out, x: g * x)
    x, weight = tt.Tensor(a, requires_grad=True), tt.Tensor(a + 1, requires_grad=True)
    x.grad, calls = np.full(a.shape, 7.0), []

    def function(x):
        calls.append(len(calls))
        if (how, len(calls)) in (("at once", 1), ("halfway", 4)):
            raise ValueError("on purpose")
        return square(x) * weight if how == "in its rule" else x * x * weight

    try:
        tt.gradcheck(function, [x])
    except ValueError:
        calls.append("refused")
    return {
        "ended": calls[-1],
        "x.data": x.data,
        "x.grad": x.grad,
        "of the weight": weight.grad,
        "x.requires_grad": x.requires_grad,
        "recording": (x * x).note is not None,
    }


@pytest.mark.parametrize("how", ["in its rule", "halfway", "at once"])
def test_gradcheck_that_fails_changes_nothing(how: str) -> None:
    """05.21 A wrong rule, and a function that raises an error, halfway or at once: all is as it was before."""
    a = dyadic(3)
    got = check_that_fails(how, a)
    assert_unchanged(got, was={"x.data": a, "x.grad": np.full(3, 7.0)})
    want = {"ended": "refused", "of the weight": None, "x.requires_grad": True, "recording": True}
    assert_equal({name: got[name] for name in want}, want=want)


@observe
def generators_after(tt: Any, seeds: Any, a: Any) -> Any:
    found = []
    before = np.random.get_state()  # noqa: NPY002 - somebody else's generator
    for seed in seeds:
        np.random.seed(seed)  # noqa: NPY002
        tt.manual_seed(seed)
        tt.gradcheck(lambda x: x * x, tt.Tensor(a, requires_grad=True))
        state = np.random.get_state()  # noqa: NPY002
        found.append([state[1].tolist(), repr(tt.default_generator.bit_generator.state)])
    np.random.set_state(before)  # noqa: NPY002
    return found


def test_gradcheck_seeds_nothing() -> None:
    """05.21 NumPy's generator and the course's after a check, of two seeds that were set before it: they differ."""
    first, second = generators_after([integer(1, 1, 999), 1000], dyadic(3))
    names = ("NumPy's differ", "default_generator's differ")
    differ = {n: a != b for n, a, b in zip(names, first, second, strict=True)}
    assert_equal(differ, want=dict.fromkeys(names, True))


@observe
def check_in_a_block(tt: Any, a: Any) -> Any:
    x = tt.Tensor(a, requires_grad=True)
    x.grad = np.full(a.shape, 7.0)
    with tt.no_grad():
        answer = tt.gradcheck(lambda _: tt.ones(3), x)
        return {"answer": answer, "afterwards in the block": (x * x).note is not None}


def test_gradcheck_leaves_recording_as_it_is() -> None:
    """05.21 A constant, of an input that has a .grad, inside a no_grad block; and an operation after it."""
    want = {"answer": True, "afterwards in the block": False}
    assert_equal(check_in_a_block(dyadic(3)), want=want)


def test_gradcheck_needs_float64() -> None:
    """05.21 A float32 input; the error names the dtype."""
    assert_raises(
        checked,
        "a * b",
        dyadic(3),
        dyadic(3).astype(np.float32),
        error="TypeError",
        says=("float32",),
    )


# ---- refusals: 05.22 -----------------------------------------------------------------------------


@observe
def backward_from(tt: Any, expression: str, gradient: Any, requires_grad: bool, n: int) -> Any:
    x = tt.Tensor(np.ones((2, n)), requires_grad=requires_grad)
    eval(expression, {"tt": tt, "x": x}).backward(gradient)
    return x.grad


@pytest.mark.parametrize(
    ("expression", "gradient", "requires_grad", "error", "says"),
    [
        ("x * 2", None, True, "RuntimeError", ("(2, 3)",)),
        ("x * 2", np.ones((3, 2)), True, "ValueError", ("(2, 3)", "(3, 2)")),
        ("x * 2", np.ones(3), True, "ValueError", ("(2, 3)", "(3,)")),
        ("x * 2", 1.0, True, "ValueError", ("(2, 3)", "()")),
        ("x.sum()", np.ones(3), True, "ValueError", ("()", "(3,)")),
        ("x.sum()", np.ones(1), True, "ValueError", ("()", "(1,)")),
        ("x.sum().reshape(1)", np.ones((1, 1)), True, "ValueError", ("(1,)", "(1, 1)")),
        ("x * 2", np.ones((5, 2, 3)), True, "ValueError", ("(2, 3)", "(5, 2, 3)")),
        ("x", np.ones((3, 2)), True, "ValueError", ("(2, 3)", "(3, 2)")),
        ("x", None, True, "RuntimeError", ("(2, 3)",)),
        ("x[:0] * 2", None, True, "RuntimeError", ("(0, 3)",)),
        ("(x * 2).sum()", None, False, "RuntimeError", ("requires_grad",)),
        ("x.detach().sum()", None, True, "RuntimeError", ("requires_grad",)),
        ("x", np.ones((2, 3)), False, "RuntimeError", ("requires_grad",)),
        ("x * 2", np.ones((2, 3)), False, "RuntimeError", ("requires_grad",)),
    ],
    ids=[
        "not-one-number",
        "transposed",
        "would-broadcast",
        "number",
        "too-large",
        "one-axis-too-many",
        "one-axis-too-many-again",
        "would-be-summed",
        "leaf-transposed",
        "leaf-not-one-number",
        "nothing",
        "no-gradient",
        "detached",
        "constant",
        "no-gradient-but-a-cotangent",
    ],
)
def test_backward_refuses(
    expression: str, gradient: Any, requires_grad: bool, error: str, says: Any
) -> None:
    """05.22 One refusal each, with what the message must name."""
    n = integer(3, 3, 99)
    says = tuple(
        said.replace("(2, 3)", f"(2, {n})").replace("(0, 3)", f"(0, {n})") for said in says
    )
    assert_raises(backward_from, expression, gradient, requires_grad, n, error=error, says=says)


# ---- systems: 05.23 and 05.24 --------------------------------------------------------------------


@observe(uses=(origins,))
def after_backward(tt: Any, expression: str, a: Any, b: Any) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    out = eval(expression, {"tt": tt, "np": np, "a": x, "b": y})
    beside = tt.Tensor(np.zeros(out.shape), requires_grad=True)
    cotangent = tt.Tensor(np.full(out.shape, 3.0))
    result = out + beside
    data = {"a": x.data, "b": y.data}
    for t in origins(result):
        if t.note:
            data[f"the output of {t.note.primitive.__name__}"] = t.data
    before = {name: array.copy() for name, array in data.items()}
    result.backward(cotangent)
    after = {"cotangent": cotangent.data, "the other operand's gradient": beside.grad}
    return {"before": before, "after": data | after}


SIGNED = [
    *["a.abs()", "-a", "a - b", "b - a * 2", "a.clip(-0.2, 0.3)", "tt.maximum(a, b)", "a.exp()"],
    *["tt.where(a > 0, a, b)", "a ** 2", "a / b", "a.sum(axis=1)", "a.max(axis=1)", "a.min()"],
    *[
        "a.mean(axis=(1, 0))",
        "a.var(axis=1)",
        "(a * 0).max(axis=1)",
        "(a * 0).min()",
        "a @ b.T",
        "tt.cat([a, a * 2, b])",
        "a[[0, 0]] * b",
    ],
    *[f"tt.{name}(a * 2)" for name in NAMES],
    *[f"tt.{name}(a) * b" for name in ("sigmoid", "tanh", "softplus", "softmax", "log_softmax")],
]


def test_backward_changes_no_data() -> None:
    """05.23 Operands, outputs on the way, the cotangent, and another operand's gradient, before and after."""
    for expression in EVERY:
        check_unchanged(expression, positive(2, 3), positive(2, 3, seed=1))
    for expression in SIGNED:  # where numbers are negative, a rule in place would show
        check_unchanged(expression, dyadic(2, 3), dyadic(2, 3, seed=1))


def check_unchanged(expression: str, a: Any, b: Any) -> None:
    """All that backward could write to holds what it held."""
    got = after_backward(expression, a, b)
    threes = np.full(got["after"]["cotangent"].shape, 3.0)
    was = got["before"] | {"a": a, "b": b}
    was |= {"cotangent": threes, "the other operand's gradient": threes}
    assert_unchanged(got["after"], was=was)


@observe
def over_a_given_gradient(tt: Any, a: Any, b: Any) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b)
    x.grad = y.data
    (x * 3).sum().backward()
    return {"x.grad": x.grad, "y.data": y.data.copy()}


def test_backward_adds_to_no_data() -> None:
    """05.23 x.grad was set to the array of another tensor: the sum is a new array."""
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    got = over_a_given_gradient(a, b)
    assert_unchanged({"y.data": got["y.data"]}, was={"y.data": b})
    assert_close(got["x.grad"], want=b + 3)


@observe
def shared_memory(tt: Any, expression: str, a: Any, b: Any, as_tensor: Any = False) -> Any:
    x, y = tt.Tensor(a, requires_grad=True), tt.Tensor(b, requires_grad=True)
    out = eval(expression, {"tt": tt, "np": np, "a": x, "b": y})
    cotangent = np.full(out.shape, 3.0)
    shared = []
    for call in ("first", "second"):
        out.backward(tt.Tensor(cotangent) if as_tensor else cotangent)
        gradients = {"a.grad": x.grad, "b.grad": y.grad}
        memory = {"the output": out.data, "the cotangent": cotangent}
        memory |= {"a.data": x.data, "b.data": y.data} | gradients
        for m, n in [(m, n) for m in gradients for n in memory if m < n or n not in gradients]:
            both = gradients[m] is not None and memory[n] is not None
            if both and m != n and np.shares_memory(gradients[m], memory[n]):
                shared.append(f"{m} and {n}, after the {call} call")
        x.grad *= 2
    return {"shared": shared, "a.grad": x.grad}


ALIASES = [
    "a + b",
    "b + a",
    "a - b",
    "a",
    "a.reshape(3, 2)",
    "a.T",
    "a.sum() + b.sum()",
    "a.expand(1, 2, 3)",
    "a[:]",
    "tt.cat([a, b])",
    "tt.stack([a, b], axis=1)",
    "a.pad((0, 0))",
    "a.T + b.T",
    "(a + b).reshape(-1)",
    "a.reshape(-1) + b.reshape(-1)",
]


@pytest.mark.parametrize("expression", ALIASES)
def test_gradients_share_no_memory(expression: str) -> None:
    """05.23 Each pair among cotangent, gradients and data."""
    got = shared_memory(expression, dyadic(2, 3), dyadic(2, 3, seed=1))
    assert_equal(got["shared"], want=[])
    assert_close(got["a.grad"], want=np.full((2, 3), 18.0))


@pytest.mark.parametrize("expression", ["a", "a + b", "a.T", "a.reshape(-1) + b.reshape(-1)"])
def test_gradients_share_no_memory_with_a_tensor(expression: str) -> None:
    """05.23 The cotangent is a tensor: each pair among its data, gradients and data."""
    got = shared_memory(expression, dyadic(2, 3), dyadic(2, 3, seed=1), True)
    assert_equal(got["shared"], want=[])
    assert_close(got["a.grad"], want=np.full((2, 3), 18.0))


@pytest.mark.parametrize("expression", ["a.sum()", "a.mean(axis=0, keepdims=True)"])
def test_gradient_of_one_element_may_be_written_to(expression: str) -> None:
    """05.23 Sums and means of a single element: each pair among cotangent, gradients and data."""
    got = shared_memory(expression, np.array([1.5]), np.array([2.5]))
    assert_equal(got["shared"], want=[])
    assert_close(got["a.grad"], want=np.array([18.0]))


@observe
def long_chain(tt: Any, length: int) -> Any:
    x = tt.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x
    for _ in range(length):
        y = y + x
    y.backward([1.0, 3.0])
    return x.grad


def test_ten_thousand_operations_in_a_row() -> None:
    """05.24 10,000 operations in a row, deeper than Python's stack."""
    assert_close(long_chain(10_000), want=np.array([10_001.0, 30_003.0]))


@observe
def peak_of_backward(tt: Any, length: int, size: int) -> Any:
    import tracemalloc

    x, factor = tt.Tensor(np.ones(size), requires_grad=True), np.full(size, 0.5)
    y = x
    for _ in range(length):
        y = y * factor
    cotangent = np.ones(size)
    tracemalloc.start()
    try:
        y.backward(cotangent)
        return [
            tracemalloc.get_traced_memory()[1] / cotangent.nbytes,
            float(x.grad[0] * 2.0**length),
        ]
    finally:
        tracemalloc.stop()


def test_cotangents_are_dropped_when_used() -> None:
    """05.24 Arrays alive during the walk: a few, not one for each operation."""
    arrays, slope = peak_of_backward(50, 20_000)
    assert_close(slope, want=1.0)
    assert_below(arrays, limit=8, what="arrays held during the walk, of 50 operations")


@observe
def survivors(tt: Any, a: Any, keep: bool) -> Any:
    import gc
    import weakref

    gc.disable()
    try:
        x = tt.Tensor(a, requires_grad=True)
        h = x * 2
        loss = (h * h + x).sum() if keep else (h * h + x)
        nodes = [weakref.ref(h), weakref.ref(loss)]
        loss.backward(None if keep else a)
        loss.backward(None if keep else a)
        del h
        alive = [node() is not None for node in nodes]
        del loss
        return {
            "while the loss lives": alive,
            "after": [node() is not None for node in nodes],
            "x.grad": x.grad,
        }
    finally:
        gc.enable()


@pytest.mark.parametrize("keep", [False, True], ids=["tensor", "scalar"])
def test_graph_is_freed_with_its_loss(keep: bool) -> None:
    """05.24 Whether the graph is gone after `del loss`, with the garbage collector switched off."""
    a = dyadic(2, 3)
    got = survivors(a, keep)
    assert_close(got.pop("x.grad"), want=2 * (8 * a + 1) * (1 if keep else a))
    assert_equal(got, want={"while the loss lives": [True, True], "after": [False, False]})


@observe
def left_after_an_error(tt: Any, a: Any) -> Any:
    import gc
    import weakref

    @tt.primitive
    def exotic(a, /):
        return a * 2

    gc.disable()
    try:
        x = tt.Tensor(a, requires_grad=True)
        (x * 3).sum().backward()
        loss, error = (exotic(x) * 3).sum(), "none"
        try:
            loss.backward()
        except RuntimeError:
            error = "RuntimeError"
        node = weakref.ref(loss)
        del loss
        return {"error": error, "alive": int(node() is not None)}
    finally:
        gc.enable()


def test_graph_of_a_failed_walk_is_freed() -> None:
    """05.24 An operation without a rule: the graph goes with its loss, the collector switched off."""
    assert_equal(left_after_an_error(normal(2, 3)), want={"error": "RuntimeError", "alive": 0})


@observe
def left_after_calls(tt: Any, calls: int, size: int) -> Any:
    import gc
    import tracemalloc

    def step():
        x, y = (tt.Tensor(np.full(size, 2.0), requires_grad=True) for _ in range(2))
        (x * y + x).exp().sum().backward()
        return float(y.grad[0])

    gc.disable()
    try:
        slope = step()
        tracemalloc.start()
        for _ in range(calls):
            step()
        return [tracemalloc.get_traced_memory()[0] / (8 * size), slope]
    finally:
        tracemalloc.stop()
        gc.enable()


def test_nothing_is_kept_from_call_to_call() -> None:
    """05.24 Memory that is left after ten graphs were made, walked and dropped: not one array's."""
    arrays, slope = left_after_calls(10, 10_000)
    assert_close(slope, want=2.0 * np.exp(6.0))
    assert_below(arrays, limit=0.8, what="arrays left after ten graphs have gone")
