"""Plans of the operations on frames, named as their commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....operations import (
    AddFrame,
    CountFrames,
    DeleteFrames,
    ReadFrames,
    ReadNewFrames,
    RemoveFrames,
    SearchFrames,
    TrimFrames,
)
from ....operations.frame_commands import RecordPage, SearchedRecords
from ....operations.frame_record import (
    REMOVED_DETAIL,
    FrameRecord,
    NumberedRecords,
    is_message,
    stream_of,
)
from ....operations.frame_rules import check_numbers, unknown_number
from ....values.errors import LimitExceeded, LogReplaced, SessionNotFound, StoreUnavailable
from ..client.call import Argument
from ..codec import COUNT, Unreadable, decode_frames, frame_numbers, read_counter, read_incarnation
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..layout import VERSION
from ..scripts import script
from .append import Append
from .replies import FramesReply, ValueReply, capture, read_list, read_reply
from .requests import bounded, fetch, read, write

__all__ = [
    "add_frame",
    "count_frames",
    "delete_frames",
    "read_frames",
    "read_new_frames",
    "remove_frames",
    "search_frames",
    "trim_frames",
]

_NEVER = b"-"
"""For `read.lua`: there is and was no frame of that number."""

_SEARCHED_AT_ONCE = 500
"""Frames: a search brings them here, and looks at all of them in one turn of the loop."""

_BY_ENTRY = -1
"""From `read.lua`: each entry tells its number."""

CLEAR, TRIM, READ = script("clear"), script("trim"), script("read")
COUNT_STREAM, REMOVE = script("count_stream"), script("remove")
RAISE_LAYOUT = script("raise_layout")


def add_frame(plan_context: PlanContext, command: AddFrame, scope: str) -> Plan[int]:
    session_id = command.session_id
    append = Append(plan_context, session_id, (command.record,), command.weight, None, scope)
    if (error := append.check_limits()) is not None:
        yield from append.refuse(error)
    (answer,) = yield [append.request()]
    last: int = read_reply(ValueReply, answer, session_id).value
    if plan_context.wakeups:
        plan_context.wakeups.notify(session_id)
    return last


def read_frames(
    plan_context: PlanContext, command: ReadFrames, scope: str
) -> Plan[NumberedRecords]:
    limit: Argument = "" if command.limit is None else bounded(command.limit)
    newest = "1" if command.newest else ""
    before: Argument = "" if command.before is None else bounded(command.before)
    arguments: tuple[Argument, ...] = (scope, bounded(command.after), limit, newest, "", "", before)
    arguments += (command.incarnation or "", *_named(command.stream))
    (answer,) = yield [read(plan_context, READ, command.session_id, *arguments)]
    reply = read_reply(FramesReply, answer, command.session_id)
    return _numbered(plan_context, reply, command.stream)


def search_frames(
    plan_context: PlanContext, command: SearchFrames, scope: str
) -> Plan[SearchedRecords]:
    page = ReadFrames(
        command.session_id,
        command.after,
        None,
        _SEARCHED_AT_ONCE,
        newest=False,
        incarnation=command.incarnation,
    )
    numbers, captured = yield from read_frames(plan_context, page, scope)
    records = captured[:]
    found = [
        (seq, record)
        for seq, record in zip(numbers, records, strict=False)
        if command.wanted.accepts(record.message, is_message=is_message(record))
    ]
    to = numbers[len(records) - 1] if records else command.after
    is_complete = len(records) < _SEARCHED_AT_ONCE
    if len(found) > command.limit:
        del found[command.limit :]
        to, is_complete = found[-1][0], False
    return SearchedRecords(
        [seq for seq, _ in found], [record for _, record in found], to, is_complete
    )


def read_new_frames(
    plan_context: PlanContext, command: ReadNewFrames, scope: str
) -> Plan[RecordPage]:
    session: Argument = "" if command.number is None else _text(command.number)
    after = bounded(command.after)
    shown = command.proof if type(command.proof) is bytes else _NEVER
    # Once it is known by its number, it can be no other.
    wanted = "" if command.number is not None else command.incarnation or ""
    arguments: tuple[Argument, ...] = (scope, after, command.limit, "", session, shown, "", wanted)
    arguments += _named(command.stream)
    (answer,) = yield [read(plan_context, READ, command.session_id, *arguments)]
    status, *_ = answer
    if status == b"REPLACED":
        raise LogReplaced(command.session_id, after=command.after)
    gone = status in (b"MISSING", b"ANOTHER")
    if gone and command.number is not None:
        return RecordPage(command.number, (), (), ended=True)
    reply = read_reply(FramesReply, answer, command.session_id)
    # The text that identifies the session for the script, as a number.
    number = int.from_bytes(reply.session, "big")
    proof = None if reply.proof == _NEVER else reply.proof
    return RecordPage(
        number, *_numbered(plan_context, reply, command.stream), bool(reply.ended), proof
    )


def count_frames(plan_context: PlanContext, command: CountFrames, scope: str) -> Plan[int]:
    if command.stream is not None:
        arguments: tuple[Argument, ...] = (scope, *_named(command.stream))
        (answer,) = yield [read(plan_context, COUNT_STREAM, command.session_id, *arguments)]
        return read_counter(read_reply(ValueReply, answer, command.session_id).value)
    row = yield from fetch(plan_context, command.session_id, scope)
    return read_counter(row[COUNT])


def delete_frames(plan_context: PlanContext, command: DeleteFrames, scope: str) -> Plan[int]:
    (answer,) = yield [write(plan_context, CLEAR, command.session_id, scope=scope)]
    removed: int = read_reply(ValueReply, answer, command.session_id).value
    return removed


def remove_frames(plan_context: PlanContext, command: RemoveFrames, scope: str) -> Plan[int]:
    try:
        check_numbers(plan_context.limits, command.seqs)
    except LimitExceeded as error:
        row = yield from fetch(
            plan_context, command.session_id, scope
        )  # it raises what comes first
        if command.incarnation not in (None, read_incarnation(row)):
            raise SessionNotFound(command.session_id) from None
        raise error
    if not plan_context.has_raised_layout:
        (answer,) = yield [Request(plan_context.keys.buckets[0], RAISE_LAYOUT, (), (VERSION,))]
        read_list(answer)
        plan_context.has_raised_layout = True
    arguments: list[Argument] = [REMOVED_DETAIL, command.incarnation or ""]
    arguments += map(bounded, command.seqs)
    (answer,) = yield [write(plan_context, REMOVE, command.session_id, *arguments, scope=scope)]
    if answer[0] == b"UNKNOWN":
        raise unknown_number()
    removed: int = read_reply(ValueReply, answer, command.session_id).value
    return removed


def trim_frames(plan_context: PlanContext, command: TrimFrames, scope: str) -> Plan[int]:
    arguments: tuple[Argument, ...] = (bounded(command.up_to), command.incarnation or "")
    (answer,) = yield [write(plan_context, TRIM, command.session_id, *arguments, scope=scope)]
    removed: int = read_reply(ValueReply, answer, command.session_id).value
    return removed


def _named(stream: str | None) -> tuple[bytes, ...]:
    """Return the argument that names a stream: its length, then itself; none for all frames."""
    if stream is None:
        return ()
    name = stream.encode()
    return (bytes([len(name)]) + name,)


def _numbered(plan_context: PlanContext, reply: FramesReply, stream: str | None) -> NumberedRecords:
    """Capture the numbers and the records of a reply."""

    def decode(entries: Sequence[Any]) -> list[FrameRecord]:
        records = decode_frames(entries)
        if stream is not None and any(_stream_of(record) != stream for record in records):
            raise Unreadable("a session's index of streams")
        return records

    entries = reply.frames
    numbers: Sequence[int] = range(reply.first, reply.first + len(entries))
    if stream is not None or reply.first == _BY_ENTRY:
        numbers = frame_numbers(entries)
    return numbers, capture(plan_context, decode, entries)


def _stream_of(record: FrameRecord) -> str | None:
    try:
        return stream_of(record.detail)
    except StoreUnavailable:
        raise Unreadable("a session's log") from None


def _text(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
