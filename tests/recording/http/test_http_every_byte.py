"""Connections that are cut or delayed at any byte: with the recorder it is as without it."""

from __future__ import annotations

import pytest

from tests.recording.http.cut_conversation import EXCHANGES, Conversation, Place, hold
from tests.recording.servers.relay import Cut

PLACES = pytest.mark.parametrize("place", ["client", "server"])
WAYS = pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
SIDES = pytest.mark.parametrize("of_answers", [False, True], ids=["requests", "answers"])


async def check(cut: Cut, place: Place) -> int:
    """Hold the conversation with this cut; return how often it was cut."""
    found = await hold(cut, place, recorded=True)
    where = f"{cut} at the {place}"
    assert found.faults_of_record() == [], where
    # Nothing is sent twice, and what is whole is what the server sent.
    bodies = [body for body in found.handled if body]
    assert len(set(bodies)) == len(bodies), where
    whole = [each.is_whole for each in found.outcomes]
    assert whole.count(False) <= 1, where
    if (place == "server") is cut.of_answers:  # these bytes are the same without a recorder
        direct = await hold(cut, place, recorded=False)
        assert found.outcomes == direct.outcomes, where
        assert found.handled == direct.handled, where
    return found.cuts


async def sweep(place: Place, of_answers: bool, resets: bool, step: int) -> int:
    """Cut at each `step`th byte, until there is none to cut at."""
    after = 0
    while await check(Cut(after, of_answers, resets), place):
        after += step
    return after


async def test_without_a_cut_all_is_answered_and_stored() -> None:
    """With the recorder and without it: each exchange whole, each message in the record."""
    found, direct = [await hold(None, "client", recorded=each) for each in (True, False)]
    assert found.outcomes == direct.outcomes
    assert found.handled == direct.handled == [each.request for each in EXCHANGES]
    assert found.faults_of_record() == []
    assert all(each.is_message for each in found.frames)


async def test_a_record_that_lacks_an_answer_is_noticed() -> None:
    """The comparison can fail: a frame that is missing, and one that was never sent."""
    found = await hold(None, "client", recorded=True)
    assert Conversation(
        found.outcomes, found.handled, found.sessions, found.frames[:-1]
    ).faults_of_record()
    other = found.frames[0].model_copy(update={"message": b'{"jsonrpc":"2.0","method":"other"}'})
    assert Conversation(
        found.outcomes, found.handled, found.sessions, [*found.frames, other]
    ).faults_of_record()


@PLACES
@SIDES
@WAYS
async def test_a_cut_ends_the_same_exchange_with_the_recorder_as_without(
    place: Place, of_answers: bool, resets: bool
) -> None:
    """At some bytes of the conversation, before and behind the recorder."""
    assert await sweep(place, of_answers, resets, 89) > 500


@pytest.mark.long
@PLACES
@SIDES
@WAYS
async def test_a_cut_at_many_more_bytes_ends_the_same_exchange(
    place: Place, of_answers: bool, resets: bool
) -> None:
    """The same at every eleventh byte, and so at each kind of byte."""
    assert await sweep(place, of_answers, resets, 11) > 500


@PLACES
@SIDES
async def test_a_delay_changes_nothing(place: Place, of_answers: bool) -> None:
    """A pause within any part of a request or an answer: all is answered and stored."""
    for after in range(0, 700, 101):
        found = await hold(Cut(after, of_answers, waits=0.02), place, recorded=True)
        assert found.cuts
        assert all(each.is_whole for each in found.outcomes), after
        assert found.faults_of_record() == []
        assert all(each.is_message for each in found.frames)
