"""Kata 10, Tokenization: the pieces of a text (katas/10_tokenization/README.md)."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import assert_below, assert_equal
from support.observe import observe
from support.strategies import integer, one_of, seeds

CONTRACTIONS = ("'s", "'d", "'m", "'t", "'ll", "'ve", "'re")


def kind(char: str) -> str:
    """Letter, number, space or sign, as the contract says it."""
    if char in "\t\n\v\f\r\x85":
        return "Z"
    first = unicodedata.category(char)[0]
    return first if first in "LNZ" else "sign"


def by_hand(text: str) -> list[str]:
    """The pieces, found without a pattern."""
    found, place = [], 0
    while place < len(text):
        end = end_of_piece(text, place)
        found.append(text[place:end])
        place = end
    return found


def end_of_piece(text: str, place: int) -> int:
    """Where the piece that begins here ends."""
    for short in CONTRACTIONS:
        if text.startswith(short, place):
            return place + len(short)
    lead = text[place] == " " and place + 1 < len(text) and kind(text[place + 1]) != "Z"
    first = end = place + lead
    while end < len(text) and kind(text[end]) == kind(text[first]):
        end += 1
    spaces_before_a_word = kind(text[first]) == "Z" and end < len(text) and end - place > 1
    return end - spaces_before_a_word


@observe(shown="pre_tokenize(text)")
def pieces(tt: Any, text: str) -> Any:
    return tt.pre_tokenize(text)


def a_word(seed: int = 0) -> str:
    """A word of small letters, none of which can be read as a contraction's."""
    rng = np.random.default_rng([integer(0, 1, 99_999, seed), seed])
    return "".join("abcfgh"[i] for i in rng.integers(6, size=4))


def test_pieces_example() -> None:
    """10.5 The worked example, with a drawn word in it."""
    word = one_of("clock", "hare", "boa", "cake", "gnu")
    want = ["It", "'s", " 12", " ", " o", "'", word]
    assert_equal(pieces(f"It's 12  o'{word}"), want=want)


TEXTS = {
    "one word": "{w}",
    "words": "{w} {w} {w}",
    "a space before the first": " {w}",
    "a space at the end": "{w} ",
    "two spaces": "{w}  {w}",
    "many spaces": "{w}     {w}",
    "many at the end": "{w}     ",
    "lines": "{w}\n{w}\n\n{w}\n\n\n",
    "a tab before a word": "{w}\t{w} \t {w}\t \t{w}",
    "spaces and lines": " \n {w} \n{w}\n {w}",
    "Windows lines": "{w}\r\n{w}\r\n",
    "numbers": "{w} 12 34{w} 5{w}6",
    "signs": "{w}, {w}! ({w}) -- {w}...",
    "code": "    if {w}[0] != 3.5e-7:\n\t\treturn {w}_{w} # {w}",
    "contractions": "{w}'s {w}'t {w}'re {w}'ve {w}'m {w}'ll {w}'d",
    "capitals": "{w}'S {w}'T {w}'RE {w}'LL",
    "contraction at the front": "'s{w}'sold 's 'll'l'v'r'",
    "contraction in a word": "{w}'see {w}'very {w}'reason{w}'x",
    "after a sign": "{w}!'s {w}''s {w} 's",
    "curly": "{w}\u2019s {w}\u2018{w}\u2019",
    "underscores": "_{w}_ __{w}__ {w}_1",
    "accents": "caf\u00e9 cafe\u0301 {w}\u00df \u0130{w}",
    "scripts": "{w}\u65e5\u672c\u8a9e \u0434\u0430 \u05e9\u05dc\u05d5\u05dd\u0e2a\u0e27 \u0915\u094d\u0937",
    "letters with a value": "{w}\u4e00 \u4e8c{w} \u4e03\u4e5d\u8a9e",
    "numbers of all kinds": "{w}\u00b2 \u00bd \u2167 \u0663\u0664 \u4e00 10\u00b2 \u2460{w} \u3007",
    "spaces of all kinds": "{w}\xa0{w}\u2003{w}\u2028{w}\x85{w}\u3000 {w}\u1680\u1680{w}",
    "no spaces": "{w}\x1c{w}\x1f {w}\u200b{w}\ufeff{w}\u180e {w}\x1d\x1e{w}",
    "a wide space is no lead": "\xa0{w} \xa0{w}\xa0 {w} \u2003",
    "emoji": "{w}\U0001f600 \U0001f44d\U0001f3fd{w} \u2764\ufe0f\U0001f9d1\u200d\U0001f680",
    "controls": "\0{w}\x01 \x7f{w}\xad{w}",
    "spaces alone": "  \n\t ",
    "ends": "\U0010ffff{w}\uffff",
}


@pytest.mark.parametrize("name", TEXTS)
def test_pieces_of(name: str) -> None:
    """10.5 Words, spaces, lines, code, contractions, numbers and spaces of all scripts, around drawn words."""
    text = TEXTS[name].format(w=a_word())
    assert_equal(pieces(text), want=by_hand(text))


def test_pieces_of_nothing() -> None:
    """10.5 An empty text, and one of one character."""
    one = one_of("a", " ", "7", "?", "\n")
    assert_equal([pieces(""), pieces(one)], want=[[], [one]])


LATIN = "".join(map(chr, range(256)))


@pytest.mark.parametrize("around", ["{}", " {}", "a{}b", "1{}2", "!{}?", "{}{} ", "\n{}\n"])
def test_pieces_of_every_byte(around: str) -> None:
    """10.5 The first 256 characters, one after the other, each between letters, numbers, signs or lines."""
    text = a_word() + "'".join(around.format(char, char) for char in LATIN)
    assert_equal(pieces(text), want=by_hand(text))


@pytest.mark.parametrize("seed", range(3))
def test_pieces_of_drawn_characters(seed: int) -> None:
    """10.5 Some thousand characters of the whole of Unicode, between a letter, a number and a sign."""
    rng = np.random.default_rng([integer(0, 1, 99_999), seed])
    codes = np.concatenate([rng.integers(0x80, 0x3000, 700), rng.integers(0x3000, 0x11_0000, 300)])
    text = "".join(f"b{chr(c)}1{chr(c)}; " for c in codes if not 0xD800 <= c < 0xE000)
    assert_equal(pieces(text), want=by_hand(text))


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from([*"ab19 !' \n\t_\xa0\u00e9\u00b2\u0301", "'s", "'re", "  "])), seeds
)
def test_pieces_of_any_text(parts: list[str], seed: int) -> None:
    """10.5 Short texts of letters, numbers, spaces and apostrophes in any order, joined again."""
    text = "".join(parts) + a_word(seed)
    got = pieces(text)
    assert_equal(got, want=by_hand(text))
    assert_equal("".join(got), want=text)


@observe(shown="pre_tokenize(text), after the list of an earlier call was changed")
def cut_again(tt: Any, text: str) -> Any:
    tt.pre_tokenize(text).append("more")
    return tt.pre_tokenize(text)


def test_pieces_are_a_list_of_their_own() -> None:
    """10.5 The same text twice, where the first answer is changed in between."""
    assert_equal(cut_again("one two"), want=["one", " two"])


@observe(shown="pre_tokenize('ab' + chr({code}) + ' ' + chr({code}) + '1')")
def pieces_around(tt: Any, code: int) -> Any:
    half = chr(code)
    return [piece.replace(half, "HALF") for piece in tt.pre_tokenize(f"ab{half} {half}1")]


def test_pieces_of_half_a_character() -> None:
    """10.5 A lone surrogate is neither letter, number nor space, and is not refused here."""
    code = one_of(0xD83D, 0xD800, 0xDBFF, 0xDC00, 0xDFFF)
    assert_equal(pieces_around(code), want=["ab", "HALF", " HALF", "1"])


@observe(shown="pre_tokenize(piece * n): how many steps Python makes (bytecodes), for each n")
def steps_of_cutting(tt: Any, piece: str, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    tt.pre_tokenize(piece)
    counts, joined = [], []
    for size in sizes:
        text = piece * size
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            got = tt.pre_tokenize(text)
        finally:
            sys.settrace(before)
        counts.append(count[0])
        joined.append(sum(map(len, got)))
    return {"steps": counts, "characters": joined}


@pytest.mark.parametrize("piece", [" ", "a", " a", "\n", "\u00e9", "'", "1 "], ids=ascii)
def test_cutting_takes_steps_by_the_length(piece: str) -> None:
    """10.24 A text and one four times as long: spaces alone, one word, many short ones."""
    size = integer(250, 230, 280)
    got = steps_of_cutting(piece, [size, 4 * size])
    assert_equal(got["characters"], want=[size * len(piece), 4 * size * len(piece)])
    few, many = got["steps"]
    assert_below(many, limit=4.4 * few + 400, what="steps for four times the text")
