"""Kata 09, Spatial: the clauses of katas/09_spatial/README.md, in the order of the tasks.

Values and gradients are compared with PyTorch's (recorded), and on fresh numbers with sums over one
window at a time. No section needs a blank of a later one.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import oracle
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.expressions import (
    evaluate,
    evaluate_laid_out,
    gradients,
    operands_after,
    shares_memory,
    two_results,
)
from support.observe import observe
from support.oracle import Case, check_gradients, check_values
from support.strategies import (
    LAYOUTS,
    dyadic,
    fill,
    flags,
    integer,
    normal,
    positive,
    real,
    seeds,
)

IMAGE = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)  # the README's worked example
KERNEL = np.array([[[[1.0, 2.0], [3.0, -1.0]]]])
FEW = settings(max_examples=25)  # each example is computed window by window
Shape = tuple[int, ...]


def case(name: str, call: str, *shapes: tuple[Shape, ...], kind: Any = "normal") -> Case:
    """A call that PyTorch answers under the same name in torch.nn.functional, gradients included."""
    torch = re.sub(r"np\.int64\((\d+)\)", r"\1", call.replace("tt.", "F."))
    torch = re.sub(r"F\.Tensor\(np\.array\(([^)]*)\)\)", r"torch.tensor(\1).double()", torch)
    return Case(name, call, shapes, kind, torch, gradient=True)


CONV = "tt.conv2d(a, b, c{})"
PLAIN = ((2, 2, 5, 4), (3, 2, 3, 2), (3,))
OPTIONS = {  # of conv2d: what is passed, and the shapes of x, weight and bias
    "plain": ("", PLAIN),
    "one-by-one": ("", ((2, 3, 2, 3), (2, 3, 1, 1), (2,))),
    "one-window": ("", ((2, 2, 3, 2), (3, 2, 3, 2), (3,))),
    "one-image": ("", ((1, 1, 4, 3), (1, 1, 2, 3), (1,))),
    "stride-2": (", stride=2", ((2, 2, 5, 6), (3, 2, 2, 3), (3,))),
    "stride-pair": (", stride=(1, 3)", ((1, 2, 4, 8), (2, 2, 2, 2), (2,))),
    "stride-leaves-gaps": (", stride=(3, 2)", ((2, 1, 6, 5), (2, 1, 2, 1), (2,))),
    "padding-1": (", padding=1", ((2, 2, 3, 4), (2, 2, 3, 3), (2,))),
    "padding-pair": (", padding=(2, 1)", ((1, 2, 2, 4), (2, 2, 3, 2), (2,))),
    "padding-valid": (", padding='valid'", ((1, 2, 4, 3), (2, 2, 2, 2), (2,))),
    "padding-same": (", padding='same'", ((2, 1, 4, 5), (2, 1, 3, 3), (2,))),
    "padding-same-even": (", padding='same'", ((1, 2, 4, 5), (2, 2, 2, 4), (2,))),
    "padding-same-dilated": (", 1, 'same', (1, 2)", ((1, 1, 4, 5), (2, 1, 2, 3), (2,))),
    "dilation-2": (", dilation=2", ((2, 2, 5, 6), (2, 2, 2, 3), (2,))),
    "dilation-pair": (", dilation=(1, 3)", ((1, 2, 3, 7), (2, 2, 2, 3), (2,))),
    "groups-2": (", groups=2", ((2, 4, 3, 4), (6, 2, 2, 2), (6,))),
    "groups-depthwise": (", groups=3", ((2, 3, 4, 3), (3, 1, 2, 2), (3,))),
    "groups-doubled": (", groups=2", ((1, 2, 3, 4), (4, 1, 2, 3), (4,))),
    "by-position": (", (2, 1), (1, 2), (2, 1), 2", ((2, 4, 6, 4), (4, 2, 3, 3), (4,))),
    "lists": (", stride=[2, 1], padding=[0, 1]", ((1, 1, 4, 3), (2, 1, 2, 2), (2,))),
    "numpy-numbers": (
        ", stride=np.int64(2), groups=np.int64(2)",
        ((1, 2, 4, 5), (2, 1, 2, 2), (2,)),
    ),
}
CONVOLUTIONS = [case(name, CONV.format(o), shapes) for name, (o, shapes) in OPTIONS.items()]


def pairs(value: Any, kernel: Any = None, dilation: Any = (1, 1)) -> Any:
    """An option as a pair; padding as two pairs, before and after, if a kernel is passed."""
    if kernel is None:
        return tuple(value) if isinstance(value, (tuple, list)) else (int(value),) * 2
    if isinstance(value, str):
        gaps = zip(kernel, dilation, strict=True)
        whole = [d * (k - 1) * (value == "same") for k, d in gaps]
        return [n // 2 for n in whole], [n - n // 2 for n in whole]
    return [pairs(value)] * 2


def windows(x: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """Of every window its number in rows and columns, and where it lies in the padded image."""
    stride, dilation = pairs(stride), pairs(dilation)
    before, after = pairs(padding, kernel, dilation)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    edges = zip(x.shape[2:], before, after, reach, stride, strict=True)
    counts = [(n + b + a - r) // s + 1 for n, b, a, r, s in edges]
    parts = zip(stride, reach, dilation, strict=True)
    cuts = [lambda k, s=s, r=r, d=d: slice(k * s, k * s + r, d) for s, r, d in parts]
    padded = [(0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])]
    found = [(y, z, (..., cuts[0](y), cuts[1](z))) for y, z in np.ndindex(*counts)]
    return counts, padded, found


def convolved(x: Any, w: Any, b: Any = None, c: Any = None, groups: int = 1, **where: Any) -> Any:
    """conv2d one window at a time, in NumPy: the result, or with a cotangent c the gradients."""
    (high, wide), edges, found = windows(x, w.shape[2:], **where)
    padded, out = np.pad(x, edges), np.zeros((len(x), len(w), high, wide))
    slopes = [np.zeros_like(padded), np.zeros_like(w), None if c is None else c.sum((0, 2, 3))]
    for y, z, at in found:
        for k in range(groups):
            ins, outs = (
                slice(k * n // groups, (k + 1) * n // groups) for n in (x.shape[1], len(w))
            )
            seen, mine = padded[at][:, ins], w[outs]
            out[:, outs, y, z] = np.einsum("nchw,ochw->no", seen, mine)
            if c is not None:
                slopes[0][at][:, ins] += np.einsum("no,ochw->nchw", c[:, outs, y, z], mine)
                slopes[1][outs] += np.einsum("no,nchw->ochw", c[:, outs, y, z], seen)
    if c is None:
        return out if b is None else out + b[:, None, None]
    slopes[0] = slopes[0][:, :, edges[2][0] :, edges[3][0] :][:, :, : x.shape[2], : x.shape[3]]
    return slopes if b is not None else slopes[:2]


def filled(*shapes: Shape, seed: int = 0, kind: str = "normal") -> list[Any]:
    """Arrays of these shapes, each with numbers of its own."""
    return [fill(shape, seed + 10 * i, kind) for i, shape in enumerate(shapes)]


def given_options(text: str) -> dict[str, Any]:
    """The options of a call as `convolved` takes them."""
    found: dict[str, Any] = eval(f"dict({text.lstrip(', ')})", {"np": np})
    return found


# ---- convolving: 09.1 to 09.5 --------------------------------------------------------------------


def test_conv2d_example() -> None:
    """09.1 The worked example, without a bias and with one."""
    want = np.array([[[[12.0, 17.0], [27.0, 32.0]]]])
    assert_close(evaluate("tt.conv2d(a, b)", IMAGE, KERNEL), want=want)
    assert_close(evaluate("tt.conv2d(a, b, c)", IMAGE, KERNEL, np.array([10.0])), want=want + 10)


def test_conv2d_example_with_options() -> None:
    """09.2 The worked example with padding 1 and stride 2."""
    got = evaluate("tt.conv2d(a, b, stride=2, padding=1)", IMAGE, KERNEL)
    assert_close(got, want=np.array([[[[-1.0, 3.0], [1.0, 32.0]]]]))


@pytest.mark.parametrize(
    "shapes", [PLAIN, OPTIONS["one-window"][1], OPTIONS["one-image"][1]], ids=str
)
def test_conv2d_is_a_sum_over_windows(shapes: Any) -> None:
    """09.1 Fresh numbers against one window at a time, with a bias and without."""
    x, w, b = filled(*shapes)
    assert_close(evaluate("tt.conv2d(a, b)", x, w), want=convolved(x, w))
    assert_close(evaluate("tt.conv2d(a, b, bias=None)", x, w), want=convolved(x, w))
    assert_close(evaluate("tt.conv2d(a, b, bias=c)", x, w, b), want=convolved(x, w, b))


@pytest.mark.parametrize("each", CONVOLUTIONS, ids=str)
def test_conv2d_is_pytorchs(each: Case) -> None:
    """09.2 Values that PyTorch gives, for each option alone and for all together."""
    check_values("09", each)


@st.composite
def convolutions(draw: st.DrawFn) -> Any:
    """Shapes and options that fit together."""
    groups, seed = draw(st.sampled_from([1, 1, 2, 3])), draw(seeds)
    kernel, stride, dilation = [
        draw(st.tuples(st.integers(1, n), st.integers(1, n))) for n in (3, 3, 2)
    ]
    padding = draw(st.sampled_from([0, 1, (0, 2), (2, 1), "valid", "same"]))
    stride = (1, 1) if padding == "same" else stride
    sizes = [draw(st.integers(d * (k - 1) + 1, 7)) for k, d in zip(kernel, dilation, strict=True)]
    ins, outs, images = (
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
    )
    shapes = (images, ins, *sizes), (outs, ins // groups, *kernel), (outs,)
    where = {"stride": stride, "padding": padding, "dilation": dilation}
    return filled(*shapes, seed=seed), where, groups


@FEW
@given(drawn=convolutions())
def test_conv2d_of_drawn_options(drawn: Any) -> None:
    """09.2 Drawn sizes, strides, paddings, dilations and groups against one window at a time."""
    arrays, where, groups = drawn
    options = ", ".join(f"{k}={v!r}" for k, v in where.items())
    got = evaluate(f"tt.conv2d(a, b, c, {options}, groups={groups})", *arrays)
    terms = convolved(*map(np.abs, arrays), groups=groups, **where)
    assert_close(got, want=convolved(*arrays, groups=groups, **where), terms=terms)


@pytest.mark.parametrize("name", ["groups-2", "groups-depthwise", "groups-doubled"])
def test_conv2d_keeps_groups_apart(name: str) -> None:
    """09.3 Fresh numbers in groups: two, one for each channel, and two kernels for each channel."""
    text, shapes = OPTIONS[name]
    x, w, b = filled(*shapes, seed=3)
    got = evaluate(CONV.format(text), x, w, b)
    assert_close(got, want=convolved(x, w, b, **given_options(text)))


@FEW
@given(seed=seeds)
def test_conv2d_is_linear_and_moves_with_the_image(seed: int) -> None:
    """09.1 Sums of images and of kernels carry over; an image moved by a pixel gives a moved result."""
    x, y, w = filled((1, 2, 5, 5), (1, 2, 5, 5), (2, 2, 2, 2), seed=seed)
    call, terms = "tt.conv2d(a, b)", convolved(abs(x) + 2 * abs(y), abs(w))
    want = evaluate(call, x, w) + 2 * evaluate(call, y, w)
    assert_close(evaluate(call, x + 2 * y, w), want=want, terms=terms)
    moved = evaluate(call, x[:, :, 1:, 1:], w)
    assert_close(moved, want=evaluate(call, x, w)[:, :, 1:, 1:], terms=terms.max())


@pytest.mark.parametrize("place", [(0, 0), (0, 2), (1, 0), (2, 1)], ids=str)
def test_conv2d_with_a_kernel_of_one_place(place: tuple[int, int]) -> None:
    """09.1 A kernel with a single number that is not 0 gives a part of the image, times it."""
    x, w = normal(2, 1, 5, 6), np.zeros((1, 1, 3, 3))
    w[0, 0, place[0], place[1]] = real(2.0, 1.5, 3.0)
    want = x[:, :, place[0] : place[0] + 3, place[1] : place[1] + 4] * w.max()
    assert_close(evaluate("tt.conv2d(a, b)", x, w), want=want)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize(
    "options", ["", ", padding=1", ", stride=2"], ids=["plain", "padded", "stride"]
)
def test_conv2d_sees_an_odd_pixel_where_it_is(odd: float, options: str) -> None:
    """09.1 One pixel that is nan or infinite: the other windows know nothing of it."""
    x, w = normal(1, 2, 4, 5), positive(2, 2, 2, 2)
    x[0, integer(1, 0, 1), integer(1, 1, 2), integer(3, 1, 3)] = odd
    got = evaluate(f"tt.conv2d(a, b{options})", x, w)
    want = convolved(x, w, **given_options(options))
    assert_exact(
        np.nan_to_num(got, posinf=9e9, neginf=-9e9, nan=7e9),
        want=np.nan_to_num(want, posinf=9e9, neginf=-9e9, nan=7e9),
        ulps=1000,
    )


IN = "tt.Tensor(np.ones({}))"
MISFITS = {  # arguments of conv2d whose shapes do not fit, and what the message names; {n} is drawn
    "no-batch-axis": ("(3, {n}, 5)", "(2, 3, 3, 3)", "", ("(3, {n}, 5)",)),
    "five-axes": ("(1, 3, {n}, 5, 5)", "(2, 3, 3, 3)", "", ("(1, 3, {n}, 5, 5)",)),
    "weight-of-two-axes": ("(1, 3, 5, {n})", "({n}, 3)", "", ("({n}, 3)", "(1, 3, 5, {n})")),
    "other-channels": ("(1, 3, 5, {n})", "(2, 4, 3, 3)", "", ("(1, 3, 5, {n})", "(2, 4, 3, 3)")),
    "fewer-channels": ("(1, 3, 5, {n})", "(2, 1, 3, 3)", "", ("(1, 3, 5, {n})", "(2, 1, 3, 3)")),
    "groups-not-counted": (
        "(1, 4, 5, {n})",
        "(2, 4, 3, 3)",
        ", groups=2",
        ("(1, 4, 5, {n})", "(2, 4, 3, 3)"),
    ),
    "groups-do-not-divide": ("(1, 4, 5, {n})", "(3, 2, 3, 3)", ", groups=2", ("groups", "2")),
    "bias-of-one": ("(1, 3, 5, 5)", "(2, 3, 3, 3)", ", bias=tt.Tensor(np.ones(1))", ("(1,)",)),
    "bias-too-long": (
        "(1, 3, 5, 5)",
        "(2, 3, 3, 3)",
        ", bias=tt.Tensor(np.ones({n}))",
        ("({n},)",),
    ),
    "bias-of-two-axes": (
        "(1, 3, 5, 5)",
        "(2, 3, 3, 3)",
        ", bias=tt.Tensor(np.ones((2, 1)))",
        ("(2, 1)",),
    ),
    "too-high": ("(1, 3, 5, 9)", "(2, 3, 6, {n})", "", ("5", "6")),
    "too-wide": ("(1, 3, 9, 41)", "(2, 3, {n}, 53)", "", ("41", "53")),
    "too-high-when-dilated": (
        "(1, 3, 30, 59)",
        "(2, 3, 5, 5)",
        ", dilation=(8, {n})",
        ("33", "30"),
    ),
    "too-high-even-padded": ("(1, 3, 30, 59)", "(2, 3, 35, {n})", ", padding=2", ("34", "35")),
    "too-large-without-images": ("(0, 3, 5, 9)", "(2, 3, 6, {n})", "", ("5", "6")),
}
OUT_OF_RANGE = {  # options of conv2d, likewise
    "groups-0": (", groups=0", ("groups", "0")),
    "groups-below-0": (", groups=-{n}", ("groups", "-{n}")),
    "groups-a-fraction": (", groups={n}.0", ("groups", "{n}.0")),
    "stride-0": (", stride=0", ("stride", "0")),
    "stride-0-in-one-axis": (", stride=({n}, 0)", ("stride", "({n}, 0)")),
    "stride-below-0": (", stride=-{n}", ("stride", "-{n}")),
    "stride-a-fraction": (", stride={n}.5", ("stride", "{n}.5")),
    "stride-of-three": (", stride=(1, 1, {n})", ("stride", "(1, 1, {n})")),
    "stride-of-one": (", stride=({n},)", ("stride", "({n},)")),
    "stride-None": (", stride=None", ("stride", "None")),
    "dilation-0": (", dilation=({n}, 0)", ("dilation", "({n}, 0)")),
    "dilation-below-0": (", dilation=-{n}", ("dilation", "-{n}")),
    "padding-below-0": (", padding=(1, -{n})", ("padding", "(1, -{n})")),
    "padding-a-fraction": (", padding={n}.5", ("padding", "{n}.5")),
    "padding-unknown": (", padding='full{n}'", ("padding", "full{n}")),
    "same-with-a-stride": (", None, {n}, 'same'", ("stride", "{n}")),
    "same-with-a-stride-in-one-axis": (", None, (1, {n}), 'same'", ("stride", "{n}")),
}


def check_conv2d_refuses(image: str, kernel: str, more: str, says: tuple[str, ...]) -> None:
    """A call of conv2d is refused by a message with all that it should name."""
    n = str(integer(4, 4, 7))
    call = f"tt.conv2d({IN.format(image)}, {IN.format(kernel)}{more})".replace("{n}", n)
    assert_raises(evaluate, call, error="ValueError", says=tuple(s.replace("{n}", n) for s in says))


@pytest.mark.parametrize("name", MISFITS)
def test_conv2d_refuses_shapes(name: str) -> None:
    """09.4 Shapes that do not go together."""
    check_conv2d_refuses(*MISFITS[name])


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_conv2d_refuses_options(name: str) -> None:
    """09.5 Options that make no sense."""
    check_conv2d_refuses("(1, 3, 5, 5)", "(2, 3, 3, 3)", *OUT_OF_RANGE[name])


# ---- slopes: 09.6 --------------------------------------------------------------------------------


def test_conv2d_example_walked_back() -> None:
    """09.6 The worked example with a cotangent of ones."""
    got = gradients("tt.conv2d(a, b, c)", np.ones((1, 1, 2, 2)), IMAGE, KERNEL, np.array([10.0]))
    image = np.array([[[[1.0, 3.0, 2.0], [4.0, 5.0, 1.0], [3.0, 2.0, -1.0]]]])
    kernel = np.array([[[[12.0, 16.0], [24.0, 28.0]]]])
    assert_close(got, want=[image, kernel, np.array([4.0])])


@pytest.mark.parametrize("each", CONVOLUTIONS, ids=str)
def test_conv2d_gradients_are_pytorchs(each: Case) -> None:
    """09.6 Gradients under a random cotangent, as PyTorch gives them."""
    check_gradients("09", each)


@FEW
@given(drawn=convolutions())
def test_conv2d_gradients_of_drawn_options(drawn: Any) -> None:
    """09.6 Drawn options and a random cotangent against one window at a time."""
    arrays, where, groups = drawn
    options = ", ".join(f"{k}={v!r}" for k, v in where.items())
    c = fill(convolved(*arrays, groups=groups, **where).shape, 5, "normal")
    got = gradients(f"tt.conv2d(a, b, c, {options}, groups={groups})", c, *arrays)
    want = convolved(*arrays, c=c, groups=groups, **where)
    assume(all(slope.any() for slope in want))  # a pixel that no window sees has gradient 0
    assert_close(got, want=want, depth=10)


def test_conv2d_gradients_without_a_bias() -> None:
    """09.6 The gradients of x and weight where there is no bias."""
    x, w = filled((2, 2, 5, 4), (3, 2, 3, 2), seed=8)
    c = normal(2, 3, 3, 3, seed=9)
    assert_close(gradients("tt.conv2d(a, b)", c, x, w), want=convolved(x, w, c=c))


def test_conv2d_of_a_tensor_with_itself() -> None:
    """09.6 One tensor is image and kernel: both gradients add up."""
    x, c = normal(2, 2, 3, 3), normal(2, 2, 3, 3, seed=1)
    want = sum(convolved(x, x, c=c, padding=1))
    assert_close(gradients("tt.conv2d(a, a, padding=1)", c, x), want=[want], depth=10)


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_conv2d_gradient_of_an_odd_cotangent(odd: float) -> None:
    """09.6 One number of the cotangent is nan or infinite: pixels of other windows know nothing of it."""
    x, w, c = normal(1, 1, 4, 5), positive(1, 1, 2, 2), normal(1, 1, 3, 4, seed=2)
    c[0, 0, integer(1, 0, 2), integer(2, 0, 3)] = odd
    got, want = gradients("tt.conv2d(a, b)", c, x, w)[0], convolved(x, w, c=c)[0]
    assert_equal(np.isfinite(got), want=np.isfinite(want))
    assert_close(np.where(np.isfinite(want), got, 0.0), want=np.where(np.isfinite(want), want, 0.0))


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
    "dilation-pair": (", 3, stride=2, padding=1, dilation=(2, 1)", (1, 1, 6, 5)),
}
MAXIMA = [case(f"max-{n}", MAX.format(o), (s,)) for n, (o, s) in (POOLS | DILATED).items()]
MAXIMA += [
    case(f"max-ties-{n}", MAX.format(o), ((2, 2, 5, 6),), kind="ties")
    for n, (o, _) in POOLS.items()
    if n[0] in "2op"
]


def pooled(x: Any, kernel: Any, take: Any, fill_in: float, c: Any = None, **where: Any) -> Any:
    """A pool one window at a time: take(window) is its result and how its gradient is shared out."""
    (high, wide), edges, found = windows(x, pairs(kernel), **where)
    padded = np.pad(x, edges, constant_values=fill_in)
    out, slope = np.zeros((*x.shape[:2], high, wide)), np.zeros_like(padded)
    for y, z, at in found:
        for n, k in np.ndindex(*x.shape[:2]):
            out[n, k, y, z], shares = take(padded[n, k][at])
            if c is not None:
                slope[n, k][at] += c[n, k, y, z] * shares
    slope = slope[:, :, edges[2][0] :, edges[3][0] :][:, :, : x.shape[2], : x.shape[3]]
    return out if c is None else slope


def first_maximum(seen: Any) -> Any:
    """The largest number of the image, and 1 where it stands first in reading order; padding is nan."""
    inside, shares = np.flatnonzero(~np.isnan(seen)), np.zeros(seen.shape)
    best = max(inside, key=lambda i: seen.flat[i])
    shares.flat[best] = 1
    return seen.flat[best], shares


def average(seen: Any) -> Any:
    """The mean, and equal shares."""
    return seen.mean(), np.full(seen.shape, 1 / seen.size)


def test_max_pool2d_example() -> None:
    """09.7 The worked example."""
    got = evaluate("tt.max_pool2d(a, 2, stride=1)", IMAGE)
    assert_close(got, want=np.array([[[[5.0, 6.0], [8.0, 9.0]]]]))


@pytest.mark.parametrize("each", MAXIMA, ids=str)
def test_max_pool2d_is_pytorchs(each: Case) -> None:
    """09.7 Values that PyTorch gives, for several options, and with equal numbers."""
    check_values("09", each)


@st.composite
def pools(draw: st.DrawFn) -> Any:
    """A shape and options that fit together."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    sizes = [draw(st.integers(k, 6)) for k in kernel]
    return (
        (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *sizes),
        kernel,
        stride,
        padding,
        draw(seeds),
    )


@FEW
@given(drawn=pools())
def test_max_pool2d_of_drawn_options(drawn: Any) -> None:
    """09.7 Drawn sizes, strides and paddings; all numbers are negative, so padding would win."""
    shape, kernel, stride, padding, seed = drawn
    x = -fill(shape, seed, "positive")
    got = evaluate(f"tt.max_pool2d(a, {kernel}, {stride}, {padding})", x)
    want = pooled(x, kernel, first_maximum, np.nan, stride=stride or kernel, padding=padding)
    assert_close(got, want=want)


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
    shape, kernel, stride, padding, seed = drawn
    x, where = fill(shape, seed, kind), {"stride": stride or kernel, "padding": padding}
    c = fill(pooled(x, kernel, first_maximum, np.nan, **where).shape, seed + 1, "normal")
    got = gradients(f"tt.max_pool2d(a, {kernel}, {stride}, {padding})", c, x)
    assert_close(got, want=[pooled(x, kernel, first_maximum, np.nan, c=c, **where)])


@pytest.mark.parametrize("sign", [1, -1], ids=["inf", "-inf"])
def test_max_pool2d_gradient_of_infinite_windows(sign: int) -> None:
    """09.8 Windows that hold nothing but infinities, at the edge with padding before it."""
    x, c = np.full((1, 1, 4, 4), sign * np.inf), normal(1, 1, 3, 3)
    x[0, 0, 2:, 2:] = dyadic(2, 2)
    want = pooled(x, 2, first_maximum, np.nan, c=c, stride=2, padding=1)
    assert_close(gradients("tt.max_pool2d(a, 2, 2, 1)", c, x), want=[want])


POOL_REFUSED = {  # the options of both pools, and what the message names
    "ceil_mode": (", 2, ceil_mode=True", "(1, 1, {n}, 5)", ("ceil_mode",)),
    "padding-over-half": (", 3, padding=2", "(1, 1, {n}, 5)", ("padding", "2")),
    "padding-over-half-in-one-axis": (
        ", (4, 2), padding=(2, {n})",
        "(1, 1, 9, 9)",
        ("padding", "(2, {n})"),
    ),
    "padding-over-half-in-rows": (
        ", (2, 4), padding=({n}, 2)",
        "(1, 1, 9, 9)",
        ("padding", "({n}, 2)"),
    ),
    "padding-below-0": (", 3, padding=-{n}", "(1, 1, 5, 5)", ("padding", "-{n}")),
    "padding-text": (", 3, padding='same'", "(1, 1, {n}, 5)", ("padding", "same")),
    "kernel_size-0": (", (2, 0)", "(1, 1, {n}, 5)", ("kernel_size", "(2, 0)")),
    "kernel_size-a-fraction": (", {n}.0", "(1, 1, 9, 9)", ("kernel_size", "{n}.0")),
    "kernel_size-of-three": (", (1, 1, {n})", "(1, 1, 9, 9)", ("kernel_size", "(1, 1, {n})")),
    "stride-0": (", 2, 0", "(1, 1, {n}, 5)", ("stride", "0")),
    "stride-below-0": (", 2, (1, -{n})", "(1, 1, 9, 9)", ("stride", "(1, -{n})")),
    "too-high": (", (8, {n})", "(1, 1, 7, 9)", ("7", "8")),
    "too-wide-without-images": (", ({n}, 8)", "(0, 1, 9, 7)", ("7", "8")),
    "no-batch-axis": (", 2", "(3, {n}, 5)", ("(3, {n}, 5)",)),
    "two-axes": (", 2", "(8, {n})", ("(8, {n})",)),
}


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
    """09.10 A dilation below 1, and one with which the kernel reaches over more than the image."""
    call, n = f"tt.max_pool2d({IN.format('(1, 1, 9, 9)')}, 2{options})", integer(9, 9, 99)
    assert_raises(evaluate, call, error="ValueError", says=("dilation", options.split("=")[1]))
    wide = f"tt.max_pool2d({IN.format('(1, 1, 9, 9)')}, 2, dilation={n})"
    assert_raises(evaluate, wide, error="ValueError", says=("9", str(n + 1)))


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
@given(drawn=pools())
def test_avg_pool2d_of_drawn_options(drawn: Any) -> None:
    """09.9 Drawn sizes, strides and paddings: values and gradients."""
    shape, kernel, stride, padding, seed = drawn
    x, where = fill(shape, seed, "normal"), {"stride": stride or kernel, "padding": padding}
    call = f"tt.avg_pool2d(a, {kernel}, {stride}, {padding})"
    want, terms = (pooled(each, kernel, average, 0, **where) for each in (x, abs(x)))
    assert_close(evaluate(call, x), want=want, terms=terms)
    c = fill(want.shape, seed + 1, "normal")
    slope = pooled(x, kernel, average, 0, c=c, **where)
    assert_close(gradients(call, c, x), want=[slope], depth=10)


@pytest.mark.parametrize("name", POOL_REFUSED)
def test_avg_pool2d_refuses(name: str) -> None:
    """09.10 Options and images that avg_pool2d does not take."""
    check_pool_refuses(name, "avg_pool2d")


# ---- normalizing: 09.11 to 09.15 -----------------------------------------------------------------


NORM = "tt.batch_norm(a, None, None, b, c, training=True{})"
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


def per_channel(v: Any, x: Any) -> Any:
    """A number for each channel, shaped to broadcast."""
    return np.reshape(v, (-1, *[1] * (x.ndim - 2)))


def batch(x: Any) -> Any:
    """Mean and both variances of each channel, number by number: divisor n, then n - 1."""
    rows = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    means = np.array([math.fsum(r) / len(r) for r in rows])
    squares = np.array([math.fsum((r - m) ** 2) for r, m in zip(rows, means, strict=True)])
    return means, squares / len(rows[0]), squares / max(1, len(rows[0]) - 1)


def normed(x: Any, mean: Any, var: Any, w: Any = 1.0, b: Any = 0.0, eps: float = 1e-5) -> Any:
    """The formula of batch norm."""
    scale = np.sqrt(np.asarray(var) + eps)
    return (x - per_channel(mean, x)) / per_channel(scale, x) * per_channel(w, x) + per_channel(
        b, x
    )


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


@pytest.mark.parametrize("each", NORMS, ids=str)
def test_batch_norm_is_pytorchs(each: Case) -> None:
    """09.11 Values that PyTorch gives, while training and not, for two to five axes."""
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
    """09.14 Fresh numbers: the gradients of x, weight and bias while training."""
    x, w, b, c = filled(SHAPES[name], (3,), (3,), SHAPES[name], seed=20)
    got, var = gradients(NORM.format(""), c, x, w, b), batch(x)[1]
    terms = np.abs(c).max() * 10 / np.sqrt(var.min())
    assert_close(got, want=norm_slopes(x, w, c), terms=terms)


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
    "mean-of-another-size": (
        f"tt.Tensor(np.ones((2, 3))), {ONES}, None, training=True",
        ("({n},)", "3"),
    ),
    "variance-of-another-size": (
        f"tt.Tensor(np.ones((2, 3))), None, {ONES}, training=True",
        ("({n},)", "3"),
    ),
    "variance-of-one": (
        "tt.Tensor(np.ones((2, {n}))), None, tt.Tensor(np.ones(1)), training=True",
        ("(1,)", "{n}"),
    ),
    "weight-of-another-size": (
        f"tt.Tensor(np.ones((2, 3))), None, None, {ONES}, training=True",
        ("({n},)", "3"),
    ),
    "weight-of-one": (
        "tt.Tensor(np.ones((2, {n}))), None, None, tt.Tensor(np.ones(1)), None, True",
        ("(1,)", "{n}"),
    ),
    "bias-of-another-size": (
        f"tt.Tensor(np.ones((2, 3))), None, None, None, {ONES}, True",
        ("({n},)", "3"),
    ),
    "bias-of-another-axis": (
        "tt.Tensor(np.ones((2, 3, {n}))), None, None, None, tt.Tensor(np.ones({n})), True",
        ("({n},)", "3"),
    ),
    "not-training-without-both": ("tt.Tensor(np.ones((2, {n}))), None, None", ("running_mean",)),
    "not-training-without-one": (
        "tt.Tensor(np.ones((2, {n}))), tt.Tensor(np.ones({n})), None",
        ("running_mean",),
    ),
}


@pytest.mark.parametrize("name", NORM_REFUSED)
def test_batch_norm_refuses(name: str) -> None:
    """09.15 Arguments that do not fit; the message names them."""
    n, (arguments, says) = str(integer(4, 4, 9)), NORM_REFUSED[name]
    call = f"tt.batch_norm({arguments})".replace("{n}", n)
    assert_raises(evaluate, call, error="ValueError", says=tuple(s.replace("{n}", n) for s in says))


@observe
def after_a_refusal(tt: Any, shape: Any, width: int, mean: Any, var: Any) -> Any:
    error = "none"
    try:
        tt.batch_norm(
            tt.Tensor(np.ones(shape)),
            tt.Tensor(mean),
            tt.Tensor(var),
            tt.Tensor(np.ones(width)),
            training=True,
        )
    except ValueError:
        error = "ValueError"
    return {"error": error, "running_mean": mean, "running_var": var}


@pytest.mark.parametrize(
    ("shape", "width"), [((1, 3, 1, 1), 3), ((2, 3), 2)], ids=["one-number", "weight"]
)
def test_batch_norm_refuses_and_changes_nothing(shape: Shape, width: int) -> None:
    """09.15 The running statistics after a call that was refused."""
    mean, var = normal(3), positive(3)
    got = after_a_refusal(shape, width, mean.copy(), var.copy())
    assert_equal(got.pop("error"), want="ValueError")
    assert_unchanged(got, was={"running_mean": mean, "running_var": var})


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
    """09.16 Operands whose numbers lie in memory in another order."""
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
    """09.16 Gradients for operands and cotangents whose numbers lie in another order."""
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
    """09.16 The arrays of the operands after a call."""
    call, shapes = CALLS[name]
    names = dict(zip("abc", filled(*shapes), strict=False))
    assert_unchanged(operands_after(call, *names.values()), was=names)


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
    shown="{expression}.backward(cotangent), twice; before it the same call with other operands"
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


# ---- layers: 09.18 to 09.20 ----------------------------------------------------------------------


MADE = {  # calls, and the shapes of weight and bias
    "tt.Conv2d(3, 5, 3)": [(5, 3, 3, 3), (5,)],
    "tt.Conv2d(4, 6, (2, 3), bias=False, groups=2)": [(6, 2, 2, 3)],
    "tt.Conv2d(2, 4, [1, 2], 1, 0, 1, 2, True)": [(4, 1, 1, 2), (4,)],
}


@observe
def convolutional(tt: Any, call: str) -> Any:
    layer = eval(call, {"tt": tt, "np": np})
    tensors = [t for t in (layer.weight, layer.bias) if t is not None]
    return {
        "shapes": [t.shape for t in tensors],
        "Parameters of float32": [
            isinstance(t, tt.Parameter) and str(t.dtype) == "float32" for t in tensors
        ],
        "state": list(layer.state_dict()),
        "bias": layer.bias is not None,
        "is a Module": isinstance(layer, tt.Module),
    }


@pytest.mark.parametrize("call", [*MADE, "tt.Conv2d(3, {n}, 1)"])
def test_conv2d_layer_has_its_parameters(call: str) -> None:
    """09.18 Shapes, dtypes, kinds and names of weight and bias."""
    n = integer(4, 1, 30)
    want = MADE.get(call, [(n, 3, 1, 1), (n,)])
    names = ["weight", "bias"][: len(want)]
    said = {"shapes": want, "Parameters of float32": [True] * len(want), "state": names}
    said |= {"bias": len(want) == 2, "is a Module": True}
    assert_equal(convolutional(call.replace("{n}", str(n))), want=said)


@observe
def kept_settings(tt: Any, call: str, names: Any) -> Any:
    layer = eval(call, {"tt": tt, "np": np})
    return {"settings": {name: getattr(layer, name) for name in names}, "printed": repr(layer)}


SETTINGS = {  # a call, its arguments as attributes, and how it is printed
    "Conv2d(3, 6, {n}, 2, (1, 0), groups=3)": (
        {
            "in_channels": 3,
            "out_channels": 6,
            "kernel_size": None,
            "stride": 2,
            "padding": (1, 0),
            "dilation": 1,
            "groups": 3,
        },
        "Conv2d(in_channels=3, out_channels=6, kernel_size={n}",
    ),
    "MaxPool2d({n}, stride=(1, 2))": (
        {"kernel_size": None, "stride": (1, 2), "padding": 0, "dilation": 1},
        "MaxPool2d(kernel_size={n}",
    ),
    "AvgPool2d({n}, padding=1)": (
        {"kernel_size": None, "stride": None, "padding": 1},
        "AvgPool2d(kernel_size={n}",
    ),
}


@pytest.mark.parametrize("call", SETTINGS)
def test_layers_keep_their_arguments(call: str) -> None:
    """09.18 The arguments of Conv2d, MaxPool2d and AvgPool2d as attributes; kernel_size is drawn."""
    n, (settings, printed) = integer(3, 2, 9), SETTINGS[call]
    got = kept_settings(f"tt.{call}".replace("{n}", str(n)), list(settings))
    want = {k: n if k == "kernel_size" else v for k, v in settings.items()}
    assert_equal(got["settings"], want=want)
    start = printed.replace("{n}", str(n))
    assert_equal(got["printed"][: len(start)], want=start)


@observe
def beginnings(tt: Any, n: int) -> Any:
    tt.manual_seed(n)
    first, second = tt.Conv2d(3, n, 3), tt.Conv2d(3, n, 3)
    tt.manual_seed(n)
    again = tt.Conv2d(3, n, 3)
    own = [tt.Conv2d(3, n, 3, generator=np.random.default_rng(100 + n)) for _ in range(2)]
    tt.manual_seed(n)
    tt.Conv2d(3, n, 3, generator=np.random.default_rng(100 + n))
    later = tt.Conv2d(3, n, 3)
    layers = {"first": first, "after the same seed": again, "second": second}
    layers |= {"from a generator": own[0], "from an equal one": own[1], "later": later}
    return {name: np.append(layer.weight.data, layer.bias.data) for name, layer in layers.items()}


def test_conv2d_layer_starts_again() -> None:
    """09.18 Layers made after the same seed and from equal generators; every number is another one."""
    n = integer(4, 2, 9)
    got = beginnings(n)
    assert_alike(got, "first", "after the same seed")
    assert_alike(got, "first", "later")
    assert_alike(got, "from a generator", "from an equal one")
    numbers = {float(x) for name in ("first", "second", "from a generator") for x in got[name]}
    assert_equal(len(numbers), want=3 * 28 * n)


@observe
def start(tt: Any, name: str, ins: int, kernel: Any, groups: int) -> Any:
    tt.manual_seed(5)
    return getattr(tt.Conv2d(ins, 20_000 * groups, kernel, groups=groups), name)


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize(("kernel", "groups"), [((1, 2), 1), (2, 2)], ids=["pair", "groups"])
def test_conv2d_layer_starts_uniform(name: str, kernel: Any, groups: int) -> None:
    """09.18 The largest number, mean and variance of a start, within 5 sigma."""
    ins, places = integer(2, 1, 3), 4 if kernel == 2 else 2
    x = start(name, ins * groups, kernel, groups).astype(np.float64)
    bound, sigma = (ins * places) ** -0.5, (3 * ins * places * x.size) ** -0.5
    assert_below(float(np.abs(x).max()), limit=bound * (1 + 1e-6), what=f"largest |{name}|")
    assert_above(float(np.abs(x).max()), limit=bound * 0.99, what=f"largest |{name}|")
    assert_below(abs(float(x.mean())), limit=5 * sigma, what=f"|mean| of {name}")
    ratio = float(x.var() / (bound**2 / 3))
    assert_below(abs(ratio - 1), limit=5 * math.sqrt(0.8 / x.size), what="variance, relative error")


@observe
def layer_called(tt: Any, call: str, x: Any, weight: Any, bias: Any) -> Any:
    layer, x = eval(call, {"tt": tt, "np": np}), tt.Tensor(x)
    before = sorted(vars(layer))
    layer(x)
    layer.weight, layer.bias = tt.Parameter(weight * 2), tt.Parameter(bias * 3)
    replaced = layer(x)
    layer.weight.data[...], layer.bias.data[...] = weight, bias
    evaluated = layer.eval()(x)
    return {
        "replaced": replaced,
        "written to": evaluated,
        "left on it": sorted(set(vars(layer)) - {*before, "training"}),
    }


WHERE = {  # options of a layer, by name
    "plain": {},
    "stride": {"stride": (1, 2)},
    "padding": {"padding": (2, 1)},
    "same": {"padding": "same", "dilation": (1, 2)},
    "dilation": {"dilation": 2},
    "groups": {"groups": 2},
}


@pytest.mark.parametrize("name", WHERE)
def test_conv2d_layer_computes_conv2d(name: str) -> None:
    """09.18 Values with a weight and a bias that were replaced, then written to in place."""
    where: dict[str, Any] = WHERE[name]
    x, w, b = filled((2, 4, 5, 6), (6, 4 // where.get("groups", 1), 2, 3), (6,), seed=40)
    options = ", ".join(f"{k}={v!r}" for k, v in where.items())
    got = layer_called(f"tt.Conv2d(4, 6, (2, 3), {options})", x, w, b)
    assert_equal(got.pop("left on it"), want=[])
    assert_close(got["replaced"], want=convolved(x, 2 * w, 3 * b, **where))
    assert_close(got["written to"], want=convolved(x, w, b, **where))


@observe
def layer_gradients(tt: Any, x: Any) -> Any:
    layer, x = tt.Conv2d(2, 3, 2), tt.Tensor(x, requires_grad=True)
    layer(x).sum().backward()
    return {
        "weight": layer.weight.grad,
        "bias": layer.bias.grad,
        "x": x.grad,
        "kernels": layer.weight.data,
    }


def test_conv2d_layer_learns() -> None:
    """09.18 Gradients of weight and bias, float32, and of the images."""
    x = normal(2, 2, 3, 4).astype(np.float32)
    got = layer_gradients(x)
    c = np.ones((2, 3, 2, 3), np.float32)
    slopes = convolved(x, got.pop("kernels"), c[:, 0, 0, 0], c=c)
    want = {"weight": slopes[1], "bias": slopes[2], "x": slopes[0]}
    assert_close(got, want=want, depth=5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("0, {n}, 3", ("0",)),
        ("{n}, 0, 3", ("0",)),
        ("-{n}, 2, 3", ("-{n}",)),
        ("2, -{n}, 3", ("-{n}",)),
        ("2, {n}, 0", ("0",)),
        ("2, {n}, (3, -1)", ("(3, -1)",)),
        ("2, 4, {n}.5", ("{n}.5",)),
        ("2, 4, 3, 0", ("0",)),
        ("2, 4, 3, 1, -{n}", ("-{n}",)),
        ("2, 4, 3, padding='half{n}'", ("half{n}",)),
        ("2, 4, 3, {n}, 'same'", ("{n}",)),
        ("2, 4, 3, dilation=(0, {n})", ("(0, {n})",)),
        ("2, {n}, 3, groups=0", ("0",)),
        ("{n}, 60, 3, groups=10", ("{n}", "10")),
        ("60, {n}, 3, groups=10", ("{n}", "10")),
    ],
)  # fmt: skip
def test_conv2d_layer_refuses(arguments: str, says: tuple[str, ...]) -> None:
    """09.19 Settings that make no sense, before any image comes."""
    n = str(integer(4, 4, 9))
    call = f"[tt.Conv2d({arguments.replace('{n}', n)}), a][1]"
    assert_raises(
        evaluate,
        call,
        np.ones(1),
        error="ValueError",
        says=tuple(s.replace("{n}", n) for s in says),
    )


MODULES = {
    "MaxPool2d(2)": "max_pool2d(a, 2)",
    "MaxPool2d(3, 2, 1)": "max_pool2d(a, 3, 2, 1)",
    "MaxPool2d((1, 2), stride=1)": "max_pool2d(a, (1, 2), 1)",
    "MaxPool2d(2, 1, 0, 2)": "max_pool2d(a, 2, 1, 0, 2)",
    "MaxPool2d(kernel_size=2, stride=None, padding=1, dilation=1, ceil_mode=False)": "max_pool2d(a, 2, 2, 1)",
    "AvgPool2d(2)": "avg_pool2d(a, 2)",
    "AvgPool2d((2, 3), 1, (1, 0))": "avg_pool2d(a, (2, 3), 1, (1, 0))",
    "AvgPool2d(kernel_size=2, stride=(1, 2), padding=1, ceil_mode=False)": "avg_pool2d(a, 2, (1, 2), 1)",
}


@pytest.mark.parametrize("module", MODULES)
def test_pool_modules_compute_their_functions(module: str) -> None:
    """09.20 Values and gradients of a module, beside those of its function."""
    x = normal(2, 3, 5, 6)
    want = evaluate(f"tt.{MODULES[module]}", x)
    assert_close(evaluate(f"tt.{module}(a)", x), want=want)
    assert_close(evaluate(f"tt.{module}.eval()(a)", x), want=want)
    c = fill(want.shape, 3, "normal")
    assert_close(gradients(f"tt.{module}(a)", c, x), want=gradients(f"tt.{MODULES[module]}", c, x))


@pytest.mark.parametrize("name", POOL_REFUSED)
@pytest.mark.parametrize("pool", ["MaxPool2d", "AvgPool2d"])
def test_pool_modules_refuse(pool: str, name: str) -> None:
    """09.20 What the functions refuse, when the module is made or used."""
    n, (options, shape, says) = str(integer(4, 4, 6)), POOL_REFUSED[name]
    call = f"tt.{pool}({options[2:]})({IN.format(shape)})".replace("{n}", n)
    assert_raises(evaluate, call, error="ValueError", says=tuple(s.replace("{n}", n) for s in says))


@pytest.mark.parametrize("size", ["1", "(1, 1)", "output_size=1"])
def test_adaptive_avg_pool_is_a_mean(size: str) -> None:
    """09.20 Values, gradients and dtype; the number of columns is drawn."""
    x, call = normal(2, 3, 4, integer(5, 5, 9)), f"tt.AdaptiveAvgPool2d({size})(a)"
    want, c = x.mean((2, 3), keepdims=True), normal(2, 3, 1, 1, seed=2)
    assert_close(evaluate(call, x), want=want)
    assert_close(evaluate(call, x.astype(np.float32)), want=want.astype(np.float32))
    assert_close(gradients(call, c, x), want=[np.broadcast_to(c, x.shape) / x[0, 0].size])


@pytest.mark.parametrize("size", ["{n}", "(1, {n})", "({n}, 1)", "0", "None", "-1"])
def test_adaptive_avg_pool_refuses(size: str) -> None:
    """09.20 Sizes other than 1, and then an image without a batch axis."""
    n = str(integer(2, 2, 9))
    size = size.replace("{n}", n)
    call = f"[tt.AdaptiveAvgPool2d({size}), a][1]"
    assert_raises(evaluate, call, np.ones(1), error="ValueError", says=(size,))
    call = f"tt.AdaptiveAvgPool2d(1)({IN.format(f'(3, {n}, 4)')})"
    assert_raises(evaluate, call, error="ValueError", says=(f"(3, {n}, 4)",))


# ---- norms: 09.21, 09.22 -------------------------------------------------------------------------


BUFFERS = ["num_batches_tracked", "running_mean", "running_var"]
TWO = pytest.mark.parametrize("layer", ["BatchNorm1d", "BatchNorm2d"])


@observe
def norm_layer(tt: Any, layer: str, n: int) -> Any:
    made, bare = getattr(tt, layer)(n), getattr(tt, layer)(n, affine=False)
    other = getattr(tt, layer)(n, 0.5, 0.25, True)
    names = ("weight", "bias", "running_mean", "running_var")
    return {
        "parameters": [name for name, _ in made.named_parameters()],
        "state": list(made.state_dict()),
        "state without affine": sorted(bare.state_dict()),
        "weight, bias": [bare.weight, bare.bias],
        "dtypes": [str(getattr(made, name).dtype) for name in (*names, "num_batches_tracked")],
        "start": [getattr(made, name).tolist() for name in names],
        "tracked": [made.num_batches_tracked.shape, made.num_batches_tracked.item()],
        "buffers": [
            isinstance(t, tt.Tensor) and not t.requires_grad
            for t in (made.running_mean, made.running_var)
        ],
        "settings": [
            made.num_features,
            made.eps,
            made.momentum,
            other.eps,
            other.momentum,
            bare.affine,
        ],
    }


@TWO
def test_batch_norm_layer_has_its_state(layer: str) -> None:
    """09.21 Names, shapes, dtypes and first values; the number of features is drawn."""
    n = integer(3, 1, 9)
    got = norm_layer(layer, n)
    assert_equal(sorted(got.pop("state")), want=["bias", *BUFFERS, "weight"])
    ones, zeros = [1.0] * n, [0.0] * n
    want = {"parameters": ["weight", "bias"], "state without affine": BUFFERS}
    want |= {"weight, bias": [None, None], "dtypes": [*["float32"] * 4, "int64"]}
    want |= {"start": [ones, zeros, zeros, ones], "tracked": [(), 0], "buffers": [True, True]}
    assert_equal(got, want=want | {"settings": [n, 1e-5, 0.1, 0.5, 0.25, False]})


@observe
def norm_run(tt: Any, call: str, batches: Any, weight: Any, bias: Any) -> Any:
    layer, twin, found = eval(call, {"tt": tt}), eval(call, {"tt": tt}), []
    if weight is not None:
        layer.weight, layer.bias = tt.Parameter(weight), tt.Parameter(bias)
    buffers = [layer.running_mean, layer.running_var]
    for x in batches:
        found.append(layer(tt.Tensor(x)).data)
    trained = {k: v.astype(np.float64) for k, v in layer.state_dict().items() if "running" in k}
    tracked = layer.num_batches_tracked.item()
    evaluated = layer.eval()(tt.Tensor(batches[0])).data
    after = {k: v.astype(np.float64) for k, v in layer.state_dict().items() if "running" in k}
    return {
        "outs": found,
        "trained": trained,
        "evaluated": evaluated,
        "after": after,
        "tracked": [tracked, layer.num_batches_tracked.item(), twin.num_batches_tracked.item()],
        "twin": float(abs(twin.running_mean.data).sum()),
        "the same tensors": [layer.running_mean is buffers[0], layer.running_var is buffers[1]],
    }


@pytest.mark.parametrize("momentum", [0.1, 0.5, 0.0, 1.0, None], ids=str)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [("BatchNorm1d", (4, 3)), ("BatchNorm1d", (2, 3, 5)), ("BatchNorm2d", (2, 3, 2, 3))],
    ids=["1d", "1d-3-axes", "2d"],
)
def test_batch_norm_layer_trains_and_evaluates(
    layer: str, shape: Shape, momentum: float | None
) -> None:
    """09.21 Three batches, then eval mode: values, running statistics, count; a second layer is untouched."""
    batches, (w, b) = [normal(*shape, seed=i) + i for i in range(3)], filled((3,), (3,), seed=9)
    got = norm_run(f"tt.{layer}(3, momentum={momentum})", batches, w, b)
    mean, var = np.zeros(3), np.ones(3)
    for i, x in enumerate(batches):
        part = 1 / (i + 1) if momentum is None else momentum
        mean, var = (1 - part) * mean + part * batch(x)[0], (1 - part) * var + part * batch(x)[2]
    assert_close(got["outs"], want=[normed(x, *batch(x)[:2], w, b) for x in batches], depth=10)
    assert_norm_state(got, batches[0], mean, var, w, b)


def assert_norm_state(got: Any, x: Any, mean: Any, var: Any, w: Any, b: Any) -> None:
    """Running statistics, kept in float32, and what is made of them in eval mode, which changes nothing."""
    assert_equal(got["tracked"], want=[3, 3, 0])
    assert_equal([got["twin"], got["the same tensors"]], want=[0.0, [True, True]])
    if mean.any():
        assert_close(got["trained"]["running_mean"], want=mean, depth=1e5)
    assert_close(got["trained"]["running_var"], want=var, depth=1e5)
    assert_unchanged(got["after"], was=got["trained"])
    assert_close(got["evaluated"], want=normed(x, mean, var, w, b), depth=1e6)


@observe
def norm_layer_loaded(tt: Any, x: Any, mean: Any, var: Any, count: int) -> Any:
    layer = tt.BatchNorm1d(3, momentum=None)
    layer(tt.Tensor(x))
    state = layer.state_dict() | {"running_mean": mean, "running_var": var}
    layer.load_state_dict(state | {"num_batches_tracked": np.array(count)})
    evaluated = layer.eval()(tt.Tensor(x)).data
    layer.train()(tt.Tensor(x))
    after = [layer.running_mean.data, layer.running_var.data]
    return {"evaluated": evaluated, "after": [a.astype(np.float64) for a in after]}


def test_batch_norm_layer_goes_on_from_a_state() -> None:
    """09.21 Statistics and the count come from the state that was loaded; momentum is None."""
    x, mean, var, count = normal(4, 3), normal(3, seed=1), positive(3), integer(4, 2, 9)
    got = norm_layer_loaded(x, mean, var, count)
    assert_close(got["evaluated"], want=normed(x, mean, var), depth=1e6)
    part, (m, _, v) = 1 / (count + 1), batch(x)
    want = [(1 - part) * mean + part * m, (1 - part) * var + part * v]
    assert_close(got["after"], want=want, depth=1e6)


def test_batch_norm_layer_without_affine() -> None:
    """09.21 eps is used, and there is neither weight nor bias."""
    x, eps = normal(4, 3), real(0.5, 0.2, 0.9)
    got = norm_run(f"tt.BatchNorm1d(3, eps={eps}, affine=False)", [x], None, None)
    assert_close(got["outs"], want=[normed(x, *batch(x)[:2], eps=eps)], depth=10)


@observe(parts=("weight.grad", "bias.grad"))
def norm_layer_gradients(tt: Any, x: Any, c: Any, training: bool) -> Any:
    layer = tt.BatchNorm2d(3).train(training)
    layer(tt.Tensor(x)).backward(c)
    return [layer.weight.grad.astype(np.float64), layer.bias.grad.astype(np.float64)]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_batch_norm_layer_learns(training: bool) -> None:
    """09.21 The gradients of weight and bias, while training and while evaluating."""
    x, c = filled((2, 3, 2, 3), (2, 3, 2, 3), seed=60)
    mean, var = batch(x)[:2] if training else (np.zeros(3), np.ones(3))
    want = [(c * normed(x, mean, var)).sum((0, 2, 3)), c.sum((0, 2, 3))]
    assert_close(norm_layer_gradients(x, c, training), want=want, depth=1e6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("tt.BatchNorm1d(0)", ("0",)),
        ("tt.BatchNorm2d(-{n})", ("-{n}",)),
        ("tt.BatchNorm1d(3)(tt.Tensor(np.ones((2, {n}))))", ("3", "(2, {n})")),
        ("tt.BatchNorm1d(3)(tt.Tensor(np.ones({n})))", ("({n},)",)),
        ("tt.BatchNorm1d(3)(tt.Tensor(np.ones((2, 3, 2, {n}))))", ("(2, 3, 2, {n})",)),
        ("tt.BatchNorm2d(3)(tt.Tensor(np.ones((2, {n}, 2, 2))))", ("3", "(2, {n}, 2, 2)")),
        ("tt.BatchNorm2d(3)(tt.Tensor(np.ones(({n}, 3))))", ("({n}, 3)",)),
        ("tt.BatchNorm2d(3)(tt.Tensor(np.ones((3, 3, {n}))))", ("(3, 3, {n})",)),
        ("tt.BatchNorm2d(3).eval()(tt.Tensor(np.ones((2, {n}, 2, 2))))", ("3", "(2, {n}, 2, 2)")),
        ("tt.BatchNorm2d(3, affine=False)(tt.Tensor(np.ones((2, {n}, 2, 2))))", ("3", "(2, {n}, 2, 2)")),
        ("tt.BatchNorm2d({n})(tt.Tensor(np.ones((1, {n}, 1, 1))))", ("(1, {n}, 1, 1)",)),
    ],
)  # fmt: skip
def test_batch_norm_layer_refuses(call: str, says: tuple[str, ...]) -> None:
    """09.22 Features, channels and axes that do not fit."""
    n = str(integer(4, 4, 9))
    call = f"[{call.replace('{n}', n)}, a][1]"
    assert_raises(
        evaluate,
        call,
        np.ones(1),
        error="ValueError",
        says=tuple(s.replace("{n}", n) for s in says),
    )


@observe
def norm_layer_after_a_refusal(tt: Any, n: int) -> Any:
    layer, errors = tt.BatchNorm2d(n), []
    for shape in [(1, n, 1, 1), (2, n + 1, 2, 2), (2, n)]:
        try:
            layer(tt.Tensor(np.ones(shape)))
        except ValueError:
            errors.append(len(shape))
    return [errors, {k: v.tolist() for k, v in layer.state_dict().items() if k != "weight"}]


def test_batch_norm_layer_refuses_and_changes_nothing() -> None:
    """09.22 The state after calls that were refused, the count included."""
    n = integer(3, 2, 9)
    state = {"bias": [0.0] * n, "running_mean": [0.0] * n, "running_var": [1.0] * n}
    assert_equal(
        norm_layer_after_a_refusal(n), want=[[4, 4, 2], state | {"num_batches_tracked": 0}]
    )


# ---- systems: 09.23, 09.24 -----------------------------------------------------------------------


@observe(shown="{expression}, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, expression: str, shapes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    code, counts = compile(expression, "call", "eval"), []
    for each in shapes:
        leaves = [tt.Tensor(np.ones(shape), requires_grad=True) for shape in each]
        names = {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))}
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = eval(code, names)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "size": out.size}


GROWN = {  # small and large operands
    "conv2d": (
        "tt.conv2d(a, b, c, padding=1)",
        ((2, 2, 5, 4), (3, 2, 3, 3), (3,)),
        ((2, 20, 12, 11), (30, 20, 3, 3), (30,)),
    ),
    "max_pool2d": ("tt.max_pool2d(a, 2)", ((2, 2, 4, 4),), ((2, 20, 12, 10),)),
    "avg_pool2d": ("tt.avg_pool2d(a, 3, 2, 1)", ((2, 2, 5, 4),), ((2, 20, 12, 11),)),
    "batch_norm": (
        NORM.format(""),
        ((2, 2, 5, 4), (2,), (2,)),
        ((2, 20, 12, 11), (20,), (20,)),
    ),
}


@pytest.mark.parametrize("name", GROWN)
def test_steps_do_not_grow_with_the_image(name: str) -> None:
    """09.23 Steps for small images of few channels, and for larger ones of more."""
    call, small, large = GROWN[name]
    wide = integer(large[0][3], 10, 14)
    large = ((*large[0][:3], wide), *large[1:])
    got = counted_steps(call, [small, small, large])
    assert_equal(got["size"], want=evaluate(call, *map(np.ones, large)).size)
    assert_below(
        got["large"] / got["small"],
        limit=1.3,
        what="steps for large images, per step for small ones",
    )


@observe(
    shown="{expression}: bytes that are kept beside operands and result, and the result's size"
)
def kept_memory(tt: Any, expression: str, learns: bool, arrays: Any) -> Any:
    import tracemalloc

    leaves = [tt.Tensor(array, requires_grad=learns) for array in arrays]
    names = {"tt": tt, "np": np, **dict(zip("abc", leaves, strict=False))}
    code = compile(expression, "call", "eval")
    eval(code, names)
    tracemalloc.start()
    try:
        out = eval(code, names)
        return {"kept": tracemalloc.get_traced_memory()[0] - out.data.nbytes, "size": out.size}
    finally:
        tracemalloc.stop()


KEPT = {  # a call, its shapes, and how many numbers may be kept
    "conv2d": (
        "tt.conv2d(a, b, c, padding=1)",
        ((4, 6, 18, 20), (3, 6, 3, 3), (3,)),
        4 * 6 * 9 * 18 * 20,
    ),
    "conv2d-stride": (
        "tt.conv2d(a, b, c, stride=3)",
        ((4, 6, 18, 21), (3, 6, 3, 3), (3,)),
        4 * 6 * 9 * 6 * 7,
    ),
    "conv2d-groups": (
        "tt.conv2d(a, b, c, groups=3)",
        ((4, 6, 18, 20), (6, 2, 3, 3), (6,)),
        4 * 6 * 9 * 16 * 18,
    ),
    "max_pool2d": ("tt.max_pool2d(a, 2)", ((4, 6, 18, 20),), 4 * 6 * 18 * 20),
    "max_pool2d-overlapping": ("tt.max_pool2d(a, 3, 1, 1)", ((4, 6, 18, 20),), 4 * 6 * 18 * 20),
    "avg_pool2d": ("tt.avg_pool2d(a, 3, 1, 1)", ((4, 6, 18, 20),), 4 * 6 * 18 * 20),
    "batch_norm": (NORM.format(""), ((4, 6, 18, 20), (6,), (6,)), 2 * 4 * 6 * 18 * 20),
}


@pytest.mark.parametrize("learns", [True, False], ids=["with-history", "without"])
@pytest.mark.parametrize("name", KEPT)
def test_what_a_graph_keeps(name: str, learns: bool) -> None:
    """09.24 Bytes that are there after a call; the number of images is drawn."""
    (call, shapes, numbers), many = KEPT[name], integer(4, 3, 6)
    arrays = filled((many, *shapes[0][1:]), *shapes[1:])
    got, size = kept_memory(call, learns, arrays), evaluate(call, *arrays).size
    assert_equal(got["size"], want=size)
    limit = (8 * numbers * many / 4 if learns else 0) * 1.02 + 10_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")


@observe(shown="conv2d(x, weight).backward(c), where c * x is about 1 and c * weight overflows")
def slopes_of_frozen_images(tt: Any, x: Any, weight: Any, c: Any, learns: bool) -> Any:
    image, kernels = tt.Tensor(x, requires_grad=learns), tt.Tensor(weight, requires_grad=True)
    out, overflows = tt.conv2d(image, kernels), []
    with np.errstate(over="call", call=lambda kind, flag: overflows.append(kind)):
        out.backward(c)
    return {"overflows": bool(overflows), "gradient": kernels.grad}


def test_no_gradient_of_images_that_need_none() -> None:
    """09.24 A gradient of the images would overflow: it does where they require one, else nothing does."""
    x, w, c = filled((3, 2, 4, 5), (3, 2, 2, 2), (3, 3, 3, 4))
    for learns in (True, False):
        got = slopes_of_frozen_images(x / 1e200, w * 1e200, c * 1e200, learns)
        assert_close(got["gradient"], want=convolved(x, w, c=c)[1], depth=10)
    assert_equal(got["overflows"], want=False)


# ---- end to end: 09.25 ---------------------------------------------------------------------------


NET = "tt.Sequential(tt.Conv2d(1, 4, 3, padding=1, bias=False), tt.BatchNorm2d(4), tt.ReLU(), tt.MaxPool2d(2), tt.Conv2d(4, 6, 3, stride=2, groups=2), tt.AvgPool2d((1, 2)), tt.Flatten(), tt.BatchNorm1d(6), tt.Linear(6, 3))"
PICTURES = (4, 1, 8, 10)


def record(torch: Any) -> dict[str, Any]:
    """A network of torch.nn in float64: its state, what it gives while training and after, its state then."""
    torch.manual_seed(0)
    net = eval(NET, {"tt": torch.nn}).double()
    state = {
        k: fill(tuple(v.shape), i, base=0) / 4 for i, (k, v) in enumerate(net.state_dict().items())
    }
    state |= {k: abs(v) for k, v in state.items() if "var" in k or "tracked" in k}
    net.load_state_dict(
        {k: torch.tensor(np.floor(v) if "tracked" in k else v) for k, v in state.items()}
    )
    found = {f"before/{k}": v.numpy().copy() for k, v in net.state_dict().items()}
    x = fill(PICTURES, 99, "normal", base=0)
    found |= {"x": x, "trained": net(torch.tensor(x)).detach().numpy()}
    found |= {"evaluated": net.eval()(torch.tensor(x)).detach().numpy()}
    return found | {f"after/{k}": v.numpy().copy() for k, v in net.state_dict().items()}


@observe
def state_names(tt: Any, call: str) -> Any:
    return {k: v.shape for k, v in eval(call, {"tt": tt}).state_dict().items()}


@observe
def with_a_state(tt: Any, call: str, state: Any, x: Any) -> Any:
    net, x = eval(call, {"tt": tt}), tt.Tensor(x)
    for name, array in state.items():
        *path, last = name.split(".")
        part = net[int(path[0])]
        kind = tt.Parameter if last in ("weight", "bias") else tt.Tensor
        setattr(part, last, kind(array.astype(np.int64) if "tracked" in last else array))
    trained = net(x)
    return {"trained": trained, "evaluated": net.eval()(x), "state": net.state_dict()}


def test_a_network_is_pytorchs() -> None:
    """09.25 A network with PyTorch's state: values in both modes, and the state afterwards."""
    names = list(state_names(NET))
    state, after = ({k: oracle.own("09", f"{w}/{k}") for k in names} for w in ("before", "after"))
    got = with_a_state(NET, state, oracle.own("09", "x"))
    for mode in ("trained", "evaluated"):
        assert_close(got[mode], want=oracle.own("09", mode), depth=100)
    moved = {k: after[k] for k in names if not (after[k] == state[k]).all()}
    found = {k: got["state"][k].astype(np.float64) for k in moved}
    assert_close(found, want=moved, depth=10)


@observe
def trained(tt: Any, x: Any, y: Any, seed: int) -> Any:
    import os
    import tempfile

    trainers = []
    for _ in range(2):
        tt.manual_seed(seed)
        parts = [tt.Conv2d(1, 4, 3), tt.BatchNorm2d(4), tt.ReLU(), tt.AdaptiveAvgPool2d(1)]
        net = tt.Sequential(*parts, tt.Flatten(), tt.Linear(4, 2))
        trainers.append(tt.Trainer(net, tt.Adam(net.parameters(), lr=0.05)))
    first, second = trainers
    first.fit(x, y, epochs=6, batch_size=8)
    before = first.model.state_dict()
    first.evaluate(x, y, batch_size=5)
    after = first.model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        tt.save_checkpoint(os.path.join(folder, "checkpoint"), first)
        tt.load_checkpoint(os.path.join(folder, "checkpoint"), second)
    for trainer in trainers:
        trainer.fit(x, y, epochs=7, batch_size=8)
    return {
        "losses": [line["loss"] for line in first.history],
        "before": before,
        "after": after,
        "went on": first.model.state_dict(),
        "went on from a checkpoint": second.model.state_dict(),
    }


def striped(seed: int) -> Any:
    """Images with stripes that lie (class 0) or stand (class 1), among noise."""
    y = np.arange(32) % 2
    x = fill((32, 1, 6, 6), seed, "normal") / 4
    lying = np.resize([1.0, -1.0], 6)[:, None] * np.ones(6)
    x += np.where(y[:, None, None, None] == 0, lying, lying.T)
    return x.astype(np.float32), y


def test_a_network_learns() -> None:
    """09.25 Stripes that lie or stand: the loss, the state around evaluate, and a checkpoint of it."""
    x, y = striped(3)
    got = trained(x, y, integer(1, 1, 99))
    assert_below(got["losses"][-1] / got["losses"][0], limit=0.5, what="last loss, per first loss")
    assert_unchanged(got["after"], was=got["before"])
    assert_alike(got, "went on", "went on from a checkpoint", exactly=True)
