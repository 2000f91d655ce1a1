"""The plain design's one table."""

from django.db import models


class Job(models.Model):
    """A long-running job on the backend, as last seen."""

    id = models.UUIDField(primary_key=True)
    operation = models.CharField(max_length=100)
    state = models.CharField(max_length=20, default="running")
    progress = models.FloatField(null=True)
    current = models.FloatField(null=True)
    total = models.FloatField(null=True)
    unit = models.CharField(max_length=60, null=True)
    message = models.TextField(null=True)
    polls = models.PositiveIntegerField(default=0)
    updated = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"
