"""Which workers run: each has a session of its own in the store, and renews its activity.

A call runs in one worker. If that is gone, nobody will ever answer the call, and whoever waits for
it has to learn that. A process of this host is looked up; for others, their activity decides.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Protocol

import anyio

from sessionkeeper import (
    AtomicSessionStore,
    OutcomeUnknown,
    Session,
    SessionClosed,
    SessionError,
    SessionNotFound,
    SessionState,
    StoreClosed,
    StoreUnavailable,
    TransportType,
)
from sessionkeeper.leases import own_lease
from sessionkeeper.leases.process import process_exists
from sessionkeeper.values.lease import Lease, lease_of, with_lease

__all__ = ["TAG", "Calls", "Workers"]

logger = logging.getLogger("sessionkeeper")

TAG = "mcp-worker"
"""The tag of the sessions of workers."""

_BEAT = 5.0
_SILENCE = 6
"""Beats without a sign after which a worker on another host is gone."""


class Calls(Protocol):
    """The calls of one owner."""

    async def answer_own(self) -> None:
        """Answer those that nobody has answered."""
        ...


class Workers:
    """Tells whether the worker of a call still runs, and tells others that this one does.

    `idle` is after how many seconds without activity the store's sweeper ends a session.
    """

    def __init__(self, store: AtomicSessionStore, *, idle: float | None) -> None:
        self._store = store
        self.beat = _BEAT if idle is None else min(_BEAT, idle / 3)
        """Seconds between two signs."""
        self._session = Session.new(
            id=f"{TAG}-{secrets.token_hex(8)}",
            transport_type=TransportType.IN_PROCESS,
            state=SessionState.ACTIVE,
            tags={TAG},
        )
        self._id = self._session.id
        self._numbers = count(1)
        self._owners: set[str] = set()
        self._unsettled: set[Calls] = set()

    async def start(self) -> None:
        """Tell others that this worker runs. Raises `LimitExceeded`, `StoreUnavailable`."""
        lease = await asyncio.to_thread(own_lease)  # it reads files
        self._session = with_lease(self._session, lease)
        await self._store.create_session(self._session)

    async def serve(self) -> None:
        """Renew the sign until it is cancelled."""
        while True:
            await asyncio.sleep(self.beat)
            try:
                await self._renew()
                for each in list(self._unsettled):
                    await self.settle(each)
            except StoreClosed:
                return
            except SessionError as error:  # it is tried again
                logger.warning("a worker's sign was not renewed: %s", type(error).__name__)

    async def stop(self) -> None:
        """Tell others that this worker has ended."""
        with suppress(SessionError):
            await self._store.delete_session(self._id)

    @contextmanager
    def owner(self) -> Generator[str, None, None]:
        """Return a new name for whoever runs calls here; it runs until the block ends."""
        name = f"{self._id}.{next(self._numbers)}"
        self._owners.add(name)
        try:
            yield name
        finally:
            self._owners.discard(name)

    async def settle(self, calls: Calls) -> None:
        """Answer the calls of an owner that ends; while the store is away, later again."""
        self._unsettled.discard(calls)
        try:
            with anyio.CancelScope(shield=True):
                await calls.answer_own()
        except (StoreUnavailable, OutcomeUnknown):
            self._unsettled.add(calls)
        except SessionError as error:  # the session has ended, or there is no room
            logger.info("lost calls were not answered: %s", type(error).__name__)

    async def is_running(self, owner: str) -> bool:
        """Tell whether an owner of calls, of any worker, still runs."""
        worker_id, _, _ = owner.rpartition(".")
        if owner in self._owners or worker_id == self._id:
            return owner in self._owners
        try:
            other = await self._store.get_session(worker_id)
        except (SessionNotFound, ValueError):
            return False
        if (lease := self._visible_lease(other)) is not None:
            return process_exists(lease.pid, lease.started)
        await self._renew()
        own = await self._store.get_session(self._id)
        # Both times come from the store; its clock need not be this worker's.
        silence = own.last_activity - other.last_activity
        return silence < timedelta(seconds=self.beat * _SILENCE)

    async def wait_until_gone(self, owner: str) -> None:
        """Wait while an owner of calls runs. Raises `StoreClosed`, `StoreUnavailable`."""
        while True:
            if not await self.is_running(owner):
                return
            await asyncio.sleep(self.beat)

    def _visible_lease(self, other: Session) -> Lease | None:
        """Return the lease of another worker, if its process can be looked up, live or not."""
        own, found = lease_of(self._session), lease_of(other)
        if own is None or found is None or None in (own.boot, own.namespace):
            return None
        is_visible = (own.boot, own.namespace) == (found.boot, found.namespace)
        return found if is_visible else None

    async def _renew(self) -> None:
        try:
            await self._store.touch_session(self._id)
        except (SessionNotFound, SessionClosed):  # it was evicted, or ended by its age
            await self._store.put_session(self._session)
