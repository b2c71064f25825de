"""Sessions in a schema of a PostgreSQL database, shared by machines.

Rule: one batch of the mailbox is one transaction, and nothing is acknowledged before its commit.
Read `schema`, `opening` with `server_info` and `address`, then `writer`, `tables`, `frames`,
`reader`, `outcome`, and `errors`. Only this package imports asyncpg.
"""
