"""A loop without input and output: every attempt raises an error."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["SealedLoop"]


class SealedLoop(asyncio.SelectorEventLoop):
    """A loop without files, sockets, names, processes and signals; it uses no file descriptor."""

    def __init__(self) -> None:
        super().__init__(_NoSelector())

    async def getaddrinfo(self, *_: object, **__: object) -> NoReturn:
        """Refuse."""
        _refuse()

    async def getnameinfo(self, *_: object, **__: object) -> NoReturn:
        """Refuse."""
        _refuse()

    def add_signal_handler(self, *_: object, **__: object) -> NoReturn:
        """Refuse."""
        _refuse()

    async def _make_subprocess_transport(self, *_: object, **__: object) -> NoReturn:
        _refuse()

    # The pipe by which threads wake a real loop; here all threads are this one.
    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class _NoSelector(selectors.BaseSelector):
    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        _refuse()

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        _refuse()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        _refuse()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return {}


def _refuse() -> NoReturn:
    raise RuntimeError(
        "real input or output cannot be explored, because it cannot be repeated."
        " Replace it by a stand-in that awaits asyncio.sleep(0)"
    )
