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
NOT_BEFORE_THE_SERVER = BACKENDS | {
    *("pydantic", "msgspec", "typer", "rich", "argparse"),
    *("sessionkeeper.manager", "sessionkeeper.recording.recorder", "sessionkeeper.values.session"),
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


SHOW_MODULES_OF_THE_START = """
import subprocess, sys
class Started(subprocess.Popen):
    def __init__(self, *arguments, **settings):
        sys.stderr.write("\\n".join(["modules:", *sys.modules, "end"]) + "\\n")
        super().__init__(*arguments, **settings)
subprocess.Popen = Started
sys.argv[1:] = {arguments!r}
from sessionkeeper.cli import main
main()
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


@pytest.mark.parametrize(
    "url", ["memory://", "sqlite:///{}/tape.db", "redis://127.0.0.1:1/0?prefix=a"]
)
def test_the_server_starts_before_anything_heavy_is_imported(tmp_path: object, url: str) -> None:
    """A client waits for its server, and nobody waits for the store."""
    arguments = ["record", "-q", "--name", "a", "--store", url.format(tmp_path), "--", "true"]
    ran = run_alone(SHOW_MODULES_OF_THE_START.format(arguments=arguments))
    modules = ran.stderr.partition("modules:\n")[2].partition("\nend\n")[0].splitlines()
    assert "sessionkeeper.recording.stdio.pump" in modules
    assert set(modules).isdisjoint(NOT_BEFORE_THE_SERVER)


@pytest.mark.parametrize("statement", ["import sessionkeeper", "from sessionkeeper import Session"])
def test_importing_the_library_imports_no_backend(statement: str) -> None:
    """A program pays for the names it uses."""
    ran = run_alone(f"import sys; {statement}; print(*sys.modules)")
    assert set(ran.stdout.split()).isdisjoint(BACKENDS | {"sessionkeeper.backends.memory"})
