# Stub of kata 07, generated from reference/tinytorch/training.py by: make stubs
# Write in this order; make test-07 says what comes next:
#   measuring    accuracy
#   batching     batches
#   schedule     Schedule.__init__, Schedule.step, Schedule.get_last_lr, Schedule.state_dict,
#                Schedule.load_state_dict
#   rates        StepLR.__init__, StepLR.lr_at, LinearWarmup.__init__, LinearWarmup.lr_at,
#                CosineAnnealingLR.__init__, CosineAnnealingLR.lr_at, OneCycleLR.__init__,
#                OneCycleLR.lr_at
#   clipping     clip_grad_norm_
#   step         Trainer.__init__, Trainer.train_step
#   loop         Trainer.fit
#   evaluation   Trainer.evaluate
#   watching     print_progress
#   checkpoints  Trainer.state_dict, Trainer.load_state_dict, save_checkpoint, load_checkpoint
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
    raise NotImplementedError("kata 07: accuracy")


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
    raise NotImplementedError("kata 07: batches")


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
        raise NotImplementedError("kata 07: Schedule.__init__")

    def lr_at(self, base_lr: float, step: int) -> float:
        """The rate after `step` steps of a group whose base is `base_lr`; every schedule has its own."""
        raise TypeError(
            f"{type(self).__name__} does not say its rate: define lr_at(self, base_lr, step)"
        )

    def step(self) -> None:
        """Count one optimizer step and set `lr` in every parameter group."""
        raise NotImplementedError("kata 07: Schedule.step")

    def get_last_lr(self) -> list[float]:
        """The rate each group has now."""
        raise NotImplementedError("kata 07: Schedule.get_last_lr")

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on: the count of steps and the base rates."""
        raise NotImplementedError("kata 07: Schedule.state_dict")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another schedule was, and set its rates.

        Raises:
            ValueError: it was saved for another number of parameter groups, or has a step that this
                schedule does not reach; nothing is changed then.
        """
        raise NotImplementedError("kata 07: Schedule.load_state_dict")


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
        raise NotImplementedError("kata 07: StepLR.__init__")

    def lr_at(self, base_lr: float, step: int) -> float:
        """base_lr * gamma ** floor(step / step_size)"""
        raise NotImplementedError("kata 07: StepLR.lr_at")


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
        raise NotImplementedError("kata 07: LinearWarmup.__init__")

    def lr_at(self, base_lr: float, step: int) -> float:
        """base_lr * (start_factor + (1 - start_factor) * min(step / total_iters, 1))"""
        raise NotImplementedError("kata 07: LinearWarmup.lr_at")


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
        raise NotImplementedError("kata 07: CosineAnnealingLR.__init__")

    def lr_at(self, base_lr: float, step: int) -> float:
        """eta_min + (base_lr - eta_min) * (1 + cos(pi * step / T_max)) / 2"""
        raise NotImplementedError("kata 07: CosineAnnealingLR.lr_at")


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
        raise NotImplementedError("kata 07: OneCycleLR.__init__")

    def lr_at(self, base_lr: float, step: int) -> float:
        """With c(u) = (1 + cos(pi * u)) / 2, which falls from 1 to 0, first_lr = max_lr / div_factor:

        up, t <= p:   max_lr + (first_lr - max_lr) * c(t / p), at p = 0 max_lr
        down, t > p:  last_lr + (max_lr - last_lr) * c((t - p) / (total_steps - 1 - p))
        """
        raise NotImplementedError("kata 07: OneCycleLR.lr_at")


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
    raise NotImplementedError("kata 07: clip_grad_norm_")


# ---- the loop ------------------------------------------------------------------------------------


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
        raise NotImplementedError("kata 07: Trainer.__init__")

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
        raise NotImplementedError("kata 07: Trainer.train_step")


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
        raise NotImplementedError("kata 07: Trainer.fit")


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
        raise NotImplementedError("kata 07: Trainer.evaluate")

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on, as nested dicts and lists of plain values.

        That is: the state of model, optimizer and schedule (None without one), the counters epoch,
        steps, seen and loss_sum, the history, the seed, and the state of `default_generator`, from
        which dropout draws.
        """
        raise NotImplementedError("kata 07: Trainer.state_dict")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the trainer whose state this is; `default_generator` is set as well.

        Raises:
            ValueError: the state does not fit: another model, optimizer, or one of the two has a
                schedule and the other has none. Whatever is raised, everything is as it was.
        """
        raise NotImplementedError("kata 07: Trainer.load_state_dict")


def print_progress(trainer: Trainer, event: str) -> None:
    """A callback that prints one line an epoch: every value of the history's last entry.

    Example, for an entry {"epoch": 3, "loss": 0.25, "lr": 0.1}:
        epoch 3  loss 0.25  lr 0.1
    (four significant digits, two spaces between)
    """
    raise NotImplementedError("kata 07: print_progress")


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
    raise NotImplementedError("kata 07: save_checkpoint")


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
    raise NotImplementedError("kata 07: load_checkpoint")
