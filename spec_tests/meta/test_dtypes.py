"""The dtype rule in words, in the suite and in PyTorch: where they part, it is on a list."""

from __future__ import annotations

import pytest
from support import dtypes
from support.oracle import own


@pytest.mark.parametrize("name", dtypes.EXPRESSIONS)
def test_the_rule_is_pytorchs(name: str) -> None:
    """Wherever PyTorch answers, the rule gives its dtype, but for what OTHERS lists."""
    apart = {}
    for (left, right), answer in zip(dtypes.pairs(name), own("01", f"dtypes/{name}"), strict=True):
        said = dtypes.rule(name, left, right)
        if answer >= 0 and dtypes.DTYPES[int(answer)] != said:
            apart[left, right] = said
    listed = {operand for other, operand in dtypes.OTHERS if other == name}
    assert [pair for pair in apart if not listed & set(pair)] == []


@pytest.mark.parametrize("other", sorted(dtypes.OTHERS), ids=" ".join)
def test_what_is_listed_parts(other: tuple[str, str]) -> None:
    """Each entry of OTHERS is one where PyTorch gives another dtype, or has no answer."""
    name, operand = other
    answers = zip(dtypes.pairs(name), own("01", f"dtypes/{name}"), strict=True)
    asked = [(pair, int(a)) for pair, a in answers if operand in pair]
    assert any(a < 0 or dtypes.DTYPES[a] != dtypes.rule(name, *pair) for pair, a in asked)


def test_the_table_knows_most_answers() -> None:
    """PyTorch answers for more than half: the table is no list of refusals."""
    answers = [a for name in dtypes.EXPRESSIONS for a in own("01", f"dtypes/{name}")]
    assert sum(a >= 0 for a in answers) > len(answers) / 2
