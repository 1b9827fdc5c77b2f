"""Kata 13, Transformers: the model (katas/13_transformers/README.md)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support import oracle
from support.asserts import (
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
    assert_zeros,
)
from support.expressions import evaluate, loaded, type_of
from support.observe import observe
from support.strategies import BASE_SEED, fill, integer, normal, real
from test_13_transformers.by_hand import filled, gpt, gpt_state, slope


@observe(shown="{call}, with a state of its names: the logits of ids", uses=(loaded,))
def logits(tt: Any, call: str, state: Any, ids: Any) -> Any:
    return loaded(tt, call, state)(ids)


@observe(shown="{call}, with a state: gradients of all parameters", uses=(loaded,))
def walked(tt: Any, call: str, state: Any, ids: Any, c: Any) -> Any:
    model = loaded(tt, call, state)
    model(ids).backward(c)
    named = model.named_parameters()  # the table under either of its names
    return {name.replace("lm_head", "token_embedding"): p.grad for name, p in named}


def tokens(shape: Any, many: int, seed: int = 0) -> Any:
    """Ids from 0 to many - 1."""
    return np.random.default_rng([BASE_SEED, seed, many]).integers(0, many, shape)


# ---- parts: 13.10, 13.11 -------------------------------------------------------------------------


@observe
def made(tt: Any, call: str) -> Any:
    model = eval(f"tt.{call}", {"tt": tt, "np": np})
    sizes = [getattr(model, k) for k in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")]
    state = model.state_dict()
    return {
        "shapes": {k: v.shape for k, v in state.items()},
        "dtypes": sorted({str(v.dtype) for v in state.values()}),
        "listed": [name for name, _ in model.named_parameters()],
        "count": sum(p.size for p in model.parameters()),
        "sizes": [sizes, [type(n).__name__ for n in sizes]],
        "one": model.lm_head.weight is model.token_embedding.weight,
        "kinds": [
            type(p).__name__
            for p in (model.token_embedding, model.norm, model.lm_head, *model.blocks)
        ],
        "heads": [block.self_attn.num_heads for block in model.blocks],
    }


MODELS = {  # a call with V = n, and block_size, n_layer, n_head, n_embd, bias
    "GPT({n}, 5, 2, 2, 4)": (5, 2, 2, 4, True),
    "GPT({n}, 5, 1, 1, 3, 0.5)": (5, 1, 1, 3, True),
    "GPT(vocab_size={n}, block_size=3, n_layer=3, n_head=4, n_embd=8)": (3, 3, 4, 8, True),
    "GPT({n}, 4, 2, 2, 6, bias=False)": (4, 2, 2, 6, False),
    "GPT(np.int64({n}), np.int32(4), np.int8(1), np.int64(3), np.int64(6), 0.0, False)": (
        4,
        1,
        3,
        6,
        False,
    ),
}
every_model = pytest.mark.parametrize("call", MODELS)


@every_model
def test_gpt_has_its_parts(call: str) -> None:
    """13.10 Names and shapes of the state, kinds of the parts, dtype; V is drawn."""
    n, (block, layers, heads, size, bias) = integer(7, 5, 9), MODELS[call]
    got = made(call.replace("{n}", str(n)))
    assert_equal(got["shapes"], want=gpt_state(n, block, layers, size, bias))
    kinds = ["Embedding", "LayerNorm", "Linear"] + ["TransformerBlock"] * layers
    assert_equal(
        [got["kinds"], got["dtypes"], got["heads"]], want=[kinds, ["float32"], [heads] * layers]
    )


def test_gpt_of_one() -> None:
    """13.10 A model of one token, one position, one layer, one head and one number."""
    assert_equal(made("GPT(1, 1, 1, 1, 1)")["shapes"], want=gpt_state(1, 1, 1, 1, True))


@every_model
def test_gpt_keeps_its_sizes(call: str) -> None:
    """13.10 The attributes, and that they are ints of Python."""
    n, (block, layers, heads, size, _) = integer(7, 5, 9), MODELS[call]
    want = [[n, block, layers, heads, size], ["int"] * 5]
    assert_equal(made(call.replace("{n}", str(n)))["sizes"], want=want)


@every_model
def test_gpt_counts_its_parameters(call: str) -> None:
    """13.11 One Parameter under two names, and how many numbers there are to learn, by the formula."""
    n, (block, layers, _, size, bias) = integer(7, 5, 9), MODELS[call]
    got = made(call.replace("{n}", str(n)))
    shapes = gpt_state(n, block, layers, size, bias)
    names = [name.replace("lm_head", "token_embedding") for name in got["listed"]]  # either of two
    listed = [k for k in shapes if k != "lm_head.weight"]
    assert_equal([got["one"], sorted(names)], want=[True, sorted(listed)])
    count = n * size + block * size + layers * (12 * size**2 + (13 if bias else 2) * size)
    assert_equal(got["count"], want=count + (2 if bias else 1) * size)


def counted(v: int, t: int, k: int, d: int, bias: bool) -> Any:
    """How many parameters a GPT has."""
    return made(f"GPT({v}, {t}, {k}, 1, {d}, bias={bias})")["count"]


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "without"])
def test_gpt_counts_as_many_as_gpt_2(bias: bool) -> None:
    """13.11 Counts of small models, a polynomial of third degree, and its value at GPT-2's sizes."""
    base = counted(3, 2, 1, 2, bias)
    table, places = counted(9, 2, 1, 2, bias) - base, counted(3, 7, 1, 2, bias) - base
    two, four = (counted(3, 2, 2, d, bias) - counted(3, 2, 1, d, bias) for d in (2, 4))
    square = (four - 2 * two) // 8  # a layer has square * D * D + rest * D
    layer, last = (
        square * 768 + (two - 4 * square) // 2,
        (base - table // 2 - 2 * places // 5 - two) // 2,
    )
    got = (50257 * table // 12 + 1024 * places // 10 + 12 * layer + last) * 768
    assert_equal(got, want=124_439_808 if bias else 124_337_664)


# ---- values: 13.10, 13.11, 13.13 -----------------------------------------------------------------


@pytest.mark.parametrize("call", [c for c in MODELS if "0.5" not in c])
def test_gpt_values(call: str) -> None:
    """13.10 Fresh numbers against NumPy: sizes, depths, heads, biases; T from 1 to block_size."""
    n, (block, layers, heads, size, bias) = integer(7, 5, 9), MODELS[call]
    state = filled(gpt_state(n, block, layers, size, bias))
    for length in (block, 1, 2):
        ids = tokens((3, length), n)
        got = logits(call.replace("{n}", str(n)), state, ids)
        assert_close(got, want=gpt(ids, state, heads), depth=1000)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "without"])
def test_gpt_gradients(bias: bool) -> None:
    """13.11 The gradient of every parameter, by how the logits change; both uses of the table count."""
    state, ids = filled(gpt_state(5, 4, 2, 4, bias)), tokens((2, 4), 5)
    c = normal(2, 4, 5)
    got = walked(f"GPT(5, 4, 2, 2, 4, bias={bias})", state, ids, c)
    assert_equal({n: np.shape(g) for n, g in got.items()}, want={n: state[n].shape for n in got})
    for seed, name in enumerate(got):
        want, way = slope(lambda s: gpt(ids, s, 2), state, name, c, seed)
        assert_close(float((got[name] * way).sum()), want=want, depth=1e5, terms=100.0)


@observe(shown="GPT(...)(ids), where ids are {how}", uses=(loaded,))
def of_many_kinds(tt: Any, how: str, state: Any, ids: Any) -> Any:
    model = loaded(tt, "GPT(5, 4, 1, 2, 4)", state)
    found = model(eval(how, {"tt": tt, "np": np, "ids": ids}))
    return {"out": found.data, "ids": ids}


KINDS = ["ids", "ids.tolist()", "tt.Tensor(ids)", "ids.astype(np.uint8)", "np.asfortranarray(ids)"]
KINDS += ["[tuple(row) for row in ids.tolist()]", "ids[::-1][::-1]"]


@pytest.mark.parametrize("how", KINDS)
def test_gpt_takes_ids_of_many_kinds(how: str) -> None:
    """13.10 Arrays, lists, tuples and Tensors of integers, in any memory order."""
    state, ids = filled(gpt_state(5, 4, 1, 4)), tokens((2, 3), 5)
    got = of_many_kinds(how, state, ids)
    assert_close(got["out"], want=gpt(ids, state, 2), depth=1000)
    assert_unchanged(got, was={"ids": ids})


@observe(
    shown="models of one shape: after a step of an optimizer the table and the last layer",
    uses=(loaded,),
)
def after_a_step(tt: Any, state: Any, ids: Any, c: Any) -> Any:
    model, other = loaded(tt, "GPT(5, 4, 1, 2, 4)", state), loaded(tt, "GPT(5, 4, 1, 2, 4)", state)
    model(ids).backward(c)
    tt.SGD(model.parameters(), lr=0.5).step()
    return {
        "table": model.token_embedding.weight.data,
        "last layer": model.lm_head.weight.data,
        "logits": model(ids),
        "state": model.state_dict()["lm_head.weight"],
        "the other": other.token_embedding.weight.data,
    }


def test_gpt_stays_tied() -> None:
    """13.11 After a step both uses see the same new table; another model has its own."""
    state, ids, c = filled(gpt_state(5, 4, 1, 4)), tokens((2, 4), 5), normal(2, 4, 5)
    got = after_a_step(state, ids, c)
    slopes = walked("GPT(5, 4, 1, 2, 4)", state, ids, c)
    stepped = {name: array - 0.5 * slopes.get(name, 0.0) for name, array in state.items()}
    table = stepped["token_embedding.weight"]
    want = {"table": table, "last layer": table, "state": table, "logits": gpt(ids, stepped, 2)}
    assert_close(got, want=want | {"the other": state["token_embedding.weight"]}, depth=1e5)


@observe(shown="GPT(...)(ids), where one of the ids is another one", uses=(loaded,))
def changed(tt: Any, state: Any, ids: Any, others: Any) -> Any:
    model = loaded(tt, "GPT(9, 6, 2, 2, 4)", state)
    return {"before": model(ids).data.copy(), "after": model(others).data}


@pytest.mark.parametrize("place", range(6))
def test_gpt_does_not_look_ahead(place: int) -> None:
    """13.13 One token is another one: what comes before stays to the last bit, from there on all changes."""
    state, ids = filled(gpt_state(9, 6, 2, 4)), tokens((2, 6), 9)
    others = ids.copy()
    others[:, place] = (others[:, place] + integer(3, 1, 8)) % 9
    got = changed(state, ids, others)
    assert_unchanged({"logits": got["after"][:, :place]}, was={"logits": got["before"][:, :place]})
    moved = np.abs(got["after"] - got["before"])[:, place:].max(-1)
    assert_above(float(moved.min()), limit=1e-9, what="change of logits from there on")


def test_gpt_knows_the_order_of_tokens() -> None:
    """13.13 Two earlier tokens change places: later logits change."""
    state, ids = filled(gpt_state(9, 6, 2, 4)), np.arange(6)[None] + integer(0, 0, 3)
    others = ids[:, [1, 0, 2, 3, 4, 5]]
    got = changed(state, ids, others)
    moved = np.abs(got["after"] - got["before"])[:, 2:].max(-1)
    assert_above(float(moved.min()), limit=1e-9, what="change of later logits")


def test_gpt_has_no_other_order() -> None:
    """13.13 With a position table of zeros, one block and two earlier tokens exchanged: later logits stay."""
    state, ids = filled(gpt_state(9, 6, 1, 4)), np.arange(6)[None] + integer(0, 0, 3)
    state["position_embedding.weight"] = np.zeros((6, 4))
    first, second = (
        logits("GPT(9, 6, 1, 2, 4)", state, i) for i in (ids, ids[:, [1, 0, 2, 3, 4, 5]])
    )
    assert_close(first, want=gpt(ids, state, 2), depth=1000)
    assert_close(second[:, 2:], want=first[:, 2:], depth=1000)


@observe(
    shown="the texts of a batch together, each alone, and their first two tokens", uses=(loaded,)
)
def batches(tt: Any, state: Any, ids: Any) -> Any:
    model = loaded(tt, "GPT(9, 6, 2, 2, 4)", state)
    alone = np.concatenate([model(text[None]).data for text in ids])
    found = {"together": model(ids).data.copy(), "alone": alone}
    return found | {"beginnings": model(ids[:, :2]).data, "their logits": found["together"][:, :2]}


def test_gpt_answers_each_text_alone() -> None:
    """13.13 Logits of a batch, of its texts one by one, and of their beginnings."""
    got = batches(filled(gpt_state(9, 6, 2, 4)), tokens((4, 6), 9))
    assert_alike(got, "together", "alone")
    assert_alike(got, "their logits", "beginnings")


# ---- dropout: 13.10 ------------------------------------------------------------------------------


@observe(
    shown="GPT(...)(ids), under no_grad in training mode and in eval mode, then with a history in both",
    uses=(loaded,),
)
def in_all_modes(tt: Any, state: Any, ids: Any) -> Any:
    model = loaded(tt, "GPT(9, 6, 2, 2, 4)", state)
    with tt.no_grad():
        found = {"no_grad": model(ids).data, "evaluating": model.eval()(ids).data}
    for name, training in (("recording", False), ("training", True)):
        model.train(training).zero_grad()
        logits = model(ids)
        logits.sum().backward()
        found[name] = logits.data
        found[f"{name}: learn nothing"] = [n for n, p in model.named_parameters() if p.grad is None]
    return found


def test_gpt_answers_alike_in_all_modes() -> None:
    """13.10 The logits of all positions, without a history and with one, evaluating and training; all learn."""
    state, ids = filled(gpt_state(9, 6, 2, 4)), tokens((2, 4), 9)
    want, modes = gpt(ids, state, 2), ("no_grad", "evaluating", "recording", "training")
    got = in_all_modes(state, ids)
    assert_close({name: got[name] for name in modes}, want=dict.fromkeys(modes, want), depth=1000)
    assert_equal([got[f"{name}: learn nothing"] for name in modes[2:]], want=[[], []])


@observe(
    shown="the MLPs of two blocks of GPT(..., dropout=0.5, generator=rng): what each drops of ones"
)
def dropped_by_blocks(tt: Any, x: Any, seed: int, own: bool) -> Any:
    rng = np.random.default_rng(seed) if own else None
    tt.manual_seed(seed)
    model = tt.GPT(5, 4, 2, 2, 8, dropout=0.5, generator=rng)
    found = []
    for block in model.blocks:
        block.mlp.linear2.weight.data[...] = 0
        block.mlp.linear2.bias.data[...] = 1
        found.append(block.mlp(tt.Tensor(x)).data)
    return found


@pytest.mark.parametrize("own", [True, False], ids=["generator", "default"])
def test_blocks_drop_apart(own: bool) -> None:
    """13.10 Two blocks drop other numbers: each draw is a new one."""
    first, second = dropped_by_blocks(np.ones((30, 8), np.float32), integer(3, 1, 999), own)
    share = float(((first == 0) == (second == 0)).mean())
    assert_below(share, limit=0.7, what="share of numbers that both blocks drop or both keep")


@observe(shown="GPT(..., dropout={p}), in training mode twice, and in eval mode", uses=(loaded,))
def dropped(tt: Any, p: float, state: Any, ids: Any, seed: int) -> Any:
    model = loaded(tt, f"GPT(5, 4, 1, 2, 4, dropout={p})", state)
    tt.manual_seed(seed)
    found = {"train": model(ids).data.copy(), "once more": model(ids).data.copy()}
    tt.manual_seed(seed)
    return found | {"same seed": model(ids).data.copy(), "eval": model.eval()(ids)}


def test_gpt_drops_while_training() -> None:
    """13.10 Training mode draws anew at each call; eval mode gives what a model without dropout gives."""
    state, ids = filled(gpt_state(5, 4, 1, 4)), tokens((2, 4), 5)
    got = dropped(0.5, state, ids, integer(3, 1, 999))
    assert_close(got["eval"], want=gpt(ids, state, 2), depth=1000)
    assert_alike(got, "train", "same seed")
    moved = float(np.abs(got["train"] - got["once more"]).max())
    assert_above(moved, limit=1e-6, what="difference of two calls")


def test_gpt_drops_all_that_comes_in() -> None:
    """13.10 With dropout 1 tokens and positions are lost, also past the blocks: the last norm sees zeros."""
    state, ids = filled(gpt_state(5, 4, 1, 4)), tokens((2, 4), 5)
    got = dropped(1.0, state, ids, 1)
    want = state["norm.bias"] @ state["token_embedding.weight"].T
    assert_close(got["train"], want=np.broadcast_to(want, (2, 4, 5)).copy(), depth=10)


@observe(
    shown="GPT(..., dropout=0.5, generator=rng), training: its logits, and whether manual_seed's is drawn from"
)
def dropped_with_a_generator(tt: Any, ids: Any, seed: int) -> Any:
    found = []
    for start in (1, 2):
        tt.manual_seed(start)
        model = tt.GPT(5, 4, 1, 2, 4, dropout=0.5, generator=np.random.default_rng(seed))
        found.append(model(ids).data)
    left = repr(tt.default_generator.bit_generator.state)
    tt.manual_seed(2)
    untouched = repr(tt.default_generator.bit_generator.state) == left
    return {"one": found[0], "equal generator": found[1], "untouched": untouched}


def test_gpt_drops_with_its_generator() -> None:
    """13.10 Two models with equal generators, training: the same logits, and the default one is untouched."""
    got = dropped_with_a_generator(tokens((2, 4), 5), integer(3, 1, 999))
    assert_alike(got, "one", "equal generator", exactly=True)
    assert_equal(got["untouched"], want=True)


# ---- the start: 13.12 ----------------------------------------------------------------------------


@observe(shown="{call}.state_dict()")
def start(tt: Any, call: str, seed: int) -> Any:
    tt.manual_seed(seed)
    return eval(f"tt.{call}", {"tt": tt}).state_dict()


@pytest.mark.parametrize("layers", [1, 3])
def test_gpt_starts_like_gpt_2(layers: int) -> None:
    """13.12 Mean, standard deviation and tails of each matrix, within 5 sigma; the last ones are smaller."""
    state = start(f"GPT(60, 50, {layers}, 4, 40)", integer(3, 1, 999))
    for name, array in state.items():
        if array.ndim == 2:
            ends = "out_proj" in name or "linear2" in name
            check_normal(array, 0.02 / math.sqrt(2 * layers) if ends else 0.02, name)


def check_normal(array: Any, sigma: float, name: str) -> None:
    """Many numbers look like draws from a normal distribution around 0."""
    x, n = array.astype(np.float64) / sigma, array.size
    one, two = float((abs(x) < 1).mean()), float((abs(x) < 2).mean())
    assert_below(abs(float(x.mean())), limit=5 / n**0.5, what=f"|mean| / sigma of {name}")
    ratio = abs(float(x.var()) - 1)
    assert_below(ratio, limit=5 * (2 / n) ** 0.5, what=f"|variance / {sigma:.4g}^2 - 1| of {name}")
    assert_below(
        abs(one - 0.682689),
        limit=5 * (0.2166 / n) ** 0.5,
        what=f"distance of the share within 1 sigma from 0.68, of {name}",
    )
    assert_below(
        abs(two - 0.9545),
        limit=5 * (0.0434 / n) ** 0.5,
        what=f"distance of the share within 2 sigma from 0.95, of {name}",
    )


def test_gpt_starts_without_biases() -> None:
    """13.12 Every bias is zeros, every weight of a norm ones."""
    state = start("GPT(7, 5, 2, 2, 4)", integer(3, 1, 999))
    biases = np.concatenate([v.ravel() for k, v in state.items() if k.endswith("bias")])
    norms = [v for k, v in state.items() if "norm" in k and k.endswith("weight")]
    assert_zeros(biases, beside=state["lm_head.weight"])
    assert_close(norms, want=[np.ones(4, np.float32)] * 5)


@observe(shown="models that are made after manual_seed, and from generators: all their numbers")
def beginnings(tt: Any, seed: int) -> Any:
    def numbers(generator=None):
        model = tt.GPT(7, 5, 2, 2, 4, generator=generator)
        return np.concatenate([p.data.ravel() for p in model.parameters() if p.ndim == 2])

    tt.manual_seed(seed)
    first, second = numbers(), numbers()
    tt.manual_seed(seed)
    again = numbers()
    own = [numbers(np.random.default_rng(100 + seed)) for _ in range(2)]
    tt.manual_seed(seed)
    numbers(np.random.default_rng(100 + seed))
    found = {"first": first, "second": second, "after the same seed": again}
    found |= {"from a generator": own[0], "from an equal one": own[1]}
    return found | {"after one with a generator": numbers()}


def test_gpt_starts_again() -> None:
    """13.12 Models after the same seed and from equal generators; all others differ in every number."""
    got = beginnings(integer(7, 1, 999))
    assert_alike(got, "first", "after the same seed", exactly=True)
    assert_alike(got, "first", "after one with a generator", exactly=True)
    assert_alike(got, "from a generator", "from an equal one", exactly=True)
    three = ("first", "second", "from a generator")
    numbers = {float(x) for name in three for x in got[name]}
    limit = 3 * got["first"].size * 0.95
    assert_above(len(numbers), limit=limit, what="different numbers of three models")


# ---- refusals: 13.14, 13.15 ----------------------------------------------------------------------

IDS_REFUSED = {  # ids for a GPT of 20 tokens and block_size 4, the error, what its message names
    "[1, {n}]": ("ValueError", ("(2,)",)),
    "{n}": ("ValueError", ("()",)),
    "[[[1, {n}]]]": ("ValueError", ("(1, 1, 2)",)),
    "[[1, 2, 3, 4, {n}]]": ("ValueError", ("5", "4")),
    "np.zeros((2, 1{n}), int)": ("ValueError", ("1{n}", "4")),
    "np.zeros((0, 1{n}), int)": ("ValueError", ("1{n}", "4")),
    "np.zeros(({n}, 0), int)": ("ValueError", ("0",)),
    "[[1, 2{n}]]": ("IndexError", ("2{n}", "20")),
    "[[1, -{n}]]": ("IndexError", ("-{n}", "20")),
    "[[1, {n}.0]]": ("TypeError", ("float64",)),
    "[[True, False]]": ("TypeError", ("bool",)),
    "tt.Tensor([[1, {n}]])": ("TypeError", ("float32",)),
    "[['{n}']]": ("TypeError", ("{n}",)),
}


@pytest.mark.parametrize("ids", IDS_REFUSED)
def test_gpt_refuses_ids(ids: str) -> None:
    """13.14 Ids of other axes, too many or none, and numbers that are no tokens."""
    n, (error, says) = str(integer(5, 5, 9)), IDS_REFUSED[ids]
    call = f"tt.GPT(20, 4, 1, 1, 2)({ids})".replace("{n}", n)
    assert_raises(evaluate, call, error=error, says=tuple(s.replace("{n}", n) for s in says))


def test_gpt_takes_no_texts() -> None:
    """13.14 B = 0, and T = block_size."""
    n = integer(5, 2, 9)
    got = evaluate(f"tt.GPT({n}, 4, 2, 1, 2)(np.zeros((0, 4), int))")
    assert_equal(got.shape, want=(0, 4, n))


SIZES = ["0", "-{n}", "{n}.0", "None", "'{n}'"]
PLACES = ["{}, 4, 1, 1, 2", "5, {}, 1, 1, 2", "5, 4, {}, 1, 2", "5, 4, 1, {}, 2", "5, 4, 1, 1, {}"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "place", PLACES, ids=["vocab_size", "block_size", "n_layer", "n_head", "n_embd"]
)
def test_gpt_refuses_sizes(place: str, size: str) -> None:
    """13.15 Sizes of 0, below 0, floats, None and texts."""
    size = size.replace("{n}", str(integer(4, 2, 9)))
    call = f"tt.GPT({place.format(size)})"
    assert_raises(type_of, call, error="ValueError", says=(size.strip("'"),))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("5, 4, 1, {n}, 11", ("{n}", "11")),
        ("5, 4, 1, 1{n}, {n}", ("1{n}", "{n}")),
        ("5, 4, 1, 1, 2, 1.{n}", ("1.{n}",)),
        ("5, 4, 1, 1, 2, dropout=-0.{n}", ("-0.{n}",)),
        ("{n}, 4, 1, 1, 2, dropout=float('nan')", ("nan",)),
    ],
)
def test_gpt_refuses_heads_and_probabilities(arguments: str, says: tuple[str, ...]) -> None:
    """13.15 Heads that do not divide the width, and a dropout that is no probability."""
    n = str(integer(4, 2, 9))
    call = f"tt.GPT({arguments.replace('{n}', n)})"
    says = tuple(s.replace("{n}", n) for s in says)
    assert_raises(type_of, call, error="ValueError", says=says)


@observe(shown="the next draw after GPT({arguments}) was refused, and without it")
def draws_after(tt: Any, arguments: str, seed: int) -> Any:
    rng, fresh, error = np.random.default_rng(seed), np.random.default_rng(seed), "none"
    tt.manual_seed(seed)
    for more in ("", ", generator=rng"):
        try:
            eval(f"tt.GPT({arguments}{more})", {"tt": tt, "rng": rng})
        except ValueError:
            error = "ValueError"
    after = [rng.random(), tt.rand(1).item()]
    tt.manual_seed(seed)
    return {"error": error, "after": after, "fresh": [fresh.random(), tt.rand(1).item()]}


REFUSED_EARLY = [
    "5, 4, 1, 2, 3",
    "5, 4, 0, 1, 2",
    "5, 4, 1, 0, 2",
    "5, 0, 1, 1, 2",
    "5, 4, 1, 1, 2, 1.5",
]


@pytest.mark.parametrize("arguments", REFUSED_EARLY)
def test_gpt_refuses_before_it_draws(arguments: str) -> None:
    """13.15 The generator that was passed and the default one after a refusal."""
    got = draws_after(arguments, integer(3, 1, 999))
    assert_equal(got["error"], want="ValueError")
    assert_equal(got["after"], want=got["fresh"])


# ---- steps: 13.25 --------------------------------------------------------------------------------


@observe(shown="a GPT, forward and back: how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for texts, length, many, size in sizes:
        model, ids = tt.GPT(many, length, 1, 1, size), np.zeros((texts, length), int)
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = model(ids)
            out.backward(out.data)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "shape": out.shape}


@pytest.mark.parametrize(
    "large", [(400, 3, 5, 2), (2, 63, 5, 2), (2, 3, 3000, 2), (2, 3, 5, 300)], ids=str
)
def test_gpt_has_no_loop(large: Any) -> None:
    """13.25 Steps for a few texts of three tokens, and for many texts, positions, tokens or columns."""
    large, small = (large[0] + integer(0, 0, 3), *large[1:]), (2, 3, 5, 2)
    got = counted_steps([small, small, large])
    assert_equal(got["shape"], want=large[:3])
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )


# ---- training, PyTorch: 13.26 --------------------------------------------------------------------


@observe(shown="cross_entropy(GPT({many}, 16, 2, 2, 32)(ids), targets) at the start")
def first_loss(tt: Any, many: int, seed: int) -> Any:
    tt.manual_seed(seed)
    ids = np.random.default_rng(seed).integers(0, many, (8, 17))
    out = tt.GPT(many, 16, 2, 2, 32)(ids[:, :-1])
    return tt.cross_entropy(out.reshape(-1, many), ids[:, 1:].reshape(-1)).item()


@pytest.mark.parametrize("many", [10, 65, 1000])
def test_gpt_begins_as_a_guess(many: int) -> None:
    """13.26 The loss of a new model, for few tokens and for many."""
    many += integer(0, 0, 9)
    got = first_loss(many, integer(3, 1, 999)) / math.log(many)
    assert_above(got, limit=0.95, what="loss, over ln V")
    assert_below(got, limit=1.05, what="loss, over ln V")


@observe(shown="a small GPT that is trained on one text of 65 tokens: its loss, and what it writes")
def by_heart(tt: Any, seed: int) -> Any:
    tt.manual_seed(seed)
    text = np.random.default_rng(seed).integers(0, 32, 65)
    model = tt.GPT(32, 64, 1, 2, 32)
    optimizer = tt.AdamW(model.parameters(), lr=0.02, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(150):
        optimizer.zero_grad()
        loss = tt.cross_entropy(model(text[None, :-1])[0], text[1:])
        if loss.item() < 0.005:
            break
        loss.backward()
        optimizer.step()
    written = model.generate(text[:1], 64, top_k=1)
    return {"loss": loss.item(), "text": text, "written": written}


def test_gpt_learns_by_heart() -> None:
    """13.26 64 tokens that follow no rule: the loss after a while, and the text that comes of its first token."""
    got = by_heart(integer(3, 1, 999))
    assert_below(got["loss"], limit=0.01, what="nats a token")
    assert_equal(got["written"], want=got["text"])


def record(torch: Any) -> dict[str, Any]:
    """A GPT of PyTorch's own layers, in float64: logits and every gradient."""
    nn, shapes = torch.nn, gpt_state(7, 5, 2, 6)

    class Theirs(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            gelu = nn.GELU(approximate="tanh")
            self.token_embedding, self.position_embedding = nn.Embedding(7, 6), nn.Embedding(5, 6)
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(6, 2, 24, 0.0, gelu, 1e-5, True, True) for _ in range(2)
            )
            self.norm, self.lm_head = nn.LayerNorm(6), nn.Linear(6, 7, bias=False)
            self.lm_head.weight = self.token_embedding.weight

        def forward(self, ids: Any) -> Any:
            x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
            hidden = torch.triu(torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool), 1)
            for layer in self.blocks:
                x = layer(x, src_mask=hidden)
            return self.lm_head(self.norm(x))

    model, state = Theirs().double(), filled(shapes, base=0)
    model.load_state_dict({k.replace("mlp.", ""): torch.tensor(v) for k, v in state.items()})
    ids, c = np.array([[1, 6, 0, 3, 3], [5, 2, 2, 4, 0]]), fill((2, 5, 7), 70, "normal", base=0)
    out = model(torch.tensor(ids))
    out.backward(torch.tensor(c))
    slopes = {k.replace(".linear", ".mlp.linear"): p.grad for k, p in model.named_parameters()}
    found = {f"d/{k}": v.numpy() for k, v in slopes.items()} | {
        f"state/{k}": v for k, v in state.items()
    }
    return {
        f"gpt/{k}": v
        for k, v in (found | {"ids": ids, "c": c, "out": out.detach().numpy()}).items()
    }


def test_gpt_is_pytorchs() -> None:
    """13.26 A model of PyTorch's own layers with the same state: logits and every gradient."""
    shapes = gpt_state(7, 5, 2, 6)
    state = {k: oracle.own("13", f"gpt/state/{k}") for k in shapes}
    ids, c = oracle.own("13", "gpt/ids").astype(int), oracle.own("13", "gpt/c")
    got = logits("GPT(7, 5, 2, 2, 6)", state, ids)
    assert_close(got, want=oracle.own("13", "gpt/out"), depth=1000)
    want = {k: oracle.own("13", f"gpt/d/{k}") for k in shapes if k != "lm_head.weight"}
    assert_close(walked("GPT(7, 5, 2, 2, 6)", state, ids, c), want=want, depth=1e4)


@observe(
    shown="a model's state, loaded into one of the same sizes without dropout: what both answer in eval mode"
)
def exchanged(tt: Any, ids: Any, p: float) -> Any:
    first, second = tt.GPT(9, 6, 2, 2, 4, dropout=p), tt.GPT(9, 6, 2, 2, 4)
    second.load_state_dict(first.state_dict())
    return {"first": first.eval()(ids).data, "second": second.eval()(ids).data}


def test_gpt_states_can_be_exchanged() -> None:
    """13.26 Two models of ours, one with dropout."""
    got = exchanged(tokens((2, 6), 9), real(0.3, 0.1, 0.6))
    assert_alike(got, "first", "second", exactly=True)
