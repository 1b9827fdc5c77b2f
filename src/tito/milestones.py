"""Milestones: what their scripts share, and how one is run.

A milestone is a flat script in `milestones/`: data, model, training, one number. Everything around
it stands here: the progress bar, the loss curve, the report with its pictures, the verdict, and the
message when the code that was built in the katas stops.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import runpy
import struct
import subprocess
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tito import datasets, manifest
from tito.manifest import ROOT

Array = NDArray[Any]


@dataclass(frozen=True)
class Milestone:
    """One milestone: `after` is the kata that opens it, `target` says in words what is asserted."""

    number: int
    title: str
    year: int
    after: int
    target: str
    file: str

    @property
    def id(self) -> str:
        return f"m{self.number:02}"

    @property
    def script(self) -> Path:
        return ROOT / "milestones" / self.file


MILESTONES = (
    Milestone(
        1,
        "Perceptron",
        1957,
        3,
        "tells two handwritten digits apart: ≥ 99 % of unseen images",
        "m01_perceptron_1957.py",
    ),
    Milestone(2, "XOR", 1969, 6, "one layer at most 75 %, two layers 100 %", "m02_xor_1969.py"),
    Milestone(
        3,
        "MLP",
        1986,
        7,
        "reads handwritten digits: ≥ 95 % of MNIST's test images",
        "m03_mlp_1986.py",
    ),
)


@dataclass(frozen=True)
class Claim:
    """One number and the target it must reach (or, with `at_most`, stay under); both are shares."""

    what: str
    value: float
    target: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{self.what}: {self.value:.2%} (target {sign} {self.target:.0%})"


@dataclass(frozen=True)
class Result:
    """What a milestone found; the first claim is its number."""

    milestone: Milestone
    dataset: str
    claims: tuple[Claim, ...]

    @property
    def number(self) -> float:
        return self.claims[0].value

    @property
    def passed(self) -> bool:
        return all(claim.holds for claim in self.claims)


# ---- running -------------------------------------------------------------------------------------


def milestone(number: int | str) -> Milestone:
    """One milestone by its number, as 3, "3", "03" or "m03"."""
    for found in MILESTONES:
        if str(number).lower().lstrip("m0") == str(found.number):
            return found
    known = ", ".join(f"{m.number:02}" for m in MILESTONES)
    raise manifest.ManifestError(f"there is no milestone {number}: the milestones are {known}")


def run(number: int | str, implementation: Path) -> int:
    """Run one milestone's script on an implementation, in a process of its own; its exit code.

    Ctrl-C is the script's to answer: this process waits until it has.
    """
    found = milestone(number)
    for kata in manifest.load().up_to(manifest.load().kata(found.after)):
        if not kata.file(implementation).is_file():
            print(
                f"{found.id} comes after kata {found.after:02}; kata {kata.id} is not unlocked yet: make module-{kata.id}"
            )
            return 1
    path = os.pathsep.join([str(implementation.resolve()), str(ROOT / "src")])
    command = [sys.executable, "-m", "tito.milestones", str(found.script)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def play(main: Callable[[], int]) -> int:
    """Call a script's main; what goes wrong ends in one message that says what to do next."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ≥ shows ?
    try:
        return main()
    except datasets.DataError as error:
        print(f"\n{error}")
    except KeyboardInterrupt as stop:
        print(f"\n{stop or 'stopped; nothing is kept of this run'}")
        return 130
    except Exception as error:
        print(f"\n{_explained(error)}")
    return 1


def _explained(error: Exception) -> str:
    """An error of the framework under test: where, and the command that tests that kata."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.name != "operation"]
    places = [(f.filename, f.lineno, f.name) for f in frames]
    if isinstance(error, SyntaxError):
        places.append((str(error.filename), error.lineno, ""))
    katas = {kata.file(implementation()): kata for kata in manifest.load().katas}
    own = [(Path(name), line, function) for name, line, function in places if Path(name) in katas]
    if not own:
        known = isinstance(error, (ImportError, OSError))
        return (
            f"{type(error).__name__}: {error}"
            if known
            else "".join(traceback.format_exception(error))
        )
    path, line, function = own[-1]
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"Your code stopped the training: {type(error).__name__}: {error}\n  {shown}:{line}  {function}\n  next: {command(f'test-{katas[path].id}')}"


def implementation() -> Path:
    """The folder that the `tinytorch` of this process comes from."""
    spec = importlib.util.find_spec("tinytorch")
    return Path(spec.origin).resolve().parents[1] if spec and spec.origin else ROOT / "src"


def command(target: str) -> str:
    """A make command for the implementation of this process."""
    folder = implementation()
    return (
        f"make {target}"
        if folder == ROOT / "src"
        else f"IMPL={folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder} make {target}"
    )


def folder(of: Milestone) -> Path:
    """Where a run of this implementation leaves its report; made if it is missing."""
    path = ROOT / "runs" / f"{of.id}-{implementation().name}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def fingerprint(*more: Path) -> str:
    """Eight digits that change when the framework under test (or a further file) does."""
    files = [*sorted((implementation() / "tinytorch").glob("*.py")), *more]
    return hashlib.sha256(b"\0".join(f.read_bytes() for f in files)).hexdigest()[:8]


# ---- the terminal --------------------------------------------------------------------------------

console = Console(highlight=False)
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a Braille character, by column


@contextmanager
def progress(total: int, done: int = 0) -> Iterator[Callable[[str], None]]:
    """A progress bar; call what it gives after every step, with a few words on how it goes."""
    columns = (
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda text: bar.update(task, advance=1, description=text)


def curve(values: Sequence[float], width: int = 60, height: int = 6) -> str:
    """A curve in Braille characters, two by four dots each; logarithmic where all is positive."""
    points = _means(values, 2 * width)
    points = np.interp(np.linspace(0, len(points) - 1, 2 * width), range(len(points)), points)
    y = np.log10(points) if (points > 0).all() else points
    rows = np.rint((y.max() - y) / (np.ptp(y) or 1) * (4 * height - 1)).astype(int)
    cells = np.zeros((height, width), int)
    for x, (before, row) in enumerate(zip([rows[0], *rows[:-1]], rows, strict=True)):
        for dot in range(min(before, row), max(before, row) + 1):
            cells[dot // 4, x // 2] |= DOTS[x % 2][dot % 4]
    labels = [f"{points.max():8.3g} ", *[" " * 9] * (height - 2), f"{points.min():8.3g} "]
    lines = ["".join(chr(0x2800 + cell) for cell in row) for row in cells]
    return "\n".join(label + line for label, line in zip(labels, lines, strict=True))


def _means(values: Sequence[float], count: int) -> Array:
    """A long series as the means of at most `count` stretches."""
    return np.array(
        [part.mean() for part in np.array_split(np.asarray(values, float), min(count, len(values)))]
    )


# ---- the report ----------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #0b6bcb; --good: #1a7f37; --bad: #cf222e }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2.5rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } p { margin: .4rem 0 }
.number { font-size: 2.6rem; font-weight: 650; margin: .5rem 0 0 } .passed { color: var(--good) } .missed { color: var(--bad) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line) }
.pictures { display: flex; flex-wrap: wrap; gap: .9rem } figure { margin: 0 }
figcaption { font-size: .8rem; text-align: center } img { width: 5rem; image-rendering: pixelated; display: block }
.wide img { width: 18rem } svg { width: 100%; height: auto } footer { margin-top: 2.5rem; font-size: .85rem; opacity: .75 }
"""


def png(pixels: Array) -> bytes:
    """An image file of (H, W) grey or (H, W, 3) colour values from 0 to 255."""
    height, width = pixels.shape[:2]
    rows = np.concatenate(
        [np.zeros((height, 1), np.uint8), pixels.astype(np.uint8).reshape(height, -1)], axis=1
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )


def picture(pixels: Array, caption: str = "") -> str:
    """A figure with a caption."""
    data = base64.b64encode(png(pixels)).decode()
    return f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}"><figcaption>{escape(caption)}</figcaption></figure>'


def pictures(figures: Sequence[str], wide: bool = False) -> str:
    return f'<div class="pictures{" wide" if wide else ""}">{"".join(figures)}</div>'


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table of texts and numbers."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{_cells('th', head)}</tr>{body}</table>"


def _cells(tag: str, row: Sequence[object]) -> str:
    return "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row)


def plot(values: Sequence[float], label: str) -> str:
    """A curve as an inline SVG, on a logarithmic scale where all values are positive."""
    points = _means(values, 300)
    logarithmic = bool((points > 0).all())
    y = np.log10(points) if logarithmic else points
    low, high = np.floor(y.min()), np.ceil(y.max())
    height = 190 - 170 * (y - low) / (high - low or 1)
    across = np.linspace(50, 630, len(y))
    grid = ""
    for tick in np.arange(low, high + 1) if logarithmic else np.linspace(low, high, 5):
        at = 190 - 170 * (tick - low) / (high - low or 1)
        value = f"{10**tick if logarithmic else tick:.3g}"
        grid += f'<path d="M50 {at:.1f}H630" stroke="var(--line)"/><text x="44" y="{at + 4:.1f}" text-anchor="end">{value}</text>'
    line = " ".join(f"{x:.1f},{v:.1f}" for x, v in zip(across, height, strict=True))
    curve = f'<polyline points="{line}" fill="none" stroke="var(--accent)" stroke-width="2" stroke-linejoin="round"/>'
    caption = f'<text x="630" y="210" text-anchor="end">{escape(label)}</text>'
    return f'<svg viewBox="0 0 640 215" font-size="12" fill="currentColor" role="img" aria-label="{escape(label)}">{grid}{curve}{caption}</svg>'


def finish(
    result: Result, sections: Sequence[tuple[str, str]], metrics: dict[str, Any]
) -> int:
    """Write report.html and metrics.json, say the verdict; the exit code of the script.

    Args:
        result: what was found.
        sections: the report's parts: a title and HTML made by the functions above.
        metrics: further plain values to keep.
    """
    of, place = result.milestone, folder(result.milestone)
    verdict = "passed" if result.passed else "missed"
    parts = "".join(f"<h2>{escape(title)}</h2>{html}" for title, html in sections)
    claims = "".join(f"<p>{escape(str(claim))}</p>" for claim in result.claims)
    body = f'<h1>{of.id} · {escape(of.title)} · {of.year}</h1><p class="number {verdict}">{result.number:.2%}</p>{claims}<p>Data: {escape(result.dataset)}. Target {verdict}.</p>{parts}<footer>Computed with the tinytorch in {escape(implementation().name)}/. Again: <code>{escape(command(f"milestone-{of.number:02}"))}</code></footer>'
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{of.id} {escape(of.title)}</title><style>{STYLE}</style><body>{body}</body></html>\n'
    (place / "report.html").write_text(page, encoding="utf-8")
    record = {
        "milestone": of.id,
        "dataset": result.dataset,
        "number": result.number,
        "passed": result.passed,
        "claims": [asdict(c) for c in result.claims],
    }
    (place / "metrics.json").write_text(
        json.dumps(record | metrics, indent=1) + "\n", encoding="utf-8"
    )
    for claim in result.claims:
        console.print(
            f"[{'green' if claim.holds else 'red'}]{'✓' if claim.holds else '✗'} {claim}[/]  on {result.dataset}"
        )
    console.print(
        f"report: {(place / 'report.html').relative_to(ROOT) if place.is_relative_to(ROOT) else place / 'report.html'}"
    )
    if not result.passed:
        console.print(f"below the target: are all katas green? {command('test')}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(play(lambda: runpy.run_path(sys.argv[1])["main"]()))
