"""The counters of a store as `stats` prints them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ..values.statistics import PostgresStatistics, ServerStatistics, StoreStatistics
from .console import print_line

__all__ = ["print_store_statistics", "store_fields"]


def store_fields(found: StoreStatistics) -> dict[str, object]:
    """Return the counters as JSON has them."""
    return {
        **_numbers(found),
        "file": {} if found.file is None else dataclasses.asdict(found.file),
        "server": {} if found.server is None else dataclasses.asdict(found.server),
    }


def print_store_statistics(found: StoreStatistics) -> None:
    """Print the counters, and what is to be said about the file or the server."""
    from rich.console import Console
    from rich.table import Table

    from ..printing import styled

    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(justify="right")
    file = {} if found.file is None else dataclasses.asdict(found.file)
    counts = {f"file {each}": n for each, n in file.items() if isinstance(n, int)}
    for name, number in (*_numbers(found).items(), *counts.items()):
        written = "unknown" if number is None else f"{number:,}"
        table.add_row(styled(name.replace("_", " ")), styled(written))
    Console().print(table)
    if found.file is not None and found.file.library:
        print_line(f"SQLite: {found.file.library}")
        for warning in found.file.warnings:
            print_line(f"warning: {warning}")
    if found.server is not None:
        for line in _server_lines(found.server):
            print_line(line)


def _numbers(found: StoreStatistics) -> dict[str, int | None]:
    return {
        "sessions": sum(found.sessions.values()),
        **{state.value: count for state, count in found.sessions.items()},
        "frames": found.frames,
        "odd_frames_added": found.counters.odd_frames_added,
        "gap_frames_added": found.counters.gap_frames_added,
        "contents_removed": found.counters.contents_removed,
        "bytes": found.bytes,
    }


def _server_lines(server: ServerStatistics | PostgresStatistics) -> Iterator[str]:
    yield from _redis_lines(server) if isinstance(server, ServerStatistics) else _lines(server)
    for warning in server.warnings:
        yield f"warning: {warning}"


def _redis_lines(server: ServerStatistics) -> Iterator[str]:
    limit = f"{server.maxmemory:,} bytes" if server.maxmemory else "no limit"
    yield f"server: {server.product} {server.version}{', a cluster' if server.cluster else ''}"
    yield f"buckets: {server.buckets}"
    yield f"replicas: {server.replicas}"
    yield f"acknowledged means: {server.acknowledged}"
    yield f"there again after a kill: {server.durability}"
    yield f"memory: {limit}, then {server.eviction}"
    if server.ttl is not None:
        yield f"sessions are freed: {server.ttl:g} seconds after the last write to them"


def _lines(server: PostgresStatistics) -> Iterator[str]:
    tls = "with TLS" if server.encrypted else "without TLS"
    yield f"server: {server.product} {server.version}, {tls}, as role {server.role}"
    yield f"replicas: {server.replicas}, synchronous: {server.synchronous_standbys or 'none'}"
    yield f"acknowledged means: {server.acknowledged}"
    yield f"there again after a power cut: {server.durability}"
    yield f"isolation: {server.isolation}"
    for name, seconds in server.timeouts.items():
        yield f"{name}: {'no limit' if seconds is None else f'{seconds:g} seconds'}"
