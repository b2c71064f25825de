"""langgraph as one uses it: a graph with a reducer for messages, over the saver in memory."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, ClassVar, TypedDict

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .optional_import import import_peer_module

__all__ = ["LanggraphGraph"]

PACKAGE = "langgraph"


class Thread(TypedDict):
    """The state of a thread."""

    messages: Annotated[list[str], operator.add]
    counter: int
    state: str


async def answer(_: object) -> dict[str, object]:
    """A node that awaits once, as one does that asks a model, and adds nothing of its own."""
    await asyncio.sleep(0)
    return {}


class LanggraphGraph(LogPeer[str]):
    """A run of a compiled graph for each message, `aupdate_state` for the rest."""

    name: ClassVar[str] = "langgraph-graph"
    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {
        Work.CREATE,
        Work.GET,
        Work.SET,
        Work.DELETE,
        Work.MODIFY,
    }
    limitations: ClassVar[tuple[str, ...]] = (
        "no atomic change: two concurrent changes of one thread both succeed, and one is lost",
        "messages are lost the same way, and each run writes the whole list again",
        "no list of sessions, no touch, no expiry",
        "no durability with the saver in memory",
    )

    def __init__(self) -> None:
        self._saver = import_peer_module("langgraph.checkpoint.memory", PACKAGE).InMemorySaver()
        graph = import_peer_module("langgraph.graph", PACKAGE).StateGraph(Thread)
        graph.add_node("answer", answer)
        graph.set_entry_point("answer")
        self._graph = graph.compile(checkpointer=self._saver)

    async def create(self, key: str) -> None:
        """Update the thread to an empty state."""
        await self._update(key, {"messages": [], "counter": 0, "state": ""})

    async def get(self, key: str) -> object:
        """`aget_state`."""
        return await self._values(key)

    async def set(self, key: str, payload: bytes) -> None:
        """Update the state."""
        await self._update(key, {"state": payload.decode("utf-8", "replace")})

    async def modify(self, key: str) -> None:
        """Get the state, await once, update it."""
        counter = (await self._values(key))["counter"]
        await asyncio.sleep(0)
        await self._update(key, {"counter": counter + 1})

    def message(self, key: str, payload: bytes) -> str:
        """A message is a text."""
        return payload.decode("utf-8", "replace")

    async def add(self, key: str, message: str) -> None:
        """Run the graph with a message more."""
        config = {"configurable": {"thread_id": key}}
        await self._graph.ainvoke({"messages": [message]}, config)

    async def read(self, key: str, limit: int) -> int:
        """Get the state, which holds all messages."""
        return min(limit, len((await self._values(key))["messages"]))

    async def delete(self, key: str) -> None:
        """`adelete_thread` of the saver."""
        await self._saver.adelete_thread(key)

    async def count_stored(self, key: str) -> StoredContent:
        """Get the state."""
        values = await self._values(key)
        return StoredContent(appended=len(values["messages"]), counter=values["counter"])

    async def _update(self, key: str, values: dict[str, object]) -> None:
        config = {"configurable": {"thread_id": key}}
        await self._graph.aupdate_state(config, values, as_node="answer")

    async def _values(self, key: str) -> dict[str, Any]:
        state = await self._graph.aget_state({"configurable": {"thread_id": key}})
        values: dict[str, Any] = state.values
        if not values:
            raise LookupError("no such session")
        return values
