"""Milestone 04, 1998: a convolutional network names what it sees in small photographs.

Yann LeCun, Léon Bottou, Yoshua Bengio and Patrick Haffner let a network learn its own filters: small
windows that slide over the picture, layer upon layer, in place of features made by hand. Theirs read
cheques. Yours learns CIFAR-10: 60,000 photographs of 32 × 32 pixels, ten kinds of things; where
CIFAR-10 is not, the bundled digits.

Every part is yours, from the file reader to the filters. Run it with: make milestone-04
Ctrl-C saves a checkpoint, and the same command goes on from it. ARGS=--long trains longer,
ARGS=--seed=7 from other weights and in another order.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from tinytorch import (  # YOUR code
    AdamW,
    BatchNorm1d,
    BatchNorm2d,
    Compose,
    Conv2d,
    CrossEntropyLoss,
    DataLoader,
    Flatten,
    Linear,
    MaxPool2d,
    Normalize,
    OneCycleLR,
    RandomCrop,
    RandomHorizontalFlip,
    ReLU,
    Sequential,
    Tensor,
    TensorDataset,
    Trainer,
    load_checkpoint,
    manual_seed,
    no_grad,
    read_cifar10,
    save_checkpoint,
    uninterrupted,
)
from tito.milestone import drawing
from tito.milestone import run as stage

MILESTONE = stage.milestone(4)
TARGETS = {"cifar10": 0.75, "digits": 0.98}
PHOTOGRAPHS = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple("0123456789")
SEED = stage.seed(1998)
HELD = 1000  # training images that only tell how it goes


@dataclass(frozen=True)
class Recipe:
    """How to train: channels, the first kernel and its stride, the hidden layer's width, how long."""

    channels: tuple
    kernel: int
    stride: int
    hidden: int
    epochs: int
    batch_size: int = 128
    max_lr: float = 0.01
    changes: tuple = ()  # what the loader does to the images


RECIPES = {
    "cifar10": Recipe((48, 128), 4, 2, 1024, 3, changes=(RandomHorizontalFlip(),)),
    "cifar10-long": Recipe(
        (64, 128, 256), 4, 2, 256, 16, changes=(RandomHorizontalFlip(), RandomCrop(32, padding=3))
    ),
    "digits": Recipe((32, 128), 3, 1, 128, 30, batch_size=32, changes=(RandomCrop(8, padding=1),)),
}


class Run:
    """Trainer and loader as one: the state that a checkpoint holds."""

    def __init__(self, trainer, loader):
        self.trainer, self.loader = trainer, loader

    def state_dict(self):
        return {"trainer": self.trainer.state_dict(), "loader": self.loader.state_dict()}

    def load_state_dict(self, state):
        self.trainer.load_state_dict(state["trainer"])
        self.loader.load_state_dict(state["loader"])


def network(image, recipe, classes=10):
    """Convolve, keep the strongest, normalize, bend: halving the picture each time; then see it whole.

    As in LeNet-5, a hidden layer stands between the last small picture and the classes.

    Args:
        image: (C, H, W) of one picture.
        recipe: a Recipe.
    """
    channels, side, layers = image[0], image[1], []
    kernel, stride = recipe.kernel, recipe.stride
    for out in recipe.channels:
        padding = (kernel - stride + 1) // 2
        layers.append(Conv2d(channels, out, kernel, stride, padding, bias=False))
        layers += [MaxPool2d(2), BatchNorm2d(out), ReLU()]
        channels, side = out, side // stride // 2
        kernel, stride = 3, 1
    layers += [Flatten(), Linear(channels * side * side, recipe.hidden, bias=False)]
    layers += [BatchNorm1d(recipe.hidden), ReLU(), Linear(recipe.hidden, classes)]
    return Sequential(*layers)


def build(images, labels, recipe):
    """The trainer, the loader of the training images, and how many steps it will take."""
    manual_seed(SEED)
    model = network(images.shape[1:], recipe)
    transform = Compose([*recipe.changes, scale_of(images)])
    data = TensorDataset(images, labels)
    loader = DataLoader(
        data, recipe.batch_size, shuffle=True, seed=SEED, transform=transform, prefetch=2
    )
    optimizer = AdamW(model.parameters(), weight_decay=0.02)
    steps = recipe.epochs * len(loader)
    schedule = OneCycleLR(optimizer, recipe.max_lr, steps, pct_start=0.25)
    loss = CrossEntropyLoss(label_smoothing=0.1)
    return Run(Trainer(model, optimizer, loss, schedule, seed=SEED), loader), steps


def scale_of(images):
    """The transform to mean 0 and deviation 1 in each channel, measured on every tenth image."""
    some = images[::10].astype(np.float32)
    return Normalize(some.mean((0, 2, 3)), some.std((0, 2, 3)))


def train(images, labels, checkpoint, recipe):
    """The trainer, trained from the checkpoint on, and the losses of its steps here."""
    held = min(HELD, len(images) // 12)
    run, steps = build(images[held:], labels[held:], recipe)
    watched = run.loader.transform.transforms[-1](images[:held]), labels[:held]
    trainer, started, losses = run.trainer, time.monotonic(), []
    if checkpoint.exists():
        load_checkpoint(checkpoint, run)
        name = stage.short(checkpoint)
        stage.console.print(f"going on after step {trainer.steps}; to begin anew, remove {name}")
    try:
        with stage.progress(steps, done=trainer.steps) as advance:
            while len(trainer.history) < recipe.epochs:
                if run.loader.epoch == len(trainer.history):
                    losses += walk(run, advance)
                line = close_epoch(trainer, watched)
                stage.console.print(f"{line}  {time.monotonic() - started:.1f} s")
                with stage.undisturbed():
                    save_checkpoint(checkpoint, run)
    except KeyboardInterrupt:
        with stage.undisturbed():
            save_checkpoint(checkpoint, run)
        stop = f"stopped after {trainer.steps} of {steps} steps, all saved"
        raise KeyboardInterrupt(f"{stop}; to go on: {stage.again(MILESTONE)}") from None
    checkpoint.unlink(missing_ok=True)
    return trainer, losses


def walk(run, advance):
    """One epoch, or what is left of it: the losses of its steps."""
    trainer, batches, losses, seen = run.trainer, iter(run.loader), [], 0
    trainer.model.train()
    started = time.monotonic()
    while True:
        with uninterrupted():  # the loader counts a batch as seen when it gives it
            batch = next(batches, None)
            if batch is None:
                return losses
            losses.append(trainer.train_step(*batch))
        seen += len(batch[1])
        speed = seen / (time.monotonic() - started)
        mean = trainer.loss_sum / trainer.seen
        advance(f"epoch {len(trainer.history) + 1}  loss {mean:.3f}  {speed:,.0f} images/s")


def close_epoch(trainer, watched):
    """Write the epoch's line of the history, and give it as a text."""
    accuracy = trainer.evaluate(*watched)["accuracy"]
    with uninterrupted():
        number, loss = len(trainer.history) + 1, trainer.loss_sum / trainer.seen
        trainer.history.append({"epoch": number, "loss": loss, "val_accuracy": accuracy})
        trainer.epoch, trainer.seen, trainer.loss_sum = number, 0, 0.0
    return f"epoch {number:2}  loss {loss:.4f}  held out {accuracy:.2%}"


# ---- what it has learned -------------------------------------------------------------------------


def look(model, images):
    """The class that the model sees in each image, and how sure it is of it, from 0 to 1."""
    model.eval()
    with no_grad():
        parts = np.array_split(images, -(-len(images) // 500))
        logits = np.concatenate([model(Tensor(part)).numpy() for part in parts])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds.argmax(axis=1), odds.max(axis=1) / odds.sum(axis=1)


def grey(values):
    """Numbers as brightness: the smallest black, the largest white."""
    low, high = values.min(), values.max()
    return 255 * (values - low) / ((high - low) or 1)


def photograph(image):
    """One image (C, H, W) as a picture: in colour, or, of one channel, dark ink on white."""
    return image.transpose(1, 2, 0) if len(image) == 3 else 255 - 255 * (image[0] / image.max())


def filters(model, most=32):
    """The kernels of the first layer as pictures, the strongest first."""
    kernels = model[0].weight.numpy()
    order = np.argsort(-np.abs(kernels).sum((1, 2, 3)))[:most]
    return [drawing.picture(grey(kernels[i].transpose(1, 2, 0).squeeze())) for i in order]


def seen_by(model, image, most=12):
    """What the strongest filters of the first layer make of one image."""
    model.eval()
    with no_grad():
        maps = model[0](Tensor(image[None])).numpy()[0]
    order = np.argsort(-np.abs(model[0].weight.numpy()).sum((1, 2, 3)))[:most]
    return [drawing.picture(grey(maps[i])) for i in order]


def confusions(labels, classes, names):
    """For every kind, the hardest first: its name, the share named right, what it was taken for."""
    table = []
    for number, name in enumerate(names):
        seen = Counter(classes[labels == number].tolist())
        share = seen.pop(number, 0) / max((labels == number).sum(), 1)
        taken = ", ".join(f"{count}× {names[other]}" for other, count in seen.most_common(3))
        table.append((name, f"{share:.2%}", taken))
    return sorted(table, key=lambda row: float(row[1].rstrip("%")))


def sections(images, labels, trainer, losses, scaled, classes, sure):
    """The parts of the report."""
    names = PHOTOGRAPHS if images.shape[1] == 3 else DIGITS
    mistakes = np.flatnonzero(classes != labels)
    boldest = mistakes[np.argsort(-sure[mistakes])][:24]
    captions = [f"{names[labels[i]]} read as {names[classes[i]]}" for i in boldest]
    shown = [photograph(images[i]) for i in boldest]
    held = [line["val_accuracy"] for line in trainer.history]
    first = drawing.picture(photograph(images[0]), names[labels[0]])
    return [
        ("Loss", drawing.plot(losses, f"{len(losses):,} steps")),
        ("Accuracy on images held out", drawing.plot(held, f"{len(held)} epochs", share=True)),
        ("Filters of the first layer", drawing.pictures(filters(trainer.model))),
        ("What they see", drawing.pictures([first, *seen_by(trainer.model, scaled[0])])),
        (
            f"The boldest of {len(mistakes):,} mistakes",
            drawing.pictures(list(map(drawing.picture, shown, captions))),
        ),
        (
            "Kind by kind, the hardest first",
            drawing.table(
                ("kind", "named right", "the others"), confusions(labels, classes, names)
            ),
        ),
    ]


def load():
    """Training images and labels, test images and labels, and what the data is called."""
    files, digits, name = stage.cifar10_or_digits()
    if files:
        return *read_cifar10(*files[:-1]), *read_cifar10(files[-1]), name
    images, test_images = digits.train_images[:, None], digits.test_images[:, None]  # one channel
    return images, digits.train_labels, test_images, digits.test_labels, name


def main() -> int:
    images, labels, test_images, test_labels, name = load()
    data = "cifar10" if images.shape[1] == 3 else "digits"
    recipe = f"{data}-long" if "--long" in sys.argv and data == "cifar10" else data
    learn, test = f"{len(labels):,} images", f"{len(test_labels):,}"
    stage.console.print(f"{MILESTONE.id}: {name}, {learn} to learn from, {test} to be tested on")
    started = time.monotonic()
    checkpoint = stage.checkpoint(MILESTONE, recipe)
    trainer, losses = train(images, labels, checkpoint, RECIPES[recipe])
    scaled = scale_of(images)(test_images)
    classes, sure = look(trainer.model, scaled)
    seconds = time.monotonic() - started
    stage.console.print(drawing.curve(losses))
    names = PHOTOGRAPHS if data == "cifar10" else DIGITS
    for kind, share, taken in confusions(test_labels, classes, names)[:3]:
        stage.console.print(f"hardest: {kind}, {share} named right; {taken or 'no mistakes'}")
    accuracy = float((classes == test_labels).mean())
    result = stage.Result(MILESTONE, name, (stage.Claim("test accuracy", accuracy, TARGETS[data]),))
    parts = sections(test_images, test_labels, trainer, losses, scaled, classes, sure)
    found = {"history": trainer.history, "seconds": round(seconds, 1)}
    return stage.finish(result, parts, found)


if __name__ == "__main__":
    sys.exit(stage.play(main))
