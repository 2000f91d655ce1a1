"""`make run`: everything on one machine under one parent process.

It starts Redis, the worker, beat, the web server and the example backend, merges what they print,
brings back a child that dies, and ends all of them together. Production uses none of it: there,
each part is a service of its own (docs/deployment.md).
"""
