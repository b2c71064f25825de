"""Where sessions are stored: in memory, a SQLite file, a PostgreSQL database, on Redis or Valkey.

Rule: a backend has primitives and no rule of the store. Redis is the exception: there machines
share the state, so scripts apply the rules where it is. Read `memory`, then `sqlite`, `postgres` or
`redis`; what they hold alike is in `session_fields` and `column_values`.
"""
