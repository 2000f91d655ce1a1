"""Try a description: one job from its start to its end, told step by step. No server is needed.

`trial` says to the backend what the worker would say, over a `Line`: `live` asks the backend
itself, `replaying` answers from a recording. What happens is told as values (`happenings`), and
heard by `recording`, by `auditing`, which judges the description, and by `reporting`, which puts
it into lines for a terminal.
"""
