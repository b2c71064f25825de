"""Appends to a log: the checks on this side, and the requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ....operations.frame_record import FrameRecord, count_odd, names_stream
from ....operations.frame_rules import check_records
from ....values.errors import LimitExceeded, SequenceConflict, SessionClosed
from ....values.limits import FramesFull
from ....values.session import Session
from ....values.states import SessionState
from ..client.call import Argument
from ..codec import ENDED, LAST, STATE, Stored, encode_frames
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..scripts import script
from .replies import ValueReply, read_reply
from .requests import bounded, fetch, read, write

__all__ = ["Append"]

# Neighbouring appends of one call share the time and the bounds.
APPEND, APPEND_CHANGE = script("append", shared=5), script("append_change")
LOOK = script("look")


@dataclass(slots=True)
class Append:
    """Records for one log."""

    plan_context: PlanContext
    session_id: str
    records: Sequence[FrameRecord]
    size: int
    """Bytes of their messages."""
    expected: int | None
    """The number of the last frame that the log must have; None for any."""
    scope: str
    odd: tuple[int, int] = field(init=False)
    """How many of the records are odd, and how many are gaps."""

    def __post_init__(self) -> None:
        self.odd = count_odd(self.records)

    def check_limits(self) -> LimitExceeded | None:
        """Return the limit that these records exceed in any log; None if there is none."""
        try:
            check_records(self.plan_context.limits, self.records, self.size)
        except LimitExceeded as error:
            return error
        return None

    def refuse(self, error: LimitExceeded) -> Plan[NoReturn]:
        """Raise this error, unless another one comes before it."""
        row = yield from fetch(self.plan_context, self.session_id, self.scope)
        if row[ENDED] is not None:
            raise SessionClosed(self.session_id, SessionState(row[STATE].decode()))
        last = int(row[LAST])
        if self.expected is not None and self.expected != last:
            raise SequenceConflict(self.session_id, expected=self.expected, current=last)
        raise error

    def look(self) -> Plan[Stored]:
        """Read the session. Raises whatever is wrong with the append without its change.

        The same step checks the limits, and everything else that needs no result of a function.
        """
        count, requirements = len(self.records), self._requirements("")
        request = read(
            self.plan_context,
            LOOK,
            self.session_id,
            self.scope,
            count,
            *self.plan_context.bounds,
            *requirements,
        )
        (answer,) = yield [request]
        row: Stored = read_reply(ValueReply, answer, self.session_id).value
        return row

    def may_fit(self, session: Session) -> bool:
        """Whether the log may have room, as far as a prediction of its session shows."""
        count, limits = len(self.records), self.plan_context.limits
        there = session.frame_count if limits.frames_full is FramesFull.REJECT else 0
        return not count or there + count <= limits.max_frames_per_session

    def request(self, seen: str = "") -> Request:
        """Make the request to append; with `seen` only if the session is what a function saw."""
        plan_context = self.plan_context
        count = len(self.records)
        maximum = plan_context.limits.max_frames_per_session
        plan_context.predictions.append(
            self.session_id, count, maximum, odd=self.odd, scope=self.scope
        )
        bucket, name = plan_context.locate(self.session_id)
        arguments: list[Argument] = [
            plan_context.now,
            *plan_context.bounds,
            self.scope,
            count,
            *self._requirements(seen),
        ]
        arguments += encode_frames(self.records)
        keys = (bucket.session + name, bucket.log + name)
        return Request(bucket, APPEND, keys, arguments, write=True, weight=self.size)

    def request_with_change(self, arguments: Sequence[Argument]) -> Request:
        """Make the request to append and to change the session in one step."""
        plan_context = self.plan_context
        return write(
            plan_context,
            APPEND_CHANGE,
            self.session_id,
            *(len(self.records), *plan_context.bounds, *self._requirements("")),
            *(*plan_context.session_bounds, *arguments),
            *encode_frames(self.records),
            scope=self.scope,
        )

    def _requirements(self, seen: str) -> tuple[Argument, ...]:
        """Make the arguments that tell `log.lua` what this append requires."""
        expected = "" if self.expected is None else bounded(self.expected)
        odd, gaps = self.odd
        streams = ":s" if any(map(names_stream, self.records)) else ""
        counted = f"{odd}:{gaps}{streams}" if odd or gaps or streams else ""
        return expected, self.size, seen, counted
