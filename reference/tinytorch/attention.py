"""Kata 12. Attention: each position asks all others, and takes the mean of what they answer.

A query is compared with every key, one product each. The softmax makes weights of these scores, and
the result is the mean of the values by these weights. A mask decides who may see whom. All of it is
one operation with one gradient rule, which keeps the weights and no other array of their size. Several
heads do this side by side, each with a part of the vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.autograd import defvjp_fused
from tinytorch.dataloader import whole
from tinytorch.door import Array, composite, primitive
from tinytorch.layers import Dropout, Linear, Module, Parameter
from tinytorch.tensor import Tensor, rand

Shape = tuple[int, ...]

# ---- who may see whom ----------------------------------------------------------------------------


def causal_mask(queries: int, keys: int | None = None, offset: int = 0) -> Tensor:
    """Which keys each query may see when nobody looks ahead: mask[i, j] is whether j <= offset + i.

    Args:
        queries: L, how many queries there are.
        keys: S, how many keys; None is offset + queries, so that the last query sees all of them.
        offset: the position of the first query among the keys.

    Returns:
        (L, S), bools.

    Raises:
        ValueError: one of them is not a whole number of at least 0.

    Example:
        >>> causal_mask(2).tolist(), causal_mask(1, offset=2).tolist()
        ([[True, False], [True, True]], [[True, True, True]])

    Source: torch.tril; torch.nn.attention.bias.causal_lower_right where keys is None
    """
    queries, offset = whole("queries", queries, 0), whole("offset", offset, 0)
    keys = offset + queries if keys is None else whole("keys", keys, 0)
    return Tensor(np.arange(keys) <= offset + np.arange(queries)[:, np.newaxis])


# ---- attention -----------------------------------------------------------------------------------


@composite
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Means of the values, weighted by how well keys fit queries: softmax(query @ key.T * scale) @ value.

    A query that may see no key gets zeros.

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, EV); the axes before the last two are the same for all three.
        attn_mask: what broadcasts to the scores, (..., L, S). Bools: True where the query may see the
            key. Floats: they are added to the scores, -inf hides; with requires_grad they learn.
        dropout_p: the probability of a weight to be dropped, the others being multiplied by
            1 / (1 - p). There is no eval mode here.
        is_causal: query i sees keys 0 to i alone, of those that attn_mask shows.
        scale: None is 1 / sqrt(E).
        enable_gqa: key and value may have fewer heads than query, in axis -3: HK heads for HQ, where
            HK divides HQ. Query head h uses key head h // (HQ / HK).
        generator: what dropout draws from; None is the generator that `manual_seed` restarts.

    Returns:
        (..., L, EV).

    Raises:
        ValueError: shapes do not fit together, or dropout_p is no probability; the message names them.
        TypeError: attn_mask holds neither bools nor floats; the message names the dtype.

    Example:
        >>> x = Tensor([[0.0, 0.0], [0.0, 0.0]])
        >>> scaled_dot_product_attention(x, x, Tensor([[1.0], [3.0]])).tolist()
        [[2.0], [2.0]]

    Source: torch.nn.functional.scaled_dot_product_attention; Vaswani et al. 2017, section 3.2.1
    """
    _demand_fit(query.shape, key.shape, value.shape, enable_gqa)
    scores = (*query.shape[:-1], key.shape[-2])
    mask = _additive(attn_mask, scores, query.dtype)
    kept = _kept(dropout_p, scores, query.dtype, generator)
    if scale is None:
        scale = 1 / math.sqrt(max(query.shape[-1], 1))
    return attention(query, key, value, mask, scale, is_causal, kept)


@primitive
def attention(
    query: Array, key: Array, value: Array, mask: Any, /, scale: float, is_causal: bool, kept: Any
) -> tuple[Array, Any]:
    """`scaled_dot_product_attention` once its arguments are checked.

    Args:
        query, key, value: as there.
        mask: what is added to the scores, or None.
        scale: a number.
        is_causal: as there.
        kept: what the weights are multiplied with, (..., L, S), or None.

    Returns:
        the output, and what `attention_gradients` gets as `saved`.
    """
    scores = _shared(query * scale, key) @ key.swapaxes(-1, -2)  # (..., HK, HQ / HK * L, S)
    weights = scores.reshape(*query.shape[:-1], key.shape[-2])  # (..., HQ, L, S), the same memory
    if mask is not None:
        weights += mask
    if is_causal:
        future = np.zeros(weights.shape[-2:], weights.dtype)
        future[~np.tri(*future.shape, dtype=np.bool_)] = -np.inf
        weights += future
    top = weights.max(-1, keepdims=True, initial=-np.inf)
    top[top == -np.inf] = 0  # a query that sees no key; -inf - -inf would be nan
    weights -= top
    np.exp(weights, out=weights)
    ones = np.ones(weights.shape[-1], weights.dtype)
    sums = (weights @ ones)[..., np.newaxis]  # faster than a sum along an axis so short
    sums[sums == 0] = 1
    used = weights if kept is None else weights * kept
    out = (_shared(used, key) @ value).reshape(*query.shape[:-1], value.shape[-1])
    out /= sums  # EV numbers a query; to divide the weights would take S
    return out, (weights, sums, out)


def attention_gradients(
    needed: Sequence[bool],
    g: Array,
    saved: Any,
    query: Array,
    key: Array,
    value: Array,
    mask: Any,
    scale: float,
    is_causal: bool,
    kept: Any,
) -> list[Array | None]:
    """The fused rule of `attention`: the gradients of query, key, value and mask, None where none is needed.

    With weights P, d is the gradient of the scores: d = P * (g @ value.T - the sum of g * out). Where P
    is 0, nothing flows: that is all that the rule has to know of masks.

    Args:
        needed: whether query, key, value and mask need a gradient.
        g: (..., L, EV), the cotangent.
        saved: what `attention` returned beside its output: the exponentials, their sums, the output.
        query, key, value, mask, scale, is_causal, kept: what `attention` was given.

    Source: Dao et al. 2022 (FlashAttention), appendix B.2
    """
    weights, sums, out = saved
    g = g / sums  # so that the exponentials may stand for the weights
    shared = _shared(g, key)
    slopes: list[Array | None] = [None, None, None, None]
    if needed[2]:
        used = weights if kept is None else weights * kept
        slopes[2] = _shared(used, key).swapaxes(-1, -2) @ shared
    if needed[0] or needed[1] or needed[3]:
        d = (shared @ value.swapaxes(-1, -2)).reshape(weights.shape)
        if kept is not None:
            d *= kept
        d -= (g * out).sum(-1, keepdims=True)
        d *= weights
        rows = _shared(d, key)
        slopes[0] = (rows @ key).reshape(query.shape) * scale if needed[0] else None
        slopes[1] = rows.swapaxes(-1, -2) @ _shared(query * scale, key) if needed[1] else None
        slopes[3] = d
    return slopes


defvjp_fused(attention, attention_gradients)


def _shared(x: Array, key: Array) -> Array:
    """The rows of all query heads that share a key head, one below the other: (..., HK, HQ / HK * L, n)."""
    if x.shape[:-2] == key.shape[:-2]:
        return x
    many = x.shape[-3] // key.shape[-3]
    return x.reshape(*key.shape[:-2], many * x.shape[-2], x.shape[-1])


def _demand_fit(query: Shape, key: Shape, value: Shape, enable_gqa: bool) -> None:
    """Refuse shapes that do not go together."""
    fits = min(len(query), len(key)) > 1 and query[-1] == key[-1] and key[:-1] == value[:-1]
    before, shared = query[:-2], key[:-2]
    if fits and before != shared:
        alike = len(before) == len(shared) and before[:-1] == shared[:-1]
        fits = enable_gqa and alike and shared[-1] > 0 and before[-1] % shared[-1] == 0
    if not fits:
        raise ValueError(
            "attention takes query (..., L, E), key (..., S, E) and value (..., S, EV) with the same axes "
            "before, or with enable_gqa=True fewer heads in axis -3 of key and value, a divisor; got "
            f"{query}, {key} and {value}"
        )


def _kept(dropout_p: float, scores: Shape, dtype: Any, generator: Any) -> Array | None:
    """What dropout multiplies the weights with, 0 or 1 / (1 - p); None where nothing is dropped."""
    if dropout_p == 0:
        return None
    return Dropout(dropout_p, generator)(Tensor(np.ones(scores, dtype))).data


def _additive(mask: Any, scores: Shape, dtype: Any) -> Any:
    """A mask as numbers that are added to the scores: of bools 0 and -inf."""
    if mask is None:
        return None
    given = np.asarray(mask)
    if given.dtype.kind not in "bf":
        raise TypeError(
            "attn_mask holds bools, True where a query may see a key, or floats that are added to the "
            f"scores; got dtype {given.dtype}: mask != 0 makes bools of integers; mask * 1.0 only if the numbers are to be added"
        )
    sizes = zip(given.shape[::-1], scores[::-1], strict=False)
    if given.ndim > len(scores) or any(n not in (1, m) for n, m in sizes):
        raise ValueError(
            f"attn_mask must broadcast to the scores, (..., L, S) = {scores}; got {given.shape}: each size is theirs or 1, so a mask (B, S) of keys is mask[:, None], with heads mask[:, None, None]"
        )
    if given.dtype.kind == "b":
        return np.where(given, 0, -np.inf).astype(dtype)
    learned = isinstance(mask, Tensor) and mask.requires_grad
    return mask if learned else given.astype(dtype)


# ---- several heads -------------------------------------------------------------------------------


class MultiHeadAttention(Module):
    """Attention in several heads, each with projections of its own, and a projection of what they found.

    heads = scaled_dot_product_attention(project(query, key, value)); out = merge(heads).

    in_proj_weight starts uniform in [-b, b] with b = sqrt(6 / (columns + rows)), out_proj.weight as in a
    Linear, and the biases as zeros.

    Args:
        embed_dim: E, the width of queries, keys, values and of the result.
        num_heads: H, divides E; each head has the width D = E / H.
        dropout: the probability of a weight to be dropped while training.
        bias: whether the projections have a bias; without, in_proj_bias and out_proj.bias are None.
        num_kv_heads: HK, how many heads keys and values have; divides H, and None is H.
        generator: what to draw from, now and for dropout; None is the generator that `manual_seed` restarts.

    Attributes:
        in_proj_weight: Parameter (E + 2 * HK * D, E), float32: the rows for queries, then those for keys
            and those for values; within each, head after head.
        in_proj_bias: Parameter (E + 2 * HK * D,), float32, or None.
        out_proj: Linear(E, E).
        embed_dim, num_heads, num_kv_heads, head_dim, dropout: E, H, HK, D and the probability.

    Raises:
        ValueError: a number is not a whole one of at least 1, heads do not divide what they should, or
            dropout is no probability; the message names the values.

    Example:
        >>> attention = MultiHeadAttention(8, 2)
        >>> attention(Tensor(np.zeros((3, 5, 8), np.float32)), is_causal=True).shape
        (3, 5, 8)

    Source: torch.nn.MultiheadAttention(batch_first=True); Ainslie et al. 2023 for num_kv_heads
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        num_kv_heads: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        self.embed_dim = whole("embed_dim", embed_dim, 1)
        self.num_heads = whole("num_heads", num_heads, 1)
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        self.num_kv_heads = whole("num_kv_heads", kv_heads, 1)
        if self.embed_dim % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(
                "heads divide the width, and heads of keys those of queries; got "
                f"embed_dim={embed_dim}, num_heads={num_heads}, num_kv_heads={kv_heads}: make each a multiple of the next"
            )
        self.head_dim = self.embed_dim // self.num_heads
        self.dropout = Dropout(dropout).p  # refuses what is no probability
        self._generator = generator
        rows = (self.num_heads + 2 * self.num_kv_heads) * self.head_dim
        start = rand(rows, self.embed_dim, generator=generator).data * 2 - 1
        self.in_proj_weight = Parameter(start * math.sqrt(6 / (self.embed_dim + rows)))
        self.in_proj_bias = Parameter(np.zeros(rows, np.float32)) if bias else None
        self.out_proj = Linear(self.embed_dim, self.embed_dim, bias, generator)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data[...] = 0

    def project(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the heads compare and average.

        Args:
            query: (..., L, E).
            key: (..., S, E); None is query.
            value: (..., S, E); None is key.

        Returns:
            query (..., H, L, D), key and value (..., HK, S, D).

        Raises:
            ValueError: shapes do not fit together, or the last axis is not E; the message names them.
        """
        key = query if key is None else key
        value = key if value is None else value
        self._demand_widths(query.shape, key.shape, value.shape)
        heads, shared = self.num_heads, self.num_kv_heads
        if query is key is value:  # one product for all
            x = self._heads(query, 0, heads + 2 * shared)
            return x[..., :heads, :, :], x[..., heads:-shared, :, :], x[..., -shared:, :, :]
        return (
            self._heads(query, 0, heads),
            self._heads(key, heads, shared),
            self._heads(value, heads + shared, shared),
        )

    def merge(self, heads: Tensor) -> Tensor:
        """What the heads found, side by side and projected once more.

        Args:
            heads: (..., H, L, D).

        Returns:
            (..., L, E).

        Raises:
            ValueError: another shape; the message names it.
        """
        shape = heads.shape
        if len(shape) < 3 or (shape[-3], shape[-1]) != (self.num_heads, self.head_dim):
            raise ValueError(
                f"merge takes (..., {self.num_heads}, L, {self.head_dim}): heads, positions, and a "
                f"vector at each; got {shape}"
            )
        rows = heads.transpose(-3, -2)  # (..., L, H, D)
        return self.out_proj(rows.reshape(*rows.shape[:-2], self.embed_dim))

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        attn_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Attend: to query itself, or to another sequence.

        Args:
            query, key, value: as for project.
            attn_mask, is_causal: as for scaled_dot_product_attention; the scores are (..., H, L, S).

        Returns:
            (..., L, E).

        Raises:
            ValueError, TypeError: as for project and scaled_dot_product_attention.
        """
        heads = scaled_dot_product_attention(
            *self.project(query, key, value),
            attn_mask,
            self.dropout if self.training else 0.0,
            is_causal,
            enable_gqa=True,
            generator=self._generator,
        )
        return self.merge(heads)

    def _heads(self, x: Tensor, first: int, count: int) -> Tensor:
        """Some heads of the projection, `count` from number `first` on: (..., count, T, D)."""
        rows = slice(first * self.head_dim, (first + count) * self.head_dim)
        weight: Tensor = self.in_proj_weight
        if count * self.head_dim < weight.shape[0]:
            weight = weight[rows]
        flat = x.reshape(-1, self.embed_dim) @ weight.T  # one product, not many
        if self.in_proj_bias is not None:
            flat = flat + self.in_proj_bias[rows]
        return flat.reshape(*x.shape[:-1], count, self.head_dim).transpose(-3, -2)

    def _demand_widths(self, query: Shape, key: Shape, value: Shape) -> None:
        """Refuse inputs of another width, and those that do not go together."""
        fits = min(len(query), len(key)) > 1 and query[-1] == key[-1] == self.embed_dim
        if not fits or query[:-2] != key[:-2] or key != value:
            raise ValueError(
                f"MultiHeadAttention({self.embed_dim}, {self.num_heads}) takes query (..., L, "
                f"{self.embed_dim}), key and value (..., S, {self.embed_dim}), the axes before being the "
                f"same; got {query}, {key} and {value}"
            )
