"""A command imports only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BACKENDS = {"sessionkeeper.backends.sqlite", "sessionkeeper.backends.redis", "sqlite3", "redis"}
NOT_FOR_RECORDING = BACKENDS | {
    *("rich", "jinja2", "sessionlab"),
    *("sessionkeeper.stores.third_party", "sessionkeeper.stores.threads.facade"),
}
SHOW_MODULES = """
import sys
sys.argv[1:] = {arguments!r}
from sessionkeeper.cli import main
try:
    main()
finally:
    sys.stderr.write("\\n".join(["modules:", *sys.modules]))
"""


def run_alone(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process that coverage does not measure: it imports `sqlite3` itself."""
    return subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def modules_of(*arguments: str) -> set[str]:
    """Run a command in a process of its own; return the modules it imported."""
    ran = run_alone(SHOW_MODULES.format(arguments=list(arguments)))
    _, marker, modules = ran.stderr.rpartition("modules:\n")
    assert marker
    return set(modules.splitlines())


def test_recording_in_memory_imports_no_other_backend_and_no_pictures() -> None:
    """`record` starts with each client that uses it, so it starts quickly."""
    modules = modules_of("record", "-q", "--", "true")
    assert "sessionkeeper.backends.memory" in modules
    assert modules.isdisjoint(NOT_FOR_RECORDING)


def test_recording_in_a_file_imports_sqlite_alone(tmp_path: object) -> None:
    """It imports the requested backend, and not the third one."""
    modules = modules_of("record", "-q", "--store", f"sqlite:///{tmp_path}/tape.db", "--", "true")
    assert "sessionkeeper.backends.sqlite" in modules
    assert "sessionkeeper.backends.redis" not in modules


@pytest.mark.parametrize("statement", ["import sessionkeeper", "from sessionkeeper import Session"])
def test_importing_the_library_imports_no_backend(statement: str) -> None:
    """A program pays for the names it uses."""
    ran = run_alone(f"import sys; {statement}; print(*sys.modules)")
    assert set(ran.stdout.split()).isdisjoint(BACKENDS | {"sessionkeeper.backends.memory"})
