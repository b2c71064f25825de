"""What a search asks of SQLite.

`instr` looks at one byte after the other. GLOB skips to the next place where the first byte occurs,
with the C library's vector instructions, which takes a quarter of the time, but ends at a NUL and
reads UTF-8. A JSON-RPC message has no NUL, and is UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

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

    It may hold for another frame: GLOB does not tell all code points apart, and `instr` does not
    ask what comes first.
    """
    patterns = [_pattern(parts) for parts in wanted.containing]
    texts = [pattern for pattern in patterns if pattern is not None]
    rest = [
        parts for parts, pattern in zip(wanted.containing, patterns, strict=True) if pattern is None
    ]
    in_message = _any([_GLOB] * len(texts) + [_all_in(parts) for parts in rest])
    if wanted.non_messages:
        return f"(NOT {_IS_MESSAGE} OR {in_message})", (*texts, *chain(*rest))
    in_other = _any([_all_in(parts) for parts in wanted.containing])
    parameters = (*texts, *chain(*rest), *chain(*wanted.containing))
    return f"CASE WHEN {_IS_MESSAGE} THEN {in_message} ELSE {in_other} END", parameters


def _any(conditions: Sequence[str]) -> str:
    return f"({' OR '.join(conditions) or 'FALSE'})"


def _all_in(parts: Sequence[bytes]) -> str:
    return f"({' AND '.join([_INSTR] * len(parts))})"


def _pattern(parts: Sequence[bytes]) -> str | None:
    """Return the pattern for GLOB; None for bytes that are not in a text."""
    try:
        texts = [part.decode() for part in parts]
    except UnicodeDecodeError:
        return None
    if any("\0" in text for text in texts):
        return None
    return f"*{'*'.join(_escaped(text) for text in texts)}*"


def _escaped(text: str) -> str:
    return "".join(f"[{each}]" if each in _SPECIAL else each for each in text)
