"""The values that travel: sessions, messages, errors, limits, events.

Rule: a value is frozen and knows no store. Nothing here awaits, and nothing here imports another
wing. Read `states`, `errors`, `session`, `message`, then what interests you.
"""
