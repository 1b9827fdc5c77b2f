"""How many of a kata's tests a run has reported: all of them, a selection, or too few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tito.course.manifest import Kata, load

SELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob")


def is_selection(config: pytest.Config) -> bool:
    """Whether somebody asked for less than whole katas: -k exp, one test in an editor, one file of several."""
    options = [config.getoption(name, None) for name in SELECTING]
    if any(options) or any("::" in argument for argument in config.args):
        return True
    return any(0 < len(_asked(config, kata)) < len(kata.specs) for kata in _katas())


def lines(config: pytest.Config, ids: Iterable[str], selected: bool) -> Iterator[str]:
    """One line for each kata of which not all tests were reported."""
    reported = Counter(name[5:7] for name in ids)
    for kata in _katas():
        count = reported[kata.id]
        said = f"{count} of {kata.tests} tests of kata {kata.id}"
        if selected and 0 < count < kata.tests:
            yield f"{said}, no verdict"
        elif not selected and count < kata.tests and _asked(config, kata) == kata.specs:
            restore = " ".join(str(spec.relative_to(config.rootpath)) for spec in kata.specs)
            yield f"{said} were reported, so this run is red: git checkout -- {restore}"


@cache
def _katas() -> tuple[Kata, ...]:
    return load().katas


def _asked(config: pytest.Config, kata: Kata) -> tuple[Path, ...]:
    """The files of a kata's spec that a run's arguments name."""
    here = config.invocation_params.dir
    places = [(here / argument).resolve() for argument in config.args]
    return tuple(s for s in kata.specs if any(s.is_relative_to(place) for place in places))
