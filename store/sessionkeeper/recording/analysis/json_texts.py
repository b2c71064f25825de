"""The texts in a JSON message, as they are without escapes, and where they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

import msgspec

__all__ = ["decoded_texts"]

_PLAIN = re.compile(r"[^\W\d][\w-]*")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decoded_texts(message: bytes) -> Iterator[tuple[str, str]]:
    """Yield each string and each name of a member with its path, in the order of the message.

    A path is as in `params.arguments.text` or `result.content[0].text`; that of a name is the one
    of its value. Yields nothing for bytes that are no JSON.
    """
    # Not recursive: a message may be nested deeper than Python calls.
    waiting: list[tuple[str, object]] = [("", _load(message))]
    while waiting:
        path, held = waiting.pop()
        if isinstance(held, str):
            yield path, held
        elif isinstance(held, dict):
            members = [
                (_child(path, name), name, value)
                for name, value in cast("dict[str, object]", held).items()
            ]
            for there, name, value in reversed(members):
                waiting += ((there, value), (there, name))
        elif isinstance(held, list):
            items = cast("list[object]", held)
            waiting += [(f"{path}[{n}]", items[n]) for n in range(len(items) - 1, -1, -1)]


def _load(message: bytes) -> object:
    try:
        return msgspec.json.decode(message)
    except _UNREADABLE:
        pass
    try:  # lone surrogates, NaN and invalid UTF-8, which msgspec refuses
        return json.loads(message.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None


def _child(path: str, name: str) -> str:
    if _PLAIN.fullmatch(name):
        return f"{path}.{name}" if path else name
    return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
