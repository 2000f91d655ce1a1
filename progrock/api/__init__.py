"""HTTP: the same jobs, log and rights as the WebSocket (PROTOCOL section 3)."""
