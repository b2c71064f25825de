"""How commands run on the servers: in which order, beside which others, on which node.

Rule: commands of one session take effect in the order they were asked. Read `lane` (all commands of
one node), `flights` (those that go beside others), `executor` (the rest, in shared round trips),
`schedule` (which command goes behind which), then `node_queues` (the nodes of a cluster side by
side). This wing knows plans and delivery; neither of them knows it.
"""
