"""Kata 10, Tokenization: pairs, counted and merged (katas/10_tokenization/README.md)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import assert_equal
from support.observe import observe
from support.strategies import integer, seeds


def merged(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """Each place of the pair, from left to right, as one number."""
    if len(ids) < 2:
        return list(ids)
    if (ids[0], ids[1]) == pair:
        return [new, *merged(ids[2:], pair, new)]
    return [ids[0], *merged(ids[1:], pair, new)]


def places(ids: list[int]) -> dict[tuple[int, int], int]:
    """For each pair how many merges of it there would be."""
    pairs = {(a, b) for a, b in itertools.pairwise(ids)}
    return {pair: len(ids) - len(merged(ids, pair, -1)) for pair in pairs}


@observe(
    shown="count_pairs({ids})  # of a list, a tuple, and a list of equal numbers that are objects of their own"
)
def counted(tt: Any, ids: Any) -> Any:
    before = list(ids)
    found = []
    others = [int(str(i)) for i in ids]  # equal numbers that are other objects
    for row in (ids, tuple(ids), others):
        got = tt.count_pairs(row)
        kinds = sorted({type(n).__name__ for pair, n in got.items() for n in (*pair, n)})
        found.append({"counts": dict(got), "kinds": kinds, "kept": list(row) == before})
    return found


def assert_counts(ids: list[int]) -> None:
    """A list and a tuple of these ids have these pairs."""
    want = {str(pair): count for pair, count in places(ids).items()}
    kinds = ["int"] if want else []
    assert_equal(counted(ids), want=[{"counts": want, "kinds": kinds, "kept": True}] * 3)


IDS = {  # a, b, c are three different ids
    "two": "ab",
    "four": "abab",
    "one way and the other": "abba",
    "three equal": "aaa",
    "four equal": "aaaa",
    "five equal": "aaaaa",
    "six equal": "aaaaaa",
    "runs": "aaabaaaab",
    "a run at the end": "bcaaa",
    "a run at the front": "aaacb",
    "runs of two": "aabbaacc",
    "runs of three": "aaabbbaaa",
    "run, one, run": "aabaaa",
    "three kinds": "abcabcacb",
}


def ids_of(letters: str, seed: int = 0) -> list[int]:
    """An id for each letter, drawn."""
    rng = np.random.default_rng([integer(0, 1, 99_999, seed), seed])
    numbers = rng.permutation(600)[:3].tolist()
    return [numbers["abc".index(letter)] for letter in letters]


@pytest.mark.parametrize("name", IDS)
def test_pairs_are_counted(name: str) -> None:
    """10.6 Pairs once and twice, both ways round, and runs of equal ids, of a list and of a tuple."""
    assert_counts(ids_of(IDS[name]))


def test_too_few_for_a_pair() -> None:
    """10.6 No id, one id; and two, beside them."""
    low = integer(5, 0, 255)
    for ids in ([low, low + 1], [low], []):
        assert_counts(ids)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_of_ids_whose_digits_are_alike(seed: int) -> None:
    """10.6 Ids such as 1, 11, 12 and 111, which are alike when they are written side by side."""
    digit = integer(1, 1, 8, seed)
    numbers = [digit, 11 * digit, 10 * digit + 1, 111 * digit, 10 * digit, 100 * digit + 11]
    order = np.random.default_rng([integer(0, 1, 99_999, seed), seed]).integers(0, 6, 40)
    assert_counts([numbers[i] for i in order])


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2), max_size=14), seeds)
def test_pairs_of_any_ids(ids: list[int], seed: int) -> None:
    """10.6 Short lists of three ids in any order, with drawn numbers."""
    low = integer(0, 0, 500, seed)
    assert_counts([low + i for i in ids])


@observe(
    shown="merge_pair({ids}, {pair}, {new_id})  # of a list, a tuple, and a list of equal numbers that are objects of their own"
)
def made(tt: Any, ids: Any, pair: Any, new_id: int) -> Any:
    before = list(ids)
    found = []
    others = [int(str(i)) for i in ids]  # equal numbers that are other objects
    for row in (ids, tuple(ids), others):
        got = tt.merge_pair(row, tuple(pair), new_id)
        kinds = [type(got).__name__, *sorted({type(n).__name__ for n in got})]
        own = got is not row
        found.append({"ids": list(got), "kinds": kinds, "own": own, "kept": list(row) == before})
    return found


def assert_made(ids: list[int], pair: tuple[int, int], new: int) -> None:
    """A list and a tuple of these ids are merged so."""
    want = merged(ids, pair, new)
    kinds = ["list", "int"] if want else ["list"]
    answer = {"ids": want, "kinds": kinds, "own": True, "kept": True}
    assert_equal(made(ids, pair, new), want=[answer] * 3)


@pytest.mark.parametrize("pair", ["ab", "ba", "aa", "cb", "bb"])
@pytest.mark.parametrize("name", IDS)
def test_a_pair_is_merged(name: str, pair: str) -> None:
    """10.7 Pairs that are there once, often, in runs, at the ends, or nowhere."""
    ids = ids_of(IDS[name] + pair)
    assert_made(ids[:-2], (ids[-2], ids[-1]), 999)


@pytest.mark.parametrize("new", ["first", "second"])
@pytest.mark.parametrize("name", IDS)
def test_a_new_id_of_the_pair(name: str, new: str) -> None:
    """10.7 The new id is one of the two that it stands for: it is not merged once more."""
    ids = ids_of(IDS[name] + "ab")
    assert_made(ids[:-2], (ids[-2], ids[-1]), ids[-2] if new == "first" else ids[-1])


def test_nothing_to_merge() -> None:
    """10.7 No id, one id, and other pairs: a new list with what was there."""
    low = integer(5, 0, 255)
    for ids in ([low + 2, low, low], [low], []):
        assert_made(ids, (low, low + 1), 999)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2), max_size=14), st.integers(0, 2), st.integers(0, 2), seeds)
def test_merges_in_any_ids(ids: list[int], left: int, right: int, seed: int) -> None:
    """10.7 Short lists of three ids in any order, any pair of them."""
    low = integer(0, 0, 500, seed)
    assert_made([low + i for i in ids], (low + left, low + right), 1000)
