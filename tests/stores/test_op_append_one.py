"""One frame is appended by the same rules as a batch of one, whatever the limits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextvars import copy_context
from typing import TypeAlias

import pytest
from sessionkeeper import Gap, MessageEnvelope, Session, StoreLimits
from sessionkeeper.backends.memory import MemoryTables
from sessionkeeper.interface.listeners import Listeners
from sessionkeeper.operations import AddFrame, AddFrames, CreateSession, frame_rules
from sessionkeeper.operations.frame_record import pack
from sessionkeeper.operations.session_row import SessionRow
from sessionkeeper.values.clock import Clock
from sessionkeeper.values.errors import SessionError

from tests.support.flawed import flawed_module

PROGRAMS = 150
STEPS = 40
SESSIONS = ("a", "b")

Outcome: TypeAlias = "tuple[object, ...]"


def note(size: int) -> bytes:
    return b'{"jsonrpc":"2.0","method":"%s"}' % (b"x" * size)


def frame(rnd: random.Random, session_id: str) -> MessageEnvelope:
    stream = rnd.choice((None, None, "one", "two"))
    kind = rnd.random()
    if kind < 0.1:
        gap = Gap("the disk was full", 2)
        return MessageEnvelope.of_gap(session_id, gap, direction="server-to-client")
    message = note(rnd.randrange(60))
    if kind < 0.25:
        message = rnd.choice((b"no message", b"\xff", b"[" * 3 + b"]" * 3))
    elif kind < 0.4:
        message = b'{"jsonrpc":"2.0","method":"m","params":[[[]]]}'
    metadata = rnd.choice(({}, {}, {"a": "b"}))
    return MessageEnvelope.of(
        session_id, message, direction="client-to-server", stream=stream, metadata=metadata
    )


def limits(rnd: random.Random) -> StoreLimits:
    """Now and then so low that frames come to them."""
    chosen = {
        "max_frames_per_session": rnd.choice((3, 10, 1_000)),
        "max_frame_bytes": rnd.choice((50, 1_000)),
        "max_session_bytes": rnd.choice((200, 100_000)),
        "max_total_bytes": rnd.choice((300, 100_000)),
        "max_json_depth": rnd.choice((2, 128, 128)),
        "frames_full": rnd.choice(("reject", "drop-oldest")),
    }
    return StoreLimits.model_validate(chosen)


class Side:
    """Tables of their own, with a clock that ticks at each look, and what they announced."""

    def __init__(self, limits: StoreLimits) -> None:
        self._now = 0.0
        self.tables = MemoryTables(limits, Clock(wall=self._tick, steady=self._tick))
        self.announced: list[str] = []
        self.tables.connect(self.announced.append, Listeners())
        for session_id in SESSIONS:
            session = Session.new(transport_type="stdio", id=session_id)
            CreateSession(session, "0" * 16, copy_context()).apply(self.tables)

    def apply(self, command: AddFrame | AddFrames) -> Outcome:
        """Return what the command did, and all that it left behind."""
        try:
            reply = command.apply(self.tables)
            outcome: object = reply if isinstance(reply, int) else reply[-1]
        except SessionError as error:
            outcome = repr(error)
        rows = [self.tables.find(session_id) for session_id in SESSIONS]
        latest = [row.id for row in self.tables.rows_by_activity(None)]
        counters = self.tables.counters.values()
        return (
            outcome,
            counters,
            latest,
            [*self.announced],
            [row and self._held(row) for row in rows],
        )

    def _held(self, row: SessionRow) -> Outcome:
        first = row.last_seq - row.frame_count + 1
        streams = [self.tables.count_stream(row, stream) for stream in ("one", "two")]
        shown = row.snapshot()
        return shown, row.byte_count, streams, self.tables.read(row, first, row.frame_count)

    def _tick(self) -> float:
        self._now += 1.0
        return self._now


def differences(seen: Counter[str]) -> Iterator[int]:
    """Return the seeds of the programs after whose steps one frame and a batch of one differ."""
    for seed in range(PROGRAMS):
        rnd = random.Random(seed)
        chosen = limits(rnd)
        alone, batch = Side(chosen), Side(chosen)
        for _ in range(STEPS):
            session_id = rnd.choice((*SESSIONS, *SESSIONS, *SESSIONS, "none"))
            record = pack(frame(rnd, session_id))
            size = len(record.message)
            first = alone.apply(AddFrame(session_id, record, size))
            several = AddFrames(session_id, [record], None, None, copy_context(), size)
            seen["refused" if isinstance(first[0], str) else "added"] += 1
            if first != batch.apply(several):
                yield seed


def test_one_frame_is_a_batch_of_one() -> None:
    seen: Counter[str] = Counter()
    assert list(differences(seen)) == []
    assert min(seen["refused"], seen["added"]) > PROGRAMS * STEPS // 10


FLAWS = {
    "one frame too many": (">= limits.max_frames_per_session", "> limits.max_frames_per_session"),
    "a session without a limit": ("row.byte_count + size > limits.max_session_bytes", "False"),
    "a store without a limit": ("counters.bytes + size > limits.max_total_bytes", "False"),
    "a frame of any size": ("or size > limits.max_frame_bytes\n        or limits", "or limits"),
    "a frame of any depth": (
        "or limits.max_json_depth < MAX_DEPTH\n        or (detail",
        "or (detail",
    ),
    "odd frames are not counted": ("detail[0] in KIND_HEADERS", "detail[0] == 0"),
    "no count": ("counters.frame_added(size)", "pass"),
    "no activity": ("row.touch(clock.wall(), clock.steady())", "pass"),
    "the place of before": ("tables.append_one(row, record)", "tables.append(row, (record,))"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_rule_for_one_frame_with_a_flaw_is_noticed(
    monkeypatch: pytest.MonkeyPatch, flaw: str
) -> None:
    flawed = flawed_module(monkeypatch, frame_rules, *FLAWS[flaw])
    monkeypatch.setattr(frame_rules, "append_frame", vars(flawed)["append_frame"])
    assert next(differences(Counter()), None) is not None
