"""Finds what looks like a secret and was not taken out."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...values.lease import REDACTION_KEY
from ...values.oddities import GAP
from .redactor import find_spans
from .rules import read_rules
from .span import merge, replace
from .structure import path_of

if TYPE_CHECKING:
    from ...values.message import Frame
    from ...values.session import Session

__all__ = ["Finding", "find_in_frame", "find_in_session", "find_secrets"]

_PRESETS = ("tokens", "keys", "passwords")
_RULES = read_rules(_PRESETS)
_BY_PRESET = {preset: read_rules((preset,)) for preset in _PRESETS}
_KINDS = {form.kind: preset for preset, rules in _BY_PRESET.items() for form in rules.forms}


class Finding(NamedTuple):
    """What looks like a secret; it never holds the secret itself."""

    kind: str
    path: str | None
    """The member that holds it, as `$.params.arguments.key`; None if the bytes are no JSON."""
    position: int
    """Bytes of the message before it."""
    rule: str
    """The preset that takes it out."""


def find_secrets(message: bytes) -> list[Finding]:
    """Return what looks like a secret in a message, in order. O(bytes)."""
    spans = merge(find_spans(message, _RULES))
    if not spans:
        return []
    starts = [span.start for span in spans]
    is_json = message.lstrip()[:1] in (b"{", b"[")
    paths = path_of(message, starts) if is_json else [None] * len(starts)
    return [
        Finding(span.kind, path and _without_secrets(path), span.start, _rule(span.kind))
        for span, path in zip(spans, paths, strict=True)
    ]


def _rule(kind: str) -> str:
    return _KINDS.get(kind, "passwords")


def find_in_frame(frame: Frame, deliveries: set[object]) -> list[Finding]:
    """Return what looks like a secret in a frame, with the ends of a line that was too large.

    The delivery is looked at, too, unless it is one of `deliveries`, which it joins.
    """
    envelope = frame.envelope
    found = find_secrets(envelope.message)
    if envelope.media_type == GAP:
        found += _find_in_gap(envelope.message)
    delivery = envelope.context.delivery
    if delivery is not None and delivery not in deliveries:
        deliveries.add(delivery)
        found += _below("delivery", find_secrets(delivery.model_dump_json().encode()))
    return found


def find_in_session(session: Session) -> list[Finding]:
    """Return what looks like a secret in the fields of a session, but for id and manifest."""
    fields = session.model_dump(mode="json", exclude={"id"})
    fields["metadata"].pop(REDACTION_KEY, None)
    return find_secrets(msgspec.json.encode(fields))


class _Gap(msgspec.Struct):
    first: str = ""
    last: str = ""


def _find_in_gap(message: bytes) -> list[Finding]:
    try:
        gap = msgspec.json.decode(message, type=_Gap)
        ends = {"first": b64decode(gap.first), "last": b64decode(gap.last)}
    except (msgspec.MsgspecError, ValueError):
        return []
    return [each for name, end in ends.items() for each in _below(name, find_secrets(end))]


def _below(name: str, found: list[Finding]) -> list[Finding]:
    return [each._replace(path=f"$.{name}{(each.path or '$')[1:]}") for each in found]


def _without_secrets(path: str) -> str:
    """Return the path with secrets in its names replaced."""
    encoded = path.encode("utf-8", "replace")
    spans = merge(find_spans(encoded, _RULES))
    return replace(encoded, spans).decode() if spans else path
