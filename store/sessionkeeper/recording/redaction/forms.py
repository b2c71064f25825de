"""Secrets that are known by their form, each found by the fixed letters that it begins with.

A search for fixed letters is the fastest there is, and a pattern is tried only if it finds them. So
a message of 10 MB takes a fraction of a second. Time is linear in any message: what a pattern has
read without success, it does not read again from the next place where it could begin.

Sources: the documentation of each service on the form of its tokens; RFC 7519 and RFC 7516 (JSON
web tokens), RFC 6750 (Bearer), RFC 7617 (Basic), RFC 7468 (PEM), RFC 3986 section 3.2.1 (user
information); and the rules of gitleaks and detect-secrets, from which only those were chosen that
hardly ever match anything else.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from functools import lru_cache
from string import ascii_letters, digits
from typing import TYPE_CHECKING, NamedTuple

from .span import MARK, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["EMAILS", "KEYS", "TOKENS", "URLS", "Form", "find_forms", "is_mixed"]

_WORD = re.compile(rb"[A-Za-z0-9_-]*+")
_REST = _WORD.pattern
"""Every pattern takes whole words to the right. So what follows a secret does not depend on whether
it was replaced, and to redact twice changes nothing."""


def _alone(prefix: bytes) -> bytes:
    """Match a prefix at the start of a word: in base64 the same letters occur by chance."""
    # The letters come first, because a search for fixed letters is fast.
    return rb"%b(?<![A-Za-z0-9_-]%b)" % (prefix, prefix)


def _word(minimum: int) -> bytes:
    return rb"[A-Za-z0-9_-]{%d,}+" % minimum


def is_mixed(secret: bytes) -> bool:
    """Whether it has digits and letters, as few words of a language have."""
    return secret.lower() != secret.upper() and secret.translate(None, b"0123456789") != secret


def _is_user_and_password(secret: bytes) -> bool:
    bare = secret.rstrip(b"=")
    try:
        found = b64decode(bare + b"=" * (-len(bare) % 4), altchars=b"-_" if b"-" in bare else None)
    except (NotBase64, ValueError):
        return False
    return b":" in found and all(32 <= byte != 127 for byte in found)


class Form(NamedTuple):
    """One form of secrets."""

    kind: str
    anchors: tuple[bytes, ...]
    """The fixed letters."""
    pattern: bytes
    """Its group `secret` is the secret; without this group, all of it."""
    any_case: bool = False
    """It is matched against the text in lower case."""
    check: Callable[[bytes], bool] | None = None
    before: bytes = b""
    """The characters before an anchor, at most 64, that belong to the secret."""


TOKENS = (
    Form(
        "github-token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"),
        rb"gh._[A-Za-z0-9]{36}" + _REST,
    ),
    Form("github-token", (b"github_pat_",), rb"github_pat_" + _word(20)),
    Form(
        "gitlab-token",
        (b"glpat-", b"gldt-", b"glrt-", b"glcbt-", b"glptt-", b"gloas-", b"glsoat-", b"glagent-"),
        rb"gl[a-z]{2,5}-" + _word(20) + rb"(?:\.[0-9a-z]{2}\." + _word(1) + rb")?+",
    ),
    Form("slack-token", (b"xox",), rb"xox[abeoprs](?:\.xox[bp])?-" + _word(10)),
    Form("slack-token", (b"xapp-",), rb"xapp-[0-9]-" + _word(20)),
    Form(
        "slack-webhook",
        (b"hooks.slack.com/",),
        rb"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{20,}+)",
    ),
    Form(
        "jwt",
        (b"eyJ",),
        # What looks like one and is none is read once, and not again from its middle.
        rb"(?P<secret>eyJ%b\.(?:eyJ%b\.%b|%b\.%b\.%b\.%b))|eyJ%b"
        % (_word(8), _word(8), _REST, _REST, _word(1), _word(1), _word(1), _REST),
    ),
    Form("npm-token", (b"npm_",), rb"npm_[A-Za-z0-9]{36}" + _REST),
    Form("pypi-token", (b"pypi-AgE",), rb"pypi-AgE" + _word(50)),
    Form("huggingface-token", (b"hf_",), _alone(rb"hf_") + rb"[A-Za-z0-9]{30}" + _REST),
    Form("docker-token", (b"dckr_pat_",), rb"dckr_pat_" + _word(20)),
    Form("linear-token", (b"lin_api_",), rb"lin_api_[A-Za-z0-9]{30}" + _REST),
    Form("notion-token", (b"ntn_",), _alone(rb"ntn_") + rb"[A-Za-z0-9]{40}" + _REST),
    Form("shopify-token", (b"shpat_", b"shpss_", b"shpca_"), rb"shp.._[0-9a-fA-F]{32}" + _REST),
    Form(
        "digitalocean-token", (b"dop_v1_", b"doo_v1_", b"dor_v1_"), rb"do._v1_[0-9a-f]{64}" + _REST
    ),
    Form("google-token", (b"ya29.",), rb"ya29\." + _word(20)),
    Form("vault-token", (b"hvs.",), _alone(rb"hvs\.") + _word(24)),
    Form(
        "bearer",
        (b"bearer",),
        rb"bearer(?:[ \t]|%20){1,8}+(?P<secret>[a-z0-9._~+/-]{12,}+={0,4}+)",
        any_case=True,
        check=is_mixed,
    ),
    Form(
        "basic",
        (b"basic",),
        rb"basic(?:[ \t]|%20){1,8}+(?P<secret>[a-z0-9+/_-]{6,}+={0,4}+)",
        any_case=True,
        check=_is_user_and_password,
    ),
)
"""What a service gives out to a person or a program that logs in."""

_BEGIN = rb"-----BEGIN (?:[A-Z0-9]{1,16}+ ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_TO_END = rb'(?:[^"-]|-(?!----))*+-----END [A-Z0-9 ]{1,60}+-----'
_NO_END = rb"(?:[ \t\r\n]|\\{1,64}+[nr]|[A-Za-z0-9+/=]{16,}+)++"

KEYS = (
    Form("private-key", (b"-----BEGIN ",), _BEGIN + rb"(?:%b|%b)" % (_TO_END, _NO_END) + _REST),
    Form("aws-key", (b"AKIA", b"ASIA"), rb"A[KS]IA[A-Z2-7]{16}" + _REST),
    Form("google-key", (b"AIza",), _alone(rb"AIza") + _word(35)),
    Form("google-secret", (b"GOCSPX-",), rb"GOCSPX-" + _word(20)),
    Form("azure-key", (b"AccountKey=",), rb"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}+={0,2}+)"),
    Form("anthropic-key", (b"sk-ant-",), rb"sk-ant-" + _word(16)),
    Form(
        "openai-key",
        (b"sk-",),
        _alone(rb"sk-")
        + rb"(?!ant-)(?:(?:proj|svcacct|admin|or-v1|lf)-%b|[A-Za-z0-9]{20}%b)" % (_word(16), _REST),
        check=is_mixed,
    ),
    Form(
        "stripe-key",
        (b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_"),
        rb"[rs]k_(?:live|test)_[A-Za-z0-9]{16}" + _REST,
    ),
    Form("stripe-key", (b"whsec_",), rb"whsec_[A-Za-z0-9+/_-]{24,}+"),
    Form("sendgrid-key", (b"SG.",), _alone(rb"SG\.") + _word(16) + rb"\." + _word(32)),
    Form("groq-key", (b"gsk_",), _alone(rb"gsk_") + rb"[A-Za-z0-9]{40}" + _REST),
    Form("xai-key", (b"xai-",), _alone(rb"xai-") + rb"[A-Za-z0-9]{60}" + _REST),
    Form("perplexity-key", (b"pplx-",), _alone(rb"pplx-") + rb"[A-Za-z0-9]{40}" + _REST),
    Form("tavily-key", (b"tvly-",), _alone(rb"tvly-") + _word(20), check=is_mixed),
    Form("age-key", (b"AGE-SECRET-KEY-1",), rb"AGE-SECRET-KEY-1[0-9A-Z]{58}" + _REST),
)
"""What a program signs, decrypts, asks or pays with."""

URLS = (
    Form(
        "url-password",
        (b"://",),
        rb"://[^\s/?#\"'\\<>:@\[\]]*+:(?!\{|\$\{|\*\*\*|%b)(?P<secret>[^\s/?#\"\\<>]+)@"
        % re.escape(MARK),
    ),
)
"""The password of `scheme://user:password@host`."""

EMAILS = (
    Form(
        "email",
        (b"@",),
        rb"@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,8}+" + _REST,
        before=(ascii_letters + digits + "._%+-").encode(),
    ),
)


@lru_cache(maxsize=256)
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern)


def find_forms(text: bytes, forms: Iterable[Form]) -> Iterator[Span]:
    """Yield the secrets of these forms; they may overlap. O(bytes)."""
    lower = text.lower()
    # Nearly every message has none of them: the check is one expression.
    present = [
        form
        for form in forms
        for anchor in form.anchors
        if anchor in (lower if form.any_case else text)
    ]
    for number, form in enumerate(present):
        if number and form is present[number - 1]:
            continue  # another anchor of the same form
        searched = lower if form.any_case else text
        pattern = _compiled(form.pattern)
        group = "secret" if "secret" in pattern.groupindex else 0
        for match in pattern.finditer(searched):
            start, end = match.span(group)
            if form.before:
                before = text[max(0, start - 64) : start]
                start -= len(before) - len(before.rstrip(form.before))
                if start == match.start():
                    continue
            if start >= 0 and (form.check is None or form.check(text[start:end])):
                yield Span(start, end, form.kind)
