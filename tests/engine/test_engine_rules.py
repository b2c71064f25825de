"""The rules that the engine's modules state about themselves, checked in their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import soleowner


def test_all_lists_every_public_name_once() -> None:
    """`soleowner` offers exactly the names in `__all__`."""
    names = {name for name, value in vars(soleowner).items() if not isinstance(value, ModuleType)}
    public = {name for name in names if not name.startswith("_")} - {"annotations"}

    assert sorted(soleowner.__all__) == sorted(public)


def test_nothing_waits_with_wait_for_or_join() -> None:
    """Hazards 1, 2 and 6 (cpython#68000, #86296): `asyncio.timeout` only; await the owner."""
    assert {name for name, _ in _calls()}.isdisjoint({"wait_for", "join"})


def test_replies_are_settled_in_two_places() -> None:
    """Hazard 3 (websockets#634, aiosqlite#80): nothing else calls `set_result`."""
    settling = [module for name, module in _calls() if name in {"set_result", "set_exception"}]

    assert sorted(settling) == ["envelope", "envelope", "runner"]


def _calls() -> Iterator[tuple[str, str]]:
    """Names of all methods called in the engine, each with its module."""
    for path in Path(soleowner.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.func.attr, path.stem
