"""Kata 02. Activations: the bends between linear layers, stable at any size of input.

Every one is a primitive: one pass over memory where a composition would take several.
"""

from __future__ import annotations

import math

import numpy as np

from tinytorch.tensor import Array, primitive

GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


@primitive
def relu(x: Array, /) -> Array:
    """Rectified linear unit: out = max(x, 0)."""
    return np.maximum(x, 0)


@primitive
def leaky_relu(x: Array, /, negative_slope: float = 0.01) -> Array:
    """Leaky ReLU: out = x where x > 0, else negative_slope * x."""
    return np.where(x > 0, x, x * negative_slope)


@primitive
def sigmoid(x: Array, /) -> Array:
    """Logistic function: out = 1 / (1 + e**-x)."""
    return _logistic(x)


@primitive
def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


@primitive
def softplus(x: Array, /) -> Array:
    """A smooth ReLU: out = log(1 + e**x)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@primitive
def silu(x: Array, /) -> Array:
    """Sigmoid linear unit: out = x * sigmoid(x)."""
    return x * _logistic(x)


@primitive
def gelu(x: Array, /) -> Array:
    """Gaussian error linear unit, tanh form."""
    return 0.5 * x * (1 + np.tanh(GELU_SCALE * (x + GELU_CUBIC * x**3)))


@primitive
def softmax(x: Array, /, axis: int = -1) -> Array:
    """Softmax along an axis: out = e**x / sum of e**x."""
    exponentials = np.exp(x - x.max(axis, keepdims=True))
    return exponentials / exponentials.sum(axis, keepdims=True)


@primitive
def log_softmax(x: Array, /, axis: int = -1) -> Array:
    """Logarithm of the softmax along an axis."""
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _logistic(x: Array) -> Array:
    """1 / (1 + e**-x) without overflow: the tanh of half the angle."""
    return 0.5 * (1 + np.tanh(0.5 * x))
