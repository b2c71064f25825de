"""Records calls of savers as a history, and the model of one thread that judges it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Hashable, Sequence
from itertools import count
from typing import Any, ClassVar, TypeAlias, cast

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from sessionkeeper import SessionNotFound
from sessionlab import Model, Operation, Outcome, Plain

from .checkpoints import at, ids, put

__all__ = ["ThreadModel", "record"]

Ids: TypeAlias = tuple[tuple[str, int], ...]
Writes: TypeAlias = tuple[tuple[tuple[str, str], int], ...]
State: TypeAlias = tuple[Ids, Writes]
"""The value of each checkpoint by its id, and the first value of each task's write by both."""


class ThreadModel(Model[State]):
    """One thread, one namespace: the latest is the highest, a write is stored once."""

    name: ClassVar[str] = "checkpoints"

    def init(self) -> State:
        return (), ()

    def step(self, state: State, operation: Operation, /) -> Sequence[State]:
        checkpoints, writes = dict(state[0]), dict(state[1])
        argument, name = cast("tuple[Any, ...]", operation.argument), operation.name
        if name == "delete":
            return [((), ())]
        if name == "put":
            checkpoints[argument[0]] = argument[1]
        elif name == "write":
            writes.setdefault((argument[0], argument[1]), argument[2])
        elif operation.result != self.answer(state, operation):
            return []
        return [(tuple(sorted(checkpoints.items())), tuple(sorted(writes.items())))]

    def answer(self, state: State, operation: Operation) -> Plain:
        checkpoints = dict(state[0])
        if operation.name == "list":
            return tuple(sorted(checkpoints, reverse=True))
        wanted = operation.argument[0] if isinstance(operation.argument, tuple) else None
        if operation.name == "latest":
            wanted = max(checkpoints, default=None)
        if not isinstance(wanted, str) or wanted not in checkpoints:
            return None
        writes = tuple((task, value) for (owner, task), value in state[1] if owner == wanted)
        return wanted, checkpoints[wanted], writes

    def key(self, operation: Operation, /) -> tuple[Hashable, ...]:
        return ("the thread",)

    def is_read(self, operation: Operation, /) -> bool:
        return operation.name in ("latest", "get", "list")

    def is_evidence(self, operation: Operation, /) -> bool:
        return operation.outcome is not Outcome.FAILED

    def describe(self, state: State, /) -> str:
        return f"the thread holds {state}"

    def explain(self, state: State, operation: Operation, /) -> str:
        return f"{operation.name} answered {operation.result}, not {self.answer(state, operation)}"


def shown(found: CheckpointTuple | None) -> Plain:
    """Return what a model says of a tuple."""
    if found is None:
        return None
    writes = tuple((task, value) for task, _, value in found.pending_writes or [])
    return found.checkpoint["id"], found.checkpoint["channel_values"]["value"], writes


async def record(
    savers: Sequence[BaseCheckpointSaver[Any]], *, seed: int, clients: int = 5, each: int = 8
) -> list[Operation]:
    """Let clients call savers on one thread at random; a part of the writes is cancelled."""
    chance, clock = random.Random(seed), count()
    numbers = chance.sample(range(100, 999), k=clients * each)
    stored: list[str] = []
    history: list[Operation] = []

    async def one(client: int) -> None:
        saver = savers[client % len(savers)]
        for turn in range(each):
            number = numbers[client * each + turn]
            checkpoint_id = chance.choice(stored) if stored else "100"
            kind = chance.choices(
                ("put", "write", "latest", "get", "list", "delete"), (8, 4, 8, 4, 2, 1)
            )[0]
            argument: Plain = None
            call: Awaitable[Any]
            if kind == "put":
                name = checkpoint_id if chance.random() < 0.2 else str(number)
                stored.append(name)
                argument, call = (name, number), put(saver, name, value=number)
            elif kind == "write":
                task = f"task-{chance.randrange(2)}"
                argument = (checkpoint_id, task, number)
                call = saver.aput_writes(at(checkpoint_id=checkpoint_id), [("a", number)], task)
            elif kind == "get":
                argument = (checkpoint_id,)
                call = saver.aget_tuple(at(checkpoint_id=checkpoint_id))
            elif kind == "latest":
                call = saver.aget_tuple(at())
            elif kind == "list":
                call = ids(saver)
            else:
                call = saver.adelete_thread("t")
            steps = chance.randrange(12) if kind in ("put", "write") else 1_000
            begun = next(clock)
            task_of_call = asyncio.ensure_future(call)
            if chance.random() < 0.2:
                for _ in range(steps):
                    await asyncio.sleep(0)
                task_of_call.cancel()
            result: Plain = None
            outcome = Outcome.OK
            try:
                found: Any = await task_of_call
                if kind == "list":
                    result = tuple(found)
                elif kind in ("latest", "get"):
                    result = shown(found)
            except asyncio.CancelledError:
                outcome = Outcome.UNKNOWN
            except SessionNotFound:  # the thread was deleted while it was listed
                outcome = Outcome.FAILED
            history.append(
                Operation(
                    client=client,
                    name=kind,
                    argument=argument,
                    result=result,
                    call=begun,
                    returned=next(clock),
                    outcome=outcome,
                )
            )

    await asyncio.gather(*(one(client) for client in range(clients)))
    return sorted(history, key=lambda operation: operation.call)
