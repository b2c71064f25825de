"""`SessionSaver`: LangGraph's checkpoints in a session store."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Self

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from sessionkeeper import AtomicSessionStore, ThreadSafeSessionStore

from ..opened import Opened
from .calls import BlockingCalls, run_blocking
from .config import checked_text, read_address
from .copying import copy_thread
from .known import KnownIds
from .serializers import without_pickle
from .threads import ThreadLogs
from .tuples import get_tuple, list_tuples
from .upkeep import delete_for_runs, prune_threads
from .writing import put_checkpoint, put_writes

__all__ = ["SessionSaver"]


class SessionSaver(BaseCheckpointSaver[str]):
    """Keeps LangGraph's checkpoints in a store: a thread is a session, tagged `langgraph`.

    Each method has the meaning of `BaseCheckpointSaver`. `put` and `put_writes` are each one step
    of the store: stored whole or not at all, also when they are cancelled, and nothing is lost if
    several tasks or processes use one thread. The latest checkpoint is the one with the highest id;
    reading it reads no other.

    The asynchronous methods run on the loop of the store. The synchronous ones run in any other
    thread and raise `soleowner.WouldBlock` on the loop's own.

    Errors are those of the store, and `ValueError` or `TypeError` for a configuration that names no
    thread or has what is no Unicode text. A thread whose session has ended can be read, not written
    (`SessionClosed`).
    """

    def __init__(
        self,
        store: AtomicSessionStore,
        *,
        serde: SerializerProtocol | None = None,
        principal: str | None = None,
    ) -> None:
        """Use an open store, which stays open. `principal` sees and makes only its own threads.

        `serde` is LangGraph's own serializer unless another is given. Raises `ValueError` for one
        that falls back to pickle.
        """
        super().__init__(serde=without_pickle(serde or self.serde))
        self._store = store
        self._principal = principal
        self._known = KnownIds()
        calls = store if principal is None else store.for_principal(principal)
        self._awaited = ThreadLogs(calls, self._known)
        self._blocking: ThreadLogs | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        serde: SerializerProtocol | None = None,
        principal: str | None = None,
    ) -> Opened[Self]:
        """Open a store while a block runs: `async with SessionSaver.from_url(url) as saver`.

        A plain `with` opens it in a thread of its own, for code without an event loop.
        """
        return Opened(url, lambda store: cls(store, serde=serde, principal=principal))

    def _logs(self) -> ThreadLogs:
        """Return the logs for the synchronous methods."""
        if self._blocking is None:
            # Two threads may both make one: both serve.
            store = ThreadSafeSessionStore(self._store)
            if self._principal is not None:
                store = store.for_principal(self._principal)
            self._blocking = ThreadLogs(BlockingCalls(store), self._known)
        return self._blocking

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await get_tuple(self._awaited, self.serde, read_address(config))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return run_blocking(get_tuple(self._logs(), self.serde, read_address(config)))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[CheckpointTuple]:
        if limit is not None and limit <= 0:
            return
        async with aclosing(self._list(self._awaited, config, filter, before)) as found:
            async for checkpoint in found:
                yield checkpoint
                if limit is not None and (limit := limit - 1) == 0:
                    return

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        found = self._list(self._logs(), config, filter, before)
        try:
            while limit is None or limit > 0:
                checkpoint = run_blocking(_next(found))
                if checkpoint is None:
                    return
                yield checkpoint
                limit = None if limit is None else limit - 1
        finally:
            run_blocking(found.aclose())

    def _list(
        self,
        logs: ThreadLogs,
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        before: RunnableConfig | None,
    ) -> AsyncGenerator[CheckpointTuple]:
        below = None if before is None else get_checkpoint_id(before)
        return list_tuples(logs, self.serde, config, wanted or {}, below)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await put_checkpoint(self._awaited, self.serde, config, checkpoint, metadata)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return run_blocking(put_checkpoint(self._logs(), self.serde, config, checkpoint, metadata))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        await put_writes(
            self._awaited, self.serde, config, writes, task_id=task_id, task_path=task_path
        )

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        run_blocking(
            put_writes(
                self._logs(), self.serde, config, writes, task_id=task_id, task_path=task_path
            )
        )

    async def adelete_thread(self, thread_id: str) -> None:
        await self._awaited.delete(checked_text("thread_id", str(thread_id)))

    def delete_thread(self, thread_id: str) -> None:
        run_blocking(self._logs().delete(checked_text("thread_id", str(thread_id))))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await delete_for_runs(self._awaited, run_ids)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        run_blocking(delete_for_runs(self._logs(), run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await copy_thread(self._awaited, str(source_thread_id), str(target_thread_id))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        run_blocking(copy_thread(self._logs(), str(source_thread_id), str(target_thread_id)))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await prune_threads(self._awaited, self.serde, thread_ids, strategy)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        run_blocking(prune_threads(self._logs(), self.serde, thread_ids, strategy))

    def get_next_version(self, current: str | None, channel: None) -> str:
        number = 0 if current is None else int(str(current).partition(".")[0])
        # As LangGraph's own savers: two branches give a channel two versions.
        return f"{number + 1:032}.{random.random():016}"  # noqa: S311  # no secret


async def _next(found: AsyncGenerator[CheckpointTuple]) -> CheckpointTuple | None:
    return await anext(found, None)
