"""Kata 09, Spatial: convolution and its gradients (katas/09_spatial/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.asserts import (
    assert_close,
    assert_close_where_finite,
    assert_exact,
    assert_raises,
)
from support.expressions import evaluate, gradients
from support.oracle import Case, check_gradients, check_values
from support.strategies import fill, integer, normal, positive, real, seeds
from test_09_spatial.images import FEW, IMAGE, IN, case, convolved, filled, pairs

KERNEL = np.array([[[[1.0, 2.0], [3.0, -1.0]]]])


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
    "padding-same-with-strides-of-1": (", [1, 1], 'same'", ((2, 1, 4, 5), (2, 1, 3, 3), (2,))),
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


@pytest.mark.parametrize("each", [c for c in CONVOLUTIONS if "groups-" in c.name], ids=str)
def test_conv2d_in_groups_is_pytorchs(each: Case) -> None:
    """09.3 Values that PyTorch gives: two groups, one for each channel, more kernels than channels."""
    check_values("09", each)


@pytest.mark.parametrize("each", [c for c in CONVOLUTIONS if "groups-" not in c.name], ids=str)
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
    edges = zip(kernel, dilation, zip(*pairs(padding, kernel, dilation), strict=True), strict=True)
    least = [max(1, d * (k - 1) + 1 - sum(around)) for k, d, around in edges]
    sizes = [draw(st.integers(n, 7)) for n in least]
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


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(4, 1), (1, 4), (6, 3), (2, 7)], ids=str)
def test_conv2d_same_of_long_kernels(kernel: Any, dilation: int) -> None:
    """09.2 With padding="same", kernels that reach over up to 19 pixels, an odd or an even number of them."""
    arrays, where = filled((1, 2, 20, 21), (2, 2, *kernel), (2,)), {"dilation": dilation}
    got = evaluate(f"tt.conv2d(a, b, c, padding='same', dilation={dilation})", *arrays)
    want = convolved(*arrays, padding="same", **where)
    assert_close(got, want=want, depth=10)


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
@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (1, 1), (1, 4)], ids=str)
@pytest.mark.parametrize(
    "options",
    ["", ", padding=1", ", stride=2", ", dilation=2", ", groups=2"],
    ids=["plain", "padded", "stride", "dilated", "groups"],
)
def test_conv2d_sees_an_odd_pixel_where_it_is(odd: float, kernel: Any, options: str) -> None:
    """09.1 One pixel that is nan or infinite: the other windows and groups know nothing of it."""
    x, w = positive(1, 2, 6, 9), positive(2, 1 if "groups" in options else 2, *kernel)
    x[0, integer(1, 0, 1), integer(1, 1, 4), integer(3, 1, 7)] = odd
    got = evaluate(f"tt.conv2d(a, b{options})", x, w)
    want = convolved(x, w, **given_options(options))
    assert_exact(got, want=want, ulps=1000)


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_conv2d_sees_an_odd_pixel_with_a_weight_of_zero(odd: float) -> None:
    """09.1 One place of the kernel is 0 in every channel, and an odd pixel lies below it."""
    x, w = positive(1, 2, 4, 5), positive(2, 2, 2, 2)
    x[0, 1, integer(1, 1, 2), integer(3, 1, 3)] = odd
    w[:, :, 0, 1] = 0
    with np.errstate(invalid="ignore"):
        want = convolved(x, w)
    assert_exact(evaluate("tt.conv2d(a, b)", x, w), want=want, ulps=1000)


SMALL_TYPES = {  # numbers of types that do not hold what is computed with them
    "groups": ("groups=np.uint8(16)", {"groups": 16}, (1, 256, 1, 1), (16, 16, 1, 1)),
    "stride": ("stride=np.int8(100)", {"stride": 100}, (1, 1, 1, 301), (1, 1, 1, 2)),
    "padding": ("padding=(0, np.uint8(200))", {"padding": (0, 200)}, (1, 1, 1, 3), (1, 1, 1, 90)),
    "dilation": ("dilation=np.int8(50)", {"dilation": 50}, (1, 1, 1, 152), (1, 1, 1, 4)),
}


@pytest.mark.parametrize("name", SMALL_TYPES)
def test_conv2d_options_of_small_types(name: str) -> None:
    """09.2 Integers of NumPy of one byte, where sums and products of them need more."""
    text, where, *shapes = SMALL_TYPES[name]
    x, w = filled(*shapes, seed=7)
    with np.errstate(over="ignore"):
        got = evaluate(f"tt.conv2d(a, b, {text})", x, w)
    assert_close(got, want=convolved(x, w, **where), depth=10)


MISFITS = {  # arguments of conv2d whose shapes do not fit, and what the message names; {n} is drawn
    "no-batch-axis": ("(3, {n}, 5)", "(2, 3, 3, 3)", "", ("(3, {n}, 5)",)),
    "five-axes": ("(1, 3, {n}, 5, 5)", "(2, 3, 3, 3)", "", ("(1, 3, {n}, 5, 5)",)),
    "weight-of-two-axes": ("(1, 3, 5, {n})", "({n}, 3)", "", ("({n}, 3)",)),
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
    "channels-left-over": (
        "(1, {n}1, 5, 5)",
        "(10, {n}, 3, 3)",
        ", groups=10",
        ("{n}1", "(10, {n}, 3, 3)"),
    ),
    "no-rows-in-a-kernel": ("(1, 3, {n}, 5)", "(2, 3, 0, 3)", "", ("(2, 3, 0, 3)",)),
    "no-columns-in-a-kernel": ("(1, 3, {n}, 5)", "(2, 3, 3, 0)", "", ("(2, 3, 3, 0)",)),
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
    "groups-a-fraction": (", groups=1.{n}", ("groups", "1.{n}")),
    "groups-None": (", groups=None", ("groups", "None")),
    "groups-a-text": (", groups='{n}'", ("groups", "{n}")),
    "groups-a-pair": (", groups=(1, {n})", ("groups", "(1, {n})")),
    "stride-0": (", stride=0", ("stride", "0")),
    "stride-0-in-one-axis": (", stride=({n}, 0)", ("stride", "({n}, 0)")),
    "stride-below-0": (", stride=-{n}", ("stride", "-{n}")),
    "stride-a-fraction": (", stride={n}.5", ("stride", "{n}.5")),
    "stride-of-three": (", stride=(1, 1, {n})", ("stride", "(1, 1, {n})")),
    "stride-of-one": (", stride=({n},)", ("stride", "({n},)")),
    "stride-None": (", stride=None", ("stride", "None")),
    "dilation-None": (", dilation=None", ("dilation", "None")),
    "dilation-0": (", dilation=({n}, 0)", ("dilation", "({n}, 0)")),
    "dilation-below-0": (", dilation=-{n}", ("dilation", "-{n}")),
    "padding-None": (", padding=None", ("padding", "None")),
    "padding-False-and-a-text": (", padding=(0, '{n}')", ("padding", "{n}")),
    "padding-below-0": (", padding=(1, -{n})", ("padding", "(1, -{n})")),
    "padding-a-fraction": (", padding={n}.5", ("padding", "{n}.5")),
    "padding-in-capitals": (", dilation={n}, padding='SAME'", ("padding", "SAME")),
    "padding-with-a-blank": (", dilation={n}, padding='valid '", ("padding", "valid ")),
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


@pytest.mark.parametrize("which", [0, 1, 2], ids=["x", "weight", "bias"])
def test_conv2d_gradients_of_zeros(which: int) -> None:
    """09.6 An operand that is nothing but zeros, as a bias may be at the start, learns like any other."""
    arrays, c = filled(*PLAIN, seed=6), normal(2, 3, 3, 3, seed=9)
    arrays[which][...] = 0
    got, want = gradients("tt.conv2d(a, b, c)", c, *arrays), convolved(*arrays, c=c)
    assert_close(got[which], want=want[which], depth=10)


EDGES = {  # images and kernels that see more padding than image
    "kernel-7": ((1, 2, 3, 3), (2, 2, 7, 7), 2),
    "one-pixel": ((2, 1, 1, 1), (3, 1, 5, 5), 3),
    "one-row": ((1, 2, 1, 4), (2, 2, 5, 2), (2, 0)),
    "one-column": ((1, 2, 4, 1), (2, 2, 2, 6), (1, 4)),
    "same": ((1, 2, 2, 3), (2, 2, 7, 8), "same"),
}


@pytest.mark.parametrize("name", EDGES)
def test_conv2d_of_images_smaller_than_the_kernel(name: str) -> None:
    """09.2 Some places of the kernel see nothing but padding."""
    *shapes, padding = EDGES[name]
    x, w = filled(*shapes, seed=5)
    got = evaluate(f"tt.conv2d(a, b, padding={padding!r})", x, w)
    assert_close(got, want=convolved(x, w, padding=padding), depth=10)


@pytest.mark.parametrize("name", EDGES)
def test_conv2d_gradients_of_small_images(name: str) -> None:
    """09.6 Images smaller than the kernel: the gradients of x and weight."""
    *shapes, padding = EDGES[name]
    x, w = filled(*shapes, seed=5)
    c = fill(convolved(x, w, padding=padding).shape, 7, "normal")
    got = gradients(f"tt.conv2d(a, b, padding={padding!r})", c, x, w)
    assert_close(got, want=convolved(x, w, c=c, padding=padding), depth=10)


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_conv2d_gradient_of_an_odd_cotangent(odd: float) -> None:
    """09.6 One number of the cotangent is nan or infinite: pixels of other windows know nothing of it."""
    x, w, c = normal(1, 1, 4, 5), positive(1, 1, 2, 2), normal(1, 1, 3, 4, seed=2)
    c[0, 0, integer(1, 0, 2), integer(2, 0, 3)] = odd
    got, want = gradients("tt.conv2d(a, b)", c, x, w)[0], convolved(x, w, c=c)[0]
    assert_close_where_finite(got, want=want)


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_conv2d_gradient_under_an_odd_weight(odd: float) -> None:
    """09.6 One number of the kernel is nan or infinite, and some pixels are seen by no window, or not by it."""
    x, w, c = normal(1, 1, 6, 8), positive(1, 1, 2, 2), positive(1, 1, 2, 3, seed=2)
    w[0, 0, integer(1, 0, 1), integer(0, 0, 1)] = odd
    got, want = (
        gradients("tt.conv2d(a, b, stride=3)", c, x, w)[0],
        convolved(x, w, c=c, stride=3)[0],
    )
    assert_close_where_finite(got, want=want)
