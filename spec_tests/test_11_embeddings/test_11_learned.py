"""Kata 11, Embeddings: positions from a table (katas/11_embeddings/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import oracle
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.expressions import type_of
from support.observe import observe
from support.strategies import fill, integer, normal


@observe
def made(tt: Any, call: str) -> Any:
    layer = eval(f"tt.{call}", {"tt": tt, "np": np})
    settings = [layer.num_embeddings, layer.embedding_dim]
    return {
        "parameters": [name for name, _ in layer.named_parameters()],
        "state": {name: array.shape for name, array in layer.state_dict().items()},
        "a Parameter of float32": [isinstance(layer.weight, tt.Parameter), str(layer.weight.dtype)],
        "a Module": isinstance(layer, tt.Module),
        "settings": settings,
        "types": [type(setting).__name__ for setting in settings],
    }


CALLS = ["({n}, 3)", "(num_embeddings={n}, embedding_dim=3)", "(np.int64({n}), np.int32(3))"]
CALLS += ["({n}, 3, np.random.default_rng(0))"]


@pytest.mark.parametrize("call", CALLS)
def test_learned_positions_have_a_table(call: str) -> None:
    """11.14 The Parameter and the attributes."""
    n = integer(5, 2, 9)
    want = {"parameters": ["weight"], "state": {"weight": (n, 3)}, "a Module": True}
    want |= {"a Parameter of float32": [True, "float32"], "settings": [n, 3]}
    got = made(f"LearnedPositionalEmbedding{call}".replace("{n}", str(n)))
    assert_equal(got, want=want | {"types": ["int", "int"]})


@pytest.mark.parametrize("sizes", [(1, 3), (3, 1), (1, 1)])
def test_learned_positions_of_one(sizes: tuple[int, int]) -> None:
    """11.14 A table of one position, of one column and of both."""
    got = made(f"LearnedPositionalEmbedding{sizes}")
    assert_equal(
        {**got["state"], "settings": got["settings"]},
        want={"weight": sizes, "settings": list(sizes)},
    )


@observe(shown="LearnedPositionalEmbeddings that are made after manual_seed, and from generators")
def beginnings(tt: Any, rows: int, seed: int) -> Any:
    make = tt.LearnedPositionalEmbedding
    tt.manual_seed(seed)
    first, second = make(rows, 40), make(rows, 40)
    tt.manual_seed(seed)
    again = make(rows, 40)
    own = [make(rows, 40, generator=np.random.default_rng(100 + seed)) for _ in range(2)]
    longer = make(rows + 2, 40, generator=np.random.default_rng(100 + seed))
    layers = {"first": first, "after the same seed": again, "second": second}
    layers |= {"from a generator": own[0], "from an equal one": own[1]}
    weights = {name: layer.weight.data for name, layer in layers.items()}
    return weights | {"the first rows of a longer one": longer.weight.data[:rows]}


def test_learned_positions_start_again() -> None:
    """11.14 Tables made after the same seed and from equal generators; a longer one; other numbers."""
    got = beginnings(integer(5, 2, 9), integer(7, 1, 999))
    equal = [float((got["first"] == got[n]).mean()) for n in ("second", "from a generator")]
    assert_below(max(equal), limit=0.1, what="share of equal numbers in different tables")
    assert_alike(got, "first", "after the same seed")
    assert_alike(got, "from a generator", "from an equal one")
    assert_alike(got, "from a generator", "the first rows of a longer one")


@observe(shown="LearnedPositionalEmbedding({rows}, 50).weight")
def start(tt: Any, rows: int) -> Any:
    tt.manual_seed(6)
    return tt.LearnedPositionalEmbedding(rows, 50).weight.data


def test_learned_positions_start_normal() -> None:
    """11.14 Mean, variance and share within 1 of many numbers, within 5 sigma."""
    x = start(integer(800, 700, 900)).astype(np.float64)
    n, one = x.size, float((abs(x) < 1).mean())
    assert_below(abs(float(x.mean())), limit=5 / n**0.5, what="|mean|")
    assert_below(abs(float(x.var()) - 1), limit=5 * (2 / n) ** 0.5, what="|variance - 1|")
    assert_below(
        abs(one - 0.682689),
        limit=5 * (0.2166 / n) ** 0.5,
        what="distance of the share within 1 from 0.68",
    )


@observe(shown="{call}, where layer has nine positions and its table is weight")
def placed(tt: Any, call: str, x: Any, weight: Any) -> Any:
    layer = tt.LearnedPositionalEmbedding(9, x.shape[-1])
    layer.weight = tt.Parameter(weight)
    return eval(call, {"layer": layer, "x": tt.Tensor(x), "np": np})


OFFSETS = {"": 0, ", 0": 0, ", 3": 3, ", offset=1": 1, ", offset=np.int64(5)": 5}


@pytest.mark.parametrize("more", OFFSETS)
@pytest.mark.parametrize("shape", [(2, 3, 4), (4, 2), (2, 1, 3, 5)], ids=str)
def test_learned_positions_are_added(shape: Any, more: str) -> None:
    """11.14 Values for several axes before the positions, and for offsets."""
    x, weight, offset = normal(*shape), normal(9, shape[-1], seed=1), OFFSETS[more]
    got = placed(f"layer(x{more})", x, weight)
    assert_close(got, want=x + weight[offset : offset + shape[-2]])


@observe(shown="layer(x, {offset}).backward(cotangent): weight.grad and x.grad")
def slopes(tt: Any, offset: int, x: Any, weight: Any, cotangent: Any) -> Any:
    layer, x = tt.LearnedPositionalEmbedding(*weight.shape), tt.Tensor(x, requires_grad=True)
    layer.weight = tt.Parameter(weight)
    layer(x, offset).backward(cotangent)
    return {"weight": layer.weight.grad, "x": x.grad}


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 2), (2, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("offset", [0, 2])
def test_learned_positions_learn(shape: Any, offset: int) -> None:
    """11.14 The gradient of the table, summed over all axes before the positions, and that of x."""
    rows = integer(6, 5, 9)
    c, want = normal(*shape, seed=2), np.zeros((rows, 2))
    want[offset : offset + 3] = c.reshape(-1, 3, 2).sum(axis=0)
    got = slopes(offset, normal(*shape), normal(rows, 2), c)
    assert_close(got, want={"weight": want, "x": c}, depth=10)


@observe(shown="layer(x), its table replaced, written to and loaded")
def layer_called(tt: Any, x: Any, weight: Any) -> Any:
    layer, x = tt.LearnedPositionalEmbedding(*weight.shape), tt.Tensor(x)
    layer(x)
    layer.weight = tt.Parameter(weight.copy())
    found = {"replaced": layer(x)}
    layer.weight.data[...] = weight * 2
    found["written to"] = layer(x)
    layer.load_state_dict({"weight": weight * 3})
    return found | {"loaded": layer.eval()(x), "at another place": layer(x, 1)}


def test_learned_positions_read_the_table_of_the_moment() -> None:
    """11.14 Values with a table that was replaced, written to and loaded."""
    x, weight = normal(2, 3, 4), normal(5, 4, seed=1)
    rows = weight[:3]
    want = {"replaced": x + rows, "written to": x + 2 * rows, "loaded": x + 3 * rows}
    want["at another place"] = x + 3 * weight[1:4]
    assert_close(layer_called(x, weight), want=want)


SIZES = ["0", "-{n}", "{n}.0", "None", "'{n}'"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", ["({}, 3)", "(3, {})"], ids=["positions", "D"])
def test_learned_positions_refuse_sizes(call: str, size: str) -> None:
    """11.14 Sizes that are no whole number of at least 1."""
    size = size.replace("{n}", str(integer(4, 2, 9)))
    call = f"tt.LearnedPositionalEmbedding{call.format(size)}"
    assert_raises(type_of, call, error="ValueError", says=(size.strip("'"),))


@observe(shown="the next draw after LearnedPositionalEmbedding(3, 0) was refused, and without it")
def draws_after(tt: Any, seed: int) -> Any:
    error = "none"
    tt.manual_seed(seed)
    try:
        tt.LearnedPositionalEmbedding(3, 0)
    except ValueError:
        error = "ValueError"
    after = tt.rand(1).item()
    tt.manual_seed(seed)
    return {"error": error, "after": after, "fresh": tt.rand(1).item()}


def test_learned_positions_refuse_before_they_draw() -> None:
    """11.14 The default generator after a refusal."""
    got = draws_after(integer(3, 1, 999))
    assert_equal([got["error"], got["after"]], want=["ValueError", got["fresh"]])


@observe(shown="LearnedPositionalEmbedding({rows}, 2)(Tensor(np.ones({shape})), {offset}).shape")
def too_far(tt: Any, rows: int, shape: Any, offset: int) -> Any:
    return tt.LearnedPositionalEmbedding(rows, 2)(tt.Tensor(np.ones(shape)), offset).shape


@pytest.mark.parametrize("shape", [(2, 5, 2), (5, 2), (0, 5, 2)], ids=str)
def test_learned_positions_end_with_the_table(shape: Any) -> None:
    """11.15 One position too many, by length and by offset; exactly as many; none at all."""
    rows, none = integer(21, 20, 40), (*shape[:-2], 0, 2)
    for offset in (rows - 4, rows, 2 * rows):
        says = (str(offset + 5), str(rows))
        assert_raises(too_far, rows, shape, offset, error="ValueError", says=says)
    assert_raises(too_far, 4, shape, 0, error="ValueError", says=("5", "4"))
    assert_raises(too_far, rows, none, rows + 1, error="ValueError", says=(str(rows + 1),))
    got = [too_far(rows, shape, rows - 5), too_far(5, shape, 0), too_far(rows, none, rows)]
    assert_equal(got, want=[shape, shape, none])


@observe
def after_a_refusal(tt: Any, weight: Any) -> Any:
    layer = tt.LearnedPositionalEmbedding(*weight.shape)
    layer.weight = tt.Parameter(weight)
    try:
        layer(tt.Tensor(np.ones((len(weight), weight.shape[1]))), 1)
    except ValueError:
        return {"weight": weight, "refused": layer.weight.grad is None}
    return {"weight": weight, "refused": False}


def test_learned_positions_are_as_before_after_a_refusal() -> None:
    """11.15 The table after a text that was too long."""
    weight = normal(4, 3)
    got = after_a_refusal(weight.copy())
    assert_equal(got.pop("refused"), want=True)
    assert_unchanged(got, was={"weight": weight})


# ---- end to end: 11.24 ---------------------------------------------------------------------------


IDS = [[3, 0, 2, 2], [1, 4, 0, 3]]


def record(torch: Any) -> dict[str, Any]:
    """A table, positions and a tied last layer of torch.nn in float64: values and gradients."""
    F = torch.nn.functional
    table, places = torch.nn.Embedding(5, 6, padding_idx=2), torch.nn.Embedding(9, 6)
    for i, layer in enumerate((table, places)):
        array = fill(tuple(layer.weight.shape), i, "normal", base=0)
        layer.double().load_state_dict({"weight": torch.tensor(array)})
    hidden = table(torch.tensor(IDS)) + places(torch.arange(3, 7))
    out, c = F.linear(hidden, table.weight), fill((2, 4, 5), 7, "normal", base=0)
    out.backward(torch.tensor(c))
    state = {"table": table.state_dict()["weight"], "places": places.state_dict()["weight"]}
    found = {"out": out.detach(), "d table": table.weight.grad, "d places": places.weight.grad}
    return {k: v.numpy().copy() for k, v in (state | found).items()} | {"c": c}


@observe(shown="a tied table and learned positions from offset 3 on, with PyTorch's states")
def a_pytorch_model(tt: Any, ids: Any, table: Any, places: Any, c: Any) -> Any:
    layers = tt.Embedding(5, 6, padding_idx=2), tt.LearnedPositionalEmbedding(9, 6)
    names = [list(layer.state_dict()) for layer in layers]
    for layer, array in zip(layers, (table, places), strict=True):
        layer.weight.data = layer.weight.data.astype(np.float64)
        layer.load_state_dict({"weight": array})
    head = tt.Linear(6, 5, bias=False)
    head.weight = layers[0].weight
    out = head(layers[1](layers[0](ids), offset=3))
    out.backward(c)
    slopes = {"d table": layers[0].weight.grad, "d places": layers[1].weight.grad}
    return {"out": out, "names": names, **slopes}


def test_a_model_is_pytorchs() -> None:
    """11.24 States of PyTorch's layers go in; values and all gradients come out."""
    arrays = [oracle.own("11", name) for name in ("table", "places", "c")]
    got = a_pytorch_model(IDS, *arrays)
    assert_equal(got.pop("names"), want=[["weight"], ["weight"]])
    want = {name: oracle.own("11", name) for name in ("out", "d table", "d places")}
    assert_close(got, want=want, depth=10)
