"""The pages. They say what is there when they are asked; what happens then comes to progrock.js."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from progrock import identity
from progrock.dashboard import backends_page, job_page, queries, starting
from progrock.errors import RequestError
from progrock.identity import Who

P = ParamSpec("P")
STATE_TABS = {
    "": "All",
    "active": "In progress",
    "failed": "Failed",
    "succeeded": "Succeeded",
    "cancelled": "Cancelled",
}


def page(
    view: Callable[Concatenate[HttpRequest, Who, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Make a page of a view that is told who visits it; strangers are sent to the login page."""

    @require_safe
    @cache_control(private=True, no_cache=True)
    @wraps(view)
    def admit(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            who = identity.of_request(request)
        except RequestError:
            return redirect_to_login(request.get_full_path())
        return view(request, who, *args, **kwargs)

    return admit


@page
def index(request: HttpRequest, who: Who) -> HttpResponse:
    """The list of jobs."""
    wanted = queries.Wanted.of_query(request.GET.dict())
    jobs = queries.latest_jobs(who, wanted)
    titles = queries.backend_titles()
    context = {
        "wanted": wanted,
        "backends": titles.items(),
        "groups": [(name, word, wanted.address_with(name)) for name, word in STATE_TABS.items()],
        "lines": [queries.as_line(told, titles) for told in jobs],
        "board": {"user": who.name, "backends": titles, "jobs": jobs},
    }
    return render(request, "progrock/index.html", context)


@require_safe
@cache_control(private=True, no_cache=True)
def job(request: HttpRequest, job: UUID) -> HttpResponse:
    """One job. Who may not see it gets a page that takes a share link's token.

    The token stands in the fragment of the address, which no server is told: only the page's
    script can say whether the visitor may see the job. Without a token it leads strangers to the
    login page.
    """
    try:
        who = identity.of_request(request)
    except RequestError:
        return _closed(request, job, is_stranger=True)
    try:
        shown = job_page.read(who, job)
    except RequestError:
        return _closed(request, job, is_stranger=False)
    return render(request, "progrock/job.html", {"page": shown, "title": shown.told["title"]})


def _closed(request: HttpRequest, job: UUID, *, is_stranger: bool) -> HttpResponse:
    """Return the page of a job that may not be seen or does not exist: the same for both."""
    context = {"setting": job_page.setting(job), "is_stranger": is_stranger}
    status = 200 if is_stranger else 404
    return render(request, "progrock/job_closed.html", context, status=status)


@page
def start(request: HttpRequest, who: Who) -> HttpResponse:
    """The form that starts a job: on a backend, or as a retry of one."""
    asked = request.GET
    shown = starting.start_page(who, asked.get("backend"), asked.get("retry"))
    return render(request, "progrock/start.html", {"page": shown})


@page
def backends(request: HttpRequest, who: Who) -> HttpResponse:
    """How the backends are."""
    try:
        told = backends_page.read(who)
    except RequestError as exc:
        raise PermissionDenied from exc
    context = {"backends": told, "lines": [backends_page.as_line(each) for each in told]}
    return render(request, "progrock/backends.html", context)
