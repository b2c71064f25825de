"""A page of a million sessions, and how long the server serves nobody else meanwhile."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from harness import Number
from redis.asyncio import Redis
from server_costs import server_seconds
from server_growth import used
from server_sides import Scene, opened
from sessionkeeper import SessionQuery

__all__ = ["find_among_a_million"]

SESSIONS = 1_000_000
PAGE = 100
PAGES = 200

# The keys that creating each of them would make, copied from the one that the store created.
FILL = """
local meta, order, idle, ages = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local row = redis.call('HGETALL', KEYS[5])
local field = {}
for i = 1, #row, 2 do field[row[i]] = i + 1 end
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local id = string.format('%s%07d', ARGV[3], i)
  local at = string.format('%.0f', row[field.c] + i)
  local mine = { unpack(row) }
  mine[field.n], mine[field.r], mine[field.c], mine[field.a] = i, i, at, at
  redis.call('HSET', ARGV[4] .. id, unpack(mine))
  redis.call('ZADD', order, i, id)
  redis.call('ZADD', idle, at, id)
  redis.call('ZADD', ages, at, id)
end
redis.call('HSET', meta, 'number', ARGV[2], 'revision', ARGV[2], 'created', ARGV[2],
  'state:connecting', ARGV[2])
"""


async def find_among_a_million(url: str) -> list[Number]:
    """Pages from everywhere, all of them full; then with a filter that finds next to nothing."""
    async with opened(url, 1) as scene, Redis.from_url(url, socket_timeout=60) as client:
        before = await used(client)
        await fill(scene, client)
        held = (await used(client) - before) / SESSIONS
        assert await scene.store.count_sessions() == SESSIONS
        numbers = await pages(scene, client, "", SessionQuery())
        rare = SessionQuery(tags_any=frozenset({"nobody-has-it"}))
        numbers += await pages(scene, client, " that looks in vain", rare)
    what = "bytes of a stored session, one of 1,000,000"
    return [*numbers, Number(what, "", f"{held:6.0f}", reached=True)]


async def fill(scene: Scene, client: Redis) -> None:
    """Make 999,999 more sessions like the first."""
    bucket = scene.bucket
    keys = (bucket.meta, bucket.order, bucket.idle, bucket.ages, scene.hash(0))
    state: Any = await client.hget(scene.hash(0), "s")
    text = FILL.replace("state:connecting", f"state:{state.decode()}")
    for first in range(2, SESSIONS + 1, 5_000):
        last = min(first + 4_999, SESSIONS)
        await client.eval(text, len(keys), *keys, first, last, "f" * 36, bucket.session)


async def pages(scene: Scene, client: Redis, what: str, query: SessionQuery) -> list[Number]:
    """Follow the cursor from several places, and ask the server how long each took it."""
    took: list[float] = []
    busy: list[float] = []
    for place in range(0, SESSIONS, SESSIONS // 20):
        cursor: str | None = str(place)
        for _ in range(PAGES // 20):
            before = await server_seconds(client)
            begun = time.perf_counter()
            page = await scene.store.find_sessions(query, limit=PAGE, cursor=cursor)
            took.append(1000 * (time.perf_counter() - begun))
            busy.append(1000 * (await server_seconds(client) - before))
            assert what or len(page.sessions) == PAGE
            cursor = page.cursor
    return [
        Number(
            f"find_sessions of 1,000,000, a page of 100{what}",
            "<= 10 ms",
            f"{median(took):6.2f} ms ({min(took):.2f} to {max(took):.2f})",
            median(took) <= 10,
        ),
        Number(
            f"the server's own work for the dearest page{what}",
            "<= 5 ms",
            f"{max(busy):6.2f} ms ({median(busy):.2f} in the middle)",
            max(busy) <= 5,
        ),
    ]
