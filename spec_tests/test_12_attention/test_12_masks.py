"""Kata 12, Attention: the causal mask (katas/12_attention/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import assert_equal, assert_raises
from support.expressions import evaluate
from support.observe import observe
from support.strategies import integer


def seen(queries: int, keys: int, offset: int = 0) -> Any:
    """Who may see whom, pair by pair."""
    mask = np.zeros((queries, keys), bool)
    for i, j in np.ndindex(queries, keys):
        mask[i, j] = j <= offset + i
    return mask


@observe(shown="{call}")
def made(tt: Any, call: str) -> Any:
    mask = eval(call, {"tt": tt, "np": np})
    return {
        "mask": mask.data,
        "a Tensor of bools": [isinstance(mask, tt.Tensor), str(mask.dtype), mask.requires_grad],
    }


# ---- 12.1 ----------------------------------------------------------------------------------------


def test_causal_mask_example() -> None:
    """12.1 Two queries, and one query that has two keys before it."""
    assert_equal(evaluate("tt.causal_mask(2)"), want=np.array([[True, False], [True, True]]))
    want = np.array([[True, True, True], [True, True, True]])[:1]
    assert_equal(evaluate("tt.causal_mask(1, offset=2)"), want=want)


MASKS = {  # a call, and its queries, keys and offset; l, s and o are drawn
    "tt.causal_mask({l})": "{l}, {l}",
    "tt.causal_mask({l}, {s})": "{l}, {s}",
    "tt.causal_mask({s}, {l})": "{s}, {l}",
    "tt.causal_mask({l}, None)": "{l}, {l}",
    "tt.causal_mask({l}, offset={o})": "{l}, {l} + {o}, {o}",
    "tt.causal_mask({l}, None, {o})": "{l}, {l} + {o}, {o}",
    "tt.causal_mask({l}, {s}, {o})": "{l}, {s}, {o}",
    "tt.causal_mask({s}, {l}, {o})": "{s}, {l}, {o}",
    "tt.causal_mask({s}, {s}, 1)": "{s}, {s}, 1",
    "tt.causal_mask({l}, {s}, 0)": "{l}, {s}",
    "tt.causal_mask({l}, offset=0)": "{l}, {l}",
    "tt.causal_mask(queries={l}, keys={s}, offset={o})": "{l}, {s}, {o}",
    "tt.causal_mask(1)": "1, 1",
    "tt.causal_mask(1, {s})": "1, {s}",
    "tt.causal_mask({s}, 1)": "{s}, 1",
    "tt.causal_mask(np.int64({l}), np.int32({s}), np.int16({o}))": "{l}, {s}, {o}",
    "tt.causal_mask(np.uint8({l}), offset=np.uint8(250))": "{l}, {l} + 250, 250",
    "tt.causal_mask(np.int8(3), offset=np.int8(127))": "3, 130, 127",
}


@pytest.mark.parametrize("call", MASKS)
def test_causal_mask_says_who_sees_whom(call: str) -> None:
    """12.1 Every pair, for as many queries as keys, fewer and more of them, with an offset and without."""
    sizes = {"l": integer(4, 3, 5), "s": integer(7, 6, 9), "o": integer(2, 2, 4)}
    want = eval(f"seen({MASKS[call].format(**sizes)})")
    got = made(call.format(**sizes))
    assert_equal(got["mask"], want=want)
    assert_equal(got["a Tensor of bools"], want=[True, "bool", False])


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("tt.causal_mask(0)", "(0, 0)"),
        ("tt.causal_mask(0, {n})", "(0, {n})"),
        ("tt.causal_mask({n}, 0)", "({n}, 0)"),
        ("tt.causal_mask(0, offset={n})", "(0, {n})"),
        ("tt.causal_mask({n}, 0, 2)", "({n}, 0)"),
    ],
)
def test_causal_mask_of_nothing(call: str, shape: str) -> None:
    """12.1 The shape and dtype where there are no queries or no keys."""
    n = str(integer(4, 2, 9))
    got = made(call.replace("{n}", n))
    assert_equal(got["mask"].shape, want=eval(shape.replace("{n}", n)))
    assert_equal(got["a Tensor of bools"], want=[True, "bool", False])


@observe(
    shown="first = causal_mask({n}); first.data[...] = False; causal_mask({n})  # and ({n}, offset=1), ({n}, {n} + 1)"
)
def made_again(tt: Any, n: int) -> Any:
    first = tt.causal_mask(n)
    first.data[...] = False
    return [tt.causal_mask(n), tt.causal_mask(n, offset=1), tt.causal_mask(n, n + 1)]


def test_causal_mask_is_made_anew() -> None:
    """12.1 Three masks after somebody wrote to one of the same size."""
    n = integer(4, 2, 9)
    for got, want in zip(
        made_again(n), [seen(n, n), seen(n, n + 1, 1), seen(n, n + 1)], strict=True
    ):
        assert_equal(got, want=want)


# ---- 12.2 ----------------------------------------------------------------------------------------


ODD = ["-1", "-{n}", "{n}.0", "{n}.5", "'{n}'", "[{n}]", "np.float32({n})"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("tt.causal_mask({})", "queries"),
        ("tt.causal_mask({}, 3)", "queries"),
        ("tt.causal_mask(2, {})", "keys"),
        ("tt.causal_mask(2, offset={})", "offset"),
        ("tt.causal_mask(0, 0, {})", "offset"),
    ],
)
def test_causal_mask_refuses(call: str, name: str, odd: str) -> None:
    """12.2 Negative numbers, fractions, text and lists in each place."""
    odd = odd.replace("{n}", str(integer(4, 2, 9)))
    said = odd.strip("'").replace("np.float32(", "").rstrip(")")
    says = (name, said)
    assert_raises(evaluate, call.format(odd), error="ValueError", says=says)


@pytest.mark.parametrize("odd", ["0.0", "np.float64(0)", "''", "[]", "()"])
@pytest.mark.parametrize(
    ("call", "name"), [("{}", "queries"), ("2, {}", "keys"), ("2, 2, {}", "offset")]
)
def test_causal_mask_refuses_what_is_falsy(call: str, name: str, odd: str) -> None:
    """12.2 Zeros that are floats, an empty text, list and tuple in each place."""
    assert_raises(evaluate, f"tt.causal_mask({call.format(odd)})", error="ValueError", says=(name,))


@pytest.mark.parametrize(("call", "name"), [("None", "queries"), ("2, offset=None", "offset")])
def test_causal_mask_refuses_none(call: str, name: str) -> None:
    """12.2 None where it is no number of keys."""
    call = f"tt.causal_mask({call})"
    assert_raises(evaluate, call, error="ValueError", says=(name, "None"))
