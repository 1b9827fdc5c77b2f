"""The X-ray names the slip that was made, or nothing: every known slip is made on generic samples.

A row of SLIPS makes one slip; its key, up to a first dash, is the kind that must be named. The
confusion table runs every slip over several sets of samples, seeds and amounts of knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from inspect import unwrap
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.expressions import evaluate
from support.observe import Call, ClauseFailure
from support.xray import REDUCED, Sample, is_odd, read, read_pairs, where, wrote

Slip = Callable[[Sample, Any], Any]
SEEDS = (0, 1, 2)
SETS = {
    "matrices": [(3, 5), (7, 3), (5, 11)],
    "rank-3": [(3, 5, 7), (7, 3, 5)],
    "mixed": [(7,), (3, 5), (5, 3, 7)],
    "vectors": [(5,), (11,), (7,)],
}
every_set = pytest.mark.parametrize("shapes", SETS.values(), ids=SETS)

SAYS = {  # a piece that stands in the sentence of one kind and of no other
    "sign": "exactly the opposite sign",
    "doubled": "exactly twice the expected value",
    "halved": "exactly half the expected value",
    "times elements": "too large by exactly the number of elements",
    "times rows": "too large by exactly the number of rows",
    "over elements": "too small by exactly the number of elements",
    "over rows": "too small by exactly the number of rows",
    "times-root": "too large by the square root of the number of elements",
    "over-root": "too small by the square root of the number of elements",
    "ddof-1": "n/(n-1) times too large, n the number of elements",
    "ddof-0": "(n-1)/n of the expected value, n the number of elements",
    "transposed": "with the axes exchanged",
    "reshaped": "the right numbers in another shape",
    "unbroadcast": "it has the shape of the output",
    "last use": "only the last use of the tensor counts",
    "first use": "only the first use of the tensor counts",
    "one use": "only one use of the tensor counts",
    "kept": "the new gradient plus the old one",
    "stale": "unchanged since before this call",
    "upstream": "the local derivative alone",
    "zero": "everything is zero",
    "missing": "it is None",
    "shifted": "shifted by one place along axis 0",
    "reversed": "reversed along axis 0",
    "permuted": "the right values in the wrong places",
    "dropped": "contributions are dropped",
    "masked": "the entries that differ are all zero",
    "border": "only the border differs",
    "averaged": "the mean along axis 0, repeated",
    "factor": "each slice along axis 0 is right up to a factor of its own",
    "crossed": "normalised over the wrong axis",
    "nan": "nan where the value is finite",
    "inf": "not finite where the value is",
    "precision": "digits are lost",
    "scaled": "times the expected one",
}


def sample(shape: tuple[int, ...], seed: int) -> Sample:
    """A right answer of random numbers, and all that can be known about it."""
    rng = np.random.default_rng([seed, *shape])
    want = rng.normal(size=shape)
    sizes = {"elements": want.size}
    if want.ndim > 1:
        sizes |= {"rows": shape[0], "columns": shape[-1]}
    uses = (use := rng.normal(size=shape), want - use)
    counts = np.where(rng.random(shape) < 0.3, 2.0, 1.0)
    counts.flat[:2] = [1.0, 3.0][: want.size]
    before = rng.normal(size=shape)
    return Sample(want.copy(), want, sizes, (2, *shape), counts, uses, before)


def at(want: Any, places: Any, values: Any) -> Any:
    """A copy in which some entries are others."""
    got = want.copy()
    got[places] = values
    return got


def inside(want: Any) -> Any:
    """Where no index is the first or the last of its axis."""
    mask = np.zeros(want.shape, bool)
    mask[(slice(1, -1),) * want.ndim] = True
    return mask


def along_first(want: Any, factors: Any) -> Any:
    return want * factors.reshape(-1, *[1] * (want.ndim - 1))


def stretched(s: Sample, rng: Any) -> Any:
    """A gradient in the shape of the output, whose sum over the stretched axis is right."""
    part = rng.normal(size=s.want.shape)
    return np.stack([part, s.want - part])


def shifted(want: Any, wrap: bool, step: int) -> Any:
    moved = np.roll(want, step, 0)
    return moved if wrap else at(moved, 0 if step > 0 else -1, 0.0)


def permuted(s: Sample, rng: Any) -> Any:
    return rng.permutation(s.want.ravel()).reshape(s.want.shape)


SLIPS: dict[str, Slip] = {
    "scaled": lambda s, rng: 1.75 * s.want,
    "sign": lambda s, r: -s.want,
    "doubled": lambda s, r: 2 * s.want,
    "halved": lambda s, r: s.want / 2,
    "times elements": lambda s, r: s.want * s.want.size,
    "times rows": lambda s, r: s.want * len(s.want),
    "over elements": lambda s, r: s.want / s.want.size,
    "over rows": lambda s, r: s.want / len(s.want),
    "times-root": lambda s, r: s.want * s.want.size**0.5,
    "over-root": lambda s, r: s.want / s.want.size**0.5,
    "ddof-1": lambda s, r: s.want * s.want.size / (s.want.size - 1),
    "ddof-0": lambda s, r: s.want * (s.want.size - 1) / s.want.size,
    "transposed": lambda s, r: s.want.T,
    "transposed | last two": lambda s, r: np.swapaxes(s.want, -1, -2),
    "reshaped | flat": lambda s, r: s.want.ravel() if s.want.ndim > 1 else s.want[:, None],
    "reshaped | keepdims": lambda s, r: s.want[..., None],
    "unbroadcast": stretched,
    "last use": lambda s, r: s.uses[-1],
    "first use": lambda s, r: s.uses[0],
    "kept": lambda s, r: s.want + s.before,
    "stale": lambda s, r: s.before,
    "upstream": lambda s, r: s.ones,
    "zero": lambda s, r: np.zeros_like(s.want),
    "missing": lambda s, r: None,
    "shifted | around": lambda s, r: shifted(s.want, True, 1),
    "shifted | back": lambda s, r: shifted(s.want, True, -1),
    "shifted | with zeros": lambda s, r: shifted(s.want, False, 1),
    "shifted | back with zeros": lambda s, r: shifted(s.want, False, -1),
    "reversed": lambda s, r: s.want[::-1],
    "permuted": permuted,
    "permuted | rows": lambda s, r: s.want[[1, 0, *range(2, len(s.want))]],
    "dropped": lambda s, r: np.where(s.ones > 1, s.want / s.ones, s.want),
    "dropped | none written": lambda s, r: np.where(s.ones > 1, 0, s.want),
    "masked": lambda s, r: at(s.want, inside(s.want), 0.0),
    "border": lambda s, r: np.where(inside(s.want), s.want, r.normal(size=s.want.shape)),
    "border | last only": lambda s, r: at(s.want, -1, r.normal(size=s.want.shape[1:])),
    "border | zero": lambda s, r: at(s.want, 0, 0.0),
    "averaged": lambda s, r: np.broadcast_to(s.want.mean(0, keepdims=True), s.want.shape).copy(),
    "factor": lambda s, r: along_first(s.want, r.normal(size=len(s.want))),
    "crossed": lambda s, r: along_first(s.want, 1 + r.random(len(s.want))) / np.exp(s.want).sum(0),
    "nan": lambda s, r: at(s.want, -1, np.nan),
    "nan | all": lambda s, r: s.want * np.nan,
    "inf": lambda s, r: at(s.want, 0, np.inf),
    "inf | minus": lambda s, r: at(s.want, 0, -np.inf),
    "precision | float32": lambda s, r: s.want.astype(np.float32).astype(np.float64),
    "precision | epsilon": lambda s, r: s.want * (1 + 1e-7 * r.normal(size=s.want.shape)),
}
MATRICES_ONLY = {"transposed | last two", "factor", "crossed", "times rows", "over rows"}


def kind(name: str) -> str:
    return name.partition(" | ")[0]


def makes_sense(name: str, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Some slips need two axes, and an order of axes has a name only where all ranks are equal."""
    ranks = {len(s) for s in shapes}
    if name == "crossed":
        return ranks == {2}
    if name == "transposed":
        return ranks != {1}
    return name not in MATRICES_ONLY or (1 not in ranks and len(ranks) == 1)


def slipped(name: str, shapes: Sequence[tuple[int, ...]], seed: int) -> list[Sample]:
    """The samples of one slip; where a shape hides it (a transposed vector), the answer is right."""
    samples = [sample(shape, seed) for shape in shapes]
    rng = np.random.default_rng(seed)
    return [replace(s, got=SLIPS[name](s, rng)) for s in samples]


def kinds(text: str) -> list[str]:
    """The kinds whose piece stands in a sentence: one, or none."""
    return [name for name, piece in SAYS.items() if piece in text]


every_slip = pytest.mark.parametrize("name", SLIPS)


# ---- every slip is named -------------------------------------------------------------------------


def test_every_kind_has_a_slip() -> None:
    """Each sentence is tried, and the pieces that tell them apart stand in no other."""
    assert {kind(name) for name in SLIPS} | {"one use"} == set(SAYS)
    for piece in SAYS.values():
        assert kinds(piece) == [next(k for k, p in SAYS.items() if p == piece)]


@every_slip
@every_set
def test_slip_is_named(name: str, shapes: list[tuple[int, ...]]) -> None:
    """Made on every generic sample, a slip is named, under every seed."""
    for seed in SEEDS if makes_sense(name, shapes) else ():
        text = read(slipped(name, shapes, seed))
        assert kinds(text) == [kind(name)], f"seed {seed}: {text or 'nothing was said'}"


@every_slip
def test_right_answers_beside_do_not_hide_it(name: str) -> None:
    """Samples that hold say nothing: the failing ones are explained alone, in any order."""
    shapes = SETS["matrices"]
    wrong = slipped(name, shapes, 3)
    held = [sample(shape, 4) for shape in shapes]
    for order in ([*held, *wrong], [*wrong[::-1], *held]):
        assert kinds(read(order)) == [kind(name)]


@pytest.mark.parametrize("name", [n for n in SLIPS if kind(n) not in ("precision", "upstream")])
def test_slip_in_float32_is_named(name: str) -> None:
    """Rounding of float32 on top of a slip does not hide it."""
    wrong = slipped(name, SETS["matrices"], 5)
    rounded = [
        s if s.got is None else replace(s, got=np.asarray(s.got, np.float32), want=s.want)
        for s in wrong
    ]
    said = kinds(read(rounded))
    assert said in ([kind(name)], []), "never another"
    if kind(name) not in ("dropped", "masked", "border", "permuted"):  # those compare exactly
        assert said == [kind(name)]


def test_confusion() -> None:
    """Every slip, known in part or in full, on one to three samples: never the name of another."""
    wrong, named, total = [], 0, 0
    for name in SLIPS:
        for case in cases(name):
            said = kinds(read(case)) or ["nothing"]
            total, named = total + 1, named + (said == [kind(name)])
            if said not in ([kind(name)], ["nothing"]) and not also_true(kind(name), said[0]):
                wrong.append(f"{name} on {[s.want.shape for s in case]} is called {said}")
    assert wrong == []
    assert named > 0.9 * total, f"{named} of {total} are named"


def cases(name: str) -> list[list[Sample]]:
    """One slip under seeds, sets, numbers of samples, with and without knowledge it does not need."""
    found = []
    for shapes in SETS.values():
        for seed in SEEDS if makes_sense(name, shapes) else ():
            full = slipped(name, shapes, seed)
            bare = [Sample(s.got, s.want) for s in full]
            found += [full, full[:2], full[-1:]]
            found += [] if kind(name) in KNOWING else [bare, bare[-1:]]
    return found


KNOWING = {"unbroadcast", "last use", "first use", "kept", "stale", "upstream", "dropped"} | {
    k for k in SAYS if k.startswith(("times", "over", "ddof"))
}


def also_true(made: str, said: str) -> bool:
    """A row moved by one place is also a value in a wrong place; zero entries are zero."""
    return (made, said) in {
        ("shifted", "permuted"),
        ("reversed", "permuted"),
        ("border", "masked"),
        ("dropped", "masked"),
    }


# ---- and nothing else ----------------------------------------------------------------------------


@every_set
def test_right_answers_get_no_explanation(shapes: list[tuple[int, ...]]) -> None:
    """What is right, to rounding, is not explained."""
    for seed in SEEDS:
        right = [sample(shape, seed) for shape in shapes]
        rounded = [replace(s, got=s.want * (1 + 2e-16)) for s in right]
        assert read(right) == read(rounded) == ""
        assert read_pairs([(s.got, s.want) for s in right]) == ""
    assert read([]) == read_pairs([]) == ""


def test_nan_that_was_given_is_no_overflow() -> None:
    """Where nan or an infinity was given, the X-ray speaks of these, and not of exp."""
    want = np.arange(1.0, 8.0)
    got = np.where(want == 3, np.nan, want)
    given = {"weights": [np.array([1.0, np.inf])], "ids": [1, 2]}
    assert is_odd(given)
    assert not is_odd({"text": "nan", "ids": [1, None]})
    assert "exp overflows" in read_pairs([(got, want)])
    assert "nan or an infinity was given" in read_pairs([(got, want)], is_odd(given))


@every_set
def test_noise_gets_no_explanation(shapes: list[tuple[int, ...]]) -> None:
    """Numbers that have nothing to do with the answer are not explained, however little is known."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = [replace(s, got=rng.normal(size=s.want.shape)) for s in map_samples(shapes, seed)]
        assert read(noise) == read(noise[:1]) == read(noise[-1:]) == ""
        assert read_pairs([(s.got, s.want) for s in noise]) == ""


def map_samples(shapes: Sequence[tuple[int, ...]], seed: int) -> list[Sample]:
    return [sample(shape, seed) for shape in shapes]


@pytest.mark.parametrize("amount", [1.0, 1e-2, 1e-4], ids=str)
def test_noise_in_one_entry_gets_no_explanation(amount: float) -> None:
    """One entry off by something, anywhere, is neither a border nor a matter of precision."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for shapes in (SETS["matrices"], SETS["rank-3"]):
            samples = []
            for s in map_samples(shapes, seed):
                place = tuple(int(rng.integers(n)) for n in s.want.shape)
                samples.append(replace(s, got=at(s.want, place, s.want[place] + amount)))
            assert read(samples) == read(samples[:1]) == ""


def test_two_slips_get_no_name() -> None:
    """Samples with different slips have nothing in common; two at once may have one factor."""
    for first, second in (("sign", "doubled"), ("nan", "sign"), ("missing", "sign")):
        a, b = slipped(first, [(3, 5)], 0), slipped(second, [(5, 7)], 0)
        assert read([*a, *b]) == ""
    wrong = [replace(s, got=-3 * s.want) for s in map_samples(SETS["matrices"], 0)]
    assert read(wrong).startswith("every value is -3 times the expected one")


def test_all_that_was_reduced_are_all_elements() -> None:
    """The mean over everything that became a sum: two names of one count are no two explanations."""
    sums = [
        replace(
            s, got=s.want * s.want.size, sizes=dict.fromkeys(("elements", REDUCED), s.want.size)
        )
        for s in map_samples(SETS["vectors"], 0)
    ]
    assert kinds(read(sums)) == ["times elements"]


def test_everything_wrong_is_no_dropped_contribution() -> None:
    """Where every entry is used several times, that all differ says nothing about those uses."""
    s = sample((3, 5), 0)
    noise = np.random.default_rng(1).normal(size=(3, 5))
    assert read([replace(s, got=noise, ones=np.full((3, 5), 2.0))]) == ""


def test_a_large_value_does_not_hide_a_wrong_one() -> None:
    """An entry that is far off is no rounding, even where it is small beside the largest."""
    want = np.array([[1e8, 1.0, -2.0], [3.0, 0.5, 7.0]])
    assert read([Sample(at(want, (0, 1), -1.0), want)]) == ""
    assert kinds(read([Sample(want * (1 + 1e-8), want)])) == ["precision"]


# ---- where a slip has two readings ---------------------------------------------------------------

TWINS = [(2, 3), (3, 2), (2, 2), (2,), (2, 5), (2, 3, 5), (1, 3), (3, 1), (1, 1), ()]


@pytest.mark.parametrize("shape", TWINS, ids=str)
@every_slip
def test_small_shapes_never_mislead(name: str, shape: tuple[int, ...]) -> None:
    """Where n is 2 or sides are equal, the right one or nothing is said, by both doors."""
    for seed in SEEDS if possible(name, shape) else ():
        for said in map(kinds, both_doors(slipped(name, [shape], seed))):
            made = kind(name)
            assert said in ([made], []) or also_true(made, said[0]) or alike(name, shape, said[0])


def both_doors(samples: list[Sample]) -> tuple[str, str]:
    return read(samples), read_pairs([(s.got, s.want) for s in samples])


def possible(name: str, shape: tuple[int, ...]) -> bool:
    """Whether the slip changes anything on this shape at all."""
    if not shape or (kind(name) == "crossed" and len(shape) != 2):
        return kind(name) in ("sign", "doubled", "halved", "zero", "missing")
    if name == "transposed | last two" and len(shape) < 2:
        return False
    if name == "permuted | rows":
        return shape[0] > 1
    return int(np.prod(shape)) > (2 if kind(name) == "dropped" else 1)


def alike(name: str, shape: tuple[int, ...], said: str) -> bool:
    """Two slips that are one and the same on this shape: the same numbers come back."""
    samples = slipped(name, [shape], 0)
    twins = [n for n in SLIPS if kind(n) == said and kind(n) != "factor" and possible(n, shape)]
    others = [slipped(n, [shape], 0)[0].got for n in twins]
    return any(
        np.shape(o) == np.shape(samples[0].got) and np.allclose(o, samples[0].got) for o in others
    )


def test_twice_on_pairs_is_not_a_missing_mean() -> None:
    """With n = 2 a doubling and a sum instead of a mean are one; with other sizes beside, they differ."""
    small, other = slipped("doubled", [(2, 5)], 0), slipped("doubled", [(3, 5)], 0)
    assert read(small) == ""
    assert kinds(read([*small, *other])) == ["doubled"]
    small, other = slipped("times rows", [(2, 5)], 0), slipped("times rows", [(3, 5)], 0)
    assert read(small) == ""
    assert kinds(read([*small, *other])) == ["times rows"]


def test_the_end_of_one_vector_is_no_border() -> None:
    """One wrong number at the end of one vector may be anything; at the end of two it is the end."""
    one, other = slipped("border | last only", [(7,)], 0), slipped("border | last only", [(5,)], 0)
    assert read(one) == read(other) == ""
    assert kinds(read([*one, *other])) == ["border"]


def test_a_square_does_not_tell_rows_from_columns() -> None:
    """Which count it was is said only where the counts differ."""
    square = slipped("times rows", [(3, 3)], 0)
    assert kinds(read(square)) == ["scaled"]
    assert kinds(read([*square, *slipped("times rows", [(3, 5)], 0)])) == ["times rows"]


def test_an_axis_too_many_is_no_stretched_axis() -> None:
    """The output's shape with no more numbers than expected is a reshape: nothing is to be summed."""
    s = replace(sample((3, 5), 0), out_shape=(1, 3, 5))
    assert kinds(read([replace(s, got=s.want[None])])) == ["reshaped"]
    wide = np.stack([s.want, np.zeros_like(s.want)])
    assert kinds(read([replace(s, got=wide, out_shape=(2, 3, 5))])) == ["unbroadcast"]
    assert read([replace(s, got=wide + 1, out_shape=(2, 3, 5))]) == ""


def test_equal_uses() -> None:
    """a + a with one use lost is half; a + a + a is one use; which one, nobody can know."""
    use = np.random.default_rng(0).normal(size=(3, 5))
    two = Sample(use, 2 * use, uses=(use, use))
    three = Sample(use, 3 * use, uses=(use, use, use))
    assert kinds(read([two])) == ["halved"]
    assert kinds(read([three])) == ["one use"]
    assert read([two, three]) == ""


def test_the_same_gradient_twice() -> None:
    """Where the old gradient equals the new one, kept is doubled, and only that is said."""
    s = sample((3, 5), 0)
    assert kinds(read([replace(s, got=2 * s.want, before=s.want)])) == ["doubled"]


@pytest.mark.parametrize(
    "name", ["sign", "zero", "transposed", "doubled", "averaged", "shifted | back"]
)
def test_pairs_know_less(name: str) -> None:
    """Of bare pairs all kinds are tried on generic shapes, and only the safest on small ones."""
    generic, small = slipped(name, [(3, 5)], 0), slipped(name, [(2, 3)], 0)
    assert kinds(read_pairs([(s.got, s.want) for s in generic])) == [kind(name)]
    said = kinds(read_pairs([(s.got, s.want) for s in small]))
    assert said == ([kind(name)] if name in ("sign", "zero", "transposed") else [])


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (1, 3, 5), (3,)], ids=str)
def test_zeros_are_zeros_on_axes_of_one(shape: tuple[int, ...]) -> None:
    """An axis of size 1 offers no second reading of zeros."""
    for said in both_doors(slipped("zero", [shape], 0)):
        assert kinds(said) == ["zero"]


@pytest.mark.parametrize("size", [1e-320, 1e-150, 1e150, 1e300], ids=str)
def test_extreme_numbers(size: float) -> None:
    """Numbers at the limits of float64 neither raise nor warn, alone or beside others."""
    for name in SLIPS:
        wrong = slipped(name, [(3, 5)], 0)
        far = [s if s.got is None else replace(s, got=np.asarray(s.got) * size) for s in wrong]
        for said in both_doors([*far, *wrong]):
            assert kinds(said) in ([], [kind(name)], ["masked"]) or kind(name) in ("nan", "inf")


def test_a_tiny_error_beside_a_large_one() -> None:
    """A sample that differs by rounding alone and one that is wrong have nothing in common."""
    near, far = sample((3, 5), 0), sample((5, 7), 0)
    near = replace(near, got=near.want * (1 + 5e-11))
    for got in (at(far.want, 0, 0.0), far.want * (1 + np.arange(7)), far.want + 1):
        assert read([near, replace(far, got=got)]) == ""


def test_small_pairs_are_not_located() -> None:
    """On a few numbers that may be symmetric, places say nothing: 1 - sigmoid is sigmoid reversed."""
    x = np.array([-1.5, 0.0, 1.5])
    assert read_pairs([(1 / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))]) == ""
    assert read_pairs([(np.array([0.0, 0.0, 3.0]), np.array([-2.0, 0.0, 3.0]))]) == ""
    for few in (np.array(1.5), np.array([1.5, -2.0])):
        assert read_pairs([(-few, few)]) == read_pairs([(0 * few, few)]) == ""


def test_scalars_are_left_out_where_there_is_more() -> None:
    """A single number agrees with many slips: where arrays fail too, they decide."""
    wrong = [Sample(np.array(6.0), np.array(3.0)), *slipped("sign", [(3, 5)], 0)]
    assert kinds(read(wrong)) == ["sign"]
    assert kinds(read(wrong[:1])) == ["doubled"]


def test_sentences_are_for_learners() -> None:
    """Every sentence is one line, short, and without an empty word."""
    for name in SLIPS:
        shapes = SETS["matrices"]
        text = read(slipped(name, shapes, 0))
        assert 20 < len(text) < 175, text
        assert "\n" not in text
        assert not text.endswith((".", " "))


# ---- where: what the entries of an operand have in common ----------------------------------------

X = np.array([[-1.5, 0.25, 2.0, -3.0], [0.0, -0.5, 0.0, 4.0], [1.5, -0.75, 0.5, -0.125]])


def failure(got: Any, want: Any, **arguments: Any) -> Any:
    """A comparison that failed, of a call with these arguments."""
    call = SimpleNamespace(arguments=arguments, shown="")
    return SimpleNamespace(pair=(np.asarray(got), np.asarray(want)), call=call)


@pytest.mark.parametrize(
    ("got", "want", "x", "says"),
    [
        (np.where(X < 0, 1, X), X, X, "right except where x is negative"),
        (np.where(X == 0, 1, X), X, X, "right except where x is zero"),
        (np.where(X > 0, 9, X), X, X, "right except where x is positive"),
        (np.where(np.abs(X) > 1, 9, X), X, X, "right except where x is outside of [-1, 1]"),
        (np.where(X < -1, 1, X), X, X + 1, ""),  # two of a sign are chance
        (np.where(X < 1.9, 9, X), X, X - 1.9, ""),  # so are two that are right
        (X + 1, X, X, ""),  # everywhere
        (np.where(X < 0, 1, X), X, X.T, ""),  # no operand of this shape
        (np.where(np.eye(3, 4), 9, X), X, X, ""),  # nothing in common
        (np.where(X > 0, 9, X), X, np.where(X == -3, np.nan, X), ""),  # the nan may have spread
        (X, X, X, ""),
    ],
    ids=["neg", "zero", "pos", "out", "one", "one-right", "all", "shape", "mixed", "nan", "equal"],
)
def test_where_an_answer_differs(got: Any, want: Any, x: Any, says: str) -> None:
    """Said if every such entry differs and no other does."""
    found = where([failure(got, want, x=x)])
    assert found.startswith(says)
    assert bool(found) == bool(says)


def test_an_expression_that_writes_to_its_operands() -> None:
    """Said of expressions alone, which write to nothing themselves, and of every bit: 0 becomes -0."""
    given, evaluated = {"arrays": (np.zeros(3), np.ones(2))}, unwrap(evaluate)
    for text, function, left, says in (
        ("tt.relu(a)", evaluated, (-np.zeros(3), np.ones(2)), "your code wrote to a: "),
        ("a + b", evaluated, (np.ones(3), np.ones((2, 1))), "your code wrote to a and b: "),
        ("a + b", evaluated, given["arrays"], ""),
        ("a.data.fill(1)", evaluated, (np.ones(3), np.ones(2)), ""),
        ("a + b", failure, (np.ones(3), np.ones(2)), ""),
    ):
        arguments = given | {"expression": text}
        failed = ClauseFailure("the values differ")
        failed.call = Call(function, arguments, again=partial(dict, arguments, arrays=left))
        assert wrote(failed).startswith(says)
        assert bool(wrote(failed)) == bool(says)
    failed.problem, failed.call.function = "no answer within 5 s", evaluated
    assert wrote(failed) == ""


def test_where_holds_in_every_comparison() -> None:
    """Special values are exact; one comparison that says otherwise silences all."""
    x = np.array([np.nan, np.inf, 1.0, -np.inf, np.nan])
    bad = failure(np.where(np.isinf(x), np.nan, x), x, arrays=(x,))
    assert where([bad]).startswith("right except where a is infinite")
    assert where([bad, failure(np.where(X < 0, 1, X), X, arrays=(X,))]) == ""
