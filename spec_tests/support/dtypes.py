"""The dtype rule of clause 01.19, said once more and independently, and what PyTorch answers.

Every operation is asked for every dtype beside every dtype, with and without axes, and beside
Python's and NumPy's numbers and lists. Where PyTorch answers, it decides; where it refuses, the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

DTYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
KIND = {"bool": 0, "uint8": 1, "int32": 1, "int64": 1, "float16": 2, "float32": 2, "float64": 2}
NUMBERS = {  # beside a tensor: what it counts as; it lifts a lower kind and widens nothing
    "True": "bool",
    "2": "int64",
    "0.5": "float32",
    "np.bool_(True)": "bool",
    "np.uint8(2)": "int64",
    "np.int64(2)": "int64",
    "np.float32(0.5)": "float32",
    "np.float64(0.5)": "float32",
    "[True, False, True]": "bool",
    "[1, 2, 3]": "float32",
    "[0.5, 2.0, 3.0]": "float32",
}
PAIRED = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "power": "{0} ** {1}",
    "matmul": "{0} @ {1}",
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "where": "tt.where(tt.Tensor([True, False, True]), {0}, {1})",
    "maximum": "tt.maximum({0}, {1})",
    "cat": "tt.cat([{0}, {1}])",
}
ALONE = {"exp": "{0}.exp()", "sum_": "{0}.sum()", "mean": "{0}.mean()"}
EXPRESSIONS = PAIRED | ALONE
COMPARED = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
REFUSED = "refused"
# PyTorch takes a NumPy bool for a fraction, and Python's True as an exponent for a bool
OTHERS = {(n, "np.bool_(True)") for n in ("add", "subtract", "multiply", "power", "where")}
OTHERS |= {("power", "True")}


@cache
def tensors() -> dict[str, tuple[str, bool]]:
    """Every kind of tensor, by the text that makes it: dtype, and whether it has axes."""
    three = {f"tt.Tensor(np.array([1, 2, 3], np.{d}))": (d, True) for d in DTYPES}
    return three | {f"tt.Tensor(np.array(1, np.{d}))": (d, False) for d in DTYPES}


def pairs(name: str) -> Iterator[tuple[str, str]]:
    """What an operation is asked with: two texts; the second is empty where it takes one."""
    for left in tensors():
        if name in ALONE:
            yield left, ""
            continue
        yield from ((left, right) for right in tensors())
        for number in NUMBERS:
            yield left, number
            yield number, left


def rule(name: str, left: str, right: str) -> str:
    """What the README says."""
    texts = [text for text in (left, right) if text]
    dtype = meeting(texts)
    axes = [tensors()[t][1] if t in tensors() else "[" in t for t in texts]
    bools = dtype == "bool"
    if (name in ("matmul", "cat") and not all(axes)) or (name == "subtract" and bools):
        return REFUSED
    if name in COMPARED:
        return "bool"
    if name in ("divide", "exp", "mean"):
        return dtype if KIND[dtype] == 2 else "float32"
    if name == "sum_" or (name == "power" and bools):
        return dtype if KIND[dtype] == 2 else "int64"
    return dtype


def meeting(texts: list[str]) -> str:
    """With axes first, then without, then numbers: a later level only lifts a lower kind."""
    made, found = tensors(), ""
    levels = [
        [made[t][0] for t in texts if t in made and made[t][1]],
        [made[t][0] for t in texts if t in made and not made[t][1]],
        [NUMBERS[t] for t in texts if t in NUMBERS],
    ]
    for level in levels:
        for dtype in level:
            higher = not found or KIND[dtype] > KIND[found]
            wider = DTYPES.index(dtype) > DTYPES.index(found or "bool")
            first = found in level and KIND[dtype] == KIND[found]
            found = dtype if higher or (first and wider) else found
    return found


def wanted(name: str, answers: Any) -> dict[str, str]:
    """For each expression its dtype: PyTorch's where it answers, else the rule's."""
    found = {}
    for (left, right), answer in zip(pairs(name), answers, strict=True):
        decided = answer >= 0 and (name, left) not in OTHERS and (name, right) not in OTHERS
        found[EXPRESSIONS[name].format(left, right)] = (
            DTYPES[int(answer)] if decided else rule(name, left, right)
        )
    return found


def record(torch: Any) -> dict[str, Any]:
    """PyTorch's answers: for each operation and pair the position in DTYPES, -1 where it refuses."""
    return {f"dtypes/{name}": np.array(list(_answers(torch, name))) for name in EXPRESSIONS}


def _answers(torch: Any, name: str) -> Iterator[int]:
    for left, right in pairs(name):
        expression = EXPRESSIONS[name].format(left, right).replace("tt.Tensor", "torch.tensor")
        try:
            out = eval(expression, {"tt": torch, "torch": torch, "np": np})
            yield DTYPES.index(str(out.dtype).removeprefix("torch."))
        except (TypeError, RuntimeError, AttributeError):  # what it refuses, and lists
            yield -1
