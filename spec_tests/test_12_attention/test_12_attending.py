"""Kata 12, Attention: scores, masks and means (katas/12_attention/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import (
    assert_alike,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_zeros,
)
from support.expressions import evaluate, two_results
from support.observe import observe
from support.oracle import Case, check_values
from support.strategies import integer, normal, real, seeds
from test_12_attention.by_hand import (
    ASK,
    BOOLS,
    CALL,
    CAUSAL,
    FLOATS,
    GROUPED,
    KEYS,
    PLAIN,
    QUERIES,
    SCALES,
    VALUES,
    attended,
    bools,
    filled,
    weighed,
)

FEW = settings(max_examples=25)  # each example is computed query by query
every_before = pytest.mark.parametrize("before", [(), (2,), (2, 3), (3, 1), (2, 1, 2)], ids=str)


# ---- 12.3: scores, weights, means ----------------------------------------------------------------


def test_attention_example() -> None:
    """12.3 The worked example: two queries and two keys of one number."""
    got = evaluate(CALL.format(", scale=1.0"), QUERIES, KEYS, VALUES)
    assert_close(got, want=np.array([[6.0], [4.0]]))


@pytest.mark.parametrize("each", PLAIN, ids=str)
def test_attention_is_pytorchs(each: Case) -> None:
    """12.3 Values that PyTorch gives."""
    check_values("12", each)


@every_before
def test_attention_by_hand(before: Any) -> None:
    """12.3 Fresh numbers, query by query, for none to three axes before; the sizes are drawn."""
    lengths = (integer(3, 2, 5), integer(5, 2, 6, seed=1))
    arrays = filled(lengths, (integer(4, 2, 6, seed=2), integer(2, 1, 5, seed=3)), before)
    assert_close(evaluate(CALL.format(""), *arrays), want=attended(*arrays))


drawn = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(drawn, drawn, st.lists(st.integers(1, 3), max_size=2), seeds)
@FEW
def test_attention_of_drawn_shapes(lengths: Any, sizes: Any, before: Any, seed: int) -> None:
    """12.3 Drawn numbers of queries, keys and axes."""
    arrays = filled(lengths, sizes, tuple(before), seed=seed)
    assert_close(evaluate(CALL.format(""), *arrays), want=attended(*arrays))


@every_before
def test_weights_sum_to_one(before: Any) -> None:
    """12.3 The identity as values gives the weights themselves: none below 0, and their sums."""
    q, k, _ = filled((3, 4), (5, 1), before)
    weights = evaluate(CALL.format(""), q, k, np.broadcast_to(np.eye(4), (*before, 4, 4)))
    assert_close(weights, want=weighed(q, k))
    assert_close(weights.sum(-1), want=np.ones((*before, 3)))
    assert_equal(bool((weights > 0).all()), want=True)


def test_a_query_of_zeros_gets_the_mean() -> None:
    """12.3 Queries of zeros, beside another one."""
    q, k, v = filled((3, integer(5, 2, 9)), (4, 3), (2,))
    q[:, :2] = 0
    got = evaluate(CALL.format(""), q, k, v)
    assert_close(got[:, :2], want=np.repeat(v.mean(1, keepdims=True), 2, axis=1))
    assert_close(got, want=attended(q, k, v))


def test_the_order_of_keys_does_not_matter() -> None:
    """12.3 Keys and values in another order, together."""
    q, k, v = filled((3, 6), (4, 2), (2,))
    order = np.random.default_rng(integer(0, 1, 999)).permutation(6)
    got = two_results(CALL.format(""), [q, k, v], [q, k[:, order], v[:, order]])
    assert_alike(got, "first", "second")
    assert_close(got["first"], want=attended(q, k, v))


def test_each_query_is_by_itself() -> None:
    """12.3 One batch, one head and one query alone, beside the same within others."""
    q, k, v = filled((3, 5), (4, 2), (2, 3))
    b, h, i = integer(1, 0, 1), integer(2, 0, 2), integer(1, 0, 2, seed=1)
    whole = evaluate(CALL.format(""), q, k, v)
    assert_close(whole, want=attended(q, k, v))
    alone = evaluate(CALL.format(""), q[b, h, i : i + 1], k[b, h], v[b, h])
    assert_close(alone, want=whole[b, h, i : i + 1])


@pytest.mark.parametrize(
    ("lengths", "sizes", "before"),
    [
        ((0, 3), (4, 2), (2,)),
        ((0, 0), (4, 2), ()),
        ((3, 5), (4, 0), (2,)),
        ((3, 5), (4, 2), (0,)),
        ((3, 5), (4, 2), (2, 0)),
    ],
    ids=str,
)
@pytest.mark.parametrize("more", ["", ", is_causal=True", ", np.ones((1, 1), bool)"])
def test_attention_of_nothing(lengths: Any, sizes: Any, before: Any, more: str) -> None:
    """12.3 No queries, no numbers in a value, no batches, no heads: shape and dtype; one size is drawn."""
    n = integer(6, 5, 9)
    arrays = [a.astype(np.float32) for a in filled(lengths, sizes, (n, *before))]
    got = evaluate(CALL.format(more), *arrays)
    assert_equal(got.shape, want=(n, *before, lengths[0], sizes[1]))
    assert_equal(str(got.dtype), want="float32")


@pytest.mark.parametrize("more", ["", ", is_causal=True", ", np.zeros((3, 0), bool)"])
def test_without_keys_there_are_zeros(more: str) -> None:
    """12.3 S = 0; and beside it the same with one key."""
    q, k, v = filled((3, 1), (4, integer(2, 1, 9)), (2,))
    other = evaluate(CALL.format(""), q, k, v)
    got = evaluate(CALL.format(more), q, k[:, :0], v[:, :0])
    assert_equal(got.shape, want=(2, 3, v.shape[-1]))
    assert_zeros(got, beside=other)


# ---- 12.4: scale ---------------------------------------------------------------------------------


@pytest.mark.parametrize("each", SCALES, ids=str)
def test_scales_are_pytorchs(each: Case) -> None:
    """12.4 Values that PyTorch gives."""
    check_values("12", each)


@pytest.mark.parametrize("size", [1, 3, 4, 16, 50])
def test_the_usual_scale(size: int) -> None:
    """12.4 No scale, and None, for queries of many sizes in two heads."""
    arrays = filled((3, 4), (size, 2), (2, 2))
    for more in ("", ", scale=None"):
        assert_close(evaluate(CALL.format(more), *arrays), want=attended(*arrays), depth=2)


def test_queries_without_numbers() -> None:
    """12.4 E = 0: all scores are 0, and every query gets the mean."""
    v = normal(2, integer(4, 2, 9), 3)
    got = evaluate(CALL.format(""), np.zeros((2, 3, 0)), np.zeros((*v.shape[:2], 0)), v)
    assert_close(got, want=np.repeat(v.mean(1, keepdims=True), 3, axis=1))


@pytest.mark.parametrize(
    "scale", ["{x}", "-{x}", "0", "0.0", "2", "np.float64({x})", "np.float32(0.5)", "np.int64(2)"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_scales(scale: str, dtype: str) -> None:
    """12.4 Numbers of Python and NumPy, 0 and negative ones; dtypes."""
    scale = scale.replace("{x}", repr(round(real(0.7, 0.3, 1.5), 4)))
    arrays = [a.astype(dtype) for a in filled((3, 4), (5, 2), (2,))]
    want = attended(*[a.astype(float) for a in arrays], scale=eval(scale)).astype(dtype)
    assert_close(evaluate(CALL.format(f", scale={scale}"), *arrays), want=want)


# ---- 12.5: masks of bools ------------------------------------------------------------------------


@pytest.mark.parametrize("each", BOOLS, ids=str)
def test_masks_of_bools_are_pytorchs(each: Case) -> None:
    """12.5 Values that PyTorch gives."""
    check_values("12", each)


def test_mask_example() -> None:
    """12.5 The worked example: nothing to see for the first query, everything for the second."""
    more = ", attn_mask=[[False, False], [True, True]], scale=1.0"
    got = evaluate(CALL.format(more), QUERIES, KEYS, VALUES)
    assert_close(got, want=np.array([[0.0], [4.0]]))


SHAPES = ["(3, 5)", "(1, 5)", "(3, 1)", "(5,)", "(4, 3, 5)", "(1, 3, 5)", "(4, 1, 5)"]
SHAPES += ["(2, 4, 3, 5)", "(2, 1, 1, 5)", "(2, 1, 3, 1)", "(1, 1, 1, 5)", "(1,)", "(1, 1)"]


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_of_bools_broadcast(shape: str) -> None:
    """12.5 Masks for all queries, for each of them, for heads and for batches."""
    arrays, sizes = filled((3, 5), (4, 2), (2, 4)), eval(shape)
    mask = bools(*sizes) if sizes[-1] > 1 else np.random.default_rng(5).random(sizes) < 2
    got = evaluate(CALL.format(f", np.array({mask.tolist()})"), *arrays)
    assert_close(got, want=attended(*arrays, mask=mask))


@pytest.mark.parametrize("kind", ["tt.Tensor(np.array({}))", "np.array({})", "{}", "tuple({})"])
@pytest.mark.parametrize("more", [", {}", ", attn_mask={}"], ids=["position", "name"])
def test_masks_of_bools_of_every_kind(kind: str, more: str) -> None:
    """12.5 A Tensor, an array, a list and a tuple."""
    arrays, mask = filled((3, 5), (4, 2), (2,)), bools(3, 5)
    got = evaluate(CALL.format(more.format(kind.format(mask.tolist()))), *arrays)
    assert_close(got, want=attended(*arrays, mask=mask))


@pytest.mark.parametrize(
    "mask", ["True", "np.bool_(True)", "np.array(True)", "tt.Tensor(np.array(True))", "None"]
)
def test_one_bool_for_everything(mask: str) -> None:
    """12.5 True shows every key, as no mask does."""
    arrays = filled((3, 5), (4, 2), (2,))
    assert_close(evaluate(CALL.format(f", {mask}"), *arrays), want=attended(*arrays))


def test_a_comparison_is_a_mask() -> None:
    """12.5 A mask that a comparison of tensors made; it hides about half of the keys."""
    arrays, numbers = filled((3, 5), (4, 2), (2,)), np.sign(bools(3, 5) - 0.5) * abs(normal(3, 5))
    got = evaluate(CALL.format(", d > 0"), *arrays, numbers)
    assert_close(got, want=attended(*arrays, mask=numbers > 0))


def test_hidden_keys_do_not_matter() -> None:
    """12.5 What is hidden is other numbers, a million times as large: nothing changes."""
    (q, k, v), mask = filled((3, 6), (4, 2), (2,)), bools(6)
    other = [np.where(mask[:, None], a, a[..., ::-1, :] * 1e6 + 1) for a in (k, v)]
    got = two_results(CALL.format(f", np.array({mask.tolist()})"), [q, k, v], [q, *other])
    assert_alike(got, "first", "second", exactly=True)
    assert_close(got["first"], want=attended(q, k, v, mask=mask))


@pytest.mark.parametrize("scale", [1, 30.0])
def test_hidden_keys_have_no_weight(scale: float) -> None:
    """12.5 Weights where the mask hides, to the last bit, with keys that would fit best."""
    (q, k, _), mask = filled((3, 6), (4, 2)), bools(3, 6)
    got = evaluate(CALL.format(f", np.array({mask.tolist()})"), q, scale * k, np.eye(6))
    assert_zeros(got[~mask], beside=got[mask])
    assert_close(got, want=weighed(q, scale * k, mask), depth=10)


@pytest.mark.parametrize("lengths", [(4, 4), (3, 3), (4, 3)], ids=str)
@pytest.mark.parametrize("kind", ["bools", "floats", "a list"])
def test_a_mask_of_one_axis_is_about_keys(kind: str, lengths: Any) -> None:
    """12.5 One axis, also where there are as many queries as keys, heads or texts."""
    arrays, seen = filled(lengths, (4, 2), (lengths[0], 2)), bools(lengths[1])
    mask = np.where(seen, 0.5, -np.inf) if kind == "floats" else seen
    got = evaluate(CALL.format(f", np.array({mask.tolist()})".replace("inf", "np.inf")), *arrays)
    if kind == "a list":
        got = evaluate(CALL.format(f", {seen.tolist()}"), *arrays)
    assert_close(got, want=attended(*arrays, mask=mask))


# ---- 12.6: masks of floats -----------------------------------------------------------------------


@pytest.mark.parametrize("each", FLOATS, ids=str)
def test_masks_of_floats_are_pytorchs(each: Case) -> None:
    """12.6 Values that PyTorch gives."""
    check_values("12", each)


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_of_floats_broadcast(shape: str) -> None:
    """12.6 Numbers for all queries, for each of them, for heads and for batches."""
    arrays, mask = filled((3, 5), (4, 2), (2, 4)), normal(*eval(shape), seed=3)
    got = evaluate(CALL.format(f", np.array({mask.tolist()})"), *arrays)
    assert_close(got, want=attended(*arrays, mask=mask))


@pytest.mark.parametrize("scale", ["None", "0.1", "-2.0", "0"])
def test_a_mask_is_added_after_the_scale(scale: str) -> None:
    """12.6 The same mask beside several scales."""
    arrays, mask = filled((3, 5), (4, 2), (2,)), normal(3, 5, seed=3)
    got = evaluate(CALL.format(f", d, scale={scale}"), *arrays, mask)
    assert_close(got, want=attended(*arrays, mask=mask, scale=eval(scale)))


@pytest.mark.parametrize("kind", ["d", "d.data", "d.tolist()", "tuple(d.tolist())"])
def test_masks_of_floats_hide(kind: str) -> None:
    """12.6 Some numbers are -inf, others 0, large and negative: a Tensor, an array, a list, a tuple."""
    arrays, mask = filled((3, 5), (4, 2), (2,)), normal(3, 5, seed=3)
    mask[~bools(3, 5)] = -np.inf
    mask[:, :2] *= 20
    got = evaluate(CALL.format(f", {kind}"), *arrays, mask)
    assert_close(got, want=attended(*arrays, mask=mask), depth=10)


def test_ones_and_zeros_of_floats_are_added() -> None:
    """12.6 Tensor([1, 0]) is of floats: it hides nothing."""
    (q, k, v), mask = filled((3, 5), (4, 2)), bools(3, 5).astype(float)
    got = evaluate(CALL.format(f", tt.Tensor({mask.astype(int).tolist()})"), q, k, v)
    assert_close(got, want=attended(q, k, v, mask=mask))


@pytest.mark.parametrize("mask", ["0.0", "-0.0", "-3.5", "np.float64(2.5)", "np.array(1.5)"])
def test_one_float_for_everything(mask: str) -> None:
    """12.6 One number added to all scores changes nothing, 0 included."""
    arrays = filled((3, 5), (4, 2), (2,))
    assert_close(evaluate(CALL.format(f", {mask}"), *arrays), want=attended(*arrays), depth=10)


@pytest.mark.parametrize("kind", ["np.array({}, '{}')", "tt.Tensor(np.array({}, '{}'))"])
@pytest.mark.parametrize("own", ["float16", "float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_of_other_dtypes(dtype: str, own: str, kind: str) -> None:
    """12.6 The dtype of the result is that of the queries; the numbers of the mask have few digits."""
    arrays = [a.astype(dtype) for a in filled((3, 5), (4, 2), (2,))]
    mask = np.round(normal(3, 5, seed=3) * 4) / 4
    got = evaluate(CALL.format(f", {kind.format(mask.tolist(), own)}"), *arrays)
    want = attended(*[a.astype(float) for a in arrays], mask=mask)
    assert_close(got, want=want.astype(dtype))


# ---- 12.7: causal --------------------------------------------------------------------------------


@pytest.mark.parametrize("each", CAUSAL, ids=str)
def test_causal_attention_is_pytorchs(each: Case) -> None:
    """12.7 Values that PyTorch gives, also with more keys than queries and with fewer."""
    check_values("12", each)


def test_causal_example() -> None:
    """12.7 The worked example: the first query sees the first key alone."""
    got = evaluate(CALL.format(", is_causal=True, scale=1.0"), QUERIES, KEYS, VALUES)
    assert_close(got, want=np.array([[0.0], [4.0]]))


@pytest.mark.parametrize("lengths", [(5, 5), (3, 6), (6, 3), (1, 4), (4, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("before", [(), (2, 3)], ids=str)
def test_causal_attention_by_hand(lengths: Any, before: Any) -> None:
    """12.7 Fresh numbers; by name, by position, and the same as the mask of kata 12."""
    arrays = filled(lengths, (4, 2), before)
    want = attended(*arrays, causal=True)
    mask = ", tt.causal_mask({}, {})".format(*lengths)
    for more in (", is_causal=True", ", None, 0.0, True", mask):
        assert_close(evaluate(CALL.format(more), *arrays), want=want)


def test_the_first_query_sees_the_first_key() -> None:
    """12.7 Row 0 of the result is the first value."""
    arrays = filled((integer(4, 2, 6),) * 2, (4, 3), (2,))
    got = evaluate(CALL.format(", is_causal=True"), *arrays)
    assert_close(got[:, 0], want=arrays[2][:, 0])
    assert_close(got, want=attended(*arrays, causal=True))


def test_the_future_does_not_matter() -> None:
    """12.7 Keys and values from a place on are others: the rows before it are the same to the bit."""
    (q, k, v), t = filled((6, 6), (4, 2), (2,)), integer(3, 1, 5)
    late = np.arange(6)[:, None] >= t
    other = [np.where(late, a[..., ::-1] + 1, a) for a in (k, v)]
    got = two_results(CALL.format(", is_causal=True"), [q, k, v], [q, *other])
    assert_alike({n: a[:, :t] for n, a in got.items()}, "first", "second", exactly=True)
    assert_close(got["second"], want=attended(q, *other, causal=True), depth=10)


@pytest.mark.parametrize("kind", ["bools", "floats"])
@pytest.mark.parametrize("lengths", [(4, 4), (3, 5), (5, 3)], ids=str)
def test_a_mask_and_the_future(kind: str, lengths: Any) -> None:
    """12.7 Both at once: what either hides is hidden, and floats are added to the rest."""
    arrays, mask = filled(lengths, (4, 2), (2,)), bools(*lengths) | (np.arange(lengths[1]) == 0)
    numbers = mask if kind == "bools" else np.where(mask, normal(*lengths, seed=3), -np.inf)
    got = evaluate(
        CALL.format(f", d{' > 0' * (kind == 'bools')}, is_causal=True"), *arrays, numbers
    )
    assert_close(got, want=attended(*arrays, mask=numbers, causal=True))


def test_the_last_queries_of_a_text() -> None:
    """12.7 The last rows of causal attention, and the last queries alone with a mask with offset."""
    (q, k, v), n = filled((6, 6), (4, 2), (2,)), integer(2, 1, 4)
    whole = evaluate(CALL.format(", is_causal=True"), q, k, v)
    assert_close(whole, want=attended(q, k, v, causal=True))
    more = f", tt.causal_mask({n}, offset={6 - n})"
    assert_close(evaluate(CALL.format(more), q[:, 6 - n :], k, v), want=whole[:, 6 - n :])


@given(drawn, drawn, st.lists(st.integers(1, 3), max_size=2), st.booleans(), seeds)
@FEW
def test_masks_of_drawn_shapes(
    lengths: Any, sizes: Any, before: Any, causal: bool, seed: int
) -> None:
    """12.7 Drawn numbers of queries, keys and axes, a mask of bools, and the future hidden or not."""
    arrays = filled(lengths, sizes, tuple(before), seed=seed)
    mask = bools(*lengths, seed=seed)
    more = f", np.array({mask.tolist()}), is_causal={causal}"
    want = attended(*arrays, mask=mask, causal=causal)
    if want.any():
        assert_close(evaluate(CALL.format(more), *arrays), want=want, terms=abs(arrays[2]).max())


@pytest.mark.parametrize("shape", [(1, 4), (4,), (3, 1), (1, 1), (2, 1, 4), (2, 3, 1)], ids=str)
@pytest.mark.parametrize("kind", ["bools", "floats"])
def test_a_stretched_mask_and_the_future(kind: str, shape: Any) -> None:
    """12.7 A mask with sizes of 1 or fewer axes, given with is_causal: both hide, wherever they are stretched."""
    arrays, seen = filled((3, 4), (4, 2), (2,)), bools(*shape, share=0.9)
    seen = seen | (shape[-1] == 1)
    mask = np.where(seen, 0.25, -np.inf) if kind == "floats" else seen
    text = f"np.array({mask.tolist()})".replace("inf", "np.inf")
    got = evaluate(CALL.format(f", {text}, is_causal=True"), *arrays)
    assert_close(got, want=attended(*arrays, mask=mask, causal=True))


@pytest.mark.parametrize("first", [63, 64, 70, 99])
def test_a_long_beginning_is_hidden(first: int) -> None:
    """12.5 Of a hundred keys the first 63 or more are hidden."""
    q, k, v = filled((2, 100), (2, 2))
    got = unwarned(CALL.format(f", np.arange(100) >= {first}"), q, k, v)
    assert_close(got, want=attended(q, k[first:], v[first:]), depth=10)


@pytest.mark.parametrize("keys", [1, 63, 64, 65, 100, 128, 130])
@pytest.mark.parametrize("more", ["", ", is_causal=True"], ids=["all", "causal"])
def test_attention_of_many_keys(keys: int, more: str) -> None:
    """12.3 Numbers of keys, and of queries, around those of blocks; the last key may be the one that fits."""
    q, k, v = filled((keys + 3, keys), (2, 2))
    k[-1] *= 3
    got = evaluate(CALL.format(more), q, k, v)
    scores = q @ k.T / np.sqrt(2) + np.where(np.tri(keys + 3, keys) + (not more), 0.0, -np.inf)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    assert_close(got, want=weights @ v / weights.sum(1, keepdims=True), depth=10)


# ---- 12.8: nothing to see ------------------------------------------------------------------------


NOTHING = {  # how every key is hidden from query 1 of 3, and from no other
    "bools": ", np.array([[True, False, True, True], [False] * 4, [False, True, True, True]])",
    "bools-for-whole-queries": ", [[True], [False], [True]]",
    "floats": ", np.array([[0.0] * 4, [-np.inf] * 4, [1.0, -np.inf, 0.0, 2.0]])",
    "floats-for-whole-queries": ", tt.Tensor([[0.5], [-np.inf], [0.5]])",
    "bools-and-the-future": ", [[True] * 4, [False, False, True, True], [False, True, True, True]], is_causal=True",
    "floats-and-the-future": ", [[0.0] * 4, [-np.inf, -np.inf, 1.0, 2.0], [0.0] * 4], is_causal=True",
}


def options_of(more: str) -> Any:
    """The mask and whether the future is hidden, for the formula."""
    text, _, causal = more.partition(", is_causal=")
    names = {"np": np, "tt": None}
    return {
        "mask": np.array(eval(text[2:].replace("tt.Tensor", ""), names)),
        "causal": bool(causal),
    }


@pytest.mark.parametrize("way", NOTHING)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_to_see_gives_zeros(way: str, dtype: str) -> None:
    """12.8 Row 1 to the last bit, and the other rows."""
    arrays, more = filled((3, 4), (5, 2), (2,)), NOTHING[way]
    got = evaluate(CALL.format(more), *[a.astype(dtype) for a in arrays])
    assert_zeros(got[:, 1], beside=got[:, ::2])
    narrow = [a.astype(dtype).astype(float) for a in arrays]
    want = attended(*narrow, **options_of(more))[:, ::2]
    assert_close(got[:, ::2], want=want.astype(dtype))


@pytest.mark.parametrize("mask", ["False", "[[False]]", "-np.inf", "np.zeros((3, 4), bool)"])
def test_everything_hidden_gives_zeros(mask: str) -> None:
    """12.8 Every key of every query is hidden."""
    arrays = filled((3, 4), (5, 2), (2,))
    other = evaluate(CALL.format(""), *arrays)
    got = evaluate(CALL.format(f", {mask}"), *arrays)
    assert_equal(got.shape, want=(2, 3, 2))
    assert_zeros(got, beside=other)


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("learns", [True, False])
def test_one_key_may_be_hidden(learns: bool, queries: int) -> None:
    """12.8 S = 1, hidden in one text and seen in the other, by bools and by floats."""
    arrays = filled((queries, 1), (4, 2), (2,))
    for mask in ("[[[False]], [[True]]]", "[[[-np.inf]], [[0.5]]]"):
        got = with_history(CALL.format(f", {mask}"), learns, *arrays)
        assert_zeros(got[0], beside=got[1])
        assert_close(got[1], want=np.repeat(arrays[2][1], queries, axis=0))


def test_scores_of_minus_infinity_give_zeros() -> None:
    """12.8 Keys of -inf: a positive query sees none of them, and one key that is finite is seen."""
    q, v = abs(normal(3, 1)) + 0.5, normal(2, 4, 2)
    k = np.full((2, 4, 1), -np.inf)
    k[1, integer(2, 0, 3)] = 1.0
    got = evaluate(CALL.format(""), np.stack([q, q]), k, v)
    assert_zeros(got[0], beside=got[1])
    assert_close(got[1], want=np.repeat(v[1, k[1, :, 0] == 1], 3, axis=0))


@pytest.mark.parametrize("more", ["[[True, False], [True, True]]", "[[0.0, -np.inf], [0.0, 0.5]]"])
def test_nothing_to_see_for_two_reasons(more: str) -> None:
    """12.8 A mask hides one key, the other's score is -inf by itself: zeros; the next query sees the first."""
    k, v = np.array([[-np.inf], [real(1.0, 0.5, 2.0)]]), normal(2, 3)
    got = evaluate(CALL.format(f", {more}"), np.ones((2, 1)), k, v)
    assert_zeros(got[0], beside=got[1])
    assert_close(got[1], want=v[1])


@observe(shown="{call}, of operands whose requires_grad is {learns}")
def with_history(tt: Any, call: str, learns: bool, *arrays: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=learns) for a in arrays]
    return eval(call, {"tt": tt, "np": np} | dict(zip("abc", leaves, strict=True)))


@observe(shown="{call}, and no sign of overflow")
def unwarned(tt: Any, call: str, q: Any, k: Any, v: Any) -> Any:
    a, b, c = (tt.Tensor(x) for x in (q, k, v))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        return eval(call, {"tt": tt, "np": np, "a": a, "b": b, "c": c})


@pytest.mark.parametrize("way", ["bools", "floats", "floats-and-the-future"])
def test_nothing_to_see_is_no_reason_to_warn(way: str) -> None:
    """12.8 NumPy complains of nothing on the way."""
    arrays, more = filled((3, 4), (5, 2), (2,)), NOTHING[way]
    got = unwarned(CALL.format(more), *arrays)
    assert_close(got, want=attended(*arrays, **options_of(more)))


# ---- 12.9: large, infinite, nan ------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0, 30_000.0, -30_000.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("more", ["", ", is_causal=True"], ids=["all", "causal"])
def test_large_scores(shift: float, dtype: str, more: str) -> None:
    """12.9 All scores of a row lie far from 0, about 1 apart."""
    v, steps = normal(5, 2).astype(dtype), np.round(normal(5, 1, seed=2) * 8) / 8
    q, k = np.ones((4, 1), dtype), (steps + shift).astype(dtype)
    got = unwarned(CALL.format(more), q, k, v)
    want = attended(q.astype(float), k.astype(float), v.astype(float), causal=bool(more))
    assert_close(got, want=want.astype(dtype))


@pytest.mark.parametrize("more", ["[True, False]", "[0.0, -np.inf]", "None, is_causal=True"])
@pytest.mark.parametrize("far", [1e4, 1e30])
def test_a_hidden_score_may_be_the_largest(far: float, more: str) -> None:
    """12.9 The key that is hidden fits far better than the one that is seen: no warning."""
    q, k, v = np.ones((1, 1)), np.array([[real(0.5, 0.2, 0.9)], [far]]), normal(2, 3)
    got = unwarned(CALL.format(f", attn_mask={more}, scale=1.0"), q, k, v)
    assert_close(got, want=v[:1])


@pytest.mark.parametrize("far", [-1e5, -1e9, -1e30, 1e30])
@pytest.mark.parametrize("more", ["", ", [[True, True, False]]"], ids=["all", "masked"])
def test_equal_scores_however_far(far: float, more: str) -> None:
    """12.9 All scores of a row are the same and as far from 0 as floats go: the mean of what is seen."""
    v, seen = normal(3, 2).astype(np.float32), 2 if more else 3
    k = np.full((3, 1), real(far, *sorted((0.9 * far, 1.1 * far))), np.float32)
    got = unwarned(CALL.format(f"{more}, scale=1.0"), np.ones((2, 1), np.float32), k, v)
    assert_close(got, want=np.tile(v[:seen].mean(0), (2, 1)))


@pytest.mark.parametrize("far", [-1e5, -1e9, -3e38, 1e9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mask_as_far_as_floats_go(far: float, dtype: str) -> None:
    """12.6 A mask whose numbers are all alike, and finite, hides nothing; one number more in a row does not either."""
    q, k, v = (a.astype(dtype) for a in filled((2, 3), (4, 2)))
    got = unwarned(CALL.format(f", np.full((2, 3), {far}), scale=0.0"), q, k, v)
    assert_close(got, want=np.tile(v.mean(0, dtype=np.float64), (2, 1)).astype(dtype), depth=10)


@pytest.mark.parametrize("far", [800.0, 30_000.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_far_from_each_other(far: float, dtype: str) -> None:
    """12.9 In some rows one key fits far better than all others, in some it is the worst, in one row both."""
    v = normal(4, 2).astype(dtype)
    q = np.array([[1.0], [-1.0], [0.0], [0.001]], dtype)
    k = np.array([[far], [0.5], [-far], [far - 0.25]], dtype)
    want = attended(q.astype(float), k.astype(float), v.astype(float)).astype(dtype)
    assert_close(unwarned(CALL.format(""), q, k, v), want=want)


def test_a_row_far_below_another() -> None:
    """12.9 One query has scores of -900, another of 900: both keep the weights of their own keys."""
    v, k = normal(3, 2), np.array([[899.0], [900.0], [900.5]])
    q = np.array([[1.0], [-1.0], [0.5]])
    assert_close(unwarned(CALL.format(""), q, k, v), want=attended(q, k, v), depth=10)
    hidden = unwarned(CALL.format(", [[True, True, False]]"), q, k, v)
    assert_close(hidden, want=attended(q, k, v, mask=[[True, True, False]]), depth=10)


@pytest.mark.parametrize("odd", [np.inf, np.nan], ids=str)
def test_an_infinite_or_nan_score_is_its_rows(odd: float) -> None:
    """12.9 One number of one query: its row is nan, the others are as they were."""
    (q, k, v), i = filled((4, 3), (2, 2), (2,)), integer(2, 0, 3)
    want = attended(q, k, v)
    k[:, :, 0] = abs(k[:, :, 0]) + 0.1  # so that no product with infinity is nan or -inf
    q[1, i, 0], want = odd, attended(q, k, v)
    want[1, i] = np.nan
    got = evaluate(CALL.format(""), q, k, v)
    rows = np.isnan(want)
    assert_exact(np.where(rows, got, 1.0), want=np.where(rows, want, 1.0))
    assert_close(np.where(rows, 0.0, got), want=np.where(rows, 0.0, want))


def test_scores_of_either_infinity() -> None:
    """12.9 One key is infinite: for positive queries the score is inf, for negative ones it has no weight."""
    v, k = normal(3, 2), np.array([[0.5], [np.inf], [-1.0]])
    q = np.array([[1.0], [-1.0], [2.0], [-0.5]])
    got = evaluate(CALL.format(""), q, k, v)
    assert_exact(got[::2], want=np.full((2, 2), np.nan))
    assert_close(got[1::2], want=attended(q[1::2], k[::2], v[::2]))


# ---- 12.10: heads that share keys ----------------------------------------------------------------


@pytest.mark.parametrize("each", GROUPED, ids=str)
def test_shared_keys_are_pytorchs(each: Case) -> None:
    """12.10 Values that PyTorch gives."""
    check_values("12", each)


HEADS = [(4, 2), (6, 3), (6, 2), (4, 1), (3, 3), (1, 1)]


@pytest.mark.parametrize(("many", "few"), HEADS)
@pytest.mark.parametrize("before", [(), (2,), (2, 2)], ids=str)
def test_shared_keys_by_hand(many: int, few: int, before: Any) -> None:
    """12.10 Several numbers of heads, with none to two axes before them."""
    arrays = filled((3, 5), (4, 2), (*before, many), few)
    assert_close(evaluate(CALL.format(", enable_gqa=True"), *arrays), want=attended(*arrays))


@pytest.mark.parametrize("more", ["", ", is_causal=True"], ids=["all", "causal"])
@pytest.mark.parametrize("shape", ["(4, 5)", "(6, 4, 5)", "(2, 1, 1, 5)", "(2, 6, 4, 1)"])
def test_shared_keys_and_a_mask(shape: str, more: str) -> None:
    """12.10 Masks for each of the query heads, with and without the future."""
    arrays, mask = filled((4, 5), (3, 2), (2, 6), 3), normal(*eval(shape), seed=3)
    got = evaluate(CALL.format(f", d{more}, enable_gqa=True"), *arrays, mask)
    assert_close(got, want=attended(*arrays, mask=mask, causal=bool(more)))


def test_shared_keys_without_heads() -> None:
    """12.10 Matrices, where there is nothing to share."""
    arrays = filled((3, integer(4, 2, 6)), (4, 2))
    assert_close(evaluate(CALL.format(", enable_gqa=True"), *arrays), want=attended(*arrays))


@pytest.mark.parametrize("lengths", [(3, 0), (0, 3), (0, 0)], ids=str)
def test_shared_heads_of_nothing(lengths: Any) -> None:
    """12.10 Four query heads, two key heads, and no keys, no queries, or neither."""
    arrays = filled(lengths, (4, 2), (4,), 2)
    got = evaluate(CALL.format(", enable_gqa=True"), *arrays)
    assert_equal([got.shape, float(np.abs(got).sum())], want=[(4, lengths[0], 2), 0.0])


# ---- 12.11: dropout ------------------------------------------------------------------------------


@observe(shown="{call}, twice, and Dropout({p}, g)(ones)")
def dropped(tt: Any, arrays: Any, call: str, p: str, seed: int) -> Any:
    q, k, v = (tt.Tensor(a) for a in arrays)
    names = {"tt": tt, "np": np, "q": q, "k": k, "v": v}
    found, ones = {}, np.ones((*q.shape[:-1], k.shape[-2]), q.dtype)
    for name in ("own", "default"):
        generators = [np.random.default_rng(seed + 1) if name == "own" else None for _ in range(2)]
        tt.manual_seed(seed)
        first = eval(call, names | {"g": generators[0]})
        second = eval(call, names | {"g": generators[0]})
        tt.manual_seed(seed)
        layer = tt.Dropout(eval(p, {"np": np}), generators[1])
        factors = [layer(tt.Tensor(ones)).data.copy() for _ in range(2)]
        found |= {f"{name}, first": first, f"{name}, second": second}
        found |= {f"{name}, factors": factors[0], f"{name}, second factors": factors[1]}
    return found


def dropping(more: str, p: str) -> str:
    """The call with dropout."""
    return ASK.format(f"{more}, dropout_p={p}, generator=g")


def check_dropped(got: Any, arrays: Any, **options: Any) -> None:
    """Both calls of both generators against the formula, with the factors that kata 03 drew."""
    dtype, wide = arrays[0].dtype, [a.astype(float) for a in arrays]
    for name in ("own", "default"):
        for first, factors in (("first", "factors"), ("second", "second factors")):
            want = attended(*wide, factors=got[f"{name}, {factors}"], **options)
            limit = 4.0 * abs(arrays[2]).max()
            assert_close(got[f"{name}, {first}"], want=want.astype(dtype), terms=limit)


@pytest.mark.parametrize("p", ["0.5", "0.25", "np.float64(0.4)"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_drops_weights(p: str, dtype: str) -> None:
    """12.11 Two calls with one generator, then with manual_seed's: the numbers that kata 03 draws."""
    arrays = [a.astype(dtype) for a in filled((4, 7), (3, 2), (2, 2))]
    check_dropped(dropped(arrays, dropping("", p), p, integer(3, 1, 999)), arrays)


@pytest.mark.parametrize("more", ["masked", "causal", "shared"])
def test_dropout_beside_other_options(more: str) -> None:
    """12.11 With a mask that hides, with the future hidden, and with heads that share keys."""
    arrays = filled((4, 7), (3, 2), (2, 4), 2 if more == "shared" else None)
    mask = bools(4, 7)
    texts = {"masked": f", np.array({mask.tolist()})", "causal": ", is_causal=True"}
    call = dropping(texts.get(more, ", enable_gqa=True"), "0.4")
    got = dropped(arrays, call, "0.4", integer(3, 1, 999))
    masks = mask if more == "masked" else None
    check_dropped(got, arrays, mask=masks, causal=more == "causal")


@pytest.mark.parametrize("p", ["1.0", "1"])
def test_dropout_of_everything(p: str) -> None:
    """12.11 Every weight is dropped; and beside it half of them."""
    arrays = filled((4, 9), (3, 2), (2,))
    seed = integer(3, 1, 999)
    half, got = (dropped(arrays, dropping("", each), each, seed) for each in ("0.5", p))
    assert_zeros(got["own, first"], beside=half["own, first"])
    assert_zeros(got["default, second"], beside=half["default, second"])


@observe(shown="the next draws after {call}")
def draws_after(tt: Any, arrays: Any, call: str, seed: int) -> Any:
    g, fresh = np.random.default_rng(seed), np.random.default_rng(seed)
    tt.manual_seed(seed)
    q, k, v = (tt.Tensor(a) for a in arrays)
    names = {"tt": tt, "np": np, "g": g, "q": q, "k": k, "v": v}
    try:
        result = eval(call, names)
    except (ValueError, TypeError):
        result = np.zeros(1)
    after = [g.random(), tt.rand(1).item()]
    tt.manual_seed(seed)
    return {"result": result, "after": after, "fresh": [fresh.random(), tt.rand(1).item()]}


@pytest.mark.parametrize("more", ["", ", dropout_p=0.0", ", None, 0", ", dropout_p=np.float64(0)"])
def test_no_dropout_draws_nothing(more: str) -> None:
    """12.11 The generator that was passed and the default one; the result."""
    arrays = filled((3, 5), (4, 2), (2,))
    got = draws_after(arrays, ASK.format(f"{more}, generator=g"), integer(3, 1, 999))
    assert_equal(got["after"], want=got["fresh"])
    assert_close(got["result"], want=attended(*arrays))


# ---- 12.12: what is refused ----------------------------------------------------------------------

Q, K, V = "(2, 3, 4)", "(2, {n}, 4)", "(2, {n}, 2)"
MISFITS = {  # shapes of query, key and value, and further arguments
    "one-axis-of-queries": ("(4,)", "({n}, 4)", "({n}, 2)", ""),
    "one-axis-of-keys": ("(3, 4)", "(4,)", "(4, {n})", ""),
    "one-axis-of-values": ("(3, 4)", "({n}, 4)", "({n},)", ""),
    "one-axis-of-each": ("(4,)", "(4,)", "(4,)", ""),
    "no-axis": ("()", "({n}, 4)", "({n}, 2)", ""),
    "no-axis-of-each": ("()", "()", "()", ""),
    "no-axis-of-values": ("(3, 4)", "({n}, 4)", "()", ""),
    "other-size": (Q, "(2, {n}, 3)", V, ""),
    "other-size-1": (Q, "(2, {n}, 1)", V, ""),
    "other-number-of-values": (Q, K, "(2, 1, 2)", ""),
    "other-number-of-values-too": (Q, K, "(2, 3, 2)", ""),
    "other-batches": (Q, "(3, {n}, 4)", "(3, {n}, 2)", ""),
    "one-batch": (Q, "(1, {n}, 4)", "(1, {n}, 2)", ""),
    "one-batch-of-queries": ("(1, 3, 4)", K, V, ""),
    "no-batch-axis": (Q, "({n}, 4)", "({n}, 2)", ""),
    "no-batch-axis-of-queries": ("(3, 4)", K, V, ""),
    "one-batch-of-values": (Q, K, "(1, {n}, 2)", ""),
    "no-batch-axis-of-values": (Q, K, "({n}, 2)", ""),
    "fewer-heads": ("(4, 3, 4)", "(2, {n}, 4)", "(2, {n}, 2)", ""),
    "one-head": ("(4, 3, 4)", "(1, {n}, 4)", "(1, {n}, 2)", ", enable_gqa=False"),
    "heads-do-not-divide": ("(4, 3, 4)", "(3, {n}, 4)", "(3, {n}, 2)", ", enable_gqa=True"),
    "more-key-heads": ("(2, 3, 4)", "(4, {n}, 4)", "(4, {n}, 2)", ", enable_gqa=True"),
    "no-key-heads": ("(2, 3, 4)", "(0, {n}, 4)", "(0, {n}, 2)", ", enable_gqa=True"),
    "other-heads-of-values": ("(4, 3, 4)", "(2, {n}, 4)", "(4, {n}, 2)", ", enable_gqa=True"),
    "batches-do-not-share": (
        "(4, 2, 3, 4)",
        "(2, 2, {n}, 4)",
        "(2, 2, {n}, 2)",
        ", enable_gqa=True",
    ),
    "other-batches-and-heads": (
        "(3, 4, 3, 4)",
        "(2, 2, {n}, 4)",
        "(2, 2, {n}, 2)",
        ", enable_gqa=True",
    ),
    "heads-without-batches": ("(2, 4, 3, 4)", "(2, {n}, 4)", "(2, {n}, 2)", ", enable_gqa=True"),
    "heads-for-matrices": ("(4, 3, 4)", "({n}, 4)", "({n}, 2)", ", enable_gqa=True"),
    "no-queries-and-other-size": ("(2, 0, 4)", "(2, {n}, 3)", V, ""),
    "no-batches-and-other-number": ("(0, 3, 4)", "(0, {n}, 4)", "(0, 1, 2)", ""),
}


@pytest.mark.parametrize("name", MISFITS)
def test_attention_refuses_shapes(name: str) -> None:
    """12.12 Shapes that do not go together; one size is drawn."""
    n = str(integer(6, 5, 9))
    *shapes, more = (text.replace("{n}", n) for text in MISFITS[name])
    arrays = [np.ones(eval(shape)) for shape in shapes]
    assert_raises(evaluate, CALL.format(more), *arrays, error="ValueError", says=tuple(shapes))


WRONG_MASKS = ["({n}, 5)", "(3, {n})", "({n},)", "(2, 3, {n})", "({n}, 3, 5)", "(5, 3)", "(2, 1)"]
WRONG_MASKS += ["(1, 2, 3, 5)", "(1, 1, 1, 1)", "(0,)", "(3, 0)"]


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("shape", WRONG_MASKS)
def test_attention_refuses_a_mask_of_another_shape(shape: str, kind: str) -> None:
    """12.12 Masks that would need other queries, other keys or more axes."""
    shape = shape.replace("{n}", str(integer(7, 6, 9)))
    arrays, call = filled((3, 5), (4, 2), (2,)), CALL.format(f", np.ones({shape}, {kind})")
    assert_raises(evaluate, call, *arrays, error="ValueError", says=(shape, "(2, 3, 5)"))


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_attention_refuses_a_mask_of_several_queries_for_one(kind: str) -> None:
    """12.12 One query and one key, and a mask for more of them: the result may not grow."""
    n = integer(3, 2, 9)
    for shape in (f"({n}, 1)", f"(1, {n})", f"({n}, 1, 1)"):
        call = CALL.format(f", np.ones({shape}, {kind})")
        arrays = filled((1, 1), (4, 2), (1,))
        assert_raises(evaluate, call, *arrays, error="ValueError", says=(shape, "(1, 1, 1)"))


@pytest.mark.parametrize(
    ("mask", "dtype"),
    [
        ("np.ones((3, 5), np.int64)", "int64"),
        ("np.ones((3, 5), np.uint8)", "uint8"),
        ("tt.Tensor(np.ones((3, 5), np.int32))", "int32"),
        ("[[1, 0, 1, 1, 1]]", "int64"),
        ("1", "int64"),
        ("0", "int64"),
        ("np.ones((3, 5), complex)", "complex128"),
        ("'causal'", "<U6"),
        ("[None]", "object"),
    ],
)
def test_attention_refuses_a_mask_of_another_dtype(mask: str, dtype: str) -> None:
    """12.12 Integers, complex numbers, text, None in a list."""
    arrays = filled((3, 5), (4, 2), (2,))
    call = CALL.format(f", {mask}")
    assert_raises(evaluate, call, *arrays, error="TypeError", says=(dtype,))


@pytest.mark.parametrize("p", ["-{x}", "1.{n}", "{n}", "float('nan')", "-1", "np.float64(1.{n})"])
@pytest.mark.parametrize("more", [", dropout_p={}", ", None, {}"], ids=["name", "position"])
def test_attention_refuses_a_dropout(p: str, more: str) -> None:
    """12.12 Numbers below 0 and above 1, and nan."""
    p = p.replace("{x}", f"0.{integer(5, 1, 9)}").replace("{n}", str(integer(5, 2, 9)))
    said = str(eval(p, {"np": np, "float": float}))
    arrays = filled((3, 5), (4, 2), (2,))
    assert_raises(evaluate, CALL.format(more.format(p)), *arrays, error="ValueError", says=(said,))


@pytest.mark.parametrize(
    "more", [", np.ones((2, 2), bool)", ", [[1]]", ", dropout_p=2", ", np.ones((5, 3))"]
)
def test_attention_refuses_before_it_draws(more: str) -> None:
    """12.12 The generators after a refusal, where some dropout was asked for."""
    more += "" if "dropout_p" in more else ", dropout_p=0.5"
    call = ASK.format(f"{more}, generator=g")
    got = draws_after(filled((3, 5), (4, 2), (2,)), call, integer(3, 1, 999))
    assert_equal(got["after"], want=got["fresh"])
    call = ASK.format(", dropout_p=0.5, generator=g")
    got = draws_after([*filled((3, 5), (4, 2))[:2], np.ones((4, 2))], call, 5)
    assert_equal(got["after"], want=got["fresh"])


# ---- 12.3 once more ------------------------------------------------------------------------------


@observe(
    shown="scaled_dot_product_attention(q, k, v), between calls with other numbers of the same shapes"
)
def called_again(tt: Any, first: Any, second: Any) -> Any:
    attend = tt.scaled_dot_product_attention
    tensors, others = [tt.Tensor(a) for a in first], [tt.Tensor(a) for a in second]
    masks = [np.array([[True, False, False]] * 2), np.array([[False, True, True]] * 2)]
    results = {"first": attend(*tensors).data.copy(), "other numbers": attend(*others)}
    results["causal"] = attend(*tensors, is_causal=True)
    results["a mask"] = attend(*tensors, masks[0])
    results["another mask"] = attend(*tensors, masks[1])
    masks[1][...] = masks[0]
    results["written to"] = attend(*tensors, masks[1])
    results["again"] = attend(*tensors)
    for tensor, array in zip(tensors, second, strict=True):
        tensor.data[...] = array
    results["numbers written to"] = attend(*tensors)
    return results


def test_attention_knows_nothing_of_other_calls() -> None:
    """12.3 The same tensors with other masks and numbers, and masks that were written to."""
    first, second = filled((2, 3), (4, 2)), filled((2, 3), (4, 2), seed=1)
    mask = np.array([[True, False, False]] * 2)
    plain, other = attended(*first), attended(*second)
    want = {"first": plain, "other numbers": other, "again": plain, "numbers written to": other}
    want["causal"] = attended(*first, causal=True)
    want["a mask"] = want["written to"] = attended(*first, mask=mask)
    want["another mask"] = attended(*first, mask=~mask)
    assert_close(called_again([a.copy() for a in first], second), want=want)
