"""A store for threads: the same methods, blocking, from any thread.

Rule: a call goes to the loop of the store once, and its reply comes back. Read `facade`, then
`bridge`.
"""
