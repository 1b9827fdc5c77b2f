"""Kata 08, Data loading: samples into a batch (katas/08_dataloader/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.asserts import (
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.observe import observe
from support.strategies import AWKWARD, integer, normal


def described(value: Any) -> Any:
    """What a batch is, in words and lists: kinds, dtypes, shapes and values."""
    if isinstance(value, dict):
        return {str(key): described(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *(described(inner) for inner in value)]
    return value if isinstance(value, str) else [f"{value.dtype} {value.shape}", value.tolist()]


# ---- 08.4 and 08.5: default_collate -------------------------------------------------------------


@observe(uses=(described,), shown="default_collate({samples})")
def collated(tt: Any, samples: str, a: Any, b: Any) -> Any:
    return described(
        tt.default_collate(eval(samples, {"np": np, "tt": tt, "a": a, "b": b, "big": 2**53 + 1}))
    )


COLLATED = {
    "arrays": ("[a, b]", lambda a, b: np.stack([a, b])),
    "one": ("[a]", lambda a, b: a[None]),
    "float32": ("[a.astype(np.float32)]", lambda a, b: a[None].astype(np.float32)),
    "bytes": ("[np.uint8([1, 200])]", lambda a, b: np.uint8([[1, 200]])),
    "tensors": ("[tt.Tensor(a), tt.Tensor(b)]", lambda a, b: np.stack([a, b])),
    "columns": ("[np.asfortranarray(a), b[::-1]]", lambda a, b: np.stack([a, b[::-1]])),
    "unlike": ("[a.astype(np.float32), b]", lambda a, b: np.stack([a.astype(np.float32), b])),
    "three-dtypes": (
        "[np.int8([3]), np.uint8([200]), np.float16([0.5])]",  # two by two: float32
        lambda a, b: np.float16([[3], [200], [0.5]]),
    ),
    "numbers": ("[a[0, 0], b[0, 0]]", lambda a, b: np.array([a[0, 0], b[0, 0]])),
    "ints": ("[3, -1, big]", lambda a, b: np.array([3, -1, 2**53 + 1])),
    "int64": ("[np.int64(big), np.int64(2)]", lambda a, b: np.array([2**53 + 1, 2])),
    "floats": ("[0.1, 2.0]", lambda a, b: np.float32([0.1, 2.0])),
    "mixed": ("[1, 2.5]", lambda a, b: np.float32([1, 2.5])),
    "bool-and-ints": ("[True, 3, 0]", lambda a, b: np.array([1, 3, 0])),
    "bool-and-float": ("[False, 2.5]", lambda a, b: np.float32([0, 2.5])),
    "bools": ("[True, False]", lambda a, b: np.array([True, False])),
    "int8": ("[np.int8(3), np.int8(4)]", lambda a, b: np.int8([3, 4])),
    "tuples": ("[(a, 1), (b, 2)]", lambda a, b: (np.stack([a, b]), np.array([1, 2]))),
    "lists": ("[[a, 1], [b, 2]]", lambda a, b: [np.stack([a, b]), np.array([1, 2])]),
    "dicts": (
        "[{'x': a, 'y': 0}, {'y': 1, 'x': b}]",
        lambda a, b: {"x": np.stack([a, b]), "y": np.array([0, 1])},
    ),
    "keys-of-two-types": (
        "[{'x': a, 0: 1}, {0: 2, 'x': b}]",
        lambda a, b: {"x": np.stack([a, b]), 0: np.array([1, 2])},
    ),
    "deep": (
        "[({'x': (a,)}, [1.5])]",
        lambda a, b: ({"x": (a[None],)}, [np.float32([1.5])]),
    ),
    "texts": ("[('p', 1), ('q', 2)]", lambda a, b: (["p", "q"], np.array([1, 2]))),
    "empty": ("[np.zeros((0, 3))] * 2", lambda a, b: np.zeros((2, 0, 3))),
    "no-fields": ("[(), ()]", lambda a, b: ()),
}


@pytest.mark.parametrize("name", COLLATED)
def test_collate_joins(name: str) -> None:
    """08.4 Kinds, dtypes, shapes and values of what comes back."""
    samples, want = COLLATED[name]
    a, b = normal(2, 3), normal(2, 3, seed=1)
    assert_equal(collated(samples, a, b), want=described(want(a, b)))


@observe(shown="default_collate of two samples of the class {kind}")
def collated_of_a_class(tt: Any, kind: str, a: Any, b: Any) -> Any:
    import collections

    named = collections.namedtuple("Named", "x y")
    plain = {
        "named tuple": tuple,
        "subclass of list": list,
        "OrderedDict": dict,
        "defaultdict": dict,
    }
    made = {
        "named tuple": lambda x: named(x, 1),
        "subclass of list": lambda x: type("Own", (list,), {})([x, 1]),
        "OrderedDict": lambda x: collections.OrderedDict(x=x, y=1),
        "defaultdict": lambda x: collections.defaultdict(list, x=x, y=1),
    }[kind]
    batch = tt.default_collate([made(a), made(b)])
    fields = batch if plain[kind] is not dict else [batch["x"], batch["y"]]
    return {"kind": isinstance(batch, plain[kind]), "x": fields[0], "y": fields[1].tolist()}


@pytest.mark.parametrize("kind", ["named tuple", "subclass of list", "OrderedDict", "defaultdict"])
def test_collate_joins_samples_of_other_classes(kind: str) -> None:
    """08.4 What derives from tuple, list or dict, and may be built in another way."""
    a, b = normal(2, 3), normal(2, 3, seed=1)
    got = collated_of_a_class(kind, a, b)
    assert_exact(got["x"], want=np.stack([a, b]))
    assert_equal([got["kind"], got["y"]], want=[True, [1, 1]])


@observe
def collated_twice(tt: Any, a: Any) -> Any:
    samples = [a, a]
    batch = tt.default_collate(samples)
    single = tt.default_collate([a])
    shared = np.shares_memory(batch, a) or np.shares_memory(single, a)
    batch[0] += 1
    return {"sample": a, "second": batch[1], "first": batch[0] - 1, "shared": shared}


def test_collate_makes_new_memory() -> None:
    """08.4 Writing into a batch of the same array twice, with inf and nan in it."""
    a = np.concatenate([AWKWARD[:9], normal(3)])
    got = collated_twice(a)
    assert_unchanged({"sample": got["sample"]}, was={"sample": a})
    assert_exact(got["second"], want=a)
    assert_equal(got["shared"], want=False)


UNLIKE = {
    "[a, a[:, :2]]": ("(2, 3)", "(2, 2)"),
    "[a, b, a[0]]": ("(2, 3)", "(3,)"),
    "[a, a[:, :2], b]": ("(2, 3)", "(2, 2)"),
    "[a[:1], b]": ("(1, 3)", "(2, 3)"),
    "[(a, 1), (b, 2, 3)]": ("2", "3"),
    "[(a, 1), (b[:, :1], 2)]": ("(2, 3)", "(2, 1)"),
    "[{'x': a}, {'z': b}]": ("x", "z"),
    "[{'x': a}, {'x': b, 'z': b}]": ("x", "z"),
    "[a, (a, 1)]": ("array", "tuple"),
    "[{'x': a}, [a]]": ("dict", "list"),
    "[(a, 1), [b, 2]]": ("tuple", "list"),
    "['a', 1]": (),
    "[]": (),
}


@pytest.mark.parametrize("samples", UNLIKE)
def test_collate_refuses_unlike_samples(samples: str) -> None:
    """08.5 Ragged arrays, also where they would broadcast; fields, keys and kinds; no sample."""
    says = (*UNLIKE[samples], "collate_fn")
    assert_raises(collated, samples, normal(2, 3), normal(2, 3), error="ValueError", says=says)


def test_collate_names_drawn_lengths() -> None:
    """08.5 Rows of two drawn lengths."""
    short, long = integer(3, 1, 5), integer(8, 6, 99)
    says = (f"({short},)", f"({long},)", "collate_fn")
    assert_raises(collated, "[a, b]", normal(short), normal(long), error="ValueError", says=says)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [("None", "NoneType"), ("{1}", "set"), ("object()", "object"), ("1j", "complex")],
)
def test_collate_refuses_other_types(sample: str, kind: str) -> None:
    """08.5 None, a set, an object: alone, as a field, twice, and beside an array, before it and behind it."""
    alone = (f"[{sample}]", f"[(1, {sample})]", f"[{sample}, {sample}]")
    for samples in (*alone, f"[a, {sample}]", f"[{sample}, a]", f"[(1, a), (2, {sample})]"):
        assert_raises(collated, samples, *normal(2, 1), error="TypeError", says=(kind,))
