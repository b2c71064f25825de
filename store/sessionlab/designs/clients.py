"""What workloads are made of: clients that run together, and what they create, change and add."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from sessionkeeper.values.errors import RevisionConflict, SessionError
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import Session

from .. import RecordingStore

__all__ = ["CLIENT", "add_one", "change", "new", "note", "together"]

CLIENT = "client-"
"""How the names of tasks begin that may be cancelled."""


async def together(*clients: Coroutine[object, None, object]) -> None:
    """Run clients at once and wait for all.

    A refusal ends its client, and so does a cancellation; any other error is raised, since a store
    has no business raising it.
    """
    tasks = [
        asyncio.create_task(client, name=f"{CLIENT}{number}")
        for number, client in enumerate(clients, 1)
    ]
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception) and not isinstance(ended, SessionError):
            raise ended


def new(session_id: str) -> Session:
    """Return a session to be created."""
    return Session.new(transport_type="stdio", id=session_id)


def note(session_id: str, text: str) -> MessageEnvelope:
    """Return a message that says which one it is."""
    message = {"jsonrpc": "2.0", "method": "note", "params": [text]}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


def add_one(session: Session) -> Session:
    """Count one more in a session."""
    n = session.metadata.get("n", 0)
    assert isinstance(n, int)  # noqa: S101 - nobody else writes it
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def change(store: RecordingStore, session_id: str) -> None:
    """Count one more, by what the store offers: a change sent to it, or compare and set."""
    try:
        await store.modify_session(session_id, add_one)
        return
    except NotImplementedError:
        pass
    for _ in range(3):
        try:
            await store.update_session(add_one(await store.get_session(session_id)))
            return
        except RevisionConflict:
            continue
