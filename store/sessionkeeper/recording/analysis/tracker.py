"""Follows a log live: which calls are new, and which have changed."""

from __future__ import annotations

from collections.abc import Callable

from ...values.message import Frame
from .call import Call
from .pairing import MAX_OPEN, Pairing, PairingOddity

__all__ = ["CallTracker"]


class CallTracker:
    """The calls of one session, from its frames in order, as `watch_frames` yields them.

    At most `max_open` calls without an answer are kept; if there are more, the oldest is given up
    as `unknown`. `on_oddity` is called with each `PairingOddity`.
    """

    def __init__(
        self,
        session_id: str,
        *,
        max_open: int = MAX_OPEN,
        on_oddity: Callable[[PairingOddity], object] | None = None,
    ) -> None:
        self.session_id = session_id
        self._pairing = Pairing(session_id, max_open=max_open, on_oddity=on_oddity)

    def feed(self, frame: Frame, /) -> list[Call]:
        """Take the next frame; return the calls that are new or have changed, as they are now.

        A call is the one that was returned before with the same `request_seq` and `request_id`.
        A cancelled one may change again: when it is answered nevertheless.
        """
        return [call.snapshot(self.session_id) for call in self._pairing.feed(frame)]

    def open(self) -> list[Call]:
        """Return the calls that are neither answered nor cancelled, in order of their requests."""
        return [call.snapshot(self.session_id) for call in self._pairing.open_calls()]

    def finish(self) -> list[Call]:
        """Return the calls that have no answer when the session has ended, and forget them.

        They are `unanswered`, `unknown` or `cancelled`, in order of their requests.
        """
        left = self._pairing.finish(ended=True)
        return [call.snapshot(self.session_id) for call in left]
