"""What a store keeps of its sessions between batches."""

from __future__ import annotations

import pytest
from sessionkeeper import PostgresSessionStore, Session
from sessionkeeper.backends.postgres.rows import MAX_KEPT_BYTES

from tests.support.sessions import new_session

SIZE = MAX_KEPT_BYTES // 8


def _grown(session: Session) -> Session:
    return session.model_copy(update={"metadata": {"x": "x" * SIZE}})


@pytest.mark.parametrize("grows", [False, True])
async def test_few_rows_are_kept_where_fields_are_large(postgres_url: str, grows: bool) -> None:
    """Also of sessions that this store made or changed, and has never read."""
    async with PostgresSessionStore(postgres_url) as store:
        rows = store._writer._tables.rows_of_batch
        for n in range(20):
            session = new_session(f"s{n}")
            await store.create_session(session if grows else _grown(session))
            if grows:
                await store.modify_session(session.id, _grown)
            held = [len(str(each.session.metadata)) for each in rows._kept.values()]
            assert sum(held) <= MAX_KEPT_BYTES + SIZE
            assert rows._bytes == sum(each.stored_bytes for each in rows._kept.values())


async def test_what_is_removed_or_read_again_is_not_counted(postgres_url: str) -> None:
    """Otherwise rows that are in use would be dropped, and read again and again."""
    async with PostgresSessionStore(postgres_url) as one, PostgresSessionStore(postgres_url) as two:
        rows = one._writer._tables.rows_of_batch
        for _ in range(20):
            await one.create_session(_grown(new_session("a")))
            await two.modify_session("a", lambda s: s.model_copy(update={"tags": {"changed"}}))
            await one.touch_session("a")
            assert rows._bytes == sum(each.stored_bytes for each in rows._kept.values()) > SIZE
            await one.delete_session("a")
            assert rows._bytes == 0
