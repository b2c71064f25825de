"""The calls of a session: each request, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Direction,
    Frame,
    HttpDelivery,
    MessageEnvelope,
    Session,
    SessionNotFound,
    SessionState,
    SseDelivery,
    TransportType,
)
from sessionkeeper.recording import (
    Call,
    CallFilter,
    CallOutcome,
    CallTracker,
    OddityKind,
    PairingOddity,
    calls,
    tally,
)

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
START = datetime(2026, 1, 1, tzinfo=UTC)


class Log:
    """Builds the frames of a session, a second apart."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def add(
        self,
        direction: Direction,
        message: bytes | dict[str, object],
        at: float | None = None,
        **context: Any,
    ) -> None:
        seq = len(self.frames) + 1
        context["timestamp"] = START + timedelta(seconds=seq if at is None else at)
        made = message if isinstance(message, bytes) else {"jsonrpc": "2.0"} | message
        envelope = MessageEnvelope.of("s", made, direction=direction, **context)
        self.frames.append(Frame(seq=seq, envelope=envelope))

    def ask(
        self, id: object, method: str = "tools/call", *, of: Direction = UP, **more: Any
    ) -> None:
        params = {name: more.pop(name) for name in ("name", "uri", "ref", "_meta") if name in more}
        self.add(of, {"id": id, "method": method, "params": params}, **more)

    def answer(self, id: object, *, of: Direction = UP, **more: Any) -> None:
        said = (
            {"error": more.pop("error")} if "error" in more else {"result": more.pop("result", {})}
        )
        self.add(of.opposite, {"id": id} | said, **more)

    def tell(self, direction: Direction, method: str, **params: object) -> None:
        self.add(direction, {"method": method, "params": params})

    def calls(self, *, ended: bool = True) -> list[Call]:
        """Return the calls by the number of their requests."""
        tracker, seen = CallTracker("s"), dict[int, Call]()
        for frame in self.frames:
            seen |= {call.request_seq: call for call in tracker.feed(frame)}
        if ended:
            seen |= {call.request_seq: call for call in tracker.finish()}
        return [seen[seq] for seq in sorted(seen)]

    def oddities(self) -> list[tuple[OddityKind, int]]:
        found: list[PairingOddity] = []
        tracker = CallTracker("s", on_oddity=found.append)
        for frame in self.frames:
            tracker.feed(frame)
        return [(each.kind, each.seq) for each in found]


async def all_of(stream: AsyncIterator[Call]) -> list[Call]:
    return [call async for call in stream]


async def stored(log: Log, state: SessionState = SessionState.CLOSED) -> ActorSessionStore:
    store = await ActorSessionStore().open()
    await store.create_session(Session(id="s", transport_type=TransportType.STDIO))
    await store.add_frames("s", [frame.envelope for frame in log.frames])
    await store.modify_session("s", lambda s: s.model_copy(update={"state": state}))
    return store


def test_a_call_has_its_answer_its_sizes_and_its_latency() -> None:
    log = Log()
    log.ask(1, name="add")
    log.answer(1, result={"content": []})
    (call,) = log.calls()
    assert (call.method, call.name, call.outcome) == ("tools/call", "add", CallOutcome.RESULT)
    assert (call.request_seq, call.response_seq) == (1, 2)
    assert call.request_bytes == len(log.frames[0].envelope.message)
    assert call.response_bytes == len(log.frames[1].envelope.message)
    assert call.latency == timedelta(seconds=1)
    assert not call.is_error


def test_ids_keep_their_type_and_belong_to_a_direction() -> None:
    log = Log()
    log.ask(1)
    log.ask("1", "ping")
    log.ask(1, "roots/list", of=DOWN)
    log.answer(1, of=DOWN)
    log.answer("1")
    log.answer(1)
    assert [call.response_seq for call in log.calls()] == [6, 5, 4]
    assert [call.direction for call in log.calls()] == [UP, UP, DOWN]


def test_errors_have_their_code_and_a_shortened_text() -> None:
    log = Log()
    log.ask(1)
    log.answer(1, error={"code": -32602, "message": "x" * 500})
    log.ask(2)
    parts = [{"type": "image", "data": ""}, {"type": "text", "text": "no such file"}]
    log.answer(2, result={"isError": True, "content": parts})
    error, tool_error = log.calls()
    assert (error.outcome, error.error_code, error.error_text) == (
        CallOutcome.ERROR,
        -32602,
        "x" * 200,
    )
    assert tool_error.outcome is CallOutcome.TOOL_ERROR
    assert (tool_error.error_code, tool_error.error_text) == (None, "no such file")
    assert error.is_error
    assert tool_error.is_error


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"name": "add"}, "add"),
        ({"uri": "file:///a"}, "file:///a"),
        ({"ref": {"type": "ref/prompt", "name": "greet"}}, "greet"),
        ({"ref": {"type": "ref/resource", "uri": "file:///{x}"}}, "file:///{x}"),
        ({"name": {"of": "another type"}}, None),
        ({"name": "n" * 5000}, "n" * 1024),
        ({}, None),
    ],
)
def test_a_call_has_the_name_of_what_it_is_for(params: dict[str, Any], name: str | None) -> None:
    log = Log()
    log.ask(1, **params)
    assert log.calls()[0].name == name


def test_progress_is_counted_for_the_call_with_that_token() -> None:
    log = Log()
    log.ask(1, _meta={"progressToken": "t"})
    log.ask(2, _meta={"progressToken": 2})
    log.tell(DOWN, "notifications/progress", progressToken="t", progress=1)
    log.tell(DOWN, "notifications/progress", progressToken="t", progress=2)
    log.tell(UP, "notifications/progress", progressToken="t", progress=2)
    log.tell(DOWN, "notifications/progress", progressToken=2, progress=1)
    log.answer(1)
    log.tell(DOWN, "notifications/progress", progressToken="t", progress=3)
    assert [call.progress for call in log.calls()] == [2, 1]


def test_a_cancelled_call_stays_cancelled_when_it_is_answered_nevertheless() -> None:
    log = Log()
    log.ask(1)
    log.ask(2)
    log.tell(UP, "notifications/cancelled", requestId=1)
    log.tell(UP, "notifications/cancelled", requestId=2)
    log.answer(1, error={"code": 0, "message": "Request cancelled"})
    answered, unanswered = log.calls()
    assert answered.outcome is unanswered.outcome is CallOutcome.CANCELLED
    assert (answered.response_seq, unanswered.response_seq) == (5, None)
    assert answered.ended == START + timedelta(seconds=3)
    assert not log.oddities()


def test_initialize_cannot_be_cancelled_nor_can_a_call_of_the_other_side() -> None:
    log = Log()
    log.ask(0, "initialize")
    log.ask(1)
    log.tell(UP, "notifications/cancelled", requestId=0)
    log.tell(DOWN, "notifications/cancelled", requestId=1)
    assert [call.outcome for call in log.calls(ended=False)] == [CallOutcome.OPEN] * 2


def test_a_call_without_an_answer_is_open_until_the_session_ends() -> None:
    log = Log()
    log.ask(1)
    assert log.calls(ended=False)[0].outcome is CallOutcome.OPEN
    (call,) = log.calls()
    assert call.outcome is CallOutcome.UNANSWERED
    assert call.latency is None


@pytest.mark.parametrize("hides", [b'{"jsonrpc":"2.0","id":1,"res', b"\xff{"])
def test_what_cannot_be_read_may_hide_the_answer(hides: bytes) -> None:
    log = Log()
    log.ask(1)
    log.add(DOWN, hides)
    log.ask(2)
    assert [c.outcome for c in log.calls()] == [CallOutcome.UNKNOWN, CallOutcome.UNANSWERED]


def test_a_banner_hides_nothing() -> None:
    log = Log()
    log.ask(1)
    log.add(DOWN, b"Starting up...")
    assert log.calls()[0].outcome is CallOutcome.UNANSWERED


def test_an_odd_answer_is_an_answer() -> None:
    log = Log()
    log.ask(1)
    log.add(DOWN, b'{"jsonrpc":"2.0","id":1,"result":{"text":"\xb0"}}')
    assert log.calls()[0].outcome is CallOutcome.RESULT


def test_an_id_in_flight_twice_is_answered_from_the_newest_on_and_reported() -> None:
    log = Log()
    log.ask(1)
    log.ask(1)
    log.answer(1)
    log.answer(1)
    assert [call.response_seq for call in log.calls()] == [4, 3]
    assert log.oddities() == [(OddityKind.REPEATED_ID, 2)]


def test_an_answer_to_nothing_is_reported_unless_the_request_may_be_hidden() -> None:
    log = Log()
    log.ask(1)
    log.answer(1)
    log.answer(1)
    assert log.oddities() == [(OddityKind.ANSWER_TO_NOTHING, 3)]
    log.frames = log.frames[1:]  # trimmed
    assert not log.oddities()
    log = Log()
    log.add(UP, b"{")
    log.answer(1)
    assert not log.oddities()


def test_streams_tell_equal_ids_of_several_clients_apart() -> None:
    log = Log()
    log.ask(1, name="a", stream="POST-1")
    log.ask(1, name="b", stream="POST-2")
    log.answer(1, stream="POST-2")
    log.answer(1, stream="POST-3")  # to nothing: never that to POST-1
    assert [call.response_seq for call in log.calls()] == [None, 3]


def test_an_answer_may_come_in_another_stream_than_its_request() -> None:
    log = Log()
    log.ask(1, stream="POST-1")
    log.ask(7, "sampling/createMessage", of=DOWN, stream="POST-1")
    log.answer(7, of=DOWN, stream="POST-2")
    log.answer(1, stream="GET-3")
    assert [call.response_seq for call in log.calls()] == [4, 3]


def test_a_replayed_event_is_no_second_message() -> None:
    log = Log()
    event = SseDelivery(event_id="7")
    log.ask(1, stream="POST-1")
    log.ask(5, "ping", of=DOWN, stream="POST-1", delivery=SseDelivery(event_id="6"))
    log.answer(1, stream="POST-1", delivery=event)
    log.ask(5, "ping", of=DOWN, stream="GET-2", delivery=SseDelivery(event_id="6"))
    log.answer(1, stream="GET-2", delivery=event)
    assert len(log.calls()) == 2
    assert not log.oddities()


@pytest.mark.parametrize("body", [b"", b"Not Found", b'{"detail":"gone"}'])
def test_an_http_error_without_a_message_ends_the_call_of_its_stream(body: bytes) -> None:
    log = Log()
    log.ask(1, stream="POST-1")
    log.ask(2, stream="POST-2")
    log.add(DOWN, body, stream="POST-1", delivery=HttpDelivery(status=404))
    failed, other = log.calls()
    assert (failed.outcome, failed.error_code, failed.error_text) == (
        CallOutcome.ERROR,
        404,
        "HTTP 404",
    )
    assert other.lacks_answer


def test_an_error_without_an_id_ends_the_call_of_a_refused_post() -> None:
    log = Log()
    log.ask(1, stream="POST-1")
    error = {"code": -32600, "message": "Session not found"}
    log.answer(None, error=error, stream="POST-1", delivery=HttpDelivery(status=404))
    assert (log.calls()[0].error_code, log.calls()[0].error_text) == (-32600, "Session not found")


def test_each_message_of_a_batch_is_a_call_or_an_answer() -> None:
    log = Log()
    log.add(UP, b'[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"b"}]')
    log.add(DOWN, b'[{"jsonrpc":"2.0","id":2,"result":{}},{"jsonrpc":"2.0","id":1,"result":1}]')
    tracker = CallTracker("s")
    assert [call.method for call in tracker.feed(log.frames[0])] == ["a", "b"]
    answered = tracker.feed(log.frames[1])
    assert [(call.request_id, call.outcome) for call in answered] == [
        (2, CallOutcome.RESULT),
        (1, CallOutcome.RESULT),
    ]


def test_a_clock_that_is_set_back_gives_no_negative_latency() -> None:
    log = Log()
    log.ask(1, at=10)
    log.answer(1, at=3)
    assert log.calls()[0].latency == timedelta()


def test_the_open_calls_are_bounded_and_the_oldest_is_given_up() -> None:
    log = Log()
    for number in range(4):
        log.ask(number)
    tracker = CallTracker("s", max_open=2)
    changed = [tracker.feed(frame) for frame in log.frames]
    assert [call.request_id for call in tracker.open()] == [2, 3]
    assert [(c.request_id, c.outcome) for c in changed[2]] == [
        (0, CallOutcome.UNKNOWN),
        (2, CallOutcome.OPEN),
    ]


async def test_calls_come_in_the_order_of_their_answers_then_those_without_one() -> None:
    log = Log()
    for number in range(5):
        log.ask(number)
    log.tell(UP, "notifications/cancelled", requestId=3)
    for number in (4, 1):
        log.answer(number)
    async with await stored(log) as store:
        found = await all_of(calls(store, "s"))
        assert [call.request_id for call in found] == [4, 1, 0, 2, 3]
        lacking = await all_of(calls(store, "s", filter=CallFilter(unanswered=True)))
        assert [call.request_id for call in lacking] == [0, 2]


async def test_calls_of_a_live_session_are_open() -> None:
    log = Log()
    log.ask(1)
    async with await stored(log, SessionState.ACTIVE) as store:
        assert [c.outcome async for c in calls(store, "s")] == [CallOutcome.OPEN]


async def test_removed_frames_may_hide_answers() -> None:
    log = Log()
    log.ask(1)
    log.answer(1)
    async with await stored(log) as store:
        await store.remove_frames("s", [2])
        assert [c.outcome async for c in calls(store, "s")] == [CallOutcome.UNKNOWN]


async def test_calls_of_no_session_raise() -> None:
    async with await ActorSessionStore().open() as store:
        with pytest.raises(SessionNotFound):
            await all_of(calls(store, "none"))


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        (CallFilter(), [1, 2, 3, 4]),
        (CallFilter(errors=True), [2]),
        (CallFilter(unanswered=True), [4]),
        (CallFilter(errors=True, unanswered=True), [2, 4]),
        (CallFilter(slower_than=timedelta(seconds=2)), [3]),
        (CallFilter(method="ping"), [3]),
        (CallFilter(name="b"), [2]),
        (CallFilter(direction=DOWN), [4]),
        (CallFilter(since=START + timedelta(seconds=5)), [3, 4]),
    ],
)
def test_a_filter_accepts_what_it_names(filter: CallFilter, ids: list[int]) -> None:
    log = Log()
    log.ask(1, name="a")
    log.answer(1)
    log.ask(2, name="b")
    log.answer(2, error={"code": 1, "message": ""})
    log.ask(3, "ping")
    log.ask(4, "roots/list", of=DOWN)
    log.answer(3, at=9)
    assert [call.request_id for call in log.calls() if filter.accepts(call)] == ids


async def test_a_tally_continues_what_the_recorder_counted() -> None:
    log = Log()
    for number in range(3):
        log.ask(number)
        log.answer(number, error={"code": 1, "message": ""})
    async with await stored(log, SessionState.ACTIVE) as store:
        counted = await tally(store, await store.get_session("s"))
        assert (counted.calls, counted.errors, counted.exact) == (3, 3, True)
        kept = {"calls": 100, "errors": 50, "last_seq": 4}
        session = await store.modify_session(
            "s", lambda s: s.model_copy(update={"metadata": {"sessionkeeper.calls": kept}})
        )
        counted = await tally(store, session)
        assert (counted.calls, counted.errors, counted.exact) == (101, 51, True)


async def test_a_tally_of_a_trimmed_log_is_not_exact() -> None:
    log = Log()
    log.ask(1)
    log.answer(1)
    async with await stored(log, SessionState.ACTIVE) as store:
        await store.trim_frames("s", up_to=1)
        counted = await tally(store, await store.get_session("s"))
        assert (counted.calls, counted.errors, counted.exact) == (0, 0, False)
