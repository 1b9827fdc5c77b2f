"""Kata 10, Tokenization: a text as ids (katas/10_tokenization/README.md)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import assert_below, assert_equal, assert_raises
from support.observe import observe
from support.strategies import integer, one_of, seeds

# the pieces of texts without odd numbers and spaces (test_10_cutting.py has those)
PIECES = r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:_|[^\s\w])+|\s+(?!\S)|\s+"


def drawn(seed: int = 0) -> Any:
    """A generator that follows from the seed of the suite."""
    return np.random.default_rng([integer(0, 1, 99_999, seed), seed])


def some_merges(
    count: int, seed: int = 0, letters: Any = (97, 98, 99, 32, 195, 169), first: Any = ()
) -> Any:
    """Merges of a few bytes and of what earlier ones make, behind the first ones."""
    rng, found = drawn(seed), [list(pair) for pair in first]
    while len(found) < count:
        ids = np.concatenate([letters, np.arange(256, 256 + len(found))])
        pair = rng.choice(ids, 2).tolist()
        if pair not in found:
            found.append(pair)
    return found


def some_text(words: int, seed: int = 0, letters: str = "aabbc\u00e9") -> str:
    """Words of a few letters, with spaces, lines and signs between them."""
    rng = drawn(seed)
    found = []
    for _ in range(words):
        size = int(rng.integers(1, 8))
        found += ["".join(letters[i] for i in rng.integers(len(letters), size=size))]
        found += [" ", " ", " ", "  ", "\n", ", "][int(rng.integers(6))]
    return "".join(found)


def slow(text: str, merges: Any) -> list[int]:
    """Each piece by itself, merge after merge from the first to the last, looking at every place."""
    found = []
    for piece in re.findall(PIECES, text):
        ids = list(piece.encode())
        for number, pair in enumerate(merges):
            place = 0
            while place < len(ids) - 1:
                if ids[place : place + 2] == list(pair):
                    ids[place : place + 2] = [256 + number]
                place += 1
        found += ids
    return found


@observe(shown="BPETokenizer(merges).encode(text)")
def encoded(tt: Any, text: str, merges: Any) -> Any:
    return tt.BPETokenizer(merges).encode(text)


# ---- 10.11: merges by rank -----------------------------------------------------------------------


def test_encoding_example() -> None:
    """10.11 The worked example, with drawn letters: the earliest merge, not the leftmost pair."""
    a, b, c = (integer(97, 97, 120) + i for i in range(3))
    assert_equal(encoded(chr(a) + chr(b) + chr(c), [[b, c], [a, b]]), want=[a, 256])


def test_encoding_prefers_no_long_token() -> None:
    """10.11 A token of the whole word that the merges, in their order, do not reach."""
    a, b, c = (integer(97, 97, 120) + i for i in range(3))
    merges = [[b, c], [a, b], [257, c]]
    assert_equal(encoded(chr(a) + chr(b) + chr(c), merges), want=[a, 256])
    assert_equal(encoded(chr(a) + chr(b), merges), want=[257])


def test_encoding_tokens_of_the_same_bytes() -> None:
    """10.11 Two merges that make the same three bytes of other pairs: ids are told by the pair."""
    a, b, c = (integer(97, 97, 120) + i for i in range(3))
    merges = [[b, c], [a, b], [257, c], [a, 256]]
    assert_equal(encoded(chr(a) + chr(b) + chr(c), merges), want=[259])


@pytest.mark.parametrize("first", ["left", "right"])
def test_encoding_by_a_thousand_merges(first: str) -> None:
    """10.11 A word that is merged more often than functions of Python may call each other, from one end."""
    a, b = integer(97, 97, 120), integer(65, 65, 88)
    grown = [[256 + i, a] if first == "left" else [a, 256 + i] for i in range(1499)]
    merges = [[b, a] if first == "left" else [a, b], *grown]
    text = chr(b) + chr(a) * 1500 if first == "left" else chr(a) * 1500 + chr(b)
    assert_equal(encoded(text, merges), want=[256 + 1499])


def test_encoding_merges_of_merges() -> None:
    """10.11 Runs of one letter, merged in twos, fours and threes."""
    a = integer(97, 97, 122)
    merges = [[a, a], [256, 256], [256, a]]
    for count in range(1, 12):
        assert_equal(encoded(chr(a) * count, merges), want=slow(chr(a) * count, merges))


def test_encoding_keeps_to_its_piece() -> None:
    """10.11 Merges over a space, a sign and a line: pairs there are in two pieces."""
    a = integer(97, 97, 122)
    letter = chr(a)
    merges = [[a, 32], [32, a], [a, 44], [44, 32], [a, 10], [10, a], [10, 10], [a, a]]
    for text in (
        f"{letter} {letter}",
        f"{letter}, {letter}",
        f"{letter}\n{letter}",
        f"{letter}\n\n{letter}",
    ):
        assert_equal(encoded(text, merges), want=slow(text, merges))


@pytest.mark.parametrize("count", [1, 2, 5, 12, 30])
@pytest.mark.parametrize("seed", range(5))
def test_encoding_as_slowly(seed: int, count: int) -> None:
    """10.11 Drawn merges, many of which could apply, to drawn words: as merge after merge would."""
    text, merges = some_text(25, seed), some_merges(count, 10 * seed + count)
    assert_equal(encoded(text, merges), want=slow(text, merges))


@settings(max_examples=40)
@given(word=st.text("ab", min_size=1, max_size=14), count=st.integers(1, 8), seed=seeds)
def test_encoding_any_word(word: str, count: int, seed: int) -> None:
    """10.11 Words of two letters, and merges of these alone."""
    merges = some_merges(min(count, 3), seed, (97, 98))
    low = "".join(chr(ord(c)) for c in word)
    assert_equal(encoded(low, merges), want=slow(low, merges))


@observe
def encoded_often(tt: Any, text: str, merges: Any) -> Any:
    tokenizer, other = tt.BPETokenizer(merges), tt.BPETokenizer(merges[::-1][-1:])
    first = tokenizer.encode(text)
    between = other.encode(text)
    kept = list(first)
    first.append(-1)
    first[0] = -1
    word = tokenizer.encode(text.split()[0])
    word += [-1, -1]
    second, empty = tokenizer.encode(text), tokenizer.encode("")
    kinds = [type(second).__name__, *sorted({type(i).__name__ for i in second})]
    own = tokenizer.encode(text) is not second
    return {"ids": kept, "other": between, "again": second, "": empty, "kinds": kinds, "own": own}


@pytest.mark.parametrize("seed", range(3))
def test_encoding_again(seed: int) -> None:
    """10.11 The caller writes into a list of ids, another tokenizer is asked: the next answer is the same."""
    text, merges = some_text(20, seed + 20), some_merges(8, seed + 20)
    want = slow(text, merges)
    other = slow(text, merges[:1])
    rest = {"": [], "kinds": ["list", "int"], "own": True}
    assert_equal(
        encoded_often(text, merges), want={"ids": want, "other": other, "again": want} | rest
    )


# ---- 10.12: the way back -------------------------------------------------------------------------


@observe(
    shown="tokenizer = BPETokenizer(merges, ['<s>']); tokenizer.decode(tokenizer.encode(text))"
)
def there_and_back(tt: Any, text: str, merges: Any) -> Any:
    tokenizer = tt.BPETokenizer(merges, ["<s>"])
    ids = tokenizer.encode(text)
    return {
        "text": tokenizer.decode(ids),
        "strict": tokenizer.decode(ids, "strict"),
        "ids": len(ids),
    }


RETURNING = {
    "ASCII": "The quick brown fox; 1 + 1 = 2.\n",
    "accents": "caf\u00e9 cafe\u0301 na\u00efve \u0130\u0131 \u00df\u1e9e",
    "scripts": "\u65e5\u672c\u8a9e \u0434\u0430 \u05e9\u05dc\u05d5\u05dd \u0e2a\u0e27\u0e31\u0e2a \u0915\u094d\u0937",
    "emoji": "\U0001f600\U0001f44d\U0001f3fd \U0001f9d1\u200d\U0001f680 \u2764\ufe0f",
    "controls": "\0\x01 \x1c\x1f\x7f\x85\r\n\r\t\v\f",
    "spaces": "  \xa0\u2003 \u2028\n\n  ",
    "the ends": "\uffff\U0010ffff\ufffd\ufeff\ud7ff\ue000",
    "a special token": "a<s>b",
    "one byte each": "".join(map(chr, range(128))),
}


@pytest.mark.parametrize("count", [0, 12])
@pytest.mark.parametrize("name", RETURNING)
def test_texts_come_back(name: str, count: int) -> None:
    """10.12 Texts of many scripts, untrained and with merges of bytes, also of parts of characters."""
    text = RETURNING[name] + some_text(2, 30)
    letters = sorted({*text.encode()})
    got = there_and_back(text, some_merges(count, 31, letters))
    assert_equal([got["text"], got["strict"]], want=[text, text])
    assert_below(got["ids"], limit=len(text.encode()), what="ids for the bytes of the text")


@settings(max_examples=40)
@given(text=st.text(max_size=40), seed=seeds)
def test_any_text_comes_back(text: str, seed: int) -> None:
    """10.12 Any text of Hypothesis's, with a drawn word behind it, and merges of its bytes."""
    whole = text + some_text(1, seed)
    got = there_and_back(whole, some_merges(5, seed, sorted({*whole.encode()})))
    assert_equal([got["text"], got["strict"]], want=[whole, whole])


@pytest.mark.parametrize("seed", range(2))
def test_characters_of_all_planes_come_back(seed: int) -> None:
    """10.12 Two thousand characters drawn from all of Unicode."""
    codes = drawn(40 + seed).integers(0, 0x11_0000, 2000)
    text = "".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000)
    assert_equal(there_and_back(text, [])["strict"], want=text)


# ---- 10.13, 10.14: special tokens ----------------------------------------------------------------

SPECIALS = [
    "<s>",
    "<s>>",
    "[.]",
    "a|b",
    "\u00e9\u00e9",
    "<s><s>x",
    " the",
    "(",
    "\\d",
    "^",
    "e#",
    "#ee!",
]


def cut_at(text: str, allowed: Any) -> list[Any]:
    """The text in parts: [text, False] and [special token, True]."""
    found: list[Any] = [["", False]]
    place = 0
    while place < len(text):
        here = [token for token in allowed if text.startswith(token, place)]
        longest = max(here, key=len, default="")
        if longest:
            found += [[longest, True], ["", False]]
        else:
            found[-1][0] += text[place]
        place += len(longest) or 1
    return found


def slow_with(text: str, merges: Any, specials: Any, allowed: Any) -> list[int]:
    """The ids of a text in which some special tokens are allowed."""
    found = []
    for part, special in cut_at(text, allowed):
        found += [256 + len(merges) + specials.index(part)] if special else slow(part, merges)
    return found


@observe(
    shown="tokenizer.encode(text, allowed_special={allowed})  # and back; then encode(text), of BPETokenizer(merges, specials)"
)
def encoded_with(tt: Any, text: str, merges: Any, specials: Any, allowed: str) -> Any:
    tokenizer = tt.BPETokenizer(merges, specials)
    names = {"specials": specials, "tokenizer": tokenizer, "np": np}
    ids = tokenizer.encode(text, allowed_special=eval(allowed, names))
    return {"ids": ids, "back": tokenizer.decode(ids), "after": tokenizer.encode(text)}


ALLOWED = {
    "()": [],
    "[]": [],
    "{*()}": [],
    "iter(())": [],
    "specials[:1]": ["<s>"],
    "{'<s>'}": ["<s>"],
    "specials[:2]": ["<s>", "<s>>"],
    "specials[1::-1]": ["<s>", "<s>>"],
    "['<s>', '<s>']": ["<s>"],
    "(x for x in specials[2:5])": ["[.]", "a|b", "\u00e9\u00e9"],
    "tuple(specials[6:])": [" the", "(", "\\d", "^", "e#", "#ee!"],
    "tokenizer.special_tokens": SPECIALS,
    "specials": SPECIALS,
    "'all'": SPECIALS,
}
SPECIAL_TEXTS = {
    "one": "ab<s>ab",
    "at the ends": "<s>ab<s>",
    "side by side": "<s><s><s>",
    "nothing else": "<s>",
    "the longer one": "a<s>>b<s><s>x<s>x",
    "signs of patterns": "a.b[.]b a|b (ab) \\d1 ^a$",
    "letters": "\u00e9\u00e9\u00e9 the them",
    "parts of it": "<s <s>> s> <<s>>",
    "spaces around": "ab  <s>  ab \n<s>\n ab",
    "a word around": "ab's<s>'s ab<s>ab",
    "one begins in another": "e#ee! #ee!e# e##ee!",
    "none": "ab ab",
}


@pytest.mark.parametrize("allowed", ALLOWED)
@pytest.mark.parametrize("name", SPECIAL_TEXTS)
def test_special_tokens_where_allowed(name: str, allowed: str) -> None:
    """10.13 None, some and all allowed, given in many ways; texts with them at the ends, nested, in words."""
    merges = some_merges(13, 50, first=[(32, 32), (60, 115), (32, 10)])
    text = SPECIAL_TEXTS[name] + some_text(1, 51, "abc")
    got = encoded_with(text, merges, SPECIALS, allowed)
    want = slow_with(text, merges, SPECIALS, ALLOWED[allowed])
    assert_equal(got, want={"ids": want, "back": text, "after": slow(text, merges)})


@observe
def encoded_by_default(tt: Any, text: str, merges: Any, specials: Any) -> Any:
    tokenizer = tt.BPETokenizer(merges, specials)
    allowed = tokenizer.encode(text, ["<s>"])
    return [tokenizer.encode(text), allowed, tokenizer.encode(text), tokenizer.encode("<s>")]


def test_special_tokens_are_text_by_default() -> None:
    """10.13 Without the argument, before and after a call that allowed one."""
    merges, text = some_merges(6, 52), f"<s>{some_text(3, 52)}<s>"
    plain, allowed = slow(text, merges), slow_with(text, merges, ["<s>"], ["<s>"])
    got = encoded_by_default(text, merges, ["<s>"])
    assert_equal(got, want=[plain, allowed, plain, slow("<s>", merges)])


@observe
def two_with_specials(tt: Any, text: str, first: Any, second: Any) -> Any:
    one, two = tt.BPETokenizer([(97, 98)], first), tt.BPETokenizer([], second)
    return [one.encode(text, "all"), two.encode(text, "all"), one.encode(text, "all")]


def test_special_tokens_of_two() -> None:
    """10.13 Two tokenizers alive: "all" are one's own."""
    text = "<a>" * integer(2, 1, 5) + "<b>ab"
    merges = [[97, 98]]
    one = slow_with(text, merges, ["<a>"], ["<a>"])
    two = slow_with(text, [], ["<b>", "<a>"], ["<b>", "<a>"])
    assert_equal(two_with_specials(text, ["<a>"], ["<b>", "<a>"]), want=[one, two, one])


@pytest.mark.parametrize("text", ["", "ab", "<s>", "<b>"])
@pytest.mark.parametrize(
    ("allowed", "says"),
    [
        ("'<s>'", "'<s>'"),
        ("''", "''"),
        ("'ALL'", "'ALL'"),
        ("'none'", "'none'"),
        ("['<b>']", "'<b>'"),
        ("['<s>', '<b>', '<s>']", "'<b>'"),
        ("['all']", "'all'"),
        ("['']", "''"),
        ("[256]", "256"),
        ("[None]", "None"),
        ("[['<s>']]", "['<s>']"),
        ("(x for x in ['<s>', '<S>'])", "'<S>'"),
    ],
)
def test_what_is_allowed_must_be_special(text: str, allowed: str, says: str) -> None:
    """10.14 A text other than "all", other tokens, ids, None; also where the text holds no special token."""
    a = integer(97, 97, 122)
    assert_equal(encoded_with(chr(a), [], ["<s>"], "'all'")["ids"], want=[a])
    assert_raises(encoded_with, text, [], ["<s>"], allowed, error="ValueError", says=(says,))


# ---- 10.4: what is no text -----------------------------------------------------------------------


@observe(shown="{call}")
def called(tt: Any, call: str) -> Any:
    tokenizer = tt.BPETokenizer([(97, 97)], ["<s>"])
    return eval(call, {"tokenizer": tokenizer})


@pytest.mark.parametrize(
    ("value", "name"), [("b'ab'", "bytes"), ("7", "int"), ("None", "NoneType"), ("['a']", "list")]
)
@pytest.mark.parametrize("method", ["encode({})", "encode({}, 'all')"])
def test_encoding_no_text(method: str, value: str, name: str) -> None:
    """10.4 Bytes, a number, None, a list of letters."""
    call = f"tokenizer.{method.format(value)}"
    assert_raises(called, call, error="TypeError", says=(name,))


@pytest.mark.parametrize("end", ["", " + 'b'", " + '<s>'", " + ' ' + chr(0xDC00)"])
@pytest.mark.parametrize("method", ["encode({})", "encode({}, 'all')"])
def test_encoding_half_a_character(method: str, end: str) -> None:
    """10.4 A drawn lone surrogate behind words and special tokens: its place is that in the whole text."""
    code = one_of(0xD83D, 0xD800, 0xDBFF, 0xDC01, 0xDFFF)
    count = integer(4, 3, 9)
    text = f"'ab <s>' * {count} + chr({code}){end}"
    says = (f"U+{code:04X}", str(6 * count))
    assert_raises(called, f"tokenizer.{method.format(text)}", error="ValueError", says=says)


# ---- systems: 10.23, 10.24 -----------------------------------------------------------------------


@observe(shown="{call}: how many steps Python makes (bytecodes), for each text")
def steps_of_encoding(tt: Any, call: str, merges: Any, texts: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    tokenizer = tt.BPETokenizer(merges)
    code, counts, sizes = compile(call, "call", "eval"), [], []
    for text in texts:
        names = {"tt": tt, "tokenizer": tokenizer, "text": text, "merges": merges}
        tt.pre_tokenize(text)  # what Python compiles for it once is no step of the encoding
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            got = eval(code, names)
        finally:
            sys.settrace(before)
        counts.append(count[0])
        sizes.append(len(got))
    return {"steps": counts, "sizes": sizes}


def doubling(letter: int, count: int) -> list[list[int]]:
    """Merges of a letter into runs of 2, 4, 8, ..."""
    return [[letter, letter], *([255 + i, 255 + i] for i in range(1, count))]


def test_a_remembered_piece_costs_nothing_by_its_length() -> None:
    """10.23 Thirty short words and thirty long ones, each one token, in a second call."""
    letter = integer(97, 97, 122)
    words = [" ".join([chr(letter) * size] * 30) for size in (4, 64)]
    texts = [words[0], words[1]] * 2
    alone = steps_of_encoding("tt.pre_tokenize(text)", [], texts)
    got = steps_of_encoding("tokenizer.encode(text)", doubling(letter, 6), texts)
    assert_equal(got["sizes"][2:], want=[59, 59])
    short, long = (got["steps"][i] - alone["steps"][i] for i in (2, 3))
    assert_below(
        long, limit=1.2 * short + 100, what="steps for long words, per step for short ones"
    )


def test_a_remembered_piece_is_counted_in_characters() -> None:
    """10.23 Words of sixty letters with two bytes each, in a second call, beside words of four."""
    letter = chr(integer(0x436, 0x430, 0x44F))
    texts = [" ".join([letter * size] * 20) for size in (4, 60)] * 2
    alone = steps_of_encoding("tt.pre_tokenize(text)", [], texts)
    got = steps_of_encoding("tokenizer.encode(text)", [list(letter.encode())], texts)
    assert_equal(got["sizes"][2:], want=[20 * 4 + 19, 20 * 60 + 19])
    short, long = (got["steps"][i] - alone["steps"][i] for i in (2, 3))
    limit = 1.2 * short + 100
    assert_below(long, limit=limit, what="steps for long words, per step for short ones")


def test_a_piece_is_remembered_in_one_call() -> None:
    """10.23 The same long word two times and forty times in one text."""
    letter = integer(97, 97, 122)
    texts = [(" " + chr(letter + 0) * 63) * count for count in (2, 40)]
    texts += [(" " + chr(letter) * 62) * count for count in (2, 40)]
    alone = steps_of_encoding("tt.pre_tokenize(text)", [], texts)
    got = steps_of_encoding("tt.BPETokenizer(merges).encode(text)", doubling(letter, 5), texts)
    assert_equal(got["sizes"][1] // 40, want=got["sizes"][0] // 2)
    two, forty = (got["steps"][i] - alone["steps"][i] for i in (0, 1))
    assert_below(forty, limit=1.5 * two, what="steps for forty words, per step for two")


@observe
def kept_blocks(tt: Any, letters: str, stops: Any) -> Any:
    import gc
    import itertools
    import sys

    tokenizer, kept, ids, place = tt.BPETokenizer(), [], 0, 0
    words = map("".join, itertools.product(letters, repeat=4))
    tokenizer.encode("ab 12\u00e9")
    gc.collect()
    before = sys.getallocatedblocks()
    for stop in stops:
        while place < stop:
            ids += len(tokenizer.encode("1".join(itertools.islice(words, 2000))))
            place += 2000
        gc.collect()
        kept.append(max(sys.getallocatedblocks() - before, 0))
    return {"kept": kept, "ids": ids}


def test_what_is_remembered_is_bounded() -> None:
    """10.23 The blocks of memory that 2,000 different words leave, and that 36,000 do."""
    letters = "".join(chr(97 + i) for i in drawn(62).permutation(26))
    got = kept_blocks(letters, [2000, 36_000])
    assert_equal(got["ids"], want=36_000 * 5 - 18)
    few, many = got["kept"]
    limit = 2**14 * max(few / 2000, 1.0) * 1.4
    assert_below(many, limit=limit, what="blocks of memory kept after 36,000 words")


@observe
def kept_of_long_ones(tt: Any, letters: Any, size: int) -> Any:
    import gc
    import tracemalloc

    tokenizer = tt.BPETokenizer()
    tokenizer.encode("ab 12")
    tracemalloc.start()
    before, ids = tracemalloc.get_traced_memory()[0], 0
    for letter in letters:
        ids += len(tokenizer.encode(chr(letter) * size))
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return {"kept": max(kept, 0), "ids": ids}


def test_long_pieces_are_not_remembered() -> None:
    """10.23 Twenty-six words of some thousand letters each: what is left of them in memory."""
    size = integer(6000, 5000, 7000)
    got = kept_of_long_ones(list(range(97, 123)), size)
    assert_equal(got["ids"], want=26 * size)
    assert_below(got["kept"], limit=40.0 * size, what="bytes kept of 26 long words")


@pytest.mark.parametrize("text", ["a", "ab", " ", "'", "\u00e9", "a "], ids=ascii)
def test_encoding_takes_steps_by_the_length(text: str) -> None:
    """10.24 One piece and one four times as long; merges that apply all over it, or nowhere."""
    size = integer(120, 110, 130)
    merges = [[97, 97], [97, 98], [256, 256], [32, 32], [258, 258]]
    call = "tt.BPETokenizer(merges).encode(text)"
    got = steps_of_encoding(call, merges, [text * 4, text * size, text * 4 * size])
    few, many = got["steps"][1:]
    assert_below(got["sizes"][1], limit=2 * size, what="ids")
    assert_below(many, limit=4.6 * few + 600, what="steps for four times the text")


def test_encoding_takes_no_steps_for_other_merges() -> None:
    """10.24 The same text with 20 merges that it needs, and 600 more that it does not."""
    text = some_text(20, 60, "ab")
    needed = some_merges(20, 60, (97, 98))
    other = some_merges(600, 61, range(128, 255))
    more = [[i + 20 if i > 255 else i for i in pair] for pair in other]
    few = steps_of_encoding("tokenizer.encode(text)", needed, [text])
    many = steps_of_encoding("tokenizer.encode(text)", [*needed, *more], [text])
    assert_equal(many["sizes"], want=few["sizes"])
    assert_below(many["steps"][0], limit=1.3 * few["steps"][0], what="steps with more merges")


# ---- 10.25: with katas 01 to 08 ------------------------------------------------------------------


@observe
def through_a_loader(tt: Any, text: str, merges: Any) -> Any:
    tokenizer = tt.BPETokenizer(merges, ["<s>"])
    ids = tokenizer.encode(text + "<s>", "all")
    tensor = tt.Tensor(np.array(ids))
    windows = [ids[i : i + 4] for i in range(0, len(ids) // 4 * 4, 4)]
    rest = ids[len(windows) * 4 :]
    batches = list(tt.DataLoader(tt.TensorDataset(np.array(windows)), batch_size=3))
    read = [tokenizer.decode(tt.Tensor(row)) for (batch,) in batches for row in batch]
    rows = [i for (batch,) in batches for row in batch for i in row]
    return [tokenizer.decode(tensor), "".join(read)[:3], tokenizer.decode([*rows, *rest])]


def test_ids_go_through_a_loader() -> None:
    """10.25 A text as a tensor, and as windows of four ids in batches of three."""
    text = "abc" + some_text(30, 70, "abc")
    whole = f"{text}<s>"
    assert_equal(
        through_a_loader(text, some_merges(3, 70, (97, 98, 99))), want=[whole, "abc", whole]
    )
