"""What sessions probably are now, so that a change need not begin with a question.

A guess is never believed: the server compares it with what is there, and what a function makes of
a guess alone is not told to anybody before the server has said that the guess was right.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from ...session import Session

__all__ = ["Guess", "Guesses"]

_KEPT = 1024
_LARGE = 16 * 1024


class Guess(NamedTuple):
    """A session, and by which marks the server tells whether it is still so."""

    session: Session
    number: int
    """Of its creation."""
    version: int
    """How often it was changed."""


class Guesses:
    """The last known of the sessions that were changed lately."""

    __slots__ = ("_guesses",)

    def __init__(self) -> None:
        self._guesses: OrderedDict[str, Guess] = OrderedDict()

    def newer(self, known: Guess | None, session_id: str) -> Guess | None:
        """Return the later one of what is known and what is guessed."""
        guess = self._guesses.get(session_id)
        if guess is None or (known is not None and known[1:] >= guess[1:]):
            return known
        return guess

    def note(self, guess: Guess, size: int) -> None:
        """Keep what a session of `size` bytes will be, or is."""
        if size > _LARGE:
            return self.forget(guess.session.id)
        guesses = self._guesses
        guesses[guess.session.id] = guess
        guesses.move_to_end(guess.session.id)
        if len(guesses) > _KEPT:
            guesses.popitem(last=False)
        return None

    def forget(self, session_id: str) -> None:
        """Drop a guess that was wrong."""
        self._guesses.pop(session_id, None)
