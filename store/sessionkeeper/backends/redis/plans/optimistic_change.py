"""Runs a caller's function here, on a copy of the session.

The server stores the result only if the session is still what the function saw. If not, it answers
with what is there now, and the function runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, NamedTuple, TypeAlias

from soleowner import CallerError

from ....interface.atomic_store import Change
from ....operations.change import run_change
from ....values.lease import is_heartbeat
from ....values.session import STORE_FIELDS, Session
from ....values.states import SessionState
from ..client.call import Argument
from ..codec import (
    FIELDS,
    METADATA,
    SessionArguments,
    Stored,
    decode_session,
    digest_row,
    digest_session,
    encode_session,
)
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..predictions import is_later
from .replies import OK, refuse
from .requests import fetch
from .sessions import note_change

__all__ = ["OptimisticChange"]

_Seen: TypeAlias = tuple[Session, str]
"""The session a function gets, and the digest of its content. The server compares both, because a
revision may be only a prediction, or a server that lost data may have used it again."""


class ChangeOutcome(NamedTuple):
    """How a change ended."""

    answer: Any
    """The answer to the last request; None if there was nothing to request."""
    changed: bool
    """Whether the function changed the session."""


class OptimisticChange:
    """One change of one session (compare and set), repeated until the comparison holds."""

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
        self._bucket, self._name = plan_context.locate(session_id)
        self._change = change
        self._context = context
        self._scope = scope
        self.current: Session
        """The session the function saw last."""

    def run(
        self,
        store: Callable[[Sequence[Argument]], Request],
        keep: Callable[[str], Request] | None = None,
        *,
        frames: int = 0,
        odd: tuple[int, int] = (0, 0),
        look: Callable[[], Plan[Stored]] | None = None,
        may_fit: Callable[[Session], bool] | None = None,
    ) -> Plan[ChangeOutcome]:
        """Request to `store` the result of the function, until the server accepts it.

        If the function changes nothing, `keep` makes the request for the session it saw; without
        `keep` there is none. `frames` go with the change, of which `odd` and gaps are none. `look`
        raises what is wrong with them before the function runs. A session in which they may not
        fit is not predicted.
        """
        predictions = self._plan_context.predictions
        known: _Seen | None = None
        use_prediction = True
        while True:
            seen = self._latest(known) if use_prediction else known
            if seen is None or (self._scope and seen[0].principal != self._scope):
                known, use_prediction = (yield from self._look(look)), known is None
                continue
            if seen is not known and may_fit is not None and not may_fit(seen[0]):
                known, use_prediction = (yield from self._look(look)), False
                continue
            start, digest = seen
            self.current = start
            changed, raised = self._try(start, certain=seen is known)
            if seen is not known and (raised or (changed is None and keep is None)):
                # This comes of a prediction. Nobody learns of it before the server confirmed it.
                predictions.forget(self._id)
                known, use_prediction = (yield from self._look(look)), False
                continue
            counts = f"{start.frame_count}:{start.odd_frames}:{start.gap_frames}"
            mark = f"{start.revision}:{start.last_seq}:{counts}:{digest}"
            if changed is not None:
                quiet = is_heartbeat(start, changed)
                encoded = encode_session(self._name, f"s:{mark}", changed, quiet=quiet)
                self._predict(start, changed, frames, odd, encoded)
                request = store(encoded)
            elif keep is not None:
                request = keep(mark)
            else:
                return ChangeOutcome(None, changed=False)
            (answer,) = yield [request]
            status, *details = answer
            if status == OK:
                return ChangeOutcome(answer, changed is not None)
            predictions.discard_stale(self._id)
            if status != b"MOVED":
                refuse(answer, self._id, changed)
            row, *_ = details
            known, use_prediction = self._read(row), True

    def note_stored(self, state_before: bytes, row: Stored) -> Session:
        """Return the session as it was stored. Wakes its watchers and tells listeners."""
        session, _ = self._read(row)
        self._plan_context.predictions.note_assigned(self._bucket, session.revision)
        before = SessionState(state_before.decode())
        note_change(self._plan_context, session, before, self._context)
        return session

    def _try(self, start: Session, *, certain: bool) -> tuple[Session | None, bool]:
        """Run the function. Returns its result, and whether it raised instead."""
        try:
            with self._plan_context.owner():
                return run_change(self._change, self._context, start), False
        except CallerError:
            if certain:
                raise
            return None, True

    def _latest(self, known: _Seen | None) -> _Seen | None:
        prediction = self._plan_context.predictions.get(self._id)
        if prediction is None or (known is not None and not is_later(prediction[0], known[0])):
            return known
        return prediction

    def _look(self, look: Callable[[], Plan[Stored]] | None) -> Plan[_Seen]:
        if look is None:
            row = yield from fetch(self._plan_context, self._id, self._scope)
        else:
            row = yield from look()
        return self._read(row)

    def _read(self, row: Stored) -> _Seen:
        session, digest = decode_session(self._id, row), digest_row(row)
        predictions = self._plan_context.predictions
        predictions.note_revision(self._bucket, session.revision)
        size = len(row[FIELDS]) + len(row[METADATA] or b"")
        predictions.note_session(session, size, digest)
        return session, digest

    def _predict(
        self,
        start: Session,
        changed: Session,
        frames: int,
        odd: tuple[int, int],
        encoded: SessionArguments,
    ) -> None:
        """Let the next change of this batch start from this one.

        Its revision is a prediction: another process may get that revision first.
        """
        predictions = self._plan_context.predictions
        assigned = {name: getattr(start, name) for name in STORE_FIELDS}
        assigned["revision"] = predictions.next_revision(self._bucket)
        assigned["last_seq"] += frames
        assigned["odd_frames"] += odd[0]
        assigned["gap_frames"] += odd[1]
        maximum = self._plan_context.limits.max_frames_per_session  # beyond it the oldest go
        assigned["frame_count"] = min(assigned["frame_count"] + frames, maximum)
        if changed.state.is_terminal and start.ended_at is None:
            predictions.forget(self._id)  # only the server knows when it ends
        else:
            session = Session.trusted(changed.__dict__ | assigned)
            predictions.note_session(session, encoded.size, digest_session(encoded))
