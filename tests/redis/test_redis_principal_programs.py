"""Whatever a principal calls on a server: it cannot tell whether another's session is there."""

from __future__ import annotations

from itertools import count

import pytest
from principal_programs import run_programs
from redis_operations import note
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore, Session, SessionNotFound


@pytest.mark.parametrize("managers", [False, True], ids=["store", "manager"])
async def test_another_principals_sessions_look_like_missing_ones(
    managers: bool, server: RedisServer, key_prefix: str
) -> None:
    """Random programs, as on the other stores: the same answers, errors and end."""
    numbers = count()
    await run_programs(
        lambda limits, clock: RedisSessionStore(
            server.url, prefix=f"{key_prefix[:-1]}-{next(numbers)}", limits=limits, clock=clock
        ),
        range(6),
        managers=managers,
    )


async def test_writes_to_another_principals_session_do_not_repeat_its_changes(
    server: RedisServer, key_prefix: str
) -> None:
    """A refused append is not expected to have made the log longer."""
    runs = 0

    def change(session: Session) -> Session:
        nonlocal runs
        runs += 1
        return session.model_copy(update={"metadata": {"n": runs}})

    async with RedisSessionStore(server.url, prefix=key_prefix[:-1]) as store:
        alice, bob = store.for_principal("alice"), store.for_principal("bob")
        await bob.create_session(Session.new(transport_type="stdio", id="a"))
        await bob.modify_session("a", change)
        for n in range(1, 4):
            with pytest.raises(SessionNotFound):
                await alice.add_frame(note(1))
            await bob.modify_session("a", change)
            assert runs == n + 1
