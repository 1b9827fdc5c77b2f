"""Kata 12: attention in NumPy, one query and one key at a time; tables."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from support.oracle import Case
from support.strategies import BASE_SEED, fill

CALL = "tt.scaled_dot_product_attention(a, b, c{})"
ASK = "tt.scaled_dot_product_attention(q, k, v{})"  # where a cotangent is called c
KEYS = np.array([[0.0], [math.log(3)]])  # the README's worked example
QUERIES, VALUES = np.array([[1.0], [0.0]]), np.array([[0.0], [8.0]])
Shape = tuple[int, ...]


def case(name: str, more: str, *shapes: Shape, gradient: bool = True) -> Case:
    """A call that PyTorch answers under the same name, gradients included."""
    call = CALL.format(more)
    torch = call.replace("tt.", "F.").replace("np.array(", "torch.tensor(")
    return Case(f"attention-{name}", call, (shapes,), "normal", torch, gradient)


HIDDEN = "np.array([[True, False, True, True, False], [False, False, False, False, False], [False, True, True, False, True]])"

PLAIN = [
    case("matrices", "", (3, 4), (5, 4), (5, 2)),
    case("batch", "", (2, 3, 4), (2, 5, 4), (2, 5, 4)),
    case("heads", "", (2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3)),
    case("more-queries-than-keys", "", (2, 5, 3), (2, 2, 3), (2, 2, 4)),
    case("as-many-as-numbers", "", (4, 4), (4, 4), (4, 4)),
    case("one-query", "", (2, 1, 4), (2, 3, 4), (2, 3, 2)),
    case("one-key", "", (2, 3, 4), (2, 1, 4), (2, 1, 2), gradient=False),
    case("one-number", "", (3, 1), (4, 1), (4, 1)),
]
SCALES = [
    case("scale", ", scale=0.3", (3, 4), (5, 4), (5, 2)),
    case("scale-1", ", scale=1", (2, 3, 4), (2, 5, 4), (2, 5, 2)),
    case("scale-negative", ", scale=-0.7", (3, 4), (5, 4), (5, 2)),
    case("scale-0", ", scale=0.0", (3, 4), (5, 4), (5, 2), gradient=False),
    case("scale-of-nine", ", None, 0.0, False, scale=0.25", (3, 9), (5, 9), (5, 2)),
]
BOOLS = [
    case("bools", f", {HIDDEN}[::2]", (2, 4), (5, 4), (5, 2)),
    case("bools-and-a-hidden-row", f", {HIDDEN}", (2, 3, 4), (2, 5, 4), (2, 5, 2)),
    case(
        "bools-for-all-queries", ", np.array([True, False, True])", (2, 2, 4), (2, 3, 4), (2, 3, 2)
    ),
    case(
        "bools-for-each-batch",
        ", np.array([[[[True, False, True]]], [[[False, True, True]]]])",
        (2, 2, 4, 3),
        (2, 2, 3, 3),
        (2, 2, 3, 3),
    ),
    case(
        "bools-for-whole-queries",
        ", attn_mask=np.array([[True], [False]])",
        (2, 2, 4),
        (2, 3, 4),
        (2, 3, 2),
    ),
]
FLOATS = [
    case("floats", ", d", (3, 4), (5, 4), (5, 2), (3, 5)),
    case("floats-for-all-queries", ", d", (2, 3, 4), (2, 5, 4), (2, 5, 2), (5,)),
    case("floats-for-each-head", ", d", (2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3), (2, 1, 5)),
    case("floats-for-each-batch", ", attn_mask=d", (2, 3, 4), (2, 5, 4), (2, 5, 2), (2, 3, 5)),
]
CAUSAL = [
    case("causal", ", is_causal=True", (4, 3), (4, 3), (4, 2)),
    case("causal-heads", ", is_causal=True", (2, 2, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4)),
    case("causal-fewer-queries", ", is_causal=True", (2, 3, 4), (2, 5, 4), (2, 5, 2)),
    case("causal-more-queries", ", None, 0.0, True", (2, 5, 4), (2, 3, 4), (2, 3, 2)),
]
GROUPED = [
    case("grouped", ", enable_gqa=True", (2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3)),
    case("grouped-in-three", ", enable_gqa=True", (6, 2, 3), (2, 4, 3), (2, 4, 3)),
    case("one-key-head", ", enable_gqa=True", (2, 3, 3, 4), (2, 1, 5, 4), (2, 1, 5, 3)),
    case("as-many-key-heads", ", enable_gqa=True", (2, 3, 4), (2, 5, 4), (2, 5, 2)),
    case("grouped-causal", ", is_causal=True, enable_gqa=True", (4, 3, 4), (2, 3, 4), (2, 3, 2)),
]


def filled(
    lengths: tuple[int, int] = (3, 5),
    sizes: tuple[int, int] = (4, 2),
    before: Shape = (),
    kv_heads: int | None = None,
    seed: int = 0,
) -> list[Any]:
    """Queries (*before, L, E), keys and values; kv_heads is the size of axis -3 of the last two."""
    shared = before if kv_heads is None else (*before[:-1], kv_heads)
    shapes = [(*before, lengths[0], sizes[0])]
    shapes += [(*shared, lengths[1], size) for size in sizes]
    return [fill(shape, seed + 10 * i, "normal") for i, shape in enumerate(shapes)]


def bools(*shape: int, seed: int = 0, share: float = 0.6) -> Any:
    """A mask of bools: of three keys or more each row shows at least two and hides one; of two it hides one."""
    rng, keys = np.random.default_rng([BASE_SEED, seed, 12]), shape[-1]
    mask = rng.random(shape) < share
    first = rng.integers(0, max(keys, 1), (*shape[:-1], 1))
    place = (np.arange(keys) - first) % max(keys, 1)  # counted from the first that is shown
    shown = min(2, max(1, keys - 1))
    return (mask | (place < shown)) & (place != shown)


def added(mask: Any, shape: Shape, causal: bool = False) -> Any:
    """What is added to the scores: of bools 0 and -inf, of floats they themselves."""
    numbers = np.zeros(shape)
    if mask is not None:
        mask = np.asarray(mask)
        numbers = numbers + (np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask)
    for i, j in np.ndindex(shape[-2:]):
        if causal and j > i:
            numbers[..., i, j] = -np.inf
    return numbers


def key_head(index: Shape, query: Any, key: Any) -> Shape:
    """Where the keys of a query head are."""
    if query.shape[:-2] == key.shape[:-2]:
        return index
    return (*index[:-1], index[-1] // (query.shape[-3] // key.shape[-3]))


def softened(scores: Any) -> Any:
    """The softmax of one row; zeros where nothing is seen."""
    seen = [s for s in scores if s > -math.inf]
    if not seen:
        return np.zeros(len(scores))
    powers = [math.exp(s - max(seen)) for s in scores]
    return np.array(powers) / math.fsum(powers)


def weighed(q: Any, k: Any, mask: Any = None, causal: bool = False, scale: Any = None) -> Any:
    """The weights, row after row: (..., L, S)."""
    scale = 1 / math.sqrt(q.shape[-1] or 1) if scale is None else float(scale)
    shape = (*q.shape[:-1], k.shape[-2])
    found, numbers = np.zeros(shape), added(mask, shape, causal)
    for *head, i in np.ndindex(q.shape[:-1]):
        keys = k[key_head(tuple(head), q, k)]
        scores = [scale * float(q[(*head, i)] @ key) for key in keys]
        found[(*head, i)] = softened(np.array(scores) + numbers[(*head, i)])
    return found


def attended(q: Any, k: Any, v: Any, factors: Any = 1.0, **options: Any) -> Any:
    """The result; `factors` is what dropout multiplies the weights with."""
    weights = weighed(q, k, **options) * factors
    found = np.zeros((*q.shape[:-1], v.shape[-1]))
    for head in np.ndindex(q.shape[:-2]):
        found[head] = weights[head] @ v[key_head(head, q, k)]
    return found


def sloped(q: Any, k: Any, v: Any, c: Any, factors: Any = 1.0, **options: Any) -> list[Any]:
    """The gradients of queries, keys and values, and of the scores: what a mask of floats receives."""
    weights = weighed(q, k, **options)
    factors = np.broadcast_to(factors, weights.shape)
    given = options.get("scale")
    scale = 1 / math.sqrt(q.shape[-1] or 1) if given is None else float(given)
    slopes = [np.zeros_like(q), np.zeros_like(k), np.zeros_like(v), np.zeros_like(weights)]
    for *head, i in np.ndindex(q.shape[:-1]):
        at, row = key_head(tuple(head), q, k), (*head, i)
        upstream = factors[row] * (v[at] @ c[row])
        p = weights[row]
        slopes[3][row] = d = p * (upstream - math.fsum(p * upstream))
        slopes[2][at] += np.outer(p * factors[row], c[row])
        slopes[0][row] = scale * (d @ k[at])
        slopes[1][at] += scale * np.outer(d, q[row])
    return slopes


def summed_to(slope: Any, shape: Shape) -> Any:
    """A gradient of the scores summed to the shape of a mask that was broadcast to them."""
    new = slope.ndim - len(shape)
    slope = slope.sum(tuple(range(new))) if new else slope
    return slope.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def grown(steps: list[int]) -> int:
    """How many steps the next size takes more, where it is fewest: to choose another way once is no growth."""
    return max(0, min(later - earlier for earlier, later in pairwise(steps)))
