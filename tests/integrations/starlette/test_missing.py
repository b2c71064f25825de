"""Without starlette the import says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules[{name!r}] = None
import sessionkeeper.integrations.starlette
"""


def last_line(name: str) -> str:
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-c", PROGRAM.format(name=name)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("name", ["starlette", "starlette.responses"])
def test_the_import_says_which_extra_is_missing(name: str) -> None:
    told = last_line(name)
    assert told.startswith("ImportError: sessionkeeper.integrations.starlette needs starlette 1")
    assert told.endswith("pip install 'sessionkeeper[starlette]'")


def test_another_import_that_fails_is_not_hidden() -> None:
    assert "pip install" not in last_line("msgspec")
