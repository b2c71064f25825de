"""Keeps everything but the page itself away from what the server has.

A page of another origin must not read a recording, also not by a name that it made point to
loopback. So a request is answered only if its Host is a loopback name, its Origin is none or the
same, and, for data, if it has the token.

The token comes in the fragment of the address, which a browser sends to nobody: it is in no
request line, no log and no Referer. The page sends it in a header. A cookie would belong to the
host with all its ports, so each other server on this machine would be sent it. For a header of its
own, a page of another origin must ask first, and that is refused.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "TOKEN_HEADER"]

TOKEN_HEADER = "x-sessionkeeper-token"  # noqa: S105 - its name
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OWN_SITE = frozenset({"same-origin", "none"})


class Guard:
    """An ASGI application in front of another one."""

    def __init__(self, app: ASGIApp, token: str, headers: Mapping[str, str]) -> None:
        self._app = app
        self._token = token.encode()
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with a line that says why."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        app = self._app if refusal is None else refusal
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        host, given = headers.get("host", ""), headers.get(TOKEN_HEADER, "")
        # A link may lead to the page, which has no data; nothing else is for another site.
        site = "none" if path == "/" else headers.get("sec-fetch-site", "none")
        if host not in _LOOPBACK and host.rpartition(":")[0] not in _LOOPBACK:
            return PlainTextResponse("only by a loopback name\n", 421)
        if headers.get("origin", f"http://{host}") != f"http://{host}" or site not in _OWN_SITE:
            return PlainTextResponse("not for another origin\n", 403)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("it only reads\n", 405, {"Allow": "GET, HEAD"})
        if path != "/" and not hmac.compare_digest(given.encode(), self._token):
            return PlainTextResponse("the token is missing, or of an earlier run\n", 401)
        return None
