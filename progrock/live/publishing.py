"""Tell the web processes what was written: one layer message a batch and shard.

A message is a hint that may be lost, doubled or late (DESIGN section 4): failing to send one is
logged and nothing more, since the hub reconciles with the log.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

import structlog
from channels.layers import get_channel_layer

from progrock import background_loop

logger = structlog.get_logger(__name__)
SEND_TIMEOUT_SECONDS = 5.0
_of_this_thread = threading.local()
MESSAGE_TYPE = "progrock.events"
RIGHTS_TYPE = "progrock.rights"


class Facts(NamedTuple):
    """What decides who may see an event, and which filters it matches."""

    owner: int | None
    backend: str
    labels: tuple[str, ...]
    state: str


class Published(NamedTuple):
    """One event on its way: `frame` is the JSON text that watchers get as it is."""

    job: str
    seq: int
    type: str
    frame: str
    facts: Facts
    shard: int


def group_of(shard: int) -> str:
    """Return the layer group that carries a shard's events."""
    return f"events.{shard}"


def publish(batch: Sequence[Published]) -> None:
    """Send a batch to the groups of its shards. Never raises; waits for nothing, see `settle`."""
    by_shard: dict[int, list[list[Any]]] = defaultdict(list)
    for event in batch:
        by_shard[event.shard].append(_packed(event))
    for shard, events in by_shard.items():
        message = {"type": MESSAGE_TYPE, "events": events}
        _of_this_thread.sent = background_loop.submit(_send(group_of(shard), message))


def settle(seconds: float) -> None:
    """Wait until what this thread published last is sent, but no longer than some seconds.

    A thread that works on would keep the interpreter from the one that sends.
    """
    sent: Future[None] | None = getattr(_of_this_thread, "sent", None)
    if sent is not None:
        wait([sent], seconds)
        _of_this_thread.sent = None


def hint_rights() -> None:
    """Have every web process look at the rights of its connections. Never raises, never waits."""
    background_loop.submit(_send(group_of(0), {"type": RIGHTS_TYPE}))


async def _send(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        raise RuntimeError("CHANNEL_LAYERS has no default layer")
    try:
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await layer.group_send(group, message)
    except Exception as exc:  # noqa: BLE001 - whatever a layer raises: the log holds the truth
        logger.warning("not published; the web processes will find it", error=str(exc))


def _packed(event: Published) -> list[Any]:
    facts = event.facts
    return [
        event.job, event.seq, event.type, event.frame,
        facts.owner, facts.backend, list(facts.labels), facts.state, event.shard,
    ]  # fmt: skip


def unpack(packed: list[Any]) -> Published:
    """Return an event as it was before `publish`."""
    job, seq, type_, frame, owner, backend, labels, state, shard = packed
    facts = Facts(owner, backend, tuple(labels), state)
    return Published(job, seq, type_, frame, facts, shard)
