"""The tables of all designs, as most programs make them."""

from __future__ import annotations

__all__ = ["TABLES"]

TABLES = """
CREATE SEQUENCE revisions;
CREATE TABLE sessions (
    number bigint GENERATED ALWAYS AS IDENTITY,
    id text PRIMARY KEY,
    revision bigint NOT NULL DEFAULT nextval('revisions'),
    body text NOT NULL
);
CREATE TABLE frames (
    session text NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (session, seq)
);
"""
