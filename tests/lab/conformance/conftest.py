"""Running the kit as a third party does: in a folder of his own, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import SessionStore

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "writing-a-backend.md"

CONFIGURATION = """[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

RunKit = Callable[..., subprocess.CompletedProcess[str]]


class Backend:
    """The files of `docs/writing-a-backend.md`, in the order of the page."""

    def __init__(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        (self.store,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
        namespace: dict[str, Any] = {"__name__": "dict_store"}
        exec(compile(self.store, str(PAGE), "exec"), namespace)
        self.store_class: type[SessionStore] = namespace["DictSessionStore"]
        self.tests = re.findall(r"^```py\n(from dict_store .*?)^```$", text, re.M | re.S)


@pytest.fixture(scope="session")
def docs() -> Backend:
    """What the page shows."""
    return Backend()


@pytest.fixture
def run_kit(tmp_path: Path) -> RunKit:
    """Run pytest in a folder with these files; nothing of this repository's configuration."""

    def run(files: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "pytest.ini").write_text(CONFIGURATION)
        paths = os.pathsep.join([str(ROOT / "actors"), str(ROOT / "store")])
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run
