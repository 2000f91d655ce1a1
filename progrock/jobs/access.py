"""Who may see and control which job (PROTOCOL sections 2.1 and 2.6).

A job without an owner belongs to all who get in; another belongs to its owner and to staff.
"""

from django.db.models import Q, QuerySet

from progrock.identity import Who
from progrock.models import Job


def may_see(who: Who, owner: int | None) -> bool:
    """Whether a visitor may see a job of this owner."""
    return owner is None or who.is_staff or owner == who.user


def may_control(who: Who, owner: int | None) -> bool:
    """Whether a visitor may cancel, retry and edit a job of this owner."""
    return who.only_job is None and may_see(who, owner)


def may_report(who: Who, owner: int | None) -> bool:
    """Whether a visitor may report the progress of a job that it can see."""
    return who.only_job is not None or may_control(who, owner)


def visible_to(who: Who) -> QuerySet[Job]:
    """Return the jobs that a visitor may see."""
    if who.only_job is not None:
        return Job.objects.filter(id=who.only_job)
    if who.is_staff:
        return Job.objects.all()
    return Job.objects.filter(Q(owner=None) | Q(owner=who.user) if who.user else Q(owner=None))
