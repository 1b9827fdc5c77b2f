# Stub of kata 02, generated from reference/tinytorch/activations.py by: make stubs
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
    raise NotImplementedError("kata 02: relu")


@primitive
def leaky_relu(x: Array, /, negative_slope: float = 0.01) -> Array:
    """Leaky ReLU: out = x where x > 0, else negative_slope * x."""
    raise NotImplementedError("kata 02: leaky_relu")


@primitive
def sigmoid(x: Array, /) -> Array:
    """Logistic function: out = 1 / (1 + e**-x)."""
    raise NotImplementedError("kata 02: sigmoid")


@primitive
def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent."""
    raise NotImplementedError("kata 02: tanh")


@primitive
def softplus(x: Array, /) -> Array:
    """A smooth ReLU: out = log(1 + e**x)."""
    raise NotImplementedError("kata 02: softplus")


@primitive
def silu(x: Array, /) -> Array:
    """Sigmoid linear unit: out = x * sigmoid(x)."""
    raise NotImplementedError("kata 02: silu")


@primitive
def gelu(x: Array, /) -> Array:
    """Gaussian error linear unit, tanh form."""
    raise NotImplementedError("kata 02: gelu")


@primitive
def softmax(x: Array, /, axis: int = -1) -> Array:
    """Softmax along an axis: out = e**x / sum of e**x."""
    raise NotImplementedError("kata 02: softmax")


@primitive
def log_softmax(x: Array, /, axis: int = -1) -> Array:
    """Logarithm of the softmax along an axis."""
    raise NotImplementedError("kata 02: log_softmax")
