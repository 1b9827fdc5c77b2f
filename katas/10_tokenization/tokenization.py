# Stub of kata 10, generated from reference/tinytorch/tokenization.py by: make stubs
# Write in this order; make test-10 says what comes next:
#   characters  check_ids, CharTokenizer.__init__, CharTokenizer.encode, CharTokenizer.decode
#   cutting     pre_tokenize
#   pairs       count_pairs, merge_pair
#   vocabulary  BPETokenizer.__init__, BPETokenizer.vocab_size, BPETokenizer.decode
#   encoding    BPETokenizer.encode
#   training    BPETokenizer.train
#   files       BPETokenizer.save, BPETokenizer.load
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
    raise NotImplementedError("kata 10: check_ids")


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
        raise NotImplementedError("kata 10: CharTokenizer.__init__")

    def encode(self, text: str) -> list[int]:
        """The place of each character in `chars`.

        Raises:
            TypeError, ValueError: as `readable`; ValueError: a character is not among `chars`; the
                message names it and its place.
        """
        raise NotImplementedError("kata 10: CharTokenizer.encode")

    def decode(self, ids: Any) -> str:
        """The characters at these places; refuses what `check_ids` refuses."""
        raise NotImplementedError("kata 10: CharTokenizer.decode")


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
    raise NotImplementedError("kata 10: pre_tokenize")


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
    raise NotImplementedError("kata 10: count_pairs")


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """A new list, in which `new_id` is in the place of each `pair`, found from left to right.

    Example:
        >>> merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9)
        [9, 1, 2, 9]
    """
    raise NotImplementedError("kata 10: merge_pair")


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
        raise NotImplementedError("kata 10: BPETokenizer.__init__")

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        raise NotImplementedError("kata 10: BPETokenizer.vocab_size")

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
        raise NotImplementedError("kata 10: BPETokenizer.train")

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
        raise NotImplementedError("kata 10: BPETokenizer.encode")

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
        raise NotImplementedError("kata 10: BPETokenizer.decode")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer to a file that is there whole or not at all.

        The file is JSON, in UTF-8: an object of FILE's two entries, "merges" (a list of lists of two
        ids) and "special_tokens" (a list of texts, in the order of their ids). It is written beside
        `path` under another name, forced to the disk (`os.fsync`), and only then takes its name in one
        move (`os.replace`).
        """
        raise NotImplementedError("kata 10: BPETokenizer.save")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BPETokenizer:
        """A tokenizer with the same ids as the one that was saved.

        Raises:
            ValueError: the file is damaged, of another format or version, or its merges or special
                tokens are refused; the message names the file, and the version if that is another.
            FileNotFoundError: there is no such file.
        """
        raise NotImplementedError("kata 10: BPETokenizer.load")
