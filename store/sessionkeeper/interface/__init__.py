"""What every store promises: ten methods, the atomic ones above them, and how a log is watched.

Rule: promises only. Nothing here says how they are kept. Read `session_store`, `atomic_store`,
`arguments` (what is refused at the call), then `frame_watcher` with `wakeups`, and `listeners`.
"""
