"""PyTorch's side of the rows in cases.py: the same work, inputs and weights.

`python theirs.py ROW CLOCK` builds a row, and answers each line of its input with the seconds of one batch
of calls. Some rows have a second form, in PyTorch's other memory layout.
"""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import cases
import sides
import tokenizers
import torch
from cases import BATCH, CONVOLUTIONS, GPT, NETWORKS, NORM, POOL, SMALL, WIDE, Step, examples, walk
from torch import nn
from torch.nn import functional as F

LAST = ", PyTorch channels last"


def small_operation() -> Step:
    p, q = (torch.ones(2, 3, requires_grad=True) for _ in range(2))

    def step() -> None:
        p.grad = q.grad = None
        (p * q + p).sum().backward()

    return step


def chain() -> Step:
    p = torch.ones(4, requires_grad=True)

    def step() -> None:
        p.grad = None
        walk(p)

    return step


def same(build: Callable[..., Any], *arguments: Any) -> Any:
    """PyTorch's form of a network of cases.py, with the weights of ours."""
    return loaded(build(*arguments, nn=nn), build(*arguments))


def loaded(model: Any, ours: Any) -> Any:
    """PyTorch's model with the weights of ours."""
    weights = ours.state_dict()
    model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return model


def training_step(sizes: tuple[int, ...], batch: int) -> Step:
    model, (x, labels) = same(cases.network, sizes), map(torch.tensor, examples(sizes, batch))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        adam.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        adam.step()

    return step


def inference(sizes: tuple[int, ...]) -> Step:
    model, x = same(cases.network, sizes), torch.tensor(examples(sizes, 1)[0])

    def step() -> None:
        with torch.no_grad():
            model(x)

    return step


def product() -> Step:
    a, b = torch.ones(768, 128), torch.ones(128, 512)
    return lambda: a @ b


def laid_out(array: Any, last: bool) -> torch.Tensor:
    """An array of images or kernels in one of the two layouts."""
    form = torch.channels_last if last else torch.contiguous_format
    return torch.as_tensor(array).contiguous(memory_format=form)


def convolution(conv: cases.Convolution, last: bool) -> Step:
    x, w, g = (laid_out(array, last) for array in conv.arrays())
    x.requires_grad_(conv.ins > 3)
    w.requires_grad_()

    def step() -> None:
        x.grad = w.grad = None
        F.conv2d(x, w, stride=conv.stride, padding=conv.padding).backward(g)

    return step


def batch_norm(last: bool) -> Step:
    layer = nn.BatchNorm2d(NORM[1])
    x, g = (laid_out(cases.normal(*NORM), last) for _ in range(2))
    x.requires_grad_()

    def step() -> None:
        x.grad = layer.weight.grad = layer.bias.grad = None
        layer(x).backward(g)

    return step


def max_pool(last: bool) -> Step:
    x = laid_out(cases.normal(*POOL), last).requires_grad_()
    g = laid_out(x.detach()[:, :, ::2, ::2], last)

    def step() -> None:
        x.grad = None
        F.max_pool2d(x, 2).backward(g)

    return step


def cnn_step(
    channels: tuple[int, ...], first: tuple[int, int, int], hidden: tuple[int, ...], last: bool
) -> Step:
    model = same(cases.convolutional, channels, first, hidden)
    x = laid_out(cases.normal(BATCH, 3, 32, 32), last)
    if last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.02)
    labels = torch.tensor(cases.np.random.default_rng(0).integers(0, 10, BATCH))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels, label_smoothing=0.1).backward()
        optimizer.step()

    return step


class Photographs(torch.utils.data.Dataset[Any]):
    """Pictures and labels, one at a time; with `changed`, flipped by chance and normalized."""

    def __init__(self, changed: bool) -> None:
        self.images, self.labels = map(torch.tensor, cases.photographs())
        self.mean, self.std = (torch.tensor(v)[:, None, None] for v in (cases.MEAN, cases.STD))
        self.changed = changed

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = self.images[i]
        if self.changed:
            image = image.flip(-1) if torch.rand(()) < 0.5 else image
            image = (image - self.mean) / self.std
        return image, self.labels[i]


def loader(changed: bool) -> Step:
    batches = torch.utils.data.DataLoader(Photographs(changed), BATCH, shuffle=True)
    return lambda: [batch for batch in batches]  # noqa: C416


def embedding() -> Step:
    weight, ids, g = map(torch.tensor, cases.looked_up())
    weight.requires_grad_()

    def step() -> None:
        weight.grad = None
        F.embedding(ids, weight).backward(g)

    return step


def attention(length: int) -> Step:
    *operands, g = map(torch.tensor, cases.attended(length))
    for x in operands:
        x.requires_grad_()

    def step() -> None:
        for x in operands:
            x.grad = None
        F.scaled_dot_product_attention(*operands, is_causal=True).backward(g)

    return step


def layer_norm() -> Step:
    g = torch.tensor(cases.normal(GPT.batch * GPT.block, GPT.width))
    layer, x = nn.LayerNorm(GPT.width), g.clone().requires_grad_()

    def step() -> None:
        x.grad = layer.weight.grad = layer.bias.grad = None
        layer(x).backward(g)

    return step


class Attention(nn.Module):
    """Causal self-attention without biases, its weights under our names."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * GPT.width, GPT.width))
        self.out_proj = nn.Linear(GPT.width, GPT.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = F.linear(x, self.in_proj_weight).chunk(3, dim=-1)
        heads = (part.unflatten(-1, (GPT.heads, -1)).transpose(1, 2) for part in parts)
        found = F.scaled_dot_product_attention(*heads, is_causal=True)
        return self.out_proj(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and MLP, each added to what it reads."""

    def __init__(self) -> None:
        super().__init__()
        wide = 4 * GPT.width
        self.norm1, self.norm2 = (nn.LayerNorm(GPT.width, bias=False) for _ in range(2))
        self.self_attn = Attention()
        up, down = (nn.Linear(n, m, bias=False) for n, m in ((GPT.width, wide), (wide, GPT.width)))
        self.mlp = nn.Sequential(OrderedDict(linear1=up, gelu=nn.GELU("tanh"), linear2=down))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    """Milestone 05's model, made of modules as ours is."""

    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(GPT.tokens, GPT.width)
        self.position_embedding = nn.Embedding(GPT.block, GPT.width)
        self.blocks = nn.Sequential(*(Block() for _ in range(GPT.layers)))
        self.norm = nn.LayerNorm(GPT.width, bias=False)
        self.lm_head = nn.Linear(GPT.width, GPT.tokens, bias=False)
        self.lm_head.weight = self.token_embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        return self.lm_head(self.norm(self.blocks(x)))


def gpt_step() -> Step:
    model, (ids, targets) = loaded(Model(), cases.gpt()), map(torch.tensor, cases.texts())
    matrices, others = ([p for p in model.parameters() if (p.ndim > 1) is w] for w in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.99))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(ids).flatten(0, 1), targets.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


@torch.no_grad()
def written(model: Model, ids: torch.Tensor) -> torch.Tensor:
    """A text and some tokens more."""
    for _ in range(cases.WRITTEN):
        logits = model(ids[:, -GPT.block :])[:, -1]
        most = torch.topk(logits, 10)
        drawn = torch.multinomial(torch.softmax(most.values, -1), 1)
        ids = torch.cat([ids, most.indices.gather(-1, drawn)], 1)
    return ids


def writing() -> Step:
    model, prompt = loaded(Model(), cases.gpt()), torch.tensor(cases.texts()[0][:1])
    return lambda: written(model, prompt)


def learning() -> Step:
    """The library tokenizers, on as many threads: GPT-2's pieces, all bytes, as many merges."""
    text, size = cases.prose(), 256 + cases.MERGES
    pieces = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pieces.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, show_progress=False
    )

    def step() -> tokenizers.Tokenizer:
        learner = tokenizers.Tokenizer(tokenizers.models.BPE())
        learner.pre_tokenizer = pieces
        learner.train_from_iterator([text], trainer)
        return learner

    return step


def encoding() -> Step:
    text, tokenizer = cases.prose(), learning()()
    return lambda: tokenizer.encode(text)


def forms(row: str, make: Callable[[bool], Step]) -> dict[str, Callable[[], Step]]:
    """A row in both layouts."""
    return {row: lambda: make(False), row + LAST: lambda: make(True)}


ROWS: dict[str, Callable[[], Step]] = {
    "kernels alone: (768, 128) @ (128, 512)": product,
    "small op, forward + backward": small_operation,
    "chain of 2,000 ops, forward + backward": chain,
    "MLP 784-128-10, batch 64, Adam step": lambda: training_step(SMALL, 64),
    "MLP 784-512-512-10, batch 256, Adam step": lambda: training_step(WIDE, 256),
    "MLP 784-128-10, inference, batch 1": lambda: inference(SMALL),
    **forms("batch norm, 64 channels, 16x16", batch_norm),
    **forms("max pool 2x2, 32 channels, 32x32", max_pool),
    "loader, 50 batches of 128 pictures": lambda: loader(changed=False),
    "loader, flipped and normalized": lambda: loader(changed=True),
    "embedding, 8,192 ids of 4,096 rows, width 128": embedding,
    **{f"attention, 8 heads, {n} tokens": partial(attention, n) for n in (64, 256)},
    "layer norm, 768 rows of 128": layer_norm,
    "GPT of milestone 05, AdamW step": gpt_step,
    "GPT of milestone 05, composed, AdamW step": gpt_step,
    "GPT writes 16 tokens, no cache": writing,
    "BPE learns 500 merges, beside tokenizers": learning,
    "BPE encodes, beside tokenizers": encoding,
}
for conv in CONVOLUTIONS:
    ROWS |= forms(str(conv), lambda last, conv=conv: convolution(conv, last))
for name, net in NETWORKS.items():
    ROWS |= forms(name, lambda last, net=net: cnn_step(*net, last))


if __name__ == "__main__":
    row, clock = sys.argv[1:]
    torch.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
    sides.serve(ROWS[row], cases.CASES[row.removesuffix(LAST)].calls, getattr(time, clock))
