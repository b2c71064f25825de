"""Connections, pipelines, nodes and clusters.

Rule: the client knows no session, no key and no operation. It reports the delivery status of each
call: answered, refused, not sent, or no reply. Read `call`, `connection`, `node`, `servers`, then
`single_server` and `cluster`. Only `refusals` reads the error texts of a server.
"""
