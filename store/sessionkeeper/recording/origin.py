"""What a proxy knows of the messages that it saw besides their bytes, direction and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..values.delivery import Delivery

__all__ = ["DEFAULT_ORIGIN", "Origin"]


class Origin(NamedTuple):
    """The place that messages were read from. Lines that were read at once share theirs."""

    delivery: Delivery | None = None
    """The context of each; None: that of the whole session, which the recorder knows."""
    stream: str | None = None
    """The stream of the session's log that they belong to: 1 to 255 bytes of UTF-8."""
    ended: bool = True
    """Whether each had its end; false for what follows the last newline of a stream."""
    media_type: str | None = None
    """That of an opaque payload, which nobody parses; None for JSON-RPC messages."""
    oddity: str | None = None
    """Why the bytes are no message, if the proxy knows it already: 1 to 255 characters."""

    @property
    def is_message(self) -> bool:
        """Whether the bytes should be JSON-RPC messages."""
        return self.media_type is None and self.oddity is None


DEFAULT_ORIGIN = Origin()
