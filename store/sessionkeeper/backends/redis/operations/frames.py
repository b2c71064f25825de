"""The operations on frames as plans, named as their commands."""

from __future__ import annotations

from collections.abc import Sequence

from ....commands import AddFrame, CountFrames, DeleteFrames, ReadFrames, ReadNews, TrimFrames
from ....commands.frames import LogNews
from ....records import FrameRecord
from ..ask import Plan
from ..call import Word
from ..codec import COUNT, read_frames, whole
from ..scripts import script
from ..setting import Setting
from .appending import Append
from .asking import checked, fetch, read, write

__all__ = [
    "add_frame",
    "count_frames",
    "delete_frames",
    "read_frames_of",
    "read_news",
    "trim_frames",
]

CLEAR, TRIM, READ = script("clear"), script("trim"), script("read")


def add_frame(setting: Setting, command: AddFrame, scope: str) -> Plan[int]:
    session_id = command.session_id
    append = Append(setting, session_id, (command.record,), command.weight, None, scope)
    if (error := append.too_much()) is not None:
        yield from append.refuse(error)
    (answer,) = yield [append.ask()]
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
    return whole(row[COUNT])


def delete_frames(setting: Setting, command: DeleteFrames, scope: str) -> Plan[int]:
    (answer,) = yield [write(setting, CLEAR, command.session_id, scope=scope)]
    removed: int = checked(answer, command.session_id)[1]
    return removed


def trim_frames(setting: Setting, command: TrimFrames, scope: str) -> Plan[int]:
    (answer,) = yield [write(setting, TRIM, command.session_id, command.up_to, scope=scope)]
    removed: int = checked(answer, command.session_id)[1]
    return removed
