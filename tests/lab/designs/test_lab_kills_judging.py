"""Compares the content of a file after a kill with the acknowledged calls."""

from __future__ import annotations

import pytest
from sessionlab import AnomalyKind
from sessionlab.designs.kills.losses import FileContent, find_loss
from sessionlab.designs.kills.protocol import BATCH, Ack, make_texts

WHOLE = make_texts(1, 0)
TWO = [*WHOLE, "0-0-0"]
FIRST = Ack(client=1, call=0, first=1)
SECOND = Ack(client=0, call=0, first=BATCH + 1)


@pytest.mark.parametrize(
    ("texts", "acks", "anomaly"),
    [
        (TWO, [FIRST, SECOND], None),
        (TWO, [SECOND], None),
        (TWO, [], None),
        ([], [], None),
        (None, [], AnomalyKind.LOST_WRITE),
        ([], [FIRST], AnomalyKind.LOST_WRITE),
        (WHOLE, [FIRST, SECOND], AnomalyKind.LOST_WRITE),
        (["0-0-0", *WHOLE], [FIRST], AnomalyKind.LOST_WRITE),
        (WHOLE[:-1], [FIRST], AnomalyKind.LOST_WRITE),
        (WHOLE[:-1], [], AnomalyKind.TORN_BATCH),
        (WHOLE[1:], [], AnomalyKind.TORN_BATCH),
        ([*WHOLE[:3], "0-0-0", *WHOLE[3:]], [], AnomalyKind.TORN_BATCH),
        ([WHOLE[1], WHOLE[0], *WHOLE[2:]], [], AnomalyKind.TORN_BATCH),
        ([*WHOLE, *WHOLE], [FIRST], AnomalyKind.TORN_BATCH),
    ],
)
def test_a_history_file_must_have_these_fields(
    texts: list[str] | None, acks: list[Ack], anomaly: AnomalyKind | None
) -> None:
    """Acknowledged frames have their numbers, batches are whole; unfinished ones may exist."""
    found = FileContent(None if texts is None else tuple(texts), len(texts or ()))
    loss = find_loss(found, acks, created=True)
    assert (None if loss is None else loss.anomaly) is anomaly


def test_a_count_and_a_session_are_looked_at_too() -> None:
    """A count that is not the log's drifts; a session nobody was told of may be missing."""
    loss = find_loss(FileContent(("0-0-0",), 2), [], created=True)
    assert loss is not None
    assert loss.anomaly is AnomalyKind.DRIFT
    assert find_loss(FileContent(None), [], created=False) is None
