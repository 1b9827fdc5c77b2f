"""PyTorch's names: those that are yours under another name, a few made of yours, and where to look else.

Given, like door.py: an update replaces this file. `import tinytorch as tt; tt.clamp(x, 0, 1)` and
`x.masked_fill(mask, 0)` end here; nothing in it is a kata's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.door import Array, Axis, composite, yours

if TYPE_CHECKING:
    from tinytorch.tensor import Tensor

FUNCTIONS = {  # PyTorch's name: yours, in tensor.py
    "sum": "sum_",
    "abs": "absolute",
    "neg": "negative",
    "pow": "power",
    "clamp": "clip",
    "mul": "multiply",
    "sub": "subtract",
    "div": "divide",
    "mm": "matmul",
    "bmm": "matmul",
    "max": "amax",
    "min": "amin",
    "concat": "cat",
}
YOURS = {"mean", "amax", "amin", "argmax", "var", "reshape", "permute", "transpose", "flatten"}
YOURS |= {"squeeze", "unsqueeze", "pad"}  # in tensor.py, and methods too
KEYWORDS = {  # of functions that are not behind the door
    "arange": {"end": "stop"},
    "full": {"size": "shape", "fill_value": "value"},
}
DTYPES = "dtypes are NumPy's, and an array brings its own: Tensor(np.array(data, np.float64))"
DEVICE = "every tensor is in this computer's memory, there is no other device"
ELSEWHERE = {  # of the package
    "as_tensor": "Tensor(array), which shares the array's memory",
    "from_numpy": "Tensor(array), which shares the array's memory",
    "nn": "the package itself: tinytorch.Linear, tinytorch.ReLU, ...",
    "optim": "the package itself: tinytorch.SGD, tinytorch.Adam, ...",
    "save": "save_checkpoint(trainer, path), of kata 07",
    "load": "load_checkpoint(trainer, path), of kata 07",
    "split": "slices: x[:2], x[2:]",
    "chunk": "slices: x[:2], x[2:]",
    "eye": "Tensor(np.eye(n, dtype=np.float32))",
    "linspace": "Tensor(np.linspace(start, stop, n, dtype=np.float32))",
    "device": DEVICE,
    "cuda": DEVICE,
    **dict.fromkeys(("float16", "float32", "float64", "int32", "int64", "uint8", "long"), DTYPES),
}


def found(name: str) -> Any:
    """What the package has under one of PyTorch's names.

    Raises:
        AttributeError: it has no such name; the message says what is used here, if it is known.
    """
    if name in FUNCTIONS or name in YOURS:
        return yours(FUNCTIONS.get(name, name))
    if name in GIVEN:
        return GIVEN[name]
    hint = f": here it is {ELSEWHERE[name]}" if name in ELSEWHERE else ""
    raise AttributeError(f"module 'tinytorch' has no attribute {name!r}{hint}")


def spelled(name: str, function: Any) -> Any:
    """A function that also takes PyTorch's keywords, where it is one of those."""
    if name not in KEYWORDS:
        return function

    @functools.wraps(function)
    def translated(*args: Any, **keywords: Any) -> Tensor:
        own = {KEYWORDS[name].get(k, k): v for k, v in keywords.items()}
        if name == "arange" and own.pop("requires_grad", False):
            out: Tensor = function(*args, **own)
            return type(out)(out.data, requires_grad=True)
        return function(*args, **own)  # type: ignore[no-any-return]

    return translated


# ---- made of yours -------------------------------------------------------------------------------


@composite
def minimum(a: Any, b: Any) -> Tensor:
    """The smaller of two elements, element by element, with broadcasting: out = min(a, b).

    Args:
        a, b: operands whose shapes broadcast; nan wins; the gradient is as that of `maximum`.

    Returns:
        the shape to which a and b broadcast.

    Example:
        >>> from tinytorch import Tensor
        >>> minimum(Tensor([-1.0, 2.0]), 0)
        Tensor([-1.,  0.])

    Source: torch.minimum
    """
    largest: Tensor = yours("maximum")(a, b)
    if largest.dtype.kind != "f":
        both = np.broadcast_arrays(*(np.asarray(getattr(x, "data", x)) for x in (a, b)))
        return type(largest)(np.minimum(*both).astype(largest.dtype))
    one = type(largest)(np.ones((), largest.dtype))  # makes floats of bools and integers

    def negated(x: Any) -> Tensor:
        return yours("negative")(yours("multiply")(x, one))  # type: ignore[no-any-return]

    return -yours("maximum")(negated(a), negated(b))  # type: ignore[no-any-return]


@composite
def std(x: Tensor, axis: Axis = None, correction: int = 1, keepdims: bool = False) -> Tensor:
    """The standard deviation: the square root of `var`, with the same arguments.

    Example:
        >>> from tinytorch import Tensor
        >>> std(Tensor([1.0, 2.0, 3.0]))
        Tensor(1.)

    Source: torch.std
    """
    return yours("var")(x, axis, correction, keepdims).sqrt()  # type: ignore[no-any-return]


@composite
def masked_fill(x: Tensor, mask: Any, value: float) -> Tensor:
    """`value` where the mask is True, x elsewhere.

    Args:
        x: any shape.
        mask: bools, a shape that broadcasts with x.
        value: a number.

    Raises:
        TypeError: the mask does not hold bools.

    Example:
        >>> from tinytorch import Tensor
        >>> x = Tensor([-1.0, 2.0])
        >>> masked_fill(x, x < 0, 0.5)
        Tensor([0.5, 2. ])

    Source: torch.Tensor.masked_fill
    """
    array = np.asarray(getattr(mask, "data", mask))
    if array.dtype != bool:
        raise TypeError(f"a mask holds bools, such as x < 0; got {array.dtype}: {mask!r}")
    return yours("where")(array, value, x)  # type: ignore[no-any-return]


def _like(make: Callable[..., Array], name: str) -> Callable[..., Tensor]:
    """`zeros_like` and its kind: a tensor of the shape and dtype of another."""

    def alike(x: Tensor, *value: float, requires_grad: bool = False) -> Tensor:
        return yours("Tensor")(make(x.data, *value), requires_grad)  # type: ignore[no-any-return]

    alike.__name__ = alike.__qualname__ = name
    alike.__doc__ = (
        f"A tensor of x's shape and dtype, as np.{make.__name__} fills it.\n\nSource: torch.{name}"
    )
    return alike


GIVEN: dict[str, Callable[..., Any]] = {
    "minimum": minimum,
    "std": std,
    "masked_fill": masked_fill,
    "zeros_like": _like(np.zeros_like, "zeros_like"),
    "ones_like": _like(np.ones_like, "ones_like"),
    "full_like": _like(np.full_like, "full_like"),
    "numel": lambda x: x.data.size,
}
