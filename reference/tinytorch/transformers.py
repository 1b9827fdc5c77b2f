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
    shape = _shape(normalized_shape)
    for name, operand, last in (
        ("x", x, x.shape[max(0, x.ndim - len(shape)) :]),
        ("weight", weight, weight.shape if weight is not None else shape),
        ("bias", bias, bias.shape if bias is not None else shape),
    ):
        if last != shape and operand is not None:
            raise ValueError(
                f"layer_norm over {shape}: {name} has the shape {operand.shape}; x ends with "
                "normalized_shape, weight and bias have it"
            )
    return layer_normalization(x, weight, bias, math.prod(shape), eps)


@primitive
def layer_normalization(
    x: Array, weight: Any, bias: Any, /, size: int, eps: float
) -> tuple[Array, Any]:
    """`layer_norm` of rows of `size` numbers.

    Returns:
        the output, and what `layer_normalization_gradients` gets as `saved`.
    """
    rows = x.reshape(-1, size)  # (N, D)
    mean = rows @ np.ones(size, x.dtype) / size  # faster than a sum along an axis so short
    normal = rows - mean[:, np.newaxis]
    scale = 1 / np.sqrt(np.vecdot(normal, normal) / size + eps)  # (N,)
    normal *= scale[:, np.newaxis]
    out = normal if weight is None else normal * weight.reshape(size)
    if bias is not None:
        out = np.add(out, bias.reshape(size), out=None if out is normal else out)
    return out.reshape(x.shape), (normal, scale)


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
    normal, scale = saved
    g = g.reshape(-1, size)
    along = g * normal  # (N, D)
    weight_slope = _total(along).reshape(weight.shape) if needed[1] else None
    bias_slope = _total(g).reshape(bias.shape) if needed[2] else None
    if not needed[0]:
        return [None, weight_slope, bias_slope]
    factor = np.ones(size, g.dtype) if weight is None else weight.reshape(size)
    slope = g * factor
    slope -= (g @ factor / size)[:, np.newaxis]
    slope -= normal * (along @ factor / size)[:, np.newaxis]
    slope *= scale[:, np.newaxis]
    return [slope.reshape(x.shape), weight_slope, bias_slope]


defvjp_fused(layer_normalization, layer_normalization_gradients)


def _shape(normalized_shape: Any) -> tuple[int, ...]:
    """The sizes of the last axes, as ints."""
    one = isinstance(normalized_shape, (int, np.integer))
    sizes = (normalized_shape,) if one else normalized_shape
    if not isinstance(sizes, (tuple, list)) or not sizes:
        raise ValueError(
            f"normalized_shape is the size of the last axis or a tuple of sizes; got {sizes!r}"
        )
    return tuple(whole("normalized_shape", size, 1) for size in sizes)


def _total(rows: Array) -> Array:
    """The sum of all rows, (D,), added up in float64: many float32 numbers lose digits on the way."""
    total: Array = rows.sum(axis=0, dtype=np.float64)
    return total.astype(rows.dtype)


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
        shape = _shape(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last axes.

        Args:
            x: (..., *normalized_shape).

        Returns:
            the shape and dtype of x.

        Raises:
            ValueError: x ends with other sizes; the message names both.
        """
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


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
        width = whole("embed_dim", embed_dim, 1)
        inside = 4 * width if hidden_dim is None else whole("hidden_dim", hidden_dim, 1)
        self.dropout = Dropout(dropout, generator)
        self.linear1 = Linear(width, inside, bias, generator)
        self.linear2 = Linear(inside, width, bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to the last axis.

        Args:
            x: (..., embed_dim).

        Returns:
            the shape of x.
        """
        return self.dropout(self.linear2(gelu(self.linear1(x))))


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
        self.dropout = Dropout(dropout, generator)
        self.norm1 = LayerNorm(embed_dim, bias=bias)
        self.self_attn = MultiHeadAttention(
            embed_dim, num_heads, dropout=dropout, bias=bias, generator=generator
        )
        self.norm2 = LayerNorm(embed_dim, bias=bias)
        self.mlp = MLP(embed_dim, dropout=dropout, bias=bias, generator=generator)

    def forward(self, x: Tensor, attn_mask: Any = None, is_causal: bool = False) -> Tensor:
        """Read from the residual stream twice, and add to it twice.

        Args:
            x: (B, T, D).
            attn_mask, is_causal: as for MultiHeadAttention.

        Returns:
            (B, T, D).
        """
        seen = self.self_attn(self.norm1(x), attn_mask=attn_mask, is_causal=is_causal)
        x = x + self.dropout(seen)
        return x + self.mlp(self.norm2(x))


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
        self.vocab_size = whole("vocab_size", vocab_size, 1)
        self.block_size = whole("block_size", block_size, 1)
        self.n_layer = whole("n_layer", n_layer, 1)
        self.n_head = whole("n_head", n_head, 1)
        self.n_embd = whole("n_embd", n_embd, 1)
        if self.n_embd % self.n_head:
            raise ValueError(
                f"n_head={n_head} does not divide n_embd={n_embd}: heads share the width; make n_embd a multiple of n_head"
            )
        self.dropout = Dropout(dropout, generator)
        self.token_embedding = Embedding(self.vocab_size, self.n_embd, generator=generator)
        self.position_embedding = LearnedPositionalEmbedding(
            self.block_size, self.n_embd, generator
        )
        options = (self.n_embd, self.n_head, dropout, bias, generator)
        self.blocks = [TransformerBlock(*options) for _ in range(self.n_layer)]
        self.norm = LayerNorm(self.n_embd, bias=bias)
        self.lm_head = Linear(self.n_embd, self.vocab_size, bias=False, generator=generator)
        self.lm_head.weight = self.token_embedding.weight
        _start(self, generator)

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
        x = self.token_embedding(ids)  # (B, T, D)
        if x.ndim != 3 or not 1 <= x.shape[1] <= self.block_size:
            raise ValueError(
                f"GPT takes ids (B, T) with T from 1 to block_size={self.block_size}; got "
                f"{x.shape[:-1]}: cut longer texts, ids[:, -{self.block_size}:] are the last tokens"
            )
        x = self.dropout(self.position_embedding(x))
        for block in self.blocks:
            x = block(x, is_causal=True)
        return self.lm_head(self.norm(x))

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
        start = _prompt(self, prompt)
        count = whole("max_new_tokens", max_new_tokens, 0)
        options = (temperature, top_k, top_p)
        token_probabilities(np.zeros(self.vocab_size), *options)  # refuses before anything is drawn
        rng = default_generator if seed is None else np.random.default_rng(whole("seed", seed, 0))
        ids = np.pad(np.atleast_2d(start), ((0, 0), (0, count)))  # (B, T + count)
        with no_grad(), _evaluating(self):
            for end in range(start.shape[-1], ids.shape[1]):
                logits = self(ids[:, max(0, end - self.block_size) : end]).data[:, -1]  # (B, V)
                ids[:, end] = _drawn(token_probabilities(logits, *options), rng)
        return ids.reshape(*start.shape[:-1], ids.shape[1])


def _start(model: GPT, generator: np.random.Generator | None) -> None:
    """GPT-2's start: in the branches smaller, since 2 * n_layer of them add up in the residual stream."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.data[...] = 0.02 * randn(*parameter.shape, generator=generator).data
        elif name.endswith("bias"):
            parameter.data[...] = 0
    for block in model.blocks:
        for layer in (block.self_attn.out_proj, block.mlp.linear2):
            layer.weight.data /= math.sqrt(2 * model.n_layer)


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
    scores = np.array(logits.data if isinstance(logits, Tensor) else logits, np.float64)
    _demand_options(scores.shape[-1], temperature, top_k, top_p)
    largest = scores.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise ValueError(
            f"the largest logit is {largest[~np.isfinite(largest)][0]}: nothing can be drawn"
        )
    order = np.argsort(-scores, axis=-1, kind="stable")  # the most probable token first
    with np.errstate(over="ignore"):  # far below the largest one: e**-inf is the right 0
        ranked = np.exp(np.take_along_axis(scores - largest, order, axis=-1) / temperature)
    ranked[..., scores.shape[-1] if top_k is None else top_k :] = 0
    ranked /= ranked.sum(axis=-1, keepdims=True)
    if top_p is not None and top_p < 1:
        before = np.cumsum(ranked, axis=-1) - ranked
        ranked[before >= top_p] = 0
        ranked /= ranked.sum(axis=-1, keepdims=True)
    np.put_along_axis(scores, order, ranked, axis=-1)
    return scores


def _demand_options(size: int, temperature: Any, top_k: Any, top_p: Any) -> None:
    """Refuse options of sampling that are out of range."""
    if not (isinstance(temperature, NUMBERS) and 0 < temperature < math.inf):
        raise ValueError(
            f"temperature is a number above 0; got {temperature!r}: for the most probable token, top_k=1"
        )
    if top_k is not None and not whole("top_k", top_k, 1) <= size:
        raise ValueError(
            f"top_k is at most {size}, the number of tokens; got {top_k!r}: None keeps all"
        )
    if top_p is not None and not (isinstance(top_p, NUMBERS) and 0 < top_p <= 1):
        raise ValueError(f"top_p is above 0 and at most 1; got {top_p!r}: None keeps every token")


def _prompt(model: GPT, prompt: Any) -> Array:
    """The ids of a prompt, an array of their own."""
    ids = np.array(prompt.data if isinstance(prompt, Tensor) else prompt)
    if ids.ndim not in (1, 2) or not ids.shape[-1]:
        raise ValueError(
            f"a prompt is ids (T,) or (B, T), at least one token; got {ids.shape}: put one id in a list, [5]; for no text begin with the id of a line break"
        )
    model.token_embedding(ids)  # refuses what no token is
    return ids.astype(np.int64)


def _drawn(probabilities: Array, rng: np.random.Generator) -> Array:
    """A token for each row: how many lie below a random number, if tokens lie side by side on [0, 1)."""
    ends = np.cumsum(probabilities, axis=-1)  # (B, V)
    ends /= ends[:, -1:]
    found: Array = (ends <= rng.random((len(ends), 1))).sum(axis=-1)
    return found


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
