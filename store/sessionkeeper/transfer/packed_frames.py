"""The frames of a session that was read, in a tenth of the memory of envelopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias, overload

from ..values.message import MessageEnvelope
from ..values.message_context import MessageContext

__all__ = ["PackedFrames"]

_SHARED = 256
"""Number of different contexts that are searched for one to share."""

_Context: TypeAlias = dict[str, Any]


class PackedFrames(Sequence[MessageEnvelope]):
    """Envelopes of one session; each access makes a new one.

    An envelope of a small message takes 3.5 KB. Here a frame is its bytes, its time, and a context
    that it shares with frames that are otherwise equal.
    """

    __slots__ = ("_contexts", "_known", "_messages", "_moments")

    def __init__(self, envelopes: Iterable[MessageEnvelope] = ()) -> None:
        self._messages: list[bytes] = []
        self._moments: list[datetime] = []
        self._contexts: list[tuple[_Context, _Context]] = []
        self._known: dict[object, tuple[_Context, _Context]] = {}
        for envelope in envelopes:
            self.append(envelope)

    def append(self, envelope: MessageEnvelope) -> None:
        """Add one at the end."""
        context = envelope.context.__dict__
        rest = {name: value for name, value in envelope.__dict__.items() if name not in _OWN}
        alike = {name: value for name, value in context.items() if name != "timestamp"}
        key = (*alike.values(), *rest.values())
        shared = self._known.get(key)
        if shared is None:
            shared = (alike, rest)
            if len(self._known) < _SHARED:
                self._known[key] = shared
        self._messages.append(envelope.message)
        self._moments.append(context["timestamp"])
        self._contexts.append(shared)

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> MessageEnvelope: ...
    @overload
    def __getitem__(self, index: slice) -> list[MessageEnvelope]: ...
    def __getitem__(self, index: int | slice) -> MessageEnvelope | list[MessageEnvelope]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        context, rest = self._contexts[index]
        fields = {**context, "timestamp": self._moments[index]}
        return MessageEnvelope.trusted(
            {"message": self._messages[index], "context": MessageContext.trusted(fields), **rest}
        )


_OWN = frozenset({"message", "context"})
