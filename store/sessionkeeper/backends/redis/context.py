"""What all plans of one store share: keys, limits, wake-ups, listeners and predictions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from math import ceil

from ...interface.listeners import Listeners
from ...interface.wakeups import StoreWakeups
from ...values.clock import Clock, micros
from ...values.errors import InvalidSessionId, StoreUnavailable
from ...values.events import SessionEvent, SessionEventKind
from ...values.ids import encoded_id, is_session_id
from ...values.limits import FramesFull, StoreLimits
from ...values.session import Session
from ...values.states import SessionState
from .client.call import Argument
from .codec import Unreadable
from .keys import Bucket, Keys
from .predictions import Predictions

__all__ = ["PlanContext"]


@dataclass(slots=True)
class PlanContext:
    """One for each store. Only the owner uses it."""

    keys: Keys
    limits: StoreLimits
    clock: Clock | None
    """Only tests set it. Otherwise the server's clock is used, which all processes share."""
    wakeups: StoreWakeups
    listeners: Listeners
    name: str = ""
    """The server's, for errors."""
    ttl: int | None = None
    """Milliseconds from the last write to a session until the server frees it; None for never."""
    predictions: Predictions = field(default_factory=Predictions)
    has_raised_layout: bool = False
    """Whether the store has the version of those in which frames were removed."""
    applying: bool = False
    """Whether a caller's own code runs in the owner now."""
    bounds: tuple[Argument, ...] = field(init=False)
    """The limits of every log of this store, as `log.lua` reads them."""

    def __post_init__(self) -> None:
        limits = self.limits
        self.bounds = (
            limits.max_frames_per_session,
            limits.max_session_bytes,
            self.share(limits.max_total_bytes),
            "1" if limits.frames_full is FramesFull.DROP_OLDEST else "",
        )

    @property
    def session_bounds(self) -> tuple[Argument, ...]:
        """The limits of every session of this store, as `change.lua` reads them."""
        return self.limits.max_metadata_bytes, self.limits.max_tags

    def locate(self, session_id: str) -> tuple[Bucket, str]:
        """Return the bucket of a session and its id as in keys. Raises `InvalidSessionId`."""
        if not is_session_id(session_id):
            raise InvalidSessionId
        return self.keys.find_bucket(session_id), encoded_id(session_id)

    @property
    def now(self) -> str:
        """The time for scripts: both clocks in microseconds, or empty for the server's clock."""
        clock = self.clock
        if clock is None:
            return ""
        return f"{micros(clock.wall())}:{micros(clock.steady())}"

    def share(self, maximum: int) -> int:
        """Return the share of one bucket in a limit of the whole store."""
        return ceil(maximum / len(self.keys.buckets))

    def cannot_read(self, found: Unreadable) -> StoreUnavailable:
        """Return the error for what somebody else wrote; it must not end the store of all."""
        return StoreUnavailable(f"{self.name}: {found} cannot be read")

    @contextmanager
    def owner(self) -> Generator[None]:
        """Run a caller's own code in the owner. Meanwhile that code cannot use the store."""
        self.applying = True
        try:
            yield
        finally:
            self.applying = False

    def tell(
        self,
        kind: SessionEventKind,
        session: Session,
        before: SessionState | None,
        context: Context,
    ) -> None:
        """Call the listeners of this process with a change that one of its callers made."""
        if self.listeners:
            with self.owner():
                self.listeners.tell(SessionEvent(kind, session, before), context)
