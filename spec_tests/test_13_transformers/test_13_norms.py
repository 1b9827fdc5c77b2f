"""Kata 13, Transformers: the layer of layer norm (katas/13_transformers/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import assert_close, assert_equal, assert_raises
from support.expressions import evaluate, type_of
from support.observe import observe
from support.strategies import integer, normal, real
from test_13_transformers.by_hand import normed, slopes

LAYERS = {  # a call, and its normalized_shape, whether weight and bias are there
    "LayerNorm({n})": ("{n}", True, True),
    "LayerNorm(({n},))": ("{n}", True, True),
    "LayerNorm([3, {n}])": ("3 {n}", True, True),
    "LayerNorm((2, 3, {n}), 1e-3)": ("2 3 {n}", True, True),
    "LayerNorm(np.int64({n}))": ("{n}", True, True),
    "LayerNorm((np.int32(3), {n}))": ("3 {n}", True, True),
    "LayerNorm(normalized_shape={n}, eps=0.5)": ("{n}", True, True),
    "LayerNorm({n}, bias=False)": ("{n}", True, False),
    "LayerNorm({n}, 1e-5, True, False)": ("{n}", True, False),
    "LayerNorm({n}, elementwise_affine=False)": ("{n}", False, False),
    "LayerNorm({n}, 1e-5, False)": ("{n}", False, False),
    "LayerNorm({n}, elementwise_affine=False, bias=True)": ("{n}", False, False),
}
every_layer = pytest.mark.parametrize("call", LAYERS)


@observe
def made(tt: Any, call: str) -> Any:
    layer = eval(f"tt.{call}", {"tt": tt, "np": np})
    found = {"weight": layer.weight, "bias": layer.bias}
    arrays = {
        k: [p.shape, str(p.dtype), p.data.tolist()] for k, p in found.items() if p is not None
    }
    return {
        "parameters": [name for name, _ in layer.named_parameters()],
        "state": list(layer.state_dict()),
        "Parameters": [isinstance(p, tt.Parameter) for p in found.values() if p is not None],
        "arrays": arrays,
        "None": [k for k, p in found.items() if p is None],
        "settings": [layer.normalized_shape, [type(n).__name__ for n in layer.normalized_shape]],
        "eps": [layer.eps, layer.elementwise_affine],
    }


def start(call: str, n: int) -> dict[str, Any]:
    """The Parameters of a layer at the start: shape, dtype, values."""
    sizes, *there = LAYERS[call]
    shape = tuple(int(s) for s in sizes.replace("{n}", str(n)).split())
    values = {"weight": np.ones(shape).tolist(), "bias": np.zeros(shape).tolist()}
    pairs = zip(values.items(), there, strict=True)
    return {k: [shape, "float32", v] for (k, v), is_there in pairs if is_there}


@every_layer
def test_layer_norm_layer_has_its_parameters(call: str) -> None:
    """13.5 Names, shapes, dtype and start of the Parameters, and which are None."""
    n = integer(4, 2, 9)
    got, want = made(call.replace("{n}", str(n))), start(call, n)
    assert_equal(got["arrays"], want=want)
    assert_equal([got["parameters"], got["state"]], want=[list(want), list(want)])
    assert_equal(got["Parameters"], want=[True] * len(want))
    assert_equal(got["None"], want=[k for k in ("weight", "bias") if k not in want])


@every_layer
def test_layer_norm_layer_keeps_its_arguments(call: str) -> None:
    """13.5 The attributes, and that sizes are ints of Python."""
    n, (sizes, affine, _) = integer(4, 2, 9), LAYERS[call]
    shape = tuple(int(s) for s in sizes.replace("{n}", str(n)).split())
    eps = 0.5 if "0.5" in call else 1e-3 if "1e-3" in call else 1e-5
    got = made(call.replace("{n}", str(n)))
    assert_equal(got["settings"], want=[shape, ["int"] * len(shape)])
    assert_equal(got["eps"], want=[eps, affine])


@observe(shown="{call}.train(training), with this weight and bias, of x: result and gradients")
def layer_called(tt: Any, call: str, x: Any, w: Any, b: Any, c: Any, training: bool) -> Any:
    layer = eval(call, {"tt": tt})
    for name, array in (("weight", w), ("bias", b)):
        if getattr(layer, name) is not None:
            setattr(layer, name, tt.Parameter(array))
    t = tt.Tensor(x, requires_grad=True)
    out = layer.train(training)(t)
    out.backward(c)
    return [out, t.grad, *(p.grad for p in layer.parameters())]


CALLED = {  # arguments, eps, weight and bias
    "5": (1e-5, 1, 1),
    "(3, 5)": (1e-5, 1, 1),
    "5, 0.5": (0.5, 1, 1),
    "5, eps=0.0": (0.0, 1, 1),
    "5, bias=False": (1e-5, 1, 0),
    "5, elementwise_affine=False": (1e-5, 0, 0),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("arguments", CALLED)
def test_layer_norm_layer_computes_layer_norm(arguments: str, training: bool) -> None:
    """13.5 Values and gradients of layers of several kinds, in both modes."""
    eps, *there = CALLED[arguments]
    last: Any = (3, 5) if "(" in arguments else 5
    x, c = normal(2, 3, 5), normal(2, 3, 5, seed=1)
    w, b = (normal(*np.atleast_1d(last), seed=s) for s in (2, 3))
    v = w if there[0] else np.ones(np.atleast_1d(last))
    want = [normed(x, last, v, b if there[1] else None, eps)]
    want += slopes(x, last, v, c, eps)[: 1 + sum(there)]
    got = layer_called(f"tt.LayerNorm({arguments})", x, w, b, c, training)
    assert_equal([np.shape(a) for a in got], want=[a.shape for a in want])
    assert_close(got, want=want, depth=100)


@observe(shown="a LayerNorm, its weight replaced, written to, loaded, in eval mode; what it gives")
def layer_of_the_moment(tt: Any, x: Any, w: Any, b: Any) -> Any:
    layer, other = tt.LayerNorm(len(w)), tt.LayerNorm(len(w))
    before = {name: repr(value) for name, value in vars(layer).items()}
    found = {"new": layer(tt.Tensor(x)).data.copy()}
    layer.weight, layer.bias = tt.Parameter(w.copy()), tt.Parameter(b.copy())
    found["replaced"] = layer(tt.Tensor(x)).data.copy()
    layer.weight.data[...] = 2 * w
    found["written to"] = layer.eval()(tt.Tensor(x)).data.copy()
    layer.load_state_dict({"weight": 3 * w, "bias": 3 * b})
    layer.train()
    found["loaded"] = layer(x=tt.Tensor(x)).data.copy()
    found["another layer"] = other(tt.Tensor(x)).data.copy()
    after = {name: repr(value) for name, value in vars(layer).items()}
    left = [
        k for k in after if k not in ("weight", "bias", "training") and before.get(k) != after[k]
    ]
    return found | {"left on it": left}


def test_layer_norm_layer_uses_weights_of_the_moment() -> None:
    """13.5 Weights that were replaced, written to and loaded; another layer keeps its own."""
    x, w, b = normal(3, 4), normal(4, seed=1), normal(4, seed=2)
    got, plain = layer_of_the_moment(x, w, b), normed(x, 4)
    assert_equal(got.pop("left on it"), want=[])
    want = {"new": plain, "replaced": plain * w + b, "written to": plain * 2 * w + b}
    want |= {"loaded": plain * 3 * w + 3 * b, "another layer": plain}
    assert_close(got, want=want, depth=100)


@observe(
    shown="first = LayerNorm({n}) is filled with number; second = LayerNorm({n}): its weight, its bias + 1; first.weight"
)
def two_alive(tt: Any, n: int, number: float) -> Any:
    first = tt.LayerNorm(n)
    first.weight.data[...] = number
    first.bias.data[...] = number
    second = tt.LayerNorm(n)
    return [second.weight.data, second.bias.data + 1, first.weight.data]


def test_layer_norm_layers_do_not_share() -> None:
    """13.5 A layer that is made after another one was changed."""
    n, number = integer(3, 2, 9), real(2.5, 2.0, 4.0)
    one = np.ones(n, np.float32)
    want = [one, one, np.full(n, number, np.float32)]
    assert_close(two_alive(n, number), want=want)


SIZES = [
    "0",
    "-{n}",
    "{n}.0",
    "{n}.5",
    "None",
    "'{n}'",
    "()",
    "[]",
    "(3, 0)",
    "(3, {n}.0)",
    "(None,)",
]


@pytest.mark.parametrize("size", SIZES)
def test_layer_norm_layer_refuses_sizes(size: str) -> None:
    """13.5 What is no size, when the layer is made."""
    size = size.replace("{n}", str(integer(4, 2, 9)))
    says = (size.strip("'()[]").split(", ")[-1].strip(","),)
    assert_raises(type_of, f"tt.LayerNorm({size})", error="ValueError", says=says)


@pytest.mark.parametrize("shape", ["({n}, 3)", "(4, {n})", "(4,)", "(3, 4, {n})"])
def test_layer_norm_layer_refuses_inputs(shape: str) -> None:
    """13.5 An x that ends with other sizes than (3, 4)."""
    shape = shape.replace("{n}", str(integer(5, 5, 9)))
    call = f"tt.LayerNorm((3, 4))(tt.Tensor(np.ones({shape})))"
    assert_raises(evaluate, call, error="ValueError", says=(shape, "(3, 4)"))


@pytest.mark.parametrize("shape", ["(2, 5)", "(5, 2)", "(4, 1)", "(4,)", "()"])
@pytest.mark.parametrize("more", ["", ", elementwise_affine=False", ", bias=False"])
def test_layer_norm_layer_refuses_other_sizes(more: str, shape: str) -> None:
    """13.5 Inputs whose last axis has another size, with and without a weight and a bias."""
    call = f"tt.LayerNorm(3{more})(tt.Tensor(np.ones({shape})))"
    assert_raises(evaluate, call, error="ValueError", says=(shape, "3"))


@observe(shown="LayerNorm({n}), walked back in float32: dtypes of result and gradients")
def layer_dtypes(tt: Any, n: int, x: Any) -> Any:
    layer, t = tt.LayerNorm(n), tt.Tensor(x, requires_grad=True)
    out = layer(t)
    out.backward(np.ones(out.shape, x.dtype))
    return [str(a.dtype) for a in (out.data, t.grad, layer.weight.grad, layer.bias.grad)]


def test_layer_norm_layer_keeps_float32() -> None:
    """13.5 Dtypes, there and back, of a layer as it was made."""
    n = integer(4, 2, 9)
    assert_equal(layer_dtypes(n, normal(3, n).astype(np.float32)), want=["float32"] * 4)
