"""An event of ADK as the bytes of a frame, and what it changes in each scope."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.adk.errors.input_validation_error import InputValidationError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.state import State
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json

from sessionkeeper import Frame, FrozenDict, MessageEnvelope

from .places import Scope, checked_text

__all__ = ["Deltas", "WrittenEvent", "read_event", "read_state", "write_event"]

Deltas = Mapping[Scope, FrozenDict]
"""The keys that change in each scope, without its prefix."""

_PREFIXES = {Scope.APP: State.APP_PREFIX, Scope.USER: State.USER_PREFIX}
_MEDIA_TYPE = "application/vnd.google-adk.event+json"
_MOST_LEVELS = 95
"""Of state: a document nests at most 100, and has up to five around it."""

_NOTHING = FrozenDict()


@dataclass(frozen=True, slots=True)
class WrittenEvent:
    """An event ready to be stored."""

    payload: bytes
    deltas: Deltas
    at: float
    author: str

    def envelope(self, record_id: str, stream: str | None) -> MessageEnvelope:
        """Return the frame for the log of a record, or for a stream of it."""
        direction = "client-to-server" if self.author == "user" else "server-to-client"
        return MessageEnvelope.of_payload(
            record_id, self.payload, media_type=_MEDIA_TYPE, direction=direction, stream=stream
        )


def write_event(event: Event) -> WrittenEvent:
    """Write an event, without its keys of `temp:`; the event stays as it is.

    Values that are no JSON become what ADK's own services make of them. Raises ADK's
    `InputValidationError` for what cannot be stored, without showing it.
    """
    actions = event.actions
    lasting = {k: v for k, v in actions.state_delta.items() if not k.startswith(State.TEMP_PREFIX)}
    if len(lasting) < len(actions.state_delta):
        actions = actions.model_copy(update={"state_delta": lasting})
        event = event.model_copy(update={"actions": actions})
    for key in lasting:
        checked_text("a key of the state", key)  # pydantic would store another key
    if not math.isfinite(event.timestamp):
        raise InputValidationError("the timestamp of an event is a finite number")
    try:
        text = event.model_dump_json(exclude_none=True).encode()
    except (PydanticSerializationError, UnicodeEncodeError, RecursionError):
        raise InputValidationError("an event that cannot be written as JSON") from None
    try:
        # What is written can be too deep, or have an integer too long, for whoever reads it: then
        # one event would make its session unreadable.
        written = from_json(text)
    except ValueError:
        raise InputValidationError("an event too deep, or with too long an integer") from None
    # What is stored as state is what the stored event says.
    delta: dict[str, Any] = written["actions"]["state_delta"] if lasting else {}
    return WrittenEvent(text, _split(delta), event.timestamp, event.author)


def read_event(frame: Frame) -> Event:
    """Read the event of a frame. Raises `ValueError` for a frame that is none."""
    if frame.envelope.media_type != _MEDIA_TYPE:
        raise ValueError(f"frame {frame.seq} is no event of ADK")
    try:
        return Event.model_validate_json(frame.envelope.message)
    except ValidationError:
        raise ValueError(f"frame {frame.seq} is no event of ADK") from None


def read_state(state: Mapping[str, Any]) -> Deltas:
    """Return the state of a new session by scope; keys of `temp:` are left out.

    Values that are no JSON become what they are in an event. Raises `InputValidationError`.
    """
    return write_event(Event(actions=EventActions(state_delta=dict(state)))).deltas


def _split(state: Mapping[str, Any]) -> Deltas:
    parts: dict[Scope, dict[str, Any]] = {scope: {} for scope in Scope}
    for key, value in state.items():
        for scope, prefix in _PREFIXES.items():
            if key.startswith(prefix):
                parts[scope][key.removeprefix(prefix)] = value
                break
        else:
            if not key.startswith(State.TEMP_PREFIX):
                parts[Scope.SESSION][key] = value
    return {scope: _frozen(part) for scope, part in parts.items()}


def _frozen(part: dict[str, Any]) -> FrozenDict:
    if not part:
        return _NOTHING
    try:
        frozen = FrozenDict(part)
    except (TypeError, ValueError) as error:
        raise InputValidationError(f"state that cannot be kept: {error}") from None
    if frozen.levels > _MOST_LEVELS:  # checked here, and not in the owner
        raise InputValidationError(f"state that is nested deeper than {_MOST_LEVELS}")
    return frozen
