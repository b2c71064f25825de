"""Puts our service in the place of ADK's own in ADK's tests of session services.

`ADK_STORE`, `ADK_STALE` and `ADK_HOME` in the environment say on which store, how stale sessions
are treated, and what has a record. Only black box tests are kept: those that get a service from a
helper or a fixture.
"""

from __future__ import annotations

import functools
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sessionkeeper.integrations.google_adk import StoreSessionService

HELPER, FIXTURE = "get_session_service", "session_service"


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Keep the black box tests, and give each a service on records of its own."""
    kept = [each for each in items if {FIXTURE, "service_type"} & {*each.fixturenames}]
    config.hook.pytest_deselected(items=[each for each in items if each not in kept])
    items[:] = kept
    for each in kept:
        each.obj = _with_our_service(each.obj)


def _with_our_service(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def run(**arguments: Any) -> None:
        options: Any = {"stale": os.environ["ADK_STALE"], "home": os.environ["ADK_HOME"]}
        url, namespace = os.environ["ADK_STORE"], uuid.uuid4().hex
        made = StoreSessionService.from_url(url, namespace=namespace, **options)
        async with made as service:
            module = sys.modules[test.__module__]
            if hasattr(module, HELPER):
                setattr(module, HELPER, lambda *_, **__: service)
            if FIXTURE in arguments:
                arguments[FIXTURE] = service
            await test(**arguments)

    return run
