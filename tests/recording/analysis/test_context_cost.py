"""What servers put into a model's context: definitions of tools, and results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sessionkeeper import ActorSessionStore
from sessionkeeper.recording import ContextCost, context_cost

from tests.support.recorded_logs import DOWN, RecordedLog
from tests.support.recordings import RecordedServer


def tool(name: str, description: str = "does it", **more: object) -> dict[str, object]:
    return {"name": name, "description": description, "inputSchema": {"type": "object"}} | more


def text(content: str, **more: object) -> dict[str, object]:
    return {"content": [{"type": "text", "text": content}]} | more


async def cost_of(*logs: RecordedLog) -> ContextCost:
    async with ActorSessionStore() as store:
        for log in logs:
            await log.put_into(store)
        (cost,) = await context_cost(store)
        return cost


async def test_the_tools_of_a_real_server() -> None:
    """All twelve of them; two are called."""
    async with ActorSessionStore() as store:
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_git"]) as server:
            await server.greet()
            listed = await server.ask("tools/list")
            here = str(Path(__file__).parents[3])
            called = await server.call("git_status", repo_path=here)
            await server.call("git_log", repo_path="/nowhere")
        (cost,) = await context_cost(store)
    assert (cost.server, cost.sessions) == ("mcp-git", 1)
    assert {each.name for each in cost.tools} == {t["name"] for t in listed["result"]["tools"]}
    by_name = {each.name: each for each in cost.tools}
    status = by_name["git_status"]
    assert status.text_bytes == len(called["result"]["content"][0]["text"].encode())
    assert (status.calls, by_name["git_log"].errors) == (1, 1)
    assert len(cost.never_called) == 10
    assert cost.definition_bytes > 3_000
    assert cost.definition_tokens == (cost.definition_bytes + cost.instructions_bytes) // 4
    assert any(remark.startswith("10 of 12 tools were never called") for remark in cost.remarks)


async def test_definitions_are_measured_as_they_crossed_the_wire() -> None:
    """The whole object, its description with the quotes, and both schemas."""
    log = RecordedLog()
    written = '{"name": "a", "description": "é!", "inputSchema": {}, "outputSchema": {"x": 1}}'
    log.ask(1, "tools/list")
    log.say(DOWN, f'{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{written}]}}}}'.encode())
    log.ask(2, "initialize")
    log.answer(2, {"instructions": "Größe"})
    cost = await cost_of(log)
    (one,) = cost.tools
    assert one.definition_bytes == len(written.encode())
    assert (one.description_bytes, one.schema_bytes) == (5, 2 + 8)
    assert cost.instructions_bytes == len("Größe".encode())


async def test_all_pages_of_the_last_list_count() -> None:
    """A page of another list, and one that nobody asked for, do not."""
    log = RecordedLog()
    for cursor, names, following in (
        (None, ["old"], None),
        (None, ["a", "b"], "p2"),
        ("p9", ["stray"], None),
        ("p2", ["c"], "p3"),
        ("p3", ["d"], None),
    ):
        log.ask(log.last, "tools/list", cursor=cursor)
        page = {"tools": [tool(name) for name in names], "nextCursor": following}
        log.answer(log.last - 1, page)
    cost = await cost_of(log)
    assert sorted(each.name for each in cost.tools) == ["a", "b", "c", "d"]


async def test_a_changed_list_is_stale_until_it_is_read_again() -> None:
    log = RecordedLog()
    log.ask(1, "tools/list")
    log.answer(1, {"tools": [tool("a")]})
    log.notify("notifications/tools/list_changed")
    stale = await cost_of(log)
    assert (stale.list_changes, stale.is_stale) == (1, True)
    assert "changed after it was last read" in " ".join(stale.remarks)
    log.ask(2, "tools/list")
    log.answer(2, {"tools": [tool("b")]})
    fresh = await cost_of(log)
    assert (fresh.list_changes, fresh.is_stale) == (1, False)
    assert fresh.never_called == ("b",)


async def test_results_are_measured_by_what_they_are() -> None:
    """Text as text, structured content and media apart; what has another shape counts as text."""
    content = [
        {"type": "text", "text": "é\n"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "audio", "data": "AAAAAAAA", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "f:a", "text": "abc"}},
        {"type": "resource", "resource": {"uri": "f:b", "blob": "AAAA"}},
    ]
    link = {"type": "resource_link", "uri": "f:c"}
    log = RecordedLog()
    log.call(1, "a", {"content": [*content, link], "structuredContent": {"x": [1]}})
    log.call(2, "a", {"content": "of another shape"})
    (one,) = (await cost_of(log)).tools
    linked = len(json.dumps(link, separators=(",", ":")))
    odd = len('{"content":"of another shape"}')
    assert one.text_bytes == 3 + 3 + linked + odd
    assert one.structured_bytes == len('{"x":[1]}')
    assert one.media_bytes == 4 + 8 + 4
    assert one.largest_text == one.text_bytes - odd
    assert not one.is_listed


async def test_the_sessions_of_a_server_are_added_up() -> None:
    """The definitions are those of the last session that listed them."""
    first, second = RecordedLog("1"), RecordedLog("2")
    for log, name in (first, "a"), (second, "b"):
        log.ask(1, "tools/list")
        log.answer(1, {"tools": [tool(name)]})
        log.call(2, "b", text("x" * 40))
    cost = await cost_of(first, second)
    (one,) = cost.tools
    assert (cost.sessions, one.name, one.calls, one.text_bytes) == (2, "b", 2, 80)
    assert cost.result_tokens == 20


async def test_what_is_worth_a_look_is_said() -> None:
    log = RecordedLog()
    tools = [tool(f"t{number}", "x" * 5_000) for number in range(10)]
    log.ask(1, "tools/list")
    log.answer(1, {"tools": [*tools, tool("bare", description=""), {"name": "none"}]})
    log.call(2, "t0", text("y" * 120_000))
    log.call(3, "gone", text(""))
    said = "; ".join((await cost_of(log)).remarks)
    for part in (
        "12 tools take about 12,",
        "11 of 12 tools were never called",
        "one result of t0 had about 30,000 tokens",
        "the description of t0 has about 1,250 tokens",
        "without a description: none",
        "called, but not in the last list: gone",
    ):
        assert part in said, part


async def test_malformed_lists_and_results_are_passed_over() -> None:
    """Whatever a server sends, it raises nothing."""
    log = RecordedLog()
    for number, result in enumerate(
        ({"tools": 7}, {"tools": [7, {"name": 7}, tool("a")]}, {"instructions": 7})
    ):
        log.ask(number, "initialize" if number == 2 else "tools/list")
        log.answer(number, result)
    log.ask(9, "tools/list")
    log.fail(9, -32601, "none")
    assert [each.name for each in (await cost_of(log)).tools] == ["a"]
