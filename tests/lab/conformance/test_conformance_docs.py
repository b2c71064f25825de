"""What `docs/writing-a-backend.md` shows runs as it stands, and fails as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.conformance.conftest import Backend, RunKit


# Each runs pytest in a process of its own.
def test_the_backend_of_the_docs_passes(run_kit: RunKit, docs: Backend) -> None:
    """From an empty file to a passing backend: without an owner on ten methods, with one on all."""
    ten, whole = docs.tests
    files = {"dict_store.py": docs.store, "test_ten.py": ten, "test_whole.py": whole}
    done = run_kit(files, "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    assert "declares that it refuses trim_frames" in done.stdout


@pytest.mark.parametrize("mode", ["auto", pytest.param("strict", marks=pytest.mark.long)])
def test_the_kit_runs_in_both_modes_of_pytest_asyncio(
    run_kit: RunKit, docs: Backend, mode: str
) -> None:
    """Its tests are marked, so nothing is passed over in silence."""
    files = {"dict_store.py": docs.store, "test_ten.py": docs.tests[0]}
    done = run_kit(files, f"--asyncio-mode={mode}", "-k", "Dict and (new_store or share_one_log)")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_failure_reads_as_the_page_says(run_kit: RunKit, docs: Backend) -> None:
    """The name of the promise, what the store did, what the contract says."""
    broken = docs.store.replace("self._count(found, 0, found.last_seq)", "self._count(found, 0, 0)")
    assert broken != docs.store
    files = {"dict_store.py": broken, "test_ten.py": docs.tests[0]}
    done = run_kit(files, "-k", "never_used_again")
    assert done.returncode == 1
    for line in (
        ">       assert (emptied.frame_count, emptied.last_seq) == (0, 3)",
        "assert (0, 0) == (0, 3)",
        "The contract says: `delete_frames`: how many went; numbering goes on",
        "TestDictSessionStore::test_numbers_are_never_used_again",
    ):
        assert line in done.stdout


def test_without_a_store_the_kit_asks_for_one(run_kit: RunKit) -> None:
    """A class that gives the kit nothing to test does not pass in silence."""
    text = "from sessionlab.conformance import SessionStoreConformance\n"
    text += "class TestNothing(SessionStoreConformance):\n    pass\n"
    done = run_kit({"test_nothing.py": text}, "-k", "new_store")
    assert done.returncode == 1
    assert "write `make_store` or the fixture `store`" in done.stdout


def test_the_library_does_not_need_pytest(run_kit: RunKit) -> None:
    """Importing `sessionkeeper` imports no pytest; only the kit does."""
    text = "import subprocess, sys\ndef test():\n    code = 'import sys, sessionkeeper; "
    text += 'sys.exit(any(name.startswith("pytest") for name in sys.modules))\'\n'
    text += "    assert subprocess.run([sys.executable, '-c', code]).returncode == 0\n"
    assert run_kit({"test_import.py": text}).returncode == 0
