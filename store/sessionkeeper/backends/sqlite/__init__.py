"""Sessions in one SQLite file: durable, and shared by the processes of one machine.

Rule: one batch of the mailbox is one transaction, and nothing is acknowledged before its commit.
Read `schema`, `writer`, `tables`, `frames` with `frame_index`, then `opening` and `files`.
"""
