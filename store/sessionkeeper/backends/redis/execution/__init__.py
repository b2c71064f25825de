"""How commands run on the servers: in which order, in which round trip, on which node.

Rule: commands of one session take effect in the order they were asked. Read `executor` (a batch in
shared round trips), `schedule` (which command goes behind which), then `node_queues` (the nodes of
a cluster side by side). This wing knows plans and delivery; neither of them knows it.
"""
