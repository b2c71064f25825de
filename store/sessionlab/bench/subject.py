"""The interface of what is measured: a store or a peer, with the operations of a load."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = ["StoredContent", "Subject", "Work"]


class Work(StrEnum):
    """The operations of a load."""

    CREATE = "create"
    GET = "get"
    TOUCH = "touch"
    SET = "set"
    APPEND = "append"
    READ = "read"
    LIST = "list"
    DELETE = "delete"
    MODIFY = "modify"


@dataclass(frozen=True, slots=True)
class StoredContent:
    """What a session holds at the end of a round."""

    appended: int
    """Messages in its log."""
    counter: int
    """The counter of `modify`."""


class Subject(ABC):
    """A store or a peer, with the operations of a load.

    `offers` names the operations that work; the others raise `NotImplementedError`. Any other error
    is counted and shown.
    """

    name: ClassVar[str]
    offers: ClassVar[frozenset[Work]]
    """The operations that it offers."""
    is_isolated: ClassVar[bool] = False
    """Its place outlives the run and holds nothing else: `clear` deletes all of it."""
    limitations: ClassVar[tuple[str, ...]] = ()
    """What it does not do: "no atomicity", "no durability", "order lost"."""

    async def open(self) -> None:  # noqa: B027 - most have nothing to do
        """Open it; called once, on the event loop that measures."""

    async def aclose(self) -> None:  # noqa: B027 - the same
        """Close it."""

    async def create(self, key: str) -> None:
        """Create a session."""
        raise NotImplementedError

    async def get(self, key: str) -> object:
        """Return the session."""
        raise NotImplementedError

    async def touch(self, key: str) -> None:
        """Mark the session as in use."""
        raise NotImplementedError

    async def set(self, key: str, payload: bytes) -> None:
        """Replace the state of the session; this may reset the counter of `modify`."""
        raise NotImplementedError

    async def append(self, key: str, payload: bytes) -> None:
        """Append one message to the log of the session."""
        raise NotImplementedError

    async def append_many(self, key: str, payloads: Sequence[bytes]) -> None:
        """Append messages to the log, in one operation where possible."""
        for payload in payloads:
            await self.append(key, payload)

    async def read(self, key: str, limit: int) -> int:
        """Read at most `limit` messages of the session; return how many were read."""
        raise NotImplementedError

    async def list(self) -> int:
        """List all sessions; return how many there are."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Delete the session with its log."""
        raise NotImplementedError

    async def modify(self, key: str) -> None:
        """Increment the counter in the state of the session.

        Without an atomic way: read, await once, write, as a program that calls a service in
        between.
        """
        raise NotImplementedError

    async def memory_used(self) -> int | None:
        """Return the memory in bytes that a server uses; None without a server."""
        return None

    async def clear(self) -> None:
        """Delete everything in an isolated place; called after `aclose`."""
        raise NotImplementedError

    async def count_stored(self, key: str) -> StoredContent:
        """Return what the session holds; called at the end, and not measured.

        Raises `LookupError` when the session is missing.
        """
        raise NotImplementedError
