"""One structured log line for each event of a session, without payloads (Guarantees 15.3)."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import ActorSessionStore, SessionManager

if TYPE_CHECKING:
    from tests.manager.conftest import Make

NAME = "sessionkeeper.sessions"
who: ContextVar[str] = ContextVar("who", default="nobody")


def fields(record: logging.LogRecord) -> tuple[object, ...]:
    """The extra fields of a line."""
    names = ("event", "session", "state", "before", "transport")
    return tuple(getattr(record, name) for name in names)


async def test_each_event_is_one_line(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The event, the beginning of the session's id, its state now and before."""
    caplog.set_level(logging.INFO, NAME)
    async with make() as manager:
        secret = "0123456789abcdef"
        await manager.create_session(
            transport_type="sse", id=secret, principal="canary", metadata={"canary": "canary"}
        )
        await manager.modify_session(secret, lambda s: s.model_copy(update={"state": "active"}))
        await manager.fail_session(secret, "canary")
        await manager.delete_session(secret)
    lines = [record for record in caplog.records if record.name == NAME]
    assert [fields(line) for line in lines] == [
        ("created", "01234567…", "initializing", None, "sse"),
        ("state-changed", "01234567…", "active", "initializing", "sse"),
        ("state-changed", "01234567…", "failed", "active", "sse"),
        ("deleted", "01234567…", "failed", "failed", "sse"),
    ]
    assert {line.levelno for line in lines} == {logging.INFO}
    assert lines[0].getMessage() == "session 01234567… created: initializing"
    everything = " ".join(str(vars(line)) for line in lines)
    assert secret not in everything
    assert "canary" not in everything


async def test_a_line_is_written_in_the_callers_context(caplog: pytest.LogCaptureFixture) -> None:
    """Then a program's own fields (a request id, a trace) are those of the right request."""
    caplog.set_level(logging.INFO, NAME)
    seen: list[str] = []

    class Note(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append(who.get())
            who.set("the filter's own")
            return True

    note = Note()
    logging.getLogger(NAME).addFilter(note)
    try:
        async with SessionManager() as manager:
            for name in "abc":
                who.set(name)
                await manager.create_session(transport_type="stdio", id=name)
            assert who.get() == "c"
    finally:
        logging.getLogger(NAME).removeFilter(note)
    assert seen == ["a", "b", "c"]


async def test_at_its_usual_level_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At its usual level the logger costs one question an event."""
    caplog.set_level(logging.WARNING, NAME)
    async with SessionManager() as manager:
        await manager.create_session(transport_type="stdio")
    assert not [record for record in caplog.records if record.name == NAME]


async def test_a_failing_log_affects_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Counted; the owner lives, and the caller is answered."""
    caplog.set_level(logging.INFO, NAME)

    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError("disk full")

    broken = Broken()
    logging.getLogger(NAME).addFilter(broken)
    try:
        async with (
            ActorSessionStore() as store,
            SessionManager.with_store(store) as manager,
        ):
            for name in "ab":
                await manager.create_session(transport_type="stdio", id=name)
            assert (await manager.statistics()).log_failures == 2
            assert await store.count_sessions() == 2
    finally:
        logging.getLogger(NAME).removeFilter(broken)
