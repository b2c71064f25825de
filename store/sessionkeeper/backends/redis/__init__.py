"""The tables on a Redis or Valkey server: scripts apply the rules where the state is shared."""
