"""Writes recorded calls in the formats of others: CSV, and OpenTelemetry spans.

Rule: these formats are for other programs to read. Nothing can be imported from them, as bytes are
left out. Read `csv_calls`, then `spans`, `span_identity` and `otlp`, which need the extra `otlp`.
"""
