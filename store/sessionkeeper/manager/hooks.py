"""The functions that a program has called when something happens to its sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from ..values.events import SessionEvent, SessionEventKind
from .pending import PendingRequest

__all__ = ["FailureHook", "HookFailure", "RequestHook", "SessionHook", "SessionHooks"]


@dataclass(frozen=True, slots=True)
class HookFailure:
    """A run of a hook that raised, or took longer than `hook_timeout`."""

    hook: str
    """Its field in `SessionHooks`."""
    about: SessionEvent | PendingRequest
    """The arguments of the hook."""
    error: BaseException = field(repr=False)


SessionHook: TypeAlias = Callable[[SessionEvent], Awaitable[object] | None]
RequestHook: TypeAlias = Callable[[PendingRequest], Awaitable[object] | None]
FailureHook: TypeAlias = Callable[[HookFailure], Awaitable[object] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHooks:
    """Functions, or coroutine functions, called in order of happening, one at a time.

    Each runs after its event, outside of the store, in the context of whoever caused the event; it
    may call the manager. One that fails is logged by its error's type, counted and given to
    `failed`, and changes nothing for anybody. One that is no coroutine function blocks the loop
    while it runs. Raises `TypeError` for what cannot be called.
    """

    created: SessionHook | None = None
    state_changed: SessionHook | None = None
    """To any other state, terminal ones included."""
    ended: SessionHook | None = None
    """To a terminal state; after `state_changed`."""
    evicted: SessionHook | None = None
    """To make room for another, as `StoreLimits.sessions_full` says."""
    deleted: SessionHook | None = None
    """By `delete_session`, or at the end of its retention."""
    request_timed_out: RequestHook | None = None
    failed: FailureHook | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            hook = getattr(self, each.name)
            if hook is not None and not callable(hook):
                raise TypeError(f"a hook is a function, not {type(hook).__name__}")

    def names_for(self, event: SessionEvent) -> tuple[str, ...]:
        """Return the hooks that are there for an event, in their order."""
        names: tuple[str, ...] = _NAMES[event.kind]
        if event.ended:
            names = (*names, "ended")
        return tuple(name for name in names if getattr(self, name) is not None)

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) is not None for each in fields(self))


_NAMES = {
    SessionEventKind.CREATED: ("created",),
    SessionEventKind.STATE_CHANGED: ("state_changed",),
    SessionEventKind.DELETED: ("deleted",),
    SessionEventKind.PURGED: ("deleted",),
    SessionEventKind.EVICTED: ("evicted",),
}
