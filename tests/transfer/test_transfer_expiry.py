"""`expires_at` in exports, imports and copies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sessionkeeper import ActorSessionStore, Session, SessionState
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.export_format import (
    MalformedLine,
    StoredSession,
    read_head,
    session_line,
)
from sessionkeeper.transfer.json_lines import import_session

from tests.support.sessions import new_session, note

PAST = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
CLOSED = SessionState.CLOSED


class Swept(ActorSessionStore):
    """A store that is swept before each of its calls."""

    async def add_frames(self, *arguments: Any, **options: Any) -> range:
        await self.expire_sessions()
        return await super().add_frames(*arguments, **options)

    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        await self.expire_sessions()
        return await super().archive_session(session, expected_last_seq=expected_last_seq)


def sessions() -> Iterator[Session]:
    """Live and ended ones, whose moment has passed."""
    for state in (SessionState.ACTIVE, CLOSED):
        session = new_session(str(state), state=state, expires_at=PAST + timedelta(days=1))
        times = {"created_at": PAST, "last_activity": PAST}
        yield session.model_copy(update=times | {"ended_at": PAST if state is CLOSED else None})


@pytest.mark.parametrize("session", [*sessions()], ids=lambda session: session.id)
async def test_a_sweep_leaves_an_unfinished_import_alone(session: Session) -> None:
    """Until its last step it has no `expires_at`; then a live one ends at the next sweep."""
    frames = tuple(note(n, session.id) for n in range(5))
    async with Swept() as store:
        stored = await import_session(store, StoredSession(session, frames, trimmed=0))
        assert stored.expires_at == session.expires_at
        assert (stored.state, stored.frame_count) == (session.state, 5)
        ended = [each.id for each in await store.expire_sessions()]
        assert ended == ([] if session.state is CLOSED else [session.id])


async def test_a_copy_follows_an_expires_at_that_moves() -> None:
    """A copy made before, of a session that lives, takes the new moment over."""
    async with ActorSessionStore() as source, Swept() as target:
        for number, moment in enumerate((PAST, None, PAST + timedelta(days=99_999))):
            if not number:
                await source.create_session(new_session(expires_at=moment))
            session = await source.get_session("a")
            await source.update_session(session.model_copy(update={"expires_at": moment}))
            await source.add_frame(note(number))
            report = await copy_sessions(source, target)
            assert report.differences == []
            copy = await target.get_session("a")
            assert (copy.expires_at, copy.frame_count) == (moment, number + 1)
            if moment == PAST:
                await target.modify_session(
                    "a", lambda each: each.model_copy(update={"expires_at": None})
                )


def test_an_export_has_it_in_one_spelling_and_only_where_there_is_one() -> None:
    """An older library reads an export without it; a number or a time without zone is refused."""
    assert "expires_at" not in session_line(new_session(), 0)
    line = session_line(new_session(expires_at=PAST), 0)
    assert '"expires_at":"2024-02-29T23:59:59.999999Z"' in line
    assert read_head(json.loads(line)).session.expires_at == PAST
    wrong: object
    for wrong in (5, "2024-02-29T23:59:59", "soon", {}):
        fields = json.loads(line)
        fields["session"]["expires_at"] = wrong
        with pytest.raises(MalformedLine, match="bad expires_at"):
            read_head(fields)
