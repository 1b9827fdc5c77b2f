# Stub of kata 13, generated from reference/tinytorch/transformers.py by: make stubs
# Write in this order; make test-13 says what comes next:
#   normalizing  layer_norm, layer_normalization
#   slopes       layer_normalization_gradients
#   norms        LayerNorm.__init__, LayerNorm.forward
#   blocks       MLP.__init__, MLP.forward, TransformerBlock.__init__, TransformerBlock.forward
#   models       GPT.__init__, GPT.forward
#   sampling     token_probabilities
#   writing      GPT.generate
"""Kata 13. Transformers: blocks that read a text and write into it, and a GPT that goes on with one.

A vector runs along each position of the text, the residual stream. Each block reads it twice,
normalized, and adds what it found: attention brings news from other positions, the MLP thinks about
what is there. Nothing is overwritten, so gradients reach the first layer unhindered. At the end every
position says how likely each token is to come next; to write, draw one, append it, and ask again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.activations import gelu
from tinytorch.attention import MultiHeadAttention
from tinytorch.autograd import defvjp_fused, no_grad
from tinytorch.dataloader import whole
from tinytorch.door import Array, composite, default_generator, primitive
from tinytorch.embeddings import Embedding, LearnedPositionalEmbedding
from tinytorch.layers import Dropout, Linear, Module, Parameter
from tinytorch.tensor import Tensor, randn

NUMBERS = (int, float, np.integer, np.floating)  # what an option may be that is a number

# ---- layer normalization -------------------------------------------------------------------------


@composite
def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each row to mean 0 and variance 1: out = (x - mean) / sqrt(var + eps) * weight + bias.

    A row is what the last axes hold, those of normalized_shape. Mean and variance (divisor n) are its
    own: no row sees another one, and training and evaluating are the same.

    Args:
        x: (..., *normalized_shape).
        normalized_shape: the sizes of the last axes; a number is one axis.
        weight, bias: of normalized_shape, or None, which are 1 and 0.
        eps: keeps the root away from 0.

    Returns:
        the shape and dtype of x.

    Raises:
        ValueError: x does not end with normalized_shape, weight or bias has another shape (the message
            names both), or normalized_shape is no size.

    Example:
        >>> layer_norm(Tensor([[1.0, 3.0], [10.0, 50.0]]), 2, eps=0.0).tolist()
        [[-1.0, 1.0], [-1.0, 1.0]]

    Source: torch.nn.functional.layer_norm; Ba, Kiros and Hinton 2016
    """
    raise NotImplementedError("kata 13: layer_norm")


@primitive
def layer_normalization(
    x: Array, weight: Any, bias: Any, /, size: int, eps: float
) -> tuple[Array, Any]:
    """`layer_norm` of rows of `size` numbers.

    Returns:
        the output, and what `layer_normalization_gradients` gets as `saved`.
    """
    raise NotImplementedError("kata 13: layer_normalization")


def layer_normalization_gradients(
    needed: Sequence[bool],
    g: Array,
    saved: Any,
    x: Array,
    weight: Any,
    bias: Any,
    size: int,
    **_: Any,
) -> list[Array | None]:
    """The fused rule of `layer_normalization`: the gradients of x, weight and bias.

    Mean and variance depend on every number of the row, and its gradient loses its mean and its part
    along the normalized numbers.

    Args:
        needed: whether x, weight and bias need a gradient.
        g: the cotangent, of the shape of x.
        saved: what `layer_normalization` returned beside its output.
        x, weight, bias, size: what `layer_normalization` was given; eps is not needed.
    """
    raise NotImplementedError("kata 13: layer_normalization_gradients")


defvjp_fused(layer_normalization, layer_normalization_gradients)


class LayerNorm(Module):
    """`layer_norm` with a weight and a bias of its own.

    Args:
        normalized_shape: the sizes of the last axes; a number is one axis.
        eps: keeps the root away from 0.
        elementwise_affine: whether there are weight and bias.
        bias: whether there is a bias, where there is a weight.

    Attributes:
        normalized_shape: a tuple of ints.
        eps, elementwise_affine: as they were given.
        weight: Parameter of normalized_shape, ones, float32; or None.
        bias: Parameter of normalized_shape, zeros, float32; or None.

    Raises:
        ValueError: a size is not a whole number of at least 1, or there is none.

    Example:
        >>> LayerNorm(128)(Tensor(np.zeros((8, 20, 128), np.float32))).shape
        (8, 20, 128)

    Source: torch.nn.LayerNorm
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        raise NotImplementedError("kata 13: LayerNorm.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last axes.

        Args:
            x: (..., *normalized_shape).

        Returns:
            the shape and dtype of x.

        Raises:
            ValueError: x ends with other sizes; the message names both.
        """
        raise NotImplementedError("kata 13: LayerNorm.forward")


# ---- the parts of a transformer ------------------------------------------------------------------


class MLP(Module):
    """Two layers with a GELU between: out = dropout(linear2(gelu(linear1(x)))).

    Args:
        embed_dim: D, the last axis of input and output.
        hidden_dim: how wide it is inside; None is 4 * embed_dim.
        dropout: the probability that a number of the output is dropped.
        bias: whether the two layers have a bias.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        linear1: Linear(embed_dim, hidden_dim).
        linear2: Linear(hidden_dim, embed_dim).

    Raises:
        ValueError: a size is not a whole number of at least 1, or dropout is not a probability.

    Example:
        >>> MLP(128)(Tensor(np.zeros((8, 20, 128), np.float32))).shape
        (8, 20, 128)

    Source: Vaswani et al. 2017, section 3.3; GPT-2
    """

    def __init__(
        self,
        embed_dim: int,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        raise NotImplementedError("kata 13: MLP.__init__")

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to the last axis.

        Args:
            x: (..., embed_dim).

        Returns:
            the shape of x.
        """
        raise NotImplementedError("kata 13: MLP.forward")


class TransformerBlock(Module):
    """One layer of a transformer, normalized before each part (pre-norm).

    h = x + dropout(self_attn(norm1(x))); out = h + mlp(norm2(h)).

    Args:
        embed_dim: D, the width of the residual stream.
        num_heads: of the attention; divides embed_dim.
        dropout: the probability that something is dropped: a weight of the attention, a number of
            what attention and MLP add.
        bias: whether norms, attention and MLP have biases.
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        norm1, norm2: LayerNorm(embed_dim).
        self_attn: MultiHeadAttention(embed_dim, num_heads).
        mlp: MLP(embed_dim).

    Raises:
        ValueError: a size is not a whole number of at least 1, num_heads does not divide embed_dim, or
            dropout is not a probability.

    Example:
        >>> TransformerBlock(128, 4)(Tensor(np.zeros((8, 20, 128), np.float32))).shape
        (8, 20, 128)

    Source: torch.nn.TransformerEncoderLayer(norm_first=True); Radford et al. 2019 (GPT-2)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        raise NotImplementedError("kata 13: TransformerBlock.__init__")

    def forward(self, x: Tensor, attn_mask: Any = None, is_causal: bool = False) -> Tensor:
        """Read from the residual stream twice, and add to it twice.

        Args:
            x: (B, T, D).
            attn_mask, is_causal: as for MultiHeadAttention.

        Returns:
            (B, T, D).
        """
        raise NotImplementedError("kata 13: TransformerBlock.forward")


# ---- a language model ----------------------------------------------------------------------------


class GPT(Module):
    """A decoder: tokens in, for each position the logits of the token that comes next.

    x = dropout(token_embedding(ids) + the rows of position_embedding), then n_layer causal blocks, then
    logits = lm_head(norm(x)). The table of the tokens and the weight of lm_head are one Parameter.

    All matrices start normal with standard deviation 0.02, those that end a branch (out_proj of the
    attention, linear2 of the MLP) with 0.02 / sqrt(2 * n_layer); biases start as 0, weights of norms as 1.

    Args:
        vocab_size: V, how many tokens there are.
        block_size: the longest text that it can read at once.
        n_layer: how many blocks.
        n_head: heads of each attention; divides n_embd.
        n_embd: D, the width of the residual stream.
        dropout: the probability that something is dropped, after the embeddings and in the blocks.
        bias: whether norms and layers have biases (lm_head has none).
        generator: what to draw from; None is the generator that `manual_seed` restarts.

    Attributes:
        token_embedding: Embedding(V, D).
        position_embedding: LearnedPositionalEmbedding(block_size, D).
        blocks: a list of TransformerBlocks.
        norm: LayerNorm(D).
        lm_head: Linear(D, V, bias=False), whose weight is that of token_embedding.
        vocab_size, block_size, n_layer, n_head, n_embd: as they were given, ints.

    Raises:
        ValueError: a size is not a whole number of at least 1, n_head does not divide n_embd, or dropout
            is not a probability.

    Example:
        >>> model = GPT(vocab_size=65, block_size=64, n_layer=2, n_head=4, n_embd=32)
        >>> model([[1, 2, 3]]).shape
        (1, 3, 65)

    Source: Radford et al. 2019 (GPT-2); Karpathy, nanoGPT
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        dropout: float = 0.0,
        bias: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        raise NotImplementedError("kata 13: GPT.__init__")

    def forward(self, ids: Any) -> Tensor:
        """The logits of the next token, at every position.

        Args:
            ids: (B, T), integers from 0 to V - 1; T from 1 to block_size.

        Returns:
            (B, T, V).

        Raises:
            ValueError: ids do not have two axes, or T is not from 1 to block_size; the message names it.
            TypeError, IndexError: as for `embedding`.
        """
        raise NotImplementedError("kata 13: GPT.forward")

    def generate(
        self,
        prompt: Any,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Array:
        """Go on with a text: draw a token, append it, and ask again.

        Each token is drawn by `token_probabilities` of the logits at the last position, which sees the
        last block_size tokens. The model is in eval mode meanwhile, and no notes are left.

        Args:
            prompt: ids (T,) or (B, T), T at least 1; it may be longer than block_size.
            max_new_tokens: how many tokens to append.
            temperature, top_k, top_p: as for `token_probabilities`.
            seed: of the draws; None draws from the generator that `manual_seed` restarts.

        Returns:
            (T + max_new_tokens,) or (B, T + max_new_tokens), int64: the prompt, and what came.

        Raises:
            ValueError: the prompt is empty or has other axes, or an option is out of range.
            TypeError, IndexError: ids of the prompt are none, as for `embedding`.

        Source: Hugging Face transformers, generate; nanoGPT
        """
        raise NotImplementedError("kata 13: GPT.generate")


# ---- what comes next -----------------------------------------------------------------------------


def token_probabilities(
    logits: Any, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """How likely each token is to be drawn: softmax(logits / temperature), of some of the tokens.

    top_k keeps the k most probable tokens, then top_p the fewest most probable ones that together have
    at least top_p of what is left. Of equally probable tokens that with the smaller id comes first. What
    is kept is divided by its sum.

    Args:
        logits: (..., V), a Tensor or an array.
        temperature: above 0; below 1 it sharpens, above 1 it flattens. Greedy is top_k=1.
        top_k: how many tokens are kept, from 1 to V; None keeps all.
        top_p: which share is kept, above 0 and up to 1; None keeps all, and so does 1.

    Returns:
        (..., V), float64, 0 for tokens that are not kept.

    Raises:
        ValueError: an option is out of range, or no token of a row can be drawn since its largest logit
            is nan or infinite; the message names the value.

    Example:
        >>> token_probabilities(np.log([1.0, 2.0, 5.0]), top_k=2).round(3).tolist()
        [0.0, 0.286, 0.714]

    Source: Holtzman et al. 2020 (top-p); Hugging Face transformers
    """
    raise NotImplementedError("kata 13: token_probabilities")
