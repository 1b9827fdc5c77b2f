# Stub of kata 11, generated from reference/tinytorch/embeddings.py by: make stubs
# Write in this order; make test-11 says what comes next:
#   rows     embedding, lookup
#   slopes   lookup_gradient
#   layer    Embedding.__init__, Embedding.forward
#   waves    SinusoidalPositionalEncoding.__init__, SinusoidalPositionalEncoding.forward
#   learned  LearnedPositionalEmbedding.__init__, LearnedPositionalEmbedding.forward
#   rotary   rotation, rotation_gradient, RotaryEmbedding.__init__, RotaryEmbedding.forward
"""Kata 11. Embeddings: vectors for tokens, and for the places where they stand.

A token is a number without meaning: token 7 is not more than token 3. So each has a vector of its own,
a row of a table that is learned, and an embedding reads rows. Its gradient is the opposite: each
cotangent is added to the row that it was read from. A network that adds and multiplies vectors does
not see their order; three ways tell it: waves of many lengths, a second table, and rotation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.autograd import defvjp
from tinytorch.dataloader import whole
from tinytorch.door import Array, composite, primitive
from tinytorch.layers import Module, Parameter
from tinytorch.tensor import Tensor, randn

# ---- a table, read by row ------------------------------------------------------------------------


@composite
def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Read rows of a table: out[..., d] = weight[input[...], d].

    Args:
        input: row numbers, integers of any shape: a Tensor, an array, a nested list or one number.
        weight: (V, D), the table.
        padding_idx: a row that learns nothing, its gradient being 0; below 0 it counts from the end.

    Returns:
        (*input.shape, D), the dtype of weight; new memory.

    Raises:
        TypeError: input is not of integers; the message names the dtype and a value.
        IndexError: a row number is below 0, or the table has no such row; the message names it and V.
        ValueError: weight does not have two axes (its shape), or no row is padding_idx (its value).

    Example:
        >>> table = Tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
        >>> embedding([2, 0, 2], table).tolist()
        [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]

    Source: torch.nn.functional.embedding
    """
    raise NotImplementedError("kata 11: embedding")


@primitive
def lookup(weight: Array, /, indices: Any, padding_idx: int | None) -> Array:
    """`embedding` once its arguments are checked.

    Args:
        weight: (V, D).
        indices: an array of integers from 0 to V - 1; where it would have no axes, the door makes it
            a number.
        padding_idx: from 0 to V - 1, or None.
    """
    raise NotImplementedError("kata 11: lookup")


def lookup_gradient(
    g: Array, out: Array, weight: Array, indices: Any, padding_idx: int | None
) -> Array:
    """The rule of `lookup`: each row's gradient is the sum of the cotangents of its uses.

    `np.add.at(slope, indices, g)` says the same, one row at a time. Here the cotangents of equal rows
    are brought side by side, and each such run is added up in one step, in float64.

    Args:
        g: (*indices.shape, D), the cotangent.
        out: what `lookup` returned.
        weight, indices, padding_idx: what `lookup` was given.

    Returns:
        (V, D), zeros in rows that were not read, and in the row padding_idx.

    Source: torch.nn.functional.embedding
    """
    raise NotImplementedError("kata 11: lookup_gradient")


defvjp(lookup, lookup_gradient)


class Embedding(Module):
    """A table of vectors that are learned: `embedding` with a weight of its own.

    The rows start as draws from the standard normal distribution, row padding_idx as zeros.

    Args:
        num_embeddings: V, the number of rows.
        embedding_dim: D, the length of each.
        padding_idx: a row that learns nothing; below 0 it counts from the end.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        weight: Parameter (V, D), float32.
        num_embeddings, embedding_dim: V and D.
        padding_idx: None, or counted from the first row.

    Raises:
        ValueError: a size is not a whole number of at least 1, or no row is padding_idx; nothing has
            been drawn.

    Example:
        >>> table = Embedding(65, 128)
        >>> table([[7, 0, 7], [1, 2, 3]]).shape
        (2, 3, 128)

    Source: torch.nn.Embedding
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        raise NotImplementedError("kata 11: Embedding.__init__")

    def forward(self, input: Any) -> Tensor:
        """Read rows.

        Args:
            input: row numbers, integers of any shape.

        Returns:
            (*input.shape, D).
        """
        raise NotImplementedError("kata 11: Embedding.forward")


# ---- where a token stands ------------------------------------------------------------------------


class SinusoidalPositionalEncoding(Module):
    """Add waves that tell positions apart: sine and cosine of D / 2 speeds, nothing to learn.

    encoding[p, 2i] = sin(p / 10000 ** (2i / D)), encoding[p, 2i + 1] = cos of the same angle. A position
    that is k further is each pair turned by an angle that depends on k alone.

    Args:
        embedding_dim: D, even.

    Raises:
        ValueError: embedding_dim is not an even number of at least 2.

    Example:
        >>> SinusoidalPositionalEncoding(2)(Tensor([[10.0, 10.0]])).tolist()
        [[10.0, 11.0]]

    Source: Vaswani et al. 2017, section 3.5
    """

    def __init__(self, embedding_dim: int) -> None:
        raise NotImplementedError("kata 11: SinusoidalPositionalEncoding.__init__")

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """Add the encoding.

        Args:
            x: (..., T, D).
            offset: the position of the first vector; the others follow.

        Returns:
            the shape and dtype of x.

        Raises:
            ValueError: x has another shape (it is named), or offset is not a whole number from 0 on.
        """
        raise NotImplementedError("kata 11: SinusoidalPositionalEncoding.forward")


class LearnedPositionalEmbedding(Module):
    """Add a vector for each position, from a table that is learned.

    Args:
        num_embeddings: how many positions the table has.
        embedding_dim: D.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        weight: Parameter (num_embeddings, D), float32, standard normal at the start.

    Raises:
        ValueError: a size is not a whole number of at least 1.

    Example:
        >>> LearnedPositionalEmbedding(64, 128)(Tensor(np.zeros((8, 20, 128), np.float32))).shape
        (8, 20, 128)

    Source: torch.nn.Embedding, of the positions; GPT-2
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        generator: np.random.Generator | None = None,
    ) -> None:
        raise NotImplementedError("kata 11: LearnedPositionalEmbedding.__init__")

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """Add rows offset to offset + T - 1 of the table.

        Args:
            x: (..., T, D).
            offset: the position of the first vector; the others follow.

        Returns:
            the shape of x.

        Raises:
            ValueError: x has another shape, offset is not a whole number from 0 on, or the table ends
                before the last position; the message names the values.
        """
        raise NotImplementedError("kata 11: LearnedPositionalEmbedding.forward")


class RotaryEmbedding(Module):
    """Turn each pair of numbers by an angle that grows with the position, nothing to learn.

    The pairs are (x[i], x[i + D / 2]): halves, not neighbours. At position p pair i is turned by
    p * base ** (-2i / D). Lengths stay, and the product of two turned vectors depends on how far apart
    they stand, not on where.

    Args:
        dim: D, even: in attention the width of one head.
        base: how slowly the last pairs turn.

    Raises:
        ValueError: dim is not an even number of at least 2, or base is not above 0.

    Example:
        >>> RotaryEmbedding(2)(Tensor([[1.0, 0.0], [1.0, 0.0]])).numpy().round(3).tolist()
        [[1.0, 0.0], [0.5400000214576721, 0.8410000205039978]]

    Source: Su et al. 2021 (RoFormer); the layout of Hugging Face's Llama
    """

    def __init__(self, dim: int, base: float = 10_000.0) -> None:
        raise NotImplementedError("kata 11: RotaryEmbedding.__init__")

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """Turn the vectors.

        Args:
            x: (..., T, D).
            offset: the position of the first vector; the others follow.

        Returns:
            the shape and dtype of x.

        Raises:
            ValueError: x has another shape (it is named), or offset is not a whole number from 0 on.
        """
        raise NotImplementedError("kata 11: RotaryEmbedding.forward")


@primitive
def rotation(x: Array, /, cos: Array, sin: Array) -> Array:
    """Turn the pairs (x[..., i], x[..., i + D / 2]), each by its angle.

    Args:
        x: (..., T, D).
        cos, sin: (T, D / 2), of the angles.
    """
    raise NotImplementedError("kata 11: rotation")


def rotation_gradient(g: Array, out: Array, x: Array, cos: Array, sin: Array) -> Array:
    """The rule of `rotation`: the cotangent is turned back by the same angles."""
    raise NotImplementedError("kata 11: rotation_gradient")


defvjp(rotation, rotation_gradient)
