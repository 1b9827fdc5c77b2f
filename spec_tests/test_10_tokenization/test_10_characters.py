"""Kata 10, Tokenization: ids, and one token for each character (katas/10_tokenization/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import assert_equal, assert_raises
from support.observe import observe
from support.strategies import integer, one_of, seeds


def shuffled(text: str, seed: int = 0) -> str:
    """The characters of a text in a drawn order."""
    rng = np.random.default_rng([integer(0, 1, 99_999, seed), seed])
    return "".join(text[i] for i in rng.permutation(len(text)))


# ---- 10.3: ids -----------------------------------------------------------------------------------


@observe(shown="check_ids({way}, {size})")
def checked(tt: Any, way: str, ids: Any, size: int) -> Any:
    class Walked:
        walks = 0

        def __iter__(self):
            self.walks += 1
            return iter(ids)

    before, once = list(ids), Walked()
    given = eval(way, {"tt": tt, "np": np, "ids": ids, "once": once})
    got = tt.check_ids(given, size)
    return {
        "ids": got,
        "kinds": sorted({type(i).__name__ for i in got}),
        "own": got is not given,
        "kept": list(ids) == before,
        "walks": once.walks,
    }


WAYS = [
    "ids",
    "tuple(ids)",
    "(i for i in ids)",
    "iter(ids)",
    "once",
    "[np.int64(i) for i in ids]",
    "[np.uint8(i) for i in ids]",
    "np.array(ids)",
    "np.array(ids, np.uint8)",
    "np.array(ids, '>i2')",
    "np.array(ids, np.uint64)",
    "np.array(ids[::-1])[::-1]",
    "np.repeat(ids, 2)[::2]",
    "np.array([ids, ids], order='F')[1]",
    "tt.Tensor(np.array(ids))",
    "tt.Tensor(np.array(ids, np.uint8))",
    "dict.fromkeys(ids)",
]


@pytest.mark.parametrize("way", WAYS)
def test_ids_in_every_way(way: str) -> None:
    """10.3 Lists, generators, arrays of several types and layouts, a tensor: Python ints come back."""
    ids = [integer(7, 1, 60), 0, 99, integer(98, 70, 98)]
    got = checked(way, ids, 100)
    walks = int(way == "once")
    assert_equal(
        got, want={"ids": ids, "kinds": ["int"], "own": True, "kept": True, "walks": walks}
    )


@pytest.mark.parametrize(
    "way", ["[]", "()", "iter(())", "np.zeros(0, int)", "tt.Tensor(np.zeros(0, int))"]
)
def test_no_ids(way: str) -> None:
    """10.3 Nothing to walk, and one id in the same way."""
    one = integer(3, 1, 9)
    assert_equal(checked(way, [one], 10)["ids"], want=[])
    assert_equal(checked("ids", [one], 10)["ids"], want=[one])


NO_IDS = {
    "[0, 2.0]": "2.0",
    "np.array([0.0, 2.0])": "0.",
    "tt.Tensor([2.0])": "2.",
    "[0, float('nan')]": "nan",
    "[0, True]": "True",
    "[np.True_, 0]": "True",
    "np.array([0, 1]) > 0": "False",
    "['0']": "'0'",
    "[0, None]": "None",
    "[[0, 1]]": "[0, 1]",
    "np.array([[0, 1], [1, 0]])": "[0, 1]",
    "np.array([[0], [1]])": "[0]",
    "tt.Tensor(np.array([[1]]))": "[1]",
    "[(0,)]": "(0,)",
    "iter([0, 0.5])": "0.5",
    "ids[0]": "0",
    "np.array(ids[0])": "",
    "tt.Tensor(ids[0])": "",
    "None": "None",
    "'12'": "12",
}


@pytest.mark.parametrize("way", NO_IDS)
def test_what_is_no_id(way: str) -> None:
    """10.3 A number alone, texts, floats that are whole, bools, rows: a TypeError that says which."""
    says = (NO_IDS[way],)
    assert_raises(checked, way, [0, 1], 10, error="TypeError", says=says)


@pytest.mark.parametrize(
    "number", ["-1", "size", "size + 1", "-size", "10**30", "np.int8(-1)", "np.uint64(2**63)"]
)
def test_ids_beyond_the_vocabulary(number: str) -> None:
    """10.3 One below 0, or too many, among good ones: id, place and size are named."""
    size, place = integer(600, 600, 699), integer(41, 10, 48)
    ids = [int(i) for i in np.arange(50) + integer(100, 100, 150)]
    way = f"ids[:{place}] + [{number.replace('size', str(size))}] + ids[{place}:]"
    shown = str(int(eval(number, {"np": np, "size": size})))
    assert_raises(checked, way, ids, size, error="ValueError", says=(shown, str(place), str(size)))


def test_an_id_beyond_64_bits_with_a_sign() -> None:
    """10.3 An array of uint64 with a number that int64 has not: it is named as it is."""
    number = 2**63 + integer(5, 0, 999)
    way = f"np.array([1, 0, {number}], np.uint64)"
    assert_raises(checked, way, [1], 7, error="ValueError", says=(str(number), "2", "7"))


@pytest.mark.parametrize("size", [0, 1, 256])
def test_the_last_id(size: int) -> None:
    """10.3 The largest vocabulary that still has an id, and the one that does not."""
    assert_equal(checked("ids", [integer(9, 1, 9), size], size + 10)["ids"][1], want=size)
    assert_raises(checked, "ids", [size], size, error="ValueError", says=(str(size),))


# ---- 10.1, 10.2, 10.4: characters ----------------------------------------------------------------


@observe(
    shown="t = CharTokenizer(text); ids = t.encode(other); t.decode(ids); ids[:0] = [0]; t.encode(other)"
)
def characters(tt: Any, text: str, other: str) -> Any:
    tokenizer = tt.CharTokenizer(text)
    ids = tokenizer.encode(other)
    back = tokenizer.decode(ids)
    ids[:0] = [0]  # the caller's own list
    again = tokenizer.encode(other)
    return {
        "chars": tokenizer.chars,
        "size": tokenizer.vocab_size,
        "ids": again,
        "kinds": sorted({type(i).__name__ for i in again}),
        "back": back,
    }


ALPHABETS = {
    "letters": "hello world",
    "cases": "aAbBzZ Z09\n\t",
    "accents": "e\u0301 \u00e9 \u00df\u1e9e \u0130i",  # two ways to write an accent, and odd capitals
    "scripts": "\u65e5\u672c\u8a9e \u0434\u0430 \u05e9\u05dc\u05d5\u05dd \u0660\u0661",
    "emoji": "\U0001f44d\U0001f3fd\u200d\U0001f9d1 \ufe0f\u2764",
    "odd": "\0\x1c\x85\xa0\u2028\u200b\ufeff\uffff\U0010ffff",
    "one": "x",
}


@pytest.mark.parametrize("name", ALPHABETS)
def test_characters_have_places(name: str) -> None:
    """10.1 Alphabets of several scripts: sorted, each once, and a text in another order."""
    extra = chr(integer(0x3B1, 0x3B1, 0x3C9))
    text = shuffled(2 * ALPHABETS[name] + extra)
    chars = sorted(set(text))
    other = shuffled(text, 1)
    got = characters(text, other)
    want = {"chars": "".join(chars), "size": len(chars), "ids": [chars.index(c) for c in other]}
    assert_equal(got, want=want | {"kinds": ["int"], "back": other})


@settings(max_examples=30)
@given(text=st.text(min_size=1, max_size=30), seed=seeds)
def test_characters_come_back(text: str, seed: int) -> None:
    """10.1 Any text, written in its own alphabet and read again."""
    drawn = text + chr(integer(97, 97, 122))
    got = characters(drawn, shuffled(drawn, seed))
    assert_equal([got["back"], got["size"]], want=[shuffled(drawn, seed), len(set(drawn))])


@observe
def nothing_of_characters(tt: Any, text: str) -> Any:
    tokenizer = tt.CharTokenizer(text)
    return [tokenizer.encode(""), tokenizer.decode([]), tokenizer.encode(text)]


def test_characters_of_nothing() -> None:
    """10.1 No character, no id."""
    text = "ab" * integer(2, 1, 9)
    assert_equal(nothing_of_characters(text), want=[[], "", [0, 1] * (len(text) // 2)])


@observe
def two_alphabets(tt: Any, first: str, second: str) -> Any:
    one, two = tt.CharTokenizer(first), tt.CharTokenizer(second)
    return [one.encode(first), two.encode(second), one.decode([0, 1]), two.decode([0, 1])]


def test_two_alphabets_are_two() -> None:
    """10.1 Two tokenizers alive, with the same characters at other places."""
    low = integer(97, 97, 110)
    a, b, c = (chr(low + i) for i in range(3))
    assert_equal(two_alphabets(b + c, a + c), want=[[0, 1], [0, 1], b + c, a + c])


def test_no_alphabet() -> None:
    """10.2 An empty text has no alphabet; one of one character has, and one of spaces alone."""
    assert_equal(nothing_of_characters(chr(integer(97, 97, 122))), want=[[], "", [0]])
    assert_equal(nothing_of_characters(" \n"), want=[[], "", [1, 0]])
    assert_raises(nothing_of_characters, "", error="ValueError")


@pytest.mark.parametrize("strange", ["z", "A", "\n", "\u00e9", "\U0001f600", "\0", "'"])
def test_a_strange_character(strange: str) -> None:
    """10.2 A character that is not in the alphabet, twice, with another between: the first is named."""
    place = integer(23, 11, 60)
    text = "a\u00eb" * 40
    other = f"{text[:place]}{strange}{text[:4]}!{strange}"
    says = (repr(strange), str(place))
    assert_raises(characters, text, other, error="ValueError", says=says)


@pytest.mark.parametrize("way", ["tuple(ids)", "(i for i in ids)", "np.array(ids, np.uint8)"])
def test_characters_from_ids_in_other_ways(way: str) -> None:
    """10.3 decode of a tuple, a generator, an array."""
    ids = [integer(2, 0, 3), 0, 3, 1]
    assert_equal(read_by_characters(way, "dbca", ids), want="".join("abcd"[i] for i in ids))


@observe(shown="CharTokenizer(text).decode({way})")
def read_by_characters(tt: Any, way: str, text: str, ids: Any) -> Any:
    return tt.CharTokenizer(text).decode(eval(way, {"tt": tt, "np": np, "ids": ids}))


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("[0, -1]", "ValueError"),
        ("[0, 4]", "ValueError"),
        ("[0, 1.0]", "TypeError"),
        ("[True]", "TypeError"),
        ("'ab'", "TypeError"),
        ("1", "TypeError"),
    ],
)
def test_characters_refuse_ids(way: str, error: str) -> None:
    """10.3 A negative id, one too many, a float, a bool, a text, a number alone."""
    assert_equal(read_by_characters("ids", "dbca", [integer(1, 1, 3)])[0] in "bcd", want=True)
    assert_raises(read_by_characters, way, "dbca", [0], error=error)


@observe(shown="{call}")
def called(tt: Any, call: str) -> Any:
    return eval(call, {"tt": tt, "np": np})


@pytest.mark.parametrize(
    "call", ["tt.CharTokenizer({})", "tt.CharTokenizer('ab').encode({})"], ids=["built", "encode"]
)
@pytest.mark.parametrize(
    ("value", "name"),
    [("b'ab'", "bytes"), ("7", "int"), ("None", "NoneType"), ("['a', 'b']", "list")],
)
def test_characters_of_no_text(call: str, value: str, name: str) -> None:
    """10.4 Bytes, a number, None, a list of characters."""
    assert_raises(called, call.format(value), error="TypeError", says=(name,))


@pytest.mark.parametrize(
    "call", ["tt.CharTokenizer({})", "tt.CharTokenizer('ab').encode({})"], ids=["built", "encode"]
)
def test_characters_of_half_a_character(call: str) -> None:
    """10.4 A drawn lone surrogate behind some characters: code and place are named."""
    code = one_of(0xD83D, 0xD800, 0xDBFF, 0xDC00, 0xDFFF)
    place = integer(12, 10, 40)
    text = f"'a' * {place} + chr({code}) + 'b'"
    says = (f"U+{code:04X}", str(place))
    assert_raises(called, call.format(text), error="ValueError", says=says)
