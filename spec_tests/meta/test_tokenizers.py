"""Kata 10 beside the library `tokenizers`: its merges, its pieces, and the same ids."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.pins  # tokenizers

ROOT = Path(__file__).resolve().parents[2]
SPECIAL = "<|endoftext|>"
TEXTS = {
    "prose": "It's the end; they'll say: we've 12 of 3.50 each,  haven't we?\n\n  Well...\t\tno.\n",
    "capitals": "IT'S THE END, I'D SAY. 'S 'T 'RE 'LL",
    "code": (ROOT / "spec_tests" / "support" / "asserts.py").read_text("utf-8"),
    "pages": (ROOT / "katas" / "10_tokenization" / "README.md").read_text("utf-8"),
    "accents": "caf\u00e9 cafe\u0301 na\u00efve stra\u00dfe \u0130\u0131 \u01c5 \u02b0 \u00aa\u00ba",
    "scripts": "\u65e5\u672c\u8a9e\u3067\u3059\u3002 \u0434\u0430, \u05e9\u05dc\u05d5\u05dd \u0e2a\u0e27\u0e31\u0e2a \u0915\u094d\u0937 \uac00\ub098 \u0645\u0631\u062d\u0628\u0627",
    "numbers": "10\u00b2 \u00bd\u2167 \u0663\u0664 \u4e00\u3007 \u2460x x\u2488 1\u0661a",
    "spaces": "a \xa0b\u2003\u2003c\u2028d\x85e\u3000 f\u1680 g\x0b\x0ch \r\n\r\ni   ",
    "no spaces": "a\x1cb\x1d\x1e c\x1f d\u200be\ufefff\u180e g\u2060h",
    "emoji": "\U0001f600 \U0001f44d\U0001f3fd ok\u2764\ufe0f\U0001f9d1\u200d\U0001f680 \U0001f1e9\U0001f1ea!",
    "controls": "\0\x01 \x7f\xad \x80\x9f _a_ __b__ a_1",
    "ends": "\uffff \U0010ffff\ufffd \ue000",
    "special": f"a{SPECIAL}b {SPECIAL}",
    "one": "a",
    "none": "",
}


@pytest.fixture(scope="module")
def tokenization(reference: Any) -> Any:
    """The reference's kata 10."""
    return importlib.import_module("tinytorch.tokenization")


@cache
def theirs() -> Any:
    """A byte-level BPE that the library trained on the pages of the katas, with one special token."""
    tokenizers = importlib.import_module("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=[SPECIAL],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pages = sorted((ROOT / "katas").glob("*/*.md"))
    tokenizer.train_from_iterator([page.read_text("utf-8") for page in pages], trainer)
    return tokenizer


def shown_bytes() -> dict[str, int]:
    """Which byte each of the library's printable characters stands for, as GPT-2 chose them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}


@cache
def learned() -> tuple[list[tuple[bytes, bytes]], dict[int, bytes]]:
    """The library's merges as bytes, and the bytes of each of its ids."""
    table = shown_bytes()

    def raw(token: str) -> bytes:
        return bytes(table[char] for char in token)

    state = importlib.import_module("json").loads(theirs().to_str())["model"]
    merges = [(raw(left), raw(right)) for left, right in state["merges"]]
    ids = {
        i: token.encode() if token == SPECIAL else raw(token) for token, i in state["vocab"].items()
    }
    return merges, ids


def ours(tokenization: Any) -> Any:
    """A tokenizer with the library's merges."""
    known = {bytes([i]): i for i in range(256)}
    pairs = []
    for left, right in learned()[0]:
        pairs.append((known[left], known[right]))
        known[left + right] = 256 + len(pairs) - 1
    return tokenization.BPETokenizer(pairs, [SPECIAL])


@pytest.mark.parametrize("name", TEXTS)
def test_ids_are_the_librarys(tokenization: Any, name: str) -> None:
    """On prose, code, scripts and emoji: token for token the same bytes, and the same text back."""
    tokenizer, text = ours(tokenization), TEXTS[name]
    found = theirs().encode(text)
    got = tokenizer.encode(text, allowed_special="all")
    assert [tokenizer.vocab[i] for i in got] == [learned()[1][i] for i in found.ids]
    assert tokenizer.decode(got) == text


def test_all_merges_are_met(tokenization: Any) -> None:
    """The comparison is not one of bytes: a thousand merges and more, and most of them are used."""
    tokenizer = ours(tokenization)
    used = {i for text in (TEXTS["code"], TEXTS["pages"]) for i in tokenizer.encode(text)}
    assert len(tokenizer.merges) > 1200
    assert len([i for i in used if i > 255]) > 500


@pytest.mark.parametrize("block", range(17))
def test_pieces_are_the_librarys(tokenization: Any, block: int) -> None:
    """Each 13th character of a plane of Unicode that this Python knows, between letters and spaces."""
    unicodedata = importlib.import_module("unicodedata")
    codes = range(block << 16, (block + 1) << 16, 13)
    known = [c for c in map(chr, codes) if unicodedata.category(c) not in ("Cs", "Cn")]
    text = "".join(f"a{char}1{char}; {char} {char}\n" for char in known)
    cut = importlib.import_module("tokenizers").pre_tokenizers.ByteLevel(add_prefix_space=False)
    ends = [end for _, (_, end) in cut.pre_tokenize_str(text)]
    pieces = tokenization.pre_tokenize(text)
    assert [len(piece) for piece in pieces] == [
        b - a for a, b in zip([0, *ends], ends, strict=False)
    ]
