"""Young objects that calls on many sessions leave to the garbage collector: `python perf/young.py`.

Each kind of calls runs on 100,000 sessions, one call after the other. Times are processor time of
the thread. What is still young at the end is collected then; a program pays for it when its own
objects make a collection due.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from random import Random
from time import thread_time_ns

import uvloop
from harness import options
from sessionkeeper import ActorSessionStore, Session

SESSIONS = 100_000
CALLS = 40_000

Call = Callable[[ActorSessionStore, str, int], Awaitable[object]]


def modify(store: ActorSessionStore, name: str, **fields: object) -> Awaitable[object]:
    """Replace some fields."""
    return store.modify_session(name, lambda session: session.model_copy(update=fields))


KINDS: dict[str, tuple[tuple[int, Call], ...]] = {
    "touch and get": (
        (50, lambda store, name, _: store.touch_session(name)),
        (50, lambda store, name, _: store.get_session(name)),
    ),
    "touch, get, 5 % new tags": (
        (50, lambda store, name, _: store.touch_session(name)),
        (45, lambda store, name, _: store.get_session(name)),
        (5, lambda store, name, n: modify(store, name, tags={str(n)})),
    ),
    "touch, get, 5 % new text": (
        (50, lambda store, name, _: store.touch_session(name)),
        (45, lambda store, name, _: store.get_session(name)),
        (5, lambda store, name, n: modify(store, name, upstream_session_id=str(n))),
    ),
    "a state set, and get": (
        (50, lambda store, name, n: modify(store, name, metadata={"state": str(n)})),
        (50, lambda store, name, _: store.get_session(name)),
    ),
}


async def measure(store: ActorSessionStore, calls: tuple[tuple[int, Call], ...]) -> str:
    """Run calls; tell how many young objects there are then, and the pauses."""
    pauses: list[float] = []
    begun = 0

    def note(phase: str, _: object) -> None:
        nonlocal begun
        if phase == "start":
            begun = thread_time_ns()
        else:
            pauses.append((thread_time_ns() - begun) / 1e6)

    random = Random(1)
    works = random.choices([work for _, work in calls], [share for share, _ in calls], k=CALLS)
    names = [str(random.randrange(SESSIONS)) for _ in works]
    gc.collect()
    gc.callbacks.append(note)
    start = thread_time_ns()
    for n, (work, name) in enumerate(zip(works, names, strict=True)):
        await work(store, name, n)
    took = (thread_time_ns() - start) / CALLS / 1e3
    meanwhile = len(pauses)
    young = len(gc.get_objects(generation=0))
    gc.collect(0)
    gc.callbacks.remove(note)
    return (
        f"{took:6.2f} us a call, {meanwhile} collections, longest"
        f" {max(pauses[:meanwhile], default=0):.1f} ms; then {young:,} young,"
        f" collected in {pauses[-1]:.1f} ms"
    )


async def main() -> None:
    """Measure each kind twice: first on sessions that nobody has read yet."""
    async with ActorSessionStore() as store:
        for start in range(0, SESSIONS, 1_000):
            await asyncio.gather(
                *(
                    store.create_session(Session.new(transport_type="stdio", id=str(n)))
                    for n in range(start, start + 1_000)
                )
            )
        for what, calls in KINDS.items():
            for _ in range(2):
                print(f"{what:26} {await measure(store, calls)}", flush=True)


if __name__ == "__main__":
    options(__doc__).parse_args()
    uvloop.run(main())
