"""The mailbox alone: what it accepts, what comes out, and that nothing is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soleowner import Batch, Command, Envelope, Mailbox


@dataclass(frozen=True, slots=True)
class Parcel(Command[None, None]):
    """Something with a weight."""

    weight: int = 0

    def apply(self, _: None, /) -> None:
        return None


Posted = tuple[Command[None, None], asyncio.Future[None]]


def envelope(weight: int = 0) -> Posted:
    return Parcel(weight), asyncio.get_running_loop().create_future()


def weights(batch: Batch[None]) -> list[int]:
    return [command.weight for command, _ in batch]


@pytest.mark.parametrize(("capacity", "capacity_bytes"), [(0, 1), (1, 0), (-1, -1)])
def test_a_mailbox_without_room_is_refused(capacity: int, capacity_bytes: int) -> None:
    """Wrong use is a `ValueError` at the call."""
    with pytest.raises(ValueError, match="at least one"):
        Mailbox(capacity, capacity_bytes)


async def test_the_commands_of_a_turn_are_one_batch() -> None:
    """The mailbox is the batch: later commands join the first until the owner takes it."""
    mailbox: Mailbox[None] = Mailbox(8, 100)
    for weight in (1, 2, 3):
        mailbox.put(envelope(weight))

    assert (mailbox.depth, mailbox.depth_bytes) == (3, 6)
    assert weights(await mailbox.take()) == [1, 2, 3]
    assert (mailbox.depth, mailbox.depth_bytes) == (0, 0)


async def test_a_full_mailbox_refuses_an_offer_and_lines_up_a_put() -> None:
    """Hazard 9 (python-sdk#1385): bounded by count and bytes; wait, or be refused."""
    for mailbox in (Mailbox[None](2, 100), Mailbox[None](100, 2)):
        assert mailbox.offer(envelope(1))
        assert mailbox.offer(envelope(1))
        assert not mailbox.offer(envelope(1))
        mailbox.put(envelope(1))
        assert (mailbox.depth, mailbox.depth_bytes, mailbox.waiting) == (2, 2, 1)


async def test_a_command_heavier_than_the_mailbox_travels_alone() -> None:
    """It is not refused forever, and it does not overtake."""
    mailbox: Mailbox[None] = Mailbox(8, 10)
    for weight in (4, 99, 0, 5, 5, 1):
        mailbox.put(envelope(weight))

    taken = [weights(await mailbox.take()) for _ in range(4)]

    assert taken == [[4], [99], [0, 5, 5], [1]]


async def test_an_offer_does_not_overtake_those_in_line() -> None:
    """Though it is light enough to fit where the first in line is not."""
    mailbox: Mailbox[None] = Mailbox(8, 10)
    mailbox.put(envelope(6))
    mailbox.put(envelope(6))

    assert not mailbox.offer(envelope(1))
    mailbox.put(envelope(1))

    assert weights(await mailbox.take()) == [6]
    assert weights(await mailbox.take()) == [6, 1]


async def test_a_long_line_is_not_searched_at_every_put() -> None:
    """Removing callers that gave up costs a constant per caller, however many wait."""
    reads = 0

    class Reply(asyncio.Future[None]):
        def done(self) -> bool:
            nonlocal reads
            reads += 1
            return super().done()

    mailbox: Mailbox[None] = Mailbox(8, 100)
    for _ in range(4096):
        mailbox.put((Parcel(), Reply()))

    assert mailbox.waiting == 4088
    assert reads <= 2 * 4096


async def test_a_cancelled_waiter_takes_no_place_in_the_mailbox() -> None:
    """Hazard 16: the next who still waits moves up instead, at once."""
    mailbox: Mailbox[None] = Mailbox(2, 10)
    line = [envelope(weight) for weight in (9, 8, 7, 1, 2, 3)]
    for each in line:
        mailbox.put(each)
    for gone in (1, 2, 4):
        line[gone][1].cancel()

    assert weights(await mailbox.take()) == [9]
    assert weights(await mailbox.take()) == [1, 3]
    assert (mailbox.depth, mailbox.waiting) == (0, 0)


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_take_loses_nothing(turns: int) -> None:
    """Hazard 1 (cpython#68000): items are taken synchronously after the wake-up."""
    mailbox: Mailbox[None] = Mailbox(1, 100)
    taking = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    mailbox.put(envelope(1))
    mailbox.put(envelope(2))
    for _ in range(turns):
        await asyncio.sleep(0)
    taking.cancel()
    (first,) = await asyncio.gather(taking, return_exceptions=True)

    taken = [] if isinstance(first, BaseException) else weights(first)
    taken += weights([*mailbox.drain()])

    assert taken == [1, 2]


async def test_a_take_that_would_not_wait_loses_nothing_either() -> None:
    """Hazard 1: it lets others run first, and may be cancelled there."""
    mailbox: Mailbox[None] = Mailbox(1, 100)
    mailbox.put(envelope(1))
    taking = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait({taking})

    assert taking.cancelled()
    assert weights(await mailbox.take()) == [1]


async def test_a_closed_mailbox_comes_to_an_end_when_all_is_taken() -> None:
    """Hazard 17: closing needs no `Queue.shutdown`; those in line are served too."""
    mailbox: Mailbox[None] = Mailbox(1, 100)
    mailbox.put(envelope(1))
    mailbox.put(envelope(2))
    mailbox.close()
    mailbox.close()

    assert [weights(await mailbox.take()) for _ in range(4)] == [[1], [2], [], []]


async def test_an_empty_mailbox_closed_twice_ends_at_once() -> None:
    """Also for an owner that waits already."""
    mailbox: Mailbox[None] = Mailbox(1, 100)
    taking = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    mailbox.close()
    mailbox.close()

    assert await taking == []


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["put", "put", "offer", "give up", "take"]), st.integers(0, 12)),
    max_size=60,
)


@settings(max_examples=150, database=None)
@given(capacity=st.integers(1, 4), capacity_bytes=st.integers(1, 10), plan=steps)
async def test_commands_come_out_once_in_order_within_the_bounds(
    capacity: int, capacity_bytes: int, plan: list[Step]
) -> None:
    """Whatever is put, offered, given up and taken, in whatever order."""
    mailbox: Mailbox[None] = Mailbox(capacity, capacity_bytes)
    entered: list[Posted] = []
    taken: list[Envelope[None]] = []
    given_up: list[Posted] = []  # while queued: these may come out, or not

    for action, number in plan:
        room = mailbox.depth == 0 or (
            mailbox.depth < capacity and mailbox.depth_bytes + number <= capacity_bytes
        )
        inside = entered[len(taken) :] if action == "give up" else []
        if action == "put":
            entered.append(envelope(number))
            mailbox.put(entered[-1])
        elif action == "offer":
            offered = envelope(number)
            admitted = mailbox.offer(offered)
            assert admitted == (room and mailbox.waiting == 0)
            entered += [offered] * admitted
        elif action == "give up" and inside:
            given_up.append(inside[number % len(inside)])
            given_up[-1][1].cancel()
        elif action == "take" and mailbox.depth:
            batch = await mailbox.take()
            taken += batch
            assert 0 < len(batch) <= capacity
            assert len(batch) == 1 or sum(weights(batch)) <= capacity_bytes
        assert mailbox.depth <= capacity
        assert mailbox.depth <= 1 or mailbox.depth_bytes <= capacity_bytes
        assert mailbox.depth > 0 or mailbox.waiting == 0

    out = [*taken, *mailbox.drain()]
    places: list[Envelope[None]] = [*entered]
    order = [places.index(each) for each in out]
    assert order == sorted(set(order))
    assert all(each in out or each in given_up for each in entered)
    assert (mailbox.depth, mailbox.waiting) == (0, 0)


class Changing(Parcel):
    """Wrong: its weight can be read only once."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "weight":
            Changing.looks += 1
            if Changing.looks > 1:
                raise LookupError("a weight")
        return object.__getattribute__(self, name)


async def test_a_weight_that_fails_later_costs_nobody_else_his_place() -> None:
    """The owner reads it again when the line moves up: what is taken and who waits stay."""
    mailbox: Mailbox[None] = Mailbox(1, 100)
    Changing.looks = 0
    wrong: Posted = Changing(), asyncio.get_running_loop().create_future()
    for each in (envelope(1), wrong, envelope(2), envelope(3)):
        mailbox.put(each)

    assert [weights(await mailbox.take()) for _ in range(3)] == [[1], [2], [3]]
    assert type(wrong[1].exception()) is LookupError
