"""Backends that mean harm: what they say is refused or borne, and they reach nothing by us.

`villain.Villain` is the backend; the real processes of this checkout poll it, in each flavour of
`backends.toml`. A trap listens on another origin; whatever reaches it was led there.
"""
