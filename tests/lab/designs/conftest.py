"""Stores like those of users: some keep their promises, some do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

OWN = '''
"""Stores of somebody's own."""

import asyncio
import threading

from sessionkeeper import PlainSessionStore, SessionNotFound, SessionStore, StoreUnavailable


class Ten(SessionStore):
    """Ten methods, passed on.

    And nothing more.
    """

    def __init__(self):
        self.behind = PlainSessionStore()

    async def create_session(self, session, /):
        return await self.behind.create_session(session)

    async def get_session(self, session_id, /):
        return await self.behind.get_session(session_id)

    async def update_session(self, session, /):
        return await self.behind.update_session(session)

    async def delete_session(self, session_id, /):
        await self.behind.delete_session(session_id)

    async def list_sessions(self):
        return await self.behind.list_sessions()

    async def count_sessions(self):
        return await self.behind.count_sessions()

    async def add_frame(self, envelope, /):
        return await self.behind.add_frame(envelope)

    async def get_frames(self, session_id, /):
        return await self.behind.get_frames(session_id)

    async def delete_frames(self, session_id, /):
        return await self.behind.delete_frames(session_id)

    async def count_frames(self, session_id, /):
        return await self.behind.count_frames(session_id)


class Forgetful(Ten):
    """Writes whatever it is given."""

    async def update_session(self, session, /):
        await asyncio.sleep(0)
        current = await self.behind.get_session(session.id)
        fields = {"revision": current.revision}
        return await self.behind.update_session(session.model_copy(update=fields))


class ToThread(Ten):
    """Asks a thread of the loop's own pool."""

    async def get_session(self, session_id, /):
        await asyncio.to_thread(len, session_id)
        return await self.behind.get_session(session_id)


class OwnThread(Ten):
    """Asks a thread of its own, which the loop knows nothing of."""

    async def _wait(self):
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(done.set_result, None)).start()
        await done

    async def create_session(self, session, /):
        await self._wait()
        return await self.behind.create_session(session)


class OwnThreadForgetful(OwnThread, Forgetful):
    """Both."""


class Socket(Ten):
    """Reaches for the network, and translates what that raises."""

    async def create_session(self, session, /):
        try:
            await asyncio.open_connection("127.0.0.1", 1)
        except Exception as error:
            raise StoreUnavailable("no network") from error


class Raises(Ten):
    """Has a bug."""

    async def count_sessions(self):
        raise KeyError("secret")


class Demanding(Ten):
    def __init__(self, where):
        super().__init__()


class NoStore:
    pass


def makes_none():
    return None
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module with stores of somebody's own, in the current folder."""
    (tmp_path / "own_stores.py").write_text(OWN)
    (tmp_path / "own_broken.py").write_text("raise RuntimeError('secret')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_stores"
    sys.modules.pop("own_stores", None)
