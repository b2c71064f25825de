"""The statistics and the guarantees of a store (Guarantees 12.3)."""

from __future__ import annotations

from sessionkeeper import AtomicSessionStore, Guarantees, SessionState

from tests.support.sessions import new_session, note
from tests.support.stores import make_store


async def test_statistics_count_sessions_by_state_frames_and_bytes(
    any_store: AtomicSessionStore,
) -> None:
    """`statistics()`: sessions by state, frames, bytes; all six states, and exact after deletes."""
    for key, state in zip("abcdef", SessionState, strict=True):
        await any_store.create_session(new_session(key, state=state))
    for n in range(3):
        await any_store.add_frame(note(n, "a", size=100))
        await any_store.add_frame(note(n, "b", size=200))
    assert (await any_store.statistics()).sessions == dict.fromkeys(SessionState, 1)
    await any_store.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
    await any_store.delete_session("f")
    held = await any_store.statistics()
    assert held.sessions == dict(zip(SessionState, [0, 2, 1, 1, 1, 0], strict=True))
    assert (held.frames, held.bytes) in ((6, 900), (6, None))
    await any_store.delete_frames("a")
    held = await any_store.statistics()
    assert (held.frames, held.bytes) in ((3, 600), (3, None))
    await any_store.delete_session("b")
    held = await any_store.statistics()
    assert (held.frames, held.bytes) in ((0, 0), (0, None))
    if held.mailbox is not None:
        assert (held.mailbox.state, held.mailbox.depth) == ("open", 0)
        assert 0 < held.mailbox.batches <= held.mailbox.commands


def test_guarantees_are_declared_for_programs_to_read() -> None:
    """`guarantees`: consistency of an operation, of a batch, of a listing; durability; scope."""
    declared: dict[str, Guarantees] = {
        name: make_store(name).guarantees for name in ("actor", "plain", "locked", "owned")
    }
    for name, guarantees in declared.items():
        assert (guarantees.operation, guarantees.listing) == ("linearizable",) * 2
        assert guarantees.scope == "process"
        assert guarantees.batch == ("none" if name == "owned" else "linearizable")
        assert guarantees.durability == ("inner" if name == "owned" else "memory")
