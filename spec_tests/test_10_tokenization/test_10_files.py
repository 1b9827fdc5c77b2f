"""Kata 10, Tokenization: the file of a tokenizer (katas/10_tokenization/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import assert_equal, assert_raises
from support.observe import observe
from support.strategies import integer, named


def drawn(seed: int = 0) -> Any:
    """A generator that follows from the seed of the suite."""
    return np.random.default_rng([integer(0, 1, 99_999, seed), seed])


def some_merges(count: int, seed: int = 0) -> list[list[int]]:
    """Merges of a few bytes and of what earlier ones make."""
    rng, found = drawn(seed), []
    while len(found) < count:
        ids = np.concatenate([[97, 98, 32, 195, 169], np.arange(256, 256 + len(found))])
        pair = rng.choice(ids, 2).tolist()
        if pair not in found:
            found.append(pair)
    return found


SPECIALS = ["<|end|>", '\u00e9\U0001f600 "\\\n', "\u2028", "a"]


# ---- 10.19: writing ------------------------------------------------------------------------------


@observe
def saved(tt: Any, name: str, way: str, merges: Any, specials: Any) -> Any:
    import json
    import os
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tt.BPETokenizer(merges, specials)
        path = pathlib.Path(folder, name)
        returned = tokenizer.save(str(path) if way == "text" else path)
        state = json.loads(path.read_bytes().decode("utf-8"))
        kinds = [type(state["version"]).__name__]
        return {"state": state, "files": os.listdir(folder), "kinds": kinds, "returned": returned}


@pytest.mark.parametrize("way", ["text", "Path"])
@pytest.mark.parametrize(
    "name", ["bpe.json", "bpe", "bpe.txt", ".bpe", "b p.e.json", "bpe.part", "bpe.tmp"]
)
def test_file_holds(name: str, way: str) -> None:
    """10.19 Every entry, under names with and without an ending; no other file is left."""
    merges = some_merges(7)
    state = {"format": "tinytorch BPE", "version": 1, "merges": merges, "special_tokens": SPECIALS}
    got = saved(name, way, merges, SPECIALS)
    assert_equal(got, want={"state": state, "files": [name], "kinds": ["int"], "returned": None})


def test_file_of_an_untrained_tokenizer() -> None:
    """10.19 No merges; with and without special tokens."""
    special = named("<s>")
    for specials in ([special], []):
        state = saved("bpe.json", "Path", [], specials)["state"]
        assert_equal([state["merges"], state["special_tokens"]], want=[[], specials])


@observe
def save_without_luck(tt: Any, name: str, failing: str, merges: Any) -> Any:
    import os
    import pathlib
    import tempfile

    happened, sizes, beside = [], [], []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def forced(number):
        happened.append("fsync")
        sizes.append(os.fstat(number).st_size)
        if failing == "fsync":
            raise OSError("no space left on this device")

    def fail(part, *args, **keywords):
        happened.append("replace")
        sizes.append(os.path.getsize(part))
        beside.append(os.path.samefile(os.path.dirname(os.path.abspath(part)), folder))
        raise OSError("no space left on this device")

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, name)
        tt.BPETokenizer(merges[:1], ["<s>"]).save(path)
        before, left = path.read_bytes(), tt.BPETokenizer(merges, ["<s>"])
        os.fsync = forced
        os.replace = os.rename = fail
        try:
            left.save(path)
        except OSError as error:
            happened.append(str(error)[:8])
        finally:
            os.fsync, os.replace, os.rename = fsync, replace, rename
        return {
            "happened": happened,
            "the old file is kept": path.read_bytes() == before,
            "written beside it": all(beside),
            "forced in full": len({*sizes}) == 1,
            "files": os.listdir(folder),
            "it can be loaded": [list(p) for p in tt.BPETokenizer.load(path).merges],
        }


@pytest.mark.parametrize("failing", ["replace", "fsync"])
@pytest.mark.parametrize("name", ["bpe.json", "bpe", "bpe.tmp", "bpe.part"])
def test_file_is_written_whole_or_not_at_all(name: str, failing: str) -> None:
    """10.19 The disk is full at the end: everything had been forced to it, and the old file is still there."""
    merges = some_merges(300, 1)
    want = {"the old file is kept": True, "written beside it": True, "forced in full": True}
    steps = ["fsync", "replace", "no space"] if failing == "replace" else ["fsync", "no space"]
    rest = {"files": [name], "it can be loaded": merges[:1]}
    assert_equal(save_without_luck(name, failing, merges), want={"happened": steps, **want, **rest})


@observe
def saved_twice(tt: Any, first: Any, second: Any) -> Any:
    import os
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path, found = pathlib.Path(folder, "bpe.json"), []
        for merges in (first, second):
            tt.BPETokenizer(merges).save(path)
            found.append([list(pair) for pair in tt.BPETokenizer.load(path).merges])
        return [*found, os.listdir(folder)]


def test_file_is_replaced() -> None:
    """10.19 A shorter tokenizer over a longer one, and a longer one over a shorter."""
    few, many = some_merges(2, 2), some_merges(40, 3)
    assert_equal(saved_twice(many, few), want=[many, few, ["bpe.json"]])
    assert_equal(saved_twice(few, many), want=[few, many, ["bpe.json"]])


# ---- 10.20: reading ------------------------------------------------------------------------------


def described(tokenizer: Any, sample: str) -> Any:
    """What a tokenizer is, and how it writes a text."""
    ids = tokenizer.encode(sample, "all")
    return {
        "type": type(tokenizer).__name__,
        "merges": [list(pair) for pair in tokenizer.merges],
        "kinds": sorted({type(x).__name__ for pair in tokenizer.merges for x in (pair, *pair)}),
        "specials": [[text, i] for text, i in tokenizer.special_tokens.items()],
        "vocab": [token.hex() for token in tokenizer.vocab],
        "size": tokenizer.vocab_size,
        "ids": [ids, tokenizer.encode(sample)],
        "back": tokenizer.decode(ids),
    }


@observe(uses=(described,))
def loaded(tt: Any, text: str, limit: int, specials: Any, sample: str) -> Any:
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path, tokenizer = pathlib.Path(folder, "bpe.json"), tt.BPETokenizer(special_tokens=specials)
        tokenizer.train(text, limit)
        before = described(tokenizer, sample)
        tokenizer.save(path)
        other, again = tt.BPETokenizer.load(str(path)), tt.BPETokenizer.load(path)
        tokenizer.train("zz zz", 1)
        again.train("yy yy", 1)
        after = described(other, sample)
        moved = pathlib.Path(folder, "moved.json")
        other.save(moved)
        same = path.read_bytes() == moved.read_bytes()
        return {"before": before, "after": after, "same": same, "ids": before["ids"][0]}


@pytest.mark.parametrize("specials", [[], SPECIALS], ids=["none", "special tokens"])
@pytest.mark.parametrize("limit", [0, 25])
def test_file_gives_the_same_tokenizer(limit: int, specials: Any) -> None:
    """10.20 Merges, types, ids and texts of a tokenizer, of what was loaded, and of that saved again."""
    rng = drawn(4)
    text = "".join("abc\u00e9 "[i] for i in rng.integers(5, size=300))
    sample = text[:50] + "".join(specials) + "a"
    got = loaded(text, limit, specials, sample)
    assert_equal(got["after"], want=got["before"])
    assert_equal([got["same"], got["after"]["back"]], want=[True, sample])
    assert_equal(len(got["before"]["merges"]) > 9, want=limit > 9)


# ---- 10.21: what is refused ----------------------------------------------------------------------


@observe(shown="BPETokenizer.load of a file with: {change}")
def load_changed(tt: Any, name: str, change: str, merges: Any) -> Any:
    import contextlib
    import json
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        path = pathlib.Path(name)
        tt.BPETokenizer(merges, ["<s>", "\u00e9"]).save(path)
        content = path.read_bytes()
        state = json.loads(content)
        got = eval(change, {"content": content, "state": state, "json": json})
        path.write_bytes(got if isinstance(got, bytes) else json.dumps(got).encode())
        return [list(pair) for pair in tt.BPETokenizer.load(path).merges]


DAMAGED = {
    "an empty file": "b''",
    "one byte short": "content.rstrip()[:-1]",
    "half of it": "content[: len(content) // 2]",
    "the beginning": "content[:1]",
    "two files in one": "content + content",
    "not JSON": "b'merges: ' + content",
    "not UTF-8": "json.dumps(state).encode().replace(b'tinytorch', b'tinytorc\\xff')",
    "not UTF-8 in a special token": "json.dumps(state).encode().replace(b'<s>', b'<s\\xff>')",
    "UTF-16": "content.decode().encode('utf-16')",
    "zeros": "bytes(40)",
    "200,000 brackets": "b'[' * 200_000",
    "a list": "[state]",
    "a number": "3",
    "null": "None",
    "a text": "'tinytorch BPE'",
    "no format": "{k: v for k, v in state.items() if k != 'format'}",
    "another format": "state | {'format': 'tinytorch checkpoint'}",
    "no version": "{k: v for k, v in state.items() if k != 'version'}",
    "no merges": "{k: v for k, v in state.items() if k != 'merges'}",
    "no special tokens": "{k: v for k, v in state.items() if k != 'special_tokens'}",
    "merges as a text": "state | {'merges': 'ab'}",
    "merges as an object": "state | {'merges': {}}",
    "merges as null": "state | {'merges': None}",
    "special tokens as a text": "state | {'special_tokens': '<s>'}",
    "special tokens as an object": "state | {'special_tokens': {'<s>': 256}}",
    "special tokens as null": "state | {'special_tokens': None}",
    "a merge of one": "state | {'merges': [*state['merges'], [97]]}",
    "a merge of three": "state | {'merges': [*state['merges'], [97, 98, 99]]}",
    "a merge of floats": "state | {'merges': [[97.0, 98.0]]}",
    "a merge of bools": "state | {'merges': [[True, False]]}",
    "a merge of texts": "state | {'merges': [['a', 'b']]}",
    "a merge that is a text": "state | {'merges': ['ab']}",
    "a merge that is a number": "state | {'merges': [97]}",
    "a merge too early": "state | {'merges': state['merges'][1:] + [[97, 400]]}",
    "a merge of its own": "state | {'merges': [[256, 97]]}",
    "a negative merge": "state | {'merges': [[-1, 97]]}",
    "a merge twice": "state | {'merges': [*state['merges'], state['merges'][0]]}",
    "a special token twice": "state | {'special_tokens': ['<s>', '<s>']}",
    "an empty special token": "state | {'special_tokens': ['<s>', '']}",
    "a special token that is a number": "state | {'special_tokens': [5]}",
    "half a character": "state | {'special_tokens': ['a' + chr(0xD83D)]}",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_file_that_is_damaged(name: str) -> None:
    """10.21 Cut short, of another kind, without an entry, with merges and special tokens that cannot be."""
    merges, file = some_merges(6, 5), f"{named('words')}.json"
    assert_equal(load_changed(file, "content", merges), want=merges)
    assert_raises(load_changed, file, DAMAGED[name], merges, error="ValueError", says=(file,))


@pytest.mark.parametrize("version", ["2", "0", "'1'", "1.5", "None", "[1]", "True", "1.0", "-1"])
def test_file_of_another_version(version: str) -> None:
    """10.21 Later, earlier, a text, a bool, a float, none: the file and its version are named."""
    merges, file = some_merges(6, 6), f"{named('words')}.json"
    assert_equal(load_changed(file, "state", merges), want=merges)
    change = f"state | {{'version': {version}}}"
    says = (file, str(eval(version)))
    assert_raises(load_changed, file, change, merges, error="ValueError", says=says)


def test_file_that_is_cut_anywhere() -> None:
    """10.21 The first bytes of a file, at eight drawn places."""
    merges, file = some_merges(6, 7), "words.json"
    for part in drawn(8).uniform(0, 0.99, 8):
        change = f"content[: int({part} * len(content.rstrip()))]"
        assert_raises(load_changed, file, change, merges, error="ValueError", says=(file,))


@observe
def load_missing(tt: Any, name: str) -> Any:
    return len(tt.BPETokenizer.load(name).merges)


def test_file_that_is_missing() -> None:
    """10.21 No such file, in a folder that is there and in one that is not."""
    for name in (named("nowhere"), f"{named('no-folder')}/words.json"):
        assert_raises(load_missing, name, error="FileNotFoundError")
