"""The incarnation over what brings a store's data back, or to another place."""

from __future__ import annotations

from pathlib import Path

import pytest
from sessionkeeper import (
    ActorSessionStore,
    SessionNotFound,
    SQLiteSessionStore,
    restore_backup,
)
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.json_lines import (
    export_session,
    header_line,
    import_session,
    last_line,
    read_export,
)
from sessionkeeper.transfer.next_frames import is_same_life

from tests.support.sessions import FakeClock, fill, new_session


async def test_a_restored_backup_gives_no_incarnation_again(tmp_path: Path) -> None:
    """Its numbers and revisions are given again, and the sessions are told apart all the same."""
    file, backup = tmp_path / "store.db", tmp_path / "backup.db"
    async with SQLiteSessionStore(file) as store:
        kept = await store.create_session(new_session("kept"))
        await store.backup(backup)
        lost = await store.create_session(new_session())
        await fill(store, 3)
    await restore_backup(backup, file, replace=True)
    async with SQLiteSessionStore(file) as store:
        assert (await store.get_session("kept")).incarnation == kept.incarnation
        now = await store.create_session(new_session())
        await fill(store, 3)
        assert now.revision == lost.revision
        assert now.incarnation != lost.incarnation
        with pytest.raises(SessionNotFound):
            await store.read_frames("a", after=1, incarnation=lost.incarnation)
        with pytest.raises(SessionNotFound):
            await anext(store.watch_frames("a", after=1, incarnation=lost.incarnation))


async def test_a_copy_has_an_incarnation_of_its_own() -> None:
    """Copied or imported, it is another session: a cursor of one is none of the other."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        original = await source.create_session(new_session())
        await fill(source, 3)
        await copy_sessions(source, target)
        copied = await target.get_session("a")
        lines = [header_line(), *await export_session(source, "a"), last_line(1)]
        assert original.incarnation not in "".join(lines)
        await target.delete_session("a")
        (stored,) = read_export(lines)
        imported = await import_session(target, stored)
        assert imported.incarnation == (await target.get_session("a")).incarnation
        assert len({each.incarnation for each in (original, copied, imported)}) == 3
        with pytest.raises(SessionNotFound):
            await target.read_frames("a", incarnation=original.incarnation)


async def test_a_session_made_anew_in_the_same_moment_is_another_life() -> None:
    """Neither its time of creation nor the length of its log tells it: its incarnation does."""
    async with ActorSessionStore(clock=FakeClock().as_clock()) as store:
        await store.create_session(new_session())
        await fill(store, 1)
        session = await store.get_session("a")
        assert await is_same_life(store, session)
        await store.delete_session("a")
        await store.create_session(new_session())
        await fill(store, 2)
        assert (await store.get_session("a")).created_at == session.created_at
        assert not await is_same_life(store, session)
