"""Kata 09, Spatial: layers (katas/09_spatial/README.md)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
)
from support.expressions import evaluate, gradients, type_of
from support.observe import observe
from support.strategies import fill, integer, normal
from test_09_spatial.images import IN, POOL_REFUSED, convolved, filled

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
    "MaxPool2d({n}, None, 1, 2)": (
        {"kernel_size": None, "stride": None, "padding": 1, "dilation": 2, "ceil_mode": False},
        "MaxPool2d(kernel_size={n}",
    ),
    "AvgPool2d({n}, padding=1)": (
        {"kernel_size": None, "stride": None, "padding": 1},
        "AvgPool2d(kernel_size={n}",
    ),
}


def check_settings(call: str) -> None:
    """The arguments of a layer as attributes, and in what it prints; kernel_size is drawn."""
    n, (settings, printed) = integer(3, 2, 9), SETTINGS[call]
    got = kept_settings(f"tt.{call}".replace("{n}", str(n)), list(settings))
    want = {k: n if k == "kernel_size" else v for k, v in settings.items()}
    assert_equal(got["settings"], want=want)
    start = printed.replace("{n}", str(n))
    assert_equal(got["printed"][: len(start)], want=start)


def test_conv2d_layer_keeps_its_arguments() -> None:
    """09.18 The arguments of Conv2d as attributes."""
    check_settings(next(iter(SETTINGS)))


@pytest.mark.parametrize("call", list(SETTINGS)[1:])
def test_pool_modules_keep_their_arguments(call: str) -> None:
    """09.20 Both pools, also where no stride was given."""
    check_settings(call)


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
    layers["in groups"] = tt.Conv2d(6, 2 * n, 3, groups=2)
    return {name: np.append(layer.weight.data, layer.bias.data) for name, layer in layers.items()}


def test_conv2d_layer_starts_again() -> None:
    """09.18 Layers made after the same seed and from equal generators; every number is another one."""
    n = integer(4, 2, 9)
    got = beginnings(n)
    assert_alike(got, "first", "after the same seed")
    assert_alike(got, "first", "later")
    assert_alike(got, "from a generator", "from an equal one")
    numbers = {float(x) for name in ("first", "second", "from a generator") for x in got[name]}
    different = {"of three layers": len(numbers), "of one in groups": len({*got["in groups"]})}
    assert_equal(different, want={"of three layers": 3 * 28 * n, "of one in groups": 56 * n})


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
    call = f"tt.Conv2d({arguments.replace('{n}', n)})"
    assert_raises(
        type_of,
        call,
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


@pytest.mark.parametrize("size", ["1", "(1, 1)", "[1, 1]", "output_size=1"])
def test_adaptive_avg_pool_is_a_mean(size: str) -> None:
    """09.20 Values, gradients and dtype; the number of columns is drawn."""
    x, call = normal(2, 3, 4, integer(5, 5, 9)), f"tt.AdaptiveAvgPool2d({size})(a)"
    want, c = x.mean((2, 3), keepdims=True), normal(2, 3, 1, 1, seed=2)
    assert_close(evaluate(call, x), want=want)
    assert_close(evaluate(call, x.astype(np.float32)), want=want.astype(np.float32))
    assert_close(gradients(call, c, x), want=[np.broadcast_to(c, x.shape) / x[0, 0].size])


@pytest.mark.parametrize(
    "size", ["{n}", "(1, {n})", "({n}, 1)", "0", "None", "-1", "(-1, -1)", "(1, 1, 1)", "(1,)"]
)
def test_adaptive_avg_pool_refuses(size: str) -> None:
    """09.20 Sizes other than 1, and then an image without a batch axis."""
    n = str(integer(2, 2, 9))
    size = size.replace("{n}", n)
    call = f"tt.AdaptiveAvgPool2d({size})"
    assert_raises(type_of, call, error="ValueError", says=(size,))
    call = f"tt.AdaptiveAvgPool2d(1)({IN.format(f'(3, {n}, 4)')})"
    assert_raises(evaluate, call, error="ValueError", says=(f"(3, {n}, 4)",))
