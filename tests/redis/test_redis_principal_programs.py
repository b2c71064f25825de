"""Whatever a principal calls on a server: it cannot tell whether another's session is there."""

from __future__ import annotations

from itertools import count

import pytest
from principal_programs import run_programs
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore


@pytest.mark.parametrize("managers", [False, True], ids=["store", "manager"])
async def test_another_principals_sessions_cannot_be_told_from_none(
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
