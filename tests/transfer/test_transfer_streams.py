"""Streams and opaque payloads in exports, imports and copies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Frame,
    MessageEnvelope,
    MessageKind,
)
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.copy_frames import Digest
from sessionkeeper.transfer.export_format import (
    MalformedLine,
    header_line,
    last_line,
    read_frame,
)
from sessionkeeper.transfer.json_lines import export_session, import_session, read_export
from sessionkeeper.transfer.packed_frames import PackedFrames
from sessionlab.conformance.samples import opaque

from tests.support.sessions import new_session, note
from tests.support.stores import DESIGNS, FileStore, database_stores

STREAMS = ("x", None, "é\0", "x")

lasting = pytest.mark.parametrize("name", ["sqlite", "postgres"])
"""To a file, and to a database."""


async def filled(store: AtomicSessionStore) -> list[MessageEnvelope]:
    """A session with frames of two streams and none, and with payloads; one frame is trimmed."""
    await store.create_session(new_session())
    for n, stream in enumerate(STREAMS):
        context = note(n).context.model_copy(update={"stream": stream})
        await store.add_frame(note(n).model_copy(update={"context": context}))
    await store.add_frames("a", opaque())
    await store.trim_frames("a", up_to=1)
    return await store.get_frames("a")


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    FileStore.folder = tmp_path
    with database_stores(request):
        yield


async def is_there(store: AtomicSessionStore, frames: list[MessageEnvelope]) -> None:
    """The same frames, also those of each stream, with the same numbers."""
    assert await store.get_frames("a") == frames
    for stream, seqs in {"x": [4], "é\0": [3], "s": [5, 6, 7, 8], "y": []}.items():
        found = await store.read_frames("a", stream=stream)
        assert [frame.seq for frame in found] == seqs
        assert await store.count_frames("a", stream=stream) == len(seqs)


@lasting
async def test_an_import_has_the_streams_of_its_export(name: str) -> None:
    """With the numbers they had; only frames of a stream have it in their line."""
    async with ActorSessionStore() as source, DESIGNS[name]() as target:
        frames = await filled(source)
        lines = await export_session(source, "a")
        shown = [json.loads(line) for line in lines[1:]]
        assert [line.get("stream") for line in shown] == [*STREAMS[1:], "s", "s", "s", "s"]
        named = [stream is not None for stream in STREAMS[1:]] + [True] * 4
        assert ["stream" in line for line in shown] == named
        assert {line.get("media_type") for line in shown} == {None, "application/x-item"}
        text = "\n".join([header_line(), *lines, last_line(1), ""])
        (stored,) = read_export(BytesIO(text.encode()))
        await import_session(target, stored)
        await is_there(target, frames)
        kinds = [frame.kind for frame in frames]
        assert kinds.count(MessageKind.OPAQUE) == 4


@lasting
async def test_a_copy_has_the_streams_of_its_source(name: str) -> None:
    """And goes on with those that came since."""
    async with ActorSessionStore() as source, DESIGNS[name]() as target:
        frames = await filled(source)
        assert (await copy_sessions(source, target)).differences == []
        await is_there(target, frames)
        await source.add_frame(opaque()[0])
        assert (await copy_sessions(source, target)).differences == []
        assert await target.count_frames("a", stream="s") == 5


async def test_frames_that_differ_in_their_stream_alone_are_not_the_same() -> None:
    """The digest by which a copy is compared tells them apart, and from one of no stream."""
    context = note(1).context
    digests = set[bytes]()
    for stream in ("x", "y", None):
        digest = Digest()
        framed = context.model_copy(update={"stream": stream})
        envelope = note(1).model_copy(update={"context": framed})
        await digest.add([Frame(seq=1, envelope=envelope)])
        digests.add(digest.so_far())
    assert len(digests) == 3


LINE: dict[str, Any] = {
    "seq": 1,
    "message": "any",
    "media_type": "text/x-item",
    "oddity": None,
    "stream": "x",
    "direction": "client-to-server",
    "timestamp": "2026-01-01T00:00:00Z",
    "delivery": None,
    "protocol_version": None,
    "metadata": {},
}


@pytest.mark.parametrize(
    "changed",
    [
        {"stream": ""},
        {"stream": "x" * 256},
        {"stream": 5},
        {"stream": ["x"]},
        {"media_type": "application/json"},
        {"media_type": ""},
        {"media_type": 5},
    ],
    ids=str,
)
def test_a_wrong_stream_or_payload_is_refused(changed: dict[str, Any]) -> None:
    """Its value is not quoted."""
    assert read_frame("a", LINE).context.stream == "x"
    with pytest.raises(MalformedLine, match="no frame") as told:
        read_frame("a", LINE | changed)
    assert "xxx" not in str(told.value)


def test_packed_frames_keep_their_streams() -> None:
    """In a tenth of the memory."""
    frames = [*opaque(), note(1)]
    assert [*PackedFrames(frames)] == frames
