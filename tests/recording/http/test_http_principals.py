"""What is stored of the header that tells the clients of a server apart."""

from __future__ import annotations

import pytest
from sessionkeeper.recording.http.clients import principal_of

SECRET = b"correct-horse-battery"


@pytest.mark.parametrize(
    "header",
    [
        "Authorization",
        "Cookie",
        "X-Api-Key",
        "X-Auth-User",
        "Private-Token",
        "X-Session",
        "API-SECRET",
    ],
)
def test_a_credential_is_stored_as_a_digest(header: str) -> None:
    principal = principal_of(header, SECRET)
    assert principal is not None
    assert SECRET.decode() not in principal
    assert principal == principal_of(header, SECRET)
    assert principal != principal_of(header, SECRET + b"!")


def test_a_name_is_stored_as_it_is() -> None:
    assert principal_of("X-User", b"alice") == "alice"
    assert principal_of("X-User", b"\xff") == "\\xff"
    assert principal_of("X-User", b"") is None
    assert principal_of("X-User", None) is None
