"""Kata 08, Data loading: the loader (katas/08_dataloader/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import oracle
from support.asserts import (
    assert_alike,
    assert_below,
    assert_close,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
)
from support.observe import observe
from support.strategies import integer, normal, seeds
from test_08_dataloader.holdings import EVERY_KIND, KINDS, data, holding


@observe(
    uses=(holding,), shown="list({loader})  # twice; data is of one kind: rows of x with their y"
)
def walked(tt: Any, loader: str, kind: str, x: Any, y: Any) -> Any:
    walk = eval(loader, {"tt": tt, "data": holding(tt, kind, x, y)})
    return [[list(batch) for batch in walk] for _ in range(2)]


# ---- 08.8 to 08.11: batches, orders, arguments ---------------------------------------------------


PAIRS = [(7, 3), (6, 3), (5, 1), (1, 1), (12, 4)]
SIZES = [(*pair, drop) for pair in PAIRS for drop in (False, True)] + [(2, 5, False), (5, 5, True)]


def record(torch: Any) -> dict[str, Any]:
    """The first and the last index in each batch of PyTorch's loader."""
    found = {}
    for count, size, drop in SIZES:
        loader = torch.utils.data.DataLoader(range(count), size, drop_last=drop)
        ends = [[int(batch[0]), int(batch[-1])] for batch in loader]
        found[f"batches/{count}-{size}-{drop}"] = np.reshape(ends, (-1, 2))
    return found


@observe(shown="{loader}  # its len, and its batches in two epochs")
def batches_of(tt: Any, loader: str, data: Any) -> Any:
    walk = eval(loader, {"tt": tt, "np": np, "data": data})
    return {"len": len(walk), "epochs": [[b.tolist() for b in walk] for _ in range(2)]}


def loader(arguments: str) -> str:
    """The text that builds a loader over `data`."""
    return f"tt.DataLoader(data, {arguments})"


def test_loader_example() -> None:
    """08.8 The worked example: seven samples in batches of three, walked twice."""
    low = integer(0, 0, 99)
    a, b, c = ([low + i for i in part] for part in ([0, 1, 2], [3, 4, 5], [6]))
    values = [low + i for i in range(7)]
    got = batches_of(loader("batch_size=3"), values)
    assert_equal(got, want={"len": 3, "epochs": [[a, b, c]] * 2})
    got = batches_of(loader("3, drop_last=True"), values)
    assert_equal(got, want={"len": 2, "epochs": [[a, b]] * 2})


@observe(shown="list({loader}), and the threads there are meanwhile")
def by_default(tt: Any, loader: str) -> Any:
    import threading

    before, seen, threads = set(threading.enumerate()), [], 0
    for batch in eval(loader, {"tt": tt}):
        seen.append(batch.tolist())
        threads = max(threads, len(set(threading.enumerate()) - before))
    return {"batches": seen, "threads": threads}


def test_loader_by_default() -> None:
    """08.8 What is not given: batches of one sample, in order, without a thread; the seed is 0."""
    count = integer(9, 7, 12)
    got = by_default(f"tt.DataLoader(range({count}))")
    assert_equal(got, want={"batches": [[i] for i in range(count)], "threads": 0})
    first, second, other = (
        by_default(f"tt.DataLoader(range({count}), {more}shuffle=True)")["batches"]
        for more in ("", "seed=0, ", "seed=1, ")
    )
    assert_equal(first, want=second)
    assert_equal(first == other, want=False)


@pytest.mark.parametrize(("count", "size", "drop"), SIZES)
def test_loader_batches_as_pytorch(count: int, size: int, drop: bool) -> None:
    """08.8 First and last sample of every batch."""
    got = batches_of(loader(f"{size}, drop_last={drop}"), list(range(count)))
    ends = [[float(b[0]), float(b[-1])] for b in got["epochs"][1]]
    want = oracle.own("08", f"batches/{count}-{size}-{drop}").tolist()
    assert_equal([got["len"], ends], want=[len(want), want])


@observe
def by_index(tt: Any, low: int) -> Any:
    class Endless:  # knows its length, and has a sample for every index
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return low + index

    class Both(tt.IterableDataset):  # can be read either way
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return low + index

        def __iter__(self):
            return iter([1, 2])

    sets = [Endless(), {0: low, 1: low + 1, 2: low + 2}, Both()]
    return [[b.tolist() for b in tt.DataLoader(data, 2)] for data in sets]


def test_loader_asks_by_index() -> None:
    """08.8 A set with a sample beyond its length, a dict whose keys are the indices, and one that iterates, too."""
    low = integer(5, 1, 99)
    assert_equal(by_index(low), want=[[[low, low + 1], [low + 2]]] * 3)


SEQUENCES = ["data", "tuple(data)", "tt.Tensor(data)", "data.astype(np.float32)", "data[:, None]"]


@pytest.mark.parametrize("values", SEQUENCES)
def test_loader_of_what_has_numbers(values: str) -> None:
    """08.8 An array, a tuple of its numbers, a tensor, a column."""
    numbers = normal(5)
    got = batches_of(f"tt.DataLoader({values}, 2)", numbers)["epochs"][1]
    assert_equal([len(batch) for batch in got], want=[2, 2, 1])
    assert_close(np.concatenate(got).ravel().astype(np.float32), want=numbers.astype(np.float32))


@pytest.mark.parametrize("arguments", ["3", "3, drop_last=True", "3, shuffle=True"])
def test_loader_without_samples(arguments: str) -> None:
    """08.8 An empty list has no batch; one sample beside it has."""
    value = integer(5, 1, 99)
    assert_equal(batches_of(loader(arguments), []), want={"len": 0, "epochs": [[], []]})
    one = batches_of(loader(arguments.replace("drop_last", "shuffle")), [value])
    assert_equal(one, want={"len": 1, "epochs": [[[value]]] * 2})


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_loader_keeps_rows_together(kind: str, shuffle: bool) -> None:
    """08.8 Fields, dtypes and rows of x beside their labels, of every kind of data set."""
    x, y = data(11)
    epoch, _ = walked(loader(f"4, shuffle={shuffle}"), kind, x, y)
    got_x, got_y = (np.concatenate([batch[i] for batch in epoch]) for i in (0, 1))
    assert_equal(sorted(got_y.tolist()), want=y.tolist())
    assert_exact(got_x, want=x[got_y // 10])
    assert_equal([len(batch[0]) for batch in epoch], want=[4, 4, 3])


@settings(max_examples=25)
@given(count=st.integers(0, 40), size=st.integers(1, 12), seed=seeds, drop=st.booleans())
def test_loader_of_any_size(count: int, size: int, seed: int, drop: bool) -> None:
    """08.8 Drawn counts and sizes, shuffled: lengths, and no sample twice."""
    drop = drop and size <= count
    arguments = f"{size}, shuffle=True, seed={seed}, drop_last={drop}"
    got = batches_of(loader(arguments), list(range(count)))
    lengths = [min(size, count - i) for i in range(0, count, size)]
    lengths = [n for n in lengths if n == size or not drop]
    for epoch in got["epochs"]:
        assert_equal([len(b) for b in epoch], want=lengths)
        assert_equal(len({i for b in epoch for i in b}), want=sum(lengths))
    assert_equal(got["len"], want=len(lengths))


@observe
def orders(tt: Any, count: int, seed: int, how: str) -> Any:
    tt.manual_seed(3)
    before = repr(tt.default_generator.bit_generator.state)
    loader, found = tt.DataLoader(range(count), 8, shuffle=True, seed=seed), []
    for _ in range(3):
        if how == "broken off":
            next(iter(loader))
        if how == "begun only":
            iter(loader)
        walk = iter(loader)
        found.append([int(i) for batch in walk for i in batch])
    if how == "together":
        found = [[], []]
        for first, second in zip(loader, loader, strict=True):
            found[0] += first.tolist()
            found[1] += second.tolist()
    kata_07 = {
        str([int(i) for b in tt.batches(count, 8, seed, e) for i in b]): e for e in range(10)
    }
    kept = repr(tt.default_generator.bit_generator.state) == before
    epochs = [kata_07.get(str(order), f"no epoch's: {order}") for order in found]
    return {"epochs": epochs, "nothing drawn": kept, "orders": found}


@pytest.mark.parametrize("how", ["one after the other", "broken off", "begun only", "together"])
def test_loader_shuffles_each_epoch_anew(how: str) -> None:
    """08.9 Of which epoch of kata 07 each order is, for two seeds."""
    count, seed = integer(50, 40, 60), integer(4, 1, 999)
    found = []
    epochs = {"one after the other": [0, 1, 2], "together": [3, 4]}.get(how, [1, 3, 5])
    for drawn in (seed, seed + 1):
        got = orders(count, drawn, how)
        found += got.pop("orders")
        assert_equal(got, want={"epochs": epochs, "nothing drawn": True})
    assert_equal(len({str(order) for order in found}), want=len(found))


@observe(uses=(holding,))
def written_into(tt: Any, kind: str, size: int, prefetch: int, x: Any, y: Any) -> Any:
    loader = tt.DataLoader(holding(tt, kind, x, y), size, prefetch=prefetch)
    for images, numbers in loader:
        images *= -3
        numbers += 1
    return {"x": x, "y": y, "next epoch": np.concatenate([batch[0] for batch in loader])}


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("size", [3, 7, 1])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_batches_are_the_callers_own(kind: str, size: int, prefetch: int) -> None:
    """08.10 Every batch of an epoch without shuffling is written over: a part, all rows at once, one."""
    x, y = data(7)
    got = written_into(kind, size, prefetch, x, y)
    assert_unchanged(got, was={"x": x, "y": y})
    assert_exact(got["next epoch"], want=x)


@observe
def calls(tt: Any, x: Any, y: Any) -> Any:
    import sys

    data = tt.TensorDataset(x, y)
    loader = tt.DataLoader(tt.Subset(data, range(0, len(x), 2)), 100, shuffle=True)
    count, before = [0, 0], sys.getprofile()

    def watch(frame, event, argument):
        count[0] += event == "call" and not frame.f_code.co_flags & 32  # no step of a generator

    sys.setprofile(watch)
    try:
        for images, numbers in loader:
            count[1] += len(numbers) + len(images)
    finally:
        sys.setprofile(before)
    return count


def test_rows_of_arrays_are_taken_at_once() -> None:
    """08.10 Calls of Python functions in an epoch over 2,000 of 4,000 rows."""
    count, samples = calls(*data(4000))
    assert_equal(samples, want=4000)
    assert_below(count, limit=1999, what="calls of Python functions, for 2,000 samples")


@observe
def halved(tt: Any, x: Any) -> Any:
    class Halved(tt.TensorDataset):
        def __getitem__(self, index):
            return (super().__getitem__(index)[0] / 2,)

    whole = tt.DataLoader(Halved(x), 2)
    part = tt.DataLoader(tt.Subset(Halved(x), [2, 0, 1]), 2)
    return [np.concatenate([b[0] for b in loader]) for loader in (whole, part)]


def test_subclasses_are_asked_for_their_samples() -> None:
    """08.10 A TensorDataset whose samples are halved, whole and as a Subset."""
    x = normal(3, 2)
    assert_close(halved(x), want=[x / 2, x[[2, 0, 1]] / 2])


@observe(uses=(holding,), shown="{loader}")
def built_with(tt: Any, loader: str, kind: str) -> Any:
    known = {"tt": tt, "np": np, "one-way": iter([1, 2]), "number": 7, "no length": None}
    if kind not in known:
        known[kind] = holding(tt, kind, np.ones((4, 3)), np.arange(4))
    known["no length"] = type("NoLength", (), {"__getitem__": lambda self, i: i})()
    return type(eval(loader, {**known, "data": known[kind]})).__name__


NO_NUMBERS = ["batch_size=0", "batch_size=-3", "batch_size=2.5", "batch_size=2.0"]
NO_NUMBERS += ["batch_size=None", "prefetch=-1", "prefetch=0.5", "seed=-1", "seed=1.5"]


@pytest.mark.parametrize("argument", NO_NUMBERS)
def test_loader_refuses_numbers(argument: str) -> None:
    """08.11 batch_size, prefetch and seed: one too small, floats, None."""
    says = tuple(argument.split("="))
    assert_raises(built_with, loader(argument), "own", error="ValueError", says=says)


def test_loader_counts_with_numpy_too() -> None:
    """08.11 Whole numbers that NumPy computed; a drawn number that is too small is named."""
    low = integer(-7, -99, -1)
    few = batches_of(loader("np.int64(2), seed=np.int32(1), prefetch=np.uint8(1)"), [low, 2, 3])
    assert_equal(few["epochs"][1], want=[[low, 2], [3]])
    many = batches_of(loader("np.int8(100)"), list(range(200 - low)))["epochs"][1]
    assert_equal([len(batch) for batch in many], want=[100] * 2 + [-low])
    says = ("batch_size", str(low))
    assert_raises(built_with, loader(f"{low}"), "own", error="ValueError", says=says)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ("2, shuffle=True, sampler=[0, 1]", "own"),
        ("2, shuffle=True, sampler=[]", "own"),
        ("2, shuffle=True", "stream"),
        ("2, sampler=range(2)", "stream"),
    ],
)
def test_loader_has_one_source_of_order(arguments: str, kind: str) -> None:
    """08.11 shuffle and sampler together, also an empty one; either with a stream."""
    says = tuple(name for name in ("shuffle", "sampler") if name in arguments)
    assert_raises(built_with, loader(arguments), kind, error="ValueError", says=says)


@pytest.mark.parametrize(
    ("kind", "name"), [("one-way", "iterator"), ("number", "int"), ("no length", "NoLength")]
)
def test_loader_refuses_what_is_no_data_set(kind: str, name: str) -> None:
    """08.11 An iterator, a number, and samples of which nobody knows how many there are."""
    assert_raises(built_with, loader("2"), kind, error="TypeError", says=(name,))


def test_loader_refuses_to_leave_all_out() -> None:
    """08.11 A batch_size above four samples, and above one; one that fits, and a sampler, are accepted."""
    size = integer(5, 5, 99)
    whole = loader(f"{size}, drop_last=True")
    assert_raises(built_with, whole, "own", error="ValueError", says=(str(size), "4"))
    assert_raises(batches_of, whole, [7], error="ValueError", says=(str(size), "1"))
    others = [loader(f"{size}, drop_last=True, sampler=[0, 1]"), loader("4, drop_last=True")]
    assert_equal([built_with(text, "own") for text in others], want=["DataLoader"] * 2)


# ---- 08.12 to 08.15: sampler, streams, collate_fn, transform -------------------------------------


@observe
def sampled(tt: Any, indices: Any, size: int, prefetch: int) -> Any:
    told = []

    class Turning:
        def __len__(self):
            return len(indices)

        def __iter__(self):
            shift = told[-1]
            return iter([*indices[shift:], *indices[:shift]])

        def set_epoch(self, epoch):
            told.append(epoch)

    plain = tt.DataLoader(range(100), size, sampler=indices)
    turning = tt.DataLoader(range(100), size, sampler=Turning(), prefetch=prefetch)
    array = tt.DataLoader(range(100), size, sampler=np.array(indices), drop_last=True)
    found = [[b.tolist() for b in loader] for loader in (plain, plain, turning, turning, array)]
    return {"batches": found, "len": [len(plain), len(turning), len(array)], "epochs": told}


@pytest.mark.parametrize("prefetch", [0, 2])
def test_sampler_says_the_order(prefetch: int) -> None:
    """08.12 A list with an index twice, walked twice; a sampler that turns with each epoch; an array."""
    a, b, c = integer(40, 30, 49), integer(7, 1, 29), integer(60, 50, 99)
    first = [[a, b, a], [c, 3]]
    second = [[b, a, c], [3, a]]
    batches = [first, first, first, second, first[:1]]
    want = {"batches": batches, "len": [2, 2, 1], "epochs": [0, 1]}
    assert_equal(sampled([a, b, a, c, 3], 3, prefetch), want=want)


@observe(uses=(holding,), shown="next(iter(DataLoader(data, 4, sampler={order})))")
def batch_in_order(tt: Any, kind: str, order: Any, x: Any, y: Any) -> Any:
    return list(next(iter(tt.DataLoader(holding(tt, kind, x, y), 4, sampler=order))))


ORDERS = [[0, 2, 1, 3], [3, 0, 4, 4], [2, 2, 2, 2], [4, 3, 2, 1], [1, 3, 2, 4], [0, 1, 3, 2]]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_sampler_orders_the_rows(kind: str, order: Any) -> None:
    """08.12 Orders that look like a slice at their ends, and others, on every kind of data set."""
    x, y = data(5)
    got = batch_in_order(kind, order, x, y)
    assert_exact(got[0], want=x[order])
    assert_equal(np.asarray(got[1]).tolist(), want=y[order].tolist())


@observe
def turned_between_walks(tt: Any, order: Any, later: Any) -> Any:
    order = list(order)
    loader = tt.DataLoader(range(100), 2, sampler=order)
    first = [b.tolist() for b in loader]
    order[:] = later
    return {"first": first, "then": [b.tolist() for b in loader], "len": len(loader)}


def test_sampler_is_walked_anew() -> None:
    """08.12 A list that is another one before the second walk, and longer."""
    a, b, c = integer(40, 30, 49), integer(7, 1, 29), integer(60, 50, 99)
    got = turned_between_walks([a, b], [c, a, 2])
    assert_equal(got, want={"first": [[a, b]], "then": [[c, a], [2]], "len": 2})


@observe
def told_epochs(tt: Any, epoch: int) -> Any:
    class Told:
        def __len__(self):
            return 3

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __iter__(self):  # with yield: it begins when the first index is asked for
            epoch = self.epoch
            yield epoch
            yield from [200, 300 + epoch % 100]

    loader = tt.DataLoader(range(400), 2, sampler=Told())
    pairs = [[a.tolist(), b.tolist()] for a, b in zip(loader, loader, strict=True)]
    loader.load_state_dict({"seed": 0, "epoch": epoch, "seen": 2})
    loaded = [b.tolist() for b in loader]
    nothing = [len(list(tt.DataLoader(range(5), 2, sampler=s))) for s in ([], ())]
    return {"two walks at once": pairs, "loaded": loaded, "of no indices": nothing}


def test_sampler_is_told_the_epoch() -> None:
    """08.12 Two walks at once, then the rest of an epoch whose number is drawn; a sampler without indices."""
    epoch = integer(5, 4, 99)
    want = {"two walks at once": [[[0, 200], [1, 200]], [[300], [301]]]}
    want |= {"loaded": [[300 + epoch]], "of no indices": [0, 0]}
    assert_equal(told_epochs(epoch), want=want)


@observe
def from_an_odd_set(tt: Any, index: Any) -> Any:
    class Odd:  # a set that has samples beyond its length
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return {0: 10, 7: 17, -9: 1}[index]

    return [b.tolist() for b in tt.DataLoader(Odd(), 2, sampler=[0, index])]


def test_sampler_asks_the_data_set() -> None:
    """08.12 Indices beyond the length, which the data set has, and one that it answers by an error of its own."""
    assert_equal([from_an_odd_set(7), from_an_odd_set(-9)], want=[[[10, 17]], [[10, 1]]])
    assert_raises(from_an_odd_set, integer(1, 1, 6), error="KeyError")


@observe(uses=(holding,))
def missing(tt: Any, kind: str, index: int, prefetch: int) -> Any:
    set_ = holding(tt, kind, np.ones((4, 3)), np.arange(4))
    return [list(b) for b in tt.DataLoader(set_, 1, sampler=[0, index], prefetch=prefetch)]


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_sampler_beyond_the_data(kind: str, prefetch: int) -> None:
    """08.12 An index that no sample has."""
    assert_raises(missing, kind, integer(4, 4, 99), prefetch, error="IndexError")


@observe
def streamed(tt: Any, loader: str, values: Any) -> Any:
    asked = []

    class Stream(tt.IterableDataset):
        def __len__(self):
            return len(values)

        def __iter__(self):
            for value in values:
                asked.append(value)
                yield value

    walk = eval(loader, {"data": Stream(), "tt": tt})
    early = len(asked)
    first = next(iter(walk))
    found = {"first": first, "asked": [early, len(asked)]}
    return found | {"batches": list(walk)}


STREAMS = {
    "3": [[0, 1, 2], [3, 4, 5], [6]],
    "3, drop_last=True": [[0, 1, 2], [3, 4, 5]],
    "9": [[0, 1, 2, 3, 4, 5, 6]],
    "2, collate_fn=sum": [1, 5, 9, 6],
    "4, transform=lambda values, rng: values + 1": [[1, 2, 3, 4], [5, 6, 7]],
}


@pytest.mark.parametrize("arguments", STREAMS)
def test_stream_in_its_own_order(arguments: str) -> None:
    """08.13 Batches of a second walk, and how many samples the first batch has asked for."""
    step = integer(1, 2, 9)
    walk = loader(arguments.replace("+ 1", f"+ {step}"))
    got = streamed(walk, list(range(0, 7 * step, step)))
    want = [(np.array(batch) * step).tolist() for batch in STREAMS[arguments]]
    assert_equal([np.asarray(b).tolist() for b in got["batches"]], want=want)
    assert_equal(np.asarray(got["first"]).tolist(), want=want[0])
    assert_equal(got["asked"], want=[0, min(int(arguments[0]), 7)])


@observe
def collected(tt: Any, values: Any, seen: int) -> Any:
    class Lines(tt.IterableDataset):
        def __iter__(self):
            return iter(values)

    found = {}
    for name, source in (("iterated", Lines()), ("by index", values)):
        asked = []

        def collate(samples, asked=asked):
            asked.append(samples)
            return len(samples)

        loader = tt.DataLoader(source, 2, collate_fn=collate)
        loader.load_state_dict({"seed": 0, "epoch": 0, "seen": seen})
        found[name] = [list(loader), asked]
    return found


def test_samples_that_look_like_nothing() -> None:
    """08.13 None, 0, False and an empty text among the samples of a set of either kind."""
    values = [integer(5, 1, 99), None, 0, False, ""]
    want = [[2, 2, 1], [values[:2], values[2:4], values[4:]]]
    assert_equal(collected(values, 0), want={"iterated": want, "by index": want})


def test_batches_before_are_not_made_again() -> None:
    """08.14 What collate_fn is called with where a walk goes on in the middle."""
    values = [integer(5, 1, 99) + i for i in range(5)]
    for seen in (2, 4):
        pieces = [values[i : i + 2] for i in range(seen, 5, 2)]
        want = [[len(piece) for piece in pieces], pieces]
        assert_equal(collected(values, seen), want={"iterated": want, "by index": want})


@observe
def opened(tt: Any, values: Any, own: bool) -> Any:
    counts = [0]

    class Lines(tt.IterableDataset if own else object):
        def __iter__(self):
            counts[0] += 1
            return iter(values)

    loader = tt.DataLoader(Lines(), 2)
    counts.append(counts[0])
    for _ in range(2):
        batches = [batch.tolist() for batch in loader]
        counts.append(counts[0])
    return {"when built, after one epoch, after two": counts[1:], "batches": batches}


@pytest.mark.parametrize("own", [True, False], ids=["IterableDataset", "of no such class"])
def test_stream_is_begun_once_an_epoch(own: bool) -> None:
    """08.13 How often its __iter__ was called; a class with nothing but __iter__ is a stream, too."""
    value = integer(5, 1, 99)
    got = opened([value, 2, 3], own)
    want = {"when built, after one epoch, after two": [0, 1, 2], "batches": [[value, 2], [3]]}
    assert_equal(got, want=want)


@observe(uses=(holding,))
def length(tt: Any, kind: str, count: int) -> Any:
    return len(tt.DataLoader(holding(tt, kind, np.ones((count, 3)), np.arange(count)), 2))


def test_stream_has_no_length() -> None:
    """08.13 len of a loader over a stream that has a length, and over the same samples by index."""
    count = 2 * integer(3, 1, 40)
    assert_equal(length("own", count), want=count // 2)
    assert_raises(length, "stream", count, error="TypeError")


@observe(uses=(holding,))
def padded(tt: Any, kind: str, prefetch: int, x: Any, y: Any) -> Any:
    got = []

    def collate(samples):
        got.append([type(samples).__name__, len(samples), len(samples[0])])
        longest = max(int(label) % 10 for _, label in samples)
        rows = [np.resize(row, int(label) % 10) for row, label in samples]
        return np.array([np.pad(row, (0, longest - len(row))) for row in rows])

    loader = tt.DataLoader(
        holding(tt, kind, x, y), 2, collate_fn=collate, drop_last=True, prefetch=prefetch
    )
    return {"batches": list(loader), "calls": got}


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_collate_fn_makes_the_batch(kind: str, prefetch: int) -> None:
    """08.14 Ragged samples padded to the longest of their batch; how it is called."""
    x, y = normal(5, 3), np.array([1, 3, 2, 2, 4])
    got = padded(kind, prefetch, x, y)
    want = [np.stack([np.append(x[0, :1], [0, 0]), x[1]]), x[2:4, :2]]
    assert_close(got["batches"], want=want)
    assert_equal(got["calls"], want=[["list", 2, 2]] * 2)


@observe
def odd_batches(tt: Any, values: Any) -> Any:
    made = {"none": lambda s: None, "text": str, "number": sum, "dict": lambda s: {"all": s}}
    return {n: list(tt.DataLoader(values, 2, collate_fn=f)) for n, f in made.items()}


def test_collate_fn_may_return_anything() -> None:
    """08.14 None, texts, numbers and dicts as batches."""
    a = integer(1, 1, 99)
    want = {"none": [None] * 2, "text": [f"[{a}, 2]", "[3]"], "number": [a + 2, 3]}
    assert_equal(odd_batches([a, 2, 3]), want=want | {"dict": [{"all": [a, 2]}, {"all": [3]}]})


@observe
def draws(tt: Any, size: int, seed: int, arguments: str, noise: int) -> Any:
    tt.manual_seed(noise)
    kinds, kept = set(), []

    def transform(values, rng):
        kept.append(rng)
        kinds.add(isinstance(rng, np.random.Generator) and rng is not tt.default_generator)
        first = round(rng.random(), 12)
        rng.random(noise)
        return first

    loader = eval(
        f"tt.DataLoader(range(12), {size}, seed={seed}, transform=transform, {arguments})",
        {"tt": tt, "transform": transform},
    )
    found = [[float(b) for b in loader] for _ in range(2)]
    alike = len(kept) - len({id(rng) for rng in kept})
    return {"draws": found, "generators": kinds == {True} and alike == 0}


def test_transform_draws_by_place() -> None:
    """08.15 The first draw of each batch: none alike, the same again, whatever is drawn besides."""
    seed = integer(0, 0, 99)
    got = draws(4, seed, "", 0)
    runs = [got, *(draws(4, seed + more, "", 0) for more in (1, 2**32))]
    values = {v for run in runs for epoch in run["draws"] for v in epoch}
    found = {"each batch has a Generator of its own": got["generators"], "draws": len(values)}
    assert_equal(found, want=dict(zip(found, (True, 18), strict=True)))
    others = {"more drawn": ("", 2), "shuffled": ("shuffle=True", 1), "ahead": ("prefetch=2", 1)}
    for name, how in others.items():
        assert_alike({"one run": got, name: draws(4, seed, *how)}, "one run", name, exactly=True)


def test_transform_draws_by_samples_before() -> None:
    """08.15 Batches of 2 and of 4 that begin at the same sample draw the same."""
    seed = integer(5, 0, 99)
    small, large = draws(2, seed, "", 0)["draws"], draws(4, seed, "", 0)["draws"]
    starts = {"batches of 2": [epoch[::2] for epoch in small], "batches of 4": large}
    assert_alike(starts, "batches of 2", "batches of 4", exactly=True)


@observe
def draws_in_turns(tt: Any, count: int, seed: int) -> Any:
    def transform(values, rng):
        return rng.random()

    loaders = [tt.DataLoader(range(count), 2, seed=seed, transform=transform) for _ in range(2)]
    first, second = list(loaders[0]), list(loaders[0])
    turns = [list(walk) for walk in zip(*zip(loaders[1], loaders[1], strict=True), strict=True)]
    return {
        "one after the other": {"first walk": first, "second walk": second},
        "in turns": dict(zip(("first walk", "second walk"), turns, strict=True)),
    }


def test_transform_draws_for_each_walk() -> None:
    """08.15 Two walks one after the other and in turns: the draws are those of their own epochs."""
    got = draws_in_turns(integer(7, 5, 9), integer(3, 0, 99))
    assert_alike(got, "one after the other", "in turns", exactly=True)


@observe
def transformed_dict(tt: Any, x: Any) -> Any:
    def doubled(batch, rng):
        return {name: 2 * field for name, field in batch.items()}

    samples = [{"image": row, "more": -row} for row in x]
    return list(tt.DataLoader(samples, 2, transform=doubled))


def test_transform_gets_a_dict_whole() -> None:
    """08.15 Of a batch that is a dict there is no first field."""
    x = normal(2, 3)
    (batch,) = transformed_dict(x)
    assert_close(batch, want={"image": 2 * x, "more": -2 * x})


@observe
def transformed(tt: Any, collate: str, x: Any, y: Any) -> Any:
    import collections

    named = collections.namedtuple("Named", "images label")
    collate = eval(collate, {"tt": tt, "np": np, "named": named})
    loader = tt.DataLoader(
        tt.TensorDataset(x, y, y), 2, collate_fn=collate, transform=lambda images, rng: images * 2
    )
    kinds = {True: "tuple", False: "list"}
    return [
        [kinds[isinstance(batch, tuple)] if isinstance(batch, (tuple, list)) else "array", *batch]
        for batch in loader
    ]


def test_transform_changes_the_first_field() -> None:
    """08.15 Batches that are a tuple, a named one, a list, one array."""
    x, y = data(2)
    stacked = "np.stack([s[0] for s in samples])"
    made = {"None": ["tuple", y, y], f"lambda samples: [{stacked}, 'two']": ["list", "two"]}
    made[f"lambda samples: named({stacked}, 'two')"] = ["tuple", "two"]
    for collate, want in made.items():
        (batch,) = transformed(collate, x, y)
        assert_equal([batch[0], *batch[2:]], want=want)
        assert_close(batch[1], want=x * 2)
    (alone,) = transformed(f"lambda samples: {stacked}", x, y)
    assert_close(np.stack(alone[1:]), want=x * 2)


# ---- 08.17: the loader works ahead ---------------------------------------------------------------


@observe(uses=(holding,))
def loaded(tt: Any, kind: str, prefetch: int, x: Any, y: Any) -> Any:
    loader = tt.DataLoader(
        holding(tt, kind, x, y),
        3,
        kind != "stream",
        prefetch=prefetch,
        transform=lambda images, rng: images + rng.normal(size=images.shape),
    )
    found = {}
    for epoch in range(2):
        for number, batch in enumerate(loader):
            found[f"epoch {epoch}, batch {number}"] = [*batch, loader.epoch, loader.seen]
    return found


@pytest.mark.parametrize("prefetch", [1, 2, 7])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_prefetching_changes_nothing(kind: str, prefetch: int) -> None:
    """08.17 Two epochs of every kind of data set: batches, draws and books, with a thread and without."""
    x, y = data(11)
    runs = {"prefetch=0": loaded(kind, 0, x, y), "with a thread": loaded(kind, prefetch, x, y)}
    assert_alike(runs, "prefetch=0", "with a thread", exactly=True)


@observe
def made_ahead(tt: Any, kind: str, count: int, prefetch: int) -> Any:
    import threading

    made, own, changed = [], set(), threading.Condition()

    def collate(samples):
        own.add(threading.current_thread() is threading.main_thread())
        with changed:
            made.append(samples[0])
            changed.notify_all()
        return samples[0]

    def transform(number, rng):
        own.add(threading.current_thread() is threading.main_thread())
        return number

    class Stream(tt.IterableDataset):
        def __iter__(self):
            for number in range(count):
                own.add(threading.current_thread() is threading.main_thread())
                yield number

    found, options = [], {"collate_fn": collate, "transform": transform, "prefetch": prefetch}
    options |= {"sampler": range(count)} if kind == "sampler" else {}
    for number in tt.DataLoader(Stream() if kind == "stream" else range(count), 1, **options):
        enough = min(number + 1 + prefetch, count)
        with changed:
            in_time = changed.wait_for(lambda enough=enough: len(made) >= enough, 1)
        threading.Event().wait(0.005)  # too many would be made now
        more = len(made) - number - 1
        found.append(more if more > prefetch + bool(prefetch) else min(more, prefetch))
        if not in_time:
            break
    return {"ahead": found, "on the caller's thread": sorted(own)}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("kind", ["indices", "sampler", "stream"])
def test_loader_makes_batches_meanwhile(kind: str, prefetch: int) -> None:
    """08.17 How many batches wait while the caller holds one, and on which thread they are made."""
    count = integer(8, 6, 12)
    ahead = [min(prefetch, n) for n in range(count - 1, -1, -1)]
    want = {"ahead": ahead, "on the caller's thread": [prefetch == 0]}
    assert_equal(made_ahead(kind, count, prefetch), want=want)


@observe
def alive(tt: Any, kind: str, count: int, prefetch: int) -> Any:
    import threading
    import weakref

    made = []

    def collate(samples):
        batch = np.array(samples)
        made.append(weakref.ref(batch))
        return batch

    class Stream(tt.IterableDataset):
        def __iter__(self):
            return iter(range(count))

    data = Stream() if kind == "stream" else range(count)
    loader = tt.DataLoader(data, 2, collate_fn=collate, prefetch=prefetch)
    most = []
    for _ in loader:
        threading.Event().wait(0.002)  # too many would be made now
        most.append(sum(batch() is not None for batch in made))
    return [len(most), max(most)]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("kind", ["indices", "stream"])
def test_loader_holds_few_batches(kind: str, prefetch: int) -> None:
    """08.17 How many batches are in memory at the same time, of 40 and more."""
    count = integer(40, 40, 60)
    walked, most = alive(kind, 2 * count, prefetch)
    assert_equal(walked, want=count)
    assert_below(most, limit=prefetch + 3, what=f"batches at a time, with prefetch={prefetch}")


@observe
def loop_ends(tt: Any, kind: str, how: str, prefetch: int, bad: int) -> Any:
    import threading

    before, told, seen, problem = set(threading.enumerate()), [], [], KeyError(f"file {bad}")

    class Files(tt.Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, index):
            if how == "a sample that fails" and index == bad:
                raise problem
            return index

    class Stream(tt.IterableDataset):
        def __iter__(self):
            files = Files()
            return (files[index] for index in range(60))

    loader = tt.DataLoader(Stream() if kind == "stream" else Files(), 2, prefetch=prefetch)
    try:
        for batch in loader:
            seen.append(batch.tolist())
            if how == "a loop that fails" and bad in seen[-1]:
                raise problem
            if how == "break" and bad in seen[-1]:
                break
    except KeyError as error:
        told = [error is problem]
        trace, names = error.__traceback__, []
        while trace:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        told += ["__getitem__" in names]
    for _ in range(100):
        left = [t for t in threading.enumerate() if t not in before]
        if left:
            left[0].join(0.01)
    return {"seen": seen, "told": told, "threads left": len(left)}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize(
    ("how", "told"),
    [("break", []), ("a loop that fails", [True, False]), ("a sample that fails", [True, True])],
)
@pytest.mark.parametrize("kind", ["indices", "stream"])
def test_loops_that_end_early(kind: str, how: str, told: Any, prefetch: int) -> None:
    """08.17 What the caller has seen by then, the exception, and the threads that are left."""
    bad = integer(8, 4, 30)
    got = loop_ends(kind, how, prefetch, bad)
    last = bad // 2 + (how != "a sample that fails")
    seen = [[2 * i, 2 * i + 1] for i in range(last)]
    assert_equal(got, want={"seen": seen, "told": told, "threads left": 0})
