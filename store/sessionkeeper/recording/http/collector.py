"""Collects the bytes of one message as they come, in bounded memory."""

from __future__ import annotations

from hashlib import sha256

from ...values.gap import KEPT_BYTES, Gap
from ..budget import Budget

__all__ = ["TOO_LARGE", "TOO_MUCH", "Collector"]

TOO_LARGE = "larger than the recorder takes"
TOO_MUCH = "recording was too slow"


class Collector:
    """Holds a message of up to `limit` bytes. Of a larger one it keeps what a `Gap` has.

    What it holds is taken from the budget. A message for which the budget has no bytes left becomes
    a gap, too.
    """

    def __init__(self, limit: int, budget: Budget) -> None:
        self._limit = limit
        self._budget = budget
        self._begin()

    def _begin(self) -> None:
        self._whole = b""
        """The message, if it came in one part."""
        self._parts: bytearray | None = None
        self._lost: _Lost | None = None
        self.size = 0

    def add(self, part: bytes) -> None:
        """Add the next bytes."""
        if not part:
            return
        before = self.size
        self.size += len(part)
        if self._lost is not None:
            self._lost.add(part)
        elif self.size > self._limit:
            self._lose(TOO_LARGE, before, part)
        elif not self._budget.take(len(part)):
            self._lose(TOO_MUCH, before, part)
        elif not before:
            self._whole = part
        else:
            if self._parts is None:
                self._parts = bytearray(self._whole)
                self._whole = b""
            self._parts += part

    def take(self) -> bytes | Gap:
        """Return the message, or its gap, and begin anew."""
        if self._lost is not None:
            taken: bytes | Gap = self._lost.gap(self.size)
        else:
            taken = self._whole if self._parts is None else bytes(self._parts)
            self._budget.give(self.size)
        self._begin()
        return taken

    def _lose(self, reason: str, held: int, part: bytes) -> None:
        self._budget.give(held)
        self._lost = _Lost(reason)
        self._lost.add(self._whole if self._parts is None else self._parts)
        self._lost.add(part)
        self._whole, self._parts = b"", None


class _Lost:
    """What is kept of a message that is not held."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._hash = sha256()
        self._first = self._last = b""

    def add(self, part: bytes | bytearray) -> None:
        self._hash.update(part)
        self._first += bytes(part[: KEPT_BYTES - len(self._first)])
        self._last = (self._last + bytes(part[-KEPT_BYTES:]))[-KEPT_BYTES:]

    def gap(self, size: int) -> Gap:
        digest = self._hash.hexdigest()
        return Gap(self._reason, size, digest=digest, first=self._first, last=self._last)
