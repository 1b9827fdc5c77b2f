"""Kata 08, Data loading: data sets and splits (katas/08_dataloader/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import oracle
from support.asserts import (
    assert_alike,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
)
from support.observe import observe
from support.strategies import integer, normal

# ---- 08.1: TensorDataset ------------------------------------------------------------------------


@observe
def rows_at(tt: Any, index: int, *arrays: Any) -> Any:
    found = []
    for given in (arrays, [tt.Tensor(a) for a in arrays], [np.asfortranarray(a) for a in arrays]):
        data = tt.TensorDataset(*given)
        sample = data[index]
        found.append([type(sample).__name__, len(data), len(data.arrays), *sample])
    return found


@pytest.mark.parametrize("index", [0, 2, 4, -1, -5], ids=str)
def test_tensor_dataset_gives_rows(index: int) -> None:
    """08.1 Rows of three arrays, as arrays, as tensors and in Fortran order."""
    arrays = normal(5, 3), np.arange(5) + integer(3, 0, 99), normal(5, 2, 2).astype(np.float32)
    for kind, count, fields, *rows in rows_at(index, *arrays):
        assert_equal([kind, count, fields], want=["tuple", 5, 3])
        assert_exact(rows[0], want=arrays[0][index])
        assert_exact(rows[2], want=arrays[2][index])
        assert_equal(int(rows[1]), want=int(arrays[1][index]))


def test_tensor_dataset_of_one_array() -> None:
    """08.1 The sample of a single array is a tuple of one field."""
    x = normal(4, 2)
    for kind, count, fields, *rows in rows_at(1, x):
        assert_equal([kind, count, fields, len(rows)], want=["tuple", 4, 1, 1])
        assert_exact(rows[0], want=x[1])


@observe
def built_of(tt: Any, *shapes: Any) -> Any:
    return len(tt.TensorDataset(*(np.zeros(shape) for shape in shapes)))


@pytest.mark.parametrize(
    "shapes",
    [[], [()], [(3,), (4,)], [(3, 2), (2, 3)], [(3,), ()], [(), (3,)], [(3,), (3,), (1,)]],
    ids=str,
)
def test_tensor_dataset_refuses(shapes: Any) -> None:
    """08.1 No array, arrays without an axis, and lengths that differ."""
    assert_raises(built_of, *shapes, error="ValueError", says=tuple(map(str, shapes)))


def test_tensor_dataset_without_rows() -> None:
    """08.1 Arrays of length 0 are a data set of no sample."""
    count = integer(3, 1, 9)
    assert_equal([built_of((count, 2), (count,)), built_of((0, 2), (0,))], want=[count, 0])


def test_tensor_dataset_has_no_row_beyond() -> None:
    """08.1 The first index on either side that does not exist."""
    count = integer(4, 2, 9)
    for index in (count, -count - 1, 10**6):
        assert_raises(rows_at, index, normal(count, 2), error="IndexError", says=(str(index),))


@observe
def written_through(tt: Any, x: Any) -> Any:
    data, column = tt.TensorDataset(x, x[:, 0]), x.copy()
    shared = [np.shares_memory(array, x) for array in (*data.arrays, data[1][0])]
    x += 1
    return {"shared": shared, "grown": data[1][0] - column[1], "label": float(data[2][1] - x[2, 0])}


def test_tensor_dataset_copies_nothing() -> None:
    """08.1 What is written into an array later is seen through the data set."""
    got = written_through(normal(3, 2))
    assert_equal(got["shared"], want=[True] * 3)
    assert_close(got["grown"], want=np.ones(2))
    assert_equal(got["label"], want=0.0)


# ---- 08.2: Subset -------------------------------------------------------------------------------


@observe
def subset(tt: Any, values: Any, indices: str) -> Any:
    chosen = eval(indices, {"np": np})
    part = tt.Subset(list(values), chosen)
    kinds = sorted({type(i).__name__ for i in part.indices})
    given = list(part.indices)
    if isinstance(chosen, (list, np.ndarray)) and len(chosen):
        chosen[0] = 0
    kept = isinstance(part.indices, list) and part.indices == given
    samples = [part[i] for i in range(len(part))]
    return {"samples": samples, "indices": given, "kinds": kinds, "kept": kept}


SUBSETS = {
    "[3, 1]": [3, 1],
    "np.array([4, 0, 4])": [4, 0, 4],
    "[-1, -5, 2]": [-1, -5, 2],
    "range(1, 4)": [1, 2, 3],
    "(np.int8(2), 3)": [2, 3],
    "np.array([1, 3], np.uint8)": [1, 3],
    "[]": [],
    "np.zeros(0, int)": [],
    "[np.uint64(1), np.int64(-1), 2]": [1, -1, 2],
}


@pytest.mark.parametrize("indices", SUBSETS)
def test_subset_chooses(indices: str) -> None:
    """08.2 Lists, arrays, ranges; one sample twice; none; and the caller's list changed later."""
    values = [round(float(v), 6) for v in normal(5)]
    want = [values[i] for i in SUBSETS[indices]]
    got = subset(values, indices)
    assert_equal(got["samples"], want=want)
    assert_equal([got["indices"], got["kept"]], want=[SUBSETS[indices], True])
    assert_equal(got["kinds"], want=["int"] if want else [])


@observe
def subset_of_its_own(tt: Any, values: Any) -> Any:
    class Doubled(tt.Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)

    part = tt.Subset(Doubled(tt.Subset(values, [3, 1, 0, 2]), [2, 0, 1]), [1, 0])
    return [part[0], part[1]]


def test_subset_asks_the_set_that_it_was_given() -> None:
    """08.2 A subset of a subset whose samples are another's twice."""
    values = [integer(3, 1, 9) + 10 * i for i in range(4)]
    assert_equal(subset_of_its_own(values), want=[2 * values[3], 2 * values[0]])


@observe
def subset_of_subset(tt: Any, values: Any, index: int) -> Any:
    part = tt.Subset(tt.Subset(values, [4, 2, 0]), [2, -2])
    return [part[0], part[-1], part[index]]


def test_subset_of_a_subset() -> None:
    """08.2 Indices count in the data set they were given with; index -1 is the last one chosen."""
    values = [integer(3, 1, 9) + 10 * i for i in range(5)]
    assert_equal(subset_of_subset(values, 1), want=[values[0], values[2], values[2]])
    assert_raises(subset_of_subset, values, 2, error="IndexError")


@pytest.mark.parametrize(
    "indices",
    [
        "[True, False]",
        "[True, 2]",
        "[2, 1.0]",
        "np.arange(5) > 2",
        "[1.0, 2.0]",
        "[0.5]",
        "3",
        "[[0, 1]]",
        "'ab'",
        "[None]",
    ],
)
def test_subset_refuses(indices: str) -> None:
    """08.2 A mask, floats, a single number, two axes, texts."""
    assert_raises(subset, list(range(5)), indices, error="TypeError")


@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize("place", [0, 2])
def test_subset_has_no_index_beyond(place: int, side: str) -> None:
    """08.2 One index too far on either side, and one that no integer of NumPy holds; first or last in the list."""
    count = integer(5, 3, 9)
    for index in (count, 10**30):
        index = index if side == "above" else -index - 1
        indices, says = [0, 0], (str(index), str(count))
        indices.insert(place, index)
        assert_raises(subset, list(range(count)), str(indices), error="IndexError", says=says)


# ---- 08.3: random_split -------------------------------------------------------------------------


@observe
def split(tt: Any, count: int, lengths: str, seed: int) -> Any:
    state = repr(tt.default_generator.bit_generator.state)
    parts = tt.random_split(range(count), eval(lengths, {"np": np}), seed=seed)
    kept = repr(tt.default_generator.bit_generator.state) == state
    return {"parts": [[part[i] for i in range(len(part))] for part in parts], "kept": kept}


@observe
def split_by_default(tt: Any, count: int) -> Any:
    found = {}
    for name, more in {"no seed": {}, "seed=0": {"seed": 0}, "seed=1": {"seed": 1}}.items():
        (part,) = tt.random_split(range(count), [count], **more)
        found[name] = [part[i] for i in range(len(part))]
    return found


def test_split_has_seed_0_by_default() -> None:
    """08.3 The order without a seed, with seed 0, and with seed 1."""
    orders = split_by_default(integer(20, 15, 25))
    assert_alike(orders, "seed=0", "no seed", exactly=True)
    assert_equal(orders["seed=1"] == orders["seed=0"], want=False)


SPLITS = {
    "thirds": (11, "[1 / 3, 1 / 3, 1 / 3]"),
    "0.29-of-100": (100, "[0.29, 0.71]"),
    "one-left": (10, "[0.75, 0.25]"),
    "three-left": (7, "[0.25, 0.25, 0.25, 0.25]"),
    "unlike": (10, "[0.25, 0.35, 0.4]"),
    "tenths": (19, "[0.1] * 10"),
    "all": (5, "[1.0]"),
    "to-rounding": (10, "[0.5, 0.5 - 5e-10]"),
    "nothing-of-it": (9, "[0.0, 1.0]"),
    "numpy": (9, "np.array([0.5, 0.5])"),
    "numpy-float32": (9, "np.float32([0.5, 0.25, 0.25])"),
    "hundredths": (10, "[0.23, 0.77]"),
    "unlike-hundredths": (1000, "[0.29, 0.57, 0.14]"),
    "mixed": (9, "[0, 1.0]"),
    "counts": (10, "[7, 3]"),
    "no-sample": (10, "[0, 10, 0]"),
    "no-part": (0, "[]"),
    "one": (1, "[1]"),
    "numpy-counts": (6, "np.array([2, 4])"),
    "bytes-of-numpy": (300, "np.array([200, 100], np.uint8)"),
}


def record(torch: Any) -> dict[str, Any]:
    """The sizes of PyTorch's splits."""
    found = {}
    for name, (count, lengths) in SPLITS.items():
        shares = np.asarray(eval(lengths)).tolist()
        parts = torch.utils.data.random_split(range(count), shares)
        found[f"split/{name}"] = [len(part) for part in parts]
    return found


@pytest.mark.parametrize("name", SPLITS)
def test_split_deals_out_every_sample(name: str) -> None:
    """08.3 Shares and counts: the sizes are PyTorch's, and each sample is dealt once."""
    count, lengths = SPLITS[name]
    got = split(count, lengths, integer(0, 0, 99))["parts"]
    assert_equal(
        [float(len(part)) for part in got], want=oracle.own("08", f"split/{name}").tolist()
    )
    assert_equal(sorted(i for part in got for i in part), want=list(range(count)))


def test_split_follows_from_the_seed() -> None:
    """08.3 Six seeds, also large ones, each asked twice; default_generator before and after."""
    first = integer(0, 0, 999)
    orders = {str([[*range(30)], [*range(30, 40)]])}
    for seed in (0, first + 1, first + 2, first + 3, first + 2**32, first + 2**64):
        runs = {name: split(40, "[30, 10]", seed) for name in ("one run", "the next")}
        assert_alike(runs, "one run", "the next", exactly=True)
        assert_equal(runs["one run"]["kept"], want=True)
        orders.add(str(runs["one run"]["parts"]))
    assert_equal({"different orders": len(orders)}, want={"different orders": 7})
    ordered = [part == sorted(part) for part in runs["one run"]["parts"]]
    assert_equal({"parts in rising order": ordered}, want={"parts in rising order": [False] * 2})


def order_of(lengths: str, seed: int) -> dict[str, Any]:
    """The samples of all parts, one part after the other."""
    parts = split(20, lengths, seed)["parts"]
    return {"order": np.array([i for part in parts for i in part])}


def test_split_deals_whatever_the_lengths() -> None:
    """08.3 One seed, and parts of several lengths, none among them: one order after the other."""
    seed = integer(3, 0, 999)
    whole = order_of("[20]", seed)
    for lengths in ("[7, 6, 7]", "[0, 1, 19, 0]", "[0.25, 0.75]"):
        runs = {"[20]": whole, lengths: order_of(lengths, seed)}
        assert_alike(runs, "[20]", lengths, exactly=True)


def test_split_adds_exactly() -> None:
    """08.3 Lengths whose sum is one too few, of many samples."""
    many = integer(200_000, 190_000, 210_000)
    says = (str(many - 1),)
    assert_raises(split, many, f"[{many - 11}, 10]", 0, error="ValueError", says=says)


@pytest.mark.parametrize(
    ("lengths", "total"),
    [
        ("[3, 4]", "7"),
        ("[-1, 9]", "8"),
        ("[1]", "1"),
        ("[1, 0]", "1"),
        ("[4, 5]", "9"),
        ("[0.5, 0.25]", "0.75"),
        ("[0.5, 0.4995]", "0.9995"),
        ("[0.5, 0.500003]", "1.000003"),
        ("[0.25, 0.75 - 1e-8]", "0.99999999"),
        ("[1.5, -0.5]", "1.0"),
    ],
)
def test_split_refuses(lengths: str, total: str) -> None:
    """08.3 Counts and shares that do not add up, and negative ones that do."""
    assert_raises(split, integer(8, 8, 8), lengths, 0, error="ValueError", says=(total,))
