"""Reads the log of a Jepsen run on one compare-and-set register.

A line is `INFO jepsen.util - PROCESS :invoke|:ok|:fail|:info :read|:write|:cas VALUE`; lines of
the nemesis are passed over. `:info`, and a call without an end, is an unknown outcome.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .operation import Header, History, Outcome, Plain
from .pairing import Pairing

__all__ = ["read_jepsen"]

_LINE = re.compile(r"\S+\s+jepsen\.util\s+-\s+(\d+)\s+:(invoke|ok|fail|info)\s+:(\w+)\s+(\S.*)")
_NEMESIS = re.compile(r"\S+\s+jepsen\.util\s+-\s+:nemesis\b")
_CAS = re.compile(r"\[\s*(-?\d+)\s+(-?\d+)\s*\]")
_VALUE = re.compile(r"-?\d+")
_OUTCOMES = {"ok": Outcome.OK, "fail": Outcome.FAILED, "info": Outcome.UNKNOWN}
_TIMED_OUT = ":timed-out"
_SHOWN = 64


def read_jepsen(lines: Iterable[str], source: str) -> History:
    """Return the history of a log. Raises `ValueError`, which names the line."""
    pairing = Pairing(source)
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or _NEMESIS.match(text):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise pairing.malformed(number, "not a line of a Jepsen log")
        digits, kind, name, shown = match.groups()
        process = pairing.number(number, digits)
        if name not in ("read", "write", "cas"):
            raise pairing.malformed(number, f"no operation of a register: {name[:_SHOWN]}")
        if kind == "invoke":
            argument = None if name == "read" else _value(pairing, number, name, shown)
            pairing.call(number, process, name, argument)
            continue
        answer = None
        if kind == "ok":
            answer = _value(pairing, number, name, shown)
        elif shown != _TIMED_OUT:
            _value(pairing, number, name, shown)
        outcome = _OUTCOMES[kind]
        result = answer if name == "read" else None
        pairing.end(number, process, name, outcome, result)
    return History(header=Header(model="register", store="jepsen"), operations=pairing.finish())


def _value(pairing: Pairing, number: int, name: str, shown: str) -> Plain:
    if name == "cas":
        pair = _CAS.fullmatch(shown)
        if pair is not None:
            return (pairing.number(number, pair[1]), pairing.number(number, pair[2]))
    elif shown == "nil":
        if name == "read":
            return None
    elif _VALUE.fullmatch(shown):
        return pairing.number(number, shown)
    raise pairing.malformed(number, f"not a value of {name}")
