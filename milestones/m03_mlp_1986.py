"""Milestone 03, 1986: a multi-layer perceptron reads handwritten digits.

David Rumelhart, Geoffrey Hinton and Ronald Williams showed that hidden units find features of their
own when the error is propagated back through them. Here they learn to read MNIST, 70,000 digits
written by clerks and students; where MNIST is not, the bundled digits.

Every part is yours, from the tensor to the training loop. Run it with: make milestone-03
Ctrl-C saves a checkpoint, and the same command goes on from it.
"""

import sys
import time
from collections import Counter

import numpy as np

from tinytorch import (  # YOUR code
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
from tito.milestone import drawing
from tito.milestone import run as stage

MILESTONE = stage.milestone(3)
TARGET = 0.95
SEED = stage.seed(1986)
RECIPES = {  # hidden units, dropout, epochs, batch size, highest learning rate
    "mnist": (256, 0.1, 12, 128, 0.003),
    "digits": (128, 0.1, 30, 32, 0.01),
}


def split(data):
    """Pairs (x, y) to train on, to watch the progress on (held out), and to test on, once."""
    scale, held = data.train_images.max(), len(data.train_labels) // 12

    def rows(images):
        return (images.reshape(len(images), -1) / scale - 0.5).astype(np.float32)  # (N, H * W)

    x, y = rows(data.train_images), data.train_labels
    return (x[held:], y[held:]), (x[:held], y[:held]), (rows(data.test_images), data.test_labels)


def build(pixels, samples, recipe):
    """The trainer with model, optimizer and schedule, and the number of steps it will make."""
    hidden, dropout, epochs, batch_size, max_lr = recipe
    steps = epochs * -(-samples // batch_size)
    manual_seed(SEED)
    model = Sequential(Linear(pixels, hidden), ReLU(), Dropout(dropout), Linear(hidden, 10))
    optimizer = Adam(model.parameters())
    schedule = OneCycleLR(optimizer, max_lr, steps)
    return Trainer(model, optimizer, schedule=schedule, seed=SEED), steps


def train(data, checkpoint, recipe=None):
    """The trainer, trained on a data set from the checkpoint on, and the losses of its steps here."""
    recipe = recipe or RECIPES[data.name]
    (x, y), held_out, _ = split(data)
    trainer, steps = build(x.shape[1], len(x), recipe)
    if checkpoint.exists():
        load_checkpoint(checkpoint, trainer)
        name = stage.short(checkpoint)
        stage.console.print(f"going on after step {trainer.steps}; to begin anew, remove {name}")
    losses, started = [], time.monotonic()

    def tell(trainer, event):
        if event == "step":
            losses.append(trainer.last_loss)
            advance(f"epoch {trainer.epoch + 1}  loss {trainer.loss_sum / trainer.seen:.4f}")
            return
        line, seconds = trainer.history[-1], time.monotonic() - started
        text = f"epoch {line['epoch']:2}  loss {line['loss']:.4f}"
        stage.console.print(f"{text}  held out {line['val_accuracy']:.2%}  {seconds:.1f} s")
        save_checkpoint(checkpoint, trainer)

    trainer.callbacks.append(tell)
    try:
        with stage.progress(steps, done=trainer.steps) as advance:
            trainer.fit(x, y, recipe[2], recipe[3], validation=held_out)
    except KeyboardInterrupt:
        with stage.undisturbed():
            save_checkpoint(checkpoint, trainer)
        stop = f"stopped after {trainer.steps} of {steps} steps, all saved"
        raise KeyboardInterrupt(f"{stop}; to go on: {stage.again(MILESTONE)}") from None
    checkpoint.unlink(missing_ok=True)
    return trainer, losses


def read(model, x):
    """The digit the model sees in each image, and how sure it is of it, from 0 to 1."""
    model.eval()
    with no_grad():
        logits = [model(Tensor(part)).numpy() for part in np.array_split(x, 10)]
    odds = np.exp(np.concatenate(logits))
    return odds.argmax(axis=1), odds.max(axis=1) / odds.sum(axis=1)


def confusions(labels, digits):
    """For every digit, the hardest first: the digit, the share read right, what it was taken for."""
    table = []
    for digit in range(10):
        seen = Counter(digits[labels == digit].tolist())
        share = seen.pop(digit, 0) / (labels == digit).sum()
        taken = ", ".join(f"{count}× as {other}" for other, count in seen.most_common(3))
        table.append((digit, f"{share:.2%}", taken))
    return sorted(table, key=lambda row: float(row[1].rstrip("%")))


def sections(data, losses, digits, sure):
    """The parts of the report."""
    labels, scale = data.test_labels, data.test_images.max()
    mistakes = np.flatnonzero(digits != labels)
    boldest = mistakes[np.argsort(-sure[mistakes])][:24]
    inked = 255 - 255 * (data.test_images[boldest] / scale)
    captions = [f"{labels[i]} read as {digits[i]}" for i in boldest]
    found = list(map(drawing.picture, inked, captions))
    table = drawing.table(("digit", "read right", "the others"), confusions(labels, digits))
    return [
        ("Loss", drawing.plot(losses, f"{len(losses):,} steps")),
        (f"The boldest of {len(mistakes)} mistakes", drawing.pictures(found)),
        ("Digit by digit, the hardest first", table),
    ]


def main() -> int:
    data, name = stage.mnist_or_digits()
    learn, test = f"{len(data.train_labels):,} images", f"{len(data.test_labels):,}"
    stage.console.print(f"{MILESTONE.id}: {name}, {learn} to learn from, {test} to be tested on")
    trainer, losses = train(data, stage.checkpoint(MILESTONE, data.name))
    digits, sure = read(trainer.model, split(data)[2][0])
    stage.console.print(drawing.curve(losses))
    for digit, share, taken in confusions(data.test_labels, digits)[:3]:
        stage.console.print(f"hardest: {digit}, {share} read right; {taken or 'no mistakes'}")
    claim = stage.Claim("test accuracy", float((digits == data.test_labels).mean()), TARGET)
    result = stage.Result(MILESTONE, name, (claim,))
    return stage.finish(result, sections(data, losses, digits, sure), {"history": trainer.history})


if __name__ == "__main__":
    sys.exit(stage.play(main))
