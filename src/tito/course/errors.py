"""What is refused: every foreseeable end of a command is a message."""

from __future__ import annotations


class Refusal(RuntimeError):
    """tito does not do it; the message says why, and what to do instead."""
