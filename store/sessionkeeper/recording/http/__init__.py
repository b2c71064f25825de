"""The reverse proxy in front of an MCP server on HTTP. It forwards and records every message.

Rule: a byte is forwarded before it is recorded, and never changed.
Read `proxy`, `forwarding`, then `exchange` and `sessions`; `serving` puts the proxy on a port.
It needs the extra `http`.
"""

from __future__ import annotations

from .proxy import IDLE, MAX_BODY, MAX_PENDING, HttpProxy
from .report import HttpReport
from .serving import CannotListen, Serving, listen_on
from .sessions import SessionFields

__all__ = [
    "IDLE",
    "MAX_BODY",
    "MAX_PENDING",
    "CannotListen",
    "HttpProxy",
    "HttpReport",
    "Serving",
    "SessionFields",
    "listen_on",
]
