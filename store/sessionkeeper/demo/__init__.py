"""The demo: real clients and servers in conversation, and a check of every stored byte.

Rule: the check compares the store with what witnesses at both ends saw. Importing this package
imports nothing else, so that the fork server starts before everything heavy. Read `run`,
`session_setup`, `launcher` with `fork_server`, `witness`, `connector` and `client`, then `check`;
of the session over HTTP `over_http`, `tcp_witness`, `exchanges` and `check_http`.
"""
