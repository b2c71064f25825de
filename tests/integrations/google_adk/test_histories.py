"""Histories recorded through the service are linearizable; cancelled callers try again in them."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from google.adk.sessions.base_session_service import BaseSessionService
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from sessionkeeper import AtomicSessionStore
from sessionkeeper.integrations.google_adk import StoreSessionService
from sessionlab import Verdict, check

from .histories import Recorder, SessionOfEvents


@pytest.mark.parametrize("seed", range(3))
async def test_a_history_is_linearizable(
    store: AtomicSessionStore, stale: Any, home: Any, seed: int
) -> None:
    service = StoreSessionService(store, stale=stale, home=home)
    operations = await Recorder(service, stale, Random(seed)).run(clients=6, calls=8)
    result = check(operations, SessionOfEvents())
    assert result.verdict is Verdict.OK, result.counterexample
    assert {"get", "append", "set user", "get user"} == {each.name for each in operations}


@pytest.mark.parametrize("lie", ["an event is lost", "state is old"])
async def test_a_lie_in_a_history_is_found(
    service: BaseSessionService, stale: str, lie: str
) -> None:
    operations = await Recorder(service, stale, Random(7)).run(clients=3, calls=8)
    last = max(n for n, each in enumerate(operations) if each.name == "get")
    result: Any = operations[last].result
    events, state = result
    told = (events[1:], state) if lie == "an event is lost" else (events, ())
    operations[last] = msgspec.structs.replace(operations[last], result=told)
    assert check(operations, SessionOfEvents()).verdict is Verdict.ILLEGAL


async def test_a_service_that_accepts_what_is_stale_is_found() -> None:
    """ADK's own service in memory merges, so as one that refuses it is wrong."""
    for seed in range(20):
        recorder = Recorder(InMemorySessionService(), "refuse", Random(seed))
        operations = await recorder.run(clients=6, calls=8)
        if check(operations, SessionOfEvents()).verdict is Verdict.ILLEGAL:
            return
    pytest.fail("not found")
