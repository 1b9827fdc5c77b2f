"""The X-ray: from what came back and what was expected to the slip that explains the difference.

An explanation is a prediction: had this slip been made, exactly these numbers would have come back.
It is named only if its prediction meets every sample that was tried, and samples are generic: sides
are unequal and no side is 1, where that can be had. One input alone lies often (where n is 2, a
missing mean looks like a doubled value); no explanation is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


@dataclass(frozen=True)
class Sample:
    """One comparison that failed (or held), and what is known about it.

    Attributes:
        got, want: what came back and what was expected.
        sizes: counts that a formula may divide by, by name: {"rows": 3, "elements": 15}.
        out_shape: the shape of the operation's output, for gradients.
        ones: the expected gradient, had the cotangent been all ones.
        uses: the contributions of each use of the tensor, in order.
        before: what stood in `.grad` before.
    """

    got: Any
    want: Array
    sizes: dict[str, int] = field(default_factory=dict)
    out_shape: tuple[int, ...] | None = None
    ones: Array | None = None
    uses: tuple[Array, ...] = ()
    before: Array | None = None


Prediction = tuple[str, str, Callable[[Sample], Array | None]]


def explain(samples: Sequence[Sample], only: tuple[str, ...] = ()) -> str:
    """One sentence for what all failing samples have in common, or nothing.

    Args:
        samples: comparisons of one clause, failing or not, in any order.
        only: the kinds of explanation to try; all if empty.
    """
    failing = [s for s in samples if not _holds(s)]
    telling = [s for s in failing if s.want.size > 1] or failing
    if not telling:
        return ""
    for direct in (_missing, _not_finite, _precision):
        text = direct(telling)
        if text:
            return text
    found: dict[str, str] = {}
    for name, text, predict in _predictions(telling):
        if only and name.split()[0] not in only:
            continue
        if all(_meets(s.got, predict(s)) for s in telling) and not all(
            _meets(s.want, predict(s)) for s in telling
        ):
            found.setdefault(name, text)
    return (
        next(iter(found.values()))
        if len({n.split()[0] for n in found}) == 1 or _ranked(found)
        else _located(telling)
    )


def _ranked(found: dict[str, str]) -> bool:
    """Whether the first of several is a special case of the others, and not a coincidence."""
    return bool(found) and next(iter(found)).split()[0] in (
        "zero",
        "upstream",
        "overwritten",
        "stale",
        "kept",
        "unbroadcast",
        "transposed",
        "reversed",
    )


def _predictions(samples: Sequence[Sample]) -> Iterator[Prediction]:
    """Every explanation that can be tried on all these samples, the most specific first."""
    yield (
        "zero",
        "everything is zero: an array was made, but nothing was written to it, or a mask removed it all",
        lambda s: np.zeros_like(s.want),
    )
    yield from _of_gradients()
    yield from _of_shapes(samples)
    yield "sign", "exactly the opposite sign: a minus is missing or one too many", lambda s: -s.want
    yield from _of_counts(samples)
    yield (
        "doubled",
        "exactly twice the expected value: counted twice, or a factor 1/2 is missing",
        lambda s: 2 * s.want,
    )
    yield (
        "halved",
        "exactly half the expected value: a factor 2 is missing, or one of two uses was lost",
        lambda s: s.want / 2,
    )
    yield from _of_places(samples)
    yield from _of_axes(samples)


def _of_gradients() -> Iterator[Prediction]:
    yield (
        "upstream ignored",
        "this is the local derivative alone: the incoming gradient g is not multiplied in",
        lambda s: s.ones,
    )
    yield (
        "overwritten by the last use",
        "only the last use of the tensor counts: contributions add up, so accumulate with + instead of assigning",
        lambda s: s.uses[-1] if len(s.uses) > 1 else None,
    )
    yield (
        "overwritten by the first use",
        "only the first use of the tensor counts: later contributions must be added to it",
        lambda s: s.uses[0] if len(s.uses) > 1 else None,
    )
    yield (
        "stale",
        "unchanged since before this call: the new gradient was never written",
        lambda s: s.before,
    )
    yield (
        "kept",
        "the new gradient plus the old one: it was not cleared in between",
        lambda s: None if s.before is None else s.before + s.want,
    )


def _of_shapes(samples: Sequence[Sample]) -> Iterator[Prediction]:
    """The right numbers in another shape."""
    if all(
        s.out_shape is not None and np.shape(s.got) == s.out_shape != s.want.shape for s in samples
    ):
        yield (
            "unbroadcast missing",
            "it has the shape of the output: where the forward pass stretched an axis, the backward pass must sum over it",
            lambda s: s.got if _meets(_summed(s.got, s.want.shape), s.want) else None,
        )
    yield (
        "reshaped",
        "the right numbers in another shape: a reshape, or keepdims, is missing",
        lambda s: (
            s.want.reshape(np.shape(s.got))
            if np.size(s.got) == s.want.size and np.shape(s.got) != s.want.shape
            else None
        ),
    )
    ranks = {s.want.ndim for s in samples}
    for order in permutations(range(max(ranks))) if len(ranks) == 1 and max(ranks) > 1 else ():
        if order != tuple(range(len(order))):
            yield (
                f"transposed {order}",
                "the right numbers with the axes exchanged: a transpose is missing or one too many",
                lambda s, order=order: s.want.transpose(order),
            )


def _of_counts(samples: Sequence[Sample]) -> Iterator[Prediction]:
    """A factor that is one of the sizes at hand."""
    for name in dict.fromkeys(n for s in samples for n in s.sizes):
        pairs: list[tuple[str, str, Callable[[float], float]]] = [
            (
                "times",
                f"too large by exactly the number of {name}: a mean became a sum, divide by it",
                lambda n: n,
            ),
            (
                "over",
                f"too small by exactly the number of {name}: it is divided once too often",
                lambda n: 1 / n,
            ),
            (
                "times-root",
                f"too large by the square root of the number of {name}: the scale 1/sqrt is missing",
                lambda n: n**0.5,
            ),
            (
                "over-root",
                f"too small by the square root of the number of {name}: scaled once too often",
                lambda n: n**-0.5,
            ),
            (
                "ddof-1",
                f"n/(n-1) times too large, n the number of {name}: divided by n - 1 where n is meant",
                lambda n: n / (n - 1),
            ),
            (
                "ddof-0",
                f"(n-1)/n of the expected value, n the number of {name}: divided by n where n - 1 is meant",
                lambda n: (n - 1) / n,
            ),
        ]
        for kind, text, factor in pairs:
            yield (
                f"{kind} {name}",
                text,
                lambda s, f=factor, n=name: (
                    s.want * f(s.sizes[n]) if s.sizes.get(n, 1) > 1 else None
                ),
            )


def _of_places(samples: Sequence[Sample]) -> Iterator[Prediction]:
    """The right numbers in other places."""
    for axis in range(min(s.want.ndim for s in samples)):
        yield (
            f"reversed along axis {axis}",
            f"reversed along axis {axis}",
            lambda s, a=axis: np.flip(s.want, a),
        )
        for step in (1, -1):
            yield (
                f"shifted along axis {axis}",
                f"shifted by one place along axis {axis}: off by one",
                lambda s, a=axis, d=step: np.roll(s.want, d, a),
            )


def _of_axes(samples: Sequence[Sample]) -> Iterator[Prediction]:
    """Something taken along a wrong axis."""
    for axis in range(min(s.want.ndim for s in samples)):
        if all(s.want.ndim > 1 or s.want.size > 2 for s in samples):
            yield (
                f"averaged along axis {axis}",
                f"the mean along axis {axis}, repeated: reduced over an axis that should stay",
                lambda s, a=axis: np.broadcast_to(s.want.mean(a, keepdims=True), s.want.shape),
            )
            yield (
                f"factor along axis {axis}",
                f"each slice along axis {axis} is right up to a factor of its own: it is normalised over the wrong axis, or a factor for each slice is missing",
                lambda s, a=axis: _sliced(s, a),
            )


def _sliced(sample: Sample, axis: int) -> Array | None:
    """The closest multiple, slice by slice."""
    got, want = np.asarray(sample.got), sample.want
    if (
        got.shape != want.shape
        or want.ndim < 2
        or want.shape[axis] in (1, want.size)
        or want.shape[axis] < 3
    ):
        return None
    others = tuple(i for i in range(want.ndim) if i != axis)
    power = (want * want).sum(others, keepdims=True)
    scale: Array = (got * want).sum(others, keepdims=True) / np.where(power == 0, 1, power)
    return None if np.ptp(scale) == 0 else scale * want


def _missing(samples: Sequence[Sample]) -> str:
    if all(s.got is None for s in samples):
        return "nothing was ever written there: it is None"
    return ""


def _not_finite(samples: Sequence[Sample]) -> str:
    """Overflow and its kin."""
    bad = [
        s
        for s in samples
        if s.got is not None
        and not np.isfinite(np.asarray(s.got)).all()
        and np.isfinite(s.want).all()
    ]
    if len(bad) < len(samples):
        return ""
    kind = "nan" if np.isnan(np.asarray(bad[0].got)).any() else "inf"
    return f"{kind} where the value is finite: exp overflowed, log(0) or 0/0. Subtract the maximum before exp, or use the log-sum-exp form"


def _precision(samples: Sequence[Sample]) -> str:
    """Nearly right everywhere: rounding of another kind than asked for."""
    errors = [_error(s) for s in samples]
    if all(e is not None and e < 1e-5 for e in errors):
        return f"right to {max(e for e in errors if e is not None):.0e} only: float32 inside a float64 computation, an extra epsilon, or an approximate formula"
    return ""


def _located(samples: Sequence[Sample]) -> str:
    """No explanation, but a place: only entries that are zero are wrong, or only the border."""
    same = [s for s in samples if np.shape(s.got) == s.want.shape and s.want.ndim]
    if len(same) < len(samples) or not same:
        return ""
    wrong = [~np.isclose(s.got, s.want, rtol=1e-9, atol=0) for s in same]
    if all(
        w.any() and not w.all() and not np.asarray(s.got)[w].any()
        for s, w in zip(same, wrong, strict=True)
    ):
        return "the entries that differ are all zero, the others are right: contributions are dropped (z[i] += g keeps only one of repeated indices, np.add.at keeps all)"
    inner = [w[tuple(slice(1, -1) for _ in w.shape)] for w in wrong]
    if all(i.size and not i.any() for i in inner):
        return "only the border differs: padding, stride or a limit is off by one"
    if all(
        np.array_equal(np.sort(np.ravel(s.got)), np.sort(np.ravel(s.want)))
        for s in same
        if s.want.size > 2
    ) and any(s.want.size > 2 for s in same):
        return "the right values in the wrong places: look at the index arithmetic, reshape where transpose is meant, or an inverse permutation"
    return ""


def _error(sample: Sample) -> float | None:
    if np.shape(sample.got) != sample.want.shape or sample.got is None or not sample.want.size:
        return None
    return float(
        np.max(np.abs(sample.got - sample.want)) / max(float(np.max(np.abs(sample.want))), 1e-300)
    )


def _holds(sample: Sample) -> bool:
    return (
        sample.got is not None
        and np.shape(sample.got) == sample.want.shape
        and _meets(sample.got, sample.want, factor=1e-2)
    )


def _meets(got: Any, predicted: Any, factor: float = 1.0) -> bool:
    """Equal to rounding."""
    if got is None or predicted is None or np.shape(got) != np.shape(predicted):
        return False
    got, predicted = np.asarray(got), np.asarray(predicted)
    if not got.size or not (np.isfinite(got).all() and np.isfinite(predicted).all()):
        return False
    limit = factor * TOLERANCE.get(str(got.dtype), 1e-9) * float(np.max(np.abs(predicted)))
    return bool((np.abs(got - predicted) <= limit).all())


def _summed(gradient: Any, shape: tuple[int, ...]) -> Array:
    """Summed over the axes that broadcasting stretched."""
    found: Array = np.asarray(gradient).sum(tuple(range(np.ndim(gradient) - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and found.shape[i] != 1)
    return np.asarray(found.sum(axes, keepdims=True)) if axes else found


def explain_pairs(pairs: Sequence[tuple[Any, Any]]) -> str:
    """Explain comparisons of which nothing but both sides is known.

    On small or square inputs a factor can be a coincidence, so there only the kinds are tried that
    distinct values cannot feign.
    """
    samples = [Sample(got, np.asarray(want)) for got, want in pairs[:200]]
    generic = [s for s in samples if s.want.size >= 5 and 2 not in s.want.shape]
    if generic:
        return explain(generic[:50])
    return explain(
        [s for s in samples if s.want.size >= 3][:50],
        only=("zero", "sign", "transposed", "reshaped"),
    )
