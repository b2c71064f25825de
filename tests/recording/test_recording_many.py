"""What waits is recorded in one step, and every message has the outcome that it has alone."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    ManagerConfig,
    MessageEnvelope,
    OutcomeUnknown,
    SessionManager,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.recording import Captured, Origin, Recorded, SessionRecorder, Tell
from sessionkeeper.recording.budget import Budget
from sessionkeeper.recording.journal import Journal
from sessionkeeper.recording.outcomes import LineOutcome
from sessionkeeper.recording.redaction import Redactor
from sessionkeeper.recording.redaction.rules import read_rules
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.kinds import MessageKind
from sessionkeeper.values.lease import REDACTION_KEY, TALLY_KEY
from sessionkeeper.values.states import Direction
from sessionlab.explore import explore

from tests.manager.conftest import TenMethods

ASKED, ANSWERED = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
NOW = datetime.now(UTC)
MOST = 4_000
"""Bytes of a frame."""


def call(number: int, text: str = "") -> bytes:
    """A request."""
    params = {"name": "a", "arguments": {"text": text}}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return json.dumps(message).encode()


def random_message(choose: random.Random, number: int) -> Captured:
    """A message of any kind, and of any outcome."""
    stderr = Origin(stream="stderr", media_type="text/plain; charset=utf-8")
    kinds: list[tuple[Direction, bytes | Gap, Origin]] = [
        (ASKED, call(number), Origin()),
        (ASKED, call(number, "sk-" + "a1B2" * 12), Origin()),
        (ASKED, call(number, "x" * MOST), Origin()),
        (ANSWERED, b'{"jsonrpc":"2.0","id":%d,"result":{"isError":true}}' % number, Origin()),
        (ANSWERED, b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}', Origin()),
        (ANSWERED, b"Starting ...", Origin()),
        (ANSWERED, b"half a line", Origin(ended=False)),
        (ANSWERED, Gap.of(b"x" * MOST, "too large"), Origin()),
        (ANSWERED, b"a warning", stderr),
        (ANSWERED, b"x" * 2 * MOST, stderr),
    ]
    direction, message, origin = choose.choice(kinds)
    return Captured(direction, message, NOW, origin)


async def one_by_one(recorder: SessionRecorder, messages: Sequence[Captured]) -> list[object]:
    """The outcome of each."""
    outcomes: list[object] = []
    for direction, message, timestamp, origin in messages:
        if isinstance(message, Gap):
            await recorder.record_gap(direction, message, timestamp, origin=origin)
            outcomes.append(MessageKind.GAP)
        else:
            outcomes.append(await recorder.record(direction, message, timestamp, origin=origin))
    return outcomes


async def all_at_once(recorder: SessionRecorder, messages: Sequence[Captured]) -> list[Recorded]:
    """The same, of what is recorded together."""
    outcomes: list[Recorded] = []
    await recorder.record_many(messages, outcomes.extend)
    return outcomes


async def seen(manager: SessionManager, recorder: SessionRecorder) -> tuple[object, ...]:
    """What is in the store of a session that has ended."""
    await recorder.complete()
    session = await manager.get_session(recorder.session_id)
    frames = await manager.store.get_frames(recorder.session_id)
    kept = [(e.message, e.media_type, e.oddity, dict(e.context.metadata)) for e in frames]
    metadata = [session.metadata[TALLY_KEY], session.metadata.get(REDACTION_KEY)]
    return kept, metadata, session.version_state, session.state


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    """One whose frames are small."""
    limits = StoreLimits(max_frame_bytes=MOST)
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store, ManagerConfig.recording()) as manager,
    ):
        yield manager


@pytest.mark.parametrize("redactor", [None, Redactor(read_rules(["secrets"]))])
@pytest.mark.parametrize("seed", range(40))
async def test_the_record_is_that_of_one_by_one(
    manager: SessionManager, seed: int, redactor: Redactor | None
) -> None:
    """The frames in their order, the tally, the manifest, and each outcome."""
    choose = random.Random(seed)
    messages = [random_message(choose, number) for number in range(choose.randint(1, 40))]
    together = await SessionRecorder.open(manager, ["server"], redactor=redactor)
    alone = await SessionRecorder.open(manager, ["server"], redactor=redactor)
    assert await all_at_once(together, messages) == await one_by_one(alone, messages)
    assert await seen(manager, together) == await seen(manager, alone)


async def test_a_store_that_appends_one_at_a_time_gets_one_at_a_time() -> None:
    """It is asked for more only once."""
    async with SessionManager.with_store(TenMethods(), ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(manager, ["server"])
        for _ in range(2):
            messages = [Captured(ASKED, call(n), NOW) for n in range(20)]
            assert await all_at_once(recorder, messages) == [None] * 20
        frames = await manager.store.get_frames(recorder.session_id)
        assert [frame.message for frame in frames] == [call(n) for n in range(20)] * 2


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (OutcomeUnknown(), [4]),
        (StoreUnavailable("away", waited=5.0), [4]),
        (StoreUnavailable("the disk is full"), [4, 2, 1, 1, 2, 1, 1]),
        (OSError("of a store of your own"), [4]),
    ],
)
async def test_what_may_be_recorded_is_not_recorded_again(
    manager: SessionManager, monkeypatch: pytest.MonkeyPatch, error: Exception, tried: list[int]
) -> None:
    """Nor is a store asked often that lets wait; each message has the error as its outcome."""
    sizes: list[int] = []

    async def fails(session_id: str, envelopes: Sequence[MessageEnvelope], **_: Any) -> range:
        sizes.append(len(envelopes))
        raise error

    async def fails_alone(envelope: MessageEnvelope) -> int:
        sizes.append(1)
        raise error

    recorder = await SessionRecorder.open(manager, ["server"])
    monkeypatch.setattr(manager.store, "add_frames", fails)
    monkeypatch.setattr(manager.store, "add_frame", fails_alone)
    found = await all_at_once(recorder, [Captured(ASKED, call(n), NOW) for n in range(4)])
    assert (found, sizes) == ([error] * 4, tried)


class Stuck(SessionRecorder):
    """A recorder that waits before each step, and tells how many messages it was given."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.steps: list[int] = []

    async def record_many(self, messages: Sequence[Captured], tell: Tell, /) -> None:
        self.steps.append(len(messages))
        self.begun.set()
        await self.go.wait()
        await super().record_many(messages, tell)


async def test_what_waits_is_recorded_together(manager: SessionManager) -> None:
    """Of both directions, in the order in which it was offered, up to 64 at once."""
    recorder = await Stuck.open(manager, ["server"])
    recorder.go.set()
    journal = Journal(recorder, budget=Budget(1 << 20), report=pytest.fail)
    expected: list[bytes] = []
    for number in range(100):
        direction = ASKED if number % 3 else ANSWERED
        journal.offer(direction, [call(number)])
        expected.append(call(number))
    await journal.settle(300)
    assert recorder.steps == [64, 36]
    frames = await manager.store.get_frames(recorder.session_id)
    assert [frame.message for frame in frames] == expected
    assert sum(counts.total() for counts in journal.outcomes.values()) == 100


async def test_a_large_message_does_not_make_a_step_larger() -> None:
    """A step has a megabyte at most, or one message."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        recorder = await Stuck.open(manager, ["server"])
        recorder.go.set()
        journal = Journal(recorder, budget=Budget(1 << 24), report=pytest.fail)
        journal.offer(ASKED, [call(0), call(1, "x" * (1 << 20)), call(2), call(3)])
        await journal.settle(300)
        assert recorder.steps == [1, 1, 2]


async def test_what_is_being_recorded_when_the_time_is_up_counts_as_recorded(
    manager: SessionManager,
) -> None:
    """What is in the record and what is said to be dropped add up."""
    recorder = await Stuck.open(manager, ["server"])
    journal = Journal(recorder, budget=(budget := Budget(1 << 20)), report=pytest.fail)
    journal.offer(ASKED, [call(number) for number in range(100)])
    await recorder.begun.wait()
    journal.abandon_after(0)
    await asyncio.sleep(0.01)
    recorder.go.set()
    await journal.settle(300)
    assert await manager.store.count_frames(recorder.session_id) == 64
    counts = journal.outcomes[ASKED]
    assert (counts[LineOutcome.RECORDED], counts[LineOutcome.DROPPED]) == (64, 36)
    assert budget.used == 0


async def test_a_recorder_that_never_ends_is_left(manager: SessionManager) -> None:
    """Each message has one outcome, once, and the budget is given back."""
    recorder = await Stuck.open(manager, ["server"])
    journal = Journal(recorder, budget=(budget := Budget(1 << 20)), report=lambda line: None)
    journal.offer(ASKED, [call(number) for number in range(100)])
    await recorder.begun.wait()
    await journal.settle(0.01)
    journal.offer(ASKED, [call(100)])
    journal.abandon()
    assert journal.outcomes[ASKED] == {LineOutcome.DROPPED: 101}
    assert budget.used == 0


def in_virtual_time(scenario: Callable[[], Coroutine[object, None, None]]) -> None:
    """Run it where time passes only when nothing else can happen: no stall counts as patience."""
    explore(scenario, seeds=5).check()


class OneAtATime(TenMethods):
    """A store that takes a while for each append, and fails for some."""

    def __init__(self) -> None:
        super().__init__()
        self.appended = 0
        self.most = 1_000

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        if self.appended >= self.most:
            await asyncio.Event().wait()
        self.appended += 1
        await asyncio.sleep(0.02)
        if b'"id": 7,' in envelope.message:
            raise OSError("of this message")
        return await super().add_frame(envelope)


def test_a_recorder_that_works_on_a_step_is_not_left() -> None:
    """However long the step takes: it is seen to go on, and each message has its outcome."""

    async def scenario() -> None:
        store, reported = OneAtATime(), list[str]()
        async with SessionManager.with_store(store, ManagerConfig.recording()) as manager:
            recorder = await SessionRecorder.open(manager, ["server"])
            journal = Journal(recorder, budget=(budget := Budget(1 << 20)), report=reported.append)
            journal.offer(ASKED, [call(number) for number in range(50)])
            await journal.settle(0.5)
            counts = +journal.outcomes[ASKED]
            assert counts == {LineOutcome.RECORDED: 49, LineOutcome.FAILED: 1}
            assert len(await store.get_frames(recorder.session_id)) == 49
            assert (budget.used, reported) == (0, ["recording failed: OSError"])

    in_virtual_time(scenario)


def test_what_was_recorded_of_a_step_is_not_said_to_be_dropped() -> None:
    """A step that never ends has outcomes for those messages that were appended before."""

    async def scenario() -> None:
        store = OneAtATime()
        store.most = 5
        async with SessionManager.with_store(store, ManagerConfig.recording()) as manager:
            recorder = await SessionRecorder.open(manager, ["server"])
            journal = Journal(recorder, budget=(budget := Budget(1 << 20)), report=pytest.fail)
            journal.offer(ASKED, [call(number) for number in range(100, 150)])
            await journal.settle(0.2)
            counts = +journal.outcomes[ASKED]
            assert counts == {LineOutcome.RECORDED: 5, LineOutcome.DROPPED: 45}
            assert len(await store.get_frames(recorder.session_id)) == 5
            assert budget.used == 0

    in_virtual_time(scenario)


class Silent(SessionRecorder):
    """A recorder that tells of the first message only, raises, or goes on when it is cancelled."""

    way = "forgets"

    async def record_many(self, messages: Sequence[Captured], tell: Tell, /) -> None:
        tell([None])
        if self.way == "raises":
            raise OSError("of the others")
        if self.way == "goes on":
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            tell([None] * (len(messages) - 1))


@pytest.mark.parametrize(
    ("way", "outcome", "told"),
    [
        ("forgets", LineOutcome.FAILED, ["recording failed: RuntimeError"]),
        ("raises", LineOutcome.FAILED, ["recording failed: OSError"]),
        ("goes on", LineOutcome.DROPPED, []),
    ],
)
async def test_every_message_has_one_outcome_whatever_the_recorder_tells(
    manager: SessionManager, way: str, outcome: LineOutcome, told: list[str]
) -> None:
    """And the budget is given back once."""
    recorder, reported = await Silent.open(manager, ["server"]), list[str]()
    recorder.way = way
    journal = Journal(recorder, budget=(budget := Budget(1 << 20)), report=reported.append)
    journal.offer(ASKED, [call(number) for number in range(10)])
    await journal.settle(0.05)
    await asyncio.sleep(0)
    assert +journal.outcomes[ASKED] == {LineOutcome.RECORDED: 1, outcome: 9}
    assert (budget.used, reported) == (0, told)


async def test_a_report_that_takes_long_does_not_hold_up_the_traffic(
    manager: SessionManager,
) -> None:
    """A pump can offer lines from its thread while a problem is reported on the loop."""
    recorder, offered = await Silent.open(manager, ["server"]), list[bool]()

    def report(line: str) -> None:
        pump = threading.Thread(target=journal.offer, args=(ANSWERED, [call(1)]), daemon=True)
        pump.start()
        pump.join(60)
        offered.append(not pump.is_alive())

    journal = Journal(recorder, budget=Budget(1 << 20), report=report)
    journal.offer(ASKED, [call(number) for number in range(10)])
    await journal.settle(300)
    assert offered[0]
