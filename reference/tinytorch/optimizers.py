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
        self.param_groups = [{**defaults, **group} for group in _groups(params)]
        for group in self.param_groups:
            _check_options(group)
        parameters = self._parameters()
        _check_parameters(parameters)
        self.state = [{} for _ in parameters]
        self._scratch: dict[np.dtype[Any], Array] = {}

    def zero_grad(self) -> None:
        """Forget all gradients: `.grad` of every parameter becomes None.

        Source: torch.optim.Optimizer.zero_grad
        """
        for parameter in self._parameters():
            parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient; the others, and their state, stay as they are.

        Raises:
            ValueError: a gradient has another shape than its parameter.

        Source: torch.optim.Optimizer.step
        """
        entries = [(p, group) for group in self.param_groups for p in group["params"]]
        for (parameter, group), state in zip(entries, self.state, strict=True):
            if parameter.grad is None:
                continue
            if parameter.grad.shape != parameter.shape:
                raise ValueError(
                    f"a parameter of shape {parameter.shape} has a gradient of shape"
                    f" {parameter.grad.shape}: they must be equal"
                )
            self.update(parameter.data, parameter.grad, state, group)

    # kata: given
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

    # kata: end

    def state_dict(self) -> dict[str, Any]:
        """Everything but the parameters themselves that the next step depends on.

        Returns:
            {"state": {i: {name: array or number}}, "param_groups": [{option: value, ..., "params":
            [i, ...]}]}, where i numbers the parameters over all groups. A parameter that was never
            updated has no entry. Arrays are copies: later steps do not change them.

        Source: torch.optim.Optimizer.state_dict
        """
        numbers = iter(range(len(self.state)))
        groups = [
            {**group, "params": [next(numbers) for _ in group["params"]]}
            for group in self.param_groups
        ]
        state = {i: _copied(entry) for i, entry in enumerate(self.state) if entry}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as the optimizer whose `state_dict()` this was: its options, and its state, copied.

        Args:
            state_dict: from an optimizer of the same kind with parameters of the same shapes.

        Raises:
            ValueError: it does not fit; the message names what differs, and nothing is loaded.

        Source: torch.optim.Optimizer.load_state_dict
        """
        problem = self._mismatch(state_dict)
        if problem:
            raise ValueError(f"this state is not of this optimizer: {problem}; nothing was loaded")
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({name: value for name, value in saved.items() if name != "params"})
        for i, parameter in enumerate(self._parameters()):
            self.state[i] = _copied(state_dict["state"].get(i, {}), parameter.dtype)

    def _parameters(self) -> list[Tensor]:
        """All parameters, in order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _mismatch(self, saved: Any) -> str:
        """What keeps a state from fitting, or nothing."""
        if not isinstance(saved, dict):
            return f"a dict is expected; got {type(saved).__name__}"
        kinds = (("state", dict), ("param_groups", list))
        if not all(isinstance(saved.get(name), kind) for name, kind in kinds):
            return f"it has {sorted(map(str, saved))} where 'state' and 'param_groups' are expected"
        if len(saved["param_groups"]) != len(self.param_groups):
            return f"{len(saved['param_groups'])} groups, here {len(self.param_groups)}"
        for i, (old, new) in enumerate(zip(saved["param_groups"], self.param_groups, strict=True)):
            if set(old) != set(new):
                return f"group {i} has the options {sorted(old)}, here {sorted(new)}"
            if len(old["params"]) != len(new["params"]):
                return f"group {i} has {len(old['params'])} parameters, here {len(new['params'])}"
        shapes = {i: p.shape for i, p in enumerate(self._parameters())}
        for i, entry in saved["state"].items():
            if i not in shapes:
                return f"it has a parameter {i}, here they are numbered from 0 to {len(shapes) - 1}"
            for name, value in entry.items():
                if isinstance(value, np.ndarray) and value.shape != shapes[i]:
                    return f"{name} of parameter {i} is {value.shape}, the parameter {shapes[i]}"
        return ""

    def _blocks(self, *arrays: Array) -> Iterator[list[Array]]:
        """Corresponding pieces of equal arrays, and two pieces of scratch memory like them.

        An update passes over its arrays a dozen times. Piece by piece, all passes but the first
        find their numbers in the cache. Every piece is a view, so writing to it writes to the array.
        """
        if all(a.flags.c_contiguous for a in arrays):
            arrays = tuple([a.reshape(-1) for a in arrays])
        length, size = len(arrays[0]), arrays[0].size
        rows = max(1, BLOCK * length // max(1, size))
        for start in range(0, length, rows):
            pieces = [a[start : start + rows] for a in arrays]
            yield [*pieces, *self._scratch_like(pieces[0])]

    def _scratch_like(self, piece: Array) -> list[Array]:
        """Two arrays of any content, shaped like the piece, in memory that is kept for next time."""
        scratch = self._scratch.get(piece.dtype)
        if scratch is None or scratch.shape[1] < piece.size:
            scratch = self._scratch[piece.dtype] = np.empty((2, piece.size), piece.dtype)
        return [half[: piece.size].reshape(piece.shape) for half in scratch]


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
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening}
        super().__init__(params, {**defaults, "weight_decay": weight_decay, "nesterov": nesterov})

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        lr, momentum = float(options["lr"]), float(options["momentum"])
        first = "momentum_buffer" not in state
        if momentum and first:
            state["momentum_buffer"] = np.zeros_like(data)
        share = 1.0 if first else 1.0 - float(options["dampening"])
        buffer = state["momentum_buffer"] if momentum else gradient
        for p, g, b, x, y in self._blocks(data, gradient, buffer):
            g = _decayed(g, p, options, out=x)
            if momentum:
                b *= momentum
                b += g if share == 1.0 else np.multiply(g, share, out=y)
                g = np.add(np.multiply(b, momentum, out=y), g, out=y) if options["nesterov"] else b
            p -= np.multiply(g, lr, out=y)


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
        defaults = {"lr": lr, "alpha": alpha, "eps": eps}
        super().__init__(params, {**defaults, "weight_decay": weight_decay, "momentum": momentum})

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        lr, alpha, eps = (float(options[name]) for name in ("lr", "alpha", "eps"))
        momentum = float(options["momentum"])
        for name in ("square_avg", "momentum_buffer") if momentum else ("square_avg",):
            if name not in state:
                state[name] = np.zeros_like(data)
        squares = state["square_avg"]
        for p, g, v, b, x, y in self._blocks(
            data, gradient, squares, state.get("momentum_buffer", squares)
        ):
            g = _decayed(g, p, options, out=y)
            _average(v, np.multiply(g, g, out=x), alpha, out=x)
            np.add(np.sqrt(v, out=x), eps, out=x)
            np.divide(g, x, out=x)
            if momentum:
                b *= momentum
                b += x
            p -= np.multiply(b if momentum else x, lr, out=x)


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
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(data), exp_avg_sq=np.zeros_like(data))
        state["step"] += 1
        beta1, beta2 = map(float, options["betas"])
        # the corrections are numbers, so they are applied to numbers: lr and eps, not to m and v
        root = math.sqrt(1 - beta2 ** state["step"])
        rate = float(options["lr"]) * root / (1 - beta1 ** state["step"])
        eps = float(options["eps"]) * root
        for p, g, m, v, x, y in self._blocks(data, gradient, state["exp_avg"], state["exp_avg_sq"]):
            g = _decayed(g, p, options, out=y)
            _average(m, g, beta1, out=x)
            _average(v, np.multiply(g, g, out=x), beta2, out=x)
            np.add(np.sqrt(v, out=x), eps, out=x)
            p -= np.multiply(np.divide(m, x, out=x), rate, out=x)


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
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(
        self, data: Array, gradient: Array, state: dict[str, Any], options: dict[str, Any]
    ) -> None:
        data *= 1 - float(options["lr"]) * float(options["weight_decay"])
        super().update(data, gradient, state, {**options, "weight_decay": 0.0})


# ---- what the updates have in common -------------------------------------------------------------


def _decayed(gradient: Array, data: Array, options: dict[str, Any], out: Array) -> Array:
    """The gradient of the loss plus weight_decay / 2 * the sum of squares of the parameters."""
    decay = float(options["weight_decay"])
    if not decay:
        return gradient
    total: Array = np.add(np.multiply(data, decay, out=out), gradient, out=out)
    return total


def _average(average: Array, values: Array, beta: float, out: Array) -> None:
    """average = beta * average + (1 - beta) * values, in place; `out` is scratch memory."""
    average *= beta
    average += np.multiply(values, 1 - beta, out=out)


# ---- checks --------------------------------------------------------------------------------------


def _groups(params: Iterable[Any]) -> list[dict[str, Any]]:
    """Parameters, or groups of them, as groups with lists."""
    if isinstance(params, (Tensor, dict)):
        raise TypeError(
            f"params is an iterable of tensors or of groups; got a single {type(params).__name__}:"
            " put it in a list"
        )
    entries = list(params)
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        entries = [{"params": entries}]
    for group in entries:
        if "params" not in group:
            raise ValueError(f"a group needs its parameters under 'params'; got {sorted(group)}")
    lists = [[g["params"]] if isinstance(g["params"], Tensor) else g["params"] for g in entries]
    return [{**g, "params": list(p)} for g, p in zip(entries, lists, strict=True)]


def _check_parameters(parameters: list[Any]) -> None:
    """Every parameter is a leaf that requires a gradient, and there is only one of each."""
    if not parameters:
        raise ValueError(
            "there is no parameter to optimize; got an empty list (a generator is empty once it was used)"
        )
    seen: dict[int, int] = {}
    for i, parameter in enumerate(parameters):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"parameter {i} is no tensor; got {parameter!r} ({type(parameter).__name__})"
            )
        name = f"parameter {i}, of shape {parameter.shape},"
        if not parameter.requires_grad:
            raise ValueError(
                f"{name} requires no gradient, so it would never move: make it with requires_grad=True, or leave it out"
            )
        if parameter.note is not None:
            raise ValueError(
                f"{name} was computed from other tensors, so backward() leaves no gradient in it: optimize those"
            )
        if id(parameter) in seen:
            raise ValueError(
                f"{name} is the same as parameter {seen[id(parameter)]}: list it once, or it moves twice in a step"
            )
        seen[id(parameter)] = i


def _check_options(options: dict[str, Any]) -> None:
    """Every option is in range."""
    for name in ("lr", "momentum", "weight_decay", "eps", "alpha"):
        if not options.get(name, 0) >= 0:
            raise ValueError(f"{name} is 0 or more; got {options[name]}")
    for beta in options.get("betas", ()):
        if not 0 <= beta < 1:
            raise ValueError(
                f"each of betas is from 0 up to, not including, 1; got {options['betas']}"
            )
    if options.get("nesterov") and (not options["momentum"] or options["dampening"]):
        raise ValueError(
            f"nesterov needs momentum above 0 and dampening 0; got momentum {options['momentum']},"
            f" dampening {options['dampening']}"
        )


def _copied(entry: dict[str, Any], dtype: np.dtype[Any] | None = None) -> dict[str, Any]:
    """One parameter's state with arrays of its own."""
    return {k: np.array(v, dtype) if isinstance(v, np.ndarray) else v for k, v in entry.items()}
