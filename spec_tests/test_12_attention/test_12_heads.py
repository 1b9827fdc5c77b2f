"""Kata 12, Attention: the layer with several heads (katas/12_attention/README.md)."""

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
    assert_unchanged,
    assert_zeros,
)
from support.expressions import evaluate, type_of
from support.observe import observe
from support.oracle import own
from support.strategies import BASE_SEED, fill, integer, normal, real
from test_12_attention.by_hand import attended, bools, grown, sloped

# ---- the layer by hand ---------------------------------------------------------------------------


def state_of(size: int, heads: int, few: int | None = None, bias: bool = True, **fixed: Any) -> Any:
    """The state of a layer, in float64, under PyTorch's names."""
    rows = size + 2 * (few or heads) * (size // heads)
    shapes = {"in_proj_weight": (rows, size), "in_proj_bias": (rows,)}
    shapes |= {"out_proj.weight": (size, size), "out_proj.bias": (size,)}
    names = [n for n in shapes if bias or "bias" not in n]
    return {n: fill(shapes[n], 40 + i, "normal", **fixed) / 2 for i, n in enumerate(names)}


def parts_of(size: int, heads: int, few: int | None = None) -> list[tuple[int, int, int]]:
    """For query, key and value the first row in in_proj_weight, the number of heads, the width of one."""
    few, width = few or heads, size // heads
    return [(0, heads, width), (size, few, width), (size + few * width, few, width)]


def projected(state: Any, x: Any, part: tuple[int, int, int]) -> Any:
    """Heads of one projection, row by row of the weight: (..., count, T, D)."""
    first, count, width = part
    found = np.zeros((*x.shape[:-2], count, x.shape[-2], width))
    for h, i in np.ndindex(count, width):
        row = first + h * width + i
        found[..., h, :, i] = x @ state["in_proj_weight"][row]
        found[..., h, :, i] += state["in_proj_bias"][row] if "in_proj_bias" in state else 0.0
    return found


def side_by_side(heads: Any) -> Any:
    """(..., H, L, D) becomes (..., L, H * D)."""
    return np.concatenate([heads[..., h, :, :] for h in range(heads.shape[-3])], axis=-1)


def merged(state: Any, heads: Any) -> Any:
    """Heads side by side, and projected."""
    return side_by_side(heads) @ state["out_proj.weight"].T + state.get("out_proj.bias", 0.0)


def layer(state: Any, inputs: Any, heads: int, few: int | None = None, **options: Any) -> Any:
    """What the layer gives for query, key and value."""
    parts = parts_of(inputs[0].shape[-1], heads, few)
    found = [projected(state, x, part) for x, part in zip(inputs, parts, strict=True)]
    return merged(state, attended(*found, **options))


def in_rows(x: Any) -> Any:
    """All vectors one below the other."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def layer_slopes(
    state: Any, inputs: Any, c: Any, heads: int, few: int | None = None, **options: Any
) -> dict[str, Any]:
    """The gradients of all of the state, and of query, key and value, under a cotangent."""
    size = inputs[0].shape[-1]
    parts = parts_of(size, heads, few)
    found = [projected(state, x, part) for x, part in zip(inputs, parts, strict=True)]
    side = side_by_side(attended(*found, **options))
    slopes = {name: np.zeros_like(array) for name, array in state.items()}
    slopes["out_proj.weight"] = in_rows(c).T @ in_rows(side)
    back = c @ state["out_proj.weight"]
    back = np.stack(np.split(back, heads, axis=-1), axis=-3)
    names = zip(
        ("query", "key", "value"), inputs, parts, sloped(*found, back, **options), strict=False
    )
    for name, x, (first, count, width), slope in names:
        rows = slice(first, first + count * width)
        flat = side_by_side(slope)
        slopes["in_proj_weight"][rows] = in_rows(flat).T @ in_rows(x)
        slopes[name] = flat @ state["in_proj_weight"][rows]
        if "in_proj_bias" in state:
            slopes["in_proj_bias"][rows] = in_rows(flat).sum(0)
    if "out_proj.bias" in state:
        slopes["out_proj.bias"] = in_rows(c).sum(0)
    return slopes


def vectors(*shapes: Any, seed: int = 0) -> list[Any]:
    """Inputs of these shapes."""
    return [fill(shape, seed + 10 * i, "normal") for i, shape in enumerate(shapes)]


def with_state(tt, call, state):
    """A layer with these numbers in place of its own, in their dtype."""
    made = eval(call, {"tt": tt, "np": np})
    for name, array in state.items():
        *path, last = name.split(".")
        setattr(made.out_proj if path else made, last, tt.Parameter(array.copy()))
    return made


# ---- 12.17, 12.18: parameters and their start ----------------------------------------------------


@observe
def made(tt: Any, call: str) -> Any:
    layer = eval(call, {"tt": tt, "np": np})
    tensors = dict(layer.named_parameters())
    names = ("embed_dim", "num_heads", "num_kv_heads", "head_dim")
    return {
        "state": {name: array.shape for name, array in layer.state_dict().items()},
        "Parameters": {n: [isinstance(t, tt.Parameter), str(t.dtype)] for n, t in tensors.items()},
        "biases": [layer.in_proj_bias is not None, layer.out_proj.bias is not None],
        "listed": sorted(map(id, layer.parameters())) == sorted(map(id, tensors.values())),
        "out_proj": type(layer.out_proj).__name__,
        "a Module": isinstance(layer, tt.Module),
        "settings": [getattr(layer, name) for name in names] + [layer.dropout],
        "types": [type(getattr(layer, name)).__name__ for name in names],
    }


MADE = {  # a call, and its number of heads, of key heads, whether with bias, and its dropout
    "MultiHeadAttention({e}, 4)": (4, 4, True, 0.0),
    "MultiHeadAttention({e}, 1)": (1, 1, True, 0.0),
    "MultiHeadAttention({e}, {e})": (0, 0, True, 0.0),
    "MultiHeadAttention({e}, 4, 0.25)": (4, 4, True, 0.25),
    "MultiHeadAttention({e}, 2, 0.0, False)": (2, 2, False, 0.0),
    "MultiHeadAttention({e}, 4, bias=False)": (4, 4, False, 0.0),
    "MultiHeadAttention({e}, 4, num_kv_heads=2)": (4, 2, True, 0.0),
    "MultiHeadAttention({e}, 4, 0.5, True, 1)": (4, 1, True, 0.5),
    "MultiHeadAttention(embed_dim={e}, num_heads=4, num_kv_heads=4)": (4, 4, True, 0.0),
    "MultiHeadAttention(np.int64({e}), np.int32(4), num_kv_heads=np.int8(2))": (4, 2, True, 0.0),
}


@pytest.mark.parametrize("call", MADE)
def test_layer_has_its_parameters(call: str) -> None:
    """12.17 Names, shapes, kinds and dtypes; the width is drawn."""
    size = 4 * integer(3, 2, 5)
    heads, few, bias, _ = MADE[call]
    state = state_of(size, heads or size, few or size, bias)
    got = made("tt." + call.replace("{e}", str(size)))
    want = {"state": {name: array.shape for name, array in state.items()}, "out_proj": "Linear"}
    want |= {"Parameters": {name: [True, "float32"] for name in state}}
    want |= {"biases": [bias, bias], "a Module": True, "listed": True}
    assert_equal({name: got[name] for name in want}, want=want)


@pytest.mark.parametrize("call", MADE)
def test_layer_keeps_its_settings(call: str) -> None:
    """12.17 The attributes and their types."""
    size = 4 * integer(3, 2, 5)
    heads, few, _, dropout = MADE[call]
    got = made("tt." + call.replace("{e}", str(size)))
    heads, few = heads or size, few or size
    assert_equal(got["settings"], want=[size, heads, few, size // heads, dropout])
    assert_equal(got["types"], want=["int"] * 4)


def test_layer_of_sizes_of_small_types() -> None:
    """12.17 Sizes that are integers of one byte, which do not hold three times the width."""
    size = 4 * integer(25, 22, 30)
    got = made(f"tt.MultiHeadAttention(np.uint8({size}), np.uint8(4), num_kv_heads=np.uint8(4))")
    want = {name: array.shape for name, array in state_of(size, 4, 4, True).items()}
    assert_equal(got["state"], want=want)


@observe(shown="MultiHeadAttention({size}, 2) made after manual_seed, and from generators")
def beginnings(tt: Any, size: int, seed: int) -> Any:
    make = tt.MultiHeadAttention
    tt.manual_seed(seed)
    first, second = make(size, 2), make(size, 2)
    tt.manual_seed(seed)
    again = make(size, 2)
    both = [make(size, 2, generator=np.random.default_rng(100 + seed)) for _ in range(2)]
    tt.manual_seed(seed)
    make(size, 2, generator=np.random.default_rng(100 + seed))
    layers = {
        "first": first,
        "second": second,
        "after the same seed": again,
        "later": make(size, 2),
    }
    layers |= {"from a generator": both[0], "from an equal one": both[1]}
    return {
        name: np.concatenate([m.in_proj_weight.data.ravel(), m.out_proj.weight.data.ravel()])
        for name, m in layers.items()
    }


def test_layer_starts_again() -> None:
    """12.18 Layers made after the same seed and from equal generators; all other numbers differ."""
    size = 2 * integer(5, 3, 8)
    got = beginnings(size, integer(7, 1, 999))
    assert_alike(got, "first", "after the same seed", exactly=True)
    assert_alike(got, "first", "later", exactly=True)
    assert_alike(got, "from a generator", "from an equal one", exactly=True)
    three = ("first", "second", "from a generator")
    numbers = {float(x) for name in three for x in got[name]}
    assert_above(
        len(numbers), limit=3 * 4 * size**2 * 0.98, what="different numbers of three layers"
    )


@observe(shown="{call}: its parameters")
def start(tt: Any, call: str) -> Any:
    tt.manual_seed(5)
    return eval(call, {"tt": tt}).state_dict()


@pytest.mark.parametrize("more", ["", ", num_kv_heads=1", ", bias=False"])
@pytest.mark.parametrize("name", ["in_proj_weight", "out_proj.weight"])
def test_layer_starts_uniform(name: str, more: str) -> None:
    """12.18 Bounds, mean and variance of both weights of a wide layer."""
    size = 4 * integer(30, 25, 35)
    rows = size + 2 * (size // 4 if "kv" in more else size)
    bound = (6 / (size + rows)) ** 0.5 if name == "in_proj_weight" else size**-0.5
    x = start(f"tt.MultiHeadAttention({size}, 4{more})")[name].astype(np.float64) / bound
    assert_below(abs(x).max(), limit=1.0 + 1e-6, what="largest number over the bound")
    assert_below(abs(x.mean()), limit=5 * (3 * x.size) ** -0.5, what="mean over the bound")
    assert_below(abs(3 * x.var() - 1), limit=5 * x.size**-0.5, what="variance, error")


def test_layer_starts_without_biases() -> None:
    """12.18 Both biases are zeros, beside weights that are not."""
    got = start(f"tt.MultiHeadAttention({4 * integer(5, 3, 9)}, 4)")
    for name in ("in_proj_bias", "out_proj.bias"):
        assert_zeros(got[name], beside=got["in_proj_weight"])


# ---- 12.19, 12.20: project and merge -------------------------------------------------------------


@observe(shown="layer = {call} with other weights; {ask}", uses=(with_state,))
def asked(tt: Any, call: str, state: Any, ask: str, inputs: Any) -> Any:
    layer = with_state(tt, call, state)
    tensors = dict(zip("xyz", [tt.Tensor(a) for a in inputs], strict=False))
    found = eval(ask, {"tt": tt, "np": np, "layer": layer, **tensors})
    return list(found) if isinstance(found, (tuple, list)) else [found]


LAYERS = {  # a call, and its heads and key heads, for a width of 6
    "tt.MultiHeadAttention(6, 2)": (2, None),
    "tt.MultiHeadAttention(6, 3)": (3, None),
    "tt.MultiHeadAttention(6, 1)": (1, None),
    "tt.MultiHeadAttention(6, 6)": (6, None),
    "tt.MultiHeadAttention(6, 6, num_kv_heads=2)": (6, 2),
    "tt.MultiHeadAttention(6, 3, num_kv_heads=1)": (3, 1),
    "tt.MultiHeadAttention(6, 2, bias=False)": (2, None),
}
every_layer = pytest.mark.parametrize("call", LAYERS)
ROLES = {  # how project or the layer is asked, and which of x, y, z are query, key and value
    "(x)": "xxx",
    "(x, y)": "xyy",
    "(x, y, z)": "xyz",
    "(x, None, None)": "xxx",
    "(x, y, None)": "xyy",
    "(x, None, w)": "xxw",
    "(query=x)": "xxx",
    "(x, key=y, value=z)": "xyz",
    "(x, value=w)": "xxw",
    "(x, x, x)": "xxx",
}


def roles(asked: str, before: Any = (2,)) -> tuple[str, list[Any], list[Any]]:
    """The call, what x, y and z are, and the arrays of query, key and value."""
    x, y, z, w = vectors(*[(*before, n, 6) for n in (3, 5, 5, 3)])
    known = {"x": x, "y": y, "z": w if "w" in asked else z, "w": w}
    inputs = [known[name] for name in ROLES[asked]]
    return asked.replace("w)", "z)"), [known[n] for n in "xyz"], inputs


@every_layer
@pytest.mark.parametrize("before", [(), (2,), (2, 3)], ids=str)
def test_project_gives_heads(call: str, before: Any) -> None:
    """12.19 Fresh numbers, row by row of the weight, for none to two axes before."""
    (heads, few), bias = LAYERS[call], "bias" not in call
    state, inputs = state_of(6, heads, few, bias), vectors(*[(*before, n, 6) for n in (3, 5, 5)])
    got = asked(call, state, "layer.project(x, y, z)", inputs)
    parts = parts_of(6, heads, few)
    want = [projected(state, x, part) for x, part in zip(inputs, parts, strict=True)]
    assert_close(got, want=want)


@pytest.mark.parametrize("ask", ROLES)
def test_project_of_several_roles(ask: str) -> None:
    """12.19 Some of query, key and value are left out, None, or given by name."""
    call, known, inputs = roles(ask)
    state = state_of(6, 2)
    got = asked("tt.MultiHeadAttention(6, 2)", state, f"layer.project{call}", known)
    want = [projected(state, x, p) for x, p in zip(inputs, parts_of(6, 2), strict=True)]
    assert_close(got, want=want)


@pytest.mark.parametrize("shape", ["(0, 3, 6)", "(2, 0, 6)", "(0, 6)"])
def test_project_of_nothing(shape: str) -> None:
    """12.19 No batches, no positions: the shapes."""
    got = asked(
        "tt.MultiHeadAttention(6, 2)", state_of(6, 2), "layer.project(x)", [np.zeros(eval(shape))]
    )
    *before, length, _ = eval(shape)
    assert_equal([a.shape for a in got], want=[(*before, 2, length, 3)] * 3)


@every_layer
@pytest.mark.parametrize("before", [(), (2,), (2, 3)], ids=str)
def test_merge_puts_heads_side_by_side(call: str, before: Any) -> None:
    """12.20 Fresh numbers, for none to two axes before; the number of positions is drawn."""
    (heads, few), bias = LAYERS[call], "bias" not in call
    state = state_of(6, heads, few, bias)
    found = normal(*before, heads, integer(5, 2, 5), 6 // heads)
    got = asked(call, state, "layer.merge(x)", [found])
    assert_close(got, want=[merged(state, found)])


@observe(
    shown="layer.out_proj is a Linear of one's own, that doubles: merge(heads), and a call",
    uses=(with_state,),
)
def with_own_part(tt: Any, state: Any, heads: Any, x: Any) -> Any:
    class Twice(tt.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    layer, part = with_state(tt, "tt.MultiHeadAttention(6, 2)", state), Twice(6, 6)
    part.load_state_dict(layer.out_proj.state_dict())
    layer.out_proj = part
    return {"merge": layer.merge(tt.Tensor(heads)), "a call": layer(tt.Tensor(x))}


def test_merge_applies_the_part_that_is_there() -> None:
    """12.20 out_proj was exchanged for a layer of one's own: it is applied, not only its weight."""
    state, (heads, x) = state_of(6, 2), vectors((3, 2, 4, 3), (3, 4, 6))
    state = {name: array.astype(np.float32) for name, array in state.items()}
    got = with_own_part(state, heads.astype(np.float32), x.astype(np.float32))
    wide = {n: a.astype(float) for n, a in state.items()}
    want = {"merge": 2 * merged(wide, heads), "a call": 2 * layer(wide, [x] * 3, 2)}
    assert_close(got, want={n: a.astype(np.float32) for n, a in want.items()}, terms=60.0)


# ---- 12.21: a call -------------------------------------------------------------------------------


@observe(shown="layer = {call} with other weights; {ask}.backward(c)", uses=(with_state,))
def walked(tt: Any, call: str, state: Any, ask: str, known: Any, c: Any) -> Any:
    layer = with_state(tt, call, state)
    leaves = dict(zip("xyz", [tt.Tensor(a, requires_grad=True) for a in known], strict=False))
    out = eval(ask, {"tt": tt, "np": np, "layer": layer, **leaves})
    result = out.data.copy()
    out.backward(c)
    slopes = {name: p.grad for name, p in layer.named_parameters()}
    return {"result": result, "slopes": slopes | {n: t.grad for n, t in leaves.items()}}


def check_walked(
    got: Any, known: Any, names: str, state: Any, c: Any, *heads: Any, **more: Any
) -> None:
    """Result and gradients of a call against the formula; roles of one tensor are added up."""
    inputs = [dict(zip("xyz", known, strict=False))[name] for name in names]
    assert_close(got["result"], want=layer(state, inputs, *heads, **more))
    want = layer_slopes(state, inputs, c, *heads, **more)
    found = {name: want[name] for name in state}
    for name, role in zip(names, ("query", "key", "value"), strict=True):
        found[name] = found.get(name, 0.0) + want[role]
    assert_close({name: got["slopes"][name] for name in found}, want=found, depth=100)


@every_layer
@pytest.mark.parametrize("keys", [5, 3])
@pytest.mark.parametrize("names", ["xxx", "xyy", "xyz"])
def test_layer_by_hand(call: str, names: str, keys: int) -> None:
    """12.21 Values and all gradients, of one sequence, of two, and of three inputs, also of one length."""
    (heads, few), bias = LAYERS[call], "bias" not in call
    state = state_of(6, heads, few, bias)
    known = vectors((2, 3, 6), (2, keys, 6), (2, keys, 6))
    ask = {"xxx": "(x)", "xyy": "(x, y)", "xyz": "(x, y, z)"}[names]
    c = normal(2, 3, 6, seed=9)
    got = walked(call, state, f"layer{ask}", known, c)
    check_walked(got, known, names, state, c, heads, few)


def test_layer_of_one_number() -> None:
    """12.21 Width 1 and one head: values and all gradients."""
    state, (x,), c = state_of(1, 1), vectors((2, 3, 1)), normal(2, 3, 1, seed=9)
    got = walked("tt.MultiHeadAttention(1, 1)", state, "layer(x)", [x], c)
    check_walked(got, [x], "xxx", state, c, 1)


@pytest.mark.parametrize("ask", ROLES)
def test_layer_of_several_roles(ask: str) -> None:
    """12.21 Some of query, key and value are left out, None, or given by name; no batch axis."""
    state, (call, known, _) = state_of(6, 2), roles(ask, ())
    c, names = normal(3, 6, seed=9), ROLES[ask].replace("w", "z")
    got = walked("tt.MultiHeadAttention(6, 2)", state, f"layer{call}", known, c)
    check_walked(got, known, names, state, c, 2)


SEEN = np.array([[True, False, True], [False, True, True], [True, True, False]])
CALLS = {  # further arguments of a call, and the same for the formula
    "(x, attn_mask=np.array({mask}))": {"mask": SEEN},
    "(x, None, None, np.array({mask}))": {"mask": SEEN},
    "(x, attn_mask=tt.Tensor(np.where({mask}, 0.5, -np.inf)))": {
        "mask": np.where(SEEN, 0.5, -np.inf)
    },
    "(x, attn_mask=np.array({mask})[:1, None, None])": {"mask": SEEN[:1, None, None]},
    "(x, is_causal=True)": {"causal": True},
    "(x, None, None, None, True)": {"causal": True},
    "(x, attn_mask=np.array({mask}), is_causal=True)": {"mask": SEEN, "causal": True},
    "(x, attn_mask=tt.causal_mask(3))": {"causal": True},
    "(x, attn_mask=[[True], [False], [True]])": {"mask": np.array([[True], [False], [True]])},
}


@pytest.mark.parametrize("ask", CALLS)
@pytest.mark.parametrize("more", ["", ", num_kv_heads=1"])
def test_layer_with_masks(ask: str, more: str) -> None:
    """12.21 Values and all gradients with masks of several kinds and shapes."""
    few, known = (1 if more else None), vectors((2, 3, 6))
    state, c = state_of(6, 2, few), normal(2, 3, 6, seed=9)
    ask_for = ask.replace("{mask}", str(SEEN.tolist()))
    got = walked(f"tt.MultiHeadAttention(6, 2{more})", state, f"layer{ask_for}", known, c)
    check_walked(got, known, "xxx", state, c, 2, few, **CALLS[ask])


def test_layer_with_a_mask_for_each_text() -> None:
    """12.21 Padding at the end of the second text, hidden in every head."""
    known, state = vectors((2, 3, 6), (2, 5, 6)), state_of(6, 3)
    mask = np.ones((2, 1, 1, 5), bool)
    mask[1, ..., integer(3, 2, 4) :] = False
    c = normal(2, 3, 6, seed=9)
    ask = f"(x, y, attn_mask=np.array({mask.tolist()}))"
    got = walked("tt.MultiHeadAttention(6, 3)", state, f"layer{ask}", known, c)
    check_walked(got, known, "xyy", state, c, 3, mask=mask)


@pytest.mark.parametrize("texts", [2, 3, 4])
def test_layer_with_a_mask_for_all_texts(texts: int) -> None:
    """12.21 A mask (L, S), also where there are as many texts as queries: it is the same for all of them."""
    (x,), state, mask = vectors((texts, 3, 6)), state_of(6, 2), np.tri(3, dtype=bool)
    c = normal(texts, 3, 6, seed=9)
    ask = f"layer(x, attn_mask=np.array({mask.tolist()}))"
    got = walked("tt.MultiHeadAttention(6, 2)", state, ask, [x], c)
    check_walked(got, [x], "xxx", state, c, 2, mask=mask)


@observe(
    shown="layer = MultiHeadAttention(6, 2), as it starts; layer(x).backward(c): its gradients"
)
def fresh_slopes(tt: Any, x: Any, c: Any) -> Any:
    layer = tt.MultiHeadAttention(6, 2)
    state = {name: array.astype(np.float64) for name, array in layer.state_dict().items()}
    for parameter in layer.parameters():
        parameter.data = parameter.data.astype(np.float64)
    layer(tt.Tensor(x)).backward(c)
    return {"state": state, "slopes": {name: p.grad for name, p in layer.named_parameters()}}


def test_a_fresh_layer_learns() -> None:
    """12.21 Biases that are 0 so far receive their gradients like all others."""
    (x,), c = vectors((2, 3, 6)), normal(2, 3, 6, seed=9)
    got = fresh_slopes(x, c)
    want = layer_slopes(got["state"], [x] * 3, c, 2)
    assert_close(got["slopes"], want={name: want[name] for name in got["state"]}, depth=1000)


@observe(shown="{call}, with other weights, each time after something changed", uses=(with_state,))
def several_calls(tt: Any, call: str, state: Any, other: Any, x: Any) -> Any:
    layer, twin = with_state(tt, call, state), with_state(tt, call, other)
    before = {name: repr(value) for name, value in vars(layer).items()}
    first = layer(tt.Tensor(x)).data.copy()
    layer(tt.Tensor(x), is_causal=True)
    layer(tt.Tensor(np.concatenate([x, x], axis=-2)))
    found = {"first": first, "again": layer(tt.Tensor(x)).data.copy(), "a twin": twin(tt.Tensor(x))}
    found["left on it"] = [k for k, v in vars(layer).items() if before.get(k) != repr(v)]
    found["state"] = sorted(layer.state_dict())
    layer.in_proj_weight.data[...] = other["in_proj_weight"]
    layer.in_proj_bias = tt.Parameter(other["in_proj_bias"])
    layer.out_proj.load_state_dict({n[9:]: a for n, a in other.items() if n.startswith("out")})
    return found | {"other weights": layer(tt.Tensor(x)), "evaluating": layer.eval()(tt.Tensor(x))}


def test_layer_knows_nothing_of_other_calls() -> None:
    """12.21 The same input again, a twin, weights that were written to, replaced and loaded."""
    state, (x,) = state_of(6, 2), vectors((2, 3, 6))
    other = {name: array * 1.5 + 0.25 for name, array in state.items()}
    got = several_calls("tt.MultiHeadAttention(6, 2)", state, other, x)
    assert_equal([got.pop("left on it"), got.pop("state")], want=[[], sorted(state)])
    plain, changed = layer(state, [x] * 3, 2), layer(other, [x] * 3, 2)
    want = {"first": plain, "again": plain, "a twin": changed}
    assert_close(got, want=want | {"other weights": changed, "evaluating": changed})


@observe(
    shown="{call}: called with the same Tensors again after its weights were written to, and loaded",
    uses=(with_state,),
)
def of_the_moment(
    tt: Any, call: str, states: Any, arrays: Any, training: bool, history: bool
) -> Any:
    layer, found = with_state(tt, call, states[0]).train(training), []
    held, inputs = list(layer.parameters()), [tt.Tensor(array) for array in arrays]
    for how, state in enumerate(states):
        if how % 2:
            layer.load_state_dict(state)
        else:
            for name, parameter in layer.named_parameters():
                parameter.data[...] = state[name]
        if history:
            found.append(layer(*inputs).data)
        with tt.no_grad():
            found.append(layer(*inputs).data)
    same = [p is q for p, q in zip(held, layer.parameters(), strict=True)]
    return {"results": found, "the same Parameters": same}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("history", [True, False], ids=["recording", "no_grad"])
@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_layer_uses_weights_of_the_moment(inputs: int, history: bool, training: bool) -> None:
    """12.21 Weights written to and loaded between calls with the same Tensors; its Parameters stay its own."""
    state, given = state_of(6, 2), vectors((2, 3, 6), (2, 4, 6), (2, 4, 6))[:inputs]
    states = [{n: f * a for n, a in state.items()} for f in (1.0, 2.0, 0.5, 1.5)]
    got = of_the_moment("tt.MultiHeadAttention(6, 2)", states, given, training, history)
    roles = [given[0], given[min(1, inputs - 1)], given[-1]]
    want = [layer(s, roles, 2) for s in states for _ in range(1 + history)]
    assert_close(got["results"], want=want)
    assert_equal(got["the same Parameters"], want=[True] * 4)


@pytest.mark.parametrize(
    "shape", [(2, 3, 3), (2, 1, 3), (1, 3, 3), (3, 2, 1, 3), (2, 3, 1)], ids=str
)
def test_layer_with_masks_of_several_axes(shape: Any) -> None:
    """12.21 As many texts as heads, or more: axes of a mask are counted from the last one."""
    texts = 3 if len(shape) == 4 else 2
    (x,), state, mask = vectors((texts, 3, 6)), state_of(6, 2), bools(*shape) | (shape[-1] == 1)
    if shape[-1] == 1:
        mask[0, 1] = False  # one query sees nothing
    c = normal(texts, 3, 6, seed=9)
    ask = f"layer(x, attn_mask=np.array({mask.tolist()}))"
    got = walked("tt.MultiHeadAttention(6, 2)", state, ask, [x], c)
    check_walked(got, [x], "xxx", state, c, 2, mask=mask)


@observe(
    shown="a subclass whose project puts older keys behind: layer(x, is_causal=True)",
    uses=(with_state,),
)
def with_older_keys(tt: Any, state: Any, x: Any) -> Any:
    class Longer(tt.MultiHeadAttention):
        def project(self, query, key=None, value=None):
            q, k, v = super().project(query, key, value)
            return q, tt.cat([k, k * 2], axis=-2), tt.cat([v, v], axis=-2)

    names = type("names", (), {"made": Longer, "Parameter": tt.Parameter})
    return with_state(names, "tt.made(8, 2)", state)(tt.Tensor(x), is_causal=True)


def test_layer_counts_the_keys_that_project_gives() -> None:
    """12.21 project gives twice as many keys as there are inputs: the mask is theirs."""
    state, (x,) = state_of(8, 2), vectors((2, integer(3, 2, 5), 8))
    q, k, v = (projected(state, x, part) for part in parts_of(8, 2))
    k, v = np.concatenate([k, k * 2], axis=-2), np.concatenate([v, v], axis=-2)
    want = merged(state, attended(q, k, v, causal=True))
    assert_close(with_older_keys(state, x), want=want)


@observe(
    shown="layer(x, is_causal=True)  # own method: {method}; in train mode without and with notes, then in eval",
    uses=(with_state,),
)
def overridden(tt: Any, method: str, state: Any, x: Any) -> Any:
    class Turned(tt.MultiHeadAttention):
        def project(self, query, key=None, value=None):
            q, k, v = super().project(query, key, value)
            return tt.RotaryEmbedding(4)(q), tt.RotaryEmbedding(4)(k), v

    class Halved(tt.MultiHeadAttention):
        def merge(self, heads):
            return super().merge(heads * 0.5)

    kinds = {"project": Turned, "merge": Halved, "neither": tt.MultiHeadAttention}
    names = type("names", (), {"made": kinds[method], "Parameter": tt.Parameter})
    layer, found = with_state(names, "tt.made(8, 2)", state), []
    for mode in (True, False):
        layer.train(mode)
        with tt.no_grad():
            found.append(layer(tt.Tensor(x), is_causal=True))
        found.append(layer(tt.Tensor(x), is_causal=True))
    return found


def turned(x: Any) -> Any:
    """Pairs of a head of four numbers, turned by their position (kata 11)."""
    found = np.zeros(x.shape)
    for t, i in np.ndindex(x.shape[-2], 2):
        angle, a, b = t / 100**i, x[..., t, i], x[..., t, i + 2]
        found[..., t, i] = a * math.cos(angle) - b * math.sin(angle)
        found[..., t, i + 2] = b * math.cos(angle) + a * math.sin(angle)
    return found


@pytest.mark.parametrize("method", ["project", "merge", "neither"])
def test_layer_goes_through_its_methods(method: str) -> None:
    """12.21 A subclass turns queries and keys by their position, another halves what was found; also in eval mode."""
    state, (x,) = state_of(8, 2), vectors((2, integer(3, 2, 5), 8))
    q, k, v = (projected(state, x, part) for part in parts_of(8, 2))
    if method == "project":
        q, k = turned(q), turned(k)
    found = attended(q, k, v, causal=True) * (0.5 if method == "merge" else 1.0)
    assert_close(overridden(method, state, x), want=[merged(state, found)] * 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_keeps_the_dtype(dtype: str) -> None:
    """12.21 Weights, inputs and cotangents of one dtype: result and gradients are of it, too."""
    state, known, c = state_of(6, 2), vectors((2, 3, 6), (2, 5, 6)), normal(2, 3, 6, seed=9)
    narrow = {name: array.astype(dtype) for name, array in state.items()}
    cut = [a.astype(dtype) for a in known]
    got = walked("tt.MultiHeadAttention(6, 2)", narrow, "layer(x, y)", cut, c.astype(dtype))
    dtypes = {str(a.dtype) for a in (got["result"], *got["slopes"].values())}
    assert_equal(sorted(dtypes), want=[dtype])
    limit = 6.0 * abs(layer(state, [known[0], known[1], known[1]], 2)).max()
    want = layer(state, [known[0], known[1], known[1]], 2).astype(dtype)
    assert_close(got["result"], want=want, terms=limit)


@observe(
    shown="layer = {call}; out = layer(x, y, attn_mask=mask); out.backward(c); again under no_grad; x, y, mask, c, out"
)
def inputs_after(tt: Any, call: str, x: Any, y: Any, mask: Any, c: Any) -> Any:
    layer = eval(call, {"tt": tt})
    leaves = [tt.Tensor(x, requires_grad=True), tt.Tensor(y, requires_grad=True)]
    out = layer(*leaves, attn_mask=mask)
    before = out.data.copy()
    out.backward(c)
    with tt.no_grad():
        layer(*leaves, attn_mask=mask)
    return {"before": before, "kept": {"x": x, "y": y, "mask": mask, "c": c, "result": out.data}}


def test_layer_writes_to_nothing() -> None:
    """12.21 Inputs, mask, cotangent and result after a call, its walk back and a call without a history."""
    x, y = vectors((2, 3, 6), (2, 5, 6))
    c, mask = normal(2, 3, 6, seed=9).astype(np.float32), bools(3, 5)
    got = inputs_after("tt.MultiHeadAttention(6, 2)", x, y, mask, c)
    was = {"x": x, "y": y, "mask": mask, "c": c, "result": got["before"]}
    assert_unchanged(got["kept"], was=was)


@pytest.mark.parametrize("shape", ["(0, 3, 6)", "(2, 0, 6)", "(0, 6)", "(2, 0, 3, 6)"])
def test_layer_of_nothing(shape: str) -> None:
    """12.21 No batches and no positions: the shape of the result and of the gradients."""
    shape = eval(shape)
    c, state = np.zeros(shape), state_of(6, 2)
    got = walked("tt.MultiHeadAttention(6, 2)", state, "layer(x, is_causal=True)", [c], c)
    shapes = {name: array.shape for name, array in {**state, "x": c}.items()}
    found = {
        name: None if got["slopes"][name] is None else np.shape(got["slopes"][name])
        for name in shapes
    }
    assert_equal(found, want=shapes)
    assert_equal(got["result"].shape, want=shape)


# ---- 12.22: dropout ------------------------------------------------------------------------------


@observe(
    shown="MultiHeadAttention(6, 2, dropout={p}) called twice in training mode, then in eval mode",
    uses=(with_state,),
)
def dropped(tt: Any, p: float, state: Any, x: Any, seed: int, generator: bool) -> Any:
    drawn = f"np.random.default_rng({seed + 1})" if generator else "None"
    tt.manual_seed(seed)
    layer = with_state(tt, f"tt.MultiHeadAttention(6, 2, {p}, generator={drawn})", state)
    model, found = tt.Sequential(layer), {}
    found["first"], found["second"] = layer(tt.Tensor(x)), model(tt.Tensor(x))
    model.eval()
    found["evaluating"] = layer(tt.Tensor(x), is_causal=False)
    model.train()
    found["third"] = layer(tt.Tensor(x))
    tt.manual_seed(seed)
    rng = np.random.default_rng(seed + 1) if generator else None
    tt.MultiHeadAttention(6, 2, p, generator=rng)
    factors = tt.Dropout(p, rng)
    ones = tt.Tensor(np.ones((*x.shape[:-2], 2, x.shape[-2], x.shape[-2])))
    return found | {f"factors of the {n}": factors(ones) for n in ("first", "second", "third")}


@pytest.mark.parametrize("generator", [True, False], ids=["own", "default"])
@pytest.mark.parametrize("p", [0.5, 0.25])
def test_layer_drops_weights(p: float, generator: bool) -> None:
    """12.22 Two calls, one in eval mode, and a third, against the formula with the numbers drawn."""
    state, (x,) = state_of(6, 2), vectors((2, 4, 6))
    got = dropped(p, state, x, integer(3, 1, 999), generator)
    want = {"evaluating": layer(state, [x] * 3, 2)}
    for name in ("first", "second", "third"):
        want[name] = layer(state, [x] * 3, 2, factors=got[f"factors of the {name}"])
    assert_close({name: got[name] for name in want}, want=want)


@observe(
    shown="a layer with dropout {p} in training mode, with a generator: two calls, one of them under no_grad"
)
def generator_goes_on(tt: Any, p: float, x: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    layer = tt.MultiHeadAttention(6, 2, p, generator=rng)
    states = [repr(rng.bit_generator.state)]
    found = [layer(tt.Tensor(x)).data]
    states += [repr(rng.bit_generator.state)]
    with tt.no_grad():
        found += [layer(tt.Tensor(x)).data]
    states += [repr(rng.bit_generator.state)]
    return {"drawn": [states[0] != states[1], states[1] != states[2]], "results": found}


def test_layer_draws_from_its_generator() -> None:
    """12.22 The generator of the start goes on at each call, and under no_grad weights are dropped, too."""
    (x,) = vectors((2, 5, 6))
    got = generator_goes_on(real(0.5, 0.4, 0.6), x, integer(3, 1, 999))
    assert_equal(got["drawn"], want=[True, True])
    first, second = got["results"]
    assert_above(float((first != second).mean()), limit=0.5, what="share of numbers that differ")


@observe(shown="MultiHeadAttention(4, 2, {p}).dropout, and its type")
def dropout_kept(tt: Any, p: str) -> Any:
    kept = tt.MultiHeadAttention(4, 2, eval(p, {"np": np})).dropout
    return [float(kept), type(kept).__name__]


@pytest.mark.parametrize("p", ["0", "1", "0.25", "np.float32(0.5)"])
def test_layer_keeps_its_dropout(p: str) -> None:
    """12.17 The probability as it was given, ints of Python and NumPy's numbers too."""
    given = eval(p, {"np": np})
    assert_equal(dropout_kept(p), want=[float(given), type(given).__name__])


@observe(
    shown="layer = {call}; layer(x)  # in eval mode if it has dropout; the next draw of g, with and without the call"
)
def draws_after(tt: Any, call: str, x: Any, seed: int) -> Any:
    g, fresh = np.random.default_rng(seed), np.random.default_rng(seed)
    layer = eval(call, {"tt": tt, "g": g})
    tt.MultiHeadAttention(6, 2, generator=fresh)
    out = (layer.eval() if layer.dropout else layer)(tt.Tensor(x))
    return {"after": g.random(), "fresh": fresh.random(), "shape": out.shape}


@pytest.mark.parametrize("more", ["", ", 0.0", ", dropout=0", ", dropout=0.5"])
def test_layer_draws_nothing_without_dropout(more: str) -> None:
    """12.22 In training mode with dropout 0, and in eval mode with another."""
    x = normal(2, integer(3, 2, 5), 6)
    call = f"tt.MultiHeadAttention(6, 2{more}, generator=g)"
    got = draws_after(call, x, integer(3, 1, 999))
    assert_equal(got["after"], want=got["fresh"])
    assert_equal(got["shape"], want=x.shape)


# ---- 12.23: what is refused ----------------------------------------------------------------------


REFUSED = {  # arguments, and what the message names
    "0, 2": ("0",),
    "-{n}, 2": ("-{n}",),
    "{n}.0, 1": ("{n}.0",),
    "None, 1": ("None",),
    "'{n}', 1": ("{n}",),
    "{n}, 0": ("0",),
    "{n}, -1": ("-1",),
    "{n}, 1.0": ("1.0",),
    "{n}, None": ("None",),
    "{n}, {n} + 1": ("{n}",),
    "{n}1, 7": ("{n}1", "7"),
    "{n}2, {n}": ("{n}2", "{n}"),
    "12, 4, num_kv_heads=3": ("4", "3"),
    "12, 4, num_kv_heads=8": ("4", "8"),
    "12, 4, num_kv_heads=0": ("0",),
    "12, 4, num_kv_heads=-{n}": ("-{n}",),
    "12, 4, num_kv_heads=2.0": ("2.0",),
    "12, 4, -0.{n}": ("-0.{n}",),
    "12, 4, 1.{n}": ("1.{n}",),
    "12, 4, dropout={n}": ("{n}",),
    "12, 4, dropout=float('nan')": ("nan",),
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_layer_refuses_settings(arguments: str) -> None:
    """12.23 Sizes that are no whole numbers, heads that do not divide, dropouts that are no probability."""
    n = str(integer(5, 4, 8))
    says = tuple(text.replace("{n}", n) for text in REFUSED[arguments])
    call = f"tt.MultiHeadAttention({arguments.replace('{n}', n)})"
    assert_raises(type_of, call, error="ValueError", says=says)


@observe(shown="the next draw after {call} was refused, and without it")
def draws_after_refusal(tt: Any, call: str, seed: int) -> Any:
    rng, fresh, error = np.random.default_rng(seed), np.random.default_rng(seed), "none"
    tt.manual_seed(seed)
    try:
        eval(call, {"tt": tt, "rng": rng})
    except ValueError:
        error = "ValueError"
    after = [rng.random(), tt.rand(1).item()]
    tt.manual_seed(seed)
    return {"error": error, "after": after, "fresh": [fresh.random(), tt.rand(1).item()]}


@pytest.mark.parametrize(
    "arguments",
    ["6, 4", "6, 2, {n}", "6, 2, num_kv_heads={n}", "6, 2, -0.5", "6, 2, num_kv_heads=0"],
)
def test_layer_refuses_before_it_draws(arguments: str) -> None:
    """12.23 The generator that was passed and the default one after a refusal."""
    arguments = arguments.replace("{n}", str(integer(5, 3, 9)))
    for more in (", generator=rng", ""):
        call = f"tt.MultiHeadAttention({arguments}{more})"
        got = draws_after_refusal(call, integer(3, 1, 999))
        assert_equal(got["error"], want="ValueError")
        assert_equal(got["after"], want=got["fresh"])


INPUTS = {  # shapes of query, key and value
    "another-width": ("(2, 3, {n})",),
    "another-width-of-keys": ("(2, 3, 6)", "(2, 5, {n})"),
    "another-width-of-values": ("(2, 3, 6)", "(2, 5, 6)", "(2, 5, {n})"),
    "one-axis": ("({n},)",),
    "one-axis-of-the-right-size": ("(6,)",),
    "no-axis": ("()",),
    "one-axis-of-keys": ("(3, 6)", "(6,)"),
    "other-batches": ("(2, 3, 6)", "({n}, 5, 6)"),
    "one-batch": ("({n}, 3, 6)", "(1, 5, 6)"),
    "no-batch-axis": ("({n}, 3, 6)", "(5, 6)"),
    "other-number-of-values": ("(2, 3, 6)", "(2, {n}, 6)", "(2, 3, 6)"),
    "other-batches-of-values": ("(2, 3, 6)", "(2, 5, 6)", "({n}, 5, 6)"),
    "one-value": ("(2, 3, 6)", "(2, {n}, 6)", "(2, 1, 6)"),
    "no-query": ("(2, 0, {n})",),
}


@pytest.mark.parametrize("method", ["", ".project"])
@pytest.mark.parametrize("name", INPUTS)
def test_layer_refuses_inputs(name: str, method: str) -> None:
    """12.23 Inputs of another width, and those that do not go together; also by project alone."""
    n = str(integer(8, 7, 9))
    shapes = [text.replace("{n}", n) for text in INPUTS[name]]
    arrays, letters = [np.ones(eval(shape)) for shape in shapes], "abc"[: len(shapes)]
    call = f"tt.MultiHeadAttention(6, 2){method}({', '.join(letters)})"
    assert_raises(evaluate, call, *arrays, error="ValueError", says=(*shapes, "6"))


@pytest.mark.parametrize(
    "shape",
    ["(2, {n}, 3, 3)", "(2, 2, 3, {n})", "(2, 3)", "(2, 2, {n})", "(2, 3, {n}, 2)", "(3,)", "()"],
)
def test_merge_refuses(shape: str) -> None:
    """12.23 Another number of heads, another width of one, too few axes, heads in another place."""
    shape = shape.replace("{n}", str(integer(5, 4, 9)))
    call = "tt.MultiHeadAttention(6, 2).merge(a)"
    assert_raises(evaluate, call, np.ones(eval(shape)), error="ValueError", says=(shape,))


@pytest.mark.parametrize(
    ("mask", "error", "says"),
    [
        ("np.ones((3, {n}), bool)", "ValueError", ("(3, {n})",)),
        ("np.ones((2, 3, 3, 3))", "ValueError", ("(2, 3, 3, 3)",)),
        ("np.ones(({n}, 2, 3, 3))", "ValueError", ("({n}, 2, 3, 3)",)),
        ("np.ones((3, 3), int)", "TypeError", ("int64",)),
        ("1", "TypeError", ("int64",)),
    ],
)
def test_layer_refuses_masks(mask: str, error: str, says: Any) -> None:
    """12.23 Masks of another shape, and of integers."""
    n = str(integer(5, 4, 9))
    call = f"tt.MultiHeadAttention(6, 2)(a, attn_mask={mask.replace('{n}', n)})"
    says = tuple(text.replace("{n}", n) for text in says)
    assert_raises(evaluate, call, normal(2, 3, 6), error=error, says=says)


# ---- 12.24: PyTorch's layer ----------------------------------------------------------------------


NETS = {  # arguments of the layer, and those of a call; PyTorch's masks of bools say who is hidden
    "self": ("6, 2", "x, x, x", None),
    "cross": ("6, 3", "x, y, y", None),
    "three": ("6, 1", "x, y, z", None),
    "without-bias": ("6, 2, bias=False", "x, y, y", None),
    "causal": ("6, 2", "x, x, x", "causal"),
    "masked": ("6, 3", "x, y, z", "bools"),
}


def net_inputs(name: str) -> tuple[dict[str, Any], dict[str, Any], Any, Any]:
    """The state of a layer, its inputs, a mask that is True where a key may be seen, a cotangent."""
    heads = int(NETS[name][0].split(",")[1])
    state = state_of(6, heads, bias="bias" not in NETS[name][0], base=0)
    known = {
        n: fill((2, t, 6), i, "normal", base=0)
        for i, (n, t) in enumerate([("x", 4), ("y", 5), ("z", 5)])
    }
    masks = {"causal": np.tri(4, 4, dtype=bool), "bools": fill((4, 5), 7, "normal", base=0) > -0.5}
    return state, known, masks.get(NETS[name][2] or ""), fill((2, 4, 6), 9, "normal", base=0)


def record(torch: Any) -> dict[str, Any]:
    """What torch.nn.MultiheadAttention gives with these states, and all gradients."""
    found = {}
    for name, (arguments, roles, _) in NETS.items():
        state, known, mask, c = net_inputs(name)
        net = eval(f"torch.nn.MultiheadAttention({arguments}, batch_first=True)", {"torch": torch})
        net = net.double()
        net.load_state_dict({n: torch.tensor(a) for n, a in state.items()})
        leaves = {n: torch.tensor(a, requires_grad=True) for n, a in known.items()}
        inputs = [leaves[n] for n in roles.split(", ")]
        hidden = None if mask is None else torch.tensor(~mask)
        out, _ = net(*inputs, attn_mask=hidden, need_weights=False)
        out.backward(torch.tensor(c))
        found[f"layer/{name}/out"] = out.detach().numpy()
        slopes = {n: p.grad for n, p in net.named_parameters()} | {
            n: leaves[n].grad for n in leaves
        }
        found |= {f"layer/{name}/{n}": s.numpy() for n, s in slopes.items() if s is not None}
    return found


@pytest.mark.parametrize("name", NETS)
def test_layer_is_pytorchs(name: str) -> None:
    """12.24 Values and all gradients of PyTorch's layer with the same state, recorded."""
    arguments, roles, kind = NETS[name]
    state, known, mask, c = net_inputs(name)
    more = f", attn_mask=np.array({mask.tolist()})" if kind == "bools" else ""
    ask = f"({roles}{more}{', is_causal=True' * (kind == 'causal')})"
    layer = f"tt.MultiHeadAttention({arguments})"
    got = walked(layer, state, f"layer{ask}", list(known.values()), c)
    assert_close(got["result"], want=own("12", f"layer/{name}/out"))
    used = [*state, *sorted(set(roles.split(", ")))]
    want = {n: own("12", f"layer/{name}/{n}") for n in used}
    assert_close({n: got["slopes"][n] for n in used}, want=want, depth=100)


@observe(shown="{call}.load_state_dict(state); its state and layer(x)")
def loaded(tt: Any, call: str, state: Any, x: Any) -> Any:
    layer = eval(call, {"tt": tt})
    layer.load_state_dict(state)
    out = layer(tt.Tensor(x))
    return {"state": layer.state_dict(), "names": list(layer.state_dict()), "out": out}


@pytest.mark.parametrize("more", ["", ", bias=False", ", num_kv_heads=1"])
def test_layer_loads_a_state(more: str) -> None:
    """12.24 A state under PyTorch's names; float32."""
    few, (x,) = (1 if "kv" in more else None), vectors((2, 3, 6))
    state = state_of(6, 2, few, "bias" not in more)
    state = {name: array.astype(np.float32) for name, array in state.items()}
    got = loaded(f"tt.MultiHeadAttention(6, 2{more})", state, x.astype(np.float32))
    assert_equal(sorted(got["names"]), want=sorted(state))
    assert_close(got["state"], want=state)
    want = layer({n: a.astype(float) for n, a in state.items()}, [x] * 3, 2, few)
    assert_close(got["out"], want=want.astype(np.float32), terms=8.0 * abs(want).max())


# ---- 12.25 and 12.26 once more: the layer --------------------------------------------------------


@observe(
    shown="{call}(x, is_causal=True), forward and back: how many steps Python makes (bytecodes)"
)
def counted_steps(tt: Any, call: str, shapes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for shape in shapes:
        layer = eval(call.replace("{e}", str(shape[-1])), {"tt": tt})
        leaf = tt.Tensor(np.ones(shape, np.float32), requires_grad=True)
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = layer(leaf, is_causal=True)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"steps": counts[1:], "size": out.size}


GROWING = {  # texts, positions and numbers, one of which grows; up to 63 positions are one block
    "texts": [(n, 8, 8) for n in (100, 200, 300, 400)],
    "positions": [(2, n, 8) for n in (15, 31, 47, 63)],
    "numbers": [(2, 8, n) for n in (80, 160, 240, 320)],
}


@pytest.mark.parametrize("what", GROWING)
@pytest.mark.parametrize("more", ["", ", num_kv_heads=1"])
def test_steps_of_the_layer_do_not_grow(what: str, more: str) -> None:
    """12.25 Steps for four sizes of one axis: how many the next size adds, where it adds the fewest."""
    shapes = GROWING[what]
    got = counted_steps(f"tt.MultiHeadAttention({{e}}, 2{more})", [shapes[0], *shapes])
    assert_equal(got["size"], want=math.prod(shapes[-1]))
    assert_below(grown(got["steps"]), limit=10, what=f"steps that more {what} add")


# ---- end to end: 12.27 ---------------------------------------------------------------------------


@observe(shown="a Trainer on Sequential(Linear(2, 8), MultiHeadAttention(8, 2), Linear(8, 1))")
def trained(tt: Any, x: Any, y: Any, seed: int) -> Any:
    import os
    import tempfile

    def trainer(start):
        tt.manual_seed(start)
        parts = tt.Linear(2, 8), tt.MultiHeadAttention(8, 2), tt.Linear(8, 1)
        model = tt.Sequential(*parts)
        adam = tt.Adam(model.parameters(), lr=0.02)
        return tt.Trainer(model, adam, tt.mse_loss, metrics=())

    first, second, third = trainer(seed), trainer(seed + 1), trainer(seed + 2)
    first.fit(x, y, epochs=40, batch_size=32)
    with tempfile.TemporaryDirectory() as folder:
        tt.save_checkpoint(os.path.join(folder, "checkpoint"), first)
        tt.load_checkpoint(os.path.join(folder, "checkpoint"), second)
    third.model.load_state_dict(first.model.state_dict())
    models = {"trained": first, "from a checkpoint": second, "from a state": third}
    found = {name: each.model(tt.Tensor(x)) for name, each in models.items()}
    losses = [line["loss"] for line in first.history]
    return found | {"losses": losses, "names": list(first.model.state_dict())}


def marked(seed: int) -> Any:
    """Texts of numbers, one of them marked; every position is asked for the marked number."""
    rng = np.random.default_rng([BASE_SEED, seed])
    numbers, places = rng.uniform(-1, 1, (64, 6)), rng.integers(0, 6, 64)
    marks = (np.arange(6) == places[:, None]) * 1.0
    y = np.repeat(numbers[np.arange(64), places][:, None, None], 6, axis=1)
    return np.stack([numbers, marks], axis=-1).astype(np.float32), y.astype(np.float32)


def test_a_model_finds_the_marked_number() -> None:
    """12.27 The loss, and the model from its checkpoint and from its state."""
    x, y = marked(3)
    got = trained(x, y, integer(1, 1, 99))
    assert_below(got["losses"][-1] / got["losses"][0], limit=0.5, what="last loss, per first loss")
    assert_alike(got, "trained", "from a checkpoint", exactly=True)
    assert_alike(got, "trained", "from a state", exactly=True)
    names = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    assert_equal(sorted(got["names"])[2:6], want=sorted(f"1.{name}" for name in names))
