"""Kata 13, Transformers: going on with a text (katas/13_transformers/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_above,
    assert_below,
    assert_close,
    assert_equal,
    assert_raises,
    assert_unchanged,
)
from support.expressions import loaded
from support.observe import observe
from support.strategies import BASE_SEED, integer, real
from test_13_transformers.by_hand import filled, gpt, gpt_state


def watched(tt, sizes, state, dropout=0.0):
    """A model in float64 that writes down with what it is called, and how."""

    class Watched(tt.GPT):
        def forward(self, ids):
            given = np.array(ids.data if isinstance(ids, tt.Tensor) else ids)
            calls.append(
                {
                    "ids": given,
                    "training": any(m.training for m in self.modules()),
                    "history": tt.grad_mode.enabled,
                }
            )
            return super().forward(ids)

    calls: list = []
    model = Watched(*sizes, dropout=dropout)
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    model.load_state_dict(state)
    return model, calls


@observe(shown="{asked}  # model = {call}", uses=(loaded,))
def written(tt: Any, call: str, state: Any, asked: str, prompt: Any) -> Any:
    model = loaded(tt, call, state)
    return eval(asked, {"model": model, "tt": tt, "np": np, "prompt": prompt})


def generated(call: str, state: Any, how: str, prompt: Any) -> Any:
    """What a model writes; `how` are the arguments of generate."""
    return written(call, state, f"model.generate({how})", prompt)


def tokens(shape: Any, many: int, seed: int = 0) -> Any:
    """Ids from 0 to many - 1."""
    return np.random.default_rng([BASE_SEED, seed, many]).integers(0, many, shape)


def fixed(logits: Any, block: int = 3) -> Any:
    """The state of a GPT of width 1 that gives these logits at every position."""
    state = filled(gpt_state(len(logits), block, 1, 1))
    table = np.reshape(np.asarray(logits, np.float64), (-1, 1))
    state["token_embedding.weight"] = state["lm_head.weight"] = table
    return state | {"norm.bias": np.ones(1)}


def most_probable(state: Any, prompt: Any, count: int, block: int) -> Any:
    """What a GPT of two heads writes, always the most probable token."""
    ids = np.atleast_2d(prompt)
    for _ in range(count):
        best = gpt(ids[:, -block:], state, 2)[:, -1].argmax(-1)
        ids = np.concatenate([ids, best[:, None]], axis=1)
    return ids.reshape(*np.shape(prompt)[:-1], -1)


# ---- 13.20 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 1), (2, 4)], ids=str)
def test_generate_returns_prompt_and_more(shape: Any) -> None:
    """13.20 Shape and dtype, the prompt at the beginning, tokens behind it; max_new_tokens is drawn."""
    count, prompt = integer(4, 2, 7), tokens(shape, 9)
    got = generated("GPT(9, 3, 1, 1, 1)", fixed(np.zeros(9)), f"prompt, {count}", prompt)
    assert_equal([got.shape, str(got.dtype)], want=[(*shape[:-1], shape[-1] + count), "int64"])
    assert_equal((got[..., : shape[-1]] + 1), want=prompt + 1)
    assert_equal(bool(((got >= 0) & (got < 9)).all()), want=True)


HOWS = [
    "prompt",
    "prompt.tolist()",
    "tuple(prompt.tolist())",
    "tt.Tensor(prompt)",
    "prompt.astype(np.uint8)",
]
HOWS += ["prompt[::-1][::-1]", "np.repeat(prompt, 2)[::2]"]


@pytest.mark.parametrize("how", HOWS)
def test_generate_takes_prompts_of_many_kinds(how: str) -> None:
    """13.20 Lists, tuples, arrays of other dtypes and memory orders, Tensors of integers."""
    state, prompt = filled(gpt_state(9, 4, 1, 4)), tokens(3, 9)
    got = generated("GPT(9, 4, 1, 2, 4)", state, f"{how}, 5, top_k=1", prompt)
    assert_equal([got.shape, str(got.dtype)], want=[(8,), "int64"])
    assert_equal(got, want=most_probable(state, prompt, 5, 4))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16"])
def test_generate_goes_beyond_the_prompts_dtype(dtype: str) -> None:
    """13.20 A prompt of few bits in a model whose most probable token needs more of them."""
    logits = np.zeros(40_000 if dtype == "int16" else 400)
    best = len(logits) - integer(3, 1, 9)
    logits[best] = 3.0
    got = generated(
        f"GPT({len(logits)}, 3, 1, 1, 1)",
        fixed(logits),
        f"prompt.astype('{dtype}'), 2, top_k=1",
        np.ones(2, int),
    )
    assert_equal(got, want=np.array([1, 1, best, best]))


@pytest.mark.parametrize("count", ["0", "np.int64(0)", "max_new_tokens=0"])
def test_generate_nothing(count: str) -> None:
    """13.20 No new tokens: the prompt as an array, of one text and of several, also a long one."""
    for shape in ((2,), (2, 7)):
        prompt = tokens(shape, 9) + 1
        got = generated("GPT(11, 3, 1, 1, 1)", fixed(np.zeros(11)), f"prompt, {count}", prompt)
        assert_equal(got, want=prompt)


@observe(
    shown="model.generate(prompt, {count}, top_k=1)  # what it returns is written to; the prompt, and a second text",
    uses=(loaded,),
)
def after_generating(tt: Any, state: Any, prompt: Any, count: int, tensor: bool) -> Any:
    model = loaded(tt, "GPT(9, 3, 1, 1, 1)", state)
    given = tt.Tensor(prompt) if tensor else prompt
    first = model.generate(given, count, top_k=1)
    kept = first.copy()
    first[...] = 0
    return {"prompt": prompt, "first": kept, "second": model.generate(given, count, top_k=1)}


@pytest.mark.parametrize("tensor", [True, False], ids=["Tensor", "array"])
@pytest.mark.parametrize("count", [0, 3])
def test_generate_leaves_the_prompt(count: int, tensor: bool) -> None:
    """13.20 The prompt after a call, and after the result was written to."""
    prompt = tokens(4, 8) + 1
    got = after_generating(fixed(np.zeros(9)), prompt.copy(), count, tensor)
    assert_unchanged(got, was={"prompt": prompt})
    assert_equal(got["second"], want=got["first"])


# ---- 13.21 ---------------------------------------------------------------------------------------


@observe(
    shown="GPT(...).generate(prompt, {count}, top_k=1): how often and with what the model is called",
    uses=(watched,),
)
def calls_of(tt: Any, sizes: Any, state: Any, prompt: Any, count: int) -> Any:
    model, calls = watched(tt, sizes, state)
    out = model.generate(prompt, count, top_k=1)
    return {"out": out, "ids": [call["ids"] for call in calls]}


@pytest.mark.parametrize("shape", [(1,), (2, 2), (3,), (2, 7)], ids=str)
def test_generate_calls_the_model_once_a_token(shape: Any) -> None:
    """13.21 The ids of each call: all that there is, then the last block_size of it."""
    state, prompt, count = filled(gpt_state(9, 3, 1, 4)), tokens(shape, 8) + 1, integer(4, 3, 6)
    got = calls_of((9, 3, 1, 2, 4), state, prompt, count)
    text = np.atleast_2d(got["out"])
    ends = range(shape[-1], shape[-1] + count)
    want = [text[:, max(0, end - 3) : end] for end in ends]
    assert_equal([ids.shape for ids in got["ids"]], want=[ids.shape for ids in want])
    assert_equal([ids.tolist() for ids in got["ids"]], want=[ids.tolist() for ids in want])


@pytest.mark.parametrize("shape", [(1,), (2, 3), (9,), (2, 6)], ids=str)
@pytest.mark.parametrize("block", [1, 4])
def test_generate_follows_the_model(shape: Any, block: int) -> None:
    """13.21 The most probable text against NumPy, beyond the block; prompts that are longer than it."""
    state, prompt = filled(gpt_state(9, block, 2, 4)), tokens(shape, 8) + 1
    got = generated(f"GPT(9, {block}, 2, 2, 4)", state, "prompt, 7, top_k=1", prompt)
    assert_equal(got, want=most_probable(state, prompt, 7, block))


@observe(
    shown="a GPT whose forward gives other logits at each position, and asks for the next token at the last: generate([{first}], 6, top_k=1)"
)
def of_a_script(tt: Any, many: int, first: int, before: float) -> Any:
    class Scripted(tt.GPT):
        def forward(self, ids):
            ids = np.asarray(ids.data if isinstance(ids, tt.Tensor) else ids)
            table = np.eye(many)[(ids + 1) % many]  # after k comes k + 1
            table[:, :-1] *= before
            return tt.Tensor(table * 3)

    return Scripted(many, 4, 1, 1, 1).generate([first], 6, top_k=1)


@pytest.mark.parametrize("before", [-5.0, np.nan])
def test_generate_reads_the_last_position(before: float) -> None:
    """13.21 A model that counts, and whose earlier positions say something else, or nan."""
    many, first = integer(7, 5, 9), integer(2, 0, 4)
    want = (first + np.arange(7)) % many
    assert_equal(of_a_script(many, first, before), want=want)


OPTIONS = {  # and the probabilities of four tokens of 0.4 0.3 0.2 0.1
    "": [0.4, 0.3, 0.2, 0.1],
    ", temperature=0.5": [16 / 30, 9 / 30, 4 / 30, 1 / 30],
    ", 2.0": [0.3254, 0.2818, 0.2301, 0.1627],
    ", top_k=2": [4 / 7, 3 / 7, 0.0, 0.0],
    ", 1.0, 3": [4 / 9, 3 / 9, 2 / 9, 0.0],
    ", top_p=0.6": [4 / 7, 3 / 7, 0.0, 0.0],
    ", 1.0, None, 0.8": [4 / 9, 3 / 9, 2 / 9, 0.0],
    ", top_p=1.0": [0.4, 0.3, 0.2, 0.1],
    ", 0.5, 3, 0.8": [16 / 25, 9 / 25, 0.0, 0.0],
}


@pytest.mark.parametrize("options", OPTIONS)
def test_generate_draws_as_often_as_it_should(options: str) -> None:
    """13.21 Four thousand draws with an option: how often each token comes, within 5 sigma."""
    p, order = np.array(OPTIONS[options]), [2, 0, 3, 1]
    state = fixed(np.log(np.array([0.4, 0.3, 0.2, 0.1]))[order])
    how = f"prompt, 4{options}, seed={integer(3, 1, 999)}"
    got = generated("GPT(4, 3, 1, 1, 1)", state, how, np.zeros((1000, 1), int))[:, 1:]
    shares = np.bincount(got.ravel(), minlength=4) / got.size
    check_shares(shares, p[order], got.size)


def check_shares(shares: Any, p: Any, n: int) -> None:
    """Shares of n draws are the probabilities, within 5 sigma; what has none never comes."""
    for token, (share, chance) in enumerate(zip(shares, p, strict=True)):
        off = abs(float(share) - float(chance))
        limit = 5 * float(np.sqrt(chance * (1 - chance) / n)) + 1e-4 * (chance > 0)
        assert_below(
            off, limit=limit, what=f"distance of the share of token {token} from {chance:.4f}"
        )


@observe(shown="a GPT with a __call__ of its own: how often generate([1], {count}) goes through it")
def through_the_call(tt: Any, count: int) -> Any:
    class Counted(tt.GPT):
        def __call__(self, ids):
            calls.append(1)
            return super().__call__(ids)

    calls: list = []
    Counted(5, 3, 1, 1, 2).generate([1], count)
    return len(calls)


def test_generate_calls_the_model() -> None:
    """13.21 model(ids), and not a method of it: a subclass may count its calls, or change them."""
    count = integer(4, 2, 7)
    assert_equal(through_the_call(count), want=count)


@observe(
    shown="{asked}, before and after all weights became others  # model = GPT(9, 4, 1, 2, 4)",
    uses=(loaded,),
)
def written_between(tt: Any, asked: str, states: Any, prompt: Any) -> Any:
    model, found = loaded(tt, "GPT(9, 4, 1, 2, 4)", states[0]), []
    for state in (*states, states[0]):
        for name, parameter in model.named_parameters():
            parameter.data[...] = state[name]
        found.append(eval(asked, {"model": model, "prompt": prompt}))
    return found


def test_generate_uses_weights_of_the_moment() -> None:
    """13.23 One prompt three times: between the calls other weights are written into the arrays, and the first ones again."""
    states = [filled(gpt_state(9, 4, 1, 4), seed=seed) for seed in (1, 2)]
    got = written_between("model.generate(prompt, 5, top_k=1)", states, prompt := tokens(3, 9))
    want = [most_probable(state, prompt, 5, 4) for state in (*states, states[0])]
    assert_equal([a.tolist() for a in got], want=[a.tolist() for a in want])


# ---- 13.22 ---------------------------------------------------------------------------------------


@observe(
    shown="texts of a model that finds all tokens alike: with seed {a}, again, with {b}, with None",
    uses=(loaded,),
)
def texts(tt: Any, state: Any, a: int, b: int) -> Any:
    model, prompt = loaded(tt, "GPT(50, 8, 1, 1, 1)", state), [3, 1]
    tt.manual_seed(5)
    found = {"a": model.generate(prompt, 12, seed=a), "b": model.generate(prompt, 12, seed=b)}
    found["after others"] = model.generate(prompt, 12, seed=a)
    found["of NumPy"] = model.generate(prompt, 12, 1.0, None, None, np.int64(a))
    found["untouched"] = tt.rand(3).data
    tt.manual_seed(5)
    found["fresh"] = tt.rand(3).data
    for name in ("None", "None again"):
        tt.manual_seed(a)
        found[name] = model.generate(prompt, 12)
    found["None, later"] = model.generate(prompt, 12, seed=None)
    other = loaded(tt, "GPT(50, 8, 1, 1, 1)", state)
    own = loaded(tt, "GPT(50, 8, 1, 1, 1, generator=np.random.default_rng(1))", state)
    for name in ("a generator of its own", "and again"):
        tt.manual_seed(a)
        found[name] = own.generate(prompt, 12)
    return found | {"another model": other.generate(prompt, 12, seed=a)}


@pytest.mark.parametrize("a", [0, 7])
def test_generate_follows_its_seed(a: int) -> None:
    """13.22 Which texts are equal, with seeds (0 too), and without one after manual_seed."""
    a = integer(a, 1, 999) if a else 0
    got = texts(fixed(np.zeros(50), 8), a, a + integer(1, 1, 9))
    for name in ("after others", "of NumPy", "another model"):
        assert_equal(got[name], want=got["a"])
    for name in ("None again", "a generator of its own", "and again"):
        assert_equal(got[name], want=got["None"])
    assert_equal(got["untouched"], want=got["fresh"])
    pairs = (("a", "b"), ("None", "None, later"))
    assert_equal([bool((got[a] == got[b]).all()) for a, b in pairs], want=[False, False])


def test_generate_draws_by_the_seed_alone() -> None:
    """13.22 A model that finds all tokens alike goes on with the same tokens, whatever the prompt says."""
    state, seed = fixed(np.zeros(50), 8), integer(3, 1, 999)
    texts = [
        generated("GPT(50, 8, 1, 1, 1)", state, f"prompt, 12, seed={seed}", np.array(prompt))[-12:]
        for prompt in ([3], [7], [3, 7, 1])
    ]
    assert_equal([t.tolist() for t in texts], want=[texts[0].tolist()] * 3)


@pytest.mark.parametrize("other", ["2**32", "2**31", "2**64"])
def test_generate_reads_all_of_a_seed(other: str) -> None:
    """13.22 Seeds that are equal in their last bits: other texts."""
    a = integer(5, 1, 99)
    for seed in (a + eval(other), eval(other)):
        got = texts(fixed(np.zeros(50), 8), a, seed)
        assert_equal(bool((got["a"] == got["b"]).all()), want=False)
        a = 0


def test_generate_with_neighbouring_seeds() -> None:
    """13.22 The text of the next seed is not that of this one, moved by one token or by one text."""
    state, seed = fixed(np.zeros(50), 8), integer(5, 1, 99)
    this, following = (
        generated("GPT(50, 8, 1, 1, 1)", state, f"prompt, 12, seed={s}", np.zeros((3, 1), int))
        for s in (seed, seed + 1)
    )
    moved = [(this[:, 2:], following[:, 1:-1]), (this[1:, 1:], following[:-1, 1:])]
    assert_equal([bool((a == b).all()) for a, b in moved], want=[False, False])


def test_generate_draws_for_each_text_and_token() -> None:
    """13.22 Equal prompts: how often neighbours among texts, and tokens one after the other, are equal."""
    how = f"prompt, 20, seed={integer(3, 1, 999)}"
    got = generated("GPT(5, 3, 1, 1, 1)", fixed(np.zeros(5)), how, np.zeros((200, 1), int))[:, 1:]
    for a, b in ((got[1:], got[:-1]), (got[:, 1:], got[:, :-1])):
        share, n = float((a == b).mean()), a.size
        limit = 5 * float(np.sqrt(0.2 * 0.8 / n))
        assert_below(
            abs(share - 0.2), limit=limit, what="distance of the share of equal neighbours from 1/5"
        )


def test_generate_draws_for_each_text_without_a_seed() -> None:
    """13.22 Equal prompts without a seed: hardly two of forty texts are equal."""
    got = generated("GPT(9, 3, 1, 1, 1)", fixed(np.zeros(9)), "prompt, 12", np.ones((40, 1), int))
    different = len({tuple(row) for row in got.tolist()})
    assert_above(different, limit=39, what="different texts of forty")


def test_generate_draws_what_is_rare() -> None:
    """13.22 Half of all draws are of six thousand tokens, each of which is rare by itself."""
    logits = np.zeros(6001)
    logits[integer(7, 0, 6000)] = np.log(6000)
    how = f"prompt, 2, seed={integer(3, 1, 999)}"
    got = generated("GPT(6001, 3, 1, 1, 1)", fixed(logits), how, np.zeros((1000, 1), int))[:, 1:]
    share = float((got == logits.argmax()).mean())
    assert_below(
        abs(share - 0.5), limit=5 * 0.5 / np.sqrt(2000), what="distance of the share from 1/2"
    )
    assert_above(len({*got.ravel().tolist()}), limit=700, what="different tokens of 6001")


@pytest.mark.parametrize("seed", ["", ", seed=0", ", seed=1"])
def test_generate_with_top_k_1_needs_no_luck(seed: str) -> None:
    """13.22 The most probable text, of two texts, whatever the seed and the temperature."""
    state, prompt = filled(gpt_state(9, 4, 1, 4)), tokens((2, 3), 9)
    want = most_probable(state, prompt, 6, 4)
    for temperature in (0.01, 1.0, 100.0):
        how = f"prompt, 6, {temperature}, 1{seed}"
        assert_equal(generated("GPT(9, 4, 1, 2, 4)", state, how, prompt), want=want)


def test_generate_takes_the_first_of_equal_tokens() -> None:
    """13.22 With top_k=1 and logits that are all alike: token 0; of two largest ones the smaller id."""
    n = integer(6, 4, 9)
    x = np.zeros(n)
    x[[2, n - 1]] = real(1.0, 0.5, 2.0)
    for logits, best in ((np.zeros(n), 0), (x, 2)):
        got = generated(
            f"GPT({n}, 3, 1, 1, 1)", fixed(logits), "prompt, 3, top_k=1", np.ones(1, int)
        )
        assert_equal(got, want=np.array([1, best, best, best]))


# ---- 13.23 ---------------------------------------------------------------------------------------


@observe(
    shown="model.generate(...) while one block is in eval mode: how the model is called, and what is left",
    uses=(watched,),
)
def modes(tt: Any, state: Any, prompt: Any, off: bool) -> Any:
    model, calls = watched(tt, (9, 3, 2, 2, 4), state, 0.5)
    model.blocks[1].eval()
    before = [m.training for m in model.modules()]
    names = sorted(vars(model)) + sorted(model.state_dict())
    if off:
        with tt.no_grad():
            model.generate(prompt, 3, top_k=1)
            enabled = tt.grad_mode.enabled
    else:
        model.generate(prompt, 3, top_k=1)
        enabled = tt.grad_mode.enabled
    after = [m.training for m in model.modules()]
    left = [
        n for n in sorted(vars(model)) + sorted(model.state_dict()) if n not in (*names, "training")
    ]
    return {
        "training": [call["training"] for call in calls],
        "history": [call["history"] for call in calls],
        "modes": [before == after, sorted(set(before))],
        "enabled": enabled,
        "left": left,
        "gradients": [p.grad is None for p in model.parameters() if p.grad is not None],
        "weights": model.state_dict()["token_embedding.weight"],
    }


@pytest.mark.parametrize("off", [False, True], ids=["recording", "under-no_grad"])
def test_generate_evaluates_and_comes_back(off: bool) -> None:
    """13.23 Modes and history in each call; afterwards each part's mode, recording, names and weights."""
    state, prompt = filled(gpt_state(9, 3, 2, 4)), tokens(2, 9)
    got = modes(state, prompt, off)
    assert_equal([got["training"], got["history"]], want=[[False] * 3, [False] * 3])
    assert_equal([got["modes"], got["enabled"]], want=[[True, [False, True]], not off])
    assert_equal([got["left"], got["gradients"]], want=[[], []])
    assert_close(got["weights"], want=state["token_embedding.weight"])


@observe(
    shown="model.{trains}; model.generate(prompt, 1)  # the parts that train: before, meanwhile, afterwards"
)
def modes_of_parts(tt: Any, trains: str, prompt: Any) -> Any:
    model, seen = tt.GPT(9, 3, 2, 2, 4, dropout=0.5), []

    class Watched(tt.GPT):
        def forward(self, ids):
            seen.append([m.training for m in self.modules()])
            return super().forward(ids)

    model.__class__ = Watched
    eval(f"model.{trains}", {"model": model})
    before = [m.training for m in model.modules()]
    model.generate(prompt, 1)
    after = [m.training for m in model.modules()]
    return {"trains": sum(before), "while it writes": sum(seen[0]), "as before": before == after}


PARTS = {
    "eval().blocks[0].train()": True,
    "eval().blocks[1].mlp.train()": True,
    "eval().blocks[1].self_attn.out_proj.train()": True,
    "blocks[0].mlp.eval()": True,
    "blocks[1].norm1.eval()": True,
    "eval()": False,
    "train()": True,
}


@pytest.mark.parametrize("trains", PARTS)
def test_generate_evaluates_each_part(trains: str) -> None:
    """13.23 One part, or a part of a part, is in another mode than the model."""
    got = modes_of_parts(trains, tokens(2, 9))
    assert_equal(got.pop("trains") > 0, want=PARTS[trains])
    assert_equal(got, want={"while it writes": 0, "as before": True})


@observe(shown="model.generate(prompt, 3, seed=5), the second call breaks ({how}): what is left")
def broken(tt: Any, how: str, prompt: Any) -> Any:
    class Broken(tt.GPT):
        def forward(self, ids):
            count.append(1)
            if len(count) == 2:
                raise {"RuntimeError": RuntimeError, "Ctrl-C": KeyboardInterrupt}[how]("broken")
            return super().forward(ids)

    count: list = []
    model = Broken(9, 3, 2, 2, 4, dropout=0.5)
    model.blocks[0].eval()
    before = [m.training for m in model.modules()]
    tt.manual_seed(4)
    try:
        model.generate(prompt, 3, seed=5)
    except (RuntimeError, KeyboardInterrupt) as error:
        said = str(error)
    drawn = tt.rand(1).item()
    tt.manual_seed(4)
    drawn -= tt.rand(1).item()
    after = [m.training for m in model.modules()]
    return {
        "same": before == after,
        "both": sorted(set(before)),
        "on": tt.grad_mode.enabled,
        "said": said,
        "a draw afterwards": drawn,
    }


@pytest.mark.parametrize("how", ["RuntimeError", "Ctrl-C"])
def test_generate_comes_back_after_an_error(how: str) -> None:
    """13.23 Modes, recording and the common generator after an error of the model, or Ctrl-C, which reaches the caller."""
    want = {"same": True, "both": [False, True], "on": True, "said": "broken"}
    want |= {"a draw afterwards": 0.0}
    assert_equal(broken(how, tokens(2, 9)), want=want)


@observe(shown="GPT(..., dropout=0.9) in training mode: its most probable text", uses=(loaded,))
def while_training(tt: Any, state: Any, prompt: Any) -> Any:
    return loaded(tt, "GPT(9, 4, 1, 2, 4, dropout=0.9)", state).generate(prompt, 6, top_k=1)


def test_generate_drops_nothing() -> None:
    """13.23 A model in training mode whose dropout would take nearly everything."""
    state, prompt = filled(gpt_state(9, 4, 1, 4)), tokens((2, 3), 9)
    assert_equal(while_training(state, prompt), want=most_probable(state, prompt, 6, 4))


# ---- 13.24 ---------------------------------------------------------------------------------------


@observe(shown="{call}  # model = GPT(20, 4, 1, 1, 2)")
def asked_for(tt: Any, call: str) -> Any:
    return eval(call, {"model": tt.GPT(20, 4, 1, 1, 2), "tt": tt, "np": np})


REFUSED = {  # the arguments of generate, the error, and what the message names
    "[], 3": ("ValueError", ("(0,)",)),
    "np.zeros(({n}, 0), int), 3": ("ValueError", ("({n}, 0)",)),
    "np.zeros((0, 0), int), {n}": ("ValueError", ("(0, 0)",)),
    "np.zeros(({n}, 0), int), 0": ("ValueError", ("({n}, 0)",)),
    "[], 0": ("ValueError", ("(0,)",)),
    "{n}, 3": ("ValueError", ("()",)),
    "np.zeros((1, 2, {n}), int), 3": ("ValueError", ("(1, 2, {n})",)),
    "[1], -{n}": ("ValueError", ("-{n}",)),
    "[1], {n}.0": ("ValueError", ("{n}.0",)),
    "[1], None": ("ValueError", ("None",)),
    "[1], '{n}'": ("ValueError", ("{n}",)),
    "[1], 3, seed=-{n}": ("ValueError", ("-{n}",)),
    "[1], 3, seed={n}.5": ("ValueError", ("{n}.5",)),
    "[1], 3, seed='{n}'": ("ValueError", ("{n}",)),
    "[1], 3, 0": ("ValueError", ("temperature", "0")),
    "[1], 3, temperature=0.0": ("ValueError", ("temperature", "0.0")),
    "[1], 3, temperature=-{n}": ("ValueError", ("temperature", "-{n}")),
    "[1], 3, temperature=np.nan": ("ValueError", ("temperature", "nan")),
    "[1], 3, top_k=0": ("ValueError", ("top_k", "0")),
    "[1], 3, top_k=2{n}": ("ValueError", ("top_k", "2{n}", "20")),
    "[1], 3, top_k={n}.0": ("ValueError", ("top_k", "{n}.0")),
    "[1], 3, top_p=0": ("ValueError", ("top_p", "0")),
    "[1], 3, top_p=1.{n}": ("ValueError", ("top_p", "1.{n}")),
    "[1], 0, top_p=0": ("ValueError", ("top_p", "0")),
    "[1], 0, temperature=0": ("ValueError", ("temperature", "0")),
    "[1], 0, top_k=2{n}": ("ValueError", ("top_k", "2{n}", "20")),
    "[1, 2{n}], 3": ("IndexError", ("2{n}", "20")),
    "[2{n}, 1, 1, 1, 1, 1], 3": ("IndexError", ("2{n}", "20")),
    "[-{n}, 1, 1, 1, 1, 1], 3": ("IndexError", ("-{n}", "20")),
    "[[1, 2], [-{n}, 3]], 3": ("IndexError", ("-{n}", "20")),
    "[2{n}], 0": ("IndexError", ("2{n}", "20")),
    "[{n}.0], 3": ("TypeError", ("float64",)),
    "[True], 3": ("TypeError", ("bool",)),
    "tt.Tensor([{n}]), 3": ("TypeError", ("float32",)),
    "['{n}'], 3": ("TypeError", ("{n}",)),
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_generate_refuses(arguments: str) -> None:
    """13.24 Prompts, counts, seeds and options that are none; the message names the value."""
    n, (error, says) = str(integer(5, 2, 9)), REFUSED[arguments]
    says = tuple(s.replace("{n}", n) for s in says)
    call = f"model.generate({arguments})".replace("{n}", n)
    assert_raises(asked_for, call, error=error, says=says)


@observe(
    shown="{call}, which is refused: calls of the model, draws, modes",
    uses=(watched,),
)
def refused(tt: Any, call: str, state: Any, seed: int) -> Any:
    model, calls = watched(tt, (9, 3, 1, 2, 4), state)
    tt.manual_seed(seed)
    before = tt.rand(1).item()
    tt.manual_seed(seed)
    error = "none"
    try:
        eval(call, {"model": model})
    except (ValueError, IndexError, TypeError) as refusal:
        error = type(refusal).__name__
    drawn = tt.rand(1).item() != before
    return {"error": error, "calls": len(calls), "drawn": drawn, "training": model.training}


EARLY = {
    "[1, 9, 1, 1, 1, 1], 3": "IndexError",
    "[], 3": "ValueError",
    "[1], 3, 0.0": "ValueError",
    "[1], 3, top_k=10": "ValueError",
    "[1], 3, top_p=0": "ValueError",
    "[1.5], 3": "TypeError",
    "[1], -1": "ValueError",
}


@pytest.mark.parametrize("arguments", EARLY)
def test_generate_refuses_before_it_begins(arguments: str) -> None:
    """13.24 The model is not called and nothing is drawn before a refusal; the mode is as it was."""
    got = refused(f"model.generate({arguments})", filled(gpt_state(9, 3, 1, 4)), integer(3, 1, 999))
    assert_equal(
        got, want={"error": EARLY[arguments], "calls": 0, "drawn": False, "training": True}
    )


# ---- 13.25 ---------------------------------------------------------------------------------------


@observe(shown="model.generate(prompt, 3, 0.9, 3, 0.8): how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for texts, length, many in sizes:
        model, prompt = tt.GPT(many, 4, 1, 1, 2), np.zeros((texts, length), int)
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = model.generate(prompt, 3, 0.9, 3, 0.8, seed=1)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "shape": out.shape}


@pytest.mark.parametrize("large", [(2000, 4, 5), (2, 2000, 5), (2, 4, 4000)], ids=str)
def test_generate_has_no_loop_but_one(large: Any) -> None:
    """13.25 Steps for a few texts, and for many texts, long prompts or many tokens to choose from."""
    large = (large[0] + integer(0, 0, 5), *large[1:])
    got = counted_steps([(2, 4, 5), (2, 4, 5), large])
    assert_equal(got["shape"], want=(large[0], large[1] + 3))
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )
