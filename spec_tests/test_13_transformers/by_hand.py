"""Kata 13: layer norm and a block in NumPy; what PyTorch is asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import settings
from support.oracle import Case
from support.strategies import BASE_SEED, fill

FEW = settings(max_examples=25)
SHAPES: dict[str, tuple[Any, Any]] = {  # of x, and the sizes that are normalized
    "vector": ((5,), 5),
    "matrix": ((3, 4), 4),
    "text": ((2, 3, 5), 5),
    "two-axes": ((2, 3, 5), (3, 5)),
    "three-axes": ((3, 2, 4), (3, 2, 4)),
    "list": ((4, 2, 3), [2, 3]),
    "one-axis-in-a-tuple": ((2, 3, 3), (3,)),
    "square": ((4, 4), 4),
    "size-1-axes": ((3, 1, 5), (1, 5)),
}


def case(name: str, shape: Any, last: Any, more: str = "", operands: str = "abc") -> Case:
    """A layer norm that PyTorch answers under the same name, gradients included."""
    sizes = tuple(last) if isinstance(last, (tuple, list)) else (last,)
    given = f", {', '.join(operands[1:])}" if len(operands) > 1 else ""
    call, torch = (
        f"{name}(a, {s}{given}{more})"
        for name, s in (("tt.layer_norm", last), ("F.layer_norm", sizes))
    )
    shapes = (tuple(shape), *[sizes] * (len(operands) - 1))
    return Case(f"norm-{name}", call, (shapes,), "normal", torch, gradient=True)


NORMS = [case(name, *shapes) for name, shapes in SHAPES.items()]
NORMS += [
    case("bare", (2, 3, 5), 5, operands="a"),
    case("without-a-bias", (3, 4), 4, operands="ab"),
    case("eps-by-name", (2, 3, 4), 4, ", eps=0.5"),
    case("eps-in-place", (2, 3, 4), (3, 4), ", 0.125"),
    case("eps-0", (3, 5), 5, ", eps=0.0"),
]


def normed(x: Any, last: Any, w: Any = None, b: Any = None, eps: float = 1e-5) -> Any:
    """layer_norm in NumPy."""
    rows = np.reshape(x, (-1, math.prod(np.atleast_1d(last))))
    found = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + eps)
    out = found.reshape(x.shape) * (1.0 if w is None else w)
    return out if b is None else out + b


def slopes(x: Any, last: Any, w: Any, c: Any, eps: float = 1e-5) -> list[Any]:
    """The gradients of layer_norm with respect to x, weight and bias."""
    sizes = tuple(np.atleast_1d(last))
    rows, g = (np.reshape(a, (-1, math.prod(sizes))) for a in (x, c * w))
    n = rows.shape[1]
    root = np.sqrt(rows.var(1) + eps)
    found = np.empty_like(rows)
    for j in range(
        n
    ):  # by each number of the row: d out_k / d x_j = (1[j=k] - 1/n - n_j n_k / n) / root
        centered = rows - rows.mean(1, keepdims=True)
        along = (g * centered).sum(1) * centered[:, j] / root**2
        found[:, j] = (g[:, j] - g.mean(1) - along / n) / root
    along = (normed(x, last, eps=eps) * c).reshape(-1, *sizes).sum(0)
    return [found.reshape(x.shape), along, c.reshape(-1, *sizes).sum(0)]


# ---- blocks and models, their states being arrays by name ----------------------------------------

State = dict[str, Any]


def linear_state(name: str, rows: int, columns: int, bias: bool) -> State:
    """The shapes of a Linear, or of what is like one."""
    return {f"{name}weight": (rows, columns)} | ({f"{name}bias": (rows,)} if bias else {})


def norm_state(name: str, size: int, bias: bool) -> State:
    """The shapes of a LayerNorm."""
    return {f"{name}.weight": (size,)} | ({f"{name}.bias": (size,)} if bias else {})


def mlp_state(size: int, inside: int, bias: bool = True, name: str = "") -> State:
    """The shapes of an MLP."""
    first = linear_state(f"{name}linear1.", inside, size, bias)
    return first | linear_state(f"{name}linear2.", size, inside, bias)


def block_state(size: int, bias: bool = True, name: str = "") -> State:
    """The shapes of a TransformerBlock."""
    found = norm_state(f"{name}norm1", size, bias)
    found |= linear_state(f"{name}self_attn.in_proj_", 3 * size, size, bias)
    found |= linear_state(f"{name}self_attn.out_proj.", size, size, bias)
    found |= norm_state(f"{name}norm2", size, bias)
    return found | mlp_state(size, 4 * size, bias, f"{name}mlp.")


def gpt_state(tokens: int, block: int, layers: int, size: int, bias: bool = True) -> State:
    """The shapes of a GPT; the two names of the tied table come first and last."""
    found = {"token_embedding.weight": (tokens, size), "position_embedding.weight": (block, size)}
    for k in range(layers):
        found |= block_state(size, bias, f"blocks.{k}.")
    return found | norm_state("norm", size, bias) | {"lm_head.weight": (tokens, size)}


def filled(shapes: State, seed: int = 0, base: int = BASE_SEED) -> State:
    """Numbers for a state: matrices are small, so that no softmax is nearly hard; a tied table is one."""
    found = {}
    for i, (name, shape) in enumerate(shapes.items()):
        array = fill(shape, 100 * seed + i, "normal", base)
        found[name] = (
            array / math.sqrt(shape[-1]) if len(shape) > 1 else array / 2 + ("norm" in name)
        )
    if "lm_head.weight" in found:
        found["lm_head.weight"] = found["token_embedding.weight"]
    return found


def part(state: State, name: str) -> State:
    """The state of a part, without the part's name."""
    return {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}


def linear(x: Any, state: State) -> Any:
    """x @ weight.T, plus the bias if there is one."""
    return x @ state["weight"].T + state.get("bias", 0.0)


def gelu(x: Any) -> Any:
    """The tanh form."""
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def mlp(x: Any, state: State) -> Any:
    """The two layers with a GELU between."""
    return linear(gelu(linear(x, part(state, "linear1."))), part(state, "linear2."))


def norm(x: Any, state: State) -> Any:
    """LayerNorm over the last axis."""
    return normed(x, x.shape[-1], state["weight"], state.get("bias"))


def attended(x: Any, state: State, heads: int, seen: Any) -> Any:
    """Self-attention of x (B, T, D); seen (T, T) says which position sees which."""
    size = x.shape[-1]
    projected = linear(x, part(state, "in_proj_"))
    found = np.zeros(x.shape)
    for h in range(heads):
        cut = slice(h * size // heads, (h + 1) * size // heads)
        q, k, v = (projected[..., i * size : (i + 1) * size][..., cut] for i in range(3))
        scores = q @ k.swapaxes(1, 2) / math.sqrt(size // heads)
        scores = np.where(seen, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        found[..., cut] = weights / weights.sum(-1, keepdims=True) @ v
    return linear(found, part(state, "out_proj."))


def block(x: Any, state: State, heads: int, seen: Any = None) -> Any:
    """A TransformerBlock; seen None is everything, "causal" what is not later."""
    seen = np.ones((x.shape[1],) * 2, bool) if seen is None else seen
    seen = np.tril(np.ones((x.shape[1],) * 2, bool)) if isinstance(seen, str) else seen
    attention, thinking = part(state, "self_attn."), part(state, "mlp.")
    x = x + attended(norm(x, part(state, "norm1.")), attention, heads, seen)
    return x + mlp(norm(x, part(state, "norm2.")), thinking)


def gpt(ids: Any, state: State, heads: int) -> Any:
    """The logits of a GPT."""
    x = (
        state["token_embedding.weight"][ids]
        + state["position_embedding.weight"][: np.shape(ids)[1]]
    )
    for k in range(len({name.split(".")[1] for name in state if name.startswith("blocks.")})):
        x = block(x, part(state, f"blocks.{k}."), heads, "causal")
    return norm(x, part(state, "norm.")) @ state["token_embedding.weight"].T


def slope(function: Any, state: State, name: str, c: Any, seed: int = 0) -> tuple[float, Any]:
    """How the sum of c * function(state) changes along a direction of one array, and the direction."""
    way = fill(state[name].shape, 900 + seed, "normal")
    step = 1e-5
    moved = {
        s: (c * function(state | {name: state[name] + s * step * way})).sum()
        for s in (-2, -1, 1, 2)
    }
    near, far = (moved[s] - moved[-s] for s in (1, 2))
    return (8 * near - far) / (12 * step), way
