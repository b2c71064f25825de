"""One session from one store into another, as it was at one moment.

Every step at the target is conditional, on its id or on where its log ends: a step that is taken
again, because its answer was lost or the program was, changes nothing twice.
"""

from __future__ import annotations

from ..interface.atomic_store import AtomicSessionStore
from ..values.message import MessageEnvelope
from ..values.session import CALLER_FIELDS, Session
from ..values.states import Direction, SessionState
from .copy_frames import Digest, Missing, slices

__all__ = ["Differs", "SessionCopy", "begin"]

_FIELDS = sorted(CALLER_FIELDS - {"state"})
_FILLER = b'{"jsonrpc":"2.0","method":"notifications/sessionkeeper/trimmed"}'
_FILLERS = 1_000


class Differs(Exception):
    """What is at the target under this id is another session, or was changed there."""


async def begin(target: AtomicSessionStore, session: Session) -> bool:
    """Make the session at the target, live, so that frames can follow; say whether this did."""
    state = session.state if not session.state.is_terminal else SessionState.ACTIVE
    _, created = await target.get_or_create_session(session.model_copy(update={"state": state}))
    return created


class SessionCopy:
    """One attempt; made for one `run`."""

    def __init__(
        self,
        source: AtomicSessionStore,
        target: AtomicSessionStore,
        session: Session,
        *,
        known: int = 0,
    ) -> None:
        self._source, self._target = source, target
        self.session = session
        self.known = known
        """Up to here the log at the target was compared or written by this call."""
        self._gone = session.last_seq - session.frame_count
        """The last number that is gone from the front of the log."""
        self.added = 0
        """Frames brought over by this attempt."""

    async def run(self) -> bytes:
        """Bring over what is missing, compare both sides whole, and return their digest.

        Raises `Differs` if they are not the same; `Missing` if the source was trimmed meanwhile;
        `SequenceConflict` if somebody else writes at the target; what the stores raise.
        """
        session = self.session
        there = await self._brought_to(await self._target.get_session(session.id))
        ours, theirs = await self._both(there.last_seq)
        rest = slices(self._source, session.id, after=there.last_seq, last=session.last_seq)
        async for frames in rest:
            ours.add(frames)
            envelopes = [frame.envelope for frame in frames]
            before = frames[0].seq - 1
            await self._target.add_frames(session.id, envelopes, expected_last_seq=before)
            self.added += len(frames)
            self.known = frames[-1].seq
        await self._target.modify_session(session.id, self._finished)
        # What was just written is read again: only what the target gives back counts.
        rest = slices(self._target, session.id, after=there.last_seq, last=session.last_seq)
        try:
            async for frames in rest:
                theirs.add(frames)
        except Missing:
            raise Differs("frames are missing at the target") from None
        digest = ours.of(session)
        if theirs.of(await self._target.get_session(session.id)) != digest:
            raise Differs("what was copied is not the same at the target")
        return digest

    def _finished(self, there: Session) -> Session:
        self._check_fields(there)
        state = self.session.state
        return there if there.state is state else there.model_copy(update={"state": state})

    def _check_fields(self, there: Session) -> None:
        for name in _FIELDS:
            if getattr(there, name) != getattr(self.session, name):
                raise Differs(f"its {name} at the target is not the same")
        state = self.session.state
        if there.state is not state and not there.state.may_become(state):
            raise Differs(f"it is {there.state} at the target, and {state} at the source")

    async def _brought_to(self, there: Session) -> Session:
        """Let the log at the target begin where the source's does, if it is the same log."""
        self._check_fields(there)
        session, gone = self.session, self._gone
        begins = there.last_seq - there.frame_count
        if there.last_seq > session.last_seq or begins > gone:
            raise Differs("its log at the target is not the beginning of the one at the source")
        if there.state.is_terminal and (there.last_seq, begins) != (session.last_seq, gone):
            raise Differs("it has ended at the target with another log")
        if begins == gone:
            return there
        if there.frame_count:
            await self._check_front(there, begins)
        # Numbers whose frames are gone are used up by fillers that go at once: a log begins at 1,
        # and there is no other way to begin later.
        last = there.last_seq
        filler = MessageEnvelope.of(session.id, _FILLER, direction=Direction.CLIENT_TO_SERVER)
        while last < gone:
            fillers = [filler] * min(_FILLERS, gone - last)
            added = await self._target.add_frames(session.id, fillers, expected_last_seq=last)
            last = added[-1]
            await self._target.trim_frames(session.id, up_to=last)
        await self._target.trim_frames(session.id, up_to=gone)
        return await self._target.get_session(session.id)

    async def _check_front(self, there: Session, begins: int) -> None:
        """Find out whether what is to be trimmed at the target is from an earlier copy."""
        if there.last_seq > self._gone:  # the source was trimmed since: the rest must agree
            await self._both(there.last_seq)
            return
        if there.last_seq <= self.known:
            return
        front = slices(self._target, there.id, after=begins, last=there.last_seq)
        async for frames in front:
            if any(frame.envelope.message != _FILLER for frame in frames):
                raise Differs("its log at the target has frames the source has not")

    async def _both(self, last: int) -> tuple[Digest, Digest]:
        """Read what both have up to this number. Raises `Differs` unless it is the same."""
        ours, theirs = Digest(), Digest()
        both = ((self._source, ours), (self._target, theirs))
        for store, digest in both:
            async for frames in slices(store, self.session.id, after=self._gone, last=last):
                digest.add(frames)
        if ours.so_far() != theirs.so_far():
            raise Differs("a frame at the target is not the same")
        self.known = max(self.known, last)
        return ours, theirs
