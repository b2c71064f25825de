"""Searching a log for byte strings."""

from __future__ import annotations

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionNotFound
from sessionkeeper.values.message import MessageEnvelope

from .kit import StoreKit
from .promise import needs
from .samples import new, note

__all__ = ["SearchingConformance"]

HELD: tuple[bytes, ...] = (
    b'{"jsonrpc":"2.0","method":"a"}',
    b'{"jsonrpc":"2.0","method":"a*b?[c]"}',
    '{"jsonrpc":"2.0","method":"gr\u00fc\u00dfe \ufffd \ufffe"}'.encode(),
    rb'{"jsonrpc":"2.0","method":"\u0061"}',
    b"a line of text",
    b"\x00 after a NUL, and \xff",
    b"",
)
"""The messages of a log: of JSON-RPC, and others."""

WANTED: tuple[bytes, ...] = (
    b'"a',
    b"*b?[c",
    b"]",
    b"[",
    "\u00fc\u00df".encode(),
    "\ufffe".encode(),
    b"\xc3",
    rb"\u0061",
    b"line",
    b"after",
    b"\x00",
    b"\xff",
    b"A",
    b"nowhere",
)


async def filled(store: AtomicSessionStore) -> list[bytes]:
    """A session `a` with these messages; return them."""
    await store.create_session(new())
    for message in HELD:
        envelope = MessageEnvelope.of("a", message, direction="client-to-server")
        await store.add_frame(envelope)
    picture = MessageEnvelope.of_payload(
        "a", b"\x89PNG line", direction="server-to-client", media_type="image/png"
    )
    await store.add_frame(picture)
    return [*HELD, picture.message]


async def found(
    store: AtomicSessionStore,
    *wanted: bytes | tuple[bytes, ...],
    others: bool = False,
    limit: int = 1000,
) -> list[int]:
    """The numbers of all frames that hold one of these, over as many calls as it takes."""
    seqs: list[int] = []
    after, is_complete = 0, False
    while not is_complete:
        search = await store.search_frames(
            "a", containing=wanted, non_messages=others, after=after, limit=limit
        )
        assert len(search.frames) <= limit
        assert search.is_complete or search.scanned_to > after, "a call goes on at least a frame"
        assert all(after < frame.seq <= search.scanned_to for frame in search.frames)
        seqs += [frame.seq for frame in search.frames]
        after, is_complete = search.scanned_to, search.is_complete
    return seqs


class SearchingConformance(StoreKit):
    @needs("search_frames")
    async def test_a_search_finds_what_holds_the_bytes(self, store: AtomicSessionStore) -> None:
        """`search_frames`: exactly the frames that hold one of the byte strings, in order."""
        held = await filled(store)
        for wanted in WANTED:
            expected = [seq for seq, each in enumerate(held, 1) if wanted in each]
            assert await found(store, wanted) == expected, wanted
        either = [seq for seq, each in enumerate(held, 1) if b"line" in each or b"[" in each]
        assert await found(store, b"line", b"[") == either
        assert await found(store, (b"a", b"b?", b"]")) == [2]
        assert await found(store, (b"aft", b"NUL,", b"\xff"), (b"lin", b"line")) == [6]
        assert await found(store, (b"]", b"b?"), (b'"gr', b"gr"), b"\xff") == [6]
        (frame,) = (await store.search_frames("a", containing=[b"text"])).frames
        assert frame == (await store.read_frames("a", after=frame.seq - 1, limit=1))[0]
        with pytest.raises(SessionNotFound):
            await store.search_frames("nobody", containing=[b"a"])

    @needs("search_frames")
    async def test_a_search_finds_what_is_no_message(self, store: AtomicSessionStore) -> None:
        """`non_messages`: every frame that is no message, too, whatever it holds."""
        await filled(store)
        assert await found(store, others=True) == [5, 6, 7, 8]
        assert await found(store, b"[", others=True) == [2, 5, 6, 7, 8]

    @needs("search_frames")
    async def test_a_search_goes_on_where_it_ended(self, store: AtomicSessionStore) -> None:
        """`scanned_to` is the `after` of the next call; each frame is found once."""
        await store.create_session(new())
        for n in range(1, 1_200):
            await store.add_frame(note(n))
        assert await found(store, b"{", limit=7) == [*range(1, 1_200)]
        assert await found(store, b"nowhere") == []
        search = await store.search_frames("a", containing=[b"{"], after=1_199)
        assert (search.frames, search.scanned_to, search.is_complete) == ((), 1_199, True)
        await store.add_frame(note(1_200))
        search = await store.search_frames("a", containing=[b"{"], after=search.scanned_to)
        assert [frame.seq for frame in search.frames] == [1_200]

    @needs("search_frames", "trim_frames")
    async def test_a_search_begins_where_the_log_does(self, store: AtomicSessionStore) -> None:
        """Frames that were trimmed are not found."""
        await store.create_session(new())
        for n in range(1, 6):
            await store.add_frame(note(n))
        await store.trim_frames("a", up_to=3)
        assert await found(store, b"{") == [4, 5]
        await store.delete_frames("a")
        assert await found(store, b"{") == []

    @needs("search_frames", "remove_frames")
    async def test_a_search_does_not_find_removed_content(self, store: AtomicSessionStore) -> None:
        """A removed frame holds nothing, and is no message."""
        await filled(store)
        await store.remove_frames("a", [1])
        assert 1 not in await found(store, b"{")
        assert await found(store, others=True) == [1, 5, 6, 7, 8]
