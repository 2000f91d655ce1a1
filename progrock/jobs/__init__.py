"""The domain: what a job is, how it changes, and the one log that every change goes through."""
