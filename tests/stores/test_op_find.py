"""`find_sessions(query)`: every field, alone and together, against a filter that looks at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sessionkeeper import (
    AtomicSessionStore,
    Session,
    SessionPage,
    SessionQuery,
    SessionState,
    SessionStatus,
    TransportType,
)

from tests.support.sessions import FakeClock, new_session
from tests.support.stores import Design

if TYPE_CHECKING:
    from tests.conftest import LoopFactory

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""

START = datetime.fromtimestamp(1_700_000_000, UTC)
TAGS = ["x", "y", "z"]
MOMENTS = st.one_of(
    st.integers(-1, 61).map(lambda n: START + timedelta(seconds=n)),
    st.just(datetime.max.replace(tzinfo=UTC)),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "states": st.frozensets(st.sampled_from(SessionState)),
    "statuses": st.frozensets(st.sampled_from(SessionStatus)),
    "transport_types": st.frozensets(st.sampled_from(TransportType)),
    "tags_any": st.frozensets(st.sampled_from(TAGS)),
    "tags_all": st.frozensets(st.sampled_from(TAGS)),
    "principal": st.sampled_from(["alice", "bob", "nobody"]),
    "created_from": MOMENTS,
    "created_before": MOMENTS,
    "active_from": MOMENTS,
    "active_before": MOMENTS,
}


def expected(query: Mapping[str, Any], session: Session) -> bool:
    """An independent check of a query, field by field."""
    tests: dict[str, Callable[[Any], bool]] = {
        "states": lambda wanted: any(session.state == each for each in wanted),
        "statuses": lambda wanted: any(session.status == each for each in wanted),
        "transport_types": lambda wanted: any(session.transport_type == each for each in wanted),
        "tags_any": lambda wanted: bool([tag for tag in wanted if tag in session.tags]),
        "tags_all": lambda wanted: all(tag in session.tags for tag in wanted),
        "principal": lambda wanted: session.principal == wanted,
        "created_from": lambda moment: not session.created_at < moment,
        "created_before": lambda moment: not session.created_at >= moment,
        "active_from": lambda moment: not session.last_activity < moment,
        "active_before": lambda moment: not session.last_activity >= moment,
    }
    return all(tests[name](value) for name, value in query.items())


async def populate(store: AtomicSessionStore, clock: Any) -> None:
    """60 sessions of all kinds, a second apart, some active again later, some gone."""
    states, transports = [*SessionState], [*TransportType]
    for n in range(60):
        fields: dict[str, Any] = {
            "transport_type": transports[n % 4],
            "state": states[n // 2 % 6],
            "tags": {tag for bit, tag in enumerate(TAGS) if n >> bit & 1},
            "principal": (None, "alice", "bob")[n % 3],
        }
        await store.create_session(Session.new(id=f"s{n}", **fields))
        clock.advance(1)
        if n % 5 == 0:
            await store.modify_session(
                f"s{n // 2}", lambda s: s.model_copy(update={"metadata": {"n": s.revision}})
            )
    for n in range(0, 60, 7):
        await store.delete_session(f"s{n}")


async def walk(store: AtomicSessionStore, query: SessionQuery, limit: int) -> list[Session]:
    """All pages."""
    found: list[Session] = []
    page = SessionPage((), "0")
    while page.cursor is not None:
        page = await store.find_sessions(query, cursor=page.cursor, limit=limit)
        assert len(page.sessions) <= limit
        found.extend(page.sessions)
    return found


@owned_too
def test_a_query_finds_the_same_as_a_full_scan(design: Design, loop_factory: LoopFactory) -> None:
    """Each field alone and all together; all of it, in order of creation, whatever the limit."""
    clock = FakeClock()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        store = runner.run(design(clock=clock.as_clock()).open())
        runner.run(populate(store, clock))
        everything = runner.run(store.list_sessions())
        assert len(everything) == 51

        def check(fields: Mapping[str, Any], limit: int) -> None:
            found = runner.run(walk(store, SessionQuery(**fields), limit))
            assert found == [each for each in everything if expected(fields, each)]

        for name, values in FIELDS.items():
            alone = st.fixed_dictionaries({name: values})
            settings(max_examples=12, database=None)(given(alone, st.integers(1, 60))(check))()
        together = st.fixed_dictionaries({}, optional=FIELDS)
        settings(max_examples=80, database=None)(given(together, st.integers(1, 60))(check))()
        runner.run(store.aclose())


@owned_too
async def test_a_query_without_fields_finds_all(store: AtomicSessionStore) -> None:
    """A field left out matches all; none found is a page as well."""
    page = await store.find_sessions(SessionQuery())
    assert page == SessionPage((), None)
    for n in range(5):
        await store.create_session(new_session(f"s{n}"))
    page = await store.find_sessions(SessionQuery())
    assert page == SessionPage(tuple(await store.list_sessions()), None)
    assert await store.find_sessions(SessionQuery(states=frozenset())) == SessionPage((), None)


@owned_too
async def test_a_session_is_found_as_it_is_now(store: AtomicSessionStore) -> None:
    """Not as it was created."""
    await store.create_session(new_session(tags={"old"}))
    await store.modify_session("a", lambda s: s.model_copy(update={"tags": {"new"}}))
    assert (await store.find_sessions(SessionQuery(tags_any=frozenset({"old"})))).sessions == ()
    (found,) = (await store.find_sessions(SessionQuery(tags_all=frozenset({"new"})))).sessions
    assert found == await store.get_session("a")


@pytest.mark.parametrize(
    "fields",
    [
        *({"states": "active"}, {"states": ["nope"]}, {"statuses": "active"}, {"tags_any": "ab"}),
        *({"tags_all": b"x"}, {"tags_any": [5]}, {"tags_any": [""]}, {"transport_types": "sse"}),
        *({"principal": 5}, {"principal": ""}, {"created_from": datetime(2026, 1, 1)}),
        *({"active_before": "yesterday"}, {"created_before": [1]}, {"state": "active"}),
    ],
    ids=str,
)
def test_a_wrong_query_is_refused_by_the_constructor(fields: dict[str, Any]) -> None:
    """It raises when it is made: a lone string, a time without a zone, an unknown field."""
    with pytest.raises(ValidationError):
        SessionQuery(**fields)


def test_a_query_does_not_show_whose_sessions_it_looks_for() -> None:
    """Its `repr` shows no principal, as a session's does not."""
    query = SessionQuery(principal="alice", tags_any=frozenset({"x"}))
    assert "alice" not in repr(query)
    assert "x" in repr(query)
