"""Kata 10, Tokenization: what a BPE tokenizer is made of, and decoding (katas/10_tokenization/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import assert_below, assert_equal, assert_raises
from support.observe import observe
from support.strategies import integer, one_of, seeds


def drawn(seed: int = 0) -> Any:
    """A generator that follows from the seed of the suite."""
    return np.random.default_rng([integer(0, 1, 99_999, seed), seed])


def some_merges(count: int, seed: int = 0) -> list[list[int]]:
    """Merges of small letters and of what earlier ones make, none of more than twelve bytes."""
    rng, lengths = drawn(seed), [1] * 256
    found: list[list[int]] = []
    while len(found) < count:
        ids = np.concatenate([np.arange(97, 103), np.arange(256, 256 + len(found))])
        pair = rng.choice(ids, 2).tolist()
        if pair not in found and lengths[pair[0]] + lengths[pair[1]] <= 12:
            found.append(pair)
            lengths.append(lengths[pair[0]] + lengths[pair[1]])
    return found


def vocabulary(merges: Any, specials: Any = ()) -> list[bytes]:
    """The bytes of each id, as the contract numbers them."""
    found = [bytes([i]) for i in range(256)]
    for left, right in merges:
        found.append(found[left] + found[right])
    return found + [text.encode() for text in specials]


def described(tokenizer: Any) -> Any:
    """What a tokenizer is made of, as plain data; wrong types are told by their names."""
    pairs, specials = tokenizer.merges, tokenizer.special_tokens
    kinds = {type(pairs), type(specials), type(tokenizer.vocab), type(tokenizer.vocab_size)}
    kinds |= {type(pair) for pair in pairs} | {type(i) for pair in pairs for i in pair}
    kinds |= {type(x) for item in specials.items() for x in item} | {*map(type, tokenizer.vocab)}
    return {
        "merges": [list(pair) for pair in pairs],
        "specials": [[text, i] for text, i in specials.items()],
        "vocab": [token.hex() for token in tokenizer.vocab],
        "size": tokenizer.vocab_size,
        "kinds": sorted({kind.__name__ for kind in kinds}),
    }


def expected(merges: Any, specials: Any = ()) -> Any:
    """The description of the tokenizer of these merges and special tokens."""
    vocab = vocabulary(merges, specials)
    first = 256 + len(merges)
    kinds = {"list", "dict", "int", "bytes"} | ({"tuple"} if len(merges) else set())
    return {
        "merges": [list(pair) for pair in merges],
        "specials": [[text, first + i] for i, text in enumerate(specials)],
        "vocab": [token.hex() for token in vocab],
        "size": len(vocab),
        "kinds": sorted(kinds | ({"str"} if specials else set())),
    }


# ---- 10.8, 10.9: merges and special tokens -------------------------------------------------------


@observe(uses=(described,), shown="{call}: merges, special_tokens, vocab")
def built(tt: Any, call: str, merges: Any, specials: Any) -> Any:
    return described(eval(call, {"tt": tt, "np": np, "merges": merges, "specials": specials}))


def making(arguments: str) -> str:
    """The text that makes a tokenizer."""
    return f"tt.BPETokenizer({arguments})"


ARGUMENTS = [
    "[tuple(pair) for pair in merges], specials",
    "merges, tuple(specials)",
    "tuple(merges), dict.fromkeys(specials)",
    "(tuple(pair) for pair in merges), (text for text in specials)",
    "np.array(merges), specials",
    "np.array(merges, np.uint16, order='F'), np.array(specials)",
    "[tuple(map(np.int32, pair)) for pair in merges], specials",
    "special_tokens=specials, merges=merges",
    "[iter(pair) for pair in merges], iter(specials)",
    "map(tt.Tensor, np.array(merges)), specials",
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_vocabulary_of_arguments(arguments: str) -> None:
    """10.8 Lists, tuples, arrays, generators and NumPy numbers make the same tokenizer."""
    merges, specials = some_merges(9), ["<|end|>", "\u00e9\U0001f600", "a b"]
    got = built(making(arguments), merges, specials)
    if "np.array(specials)" in arguments:  # NumPy's texts are texts
        got["kinds"] = sorted({*got["kinds"]} - {"str_"} | {"str"})
    assert_equal(got, want=expected(merges, specials))


@pytest.mark.parametrize("arguments", ["", "merges", "special_tokens=specials", "(), ()"])
def test_vocabulary_without_arguments(arguments: str) -> None:
    """10.8 Neither, merges alone, special tokens alone."""
    merges, specials = some_merges(4, 1), [one_of("<s>", "<pad>", "[X]")]
    want = expected(merges * ("merges" in arguments), specials * ("specials" in arguments))
    assert_equal(built(making(arguments), merges, specials), want=want)


@observe(uses=(described,))
def built_and_changed(tt: Any, merges: Any, specials: Any) -> Any:
    first = tt.BPETokenizer(merges, specials)
    second = tt.BPETokenizer(first.merges, first.special_tokens)
    before = described(first)
    for pair in merges:
        pair.reverse()
    merges.append([120, 121])
    specials.append("<more>")
    second.merges.append((0, 0))
    second.vocab.append(b"x")
    second.special_tokens["<other>"] = 7
    third = tt.BPETokenizer()
    third.merges.append((1, 1))
    return {"before": before, "after": described(first), "new": described(tt.BPETokenizer())}


def test_vocabulary_is_its_own() -> None:
    """10.8 The caller's lists change later, so do another tokenizer's: this one does not."""
    merges, specials = some_merges(5, 2), ["<|end|>", "<s>"]
    want = expected(merges, specials)
    got = built_and_changed(merges, specials)
    assert_equal(got, want={"before": want, "after": want, "new": expected([])})


BAD_MERGES = {
    "its own id": "[257 + 1, 97]",
    "a later id": "[97, 300]",
    "a negative id": "[97, -1]",
    "one id": "[97]",
    "three ids": "[97, 98, 99]",
    "no id": "[]",
    "a float": "[97, 98.0]",
    "a bool": "[97, True]",
    "texts": "['a', 'b']",
    "a text": "'ab'",
    "a number": "97",
    "None": "None",
    "the first again": "merges[0]",
    "the last again": "tuple(merges[1])",
}


@pytest.mark.parametrize("name", BAD_MERGES)
def test_vocabulary_refuses_merges(name: str) -> None:
    """10.9 Merge 2 of ids that are not there yet, of one or three, of floats and texts, or a second time."""
    merges = some_merges(3, 3)
    assert_equal(built(making("merges"), merges, [])["size"], want=259)
    arguments = f"[*merges[:2], {BAD_MERGES[name]}, *merges[2:]]"
    assert_raises(built, making(arguments), merges, [], error="ValueError", says=("merge", "2"))


@pytest.mark.parametrize("place", [0, 11])
def test_vocabulary_names_the_merge(place: int) -> None:
    """10.9 The first merge, and one far behind: its number is in the message."""
    merges = some_merges(14, 4)
    merges[place] = [97, 256 + place]
    assert_raises(built, making("merges"), merges, [], error="ValueError", says=(str(place),))


BAD_SPECIALS = {
    "['<a>', '']": ("ValueError", "''"),
    "['<a>', '<b>', '<a>']": ("ValueError", "'<a>'"),
    "'<a>'": ("TypeError", "<a>"),
    "''": ("TypeError", ""),
    "['<a>', 7]": ("TypeError", "int"),
    "[b'<a>']": ("TypeError", "bytes"),
    "[None]": ("TypeError", "NoneType"),
    "['<a>', 'ab' + chr(0xD83D)]": ("ValueError", "U+D83D"),
}


@pytest.mark.parametrize("specials", BAD_SPECIALS)
def test_vocabulary_refuses_special_tokens(specials: str) -> None:
    """10.9 An empty one, one twice, a text alone, what is no text, half a character."""
    merges = some_merges(2, 5)
    assert_equal(built(making("merges"), merges, [])["size"], want=258)
    error, name = BAD_SPECIALS[specials]
    assert_raises(built, making(f"merges, {specials}"), merges, [], error=error, says=(name,))


def test_special_tokens_that_look_alike() -> None:
    """10.9 The two ways to write an accent, capitals, and a text that a merge makes are no doubles."""
    letter = chr(integer(97, 97, 102))
    specials = ["e\u0301", "\u00e9", "\u00c9", letter * 2, letter, " "]
    merges = [[ord(letter)] * 2]
    assert_equal(
        built(making("merges, specials"), merges, specials), want=expected(merges, specials)
    )


@observe(shown="BPETokenizer(special_tokens=['a' * place + chr({code})]).vocab_size")
def named_half(tt: Any, code: int, place: int) -> Any:
    return tt.BPETokenizer(special_tokens=["a" * place + chr(code)]).vocab_size


def test_special_token_of_half_a_character() -> None:
    """10.4 A drawn lone surrogate in a special token: code and place."""
    code, place = one_of(0xD83D, 0xD801, 0xDBFF, 0xDC00, 0xDFFF), integer(12, 10, 40)
    says = (f"U+{code:04X}", str(place))
    assert_raises(named_half, code, place, error="ValueError", says=says)


# ---- 10.3, 10.10: decoding -----------------------------------------------------------------------


@observe(shown="{call}  # of BPETokenizer(merges, specials)")
def decoded(tt: Any, call: str, merges: Any, specials: Any, ids: Any) -> Any:
    tokenizer = tt.BPETokenizer(merges, specials)
    return [eval(call, {"tt": tt, "np": np, "ids": ids, "tokenizer": tokenizer})]


def reading(arguments: str) -> str:
    """The text that decodes."""
    return f"tokenizer.decode({arguments})"


def of_bytes(content: bytes) -> list[int]:
    """The ids of some bytes, each its own."""
    return list(content)


BROKEN = {
    "half of a letter": b"ab\xc3",
    "its second half": b"\xa9ab",
    "three of four bytes": b"x\xf0\x9f\x98y",
    "a byte that is in no text": b"a\xffb",
    "too long a form": b"\xc0\xafa",
    "half a character, encoded": b"\xed\xa0\xbdz",
    "beyond Unicode": b"\xf4\x90\x80\x80!",
}


@pytest.mark.parametrize("errors", ["replace", "ignore"])
@pytest.mark.parametrize("name", BROKEN)
def test_decoding_broken_bytes(name: str, errors: str) -> None:
    """10.10 Bytes that are no UTF-8 between others, as Python's own decoder reads them."""
    content = bytes([integer(98, 97, 122)]) + BROKEN[name]
    want = content.decode("utf-8", errors)
    ids = of_bytes(content)
    assert_equal(decoded(reading(f"ids, errors={errors!r}"), [], [], ids), want=[want])
    assert_equal(decoded(reading(f"ids, {errors!r}"), [], [], ids), want=[want])


@pytest.mark.parametrize("name", BROKEN)
def test_decoding_strictly(name: str) -> None:
    """10.10 The same bytes are refused with "strict", and replaced without a word."""
    content = bytes([integer(98, 97, 122)]) + BROKEN[name]
    assert_equal(
        decoded(reading("ids"), [], [], of_bytes(content)), want=[content.decode(errors="replace")]
    )
    assert_raises(decoded, reading("ids, 'strict'"), [], [], of_bytes(content), error="ValueError")


@pytest.mark.parametrize("text", ["\u00e9", "\u20ac", "\U0001f600", "\0", "\ufffd", "\ufeff"])
@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
def test_decoding_characters_of_several_bytes(text: str, errors: str) -> None:
    """10.10 Each byte is an id of its own: together they are a character, with every `errors`."""
    whole = text + chr(integer(97, 97, 122)) + text
    assert_equal(
        decoded(reading(f"ids, {errors!r}"), [], [], of_bytes(whole.encode())), want=[whole]
    )


@pytest.mark.parametrize(
    "errors", ["'backslashreplace'", "'surrogateescape'", "'x'", "''", "None", "0"]
)
@pytest.mark.parametrize("ids", [[], [97], [255]], ids=str)
def test_decoding_in_another_way(errors: str, ids: Any) -> None:
    """10.10 Names of Python's that are not among the three, and nothing at all, with good and bad bytes."""
    low = integer(97, 97, 122)
    assert_equal(decoded(reading("ids"), [], [], [low]), want=[chr(low)])
    assert_raises(
        decoded, reading(f"ids, {errors}"), [], [], ids, error="ValueError", says=(errors,)
    )


@settings(max_examples=30)
@given(count=st.integers(0, 12), seed=seeds)
def test_decoding_any_ids(count: int, seed: int) -> None:
    """10.10 Drawn ids of bytes, merges and special tokens: the bytes of all of them, read at once."""
    merges, specials = some_merges(6, seed), ["<|end|>", "\u20ac"]
    vocab = vocabulary(merges, specials)
    ids = [*drawn(seed + 1).integers(0, len(vocab), count).tolist(), 256]
    want = b"".join(vocab[i] for i in ids).decode(errors="replace")
    assert_equal(decoded(reading("ids"), merges, specials, ids), want=[want])


DECODED = ["tuple(ids)", "(i for i in ids)", "np.array(ids, np.int16)", "tt.Tensor(np.array(ids))"]
DECODED += ["[np.int64(i) for i in ids]", "np.array(ids[::-1])[::-1]", "range(ids[0], ids[0] + 1)"]


@pytest.mark.parametrize("way", DECODED)
def test_decoding_ids_in_every_way(way: str) -> None:
    """10.3 Tuples, generators, arrays and tensors for a BPE tokenizer."""
    low = integer(97, 97, 122)
    ids = [low, 256, 257, 104]
    want = chr(low) + ("" if "range" in way else "ab<s>h")
    assert_equal(decoded(reading(way), [[97, 98]], ["<s>"], ids), want=[want])


@pytest.mark.parametrize(
    ("way", "error", "says"),
    [
        ("[97, -1]", "ValueError", ("-1", "258")),
        ("[97, 258]", "ValueError", ("258",)),
        ("[97, 98.0]", "TypeError", ("98.0",)),
        ("[97, True]", "TypeError", ("True",)),
        ("tt.Tensor([97.0])", "TypeError", ("97.",)),
        ("'ab'", "TypeError", ("ab",)),
        ("[[97, 98]]", "TypeError", ("[97, 98]",)),
        ("97", "TypeError", ("97",)),
    ],
)
def test_decoding_refuses_ids(way: str, error: str, says: Any) -> None:
    """10.3 A negative id, one too many, floats, a bool, a text, a row, a number: refused by decode."""
    low = integer(97, 97, 122)
    assert_equal(
        decoded(reading("[257, 256]"), [[low, low]], ["<s>"], []), want=["<s>" + chr(low) * 2]
    )
    assert_raises(decoded, reading(way), [[low, low]], ["<s>"], [], error=error, says=says)


def test_decoding_nothing() -> None:
    """10.10 No ids are an empty text, with every `errors`."""
    low = integer(97, 97, 122)
    for errors in ("replace", "ignore", "strict"):
        assert_equal(decoded(reading(f"[], {errors!r}"), [], [], []), want=[""])
        assert_equal(decoded(reading(f"ids, {errors!r}"), [], [], [low]), want=[chr(low)])


@observe(
    shown="BPETokenizer().decode(ids * n): how many steps Python makes (bytecodes), for each n"
)
def steps_of_decoding(tt: Any, ids: Any, sizes: Any) -> Any:
    import sys

    count = [0]

    def traced(frame, event, _):
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return traced

    tokenizer, counts = tt.BPETokenizer(), []
    for size in sizes:
        many = ids * size
        before, count[0] = sys.gettrace(), 0
        sys.settrace(traced)
        try:
            text = tokenizer.decode(many)
        finally:
            sys.settrace(before)
        counts.append(count[0])
    return {"steps": counts, "end": text[:2]}


@pytest.mark.parametrize("kind", ["text", "bytes that are no text", "characters that do not end"])
def test_decoding_takes_steps_by_the_length(kind: str) -> None:
    """10.24 Some ids, and four times as many; also of bytes that make no characters."""
    low = integer(97, 97, 122)
    ids, end = {
        "text": ([low, 195, 169], chr(low) + "\u00e9"),
        "bytes that are no text": ([169], "\ufffd\ufffd"),
        "characters that do not end": ([240, 159, 195], "\ufffd\ufffd"),
    }[kind]
    got = steps_of_decoding(ids, [60, 60, 240])
    assert_equal(got["end"], want=end)
    few, many = got["steps"][1:]
    assert_below(many, limit=4.4 * few + 200, what="steps for four times the ids")
