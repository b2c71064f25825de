"""What cannot be stored: a clear error, of ADK's own kind where it has one, and nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.input_validation_error import InputValidationError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.genai.types import Content, Part
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LimitExceeded,
    SessionNotFound,
    StoreClosed,
    StoreLimits,
)
from sessionkeeper.integrations.google_adk import StoreSessionService

NAMES: Any = {"app_name": "an app", "user_id": "a user"}
HOSTILE = (
    "",
    "*",
    "a:b",
    "a%3Ab",
    "../..",
    "x" * 5000,
    "\0",
    "\u202e",
    "{}[]\r\n",
    "sha256=0",
    "é",
)
SECRET = "a-secret-payload"


def event(delta: dict[str, Any], text: str = "") -> Event:
    return Event(
        author="user",
        content=Content(parts=[Part(text=text)]),
        actions=EventActions(state_delta=delta),
    )


async def contents(store: AtomicSessionStore) -> list[Any]:
    """All that the store has: equal if nothing was changed."""
    sessions = await store.list_sessions()
    return [(each, await store.get_frames(each.id)) for each in sessions]


async def test_any_text_is_a_name(service: StoreSessionService) -> None:
    made = []
    for name in HOSTILE:
        for app, user, session in ((name, "u", "s"), ("a", name, "s"), ("a", "u", name)):
            if session != "s" and not session.strip():
                continue
            made.append(
                await service.create_session(
                    app_name=app, user_id=user, session_id=session, state={"app:a": app}
                )
            )
            await service.append_event(made[-1], event({"user:u": user}))
    for each in made:
        found = await service.get_session(
            app_name=each.app_name, user_id=each.user_id, session_id=each.id
        )
        assert found is not None
        assert found.state == {"app:a": each.app_name, "user:u": each.user_id}
        assert found.events == each.events
    listed = (await service.list_sessions(app_name="a")).sessions
    assert {(each.user_id, each.id) for each in listed} == {
        (each.user_id, each.id) for each in made if each.app_name == "a"
    }
    for app in HOSTILE:
        assert len((await service.list_sessions(app_name=app)).sessions) == 1


@pytest.mark.parametrize("name", [None, 7, b"app", "half \ud800"])
async def test_what_is_no_text_is_no_name(
    service: StoreSessionService, store: AtomicSessionStore, name: Any
) -> None:
    calls: list[Callable[..., Any]] = [
        service.create_session,
        service.get_session,
        service.delete_session,
    ]
    for call in calls:
        for argument in ("app_name", "user_id", "session_id"):
            if call == service.create_session and argument == "session_id" and name is None:
                continue
            with pytest.raises(InputValidationError):
                await call(**{**NAMES, "session_id": "s", argument: name})
    with pytest.raises(InputValidationError):
        await service.list_sessions(app_name=name)
    with pytest.raises(InputValidationError):
        await service.get_user_state(app_name="a", user_id=name)
    assert await store.count_sessions() == 0


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "delta",
    [
        {"a": f"{SECRET} \ud800"},
        {"\ud800": SECRET},
        {"a": SECRET, "app:a": deep(120)},
        {"a": 10**3000},
    ],
    ids=["surrogate", "key", "deep", "large number"],
)
async def test_what_is_no_json_is_refused(
    service: StoreSessionService, store: AtomicSessionStore, delta: dict[str, Any]
) -> None:
    session = await service.create_session(**NAMES, session_id="s")
    before, held = await contents(store), session.model_copy(deep=True)
    with pytest.raises(InputValidationError) as refused:
        await service.append_event(session, event({**delta, "temp:t": 1}))
    assert SECRET not in str(refused.value)
    with pytest.raises(InputValidationError):
        await service.create_session(**NAMES, state=delta)
    assert await contents(store) == before
    assert session == held


async def test_a_time_that_is_no_number_is_refused(
    service: StoreSessionService, store: AtomicSessionStore
) -> None:
    session = await service.create_session(**NAMES)
    for time in (float("nan"), float("inf")):
        with pytest.raises(InputValidationError):
            await service.append_event(session, Event(author="user", timestamp=time))
    assert session.events == []


@asynccontextmanager
async def limited(stale: Any, **limits: Any) -> AsyncIterator[tuple[StoreSessionService, Any]]:
    async with ActorSessionStore(limits=StoreLimits(**limits)) as store:
        yield StoreSessionService(store, stale=stale, max_shared_bytes=2_000), store


async def test_an_event_over_a_limit_is_refused_whole(stale: str) -> None:
    async with limited(stale, max_frame_bytes=2_000, max_metadata_bytes=4_000) as (service, store):
        session = await service.create_session(**NAMES)
        await service.append_event(session, event({"user:u": 1, "app:a": 1}))
        before, held = await contents(store), session.model_copy(deep=True)
        for too_large in (
            event({"user:u": 2, "app:a": 2}, text=SECRET * 200),
            event({"user:u": "x" * 1_900}),
            event({"app:a": "x" * 1_900}),
        ):
            with pytest.raises(LimitExceeded) as refused:
                await service.append_event(session, too_large)
            assert SECRET not in str(refused.value)
            assert await contents(store) == before
            assert session == held
        with pytest.raises(LimitExceeded):
            await service.create_session(**NAMES, state={"user:u": "x" * 2_000})
        with pytest.raises(LimitExceeded):
            await service.create_session(**NAMES, state={"app:a": 3, "own": "x" * 4_000})
        assert await contents(store) == before


async def test_too_many_sessions_are_refused_whole(stale: str) -> None:
    async with limited(stale, max_sessions=2) as (service, store):
        session = await service.create_session(**NAMES)  # with a record of the application
        before = await contents(store)
        for refused in (
            service.create_session(**NAMES),
            service.append_event(session, event({"user:u": 1, "own": 1})),
        ):
            with pytest.raises(LimitExceeded):
                await refused
        assert await contents(store) == before


async def test_a_closed_store_says_so(store: AtomicSessionStore, stale: Any) -> None:
    service = StoreSessionService(store, stale=stale)
    session = await service.create_session(**NAMES)
    await store.aclose()
    for call in (
        service.create_session(**NAMES),
        service.get_session(**NAMES, session_id="s"),
        service.list_sessions(app_name="a"),
        service.delete_session(**NAMES, session_id="s"),
        service.get_user_state(**NAMES),
        service.append_event(session, event({"own": 1})),
        service.append_event(session, event({"user:u": 1})),
    ):
        with pytest.raises(StoreClosed):
            await call
    assert session.events == []


async def test_a_service_of_a_url_opens_and_closes_its_store(store_url: str) -> None:
    service = StoreSessionService.from_url(store_url, stale="merge")
    with pytest.raises(RuntimeError, match="not open"):
        await service.create_session(**NAMES)
    async with service:
        await service.create_session(**NAMES, session_id="kept")
        await service.aclose()
        with pytest.raises(StoreClosed):
            await service.create_session(**NAMES)
    if not store_url.startswith("memory"):
        async with StoreSessionService.from_url(store_url) as again:
            assert await again.get_session(**NAMES, session_id="kept") is not None


async def test_a_service_of_a_url_has_one_block_at_a_time(store_url: str) -> None:
    """Two blocks at once would leave a store open; one after the other opens it again."""
    service = StoreSessionService.from_url(store_url)
    entered = await asyncio.gather(
        service.__aenter__(), service.__aenter__(), return_exceptions=True
    )
    assert sum(isinstance(each, RuntimeError) for each in entered) == 1
    await service.__aexit__(None, None, None)
    async with service:
        await service.create_session(**NAMES, session_id="again")
    with pytest.raises(RuntimeError, match="not open"):
        await service.create_session(**NAMES)


async def test_wrong_options_are_refused(store: AtomicSessionStore) -> None:
    wrong: Any = "overwrite"
    wrong_name: Any = 7
    with pytest.raises(ValueError, match="refuse or merge"):
        StoreSessionService(store, stale=wrong)
    with pytest.raises(ValueError, match="refuse or merge"):
        StoreSessionService.from_url("memory://", stale=wrong)
    with pytest.raises(InputValidationError):
        StoreSessionService(store, namespace=wrong_name)


async def test_principals_see_nothing_of_each_other(store: AtomicSessionStore, stale: Any) -> None:
    def service(principal: str, namespace: str) -> StoreSessionService:
        return StoreSessionService(store.for_principal(principal), stale=stale, namespace=namespace)

    alice = service("alice", "of alice")
    session = await alice.create_session(**NAMES, session_id="s", state={"user:u": 1})
    for namespace in ("of alice", "of mallory"):
        mallory = service("mallory", namespace)
        assert await mallory.get_session(**NAMES, session_id="s") is None
        assert await mallory.get_user_state(**NAMES) == {}
        assert (await mallory.list_sessions(app_name="an app")).sessions == []
        await mallory.delete_session(**NAMES, session_id="s")
        with pytest.raises(ValueError, match="not found"):
            await mallory.append_event(session, event({"own": 1}))
    with pytest.raises(SessionNotFound):  # alice's names are taken, as ids are
        await service("mallory", "of alice").create_session(**NAMES, session_id="s")
    await service("mallory", "of mallory").create_session(**NAMES, session_id="s")
    with pytest.raises(AlreadyExistsError):
        await alice.create_session(**NAMES, session_id="s")
    assert (await alice.get_session(**NAMES, session_id="s")) == session


@pytest.mark.parametrize("delta", [{"own": 1}, {"own": 1, "user:u": 1, "app:a": 1}])
async def test_a_cancelled_call_is_done_whole_or_not_at_all(
    stale: Any, home: Any, delta: dict[str, Any]
) -> None:
    """Cancel the caller before each step of the store in turn, then let it try again."""
    for step in range(12):
        async with ActorSessionStore() as store:
            service = StoreSessionService(store, stale=stale, home=home)
            session = await service.create_session(**NAMES, session_id="s")
            sent = event({**delta, "temp:t": 1})
            task = asyncio.ensure_future(service.append_event(session, sent))
            for _ in range(step):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            await service.aclose()
            stored = await service.get_session(**NAMES, session_id="s")
            assert stored is not None
            assert stored.state in ({}, delta)
            assert len(stored.events) == (1 if stored.state else 0)
            if task.cancelled():
                assert session.events == []
                assert session.state == {}
                await service.append_event(session, sent)
            again = await service.get_session(**NAMES, session_id="s")
            assert again is not None
            assert again.state == delta
            assert again.events == session.events == [sent]


async def test_a_cancelled_creation_is_done_whole_or_not_at_all(stale: Any, home: Any) -> None:
    state = {"own": 1, "user:u": 1, "app:a": 1}
    for step in range(12):
        async with ActorSessionStore() as store:
            service = StoreSessionService(store, stale=stale, home=home)
            creating = service.create_session(**NAMES, session_id="s", state=state)
            task = asyncio.ensure_future(creating)
            for _ in range(step):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            await service.aclose()
            stored = await service.get_session(**NAMES, session_id="s")
            assert stored is None or stored.state == state


def nested(levels: int) -> dict[str, Any]:
    """A dictionary in a dictionary, as many as `levels`."""
    outer: dict[str, Any] = {}
    for _ in range(levels):
        outer = {"a": outer}
    return outer


@pytest.mark.parametrize(
    "fields",
    [
        {"custom_metadata": nested(210)},
        {"actions": EventActions(agent_state=nested(210))},
        {"content": Content(parts=[Part.from_function_call(name="f", args=nested(210))])},
        {"custom_metadata": {"x": 10**5000}},
        {"actions": EventActions(state_delta={"x": 10**5000})},
    ],
    ids=["metadata", "agent-state", "arguments", "integer", "integer-in-state"],
)
async def test_an_event_that_could_not_be_read_again_is_refused(
    service: StoreSessionService, fields: dict[str, Any]
) -> None:
    session = await service.create_session(**NAMES, session_id="s")
    with pytest.raises(InputValidationError):
        await service.append_event(session, Event(author="a model", **fields))
    await service.append_event(session, event({"a": 1}))
    found = await service.get_session(**NAMES, session_id="s")
    assert found is not None
    assert len(found.events) == 1
    assert found.state == {"a": 1}


async def test_an_event_may_be_as_deep_as_can_be_read(service: StoreSessionService) -> None:
    session = await service.create_session(**NAMES, session_id="s")
    await service.append_event(session, Event(author="a model", custom_metadata=nested(190)))
    found = await service.get_session(**NAMES, session_id="s")
    assert found is not None
    assert found.events[0].custom_metadata == nested(190)
