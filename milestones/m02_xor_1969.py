"""Milestone 02, 1969: XOR, which one layer cannot do and two layers can.

Marvin Minsky and Seymour Papert proved that a perceptron cannot learn "one or the other, but not
both": no straight line separates the corners of a square by colour. A second layer bends the plane
first, and backpropagation finds out how.

Model, loss, gradients and optimizer are yours. Run it with: make milestone-02
"""

import sys

import numpy as np

from tinytorch import Adam, Linear, Sequential, Tanh, Tensor, manual_seed, no_grad  # YOUR code
from tinytorch import binary_cross_entropy_with_logits as loss_of
from tito.milestone import drawing
from tito.milestone import run as stage

MILESTONE = stage.milestone(2)
STEPS = 300
ONE_LAYER_AT_MOST, TWO_LAYERS = 0.75, 1.0
BLUE, RED, WHITE, BLACK = (30, 90, 200), (210, 50, 40), (255, 255, 255), (40, 40, 40)


def corners(count, seed):
    """Points around the four corners (±1, ±1), `count` at each; class 1 where the signs differ."""
    centers = np.repeat([[1, 1], [1, -1], [-1, 1], [-1, -1]], count, axis=0)
    points = centers + np.random.default_rng(seed).normal(scale=0.2, size=centers.shape)
    classes = centers[:, :1] != centers[:, 1:]
    return Tensor(points.astype(np.float32)), Tensor(classes.astype(np.float32))  # (N, 2), (N, 1)


def one_layer():
    """A line in the plane: all that a perceptron can draw."""
    return Linear(2, 1)


def two_layers():
    """Eight lines, bent, and a weighted sum of them."""
    return Sequential(Linear(2, 8), Tanh(), Linear(8, 1))


def train(build, x, y):
    """Train one model on all points at once.

    Returns:
        The model, and the loss at every step.
    """
    manual_seed(stage.seed(1969))
    model, losses = build(), []
    optimizer = Adam(model.parameters(), lr=0.05)
    with stage.progress(STEPS) as advance:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            advance(f"loss {losses[-1]:.4f}")
    return model, losses


def accuracy(model, x, y):
    """The share of points on the right side of the boundary."""
    with no_grad():
        return ((model(x) > 0) == (y > 0.5)).mean().item()


def boundary(model, x, y, size=120, reach=1.8):
    """A picture of the plane: the colour says what the model answers, dots are the points."""
    line = np.linspace(-reach, reach, size, dtype=np.float32)
    grid = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
    with no_grad():
        sure = np.tanh(model(Tensor(grid)).numpy().reshape(size, size, 1) / 2)  # -1 to 1
    full = np.where(sure > 0, np.subtract(WHITE, BLUE), np.subtract(WHITE, RED))
    shade = np.array(WHITE) - 0.5 * abs(sure) * full
    shade[:, 1:][(sure[:, 1:] > 0)[..., 0] != (sure[:, :-1] > 0)[..., 0]] = BLACK
    for (across, up), answer in zip(x.tolist(), y.numpy()[:, 0] > 0.5, strict=True):
        row, column = (
            int((reach - up) / (2 * reach) * size),
            int((across + reach) / (2 * reach) * size),
        )
        shade[max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] = BLUE if answer else RED
    return shade


def main() -> int:
    x, y = corners(50, seed=0)
    test_x, test_y = corners(50, seed=1)
    found, pictures, sections = {}, [], []
    for name, build in (("one layer", one_layer), ("two layers", two_layers)):
        stage.console.print(f"{MILESTONE.id}: {name}, {STEPS} steps on {len(x)} points")
        model, losses = train(build, x, y)
        found[name] = accuracy(model, test_x, test_y)
        stage.console.print(drawing.curve(losses))
        pictures.append(
            drawing.picture(boundary(model, test_x, test_y), f"{name}: {found[name]:.0%}")
        )
        sections.append((f"Loss, {name}", drawing.plot(losses, f"{STEPS} steps")))
    claims = (
        stage.Claim("two layers", found["two layers"], TWO_LAYERS),
        stage.Claim("one layer", found["one layer"], ONE_LAYER_AT_MOST, at_most=True),
    )
    result = stage.Result(MILESTONE, "200 fresh points around the corners of a square", claims)
    sections.insert(
        0, ("What each model answers, everywhere", drawing.pictures(pictures, wide=True))
    )
    return stage.finish(result, sections, {"steps": STEPS})


if __name__ == "__main__":
    sys.exit(stage.play(main))
