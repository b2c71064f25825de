"""The session classes of agent and web frameworks, on any store: one module a peer.

Rule: an integration uses the store and the manager through their public names, as a program of a
user would, and imports nothing of another integration. Each module needs the extra of its name.
"""
