"""The checker says what trying every order says, of histories of any JSON values."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from random_sessions import random_sessions, sessions
from random_values import brute_force, kv, random_kv, random_register, register
from sessionlab import KeyValue, Operation, Register, SessionStoreModel, Verdict, check

HISTORIES = int(os.environ.get("SESSIONKEEPER_VALUE_HISTORIES", "2000"))
SEED = int(os.environ.get("SESSIONKEEPER_VALUE_SEED", "2026"))

MODELS: dict[str, tuple[Callable[[], Any], Any, Callable[[Random], list[Operation]]]] = {
    "register": (Register, register, random_register),
    "kv": (KeyValue, kv, random_kv),
    "session-store": (SessionStoreModel, sessions, random_sessions),
}


@pytest.mark.timeout(max(900, HISTORIES // 20))
@pytest.mark.parametrize("histories", [300, pytest.param(HISTORIES, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", MODELS)
def test_it_agrees_with_trying_every_order_of_any_values(name: str, histories: int) -> None:
    """`SESSIONKEEPER_VALUE_HISTORIES` sets how many are tried in a long run, for all models."""
    make, spec, history_of = MODELS[name]
    random = Random(SEED)
    seen = {Verdict.OK: 0, Verdict.ILLEGAL: 0}
    wrong: list[tuple[int, Verdict, list[Any]]] = []
    for number in range(histories // len(MODELS) + 1):
        history = history_of(random)
        expected = Verdict.OK if brute_force(spec, history) else Verdict.ILLEGAL
        verdict = check(history, make(), explain_illegal=False).verdict
        seen[expected] += 1
        if verdict is not expected:
            shown = [(each, each.argument, each.result) for each in history]
            wrong.append((number, verdict, shown))
    assert not wrong, (len(wrong), wrong[0])
    assert min(seen.values()) > histories // 30, seen
