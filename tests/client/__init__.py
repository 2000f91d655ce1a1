"""The Python client and the command against the real server, also over a bad network."""
