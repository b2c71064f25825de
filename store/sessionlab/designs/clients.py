"""The parts of a workload: concurrent clients, and the sessions, changes and frames they send."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from sessionkeeper.values.errors import RevisionConflict, SessionError
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import Session

from .. import RecordingStore

__all__ = ["CLIENT", "add_one", "change", "new", "note", "together"]

CLIENT = "client-"
"""Prefix of the names of tasks that may be cancelled."""


async def together(*clients: Coroutine[object, None, object]) -> None:
    """Run clients concurrently and wait for all of them.

    A refusal or a cancellation ends its client. Any other error is raised: no store may raise it,
    whatever it is derived from.
    """
    tasks = [
        asyncio.create_task(client, name=f"{CLIENT}{number}")
        for number, client in enumerate(clients, 1)
    ]
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        expected = SessionError | asyncio.CancelledError
        if isinstance(ended, BaseException) and not isinstance(ended, expected):
            raise ended


def new(session_id: str) -> Session:
    """Return a new session."""
    return Session.new(transport_type="stdio", id=session_id)


def note(session_id: str, text: str) -> MessageEnvelope:
    """Return a message that can be told from others by its text."""
    message = {"jsonrpc": "2.0", "method": "note", "params": [text]}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


def add_one(session: Session) -> Session:
    """Return the session with its counter incremented."""
    n = session.metadata.get("n", 0)
    assert isinstance(n, int)  # noqa: S101 - only this writes it
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def change(store: RecordingStore, session_id: str) -> None:
    """Increment the counter with `modify_session`, or by compare and set without it."""
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
