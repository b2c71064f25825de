"""How deep JSON nests, counted before anything is parsed, in linear time."""

from __future__ import annotations

from itertools import accumulate
from operator import add

from .json_outline import drop_all_but, outside_strings

__all__ = ["MAX_DEPTH", "nests_deeper"]

MAX_DEPTH = 128
"""No message nests deeper, whatever a store's limits say."""

_SHALLOW = 8
_all_but_brackets = drop_all_but(b"[]{}")
_one_if_open = bytes.maketrans(b"[{]}", b"\1\1\0\0")
_changes = tuple(2 * byte.bit_count() - 8 for byte in range(256))
_peaks = tuple(
    max(0, *accumulate(1 if byte >> bit & 1 else -1 for bit in range(8))) for byte in range(256)
)


def nests_deeper(message: bytes, than: int) -> bool:
    """Tell whether a message nests deeper than `than` levels; O(bytes).

    An unterminated string extends to the end. For bytes that are not JSON, either answer is
    possible.
    """
    # The number of brackets bounds the depth: for nearly every message this is enough.
    return message.count(b"{") + message.count(b"[") > than and _depth_exceeds(message, than)


def _depth_exceeds(message: bytes, than: int) -> bool:
    brackets = rest = _brackets(message)
    for _ in range(min(than, _SHALLOW)):
        rest = rest.replace(b"\1\0", b"")  # peels the innermost level
        if not rest:
            return False
    return _depth(brackets) > than


def _brackets(message: bytes) -> bytes:
    """Return the brackets outside of strings, opening ones as 1 and closing ones as 0."""
    return outside_strings(message, _all_but_brackets).translate(_one_if_open)


def _depth(brackets: bytes) -> int:
    """Return the largest number of brackets that are open at once."""
    # Eight brackets become one byte, so that what is done in Python is done an eighth as often.
    brackets += bytes(-len(brackets) % 8)
    packed = 0
    for bit in range(8):
        packed |= int.from_bytes(brackets[bit::8], "little") << bit
    eights = packed.to_bytes(len(brackets) // 8, "little")
    before = accumulate(map(_changes.__getitem__, eights), initial=0)
    return max(map(add, before, map(_peaks.__getitem__, eights)), default=0)
