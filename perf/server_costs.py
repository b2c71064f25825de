"""What each operation costs the server, in its own processor's time: the base of any sizing.

The least of several rounds: what else a machine does adds to it, nothing takes away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from harness import Number, throughput
from redis.asyncio import Redis
from server_sides import Scene, opened
from sessionkeeper import Session, SessionQuery

__all__ = ["cost_of_each_operation", "server_seconds"]

CALLERS = 64
ROUNDS = 7
Operation: TypeAlias = Callable[[Scene, int], Awaitable[object]]


async def server_seconds(client: Redis) -> float:
    """What the server's main thread has worked since it began, in seconds to the microsecond."""
    info: dict[str, Any] = await client.info("cpu")
    own: float = info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]
    return own


async def _create(scene: Scene, _: int) -> None:
    await scene.store.create_session(Session.new(transport_type="stdio", principal="p"))


async def _create_and_delete(scene: Scene, _: int) -> None:
    session = await scene.store.create_session(Session.new(transport_type="stdio"))
    await scene.store.delete_session(session.id)


async def _update(scene: Scene, caller: int) -> None:
    await scene.store.modify_session(scene.ids[caller], _renamed)


def _renamed(session: Session) -> Session:
    return session.model_copy(update={"failure": "seen"})


OPERATIONS: tuple[tuple[str, int, Operation], ...] = (
    ("get_session", 3_200, lambda scene, n: scene.get(n)),
    ("touch_session", 3_200, lambda scene, n: scene.store.touch_session(scene.ids[n])),
    ("add_frame of 1 KB", 3_200, lambda scene, n: scene.add(n)),
    (
        "add_frames of 64, 1 KB each",
        320,
        lambda scene, n: scene.store.add_frames(scene.ids[n], [scene.envelopes[n]] * 64),
    ),
    ("modify_session", 3_200, _update),
    ("create_session", 1_600, _create),
    ("create_session and delete_session", 1_600, _create_and_delete),
    ("count_frames", 3_200, lambda scene, n: scene.store.count_frames(scene.ids[n])),
    (
        "read_frames of 100, 1 KB each",
        320,
        lambda scene, n: scene.store.read_frames(scene.ids[n], after=0, limit=100),
    ),
    (
        "find_sessions, a page of 100",
        128,
        lambda scene, _: scene.store.find_sessions(SessionQuery(), limit=100),
    ),
)


async def cost_of_each_operation(url: str) -> list[Number]:
    """64 callers, each on its own session; then one caller, who shares a script with nobody."""
    numbers: list[Number] = []
    async with opened(url, CALLERS) as scene, Redis.from_url(url) as client:
        for name, total, operation in OPERATIONS:
            numbers.append(await _cost(name, scene, client, operation, CALLERS, total))
        alone = OPERATIONS[2][2]
        name = "add_frame of 1 KB, one caller"
        numbers.append(await _cost(name, scene, client, alone, 1, 800))
    return numbers


async def _cost(
    name: str, scene: Scene, client: Redis, operation: Operation, callers: int, total: int
) -> Number:
    each: list[float] = []
    for _ in range(ROUNDS):
        before = await server_seconds(client)
        await throughput(lambda n: operation(scene, n), callers, total)
        each.append((await server_seconds(client) - before) / total * 1e6)
    shown = f"{min(each):8.1f} µs  (to {max(each):.1f})"
    return Number(f"the server's work for {name}", "", shown, reached=True)
