"""Kata 09, Spatial: pooling (katas/09_spatial/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asserts import (
    assert_close,
    assert_close_where_finite,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_zeros,
)
from support.expressions import evaluate, gradients
from support.oracle import Case, check_gradients, check_values
from support.strategies import dyadic, fill, integer, normal, seeds
from test_09_spatial.images import (
    FEW,
    IMAGE,
    IN,
    POOL_REFUSED,
    average,
    case,
    first_maximum,
    pooled,
)

# ---- maxima: 09.7, 09.8, 09.10 --------------------------------------------------------------------


MAX = "tt.max_pool2d(a{})"
POOLS = {  # the options of a pool, and the shape of x
    "2": (", 2", (2, 2, 4, 6)),
    "2-leaves-a-rest": (", 2", (1, 2, 5, 3)),
    "pair": (", (3, 2)", (2, 1, 6, 5)),
    "list": (", [1, 3]", (1, 2, 2, 6)),
    "numpy-number": (", np.int64(2)", (1, 2, 4, 5)),
    "1": (", 1", (2, 1, 2, 3)),
    "whole-image": (", (3, 4)", (2, 2, 3, 4)),
    "stride-None": (", 3, None", (1, 1, 6, 7)),
    "overlapping": (", 3, 1", (1, 2, 4, 5)),
    "overlapping-by-name": (", kernel_size=3, stride=2", (2, 1, 5, 7)),
    "stride-pair": (", 2, (1, 3)", (1, 2, 3, 8)),
    "stride-leaves-gaps": (", 2, 3", (1, 1, 5, 8)),
    "padding-1": (", 3, 2, 1", (2, 1, 4, 5)),
    "padding-pair": (", (2, 3), padding=(1, 0)", (1, 2, 4, 6)),
    "padding-default-stride": (", 2, padding=1", (1, 1, 4, 4)),
    "ceil_mode-False": (", 2, 2, ceil_mode=False", (1, 1, 3, 5)),
}
DILATED = {
    "dilation-2": (", 2, 1, 0, 2", (1, 2, 4, 5)),
    "dilation-default-stride": (", 2, dilation=2", (1, 2, 5, 6)),
    "dilation-pair": (", 3, stride=2, padding=1, dilation=(2, 1)", (1, 1, 6, 5)),
}
MAXIMA = [case(f"max-{n}", MAX.format(o), (s,)) for n, (o, s) in (POOLS | DILATED).items()]
MAXIMA += [
    case(f"max-ties-{n}", MAX.format(o), ((2, 2, 5, 6),), kind="ties")
    for n, (o, _) in POOLS.items()
    if n[0] in "2op"
]


def test_max_pool2d_example() -> None:
    """09.7 The worked example."""
    got = evaluate("tt.max_pool2d(a, 2, stride=1)", IMAGE)
    assert_close(got, want=np.array([[[[5.0, 6.0], [8.0, 9.0]]]]))


@pytest.mark.parametrize("each", MAXIMA, ids=str)
def test_max_pool2d_is_pytorchs(each: Case) -> None:
    """09.7 Values that PyTorch gives, for several options, and with equal numbers."""
    check_values("09", each)


@st.composite
def pools(draw: st.DrawFn, dilations: int = 3) -> Any:
    """A shape and options that fit together; every window sees a pixel."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.tuples(st.integers(1, dilations), st.integers(1, dilations)))
    least = [max(d * (k - 1) + 1, d) for k, d in zip(kernel, dilation, strict=True)]
    sizes = [draw(st.integers(n, n + 3)) for n in least]
    return (
        (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *sizes),
        kernel,
        stride,
        padding,
        dilation,
        draw(seeds),
    )


@FEW
@given(drawn=pools())
def test_max_pool2d_of_drawn_options(drawn: Any) -> None:
    """09.7 Drawn options; all numbers are negative, so padding would win."""
    shape, kernel, stride, padding, dilation, seed = drawn
    x = -fill(shape, seed, "positive")
    where = {"stride": stride or kernel, "padding": padding, "dilation": dilation}
    got = evaluate(f"tt.max_pool2d(a, {kernel}, {stride}, {padding}, {dilation})", x)
    assert_close(got, want=pooled(x, kernel, first_maximum, np.nan, **where))


@pytest.mark.parametrize(
    "options", [", 2", ", 2, 1", ", 3, 2, 1"], ids=["2", "overlapping", "padded"]
)
def test_max_pool2d_of_odd_numbers(options: str) -> None:
    """09.7 nan, infinities and zeros among other numbers."""
    x = dyadic(2, 1, 5, 6)
    x[0, 0, :2, :3] = -np.inf
    x[0, 0, 3, integer(3, 3, 4)], x[1, 0, 2, 2], x[1, 0, integer(4, 3, 4), 0] = np.inf, np.nan, 0.0
    kernel, stride, padding = {", 2": (2, 2, 0), ", 2, 1": (2, 1, 0), ", 3, 2, 1": (3, 2, 1)}[
        options
    ]
    want = pooled(x, kernel, lambda w: (w.max(), 0), -np.inf, stride=stride, padding=padding)
    assert_exact(evaluate(MAX.format(options), x), want=want)


def test_max_pool2d_example_walked_back() -> None:
    """09.8 The worked example, and one with four equal numbers."""
    c, want = np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.zeros((1, 1, 3, 3))
    want[0, 0, 1:, 1:] = c
    assert_close(gradients("tt.max_pool2d(a, 2, stride=1)", c, IMAGE), want=[want])
    equal, first = np.full((1, 1, 2, 2), 7.0), np.array([[[[3.0, 0.0], [0.0, 0.0]]]])
    assert_close(gradients("tt.max_pool2d(a, 2)", np.full((1, 1, 1, 1), 3.0), equal), want=[first])


@pytest.mark.parametrize("each", MAXIMA, ids=str)
def test_max_pool2d_gradients_are_pytorchs(each: Case) -> None:
    """09.8 Gradients as PyTorch gives them, also where numbers are equal."""
    check_gradients("09", each)


@FEW
@given(drawn=pools(), kind=st.sampled_from(["normal", "ties", "zeros"]))
def test_max_pool2d_gradients_of_drawn_options(drawn: Any, kind: str) -> None:
    """09.8 Drawn options; distinct numbers, many equal ones, and all of them equal."""
    shape, kernel, stride, padding, dilation, seed = drawn
    x = fill(shape, seed, kind)
    where = {"stride": stride or kernel, "padding": padding, "dilation": dilation}
    c = fill(pooled(x, kernel, first_maximum, np.nan, **where).shape, seed + 1, "normal")
    got = gradients(f"tt.max_pool2d(a, {kernel}, {stride}, {padding}, {dilation})", c, x)
    assert_close(got, want=[pooled(x, kernel, first_maximum, np.nan, c=c, **where)])


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
def test_max_pool2d_gradient_of_an_odd_cotangent(odd: float) -> None:
    """09.8 One number of the cotangent is nan or infinite: it goes to one pixel, and no other knows of it."""
    x, c, alone = normal(1, 2, 4, 5), normal(1, 2, 3, 4, seed=1), np.zeros((1, 2, 3, 4))
    place = (0, 1, integer(1, 0, 2), integer(2, 0, 3))
    c[place], alone[place] = 0.0, 1.0
    want = pooled(x, 2, first_maximum, np.nan, c)
    want[pooled(x, 2, first_maximum, np.nan, alone) > 0] = c[place] = odd
    assert_close_where_finite(gradients("tt.max_pool2d(a, 2, 1)", c, x)[0], want=want)


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_pools_with_options_of_small_types(pool: str) -> None:
    """09.9 Integers of NumPy of one byte: a kernel of 16 x 16 = 256 places, a stride of 100 taken three times."""
    x, text = fill((1, 1, 16, 301), 4, "normal"), "(np.uint8(16), np.uint8(16)), (1, np.int8(100))"
    take, outside = {"max_pool2d": (first_maximum, np.nan), "avg_pool2d": (average, 0)}[pool]
    want = pooled(x, (16, 16), take, outside, stride=(1, 100))
    assert_close(evaluate(f"tt.{pool}(a, {text})", x), want=want, depth=10)


EDGES = [((3, 3), 1, (1, 2, 1, 4)), ((4, 5), 2, (2, 1, 2, 1)), ((2, 6), (1, 3), (1, 1, 1, 2))]


def check_small_images(pool: str, kernel: Any, padding: Any, x: Any) -> None:
    """A pool with stride 1, forward and back, of images that are smaller than its kernel."""
    take, outside = {"max_pool2d": (first_maximum, np.nan), "avg_pool2d": (average, 0)}[pool]
    call, where = f"tt.{pool}(a, {kernel}, 1, {padding})", {"stride": 1, "padding": padding}
    want = pooled(x, kernel, take, outside, **where)
    assert_close(evaluate(call, x), want=want)
    c = fill(want.shape, 2, "normal")
    slope = pooled(x, kernel, take, outside, c=c, **where)
    assert_close(gradients(call, c, x), want=[slope], depth=10)


def test_max_pool2d_of_windows_without_pixels() -> None:
    """09.7 Dilated windows whose two rows lie above and below the image."""
    x, c, call = normal(1, 1, 2, 3), normal(1, 1, 1, 4), "tt.max_pool2d(a, 2, 1, 1, (3, 1))"
    assert_exact(evaluate(call, x), want=np.full((1, 1, 1, 4), -np.inf))
    assert_zeros(gradients(call, c, x)[0], beside=c)


@pytest.mark.parametrize(("kernel", "padding", "shape"), EDGES, ids=str)
def test_max_pool2d_of_images_smaller_than_the_kernel(
    kernel: Any, padding: Any, shape: Any
) -> None:
    """09.7 Windows of more padding than pixels, all of them negative: values and gradients."""
    check_small_images("max_pool2d", kernel, padding, -fill(shape, 1, "positive"))


@pytest.mark.parametrize("sign", [1, -1], ids=["inf", "-inf"])
def test_max_pool2d_gradient_of_infinite_windows(sign: int) -> None:
    """09.8 Windows that hold nothing but infinities, at the edge with padding before it."""
    x, c = np.full((1, 1, 4, 4), sign * np.inf), normal(1, 1, 3, 3)
    x[0, 0, 2:, 2:] = dyadic(2, 2)
    want = pooled(x, 2, first_maximum, np.nan, c=c, stride=2, padding=1)
    assert_close(gradients("tt.max_pool2d(a, 2, 2, 1)", c, x), want=[want])


def test_max_pool2d_gradient_of_a_large_window() -> None:
    """09.8 Windows of 400 places; the largest number of each is at a drawn place, far from the first."""
    x, c = fill((2, 1, 20, 20), 3, "zeros"), normal(2, 1, 1, 1)
    for number, place in enumerate([(integer(17, 13, 19), 4), (19, integer(18, 0, 19))]):
        x[number, 0][place] = 5.0
    want = pooled(x, (20, 20), first_maximum, np.nan, c=c, stride=20)
    assert_close(gradients("tt.max_pool2d(a, 20)", c, x), want=[want])


def check_pool_refuses(name: str, pool: str) -> None:
    """A call of a pool is refused by a message with all that it should name."""
    n, (options, shape, says) = str(integer(4, 4, 6)), POOL_REFUSED[name]
    call = f"tt.{pool}({IN.format(shape)}{options})".replace("{n}", n)
    assert_raises(evaluate, call, error="ValueError", says=tuple(s.replace("{n}", n) for s in says))


@pytest.mark.parametrize("name", POOL_REFUSED)
def test_max_pool2d_refuses(name: str) -> None:
    """09.10 Options and images that max_pool2d does not take."""
    check_pool_refuses(name, "max_pool2d")


@pytest.mark.parametrize("options", [", dilation=0", ", dilation=(1, -1)"])
def test_max_pool2d_refuses_a_dilation(options: str) -> None:
    """09.10 Below 1; the kernel reaches over more than the image; padding over half of kernel_size alone."""
    call, n = f"tt.max_pool2d({IN.format('(1, 1, 9, 9)')}, 2{options})", integer(9, 9, 99)
    assert_raises(evaluate, call, error="ValueError", says=("dilation", options.split("=")[1]))
    wide = f"tt.max_pool2d({IN.format('(1, 1, 9, 9)')}, 2, dilation={n})"
    assert_raises(evaluate, wide, error="ValueError", says=("9", str(n + 1)))
    padded = f"tt.max_pool2d({IN.format('(1, 1, 9, 9)')}, 3, 1, 2, dilation=2)"
    assert_raises(evaluate, padded, error="ValueError", says=("padding", "2"))


# ---- means: 09.9, 09.10 ---------------------------------------------------------------------------


AVG = "tt.avg_pool2d(a{})"
MEANS = [case(f"avg-{n}", AVG.format(o), (s,)) for n, (o, s) in POOLS.items()]


def test_avg_pool2d_example() -> None:
    """09.9 The worked example, and its gradient."""
    got = evaluate("tt.avg_pool2d(a, 2, stride=1)", IMAGE)
    assert_close(got, want=np.array([[[[3.0, 4.0], [6.0, 7.0]]]]))
    want = np.array([[[[0.25, 0.75, 0.5], [1.0, 2.5, 1.5], [0.75, 1.75, 1.0]]]])
    c = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert_close(gradients("tt.avg_pool2d(a, 2, stride=1)", c, IMAGE), want=[want])


@pytest.mark.parametrize("each", MEANS, ids=str)
def test_avg_pool2d_is_pytorchs(each: Case) -> None:
    """09.9 Values that PyTorch gives, for several options."""
    check_values("09", each)


@pytest.mark.parametrize("each", MEANS, ids=str)
def test_avg_pool2d_gradients_are_pytorchs(each: Case) -> None:
    """09.9 Gradients that PyTorch gives, for several options."""
    check_gradients("09", each)


@FEW
@given(drawn=pools(dilations=1))
def test_avg_pool2d_of_drawn_options(drawn: Any) -> None:
    """09.9 Drawn sizes, strides and paddings: values and gradients."""
    shape, kernel, stride, padding, _, seed = drawn
    x, where = fill(shape, seed, "normal"), {"stride": stride or kernel, "padding": padding}
    call = f"tt.avg_pool2d(a, {kernel}, {stride}, {padding})"
    want, terms = (pooled(each, kernel, average, 0, **where) for each in (x, abs(x)))
    assert_close(evaluate(call, x), want=want, terms=terms)
    c = fill(want.shape, seed + 1, "normal")
    slope = pooled(x, kernel, average, 0, c=c, **where)
    assert_close(gradients(call, c, x), want=[slope], depth=10)


@pytest.mark.parametrize(("kernel", "padding", "shape"), EDGES, ids=str)
def test_avg_pool2d_of_images_smaller_than_the_kernel(
    kernel: Any, padding: Any, shape: Any
) -> None:
    """09.9 Windows of more padding than pixels: values and gradients."""
    check_small_images("avg_pool2d", kernel, padding, fill(shape, 1, "normal"))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (2, 1, 0), (3, 2, 1)])
def test_avg_pool2d_sees_an_odd_number_where_it_is(
    kernel: int, stride: int, padding: int, odd: float
) -> None:
    """09.9 A pixel that is nan or infinite, and such a cotangent: who sees it not has a finite number."""
    x, call = normal(1, 2, 5, 6), f"tt.avg_pool2d(a, {kernel}, {stride}, {padding})"
    where = {"stride": stride, "padding": padding}
    c = fill(pooled(x, kernel, average, 0, **where).shape, 1, "normal")
    for array in (x, c):
        array[0, 0, integer(1, 0, 1), 1] = odd
    slope = pooled(np.zeros_like(x), kernel, average, 0, c=c, **where)
    want = np.isfinite(pooled(x, kernel, average, 0, **where))
    assert_equal(np.isfinite(evaluate(call, x)), want=want)
    assert_equal(np.isfinite(gradients(call, c, np.ones_like(x))[0]), want=np.isfinite(slope))


@pytest.mark.parametrize("name", POOL_REFUSED)
def test_avg_pool2d_refuses(name: str) -> None:
    """09.10 Options and images that avg_pool2d does not take."""
    check_pool_refuses(name, "avg_pool2d")
