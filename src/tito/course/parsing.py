"""A learner's source as a tree, whatever Python warns of."""

from __future__ import annotations

import ast
import warnings


def parsed(source: str | bytes, name: str = "<source>") -> ast.Module:
    r"""A source as a tree. A `\sigma` in a docstring is a warning to Python: it is no error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, name)
