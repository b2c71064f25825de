"""How sessions, frames and calls of a session store lie in a history: tuples, by position.

This is the format's version 1; another layout needs another version. Texts of messages and
metadata are in it.
"""

from __future__ import annotations

from typing import TypeAlias

from ..linearizability.history.operation import Plain

__all__ = ["CallerData", "EffectData", "FrameData", "SessionData"]

CallerData: TypeAlias = "tuple[Plain, ...]"
"""(transport, state, failure, principal, client_info, server_info, (requested, negotiated,
transport version), tags, metadata, upstream_session_id); JSON objects as their text. Where there is
one, expires_at follows, in seconds since the epoch."""

SessionData: TypeAlias = "tuple[str, CallerData, int, int, int, float, float, float | None]"
"""(id, caller's fields, revision, frame_count, last_seq, created_at, last_activity, ended_at);
times in seconds since the epoch. Where there are any, odd_frames and gap_frames follow; then they
and the incarnation, in what a store that has incarnations returned."""

FrameData: TypeAlias = "tuple[str, str, str, str]"
"""(session id of the envelope, direction, message, the rest of the context as JSON); of what is no
message that JSON has `media_type` and `oddity`, too. It has `stream` where the frame names one."""

EffectData: TypeAlias = "tuple[SessionData, CallerData | None] | None"
"""What a `change` was given and what it returned, the last time it ran: None for the caller's
fields when it returned the same session or raised; None when it never ran."""

# method                 argument                                    result
# create_session         session                                     session
# get_session            id                                          session
# update_session         session                                     session
# delete_session         id                                          None
# list_sessions          None                                        sessions
# count_sessions         None                                        int
# add_frame              frame                                       seq
# get_frames             id                                          frames
# delete_frames          id                                          int
# count_frames           id, or (id, stream)                         int
# get_sessions_batch     ids                                         sessions
# update_sessions_batch  sessions                                    sessions
# modify_session         (id, effect)                                session
# get_or_create_session  session                                     (session, created)
# put_session            session                                     session
# touch_session          id                                          None
# archive_session        (id, session, expected_last_seq)            session
# add_frames             (id, frames, expected_last_seq, effect)     (first, end)
# read_frames            (id, after, limit, newest, option, ...)     ((seq, frame), ...)
# trim_frames            (id, up_to, option, ...)                    int
# remove_frames          (id, seqs, option, ...)                     int
# find_sessions          (query, cursor, limit[, order])             (sessions, next cursor)
# expire_sessions        (idle, age, limit)                          sessions
# purge_sessions         (ended_before, ended_for, limit)            int
# watch_frames           (id, after), or (id, after, stream)         (seq, frame), one a yield
#
# An option is (name, value): only those that were given, in the order of their names.
#
# A query is (states, statuses, transports, tags_any, tags_all, principal, created_from,
# created_before, active_from, active_before). A refusal's result is (name of the error, ...): the
# id it names where it names one, then its values in the order of the error's own attributes.
