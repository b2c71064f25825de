"""The names of what went wrong in a history that is not linearizable.

Rule: an anomaly is named only where the checker found a counterexample. Read `kinds`, `naming`,
then `sessions`.
"""
