"""Peers with a log: a message is made of the bytes first, and then added."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

from ..subject import Subject, Work

__all__ = ["LogPeer", "Message"]

Message = TypeVar("Message")


class LogPeer(Subject, Generic[Message]):
    """Two steps, so that the second can be timed alone, beside a store given ready envelopes."""

    offers: ClassVar[frozenset[Work]] = frozenset({Work.APPEND, Work.READ})

    @abstractmethod
    def message(self, key: str, payload: bytes) -> Message:
        """Make what the peer takes; each result is added once."""

    @abstractmethod
    async def add(self, key: str, message: Message) -> None:
        """Add one message to the log of the session."""

    async def append(self, key: str, payload: bytes) -> None:
        """Make the message and add it."""
        await self.add(key, self.message(key, payload))
