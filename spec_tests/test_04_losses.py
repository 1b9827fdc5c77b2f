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
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.expressions import evaluate
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
OTHER = named("average")
UNEQUAL = [((4, 1), (4,)), ((4,), (4, 1)), ((2, 3), (3,)), ((2, 3), ()), ((2, 3), (3, 2))]
NUMBERS = [
    *["[0, 1, 1]", "[0.0, 1.0, 1.0]", "np.array([0, 1, 1])", "np.array([0.0, 1.0, 1.0])"],
    *["tt.Tensor(np.array([0, 1, 1], np.uint8))", "tt.Tensor(np.array([False, True, True]))"],
]
INTEGERS = ["[2, 0]", "np.array([2, 0], np.uint8)", "tt.Tensor(np.array([2, 0], np.int32))"]
FLOATS = [("[2.0, 0.0]", "float64"), ("tt.Tensor([2, 0])", "float32"), ("np.eye(2, 3)", "float64")]
MISFITS = [
    *[((2, 3), (3,)), ((3, 3), (3, 3)), ((2, 3), (2, 1)), ((3,), (3,))],
    *[((2, 3, 5), (2, 3)), ((2, 3, 5), (2,))],
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
    assert_raises(evaluate, f"tt.{name}(a, b)", a, b, error="ValueError", says=says)


def refused_target(call: str, shape: Shape, error: str, *says: str) -> None:
    """A loss refuses its target, and names what `says` lists."""
    assert_raises(evaluate, f"tt.{call}", fill(shape), error=error, says=says)


# ---- regression: 04.1 to 04.5 --------------------------------------------------------------------


def test_mse_loss_example() -> None:
    """04.1 The worked example."""
    assert_close(evaluate("tt.mse_loss(a, b)", PREDICTION, TARGET), want=np.float64(5.0))


MSE = [case("mse_loss", "mse_loss(a, b)")]


@pytest.mark.parametrize("case", MSE, ids=str)
def test_mse_loss(case: Case) -> None:
    """04.1 Values that PyTorch gives, for several shapes."""
    check_values("04", case)


@given(shape=shapes(), seed=seeds)
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


@given(shape=shapes(), seed=seeds)
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


@observe
def remembered(tt: Any, expression: str, data: Any, target: Any, flags: Any) -> Any:
    a, b = tt.Tensor(data, requires_grad=True), tt.Tensor(target)
    loss = eval(expression, {"tt": tt, "a": a, "b": b})
    inputs = [tt.Tensor(data, requires_grad=flag) for flag in flags]
    losses = [eval(expression, {"tt": tt, "a": each, "b": b}) for each in inputs]
    seen, waiting = [], [loss]
    while waiting:
        seen.append(waiting.pop())
        note = getattr(seen[-1], "note", None)
        waiting += [p for p in (note.parents if note else ()) if p is not None]
    return {
        "the loss is a Tensor": isinstance(loss, tt.Tensor),
        "it requires a gradient when a does": [getattr(x, "requires_grad", None) for x in losses],
        "its notes lead to a": any(s is a for s in seen),
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
def test_unknown_reduction(name: str) -> None:
    """04.3 mse_loss and l1_loss with another name."""
    call, a = f"tt.{name}(a, a, reduction='{OTHER}')", dyadic(2, 3)
    assert_raises(evaluate, call, a, error="ValueError", says=(OTHER,))


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
    """04.5 Beside an input of integers the targets are float32."""
    want = np.float32(0.25 if name == "mse_loss" else 0.5)
    assert_close(evaluate(f"tt.{name}(a, [1.5, 2.5, 3.5])", np.array([1, 2, 3])), want=want)


# ---- yes_or_no: 04.6 and 04.7 --------------------------------------------------------------------

NAME = "binary_cross_entropy_with_logits"


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_], ids=["int64", "uint8", "bool"])
def test_logits_may_be_integers(kind: Any) -> None:
    """04.5 Integers and bools as logits: an unsigned integer has no -1, and a bool no sign."""
    z = np.array([1, 0, 1]).astype(kind)
    want = np.log1p(np.exp(np.where([0, 1, 0], 1.0, -1.0) * z)).astype(np.float32)
    assert_close(evaluate(f"tt.{NAME}(a, [1, 0, 1], reduction='none')", z), want=want)


def test_binary_cross_entropy_example() -> None:
    """04.6 The worked example."""
    z = np.array([0, LOG3, -LOG3, LOG3])
    got = evaluate(f"tt.{NAME}(a, [1, 1, 0.5, 0], reduction='none')", z)
    assert_close(got, want=np.array([LOG2, 2 * LOG2 - LOG3, 2 * LOG2 - LOG3 / 2, 2 * LOG2]))


BCE = [
    case(f"{NAME}-{reduction}", f"{NAME}(a, tt.sigmoid(b), reduction='{reduction}')")
    for reduction in ("none", "mean", "sum")
]


@pytest.mark.parametrize("case", BCE, ids=str)
def test_binary_cross_entropy(case: Case) -> None:
    """04.6 Values that PyTorch gives, for several shapes."""
    check_values("04", case)


@given(shape=shapes(), seed=seeds)
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
    z = (np.array([1000, -1000, 1000, -1000, 1000, 40]) * share).astype(dtype)
    got = evaluate(f"tt.{NAME}(a, [0, 1, 1, 0, 0.5, 0], reduction='none')", z)
    assert_close(got, want=(np.array([1000, 1000, 0, 0, 500, 40]) * share).astype(dtype))


def test_binary_cross_entropy_unknown_reduction() -> None:
    """04.3 binary_cross_entropy_with_logits with another name."""
    refused_target(f"{NAME}(a, a, reduction='{OTHER}')", (3,), "ValueError", OTHER)


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


def test_nll_loss_unknown_reduction() -> None:
    """04.3 nll_loss with another name."""
    refused_target(f"nll_loss(a, [0, 1], reduction='{OTHER}')", (2, 3), "ValueError", OTHER)


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


@given(shape=shapes(min_dims=2, max_dims=4), seed=seeds)
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


def test_no_class_numbers_for_no_rows() -> None:
    """04.10 Targets `[]` for a batch of shape (0, 3)."""
    got = evaluate("tt.nll_loss(a, [], reduction='none').shape", np.zeros((0, 3)))
    assert_equal(got, want=(0,))


@pytest.mark.parametrize(("target", "dtype"), FLOATS, ids=["floats", "tensor-of-list", "one-hot"])
def test_class_numbers_refuse_floats(target: str, dtype: str) -> None:
    """04.10 nll_loss with floats, with a tensor made of a list, and with one-hot rows."""
    refused_target(f"nll_loss(a, {target})", (2, 3), "TypeError", dtype)


@pytest.mark.parametrize(("shape", "target"), MISFITS, ids=str)
def test_class_numbers_must_fit(shape: Shape, target: Shape) -> None:
    """04.11 nll_loss with too many targets, too few, and targets of other axes."""
    call = f"nll_loss(a, np.ones({target}, int))"
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


def ignored() -> tuple[Any, Any, Any]:
    """Logits, a class for each row, and which rows are not ignored."""
    kept = np.array([True, *flags(True, False)])
    shape = (kept.size, 3)
    return fill(shape, 5, "normal"), classes_for(shape, integer(5, 0, 999)), kept


@observe
def is_nan(tt: Any, expression: str, data: Any) -> Any:
    return bool(np.isnan(eval(expression, {"tt": tt, "a": tt.Tensor(data)}).item()))


@pytest.mark.parametrize(
    "call", ["nll_loss(a, [-100, -100])", "nll_loss(a, [1, 1], ignore_index=1)"]
)
def test_everything_ignored(call: str) -> None:
    """04.12 Every target is ignored."""
    assert_equal(is_nan(f"tt.{call}", dyadic(2, 3)), want=True)


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


@given(shape=shapes(min_dims=2, max_dims=4), seed=seeds)
def test_cross_entropy_of_any_shape(shape: Shape, seed: int) -> None:
    """04.13 Drawn shapes and numbers."""
    x, classes = fill(shape, seed, "normal"), classes_for(shape, seed)
    got = evaluate("tt.cross_entropy(a, b, reduction='none')", x, classes)
    want = -pick(log_softmax_of(x), classes)
    assert_close(got + 1, want=want + 1)  # + 1 because with a single class every loss is 0


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


@pytest.mark.parametrize("target", INTEGERS)
def test_cross_entropy_targets(target: str) -> None:
    """04.10 cross_entropy with each kind of target."""
    x = dyadic(2, 3)
    got = evaluate(f"tt.cross_entropy(a, {target}, reduction='none')", x)
    assert_close(got, want=-log_softmax_of(x)[[0, 1], [2, 0]])


def test_cross_entropy_of_no_rows() -> None:
    """04.10 The losses of shape (0, 3), targets `[]`."""
    got = evaluate("tt.cross_entropy(a, [], reduction='none').shape", np.zeros((0, 3)))
    assert_equal(got, want=(0,))


@pytest.mark.parametrize(("target", "dtype"), FLOATS, ids=["floats", "tensor-of-list", "one-hot"])
def test_cross_entropy_refuses_floats(target: str, dtype: str) -> None:
    """04.10 cross_entropy with floats, with a tensor made of a list, and with one-hot rows."""
    refused_target(f"cross_entropy(a, {target})", (2, 3), "TypeError", dtype)


@pytest.mark.parametrize(("shape", "target"), MISFITS, ids=str)
def test_cross_entropy_targets_must_fit(shape: Shape, target: Shape) -> None:
    """04.11 cross_entropy with too many targets, too few, and targets of other axes."""
    call = f"cross_entropy(a, np.ones({target}, int))"
    refused_target(call, shape, "ValueError", str(shape), str(target))


@outside
def test_cross_entropy_class_out_of_range(wrong: int) -> None:
    """04.11 cross_entropy with classes below 0 and above C - 1."""
    call = f"cross_entropy(a, [0, {wrong}, 1, 2])"
    refused_target(call, (4, 3), "IndexError|ValueError", str(wrong), "3")


IGNORE_AGAIN = [
    spelled("cross_entropy-ignore-none", "cross_entropy(a, {}, reduction='none')", (5, 3), -100),
    spelled("cross_entropy-ignore", "cross_entropy(a, {})", (5, 3), -100),
    spelled("cross_entropy-ignore-class", "cross_entropy(a, {}, ignore_index=0)", (2, 3, 5), 0),
]


@pytest.mark.parametrize("case", IGNORE_AGAIN, ids=str)
def test_cross_entropy_ignore_index(case: Case) -> None:
    """04.12 cross_entropy: values that PyTorch gives, for each reduction."""
    check_values("04", case)


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


@given(shape=shapes(min_dims=2, max_dims=3), seed=seeds)
def test_label_smoothing_of_any_shape(shape: Shape, seed: int) -> None:
    """04.15 Drawn shapes and numbers."""
    x, b, s = fill(shape, seed, "normal"), classes_for(shape, seed), seed % 8 / 8
    log_p = log_softmax_of(x)
    want = -((1 - s) * pick(log_p, b) + s * log_p.mean(axis=1))
    got = evaluate(f"tt.cross_entropy(a, b, label_smoothing={s}, reduction='none')", x, b)
    assert_close(got + 1, want=want + 1)  # + 1 because with a single class every loss is 0


@pytest.mark.parametrize("wrong", [-0.1, 1.5, 10])
def test_label_smoothing_out_of_range(wrong: float) -> None:
    """04.15 s = -0.1, 1.5 and 10."""
    call = f"cross_entropy(a, [0, 1], label_smoothing={wrong})"
    refused_target(call, (2, 3), "ValueError", str(wrong))


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
    """04.17 Each module with options: the same value as the function."""
    check_values("04", case)
    a, b = normal(2, 3), normal(2, 3, seed=1)
    got = evaluate("tt.MSELoss(reduction='sum')(a, b)", a, b)
    assert_close(got, want=np.float64(((a - b) ** 2).sum()))


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
    *["tt.CrossEntropyLoss(label_smoothing=0.1)(a, [1, 2])"],
]


@pytest.mark.parametrize("expression", EVERY[2:])
def test_history_leads_to_the_input(expression: str) -> None:
    """04.18 The notes, walked back from the loss."""
    check_history(expression)


@observe
def reaches_the_target(tt: Any, expression: str, data: Any, target: Any, flags: Any) -> Any:
    a, b = tt.Tensor(data), tt.Tensor(target, requires_grad=True)
    loss = eval(expression, {"tt": tt, "a": a, "b": b})
    seen, waiting = [], [loss]
    while waiting:
        seen.append(waiting.pop())
        waiting += [p for p in (seen[-1].note.parents if seen[-1].note else ()) if p is not None]
    targets = [tt.Tensor(target, requires_grad=flag) for flag in flags]
    losses = [eval(expression, {"tt": tt, "a": a, "b": each}) for each in targets]
    needed = [loss.requires_grad for loss in losses]
    return {"requires_grad": needed, "notes lead to b": any(s is b for s in seen)}


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", NAME])
def test_history_leads_to_a_target_that_learns(name: str) -> None:
    """04.21 The notes, walked back from the loss."""
    does = flags(True, False)
    got = reaches_the_target(f"tt.{name}(a, b)", dyadic(2, 3), dyadic(2, 3, seed=1), does)
    assert_equal(got, want={"requires_grad": does, "notes lead to b": True})


@observe
def dtype_of(tt: Any, expression: str, data: Any, target: Any) -> Any:
    return str(eval(expression, {"tt": tt, "a": tt.Tensor(data), "b": target}).dtype)


@pytest.mark.parametrize("expression", EVERY)
def test_dtype_is_the_input_s(expression: str) -> None:
    """04.19 A float32 input with float64 targets, and the reverse."""
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    assert_equal(dtype_of(expression, a.astype(np.float32), b), want="float32")
    assert_equal(dtype_of(expression, a, b.astype(np.float32)), want="float64")


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", NAME])
def test_dtype_beside_a_target_that_learns(name: str) -> None:
    """04.19 A float32 input and a float64 target with requires_grad."""
    expression = f"tt.{name}(a, tt.Tensor(b, requires_grad=True))"
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    assert_equal(dtype_of(expression, a.astype(np.float32), b), want="float64")
    assert_equal(dtype_of(expression, a.astype(np.float32), b.astype(np.float32)), want="float32")


@observe
def after(tt: Any, expression: str, data: Any, target: Any) -> Any:
    classes = np.array([1, -100])
    names = {"tt": tt, "a": tt.Tensor(data), "b": target, "classes": classes}
    eval(expression.replace("[1, -100]", "classes"), names)
    return {"input": data, "target": target, "classes": classes}


@pytest.mark.parametrize("expression", EVERY)
def test_inputs_are_not_modified(expression: str) -> None:
    """04.19 Input, target and class numbers before and after the call."""
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    was = {"input": a, "target": b, "classes": np.array([1, -100])}
    assert_unchanged(after(expression, a, b), was=was)


@observe
def peak(tt: Any, expression: str, data: Any, target: Any) -> Any:
    import tracemalloc

    names = {"tt": tt, "a": tt.Tensor(data), "target": target}
    tracemalloc.start()
    loss = eval(expression, names)
    found = tracemalloc.get_traced_memory()[1] / data.nbytes
    tracemalloc.stop()
    return [found, loss]


def test_picking_needs_no_memory() -> None:
    """04.20 The largest amount of memory during one call, for 8,192 classes."""
    a = normal(32, 8192).astype(np.float32)
    target = classes_for(a.shape, 0)
    alone, _ = peak("tt.log_softmax(a, 1)", a, target)
    got, _ = peak("tt.cross_entropy(a, target)", a, target)
    assert_below(got, limit=max(alone, 2.0) + 0.5, what="peak memory, in sizes of the input")
    got, loss = peak("tt.nll_loss(a, target)", a, target)
    assert_close(loss, want=-pick(a, target).mean(), terms=1.0)
    assert_below(got, limit=0.25, what="peak memory, in sizes of the input")
