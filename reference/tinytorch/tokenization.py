"""Kata 10. Tokenization: from a text to the whole numbers that a model is shown, and back.

Characters are one way: one number each, and no other character can ever be written. Byte-level BPE is
the other: every text is bytes, so 256 numbers write all of them, and each pair that stands together
often gets a number of its own. Both are tables, and decoding is reading the table backwards.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.dataloader import whole
from tinytorch.tensor import Tensor

Pair = tuple[int, int]

# GPT-2's: contractions, letters, numbers, other characters, spaces. Python's `re` does not know \p{L}
# (letters, of any alphabet) and \p{N} (numbers): unicodedata.category tells them.
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CACHE_WORDS = 2**14  # of how many pre-tokens a tokenizer remembers the ids
CACHE_LENGTH = 100  # and how many characters they have at most
FILE = {"format": "tinytorch BPE", "version": 1}  # how a tokenizer's file says what it is


# kata: given
def readable(text: Any) -> str:
    """The text, if it is one that can be written as UTF-8.

    Raises:
        TypeError: it is no text.
        ValueError: it holds half a character (a lone surrogate); the message names it and its place.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text is a str; got {type(text).__name__}: {str(text)[:40]!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code, place = ord(text[error.start]), error.start
        raise ValueError(
            f"the text has U+{code:04X} at {place}, half a character (a lone surrogate), which no file and no tokenizer can hold: read it anew as UTF-8, or leave it out"
        ) from None
    return text


# kata: end


def check_ids(ids: Any, vocab_size: int) -> list[int]:
    """Ids as a list of Python ints, if there are such tokens.

    Args:
        ids: whole numbers from 0 to vocab_size - 1: a list, an array or tensor of one axis, or anything
            else that can be walked.
        vocab_size: how many tokens there are.

    Raises:
        TypeError: what is given, or one in it, is no whole number (bools and floats are none); the
            message names it.
        ValueError: an id is negative or too large; the message names it, its place and vocab_size.

    Example:
        >>> check_ids(np.array([3, 0], np.uint8), 4)
        [3, 0]
    """
    ids = ids.data if isinstance(ids, Tensor) else ids
    if isinstance(ids, str) or not isinstance(ids, Iterable) or getattr(ids, "shape", None) == ():
        raise TypeError(
            f"ids are whole numbers in a row, such as [5, 2]; got {ids!r}: encode a text, put one id in a list"
        )
    found = []
    for place, number in enumerate(ids):
        if not isinstance(number, (int, np.integer)) or isinstance(number, bool):
            raise TypeError(
                f"an id is a whole number; got {number!r} at {place}: give ints, one row at a time"
            )
        if not 0 <= number < vocab_size:
            raise ValueError(
                f"the id {number} at {place} is no token: there are {vocab_size}, from 0 on; leave it out, or use the tokenizer that made it"
            )
        found.append(int(number))
    return found


class CharTokenizer:
    """One token for each character of a text: the ids are places in the sorted alphabet.

    Args:
        text: the text whose characters are the alphabet, at least one.

    Attributes:
        chars: the different characters, sorted by code point, as one text.
        vocab_size: how many there are.

    Raises:
        TypeError, ValueError: as `readable`; ValueError: the text is empty.

    Example:
        >>> tokenizer = CharTokenizer("hello")
        >>> tokenizer.chars, tokenizer.encode("hole"), tokenizer.decode([1, 0, 2, 2])
        ('ehlo', [1, 3, 2, 0], 'hell')

    Source: the tokenizer of char-rnn and of nanoGPT's shakespeare_char
    """

    def __init__(self, text: str) -> None:
        self.chars = "".join(sorted(set(readable(text))))
        if not text:
            raise ValueError("the text is empty: an alphabet needs characters; check what you read")
        self.vocab_size = len(self.chars)
        self._ids = {char: i for i, char in enumerate(self.chars)}

    def encode(self, text: str) -> list[int]:
        """The place of each character in `chars`.

        Raises:
            TypeError, ValueError: as `readable`; ValueError: a character is not among `chars`; the
                message names it and its place.
        """
        try:
            return [self._ids[char] for char in readable(text)]
        except KeyError as error:
            char = error.args[0]
            raise ValueError(
                f"{char!r} at {text.index(char)} is none of this tokenizer's {self.vocab_size} characters"
            ) from None

    def decode(self, ids: Any) -> str:
        """The characters at these places; refuses what `check_ids` refuses."""
        return "".join(self.chars[i] for i in check_ids(ids, self.vocab_size))


# ---- pre-tokens and pairs ------------------------------------------------------------------------


def pre_tokenize(text: str) -> list[str]:
    """Cut a text into words, numbers, signs and spaces: no token goes over one of these cuts.

    What PATTERN matches, one after the other. Its letters, numbers and spaces are told by
    `unicodedata.category`, as the README's contract says.

    Args:
        text: any text.

    Returns:
        the pieces; joined they are the text.

    Example:
        >>> pre_tokenize("It's 12  o'clock")
        ['It', "'s", ' 12', ' ', ' o', "'", 'clock']

    Source: encoder.py of GPT-2, whose pattern is written for the package `regex`
    """
    letters = PATTERN.replace(r"\p{L}", "a-zA-Z")
    pattern = re.compile(letters.replace(r"\p{N}", "0-9"), re.ASCII)
    stand_ins = text.translate({ord(char): _stand_in(char) for char in set(text)})
    return [text[match.start() : match.end()] for match in pattern.finditer(stand_ins)]


def _stand_in(char: str) -> str:
    """An ASCII character of the same kind; what is ASCII is its own."""
    if char.isascii():
        return char
    kind = "Z" if char == "\x85" else unicodedata.category(char)[0]
    return {"L": "a", "N": "0", "Z": "\t"}.get(kind, "!")


def count_pairs(ids: Sequence[int]) -> dict[Pair, int]:
    """How often each pair could be merged: the places of a pair, from left to right, none overlapping.

    Args:
        ids: any number of ids.

    Returns:
        for each pair of neighbours its number of places: three equal ids in a row hold one pair.

    Example:
        >>> count_pairs([1, 1, 1, 2, 1])
        {(1, 1): 1, (1, 2): 1, (2, 1): 1}
    """
    counts: dict[Pair, int] = {}
    last = None  # the pair that ends where this one begins, if it was counted
    for pair in pairwise(ids):
        if pair == last:
            last = None
        else:
            counts[pair] = counts.get(pair, 0) + 1
            last = pair
    return counts


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """A new list, in which `new_id` is in the place of each `pair`, found from left to right.

    Example:
        >>> merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9)
        [9, 1, 2, 9]
    """
    merged, place, last = [], 0, len(ids) - 1
    while place <= last:
        found = place < last and (ids[place], ids[place + 1]) == pair
        merged.append(new_id if found else ids[place])
        place += 2 if found else 1
    return merged


# ---- byte-level BPE ------------------------------------------------------------------------------


class BPETokenizer:
    """Byte-level byte-pair encoding: 256 tokens for the bytes, one for each merge, then special tokens.

    Merge i makes the token 256 + i of two tokens before it. A text is cut into pre-tokens, and each of
    these, as the bytes of its UTF-8, is merged pair by pair, always by the earliest merge that applies.

    Args:
        merges: pairs of ids, in the order in which they are merged.
        special_tokens: texts that are one token each, such as "<|endoftext|>"; they never merge, and
            `encode` makes them only of those that it is told to allow.

    Attributes:
        merges: a list of pairs of ints.
        special_tokens: a dict from each text to its id, which follow those of the merges.
        vocab: for each id the bytes of its token, a list.
        vocab_size: how many tokens there are, 256 + merges + special tokens.

    Raises:
        TypeError: special_tokens is one text, or holds something else than texts.
        ValueError: a merge is no pair of two ids before its own, or was there before; a special token
            is empty, was there before, or is not `readable`; the message names it.

    Example:
        >>> tokenizer = BPETokenizer(special_tokens=["<|end|>"])
        >>> tokenizer.train("aaab aaab", 2)
        >>> tokenizer.merges, tokenizer.vocab[256:], tokenizer.special_tokens
        ([(97, 97), (97, 98)], [b'aa', b'ab', b'<|end|>'], {'<|end|>': 258})
        >>> tokenizer.encode("aaab")
        [256, 257]

    Source: Neural Machine Translation of Rare Words with Subword Units, Sennrich et al. 2016; on bytes:
        Language Models are Unsupervised Multitask Learners, Radford et al. 2019
    """

    def __init__(self, merges: Iterable[Pair] = (), special_tokens: Iterable[str] = ()) -> None:
        self._become(merges, special_tokens)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self.vocab)

    def train(self, text: str, num_merges: int) -> None:
        """Learn the merges anew from a text: each is a most frequent pair of what the ones before left.

        Pairs are counted as `count_pairs` does, within pre-tokens; of several that are as frequent the
        smallest is merged. Special tokens in the text are cut out of it first.

        Args:
            text: any text but the empty one.
            num_merges: how many to learn; there are fewer if no pair is left that occurs twice.

        Raises:
            TypeError, ValueError: as `readable`; ValueError: the text is empty, or num_merges is no
                whole number of at least 0. The tokenizer is then as it was.
        """
        num_merges = whole("num_merges", num_merges, 0)
        if not readable(text):
            raise ValueError("the text is empty: no merge can be learned; check what you read")
        parts = _parts(text, self.special_tokens)[::2]
        pieces = Counter(chain.from_iterable(map(pre_tokenize, parts)))
        self._become(_learned(pieces, num_merges), self.special_tokens)

    def encode(self, text: str, allowed_special: Iterable[str] = ()) -> list[int]:
        """The ids of a text.

        Args:
            text: any text.
            allowed_special: the special tokens that become one id where they are found, from left to
                right, of several at one place the longest; "all" are all of them. Others are text.

        Returns:
            a new list of Python ints.

        Raises:
            TypeError, ValueError: as `readable`; ValueError: allowed_special is a text other than
                "all", or has one that is no special token of this tokenizer; the message names it.
        """
        ids: list[int] = []
        for place, part in enumerate(_parts(readable(text), self._allowed(allowed_special))):
            if place % 2:
                ids.append(self.special_tokens[part])
            else:
                for piece in pre_tokenize(part):
                    ids += self._cache.get(piece) or self._encoded(piece)
        return ids

    def decode(self, ids: Any, errors: str = "replace") -> str:
        """The text of some ids: first all bytes are joined, then they are read as UTF-8.

        Args:
            ids: as `check_ids` takes them.
            errors: of bytes that are no UTF-8, as a model may write them: "replace" makes U+FFFD of
                them, "ignore" leaves them out, "strict" refuses them.

        Raises:
            TypeError, ValueError: as `check_ids`; ValueError: errors is something else, or "strict" and
                the bytes are no UTF-8.
        """
        if errors not in ("strict", "replace", "ignore"):
            raise ValueError(f"errors is 'strict', 'replace' or 'ignore'; got {errors!r}")
        joined = b"".join(self.vocab[i] for i in check_ids(ids, self.vocab_size))
        return joined.decode("utf-8", errors)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer to a file that is there whole or not at all.

        The file is JSON, in UTF-8: an object of FILE's two entries, "merges" (a list of lists of two
        ids) and "special_tokens" (a list of texts, in the order of their ids). It is written beside
        `path` under another name, forced to the disk (`os.fsync`), and only then takes its name in one
        move (`os.replace`).
        """
        state = FILE | {"merges": self.merges, "special_tokens": list(self.special_tokens)}
        path = Path(path)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(state, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BPETokenizer:
        """A tokenizer with the same ids as the one that was saved.

        Raises:
            ValueError: the file is damaged, of another format or version, or its merges or special
                tokens are refused; the message names the file, and the version if that is another.
            FileNotFoundError: there is no such file.
        """
        try:
            state = json.loads(Path(path).read_bytes().decode("utf-8"))
            return cls(*_contents(state))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} cannot be loaded: {error}; save or copy it anew") from None

    def _become(self, merges: Iterable[Pair], special_tokens: Iterable[str]) -> None:
        """Take over merges and special tokens, once all of them are known to be good."""
        ranks: dict[Pair, int] = {}
        vocab = [bytes([i]) for i in range(256)]
        for merge in merges:
            first, second = _pair(merge, len(ranks))
            if (first, second) in ranks:
                raise ValueError(f"merge {len(ranks)} is {merge}, which was there before")
            ranks[first, second] = len(vocab)
            vocab.append(vocab[first] + vocab[second])
        specials = {text: len(vocab) + i for i, text in enumerate(_specials(special_tokens))}
        self.merges, self.special_tokens, self._ranks = list(ranks), specials, ranks
        self.vocab = vocab + [text.encode() for text in specials]
        self._cache: dict[str, list[int]] = {}  # of pre-tokens that were met before, their ids

    def _allowed(self, allowed_special: Iterable[str]) -> Iterable[str]:
        """The special tokens that may be made of text."""
        if isinstance(allowed_special, str):
            if allowed_special != "all":
                raise ValueError(
                    f'allowed_special is "all" or some texts in a list; got the text {allowed_special!r}'
                )
            return self.special_tokens
        allowed = list(allowed_special)
        for text in allowed:
            if not isinstance(text, str) or text not in self.special_tokens:
                raise ValueError(
                    f"{text!r} is no special token of this tokenizer; it has {list(self.special_tokens)}"
                )
        return allowed

    def _encoded(self, piece: str) -> list[int]:
        """The ids of a pre-token, remembered: the earliest merge first, at all of its places."""
        ids = list(piece.encode())
        late = len(self.vocab)
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda pair: self._ranks.get(pair, late))
            if pair not in self._ranks:
                break
            ids = merge_pair(ids, pair, self._ranks[pair])
        if len(piece) <= CACHE_LENGTH:
            if len(self._cache) >= CACHE_WORDS:
                self._cache.clear()
            self._cache[piece] = ids
        return ids


def _parts(text: str, special_tokens: Iterable[str]) -> list[str]:
    """The text cut at special tokens: every second part is one of them."""
    longest_first = sorted(special_tokens, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return re.split(f"({pattern})", text) if pattern else [text]


def _pair(merge: Any, number: int) -> Pair:
    """Merge `number` as a pair of ids that are there before it."""
    try:
        first, second = check_ids(merge, 256 + number)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"merge {number} must be a pair of ids below {256 + number}; got {merge!r}: {error}"
        ) from None
    return first, second


def _specials(texts: Iterable[str]) -> Iterator[str]:
    """Special tokens, none empty and none twice."""
    if isinstance(texts, str):
        raise TypeError(f"special_tokens are texts in a list; got the text {texts!r}")
    known: set[str] = set()
    for text in texts:
        if not readable(text) or text in known:
            raise ValueError(f"special tokens are not empty, and each is there once; got {text!r}")
        known.add(text)
        yield text


def _contents(state: Any) -> tuple[list[Any], list[Any]]:
    """Merges and special tokens of what a file holds."""
    if not isinstance(state, dict) or state.get("format") != FILE["format"]:
        raise ValueError(f'it does not say "format": "{FILE["format"]}"')
    if repr(state.get("version")) != repr(FILE["version"]):
        raise ValueError(
            f"it is of version {state.get('version')!r}, and this code reads {FILE['version']}"
        )
    merges, special_tokens = state.get("merges"), state.get("special_tokens")
    if not isinstance(merges, list) or not isinstance(special_tokens, list):
        raise ValueError("merges and special_tokens must be lists")
    return merges, special_tokens


def _learned(pieces: Counter[str], limit: int) -> list[Pair]:
    """Up to `limit` merges of pre-tokens that occur so often; a merge looks only at those it changes.

    The heap holds (-count, pair), so that its top is the most frequent pair, and of several the
    smallest. When a count changes a new entry is pushed; one that is out of date is skipped at the top.
    """
    words, weights = [list(piece.encode()) for piece in pieces], list(pieces.values())
    totals: defaultdict[Pair, int] = defaultdict(int)
    homes: defaultdict[Pair, set[int]] = defaultdict(set)  # of a pair, the words that hold it

    def counted(i: int, sign: int) -> dict[Pair, int]:
        counts = count_pairs(words[i])
        for pair, count in counts.items():
            totals[pair] += sign * count * weights[i]
        return counts

    for i in range(len(words)):
        for pair in counted(i, 1):
            homes[pair].add(i)
    heap = [(-total, pair) for pair, total in totals.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < limit and heap[0][0] < -1:
        total, best = heappop(heap)
        if -total != totals[best]:
            continue
        changed: set[Pair] = set()
        for i in homes.pop(best):
            before = counted(i, -1)
            words[i] = merge_pair(words[i], best, 256 + len(merges))
            after = counted(i, 1)
            for pair in after.keys() - before.keys():
                homes[pair].add(i)
            changed |= {pair for pair, _ in before.items() ^ after.items()}
        merges.append(best)
        for pair in changed:
            heappush(heap, (-totals[pair], pair))
    return merges
