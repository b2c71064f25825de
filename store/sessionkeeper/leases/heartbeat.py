"""Renews the lease of a session while its recorder runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from ..interface.atomic_store import Change
from ..values.errors import LimitExceeded, SessionNotFound, StoreClosed
from ..values.lease import Lease, lease_of, with_lease
from ..values.session import Session

__all__ = ["HEARTBEAT", "Heartbeat"]

HEARTBEAT = 60.0
"""Seconds between two heartbeats."""


class Heartbeat:
    """Writes one heartbeat after the other, each with `modify`, on the loop that started it.

    `beside` changes the session in the same step. A store that is away or full is asked again the
    next time. It stops by itself when the session has ended, is deleted, or holds the lease of
    somebody else.
    """

    def __init__(
        self,
        modify: Callable[[str, Change], Awaitable[Session]],
        session_id: str,
        lease: Lease,
        *,
        beside: Change = lambda session: session,
        interval: float = HEARTBEAT,
    ) -> None:
        self._modify = modify
        self._session_id = session_id
        self._lease = lease
        self._beside = beside
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Write the first heartbeat after one interval."""
        # Between two heartbeats there is a timer and no task: a recorder that is forgotten, and
        # a loop that ends, leave nothing behind.
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._begin)

    async def stop(self) -> None:
        """Write no more. Idempotent."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.wait({self._beat})

    def _begin(self) -> None:
        self._beat = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        renewed = self._lease.renewed(datetime.now(UTC))

        def renew(session: Session) -> Session:
            return with_lease(session, renewed) if self._is_held(session) else session

        def renew_all(session: Session) -> Session:
            return renew(self._beside(session)) if self._is_held(session) else session

        try:
            try:
                session = await self._modify(self._session_id, renew_all)
            except LimitExceeded:  # a lease alone always finds room
                session = await self._modify(self._session_id, renew)
            held = self._is_held(session)
        except (SessionNotFound, StoreClosed):
            held = False
        except Exception:  # the recorder meets the same trouble, and reports it
            held = True
        if held and not self._stopped:
            self.start()

    def _is_held(self, session: Session) -> bool:
        held = None if session.state.is_terminal else lease_of(session)
        return held is not None and held.renewed(self._lease.seen) == self._lease
