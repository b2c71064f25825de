"""JSON paths whose values are taken out. Source: RFC 9535. Needs the extra `redact`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from ...values.json_depth import MAX_DEPTH, nests_deeper
from .span import MARK, Span
from .structure import locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jsonpath_rfc9535 import JSONPathQuery, JSONValue

    from .structure import Location

__all__ = ["PathMissing", "TooDeep", "WrongPath", "find_paths", "parse_path"]

_KIND = "path"
_MARKED = (MARK, b"]")


class WrongPath(ValueError):
    """The text is no JSON path."""


class PathMissing(ValueError):
    """The library for JSON paths is not installed."""


class TooDeep(ValueError):
    """The message nests deeper than any JSON-RPC message that a store takes."""


def parse_path(text: str) -> JSONPathQuery:
    """Read a JSON path. Raises `WrongPath`, or `PathMissing`."""
    try:
        from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError
    except ModuleNotFoundError:
        raise PathMissing from None

    class _Environment(JSONPathEnvironment):
        max_recursion_depth = MAX_DEPTH + 1

    try:
        return _Environment().compile(text)
    except (JSONPathError, RecursionError) as error:
        # Some versions draw the place in lines of their own.
        raise WrongPath(str(error).strip().partition("\n")[0] or type(error).__name__) from None


def find_paths(message: bytes, paths: Sequence[JSONPathQuery]) -> Iterator[Span]:
    """Yield the values at these paths, in each message of a batch; nothing if it is no JSON.

    If a name is used twice in an object, the path is followed in the last, and the values of all
    that have its location are yielded. O(bytes) for a path without a filter. Raises `TooDeep`.
    """
    if nests_deeper(message, MAX_DEPTH):
        raise TooDeep
    try:
        value = cast("JSONValue", json.loads(message.decode("utf-8-sig", errors="replace")))
    except ValueError:
        return
    wanted = set(_locations(value, paths))
    for start, end in locate(message, wanted) if wanted else ():
        if message[start : start + 1] != b'"':
            yield Span(start, end, _KIND, b'"')
        elif not (message.startswith(MARK, start + 1) and message[end - 2 : end] == b']"'):
            yield Span(start + 1, end - 1, _KIND)


def _locations(value: JSONValue, paths: Sequence[JSONPathQuery]) -> Iterator[Location]:
    messages = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
    for path in paths:
        for number, each in messages:
            before: Location = () if number is None else (number,)
            for node in path.finditer(each):
                yield (*before, *node.location)
