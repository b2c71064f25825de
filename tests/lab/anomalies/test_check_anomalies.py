"""An anomaly has a name, found from the counterexample or from numbers."""

from __future__ import annotations

from typing import Any

import pytest
from sessionlab import (
    AnomalyKind,
    KeyValue,
    Outcome,
    Register,
    SessionStoreModel,
    check,
    find_anomalies,
)


def caller(state: str = "active", n: int = 0) -> Any:
    """The caller's fields."""
    return ("stdio", state, None, None, None, None, (None, None, None), (), f'{{"n":{n}}}', None)


def session(revision: int, frames: int = 0, n: int = 0, id: str = "a") -> Any:
    """A snapshot."""
    return (id, caller(n=n), revision, frames, frames, 1.0, 1.0, None)


def frame(n: int, id: str = "a") -> Any:
    """A message."""
    return (id, "client-to-server", f'{{"n":{n}}}', "{}")


def name(history: Any, model: Any = None) -> AnomalyKind:
    """The one anomaly of a history."""
    model = model or SessionStoreModel()
    found = find_anomalies(check(history, model), model, history)
    assert len({each.kind for each in found}) == 1, found
    assert found[0].operations
    return found[0].kind


@pytest.fixture
def opened(lab: Any) -> Any:
    """The creation of session `a`, before everything else."""
    return lab.op("create_session", session(0), session(1), at=(0, 1))


def test_a_history_that_is_ok_has_none(lab: Any, opened: Any) -> None:
    """None unless the verdict is ILLEGAL."""
    model = SessionStoreModel()
    assert find_anomalies(check([opened], model), model) == ()


def test_a_lost_update(lab: Any, opened: Any) -> None:
    """Both changed what only one of them could have seen."""
    history = [
        opened,
        lab.op("modify_session", ("a", (session(1), caller(n=1))), session(2, n=1), at=(2, 9)),
        lab.op(
            "modify_session",
            ("a", (session(1), caller(n=1))),
            session(3, n=1),
            at=(3, 10),
            client=1,
        ),
    ]
    assert name(history) is AnomalyKind.LOST_UPDATE
    cas = [lab.op("cas", (None, n), at=(0, 9), client=n) for n in (1, 2)]
    assert name(cas, Register()) is AnomalyKind.LOST_UPDATE


def test_a_stale_read(lab: Any, opened: Any) -> None:
    """The read returns a value that had been replaced before."""
    history = [
        opened,
        lab.op("update_session", session(1, n=1), session(2, n=1), at=(2, 3)),
        lab.op("get_session", "a", session(1), at=(4, 5)),
    ]
    assert name(history) is AnomalyKind.STALE_READ


def test_a_dirty_read_of_what_was_refused(lab: Any) -> None:
    """The value of a write that was refused later is visible before that."""
    history = [
        lab.op("put", ("x", "bad"), at=(0, 9), outcome=Outcome.FAILED),
        lab.op("get", ("x", None), "bad", at=(2, 3)),
    ]
    assert name(history, KeyValue()) is AnomalyKind.DIRTY_READ


def test_a_phantom(lab: Any) -> None:
    """One or several refused values exist nevertheless."""
    history = [
        lab.op("append", ("x", "b"), at=(0, 1), outcome=Outcome.FAILED),
        lab.op("append", ("x", "a"), at=(0, 1), outcome=Outcome.FAILED),
        lab.op("append", ("x", "d"), at=(0, 1), outcome=Outcome.FAILED),
        lab.op("get", ("x", None), "bd", at=(2, 3)),
    ]
    assert name(history, KeyValue()) is AnomalyKind.PHANTOM


def test_a_dirty_read_of_what_was_not_written_yet(lab: Any) -> None:
    """The value of a call that began only afterwards."""
    history = [
        lab.op("get", ("x", None), "new", at=(0, 1)),
        lab.op("put", ("x", "new"), at=(2, 3)),
    ]
    assert name(history, KeyValue()) is AnomalyKind.DIRTY_READ


def test_a_torn_batch(lab: Any, opened: Any) -> None:
    """Some of a batch without the rest, found by numbers, and by the search where they fail."""
    batch = lab.op("add_frames", ("a", (frame(1), frame(2)), None, None), (1, 3), at=(2, 9))
    torn = lab.op("get_frames", "a", (frame(1),), at=(3, 4), client=1)
    assert name([opened, batch, torn]) is AnomalyKind.TORN_BATCH
    deleted = lab.op("delete_session", "a", at=(20, 21))
    assert name([opened, batch, torn, deleted]) is AnomalyKind.TORN_BATCH


@pytest.mark.parametrize(("seq", "kind"), [(1, AnomalyKind.DUPLICATE), (3, AnomalyKind.GAP)])
@pytest.mark.parametrize("deleted", [False, True], ids=["numbers", "search"])
def test_a_gap_and_a_duplicate(
    seq: int, kind: AnomalyKind, deleted: bool, lab: Any, opened: Any
) -> None:
    """A number left out or given twice."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 9)),
        lab.op("add_frame", frame(2), seq, at=(3, 10), client=1),
    ]
    if deleted:
        history.append(lab.op("delete_session", "a", at=(20, 21)))
    assert name(history) is kind


def test_a_frame_that_was_stored_twice(lab: Any, opened: Any) -> None:
    """As with a client that retries: the returned number is that of the second append."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op("add_frame", frame(2), 3, at=(4, 5)),
    ]
    read = lab.op("get_frames", "a", (frame(1), frame(2), frame(2)), at=(6, 7))
    assert name([*history, read]) is AnomalyKind.DUPLICATE
    # Who appends the same twice has it there twice.
    again = lab.op("add_frame", frame(2), 2, at=(4, 6), client=1)
    model = SessionStoreModel()
    assert find_anomalies(check([*history, again, read], model), model) == ()
    assert name(history) is AnomalyKind.GAP


def test_two_creators(lab: Any, opened: Any) -> None:
    """One id created twice."""
    again = lab.op("create_session", session(0), session(2), at=(0, 2), client=1)
    assert name([opened, again]) is AnomalyKind.DUPLICATE


def test_a_resurrection(lab: Any, opened: Any) -> None:
    """A deleted session exists again."""
    deleted = lab.op("delete_session", "a", at=(2, 3))
    shown = lab.op("get_session", "a", session(1), at=(4, 5))
    assert name([opened, deleted, shown]) is AnomalyKind.RESURRECTION


def test_a_cross_session_replay(lab: Any, opened: Any) -> None:
    """A frame of one session read from another."""
    history = [
        opened,
        lab.op("create_session", session(0, id="b"), session(2, id="b"), at=(2, 3)),
        lab.op("add_frame", frame(1), 1, at=(4, 5)),
        lab.op("add_frame", frame(1, "b"), 1, at=(6, 7)),
        lab.op("get_frames", "a", (frame(1, "b"),), at=(8, 9)),
    ]
    assert name(history) is AnomalyKind.CROSS_SESSION_REPLAY
    gone = lab.op("delete_session", "a", at=(20, 21))
    assert name([*history, gone]) is AnomalyKind.CROSS_SESSION_REPLAY


def test_an_order_inversion(lab: Any, opened: Any) -> None:
    """A number after a higher one had been given."""
    history = [
        opened,
        lab.op("add_frame", frame(2), 2, at=(2, 3)),
        lab.op("add_frame", frame(1), 1, at=(4, 5)),
    ]
    assert name(history) is AnomalyKind.ORDER_INVERSION


def test_a_value_that_nobody_wrote_gets_no_wrong_name(lab: Any) -> None:
    """No name is better than a wrong one."""
    assert name([lab.op("read", result=5, at=(0, 1))], Register()) is AnomalyKind.UNEXPLAINED


def test_a_torn_read(lab: Any, opened: Any) -> None:
    """Two sessions in one listing, one as it was before what the other one shows."""
    history = [
        opened,
        lab.op("create_session", session(0, id="b"), session(2, id="b"), at=(2, 3)),
        lab.op("list_sessions", None, (session(1), session(4, n=1, id="b")), at=(4, 20), client=1),
        lab.op("update_session", session(1, n=1), session(3, n=1), at=(5, 6)),
        lab.op("update_session", session(2, n=1, id="b"), session(4, n=1, id="b"), at=(7, 8)),
    ]
    assert name(history) is AnomalyKind.TORN_READ


def test_drift(lab: Any, opened: Any) -> None:
    """A count that is not that of the log, found by numbers, and by the search where they fail."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op("count_frames", "a", 0, at=(4, 5), client=1),
    ]
    assert name(history) is AnomalyKind.DRIFT
    assert name([*history, lab.op("delete_session", "a", at=(20, 21))]) is AnomalyKind.DRIFT
    high = [
        *history[:2],
        lab.op("count_frames", "a", 2, at=(4, 5), client=1),
        lab.op("get_frames", "a", (frame(1),), at=(6, 7), client=1),
    ]
    assert name(high) is AnomalyKind.DRIFT
    appended = lab.op("add_frame", frame(2), 2, at=(3, 9), client=2)
    read = lab.op("get_frames", "a", (frame(1),), at=(6, 7), client=1)
    assert name([*high[:3], appended, read]) is AnomalyKind.STALE_READ


@pytest.mark.parametrize("revision", [1, 5], ids=["numbers", "search"])
def test_a_stale_write(revision: int, lab: Any, opened: Any) -> None:
    """A snapshot of a session deleted since, written to the one that has its id now."""
    again = (*session(revision)[:5], 2.0, 2.0, None)
    after = (*session(revision + 1, n=1)[:5], 2.0, 2.0, None)
    history = [
        opened,
        lab.op("delete_session", "a", at=(2, 3)),
        lab.op("create_session", session(0), again, at=(4, 5)),
        lab.op("update_session", session(1, n=1), after, at=(6, 7), client=1),
    ]
    assert name(history) is AnomalyKind.STALE_WRITE


@pytest.mark.parametrize("shown", ["frames", "change"])
def test_half_an_operation(shown: str, lab: Any, opened: Any) -> None:
    """Frames without the change that goes with them, or the change without the frames."""
    effect = (session(1), caller(n=1))
    seen = session(2, n=1) if shown == "change" else session(1, frames=1)
    history = [
        opened,
        lab.maybe("add_frames", ("a", (frame(1),), None, effect), call=2),
        lab.op("get_session", "a", seen, at=(4, 5), client=1),
        lab.op("delete_session", "a", at=(20, 21)),
    ]
    assert name(history) is AnomalyKind.HALF_AN_OPERATION


def test_an_update_of_what_was_read_before_an_append(lab: Any, opened: Any) -> None:
    """A change that saw the session without the frame that is there when it is written."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op(
            "modify_session",
            ("a", (session(1), caller(n=1))),
            session(2, frames=1, n=1),
            at=(4, 5),
            client=1,
        ),
    ]
    assert name(history) is AnomalyKind.LOST_UPDATE


def test_a_frame_that_appears_behind_a_reader(lab: Any, opened: Any) -> None:
    """The reader goes on after 2, and 1 comes. A frame that was trimmed is not skipped."""
    first = lab.op("add_frame", frame(1), 1, at=(2, 20), client=1)
    second = lab.op("add_frame", frame(2), 2, at=(3, 4), client=2)
    read = lab.op("read_frames", ("a", 0, 1000, False), ((2, frame(2)),), at=(5, 6), client=2)
    assert name([opened, first, second, read]) is AnomalyKind.SKIPPED_FRAME
    trimmed = lab.op("trim_frames", ("a", 1), 1, at=(30, 31), client=3)
    assert name([opened, first, second, read, trimmed]) is not AnomalyKind.SKIPPED_FRAME
