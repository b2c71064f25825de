"""Reads key-value runs written as one EDN map a line:
`{:process 0, :type :invoke, :f :append, :key "0", :value "x"}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .operation import Header, History, Outcome
from .pairing import Pairing

__all__ = ["read_kv_maps"]

# Possessive: an unterminated text is not tried again, and no position is kept for backtracking.
_TEXT = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_LINE = re.compile(
    r"\{:process (\d+), :type :(invoke|ok|fail|info), :f :(get|put|append), "
    rf":key {_TEXT}, :value (?:nil|{_TEXT})\}}"
)
_OUTCOMES = {"ok": Outcome.OK, "fail": Outcome.FAILED, "info": Outcome.UNKNOWN}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def read_kv_maps(lines: Iterable[str], source: str) -> History:
    """Return the history of a run. Raises `ValueError`, which names the line."""
    pairing = Pairing(source)
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise pairing.malformed(number, "not a map of a key-value run")
        digits, kind, name, key, shown = match.groups()
        process = pairing.number(number, digits)
        value = None if shown is None else _unescape(shown)
        if kind == "invoke":
            if (value is None) != (name == "get"):
                raise pairing.malformed(number, f"not a value to {name}")
            argument = (_unescape(key), value)
            pairing.call(number, process, name, argument)
            continue
        if kind == "ok" and name == "get" and value is None:
            raise pairing.malformed(number, "a get without an answer")
        result = value if name == "get" else None
        pairing.end(number, process, name, _OUTCOMES[kind], result)
    return History(header=Header(model="kv", store="kv"), operations=pairing.finish())


def _unescape(text: str) -> str:
    plain = _ESCAPE.sub(_unescape_one, text)
    # Two escapes may be one character: the two halves of a pair.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _unescape_one(match: re.Match[str]) -> str:
    number, letter = match.groups()
    return _ESCAPES.get(letter, match[0]) if number is None else chr(int(number, 16))
