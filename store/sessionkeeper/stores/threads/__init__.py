"""A store for threads: the same methods, blocking, from any thread.

Rule: a call crosses to the loop of the store and back once. Read `facade`, then `bridge`.
"""
