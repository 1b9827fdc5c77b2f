# Stub of kata 08, generated from reference/tinytorch/dataloader.py by: make stubs
# Write in this order; make test-08 says what comes next:
#   sets         TensorDataset.__init__, TensorDataset.__len__, TensorDataset.__getitem__,
#                Subset.__init__, Subset.__len__, Subset.__getitem__
#   splitting    random_split
#   collating    default_collate
#   prefetching  prefetched
#   loader       DataLoader.__init__, DataLoader.__len__, DataLoader.__iter__
#   resuming     DataLoader.state_dict, DataLoader.load_state_dict
#   transforms   Compose.apply, Normalize.apply, RandomHorizontalFlip.apply, RandomCrop.apply,
#                Cutout.apply
#   files        read_idx, read_cifar10
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
        raise NotImplementedError("kata 08: TensorDataset.__init__")

    def __len__(self) -> int:
        """How many samples there are: N."""
        raise NotImplementedError("kata 08: TensorDataset.__len__")

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The rows at this index; a negative index counts from the end.

        Raises:
            IndexError: there is no such row; the message names the index.
        """
        raise NotImplementedError("kata 08: TensorDataset.__getitem__")


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
        raise NotImplementedError("kata 08: Subset.__init__")

    def __len__(self) -> int:
        """How many samples were chosen."""
        raise NotImplementedError("kata 08: Subset.__len__")

    def __getitem__(self, index: int) -> Any:
        """The sample that was chosen at this place.

        Raises:
            IndexError: fewer were chosen.
        """
        raise NotImplementedError("kata 08: Subset.__getitem__")


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
    raise NotImplementedError("kata 08: random_split")


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
    raise NotImplementedError("kata 08: default_collate")


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
    raise NotImplementedError("kata 08: prefetched")


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
        raise NotImplementedError("kata 08: DataLoader.__init__")

    def __len__(self) -> int:
        """How many batches an epoch has.

        Raises:
            TypeError: nobody knows, for a data set that is iterated.
        """
        raise NotImplementedError("kata 08: DataLoader.__len__")

    def __iter__(self) -> Iterator[Any]:
        """Begin the next epoch; or, after `load_state_dict`, go on where the state was taken."""
        raise NotImplementedError("kata 08: DataLoader.__iter__")

    def state_dict(self) -> dict[str, int]:
        """Where the walk that was begun last stands: {"seed": ..., "epoch": ..., "seen": ...}."""
        raise NotImplementedError("kata 08: DataLoader.state_dict")

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next walk be the rest of the epoch that the state was taken in.

        Raises:
            ValueError: an entry is no whole number of at least 0; nothing is changed then.
        """
        raise NotImplementedError("kata 08: DataLoader.load_state_dict")


# ---- transforms ----------------------------------------------------------------------------------


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


class Compose(Transform):
    """Several transforms, one after the other, all with the same generator.

    Args:
        transforms: in the order in which they are applied; with none, the images stay as they are.

    Source: torchvision.transforms.Compose
    """

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms = list(transforms)

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """images -> first -> second -> ..."""
        raise NotImplementedError("kata 08: Compose.apply")


class Normalize(Transform):
    """Move and scale each channel: out = (images - mean) / std.

    Args:
        mean, std: a number, or one for each channel, in the unit of the pixels.

    Raises:
        ValueError: a std is 0.

    Source: torchvision.transforms.Normalize, whose pixels are from 0 to 1
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if not self.std.all():
            raise ValueError(f"std must not be 0; got {std}")

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """Floats keep their dtype, integers become float32: (N, C, H, W) -> (N, C, H, W).

        Raises:
            ValueError: mean or std are neither one number nor C; the message names both counts.
        """
        raise NotImplementedError("kata 08: Normalize.apply")


class RandomHorizontalFlip(Transform):
    """Mirror each image, left to right, with probability p, each by a draw of its own.

    Args:
        p: from 0 (none) to 1 (all).

    Raises:
        ValueError: p is outside 0 to 1.

    Source: torchvision.transforms.RandomHorizontalFlip
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, from 0 to 1; got {p}")
        self.p = p

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """(N, C, H, W) -> (N, C, H, W), the last axis reversed where an image is mirrored."""
        raise NotImplementedError("kata 08: RandomHorizontalFlip.apply")


class RandomCrop(Transform):
    """Put a border of zeros around each image, and cut out a window at a random place of its own.

    Args:
        size: of the window, one number or (height, width).
        padding: the width of the border, on all four sides.

    Raises:
        ValueError: a size is less than 1, or the padding less than 0.

    Source: torchvision.transforms.RandomCrop
    """

    def __init__(self, size: Size, padding: int = 0) -> None:
        self.size, self.padding = pair("size", size), whole("padding", padding, 0)

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """(N, C, H, W) -> (N, C, height, width); every place in the padded image is as likely.

        Raises:
            ValueError: the window is larger than the padded image; the message names both.
        """
        raise NotImplementedError("kata 08: RandomCrop.apply")


class Cutout(Transform):
    """Set a square of each image to 0, around a random pixel of its own; at the edge it is cut off.

    Args:
        size: side of the square.

    Raises:
        ValueError: size is less than 1.

    Source: Improved Regularization of Convolutional Neural Networks with Cutout, DeVries and Taylor 2017
    """

    def __init__(self, size: int) -> None:
        self.size = whole("size", size, 1)

    def apply(self, images: Array, rng: np.random.Generator) -> Array:
        """(N, C, H, W): rows r - size // 2 to r - size // 2 + size - 1 of a pixel (r, c), columns alike."""
        raise NotImplementedError("kata 08: Cutout.apply")


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
    raise NotImplementedError("kata 08: read_idx")


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
    raise NotImplementedError("kata 08: read_cifar10")
