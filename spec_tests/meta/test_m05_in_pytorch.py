"""The losses that milestone 05 is held to are PyTorch's, and the record is of today's recipe."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.pins  # torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scripts(reference: Any) -> Any:
    """The milestone on the reference, and its twin in PyTorch."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ROOT / "milestones"))
        yield [importlib.import_module(n) for n in ("m05_transformer_2017", "m05_in_pytorch")]


@pytest.mark.timeout(300)
def test_the_record_is_what_pytorch_says(scripts: Any) -> None:
    """Recorded anew, the fifty losses are the same, but for the last digits of another machine."""
    m05, twin = scripts
    record = json.loads(twin.RECORD.read_text("utf-8"))
    text = m05.Text.of(importlib.import_module("tito.milestone.datasets").load_alice(), 0)
    np.testing.assert_allclose(twin.recorded(m05, text), record["losses"], rtol=1e-10)
    assert "python milestones/m05_in_pytorch.py" in record["generated"]


def test_the_rates_are_the_same(scripts: Any) -> None:
    """The schedule of the milestone, and the formula of its twin."""
    m05, twin = scripts
    recipe = m05.RECIPES["shakespeare"]
    trainer = m05.reader(m05.Text.of("abc" * 100, 0), recipe)
    steps = range(recipe.steps + 1)
    ours = [trainer.schedule.lr_at(1.0, step) for step in steps]
    np.testing.assert_allclose(ours, [twin.rate(step, recipe.steps) for step in steps], rtol=1e-12)
    assert max(ours) == 1.0
    assert ours[-1] == pytest.approx(0.1)
