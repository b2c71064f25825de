"""The operations on frames as plans, named as their commands."""

from __future__ import annotations

from collections.abc import Sequence

from ....commands import AddFrame, CountFrames, DeleteFrames, ReadFrames, ReadNews, TrimFrames
from ....commands.frames import LogNews
from ....errors import LimitExceeded, SequenceConflict, SessionClosed
from ....limits import FramesFull
from ....log_rules import check_records
from ....records import FrameRecord
from ....states import SessionState
from ..ask import Ask, Plan
from ..call import Word
from ..codec import COUNT, ENDED, LAST, STATE, frame_words, read_frames
from ..scripts import script
from ..setting import Setting
from .asking import checked, fetch, read, write

__all__ = [
    "add_frame",
    "count_frames",
    "delete_frames",
    "limits_of",
    "precheck",
    "read_frames_of",
    "read_news",
    "trim_frames",
]

APPEND = script("append", many=True)
CLEAR, TRIM, READ = script("clear"), script("trim"), script("read")


def add_frame(setting: Setting, command: AddFrame, scope: str) -> Plan[int]:
    session_id, records = command.session_id, (command.record,)
    yield from precheck(setting, session_id, records, command.weight, None, scope)
    ask = append_ask(setting, session_id, records, command.weight, None, scope)
    setting.guesses.append(session_id, 1)
    (answer,) = yield [ask]
    last: int = checked(answer, session_id)[1]
    if setting.bells:
        setting.bells.ring(session_id)
    return last


def read_frames_of(
    setting: Setting, command: ReadFrames, scope: str
) -> Plan[tuple[int, Sequence[FrameRecord]]]:
    limit: Word = "" if command.limit is None else command.limit
    newest = "1" if command.newest else ""
    ask = read(setting, READ, command.session_id, scope, command.after, limit, newest, "")
    (answer,) = yield [ask]
    _, _, first, _, entries = checked(answer, command.session_id)
    return first, read_frames(entries)


def read_news(setting: Setting, command: ReadNews, scope: str) -> Plan[LogNews]:
    number: Word = "" if command.number is None else command.number
    ask = read(setting, READ, command.session_id, scope, command.after, command.limit, "", number)
    (answer,) = yield [ask]
    gone = answer[0] in (b"MISSING", b"ANOTHER")
    if gone and command.number is not None:
        return LogNews(command.number, command.after + 1, (), over=True)
    _, found, first, ended, entries = checked(answer, command.session_id)
    return LogNews(int(found), first, read_frames(entries), over=bool(ended))


def count_frames(setting: Setting, command: CountFrames, scope: str) -> Plan[int]:
    row = yield from fetch(setting, command.session_id, scope)
    return int(row[COUNT])


def delete_frames(setting: Setting, command: DeleteFrames, scope: str) -> Plan[int]:
    (answer,) = yield [write(setting, CLEAR, command.session_id, scope=scope)]
    removed: int = checked(answer, command.session_id)[1]
    return removed


def trim_frames(setting: Setting, command: TrimFrames, scope: str) -> Plan[int]:
    (answer,) = yield [write(setting, TRIM, command.session_id, command.up_to, scope=scope)]
    removed: int = checked(answer, command.session_id)[1]
    return removed


def append_ask(
    setting: Setting,
    session_id: str,
    records: Sequence[FrameRecord],
    size: int,
    expected: int | None,
    scope: str,
    seen: str = "",
) -> Ask:
    """Ask to append records, if the session is still the one `seen`."""
    limits = limits_of(setting, size, expected)
    return write(
        setting,
        APPEND,
        session_id,
        len(records),
        *limits,
        seen,
        *frame_words(records),
        scope=scope,
    )


def limits_of(setting: Setting, size: int, expected: int | None) -> tuple[Word, ...]:
    """Make the words by which `log.lua` knows what is too much."""
    limits = setting.limits
    return (
        "" if expected is None else expected,
        size,
        limits.max_frames_per_session,
        limits.max_session_bytes,
        setting.share(limits.max_total_bytes),
        "1" if limits.frames_full is FramesFull.DROP_OLDEST else "",
    )


def precheck(
    setting: Setting,
    session_id: str,
    records: Sequence[FrameRecord],
    size: int,
    expected: int | None,
    scope: str,
) -> Plan[None]:
    """Raise `LimitExceeded` for what no session takes, if nothing else is wrong before that."""
    try:
        check_records(setting.limits, records, size)
    except LimitExceeded:
        row = yield from fetch(setting, session_id, scope)
        if row[ENDED] is not None:
            raise SessionClosed(session_id, SessionState(row[STATE].decode())) from None
        if expected is not None and expected != int(row[LAST]):
            raise SequenceConflict(session_id, expected=expected, current=int(row[LAST])) from None
        raise
