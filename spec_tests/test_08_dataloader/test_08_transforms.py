"""Kata 08, Data loading: transforms of whole batches (katas/08_dataloader/README.md)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_alike,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.observe import observe
from support.strategies import AWKWARD, LAYOUTS, fill, integer, normal, real


def pictures(count: int, *shape: int, seed: int = 0) -> Any:
    """Images (count, *shape), no pixel 0 and no two alike."""
    return fill((count, *shape), seed, "positive")


def alike(count: int, *shape: int) -> Any:
    """The same image many times."""
    return np.repeat(pictures(1, *shape), count, axis=0)


def found_as(images: Any, candidates: dict[str, Any]) -> dict[str, int]:
    """How many images equal each candidate, and how many equal none."""
    same = np.array(
        [(images == c).reshape(len(images), -1).all(axis=1) for c in candidates.values()]
    )
    counts = dict(zip(candidates, same.sum(axis=1).tolist(), strict=True))
    return counts | {"something else": int((~same.any(axis=0)).sum())}


def distinct(candidates: dict[str, Any]) -> tuple[dict[str, Any], list[float]]:
    """The candidates without those that look the same, and the share of each among all."""
    looks = {name: candidate.tobytes() for name, candidate in candidates.items()}
    texts = list(looks.values())
    first = {text: name for name, text in reversed(looks.items())}
    names = [name for name, text in looks.items() if first[text] == name]
    shares = [texts.count(looks[name]) / len(texts) for name in names]
    return {name: candidates[name] for name in names}, shares


def assert_as_likely(counts: dict[str, int], shares: list[float]) -> None:
    """Every candidate as often as its share says, to six standard deviations; nothing else."""
    total, said = sum(counts.values()), {}
    for (name, count), share in zip(counts.items(), [*shares, 0.0], strict=True):
        limit = 6 * (total * share * (1 - share)) ** 0.5
        as_often = abs(count - total * share) <= limit
        said[name] = "right" if as_often else "too often" if count > total * share else "too rarely"
    assert_equal(said, want=dict.fromkeys(counts, "right"))


@observe(shown="{transform}(images, rng)")
def changed(tt: Any, transform: str, images: Any, seed: int, layout: str = "x") -> Any:
    known = {"tt": tt, "np": np, "x": images}
    return eval(transform, known)(eval(layout, known), np.random.default_rng(seed))


EVERY = {
    "Normalize": "tt.Normalize([1.1, -2.3], [0.7, 3.1])",
    "Flip": "tt.RandomHorizontalFlip(0.5)",
    "Crop": "tt.RandomCrop((4, 3), padding=1)",
    "Cutout": "tt.Cutout(2)",
    "Compose": "tt.Compose([tt.RandomCrop(4, 1), tt.RandomHorizontalFlip(), tt.Cutout(1)])",
}
DRAWING = ["Flip", "Crop", "Cutout", "Compose"]
every_transform = pytest.mark.parametrize("name", EVERY)


# ---- 08.18: what all transforms do ---------------------------------------------------------------


@observe(shown="{transform}(images, rng)  # and the images afterwards")
def images_after(tt: Any, transform: str, images: Any) -> Any:
    out = eval(transform, {"tt": tt})(images, np.random.default_rng(1))
    return {"images": images, "size": out.size}


@every_transform
def test_transforms_leave_their_images(name: str) -> None:
    """08.18 The images after the call, to the last bit."""
    images = pictures(9, 2, 4, 5)
    got = images_after(EVERY[name], images)
    assert_unchanged(got, was={"images": images})
    assert_equal(got["size"] > 0, want=True)


@observe(shown="{transform}(images, rng)  # twice from one state, then from another")
def drawn(tt: Any, transform: str, images: Any, seed: int) -> Any:
    made, states = eval(transform, {"tt": tt}), []
    for number in (1, 2):
        tt.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002 - somebody else's generator must not matter
        unused = repr(tt.default_generator.bit_generator.state)
        states.append(made(images, np.random.default_rng(seed)))
        kept = repr(tt.default_generator.bit_generator.state) == unused
    rng = np.random.default_rng(seed)
    before = rng.bit_generator.state
    again, later = made(images, rng), made(images, rng)
    rng.bit_generator.state = before
    other = made(images, np.random.default_rng(seed + 1))
    runs = {"once": states[0], "again": states[1], "a third time": again}
    runs |= {"with the state put back": made(images, rng)}
    return runs | {"kept": kept, "differ": [not (again == x).all() for x in (later, other)]}


@pytest.mark.parametrize("name", DRAWING)
def test_transforms_draw_from_rng_alone(name: str) -> None:
    """08.18 One state of rng gives one result, a later state another; nothing else is drawn from."""
    got = drawn(EVERY[name], pictures(50, 2, 4, 5), integer(0, 0, 99))
    for other in ("again", "a third time", "with the state put back"):
        assert_alike(got, "once", other, exactly=True)
    said = {"drawn from rng alone": got["kept"], "two states differ": got["differ"]}
    assert_equal(said, want={"drawn from rng alone": True, "two states differ": [True, True]})


@observe(shown="{transform}(images, rng)  # 1,500 times, of equal images: their first pixels")
def first_pixels(tt: Any, transform: str, images: Any, seed: int) -> Any:
    made, rng = eval(transform, {"tt": tt}), np.random.default_rng(seed)
    return np.array([made(images, rng)[:, 0, 0, 0] for _ in range(1500)])


APART = {  # transforms of an image with the pixels 1 and 2, and the first pixels that are as likely
    "RandomHorizontalFlip(0.5)": (1, 2),
    "RandomCrop(1)": (1, 2),
    "Cutout(1)": (0, 1),
}


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("transform", APART)
def test_images_draw_apart(transform: str, count: int) -> None:
    """08.18 One image, two or three in a batch: each outcome of one beside each of the others, as often."""
    images = np.tile([1.0, 2.0], (count, 1, 1, 1))
    got = first_pixels(f"tt.{transform}", images, integer(0, 0, 99))
    want = {str(each): np.array(each) for each in itertools.product(APART[transform], repeat=count)}
    assert_as_likely(found_as(got, want), [1 / len(want)] * len(want))


@observe(shown="{transform}(images, rng)  # after a call with other images")
def used_before(tt: Any, transform: str, others: Any, images: Any, seed: int) -> Any:
    fresh, used = eval(transform, {"tt": tt}), eval(transform, {"tt": tt})
    used(others, np.random.default_rng(99))
    made = [t(images, np.random.default_rng(seed)) for t in (fresh, used)]
    return dict(zip(("fresh", "used before"), made, strict=True))


@every_transform
def test_transforms_remember_nothing(name: str) -> None:
    """08.18 A fresh one, and one that has seen images of another size or of another dtype."""
    images, seed = pictures(9, 2, 4, 5) / 3, integer(0, 0, 99)
    for others in (pictures(3, 2, 6, 4).astype(np.float16), (9 * images).astype(np.uint8)):
        got = used_before(EVERY[name], others, images, seed)
        assert_alike(got, "fresh", "used before", exactly=True)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint8", "int64"])
@pytest.mark.parametrize("name", DRAWING)
def test_transforms_keep_the_dtype(name: str, dtype: str) -> None:
    """08.18 Floats, bytes and integers; the numbers are those of float64."""
    images, seed = np.ceil(pictures(3, 2, 4, 5) * 8), integer(0, 0, 99)
    got = changed(EVERY[name], images.astype(dtype), seed)
    assert_equal(str(got.dtype), want=dtype)
    assert_exact(got.astype(np.float64), want=changed(EVERY[name], images, seed))


@every_transform
def test_transforms_of_any_layout(name: str) -> None:
    """08.18 The same images laid out in memory in other ways, and as a tensor."""
    images, seed = pictures(3, 2, 4, 5), integer(3, 0, 99)
    runs = {"as usual": changed(EVERY[name], images, seed)}
    for layout, expression in {**LAYOUTS, "tensor": "tt.Tensor(x)"}.items():
        runs[layout] = changed(EVERY[name], images, seed, expression)
        assert_alike(runs, "as usual", layout, exactly=True)


@every_transform
def test_transforms_of_no_images(name: str) -> None:
    """08.18 A batch of 0 images beside one of some."""
    count = integer(2, 1, 9)
    shapes = [changed(EVERY[name], pictures(n, 2, 4, 5), 0).shape for n in (count, 0)]
    assert_equal([shapes[0][0], shapes[1]], want=[count, (0, *shapes[0][1:])])


@every_transform
def test_transforms_refuse_other_shapes(name: str) -> None:
    """08.18 One image without its N, a list of numbers; before them a batch that is right."""
    channels = integer(2, 2, 2)
    assert_equal(changed(EVERY[name], pictures(1, channels, 4, 5), 0).shape[0], want=1)
    for shape in [(2, 4, 5), (3,), (1, 2, 2, 4, 5)]:
        says = (str(shape),)
        assert_raises(changed, EVERY[name], np.ones(shape), 0, error="ValueError", says=says)


@observe
def composed(tt: Any, images: Any, seed: int) -> Any:
    steps = [
        tt.Normalize(1.0, 2.0),
        tt.RandomCrop(3),
        tt.RandomHorizontalFlip(),
        tt.Normalize(3, 1),
    ]
    rng, by_hand, given = np.random.default_rng(seed), images, list(steps)
    for step in steps:
        by_hand = step(by_hand, rng)
    made = tt.Compose(given)
    given.clear()
    whole = made(images, np.random.default_rng(seed))
    nested = tt.Compose([tt.Compose(iter(steps[:2])), *steps[2:]])
    nested = nested(images, np.random.default_rng(seed))
    empty = tt.Compose([])(images, np.random.default_rng(seed))
    return {"one by one": by_hand, "composed": whole, "nested": nested, "of none": empty}


def test_compose_applies_in_order() -> None:
    """08.18 Four transforms one by one and composed, one Compose within another, and of none."""
    images = pictures(6, 2, 4, 5)
    got = composed(images, integer(0, 0, 99))
    assert_alike(got, "one by one", "composed", exactly=True)
    assert_alike(got, "one by one", "nested", exactly=True)
    assert_exact(got["of none"], want=images)


@observe
def in_the_loader(tt: Any, transform: str, images: Any, prefetch: int) -> Any:
    loader = tt.DataLoader(
        tt.TensorDataset(images), 4, transform=eval(transform, {"tt": tt}), prefetch=prefetch
    )
    return {f"batch {i}": batch[0] for i, batch in enumerate(loader)}


@every_transform
def test_transforms_in_the_loader(name: str) -> None:
    """08.18 Batches with a thread and without."""
    images = pictures(10, 2, 4, 5)
    runs = {k: in_the_loader(EVERY[name], images, k == "ahead") for k in ("at once", "ahead")}
    assert_alike(runs, "at once", "ahead", exactly=True)


# ---- 08.19: Normalize ----------------------------------------------------------------------------


def test_normalize_each_channel() -> None:
    """08.19 As many rows and columns as channels, so that an axis cannot be taken for another."""
    images, mean = normal(3, 3, 3, 3), [real(m, m, m + 0.2) for m in (0.5, -1.0, 2.0)]
    got = changed(f"tt.Normalize({mean}, [2.0, 0.5, 4.0])", images, 0)
    planes = [(images[:, c] - mean[c]) / s for c, s in enumerate([2.0, 0.5, 4.0])]
    assert_close(got, want=np.stack(planes, axis=1))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_normalize_by_one_number(channels: int) -> None:
    """08.19 One mean and one std for all channels, as a number, a list, an array; one of each kind."""
    images, mean = normal(2, channels, 3, 4), real(0.75, 0.3, 0.9)
    for text in (f"{mean}", f"[{mean}]", f"np.array([{mean}])", str([mean] * channels)):
        got = changed(f"tt.Normalize({text}, 0.5)", images, 0)
        assert_close(got, want=(images - mean) * 2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "bool"])
def test_normalize_makes_floats_of_integers(dtype: str) -> None:
    """08.19 Pixels below the mean, which a difference of bytes would wrap around."""
    images = np.arange(integer(1, 1, 9), 25).reshape(-1)[:12].reshape(1, 1, 3, 4).astype(dtype)
    got = changed("tt.Normalize(100, 50)", images, 0)
    assert_close(got, want=((images.astype(np.float32) - 100) / 50).astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_normalize_keeps_floats(dtype: str) -> None:
    """08.19 The dtype, and infinities, nan and zeros among the pixels."""
    images = np.concatenate([AWKWARD[:9], [real(0.5, 0.5, 0.9)] * 3]).reshape(1, 1, 3, 4)
    got = changed("tt.Normalize(-0.5, 0.25)", images.astype(dtype), 0)
    assert_exact(got, want=((images.astype(dtype) + 0.5) * 4).astype(dtype), ulps=2)


@pytest.mark.parametrize("which", ["mean", "std"])
@pytest.mark.parametrize(("channels", "numbers"), [(3, 2), (3, 4), (3, 5), (1, 3)], ids=str)
def test_normalize_refuses_counts(channels: int, numbers: int, which: str) -> None:
    """08.19 Two, four and five numbers for three channels, three for one, which NumPy would stretch."""
    given = {"mean": [1.0], "std": [1.0]} | {which: [1.0 + i for i in range(numbers)]}
    call, images = f"tt.Normalize({given['mean']}, {given['std']})", pictures(2, channels, 4, 5)
    says = (str(channels), str(numbers))
    assert_raises(changed, call, images, 0, error="ValueError", says=says)


# ---- 08.20: RandomHorizontalFlip -----------------------------------------------------------------


def mirrored(image: Any) -> dict[str, Any]:
    """An image (C, H, W) as it was, mirrored, and what somebody may take for it."""
    return {
        "as it was": image,
        "left to right": image[..., ::-1],
        "upside down": image[:, ::-1],
        "turned by half": image[:, ::-1, ::-1],
        "channels reversed": image[::-1],
    }


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_flip_mirrors_some(p: float) -> None:
    """08.20 2,000 equal images: each as it was or mirrored left to right, mirrored as often as p says."""
    share = real(p, p - 0.1, p + 0.1) if 0 < p < 1 else p
    images = alike(2000, 2, 3, 3)
    got = changed(f"tt.RandomHorizontalFlip({share})", images, 0)
    assert_as_likely(found_as(got, mirrored(images[0])), [1 - share, share, 0.0, 0.0, 0.0])


def test_flip_of_a_half_by_default() -> None:
    """08.20 p left out, on 2,000 equal images; p=1 on some that differ."""
    images, some = alike(2000, 1, 2, 4), pictures(3, 2, 3, 4)
    got = changed("tt.RandomHorizontalFlip()", images, integer(0, 0, 99))
    candidates = {"as it was": images[0], "left to right": images[0][..., ::-1]}
    assert_as_likely(found_as(got, candidates), [0.5, 0.5])
    assert_exact(changed("tt.RandomHorizontalFlip(1)", some, 0), want=some[..., ::-1])


# ---- 08.21: RandomCrop ---------------------------------------------------------------------------


def windows(image: Any, size: tuple[int, int], padding: int) -> dict[str, Any]:
    """Every window of a padded image (C, H, W), by the place of its first pixel."""
    c, h, w = image.shape
    padded = np.zeros((c, h + 2 * padding, w + 2 * padding))
    padded[:, padding : padding + h, padding : padding + w] = image
    rows, columns = padded.shape[1] - size[0] + 1, padded.shape[2] - size[1] + 1
    places = [(r, s) for r in range(rows) for s in range(columns)]
    return {f"from ({r}, {s})": padded[:, r : r + size[0], s : s + size[1]] for r, s in places}


CROPS = {
    "2, padding=1": ((2, 2), (2, 2), 1),
    "(3, 2)": ((4, 4), (3, 2), 0),
    "(1, 4), 1": ((2, 3), (1, 4), 1),
    "2, 1": ((3, 4), (2, 2), 1),
    "(1, 2), 2": ((2, 3), (1, 2), 2),
    "3, 2": ((1, 2), (3, 3), 2),
}


@pytest.mark.parametrize("arguments", CROPS)
def test_crop_cuts_every_place_as_often(arguments: str) -> None:
    """08.21 3,000 equal images of two channels: each result is a window, and no place is preferred."""
    shape, size, padding = CROPS[arguments]
    images = alike(3000, 2, *shape)
    candidates, shares = distinct(windows(images[0], size, padding))
    got = changed(f"tt.RandomCrop({arguments})", images, integer(0, 0, 99))
    assert_as_likely(found_as(got, candidates), shares)


@pytest.mark.parametrize(("size", "padding"), [((3, 5), 0), ((7, 9), 2)], ids=str)
def test_crop_with_one_place(size: Any, padding: int) -> None:
    """08.21 A window as large as the padded image shows all of it."""
    images = pictures(4, 2, 3, 5)
    border = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    got = changed(f"tt.RandomCrop({size}, {padding})", images, 0)
    assert_exact(got, want=np.pad(images, border))


def test_crop_of_each_image() -> None:
    """08.21 Every result is a window of its own image, not of a neighbour."""
    images = pictures(40, 1, 3, 3)
    got = changed("tt.RandomCrop(2)", images, integer(0, 0, 99))
    each = [found_as(g[None], windows(x, (2, 2), 0)) for g, x in zip(got, images, strict=True)]
    others = sum(counts["something else"] for counts in each)
    want = {"shape": (40, 1, 2, 2), "not of their own image": 0}
    assert_equal({"shape": got.shape, "not of their own image": others}, want=want)


@pytest.mark.parametrize(
    ("arguments", "size", "padded"),
    [("4", "(4, 4)", "(3, 5)"), ("(3, 6)", "(3, 6)", "(3, 5)"), ("(6, 3), 1", "(6, 3)", "(5, 7)")],
)
def test_crop_refuses_large_windows(arguments: str, size: str, padded: str) -> None:
    """08.21 A window too high, too wide, too high in spite of the padding."""
    images = pictures(integer(2, 0, 3), 1, 3, 5)
    call = f"tt.RandomCrop({arguments})"
    assert_raises(changed, call, images, 0, error="ValueError", says=(size, padded))


# ---- 08.22: Cutout -------------------------------------------------------------------------------


def holes(image: Any, size: int) -> dict[str, Any]:
    """An image (C, H, W) with its square at every pixel, by that pixel."""
    found = {}
    for r, c in np.ndindex(image.shape[1:]):
        cut = image.copy()
        top, left = r - size // 2, c - size // 2
        cut[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        found[f"around ({r}, {c})"] = cut
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_cutout_around_every_pixel(size: int) -> None:
    """08.22 3,000 equal images: each has a square at a pixel, at the edge a part of one, all as often."""
    images = alike(3000, 2, 4, 5)
    candidates, shares = distinct(holes(images[0], size))
    got = changed(f"tt.Cutout({size})", images, integer(0, 0, 99))
    assert_as_likely(found_as(got, candidates), shares)


def test_cutout_larger_than_the_image() -> None:
    """08.22 A square that covers all, beside one of a pixel."""
    images = pictures(integer(3, 2, 9), 1, 2, 3)
    zeros = [(changed(f"tt.Cutout({n})", images, 0) == 0).sum() for n in (9, 1)]
    assert_equal([int(n) for n in zeros], want=[images.size, len(images)])


def test_cutout_of_infinite_pixels() -> None:
    """08.22 The square is 0 where pixels were inf and nan, too; the others stay."""
    images = np.tile([np.inf, np.nan, real(2.0, 1.0, 3.0)], (3, 1, 2, 1))
    got = changed("tt.Cutout(1)", images, 0)
    hidden = got == 0
    assert_equal(hidden.sum(axis=(1, 2, 3)).tolist(), want=[1, 1, 1])
    assert_exact(got, want=np.where(hidden, 0.0, images))
