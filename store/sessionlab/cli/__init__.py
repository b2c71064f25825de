"""The lab's commands: `check`, `compare` and `bench`.

Rule: `sessionkeeper` finds them by entry points and imports one when it is called.
"""
