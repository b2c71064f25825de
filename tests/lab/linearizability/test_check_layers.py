"""Each layer is right by itself, and a limit leads to UNKNOWN, never to a wrong verdict."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from sessionlab import KeyValue, Layer, Outcome, Register, SessionStoreModel, Verdict, check

CALLER = ("stdio", "active", None, None, None, None, (None, None, None), (), "{}", None)


def session(revision: int, frames: int = 0, id: str = "a") -> Any:
    """A snapshot."""
    return (id, CALLER, revision, frames, frames, 1.0, 1.0, None)


def frame(n: int, id: str = "a") -> Any:
    """A message."""
    return (id, "client-to-server", f'{{"n":{n}}}', "{}")


@pytest.fixture
def opened(lab: Any) -> Any:
    """The creation of session `a`, before everything else."""
    return lab.op("create_session", session(0), session(1), at=(0, 1))


def kinds(history: Any) -> set[str]:
    """The finding of the structural layer."""
    result = check(history, SessionStoreModel(), explain_illegal=False)
    assert (result.verdict, result.layer) == (Verdict.ILLEGAL, Layer.INVARIANTS)
    return {contradiction.kind for contradiction in result.contradictions}


def test_an_append_log_needs_no_search(lab: Any, opened: Any) -> None:
    """Numbers returned by writes give the order."""
    log = [opened]
    for n in range(0, 400, 4):
        seqs = [n + 2, n + 1, n + 4, n + 3]  # four at once, numbered out of the order of calls
        log += [
            lab.op("add_frame", frame(s), s, at=(10 * n + 2 + i, 10 * n + 20 + i), client=i)
            for i, s in enumerate(seqs)
        ]
        log.append(lab.op("count_frames", "a", n + 4, at=(10 * n + 30, 10 * n + 31)))
    result = check(log, SessionStoreModel())
    assert (result.verdict, result.layer) == (Verdict.OK, Layer.VERSION_ORDER)


def test_a_suggested_order_that_fails_proves_nothing(lab: Any, opened: Any) -> None:
    """After a trim the count is no number of a frame; the search finds the order all the same."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op("add_frame", frame(2), 2, at=(4, 5)),
        lab.op("trim_frames", ("a", 2), 2, at=(6, 7)),
        lab.op("count_frames", "a", 0, at=(8, 9)),
    ]
    result = check(history, SessionStoreModel())
    assert (result.verdict, result.layer) == (Verdict.OK, Layer.SEARCH)


def test_a_removed_frame_is_no_frame_of_another_log(lab: Any, opened: Any) -> None:
    """What is read where a frame was removed was never appended, and is right all the same."""
    rest = (
        '{"timestamp":null,"delivery":null,"protocol_version":null,"metadata":{},'
        '"media_type":"application/vnd.sessionkeeper.removed","oddity":null}'
    )
    left = (*frame(1)[:2], "", rest)
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op("add_frame", frame(2), 2, at=(4, 5)),
        lab.op("remove_frames", ("a", (1,)), 1, at=(6, 9), client=1),
        lab.op("get_frames", "a", (left, frame(2)), at=(7, 8)),
    ]
    assert check(history, SessionStoreModel()).verdict is Verdict.OK
    history[-1] = lab.op("get_frames", "a", (left, left), at=(7, 8))
    assert check(history, SessionStoreModel()).verdict is Verdict.ILLEGAL


def test_a_number_given_twice_is_found(lab: Any, opened: Any) -> None:
    """No duplicate."""
    first = lab.op("add_frame", frame(1), 1, at=(2, 9))
    again = lab.op("add_frame", frame(2), 1, at=(3, 8), client=1)
    assert kinds([opened, first, again]) == {"duplicate"}


def test_a_number_left_out_is_found(lab: Any, opened: Any) -> None:
    """No gap; but an append with an unknown outcome may be what fills it."""
    history = [opened, lab.op("add_frame", frame(2), 2, at=(4, 5))]
    assert kinds(history) == {"gap"}
    history.append(lab.maybe("add_frame", frame(1), call=2))
    assert check(history, SessionStoreModel()).verdict is Verdict.OK


def test_numbers_against_time_are_found(lab: Any, opened: Any) -> None:
    """A number after a higher one was given: an order inversion."""
    history = [
        opened,
        lab.op("add_frame", frame(2), 2, at=(2, 3)),
        lab.op("add_frame", frame(1), 1, at=(4, 5)),
    ]
    assert kinds(history) == {"order inversion"}


def test_a_batch_seen_in_part_is_found(lab: Any, opened: Any) -> None:
    """Batches whole: no reader sees the log end inside one."""
    both = (frame(1), frame(2))
    history = [
        opened,
        lab.op("add_frames", ("a", both, None, None), (1, 3), at=(2, 9)),
        lab.op("get_frames", "a", (frame(1),), at=(3, 4), client=1),
    ]
    assert kinds(history) == {"torn batch"}


def test_an_old_end_of_the_log_is_found(lab: Any, opened: Any) -> None:
    """Every read is consistent with the prefix that was there."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op("count_frames", "a", 0, at=(4, 5)),
    ]
    assert kinds(history) == {"stale read"}
    future = [opened, lab.op("count_frames", "a", 1, at=(2, 3)), *history[1:2]]
    future[2] = lab.op("add_frame", frame(1), 1, at=(4, 5))
    assert kinds(future) == {"dirty read"}


def test_frames_that_nobody_wrote_or_that_are_another_sessions_are_found(lab: Any) -> None:
    """Every value that is read was written there."""
    history = [
        lab.op("create_session", session(0), session(1), at=(0, 1)),
        lab.op("create_session", session(0, id="b"), session(2, id="b"), at=(2, 3)),
        lab.op("add_frame", frame(1), 1, at=(4, 5)),
        lab.op("add_frame", frame(7, "b"), 1, at=(6, 7)),
    ]
    for shown, kind in ((frame(7, "b"), "cross-session replay"), (frame(9), "dirty read")):
        read = lab.op("get_frames", "a", (shown,), at=(8, 9))
        assert kinds([*history, read]) == {kind}


def test_the_frames_of_a_watcher_are_checked(lab: Any, opened: Any) -> None:
    """It is no moment's read, but number and content belong together."""
    added = lab.op("add_frame", frame(1), 1, at=(2, 3))
    right = lab.op("watch_frames", ("a", 0), (1, frame(1)), at=(4, 5), client=1)
    wrong = lab.op("watch_frames", ("a", 0), (1, frame(8)), at=(4, 5), client=1)
    assert check([opened, added, right], SessionStoreModel()).verdict is Verdict.OK
    assert kinds([opened, added, wrong]) == {"dirty read"}


def test_revisions_are_unique_and_grow_over_all_sessions(lab: Any) -> None:
    """One counter for the whole store, checked across partitions."""
    one = lab.op("create_session", session(0), session(5), at=(0, 1))
    for revision, kind in ((5, "duplicate"), (4, "order inversion")):
        other = session(revision, id="b")
        history = [one, lab.op("create_session", session(0, id="b"), other, at=(2, 3))]
        assert kinds(history) == {kind}


def test_a_session_created_again_is_another_log(lab: Any, opened: Any) -> None:
    """Sound: where a name was used twice the structural layer keeps silent."""
    history = [
        opened,
        lab.op("add_frame", frame(1), 1, at=(2, 3)),
        lab.op("delete_session", "a", at=(4, 5)),
        lab.op("create_session", session(0), session(2), at=(6, 7)),
        lab.op("add_frame", frame(2), 1, at=(8, 9)),
    ]
    assert check(history, SessionStoreModel()).verdict is Verdict.OK


def test_a_frame_without_a_writer_is_found(lab: Any, opened: Any) -> None:
    """Unless an append with an unknown outcome may have written it."""
    history = [opened, lab.op("get_frames", "a", (frame(9),), at=(4, 5))]
    assert kinds(history) == {"dirty read"}
    history.append(lab.maybe("add_frame", frame(9), call=2))
    assert check(history, SessionStoreModel()).verdict is Verdict.OK


@pytest.mark.parametrize("silent", [False, True], ids=["by order", "by invariants too"])
def test_equal_times_are_no_contradiction(silent: bool, lab: Any, opened: Any) -> None:
    """Closed intervals in every layer; and what has an unknown outcome may not have happened."""
    history = [
        opened,
        lab.op("add_frame", frame(2), 2, at=(2, 5)),
        lab.op("add_frame", frame(1), 1, at=(5, 6), client=1),
        lab.maybe("add_frame", frame(3), call=6),
    ]
    if silent:
        refusal = ("LimitExceeded",)
        history.append(lab.op("add_frame", frame(4), refusal, at=(7, 8), outcome=Outcome.FAILED))
    result = check(history, SessionStoreModel())
    assert (result.verdict, result.layer) == (Verdict.OK, Layer.VERSION_ORDER)


def test_all_sessions_of_a_batch_are_ordered_together(lab: Any) -> None:
    """Components: a batch joins its sessions, and leaves the others alone."""
    history = [
        lab.op("create_session", session(0, id=name), session(n, id=name), at=(2 * n, 2 * n + 1))
        for n, name in enumerate("abc", 1)
    ]
    both = (session(1, id="a"), session(2, id="b"))
    history.append(lab.op("get_sessions_batch", ("a", "b"), both, at=(10, 11)))
    result = check(history, SessionStoreModel())
    assert (result.verdict, result.partitions) == (Verdict.OK, 2)
    # Each of the two was so at some time during the call, but never both at once.
    new_a, new_b = session(4, id="a"), session(5, id="b")
    torn = [
        *history[:3],
        lab.op("update_session", session(1, id="a"), new_a, at=(21, 22)),
        lab.op("update_session", session(2, id="b"), new_b, at=(23, 24)),
        lab.op("get_sessions_batch", ("a", "b"), (both[0], new_b), at=(20, 30), client=1),
    ]
    assert check(torn, SessionStoreModel()).verdict is Verdict.ILLEGAL


def hard(lab: Any) -> Any:
    """Writes of different values, all at once, which no search can try in every order."""
    history = [lab.op("write", n, at=(0, 1000), client=n) for n in range(30)]
    reads = [lab.op("read", result=n, at=(1001 + n, 1001 + n), client=n) for n in (3, 4)]
    return [*history, *reads]


def test_a_time_limit_leads_to_unknown(lab: Any) -> None:
    """UNKNOWN, with the reason."""
    result = check(hard(lab), Register(), timeout=0)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "time limit")


def test_a_memory_limit_leads_to_unknown(lab: Any) -> None:
    """UNKNOWN, with the reason."""
    result = check(hard(lab), Register(), max_configurations=10_000)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "memory limit")


def test_the_first_illegal_partition_wins(lab: Any) -> None:
    """Budgets go round: a hard partition does not hide an illegal one."""
    hard_part = [lab.op("append", ("hard", str(n)), at=(0, 1000), client=n) for n in range(30)]
    hard_part.append(lab.op("get", ("hard", None), "none", at=(2000, 2001)))
    easy = [lab.op("get", ("easy", None), "none", at=(0, 1))]
    Random(1).shuffle(hard_part)
    result = check([*hard_part, *easy], KeyValue(), timeout=600, explain_illegal=False)
    assert result.verdict is Verdict.ILLEGAL
