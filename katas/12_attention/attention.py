# Stub of kata 12, generated from reference/tinytorch/attention.py by: make stubs
# Write in this order; make test-12 says what comes next:
#   masks      causal_mask
#   attending  scaled_dot_product_attention, attention
#   slopes     attention_gradients
#   heads      MultiHeadAttention.__init__, MultiHeadAttention.project, MultiHeadAttention.merge,
#              MultiHeadAttention.forward
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
    raise NotImplementedError("kata 12: causal_mask")


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
    raise NotImplementedError("kata 12: scaled_dot_product_attention")


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
    raise NotImplementedError("kata 12: attention")


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
    raise NotImplementedError("kata 12: attention_gradients")


defvjp_fused(attention, attention_gradients)


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
        raise NotImplementedError("kata 12: MultiHeadAttention.__init__")

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
        raise NotImplementedError("kata 12: MultiHeadAttention.project")

    def merge(self, heads: Tensor) -> Tensor:
        """What the heads found, side by side and projected once more.

        Args:
            heads: (..., H, L, D).

        Returns:
            (..., L, E).

        Raises:
            ValueError: another shape; the message names it.
        """
        raise NotImplementedError("kata 12: MultiHeadAttention.merge")

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
        raise NotImplementedError("kata 12: MultiHeadAttention.forward")
