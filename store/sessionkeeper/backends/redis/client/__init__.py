"""Connections, pipelines, nodes and clusters.

Rule: the client knows no session and no operation. It tells the exact fate of each call: answered,
refused, not sent, or no reply. Read `call`, `connection`, `node`, `servers`, then `single_server`
and `cluster`. `refusals` alone decides on the error codes of a server.
"""
