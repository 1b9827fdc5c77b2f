"""Kata 07. Training: the loop, and everything that makes a loop trustworthy.

One step is always the same: clear the gradients, compute the loss, walk back, clip, update, move the
schedule. Around it stand what a long run needs: batches that can be drawn again, evaluation that
changes nothing, and a checkpoint from which training goes on as if it had never stopped.
"""

from __future__ import annotations

import copy
import json
import math
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.autograd import no_grad
from tinytorch.door import Array, default_generator
from tinytorch.layers import Module
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import Optimizer
from tinytorch.tensor import Tensor

Callback = Callable[["Trainer", str], object]
Measure = Callable[[Tensor, Array], Any]

FORMAT = "tinytorch checkpoint"
VERSION = 1
COUNTERS = ("epoch", "steps", "seen", "loss_sum", "seed")  # what a checkpoint keeps of a trainer


# ---- data in batches -----------------------------------------------------------------------------


def accuracy(logits: Tensor | Array, targets: Tensor | Array) -> float:
    """The share of rows whose largest logit is the target class.

    Args:
        logits: (N, C), one score for each class.
        targets: (N,), integers from 0 to C - 1.

    Returns:
        A Python float from 0 to 1.

    Raises:
        ValueError: the shapes are not (N, C) and (N,); the message names both.

    Example:
        >>> accuracy(np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), np.array([0, 1, 1]))
        0.6666666666666666
    """
    scores, classes = _array(logits), _array(targets)
    if scores.ndim != 2 or classes.shape != scores.shape[:1]:
        raise ValueError(
            f"accuracy takes logits (N, C) and targets (N,); got {scores.shape} and {classes.shape}: pass class numbers, not one-hot rows"
        )
    return float((scores.argmax(axis=1) == classes).mean())


def batches(
    count: int, batch_size: int, seed: int = 0, epoch: int = 0, start: int = 0
) -> list[Array]:
    """The indices of one epoch, shuffled and cut into batches; the last batch may be shorter.

    The order follows from the pair (seed, epoch) alone: nothing is drawn from `default_generator`,
    so an epoch can be shuffled again after a restart.

    Args:
        count: how many samples there are.
        batch_size: indices in a batch.
        seed: of the whole training.
        epoch: 0 for the first; every epoch has another order.
        start: how many samples of this epoch have been seen already; these are left out.

    Returns:
        Arrays of integers; together they hold every index once (the first `start` of the order excepted).

    Raises:
        ValueError: `batch_size` is less than 1, or `count` is negative.

    Example:
        >>> sorted(len(b) for b in batches(7, 3))
        [1, 3, 3]

    Source: torch.utils.data.DataLoader
    """
    if batch_size < 1 or count < 0:
        raise ValueError(
            f"batches needs batch_size >= 1 and count >= 0; got batch_size={batch_size}, count={count}"
        )
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return [order[i : i + batch_size] for i in range(start, count, batch_size)]


# ---- learning rates ------------------------------------------------------------------------------


class Schedule:
    """A learning rate that depends on how many optimizer steps have been made.

    Building a schedule takes every group's `lr` as its base and sets the rate of step 0; each
    `step()` sets the rate of the next. A subclass only says the rate at a step: `lr_at`.

    Args:
        optimizer: whose `param_groups` are set.

    Attributes:
        steps: how many steps have been made.
        base_lrs: the `lr` each group had when the schedule was built.

    Source: torch.optim.lr_scheduler.LRScheduler
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._move_to(0, [float(group["lr"]) for group in optimizer.param_groups])

    # kata: given
    def lr_at(self, base_lr: float, step: int) -> float:
        """The rate after `step` steps of a group whose base is `base_lr`; every schedule has its own."""
        raise TypeError(
            f"{type(self).__name__} does not say its rate: define lr_at(self, base_lr, step)"
        )

    # kata: end

    def step(self) -> None:
        """Count one optimizer step and set `lr` in every parameter group."""
        self._move_to(self.steps + 1, self.base_lrs)

    def get_last_lr(self) -> list[float]:
        """The rate each group has now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on: the count of steps and the base rates."""
        return {"steps": self.steps, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another schedule was, and set its rates.

        Raises:
            ValueError: it was saved for another number of parameter groups, or has a step that this
                schedule does not reach; nothing is changed then.
        """
        if len(state["base_lrs"]) != len(self.optimizer.param_groups):
            raise ValueError(
                f"the schedule was saved for {len(state['base_lrs'])} parameter groups, this optimizer has {len(self.optimizer.param_groups)}"
            )
        self._move_to(state["steps"], list(state["base_lrs"]))

    def _rates(self, step: int, base_lrs: list[float]) -> list[float]:
        """The rate of every group at a step, or the error of a step that is refused."""
        return [self.lr_at(base_lr, step) for base_lr in base_lrs]

    def _move_to(self, step: int, base_lrs: list[float]) -> None:
        """Compute every rate first, so that a refused step changes nothing."""
        rates = self._rates(step, base_lrs)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.steps, self.base_lrs = step, base_lrs


class StepLR(Schedule):
    """Multiply the rate by gamma every `step_size` steps: lr = base * gamma ** floor(t / step_size).

    Args:
        optimizer: whose rate is set.
        step_size: steps between two drops.
        gamma: the factor.

    Raises:
        ValueError: `step_size` is less than 1.

    Source: torch.optim.lr_scheduler.StepLR
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = _at_least_one("step_size", step_size)
        self.gamma = gamma
        super().__init__(optimizer)

    def lr_at(self, base_lr: float, step: int) -> float:
        """base_lr * gamma ** floor(step / step_size)"""
        return base_lr * self.gamma ** (step // self.step_size)


class LinearWarmup(Schedule):
    """Grow on a straight line from base * start_factor to base in `total_iters` steps, then stay.

    Args:
        optimizer: whose rate is set.
        start_factor: the share of the base rate at step 0.
        total_iters: the step at which the base rate is reached.

    Raises:
        ValueError: `total_iters` is less than 1.

    Source: torch.optim.lr_scheduler.LinearLR
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, total_iters: int = 5
    ) -> None:
        self.start_factor = start_factor
        self.total_iters = _at_least_one("total_iters", total_iters)
        super().__init__(optimizer)

    def lr_at(self, base_lr: float, step: int) -> float:
        """base_lr * (start_factor + (1 - start_factor) * min(step / total_iters, 1))"""
        share = min(step / self.total_iters, 1.0)
        return base_lr * (self.start_factor + (1 - self.start_factor) * share)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the base rate down to eta_min in `T_max` steps (and up again after that).

    lr = eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2

    Args:
        optimizer: whose rate is set.
        T_max: the step at which eta_min is reached.
        eta_min: the rate at step T_max.

    Raises:
        ValueError: `T_max` is less than 1.

    Source: torch.optim.lr_scheduler.CosineAnnealingLR; SGDR, Loshchilov and Hutter 2017
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = _at_least_one("T_max", T_max)
        self.eta_min = eta_min
        super().__init__(optimizer)

    def lr_at(self, base_lr: float, step: int) -> float:
        """eta_min + (base_lr - eta_min) * (1 + cos(pi * step / T_max)) / 2"""
        return _cosine(base_lr, self.eta_min, step / self.T_max)


class OneCycleLR(Schedule):
    """Up along half a cosine to max_lr, then down along another to almost nothing.

    The rate starts at max_lr / div_factor, has its peak at step p = pct_start * total_steps - 1, and
    ends at max_lr / div_factor / final_div_factor at step total_steps - 1. Where p is 0 or less there
    is no way up, and where it is total_steps - 1 none down. The base rate of the optimizer plays no
    part.

    Args:
        optimizer: whose rate is set.
        max_lr: the peak.
        total_steps: optimizer steps in the whole training: epochs * ceil(samples / batch_size).
        pct_start: the share of the steps that go up, from 0 to 1.
        div_factor: the peak divided by the first rate.
        final_div_factor: the first rate divided by the last.

    Raises:
        ValueError: `total_steps` is no whole number of at least 1, `pct_start` is no share, or
            `step()` is called more than `total_steps` times.

    Source: torch.optim.lr_scheduler.OneCycleLR with cycle_momentum=False; Smith and Topin 2018
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start is a share of 1, from 0 to 1; got {pct_start}: try 0.3")
        self.max_lr, self.pct_start = max_lr, pct_start
        self.total_steps = _at_least_one("total_steps", total_steps)
        self.first_lr = max_lr / div_factor
        self.last_lr = self.first_lr / final_div_factor
        super().__init__(optimizer)

    def lr_at(self, base_lr: float, step: int) -> float:
        """With c(u) = (1 + cos(pi * u)) / 2, which falls from 1 to 0, first_lr = max_lr / div_factor:

        up, t <= p:   max_lr + (first_lr - max_lr) * c(t / p), at p = 0 max_lr
        down, t > p:  last_lr + (max_lr - last_lr) * c((t - p) / (total_steps - 1 - p))
        """
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR was built for total_steps={self.total_steps}, this is step {step}: count them as epochs * ceil(samples / batch_size)"
            )
        peak = self.pct_start * self.total_steps - 1
        if step <= peak:
            return _cosine(self.first_lr, self.max_lr, step / peak if peak else 1.0)
        way_down = self.total_steps - 1 - peak  # 0 where all steps go up
        return _cosine(self.max_lr, self.last_lr, (step - peak) / max(way_down, step - peak))


def _cosine(start: float, end: float, share: float) -> float:
    """From start to end along half a cosine; the share of the way runs from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _at_least_one(name: str, value: int) -> int:
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
    return value


# ---- gradients -----------------------------------------------------------------------------------


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together, in place, so that their common norm is at most `max_norm`.

    All gradients count as one long vector: norm = sqrt(sum over all parameters of sum(grad ** 2)).
    If norm is above max_norm or nan, each is multiplied by max_norm / (norm + 1e-6): the direction stays.
    A nan in one gradient makes all of them nan: whoever goes on with the others trains unclipped.

    Args:
        parameters: one tensor or any iterable of them; those without a gradient are passed over.
        max_norm: the largest norm allowed.

    Returns:
        The norm before scaling, as a Python float (0.0 if there is no gradient at all).

    Raises:
        ValueError: `max_norm` is not positive.

    Example:
        >>> p = Tensor([0.0, 0.0], requires_grad=True)
        >>> p.grad = np.array([3.0, 4.0])
        >>> clip_grad_norm_(p, 1.0), p.grad.round(3).tolist()
        (5.0, [0.6, 0.8])

    Source: torch.nn.utils.clip_grad_norm_
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be positive; got {max_norm}")
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    gradients = [p.grad for p in tensors if p.grad is not None]
    norm = _norm(gradients)
    if not norm <= max_norm:  # nan is not
        factor = max_norm / (norm + 1e-6)
        for gradient in gradients:
            gradient *= factor
    return norm


def _norm(gradients: list[Array]) -> float:
    """The root of the sum of all squares, of numbers divided by about the largest: none overflows."""
    largest = float(np.max([np.abs(g).max(initial=0.0) for g in gradients], initial=0.0))
    if not 0 < largest < math.inf:  # 0, inf or nan
        return largest
    scale = 2.0 ** (math.frexp(largest)[1] - 1)  # a power of 2: dividing by it rounds nothing
    squares = (np.square(np.divide(g, scale, dtype=np.float64)).sum() for g in gradients)
    return scale * math.sqrt(sum(map(float, squares)))


# ---- the loop ------------------------------------------------------------------------------------


# kata: given
@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within this block Ctrl-C waits; KeyboardInterrupt is raised when the block has ended.

    An update that is half done cannot be resumed, so each one is made in such a block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python gives Ctrl-C to the main thread only
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:  # also where the block raises: its error becomes the context
            signal.raise_signal(signal.SIGINT)


# kata: end


class Trainer:
    """Trains a model on arrays, keeps the books, and can be stopped and resumed at any step.

    Args:
        model: takes a tensor (N, ...), returns logits.
        optimizer: holds the model's parameters.
        loss: takes (logits, targets), returns the mean over the samples as a scalar tensor.
        schedule: moved after every optimizer step, if given.
        clip: the largest common norm of the gradients, if given.
        accumulate: in how many parts a batch is worked through; the numbers stay the same, only
            the memory falls. Class numbers that the loss ignores (-100, or the `ignore_index` of a
            loss that has one) count for nothing, here and in `evaluate`.
        seed: of the shuffling.
        callbacks: each is called as `callback(trainer, event)`, with event "step" after every
            optimizer step and "epoch" after every epoch.
        metrics: what `evaluate` reports beside the loss, under the function's name; each takes
            (logits, targets) and returns a mean over the samples.

    Attributes:
        model, optimizer, schedule, callbacks: as given; callbacks is a list, to which more may be added.
        history: one dict an epoch: epoch (from 1), loss (the mean over its samples, in train mode),
            lr (after its last step), and val_loss, val_accuracy if `fit` was given validation data.
        epoch: how many epochs are finished.
        steps: how many optimizer steps have been made.
        seen: how many samples of the current epoch have been used.
        loss_sum: the sum of their losses.
        last_loss: the loss of the last step (nan before the first), for callbacks.

    Raises:
        ValueError: `accumulate` is less than 1.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Measure = cross_entropy,
        schedule: Schedule | None = None,
        clip: float | None = None,
        accumulate: int = 1,
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
        metrics: Sequence[Measure] = (accuracy,),
    ) -> None:
        self.model, self.optimizer, self.loss, self.schedule = model, optimizer, loss, schedule
        self.clip, self.accumulate, self.seed = clip, _at_least_one("accumulate", accumulate), seed
        self.callbacks, self.metrics = list(callbacks), tuple(metrics)
        self.history: list[dict[str, float]] = []
        self.epoch = self.steps = self.seen = 0
        self.loss_sum, self.last_loss = 0.0, math.nan

    def train_step(self, x: Array, y: Array) -> float:
        """One optimizer step on one batch.

        Clears the gradients; sends `accumulate` parts of the batch (as equal as can be) forward and
        back, each part's loss weighted by its share of the targets that count, so that the gradients
        add up to that of the mean over the batch; clips; updates; moves the schedule; counts the
        step, the samples and their loss.

        Args:
            x: (N, ...), the inputs.
            y: (N, ...), the targets.

        Returns:
            The mean loss over the batch, before the update.

        Raises:
            ValueError: the loss is not finite: parameters, schedule and counters are left as they
                were. Or the schedule has no further step: `steps` is the number of updates made. Or
                x and y differ in length or are empty.
        """
        x, y = _pair(x, y)
        if self.schedule is not None:  # if it refuses its next step, then before anything has moved
            self.schedule._rates(self.schedule.steps + 1, self.schedule.base_lrs)
        self.optimizer.zero_grad()
        self.model.zero_grad()  # of a part of the model that the optimizer does not hold, too
        count, counted = min(self.accumulate, len(x)), self._counted(y)
        parts = zip(np.array_split(x, count), np.array_split(y, count), strict=True)
        loss = 0.0
        for part in parts:
            share = self._counted(part[1]) / counted if counted else 1.0
            if share:  # the mean over no target is nan
                loss += self._backward(*part, share)
        if self.clip is not None:
            clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        self.steps += 1
        self.seen += len(x)
        self.loss_sum += loss * len(x)
        self.last_loss = loss
        return loss

    def _counted(self, y: Array) -> int:
        """Over how many targets the loss is a mean: all but the class numbers that it ignores."""
        ignored = getattr(self.loss, "ignore_index", -100)
        return int((y != ignored).sum()) if y.dtype.kind in "iu" else y.size

    def _backward(self, x: Array, y: Array, share: float) -> float:
        """Add the gradient of one part of a batch; returns the part's share of the loss."""
        loss = self.loss(self.model(Tensor(x)), y) * share
        value = float(loss.item())
        if not math.isfinite(value):
            raise ValueError(
                f"the loss is {value} at step {self.steps + 1} (epoch {self.epoch + 1}), and no update was made: look for nan in x, lower the learning rate, or set clip=1.0"
            )
        loss.backward()
        return value

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int,
        batch_size: int = 32,
        validation: tuple[Any, Any] | None = None,
    ) -> list[dict[str, float]]:
        """Train until `epochs` epochs are finished, counted from the trainer's very first one.

        The count is of all epochs, not of further ones: a second call with the same arguments does
        nothing, and after an interrupt or `load_checkpoint` the same line goes on at the very sample
        where training stopped. Every step is made in train mode, whatever a callback has set, and
        inside `uninterrupted()`, its callbacks too: no step is made that they are not told of.

        Args:
            x: (N, ...), array or tensor.
            y: (N, ...), array or tensor.
            epochs: when to stop.
            batch_size: samples in an optimizer step; the last step of an epoch may have fewer.
            validation: a pair (x, y) that is evaluated after each epoch.

        Returns:
            The history.

        Raises:
            ValueError: x and y differ in length or are empty, or `batch_size` is less than 1.
            KeyboardInterrupt: Ctrl-C, between two steps: the trainer is whole, and `fit` resumes.
        """
        inputs, targets = _pair(x, y)
        _at_least_one("batch_size", batch_size)
        while self.epoch < epochs:
            for indices in batches(len(inputs), batch_size, self.seed, self.epoch, self.seen):
                with uninterrupted():
                    self.model.train()
                    self.train_step(inputs[indices], targets[indices])
                    self._tell("step")
            self._finish_epoch(validation, batch_size)
        return self.history

    def _finish_epoch(self, validation: tuple[Any, Any] | None, batch_size: int) -> None:
        """Write the epoch's line of the history, begin the next, and tell the callbacks."""
        record = {
            "epoch": self.epoch + 1,
            "loss": self.loss_sum / self.seen,
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        if validation is not None:
            record |= {
                f"val_{name}": value
                for name, value in self.evaluate(*validation, batch_size).items()
            }
        with uninterrupted():
            self.history.append(record)
            self.epoch += 1
            self.seen, self.loss_sum = 0, 0.0
            self._tell("epoch")

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            callback(self, event)

    def evaluate(self, x: Any, y: Any, batch_size: int = 256) -> dict[str, float]:
        """The mean loss and metrics over all samples; nothing is changed by looking.

        Runs in eval mode and without notes (`no_grad`), and puts every part of the model back into
        the mode it was in, also when something raises. A short last batch counts by its number of
        samples, for the loss by its number of targets that are not ignored.

        Args:
            x: (N, ...), array or tensor.
            y: (N, ...), array or tensor.
            batch_size: samples at a time; it changes the memory needed, not the result.

        Returns:
            {"loss": ..., "accuracy": ...}: the loss and each metric by its name.

        Raises:
            ValueError: x and y differ in length or are empty, or `batch_size` is less than 1.
        """
        inputs, targets = _pair(x, y)
        measures = {"loss": self.loss} | {metric.__name__: metric for metric in self.metrics}
        totals = dict.fromkeys(measures, 0.0)
        weights = dict.fromkeys(measures, 0)
        with _evaluating(self.model), no_grad():
            for i in range(0, len(inputs), _at_least_one("batch_size", batch_size)):
                part = targets[i : i + batch_size]
                logits = self.model(Tensor(inputs[i : i + batch_size]))
                for name, measure in measures.items():
                    weight = self._counted(part) if name == "loss" else len(part)
                    if weight:
                        totals[name] += float(measure(logits, part)) * weight
                        weights[name] += weight
        return {name: total / (weights[name] or math.nan) for name, total in totals.items()}

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on, as nested dicts and lists of plain values.

        That is: the state of model, optimizer and schedule (None without one), the counters epoch,
        steps, seen and loss_sum, the history, the seed, and the state of `default_generator`, from
        which dropout draws.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule is not None else None,
            "books": {name: getattr(self, name) for name in COUNTERS}
            | {"history": copy.deepcopy(self.history)},
            "generator": default_generator.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the trainer whose state this is; `default_generator` is set as well.

        Raises:
            ValueError: the state does not fit: another model, optimizer, or one of the two has a
                schedule and the other has none. Whatever is raised, everything is as it was.
        """
        before = self.state_dict()
        try:
            self._become(state)
        except BaseException:
            self._become(before)
            raise

    def _become(self, state: dict[str, Any]) -> None:
        """Take over one part of the state after the other."""
        if (state["schedule"] is None) != (self.schedule is None):
            raise ValueError(
                f"the state has {'no' if state['schedule'] is None else 'a'} schedule, this trainer has {'none' if self.schedule is None else 'one'}"
            )
        self.model.load_state_dict(state["model"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        # the optimizer last: a rate that was set by hand holds too
        self.optimizer.load_state_dict(state["optimizer"])
        for name in COUNTERS:
            setattr(self, name, state["books"][name])
        self.history[:] = copy.deepcopy(state["books"]["history"])
        default_generator.bit_generator.state = state["generator"]


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Within this block the model is in eval mode; then each part is in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def print_progress(trainer: Trainer, event: str) -> None:
    """A callback that prints one line an epoch: every value of the history's last entry.

    Example, for an entry {"epoch": 3, "loss": 0.25, "lr": 0.1}:
        epoch 3  loss 0.25  lr 0.1
    (four significant digits, two spaces between)
    """
    if event == "epoch":
        print("  ".join(f"{name} {value:.4g}" for name, value in trainer.history[-1].items()))


def _array(values: Any) -> Array:
    return values.data if isinstance(values, Tensor) else np.asarray(values)


def _pair(x: Any, y: Any) -> tuple[Array, Array]:
    """Inputs and targets as arrays of one length."""
    inputs, targets = _array(x), _array(y)
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise ValueError(
            f"x and y need one length, at least 1; got {len(inputs)} and {len(targets)} samples"
        )
    return inputs, targets


# ---- checkpoints ---------------------------------------------------------------------------------


def save_checkpoint(path: str | os.PathLike[str], trainer: Trainer) -> None:
    """Write a trainer's state to a file that is there whole or not at all.

    The file is an .npz archive: the arrays of the state, and one array `header`, the bytes (uint8)
    of a JSON text {"format": "tinytorch checkpoint", "version": 1, "state": ...} that says where in
    the state each array stands. Nothing in it can run code: no pickle.
    It is written beside `path` under another name, forced to the disk (`os.fsync`), and only then
    takes its name in one move (`os.replace`): whatever happens, `path` holds the old file or the new.

    Args:
        path: the file, with any ending; its folder exists.
        trainer: anything with a `state_dict()` of arrays, numbers, texts, None, and lists, tuples
            and dicts of these.

    Raises:
        TypeError: something else stands in the state; no file is written.
    """
    members = _members(trainer.state_dict())
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **members)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike[str], trainer: Trainer) -> None:
    """Give a trainer the state that `save_checkpoint` wrote: it goes on bit for bit as that one would.

    The whole file is read and checked before anything is changed, and `load_state_dict` takes over
    all of the state or none of it.

    Args:
        path: the file.
        trainer: built like the one that was saved.

    Raises:
        ValueError: the file is damaged, is no checkpoint, is of another version, or does not fit
            the trainer; the message names the file, and the trainer is as it was.
        FileNotFoundError: there is no such file.

    Source: the same job as torch.save and torch.load, without pickle
    """
    state = _read(Path(path))
    try:
        trainer.load_state_dict(state)
    except Exception as error:
        raise ValueError(
            f"{path} does not fit this trainer, which was left as it is: {error}. Build model, optimizer and schedule as when it was saved"
        ) from error


def _read(path: Path) -> Any:
    """The state in a checkpoint. A zip archive has a checksum for each member, compared when all of it is read."""
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes())
                form, version = header["format"], header["version"]
                if form != FORMAT:
                    raise ValueError(f"its format is {form!r}")
                if version == VERSION:  # another may have another layout
                    arrays = {name: archive[name] for name in archive.files}
                    state = _unpack(header["state"], arrays)
        except Exception as error:  # whatever is wrong with it, it is no checkpoint
            raise ValueError(
                f"{path} is no whole tinytorch checkpoint ({type(error).__name__}: {error}): it is damaged, cut short, or another kind of file; use an earlier one"
            ) from None
    if version != VERSION:
        raise ValueError(
            f"{path} has version {version} of the checkpoint format, this code reads version {VERSION}: load it with the code that wrote it"
        )
    return state


def _members(state: Any) -> dict[str, Any]:
    """What the archive holds: the header, and the arrays under their numbers."""
    arrays: list[Array] = []
    tree = {"format": FORMAT, "version": VERSION, "state": _pack(state, arrays)}
    header = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    return {"header": header} | {str(number): array for number, array in enumerate(arrays)}


def _pack(value: Any, arrays: list[Array]) -> Any:
    """Nested values as JSON takes them; each array goes to the list and leaves its number."""
    if isinstance(value, (np.ndarray, np.generic)):
        arrays.append(np.asarray(value))
        if value.dtype.kind in "fiub":
            kind = "array" if isinstance(value, np.ndarray) else "number"
            return {kind: str(len(arrays) - 1)}
    elif isinstance(value, dict):
        return {"dict": [[_pack(k, arrays), _pack(v, arrays)] for k, v in value.items()]}
    elif isinstance(value, (list, tuple)):
        return {"tuple" if isinstance(value, tuple) else "list": [_pack(v, arrays) for v in value]}
    elif value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"a checkpoint holds arrays, numbers, texts, None, and lists, tuples and dicts of these; got {value!r} ({type(value).__name__})"
    )


def _unpack(value: Any, arrays: dict[str, Array]) -> Any:
    """What `_pack` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind in ("array", "number"):
        return arrays[inner] if kind == "array" else arrays[inner][()]
    if kind == "dict":
        return {_unpack(k, arrays): _unpack(v, arrays) for k, v in inner}
    return (tuple if kind == "tuple" else list)(_unpack(v, arrays) for v in inner)
