"""Any store of this library as a subject: a URL, a design, or a class of your own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.guarantees import Durability
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import Session

from .load import MAX_STORED_BYTES
from .peers.log_peer import LogPeer
from .subject import StoredContent, Work

__all__ = ["LIMITS", "StoreSubject"]

LIMITS = StoreLimits(
    max_sessions=20_000_000,
    max_frames_per_session=20_000_000,
    max_session_bytes=2 * MAX_STORED_BYTES,
    max_total_bytes=2 * MAX_STORED_BYTES,
    max_metadata_bytes=4 * 1024**2,
)
"""Limits above those of any load: refusals must not be measured."""

_PAGE = 1_000


class StoreSubject(LogPeer[MessageEnvelope]):
    """An `AtomicSessionStore`: every work is one atomic operation."""

    name: ClassVar[str] = "store"
    offers: ClassVar[frozenset[Work]] = frozenset(Work)

    def __init__(self, make: Callable[[], Awaitable[AtomicSessionStore]], /) -> None:
        self._make = make
        self._store: AtomicSessionStore | None = None

    @property
    def store(self) -> AtomicSessionStore:
        """The open store. Raises `RuntimeError` before `open`."""
        if self._store is None:
            raise RuntimeError("open it first")
        return self._store

    @property
    def more_limitations(self) -> tuple[str, ...]:
        """Limitations that the open store declares."""
        memory = self.store.guarantees.durability is Durability.MEMORY
        return ("no durability",) if memory else ()

    def depth(self) -> int | None:
        """Return the number of commands that wait for the owner; None without an owner."""
        mailbox = self.store.mailbox
        return None if mailbox is None else mailbox.depth + mailbox.waiting

    async def open(self) -> None:
        self._store = await (await self._make()).__aenter__()

    async def aclose(self) -> None:
        if self._store is not None:
            await self._store.aclose()

    async def create(self, key: str) -> None:
        await self.store.create_session(Session.new(transport_type="in-memory", id=key))

    async def get(self, key: str) -> object:
        return await self.store.get_session(key)

    async def touch(self, key: str) -> None:
        await self.store.touch_session(key)

    async def set(self, key: str, payload: bytes) -> None:
        state = payload.decode("ascii")

        def replaced(session: Session) -> Session:
            return session.model_copy(update={"metadata": {"state": state}})

        await self.store.modify_session(key, replaced)

    def message(self, key: str, payload: bytes) -> MessageEnvelope:
        return MessageEnvelope.of(key, payload, direction="client-to-server")

    async def add(self, key: str, message: MessageEnvelope) -> None:
        await self.store.add_frame(message)

    async def append_many(self, key: str, payloads: Sequence[bytes]) -> None:
        await self.store.add_frames(key, [self.message(key, payload) for payload in payloads])

    async def read(self, key: str, limit: int) -> int:
        return len(await self.store.read_frames(key, limit=limit, newest=True))

    async def list(self) -> int:
        return len(await self.store.list_sessions())

    async def delete(self, key: str) -> None:
        await self.store.delete_session(key)

    async def modify(self, key: str) -> None:
        await self.store.modify_session(key, _one_more)

    async def sweep(self) -> None:
        """Expire sessions that were idle for a day: there are none."""
        await self.store.expire_sessions(idle=86_400.0)

    async def count_stored(self, key: str) -> StoredContent:
        """Read the whole log: a separate count could be wrong."""
        counted = after = 0
        while frames := await self.store.read_frames(key, after=after, limit=_PAGE):
            counted += len(frames)
            after = frames[-1].seq
        return StoredContent(counted, _counter(await self.store.get_session(key)))


def _counter(session: Session) -> int:
    counter = session.metadata.get("counter", 0)
    return counter if isinstance(counter, int) else 0


def _one_more(session: Session) -> Session:
    return session.model_copy(update={"metadata": {"counter": _counter(session) + 1}})
