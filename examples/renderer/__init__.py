"""A service of long jobs, the reference of the `progrock` backend contract.

It speaks HTTP only and knows nothing of ProgRock: whoever follows a job asks for its status.
Run it with `python -m examples.renderer`. This module stays empty of imports, since every
worker process passes through it.
"""
