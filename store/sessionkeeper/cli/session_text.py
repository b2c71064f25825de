"""What a reader is told of a session: who spoke with whom, how it ended, how long it took."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import cast

from ..leases import RecorderState, recorder_state
from ..recording.analysis.parties import (
    SERVER_KEY,
    client_name,
    client_version,
    server_name,
    server_url,
    server_version,
)
from ..recording.redaction.manifest import manifest_of
from ..values.errors import short_id
from ..values.session import Session
from ..values.states import SessionState

__all__ = [
    "OWN_KEYS",
    "describe_client",
    "describe_endpoint",
    "describe_odd_frames",
    "describe_redaction",
    "describe_server",
    "describe_state",
    "name_of",
    "session_fields",
    "show_command",
    "state_style",
]

OWN_KEYS = "sessionkeeper."
"""What the metadata of recorders begins with."""
_NAME_KEY = f"{OWN_KEYS}name"


def describe_client(session: Session) -> str:
    """Return the name and version of the client; nothing if it told none."""
    return _join(client_name(session), client_version(session))


def describe_server(session: Session) -> str:
    """Return the name and version of the server; without them its URL, or its program."""
    return _join(server_name(session), server_version(session))


def describe_endpoint(session: Session) -> tuple[str, str]:
    """Return `url` or `command`, and that of the server; nothing if it is not known."""
    if url := server_url(session):
        return "url", url
    return "command", shlex.join(_command(_members(session.metadata.get(SERVER_KEY))))


def name_of(session: Session) -> str:
    """Return the name that the recording was given."""
    name = session.metadata.get(_NAME_KEY)
    return name if isinstance(name, str) else ""


def describe_state(session: Session) -> str:
    """Return the state, with the failure, and with the recorder if that may be gone."""
    text = session.state.value
    if session.failure is not None:
        text = f"{text}: {session.failure}"
    recorder = recorder_state(session)
    if recorder not in (None, RecorderState.RUNNING):
        text = f"{text}, recorder {recorder}"
    return text


def state_style(session: Session) -> str:
    """Return the colour of the state."""
    if recorder_state(session) not in (None, RecorderState.RUNNING):
        return "yellow"
    if session.state in (SessionState.FAILED, SessionState.TIMED_OUT):
        return "red"
    return "" if session.state.is_terminal else "green"


def describe_odd_frames(session: Session) -> str:
    """Say how many frames are no message or stand for lines that were not kept; or nothing."""
    odd, gaps = session.odd_frames, session.gap_frames
    parts = [f"{odd:,} odd"] if odd else []
    if gaps:
        parts.append(f"{gaps:,} {'gap' if gaps == 1 else 'gaps'}")
    return ", ".join(parts)


def describe_redaction(session: Session) -> str:
    """Say what was taken out of a recording, by the manifest in it; nothing without one."""
    manifest = manifest_of(session)
    if manifest is None:
        return ""
    places = [f"{count:,} of {kind}" for kind, count in sorted(manifest.places.items())]
    taken = f"{', '.join(places)} taken out" if places else "nothing had to be taken out"
    return f"{taken}; rules: {', '.join(manifest.rules)}" if manifest.rules else taken


def session_fields(session: Session) -> dict[str, object]:
    """Return a session as JSON has it, with its status and its recorder."""
    return {
        **session.model_dump(mode="json"),
        "tags": sorted(session.tags),
        "status": session.status.value,
        "recorder": recorder_state(session),
    }


def show_command(url: str, session_id: str, seq: int) -> str:
    """Return the command that shows a message; without a URL that may hold a password."""
    is_secret = "@" in url or "password" in url
    store = "STORE" if is_secret else shlex.quote(url)
    short = short_id(session_id).removesuffix("…")
    hyphen = "-- " if short.startswith("-") else ""
    return f"sessionkeeper show {hyphen}{store} {shlex.quote(short)} {seq}"


def _join(*parts: str | None) -> str:
    return " ".join(filter(None, parts))


def _command(server: Mapping[str, object]) -> list[str]:
    return [each for each in _items(server.get("command")) if isinstance(each, str)]


def _items(value: object) -> Sequence[object]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return cast("Sequence[object]", value) if is_list else ()


def _members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
