"""What all operations of one store share: its keys, its limits, who hears of what happened."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from math import ceil

from ...interface.listeners import Listeners
from ...interface.wakeups import Wakeups
from ...values.clock import Clock
from ...values.errors import InvalidSessionId
from ...values.events import SessionEvent, SessionEventKind
from ...values.ids import encoded_id, is_session_id
from ...values.limits import FramesFull, StoreLimits
from ...values.session import Session
from ...values.states import SessionState
from .client.call import Word
from .keys import Bucket, Keys
from .predictions import Predictions

__all__ = ["PlanContext"]


@dataclass(slots=True)
class PlanContext:
    """Made once a store; the owner alone works in it."""

    keys: Keys
    limits: StoreLimits
    clock: Clock | None
    """A test's; otherwise the server's is used, which all processes share."""
    wakeups: Wakeups
    listeners: Listeners
    ttl: int | None = None
    """Milliseconds after which the server frees a session nobody writes to; None for never."""
    predictions: Predictions = field(default_factory=Predictions)
    applying: bool = False
    """Whether a caller's own code runs as the owner now."""
    bounds: tuple[Word, ...] = field(init=False)
    """The words by which `log.lua` knows what no log of this store takes."""

    def __post_init__(self) -> None:
        limits = self.limits
        self.bounds = (
            limits.max_frames_per_session,
            limits.max_session_bytes,
            self.share(limits.max_total_bytes),
            "1" if limits.frames_full is FramesFull.DROP_OLDEST else "",
        )

    def place(self, session_id: str) -> tuple[Bucket, str]:
        """Return the bucket of a session and its id as keys have it. Raises `InvalidSessionId`."""
        if not is_session_id(session_id):
            raise InvalidSessionId
        return self.keys.bucket_of(session_id), encoded_id(session_id)

    @property
    def now(self) -> str:
        """What scripts are told of the time: nothing, or both clocks in microseconds."""
        clock = self.clock
        if clock is None:
            return ""
        return f"{round(clock.wall() * 1e6)}:{round(clock.steady() * 1e6)}"

    def share(self, maximum: int) -> int:
        """Return a bucket's share of a limit of the whole store."""
        return ceil(maximum / len(self.keys.buckets))

    @contextmanager
    def owner(self) -> Generator[None]:
        """Let a caller's own code run as the owner, which then cannot be asked."""
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
        """Tell the listeners of this process what one of its callers brought about."""
        if self.listeners:
            with self.owner():
                self.listeners.tell(SessionEvent(kind, session, before), context)
