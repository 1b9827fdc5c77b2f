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


@observe(shown="{expression}.backward(cotangent)", parts=("a.grad", "b.grad", "c.grad", "d.grad"))
def gradients(tt: Any, expression: str, cotangent: Any, *arrays: Any) -> Any:
    tensors = {
        name: tt.Tensor(array, requires_grad=True)
        for name, array in zip("abcd", arrays, strict=False)
    }
    eval(expression, {"tt": tt, "np": np, **tensors}).backward(cotangent)
    return [t.grad for t in tensors.values()]
