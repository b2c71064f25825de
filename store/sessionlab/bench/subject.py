"""What is measured: a store or a peer, behind the few things a load does to it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = ["StoredContent", "Subject", "Work"]


class Work(StrEnum):
    """What a load asks for."""

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
    """What a session really holds at the end of a run."""

    appended: int
    """Messages in its log."""
    counter: int
    """What `modify` has counted."""


class Subject(ABC):
    """What is measured: a store or a peer, behind the few things a load does to it.

    A method that is not offered raises `NotImplementedError`; `offers` says which are. Everything
    else that a method raises is an error of the run, counted and shown.
    """

    name: ClassVar[str]
    offers: ClassVar[frozenset[Work]]
    """What it can do at all."""
    is_isolated: ClassVar[bool] = False
    """It is in a place that outlives the run and is nobody else's: `clear` deletes all of it."""
    limitations: ClassVar[tuple[str, ...]] = ()
    """What it does not do: "no atomicity", "no durability", "order lost"."""

    async def open(self) -> None:  # noqa: B027 - most have nothing to do
        """Get ready; called once, on the loop that measures."""

    async def aclose(self) -> None:  # noqa: B027 - the same
        """Let go of everything that `open` took."""

    async def create(self, key: str) -> None:
        """Make a session that is not there."""
        raise NotImplementedError

    async def get(self, key: str) -> object:
        """Return the session."""
        raise NotImplementedError

    async def touch(self, key: str) -> None:
        """Note that the session is in use, and nothing more."""
        raise NotImplementedError

    async def set(self, key: str, payload: bytes) -> None:
        """Replace the session's state; the counter of `modify` may go with it."""
        raise NotImplementedError

    async def append(self, key: str, payload: bytes) -> None:
        """Add one message of so many bytes to the log of the session."""
        raise NotImplementedError

    async def append_many(self, key: str, payloads: Sequence[bytes]) -> None:
        """Add messages to the log, as one operation where it can."""
        for payload in payloads:
            await self.append(key, payload)

    async def read(self, key: str, limit: int) -> int:
        """Read at most so many messages of the session; return how many came."""
        raise NotImplementedError

    async def list(self) -> int:
        """List all sessions; return how many there are."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Delete the session with its log."""
        raise NotImplementedError

    async def modify(self, key: str) -> None:
        """Add one to the counter in the session's state.

        Where there is no atomic way: read, await once, write, as a program would that asks
        somebody in between.
        """
        raise NotImplementedError

    async def memory_used(self) -> int | None:
        """Say how many bytes a server holds in memory; None where there is no server."""
        return None

    async def clear(self) -> None:
        """Delete all that was made in a place that is `is_isolated`; asked after `aclose`."""
        raise NotImplementedError

    async def count_stored(self, key: str) -> StoredContent:
        """Say what the session really holds; asked at the end, and never timed.

        Raises `LookupError` when it is not there.
        """
        raise NotImplementedError
