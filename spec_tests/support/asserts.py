"""Verdicts: the only place where something a learner's code returned is compared with anything.

Each helper takes what came back as plain data and says in one message what was expected. A
comparison that a trivial answer would also meet (zeros, the negative, the double) is refused: that
is a defect of the test, and raises TestDefect whatever the learner wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np

from support.observe import ClauseFailure, LearnerError, kinds, same_bits

FACTORS = {"float64": 1e5, "float32": 256.0}  # x eps x M: 2.2e-11 and 3.1e-5, see docs/testing.md
LONG = 1000  # letters that a screen shows of a value
SHORT = 60  # letters in which everybody sees what differs
LATE = " in late digits"  # which depend on the processor: no mistake is known by them
EPS = {name: float(np.finfo(name).eps) for name in FACTORS}


class TestDefect(Exception):
    """A test that could not fail: fix the test, not the learner's code."""

    __test__ = False


def assert_close(got: Any, *, want: Any, terms: Any = None, depth: float = 1.0) -> None:
    """Floats agree to rounding: |got - want| <= factor x eps x M, shapes and float dtypes equal.

    Args:
        got: what the observation returned; an array, or a list or dict of them.
        want: what it should be. Arrays also fix the dtype; Python numbers leave it open.
        terms: M, the magnitude of the terms that were added up; the largest |want| if None.
        depth: how many roundings deep the computation is (a 50-step training: 50).
    """
    if isinstance(want, dict) or (
        isinstance(want, (list, tuple)) and any(isinstance(w, np.ndarray) for w in want)
    ):
        return _each(got, want, lambda g, w: assert_close(g, want=w, terms=terms, depth=depth))
    strict, want = isinstance(want, (np.ndarray, np.generic)), np.asarray(want)
    if got is None or isinstance(got, str):
        problem = "nothing came back" if got is None else "no numbers came back"
        raise ClauseFailure(problem, got=show(got), expected=show(want))
    got = np.asarray(got)
    if got.shape != want.shape:
        raise _compared(
            got,
            want,
            "the shape differs",
            got=f"shape {got.shape}\n{show(got)}",
            expected=f"shape {want.shape}\n{show(want)}",
        )
    if strict and got.dtype != want.dtype:
        raise ClauseFailure(
            "the dtype differs",
            got=f"dtype {got.dtype}",
            expected=f"dtype {want.dtype}",
        )
    limit = tolerance(got, want, terms, depth)
    _refuse_trivial(want, limit)
    wrong = _too_far(got, want, limit)
    if wrong.any():
        failure = _compared(
            got,
            want,
            "the values differ",
            got=show(got),
            expected=show(want),
            note=_first(wrong, got, want),
        )
        failure.limits = [limit]
        raise failure


def assert_equal(got: Any, *, want: Any) -> None:
    """Shapes, indices, counts, texts, dtypes: equal exactly."""
    if isinstance(want, np.ndarray):
        same = isinstance(got, np.ndarray) and got.shape == want.shape and bool((got == want).all())
        if want.size and want.dtype.kind in "iu" and not want.any():
            raise TestDefect(f"zeros would meet {show(want)}: choose inputs with another answer")
    else:
        same = type(got) is type(want) and _same(got, want)
    if not same:
        shown, expected = show(got), show(want)
        if shown == expected and _kind(got) != _kind(want):  # 2.5 as an array reads like the number
            shown, expected = (f"{show(v)}, {_kind(v)}" for v in (got, want))
        problem, note = "the answer differs", _which(got, want)
        if isinstance(want, np.ndarray) and isinstance(got, np.ndarray) and got.shape == want.shape:
            note = _first(got != want, got, want) if (got != want).any() else note
            problem += LATE if _nearly(got, want) else ""
        failure = ClauseFailure(problem, got=shown, expected=expected, note=note)
        failure.answers = [got]
        raise failure


def assert_exact(got: Any, *, want: Any, ulps: float = 0.0, signed: bool = False) -> None:
    """Every element by itself: nan where nan is, the same infinities, finite numbers within `ulps`.

    For what a tolerance hides: infinities, nan, and small values beside large ones.

    Args:
        got: what the observation returned, an array.
        want: an array; it fixes shape and dtype.
        ulps: of the rounding that is allowed, in steps of the dtype at each number; 0 is none.
        signed: whether -0.0 and 0.0 are told apart.
    """
    want, got = np.asarray(want), got if got is None else np.asarray(got)
    if got is None or got.shape != want.shape or got.dtype != want.dtype:
        return assert_close(got, want=want)  # says what differs
    if want.size and not (want != 0).any():
        raise TestDefect(f"zeros would meet {show(want)}: choose inputs with another answer")
    floats = want.dtype.kind == "f"
    finite = np.isfinite(want)
    with np.errstate(all="ignore"):
        limit = np.where(finite, ulps * np.spacing(np.abs(want)), 0.0) if floats else 0.0
        same = got == want
        if floats:
            same |= (np.abs(got - want) <= limit) & finite | np.isnan(got) & np.isnan(want)
    if signed:
        same &= (got != 0) | (np.signbit(got) == np.signbit(want))
    if not same.all():
        note = _first(~same, got, want)
        failure = _compared(
            got, want, "the values differ", got=show(got), expected=show(want), note=note
        )
        failure.limits = [limit]
        raise failure


def assert_close_where_finite(got: Any, *, want: Any) -> None:
    """Finite where the right answer is, and close to it there; elsewhere nan or infinite, whichever."""
    finite = np.isfinite(want)
    if np.shape(got) != finite.shape:
        return assert_close(got, want=want)  # says what differs
    assert_equal(np.isfinite(got), want=finite)
    try:
        assert_close(np.where(finite, got, 0.0), want=np.where(finite, want, 0.0))
    except ClauseFailure as failure:
        failure.got, failure.expected = show(got), show(want)  # not the zeros in place of nan
        raise


def assert_unchanged(got: Any, *, was: Any) -> None:
    """What a call must not write to is as it was before, to the last bit.

    Args:
        got: the arrays afterwards, by name.
        was: the same before. What they hold now is no answer to anything, so no X-ray reads it.
    """
    for name, before in was.items():
        if not same_bits(got[name], before):
            shown = f"as it was before the call:\n{show(before)}"
            failure = ClauseFailure(f"{name} was written to", got=show(got[name]), expected=shown)
            failure.answers = [got[name]]
            raise failure


def assert_alike(runs: Any, first: str, second: str, *, exactly: bool = False) -> None:
    """Two runs that must agree do; the failure says which should equal which.

    Args:
        runs: what came back of each run, by name.
        first, second: the names of the two.
        exactly: to the last bit, not to rounding.
    """
    try:
        check = assert_equal if exactly else assert_close
        check(runs[second], want=runs[first])
    except ClauseFailure as failure:
        part = re.sub(r"^(\d+): ", lambda m: f"part {int(m[1]) + 1}, ", failure.problem)
        failure.problem = f"{second!r} should equal {first!r}: {part}"
        failure.pair = None  # neither is the right answer, so no X-ray reads them
        raise
    except TestDefect:  # no defect here: both are the learner's
        problem, shown = f"zeros in {first!r}", show(runs[first])
        raise ClauseFailure(problem, got=shown, expected="values other than zero") from None


def assert_zeros(got: Any, *, beside: Any) -> None:
    """All zeros, beside something of the same observation that is not (or nothing was computed)."""
    if got is None or np.asarray(got).size == 0 or np.asarray(got).any():
        raise ClauseFailure("zeros were expected", got=show(got), expected="zeros")
    if not np.asarray(beside).any():
        raise ClauseFailure(
            "everything is zero, including values that should not be zero",
            got=show(beside),
            expected="values other than zero",
        )


def assert_below(got: float, *, limit: float, what: str) -> None:
    """A measured quantity (bytes, counts, a ratio) stays at or below a limit."""
    kinds.add("measures")
    if not 0 <= got <= limit:
        raise ClauseFailure(
            f"too much: {what}", got=f"{got:,.6g}", expected=f"at most {limit:,.6g}"
        )


def assert_above(got: float, *, limit: float, what: str) -> None:
    """A measured quantity reaches a limit."""
    kinds.add("measures")
    if not limit <= got < float("inf"):
        raise ClauseFailure(
            f"too little: {what}", got=f"{got:,.6g}", expected=f"at least {limit:,.6g}"
        )


def assert_raises(
    observation: Callable[..., Any],
    *args: Any,
    error: str,
    says: tuple[str, ...] = (),
    **keywords: Any,
) -> None:
    """The call is refused with an error of a kind, whose message names what it should.

    A blank that is not written yet also raises; that never counts.

    Args:
        observation: what to call, with `args` and `keywords`.
        error: the name of the exception, or several joined by "|".
        says: pieces that must stand in the message, such as the value that was wrong.
    """
    kinds.add("refusals")
    try:
        answer = observation(*args, **keywords)
    except LearnerError as refused:
        if "NotImplementedError" in refused.kinds or not set(error.split("|")) & set(refused.kinds):
            if "NotImplementedError" not in refused.kinds:
                refused.expected = f"{error.replace('|', ' or ')}, because this must be refused"
            raise
        missing = [s for s in says if s.lower() not in refused.message.lower()]
        if missing:
            raise ClauseFailure(
                "the error does not say enough",
                got=refused.message,
                expected=f"a message with {' and '.join(map(repr, missing))}",
                frame=refused.frame,
            ) from None
        return
    raise ClauseFailure(
        "this must be refused",
        got=show(answer),
        expected=f"{error.replace('|', ' or ')}{' naming ' + ' and '.join(says) if any(says) else ''}",
    )


def show(value: Any) -> str:
    """A value as a learner would print it, a few lines at most."""
    if not isinstance(value, np.ndarray):
        text = value if isinstance(value, str) else repr(_bare(value))
        left = len(text) - LONG
        return (
            text
            if left <= 0
            else f"{text[: LONG - 100]} ... {left:,} letters more ... {text[-100:]}"
        )
    if value.size > 40 or value.size == 0:
        return f"{np.array2string(value, threshold=8, edgeitems=2, separator=', ')}  shape {value.shape}"
    return np.array2string(value, separator=", ", max_line_width=88)


def _bare(value: Any) -> Any:
    """Plain data whose NumPy numbers are Python's: 4, not array(4)."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.item()
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items()}
    return type(value)(map(_bare, value)) if isinstance(value, (list, tuple)) else value


def _compared(got: Any, want: Any, problem: str, /, **texts: str) -> ClauseFailure:
    """A failure that remembers both sides, so that the X-ray can look at them."""
    failure = ClauseFailure(problem, **texts)
    failure.pair, failure.answers = (got, want), [got]
    return failure


def _same(got: Any, want: Any) -> bool:
    """Equality of plain data, in which an array may stand where something else was expected."""
    if isinstance(got, np.ndarray) or isinstance(want, np.ndarray):
        return type(got) is type(want) and got.shape == want.shape and bool((got == want).all())
    if isinstance(want, dict):
        return (
            isinstance(got, dict)
            and got.keys() == want.keys()
            and all(_same(got[k], v) for k, v in want.items())
        )
    if isinstance(want, (list, tuple)):
        return type(got) is type(want) and len(got) == len(want) and all(map(_same, got, want))
    return bool(got == want)


def _which(got: Any, want: Any) -> str:
    """Which of several named values differ or are too many; in a list, the first that does."""
    if isinstance(want, dict) and isinstance(got, dict):
        names = [k for k, v in want.items() if k not in got or not _same(got[k], v)]
        return f"differs: {', '.join(map(str, [*names, *(k for k in got if k not in want)]))}"
    if isinstance(want, str) and isinstance(got, str) and got.split() == want.split():
        return _spaces(got, want)
    if show(got) != show(want) and len(show(want)) < SHORT:
        return ""
    place, got, want = _deepest(got, want)
    if not place:
        return ""
    if isinstance(got, (list, tuple)) and type(got) is type(want):  # of other lengths
        return f"first difference at {place}: {len(got)} values, expected {len(want)}"
    found, expected = (
        "an array" if isinstance(v, np.ndarray) and v.ndim else show(v)[:SHORT] for v in (got, want)
    )
    if found == expected:
        found, expected = (f"{show(v)[:SHORT]}, {_kind(v)}" for v in (got, want))
    return f"first difference at {place}: {found}, expected {expected}"


def _spaces(got: str, want: str) -> str:
    """The first line of a text that differs in its spaces, which nobody sees on a screen."""
    lines = enumerate(zip_longest(got.split("\n"), want.split("\n")), 1)
    number, both = next((n, both) for n, both in lines if both[0] != both[1])
    found, expected = ("missing" if line is None else repr(line) for line in both)
    return f"they differ in spaces. Line {number} is {found}, expected {expected}"


def _deepest(got: Any, want: Any) -> tuple[str, Any, Any]:
    """Where in lists within lists the first difference is, and both sides of it."""
    lists = isinstance(want, (list, tuple)) and type(got) is type(want) and len(got) == len(want)
    for i, (g, w) in enumerate(zip(got, want, strict=True)) if lists else ():
        if not _same(g, w):
            place, *both = _deepest(g, w)
            return f"[{i}]{place}", both[0], both[1]
    return "", got, want


def tolerance(got: Any, want: Any, terms: Any = None, depth: float = 1.0) -> Any:
    """The tolerance, in absolute terms."""
    dtype = str(np.asarray(got).dtype)
    name = dtype if dtype in FACTORS else "float64"
    finite = np.abs(want[np.isfinite(want)]) if want.size else np.zeros(0)
    magnitude = np.max(finite, initial=0.0) if terms is None else np.abs(terms)
    return depth * FACTORS[name] * EPS[name] * magnitude


def _nearly(got: Any, want: Any) -> bool:
    """Whether each float is right to rounding, relative to its own size."""
    floats = got.dtype == want.dtype and want.dtype.kind == "f" and np.isfinite((got, want)).all()
    return bool(floats and not _too_far(got, want, tolerance(got, want, want)).any())


@np.errstate(invalid="ignore")  # infinity minus infinity
def _too_far(got: Any, want: Any, limit: Any) -> Any:
    """Which elements are farther apart than the tolerance."""
    return ~((np.abs(got - want) <= limit) | (got == want))


def _refuse_trivial(want: Any, limit: Any) -> None:
    """Zeros, the negative and the double all differ from `want` by |want| or more."""
    if want.size == 0 or not np.isfinite(want).all():
        return
    if not (np.abs(want) > limit).any():
        raise TestDefect(
            f"zeros would meet {show(want)}: use assert_zeros(got, beside=...) or other inputs"
        )


def _first(wrong: Any, got: Any, want: Any) -> str:
    """Where the first difference is, where that is not obvious."""
    if wrong.ndim == 0 and show(got) != show(want):
        return ""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f"[{', '.join(map(str, index))}]" if index else "a late digit"
    found, expected = got[index].item(), want[index].item()
    if isinstance(found, float) and isinstance(expected, float):
        digits = 17 if f"{found:.9g}" == f"{expected:.9g}" else 9
        found, expected = f"{found:.{digits}g}", f"{expected:.{digits}g}"
    both = f"{found}, expected {expected}"
    return f"first difference at {where}: {both}; {int(wrong.sum())} of {wrong.size} differ"


def _kind(value: Any) -> str:
    """What a value is, where its text does not tell."""
    if isinstance(value, np.ndarray):
        return f"an array or a NumPy number of dtype {value.dtype}"
    return f"of type {type(value).__name__}"


def _each(got: Any, want: Any, check: Callable[[Any, Any], None]) -> None:
    """Several named values at once; the failure says which."""
    pairs = want.items() if isinstance(want, dict) else enumerate(want)
    kind = dict if isinstance(want, dict) else (list, tuple)
    if (
        not isinstance(got, kind)
        or len(got) != len(want)
        or (kind is dict and set(got) != set(want))
    ):
        keys = list(want) if isinstance(want, dict) else f"{len(want)} values"
        raise ClauseFailure("other values came back", got=show(got), expected=str(keys))
    for key, value in pairs:
        try:
            check(got[key], value)
        except ClauseFailure as failure:
            failure.problem = f"{key}: {failure.problem}"
            failure.answers = list(got.values() if kind is dict else got)
            failure.limits = []  # each answer by its own magnitude
            raise
