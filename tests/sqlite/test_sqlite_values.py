"""Every value comes back as it was."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.backends.sqlite.codec import frame_columns, read_frame
from sessionkeeper.operations.frame_record import pack, unpack

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


@settings(max_examples=60)
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
def test_content_is_read_back_as_it_was_written(
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
