"""What a search asks of SQLite.

`instr` looks at one byte after the other. GLOB skips to the next place where the first byte occurs,
with the C library's vector instructions, which takes a quarter of the time, but ends at a NUL and
reads UTF-8. A JSON-RPC message has no NUL, and is UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ...operations.frame_record import KIND_HEADERS
from ...values.query import WantedFrames

__all__ = ["condition_for"]

_SPECIAL = frozenset("[*?")
_HEADERS = ", ".join(f"x'{header:02x}'" for header in KIND_HEADERS)
_IS_MESSAGE = f"(detail IS NULL OR substr(detail, 1, 1) NOT IN ({_HEADERS}))"
_GLOB = "CAST(message AS TEXT) GLOB ?"
_INSTR = "instr(message, ?)"


@lru_cache(maxsize=64)
def condition_for(wanted: WantedFrames) -> tuple[str, Sequence[object]]:
    """Return a condition that holds for every frame that is wanted, and its parameters.

    It may hold for another frame: GLOB does not tell all code points apart.
    """
    patterns = [_pattern(needle) for needle in wanted.containing]
    texts = [pattern for pattern in patterns if pattern is not None]
    rest = [
        needle
        for needle, pattern in zip(wanted.containing, patterns, strict=True)
        if pattern is None
    ]
    in_message = _any([_GLOB] * len(texts) + [_INSTR] * len(rest))
    if wanted.non_messages:
        return f"(NOT {_IS_MESSAGE} OR {in_message})", (*texts, *rest)
    in_other = _any([_INSTR] * len(wanted.containing))
    parameters = (*texts, *rest, *wanted.containing)
    return f"CASE WHEN {_IS_MESSAGE} THEN {in_message} ELSE {in_other} END", parameters


def _any(conditions: Sequence[str]) -> str:
    return f"({' OR '.join(conditions) or 'FALSE'})"


def _pattern(needle: bytes) -> str | None:
    """Return the pattern for GLOB; None for bytes that are not in a text."""
    try:
        text = needle.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    return f"*{''.join(f'[{each}]' if each in _SPECIAL else each for each in text)}*"
