"""A simple design: sessions in this process, and each log as a list on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.interface.frame_watcher import FrameWatcher
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import SequenceConflict
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.message import Frame, MessageEnvelope
from sessionkeeper.values.session import Session

from ..faulty_proxy import FaultyProxy
from .client import make_client, redirect

__all__ = ["ListsOnServer"]


class ListsOnServer(PlainSessionStore):
    """Logs as lists, by redis-py; the mistakes are in subclasses."""

    retries: ClassVar[int] = 0
    """How often the client sends a command again after a lost reply."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        proxy: FaultyProxy | None = None,
        limits: StoreLimits | None = None,
    ) -> None:
        super().__init__(limits=limits)
        self._url = url
        self._proxy = proxy
        self._prefix = prefix
        self._keys: set[str] = set()
        self._open = False
        retry = Retry(ExponentialBackoff(cap=0.01, base=0.001), self.retries)
        self._client = make_client(url if proxy is None else redirect(url, proxy.port), retry=retry)

    @property
    def is_open(self) -> bool:
        return self._open

    async def open(self) -> Self:
        if self._proxy is not None:
            await self._proxy.open()
            await self._client.ping()
            self._proxy.enable_faults()
        self._open = True
        return self

    async def aclose(self, *, timeout: float | None = None) -> None:
        await super().aclose(timeout=timeout)
        await self._client.aclose()
        if self._proxy is not None:
            await self._proxy.aclose()
        if self._keys:
            async with make_client(self._url) as client:
                await client.unlink(*self._keys)
        self._keys.clear()
        self._open = False

    async def get_session(self, session_id: str, /) -> Session:
        session = await super().get_session(session_id)
        count = await self.count_frames(session_id)
        return session.model_copy(update={"frame_count": count, "last_seq": count})

    async def delete_session(self, session_id: str, /) -> None:
        await super().delete_session(session_id)
        await self._client.unlink(self._key(session_id))

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        return (await self.add_frames(envelope.context.session_id, [envelope])).start

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        last = (await self.get_session(session_id)).last_seq
        if expected_last_seq is not None and expected_last_seq != last:
            raise SequenceConflict(session_id, expected=expected_last_seq, current=last)
        end = await self._append(
            self._key(session_id), [each.model_dump_json() for each in envelopes]
        )
        if change is not None:
            await self.modify_session(session_id, change)
        return range(end + 1 - len(envelopes), end + 1)

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        await super().get_session(session_id)
        lines = await self._client.lrange(self._key(session_id), 0, -1)
        return [MessageEnvelope.model_validate_json(each) for each in lines]

    async def read_frames(self, session_id: str, /, **options: object) -> list[Frame]:
        raise NotImplementedError("its lists are read as a whole")

    def watch_frames(self, session_id: str, /, **options: object) -> FrameWatcher:
        raise NotImplementedError("its lists have no watchers")

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        if stream is not None:
            raise NotImplementedError("its lists have no streams")
        await super().get_session(session_id)
        count: int = await self._client.llen(self._key(session_id))
        return count

    async def _append(self, key: str, texts: Sequence[str]) -> int:
        """Append to a list in one step; return its new length."""
        length: int = await self._client.rpush(key, *texts)
        return length

    def _key(self, session_id: str) -> str:
        key = f"{{{self._prefix}:0}}:list:{session_id}"
        self._keys.add(key)
        return key
