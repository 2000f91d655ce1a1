"""From the log to those who watch, while it happens."""
