"""Whether this container does its work: `health.py web|renderer|worker|beat` ends with 0 or 1.

Docker asks every few seconds, so nothing of Django or Celery is loaded, and each of several
containers of a service answers for itself:

    web, renderer   /healthz answers
    worker          a connection of ours waits for tasks at Redis
    beat            a connection of ours sent something lately
"""

import http.client
import os
import sys

WAIT_SECONDS = 3.0
# A worker asks again each second; one whose threads are all busy does not, for a poll's time.
WORKER_IDLE_SECONDS = 30
BEAT_IDLE_SECONDS = 20  # it sends a sweep every 5


def problem_of_web(port: int, name: str) -> str | None:
    """Return why /healthz does not answer with 200, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"/healthz does not answer: {error}"
    finally:
        connection.close()
    return None if status == 200 else f"/healthz answers with HTTP {status}"


def own_name(allowed_hosts: str) -> str:
    """Return a Host that the web server accepts."""
    names = [name.strip().removeprefix(".") for name in allowed_hosts.split(",")]
    return next((name for name in names if name and name != "*"), "localhost")


def problem_of_connections(commands: frozenset[str] | None, idle_seconds: int) -> str | None:
    """Return why no connection of this container was used lately, or None.

    `commands` are the ones that count, by the last command sent over them; None: all.
    """
    import redis  # noqa: PLC0415 - ten times as slow to load as the rest, and not always needed

    url = os.environ["REDIS_URL"]
    try:
        with redis.Redis.from_url(
            url, socket_timeout=WAIT_SECONDS, socket_connect_timeout=WAIT_SECONDS
        ) as asking:
            me = asking.client_info()
            connections = asking.client_list()
    except redis.RedisError as error:
        return f"Redis does not answer: {error}"
    own = [
        int(each["idle"])
        for each in connections
        if _machine(each["addr"]) == _machine(me["addr"])
        and each["id"] != str(me["id"])
        and (commands is None or each["cmd"] in commands)
    ]
    if own and min(own) <= idle_seconds:
        return None
    return f"no connection to Redis was used in {idle_seconds} s (idle: {own or 'none open'})"


def _machine(address: str) -> str:
    return address.rpartition(":")[0]


def main(part: str) -> str | None:
    """Return what is wrong, or None."""
    if part == "web":
        return problem_of_web(8000, own_name(os.environ.get("ALLOWED_HOSTS", "")))
    if part == "renderer":
        return problem_of_web(8001, "localhost")
    if part == "worker":
        return problem_of_connections(frozenset({"brpop"}), WORKER_IDLE_SECONDS)
    return problem_of_connections(None, BEAT_IDLE_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
