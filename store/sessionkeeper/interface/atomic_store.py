"""The operations that reading and writing whole objects cannot do safely."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Self, TypeAlias

from soleowner import ActorStatistics, Observer

from ..values.events import Listener
from ..values.guarantees import Guarantees
from ..values.message import Frame, MessageEnvelope
from ..values.query import FrameSearch, SessionOrder, SessionPage, SessionQuery, WantedFrames
from ..values.session import Session
from ..values.statistics import StoreStatistics
from .arguments import checked_count, checked_needles
from .frame_watcher import FrameWatcher
from .session_store import SessionStore

__all__ = ["AtomicSessionStore", "Change"]

_SEARCHED_AT_ONCE = 1_000

Change: TypeAlias = Callable[[Session], Session]
"""A pure, quick function from the current session to the one to store."""


class AtomicSessionStore(SessionStore):
    """A store every method of which is one linearizable operation.

    A backend that cannot keep that for a method refuses the method; it never weakens it in
    silence.
    """

    guarantees: ClassVar[Guarantees]
    """What this store promises, for programs to read; the tests hold it to that."""

    async def open(self) -> Self:
        """Get ready for use on the running loop; `async with` does it. Nothing to do here."""
        return self

    @property
    def is_open(self) -> bool:
        """Whether it takes operations now; a store that needs no opening always does."""
        return True

    @property
    def mailbox(self) -> ActorStatistics | None:
        """One moment of the mailbox, read without asking the owner; None without one."""
        return None

    def observe(self, observer: Observer | None, /) -> None:
        """Tell an observer of each batch from now on; None ends it.

        A store without a mailbox has no batches to tell of.
        """

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Stop taking operations and let go of everything. Idempotent. Nothing to do here."""

    async def __aenter__(self) -> Self:
        # A store from a factory is open already, and may be entered, too.
        return self if self.is_open else await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @abstractmethod
    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        """Replace a session by `change(session)` and return what is stored. Atomic.

        `change` runs where the state is and sees the current session, so it never conflicts. If it
        raises, the caller gets the error and nothing is stored. It must be pure and quick: it may
        run more than once, and calling the store from it raises. If it returns the same session
        object, nothing changes, not even the revision.

        Raises `SessionNotFound`, `InvalidTransition`, `VersionConflict`, `LimitExceeded`,
        `TypeError` when `change` returns no session, `ValueError` when it returns another one.
        """

    @abstractmethod
    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        """Return the session of this id and whether this call created it.

        Exactly one of many racing callers creates. Raises `LimitExceeded`. Atomic.
        """

    async def put_session(self, session: Session, /) -> Session:
        """Create a session, or put it in the place of the one of its id; return what is stored.

        Without a session of this id it is created, as by `create_session`. A live one gets the
        caller's fields of `session`, whatever its revision, as by `update_session`: it keeps its
        log, its incarnation and its place in the order of creation. One that has ended is deleted
        with its frames, and a new one is created: a late writer never revives it.

        Raises `InvalidTransition`, `VersionConflict`, `LimitExceeded`; in the view of a principal
        `SessionExists`, if the id belongs to another one. Atomic.
        """
        raise _refusal(self, "put_session")

    @abstractmethod
    async def touch_session(self, session_id: str, /) -> None:
        """Set the time of last activity to now, and nothing else.

        Raises `SessionNotFound`, `SessionClosed`. Atomic.
        """

    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        """Make a session what it is in an archive, with its own times and its end; return it.

        The last step of an import: `create_session` a session that initializes, append its frames,
        then give it the caller's fields, `created_at`, `last_activity` and `ended_at` of `session`.
        `session.revision` is the stored revision, and `expected_last_seq` ends its log, so that
        nobody else has used it meanwhile. A session that initializes may become any state, another
        one what `update_session` allows.

        An ended session has the age that its `ended_at` gives it by the wall clock of now: its
        retention goes on. A live one is active now: idle time and age count from its creation
        here. It keeps its place in the order of creation.

        Raises `SessionNotFound`, `SessionClosed`, `RevisionConflict`, `SequenceConflict`,
        `InvalidTransition`, `VersionConflict`, `LimitExceeded`, and `ValueError` when it ended
        before it was created, when a time is before 1970 or more than five minutes from now, or
        when `ended_at` does not go with the state. Atomic.
        """
        raise _refusal(self, "archive_session")

    @abstractmethod
    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        """Append messages, all or none, and return their numbers, which have no gap.

        `expected_last_seq` is the number the log must end with; `change` modifies the session in
        the same step, as `modify_session` does. It cannot avoid a limit of the log. Without an
        envelope nothing is appended: that needs no room, and is no activity.

        Raises `SessionNotFound`, `SessionClosed`, `SequenceConflict`, `LimitExceeded`, what
        `change` raises, `ValueError` when an envelope belongs to another session. Atomic.
        """

    @abstractmethod
    async def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        newest: bool = False,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]:
        """Return at most `limit` frames with a number greater than `after`, in order.

        With `before`, only those with a smaller number than that. With `newest`, the last ones
        instead of the first ones; with `reverse`, the last ones, from the newest to the oldest. So
        `before=frames[-1].seq, reverse=True` reads on backwards. With `stream`, only the frames
        whose context names that stream, with their numbers in the session's log. With
        `incarnation`, a session of that id with another one does not exist. The cost depends on
        what is returned, not on the length of the log. Raises `SessionNotFound`, `ValueError`.
        Atomic.
        """

    async def search_frames(
        self,
        session_id: str,
        /,
        *,
        containing: Sequence[bytes | tuple[bytes, ...]],
        non_messages: bool = False,
        after: int = 0,
        limit: int = 1000,
        incarnation: str | None = None,
    ) -> FrameSearch:
        """Find the frames numbered above `after` that hold at least one of these byte strings.

        They are searched for in the bytes of the message, as they are: an escape in JSON is another
        string. A tuple is found where its byte strings follow one another, with anything between
        them. With `non_messages`, every frame that is no JSON-RPC message is found, too, whatever
        it holds. A call searches a bounded part of the log and returns at most `limit` frames, in
        order; `FrameSearch` tells where to go on. With `incarnation`, a session of that id with
        another one does not exist.

        A byte string has 1 to 1,024 bytes, and there are at most 16 in all. Raises
        `SessionNotFound`, `TypeError`, `ValueError`. Atomic: a call searches the log of one moment.
        """
        wanted = WantedFrames(checked_needles(containing, non_messages), non_messages)
        checked_count("limit", limit, minimum=1)
        frames = await self.read_frames(
            session_id, after=after, limit=_SEARCHED_AT_ONCE, incarnation=incarnation
        )
        found = [
            frame
            for frame in frames
            if wanted.accepts(frame.envelope.message, is_message=frame.envelope.is_message)
        ]
        if len(found) > limit:
            return FrameSearch(tuple(found[:limit]), found[limit - 1].seq, False)
        is_complete = len(frames) < _SEARCHED_AT_ONCE
        return FrameSearch(tuple(found), frames[-1].seq if frames else after, is_complete)

    @abstractmethod
    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        """Return how many frames a session has, or how many of a stream, exactly.

        O(1), and for a stream at most O(its frames). Raises `SessionNotFound`, `ValueError`.
        Atomic.
        """

    async def trim_frames(
        self, session_id: str, /, *, up_to: int, incarnation: str | None = None
    ) -> int:
        """Delete the frames numbered `up_to` or less and return how many.

        Their numbers are not used again. With `incarnation`, a session of that id with another one
        does not exist. Raises `SessionNotFound`, `ValueError`. Atomic.
        """
        raise _refusal(self, "trim_frames")

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        """Remove the content of the frames with these numbers; return how many lost theirs.

        The numbers stay: each is then a frame of the kind `MessageKind.REMOVED` without a message,
        with the direction, the timestamp and the stream it had. It is still counted, its bytes are
        not. As a trim this is no activity, gives no new revision, and an ended session allows it.
        Frames that were trimmed or removed before are passed over. With `incarnation`, a session of
        that id with another one does not exist.

        Raises `SessionNotFound`, `LimitExceeded` for more than `max_frames_per_batch` numbers, and
        `ValueError` for a number below 1 or above the last one. Atomic.
        """
        raise _refusal(self, "remove_frames")

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        """Return a page of at most `limit` (1 to 1,000) matching sessions in a `SessionOrder`.

        In order of creation, or by last activity with the newest first, live and ended alike. Last
        activity is compared by the steady clock, in microseconds, and with equal ones by creation,
        the newest first; an archived live session was active when it was archived.

        Each page shows one moment; the whole walk does not. A session that exists during the whole
        walk is seen exactly once, one that is created or removed meanwhile at most once. By last
        activity, a session is seen exactly once if that does not change meanwhile, also if a sweep
        ends it, and at most once if it is used, because it moves to the front. Only one that is
        archived meanwhile, with a past of its own, may be seen twice. A page reads a bounded number
        of sessions, so it may be short, even empty, and have a `cursor`.

        Raises `TypeError`, `ValueError` for a cursor that no page in this order returned. Atomic.
        """
        raise _refusal(self, "find_sessions")

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        """End live sessions without activity for `idle` seconds, or created `age` seconds ago.

        And always those whose `expires_at` has passed by the wall clock, whatever their activity;
        without `idle` and `age` only those. They become `timed-out` in the same step as the check,
        and are returned: at most `limit`, the longest idle first, then the oldest, then those that
        expired first, and by id for equal times. The cost is proportional to the number of
        expired sessions.

        Raises `TypeError`, `ValueError`. Atomic.
        """
        raise _refusal(self, "expire_sessions")

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        """Delete sessions that ended before a moment, with their frames; return how many.

        `ended_for` is the time since their end in seconds, which no jump of the wall clock can
        shorten. If both are given, both must hold. At most `limit` are deleted, the ones that ended
        first, and by id for equal times. Raises `TypeError`, and `ValueError` when neither is given
        or for a moment without a time zone. Atomic.
        """
        raise _refusal(self, "purge_sessions")

    def watch_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> FrameWatcher:
        """Yield the frames numbered above `after`: those there are, then each new one.

        They come in order, each exactly once. With `stream`, only the frames of that stream; with
        `incarnation`, a session of that id with another one does not exist. The watcher ends after
        the last frame of a session that ended or was deleted. Frames are read from the log when
        they are requested, some at a time, so a slow reader delays nobody and uses no memory. A
        frame that was trimmed before is not seen.

        A cancelled step loses nothing; the next one continues. The first step raises
        `SessionNotFound`; a step on a closed store raises `StoreClosed`. A step raises
        `LogReplaced` if the last frame it read is missing and was not removed: a server or a file
        was restored without it. A frame that lost its content before it is read comes as a removed
        one.
        """
        raise _refusal(self, "watch_frames")

    @abstractmethod
    async def statistics(self) -> StoreStatistics:
        """Return sessions by state, frames, bytes, counters and the mailbox, all of one moment."""

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        """Call `listener` with each `SessionEvent`; return a function that ends that.

        It is called on the loop, as the owner, once for each event and in their order, even if the
        caller that caused the event was cancelled. It must be quick and must not call the store;
        its exceptions are logged. It gets the events of operations through this store object.
        Raises `TypeError`.
        """
        raise _refusal(self, "subscribe")

    def for_principal(self, principal: str, /) -> AtomicSessionStore:
        """Return a view of the sessions of one principal; closing it closes nothing.

        Every operation also checks, in the same step, that the session belongs to the principal;
        if not, it raises `SessionNotFound`. A session created through the view belongs to it, and
        none can be given away. `docs/guarantees.md` lists what a view can learn of others: that an
        id is taken (`create_session` and `put_session` raise `SessionExists`), that the store is
        full (`LimitExceeded.current` is None then), and how busy it is (revisions, cursors).
        Operations on the whole store raise `NotImplementedError`: `archive_session`,
        `expire_sessions`, `purge_sessions`, `statistics`, `subscribe`.

        Raises `TypeError`, `ValueError`.
        """
        raise _refusal(self, "for_principal")


def _refusal(store: AtomicSessionStore, method: str) -> NotImplementedError:
    return NotImplementedError(f"{type(store).__name__} has no {method}")
