"""Pairing, compared with a plain model of it on random logs; and the search for errors with it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import (
    ActorSessionStore,
    Direction,
    Frame,
    HttpDelivery,
    MessageEnvelope,
    Session,
    SseDelivery,
)
from sessionkeeper.recording import Call, CallFilter, CallTracker, calls
from sessionkeeper.recording.analysis import error_calls

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
START = datetime(2026, 1, 1, tzinfo=UTC)

IDS: list[int | str] = [1, 1, 2, "1"]
STREAMS = [None, "POST-1", "POST-2", "GET-3"]
KINDS = [
    *("request", "request", "request", "result", "error", "tool-error", "error"),
    *("cancel", "progress", "unreadable", "banner", "status"),
]
UNREADABLE = b'{"jsonrpc":"2.0","id":'


@dataclass
class Sent:
    """One message of a random log."""

    direction: Direction
    kind: str
    id: int | str
    stream: str | None
    event: str | None = None
    """The id of the server-sent event that it was."""

    def message(self) -> bytes | dict[str, Any]:
        if self.kind == "unreadable":
            return UNREADABLE
        if self.kind == "banner":
            return b"Starting up..."
        bodies: dict[str, dict[str, Any]] = {
            "request": {"id": self.id, "method": "m", "params": {"_meta": {"progressToken": 7}}},
            "result": {"id": self.id, "result": {}},
            "error": {"id": self.id, "error": {"code": 1, "message": "no"}},
            "tool-error": {"id": self.id, "result": {"isError": True}},
            "status": {"id": None, "error": {"code": 2, "message": "no"}},
            "cancel": {"method": "notifications/cancelled", "params": {"requestId": self.id}},
            "progress": {"method": "notifications/progress", "params": {"progressToken": 7}},
        }
        return {"jsonrpc": "2.0"} | bodies[self.kind]

    def envelope(self, seq: int) -> MessageEnvelope:
        delivery: HttpDelivery | SseDelivery | None = None
        if self.event is not None:
            delivery = SseDelivery(event_id=self.event)
        elif self.kind == "status":
            delivery = HttpDelivery(status=400)
        return MessageEnvelope.of(
            "s",
            self.message(),
            direction=self.direction,
            timestamp=START + timedelta(seconds=seq),
            stream=self.stream,
            delivery=delivery,
        )


@dataclass
class Expected:
    """A call of the model."""

    seq: int
    sent: Sent
    outcome: str = "open"
    response_seq: int | None = None
    ended: int | None = None
    progress: int = 0
    unseen: bool = False

    @property
    def is_over(self) -> bool:
        return self.response_seq is not None


def model(log: list[Sent], *, ended: bool) -> list[Expected]:
    """Pair a log: for each message, look at all calls there were."""
    found: list[Expected] = []
    events: set[tuple[str, bytes]] = set()
    for seq, sent in enumerate(log, 1):
        replayed = False
        if sent.event is not None:
            event = (sent.event, sent.envelope(seq).message)
            replayed = event in events
            events.add(event)
        theirs = [c for c in found if c.sent.direction is not sent.direction and not c.is_over]
        ours = [c for c in found if c.sent.direction is sent.direction and not c.is_over]
        same = [c for c in theirs if c.sent.id == sent.id and type(c.sent.id) is type(sent.id)]
        if sent.kind in ("result", "error", "tool-error"):
            answer(seq, sent, same, replayed)
        elif sent.kind == "status":
            for call in theirs:
                if sent.direction is DOWN and sent.stream == call.sent.stream is not None:
                    settle(call, seq, "error")
        elif sent.kind == "unreadable":
            for call in theirs:
                call.unseen = True
        elif replayed:
            continue
        elif sent.kind == "request":
            found.append(Expected(seq, sent))
        elif sent.kind == "progress" and theirs:
            # The token is the same everywhere, so it is that of the newest call.
            newest = [c for c in found if c.sent.direction is not sent.direction][-1]
            newest.progress += newest in theirs
        elif sent.kind == "cancel":
            mine = [
                c
                for c in ours
                if c.outcome == "open" and c.sent.id == sent.id and type(c.sent.id) is type(sent.id)
            ]
            if mine:
                mine[-1].outcome, mine[-1].ended = "cancelled", seq
    for call in found:
        if call.outcome == "open" and ended:
            call.outcome = "unknown" if call.unseen else "unanswered"
    return found


def answer(seq: int, sent: Sent, same: list[Expected], replayed: bool) -> None:
    """Let a response answer the newest call: of its stream, else of another that may be."""
    posts = ("POST-1", "POST-2")
    in_stream = [c for c in same if c.sent.stream == sent.stream is not None]
    barred = sent.direction is DOWN and sent.stream in posts
    others = [c for c in same if not (barred and c.sent.stream in posts)]
    if in_stream:
        settle(in_stream[-1], seq, sent.kind)
    elif others and not replayed:
        settle(others[-1], seq, sent.kind)


def settle(call: Expected, seq: int, outcome: str) -> None:
    """Answer a call; a cancelled one stays so."""
    call.response_seq = seq
    if call.outcome != "cancelled":
        call.outcome, call.ended = outcome, seq


def facts(call: Call) -> tuple[object, ...]:
    """What the model knows of a call."""
    ended = None if call.ended is None else (call.ended - START).seconds
    return (
        call.request_seq,
        call.direction,
        call.request_id,
        call.outcome.value,
        call.response_seq,
        ended,
        call.progress,
        call.stream,
    )


def expected_facts(call: Expected) -> tuple[object, ...]:
    sent = call.sent
    return (
        call.seq,
        sent.direction,
        sent.id,
        call.outcome,
        call.response_seq,
        call.ended,
        call.progress,
        sent.stream,
    )


MESSAGES = st.builds(
    Sent,
    st.sampled_from([UP, DOWN]),
    st.sampled_from(KINDS),
    st.sampled_from(IDS),
    st.sampled_from(STREAMS),
)
# Not `max_size` alone, which makes short lists.
LOGS = st.integers(0, 25).flatmap(lambda n: st.lists(MESSAGES, min_size=n, max_size=n))


@st.composite
def logs_with_replays(draw: st.DrawFn) -> list[Sent]:
    """A log in which some of the server's messages are events, and come again."""
    log: list[Sent] = []
    for number, sent in enumerate(draw(LOGS)):
        is_event = sent.direction is DOWN and sent.stream is not None and sent.kind != "status"
        if is_event and draw(st.booleans()):
            sent.event = str(number)
        log.append(sent)
        events = [each for each in log if each.event is not None]
        if events and draw(st.integers(0, 4)) == 0:
            again = draw(st.sampled_from(events))
            stream = draw(st.sampled_from(STREAMS[1:]))
            log.append(Sent(DOWN, again.kind, again.id, stream, again.event))
    return log


@settings(max_examples=200, deadline=None)
@given(logs_with_replays(), st.booleans())
def test_pairing_agrees_with_a_plain_model(log: list[Sent], ended: bool) -> None:
    """Every call: its answer, its outcome, its end, its progress."""
    tracker, latest = CallTracker("s"), dict[int, Call]()
    for seq, sent in enumerate(log, 1):
        frame = Frame(seq=seq, envelope=sent.envelope(seq))
        latest |= {call.request_seq: call for call in tracker.feed(frame)}
    open_calls = tracker.open()
    if ended:
        latest |= {call.request_seq: call for call in tracker.finish()}
    expected = model(log, ended=ended)
    assert [facts(latest[seq]) for seq in sorted(latest)] == [*map(expected_facts, expected)]
    open_seqs = [call.seq for call in model(log, ended=False) if call.outcome == "open"]
    assert [call.request_seq for call in open_calls] == open_seqs


@pytest.mark.parametrize("budget", [0, 5, 20_000])
@pytest.mark.parametrize("page", [1, 3, 8])
async def test_a_search_for_errors_finds_those_of_the_whole_log(
    budget: int, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same calls in the same order, however much of the log is read for it."""
    monkeypatch.setattr(error_calls, "_LEAST_BUDGET", budget)
    monkeypatch.setattr(error_calls, "_PAGE", page)
    # Not by Hypothesis, whose logs are too regular: ids must be in flight several times.
    chance = random.Random(f"{budget} {page}")
    for _ in range(60):
        await compare(random_log(chance, chance.randrange(25)))


def random_log(chance: random.Random, size: int) -> list[Sent]:
    """A log in which events of the server come again, each in the answer to a GET."""
    log: list[Sent] = []
    for number in range(size):
        sent = Sent(
            chance.choice([UP, DOWN]),
            chance.choice(KINDS),
            chance.choice(IDS),
            chance.choice(STREAMS),
        )
        is_event = sent.direction is DOWN and sent.stream is not None and sent.kind != "status"
        if is_event and chance.random() < 0.3:
            sent.event = str(number)
        log.append(sent)
        events = [each for each in log if each.event is not None]
        if events and chance.random() < 0.2:
            again = chance.choice(events)
            log.append(Sent(DOWN, again.kind, again.id, "GET-3", again.event))
    return log


@pytest.mark.parametrize(
    "error",
    [
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"isError" \n:\t true}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"isError":false,"isError":true}}',
        rb'{"jsonrpc":"2.0","id":1,"\u0065rror":{"code":1,"message":""}}',
        rb'{"jsonrpc":"2.0","id":1,"result":{"is\u0045rror":true}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"text":"\xff","isError":true}}',
        b'[{"jsonrpc":"2.0","id":2,"result":{}},{"jsonrpc":"2.0","id":1,"result":{"isError":true}}]',
    ],
)
async def test_an_error_is_found_however_it_is_written(error: bytes) -> None:
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(id="s", transport_type="stdio"))
        sent: list[tuple[Direction, bytes]] = [
            (UP, b'{"jsonrpc":"2.0","id":1,"method":"m"}'),
            (DOWN, b'{"jsonrpc":"2.0","id":2,"result":{"isError":false}}'),
            (DOWN, error),
        ]
        for direction, message in sent:
            await store.add_frame(MessageEnvelope.of("s", message, direction=direction))
        found = [call async for call in calls(store, "s", filter=CallFilter(errors=True))]
        assert [call.response_seq for call in found] == [3]


async def test_an_error_before_the_page_of_another_is_found() -> None:
    """The request of the last error is further back than the frames that are read first."""
    log = [
        Sent(UP, "request", 1, None),
        *[Sent(UP, "request", number, None) for number in range(10, 17)],
        Sent(DOWN, "error", 5, None),
        Sent(DOWN, "status", 1, None),
        *[Sent(UP, "request", number, None) for number in range(20, 27)],
        Sent(DOWN, "error", 1, None),
    ]
    await compare(log)


async def test_an_event_that_comes_again_answers_no_later_request() -> None:
    """Its id is used again, and is answered with an error."""
    log = [
        Sent(UP, "request", 1, "POST-1"),
        Sent(DOWN, "progress", 7, "POST-1", "a"),
        Sent(DOWN, "result", 1, "POST-1", "b"),
        Sent(UP, "request", 1, "POST-2"),
        Sent(DOWN, "progress", 7, "GET-3", "a"),
        Sent(DOWN, "result", 1, "GET-3", "b"),
        Sent(DOWN, "error", 1, "POST-2", "c"),
        Sent(DOWN, "error", 1, "GET-3", "c"),
    ]
    await compare(log)


async def compare(log: list[Sent]) -> None:
    """Read the errors of a log in both ways."""
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(id="s", transport_type="streamable-http"))
        await store.add_frames("s", [sent.envelope(seq) for seq, sent in enumerate(log, 1)])
        every = [call async for call in calls(store, "s") if call.is_error]
        assert [call async for call in calls(store, "s", filter=CallFilter(errors=True))] == every
        answered = [call.response_seq async for call in calls(store, "s") if call.response_seq]
        assert answered == sorted(answered)
