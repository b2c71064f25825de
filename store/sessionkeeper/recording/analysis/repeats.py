"""Finds the same request sent again and again: the same method and parameters, several in a row."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

import msgspec

from ...values.jsonrpc import RpcHead
from .pairing import OpenCall

__all__ = ["IN_A_ROW", "Repeats", "Row", "digest_params"]

IN_A_ROW = 3
"""Number of equal requests in a row that is a problem."""

_METHODS = frozenset({"tools/call", "prompts/get", "resources/read", "completion/complete"})
"""Requests that a model or a person asks for; a client repeats others by itself."""
_META = "_meta"


@dataclass(slots=True)
class Row:
    """Equal requests that follow each other."""

    first: OpenCall
    last: OpenCall
    digest: bytes
    count: int = 1


class Repeats:
    """Follows one direction of a session. Requests of other methods do not break a row."""

    def __init__(self) -> None:
        self._row: Row | None = None

    def add(self, call: OpenCall, head: RpcHead | None) -> Row | None:
        """Take the next request; return the row that it broke, if that was long enough."""
        if call.method not in _METHODS:
            return None
        params = b"" if head is None or head.params is msgspec.UNSET else head.params
        digest = digest_params(call.method, params)
        row = self._row
        if row is not None and row.digest == digest:
            row.count += 1
            row.last = call
            return None
        self._row = Row(call, call, digest)
        return row if row is not None and row.count >= IN_A_ROW else None

    def finish(self) -> Row | None:
        """Return the last row, if it is long enough."""
        row = self._row
        return row if row is not None and row.count >= IN_A_ROW else None


def digest_params(method: str, params: bytes | msgspec.Raw) -> bytes:
    """Return the same bytes for equal parameters, however they are written, without `_meta`.

    Absent parameters equal empty ones.
    """
    raw = bytes(params) or b"{}"
    try:
        read: object = msgspec.json.decode(raw)
        if isinstance(read, dict):
            members = cast("dict[str, object]", read)
            members.pop(_META, None)
            read = {name: held for name, held in members.items() if name != "arguments" or held}
        raw = msgspec.json.encode(read, order="sorted")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # as it was written: it still equals itself
    return blake2b(raw, digest_size=16, key=method.encode()[:64]).digest()
