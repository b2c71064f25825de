"""Sessions in one SQLite file: durable, and shared by the processes of one machine."""
