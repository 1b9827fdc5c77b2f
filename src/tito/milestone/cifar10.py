"""CIFAR-10 and tiny Shakespeare: one archive that is unpacked, one text.

The archive is checked as a whole, and each file that comes out of it again. Only the six files that
the table names are written, under names of our own: a path in an archive is never followed.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tito.milestone.datasets import (
    FETCH,
    DataError,
    DataFile,
    Dataset,
    Progress,
    data_folder,
    fetch,
    find,
    publish,
    read_content,
    silent,
    verify,
)

FOLDER = "cifar-10-batches-bin"
_SUMS = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
CIFAR10 = tuple(DataFile(FOLDER, name, sha256) for name, sha256 in _SUMS.items())
ARCHIVE = DataFile(
    FOLDER,
    "cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
    ),
    as_it_is=True,
)
SHAKESPEARE = DataFile(
    "tinyshakespeare",
    "input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "https://raw.githubusercontent.com/dmlc/web-data/master/mxnet/tinyshakespeare/input.txt",
    ),
)
RECORD, CLASSES = 3073, 10


# --- fetching ---


def fetch_shakespeare(folder: Path | None = None, progress: Progress = silent) -> list[Path]:
    """Fetch the text into `folder/tinyshakespeare` (see `fetch`)."""
    return fetch([SHAKESPEARE], data_folder() if folder is None else folder, progress)


def fetch_cifar10(
    folder: Path | None = None,
    progress: Progress = silent,
    archive: DataFile = ARCHIVE,
    files: Sequence[DataFile] = CIFAR10,
    pictures: int = 10_000,
) -> list[Path]:
    """Bring the six files of CIFAR-10, unless all are there, in whichever edition.

    Args:
        folder: files go to `folder/cifar-10-batches-bin`; `data_folder()` if left out.
        progress: as of `fetch`.
        archive, files, pictures: what to bring, and what must come out of it. The archive is
            removed afterwards.

    Raises:
        DataError: as of `fetch` and of `unpack`.
    """
    where = data_folder() if folder is None else folder
    try:
        load_cifar10(where, files, pictures)
        return [path for file in files if (path := find(file, where))]
    except DataError:
        pass  # one is missing or bad
    (packed,) = fetch([archive], where, progress)
    paths = unpack(packed, where, files)
    packed.unlink()
    return paths


def unpack(archive: Path, folder: Path, files: Sequence[DataFile]) -> list[Path]:
    """Write the files of a table that are in a tar archive, each whole and with its sum, or none.

    Raises:
        DataError: the archive is damaged, lacks a file, holds another one under its name, or names
            something outside its folder.
    """
    try:
        with tarfile.open(archive) as tar:
            members = {_checked(m, archive): m for m in tar}
            contents = [_content(tar, members, file, archive) for file in files]
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{archive} is damaged: {error}", "a whole tar archive", FETCH) from error
    return [_written(folder, file, content) for file, content in zip(files, contents, strict=True)]


def _checked(member: tarfile.TarInfo, archive: Path) -> str:
    """The name of a member, if it stays in its folder."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.name:  # C: is a drive
        raise DataError(
            f"{archive} names {member.name!r}, which is outside its folder",
            "names within a folder; nothing was unpacked",
            FETCH,
        )
    return path.name if member.isfile() else f"{member.name}/"


def _content(
    tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], file: DataFile, archive: Path
) -> bytes:
    """The bytes of one file, checked."""
    stream = tar.extractfile(members[file.name]) if file.name in members else None
    if stream is None:
        raise DataError(f"{archive} holds no {file.name}", f"a file {file.name}", FETCH)
    content = stream.read()
    verify(content, file, Path(f"{archive}: {file.name}"))
    return content


def _written(folder: Path, file: DataFile, content: bytes) -> Path:
    target = folder / file.dataset / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    part.write_bytes(content)
    publish(part, target)
    return target


# --- reading ---


def load_cifar10(
    folder: Path | None = None, files: Sequence[DataFile] = CIFAR10, pictures: int = 10_000
) -> tuple[Dataset, str]:
    """CIFAR-10: 50,000 + 10,000 pictures (3, 32, 32) of ten classes, pixels 0..255, and which edition.

    Args:
        folder: where the files stand; `data_folder()` if left out.
        files: five to train on, one to test on.
        pictures: in each file.

    Returns:
        the data, and "official" if every sum is the published one, else "another edition": each file
        of the right size, labels 0 to 9, and every class as often in the training part and in the
        test part.

    Raises:
        DataError: a file is missing or is neither; the message names it and the next command.
    """
    where = data_folder() if folder is None else folder
    found = [_records(file, where, pictures) for file in files]
    *train, test = [records for records, _ in found]
    training = np.concatenate(train)
    official = all(same for _, same in found)
    if not official:
        for name, part in (("training", training), ("test", test)):
            _demand_even(part[:, 0], name, where)
    parts = [part for records in (training, test) for part in _split(records)]
    return Dataset("cifar10", *parts), "official" if official else "another edition"  # type: ignore[arg-type]


def _records(file: DataFile, folder: Path, pictures: int) -> tuple[NDArray[np.uint8], bool]:
    """One file as rows of label and pixels, and whether its sum is the published one."""
    path = find(file, folder)
    if path is None:
        raise DataError(
            f"{file.name} is not in {folder}", f"{folder / file.dataset / file.name}", FETCH
        )
    content, size = read_content(path), pictures * RECORD
    if len(content) != size:
        problem = f"{path} holds {len(content):,} bytes"
        raise DataError(problem, f"{size:,}: {pictures:,} records of {RECORD:,}", FETCH)
    records = np.frombuffer(content, np.uint8).reshape(pictures, RECORD)
    if (label := int(records[:, 0].max())) >= CLASSES:
        raise DataError(f"{path} has the label {label}", f"labels 0 to {CLASSES - 1}", FETCH)
    try:
        verify(content, file, path)
    except DataError:
        return records, False
    return records, True


def _demand_even(labels: NDArray[np.uint8], name: str, folder: Path) -> None:
    """Every class is as often in it."""
    counts, wanted = np.bincount(labels, minlength=CLASSES), len(labels) // CLASSES
    if (counts != wanted).any():
        problem = f"the {name} files in {folder / FOLDER} have {counts.tolist()} pictures a class"
        raise DataError(problem, f"{wanted:,} of each", FETCH)


def _split(records: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)
