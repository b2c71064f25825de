"""Takes secrets out of messages before anything is stored, and finds those that were not.

Rule: only the bytes of a secret change, time is linear in the bytes, and no error quotes them.
Read `span`, `plain_view`, `forms`, `pairs` and `names` (what is found), `structure` and `paths`
(where it is), `rules` and `redactor` (how it is taken out), then `manifest`, `command_line` and
`lint`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .command_line import redact_command
    from .lint import Finding, find_secrets
    from .manifest import REDACTION_KEY, Manifest, manifest_of
    from .redactor import Redacted, RedactionFailed, Redactor
    from .rules import PRESETS, InvalidRule

__all__ = [
    "PRESETS",
    "REDACTION_KEY",
    "Finding",
    "InvalidRule",
    "Manifest",
    "Redacted",
    "RedactionFailed",
    "Redactor",
    "find_secrets",
    "manifest_of",
    "redact_command",
]

_HOMES = {
    "PRESETS": "rules",
    "REDACTION_KEY": "manifest",
    "Finding": "lint",
    "InvalidRule": "rules",
    "Manifest": "manifest",
    "Redacted": "redactor",
    "RedactionFailed": "redactor",
    "Redactor": "redactor",
    "find_secrets": "lint",
    "manifest_of": "manifest",
    "redact_command": "command_line",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
