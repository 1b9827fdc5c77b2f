"""Milestone 01, 1957: the perceptron, a machine that learns from its mistakes.

Frank Rosenblatt's rule needs no gradient: show an example; if the answer is wrong, add the example
to the weights (or subtract it); if it is right, change nothing. If a line (here: a plane in 64
dimensions) separates the two classes, the rule finds one after finitely many mistakes.

Everything here is plain tensors of your kata 01. Run it with: make milestone-01
"""

import sys

import numpy as np

from tinytorch import Tensor, where, zeros  # YOUR code
from tito.milestone import drawing
from tito.milestone import run as stage
from tito.milestone.datasets import load_digits

MILESTONE = stage.milestone(1)
PAIR = (0, 6)  # two digits of much the same shape that a plane can still separate
EPOCHS = 20
TARGET = 0.99


def two_digits(images, labels):
    """The images of the two digits as rows of pixels from 0 to 1; +1 for the first, -1 for the other."""
    chosen = np.isin(labels, PAIR)
    pixels = (images[chosen] / 16).astype(np.float32)
    return Tensor(pixels.reshape(-1, 64)), Tensor(np.where(labels[chosen] == PAIR[0], 1.0, -1.0))


def train(x, y):
    """Rosenblatt's rule, image by image, until an epoch goes by without a mistake.

    Returns:
        The weights (64,), the bias, and the number of mistakes in every epoch.
    """
    weight, bias, mistakes = zeros(64), 0.0, []
    for _ in range(EPOCHS):
        mistakes.append(0)
        for pixels, answer in zip(x.numpy(), y.tolist(), strict=True):
            score = (weight * pixels).sum() + bias
            if answer * score.item() <= 0:
                weight = weight + answer * Tensor(pixels)
                bias = bias + answer
                mistakes[-1] += 1
        if mistakes[-1] == 0:
            break
    return weight, bias, mistakes


def scores(weight, bias, x):
    """How far on the first digit's side of the plane each image lies."""
    return x @ weight + bias


def accuracy(weight, bias, x, y):
    """The share of images on the right side."""
    return (where(scores(weight, bias, x) > 0, 1.0, -1.0) == y).mean().item()


def weight_picture(weight):
    """The weights as colours: blue pixels speak for the first digit, red ones for the second."""
    w = weight.numpy().reshape(8, 8) / np.abs(weight.numpy()).max()
    fade = 255 * (1 - np.abs(w))
    return np.stack([np.where(w < 0, 255, fade), fade, np.where(w > 0, 255, fade)], axis=-1)


def sections(weight, bias, data, mistakes):
    """The parts of the report."""
    x, y = two_digits(data.test_images, data.test_labels)
    margin = (scores(weight, bias, x) * y).tolist()
    hardest = [
        drawing.picture(255 - 255 * x.numpy()[i].reshape(8, 8), f"{margin[i]:+.1f}")
        for i in np.argsort(margin)[:8]
    ]
    title = f"Weights: blue speaks for {PAIR[0]}, red for {PAIR[1]}"
    return [
        ("Mistakes in each epoch", drawing.plot(mistakes, f"{len(mistakes)} epochs")),
        (title, drawing.pictures([drawing.picture(weight_picture(weight))], wide=True)),
        (
            "The closest calls: distance on the right side (negative: a mistake)",
            drawing.pictures(hardest),
        ),
    ]


def main() -> int:
    data = load_digits()
    train_x, train_y = two_digits(data.train_images, data.train_labels)
    test_x, test_y = two_digits(data.test_images, data.test_labels)
    stage.console.print(
        f"{MILESTONE.id}: {PAIR[0]} or {PAIR[1]}? {len(train_x)} images to learn from, {len(test_x)} to be tested on"
    )
    weight, bias, mistakes = train(train_x, train_y)
    for epoch, count in enumerate(mistakes, 1):
        stage.console.print(f"epoch {epoch}: {count} mistakes")
    claim = stage.Claim("test accuracy", accuracy(weight, bias, test_x, test_y), TARGET)
    result = stage.Result(MILESTONE, "the bundled digits (8×8)", (claim,))
    return stage.finish(result, sections(weight, bias, data, mistakes), {"mistakes": mistakes})


if __name__ == "__main__":
    sys.exit(stage.play(main))
