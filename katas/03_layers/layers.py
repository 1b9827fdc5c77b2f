# Stub of kata 03, generated from reference/tinytorch/layers.py by: make stubs
# Write in this order; make test-03 says what comes next:
#   linear      Parameter.__init__, Module.__call__, Linear.__init__, Linear.forward
#   finding     Module.modules, Module.named_parameters, Module.parameters
#   modes       Module.train, Module.eval, Module.zero_grad
#   state       Module.state_dict, Module.load_state_dict
#   dropout     Dropout.__init__, Dropout.forward
#   containers  Sequential.__init__, Sequential.forward, Sequential.__iter__, Sequential.__len__,
#               Sequential.__getitem__
#   small       Flatten.__init__, Flatten.forward, ReLU.forward, LeakyReLU.__init__,
#               LeakyReLU.forward, Softmax.__init__, Softmax.forward, LogSoftmax.__init__,
#               LogSoftmax.forward
#   printing    Module.__repr__
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
        raise NotImplementedError("kata 03: Parameter.__init__")


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
        raise NotImplementedError("kata 03: Module.__call__")

    def modules(self) -> Iterator[Module]:
        """This module and every part of it, each once, a whole before its parts.

        Example:
            >>> [type(m).__name__ for m in Sequential(Linear(2, 3), ReLU()).modules()]
            ['Sequential', 'Linear', 'ReLU']

        Source: torch.nn.Module.modules
        """
        raise NotImplementedError("kata 03: Module.modules")

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its name, in the order of the attributes; a shared one once.

        Example:
            >>> [(name, p.shape) for name, p in Sequential(Linear(2, 3), ReLU()).named_parameters()]
            [('0.weight', (3, 2)), ('0.bias', (3,))]

        Source: torch.nn.Module.named_parameters
        """
        raise NotImplementedError("kata 03: Module.named_parameters")

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter, each once: what an optimizer is given.

        Example:
            >>> sum(p.size for p in Linear(784, 128).parameters())
            100480

        Source: torch.nn.Module.parameters
        """
        raise NotImplementedError("kata 03: Module.parameters")

    def train(self, mode: bool = True) -> Self:
        """Switch this module and every part of it to training (or, with False, to evaluation).

        Returns:
            The module itself.

        Source: torch.nn.Module.train
        """
        raise NotImplementedError("kata 03: Module.train")

    def eval(self) -> Self:
        """Switch this module and every part of it to evaluation: `train(False)`.

        Source: torch.nn.Module.eval
        """
        raise NotImplementedError("kata 03: Module.eval")

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter: `.grad` becomes None.

        Source: torch.nn.Module.zero_grad
        """
        raise NotImplementedError("kata 03: Module.zero_grad")

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
        raise NotImplementedError("kata 03: Module.state_dict")

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
        raise NotImplementedError("kata 03: Module.load_state_dict")

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
        raise NotImplementedError("kata 03: Module.__repr__")


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
        raise NotImplementedError("kata 03: Linear.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to the last axis.

        Args:
            x: (..., in_features).

        Returns:
            (..., out_features).

        Raises:
            ValueError: the last axis of x has another size; the message names in_features and the shape of x.
        """
        raise NotImplementedError("kata 03: Linear.forward")


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
        raise NotImplementedError("kata 03: Dropout.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Draw a new mask, and apply it.

        Args:
            x: any shape.

        Returns:
            The shape and dtype of x.
        """
        raise NotImplementedError("kata 03: Dropout.forward")


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
        raise NotImplementedError("kata 03: Sequential.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply every module in turn."""
        raise NotImplementedError("kata 03: Sequential.forward")

    def __iter__(self) -> Iterator[Module]:
        """The modules, in order."""
        raise NotImplementedError("kata 03: Sequential.__iter__")

    def __len__(self) -> int:
        """How many modules there are."""
        raise NotImplementedError("kata 03: Sequential.__len__")

    def __getitem__(self, index: int) -> Module:
        """One module by its position; negative positions count from the end."""
        raise NotImplementedError("kata 03: Sequential.__getitem__")


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
        raise NotImplementedError("kata 03: Flatten.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Merge the axes."""
        raise NotImplementedError("kata 03: Flatten.forward")


# ---- the activations of kata 02 as modules, so that they can stand in a Sequential ---------------


class ReLU(Module):
    """`relu` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply relu."""
        raise NotImplementedError("kata 03: ReLU.forward")


class LeakyReLU(Module):
    """`leaky_relu` as a module.

    Args:
        negative_slope: the slope on the left.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        raise NotImplementedError("kata 03: LeakyReLU.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply leaky_relu."""
        raise NotImplementedError("kata 03: LeakyReLU.forward")


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


class Softmax(Module):
    """`softmax` as a module.

    Args:
        axis: the axis that sums to 1; also spelled `dim`.
    """

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        raise NotImplementedError("kata 03: Softmax.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply softmax along the axis."""
        raise NotImplementedError("kata 03: Softmax.forward")


class LogSoftmax(Module):
    """`log_softmax` as a module.

    Args:
        axis: the axis along which e**out sums to 1; also spelled `dim`.
    """

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        raise NotImplementedError("kata 03: LogSoftmax.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply log_softmax along the axis."""
        raise NotImplementedError("kata 03: LogSoftmax.forward")
