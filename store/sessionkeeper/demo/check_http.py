"""Compares what was stored of HTTP with what a witness on each side of the recorder saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from ..values.message import MessageEnvelope
from ..values.states import Direction
from .exchanges import Exchange

__all__ = ["compare_frames", "compare_traffic"]

_OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te"}
_Key = tuple[str, str | None, bytes]
_Messages = tuple[tuple[bytes, ...], tuple[bytes, ...]]


def compare_traffic(front: Sequence[Exchange], behind: Sequence[Exchange]) -> Iterator[str]:
    """Pair the exchanges of both sides by their requests, and say where they differ."""
    ahead, after = _by_request(front), _by_request(behind)
    for key in sorted({*ahead, *after}, key=repr):
        ours, theirs = ahead.get(key, []), after.get(key, [])
        if len(ours) != len(theirs):
            yield f"{key[0]}: sent {len(ours)} times, arrived {len(theirs)} times"
        for one, other in zip(ours, theirs, strict=False):
            if (difference := _difference(one, other)) is not None:
                yield f"{key[0]}: {difference}"


def compare_frames(
    behind: Sequence[Exchange], frames: Sequence[tuple[str, MessageEnvelope]]
) -> Iterator[str]:
    """Compare the messages of each exchange with the frames of each stream of a session."""
    streams: dict[tuple[str, str | None], tuple[list[bytes], list[bytes]]]
    streams = defaultdict(lambda: ([], []))
    for session, frame in frames:
        context = frame.context
        if not frame.message and context.metadata.get("line_end") == "none":
            continue  # it says that a side left, in place of a message
        side = context.direction is Direction.SERVER_TO_CLIENT
        streams[session, context.stream][side].append(frame.message)
    seen = Counter(each.messages() for each in behind)
    stored = Counter((tuple(sent), tuple(received)) for sent, received in streams.values())
    seen.pop(((), ()), None)
    for messages in seen - stored:
        yield f"not stored: {_sizes(messages)}"
    for messages in stored - seen:
        yield f"stored, but not seen: {_sizes(messages)}"


def _by_request(exchanges: Sequence[Exchange]) -> dict[_Key, list[Exchange]]:
    found: dict[_Key, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        request = each.request
        found[request.first_line, request.header("mcp-session-id"), request.body].append(each)
    for same in found.values():
        same.sort(key=lambda each: b"" if each.answer is None else each.answer.body)
    return found


def _difference(front: Exchange, behind: Exchange) -> str | None:
    if _end_to_end(front.request.headers) != _end_to_end(behind.request.headers):
        return "other headers of the request"
    one, other = front.answer, behind.answer
    if one is None or other is None:
        lost = one is None and other is not None and other.is_whole
        return "an answer is missing" if lost or one is not None else None
    if one.first_line != other.first_line:
        return "another status"
    if _end_to_end(one.headers) != _end_to_end(other.headers):
        return "other headers of the answer"
    if one.body != other.body and (one.is_whole or not other.body.startswith(one.body)):
        return f"another body: {len(other.body)} bytes were sent, {len(one.body)} arrived"
    return None


def _end_to_end(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(each for each in headers if each[0] not in _OF_CONNECTION)


def _sizes(messages: _Messages) -> str:
    sent, received = messages
    return f"{[*map(len, sent)]} bytes to the server, {[*map(len, received)]} bytes to the client"
