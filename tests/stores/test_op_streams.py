"""The streams of a log: the frames that name one, with their numbers (Guarantees 3.7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Frame,
    FramesFull,
    LimitExceeded,
    MessageEnvelope,
    SessionNotFound,
    StoreLimits,
)
from sessionkeeper.backends.frame_log import FrameLog
from sessionkeeper.operations.frame_record import FrameRecord

from tests.support.sessions import close_session, new_session, note, settle
from tests.support.stores import DESIGNS, Design

owned_too = pytest.mark.parametrize("design", [*DESIGNS, "owned"], indirect=True)
"""With the owner around ten methods."""

NAMES = ["GET", "é" * 127, "a\0b", "a", "ab", "%", None]
"""Names of streams that a careless key would mix up, and none."""


def of_stream(n: int, stream: str | None, id: str = "a") -> MessageEnvelope:
    """A numbered message of a stream."""
    message = b'{"jsonrpc":"2.0","method":"x","params":[%d]}' % n
    return MessageEnvelope.of(id, message, direction="server-to-client", stream=stream)


async def fill_streams(store: AtomicSessionStore, count: int, id: str = "a") -> None:
    """Append messages to all streams in turn, numbered on from the last."""
    last = (await store.get_session(id)).last_seq
    for n in range(last + 1, last + count + 1):
        await store.add_frame(of_stream(n, NAMES[n % len(NAMES)], id))


def seqs_of(stream: str | None, first: int, last: int) -> list[int]:
    """The numbers that `fill_streams` gave to a stream."""
    return [n for n in range(first, last + 1) if NAMES[n % len(NAMES)] == stream]


async def watched(watcher: AsyncIterator[Frame]) -> list[int]:
    """The numbers of all frames up to the end."""
    return [frame.seq async for frame in watcher]


async def read(store: AtomicSessionStore, **options: Any) -> list[int]:
    """The numbers of the frames of a stream; each must be the one of its number."""
    frames = await store.read_frames("a", **options)
    everything = {frame.seq: frame for frame in await store.read_frames("a", limit=1_000)}
    assert frames == [everything[frame.seq] for frame in frames]
    return [frame.seq for frame in frames]


@owned_too
async def test_a_stream_is_read_with_the_numbers_of_the_log(store: AtomicSessionStore) -> None:
    """In order, whatever the names; frames without a stream belong to none."""
    await store.create_session(new_session())
    await fill_streams(store, 100)
    for stream in NAMES[:-1]:
        assert await read(store, stream=stream) == seqs_of(stream, 1, 100)
        assert await store.count_frames("a", stream=stream) == len(seqs_of(stream, 1, 100))
    for stream in ("b", "GE", "GET ", "a\0", "é"):
        assert await store.read_frames("a", stream=stream) == []
        assert await store.count_frames("a", stream=stream) == 0
    assert await store.count_frames("a") == 100


@owned_too
async def test_every_part_of_a_stream_can_be_read(store: AtomicSessionStore) -> None:
    """After, before, at most `limit`, the newest, and backwards, as with the whole log."""
    await store.create_session(new_session())
    await fill_streams(store, 60)
    all_ = seqs_of("a", 1, 60)
    for after in (0, 3, 4, 60, 10**30):
        for before in (None, 1, 33, 10**30):
            these = [n for n in all_ if n > after and (before is None or n < before)]
            for limit in (1, 3):
                given: dict[str, Any] = {"after": after, "limit": limit, "stream": "a"}
                if before is not None:
                    given["before"] = before
                assert await read(store, **given) == these[:limit]
                assert await read(store, newest=True, **given) == these[-limit:]
                assert await read(store, reverse=True, **given) == these[-limit:][::-1]


async def test_a_batch_goes_to_several_streams(store: AtomicSessionStore) -> None:
    """In one step, with the contexts that the frames have."""
    await store.create_session(new_session())
    batch = [of_stream(n, NAMES[n % len(NAMES)]) for n in range(1, 51)]
    await store.add_frames("a", batch)
    assert await store.get_frames("a") == batch
    for stream in NAMES[:-1]:
        assert await read(store, stream=stream) == seqs_of(stream, 1, 50)


async def test_what_is_trimmed_is_in_no_stream(store: AtomicSessionStore) -> None:
    """Trimmed one by one, many at once, and all."""
    await store.create_session(new_session())
    await fill_streams(store, 300)
    for up_to in (1, 2, 3, 10, 11, 150, 299, 300):
        await store.trim_frames("a", up_to=up_to)
        for stream in NAMES[:-1]:
            left = seqs_of(stream, up_to + 1, 300)
            assert await read(store, stream=stream) == left
            assert await store.count_frames("a", stream=stream) == len(left)
    await fill_streams(store, 20)
    assert await read(store, stream="a") == seqs_of("a", 301, 320)


@owned_too
async def test_deleting_frames_empties_every_stream(store: AtomicSessionStore) -> None:
    """The numbers go on."""
    await store.create_session(new_session())
    await fill_streams(store, 40)
    await store.delete_frames("a")
    assert await store.count_frames("a", stream="a") == 0
    assert await store.read_frames("a", stream="a") == []
    await fill_streams(store, 20)
    assert await read(store, stream="a") == seqs_of("a", 41, 60)


@owned_too
async def test_a_later_session_of_the_id_has_its_own_streams(store: AtomicSessionStore) -> None:
    """Nothing of the deleted one, although its numbers are the same."""
    await store.create_session(new_session())
    await fill_streams(store, 40)
    await store.delete_session("a")
    await store.create_session(new_session())
    assert await store.count_frames("a", stream="a") == 0
    for n in range(1, 21):
        await store.add_frame(of_stream(n, "other"))
    assert await store.read_frames("a", stream="a") == []
    assert await store.count_frames("a", stream="other") == 20


async def test_dropping_the_oldest_takes_them_out_of_their_streams(design: Design) -> None:
    """One by one and several at once."""
    limits = StoreLimits(max_frames_per_session=10, frames_full=FramesFull.DROP_OLDEST)
    async with design(limits=limits) as store:
        await store.create_session(new_session())
        await fill_streams(store, 35)
        for stream in NAMES[:-1]:
            assert await read(store, stream=stream) == seqs_of(stream, 26, 35)
        await store.add_frames("a", [of_stream(n, "b") for n in range(36, 43)])
        assert await read(store, stream="b") == [*range(36, 43)]
        for stream in NAMES[:-1]:
            assert await read(store, stream=stream) == seqs_of(stream, 33, 35)


async def test_a_refused_frame_is_in_no_stream(design: Design) -> None:
    """A batch that is refused leaves none behind."""
    async with design(limits=StoreLimits(max_frames_per_session=5)) as store:
        await store.create_session(new_session())
        await fill_streams(store, 4)
        with pytest.raises(LimitExceeded):
            await store.add_frames("a", [of_stream(5, "b"), of_stream(6, "b")])
        assert await store.count_frames("a", stream="b") == 0
        await store.add_frame(of_stream(5, "b"))
        assert await read(store, stream="b") == [5]


@owned_too
async def test_a_watcher_of_a_stream_gets_its_frames_only(store: AtomicSessionStore) -> None:
    """Each once and in order; it ends with the session, also if nothing of the stream came."""
    await store.create_session(new_session())
    await fill_streams(store, 30)
    tasks = {
        (stream, after): asyncio.create_task(
            watched(store.watch_frames("a", after=after, stream=stream))
        )
        for stream in [*NAMES[:-1], "nothing"]
        for after in (0, 5, 100)
    }
    await settle(store)
    await fill_streams(store, 120)
    await settle(store)
    assert not any(task.done() for task in tasks.values())
    await close_session(store)
    for (stream, after), task in tasks.items():
        assert await task == seqs_of(stream, after + 1, 150)


@owned_too
async def test_frames_of_other_streams_wake_a_watcher_for_one_read(
    store: AtomicSessionStore,
) -> None:
    """It waits again after a page without a frame of its stream.

    A file may wake it twice for a change: as the writer's process, and as one that polls.
    """
    await store.create_session(new_session())
    watcher = store.watch_frames("a", stream="a")
    reads: list[int] = []
    read_page = watcher._read_page

    async def counted(number: int | None, after: int) -> Any:
        reads.append(after)
        return await read_page(number, after)

    watcher._read_page = counted
    step = asyncio.ensure_future(anext(watcher))
    await settle(store)
    for n in range(1, 4):
        await store.add_frame(of_stream(n, "b"))
        await settle(store)
        assert {*reads} == {0}
        assert n < len(reads) <= 2 * (n + 1)
    await store.add_frame(of_stream(4, "a"))
    assert (await step).seq == 4
    await watcher.aclose()


@owned_too
async def test_a_watcher_of_a_stream_never_shows_a_later_session(
    store: AtomicSessionStore,
) -> None:
    """It ends when its session is deleted."""
    await store.create_session(new_session())
    task = asyncio.create_task(watched(store.watch_frames("a", stream="a")))
    await settle(store)
    await store.delete_session("a")
    await store.create_session(new_session())
    await store.add_frame(of_stream(1, "a"))
    assert await task == []


@owned_too
async def test_what_is_wrong_is_told(store: AtomicSessionStore) -> None:
    """An unknown session, and no name of a stream; nothing reaches the store then."""
    with pytest.raises(SessionNotFound):
        await store.count_frames("a", stream="a")
    with pytest.raises(SessionNotFound):
        await store.read_frames("a", stream="a")
    for wrong in ("", "x" * 256, "\ud800"):
        with pytest.raises(ValueError, match="no name of a stream"):
            await store.read_frames("a", stream=wrong)
        with pytest.raises(ValueError, match="no name of a stream"):
            await store.count_frames("a", stream=wrong)
        with pytest.raises(ValueError, match="no name of a stream"):
            store.watch_frames("a", stream=wrong)
    with pytest.raises(TypeError, match="a stream is a str"):
        await store.read_frames("a", stream=b"a")  # type: ignore[arg-type]  # wrong


@owned_too
async def test_a_view_reads_the_streams_of_its_principal(store: AtomicSessionStore) -> None:
    """And of nobody else."""
    await store.create_session(new_session(principal="alice"))
    await fill_streams(store, 20)
    alice, bob = store.for_principal("alice"), store.for_principal("bob")
    assert await read(alice, stream="a") == seqs_of("a", 1, 20)
    assert await alice.count_frames("a", stream="a") == len(seqs_of("a", 1, 20))
    for refused in (bob.read_frames("a", stream="a"), bob.count_frames("a", stream="a")):
        with pytest.raises(SessionNotFound):
            await refused
    with pytest.raises(SessionNotFound):
        await anext(bob.watch_frames("a", stream="a"))


@owned_too
async def test_opaque_payloads_are_kept_and_not_counted_as_odd(store: AtomicSessionStore) -> None:
    """Of any bytes, with their media type and stream."""
    await store.create_session(new_session())
    contents = [b"", b"\x00\xff", b"[" * 1000, note(1).message]
    frames = [
        MessageEnvelope.of_payload(
            "a", content, media_type="application/x-item", direction="client-to-server", stream=name
        )
        for content in contents
        for name in (None, "items")
    ]
    for frame in frames:
        await store.add_frame(frame)
    assert await store.get_frames("a") == frames
    items = await store.read_frames("a", stream="items")
    assert [frame.envelope for frame in items] == frames[1::2]
    session = await store.get_session("a")
    assert (session.odd_frames, session.gap_frames) == (0, 0)


async def test_no_limit_of_json_is_for_opaque_payloads(design: Design) -> None:
    """Their depth is not looked at; their bytes count."""
    async with design(limits=StoreLimits(max_json_depth=3, max_frame_bytes=100)) as store:
        await store.create_session(new_session())
        deep = MessageEnvelope.of_payload(
            "a", b"[" * 100, media_type="application/x-item", direction="client-to-server"
        )
        await store.add_frame(deep)
        with pytest.raises(LimitExceeded, match="max_frame_bytes"):
            await store.add_frame(deep.model_copy(update={"message": b"[" * 101}))


@pytest.mark.parametrize("design", ["actor", "plain", "locked"], indirect=True)
async def test_reading_a_stream_costs_what_it_holds(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 8 in a log of 5,000 frames in memory: the records that are looked at are counted."""
    async with design(limits=StoreLimits(max_frames_per_batch=5_000)) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [of_stream(n, str(n % 8)) for n in range(5_000)])
        looked_at = 0
        read_records = FrameLog.read

        def counted(log: FrameLog, start: int, count: int) -> Sequence[FrameRecord]:
            nonlocal looked_at
            looked_at += count
            return read_records(log, start, count)

        monkeypatch.setattr(FrameLog, "read", counted)
        for limit in (1_000, 10):
            looked_at = 0
            found = await store.read_frames("a", stream="3", limit=limit)
            assert len(found) == looked_at == min(limit, 625)
        looked_at = 0
        assert await store.count_frames("a", stream="3") == 625
        watcher = store.watch_frames("a", stream="3", after=4_900)
        assert (await anext(watcher)).seq == 4_908
        assert looked_at == 1 + 12, "the frame it comes after, and those of its page"
