"""The calls of several sessions: each with its own, in order, whether searched together or not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

import pytest
from sessionkeeper import ActorSessionStore, MessageEnvelope, Session, SessionNotFound
from sessionkeeper.recording import Call, CallFilter
from sessionkeeper.recording.analysis import reading
from sessionkeeper.recording.analysis.reading import calls_of_each

SIZES = [1, 1, 7, 0, 2, 1, 1, 30, 1]
"""Calls of the sessions; each second one fails, the first one too."""


async def filled() -> ActorSessionStore:
    store = await ActorSessionStore().open()
    for session, size in enumerate(SIZES):
        await store.create_session(Session.new(id=f"s{session}", transport_type="stdio"))
        for number in range(size):
            answer: dict[str, object] = {"result": {}}
            if number % 2 == 0:
                answer = {"error": {"code": 1, "message": ""}}
            await store.add_frames(
                f"s{session}",
                [
                    envelope(session, {"id": number, "method": "m"}, "client-to-server"),
                    envelope(session, {"id": number} | answer, "server-to-client"),
                ],
            )
    return store


def envelope(session: int, message: dict[str, object], direction: str) -> MessageEnvelope:
    return MessageEnvelope.of(f"s{session}", {"jsonrpc": "2.0"} | message, direction=direction)


async def each_of(sessions: list[Session]) -> AsyncGenerator[Session]:
    for session in sessions:
        yield session


async def numbers(found: AsyncIterable[Call]) -> list[object]:
    return [call.request_id async for call in found]


@pytest.mark.parametrize("together", [(1, 1), (4, 8), (1_024, 8_192)])
@pytest.mark.parametrize("errors", [False, True])
async def test_each_session_has_its_calls(
    errors: bool, together: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TOGETHER", together[0])
    monkeypatch.setattr(reading, "_LEAST", 1)
    monkeypatch.setattr(reading, "_MOST_TOGETHER", together[1])
    async with await filled() as store:
        sessions = await store.list_sessions()
        found = calls_of_each(store, each_of(sessions), CallFilter(errors=errors))
        read = [(session.id, await numbers(several)) async for session, several in found]
    expected = [
        (f"s{session}", [*range(0, size, 1 + errors)]) for session, size in enumerate(SIZES)
    ]
    assert read == expected


async def test_a_session_that_is_gone_is_told_where_it_would_come() -> None:
    async with await filled() as store:
        sessions = await store.list_sessions()
        await store.delete_session("s1")
        found = calls_of_each(store, each_of(sessions), CallFilter(errors=True))
        gone: list[str] = []
        async for session, several in found:
            try:
                await numbers(several)
            except SessionNotFound:
                gone.append(session.id)
    assert gone == ["s1"]
