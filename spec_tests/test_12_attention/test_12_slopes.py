"""Kata 12, Attention: gradients, notes, work and memory (katas/12_attention/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_unchanged,
    assert_zeros,
)
from support.expressions import evaluate, gradients
from support.observe import observe
from support.oracle import Case, check_gradients
from support.strategies import LAYOUTS, fill, integer, normal, seeds
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
    case,
    filled,
    grown,
    sloped,
    summed_to,
)

FEW = settings(max_examples=25)  # each example is computed query by query
KINDS = [c for c in (*PLAIN, *SCALES, *BOOLS, *CAUSAL, *GROUPED) if c.gradient]
ALIKE = [
    case("one-tensor", "", (2, 3, 4)),
    case("one-tensor-causal", ", is_causal=True", (2, 2, 4, 3)),
    case("keys-are-values", "", (2, 3, 4), (2, 5, 4)),
]
ALIKE = [
    Case(
        each.name,
        each.expression.replace("a, b, c", text),
        each.shapes,
        each.kind,
        each.torch.replace("a, b, c", text),
        True,
    )
    for each, text in zip(ALIKE, ("a, a, a", "a, a, a", "a, b, b"), strict=True)
]
NAMES = ("query", "key", "value", "mask")
OPTIONS = {  # further arguments, and the same for the formula; the mask is that of `shown`
    "plain": ("", {}),
    "masked": (", np.array({mask})", {"mask": True}),
    "causal": (", is_causal=True", {"causal": True}),
    "masked-causal": (", np.array({mask}), is_causal=True", {"mask": True, "causal": True}),
    "scaled": (", scale=-0.6", {"scale": -0.6}),
}


def asked(name: str, mask: Any) -> tuple[str, dict[str, Any]]:
    """Further arguments of a call, and the options of the formula."""
    more, options = OPTIONS[name]
    if "causal" in name:  # else a query might see no two keys, and nothing would flow
        mask = mask | (np.arange(mask.shape[-1]) < 2)
    chosen = {k: mask if k == "mask" else v for k, v in options.items()}
    return more.replace("{mask}", str(mask.tolist())), chosen


def cotangent(arrays: Any, seed: int = 70) -> Any:
    """A random cotangent of the result."""
    q, _, v = arrays[:3]
    return fill((*q.shape[:-1], v.shape[-1]), seed, "normal")


# ---- 12.13: the gradients of query, key and value ------------------------------------------------


def test_gradient_example() -> None:
    """12.13 The worked example: the cotangent is 1 for the first query."""
    c = np.array([[1.0], [0.0]])
    got = gradients(CALL.format(", scale=1.0"), c, QUERIES, KEYS, VALUES)
    slope = 1.5 * np.log(3)
    want = [np.array([[slope], [0.0]]), np.array([[-1.5], [1.5]]), np.array([[0.25], [0.75]])]
    assert_close(got, want=want)


@pytest.mark.parametrize("each", KINDS, ids=str)
def test_gradients_are_pytorchs(each: Case) -> None:
    """12.13 Gradients under a random cotangent, as PyTorch gives them."""
    check_gradients("12", each)


@pytest.mark.parametrize("each", ALIKE, ids=str)
def test_gradients_of_one_tensor_in_several_roles(each: Case) -> None:
    """12.13 One tensor is query, key and value, another key and value; as PyTorch gives them."""
    check_gradients("12", each)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    ("before", "few"), [((), None), ((2, 3), None), ((4,), 2), ((2, 3), 1)], ids=str
)
def test_gradients_by_hand(before: Any, few: Any, name: str) -> None:
    """12.13 Fresh numbers, query by query, with heads that share keys and without; sizes are drawn."""
    lengths = integer(4, 3, 5), integer(5, 3, 6, seed=1)
    arrays, mask = filled(lengths, (3, 2), before, few), bools(*lengths)
    more, options = asked(name, mask)
    more += ", enable_gqa=True" if few else ""
    c = cotangent(arrays)
    want = sloped(*arrays, c, **options)[:3]
    assert_close(gradients(CALL.format(more), c, *arrays), want=want, depth=10)


drawn = st.tuples(st.integers(2, 5), st.integers(2, 5))


@given(drawn, drawn, st.lists(st.integers(1, 3), max_size=2), st.sampled_from(list(OPTIONS)), seeds)
@FEW
def test_gradients_of_drawn_shapes(
    lengths: Any, sizes: Any, before: Any, name: str, seed: int
) -> None:
    """12.13 Drawn sizes and options; each gradient in its own size."""
    arrays = filled(lengths, sizes, tuple(before), seed=seed)
    more, options = asked(name, bools(*lengths, seed=seed))
    c = cotangent(arrays, seed)
    want = sloped(*arrays, c, **options)[:3]
    got = gradients(CALL.format(more), c, *arrays)
    for slope, wanted in zip(got, want, strict=True):
        if abs(wanted).max() > 1e-6:
            assert_close(slope, want=wanted, terms=max(1.0, abs(wanted).max()), depth=10)


def test_gradients_of_scale_0() -> None:
    """12.13 With scale 0 the weights are all alike: values learn, queries and keys do not."""
    arrays = filled((3, 5), (4, 2), (2,))
    c = cotangent(arrays)
    got = gradients(CALL.format(", scale=0"), c, *arrays)
    assert_close(got[2], want=sloped(*arrays, c, scale=0)[2])
    assert_zeros(got[0], beside=got[2])
    assert_zeros(got[1], beside=got[2])


def test_gradients_of_one_key() -> None:
    """12.13 A softmax of one score is 1 whatever it is."""
    arrays = filled((3, 1), (4, integer(2, 1, 5)), (2,))
    c = cotangent(arrays)
    got = gradients(CALL.format(""), c, *arrays)
    assert_close(got[2], want=c.sum(1, keepdims=True))
    for slope in got[:2]:
        assert_close(slope + 1.0, want=np.ones(slope.shape))


def test_gradients_check_out() -> None:
    """12.13 Central differences of the result itself."""
    arrays, mask = filled((3, 4), (2, 2), (2,)), bools(3, 4)
    more, c, eps = f", np.array({mask.tolist()}), is_causal=True", normal(2, 3, 2, seed=4), 1e-6
    got = gradients(CALL.format(more), c, *arrays)
    for n, array in enumerate(arrays):
        step = np.zeros_like(array)
        step[tuple(integer(1, 0, s - 1, seed=i) for i, s in enumerate(array.shape))] = eps
        ends = [[a + s * step if i == n else a for i, a in enumerate(arrays)] for s in (1, -1)]
        high, low = (float((evaluate(CALL.format(more), *each) * c).sum()) for each in ends)
        slope = float(got[n][step > 0][0])
        assert_below(abs((high - low) / (2 * eps) - slope), limit=1e-6, what="difference")


# ---- 12.8 once more: nothing to see --------------------------------------------------------------


SHOWN = [[False] * 4, [True, False, True, True], [True] * 4]
HIDING = {  # how every key is hidden from query 0 of 3: the mask's text, itself, and whether causal
    "bools": ("d.data > 0", np.array(SHOWN), False),
    "floats": ("d.data", np.where(SHOWN, 0.5, -np.inf), False),
    "bools-and-the-future": ("d.data > 0", np.array([[False, True, True, True]] * 3), True),
    "floats-and-the-future": ("d.data", np.array([[-np.inf, 1.0, 2.0, 0.5]] * 3), True),
    "bools-for-whole-queries": ("d.data > 0", np.array([[False], [True], [True]]), False),
}


@pytest.mark.parametrize("way", HIDING)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_to_see_passes_nothing_on(way: str, dtype: str) -> None:
    """12.8 The gradient of a query that sees no key, to the last bit, and all other gradients."""
    text, mask, causal = HIDING[way]
    arrays = [a.astype(dtype) for a in (*filled((3, 4), (5, 2), (2,)), mask)]
    c, wide = cotangent(arrays).astype(dtype), [a.astype(float) for a in arrays[:3]]
    call = CALL.format(f", {text}, is_causal={causal}")
    got = gradients(call, c, *arrays)[:3]
    want = sloped(*wide, c.astype(float), mask=mask, causal=causal)[:3]
    assert_zeros(got[0][:, 0], beside=got[0])
    assert_close(got, want=[s.astype(dtype) for s in want], depth=10)


@pytest.mark.parametrize("mask", ["False", "-np.inf", "[[False], [False], [False]]"])
def test_everything_hidden_passes_nothing_on(mask: str) -> None:
    """12.8 All gradients where no query sees a key, beside those where all do."""
    arrays = filled((3, 4), (5, 2), (2,))
    c = cotangent(arrays)
    shown = gradients(CALL.format(""), c, *arrays)
    for slope, other in zip(gradients(CALL.format(f", {mask}"), c, *arrays), shown, strict=True):
        assert_equal(slope.shape, want=other.shape)
        assert_zeros(slope, beside=other)


def test_hidden_keys_learn_nothing() -> None:
    """12.13 Gradients of keys and values that no query sees, to the last bit."""
    arrays, hidden = filled((3, 6), (4, 2), (2,)), ~bools(6)
    c = cotangent(arrays)
    got = gradients(CALL.format(f", np.array({(~hidden).tolist()})"), c, *arrays)
    for slope in got[1:]:
        assert_zeros(slope[:, hidden], beside=slope)
    assert_close(got, want=sloped(*arrays, c, mask=~hidden)[:3], depth=10)


@pytest.mark.parametrize("odd", [np.nan, np.inf], ids=str)
def test_an_odd_cotangent_is_its_querys(odd: float) -> None:
    """12.13 A number of the cotangent of one query is nan or infinite: other queries' gradients."""
    arrays, i = filled((4, 5), (3, 2), (2,)), integer(2, 0, 3)
    c = cotangent(arrays)
    want = sloped(*arrays, c)
    c[1, i, 0] = odd
    got = gradients(CALL.format(""), c, *arrays)
    other = np.arange(4) != i
    assert_equal([np.shape(slope) for slope in got], want=[a.shape for a in arrays])
    assert_close(got[0][1, other], want=want[0][1, other], depth=10)
    assert_close([slope[0] for slope in got], want=[slope[0] for slope in want[:3]], depth=10)


@pytest.mark.parametrize("far", [1000.0, -30_000.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_large_scores(far: float, dtype: str) -> None:
    """12.13 Scores that all lie far from 0, in steps of about 1."""
    steps = np.round(normal(5, 1, seed=2) * 8) / 8 + far
    arrays = [np.ones((4, 1)), steps, normal(5, 2)]
    arrays = [a.astype(dtype) for a in arrays]
    c = cotangent(arrays).astype(dtype)
    wide = [a.astype(float) for a in arrays]
    want = sloped(*wide, c.astype(float))[:3]
    got = gradients(CALL.format(""), c, *arrays)
    assert_close(got[1:], want=[s.astype(dtype) for s in want[1:]], depth=10)
    if dtype == "float64":  # in float32 the keys have too few digits for what is left of them
        assert_close(got[0], want=want[0], terms=abs(far), depth=10)


@observe(shown="{call}.backward(cotangent)")
def dropped_slopes(tt: Any, arrays: Any, call: str, p: float, seed: int, cotangent: Any) -> Any:
    q, k, v = leaves = [tt.Tensor(a, requires_grad=True) for a in arrays]
    names = {"tt": tt, "np": np, "q": q, "k": k, "v": v, "g": np.random.default_rng(seed)}
    eval(call, names).backward(cotangent)
    ones = tt.Tensor(np.ones((*q.shape[:-1], k.shape[-2]), q.dtype))
    factors = tt.Dropout(p, np.random.default_rng(seed))(ones).data
    return {"slopes": [leaf.grad for leaf in leaves], "factors": factors}


@pytest.mark.parametrize("more", ["", ", is_causal=True", ", enable_gqa=True"])
@pytest.mark.parametrize("p", [0.5, 0.2])
def test_gradients_under_dropout(more: str, p: float) -> None:
    """12.13 What was dropped passes nothing on, what was kept is scaled; with other options."""
    arrays = filled((4, 7), (3, 2), (2, 4), 2 if "gqa" in more else None)
    c = cotangent(arrays)
    call = ASK.format(f"{more}, dropout_p={p}, generator=g")
    got = dropped_slopes(arrays, call, p, integer(3, 1, 999), c)
    want = sloped(*arrays, c, factors=got["factors"], causal="causal" in more)[:3]
    assert_close(got["slopes"], want=want, depth=10)


# ---- 12.14: a mask that learns -------------------------------------------------------------------


@pytest.mark.parametrize("each", FLOATS, ids=str)
def test_gradients_of_masks_are_pytorchs(each: Case) -> None:
    """12.14 The mask is the fourth operand; as PyTorch gives them."""
    check_gradients("12", each)


@pytest.mark.parametrize(
    "shape",
    ["(3, 5)", "(1, 5)", "(5,)", "(4, 1, 5)", "(2, 4, 3, 5)", "(2, 1, 3, 5)", "(1, 1, 1, 5)"],
)
@pytest.mark.parametrize("more", ["", ", is_causal=True", ", enable_gqa=True"])
def test_a_mask_receives_its_gradient(shape: str, more: str) -> None:
    """12.14 Masks of many shapes, with other options; queries, keys and values beside them."""
    arrays = filled((3, 5), (4, 2), (2, 4), 2 if "gqa" in more else None)
    mask, c = normal(*eval(shape), seed=3), cotangent(arrays)
    *want, scores = sloped(*arrays, c, mask=mask, causal="causal" in more)
    got = gradients(CALL.format(f", d{more}"), c, *arrays, mask)
    assert_close(got, want=[*want, summed_to(scores, mask.shape)], depth=10)


@pytest.mark.parametrize("shape", ["(3, 1)", "(1,)", "()"])
def test_a_mask_that_shifts_whole_rows_learns_nothing(shape: str) -> None:
    """12.14 The same number for all keys of a query changes no weight."""
    arrays, mask = filled((3, 5), (4, 2), (2,)), normal(*eval(shape), seed=3)
    c = cotangent(arrays)
    got = gradients(CALL.format(", d"), c, *arrays, mask)
    assert_close(got[3] + 1.0, want=np.ones(mask.shape))
    assert_close(got[:3], want=sloped(*arrays, c)[:3], depth=10)


def test_a_mask_learns_nothing_where_it_hides() -> None:
    """12.14 Some numbers are -inf, among them a whole row."""
    arrays, mask = filled((3, 5), (4, 2), (2,)), normal(3, 5, seed=3)
    hidden = ~bools(3, 5)
    hidden[1] = True
    mask[hidden] = -np.inf
    c = cotangent(arrays)
    got = gradients(CALL.format(", d"), c, *arrays, mask)
    *want, scores = sloped(*arrays, c, mask=mask)
    assert_zeros(got[3][hidden], beside=got[3])
    assert_close(got, want=[*want, scores.sum(0)], depth=10)


def test_a_mask_learns_alone() -> None:
    """12.14 Nothing but the mask requires a gradient."""
    arrays, mask = filled((3, 5), (4, 2), (2,)), normal(3, 5, seed=3)
    c = cotangent(arrays)
    got = alone(arrays, mask, c, [False, False, False, True])
    want = sloped(*arrays, c, mask=mask)[3].sum(0)
    assert_close(got["slopes"]["mask"], want=want, depth=10)


# ---- 12.15: dtypes, memory -----------------------------------------------------------------------


@observe(shown="{call}, each array {layout}; then backward(c), and the call under no_grad")
def placed(tt: Any, arrays: Any, mask: Any, c: Any, call: str, layout: str = "x") -> Any:
    q, k, v, c = laid = [eval(layout, {"np": np, "x": a}) for a in (*arrays, c)]
    mask = None if mask is None else eval(layout, {"np": np, "x": mask})
    leaves = [tt.Tensor(a, requires_grad=True) for a in laid[:3]]
    names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "mask": mask}
    out = eval(call, names)
    result = out.data.copy()
    kept = {"query": q, "key": k, "value": v, "cotangent": c}
    kept |= {} if mask is None else {"mask": mask}
    shares = [name for name, a in kept.items() if np.shares_memory(out.data, a)]
    out.backward(c)
    with tt.no_grad():
        eval(call, names)
    slopes = [leaf.grad for leaf in leaves]
    shares += [n for s in slopes for n, a in kept.items() if np.shares_memory(s, a)]
    return {
        "result": result,
        "slopes": slopes,
        "kept": kept | {"result": out.data},
        "shares": shares,
    }


@pytest.mark.parametrize("name", ["plain", "masked", "causal", "floats"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_stay(name: str, dtype: str) -> None:
    """12.15 Dtypes and values of the result and of all gradients, with masks of several kinds."""
    arrays = [a.astype(dtype) for a in filled((3, 5), (4, 2), (2,))]
    mask = {"masked": bools(3, 5), "floats": np.round(normal(3, 5) * 4) / 4}.get(name)
    more, options = ", is_causal=True" * (name == "causal"), {"causal": name == "causal"}
    c, wide = cotangent(arrays).astype(dtype), [a.astype(float) for a in arrays]
    got = placed(arrays, mask, c, ASK.format(f", mask{more}"))
    want = [attended(*wide, mask=mask, **options)]
    want += sloped(*wide, c.astype(float), mask=mask, **options)[:3]
    assert_close([got["result"], *got["slopes"]], want=[w.astype(dtype) for w in want], depth=4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["plain", "masked", "shared"])
def test_any_memory_order(layout: str, name: str) -> None:
    """12.15 Operands, masks and cotangents that lie in memory in another way, or are read-only."""
    arrays = filled((3, 5), (4, 2), (2, 4), 2 if name == "shared" else None)
    mask, more = (
        (bools(3, 5) if name == "masked" else None),
        ", enable_gqa=True" * (name == "shared"),
    )
    c = cotangent(arrays)
    got = placed(arrays, mask, c, ASK.format(f", mask{more}"), LAYOUTS[layout])
    want = [attended(*arrays, mask=mask), *sloped(*arrays, c, mask=mask)[:3]]
    assert_close([got["result"], *got["slopes"]], want=want, depth=10)


@pytest.mark.parametrize("lengths", [(3, 5), (1, 1), (4, 1)], ids=str)
@pytest.mark.parametrize("kind", ["none", "bools", "floats", "hiding"])
def test_attention_writes_to_nothing(kind: str, lengths: Any) -> None:
    """12.15 Operands, mask, cotangent and result after calls with and without a history; whose memory they have."""
    arrays, ask = filled(lengths, (4, 2), (2, 3)), ASK.format(", mask")
    masks = {"bools": np.ones(lengths, bool), "floats": normal(*lengths), "none": None}
    mask, c = masks.get(kind, np.full(lengths, -np.inf)), cotangent(arrays)
    given = [[a.copy() for a in arrays], None if mask is None else mask.copy(), c.copy()]
    got = placed(*given, ask)
    was = dict(zip(("query", "key", "value", "cotangent"), (*arrays, c), strict=True))
    was |= {"result": got["result"]} | ({} if mask is None else {"mask": mask})
    assert_unchanged(got["kept"], was=was)
    assert_equal(got["shares"], want=[])


@pytest.mark.parametrize("kind", ["bools", "float32", "float64"])
@pytest.mark.parametrize("more", [", is_causal=True", ", is_causal=True, dropout_p=0.5", ""])
def test_a_mask_as_large_as_the_scores_stays(more: str, kind: str) -> None:
    """12.15 A mask of the shape and dtype of the scores, alone and with is_causal: what it holds afterwards."""
    arrays = [a.astype("f8" if kind == "float64" else "f4") for a in filled((4, 4), (3, 2))]
    seen, c = bools(4, 4) | np.eye(4, dtype=bool), cotangent(arrays)
    mask = seen if kind == "bools" else np.where(seen, normal(4, 4), -9.0).astype(kind)
    got = placed(arrays, mask.copy(), c.astype(arrays[0].dtype), ASK.format(f", mask{more}"))
    assert_unchanged(got["kept"], was={"mask": mask})


@observe(
    shown="out = scaled_dot_product_attention(q, k, v, {kind}, is_causal=True); mask[...] = other; out.backward(c)"
)
def mask_changed(tt: Any, arrays: Any, kind: str, mask: Any, other: Any, c: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=True) for a in arrays]
    given = eval(kind, {"tt": tt, "mask": mask})
    out = tt.scaled_dot_product_attention(*leaves, given, is_causal=True)
    result = out.data.copy()
    mask[...] = other
    out.backward(c)
    return [result, *[leaf.grad for leaf in leaves]]


@pytest.mark.parametrize("kind", ["mask", "tt.Tensor(mask)"])
@pytest.mark.parametrize("floats", [False, True], ids=["bools", "floats"])
def test_a_mask_is_read_once(kind: str, floats: bool) -> None:
    """12.15 Somebody writes to the mask between the call and the walk back."""
    arrays, mask = filled((4, 4), (3, 2), (2,)), bools(4, 4) | np.eye(4, dtype=bool)
    numbers = np.where(mask, normal(4, 4), -np.inf) if floats else mask
    other, c = (np.zeros((4, 4)) if floats else ~mask), cotangent(arrays)
    got = mask_changed(arrays, kind, numbers.copy(), other, c)
    want = [attended(*arrays, mask=numbers, causal=True)]
    want += sloped(*arrays, c, mask=numbers, causal=True)[:3]
    assert_close(got, want=want, depth=10)


# ---- 12.16: one operation ------------------------------------------------------------------------


@observe(
    shown="the note of scaled_dot_product_attention(query, key, value, mask, is_causal={causal}), and backward(c)"
)
def alone(tt: Any, arrays: Any, mask: Any, c: Any, learns: Any, causal: Any = False) -> Any:
    names = ("query", "key", "value", "mask")
    given = [tt.Tensor(a, requires_grad=f) for a, f in zip((*arrays, mask), learns, strict=True)]
    out = tt.scaled_dot_product_attention(*given, is_causal=causal)
    parents = [p for p in (out.note.parents if out.note else ()) if p is not None]
    if out.requires_grad:
        out.backward(c)
    return {
        "parents": [[n for n, t in zip(names, given, strict=True) if t is p] for p in parents],
        "requires_grad": out.requires_grad,
        "learned": [n for n, t in zip(names, given, strict=True) if t.grad is not None],
        "slopes": {n: t.grad for n, t in zip(names, given, strict=True)},
    }


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("learns", range(16))
def test_attention_leaves_one_note(learns: int, causal: bool) -> None:
    """12.16 Whom the result's note leads to, and who gets a gradient, for each choice of operands."""
    flags = [bool(learns >> i & 1) for i in range(4)]
    arrays, mask = filled((3, 5), (4, 2), (2,)), normal(3, 5, seed=3)
    got = alone(arrays, mask, c := cotangent(arrays), flags, causal)
    names = [name for name, flag in zip(NAMES, flags, strict=True) if flag]
    said = {"parents": [[n] for n in names], "requires_grad": any(flags), "learned": names}
    assert_equal({name: got[name] for name in said}, want=said)
    slopes = dict(zip(NAMES, sloped(*arrays, c, mask=mask, causal=causal), strict=True))
    slopes["mask"] = slopes["mask"].sum(0)
    assert_close({n: got["slopes"][n] for n in names}, want={n: slopes[n] for n in names}, depth=10)


@observe(shown="a, b and c of one array: scaled_dot_product_attention({roles}).backward(c)")
def of_one_array(tt: Any, roles: str, array: Any, c: Any) -> Any:
    leaves = {name: tt.Tensor(array, requires_grad=True) for name in "abc"}
    leaves |= {"n": tt.Tensor(array)}
    tt.scaled_dot_product_attention(*[leaves[n] for n in roles.split(", ")]).backward(c)
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


@pytest.mark.parametrize(
    "roles", ["a, b, c", "a, b, b", "a, a, a", "n, b, c", "a, n, c", "a, b, a"]
)
def test_tensors_of_one_array(roles: str) -> None:
    """12.13 Query, key and value are Tensors of one array: each Tensor gets the gradients of its own roles."""
    array = normal(3, 2)
    want: dict[str, Any] = {}
    for name, slope in zip(
        roles.split(", "), sloped(*[array] * 3, c := normal(3, 2, seed=4)), strict=False
    ):
        want[name] = want.get(name, 0.0) + slope
    want.pop("n", None)
    assert_close(of_one_array(roles, array, c), want=want, depth=10)


@observe(shown="the notes of {call}, also under no_grad()")
def notes(tt: Any, arrays: Any, call: str) -> Any:
    leaves = [tt.Tensor(a, requires_grad=True) for a in arrays]
    names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "np": np}
    out = eval(call, names)
    with tt.no_grad():
        without = eval(call, names)
    parents = [p for p in out.note.parents if p is not None]
    return {
        "parents": [[p is leaf for leaf in leaves].index(True) for p in parents],
        "under no_grad": [without.note is None, without.requires_grad],
        "values": [out, without],
    }


@pytest.mark.parametrize(
    "more",
    ["", ", [[True]]", ", np.zeros((3, 5))", ", is_causal=True", ", dropout_p=0.0", ", scale=2"],
)
def test_options_leave_no_note_of_their_own(more: str) -> None:
    """12.16 The note leads to query, key and value, whatever the options are."""
    arrays = filled((3, 5), (4, 2), (2, integer(2, 1, 4)))
    got = notes(arrays, ASK.format(more))
    want = attended(*arrays, causal="causal" in more, scale=2 if "scale" in more else None)
    assert_close(got.pop("values"), want=[want, want])
    assert_equal(got, want={"parents": [0, 1, 2], "under no_grad": [True, False]})


@pytest.mark.parametrize("more", ["", ", is_causal=True", ", [[True]]"])
def test_shared_heads_leave_no_note_of_their_own(more: str) -> None:
    """12.16 With fewer key heads the note leads to query, key and value, too."""
    arrays = filled((3, 5), (4, 2), (2, 4), 2)
    got = notes(arrays, ASK.format(f"{more}, enable_gqa=True"))
    want = attended(*arrays, causal="causal" in more)
    assert_close(got.pop("values"), want=[want, want])
    assert_equal(got, want={"parents": [0, 1, 2], "under no_grad": [True, False]})


@observe(
    shown="out = {call}; out.backward(c)  # three times, gradients cleared between: those of each walk"
)
def walked_with_dropout(tt: Any, arrays: Any, call: str, c: Any, seed: int) -> Any:
    leaves = [tt.Tensor(a, requires_grad=True) for a in arrays]
    names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "g": np.random.default_rng(seed)}
    out, found = eval(call, names), []
    for _ in range(3):
        for leaf in leaves:
            leaf.grad = None
        out.backward(c)
        found.append([leaf.grad for leaf in leaves])
    return {"first": found[0], "second": found[1], "third": found[2]}


@pytest.mark.parametrize("more", ["", ", is_causal=True"])
def test_walking_back_twice_with_dropout(more: str) -> None:
    """12.16 The factors of dropout are the same in each walk from one result."""
    arrays = filled((4, 6), (3, 2), (2,))
    call = ASK.format(f"{more}, dropout_p=0.5, generator=g")
    got = walked_with_dropout(arrays, call, cotangent(arrays), integer(3, 1, 999))
    assert_alike(got, "first", "second", exactly=True)
    assert_alike(got, "first", "third", exactly=True)


@observe(
    shown="out = {call}; out.backward(c)  # once, then again (sums halved); between: backward of other calls, their gradients"
)
def walked_twice(tt: Any, arrays: Any, others: Any, call: str, c: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=True) for a in arrays]
    names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "np": np}
    out = eval(call, names)
    strangers = [tt.Tensor(a, requires_grad=True) for a in others]
    eval(call, names | dict(zip("qkv", strangers, strict=True))).backward(c)
    tt.scaled_dot_product_attention(*leaves, scale=3.0)
    out.backward(c)
    once = [leaf.grad.copy() for leaf in leaves]
    out.backward(c)
    twice = [leaf.grad / 2 for leaf in leaves]
    return [*once, *twice, *[s.grad for s in strangers]]


@pytest.mark.parametrize("name", ["plain", "masked", "masked-causal"])
def test_walking_back_twice(name: str) -> None:
    """12.16 Gradients after one walk and after two, beside calls with other numbers and options."""
    arrays, others = filled((3, 5), (4, 2), (2,)), filled((3, 5), (4, 2), (2,), seed=1)
    more, options = asked(name, bools(3, 5))
    c = cotangent(arrays)
    want = [s for _ in range(2) for s in sloped(*arrays, c, **options)[:3]]
    want += sloped(*others, c, **options)[:3]
    assert_close(walked_twice(arrays, others, ASK.format(more), c), want=want, depth=10)


@observe(shown="out.backward({first}), then out.backward({second}), gradients cleared between")
def walked_with_others(tt: Any, arrays: Any, first: Any, second: Any) -> Any:
    leaves = [tt.Tensor(a, requires_grad=True) for a in arrays]
    out, found = tt.scaled_dot_product_attention(*leaves), []
    for cotangent in (first, second):
        for leaf in leaves:
            leaf.grad = None
        out.backward(cotangent)
        found.append([leaf.grad for leaf in leaves])
    return found


def test_walking_back_with_another_cotangent() -> None:
    """12.16 Two walks from one result with different cotangents: each has its own gradients."""
    arrays = filled((3, 5), (4, 2), (2,))
    first, second = cotangent(arrays), normal(2, 3, 2, seed=77)
    got = walked_with_others(arrays, first, second)
    want = [sloped(*arrays, c)[:3] for c in (first, second)]
    assert_close(got[0], want=want[0], depth=10)
    assert_close(got[1], want=want[1], depth=10)


@pytest.mark.parametrize("name", ["rows", "columns", "texts"])
def test_cotangents_that_cancel(name: str) -> None:
    """12.13 Cotangents whose sum is 0, in all or in each row."""
    arrays, c = filled((4, 5), (3, 2), (2,)), np.ones((2, 4, 2))
    c[{"rows": np.s_[:, ::2], "columns": np.s_[..., 0], "texts": 0}[name]] = -1
    got = gradients(CALL.format(""), c, *arrays)
    assert_close(got[:3], want=sloped(*arrays, c)[:3], depth=10)


@observe(shown="(attention + other).backward(c), then other + attention: other.grad")
def beside(tt: Any, arrays: Any, c: Any) -> Any:
    found = []
    for first in (True, False):
        out = tt.scaled_dot_product_attention(*[tt.Tensor(a, requires_grad=True) for a in arrays])
        other = tt.Tensor(np.zeros(out.shape), requires_grad=True)
        (out + other if first else other + out).backward(c)
        found.append(other.grad)
    return found


def test_the_cotangent_is_only_read() -> None:
    """12.16 What is added to the result gets the same cotangent, before it or after it."""
    arrays = filled((3, 5), (4, 2), (2,))
    c = cotangent(arrays)
    assert_close(beside(arrays, c), want=[c, c])


# ---- systems: 12.25, 12.26 -----------------------------------------------------------------------


@observe(shown="{call}, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, call: str, shapes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for sizes in shapes:
        leaves = [tt.Tensor(np.ones(size), requires_grad=True) for size in sizes]
        mask = np.ones((sizes[0][-2], sizes[1][-2]), bool)
        names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "np": np, "mask": mask}
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = eval(call, names)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"steps": counts[1:], "size": out.size}


def sizes(length: int, keys: int, size: int, *before: int) -> list[Any]:
    """The shapes of query, key and value."""
    return [(*before, length, size), (*before, keys, size), (*before, keys, size)]


MORE = ["", ", mask", ", is_causal=True", ", dropout_p=0.5", ", enable_gqa=True"]
GROWING = {  # L, S, E and the axes before, one of which grows; up to 63 queries or keys are one block
    "queries": [(n, 8, 4, 2, 3) for n in (15, 31, 47, 63)],
    "keys": [(8, n, 4, 2, 3) for n in (15, 31, 47, 63)],
    "numbers": [(8, 8, n, 2, 3) for n in (200, 400, 600, 800)],
    "batches": [(8, 8, 4, n, 3) for n in (100, 200, 300, 400)],
}


@pytest.mark.parametrize("what", GROWING)
@pytest.mark.parametrize("more", MORE)
def test_steps_do_not_grow(what: str, more: str) -> None:
    """12.25 Steps for four sizes of one axis: how many the next size adds, where it adds the fewest."""
    shapes = [sizes(*each) for each in GROWING[what]]
    got = counted_steps(ASK.format(more), [shapes[0], *shapes])
    assert_equal(got["size"], want=int(np.prod(shapes[-1][0])))
    assert_below(grown(got["steps"]), limit=10, what=f"steps that more {what} add")


@observe(shown="bytes that {call} keeps beside operands and result")
def kept_memory(tt: Any, arrays: Any, call: str, learns: bool) -> Any:
    import tracemalloc

    leaves = [tt.Tensor(a, requires_grad=learns) for a in arrays]
    mask = np.ones((arrays[0].shape[-2], arrays[1].shape[-2]), bool)
    mask[:, 0] = False
    names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "np": np, "mask": mask}
    few = dict(zip("qkv", [tt.Tensor(a[..., :2, :]) for a in arrays], strict=True))
    eval(call, names | few | {"mask": mask[:2, :2]})  # imports
    tracemalloc.start()
    try:
        out = eval(call, names)
        return {"kept": tracemalloc.get_traced_memory()[0] - out.data.nbytes, "size": out.size}
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("learns", [True, False], ids=["with-history", "without"])
def test_what_a_graph_keeps(learns: bool, more: str) -> None:
    """12.26 Bytes that are there after a call, while its operands learn and while they do not."""
    length = integer(100, 90, 120)
    arrays = [a.astype(np.float32) for a in filled((length, 110), (8, 8), (2, 4))]
    got = kept_memory(arrays, ASK.format(more), learns)
    assert_equal(got["size"], want=arrays[0].size)
    weights, mask = 2 * 4 * length * 110 * 4, length * 110 * 4 * ("mask" in more)
    limit = weights * (1 + ("dropout" in more)) + mask + 4 * arrays[0].nbytes
    limit = limit * learns + 10_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")


@pytest.mark.parametrize("lengths", [(2, 3000), (3000, 2)], ids=str)
@pytest.mark.parametrize("more", ["", ", is_causal=True"])
def test_a_graph_keeps_no_copies(more: str, lengths: Any) -> None:
    """12.26 Few queries and many long keys, or the reverse: bytes kept beside operands and result."""
    arrays = [a.astype(np.float32) for a in filled(lengths, (64, 64))]
    got = kept_memory(arrays, ASK.format(more), True)
    weights = lengths[0] * lengths[1] * 4
    limit = weights + 2 * 2 * arrays[0].nbytes + 20_000  # twice the query and the result
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")


@pytest.mark.parametrize("more", ["", ", is_causal=True"])
def test_a_graph_keeps_one_square(more: str) -> None:
    """12.26 Many queries and keys of two numbers: bytes kept, beside those of the weights."""
    length = integer(500, 480, 520)
    arrays = [a.astype(np.float32) for a in filled((length, length), (2, 2), (2,))]
    got = kept_memory(arrays, ASK.format(more), True)
    limit = 2 * length**2 * 4 + 4 * arrays[0].nbytes + 20_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside operands and result")


@observe(shown="the most bytes that {call} and its walk back take, beside operands and result")
def most_memory(tt: Any, arrays: Any, call: str, back: bool, learn: str = "qkv") -> Any:
    import tracemalloc

    leaves = [tt.Tensor(a, requires_grad=n in learn) for n, a in zip("qkv", arrays, strict=True)]
    mask = np.ones((arrays[0].shape[-2], arrays[1].shape[-2]), bool)
    names = dict(zip("qkv", leaves, strict=True)) | {"tt": tt, "np": np, "mask": mask}
    eval(call, names).backward(np.ones((*arrays[0].shape[:-1], arrays[2].shape[-1]), np.float32))
    for leaf in leaves:
        leaf.grad = None
    tracemalloc.start()
    try:
        out = eval(call, names)
        if back:
            out.backward(out.data)
        return {"peak": tracemalloc.get_traced_memory()[1], "size": out.size}
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("more", ["", ", mask", ", is_causal=True"])
def test_forward_and_back_take_few_squares(more: str) -> None:
    """12.26 The peak of a call and its walk back, with 300 queries and keys."""
    length = integer(300, 280, 320)
    arrays = [a.astype(np.float32) for a in filled((length, length), (8, 8), (4,))]
    got = most_memory(arrays, ASK.format(more), True)
    assert_equal(got["size"], want=arrays[0].size)
    limit = 4 * 4 * length**2 * 4 + 30 * arrays[0].nbytes + 50_000
    assert_below(got["peak"], limit=limit, what="bytes at the peak")


@pytest.mark.parametrize("back", [False, True], ids=["forward", "and-back"])
def test_shared_keys_are_not_copied(back: bool) -> None:
    """12.26 One query, 16 heads of it, and one head of many keys: the peak, where the query alone learns."""
    keys = integer(2000, 1900, 2200)
    arrays = [a.astype(np.float32) for a in filled((1, keys), (64, 64), (16,), 1)]
    got = most_memory(arrays, ASK.format(", enable_gqa=True"), back, "q")
    assert_equal(got["size"], want=16 * 64)
    limit = 4 * 16 * keys * 4 + 3 * 2 * arrays[1].nbytes + 50_000
    assert_below(got["peak"], limit=limit, what="bytes at the peak")
