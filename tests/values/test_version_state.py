"""Protocol versions: no renegotiation, no downgrade, a header that must match (Guarantees 2.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sessionkeeper import SessionError, VersionConflict, VersionState

OLD, NEW = "2025-11-25", "2026-07-28"


def test_a_handshake_fills_it_in() -> None:
    """Asked for, agreed on, and confirmed by the transport; each a new value."""
    empty = VersionState()
    full = empty.request(NEW).negotiate(OLD).match_transport(OLD)
    assert full == VersionState(requested=NEW, negotiated=OLD, transport=OLD)
    assert empty == VersionState(requested=None, negotiated=None, transport=None)
    assert full.negotiate(OLD) == full
    assert full.request(OLD).requested == OLD


@pytest.mark.parametrize("act", ["request", "negotiate", "match_transport"])
def test_once_negotiated_nothing_else_will_do(act: str) -> None:
    """No renegotiation and no downgrade once negotiated; a transport header must match."""
    state = VersionState(negotiated=NEW)
    with pytest.raises(VersionConflict) as refused:
        getattr(state, act)(OLD)
    assert (refused.value.negotiated, refused.value.offered) == (NEW, OLD)
    assert isinstance(refused.value, SessionError)
    assert getattr(state, act)(NEW).negotiated == NEW


def test_what_is_negotiated_must_match_the_header_seen() -> None:
    """The header may come first."""
    state = VersionState().match_transport(OLD)
    with pytest.raises(VersionConflict) as refused:
        state.negotiate(NEW)
    assert (refused.value.negotiated, refused.value.offered) == (NEW, OLD)
    assert state.negotiate(OLD).negotiated == OLD
    assert state.match_transport(NEW).transport == NEW


FOLLOWS = [
    (VersionState(), VersionState(), True),
    (VersionState(), VersionState(negotiated=NEW), True),
    (VersionState(), VersionState(negotiated=NEW, transport=NEW), True),
    (VersionState(), VersionState(negotiated=NEW, transport=OLD), False),
    (VersionState(), VersionState(requested=OLD, transport=OLD), True),
    (VersionState(negotiated=NEW), VersionState(negotiated=NEW, requested=OLD), True),
    (VersionState(negotiated=NEW), VersionState(negotiated=OLD), False),
    (VersionState(negotiated=NEW), VersionState(), False),
    (VersionState(requested=NEW), VersionState(requested=OLD), True),
]


@pytest.mark.parametrize(("before", "after", "allowed"), FOLLOWS)
def test_state_transitions_are_the_documented_ones(
    before: VersionState, after: VersionState, allowed: bool
) -> None:
    """The same rules for whole values, as a store sees them."""
    if allowed:
        after.check_follows(before)
        return
    with pytest.raises(VersionConflict) as refused:
        after.check_follows(before)
    assert isinstance(refused.value.offered, str)


@pytest.mark.parametrize("version", ["", "x" * 65, 5, None, b"x"])
def test_a_version_is_a_short_string(version: object) -> None:
    """Wrong values are `ValueError`."""
    acts: list[Callable[..., object]] = [
        VersionState().request,
        VersionState().negotiate,
        VersionState().match_transport,
        lambda v: VersionState(negotiated=v),
    ]
    for act in acts[: 3 if version is not None else 0]:
        with pytest.raises(ValueError, match="validation error"):
            act(version)
