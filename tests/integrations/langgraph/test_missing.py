"""Without LangGraph the import says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules[{name!r}] = None
import sessionkeeper.integrations.langgraph
"""


@pytest.mark.parametrize("name", ["langgraph", "langgraph.checkpoint.base", "langchain_core"])
def test_the_import_says_which_extra_is_missing(name: str) -> None:
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM.format(name=name)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: sessionkeeper.integrations.langgraph needs")
    assert last.endswith("pip install 'sessionkeeper[langgraph]'")


def test_any_other_import_that_fails_is_not_hidden() -> None:
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM.format(name="msgspec")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install" not in done.stderr.strip().splitlines()[-1]
