"""Takes secrets out of messages, and leaves every other byte as it is."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from .forms import find_forms
from .names import find_named
from .pairs import find_pairs
from .plain_view import PlainView
from .rules import Rules, read_rules
from .span import Span, merge, replace
from .structure import ANY, Location, locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Redacted", "RedactionFailed", "Redactor", "find_spans"]

_ROOTS: tuple[Location, ...] = ((), (ANY,))
_PROTECTED = frozenset(
    (*root, *rest)
    for root in _ROOTS
    for rest in (
        ("jsonrpc",),
        ("id",),
        ("method",),
        ("error", "code"),
        ("params", "requestId"),
        ("params", "progressToken"),
        ("params", "_meta", "progressToken"),
    )
)
"""What pairs messages: without it nobody could read the record."""
_LARGE = 65_536


class Redacted(NamedTuple):
    """A message without its secrets."""

    message: bytes
    places: Counter[str]
    """How many of each kind were taken out."""


class RedactionFailed(Exception):
    """A message could not be redacted, so it must not be stored; the text quotes none of it."""


class Redactor:
    """Takes out of messages what its rules say. It keeps no state; any thread may call it.

    A secret is replaced by `[redacted:KIND]`, as a whole JSON string or as a part of one; no other
    byte changes. A message that is no JSON is searched as text.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @classmethod
    def of(cls, rules: Iterable[str]) -> Self:
        """Read rules: presets, `name:MEMBER`, JSON paths, `module:function`. Raises `InvalidRule`.

        A function takes the message, redacted by all other rules, and its direction as a str, and
        returns the bytes to store. It is called for one message at a time, from any thread.
        """
        return cls(read_rules(rules))

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules as they were given."""
        return self._rules.texts

    def __repr__(self) -> str:
        return f"<Redactor of {len(self.rules)} rules>"

    def is_slow(self, message: bytes) -> bool:
        """Whether an event loop should not wait for this message."""
        return len(message) > _LARGE or bool(self._rules.functions)

    def redact(self, message: bytes, direction: str) -> Redacted:
        """Return the message without its secrets; the same object if it has none.

        `direction` is for functions. The id, the method, the error code and the progress token of
        a JSON-RPC message stay, unless a rule takes out a whole object that holds them. O(bytes),
        but for filters in JSON paths, and functions. Raises `RedactionFailed`.
        """
        try:
            return self._redact(message, direction)
        except RedactionFailed:
            raise
        except Exception as error:  # its text may quote the message
            raise RedactionFailed(type(error).__name__) from None

    def redact_text(self, text: str) -> tuple[str, Counter[str]]:
        """Return text beside a message without its secrets, and how many of each kind it had.

        JSON paths and functions are for messages, and not applied. O(bytes).
        """
        encoded = text.encode()
        spans = merge(_find_in_text(encoded, self._rules))
        if not spans:
            return text, Counter()
        redacted = replace(encoded, spans).decode(errors="replace")
        return redacted, Counter(span.kind for span in spans)

    def _redact(self, message: bytes, direction: str) -> Redacted:
        spans = merge(find_spans(message, self._rules))
        redacted = replace(message, spans) if spans else message
        if spans and ((identity := _identity(message)) is None or identity != _identity(redacted)):
            kept = [each for each in locate(message, _PROTECTED) if message[each[0]] not in b"{["]
            spans = [span for span in spans if not _is_inside(span, kept)]
            redacted = replace(message, spans)
        places = Counter(span.kind for span in spans)
        for name, function in self._rules.functions:
            try:
                found: object = function(redacted, str(direction))
            except (Exception, SystemExit) as error:
                raise RedactionFailed(f"{name} raised {type(error).__name__}") from None
            if type(found) is not bytes:
                raise RedactionFailed(f"{name} returned {type(found).__name__}, not bytes")
            places[name] += found != redacted
            redacted = found
        return Redacted(redacted if redacted != message else message, +places)


def find_spans(message: bytes, rules: Rules) -> Iterator[Span]:
    """Yield what these rules find in a message; the spans may overlap."""
    view = PlainView.of(message)
    for span in _find_in_text(view.text, rules):
        yield span._replace(start=view.start(span.start), end=view.end(span.end))
    if rules.paths:
        from .paths import find_paths

        yield from find_paths(message, rules.paths)


def _find_in_text(text: bytes, rules: Rules) -> Iterator[Span]:
    yield from find_forms(text, rules.forms)
    if rules.names:
        yield from find_named(text, rules.names)
    if rules.pairs:
        yield from find_pairs(text)


class _Message(msgspec.Struct, gc=False):
    # Raw fields are skipped, not built: 10 MB take a few milliseconds.
    jsonrpc: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    method: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(_Message | list[_Message])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _identity(message: bytes) -> list[object] | None:
    """Return what must stay of a message, or of those of a batch; None if it cannot be read."""
    try:
        read = _decoder.decode(message)
        found: list[object] = []
        for each in [read] if isinstance(read, _Message) else read:
            params, error = _read_members(each.params), _read_members(each.error)
            meta = _read_members(params.get("_meta", msgspec.Raw()))
            inside = (params.get("requestId"), params.get("progressToken"), error.get("code"))
            found += (each.jsonrpc, each.id, each.method, *inside, meta.get("progressToken"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found


def _read_members(value: msgspec.Raw) -> dict[str, msgspec.Raw]:
    return _members.decode(value) if bytes(memoryview(value)[:1]) == b"{" else {}


def _is_inside(span: Span, places: Sequence[tuple[int, int]]) -> bool:
    """Whether the span is in one of these places, which are in order and do not overlap."""
    found = bisect_right(places, span.start, key=itemgetter(0)) - 1
    return found >= 0 and span.end <= places[found][1]
