"""Secrets of every form, made up: none was ever given out."""

from __future__ import annotations

import random
import string

__all__ = ["KEYS", "PASSWORDS", "TOKENS", "fake"]


def fake(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return letters and digits that are the same in every run, with a digit among them."""
    drawn = random.Random(length)
    return "7a" + "".join(drawn.choice(alphabet) for _ in range(length - 2))


_UPPER = string.ascii_uppercase + "234567"
_PEM = "\n".join(fake(64) for _ in range(3))

TOKENS = {
    "github-token": f"ghp_{fake(36)}",
    "gitlab-token": f"glpat-{fake(20)}",
    "slack-token": f"xoxb-{fake(12)}-{fake(24)}",
    "jwt": f"eyJ{fake(30)}.eyJ{fake(60)}.{fake(43)}",
    "npm-token": f"npm_{fake(36)}",
    "pypi-token": f"pypi-AgE{fake(80)}",
    "huggingface-token": f"hf_{fake(34)}",
    "notion-token": f"ntn_{fake(46)}",
    "google-token": f"ya29.{fake(60)}",
    "linear-token": f"lin_api_{fake(40)}",
    "bearer": f"Bearer {fake(24)}",
    "basic": "Basic YWRtaW46aHVudGVyMg==",
}
KEYS = {
    "private-key": f"-----BEGIN RSA PRIVATE KEY-----\n{_PEM}\n-----END RSA PRIVATE KEY-----",
    "aws-key": "AKIA" + fake(16, _UPPER).upper().replace("7A", "ZA"),
    "google-key": f"AIza{fake(35)}",
    "openai-key": f"sk-proj-{fake(48)}",
    "anthropic-key": f"sk-ant-api03-{fake(90)}",
    "stripe-key": f"sk_live_{fake(24)}",
    "sendgrid-key": f"SG.{fake(22)}.{fake(43)}",
    "groq-key": f"gsk_{fake(52)}",
}
PASSWORDS = {
    "url-password": "postgres://admin:hunter2secret@db.example/app",
    "password": "password=hunter2secret",
    "secret": f"api_key = '{fake(32)}'",
}
