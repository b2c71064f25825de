"""An import whose target loses answers, takes little at once, or is not asked to the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    LimitExceeded,
    MessageEnvelope,
    OutcomeUnknown,
    Session,
    SessionQuery,
    SessionState,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.json_lines import (
    UNFINISHED,
    StoredSession,
    UnfinishedSession,
    import_session,
)

from tests.support.sessions import new_session, note

BEGUN = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
STEPS = (
    "get_or_create_session",
    "add_frames",
    "archive_session",
    "get_session",
    "read_frames",
    "delete_session",
)


def stored(frames: int, state: SessionState = SessionState.CLOSED) -> StoredSession:
    """A session of an export, with times of its own."""
    session = new_session("a", state=state, tags={"x"}, failure="it crashed").model_copy(
        update={
            "created_at": BEGUN,
            "last_activity": BEGUN + timedelta(hours=1),
            "ended_at": BEGUN + timedelta(hours=2) if state.is_terminal else None,
        }
    )
    return StoredSession(session, tuple(note(n) for n in range(frames)), trimmed=0)


class Losing(ActorSessionStore):
    """A store whose k-th call raises, before it is applied or after; or every one from it on."""

    def __init__(self, at: int, error: Callable[[], Exception], *, after: bool, on: bool) -> None:
        super().__init__()
        self.at, self.error, self.after, self.on = at, error, after, on
        self.calls = count(1)
        self.cut = False


def _step(name: str) -> Any:
    async def step(self: Losing, *arguments: Any, **options: Any) -> Any:
        call = next(self.calls)
        here = call == self.at or (self.on and 0 < self.at < call)
        self.cut = self.cut or here
        if here and not self.after:
            raise self.error()
        answer = await getattr(ActorSessionStore, name)(self, *arguments, **options)
        if here:
            raise self.error()
        return answer

    return step


for _name in STEPS:
    setattr(Losing, _name, _step(_name))


async def attempt(store: Losing) -> Exception | None:
    """Import a session; return what was raised."""
    try:
        await import_session(store, stored(30))
    except (OutcomeUnknown, StoreUnavailable) as error:
        return error
    return None


async def state_of(store: Losing) -> tuple[list[Session], list[MessageEnvelope]]:
    """All that is there, whatever the store does."""
    store.at = 0
    sessions = await store.list_sessions()
    return sessions, await store.get_frames("a") if sessions else []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_lost_answer_leaves_a_whole_session(*, after: bool) -> None:
    """`OutcomeUnknown` of any step: the import finds out what became of it, and goes on."""
    wanted = stored(30)
    for at in count(1):
        async with Losing(at, lambda: OutcomeUnknown("x"), after=after, on=False) as store:
            there = await import_session(store, wanted)
            for field in ("id", "tags", "state", "failure", "created_at", "ended_at"):
                assert getattr(there, field) == getattr(wanted.session, field)
            (session,), frames = await state_of(store)
            assert (session, frames) == (there, list(wanted.frames))
            if not store.cut:
                assert at > 3
                return


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (lambda: OutcomeUnknown("x"), False),
        (lambda: OutcomeUnknown("x"), True),
        (lambda: StoreUnavailable("cut"), False),
    ],
    ids=["unknown, without effect", "unknown, with effect", "unavailable"],
)
async def test_a_target_that_fails_from_a_step_on_tells_what_is_left(
    error: Callable[[], Exception], *, after: bool
) -> None:
    """Nothing is left, or a note names the session and its tag, by which it is found."""
    left = 0
    for at in count(1):
        async with Losing(at, error, after=after, on=True) as store:
            raised = await attempt(store)
            sessions, _ = await state_of(store)
            if raised is not None and sessions:
                left += 1
                assert any(UNFINISHED in each for each in raised.__notes__)
                # Whole, if only the answer to the last step was lost.
                found = await store.find_sessions(SessionQuery(tags_any=frozenset({UNFINISHED})))
                assert found.sessions == (*sessions,) or sessions[0].tags == {"x"}
            if not store.cut:
                assert left
                return


async def test_a_reader_sees_that_an_import_is_not_whole() -> None:
    """Until the last step the session initializes, and has the tag."""
    seen: list[Session] = []

    class Watched(ActorSessionStore):
        async def add_frames(self, session_id: str, /, *arguments: Any, **options: Any) -> range:
            answer = await super().add_frames(session_id, *arguments, **options)
            seen.append(await self.get_session(session_id))
            return answer

    async with Watched(limits=StoreLimits(max_frames_per_batch=7)) as store:
        whole = await import_session(store, stored(20))
    assert [each.last_seq for each in seen] == [7, 14, 20]
    assert all(each.state is SessionState.INITIALIZING for each in seen)
    assert all(UNFINISHED in each.tags for each in seen)
    assert whole.tags == {"x"}


async def test_an_unfinished_session_is_told_from_one_that_exists() -> None:
    """It may be an import under way: it is neither overwritten nor taken for the session."""
    async with ActorSessionStore() as store:
        await store.create_session(new_session("a", tags={UNFINISHED}))
        with pytest.raises(UnfinishedSession, match="unfinished"):
            await import_session(store, stored(1))
        assert await store.count_sessions() == 1


@pytest.mark.parametrize("state", [*SessionState])
async def test_a_target_that_takes_few_frames_at_once_gets_few(state: SessionState) -> None:
    """Below 1,000 and above: import and copy ask for as many as it takes."""
    limits = StoreLimits(max_frames_per_batch=3)
    async with ActorSessionStore(limits=limits) as one, ActorSessionStore(limits=limits) as other:
        there = await import_session(one, stored(20, state))
        assert (there.state, there.last_seq, there.created_at) == (state, 20, BEGUN)
        await one.trim_frames("a", up_to=8)
        report = await copy_sessions(one, other)
        assert (report.sessions, report.added, report.differences) == (1, 12, [])
        assert await other.read_frames("a") == await one.read_frames("a")


async def test_a_target_with_a_limit_of_its_own_kind_is_asked_for_less() -> None:
    """A limit on the bytes of a batch, which no store here has: half as many are tried."""

    class Narrow(ActorSessionStore):
        async def add_frames(
            self, session_id: str, envelopes: Any, /, *arguments: Any, **options: Any
        ) -> range:
            size = sum(len(envelope.message) for envelope in envelopes)
            if size > 200:
                raise LimitExceeded("max_batch_bytes", current=size, maximum=200)
            return await super().add_frames(session_id, envelopes, *arguments, **options)

    async with Narrow() as store:
        assert (await import_session(store, stored(50))).last_seq == 50


async def test_times_that_a_target_refuses_leave_nothing() -> None:
    """The error says what is wrong with them."""
    session = stored(2).session
    future = datetime.now(UTC) + timedelta(days=9)
    late = session.model_copy(update={"last_activity": future})
    async with ActorSessionStore() as store:
        with pytest.raises(ValueError, match="future"):
            await import_session(store, StoredSession(late, (), 0))
        assert await store.count_sessions() == 0
