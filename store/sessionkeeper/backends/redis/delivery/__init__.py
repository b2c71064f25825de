"""Delivers each write exactly once, or reports that its outcome is unknown.

Rule: a write gets a sequence number before it is sent, and is sent again only if it certainly was
not applied. Read `request`, `writer_log`, `delivery`, then `replication`.
"""
