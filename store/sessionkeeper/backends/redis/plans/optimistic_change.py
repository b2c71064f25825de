"""Running a caller's function here, on what the server holds.

Its result is taken only if the session is still what the function saw; if not, the server says what
is there now, and the function runs again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeAlias

from soleowner import CallerError

from ....interface.atomic_store import Change
from ....operations.change import run_change
from ....values.session import STORE_FIELDS, Session
from ....values.states import SessionState
from ..client.call import Word
from ..codec import (
    FIELDS,
    HELD,
    Stored,
    digest_of,
    digest_of_row,
    read_session,
    session_words,
)
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..predictions import later
from .requests import OK, fetch, refuse
from .sessions import note_change

__all__ = ["OptimisticChange"]

_Seen: TypeAlias = tuple[Session, str]
"""What a function is given, and the digest of what that holds. The server compares both: a revision
may be only guessed, or given again by a server that lost what it had."""


class OptimisticChange:
    """One change of one session, tried until it meets the session it was made for."""

    def __init__(
        self,
        plan_context: PlanContext,
        session_id: str,
        change: Change,
        context: Context,
        scope: str,
    ) -> None:
        self._plan_context = plan_context
        self._id = session_id
        self._bucket, self._name = plan_context.place(session_id)
        self._change = change
        self._context = context
        self._scope = scope
        self.current: Session
        """What the function saw last."""

    def run(
        self,
        store: Callable[[list[Word]], Request],
        leave: Callable[[str], Request] | None = None,
        *,
        frames: int = 0,
        look: Callable[[], Plan[Stored]] | None = None,
        may_fit: Callable[[Session], bool] | None = None,
    ) -> Plan[Any]:
        """Ask to `store` what the function makes of the session, until that is taken.

        Where the function changes nothing, `leave` asks what else is to be done with the session
        it saw; without it the answer is None. So many `frames` go along with the change: `look`
        raises what is wrong with those before the function has a say, and a session is not guessed
        in which they may not fit.
        """
        predictions = self._plan_context.predictions
        known: _Seen | None = None
        believe = True
        while True:
            seen = self._later(known) if believe else known
            if seen is None or (self._scope and seen[0].principal != self._scope):
                known, believe = (yield from self._look(look)), known is None
                continue
            if seen is not known and may_fit is not None and not may_fit(seen[0]):
                known, believe = (yield from self._look(look)), False
                continue
            start, digest = seen
            self.current = start
            changed, raised = self._try(start, surely=seen is known)
            if seen is not known and (raised or (changed is None and leave is None)):
                # Made of a guess alone: nobody is told before the server has said it was right.
                predictions.forget(self._id)
                known, believe = (yield from self._look(look)), False
                continue
            mark = f"{start.revision}:{start.last_seq}:{start.frame_count}:{digest}"
            if changed is not None:
                words = session_words(self._name, f"s:{mark}", changed)
                self._predict(start, changed, frames, words)
                request = store(words)
            elif leave is not None:
                request = leave(mark)
            else:
                return None
            (answer,) = yield [request]
            if answer[0] == OK:
                return answer
            predictions.discard_stale(self._id)
            if answer[0] != b"MOVED":
                refuse(answer, self._id, changed)
            known, believe = self._read(answer[1]), True

    def taken(self, before: bytes, row: Stored) -> Session:
        """Return the session as it was stored, and let those hear of it who should."""
        session, _ = self._read(row)
        self._plan_context.predictions.given(self._bucket, session.revision)
        note_change(self._plan_context, session, SessionState(before.decode()), self._context)
        return session

    def _try(self, start: Session, *, surely: bool) -> tuple[Session | None, bool]:
        """Run the function; what it made of the session, and whether it raised instead."""
        try:
            with self._plan_context.owner():
                return run_change(self._change, self._context, start), False
        except CallerError:
            if surely:
                raise
            return None, True

    def _later(self, known: _Seen | None) -> _Seen | None:
        prediction = self._plan_context.predictions.get(self._id)
        if prediction is None or (known is not None and not later(prediction[0], known[0])):
            return known
        return prediction

    def _look(self, look: Callable[[], Plan[Stored]] | None) -> Plan[_Seen]:
        if look is None:
            row = yield from fetch(self._plan_context, self._id, self._scope)
        else:
            row = yield from look()
        return self._read(row)

    def _read(self, row: Stored) -> _Seen:
        session, digest = read_session(self._id, row), digest_of_row(row)
        predictions = self._plan_context.predictions
        predictions.see(self._bucket, session.revision)
        predictions.note(session, len(row[FIELDS]) + len(row[HELD] or b""), digest)
        return session, digest

    def _predict(self, start: Session, changed: Session, frames: int, words: list[Any]) -> None:
        """Let the next change of this batch start from this one.

        The revision it will have is guessed, and another process may be given it.
        """
        predictions = self._plan_context.predictions
        kept = {name: getattr(start, name) for name in STORE_FIELDS}
        kept["revision"] = predictions.revise(self._bucket)
        kept["last_seq"] += frames
        maximum = self._plan_context.limits.max_frames_per_session  # beyond it the oldest go
        kept["frame_count"] = min(kept["frame_count"] + frames, maximum)
        if changed.state.is_terminal and start.ended_at is None:
            predictions.forget(self._id)  # when it ends, the server will say
        else:
            size = len(words[9]) + len(words[10])
            predictions.note(Session.trusted(changed.__dict__ | kept), size, digest_of(words))
