"""Milestone 05, 2017: a transformer reverses words, and learns to write.

Ashish Vaswani and seven others left out the loop over time that networks for language were built
around, and kept the part that lets every word look at every other: "Attention Is All You Need".

Three parts. A block without a mask reverses words, and its attention shows how. A GPT reads
Shakespeare, one character after the other, and goes on by itself; where Shakespeare is not, it reads
"Alice's Adventures in Wonderland". The same model reads the text once more in the tokens of kata 10.

Every part is yours, from the tensor to the tokenizer. Run it with: make milestone-05
Ctrl-C saves a checkpoint, and the same command goes on from it. ARGS=--seed=7 begins with other
weights and takes other batches.
"""

import math
import sys
import time
from dataclasses import dataclass

import numpy as np

from tinytorch import (  # YOUR code
    GPT,
    AdamW,
    BPETokenizer,
    CharTokenizer,
    Embedding,
    LearnedPositionalEmbedding,
    Linear,
    Module,
    Schedule,
    Tensor,
    Trainer,
    TransformerBlock,
    cross_entropy,
    load_checkpoint,
    manual_seed,
    no_grad,
    save_checkpoint,
    scaled_dot_product_attention,
    uninterrupted,
)
from tito.milestone import drawing
from tito.milestone import run as stage

MILESTONE = stage.milestone(5)
SEED = stage.seed(2017)
LETTERS, LENGTH = "abcdefghijklmnopqrstuvwxyz", 16  # of the words that are reversed
TARGETS = {  # the loss on the whole held-out text, and how far below the counted pairs', in nats
    "shakespeare": (1.93, 0.4),
    "alice": (1.9, 0.4),
}
REVERSED = 0.99  # of new words
LINE, SAVE = 50, 250  # steps to a line of the history, and to a checkpoint


@dataclass(frozen=True)
class Recipe:
    """How large a model is, and how it is trained."""

    layers: int
    heads: int
    width: int
    block: int  # tokens that it reads at once
    batch: int  # texts in a step
    steps: int
    lr: float = 0.001
    merges: int = 0  # of the tokens; 0 are characters


RECIPES = {
    "words": Recipe(1, 1, 64, LENGTH, 64, 300, lr=0.003),
    "shakespeare": Recipe(4, 4, 128, 64, 12, 2000),
    "shakespeare tokens": Recipe(4, 4, 128, 64, 12, 600, merges=512),
    "alice": Recipe(2, 4, 64, 64, 12, 1200, lr=0.003),
    "alice tokens": Recipe(2, 4, 64, 64, 12, 600, lr=0.003, merges=128),
}


# ---- training ------------------------------------------------------------------------------------


class WarmUpThenCosine(Schedule):
    """A straight line up to the base rate, then half a cosine down to a tenth of it."""

    def __init__(self, optimizer, total, warm_up=100):
        self.total, self.warm_up = total, min(warm_up, total // 2)
        super().__init__(optimizer)

    def lr_at(self, base_lr, step):
        if step < self.warm_up:
            return base_lr * (step + 1) / (self.warm_up + 1)
        share = (step - self.warm_up) / (self.total - self.warm_up)
        return base_lr * (0.55 + 0.45 * math.cos(math.pi * min(share, 1.0)))


def token_loss(logits, targets):
    """Nats: how surprising the right tokens are, in the mean.

    Args:
        logits: (B, T, V).
        targets: (B, T).
    """
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


def build(model, recipe):
    """The trainer of a model: AdamW, where only matrices decay."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99))
    schedule = WarmUpThenCosine(optimizer, recipe.steps)
    return Trainer(model, optimizer, token_loss, schedule, clip=1.0, metrics=())


def train(trainer, steps, draw, checkpoint, watch=None):
    """Train from the checkpoint on; it stays, so that what is done is not done again.

    Args:
        trainer: as `build` makes it. Its history gets a line every LINE steps.
        steps: when to stop.
        draw: gives the batch of a step by its number, so that a run can go on anywhere.
        checkpoint: the file.
        watch: gives a loss on a text held out, for the history.
    """
    if checkpoint.exists():
        load_checkpoint(checkpoint, trainer)
        name = stage.short(checkpoint)
        stage.console.print(f"going on after step {trainer.steps}; to begin anew, remove {name}")
    started, tokens = time.monotonic(), 0
    try:
        with stage.progress(steps, done=trainer.steps) as advance:
            while trainer.steps < steps:
                x, y = draw(trainer.steps)
                with uninterrupted():
                    trainer.model.train()
                    trainer.train_step(x, y)
                    if trainer.steps % LINE == 0 or trainer.steps == steps:
                        close_line(trainer, steps, watch)
                tokens += y.size
                speed = tokens / (time.monotonic() - started)
                advance(f"loss {trainer.last_loss:.3f}  {speed:,.0f} tokens/s")
                if trainer.steps % SAVE == 0 or trainer.steps == steps:
                    with stage.undisturbed():
                        save_checkpoint(checkpoint, trainer)
    except KeyboardInterrupt:
        with stage.undisturbed():
            save_checkpoint(checkpoint, trainer)
        stop = f"stopped after {trainer.steps} of {steps} steps, all saved"
        raise KeyboardInterrupt(f"{stop}; to go on: {stage.again(MILESTONE)}") from None


def close_line(trainer, steps, watch):
    """Write a line of the history: the mean loss since the last one, and now and then that held out."""
    line = {"step": trainer.steps, "loss": trainer.loss_sum / trainer.seen}
    if watch and (trainer.steps % SAVE == 0 or trainer.steps == steps):
        line["held_out"] = watch()
        text = f"step {line['step']:5,}  loss {line['loss']:.3f}"
        stage.console.print(f"{text}  held out {line['held_out']:.3f}, of 20 random batches")
    trainer.history.append(line)
    trainer.seen, trainer.loss_sum = 0, 0.0


def answers(model, x):
    """Logits without history, the model being in eval mode."""
    model.eval()
    with no_grad():
        return model(x)


# ---- reversing words -----------------------------------------------------------------------------


class Reverser(Module):
    """One block that sees the whole word, and says at each place which letter stands there reversed."""

    def __init__(self, recipe):
        self.letters = Embedding(len(LETTERS), recipe.width)
        self.places = LearnedPositionalEmbedding(recipe.block, recipe.width)
        self.block = TransformerBlock(recipe.width, recipe.heads)
        self.head = Linear(recipe.width, len(LETTERS))

    def forward(self, ids):
        return self.head(self.block(self.places(self.letters(ids))))

    def looks(self, ids):
        """How much each place looks at each other, (B, H, T, T)."""
        with no_grad():
            x = self.block.norm1(self.places(self.letters(ids)))
            return weights(self.block.self_attn, x)


def weights(attention, x, is_causal=False):
    """The weights of an attention: what it makes of values that are the identity."""
    query, key, _ = attention.project(x)
    one = np.eye(key.shape[-2], dtype=np.float32)
    values = Tensor(np.broadcast_to(one, (*key.shape[:-2], *one.shape)))
    return scaled_dot_product_attention(query, key, values, is_causal=is_causal).numpy()


def words(rng, count):
    """Random words, and the same reversed, as numbers of letters."""
    x = rng.integers(0, len(LETTERS), (count, LENGTH))
    return x, x[:, ::-1].copy()


def reverse_words(checkpoint, recipe):
    """The trainer that has learned it, the share of new words that it reverses exactly, and a look."""
    manual_seed(SEED)
    trainer = build(Reverser(recipe), recipe)
    held, right = words(np.random.default_rng([SEED, recipe.steps]), 1000)
    known = {word.tobytes() for word in held}

    def draw(step):
        x, y = words(np.random.default_rng([SEED, step]), recipe.batch)
        new = [word.tobytes() not in known for word in x]
        return x[new], y[new]

    train(trainer, recipe.steps, draw, checkpoint)
    said = answers(trainer.model, held).numpy().argmax(axis=-1)  # (N, T)
    for word, back in zip(held[:2], said, strict=False):
        stage.console.print(f"  {spelled(word)} → {spelled(back)}")
    exact = float((said == right).all(axis=1).mean())
    return trainer, exact, trainer.model.looks(held[:200])


def spelled(word):
    """Numbers of letters as a text."""
    return "".join(LETTERS[i] for i in word)


# ---- reading and writing -------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A text as numbers: the first nine tenths to learn from, the rest held out."""

    tokenizer: object
    learn: np.ndarray
    held: np.ndarray
    held_bytes: int  # of what the held-out tokens say, the first one left out

    @classmethod
    def of(cls, text, merges):
        cut = len(text) * 9 // 10
        if merges:
            tokenizer = BPETokenizer()
            tokenizer.train(text[:cut], merges)
        else:
            tokenizer = CharTokenizer(text)
        learn, held = (np.array(tokenizer.encode(part)) for part in (text[:cut], text[cut:]))
        first = tokenizer.decode(held[:1])
        return cls(tokenizer, learn, held, len(text[cut:].encode()) - len(first.encode()))


def windows(ids, starts, block):
    """The texts that begin at some places, and what comes next at each place of them, (B, T) both."""
    places = starts[:, None] + np.arange(block)
    return ids[places], ids[places + 1]


def random_batches(ids, recipe):
    """A function that gives the batch of a step."""

    def draw(step):
        rng = np.random.default_rng([SEED, step])
        return windows(ids, rng.integers(0, len(ids) - recipe.block, recipe.batch), recipe.block)

    return draw


def mean_loss(model, batches):
    """Nats for each token of some batches."""
    losses = [(token_loss(answers(model, x), y).item() * y.size, y.size) for x, y in batches]
    total, count = np.sum(losses, axis=0)
    return float(total / count)


def side_by_side(ids, block, batch=64):
    """All of a text: windows that neither overlap nor leave out anything; the last one is shorter."""
    starts = np.arange(0, len(ids) - block, block)
    for i in range(0, len(starts), batch):
        yield windows(ids, starts[i : i + batch], block)
    end = len(starts) * block
    if end < len(ids) - 1:
        yield ids[None, end:-1], ids[None, end + 1 :]


def reader(text, recipe):
    """The trainer of a GPT for a text."""
    manual_seed(SEED)
    sizes = (recipe.block, recipe.layers, recipe.heads, recipe.width)
    model = GPT(text.tokenizer.vocab_size, *sizes, bias=False)
    return build(model, recipe)


def read(text, checkpoint, recipe):
    """A GPT's trainer, trained on a text."""
    trainer = reader(text, recipe)
    draw = random_batches(text.learn, recipe)
    train(trainer, recipe.steps, draw, checkpoint, lambda: some_loss(trainer.model, text, recipe))
    return trainer


def some_loss(model, text, recipe):
    """nanoGPT's estimate: the loss of 20 random batches of what was held out."""
    return mean_loss(model, map(random_batches(text.held, recipe), range(20)))


def whole_loss(model, text, recipe):
    """The loss of everything that was held out."""
    return mean_loss(model, side_by_side(text.held, recipe.block))


def pairs_loss(text):
    """What counting gets: how often each character came after each other one; none is impossible."""
    counts = np.ones((text.tokenizer.vocab_size,) * 2)
    np.add.at(counts, (text.learn[:-1], text.learn[1:]), 1)
    surprise = -np.log(counts / counts.sum(axis=1, keepdims=True))
    return float(surprise[text.held[:-1], text.held[1:]].mean())


def changed_by_later(model, ids):
    """The share of predictions that change where only a later character was changed: 0, or it cheats."""
    places = np.arange(1, len(ids))
    others = np.tile(ids, (len(places), 1))  # in text i the character at place i + 1 is another
    others[np.arange(len(places)), places] = (ids[places] + 1) % model.vocab_size
    logits = answers(model, ids[None]).numpy()
    changed = np.abs(answers(model, others).numpy() - logits).max(axis=-1) > 1e-4
    earlier = np.arange(len(ids)) < places[:, None]
    return float(changed[earlier].mean())


# ---- what it has learned -------------------------------------------------------------------------


def ink(weight):
    """Weights of an attention as a picture: the darker, the more; what each looks at most is black."""
    return 255 * (1 - weight / weight.max(axis=-1, keepdims=True))


def maps(model, ids):
    """The picture of each head of each block, on one text."""
    model.eval()
    figures = []
    with no_grad():
        x = model.position_embedding(model.token_embedding(ids[None]))
        for number, block in enumerate(model.blocks, 1):
            seen = weights(block.self_attn, block.norm1(x), is_causal=True)[0]  # (H, T, T)
            figures += [
                drawing.picture(ink(each), f"block {number}, head {head}")
                for head, each in enumerate(seen, 1)
            ]
            x = block(x, is_causal=True)
    return figures


def written(model, text, count):
    """What the model writes by itself, after an empty line."""
    start = text.tokenizer.encode("\n")
    ids = model.generate(start, count, temperature=0.8, top_k=40, seed=SEED)
    return text.tokenizer.decode(ids[len(start) :])


def bits(nats, text):
    """Nats a token, of a text held out, as bits a byte: so texts in other tokens can be compared."""
    return nats * (len(text.held) - 1) / text.held_bytes / math.log(2)


def losses(trainer):
    """The mean losses in the lines of a trainer's history."""
    return [line["loss"] for line in trainer.history]


def sections(reverser, looks, trainer, found, text, samples):
    """The parts of the report."""
    shown = [
        drawing.picture(ink(looks[0, 0]), "one word"),
        drawing.picture(ink(looks[:, 0].mean(axis=0)), f"mean of {len(looks)} words"),
    ]
    held = [line["held_out"] for line in trainer.history if "held_out" in line]
    rows = [(f"{value:.3f}", what) for what, value in found.items()]
    heads = maps(trainer.model, text.held[: trainer.model.block_size])
    steps = f"{trainer.steps:,} steps"
    return [
        (
            "a. Reversing: where each place, from top to bottom, looks",
            drawing.pictures(shown, True),
        ),
        ("Loss", drawing.plot(losses(reverser), f"{reverser.steps:,} steps")),
        ("b. What it writes in characters", drawing.passage(samples[0])),
        ("Loss", drawing.plot(losses(trainer), steps)),
        ("Loss on 20 random batches held out", drawing.plot(held, steps)),
        ("Where each character looks, from top to bottom", drawing.pictures(heads)),
        ("c. What it writes in tokens", drawing.passage(samples[1])),
        ("In numbers", drawing.table(("", ""), rows)),
    ]


def main() -> int:
    source, data, name = stage.shakespeare_or_alice()
    recipe, of_tokens = RECIPES[data], RECIPES[f"{data} tokens"]
    text = Text.of(source, recipe.merges)
    learn, held = f"{len(text.learn):,} characters", f"{len(text.held):,}"
    stage.console.print(f"{MILESTONE.id}: {name}, {learn} to learn from, {held} held out")
    places = [stage.checkpoint(MILESTONE, part) for part in ("words", data, f"{data} tokens")]
    clock = [time.monotonic()]

    stage.console.print("a. words, reversed")
    reverser, exact, looks = reverse_words(places[0], RECIPES["words"])
    clock.append(time.monotonic())

    stage.console.print("b. characters")
    trainer = read(text, places[1], recipe)
    model = trainer.model
    whole, pairs = whole_loss(model, text, recipe), pairs_loss(text)
    clock.append(time.monotonic())
    samples = [written(model, text, 400)]
    stage.console.print(f"{drawing.curve(losses(trainer))}\n{samples[0]}\n", markup=False)

    stage.console.print(f"c. tokens, of {of_tokens.merges} merges")
    merged = Text.of(source, of_tokens.merges)
    second = read(merged, places[2], of_tokens).model
    clock.append(time.monotonic())
    samples.append(written(second, merged, 150))
    stage.console.print(f"{samples[1]}\n", markup=False)

    found = {
        "nats a character, all that was held out": whole,
        "nats a character, 20 random batches of it": some_loss(model, text, recipe),
        "nats a character, by counted pairs": pairs,
        "nats a character, by a guess": math.log(text.tokenizer.vocab_size),
        f"bits a byte, in characters, after {recipe.steps:,} steps": bits(whole, text),
        f"bits a byte, in tokens, after {of_tokens.steps:,} steps": bits(
            whole_loss(second, merged, of_tokens), merged
        ),
    }
    for what, value in found.items():
        stage.console.print(f"{value:6.3f} {what}")
    most, less = TARGETS[data]
    changed = changed_by_later(model, text.held[: recipe.block])
    claims = (
        stage.Claim("loss on all that was held out", whole, most, at_most=True, unit="nats"),
        stage.Claim("below that of counted pairs by", pairs - whole, less, unit="nats"),
        stage.Claim("predictions changed by a later character", changed, 0.0, at_most=True),
        stage.Claim("new words reversed", exact, REVERSED),
    )
    seconds = np.diff(clock).round(1).tolist()
    metrics = {"found": found, "seconds": seconds, "history": trainer.history, "samples": samples}
    parts = sections(reverser, looks, trainer, found, text, samples)
    code = stage.finish(stage.Result(MILESTONE, name, claims), parts, metrics)
    for place in places:
        place.unlink(missing_ok=True)
    return code


if __name__ == "__main__":
    sys.exit(stage.play(main))
