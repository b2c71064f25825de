"""Writes what the page is told as JSON, whatever text it contains."""

from __future__ import annotations

import json

import msgspec

__all__ = ["as_json"]


def as_json(data: object) -> bytes:
    r"""Return data as compact JSON in UTF-8.

    JSON may name half of a pair of surrogates, as `\ud800`, which UTF-8 cannot write: it stays an
    escape, also in what was read from it. O(data).
    """
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(data), separators=(",", ":")).encode()
