"""Integers of a file: their length is bounded, as reading one takes time quadratic in it."""

from __future__ import annotations

__all__ = ["MAX_DIGITS", "read_integer"]

MAX_DIGITS = 4_300
"""Python's own limit, whose error names neither what was read nor where."""


def read_integer(digits: str) -> int:
    """Return a number that is written so. Raises `ValueError`, which does not quote it."""
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError(
            f"a number of {len(digits.lstrip('-')):,} digits, and at most {MAX_DIGITS:,} are read"
        )
    return int(digits)
