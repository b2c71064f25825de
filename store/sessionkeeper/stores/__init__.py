"""The classes that users open: in memory, SQLite, Redis, in front of a third party's store.

Rule: a method turns its arguments into one command and awaits the reply; no rule lives here. Read
`facade`, `actor`, `sqlite`, `redis`, then `principal`, `unqueued`, and `factory` with `config`.
"""
