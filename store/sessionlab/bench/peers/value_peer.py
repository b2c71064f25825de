"""Peers that keep one value under one key, so that a session is a value and has no log."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import ClassVar, TypedDict

from ..subject import StoredContent, Subject, Work

__all__ = ["NO_ATOMIC_CHANGE", "NO_LOG", "SessionValue", "ValuePeer"]

NO_LOG = "no log: a message would be part of the value, which is read and written as a whole"
NO_ATOMIC_CHANGE = (
    "no atomic change: a write between another caller's read and write is overwritten"
)


class SessionValue(TypedDict):
    """What is stored of a session."""

    state: str
    counter: int


class ValuePeer(Subject):
    """A session is one value; changing it means reading it, and writing it again."""

    offers: ClassVar[frozenset[Work]] = frozenset(
        {Work.CREATE, Work.GET, Work.SET, Work.DELETE, Work.MODIFY}
    )

    @abstractmethod
    async def fetch(self, key: str) -> SessionValue | None:
        """Return the value, or None where there is none."""

    @abstractmethod
    async def store(self, key: str, state: SessionValue) -> None:
        """Write the value, whatever was there."""

    async def create(self, key: str) -> None:
        """Look, and write if nothing is there; two callers may both find nothing."""
        if await self.fetch(key) is not None:
            raise ValueError("the session exists already")
        await self.store(key, {"state": "", "counter": 0})

    async def get(self, key: str) -> object:
        """Return the value."""
        return await self.require(key)

    async def set(self, key: str, payload: bytes) -> None:
        """Write the value with a counter of 0: the whole of it, as such stores do."""
        await self.store(key, {"state": payload.decode("utf-8", "replace"), "counter": 0})

    async def modify(self, key: str) -> None:
        """Read, await once, write."""
        state = await self.require(key)
        await asyncio.sleep(0)
        await self.store(key, {**state, "counter": state["counter"] + 1})

    async def count_stored(self, key: str) -> StoredContent:
        """Read the counter."""
        return StoredContent(appended=0, counter=(await self.require(key))["counter"])

    async def require(self, key: str) -> SessionValue:
        """Return the value of a session that must be there."""
        state = await self.fetch(key)
        if state is None:
            raise LookupError("no such session")
        return state
