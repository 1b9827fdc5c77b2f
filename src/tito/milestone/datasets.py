"""Data sets: fetch, verify, read.

A data set is a table of files, each with its mirrors and the SHA-256 of its decompressed content:
a file is good or bad by what it holds, never by where it came from. A download is a `.part` file
until its content is right; only then does it take its final name. Every failure is a `DataError`,
which cannot be built without saying what was expected and what to do next.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from tito.course.errors import Refusal
from tito.course.manifest import ROOT

Images = NDArray[np.uint8]  # (N, H, W)
Labels = NDArray[np.int64]  # (N,)
Progress = Callable[[str, int, int | None], None]  # file name, bytes done, bytes in all if known

VARIABLE = "TINYTORCH_DATA"
FETCH = "run: make data (it puts a good copy in its place)"
ELSEWHERE = (
    f"set {VARIABLE}=FOLDER to a folder that has it; the milestones run on bundled data meanwhile"
)
_TIMEOUT = 20  # seconds without a byte before the next mirror gets its turn
_CHUNK = 1 << 16  # bytes between two calls of the progress function
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


class DataError(Refusal):
    """A data file that is missing, wrong or out of reach.

    Args:
        problem: the file or value, and what is wrong with it.
        expected: what should have been there.
        remedy: what to do next, a command where there is one.
    """

    def __init__(self, problem: str, expected: str, remedy: str) -> None:
        super().__init__(problem, expected, remedy)

    def __str__(self) -> str:
        problem, expected, remedy = self.args
        return f"{problem}\n  expected: {expected}\n  next: {remedy}"


class _MirrorError(Exception):
    """Why one mirror did not do; the next one is tried."""


@dataclass(frozen=True)
class DataFile:
    """One file of a data set: its folder and name, the sum of its content, where to get it."""

    dataset: str
    name: str
    sha256: str  # of the decompressed content: mirrors may compress differently
    urls: tuple[str, ...] = ()
    fix: str = FETCH  # what to do when the file is found to be bad
    as_it_is: bool = False  # the sum is that of the file itself, such as an archive's


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, in a part to train on and a part to test on; pixels as they are stored."""

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


_MNIST_SUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MNIST = tuple(  # in the order of Dataset's fields
    DataFile("mnist", f"{name}.gz", sha256, tuple(f"{mirror}{name}.gz" for mirror in _MIRRORS))
    for name, sha256 in _MNIST_SUMS.items()
)
DIGITS = DataFile(
    "digits",
    "digits.gz",
    "077f56d07ad2b1f5d67f79f8dae45ba200843760fac9413a984cc1e0aa42b5ec",
    fix="run: git checkout -- src/tito/milestone/bundled",
)
ALICE = DataFile(
    "alice",
    "alice.txt",
    "a4958edd96844ac42eb754d98c7c10b6122c6acc5bf6b28ba71bb04e1fbc54fd",
    fix="run: git checkout -- src/tito/milestone/bundled",
)
DIGITS_TRAIN = 1437  # of 1797 rows; src/tito/milestone/bundled/README.md says how they were drawn
BUNDLED = Path(__file__).resolve().parent / "bundled"


# --- where files stand ---


def data_folder() -> Path:
    """The folder that holds data sets: `TINYTORCH_DATA` if set, else `data/` in the repository.

    Raises:
        DataError: `TINYTORCH_DATA` names something that is not a folder.
    """
    default = ROOT / "data"
    value = os.environ.get(VARIABLE)
    if not value:
        return default
    folder = Path(value).expanduser()
    if not folder.is_dir():
        what = "a file" if folder.exists() else "missing"
        raise DataError(
            f"{VARIABLE} is {value!r}, which is {what}",
            "a folder that holds data sets, such as FOLDER/mnist",
            f"create it, correct {VARIABLE}, or unset it to use {default}",
        )
    return folder


def find(file: DataFile, folder: Path) -> Path | None:
    """Where a file stands: in `folder/<data set>` or `folder` itself, compressed or not."""
    names = (file.name, file.name.removesuffix(".gz"))
    places = (place / name for place in (folder / file.dataset, folder) for name in names)
    return next((path for path in places if path.is_file()), None)


def _found(file: DataFile, folder: Path) -> Path:
    path = find(file, folder)
    if path is None:
        raise DataError(
            f"{file.name} is not in {folder}",
            f"{folder / file.dataset / file.name}, compressed or not",
            f"run: make data, or {ELSEWHERE}",
        )
    return path


# --- what a file holds ---


def read_content(path: Path, fix: str = FETCH) -> bytes:
    """The bytes of a file, decompressed if they are gzip.

    The first bytes decide, not the name: browsers unpack a file and keep its `.gz`.

    Raises:
        DataError: the file cannot be read or its compression is damaged.
    """
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged: {error}", "a whole gzip file", fix) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {_why(error)}", "a readable file", fix) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def verify(content: bytes, file: DataFile, path: Path) -> None:
    """Refuse content that is not the file's.

    Raises:
        DataError: the sum differs.
    """
    if (got := _sha256(content)) != file.sha256:
        raise DataError(
            f"{path} does not hold {file.name}: its content has SHA-256 {got}",
            f"SHA-256 {file.sha256}",
            file.fix,
        )


def _is_good(path: Path, file: DataFile) -> bool:
    try:
        content = path.read_bytes() if file.as_it_is else read_content(path)
        return _sha256(content) == file.sha256
    except DataError:
        return False


def parse_idx(content: bytes, ndim: int, path: Path) -> NDArray[np.uint8]:
    """Read the IDX format: a magic number, `ndim` sizes, then the values as unsigned bytes.

    The numbers are big-endian uint32; the magic number is 0x0800 + ndim.

    Args:
        content: the decompressed bytes.
        ndim: 3 for images (N, H, W), 1 for labels (N,).
        path: where the bytes come from, for messages.

    Raises:
        DataError: wrong magic number, too few bytes, or bytes left over.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1, Path("labels"))
        array([7, 9], dtype=uint8)
    """
    magic, start = 0x0800 + ndim, 4 * (1 + ndim)
    if (got := int.from_bytes(content[:4], "big")) != magic:
        problem = f"{path} starts with the magic number 0x{got:08x}"
        raise DataError(problem, f"0x{magic:08x}: IDX, unsigned bytes, {ndim} dimension(s)", FETCH)
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    expected = start + prod(shape)
    if len(content) != expected:
        what = "is truncated" if len(content) < expected else "has trailing bytes"
        problem = f"{path} {what}: its content has {len(content):,} bytes"
        raise DataError(problem, f"{expected:,} bytes for the shape {shape} in its header", FETCH)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _load_idx(file: DataFile, folder: Path, ndim: int) -> NDArray[np.uint8]:
    path = _found(file, folder)
    content = read_content(path, file.fix)
    values = parse_idx(content, ndim, path)  # first: it says more than a wrong sum does
    verify(content, file, path)
    return values


def _load_pair(images: DataFile, labels: DataFile, folder: Path) -> tuple[Images, Labels]:
    x, y = _load_idx(images, folder, 3), _load_idx(labels, folder, 1)
    if len(x) != len(y):
        problem = f"{images.name} has {len(x):,} images, {labels.name} has {len(y):,} labels"
        raise DataError(f"{problem} (in {folder})", "one label for each image", FETCH)
    return x, y.astype(np.int64)


def load_mnist(folder: Path | None = None, files: Sequence[DataFile] = MNIST) -> Dataset:
    """MNIST: 60,000 + 10,000 images of digits, 28x28, pixels 0..255, checked against their sums.

    Args:
        folder: where the files stand; `data_folder()` if left out.
        files: train images, train labels, test images, test labels.

    Raises:
        DataError: a file is missing or wrong; the message names it and the next command.
    """
    where = data_folder() if folder is None else folder
    train_images, train_labels, test_images, test_labels = files
    train = _load_pair(train_images, train_labels, where)
    return Dataset("mnist", *train, *_load_pair(test_images, test_labels, where))


def load_digits(folder: Path = BUNDLED) -> Dataset:
    """The bundled digits: 1,437 + 360 images of digits, 8x8, pixels 0..16, in a fixed order.

    Source: E. Alpaydin, C. Kaynak (1998), UCI, CC BY 4.0; see src/tito/milestone/bundled/README.md.

    Raises:
        DataError: the bundled file is missing or changed.

    Example:
        >>> load_digits().train_images.shape
        (1437, 8, 8)
    """
    path = folder / DIGITS.name
    content = read_content(path, DIGITS.fix)
    verify(content, DIGITS, path)
    rows = np.frombuffer(content, np.uint8).reshape(-1, 65)  # 64 pixels and the label
    images, labels = rows[:, :64].reshape(-1, 8, 8), rows[:, 64].astype(np.int64)
    train, test = slice(DIGITS_TRAIN), slice(DIGITS_TRAIN, None)
    return Dataset("digits", images[train].copy(), labels[train], images[test].copy(), labels[test])


def load_text(file: DataFile, folder: Path) -> str:
    """A text, checked against its sum.

    Raises:
        DataError: the file is missing or another one.
    """
    path = _found(file, folder)
    content = read_content(path, file.fix)
    verify(content, file, path)
    return content.decode("utf-8")


def load_alice(folder: Path = BUNDLED) -> str:
    """The bundled text: the first five chapters of "Alice's Adventures in Wonderland", 57,866 characters.

    Source: Lewis Carroll (1865), public domain; see src/tito/milestone/bundled/README.md.

    Raises:
        DataError: the bundled file is missing or changed.

    Example:
        >>> load_alice()[:31]
        'CHAPTER I. Down the Rabbit-Hole'
    """
    return load_text(ALICE, folder)


# --- fetching ---


def silent(name: str, done: int, total: int | None) -> None:
    """Progress for whoever does not want to see it."""


def fetch_mnist(folder: Path | None = None, progress: Progress = silent) -> list[Path]:
    """Fetch the four files of MNIST into `folder/mnist` (see `fetch`)."""
    return fetch(MNIST, data_folder() if folder is None else folder, progress)


def fetch(files: Sequence[DataFile], folder: Path, progress: Progress = silent) -> list[Path]:
    """Bring every file that is missing or bad; a good one costs no request.

    Args:
        files: what to bring, each from the first of its mirrors that serves the right content.
        folder: files go to `folder/<data set>/<name>`; a `.part` file left there is resumed.
        progress: called with file name, bytes done, and bytes in all (None if unknown).

    Returns:
        Where each file stands.

    Raises:
        DataError: no mirror served the right content, or the folder cannot be written.
        KeyboardInterrupt: with a message that names the command to resume.
    """
    return [_fetch_one(file, folder, progress) for file in files]


def _fetch_one(file: DataFile, folder: Path, progress: Progress) -> Path:
    present = find(file, folder)
    if present is not None and _is_good(present, file):
        return present
    target = folder / file.dataset / file.name
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _complete(part, file, progress)
        publish(part, target)
    except KeyboardInterrupt:
        message = f"interrupted; {_kept(part)}; to resume, run: make data"
        raise KeyboardInterrupt(message) from None
    except OSError as error:  # what goes wrong on a mirror is a _MirrorError: this is the disk
        raise DataError(
            f"cannot write {target}: {_why(error)}",
            "a folder that can be written, with room for the file",
            f"fix {folder}, or set {VARIABLE}=FOLDER to another folder and run: make data",
        ) from error
    return target


def _complete(part: Path, file: DataFile, progress: Progress) -> None:
    """Leave the right content in `part`: what is there already, or the first mirror that has it."""
    if part.exists() and _is_good(part, file):
        return
    reasons = []
    for url in file.urls:
        try:
            _from_mirror(url, part, file, progress)
            return
        except _MirrorError as error:
            reasons.append(f"\n    {url}: {error}")
    raise DataError(
        f"cannot fetch {file.name}: no mirror answered with it{''.join(reasons)}",
        f"content with SHA-256 {file.sha256}",
        f"check the network and run: make data ({_kept(part)}), or {ELSEWHERE}",
    )


def _from_mirror(url: str, part: Path, file: DataFile, progress: Progress) -> None:
    """Fetch a file into `part`; what was there already may be another mirror's, then from zero."""
    tries = 2 if part.exists() else 1
    for _ in range(tries):
        _download(url, part, file.name, progress)
        if _is_good(part, file):
            return
        part.unlink()
    raise _MirrorError("wrong content (its SHA-256 differs); deleted")


def _download(url: str, part: Path, name: str, progress: Progress) -> None:
    """Append to `part` what it lacks, or write it anew if the server ignores the range."""
    with _connect(url, part.stat().st_size if part.exists() else 0) as response:
        resumes = response.status == http.client.PARTIAL_CONTENT
        with part.open("ab" if resumes else "wb") as out:
            done = out.tell()
            total = None if response.length is None else done + response.length
            progress(name, done, total)
            for chunk in _chunks(response):
                done += out.write(chunk)
                progress(name, done, total)
    if total is not None and done < total:
        raise _MirrorError(f"the connection closed after {done:,} of {total:,} bytes")


def _connect(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "tinytorch-katas"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        if start and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _connect(url, 0)  # the part is longer than this mirror's file
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(_why(error)) from error
    response = cast(http.client.HTTPResponse, answer)
    served = response.headers.get("Content-Range", "")
    if response.status == http.client.PARTIAL_CONTENT and not served.startswith(f"bytes {start}-"):
        response.close()
        raise _MirrorError(f"it served the range {served!r}, not the one from byte {start}")
    return response


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(f"the connection broke: {_why(error)}") from error


def _why(error: Exception) -> str:
    """The system's own words: urllib wraps an error, and an OSError starts with its number."""
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause) or repr(cause)


def publish(part: Path, target: Path) -> None:
    """Give a right file its name, all or nothing: on the disk first, then renamed."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, target)


def _kept(part: Path) -> str:
    kept = part.stat().st_size if part.exists() else 0
    return f"{kept:,} bytes are kept in {part}" if kept else "nothing is kept"
