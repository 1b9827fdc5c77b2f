"""`tito reflect`: predictions are asked for once, measured on the learner's code, judged in words."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest
from small_course import DOUBLING, Course

from tito.course.manifest import ROOT, Kata, load
from tito.course.questions import Question, questions
from tito.learner import reflect
from tito.learner.reflect import verdict
from tito.run.measure import measure, number

QUESTIONS = [(kata, question) for kata in load().katas for question in questions(kata)]
IDS = [f"{kata.id}-{question.id}" for kata, question in QUESTIONS]
ANSWERS = {  # what the reference measures; the explanations speak of these numbers
    "01-two-steps": 8_000_000,
    "01-one-row": 4_000_000,
    "01-the-trap": 1000,
    "02-largest-exponent": 88,
    "02-composed-gelu": 3_600_000,
    "02-awake": 15.9,
    "03-count": 669_706,
    "03-ten-layers": 0.0041,
    "03-snapshot": 4_004_000,
    "04-logits": 819_200_000,
    "04-at-start": 10.82,
    "04-on-top": 2,
    "04-kept": 1,
    "04-smoothed": 0.50,
    "05-what-notes-hold": 10_000_000,
    "05-backward-and-depth": 1,
    "05-one-gradient": 20_000,
    "06-adam-bytes": 16,
    "06-later-step": 0,
    "06-first-step": 1,
    "06-without-correction": 10,
    "06-momentum": 10,
    "07-steps": 157,
    "07-backward-share": 50.3,
    "07-accumulate": 5.9,
    "07-checkpoint": 3,
    "07-clipped": 0.1,
    "08-batches": 80,
    "08-ahead": 3,
    "08-places": 162,
    "08-bytes": 4,
    "08-unseen": 36.5,
    "09-weights": 7282,
    "09-depthwise": 7.89,
    "09-field": 100,
    "09-share": 11.1,
    "09-running": 0.651,
    "10-overlaps": 8,
    "10-untrained": 17,
    "10-pieces": 11,
    "10-embedding": 38.6,
    "10-injected": 7,
    "11-dense": 64.1,
    "11-tied": 38.6,
    "11-onehot": 153.6,
    "11-slowest": 47117,
    "11-lost": 91.5,
    "12-square": 8.41,
    "12-twice": 3.99,
    "12-numbers": 2.36,
    "12-wasted": 49.2,
    "12-sharp": 0.791,
    "13-parameters": 804.1,
    "13-flops": 4.77,
    "13-attention": 8.25,
    "13-guess": 4.22,
    "13-larger": 0.001,
}
measured = cache(measure)
SMALL = """
[[question]]
id = "bytes"
text = "How many bytes is the double of 1,000 float64 numbers?"
unit = "bytes"
tolerance = 0.1
because = "Eight for each."
measure = '''
import numpy as np
import tinytorch as tt
print("noise")
print(tt.double(np.ones(1000)).nbytes)
'''

[[question]]
id = "ratio"
text = "By which factor does double(3) exceed 3?"
unit = "times"
tolerance = 0.0
measure = "import tinytorch as tt; print(tt.double(3.0) / 3)"
"""


@pytest.fixture
def asked(course: Course) -> Course:
    (course.root / "katas" / "01_doubling" / "reflect.toml").write_text(SMALL)
    course.solve("doubling")
    return course


def predict(course: Course, text: str) -> str:
    """What is said of these predictions."""
    (course.root / "reflections").mkdir(exist_ok=True)
    (course.root / "reflections" / "01.toml").write_text(text)
    ran = course.tito("reflect", "01")
    assert ran.code == 0, ran.text
    assert (course.root / "reflections" / "01.toml").read_text() == text
    return ran.text


def test_reveal_compares_what_it_costs(asked: Course) -> None:
    """What a question measures stands there, on both, once it was predicted: it is the answer."""
    said = asked.tito("reveal", "01").text
    assert "8,000 bytes" not in said
    assert "predict it first (2 left): make reflect-01" in said
    predict(asked, 'bytes = 1\nratio = ""\n')
    said = " ".join(asked.tito("reveal", "01").text.replace("│", " ").split())
    assert "predict it first (1 left)" in said
    assert "what it costs" in said
    assert said.count("8,000 bytes") == 2


def test_reflect_asks_first(asked: Course) -> None:
    """The first call writes the questions with empty answers; the second finds none predicted."""
    ran = asked.tito("reflect", "1")
    assert ran.code == 0
    assert "reflections/01.toml has 2 questions" in ran.text
    written = (asked.root / "reflections" / "01.toml").read_text()
    assert "# How many bytes is the double of 1,000 float64 numbers? (unit: bytes)" in written
    assert 'bytes = ""' in written
    text = predict(asked, written)
    assert text.count("not predicted yet: write") == 2
    assert "measured" not in text


def test_reflect_compares(asked: Course) -> None:
    """A prediction stands beside the measurement, with the factor between them and a sentence."""
    text = predict(asked, 'bytes = 4_000\nratio = "2"\n')
    assert "you predicted  4,000 bytes\n  measured       8,000 bytes\n  ratio          0.5" in text
    assert "too low: it is 2 times as much" in text
    assert "Eight for each." in text
    assert "right" in text.partition("ratio")[2]
    assert "1 of 2 predictions are right" in text


def test_reflect_takes_arithmetic(asked: Course) -> None:
    """A prediction may be written as it is thought, with or without quotes and a comment."""
    text = predict(asked, "bytes = 8 * 1000  # eight each\nratio = '4 / 2'\n")
    assert "you predicted  8,000 bytes" in text
    assert "2 of 2 predictions are right" in text
    text = predict(asked, "bytes = 4 MB\nratio = 2x\n")
    assert "'4 MB' is not a number: write bytes = NUMBER in reflections/01.toml" in text


def test_reflect_on_code_that_does_not_run(asked: Course) -> None:
    """A blank, or no number: said, with what to do."""
    asked.write(
        "doubling",
        DOUBLING.replace(
            "return 2 * np.asarray(x)", "raise NotImplementedError('kata 01: double')"
        ),
    )
    text = predict(asked, 'bytes = 8000\nratio = "two"\n')
    assert "nothing yet: NotImplementedError: kata 01: double" in text
    assert "'two' is not a number: write ratio = NUMBER in reflections/01.toml" in text


def test_reflect_refuses(course: Course) -> None:
    """A file that is not TOML, a kata without questions, a locked kata: one message each."""
    assert "kata 01 has no question with a number" in course.tito("reflect", "01").text
    (course.root / "katas" / "01_doubling" / "reflect.toml").write_text(SMALL)
    assert course.tito("reflect", "01").text == "kata 01 is locked: make module-01\n"
    course.solve("doubling")
    (course.root / "reflections").mkdir()
    (course.root / "reflections" / "01.toml").write_text("bytes 4\n")
    ran = course.tito("reflect", "01")
    assert ran.code == 1
    assert "reflections/01.toml cannot be read" in ran.text
    assert "line 1" in ran.text


@pytest.mark.parametrize(
    ("predicted", "measured", "right", "words"),
    [
        (100.0, 109.0, True, "right, within 10%"),
        (50.0, 100.0, False, "too low: it is 2 times as much"),
        (300.0, 100.0, False, "too high: 3 times what it is"),
        (1.0, 100.0, False, "far too low: it is 100 times as much"),
        (0.0, 5.0, False, "it is not 0"),
        (5.0, 0.0, False, "it is 0"),
        (0.0, 0.0, True, "right, within 10%"),
    ],
    ids=["right", "half", "thrice", "far", "nothing", "none", "zero"],
)
def test_verdict_in_words(predicted: float, measured: float, right: bool, words: str) -> None:
    """What is said of a prediction and a measurement."""
    assert verdict(predicted, measured, 0.1) == (right, words)


@pytest.mark.parametrize(("kata", "question"), QUESTIONS, ids=IDS)
def test_questions_are_measured(kata: Kata, question: Question) -> None:
    """On the reference every question has a number, and twice the same."""
    first, second = (run(question, ROOT / "reference") for run in (measured, measure))
    assert isinstance(first, float), first
    assert isinstance(second, float), second
    assert abs(first - second) <= question.tolerance / 4 * abs(first)
    ast.parse(question.measure)
    assert question.id.replace("-", "").isalnum()
    assert [q.id for q in questions(kata)].count(question.id) == 1


@pytest.mark.parametrize(("kata", "question"), QUESTIONS, ids=IDS)
def test_questions_have_the_answer_they_explain(kata: Kata, question: Question) -> None:
    """What the explanations call the answer is right on the reference."""
    number = measured(question, ROOT / "reference")
    assert isinstance(number, float), number
    assert verdict(ANSWERS[f"{kata.id}-{question.id}"], number, question.tolerance)[0], number


@pytest.mark.parametrize("kata", load().katas, ids=lambda kata: kata.id)
def test_every_kata_has_questions(kata: Kata) -> None:
    """Each has some with a number for an answer, and wider ones in its reflect.md."""
    assert 3 <= len(questions(kata)) <= 5
    assert (kata.folder / "reflect.md").read_text(encoding="utf-8").count("\n## ") >= 3


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (4000, 4000.0),
        ("4_000", 4000.0),
        ("819,200,000", 819_200_000.0),
        ("4e3", 4000.0),
        ("784 * 512", 401_408.0),
        ("1,000 * (2 + 3) ** 2 // 7 % 5", 1.0),
        ("-2**2 + 1/4", -3.75),
        ("9**9**9**9", None),
        ("1/0", None),
        ("(-1)**0.5", None),
        ("(" * 300 + "1" + ")" * 300, None),
        ("+".join("1" * 5000), None),
        ("__import__('os').getpid()", None),
        ("[4][0]", None),
        ("x * 2", None),
        ("True + 1", None),
        (0, 0.0),
        ("0,5", None),
        ("4 MB", None),
        ("nan", None),
        (float("inf"), None),
        (True, None),
        ("", None),
    ],
)
def test_what_is_a_number(answer: object, value: float | None) -> None:
    """A comma groups thousands and nothing else, and no number is endless."""
    assert number(answer) == value


def test_measuring_nothing_comparable(tmp_path: Path) -> None:
    """Code that ends with nan, or with a word, is told so instead of compared."""
    for printed in ("float('nan')", "'done'"):
        question = Question("id", "text", "unit", 0.1, f"print({printed})")
        assert str(measure(question, tmp_path)).endswith("is no number to compare with")


def test_the_green_screen_asks_the_first_question(asked: Course) -> None:
    """A kata that is green ends with something to think about, and the command for it."""
    said = asked.tito("test", "01").text.splitlines()
    assert said[-2] == "  reflect  How many bytes is the double of 1,000 float64 numbers?"
    assert said[-1] == "  next     make reflect-01, make module-02: Tripling, 7 minutes"


def test_blank_predictions_are_toml() -> None:
    """What a learner finds can be read, whatever a question holds."""
    for kata in {kata.id: kata for kata, _ in QUESTIONS}.values():
        blank = tomllib.loads(reflect._blank(kata, questions(kata)))
        assert blank == {q.id: "" for q in questions(kata)}
