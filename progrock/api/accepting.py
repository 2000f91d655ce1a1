"""What a client wants to have, by its Accept header (RFC 9110, 12.5.1)."""

STREAM = "text/event-stream"


def wants_stream(accept: str) -> bool:
    """Whether the header names event streams."""
    return STREAM in _accepted(accept)


def takes_stream(accept: str) -> bool:
    """Whether the header does not rule event streams out."""
    accepted = _accepted(accept)
    return not accepted or not accepted.isdisjoint({STREAM, "text/*", "*/*"})


def _accepted(accept: str) -> set[str]:
    """Return the media types of an Accept header, without those of quality 0."""
    found = set()
    for item in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        if media_type and not any(_is_zero(parameter) for parameter in parameters):
            found.add(media_type)
    return found


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().strip("0") in {"", "."}
