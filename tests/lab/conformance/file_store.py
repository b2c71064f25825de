"""A store of ten methods that keeps all it has in one file: the store of the page, written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sessionkeeper import MessageEnvelope, Session

from tests.lab.conformance.conftest import Backend

__all__ = ["FileSessionStore"]

DictSessionStore: Any = Backend().store_class


class FileSessionStore(DictSessionStore):  # type: ignore[misc]  # the page is no module
    """Writes the whole file before it answers a write."""

    _sessions: dict[str, Session]
    _logs: dict[str, list[MessageEnvelope]]
    _revision: int

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        if file.exists():
            self.load(json.loads(file.read_text(encoding="utf-8")))

    def load(self, kept: dict[str, Any]) -> None:
        """Take over what a file holds."""
        self._revision = kept["revision"]
        for fields, log in kept["sessions"]:
            session = Session.model_validate_json(fields)
            self._sessions[session.id] = session
            self._logs[session.id] = [self.envelope(each) for each in log]

    def clear(self) -> None:
        """Forget everything but the file."""
        self._sessions.clear()
        self._logs.clear()

    def envelope(self, written: str) -> MessageEnvelope:
        """Return a frame as it was written."""
        return MessageEnvelope.model_validate_json(written)

    def dump(self) -> dict[str, Any]:
        """Return what the file is to hold."""
        return {
            "revision": self._revision,
            "sessions": [
                (
                    session.model_dump_json(),
                    [each.model_dump_json() for each in self._logs[session.id]],
                )
                for session in self._sessions.values()
            ],
        }

    def save(self) -> None:
        """Write the file."""
        self.file.write_text(json.dumps(self.dump()), encoding="utf-8")

    async def delete_session(self, session_id: str, /) -> None:
        await super().delete_session(session_id)
        self.save()

    def _put(self, session: Session, fields: dict[str, object]) -> Session:
        kept: Session = super()._put(session, fields)
        self.save()
        return kept
