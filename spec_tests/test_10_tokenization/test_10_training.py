"""Kata 10, Tokenization: merges, learned from a text (katas/10_tokenization/README.md)."""

from __future__ import annotations

import itertools
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


def some_text(words: int, seed: int = 0, letters: str = "aabbc\u00e9", longest: int = 7) -> str:
    """Words of a few letters, with spaces, lines and signs between them."""
    rng = drawn(seed)
    found = []
    for _ in range(words):
        size = int(rng.integers(1, longest + 1))
        found += ["".join(letters[i] for i in rng.integers(len(letters), size=size))]
        found += [" ", " ", " ", "  ", "\n", ", "][int(rng.integers(6))]
    return "".join(found)


def merged(ids: list[int], pair: Any, new: int) -> list[int]:
    """Each place of the pair, from left to right, as one number."""
    found: list[int] = []
    place = 0
    while place < len(ids):
        here = ids[place : place + 2] == list(pair)
        found.append(new if here else ids[place])
        place += 1 + here
    return found


def places(words: Any) -> dict[tuple[int, int], int]:
    """How often each pair could be merged in all words."""
    counts: dict[tuple[int, int], int] = {}
    for ids in words:
        for pair in {*itertools.pairwise(ids)}:
            counts[pair] = counts.get(pair, 0) + len(ids) - len(merged(ids, pair, -1))
    return counts


def slow(texts: Any, limit: int) -> list[list[int]]:
    """All is counted anew for each merge, in every piece of every text."""
    words = [list(piece.encode()) for text in texts for piece in re.findall(PIECES, text)]
    found: list[list[int]] = []
    while len(found) < limit:
        counts = places(words)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=(0, 0))
        if counts.get(best, 0) < 2:
            break
        words = [merged(ids, best, 256 + len(found)) for ids in words]
        found.append(list(best))
    return found


@observe(shown="tokenizer.train(text, limit)")
def learned(tt: Any, text: str, limit: Any, specials: Any = ()) -> Any:
    tokenizer = tt.BPETokenizer(special_tokens=specials)
    got = tokenizer.train(text, limit)
    return {
        "merges": [list(pair) for pair in tokenizer.merges],
        "kinds": sorted({type(x).__name__ for pair in tokenizer.merges for x in (pair, *pair)}),
        "returned": got,
        "size": tokenizer.vocab_size,
    }


def assert_learns(text: str, limit: int) -> None:
    """The merges of a text are those of the slow way."""
    want = slow([text], limit)
    kinds = ["int", "tuple"] if want else []
    size = 256 + len(want)
    got = learned(text, limit)
    assert_equal(got, want={"merges": want, "kinds": kinds, "returned": None, "size": size})


# ---- 10.15, 10.16: what is learned ---------------------------------------------------------------


def test_training_example() -> None:
    """10.15 The worked example, its letters moved by a drawn step: three merges of the four asked for."""
    step = integer(0, 0, 3)
    text = "".join(c if c == " " else chr(ord(c) + step) for c in "low low low lower newest")
    want = [[108 + step, 111 + step], [256, 119 + step], [32, 257]]
    assert_equal(learned(text, 4)["merges"], want=want)


@pytest.mark.parametrize(
    "text", ["{a}{b} {c}{d} {c}{d} {a}{b}", "{c}{a}{c}{a} {b}{d}{b}{d} {a}{b} {a}{b}"]
)
def test_training_with_equal_counts(text: str) -> None:
    """10.15 Pairs that are as frequent, met in another order than that of their bytes."""
    low = integer(97, 97, 118)
    a, b, c, d = (chr(low + i) for i in range(4))
    assert_learns(text.format(a=a, b=b, c=c, d=d), 3)
    assert_learns(text.format(a=d, b=a, c=b, d=c), 3)


def test_training_compares_pairs_left_first() -> None:
    """10.15 Of (a, z) and (b, a), as frequent, the one with the smaller left: not the smaller sum, nor right."""
    low = chr(integer(97, 97, 110))
    text = "{a}z.{b}{a}.{b}{a}.{a}z".format(a=low, b=chr(ord(low) + 1))
    assert_equal(learned(text, 1)["merges"], want=[[ord(low), 122]])


def test_training_compares_ids() -> None:
    """10.15 A merge's id is larger than any byte's, also above 127: (195, 169) comes before (256, ...)."""
    letter = chr(integer(97, 97, 122))
    text = f"{letter * 2}. {letter * 2}! \u00e9 \u00e9 \u00e9 {letter * 2}? {letter * 2}+".replace(
        " ", ""
    )
    assert_learns(text, 4)
    assert_learns(text + text, 6)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 8, 9])
def test_training_on_a_run(count: int) -> None:
    """10.15 A run of one letter beside two of another: pairs that overlap are counted once."""
    a, b = chr(integer(97, 97, 120)), chr(integer(121, 121, 122))
    for text in (f"{a * count} {b}0{b}0", f"{a * count}.{b * 4}", f"{a * count}{b}{a * count}"):
        assert_learns(text, 4)


@pytest.mark.parametrize("limit", [1, 3, 10, 60])
@pytest.mark.parametrize("seed", range(4))
def test_training_as_slowly(seed: int, limit: int) -> None:
    """10.15 Drawn words with many ties and repeats, up to the last pair: as counting all anew each time."""
    assert_learns(some_text(30, seed), limit)


@pytest.mark.parametrize("seed", range(3))
def test_training_on_one_long_piece(seed: int) -> None:
    """10.15 Sixty letters of two kinds without a space, and runs of spaces."""
    assert_learns(some_text(1, seed, "ab", 60) + some_text(1, seed + 5, "aab", 60), 40)
    assert_learns("a" + " " * integer(9, 5, 14) + "b" + " " * 8 + "\n\n\n", 6)


@pytest.mark.parametrize(
    "letters", ["\u00e9\u00e8\u00ea", "\u65e5\u672c\u8a9e", "\U0001f600\U0001f601!"]
)
def test_training_on_bytes(letters: str) -> None:
    """10.15 Characters of two, three and four bytes: pairs are pairs of bytes, also above 127."""
    assert_learns(some_text(12, 20, letters, 5), 30)


TRAINED = {
    "contractions": "{w}'s {w}'s it's it's 's 's'll'll",
    "lines": "{w}\n\n{w}\n\n{w}\n\n\n",
    "signs": "{w}!! {w}!! ({w}), ({w})",
    "numbers": "{w}12 12 112 {w}12",
    "capitals": "{w}Ab aB AB ab Ab",
    "over borders": "{w} {w} {w} {w}",
}


@pytest.mark.parametrize("name", TRAINED)
def test_training_keeps_to_its_pieces(name: str) -> None:
    """10.15 Pairs over words, lines, signs and numbers are not counted."""
    assert_learns(TRAINED[name].format(w=some_text(1, 25, "abc").strip(" \n,") or "a"), 20)


@settings(max_examples=25)
@given(words=st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=8), seed=seeds)
def test_training_on_any_words(words: list[str], seed: int) -> None:
    """10.15 Few short words of two letters, in any number."""
    assert_learns(" ".join(words) + some_text(2, seed, "ab"), 12)


@observe
def learned_each(tt: Any, text: str, limits: Any) -> Any:
    found = []
    for limit in limits:
        tokenizer = tt.BPETokenizer()
        tokenizer.train(text, limit)
        found.append([list(pair) for pair in tokenizer.merges])
    return found


def test_training_on_fewer_merges() -> None:
    """10.15 Each number of merges from 0 to 9: the first of the longest list."""
    text = some_text(25, 26)
    want = slow([text], 9)
    assert_equal(learned_each(text, list(range(10))), want=[want[:i] for i in range(10)])


@pytest.mark.parametrize(
    "text", ["{a}", "{a}{b}{c}", "{a} {b}", "{a}{b} {b}{a}", "  \n", "{a}{a}{a}", "{a}{b}."]
)
def test_training_where_no_pair_is_left(text: str) -> None:
    """10.16 Texts in which every pair has one place; and the same text three times."""
    low = integer(97, 97, 119)
    text = text.format(a=chr(low), b=chr(low + 1), c=chr(low + 2))
    assert_equal(learned(text, 5)["merges"], want=[])
    assert_learns(f"{text}; " * 3, 50)


def test_training_until_the_end() -> None:
    """10.16 More merges asked for than there are: fewer, and no error."""
    text = some_text(10, 27)
    want = slow([text], 10**6)
    assert_equal(learned(text, 10**6)["merges"], want=want)
    assert_equal(learned(text, len(want) + 1)["size"], want=256 + len(want))


@pytest.mark.parametrize("limit", ["0", "np.int64(0)"])
def test_training_no_merge(limit: str) -> None:
    """10.16 Zero merges, of Python and of NumPy; then the same text with one."""
    text = some_text(10, 28)
    number = eval(limit, {"np": np})
    assert_equal(learned(text, number)["merges"], want=[])
    assert_equal(learned(text, number + 1)["merges"], want=slow([text], 1))


# ---- 10.17, 10.18: training again, special tokens, errors ----------------------------------------


def described(tokenizer: Any, sample: str) -> Any:
    """What a tokenizer is, and how it writes a text."""
    ids = tokenizer.encode(sample, "all")
    return {
        "merges": [list(pair) for pair in tokenizer.merges],
        "specials": [[text, i] for text, i in tokenizer.special_tokens.items()],
        "vocab": [token.hex() for token in tokenizer.vocab[256:]],
        "size": tokenizer.vocab_size,
        "ids": ids,
        "back": tokenizer.decode(ids),
    }


@observe(uses=(described,))
def trained_again(tt: Any, first: str, second: str, sample: str) -> Any:
    tokenizer, fresh = (
        tt.BPETokenizer([(0, 1)], ["<s>", "<e>"]),
        tt.BPETokenizer((), ["<s>", "<e>"]),
    )
    tokenizer.encode(sample)
    tokenizer.train(first, 12)
    between = described(tokenizer, sample)
    tokenizer.train(second, 3)
    fresh.train(first, 12)
    other = described(fresh, sample)
    fresh.train(second, 3)
    return {
        "first": between,
        "fresh": other,
        "last": [described(t, sample) for t in (tokenizer, fresh)],
    }


def test_training_again() -> None:
    """10.17 A tokenizer that has encoded the sample is trained three times, each time as a new one would be."""
    first, second = some_text(30, 30), some_text(30, 31, "abcd")
    sample = f"{first[:20]}<s>{second[:20]}<e>"
    got = trained_again(first, second, sample)
    assert_equal(got["first"]["merges"], want=slow([first], 12))
    assert_equal(got["last"][0]["merges"], want=slow([second], 3))
    assert_equal(got["fresh"]["specials"], want=[["<s>", 256 + 12], ["<e>", 256 + 13]])
    assert_equal(got["first"], want=got["fresh"])
    assert_equal(got["last"][0], want=got["last"][1])


@observe(
    shown="[vocab_size, len(merges), id of <s>] before, after train(text, 5) and after train(text, 0)"
)
def sizes(tt: Any, text: str) -> Any:
    tokenizer = tt.BPETokenizer([(97, 98)], ["<s>"])
    found = []
    for limit in (None, 5, 0):
        if limit is not None:
            tokenizer.train(text, limit)
        found.append([tokenizer.vocab_size, len(tokenizer.merges), tokenizer.special_tokens["<s>"]])
    return found


def test_training_with_no_merge_begins_anew() -> None:
    """10.17 The size is asked for before and after; zero merges leave none of those before."""
    want = [[258, 1, 257], [262, 5, 261], [257, 0, 256]]
    assert_equal(sizes(some_text(30, 34)), want=want)


def test_training_moves_special_tokens() -> None:
    """10.17 Their ids are behind the merges, in the order in which they were given."""
    first, second = some_text(30, 32), some_text(30, 33)
    got = trained_again(first, second, f"<e>{first[:9]}<s>")
    for key, count in (("first", 12), ("fresh", 12)):
        assert_equal(got[key]["specials"], want=[["<s>", 256 + count], ["<e>", 257 + count]])
        assert_equal(got[key]["ids"][:: len(got[key]["ids"]) - 1], want=[257 + count, 256 + count])
    assert_equal(got["last"][0]["specials"], want=[["<s>", 259], ["<e>", 260]])
    assert_equal(got["last"][0]["back"], want=f"<e>{first[:9]}<s>")


SPECIALS = ["<s>", "<s>>", "[.]", "a|b", "\u00e9\u00e9", " the"]


@pytest.mark.parametrize(
    "text",
    [
        "{w}<s>{w}<s>{w}<s>",
        "<s><s><s><s>{w}{w}",
        "ab<s>ab<s>ab<s> <s>  <s>  <s>  x",
        "x<s>>y<s>>x<s>>y {w}",
        "[.][.] . . .. .. a|b a|ba|b {w}",
        "\u00e9\u00e9\u00e9 \u00e9\u00e9\u00e9 the the then then {w}",
        "it<s>'s it<s>'s it's it's {w}",
    ],
)
def test_training_around_special_tokens(text: str) -> None:
    """10.17 Special tokens at every second place, nested, in words, before spaces: no pair in or over one."""
    whole = text.format(w=some_text(1, 34, "abc").strip(" \n,") or "a")
    pattern = "|".join(map(re.escape, sorted(SPECIALS, key=len, reverse=True)))
    want = slow(re.split(pattern, whole), 9)
    assert_equal(learned(whole, 9, SPECIALS)["merges"], want=want)
    assert_learns(whole, 9)


@observe(
    uses=(described,),
    shown="tokenizer.train(text, 5); {call}  # refused: is the tokenizer as it was?",
)
def refused(tt: Any, call: str, text: str) -> Any:
    tokenizer = tt.BPETokenizer((), ["<s>"])
    tokenizer.train(text, 5)
    before, error = described(tokenizer, text + "<s>"), "none"
    try:
        eval(call, {"tokenizer": tokenizer, "np": np, "text": text})
    except Exception as e:
        error = f"{type(e).__name__}: {e}"
    return {
        "kept": described(tokenizer, text + "<s>") == before,
        "error": error,
        "ids": before["ids"],
    }


def training(arguments: str) -> str:
    """The text that trains."""
    return f"tokenizer.train({arguments})"


@observe(shown="{call}; len(tokenizer.merges)")
def trained_with(tt: Any, call: str, text: str) -> Any:
    tokenizer = tt.BPETokenizer((), ["<s>"])
    eval(call, {"tokenizer": tokenizer, "np": np, "text": text})
    return len(tokenizer.merges)


BAD_NUMBERS = {
    "-1": "-1",
    "-10**9": "-1000000000",
    "2.0": "2.0",
    "0.5": "0.5",
    "'3'": "'3'",
    "None": "None",
    "np.float64(3)": "3.0",
    "np.int64(-2)": "-2",
    "[3]": "[3]",
}


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_training_refuses_a_number(number: str) -> None:
    """10.18 Negative, a float, a text, None, a list: the message says which."""
    text = some_text(12, 35)
    assert_equal(trained_with(training("text, np.int32(2)"), text), want=2)
    says = (BAD_NUMBERS[number],)
    assert_raises(trained_with, training(f"text, {number}"), text, error="ValueError", says=says)


@pytest.mark.parametrize("number", ["0", "1", "100"])
def test_training_on_nothing(number: str) -> None:
    """10.18 An empty text, for no merge, one, many."""
    text = some_text(12, 36)
    assert_equal(trained_with(training("text, num_merges=3"), text), want=3)
    assert_raises(
        trained_with, training(f"'', {number}"), text, error="ValueError", says=("empty",)
    )


def test_training_on_special_tokens_alone() -> None:
    """10.17 A text that is not empty, though nothing of it is left; beside one that has a word, too."""
    count = integer(3, 2, 9)
    assert_equal(learned("<s>" * count, 4, ["<s>"])["merges"], want=[])
    word = "<s>ab" * count
    assert_equal(learned(word, 1, ["<s>"])["merges"], want=[[97, 98]])


ERRORS = ["'', 3", "text, -1", "text, 2.0", "None, 3", "b'abab', 3", "'abab' + chr(0xD83D), 3"]


@pytest.mark.parametrize("arguments", ERRORS)
def test_training_that_fails_changes_nothing(arguments: str) -> None:
    """10.18 After each kind of error: merges, vocabulary, ids, special tokens."""
    text = some_text(20, 37)
    got = refused(training(arguments), text)
    assert_equal(
        {"refused": got["error"] != "none", "kept": got["kept"]},
        want={"refused": True, "kept": True},
    )
    assert_below(len(got["ids"]), limit=len(text.encode()), what="ids after five merges")


@pytest.mark.parametrize(
    ("value", "name"),
    [("b'abab'", "bytes"), ("7", "int"), ("None", "NoneType"), ("['ab']", "list")],
)
def test_training_on_no_text(value: str, name: str) -> None:
    """10.4 Bytes, a number, None, a list of texts."""
    assert_raises(trained_with, training(f"{value}, 3"), "abab", error="TypeError", says=(name,))


def test_training_on_half_a_character() -> None:
    """10.4 A drawn lone surrogate behind words and special tokens."""
    code = one_of(0xD83D, 0xD800, 0xDBFF, 0xDC01, 0xDFFF)
    count = integer(4, 3, 9)
    arguments = f"'ab <s>' * {count} + chr({code}) + '<s>', 3"
    says = (f"U+{code:04X}", str(6 * count))
    assert_raises(trained_with, training(arguments), "ab", error="ValueError", says=says)


def test_trained_tokenizer_writes_its_text() -> None:
    """10.15 encode of the text itself: each merge is met in it, so that all but a few tokens are used."""
    text = some_text(40, 38)
    got = written(text, 10)
    assert_equal(got["used"], want=sorted(got["used"]))
    assert_equal([got["back"], got["merges"]], want=[text, slow([text], 10)])


@observe
def written(tt: Any, text: str, limit: int) -> Any:
    tokenizer = tt.BPETokenizer()
    tokenizer.train(text, limit)
    ids = tokenizer.encode(text)
    merges = [list(pair) for pair in tokenizer.merges]
    return {
        "merges": merges,
        "back": tokenizer.decode(ids),
        "used": sorted({i for i in ids if i > 255}),
    }


# ---- systems: 10.22 ------------------------------------------------------------------------------


@observe(
    shown="train(often * {times} + rest, n): how many steps Python makes (bytecodes), for each rest and n"
)
def steps_of_training(tt: Any, often: str, times: Any, rests: Any, limits: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    tt.BPETokenizer().train("ab ab", 1)
    counts, merges = [], []
    for number, rest, limit in zip(times, rests, limits, strict=True):
        tokenizer, text = tt.BPETokenizer(), often * number + rest
        tt.pre_tokenize(text)  # what Python compiles for it once is no step of the training
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            tokenizer.train(text, limit)
        finally:
            sys.settrace(before)
        counts.append(count[0])
        merges.append(len(tokenizer.merges))
    return {"steps": counts, "merges": merges}


def test_training_counts_different_pieces() -> None:
    """10.22 A text and four times that text, without merges and with twelve of them."""
    text = some_text(40, 40, "abc") + "\n"
    got = steps_of_training(text, [1, 1, 4, 4], [""] * 4, [0, 12, 0, 12])
    assert_equal(got["merges"], want=[0, 12, 0, 12])
    once, often = (got["steps"][i + 1] - got["steps"][i] for i in (0, 2))
    assert_below(
        often, limit=1.5 * once + 200, what="steps of twelve merges in four times the text"
    )


def words_of(letters: str, count: int, size: int, seed: int) -> str:
    """Different words of some letters, with a space before each."""
    rng, found = drawn(seed), {}
    while len(found) < count:
        found["".join(letters[i] for i in rng.integers(len(letters), size=size))] = None
    return "".join(f" {word}" for word in found)


def test_a_merge_looks_at_its_own_pieces() -> None:
    """10.22 Eight merges of frequent words, beside 60 other words and beside 240 of them."""
    often = words_of("ab", 9, 12, 41)
    rests = [words_of("mnopq", count, 5, 42) for count in (60, 60, 240, 240)]
    got = steps_of_training(often, [100] * 4, rests, [1, 9, 1, 9])
    assert_equal(got["merges"], want=[1, 9, 1, 9])
    few, many = (got["steps"][i + 1] - got["steps"][i] for i in (0, 2))
    assert_below(many, limit=1.5 * few + 500, what="steps of eight merges beside more words")


def test_training_takes_steps_by_the_length_of_a_piece() -> None:
    """10.22 Four merges in one long piece, and in one four times as long."""
    low = chr(integer(97, 97, 110))
    letters = low + chr(ord(low) + 1)
    text = "".join(letters[i] for i in drawn(42).integers(2, size=600))
    got = steps_of_training("", [1, 1], [text[:150], text], [5, 5])
    few, many = got["steps"]
    assert_equal(got["merges"], want=[5, 5])
    assert_below(many, limit=5.0 * few + 500, what="steps for four times the text")
