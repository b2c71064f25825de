"""A store of several buckets: each session is whole, and guarantees say what is not."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from redis_proxy import proxied
from redis_server import RedisServer
from sessionkeeper import (
    Atomicity,
    LimitExceeded,
    RedisSessionStore,
    Session,
    SessionQuery,
    StoreLimits,
    StoreUnavailable,
)
from sessionlab import Outcome, RecordingStore, SessionStoreModel, Verdict, check

pytestmark = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
IDS = [f"s{n}" for n in range(12)]


def store(server: RedisServer, prefix: str, buckets: int | None = 4) -> RedisSessionStore:
    """A store of four buckets, or of as many as there are."""
    return RedisSessionStore(server.url, prefix=prefix.rstrip(":"), buckets=buckets)


async def fill(keeper: RedisSessionStore | RecordingStore) -> list[Session]:
    """Twelve sessions, which land in all four buckets."""
    return [await keeper.create_session(Session.new(transport_type="stdio", id=i)) for i in IDS]


async def test_a_store_declares_the_guarantees_it_keeps(
    server: RedisServer, key_prefix: str
) -> None:
    """Across buckets nothing is one step, and `guarantees` says so; also of who records it."""
    recording = RecordingStore(store(server, key_prefix))
    async with recording:
        assert recording.guarantees.operation is Atomicity.LINEARIZABLE
        assert recording.guarantees.batch is Atomicity.NONE
        assert recording.guarantees.listing is Atomicity.NONE
        assert not recording.guarantees.one_counter
    async with store(server, f"one-{key_prefix}", buckets=1) as whole:
        assert whole.guarantees == RedisSessionStore.guarantees


async def test_several_sessions_are_read_together_and_changed_only_in_one_bucket(
    server: RedisServer, key_prefix: str
) -> None:
    """Reading gathers; a change of sessions of several buckets is refused, and changes none."""
    async with store(server, key_prefix) as keeper:
        made = await fill(keeper)
        assert await keeper.get_sessions_batch(IDS) == made
        assert {each.id for each in await keeper.list_sessions()} == set(IDS)
        assert await keeper.count_sessions() == len(IDS)
        tagged = [each.model_copy(update={"tags": {"new"}}) for each in made]
        with pytest.raises(NotImplementedError, match="several buckets"):
            await keeper.update_sessions_batch(tagged)
        assert await keeper.get_sessions_batch(IDS) == made
        assert [each.tags for each in await keeper.update_sessions_batch(tagged[:1])] == [{"new"}]


@pytest.mark.parametrize("limit", [1, 5, 100])
async def test_a_walk_over_all_pages_meets_each_session_once(
    limit: int, server: RedisServer, key_prefix: str
) -> None:
    """A page is of one bucket; the cursor goes on in the next."""
    async with store(server, key_prefix) as keeper:
        await fill(keeper)
        is_satisfied_by: list[str] = []
        cursor = None
        while True:
            page = await keeper.find_sessions(SessionQuery(), cursor=cursor, limit=limit)
            assert len(page.sessions) <= limit
            is_satisfied_by += [each.id for each in page.sessions]
            if (cursor := page.cursor) is None:
                break
        assert sorted(is_satisfied_by) == sorted(IDS)


async def test_sweeps_go_round_all_buckets_and_keep_their_limit(
    server: RedisServer, key_prefix: str
) -> None:
    """Never more than the limit, until none is left."""
    async with store(server, key_prefix) as keeper:
        await fill(keeper)
        assert len(await keeper.expire_sessions(idle=0.0, limit=5)) == 5
        assert len(await keeper.expire_sessions(idle=0.0, limit=100)) == 7
        assert await keeper.purge_sessions(ended_for=0.0, limit=3) == 3
        assert await keeper.purge_sessions(ended_for=0.0, limit=100) == 9
        counters = (await keeper.statistics()).counters
        assert (counters.created, counters.purged) == (12, 12)


async def test_each_bucket_has_its_own_numbers_in_the_writer_log(
    server: RedisServer, key_prefix: str
) -> None:
    """Two sweeps are eight writes, in a ring of four: after lost replies none is forgotten."""
    async with proxied(server.port) as proxy:
        keeper = RedisSessionStore(proxy.url, prefix=key_prefix[:-1], buckets=4, capacity=2)
        async with keeper:
            made = await fill(keeper)
            for each in made[::2]:
                await keeper.update_session(each.model_copy(update={"state": "closed"}))
            proxy.replies.cut("EVALSHA", at=0)
            calls = keeper.expire_sessions(idle=0.0), keeper.purge_sessions(ended_for=0.0)
            ended, purged = await asyncio.gather(*calls)
            assert (len(ended), purged) == (6, 12)
            assert await keeper.count_sessions() == 0


async def test_a_limit_of_the_store_is_shared_among_its_buckets(
    server: RedisServer, key_prefix: str
) -> None:
    """Each bucket refuses beyond its share, so all together never hold more than is allowed."""
    limits = StoreLimits(max_sessions=8)
    keeper = RedisSessionStore(server.url, prefix=key_prefix.rstrip(":"), buckets=4, limits=limits)
    async with keeper:
        made = [Session.new(transport_type="stdio", id=each) for each in IDS]
        told = await asyncio.gather(*map(keeper.create_session, made), return_exceptions=True)
        refused = [each for each in told if isinstance(each, LimitExceeded)]
        assert refused
        assert {each.limit for each in refused} == {"max_sessions"}
        assert await keeper.count_sessions() == len(IDS) - len(refused)
        assert await keeper.count_sessions() <= 8


async def test_the_number_of_buckets_is_decided_once(server: RedisServer, key_prefix: str) -> None:
    """The first opening decides; another number is refused, no number uses the stored one."""
    async with store(server, key_prefix) as keeper:
        await fill(keeper)
        with pytest.raises(StoreUnavailable, match="4 buckets, not 2"):
            await store(server, key_prefix, buckets=2).open()
        async with store(server, key_prefix, buckets=None) as other:
            assert await other.count_sessions() == len(IDS)
            assert (await other.get_session("s3")).id == "s3"


async def test_a_history_of_several_buckets_is_checked_against_their_guarantees(
    server: RedisServer, key_prefix: str
) -> None:
    """Each bucket gives revisions of its own and gathers at its own moment; no alarm is raised."""
    async with RecordingStore(store(server, key_prefix)) as recording:
        made = await fill(recording)
        assert len({each.revision for each in made}) < len(made)

        async def busy(client: int) -> None:
            for n, each in enumerate(IDS):
                changed = Session.new(transport_type="stdio", id=f"{client}-{n}")
                await recording.create_session(changed)
                await recording.modify_session(
                    each, lambda session: session.model_copy(update={"metadata": {"n": client}})
                )
                await recording.list_sessions()
                await recording.count_sessions()
                await recording.find_sessions(SessionQuery(), limit=5)
                await recording.get_sessions_batch(IDS[:3])

        await asyncio.gather(*(busy(client) for client in range(3)))
        expired = await recording.expire_sessions(age=0, limit=5)
        assert len(expired) == 5
        assert await recording.purge_sessions(ended_for=0) == 5
    history = recording.history()
    assert not history.header.one_counter
    assert check(history, SessionStoreModel(), timeout=600).verdict is Verdict.OK
    # What one session was told is judged all the same.
    changes = [each for each in history.operations if each.name == "modify_session"]
    assert all(each.outcome is Outcome.OK for each in changes)
    one = next(each for each in changes if each.argument[0] == "s3")  # type: ignore[index]  # a pair
    again = replace(one, call=one.call, client=99)
    twice = replace(history, operations=(*history.operations, again))
    assert check(twice, SessionStoreModel(), timeout=600).verdict is Verdict.ILLEGAL
