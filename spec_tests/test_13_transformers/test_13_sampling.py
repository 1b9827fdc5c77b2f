"""Kata 13, Transformers: how likely each token is (katas/13_transformers/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asserts import (
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
    assert_zeros,
)
from support.observe import observe
from support.strategies import LAYOUTS, fill, integer, normal, real, seeds
from test_13_transformers.by_hand import FEW


@observe(shown="{call}")
def answered(tt: Any, call: str, logits: Any) -> Any:
    return eval(call, {"tt": tt, "np": np, "logits": logits})


def probabilities(logits: Any, more: str = "", how: str = "logits") -> Any:
    """What token_probabilities gives; `more` are its options."""
    return answered(f"tt.token_probabilities({how}{more})", logits)


def softmax(x: Any) -> Any:
    """Along the last axis, in float64."""
    found = np.exp(np.float64(x) - np.float64(x).max(-1, keepdims=True))
    return found / found.sum(-1, keepdims=True)


def kept(p: Any, top_k: int | None = None, top_p: float = 1.0) -> Any:
    """top_k and then top_p, of one row, one token after the other."""
    order = sorted(range(len(p)), key=lambda i: (-p[i], i))[:top_k]
    total, found, share = sum(p[i] for i in order), np.zeros(len(p)), 0.0
    for i in order:
        if share >= top_p:
            break
        found[i] = p[i] / total
        share += found[i]
    return found / found.sum()


EXAMPLE = np.log([0.5, 0.3, 0.2])


def test_sampling_example() -> None:
    """13.16 The worked example: temperature alone."""
    want = np.array([0.25, 0.09, 0.04]) / 0.38
    assert_close(probabilities(EXAMPLE, ", temperature=0.5"), want=want)
    assert_close(probabilities(EXAMPLE), want=np.array([0.5, 0.3, 0.2]))


# ---- 13.16 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(5,), (1,), (3, 5), (2, 3, 4), (1, 1), (0, 4), (2, 0, 3)], ids=str
)
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0, 10])
def test_probabilities_with_a_temperature(shape: Any, temperature: float) -> None:
    """13.16 Fresh logits of any number of rows."""
    x = 3 * normal(*shape)
    want = softmax(x / temperature)
    for more in (
        f", {temperature}",
        f", temperature={temperature}",
        f", np.float32({temperature})",
    ):
        assert_close(probabilities(x, more), want=want)


@pytest.mark.parametrize(
    "how", ["logits", "tt.Tensor(logits)", "logits.tolist()", "tt.Tensor(logits, True)"]
)
def test_probabilities_of_many_kinds(how: str) -> None:
    """13.16 An array, a Tensor with history or without, and a list: a new array of float64."""
    x = normal(2, 4)
    got = probabilities(x, how=how)
    assert_close(got, want=softmax(x))
    assert_equal(
        [str(got.dtype), kind(f"tt.token_probabilities({how})", x)], want=["float64", "ndarray"]
    )


@observe(shown="type({call})")
def kind(tt: Any, call: str, logits: Any) -> Any:
    return type(eval(call, {"tt": tt, "logits": logits})).__name__


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int8"])
def test_probabilities_are_computed_in_float64(dtype: str) -> None:
    """13.16 Logits of other dtypes: every digit of float64 is right."""
    x = (3 * normal(3, 6)).astype(dtype)
    x[:, 0] = 3
    want = softmax(x.astype(np.float64) / 1.5)
    assert_close(probabilities(x, ", temperature=1.5"), want=want)
    assert_close(probabilities(x, ", 1.5, 6, 1.0", "tt.Tensor(logits)"), want=want)


@pytest.mark.parametrize("far", [0.0, 1000.0, -1000.0, 1e6, -1e6])
def test_probabilities_do_not_overflow(far: float) -> None:
    """13.16 The same logits, moved: only differences count."""
    x = np.round(normal(2, 5) * 64) / 64
    for more in ("", ", top_k=3", ", top_p=0.7"):
        want = probabilities(x, more)  # first: a screen shows the call that was made last
        assert_close(probabilities(x + far, more), want=want, depth=1e3)
    assert_close(probabilities(x + far), want=softmax(x), depth=1e3)


@pytest.mark.parametrize("temperature", [1e-300, 1e-12, 1e-3, 1.0, 1e300])
def test_equal_logits_share_at_any_temperature(temperature: float) -> None:
    """13.16 Two largest logits that are equal share, however cold; all of them together far from 0."""
    far = real(1e10, 5e9, 2e10)
    for x in (np.array([2.0, 1.0, 2.0]), np.array([far, far / 2, far])):
        got = probabilities(x, f", temperature={temperature}")
        want = np.array([0.5, 0.0, 0.5]) if temperature < 0.01 or x[0] > 3 else None
        if want is None:
            parts = np.exp((x - x.max()) / temperature)
            want = parts / parts.sum()
        if temperature < 1e9 or x[0] < 3:
            assert_close(got, want=want)


def test_probabilities_of_extreme_temperatures() -> None:
    """13.16 The largest logit alone, and all alike."""
    n = integer(5, 4, 9)
    x = normal(n) * 100
    want = np.eye(n)[x.argmax()]
    for more in (", temperature=1e-300", ", 1e-300, 3", ", 1e-300, None, 0.9"):
        assert_close(probabilities(x, more), want=want)
    assert_close(probabilities(x, ", temperature=1e300"), want=np.full(n, 1 / n))
    assert_close(probabilities(x * 1e3, ", temperature=1e-3"), want=want)


@pytest.mark.parametrize("factor", [1e-9, 1e-200, 1e9, 1e200])
def test_probabilities_of_logits_as_near_as_the_temperature_is_low(factor: float) -> None:
    """13.16 Logits and temperature times one factor: the same shares."""
    x = normal(integer(5, 4, 9))
    assert_close(probabilities(x * factor, f", temperature={factor}"), want=softmax(x))


def check_the_rest_has_nothing(temperature: float, more: str, many: int, n: int) -> None:
    """All but the most probable tokens of n have the probability 0."""
    x = np.sort(normal(n))  # the most probable ones have the largest ids
    got = probabilities(x, f", temperature={temperature}{more}")
    assert_zeros(got[: n - many], beside=got)


@pytest.mark.parametrize("temperature", [1e-300, 1.0, 1e9, 1e300])
def test_top_k_leaves_nothing_to_the_rest(temperature: float) -> None:
    """13.17 At every temperature."""
    check_the_rest_has_nothing(temperature, ", top_k=2", 2, integer(6, 5, 9))


@pytest.mark.parametrize("temperature", [1e-300, 1e9, 1e300])
def test_top_p_leaves_nothing_to_the_rest(temperature: float) -> None:
    """13.18 Where one token has all, and where all are nearly as probable."""
    n = integer(6, 5, 9)
    check_the_rest_has_nothing(temperature, f", top_p={1.5 / n}", 2 if temperature > 1 else 1, n)


@pytest.mark.parametrize("more", ["", ", top_k=4", ", top_p=0.999999", ", 0.7, 5, 1.0"])
def test_probabilities_of_masked_tokens(more: str) -> None:
    """13.16 Logits of -inf among others, first and last too: they have 0, the others what they have alone."""
    x = normal(5)
    x[[0, 2, 4]] = -np.inf
    seen = softmax(x[[1, 3]] / (0.7 if "0.7" in more else 1.0))
    want = np.array([0.0, seen[0], 0.0, seen[1], 0.0])
    assert_exact(probabilities(x, more), want=want, ulps=64)


@observe(shown="{call}, twice: whether they share memory with logits, both; the logits afterwards")
def logits_after(tt: Any, call: str, logits: Any) -> Any:
    out = eval(call, {"tt": tt, "logits": logits})
    again = eval(call, {"tt": tt, "logits": logits})
    kept = out.copy()
    out[...] = 7.0
    return {
        "logits": logits,
        "shared": bool(np.shares_memory(out, logits)),
        "first": kept,
        "again": again,
    }


@pytest.mark.parametrize("more", ["", ", 2.0", ", 1.0, 2", ", 1.0, 4, 1.0", ", 1.0, None, 0.5"])
@pytest.mark.parametrize("how", ["tt.Tensor(logits)", "logits"])
def test_probabilities_are_new_memory(more: str, how: str) -> None:
    """13.16 The logits after a call, which give the same once more."""
    x = normal(3, 4)
    got = logits_after(f"tt.token_probabilities({how}{more})", x.copy())
    assert_unchanged(got, was={"logits": x})
    assert_equal(got["shared"], want=False)
    assert_close(got["again"], want=got["first"])


@observe(shown="{call}  # logits are {layout}")
def laid_out(tt: Any, call: str, logits: Any, layout: str) -> Any:
    return eval(call, {"tt": tt, "logits": eval(layout, {"np": np, "x": logits})})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_probabilities_in_any_memory_order(layout: str) -> None:
    """13.16 Logits that lie in memory in another way, or are read-only."""
    x = normal(3, 5)
    for more in ("", ", 0.5, 3, 0.8"):
        got = laid_out(f"tt.token_probabilities(logits{more})", x, LAYOUTS[layout])
        assert_close(got, want=probabilities(x, more))


# ---- 13.17 ---------------------------------------------------------------------------------------


def test_top_k_example() -> None:
    """13.17 The worked example: two of three."""
    assert_close(probabilities(EXAMPLE, ", top_k=2"), want=np.array([0.625, 0.375, 0.0]))


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_top_k_keeps_the_most_probable(k: int) -> None:
    """13.17 Some of six tokens, in its place, by name, as a number of NumPy's; three rows."""
    x = normal(3, 6)
    want = np.array([kept(p, k) for p in softmax(x / 0.7)])
    for more in (f", 0.7, {k}", f", temperature=0.7, top_k={k}", f", 0.7, np.int64({k})"):
        assert_close(probabilities(x, more), want=want)


def test_top_k_of_all_and_of_none() -> None:
    """13.17 k = V, and None by name."""
    x = normal(2, integer(5, 3, 8))
    for more in (f", top_k={x.shape[1]}", ", top_k=None", ", 1.0, None, None"):
        assert_close(probabilities(x, more), want=softmax(x))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_top_k_keeps_exactly_k(k: int) -> None:
    """13.17 Equal logits, at the border and everywhere: those with the smaller ids are kept."""
    low, high = sorted(normal(2, seed=k))
    for x in ([high, low, high, low, high], [low, high, low, low, high], [high] * 5):
        want = kept(softmax(np.array(x)), k)
        assert_equal(int((want > 0).sum()), want=k)
        assert_close(probabilities(np.array(x), f", top_k={k}"), want=want)


def test_top_k_keeps_exactly_k_of_many() -> None:
    """13.17 More equal logits than sorting keeps in order by itself."""
    n = integer(500, 400, 600)
    x = np.zeros(n)
    x[1::2] = real(1.0, 0.5, 2.0)
    for k in (1, n // 3, n // 2 + 30):
        assert_close(probabilities(x, f", top_k={k}"), want=kept(softmax(x), k))


# ---- 13.18 ---------------------------------------------------------------------------------------

SHARES = {  # top_p, and what is kept of 0.5 0.3 0.2
    0.4: [1.0, 0.0, 0.0],
    0.6: [0.625, 0.375, 0.0],
    0.79: [0.625, 0.375, 0.0],
    0.81: [0.5, 0.3, 0.2],
    1e-9: [1.0, 0.0, 0.0],
}


@pytest.mark.parametrize("share", SHARES)
def test_top_p_example(share: float) -> None:
    """13.18 The worked example's three tokens, in every order."""
    want = np.array(SHARES[share])
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        got = probabilities(EXAMPLE[order], f", top_p={share}")
        assert_close(got, want=want[order])


@pytest.mark.parametrize("kept", [1, 2, 4, 8])
def test_top_p_that_is_met_exactly(kept: int) -> None:
    """13.18 Eight or sixteen equal tokens, whose sums are exact: a sum equal to top_p is enough."""
    for n in (8, 16):
        want = np.r_[np.ones(kept), np.zeros(n - kept)] / kept
        got = probabilities(np.full(n, real(0.5, -1, 1)), f", top_p={kept / n}")
        assert_close(got, want=want)


def test_top_p_looks_at_what_top_k_has_left() -> None:
    """13.18 The worked example: 0.625 of what two tokens have is enough for 0.6."""
    for more in (", top_k=2, top_p=0.6", ", 1.0, 2, 0.6"):
        assert_close(probabilities(EXAMPLE, more), want=np.array([1.0, 0.0, 0.0]))


def test_top_p_looks_at_what_temperature_has_left() -> None:
    """13.18 A temperature of 1/2 brings the first token to 0.6579, one of 2 brings it to 0.4154."""
    got = [probabilities(EXAMPLE, f", temperature={t}, top_p=0.6") for t in (0.5, 2.0)]
    roots = np.sqrt([0.5, 0.3, 0.2])
    two = np.array([1.0, (0.3 / 0.5) ** 0.5, 0.0])
    assert_equal(bool(roots[0] / roots.sum() < 0.6), want=True)
    assert_close(got, want=[np.array([1.0, 0.0, 0.0]), two / two.sum()])


@FEW
@given(st.integers(2, 12), st.integers(1, 12), st.floats(0.05, 0.95), seeds)
def test_top_p_of_drawn_sizes(size: int, k: int, share: float, seed: int) -> None:
    """13.18 Drawn logits, top_k and top_p; shares that lie at a border are moved away from it."""
    x, k = 2 * fill((3, size), seed, "normal"), min(k, size)
    p = softmax(x / 0.8)
    borders = np.array(
        [np.cumsum(np.sort(row)[::-1][:k]) / np.sort(row)[::-1][:k].sum() for row in p]
    )
    share += 1e-6 * (np.abs(borders - share).min() < 1e-7)
    want = np.array([kept(row, k, share) for row in p])
    assert_close(probabilities(x, f", 0.8, {k}, {share!r}"), want=want, depth=10)


def test_top_p_keeps_smaller_ids_of_equal_tokens() -> None:
    """13.18 Eight equal tokens: as many as the share needs, from the first on; more of them than a sort keeps in order."""
    for n, share in ((8, 0.3), (8, 0.7), (400, 0.5212)):
        many = int(np.ceil(n * share))
        want = np.r_[np.ones(many), np.zeros(n - many)] / many
        assert_close(probabilities(np.zeros(n) + real(0.5, -1, 1), f", top_p={share}"), want=want)


@pytest.mark.parametrize("share", ["1", "1.0", "None", "np.float64(1)"])
def test_top_p_of_everything(share: str) -> None:
    """13.18 The whole share: also tokens that no longer change a sum in float64 are kept."""
    x = np.concatenate([normal(4), np.array([-50.0, -60.0, -100.0])])
    got = probabilities(x, f", top_p={share}")
    assert_exact(got, want=softmax(x), ulps=512)


# ---- 13.19 ---------------------------------------------------------------------------------------

REFUSED = {  # options for logits of 6 tokens, and what the message names
    "temperature=0": ("temperature", "0"),
    "temperature=0.0": ("temperature", "0.0"),
    "temperature=-0.{n}": ("temperature", "-0.{n}"),
    "temperature=-{n}": ("temperature", "-{n}"),
    "temperature=np.nan": ("temperature", "nan"),
    "temperature=np.inf": ("temperature", "inf"),
    "temperature=0, top_k=1": ("temperature", "0"),
    "top_k=0": ("top_k", "0"),
    "top_k=-{n}": ("top_k", "-{n}"),
    "top_k={n}.0": ("top_k", "{n}.0"),
    "top_k=1{n}": ("top_k", "1{n}", "6"),
    "top_k=7": ("top_k", "7", "6"),
    "top_k='{n}'": ("top_k", "{n}"),
    "top_p=0": ("top_p", "0"),
    "top_p=0.0": ("top_p", "0.0"),
    "top_p=-0.{n}": ("top_p", "-0.{n}"),
    "top_p=1.{n}": ("top_p", "1.{n}"),
    "top_p={n}0": ("top_p", "{n}0"),
    "top_p=np.nan": ("top_p", "nan"),
    "top_k=2, top_p=0": ("top_p", "0"),
}


@pytest.mark.parametrize("options", REFUSED)
def test_sampling_refuses(options: str) -> None:
    """13.19 Options out of range; the message names option and value."""
    n, says = str(integer(4, 2, 5)), REFUSED[options]
    says = tuple(s.replace("{n}", n) for s in says)
    for x in (normal(6), normal(2, 6)):
        more = f", {options.replace('{n}', n)}"
        assert_raises(
            answered, f"tt.token_probabilities(logits{more})", x, error="ValueError", says=says
        )


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("more", ["", ", top_k=1", ", 0.5, 3, 0.5"])
def test_sampling_refuses_odd_logits(odd: float, more: str) -> None:
    """13.19 A row with a nan or +inf, and one of nothing but -inf, among others and alone."""
    x = normal(3, 4)
    x[integer(1, 0, 2), : 4 if odd == -np.inf else 1] = odd
    call, says = f"tt.token_probabilities(logits{more})", ("nan" if np.isnan(odd) else "inf",)
    assert_raises(answered, call, x, error="ValueError", says=says)


# ---- 13.25 ---------------------------------------------------------------------------------------


@observe(shown="token_probabilities(logits, 0.9, 3, 0.8): how many steps Python makes (bytecodes)")
def counted_steps(tt: Any, shapes: Any, alike: bool) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    counts = []
    for shape in shapes:
        x = np.arange(float(np.prod(shape))).reshape(shape) % 7 * (not alike)
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            out = tt.token_probabilities(x, 0.9, None if alike else 3, 0.8)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"small": counts[1], "large": counts[2], "shape": out.shape}


@pytest.mark.parametrize("large", [(2, 900), (300, 5), (9, 10, 9)], ids=str)
@pytest.mark.parametrize("alike", [False, True], ids=["some", "equal-tokens"])
def test_sampling_has_no_loop(alike: bool, large: Any) -> None:
    """13.25 Steps for a few logits, and for many tokens or rows, of which few or most are kept."""
    large = (large[0] + integer(0, 0, 5), *large[1:])
    small = (2,) * (len(large) - 1) + (5,)
    got = counted_steps([small, small, large], alike)
    assert_equal(got["shape"], want=large)
    assert_below(
        got["large"] / got["small"], limit=1.3, what="steps at large sizes over those at small"
    )
