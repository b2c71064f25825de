"""The listener with which a manager follows the events of its store.

Quick and synchronous, and it cannot fail: the owner calls it between two operations.
"""

from __future__ import annotations

import logging
from contextvars import Context

from ..values.errors import short_id
from ..values.events import SessionEvent, SessionEventKind
from .dispatcher import HookDispatcher
from .handshakes import Handshakes
from .hooks import SessionHooks
from .lifecycle import is_settled
from .owners import Owners
from .rate_limiter import RateLimiter
from .requests import RequestTracker

__all__ = ["EventSubscriber", "logger"]

logger = logging.getLogger("sessionkeeper.sessions")

_GONE = frozenset({SessionEventKind.DELETED, SessionEventKind.PURGED, SessionEventKind.EVICTED})


class EventSubscriber:
    """Forgets the state kept for a session that is over, logs a line, and calls the hooks."""

    def __init__(
        self,
        requests: RequestTracker,
        rates: RateLimiter | None,
        owners: Owners,
        handshakes: Handshakes,
        *,
        hooks: SessionHooks,
        dispatcher: HookDispatcher,
    ) -> None:
        self._requests = requests
        self._rates = rates
        self._owners = owners
        self._handshakes = handshakes
        self._hooks = hooks
        self._dispatcher = dispatcher
        self.log_failures = 0
        """Lines that the program's logging failed to write."""

    def __call__(self, event: SessionEvent, context: Context) -> None:
        """Follow one event."""
        session = event.session
        if event.kind in _GONE:
            self._owners.forget(session.id)
        else:
            self._owners.note(session.id, session.principal)
        if event.kind in _GONE or is_settled(session):
            self._handshakes.forget(session.id)
        if event.ended or event.kind in _GONE:
            self._requests.drop_session(event.session.id)
            if self._rates is not None:
                self._rates.forget(event.session.id)
        if names := self._hooks.names_for(event):
            self._dispatcher.offer(names, event, context)
        if logger.isEnabledFor(logging.INFO):
            try:
                # A copy: the program's handlers must not change what the hooks find in it.
                context.copy().run(_write, event)
            except Exception:
                self.log_failures += 1


def _write(event: SessionEvent) -> None:
    session = event.session
    shown = short_id(session.id)
    logger.info(
        "session %s %s: %s",
        shown,
        event.kind,
        session.state,
        extra={
            "event": str(event.kind),
            "session": shown,
            "state": str(session.state),
            "before": None if event.before is None else str(event.before),
            "transport": str(session.transport_type),
        },
    )
