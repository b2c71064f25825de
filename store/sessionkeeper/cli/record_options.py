"""What `record` is asked to do, and a reader of usual command lines that imports nothing heavy.

A client waits for its server, so a usual command line is read here. Any other, right or wrong, is
left to the command in `record`, which has the errors and the help.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..stores.store_url import is_plain
from ..values.bounds import MAX_TAG, MAX_TEXT
from ..values.kinds import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "RecordOptions",
    "is_web_address",
    "parse_name",
    "parse_rule",
    "parse_size",
    "parse_tag",
    "parse_usual",
]

_UNITS = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


class RecordOptions(NamedTuple):
    """The command of a server, and how its traffic is recorded."""

    command: tuple[str, ...]
    store: str = "memory://"
    """A URL, which may have a password."""
    require_store: bool = False
    max_message: int = 16 << 20
    """Bytes."""
    stderr: bool = False
    """Whether the server's standard error is recorded, too."""
    name: str | None = None
    tags: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    """Rules that have been checked."""
    quiet: bool = False
    as_json: bool = False


def parse_size(text: str) -> int:
    """Read a number of bytes with its unit. Raises `ValueError`."""
    found = re.fullmatch(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB)?", text, re.IGNORECASE)
    size = 0 if found is None else int(found[1]) * _UNITS[(found[2] or "B").lower()]
    if not 1 <= size <= MAX_MESSAGE_BYTES:
        most = MAX_MESSAGE_BYTES // _UNITS["mib"]
        raise ValueError(f"give 1 to {MAX_MESSAGE_BYTES} bytes, as 500000, 512KiB or {most}MiB")
    return size


def parse_name(text: str) -> str:
    """Read the name of a session. Raises `ValueError`."""
    return _parse_text(text, MAX_TEXT)


def parse_tag(text: str) -> str:
    """Read one tag. Raises `ValueError`."""
    return _parse_text(text, MAX_TAG)


def parse_rule(text: str) -> str:
    """Check a rule of redaction, and import what it names. Raises `ValueError`."""
    from ..recording.redaction.rules import read_rules  # only for those who ask for it

    read_rules([text])
    return text


def is_web_address(word: str) -> bool:
    """Whether the first word of a command is the address of a server on HTTP."""
    return word.lower().startswith(("http://", "https://"))


_FLAGS = {
    "--require-store": ("require_store", True),
    "--best-effort": ("require_store", False),
    "--stderr": ("stderr", True),
    "--quiet": ("quiet", True),
    "-q": ("quiet", True),
    "--json": ("as_json", True),
}
_VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "--store": ("store", str),
    "--max-message": ("max_message", parse_size),
    "--name": ("name", parse_name),
    "--tag": ("tags", parse_tag),
    "--redact": ("redact", parse_rule),
}
_REPEATED = ("tags", "redact")


def parse_usual(arguments: Sequence[str]) -> RecordOptions | None:
    """Read a usual command line of `record`; None for any other."""
    given: dict[str, Any] = {}
    words = list(arguments)
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        if word in _FLAGS:
            field, flag = _FLAGS[word]
            given[field] = flag
            continue
        option, equals, value = word.partition("=")
        if option not in _VALUES or not (equals or words):
            return None
        field, parse = _VALUES[option]
        try:
            parsed = parse(value if equals else words.pop(0))
        except ValueError:
            return None
        given[field] = (*given.get(field, ()), parsed) if field in _REPEATED else parsed
    if not words or "://" in words[0]:
        return None
    options = RecordOptions(tuple(words), **given)
    return options if is_plain(options.store) else None


def _parse_text(text: str, most: int) -> str:
    if not 1 <= len(text) <= most:
        raise ValueError(f"it has {len(text):,} characters, and 1 to {most:,} are allowed")
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text
