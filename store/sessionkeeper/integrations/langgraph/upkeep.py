"""Takes checkpoints out of threads.

A checkpoint leaves a thread in one step, with its writes and its entry. The steps of one call are
not one step: a call that was cut short took out some, and may be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing, suppress

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol

from sessionkeeper import LimitExceeded, SessionClosed, SessionNotFound

from .reading import Moment, read_checkpoint, read_stream
from .records import (
    NAMESPACES,
    CheckpointRecord,
    EntryRecord,
    NamespacesRecord,
    entry_stream,
    pack,
)
from .threads import ThreadLogs

__all__ = ["delete_for_runs", "prune_threads"]

_AT_ONCE = 500
"""Frames that one step removes, if it is of more than one checkpoint."""

Entries = dict[str, list[tuple[int, EntryRecord]]]
"""The entries of a namespace by the id of their checkpoint, each with its number."""


async def prune_threads(
    logs: ThreadLogs, serde: SerializerProtocol, thread_ids: Sequence[str], strategy: str
) -> None:
    """Prune threads as LangGraph's strategy says. Raises `ValueError` for another one."""
    if strategy not in ("keep_latest", "delete"):
        raise ValueError("a strategy is 'keep_latest' or 'delete'")
    for thread_id in thread_ids:
        if strategy == "delete":
            await logs.delete(str(thread_id))
        else:
            with suppress(SessionNotFound):  # deleted meanwhile
                await _prune(logs, serde, str(thread_id))


async def delete_for_runs(logs: ThreadLogs, run_ids: Sequence[str]) -> None:
    """Remove from all threads what these runs made."""
    chosen = frozenset(str(run_id) for run_id in run_ids)
    if not chosen:
        return
    async with aclosing(logs.find_threads()) as threads:
        async for thread_id in threads:
            with suppress(SessionNotFound):  # deleted meanwhile
                await _remove_runs(logs, thread_id, chosen)


async def _prune(logs: ThreadLogs, serde: SerializerProtocol, thread_id: str) -> None:
    """Keep the latest checkpoint of each namespace, and those that its delta channels need."""
    session = await logs.find(thread_id)
    if session is None:
        return
    moment = Moment.of(session)
    for namespace in await logs.namespaces(moment):
        entries = await _entries(logs, moment, namespace)
        kept = await _needed(logs, serde, moment, namespace, sorted(entries, reverse=True))
        await _remove(logs, moment, namespace, entries, entries.keys() - kept)
    await _shorten(logs, moment)


async def _remove_runs(logs: ThreadLogs, thread_id: str, run_ids: Collection[str]) -> None:
    """Remove the checkpoints that these runs made from a thread."""
    session = await logs.find(thread_id)
    if session is None:
        return
    moment = Moment.of(session)
    found = False
    for namespace in await logs.namespaces(moment):
        entries = await _entries(logs, moment, namespace)
        chosen = {key for key, those in entries.items() if max(those)[1].run_id in run_ids}
        await _remove(logs, moment, namespace, entries, chosen)
        found = found or bool(chosen)
    if found:
        await _shorten(logs, moment)


async def _entries(logs: ThreadLogs, moment: Moment, namespace: str) -> Entries:
    entries = Entries()
    for seq, record in await read_stream(
        logs.calls, moment.session_id, entry_stream(namespace), at=moment
    ):
        if isinstance(record, EntryRecord):
            entries.setdefault(record.checkpoint_id, []).append((seq, record))
    return entries


async def _needed(
    logs: ThreadLogs,
    serde: SerializerProtocol,
    moment: Moment,
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
        latest = await read_checkpoint(
            logs.calls, moment.session_id, namespace, checkpoint_id, at=moment
        )
        if latest.record is not None:
            kept.add(checkpoint_id)
            missing = _delta_channels(serde, latest.record) - _values(serde, latest.record)
            parent = latest.record.parent_id
            break
    while missing and parent is not None and parent not in kept:
        kept.add(parent)
        found = await read_checkpoint(logs.calls, moment.session_id, namespace, parent, at=moment)
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
    logs: ThreadLogs, moment: Moment, namespace: str, entries: Entries, chosen: Collection[str]
) -> None:
    """Remove checkpoints with their writes and entries, the oldest first."""
    group: list[int] = []
    for checkpoint_id in sorted(chosen):
        found = await read_checkpoint(
            logs.calls, moment.session_id, namespace, checkpoint_id, incarnation=moment.incarnation
        )
        # First what shows it, for a store in which not all can go in one step.
        seqs = [*(seq for seq, _ in entries[checkpoint_id]), *found.seqs]
        if group and len(group) + len(seqs) > _AT_ONCE:
            await logs.remove(moment, group)
            group = []
        group += seqs
    if group:
        await logs.remove(moment, group)


async def _shorten(logs: ThreadLogs, moment: Moment) -> None:
    """Trim what was removed at the beginning of a log, so that it does not only grow.

    The frames that name the namespaces stand there: they are written anew first.
    """
    named = await read_stream(logs.calls, moment.session_id, NAMESPACES, at=moment)
    if not named:
        return
    names = {n for _, r in named if isinstance(r, NamespacesRecord) for n in r.namespaces}
    anew = [pack(moment.session_id, NAMESPACES, NamespacesRecord(sorted(names)))]
    try:
        await logs.append(moment.session_id, moment.incarnation, anew)
    except SessionClosed:
        return  # it does not grow
    except LimitExceeded:  # the log is full
        # Without room the names stay where they are: nothing else says them.
        if not await _make_room(logs, moment, {seq for seq, _ in named}):
            return
        await logs.append(moment.session_id, moment.incarnation, anew)
    await logs.remove(moment, [seq for seq, _ in named])
    await _trim(logs, moment, await logs.find_removed_beginning(moment))


async def _make_room(logs: ThreadLogs, moment: Moment, named: set[int]) -> bool:
    """Trim what was removed before the names, else with the names; tell whether there is room."""
    up_to = await logs.find_removed_beginning(moment)
    if not up_to:
        up_to = await logs.find_removed_beginning(moment, named)
        if up_to < max(named):  # something that is kept stands before some of them
            return False
    await _trim(logs, moment, up_to)
    return True


async def _trim(logs: ThreadLogs, moment: Moment, up_to: int) -> None:
    if up_to:
        await logs.calls.trim_frames(moment.session_id, up_to=up_to, incarnation=moment.incarnation)
