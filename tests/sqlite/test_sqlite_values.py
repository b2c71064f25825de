"""Every value comes back as it was, and no string means anything but itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    Session,
    SessionNotFound,
    SQLiteSessionStore,
)
from sessionkeeper.backends.sqlite.codec import frame_columns, read_frame
from sessionkeeper.records import pack, unpack

if TYPE_CHECKING:
    from tests.sqlite.conftest import Kit

TEXT = st.text(min_size=1, max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**8000), 2**8000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "failure": TEXT,
            "principal": TEXT,
            "client_info": OBJECTS,
            "server_info": OBJECTS,
            "tags": st.sets(TEXT, max_size=3),
            "metadata": OBJECTS,
            "upstream_session_id": TEXT,
            "version_state": st.just({"requested": "1", "negotiated": "2"}),
            "transport_type": st.sampled_from(["sse", "in-memory"]),
        },
    ),
    sent=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones()),
    metadata=st.dictionaries(TEXT, TEXT, max_size=2),
)
def test_what_is_read_back_is_what_was_written(
    tmp_path: Path, fields: dict[str, Any], sent: datetime, metadata: dict[str, str]
) -> None:
    """Every value of every field, to the last bit."""
    session = Session.model_validate({"id": "a", "transport_type": "stdio"} | fields)
    envelope = MessageEnvelope.of(
        "a",
        {"jsonrpc": "2.0", "method": "x"},
        direction="server-to-client",
        metadata=metadata,
        timestamp=sent,
    )
    record = pack(envelope)
    assert unpack("a", read_frame(frame_columns(1, 1, [record])[0][2:])) == envelope

    async def keep() -> tuple[Session, Session]:
        file = tmp_path / "store.db"
        async with SQLiteSessionStore(file, durability="os") as store:
            for found in await store.list_sessions():
                await store.delete_session(found.id)
            created = await store.create_session(session)
        async with SQLiteSessionStore(file, durability="os") as store:
            return created, await store.get_session("a")

    created, found = asyncio.run(keep())
    assert found == created
    assert list(found.model_dump()) == list(created.model_dump())  # in the same order, too


HOSTILE = [
    "'; DROP TABLE sessions; --",
    '"',
    "a\0b",
    "\ud800",
    "%",
    "🦑" * 40,
    ":memory:",
    "?1",
    "x" * 100_000,
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
async def test_a_hostile_string_is_a_string(file: Path, kit: Kit, text: str) -> None:
    """In every argument position: the contract's errors or a value, and nothing else stored."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(kit.session())
        calls: list[Any] = [
            lambda: store.get_session(text),
            lambda: store.delete_session(text),
            lambda: store.touch_session(text),
            lambda: store.get_frames(text),
            lambda: store.read_frames(text, after=2**80, limit=2**80),
            lambda: store.trim_frames("a", up_to=2**80),
            lambda: store.get_sessions_batch([text]),
            lambda: store.modify_session(text, lambda s: s),
            lambda: store.add_frames(text, []),
            lambda: store.for_principal(text).count_sessions(),
            lambda: store.for_principal(text).list_sessions(),
            lambda: store.for_principal(text).get_session("a"),
            lambda: anext(store.watch_frames(text)),
        ]
        for call in calls:
            with suppress(SessionNotFound, ValueError):
                assert await call() in (0, [])
        await _keep_it(store, text)
        assert [session.id for session in await store.list_sessions()] == ["a"]
        assert await store.check() == []


async def _keep_it(store: AtomicSessionStore, text: str) -> None:
    try:
        session = Session.new(
            transport_type="stdio", id="b", principal=text, metadata={text: text}, tags={text}
        )
    except ValueError:
        return
    assert (await store.create_session(session)).principal == text
    assert (await store.for_principal(text).list_sessions())[0].metadata == {text: text}
    assert await store.for_principal(text).count_sessions() == 1
    await store.delete_session("b")
