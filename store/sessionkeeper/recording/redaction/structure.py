"""Where the values of JSON text are, without recursion: any depth, linear in the bytes.

Text that is no JSON is walked as far as it looks like it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["ANY", "Location", "Place", "format_path", "locate", "path_of", "walk"]

Location: TypeAlias = tuple[str | int, ...]
"""The names and indices that lead to a value."""
ANY = -1
"""Stands for every index at this place."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[{}\[\]:,]|[^\s{}\[\]:,"]++', re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Place(NamedTuple):
    """A value or a name, from `start` to `end`.

    An object or array comes twice: its opening bracket alone, and at its end as a whole.
    """

    start: int
    end: int
    is_name: bool
    depth: int
    """Of its location, which is the first `depth` of the walk's `keys`."""
    opens: bool = False


def walk(message: bytes, keys: list[str | int]) -> Iterator[Place]:
    """Yield the places in order; `keys` always leads to the current one."""
    starts: list[int] = []
    objects: list[bool] = []
    expects_name = False
    for token in _TOKEN.finditer(message):
        start, end = token.span()
        first = message[start]
        if first in b"{[":
            yield Place(start, end, False, len(keys), opens=True)
            starts.append(start)
            objects.append(first == 0x7B)
            keys.append("" if first == 0x7B else 0)
            expects_name = first == 0x7B
        elif first in b"}]":
            if starts:
                keys.pop()
                objects.pop()
                yield Place(starts.pop(), end, False, len(keys))
            expects_name = False
        elif first == 0x2C:
            if objects and objects[-1]:
                expects_name = True
            elif keys and isinstance(keys[-1], int):
                keys[-1] += 1
        elif first == 0x3A:
            expects_name = False
        else:
            if expects_name and first == 0x22:
                keys[-1] = _read(message[start:end])
            yield Place(start, end, expects_name, len(keys))


def locate(message: bytes, wanted: Collection[Location]) -> Iterator[tuple[int, int]]:
    """Yield where the values at these locations start and end; at each use of a repeated name."""
    depths = {len(each) for each in wanted}
    keys: list[str | int] = []
    for place in walk(message, keys):
        if place.is_name or place.opens or place.depth not in depths:
            continue
        location = tuple(keys[: place.depth])
        if location in wanted or (_is_index(location) and (ANY, *location[1:]) in wanted):
            yield place.start, place.end


def path_of(message: bytes, positions: Sequence[int]) -> list[str | None]:
    """Return the path of the value or name at each of these ascending positions; None outside."""
    found: list[str | None] = []
    keys: list[str | int] = []
    for place in walk(message, keys):
        while len(found) < len(positions) and positions[len(found)] < place.end:
            inside = place.start <= positions[len(found)]
            found.append(format_path(keys[: place.depth]) if inside else None)
        if len(found) == len(positions):
            break
    return found + [None] * (len(positions) - len(found))


def format_path(location: Sequence[str | int]) -> str:
    """Write a location as a path. Source: RFC 9535, section 2.7, with short names after a dot."""
    parts = ["$"]
    for key in location:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif _PLAIN_NAME.match(key):
            parts.append(f".{key}")
        else:
            quoted = json.dumps(key, ensure_ascii=False)[1:-1].replace('\\"', '"')
            parts.append("['" + quoted.replace("'", "\\'") + "']")
    return "".join(parts)


def _is_index(location: Location) -> bool:
    return bool(location) and isinstance(location[0], int)


def _read(name: bytes) -> str:
    if b"\\" in name:
        try:
            return str(json.loads(name.decode(errors="replace")))
        except ValueError:
            pass
    return name[1:-1].decode(errors="replace")
