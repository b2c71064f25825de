"""Operations with a caller's function, which runs here and must have seen what is there.

The server takes its result only if the session is still the one the function saw; if not, it says
what is there now, and the function runs again.
"""

from __future__ import annotations

from typing import Any

from ....commands import AddFrames, ModifySession
from ....session import Session
from ..ask import Ask, Plan
from ..call import Word
from ..codec import frame_words
from ..scripts import script
from ..setting import Setting
from .asking import checked, write
from .attempts import Attempts
from .frames import append_ask, limits_of, precheck
from .sessions import UPDATE

__all__ = ["add_frames", "modify_session"]

APPEND_CHANGE = script("append_change")


def modify_session(setting: Setting, command: ModifySession, scope: str) -> Plan[Session]:
    session_id = command.session_id
    attempts = Attempts(setting, session_id, command.change, command.context, scope)

    def store(words: list[Word]) -> Ask:
        bucket, name = setting.place(session_id)
        fixed = (setting.now, scope, setting.limits.max_metadata_bytes)
        return Ask(bucket, UPDATE, (bucket.session + name,), (*fixed, *words), write=True)

    answer = yield from attempts.run(store)
    return attempts.current if answer is None else attempts.taken(answer[1], answer[2])


def add_frames(setting: Setting, command: AddFrames, scope: str) -> Plan[range]:
    session_id, records, size = command.session_id, command.records, command.weight
    expected = command.expected_last_seq
    yield from precheck(setting, session_id, records, size, expected, scope)
    if command.change is None:
        ask = append_ask(setting, session_id, records, size, expected, scope)
        setting.guesses.append(session_id, len(records))
        (answer,) = yield [ask]
    else:
        answer = yield from _append_changed(setting, command, scope)
    last: int = checked(answer, session_id)[1]
    if setting.bells:
        setting.bells.ring(session_id)
    return range(last - len(records) + 1, last + 1)


def _append_changed(setting: Setting, command: AddFrames, scope: str) -> Plan[Any]:
    session_id, records, size = command.session_id, command.records, command.weight
    limits = limits_of(setting, size, command.expected_last_seq)
    assert command.change is not None  # noqa: S101 - for the type checker
    attempts = Attempts(setting, session_id, command.change, command.context, scope)

    def store(words: list[Word]) -> Ask:
        most = setting.limits.max_metadata_bytes
        frames = frame_words(records)
        fixed = (len(records), *limits, "", most, *words, *frames)
        return write(setting, APPEND_CHANGE, session_id, *fixed, scope=scope)

    def leave(seen: str) -> Ask:
        expected = command.expected_last_seq
        return append_ask(setting, session_id, records, size, expected, scope, seen)

    answer = yield from attempts.run(
        store, leave, frames=len(records), live=True, expected=command.expected_last_seq
    )
    if len(answer) > 2:
        attempts.taken(answer[2], answer[3])
    return answer
