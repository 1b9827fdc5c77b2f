"""PyTorch's names: those that are yours under another name, a few made of yours, and where to look else.

Given, like door.py: an update replaces this file. `import tinytorch as tt; tt.clamp(x, 0, 1)` and
`x.masked_fill(mask, 0)` end here; nothing in it is a kata's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tinytorch.door import Array, Axis, Elsewhere, composite, yours

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
LOSSES = {"mse_loss", "l1_loss", "binary_cross_entropy_with_logits", "nll_loss", "cross_entropy"}
LENIENT = {"load_state_dict", "zero_grad", "clip_grad_norm_", *LOSSES}
SAME: dict[str, tuple[Any, str]] = {  # PyTorch's keywords: the value that changes nothing here
    "strict": (True, "names and shapes must fit; leave out of the state what does not"),
    "set_to_none": (True, "zero_grad leaves None"),
    "inplace": (False, "no operation changes its operand"),
    "approximate": ("tanh", "gelu has one form, the one with tanh"),
    "norm_type": (2, "the norm is the square root of the sum of squares"),
}
DTYPES = "dtypes are NumPy's, and an array brings its own: Tensor(np.array(data, np.float64))"
DEVICE = "every tensor is in this computer's memory, there is no other device"
ELSEWHERE = {  # of the package
    "as_tensor": "Tensor(array), which shares the array's memory",
    "from_numpy": "Tensor(array), which shares the array's memory",
    "nn": "the package itself: tinytorch.Linear, tinytorch.ReLU, ...",
    "optim": "the package itself: tinytorch.SGD, tinytorch.Adam, ...",
    "save": "save_checkpoint(path, trainer), of kata 07",
    "load": "load_checkpoint(path, trainer), of kata 07",
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
    """One of your functions as the package gives it: some take PyTorch's keywords too."""
    if name == "no_grad":
        return _Bracketed(function)
    if name in KEYWORDS:
        return _renamed(function, KEYWORDS[name])
    return lenient(function) if name in LENIENT else function


def _renamed(function: Any, names: dict[str, str]) -> Callable[..., Tensor]:
    """A function with further names for its arguments, and `requires_grad` if it has none."""
    own = inspect.signature(function).parameters

    @functools.wraps(function)
    def translated(*args: Any, **keywords: Any) -> Tensor:
        keywords = {names.get(key, key): value for key, value in keywords.items()}
        if "stop" in keywords and not args:
            keywords = {"start": 0} | keywords  # arange(end=3)
        if "requires_grad" in own or "requires_grad" not in keywords:
            return function(*args, **keywords)  # type: ignore[no-any-return]
        leaf = keywords.pop("requires_grad")
        out: Tensor = function(*args, **keywords)
        return type(out)(out.data, requires_grad=leaf)

    return translated


def lenient(function: Any) -> Any:
    """A function that takes those of PyTorch's keywords which ask for what it does anyway.

    Raises:
        TypeError: another value is asked for, or `reduction` by position; the message says ours.
    """
    own = inspect.signature(function).parameters
    foreign = set(SAME) - set(own)
    count = sum(p.kind is not p.KEYWORD_ONLY for p in own.values())

    @functools.wraps(function)
    def translated(*args: Any, **keywords: Any) -> Any:
        if foreign & set(keywords):
            keywords = _without(function.__name__, keywords, foreign)
        if len(args) > count and "reduction" in own:
            raise TypeError(f'{function.__name__} takes reduction by name: reduction="sum"')
        return function(*args, **keywords)

    return translated


def _without(name: str, keywords: dict[str, Any], foreign: set[str]) -> dict[str, Any]:
    """The keywords that are one's own; the others must ask for what happens anyway."""
    for key in foreign & set(keywords):
        value, here = SAME[key]
        if keywords[key] != value:
            raise TypeError(f"{name} has no {key}={keywords[key]!r}. Here: {here}")
    return {key: value for key, value in keywords.items() if key not in foreign}


class _Bracketed:
    """`no_grad`, which says so where its brackets were forgotten."""

    def __init__(self, function: Callable[[], Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *functions: Any) -> Any:
        if functions:
            raise TypeError("no_grad has brackets: @no_grad()")
        return self._function()

    def __enter__(self) -> NoReturn:
        raise TypeError("no_grad has brackets: with no_grad():")

    def __exit__(self, *error: object) -> None: ...


# ---- the given part of Module and Optimizer ------------------------------------------------------


class ModuleBase:
    """What is given of `Module`: PyTorch's names and keywords, nothing else."""

    def __init__(self, **keywords: Any) -> None:
        if wrong := set(_without(type(self).__name__, keywords, set(SAME))):
            raise TypeError(f"{type(self).__name__} takes no arguments; got {', '.join(wrong)}")

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in LENIENT & set(vars(cls)):
            setattr(cls, name, lenient(vars(cls)[name]))
        if cls.__name__ == "Sequential" and "__getitem__" in vars(cls):
            _take_slices(cls)

    children = named_children = named_modules = Elsewhere(
        "modules() gives every part, named_parameters() the names"
    )
    apply = Elsewhere("for part in model.modules(): ...")
    register_buffer = register_parameter = Elsewhere("an attribute: self.running = Tensor([0.0])")
    to = cpu = cuda = half = double = Elsewhere("every tensor is in this computer's memory")
    requires_grad_ = Elsewhere("for p in model.parameters(): p.requires_grad = False")


def _take_slices(sequential: Any) -> None:
    """`net[1:3]` is a Sequential of these parts, numbered from 0; `net[0]` is what you make of it."""
    one = sequential.__getitem__

    @functools.wraps(one)
    def part(self: Any, index: Any) -> Any:
        return sequential(*list(self)[index]) if isinstance(index, slice) else one(self, index)

    sequential.__getitem__ = part


class OptimizerBase:
    """What is given of `Optimizer`: PyTorch's names and keywords, nothing else."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in LENIENT & set(vars(cls)):
            setattr(cls, name, lenient(vars(cls)[name]))

    add_param_group = Elsewhere('all groups at once: SGD([{"params": [w], "lr": 0.1}], lr=0.01)')


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
