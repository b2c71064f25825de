"""ADK's own runner keeps the sessions of an agent through the service."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from google.adk.agents import BaseAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.runners import Runner
from google.genai.types import Content, Part
from sessionkeeper.integrations.google_adk import StoreSessionService


class Counting(BaseAgent):
    """Answers with the number of its turns, which it keeps in each scope."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        turns = ctx.session.state.get("turns", 0) + 1
        delta = {"turns": turns, "user:turns": turns, "app:turns": turns, "temp:turns": turns}
        yield Event(
            author=self.name,
            invocation_id=ctx.invocation_id,
            content=Content(role="model", parts=[Part(text=str(turns))]),
            actions=EventActions(state_delta=delta),
        )
        assert ctx.session.state["temp:turns"] == turns


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
async def test_a_runner_keeps_its_turns(service: StoreSessionService) -> None:
    runner = Runner(app_name="app", agent=Counting(name="counting"), session_service=service)
    names: Any = {"user_id": "ann", "session_id": "one"}
    await service.create_session(app_name="app", **names)
    for turn in range(1, 4):
        message = Content(role="user", parts=[Part(text="again")])
        answers = [each async for each in runner.run_async(**names, new_message=message)]
        assert [each.content.parts[0].text for each in answers if each.content] == [str(turn)]  # type: ignore[index]  # it has one
    stored = await service.get_session(app_name="app", **names)
    assert stored is not None
    assert len(stored.events) == 6
    assert stored.state == {"turns": 3, "user:turns": 3, "app:turns": 3}
