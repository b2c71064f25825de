"""A hostile string in every place of every method: it comes back, or is refused, and is no SQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pytest
from postgres_server import PostgresServer
from sessionkeeper import PostgresSessionStore, SessionQuery, session_id_for

from tests.support.hostile_strings import (
    HOSTILE,
    check_it_does_nothing,
    check_they_come_back,
    hostile_note,
)
from tests.support.sessions import new_session, note

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

T = TypeVar("T")
POSTGRES = [
    *("$$; DROP SCHEMA public CASCADE; $$", "$1", "E'\\047'", "U&'\\0027'", "pg_sleep(60)"),
    *("x'); SELECT pg_terminate_backend(pid) FROM pg_stat_activity; --", '{a,NULL,"b"}', "::"),
    *(
        "COPY frames TO PROGRAM 'true'",
        "\\N",
        "\\.",
        "\u2028",
        "\ufeff",
        "a\u0301",
        "\x7f",
        "(1,2)",
    ),
]
LARGE = "p" * 4_096
ALL = (*HOSTILE, *POSTGRES, LARGE, "\U0001d173" * 1_024)


@pytest.fixture
def tables_stay(postgres_server: PostgresServer) -> list[tuple[object, ...]]:
    """What there was before."""
    return whole_server(postgres_server)


def whole_server(server: PostgresServer) -> list[tuple[object, ...]]:
    """All tables that a test does not make, all roles and databases."""
    return server.rows(
        "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON relnamespace ="
        " pg_namespace.oid WHERE nspname NOT LIKE 'test_%' AND nspname !~ '^pg_(toast|temp)'"
        " UNION ALL SELECT 'role', rolname FROM pg_roles"
        " UNION ALL SELECT 'database', datname FROM pg_database ORDER BY 1, 2"
    )


@pytest.mark.parametrize("whose", [None, "me"])
async def test_a_hostile_string_does_nothing(
    postgres_url: str,
    postgres_server: PostgresServer,
    tables_stay: list[tuple[object, ...]],
    whose: str | None,
) -> None:
    """Everywhere, through the store and through a principal's view; nothing is stored or lost."""
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(new_session(principal="me"))
        await store.add_frames("a", [note(n) for n in range(3)])
        for text in ALL:
            await check_it_does_nothing(store, whose, text)
        assert await store.add_frame(note()) == 4
    assert whole_server(postgres_server) == tables_stay


async def test_hostile_strings_come_back_as_they_were(
    postgres_url: str, postgres_server: PostgresServer, tables_stay: list[tuple[object, ...]]
) -> None:
    """In every field of a session, a message and its context that takes them."""
    await check_they_come_back(lambda: PostgresSessionStore(postgres_url), ALL)
    assert whole_server(postgres_server) == tables_stay


def taken(make: Callable[[str], T]) -> list[T]:
    """What can be made of the strings; others are refused before any store sees them."""
    made: list[T] = []
    for text in ALL:
        with suppress(ValueError):
            made.append(make(text))
    return made


async def test_hostile_strings_are_told_apart(postgres_url: str) -> None:
    """As ids, principals, tags and streams: each finds its own, and no pattern finds another's."""
    ids = taken(lambda text: new_session(session_id_for(text)))
    owned = taken(lambda text: new_session(principal=text))
    tagged = taken(lambda text: new_session(tags={text}))
    streams = taken(lambda text: hostile_note("x", stream=text))
    assert (len(ids), len(owned), len(tagged), len(streams)) > (40, 40, 40, 40)
    async with PostgresSessionStore(postgres_url) as store:
        for each in ids:
            await store.create_session(each)
        for each in ids:
            assert (await store.get_session(each.id)).id == each.id
        for n, each in enumerate(owned):
            await store.create_session(each.model_copy(update={"id": f"owned-{n}"}))
        for n, each in enumerate(tagged):
            await store.create_session(each.model_copy(update={"id": f"tagged-{n}"}))
        await store.create_session(new_session())
        await store.add_frames("a", streams)
        for n, each in enumerate(owned):
            assert each.principal is not None
            mine = await store.for_principal(each.principal).list_sessions()
            assert [session.id for session in mine] == [f"owned-{n}"]
        for n, each in enumerate(tagged):
            page = await store.find_sessions(SessionQuery(tags_all=each.tags))
            assert [session.id for session in page.sessions] == [f"tagged-{n}"]
        for seq, message in enumerate(streams, 1):
            frames = await store.read_frames("a", stream=message.context.stream)
            assert [frame.seq for frame in frames] == [seq]
