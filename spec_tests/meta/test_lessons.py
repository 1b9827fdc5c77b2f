"""A lesson accuses only where the answer says enough, and says it as finely as the clause compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import assert_close, assert_equal
from support.lessons import fingerprint, is_telling
from support.observe import ClauseFailure


def failed(got: Any, want: Any, **options: Any) -> ClauseFailure:
    """The failure of one comparison."""
    check: Any = assert_close if isinstance(want, np.ndarray) else assert_equal
    with pytest.raises(ClauseFailure) as caught:
        check(got, want=want, **options)
    return caught.value


FAR = np.array([-20.0, -40.0, -100.0, -700.0])
SIGMOID = np.exp(FAR) / (1 + np.exp(FAR))


def test_small_values_count_where_the_clause_compares_them() -> None:
    """Right at -20 and wrong further left: two mistakes are two, though both are 0 beside 2e-9."""
    zero, clipped = SIGMOID * [1, 0, 0, 0], np.maximum(SIGMOID, 1e-20)
    one, other = (failed(got, SIGMOID, terms=SIGMOID) for got in (zero, clipped))
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one)


def test_a_fingerprint_is_as_fine_as_the_comparison() -> None:
    """Answers that the clause tells apart have two fingerprints, in float64 and in float32."""
    want = np.array([1.0, 2.5, -4.0])
    for dtype, step in (("float64", 1e-10), ("float32", 2e-4)):
        got = (want + np.array([0.5, 0, 0])).astype(dtype)
        near = (want + np.array([0.5, step, 0])).astype(dtype)
        one, other = (failed(g, want.astype(dtype)) for g in (got, near))
        assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("seed", range(20))
def test_rounding_changes_no_fingerprint(seed: int) -> None:
    """Another machine adds in another order: a few roundings more make no other answer."""
    rng = np.random.default_rng(seed)
    want = rng.normal(size=(3, 5))
    got = 2 * want + 1
    again = got * (1 + rng.integers(-4, 5, got.shape) * 2.0**-52)
    assert fingerprint(failed(got, want)) == fingerprint(failed(again, want))


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.array(0.2), np.array(0.5)),
        (np.array([0.0, 0.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0])),
        (np.array([np.nan] * 4), np.array([1.0, 2.0, 3.0, 4.0])),
        (None, [1.0, 2.0]),
        ({"kept": False, "same": True}, {"kept": True, "same": True}),
        ("Tensor([1.5])", "Tensor([1.5], dtype=float64)"),
    ],
    ids=["scalar", "zeros", "nans", "none", "bools", "text"],
)
def test_few_numbers_accuse_nobody(got: Any, want: Any) -> None:
    """Any of several mistakes could have given these."""
    assert not is_telling(failed(got, want))


def test_enough_numbers_do() -> None:
    """Two that are not the same, in an array, a list or a text."""
    assert is_telling(failed(np.array([0.0, 0.0, 3.0]), np.array([-2.0, 0.0, 3.0])))
    assert not is_telling(failed([3, 3], [3, 3, 1]))
    assert is_telling(failed([3, 2, 2], [3, 3, 1]))
    assert is_telling(failed("shapes (2, 3) and (4,)", "other"))


def test_an_address_is_no_part_of_an_answer() -> None:
    """Where an object lies differs from run to run; a number in sixteens that was asked for does not."""
    one, other = (failed(f"<Note object at 0x{place}>", "5") for place in ("7f12ab", "55d0"))
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(failed("magic 0x803", "5")) != fingerprint(failed("magic 0x801", "5"))


def test_the_largest_floats_have_a_fingerprint() -> None:
    """Beyond them a step of the count overflows: no warning may end the run."""
    got = np.array([1.7e308, -np.inf, np.nan, 1.0])
    assert fingerprint(failed(got, np.array([1.0, 2.0, 3.0, 4.0])))
