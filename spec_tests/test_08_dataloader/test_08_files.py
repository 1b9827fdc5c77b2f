"""Kata 08, Data loading: the files of MNIST and CIFAR-10 (katas/08_dataloader/README.md)."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_equal,
    assert_raises,
)
from support.observe import observe
from support.strategies import integer, normal, real


def idx(array: Any) -> bytes:
    """The IDX file of an array."""
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    sizes = np.array(array.shape, ">u4").tobytes()
    kind = array.dtype.str[1:]
    return bytes([0, 0, codes[kind], array.ndim]) + sizes + array.astype(f">{kind}").tobytes()


def cifar(labels: Any, seed: int = 0) -> tuple[Any, Any]:
    """A CIFAR-10 file as bytes, and its images."""
    images = np.random.default_rng([integer(0, 0, 999), seed]).integers(0, 256, (len(labels), 3072))
    records = np.concatenate([np.reshape(labels, (-1, 1)), images], axis=1).astype(np.uint8)
    return records.tobytes(), images.astype(np.uint8).reshape(-1, 3, 32, 32)


def as_bytes(content: bytes) -> Any:
    """Bytes as an array, which an observation can be given."""
    return np.frombuffer(content, np.uint8).copy()


@observe(shown="{call}  # of files with these bytes; the arrays are written to afterwards")
def read(tt: Any, call: str, *contents: Any) -> Any:
    import contextlib
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        paths = [pathlib.Path(f"part-{i}.bin") for i in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content.tobytes())
        got = eval(call, {"tt": tt, "paths": paths})
    arrays = got if isinstance(got, tuple) else (got,)
    for array in arrays:
        array[...] = array.copy()  # a read-only array refuses
    native = [array.dtype.isnative for array in arrays]
    return {"arrays": list(arrays), "kind": type(got).__name__, "native": all(native)}


ARRAYS = {
    "uint8": ("u1", (5, 3, 2)),
    "int8": ("i1", (7,)),
    "int16": ("i2", (3, 4)),
    "int32": ("i4", (2, 3)),
    "float32": ("f4", (4,)),
    "float64": ("f8", (2, 1, 3)),
    "five-axes": ("u1", (2, 1, 3, 1, 2)),
    "long": ("u1", (300, 2)),
    "of-nothing": ("u1", (0, 28, 28)),
    "no-axis": ("f8", ()),
    "64-axes": ("u1", (1,) * 63 + (2,)),
}


def numbers(kind: str, shape: Any) -> Any:
    """Values of both signs that need all the bytes of their type."""
    values = normal(*shape, seed=4) if shape else np.array(real(2.5, 2.0, 3.0))
    scale = {"u1": 50, "i1": 40, "i2": 9000, "i4": 5e8}.get(kind, 1)
    return (
        np.rint(values * scale).clip(*(np.iinfo(kind).min, np.iinfo(kind).max)).astype(kind)
        if (scale > 1)
        else values.astype(kind)
    )


@pytest.mark.parametrize("name", ARRAYS)
def test_idx_of_every_type(name: str) -> None:
    """08.23 Six types, zero to five axes and 64, a length above 255, no element; the array is written into afterwards."""
    array = numbers(*ARRAYS[name])
    got = read("tt.read_idx(paths[0])", as_bytes(idx(array)))
    assert_equal([got["kind"], got["native"]], want=["ndarray", True])
    (values,) = got["arrays"]
    assert_equal([str(values.dtype), values.shape], want=[str(array.dtype), array.shape])
    assert_equal(values.tolist(), want=array.tolist())


def test_idx_example() -> None:
    """08.23 The file of the worked example, with drawn bytes; its path as a text."""
    low = integer(7, 1, 250)
    content = np.uint8([0, 0, 8, 1, 0, 0, 0, 2, low, 9])
    assert_equal(read("tt.read_idx(str(paths[0]))", content)["arrays"], want=[np.uint8([low, 9])])


def test_idx_packed() -> None:
    """08.23 A gzip file that is called .bin, made of one part and of two."""
    array = numbers("u1", (40, 3))
    content = idx(array)
    pieces = gzip.compress(content[:20]) + gzip.compress(content[20:])
    for packed in (gzip.compress(content), pieces):
        assert_equal(read("tt.read_idx(paths[0])", as_bytes(packed))["arrays"], want=[array])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_cifar10_of_one_file(packed: bool) -> None:
    """08.24 Labels 0 to 9; the planes of each colour; dtypes; written into afterwards."""
    labels = np.roll(np.arange(10), integer(3, 1, 9))
    content, images = cifar(labels)
    content = gzip.compress(content, 1) if packed else content
    got = read("tt.read_cifar10(paths[0])", as_bytes(content))
    assert_equal([got["kind"], got["native"]], want=["tuple", True])
    assert_equal([str(a.dtype) for a in got["arrays"]], want=["uint8", "int64"])
    assert_equal(got["arrays"], want=[images, labels])


def test_cifar10_of_several_files() -> None:
    """08.24 Three files of unlike length, not in the order of their names, one of them twice."""
    parts = [cifar([integer(4, 0, 9), 1], 1), cifar([9], 2), cifar([0, 5, 7], 3)]
    labels = [[integer(4, 0, 9), 1], [9], [0, 5, 7]]
    call = "tt.read_cifar10(paths[2], str(paths[0]), paths[1], paths[2])"
    got = read(call, *(as_bytes(content) for content, _ in parts))
    order = [2, 0, 1, 2]
    assert_equal(got["arrays"][1].tolist(), want=[y for i in order for y in labels[i]])
    assert_equal(got["arrays"][0], want=np.concatenate([parts[i][1] for i in order]))


def damaged() -> dict[str, bytes]:
    """Files that are no IDX files."""
    content = idx(numbers("u1", (6, 3)))
    packed = gzip.compress(content)
    return {
        "empty": b"",
        "two bytes": content[:2],
        "cut in its header": content[:9],
        "one byte short": content[:-1],
        "one byte too long": content + b"\0",
        "no number": content[:12],
        "foreign": b"\x89PNG" + content,
        "first byte": b"\1" + content[1:],
        "type": content[:2] + b"\x0a" + content[3:],
        "type 7": content[:2] + b"\x07" + content[3:],
        "little-endian": b"\x03\x08\0\0" + content[4:],
        "lengths": content[:4] + b"\xff" * 8 + content[12:],
        "lengths whose product is 0 in 64 bits": content[:3] + b"\4" + b"\0\1\0\0" * 4,
        "no number, and huge lengths": content[:3] + b"\4" + b"\0" * 4 + b"\xff" * 12,
        "a length that is -1 with a sign": content[:3] + b"\1" + b"\xff" * 4 + b"\1\2\3",
        "70 axes": content[:3] + b"\x46" + b"\0\0\0\1" * 70 + b"\5",
        "gzip cut": packed[:-9],
        "gzip without its end": packed[:-8],
        "gzip without its length": packed[:-4],
        "gzip damaged": packed[:15] + bytes([packed[15] ^ 255]) + packed[16:],
        "gzip sum": packed[:-8] + b"\0\0\0\0" + packed[-4:],
        "gzip of too little": gzip.compress(content[:-1]),
    }


@pytest.mark.parametrize("name", damaged())
def test_idx_refuses(name: str) -> None:
    """08.25 Files cut short, too long, foreign, damaged in header or in gzip."""
    content = as_bytes(damaged()[name])
    assert_raises(read, "tt.read_idx(paths[0])", content, error="ValueError", says=("part-0.bin",))


@pytest.mark.parametrize(("place", "count"), [(0, 1), (1, 2), (0, 2)], ids=str)
@pytest.mark.parametrize("name", ["empty", "short", "long", "label", "label-200", "idx", "gzip"])
def test_cifar10_refuses(name: str, place: int, count: int) -> None:
    """08.25 A bad file alone, behind a good one and before one: the message names the bad one."""
    good, _ = cifar([integer(3, 0, 9)] * 2)
    other, _ = cifar([3, integer(10, 10, 255), 1])
    bad = {"empty": b"", "short": good[:-1], "long": good + b"\0", "label": other}
    bad["label-200"] = cifar([3, integer(200, 128, 255)])[0]
    bad |= {"idx": idx(numbers("u1", (6, 3))), "gzip": gzip.compress(good)[:-9]}
    contents = [as_bytes(good)] * count
    contents[place] = as_bytes(bad[name])
    says = (f"part-{place}.bin",)
    assert_raises(read, "tt.read_cifar10(*paths)", *contents, error="ValueError", says=says)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("tt.read_cifar10()", "ValueError"),
        ("tt.read_cifar10(paths[0], 'nowhere.bin')", "FileNotFoundError"),
        ("tt.read_idx('nowhere.bin')", "FileNotFoundError"),
    ],
)
def test_readers_without_a_file(call: str, error: str) -> None:
    """08.25 No file at all, and a file that is missing."""
    assert_raises(read, call, as_bytes(cifar([integer(3, 0, 9)])[0]), error=error)
