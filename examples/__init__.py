"""Programs that stand beside ProgRock and show it at work; none is imported by it."""
