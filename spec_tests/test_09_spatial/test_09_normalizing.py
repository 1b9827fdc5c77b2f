"""Kata 09, Spatial: batch normalization, and what all calls keep to (katas/09_spatial/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.asserts import (
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.expressions import (
    assert_operands_stay,
    evaluate,
    evaluate_laid_out,
    gradients,
    shares_memory,
    two_results,
)
from support.observe import observe
from support.oracle import Case, check_gradients, check_values
from support.strategies import LAYOUTS, fill, flags, integer, normal, positive, real, seeds
from test_09_spatial.images import (
    FEW,
    NORM,
    Shape,
    batch,
    case,
    convolved,
    filled,
    first_maximum,
    normed,
    per_channel,
    pooled,
)

# ---- normalizing: 09.11 to 09.15 -----------------------------------------------------------------


RUNNING = ", tt.Tensor(np.array([0.5, -1.5, 1.0])), tt.Tensor(np.array([4.0, 0.25, 1.5]))"
SHAPES = {"2-axes": (4, 3), "3-axes": (2, 3, 4), "4-axes": (2, 3, 2, 3), "one-image": (1, 3, 2, 2)}
SHAPES |= {"two-numbers": (2, 3, 1, 1), "5-axes": (2, 3, 1, 2, 2)}
NORMS = [case(f"norm-{n}", NORM.format(""), (s, (3,), (3,))) for n, s in SHAPES.items()]
NORMS += [
    case("norm-eps", NORM.format(", eps=0.5"), ((2, 3, 2, 3), (3,), (3,))),
    case("norm-bare", "tt.batch_norm(a, None, None, training=True)", ((2, 3, 2, 3),)),
    case("norm-weight", "tt.batch_norm(a, None, None, weight=b, training=True)", ((4, 3), (3,))),
    case("norm-bias", "tt.batch_norm(a, None, None, bias=b, training=True)", ((4, 3), (3,))),
    case(
        "norm-by-position",
        "tt.batch_norm(a, None, None, b, c, True, 0.5, 0.25)",
        ((4, 3), (3,), (3,)),
    ),
    case("norm-eval", f"tt.batch_norm(a{RUNNING}, b, c)", ((2, 3, 2, 2), (3,), (3,))),
    case("norm-eval-bare", f"tt.batch_norm(a{RUNNING}, eps=0.25)", ((4, 3),), ((1, 3),)),
]


@observe
def batch_normed(tt: Any, arrays: Any, rounds: int = 1, **options: Any) -> Any:
    x, mean, var, weight, bias = [None if a is None else tt.Tensor(a) for a in arrays]
    for _ in range(rounds - 1):
        tt.batch_norm(tt.Tensor(arrays[0].copy()), mean, var, weight, bias, **options)
    out = tt.batch_norm(x, mean, var, weight, bias, **options)
    same = [t is None or t.data is a for t, a in zip((mean, var), arrays[1:3], strict=True)]
    moved = {"running_mean": arrays[1], "running_var": arrays[2], "the same arrays": same}
    return {"out": out, **moved, "x": x, "weight": arrays[3], "bias": arrays[4]}


def test_batch_norm_example() -> None:
    """09.11 The worked example: with eps=0, then with weight 3 and bias 1."""
    x = np.array([[[[0.0, 0.0], [4.0, 4.0]]]])
    got = evaluate("tt.batch_norm(a, None, None, training=True, eps=0)", x)
    assert_close(got, want=x / 2 - 1)
    got = evaluate(NORM.format(", eps=0.0"), x, np.array([3.0]), np.array([1.0]))
    assert_close(got, want=1.5 * x - 2)


@pytest.mark.parametrize("each", [c for c in NORMS if "eval" not in c.name], ids=str)
def test_batch_norm_is_pytorchs(each: Case) -> None:
    """09.11 Values that PyTorch gives while training, for two to five axes."""
    check_values("09", each)


@pytest.mark.parametrize("each", [c for c in NORMS if "eval" in c.name], ids=str)
def test_batch_norm_evaluates_as_pytorch(each: Case) -> None:
    """09.13 Values that PyTorch gives by running statistics."""
    check_values("09", each)


@FEW
@given(seed=seeds, shape=st.sampled_from(list(SHAPES.values())), eps=st.sampled_from([1e-5, 0.5]))
def test_batch_norm_of_a_batch(seed: int, shape: Shape, eps: float) -> None:
    """09.11 Drawn numbers against the formula, number by number."""
    x, w, b = filled(shape, (3,), (3,), seed=seed)
    mean, var, _ = batch(x)
    assume(var.min() > 1e-3)
    got = evaluate(NORM.format(f", eps={eps}"), x, w, b)
    assert_close(got, want=normed(x, mean, var, w, b, eps), depth=10)


def test_batch_norm_of_equal_numbers() -> None:
    """09.11 A channel of equal numbers becomes its bias, and the other channel knows nothing of it."""
    x, w, b = normal(4, 2, 3), normal(2, seed=1), normal(2, seed=2)
    x[:, 0] = real(1000.5, 900.0, 1100.0)
    got = evaluate(NORM.format(""), x, w, b)
    want = normed(x, np.array([x[0, 0, 0], batch(x)[0][1]]), np.array([0.0, batch(x)[1][1]]), w, b)
    assert_close(got, want=want, depth=1e5)


@pytest.mark.parametrize("far", [1e4, -3e5], ids=str)
def test_batch_norm_far_from_zero(far: float) -> None:
    """09.11 Numbers whose distance from 0 is far larger than their spread, in float64 and float32."""
    x = np.round(fill((4, 3, 2, 2), 4, "normal") * 8) / 8 + far
    want = normed(x, *batch(x)[:2])
    assert_close(evaluate("tt.batch_norm(a, None, None, training=True)", x), want=want, depth=1e3)
    got = evaluate("tt.batch_norm(a, None, None, training=True)", x.astype(np.float32))
    assert_close(got, want=want.astype(np.float32), depth=2e3)


@pytest.mark.parametrize(
    ("far", "dtype"), [(2.0**18, "float32"), (-(2.0**20), "float32"), (2.0**40, "float64")], ids=str
)
def test_batch_norm_takes_the_mean_away_first(far: float, dtype: str) -> None:
    """09.11 Numbers far from 0, with a mean that the dtype holds exactly: no digit is lost."""
    n = integer(3, 2, 9)
    x = np.array([[-n, n, -1.0], [-1.0, 1.0, 3.0], [1.0, -1.0, -3.0], [n, -n, 1.0]])
    got = evaluate("tt.batch_norm(a, None, None, training=True)", (x + far).astype(dtype))
    assert_close(got, want=normed(x, *batch(x)[:2]).astype(dtype), depth=20)


@pytest.mark.parametrize("far", [2.0**24, -(2.0**24)], ids=str)
def test_batch_norm_takes_all_of_the_mean_away(far: float) -> None:
    """09.11 Numbers in float32 so far from 0 that float32 does not hold their mean: what it lacks counts, too."""
    n = 2 * integer(3, 2, 9)
    x = np.array([[-n, n, -2.0], [2.0, 4.0, 6.0], [2.0, -2.0, -6.0], [n, -n, 4.0]])
    got = evaluate("tt.batch_norm(a, None, None, training=True)", (x + far).astype(np.float32))
    assert_close(got, want=normed(x, *batch(x)[:2]).astype(np.float32), depth=20)


@observe(
    shown="batch_norm of float32 (131072, 2), normal with mean 10000 and deviation 1, training=True: means, deviations"
)
def normed_rows(tt: Any, seed: int) -> Any:
    x = np.random.default_rng(seed).standard_normal((131072, 2)) + 1e4
    out = tt.batch_norm(tt.Tensor(x.astype(np.float32)), None, None, training=True).data
    return [out.mean(axis=0, dtype=np.float64), out.std(axis=0, dtype=np.float64)]


def test_batch_norm_of_many_rows() -> None:
    """09.11 A batch of many rows, far from 0: of each channel the mean is about 0, the deviation about 1."""
    means, deviations = normed_rows(integer(1, 1, 99))
    assert_below(float(abs(means).max()), limit=0.02, what="distance of a mean from 0")
    assert_below(
        float(abs(deviations - 1).max()), limit=0.02, what="distance of a deviation from 1"
    )


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, 0.25], ids=str)
@pytest.mark.parametrize("name", ["2-axes", "4-axes", "two-numbers"])
def test_batch_norm_moves_the_running_statistics(name: str, momentum: float) -> None:
    """09.12 Running mean and variance after two calls, in the arrays that were passed."""
    x, mean, var = normal(*SHAPES[name], seed=6), normal(3, seed=7), positive(3, seed=8)
    arrays = [x, mean.copy(), var.copy(), None, None]
    got = batch_normed(arrays, 2, training=True, momentum=momentum)
    keep, (m, _, v) = (1 - momentum) ** 2, batch(x)
    assert_equal(got["the same arrays"], want=[True, True])
    assert_close(got["running_mean"], want=keep * mean + (1 - keep) * m, depth=10)
    assert_close(got["running_var"], want=keep * var + (1 - keep) * v, depth=10)


def test_batch_norm_example_of_running_statistics() -> None:
    """09.12 The worked example: momentum is 0.1 unless it is passed."""
    x = np.array([[[[0.0, 0.0], [4.0, 4.0]]]])
    got = batch_normed([x, np.zeros(1), np.ones(1), None, None], training=True)
    assert_close(got["running_mean"], want=np.array([0.2]))
    assert_close(got["running_var"], want=np.array([0.9 + 1.6 / 3]))


@observe
def moved_in_float64(tt: Any, x: Any, mean: Any, var: Any) -> Any:
    running = [tt.Tensor(mean), tt.Tensor(var)]
    tt.batch_norm(tt.Tensor(x.astype(np.float32)), *running, training=True, momentum=0.25)
    return [t.data for t in running]


def test_batch_norm_moves_statistics_of_float64() -> None:
    """09.12 Statistics in float64 beside images in float32: no digit of what they were is lost."""
    x, (mean, var) = np.round(8 * normal(4, 3)) / 8, [normal(3, seed=7), positive(3, seed=8) / 3]
    x[-1] = -x[:-1].sum(axis=0)  # a mean of 0, and all sums are exact
    got, found = moved_in_float64(x, mean.copy(), var.copy()), batch(x)
    assert_close(got[0], want=0.75 * mean + 0.25 * found[0], depth=100)
    assert_close(got[1], want=0.75 * var + 0.25 * found[2], depth=100)


@pytest.mark.parametrize("absent", [(0,), (1,), (0, 1)], ids=["mean", "variance", "both"])
def test_batch_norm_moves_what_is_there(absent: Any) -> None:
    """09.12 One running statistic alone, the other being None, and none at all."""
    x, before = normal(4, 3, seed=2), [normal(3), positive(3)]
    running = [None if i in absent else before[i].copy() for i in (0, 1)]
    got, (mean, small, large) = batch_normed([x, *running, None, None], training=True), batch(x)
    assert_close(got["out"], want=normed(x, mean, small), depth=10)
    for i, (name, found) in enumerate((("running_mean", mean), ("running_var", large))):
        if i not in absent:
            assert_close(got[name], want=0.9 * before[i] + 0.1 * found, depth=10)


@pytest.mark.parametrize("momentum", [1.0, 0.0])
def test_batch_norm_forgets_all_or_nothing(momentum: float) -> None:
    """09.12 Momentum 1 beside old values that are large in float32, and momentum 0 beside large new ones."""
    far = real(1e8, 5e7, 2e8)
    x = (normal(4, 3) * (1 if momentum else far)).astype(np.float32)
    before = np.full(3, far if momentum else 0.1, np.float32)
    arrays = [x, before.copy(), before.copy(), None, None]
    got, found = batch_normed(arrays, training=True, momentum=momentum), batch(x.astype(float))
    want = [found[0], found[2]] if momentum else [before, before]
    moved = [got["running_mean"], got["running_var"]]
    assert_close(moved, want=[a.astype(np.float32) for a in want], depth=100)


@observe
def without_history(tt: Any, x: Any, running: Any) -> Any:
    small = [tt.Tensor(a.astype(np.float32)) for a in running]
    arrays = [t.data for t in small]
    with tt.no_grad():
        out = tt.batch_norm(tt.Tensor(x, requires_grad=True), *small, training=True)
    return {
        "running": [t.data.astype(np.float64) for t in small],
        "float32": [str(t.dtype) for t in small],
        "the same": [t.data is a for t, a in zip(small, arrays, strict=True)],
        "out": str(out.dtype),
        "requires_grad": [out.requires_grad, *(t.requires_grad for t in small)],
    }


def test_batch_norm_moves_without_history() -> None:
    """09.12 Under no_grad, float64 images beside running statistics in float32."""
    x, before = normal(4, 3), [normal(3, seed=1), positive(3)]
    got, (mean, _, var) = without_history(x, before), batch(x)
    want = [0.9 * b + 0.1 * v for b, v in zip(before, (mean, var), strict=True)]
    assert_close(got.pop("running"), want=want, depth=1e6)
    said = {"float32": ["float32"] * 2, "the same": [True] * 2, "out": "float64"}
    assert_equal(got, want=said | {"requires_grad": [False] * 3})


def test_batch_norm_by_running_statistics_far_from_0() -> None:
    """09.13 Float32 images near a large running mean, with a small running variance: the digits stay."""
    far, x = np.float32(real(30_000.0, 20_000.0, 50_000.0)), normal(6, 3)
    x = (far + x / 8).astype(np.float32)
    mean, var = np.full(3, far), np.full(3, 1e-4, np.float32)
    got = batch_normed([x, mean, var, None, None], training=False, eps=0.0)["out"]
    want = normed(x.astype(float), mean.astype(float), var.astype(float), eps=0.0)
    assert_close(got, want=want.astype(np.float32), depth=10)


@pytest.mark.parametrize("name", ["2-axes", "4-axes", "one-image"])
def test_batch_norm_by_running_statistics(name: str) -> None:
    """09.13 Not training: values, also of one image or of none, and what was passed is as it was."""
    x, mean, var, w, b = *filled(SHAPES[name], (3,)), positive(3), *filled((3,), (3,), seed=50)
    arrays = [x, mean, var, w, b]
    got = batch_normed([a.copy() for a in arrays], 2)
    assert_close(got["out"], want=normed(x, mean, var, w, b), depth=10)
    names = ("x", "running_mean", "running_var", "weight", "bias")
    assert_unchanged(got, was=dict(zip(names, arrays, strict=True)))
    one = batch_normed([x[:1], mean, var, w, b], training=False)
    assert_close(one["out"], want=normed(x[:1], mean, var, w, b), depth=10)


@pytest.mark.parametrize("each", NORMS, ids=str)
def test_batch_norm_gradients_are_pytorchs(each: Case) -> None:
    """09.14 Gradients that PyTorch gives, while training and not."""
    check_gradients("09", each)


def norm_slopes(x: Any, w: Any, c: Any) -> list[Any]:
    """The gradients of batch norm while training: of x, weight and bias."""
    mean, var, _ = batch(x)
    axes, flat = (0, *range(2, x.ndim)), normed(x, mean, var)
    slope = c - per_channel(c.mean(axes), x) - flat * per_channel((c * flat).mean(axes), x)
    slope = slope * per_channel(w / np.sqrt(var + 1e-5), x)
    return [slope, (c * flat).sum(axes), c.sum(axes)]


@pytest.mark.parametrize("name", SHAPES)
def test_batch_norm_gradients(name: str) -> None:
    """09.14 Fresh numbers in many shapes; the weight of one channel is 0."""
    x, w, b, c = filled(SHAPES[name], (3,), (3,), SHAPES[name], seed=20)
    w[integer(1, 0, 2)] = 0.0
    got, var = gradients(NORM.format(""), c, x, w, b), batch(x)[1]
    terms = np.abs(c).max() * 10 / np.sqrt(var.min())
    assert_close(got, want=norm_slopes(x, w, c), terms=terms)


@pytest.mark.parametrize("axis", [0, 2])
def test_batch_norm_gradients_of_many_float32(axis: int) -> None:
    """09.14 131,072 numbers in each channel, whose rounding errors add up; in memory the channels come first, or last."""
    x = np.stack([normal(131_072, seed=s) for s in (1, 2)], 1 - axis // 2)[..., None]
    x = np.float32(x.transpose(2, 0, 1) if axis else x)
    w, b, c = np.float32(positive(2)), np.float32(positive(2, seed=3)), np.float32(x + 3)
    _, *got = gradients(NORM.format(""), c, x, w, b)
    _, *want = [np.float32(v) for v in norm_slopes(*(np.float64(a) for a in (x, w, c)))]
    names = ("b.grad", "c.grad")
    got, want = (dict(zip(names, slopes, strict=True)) for slopes in (got, want))
    assert_close(got, want=want, depth=0.1)


@observe(parts=("x.grad", "weight.grad", "bias.grad"))
def slopes_by_running(tt: Any, x: Any, mean: Any, var: Any, w: Any, b: Any, c: Any) -> Any:
    learned = [tt.Tensor(a, requires_grad=True) for a in (x, w, b)]
    running = [tt.Tensor(mean), tt.Tensor(var)]
    out = tt.batch_norm(learned[0], *running, *learned[1:])
    running[0].data[...], running[1].data[...] = 7.0, 9.0  # a later batch would move them
    out.backward(c)
    return [t.grad for t in learned]


def test_batch_norm_gradients_by_running_statistics() -> None:
    """09.14 Not training: mean and variance are constants, and those of the forward pass."""
    x, mean, w, b, c = filled((4, 3, 2), (3,), (3,), (3,), (4, 3, 2), seed=30)
    var = positive(3, seed=31)
    got = slopes_by_running(x, mean, var, w, b, c)
    slope = c * per_channel(w / np.sqrt(var + 1e-5), x)
    weight = (c * normed(x, mean, var)).sum((0, 2))
    assert_close(got, want=[slope, weight, c.sum((0, 2))], depth=10)


ONES = "tt.Tensor(np.ones({n}))"
NORM_REFUSED = {  # the arguments of batch_norm, and what the message names
    "one-axis": ("tt.Tensor(np.ones({n})), None, None, training=True", ("({n},)",)),
    "no-axis": ("tt.Tensor({n}.0), None, None, training=True", ("()",)),
    "one-number": ("tt.Tensor(np.ones((1, {n}))), None, None, training=True", ("(1, {n})",)),
    "one-pixel": (
        "tt.Tensor(np.ones((1, {n}, 1, 1))), None, None, training=True",
        ("(1, {n}, 1, 1)",),
    ),
    "not-training-without-both": ("tt.Tensor(np.ones((2, {n}))), None, None", ("running_mean",)),
    "not-training-without-one": (
        "tt.Tensor(np.ones((2, {n}))), tt.Tensor(np.ones({n})), None",
        ("running_mean",),
    ),
}
VECTORS = ("running_mean", "running_var", "weight", "bias")
NORM_REFUSED |= {
    f"{vector}-{shape}-{training}": (
        "tt.Tensor(np.ones((2, 3))), "
        + ", ".join(f"tt.Tensor(np.ones({shape if v == vector else 3}))" for v in VECTORS)
        + f", training={training}",
        ("({n},)" if shape == "{n}" else shape, "3"),
    )
    for vector in VECTORS
    for shape in ("{n}", "(1,)", "(3, 1)", "()")
    for training in (True, False)
}


@pytest.mark.parametrize("name", NORM_REFUSED)
def test_batch_norm_refuses(name: str) -> None:
    """09.15 Arguments that do not fit; the message names them."""
    n, (arguments, says) = str(integer(4, 4, 9)), NORM_REFUSED[name]
    call = f"tt.batch_norm({arguments})".replace("{n}", n)
    assert_raises(evaluate, call, error="ValueError", says=tuple(s.replace("{n}", n) for s in says))


@observe
def after_a_refusal(tt: Any, shape: Any, mean: Any, var: Any, *others: Any) -> Any:
    error = "none"
    try:
        vectors = [tt.Tensor(vector) for vector in (mean, var, *others)]
        tt.batch_norm(tt.Tensor(np.ones(shape)), *vectors, training=True)
    except ValueError:
        error = "ValueError"
    return {"error": error, "running_mean": mean, "running_var": var}


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((1, 3, 1, 1), (3, 3, 3, 3)),
        *[((2, 3), sizes) for sizes in ((3, 2), (3, 3, 2), (3, 3, 3, 2))],
    ],
    ids=["one-number", *VECTORS[1:]],
)
def test_batch_norm_refuses_and_changes_nothing(shape: Shape, sizes: Any) -> None:
    """09.15 The running statistics after a call that was refused."""
    vectors = [fill((size,), i, "positive") for i, size in enumerate(sizes)]
    got = after_a_refusal(shape, *(v.copy() for v in vectors))
    assert_equal(got.pop("error"), want="ValueError")
    assert_unchanged(got, was=dict(zip(VECTORS[:2], vectors[:2], strict=True)))


# ---- all four: 09.16, 09.17 ----------------------------------------------------------------------


EVAL = f"tt.batch_norm(a{RUNNING}, b, c)"
CALLS = {  # calls, and the shapes of their operands
    "conv2d": ("tt.conv2d(a, b, c, 1, 1)", ((2, 2, 4, 3), (3, 2, 3, 2), (3,))),
    "conv2d-one-by-one": ("tt.conv2d(a, b, c)", ((2, 2, 3, 3), (3, 2, 1, 1), (3,))),
    "conv2d-groups": ("tt.conv2d(a, b, c, groups=2)", ((2, 4, 4, 3), (4, 2, 2, 2), (4,))),
    "max_pool2d": ("tt.max_pool2d(a, 2)", ((2, 3, 4, 5),)),
    "max_pool2d-1": ("tt.max_pool2d(a, 1)", ((2, 3, 3, 2),)),
    "avg_pool2d": ("tt.avg_pool2d(a, 3, 1, 1)", ((2, 3, 4, 5),)),
    "avg_pool2d-1": ("tt.avg_pool2d(a, 1)", ((2, 3, 3, 2),)),
    "batch_norm": (NORM.format(""), ((4, 3, 2, 2), (3,), (3,))),
    "batch_norm-bare": ("tt.batch_norm(a, None, None, training=True)", ((4, 3, 2, 2),)),
    "batch_norm-eval": (EVAL, ((4, 3, 2, 2), (3,), (3,))),
}
every_call = pytest.mark.parametrize("name", CALLS)


@observe(shown="{expression}, forward and back, operands in {dtype}")
def dtypes(tt: Any, expression: str, dtype: str, *arrays: Any) -> Any:
    leaves = [tt.Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    out = eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))})
    out.backward(np.ones(out.shape))
    kinds = {str(out.dtype), *(str(t.grad.dtype) for t in leaves)}
    return {"dtypes": sorted(kinds), "shape": out.shape}


@every_call
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_stay(name: str, dtype: str) -> None:
    """09.16 Dtypes of the result and of every gradient; the number of images is drawn."""
    (call, shapes), many = CALLS[name], integer(2, 2, 9)
    arrays = filled((many, *shapes[0][1:]), *shapes[1:])
    got = dtypes(
        call.replace("np.array([0.5, -1.5, 1.0])", f"np.zeros(3, np.{dtype})"), dtype, *arrays
    )
    assert_equal(got["dtypes"], want=[dtype])
    assert_equal(got["shape"][0], want=many)


@every_call
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_order(name: str, layout: str) -> None:
    """09.16 Operands whose numbers lie in memory in another way, or are read-only."""
    call, shapes = CALLS[name]
    arrays = filled(*shapes)
    got = evaluate_laid_out(call, LAYOUTS[layout], *arrays)
    assert_close(got, want=evaluate(call, *arrays))


@observe(shown="{expression}.backward(cotangent)  # operands and cotangent are {layout}")
def slopes_laid_out(tt: Any, expression: str, layout: str, cotangent: Any, *arrays: Any) -> Any:
    laid = [eval(layout, {"np": np, "x": array}) for array in (*arrays, cotangent)]
    leaves = [tt.Tensor(array, requires_grad=True) for array in laid[:-1]]
    eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))}).backward(
        laid[-1]
    )
    return [t.grad for t in leaves]


@every_call
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_order_on_the_way_back(name: str, layout: str) -> None:
    """09.16 Gradients for operands and cotangents that lie in another way, or are read-only."""
    call, shapes = CALLS[name]
    arrays = filled(*shapes)
    c = fill(evaluate(call, *arrays).shape, 77, "normal")
    assert_close(
        slopes_laid_out(call, LAYOUTS[layout], c, *arrays),
        want=gradients(call, c, *arrays),
        depth=10,
    )


NEXT = "tt.{}(tt.conv2d(a, b){})"


@pytest.mark.parametrize("after", ["max_pool2d", "avg_pool2d", "batch_norm", "conv2d"])
def test_results_may_be_passed_on(after: str) -> None:
    """09.16 What conv2d gave, in whatever order it lies in memory, goes into each function."""
    more = {"batch_norm": ", None, None, training=True", "conv2d": ", b"}.get(after, ", 2")
    x, w = filled((2, 2, 6, 6), (2, 2, 2, 2))
    hidden = convolved(x, w)
    want = evaluate(f"tt.{after}(a{more})", hidden, w)
    assert_close(evaluate(f"tt.{after}(tt.conv2d(a, b){more})", x, w), want=want, depth=10)


@every_call
def test_operands_are_not_written_to(name: str) -> None:
    """09.16 The arrays of the operands after a call, with a history and under no_grad."""
    call, shapes = CALLS[name]
    assert_operands_stay(call, *filled(*shapes))
    assert_operands_stay(f"tt.no_grad()(lambda: {call})()", *filled(*shapes))


@observe
def after_walking_back(tt: Any, expression: str, cotangent: Any, *arrays: Any) -> Any:
    leaves = [tt.Tensor(array, requires_grad=True) for array in arrays]
    out = eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))})
    before = out.data.copy()
    out.backward(cotangent)
    shared = [np.shares_memory(t.grad, a) for t in leaves for a in (*arrays, cotangent, out.data)]
    kept = {"result": out.data, "cotangent": cotangent, **dict(zip("abc", arrays, strict=False))}
    return {"kept": kept, "before": before, "gradients share memory": any(shared)}


@every_call
def test_walking_back_writes_to_nothing(name: str) -> None:
    """09.16 Operands, result and cotangent after a walk back."""
    call, shapes = CALLS[name]
    names = dict(zip("abc", filled(*shapes), strict=False))
    c = fill(evaluate(call, *names.values()).shape, 78, "normal")
    got = after_walking_back(call, c.copy(), *[a.copy() for a in names.values()])
    assert_unchanged(got["kept"], was={"result": got["before"], "cotangent": c, **names})
    assert_equal(got["gradients share memory"], want=False)


@every_call
def test_results_are_new_memory(name: str) -> None:
    """09.16 Whether the result lies in the memory of an operand, also where it equals it."""
    call, shapes = CALLS[name]
    assert_equal(shares_memory(call, *filled(*shapes)), want="is a copy")


@every_call
def test_calls_know_nothing_of_each_other(name: str) -> None:
    """09.16 Two results of the same shape, both kept."""
    call, shapes = CALLS[name]
    first, second = filled(*shapes), filled(*shapes, seed=5)
    got = two_results(call, first, second)
    assert_close(got, want={"first": evaluate(call, *first), "second": evaluate(call, *second)})


@observe
def of_no_images(tt: Any, expression: str, *arrays: Any) -> Any:
    leaves = [tt.Tensor(array, requires_grad=True) for array in arrays]
    out = eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))})
    out.backward(np.zeros(out.shape))
    return {
        "shape": out.shape,
        "gradients": [t.grad.shape for t in leaves],
        "sum": sum(float(abs(t.grad).sum()) for t in leaves),
    }


@every_call
def test_a_batch_of_no_images(name: str) -> None:
    """09.16 Shapes of the result and of the gradients, which are zeros; the channels are drawn."""
    (call, shapes), wide = CALLS[name], integer(7, 6, 11)
    shapes = ((0, *shapes[0][1:3], wide) if len(shapes[0]) == 4 else shapes[0], *shapes[1:])
    whole = evaluate(call, *filled((2, *shapes[0][1:]), *shapes[1:])).shape
    want = {"shape": (0, *whole[1:]), "gradients": list(shapes), "sum": 0.0}
    assert_equal(of_no_images(call, *filled(*shapes)), want=want)


def test_batch_norm_of_no_images_moves_nothing() -> None:
    """09.12 The running statistics after a batch of 0 while training."""
    mean, var = normal(3), positive(3)
    got = batch_normed([np.zeros((0, 3, 2, 2)), mean.copy(), var.copy(), None, None], training=True)
    assert_unchanged(got, was={"running_mean": mean, "running_var": var})


@observe
def notes(tt: Any, expression: str, learns: Any, *arrays: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=flag) for a, flag in zip(arrays, learns, strict=True)]
    out = eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))})
    parents = [p for p in out.note.parents if p is not None] if out.note else []
    return {
        "requires_grad": out.requires_grad,
        "parents": ["abc"[i] for p in parents for i, leaf in enumerate(leaves) if p is leaf],
        "others": sum(all(p is not leaf for leaf in leaves) for p in parents),
    }


@every_call
def test_one_note(name: str) -> None:
    """09.17 The parents of the result's note: all operands learn, one of them, none."""
    call, shapes = CALLS[name]
    choices = [
        [True] * len(shapes),
        [False] * len(shapes),
        flags(True, False, False)[: len(shapes)],
    ]
    for learns in [*choices, *(np.eye(len(shapes), dtype=bool).tolist())]:
        want = [letter for letter, flag in zip("abc", learns, strict=False) if flag]
        got = notes(call, learns, *filled(*shapes))
        assert_equal(got, want={"requires_grad": bool(want), "parents": want, "others": 0})


@observe(shown="{expression}.backward(cotangent), where one operand alone requires a gradient")
def alone(tt: Any, expression: str, which: int, cotangent: Any, *arrays: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=i == which) for i, a in enumerate(arrays)]
    eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))}).backward(
        cotangent
    )
    return leaves[which].grad


@every_call
def test_one_operand_learns_alone(name: str) -> None:
    """09.17 Each operand in turn is the only one that requires a gradient."""
    call, shapes = CALLS[name]
    arrays = filled(*shapes)
    c = fill(evaluate(call, *arrays).shape, 81, "normal")
    for i, want in enumerate(gradients(call, c, *arrays)):
        assert_close(alone(call, i, c, *arrays), want=want)


@observe(shown="({expression} + other).backward(cotangent), then other + {expression}: other.grad")
def beside(tt: Any, expression: str, cotangent: Any, *arrays: Any) -> Any:
    found = []
    for first in (True, False):
        leaves = [tt.Tensor(array, requires_grad=True) for array in arrays]
        out = eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))})
        other = tt.Tensor(np.zeros(out.shape), requires_grad=True)
        (out + other if first else other + out).backward(cotangent)
        found.append(other.grad)
    return found


@every_call
def test_the_cotangent_is_only_read(name: str) -> None:
    """09.17 What is added to the result gets the same cotangent, before it or after it."""
    call, shapes = CALLS[name]
    arrays = filled(*shapes)
    c = fill(evaluate(call, *arrays).shape, 80, "normal")
    assert_close(beside(call, c, *arrays), want=[c, c])


def test_gradients_pass_through_several() -> None:
    """09.17 The gradients of a convolution whose result goes into a pool."""
    x, w = filled((2, 2, 6, 5), (3, 2, 2, 2))
    hidden, c = convolved(x, w), normal(2, 3, 2, 2, seed=3)
    slope = pooled(hidden, 2, first_maximum, np.nan, c=c, stride=2)
    got = gradients("tt.max_pool2d(tt.conv2d(a, b), 2)", c, x, w)
    assert_close(got, want=convolved(x, w, c=slope), depth=10)


@observe(
    shown="out = {expression}; out.backward(cotangent)  # twice; between call and walk the same with other operands"
)
def walked_twice(tt: Any, expression: str, cotangent: Any, arrays: Any, others: Any) -> Any:
    leaves = [tt.Tensor(array, requires_grad=True) for array in arrays]
    out = eval(expression, {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))})
    strangers = [tt.Tensor(array, requires_grad=True) for array in others]
    eval(expression, {"tt": tt, "np": np, **dict(zip("abc", strangers, strict=False))}).backward(
        cotangent
    )
    out.backward(cotangent)
    first = [t.grad.copy() for t in leaves]
    out.backward(cotangent)
    return {"once": first, "twice, halved": [t.grad / 2 for t in leaves]}


@every_call
def test_walking_back_twice(name: str) -> None:
    """09.17 Gradients after one walk and after two; in between the call was made with other operands."""
    call, shapes = CALLS[name]
    arrays = filled(*shapes)
    c = fill(evaluate(call, *arrays).shape, 79, "normal")
    got = walked_twice(call, c, arrays, filled(*shapes, seed=6))
    want = gradients(call, c, *arrays)
    assert_close(got, want={"once": want, "twice, halved": want})
