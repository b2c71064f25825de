"""Secrets in text that a word says to be one: `api_key=…`, `password: …`.

Few words and a strict look at the value: digits and letters, and for tokens and keys a length and a
variety of characters that hardly any word has. Source: the generic rule of gitleaks, with fewer
words and a higher bound.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from math import log2
from typing import TYPE_CHECKING

from .forms import is_mixed
from .span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_pairs"]

_PASSWORDS = (b"password", b"passwd", b"passphrase", b"pwd")
_OTHERS = (
    *(b"secret", b"token", b"apikey", b"api_key", b"api-key"),
    *(b"accesskey", b"access_key", b"access-key", b"privatekey", b"private_key", b"private-key"),
    *(b"authkey", b"auth_key", b"auth-key"),
)
_VALUE = (
    rb"[a-z0-9_-]{0,24}+[\"'\\\]]{0,16}+[ \t]{0,8}+(?:=>|:=|==?|:|%3d)[ \t]{0,8}+[\"'\\]{0,16}+"
    rb"(?P<secret>[a-z0-9_.~+/=@!#$%^*?-]{6,}+)"
)
_NO_SECRET = re.compile(
    rb"(?:progress|page|continuation|next|prev|previous|sync|resume|cursor|cancel(?:lation)?)[_-]?\Z",
    re.IGNORECASE,
)
"""What comes before the word `token` where it says a place in a list or a task."""
_NUMBER = re.compile(rb"-?[0-9.]+(?:[eE][+-]?[0-9]+)?\Z")
_PLACEHOLDER = re.compile(rb"[/.$%*]|env|process\.|os\.|https?\Z", re.IGNORECASE)
_LONG, _VARIED = 16, 3.0
"""Bytes, and bits for each of them (Shannon entropy), of a token or a key."""


def find_pairs(text: bytes) -> Iterator[Span]:
    """Yield the secrets that a word before them names; they may overlap. O(bytes)."""
    lower = text.lower()
    for word in (*_PASSWORDS, *_OTHERS):
        if word not in lower:
            continue
        for match in _compiled(word).finditer(lower):
            start, end = match.span("secret")
            before = text[max(0, match.start() - 16) : match.start()]
            if _is_secret(word, text[start:end]) and not _NO_SECRET.search(before):
                yield Span(start, end, "password" if word in _PASSWORDS else "secret")


@lru_cache(maxsize=32)
def _compiled(word: bytes) -> re.Pattern[bytes]:
    return re.compile(re.escape(word) + _VALUE)


def _is_secret(word: bytes, value: bytes) -> bool:
    # A number in JSON has no quotes: a part of it cannot become a string.
    if not is_mixed(value) or _NUMBER.match(value) or _PLACEHOLDER.match(value):
        return False
    return word in _PASSWORDS or (len(value) >= _LONG and _entropy(value) >= _VARIED)


def _entropy(value: bytes) -> float:
    counts = Counter(value[:256])
    total = counts.total()
    return -sum(count / total * log2(count / total) for count in counts.values())
