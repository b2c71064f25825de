"""The fields of a session that are stored but never queried, as readable JSON."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from ..values.frozen import FrozenDict, FrozenList
from ..values.session import Session
from ..values.states import TransportType
from ..values.version import VersionState

__all__ = [
    "decode_fields",
    "dump_fields",
    "dump_metadata",
    "encode_fields",
    "read_fields",
    "to_json",
]

_BLANK: dict[str, Any] = dict.fromkeys(Session.model_fields)
_CACHED = 2048  # maximum length of a cached text, so that the cache stays small


def dump_fields(session: Session) -> dict[str, Any]:
    """Return the small fields that are set, except id, state and principal."""
    fields: dict[str, Any] = {"transport_type": session.transport_type}
    for name in ("failure", "upstream_session_id"):
        value = getattr(session, name)
        if value is not None:
            fields[name] = value
    version = session.version_state
    if version.requested or version.negotiated or version.transport:
        fields["version_state"] = (version.requested, version.negotiated, version.transport)
    if session.tags:
        fields["tags"] = sorted(session.tags)
    return fields


def dump_metadata(session: Session) -> dict[str, Any]:
    """Return the fields that the limit on metadata counts, if they are set."""
    held: dict[str, Any] = {}
    for name in ("client_info", "server_info"):
        value = getattr(session, name)
        if value is not None:
            held[name] = value
    if session.metadata:
        held["metadata"] = session.metadata
    return held


def to_json(value: object) -> bytes:
    """Write JSON, with frozen values as plain dicts and lists."""
    return msgspec.json.encode(value, enc_hook=_thaw)


def read_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Make all fields of a session from those that were set; the store's fields are None."""
    client, server = fields.get("client_info"), fields.get("server_info")
    requested, negotiated, transport = fields.get("version_state", (None, None, None))
    # In the order of the model's own fields: so a session is written out the same everywhere.
    return _BLANK | {
        "transport_type": TransportType(fields["transport_type"]),
        "failure": fields.get("failure"),
        "client_info": None if client is None else FrozenDict(client),
        "server_info": None if server is None else FrozenDict(server),
        "version_state": VersionState.trusted(
            {"requested": requested, "negotiated": negotiated, "transport": transport}
        ),
        "tags": frozenset(fields.get("tags", ())),
        "metadata": FrozenDict(fields.get("metadata", {})),
        "upstream_session_id": fields.get("upstream_session_id"),
    }


def encode_fields(session: Session) -> str:
    """Write all that is not a column of its own as one text."""
    return to_json(dump_fields(session) | dump_metadata(session)).decode()


def decode_fields(text: str) -> dict[str, Any]:
    """Read what `encode_fields` wrote, as `read_fields`; the caller may change the dict.

    Raises one of `column_values.UNREADABLE` for a text that is damaged.
    """
    return (_decode_small if len(text) <= _CACHED else _decode)(text).copy()


def _decode(text: str) -> dict[str, Any]:
    return read_fields(msgspec.json.decode(text))


# Cached by the text alone, so it never hides what another process writes.
_decode_small = lru_cache(maxsize=1024)(_decode)


def _thaw(value: object) -> object:
    if isinstance(value, FrozenDict):
        return dict(value)
    if isinstance(value, FrozenList):
        return list(value)
    raise TypeError(type(value).__name__)
