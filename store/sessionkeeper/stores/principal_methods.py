"""The common part of both views of a principal: every session in them belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn, Self

from ..interface.arguments import checked_session, checked_sessions, checked_text
from ..interface.atomic_store import Change
from ..values.errors import LimitExceeded
from ..values.events import Listener
from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.statistics import StoreStatistics

if TYPE_CHECKING:
    from .facade import CommandStore as Facade
else:
    Facade = object  # a mixin before a facade, whose methods `super` finds

__all__ = ["PrincipalMethods", "PrincipalScope", "hide_others", "refuse_whole"]

_OF_ONE_SESSION = frozenset(
    {
        *("max_frame_bytes", "max_frames_per_batch", "max_frames_per_session", "max_json_depth"),
        *("max_metadata_bytes", "max_pending_per_session", "max_session_bytes", "max_tags"),
        "rate_limit",
    }
)
"""The limits whose `current` is of one session or one call. All others count as shared: a third
party's store may have other limits."""


def hide_others(full: LimitExceeded) -> None:
    """Remove the total of all principals from an error."""
    if full.limit not in _OF_ONE_SESSION:
        # In place: a new error would have this one as its context.
        LimitExceeded.__init__(full, full.limit, current=None, maximum=full.maximum)


class PrincipalScope:
    """Checks that sessions belong to the principal before and after a change."""

    __slots__ = ("principal",)

    def __init__(self, principal: str) -> None:
        self.principal = checked_text("a principal", principal)

    def claim(self, session: Session) -> Session:
        """Return a new session with its principal. Raises `ValueError` for another's."""
        if session.principal is None:
            return session.model_copy(update={"principal": self.principal})
        return self.checked(session)

    def checked(self, session: Session) -> Session:
        """Return the session. Raises `ValueError` if it is another's, or nobody's."""
        if session.principal != self.principal:
            raise ValueError("a session in a principal's view belongs to that principal")
        return session

    def wrap_change(self, change: Change) -> Change:
        """Wrap a change that may not give the session away."""

        def change_within(session: Session) -> Session:
            changed = change(session)
            # The command refuses what is not a Session.
            return self.checked(changed) if isinstance(changed, Session) else changed

        return change_within

    def check_same(self, principal: str) -> None:
        """Raise `ValueError` for another principal."""
        if checked_text("a principal", principal) != self.principal:
            raise ValueError("a principal's view shows nobody else's sessions")


class PrincipalMethods(Facade):
    """The methods of a view that are the same in front of every facade."""

    _scope: PrincipalScope
    _asks_open: Callable[[], bool]

    def __repr__(self) -> str:
        # Not that of the store: the depth of its mailbox would reveal other callers.
        return f"<{type(self).__name__} {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the store accepts operations now."""
        return self._asks_open()

    async def create_session(self, session: Session, /) -> Session:
        return await super().create_session(self._scope.claim(checked_session(session)))

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        return await super().get_or_create_session(self._scope.claim(checked_session(session)))

    async def put_session(self, session: Session, /) -> Session:
        return await super().put_session(self._scope.claim(checked_session(session)))

    async def update_session(self, session: Session, /) -> Session:
        return await super().update_session(self._scope.checked(checked_session(session)))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        checked = [self._scope.checked(session) for session in checked_sessions(sessions)]
        return await super().update_sessions_batch(checked)

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        return await super().modify_session(session_id, self._scope.wrap_change(change))

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        return await super().add_frames(
            session_id,
            envelopes,
            expected_last_seq=expected_last_seq,
            change=None if change is None else self._scope.wrap_change(change),
        )

    # Methods of the whole store are refused before their arguments are checked.

    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        # A view cannot set times: they are the store's.
        refuse_whole("archive_session")

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        refuse_whole("expire_sessions")

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        refuse_whole("purge_sessions")

    async def statistics(self) -> StoreStatistics:
        refuse_whole("statistics")

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        refuse_whole("subscribe")

    def for_principal(self, principal: str, /) -> Self:
        """Return this view for its own principal. Raises `ValueError` for another."""
        self._scope.check_same(principal)
        return self


def refuse_whole(method: str) -> NoReturn:
    """Refuse a method of a view. Raises `NotImplementedError`."""
    raise NotImplementedError(f"{method} concerns the whole store")
