"""Exactly once, or honestly unknown.

Rule: a write is numbered before it is sent, and is sent again only when it certainly was not
applied. Read `request`, `writer_log`, `delivery`, then `replication`.
"""
