"""The wire protocol, sentence by sentence, against any server: `python -m tests.conformance URL`.

The tests know the protocol and nothing of the server: they need its address, and the names of a
few backends that behave as `target.Target` says. Without an address they run against the real
processes of this checkout.
"""
