"""Every line is in the record byte for byte, whatever it is (Guarantees 17.1)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import ActorSessionStore, Frame, Gap, ManagerConfig, Session, StoreLimits
from sessionkeeper.manager import SessionManager
from sessionkeeper.recording import SessionRecorder
from sessionkeeper.recording.heads import count_possible_answers
from sessionkeeper.recording.stdio import StdioReport
from sessionkeeper.recording.stdio.lines import LineSplitter
from sessionkeeper.values.states import Direction, SessionState

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig

OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'
ASKED = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

STREAMS: dict[str, bytes] = {
    "a legacy code page": b'{"jsonrpc":"2.0","id":1,"result":{"source":"\xb0\xa1\xb3\xaa"}}\n',
    "a lone surrogate": b'{"jsonrpc":"2.0","id":1,"result":"\\ud800"}\n',
    "NaN": b'{"jsonrpc":"2.0","id":1,"result":NaN}\n',
    "a name twice": b'{"jsonrpc":"2.0","id":1,"id":1,"result":{}}\n',
    "a byte order mark": b"\xef\xbb\xbf" + OK + b"\n",
    "a float id": OK.replace(b"1,", b"1.0,") + b"\n",
    "a result of id null": b'{"jsonrpc":"2.0","id":null,"result":{}}\n' + OK + b"\n",
    "an id of 5,000 digits": b'{"jsonrpc":"2.0","id":' + b"7" * 5000 + b',"method":"x"}\n' + OK,
    "an error without an id": b'{"jsonrpc":"2.0","error":{"code":1,"message":""}}\n' + OK + b"\n",
    "no version": b'{"id":1,"result":{}}\n',
    "a batch": b"[" + OK + b',{"jsonrpc":"2.0","method":"x"}]\n',
    "a batch that is none": b"[" + OK + b",1]\n",
    "too deep": b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 200 + b"]" * 200 + b"}\n",
    "deeper than any parser goes": b"[" * 100_000 + b'{"result"\n' + OK,
    "a banner": b"Starting up...\n" + OK + b"\n",
    "a banner on the message's line": b"[db] connected " + OK + b"\n",
    "a line of a JSON log": b'{"level":"info","msg":"up"}\n' + OK + b"\n",
    "a number": b"42\n" + OK + b"\n",
    "pretty printed": b'{\n "jsonrpc": "2.0",\n "id": 1,\n "result": {}\n}\n',
    "Content-Length": b"Content-Length: %d\r\n\r\n" % len(OK) + OK,
    "Content-Length twice": (b"Content-Length: %d\r\n\r\n" % len(OK) + OK) * 2,
    "carriage returns": OK + b"\r" + OK + b"\r",
    "CRLF": OK + b"\r\n",
    "colours": b"\x1b[32mready\x1b[0m\n" + OK + b"\n",
    "NULs": bytes(8) + OK + b"\n",
    "two on a line": OK + OK + b"\n",
    "blank lines": b"\n \n\t\r\n" + OK + b"\n\n",
    "UTF-16": OK.decode().encode("utf-16") + b"\n" + OK + b"\n",
    "line ends of Unicode": '{"jsonrpc":"2.0","id":1,"result":"\u2028\u0085\x7f"}\n'.encode(),
    "no newline at the end": OK,
    "every byte": bytes(range(256)) * 2 + b"\n" + OK,
    "larger than a chunk": b"x" * 200_000 + b"\n" + OK,
}


def written(frames: list[Frame], side: Direction) -> bytes:
    """The stream of one side, written again from its frames as `docs/guides/recording.md` says."""
    lines = [frame.envelope for frame in frames if frame.envelope.context.direction is side]
    return b"".join(
        line.message + (b"" if line.context.metadata.get("line_end") == "none" else b"\n")
        for line in lines
    )


async def answered_with(
    rig: Rig, stream: bytes, *, max_line: int = 1 << 24
) -> tuple[StdioReport, list[Frame], Session]:
    """Send one request, then these bytes of the server; return the report and the record."""
    script = rig.folder / "stream"
    script.write_bytes(stream)
    command = rig.script(f"""
        sys.stdin.readline()
        sys.stdout.buffer.write(open({str(script)!r}, "rb").read())
        sys.stdout.buffer.flush()
        """)
    async with SessionManager(ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(manager, command, id="a")
        rig.use(recorder)
        running = rig.run(rig.proxy(command, max_line=max_line))
        await rig.send(ASKED)
        assert await rig.rest() == stream
        report = await running
        session = await manager.get_session("a")
        return report, await manager.store.read_frames("a"), session


@pytest.mark.parametrize("what", STREAMS)
async def test_each_line_of_an_odd_stream_is_recorded(rig: Rig, what: str) -> None:
    """Forwarded, recorded byte for byte with its reason, and no request is called unanswered."""
    stream = STREAMS[what]
    report, frames, session = await answered_with(rig, stream)
    assert written(frames, Direction.SERVER_TO_CLIENT) == stream
    assert written(frames, Direction.CLIENT_TO_SERVER) == ASKED
    assert (report.recorded, report.not_json, report.refused) == (len(frames), 0, 0)
    odd = [frame.envelope for frame in frames if frame.envelope.oddity is not None]
    assert all(envelope.kind == "odd" for envelope in odd)
    assert (report.odd, session.odd_frames, session.gap_frames) == (len(odd), len(odd), 0)
    assert report.failure is None
    assert session.state is SessionState.CLOSED
    assert rig.troubles == []


@pytest.mark.parametrize(
    "noise",
    [b"", b"Starting up...\n", b'{"level":"info"}\n', OK[:20], b"\n", b"42\n", b'"{}"\n' + OK[:9]],
)
async def test_noise_answers_no_request(rig: Rig, noise: bytes) -> None:
    """After a line that cannot be a response, the request is certainly unanswered."""
    report, _, session = await answered_with(rig, noise)
    assert (report.unanswered, session.state) == (1, SessionState.FAILED)
    assert session.failure == "server exited with 1 request unanswered"


async def test_a_line_too_large_is_a_gap(rig: Rig) -> None:
    """For the recorder as for the store; the request may have been answered by it."""
    large = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 5_000 + b'"}'
    report, frames, session = await answered_with(rig, large + b"\n", max_line=1_000)
    assert (report.oversized, report.gaps, report.recorded, report.failure) == (1, 1, 2, None)
    assert (session.frame_count, session.gap_frames, session.odd_frames) == (2, 1, 0)
    gap = frames[1].envelope
    assert (gap.kind, gap.oddity) == ("gap", "larger than the recorder takes")
    assert gap.media_type == "application/vnd.sessionkeeper.gap+json"
    assert json.loads(gap.message)["size"] == len(large)


async def test_a_message_the_store_refuses_is_recorded_as_a_gap(rig: Rig) -> None:
    """Instead of a line that failed; the next one is recorded whole."""
    limits = StoreLimits(max_frame_bytes=1_000)
    large = b'{"a":"' + b"x" * 2_000 + b'"}'
    async with (
        ActorSessionStore(limits=limits) as store,
        SessionManager.with_store(store, ManagerConfig.recording()) as manager,
    ):
        recorder = await SessionRecorder.open(manager, rig.script(rig.ECHO), id="a")
        rig.use(recorder)
        running = rig.run(rig.proxy(rig.ECHO))
        await rig.send(large + b"\nnoise\n")
        await rig.line()
        await rig.line()
        rig.hang_up()
        report = await running
        frames = await store.read_frames("a")
        session = await store.get_session("a")
    assert [frame.envelope.kind for frame in frames] == ["gap", "odd"] * 2
    gap = frames[0].envelope
    assert gap.oddity == "larger than the store takes"
    bare = {"lines": 1, "size": len(large), "sha256": sha256(large).hexdigest()}
    assert json.loads(gap.message) == bare  # the ends alone are larger than that
    assert (report.recorded, report.oversized, report.odd, report.failed) == (4, 2, 2, 0)
    assert (session.gap_frames, session.odd_frames) == (2, 2)


@settings(max_examples=25)
@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b"\n", b"\r\n", OK, b"{", b"\xff", b"\0"])
    ).map(b"".join)
)
def test_any_stream_can_be_written_again_from_its_lines(stream: bytes) -> None:
    """Whatever the bytes, and wherever they are cut."""
    for size in 1, 3, 1000:
        splitter = LineSplitter(1000)
        ended: list[bytes | Gap] = []
        for at in range(0, len(stream), size):
            ended += splitter.feed(stream[at : at + size])
        last = splitter.finish()
        again = b"".join(line + b"\n" for line in ended if isinstance(line, bytes))
        assert again + (last if isinstance(last, bytes) else b"") == stream


def test_half_a_line_holds_no_response() -> None:
    """Unless it shows one; a whole line may hold one as soon as it holds an object."""
    assert count_possible_answers(OK[:20], ended=False) == 0
    assert count_possible_answers(OK[:20], ended=True) == 1
    assert count_possible_answers(OK + OK, ended=False) == 2
    assert count_possible_answers(b"hello", ended=True) == 0
