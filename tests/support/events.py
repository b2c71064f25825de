"""What a store tells its listeners, collected."""

from __future__ import annotations

from contextvars import Context

from sessionkeeper import AtomicSessionStore, SessionEvent

__all__ = ["EventLog"]


class EventLog:
    """A listener that keeps every event of a store from now on."""

    def __init__(self, store: AtomicSessionStore) -> None:
        self.events: list[SessionEvent] = []
        self.contexts: list[Context] = []
        store.subscribe(self)

    def __call__(self, event: SessionEvent, context: Context) -> None:
        self.events.append(event)
        self.contexts.append(context)

    def take(self) -> list[str]:
        """Return the kind and the session of each event since the last call; forget them."""
        taken = [f"{event.kind} {event.session.id}" for event in self.events]
        self.events.clear()
        return taken
