"""How fast a design is: so many callers, each waiting for its reply before it asks again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from time import perf_counter

from ..atomic import AtomicSessionStore
from ..errors import SessionError
from ..interface import SessionStore
from .catalogue import Design
from .cells import LoopFactory
from .clients import add_one, new, note
from .results import Speed

__all__ = ["measured"]

_CALLERS = 64
_SESSIONS = 8
_ROUNDS = 2


def measured(
    design: Design, loops: Mapping[str, LoopFactory], *, seconds: float
) -> tuple[Speed, ...]:
    """Measure a design on each loop for so long, in turns; nothing for one that does no operation.

    What is refused is not counted. Raises what the store raises beside refusals, `RuntimeError`
    where a loop runs.
    """
    taken: dict[str, list[float]] = {name: [] for name in loops}
    lasted = dict.fromkeys(loops, 0.0)
    for _ in range(_ROUNDS):
        for name, factory in loops.items():
            begun = perf_counter()
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(_round(design, taken[name], seconds / _ROUNDS))
            lasted[name] += perf_counter() - begun
    return tuple(
        _speed(name, sorted(times), lasted[name]) for name, times in taken.items() if times
    )


def _speed(name: str, times: list[float], seconds: float) -> Speed:
    return Speed(
        loop=name,
        operations_per_second=len(times) / seconds,
        p50_us=times[len(times) // 2] * 1e6,
        p99_us=times[len(times) * 99 // 100] * 1e6,
    )


async def _round(design: Design, taken: list[float], seconds: float) -> None:
    async with AsyncExitStack() as stack:
        store = (design.measured or design.make)(None)
        if isinstance(store, AtomicSessionStore):
            await stack.enter_async_context(store)
        for number in range(_SESSIONS):
            await store.create_session(new(f"s{number}"))
        until = perf_counter() + seconds
        await asyncio.gather(
            *(_caller(store, f"s{number % _SESSIONS}", until, taken) for number in range(_CALLERS))
        )


async def _caller(store: SessionStore, session_id: str, until: float, taken: list[float]) -> None:
    """Read, append, change; a plain store changes by compare and set."""
    envelope = note(session_id, "a message of the usual length, as far as there is one")
    changes = isinstance(store, AtomicSessionStore)
    now = perf_counter()
    while now < until:
        # A store that never awaits would let no other caller in.
        await asyncio.sleep(0)
        for step in range(3):
            begun = perf_counter()
            try:
                if step == 0:
                    await store.get_session(session_id)
                elif step == 1:
                    await store.add_frame(envelope)
                elif changes and isinstance(store, AtomicSessionStore):
                    await store.modify_session(session_id, add_one)
                else:
                    await store.update_session(add_one(await store.get_session(session_id)))
            except NotImplementedError:
                changes = False
            except SessionError:
                pass
            else:
                taken.append(perf_counter() - begun)
        now = perf_counter()
