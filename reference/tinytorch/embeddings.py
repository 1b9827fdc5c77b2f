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
    if weight.ndim != 2:
        raise ValueError(f"embedding reads rows of a table (V, D); got a weight of {weight.shape}")
    rows = weight.shape[0]
    return lookup(weight, _indices(input, rows), _padding(padding_idx, rows))


@primitive
def lookup(weight: Array, /, indices: Any, padding_idx: int | None) -> Array:
    """`embedding` once its arguments are checked.

    Args:
        weight: (V, D).
        indices: an array of integers from 0 to V - 1; where it would have no axes, the door makes it
            a number.
        padding_idx: from 0 to V - 1, or None.
    """
    out: Array = np.take(weight, indices, axis=0)  # a copy, of one row too
    return out


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
    slope = np.zeros(weight.shape, weight.dtype)
    numbers = np.ravel(indices)
    order = np.argsort(numbers, kind="stable")
    rows, starts = np.unique(numbers[order], return_index=True)
    runs = g.reshape(len(numbers), weight.shape[1])[order]  # (N, D)
    slope[rows] = np.add.reduceat(runs, starts, axis=0, dtype=np.float64)
    if padding_idx is not None:
        slope[padding_idx] = 0
    return slope


defvjp(lookup, lookup_gradient)


def _indices(input: Any, rows: int) -> Array:
    """Row numbers as an array of their own: what the caller's becomes later changes no gradient."""
    given = np.asarray(input.data if isinstance(input, Tensor) else input)
    if not given.size and isinstance(input, (list, tuple)):
        given = given.astype(np.intp)  # float64 to NumPy
    if given.dtype.kind not in "iu":
        value = given.flat[0] if given.size else "none"
        raise TypeError(
            f"embedding takes integers as row numbers; got {value} of dtype {given.dtype}: pass "
            "ints or an integer array (Tensor([0, 1]) is float32; Tensor(np.array([0, 1])) is not)"
        )
    outside = given[(given < 0) | (given >= rows)]
    if outside.size:
        raise IndexError(
            f"embedding: row {outside[0]} is asked for, and the table has {rows}: 0 to {rows - 1}; take ids of the vocabulary that it was made for"
        )
    return given.astype(np.intp)


def _padding(padding_idx: Any, rows: int) -> int | None:
    """The row that learns nothing, counted from the first."""
    if padding_idx is None:
        return None
    if not isinstance(padding_idx, (int, np.integer)) or not -rows <= padding_idx < rows:
        raise ValueError(
            f"padding_idx is None or one of {rows} rows, {-rows} to {rows - 1}; got {padding_idx!r}"
        )
    return int(padding_idx) % rows


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
        self.num_embeddings = whole("num_embeddings", num_embeddings, 1)
        self.embedding_dim = whole("embedding_dim", embedding_dim, 1)
        self.padding_idx = _padding(padding_idx, self.num_embeddings)
        self.weight = _table(self.num_embeddings, self.embedding_dim, generator)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, input: Any) -> Tensor:
        """Read rows.

        Args:
            input: row numbers, integers of any shape.

        Returns:
            (*input.shape, D).
        """
        return embedding(input, self.weight, self.padding_idx)


def _table(rows: int, columns: int, generator: np.random.Generator | None) -> Parameter:
    """A table of standard normal draws, row by row."""
    return Parameter(randn(rows, columns, generator=generator).data)


# ---- where a token stands ------------------------------------------------------------------------


def _length(module: Module, x: Tensor, size: int) -> int:
    """How many positions x has, if its vectors are of the module's size."""
    if x.ndim < 2 or x.shape[-1] != size:
        raise ValueError(
            f"{type(module).__name__} takes (..., T, {size}): T positions, and a vector of {size} "
            f"numbers at each; got {x.shape}"
        )
    return x.shape[-2]


def _even(name: str, value: Any) -> int:
    """The value as an int, if it is an even number of at least 2."""
    size = whole(name, value, 2)
    if size % 2:
        raise ValueError(f"{name} must be even, since numbers go in pairs; got {value!r}")
    return size


def _angles(length: int, offset: int, size: int, base: float = 10_000.0) -> Array:
    """The angle of each pair at each position: position * base ** (-2 i / size), (T, size / 2)."""
    positions = np.arange(length) + whole("offset", offset, 0)
    return np.outer(positions, base ** (-np.arange(0, size, 2) / size))


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
        self.embedding_dim = _even("embedding_dim", embedding_dim)

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
        length = _length(self, x, self.embedding_dim)
        angles = _angles(length, offset, self.embedding_dim)
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (T, D / 2, 2)
        return x + waves.reshape(length, self.embedding_dim).astype(x.dtype)


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
        self.num_embeddings = whole("num_embeddings", num_embeddings, 1)
        self.embedding_dim = whole("embedding_dim", embedding_dim, 1)
        self.weight = _table(self.num_embeddings, self.embedding_dim, generator)

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
        length = _length(self, x, self.embedding_dim)
        end = whole("offset", offset, 0) + length
        if end > self.num_embeddings:
            raise ValueError(
                f"{length} positions from offset {offset} on end at {end}, and the table has "
                f"{self.num_embeddings}: take fewer tokens, or a table of num_embeddings={end}"
            )
        return x + self.weight[end - length : end]


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
        self.dim = _even("dim", dim)
        if not (isinstance(base, (int, float, np.integer, np.floating)) and base > 0):
            raise ValueError(f"base is a number above 0; got {base!r}")
        self.base = base

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
        angles = _angles(_length(self, x, self.dim), offset, self.dim, self.base)
        return rotation(x, np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype))


@primitive
def rotation(x: Array, /, cos: Array, sin: Array) -> Array:
    """Turn the pairs (x[..., i], x[..., i + D / 2]), each by its angle.

    Args:
        x: (..., T, D).
        cos, sin: (T, D / 2), of the angles.
    """
    return _turned(x, cos, sin)


def rotation_gradient(g: Array, out: Array, x: Array, cos: Array, sin: Array) -> Array:
    """The rule of `rotation`: the cotangent is turned back by the same angles."""
    return _turned(g, cos, -sin)


defvjp(rotation, rotation_gradient)


def _turned(x: Array, cos: Array, sin: Array) -> Array:
    """(a, b) becomes (a cos - b sin, b cos + a sin), where a and b are the halves of x."""
    a, b = np.split(x, 2, axis=-1)  # (..., T, D / 2) each
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
