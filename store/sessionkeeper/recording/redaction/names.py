r"""Secrets that are the value of a member with a telling name, also in JSON text inside of strings.

A name is compared without its case, `_`, `-` and spaces: `api_key` is `apiKey`, `API-Key`. Strings
and numbers are replaced, and whole objects and arrays, but not `null`, `true`, `false` and `""`,
which are no secrets, nor an object that is a JSON Schema: a tool with a parameter `password` stays
readable. At level n of JSON text in strings, a quote has 2**n - 1 backslashes before it.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from .span import MARK, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SECRET_NAMES", "fold_name", "find_named"]

SECRET_NAMES = (
    *("password", "passwd", "pwd", "passphrase", "secret", "client_secret", "secret_key"),
    *("token", "access_token", "refresh_token", "id_token", "auth_token", "bearer_token"),
    *("session_token", "api_token", "x_auth_token", "secret_token", "personal_access_token"),
    *("authorization", "proxy_authorization", "cookie", "set_cookie"),
    *("api_key", "x_api_key", "access_key", "secret_access_key", "private_key", "api_secret"),
    *("auth_key", "encryption_key", "signing_key", "credential", "credentials"),
)

_MEMBER = re.compile(
    rb'(?<!\\)(?P<level>\\*+)"(?P<name>(?:[^"\\\x00-\x1f]++|\\++u[0-9a-fA-F]{4})++)(?P=level)"'
    rb"(?:[ \t\r\n]|\\++[nrt])*+:(?:[ \t\r\n]|\\++[nrt])*+"
)
_QUOTE = re.compile(rb'(?<!\\)(\\*+)"')
_STRUCTURE = re.compile(rb'(?<!\\)(\\*+)"|[{}\[\]]')
_SCALAR = re.compile(rb'[^\s,\]}"\\:\[{]++')
_WORDS = frozenset({b"null", b"true", b"false"})
_MARKED = re.compile(re.escape(MARK) + rb"[^\]\"\\]{1,200}\]\Z")
_SCHEMA = re.compile(
    rb'"(?:type\\*"\s{0,8}:\s{0,8}\\*"(?:string|number|integer|boolean|object|array|null)\\*"'
    rb'|(?:type\\*"\s{0,8}:\s{0,8}\[)|(?:\$ref|anyOf|oneOf|allOf|enum|const)\\*"\s{0,8}:)'
)
_SCHEMA_BYTES = 512
_MAX_KNOWN = 1_024
_SEPARATORS = re.compile(r"[-_ ]+")


def fold_name(name: str) -> str:
    """Return the name without what does not matter in a comparison."""
    return _SEPARATORS.sub("", name).casefold()


def find_named(text: bytes, kinds: Mapping[str, str]) -> Iterator[Span]:
    """Yield the values of members whose folded name is a key of `kinds`. O(bytes)."""
    needles = _needles(tuple(kinds))
    if needles is not None:
        squeezed = text.lower().translate(None, b"-_ ")
        if not [each for each in needles if each in squeezed]:
            return
    known: dict[bytes, str | None] = {}
    at = 0
    while (member := _MEMBER.search(text, at)) is not None:
        at = member.end()
        name = member["name"]
        try:
            kind = known[name]
        except KeyError:
            kind = kinds.get(fold_name(_read_name(name)))
            if len(known) < _MAX_KNOWN:
                known[name] = kind
        if kind is not None:
            found, at = _value(text, at, len(member["level"]), kind)
            if found is not None:
                yield found


@lru_cache(maxsize=64)
def _needles(names: tuple[str, ...]) -> tuple[bytes, ...] | None:
    """Return bytes of which a message with one of these names has one; None if there are none.

    Letters that are not ASCII may be escaped.
    """
    needles: list[str] = []
    for name in sorted(names, key=len):
        if not name.isascii():
            return None
        if not any(each in name for each in needles):
            needles.append(name)
    return tuple(each.encode() for each in needles)


def _read_name(name: bytes) -> str:
    if b"\\" in name:
        try:
            return str(json.loads(b'"%b"' % re.sub(rb"\\++u", rb"\\u", name)))
        except ValueError:
            pass
    return name.decode(errors="replace")


def _value(text: bytes, at: int, level: int, kind: str) -> tuple[Span | None, int]:
    """Return what is to be replaced of the value that begins here, and where to search on."""
    quote = b"\\" * level + b'"'
    if text.startswith(quote, at):
        start = at + len(quote)
        end = _end_of_string(text, start, level)
        return (Span(start, end, kind) if _is_secret(text, start, end) else None), end
    if text[at : at + 1] in (b"{", b"[") and not text.startswith(MARK, at):
        # Only a look at its beginning: schemas in schemas would be read again and again.
        schema = _SCHEMA.search(text, at, at + _SCHEMA_BYTES)
        if schema and schema.start() == _end_of_container(text, at, level, schema.start()):
            return None, at
        end = _end_of_container(text, at, level, len(text))
        return (Span(at, end, kind, quote) if end > at + 2 else None), end
    scalar = _SCALAR.match(text, at)
    if scalar is None or scalar[0] in _WORDS:
        return None, at
    return Span(at, scalar.end(), kind, quote), scalar.end()


def _is_secret(text: bytes, start: int, end: int) -> bool:
    return start < end and not _MARKED.match(text, start, min(end, start + 256))


def _end_of_string(text: bytes, start: int, level: int) -> int:
    """Return where the content of a string ends; of one without an end, the end of the text."""
    for quote in _QUOTE.finditer(text, start):
        run = len(quote[1])
        if run < level:  # the string around it ends here
            return quote.start()
        if run % (2 * level + 2) == level:
            return quote.end() - 1 - level
    return len(text)


def _end_of_container(text: bytes, start: int, level: int, limit: int) -> int:
    depth, inside = 0, False
    for token in _STRUCTURE.finditer(text, start, limit):
        character = token[0][-1:]
        if character == b'"':
            run = len(token[1])
            if run < level:
                return token.start()
            if run % (2 * level + 2) == level:
                inside = not inside
        elif not inside:
            depth += 1 if character in b"{[" else -1
            if not depth:
                return token.end()
    return min(limit, len(text))
