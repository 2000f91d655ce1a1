"""A WebSocket that follows one job: a group for each job, as the Channels tutorial has it."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from bench.plain.tasks import group_of


class JobConsumer(AsyncJsonWebsocketConsumer):
    """Follows the job that its address names."""

    async def connect(self) -> None:
        """Join the job's group."""
        self.group = group_of(self.scope["url_route"]["kwargs"]["job"])
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave it."""
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def job_progress(self, event: dict[str, Any]) -> None:
        """Hand on what the poll told."""
        await self.send_json(event["frame"])
