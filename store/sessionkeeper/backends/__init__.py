"""Where sessions are kept: in memory, in a SQLite file, on Redis or Valkey.

Rule: a backend has primitives and no rule of the store. Redis is the exception that the contract
allows: there the state is shared by machines, so scripts apply the rules where it is. Read `memory`,
then `sqlite` or `redis`.
"""
