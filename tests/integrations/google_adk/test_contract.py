"""What ADK's contract says, on each backend: scopes of state, events, sessions and their names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session
from sessionkeeper.integrations.google_adk import StoreSessionService

NAMES: Any = {"app_name": "an app", "user_id": "a user"}


def event(**delta: Any) -> Event:
    """An event that sets state; `__` in a name stands for the colon of a prefix."""
    named = {name.replace("__", ":"): value for name, value in delta.items()}
    return Event(author="user", actions=EventActions(state_delta=named))


async def got(service: StoreSessionService, session: Session, **config: Any) -> Session:
    found = await service.get_session(
        app_name=session.app_name,
        user_id=session.user_id,
        session_id=session.id,
        config=GetSessionConfig(**config) if config else None,
    )
    assert found is not None
    return found


async def test_what_is_appended_is_what_is_got(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES, state={"a": 1, "b": [1, {"c": None}]})
    assert await got(service, session) == session
    for number in range(3):
        await service.append_event(session, event(a=number, big=2**70, small=0.1 + 0.2))
        assert await got(service, session) == session
    assert [each.actions.state_delta["a"] for each in session.events] == [0, 1, 2]
    assert session.last_update_time == session.events[-1].timestamp


async def test_each_scope_is_seen_by_those_it_belongs_to(service: StoreSessionService) -> None:
    state = {"app:a": 1, "user:u": 1, "own": 1, "temp:t": 1}
    first = await service.create_session(**NAMES, state=state)
    assert first.state == {"app:a": 1, "user:u": 1, "own": 1}
    await service.append_event(first, event(app__a=2, app__b=2, user__u=2, own=2))
    again = await got(service, first)
    assert again.state == {"app:a": 2, "app:b": 2, "user:u": 2, "own": 2}
    of_same_user = await service.create_session(**NAMES)
    assert of_same_user.state == {"app:a": 2, "app:b": 2, "user:u": 2}
    of_another = await service.create_session(app_name="an app", user_id="another")
    assert of_another.state == {"app:a": 2, "app:b": 2}
    of_another_app = await service.create_session(app_name="another", user_id="a user")
    assert of_another_app.state == {}
    assert await service.get_user_state(**NAMES) == {"u": 2}
    assert await service.get_user_state(app_name="an app", user_id="nobody") == {}


async def test_temporary_state_is_the_callers_alone(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES)
    sent = event(temp__t=1, own=1)
    await service.append_event(session, sent)
    assert session.state == {"temp:t": 1, "own": 1}
    assert sent.actions.state_delta == {"own": 1}
    stored = await got(service, session)
    assert stored.state == {"own": 1}
    assert stored.events == [sent]


async def test_values_that_are_no_json_are_what_they_are_in_the_event(
    service: StoreSessionService,
) -> None:
    when = datetime(2026, 11, 30, tzinfo=UTC)
    session = await service.create_session(**NAMES, state={"when": when, "nan": float("nan")})
    assert (await got(service, session)).state == {"when": "2026-11-30T00:00:00Z", "nan": None}
    await service.append_event(session, event(when=when, user__nan=float("inf")))
    stored = await got(service, session)
    assert stored.events[0].actions.state_delta == {
        "when": when.isoformat()[:19] + "Z",
        "user:nan": None,
    }
    assert stored.state == {"when": "2026-11-30T00:00:00Z", "nan": None, "user:nan": None}


async def test_a_stale_session_is_refused_or_merged(
    service: StoreSessionService, stale: str
) -> None:
    session = await service.create_session(**NAMES)
    old = await got(service, session)
    await service.append_event(session, event(a="first"))
    late = event(a="late", user__u="late", temp__t=1)
    if stale == "merge":
        await service.append_event(old, late)
        stored = await got(service, session)
        assert [each.actions.state_delta["a"] for each in stored.events] == ["first", "late"]
        assert stored.state == {"a": "late", "user:u": "late"}
        return
    before = old.model_copy(deep=True)
    with pytest.raises(StaleSessionError, match="modified in storage"):
        await service.append_event(old, late)
    assert old == before
    assert late.actions.state_delta == {"a": "late", "user:u": "late", "temp:t": 1}
    assert await got(service, session) == session
    assert await service.get_user_state(**NAMES) == {}
    again = await got(service, session)
    await service.append_event(again, late)
    assert await got(service, session) != session
    assert again.state == {"a": "late", "user:u": "late", "temp:t": 1}


async def test_an_event_that_comes_again_is_stored_once(
    service: StoreSessionService, stale: str
) -> None:
    session = await service.create_session(**NAMES)
    held = await got(service, session)
    sent = event(a=1, app__b=1)
    await service.append_event(session, sent)
    await service.append_event(session, sent)  # the caller's session has it
    await service.append_event(held, sent)  # the store has it
    assert len((await got(service, session)).events) == len(held.events) == 1
    assert held == session
    await service.append_event(session, event(a=2))
    await service.append_event(held if stale == "merge" else session, event(a=3))
    assert len((await got(service, session)).events) == 3


async def test_an_event_of_the_same_id_is_another_event(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES)
    one, two = event(a=1), event(a=2)
    two.id = one.id
    await service.append_event(session, one)
    await service.append_event(session, two)
    assert (await got(service, session)).events == [one, two]


async def test_a_session_made_again_is_another_one(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES, session_id="one", state={"a": 1})
    await service.delete_session(**NAMES, session_id="one")
    assert await service.get_session(**NAMES, session_id="one") is None
    with pytest.raises(SessionNotFoundError, match="one not found"):
        await service.append_event(session, event(a=2))
    again = await service.create_session(**NAMES, session_id="one")
    with pytest.raises(StaleSessionError):
        await service.append_event(session, event(a=2))
    assert await got(service, again) == again
    await service.delete_session(**NAMES, session_id="one")
    await service.delete_session(**NAMES, session_id="one")


async def test_a_session_from_elsewhere_is_known_by_its_last_event(
    service: StoreSessionService, stale: str
) -> None:
    session = await service.create_session(**NAMES)
    fresh = Session.model_validate_json(session.model_dump_json())
    await service.append_event(fresh, event(a=1))
    current = await got(service, session)
    carried = Session.model_validate_json(current.model_dump_json())
    await service.append_event(carried, event(a=2))
    assert await got(service, session) == carried
    behind = Session.model_validate_json(current.model_dump_json())
    if stale == "refuse":
        with pytest.raises(StaleSessionError):
            await service.append_event(behind, event(a=3))
    else:
        await service.append_event(behind, event(a=3))
        assert len((await got(service, session)).events) == 3
    unknown = carried.model_copy(update={"id": "unknown"})
    unknown._storage_update_marker = None
    with pytest.raises(SessionNotFoundError):
        await service.append_event(unknown, event(a=3))


async def test_events_are_chosen_by_number_and_by_time(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES)
    assert (await got(service, session, num_recent_events=3)).events == []
    for number in range(1, 6):
        await service.append_event(session, Event(author="user", timestamp=number))

    async def times(**config: Any) -> list[float]:
        return [each.timestamp for each in (await got(service, session, **config)).events]

    assert await times() == [1, 2, 3, 4, 5]
    assert await times(num_recent_events=0) == []
    assert await times(num_recent_events=3) == [3, 4, 5]
    assert await times(num_recent_events=9) == [1, 2, 3, 4, 5]
    assert await times(after_timestamp=4) == [4, 5]
    assert await times(after_timestamp=50) == []
    assert await times(after_timestamp=2, num_recent_events=3) == [3, 4, 5]
    assert await times(after_timestamp=4, num_recent_events=3) == [4, 5]
    chosen = await got(service, session, num_recent_events=1)
    await service.append_event(chosen, Event(author="user", timestamp=6))
    assert await times(num_recent_events=2) == [5, 6]


async def test_a_partial_event_is_nobodys(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES)
    sent = Event(author="user", partial=True)
    assert await service.append_event(session, sent) is sent
    assert session.events == (await got(service, session)).events == []


async def test_sessions_are_listed_by_their_last_change(service: StoreSessionService) -> None:
    for user, name in (("b", "1"), ("a", "2"), ("a", "1")):
        session = await service.create_session(
            app_name="an app", user_id=user, session_id=name, state={"own": name, "user:u": user}
        )
        await service.append_event(session, Event(author="user", timestamp=7))
    session = await service.create_session(app_name="an app", user_id="c", session_id="early")
    await service.append_event(session, Event(author="user", timestamp=5, actions=EventActions()))
    await service.create_session(app_name="another", user_id="a", state={"app:x": 1})
    await service.append_event(session, event(app__a=1))
    await service.append_event(session, Event(author="user", timestamp=6))
    listed = (await service.list_sessions(app_name="an app")).sessions
    names = [(each.user_id, each.id) for each in listed]
    assert names == [("c", "early"), ("a", "1"), ("a", "2"), ("b", "1")]
    assert [each.state for each in listed[:2]] == [
        {"app:a": 1},
        {"app:a": 1, "user:u": "a", "own": "1"},
    ]
    assert not any(each.events for each in listed)
    own = (await service.list_sessions(app_name="an app", user_id="a")).sessions
    assert own == listed[1:3]
    assert (await service.list_sessions(app_name="an app", user_id="")).sessions == []
    assert (await service.list_sessions(app_name="none")).sessions == []


async def test_an_id_is_taken_once(service: StoreSessionService) -> None:
    one = await service.create_session(**NAMES, session_id="  one ", state={"a": 1})
    assert one.id == "one"
    with pytest.raises(AlreadyExistsError, match="one already exists"):
        await service.create_session(**NAMES, session_id="one", state={"user:u": 1, "app:a": 1})
    assert (await got(service, one)).state == {"a": 1}  # what is refused sets nothing
    other = await service.create_session(app_name="an app", user_id="other", session_id="one")
    assert other.state == {}
    ids = {(await service.create_session(**NAMES, session_id=i)).id for i in (None, "", "  ")}
    assert len(ids) == 3
    assert all(ids)
