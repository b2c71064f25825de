"""One session from one store into another, as it was at one moment.

Every step at the target is conditional, on the id or on the end of the log: a step that is repeated
after a lost answer or a crash changes nothing twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import OutcomeUnknown, RevisionConflict, SessionClosed
from ..values.lease import without_lease
from ..values.message import Frame, MessageEnvelope
from ..values.session import Session
from .append_frames import TRIES, BatchSizes, append_frames
from .bring_removals import as_at_source, remove_content
from .copy_frames import Digest, Missing, slices
from .import_session import UNFINISHED, unfinished
from .same_session import difference, is_same
from .used_numbers import FILLER, use_numbers

__all__ = ["Differs", "SessionCopy", "begin"]

_GIVEN_LAST = frozenset(
    {"state", "failure", "tags", "expires_at", "created_at", "last_activity", "ended_at"}
)
"""Fields that an unfinished session does not have yet."""
_MOVES_ON = frozenset({"state", "failure", "expires_at", "last_activity", "ended_at"})
"""Fields that may be newer at the source, if the copy has not ended."""


class Differs(Exception):
    """The target has another session with this id, or the session was changed there."""


async def begin(target: AtomicSessionStore, session: Session) -> bool:
    """Create the session at the target, before its frames; return whether this call did."""
    _, created = await target.get_or_create_session(unfinished(without_lease(session)))
    return created


class SessionCopy:
    """One attempt; made for one `run`."""

    def __init__(
        self,
        source: AtomicSessionStore,
        target: AtomicSessionStore,
        session: Session,
        sizes: BatchSizes,
        *,
        known: int = 0,
        on_frames: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._source, self._target = source, target
        self._sizes, self._on_frames = sizes, on_frames
        self.session = without_lease(session)
        """The source session without its lease: nobody records into the copy."""
        self.known = known
        """The last number of the target's log that this call compared or wrote."""
        self._gone = session.last_seq - session.frame_count
        """The last number that was trimmed from the front of the log."""
        self.added = 0
        """Number of frames that this attempt copied."""

    async def run(self) -> bytes:
        """Copy what is missing, compare both sides completely, and return their digest.

        Raises `Differs` if they are not the same; `Missing` if the source was trimmed meanwhile;
        `SequenceConflict` if somebody else writes at the target; what the stores raise.
        """
        session = self.session
        there = await self._brought_to(await self._target.get_session(session.id))
        ours, theirs = await self._both(there.last_seq)
        rest = slices(self._source, session.id, after=there.last_seq, last=session.last_seq)
        async for frames in rest:
            await ours.add(frames)
            await self._append([frame.envelope for frame in frames], frames[0].seq - 1)
        # The written frames are read again: only what the target returns counts.
        rest = slices(self._target, session.id, after=there.last_seq, last=session.last_seq)
        try:
            async for frames in rest:
                await theirs.add(frames)
        except Missing:
            raise Differs("frames are missing at the target") from None
        if ours.so_far() == theirs.so_far():
            await self._finish()
        digest = ours.of(session)
        if theirs.of(await self._target.get_session(session.id)) != digest:
            raise Differs("what was copied is not the same at the target")
        return digest

    async def _append(self, envelopes: Sequence[MessageEnvelope], after: int) -> None:
        def count(frames: int) -> None:
            self.added += frames
            self.known += frames
            self._on_frames(frames)

        self.known = after
        await append_frames(
            self._target,
            self.session.id,
            envelopes,
            after=after,
            sizes=self._sizes,
            on_frames=count,
        )

    async def _finish(self) -> None:
        """Give the copy its remaining fields: state, tags, times and end."""
        session = self.session
        for attempt in range(TRIES):
            there = await self._target.get_session(session.id)
            self._check_fields(there)
            if is_same(there, session):
                return
            if there.state.is_terminal:
                name = difference(there, session)
                raise Differs(f"its {name} at the target is not the same")
            wanted = session.model_copy(update={"revision": there.revision})
            try:
                await self._target.archive_session(wanted, expected_last_seq=session.last_seq)
            except ValueError as error:
                raise Differs(f"the target cannot take its times: {error}") from None
            except (OutcomeUnknown, RevisionConflict, SessionClosed):
                if attempt == TRIES - 1:
                    raise
                continue
            return

    def _check_fields(self, there: Session) -> None:
        begun = UNFINISHED in there.tags
        later = _GIVEN_LAST if begun else _MOVES_ON
        name = difference(there, self.session, but=later)
        if name is not None:
            raise Differs(f"its {name} at the target is not the same")
        state = self.session.state
        if not there.state.may_be_archived_as(state):
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
        await use_numbers(
            self._target, session.id, after=there.last_seq, up_to=gone, sizes=self._sizes
        )
        await self._target.trim_frames(session.id, up_to=gone)
        return await self._target.get_session(session.id)

    async def _check_front(self, there: Session, begins: int) -> None:
        """Check whether the frames to trim at the target come from an earlier copy."""
        if there.last_seq > self._gone:  # the source was trimmed since: the rest must agree
            await self._both(there.last_seq)
            return
        if there.last_seq <= self.known:
            return
        front = slices(self._target, there.id, after=begins, last=there.last_seq)
        async for frames in front:
            if any(frame.envelope.message != FILLER for frame in frames):
                raise Differs("its log at the target has frames the source has not")

    async def _both(self, last: int) -> tuple[Digest, Digest]:
        """Compare the frames of both logs up to this number, and bring removals over.

        A frame whose content was removed at the source loses it at the target as well, if all
        other frames agree. Raises `Differs`.
        """
        ours, theirs = Digest(), Digest()
        key, removed = self.session.id, list[int]()
        found = _each(slices(self._target, key, after=self._gone, last=last))
        async for frames in slices(self._source, key, after=self._gone, last=last):
            await ours.add(frames)
            expected: list[Frame] = []
            for frame in frames:
                there = await anext(found)
                now = as_at_source(there, frame)
                if now != there:
                    removed.append(there.seq)
                expected.append(now)
            await theirs.add(expected)
        if ours.so_far() != theirs.so_far():
            raise Differs("a frame at the target is not the same")
        await remove_content(self._target, key, removed, sizes=self._sizes)
        self.known = max(self.known, last)
        return ours, theirs


async def _each(slices: AsyncIterator[list[Frame]]) -> AsyncIterator[Frame]:
    async for frames in slices:
        for frame in frames:
            yield frame
