"""ProgRock: the progress broker for long-running jobs."""

__version__ = "0.1.0"
