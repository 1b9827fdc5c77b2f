# Stub of kata 04, generated from reference/tinytorch/losses.py by: make stubs
# Write in this order; make test-04 says what comes next:
#   regression     mse_loss, l1_loss
#   yes_or_no      binary_cross_entropy_with_logits
#   likelihood     nll_loss
#   cross_entropy  cross_entropy
#   modules        MSELoss.__init__, MSELoss.forward, L1Loss.__init__, L1Loss.forward,
#                  BCEWithLogitsLoss.__init__, BCEWithLogitsLoss.forward, NLLLoss.__init__,
#                  NLLLoss.forward, CrossEntropyLoss.__init__, CrossEntropyLoss.forward
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
    raise NotImplementedError("kata 04: mse_loss")


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
    raise NotImplementedError("kata 04: l1_loss")


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
    raise NotImplementedError("kata 04: binary_cross_entropy_with_logits")


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
    raise NotImplementedError("kata 04: nll_loss")


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
    raise NotImplementedError("kata 04: cross_entropy")


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
        raise NotImplementedError("kata 04: MSELoss.__init__")

    def forward(self, input: Tensor, target: Any) -> Tensor:
        raise NotImplementedError("kata 04: MSELoss.forward")


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
        raise NotImplementedError("kata 04: L1Loss.__init__")

    def forward(self, input: Tensor, target: Any) -> Tensor:
        raise NotImplementedError("kata 04: L1Loss.forward")


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
        raise NotImplementedError("kata 04: BCEWithLogitsLoss.__init__")

    def forward(self, input: Tensor, target: Any) -> Tensor:
        raise NotImplementedError("kata 04: BCEWithLogitsLoss.forward")


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
        raise NotImplementedError("kata 04: NLLLoss.__init__")

    def forward(self, input: Tensor, target: Any) -> Tensor:
        raise NotImplementedError("kata 04: NLLLoss.forward")


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
        raise NotImplementedError("kata 04: CrossEntropyLoss.__init__")

    def forward(self, input: Tensor, target: Any) -> Tensor:
        raise NotImplementedError("kata 04: CrossEntropyLoss.forward")
