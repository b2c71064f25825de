"""A disk that is really full, and a file that may really not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WORKER = str(Path(__file__).with_name("full_disk_worker.py"))
MOUNT = 'mount -t tmpfs -o size=5m none "$0" && exec "$@"'


def work(*command: str) -> subprocess.CompletedProcess[str]:
    """Run the worker to its end."""
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_full_disk_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    """Nothing of what was refused is there, reads go on, and with room again so do writes.

    On a small file system of its own, which goes with the process; where nobody may mount one, the
    files may not grow, which the store takes for a disk that failed.
    """
    arguments = (sys.executable, WORKER, "disk", str(tmp_path / "store.db"))
    for namespace in ("-m", "-Urm"):  # as root, or as one who may be root among themselves
        done = work("unshare", namespace, "sh", "-c", MOUNT, str(tmp_path), *arguments)
        if done.stdout or "Traceback" in done.stderr:
            assert done.stdout.splitlines() == ["refused: the disk is full; None", "whole: True"], (
                done.stderr
            )
            assert list(tmp_path.iterdir()) == []  # it was on the other file system
            return
    test_a_file_that_may_not_grow_closes_the_store_for_writing(tmp_path)


def test_a_file_that_may_not_grow_closes_the_store_for_writing(tmp_path: Path) -> None:
    """The system says that it is too large, which no space will mend."""
    done = work(sys.executable, WORKER, "limit", str(tmp_path / "store.db"))
    refused, whole = done.stdout.splitlines()
    # In a checkpoint before the append, or in the append's own commit.
    assert refused in (
        "refused: closed for writing: the disk failed; the disk failed",
        "refused: the outcome of the operation is not known; the disk failed",
    )
    assert whole == "whole: True"
