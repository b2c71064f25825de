r"""A view of a message in which letters are written as themselves, and where they come from.

JSON may write `A` as `\u0041`, `/` as `\/` and, inside of a string with JSON text, `"` as `\u0022`
in place of `\"`. The view undoes this at every level at once, without parsing: a run of backslashes
says by its length at which level an escape is read. All other bytes are the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Self

__all__ = ["PlainView"]

_ROUNDS = 4
_ESCAPE = re.compile(rb"(?<!\\)(\\++)(?:u00([2-7][0-9a-fA-F])|/)")


class PlainView:
    """The `text` to search, and the way back from its positions to those of the message."""

    def __init__(
        self, text: bytes, pieces: list[tuple[int, int, int, int]], before: PlainView | None
    ) -> None:
        self.text = text
        self._before = before
        """The view of the message that was searched for escapes, if it was not the message."""
        self._pieces = pieces
        """Start and end in the text, start and end in the message: of each escape."""
        self._starts = [piece[0] for piece in self._pieces]

    @classmethod
    def of(cls, message: bytes) -> Self:
        """Return the view of a message; its text is the message itself if nothing is escaped."""
        view = cls(message, [], None)
        # An escape may be written with escapes: a `u` as `\\u0075`.
        for _ in range(_ROUNDS):
            if b"\\u00" not in view.text and b"\\/" not in view.text:
                break
            view = cls._of(view.text, view)
        return view

    @classmethod
    def _of(cls, message: bytes, before: PlainView) -> Self:
        parts: list[bytes] = []
        pieces: list[tuple[int, int, int, int]] = []
        at = length = 0
        for escape in _ESCAPE.finditer(message):
            run, code = len(escape[1]), escape[2]
            own = run & -run  # the backslashes of this escape; those before it are escaped ones
            plain = b"/" if code is None else bytes((int(code, 16),))
            if plain == b'"':
                plain = b"\\" * (2 * own - 1) + plain
            elif plain == b"\\":
                plain *= 2 * own
            start = escape.start() + run - own
            parts += (message[at:start], plain)
            length += start - at
            pieces.append((length, length + len(plain), start, escape.end()))
            length += len(plain)
            at = escape.end()
        parts.append(message[at:])
        return cls(b"".join(parts), pieces, before)

    def start(self, position: int) -> int:
        """Return where a span of the message begins that begins here in the text."""
        return self._find(position, 2)

    def end(self, position: int) -> int:
        """Return where a span of the message ends that ends here in the text."""
        return self._find(position, 3)

    def _find(self, position: int, inside: int) -> int:
        found = bisect_right(self._starts, position) - 1
        if found >= 0:
            piece = self._pieces[found]
            if position == piece[0]:
                position = piece[2]
            elif position < piece[1]:
                position = piece[inside]
            else:
                position += piece[3] - piece[1]
        return position if self._before is None else self._before._find(position, inside)
