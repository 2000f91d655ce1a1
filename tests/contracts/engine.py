"""The engine without Celery: what a worker is sent is run here, when its time has come."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import redis
from django.db import connection

from progrock.polling import lane_threads, starting, stopping, sweeping, tick
from progrock.polling.lane_threads import hand_over
from tests.contracts.parts import DEADLINE_SECONDS, Task, task_of

SWEEP_SECONDS = 1.0


class Engine:
    """Takes the tasks from Redis and runs them, as a worker does; `task_names` are all that ran."""

    def __init__(self, client: redis.Redis) -> None:
        self.task_names: list[str] = []
        self._client = client
        self._waiting: list[Task] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_SECONDS)
        lane_threads.finish(DEADLINE_SECONDS)

    def _run(self) -> None:
        swept_at = time.monotonic()
        while not self._stop.wait(0.005):
            while (text := self._client.rpop("progrock")) is not None:
                self._waiting.append(task_of(json.loads(text)))
            now = datetime.now(UTC)
            for task in [each for each in self._waiting if each.eta is None or each.eta <= now]:
                self._waiting.remove(task)
                self._begin(task)
            if time.monotonic() - swept_at > SWEEP_SECONDS:
                swept_at = time.monotonic()
                sweeping.sweep()
        connection.close()

    def _begin(self, task: Task) -> None:
        name = task.name.rpartition(".")[2]
        self.task_names.append(name)
        if name == "tick":
            backend, shard, number = task.args
            hand_over("tick", backend, lambda: tick.run_tick(backend, shard, number))
        else:
            calls: dict[str, Callable[[UUID], Any]] = {
                "start_job": starting.start,
                "cancel_job": stopping.cancel,
            }
            starting.hand_over_call(UUID(task.args[0]), calls[name])
