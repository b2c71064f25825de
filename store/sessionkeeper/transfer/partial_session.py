"""A session of which frames may be missing, while its lines are read."""

from __future__ import annotations

from contextlib import suppress

from ..values.message import MessageEnvelope
from .export_format import SessionHead, StoredSession
from .line_reader import SourceLine
from .packed_frames import PackedFrames

__all__ = ["SALVAGED", "PartialSession"]

SALVAGED = "sessionkeeper:salvaged"
"""Tag of a session that was incomplete in a damaged file."""


class PartialSession:
    """A session whose frames are being read."""

    def __init__(self, head: SessionHead, at: SourceLine) -> None:
        self.head, self.at = head, at
        self.frames = _Frames()
        self.highest = head.trimmed

    def may_have(self, seq: int) -> bool:
        """Whether the session's log has this number."""
        return self.head.trimmed < seq <= self.head.last

    def add(self, seq: int, envelope: MessageEnvelope) -> None:
        """Add a frame; an existing one stays."""
        self.frames.add(seq, envelope)
        self.highest = max(self.highest, seq)

    def stored(self) -> StoredSession:
        """Return the session with the existing part of its log."""
        missing: list[tuple[int, int]] = []
        before = self.head.trimmed
        numbers = self.frames.numbers()
        for seq in [*numbers, self.head.last + 1]:
            if seq > before + 1:
                missing.append((before + 1, seq - 1))
            before = seq
        session = self.head.session
        if missing:
            with suppress(ValueError):  # it has as many tags as a session can have
                session = session.model_copy(update={"tags": session.tags | {SALVAGED}})
        trimmed = self.head.trimmed
        frames = self.frames.in_order(numbers)
        return StoredSession(session, frames, trimmed, tuple(missing), self.at.number)


class _Frames:
    """Frames by their number."""

    def __init__(self) -> None:
        self._packed = PackedFrames()
        self._places: dict[int, int] = {}

    def __contains__(self, seq: int) -> bool:
        return seq in self._places

    def __getitem__(self, seq: int) -> MessageEnvelope:
        return self._packed[self._places[seq]]

    def add(self, seq: int, envelope: MessageEnvelope) -> None:
        """Add a frame, unless its number is there already."""
        if seq not in self._places:
            self._places[seq] = len(self._packed)
            self._packed.append(envelope)

    def numbers(self) -> list[int]:
        """Return the numbers there are, in order."""
        return sorted(self._places)

    def in_order(self, numbers: list[int]) -> PackedFrames:
        """Return the frames of these numbers."""
        places = [self._places[seq] for seq in numbers]
        if places == [*range(len(places))]:
            return self._packed
        return PackedFrames(self._packed[place] for place in places)
