"""Figures of ProgRock beside the plain design, both in one run (docs/performance.md).

    python -m bench                     all of it, about eight minutes
    python -m bench polling fanout      some of it
    python -m bench --quick             the main figures in one to two minutes, noisier

    polling   polls a second and worker core: plain, ours, a bare aiohttp loop
    fanout    deliveries a second and web core: plain, ours, a bare application, mosquitto
    asking    watchers a web core at two updates a second: celery-progress's polling, ours
    idle      memory of a watcher that is told nothing: a bare WebSocket, ours
    latency   from the backend's reply to the client's frame: plain, ours
    client    microseconds to send a request and take its reply: ours, a bare aiohttp
    reading   microseconds to read one reply
    eta       how near the estimates of the time left come
    ledger    where a poll's microseconds go, part by part

Everything runs as real processes on private data: Redis, worker, web server, backend. SQLite, or
with DATABASE_URL the PostgreSQL there, in databases of its own. The sides alternate, and CPU time
per unit is the figure to trust: it does not depend on what else the machine does at the moment as
much as a rate does. Each run prints tables and keeps a JSON file in bench/results/.

The plain design (bench/plain) is what Django, Channels and Celery lead to by their own manuals:
one countdown task a poll, `requests`, a model's `save`, `async_to_sync(group_send)`, a consumer
with a group for each job.
"""
