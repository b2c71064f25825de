"""Pykka: an actor on a thread; what it keeps is one's own code, here dicts."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .optional_import import import_peer_module

__all__ = ["PykkaActor"]

PACKAGE = "pykka"


class ActorState:
    """What the actor keeps of one session."""

    __slots__ = ("counter", "log", "state")

    def __init__(self) -> None:
        self.state = ""
        self.counter = 0
        self.log: list[bytes] = []


def answer(sessions: dict[str, ActorState], work: Work, key: str, value: Any) -> object:  # noqa: PLR0911  # one case for each kind of work
    """Do one piece of work as the actor, the only one who touches the sessions."""
    match work:
        case Work.CREATE:
            if key in sessions:
                raise ValueError("the session exists already")
            sessions[key] = ActorState()
            return None
        case Work.SET:
            sessions[key].state = value
            return None
        case Work.APPEND:
            sessions[key].log.append(value)
            return None
        case Work.READ:
            return sessions[key].log[-value:]
        case Work.LIST:
            return list(sessions)
        case Work.DELETE:
            del sessions[key]
            return None
        case Work.MODIFY:
            sessions[key].counter += 1
            return None
        case _:
            return sessions[key]


class PykkaActor(LogPeer[bytes]):
    """`ask` without blocking, and `await` of the future, as its documentation has it."""

    name: ClassVar[str] = "pykka"
    offers: ClassVar[frozenset[Work]] = frozenset(Work) - {Work.TOUCH}
    limitations: ClassVar[tuple[str, ...]] = (
        "no store: the user's own code decides what is stored, and by which rules",
        "waiting for an answer blocks the event loop until the actor's thread has answered",
        "no limit on waiting messages, no batches",
        "no durability",
    )

    def __init__(self) -> None:
        sessions: dict[str, ActorState] = {}

        def on_receive(_: object, message: tuple[Work, str, object]) -> object:
            return answer(sessions, *message)

        # Made of its parts: a statement would need a base class that may not be there.
        parts = {"on_receive": on_receive, "use_daemon_thread": True}
        self._actor: Any = type(
            "Sessions", (import_peer_module(PACKAGE, PACKAGE).ThreadingActor,), parts
        )
        self._ref: Any = None

    async def open(self) -> None:
        """Start the actor."""
        self._ref = self._actor.start()

    async def aclose(self) -> None:
        """Stop the actor when it has done what waits for it."""
        if self._ref is not None:
            await asyncio.to_thread(self._ref.stop)

    async def ask(self, work: Work, key: str = "", value: object = None) -> Any:
        """Ask the actor, and await its answer."""
        return await self._ref.ask((work, key, value), block=False)

    async def create(self, key: str) -> None:
        """Ask for a session."""
        await self.ask(Work.CREATE, key)

    async def get(self, key: str) -> object:
        """Ask for the session itself, not for a copy."""
        return await self.ask(Work.GET, key)

    async def set(self, key: str, payload: bytes) -> None:
        """Ask for another state."""
        await self.ask(Work.SET, key, payload.decode("utf-8", "replace"))

    async def modify(self, key: str) -> None:
        """Ask for one more: the actor reads and writes without a gap."""
        await self.ask(Work.MODIFY, key)

    def message(self, key: str, payload: bytes) -> bytes:
        """A message is its bytes."""
        return payload

    async def add(self, key: str, message: bytes) -> None:
        """Ask for a message more."""
        await self.ask(Work.APPEND, key, message)

    async def read(self, key: str, limit: int) -> int:
        """Ask for the newest messages."""
        return len(await self.ask(Work.READ, key, limit))

    async def list(self) -> int:
        """Ask for all ids."""
        return len(await self.ask(Work.LIST))

    async def delete(self, key: str) -> None:
        """Ask to forget the session."""
        await self.ask(Work.DELETE, key)

    async def count_stored(self, key: str) -> StoredContent:
        """Ask for the session."""
        session: ActorState = await self.ask(Work.GET, key)
        return StoredContent(appended=len(session.log), counter=session.counter)
