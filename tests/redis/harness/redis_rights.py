"""The user with the fewest rights, as the documentation has it."""

from __future__ import annotations

import re
from pathlib import Path

from redis_server import RedisServer

__all__ = ["documented", "few"]

DOCS = Path(__file__).parents[3] / "docs" / "redis.md"


def documented() -> list[str]:
    """The rules of the user in the documentation, as they stand there."""
    page = DOCS.read_text()
    found = re.search(r"^ACL SETUSER sessionkeeper (.*?)^```", page, re.M | re.S)
    assert found is not None
    rules = found[1].split()
    assert rules[:3] == ["reset", "on", ">PASSWORD"]
    return rules[3:]


def few(server: RedisServer, prefix: str, *, without: str = "", password: str = "pass") -> str:
    """Make that user for another prefix; the URL."""
    name = f"few-{prefix}"
    rules = [rule.replace("sessionkeeper", prefix) for rule in documented() if rule != without]
    return server.add_user(name, password, *rules)
