"""Sessions on a Redis or Valkey server or cluster, shared by machines.

Rule: one batch of the mailbox is one pipeline to each node, and a script applies each operation
whole. Read `runner`, `plans`, `scripts`, then `delivery` (exactly once) and `client` (connections).
"""
