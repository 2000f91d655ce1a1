"""The calls under `/api/v1/backends`: what can be started and how it is, never where it is."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from progrock.api.describing import also
from progrock.api.jobs import json_response, who_of
from progrock.backends import registry
from progrock.errors import RequestError
from progrock.overview.backends import described, with_figures
from progrock.protocol.answers import BackendList, BackendOffer
from progrock.protocol.codes import ErrorCode

router = Router(tags=["backends"])


@router.get(
    "",
    summary="List the backends",
    response={200: BackendList},
    openapi_extra=also(refuses={403: [ErrorCode.NOT_PERMITTED]}),
)
def list_backends(request: HttpRequest, figures: bool = False) -> HttpResponse:
    """{backends: [{name, title, description, default, condition, …, params, figures?}]}."""
    known = registry.backends()
    told = described(list(known.by_name.values()), known.default)
    return json_response({"backends": with_figures(who_of(request), told) if figures else told})


@router.get(
    "/{name}",
    summary="One backend",
    response={200: BackendOffer},
    openapi_extra=also(refuses={403: [ErrorCode.NOT_PERMITTED], 404: [ErrorCode.UNKNOWN_BACKEND]}),
)
def get_backend(request: HttpRequest, name: str, figures: bool = False) -> HttpResponse:
    """The same object as in the list."""
    known = registry.backends()
    backend = known.by_name.get(name)
    if backend is None:
        raise RequestError(ErrorCode.UNKNOWN_BACKEND, f"There is no backend {name[:100]!r}.")
    told = described([backend], known.default)
    return json_response((with_figures(who_of(request), told) if figures else told)[0])
