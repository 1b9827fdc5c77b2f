"""Inputs. Hypothesis chooses structure (shapes, kinds, seeds); NumPy fills in the numbers.

The usual fill is dyadic: distinct, non-zero multiples of 1/8. They are exact in float32 and in
float64, stay off the kinks of relu and max, and are short to print. Under another seed than 0, such
as the secret one of a certificate, each of them is moved by less than half a step: the numbers come
from a continuum, and stay distinct and off the kinks. What a test draws by `one_of`, `integer` or `real`
is its usual value under seed 0.
"""

from __future__ import annotations

import math
import os
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

T = TypeVar("T")
Shape = tuple[int, ...]
Array = NDArray[np.float64]

# Another seed gives every fill other numbers.
BASE_SEED = int(os.environ.get("TINYTORCH_SEED", "0"))

CURATED: list[Shape] = [(), (3,), (1, 3), (3, 1), (2, 3), (3, 3), (2, 1, 3), (2, 3, 5)]
WITH_AXES = [s for s in CURATED if s]
MATRICES = [s for s in CURATED if len(s) >= 2]
PAIRS: list[tuple[Shape, Shape]] = [
    ((), (3,)),
    ((1,), (3,)),
    ((3, 1), (1, 5)),
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 1, 5), (3, 1)),
    ((3, 3), (3, 3)),
    ((2, 3), ()),
    ((3, 5, 7), (5, 1)),
]
PRODUCTS: list[tuple[Shape, Shape]] = [
    ((2, 3), (3, 5)),
    ((3, 3), (3, 3)),
    ((1, 3), (3, 1)),
    ((2, 2, 3), (2, 3, 5)),
    ((2, 2, 3), (3, 5)),
    ((2, 3), (5, 3, 2)),
    ((2, 1, 2, 3), (5, 3, 2)),
    ((3,), (3, 5)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((3,), (2, 3, 5)),
    ((2, 5, 3), (3,)),
]

LAYOUTS = {  # an array x of one axis or more, its numbers laid out in memory in another way
    "in columns": "np.asfortranarray(x)",
    "backwards": "np.flip(np.flip(x).copy())",
    "with gaps": "np.repeat(x, 2, axis=-1)[..., ::2]",
    "read-only": "np.broadcast_to(x, x.shape)",
}
STRETCHED = "np.broadcast_to(x[:1], x.shape)"  # of an x of equal rows: one row, with steps of 0

AWKWARD = np.array(  # beside ordinary numbers, what a formula may lose
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.5, 1e-30, -1e-30, 1e30, -1e30, 100.0]
)


def stretchable(shape: Shape, seed: int = 0, kind: str = "dyadic") -> Array:
    """A float64 array of equal rows."""
    return np.repeat(fill((1, *shape[1:]), seed, kind), shape[0], axis=0)


def fill(shape: Shape, seed: int = 0, kind: str = "dyadic", base: int = BASE_SEED) -> Array:
    """A float64 array of one kind: dyadic, positive, normal, large, ties, zeros."""
    rng, n = np.random.default_rng([base, seed]), math.prod(shape)
    signs = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    moved = (rng.random(n) - 0.5) * 0.8 if base else 0.0
    values = {
        "dyadic": lambda: signs * (rng.permutation(n) + 1 + moved) / 8,
        "positive": lambda: (rng.permutation(n) + 1 + moved) / 8,
        "normal": lambda: rng.normal(size=n),
        "large": lambda: signs * 1000 + rng.normal(size=n),
        "ties": lambda: rng.integers(-2, 3, n).astype(float),
        "zeros": lambda: np.zeros(n),
    }[kind]()
    return np.asarray(values, np.float64).reshape(shape)


def one_of(usual: T, *others: T, seed: int = 0) -> T:
    """One of several values: the usual one under seed 0, else the secret seed's choice."""
    if not BASE_SEED:
        return usual
    choices, rng = (usual, *others), np.random.default_rng([BASE_SEED, seed, len(others)])
    return choices[int(rng.integers(len(choices)))]


def integer(usual: int, low: int, high: int, seed: int = 0) -> int:
    """A whole number from low to high, both included; the usual one under seed 0."""
    rng = np.random.default_rng([BASE_SEED, seed, low % 2**32, high % 2**32])
    return int(rng.integers(low, high + 1)) if BASE_SEED else usual


def real(usual: float, low: float, high: float, seed: int = 0) -> float:
    """A number between low and high; the usual one under seed 0."""
    rng = np.random.default_rng([BASE_SEED, seed])
    return float(rng.uniform(low, high)) if BASE_SEED else usual


def named(usual: str) -> str:
    """A name: the usual one under seed 0, else with a number behind it."""
    return f"{usual}_{integer(0, 1, 99_999)}" if BASE_SEED else usual


def flags(*usual: bool, seed: int = 0) -> list[bool]:
    """Booleans of which some are True and some False; the usual ones under seed 0."""
    rng = np.random.default_rng([BASE_SEED, seed])
    return [bool(b) for b in rng.permutation([True, False] * 8)] if BASE_SEED else list(usual)


def dyadic(*shape: int, seed: int = 0) -> Array:
    """Distinct, non-zero multiples of 1/8 of either sign."""
    return fill(shape, seed)


def normal(*shape: int, seed: int = 0) -> Array:
    """Draws from the standard normal distribution."""
    return fill(shape, seed, "normal")


def positive(*shape: int, seed: int = 0) -> Array:
    """Distinct positive multiples of 1/8."""
    return fill(shape, seed, "positive")


seeds = st.integers(0, 2**16 - 1)


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 5) -> st.SearchStrategy[Shape]:
    """A curated shape half of the time, else a free one."""
    curated = [
        s for s in CURATED if min_dims <= len(s) <= max_dims and all(n <= max_side for n in s)
    ]
    free = st.lists(st.integers(1, max_side), min_size=min_dims, max_size=max_dims).map(tuple)
    return st.one_of(st.sampled_from(curated), free)


def arrays(
    kind: str = "dyadic", min_dims: int = 0, max_dims: int = 3, max_side: int = 5
) -> st.SearchStrategy[Array]:
    """An array of one kind, of any shape within the limits."""
    return st.builds(fill, shapes(min_dims, max_dims, max_side), seeds, st.just(kind))


@st.composite
def broadcast_pairs(draw: st.DrawFn) -> tuple[Shape, Shape]:
    """Two shapes that broadcast."""
    if draw(st.booleans()):
        return draw(st.sampled_from(PAIRS))
    full = draw(st.lists(st.integers(1, 4), max_size=3).map(tuple))
    masks = [draw(st.integers(0, 2 ** len(full) - 1)) for _ in range(2)]
    drops = [draw(st.integers(0, len(full))) for _ in range(2)]
    first, second = [
        tuple(1 if m >> i & 1 else n for i, n in enumerate(full))[d:]
        for m, d in zip(masks, drops, strict=True)
    ]
    return first, second
