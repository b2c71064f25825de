"""What all commands of a store have in common."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import msgspec
from soleowner import Command

from ..values.errors import SessionError, SessionNotFound
from .session_row import SessionRow
from .tables import Tables

__all__ = ["OneSession", "StoreCommand"]

R_co = TypeVar("R_co", covariant=True)


class _CommandMeta(msgspec.StructMeta, ABCMeta):
    pass


class StoreCommand(
    msgspec.Struct, Command[Tables, R_co], metaclass=_CommandMeta, frozen=True, gc=False
):
    """An operation on the tables of a store.

    A msgspec struct, not a dataclass: a frozen dataclass takes three times as long to make, and
    one is made for every call. `gc=False`: a command lives for one turn and refers to nothing
    that could refer to it.
    """

    read_only: ClassVar[bool] = False
    """Whether it changes nothing, so that it needs no right to write."""
    adds: ClassVar[bool] = False
    """Whether it adds a session or frames: it may not take the last room of a disk."""

    store_wide: ClassVar[bool] = True
    """Whether it reads or changes more than the sessions it touches: it adds or removes sessions,
    or goes through all of them. A backend that locks sessions then locks the whole store."""

    @property
    def touches(self) -> Sequence[str]:
        """The ids of the sessions it reads or changes.

        Raises `NotImplementedError` for what concerns the whole store: a command that does not say
        is refused in a principal's view.
        """
        raise NotImplementedError(f"{type(self).__name__} concerns the whole store")

    def check_first(self, tables: Tables, count: int, /) -> None:
        """Raise what is wrong with the first `count` of several sessions it touches."""

    def hide(self, session_id: str, /) -> SessionError:
        """Return the error for a session it touches that belongs to another principal."""
        return SessionNotFound(session_id)

    def means(self, row: SessionRow, /) -> bool:
        """Tell whether a row found by an id it touches is of the session it is about."""
        return True

    def __repr__(self) -> str:
        # Silent about its fields: a message may be one of them.
        return f"<{type(self).__name__}>"


class OneSession(StoreCommand[R_co], frozen=True, gc=False):
    """An operation on one session."""

    store_wide: ClassVar[bool] = False

    session_id: str

    @property
    def touches(self) -> Sequence[str]:
        return (self.session_id,)
