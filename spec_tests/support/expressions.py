"""Observations that every kata shares: an expression on tensors, its value and its gradients.

An expression is text such as "(a @ b).sum(axis=0)", where a, b, c, d are tensors of the arrays that
are passed and `tt` is the package. The same text runs on PyTorch, which is where tables come from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from support.observe import observe


@observe(shown="{expression}")
def evaluate(tt: Any, expression: str, *arrays: Any) -> Any:
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", arrays, strict=False)}
    return eval(expression, {"tt": tt, "np": np, **tensors})


@observe(shown="{expression}  # each operand x is {layout}")
def evaluate_laid_out(tt: Any, expression: str, layout: str, *arrays: Any) -> Any:
    laid = [eval(layout, {"np": np, "x": array}) for array in arrays]
    tensors = {name: tt.Tensor(array) for name, array in zip("abcd", laid, strict=False)}
    return eval(expression, {"tt": tt, "np": np, **tensors})


@observe(shown="{expression}  # and the arrays of a, b, ... afterwards")
def operands_after(tt: Any, expression: str, *arrays: Any) -> Any:
    named = dict(zip("abcd", arrays, strict=False))
    tensors = {name: tt.Tensor(array) for name, array in named.items()}
    eval(expression, {"tt": tt, "np": np, **tensors})
    return named


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
