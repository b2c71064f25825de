"""What a search asks of the server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ...operations.frame_record import KIND_HEADERS
from ...values.query import WantedFrames

__all__ = ["condition_for"]

_HEADERS = ", ".join(map(str, KIND_HEADERS))
_IS_NO_MESSAGE = f"(detail IS NOT NULL AND get_byte(detail, 0) IN ({_HEADERS}))"


@lru_cache(maxsize=64)
def condition_for(wanted: WantedFrames, first: int) -> tuple[str, Sequence[bytes]]:
    """Return a condition that holds for every frame that is wanted, and its parameters.

    They are numbered from `first` on. The condition may hold for other frames: it does not ask
    which part comes first.
    """
    parameters: list[bytes] = []
    choices: list[str] = []
    for parts in wanted.containing:
        terms: list[str] = []
        for part in parts:
            terms.append(f"position(${first + len(parameters)}::bytea IN message) > 0")
            parameters.append(part)
        choices.append(f"({' AND '.join(terms) or 'TRUE'})")
    condition = f"({' OR '.join(choices) or 'FALSE'})"
    if wanted.non_messages:
        condition = f"({_IS_NO_MESSAGE} OR {condition})"
    return condition, tuple(parameters)
