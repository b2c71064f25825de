"""The counters of a store; every change of a session or a log changes them in the same step."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from typing import Protocol

import msgspec

from ..values.events import SessionEventKind
from ..values.states import SessionState
from ..values.statistics import Counters

__all__ = ["CountedSession", "StoreCounters", "CounterValues"]


class CountedSession(Protocol):
    """The part of a session that is counted."""

    @property
    def state(self) -> SessionState:
        """Where it is in its life."""
        ...

    @property
    def principal(self) -> str | None:
        """Whose it is."""
        ...


class CounterValues(msgspec.Struct, array_like=True, gc=False):
    """The counters that a backend stores: all but the sessions of each principal."""

    revision: int = 0
    created: int = 0
    removed_sessions: dict[SessionEventKind, int] = {}
    ended: dict[SessionState, int] = {}
    states: dict[SessionState, int] = {}
    added: int = 0
    removed: int = 0
    dropped: int = 0
    bytes: int = 0
    odd: int = 0
    gaps: int = 0
    contents_removed: int = 0


class StoreCounters:
    """Only the rules change it, as the owner, in the step that changes what is counted.

    The number of sessions is those created minus those removed, and so with frames: the counters
    add up at every moment.
    """

    __slots__ = (
        "_added",
        "_contents_removed",
        "_created",
        "_dropped",
        "_ended",
        "_gaps",
        "_odd",
        "_principals",
        "_removed",
        "_removed_sessions",
        "_revision",
        "_states",
        "bytes",
    )

    def __init__(self, principals: MutableMapping[str, int] | None = None) -> None:
        self._revision = 0
        self._created = 0
        self._removed_sessions: Counter[SessionEventKind] = Counter()
        self._ended: Counter[SessionState] = Counter()
        self._states: Counter[SessionState] = Counter()
        self._principals: MutableMapping[str, int] = {} if principals is None else principals
        self._added = self._removed = self._dropped = 0
        self._odd = self._gaps = self._contents_removed = 0
        self.bytes = 0
        """Bytes of all messages held."""

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return self._created - self._removed_sessions.total()

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return sum(count for state, count in self._states.items() if state.is_terminal)

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self._added - self._removed - self._dropped

    def count_own_sessions(self, principal: str) -> int:
        """How many sessions belong to a principal."""
        return self._principals.get(principal, 0)

    def by_state(self) -> dict[SessionState, int]:
        """All six states, zeros included."""
        return {state: self._states[state] for state in SessionState}

    def next_revision(self) -> int:
        """Advance the store's one counter of revisions, which never goes back."""
        self._revision += 1
        return self._revision

    def session_added(self, session: CountedSession) -> None:
        """Note a new session."""
        self._created += 1
        self._enter(session)

    def session_changed(self, before: CountedSession, after: CountedSession) -> None:
        """Note a changed session."""
        if before.state is not after.state or before.principal != after.principal:
            self._leave(before)
            self._enter(after, stayed=before.state is after.state)

    def session_removed(
        self, session: CountedSession, kind: SessionEventKind, frames: int, size: int
    ) -> None:
        """Note a removed session, with its number of frames and their bytes."""
        self._removed_sessions[kind] += 1
        self._leave(session)
        self.frames_removed(frames, size)

    def frames_added(self, frames: int, size: int, odd: int, gaps: int) -> None:
        """Note appended frames of `size` bytes together, with how many are odd, and are gaps."""
        self._added += frames
        self.bytes += size
        self._odd += odd
        self._gaps += gaps

    def frame_added(self, size: int) -> None:
        """Note one appended frame that is neither odd nor a gap."""
        self._added += 1
        self.bytes += size

    def frames_removed(self, frames: int, size: int) -> None:
        """Note removed frames."""
        self._removed += frames
        self.bytes -= size

    def contents_removed(self, frames: int, size: int) -> None:
        """Note frames that lost their content, and still exist."""
        self._contents_removed += frames
        self.bytes -= size

    def frames_dropped(self, frames: int, size: int) -> None:
        """Note frames that were dropped for newer ones."""
        self._dropped += frames
        self.bytes -= size

    def counters(self) -> Counters:
        """The counters since the store was made."""
        return Counters(
            created=self._created,
            deleted=self._removed_sessions[SessionEventKind.DELETED],
            purged=self._removed_sessions[SessionEventKind.PURGED],
            evicted=self._removed_sessions[SessionEventKind.EVICTED],
            ended={state: self._ended[state] for state in SessionState if state.is_terminal},
            frames_added=self._added,
            frames_removed=self._removed,
            frames_dropped=self._dropped,
            odd_frames_added=self._odd,
            gap_frames_added=self._gaps,
            contents_removed=self._contents_removed,
        )

    def values(self) -> CounterValues:
        """All counters but the sessions of each principal."""
        return CounterValues(
            self._revision,
            self._created,
            self._removed_sessions,
            self._ended,
            self._states,
            self._added,
            self._removed,
            self._dropped,
            self.bytes,
            self._odd,
            self._gaps,
            self._contents_removed,
        )

    def restore(self, values: CounterValues) -> None:
        """Go on from stored counters."""
        self._revision, self._created = values.revision, values.created
        self._removed_sessions = Counter(values.removed_sessions)
        self._ended, self._states = Counter(values.ended), Counter(values.states)
        self._added, self._removed = values.added, values.removed
        self._dropped, self.bytes = values.dropped, values.bytes
        self._odd, self._gaps = values.odd, values.gaps
        self._contents_removed = values.contents_removed

    def _enter(self, session: CountedSession, *, stayed: bool = False) -> None:
        self._states[session.state] += 1
        if session.state.is_terminal and not stayed:
            self._ended[session.state] += 1
        if session.principal is not None:
            self._count_in(session.principal)

    def _leave(self, session: CountedSession) -> None:
        self._states[session.state] -= 1
        if session.principal is not None:
            self._count_out(session.principal)

    def _count_in(self, principal: str) -> None:
        self._principals[principal] = self._principals.get(principal, 0) + 1

    def _count_out(self, principal: str) -> None:
        left = self._principals[principal] - 1
        if left:
            self._principals[principal] = left
        else:
            del self._principals[principal]
