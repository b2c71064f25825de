"""Whatever crossed the wire is a frame of every store, byte for byte (Guarantees 1.5, 3.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LimitExceeded,
    MessageContext,
    MessageEnvelope,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.operations.frame_record import FrameRecord, count_odd, pack, unpack
from sessionkeeper.transfer import copy_sessions
from sessionlab.conformance.samples import gap, odd

from tests.support.sessions import new_session, note
from tests.support.stores import DESIGNS, Design, make_store

PIECES = st.sampled_from(
    [
        *(b'{"jsonrpc":"2.0","method":"x"}', b"[", b"]", b",", b"{", b"}", b'"', b"\\", b"\0"),
        *(b'{"jsonrpc":"2.0","id":1.5,"result":{}}', b"\r", b"\n", b"\xff", b"\xc3\xa9", b"NaN"),
    ]
)
ANY_BYTES = st.binary(max_size=60) | st.lists(PIECES, max_size=6).map(b"".join)
CONTEXTS = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["client-to-server", "server-to-client"]),
        "metadata": st.dictionaries(st.text("ab", max_size=2), st.text("\0é", max_size=2)),
        "delivery": st.sampled_from([None, {"via": "stdio", "pid": 7}]),
    }
)


def frames_of(lines: Sequence[tuple[bytes, dict[str, object]]]) -> list[MessageEnvelope]:
    """A frame of each line, and after every third one a gap."""
    frames: list[MessageEnvelope] = []
    for number, (line, context) in enumerate(lines):
        fields = {"session_id": "a", **context}
        known = MessageContext.model_validate(fields)
        plain = MessageEnvelope.of("a", line, direction=known.direction)
        frames.append(plain.model_copy(update={"context": known}))
        if number % 3 == 2:
            frames.append(gap())
    return frames


async def keeps_all(store: AtomicSessionStore, frames: Sequence[MessageEnvelope]) -> None:
    """Append one by one and, where the store can, all at once; read back in every way."""
    counts = [sum(frame.kind == kind for frame in frames) for kind in ("odd", "gap")]
    for key in "ab":
        await store.create_session(new_session(key))
    for frame in frames:
        await store.add_frame(frame)
    assert await store.get_frames("a") == frames
    read = await store.read_frames("a", limit=1000)
    assert [frame.envelope for frame in read] == frames
    assert [frame.envelope.message for frame in read] == [frame.message for frame in frames]
    session = await store.get_session("a")
    assert [session.odd_frames, session.gap_frames, session.last_seq] == [*counts, len(frames)]
    moved = [
        frame.model_copy(update={"context": frame.context.model_copy(update={"session_id": "b"})})
        for frame in frames
    ]
    await store.add_frames("b", moved)
    other = await store.get_session("b")
    assert await store.get_frames("b") == moved
    assert (other.odd_frames, other.gap_frames) == (session.odd_frames, session.gap_frames)
    added = (await store.statistics()).counters
    assert [added.odd_frames_added, added.gap_frames_added] == [2 * each for each in counts]


@settings(max_examples=25)
@given(lines=st.lists(st.tuples(ANY_BYTES, CONTEXTS), max_size=9))
@example(lines=[(b"", {"direction": "client-to-server"}), (b"", {"direction": "client-to-server"})])
@pytest.mark.parametrize("name", DESIGNS)
def test_any_bytes_at_all_come_back(
    name: str, lines: list[tuple[bytes, dict[str, object]]]
) -> None:
    """From each design, with their context, media type and reason; and they are counted."""

    async def check() -> None:
        async with make_store(name) as store:
            await keeps_all(store, frames_of(lines))

    asyncio.run(check())


@settings(max_examples=25)
@given(lines=st.lists(st.tuples(ANY_BYTES, CONTEXTS), max_size=9))
def test_any_bytes_at_all_come_back_from_a_third_partys_store(
    lines: list[tuple[bytes, dict[str, object]]],
) -> None:
    """That keeps whole envelopes; its owner counts what goes through it."""

    async def check() -> None:
        async with make_store("owned") as store:
            await store.create_session(new_session("a"))
            frames = frames_of(lines)
            for frame in frames:
                await store.add_frame(frame)
            assert await store.get_frames("a") == frames
            added = (await store.statistics()).counters
            kinds = [frame.kind for frame in frames]
            assert added.odd_frames_added == kinds.count("odd")  # type: ignore[arg-type]  # as a str
            assert added.gap_frames_added == kinds.count("gap")  # type: ignore[arg-type]  # as a str

    asyncio.run(check())


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
async def test_a_copy_brings_odd_frames_over(name: str) -> None:
    """From memory to a file or a database, with their reasons and counts."""
    async with ActorSessionStore() as source, DESIGNS[name]() as target:
        await source.create_session(new_session("a"))
        await source.add_frames("a", [note(1), *odd(), gap()])
        report = await copy_sessions(source, target)
        assert (report.sessions, report.differences) == (1, [])
        assert await target.get_frames("a") == await source.get_frames("a")
        copied, first = await target.get_session("a"), await source.get_session("a")
    assert (copied.odd_frames, copied.gap_frames) == (first.odd_frames, first.gap_frames) == (5, 1)


async def test_an_odd_frame_that_is_refused_is_not_counted(design: Design) -> None:
    """Too large, or too many: nothing has changed."""
    limits = StoreLimits(max_frame_bytes=10, max_frames_per_session=3)
    async with design(limits=limits) as store:
        await store.create_session(new_session("a"))
        with pytest.raises(LimitExceeded, match="max_frame_bytes"):
            await store.add_frame(gap())
        noise = MessageEnvelope.of("a", b"noise", direction="server-to-client")
        await store.add_frames("a", [noise] * 3)
        with pytest.raises(LimitExceeded, match="max_frames_per_session"):
            await store.add_frame(noise)
        session = await store.get_session("a")
        counted = (await store.statistics()).counters
    assert (session.odd_frames, session.gap_frames, session.frame_count) == (3, 0, 3)
    assert (counted.odd_frames_added, counted.gap_frames_added) == (3, 0)


def test_a_frame_of_an_older_store_is_read() -> None:
    """Its detail has no media type: it is a message."""
    whole = note(1).model_copy(
        update={"context": note(1).context.model_copy(update={"protocol_version": "2025-06-18"})}
    )
    record = pack(whole)
    assert msgspec.msgpack.decode(record.detail or b"") == [None, "2025-06-18", {}]
    assert unpack("a", record) == whole
    assert count_odd([record]) == (0, 0)


@pytest.mark.parametrize(
    "last", [(1, None), ("text/plain", 5), (5,), (None, None), ("text/plain", None, 5)]
)
def test_what_was_damaged_is_told(last: tuple[object, ...]) -> None:
    """A media type, an oddity or a stream that is none."""
    record = pack(odd()[0])
    detail = msgspec.msgpack.encode((None, None, {}, *last))
    damaged = FrameRecord(record.message, record.direction, record.timestamp, detail)
    with pytest.raises(StoreUnavailable, match="a frame is damaged"):
        unpack("a", damaged)
