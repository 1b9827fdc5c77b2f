"""How dtypes meet: the rule of kata 01's README, clause 01.19.

bool < integer < float are kinds. Arrays with axes meet in the wider dtype of the higher kind; what has
no axes, and a number, only lifts a lower kind; a list is float32. Given, like door.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

BOOL, INT64, FLOAT32 = np.dtype(bool), np.dtype(np.int64), np.dtype(np.float32)
RANKS = {"b": 0, "u": 1, "i": 1, "f": 2}  # of the kinds


def met(name: str, operands: Sequence[Any]) -> list[Any]:
    """Arrays, numbers and lists, brought to the dtype in which they meet.

    Raises:
        TypeError: one of them is not numeric.
        OverflowError: an integer does not fit in the dtype.
    """
    values = [_read(name, operand) for operand in operands]
    common = _common(operands, values)
    strong = any(type(v) is ndarray and v.dtype != BOOL for v in values)  # numbers adapt to it
    return [v if _adapts(v, strong) else cast(v, common) for v in values]


def _read(name: str, operand: Any) -> Any:
    """An operand as an array, a Python number or None."""
    if isinstance(operand, np.generic) and operand.dtype.kind in RANKS:
        return operand.item()
    if operand is None or isinstance(operand, (bool, int, float)):
        return operand
    try:
        array = np.asarray(operand)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in RANKS:
        raise TypeError(
            f"{name} takes tensors, arrays and numbers; got {operand!r} ({type(operand).__name__})"
        )
    return array


def _common(operands: Sequence[Any], values: Sequence[Any]) -> np.dtype[Any]:
    """The widest dtype of the highest kind among arrays with axes; what follows only lifts a lower kind.

    Without axes, then numbers and lists: an integer counts as int64, a fraction or a list as float32.
    """
    levels: list[list[np.dtype[Any]]] = [[], [], []]
    for operand, value in zip(operands, values, strict=True):
        if isinstance(operand, ndarray):
            levels[value.ndim == 0].append(value.dtype)
        elif value is not None:
            levels[2].append(_counts_as(value))
    if not levels[0] and not levels[1]:  # no tensor: an integer is what Tensor(integer) is
        levels[2] = [FLOAT32 if d == INT64 else d for d in levels[2]]
    found = [_widest(dtypes) for dtypes in levels if dtypes]
    return max(found, key=lambda dtype: RANKS[dtype.kind], default=FLOAT32)  # of equals the first


def _counts_as(value: Any) -> np.dtype[Any]:
    """The dtype of a number or of a list's array where it meets others."""
    if isinstance(value, bool) or getattr(value, "dtype", None) == BOOL:
        return BOOL
    return INT64 if isinstance(value, int) else FLOAT32


def _widest(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """The dtype in which arrays meet: the wider one of the highest kind; integers stay integers."""
    highest = max(RANKS[dtype.kind] for dtype in dtypes)
    wide = np.result_type(*[dtype for dtype in dtypes if RANKS[dtype.kind] == highest])
    return wide if RANKS[wide.kind] == highest else INT64  # NumPy: uint64 and int64 are float64


def _adapts(value: Any, strong: bool) -> bool:
    """Whether NumPy brings a value to the common dtype by itself: bools, numbers beside an array."""
    if type(value) is ndarray:
        return bool(value.dtype == BOOL)
    return value is None or strong


def cast(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value as an array of a dtype; an integer that does not fit is an OverflowError."""
    if value is None:
        return None
    small = type(value) is ndarray and value.ndim == 0 and dtype.kind in "iu"
    return np.asarray(value.item() if small else value, dtype)


def meant(dtype: np.dtype[Any], arrays: Sequence[Any]) -> np.dtype[Any] | None:
    """The dtype to compute in where NumPy has chosen one that no operand has: floats, long sums."""
    dtypes = [a.dtype for a in arrays if type(a) is ndarray]
    if dtype.kind == "f" and not any(d.kind == "f" for d in dtypes):
        return FLOAT32
    if dtype in (np.uint64, np.int8) and dtype not in dtypes:  # a sum of uint8, a power of bools
        return INT64
    return None
