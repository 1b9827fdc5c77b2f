"""Observations that every kata shares: an expression on tensors, its value and its gradients.

An expression is text such as "(a @ b).sum(axis=0)", where a, b, c, d are tensors of the arrays that
are passed and `tt` is the package. The same text runs on PyTorch, which is where tables come from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from support.asserts import assert_alike, assert_unchanged
from support.observe import observe
from support.strategies import fill


@observe(shown="{expression}")
def evaluate(tt: Any, expression: str, *arrays: Any) -> Any:
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", arrays, strict=False)}
    return eval(expression, {"tt": tt, "np": np, **tensors})


@observe(shown="{expression}")
def type_of(tt: Any, expression: str) -> str:
    return type(eval(expression, {"tt": tt, "np": np})).__name__


@observe(shown="{expression}  # each operand x is {layout}")
def evaluate_laid_out(tt: Any, expression: str, layout: str, *arrays: Any) -> Any:
    laid = [eval(layout, {"np": np, "x": array}) for array in arrays]
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", laid, strict=False)}
    return eval(expression, {"tt": tt, "np": np, **tensors})


@observe(shown="{expression}  # and the arrays of a, b, ... afterwards; the same of results, a * 1")
def operands_after(tt: Any, expression: str, *arrays: Any) -> Any:
    named = dict(zip("abcd", arrays, strict=False))
    tensors = {name: tt.Tensor(array) for name, array in named.items()}
    eval(expression, {"tt": tt, "np": np, **tensors})
    learning = [tt.Tensor(array, requires_grad=True) for array in arrays if array.dtype.kind == "f"]
    results = {name: x * 1 for name, x in zip("abcd", learning, strict=False)}
    if len(results) == len(named):
        eval(expression, {"tt": tt, "np": np, **results})
    return named | {f"{name} * 1": result.data for name, result in results.items()}


def assert_operands_stay(expression: str, *arrays: Any) -> None:
    """Operands that were made hold what they held, and so do operands that are results."""
    named = dict(zip("abcd", arrays, strict=False))
    results = {f"{n} * 1": a for n, a in named.items() if a.dtype.kind == "f"}
    assert_unchanged(operands_after(expression, *arrays), was=named | results)


@observe(shown="{expression}  # does it lie in the memory of an operand?")
def shares_memory(tt: Any, expression: str, *arrays: Any) -> Any:
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", arrays, strict=False)}
    out = eval(expression, {"tt": tt, "np": np, **tensors})
    shared = any(np.shares_memory(out.data, array) for array in arrays)
    return "shares memory" if shared else "is a copy"


@observe(shown="{expression}  # once with the first arrays, then with the second")
def two_results(tt: Any, expression: str, first: Any, second: Any) -> Any:
    results = []
    for arrays in (first, second):
        tensors = {name: tt.Tensor(array) for name, array in zip("abcd", arrays, strict=False)}
        results.append(eval(expression, {"tt": tt, "np": np, **tensors}))
    return dict(zip(("first", "second"), results, strict=True))


@observe(shown="{expression}.backward(cotangent)", parts=("a.grad", "b.grad", "c.grad", "d.grad"))
def gradients(tt: Any, expression: str, cotangent: Any, *arrays: Any) -> Any:
    tensors = {
        name: tt.Tensor(array, requires_grad=True)
        for name, array in zip("abcd", arrays, strict=False)
    }
    eval(expression, {"tt": tt, "np": np, **tensors}).backward(cotangent)
    return [t.grad for t in tensors.values()]


def loaded(tt: Any, call: str, state: Any) -> Any:
    """A module in float64, with a state."""
    model = eval(f"tt.{call}", {"tt": tt, "np": np})
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    model.load_state_dict(state)
    return model


def anew(tensor: Any, others: dict[int, Any]) -> Any:
    """The array of a tensor, computed once more from its notes with other arrays for some leaves.

    Args:
        tensor: what an expression gave.
        others: by the id of a leaf what stands in its place. What left no note stays as it was.
    """
    known = dict(others)
    waiting = [tensor]
    while waiting:
        out = waiting[-1]
        note = out.note
        parents = [p for p in (note.parents if note else ()) if p is not None]
        missing = [p for p in parents if id(p) not in known]
        if id(out) in known or not missing:
            waiting.pop()
        if id(out) not in known and not missing:
            known[id(out)] = out.data
            if note:
                pairs = zip(note.parents, note.arrays, strict=True)
                operands = [array if p is None else known[id(p)] for p, array in pairs]
                known[id(out)] = note.primitive(*operands, **note.static).data
        waiting += missing
    return known[id(tensor)]


def origins(tensor: Any) -> list[Any]:
    """A tensor and all that its notes lead back to."""
    found = [tensor]
    for each in found:
        note = getattr(each, "note", None)
        found += [p for p in (note.parents if note else ()) if p is not None]
    return found


@observe(shown="{expression}", uses=(anew,))
def followed(tt: Any, expression: str, arrays: Any, others: Any) -> Any:
    names = {"tt": tt, "np": np}
    flags = [other is not None for other in others]
    pairs = list(zip(arrays, flags, strict=True))
    leaves = [tt.Tensor(array, requires_grad=flag) for array, flag in pairs]
    out = eval(expression, names | dict(zip("abcd", leaves, strict=False)))
    swaps = {id(t): other for t, other in zip(leaves, others, strict=True) if other is not None}
    chosen = [a if o is None else o for a, o in zip(arrays, others, strict=True)]
    fresh = [tt.Tensor(array) for array in chosen]
    return {
        "computed with other numbers": eval(
            expression, names | dict(zip("abcd", fresh, strict=False))
        ),
        "its notes followed with these numbers": anew(out, swaps),
    }


def assert_followed(expression: str, *arrays: Any, learns: str) -> None:
    """No part of a result was cut off from its operands: its notes know what other numbers give.

    Args:
        expression: as for `evaluate`; what it does may not depend on signs or an order that a
            change by 1/50 turns round, so choose arrays whose elements are further apart.
        arrays: its operands.
        learns: the names of those that require a gradient, such as "ab".
    """
    others = [
        a + fill(a.shape, seed=90 + i) / (8 * max(a.size, 6)) if name in learns else None
        for i, (name, a) in enumerate(zip("abcd", arrays, strict=False))
    ]
    runs = followed(expression, list(arrays), others)
    assert_alike(runs, "computed with other numbers", "its notes followed with these numbers")
