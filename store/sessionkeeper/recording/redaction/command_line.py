"""Takes secrets out of the command line of a server, whatever the rules are.

It rather hides too much: nobody runs a command from a record. Patterns are compiled only if there
is a telling word, because the start of every recorded server waits for this.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .forms import KEYS, TOKENS, URLS, find_forms
from .span import merge, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["redact_command"]

_FORMS = (*TOKENS, *KEYS, *URLS)
_SECRET = frozenset(
    (
        *("token", "secret", "password", "passwd", "passphrase", "pass", "pwd", "auth", "bearer"),
        *("authorization", "credential", "credentials", "cookie", "key", "dsn", "pat", "apikey"),
        *("accesskey", "secretkey", "privatekey", "authtoken", "accesstoken"),
    )
)
"""A name tells of a secret if its last word is one of these."""
_SWITCH = frozenset(("no", "without", "disable", "enable", "skip", "use", "require", "allow"))
"""A flag whose first word is one of these has no value."""
_HINTS = ("token", "secret", "pass", "pwd", "auth", "bearer", "cred", "cookie", "key", "dsn", "pat")

_NAME = r"[A-Za-z][A-Za-z0-9_.-]*+"
_VALUE = r"(?P<value>\"[^\"]*+\"|'[^']*+'|[^\s&;,\"'|]++)"
_PARTS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
_FLAG = rf"--?(?P<name>{_NAME})\Z"
_HEADER = rf"(?P<before>(?P<name>{_NAME}):[ \t]*+)(?P<value>(?!//)[^\n]++)\Z"
_ASSIGNMENT = (
    rf"(?P<before>(?<![A-Za-z0-9_.-])-{{0,2}}(?P<name>{_NAME})[\"']?"
    rf"(?:=|:(?!//)[ \t]*+)){_VALUE}"
)
_FLAG_IN_TEXT = rf"(?P<before>(?<![A-Za-z0-9_.-])--?(?P<name>{_NAME})[ \t]++(?!-)){_VALUE}"


def redact_command(command: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command without what looks like a secret in them.

    Found are the values of flags, variables, headers and parameters with telling names, as in
    `--token X`, `--api-key=X`, `NAME_TOKEN=X`, `-H "Authorization: X"` and `?apiKey=X`, passwords
    in URLs, and tokens and keys of known forms.
    """
    words: Iterable[str] = command
    lower = "\n".join(command).lower()
    if any(hint in lower for hint in _HINTS):
        words = _without_named(command)
    return tuple(_without_forms(word) for word in words)


def _without_named(command: Iterable[str]) -> Iterator[str]:
    flag: str | None = None
    for word in command:
        if flag is not None and not word.startswith("--"):
            yield _mark(flag)
            flag = None
            continue
        found = re.match(_FLAG, word)
        flag = None if found is None else _kind(found["name"])
        yield word if found is not None else _without_values(word)


def _without_values(word: str) -> str:
    for pattern in map(re.compile, (_HEADER, _ASSIGNMENT, _FLAG_IN_TEXT)):
        at = 0
        while (found := pattern.search(word, at)) is not None:
            start, end = found.span("value")
            kind = _kind(found["name"])
            if kind is None:
                at = start  # another one may be in the value
                continue
            quote = word[start] if word[start] in "\"'" else ""
            hidden = f"{quote}{_mark(kind)}{quote}"
            word = word[:start] + hidden + word[end:]
            at = start + len(hidden)
    return word


def _kind(name: str) -> str | None:
    parts = [part.lower() for part in re.findall(_PARTS, name)]
    return "-".join(parts) if parts[-1] in _SECRET and parts[0] not in _SWITCH else None


def _mark(kind: str) -> str:
    return f"[redacted:{kind}]"


def _without_forms(word: str) -> str:
    encoded = word.encode("utf-8", "surrogateescape")
    spans = merge(find_forms(encoded, _FORMS))
    return replace(encoded, spans).decode("utf-8", "surrogateescape") if spans else word
