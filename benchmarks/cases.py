"""What is timed: the rows of tinytorch. Public names alone, so that older commits run the same file.

As a script it is one side: `python cases.py ROW CLOCK` builds the row, and answers each line of its input
with the seconds of one batch of calls. Without ROW it lists rows and limits.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sides
import tinytorch.autograd

import tinytorch as tt

Step = Callable[[], object]
SMALL, WIDE = (784, 128, 10), (784, 512, 512, 10)


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        make: builds the inputs, returns what is timed.
        calls: how many calls are one batch; a batch takes at least 40 ms on a quiet machine; of a row on two
            threads ten times that, for after a pause its first calls are slow.
        limit: how much slower than an older commit it may be, as a ratio; None: it is not compared.
        threads: on each side, beside PyTorch; beside an older commit it is one.
    """

    make: Callable[[], Step]
    calls: int
    limit: float | None = 1.03
    threads: int = 1


def small_operation() -> Step:
    """(x * y + x).sum() of 2 x 3 elements, forward and backward: all of it is Python overhead."""
    x, y = (tt.Tensor(np.ones((2, 3), np.float32), requires_grad=True) for _ in range(2))

    def step() -> None:
        x.grad = y.grad = None
        (x * y + x).sum().backward()

    return step


def chain() -> Step:
    """Backward through a chain of 2,000 additions and multiplications."""
    x = tt.Tensor(np.ones(4, np.float32), requires_grad=True)

    def step() -> None:
        x.grad = None
        walk(x)

    return step


def walk(start: Any) -> None:
    """The chain itself, of a tensor of either library."""
    value = start
    for _ in range(1000):
        value = value * 0.999 + start
    value.sum().backward()


def network(sizes: tuple[int, ...], nn: Any = tt) -> Any:
    """A multilayer perceptron of either library; ours has always the same weights."""
    tt.manual_seed(0)
    layers = [layer for n, m in pairwise(sizes) for layer in (nn.Linear(n, m), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def examples(sizes: tuple[int, ...], batch: int) -> tuple[Any, Any]:
    """Inputs and class numbers."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, sizes[0]), np.float32)
    return x, rng.integers(0, sizes[-1], batch)


def training_step(sizes: tuple[int, ...], batch: int) -> Step:
    """Forward, cross-entropy, backward and one step of Adam."""
    model, (x, labels) = network(sizes), examples(sizes, batch)
    optimizer, inputs = tt.Adam(model.parameters(), lr=1e-3), tt.Tensor(x)

    def step() -> None:
        optimizer.zero_grad()
        tt.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return step


def inference(sizes: tuple[int, ...]) -> Step:
    """One sample through the network, no gradients."""
    model, inputs = network(sizes), tt.Tensor(examples(sizes, 1)[0])

    def step() -> None:
        with tt.no_grad():
            model(inputs)

    return step


def product() -> Step:
    """One product of plain arrays: it shows whether both sides run kernels of the same width."""
    a, b = np.ones((768, 128), np.float32), np.ones((128, 512), np.float32)
    return lambda: a @ b


@dataclass(frozen=True)
class Convolution:
    """Forward and backward of a convolution over a batch of 128; the images of three channels need no gradient."""

    ins: int
    outs: int
    kernel: int
    side: int
    stride: int = 1
    padding: int = 1

    def __str__(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"conv {self.ins} to {self.outs}, {self.kernel}x{self.kernel}{stride}, {self.side}x{self.side}"

    def arrays(self) -> tuple[Any, Any, Any]:
        """Images, kernels, and the gradient of the output."""
        rng, side = np.random.default_rng(0), self.side // self.stride
        shapes = [(BATCH, self.ins, self.side, self.side)]
        shapes += [(self.outs, self.ins, self.kernel, self.kernel), (BATCH, self.outs, side, side)]
        x, w, g = (rng.standard_normal(shape, np.float32) for shape in shapes)
        return x, w, g

    def make(self) -> Step:
        images, kernels, g = self.arrays()
        x, w = tt.Tensor(images, requires_grad=self.ins > 3), tt.Tensor(kernels, requires_grad=True)

        def step() -> None:
            x.grad = w.grad = None
            tt.conv2d(x, w, stride=self.stride, padding=self.padding).backward(g)

        return step


BATCH = 128
CONVOLUTIONS = (
    Convolution(3, 32, 3, 32),
    Convolution(32, 64, 3, 16),
    Convolution(64, 128, 3, 8),
    Convolution(3, 48, 4, 32, stride=2),
    Convolution(48, 128, 3, 8),
)
NETWORKS = {  # channels; kernel, stride and padding of the first convolution, the others are 3x3; hidden
    "CNN 32-64-128, 3x3, batch 128, AdamW step": ((32, 64, 128), (3, 1, 1), ()),
    "CNN of milestone 04, batch 128, AdamW step": ((48, 128), (4, 2, 1), (1024,)),
}
NORM, POOL = (BATCH, 64, 16, 16), (BATCH, 32, 32, 32)
LOADED = 50 * BATCH  # images
MEAN, STD = np.float32([125.3, 123.0, 113.9]), np.float32([63.0, 62.1, 66.7])  # of CIFAR-10


def normal(*shape: int) -> Any:
    """Numbers that are always the same."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def batch_norm() -> Step:
    """Forward and backward of a layer while training."""
    layer, x, g = (
        tt.BatchNorm2d(NORM[1]),
        tt.Tensor(normal(*NORM), requires_grad=True),
        normal(*NORM),
    )

    def step() -> None:
        x.grad = layer.weight.grad = layer.bias.grad = None
        layer(x).backward(g)

    return step


def max_pool() -> Step:
    """Forward and backward of windows of 2 x 2."""
    x, g = tt.Tensor(normal(*POOL), requires_grad=True), normal(*POOL)[:, :, ::2, ::2].copy()

    def step() -> None:
        x.grad = None
        tt.max_pool2d(x, 2).backward(g)

    return step


def convolutional(
    channels: tuple[int, ...], first: tuple[int, int, int], hidden: tuple[int, ...], nn: Any = tt
) -> Any:
    """Convolution, pool, norm and ReLU, each time on half as large a picture; hidden layers; a Linear."""
    tt.manual_seed(0)
    layers, ins, how, side = [], 3, first, 32 // first[1]
    for outs in channels:
        layers += [nn.Conv2d(ins, outs, *how, bias=False), nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(outs), nn.ReLU()]
        ins, how, side = outs, (3, 1, 1), side // 2
    layers.append(nn.Flatten())
    ins *= side * side
    for outs in hidden:
        layers += [nn.Linear(ins, outs, bias=False), nn.BatchNorm1d(outs), nn.ReLU()]
        ins = outs
    return nn.Sequential(*layers, nn.Linear(ins, 10))


def cnn_step(
    channels: tuple[int, ...], first: tuple[int, int, int], hidden: tuple[int, ...]
) -> Step:
    """Forward, cross-entropy, backward and one step of AdamW."""
    model, x = convolutional(channels, first, hidden), tt.Tensor(normal(BATCH, 3, 32, 32))
    optimizer = tt.AdamW(model.parameters(), lr=0.01, weight_decay=0.02)
    labels = np.random.default_rng(0).integers(0, 10, BATCH)

    def step() -> None:
        optimizer.zero_grad()
        tt.cross_entropy(model(x), labels, label_smoothing=0.1).backward()
        optimizer.step()

    return step


def photographs() -> tuple[Any, Any]:
    """Pictures of CIFAR-10's shape, and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (LOADED, 3, 32, 32), np.uint8)
    return images, rng.integers(0, 10, LOADED)


def loader(changed: bool) -> Step:
    """An epoch of the loader, shuffled; with `changed`, pictures are flipped by chance and normalized."""
    images, labels = photographs()
    changes = tt.Compose([tt.RandomHorizontalFlip(), tt.Normalize(MEAN, STD)])
    data = tt.TensorDataset(images, labels)
    batches = tt.DataLoader(data, BATCH, shuffle=True, transform=changes if changed else None)
    return lambda: [batch for batch in batches]  # noqa: C416


@dataclass(frozen=True)
class Language:
    """The sizes of milestone 05's model, as milestones/m05_transformer_2017.py has them."""

    layers: int = 4
    heads: int = 4
    width: int = 128
    block: int = 64
    batch: int = 12
    tokens: int = 65


GPT = Language()


def attended(length: int) -> Any:
    """Queries, keys, values and a cotangent: 8 heads of 32, as many texts as make 512 tokens."""
    return normal(4, 512 // length, 8, length, 32)


def attention(length: int) -> Step:
    """Causal attention, forward and backward."""
    *operands, g = attended(length)
    tensors = [tt.Tensor(x, requires_grad=True) for x in operands]

    def step() -> None:
        for x in tensors:
            x.grad = None
        tt.scaled_dot_product_attention(*tensors, is_causal=True).backward(g)

    return step


def layer_norm() -> Step:
    """Forward and backward of all rows of milestone 05's batch."""
    layer, g = tt.LayerNorm(GPT.width), normal(GPT.batch * GPT.block, GPT.width)
    x = tt.Tensor(g, requires_grad=True)

    def step() -> None:
        x.grad = layer.weight.grad = layer.bias.grad = None
        layer(x).backward(g)

    return step


def gpt() -> Any:
    """Milestone 05's model, always with the same weights."""
    tt.manual_seed(0)
    return tt.GPT(GPT.tokens, GPT.block, GPT.layers, GPT.heads, GPT.width, bias=False)


def texts() -> Any:
    """Ids and the ids that come next."""
    ids = np.random.default_rng(0).integers(0, GPT.tokens, (GPT.batch, GPT.block + 1))
    return ids[:, :-1].copy(), ids[:, 1:].copy()


def gpt_step() -> Step:
    """Forward, cross-entropy, backward, clipping and one step of AdamW."""
    model, (ids, targets) = gpt(), texts()
    matrices, others = ([p for p in model.parameters() if (p.ndim > 1) is w] for w in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = tt.AdamW(groups, lr=1e-4, betas=(0.9, 0.99))

    def step() -> None:
        optimizer.zero_grad()
        logits = model(ids).reshape(-1, GPT.tokens)
        tt.cross_entropy(logits, targets.reshape(-1)).backward()
        tt.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def composed_norm(
    x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Layer norm of operations that katas 01 to 05 have."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / ((centred * centred).mean(axis=-1, keepdims=True) + eps).sqrt() * weight


def composed_attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
    """Causal attention of operations that katas 01 to 05 have."""
    hidden = np.triu(np.full((query.shape[-2], key.shape[-2]), -np.inf, np.float32), 1)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5 + tt.Tensor(hidden)
    return tt.softmax(scores, axis=-1) @ value


def composed_step() -> Step:
    """The same, with norm, attention and embedding composed; GELU and cross-entropy are operations of katas 02 and 04."""
    modules = (
        "transformers.layer_norm",
        "attention.scaled_dot_product_attention",
        "embeddings.embedding",
    )
    for place, own in zip(
        modules, (composed_norm, composed_attention, lambda ids, w, _: w[ids]), strict=True
    ):
        module, _, name = place.partition(".")
        setattr(importlib.import_module(f"tinytorch.{module}"), name, own)
    return gpt_step()


WRITTEN = 16  # tokens


def writing() -> Step:
    """Tokens behind a text as long as the block, the most probable of 10 drawn from; nothing is kept between two."""
    model, prompt = gpt(), texts()[0][0]
    return lambda: model.generate(prompt, WRITTEN, top_k=10, seed=0)


MERGES = 500


def looked_up() -> tuple[Any, Any, Any]:
    """A table of 4,096 rows, 8,192 ids, and the cotangent: each row is used twice, on average."""
    ids = np.random.default_rng(0).integers(0, 4096, 8192)
    return normal(4096, 128), ids, normal(8192, 128)


def embedding() -> Step:
    """Forward and backward."""
    table, ids, g = looked_up()
    weight = tt.Tensor(table, requires_grad=True)

    def step() -> None:
        weight.grad = None
        tt.embedding(ids, weight).backward(g)

    return step


def prose() -> str:
    """The READMEs of katas 01 to 11: English with code in it."""
    paths = sorted((Path(__file__).parents[1] / "katas").glob("*/README.md"))[:11]
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def learning() -> Step:
    """Merges learned from a text."""
    text = prose()
    return lambda: tt.BPETokenizer().train(text, MERGES)


def encoding() -> Step:
    """The ids of a text."""
    text, tokenizer = prose(), tt.BPETokenizer()
    tokenizer.train(text, MERGES)
    return lambda: tokenizer.encode(text)


CASES = {
    "kernels alone: (768, 128) @ (128, 512)": Case(product, 100, limit=None),
    "small op, forward + backward": Case(small_operation, 1500, limit=1.05),
    "chain of 2,000 ops, forward + backward": Case(chain, 3),
    "MLP 784-128-10, batch 64, Adam step": Case(lambda: training_step(SMALL, 64), 50),
    "MLP 784-512-512-10, batch 256, Adam step": Case(lambda: training_step(WIDE, 256), 4),
    "MLP 784-128-10, inference, batch 1": Case(lambda: inference(SMALL), 1500),
    **{str(conv): Case(conv.make, 20, threads=2) for conv in CONVOLUTIONS},
    "batch norm, 64 channels, 16x16": Case(batch_norm, 20, threads=2),
    "max pool 2x2, 32 channels, 32x32": Case(max_pool, 20, threads=2),
    **{name: Case(partial(cnn_step, *net), 10, threads=2) for name, net in NETWORKS.items()},
    "loader, 50 batches of 128 pictures": Case(lambda: loader(changed=False), 4),
    "loader, flipped and normalized": Case(lambda: loader(changed=True), 4),
    "embedding, 8,192 ids of 4,096 rows, width 128": Case(embedding, 20),
    **{f"attention, 8 heads, {n} tokens": Case(partial(attention, n), 20) for n in (64, 256)},
    "layer norm, 768 rows of 128": Case(layer_norm, 100),
    "GPT of milestone 05, AdamW step": Case(gpt_step, 4),
    "GPT of milestone 05, composed, AdamW step": Case(composed_step, 4),
    "GPT writes 16 tokens, no cache": Case(writing, 4),
    "BPE learns 500 merges, beside tokenizers": Case(learning, 1),
    "BPE encodes, beside tokenizers": Case(encoding, 5),
}


def main() -> None:
    """List the rows, or be one side."""
    if len(sys.argv) < 2:
        print(json.dumps({name: case.limit for name, case in CASES.items() if case.limit}))
        return
    row, clock = sys.argv[1:]
    sides.serve(CASES[row].make, CASES[row].calls, getattr(time, clock))


if __name__ == "__main__":
    main()
