"""Keep secrets out of what a backend says: one that echoes our token shows stars instead."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, quote_plus

from progrock.backends.http import HttpReply

STARS = "•••"
HOOK_PREFIX = "whsec_"
SHORTEST = 4  # a shorter secret would blank out ordinary words


class Environment(Mapping[str, str]):
    """The environment as the description reads it; remembers what was read as a secret."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        value = self._variables[name]
        self.read.add(value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


@dataclass(frozen=True, slots=True)
class Mask:
    """The secrets of a backend, in each form in which they may come back."""

    forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> "Mask":
        """Return the mask for some secrets; those shorter than four characters are let be."""
        forms: set[str] = set()
        for secret in secrets:
            for part in {secret, secret.removeprefix(HOOK_PREFIX)}:
                if len(part) >= SHORTEST:
                    forms |= _forms_of(part)
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, STARS)
        return text

    def reply(self, reply: HttpReply) -> HttpReply:
        """Return a reply without the secrets, in its headers and its body."""
        if not self.forms:
            return reply
        content = reply.content
        for form in self.forms:
            content = content.replace(form.encode(), STARS.encode())
        headers = {name: self.text(value) for name, value in reply.headers.items()}
        masked = replace(reply, headers=headers, content=content)
        if b"\\" in content and masked.is_json:  # some escape may hide one: look behind it
            plain = self.value(masked.body)
            if plain != masked.body:
                masked = replace(masked, content=json.dumps(plain).encode())
        return masked

    def value(self, value: Any) -> Any:
        """Return JSON without the secrets in any of its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value


def _forms_of(secret: str) -> set[str]:
    """Return a secret as it is, and as JSON, addresses, Base64 and a wrong charset may write it."""
    raw = secret.encode()
    forms = {
        secret,
        raw.decode("latin-1"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        forms |= {quoted, _HEX.sub(lambda found: found[0].lower(), quoted)}
    for coded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        forms |= {coded, coded.rstrip("=")}
    return forms


_HEX = re.compile("%[0-9A-F]{2}")
