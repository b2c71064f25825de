"""Adds, pops and turns of many tasks on conversations; prints what was acknowledged and refused.

Arguments: `ours` and the URL of a store, or a class of the SDK and a path or URL; the name of the
process; the numbers of tasks and of conversations.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import redis.asyncio as redis
from agents import Session, SQLiteSession
from agents.extensions.memory import AsyncSQLiteSession, RedisSession
from sessionkeeper import StorageFactory
from sessionkeeper.integrations.openai_agents import StoreSession

EACH = 5


@asynccontextmanager
async def open_sessions(
    side: str, place: str, names: Sequence[str]
) -> AsyncIterator[list[Session]]:
    """Open conversations of one of them: on one store, in one file, or with one client."""
    async with AsyncExitStack() as stack:
        sessions: list[Session] = []
        if side == "ours":
            store = await stack.enter_async_context(await StorageFactory.create(place))
            sessions += (StoreSession(name, store) for name in names)
        elif side == "SQLiteSession":
            for name in names:
                blocking = SQLiteSession(name, place)
                stack.callback(blocking.close)
                sessions.append(blocking)
        elif side == "AsyncSQLiteSession":
            for name in names:
                awaited = AsyncSQLiteSession(name, place)
                stack.push_async_callback(awaited.close)
                sessions.append(awaited)
        else:
            client = redis.Redis.from_url(place)
            stack.push_async_callback(client.aclose)
            sessions += (RedisSession(name, redis_client=client) for name in names)
        yield sessions


async def work(sessions: Sequence[Session], name: str, tasks: int) -> dict[str, Any]:
    """Let each task add pairs of items, take out one, and take a turn; report what came of it."""
    added: list[str] = []
    popped: list[str] = []
    refused: Counter[str] = Counter()

    async def one(task: int) -> None:
        session = sessions[task % len(sessions)]
        for turn in range(EACH):
            texts = [f"{name}-{task}-{turn}-{part}" for part in ("question", "answer")]
            items: Any = [{"role": "user", "content": text} for text in texts]
            try:
                await session.add_items(items)
            except Exception as error:
                refused[type(error).__name__] += 1
            else:
                added.extend(texts)
        try:
            item: Any = await session.pop_item()
        except Exception as error:
            refused[type(error).__name__] += 1
        else:
            popped.append(item["content"])

    async def take_turn(task: int) -> None:
        session = sessions[task % len(sessions)]
        question, answer = (f"{name}-{task}-turn-{part}" for part in ("question", "answer"))

        async def ask(session: Session) -> None:
            await session.add_items([{"role": "user", "content": question}])
            await asyncio.sleep(0)  # the model thinks
            await session.add_items([{"role": "user", "content": answer}])

        try:
            if isinstance(session, StoreSession):
                async with session.turn() as turn:
                    await ask(turn)
            else:
                await ask(session)
        except Exception as error:
            refused[type(error).__name__] += 1
        else:
            added.extend((question, answer))

    await asyncio.gather(*(one(task) for task in range(tasks)))
    await asyncio.gather(*(take_turn(task) for task in range(tasks)))
    return {"added": added, "popped": popped, "refused": dict(refused)}


async def main(side: str, place: str, name: str, tasks: str, conversations: str) -> None:
    names = [f"shared-{number}" for number in range(int(conversations))]
    async with open_sessions(side, place, names) as sessions:
        print(json.dumps(await work(sessions, name, int(tasks))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
