"""Where sessions are stored: in memory, in a SQLite file, on Redis or Valkey.

Rule: a backend has primitives and no rule of the store. Redis is the exception: there machines
share the state, so scripts apply the rules where it is. Read `memory`, then `sqlite` or `redis`.
"""
