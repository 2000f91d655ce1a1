"""Cookies of a backend, as plain data: {origin: {name: value}} (RFC 6265, as far as it serves).

A cookie goes back to the origin that set it and nowhere else; paths and domains are not told
apart, since all requests stay on the origins of one backend.
"""

from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie

Jar = Mapping[str, Mapping[str, str]]
MOST = 50  # cookies of one origin
LONGEST = 4096


def header_for(jar: Jar, origin: str) -> str | None:
    """Return the Cookie header for an origin, or None where there is nothing to send."""
    cookies = jar.get(origin)
    return "; ".join(f"{name}={value}" for name, value in cookies.items()) if cookies else None


def after_reply(jar: Jar, origin: str, set_cookie: Iterable[str]) -> Jar:
    """Return the jar after a reply with these Set-Cookie headers."""
    cookies = dict(jar.get(origin, {}))
    for header in set_cookie:
        try:
            morsels = SimpleCookie(header[:LONGEST])
        except CookieError:
            continue
        for name, morsel in morsels.items():
            if morsel["max-age"].strip().startswith(("0", "-")):
                cookies.pop(name, None)
            elif len(cookies) < MOST or name in cookies:
                cookies[name] = morsel.coded_value
    return {**jar, origin: cookies}
