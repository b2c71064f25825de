"""The problems of sessions, from recordings of real servers and from others."""

from __future__ import annotations

import sys
from datetime import timedelta
from subprocess import run
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Direction,
    HttpDelivery,
    Session,
    SessionState,
    SseDelivery,
    StdioDelivery,
)
from sessionkeeper.leases import own_lease
from sessionkeeper.recording import Problem, ProblemKind, Severity, problems
from sessionkeeper.values.delivery import Delivery
from sessionkeeper.values.lease import LEASE_KEY

from tests.support.recorded_logs import DOWN, START, UP, RecordedLog
from tests.support.recordings import RecordedServer


async def found_in(log: RecordedLog, **fields: Any) -> list[Problem]:
    async with ActorSessionStore() as store:
        await log.put_into(store, **fields)
        return [problem async for problem in problems(store)]


def kinds(found: list[Problem]) -> list[tuple[ProblemKind, int | None]]:
    return [(problem.kind, problem.seq) for problem in found]


async def test_a_real_server_has_the_problems_that_its_client_made() -> None:
    """Each names the server, the tool and the frame, and says what to look at."""
    async with ActorSessionStore() as store:
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_time"]) as server:
            await server.greet()
            await server.ask("tools/list")
            for _ in range(3):
                await server.call("get_current_time", timezone="UTC")
            await server.call("get_current_time", timezone="Nowhere")
            await server.ask("nothing/at/all")
        # How slow this machine is today is no problem of the server.
        found = [problem async for problem in problems(store, slow=timedelta(days=1))]
    assert [problem.kind for problem in found] == [
        ProblemKind.REPEATED_CALL,
        ProblemKind.TOOL_ERROR,
        ProblemKind.ERROR,
    ]
    repeated, failed, unknown = found
    assert {problem.server for problem in found} == {"mcp-time"}
    assert repeated.subject == "tools/call get_current_time"
    assert repeated.text == "the same request 3 times in a row, first in frame 6"
    assert failed.text.startswith("isError: ")
    assert "Nowhere" in failed.text
    assert unknown.text == "error -32601: Method not found"
    assert unknown.hint is not None
    assert "capabilities" in unknown.hint
    assert unknown.call is not None
    assert unknown.seq == unknown.call.response_seq


async def test_a_conversation_without_problems_has_none() -> None:
    log = RecordedLog()
    log.call(1, "a")
    log.ask(2, "ping", of=DOWN)
    log.answer(2, of=DOWN)
    assert await found_in(log) == []


async def test_what_has_no_answer_is_a_problem_when_the_session_has_ended() -> None:
    log = RecordedLog()
    log.ask(1, "tools/call", name="a")
    log.ask(2, "tools/call", name="b")
    log.notify("notifications/cancelled", of=UP, requestId=2)
    log.answer(9)
    found = await found_in(log, state=SessionState.CLOSED)
    assert kinds(found) == [(ProblemKind.ANSWER_TO_NOTHING, 4), (ProblemKind.UNANSWERED, 1)]
    assert found[1].severity is Severity.ERROR
    assert found[0].text == "an answer to no open request: id 9"


async def test_an_open_call_of_a_live_session_is_slow_not_unanswered() -> None:
    """It began long ago; with a larger limit it is no problem."""
    log = RecordedLog()
    log.ask(1, "tools/call", name="a")
    async with ActorSessionStore() as store:
        await log.put_into(store, state=SessionState.ACTIVE)
        found = [problem async for problem in problems(store)]
        ages = timedelta(days=365_000)
        assert [problem async for problem in problems(store, slow=ages)] == []
    assert kinds(found) == [(ProblemKind.SLOW, 1)]
    assert "the session is live" in found[0].text


async def test_an_answer_is_slow_above_the_limit() -> None:
    """The default limit is 10 seconds; what takes exactly so long is not above it."""
    log = RecordedLog()
    log.call(1, "a", after=10)
    log.call(2, "b", after=10.5)
    found = await found_in(log)
    assert kinds(found) == [(ProblemKind.SLOW, 4)]
    assert found[0].text == "the answer took 10.5 s"
    assert found[0].severity is Severity.WARNING


async def test_what_crosses_the_wire_in_error_is_named() -> None:
    """Odd bytes, gaps, and an id that is in flight twice."""
    log = RecordedLog()
    log.say(DOWN, b"Starting up...", delivery=StdioDelivery())
    log.ask(1, "tools/call", name="a")
    log.ask(1, "tools/call", name="b")
    log.answer(1)
    log.answer(1)
    log.lose(DOWN)
    log.say(UP, b"{", delivery=StdioDelivery())
    found = await found_in(log)
    assert kinds(found) == [
        (ProblemKind.ODD_FRAME, 1),
        (ProblemKind.REPEATED_ID, 3),
        (ProblemKind.GAP, 6),
        (ProblemKind.ODD_FRAME, 7),
    ]
    assert found[0].text == "the server sent no message: not JSON"
    assert "nothing but messages to stdout" in (found[0].hint or "")
    assert found[2].text == "recording was too slow"


async def test_http_errors_are_problems_but_a_refused_offer_is_none() -> None:
    """A server need not offer a GET or a DELETE, and answers 405 then."""
    log = RecordedLog()
    for method, stream in ("GET", "GET-1"), ("DELETE", "DELETE-3"):
        refused = HttpDelivery(method=method, path="/mcp", status=405)
        log.say(DOWN, b"Method Not Allowed", delivery=refused, stream=stream)
    log.say(
        UP,
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
        delivery=HttpDelivery(method="POST", path="/mcp"),
        stream="POST-2",
    )
    gone = HttpDelivery(method="POST", path="/mcp", status=404)
    log.say(DOWN, b"Not Found", delivery=gone, stream="POST-2")
    found = await found_in(log)
    assert kinds(found) == [(ProblemKind.ODD_FRAME, 4), (ProblemKind.ERROR, 4)]
    assert found[1].text == "error 404: HTTP 404"
    assert "status and path" in (found[0].hint or "")


async def test_an_error_for_no_request_is_one_beside_an_answer_too() -> None:
    """In a batch, which old versions of the protocol allow."""
    log = RecordedLog()
    log.ask(1, "ping")
    log.say(
        DOWN,
        b'[{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no ping"}},'
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}]',
    )
    found = await found_in(log)
    assert [problem.text for problem in found] == ["error -32600: what?", "error -32601: no ping"]


async def test_an_error_for_no_request_is_a_problem_that_quotes_it() -> None:
    """Its id is null, because the server could not read what it was sent; on either side."""
    log = RecordedLog()
    log.call(1, "a")
    log.say(UP, b"{", delivery=StdioDelivery())
    log.fail(None, -32700, "Parse error")
    log.say(UP, {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "what?"}})
    log.fail(2, -32000, "of no request")
    found = await found_in(log)
    assert kinds(found) == [
        (ProblemKind.ODD_FRAME, 3),
        (ProblemKind.ERROR, 4),
        (ProblemKind.ERROR, 5),
    ]
    assert [problem.text for problem in found[1:]] == [
        "error -32700: Parse error",
        "error -32600: what?",
    ]
    assert "parse" in (found[1].hint or "")


@pytest.mark.parametrize("answer_id", [None, "server-error"])
async def test_a_refused_request_is_one_error_whatever_its_id(answer_id: str | None) -> None:
    """Of a call, of a notification, and of a stream that is no mere offer."""
    log = RecordedLog()
    for number, (method, message, status) in enumerate(
        (
            ("POST", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', 400),
            ("POST", b'{"jsonrpc":"2.0","method":"notifications/initialized"}', 404),
            ("GET", b"", 406),
            ("GET", b"", 405),
            ("DELETE", b"", 405),
        ),
        1,
    ):
        of_exchange = {"stream": f"{method}-{number}"}
        if message:
            log.say(UP, message, delivery=HttpDelivery(method=method, path="/mcp"), **of_exchange)
        log.say(
            DOWN,
            {"jsonrpc": "2.0", "id": answer_id, "error": {"code": -32600, "message": "no"}},
            delivery=HttpDelivery(method=method, path="/mcp", status=status),
            **of_exchange,
        )
    found = await found_in(log)
    assert kinds(found) == [(ProblemKind.ERROR, 2), (ProblemKind.ERROR, 4), (ProblemKind.ERROR, 5)]
    assert [problem.call is None for problem in found] == [False, True, True]


async def test_a_notification_that_is_refused_without_a_message_is_an_error() -> None:
    log = RecordedLog()
    initialized = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
    log.say(UP, initialized, delivery=HttpDelivery(method="POST", path="/mcp"), stream="POST-1")
    refused = HttpDelivery(method="POST", path="/mcp", status=401)
    log.say(DOWN, b"", delivery=refused, stream="POST-1")
    found = await found_in(log)
    assert kinds(found) == [(ProblemKind.ODD_FRAME, 2), (ProblemKind.ERROR, 2)]
    assert found[1].text == "error 401: HTTP 401"


@pytest.mark.parametrize(
    ("direction", "delivery", "hint"),
    [
        (UP, HttpDelivery(method="POST", path="/mcp"), "body of a POST"),
        (DOWN, HttpDelivery(method="POST", path="/mcp", status=200), "status and path"),
        (DOWN, SseDelivery(), "data of an event"),
        (UP, StdioDelivery(), "the server's stdin"),
        (DOWN, StdioDelivery(), "to stdout"),
        (DOWN, None, "--raw"),
    ],
)
async def test_the_hint_for_an_odd_frame_fits_its_delivery(
    direction: Direction, delivery: Delivery | None, hint: str
) -> None:
    log = RecordedLog()
    log.say(direction, b"no message", delivery=delivery)
    (found,) = await found_in(log)
    assert hint in (found.hint or "")
    log = RecordedLog()
    log.say(direction, b"no mess", delivery=delivery, metadata={"line_end": "none"})
    (found,) = await found_in(log)
    assert "which side left" in (found.hint or "")


@pytest.mark.parametrize("several", [2, 3])
async def test_the_same_call_again_and_again(several: int) -> None:
    """However its parameters are written, and whatever `_meta` and other requests come between."""
    log = RecordedLog()
    for number in range(several):
        params = (
            b'{"name":"a","arguments":{"x":1e2,"y":"\\u00e9"},"_meta":{"progressToken":%d}}',
            '{"arguments": {"y": "é", "x": 100.0}, "name": "a", "_meta": {"t": %d}}'.encode(),
        )[number % 2] % number
        head = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":' % number
        log.say(UP, head + params + b"}")
        log.answer(number)
        log.ask(100 + number, "ping")
        log.answer(100 + number)
    log.call("other", "a", x=1)
    found = await found_in(log)
    assert [problem.kind for problem in found] == [ProblemKind.REPEATED_CALL] * (several == 3)


async def test_other_arguments_break_the_row() -> None:
    log = RecordedLog()
    for number in range(9):
        log.call(number, "a", x=number % 3)
    assert await found_in(log) == []


async def test_a_failed_session_and_one_whose_recorder_is_gone() -> None:
    """Of the session as a whole, so without a frame."""
    finished = run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    gone = own_lease().model_copy(update={"pid": int(finished.stdout), "started": 1})
    async with ActorSessionStore() as store:
        await RecordedLog("a").put_into(store, state=SessionState.FAILED, failure="client vanished")
        await store.create_session(
            Session.new(
                id="b",
                transport_type="stdio",
                metadata={LEASE_KEY: gone.model_dump(mode="json")},
            )
        )
        found = [problem async for problem in problems(store)]
    assert kinds(found) == [(ProblemKind.RECORDER_GONE, None), (ProblemKind.SESSION_FAILED, None)]
    assert found[1].text == "client vanished"
    assert "has ended" in found[0].text


async def test_only_the_sessions_that_were_asked_for_are_read() -> None:
    async with ActorSessionStore() as store:
        sessions = []
        for name in "abc":
            log = RecordedLog(name)
            log.ask(1, "ping")
            sessions.append(await log.put_into(store))
        await store.delete_session("b")
        read: list[int] = []
        found = [each async for each in problems(store, sessions[:2], on_frames=read.append)]
    assert [problem.session_id for problem in found] == ["a"]
    assert read == [1]


def test_a_problem_names_the_command_that_shows_it() -> None:
    """Quoted for a shell, with -- before an id that begins with a hyphen."""
    problem = Problem(
        kind=ProblemKind.GAP,
        session_id="-abc",
        seq=7,
        time=START,
        server=None,
        text="secret",
    )
    assert problem.command("sqlite:///a b.db") == (
        "sessionkeeper show -- 'sqlite:///a b.db' -abc 7"
    )
    assert problem.command("sqlite:///a.db", session="xyz") == (
        "sessionkeeper show sqlite:///a.db xyz 7"
    )
    assert "secret" not in repr(problem)
