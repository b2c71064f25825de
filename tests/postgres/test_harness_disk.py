"""The small disk of the tests gets full, and a server on it says so."""

from __future__ import annotations

import asyncpg
import pytest
from postgres_disk import small_disk
from postgres_folders import ServerFolders
from postgres_server import PostgresServer

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


def test_a_server_on_a_full_disk_refuses_to_write(postgres_folders: ServerFolders) -> None:
    """It goes on when there is room again, and has kept what it acknowledged."""
    with small_disk(postgres_folders, 160) as disk:
        server = PostgresServer(postgres_folders, folder=postgres_folders.fresh(disk.folder))
        try:
            server.start()
            server.psql("CREATE TABLE things (n int, filling text)")
            server.psql("INSERT INTO things VALUES (1, 'x')")
            disk.fill(leave=100_000)
            with pytest.raises(asyncpg.DiskFullError):
                server.psql(
                    "INSERT INTO things SELECT g, repeat('x', 900) FROM generate_series(2, 5000) g"
                )
            assert server.psql("SELECT count(*) FROM things") == "1"
            disk.free()
            server.psql("INSERT INTO things VALUES (2, 'y')")
            assert server.psql("SELECT count(*) FROM things") == "2"
        finally:
            server.close()


def test_a_disk_is_filled_to_the_byte_and_freed(postgres_folders: ServerFolders) -> None:
    """In whole pages."""
    with small_disk(postgres_folders, 4) as disk:
        assert disk.left == 4 << 20
        disk.fill(leave=8192)
        assert disk.left == 8192
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(b"x")
        disk.free()
        (disk.folder / "more").write_bytes(b"x")


def test_a_missing_right_to_mount_skips_by_name(
    postgres_folders: ServerFolders,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It says why."""
    programs = tmp_path_factory.mktemp("programs")
    (programs / "mount").write_text("#!/bin/sh\necho must be superuser >&2\nexit 1\n")
    (programs / "mount").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    with (
        pytest.raises(pytest.skip.Exception, match="must be superuser"),
        small_disk(postgres_folders, 4),
    ):
        pass
