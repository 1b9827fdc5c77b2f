# Stub of kata 06, generated from reference/tinytorch/optimizers.py by: make stubs
# Write in this order; make test-06 says what comes next:
#   base     Optimizer.__init__, Optimizer.zero_grad, Optimizer.step
#   sgd      SGD.__init__, SGD.update
#   rmsprop  RMSprop.__init__, RMSprop.update
#   adam     Adam.__init__, Adam.update, AdamW.__init__, AdamW.update
#   saving   Optimizer.state_dict, Optimizer.load_state_dict
"""Kata 06. Optimizers: from gradients to better parameters, in place.

An optimizer walks over its parameters, skips those without a gradient, and hands each of the others
to one method, `update`, with what it remembers of it. Everything is written into the parameter's
own array, so layers keep what they hold, and a step allocates nothing once it has run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tinytorch.door import Array
from tinytorch.names import OptimizerBase
from tinytorch.tensor import Tensor

BLOCK = 1 << 17  # elements that are updated at a time: the arrays of one block fit in the cache


class Optimizer(OptimizerBase):
    """What all optimizers share: groups of parameters, a state for each, and a step.

    Args:
        params: tensors that require a gradient (a list, or any iterable such as
            `model.parameters()`), or groups: dicts with such an iterable under "params", and
            options that differ from the defaults, such as {"params": [w], "lr": 0.1}.
        defaults: the options of groups that do not say otherwise, by name.

    Attributes:
        param_groups: a list of dicts: "params", a list of tensors, and every option by name. A step
            reads the options anew, so `param_groups[0]["lr"] = 0.01` changes the rate.
        state: for each parameter, in order, a dict of what `update` remembers of it; empty at first.

    Raises:
        TypeError: `params` is a single tensor or dict, or holds something else than tensors.
        ValueError: there is no parameter, one is listed twice, requires no gradient or was computed
            from others, or an option is out of range.

    Source: torch.optim.Optimizer
    """

    param_groups: list[dict[str, Any]]
    state: list[dict[str, Any]]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        raise NotImplementedError("kata 06: Optimizer.__init__")

    def zero_grad(self) -> None:
        """Forget all gradients: `.grad` of every parameter becomes None.

        Source: torch.optim.Optimizer.zero_grad
        """
        raise NotImplementedError("kata 06: Optimizer.zero_grad")

    def step(self) -> None:
        """Update every parameter that has a gradient; the others, and their state, stay as they are.

        Raises:
            ValueError: a gradient has another shape than its parameter.

        Source: torch.optim.Optimizer.step
        """
        raise NotImplementedError("kata 06: Optimizer.step")

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        """Move one parameter, in place. Every optimizer has its own; `step` calls it.

        Args:
            data: the parameter's array; the new values are written into it.
            gradient: of the same shape; only read, and not kept beyond the call.
            state: what this method remembers of this parameter, changed in place.
            options: the parameter's group, for lr and the like.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def state_dict(self) -> dict[str, Any]:
        """Everything but the parameters themselves that the next step depends on.

        Returns:
            {"state": {i: {name: array or number}}, "param_groups": [{option: value, ..., "params":
            [i, ...]}]}, where i numbers the parameters over all groups. A parameter that was never
            updated has no entry. Arrays are copies: later steps do not change them.

        Source: torch.optim.Optimizer.state_dict
        """
        raise NotImplementedError("kata 06: Optimizer.state_dict")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as the optimizer whose `state_dict()` this was: its options, and its state, copied.

        Args:
            state_dict: from an optimizer of the same kind with parameters of the same shapes.

        Raises:
            ValueError: it does not fit; the message names what differs, and nothing is loaded.

        Source: torch.optim.Optimizer.load_state_dict
        """
        raise NotImplementedError("kata 06: Optimizer.load_state_dict")


class SGD(Optimizer):
    """Stochastic gradient descent, p -= lr * g, with momentum.

    With weight_decay w the gradient is g + w * p. With momentum m a buffer b takes its place: at
    the first step b = g, later b = m * b + (1 - dampening) * g; with nesterov g + m * b does.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        momentum: m, from 0 (none) up, usually 0.9.
        dampening: how much of each later gradient the buffer leaves out.
        weight_decay: w.
        nesterov: look ahead; needs momentum and no dampening.

    State: momentum_buffer, if there is momentum.

    Example:
        >>> p = Tensor([1.0, -2.0], requires_grad=True)
        >>> p.grad = np.array([0.5, 0.5], np.float32)
        >>> SGD([p], lr=0.5).step()
        >>> p
        Tensor([ 0.75, -2.25], requires_grad=True)

    Source: torch.optim.SGD; Sutskever et al. 2013
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        raise NotImplementedError("kata 06: SGD.__init__")

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        raise NotImplementedError("kata 06: SGD.update")


class RMSprop(Optimizer):
    """Gradient descent with a rate for each element, by the recent size of its gradients.

    v = alpha * v + (1 - alpha) * g**2 starts at 0; p -= lr * g / (sqrt(v) + eps). With weight_decay
    w the gradient is g + w * p; with momentum m the buffer b = m * b + g / (sqrt(v) + eps) is what
    lr is multiplied by.

    Args:
        params: see `Optimizer`.
        lr: the learning rate.
        alpha: how slowly the average of squares forgets.
        eps: keeps the quotient finite; outside the root.
        weight_decay: w.
        momentum: m, from 0 (none) up.

    State: square_avg, and momentum_buffer if there is momentum.

    Source: torch.optim.RMSprop; Hinton, Coursera lecture 6e, 2012
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ) -> None:
        raise NotImplementedError("kata 06: RMSprop.__init__")

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        raise NotImplementedError("kata 06: RMSprop.update")


class Adam(Optimizer):
    """Momentum and a rate for each element at once, both averages corrected for their start at 0.

    At a parameter's t-th step
        m = beta1 * m + (1 - beta1) * g            v = beta2 * v + (1 - beta2) * g**2
        p -= lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)
    With weight_decay w the gradient is g + w * p.

    Args:
        params: see `Optimizer`.
        lr: the learning rate, about how far an element moves in a step.
        betas: (beta1, beta2), how slowly the averages forget.
        eps: keeps the quotient finite; outside the root.
        weight_decay: w.

    State: step (t), exp_avg (m), exp_avg_sq (v).

    Example:
        >>> p = Tensor([1.0, -2.0], requires_grad=True)
        >>> p.grad = np.array([0.001, -1000.0], np.float32)
        >>> Adam([p], lr=0.25).step()
        >>> p.data.round(4).tolist()
        [0.75, -1.75]

    Source: torch.optim.Adam; Kingma and Ba 2014
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        raise NotImplementedError("kata 06: Adam.__init__")

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        raise NotImplementedError("kata 06: Adam.update")


class AdamW(Adam):
    """Adam whose weight decay does not pass through the averages: first p -= lr * w * p.

    In Adam the decay is divided by sqrt(v) like everything else, so weights with large gradients
    hardly decay. Here every weight does, by the same share.

    Args:
        params, lr, betas, eps: as in `Adam`.
        weight_decay: w.

    State: as in `Adam`.

    Source: torch.optim.AdamW; Loshchilov and Hutter 2017
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        raise NotImplementedError("kata 06: AdamW.__init__")

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        raise NotImplementedError("kata 06: AdamW.update")


# ---- what the updates have in common -------------------------------------------------------------


# ---- checks --------------------------------------------------------------------------------------
