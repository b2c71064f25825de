"""Looks for a text in the messages of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..recording.analysis.search import SearchPattern, search

if TYPE_CHECKING:
    from ..interface.atomic_store import AtomicSessionStore

__all__ = ["search_log"]

_FOUND = 5_000
"""Frames at most; nobody reads a list of more."""


async def search_log(
    store: AtomicSessionStore, session_id: str, text: str
) -> tuple[list[int], bool]:
    """Return the numbers of the frames with a text, in any case, and whether these are all.

    Raises `SessionNotFound`, `ValueError` for an empty text.
    """
    found: list[int] = []
    async for match in search(store, session_id, SearchPattern.of_text(text, ignore_case=True)):
        if len(found) == _FOUND:
            return found, False
        found.append(match.seq)
    return found, True
