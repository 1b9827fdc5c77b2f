"""Kata 08. Data: from files on a disk to batches that are ready when the step before is done.

A data set says how many samples there are and gives one. A loader decides the order, puts samples
together into batches, changes the images a little, and may do all this in a thread while you compute.
What it will give is a function of (seed, epoch, samples seen): so a run can stop and go on anywhere.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.door import Array, default_generator
from tinytorch.tensor import Tensor
from tinytorch.training import batches

Batches = Generator[tuple[int, Any], None, None]  # each with the number of samples seen
Pair = tuple[int, int]
Size = int | Sequence[int]  # as an option is given: one number for both axes, or (rows, columns)

RECORD = 1 + 3 * 32 * 32  # bytes of one picture in a CIFAR-10 file: its label, then its pixels
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


# ---- data sets -----------------------------------------------------------------------------------


# kata: given
class Dataset:
    """A data set whose samples have numbers: a subclass defines `__len__` and `__getitem__`.

    Source: torch.utils.data.Dataset
    """

    def __getitem__(self, index: int) -> Any:
        raise TypeError(f"{type(self).__name__} gives no sample: define __getitem__(self, index)")


class IterableDataset:
    """A data set that can only be walked through, such as a long file: a subclass defines `__iter__`.

    Source: torch.utils.data.IterableDataset
    """

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__} gives no samples: define __iter__(self)")


def is_whole(value: Any, least: int) -> bool:
    """Whether the value is a whole number, of Python or NumPy, of at least `least`."""
    return isinstance(value, (int, np.integer)) and bool(value >= least)


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int, if it is a whole number of at least `least`; else a ValueError with its name."""
    if not is_whole(value, least):
        raise ValueError(
            f"{name} must be a whole number of at least {least}; got {value!r}: for example {name}={least}"
        )
    return int(value)


# kata: end


class TensorDataset(Dataset):
    """Arrays whose rows belong together: sample i is the tuple of their rows i.

    Args:
        arrays: arrays or tensors (N, ...), all of one length. They are not copied.

    Attributes:
        arrays: the tuple of NumPy arrays.

    Raises:
        ValueError: there is no array, one has no axis, or the lengths differ; the message names the
            shapes.

    Example:
        >>> data = TensorDataset(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]))
        >>> len(data), [field.tolist() for field in data[1]]
        (2, [[3.0, 4.0], 1])

    Source: torch.utils.data.TensorDataset
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays = tuple(a.data if isinstance(a, Tensor) else np.asarray(a) for a in arrays)
        lengths = {a.shape[:1] for a in self.arrays}  # () of an array without an axis
        if len(lengths) != 1 or () in lengths:
            shapes = ", ".join(str(a.shape) for a in self.arrays) or "none"
            raise ValueError(f"a TensorDataset needs arrays (N, ...) of one length; got {shapes}")

    def __len__(self) -> int:
        """How many samples there are: N."""
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The rows at this index; a negative index counts from the end.

        Raises:
            IndexError: there is no such row; the message names the index.
        """
        return tuple(array[index] for array in self.arrays)


class Subset(Dataset):
    """Some samples of a data set, in an order of its own: sample i is `dataset[indices[i]]`.

    Args:
        dataset: any data set with `__len__` and `__getitem__`.
        indices: whole numbers from -len(dataset) to len(dataset) - 1; they may repeat. They are copied.

    Attributes:
        dataset, indices: as given; indices is a list of Python ints.

    Raises:
        TypeError: the indices are no sequence of whole numbers (bools are none).
        IndexError: the data set has no such sample; the message names index and length.

    Source: torch.utils.data.Subset
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        chosen = list(indices)
        if not all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in chosen):
            raise TypeError(
                f"indices are a list of whole numbers; got {indices!r}: for a mask of bools, np.flatnonzero(mask)"
            )
        self.dataset, self.indices = dataset, [int(i) for i in chosen]
        for index in self.indices:
            if not -len(dataset) <= index < len(dataset):
                raise IndexError(
                    f"there is no sample {index} in a data set of {len(dataset)}: indices run from 0 to {len(dataset) - 1}"
                )

    def __len__(self) -> int:
        """How many samples were chosen."""
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        """The sample that was chosen at this place.

        Raises:
            IndexError: fewer were chosen.
        """
        return self.dataset[self.indices[index]]


def random_split(dataset: Any, lengths: Sequence[float], seed: int = 0) -> list[Subset]:
    """Deal all samples out to parts, each sample to one of them, in an order that follows from the seed.

    Args:
        dataset: any data set with `__len__` and `__getitem__`.
        lengths: whole numbers whose sum is len(dataset); or, if one of them is a float, shares whose
            sum is 1: then a part gets floor(share * len(dataset)) samples, and what is left goes to
            the parts from the first on, one each.
        seed: of the order; nothing is drawn from `default_generator`.

    Returns:
        One Subset for each length.

    Raises:
        ValueError: a length is negative, or the sum is neither; the message names it.

    Example:
        >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
        [8, 2]

    Source: torch.utils.data.random_split
    """
    counts = _counts(len(dataset), list(lengths))
    order = iter(np.random.default_rng(whole("seed", seed, 0)).permutation(len(dataset)))
    return [Subset(dataset, list(islice(order, count))) for count in counts]


def _counts(total: int, lengths: list[float]) -> list[int]:
    """Lengths as whole numbers whose sum is `total`."""
    shares = any(isinstance(length, (float, np.floating)) for length in lengths)
    exact: Any = float if shares else int  # bytes of NumPy would overflow
    numbers = [exact(length) for length in lengths]
    given, wanted = sum(numbers), 1 if shares else total
    right = math.isclose(given, 1) if shares else given == total
    if not right or not all(number >= 0 for number in numbers):
        raise ValueError(
            f"lengths must be at least 0, with the sum {wanted}; got {lengths}, with the sum {given}"
        )
    if not shares:
        return numbers
    counts = [math.floor(total * share) for share in numbers]
    left = total - sum(counts)
    return [count + (i < left) for i, count in enumerate(counts)]


# ---- samples into a batch ------------------------------------------------------------------------


def default_collate(samples: Sequence[Any]) -> Any:
    """Put samples together: a list of N samples becomes one batch with N in front of each shape.

    Numbers, arrays and tensors become one array (N, ...), in memory of its own. Samples that are
    tuples, lists or dicts become one tuple, list or dict, each field put together by itself, to any
    depth. Texts stay a list.

    Args:
        samples: at least one; all of one form: the same kind, fields, keys and shapes.

    Returns:
        The batch. Python numbers become int64, bool, or, where one is a float, float32; arrays keep
        their dtype (unlike dtypes: the one that NumPy gives them together).

    Raises:
        ValueError: there is no sample, or the forms differ; the message names both.
        TypeError: a sample is something else.

    Example:
        >>> images, labels = default_collate([(np.zeros(2), 3), (np.ones(2), 4)])
        >>> images.shape, labels.tolist()
        ((2, 2), [3, 4])

    Source: torch.utils.data.default_collate
    """
    forms = [_form(sample) for sample in samples]
    other = next((form for form in forms if form != forms[0]), None)
    if other or not forms:
        got = f"{forms[0]} and {other}" if forms else "no sample"
        raise ValueError(
            f"the samples of a batch must be alike; got {got}: pass a collate_fn that pads or sorts them"
        )
    first = samples[0]
    if isinstance(first, dict):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        fields = [default_collate(field) for field in zip(*samples, strict=True)]
        return fields if isinstance(first, list) else tuple(fields)
    if isinstance(first, (str, bytes)):
        return list(samples)
    if all(type(sample) in (bool, int, float) for sample in samples):  # a np.float64 is no float
        kinds = {type(sample) for sample in samples}
        dtype = np.float32 if float in kinds else np.int64 if int in kinds else np.bool_
        return np.array(samples, dtype)
    return np.stack([_array(sample) for sample in samples])


def _form(sample: Any) -> str:
    """What samples of one batch have in common, in words."""
    if isinstance(sample, dict):
        return f"a dict with the keys {sorted(map(repr, sample))}"
    if isinstance(sample, (tuple, list)):
        return f"a {'list' if isinstance(sample, list) else 'tuple'} of {len(sample)} fields"
    if isinstance(sample, (str, bytes)):
        return "a text"
    return f"an array of shape {_array(sample).shape}"


def _array(value: Any) -> Array:
    array = value.data if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"a sample holds numbers, arrays, tensors, texts, and tuples, lists and dicts of these; got {value!r} ({type(value).__name__}): pass a collate_fn"
        )
    return array


def _batch(dataset: Any, indices: list[int]) -> Any:
    """The samples at some indices as one batch; the rows of arrays are taken all at once."""
    if type(dataset) is Subset:
        return _batch(dataset.dataset, [dataset.indices[i] for i in indices])
    if type(dataset) is TensorDataset:  # a subclass may have samples of its own
        return tuple(array[indices] for array in dataset.arrays)
    return default_collate([dataset[i] for i in indices])


# ---- ahead of the caller -------------------------------------------------------------------------


def prefetched(items: Iterable[Any], ahead: int) -> Generator[Any, None, None]:
    """The same items in the same order, made by a thread while the caller works on the one before.

    The thread begins with the first `next`. While the caller works, at least `ahead` further items
    are made, and at most one more. An exception of `items` comes out after the items before it, as
    the same object, its traceback with the lines where it arose. However the walk ends (with the
    last item, an exception, or a `break`), the thread has ended too.

    Args:
        items: any iterable; `iter` is called at once, and then only the thread touches it.
        ahead: how many items to have ready, at least 1.

    Raises:
        ValueError: `ahead` is less than 1; at the call.

    Example:
        >>> list(prefetched("abc", ahead=2))
        ['a', 'b', 'c']

    Source: what torch.utils.data.DataLoader does with num_workers and prefetch_factor
    """
    return _prefetched(iter(items), whole("ahead", ahead, 1))


def _prefetched(items: Iterator[Any], ahead: int) -> Generator[Any, None, None]:
    """A queue of promises: one is taken from the front, one more is given to the thread."""
    end = object()
    thread = ThreadPoolExecutor(max_workers=1)
    try:
        promised = deque(thread.submit(next, items, end) for _ in range(ahead))
        while (item := promised.popleft().result()) is not end:
            promised.append(thread.submit(next, items, end))
            yield item
    finally:
        thread.shutdown(wait=True, cancel_futures=True)


# ---- the loader ----------------------------------------------------------------------------------


class DataLoader:
    """Walks through a data set in batches; each `for` over it is one epoch.

    A data set with `__len__` and `__getitem__` is read by index, any other is iterated. Epoch e has
    the order of `batches(N, batch_size, seed, e)` if `shuffle` is set. Batches are NumPy arrays, put
    together by `collate_fn`, then changed by `transform`.

    Args:
        dataset: a Dataset, a list, an array (N, ...), or an IterableDataset.
        batch_size: samples in a batch; the last may have fewer.
        shuffle: whether each epoch has a random order of its own.
        sampler: an iterable of indices that says the order; if it has `set_epoch`, that is called
            with the epoch's number before each walk.
        drop_last: whether a last batch that is too short is left out.
        collate_fn: makes a batch of a list of samples; `default_collate` if None.
        seed: of the order and of what `transform` draws.
        transform: called as `transform(images, rng)` on the first field of a batch that is a tuple
            or a list, else on the batch; rng is a generator that belongs to this batch alone.
        prefetch: how many batches a thread makes ahead while the caller works; 0 for no thread.

    Attributes:
        epoch, seen: where the walk that was begun last stands: the number of its epoch, and how many
            of its samples were handed out. After its end: the next epoch, and 0.

    Raises:
        ValueError: `batch_size` is less than 1, or `prefetch` or `seed` less than 0; or `shuffle` and
            `sampler` are both given, or one of them with a data set that is iterated; or `drop_last`
            would leave out all samples of the data set, which are fewer than `batch_size`.
        TypeError: the data set can neither be indexed nor iterated, or it is an iterator, which can
            be walked through only once.

    Example:
        >>> loader = DataLoader(range(7), batch_size=3)
        >>> len(loader), [batch.tolist() for batch in loader]
        (3, [[0, 1, 2], [3, 4, 5], [6]])

    Source: torch.utils.data.DataLoader; torchdata.stateful_dataloader.StatefulDataLoader
    """

    sampler: Any  # an iterable of indices that may have a set_epoch

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        *,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        seed: int = 0,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
        prefetch: int = 0,
    ) -> None:
        self.dataset, self.batch_size = dataset, whole("batch_size", batch_size, 1)
        self.shuffle, self.sampler, self.drop_last = shuffle, sampler, drop_last
        self.collate_fn, self.transform = collate_fn, transform
        self.seed, self.prefetch = whole("seed", seed, 0), whole("prefetch", prefetch, 0)
        self.indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        if not self.indexed and (not hasattr(dataset, "__iter__") or hasattr(dataset, "__next__")):
            raise TypeError(
                f"a data set has __len__ and __getitem__, or an __iter__ that can be called again; got {type(dataset).__name__}"
            )
        if drop_last and self.indexed and sampler is None and 0 < len(dataset) < self.batch_size:
            raise ValueError(
                f"{len(dataset)} samples do not fill one batch of batch_size={batch_size}, and drop_last=True leaves it out: take a smaller batch_size, or drop_last=False"
            )
        if [bool(shuffle), sampler is not None, not self.indexed].count(True) > 1:
            raise ValueError(
                "the order of the samples comes from shuffle, from sampler, or from a data set that is iterated: give one of them, not two"
            )
        self.epoch = self.seen = self._walks = 0
        self._begun = False

    def __len__(self) -> int:
        """How many batches an epoch has.

        Raises:
            TypeError: nobody knows, for a data set that is iterated.
        """
        if not self.indexed:
            raise TypeError(f"a {type(self.dataset).__name__} that is iterated has no length")
        count = len(self.dataset if self.sampler is None else self.sampler)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Begin the next epoch; or, after `load_state_dict`, go on where the state was taken."""
        if self._begun:  # the walk before was broken off
            self.epoch, self.seen = self.epoch + 1, 0
        self._begun = True
        self._walks += 1
        return self._walk(self._walks, self.seed, self.epoch, self.seen)

    def state_dict(self) -> dict[str, int]:
        """Where the walk that was begun last stands: {"seed": ..., "epoch": ..., "seen": ...}."""
        return {"seed": self.seed, "epoch": self.epoch, "seen": self.seen}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next walk be the rest of the epoch that the state was taken in.

        Raises:
            ValueError: an entry is no whole number of at least 0; nothing is changed then.
        """
        seed, epoch, seen = (whole(name, state[name], 0) for name in ("seed", "epoch", "seen"))
        self.seed, self.epoch, self.seen = seed, epoch, seen
        self._walks, self._begun = self._walks + 1, False

    def _walk(self, walk: int, seed: int, epoch: int, seen: int) -> Iterator[Any]:
        """Hand out the batches of one epoch, and keep the books as long as no other walk has begun."""
        made = self._made(seed, epoch, seen)
        with closing(prefetched(made, self.prefetch) if self.prefetch else made) as ready:
            for seen, batch in ready:
                if walk == self._walks:
                    self.seen = seen
                yield batch
        if walk == self._walks:
            self.epoch, self.seen, self._begun = epoch + 1, 0, False

    def _made(self, seed: int, epoch: int, seen: int) -> Batches:
        """Make the batches, each with the number of samples seen when it is handed out."""
        rest = islice(self._order(seed, epoch), seen, None)
        while piece := list(islice(rest, self.batch_size)):
            if len(piece) == self.batch_size or not self.drop_last:
                place = [seed, epoch, seen, 1]  # 1: the order is drawn from [seed, epoch]
                seen += len(piece)
                yield seen, self._transformed(self._collated(piece), place)

    def _order(self, seed: int, epoch: int) -> Iterator[Any]:
        """The epoch's indices; or its samples themselves, of a data set that is iterated."""
        if not self.indexed:
            return iter(self.dataset)
        if self.shuffle:
            pieces = batches(len(self.dataset), self.batch_size, seed, epoch)
            return chain.from_iterable(piece.tolist() for piece in pieces)
        if self.sampler is None:
            return iter(range(len(self.dataset)))
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)
        return iter(self.sampler)

    def _collated(self, piece: list[Any]) -> Any:
        """One batch of some indices, or of some samples of a data set that is iterated."""
        if self.indexed and self.collate_fn is None:
            return _batch(self.dataset, piece)
        samples = [self.dataset[i] for i in piece] if self.indexed else piece
        return (self.collate_fn or default_collate)(samples)

    def _transformed(self, batch: Any, place: list[int]) -> Any:
        """The images changed, by draws that follow from where in the training the batch stands."""
        if self.transform is None:
            return batch
        rng = np.random.default_rng(place)
        if not isinstance(batch, (tuple, list)):
            return self.transform(batch, rng)
        fields = [self.transform(batch[0], rng), *batch[1:]]
        return fields if isinstance(batch, list) else tuple(fields)


# ---- transforms ----------------------------------------------------------------------------------


# kata: given
class Transform:
    """A change of a whole batch of images. A subclass defines `apply(images, rng)`.

    Source: torchvision.transforms.v2.Transform, which draws once a call; here each image has draws of its own
    """

    def __call__(self, images: Any, rng: np.random.Generator | None = None) -> Array:
        """The changed images; without a generator, `default_generator` is drawn from.

        Raises:
            ValueError: images are not (N, C, H, W).
        """
        array: Array = images.data if isinstance(images, Tensor) else np.asarray(images)
        if array.ndim != 4:
            raise ValueError(
                f"{type(self).__name__} takes images (N, C, H, W); got the shape {array.shape}"
            )
        return self.apply(array, default_generator if rng is None else rng)

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Change images (N, C, H, W); never write into them, and draw from rng alone."""
        raise TypeError(f"{type(self).__name__} changes no image: define apply(self, images, rng)")


def pair(name: str, value: Size, least: int = 1) -> Pair:
    """An option as (rows, columns), whole numbers of at least `least`; one number is both.

    Raises:
        ValueError: it is neither one nor two of them; the message names the option and the value.

    Example:
        >>> pair("stride", 2), pair("stride", (1, 2))
        ((2, 2), (1, 2))
    """
    numbers: Any = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(numbers) != 2 or not all(is_whole(n, least) for n in numbers):
        raise ValueError(
            f"{name} must be a whole number of at least {least}, or two of them; got {value!r}: for example {name}={least}"
        )
    return int(numbers[0]), int(numbers[1])


# kata: end


class Compose(Transform):
    """Several transforms, one after the other, all with the same generator.

    Args:
        transforms: in the order in which they are applied; with none, the images stay as they are.

    Source: torchvision.transforms.Compose
    """

    # kata: given
    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms = list(transforms)

    # kata: end

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """images -> first -> second -> ..."""
        for transform in self.transforms:
            images = transform(images, rng)
        return images


class Normalize(Transform):
    """Move and scale each channel: out = (images - mean) / std.

    Args:
        mean, std: a number, or one for each channel, in the unit of the pixels.

    Raises:
        ValueError: a std is 0.

    Source: torchvision.transforms.Normalize, whose pixels are from 0 to 1
    """

    # kata: given
    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if not self.std.all():
            raise ValueError(f"std must not be 0; got {std}")

    # kata: end

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Floats keep their dtype, integers become float32: (N, C, H, W) -> (N, C, H, W).

        Raises:
            ValueError: mean or std are neither one number nor C; the message names both counts.
        """
        channels = images.shape[1]
        if {self.mean.size, self.std.size} - {1, channels}:
            raise ValueError(
                f"images have {channels} channels; got {self.mean.size} numbers for mean and {self.std.size} for std"
            )
        dtype = images.dtype if images.dtype.kind == "f" else np.dtype(np.float32)
        mean, std = (x.reshape(-1, 1, 1).astype(dtype) for x in (self.mean, self.std))
        out: Array = (images.astype(dtype, copy=False) - mean) / std
        return out


class RandomHorizontalFlip(Transform):
    """Mirror each image, left to right, with probability p, each by a draw of its own.

    Args:
        p: from 0 (none) to 1 (all).

    Raises:
        ValueError: p is outside 0 to 1.

    Source: torchvision.transforms.RandomHorizontalFlip
    """

    # kata: given
    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, from 0 to 1; got {p}")
        self.p = p

    # kata: end

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """(N, C, H, W) -> (N, C, H, W), the last axis reversed where an image is mirrored."""
        mirrored = rng.random(len(images)) < self.p
        return np.where(mirrored[:, None, None, None], images[..., ::-1], images)


class RandomCrop(Transform):
    """Put a border of zeros around each image, and cut out a window at a random place of its own.

    Args:
        size: of the window, one number or (height, width).
        padding: the width of the border, on all four sides.

    Raises:
        ValueError: a size is less than 1, or the padding less than 0.

    Source: torchvision.transforms.RandomCrop
    """

    # kata: given
    def __init__(self, size: Size, padding: int = 0) -> None:
        self.size, self.padding = pair("size", size), whole("padding", padding, 0)

    # kata: end

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """(N, C, H, W) -> (N, C, height, width); every place in the padded image is as likely.

        Raises:
            ValueError: the window is larger than the padded image; the message names both.
        """
        n, border = len(images), (self.padding, self.padding)
        padded = np.pad(images, [(0, 0), (0, 0), border, border])
        rows, columns = (
            have - want + 1 for have, want in zip(padded.shape[2:], self.size, strict=True)
        )
        if rows < 1 or columns < 1:
            raise ValueError(
                f"a window of {self.size} does not fit into images of {padded.shape[2:]}, padding included"
            )
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=(2, 3))
        top, left = rng.integers(rows, size=n), rng.integers(columns, size=n)
        return windows[np.arange(n), :, top, left]  # (N, C, rows, columns, h, w) -> (N, C, h, w)


class Cutout(Transform):
    """Set a square of each image to 0, around a random pixel of its own; at the edge it is cut off.

    Args:
        size: side of the square.

    Raises:
        ValueError: size is less than 1.

    Source: Improved Regularization of Convolutional Neural Networks with Cutout, DeVries and Taylor 2017
    """

    # kata: given
    def __init__(self, size: int) -> None:
        self.size = whole("size", size, 1)

    # kata: end

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """(N, C, H, W): rows r - size // 2 to r - size // 2 + size - 1 of a pixel (r, c), columns alike."""
        n, _, height, width = images.shape
        rows, columns = (self._hidden(rng, n, length) for length in (height, width))
        hidden = rows[:, None, :, None] & columns[:, None, None, :]  # (N, 1, H, W)
        return np.where(hidden, images.dtype.type(0), images)

    def _hidden(self, rng: np.random.Generator, count: int, length: int) -> Array:
        """Which places of an axis the square covers, for each image: (N, length)."""
        start = rng.integers(length, size=(count, 1)) - self.size // 2
        places = np.arange(length)
        return (start <= places) & (places < start + self.size)


# ---- files ---------------------------------------------------------------------------------------


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read an IDX file, the format of MNIST.

    Two zero bytes, a byte for the type of the numbers (the keys of IDX_TYPES), a byte for the number
    of axes, the length of each axis as a big-endian uint32, then the numbers, big-endian, in C order.

    Args:
        path: the file; if it begins like gzip (bytes 1f 8b) it is unpacked, whatever its name.

    Returns:
        An array of the shape in the header, of the file's type in the byte order of this computer;
        its memory is its own.

    Raises:
        ValueError: the file is damaged, is no IDX file, is too short or too long; the message names
            the file.
        FileNotFoundError: there is no such file.

    Source: http://yann.lecun.com/exdb/mnist
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise ValueError(
            f"{path} is no IDX file: it begins with {content[:4].hex(' ')}, not with 00 00, a type and a number of axes; fetch it again: make data"
        )
    dtype, start = np.dtype(IDX_TYPES[content[2]]), 4 + 4 * content[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{path} is {'cut short' if len(content) < expected else 'too long'}: it holds {len(content):,} bytes, its header {shape} asks for {expected:,}; fetch it again: make data"
        )
    try:
        return np.frombuffer(content[start:], dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # more axes than NumPy has, or 0 numbers beside huge lengths
        raise ValueError(
            f"{path} asks for the shape {shape}: {error}; fetch it again: make data"
        ) from error


def read_cifar10(*paths: str | os.PathLike[str]) -> tuple[Array, Array]:
    """Read files of the binary edition of CIFAR-10, one after the other.

    A file is a row of records of 3,073 bytes: the label, then 1,024 red, 1,024 green and 1,024 blue
    values, each colour row by row.

    Args:
        paths: one file or more; each may be packed by gzip.

    Returns:
        images (N, 3, 32, 32) in uint8 and labels (N,) in int64, each in memory of its own.

    Raises:
        ValueError: no file is given, or one is damaged, empty, no whole number of records, or has a
            label above 9; the message names the file.
        FileNotFoundError: there is no such file.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    if not paths:
        raise ValueError("read_cifar10 needs at least one file, such as data_batch_1.bin; got none")
    records = np.concatenate([_records(path) for path in paths])  # (N, 3073)
    images = records[:, 1:].copy().reshape(-1, 3, 32, 32)
    return images, records[:, 0].astype(np.int64)


def _records(path: str | os.PathLike[str]) -> Array:
    """One file of CIFAR-10: (N, 3073), label and pixels."""
    content = _content(path)
    if not content or len(content) % RECORD:
        raise ValueError(
            f"{path} holds {len(content):,} bytes, which is no whole number of CIFAR-10 records of {RECORD:,}: it is cut short, or another kind of file; fetch it again: make data"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    if (foreign := records[:, 0] > 9).any():
        place = int(foreign.argmax())
        raise ValueError(
            f"{path} has the label {records[place, 0]} in record {place}; CIFAR-10 has 0 to 9; fetch it again: make data"
        )
    return records


def _content(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, unpacked if they are gzip."""
    content = Path(path).read_bytes()
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is a damaged gzip file: {error}; fetch it again: make data"
        ) from None
