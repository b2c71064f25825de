"""A search in a file: what Python would find, in bounded steps."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.backends.sqlite import frame_index

# Few characters, so that they meet: of JSON, of patterns, beyond ASCII, and no text.
PIECES = st.sampled_from(
    [
        b'"',
        b"a",
        b"b",
        b"*",
        b"?",
        b"[",
        b"]",
        b"-",
        b"\\",
        "é".encode(),
        "€".encode(),
        "😀".encode(),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map(b"".join)
BYTES = st.one_of(
    TEXTS, st.lists(st.one_of(PIECES, st.just(b"\0"), st.just(b"\xff"))).map(b"".join)
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A notification with a text, or any bytes."""
    text = draw(TEXTS).decode(errors="replace").replace("\\", "\\\\").replace('"', '\\"')
    made = f'{{"jsonrpc":"2.0","method":"{text}"}}'.encode()
    return draw(st.one_of(st.just(made), BYTES))


Wanted: TypeAlias = "bytes | tuple[bytes, ...]"
NEEDLES = BYTES.filter(bool)
WANTED: st.SearchStrategy[Wanted] = st.one_of(
    NEEDLES, st.lists(NEEDLES, min_size=1, max_size=3).map(tuple)
)


def holds(message: bytes, wanted: Wanted) -> bool:
    """Whether the parts follow one another in a message."""
    parts = wanted if isinstance(wanted, tuple) else (wanted,)
    return re.search(b".*?".join(map(re.escape, parts)), message, re.DOTALL) is not None


async def search(store: SQLiteSessionStore, wanted: list[Wanted], others: bool) -> list[int]:
    """Return the numbers of all frames that are found."""
    after, seqs = 0, list[int]()
    while True:
        found = await store.search_frames(
            "a", containing=wanted, non_messages=others, after=after, limit=3
        )
        seqs += [frame.seq for frame in found.frames]
        if found.is_complete:
            return seqs
        after = found.scanned_to


@settings(max_examples=60, deadline=None)
@given(
    held=st.lists(messages(), min_size=1, max_size=12),
    searches=st.lists(
        st.tuples(st.lists(WANTED, min_size=1, max_size=3), st.booleans()), min_size=5
    ),
)
def test_a_search_of_the_file_finds_what_python_finds(
    held: list[bytes], searches: list[tuple[list[Wanted], bool]]
) -> None:
    """Exactly the same frames, whether they are in the large index or in the small one."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(frame_index, "MERGE_AT", 5)
        asyncio.run(compare(Path(folder) / "store.db", held, searches))


async def compare(file: Path, held: list[bytes], searches: list[tuple[list[Wanted], bool]]) -> None:
    """Search for each in the file and in Python."""
    envelopes = [MessageEnvelope.of("a", each, direction="client-to-server") for each in held]
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(Session.new(id="a", transport_type="stdio"))
        for envelope in envelopes:
            await store.add_frame(envelope)
        for wanted, others in searches:
            expected = [
                seq
                for seq, each in enumerate(envelopes, 1)
                if any(holds(each.message, one) for one in wanted)
                or (others and not each.is_message)
            ]
            assert await search(store, wanted, others) == expected


async def test_a_call_searches_a_bounded_part(tmp_path: Path) -> None:
    """Frames of 3 MB: a call ends after some, whether it found one or not."""
    async with SQLiteSessionStore(tmp_path / "store.db", durability="os") as store:
        await store.create_session(Session.new(id="a", transport_type="stdio"))
        large = b'{"jsonrpc":"2.0","method":"' + b"x" * 3_000_000 + b'"}'
        for _ in range(5):
            await store.add_frame(MessageEnvelope.of("a", large, direction="client-to-server"))
        ends = [0]
        for _ in itertools.count():
            found = await store.search_frames("a", containing=[b"nowhere"], after=ends[-1])
            ends.append(found.scanned_to)
            if found.is_complete:
                break
        assert ends[-1] == 5
        assert all(0 < later - sooner < 4 for sooner, later in itertools.pairwise(ends))
