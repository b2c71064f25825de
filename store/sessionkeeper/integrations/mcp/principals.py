"""The principal of a request, as sessions name it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TypeAlias

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from starlette.types import Scope

from sessionkeeper.values.bounds import MAX_TEXT

__all__ = ["PrincipalOf", "principal_of_token"]

PrincipalOf: TypeAlias = Callable[[Scope], str | None]
"""Returns the principal of a request by its ASGI scope; None for nobody."""


def principal_of_token(scope: Scope) -> str | None:
    """Return whom the SDK's authentication found: client, issuer and subject of the token.

    They are a JSON list; one that is too long for a principal is hashed. None without a token.
    """
    user = scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        return None
    context = authorization_context(user)
    text = json.dumps([context["client_id"], context["issuer"], context["subject"]])
    if len(text) <= MAX_TEXT:
        return text
    return f"sha256={hashlib.sha256(text.encode()).hexdigest()}"
