"""Kata 04. Losses: one number that says how wrong a prediction is.

Every loss is composed of tensor operations, so kata 05 needs no rule for any of them. Classifiers
hand over logits, never probabilities: the logarithm is taken in here, where log-sum-exp keeps it
finite. A target is a constant, unless it requires a gradient itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.activations import log_softmax, softplus
from tinytorch.door import Array
from tinytorch.layers import Module
from tinytorch.tensor import Tensor, where

# ---- numbers against numbers ---------------------------------------------------------------------


def mse_loss(input: Tensor, target: Any, *, reduction: str = "mean") -> Tensor:
    """Squared error: loss_i = (input_i - target_i)**2.

    Args:
        input: predictions, any shape.
        target: a tensor, array or list of the same shape; it takes the dtype of the input
            (float32 for integers).
        reduction: "mean" averages over all elements, "sum" adds them up, "none" keeps them.

    Returns:
        A scalar, or for "none" the shape of the input.

    Raises:
        ValueError: the shapes differ (nothing is broadcast), or the reduction is unknown.

    Example:
        >>> mse_loss(Tensor([[1.0, 2.0], [3.0, 6.0]]), [[1.0, 4.0], [3.0, 2.0]])
        Tensor(5.)

    Source: torch.nn.functional.mse_loss
    """
    input, target = _pair("mse_loss", input, target)
    difference = input - target
    return _reduce(difference * difference, reduction)


def l1_loss(input: Tensor, target: Any, *, reduction: str = "mean") -> Tensor:
    """Absolute error: loss_i = |input_i - target_i|.

    Args:
        input: predictions, any shape.
        target: a tensor, array or list of the same shape; it takes the dtype of the input
            (float32 for integers).
        reduction: "mean" averages over all elements, "sum" adds them up, "none" keeps them.

    Returns:
        A scalar, or for "none" the shape of the input.

    Raises:
        ValueError: the shapes differ (nothing is broadcast), or the reduction is unknown.

    Example:
        >>> l1_loss(Tensor([1.0, 2.0]), [1.5, 0.0], reduction="none")
        Tensor([0.5, 2. ])

    Source: torch.nn.functional.l1_loss
    """
    input, target = _pair("l1_loss", input, target)
    return _reduce((input - target).abs(), reduction)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Any, *, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of yes-no questions: -(y log p + (1 - y) log(1 - p)) with p = sigmoid(z).

    Since -log sigmoid(z) = softplus(-z) and 1 - sigmoid(z) = sigmoid(-z), neither p nor its
    logarithm is ever needed: the loss stays finite for every finite logit.

    Args:
        input: logits z, any shape.
        target: probabilities y in [0, 1], or 0 and 1, of the same shape.
        reduction: "mean" averages over all elements, "sum" adds them up, "none" keeps them.

    Returns:
        A scalar, or for "none" the shape of the input.

    Raises:
        ValueError: the shapes differ (nothing is broadcast), or the reduction is unknown.

    Example:
        >>> binary_cross_entropy_with_logits(Tensor([0.0, -1000.0]), [1, 1], reduction="none")
        Tensor([6.931472e-01, 1.000000e+03])

    Source: torch.nn.functional.binary_cross_entropy_with_logits
    """
    logits, target = _pair("binary_cross_entropy_with_logits", input, target)
    # two terms that are never negative: no digits cancel, however large the logit
    return _reduce(target * softplus(-logits) + (1 - target) * softplus(logits), reduction)


# ---- scores against class numbers ----------------------------------------------------------------


def nll_loss(
    input: Tensor, target: Any, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Negative log-likelihood: loss_n = -input[n, target_n].

    Args:
        input: log-probabilities, (N, C) or (N, C, d...): classes are on axis 1.
        target: class numbers 0 to C - 1, integers of shape (N,) or (N, d...).
        ignore_index: positions whose target is this number count for nothing.
        reduction: "mean" averages over the positions that count, "sum" adds them up, "none" keeps
            all, 0 where ignored.

    Returns:
        A scalar, or for "none" the shape of the target.

    Raises:
        TypeError: the targets are no integers.
        ValueError: shapes do not fit, or the reduction is unknown.
        IndexError: a class number is outside 0 to C - 1.

    Example:
        >>> nll_loss(Tensor([[-1.0, -2.0], [-0.5, -4.0]]), [1, 0])
        Tensor(1.25)

    Source: torch.nn.functional.nll_loss
    """
    input = _tensor(input)
    index, kept = _target_index("nll_loss", input, target, ignore_index)
    return _reduce(-input[index], reduction, kept)


def cross_entropy(
    input: Tensor,
    target: Any,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits against class numbers: loss_n = -log softmax(input_n)[target_n].

    With label smoothing s the wanted distribution is 1 - s on the target plus s / C on every class
    (the target among them): loss_n = -(1 - s) log p[target_n] - s * mean over classes of log p.

    Args:
        input: logits, (N, C) or (N, C, d...): classes are on axis 1.
        target: class numbers 0 to C - 1, integers of shape (N,) or (N, d...).
        ignore_index: positions whose target is this number count for nothing.
        reduction: "mean" averages over the positions that count, "sum" adds them up, "none" keeps
            all, 0 where ignored.
        label_smoothing: s, from 0 to 1.

    Returns:
        A scalar, or for "none" the shape of the target.

    Raises:
        TypeError: the targets are no integers.
        ValueError: shapes do not fit, the reduction is unknown, or s is outside [0, 1].
        IndexError: a class number is outside 0 to C - 1.

    Example:
        >>> cross_entropy(Tensor([[0.0, 0.0], [0.0, 1000.0]]), [0, 0], reduction="none")
        Tensor([6.931472e-01, 1.000000e+03])

    Source: torch.nn.functional.cross_entropy; label smoothing: Szegedy et al. 2015
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"label_smoothing is a share of 1, so from 0 to 1; got {label_smoothing}: try 0.1"
        )
    input = _tensor(input)
    index, kept = _target_index("cross_entropy", input, target, ignore_index)
    log_p = log_softmax(input, axis=1)  # (N, C, d...)
    losses = -log_p[index]  # (N, d...)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * log_p.mean(axis=1)
    return _reduce(losses, reduction, kept)


def _tensor(value: Any) -> Tensor:
    """A tensor as it is, with its history; arrays and lists as a new one."""
    return value if isinstance(value, Tensor) else Tensor(value)


def _pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Prediction and target as tensors of one shape: broadcasting would hide a mistake."""
    input = _tensor(input)
    if input.dtype.kind != "f":
        input = input * 1.0  # integers would cut the target, and have no -1 where they are unsigned
    if not (isinstance(target, Tensor) and target.requires_grad):
        values = target.data if isinstance(target, Tensor) else target
        target = Tensor(np.asarray(values, input.dtype))
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: the input has shape {input.shape}, the target {target.shape}: they must be"
            " equal, since broadcasting would compare every prediction with every target; reshape one"
        )
    return input, target


def _target_index(
    name: str, input: Tensor, target: Any, ignore_index: int
) -> tuple[tuple[Array, ...], Array]:
    """Where in (N, C, d...) the target classes stand, and which positions count, both (N, d...).

    One number per position is read, so no one-hot array of the size of the input is ever built.
    """
    classes = np.asarray(target.data if isinstance(target, Tensor) else target)
    if not classes.size:
        classes = classes.astype(int)  # an empty list is float64 to NumPy
    if classes.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: targets are class numbers, integers; got dtype {classes.dtype}: pass a list of"
            " ints or an integer array (Tensor([0, 1]) is float32; Tensor(np.array([0, 1])) is not)"
        )
    if input.ndim < 2 or classes.shape != input.shape[:1] + input.shape[2:]:
        raise ValueError(
            f"{name}: an input of shape (N, C, d...) needs targets of shape (N, d...); got input"
            f" {input.shape} and target {classes.shape}: classes are on axis 1 of the input"
        )
    kept = classes != ignore_index
    outside = kept & ((classes < 0) | (classes >= input.shape[1]))
    if outside.any():
        raise IndexError(
            f"{name}: class {classes[outside][0]} is outside 0 to {input.shape[1] - 1}, the input has"
            f" C = {input.shape[1]} classes on axis 1: number classes from 0, or set ignore_index"
        )
    places: list[Array] = list(np.indices(classes.shape, sparse=True))
    return (places[0], np.where(kept, classes, 0), *places[1:]), kept


def _reduce(losses: Tensor, reduction: str, kept: Array | None = None) -> Tensor:
    """One loss of many, over the positions that are kept (None: all)."""
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none'; got {reduction!r}")
    if kept is not None and not kept.all():
        losses = where(kept, losses, 0.0)
        if reduction == "mean":
            return losses.sum() / int(kept.sum())
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()


# ---- the same as modules -------------------------------------------------------------------------


class MSELoss(Module):
    """`mse_loss` as a module: called with (input, target), it returns their loss.

    Args:
        reduction: "mean", "sum" or "none".

    Example:
        >>> MSELoss()(Tensor([1.0, 2.0]), [1.0, 4.0])
        Tensor(2.)

    Source: torch.nn.MSELoss
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(Module):
    """`l1_loss` as a module: called with (input, target), it returns their loss.

    Args:
        reduction: "mean", "sum" or "none".

    Example:
        >>> L1Loss(reduction="sum")(Tensor([1.0, 2.0]), [1.0, 4.0])
        Tensor(2.)

    Source: torch.nn.L1Loss
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """`binary_cross_entropy_with_logits` as a module: called with (input, target), it returns their loss.

    Args:
        reduction: "mean", "sum" or "none".

    Example:
        >>> BCEWithLogitsLoss()(Tensor([0.0]), [1])
        Tensor(0.6931472)

    Source: torch.nn.BCEWithLogitsLoss
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return binary_cross_entropy_with_logits(input, target, reduction=self.reduction)


class NLLLoss(Module):
    """`nll_loss` as a module: called with (input, target), it returns their loss.

    Args:
        ignore_index, reduction: as in `nll_loss`, by keyword.

    Example:
        >>> NLLLoss()(Tensor([[-1.0, -2.0]]), [1])
        Tensor(2.)

    Source: torch.nn.NLLLoss
    """

    def __init__(self, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return nll_loss(input, target, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(Module):
    """`cross_entropy` as a module: called with (input, target), it returns their loss.

    Args:
        ignore_index, reduction, label_smoothing: as in `cross_entropy`, by keyword.

    Example:
        >>> CrossEntropyLoss(label_smoothing=0.1)(Tensor([[0.0, 0.0]]), [1])
        Tensor(0.6931472)

    Source: torch.nn.CrossEntropyLoss
    """

    def __init__(
        self, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        self.ignore_index, self.reduction = ignore_index, reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return cross_entropy(
            input,
            target,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
