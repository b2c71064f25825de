"""Real workers in processes of their own: killed, started again, and two on one store."""

from __future__ import annotations

from pathlib import Path

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from .raw_client import RawClient, read_all, said
from .servers import workers

STEPS = 7
EXPECTED = [*(f"step {step}" for step in range(STEPS)), "done"]


async def test_a_running_call_is_resumed_on_the_other_worker_without_a_loss(
    shared_url: str, tmp_path: Path
) -> None:
    """Ten of ten times, all of its 8 events come, which the worker of the call sends meanwhile."""
    async with (
        workers(shared_url, 2) as (one, other),
        httpx2.AsyncClient(timeout=300) as http,
    ):
        for number in range(10):
            gate = tmp_path / f"gate-{number}"
            gate.write_text(str(number % STEPS))
            client = RawClient(http, one.url)
            await client.initialize()
            async with client.calling("steps", number=STEPS, gate=str(gate)) as events:
                priming = await anext(events)
                assert not priming.data
            client.url = other.url
            async with client.listening(after=priming.id) as events:
                came = []
                async for event in events:
                    came.append(event)
                    gate.write_text(str(STEPS + 1))
            assert said(came) == EXPECTED
            # At the end the client is where the call's worker is, and both agree.
            client.url = one.url
            async with client.listening(after=priming.id) as events:
                assert said(await read_all(events)) == EXPECTED
            async with client.calling("say", text=f"{number}") as events:
                assert said(await read_all(events)) == [str(number)]


async def test_a_killed_worker_starts_again_and_its_sessions_go_on(
    shared_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.write_text("2")
    async with workers(shared_url, 1) as (worker,), httpx2.AsyncClient(timeout=300) as http:
        client = RawClient(http, worker.url)
        await client.initialize()
        async with client.calling("say", text="before") as events:
            before = await read_all(events)
        assert said(before) == ["before"]
        async with client.calling("steps", number=STEPS, gate=str(gate)) as events:
            seen = [await anext(events) for _ in range(3)]
            assert said(seen) == ["step 0", "step 1"]
            await worker.kill()
        await worker.start()
        # The call died with its worker: nobody waits for its answer forever.
        async with client.listening(after=seen[1].id) as events:
            assert said(await read_all(events)) == [
                "step 1",
                "the server that ran the call is gone",
            ]
        async with client.listening(after=before[0].id) as events:
            assert said(await read_all(events)) == ["before"]
        async with client.calling("say", text="after") as events:
            assert said(await read_all(events)) == ["after"]


async def test_the_official_client_goes_on_after_a_restart(shared_url: str) -> None:
    async with (
        workers(shared_url, 1) as (worker,),
        Client(streamable_http_client(worker.url), mode="legacy") as client,
    ):
        first = await client.call_tool("say", {"text": "before"})
        await worker.stop()
        await worker.start()
        second = await client.call_tool("say", {"text": "after"})
    assert [each.content[0].text for each in (first, second)] == ["before", "after"]  # type: ignore[union-attr]


async def test_a_worker_that_stops_answers_its_running_calls(
    shared_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.write_text("1")
    async with workers(shared_url, 2) as (one, other), httpx2.AsyncClient(timeout=300) as http:
        client = RawClient(http, one.url)
        await client.initialize()
        async with client.calling("steps", number=STEPS, gate=str(gate)) as events:
            seen = [await anext(events) for _ in range(2)]
        client.url = other.url
        async with client.listening(after=seen[1].id) as events:
            await anext(events)  # the priming event: it is served
            await one.stop()
            assert said(await read_all(events)) == ["the server that ran the call is gone"]


async def test_a_session_that_one_worker_ends_is_over_on_the_other(shared_url: str) -> None:
    async with workers(shared_url, 2) as (one, other), httpx2.AsyncClient(timeout=300) as http:
        client = RawClient(http, one.url)
        await client.initialize()
        async with client.listening() as events:
            client.url = other.url
            response = await http.delete(other.url, headers=client.headers())
            assert response.status_code == 200
            assert await read_all(events) == []
        for url in (one.url, other.url):
            client.url = url
            response = await client.post("ping", {})
            assert response.status_code == 404
            response = await http.get(url, headers=client.headers())
            assert response.status_code == 404
