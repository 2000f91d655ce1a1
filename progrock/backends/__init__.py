"""Backends by description: TOML in, requests and observations out. No Python of the team's."""
