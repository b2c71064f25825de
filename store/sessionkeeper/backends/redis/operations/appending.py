"""Appending to a log: what is checked here, and what is asked of the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import LimitExceeded, SequenceConflict, SessionClosed
from ....limits import FramesFull
from ....log_rules import check_records
from ....records import FrameRecord
from ....states import SessionState
from ..ask import Ask, Plan
from ..call import Word
from ..codec import ENDED, LAST, STATE, frame_words
from ..scripts import script
from ..setting import Setting
from .asking import fetch, write

__all__ = ["Append"]

APPEND, APPEND_CHANGE = script("append", many=True), script("append_change")


@dataclass(frozen=True, slots=True)
class Append:
    """Records for one log."""

    setting: Setting
    session_id: str
    records: Sequence[FrameRecord]
    size: int
    """Bytes of their messages."""
    expected: int | None
    """The number the log must end with; None for any."""
    scope: str

    def check(self) -> Plan[None]:
        """Raise `LimitExceeded` for what no log takes, if nothing else is wrong before that."""
        try:
            check_records(self.setting.limits, self.records, self.size)
        except LimitExceeded:
            row = yield from fetch(self.setting, self.session_id, self.scope)
            if row[ENDED] is not None:
                raise SessionClosed(self.session_id, SessionState(row[STATE].decode())) from None
            last = int(row[LAST])
            if self.expected is not None and self.expected != last:
                raise SequenceConflict(
                    self.session_id, expected=self.expected, current=last
                ) from None
            raise

    def ask(self, seen: str = "") -> Ask:
        """Ask to append, if the session is still what a function saw."""
        self.setting.guesses.append(self.session_id, len(self.records))
        return write(
            self.setting,
            APPEND,
            self.session_id,
            *(len(self.records), *self._limits(), seen),
            *frame_words(self.records),
            scope=self.scope,
        )

    def ask_with_change(self, words: Sequence[Word]) -> Ask:
        """Ask to append and to change the session, in one step."""
        return write(
            self.setting,
            APPEND_CHANGE,
            self.session_id,
            *(len(self.records), *self._limits(), "", self.setting.limits.max_metadata_bytes),
            *words,
            *frame_words(self.records),
            scope=self.scope,
        )

    def _limits(self) -> tuple[Word, ...]:
        """Make the words by which `log.lua` knows what is too much."""
        limits = self.setting.limits
        return (
            "" if self.expected is None else self.expected,
            self.size,
            limits.max_frames_per_session,
            limits.max_session_bytes,
            self.setting.share(limits.max_total_bytes),
            "1" if limits.frames_full is FramesFull.DROP_OLDEST else "",
        )
