"""What shares a record changes in one step; what does not is said, and completed by a retry."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.sessions.session import Session
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Change,
    MessageKind,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper import Session as StoredSession
from sessionkeeper.integrations.google_adk import StoreSessionService

from .test_contract import NAMES, event, got

HOMES: Any = ("session", "user", "app")
STATE = {"own": 1, "user:u": 1, "app:a": 1}
STEPS = {"session": 2, "user": 1, "app": 0}
"""Steps after the event that set state in other records."""


class Failing:
    """Lets some calls of `modify_session` pass; then the store is gone, until it is `mended`."""

    def __init__(self, store: AtomicSessionStore, passing: int) -> None:
        self._store = store
        self._modify = store.modify_session
        self._passing = passing
        setattr(store, "modify_session", self._call)  # noqa: B010  # in the place of a method

    async def _call(self, session_id: str, change: Change, /) -> StoredSession:
        self._passing -= 1
        if self._passing < 0:
            raise StoreUnavailable("gone")
        return await self._modify(session_id, change)

    def mend(self) -> None:
        delattr(self._store, "modify_session")


@pytest.mark.parametrize(
    ("home", "passing"), [(home, n) for home in HOMES for n in range(STEPS[home] + 1)]
)
async def test_what_a_crash_leaves_is_completed_by_a_retry(
    store: AtomicSessionStore, home: Any, passing: int
) -> None:
    service = StoreSessionService(store, home=home)
    session = await service.create_session(**NAMES)
    await service.create_session(app_name="an app", user_id="other", state={"app:a": 0})
    failing = Failing(store, passing)
    sent = event(own=1, user__u=1, app__a=1)
    whole = passing == STEPS[home]
    if whole:
        await service.append_event(session, sent)
    else:
        with pytest.raises(StoreUnavailable):
            await service.append_event(session, sent)
        assert session.events == []
    failing.mend()
    left = await got(service, session)
    assert left.events == [sent]
    expected = {"own": 1, "app:a": 1 if whole else 0, "user:u": 1}
    if home == "session" and passing == 0:
        del expected["user:u"]
    assert left.state == expected
    await service.append_event(session, sent)
    again = await got(service, session)
    assert again.events == session.events == [sent]
    assert again.state == STATE


@pytest.mark.parametrize("home", HOMES)
async def test_what_others_append_in_a_home_makes_no_session_stale(
    store: AtomicSessionStore, home: Any
) -> None:
    service = StoreSessionService(store, home=home)
    sessions = [await service.create_session(**NAMES) for _ in range(4)]
    for number in range(5):
        await asyncio.gather(
            *(service.append_event(each, event(n=number, user__n=number)) for each in sessions)
        )
    for each in sessions:
        assert await got(service, each) == each
        assert len(each.events) == 5
        assert (await got(service, each, num_recent_events=2)).events == each.events[3:]
    held = await got(service, sessions[0])
    await service.append_event(sessions[0], event(n=5))
    with pytest.raises(StaleSessionError):
        await service.append_event(held, event(n=6))


@pytest.mark.parametrize("then", ["delete", "create"])
@pytest.mark.parametrize("home", HOMES[1:])
async def test_a_deleted_session_leaves_no_content_in_its_home(
    store: AtomicSessionStore, home: Any, then: str
) -> None:
    service = StoreSessionService(store, home=home)
    one = await service.create_session(**NAMES, session_id="one")
    two = await service.create_session(**NAMES, session_id="two")
    for _ in range(3):
        await service.append_event(one, event(own="secret"))
        await service.append_event(two, event(own="kept"))
    failing = Failing(store, 1)  # the session is dropped; then the store is gone
    with pytest.raises(StoreUnavailable):
        await service.delete_session(**NAMES, session_id="one")
    failing.mend()
    assert await service.get_session(**NAMES, session_id="one") is None
    assert (await service.list_sessions(app_name="an app")).sessions[0].id == "two"
    if then == "delete":
        await service.delete_session(**NAMES, session_id="one")
    else:
        await service.create_session(**NAMES, session_id="three")
    for record in await store.list_sessions():
        assert not record.metadata.get("dropped")
        frames = await store.read_frames(record.id)
        assert not any(b"secret" in each.envelope.message for each in frames)
        kinds = [each.envelope.kind for each in frames]
        assert kinds.count(MessageKind.REMOVED) in (0, 3)
        assert "secret" not in str(record.metadata)
    again = await service.create_session(**NAMES, session_id="one")
    assert (await got(service, again)).events == []
    assert await got(service, two) == two


@pytest.mark.parametrize("home", HOMES)
async def test_an_event_that_was_taken_out_is_left_out(
    store: AtomicSessionStore, home: Any
) -> None:
    service = StoreSessionService(store, home=home)
    session = await service.create_session(**NAMES)
    for number in range(3):
        await service.append_event(session, event(n=number))
    record = next(each for each in await store.list_sessions() if each.last_seq)
    await store.remove_frames(record.id, [2])
    left = await got(service, session)
    assert left.events == [session.events[0], session.events[2]]
    await service.append_event(left, event(n=3))
    assert (await got(service, session)).state == {"n": 3}


async def test_a_home_cannot_be_changed_later(store: AtomicSessionStore) -> None:
    for home in HOMES:
        service = StoreSessionService(store, home=home)
        session = await service.create_session(app_name=home, user_id="u", session_id="s")
        await service.append_event(session, event(user__u=1))
        for other in set(HOMES) - {home}:
            wrong = StoreSessionService(store, home=other)
            with pytest.raises(ValueError, match=f"has home='{home}', not '{other}'"):
                await wrong.create_session(app_name=home, user_id="u", session_id="s")
        assert await got(service, session) == session


@pytest.mark.parametrize("home", HOMES[1:])
async def test_more_events_are_removed_than_one_step_can(home: Any) -> None:
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_batch=2)) as store:
        service = StoreSessionService(store, home=home)
        session = await service.create_session(**NAMES, session_id="one")
        for _ in range(5):
            await service.append_event(session, event(own="secret"))
        await service.delete_session(**NAMES, session_id="one")
        await service.create_session(**NAMES, session_id="two")
        for record in await store.list_sessions():
            frames = await store.read_frames(record.id)
            assert {each.envelope.kind for each in frames} <= {MessageKind.REMOVED}


@pytest.mark.parametrize("home", HOMES[1:])
async def test_events_of_a_home_that_was_made_anew_are_kept(
    store: AtomicSessionStore, home: Any
) -> None:
    """It has the id of the one that a deletion has read, and other events at the same numbers."""
    service = StoreSessionService(store, home=home)
    old = await service.create_session(**NAMES, session_id="old")
    await service.append_event(old, event(own="old"))
    (home_id,) = {r.id for r in await store.list_sessions() if await store.count_frames(r.id)}
    remove, kept = store.remove_frames, Session(id="", app_name="", user_id="")

    async def remove_later(*arguments: Any, **options: Any) -> int:
        nonlocal kept
        await store.delete_session(home_id)
        kept = await service.create_session(**NAMES, session_id="new")
        await service.append_event(kept, event(own="new"))
        return await remove(*arguments, **options)

    setattr(store, "remove_frames", remove_later)  # noqa: B010  # in the place of a method
    await service.delete_session(**NAMES, session_id="old")
    delattr(store, "remove_frames")
    assert (await got(service, kept)).events == kept.events
    assert len(kept.events) == 1


@pytest.mark.parametrize("home", HOMES)
async def test_of_many_creators_one_creates(store: AtomicSessionStore, home: Any) -> None:
    service = StoreSessionService(store, home=home)
    created = await asyncio.gather(
        *(
            service.create_session(**NAMES, session_id="one", state={"app:a": n, "user:u": n})
            for n in range(8)
        ),
        return_exceptions=True,
    )
    winners = [each for each in created if isinstance(each, Session)]
    assert len(winners) == 1
    assert all(isinstance(each, Session | AlreadyExistsError) for each in created)
    assert (await got(service, winners[0])).state == winners[0].state


@pytest.mark.parametrize("home", HOMES)
async def test_all_state_of_a_home_is_of_one_moment(home: Any) -> None:
    """Each event sets all scopes to one number: what lives together is never seen apart."""
    async with ActorSessionStore() as store:
        service = StoreSessionService(store, stale="merge", home=home)
        session = await service.create_session(**NAMES, session_id="one")

        async def write() -> None:
            for n in range(60):
                await service.append_event(session, event(own=n, user__u=n, app__a=n))

        writing = asyncio.ensure_future(write())
        while not writing.done():
            seen = await service.get_session(**NAMES, session_id="one")
            assert seen is not None
            if seen.events:
                assert seen.state["own"] == seen.events[-1].actions.state_delta["own"]
                if home != "session":
                    assert seen.state["user:u"] == seen.state["own"]
                if home == "app":
                    assert seen.state["app:a"] == seen.state["own"]
        await writing
