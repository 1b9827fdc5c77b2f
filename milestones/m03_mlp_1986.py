"""Milestone 03, 1986: a multi-layer perceptron reads handwritten digits.

David Rumelhart, Geoffrey Hinton and Ronald Williams showed that hidden units find features of their
own when the error is propagated back through them. Here 128 of them learn to read MNIST, 70,000
digits written by Americans; where MNIST is not, the bundled digits.

Every part is yours, from the tensor to the training loop. Run it with: make milestone-03
Ctrl-C saves a checkpoint, and the same command goes on from it.
"""

import json
import sys
import time
from collections import Counter

import numpy as np

from tinytorch import (  # YOUR code  # YOUR code
    Adam,
    Dropout,
    Linear,
    OneCycleLR,
    ReLU,
    Sequential,
    Tensor,
    Trainer,
    load_checkpoint,
    manual_seed,
    no_grad,
    save_checkpoint,
)
from tito import drawing
from tito import milestones as stage

MILESTONE = stage.milestone(3)
TARGET = 0.95
SEED = 1986
RECIPES = {
    "mnist": {"hidden": 128, "dropout": 0.1, "epochs": 10, "batch_size": 128, "max_lr": 0.004},
    "digits": {"hidden": 128, "dropout": 0.1, "epochs": 30, "batch_size": 32, "max_lr": 0.01},
}


def rows(images, scale):
    """Images (N, H, W) as rows of numbers around 0, (N, H * W) float32."""
    return (images.reshape(len(images), -1) / scale - 0.5).astype(np.float32)


def split(data):
    """Train, held out (a twelfth of the training part, to watch the progress), and test."""
    scale = data.train_images.max()
    x, y, held = rows(data.train_images, scale), data.train_labels, len(data.train_labels) // 12
    return (
        (x[held:], y[held:]),
        (x[:held], y[:held]),
        (rows(data.test_images, scale), data.test_labels),
    )


def build(pixels, samples, recipe):
    """Model, optimizer and schedule, in a trainer; and the number of steps it will make."""
    manual_seed(SEED)
    hidden = recipe["hidden"]
    model = Sequential(
        Linear(pixels, hidden), ReLU(), Dropout(recipe["dropout"]), Linear(hidden, 10)
    )
    optimizer = Adam(model.parameters())
    steps = recipe["epochs"] * -(-samples // recipe["batch_size"])
    schedule = OneCycleLR(optimizer, recipe["max_lr"], steps)
    return Trainer(model, optimizer, schedule=schedule, seed=SEED), steps


def resume(trainer, place):
    """Go on where an earlier run of the same code was stopped; returns its losses so far."""
    checkpoint = place / f"{stage.fingerprint()}.npz"
    if not checkpoint.exists():
        return []
    load_checkpoint(checkpoint, trainer)
    stage.console.print(
        f"going on from step {trainer.steps} (to begin anew, remove {stage.short(checkpoint)})"
    )
    return json.loads(checkpoint.with_suffix(".json").read_text())[: trainer.steps]


def keep(trainer, losses, place):
    """Save what `resume` needs."""
    checkpoint = place / f"{stage.fingerprint()}.npz"
    checkpoint.with_suffix(".json").write_text(json.dumps(losses))
    save_checkpoint(checkpoint, trainer)


def train(data, place, recipe=None):
    """Train on a data set; Ctrl-C keeps what is done.

    Returns:
        The trainer, and the loss at every step.
    """
    recipe = recipe or RECIPES[data.name]
    learn, watch, _ = split(data)
    trainer, steps = build(learn[0].shape[1], len(learn[0]), recipe)
    losses, started = resume(trainer, place), time.monotonic()

    def tell(trainer, event):
        if event == "step":
            losses.append(trainer.last_loss)
            advance(f"epoch {trainer.epoch + 1}  loss {trainer.loss_sum / trainer.seen:.4f}")
        else:
            line = trainer.history[-1]
            text = f"epoch {line['epoch']:2}/{recipe['epochs']}  loss {line['loss']:.4f}  held out {line['val_accuracy']:.2%}"
            stage.console.print(f"{text}  {time.monotonic() - started:.1f} s")
            keep(trainer, losses, place)

    trainer.callbacks.append(tell)
    try:
        with stage.progress(steps, done=trainer.steps) as advance:
            trainer.fit(*learn, recipe["epochs"], recipe["batch_size"], validation=watch)
    except KeyboardInterrupt:
        keep(trainer, losses, place)
        raise KeyboardInterrupt(
            f"stopped after {trainer.steps} of {steps} steps, and saved. To go on: {stage.command('milestone-03')}"
        ) from None
    for left in place.glob(f"{stage.fingerprint()}.*"):
        left.unlink()
    return trainer, losses


def answers(model, x):
    """How likely each digit is for each image, (N, 10)."""
    model.eval()
    with no_grad():
        logits = np.concatenate([model(Tensor(part)).numpy() for part in np.array_split(x, 10)])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def confusions(labels, guesses):
    """For every digit, worst first: digit, share that was read right, what it was mostly taken for."""
    table = []
    for digit in range(10):
        wrong = Counter(int(g) for g in guesses[labels == digit] if g != digit).most_common(2)
        taken = ", ".join(f"{g} ({count} times)" for g, count in wrong)
        table.append((digit, f"{(guesses[labels == digit] == digit).mean():.2%}", taken))
    return sorted(table, key=lambda row: float(row[1].rstrip("%")))


def main() -> int:
    data, name = stage.mnist_or_digits()
    stage.console.print(
        f"{MILESTONE.id}: {len(data.train_labels):,} images of {name} to learn from, {len(data.test_labels):,} to be tested on"
    )
    started = time.monotonic()
    trainer, losses = train(data, stage.folder(MILESTONE))
    seconds = time.monotonic() - started
    x, labels = split(data)[2]
    sure = answers(trainer.model, x)
    guesses = sure.argmax(axis=1)
    worst = confusions(labels, guesses)
    mistakes = np.flatnonzero(guesses != labels)
    boldest = mistakes[np.argsort(-sure[mistakes, guesses[mistakes]])][:24]
    pictures = [
        drawing.picture(
            255 - 255 * (data.test_images[i] / data.test_images.max()),
            f"{labels[i]} read as {guesses[i]}",
        )
        for i in boldest
    ]
    stage.console.print(drawing.curve(losses))
    for digit, share, taken in worst[:3]:
        stage.console.print(f"hardest: {digit}, {share} right, taken for {taken or 'nothing else'}")
    sections = [
        ("Loss", drawing.plot(losses, f"{len(losses):,} steps, {seconds:.0f} s")),
        ("The boldest mistakes", drawing.pictures(pictures)),
        (
            "Digit by digit, the hardest first",
            drawing.table(("digit", "read right", "mostly taken for"), worst),
        ),
    ]
    claim = stage.Claim("test accuracy", float((guesses == labels).mean()), TARGET)
    record = {
        "seconds": round(seconds, 1),
        "history": trainer.history,
        "recipe": RECIPES[data.name],
    }
    return stage.finish(stage.Result(MILESTONE, name, (claim,)), sections, record)


if __name__ == "__main__":
    sys.exit(stage.play(main))
