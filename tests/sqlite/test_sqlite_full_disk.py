"""A disk that is really full, and a file that may really not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOM_WORKER = str(Path(__file__).with_name("disk_room_worker.py"))
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


def work_on_small_disk(folder: Path, what: str) -> list[str]:
    """Run the worker on a small file system of its own, which goes with the process.

    Returns the lines that it prints; none where nobody may mount one.
    """
    arguments = (sys.executable, WORKER, what, str(folder / "store.db"))
    for namespace in ("-m", "-Urm"):  # as root, or as one who may be root among themselves
        done = work("unshare", namespace, "sh", "-c", MOUNT, str(folder), *arguments)
        if done.stdout or "Traceback" in done.stderr:
            assert done.returncode == 0, done.stderr
            assert list(folder.iterdir()) == []  # it was on the other file system
            return done.stdout.splitlines()
    return []


def test_a_full_disk_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    """Nothing of what was refused is there, reads go on, and with room again so do writes.

    Where nobody may mount a file system, the files may not grow, which the store takes for a disk
    that failed.
    """
    if lines := work_on_small_disk(tmp_path, "disk"):
        refused, whole = lines
        assert refused.startswith("refused: the disk is full")
        assert refused.endswith("; None")
        assert whole == "whole: True"
    else:
        test_a_file_that_may_not_grow_closes_the_store_for_writing(tmp_path)


def test_a_full_disk_takes_what_makes_room(tmp_path: Path) -> None:
    """Frames and sessions can be removed, and the freed room is used again, repeatedly."""
    lines = work_on_small_disk(tmp_path, "room")
    if not lines:
        pytest.skip("no file system may be mounted here")
    assert lines == ["rounds: True", "whole: True"]


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


@pytest.mark.parametrize("size", [2_000, 60_000], ids=["small frames", "large frames"])
@pytest.mark.parametrize("who", ["own", "others"])
def test_room_can_be_made_whoever_filled_the_disk(who: str, size: int, tmp_path: Path) -> None:
    """Trimming, ending, purging and deleting; also after opening the store again."""
    arguments = (sys.executable, ROOM_WORKER, who, str(tmp_path), str(size))
    for namespace in ("-m", "-Urm"):
        done = work("unshare", namespace, "sh", "-c", MOUNT, str(tmp_path), *arguments)
        if done.stdout or "Traceback" in done.stderr:
            lines = ["trimmed", "ended and purged", "deleted", "whole"]
            assert done.stdout.splitlines() == lines, done.stderr
            return
    pytest.skip("no file system may be mounted here")
