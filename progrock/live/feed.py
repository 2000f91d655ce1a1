"""Which events belong to a feed: those of the jobs that match its filter, as they are then."""

from progrock.identity import Who
from progrock.jobs import queries
from progrock.live.publishing import Facts
from progrock.protocol.messages import Filter


class Feed:
    """One watcher's wish for the events of all jobs that match."""

    __slots__ = ("_states", "_user", "_wanted")

    def __init__(self, who: Who, wanted: Filter) -> None:
        """Raise RequestError(not_permitted) for whoever may watch one job only."""
        queries.require_lists(who)
        self._states = queries.states_of(wanted)
        self._wanted = wanted
        self._user = who.user

    def matches(self, facts: Facts) -> bool:
        """Whether a job with these facts belongs to it."""
        wanted = self._wanted
        return (
            (not self._states or facts.state in self._states)
            and (wanted.backend is None or wanted.backend == facts.backend)
            and (wanted.label is None or wanted.label in facts.labels)
            and (not wanted.mine or facts.owner == self._user)
        )
