"""Kata 11, Embeddings: rotation, and what all positions keep to (katas/11_embeddings/README.md)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.expressions import evaluate, type_of
from support.observe import observe
from support.oracle import Case, check_gradients, check_values
from support.strategies import LAYOUTS, fill, integer, normal, real

TURN = "tt.RotaryEmbedding({}{})(a{})"
ANGLES = "torch.outer(torch.arange({0}, {0} + {1}).double(), {3} ** (-torch.arange(0, {2}, 2).double() / {2}))"


def case(
    name: str, shape: Any, offset: int = 0, more: str = "", base: float = 10000.0, given: str = ""
) -> Case:
    """The formula of Hugging Face's Llama: x cos + rotate_half(x) sin, both halves alike."""
    half, angles = shape[-1] // 2, ANGLES.format(offset, shape[-2], shape[-1], base)
    both = f"torch.cat([{angles}] * 2, -1)"
    turned = f"torch.cat([-a[..., {half}:], a[..., :{half}]], -1)"
    torch = f"a * torch.cos({both}) + {turned} * torch.sin({both})"
    call = TURN.format(shape[-1], given, more)
    return Case(f"rotary-{name}", call, ((shape,),), "normal", torch, gradient=True)


TURNS = [
    case("plain", (3, 4)),
    case("batch", (2, 3, 6)),
    case("heads", (2, 2, 3, 8)),
    case("one-pair", (2, 4, 2)),
    case("offset", (2, 3, 4), 5, ", 5"),
    case("offset-by-name", (2, 8), 11, ", offset=11"),
    case("one-position", (2, 1, 4), 7, ", np.int64(7)"),
    case("base", (2, 3, 6), 0, "", 100.0, ", 100.0"),
    case("base-by-name", (2, 3, 4), 2, ", 2", 500000.0, ", base=500000"),
]


def waves(length: int, size: int, offset: int = 0) -> Any:
    """The encoding of the sinusoidal layer, number by number."""
    found = np.zeros((length, size))
    for t, i in np.ndindex(length, size // 2):
        angle = (offset + t) / 10000 ** (2 * i / size)
        found[t, 2 * i], found[t, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return found


def turned(x: Any, offset: int = 0, base: float = 10000.0, back: bool = False) -> Any:
    """The rotation, pair by pair."""
    found, half = np.zeros(x.shape), x.shape[-1] // 2
    for t, i in np.ndindex(x.shape[-2], half):
        angle = (offset + t) / base ** (i / half) * (-1 if back else 1)
        a, b = x[..., t, i], x[..., t, i + half]
        found[..., t, i] = a * math.cos(angle) - b * math.sin(angle)
        found[..., t, i + half] = b * math.cos(angle) + a * math.sin(angle)
    return found


# ---- rotation: 11.16, 11.17 ----------------------------------------------------------------------


def test_rotary_example() -> None:
    """11.16 The worked example: a vector at position 1."""
    x = np.array([[9.0, 9.0, 9.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    want = [-1.98411064855, 1.95990066749, 2.46237790241, 4.01979966834]
    assert_close(evaluate("tt.RotaryEmbedding(4)(a)", x)[1], want=np.array(want))
    got = evaluate("tt.RotaryEmbedding(4)(a, offset=1)", x[1:])
    assert_close(got, want=np.array([want]))


@pytest.mark.parametrize("each", TURNS, ids=str)
def test_rotary_is_hugging_faces(each: Case) -> None:
    """11.16 Values that PyTorch gives for Hugging Face's formula."""
    check_values("11", each)


@pytest.mark.parametrize("size", [2, 4, 6, 10, 16])
@pytest.mark.parametrize("offset", [0, 1, 900])
def test_rotary_turns_pairs(size: int, offset: int) -> None:
    """11.16 Fresh vectors, pair by pair; how many positions there are is drawn."""
    x = normal(2, integer(5, 3, 9), size)
    got = evaluate(TURN.format(size, "", f", offset={offset}"), x)
    assert_close(got, want=turned(x, offset), depth=2)


@pytest.mark.parametrize("base", [2, 100.0, 500_000, 0.5], ids=str)
def test_rotary_with_another_base(base: float) -> None:
    """11.16 Whole and fractional bases, large, small and below 1."""
    x = normal(integer(4, 3, 9), 6)
    assert_close(evaluate(TURN.format(6, f", {base}", ""), x), want=turned(x, 0, base), depth=2)


@pytest.mark.parametrize("size", [2, 4, 10])
def test_rotary_knows_distances_alone(size: int) -> None:
    """11.16 Lengths, and products of two vectors at all pairs of places, moved together."""
    x, y, far = normal(1, size), normal(1, size, seed=1), integer(30, 10, 60)
    places = np.repeat(x, 6, axis=0), np.repeat(y, 6, axis=0)
    call = TURN.format(size, "", ", {}")
    near = [evaluate(call.format(0), each) for each in places]
    there = [evaluate(call.format(far), each) for each in places]
    terms = float(np.abs(x).max() * np.abs(y).max() * size)
    assert_close(there[0] @ there[1].T, want=near[0] @ near[1].T, terms=terms)
    assert_close((there[0] ** 2).sum(-1), want=np.repeat((x**2).sum(-1), 6), terms=terms + 1)


def test_rotary_keeps_the_text_in_order() -> None:
    """11.16 A text in one piece, and in two with an offset."""
    x, cut = normal(2, 7, 6), integer(3, 1, 6)
    pieces = [evaluate(TURN.format(6, "", ""), x[:, :cut])]
    pieces.append(evaluate(TURN.format(6, "", f", {cut}"), x[:, cut:]))
    assert_close(np.concatenate(pieces, axis=1), want=turned(x))


@pytest.mark.parametrize("each", TURNS, ids=str)
def test_rotary_gradients_are_pytorchs(each: Case) -> None:
    """11.17 Gradients under a random cotangent, as PyTorch gives them."""
    check_gradients("11", each)


@observe(shown="{call}(x, {offset}).backward(cotangent): x.grad")
def slope(tt: Any, call: str, offset: int, x: Any, cotangent: Any) -> Any:
    x = tt.Tensor(x, requires_grad=True)
    eval(call, {"tt": tt})(x, offset).backward(cotangent)
    return x.grad


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 6), (2, 2, 3, 2)], ids=str)
@pytest.mark.parametrize("offset", [0, 3])
def test_rotary_turns_cotangents_back(shape: Any, offset: int) -> None:
    """11.17 Fresh cotangents, pair by pair; the base is drawn."""
    x, c, base = normal(*shape), normal(*shape, seed=1), real(50.0, 20.0, 90.0)
    got = slope(f"tt.RotaryEmbedding({shape[-1]}, {base})", offset, x, c)
    assert_close(got, want=turned(c, offset, base, back=True), depth=2)


@observe(
    shown="RotaryEmbedding(4)(x, 2): parents, notes; then two calls under no_grad, and one of a constant x"
)
def notes(tt: Any, x: Any) -> Any:
    leaf, fixed, layer = tt.Tensor(x, requires_grad=True), tt.Tensor(x), tt.RotaryEmbedding(4)
    out = layer(leaf, 2)
    with tt.no_grad():
        others = [layer(leaf), tt.RotaryEmbedding(4)(fixed)]
    return {
        "parents": [p is leaf for p in out.note.parents if p is not None],
        "requires_grad": [t.requires_grad for t in (out, *others, layer(fixed))],
        "notes": [t.note is not None for t in (out, *others, layer(fixed))],
        "shape": out.shape,
    }


def test_rotary_leaves_one_note() -> None:
    """11.17 The parents of the result's note, and no note where there is nothing to learn."""
    n = integer(3, 2, 9)
    want = {"parents": [True], "shape": (2, n, 4)}
    want |= {name: [True, False, False, False] for name in ("requires_grad", "notes")}
    assert_equal(notes(normal(2, n, 4)), want=want)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
def test_rotary_keeps_odd_numbers_in_their_pair(odd: float) -> None:
    """11.17 One number that is nan or infinite, of the vectors and of the cotangent."""
    x, (t, i) = normal(4, 6), (integer(2, 1, 3), integer(4, 0, 5))
    x[t, i] = odd
    for got, want in (
        (evaluate(TURN.format(6, "", ""), x), turned(x)),
        (slope("tt.RotaryEmbedding(6)", 0, normal(4, 6), x), turned(x, back=True)),
    ):
        finite = np.isfinite(want)
        assert_exact(np.where(finite, 1.0, got), want=np.where(finite, 1.0, want))
        assert_close(np.where(finite, got, 0.0), want=np.where(finite, want, 0.0))


@observe
def settings(tt: Any, dim: int, base: float) -> Any:
    plain, other = tt.RotaryEmbedding(dim), tt.RotaryEmbedding(dim=dim, base=base)
    waves = tt.SinusoidalPositionalEncoding(embedding_dim=dim)
    return {"settings": [plain.dim, plain.base, other.base, waves.embedding_dim]}


def test_settings_are_attributes() -> None:
    """11.17 dim and base, the usual one and another; and embedding_dim of the waves."""
    dim, base = 2 * integer(3, 1, 9), real(50.0, 20.0, 90.0)
    assert_equal(settings(dim, base), want={"settings": [dim, 10000.0, base, dim]})


# ---- all three: 11.18 to 11.20 -------------------------------------------------------------------


LAYERS = {
    "waves": "tt.SinusoidalPositionalEncoding({d})",
    "learned": "tt.LearnedPositionalEmbedding(9, {d})",
    "rotary": "tt.RotaryEmbedding({d})",
}
every_layer = pytest.mark.parametrize("name", LAYERS)
computed = pytest.mark.parametrize("name", ["waves", "rotary"])


def table(size: int, dtype: Any = np.float64) -> Any:
    """What the learned layer gets as its table."""
    return normal(9, size, seed=8).astype(dtype)


def expected(name: str, x: Any, offset: int = 0) -> Any:
    """What a layer gives, in float64."""
    length, size = x.shape[-2:]
    if name == "rotary":
        return turned(x.astype(np.float64), offset)
    added = waves(length, size, offset) if name == "waves" else table(size)[offset:][:length]
    return x + added


def call_of(name: str, x: Any) -> str:
    """How the layer for x is made."""
    return LAYERS[name].replace("{d}", str(x.shape[-1]))


@observe(
    shown="{call}(x, {offset}), each array {layout}; then backward(cotangent), and the call under no_grad"
)
def placed(
    tt: Any, call: str, offset: int, x: Any, weight: Any, cotangent: Any, layout: str = "x"
) -> Any:
    x, weight, cotangent = (eval(layout, {"np": np, "x": a}) for a in (x, weight, cotangent))
    layer, leaf = eval(call, {"tt": tt}), tt.Tensor(x, requires_grad=True)
    if "Learned" in call:
        layer.weight = tt.Parameter(weight)
    before = {name: repr(value) for name, value in vars(layer).items()}
    out = layer(leaf, offset)
    result = out.data.copy()
    out.backward(cotangent)
    with tt.no_grad():
        layer(leaf, offset)
    kept = {"x": x, "weight": weight, "cotangent": cotangent, "result": out.data}
    return {
        "result": result,
        "gradient": leaf.grad,
        "kept": kept,
        "shares": [
            any(np.shares_memory(out.data, a) for a in (x, weight)),
            any(np.shares_memory(leaf.grad, a) for a in kept.values()),
        ],
        "left on it": [k for k, v in vars(layer).items() if before.get(k) != repr(v)],
    }


def placing(name: str, x: Any, offset: int = 0, layout: str = "x") -> Any:
    """What came back, and the cotangent that went in."""
    c = fill(x.shape, 70, "normal").astype(x.dtype)
    weight = table(x.shape[-1], x.dtype)
    return placed(call_of(name, x), offset, x.copy(), weight, c.copy(), layout), c


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_positions_keep_the_dtype(name: str, dtype: str) -> None:
    """11.18 Dtypes and values of the result and of the gradient of x."""
    x = normal(2, integer(3, 2, 5), 4).astype(dtype)
    got, c = placing(name, x, 2)
    assert_close(got["result"], want=expected(name, x, 2).astype(dtype))
    back = turned(c.astype(np.float64), 2, back=True) if name == "rotary" else c
    assert_close(got["gradient"], want=back.astype(dtype))


@computed
@pytest.mark.parametrize("far", [20_000, 1_000_000, 2**25, 2**33])
def test_far_positions_keep_their_digits(name: str, far: int) -> None:
    """11.18 Float32 vectors a long way from the beginning, then float64 ones."""
    x, offset = normal(2, 3, 6), far + integer(0, 0, 999)
    got = placing(name, x.astype(np.float32), offset)[0]["result"]
    want = expected(name, x.astype(np.float32), offset).astype(np.float32)
    assert_close(got, want=want, depth=max(1, far / 2**26))  # of so large an angle in float64
    got, want = placing(name, x, offset)[0]["result"], expected(name, x, offset)
    assert_close(got, want=want, depth=max(1e3, far / 10))


@observe(shown="{call}(x, {offset}): the last row")
def last_row(tt: Any, call: str, offset: Any, x: Any) -> Any:
    return eval(call, {"tt": tt})(tt.Tensor(x), eval(str(offset), {"np": np})).data[-1]


@computed
def test_angles_are_products(name: str) -> None:
    """11.18 The last of many thousand positions, in float64: as exact as its angle of a hundredth each."""
    length = integer(60_000, 59_000, 61_000)
    x = np.zeros((length, 4)) if name == "waves" else np.tile([1.0, 1.0, 0.0, 0.0], (length, 1))
    got = last_row(call_of(name, x), 0, x)
    angle = (length - 1) * 0.01  # of the second pair
    got, want = got[1::2] if name == "rotary" else got[2:], np.array([np.sin(angle), np.cos(angle)])
    want = want[::-1] if name == "rotary" else want
    assert_below(float(abs(got - want).max()), limit=2e-17 * length, what="error of a sine")


@every_layer
@pytest.mark.parametrize("offset", ["np.uint8(250)", "np.int8(125)"])
def test_offsets_of_few_bits(name: str, offset: str) -> None:
    """11.15 An offset of NumPy's in which the number of positions behind it has no place."""
    plain, length = int(eval(offset, {"np": np})), integer(12, 10, 20)
    x = normal(length, 4)
    call = call_of(name, x).replace("(9, ", "(300, ")
    runs = {"a number of Python": plain, offset: offset}
    runs = {what: last_row(f"[tt.manual_seed(1), {call}][1]", how, x) for what, how in runs.items()}
    assert_alike(runs, "a number of Python", offset, exactly=True)


@every_layer
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_positions_take_any_memory_order(name: str, layout: str, shape: Any) -> None:
    """11.18 Vectors, tables and cotangents whose numbers lie in another way, or are read-only."""
    x = normal(*shape)
    got, c = placing(name, x, 1, LAYOUTS[layout])
    assert_close(got["result"], want=expected(name, x, 1))
    back = turned(c, 1, back=True) if name == "rotary" else c
    assert_close(got["gradient"], want=back)


@every_layer
@pytest.mark.parametrize("shape", [(2, 0, 4), (0, 4), (0, 3, 4), (2, 0, 3, 4)], ids=str)
def test_positions_of_nothing(name: str, shape: Any) -> None:
    """11.18 No positions, and no texts: the shape and dtype of the result; D is drawn."""
    shape = (*shape[:-1], 2 * integer(2, 1, 6))
    got = placing(name, np.zeros(shape, np.float32))[0]
    assert_equal([got["result"].shape, str(got["result"].dtype)], want=[shape, "float32"])
    assert_equal(got["gradient"].shape, want=shape)


@every_layer
@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (2, 3, 4), (2, 1, 2, 3, 4)], ids=str)
def test_positions_count_the_last_axis_but_one(name: str, shape: Any) -> None:
    """11.18 Values with none to three axes before the positions; the offset is drawn."""
    x, offset = normal(*shape), integer(0, 0, 5)
    assert_close(placing(name, x, offset)[0]["result"], want=expected(name, x, offset))


@every_layer
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 4)], ids=str)
def test_positions_write_to_nothing(name: str, shape: Any) -> None:
    """11.18 Vectors, table, cotangent and result after calls with and without a history; whose memory they have."""
    x = normal(*shape)
    got, c = placing(name, x)
    was = {"x": x, "weight": table(4), "cotangent": c, "result": got["result"]}
    assert_unchanged(got["kept"], was=was)
    assert_equal(got["shares"], want=[False, False])


@every_layer
@pytest.mark.parametrize(
    "shape", ["({n},)", "(2, {n})", "({n}, 3)", "(4, {n}, 1)", "(4, {n}, 8)", "(0, {n})"]
)
def test_positions_refuse_shapes(name: str, shape: str) -> None:
    """11.19 Vectors of another size than 4, and a single vector without an axis of positions."""
    shape = shape.replace("{n}", str(integer(6, 5, 9)))
    call = f"{LAYERS[name].replace('{d}', '4')}(a)"
    assert_raises(evaluate, call, np.ones(eval(shape)), error="ValueError", says=(shape, "4"))


@every_layer
def test_positions_refuse_a_single_vector(name: str) -> None:
    """11.19 One vector of the right size: it has no axis of positions; and no axis at all."""
    size = 2 * integer(3, 1, 9)
    call = f"{LAYERS[name].replace('{d}', str(size))}(a)"
    for shape in ((size,), ()):
        says = (str(shape), str(size))
        assert_raises(evaluate, call, np.ones(shape), error="ValueError", says=says)


@every_layer
@pytest.mark.parametrize(
    "offset", ["-1", "-{n}", "{n}.0", "np.float64({n}.0)", "0.5", "None", "'{n}'", "[{n}]"]
)
def test_positions_refuse_an_offset(name: str, offset: str) -> None:
    """11.19 Negative offsets, fractions, None, text and a list, also where there are no positions."""
    offset = offset.replace("{n}", str(integer(3, 2, 5)))
    for length in (2, 0):
        call = f"{LAYERS[name].replace('{d}', '4')}(a, {offset})"
        assert_raises(
            evaluate,
            call,
            np.ones((length, 4)),
            error="ValueError",
            says=(offset.removeprefix("np.float64(").strip("')"),),
        )


@computed
@pytest.mark.parametrize("size", ["0", "-2", "-{n}", "1", "{n}1", "{n}.0", "None", "'{n}'"])
def test_positions_refuse_a_size(name: str, size: str) -> None:
    """11.19 Sizes that are odd, too small, fractions, None and text."""
    size = size.replace("{n}", str(2 * integer(2, 1, 4)))
    call = LAYERS[name].replace("{d}", size)
    assert_raises(type_of, call, error="ValueError", says=(size.strip("'"),))


@pytest.mark.parametrize(
    "base",
    ["0", "-{n}.5", "0.0", "float('nan')", "'{n}'", "None", "[{n}.0]", "{n}j"],
)
def test_rotary_refuses_a_base(base: str) -> None:
    """11.19 A base that is 0, negative or nan."""
    base = base.replace("{n}", str(integer(2, 2, 9)))
    says = ("nan" if "nan" in base else base.strip("'"),)
    call = f"tt.RotaryEmbedding(4, base={base})"
    assert_raises(type_of, call, error="ValueError", says=says)


@observe(shown="RotaryEmbedding({size}, base)(x) for several bases, one after the other")
def several_bases(tt: Any, size: int, x: Any, bases: Any) -> Any:
    return [tt.RotaryEmbedding(size, base)(tt.Tensor(x)) for base in bases]


def test_rotary_of_several_bases() -> None:
    """11.20 The same vectors turned by layers that differ in their base alone."""
    x, bases = normal(2, integer(3, 2, 6), 6), [10000.0, 10.0, real(50.0, 20.0, 90.0), 10000.0]
    assert_close(several_bases(6, x, bases), want=[turned(x, 0, base) for base in bases])


@observe(shown="{call}: its state, and calls with other lengths, dtypes, offsets and bases between")
def several_calls(tt: Any, call: str, x: Any) -> Any:
    layer, twin = eval(call, {"tt": tt}), eval(call, {"tt": tt})
    before = {name: repr(value) for name, value in vars(layer).items()}
    full, small = tt.Tensor(x), eval(call, {"tt": tt})
    state = [list(layer.state_dict()), [name for name, _ in layer.named_parameters()]]
    first = layer(full).data.copy()
    layer(tt.Tensor(x.astype(np.float32)), 3)
    layer(tt.Tensor(np.concatenate([x, x], axis=-2)))
    small(tt.Tensor(x.astype(np.float32)))
    tt.RotaryEmbedding(x.shape[-1], base=10.0)(full)
    left = [k for k, v in vars(layer).items() if before.get(k) != repr(v)]
    return {
        "first": first,
        "after float32": small(full),
        "after other calls": layer(full),
        "another layer": twin(full),
        "from 2 on": layer(full, 2),
        "evaluating": layer.eval()(full),
        "state": [*state, list(layer.state_dict())],
        "left on it": left,
    }


@computed
def test_positions_know_nothing_of_other_calls(name: str) -> None:
    """11.20 The same vectors again after others, in float64; the state, which is empty."""
    x = normal(2, integer(3, 2, 6), 6)
    got = several_calls(call_of(name, x), x)
    assert_equal([got.pop("state"), got.pop("left on it")], want=[[[], [], []], []])
    want = expected(name, x)
    assert_close(got.pop("from 2 on"), want=expected(name, x, 2))
    assert_close(got, want=dict.fromkeys(got, want))


@every_layer
def test_positions_leave_nothing_on_the_layer(name: str) -> None:
    """11.20 The attributes of a layer after a call and a walk back; a second call gives the same."""
    x = normal(2, 3, 2 * integer(2, 1, 4))
    got = placing(name, x)[0]
    assert_equal(got["left on it"], want=[])
    again = {"first": got["result"], "second": placing(name, x)[0]["result"]}
    assert_alike(again, "first", "second", exactly=True)
    assert_close(got["result"], want=expected(name, x))


# ---- systems: 11.21, 11.22 -----------------------------------------------------------------------


@observe(shown="{call}, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, call: str, shapes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for shape in shapes:
        layer = eval(call.replace("{d}", str(shape[-1])).replace("(9,", "(999,"), {"tt": tt})
        leaf = tt.Tensor(np.ones(shape), requires_grad=True)
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = layer(leaf)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "size": out.size}


@every_layer
@pytest.mark.parametrize("large", [(2, 300, 4), (2, 3, 400), (300, 3, 4), (9, 9, 9, 8)], ids=str)
def test_steps_of_positions_do_not_grow(name: str, large: Any) -> None:
    """11.21 Steps for a few short vectors, and for many positions, sizes or texts; one axis is drawn."""
    large, small = (large[0] + integer(0, 0, 9), *large[1:]), (2, 3, 4)
    got = counted_steps(LAYERS[name], [small, small, large])
    assert_equal(got["size"], want=math.prod(large))
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )


@observe(shown="bytes that RotaryEmbedding keeps beside x and the result")
def kept_memory(tt: Any, x: Any, learns: bool) -> Any:
    import tracemalloc

    layer, leaf = tt.RotaryEmbedding(x.shape[-1]), tt.Tensor(x, requires_grad=learns)
    layer(tt.Tensor(x[:1, :, 1:]))  # imports
    tracemalloc.start()
    try:
        for offset in range(20 * (not learns)):
            layer(leaf, offset)
        out = layer(leaf, 3)
        return {"kept": tracemalloc.get_traced_memory()[0] - out.data.nbytes, "size": out.size}
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("learns", [True, False], ids=["with-history", "without"])
def test_what_a_rotation_keeps(learns: bool, dtype: str) -> None:
    """11.22 Bytes that are there after a call, while x requires a gradient and while it does not."""
    length = integer(100, 90, 120)
    x = normal(2, 5, length, 32).astype(dtype)
    got = kept_memory(x, learns)
    assert_equal(got["size"], want=x.size)
    limit = 2 * x.itemsize * length * 32 * learns * 1.02 + 10_000
    assert_below(max(got["kept"], 0), limit=limit, what="bytes kept beside x and the result")
