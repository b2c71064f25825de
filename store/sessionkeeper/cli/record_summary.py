"""The summary that a recorder prints at its end, on stderr."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..values.errors import SessionError
from .console import complain, say
from .frame_text import count_parts

if TYPE_CHECKING:
    from ..recording.stdio import StdioReport
    from ..values.session import Session
    from .record_session import OpenSession

__all__ = ["summarise"]


async def summarise(
    opened: OpenSession | None, report: StdioReport, troubles: list[str], *, as_json: bool
) -> None:
    """Print how the session ended and what was recorded; `troubles` are the lines told before."""
    session = None
    if opened is not None:
        try:
            session = await opened.manager.get_session(opened.recorder.session_id)
        except SessionError as error:
            troubles = [*troubles, f"the session cannot be read: {error}"]
            complain(troubles[-1])
    session_id = None if opened is None else opened.recorder.session_id
    lost = report.not_json + report.refused + report.dropped + report.failed
    if as_json:
        say(json.dumps(_as_json(session_id, session, report, lost) | {"troubles": troubles}))
    else:
        complain(_as_text(session_id, session, report, lost))


def _as_json(
    session_id: str | None, session: Session | None, report: StdioReport, lost: int
) -> dict[str, object]:
    return {
        "session": session_id,
        "state": None if session is None else session.state.value,
        "failure": None if session is None else session.failure,
        "frames": None if session is None else session.frame_count,
        "odd_frames": None if session is None else session.odd_frames,
        "gap_frames": None if session is None else session.gap_frames,
        "not_recorded": lost,
        "report": asdict(report),
    }


def _as_text(
    session_id: str | None, session: Session | None, report: StdioReport, lost: int
) -> str:
    passed = report.client_to_server.bytes + report.server_to_client.bytes
    what, frames = "nothing recorded, the store did not open", [str(report.recorded)]
    if session is not None:
        reason = f" ({session.failure})" if session.failure else ""
        what, frames = f"session {session.id} {session.state}{reason}", count_parts(session)
    elif session_id is not None:
        what = f"session {session_id}"
    count, *odd = frames
    if report.stderr:
        odd.append(f"{report.stderr} of stderr")
    beside = f" ({', '.join(odd)})" if odd else ""
    if lost:
        beside += f", {lost} {'line' if lost == 1 else 'lines'} not recorded"
    answered = report.server_to_client
    if answered.bytes and not answered.messages:
        hint = "; the server wrote no JSON-RPC message"
    else:
        hint = ""
    return f"{what}: {count} frames recorded{beside}, {passed} bytes forwarded{hint}"
