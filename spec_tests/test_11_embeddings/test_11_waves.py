"""Kata 11, Embeddings: positions as waves (katas/11_embeddings/README.md)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.asserts import assert_close
from support.expressions import evaluate
from support.oracle import Case, check_gradients, check_values
from support.strategies import integer, normal

ANGLES = "torch.outer(torch.arange({0}, {0} + {1}).double(), 10000.0 ** (-torch.arange(0, {2}, 2).double() / {2}))"
WAVES = "tt.SinusoidalPositionalEncoding({})(a{})"


def case(name: str, shape: Any, offset: int = 0, more: str = "") -> Case:
    """The waves as the tutorials of PyTorch compute them: two strided assignments."""
    angles = ANGLES.format(offset, shape[-2], shape[-1])
    waves = f"torch.stack([torch.sin({angles}), torch.cos({angles})], -1).flatten(-2)"
    call = WAVES.format(shape[-1], more)
    return Case(f"waves-{name}", call, ((shape,),), "normal", f"a + {waves}", gradient=True)


SUMS = [
    case("plain", (3, 4)),
    case("batch", (2, 3, 6)),
    case("heads", (2, 1, 3, 2)),
    case("offset", (2, 3, 4), 5, ", 5"),
    case("offset-by-name", (2, 8), 11, ", offset=11"),
    case("offset-0", (2, 4), 0, ", offset=0"),
    case("one-position", (2, 1, 4), 7, ", np.int64(7)"),
]


def waves(length: int, size: int, offset: int = 0) -> Any:
    """The encoding, number by number."""
    found = np.zeros((length, size))
    for t, i in np.ndindex(length, size // 2):
        angle = (offset + t) / 10000 ** (2 * i / size)
        found[t, 2 * i], found[t, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return found


def test_waves_example() -> None:
    """11.13 The worked example: positions 0 and 1 of four numbers."""
    got = evaluate("tt.SinusoidalPositionalEncoding(4)(a)", np.zeros((2, 4)))
    want = [[0.0, 1.0, 0.0, 1.0], [0.8414709848, 0.5403023059, 0.0099998333, 0.9999500004]]
    assert_close(got, want=np.array(want), depth=10)


@pytest.mark.parametrize("each", SUMS, ids=str)
def test_waves_are_pytorchs(each: Case) -> None:
    """11.13 Values that PyTorch gives."""
    check_values("11", each)


@pytest.mark.parametrize("size", [2, 4, 6, 10, 16])
@pytest.mark.parametrize("offset", [0, 1, 900])
def test_waves_are_added(size: int, offset: int) -> None:
    """11.13 Fresh vectors, number by number; how many positions there are is drawn."""
    x, call = normal(2, integer(5, 3, 9), size), WAVES.format(size, f", offset={offset}")
    assert_close(evaluate(call, x), want=x + waves(x.shape[1], size, offset), depth=2)


def test_waves_keep_the_text_in_order() -> None:
    """11.13 A text in one piece, and in two with an offset."""
    x, cut = normal(7, 6), integer(3, 1, 6)
    pieces = [evaluate(WAVES.format(6, ""), x[:cut])]
    pieces.append(evaluate(WAVES.format(6, f", {cut}"), x[cut:]))
    assert_close(np.concatenate(pieces), want=x + waves(7, 6))


def test_waves_turn_with_the_position() -> None:
    """11.13 From one position to a later one each pair turns by an angle that the distance says."""
    far, size = integer(5, 2, 40), 8
    table = evaluate(WAVES.format(size, ""), np.zeros((far + 4, size)))
    for i in range(size // 2):
        angle = far * 10000 ** (-2 * i / size)
        sine, cosine = table[:4, 2 * i], table[:4, 2 * i + 1]
        want = sine * math.cos(angle) + cosine * math.sin(angle)
        assert_close(table[far:, 2 * i], want=want, terms=1.0, depth=2)


@pytest.mark.parametrize("each", SUMS, ids=str)
def test_waves_pass_the_gradient_on(each: Case) -> None:
    """11.18 The gradient of x, as PyTorch gives it."""
    check_gradients("11", each)
