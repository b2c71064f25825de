"""A server that lost its data uses numbers again: they are not mistaken for the old ones."""

from __future__ import annotations

import pytest
from redis_fleet import Fleet
from redis_operations import add_up, note, session
from sessionkeeper import RedisSessionStore, Session
from sessionkeeper.interface.atomic_store import Change

pytestmark = pytest.mark.parametrize("engine", ["valkey"], indirect=True)


def marking(name: str) -> Change:
    """A change that adds a mark to those that are there."""

    def mark(session: Session) -> Session:
        return session.model_copy(update={"metadata": {**session.metadata, name: True}})

    return mark


@pytest.mark.parametrize("how", ["modify_session", "add_frames"])
async def test_an_earlier_state_is_not_mistaken_for_the_current_one(how: str, fleet: Fleet) -> None:
    """A revision is given again, to another's change of a session of that name: it is not lost."""
    server = fleet.start()
    async with RedisSessionStore(server.url) as mine, RedisSessionStore(server.url) as other:

        async def mark(store: RedisSessionStore, name: str) -> None:
            if how == "modify_session":
                await store.modify_session("a", marking(name))
            else:
                await store.add_frames("a", [note(name)], change=marking(name))

        for store, name in ((mine, "lost"), (other, "kept")):
            server.say("FLUSHALL")
            await store.create_session(session("a"))
            await other.create_session(session("b"))  # so its revision was not predicted
            await mark(store, name)
        await mark(mine, "later")
        assert {*(await other.get_session("a")).metadata} == {"kept", "later"}
        await add_up(mine)


async def test_a_watcher_does_not_go_on_in_another_session_of_that_number(fleet: Fleet) -> None:
    """The first session of a store that was emptied has the number of the first one before."""
    server = fleet.start()
    async with RedisSessionStore(server.url) as store, RedisSessionStore(server.url) as other:
        await store.create_session(session("a"))
        for n in range(3):
            await store.add_frame(note(n))
        async with store.watch_frames("a") as watcher:
            for n in range(3):
                assert (await anext(watcher)).seq == n + 1
            server.say("FLUSHALL")
            await other.create_session(session("a"))
            for n in range(5):
                await other.add_frame(note(n))
            with pytest.raises(StopAsyncIteration):
                await anext(watcher)
