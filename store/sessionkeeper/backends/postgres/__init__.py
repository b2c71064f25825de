"""Sessions in a schema of a PostgreSQL database, shared by machines.

Rule: one batch of the mailbox is one transaction, and nothing is acknowledged before its commit.
Read `schema`, `opening` with `server_info` and `address`; then `transactions`, `writer` with
`locks`, `tables`, `rows`, `frames` and `write_statement`; `commits`, `outcome` with `lineage`;
`reader`; `wakeups`; last `connection` with `thread_loop`, and `errors`. Only this package imports
asyncpg.
"""
