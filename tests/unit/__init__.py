"""The pure parts, one at a time: no database, no Redis, no network."""
