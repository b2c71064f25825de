"""The numbers of a store, kept where its state is: what they count cannot happen without them."""

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
    """What is counted of a session."""

    @property
    def state(self) -> SessionState:
        """Where it is in its life."""
        ...

    @property
    def principal(self) -> str | None:
        """Whose it is."""
        ...


class CounterValues(msgspec.Struct, array_like=True, gc=False):
    """The counters to be written down: all but the sessions of each principal."""

    revision: int = 0
    created: int = 0
    gone: dict[SessionEventKind, int] = {}
    ended: dict[SessionState, int] = {}
    states: dict[SessionState, int] = {}
    added: int = 0
    removed: int = 0
    dropped: int = 0
    bytes: int = 0


class StoreCounters:
    """Only the rules change it, as the owner, in the step that changes what is counted.

    How many sessions and frames there are is what came less what went, so the numbers add up at
    every moment.
    """

    __slots__ = (
        "_added",
        "_created",
        "_dropped",
        "_ended",
        "_gone",
        "_principals",
        "_removed",
        "_revision",
        "_states",
        "bytes",
    )

    def __init__(self, principals: MutableMapping[str, int] | None = None) -> None:
        self._revision = 0
        self._created = 0
        self._gone: Counter[SessionEventKind] = Counter()
        self._ended: Counter[SessionState] = Counter()
        self._states: Counter[SessionState] = Counter()
        self._principals: MutableMapping[str, int] = {} if principals is None else principals
        self._added = self._removed = self._dropped = 0
        self.bytes = 0
        """Bytes of all messages held."""

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return self._created - self._gone.total()

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return sum(count for state, count in self._states.items() if state.is_terminal)

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self._added - self._removed - self._dropped

    def sessions_of(self, principal: str) -> int:
        """How many sessions belong to a principal."""
        return self._principals.get(principal, 0)

    def by_state(self) -> dict[SessionState, int]:
        """All six states, zeros included."""
        return {state: self._states[state] for state in SessionState}

    def next_revision(self) -> int:
        """Advance the store's one counter of revisions; deleting does not count back."""
        self._revision += 1
        return self._revision

    def session_added(self, session: CountedSession) -> None:
        """Note a new session."""
        self._created += 1
        self._enter(session)

    def session_changed(self, before: CountedSession, after: CountedSession) -> None:
        """Note that a session is another one now."""
        if before.state is not after.state or before.principal != after.principal:
            self._leave(before)
            self._enter(after, stayed=before.state is after.state)

    def session_removed(
        self, session: CountedSession, kind: SessionEventKind, frames: int, size: int
    ) -> None:
        """Note that a session is gone, with so many frames of so many bytes."""
        self._gone[kind] += 1
        self._leave(session)
        self.frames_removed(frames, size)

    def frames_added(self, frames: int, size: int) -> None:
        """Note appended frames of `size` bytes together."""
        self._added += frames
        self.bytes += size

    def frames_removed(self, frames: int, size: int) -> None:
        """Note frames somebody removed."""
        self._removed += frames
        self.bytes -= size

    def frames_dropped(self, frames: int, size: int) -> None:
        """Note frames that made room for newer ones."""
        self._dropped += frames
        self.bytes -= size

    def counters(self) -> Counters:
        """What was counted since the store began."""
        return Counters(
            created=self._created,
            deleted=self._gone[SessionEventKind.DELETED],
            purged=self._gone[SessionEventKind.PURGED],
            evicted=self._gone[SessionEventKind.EVICTED],
            ended={state: self._ended[state] for state in SessionState if state.is_terminal},
            frames_added=self._added,
            frames_removed=self._removed,
            frames_dropped=self._dropped,
        )

    def numbers(self) -> CounterValues:
        """All but the sessions of each principal."""
        return CounterValues(
            self._revision,
            self._created,
            self._gone,
            self._ended,
            self._states,
            self._added,
            self._removed,
            self._dropped,
            self.bytes,
        )

    def restore(self, numbers: CounterValues) -> None:
        """Go on from what was written down."""
        self._revision, self._created = numbers.revision, numbers.created
        self._gone = Counter(numbers.gone)
        self._ended, self._states = Counter(numbers.ended), Counter(numbers.states)
        self._added, self._removed = numbers.added, numbers.removed
        self._dropped, self.bytes = numbers.dropped, numbers.bytes

    def _enter(self, session: CountedSession, *, stayed: bool = False) -> None:
        self._states[session.state] += 1
        if session.state.is_terminal and not stayed:
            self._ended[session.state] += 1
        if session.principal is not None:
            self._principals[session.principal] = self._principals.get(session.principal, 0) + 1

    def _leave(self, session: CountedSession) -> None:
        self._states[session.state] -= 1
        if session.principal is not None:
            left = self._principals[session.principal] - 1
            if left:
                self._principals[session.principal] = left
            else:
                del self._principals[session.principal]
