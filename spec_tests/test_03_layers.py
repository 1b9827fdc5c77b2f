"""Kata 03, Layers: the clauses of katas/03_layers/README.md, in their order.

The sections follow the tasks; no section needs a blank of a later one. Modules that the tests need
are made inside the observations, without a call of super().__init__().
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
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
    assert_zeros,
)
from support.expressions import assert_followed, evaluate, origins
from support.observe import observe
from support.strategies import AWKWARD, dyadic, fill, integer, named, normal, one_of, real, seeds

WEIGHT = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]])  # the README's worked example
BIAS = np.array([10.0, 20.0])
INPUTS: list[tuple[int, ...]] = [(3,), (2, 3), (1, 3), (0, 3), (2, 5, 3), (2, 1, 2, 3)]
SIZES = [(3, 2), (3, 3), (3, 1)]  # in, out


def record(torch: Any) -> dict[str, Any]:
    """Outputs of torch.nn for weights of ours, in float64."""
    found = {}
    for n_in, n_out in SIZES:
        for i, shape in enumerate(INPUTS):
            key, layer = f"linear-{n_in}-{n_out}/{i}", torch.nn.Linear(n_in, n_out).double()
            found |= _filled(torch, layer, key, 10 * i + n_out)
            found |= _answered(torch, layer, key, fill(shape, i, base=0))
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    found |= _filled(torch, model.double(), "model", 77)
    return found | _answered(torch, model, "model", fill((7, 3), 78, base=0))


def _filled(torch: Any, module: Any, key: str, seed: int) -> dict[str, Any]:
    """Give a module of torch weights of ours, which float32 can hold."""
    state = {n: fill(tuple(t.shape), seed, base=0) for n, t in module.state_dict().items()}
    module.load_state_dict({n: torch.tensor(a) for n, a in state.items()})
    return {f"{key}/{n}": a for n, a in state.items()}


def _answered(torch: Any, module: Any, key: str, x: Any) -> dict[str, Any]:
    """What the module answers."""
    return {f"{key}/x": x, f"{key}/out": module(torch.tensor(x)).detach().numpy()}


# ---- linear: 03.1 to 03.7 ------------------------------------------------------------------------


@observe
def parameter(tt: Any, data: Any) -> Any:
    p = tt.Parameter(data)
    return {
        "is a Tensor": isinstance(p, tt.Tensor),
        "requires_grad": p.requires_grad,
        "grad, note": [p.grad, p.note],
        "dtype": str(p.dtype),
        "values": p.tolist(),
    }


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (dyadic(2, 3).astype(np.float32), "float32"),
        (dyadic(2, 3), "float64"),
        ([[1.5, 2.0]], "float32"),
        (dyadic(2, 3).astype(np.float16), "float16"),
        (2.5, "float32"),
        (np.array(2.5), "float64"),
        ([], "float32"),
        (((1, 2), (3, 4)), "float32"),
    ],
    ids=[
        f"Parameter-{k}"
        for k in ("float32", "float64", "list", "float16", "number", "no-axes", "nothing", "tuple")
    ],
)
def test_parameter_is_a_tensor(data: Any, dtype: str) -> None:
    """03.1 Type, gradient, dtype and values of Parameter(data)."""
    want = {"is a Tensor": True, "requires_grad": True, "grad, note": [None, None]}
    values = np.asarray(data).tolist()
    assert_equal(parameter(data), want=want | {"dtype": dtype, "values": values})


@observe
def parameters_of(tt: Any, array: Any) -> Any:
    tensor, result = tt.Tensor(array), tt.Tensor(array, requires_grad=True).T
    result.grad = np.ones(result.shape)
    made = [tt.Parameter(data) for data in (array, tensor, array.T, result)]
    return {
        "shapes": [p.shape for p in made],
        "grad, note": [[p.grad, p.note] for p in made],
        "dtypes": [str(p.dtype) for p in made],
        "memory is shared": [np.shares_memory(p.data, array) for p in made],
        "the tensor requires a gradient": tensor.requires_grad,
        "Parameters": [isinstance(p, tt.Parameter) and p is not tensor for p in made],
        "Parameters require one": [p.requires_grad for p in made],
    }


def test_parameter_shares_as_a_tensor_does() -> None:
    """03.1 Made of an array, a tensor, a turned array and a result with a history: dtype and memory."""
    dtype = one_of("float64", "float32")
    want = {"dtypes": [dtype] * 4, "memory is shared": [True] * 4, "grad, note": [[None] * 2] * 4}
    want |= {"the tensor requires a gradient": False, "Parameters": [True] * 4}
    want |= {"Parameters require one": [True] * 4}
    want |= {"shapes": [(2, 3), (2, 3), (3, 2), (3, 2)]}
    assert_equal(parameters_of(dyadic(2, 3).astype(dtype)), want=want)


@observe
def called(tt: Any, a: Any, b: Any, by_keyword: bool) -> Any:
    class Scale(tt.Module):
        def __init__(self):
            self.factor = tt.Parameter([2.0])

        def forward(self, x, y, shift=0.0):
            return x * self.factor + y + shift

    scale, x, y = Scale(), tt.Tensor(a), tt.Tensor(b)
    return scale(x, y=y, shift=0.5) if by_keyword else scale(x, y, 0.5)


@pytest.mark.parametrize("by_keyword", [False, True], ids=["__call__", "__call__-keywords"])
def test_module_call_is_forward(by_keyword: bool) -> None:
    """03.2 A module of your own, called with positional and named arguments."""
    a, b = dyadic(2, 3), dyadic(2, 3, seed=1)
    assert_close(called(a, b, by_keyword), want=2 * a + b + 0.5)


@observe
def linear_attributes(tt: Any, n_in: int, n_out: int) -> Any:
    layer, bare = tt.Linear(n_in, n_out), tt.Linear(n_in, n_out, bias=False)
    named = tt.Linear(out_features=n_out, in_features=n_in, bias=True)
    return {
        "options by name": [named.weight.shape, named.bias.shape],
        "weight": [layer.weight.shape, str(layer.weight.dtype)],
        "bias": [layer.bias.shape, str(layer.bias.dtype)],
        "both are Parameters": [isinstance(p, tt.Parameter) for p in (layer.weight, layer.bias)],
        "in_features, out_features": [layer.in_features, layer.out_features],
        "bias of Linear(..., bias=False), Linear(..., False)": [
            bare.bias,
            tt.Linear(n_in, n_out, False).bias,
        ],
    }


def test_linear_attributes() -> None:
    """03.3 weight and bias of a Linear: shapes, dtypes, kinds."""
    n_out = integer(2, 1, 50)
    want = {
        "weight": [(n_out, 3), "float32"],
        "bias": [(n_out,), "float32"],
        "both are Parameters": [True, True],
        "in_features, out_features": [3, n_out],
        "bias of Linear(..., bias=False), Linear(..., False)": [None, None],
        "options by name": [(n_out, 3), (n_out,)],
    }
    assert_equal(linear_attributes(3, n_out), want=want)


@observe
def linear(tt: Any, weight: Any, bias: Any, x: Any) -> Any:
    layer = tt.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = tt.Parameter(weight)
    if bias is not None:
        layer.bias = tt.Parameter(bias)
    return layer(tt.Tensor(x))


def test_linear_example() -> None:
    """03.4 The worked example."""
    assert_close(linear(WEIGHT, BIAS, np.array([[1.0, 1.0, 2.0]])), want=np.array([[19.0, 18.5]]))
    assert_close(linear(WEIGHT, None, np.array([[1.0, 1.0, 2.0]])), want=np.array([[9.0, -1.5]]))


@pytest.mark.parametrize("i", range(len(INPUTS)), ids=[str(s) for s in INPUTS])
@pytest.mark.parametrize("sizes", SIZES, ids=[f"Linear-{a}-{b}" for a, b in SIZES])
def test_linear(sizes: tuple[int, int], i: int) -> None:
    """03.4 Values that PyTorch gives, for several shapes."""
    key = f"linear-{sizes[0]}-{sizes[1]}/{i}"
    weight, bias, x, out = (oracle.own("03", f"{key}/{n}") for n in ("weight", "bias", "x", "out"))
    assert_close(linear(weight, bias, x), want=out, terms=np.abs(x) @ np.abs(weight.T) + abs(bias))


@given(n_in=st.integers(1, 5), n_out=st.integers(1, 5), rows=st.integers(1, 4), seed=seeds)
def test_linear_of_any_size(n_in: int, n_out: int, rows: int, seed: int) -> None:
    """03.4 Drawn sizes and numbers."""
    weight, x = fill((n_out, n_in), seed), fill((2, rows, n_in), seed + 1, "normal")
    bias = fill((n_out,), seed + 2) + 1 / 16
    terms = np.abs(x) @ np.abs(weight.T) + np.abs(bias)
    assert_close(linear(weight, bias, x), want=x @ weight.T + bias, terms=terms)


@given(seed=seeds)
def test_linear_is_linear(seed: int) -> None:
    """03.4 Without a bias sums and multiples carry over, and a row depends on its own input alone."""
    weight, x, y = fill((5, 3), seed), fill((2, 3), seed + 1), fill((2, 3), seed + 2)
    terms = (np.abs(x) + 2 * np.abs(y)) @ np.abs(weight.T)
    fx, fy = linear(weight, None, x), linear(weight, None, y)
    assert_close(linear(weight, None, x + 2 * y), want=fx + 2 * fy, terms=terms)
    assert_close(linear(weight, None, x[1:]), want=fx[1:], terms=terms[1:])


@observe
def linear_afresh(tt: Any, weight: Any, bias: Any, x: Any, mode: bool) -> Any:
    layer, x = tt.Linear(3, 2).train(mode), tt.Tensor(x)
    layer(x)
    layer.weight, layer.bias = tt.Parameter(2 * weight), tt.Parameter(3 * bias)
    replaced = layer(x)
    layer.weight.data[...], layer.bias.data[...] = weight, bias
    return {"replaced": replaced, "written to": layer(x)}


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluating"])
def test_linear_remembers_no_weights(mode: bool) -> None:
    """03.4 After a first call weight and bias are replaced, then written to in place."""
    x = dyadic(4, 3)
    want = {"replaced": 2 * x @ WEIGHT.T + 3 * BIAS, "written to": x @ WEIGHT.T + BIAS}
    assert_close(linear_afresh(WEIGHT, BIAS, x, mode), want=want)


@observe
def linear_made(tt: Any, n_in: int, n_out: int) -> Any:
    return tt.Linear(n_in, n_out).in_features


@observe
def linear_of_shape(tt: Any, n_in: int, n_out: int, shape: Any) -> Any:
    return tt.Linear(n_in, n_out)(tt.Tensor(np.ones(shape, np.float32)))


OTHER_WIDTHS = [(2, 4), (3, 2), (4,), (2, 3, 4), (), (0, 4), (2, 0, 4)]


@pytest.mark.parametrize("shape", OTHER_WIDTHS, ids=str)
def test_linear_refuses_other_widths(shape: tuple[int, ...]) -> None:
    """03.5 Inputs that are too wide or too narrow, also empty ones."""
    shape = (*shape[:-1], integer(shape[-1], 4, 99)) if shape else ()
    assert_raises(linear_of_shape, 3, 2, shape, error="ValueError", says=("3", str(shape)))
    wide = (*shape, 5)
    assert_raises(linear_of_shape, 61, 2, wide, error="ValueError", says=("61", str(wide)))


def test_linear_refuses_a_number() -> None:
    """03.5 A number is no vector of one feature."""
    assert_raises(linear_of_shape, 1, 2, (), error="ValueError", says=("1", "()"))


@pytest.mark.parametrize("sizes", [(0, 2), (3, 0), (-1, 2)], ids=str)
def test_linear_refuses_sizes_below_one(sizes: tuple[int, int]) -> None:
    """03.5 Linear with 0 or a negative number of features, which is never called."""
    wrong = str(min(sizes))
    assert_raises(linear_made, *sizes, error="ValueError", says=(wrong,))


@observe
def start(tt: Any, name: str, n_in: int, n_out: int) -> Any:
    tt.manual_seed(5)
    return getattr(tt.Linear(n_in, n_out), name)


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_linear_start_is_uniform(name: str) -> None:
    """03.6 The largest value, mean and variance of a layer with 30,000 outputs, within 5 sigma."""
    n_in = integer(4, 2, 16)
    x, bound = start(name, n_in, 30_000).astype(np.float64), n_in**-0.5
    assert_below(float(np.abs(x).max()), limit=bound * (1 + 1e-6), what=f"largest |{name}|")
    assert_above(float(np.abs(x).max()), limit=bound * 0.99, what=f"largest |{name}|")
    sigma = bound / np.sqrt(3 * x.size)
    assert_below(abs(float(x.mean())), limit=5 * sigma, what=f"|mean| of {name}")
    ratio = float(x.var() / (bound**2 / 3))
    assert_below(abs(ratio - 1), limit=5 * np.sqrt(0.8 / x.size), what="variance, relative error")


@observe
def starts(tt: Any) -> Any:
    tt.manual_seed(5)
    first, second = tt.Linear(3, 4), tt.Linear(3, 4)
    tt.manual_seed(5)
    again = tt.Linear(3, 4)
    own = [tt.Linear(3, 4, True, np.random.default_rng(8))]
    own.append(tt.Linear(3, 4, generator=np.random.default_rng(8)))
    return {
        "first": [first.weight, first.bias],
        "second": [second.weight, second.bias],
        "after the same manual_seed": [again.weight, again.bias],
        "from a generator": [own[0].weight, own[0].bias],
        "from an equal generator": [own[1].weight, own[1].bias],
    }


def test_linear_start_is_reproducible() -> None:
    """03.6 Layers made after one another, after the same manual_seed, and from equal generators."""
    got = starts()
    assert_alike(got, "first", "after the same manual_seed")
    assert_alike(got, "from a generator", "from an equal generator")
    equal = [bool((a == b).any()) for a, b in zip(got["first"], got["second"], strict=True)]
    assert_equal({"first equals second": equal}, want={"first equals second": [False, False]})


@observe
def drawn(tt: Any, n: int) -> Any:
    generator = np.random.default_rng(100 + n)
    tt.manual_seed(n)
    first = tt.rand(1).tolist()
    tt.manual_seed(n)
    one, two = (tt.Linear(3, n, generator=generator) for _ in range(2))
    stayed = tt.rand(1).tolist() == first
    tt.manual_seed(n)
    np.random.seed(n)  # noqa: NPY002 - a global state that others rely on
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    other = tt.Linear(3, n)
    after = np.random.get_state()[1].tolist()  # noqa: NPY002
    pieces = [one.weight, one.bias, two.weight, two.bias, other.weight, other.bias]
    numbers = np.concatenate([p.data.ravel() for p in pieces])
    return {
        "different numbers": len(set(numbers.tolist())),
        "NumPy's own seed": before == after,
        "manual_seed's numbers": stayed,
    }


def test_linear_draws_every_number_anew() -> None:
    """03.6 Two layers from one generator: no two numbers are equal; what was not asked stays."""
    n = integer(4, 4, 9)
    want = {"different numbers": 3 * 4 * n, "NumPy's own seed": True, "manual_seed's numbers": True}
    assert_equal(drawn(n), want=want)


@observe
def linear_output(tt: Any, shape: Any) -> Any:
    out = tt.Linear(3, 2)(tt.Tensor(np.ones(shape, np.float32)))
    return {"dtype": str(out.dtype), "requires_grad": out.requires_grad, "size": out.size}


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 3)], ids=str)
def test_linear_keeps_dtype_and_history(shape: tuple[int, ...]) -> None:
    """03.7 Dtype of the output, and whether it was made of tensor operations."""
    rows = integer(1, 1, 50)
    want = {"dtype": "float32", "requires_grad": True, "size": rows * int(np.prod(shape[:-1])) * 2}
    assert_equal(linear_output((*shape[:-1], 3) if rows == 1 else (rows, *shape)), want=want)


WITH = "(net := tt.Linear(3, 2), setattr(net, 'weight', b), setattr(net, 'bias', c), net(a))[-1]"


@pytest.mark.parametrize("learns", ["a", "b", "c", "abc"], ids=["x", "weight", "bias", "all"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3)], ids=str)
def test_linear_cuts_nothing_off(shape: tuple[int, ...], learns: str) -> None:
    """03.7 The notes are followed with another input, weight and bias (one of them, or all three)."""
    assert_followed(WITH, dyadic(*shape), dyadic(2, 3, seed=1), np.zeros(2), learns=learns)


def operations(out: Any) -> list[str]:
    """The operations that the notes of a tensor tell of, the last one first."""
    made = [tensor.note.primitive for tensor in origins(out) if tensor.note]
    return [f"{primitive.__module__}.{primitive.__name__}" for primitive in made]


@observe(uses=(origins, operations))
def histories(tt: Any, shape: Any) -> Any:
    flags, made = [], []
    for learns in ("x", "weight", "bias", "nothing"):
        for mode in (True, False):
            layer, x = tt.Linear(3, 2).train(mode), tt.Tensor(np.ones(shape, np.float32))
            for name, t in {"x": x, "weight": layer.weight, "bias": layer.bias}.items():
                t.requires_grad = name == learns
            out = layer(x)
            layer.bias = None
            alone = layer(x).requires_grad
            flags.append(f"{learns}, training {mode}: {out.requires_grad}, shape {out.shape}")
            flags.append(f"without a bias: {alone}")
            made += [name for name in operations(out) if ".layers." in name]
    return {"who learns: requires_grad": flags, "operations of layers.py": made}


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 3), (2, 0, 3), (0, 2, 3)], ids=str)
def test_linear_history_of_frozen_parts(shape: tuple[int, ...]) -> None:
    """03.7 All but one are frozen, or all; training, then evaluating; empty inputs too."""
    flags = []
    for learns in ("x", "weight", "bias", "nothing"):
        for mode in (True, False):
            said = f"{learns != 'nothing'}, shape {(*shape[:-1], 2)}"
            flags.append(f"{learns}, training {mode}: {said}")
            flags.append(f"without a bias: {learns in ('x', 'weight')}")
    want = {"who learns: requires_grad": flags, "operations of layers.py": []}
    assert_equal(histories(shape), want=want)


@observe
def memory_of_a_call(tt: Any, n: int, shape: Any, bias: bool, mode: bool, frozen: bool) -> Any:
    import tracemalloc

    layer, x = tt.Linear(n, n, bias=bias), tt.Tensor(np.ones((*shape, n), np.float32))
    layer.train(mode).weight.requires_grad = not frozen
    layer(x)
    tracemalloc.start()
    try:
        layer(x)
        return tracemalloc.get_traced_memory()[1] / layer.weight.data.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(1,), (), (1, 1)], ids=["row", "vector", "stack"])
def test_linear_copies_no_weights(shape: tuple[int, ...]) -> None:
    """03.7 The largest amount of memory during a call with one row: bias, mode, a frozen weight."""
    for options in itertools.product((True, False), repeat=3):
        share = memory_of_a_call(500, shape, *options)
        assert_below(share, limit=0.5, what="bytes per byte of weight, for one row")


@observe
def parameter_of(tt: Any, data: Any) -> Any:
    return tt.Parameter(data).requires_grad


@pytest.mark.parametrize("kind", ["int64", "uint8", "bool"])
def test_parameters_are_floats(kind: str) -> None:
    """03.1 Integers and bools cannot require a gradient, as in 01.4: a TypeError that names the dtype."""
    data = np.ones(integer(3, 2, 9), kind)
    assert_raises(parameter_of, data, error="TypeError", says=(kind,))


@observe
def arguments_of_forward(tt: Any, values: Any) -> Any:
    class Asked(tt.Module):
        def forward(self, *args, **keywords):
            return [a is b for a, b in zip(args, values, strict=True)] + [*keywords.items()]

    return Asked()(*values, option=3)


def test_forward_receives_what_was_given() -> None:
    """03.2 A list, a number, a text, an array and None arrive as they are."""
    values = [[2, 0], real(0.5, 1.0, 2.0), "mean", dyadic(3), None]
    assert_equal(arguments_of_forward(values), want=[*[True] * 5, ("option", 3)])


@observe
def results_of_forward(tt: Any, values: Any) -> Any:
    class Same(tt.Module):
        def forward(self, x):
            return x

    same, other = Same(), Same()
    other.forward = lambda x=None: [x]
    silent = Same()
    silent.forward = lambda x: None
    return {
        "without arguments, by name, nothing back": [other(), same(x=3), silent(3)],
        "the same object": [same(value) is value for value in values],
        "a forward of its own": [type(other(value)).__name__ for value in values],
    }


def test_results_of_forward_come_back() -> None:
    """03.2 A pair, a number, an array and None come back as they are; one object has another forward."""
    values = [(1, 2), real(0.5, 1.0, 2.0), dyadic(3), None]
    want = {"the same object": [True] * 4, "a forward of its own": ["list"] * 4}
    want |= {"without arguments, by name, nothing back": [[None], 3, None]}
    assert_equal(results_of_forward(values), want=want)


# ---- finding: 03.8 to 03.10 ----------------------------------------------------------------------


@observe(shown="{expression}")
def about(tt: Any, expression: str, net: str) -> Any:
    class Net(tt.Module):
        def __init__(self, **parts):
            for name, part in parts.items():
                setattr(self, name, part)

    names = {
        n: getattr(tt, n)
        for n in ("Tensor", "Parameter", "Linear", "Sequential", "ReLU", "Dropout")
    }
    names |= {"np": np, "Net": Net}
    names["net"] = eval(net, names)
    return eval(expression, names)


NAMES = "[n for n, _ in net.named_parameters()]"
WIDE = integer(3, 1, 50)
NESTED = f"""Net(
    width=3,
    first=Linear(2, {WIDE}),
    block=Net(inner=Linear(3, 3, bias=False), gain=Parameter([1.0, 2.0])),
    nothing=None, table=np.ones(2), running=Tensor([0.25]),
    scale=Parameter([0.5]),
)"""


def test_named_parameters() -> None:
    """03.8 A net with parts of parts, tables and plain tensors."""
    got = about("[(n, p.shape) for n, p in net.named_parameters()]", NESTED)
    first = [("first.weight", (WIDE, 2)), ("first.bias", (WIDE,))]
    block = [("block.inner.weight", (3, 3)), ("block.gain", (2,))]
    assert_equal(got, want=[*first, *block, ("scale", (1,))])


def test_parameters() -> None:
    """03.8 Whether both give one and the same objects."""
    net = "Net(first=Linear(2, 3), last=Linear(3, 1))"
    own = "[net.first.weight, net.first.bias, net.last.weight, net.last.bias]"
    got = about(f"[p is q for p, q in zip(net.parameters(), {own}, strict=True)]", net)
    assert_equal(got, want=[True] * 4)
    assert_equal(about("sum(p.data.nbytes for p in net.parameters())", net), want=52)


LEFT, ENCODE = named("left"), named("encode")
CONTAINERS = {
    "list": (
        "Net(blocks=[Linear(2, 2), Linear(2, 2, bias=False)])",
        ["blocks.0.weight", "blocks.0.bias", "blocks.1.weight"],
    ),
    "tuple": ("Net(pair=(Parameter([1.0]), 'text', Parameter([2.0])))", ["pair.0", "pair.2"]),
    "dict": (
        f"Net(heads={{'{LEFT}': Linear(2, 1), 'size': 3}})",
        [f"heads.{LEFT}.weight", f"heads.{LEFT}.bias"],
    ),
    "nested": (
        "Net(deep=[[Parameter([1.0])], {'a': (Parameter([2.0]),)}, []])",
        ["deep.0.0", "deep.1.a.0"],
    ),
    "list-of-one's-own": (
        "Net(rows=type('Rows', (list,), {})([Parameter([1.0])]))",
        ["rows.0"],
    ),
    "inside-a-part": ("Net(part=Net(blocks=[Parameter([1.0])]))", ["part.blocks.0"]),
}


@pytest.mark.parametrize("kind", CONTAINERS, ids=[f"named_parameters-{k}" for k in CONTAINERS])
def test_containers_are_looked_into(kind: str) -> None:
    """03.9 A net whose parts are in a list, a tuple, a dict and lists of lists."""
    net, want = CONTAINERS[kind]
    assert_equal(about(NAMES, net), want=want)


def test_attributes_may_change() -> None:
    """03.9 What is appended or assigned later is found as well."""
    net = "Net(blocks=[Linear(2, 2, bias=False)])"
    got = about(f"[net.blocks.append(Parameter([1.0])), {NAMES}][1]", net)
    assert_equal(got, want=["blocks.0.weight", "blocks.1"])


SHARED_PART = f"Net({ENCODE}=(one := Linear(2, 3)), again=[one], last=Linear(3, 1, bias=False))"
SHARED_PARAMETER = f"Net({ENCODE}=(one := Linear(2, 3)), tied=Net(weight=one.weight))"


def test_shared_parameter_is_given_once() -> None:
    """03.10 One parameter in two layers, one layer in two places."""
    encode = [f"{ENCODE}.weight", f"{ENCODE}.bias"]
    assert_equal(about(NAMES, SHARED_PARAMETER), want=encode)
    assert_equal(about(NAMES, SHARED_PART), want=[*encode, "last.weight"])


@pytest.mark.parametrize(
    ("net", "want"),
    [
        (SHARED_PART, ["Net", "Linear", "Linear"]),
        (NESTED, ["Net", "Linear", "Net", "Linear"]),
        ("Linear(2, 3)", ["Linear"]),
    ],
    ids=["modules-shared", "modules-nested", "modules-single"],
)
def test_modules(net: str, want: list[str]) -> None:
    """03.10 The types that modules() gives, in order."""
    assert_equal(about("[type(m).__name__ for m in net.modules()]", net), want=want)


CIRCLE = "[setattr(net.inner, 'whole', net), setattr(net.inner, 'itself', [net.inner]), {}][2]"
WITH_INNER = "Net(inner=Linear(2, 3), last=Linear(3, 1, bias=False))"
INSIDE = ["inner.weight", "inner.bias", "last.weight"]


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("[type(m).__name__ for m in net.modules()]", ["Net", "Linear", "Linear"]),
        (NAMES, INSIDE),
    ],
    ids=["modules", "named_parameters"],
)
def test_part_may_hold_the_whole(expression: str, want: list[Any]) -> None:
    """03.10 A module that is an attribute of its own part."""
    assert_equal(about(CIRCLE.format(expression), WITH_INNER), want=want)


PLACES = """Net(
    one=Net(w=Parameter([1.0])),
    rows=[Net(w=Parameter([1.0])), 'text', Parameter([0.0])],
    pair=(3, Net(w=Parameter([1.0]))),
    table={'k': Net(w=Parameter([1.0])), 2: [({'deep': Net(w=Parameter(np.ones((0, 2))))},)]},
    _own=Net(inner={'x': [Net(w=Parameter(0.0), mean=Tensor([2.0]))]}),
    falsy=type('Falsy', (Net,), {'__len__': lambda self: 0})(w=Parameter([1.0])),
    named=type('Pair', (tuple,), {})([Tensor([3.0]), Net()]),
    ordered=__import__('collections').OrderedDict(z=Parameter([1.0])),
    twice=[one := Parameter([1.0]), 4, one, one],
)"""  # a part in every kind of place
PLACED = ["one.w", "rows.0.w", "rows.2", "pair.1.w", "table.k.w", "table.2.0.0.deep.w"]
PLACED += ["_own.inner.x.0.w", "falsy.w", "ordered.z", "twice.0"]
STATE_PLACED = [*PLACED[:7], "_own.inner.x.0.mean", "falsy.w", "named.0", "ordered.z"]
STATE_PLACED += ["twice.0", "twice.2", "twice.3"]


def test_positions_in_a_named_tuple() -> None:
    """03.9 A tuple whose places have names: the position is what becomes part of the name."""
    pair = "__import__('collections').namedtuple('Pair', 'first second')"
    net = f"Net(pair={pair}(Parameter([1.0]), Linear(1, 1, bias=False)))"
    assert_equal(about(NAMES, net), want=["pair.0", "pair.1.weight"])


def test_parts_in_every_kind_of_place() -> None:
    """03.9 Attributes, lists, tuples, dicts, of a class of their own, empty and falsy parts, zeros."""
    assert_equal(about(NAMES, PLACES), want=PLACED)
    assert_equal(about("[p.size for p in net.parameters()].count(1)", PLACES), want=len(PLACED) - 1)
    got = about("[type(m).__name__ for m in net.modules()]", PLACES)
    assert_equal(got, want=["Net"] * 8 + ["Falsy", "Net"])


ELSEWHERE = """Net(
    drawn=iter([Parameter([1.0])]), rows={Parameter([1.0])}, made=Linear,
    thing=__import__('types').SimpleNamespace(w=Parameter([1.0]), net=Net(w=Parameter([1.0]))),
    call=lambda: 3, last=Parameter([1.0]), many=__import__('collections').deque([Parameter([1.0])]),
    book=__import__('collections').UserDict(w=Parameter([1.0])),
    table=np.array([Parameter([1.0]), None], dtype=object),
)"""


def test_other_attributes_are_left_alone() -> None:
    """03.9 Iterators, sets, classes, other objects and collections are no list, tuple or dict."""
    got = about(f"[{NAMES}, len(list(net.modules())), len(list(net.drawn))]", ELSEWHERE)
    assert_equal(got, want=[["last"], 1, 1])


# ---- modes: 03.11 and 03.12 ----------------------------------------------------------------------

MORE = integer(0, 0, 50)
PARTS = f"Net(parts=[Linear(2, 2), Net(inner=Linear(2, 2)){', Linear(1, 1)' * MORE}])"
FLAGS = "[m.training for m in net.modules()]"


@pytest.mark.parametrize(
    ("call", "mode"),
    [
        ("net", True),
        ("net.eval()", False),
        ("net.train(False)", False),
        ("net.eval().train()", True),
        ("[setattr(net.parts[1].inner, 'training', False), net.train()][1]", True),
        ("[net.eval(), setattr(net.parts[0], 'training', True), net.eval()][2]", False),
        ("net.train(mode=False)", False),
        ("[net.eval(), setattr(net.parts[1].inner, 'training', True), net.eval()][2]", False),
    ],
    ids=[
        "start",
        "eval",
        "train-False",
        "train",
        "train-a-part-in-eval",
        "eval-a-part-in-training",
        "train-mode=False",
        "eval-a-part-of-a-part-in-training",
    ],
)
def test_modes_reach_every_part(call: str, mode: bool) -> None:
    """03.11 training of each part, after train(), eval() and train(False)."""
    got = about(f"[{call} is net, {FLAGS}]", PARTS)
    assert_equal(got, want=[True, [mode] * (4 + MORE)])


def test_modes_stay_with_their_model() -> None:
    """03.11 A model in eval mode beside new ones."""
    got = about(f"[{FLAGS}, net.eval() is net, Net().training, Linear(1, 1).training]", PARTS)
    assert_equal(got, want=[[True] * (4 + MORE), True, True, True])


@pytest.mark.parametrize("call", ["net.eval()", "net.train(False)", "net.eval().train()"])
def test_modes_freeze_nothing(call: str) -> None:
    """03.11 What is frozen and what is not, and the gradients, are the same afterwards."""
    net = "Net(part=Linear(1, 1), frozen=Parameter([1.0]))"
    before = "[setattr(net.frozen, 'requires_grad', False), setattr(net.part.bias, 'grad', 3)"
    parts = "(net.part.weight, net.part.bias, net.frozen)"
    seen = f"[[p.requires_grad, p.grad] for p in {parts}]"
    got = about(f"{before}, {call}, {seen}][3]", net)
    assert_equal(got, want=[[True, None], [True, 3], [False, None]])


def test_modes_reach_every_kind_of_place() -> None:
    """03.11 Parts in attributes, lists, tuples and dicts, private and falsy ones."""
    assert_equal(about(f"[net.eval() is net, {FLAGS}]", PLACES), want=[True, [False] * 10])


@pytest.mark.parametrize("part", ["net", "net.inner"])
def test_modes_of_a_part_that_holds_the_whole(part: str) -> None:
    """03.10 eval() and zero_grad() of a net whose part holds the net end as well."""
    assert_equal(about(CIRCLE.format(f"[{part}.eval(), {FLAGS}][1]"), WITH_INNER), want=[False] * 3)
    gradient = "setattr(net.inner.weight, 'grad', np.ones((3, 2)))"
    forget = f"[{gradient}, {part}.zero_grad(), net.inner.weight.grad][2]"
    assert_equal(about(CIRCLE.format(forget), WITH_INNER), want=None)


@observe
def gradients_afterwards(tt: Any, expression: str, parts: int) -> Any:
    class Net(tt.Module):
        def __init__(self):
            self.first = tt.Linear(2, 2)
            self.rest = [tt.Linear(2, 1) for _ in range(parts)]

    net = Net()
    found = [p for layer in (net.first, *net.rest) for p in (layer.weight, layer.bias)]
    for p in found:
        p.grad = np.ones(p.shape, np.float32)
    net.first.bias.requires_grad = False
    eval(expression, {"net": net})
    return [p.grad for p in found]


def test_zero_grad_forgets_every_gradient() -> None:
    """03.12 Parameters of a layer, one of them frozen, and of a layer in a list."""
    parts = integer(1, 1, 50)
    assert_equal(gradients_afterwards("net.zero_grad()", parts), want=[None, None] * (1 + parts))


def test_zero_grad_reaches_every_kind_of_place() -> None:
    """03.12 Called twice, while evaluating."""
    given = "[setattr(p, 'grad', np.array(p.data + 1)) for p in net.parameters()]"
    after = "[p.grad for p in net.parameters()]"
    steps = f"[net.eval(), {given}, net.zero_grad(), net.zero_grad(), {after}]"
    assert_equal(about(f"{steps}[-1]", PLACES), want=[None] * len(PLACED))


# ---- state: 03.13 to 03.15 -----------------------------------------------------------------------

STATEFUL = "Net(first=Linear(2, 3), running=Tensor([0.25, 4.0]), table=np.ones(2))"


@pytest.mark.parametrize(
    ("net", "want"),
    [
        (STATEFUL, ["first.weight", "first.bias", "running"]),
        (SHARED_PARAMETER, [f"{ENCODE}.weight", f"{ENCODE}.bias", "tied.weight"]),
        ("Net(a=(one := Linear(1, 2, bias=False)), b=[one])", ["a.weight", "b.0.weight"]),
        ("Net(a=(x := [Parameter([1.0])]), b=Net(c=x), d=x)", ["a.0", "b.c.0", "d.0"]),
        (CONTAINERS["list"][0], CONTAINERS["list"][1]),
        (PLACES, STATE_PLACED),
        (ELSEWHERE, ["last"]),
        ("Net(w=(w := Parameter([1.0])), twice=w * 2, mean=Tensor([0.0]))", ["w", "twice", "mean"]),
    ],
    ids=[
        f"state_dict-{k}"
        for k in (
            "buffer",
            "shared",
            "shared-part",
            "shared-list",
            "list",
            "places",
            "nothing-else",
            "computed",
        )
    ],
)
def test_state_dict_names(net: str, want: list[str]) -> None:
    """03.13 The names of a net with plain tensors, also a computed one, and with a shared parameter."""
    assert_equal(about("list(net.state_dict())", net), want=want)


def test_state_dict_of_a_part_that_holds_the_whole() -> None:
    """03.13 What stands above a module is not looked for again inside it."""
    assert_equal(about(CIRCLE.format("list(net.state_dict())"), WITH_INNER), want=INSIDE)


def test_state_dict_is_a_snapshot() -> None:
    """03.13 The kind of the values, and whether they share memory with the model."""
    assert_equal(
        about("[type(a).__name__ for a in net.state_dict().values()]", STATEFUL),
        want=["ndarray"] * 3,
    )
    assert_close(
        about("net.state_dict()['running']", STATEFUL), want=np.array([0.25, 4.0], np.float32)
    )
    shares = "np.shares_memory(net.state_dict()['first.weight'], net.first.weight.data)"
    assert_equal(about(shares, STATEFUL), want=False)


@observe
def snapshots(tt: Any, arrays: Any) -> Any:
    class Net(tt.Module):
        def __init__(self):
            kinds = [tt.Parameter if a.dtype.kind == "f" else tt.Tensor for a in arrays]
            self.rows = [kind(a) for kind, a in zip(kinds, arrays, strict=True)]
            self.buffers = {"b": (tt.Tensor(arrays[0].copy()), tt.Tensor(arrays[-1].copy()))}

    net = Net()
    first = net.eval().state_dict()
    kinds = [[type(a).__name__, str(a.dtype), a.shape] for a in first.values()]
    for tensor in (*net.rows, *net.buffers["b"]):
        tensor.data[...] = tensor.data == 0
    return {"kinds": kinds, "before": list(first.values()), "after": [*net.state_dict().values()]}


ARRAYS = [dyadic(2, 3), dyadic(3).astype(np.float32), dyadic(2).astype(np.float16), np.array(0.5)]
ARRAYS += [np.array([2**53 + 1, 0]), np.array([True, False]), np.array(7, np.uint8)]


def test_state_dict_of_every_dtype() -> None:
    """03.13 Taken, everything changed in place, taken again: also bools, integers and numbers."""
    arrays = [*ARRAYS, ARRAYS[0], ARRAYS[-1]]
    got = snapshots(ARRAYS)
    assert_equal(got["kinds"], want=[["ndarray", str(a.dtype), a.shape] for a in arrays])
    assert_equal([a.tolist() for a in got["before"]], want=[a.tolist() for a in arrays])
    assert_equal([a.tolist() for a in got["after"]], want=[(a == 0).tolist() for a in arrays])


@observe
def loaded(tt: Any, state: Any) -> Any:
    layer = tt.Linear(2, 3)
    weight, array = layer.weight, layer.weight.data
    layer.load_state_dict(state)
    return {
        "weight": layer.weight,
        "bias": layer.bias,
        "the same Parameter": layer.weight is weight,
        "the same array": layer.weight.data is array,
        "the state's own array": np.shares_memory(layer.weight.data, state["weight"]),
    }


STATE = {"weight": dyadic(3, 2), "bias": dyadic(3, seed=1)}


@pytest.mark.parametrize("dtype", ["float32", "float64"], ids=lambda d: f"load_state_dict-{d}")
def test_load_writes_in_place(dtype: str) -> None:
    """03.14 The parameter's array before and after, its dtype, its values."""
    got = loaded({n: a.astype(dtype) for n, a in STATE.items()})
    want = {n: a.astype(np.float32) for n, a in STATE.items()}
    assert_close({n: got.pop(n) for n in STATE}, want=want)
    assert_equal(
        got,
        want={"the same Parameter": True, "the same array": True, "the state's own array": False},
    )


def test_all_kinds_of_names_and_keys() -> None:
    """03.9 Numbers as keys, private names, names that are not in alphabetical order, equal values."""
    net = (
        "Net(z=Parameter([1.0]), _own=Linear(1, 1), a={1: Parameter([1.0]), 'k': Parameter([1.0])})"
    )
    want = ["z", "_own.weight", "_own.bias", "a.1", "a.k"]
    assert_equal(about(NAMES, net), want=want)
    assert_equal(about("list(net.state_dict())", net), want=want)
    many = f"Net(rows=[{', '.join(['Parameter([1.0])'] * 12)}])"
    assert_equal(about(NAMES, many), want=[f"rows.{i}" for i in range(12)])


def test_what_is_found_follows_from_attributes() -> None:
    """03.8 A frozen parameter is one, a plain tensor that requires a gradient is none."""
    net = "Net(frozen=Parameter([1.0]), x=Tensor([2.0], requires_grad=True), last=Parameter([3.0]))"
    frozen = "[setattr(net.frozen, 'requires_grad', False), {}][1]"
    assert_equal(about(frozen.format(NAMES), net), want=["frozen", "last"])
    state = frozen.format("list(net.state_dict())")
    assert_equal(about(state, net), want=["frozen", "x", "last"])


CHANGE = """[
    list(net.modules()), list(net.named_parameters()), list(net.parameters()), net.state_dict(),
    setattr(net, 'first', Linear(1, 1, bias=False)), setattr(net, 'new', Linear(2, 2)),
    setattr(net, 'last', None), setattr(net, 'bend', ReLU()), delattr(net, 'gone'), {},
][-1]"""


def test_walking_again_finds_what_changed() -> None:
    """03.8 modules(), parameters() and names after a part was replaced, added and removed."""
    net = "Net(first=Linear(2, 3), last=Linear(3, 1), gone=Linear(1, 1))"
    names = ["first.weight", "new.bias", "new.weight"]
    assert_equal(about(CHANGE.format(f"sorted({NAMES})"), net), want=names)
    assert_equal(about(CHANGE.format("sorted(net.state_dict())"), net), want=names)
    assert_equal(about(CHANGE.format("[p.size for p in net.parameters()]"), net), want=[1, 4, 2])
    kinds = about(CHANGE.format("[type(m).__name__ for m in net.modules()]"), net)
    assert_equal(kinds, want=["Net", "Linear", "Linear", "ReLU"])


ALIKE = "Net(a=(one := Parameter([1.0, 2.0])), b=Parameter(one.data), c=Parameter([1.0, 2.0]))"


@pytest.mark.parametrize(
    "names", [NAMES, "list(net.state_dict())"], ids=["named_parameters", "state_dict"]
)
def test_equal_parameters_are_several(names: str) -> None:
    """03.10 Two objects on one array, and a third one of equal values."""
    assert_equal(about(names, ALIKE), want=["a", "b", "c"])
    assert_equal(about("len(list(net.parameters()))", ALIKE), want=3)


def test_equal_modules_are_several() -> None:
    """03.10 Parts of a class whose objects are all equal, one in the other."""
    equal = "{'__eq__': lambda self, other: True, '__hash__': lambda self: 3}"
    same = (
        "Same(a=Parameter([1.0]), part=Same(b=Parameter([1.0])), last=[Same(c=Parameter([1.0]))])"
    )
    net = f"[{same} for Same in [type('Same', (Net,), {equal})]][0]"
    assert_equal(about(NAMES, net), want=["a", "part.b", "last.0.c"])
    assert_equal(about("len(list(net.modules()))", net), want=3)
    assert_equal(about(f"[net.eval(), {FLAGS}][1]", net), want=[False] * 3)


@observe
def reloaded(tt: Any, state: Any) -> Any:
    class Net(tt.Module):
        def __init__(self):
            self.part = tt.Linear(2, 2, bias=False)
            self.count = tt.Tensor(np.array([1, 2]))
            self.scale = tt.Tensor(np.array(0.5))
            self.frozen = tt.Parameter(np.ones(2))
            self.frozen.requires_grad = False
            self.turned = tt.Parameter(np.ones((2, 3)).T)
            self.gaps = [tt.Tensor(np.ones((2, 6))[:, ::2])]
            self.half, self.flags = tt.Parameter(np.ones(2, np.float16)), tt.Tensor([True, True])

    net = Net()
    held = {"part.weight": net.part.weight, "count": net.count}
    held |= {"scale": net.scale, "frozen": net.frozen, "turned": net.turned}
    held |= {"gaps.0": net.gaps[0], "half": net.half, "flags": net.flags}
    arrays = {n: t.data for n, t in held.items()}
    flags = [t.requires_grad for t in held.values()]
    for _ in range(2):
        net.load_state_dict(state)
    net.count.data += 1
    return {
        "count": net.count,
        "values": {n: t.data for n, t in held.items() if n not in ("count", "flags")},
        "flags": net.flags,
        "the same arrays": [held[n].data is a for n, a in arrays.items()],
        "the same tensors": [net.part.weight is held["part.weight"], net.count is held["count"]],
        "requires_grad as before": [t.requires_grad for t in held.values()] == flags,
        "names in the state": sorted(state),
        "the state's count": state["count"],
        "the state's frozen": state["frozen"],
        "dtypes": [str(a.dtype) for a in net.state_dict().values()],
        "shapes": [a.shape for a in net.state_dict().values()],
    }


AS_BEFORE = {
    "the same arrays": [True] * 8,
    "the same tensors": [True] * 2,
    "requires_grad as before": True,
    "names in the state": [
        *("count", "flags", "frozen", "gaps.0", "half", "part.weight", "scale", "turned")
    ],
    "dtypes": ["float32", "int64", *["float64"] * 4, "float16", "bool"],
    "shapes": [(2, 2), (2,), (), (2,), (3, 2), (2, 3), (2,), (2,)],
    "flags": np.array([True, False]),
}


def test_load_reaches_every_kind_of_tensor() -> None:
    """03.14 Buffers, integers, bools, a number, frozen and turned ones; arrays; loaded twice."""
    more = integer(7, 7, 99)
    want = {"part.weight": dyadic(2, 2).astype(np.float32), "scale": np.array(0.1)}
    want |= {"frozen": dyadic(2, seed=1), "turned": dyadic(3, 2) + 0.1, "gaps.0": dyadic(2, 3)}
    want |= {"half": dyadic(2).astype(np.float16)}
    state = want | {"count": np.array([more, 2**53 + 1]), "flags": np.array([1, 0])}
    assert_reloaded(reloaded(state), state, want)


def assert_reloaded(got: Any, state: Any, want: Any) -> None:
    """The values of a state are in the arrays that were there, and the state is as it was."""
    assert_equal(got.pop("count"), want=np.asarray(state["count"]) + 1)
    assert_close(got.pop("values"), want=want)
    was = {f"the state's {n}": np.array(state[n]) for n in ("count", "frozen")}
    assert_unchanged({n: np.array(got[n]) for n in was}, was=was)
    assert_equal({n: a for n, a in got.items() if n not in was}, want=AS_BEFORE)


def test_load_takes_nested_lists() -> None:
    """03.14 Lists for arrays of every dtype: large integers and float64 lose no digit on the way."""
    want = {"part.weight": dyadic(2, 2).astype(np.float32), "scale": np.array(0.1)}
    want |= {"frozen": dyadic(2) + 0.1, "turned": dyadic(3, 2) + 0.1, "gaps.0": dyadic(2, 3) + 0.1}
    want |= {"half": dyadic(2).astype(np.float16)}
    lists = {n: a.tolist() for n, a in want.items()}
    state = lists | {"count": [2**53 + 1, 3], "flags": [True, False]}
    assert_reloaded(reloaded(state), state, want)


@observe
def round_trip(tt: Any, x: Any, as_tensors: bool) -> Any:
    class Net(tt.Module):
        def __init__(self):
            self.parts = [tt.Linear(3, 3), tt.Linear(3, 3)]
            self.shift = tt.Tensor(np.zeros(3, np.float32))

        def forward(self, x):
            return self.parts[1](self.parts[0](x)) + self.shift

    one, two, x = Net(), Net(), tt.Tensor(x)
    one.shift.data += 1
    state = {n: tt.Tensor(a) if as_tensors else a for n, a in one.state_dict().items()}
    two.load_state_dict(dict(reversed(state.items())))
    return {"one": one(x), "two": two(x)}


@pytest.mark.parametrize(
    "as_tensors", [False, True], ids=["load_state_dict", "load_state_dict-tensors"]
)
def test_state_round_trip(as_tensors: bool) -> None:
    """03.14 Two models must compute the same after one has loaded the other's state."""
    got = round_trip(normal(4, 3).astype(np.float32), as_tensors)
    assert_alike(got, "one", "two")


@observe
def load(tt: Any, state: Any) -> Any:
    tt.Linear(2, 3).load_state_dict(state)


OWN_STATES = {
    "part": (SHARED_PART, 5),
    "parameter": (SHARED_PARAMETER, 3),
    "places": (PLACES, len(STATE_PLACED)),
}


@pytest.mark.parametrize("net", OWN_STATES, ids=[f"load_state_dict-{k}" for k in OWN_STATES])
def test_own_state_is_loaded(net: str) -> None:
    """03.14 A net whose tensors stand under several names or in every kind of place loads its state."""
    more = "(state := {n: np.array(a + 1) for n, a in net.state_dict().items()})"
    same = "all((a == state[n]).all() for n, a in net.state_dict().items())"
    steps = f"[{more}, net.load_state_dict(state), {same}, len(state)][2:]"
    assert_equal(about(steps, OWN_STATES[net][0]), want=[True, OWN_STATES[net][1]])


def test_load_of_a_part_that_holds_the_whole() -> None:
    """03.14 Such a pair loads its own state, doubled."""
    twice = "net.load_state_dict({n: a * 2 for n, a in net.state_dict().items()})"
    steps = f"[old := net.last.weight.data.copy(), {twice}, net.last.weight.data / old][2]"
    assert_close(about(CIRCLE.format(steps), WITH_INNER), want=np.full((1, 3), 2, np.float32))


GAIN = named("gain")
UNFIT: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "missing": ({"weight": dyadic(3, 2)}, ("bias",)),
    "unknown": (STATE | {GAIN: dyadic(2)}, (GAIN,)),
    "broadcasts": ({"weight": dyadic(3, 2), "bias": dyadic(1)}, ("bias", "(1,)", "(3,)")),
    "shape": ({"weight": dyadic(2, 3), "bias": dyadic(3)}, ("weight", "(2, 3)", "(3, 2)")),
    "several": ({"weight": dyadic(2, 3), GAIN: dyadic(2)}, ("weight", "(2, 3)", "bias", GAIN)),
    "more-axes": ({"weight": dyadic(3, 2), "bias": dyadic(1, 3)}, ("bias", "(1, 3)", "(3,)")),
    "as-many-numbers": ({"weight": dyadic(6), "bias": dyadic(3)}, ("weight", "(6,)", "(3, 2)")),
    "nothing": ({}, ("weight", "bias")),
    "a-number": ({"weight": dyadic(3, 2), "bias": np.array(0.5)}, ("bias", "(3,)")),
    "no-numbers": ({"weight": dyadic(3, 2), "bias": np.ones(0)}, ("bias", "(0,)", "(3,)")),
    "two-shapes": (
        {"weight": dyadic(2, 3), "bias": dyadic(1)},
        ("weight", "(2, 3)", "bias", "(1,)"),
    ),
    "prefix": ({f"module.{n}": a for n, a in STATE.items()}, ("weight", "module.weight")),
    "two-unknown": (STATE | {GAIN: dyadic(2), "w.0": dyadic(1)}, (GAIN, "w.0")),
}


@pytest.mark.parametrize("kind", UNFIT, ids=[f"load_state_dict-{k}" for k in UNFIT])
def test_load_is_strict(kind: str) -> None:
    """03.15 States with too few names, too many, or other shapes."""
    state, says = UNFIT[kind]
    assert_raises(load, state, error="ValueError", says=says)


TIED = "Net(a=(one := Parameter([1.0])), again=[one])"
UNFIT_NETS = {
    "nothing-to-load": ("Net()", f"{{'{GAIN}': [1.0]}}", (GAIN,)),
    "missing-buffer": ("Net(mean=Tensor([1.0, 2.0]))", "{}", ("mean",)),
    "shape-of-a-buffer": ("Net(mean=Tensor([1.0, 2.0]))", "{'mean': [1.0]}", ("mean", "(1,)")),
    "one-for-a-number": ("Net(mean=Tensor(1.0))", "{'mean': [2.0]}", ("mean", "(1,)")),
    "first-name-alone": (TIED, "{'a': [1.0]}", ("again.0",)),
    "second-name-alone": (TIED, "{'again.0': [1.0]}", ()),
    "much-of-everything": (
        "Net(rows=[Parameter([1.0])] * 5, old=[Parameter([1.0]) for _ in range(5)])",
        "{f'rows.{i}': [1.0] * (7 + i) for i in range(5)} | {f'new.{i}': [1.0] for i in range(5)}",
        [f"{name}.{i}" for name in ("rows", "old", "new") for i in range(5)],
    ),
}


@pytest.mark.parametrize("kind", UNFIT_NETS, ids=[f"load_state_dict-{k}" for k in UNFIT_NETS])
def test_load_is_strict_with_every_tensor(kind: str) -> None:
    """03.15 Nets without parameters, with plain tensors, and with one under two names."""
    net, state, says = UNFIT_NETS[kind]
    assert_raises(about, f"net.load_state_dict({state})", net, error="ValueError", says=says)


@observe
def after_a_refused_load(tt: Any, state: Any) -> Any:
    layer, error = tt.Linear(2, 3), "none"
    before = layer.state_dict()
    try:
        layer.load_state_dict(state)
    except (ValueError, TypeError) as refusal:
        error = type(refusal).__name__
    return {"error": error, "before": before, "after": {"weight": layer.weight, "bias": layer.bias}}


@pytest.mark.parametrize("kind", UNFIT, ids=[f"load_state_dict-{k}" for k in UNFIT])
def test_load_is_all_or_nothing(kind: str) -> None:
    """03.15 The weights before and after a state that does not fit."""
    got = after_a_refused_load(UNFIT[kind][0])
    assert_alike(got, "before", "after")
    assert_equal(got["error"], want="ValueError")


@observe
def kinds_of_parameters(tt: Any) -> Any:
    class Positive(tt.Parameter):
        """A Parameter of a kind of its own."""

    class Net(tt.Module):
        def __init__(self):
            self.first, self.second = tt.Parameter([1.0]), Positive([2.0])

    net = Net()
    return [
        [n for n, _ in net.named_parameters()],
        len(list(net.parameters())),
        sorted(net.state_dict()),
    ]


def test_a_subclass_of_parameter_is_found() -> None:
    """03.8 An object of a class that is made of Parameter is a Parameter."""
    assert_equal(kinds_of_parameters(), want=[["first", "second"], 2, ["first", "second"]])


@observe
def in_a_ring(tt: Any, length: int) -> Any:
    class Node(tt.Module):
        """A part without a forward."""

    nodes = [Node() for _ in range(length)]
    for node, following in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        node.weight, node.next = tt.Parameter([1.0]), following
    names = [name for name, _ in nodes[0].named_parameters()]
    return [names, len(list(nodes[0].modules())), sorted(nodes[0].state_dict()) == sorted(names)]


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_rings_of_modules_end(length: int) -> None:
    """03.10 Each part holds the next, and the last one the first."""
    names = [f"{'next.' * i}weight" for i in range(length)]
    assert_equal(in_a_ring(length), want=[names, length, True])


@observe
def loaded_from_itself(tt: Any, a: Any, b: Any, count: Any) -> Any:
    class Net(tt.Module):
        def __init__(self):
            self.a, self.b, self.count = tt.Parameter(a), tt.Parameter(b), tt.Tensor(count)

    net = Net()
    net.load_state_dict({"a": net.b, "b": net.a, "count": np.array([3.0])})
    own = [net.a.data.copy(), net.b.data.copy(), net.count.data.copy()]
    net.load_state_dict({"a": net.b.data, "b": net.a.data, "count": [5.0]})
    return {"tensors": own, "arrays": [net.a.data, net.b.data, net.count.data]}


def test_load_from_the_model_itself() -> None:
    """03.14 A state of the model's own arrays, two exchanged; and floats for an array of integers."""
    a, b = dyadic(3), dyadic(3, seed=1)
    got = loaded_from_itself(a, b, np.array([1]))
    assert_close(got["tensors"][:2], want=[b, a])
    assert_close(got["arrays"][:2], want=[a, b])
    assert_equal([got["tensors"][2], got["arrays"][2]], want=[np.array([3]), np.array([5])])


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_load_reads_all_before_it_writes(name: str) -> None:
    """03.14 Text among the values, in a list of the right shape: the other array stays as it was."""
    got = after_a_refused_load(STATE | {name: np.full(STATE[name].shape, "x").tolist()})
    assert_unchanged(got["after"], was=got["before"])
    assert_equal({"refused": got["error"] != "none"}, want={"refused": True})


# ---- dropout: 03.16 and 03.17 --------------------------------------------------------------------


@observe
def dropout(tt: Any, p: float, x: Any, training: bool = True, seed: Any = 3) -> Any:
    layer = tt.Dropout(p)
    layer.training = training
    tt.manual_seed(seed)
    return layer(tt.Tensor(x))


@pytest.mark.parametrize("p", [0.25, 0.5, 0.8])
def test_dropout_scales_what_it_keeps(p: float) -> None:
    """03.16 The values that are not 0."""
    x = dyadic(7, 5)
    out = dropout(p, x)
    kept = out != 0
    assert_close(out, want=np.where(kept, x / (1 - p), 0.0))
    assert_zeros(out[~kept], beside=out)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.8])
def test_dropout_rate(p: float) -> None:
    """03.16 The share of zeros, within 5 sigma."""
    out = dropout(p, np.ones((200, 100)))
    limit = 5 * np.sqrt(p * (1 - p) / out.size)
    rate = float((out == 0).mean())
    assert_below(abs(rate - p), limit=limit, what=f"share dropped is {rate:.4f}, distance from p")


@pytest.mark.parametrize("p", [0.1, 0.25, 0.8])
def test_dropout_keeps_the_mean(p: float) -> None:
    """03.16 The mean of ones, within 5 sigma."""
    out = dropout(p, np.ones((200, 100)))
    limit = 5 * np.sqrt(p / (1 - p) / out.size)
    mean = float(out.mean())
    assert_below(abs(mean - 1), limit=limit, what=f"mean of ones is {mean:.4f}, distance from 1")


def test_dropout_draws_every_element() -> None:
    """03.16 No two rows and no two columns have the same mask."""
    dropped = dropout(0.5, np.ones((200, 100))) == 0
    different = [len({m.tobytes() for m in masks}) for masks in (dropped, dropped.T)]
    assert_equal(
        {"different rows, columns": different}, want={"different rows, columns": [200, 100]}
    )


@observe
def masks(tt: Any, x: Any) -> Any:
    x, layer = tt.Tensor(x), tt.Dropout()
    tt.manual_seed(1)
    first, second = layer(x), layer(x)
    tt.manual_seed(1)
    again = layer(x)
    own = [tt.Dropout(0.5, np.random.default_rng(4))]
    own.append(tt.Dropout(generator=np.random.default_rng(4), p=0.5))
    tt.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - a global state that others rely on
    drawn = [layer(x) for layer in own]
    left = np.random.get_state()[2]  # noqa: NPY002
    return {
        "NumPy's own place": left,
        "between: a generator": tt.Dropout()(x),
        "first": first,
        "second": second,
        "after the same manual_seed": again,
        "from a generator": drawn[0],
        "from an equal generator": drawn[1],
    }


def test_dropout_draws_anew() -> None:
    """03.16 Masks of two calls, after the same manual_seed, and from equal generators."""
    got = masks(np.ones((10, 20)))
    assert_alike(got, "first", "after the same manual_seed")
    assert_alike(got, "from a generator", "from an equal generator")
    assert_alike(got, "first", "between: a generator")
    assert_equal({"NumPy's own place": got["NumPy's own place"]}, want={"NumPy's own place": 624})
    equal = bool((got["second"] == got["first"]).all())
    assert_equal({"first equals second": equal}, want={"first equals second": False})
    assert_equal(np.unique(got["first"]).tolist(), want=[0.0, 2.0])  # p is 0.5 unless given


@pytest.mark.parametrize("shape", [(), (400,), (20, 5, 8), (5, 4, 2, 10)], ids=str)
def test_dropout_of_any_rank(shape: tuple[int, ...]) -> None:
    """03.16 No two slices have the same mask, whatever the axes."""
    x = fill(shape)
    out = dropout(0.5, x, seed=integer(3, 0, 999))
    assert_equal(out.shape, want=shape)
    assert_close(np.where(out == 0, x, out / 2), want=x)
    axes = range(len(shape)) if len(shape) > 1 else ()
    found = [m.tobytes() for axis in axes for m in np.moveaxis(out == 0, axis, 0)]
    assert_equal({"different masks": len(set(found))}, want={"different masks": len(found)})


@observe(uses=(origins, operations))
def dropout_of(tt: Any, p: float, dtype: str, shape: Any, mode: bool) -> Any:
    x = tt.Tensor(np.ones(shape, dtype), requires_grad=True)
    out = tt.Dropout(p=p).train(mode)(x)
    return {
        "dtype": str(out.dtype),
        "requires_grad": out.requires_grad,
        "shape": out.shape,
        "made in layers.py": [n for n in operations(out) if ".layers." in n],
    }


OF_DROPOUT = list(itertools.product(("float32", "float64", "float16"), ((9,), (), (0, 3), (2, 0))))


@pytest.mark.parametrize("p", [0.5, 1.0, 0.0, 1, 0])
def test_dropout_keeps_dtype_and_history(p: float) -> None:
    """03.16 Dtype and requires_grad of the output, for shapes without axes or numbers too."""
    for dtype, shape in OF_DROPOUT:
        want = {"dtype": dtype, "requires_grad": True, "shape": shape, "made in layers.py": []}
        assert_equal(dropout_of(p, dtype, shape, True), want=want)
        assert_equal(dropout_of(p, dtype, shape, False), want=want)


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (1.0, False), (0.0, True)], ids=str)
def test_dropout_identity(p: float, training: bool) -> None:
    """03.17 In eval mode, and with p = 0 in train mode."""
    x = dyadic(4, 5)
    assert_close(dropout(p, x, training), want=x)


@pytest.mark.parametrize("case", ["Dropout(0.5).eval()", "Dropout(1.0).eval()", "Dropout(0.0)"])
def test_dropout_identity_of_any_number(case: str) -> None:
    """03.17 Infinities, nan, zeros and integers come out as they are."""
    assert_exact(evaluate(f"tt.{case}(a)", AWKWARD), want=AWKWARD, signed=True)
    assert_equal(evaluate(f"tt.{case}(a)", np.array([3, 2**53 + 1])), want=np.array([3, 2**53 + 1]))
    dtypes = [evaluate(f"str(tt.{case}(a).dtype)", np.ones(2, k)) for k in ("int64", "bool")]
    assert_equal(dtypes, want=["int64", "bool"])


def test_dropout_of_everything() -> None:
    """03.17 p = 1: zeros, and no nan from a division by 0."""
    x = dyadic(4, 5)
    other = dropout(1.0, x, training=False)
    assert_zeros(dropout(1.0, x), beside=other)
    assert_equal(dropout(1, x).shape, want=(4, 5))


@observe
def dropout_made(tt: Any, p: float) -> Any:
    return tt.Dropout(p).training


@pytest.mark.parametrize("p", [-0.1, 1.5, 50, 1.01, -1, float("nan"), float("inf")])
def test_dropout_refuses(p: float) -> None:
    """03.17 p = -0.1, 1.5, 50, nan and others, of a Dropout that is never called."""
    assert_raises(dropout_made, p, error="ValueError", says=(str(p),))


@observe
def several_dropouts(tt: Any, x: Any) -> Any:
    x, generator = tt.Tensor(x), np.random.default_rng(4)
    first = tt.Dropout(0.25, generator=generator)
    second = tt.Dropout(0.5, generator=generator)
    third = tt.Dropout(0.75)
    second.eval()
    unseen = second(x)
    out = [first(x), third(x)]
    second.train()
    out += [second(x), first(x)]
    return {
        "kept values": [sorted(set(o.data[o.data != 0].tolist())) for o in out],
        "unseen": unseen,
        "masks": [o.data == 0 for o in (out[0], out[2], out[3])],
    }


def test_dropouts_beside_each_other() -> None:
    """03.16 Three layers with a p each, two of them on one generator: a draw for each call."""
    x = np.ones((20, 30))
    got = several_dropouts(x)
    scales = np.array([values[0] for values in got["kept values"]])
    assert_close(scales, want=np.array([1 / 0.75, 4.0, 2.0, 1 / 0.75]))
    assert_equal([len(values) for values in got["kept values"]], want=[1] * 4)
    assert_close(got["unseen"], want=x)
    first, second, third = got["masks"]
    repeated = [bool((first == third).all()), bool((first <= second).all())]
    assert_equal({"masks repeat": repeated}, want={"masks repeat": [False, False]})


@observe
def stream_after(tt: Any, p: float, own: bool) -> Any:
    def made():
        tt.manual_seed(6)
        return tt.Dropout(p, generator=np.random.default_rng(6) if own else None)

    x = tt.Tensor(np.ones((40, 5)))
    fresh = made()(x)
    layer = made()
    for _ in range(3):
        layer.eval()(x)
    return {"after": layer.train()(x), "fresh": fresh}


@pytest.mark.parametrize("own", [True, False], ids=["generator", "manual_seed"])
def test_evaluating_draws_nothing(own: bool) -> None:
    """03.17 The masks that come after a call in eval mode are those of a fresh generator."""
    assert_alike(stream_after(real(0.5, 0.4, 0.6), own), "fresh", "after", exactly=True)


@pytest.mark.parametrize("layer", ["Dropout(0.25)", "Dropout(0.5).eval()", "Dropout(0.0)"])
def test_dropout_cuts_nothing_off(layer: str) -> None:
    """03.16 The notes lead to the input, while training and while evaluating."""
    assert_followed(f"(tt.manual_seed(3), tt.{layer}(a))[1]", dyadic(4, 5), learns="a")


@observe
def dropped_counts(tt: Any, calls: int) -> Any:
    tt.manual_seed(5)
    layer, x = tt.Dropout(0.25), tt.Tensor(np.ones(200))
    return [int((layer(x).data == 0).sum()) for _ in range(calls)]


def test_dropout_draws_each_element_for_itself() -> None:
    """03.16 How many of 200 elements are 0 in 200 calls: the spread is a binomial one, within 5 sigma."""
    counts = np.array(dropped_counts(200))
    spread, want = counts.std(), (200 * 0.25 * 0.75) ** 0.5
    off = abs(float(spread) / want - 1)
    assert_below(off, limit=5 / (2 * counts.size) ** 0.5, what="relative distance of the spread")


# ---- containers: 03.18 ---------------------------------------------------------------------------


@observe
def chained(tt: Any, x: Any) -> Any:
    class Affine(tt.Module):
        def __init__(self, factor, shift):
            self.factor, self.shift = factor, shift

        def forward(self, x):
            return x * self.factor + self.shift

    model = tt.Sequential(Affine(2.0, 1.0), Affine(3.0, -1.0), tt.Sequential(Affine(0.5, 0.25)))
    return [model(tt.Tensor(x)), tt.Sequential()(tt.Tensor(x))]


@pytest.mark.parametrize("shape", [(3,), (2, 3)], ids=lambda s: f"Sequential-{s}")
def test_sequential_applies_in_order(shape: tuple[int, ...]) -> None:
    """03.18 Two modules that do not commute; an empty one gives back its input."""
    x = dyadic(*shape)
    assert_close(chained(x), want=[3 * x + 1.25, x])


def test_sequential_is_a_sequence() -> None:
    """03.18 len, index (negative too) and iteration."""
    net = "Sequential(first := Net(), Net(), last := Net())"
    assert_equal(about("[len(net), len(Sequential())]", net), want=[3, 0])
    got = about("[net[0] is first, net[2] is last, net[-1] is last, net[-3] is first]", net)
    assert_equal(got, want=[True] * 4)
    assert_equal(about("[m is first or m is last for m in net]", net), want=[True, False, True])
    nested = "Sequential(Sequential(), last := Net())"
    got = about("[len(net), len(net[0]), net[1] is last]", nested)
    assert_equal(got, want=[2, 0, True])


def test_sequential_is_walked_again() -> None:
    """03.18 A loop in a loop over one Sequential, and one loop after the other."""
    net = "Sequential(Net(), Net(), Net())"
    pairs = about("[[a is b for b in net] for a in net]", net)
    assert_equal(pairs, want=np.eye(3, dtype=bool).tolist())
    assert_equal(
        about("[len([*net]), len([*net]), next(iter(net)) is net[0]]", net), want=[3, 3, True]
    )


NO_PARTS = [
    "Linear(2, 2), np.tanh",
    "[Linear(2, 2)]",
    "Linear",
    "ReLU",
    "Linear(2, 2), None",
    "Net(), 'a'",
]
NO_PARTS += ["{'0': Net()}", "(Net() for _ in range(2))", "Parameter([1.0])", "(Net(), Net())"]
NO_PARTS += ["type('Own', (), {'forward': lambda self, x: x, '__call__': lambda self, x: x})()"]


@pytest.mark.parametrize("parts", NO_PARTS, ids=[f"Sequential({p})" for p in NO_PARTS])
def test_sequential_refuses(parts: str) -> None:
    """03.18 A function, a list, a class and others as parts: refused when the Sequential is made."""
    net = f"Sequential({parts})"
    assert_raises(about, "len(net)", net, error="TypeError")


MLP = "Sequential(Linear(3, 5), ReLU(), Linear(5, 2))"
MLP_NAMES = ["0.weight", "0.bias", "2.weight", "2.bias"]


@observe
def twice_the_same(tt: Any, x: Any, n: int) -> Any:
    class Affine(tt.Module):
        def __init__(self, factor, shift):
            self.factor, self.shift = factor, shift

        def forward(self, x):
            return x * self.factor + self.shift

    one = Affine(2.0, 1.0)
    model, other = tt.Sequential(one, Affine(3.0, -1.0), one), tt.Sequential(one)
    many = tt.Sequential(*[Affine(1.0, float(i)) for i in range(n)])
    first = model(tt.Tensor(x))
    return {
        "outs": [first, model(tt.Tensor(x)), other(tt.Tensor(x))],
        "lengths": [len(model), len(other), len(many), sum(1 for _ in model)],
        "iteration": [part is one for part in model] + [model[2] is one, model[-3] is one],
        "order of many": [part.shift for part in many],
    }


def test_sequential_with_one_part_twice() -> None:
    """03.18 One module in two places, called again, beside another Sequential; and a dozen parts."""
    x, n = dyadic(2, 3), integer(12, 12, 30)
    got = twice_the_same(x, n)
    twice = 2 * (3 * (2 * x + 1) - 1) + 1
    assert_close(got["outs"], want=[twice, twice, 2 * x + 1])
    assert_equal(got["lengths"], want=[3, 1, n, 3])
    assert_equal(got["iteration"], want=[True, False, True, True, True])
    assert_equal(got["order of many"], want=[float(i) for i in range(n)])


@pytest.mark.parametrize("index", [3, -4, integer(7, 4, 99)], ids=[3, -4, 7])
def test_sequential_refuses_an_index(index: int) -> None:
    """03.18 A position that is not there."""
    assert_raises(about, f"net[{index}]", "Sequential(Net(), Net(), Net())", error="IndexError")
    for position in (index, 0, -1):
        assert_raises(about, f"net[{position}]", "Sequential()", error="IndexError")


def test_sequential_names() -> None:
    """03.18 The names of the parameters, and whether eval() reaches every part."""
    assert_equal(about("list(net.state_dict())", MLP), want=MLP_NAMES)
    assert_equal(about(f"[net.eval() is net, {FLAGS}]", MLP), want=[True, [False] * 4])
    twice = "Sequential(one := Linear(1, 1), ReLU(), one)"
    assert_equal(about("list(net.state_dict())", twice), want=MLP_NAMES)
    assert_equal(about(NAMES, twice), want=MLP_NAMES[:2])
    many = f"Sequential({', '.join(['Linear(1, 1, False)'] * 12)})"
    assert_equal(about(NAMES, many), want=[f"{i}.weight" for i in range(12)])


@observe
def exchanged(tt: Any, state: Any, x: Any) -> Any:
    class Bend(tt.Module):
        def forward(self, x):
            return tt.relu(x)

    model = tt.Sequential(tt.Linear(3, 5), Bend(), tt.Linear(5, 2))
    model.load_state_dict(state)
    return model(tt.Tensor(x))


def test_sequential_exchanges_values_with_torch() -> None:
    """03.18 The values of a PyTorch model are loaded; the outputs must be the same."""
    state = {n: oracle.own("03", f"model/{n}") for n in MLP_NAMES}
    got = exchanged(state, oracle.own("03", "model/x").astype(np.float32))
    assert_close(got, want=oracle.own("03", "model/out").astype(np.float32))


@observe
def lengths(tt: Any, count: int) -> Any:
    model = tt.Sequential(*[tt.ReLU() for _ in range(count)])
    found = [len(model), len(model.eval()), len(model.train())]
    model.note = "a text of your own"
    return [*found, len(model), len(list(model))]


def test_sequential_counts_its_modules_only() -> None:
    """03.18 len after eval(), train() and an attribute of another kind."""
    count = integer(2, 2, 9)
    assert_equal(lengths(count), want=[count] * 5)


# ---- small: 03.19 --------------------------------------------------------------------------------


@observe(shown="{expression}  # a requires a gradient: the values, and requires_grad of the result")
def applied(tt: Any, expression: str, *arrays: Any) -> Any:
    out = eval(expression, {"tt": tt, "a": tt.Tensor(arrays[0], requires_grad=True)})
    return {"out": out, "requires_grad": out.requires_grad}


SMALL = [
    ("tt.Flatten()", "a.flatten(1)"),
    ("tt.Flatten(start_dim=0)", "a.flatten()"),
    ("tt.Flatten(2)", "a.flatten(2)"),
    ("tt.ReLU()", "tt.relu(a)"),
    ("tt.LeakyReLU()", "tt.leaky_relu(a)"),
    ("tt.LeakyReLU(negative_slope=0.25)", "tt.leaky_relu(a, 0.25)"),
    ("tt.Sigmoid()", "tt.sigmoid(a)"),
    ("tt.Tanh()", "tt.tanh(a)"),
    ("tt.Softplus()", "tt.softplus(a)"),
    ("tt.SiLU()", "tt.silu(a)"),
    ("tt.GELU()", "tt.gelu(a)"),
    ("tt.Softmax()", "tt.softmax(a, -1)"),
    ("tt.Softmax(axis=0)", "tt.softmax(a, 0)"),
    ("tt.Softmax(dim=1)", "tt.softmax(a, 1)"),
    ("tt.LogSoftmax()", "tt.log_softmax(a, -1)"),
    ("tt.LogSoftmax(1)", "tt.log_softmax(a, 1)"),
    ("tt.LogSoftmax(dim=0)", "tt.log_softmax(a, 0)"),
    ("tt.Flatten(-2)", "a.flatten(-2)"),
    ("tt.Flatten(0)", "a.flatten(0)"),
    ("tt.LeakyReLU(0)", "tt.leaky_relu(a, 0)"),
    ("tt.LeakyReLU(-0.5)", "tt.leaky_relu(a, -0.5)"),
    ("tt.LeakyReLU(2)", "tt.leaky_relu(a, 2)"),
    ("tt.Softmax(0)", "tt.softmax(a, 0)"),
    ("tt.Softmax(dim=0)", "tt.softmax(a, 0)"),
    ("tt.Softmax(axis=-2)", "tt.softmax(a, -2)"),
    ("tt.LogSoftmax(axis=0)", "tt.log_softmax(a, 0)"),
    ("tt.LogSoftmax(dim=-2)", "tt.log_softmax(a, -2)"),
]


@pytest.mark.parametrize(
    ("module", "function"), SMALL, ids=[m.removeprefix("tt.").replace("(", "-(") for m, _ in SMALL]
)
def test_function_as_module(module: str, function: str) -> None:
    """03.19 Each module beside its function, on the same input."""
    x = dyadic(2, 3, integer(2, 2, 50))
    want = applied(function, x)["out"]
    assert_equal(want.size, want=x.size)
    got = applied(f"{module}(a)", x)
    assert_close(got["out"], want=want)
    assert_equal(got["requires_grad"], want=True)


@pytest.mark.parametrize(
    ("module", "function"),
    [pair for pair in SMALL if "Flatten" not in pair[0]],
    ids=[m.removeprefix("tt.").replace("(", "-(") for m, _ in SMALL if "Flatten" not in m],
)
def test_module_of_infinities_and_nan(module: str, function: str) -> None:
    """03.19 Each activation module beside its function, on zeros, infinities, nan, large and tiny numbers."""
    x = AWKWARD[:, None] * np.array([1.0, 0.5])
    assert_exact(applied(f"{module}(a)", x)["out"], want=applied(function, x)["out"], ulps=4)


@pytest.mark.parametrize(
    "module",
    [
        *[m for m, _ in SMALL],
        "tt.Sequential(tt.Flatten(), tt.Tanh(), tt.ReLU())",
        "tt.Sequential(tt.Flatten(), tt.Tanh(), tt.ReLU()).eval()",
    ],
)
def test_modules_cut_nothing_off(module: str) -> None:
    """03.19 The notes of the output lead back to the input."""
    assert_followed(f"{module}(a)", dyadic(2, 3, 2), learns="a")


@observe(uses=(origins, operations))
def beside(tt: Any, expression: str, arrays: Any) -> Any:
    found = []
    for a in arrays:
        a = tt.Tensor(a, requires_grad=a.dtype.kind == "f")
        try:
            out = eval(expression, {"tt": tt, "a": a})
        except (IndexError, ValueError, TypeError) as error:
            found.append(f"{type(error).__name__} for {a.shape}")
        else:
            found.append([str(out.dtype), out.shape, out.requires_grad, operations(out)])
    return found


KINDS = [np.ones((2, 3, 2), k) for k in ("float32", "float64", "float16", "int64")]
KINDS += [
    np.ones(shape, np.float32) for shape in ((), (3,), (2, 3), (0, 3), (2, 0, 3), (2, 1, 2, 1))
]


GIVEN = ("Sigmoid", "Tanh", "Softplus", "SiLU", "GELU")
OWN = [pair for pair in SMALL if not any(name in pair[0] for name in GIVEN) and "=" not in pair[0]]
OWN += [("tt.Softmax(dim=0)", "tt.softmax(a, 0)"), ("tt.LogSoftmax(dim=0)", "tt.log_softmax(a, 0)")]
OWN += [("tt.Softmax(2)", "tt.softmax(a, 2)"), ("tt.LogSoftmax(-3)", "tt.log_softmax(a, -3)")]


@pytest.mark.parametrize(("module", "function"), OWN, ids=[f"{m}-beside" for m, _ in OWN])
def test_module_leaves_what_its_function_leaves(module: str, function: str) -> None:
    """03.19 Dtype, shape and notes, for every dtype and number of axes; both refuse the same inputs."""
    want = beside(function, KINDS)
    for call in (f"{module}(a)", f"{module}.eval()(a)"):
        assert_equal(beside(call, KINDS), want=want)


@observe
def used_again(tt: Any, module: str, arrays: Any) -> Any:
    used, fresh = eval(module, {"tt": tt}), []
    again = [used(tt.Tensor(a)) for a in arrays]
    for a in arrays:
        fresh.append(eval(module, {"tt": tt})(tt.Tensor(a)))
    return {"fresh ones": fresh, "one for all": again}


AGAIN = ["Flatten()", "Flatten(-2)", "ReLU()", "LeakyReLU(0.5)", "Softmax()", "Softmax(0)"]
AGAIN += ["LogSoftmax()", "LogSoftmax(dim=-2)"]


@pytest.mark.parametrize("module", AGAIN)
def test_module_is_used_again(module: str) -> None:
    """03.19 One module for inputs of several sizes and numbers of axes, beside a fresh one for each."""
    shapes = [(2, 3, 4), (3, 2), (4, 3, 2), (2, 2, 2, 2), (3, 2)]
    got = used_again(f"tt.{module}", [dyadic(*shape) for shape in shapes])
    assert_alike(got, "fresh ones", "one for all")


@observe
def small_beside_each_other(tt: Any, data: Any) -> Any:
    x = tt.Tensor(data)
    calls = [tt.LeakyReLU(0.25), tt.LeakyReLU(0.5), tt.Softmax(0), tt.Softmax(1)]
    calls += [tt.LogSoftmax(1), tt.LogSoftmax(0), tt.Flatten(0), tt.Flatten(1)]
    functions = [tt.leaky_relu(x, 0.25), tt.leaky_relu(x, 0.5), tt.softmax(x, 0), tt.softmax(x, 1)]
    functions += [tt.log_softmax(x, 1), tt.log_softmax(x, 0), x.flatten(0), x.flatten(1)]
    return {"modules": [module(x) for module in calls], "functions": functions}


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3)], ids=str)
def test_flatten_of_nothing(shape: tuple[int, ...]) -> None:
    """03.19 Flatten of a batch without rows, and of rows without numbers."""
    assert_equal(flat(shape), want=(shape[0], shape[1] * shape[2]))


@observe
def flat(tt: Any, shape: Any) -> Any:
    return tt.Flatten()(tt.Tensor(np.zeros(shape))).shape


def test_modules_keep_their_options_apart() -> None:
    """03.19 Modules of one class with different options, made before any is called."""
    assert_alike(small_beside_each_other(dyadic(2, 3, 2)), "functions", "modules")


# ---- printing: 03.20 -----------------------------------------------------------------------------

OUT = integer(128, 11, 999)
MODEL = f"Net(body=Sequential(Linear(784, {OUT}), ReLU(), Dropout(0.25)), heads=[Linear(128, 10)])"


PRINTED = [
    "Net(",
    "  (body): Sequential(",
    "    (0): Linear(",
    "    (1): ReLU(",
    "    (2): Dropout(",
    "  (heads.0): Linear(",
]


def test_repr_is_nested() -> None:
    """03.20 A net with parts of parts."""
    lines = about("net.__repr__()", MODEL).splitlines()
    parts = [re.match(r" *(\(.+?\): )?\w+\(", line) for line in lines]
    assert_equal([m[0] for m in parts if m], want=PRINTED)


SETTINGS = ["in_features=784", f"out_features={OUT}", "p=0.25", "ReLU()"]
SETTINGS += [f"in_features=784, out_features={OUT}"]


@pytest.mark.parametrize("text", SETTINGS, ids=[t.replace(str(OUT), "128") for t in SETTINGS])
def test_repr_shows_settings(text: str) -> None:
    """03.20 Settings in brackets, as name=value; training is no setting."""
    found = about(f"{{text: text in net.__repr__() for text in ({text!r}, 'training')}}", MODEL)
    assert_equal(found, want={text: True, "training": False})


def test_repr_hides_the_mode() -> None:
    """03.20 The same after eval()."""
    pieces = "{text: text in net.eval().__repr__() for text in ('p=0.25', 'training')}"
    assert_equal(about(pieces, MODEL), want={"p=0.25": True, "training": False})


ONE_IN_ANOTHER = """Sequential(
  (0): ReLU()
  (1): Sequential(
    (0): ReLU()
  )
)"""


def test_repr_closes_its_brackets() -> None:
    """03.20 Where the last bracket of a nested net is."""
    got = about("net.__repr__()", "Sequential(ReLU(), Sequential(ReLU()))")
    assert_equal(got, want=ONE_IN_ANOTHER)


THREE_DEEP = """Sequential(
  (0): Sequential(
    (0): ReLU()
    (1): Sequential(
      (0): Sequential(
        (0): ReLU()
      )
    )
  )
  (1): ReLU()
)"""


def test_repr_of_several_levels() -> None:
    """03.20 Wholes in wholes in wholes, all of one class, printed twice."""
    deep = "Sequential(Sequential(ReLU(), Sequential(Sequential(ReLU()))), ReLU())"
    assert_equal(about("net.__repr__()", deep), want=THREE_DEEP)
    assert_equal(about("[net.__repr__(), net.__repr__()][1]", deep), want=THREE_DEEP)


def test_repr_shows_parts_of_every_kind_of_place() -> None:
    """03.20 Parts in attributes, lists, tuples and dicts, private and falsy ones, each a line."""
    lines = about("net.__repr__()", PLACES).splitlines()
    parts = [found for line in lines if (found := re.match(r" *\((.+?)\): (Net|Falsy)\(", line))]
    want = ["  (one): Net(", "  (rows.0): Net(", "  (pair.1): Net(", "  (table.k): Net("]
    want += ["  (table.2.0.0.deep): Net(", "  (_own): Net(", "    (inner.x.0): Net("]
    assert_equal([m[0] for m in parts], want=[*want, "  (falsy): Falsy(", "  (named.1): Net("])


def test_repr_of_a_part_that_holds_the_whole() -> None:
    """03.20 The printed form of such a pair."""
    lines = about(CIRCLE.format("net.__repr__()"), WITH_INNER).splitlines()
    assert_equal([line for line in lines if "last" in line and line[:3] != "  ("], want=[])
    assert_equal(sum("(inner): Linear(" in line for line in lines), want=1)


def test_repr_shows_every_kind_of_setting() -> None:
    """03.20 0, False, None, text and negative numbers are settings; of a net with parts too."""
    net = "Net(depth=0, causal=False, mask=None, kind='tanh', low=-0.5, training_steps=5, "
    net += "_seen=77, part=(one := ReLU()), again=one)"
    lines = about("net.__repr__()", net).splitlines()
    settings = ["depth=0", "causal=False", "mask=None", "kind=", "tanh", "low=-0.5"]
    settings += ["training_steps=5"]
    absent = [piece for piece in settings if piece not in "".join(lines)]
    found = {"missing": absent, "_seen, 77, is shown": "77" in "".join(lines)}
    assert_equal(found, want={"missing": [], "_seen, 77, is shown": False})
    parts = ["  (part): ReLU()", "  (again): ReLU()"]
    assert_equal([line for line in lines if "ReLU" in line], want=parts)


SMALL_SETTINGS = ["LeakyReLU(negative_slope=0.25)", "Flatten(start_dim=-2)", "Dropout(p=0.25)"]


@pytest.mark.parametrize("text", SMALL_SETTINGS)
def test_repr_of_small_modules(text: str) -> None:
    """03.20 Printed before and after a setting was changed."""
    name = text[text.index("(") + 1 : text.index("=")]
    change = f"[net.__repr__(), setattr(net, {name!r}, 1), net.__repr__()]"
    first, _, second = about(f"[str(r) for r in {change}]", f"__import__('tinytorch').{text}")
    pieces = {text[:-1]: first, f"{name}=1": second}
    shown = {piece: piece in printed for piece, printed in pieces.items()}
    assert_equal(shown, want=dict.fromkeys(pieces, True))


@observe
def left_behind(tt: Any, layer: str, *arrays: Any) -> Any:
    net, kept, outs = eval(layer, {"tt": tt}), [], []
    names = ("printed form", "modes", "names in the state")
    before = [net.__repr__(), [m.training for m in net.modules()], list(net.state_dict())]
    state = net.state_dict()
    for a, flag in [(a, flag) for a in arrays for flag in (True, False)]:
        x = tt.Tensor(a, requires_grad=flag)
        outs.append(net(x))
        kept.append([x.data is a, x.requires_grad is flag, x.note is None, x.grad is None])
    result = tt.Tensor(arrays[0].copy(), requires_grad=True) * 1
    net(result)
    after = [net.__repr__(), [m.training for m in net.modules()], list(net.state_dict())]
    return {
        "changed": [n for n, a, b in zip(names, before, after, strict=True) if a != b],
        "tensors as they were": kept,
        "inputs": {**dict(enumerate(arrays)), "a result": result.data},
        "states": [state, net.state_dict()],
    }


CALLED = ["Linear(3, 2)", "Dropout(0.5)", "Dropout(0.5).eval()", "Flatten()", "ReLU()", "Tanh()"]
CALLED += ["LeakyReLU(0.5)", "Softmax()", "LogSoftmax()", "Dropout(1.0)", "Dropout(0.0)"]
CALLED += ["Flatten(-2)", "Softmax(-2)", "LogSoftmax(dim=-2)", "Linear(3, 2, False).eval()"]
CALLED += ["Sequential()", "Sequential(tt.Linear(3, 2), tt.Sequential(tt.ReLU(), tt.Dropout()))"]


@pytest.mark.parametrize("layer", CALLED)
def test_a_call_leaves_nothing_behind(layer: str) -> None:
    """03.2 Names in the state, the printed form, the modes and the input, before and after a call."""
    x, more = dyadic(2, 3), dyadic(2, 2, 3)
    got = left_behind(f"tt.{layer}", x, more)
    assert_equal(got["changed"], want=[])
    assert_unchanged(got["inputs"], was={"0": x, "1": more, "a result": x})
    assert_equal(got["tensors as they were"], want=[[True] * 4] * 4)
    assert_unchanged(got["states"][1], was=got["states"][0])


@observe
def kept_after_a_call(tt: Any, layer: str, x: Any, mode: bool) -> Any:
    import gc
    import weakref

    net, x = eval(layer, {"tt": tt}).train(mode), tt.Tensor(x.copy())
    array, out = weakref.ref(x.data), net(x)
    del x, out
    gc.collect()
    return {"inputs kept": int(array() is not None)}


@pytest.mark.parametrize("layer", CALLED)
def test_a_call_keeps_nothing_alive(layer: str) -> None:
    """03.2 The input's array is gone when nobody but the layer could hold it."""
    for mode in (True, False):
        got = kept_after_a_call(f"tt.{layer}", normal(2, 3), mode)
        assert_equal(got, want={"inputs kept": 0})


@observe
def made_with_super(tt: Any) -> Any:
    class First(tt.Module):
        def __init__(self):
            super().__init__()
            self.w, self.rows = tt.Parameter([1.0]), [tt.Parameter([2.0])]

    class Last(tt.Module):
        def __init__(self):
            self.w, self.rows = tt.Parameter([1.0]), [tt.Parameter([2.0])]
            super().__init__()

    return [[n for n, _ in net.named_parameters()] for net in (First(), Last())]


def test_super_may_be_called() -> None:
    """03.2 super().__init__() is not needed, and harmless, before and after the attributes."""
    assert_equal(made_with_super(), want=[["w", "rows.0"]] * 2)
