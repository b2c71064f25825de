"""Real graphs of LangGraph on the saver, asynchronous and from threads."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from sessionkeeper import AtomicSessionStore
from sessionkeeper.integrations.langgraph import SessionSaver


class State(TypedDict):
    """What the graphs below add up."""

    steps: Annotated[list[str], operator.add]


def ask(state: State) -> State:
    return {"steps": [f"asked {interrupt('go on?')}"]}


def conversation(saver: SessionSaver) -> Any:
    """Three steps, in the second of which a person is asked."""
    graph = StateGraph(State)
    graph.add_node("first", lambda state: {"steps": ["first"]})
    graph.add_node("ask", ask)
    graph.add_node("last", lambda state: {"steps": ["last"]})
    graph.add_edge(START, "first")
    graph.add_edge("first", "ask")
    graph.add_edge("ask", "last")
    graph.add_edge("last", END)
    return graph.compile(checkpointer=saver)


def on(thread_id: str, **more: str) -> Any:
    return {"configurable": {"thread_id": thread_id, **more}}


async def test_a_graph_that_was_interrupted_goes_on_in_another_saver(
    store: AtomicSessionStore,
) -> None:
    found = await conversation(SessionSaver(store)).ainvoke({"steps": []}, on("t"))
    assert [each.value for each in found["__interrupt__"]] == ["go on?"]
    graph = conversation(SessionSaver(store))  # as another process would
    found = await graph.ainvoke(Command(resume="yes"), on("t"))
    assert found["steps"] == ["first", "asked yes", "last"]
    assert (await graph.aget_state(on("t"))).next == ()


async def test_time_travel_starts_from_a_checkpoint_of_the_past(store: AtomicSessionStore) -> None:
    graph = conversation(SessionSaver(store))
    await graph.ainvoke({"steps": []}, on("t"))
    await graph.ainvoke(Command(resume="yes"), on("t"))
    history = [state async for state in graph.aget_state_history(on("t"))]
    before = next(state for state in history if state.next == ("ask",))
    await graph.ainvoke(None, before.config)
    found = await graph.ainvoke(Command(resume="no"), on("t"))
    assert found["steps"] == ["first", "asked no", "last"]
    changed = await graph.aupdate_state(before.config, {"steps": ["changed"]}, as_node="first")
    assert (await graph.aget_state(changed)).values["steps"] == ["first", "changed"]
    assert len([state async for state in graph.aget_state_history(on("t"))]) > len(history)


async def test_a_subgraph_has_a_namespace_and_goes_on_where_it_was(
    store: AtomicSessionStore,
) -> None:
    inner = StateGraph(State)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    saver = SessionSaver(store)
    graph = outer.compile(checkpointer=saver)
    await graph.ainvoke({"steps": ["begun"]}, on("t"))
    state = await graph.aget_state(on("t"), subgraphs=True)
    inside: Any = state.tasks[0].state
    assert inside.next == ("ask",)
    namespaces = {
        each.config["configurable"]["checkpoint_ns"] async for each in saver.alist(on("t"))
    }
    assert len(namespaces) == 2
    found = await graph.ainvoke(Command(resume="yes"), on("t"))
    assert found["steps"][-1] == "asked yes"


async def test_parallel_tasks_are_not_done_again(store: AtomicSessionStore) -> None:
    runs: list[int] = []

    async def work(state: dict[str, int]) -> State:
        await asyncio.sleep(0)
        if state["n"] == 7 and 7 not in runs:
            runs.append(7)
            raise ConnectionError("once")
        runs.append(state["n"])
        return {"steps": [str(state["n"])]}

    graph = StateGraph(State)
    graph.add_node("work", work)  # type: ignore[type-var]  # of what Send gives it
    graph.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in range(16)])
    compiled = graph.compile(checkpointer=SessionSaver(store))
    with pytest.raises(ConnectionError):
        await compiled.ainvoke({"steps": []}, on("t"))
    done = set(runs)
    found = await compiled.ainvoke(None, on("t"))
    assert sorted(map(int, found["steps"])) == list(range(16))
    assert runs.count(7) == 2
    assert all(runs.count(n) == 1 for n in done - {7})


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_delta_channel_survives_pruning(store: AtomicSessionStore, durability: Any) -> None:
    class Deltas(TypedDict):
        steps: Annotated[list[str], DeltaChannel(_extended, snapshot_frequency=5)]

    graph = StateGraph(Deltas)
    graph.add_node("step", lambda state: {"steps": [str(len(state["steps"]))]})
    graph.add_edge(START, "step")
    saver = SessionSaver(store)
    compiled = graph.compile(checkpointer=saver)
    for _ in range(8):
        await compiled.ainvoke({"steps": ["in"]}, on("t"), durability=durability)
    before = (await compiled.aget_state(on("t"))).values["steps"]
    count = len([each async for each in saver.alist(on("t"))])
    await saver.aprune(["t"])
    assert len(before) == 16
    assert len([each async for each in saver.alist(on("t"))]) < count
    assert (await compiled.aget_state(on("t"))).values["steps"] == before
    await compiled.ainvoke({"steps": ["in"]}, on("t"), durability=durability)
    assert len((await compiled.aget_state(on("t"))).values["steps"]) == 18


def _extended(steps: list[str], more: Any) -> list[str]:
    return [*(steps or []), *(each for one in more for each in one)]


def test_graphs_without_a_loop_run_on_a_url(store_url: str) -> None:
    with SessionSaver.from_url(store_url) as saver:
        graph = conversation(saver)
        graph.invoke({"steps": []}, on("t"))
        found = graph.invoke(Command(resume="yes"), on("t"))
        assert found["steps"] == ["first", "asked yes", "last"]
        assert len(list(graph.get_state_history(on("t")))) == 5
