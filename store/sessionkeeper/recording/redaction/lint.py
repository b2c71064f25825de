"""Finds what looks like a secret and was not taken out."""

from __future__ import annotations

from typing import NamedTuple

from .redactor import find_spans
from .rules import read_rules
from .span import merge, replace
from .structure import path_of

__all__ = ["Finding", "find_secrets"]

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


def _without_secrets(path: str) -> str:
    """Return the path with secrets in its names replaced."""
    encoded = path.encode("utf-8", "replace")
    spans = merge(find_spans(encoded, _RULES))
    return replace(encoded, spans).decode() if spans else path
