"""The store, the manager and the session of a recorder: opened together, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from ..interface.atomic_store import AtomicSessionStore
from ..leases import end_gone_sessions
from ..leases.process import own_place
from ..manager import ManagerConfig, SessionManager
from ..recording import SessionRecorder
from ..recording.analysis.times import STARTED_KEY
from ..stores.config import SQLiteBackend, backend_from_url
from ..stores.factory import StorageFactory
from ..values.errors import SessionError, StoreUnavailable
from .file_kinds import FileKind, kind_of_file
from .frame_limit import take_frames_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ..recording.redaction import Redactor
    from .record_options import RecordOptions

__all__ = ["OpenSession", "naming_the_store", "open_manager", "redactor_of"]

_PAUSE, _FINISHING = 0.05, 0.5
"""Seconds between pages of sessions whose recorders may be gone, and to finish after the server."""
_CLOSING = 0.5
"""Seconds to close a store that was not open in time."""


@contextmanager
def naming_the_store(url: str) -> Generator[None]:
    """Raise `StoreUnavailable` that names the store of this URL for any error of it."""
    try:
        yield
    except SessionError as error:
        backend = backend_from_url(url)
        path = backend.path if isinstance(backend, SQLiteBackend) else "the store"
        text = str(error)
        raise StoreUnavailable(text if text.startswith(path) else f"{path}: {text}") from error


@asynccontextmanager
async def open_manager(url: str, max_message: int) -> AsyncGenerator[SessionManager]:
    """Open a store and its manager, and end sessions in it whose recorders are gone.

    Raises as `StorageFactory.create`, `ValueError` for the options of the URL.
    """
    backend = take_frames_of(max_message, backend_from_url(url))
    if isinstance(backend, SQLiteBackend):
        _refuse_other_file(backend.path)
    async with (
        await StorageFactory.create(backend) as store,
        SessionManager.with_store(store, ManagerConfig.recording()) as manager,
    ):
        ending = asyncio.create_task(_end_gone_sessions(store))
        try:
            yield manager
        finally:
            await _finish(ending)


class OpenSession:
    """An open store with a manager, and the recorder of one session in it."""

    def __init__(
        self, manager: SessionManager, recorder: SessionRecorder, opened: AsyncExitStack
    ) -> None:
        self.manager = manager
        self.recorder = recorder
        self._opened = opened

    @classmethod
    async def open(
        cls,
        options: RecordOptions,
        *,
        client: int,
        started: datetime,
        report: Callable[[str], None],
    ) -> OpenSession:
        """Open everything or nothing; `client` is the process that started the recorder.

        `started` is when the server was started: messages may have passed since then. `report` is
        called with one line if messages cannot be redacted.

        Raises `StoreUnavailable` that names the store, `ValueError` for its options.
        """
        async with AsyncExitStack() as stack:
            with naming_the_store(options.store):
                manager = await stack.enter_async_context(
                    open_manager(options.store, options.max_message)
                )
                try:
                    recorder = await SessionRecorder.open(
                        manager,
                        options.command,
                        tags=options.tags,
                        metadata=_metadata(options, client, started),
                        redactor=redactor_of(options),
                        report=report,
                    )
                except asyncio.CancelledError:
                    # It waits for locks of other processes.
                    await manager.store.aclose(timeout=_CLOSING)
                    raise
            return cls(manager, recorder, stack.pop_all())

    async def aclose(self) -> None:
        """Close it all."""
        await self._opened.aclose()


def redactor_of(options: RecordOptions) -> Redactor | None:
    """Return what takes secrets out of messages, if that was asked for."""
    if not options.redact:
        return None
    from ..recording.redaction import Redactor

    return Redactor.of(options.redact)


def _metadata(options: RecordOptions, client: int, started: datetime) -> dict[str, object]:
    known: dict[str, object] = {
        "sessionkeeper.client": {"host": own_place().host, "pid": client},
        STARTED_KEY: started.isoformat(),
    }
    if options.name is not None:
        known["sessionkeeper.name"] = options.name
    return known


def _refuse_other_file(path: str) -> None:
    kind = kind_of_file(path)
    if kind is not None and kind is not FileKind.STORE:
        raise StoreUnavailable(f"{path} is {kind.describe(path)}")


async def _end_gone_sessions(store: AtomicSessionStore) -> None:
    """End the sessions of recorders that are gone, beside the recording."""
    with suppress(SessionError):  # the next recorder tries again
        await end_gone_sessions(store, pause=_PAUSE)


async def _finish(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task}, timeout=_FINISHING)
    task.cancel()
