"""The value that a recorder stores in place of lines that it could not keep."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self

__all__ = ["KEPT_BYTES", "Gap"]

KEPT_BYTES = 1024
"""Bytes that are kept of each end."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One or more lines in a row of which the record has no bytes, or only both ends."""

    reason: str
    """The reason why they were not kept; it quotes nothing of them."""
    size: int
    """Bytes of all of them, without the ends of the lines."""
    lines: int = 1
    digest: str | None = None
    """SHA-256 of the one line, in hexadecimal; None if it was not computed."""
    first: bytes = b""
    last: bytes = b""

    @classmethod
    def of(cls, message: bytes, reason: str) -> Self:
        """Make the gap for bytes that are in memory."""
        digest = sha256(message).hexdigest()
        first, last = message[:KEPT_BYTES], message[-KEPT_BYTES:]
        return cls(reason, len(message), digest=digest, first=first, last=last)

    def without_ends(self) -> Self:
        """Return it with less than 200 bytes."""
        return replace(self, first=b"", last=b"")

    def __repr__(self) -> str:
        return f"<Gap of {self.lines} lines, {self.size} bytes>"

    def to_json(self) -> bytes:
        """Return the bytes of a gap frame."""
        import msgspec  # not before a recorder has started its server

        known: dict[str, object] = {"lines": self.lines, "size": self.size}
        if self.digest is not None:
            known["sha256"] = self.digest
        if self.first:
            known["first"] = b64encode(self.first).decode()
            known["last"] = b64encode(self.last).decode()
        return msgspec.json.encode(known)
