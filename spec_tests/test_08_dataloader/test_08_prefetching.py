"""Kata 08, Data loading: items made ahead of the caller (katas/08_dataloader/README.md)."""

from __future__ import annotations

from typing import Any

import pytest
from support.asserts import (
    assert_equal,
    assert_raises,
)
from support.observe import observe
from support.strategies import integer, normal

# ---- 08.6: the same items, earlier ---------------------------------------------------------------


@observe
def ahead_of(tt: Any, values: Any, kind: str, ahead: int) -> Any:
    items = {"list": list, "iterator": iter, "generator": lambda v: (x for x in v)}[kind]
    return list(tt.prefetched(items(list(values)), ahead))


@pytest.mark.parametrize("ahead", [1, 2, 30])
@pytest.mark.parametrize("kind", ["list", "iterator", "generator"])
def test_prefetched_gives_the_same_items(kind: str, ahead: int) -> None:
    """08.6 A list, an iterator, a generator, with fewer items than may wait, too."""
    values = [round(float(v), 6) for v in normal(7)]
    assert_equal(ahead_of(values, kind, ahead), want=values)
    assert_equal(ahead_of([], kind, ahead), want=[])


def test_prefetched_gives_odd_items() -> None:
    """08.6 None, False, 0 and empty lists are items like others, and end nothing."""
    values = [integer(7, 1, 9), 0, False, [], "", None, 0.0]
    assert_equal(ahead_of(values, "generator", 2), want=values)


@observe
def objects_ahead(tt: Any, x: Any, ahead: int) -> Any:
    items = [x, x[:0], ValueError("an item"), x > 0, StopIteration(), KeyError, x]
    same = [a is b for a, b in zip(tt.prefetched(items, ahead), items, strict=False)]
    return [same, len(items)]


@pytest.mark.parametrize("ahead", [1, 9])
def test_prefetched_gives_the_objects_themselves(ahead: int) -> None:
    """08.6 Arrays, exceptions and classes as items."""
    assert_equal(objects_ahead(normal(3), ahead), want=[[True] * 7, 7])


@observe
def working(tt: Any, count: int, ahead: int) -> Any:
    import threading

    made, threads, changed = [], set(), threading.Condition()

    def source():
        for number in range(count):
            threads.add(threading.current_thread() is threading.main_thread())
            with changed:
                made.append(number)
                changed.notify_all()
            yield number

    walk, found = tt.prefetched(source(), ahead), []
    early = len(made)
    for number in walk:
        enough = min(number + 1 + ahead, count)
        with changed:
            in_time = changed.wait_for(lambda enough=enough: len(made) >= enough, 1)
        threading.Event().wait(0.02)  # too many would be made now
        found.append(len(made) - number - 1)
        if not in_time:
            break
    return {"before the first": early, "ahead": found, "on the caller's thread": threads == {True}}


@pytest.mark.parametrize("ahead", [1, 3])
def test_prefetched_works_meanwhile(ahead: int) -> None:
    """08.6 How many items beyond the one in hand are made while the caller holds it."""
    count = integer(8, 6, 12)
    got = working(count, ahead)
    limits = [(min(ahead, n), min(ahead + 1, n)) for n in range(count - 1, -1, -1)]
    kept = [min(max(n, low), high) for n, (low, high) in zip(got["ahead"], limits, strict=False)]
    kept += [low for low, _ in limits[len(kept) :]]
    want = {"before the first": 0, "ahead": kept, "on the caller's thread": False}
    assert_equal(got, want=want)


@observe
def begun(tt: Any, ahead: Any, values: Any) -> Any:
    walk = tt.prefetched(values, ahead)
    return type(walk).__name__


@pytest.mark.parametrize("ahead", [0, -2, 1.5, None])
def test_prefetched_refuses(ahead: Any) -> None:
    """08.6 0, below 0, a float and None, before anything is asked for; a drawn one as well."""
    for wrong in (ahead, integer(-3, -99, -1)):
        assert_raises(begun, wrong, [1, 2], error="ValueError", says=("ahead", str(wrong)))


# ---- 08.7: how it ends ---------------------------------------------------------------------------


def going_on(decode: Any) -> Any:
    """An iterator that goes on after an exception, which a generator does not."""

    class Files:
        number = -1

        def __iter__(self):
            return self

        def __next__(self):
            self.number += 1
            return decode(self.number)

    return Files()


@observe(uses=(going_on,))
def broken(tt: Any, good: int, ahead: int, kind: str, source: str) -> Any:
    problem, seen, told, names = eval(kind)(f"picture {good}"), [], "nothing", []

    def decode(number):
        if number == good:
            raise problem
        return number

    generator = (decode(number) for number in range(good + 3))
    walk = tt.prefetched(going_on(decode) if source == "iterator" else generator, ahead)
    try:
        for number in walk:
            seen.append(number)
    except BaseException as error:
        told, trace = f"another {type(error).__name__}", error.__traceback__
        told = "the same object" if error is problem else told
        while trace:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
    lines = "decode" in names
    found = {"before": seen, "came out": told, "with its lines": lines, "after": list(walk)}
    return {"raised": kind, **found}


@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("source", ["generator", "iterator"])
@pytest.mark.parametrize("kind", ["ValueError", "KeyError", "MemoryError", "SystemExit"])
def test_exceptions_come_out(kind: str, source: str, ahead: int) -> None:
    """08.7 A source that fails at its first item and later, and could go on: what came before, the exception."""
    for good in (0, integer(3, 1, 9)):
        got = broken(good, ahead, kind, source)
        want = {"raised": kind, "before": list(range(good)), "came out": "the same object"}
        assert_equal(got, want=want | {"with its lines": True, "after": []})


@observe(uses=(going_on,))
def threads_left(tt: Any, how: str, ahead: int, count: int) -> Any:
    import threading

    before, most = set(threading.enumerate()), 0

    def decode(number):
        if "exception" in how and number == 4:
            raise ValueError("picture 4")
        return number

    def source():
        return (decode(number) for number in range(count))

    seen, kept = [], None
    walk = tt.prefetched(going_on(decode) if "iterator" in how else source(), ahead)
    quiet = len(set(threading.enumerate()) - before)
    try:
        if how == "forgotten":
            seen.append(next(walk))
            walk = None
        for number in walk or ():
            walk = None
            most = max(most, len(set(threading.enumerate()) - before))
            seen.append(number)
            if how == "break" and number == 2:
                break
    except ValueError as error:
        kept = error  # with its traceback, and what the frames in it hold
        seen.append(-1)
    for _ in range(100):
        left = set(threading.enumerate()) - before
        for thread in left:
            thread.join(0.01)
    told = [] if kept is None else [str(kept)]
    return {"seen": seen, "before": quiet, "threads": most, "left": len(left), "told": told}


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize(
    "how", ["last item", "exception", "an iterator's exception", "break", "forgotten"]
)
def test_no_thread_is_left(how: str, ahead: int) -> None:
    """08.7 The threads before the first item, in the walk, and after it."""
    count = integer(40, 30, 50)
    seen = {"last item": list(range(count)), "break": [0, 1, 2], "forgotten": [0]}
    got = threads_left(how, ahead, count)
    want = {"seen": seen.get(how, [0, 1, 2, 3, -1]), "before": 0, "left": 0}
    want |= {"threads": int(how != "forgotten"), "told": ["picture 4"] * ("exception" in how)}
    assert_equal(got, want=want)


@observe
def thread_after_closing(tt: Any, ahead: int, seconds: float) -> Any:
    import threading

    before, busy = set(threading.enumerate()), threading.Event()

    def source():
        yield 0
        busy.set()
        threading.Event().wait(seconds)  # an item that takes its time
        yield 1
        yield from range(2, 9)

    walk = tt.prefetched(source(), ahead)
    first = next(walk)
    busy.wait(1)
    walk.close()
    return {"first": first, "alive": len(set(threading.enumerate()) - before)}


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_thread_in_the_middle_of_an_item_is_waited_for(ahead: int) -> None:
    """08.7 The walk is broken off while the thread makes an item: it has ended when close returns."""
    got = thread_after_closing(ahead, 0.2)
    assert_equal(got, want={"first": 0, "alive": 0})


@observe
def two_at_once(tt: Any, count: int) -> Any:
    walks = [tt.prefetched(range(first, first + count), 2) for first in (0, 100)]
    return [list(pair) for pair in zip(*walks, strict=True)]


def test_two_walks_at_once() -> None:
    """08.7 Each of two walks has a thread of its own, and ends."""
    count = integer(5, 3, 9)
    assert_equal(two_at_once(count), want=[[i, 100 + i] for i in range(count)])
