"""Kata 03. Layers: parameters, and modules that own them.

A module is a plain object. What it owns is found by looking at its attributes, so that nothing has
to be registered: a Parameter is trained, another Tensor is kept with the model, a Module (also
inside a list, tuple or dict) is a part with parameters of its own. Names are attribute names joined
by dots, as in PyTorch, so that values can be exchanged.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from tinytorch.activations import (
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from tinytorch.door import Array
from tinytorch.names import ModuleBase
from tinytorch.tensor import Tensor, rand


class Parameter(Tensor):
    """A tensor that a model learns: it requires a gradient, and a Module finds it.

    Args:
        data: as for Tensor; lists become float32, float arrays keep their dtype.

    Example:
        >>> Parameter([0.5, 1.0])
        Tensor([0.5, 1. ], requires_grad=True)

    Source: torch.nn.Parameter
    """

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)


class Module(ModuleBase):
    """Anything with parameters: a layer, a loss, a whole network.

    Derive from it, make parameters and parts as attributes in `__init__` (no call of
    `super().__init__()` is needed), and write `forward`. Call the module, not its `forward`.

    Attributes:
        training: True while training (the start), False while evaluating; `train` and `eval` set it.

    Example:
        >>> class Scale(Module):
        ...     def __init__(self):
        ...         self.factor = Parameter([2.0])
        ...     def forward(self, x):
        ...         return x * self.factor
        >>> Scale()(Tensor([1.0, 3.0]))
        Tensor([2., 6.], requires_grad=True)

    Source: torch.nn.Module
    """

    training = True
    forward: Callable[..., Tensor]

    def __call__(self, *args: Any, **keywords: Any) -> Tensor:
        """Compute the output: `module(x)` is `module.forward(x)`."""
        return self.forward(*args, **keywords)

    def modules(self) -> Iterator[Module]:
        """This module and every part of it, each once, a whole before its parts.

        Example:
            >>> [type(m).__name__ for m in Sequential(Linear(2, 3), ReLU()).modules()]
            ['Sequential', 'Linear', 'ReLU']

        Source: torch.nn.Module.modules
        """
        found = {id(part): part for _, part in self._everything() if isinstance(part, Module)}
        return iter(found.values())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its name, in the order of the attributes; a shared one once.

        Example:
            >>> [(name, p.shape) for name, p in Sequential(Linear(2, 3), ReLU()).named_parameters()]
            [('0.weight', (3, 2)), ('0.bias', (3,))]

        Source: torch.nn.Module.named_parameters
        """
        seen: set[int] = set()
        for name, part in self._everything():
            if isinstance(part, Parameter) and id(part) not in seen:
                seen.add(id(part))
                yield name, part

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter, each once: what an optimizer is given.

        Example:
            >>> sum(p.size for p in Linear(784, 128).parameters())
            100480

        Source: torch.nn.Module.parameters
        """
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode: bool = True) -> Self:
        """Switch this module and every part of it to training (or, with False, to evaluation).

        Returns:
            The module itself.

        Source: torch.nn.Module.train
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and every part of it to evaluation: `train(False)`.

        Source: torch.nn.Module.eval
        """
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter: `.grad` becomes None.

        Source: torch.nn.Module.zero_grad
        """
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Array]:
        """A copy of everything the model would be lost without, by name.

        These are the parameters and all other tensors among the attributes (PyTorch calls those
        buffers). A tensor that stands under two names appears under both.

        Returns:
            NumPy arrays that share no memory with the model: a snapshot, which training does not change.

        Example:
            >>> list(Sequential(Linear(2, 3), ReLU(), Linear(3, 1)).state_dict())
            ['0.weight', '0.bias', '2.weight', '2.bias']

        Source: torch.nn.Module.state_dict (whose values are not copies)
        """
        return {name: tensor.data.copy() for name, tensor in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values into the tensors of this model, all of them or none.

        The arrays that are there are written to: whoever holds a parameter (an optimizer) sees the
        new values, and dtypes stay.

        Args:
            state: an array, tensor or nested list for each name of `state_dict()`.

        Raises:
            ValueError: names are missing or unknown, or shapes differ; the message lists all of
                that, and nothing has been loaded.

        Source: torch.nn.Module.load_state_dict
        """
        own = self._state()
        values = {name: _as_array(value) for name, value in state.items()}
        missing = [f"{name} is missing" for name in own if name not in values]
        unknown = [f"{name} is unknown here" for name in values if name not in own]
        unequal = [
            f"{name} has shape {values[name].shape} where {tensor.shape} is needed"
            for name, tensor in own.items()
            if name in values and values[name].shape != tensor.shape
        ]
        if missing or unknown or unequal:
            problems = "; ".join(missing + unknown + unequal)
            raise ValueError(f"this state does not fit, nothing was loaded: {problems}")
        ready = [(tensor.data, values[name].astype(tensor.dtype)) for name, tensor in own.items()]
        for array, value in ready:  # nothing can fail from here on
            array[...] = value

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        """The module with its settings and, one to a line, its parts.

        Settings are the public attributes that are numbers, strings or None.

        Example:
            >>> Sequential(Linear(784, 128), ReLU())
            Sequential(
              (0): Linear(in_features=784, out_features=128)
              (1): ReLU()
            )
        """
        settings = [f"{k}={v!r}" for k, v in vars(self).items() if _is_setting(k, v)]
        parts = [f"({name}): {part!r}" for name, part in self._parts() if isinstance(part, Module)]
        inside = ", ".join(settings)
        if parts:
            inside = "\n".join([inside, *parts]).replace("\n", "\n  ") + "\n"
        return f"{type(self).__name__}({inside})"

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """The tensors and modules that this module holds directly, by attribute."""
        for name, value in list(vars(self).items()):
            yield from _named_parts(name, value)

    def _everything(
        self, name: str = "", above: tuple[Module, ...] = ()
    ) -> Iterator[tuple[str, Any]]:
        """This module and every tensor and module below it, with full names.

        A part may hold the whole it belongs to: no module is looked for inside itself.
        """
        yield name, self
        above = (*above, self)
        for key, part in self._parts():
            full = f"{name}.{key}" if name else key
            if not isinstance(part, Module):
                yield full, part
            elif not any(part is whole for whole in above):
                yield from part._everything(full, above)

    def _state(self) -> dict[str, Tensor]:
        """Every tensor by name."""
        return {name: part for name, part in self._everything() if isinstance(part, Tensor)}


def _named_parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The tensors and modules in an attribute's value, looking into lists, tuples and dicts."""
    if isinstance(value, (Tensor, Module)):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _named_parts(f"{name}.{key}", item)


def _is_setting(name: str, value: Any) -> bool:
    """Whether an attribute is worth a place in the repr."""
    simple = value is None or isinstance(value, (bool, int, float, str))
    return simple and name != "training" and not name.startswith("_")


def _as_array(value: Any) -> Array:
    """A value of a state dict, whichever kind it is."""
    return value.data if isinstance(value, Tensor) else np.asarray(value)


# ---- layers --------------------------------------------------------------------------------------


class Linear(Module):
    """A fully connected layer: out = x @ weight.T + bias.

    Weight and bias start uniform in [-b, b] with b = 1 / sqrt(in_features), so that the variance of
    the output does not depend on the width of the input.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        bias: whether there is a bias; without one, `bias` is None.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        weight: Parameter (out_features, in_features), float32.
        bias: Parameter (out_features,), float32, or None.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> layer = Linear(3, 2)
        >>> layer(Tensor([[1.0, 2.0, 3.0]])).shape
        (1, 2)

    Source: torch.nn.Linear
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                "Linear needs at least one feature on each side; "
                f"got in_features={in_features}, out_features={out_features}"
            )
        bound = 1 / math.sqrt(in_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(_uniform(bound, (out_features, in_features), generator))
        self.bias = Parameter(_uniform(bound, (out_features,), generator)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to the last axis.

        Args:
            x: (..., in_features).

        Returns:
            (..., out_features).

        Raises:
            ValueError: the last axis of x has another size; the message names in_features and the shape of x.
        """
        shape = x.shape
        if shape[-1:] != (self.in_features,):
            raise ValueError(
                f"Linear expects {self.in_features} features in the last axis; "
                f"got an input of shape {shape}"
            )
        many = len(shape) > 2
        rows = x.reshape(-1, self.in_features) if many else x  # one matrix product, not many
        out: Tensor = rows @ self.weight.T  # (N, in) @ (in, out)
        if self.bias is not None:
            out = out + self.bias
        return out.reshape(*shape[:-1], self.out_features) if many else out


class Dropout(Module):
    """While training, set each element to 0 with probability p and multiply the others by 1 / (1 - p).

    So the expected value of every element stays. While evaluating the output is the input.

    Args:
        p: the probability of an element to be dropped, from 0 to 1.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Raises:
        ValueError: p is not a probability.

    Example:
        >>> Dropout(0.25).eval()(Tensor([1.0, 2.0]))
        Tensor([1., 2.])

    Source: torch.nn.Dropout; Srivastava et al. 2014
    """

    def __init__(self, p: float = 0.5, generator: np.random.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout takes a probability from 0 to 1; got p={p}")
        self.p = p
        self._generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Draw a new mask, and apply it.

        Args:
            x: any shape.

        Returns:
            The shape and dtype of x.
        """
        if not self.training or self.p == 0:
            return x
        keep = rand(*x.shape, generator=self._generator).data >= self.p
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return x * np.multiply(keep, scale, dtype=x.dtype)  # the mask is a constant


class Sequential(Module):
    """Modules one after the other: the output of each is the input of the next.

    Args:
        modules: in order; they are named "0", "1", ...

    Raises:
        TypeError: something is not a Module.

    Example:
        >>> model = Sequential(Linear(2, 3), ReLU())
        >>> len(model), model[-1]
        (2, ReLU())

    Source: torch.nn.Sequential
    """

    def __init__(self, *modules: Module) -> None:
        for index, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(
                    f"Sequential takes modules one by one; argument {index} is {module!r}: for a list "
                    "write Sequential(*modules), for a function take its module, such as ReLU()"
                )
            setattr(self, str(index), module)

    def forward(self, x: Tensor) -> Tensor:
        """Apply every module in turn."""
        for module in self:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        """The modules, in order."""
        return iter([part for part in vars(self).values() if isinstance(part, Module)])

    def __len__(self) -> int:
        """How many modules there are."""
        return sum(1 for _ in self)

    def __getitem__(self, index: int) -> Module:
        """One module by its position; negative positions count from the end."""
        return list(self)[index]


class Flatten(Module):
    """Merge all axes from start_dim on into one: (N, C, H, W) becomes (N, C * H * W).

    Args:
        start_dim: the first axis that is merged.

    Example:
        >>> Flatten()(Tensor(np.zeros((2, 3, 5)))).shape
        (2, 15)

    Source: torch.nn.Flatten
    """

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = start_dim

    def forward(self, x: Tensor) -> Tensor:
        """Merge the axes."""
        return x.flatten(self.start_dim)


# ---- the activations of kata 02 as modules, so that they can stand in a Sequential ---------------


class ReLU(Module):
    """`relu` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply relu."""
        return relu(x)


class LeakyReLU(Module):
    """`leaky_relu` as a module.

    Args:
        negative_slope: the slope on the left.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply leaky_relu."""
        return leaky_relu(x, self.negative_slope)


# kata: given
class Sigmoid(Module):
    """`sigmoid` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply sigmoid."""
        return sigmoid(x)


class Tanh(Module):
    """`tanh` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply tanh."""
        return tanh(x)


class Softplus(Module):
    """`softplus` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply softplus."""
        return softplus(x)


class SiLU(Module):
    """`silu` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply silu."""
        return silu(x)


class GELU(Module):
    """`gelu` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply gelu."""
        return gelu(x)


# kata: end


class Softmax(Module):
    """`softmax` as a module.

    Args:
        axis: the axis that sums to 1; also spelled `dim`.
    """

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        self.axis = axis if dim is None else dim

    def forward(self, x: Tensor) -> Tensor:
        """Apply softmax along the axis."""
        return softmax(x, self.axis)


class LogSoftmax(Module):
    """`log_softmax` as a module.

    Args:
        axis: the axis along which e**out sums to 1; also spelled `dim`.
    """

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        self.axis = axis if dim is None else dim

    def forward(self, x: Tensor) -> Tensor:
        """Apply log_softmax along the axis."""
        return log_softmax(x, self.axis)


def _uniform(bound: float, shape: tuple[int, ...], generator: np.random.Generator | None) -> Array:
    """Float32 numbers drawn uniformly from [-bound, bound)."""
    return (rand(*shape, generator=generator).data * 2 - 1) * bound
