"""The door: what kata 01 gives you. Read it once; you never have to change it.

Every operation is a plain function on NumPy arrays behind `@primitive`: the door unwraps tensors,
brings the arrays to one dtype, calls the function, wraps the result and, when an operand requires a
gradient, leaves a note of how the result was made. Kata 05 reads the notes. `TensorBase` holds what
is given of `Tensor`.

This file is the course's own: an update replaces it, and grading uses a copy of its own.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from tinytorch.dtypes import FLOAT32, cast, meant, met

if TYPE_CHECKING:
    from tinytorch.tensor import Tensor  # your class: `TensorBase.__init_subclass__` finds it

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None

default_generator = np.random.default_rng()

SPELLINGS = {"dim": "axis", "keepdim": "keepdims"}  # PyTorch: NumPy
# Types of static arguments to take as they are.
PLAIN = {int, float, bool, tuple, str, slice, type(None)}
REASONS = {  # a piece of NumPy's complaint: the same in words that say what to do
    "non-negative": "a size is at least 0, or -1 where an axis stays as it is",
    "broadcast": "the shapes do not broadcast; aligned from the right, two sizes must be equal or one of them 1",
    "core dimension": "the shapes do not fit: the last size of the left one must equal the last but one of the right, or its only one",
    "number of dimensions": "all of them need the same number of axes",
    "zero-dimensional": "each of them needs at least one axis: stack joins numbers",
    "enough dimensions": "both operands need at least one axis; for a number use *",
    "boolean subtract": "bools have no difference; use != (one of the two, not both), or multiply by 1 first",
    "boolean negative": "bools have no sign; use ~ for the opposite, or multiply by 1 first",
    "Cannot cast ufunc": "a fraction does not fit in an array of integers or bools; convert first, x * 1.0",
    "valid indices": "an index is an integer, a slice, ..., None, or an array of integers or bools",
}


# ---- notes ---------------------------------------------------------------------------------------


class GradMode(threading.local):
    """Whether operations leave notes; one flag per thread, `no_grad` of kata 05 toggles it."""

    enabled = True


grad_mode = GradMode()


class Note:
    """How a tensor was made: all that a gradient rule needs, and never the tensor itself.

    Holding arrays instead of the output tensor keeps the graph free of reference cycles, so that a
    graph is freed the moment its loss is.

    Attributes:
        primitive: the operation, as the function you call (`exp`, `matmul`, ...).
        parents: the operands, in order; None where an operand requires no gradient.
        arrays: the operands as arrays (or Python numbers, or None), in order.
        static: every other argument by name, defaults filled in, `dim` already called `axis`.
        saved: what the primitive chose to keep for its rule; the output array unless it chose.
    """

    __slots__ = ("arrays", "parents", "primitive", "saved", "static")

    def __init__(
        self,
        primitive: Callable[..., Tensor],
        parents: tuple[Tensor | None, ...],
        arrays: Sequence[Any],
        static: dict[str, Any],
        saved: Any,
    ) -> None:
        self.primitive = primitive
        self.parents = parents
        self.arrays = arrays
        self.static = static
        self.saved = saved


# ---- the door ------------------------------------------------------------------------------------


def primitive(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Turn a function on arrays into an operation on tensors.

    Parameters before the `/` (or `*arrays`) are the operands: tensors, arrays or numbers that a
    gradient may flow to. All others are static: axes, shapes, indices, targets.
    The function returns an array, or a pair `(array, saved)` if its gradient rule needs more than
    the operands and the output.
    """
    parameters = inspect.signature(function).parameters.values()
    count = sum(p.kind is p.POSITIONAL_ONLY for p in parameters)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [p.name for p in parameters if p.kind in named]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    name = function.__name__.rstrip("_")
    _make_tensor_known(function.__module__)

    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Tensor:
        operands, static = args, defaults
        if keywords or (len(args) != count and not variadic):  # most calls are operands alone
            last = len(args) if variadic else count
            operands, static = _sorted(name, args, keywords, last, names, defaults)
        arrays = _arrays(name, operands)
        try:
            out = saved = function(*arrays, **static)
        except (ValueError, IndexError, TypeError, OverflowError) as error:
            # with the traceback of the line that failed, so that every tool points there
            raise _explained(error, name, arrays).with_traceback(error.__traceback__) from None
        if type(out) is tuple:
            out, saved = out
        if type(out) is not ndarray:
            out = np.asarray(out) if isinstance(out, np.generic) else _returned(name, out)
        dtype = out.dtype
        if dtype is not FLOAT32 and arrays and dtype is not getattr(arrays[0], "dtype", None):
            wanted = meant(dtype, arrays)
            if wanted is not None:  # NumPy chose a dtype of its own: once more, in the right one
                return operation(*[cast(a, wanted) for a in arrays], **static)
        if dtype is not FLOAT32 and dtype.kind in "iu":
            _demand_fit(name, arrays, dtype)
        tensor = Tensor(out)
        if grad_mode.enabled and dtype.kind == "f":
            for operand in operands:
                if isinstance(operand, Tensor) and operand.requires_grad:
                    tensor.requires_grad = True
                    tensor.note = Note(operation, _parents(operands), arrays, static, saved)
                    break
        return tensor

    return operation


def _make_tensor_known(module: str) -> None:
    """Load kata 01, which defines Tensor: `from tinytorch import relu` alone does not."""
    if module != f"{__package__}.tensor":
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"{__package__}.tensor")


def composite(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operation made of other operations: it needs no gradient rule, the parts have theirs.

    All that happens at this door is the translation of PyTorch's keywords.
    """

    @functools.wraps(function)
    def operation(*args: Any, **keywords: Any) -> Tensor:
        return function(*args, **_spelled(keywords)) if keywords else function(*args)

    return operation


def _spelled(keywords: dict[str, Any]) -> dict[str, Any]:
    """PyTorch's `dim`, `keepdim` and `unbiased` as `axis`, `keepdims` and `correction`."""
    spelled = {SPELLINGS.get(k, k): v for k, v in keywords.items()}
    if "unbiased" in spelled:
        spelled["correction"] = int(spelled.pop("unbiased"))
    return spelled


def _sorted(
    name: str,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    count: int,
    names: list[str],
    defaults: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Operands apart from static arguments, which are named, unwrapped and completed by defaults."""
    if len(args) < count or len(args) - count > len(names):
        raise TypeError(
            f"{name} takes {count} operands and {len(names)} further arguments {names}; got {len(args)} in all"
        )
    static = defaults.copy()
    for i, value in enumerate(args[count:]):
        static[names[i]] = value if type(value) in PLAIN else _static(names[i], value)
    for key, value in keywords.items():
        key = SPELLINGS.get(key, key)
        static[key] = value if type(value) in PLAIN else _static(key, value)
    return args[:count], static


def _static(key: str, value: Any) -> Any:
    """A static argument without its wrapping: arrays for tensors, numbers where there are no axes."""
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.generic) or (type(value) is ndarray and value.ndim == 0):
        return value.item()  # else it would promote what it meets
    return tuple(value) if isinstance(value, list) and key in ("axis", "axes") else value


def _parents(operands: Sequence[Any]) -> tuple[Tensor | None, ...]:
    """The operands a gradient can flow to, None in place of the others."""
    return tuple([o if isinstance(o, Tensor) and o.requires_grad else None for o in operands])


def _returned(name: str, out: Any) -> Array:
    """What a primitive returned, as an array: lists and numbers are, None and tensors are refused."""
    if out is None:
        raise TypeError(f"{name} computed nothing, it is None: end its function with a return")
    if isinstance(out, Tensor):
        raise TypeError(
            f"{name} returned a Tensor: a primitive computes with arrays and returns an array"
        )
    return np.asarray(out)


def _demand_fit(name: str, arrays: Sequence[Any], dtype: np.dtype[Any]) -> None:
    """Refuse a number that became part of integers too small for it: np.where makes 44 of 300."""
    limits = np.iinfo(dtype)
    for number in arrays:
        if type(number) is int and not limits.min <= number <= limits.max:
            error = OverflowError(f"Python integer {number} out of bounds for {dtype}")
            raise _explained(error, name, arrays)


def _explained(error: Exception, name: str, arrays: Sequence[Any]) -> Exception:
    """NumPy's complaint, with the operation and the shapes, in words that say what to do."""
    reason = next((words for sign, words in REASONS.items() if sign in str(error)), "")
    if clash := re.search(r"(?<=broadcast together with shapes ).*", str(error)):
        shapes = {str(np.shape(a)).replace(" ", "") for a in arrays}
        if not shapes.issuperset(clash.group().split()):
            reason = ""  # it is about arrays within the function, not about the operands
    if large := re.search(r"integer (\S+) out of bounds for (\w+)", str(error)):
        number, dtype = large.groups()
        reason = f"{number} does not fit in {dtype}; convert first, Tensor(x.data.astype(np.int64))"
    if "too large to convert" in str(error):  # Python's own words, of a number that no dtype holds
        number = next((a for a in arrays if type(a) is int and abs(a) >= 2**63), "a number")
        reason = f"{number} does not fit in any dtype here"
    if isinstance(error, TypeError) and not reason:
        return error  # the function's own
    operands = " and ".join(str(np.shape(a)) for a in arrays if a is not None) or "nothing"
    kind = next(k for k in (IndexError, TypeError, ValueError, Exception) if isinstance(error, k))
    kind = ValueError if kind is Exception else kind
    return kind(f"{name} of {operands}: {reason or error}")


# ---- one dtype: clause 01.19 ---------------------------------------------------------------------


def _arrays(name: str, operands: Sequence[Any]) -> list[Any]:
    """Operands as arrays that have met in one dtype; numbers stay numbers beside such an array."""
    arrays, dtype, alike, fraction = [], None, True, False
    for operand in operands:
        array = operand.data if isinstance(operand, Tensor) else operand
        arrays.append(array)
        if type(array) is ndarray:
            if dtype is None:
                dtype = array.dtype
            elif array.dtype is not dtype:
                alike = False
        elif type(array) is float:
            fraction = True
        elif type(array) is not int and array is not None:
            alike = False
    if alike and dtype is not None and (not fraction or dtype.kind == "f"):
        return arrays  # nearly always: arrays of one dtype, and numbers that NumPy adapts to them
    lists = [array for array in arrays if isinstance(array, (list, tuple))]
    if any(isinstance(each, Tensor) for array in lists for each in array):
        raise TypeError(
            f"{name} got tensors in a list, where their history would be lost: give them one by one, or join them with cat"
        )
    try:
        return met(name, arrays)
    except OverflowError as error:
        raise _explained(error, name, arrays) from None


def _compare(compare: Callable[..., Any], a: Any, b: Any) -> Tensor:
    """A comparison, element by element: a bool tensor, through which no gradient flows."""
    arrays = _arrays(compare.__name__, (a, b))
    try:
        return Tensor(np.asarray(compare(*arrays)))
    except (ValueError, TypeError, OverflowError) as error:
        raise _explained(error, compare.__name__, arrays) from None


def _bits(compute: Callable[..., Any], *operands: Any) -> Tensor:
    """`~ & | ^` of bools (and of the bits of integers), element by element."""
    arrays = _arrays(compute.__name__, operands)
    if any(a.dtype.kind == "f" for a in map(np.asarray, arrays)):
        raise TypeError("~ & | ^ take bools, such as (x > 0) & (y > 0); got floats: compare first")
    return _compare(compute, *operands) if len(operands) == 2 else Tensor(compute(arrays[0]))


# ---- the given part of Tensor --------------------------------------------------------------------


class Method:
    """An operation as a method: `x.exp()` is your `exp(x)`.

    Your function is looked up when the method is first asked for, and put in its place in your
    class: from then on a call costs nothing more.

    Args:
        operation: the function's name.
        module: the file that defines it.
        adapt: makes the method of the function where the two take their arguments differently.
    """

    def __init__(
        self,
        operation: str,
        module: str = "tensor",
        adapt: Callable[[Any], Callable[..., Any]] | None = None,
    ) -> None:
        self.operation, self.module, self.adapt = operation, module, adapt

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Callable[..., Tensor]:
        function = yours(self.operation, self.module)
        function = self.adapt(function) if self.adapt else function
        setattr(Tensor, self.name, function)
        return function if instance is None else functools.partial(function, instance)


def yours(name: str, module: str = "tensor") -> Any:
    """A function of one of your files, by name; an AttributeError that says where it is built."""
    try:
        return getattr(importlib.import_module(f"tinytorch.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != f"tinytorch.{module}":
            raise
        kata = importlib.import_module("tinytorch").KATAS[module]
        raise AttributeError(f"{name} is built in kata {kata}: make module-{kata}") from None
    except AttributeError:
        raise AttributeError(f"tinytorch/{module}.py defines no {name}") from None


class Elsewhere:
    """Names of PyTorch's that a class does not have: the AttributeError says what is used here."""

    def __init__(self, here: str) -> None:
        self.here = here
        self.names: list[str] = []

    def __set_name__(self, owner: type, name: str) -> None:
        self.names.append(name)
        self.owner = owner.__name__.removesuffix("Base")

    def __get__(self, instance: Any, owner: type | None = None) -> NoReturn:
        raise AttributeError(f"{self.owner} has no {', '.join(self.names)}. Here: {self.here}")


def _spread(operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A method that takes sizes or axes one by one: x.reshape(2, 3) is reshape(x, (2, 3))."""

    @functools.wraps(operation)
    def method(self: Tensor, *sizes: Any) -> Tensor:
        return operation(self, sizes_of(sizes))

    return method


def _indexed(operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`x[index]`: the tensors within an index become arrays."""

    @functools.wraps(operation)
    def method(self: Tensor, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        return operation(self, tuple([_index(p) if isinstance(p, Tensor) else p for p in parts]))

    return method


def _index(part: Tensor) -> Array:
    """A tensor as an index: Tensor([0, 2]) holds float32, and its whole numbers count as integers."""
    array = part.data
    if array.dtype.kind != "f":
        return array
    if not (np.isfinite(array) & (array == np.floor(array))).all():
        raise IndexError(f"an index holds whole numbers; got {part!r}")
    return array.astype(np.int64)


class TensorBase:
    """What is given of `Tensor`: operators, methods, comparisons, Python's own protocols.

    `class Tensor(TensorBase)` is yours, in tinytorch/tensor.py; what you define there comes first.

    Attributes:
        data: the NumPy array itself.
        grad: None, or an array shaped like `data`.
        note: how the tensor was made; None for one that you made yourself.
        requires_grad: whether `backward` leaves a gradient in `grad`.
    """

    data: Array
    grad: Array | None
    note: Note | None
    requires_grad: bool

    __array_ufunc__ = None  # array * tensor asks the tensor, not the array
    __hash__ = object.__hash__  # == compares values, so a set or a dict goes by identity

    if TYPE_CHECKING:

        def item(self) -> float | int | bool: ...  # yours

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if TensorBase in cls.__bases__:
            globals()["Tensor"] = cls  # what the door wraps results in

    __add__, __sub__, __mul__ = Method("add"), Method("subtract"), Method("multiply")
    __truediv__, __pow__, __matmul__ = Method("divide"), Method("power"), Method("matmul")
    __neg__, __abs__ = Method("negative"), Method("absolute")
    __getitem__ = Method("getitem", adapt=_indexed)

    exp, log, sqrt, abs = Method("exp"), Method("log"), Method("sqrt"), Method("absolute")
    maximum, clip = Method("maximum"), Method("clip")
    sum, mean, var = Method("sum_"), Method("mean"), Method("var")
    max, min, argmax = Method("amax"), Method("amin"), Method("argmax")
    reshape, permute = Method("reshape", adapt=_spread), Method("permute", adapt=_spread)
    expand, pad = Method("expand", adapt=_spread), Method("pad")
    _permute, transpose, flatten = Method("permute"), Method("transpose"), Method("flatten")
    squeeze, unsqueeze = Method("squeeze"), Method("unsqueeze")

    # PyTorch's names for some of them, and what names.py makes of yours
    view, clamp = Method("reshape", adapt=_spread), Method("clip")
    amax, amin = Method("amax"), Method("amin")
    relu, sigmoid = Method("relu", "activations"), Method("sigmoid", "activations")
    tanh, softmax = Method("tanh", "activations"), Method("softmax", "activations")
    log_softmax = Method("log_softmax", "activations")
    minimum, std = Method("minimum", "names"), Method("std", "names")
    masked_fill = Method("masked_fill", "names")

    to = type = double = half = long = Elsewhere(
        "Tensor(x.data.astype(np.float64)) has another dtype"
    )
    cpu = cuda = device = Elsewhere("every tensor is in this computer's memory")
    clone = Elsewhere("x * 1 keeps the history, Tensor(x.data.copy()) does not")
    contiguous = Elsewhere("there is nothing to do, every operation takes any order of memory")
    requires_grad_ = Elsewhere("Tensor(x.data, requires_grad=True)")
    sort = topk = Elsewhere("np.sort(x.data), np.argsort(x.data)")
    split = chunk = Elsewhere("slices, x[:2] and x[2:]")
    add_ = sub_ = mul_ = div_ = clamp_ = relu_ = zero_ = fill_ = copy_ = masked_fill_ = Elsewhere(
        "an operation never changes its operand. Write y = x + 1, or x.data += 1 without a gradient"
    )

    def backward(self, gradient: Any = None, retain_graph: bool = True) -> None:
        """Leave the gradient of this tensor in `.grad` of every tensor it was made from (kata 05).

        The graph is there as long as its loss is, so `retain_graph` changes nothing.
        """
        from tinytorch import autograd  # kata 05: it may not be there yet

        autograd.backward(self, gradient)  # type: ignore[arg-type]  # self is a Tensor

    def numel(self) -> int:
        """The number of elements; also `x.size`."""
        return self.data.size

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return self.data.dtype

    @property
    def T(self) -> Tensor:
        """All axes reversed."""
        return self._permute(tuple(range(self.data.ndim - 1, -1, -1)))

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]  # PyTorch's meaning of ==
        return NotImplemented if other is None else _compare(np.equal, self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]  # PyTorch's meaning of !=
        return NotImplemented if other is None else _compare(np.not_equal, self, other)

    def __lt__(self, other: Any) -> Tensor:
        return _compare(np.less, self, other)

    def __le__(self, other: Any) -> Tensor:
        return _compare(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _compare(np.greater, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _compare(np.greater_equal, self, other)

    def __invert__(self) -> Tensor:
        return _bits(np.invert, self)

    def __and__(self, other: Any) -> Tensor:
        return _bits(np.bitwise_and, self, other)

    def __or__(self, other: Any) -> Tensor:
        return _bits(np.bitwise_or, self, other)

    def __xor__(self, other: Any) -> Tensor:
        return _bits(np.bitwise_xor, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.data, dtype, copy=copy)  # else NumPy would ask for each number

    def __iter__(self) -> Iterator[Tensor]:
        if not self.data.ndim:
            raise TypeError(
                "a tensor without axes has no elements to go through: item() is its value"
            )
        return (self[i] for i in range(len(self.data)))

    def __len__(self) -> int:
        if not self.data.ndim:
            raise TypeError("a tensor without axes has no length: item() is its value")
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.data.dtype.kind not in "iu":
            raise TypeError(f"an index is an integer; got {self!r}: write int(x)")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        """`f"{x:.2f}"` is that of the number of a tensor without axes; else the text of `repr`."""
        if self.data.ndim and spec:
            raise TypeError(
                f"{spec!r} formats a number; this has shape {self.shape}: write x.item()"
            )
        return format(self.data.item(), spec) if spec else repr(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a tensor is not assigned to element by element: its history would no longer be true. Build a new one with where, cat or pad, or write to x.data when no gradient is wanted"
        )


# ---- for your functions --------------------------------------------------------------------------


def axis_of(x: TensorBase, axis: int) -> int:
    """The axis counted from the front, -1 being the last; an IndexError if x has no such axis."""
    if not isinstance(axis, (int, np.integer)):
        raise TypeError(f"one axis at a time, a number; got {axis!r}")
    ndim: int = max(x.ndim, 1)
    if not -ndim <= axis < ndim:
        raise IndexError(
            f"axis {axis} of a tensor of shape {x.shape}: its axes are {-ndim} to {ndim - 1}"
        )
    return axis % ndim


def sizes_of(shape: Sequence[Any]) -> tuple[int, ...]:
    """Sizes given one by one or as one tuple or list."""
    return (
        tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else tuple(shape)
    )
