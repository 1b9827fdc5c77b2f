"""tito.milestone.datasets against a mirror that misbehaves.

The mirror is a local HTTP server that can forget the file, ignore ranges, cut the line, stall or
serve something else. The files are small fakes in a table of their own, with their own checksums,
so the code under test is the code that fetches MNIST.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from tito.milestone import datasets
from tito.milestone.datasets import (
    DataError,
    DataFile,
    Dataset,
    fetch,
    load_alice,
    load_digits,
    load_mnist,
    parse_idx,
)

HALF = 100_000  # more than one chunk of a download, less than the fake file


class Mirror(ThreadingHTTPServer):
    """Serves `body` under every path; its flags say how it misbehaves; it notes what it did."""

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status, self.ranges = body, 200, True
        self.cut: int | None = None  # close the connection after so many bytes
        self.stall: threading.Event | None = None  # send nothing until it is set
        self.lie: str | None = None  # a Content-Range of its own
        self.asked: list[str | None] = []  # the Range header of each request
        self.served = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.gz"


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        mirror, asked = self.server, self.headers["Range"]
        mirror.asked.append(asked)
        if mirror.status != 200:
            return self.send_error(mirror.status)
        start = int(re.findall(r"\d+", asked)[0]) if asked and mirror.ranges else 0
        if start and start >= len(mirror.body):
            return self.send_error(416)
        self.send_head(start)
        if mirror.stall:
            mirror.stall.wait(5)
        rest = mirror.body[start : mirror.cut]
        mirror.served += len(rest)  # before the caller can have it all
        self.wfile.write(rest)
        return None

    def send_head(self, start: int) -> None:
        size = len(self.server.body)
        self.send_response(206 if start else 200)
        if start:
            served = self.server.lie or f"bytes {start}-{size - 1}/{size}"
            self.send_header("Content-Range", served)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the tests read `asked` and `served`."""


def idx(values: np.ndarray) -> bytes:
    header = b"".join(size.to_bytes(4, "big") for size in (0x0800 + values.ndim, *values.shape))
    return header + values.tobytes()


CONTENT = idx(np.random.default_rng(1).integers(0, 256, (300, 28, 28), np.uint8))  # 235 kB
PACKED = gzip.compress(CONTENT, mtime=0)


def described(content: bytes, *urls: str, name: str = "file.gz") -> DataFile:
    return DataFile("fake", name, hashlib.sha256(content).hexdigest(), urls)


def fake_mnist(folder: Path, images: int = 6, labels: int = 6) -> list[DataFile]:
    """Four IDX files in `folder/fake`, and the table that describes them."""
    pixels = np.arange(images * 4, dtype=np.uint8).reshape(images, 2, 2)
    parts = {"train-images": pixels, "train-labels": np.arange(labels, dtype=np.uint8)}
    parts |= {"test-images": pixels[:2], "test-labels": np.array([8, 9], np.uint8)}
    (folder / "fake").mkdir(parents=True)
    for name, values in parts.items():
        (folder / "fake" / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
    return [described(idx(values), name=f"{name}.gz") for name, values in parts.items()]


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def failure(*parts: object) -> Any:
    """Expect a DataError whose message has all parts, what was expected and the next step."""
    words = [re.escape(str(part)) for part in (*parts, "expected: ", "next: ")]
    return pytest.raises(DataError, match="(?s)" + "".join(f"(?=.*{word})" for word in words))


def interrupt_after(limit: int) -> datasets.Progress:
    def progress(name: str, done: int, total: int | None) -> None:
        if done >= limit:
            raise KeyboardInterrupt

    return progress


def refuse_permission(*args: object) -> NoReturn:
    raise PermissionError(13, "Permission denied")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("TINYTORCH_DATA", raising=False)


@pytest.fixture
def mirrors() -> Iterator[list[Mirror]]:
    """Two good mirrors; a test spoils them."""
    servers = [Mirror(PACKED), Mirror(PACKED)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mirror(mirrors: list[Mirror]) -> Mirror:
    return mirrors[0]


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a port that is held but does not listen."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/file.gz"


# --- fetching ---


def test_fetch_brings_the_file(mirror: Mirror, tmp_path: Path) -> None:
    """A fetched file has its final name and the mirror's bytes; no part file stays."""
    [path] = fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path == tmp_path / "fake" / "file.gz"
    assert path.read_bytes() == PACKED
    assert os.listdir(path.parent) == ["file.gz"]


def test_fetch_reports_progress(mirror: Mirror, tmp_path: Path) -> None:
    """Progress goes from 0 to all bytes, without a step back, under the file's name."""
    calls: list[tuple[str, int, int | None]] = []
    fetch([described(CONTENT, mirror.url)], tmp_path, lambda *call: calls.append(call))
    done = [call[1] for call in calls]
    assert done == sorted(done)
    assert (done[0], done[-1], len(done) > 2) == (0, len(PACKED), True)
    assert {(name, total) for name, _, total in calls} == {("file.gz", len(PACKED))}


def test_fetch_asks_nothing_for_a_good_file(mirror: Mirror, tmp_path: Path) -> None:
    """A file that is there and right costs no request."""
    file = described(CONTENT, mirror.url)
    assert fetch([file], tmp_path) == fetch([file], tmp_path)
    assert len(mirror.asked) == 1


def test_fetch_replaces_a_bad_file(mirror: Mirror, tmp_path: Path) -> None:
    """A file that stands under its final name with wrong content is fetched again."""
    path = put(tmp_path / "fake" / "file.gz", PACKED[:-50])
    fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED


@pytest.mark.parametrize("status", [403, 404, 500])
def test_fetch_takes_the_next_mirror(mirrors: list[Mirror], tmp_path: Path, status: int) -> None:
    """When a mirror answers with an HTTP error, the next one serves the file."""
    first, second = mirrors
    first.status = status
    [path] = fetch([described(CONTENT, first.url, second.url)], tmp_path)
    assert path.read_bytes() == PACKED
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_fetch_passes_a_refusing_mirror(mirror: Mirror, refusing: str, tmp_path: Path) -> None:
    """When a mirror refuses the connection, the next one serves the file."""
    [path] = fetch([described(CONTENT, refusing, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED


def test_fetch_leaves_a_stalled_mirror(
    mirrors: list[Mirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that sends nothing for the timeout loses its turn."""
    monkeypatch.setattr(datasets, "_TIMEOUT", 0.2)
    mirrors[0].stall = threading.Event()
    [path] = fetch([described(CONTENT, *(mirror.url for mirror in mirrors))], tmp_path)
    mirrors[0].stall.set()
    assert path.read_bytes() == PACKED
    assert mirrors[1].asked == [None]


def test_fetch_resumes_a_part(mirror: Mirror, tmp_path: Path) -> None:
    """A part file is completed with a Range request that transfers only the rest."""
    put(tmp_path / "fake" / "file.gz.part", PACKED[:HALF])
    [path] = fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirror.asked == [f"bytes={HALF}-"]
    assert mirror.served == len(PACKED) - HALF


def test_fetch_reports_progress_of_the_whole_file(mirror: Mirror, tmp_path: Path) -> None:
    """Progress of a resumed file starts at what is there and counts to the size of the whole."""
    calls: list[tuple[int, int | None]] = []
    put(tmp_path / "fake" / "file.gz.part", PACKED[:HALF])
    fetch([described(CONTENT, mirror.url)], tmp_path, lambda _, *call: calls.append(call))
    assert (calls[0], calls[-1]) == ((HALF, len(PACKED)), (len(PACKED), len(PACKED)))


def test_fetch_restarts_when_the_range_is_ignored(mirror: Mirror, tmp_path: Path) -> None:
    """A server that answers a Range request with the whole file overwrites the part."""
    mirror.ranges = False
    put(tmp_path / "fake" / "file.gz.part", PACKED[:HALF])
    [path] = fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirror.asked == [f"bytes={HALF}-"]


def test_fetch_restarts_a_part_that_does_not_fit(mirror: Mirror, tmp_path: Path) -> None:
    """A part of another mirror's file is noticed by the checksum and fetched from the start."""
    put(tmp_path / "fake" / "file.gz.part", b"\x1f\x8b" + bytes(HALF))
    [path] = fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirror.asked == [f"bytes={HALF + 2}-", None]


def test_fetch_restarts_a_part_that_is_too_long(mirror: Mirror, tmp_path: Path) -> None:
    """A part longer than the mirror's file (HTTP 416) is fetched from the start."""
    put(tmp_path / "fake" / "file.gz.part", PACKED + b"more")
    [path] = fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED


def test_fetch_refuses_another_range(mirror: Mirror, tmp_path: Path) -> None:
    """A server that answers with a range nobody asked for is not appended to the part."""
    mirror.lie = "bytes 7-9/10"
    part = put(tmp_path / "fake" / "file.gz.part", PACKED[:HALF])
    with failure(mirror.url, "'bytes 7-9/10'", f"from byte {HALF}"):
        fetch([described(CONTENT, mirror.url)], tmp_path)
    assert part.read_bytes() == PACKED[:HALF]


def test_fetch_names_a_complete_part(mirror: Mirror, tmp_path: Path) -> None:
    """A part that is whole (the stop came before the renaming) needs no request."""
    put(tmp_path / "fake" / "file.gz.part", PACKED)
    [path] = fetch([described(CONTENT, mirror.url)], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirror.asked == []


def test_fetch_deletes_wrong_content(mirror: Mirror, tmp_path: Path) -> None:
    """Content with another checksum leaves nothing behind, and the message says so."""
    mirror.body = gzip.compress(b"<html>please log in</html>")
    file = described(CONTENT, mirror.url)
    with failure("file.gz", mirror.url, "wrong content", "deleted", file.sha256, "make data"):
        fetch([file], tmp_path)
    assert os.listdir(tmp_path / "fake") == []


def test_fetch_tries_on_after_wrong_content(mirrors: list[Mirror], tmp_path: Path) -> None:
    """A mirror with wrong content does not spoil the next one's."""
    mirrors[0].body = gzip.compress(b"<html>please log in</html>")
    [path] = fetch([described(CONTENT, *(mirror.url for mirror in mirrors))], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirrors[1].asked == [None]


def test_fetch_keeps_a_truncated_part(mirror: Mirror, tmp_path: Path) -> None:
    """A transfer that ends early is reported with both sizes; its bytes stay in the part."""
    mirror.cut = HALF
    with failure(f"after {HALF:,} of {len(PACKED):,}", f"{HALF:,} bytes are kept", "make data"):
        fetch([described(CONTENT, mirror.url)], tmp_path)
    assert os.listdir(tmp_path / "fake") == ["file.gz.part"]


def test_fetch_continues_a_truncated_part_elsewhere(mirrors: list[Mirror], tmp_path: Path) -> None:
    """After a transfer that ends early the next mirror sends only the rest."""
    mirrors[0].cut = HALF
    [path] = fetch([described(CONTENT, *(mirror.url for mirror in mirrors))], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirrors[1].asked == [f"bytes={HALF}-"]


def test_fetch_interrupted_keeps_the_part(mirror: Mirror, tmp_path: Path) -> None:
    """Ctrl-C leaves the part and no final file; one line names the command to resume."""
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted; .+; to resume, run: make data$"):
        fetch([described(CONTENT, mirror.url)], tmp_path, interrupt_after(HALF))
    assert os.listdir(tmp_path / "fake") == ["file.gz.part"]


def test_fetch_after_an_interrupt_sends_the_rest(mirror: Mirror, tmp_path: Path) -> None:
    """The call after Ctrl-C asks for the bytes after the part and completes the file."""
    file = described(CONTENT, mirror.url)
    with pytest.raises(KeyboardInterrupt):
        fetch([file], tmp_path, interrupt_after(HALF))
    kept = (tmp_path / "fake" / "file.gz.part").stat().st_size
    [path] = fetch([file], tmp_path)
    assert path.read_bytes() == PACKED
    assert mirror.asked == [None, f"bytes={kept}-"]


def test_fetch_offline_lists_the_reasons(mirror: Mirror, refusing: str, tmp_path: Path) -> None:
    """When no mirror serves the file, the message has each mirror's reason and the ways out."""
    mirror.status = 404
    reasons = f"{refusing}: Connection refused", f"{mirror.url}: HTTP 404 Not Found"
    with failure(*reasons, "make data", "TINYTORCH_DATA=FOLDER", "bundled data"):
        fetch([described(CONTENT, refusing, mirror.url)], tmp_path)


def test_fetch_into_a_file_says_cannot_write(mirror: Mirror, tmp_path: Path) -> None:
    """A folder that is a file is named, with TINYTORCH_DATA as the way out."""
    folder = put(tmp_path / "data", b"")
    with failure(folder, "cannot write", "TINYTORCH_DATA=FOLDER"):
        fetch([described(CONTENT, mirror.url)], folder)
    assert mirror.asked == []


def test_fetch_into_a_read_only_folder_says_cannot_write(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused renaming names the file, the reason and TINYTORCH_DATA; no final file appears."""
    monkeypatch.setattr(os, "replace", refuse_permission)
    with failure(tmp_path, "cannot write", "Permission denied", "TINYTORCH_DATA=FOLDER"):
        fetch([described(CONTENT, mirror.url)], tmp_path)
    assert not (tmp_path / "fake" / "file.gz").exists()


# --- finding and reading ---


def test_data_folder_is_data_in_the_repository() -> None:
    """Without TINYTORCH_DATA the folder is `data/` beside `src/`."""
    assert datasets.data_folder() == Path(__file__).resolve().parents[2] / "data"


def test_data_folder_is_what_the_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TINYTORCH_DATA names the folder."""
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    assert datasets.data_folder() == tmp_path


@pytest.mark.parametrize(("name", "what"), [("nowhere", "missing"), ("file", "a file")])
def test_data_folder_refuses_what_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    """TINYTORCH_DATA that names nothing, or a file, is an error that says which."""
    put(tmp_path / "file", b"")
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path / name))
    with failure("TINYTORCH_DATA", tmp_path / name, f"which is {what}", "unset it"):
        datasets.data_folder()


@pytest.mark.parametrize("place", ["fake/file.gz", "fake/file", "file.gz", "file"])
def test_find_accepts_each_place(tmp_path: Path, place: str) -> None:
    """A file is found in its own folder or the data folder, compressed or not."""
    path = put(tmp_path / place, CONTENT)
    assert datasets.find(described(CONTENT), tmp_path) == path


def test_find_answers_none(tmp_path: Path) -> None:
    """A file that stands nowhere is None, not an error."""
    assert datasets.find(described(CONTENT), tmp_path) is None


def test_load_mnist_reads_the_four_files(tmp_path: Path) -> None:
    """Images come as uint8 (N, H, W), labels as int64 (N,), each in its field."""
    data = load_mnist(tmp_path, fake_mnist(tmp_path))
    assert (data.train_images.dtype.name, data.train_labels.dtype.name) == ("uint8", "int64")
    assert data.train_images.tolist() == np.arange(24).reshape(6, 2, 2).tolist()
    assert data.test_images.tolist() == np.arange(8).reshape(2, 2, 2).tolist()
    assert data.train_labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.test_labels.tolist() == [8, 9]


def test_load_mnist_reads_uncompressed_files(tmp_path: Path) -> None:
    """Files that somebody unpacked, directly in the folder, load like the compressed ones."""
    files = fake_mnist(tmp_path)
    for file in files:
        path = tmp_path / file.dataset / file.name
        put(tmp_path / path.stem, gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load_mnist(tmp_path, files).test_labels.tolist() == [8, 9]


def test_load_mnist_reads_the_folder_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder, TINYTORCH_DATA is where the files are read."""
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    assert len(load_mnist(files=fake_mnist(tmp_path)).train_images) == 6


def test_load_mnist_names_a_missing_file(tmp_path: Path) -> None:
    """A missing file is named with its folder, the command and the variable."""
    with failure("train-images-idx3-ubyte.gz", tmp_path, "make data", "TINYTORCH_DATA=FOLDER"):
        load_mnist(tmp_path)


def test_load_mnist_refuses_other_content(tmp_path: Path) -> None:
    """A well-formed file with another checksum is named with both sums and the command."""
    files = fake_mnist(tmp_path)
    wrong = put(tmp_path / "fake" / files[3].name, gzip.compress(idx(np.array([9, 8], np.uint8))))
    with failure(wrong, files[3].sha256, "make data"):
        load_mnist(tmp_path, files)


@pytest.mark.parametrize("damage", [slice(0, -9), slice(0, 15), slice(0, 4)])
def test_load_mnist_refuses_corrupt_gzip(tmp_path: Path, damage: slice) -> None:
    """A gzip file that ends early is named as damaged, with the command."""
    files = fake_mnist(tmp_path)
    path = tmp_path / "fake" / files[0].name
    put(path, path.read_bytes()[damage])
    with failure(path, "is damaged", "a whole gzip file", "make data"):
        load_mnist(tmp_path, files)


def test_load_mnist_refuses_flipped_bits(tmp_path: Path) -> None:
    """A gzip file whose middle was overwritten is named, with the command."""
    files = fake_mnist(tmp_path)
    path = tmp_path / "fake" / files[0].name
    packed = path.read_bytes()
    put(path, packed[:20] + bytes(8) + packed[28:])
    with failure(path, "make data"):
        load_mnist(tmp_path, files)


def test_load_mnist_refuses_unequal_counts(tmp_path: Path) -> None:
    """Images and labels of different number are an error that has both numbers."""
    with failure("6 images", "5 labels", "train-labels.gz", "make data"):
        load_mnist(tmp_path, fake_mnist(tmp_path, images=6, labels=5))


@pytest.mark.parametrize(
    ("content", "problem", "expected"),
    [
        (b"", "magic number 0x00000000", "0x00000803"),
        (b"<html>", "magic number 0x3c68746d", "0x00000803"),
        (idx(np.zeros(3, np.uint8)), "magic number 0x00000801", "0x00000803"),
        (CONTENT[:-1], "is truncated: its content has 235,215 bytes", "235,216 bytes"),
        (CONTENT[:6], "is truncated: its content has 6 bytes", "16 bytes"),
        (CONTENT + b"\0", "has trailing bytes: its content has 235,217 bytes", "(300, 28, 28)"),
    ],
)
def test_parse_idx_refuses_bad_bytes(content: bytes, problem: str, expected: str) -> None:
    """A wrong magic number, a short file and left-over bytes are told apart, with numbers."""
    with failure("images.gz", problem, expected, "make data"):
        parse_idx(content, 3, Path("images.gz"))


def test_data_error_survives_pickling() -> None:
    """A DataError crosses a process boundary with its message."""
    error = DataError("x is 3", "4", "run: make data")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error) == "x is 3\n  expected: 4\n  next: run: make data"


# --- the bundled digits ---


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


def test_digits_have_their_shapes(digits: Dataset) -> None:
    """1,437 images to train on and 360 to test on, 8x8 uint8, labels int64."""
    assert (digits.train_images.shape, digits.test_images.shape) == ((1437, 8, 8), (360, 8, 8))
    assert (digits.train_labels.shape, digits.test_labels.shape) == ((1437,), (360,))
    assert (digits.test_images.dtype.name, digits.test_labels.dtype.name) == ("uint8", "int64")


def test_digits_pixels_go_from_0_to_16(digits: Dataset) -> None:
    """Both parts use the whole range of pixel values."""
    for images in (digits.train_images, digits.test_images):
        assert (images.min(), images.max()) == (0, 16)


def test_digits_have_the_class_counts_of_the_source(digits: Dataset) -> None:
    """The classes have the counts of the source, and 35 to 37 of each are in the test part."""
    test = np.bincount(digits.test_labels)
    total = np.bincount(digits.train_labels) + test
    assert total.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (test.min(), test.max()) == (35, 37)


def test_digits_parts_share_no_image(digits: Dataset) -> None:
    """All 1,797 images differ, so none is in both parts."""
    images = [image.tobytes() for image in (*digits.train_images, *digits.test_images)]
    assert len(set(images)) == 1797


def test_digits_labels_belong_to_their_images(digits: Dataset) -> None:
    """The nearest training image has the label of 98 % of the test images: rows kept together."""
    train = digits.train_images.reshape(-1, 64).astype(np.float32)
    test = digits.test_images.reshape(-1, 64).astype(np.float32)
    distance = (train**2).sum(1) - 2 * test @ train.T  # (360, 1437), but for |test|^2
    assert (digits.train_labels[distance.argmin(1)] == digits.test_labels).mean() > 0.98


def test_digits_changed_on_disk_are_refused(tmp_path: Path) -> None:
    """A bundled file with other content is named with the command that restores it."""
    path = put(tmp_path / "digits.gz", gzip.compress(bytes(1797 * 65)))
    with failure(path, datasets.DIGITS.sha256, "git checkout"):
        load_digits(tmp_path)


def test_digits_missing_on_disk_are_named(tmp_path: Path) -> None:
    """A bundled file that is gone is named with the command that restores it."""
    with failure(tmp_path / "digits.gz", "git checkout"):
        load_digits(tmp_path)


# --- texts ---


def test_alice_is_the_text_that_its_page_describes() -> None:
    """Five chapters, ASCII, as many characters as bundled/README.md says, no word of its publisher's."""
    text, page = load_alice(), (datasets.BUNDLED / "README.md").read_text(encoding="utf-8")
    assert text.count("\nCHAPTER ") == 4
    assert text.isascii()
    assert f"{len(text):,} characters" in page
    assert f"| {len(set(text))} different ones" in page
    assert datasets.ALICE.sha256 in page
    assert "Gutenberg" not in text


def test_alice_changed_says_how_to_get_her_back(tmp_path: Path) -> None:
    """Another text under her name is refused, and so is none."""
    with failure("alice.txt is not in", "make data"):
        load_alice(tmp_path)
    put(tmp_path / "alice.txt", b"Down, down, down.")
    with failure("alice.txt does not hold alice.txt", "git checkout"):
        load_alice(tmp_path)
