"""Who may see and control which job (PROTOCOL sections 2.1 and 2.6).

A job without an owner belongs to all who get in; another belongs to its owner and to staff. The
bearer of a report or share token sees one job, whoever owns it.
"""

from django.db.models import Q, QuerySet

from progrock import identity
from progrock.identity import Who
from progrock.models import Job


def may_see(who: Who, owner: int | None) -> bool:
    """Whether somebody with or without an account may see a job of this owner."""
    return owner is None or who.is_staff or owner == who.user


def may_follow(who: Who, job: str, owner: int | None) -> bool:
    """Whether a visitor may be told of a job of this owner, at this moment."""
    if who.only_job is not None:
        return who.only_job == job and not who.is_expired
    return may_see(who, owner)


def may_list(who: Who) -> bool:
    """Whether a visitor may ask for lists of jobs, and for the feed."""
    return not who.is_reader


def may_control(who: Who, owner: int | None) -> bool:
    """Whether a visitor may cancel, retry, edit, share and comment on a job."""
    return who.only_job is None and may_see(who, owner)


def may_report(who: Who, owner: int | None) -> bool:
    """Whether a visitor may report the progress of a job that it can see."""
    return not who.is_reader and (who.only_job is not None or may_control(who, owner))


def visible_to(who: Who) -> QuerySet[Job]:
    """Return the jobs that a visitor may see.

    Raises RequestError(not_authenticated) when the time of a share token is over.
    """
    if who.is_expired:
        raise identity.expired()
    if who.only_job is not None:
        return Job.objects.filter(id=who.only_job)
    if who.is_staff:
        return Job.objects.all()
    return Job.objects.filter(Q(owner=None) | Q(owner=who.user) if who.user else Q(owner=None))
