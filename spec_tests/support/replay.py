"""Replayed answers: is there a clause that answers recorded under other seeds would meet?

A plugin, `-p support.replay`. With `--record FILE` every observation's answer is kept. With
`--replay FILES` no learner's code runs: an observation gets the answer that was recorded for the
same call, or else the one at the same place of the same test in the last file. This is the best that
somebody can do who has seen answers and wrote no code.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import observe
from support.observe import ClauseFailure, LearnerError

Answer = tuple[str, Any]  # how it ended, and with what


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", help="keep every answer in this file")
    parser.addoption("--replay", help="answer from these files, separated by commas")


def pytest_configure(config: pytest.Config) -> None:
    record, replay = config.getoption("--record"), config.getoption("--replay")
    tape: Tape = Recorder(Path(record)) if record else Replayer(replay.split(","))
    config.pluginmanager.register(tape)
    observe.remote = tape


class Tape:
    """What stands between a test and the code; knows which test runs."""

    test = ""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.test = item.nodeid.partition("::")[2]

    def __call__(self, function: Callable[..., Any], args: Any, keywords: Any, call: Any) -> Any:
        raise NotImplementedError


class Recorder(Tape):
    """Runs the code, and keeps what it answers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Answer] = {}
        self.places: dict[str, list[Answer]] = defaultdict(list)

    def __call__(self, function: Callable[..., Any], args: Any, keywords: Any, call: Any) -> Any:
        key = _key(function, args, keywords)
        try:
            value = observe.run_here(function, args, keywords, call)
            self._keep(key, ("answer", value))
            return value
        except LearnerError as error:
            self._keep(key, ("error", (error.kinds, error.message)))
            raise
        except ClauseFailure as error:
            self._keep(key, ("failure", error.problem))
            raise

    def _keep(self, key: str, answer: Answer) -> None:
        self.known[key] = answer
        self.places[self.test].append(answer)

    def pytest_sessionfinish(self) -> None:
        self.path.write_bytes(pickle.dumps((self.known, dict(self.places))))


class Replayer(Tape):
    """Runs no code, and answers from what was kept."""

    def __init__(self, paths: list[str]) -> None:
        kept = [pickle.loads(Path(path).read_bytes()) for path in paths]
        self.known = {key: answer for known, _ in kept for key, answer in known.items()}
        self.places, self.turn = kept[-1][1], 0

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        super().pytest_runtest_setup(item)
        self.turn = 0

    def __call__(self, function: Callable[..., Any], args: Any, keywords: Any, call: Any) -> Any:
        places = self.places.get(self.test, [("failure", "nothing was recorded")])
        at_the_place = places[min(self.turn, len(places) - 1)]
        self.turn += 1
        kind, value = self.known.get(_key(function, args, keywords), at_the_place)
        if kind == "error":
            raise LearnerError(*value, None)
        if kind == "failure":
            raise ClauseFailure(value)
        return pickle.loads(pickle.dumps(value))


def _key(function: Callable[..., Any], args: Any, keywords: Any) -> str:
    """One name for one call."""
    content = pickle.dumps((function.__qualname__, args, keywords))
    return hashlib.sha256(content).hexdigest()
