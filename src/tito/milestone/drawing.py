"""Curves, pictures and tables, as text for a terminal and as HTML that needs nothing but itself.

What goes into a page is escaped here; images are PNG files written out by hand, a curve is SVG.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a Braille character, by column
STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #2f81d7; --good: #2a9d4a; --bad: #e5484d }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2.5rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem } p { margin: .4rem 0 }
.number { font-size: 2.6rem; font-weight: 650; margin: .5rem 0 0 } .good { color: var(--good) } .bad { color: var(--bad) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2rem 1.4rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line) }
.pictures { display: flex; flex-wrap: wrap; gap: .9rem } figure { margin: 0 } .wide img { width: 18rem }
img { width: 4.7rem; image-rendering: pixelated; display: block; border: 1px solid var(--line) }
pre { font-size: .85rem; white-space: pre-wrap; border-left: 3px solid var(--line); padding-left: 1rem }
figcaption { font-size: .8rem; text-align: center } svg { width: 100%; height: auto } footer { margin-top: 2.5rem; opacity: .7 }
"""


def means(values: Sequence[float], count: int) -> Array:
    """A long series as the means of at most `count` stretches."""
    stretches = np.array_split(np.asarray(values, float), min(count, len(values)))
    return np.array([stretch.mean() for stretch in stretches])


def curve(values: Sequence[float], width: int = 60, height: int = 6) -> str:
    """A curve in Braille characters, two by four dots each; logarithmic where all is positive."""
    points = means(values, 2 * width)
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


def png(pixels: Array) -> bytes:
    """An image file of grey (H, W) or colour (H, W, 3) values from 0 to 255."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(np.uint8).reshape(height, -1)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # filter 0 in each row
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    packed = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def picture(pixels: Array, caption: str = "") -> str:
    """A figure with a caption."""
    source = f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"
    text = escape(caption)
    return f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'


def pictures(figures: Sequence[str], wide: bool = False) -> str:
    """Figures side by side."""
    return f'<div class="pictures{" wide" if wide else ""}">{"".join(figures)}</div>'


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table of texts and numbers."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{_cells('th', head)}</tr>{body}</table>"


def _cells(tag: str, row: Sequence[object]) -> str:
    return "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row)


def passage(text: str) -> str:
    """A text with its lines as they are."""
    return f"<pre>{escape(text)}</pre>"


def plot(values: Sequence[float], label: str, share: bool = False) -> str:
    """A curve as SVG, on a logarithmic scale where positive values are a decade apart; shares from 0 to 1."""
    points = means(values, 300)
    logarithmic = not share and 0 < 10 * points.min() < points.max()
    y = np.log10(points) if logarithmic else points
    low, high = np.floor(y.min()), max(np.ceil(y.max()), np.floor(y.min()) + 1)
    ticks = np.arange(low, high + 1) if logarithmic else np.linspace(low, high, 5)
    grid = "".join(_tick(_down(t, low, high), 10**t if logarithmic else t) for t in ticks)
    across = np.linspace(50, 630, len(y))
    line = " ".join(f"{x:.1f},{v:.1f}" for x, v in zip(across, _down(y, low, high), strict=True))
    text = escape(label)
    return (
        f'<svg viewBox="0 0 640 215" font-size="12" fill="currentColor" role="img" aria-label="{text}">{grid}'
        f'<polyline points="{line}" fill="none" stroke="var(--accent)" stroke-width="2" stroke-linejoin="round"/>'
        f'<text x="630" y="210" text-anchor="end">{text}</text></svg>'
    )


def _down(value: Any, low: float, high: float) -> Any:
    """Where a value stands in the picture, from the top."""
    return 190 - 170 * (value - low) / (high - low)


def _tick(at: float, value: float) -> str:
    """A line across the picture, and its value."""
    text = f'<text x="44" y="{at + 4:.1f}" text-anchor="end">{value:.3g}</text>'
    return f'<path d="M50 {at:.1f}H630" stroke="var(--line)"/>{text}'


def page(
    title: str,
    number: str,
    good: bool,
    lines: Sequence[str],
    sections: Sequence[tuple[str, str]],
    foot: str,
) -> str:
    """A whole page.

    Args:
        title, number: its heading, and what it is about, in large.
        good: the colour of the number.
        lines: what is to be said about it.
        sections: titles, each with HTML made by the functions above.
        foot: the last line.
    """
    parts = "".join(f"<h2>{escape(name)}</h2>{html}" for name, html in sections)
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style>'
    top = f'<h1>{escape(title)}</h1><p class="number {"good" if good else "bad"}">{escape(number)}</p>{said}'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{top}{parts}<footer>{escape(foot)}</footer></body></html>\n'
