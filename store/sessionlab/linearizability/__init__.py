"""Is a history linearizable? Histories of operations, models, and the checker.

Rule: nothing here knows of sessions, stores or an event loop. Read `history/operation`,
`models/model`, then `checker/check` and `checker/search`.
"""
