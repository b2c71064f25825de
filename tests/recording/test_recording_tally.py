"""What a recorder counts while it records is what a reader of the log would count."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sessionkeeper import HttpDelivery, ManagerConfig, MessageEnvelope, SessionManager
from sessionkeeper.recording import Origin, SessionRecorder, tally
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.lease import TALLY_KEY
from sessionkeeper.values.states import Direction

ASKED, ANSWERED = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
STDERR = Origin(stream="stderr", media_type="text/plain; charset=utf-8")
TRAFFIC = [
    (ASKED, b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}', 1, 0),
    (ANSWERED, b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}', 0, 1),
    (ANSWERED, b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":false}}', 0, 0),
    (ANSWERED, b'{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage"}', 1, 0),
    (ASKED, b'{"jsonrpc":"2.0","id":"s","error":{"code":-1,"message":"no"}}', 0, 1),
    (ASKED, b'{"jsonrpc":"2.0","method":"notifications/initialized"}', 0, 0),
    (
        ANSWERED,
        b'{"jsonrpc":"2.0","id":2,"result":{"text":"\\"isError\\":true, \\"method\\""}}',
        0,
        0,
    ),
    (ASKED, b'[{"jsonrpc":"2.0","id":3,"method":"a"},{"jsonrpc":"2.0","id":4,"method":"b"}]', 2, 0),
    (ANSWERED, b"Starting up...", 0, 0),
    (ANSWERED, b'{"id":5,"error":{"code":-1}}', 0, 1),
]


@pytest.mark.parametrize("failure", [None, "why"])
async def test_the_tally_at_the_end_is_that_of_the_log(failure: str | None) -> None:
    """Of both directions; standard error and gaps do not count."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(manager, ["server"])
        calls = errors = 0
        for direction, message, called, failed in TRAFFIC:
            await recorder.record(direction, message, datetime.now(UTC))
            calls, errors = calls + called, errors + failed
        await recorder.record(ANSWERED, TRAFFIC[0][1], datetime.now(UTC), origin=STDERR)
        await recorder.record_gap(ANSWERED, Gap.of(TRAFFIC[0][1], "too large"), datetime.now(UTC))
        await (recorder.complete() if failure is None else recorder.fail(failure))
        session = await manager.get_session(recorder.session_id)
        assert session.metadata[TALLY_KEY] == {
            "calls": calls,
            "errors": errors,
            "last_seq": session.last_seq,
        }
        bare = {name: value for name, value in session.metadata.items() if name != TALLY_KEY}
        counted = await tally(manager.store, session.model_copy(update={"metadata": bare}))
        assert (counted.calls, counted.errors, counted.exact) == (calls, errors, True)


async def test_an_error_status_of_a_post_counts_as_an_error() -> None:
    """Whatever the body is; once, also if the body is a JSON-RPC error, and not for a GET."""
    traffic = [
        (ASKED, TRAFFIC[0][1], "POST", None),
        (ANSWERED, b"<html>Bad gateway</html>", "POST", 502),
        (ASKED, TRAFFIC[0][1], "POST", None),
        (ANSWERED, b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}', "POST", 400),
        (ASKED, b"not JSON", "POST", None),
        (ANSWERED, b"no stream here", "GET", 405),
        (ANSWERED, b'{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}', "GET", 405),
        (
            ANSWERED,
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}',
            "DELETE",
            405,
        ),
    ]
    async with SessionManager(ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(manager)
        for direction, message, method, status in traffic:
            origin = Origin(HttpDelivery(method=method, path="/mcp", status=status))
            await recorder.record(direction, message, datetime.now(UTC), origin=origin)
        await recorder.complete()
        counted = await tally(manager.store, await manager.get_session(recorder.session_id))
        assert (counted.calls, counted.errors) == (2, 2)


@pytest.mark.parametrize(
    "held", [None, 1, "x", [], [1, 2, 3], {}, {"calls": "1"}, {"calls": 1, "errors": 0}]
)
async def test_what_another_program_wrote_in_place_of_the_tally_is_passed_over(
    held: object,
) -> None:
    async with SessionManager() as manager:
        session = await manager.create_session(transport_type="stdio", metadata={TALLY_KEY: held})
        await manager.record(MessageEnvelope.of(session.id, TRAFFIC[0][1], direction=ASKED))
        session = await manager.get_session(session.id)
        counted = await tally(manager.store, session)
        assert (counted.calls, counted.errors, counted.exact) == (1, 0, True)
