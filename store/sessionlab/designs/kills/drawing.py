"""Draws a kill: the last calls of each client, and a read of the reopened file."""

from __future__ import annotations

from collections.abc import Iterator

from ..results import Bar, Picture
from .losses import FileContent, Loss
from .protocol import CLIENTS, SESSION
from .spawner import KillReport

__all__ = ["picture_of_kill"]

_LAST = 3
"""Number of last calls shown per client, in addition to the wrong ones."""
_MAX = 24


def picture_of_kill(
    report: KillReport, found: FileContent, loss: Loss, *, expected: str
) -> Picture:
    """Draw what was acknowledged before the kill, what was pending, and what is there after it."""
    calls = list(_calls(report, loss))
    shown = [bar for bar in calls if bar.blocked][:_MAX]
    for client in range(len(CLIENTS)):
        last = [bar for bar in calls if bar.client == client + 1][-_LAST:]
        shown += [bar for bar in last if bar not in shown]
    end = max((bar.returned or bar.call for bar in calls), default=0) + 1
    held = "no session" if found.texts is None else f"{len(found.texts)} frames"
    look = Bar(
        client=len(CLIENTS) + 1,
        name="get_frames",
        argument=SESSION,
        result=held,
        call=end,
        returned=end + 1,
        outcome="ok",
        point=None,
        blocked=True,
    )
    return Picture(
        anomaly=loss.anomaly.value,
        why=loss.why,
        expected=expected,
        state="the file, reopened after the kill",
        bars=(*_creation(report, found), *sorted(shown, key=lambda bar: bar.call), look),
        token=None,
        deviations=None,
        interleaving="",
        operations=len(calls) + 1 + report.created,
    )


def _creation(report: KillReport, found: FileContent) -> Iterator[Bar]:
    if report.created:
        lost = found.texts is None
        point = None if lost else 0.5
        yield Bar(1, "create_session", SESSION, "", 0, 1, "ok", point, blocked=lost)


def _calls(report: KillReport, loss: Loss) -> Iterator[Bar]:
    """Yield one bar per call: each client calls again as soon as it has a reply."""
    free = [client + 2 for client in range(len(CLIENTS))]
    calls = [0] * len(CLIENTS)
    moment = len(CLIENTS) + 1
    for ack in report.acks:
        moment += 2
        yield _bar(ack.client, ack.call, ack.first, (free[ack.client], moment), loss)
        free[ack.client], calls[ack.client] = moment + 1, ack.call + 1
    for client, call in enumerate(calls):
        # A store without `add_frames` has no such calls.
        if call or CLIENTS[client] == 1 or (client, call) in loss.calls:
            yield _bar(client, call, None, (free[client], None), loss)


def _bar(
    client: int, call: int, first: int | None, when: tuple[int, int | None], loss: Loss
) -> Bar:
    size = CLIENTS[client]
    returned, wrong = when[1], (client, call) in loss.calls
    numbers = f"{first}" if size == 1 or first is None else f"{first} to {first + size - 1}"
    return Bar(
        client=client + 1,
        name="add_frame" if size == 1 else "add_frames",
        argument=f"{SESSION} {client}-{call}" + ("" if size == 1 else f"-0 to {size - 1}"),
        result="?" if first is None else numbers,
        call=when[0],
        returned=returned,
        outcome="unknown" if first is None else "ok",
        # A stored call took effect before its reply, in the order of the replies.
        point=None if wrong or returned is None else returned - 0.5,
        blocked=wrong,
    )
