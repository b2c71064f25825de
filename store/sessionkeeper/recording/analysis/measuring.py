"""Measures sessions: their calls, and what their servers put into a model's context."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from ...values.errors import SessionNotFound
from .context_cost import ContextCost
from .context_meter import ContextMeter
from .every_session import every_session
from .parties import server_name
from .statistics import CallStatistics, MethodStatistics
from .walking import walk

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.session import Session

__all__ = ["Measurements", "context_cost", "measure"]


class Measurements(msgspec.Struct, frozen=True):
    """What was measured of some sessions."""

    methods: tuple[MethodStatistics, ...]
    contexts: tuple[ContextCost, ...]


async def measure(
    store: AtomicSessionStore,
    sessions: Iterable[Session] | None = None,
    *,
    on_frames: Callable[[int], object] = lambda count: None,
) -> Measurements:
    """Read these sessions, or all, once, and measure calls and contexts. See `context_cost`.

    `on_frames` is called with the number of frames that were read since the last call.
    """
    counted, meter = CallStatistics(), ContextMeter()
    async for session in every_session(store, sessions):
        context = meter.begin(server_name(session))
        try:
            async for frame, touched in walk(store, session, on_frames=on_frames):
                ended = [each.snapshot(session.id) for each in touched if each.is_over]
                for call in ended:
                    counted.add(call)
                if frame is not None:
                    context.feed(frame, ended)
        except SessionNotFound:
            continue
    return Measurements(tuple(counted.rows()), tuple(meter.costs()))


async def context_cost(
    store: AtomicSessionStore, sessions: Iterable[Session] | None = None
) -> list[ContextCost]:
    """Measure what each server puts into a model's context, the costliest first.

    Of these sessions, or of all. A server is known by its name. Its definitions are those of its
    last list of tools, all pages of it; results and calls are added up over its sessions.

    Each log is read once, in pages; memory is bounded. A session that is deleted meanwhile counts
    as far as it was read. Not atomic. Raises `StoreUnavailable`, `StoreClosed`.
    """
    return list((await measure(store, sessions)).contexts)
