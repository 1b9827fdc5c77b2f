"""Kata 08, Data loading: the books of a loader, and how it goes on (katas/08_dataloader/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asserts import (
    assert_alike,
    assert_equal,
    assert_raises,
)
from support.observe import observe
from support.strategies import integer
from test_08_dataloader.holdings import data, holding

# ---- 08.16: going on -----------------------------------------------------------------------------


def stated(tt: Any, kind: str, arguments: str, x: Any, y: Any) -> Any:
    """A loader whose transform draws."""
    known = {"data": holding(tt, kind, x, y), "tt": tt}
    known["shifted"] = lambda images, rng: images + rng.normal(size=images.shape)
    return eval(f"tt.DataLoader(data, 3, transform=shifted, {arguments})", known)


def taken(loader: Any, count: int) -> list[Any]:
    """Some batches of a new walk, which is then broken off."""
    walk = iter(loader)
    return [next(walk) for _ in range(count)]


@observe(uses=(holding, stated, taken))
def gone_on(tt: Any, kind: str, arguments: str, stop: int, x: Any, y: Any, seed: int) -> Any:
    first = stated(tt, kind, f"{arguments}, seed={seed}", x, y)
    found = {"whole": [], "resumed": [], "used": []}
    list(first)
    for number, batch in enumerate(first):
        if number >= stop:
            found["whole"].append(list(batch))
        if number + 1 == stop:
            state = first.state_dict()
    found["whole"] += [list(batch) for batch in first]
    used = stated(tt, kind, arguments, x, y)
    list(used)
    taken(used, 2)
    for name, loader in (("resumed", stated(tt, kind, arguments, x, y)), ("used", used)):
        loader.load_state_dict(dict(state))
        found[name] = [list(batch) for _ in range(2) for batch in loader]
    return {"state": state, **found}


GOING_ON = [
    ("TensorDataset", "shuffle=True"),
    ("own", "shuffle=True, prefetch=2"),
    ("stream", "prefetch=3"),
    ("own", "sampler=[5, 0, 3, 3, 1, 2, 6, 4, 8, 7]"),
    ("TensorDataset", "shuffle=True, drop_last=True"),
]


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize(("kind", "arguments"), GOING_ON, ids=lambda v: v.replace(", ", "-"))
def test_loader_goes_on(kind: str, arguments: str, stop: int) -> None:
    """08.16 Stopped in epoch 1 after one batch and after three, then epoch 2: two other loaders."""
    seed = integer(3, 1, 999)
    got = gone_on(kind, arguments, stop, *data(10), seed)
    assert_equal(got["state"], want={"seed": seed, "epoch": 1, "seen": 3 * stop})
    for name in ("resumed", "used"):
        fields = {k: [f for batch in got[k] for f in batch] for k in ("whole", name)}
        runs = {k: {str(i): f for i, f in enumerate(v)} for k, v in fields.items()}
        assert_alike(runs, "whole", name, exactly=True)


@observe
def books(tt: Any, count: int, size: int, prefetch: int) -> Any:
    loader = tt.DataLoader(range(count), size, seed=np.int64(3), prefetch=prefetch)

    def now():
        state = loader.state_dict()
        told = [loader.epoch, loader.seen, state["epoch"], state["seen"]]
        state["seen"] = 1000
        return told[:2] if told[:2] == told[2:] else told

    kinds = {type(v).__name__ for v in loader.state_dict().values()}
    found = {"before": now(), "walk": []}
    for _ in loader:
        found["walk"].append(now())
    found["after"] = now()
    first, second = iter(loader), iter(loader)
    next(first)
    next(second)
    next(first)
    found["two walks"] = now()
    list(first)
    found["the first has ended"] = now()
    loader.load_state_dict({"seed": np.uint8(0), "epoch": np.int64(5), "seen": np.int32(size)})
    kinds |= {type(v).__name__ for v in loader.state_dict().values()}
    next(second)
    found["loaded"] = now()
    found["rest"] = [b.tolist() for b in loader]
    loader.load_state_dict({"seed": 0, "epoch": 7, "seen": count})
    found["empty rest"] = [len(list(loader)), *now(), len(list(loader))]
    kinds |= {type(v).__name__ for v in loader.state_dict().values()}
    return found | {"kinds": sorted(kinds)}


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_books_of_the_loader(prefetch: int) -> None:
    """08.16 epoch and seen at every moment, with two walks alive, after loading, with nothing left."""
    got = books(8, 3, prefetch)
    want = {"before": [0, 0], "walk": [[0, 3], [0, 6], [0, 8]], "after": [1, 0]}
    want |= {"two walks": [2, 3], "the first has ended": [2, 3], "loaded": [5, 3]}
    want |= {"rest": [[3, 4, 5], [6, 7]], "empty rest": [0, 8, 0, 3], "kinds": ["int"]}
    assert_equal(got, want=want)


@observe
def loaded_meanwhile(tt: Any, seed: int, prefetch: int) -> Any:
    loader = tt.DataLoader(range(8), 2, prefetch=prefetch)
    walk, told = iter(loader), []
    next(walk)
    next(walk)
    loader.load_state_dict({"seed": seed, "epoch": 0, "seen": 2})
    for _ in range(3):
        told.append(loader.state_dict())
        next(walk, None)  # the third time there is nothing left
    return {"states": told, "rest": [batch.tolist() for batch in loader]}


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_walk_from_before_the_loading(prefetch: int) -> None:
    """08.16 A state of the very epoch that is being walked, with a seed that no float holds; the old walk ends."""
    seed = 2**53 + 1 + 2 * integer(4, 0, 99)
    state, rest = {"seed": seed, "epoch": 0, "seen": 2}, [[2, 3], [4, 5], [6, 7]]
    assert_equal(loaded_meanwhile(seed, prefetch), want={"states": [state] * 3, "rest": rest})


@observe
def refused_state(tt: Any, state: Any) -> Any:
    loader = tt.DataLoader(range(9), 2, seed=3)
    taken = next(iter(loader))
    loader.load_state_dict(state)
    return taken


@observe
def after_refused_state(tt: Any, state: Any) -> Any:
    loader = tt.DataLoader(range(9), 2, seed=3)
    walk = iter(loader)
    next(walk)
    try:
        loader.load_state_dict(state)
    except ValueError:
        next(walk)
    return loader.state_dict()


@pytest.mark.parametrize("name", ["seed", "epoch", "seen"])
def test_loader_refuses_states(name: str) -> None:
    """08.16 A number below 0, a float, None; the books go on after it."""
    for value in (integer(-1, -99, -1), 1.5, None):
        state = {"seed": 4, "epoch": 5, "seen": 6} | {name: value}
        assert_raises(refused_state, state, error="ValueError", says=(name, str(value)))
        assert_equal(after_refused_state(state), want={"seed": 3, "epoch": 0, "seen": 4})


@observe
def through_a_file(tt: Any, seed: int) -> Any:
    import os
    import tempfile

    first, second = (tt.DataLoader(range(20), 3, True, seed=s) for s in (seed, 0))
    walk = iter(first)
    next(walk)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "loader")
        tt.save_checkpoint(path, first)
        tt.load_checkpoint(path, second)
    return {"saved": [b.tolist() for b in walk], "loaded": [b.tolist() for b in second]}


def test_loader_goes_on_from_a_file() -> None:
    """08.16 With save_checkpoint and load_checkpoint of kata 07."""
    assert_alike(through_a_file(integer(8, 1, 999)), "saved", "loaded", exactly=True)


# ---- 08.16: any story of walks -------------------------------------------------------------------


class Books:
    """What the README says of walks and books, in plain Python."""

    def __init__(self, order: Any, size: int, drop_last: bool) -> None:
        self.order, self.size, self.drop_last = order, size, drop_last
        self.epoch, self.seen, self.begun, self.writer = 0, 0, False, -1
        self.walks: list[list[int]] = []  # of each its epoch, and how many samples are behind it
        self.places: list[tuple[int, int]] = []  # of all batches: epoch, samples before it

    def begin(self) -> None:
        if self.begun:  # the one before was broken off
            self.epoch, self.seen = self.epoch + 1, 0
        self.begun, self.writer = True, len(self.walks)
        self.walks.append([self.epoch, self.seen])

    def step(self, walk: int) -> Any:
        """The samples of the next batch, or "the end"."""
        epoch, place = self.walks[walk]
        samples = self.order(epoch)[place : place + self.size]
        over = not samples or (self.drop_last and len(samples) < self.size)
        self.walks[walk][1] += len(samples)
        self.places += [] if over else [(epoch, place)]
        if walk == self.writer:
            self.seen = 0 if over else place + len(samples)
            self.epoch, self.begun = epoch + over, not over
        return "the end" if over else samples

    def load(self, epoch: int, seen: int) -> None:
        self.epoch, self.seen, self.begun, self.writer = epoch, seen, False, -1


def told(plan: Any, books: Books) -> tuple[Any, Any]:
    """The steps that a plan makes, and what is to come of each: samples, epoch, seen."""
    steps: list[Any] = []
    want: list[Any] = []
    alive: list[int] = []
    for word, first, second in plan:
        walk, said = alive[first % len(alive)] if alive else len(books.walks), None
        if word == "load":
            steps.append([word, first, second])
            books.load(first, second)
        elif word == "begin" or not alive:
            steps.append(["begin", 0, 0])
            alive.append(len(books.walks))
            books.begin()
        else:
            steps.append([word, walk, 0])
            said = books.step(walk) if word == "next" else None
            if word == "forget" or said == "the end":
                alive.remove(walk)
        want.append([said, books.epoch, books.seen])
    return steps, want


PLANS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "next", "next", "next", "next", "forget", "load"]),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    min_size=4,
    max_size=16,
)


@observe(
    shown="loader = DataLoader(data, {size}, drop_last={drop}, prefetch={prefetch}, collate_fn=...); walks = []  # collate_fn keeps the samples in a list; then, one by one, the steps below"
)
def lived(tt: Any, kind: str, values: Any, steps: Any, size: int, drop: bool, prefetch: int) -> Any:
    class Lines:  # of no class of tinytorch
        def __iter__(self):
            return iter(values)

    class Turning:
        def __len__(self):
            return len(values)

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __iter__(self):  # with yield: it begins when the first index is asked for
            epoch = self.epoch
            for i in range(len(values)):
                yield (i + epoch) % len(values)

    asked, options = [], {"drop_last": drop, "prefetch": prefetch}
    if kind != "rows":
        options["collate_fn"] = lambda samples: asked.append(samples) or {"all": samples}
        options["transform"] = lambda batch, rng: {**batch, "draw": rng.random()}
    if kind == "sampler":
        options["sampler"] = Turning()
    held = tt.TensorDataset(np.array(values)) if kind == "rows" else values
    loader = tt.DataLoader(Lines() if kind == "stream" else held, size, **options)
    walks, found, given, out, draws = [], [], [], [], []
    for word, first, second in steps:
        said = None
        if word == "begin":
            walks.append(iter(loader))
        elif word == "next":
            said, batch = "the end", next(walks[first], None)
            if batch is not None:
                said = batch[0].tolist() if kind == "rows" else batch["all"]
                out.append(said)
                draws.append(0.0 if kind == "rows" else batch["draw"])
        elif word == "forget":
            walks[first] = None
        else:
            state = {"seed": 0, "epoch": first, "seen": second}
            loader.load_state_dict(state)
            given.append([dict(state), state])
        state = loader.state_dict()
        given.append([dict(state), state])
        found.append([said, state["epoch"], state["seen"]])
    changed = sum(before != after for before, after in given)
    return {
        "steps": found,
        "draws": draws,
        "states that changed later": changed,
        "collated": kind == "rows" or prefetch > 0 or asked == out,
    }


CALLS = {
    "begin": "walks.append(iter(loader))",
    "next": "next(walks[{}])",
    "forget": "walks[{}] = None",
    "load": "load_state_dict(epoch {}, seen {})",
}


def written_out(steps: Any, found: Any) -> dict[str, str]:
    """What came of each step, by its call."""
    names = [
        f"{i}. {CALLS[word].format(*numbers)}" for i, (word, *numbers) in enumerate(steps, start=1)
    ]
    said = [
        f"{'' if samples is None else f'{samples}; '}epoch {epoch}, seen {seen}"
        for samples, epoch, seen in found
    ]
    return dict(zip(names, said, strict=True))


def split(step: str) -> list[str]:
    """A word and two numbers, 0 where none is given."""
    return [*step.split("-"), "0", "0"][:3]


def check_story(kind: str, plan: Any, size: int, drop: bool, prefetch: int) -> None:
    """The steps of a plan on a loader of one kind, and whether collate_fn made what was handed out."""
    count, drop = integer(7, 5, 9), drop and size < 6
    values: list[Any] = [100 + i for i in range(count)]
    if kind in ("list", "stream"):
        values[1:4] = [None, 0, False]  # samples like others
    turn = kind == "sampler"
    books = Books(
        lambda epoch: [values[(i + turn * epoch) % count] for i in range(count)], size, drop
    )
    steps, want = told(plan, books)
    got = lived(kind, values, steps, size, drop, prefetch)
    assert_equal(written_out(steps, got["steps"]), want=written_out(steps, want))
    rest = {"states that changed later": 0, "collated": True}
    assert_equal({name: got[name] for name in rest}, want=rest)
    places = {place: set() for place in books.places}
    for place, draw in zip(books.places, got["draws"], strict=True):
        places[place].add(draw)
    assert_equal(
        {"draws of one place": [len(d) for d in places.values()]},
        want={"draws of one place": [1] * len(places)},
    )


KINDS_OF_STORY = ["list", "rows", "sampler", "stream"]
STORIES = {  # the n-th of the walks that are alive takes a step
    "broken off and begun again": "begin next forget begin next next",
    "an older walk goes on when the newer has ended": "begin next begin next-1 next-1 next-1 next-1 next next",
    "an older walk ends first": "begin begin next-1 next next next next next",
    "two walks in turns": "begin begin next next-1 next next-1 next next-1",
    "loaded in the middle": "begin next load-2-5 next next begin next next next begin",
    "loaded twice": "load-1-3 load-3-2 begin next load-3-4 begin next",
    "begun only": "begin begin forget begin next",
}


@pytest.mark.parametrize("drop", [False, True], ids=["all", "drop_last"])
@pytest.mark.parametrize("kind", KINDS_OF_STORY)
@pytest.mark.parametrize("story", STORIES)
def test_story_of_walks(story: str, kind: str, drop: bool) -> None:
    """08.16 What is told here, in batches of four: batches and books after each step."""
    plan = [(word, *map(int, numbers)) for word, *numbers in map(split, STORIES[story].split())]
    check_story(kind, plan, 4, drop, 0)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS_OF_STORY),
    plan=PLANS,
    size=st.integers(1, 9),
    drop=st.booleans(),
)
def test_any_story_of_walks(kind: str, plan: Any, size: int, drop: bool) -> None:
    """08.16 Walks begun, broken off, in turns, states loaded: batches and books after each step."""
    check_story(kind, plan, size, drop, 0)


@settings(max_examples=20)
@given(
    kind=st.sampled_from(["list", "rows", "stream"]),
    plan=PLANS,
    size=st.integers(1, 9),
    drop=st.booleans(),
)
def test_any_story_with_a_thread(kind: str, plan: Any, size: int, drop: bool) -> None:
    """08.17 The same with prefetch=2."""
    check_story(kind, plan, size, drop, 2)


@observe(
    shown="loader = DataLoader(files, {size}, prefetch={prefetch})  # twice walked to its error"
)
def ended_by_an_exception(tt: Any, bad: int, size: int, prefetch: int) -> Any:
    class Files:
        def __len__(self):
            return 60

        def __getitem__(self, index):
            if index == bad:
                raise OSError(f"file {bad}")
            return index

    loader, found = tt.DataLoader(Files(), size, prefetch=prefetch), {}
    for number in ("first", "second"):
        try:
            found[f"samples of the {number}"] = [*loader]
        except OSError:
            found[f"books after the {number}"] = [loader.epoch, loader.seen]
    return found


@pytest.mark.parametrize("prefetch", [0, 2])
def test_books_after_an_exception(prefetch: int) -> None:
    """08.16 A file that cannot be read: epoch and seen after it, and after it has come once more."""
    bad, size = integer(25, 10, 50), integer(4, 2, 9)
    seen = bad // size * size
    want = {"books after the first": [0, seen], "books after the second": [1, seen]}
    assert_equal(ended_by_an_exception(bad, size, prefetch), want=want)
