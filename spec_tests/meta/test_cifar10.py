"""tito.milestone.cifar10: archives that are foreign, damaged or hostile, and two editions."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_datasets import Mirror

from tito.milestone.cifar10 import FOLDER, RECORD, fetch_cifar10, load_cifar10, unpack
from tito.milestone.datasets import DataError, DataFile

PICTURES = 20  # in each of six files
NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def records(seed: int, labels: Any = None) -> bytes:
    """A file of 20 pictures, two of each class."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (PICTURES, RECORD)).astype(np.uint8)
    rows[:, 0] = rng.permutation(np.arange(PICTURES) % 10) if labels is None else labels
    return rows.tobytes()


CONTENTS = {name: records(seed) for seed, name in enumerate(NAMES)}
FILES = [DataFile(FOLDER, n, hashlib.sha256(c).hexdigest()) for n, c in CONTENTS.items()]


def archive(path: Path, contents: dict[str, bytes], *odd: tarfile.TarInfo) -> Path:
    """A tar archive of these files in the folder, and of some odd members."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in odd:
            tar.addfile(member)
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def laid(folder: Path, **changed: bytes) -> Path:
    """The six files in a folder, some of them other ones."""
    (folder / FOLDER).mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / FOLDER / name).write_bytes(changed.get(name.removesuffix(".bin"), content))
    return folder


def refusal(*parts: str) -> Any:
    words = [re.escape(part) for part in (*parts, "expected: ", "next: ")]
    return pytest.raises(DataError, match="(?s)" + "".join(f"(?=.*{word})" for word in words))


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    import threading

    monkeypatch.setenv("no_proxy", "*")
    server = Mirror(archive(tmp_path / "served.tar.gz", CONTENTS).read_bytes())
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_fetch_unpacks_and_removes_the_archive(mirror: Mirror, tmp_path: Path) -> None:
    packed = DataFile(
        FOLDER, "x.tar.gz", hashlib.sha256(mirror.body).hexdigest(), (mirror.url,), as_it_is=True
    )
    paths = fetch_cifar10(tmp_path, archive=packed, files=FILES, pictures=PICTURES)
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert sorted(p.name for p in (tmp_path / FOLDER).iterdir()) == sorted(NAMES)
    fetch_cifar10(tmp_path, archive=packed, files=FILES, pictures=PICTURES)
    assert len(mirror.asked) == 1, "good files cost no request"


def test_fetch_resumes_the_archive(mirror: Mirror, tmp_path: Path) -> None:
    body = mirror.body
    packed = DataFile(
        FOLDER, "x.tar.gz", hashlib.sha256(body).hexdigest(), (mirror.url,), as_it_is=True
    )
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "x.tar.gz.part").write_bytes(body[:50_000])
    fetch_cifar10(tmp_path, archive=packed, files=FILES, pictures=PICTURES)
    assert mirror.asked == ["bytes=50000-"]
    assert mirror.served == len(body) - 50_000


@pytest.mark.parametrize(
    "damage", [slice(None, -100), slice(None, 5000), slice(0, 0), slice(7, 99)]
)
def test_unpack_refuses_a_damaged_archive(damage: slice, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar.gz", CONTENTS)
    path.write_bytes(path.read_bytes()[damage])
    with refusal("x.tar.gz", "is damaged"):
        unpack(path, tmp_path, FILES)
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", f"{FOLDER}/../../evil", "C:\\evil", "..\\evil"]
)
def test_unpack_refuses_names_outside(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar.gz", CONTENTS, tarfile.TarInfo(name))
    with refusal("x.tar.gz", "outside its folder"):
        unpack(path, tmp_path / "here", FILES)
    assert not (tmp_path / "here").exists()
    assert not (tmp_path / "evil").exists()


def test_unpack_follows_no_link(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_bytes(CONTENTS["data_batch_1.bin"])
    rest = {name: content for name, content in CONTENTS.items() if name != "data_batch_1.bin"}
    odd = link(f"{FOLDER}/data_batch_1.bin", str(target))
    with refusal("holds no data_batch_1.bin"):
        unpack(archive(tmp_path / "x.tar.gz", rest, odd), tmp_path, FILES)
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize("change", [None, b"other", records(99)])
def test_unpack_refuses_other_content(change: bytes | None, tmp_path: Path) -> None:
    contents = {n: c for n, c in CONTENTS.items() if change is not None or n != NAMES[3]}
    contents |= {} if change is None else {NAMES[3]: change}
    with refusal(NAMES[3]):
        unpack(archive(tmp_path / "x.tar.gz", contents), tmp_path, FILES)
    assert not (tmp_path / FOLDER).exists()


def test_load_reads_the_official_edition(tmp_path: Path) -> None:
    dataset, edition = load_cifar10(laid(tmp_path), FILES, PICTURES)
    assert edition == "official"
    assert dataset.train_images.shape == (100, 3, 32, 32)
    assert dataset.test_labels.tolist() == list(CONTENTS["test_batch.bin"][::RECORD])
    assert dataset.test_images[3].tobytes() == CONTENTS["test_batch.bin"][3 * RECORD :][1:RECORD]


def test_load_names_another_edition(tmp_path: Path) -> None:
    folder = laid(tmp_path, data_batch_2=records(50), test_batch=records(51))
    assert load_cifar10(folder, FILES, PICTURES)[1] == "another edition"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"data_batch_2": records(1)[:-1]}, "bytes"),
        ({"test_batch": records(1) + b"0"}, "bytes"),
        ({"data_batch_3": records(1, np.arange(PICTURES) % 11)}, "label 10"),
        ({"data_batch_3": records(1, np.arange(PICTURES) % 9)}, "pictures a class"),
        ({"test_batch": records(1, np.zeros(PICTURES))}, "pictures a class"),
    ],
)
def test_load_refuses_what_is_no_edition(
    changed: dict[str, bytes], problem: str, tmp_path: Path
) -> None:
    with refusal(problem):
        load_cifar10(laid(tmp_path, **changed), FILES, PICTURES)


def test_load_names_a_missing_file(tmp_path: Path) -> None:
    folder = laid(tmp_path)
    (folder / FOLDER / NAMES[4]).unlink()
    with refusal(NAMES[4], "make data"):
        load_cifar10(folder, FILES, PICTURES)
