"""`find_sessions` by last activity on a server: what older libraries wrote, and several buckets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import pytest
from redis_net import raw
from redis_operations import add_up, note, session
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore, Session, SessionQuery, SessionState
from sessionlab.conformance.samples import FakeClock

_NUMBERS = count()
ALL = SessionQuery()
CLOSED = SessionState.CLOSED


def close(each: Session) -> Session:
    """A change that ends a session."""
    return each.model_copy(update={"state": CLOSED})


async def walk(store: RedisSessionStore, *, limit: int = 100) -> list[Session]:
    """The sessions on all pages."""
    found: list[Session] = []
    cursor: str | None = None
    while True:
        page = await store.find_sessions(ALL, order="last-activity", cursor=cursor, limit=limit)
        assert len(page.sessions) <= limit
        found += page.sessions
        if page.cursor is None:
            return found
        assert page.cursor != cursor
        cursor = page.cursor


async def expected(store: RedisSessionStore) -> list[str]:
    """All ids by their last activity, the newest first."""
    sessions = await store.list_sessions()
    return [each.id for each in sorted(sessions, key=lambda each: each.last_activity)][::-1]


async def fill(store: RedisSessionStore, number: int) -> None:
    """Sessions of which two of three have ended, not in the order of creation."""
    ids = [f"s{n:04}" for n in range(number)]
    await asyncio.gather(*(store.create_session(session(each)) for each in ids))
    for each in ids[::3][::-1]:
        await store.modify_session(each, close)
    for each in ids[1::3]:
        await store.add_frame(note(1, each))
        await store.modify_session(each, close)
    await store.touch_session(ids[2])


def forget(server: RedisServer, tag: str) -> None:
    """Take out what an older library did not write."""
    server.say("DEL", f"{tag}:last-used")
    server.say("HDEL", f"{tag}:meta", "listed", "listing:from", "listing:missing")


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
@pytest.mark.parametrize("number", [5, 1_100])
async def test_sessions_that_an_older_library_ended_are_found(
    number: int, ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """A store made before this order: few, and more than one step lists; sums stay right."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    tag = f"{{{name}:0}}"
    async with RedisSessionStore(server.url, prefix=name, ttl=ttl) as store:
        await fill(store, number)
        whole = await expected(store)
        assert [each.id for each in await walk(store)] == whole
        before = raw(server, "ZRANGE", f"{tag}:last-used", 0, -1, "WITHSCORES")
        forget(server, tag)
        assert [each.id for each in await walk(store, limit=900)] == whole
        assert raw(server, "ZRANGE", f"{tag}:last-used", 0, -1, "WITHSCORES") == before
        await add_up(store)
        await store.modify_session(whole[-1], close) if number == 5 else None
        assert [each.id for each in await walk(store)] == await expected(store)


async def test_an_older_library_beside_this_one_hides_no_session(
    server: RedisServer, key_prefix: str
) -> None:
    """It ends sessions while others are listed, and before that, and deletes some."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    tag = f"{{{name}:0}}"
    async with RedisSessionStore(server.url, prefix=name) as store:
        await fill(store, 9)
        whole = await expected(store)
        ended = [each.id for each in await store.list_sessions() if each.ended_at is not None]
        # It deleted one, whose entry stayed.
        await store.delete_session(ended[0])
        server.say("ZADD", f"{tag}:last-used", "1", ended[0])
        whole.remove(ended[0])
        assert [each.id for each in await walk(store)] == whole
        assert ended[0].encode() not in raw(server, "ZRANGE", f"{tag}:last-used", 0, -1)
        # It ended two, one of them behind the place that a listing has come to.
        server.say("ZREM", f"{tag}:last-used", ended[1], ended[-1])
        server.say("HINCRBY", f"{tag}:meta", "listed", "-2")
        server.say("HSET", f"{tag}:meta", "listing:from", "5", "listing:missing", "1")
        assert [each.id for each in await walk(store)] == whole
        left = raw(server, "HMGET", f"{tag}:meta", "listing:from", "listing:missing")
        assert left == [None, None]
        # It ended one that was live here, and began another of an id that had ended.
        (live,) = [each for each in whole if each not in ended][:1]
        server.say("ZADD", f"{tag}:last-used", "1", live)
        assert [each.id for each in await walk(store)] == whole
        assert live.encode() not in raw(server, "ZRANGE", f"{tag}:last-used", 0, -1)
        await add_up(store)


async def test_sessions_whose_hash_somebody_deleted_take_no_place(
    server: RedisServer, key_prefix: str
) -> None:
    """More of them than a page may look at, live and ended: they count as purged."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    tag = f"{{{name}:0}}"
    async with RedisSessionStore(server.url, prefix=name) as store:
        await fill(store, 700)
        whole = await expected(store)
        kept = {whole[0], whole[350], whole[-1]}
        gone = [each for each in whole if each not in kept]
        server.say("DEL", *(f"{tag}:s:{each}" for each in gone))
        found = await walk(store, limit=2)
        assert [each.id for each in found] == [each for each in whole if each in kept]
        assert raw(server, "ZCARD", f"{tag}:last-used") + raw(server, "ZCARD", f"{tag}:idle") == 3
        assert (await store.statistics()).counters.purged == len(gone)
        await add_up(store)


async def test_an_ended_session_stays_in_its_place_until_it_is_used(
    server: RedisServer, key_prefix: str
) -> None:
    """A sweep is no activity; a change, removed frames and an end are; by the steady clock."""
    clock = FakeClock()
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    async with RedisSessionStore(server.url, prefix=name, clock=clock.as_clock()) as store:

        async def ids() -> str:
            return "".join(each.id for each in await walk(store, limit=2))

        for key in "abcdef":
            moment = clock.moment() if key == "c" else None
            await store.create_session(session(key, expires_at=moment))
            clock.advance(10)
        clock.wall -= 1e6
        assert [each.id for each in await store.expire_sessions(idle=55)] == ["a"]
        assert [each.id for each in await store.expire_sessions(age=45)] == ["b"]
        clock.wall += 1e6
        assert [each.id for each in await store.expire_sessions()] == ["c"]
        assert await ids() == "fedcba"
        await store.modify_session("d", close)
        clock.advance(1)
        await store.delete_frames("b")
        clock.advance(1)
        await store.add_frames("e", [note(1, "e")], change=close)
        clock.advance(1)
        await store.modify_session("a", lambda s: s.model_copy(update={"tags": {"x"}}))
        assert await ids() == "aebdfc"
        await store.delete_session("b")
        await store.create_session(session("b", state="closed"))
        assert await ids() == "baedfc"
        assert await store.purge_sessions(ended_for=0) == 5
        assert await ids() == "f"
        assert raw(server, "EXISTS", f"{{{name}:0}}:last-used", f"{{{name}:0}}:expires") == 0


@pytest.mark.parametrize("limit", [1, 4, 50])
async def test_pages_of_several_buckets_are_in_one_order(
    limit: int, server: RedisServer, key_prefix: str
) -> None:
    """Each session once, the newest first; of one moment in a fixed order."""
    clock = FakeClock()
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    store = RedisSessionStore(server.url, prefix=name, buckets=5, clock=clock.as_clock())
    async with store:
        await fill(store, 30)
        first = [each.id for each in await walk(store, limit=limit)]
        assert sorted(first) == sorted(f"s{n:04}" for n in range(30))
        assert first == [each.id for each in await walk(store, limit=7)]
        for n in range(0, 30, 4):
            clock.advance(1)
            await store.delete_frames(f"s{n:04}")
        found = [each.id for each in await walk(store, limit=limit)]
        moved = [f"s{n:04}" for n in range(0, 30, 4)][::-1]
        assert found == [*moved, *(each for each in first if each not in moved)]


async def test_a_page_of_several_buckets_reads_a_bounded_number(
    server: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages without a match are empty and go on."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    looks = "sessionkeeper.backends.redis.plans.sweeps.LOOKS"
    monkeypatch.setattr(looks, 10)
    async with RedisSessionStore(server.url, prefix=name, buckets=3) as store:
        await fill(store, 90)
        oldest = (await walk(store))[-1]
        await store.delete_session(oldest.id)
        query = SessionQuery(tags_all=frozenset({"t"}))
        pages = 0
        cursor: str | None = None
        while not pages or cursor is not None:
            page = await store.find_sessions(query, order="last-activity", cursor=cursor, limit=2)
            cursor, pages = page.cursor, pages + 1
            assert page.sessions == ()
        assert pages >= 90 / 3 / 12


SPOIL: dict[str, Callable[[RedisServer, str], object]] = {
    "the ended": lambda server, tag: server.say("SET", f"{tag}:last-used", "x"),
    "the due": lambda server, tag: server.say("SET", f"{tag}:expires", "x"),
}


@pytest.mark.parametrize("spoil", SPOIL)
async def test_an_order_of_another_type_stops_a_script_before_its_first_write(
    spoil: str, server: RedisServer, key_prefix: str
) -> None:
    """What needs the order is refused, and nothing of it is done; frames are added all the same."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    async with RedisSessionStore(server.url, prefix=name) as store:
        moment = FakeClock().moment()
        await store.create_session(session("a", expires_at=moment))
        SPOIL[spoil](server, f"{{{name}:0}}")
        before = [await store.get_session("a"), (await store.statistics()).counters]
        for call in (
            lambda: store.modify_session("a", close),
            lambda: store.create_session(session("b", state="closed")),
            lambda: store.create_session(session("b", expires_at=moment)),
            lambda: store.expire_sessions(),
            lambda: store.delete_session("a"),
        ):
            with pytest.raises(Exception, match=r"\S"):
                await call()
        assert [await store.get_session("a"), (await store.statistics()).counters] == before
        assert await store.add_frame(note(1)) == 1
        await store.create_session(session("c"))
        await add_up(store)
