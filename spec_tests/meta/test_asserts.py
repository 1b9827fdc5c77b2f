"""The verdicts are judged: what each helper of support/asserts.py passes, fails and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.asserts import (
    TestDefect,
    assert_above,
    assert_alike,
    assert_below,
    assert_close,
    assert_close_where_finite,
    assert_equal,
    assert_exact,
    assert_raises,
    assert_unchanged,
    assert_zeros,
    show,
)
from support.lessons import fingerprint
from support.observe import ClauseFailure, LearnerError, observe, tested

GRID = np.array([[0.5, -1.25, 2.0], [0.125, 3.5, -0.75]])
RIGHT = {
    "number": np.float64(1.5),
    "vector": np.array([0.25, -3.0, 7.0]),
    "matrix": GRID,
    "with-zeros": np.array([0.0, 0.0, 1.0]),
    "float32": GRID.astype(np.float32),
    "tiny": GRID * 1e-200,
    "huge": GRID * 1e30,
}
SPOILS: dict[str, Callable[[Any], Any]] = {
    "none": lambda x: None,
    "negative": lambda x: -x,
    "double": lambda x: 2 * np.where(x == 0, 1, x).astype(x.dtype),
    "half": lambda x: np.where(x == 0, 1, x).astype(x.dtype) / x.dtype.type(2),
    "zeros": np.zeros_like,
    "ones": lambda x: np.ones_like(x) + (x == 1),
    "nan": lambda x: x + x.dtype.type(np.nan),
    "inf": lambda x: x * 0 + x.dtype.type(np.inf),
    "another-float": lambda x: x.astype(np.float32 if x.dtype == np.float64 else np.float64),
    "integers": lambda x: np.ones(np.shape(x), np.int64),
    "bools": lambda x: x != 0,
    "one-more-axis": lambda x: x[None],
    "objects": lambda x: np.asarray(x).astype(object),
    "empty": lambda x: np.zeros((0, *np.shape(x)), x.dtype),
}
right = pytest.mark.parametrize("want", RIGHT.values(), ids=RIGHT)
spoil = pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)


class Agreeable(np.ndarray):  # type: ignore[type-arg]
    """An array that says yes to every comparison, and vanishes in every difference."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        plain = [np.asarray(x) for x in inputs]
        found = getattr(ufunc, method)(*plain)
        return np.ones_like(found, bool) if found.dtype == bool else np.zeros_like(found)


class Yes:
    """An object that says yes to every comparison."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def failure(check: Callable[..., Any], *args: Any, **keywords: Any) -> ClauseFailure:
    """The failure that a check must end in."""
    with pytest.raises(ClauseFailure) as caught:
        check(*args, **keywords)
    return caught.value


# ---- assert_close --------------------------------------------------------------------------------


@right
def test_close_accepts_what_is_right(want: Any) -> None:
    """The expected values pass, as themselves and as a copy that lies otherwise in memory."""
    assert_close(want, want=want)
    assert_close(np.asfortranarray(want).reshape(want.shape), want=want)
    assert_close([want, want], want=[want, want])
    assert_close({"a": want}, want={"a": want})


@right
@spoil
def test_close_refuses_what_is_wrong(want: Any, spoil: Callable[[Any], Any]) -> None:
    """Nothing trivial, of another sign, size, dtype, shape or finiteness passes for any answer."""
    got = spoil(want)
    said = failure(assert_close, got, want=want)
    assert said.problem.endswith(("differs", "the values differ", "nothing came back"))
    several = [GRID, np.asarray(want)]
    assert failure(assert_close, [GRID, got], want=several).problem.startswith("1: ")
    assert failure(assert_close, {"x": got}, want={"x": want}).problem.startswith("x: ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 99.0, -2.0, 0.0])
@pytest.mark.parametrize("index", [(0, 0), (0, 2), (1, 2)], ids=str)
def test_close_looks_at_every_entry(index: tuple[int, int], value: float) -> None:
    """One wrong entry among right ones is found, and the message says where and what it is."""
    got = GRID.copy()
    got[index] = value
    said = failure(assert_close, got, want=GRID)
    first = f"first difference at [{index[0]}, {index[1]}]: {value:.9g}, expected {GRID[index]:.9g}"
    assert said.note == f"{first}; 1 of 6 differ"
    assert (said.got, said.expected) == (show(got), show(GRID))


def test_late_digits_are_shown() -> None:
    """Two numbers that print alike are shown with all of their digits."""
    want = np.array(0.1)
    said = failure(assert_exact, np.nextafter(want, 1.0), want=want).note
    assert said.startswith("first difference at a late digit: 0.10000000000000002, expected 0.1000")


def test_close_says_the_first_of_several() -> None:
    """The first differing index in reading order, and how many differ; none for a single number."""
    got = GRID.copy()
    got[1] += 1
    said = failure(assert_close, got, want=GRID)
    assert said.note == "first difference at [1, 0]: 1.125, expected 0.125; 3 of 6 differ"
    assert failure(assert_close, 1.0, want=2.0).note == ""


@pytest.mark.parametrize("got", [GRID.T, GRID[None], GRID[0], GRID.ravel()], ids=np.shape)
def test_close_never_broadcasts(got: Any) -> None:
    """Another shape is named on both sides, with the values, also where it would broadcast."""
    said = failure(assert_close, got, want=GRID)
    assert said.problem == "the shape differs"
    assert said.got == f"shape {got.shape}\n{show(got)}"
    assert said.expected == f"shape (2, 3)\n{show(GRID)}"


def test_close_names_both_dtypes() -> None:
    """A float32 where float64 is expected is a failure of its own kind, and so is the reverse."""
    said = failure(assert_close, GRID.astype(np.float32), want=GRID)
    assert said.problem == "the dtype differs"
    assert said.got == "dtype float32"
    assert said.expected.startswith("dtype float64")
    said = failure(assert_close, GRID, want=GRID.astype(np.float32))
    assert (said.got, said.expected[:13]) == ("dtype float64", "dtype float32")


def test_close_leaves_the_dtype_open_for_numbers() -> None:
    """Python numbers fix values and shape; an array or a NumPy number also fixes the dtype."""
    for dtype in (np.float32, np.float64, np.int64):
        assert_close(np.array([1, 2], dtype), want=[1.0, 2.0])
        assert_close(dtype(3), want=3.0)
    assert failure(assert_close, 3.0, want=np.float32(3)).problem == "the dtype differs"


@pytest.mark.parametrize(
    ("dtype", "accepted", "refused"),
    [
        (np.float64, (0.0, 5.2e-15, 2.2e-11), (2.3e-11, 3.8e-8, 1e-6)),
        (np.float32, (0.0, 2e-7, 3.0e-5), (3.2e-5, 1e-3)),
    ],
    ids=["float64", "float32"],
)
def test_close_separates(dtype: Any, accepted: Any, refused: Any) -> None:
    """Errors of rounding pass and those of a wrong formula do not, at any scale, in both signs."""
    for scale in (1.0, 1024.0, 2.0**-30):
        want = (np.array([0.25, -1.0, 0.5]) * scale).astype(dtype)
        for sign in (-1, 1):
            for error in accepted:
                assert_close((want + sign * error * scale).astype(dtype), want=want)
            for error in refused:
                failure(assert_close, (want + sign * error * scale).astype(dtype), want=want)


def test_close_knows_infinity() -> None:
    """An infinite value is met by the same infinity alone, at its own place."""
    want = np.array([-np.inf, 0.5, np.inf])
    with np.errstate(invalid="ignore"):  # inf - inf
        assert_close(want, want=want)
        for got in (-want, want[::-1].copy(), np.nan * want, [-np.inf, 0.5, 1e308], [0.0] * 3):
            failure(assert_close, np.array(got), want=want)
        failure(assert_close, np.array([-np.inf, 0.6, np.inf]), want=want)


def test_close_measures_against_the_terms() -> None:
    """`terms` is the magnitude that was added up, `depth` how many roundings deep the answer is."""
    want, error = np.array([1.0, -0.5]), 1e-8
    failure(assert_close, want + error, want=want)
    assert_close(want + error, want=want, terms=1000.0)
    assert_close(want + error, want=want, terms=-1000.0)
    assert_close(want + error, want=want, depth=1000)
    failure(assert_close, want + error, want=want, terms=400.0)
    failure(assert_close, {"x": want + error}, want={"x": want}, depth=400)
    assert_close({"x": [want + error]}, want={"x": [want]}, depth=1000)


@pytest.mark.parametrize(
    "want", [0.0, np.zeros(3), np.zeros((2, 2), np.float32), [0.0, -0.0], GRID * 0], ids=repr
)
@pytest.mark.parametrize("got", [None, 1.0, "right"], ids=repr)
def test_close_refuses_to_expect_zeros(want: Any, got: Any) -> None:
    """Zeros as expectation are a defect of the test, whatever came back in that shape."""
    got = want if got == "right" else np.full_like(want, 1.0 if got else 0.0)
    with pytest.raises(TestDefect, match=r"(?s)zeros would meet .*assert_zeros"):
        assert_close(got, want=want)
    with pytest.raises(TestDefect):
        assert_close({"x": got}, want={"x": np.asarray(want)})


def test_close_refuses_limits_that_zeros_would_meet() -> None:
    """Where terms or depth make the limit as large as the answer, zeros would pass: a defect."""
    want = np.array([1e-6, 2e-6])
    for loose in ({"terms": 1e6}, {"depth": 1e12}):
        with pytest.raises(TestDefect):
            assert_close(want, want=want, **loose)


@pytest.mark.parametrize("want", [1.5, np.float64(1.5), [1.0, 2.0], GRID], ids=repr)
def test_close_says_that_nothing_came(want: Any) -> None:
    """None, such as a gradient that was never written, is shown beside what was expected."""
    said = failure(assert_close, None, want=want)
    assert (said.problem, said.got) == ("nothing came back", "None")
    assert said.expected == show(np.asarray(want))


def test_close_remembers_both_sides() -> None:
    """A failure keeps what was compared, for the explanation that stands on the screen."""
    said = failure(assert_close, -GRID, want=GRID)
    assert said.pair is not None
    np.testing.assert_array_equal(said.pair, (-GRID, GRID))
    assert [id(a) for a in said.answers] == [id(said.pair[0])]


@pytest.mark.parametrize("got", [[GRID], [GRID] * 3, None, GRID[0, 0], {"0": GRID, "1": GRID}])
def test_close_counts_parts(got: Any) -> None:
    """Too few or too many values, or no list of them, are a failure, never an error of the test."""
    said = failure(assert_close, got, want=[GRID, GRID])
    assert (said.problem, said.expected) == ("other values came back", "2 values")


@pytest.mark.parametrize("got", [{"a": GRID, "c": GRID}, {"a": GRID}, None, [GRID, GRID]])
def test_close_names_parts(got: Any) -> None:
    """Named values must have just these names."""
    said = failure(assert_close, got, want={"a": GRID, "b": GRID})
    assert (said.problem, said.expected) == ("other values came back", "['a', 'b']")


# ---- assert_equal --------------------------------------------------------------------------------

EQUAL = [
    (3, [4, 0, -3, True, 3.5, "3", None]),
    (True, [False, 1, 1.0, "True", None]),
    ("float32", ["float64", "Float32", "", None, b"float32"]),
    ((2, 3), [(3, 2), [2, 3], (2, 3, 1), (2,), (), None]),
    ([1, 2], [[2, 1], (1, 2), [1], [1, 2, 3], np.array([1, 2])]),
    (None, [0, False, "", [], np.zeros(0)]),
    ({"a": 1, "b": [2]}, [{"a": 1}, {"a": 1, "b": [3]}, {"a": 1, "c": [2]}, {}, None]),
    (np.array([1, 2]), [np.array([1, 3]), np.array([[1, 2]]), np.array([1]), [1, 2], None, 1]),
    (np.array([True, False]), [np.array([False, False]), np.array([True, True]), True]),
    ([None, None], [[None], [None, np.zeros(2)], [np.zeros(2), np.zeros(2)], None]),
]


@pytest.mark.parametrize(("want", "wrong"), EQUAL, ids=[repr(w) for w, _ in EQUAL])
def test_equal_is_exact(want: Any, wrong: list[Any]) -> None:
    """What is equal passes; another value, type, length, key or nesting fails and shows both."""
    assert_equal(want, want=want)
    for got in wrong:
        said = failure(assert_equal, got, want=want)
        assert said.problem == "the answer differs"
        assert said.got.startswith(show(got))
        assert said.expected.startswith(show(want))
        assert said.got != said.expected


def test_equal_refuses_indices_that_zeros_would_meet() -> None:
    """Integer arrays of zeros are what np.zeros returns: choose other inputs."""
    with pytest.raises(TestDefect, match="zeros would meet"):
        assert_equal(np.zeros(3, np.int64), want=np.zeros(3, np.int64))
    with pytest.raises(TestDefect, match="zeros would meet"):
        assert_equal(np.ones(3, np.int64), want=np.zeros(3, np.int64))
    assert_equal(np.zeros((0, 2), np.int64), want=np.zeros((0, 2), np.int64))


def test_equal_says_which_names_differ() -> None:
    """Of several named values those that differ or are missing are named, the right ones are not."""
    want = {"shape": (2, 3), "dtype": "float32", "values": np.array([1, 2])}
    said = failure(assert_equal, want | {"dtype": "float64"}, want=want)
    assert said.note == "differs: dtype"
    got = {"shape": (2, 3), "values": np.array([1, 3])}
    assert failure(assert_equal, got, want=want).note == "differs: dtype, values"
    assert failure(assert_equal, (2, 2), want=(2, 3)).note == ""


def test_equal_says_where_long_lists_differ() -> None:
    """In lists within lists the first difference has a place, and a NumPy number says what it is."""
    want = [[i, [i + 1, i + 2]] for i in range(20)]
    got = [[i, [i + 1, i + 2 + (i > 16)]] for i in range(20)]
    said = failure(assert_equal, got, want=want).note
    assert said == "first difference at [17][1][1]: 20, expected 19"
    said = failure(assert_equal, [np.asarray(4)], want=[4]).note
    assert said.startswith("first difference at [0]: 4, an array or a NumPy number of dtype int64")


@pytest.mark.parametrize("want", [3, 2.5, "x", True, (1, 2), [1, 2], {"a": 1}, None], ids=repr)
def test_equal_is_not_talked_into_it(want: Any) -> None:
    """An object that says yes to every comparison is not the answer."""
    failure(assert_equal, Yes(), want=want)
    failure(assert_equal, [Yes(), Yes()], want=(want, want))


def test_agreeable_arrays_do_not_pass() -> None:
    """An array subclass that says yes is looked at as what it holds."""
    want = np.array([[1.0, 2.0, 3.0]])
    got = np.array([[1.0, 2.0, 4.0]]).view(Agreeable)
    assert bool((got == want).all()), "it does say yes"
    assert failure(assert_close, got, want=want).note.startswith("first difference at [0, 2]")
    failure(assert_zeros, got, beside=want)


# ---- zeros, limits -------------------------------------------------------------------------------


def test_zeros_needs_something_beside() -> None:
    """Zeros pass only where the same observation also computed something else."""
    assert_zeros(np.zeros(3), beside=GRID)
    assert_zeros([0.0, -0.0], beside=[0.0, 1.0])
    for beside in (np.zeros(3), 0.0, [], False):
        said = failure(assert_zeros, np.zeros(3), beside=beside)
        assert said.problem == "everything is zero, including values that should not be zero"


@pytest.mark.parametrize("got", [None, [], np.zeros((0, 3)), [0, 1e-300], [np.nan], [np.inf, 0]])
def test_zeros_refuses_all_else(got: Any) -> None:
    """Nothing, emptiness, the smallest number and NaN are not zeros."""
    said = failure(assert_zeros, got, beside=GRID)
    assert (said.problem, said.expected) == ("zeros were expected", "zeros")
    assert said.got == show(got)


@pytest.mark.parametrize("got", [8.5, np.nextafter(8, 9), np.inf, np.nan, -1.0, -np.inf])
def test_below_refuses(got: float) -> None:
    """Above the limit, or no measure at all (negative, NaN), fails with both numbers."""
    said = failure(assert_below, got, limit=8, what="bytes held")
    assert said.problem == "too much: bytes held"
    assert (said.got, said.expected) == (f"{got:,.6g}", "at most 8")


@pytest.mark.parametrize("got", [7.5, np.nextafter(8, 7), 0.0, -np.inf, np.nan])
def test_above_refuses(got: float) -> None:
    """Below the limit, or NaN, fails with both numbers."""
    said = failure(assert_above, got, limit=8, what="largest |weight|")
    assert said.problem == "too little: largest |weight|"
    assert (said.got, said.expected) == (f"{got:,.6g}", "at least 8")


def test_limits_belong_to_what_passes() -> None:
    """At the limit itself both pass; thousands are set apart in the message."""
    assert_below(8, limit=8, what="x")
    assert_below(0, limit=8, what="x")
    assert_above(8, limit=8, what="x")
    assert_above(9, limit=8, what="x")
    assert failure(assert_below, 123456, limit=1000, what="x").got == "123,456"


# ---- assert_raises -------------------------------------------------------------------------------


@observe
def raising(tt: Any, kind: str, message: str) -> Any:
    import builtins

    raise getattr(builtins, kind)(message)


@observe
def answering(tt: Any) -> Any:
    return np.array([1.0, 2.0])


@observe
def missing(tt: Any) -> Any:
    return tt.no_such_name


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("ValueError", "ValueError"),
        ("ValueError", "TypeError|ValueError"),
        ("TypeError", "TypeError|ValueError"),
        ("KeyError", "LookupError"),
        ("UnicodeError", "ValueError"),
        ("RecursionError", "RuntimeError"),
    ],
)
def test_raises_accepts_the_kind(kind: str, error: str) -> None:
    """An error of one of the kinds, or of a kind derived from one, is the refusal asked for."""
    assert_raises(raising, kind, "got -3", error=error)
    assert_raises(raising, kind=kind, message="got -3", error=error, says=("-3", "GOT"))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("TypeError", "ValueError"),
        ("Exception", "ValueError"),
        ("AssertionError", "ValueError|TypeError"),
        ("SystemExit", "ValueError"),
        ("LookupError", "KeyError"),
        ("ValueError", "Value"),
        ("ValueError", "ValueErrors"),
    ],
)
def test_raises_refuses_other_kinds(kind: str, error: str) -> None:
    """Another kind of error is not the refusal asked for: the learner sees that error."""
    said = failure(assert_raises, raising, kind, "got -3", error=error)
    assert isinstance(said, LearnerError)
    assert said.got == f"{kind}: got -3"
    kinds = error.replace("|", " or ")
    assert said.expected == f"{kinds}, because this must be refused"


@pytest.mark.parametrize(
    "error", ["NotImplementedError", "RuntimeError", "Exception", "ValueError"]
)
@pytest.mark.parametrize("message", ["kata 05: write add", "not today", ""])
def test_a_blank_never_counts_as_a_refusal(error: str, message: str) -> None:
    """A blank raises NotImplementedError, which is a RuntimeError; nothing was refused by it."""
    said = failure(assert_raises, raising, "NotImplementedError", message, error=error)
    assert isinstance(said, LearnerError)
    assert said.problem.startswith("not written yet: ") == ("kata " in message)


def test_raises_wants_an_error() -> None:
    """An answer instead of an error is shown, beside the kinds and pieces that were expected."""
    said = failure(assert_raises, answering, error="ValueError|TypeError", says=("(2,)", "shape"))
    assert (said.problem, said.got) == ("this must be refused", "[1., 2.]")
    assert said.expected == "ValueError or TypeError naming (2,) and shape"
    assert failure(assert_raises, answering, error="ValueError").expected == "ValueError"


def test_raises_wants_the_message_to_say_it() -> None:
    """Pieces that the message lacks are named, those it has are not; the learner's message is shown."""
    pieces = ("(2, 3)", "Axis 1", "wide")
    said = failure(
        assert_raises, raising, "ValueError", "axis 1 of (2, 3)", error="ValueError", says=pieces
    )
    assert said.problem == "the error does not say enough"
    assert (said.got, said.expected) == ("axis 1 of (2, 3)", "a message with 'wide'")
    said = failure(assert_raises, raising, "ValueError", "", error="ValueError", says=pieces)
    assert said.expected == "a message with '(2, 3)' and 'Axis 1' and 'wide'"


@pytest.mark.parametrize("says", [(), ("wide",)], ids=["kind", "message"])
def test_raises_points_to_the_line(monkeypatch: pytest.MonkeyPatch, says: Any) -> None:
    """A refusal of another kind, or one that says too little, carries the line that raised it."""
    monkeypatch.setattr(tested, "folder", Path(__file__).parent)
    error = "ValueError" if says else "TypeError"
    said = failure(assert_raises, raising, "ValueError", "got -3", error=error, says=says)
    assert said.frame is not None
    assert said.frame.path == __file__
    assert said.frame.text == "raise getattr(builtins, kind)(message)"


def test_a_missing_name_is_no_refusal() -> None:
    """A name that the package lacks is not an error of its own making, of whatever kind."""
    for error in ("AttributeError", "ClauseFailure", "AssertionError", "Exception"):
        said = failure(assert_raises, missing, error=error)
        assert (
            said.problem == "tinytorch.no_such_name does not exist: define it in your kata's file"
        )


# ---- show ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(1.5), "np.float64(1.5)"),
        (np.array(0.5), "0.5"),
        (np.array([1.0, -2.5]), "[ 1. , -2.5]"),
        (np.array([[1, 2], [3, 4]]), "[[1, 2],\n [3, 4]]"),
        (np.zeros((0, 3)), "[]  shape (0, 3)"),
        (np.arange(41), "[ 0,  1, ..., 39, 40]  shape (41,)"),
        ("a text\nof two lines", "a text\nof two lines"),
        ({"a": (1, None)}, "{'a': (1, None)}"),
        (None, "None"),
    ],
    ids=repr,
)
def test_show(value: Any, text: str) -> None:
    """A value as it would be typed; what is large is cut and carries its shape."""
    assert show(value) == text


def test_a_long_text_says_how_much_is_left_out() -> None:
    """Beginning and end stand there; what is between them is counted."""
    text = show("a" * 900 + "b" * 5000 + "c" * 100)
    assert text == "a" * 900 + " ... 5,000 letters more ... " + "c" * 100
    assert show("b" * 1000) == "b" * 1000


def test_show_stays_small() -> None:
    """No array fills the screen, and up to forty numbers are shown whole."""
    assert show(np.arange(40)).count(",") == 39
    for shape in ((1000,), (50, 60), (9, 9, 9)):
        text = show(np.arange(float(np.prod(shape))).reshape(shape))
        assert text.endswith(f"shape {shape}")
        assert text.count("\n") <= 25
        assert max(map(len, text.splitlines())) <= 100


# ---- runs and operands beside one another --------------------------------------------------------


def test_unchanged_passes_and_fails() -> None:
    """To the last bit; the failure names what was written to, and no X-ray reads it."""
    before = {"a": np.array([1.0, 2.0]), "b": np.array([3.0])}
    assert_unchanged({"a": np.array([1.0, 2.0]), "b": np.array([3.0])}, was=before)
    for wrong in (-before["a"], 0 * before["a"], before["a"] + 1e-15, None):
        with pytest.raises(ClauseFailure) as caught:
            assert_unchanged(before | {"a": wrong}, was=before)
        assert caught.value.problem == "a was written to"
        assert caught.value.pair is None
        assert "before the call" in caught.value.expected


def test_unchanged_is_to_the_last_bit() -> None:
    """nan is as it was, -0.0 is not 0.0."""
    before = np.array([np.nan, -0.0, 1.0])
    assert_unchanged({"a": before.copy()}, was={"a": before})
    for wrong in (np.array([np.nan, 0.0, 1.0]), before[:, None], before.astype(np.float32)):
        with pytest.raises(ClauseFailure):
            assert_unchanged({"a": wrong}, was={"a": before})


def test_exact_compares_each_element_by_itself() -> None:
    """Infinities, nan and small values beside large ones, which assert_close lets pass."""
    want = np.array([np.inf, -np.inf, np.nan, 1e30, 1e-30, -0.0])
    assert_exact(want.copy(), want=want, signed=True)
    assert_exact(want + 0.0, want=want)
    assert_exact(want * (1 + 2**-52), want=want, ulps=2)
    for i, wrong in enumerate([1e308, np.inf, 0.0, np.inf, 2e-30, 1e-300]):
        got = want.copy()
        got[i] = wrong
        with pytest.raises(ClauseFailure) as caught:
            assert_exact(got, want=want, ulps=4)
        assert f"first difference at [{i}]" in caught.value.note
    for got in (want + 0.0, want * (1 + 2**-52), want[:5], want.astype(np.float32), None):
        with pytest.raises(ClauseFailure):
            assert_exact(got, want=want, signed=True)
    with pytest.raises(TestDefect):
        assert_exact(np.zeros(2), want=np.zeros(2))


@spoil
def test_exact_refuses_what_is_spoiled(spoil: Callable[[Any], Any]) -> None:
    """No spoiled answer passes."""
    with pytest.raises(ClauseFailure):
        assert_exact(spoil(GRID), want=GRID, ulps=4)


def test_where_finite_leaves_nan_and_infinity_alike() -> None:
    """Which of the two comes out is open, where they come out is not, nor any finite number."""
    want = np.array([1.0, np.nan, 2.0])
    assert_close_where_finite(np.array([1.0, np.inf, 2.0]), want=want)
    for wrong in ([1.0, 3.0, 2.0], [1.0, np.nan, 2.5], [np.nan, np.nan, 2.0]):
        failure(assert_close_where_finite, np.array(wrong), want=want)
    assert failure(assert_close_where_finite, None, want=want).problem == "nothing came back"
    assert "shape" in failure(assert_close_where_finite, want[:2], want=want).problem


def test_alike_says_which_should_equal_which() -> None:
    """Both names stand in the problem; neither run is the right answer, so no X-ray reads them."""
    runs = {"first": np.array([1.0, 2.0, 5.0]), "again": np.array([2.0, 4.0, 10.0])}
    assert_alike(runs | {"again": runs["first"]}, "first", "again")
    with pytest.raises(ClauseFailure) as caught:
        assert_alike(runs, "first", "again")
    assert caught.value.problem == "'again' should equal 'first': the values differ"
    assert caught.value.pair is None
    assert_alike({"x": [0.1], "y": [0.1]}, "x", "y", exactly=True)
    with pytest.raises(ClauseFailure) as caught:
        assert_alike({"x": [0.5], "y": [0.5 + 1e-16]}, "x", "y", exactly=True)
    assert caught.value.problem == "'y' should equal 'x': the answer differs"


def test_two_runs_of_zeros_are_no_defect_of_the_test() -> None:
    """Both are the learner's: the screen says that the first is zero."""
    for exactly in (False, True):
        with pytest.raises(ClauseFailure) as caught:
            assert_alike({"x": np.zeros(3, int), "y": np.zeros(3, int)}, "x", "y", exactly=exactly)
        assert caught.value.problem == "zeros in 'x'"
        assert (caught.value.got, caught.value.expected) == ("[0, 0, 0]", "values other than zero")


def test_the_place_in_an_array_is_shown() -> None:
    """Of numbers that look alike, and of bools and integers."""
    for got, want, both, late in (
        (2.0, 2.0 + 1e-15, "2, expected 2.0000000000000009", " in late digits"),
        (2.0, 2.001, "2, expected 2.001", ""),
        (0.5, np.inf, "0.5, expected inf", ""),
        (False, True, "False, expected True", ""),
        (2**60, 2**60 + 1, f"{2**60}, expected {2**60 + 1}", ""),
    ):
        with pytest.raises(ClauseFailure) as caught:
            assert_equal(np.array([want, got]), want=np.array([want, want]))
        assert caught.value.note == f"first difference at [1]: {both}; 1 of 2 differ"
        assert caught.value.problem == f"the answer differs{late}"
        assert bool(fingerprint(caught.value)) == (not late)  # late digits depend on the processor


def test_spaces_are_shown() -> None:
    """Nobody sees a space at the end of a line, or one on an empty line."""
    for got, want in (("a\n  \nb", "a\n\nb"), ("a\nb ", "a\nb"), ("a\nb\n", "a\nb")):
        with pytest.raises(ClauseFailure) as caught:
            assert_equal(got, want=want)
        assert caught.value.note.startswith("they differ in spaces. Line ")
    assert caught.value.note.endswith("Line 3 is '', expected missing")


def test_types_are_shown_where_texts_are_equal() -> None:
    """2.5 as an array reads like the number: then the types say what differs."""
    with pytest.raises(ClauseFailure) as caught:
        assert_equal(np.array(2.5), want=2.5)
    assert caught.value.got == "2.5, an array or a NumPy number of dtype float64"
    assert caught.value.expected == "2.5, of type float"


def test_a_part_that_differs_brings_all_parts() -> None:
    """A lesson looks at everything that came back, not only at the first wrong number."""
    with pytest.raises(ClauseFailure) as caught:
        assert_close({"loss": 1.5, "w": 0.25}, want={"loss": 2.5, "w": 0.25})
    assert caught.value.answers == [1.5, 0.25]
    assert caught.value.problem == "loss: the values differ"
