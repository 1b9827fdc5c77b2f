"""Kata 04, Losses: the clauses of katas/04_losses/README.md, in the order in which they turn green.

The sections follow the tasks; no section needs a blank of a later one. The last one, conventions,
holds for every loss.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.expressions import assert_followed, evaluate, origins
from support.observe import observe
from support.oracle import Case, check_values
from support.strategies import (
    CURATED,
    Shape,
    dyadic,
    fill,
    flags,
    integer,
    named,
    normal,
    one_of,
    real,
    seeds,
    shapes,
)

LOG2, LOG3 = math.log(2), math.log(3)
PREDICTION, TARGET = np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[1.0, 4.0], [3.0, 2.0]])
LOGITS = np.array([[LOG2, 0.0, 0.0], [0.0, 0.0, 0.0]])  # these are the README's worked examples

SAME = tuple((s, s) for s in CURATED)
FLAT = tuple((s, s) for s in ((1, 3), (4, 3), (3, 3), (5, 7)))
DEEP = tuple((s, s) for s in ((2, 3, 5), (3, 3, 3), (2, 5, 1, 3), (3, 5, 7)))
OTHERS = [named("average"), "Mean", "me", "", None]
other = pytest.mark.parametrize("wrong", OTHERS, ids=["average", "Mean", "me", "empty", "None"])
MORE_OTHERS = [["mean"], 0, False, True, ("sum",), "means", " sum", "batchmean", "NONE", b"none"]
MORE_OTHERS += ["max", "min", "var", "numpy", "item", "shape", "sum_", "mean_loss"]
UNEQUAL = [((4, 1), (4,)), ((4,), (4, 1)), ((2, 3), (3,)), ((2, 3), ()), ((2, 3), (3, 2))]
UNEQUAL += [((), (1,)), ((1,), ()), ((1, 1), (1,)), ((3, 1), (3, 4)), ((2, 1, 3), (2, 3))]
NUMBERS = [
    *["[0, 1, 1]", "[0.0, 1.0, 1.0]", "np.array([0, 1, 1])", "np.array([0.0, 1.0, 1.0])"],
    *["tt.Tensor(np.array([0, 1, 1], np.uint8))", "tt.Tensor(np.array([False, True, True]))"],
]
INTEGERS = ["[2, 0]", "np.array([2, 0], np.uint8)", "tt.Tensor(np.array([2, 0], np.int32))"]
INTEGERS += [f"np.array([2, 0], np.{kind})" for kind in ("int8", "int16", "uint32", "uint64")]
FLOATS = [("[2.0, 0.0]", "float64"), ("tt.Tensor([2, 0])", "float32"), ("np.eye(2, 3)", "float64")]
FLOATS += [("[True, False]", "bool"), ("tt.Tensor(np.array([True, False]))", "bool")]
FLOATS += [("['1', '0']", "<U1"), ("[None, 1]", "object"), ("np.array([1, 0], complex)", "complex")]
KINDS = [
    "floats",
    "tensor-of-list",
    "one-hot",
    "bools",
    "tensor-of-bools",
    "texts",
    "None",
    "complex",
]
MISFITS = [
    *[((2, 3), (3,)), ((3, 3), (3, 3)), ((2, 3), (2, 1)), ((3,), (3,))],
    *[((2, 3, 5), (2, 3)), ((2, 3, 5), (2,))],
    *[
        ((2, 3), (1, 2)),
        ((1, 3), ()),
        ((), ()),
        ((3,), ()),
        ((3,), (1,)),
        ((1,), ()),
        ((2, 3, 5), (2, 5, 1)),
        ((2, 3, 5), (5, 2)),
    ],
]
STRETCHABLE = [
    *[((2, 3, 5), (2, 1)), ((2, 3, 5), (1, 5)), ((2, 3, 5), (1, 1)), ((2, 3, 1), (2, 5))],
    *[((2, 3, 1), (2,)), ((2, 3), (1,)), ((2, 3), ()), ((1, 3), (2,)), ((1, 3), (1, 1))],
    *[((2, 3), (0,)), ((0, 3), (2,)), ((0, 3), (0, 1)), ((2, 3, 5, 1), (2, 5)), ((0, 3, 2), (0,))],
]
OUTSIDE = [3, integer(17, 4, 999), -1, integer(-3, -99, -2)]
outside = pytest.mark.parametrize("wrong", OUTSIDE, ids=["3", "17", "-1", "-3"])


def case(title: str, call: str, shapes: Any = SAME, kind: str = "normal") -> Case:
    """A case of a call that PyTorch spells in the same way."""
    return Case(title, f"tt.{call}", shapes, kind, torch=f"F.{call}")


def spelled(title: str, call: str, shape: Shape, skip: int) -> Case:
    """A case whose class numbers stand in the call, every third of them to be ignored."""
    sizes = shape[:1] + shape[2:]
    classes = ((np.arange(math.prod(sizes)) * 2 + 1) % shape[1]).reshape(sizes)
    classes.flat[::3] = skip
    spoken = str(classes.tolist())
    torch = call.format(f"torch.tensor({spoken})")
    return Case(title, f"tt.{call.format(spoken)}", ((shape,),), "normal", torch=f"F.{torch}")


def classes_for(shape: Shape, seed: int) -> Any:
    """Class numbers, one for each position of logits of a shape."""
    return np.random.default_rng(seed).integers(0, shape[1], shape[:1] + shape[2:])


def log_softmax_of(x: Any) -> Any:
    """The logarithm of the softmax over axis 1, from its definition."""
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def pick(x: Any, classes: Any) -> Any:
    """x[n, classes[n, d...], d...]."""
    return np.take_along_axis(x, classes[:, None], axis=1)[:, 0]


def refused_shapes(name: str, pair: tuple[Shape, Shape]) -> None:
    """A loss of numbers against numbers refuses two different shapes, and names both."""
    first, second = [tuple(n * integer(1, 1, 30) if n > 1 else n for n in shape) for shape in pair]
    a, b, says = fill(first), fill(second, 1), (str(first), str(second))
    others = ("b.numpy()", "b.tolist()", "tt.Tensor(b.numpy(), requires_grad=True)")
    for target in ("b", *others * (pair == UNEQUAL[0])):
        assert_raises(evaluate, f"tt.{name}(a, {target})", a, b, error="ValueError", says=says)


def refused_target(call: str, shape: Shape, error: str, *says: str) -> None:
    """A loss refuses its target, and names what `says` lists."""
    assert_raises(evaluate, f"tt.{call}", fill(shape), error=error, says=says)


def check_reductions(call: str, losses: Any, *arrays: Any) -> None:
    """A loss whose text lacks its end gives these losses, their sum and their mean."""
    sums = {"none": losses, "sum": losses.sum(), "mean": losses.mean()}
    for reduction, want in sums.items():
        got = evaluate(f"{call}, reduction='{reduction}')", *arrays)
        assert_close(got, want=np.asarray(want, losses.dtype))


# ---- regression: 04.1 to 04.5 --------------------------------------------------------------------


def test_mse_loss_example() -> None:
    """04.1 The worked example."""
    assert_close(evaluate("tt.mse_loss(a, b)", PREDICTION, TARGET), want=np.float64(5.0))


MSE = [case("mse_loss", "mse_loss(a, b)")]


@pytest.mark.parametrize("case", MSE, ids=str)
def test_mse_loss(case: Case) -> None:
    """04.1 Values that PyTorch gives, for several shapes."""
    check_values("04", case)


@given(shape=shapes(max_dims=4), seed=seeds)
def test_mse_loss_of_any_shape(shape: Shape, seed: int) -> None:
    """04.1 Drawn shapes and numbers."""
    a, b = fill(shape, seed, "normal"), fill(shape, seed + 1, "normal")
    assert_close(evaluate("tt.mse_loss(a, b)", a, b), want=np.float64(((a - b) ** 2).mean()))


def test_l1_loss_example() -> None:
    """04.2 The worked example."""
    assert_close(evaluate("tt.l1_loss(a, b)", PREDICTION, TARGET), want=np.float64(1.5))


L1 = [case("l1_loss", "l1_loss(a, b)")]


@pytest.mark.parametrize("case", L1, ids=str)
def test_l1_loss(case: Case) -> None:
    """04.2 Values that PyTorch gives, for several shapes."""
    check_values("04", case)


@given(shape=shapes(max_dims=4), seed=seeds)
def test_l1_loss_of_any_shape(shape: Shape, seed: int) -> None:
    """04.2 Drawn shapes and numbers."""
    a, b = fill(shape, seed, "normal"), fill(shape, seed + 1, "normal")
    assert_close(evaluate("tt.l1_loss(a, b)", a, b), want=np.float64(np.abs(a - b).mean()))


REDUCTIONS = [
    case(f"{name}-{reduction}", f"{name}(a, b, reduction='{reduction}')")
    for name in ("mse_loss", "l1_loss")
    for reduction in ("none", "sum", "mean")
]


@pytest.mark.parametrize("case", REDUCTIONS, ids=str)
def test_reduction(case: Case) -> None:
    """04.3 Each loss with each reduction: values that PyTorch gives."""
    check_values("04", case)
    a, b = normal(2, 3), normal(2, 3, seed=1)
    losses = (a - b) ** 2 if "mse" in case.name else np.abs(a - b)
    reduced = {"none": losses, "sum": np.float64(losses.sum()), "mean": np.float64(losses.mean())}
    assert_close(evaluate(case.expression, a, b), want=reduced[case.name.split("-")[1]])


@observe(uses=(origins,))
def remembered(tt: Any, expression: str, data: Any, target: Any, flags: Any) -> Any:
    a, b = tt.Tensor(data, requires_grad=True), tt.Tensor(target)
    loss = eval(expression, {"tt": tt, "a": a, "b": b})
    inputs = [tt.Tensor(data, requires_grad=flag) for flag in flags]
    losses = [eval(expression, {"tt": tt, "a": a, "b": b}) for a in inputs]
    return {
        "the loss is a Tensor": isinstance(loss, tt.Tensor),
        "it requires a gradient when a does": [getattr(x, "requires_grad", None) for x in losses],
        "its notes lead to a": any(tensor is a for tensor in origins(loss)),
    }


def check_history(expression: str) -> None:
    """Kata 05 will find its way from this loss to its input."""
    does = flags(True, False)
    got = remembered(expression, dyadic(2, 3), dyadic(2, 3, seed=1), does)
    want = dict.fromkeys(got, True) | {"it requires a gradient when a does": does}
    assert_equal(got, want=want)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_history(name: str) -> None:
    """04.18 requires_grad of the loss and its notes, with and without a gradient in the input."""
    check_history(f"tt.{name}(a, b)")


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@other
def test_unknown_reduction(name: str, wrong: Any) -> None:
    """04.3 mse_loss and l1_loss with other names, and with None."""
    for shape in ((2, 3), (), (0,)):
        refused_target(f"{name}(a, a, reduction={wrong!r})", shape, "ValueError", str(wrong))


def close_and_large() -> list[Any]:
    """Predictions and targets in float32 whose squares have no digit left for the difference."""
    x = np.array([10000.5, -3000.25, 1000010.0], np.float32) * np.float32(one_of(1, 2, 4))
    return [x, np.round(x, -2)]


def test_squares_of_large_numbers() -> None:
    """04.1 Prediction and target are large and close, in float32."""
    x, target = close_and_large()
    check_reductions("tt.mse_loss(a, b", (x - target) ** 2, x, target)


def test_distances_of_any_size() -> None:
    """04.2 Large and close numbers; distances whose squares overflow, one whose square is 0."""
    near = np.float32([0, 0, 1])
    tiny, large, huge = np.float32([[1e-25, -2e-25, 3], [2e20, -3e20, 3], [2e35, -3e37, 3]])
    for a, b in (close_and_large(), (tiny, near), (large, near), (huge, near)):
        got = evaluate("tt.l1_loss(a, b, reduction='none')", a, b)
        assert_exact(got, want=np.abs(a - b))
        check_reductions("tt.l1_loss(a, b", np.abs(a - b), a, b)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@pytest.mark.parametrize("pair", UNEQUAL, ids=str)
def test_shapes_must_be_equal(name: str, pair: Any) -> None:
    """04.4 (4, 1) against (4,), and their kin."""
    refused_shapes(name, pair)


@pytest.mark.parametrize("target", NUMBERS)
def test_targets_take_the_dtype_of_the_input(target: str) -> None:
    """04.5 The dtype of the loss, for each kind of target."""
    x = np.array([1.0, 3.0, -2.0], np.float32) * np.float32(real(1.0, 1.25, 1.75))
    off = x.astype(np.float64) - [0, 1, 1]
    assert_close(evaluate(f"tt.mse_loss(a, {target})", x), want=np.float32((off**2).mean()))
    assert_close(evaluate(f"tt.l1_loss(a, {target})", x), want=np.float32(np.abs(off).mean()))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_integers_do_not_cut_the_target(name: str) -> None:
    """04.5 Beside an input of integers or bools the targets are float32."""
    want = np.float32(0.25 if name == "mse_loss" else 0.5)
    assert_close(evaluate(f"tt.{name}(a, [1.5, 2.5, 3.5])", np.array([1, 2, 3])), want=want)
    for x in (np.array([True, False]), np.array([1, 0], np.uint8), np.array([1, 0])):
        for target in ("[0.5, 0.5]", "np.array([0.5, 0.5])", "tt.Tensor(np.array([0.5, 0.5]))"):
            assert_close(evaluate(f"tt.{name}(a, {target})", x), want=want)


NEARLY = {"float32": [0.1, 1 / 3, -2.7, 1 + 1e-9], "float16": [0.1, 1 / 3, -2.7, 2000.3]}


@pytest.mark.parametrize("dtype", NEARLY)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_targets_are_rounded_as_the_input_is(name: str, dtype: str) -> None:
    """04.5 Prediction and target are one number: in the dtype of the input nothing is between them."""
    x = np.array([*NEARLY[dtype], 2.0], dtype)
    for target in spellings([*NEARLY[dtype], 5.0]):
        got = evaluate(f"tt.{name}(a, {target}, reduction='none')", x)
        want = np.array([0, 0, 0, 0, 9 if name == "mse_loss" else 3], dtype)
        assert_exact(got, want=want)
        got = evaluate(f"tt.{name}(a, {target}, reduction='sum')", x)
        assert_exact(got, want=want.sum())


def spellings(values: list[float]) -> list[str]:
    """The same targets as a list, an array and a tensor."""
    return [str(values), f"np.array({values})", f"tt.Tensor(np.array({values}))"]


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_targets_keep_their_digits(name: str) -> None:
    """04.5 Targets that float32 cannot hold, beside an input of float64."""
    x, y = normal(3), np.array([0.1, 1 / 3, -2.7]) * real(1.0, 0.5, 1.0)
    off = x - y
    for target in spellings(y.tolist()):
        got = evaluate(f"tt.{name}(a, {target}, reduction='none')", x)
        assert_close(got, want=off**2 if name == "mse_loss" else abs(off))
    large = 2**24 + 1 + 2 * integer(0, 0, 999)
    for target in spellings([large]):
        got = evaluate(f"tt.{name}(a, {target})", np.array([large + 2.0]))
        assert_close(got, want=np.float64(4.0 if name == "mse_loss" else 2.0))


# ---- yes_or_no: 04.6 and 04.7 --------------------------------------------------------------------

NAME = "binary_cross_entropy_with_logits"


def test_binary_cross_entropy_example() -> None:
    """04.6 The worked example."""
    z = np.array([0, LOG3, -LOG3, LOG3])
    got = evaluate(f"tt.{NAME}(a, [1, 1, 0.5, 0], reduction='none')", z)
    assert_close(got, want=np.array([LOG2, 2 * LOG2 - LOG3, 2 * LOG2 - LOG3 / 2, 2 * LOG2]))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_], ids=["int64", "uint8", "bool"])
def test_logits_may_be_integers(kind: Any) -> None:
    """04.5 Integers and bools as logits: an unsigned integer has no -1, and a bool no sign."""
    z = np.array([1, 0, 1]).astype(kind)
    want = np.log1p(np.exp(np.where([0, 1, 0], 1.0, -1.0) * z)).astype(np.float32)
    assert_close(evaluate(f"tt.{NAME}(a, [1, 0, 1], reduction='none')", z), want=want)


BCE = [
    case(f"{NAME}-{reduction}", f"{NAME}(a, tt.sigmoid(b), reduction='{reduction}')")
    for reduction in ("none", "mean", "sum")
]


@pytest.mark.parametrize("case", BCE, ids=str)
def test_binary_cross_entropy(case: Case) -> None:
    """04.6 Values that PyTorch gives, for several shapes."""
    check_values("04", case)


@given(shape=shapes(max_dims=4), seed=seeds)
def test_binary_cross_entropy_of_any_shape(shape: Shape, seed: int) -> None:
    """04.6 Drawn shapes and numbers."""
    z, y = fill(shape, seed, "normal"), np.random.default_rng(seed).random(shape)
    p = 1 / (1 + np.exp(-z))
    want = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert_close(evaluate(f"tt.{NAME}(a, b)", z, y), want=np.float64(want))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_binary_cross_entropy_is_stable(dtype: str) -> None:
    """04.7 Logits such as 1000 and -1000, with either target."""
    share = real(1.0, 0.75, 1.0)
    z = (np.array([1000, -1000, 1000, -1000, 1000, 40, -1000]) * share).astype(dtype)
    want = (np.array([1000, 1000, 0, 0, 500, 40, 250]) * share).astype(dtype)
    check_reductions(f"tt.{NAME}(a, [0, 1, 1, 0, 0.5, 0, 0.25]", want, z)


@other
def test_binary_cross_entropy_unknown_reduction(wrong: Any) -> None:
    """04.3 binary_cross_entropy_with_logits with other names, and with None."""
    for shape in ((3,), (), (0,)):
        refused_target(f"{NAME}(a, a, reduction={wrong!r})", shape, "ValueError", str(wrong))


@pytest.mark.parametrize("pair", UNEQUAL, ids=str)
def test_binary_cross_entropy_shapes(pair: Any) -> None:
    """04.4 (4, 1) against (4,), and their kin."""
    refused_shapes(NAME, pair)


@pytest.mark.parametrize("target", NUMBERS)
def test_binary_cross_entropy_targets(target: str) -> None:
    """04.5 The dtype of the loss, for each kind of target."""
    x = np.array([1.0, 3.0, -2.0], np.float32)
    want = np.log1p(np.exp([1.0, -3.0, 2.0])).mean()
    assert_close(evaluate(f"tt.{NAME}(a, {target})", x), want=np.float32(want))


def test_binary_cross_entropy_targets_keep_their_digits() -> None:
    """04.5 Probabilities that float32 cannot hold; and logits that are integers."""
    z, y = normal(3), np.array([0.1, 1 / 3, 0.7]) * real(1.0, 0.5, 1.0)
    want = y * np.log1p(np.exp(-z)) + (1 - y) * np.log1p(np.exp(z))
    for target in spellings(y.tolist()):
        assert_close(evaluate(f"tt.{NAME}(a, {target}, reduction='none')", z), want=want)
        got = evaluate(f"tt.{NAME}(a, {target}, reduction='none')", np.array([0, 0, 0]))
        assert_close(got, want=np.full(3, LOG2, np.float32))


def test_probabilities_are_rounded_as_the_logits_are() -> None:
    """04.5 A target that is 1 in the dtype of the logits."""
    for dtype, nearly in (("float32", 1 - 1e-9), ("float16", 1 - 1e-5)):
        z = np.array([1000, 1000], dtype)
        for target in spellings([nearly, 0.0]):
            got = evaluate(f"tt.{NAME}(a, {target}, reduction='none')", z)
            assert_exact(got, want=np.array([0, 1000], dtype))


# ---- likelihood: 04.8 to 04.12 -------------------------------------------------------------------


def test_nll_loss_example() -> None:
    """04.8 The worked example."""
    scale = real(1.0, 0.5, 2.0)
    log_p = np.array([[-1.0, -2.0], [-0.5, -4.0]]) * scale
    assert_close(evaluate("tt.nll_loss(a, [1, 0])", log_p), want=np.float64(1.25 * scale))


NLL = [
    case("nll_loss-none", "nll_loss(a, b.argmax(axis=1), reduction='none')", FLAT),
    case("nll_loss", "nll_loss(a, b.argmax(axis=1))", FLAT),
    case("nll_loss-sum", "nll_loss(a, b.argmax(axis=1), reduction='sum')", FLAT),
]


@pytest.mark.parametrize("case", NLL, ids=str)
def test_nll_loss(case: Case) -> None:
    """04.8 Values that PyTorch gives, for several sizes."""
    check_values("04", case)


FITTING = [
    ("[0, 1]", (2, 3)),
    ("[0]", (1, 1)),
    ("np.zeros(0, int)", (0, 3)),
    ("[[0, 1]]", (1, 2, 2)),
]


@other
def test_nll_loss_unknown_reduction(wrong: Any) -> None:
    """04.3 nll_loss with other names, and with None."""
    for target, shape in FITTING:
        call = f"nll_loss(a, {target}, reduction={wrong!r})"
        refused_target(call, shape, "ValueError", str(wrong))


def test_nll_loss_of_infinity() -> None:
    """04.8 The log-probability -inf, of what cannot happen: a loss of inf, if it happens."""
    x = np.array([[-np.inf, -1.0], [-2.0, -np.inf]])
    got = evaluate("tt.nll_loss(a, [0, 0], reduction='none')", x)
    assert_close(got, want=np.array([np.inf, 2.0]))
    assert_close(evaluate("tt.nll_loss(a, [1, 0])", x), want=np.float64(1.5))


def test_nll_loss_of_positions_example() -> None:
    """04.9 The worked example: one text of three places."""
    log_p = -np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])  # one text, two classes, three places
    got = evaluate("tt.nll_loss(a, [[0, 1, 0]], reduction='none')", log_p)
    assert_close(got, want=np.array([[1.0, 5.0, 3.0]]))


POSITIONS = [
    case("nll_loss-none-deep", "nll_loss(a, b.argmax(axis=1), reduction='none')", DEEP),
    case("nll_loss-deep", "nll_loss(a, b.argmax(axis=1))", DEEP),
    case("nll_loss-sum-deep", "nll_loss(a, b.argmax(axis=1), reduction='sum')", DEEP),
]


@pytest.mark.parametrize("case", POSITIONS, ids=str)
def test_nll_loss_of_positions(case: Case) -> None:
    """04.9 Values that PyTorch gives, with one axis and two behind the classes."""
    check_values("04", case)


@given(shape=shapes(min_dims=2, max_dims=5), seed=seeds)
def test_nll_loss_of_any_shape(shape: Shape, seed: int) -> None:
    """04.9 Drawn shapes and numbers."""
    x, b = fill(shape, seed, "normal"), classes_for(shape, seed)
    assert_close(evaluate("tt.nll_loss(a, b, reduction='none')", x, b), want=-pick(x, b))


@pytest.mark.parametrize("target", INTEGERS)
def test_class_numbers_are_integers(target: str) -> None:
    """04.10 nll_loss with each kind of target."""
    x = np.array([[0.5, 1.5, -2.0], [-3.0, 0.25, 4.0]])
    got = evaluate(f"tt.nll_loss(a, {target}, reduction='none')", x)
    assert_close(got, want=np.array([2.0, 3.0]))


def test_large_class_numbers() -> None:
    """04.10 Classes beyond 127, 255 and 65,535; uint8 holds no -100, so it ignores none."""
    last = integer(69_999, 65_536, 69_999)
    x = np.zeros((4, 70_000))
    x[range(4), [156, 255, 40_000, last]] = [-2.0, -3.0, -4.0, -5.0]
    got = evaluate(f"tt.nll_loss(a, [156, 255, 40000, {last}], reduction='none')", x)
    assert_close(got, want=np.array([2.0, 3.0, 4.0, 5.0]))
    for kind in ("uint8", "uint16", "int16"):
        target = f"np.array([156, 255], np.{kind})"
        got = evaluate(f"tt.nll_loss(a, {target}, reduction='none')", x[:2, :256])
        assert_close(got, want=np.array([2.0, 3.0]))


NARROW = [("int8", (300, 100)), ("uint8", (2, 100, 40)), ("int8", (3, 20, 5, 4))]
NARROW += [("int16", (2, 300, 120)), ("uint16", (2, 300, 240)), ("uint64", (2, 4, 3))]


def test_class_numbers_of_any_width() -> None:
    """04.10 nll_loss of an input with more entries than the dtype of the class numbers can count."""
    for kind, shape in NARROW:
        x, classes = fill(shape, 7, "normal"), classes_for(shape, 7)
        got = evaluate("tt.nll_loss(a, b, reduction='none')", x, classes.astype(kind))
        assert_close(got, want=-pick(x, classes))


def test_no_class_numbers_for_no_rows() -> None:
    """04.10 Targets `[]` for a batch of shape (0, 3)."""
    got = evaluate("tt.nll_loss(a, [], reduction='none').shape", np.zeros((0, 3)))
    assert_equal(got, want=(0,))


@pytest.mark.parametrize(("target", "dtype"), FLOATS, ids=KINDS)
def test_class_numbers_refuse_floats(target: str, dtype: str) -> None:
    """04.10 nll_loss with floats, one-hot rows, bools."""
    refused_target(f"nll_loss(a, {target})", (2, 3), "TypeError", dtype)


@pytest.mark.parametrize(("shape", "target"), MISFITS, ids=str)
def test_class_numbers_must_fit(shape: Shape, target: Shape) -> None:
    """04.11 nll_loss with too many targets, too few, and targets of other axes; arrays and lists."""
    lists = [str(np.ones(target, int).tolist())] if target else []
    for spoken in (f"np.ones({target}, int)", *lists):
        refused_target(f"nll_loss(a, {spoken})", shape, "ValueError", str(shape), str(target))


def test_class_numbers_are_not_stretched() -> None:
    """04.11 nll_loss with targets of size 1 or 0 on an axis, or of one axis more or fewer."""
    for shape, target in STRETCHABLE:
        call = f"nll_loss(a, np.zeros({target}, int))"
        refused_target(call, shape, "ValueError", str(shape), str(target))


@outside
def test_class_out_of_range(wrong: int) -> None:
    """04.11 nll_loss with classes below 0 and above C - 1."""
    call = f"nll_loss(a, [0, {wrong}, 1, 2])"
    refused_target(call, (4, 3), "IndexError|ValueError", str(wrong), "3")


IGNORE = [
    spelled("nll_loss-ignore-none", "nll_loss(a, {}, reduction='none')", (5, 3), -100),
    spelled("nll_loss-ignore-sum", "nll_loss(a, {}, reduction='sum')", (5, 3), -100),
    spelled("nll_loss-ignore", "nll_loss(a, {})", (5, 3), -100),
    spelled("nll_loss-ignore-class", "nll_loss(a, {}, ignore_index=0)", (5, 3), 0),
    spelled("nll_loss-ignore-beyond", "nll_loss(a, {}, ignore_index=99)", (2, 3, 5), 99),
    spelled("nll_loss-ignore-one-class", "nll_loss(a, {}, reduction='none')", (5, 1), -100),
]


@pytest.mark.parametrize("case", IGNORE, ids=str)
def test_ignore_index(case: Case) -> None:
    """04.12 nll_loss: values that PyTorch gives, for each reduction."""
    check_values("04", case)
    x, classes, kept = ignored()
    got = evaluate("tt.nll_loss(a, b)", x, np.where(kept, classes, -100))
    assert_close(got, want=np.float64(-pick(x, classes)[kept].mean()))


UNEVEN = [(3, 4, 5), (2, 3, 4, 3), (4, 3, 1), (1, 3, 6), (6, 3)]
SKIPS = [(-100, "int8"), (255, "uint8"), (-1, "int64"), (2**40, "int64"), (-(2**31), "int32")]


def ignored_unevenly(shape: Shape) -> tuple[Any, Any, Any]:
    """Logits, classes, and which positions are kept: another number of them in each row."""
    sizes = shape[:1] + shape[2:]
    kept = np.arange(math.prod(sizes)).reshape(sizes) % 5 < 2
    kept.flat[-integer(3, 2, 3) :] = True
    return fill(shape, 6, "normal"), classes_for(shape, 6), kept


def uneven(call: str, shape: Shape, s: float | None = None) -> None:
    """A loss with each reduction where the rows have unlike numbers of ignored positions."""
    x, classes, kept = ignored_unevenly(shape)
    losses = -pick(x, classes) if s is None else smoothed(x, classes, s)
    sums = {"none": np.where(kept, losses, 0), "sum": losses[kept].sum()}
    skip, kind = SKIPS[UNEVEN.index(shape)]
    targets = np.where(kept, classes, skip).astype(kind)
    for reduction, want in {**sums, "mean": losses[kept].mean()}.items():
        got = evaluate(f"tt.{call}, reduction='{reduction}', ignore_index={skip})", x, targets)
        assert_close(got, want=np.asarray(want))


def certain_beside_ignored(call: str, certain: list[float]) -> None:
    """A loss of 0 counts in the mean beside an ignored position; a nan at a kept one stays."""
    x = np.stack([certain, dyadic(3), dyadic(3), certain])
    each, *total = (
        evaluate(f"tt.{call}, [0, 1, -100, 0], reduction='{how}')", x)
        for how in ("none", "mean", "sum")
    )
    assert_close(np.stack(total), want=each[1] * np.array([1 / 3, 1]))
    x[0] = np.nan
    for how in ("mean", "sum"):
        lost = f"tt.{call}, [0, 1, -100, 0], reduction='{how}')"
        assert_equal(is_nan(lost, x), want=[True, "float64"])


def test_nll_loss_counts_a_position_without_a_loss() -> None:
    """04.12 A loss of 0 where the target is kept, beside an ignored one, and a nan in its place."""
    certain_beside_ignored("nll_loss(a", [0.0, -50.0, -60.0])


def test_rows_with_more_or_fewer_ignored_positions() -> None:
    """04.12 nll_loss: every position that counts weighs the same, in whichever row it stands."""
    for shape in UNEVEN:
        uneven("nll_loss(a, b", shape)


@other
def test_unknown_reduction_beside_ignored_positions(wrong: Any) -> None:
    """04.3 nll_loss with other names, and with None, where a position is ignored."""
    for target in ("[0, -100]", "[-100, -100]"):
        call = f"nll_loss(a, {target}, reduction={wrong!r})"
        refused_target(call, (2, 3), "ValueError", str(wrong))


def ignored() -> tuple[Any, Any, Any]:
    """Logits, a class for each row, and which rows are not ignored."""
    kept = np.array([True, *flags(True, False)])
    shape = (kept.size, 3)
    return fill(shape, 5, "normal"), classes_for(shape, integer(5, 0, 999)), kept


@observe
def is_nan(tt: Any, expression: str, data: Any) -> Any:
    loss = eval(expression, {"tt": tt, "np": np, "a": tt.Tensor(data)})
    return [bool(np.isnan(loss.item())), str(loss.dtype)]


@pytest.mark.parametrize(
    "call", ["nll_loss(a, [-100, -100])", "nll_loss(a, [1, 1], ignore_index=1)"]
)
def test_everything_ignored(call: str) -> None:
    """04.12 Every target is ignored."""
    nothing_left(call)


def nothing_left(call: str) -> None:
    """Where every target of (2, 3) is ignored, the mean is nan and the sum 0; dtypes stay."""
    for dtype in ("float64", "float32"):
        assert_equal(is_nan(f"tt.{call}", dyadic(2, 3).astype(dtype)), want=[True, dtype])
    summed, each = (call.replace(")", f", reduction='{name}')") for name in ("sum", "none"))
    assert_close(evaluate(f"tt.{summed} + 1", dyadic(2, 3)), want=np.float64(1.0))
    assert_close(evaluate(f"tt.{each} + 1", dyadic(2, 3)), want=np.ones(2))


@pytest.mark.parametrize("name", ["nll_loss"])
def test_class_out_of_range_beside_ignored_ones(name: str) -> None:
    """04.11 -100 and other negative classes where another number is ignored; a class of a place."""
    out_of_range_beside_ignored_ones(name)


WRAPPED = [(2**64 - 100, "uint64"), (2**64 - 1, "uint64"), (2**63, "uint64"), (-(2**63), "int64")]
WRAPPED += [(n + k, "int64") for n in (2**32, 2**31, 2**16, 2**15, 2**8) for k in (-100, 0, 1)]


def out_of_range_beside_ignored_ones(name: str) -> None:
    """What is not ignored is checked, also where ignore_index is given, and on every axis."""
    error = "IndexError|ValueError"
    refused_target(f"{name}(a, [0, -100], ignore_index=0)", (2, 3), error, "-100", "3")
    refused_target(f"{name}(a, [-1, -2], ignore_index=-1)", (2, 3), error, "-2", "3")
    refused_target(f"{name}(a, [99, 3], ignore_index=99)", (2, 3), error, "3")
    refused_target(f"{name}(a, [[0, 2, 1], [1, 4, -100]])", (2, 4, 3), error, "4")
    refused_target(f"{name}(a, np.array([0, 3], np.uint8))", (2, 3), error, "3")
    for wrong, kind in WRAPPED:
        call = f"{name}(a, np.array([0, {wrong}], np.{kind}))"
        refused_target(call, (2, 3), error, str(wrong), "3")
    for wrong in (3, -1, -3):
        refused_target(
            f"{name}(a, tt.Tensor(np.array([{wrong}, 0])))", (2, 3), error, str(wrong), "3"
        )
    refused_target(f"{name}(a, [99, 120], ignore_index=99)", (2, 3), error, "120", "3")
    call = f"{name}(a, np.array([0, -100], np.int8), ignore_index=156)"
    refused_target(call, (2, 3), error, "-100", "3")


def test_no_rows_have_no_mean() -> None:
    """04.12 A batch without rows: nothing is left for the mean."""
    no_rows("nll_loss")


def no_rows(name: str, options: str = "") -> None:
    """Where there are no positions the mean is nan and the sum 0, in the dtype of the input."""
    empty = "np.zeros((0, 2), int)", (0, 3, 2)
    for target, shape in (("[]", (0, 3)), empty, ("np.zeros((2, 0), int)", (2, 3, 0))):
        x = np.zeros(shape, np.float32)
        assert_equal(is_nan(f"tt.{name}(a, {target}{options})", x), want=[True, "float32"])
        got = evaluate(f"tt.{name}(a, {target}, reduction='sum'{options}) + 1", x)
        assert_close(got, want=np.float32(1))


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan], ids=str)
def test_ignored_position_may_hold_anything(odd: float) -> None:
    """04.12 inf, -inf and nan at ignored positions of nll_loss."""
    ignored_whatever_it_holds("nll_loss(a, b", odd, lambda x, b: -pick(x, b))


def ignored_whatever_it_holds(call: str, odd: float, losses_of: Any) -> None:
    """A loss of class numbers, with each reduction, where ignored positions hold inf or nan."""
    for x, classes, kept in (ignored(), ignored_unevenly((3, 4, 5))):
        losses = np.where(kept, losses_of(x, classes), 0)
        x = np.where(kept[:, None], x, odd)
        targets = np.where(kept, classes, -100)
        sums = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / kept.sum()}
        for reduction, want in sums.items():
            got = evaluate(f"tt.{call}, reduction='{reduction}')", x, targets)
            assert_close(got, want=np.asarray(want))


# ---- cross_entropy: 04.13 to 04.16 ---------------------------------------------------------------


def test_cross_entropy_example() -> None:
    """04.13 The worked example."""
    got = evaluate("tt.cross_entropy(a, [0, 2], reduction='none')", LOGITS)
    assert_close(got, want=np.array([LOG2, LOG3]))
    mean = evaluate("tt.cross_entropy(a, [0, 2])", LOGITS)
    assert_close(mean, want=np.float64((LOG2 + LOG3) / 2))


def test_cross_entropy_of_positions_example() -> None:
    """04.13 The worked example: one text of three places."""
    logits = np.array([[[LOG3, 0.0, 0.0], [0.0, 0.0, LOG3]]])  # one text, two classes, three places
    got = evaluate("tt.cross_entropy(a, [[0, 0, 0]], reduction='none')", logits)
    assert_close(got, want=np.array([[2 * LOG2 - LOG3, LOG2, 2 * LOG2]]))


CROSS_ENTROPY = [
    case("cross_entropy-none", "cross_entropy(a, b.argmax(axis=1), reduction='none')", FLAT),
    case("cross_entropy", "cross_entropy(a, b.argmax(axis=1))", FLAT),
    case("cross_entropy-sum", "cross_entropy(a, b.argmax(axis=1), reduction='sum')", FLAT),
    case("cross_entropy-none-deep", "cross_entropy(a, b.argmax(axis=1), reduction='none')", DEEP),
    case("cross_entropy-deep", "cross_entropy(a, b.argmax(axis=1))", DEEP),
]


@pytest.mark.parametrize("case", CROSS_ENTROPY, ids=str)
def test_cross_entropy(case: Case) -> None:
    """04.13 Values that PyTorch gives, for several shapes."""
    check_values("04", case)


@given(shape=shapes(min_dims=2, max_dims=5), seed=seeds)
def test_cross_entropy_of_any_shape(shape: Shape, seed: int) -> None:
    """04.13 Drawn shapes and numbers."""
    x, classes = fill(shape, seed, "normal"), classes_for(shape, seed)
    got = evaluate("tt.cross_entropy(a, b, reduction='none') + 1", x, classes)
    want = 1 - pick(log_softmax_of(x), classes)  # with a single class every loss is 0
    assert_close(got, want=want)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cross_entropy_is_stable(dtype: str) -> None:
    """04.14 Rows such as [1000, 0, -1000]."""
    share, rows = real(1.0, 0.75, 1.0), [[1000, -1000, 0], [-1000, 0, 1000], [1000, 1000, -1000]]
    logits = (np.array(rows) * share).astype(dtype)
    got = evaluate("tt.cross_entropy(a, [0, 0, 1], reduction='none')", logits)
    assert_close(got, want=np.array([0, 2000 * share, LOG2], dtype))


LARGE = [
    case("cross_entropy-large", "cross_entropy(a, b.argmax(axis=1))", FLAT + DEEP, "large"),
]


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_cross_entropy_of_large_logits(case: Case) -> None:
    """04.14 Logits around 1000 of either sign: values that PyTorch gives."""
    check_values("04", case)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cross_entropy_of_masked_logits(dtype: str) -> None:
    """04.14 Classes with a logit of -inf: beside the target, and as the target."""
    inf = np.inf
    logits = np.array([[0.0, -inf, LOG3], [0.0, -inf, LOG3], [-inf, 1000.0, -inf]], dtype)
    got = evaluate("tt.cross_entropy(a, [2, 1, 1], reduction='none') + 1", logits)
    assert_close(got, want=np.array([2 * LOG2 - LOG3 + 1, inf, 1.0], dtype))
    got = evaluate("tt.cross_entropy(a, [2, 0, 1], label_smoothing=0.0)", logits)
    assert_close(got, want=np.array((4 * LOG2 - LOG3) / 3, dtype))


SIZES = np.geomspace(0.1, 1000, 60)
EVERY_SIZE = {"yes or no": f"tt.{NAME}(a, b, ", "cross_entropy": "tt.cross_entropy(a, b, "}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("name", EVERY_SIZE)
def test_no_gap_between_small_and_large_logits(name: str, target: int, dtype: str) -> None:
    """04.7 Logits from 0.1 to 1000 of either sign (of two classes the other one is 0)."""
    z = np.concatenate([-SIZES, SIZES]).astype(dtype)
    want = np.logaddexp(0, (1 - 2 * target) * z.astype(float)).astype(dtype)
    several = np.stack([np.zeros_like(z), z], axis=1) if name == "cross_entropy" else z
    wanted = np.full(len(z), target) if name == "cross_entropy" else np.full_like(z, target)
    got = evaluate(f"{EVERY_SIZE[name]}reduction='none')", several, wanted)
    assert_close(got, want=want, terms=np.maximum(np.abs(z), 1))


@other
def test_cross_entropy_unknown_reduction(wrong: Any) -> None:
    """04.3 cross_entropy with other names, and with None; with an ignored position and without."""
    for target, shape in [*FITTING, ("[0, -100]", (2, 3)), ("[-100, -100]", (2, 3))]:
        call = f"cross_entropy(a, {target}, reduction={wrong!r})"
        refused_target(call, shape, "ValueError", str(wrong))


@pytest.mark.parametrize("target", INTEGERS)
def test_cross_entropy_targets(target: str) -> None:
    """04.10 cross_entropy with each kind of target."""
    x = dyadic(2, 3)
    got = evaluate(f"tt.cross_entropy(a, {target}, reduction='none')", x)
    assert_close(got, want=-log_softmax_of(x)[[0, 1], [2, 0]])


def test_cross_entropy_of_classes_of_any_width() -> None:
    """04.10 cross_entropy of an input with more entries than the dtype of the classes can count."""
    for kind, shape in NARROW:
        x, classes = fill(shape, 7, "normal"), classes_for(shape, 7)
        got = evaluate("tt.cross_entropy(a, b, reduction='none')", x, classes.astype(kind))
        assert_close(got, want=-pick(log_softmax_of(x), classes))


def test_cross_entropy_of_no_rows() -> None:
    """04.10 The losses of shape (0, 3), targets `[]`."""
    got = evaluate("tt.cross_entropy(a, [], reduction='none').shape", np.zeros((0, 3)))
    assert_equal(got, want=(0,))


@pytest.mark.parametrize(("target", "dtype"), FLOATS, ids=KINDS)
def test_cross_entropy_refuses_floats(target: str, dtype: str) -> None:
    """04.10 cross_entropy with floats, one-hot rows, bools."""
    refused_target(f"cross_entropy(a, {target})", (2, 3), "TypeError", dtype)


@pytest.mark.parametrize(("shape", "target"), MISFITS, ids=str)
def test_cross_entropy_targets_must_fit(shape: Shape, target: Shape) -> None:
    """04.11 cross_entropy with too many targets, too few, and targets of other axes."""
    call = f"cross_entropy(a, np.ones({target}, int))"
    refused_target(call, shape, "ValueError", str(shape), str(target))


def test_cross_entropy_targets_are_not_stretched() -> None:
    """04.11 cross_entropy with targets of size 1 or 0 on an axis, or of one axis more or fewer."""
    for shape, target in STRETCHABLE:
        call = f"cross_entropy(a, np.zeros({target}, int))"
        refused_target(call, shape, "ValueError", str(shape), str(target))


@outside
def test_cross_entropy_class_out_of_range(wrong: int) -> None:
    """04.11 cross_entropy with classes below 0 and above C - 1."""
    call = f"cross_entropy(a, [0, {wrong}, 1, 2])"
    refused_target(call, (4, 3), "IndexError|ValueError", str(wrong), "3")


def test_cross_entropy_class_out_of_range_beside_ignored_ones() -> None:
    """04.11 -100 and other negative classes where another number is ignored; a class of a place."""
    out_of_range_beside_ignored_ones("cross_entropy")


IGNORE_AGAIN = [
    spelled("cross_entropy-ignore-none", "cross_entropy(a, {}, reduction='none')", (5, 3), -100),
    spelled("cross_entropy-ignore", "cross_entropy(a, {})", (5, 3), -100),
    spelled("cross_entropy-ignore-class", "cross_entropy(a, {}, ignore_index=0)", (2, 3, 5), 0),
]


@pytest.mark.parametrize("case", IGNORE_AGAIN, ids=str)
def test_cross_entropy_ignore_index(case: Case) -> None:
    """04.12 cross_entropy: values that PyTorch gives, for each reduction."""
    check_values("04", case)


@pytest.mark.parametrize(
    "call", ["cross_entropy(a, [-100, -100])", "cross_entropy(a, [1, 1], ignore_index=1)"]
)
def test_cross_entropy_with_everything_ignored(call: str) -> None:
    """04.12 Every target of cross_entropy is ignored."""
    nothing_left(call)


@pytest.mark.parametrize("options", ["", ", label_smoothing=0.25"], ids=["plain", "smoothed"])
def test_cross_entropy_of_no_rows_has_no_mean(options: str) -> None:
    """04.12 cross_entropy of a batch without rows: nothing is left for the mean."""
    no_rows("cross_entropy", options)


def test_label_smoothing_example() -> None:
    """04.15 The worked example."""
    got = evaluate("tt.cross_entropy(a, [0], label_smoothing=0.3)", LOGITS[:1])
    assert_close(got, want=np.float64(1.2 * LOG2))


SMOOTHING = [
    case(f"cross_entropy-{title}", f"cross_entropy(a, b.argmax(axis=1), {options})", FLAT + DEEP)
    for title, options in (
        ("smooth-none", "label_smoothing=0.25, reduction='none'"),
        ("smooth", "label_smoothing=0.1"),
        ("smooth-all", "label_smoothing=1.0"),
    )
]


@pytest.mark.parametrize("case", SMOOTHING, ids=str)
def test_label_smoothing(case: Case) -> None:
    """04.15 Values that PyTorch gives, for several s."""
    check_values("04", case)


@given(shape=shapes(min_dims=2, max_dims=5), seed=seeds)
def test_label_smoothing_of_any_shape(shape: Shape, seed: int) -> None:
    """04.15 Drawn shapes and numbers, and s from 1/64 on."""
    x, b, s = fill(shape, seed, "normal"), classes_for(shape, seed), seed % 7 * (seed % 7) / 64
    log_p = log_softmax_of(x)
    want = -((1 - s) * pick(log_p, b) + s * log_p.mean(axis=1))
    got = evaluate(f"tt.cross_entropy(a, b, label_smoothing={s}, reduction='none')", x, b)
    assert_close(got + 1, want=want + 1)  # + 1 because with a single class every loss is 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("s", [0.25, 1])
def test_smoothed_cross_entropy_is_stable(s: float, dtype: str) -> None:
    """04.14 Rows such as [1000, 0, -1000], smoothed; as rows and as places."""
    x = np.array([[1000.0, -1000, 250], [-1000, 0, 1000]])
    plain, spread = np.array([0.0, 2000.0]), np.array([2750 / 3, 1000.0])
    want = ((1 - s) * plain + s * spread).astype(dtype)
    for logits, classes in ((x, "[0, 0]"), (x.T[None], "[[0, 0]]")):
        call = f"tt.cross_entropy(a, {classes}, label_smoothing={s}"
        check_reductions(call, want.reshape(np.shape(eval(classes))), logits.astype(dtype))


@pytest.mark.parametrize("wrong", [-0.1, 1.5, 10, -1, 1.001, math.nan, math.inf])
def test_label_smoothing_out_of_range(wrong: float) -> None:
    """04.15 s = -0.1, 1.5, 10, nan and others."""
    for target, shape in (*FITTING[:3:2], ("[-100, -100]", (2, 3))):
        call = f"cross_entropy(a, {target}, label_smoothing=np.float64({str(wrong)!r}))"
        refused_target(call, shape, "ValueError", str(wrong))


BOTH = [
    spelled(f"cross_entropy-both-{title}", f"cross_entropy(a, {{}}, {options})", shape, skip)
    for title, options, shape, skip in (
        ("none", "label_smoothing=0.1, reduction='none'", (5, 3), -100),
        ("sum", "label_smoothing=0.1, reduction='sum'", (5, 3), -100),
        ("mean", "label_smoothing=0.1", (5, 3), -100),
        ("deep", "label_smoothing=0.25, ignore_index=1", (2, 3, 5), 1),
    )
]


@pytest.mark.parametrize("case", BOTH, ids=str)
def test_smoothing_with_ignored_positions(case: Case) -> None:
    """04.16 Values that PyTorch gives, for each reduction."""
    check_values("04", case)
    x, classes, kept = ignored()
    call = "tt.cross_entropy(a, b, label_smoothing=0.25)"
    log_p = log_softmax_of(x)
    losses = 0.75 * pick(log_p, classes) + 0.25 * log_p.mean(axis=1)
    got = evaluate(call, x, np.where(kept, classes, -100))
    assert_close(got, want=np.float64(-losses[kept].mean()))


def test_smoothing_with_everything_ignored() -> None:
    """04.16 Every target is ignored, and the losses are smoothed."""
    nothing_left("cross_entropy(a, [-100, -100], label_smoothing=0.25)")


def test_cross_entropy_counts_a_position_without_a_loss() -> None:
    """04.16 A loss of 0 where the target is kept, beside an ignored one, and a nan in its place."""
    certain_beside_ignored("cross_entropy(a", [2000.0, 0.0, -1000.0])


@pytest.mark.parametrize("s", [0, 0.25], ids=["plain", "smoothed"])
def test_rows_with_more_or_fewer_ignored_places(s: float) -> None:
    """04.16 cross_entropy: every position that counts weighs the same, in whichever row it stands."""
    for shape in UNEVEN:
        uneven(f"cross_entropy(a, b, label_smoothing={s}", shape, s)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan], ids=str)
@pytest.mark.parametrize("s", [0, 0.25], ids=["plain", "smoothed"])
def test_ignored_logits_may_be_anything(s: float, odd: float) -> None:
    """04.16 inf, -inf and nan at ignored positions of cross_entropy."""
    call = f"cross_entropy(a, b, label_smoothing={s}"
    ignored_whatever_it_holds(call, odd, lambda x, b: smoothed(x, b, s))


def smoothed(x: Any, classes: Any, s: float) -> Any:
    """Smoothed losses of logits, from their definition."""
    log_p = log_softmax_of(x)
    return -(1 - s) * pick(log_p, classes) - s * log_p.mean(axis=1)


# ---- modules: 04.17 ------------------------------------------------------------------------------

PAIRED = ["MSELoss()", "L1Loss()", "BCEWithLogitsLoss()"]
PAIRED += [f"{name}(reduction='sum')" for name in ("MSELoss", "L1Loss", "BCEWithLogitsLoss")]
CLASSES = ["NLLLoss()", "NLLLoss(reduction='none')", "NLLLoss(ignore_index=2)"]
CLASSES += [f"CrossEntropyLoss({o})" for o in ("", "reduction='none'", "ignore_index=2")]
CLASSES += ["CrossEntropyLoss(label_smoothing=0.25)"]
PADDED = ["NLLLoss()", "CrossEntropyLoss()"]
MODULES = [
    *[Case(m, f"tt.{m}(a, b)", SAME, torch=f"torch.nn.{m}(a, b)") for m in PAIRED],
    *[
        Case(
            m,
            f"tt.{m}(a, [2, 0, 2, 1, 1])",
            (((5, 3),),),
            torch=f"torch.nn.{m}(a, torch.tensor([2, 0, 2, 1, 1]))",
        )
        for m in CLASSES
    ],
    *[
        Case(
            f"{m}-ignored",
            f"tt.{m}(a, [2, -100, 0, 1, -100])",
            (((5, 3),),),
            torch=f"torch.nn.{m}(a, torch.tensor([2, -100, 0, 1, -100]))",
        )
        for m in PADDED
    ],
]


@pytest.mark.parametrize("case", MODULES, ids=str)
def test_modules(case: Case) -> None:
    """04.17 Each module with options: values that PyTorch gives."""
    check_values("04", case)
    a, b = normal(2, 3), normal(2, 3, seed=1)
    got = evaluate("tt.MSELoss(reduction='sum')(a, b)", a, b)
    assert_close(got, want=np.float64(((a - b) ** 2).sum()))


@observe
def beside_functions(tt: Any, function: str, module: str, options: Any, a: Any, b: Any) -> Any:
    own = [getattr(tt, module)(**each) for each in options]
    x, other = tt.Tensor(a), tt.Tensor(a[::-1].copy())
    compute, before = getattr(tt, function), [{*vars(m)} for m in own]
    return {
        "functions, other numbers": [
            compute(other, tt.Tensor(b.copy()), **each) for each in options
        ],
        "modules, other numbers": [m(other, tt.Tensor(b.copy())) for m in own],
        "functions": [compute(x, tt.Tensor(b.copy()), **each) for each in options],
        "modules": [m(x, tt.Tensor(b.copy())) for m in own],
        "state afterwards": [list(m.state_dict()) for m in own],
        "kept of calls": [sorted(set(vars(m)) - old) for m, old in zip(own, before, strict=True)],
        "modules after eval()": [m.eval()(x, tt.Tensor(b.copy())) for m in own],
        "modules after train()": [m.train()(x, tt.Tensor(b.copy())) for m in own],
    }


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("MSELoss", "mse_loss"),
        ("L1Loss", "l1_loss"),
        ("BCEWithLogitsLoss", NAME),
        ("NLLLoss", "nll_loss"),
        ("CrossEntropyLoss", "cross_entropy"),
    ],
    ids=lambda name: name,
)
def test_modules_keep_their_options_apart(module: str, function: str) -> None:
    """04.17 Modules with different options, all made before any is called, each called twice; and the function."""
    options = options_of(function)
    a, b = normal(5, 3), np.array([0, 2, 1, 2, 0])
    if function not in ("nll_loss", "cross_entropy"):
        b = normal(5, 3, seed=1)
    runs = beside_functions(function, module, options, a, b)
    for also in ("modules", "modules after eval()", "modules after train()"):
        assert_alike(runs, "functions", also)
    assert_alike(runs, "functions, other numbers", "modules, other numbers")
    for state in ("state afterwards", "kept of calls"):
        assert_equal(runs[state], want=[[] for _ in options])


def options_of(function: str) -> list[dict[str, Any]]:
    """None, and every one with every other."""
    reductions: list[dict[str, Any]] = [{"reduction": r} for r in ("none", "sum", "mean")]
    options = [{}, *reductions]
    if function in ("nll_loss", "cross_entropy"):
        options += [{"ignore_index": i, **r} for i in (0, 2) for r in reductions]
    if function == "cross_entropy":
        options += [{"label_smoothing": s, **o} for s in (0.25, 1) for o in options]
    return options


PAIRED_MODULES = ["tt.MSELoss('mean')", "tt.L1Loss('sum')", "tt.BCEWithLogitsLoss('none')"]


@pytest.mark.parametrize("module", PAIRED_MODULES)
def test_modules_compare_shapes(module: str) -> None:
    """04.4 Modules refuse what their functions refuse."""
    for pair in UNEQUAL[:4]:
        refused_shapes(module.removeprefix("tt."), pair)


@pytest.mark.parametrize("module", ["NLLLoss()", "CrossEntropyLoss()"])
def test_modules_check_class_numbers(module: str) -> None:
    """04.11 Modules refuse what their functions refuse: floats, classes out of range, unfit shapes."""
    refused_target(f"{module}(a, [1.0, 0.0])", (2, 3), "TypeError", "float64")
    for shape, target in (*MISFITS[:4], *STRETCHABLE[:3]):
        call = f"{module}(a, np.zeros({target}, int))"
        refused_target(call, shape, "ValueError", str(shape), str(target))
    for wrong in OUTSIDE:
        refused_target(
            f"{module}(a, [0, {wrong}])", (2, 3), "IndexError|ValueError", str(wrong), "3"
        )


def test_module_refuses_smoothing_out_of_range() -> None:
    """04.15 CrossEntropyLoss, when it is made or when it is called."""
    for s in (-0.1, 1.5, 10, math.nan):
        call = f"CrossEntropyLoss(label_smoothing=np.float64({str(s)!r}))(a, [0, 1])"
        refused_target(call, (2, 3), "ValueError", str(s))


@observe
def spelled_targets(tt: Any, call: str, data: Any, target: Any) -> Any:
    compute, a = eval(call, {"tt": tt}), tt.Tensor(data)
    return {
        "tensor": compute(a, tt.Tensor(target)),
        "list": compute(a, target.tolist()),
        "array": compute(a, target),
    }


@pytest.mark.parametrize(
    "call", [f"tt.{n}" for n in ("mse_loss", "l1_loss", NAME)] + PAIRED_MODULES
)
def test_targets_are_lists_arrays_or_tensors(call: str) -> None:
    """04.5 Nested lists and arrays beside tensors, for functions and modules."""
    for shape in ((3,), (2, 3), (2, 1, 2)):
        runs = spelled_targets(call, fill(shape), np.abs(fill(shape, 1)) / 10)
        assert_alike(runs, "tensor", "list")
        assert_alike(runs, "tensor", "array")


@observe
def is_module(tt: Any, name: str) -> Any:
    return isinstance(getattr(tt, name)(), tt.Module)


@pytest.mark.parametrize(
    "name", ["MSELoss", "L1Loss", "BCEWithLogitsLoss", "NLLLoss", "CrossEntropyLoss"]
)
def test_modules_are_modules(name: str) -> None:
    """04.17 Whether each one is a Module."""
    assert_equal(is_module(name), want=True)


# ---- conventions: 04.18 to 04.21 -----------------------------------------------------------------

EVERY = [
    *["tt.mse_loss(a, b)", "tt.l1_loss(a, b, reduction='sum')", f"tt.{NAME}(a, b)"],
    *["tt.nll_loss(a, [1, 0])", "tt.nll_loss(a, [1, -100], reduction='none')"],
    *["tt.cross_entropy(a, [1, 0])", "tt.cross_entropy(a, [1, -100], label_smoothing=0.1)"],
    *["tt.CrossEntropyLoss(label_smoothing=0.1)(a, [1, 2])", "tt.NLLLoss()(a, [1, 2])"],
    *[f"tt.{name}()(a, b)" for name in ("MSELoss", "L1Loss", "BCEWithLogitsLoss")],
    *["tt.mse_loss(a, b, reduction='none')", "tt.l1_loss(a, b)"],
    *[f"tt.{NAME}(a, b, reduction='{reduction}')" for reduction in ("none", "sum")],
    *["tt.nll_loss(a, [1, -100])", "tt.cross_entropy(a, [1, -100])"],
    *["tt.cross_entropy(a, [1, 0], label_smoothing=0.25, reduction='none')"],
    *["tt.cross_entropy(a, [1, -100], label_smoothing=1, reduction='sum')"],
    *["tt.cross_entropy(a.reshape((1, 3, 2)), [[1, -100]], label_smoothing=0.25)"],
    *["tt.nll_loss(a.reshape((1, 3, 2)), [[1, 0]])", "tt.mse_loss(a, b, reduction='sum')"],
    *["tt.l1_loss(a, b, reduction='none')", "tt.nll_loss(a, [1, -100], reduction='sum')"],
    *["tt.nll_loss(a.reshape((1, 3, 2)), [[1, -100]], reduction='none')"],
    *[f"tt.{name}().eval()(a, b)" for name in ("MSELoss", "L1Loss", "BCEWithLogitsLoss")],
    *[f"tt.{name}().eval()(a, [1, -100])" for name in ("NLLLoss", "CrossEntropyLoss")],
]
NOTHING = [
    f"tt.{name}(a, [-100, -100], reduction='{reduction}')"
    for name in ("nll_loss", "cross_entropy")
    for reduction in ("mean", "sum", "none")
]
CALLS = {f"tt.{name}": "a, a" for name in ("mse_loss", "l1_loss", NAME)}
CALLS |= {f"tt.{name}": "a, [1, 0]" for name in ("nll_loss", "cross_entropy")}
CALLS |= {f"tt.{name}": "a, a" for name in ("MSELoss", "L1Loss", "BCEWithLogitsLoss")}
CALLS |= {f"tt.{name}": "a, [1, 0]" for name in ("NLLLoss", "CrossEntropyLoss")}
FUNCTIONS = [name for name in CALLS if "_" in name]
PAIRWISE = [f"tt.{name}(a, {b})" for name in ("mse_loss", "l1_loss", NAME) for b in ("b", "b * 1")]
PAIRWISE += [f"{module}(a, b)" for module in PAIRED_MODULES]


def apart() -> tuple[Any, Any]:
    """Two arrays of (2, 3) whose elements differ by 0.07 or more."""
    a = dyadic(2, 3)
    return a, a + dyadic(2, 3, seed=1)


@pytest.mark.parametrize("name", CALLS)
def test_no_loss_knows_another_reduction(name: str) -> None:
    """04.3 Names that hold another name, other types; a module may refuse when it is made or called."""
    function = name in FUNCTIONS
    others = [*MORE_OTHERS, *([] if function else ["Mean", "", None])]
    for wrong in others:
        option = f"reduction={wrong!r}"
        call = f"({CALLS[name]}, {option})" if function else f"({option})({CALLS[name]})"
        assert_raises(evaluate, name + call, dyadic(2, 3), error="ValueError", says=(str(wrong),))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", NAME])
def test_nothing_to_compare(name: str) -> None:
    """04.3 Inputs of shape (0, 3): no loss, a sum of 0, a mean that is nan."""
    x = np.zeros((0, 3), np.float32)
    assert_equal(evaluate(f"tt.{name}(a, a, reduction='none').shape", x), want=(0, 3))
    assert_close(evaluate(f"tt.{name}(a, a, reduction='sum') + 1", x), want=np.float32(1))
    assert_equal(is_nan(f"tt.{name}(a, a)", x), want=[True, "float32"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays(name: str) -> None:
    """04.3 The input is nan at [0, 1]: the loss of that place is nan, and so are sum and mean."""
    x = dyadic(2, 3)
    x[0, 1] = np.nan
    want = np.array([True, False]) if "[1, 0]" in CALLS[name] else np.isnan(x)
    for reduction, odd in (("none", want), ("sum", np.True_), ("mean", np.True_)):
        got = evaluate(f"np.isnan({name}({CALLS[name]}, reduction='{reduction}').data)", x)
        assert_equal(got, want=np.asarray(odd))


@observe(uses=(origins,))
def leads_to_parameters(tt: Any, expression: str, data: Any, target: Any) -> Any:
    a, b = tt.Parameter(data), tt.Parameter(target)
    found = origins(eval(expression, {"tt": tt, "a": a, "b": b}))
    return {"to a": any(t is a for t in found), "to b": any(t is b for t in found)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_history_leads_to_parameters(name: str) -> None:
    """04.18 Parameters, which are tensors, as the input and (but for class numbers) as the target."""
    call = f"{name}({CALLS[name].replace(', a', ', b')})"
    got = leads_to_parameters(call, dyadic(2, 3), dyadic(2, 3, seed=1))
    assert_equal(got, want={"to a": True, "to b": ", b" in call})


@pytest.mark.parametrize("expression", [*EVERY[2:], *NOTHING])
def test_history_leads_to_the_input(expression: str) -> None:
    """04.18 The notes, walked back from the loss."""
    check_history(expression)


@pytest.mark.parametrize("expression", EVERY)
def test_no_part_is_cut_off(expression: str) -> None:
    """04.18 The notes of a loss, followed with another input: what they give is the loss of that input."""
    a, b = apart()
    assert_followed(expression, a, b, learns="a")


@observe(uses=(origins,))
def reaches_the_target(tt: Any, expression: str, data: Any, target: Any, flags: Any) -> Any:
    a, b = tt.Tensor(data), tt.Tensor(target, requires_grad=True)
    loss = eval(expression, {"tt": tt, "a": a, "b": b})
    targets = [tt.Tensor(target, requires_grad=flag) for flag in flags]
    losses = [eval(expression, {"tt": tt, "a": a, "b": b}) for b in targets]
    needed = [loss.requires_grad for loss in losses]
    leads = any(tensor is b for tensor in origins(loss))
    return {"requires_grad": needed, "notes lead to b": leads}


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", NAME])
def test_history_leads_to_a_target_that_learns(name: str) -> None:
    """04.21 The notes, walked back from the loss."""
    does = flags(True, False)
    got = reaches_the_target(f"tt.{name}(a, b)", dyadic(2, 3), dyadic(2, 3, seed=1), does)
    assert_equal(got, want={"requires_grad": does, "notes lead to b": True})


@pytest.mark.parametrize("learns", ["b", "ab"])
@pytest.mark.parametrize("expression", PAIRWISE)
def test_no_part_of_a_target_is_cut_off(expression: str, learns: str) -> None:
    """04.21 The notes, followed with another target (and input): what they give is the loss of those."""
    assert_followed(expression, *apart(), learns=learns)


@observe
def dtype_of(tt: Any, expression: str, data: Any, target: Any) -> Any:
    return str(eval(expression, {"tt": tt, "a": tt.Tensor(data), "b": target}).dtype)


@pytest.mark.parametrize("expression", EVERY)
def test_dtype_is_the_input_s(expression: str) -> None:
    """04.19 A float32 input with float64 targets, and the reverse."""
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    assert_equal(dtype_of(expression, a.astype(np.float32), b), want="float32")
    assert_equal(dtype_of(expression, a, b.astype(np.float32)), want="float64")
    assert_equal(dtype_of(expression, a.astype(np.float16), b), want="float16")


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", NAME])
def test_dtype_beside_a_target_that_learns(name: str) -> None:
    """04.19 A float32 input and a float64 target with requires_grad."""
    expression = f"tt.{name}(a, tt.Tensor(b, requires_grad=True))"
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    assert_equal(dtype_of(expression, a.astype(np.float32), b), want="float64")
    assert_equal(dtype_of(expression, a.astype(np.float32), b.astype(np.float32)), want="float32")


@observe
def after(tt: Any, expression: str, data: Any, target: Any, given: str) -> Any:
    classes = np.array([[1, -100]] if "[[" in expression else [1, -100], np.int16)
    wrap = {"tensors": tt.Tensor, "arrays": np.asarray, "lists": lambda x: x.tolist()}[given]
    names = {"tt": tt, "a": tt.Tensor(data), "b": wrap(target), "classes": wrap(classes)}
    eval(expression.replace(str(classes.tolist()), "classes"), names)
    held = {f"{k}.data": getattr(names[k], "data", None) for k in ("a", "b", "classes")}
    if given != "tensors":  # a list, or an array that is target already
        held |= {"b.data": np.asarray(names["b"]), "classes.data": np.int16(names["classes"])}
    names["a"] = result = tt.Tensor(data.copy(), requires_grad=data.dtype.kind == "f") * 1
    eval(expression.replace(str(classes.tolist()), "classes"), names)
    return {"input": data, "a * 1": result.data, "target": target, "classes": classes, **held}


@pytest.mark.parametrize("expression", EVERY)
def test_inputs_are_not_modified(expression: str) -> None:
    """04.19 Input, target and class numbers before and after the call; the input is large."""
    classes = np.array([[1, -100]] if "[[" in expression else [1, -100], np.int16)
    for dtype in ("float64", "float32", *["int64"] * ("b)" in expression)):
        a, b = (2000 * dyadic(2, 3)).astype(dtype), dyadic(2, 3, seed=1)
        was = {"input": a, "target": b, "classes": classes}
        was |= {"a.data": a, "a * 1": a, "b.data": b, "classes.data": classes}
        for spelled_as in ("arrays", "tensors", "lists"):
            assert_unchanged(after(expression, a, b, spelled_as), was=was)


VIEWED = [
    f"tt.{name}(a, {target}, reduction='{reduction}')"
    for target, names in (
        ("b", ("mse_loss", "l1_loss", NAME)),
        ("c", ("nll_loss", "cross_entropy")),
    )
    for name in names
    for reduction in ("none", "mean", "sum")
]
VIEWED += ["tt.cross_entropy(a, c, label_smoothing=0.25, ignore_index=1)"]
VIEWS = ["x[::-1, ::-1]", "x.T", "x[..., ::2]", "np.broadcast_to(x[:1], x.shape)"]


@observe
def of_views(tt: Any, expression: str, views: Any, arrays: Any, learns: bool) -> Any:
    def loss(of_input: int, of_target: int) -> Any:
        a, b, c = (pair[i] for pair, i in zip(pairs, (of_input, of_target, of_target), strict=True))
        inputs = {"a": tt.Tensor(a, requires_grad=learns), "b": tt.Tensor(b), "c": tt.Tensor(c)}
        return eval(expression, {"tt": tt, **inputs})

    runs = {}
    for view in views:
        seen = [eval(view, {"np": np, "x": x}) for x in arrays]
        pairs = [(np.ascontiguousarray(x), x) for x in seen]
        runs[f"copies of {view}"] = [loss(0, 0)] * 3
        runs[f"input, target and both {view}"] = [loss(1, 0), loss(0, 1), loss(1, 1)]
    return runs


@pytest.mark.parametrize("expression", VIEWED)
def test_views_are_inputs(expression: str) -> None:
    """04.19 Reversed, transposed and stretched views beside copies of them, as input and as target."""
    arrays = [normal(3, 4, 3), normal(3, 4, 3, seed=1), classes_for((3, 4, 3), 0) % 3]
    for learns in (True, False):
        runs = of_views(expression, VIEWS, arrays, learns)
        for view in VIEWS:
            assert_alike(runs, f"copies of {view}", f"input, target and both {view}")


@observe
def with_other_numbers(tt: Any, expression: str, data: Any, target: Any, others: Any) -> Any:
    names = {"tt": tt, "a": tt.Tensor(data), "b": target}
    eval(expression, names)
    data[...], target[...] = others
    return eval(expression, names)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_objects_with_other_numbers(name: str) -> None:
    """04.19 Input and target are written to between two calls."""
    pair, others = [[normal(4, 3, seed=s), normal(4, 3, seed=s + 2)] for s in (0, 1)]
    if "[1, 0]" in CALLS[name]:
        pair[1], others[1] = np.array([0, 2, 1, 0]), np.array([1, 0, 2, 2])
    want = evaluate(f"{name}(a, b)", *others)
    assert_close(with_other_numbers(f"{name}(a, b)", *pair, others), want=want)


@observe
def peak(tt: Any, expression: str, data: Any, target: Any, learns: bool) -> Any:
    import tracemalloc

    names = {"tt": tt, "a": tt.Tensor(data, requires_grad=learns), "target": target}
    tracemalloc.start()
    loss = eval(expression, names)
    found = tracemalloc.get_traced_memory()[1] / data.nbytes
    tracemalloc.stop()
    return [found, loss]


LARGE_SHAPES = [(32, 8192), (4, 4096, 3), (512, 1024), (2, 1024, 256)]
large = pytest.mark.parametrize(
    "shape", LARGE_SHAPES, ids=["rows", "with an axis more", "many rows", "many places"]
)


@large
def test_cross_entropy_needs_hardly_more_memory(shape: Any) -> None:
    """04.20 The largest amount of memory during one call, beside that of log_softmax."""
    a, target = normal(*shape).astype(np.float32), classes_for(shape, 0)
    skip = f", ignore_index={target.flat[0]}"
    alone, _ = peak("tt.log_softmax(a, 1)", a, target, False)
    for options in ("", ", label_smoothing=0.1", skip, ", reduction='none'"):
        got, _ = peak(f"tt.cross_entropy(a, target{options})", a, target, False)
        assert_below(got, limit=max(alone, 2.0) + 0.5, what="peak memory, in sizes of the input")


@large
def test_picking_needs_no_memory(shape: Any) -> None:
    """04.20 The largest amount of memory during one call, for many classes; its notes count, too."""
    a, target = normal(*shape).astype(np.float32), classes_for(shape, 0)
    loss = peak("tt.nll_loss(a, target)", a, target, False)[1]
    assert_close(loss, want=-pick(a, target).mean(), terms=1.0)
    for options in ("", f", ignore_index={target.flat[0]}", ", reduction='sum'"):
        for x, learns in ((a, False), (np.asfortranarray(a), False), (a, True)):
            got, _ = peak(f"tt.nll_loss(a, target{options})", x, target, learns)
            assert_below(got, limit=0.25, what="peak memory, in sizes of the input")
