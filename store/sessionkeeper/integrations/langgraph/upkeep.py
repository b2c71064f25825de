"""Takes checkpoints out of threads.

A checkpoint leaves a thread in one step, with its writes and its entry. The steps of one call are
not one step: a call that was cut short took out some, and may be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol

from sessionkeeper import LimitExceeded, Session, SessionClosed

from .records import (
    NAMESPACES,
    CheckpointRecord,
    EntryRecord,
    NamespacesRecord,
    entry_stream,
    pack,
)
from .threads import ThreadLogs

__all__ = ["prune_thread", "remove_runs"]

_AT_ONCE = 500
"""Frames that one step removes, if it is of more than one checkpoint."""

Entries = dict[str, list[tuple[int, EntryRecord]]]
"""The entries of a namespace by the id of their checkpoint, each with its number."""


async def prune_thread(logs: ThreadLogs, serde: SerializerProtocol, thread_id: str) -> None:
    """Keep the latest checkpoint of each namespace, and those that its delta channels need."""
    session = await logs.find(thread_id)
    if session is None:
        return
    for namespace in await logs.namespaces(session):
        entries = await _entries(logs, session, namespace)
        kept = await _needed(logs, serde, session, namespace, sorted(entries, reverse=True))
        await _remove(logs, session, namespace, entries, entries.keys() - kept)
    await _shorten(logs, session)


async def remove_runs(logs: ThreadLogs, thread_id: str, run_ids: Collection[str]) -> None:
    """Remove the checkpoints that these runs made from a thread."""
    session = await logs.find(thread_id)
    if session is None:
        return
    found = False
    for namespace in await logs.namespaces(session):
        entries = await _entries(logs, session, namespace)
        chosen = {key for key, those in entries.items() if max(those)[1].run_id in run_ids}
        await _remove(logs, session, namespace, entries, chosen)
        found = found or bool(chosen)
    if found:
        await _shorten(logs, session)


async def _entries(logs: ThreadLogs, session: Session, namespace: str) -> Entries:
    entries = Entries()
    for seq, record in await logs.read_stream(session.id, entry_stream(namespace), at=session):
        if isinstance(record, EntryRecord):
            entries.setdefault(record.checkpoint_id, []).append((seq, record))
    return entries


async def _needed(
    logs: ThreadLogs,
    serde: SerializerProtocol,
    session: Session,
    namespace: str,
    ids: Iterable[str],
) -> set[str]:
    """Find the latest of these checkpoints and what it is rebuilt from; `ids` begin with it.

    A delta channel is rebuilt from the writes since the nearest ancestor that has its value.
    """
    kept = set[str]()
    missing: set[str] | None = None
    parent: str | None = None
    for checkpoint_id in ids:
        latest = await logs.read_checkpoint(session.id, namespace, checkpoint_id, at=session)
        if latest.record is not None:
            kept.add(checkpoint_id)
            missing = _delta_channels(serde, latest.record) - _values(serde, latest.record)
            parent = latest.record.parent_id
            break
    while missing and parent is not None and parent not in kept:
        kept.add(parent)
        found = await logs.read_checkpoint(session.id, namespace, parent, at=session)
        if found.record is None:
            break
        missing -= _values(serde, found.record)
        parent = found.record.parent_id
    return kept


def _delta_channels(serde: SerializerProtocol, record: CheckpointRecord) -> set[str]:
    metadata: CheckpointMetadata = serde.loads_typed(record.metadata)
    return set(metadata.get("counters_since_delta_snapshot") or ())


def _values(serde: SerializerProtocol, record: CheckpointRecord) -> set[str]:
    checkpoint: Checkpoint = serde.loads_typed(record.checkpoint)
    return set(checkpoint.get("channel_values") or ())


async def _remove(
    logs: ThreadLogs, session: Session, namespace: str, entries: Entries, chosen: Collection[str]
) -> None:
    """Remove checkpoints with their writes and entries, the oldest first."""
    group: list[int] = []
    for checkpoint_id in sorted(chosen):
        found = await logs.read_checkpoint(session.id, namespace, checkpoint_id)
        seqs = [*found.seqs, *(seq for seq, _ in entries[checkpoint_id])]
        if group and len(group) + len(seqs) > _AT_ONCE:
            await logs.remove(session, group)
            group = []
        group += seqs
    if group:
        await logs.remove(session, group)


async def _shorten(logs: ThreadLogs, session: Session) -> None:
    """Trim what was removed at the beginning of a log, so that it does not only grow.

    The frames that name the namespaces stand there: they are written anew first.
    """
    named = await logs.read_stream(session.id, NAMESPACES, at=session)
    if not named:
        return
    names = {n for _, r in named if isinstance(r, NamespacesRecord) for n in r.namespaces}
    anew = [pack(session.id, NAMESPACES, NamespacesRecord(sorted(names)))]
    try:
        await logs.calls.add_frames(session.id, anew)
    except SessionClosed:
        return  # it does not grow
    except LimitExceeded:  # the log is full: make room first
        await logs.remove(session, [seq for seq, _ in named])
        await _trim(logs, session)
        await logs.calls.add_frames(session.id, anew)
    else:
        await logs.remove(session, [seq for seq, _ in named])
        await _trim(logs, session)


async def _trim(logs: ThreadLogs, session: Session) -> None:
    up_to = await logs.find_removed_beginning(session)
    if up_to:
        await logs.calls.trim_frames(session.id, up_to=up_to)
