# Stub of kata 02, generated from reference/tinytorch/activations.py by: make stubs
# Write in this order; make test-02 says what comes next:
#   rectifiers  relu, leaky_relu
#   sigmoids    sigmoid, tanh, softplus
#   smooth      silu, gelu
#   softmax     softmax, log_softmax
"""Kata 02. Activations: the bends between linear layers, stable at any size of input.

Each is a primitive: a function on arrays behind the door of kata 01. e**x is the dangerous part: it
overflows above x = 709 in float64 and above 88 in float32, so every formula is arranged such that a
large exponential never meets another one.
"""

from __future__ import annotations

import math

import numpy as np

from tinytorch.door import Array, primitive

# Python floats: a constant of type np.float64 would turn a float32 input into float64.
GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


@primitive
def relu(x: Array, /) -> Array:
    """Rectified linear unit: out = max(x, 0).

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x, as for every activation.

    Example:
        >>> relu([-2.0, 0.0, 3.0])
        Tensor([0., 0., 3.])

    Source: torch.relu; Nair and Hinton 2010
    """
    raise NotImplementedError("kata 02: relu")


@primitive
def leaky_relu(x: Array, /, negative_slope: float = 0.01) -> Array:
    """A ReLU that lets a little through: out = x where x > 0, else negative_slope * x.

    Args:
        x: any shape.
        negative_slope: the slope on the left; any number, also above 1 or below 0.

    Example:
        >>> leaky_relu([-2.0, 0.0, 3.0], 0.25)
        Tensor([-0.5,  0. ,  3. ])

    Source: torch.nn.functional.leaky_relu
    """
    raise NotImplementedError("kata 02: leaky_relu")


@primitive
def sigmoid(x: Array, /) -> Array:
    """The logistic function, from 0 to 1: out = 1 / (1 + e**-x).

    Keeps its relative accuracy far to the left, where it is close to e**x: tiny, not 0.

    Args:
        x: any shape.

    Example:
        >>> sigmoid([-1000.0, 0.0, 1.0986123])
        Tensor([0.  , 0.5 , 0.75])

    Source: torch.sigmoid
    """
    raise NotImplementedError("kata 02: sigmoid")


@primitive
def tanh(x: Array, /) -> Array:
    """The hyperbolic tangent, from -1 to 1: out = (e**x - e**-x) / (e**x + e**-x).

    Args:
        x: any shape.

    Example:
        >>> tanh([-1000.0, 0.0, 1.0986123])
        Tensor([-1. ,  0. ,  0.8])

    Source: torch.tanh
    """
    raise NotImplementedError("kata 02: tanh")


@primitive
def softplus(x: Array, /) -> Array:
    """A smooth ReLU: out = log(1 + e**x) = max(x, 0) + log(1 + e**-|x|).

    Close to x far to the right, close to e**x (tiny, not 0) far to the left.

    Args:
        x: any shape.

    Example:
        >>> softplus([-1000.0, 0.0, 50.0])
        Tensor([ 0.       ,  0.6931472, 50.       ])

    Source: torch.nn.functional.softplus
    """
    raise NotImplementedError("kata 02: softplus")


@primitive
def silu(x: Array, /) -> Array:
    """Sigmoid linear unit, also called swish: out = x * sigmoid(x).

    Args:
        x: any shape.

    Example:
        >>> silu([-1000.0, 0.0, 1.0986123])
        Tensor([-0.        ,  0.        ,  0.82395923])

    Source: torch.nn.functional.silu; Elfwing, Uchibe and Doya 2017
    """
    raise NotImplementedError("kata 02: silu")


@primitive
def gelu(x: Array, /) -> Array:
    """Gaussian error linear unit, tanh form: out = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3))).

    The tanh form is the one GPT-2 uses; it is within 0.0005 of x times the normal distribution function.

    Args:
        x: any shape.

    Example:
        >>> gelu([-1000.0, 0.0, 1.0])
        Tensor([-0.      ,  0.      ,  0.841192])

    Source: torch.nn.functional.gelu(approximate="tanh"); Hendrycks and Gimpel 2016
    """
    raise NotImplementedError("kata 02: gelu")


@primitive
def softmax(x: Array, /, axis: int = -1) -> Array:
    """Turn scores into probabilities along an axis: out = e**x / (sum of e**x along the axis).

    Subtracting the largest score along the axis changes nothing but keeps e**x at 1 or below.

    Args:
        x: scores, any shape; -inf is a score that gets probability 0.
        axis: the axis along which the result sums to 1; also spelled `dim`.

    Raises:
        IndexError: x has no such axis.

    Example:
        >>> softmax([[0.0, 1.0986123], [1000.0, 1000.0]])
        Tensor([[0.25, 0.75],
                [0.5 , 0.5 ]])

    Source: torch.softmax
    """
    raise NotImplementedError("kata 02: softmax")


@primitive
def log_softmax(x: Array, /, axis: int = -1) -> Array:
    """The logarithm of the softmax along an axis: out = x - log(sum of e**x along the axis).

    Finite also where the softmax itself rounds to 0, which is why losses start from it.

    Args:
        x: scores, any shape; -inf stays -inf.
        axis: the axis along which e**out sums to 1; also spelled `dim`.

    Raises:
        IndexError: x has no such axis.

    Example:
        >>> log_softmax([0.0, 0.0])
        Tensor([-0.6931472, -0.6931472])
        >>> log_softmax([0.0, 1000.0])
        Tensor([-1000.,     0.])

    Source: torch.log_softmax
    """
    raise NotImplementedError("kata 02: log_softmax")
