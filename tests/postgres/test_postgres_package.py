"""asyncpg is an extra: without it all else works, and one line says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

WITHOUT = "import sys; sys.modules['asyncpg'] = None; "


def said_by(program: str) -> list[str]:
    """The lines that a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout.splitlines()


def test_asyncpg_is_imported_only_for_a_store_that_needs_it() -> None:
    """Not by the package, by all of its names but one, or by a URL."""
    program = """
import asyncio, sys, sessionkeeper
for name in sessionkeeper.__all__:
    if name != "PostgresSessionStore":
        getattr(sessionkeeper, name)
import sessionkeeper.cli.app, sessionkeeper.manager
sessionkeeper.backend_from_url("postgresql://h/d")
async def work():
    async with await sessionkeeper.StorageFactory.create("memory://"):
        pass
asyncio.run(work())
print("asyncpg" in sys.modules)
sessionkeeper.PostgresSessionStore
print("asyncpg" in sys.modules)
"""
    assert said_by(program) == ["False", "True"]


def test_without_asyncpg_one_line_says_what_to_install() -> None:
    """Every door says the same; every name can be imported."""
    program = (
        WITHOUT
        + """
import asyncio
from sessionkeeper import *
from sessionkeeper import PostgresSessionStore, StorageFactory, threaded
for door in (
    lambda: PostgresSessionStore("postgresql://h"),
    lambda: asyncio.run(StorageFactory.create("postgresql://h")),
    lambda: threaded("postgresql://h").start(),
):
    try:
        door()
    except BaseException as error:
        print(type(error).__name__, error)
"""
    )
    line = (
        "BackendNotImplemented the postgres backend is not installed:"
        " pip install 'sessionkeeper[postgres]'"
    )
    assert said_by(program) == [line] * 3


def test_the_command_line_says_it_too() -> None:
    """In one line."""
    program = (
        WITHOUT
        + """
import sys
from sessionkeeper.cli.app import run
sys.stderr = sys.stdout
print(run(["ls", "postgresql://h/d"]))
print(run(["bench", "--store", "postgresql://h/d", "--seconds", "0.1"]))
"""
    )
    missing = "the postgres backend is not installed: pip install 'sessionkeeper[postgres]'"
    assert said_by(program) == [
        f"sessionkeeper: Invalid value for the store: {missing}",
        "2",
        f"sessionkeeper: {missing}",
        "2",
    ]
