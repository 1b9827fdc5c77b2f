"""Kata 02, Activations: the clauses of katas/02_activations/README.md, in their order.

The sections follow the tasks; no section needs a blank of a later one. The last one, conventions,
holds for every activation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
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
from support.expressions import assert_followed, evaluate
from support.observe import observe
from support.oracle import Case, check_values, unary
from support.strategies import (
    CURATED,
    WITH_AXES,
    arrays,
    dyadic,
    fill,
    flags,
    integer,
    normal,
    one_of,
    positive,
    real,
    seeds,
)

LOG3 = np.log(3.0)
X = np.array([-LOG3, 0.0, LOG3])  # the README's worked example: e**x is 1/3, 1 and 3
SCORES = np.log([1.0, 2.0, 5.0])
FAR_LEFT = np.array([-20.0, -40.0, -100.0, -700.0]) * real(1.0, 0.8, 1.0)
THREE_AXES = [(2, 1, 3), (2, 3, 5), (3, 3, 3)]


def gelu_of(x: Any) -> Any:
    """The tanh form, straight from its formula."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax_of(x: Any, axis: int = -1) -> Any:
    """The softmax of small scores, straight from its formula."""
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


# ---- rectifiers: 02.1 and 02.2 -------------------------------------------------------------------


def test_relu_example() -> None:
    """02.1 The worked example."""
    assert_close(evaluate("tt.relu(a)", np.array([-2.0, 0.0, 3.0])), want=np.array([0.0, 0.0, 3.0]))


RELU = [Case("relu", "tt.relu(a)", unary(CURATED))]


@pytest.mark.parametrize("case", RELU, ids=str)
def test_relu(case: Case) -> None:
    """02.1 Values that PyTorch gives, for several shapes."""
    check_values("02", case)


@given(x=arrays())
def test_relu_of_any_shape(x: Any) -> None:
    """02.1 Drawn shapes and numbers."""
    assert_close(evaluate("tt.relu(a) - 0.0625", x), want=np.where(x > 0, x, 0) - 0.0625)


def test_relu_of_infinity() -> None:
    """02.1 Infinities, and numbers larger than any layer gives."""
    x = np.array([-np.inf, np.inf, 1e30, -1e30])
    assert_close(evaluate("tt.relu(a)", x), want=np.array([0.0, np.inf, 1e30, 0.0]))


def test_leaky_relu_example() -> None:
    """02.2 The worked example."""
    x = np.array([-2.0, 0.0, 3.0])
    assert_close(evaluate("tt.leaky_relu(a)", x), want=np.array([-0.02, 0.0, 3.0]))
    assert_close(evaluate("tt.leaky_relu(a, 0.25)", x), want=np.array([-0.5, 0.0, 3.0]))


LEAKY = [
    Case("leaky_relu", "tt.leaky_relu(a)", unary(CURATED), torch="F.leaky_relu(a)"),
    Case(
        "leaky_relu-0.25", "tt.leaky_relu(a, 0.25)", unary(CURATED), torch="F.leaky_relu(a, 0.25)"
    ),
    Case(
        "leaky_relu-0",
        "tt.leaky_relu(a, negative_slope=0.0)",
        unary(WITH_AXES),
        torch="F.leaky_relu(a, 0.0)",
    ),
    Case(
        "leaky_relu-steep",
        "tt.leaky_relu(a, negative_slope=2.5)",
        unary(WITH_AXES),
        torch="F.leaky_relu(a, 2.5)",
    ),
    Case(
        "leaky_relu-falling",
        "tt.leaky_relu(a, negative_slope=-0.5)",
        unary(WITH_AXES),
        torch="F.leaky_relu(a, -0.5)",
    ),
]


@pytest.mark.parametrize("case", LEAKY, ids=str)
def test_leaky_relu(case: Case) -> None:
    """02.2 Values that PyTorch gives, for several shapes and slopes."""
    check_values("02", case)


@given(x=arrays(), slope=st.sampled_from([0.01, 0.125, 1.0, 1.25, 4.0, -2.0, 0, 2]))
def test_leaky_relu_of_any_shape(x: Any, slope: float) -> None:
    """02.2 Drawn shapes and numbers."""
    got = evaluate(f"tt.leaky_relu(a, {slope}) - 0.0625", x)
    assert_close(got, want=np.where(x > 0, x, slope * x) - 0.0625)


@observe
def slopes_in_turn(tt: Any, data: Any, slopes: Any) -> Any:
    x = tt.Tensor(data)
    return [tt.leaky_relu(x, negative_slope=s) for s in slopes] + [tt.leaky_relu(x)]


def test_leaky_relu_remembers_no_slope() -> None:
    """02.2 One slope after another, 0 and 0.0 among them, and none at the end."""
    x, slopes = dyadic(2, 3), [0.25, 0, 0.0, -1, real(1.5, 1.0, 2.0), 1]
    want = [np.where(x > 0, x, slope * x) for slope in (*slopes, 0.01)]
    assert_close(slopes_in_turn(x, slopes), want=want)


def test_leaky_relu_of_infinity() -> None:
    """02.2 Infinities, also with slope 0."""
    x = np.array([np.inf, 2.0, -2.0, -np.inf])
    assert_close(evaluate("tt.leaky_relu(a, 0.25)", x), want=np.array([np.inf, 2.0, -0.5, -np.inf]))
    assert_close(evaluate("tt.leaky_relu(a, 0.0)", x[:3]), want=np.array([np.inf, 2.0, 0.0]))


# ---- sigmoids: 02.3 to 02.6 ----------------------------------------------------------------------


def test_sigmoid_example() -> None:
    """02.3 The worked example."""
    assert_close(evaluate("tt.sigmoid(a)", X), want=np.array([0.25, 0.5, 0.75]))


SIGMOID = [Case("sigmoid", "tt.sigmoid(a)", unary(CURATED))]


@pytest.mark.parametrize("case", SIGMOID, ids=str)
def test_sigmoid(case: Case) -> None:
    """02.3 Values that PyTorch gives, for several shapes."""
    check_values("02", case)


@given(x=arrays("normal"))
def test_sigmoid_of_any_shape(x: Any) -> None:
    """02.3 Drawn shapes and numbers."""
    assert_close(evaluate("tt.sigmoid(a)", x), want=1 / (1 + np.exp(-x)))
    assert_close(evaluate("tt.sigmoid(-a)", x), want=1 - 1 / (1 + np.exp(-x)))


def test_tanh_example() -> None:
    """02.4 The worked example."""
    assert_close(evaluate("tt.tanh(a)", X), want=np.array([-0.8, 0.0, 0.8]))


TANH = [Case("tanh", "tt.tanh(a)", unary(CURATED))]


@pytest.mark.parametrize("case", TANH, ids=str)
def test_tanh(case: Case) -> None:
    """02.4 Values that PyTorch gives, for several shapes."""
    check_values("02", case)


@given(x=arrays("normal"))
def test_tanh_of_any_shape(x: Any) -> None:
    """02.4 Drawn shapes and numbers."""
    assert_close(evaluate("tt.tanh(a)", x), want=np.tanh(x))


def test_softplus_example() -> None:
    """02.5 The worked example."""
    assert_close(evaluate("tt.softplus(a)", X), want=np.log([4 / 3, 2.0, 4.0]))


SOFTPLUS = [Case("softplus", "tt.softplus(a)", unary(CURATED), torch="F.softplus(a)")]


@pytest.mark.parametrize("case", SOFTPLUS, ids=str)
def test_softplus(case: Case) -> None:
    """02.5 Values that PyTorch gives, for several shapes."""
    check_values("02", case)


@given(x=arrays("normal"))
def test_softplus_of_any_shape(x: Any) -> None:
    """02.5 Drawn shapes and numbers."""
    assert_close(evaluate("tt.softplus(a)", x), want=np.log1p(np.exp(x)))
    assert_close(evaluate("tt.softplus(-a)", x), want=np.log1p(np.exp(x)) - x)


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("tt.sigmoid(a)", np.exp(FAR_LEFT) / (1 + np.exp(FAR_LEFT))),
        ("tt.softplus(a)", np.log1p(np.exp(FAR_LEFT))),
    ],
    ids=["sigmoid", "softplus"],
)
def test_far_left_is_tiny_and_not_zero(expression: str, want: Any) -> None:
    """02.6 x from -20 to -700; each value is compared relative to its own size."""
    assert_close(evaluate(expression, FAR_LEFT), want=want, terms=np.abs(want))
    narrow = want[:2].astype(np.float32)
    got = evaluate(expression, FAR_LEFT[:2].astype(np.float32))
    assert_close(got, want=narrow, terms=10 * narrow)


# ---- smooth: 02.7 and 02.8 -----------------------------------------------------------------------


def test_silu_example() -> None:
    """02.7 The worked example."""
    assert_close(evaluate("tt.silu(a)", X), want=np.array([-LOG3 / 4, 0.0, 3 * LOG3 / 4]))


SILU = [Case("silu", "tt.silu(a)", unary(CURATED), torch="F.silu(a)")]


@pytest.mark.parametrize("case", SILU, ids=str)
def test_silu(case: Case) -> None:
    """02.7 Values that PyTorch gives, for several shapes."""
    check_values("02", case)


@given(x=arrays("normal"))
def test_silu_of_any_shape(x: Any) -> None:
    """02.7 Drawn shapes and numbers."""
    assert_close(evaluate("tt.silu(a)", x), want=x / (1 + np.exp(-x)))


def test_gelu_example() -> None:
    """02.8 The worked example."""
    half = np.tanh(np.sqrt(2 / np.pi) * 1.044715) / 2  # 0.341192
    assert_close(
        evaluate("tt.gelu(a)", np.array([-1.0, 0.0, 1.0])),
        want=np.array([half - 0.5, 0.0, half + 0.5]),
    )


GELU = [Case("gelu", "tt.gelu(a)", unary(CURATED), torch="F.gelu(a, approximate='tanh')")]


@pytest.mark.parametrize("case", GELU, ids=str)
def test_gelu(case: Case) -> None:
    """02.8 Values that PyTorch gives, for several shapes."""
    check_values("02", case)


@given(x=arrays("normal"))
def test_gelu_of_any_shape(x: Any) -> None:
    """02.8 Drawn shapes and numbers."""
    assert_close(evaluate("tt.gelu(a)", x), want=gelu_of(x))
    assert_close(evaluate("tt.gelu(-a)", x), want=gelu_of(x) - x)


BETWEEN = np.linspace(-19.5, 19.5, 40) * real(1.0, 0.9, 1.0)


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("tt.sigmoid(a)", np.exp(BETWEEN) / (1 + np.exp(BETWEEN))),
        ("1 - tt.sigmoid(a)", 1 / (1 + np.exp(BETWEEN))),
        ("tt.tanh(a)", np.tanh(BETWEEN)),
        ("tt.softplus(a)", np.log1p(np.exp(BETWEEN))),
        ("tt.softplus(a) - a", np.log1p(np.exp(-BETWEEN))),
        ("tt.silu(a)", BETWEEN / (1 + np.exp(-BETWEEN))),
        ("tt.gelu(a)", gelu_of(BETWEEN)),
    ],
    ids=["sigmoid", "1-sigmoid", "tanh", "softplus", "softplus-x", "silu", "gelu"],
)
def test_no_early_limit(expression: str, want: Any) -> None:
    """02.14 x from -19.5 to 19.5, where no function has reached its limit yet; 11 digits count."""
    assert_close(evaluate(expression, BETWEEN), want=want, terms=1.0)


# ---- softmax: 02.9 to 02.13 ----------------------------------------------------------------------


def test_softmax_example() -> None:
    """02.9 The worked example."""
    assert_close(evaluate("tt.softmax(a)", SCORES), want=np.array([0.125, 0.25, 0.625]))


SOFTMAX = [
    Case("softmax", "tt.softmax(a)", unary(WITH_AXES), torch="torch.softmax(a, -1)"),
    Case("softmax-axis0", "tt.softmax(a, 0)", unary(WITH_AXES)),
    Case("softmax-dim0", "tt.softmax(a, dim=0)", unary(WITH_AXES)),
    Case("softmax-axis1", "tt.softmax(a, axis=1)", unary(THREE_AXES), torch="torch.softmax(a, 1)"),
    Case(
        "softmax-axis-2", "tt.softmax(a, axis=-2)", unary(THREE_AXES), torch="torch.softmax(a, -2)"
    ),
]


@pytest.mark.parametrize("case", SOFTMAX, ids=str)
def test_softmax(case: Case) -> None:
    """02.9 Values that PyTorch gives, for several shapes and axes."""
    check_values("02", case)


@given(x=arrays("normal", min_dims=1, max_dims=4, max_side=4), seed=seeds)
def test_softmax_of_any_shape(x: Any, seed: int) -> None:
    """02.9 Drawn shapes, axes and numbers."""
    axis = seed % (2 * x.ndim) - x.ndim
    assert_close(evaluate(f"tt.softmax(a, {axis})", x), want=softmax_of(x, axis))


@given(x=arrays("normal", min_dims=2, max_dims=4, max_side=4), seed=seeds)
def test_softmax_is_shift_invariant(x: Any, seed: int) -> None:
    """02.10 Sums, and scores moved by constants up to 1e6, another for each row."""
    shift = 1000 * fill((*x.shape[:-1], 1), seed, "normal")
    got = evaluate("tt.softmax(a)", x + shift)
    assert_close(
        got, want=softmax_of(x + shift - shift), depth=100
    )  # x + shift has lost a few digits of x
    assert_close(got.sum(-1), want=np.ones(x.shape[:-1]))


def test_log_softmax_example() -> None:
    """02.11 The worked example."""
    assert_close(evaluate("tt.log_softmax(a)", SCORES), want=np.log([0.125, 0.25, 0.625]))
    assert_close(
        evaluate("tt.log_softmax(a)", np.array([1000.0, 0.0, -1000.0])),
        want=np.array([0.0, -1000.0, -2000.0]),
    )


LOG_SOFTMAX = [
    Case(
        "log_softmax",
        "tt.log_softmax(a)",
        unary([s for s in CURATED if s[-1:] not in ((), (1,))]),
        torch="torch.log_softmax(a, -1)",
    ),
    Case(
        "log_softmax-axis0",
        "tt.log_softmax(a, 0)",
        unary([(3,), (3, 1), (2, 3), (3, 3), (2, 3, 5)]),
    ),
    Case(
        "log_softmax-dim0",
        "tt.log_softmax(a, dim=0)",
        unary([(3,), (3, 1), (2, 3), (3, 3), (2, 3, 5)]),
    ),
    Case(
        "log_softmax-axis1",
        "tt.log_softmax(a, axis=1)",
        unary([(2, 3, 5), (3, 3, 3)]),
        torch="torch.log_softmax(a, 1)",
    ),
]


@pytest.mark.parametrize("case", LOG_SOFTMAX, ids=str)
def test_log_softmax(case: Case) -> None:
    """02.11 Values that PyTorch gives, for several shapes and axes."""
    check_values("02", case)


@given(x=arrays("normal", min_dims=1, max_dims=4, max_side=4), seed=seeds)
def test_log_softmax_of_any_shape(x: Any, seed: int) -> None:
    """02.11 Drawn shapes, axes and numbers."""
    axis = seed % (2 * x.ndim) - x.ndim
    assert_close(
        evaluate(f"tt.log_softmax(a, {axis}) - 1", x), want=np.log(softmax_of(x, axis)) - 1
    )


ODDS = real(3.0, 2.0, 9.0)  # to one
MASKED = np.array([[0.0, -np.inf, np.log(ODDS)], [-np.inf, 1000.0, -np.inf]])
SHARES = np.array([[1 / (1 + ODDS), 0.0, ODDS / (1 + ODDS)], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    "expression", ["tt.softmax(a)", "tt.log_softmax(a).exp()"], ids=["softmax", "log_softmax"]
)
def test_minus_infinity_gets_nothing(expression: str) -> None:
    """02.12 Rows with one or two scores of -inf."""
    assert_close(evaluate(expression, MASKED), want=SHARES)
    by_columns = expression.replace("(a)", "(a, axis=0)")
    assert_close(evaluate(by_columns, MASKED.T), want=SHARES.T)


def test_logarithm_of_nothing() -> None:
    """02.12 log_softmax of the same rows: -inf itself, not a number that is merely small."""
    logs = np.full((2, 3), -np.inf)
    logs[SHARES > 0] = np.log(SHARES[SHARES > 0])
    for dtype in ("float64", "float32"):
        got = evaluate("tt.log_softmax(a)", MASKED.astype(dtype))
        assert_close(got, want=logs.astype(dtype))
    nothing = evaluate("tt.softmax(a)", MASKED)[SHARES == 0]
    assert_zeros(nothing, beside=SHARES)


SPREAD = np.array([0.0, -20.0, -40.0, -100.0, -700.0]) * real(1.0, 0.8, 1.0)


def test_small_probabilities_keep_their_size() -> None:
    """02.9 Scores far below the largest: each share is compared relative to its own size."""
    want = np.exp(SPREAD) / np.exp(SPREAD).sum()
    assert_close(evaluate("tt.softmax(a)", SPREAD), want=want, terms=want)


SIZES = [2e4, -2e4, 1e7, 1e30, -1e30]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_softmax_of_large_scores(size: float, dtype: str) -> None:
    """02.10 Two equal scores, however large, share alike; the third one is far lower."""
    scores = np.array([[size, size, size - abs(size)], [0.0, 0.0, -1000.0]], dtype)
    assert_close(evaluate("tt.softmax(a)", scores), want=np.array([[0.5, 0.5, 0.0]] * 2, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_log_softmax_of_large_scores(size: float, dtype: str) -> None:
    """02.11 The logarithm of a half, for two equal scores of any size."""
    got = evaluate("tt.log_softmax(a)", np.array([[size, size], [0.0, 0.0]], dtype))
    assert_close(got, want=np.full((2, 2), -np.log(2.0), dtype))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("size", SIZES)
def test_minus_infinity_beside_large_scores(size: float, name: str) -> None:
    """02.12 -inf between two equal scores that may be far below 0 themselves."""
    want = {"softmax": [0.5, 0.0, 0.5], "log_softmax": [-np.log(2.0), -np.inf, -np.log(2.0)]}
    got = evaluate(f"tt.{name}(a)", np.array([size, -np.inf, size]))
    assert_close(got, want=np.array(want[name]))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [integer(5, 4, 99), 2, -3, -integer(7, 4, 99)], ids=[5, 2, -3, -7])
def test_axis_must_exist(name: str, axis: int) -> None:
    """02.13 axis=5 of two axes, the first that is too large, and negative ones."""
    shape = (2, integer(3, 3, 50))
    assert_raises(
        evaluate,
        f"tt.{name}(a, axis={axis})",
        dyadic(*shape),
        error="IndexError|ValueError",
        says=(str(axis), str(shape)),
    )


# ---- conventions: 02.14 to 02.20 -----------------------------------------------------------------

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
LARGE = unary([(3,), (2, 3), (2, 3, 5)])
AT_A_THOUSAND = [
    Case("relu-large", "tt.relu(a)", LARGE, kind="large"),
    Case("leaky_relu-large", "tt.leaky_relu(a)", LARGE, kind="large", torch="F.leaky_relu(a)"),
    Case("sigmoid-large", "tt.sigmoid(a)", LARGE, kind="large"),
    Case("tanh-large", "tt.tanh(a)", LARGE, kind="large"),
    Case("softplus-large", "tt.softplus(a)", LARGE, kind="large", torch="F.softplus(a)"),
    Case("silu-large", "tt.silu(a)", LARGE, kind="large", torch="F.silu(a)"),
    Case("gelu-large", "tt.gelu(a)", LARGE, kind="large", torch="F.gelu(a, approximate='tanh')"),
    Case("softmax-large", "tt.softmax(a)", LARGE, kind="large", torch="torch.softmax(a, -1)"),
    Case("softmax-large-axis0", "tt.softmax(a, 0)", LARGE, kind="large"),
    Case(
        "log_softmax-large",
        "tt.log_softmax(a)",
        LARGE,
        kind="large",
        torch="torch.log_softmax(a, -1)",
    ),
]

FAR_OUT: dict[str, Any] = {  # what rounding leaves of each at 1000; of all others relu
    "leaky_relu-large": lambda x, zero: np.where(x > 0, x, 0.01 * x),
    "sigmoid-large": lambda x, zero: (x > 0) * 1.0,
    "tanh-large": lambda x, zero: np.sign(x),
    "softmax-large": lambda x, zero: softmax_of(x - x.max(-1, keepdims=True)),
    "softmax-large-axis0": lambda x, zero: softmax_of(x - x.max(0), 0),
    "log_softmax-large": lambda x, zero: (
        x
        - x.max(-1, keepdims=True)
        - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))
    ),
}


@pytest.mark.parametrize("case", AT_A_THOUSAND, ids=str)
def test_values_at_a_thousand(case: Case) -> None:
    """02.14 x = -1000, 0 and 1000 and numbers between."""
    check_values("02", case)
    x = fill((3, 4), 1, "large")
    x[0, 0] = abs(x[0, 0])
    assert_close(evaluate(case.expression, x), want=FAR_OUT.get(case.name, np.maximum)(x, 0.0))


FAR = np.concatenate([-np.geomspace(1000, 20, 40), np.geomspace(40, 1000, 40)])
TAIL = np.exp(-np.abs(FAR))  # below 1e-8
FAR_AWAY = {
    "sigmoid": np.where(FAR > 0, 1.0, TAIL) / (1 + TAIL),
    "tanh": np.sign(FAR),
    "softplus": np.maximum(FAR, 0) + np.log1p(TAIL),
    "silu": FAR * np.where(FAR > 0, 1.0, TAIL) / (1 + TAIL),
    "gelu": np.maximum(FAR, 0),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FAR_AWAY)
def test_no_gap_far_away(name: str, dtype: str) -> None:
    """02.14 x from -1000 to -20 and from 40 to 1000: what float64 still knows may be 0 in float32."""
    want = FAR_AWAY[name].astype(dtype)
    got = evaluate(f"tt.{name}(a)", FAR.astype(dtype))
    assert_close(got, want=want, terms=np.maximum(FAR, 1.0))


@pytest.mark.parametrize(
    ("name", "want"),
    [("sigmoid", [0.0, 1.0]), ("tanh", [-1.0, 1.0]), ("softplus", [0.0, np.inf])],
    ids=["sigmoid", "tanh", "softplus"],
)
def test_limits_at_infinity(name: str, want: Any) -> None:
    """02.14 sigmoid, tanh and softplus of -inf and of inf."""
    for dtype in ("float64", "float32"):
        got = evaluate(f"tt.{name}(a)", np.array([-np.inf, np.inf, 0.0], dtype))
        middle = {"sigmoid": 0.5, "tanh": 0.0, "softplus": np.log(2.0)}[name]
        assert_close(got, want=np.array([*want, middle], dtype))


NEAR_ZERO = {  # the answer at 0, and the formula
    "relu": (0.0, lambda x: np.maximum(x, 0)),
    "leaky_relu": (0.0, lambda x: np.maximum(x, 0.01 * x)),
    "sigmoid": (0.5, lambda x: 1 / (1 + np.exp(-x))),
    "tanh": (0.0, np.tanh),
    "softplus": (np.log(2), lambda x: np.log1p(np.exp(x))),
    "silu": (0.0, lambda x: x / (1 + np.exp(-x))),
    "gelu": (0.0, gelu_of),
}


@pytest.mark.parametrize("name", NEAR_ZERO)
def test_numbers_close_to_zero(name: str) -> None:
    """02.14 How far the answers for hundredths down to ten-thousandths are from the one for 0."""
    at_zero, formula = NEAR_ZERO[name]
    for size in (1e-2, 1e-3, 1e-4):
        x = np.append(normal(5), 1.0) * size
        assert_close(evaluate(f"tt.{name}(a) - {at_zero}", x), want=formula(x) - at_zero)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "slope"), [("relu", 0.0), ("leaky_relu", 0.01)])
def test_no_small_number_is_taken_for_zero(name: str, slope: float, dtype: str) -> None:
    """02.14 The answers for numbers from 1e-6 to 1e-30, each compared relative to its own size."""
    small = np.array([1e-6, 1e-9, 1e-30, -1e-6, -1e-9, -1e-30], dtype)
    want = np.where(small > 0, small, np.array(slope, dtype) * small)
    assert_close(evaluate(f"tt.{name}(a)", small), want=want, terms=np.abs(want))


@observe(shown="{expression}  # under np.errstate(over=how, divide=how, invalid=how)")
def complaints(tt: Any, expression: str, how: Any, *arrays: Any) -> Any:
    import warnings

    x = tt.Tensor(arrays[0])
    with (
        np.errstate(over=how, divide=how, invalid=how),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        before = np.geterr()
        out = eval(expression, {"tt": tt, "a": x})
        after = np.geterr()
    return {
        "warnings": sorted({str(w.message) for w in caught}),
        "finite numbers": int(np.isfinite(out.data).sum()),
        "settings changed": before != after,
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_no_warnings(name: str, dtype: str) -> None:
    """02.15 Numbers from -1000 to 1000 while NumPy warns, and while it raises instead."""
    x = np.array([-1000, -100, -1, 0, 1, 100, 1000, *normal(integer(0, 0, 90))], dtype)
    want = {"warnings": [], "finite numbers": x.size, "settings changed": False}
    for how in ("warn", "raise"):
        assert_equal(complaints(f"tt.{name}(a)", how, x), want=want)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name: str) -> None:
    """02.16 Dtype and values of both."""
    x = dyadic(2, integer(3, 3, 50))
    wide = evaluate(f"tt.{name}(a)", x)
    assert_equal(wide.shape, want=x.shape)
    assert_close(evaluate(f"tt.{name}(a)", x.astype(np.float32)), want=wide.astype(np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_float64_loses_nothing(name: str) -> None:
    """02.16 Five hundred numbers in both dtypes: they agree, and not to the last digit."""
    long = normal(500)
    wide, narrow = (evaluate(f"tt.{name}(a)", long.astype(d)) for d in ("float64", "float32"))
    assert_close(narrow, want=wide.astype(np.float32))
    assert_above(float(np.abs(wide - narrow).max()), limit=1e-12, what="what float32 loses")


@pytest.mark.parametrize("name", [n for n in NAMES if "softmax" not in n])
def test_a_number_keeps_its_dtype(name: str) -> None:
    """02.16 A float32 without axes."""
    x = np.array([-0.75 * real(1.0, 0.5, 1.5)], np.float32)
    want = evaluate(f"tt.{name}(a) + 1", x)
    assert_close(evaluate(f"tt.{name}(a) + 1", x[0]), want=want[0])


@observe(shown="{expression}  # and the array of a afterwards; the same of a result, a * 1")
def input_afterwards(tt: Any, expression: str, *arrays: Any) -> Any:
    for flag in (False, True):
        eval(expression, {"tt": tt, "a": tt.Tensor(arrays[0], requires_grad=flag)})
        eval(expression, {"tt": tt, "a": tt.Tensor(arrays[0].T, requires_grad=flag)})
    result = tt.Tensor(arrays[0].copy(), requires_grad=True) * 1
    eval(expression, {"tt": tt, "a": result})
    return {"a": arrays[0], "a * 1": result.data}


@pytest.mark.parametrize("name", NAMES)
def test_input_is_not_modified(name: str) -> None:
    """02.17 The input's array before and after the call: small numbers, large ones, infinities."""
    inf = np.inf
    odd = np.array([[-inf, 1000.0, -1000.0], [inf, -0.5, -2.0], [-0.25, -1e30, 1e30]])
    for x in (dyadic(2, 3), 2000 * dyadic(2, 3), -positive(3, 2), odd):
        assert_unchanged(input_afterwards(f"tt.{name}(a)", x), was={"a": x, "a * 1": x})


@observe
def results(tt: Any, name: str, array: Any, slope: Any) -> Any:
    x, call = tt.Tensor(array), getattr(tt, name)
    more = slope if name == "leaky_relu" else []
    out = call(x, *more)
    before = out.data.copy()
    other = call(tt.Tensor(array[::-1].copy()), *more)
    return {
        "first": before,
        "first, after a second call": out,
        "shared": {
            "with the input": bool(np.shares_memory(out.data, array)),
            "with another result": bool(np.shares_memory(out.data, other.data)),
        },
    }


@pytest.mark.parametrize("name", NAMES)
def test_result_is_new_memory(name: str) -> None:
    """02.17 Whether a result shares memory with its input, or with that of another call."""
    for x in (dyadic(2, 3), positive(2, 3), positive(3, 1)):
        got = results(name, x, one_of([1], [1.0], []))
        assert_equal(got["shared"], want=dict.fromkeys(got["shared"], False))
        if x.shape != (3, 1):  # of a single score the logarithm is 0
            assert_alike(got, "first", "first, after a second call", exactly=True)


VIEWS = {
    "every second, reversed": "a.data[::2, ::-1]",
    "transposed": "a.data.T",
    "axes moved": "a.data.reshape(2, 3, 5).transpose(1, 2, 0)",
    "reversed": "a.data[::-1, ::-1]",
    "stretched": "np.broadcast_to(a.data[:, :1], (6, 4))",
    "stretched rows": "np.broadcast_to(a.data[0], (3, 5))",
    "in Fortran's order": "np.asfortranarray(a.data)",
    "no axes": "np.asarray(a.data[1, 2])",
}


@pytest.mark.parametrize("name", NAMES)
def test_strided_and_empty_inputs(name: str) -> None:
    """02.18 Reversed, transposed and stretched views; and no rows at all."""
    x, columns = dyadic(6, 5), integer(5, 5, 50)
    last = len(VIEWS) - (name in ("softmax", "log_softmax"))  # these need an axis
    for view in list(VIEWS.values())[:last]:
        copy = evaluate(f"tt.{name}(tt.Tensor(np.array({view}, order='C'))) - 0.0625", x)
        got = evaluate(f"tt.{name}(tt.Tensor({view})) - 0.0625", x)
        assert_close(got, want=copy)
    assert_equal(evaluate(f"tt.{name}(a)", np.zeros((0, columns))).shape, want=(0, columns))
    assert_equal(evaluate(f"tt.{name}(a)", np.zeros((2, 0, columns))).shape, want=(2, 0, columns))


@observe(shown="{expression}.requires_grad  # a requires a gradient or not, as flags say")
def history(tt: Any, expression: str, flags: Any, array: Any) -> Any:
    inputs = [tt.Tensor(array, requires_grad=flag) for flag in flags]
    return [eval(expression, {"tt": tt, "a": a}).requires_grad for a in inputs]


@pytest.mark.parametrize("name", NAMES)
def test_history_is_kept(name: str) -> None:
    """02.19 requires_grad of the result, for an input that needs a gradient and for one that does not: the primitive must go through the door."""
    wanted = flags(True, False)
    assert_equal(history(f"tt.{name}(a)", wanted, dyadic(2, 3)), want=wanted)


@pytest.mark.parametrize("name", NAMES)
def test_no_part_is_cut_off(name: str) -> None:
    """02.19 The notes of a result, followed with another input: what they give is the result of that input."""
    assert_followed(f"tt.{name}(a)", dyadic(2, 3), learns="a")


@observe(shown="{expression}")
def peak_memory(tt: Any, expression: str, *arrays: Any) -> Any:
    import tracemalloc

    code, names = compile(expression, "call", "eval"), {"tt": tt, "a": tt.Tensor(arrays[0])}
    tracemalloc.start()
    try:
        out = eval(code, names)
        return [tracemalloc.get_traced_memory()[1] / arrays[0].nbytes, out.size]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_linear(name: str) -> None:
    """02.20 The largest amount of memory during one call."""
    many = integer(2000, 2000, 4000)
    got, size = peak_memory(f"tt.{name}(a)", np.linspace(-3, 3, many))
    assert_equal(size, want=many)
    assert_below(got, limit=8, what="bytes held at the peak, per byte of input")


@observe
def settings_after_an_error(tt: Any, call: str) -> Any:
    error = "none"
    eval(f"{call.partition('(')[0]}(tt.Tensor([1.0]))", {"tt": tt})
    with np.errstate(over="warn", divide="raise", invalid="warn"):
        before = np.geterr()
        try:
            eval(call, {"tt": tt, "np": np})
        except Exception as raised:
            error = type(raised).__name__
        return {"an error": error != "none", "settings changed": np.geterr() != before}


@observe
def settings_of_the_file(tt: Any, x: Any) -> Any:
    import runpy
    import sys

    file = sys.modules["tinytorch.activations"].__file__
    with np.errstate(over="warn", divide="raise", invalid="warn"):
        before = np.geterr()
        relu = runpy.run_path(file)["relu"]
        return {"settings changed": np.geterr() != before, "relu": relu(tt.Tensor(x))}


def test_the_file_leaves_the_settings() -> None:
    """02.15 The file is run as it is when it is imported."""
    x = np.append(normal(3), 1.5)
    got = settings_of_the_file(x)
    assert_close(got.pop("relu"), want=np.maximum(x, 0))
    assert_equal(got, want={"settings changed": False})


@pytest.mark.parametrize("name", NAMES)
def test_errors_leave_the_settings(name: str) -> None:
    """02.15 A call that fails: of an array of texts, and along an axis that is not there."""
    call = f"tt.{name}(tt.Tensor([[1.0, 2.0]]), axis=4)"
    calls = [f"tt.{name}(np.array(['a', 'b']))", *[call] * name.endswith("softmax")]
    for call in calls:
        got = settings_after_an_error(call)
        assert_equal(got, want={"an error": True, "settings changed": False})


@pytest.mark.parametrize("name", NAMES)
def test_the_same_input_with_other_numbers(name: str) -> None:
    """02.17 One tensor is written to between two calls."""
    x = normal(2, 3)
    want = evaluate(f"tt.{name}(a)", -0.5 * x)
    got = evaluate(f"[tt.{name}(a), a.data.__imul__(-0.5), tt.{name}(a)][2]", x)
    assert_close(got, want=want)
