"""Makes LangGraph's tuples of what is stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from heapq import heappop, heappush

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol

from sessionkeeper import SessionNotFound

from .config import Address, config_of, read_address
from .latest import read_latest
from .reading import Moment, StoredCheckpoint, read_checkpoint
from .records import CheckpointRecord, entry_stream
from .threads import ThreadLogs, thread_session_id
from .walk import Descending, Entry

__all__ = ["get_tuple", "list_tuples"]


async def get_tuple(
    logs: ThreadLogs, serde: SerializerProtocol, address: Address
) -> CheckpointTuple | None:
    """Return one checkpoint, or the latest of a namespace, as of one moment."""
    thread_id, namespace, checkpoint_id = address
    session_id = thread_session_id(thread_id)
    found: StoredCheckpoint | None
    try:
        if checkpoint_id is None:
            found = await read_latest(logs, session_id, namespace)
        else:
            found = await read_checkpoint(logs.calls, session_id, namespace, checkpoint_id)
    except SessionNotFound:
        return None
    if found is None or found.record is None:
        return None
    return _tuple(serde, thread_id, namespace, found, found.record)


async def list_tuples(
    logs: ThreadLogs,
    serde: SerializerProtocol,
    config: RunnableConfig | None,
    wanted: Mapping[str, object],
    below: str | None,
) -> AsyncGenerator[CheckpointTuple]:
    """Yield checkpoints from the highest id, those of one thread after those of another.

    Those of a thread are what it held at one moment, without what is removed before its turn.
    Raises `SessionNotFound` if the one thread that `config` names is deleted meanwhile; of all
    threads, the rest of one that is deleted meanwhile is left out.
    """
    if config is not None:
        address = read_address(config)
        in_namespace = (config.get("configurable") or {}).get("checkpoint_ns") is not None
        namespace = address.namespace if in_namespace else None
        only, threads = address.checkpoint_id, _one(address.thread_id)
    else:
        namespace, only, threads = None, None, logs.find_threads()
    async with aclosing(threads):
        async for thread_id in threads:
            session = await logs.find(thread_id)
            if session is None:
                continue
            names = None if namespace is None else [namespace]
            moment = Moment.of(session)
            try:
                async with aclosing(_list_places(logs, moment, names, only)) as places:
                    async for name, checkpoint_id in places:
                        if below is not None and checkpoint_id >= below:
                            continue
                        found = await read_checkpoint(
                            logs.calls, session.id, name, checkpoint_id, at=moment
                        )
                        if found.record is not None and _fits(serde, found.record, wanted):
                            yield _tuple(serde, thread_id, name, found, found.record)
            except SessionNotFound:
                if config is not None:
                    raise
                # Of all threads one is gone: that says nothing of the others.


async def _list_places(
    logs: ThreadLogs, moment: Moment, names: Sequence[str] | None, only: str | None
) -> AsyncGenerator[tuple[str, str]]:
    """Yield namespaces, those that are named or all, with the ids of their checkpoints."""
    if names is None:
        names = await logs.namespaces(moment)
    places = _merge(logs, moment, names) if only is None else _places(names, only)
    async with aclosing(places):
        async for place in places:
            yield place


async def _one(thread_id: str) -> AsyncGenerator[str]:
    yield thread_id


async def _places(namespaces: Sequence[str], checkpoint_id: str) -> AsyncGenerator[tuple[str, str]]:
    for namespace in namespaces:
        yield namespace, checkpoint_id


async def _merge(
    logs: ThreadLogs, moment: Moment, namespaces: Sequence[str]
) -> AsyncGenerator[tuple[str, str]]:
    """Yield namespaces with the ids of their checkpoints, from the highest id."""
    async with AsyncExitStack() as stack:
        waiting: list[tuple[Descending, int]] = []
        walks: list[AsyncGenerator[Entry]] = []

        async def advance(place: int) -> None:
            entry = await anext(walks[place], None)
            if entry is not None:
                heappush(waiting, (Descending(entry.record.checkpoint_id), place))

        for place, namespace in enumerate(namespaces):
            walk = logs.walk(moment, entry_stream(namespace))
            walks.append(await stack.enter_async_context(aclosing(walk)))
            await advance(place)
        while waiting:
            checkpoint_id, place = heappop(waiting)
            yield namespaces[place], str(checkpoint_id)
            await advance(place)


def _fits(
    serde: SerializerProtocol, record: CheckpointRecord, wanted: Mapping[str, object]
) -> bool:
    if not wanted:
        return True
    metadata: Mapping[str, object] = serde.loads_typed(record.metadata)
    return all(metadata.get(key) == wanted[key] for key in wanted)


def _tuple(
    serde: SerializerProtocol,
    thread_id: str,
    namespace: str,
    found: StoredCheckpoint,
    record: CheckpointRecord,
) -> CheckpointTuple:
    metadata: CheckpointMetadata = serde.loads_typed(record.metadata)
    parent = record.parent_id
    return CheckpointTuple(
        config=config_of(thread_id, namespace, record.checkpoint_id),
        checkpoint=serde.loads_typed(record.checkpoint),
        metadata=metadata,
        parent_config=config_of(thread_id, namespace, parent) if parent else None,
        pending_writes=[
            (task_id, channel, serde.loads_typed((form, value)))
            for _, task_id, _, channel, form, value in found.writes
        ],
    )
