"""Kata 13, Transformers: the MLP and the block (katas/13_transformers/README.md)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support import oracle
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.expressions import evaluate, loaded, type_of
from support.observe import observe
from support.strategies import BASE_SEED, fill, integer, normal, real
from test_13_transformers.by_hand import (
    attended,
    block,
    block_state,
    filled,
    mlp,
    mlp_state,
    norm,
    part,
    slope,
)


@observe(shown="{call}, with a state of its names: its result for x", uses=(loaded,))
def result(tt: Any, call: str, state: Any, x: Any, more: Any = None) -> Any:
    return loaded(tt, call, state)(tt.Tensor(x), **(more or {}))


@observe(shown="{call}, with a state: gradients of x and of all parameters", uses=(loaded,))
def walked(tt: Any, call: str, state: Any, x: Any, c: Any, more: Any = None) -> Any:
    model, t = loaded(tt, call, state), tt.Tensor(x, requires_grad=True)
    model(t, **(more or {})).backward(c)
    return {"x": t.grad} | {name: p.grad for name, p in model.named_parameters()}


@observe
def parts(tt: Any, call: str) -> Any:
    model = eval(f"tt.{call}", {"tt": tt, "np": np})
    names = ("linear1", "linear2", "norm1", "self_attn", "norm2", "mlp")
    kinds = {k: type(getattr(model, k)).__name__ for k in names if hasattr(model, k)}
    return {
        "shapes": {k: v.shape for k, v in model.state_dict().items()},
        "kinds": kinds,
        "dtypes": sorted({str(p.dtype) for p in model.parameters()}),
        "training": [m.training for m in model.modules() if not m.training],
    }


# ---- MLP: 13.6 -----------------------------------------------------------------------------------

MLPS = {  # a call, and hidden_dim, bias
    "MLP({n})": (None, True),
    "MLP({n}, 3)": (3, True),
    "MLP({n}, hidden_dim=None)": (None, True),
    "MLP(embed_dim={n}, hidden_dim=2, dropout=0.5)": (2, True),
    "MLP({n}, bias=False)": (None, False),
    "MLP(np.int64({n}), np.int32(5), 0.0, False)": (5, False),
    "MLP(np.int8(30 + {n}))": (None, True),
    "MLP(np.uint8(60 + {n}))": (None, True),
}


@pytest.mark.parametrize("call", MLPS)
def test_mlp_has_two_layers(call: str) -> None:
    """13.6 Names and shapes of the state, kinds of the parts, dtype."""
    n, (inside, bias) = integer(3, 2, 7), MLPS[call]
    got = parts(call.replace("{n}", str(n)))
    n += 30 * ("30" in call) + 60 * ("60" in call)
    assert_equal(got["shapes"], want=mlp_state(n, inside or 4 * n, bias))
    want = {"linear1": "Linear", "linear2": "Linear"}
    assert_equal([got["kinds"], got["dtypes"]], want=[want, ["float32"]])


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3), (2, 1, 2, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "without"])
def test_mlp_values(shape: Any, bias: bool) -> None:
    """13.6 Fresh numbers against NumPy, over any axes before the last."""
    state, x = filled(mlp_state(3, 12, bias)), 2 * normal(*shape)
    got = result(f"MLP(3, bias={bias})", state, x)
    assert_close(got, want=mlp(x, state), depth=10)


def test_mlp_bends_by_gelu() -> None:
    """13.6 One number after the other, with weights of 1: GELU in its tanh form, from -4 to 4."""
    state = {"linear1.weight": np.ones((1, 1)), "linear2.weight": np.ones((1, 1))}
    x = np.linspace(-4, 4, 17)[:, None] + real(0.1, 0.01, 0.2)
    assert_close(result("MLP(1, 1, bias=False)", state, x), want=mlp(x, state), depth=10)


def test_mlp_gradients() -> None:
    """13.6 The gradient of x and of every parameter, by how the result changes."""
    state, x, c = filled(mlp_state(3, 5)), normal(2, 4, 3), normal(2, 4, 3, seed=1)
    got, named = walked("MLP(3, 5)", state, x, c), {**state, "x": x}
    assert_equal({n: np.shape(got[n]) for n in named}, want={n: a.shape for n, a in named.items()})
    for seed, name in enumerate(named):
        want, way = slope(lambda s: mlp(s["x"], s), named, name, c, seed)
        assert_close(float((got[name] * way).sum()), want=want, depth=1e5, terms=100.0)


@observe(
    shown="{call}, in training mode and in eval mode: results for one x",
    uses=(loaded,),
)
def dropped(tt: Any, call: str, state: Any, x: Any, seed: int) -> Any:
    model = loaded(tt, call, state)
    tt.manual_seed(seed)
    train = [model(tt.Tensor(x)).data.copy() for _ in range(2)]
    tt.manual_seed(seed)
    again = model(tt.Tensor(x)).data.copy()
    return {
        "train": train[0],
        "once more": train[1],
        "same seed": again,
        "eval": model.eval()(tt.Tensor(x)),
    }


def share_of_zeros(got: Any, p: float) -> None:
    """About p of many numbers are 0, within 5 sigma."""
    zeros, n = float((got == 0).mean()), got.size
    limit = 5 * math.sqrt(p * (1 - p) / n)
    assert_below(abs(zeros - p), limit=limit, what="share of zeros, off the probability")


def test_mlp_drops_numbers_at_its_end() -> None:
    """13.6 Numbers of the result are 0 or enlarged, about as many as asked for; eval mode drops none."""
    p, state, x = real(0.25, 0.2, 0.4), filled(mlp_state(10, 7)), normal(200, 10)
    got, want = dropped(f"MLP(10, 7, dropout={p})", state, x, integer(3, 1, 999)), mlp(x, state)
    assert_close(got["eval"], want=want, depth=10)
    for name in ("train", "once more"):
        share_of_zeros(got[name], p)
        assert_close(got[name], want=np.where(got[name] == 0, 0, want / (1 - p)), depth=10)
    assert_alike(got, "train", "same seed")
    assert_above(
        float((got["train"] != got["once more"]).mean()), limit=0.1, what="numbers dropped anew"
    )


# ---- the block: 13.7 -----------------------------------------------------------------------------

BLOCKS = {  # a call, and whether there are biases
    "TransformerBlock({n}, 2)": True,
    "TransformerBlock(embed_dim={n}, num_heads=1)": True,
    "TransformerBlock({n}, {n}, 0.5)": True,
    "TransformerBlock({n}, 2, bias=False)": False,
    "TransformerBlock(np.int64({n}), np.int32(2), 0.0, False)": False,
}


@pytest.mark.parametrize("call", BLOCKS)
def test_block_has_its_parts(call: str) -> None:
    """13.7 Names and shapes of the state, kinds of the parts, dtype."""
    n = 2 * integer(2, 2, 4)
    got = parts(call.replace("{n}", str(n)))
    assert_equal(got["shapes"], want=block_state(n, BLOCKS[call]))
    want = {
        "norm1": "LayerNorm",
        "self_attn": "MultiHeadAttention",
        "norm2": "LayerNorm",
        "mlp": "MLP",
    }
    assert_equal([got["kinds"], got["dtypes"]], want=[want, ["float32"]])


CAUSAL = {"causal": ({"is_causal": True}, "causal"), "everything": ({}, None)}
every_mask = pytest.mark.parametrize("name", [*CAUSAL, "a-mask", "both"])


def masked(name: str, length: int) -> tuple[Any, Any]:
    """Options of a call, and who sees whom."""
    if name in CAUSAL:
        return CAUSAL[name]
    mask = np.random.default_rng([BASE_SEED, 5]).random((length, length)) < 0.5
    mask |= np.eye(length, dtype=bool)
    seen = mask & np.tril(mask) if name == "both" else mask
    return {"attn_mask": mask, "is_causal": name == "both"}, seen


@every_mask
@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "without"])
def test_block_values(name: str, heads: int, bias: bool) -> None:
    """13.7 Fresh numbers against NumPy: heads, masks, with biases and without."""
    state, x = filled(block_state(4, bias), heads), normal(2, integer(5, 3, 7), 4)
    more, seen = masked(name, x.shape[1])
    got = result(f"TransformerBlock(4, {heads}, bias={bias})", state, x, more)
    assert_close(got, want=block(x, state, heads, seen), depth=100)


@every_mask
def test_block_gradients(name: str) -> None:
    """13.7 The gradient of x and of every parameter, by how the result changes."""
    state, x, c = filled(block_state(4)), normal(2, 3, 4), normal(2, 3, 4, seed=1)
    more, seen = masked(name, 3)
    got, named = walked("TransformerBlock(4, 2)", state, x, c, more), {**state, "x": x}
    assert_equal({n: np.shape(got[n]) for n in named}, want={n: a.shape for n, a in named.items()})
    for seed, name in enumerate(named):
        want, way = slope(lambda s: block(s["x"], s, 2, seen), named, name, c, seed)
        assert_close(float((got[name] * way).sum()), want=want, depth=1e5, terms=100.0)


def silent(state: Any, *names: str) -> Any:
    """A state in which the last layers of some branches are 0."""
    return {k: 0 * v if any(n in k for n in names) else v for k, v in state.items()}


def test_block_adds_to_what_is_there() -> None:
    """13.7 Both branches end with zeros: x goes through as it is."""
    state, x = silent(filled(block_state(4)), "out_proj", "linear2"), 3 * normal(2, 3, 4)
    assert_close(result("TransformerBlock(4, 2)", state, x), want=x)


def test_block_adds_what_attention_finds() -> None:
    """13.7 The MLP ends with zeros: x plus the attention of the normalized x."""
    state, x = silent(filled(block_state(4)), "linear2"), 3 * normal(2, 3, 4) + 1
    found = attended(
        norm(x, part(state, "norm1.")), part(state, "self_attn."), 2, np.ones((3, 3), bool)
    )
    assert_close(result("TransformerBlock(4, 2)", state, x), want=x + found, depth=10)


def test_block_adds_what_the_mlp_finds() -> None:
    """13.7 The attention ends with zeros: x plus the MLP of x, normalized by the second norm."""
    state, x = silent(filled(block_state(4)), "out_proj"), 3 * normal(2, 3, 4) + 1
    want = x + mlp(norm(x, part(state, "norm2.")), part(state, "mlp."))
    assert_close(result("TransformerBlock(4, 2)", state, x), want=want, depth=10)


@observe(shown="a block: x afterwards, two calls, and what is left on it", uses=(loaded,))
def block_left(tt: Any, state: Any, x: Any, other: Any, training: bool) -> Any:
    x = x.copy()
    model = loaded(tt, "TransformerBlock(4, 2)", state).train(training)
    before = sorted(vars(model)) + sorted(model.state_dict())
    first = model(tt.Tensor(x), is_causal=True).data.copy()
    model(tt.Tensor(other))
    again = model(tt.Tensor(x), is_causal=True).data.copy()
    with tt.no_grad():
        model(tt.Tensor(x))
    after = sorted(vars(model)) + sorted(model.state_dict())
    return {"x": x, "first": first, "again": again, "left": [k for k in after if k not in before]}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_block_leaves_no_trace(training: bool) -> None:
    """13.7 The input after calls with and without a history, one after another length, names on the block."""
    state, x = filled(block_state(4)), normal(2, 3, 4)
    got = block_left(state, x, normal(1, 5, 4, seed=1), training)
    assert_unchanged(got, was={"x": x})
    assert_close(got["first"], want=block(x, state, 2, "causal"), depth=100)
    assert_alike(got, "first", "again", exactly=True)
    assert_equal(got["left"], want=[])


def test_block_stays_in_float32() -> None:
    """13.7 A block as it was made, of an x in float32."""
    x = normal(2, 3, 4).astype(np.float32)
    got = evaluate("tt.TransformerBlock(4, 2)(a, is_causal=True)", x)
    assert_equal([str(got.dtype), got.shape], want=["float32", (2, 3, 4)])


@observe(shown="{call}(x) with one mask after the other, and the first once more", uses=(loaded,))
def with_masks(tt: Any, call: str, state: Any, x: Any, masks: Any) -> Any:
    model = loaded(tt, call, state)
    found = [model(tt.Tensor(x), attn_mask=mask) for mask in masks]
    return [*found, model(tt.Tensor(x)), model(tt.Tensor(x), is_causal=True)]


def test_block_reads_the_mask_of_the_moment() -> None:
    """13.7 Several masks of one shape, the first once more, none, and is_causal: each call has its own."""
    state, x = filled(block_state(4)), normal(2, 3, 4)
    masks = [np.eye(3, dtype=bool), np.tri(3, dtype=bool), np.ones((3, 3), bool)]
    masks = [*masks, np.tri(3, dtype=bool).T, masks[0]]
    got = with_masks("TransformerBlock(4, 2)", state, x, masks)
    want = [block(x, state, 2, mask) for mask in (*masks, masks[2], masks[1])]
    assert_close(got, want=want, depth=100)


@observe(
    shown="a block with a mask of floats that learns, and its parts one after the other: result, the mask's gradient",
    uses=(loaded,),
)
def with_floats_as_mask(tt: Any, state: Any, x: Any, mask: Any, c: Any) -> Any:
    model, found = loaded(tt, "TransformerBlock(4, 2)", state), {}
    for name in ("block", "parts"):
        t, learned = tt.Tensor(x), tt.Tensor(mask, requires_grad=True)
        if name == "block":
            out = model(t, learned)
        else:
            h = t + model.self_attn(model.norm1(t), attn_mask=learned)
            out = h + model.mlp(model.norm2(h))
        out.backward(c)
        found |= {name: out.data, f"slope of the {name}": learned.grad}
    return found


def test_block_hands_on_a_mask_of_floats() -> None:
    """13.7 A mask that is added to the scores, and learns: as its parts do it."""
    state, x, c = filled(block_state(4)), normal(2, 3, 4), normal(2, 3, 4, seed=2)
    got = with_floats_as_mask(state, x, normal(3, 3, seed=1), c)
    assert_close(got["block"], want=got["parts"], depth=100)
    assert_close(got["slope of the block"], want=got["slope of the parts"], depth=100)


# ---- dropout: 13.8 -------------------------------------------------------------------------------


def test_block_drops_everything_but_x() -> None:
    """13.8 With dropout 1, in training mode: x goes through whole; in eval mode nothing is dropped."""
    state, x = filled(block_state(4)), normal(2, 3, 4)
    got = dropped("TransformerBlock(4, 2, dropout=1.0)", state, x, 1)
    assert_close(got["train"], want=x)
    assert_close(got["eval"], want=block(x, state, 2), depth=100)


def only(branch: str, size: int) -> Any:
    """A state whose one branch adds 1 to every number, and the other 0."""
    state = {k: np.zeros(shape) for k, shape in block_state(size).items()}
    return state | {f"{branch}.bias": np.ones(size)}


@pytest.mark.parametrize("branch", ["self_attn.out_proj", "mlp.linear2"])
def test_block_drops_what_a_branch_adds(branch: str) -> None:
    """13.8 Of a branch that adds 1 everywhere: some numbers receive 0, the others 1 / (1 - p)."""
    p, x = real(0.25, 0.2, 0.4), np.zeros((10, 20, 8))
    got = dropped(f"TransformerBlock(8, 2, {p})", only(branch, 8), x, integer(3, 1, 999))
    for name in ("train", "once more"):
        share_of_zeros(got[name], p)
        assert_close(got[name], want=np.where(got[name] == 0, 0, 1 / (1 - p)), depth=10)
    assert_alike(got, "train", "same seed")
    assert_above(
        float((got["train"] != got["once more"]).mean()), limit=0.1, what="numbers dropped anew"
    )
    assert_close(got["eval"], want=np.ones(x.shape), depth=10)


@pytest.mark.parametrize("branch", ["self_attn.out_proj", "mlp.linear2"])
def test_block_drops_in_each_text_and_place_anew(branch: str) -> None:
    """13.8 Which numbers are dropped, in one text and in the next, at one position and in the next."""
    x = np.zeros((12, 20, 8))
    got = dropped("TransformerBlock(8, 2, 0.5)", only(branch, 8), x, integer(3, 1, 999))["train"]
    gone = got == 0
    for axis in range(3):
        alike = float((np.diff(gone, axis=axis) == 0).mean())
        assert_below(alike, limit=0.7, what=f"share of equal neighbours along axis {axis}")
        assert_above(alike, limit=0.3, what=f"share of equal neighbours along axis {axis}")


def test_block_drops_in_each_branch_anew() -> None:
    """13.8 One branch adds 1, the other 10: what is dropped of one says nothing of the other."""
    state = only("self_attn.out_proj", 8) | {"mlp.linear2.bias": np.full(8, 10.0)}
    got = dropped("TransformerBlock(8, 2, 0.5)", state, np.zeros((10, 20, 8)), integer(3, 1, 999))
    for what in (0, 2, 20, 22):
        share = float((np.round(got["train"]) == what).mean())
        assert_above(share, limit=0.2, what=f"share of numbers that receive {what}")


@observe(
    shown="TransformerBlock(4, 2, dropout={p}).self_attn: its dropout; how many positions differ from eval mode",
    uses=(loaded,),
)
def attention_dropped(tt: Any, p: float, state: Any, x: Any, seed: int) -> Any:
    model = loaded(tt, f"TransformerBlock(4, 2, dropout={p})", state)
    option = model.self_attn.dropout
    tt.manual_seed(seed)
    train = model.self_attn(tt.Tensor(x)).data.copy()
    whole = model.eval().self_attn(tt.Tensor(x)).data
    return {"option": float(option), "other": float((train != whole).any(-1).mean())}


def test_block_drops_weights_of_the_attention() -> None:
    """13.8 The attention has the probability as its own option, and follows train and eval of the block."""
    p = real(0.5, 0.4, 0.6)
    got = attention_dropped(p, filled(block_state(4)), normal(3, 6, 4), integer(3, 1, 999))
    assert_close(got["option"], want=p)
    assert_above(got["other"], limit=0.5, what="share of positions that dropout changed")


@observe(shown="the draws that a block takes from its generators in a call: {mode}, dropout {p}")
def draws(tt: Any, mode: str, p: float, x: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    model = tt.TransformerBlock(4, 2, dropout=p, generator=rng)
    getattr(model, mode)()
    tt.manual_seed(seed)
    before, state = tt.rand(1).item(), repr(rng.bit_generator.state)
    tt.manual_seed(seed)
    model(tt.Tensor(x))
    return {"own": repr(rng.bit_generator.state) != state, "default": tt.rand(1).item() != before}


@pytest.mark.parametrize(("mode", "p"), [("train", 0.5), ("train", 0.0), ("eval", 0.5)])
def test_block_draws_only_what_it_drops(mode: str, p: float) -> None:
    """13.8 Whether a call draws, from the generator that was passed and from the default one."""
    got = draws(mode, p, normal(2, 3, 4), integer(3, 1, 999))
    assert_equal(got, want={"own": mode == "train" and p > 0, "default": False})


# ---- refusals: 13.9 ------------------------------------------------------------------------------

REFUSED = {  # a call, and what the message names
    "MLP(0)": ("0",),
    "MLP(-{n})": ("-{n}",),
    "MLP({n}.0)": ("{n}.0",),
    "MLP('{n}')": ("{n}",),
    "MLP(None)": ("None",),
    "MLP(4, 0)": ("0",),
    "MLP(4, -{n})": ("-{n}",),
    "MLP(4, {n}.5)": ("{n}.5",),
    "MLP(4, dropout=1.{n})": ("1.{n}",),
    "MLP(4, dropout=-0.{n})": ("-0.{n}",),
    "MLP({n}, dropout=float('nan'))": ("nan",),
    "MLP({n}, dropout=float('inf'))": ("inf",),
    "TransformerBlock(0, 1)": ("0",),
    "TransformerBlock({n}.0, 1)": ("{n}.0",),
    "TransformerBlock(-{n}, 1)": ("-{n}",),
    "TransformerBlock(4, 0)": ("0",),
    "TransformerBlock(4, -{n})": ("-{n}",),
    "TransformerBlock(4, 2.0)": ("2.0",),
    "TransformerBlock(4, None)": ("None",),
    "TransformerBlock(11, {n})": ("11", "{n}"),
    "TransformerBlock({n}, 1{n})": ("{n}", "1{n}"),
    "TransformerBlock(4, 2, 1.{n})": ("1.{n}",),
    "TransformerBlock(4, 2, dropout=-0.{n})": ("-0.{n}",),
    "TransformerBlock({n}, 1, float('nan'))": ("nan",),
}


@pytest.mark.parametrize("call", REFUSED)
def test_parts_refuse(call: str) -> None:
    """13.9 Sizes, heads and probabilities that are none; the message names them."""
    n, says = str(integer(4, 2, 9)), REFUSED[call]
    call = f"tt.{call}".replace("{n}", n)
    says = tuple(s.replace("{n}", n) for s in says)
    assert_raises(type_of, call, error="ValueError", says=says)


# ---- PyTorch: 13.26 ------------------------------------------------------------------------------


def record(torch: Any) -> dict[str, Any]:
    """A TransformerEncoderLayer in float64, pre-norm, tanh GELU, causal: values and every gradient."""
    gelu = torch.nn.GELU(approximate="tanh")
    layer = torch.nn.TransformerEncoderLayer(6, 2, 24, 0.0, gelu, 1e-5, True, True).double()
    found = {f"state/{k}": v for k, v in filled(block_state(6), base=0).items()}
    theirs = {k[6:]: torch.tensor(v) for k, v in found.items()}
    layer.load_state_dict({k.removeprefix("mlp."): v for k, v in theirs.items()})
    x, c = (fill((2, 5, 6), 70 + i, "normal", base=0) for i in range(2))
    t = torch.tensor(x, requires_grad=True)
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    out = layer(t, src_mask=mask)
    out.backward(torch.tensor(c))
    slopes = {f"d/{k}": p.grad for k, p in layer.named_parameters()} | {"d/x": t.grad}
    slopes = {k.replace("d/linear", "d/mlp.linear"): v.numpy() for k, v in slopes.items()}
    return {
        f"block/{k}": v
        for k, v in ({"x": x, "c": c, "out": out.detach().numpy()} | found | slopes).items()
    }


def test_block_is_pytorchs() -> None:
    """13.26 PyTorch's layer with the same weights, causal: the result and every gradient."""
    names = list(block_state(6))
    state = {k: oracle.own("13", f"block/state/{k}") for k in names}
    x, c = (oracle.own("13", f"block/{k}") for k in "xc")
    more = {"is_causal": True}
    got = result("TransformerBlock(6, 2)", state, x, more)
    assert_close(got, want=oracle.own("13", "block/out"), depth=100)
    want = {k: oracle.own("13", f"block/d/{k}") for k in ("x", *names)}
    assert_close(walked("TransformerBlock(6, 2)", state, x, c, more), want=want, depth=1000)


# ---- steps: 13.25 --------------------------------------------------------------------------------


@observe(shown="a block, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for texts, length, heads, size in sizes:
        model = tt.TransformerBlock(size, heads)
        x = tt.Tensor(np.ones((texts, length, size), np.float32), requires_grad=True)
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = model(x, is_causal=True)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "shape": x.grad.shape}


@pytest.mark.parametrize(
    "large", [(400, 3, 2, 4), (2, 63, 2, 4), (2, 3, 2, 400), (20, 25, 2, 16)], ids=str
)
def test_block_has_no_loop(large: Any) -> None:
    """13.25 Steps for a few texts of three tokens, and for many texts, positions or columns."""
    large = (large[0] + integer(0, 0, 3), *large[1:])
    small = (2, 3, 2, 4)
    got = counted_steps([small, small, large])
    assert_equal(got["shape"], want=(large[0], large[1], large[3]))
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )
